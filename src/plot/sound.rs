//! Waveforms.

use super::chart::{Chart, Envelope, Freedom, Series, Style};
use super::error::PlotError;
use super::figure::{Content, Figure};
use super::scale::count;

/// Columns of a waveform's envelope: more than a page at double density can show.
const COLUMNS: usize = 1800;

/// A waveform: amplitude over seconds, symmetrical about 0. Longer ones show the range of amplitudes at each instant.
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
    let seconds = |index: usize| count(index) / f64::from(sample_rate);
    let mut chart = Chart {
        x_label: "Time (s)".into(),
        y_label: "Amplitude".into(),
        x_range: Some((0.0, seconds(samples.len()))),
        y_range: Some((-room, room)),
        freedom: Freedom::Wave,
        ..Chart::default()
    };
    if samples.len() <= 2 * COLUMNS {
        let x = (0..samples.len()).map(seconds).collect();
        chart.series.push(Series::new("", x, samples.iter().map(|sample| f64::from(*sample)).collect(), Style::Line));
    } else {
        chart.envelope = Some(envelope(samples, &seconds));
    }
    Ok(Figure::new(Content::Chart(chart.check()?), (920, 260)))
}

/// The least and the largest sample of each column; a column shares a sample with the one before, so that none stand apart.
fn envelope(samples: &[f32], seconds: &dyn Fn(usize) -> f64) -> Envelope {
    let mut envelope = Envelope { x: Vec::new(), low: Vec::new(), high: Vec::new() };
    for column in 0..COLUMNS {
        let from = (column * samples.len() / COLUMNS).saturating_sub(1);
        let to = (column + 1) * samples.len() / COLUMNS;
        let finite = samples[from..to].iter().filter(|sample| sample.is_finite());
        let (low, high) = finite.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), s| (low.min(*s), high.max(*s)));
        if low <= high {
            envelope.x.push((seconds(from) + seconds(to)) / 2.0);
            envelope.low.push(low.into());
            envelope.high.push(high.into());
        }
    }
    envelope
}
