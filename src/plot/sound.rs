//! Waveforms.

use super::axes::Axes;
use super::chart::{Chart, Freedom};
use super::colour::Theme;
use super::error::PlotError;
use super::figure::{Content, Figure};
use super::mark::{Dash, Mark, Point, clip, clip_polygon};
use super::scale::{count, whole};
use std::sync::Arc;

/// Columns of an envelope: more than a page at double density can show.
const COLUMNS: usize = 1800;

/// Samples of sound, which a chart draws as far as its axis shows them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wave {
    samples: Arc<[f32]>,
    sample_rate: f64,
}

/// A waveform: amplitude over seconds, symmetrical about 0. Where many samples share a dot, their range at each instant.
///
/// # Errors
/// [`PlotError::NotPositive`] for a sample rate of 0, [`PlotError::Empty`] if no sample is finite.
pub fn waveform(samples: &[f32], sample_rate: u32) -> Result<Figure, PlotError> {
    if sample_rate == 0 {
        return Err(PlotError::NotPositive { what: "the sample rate", found: 0.0 });
    }
    let peak = samples
        .iter()
        .filter(|sample| sample.is_finite())
        .fold(None, |peak: Option<f32>, sample| Some(peak.map_or(sample.abs(), |peak| peak.max(sample.abs()))));
    let Some(peak) = peak else { return Err(PlotError::Empty { what: "the waveform".into() }) };
    let room = if peak > 0.0 { f64::from(peak) * 1.05 } else { 1.0 };
    let sample_rate = f64::from(sample_rate);
    let chart = Chart {
        x_label: "Time (s)".into(),
        y_label: "Amplitude".into(),
        x_range: Some((0.0, count(samples.len()) / sample_rate)),
        y_range: Some((-room, room)),
        freedom: Freedom::Wave,
        wave: Some(Wave { samples: samples.into(), sample_rate }),
        ..Chart::default()
    };
    Ok(Figure::new(Content::Chart(chart.check()?), (920, 260)))
}

impl Wave {
    /// Draws what the axes show.
    pub(super) fn draw(&self, theme: Theme, axes: &Axes<'_>, marks: &mut Vec<Mark>) {
        // One sample more at each end: lines leave the area rather than end before its border.
        let index = |second: f64| whole((second * self.sample_rate).max(0.0)).min(self.samples.len());
        let from = index(axes.x.low).saturating_sub(1);
        let to = (index(axes.x.high) + 2).min(self.samples.len()).max(from);
        if to - from <= 2 * COLUMNS {
            self.draw_line(from, to, theme, axes, marks);
        } else {
            self.draw_envelope(from, to, theme, axes, marks);
        }
    }

    fn at(&self, index: usize, value: f32, axes: &Axes<'_>) -> Option<Point> {
        axes.at(count(index) / self.sample_rate, f64::from(value))
    }

    fn draw_line(&self, from: usize, to: usize, theme: Theme, axes: &Axes<'_>, marks: &mut Vec<Mark>) {
        let mut runs: Vec<Vec<Point>> = vec![Vec::new()];
        for (index, sample) in self.samples[from..to].iter().enumerate() {
            match (self.at(from + index, *sample, axes), runs.last_mut()) {
                (Some(point), Some(run)) if sample.is_finite() => run.push(point),
                _ => runs.push(Vec::new()),
            }
        }
        for run in runs {
            if let [point] = run[..]
                && axes.area.holds(point)
            {
                marks.push(Mark::Disc { centre: point, radius: 1.8, colour: theme.line(0) });
            }
            for points in clip(&run, &axes.area) {
                marks.push(Mark::Line { points, colour: theme.line(0), width: 1.5, dash: Dash::Solid });
            }
        }
    }

    /// The least and the largest sample of each column; a column shares a sample with the one before, so that none stand
    /// apart.
    fn draw_envelope(&self, from: usize, to: usize, theme: Theme, axes: &Axes<'_>, marks: &mut Vec<Mark>) {
        let (mut low, mut high) = (Vec::new(), Vec::new());
        let samples = to - from;
        for column in 0..COLUMNS {
            let first = (from + column * samples / COLUMNS).saturating_sub(1);
            let last = from + (column + 1) * samples / COLUMNS;
            let finite = self.samples[first..last].iter().filter(|sample| sample.is_finite());
            let ends = finite.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), s| (low.min(*s), high.max(*s)));
            if ends.0 <= ends.1 {
                let middle = first + (last - first) / 2;
                low.extend(self.at(middle, ends.0, axes));
                high.extend(self.at(middle, ends.1, axes));
            }
        }
        let mut outline = high.clone();
        outline.extend(low.iter().rev());
        let colour = theme.line(0);
        marks.push(Mark::Fill { points: clip_polygon(&outline, &axes.area), colour });
        // Where low and high meet the area has no thickness: a hairline keeps it in sight.
        for edge in [low, high] {
            for points in clip(&edge, &axes.area) {
                marks.push(Mark::Line { points, colour, width: 0.6, dash: Dash::Solid });
            }
        }
    }
}
