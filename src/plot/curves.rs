//! Curves: any series, and the loss of runs beside their baselines.

use super::chart::{Chart, Level, Series, Style};
use super::error::PlotError;
use super::figure::{Content, Figure};
use super::frame::axis_label;
use super::mark::Dash;
use super::scale::{count, whole};
use crate::metrics::{Frame, columns};

/// Default size of a chart in pixels.
pub(super) const SIZE: (u32, u32) = (920, 500);

/// A chart of series over one x axis.
///
/// # Errors
/// [`PlotError::Lengths`] if a series has more positions than values or the reverse, [`PlotError::Empty`] if one has no
/// finite pair.
pub fn curves(series: &[Series], x_label: &str, y_label: &str) -> Result<Figure, PlotError> {
    let chart = Chart { series: series.to_vec(), x_label: x_label.into(), y_label: y_label.into(), ..Chart::default() };
    Ok(Figure::new(Content::Chart(chart.check()?), SIZE))
}

/// The loss of runs over steps: each training step faint, smoothed strong, validations as joined dots, baselines dashed.
///
/// Draws bits per byte where every run has them, else nats per token. Rows are told apart by their `split`; without that
/// column all are training steps. See [`columns`] for the names.
///
/// # Errors
/// [`PlotError::NoColumn`] if a run has no steps or no loss, [`PlotError::Empty`] if a run has no finite loss, or there is
/// no run.
pub fn loss_curve<L: AsRef<str>>(runs: &[(L, &Frame)]) -> Result<Figure, PlotError> {
    if runs.iter().all(|(_, frame)| frame.numbers(columns::BITS_PER_BYTE).is_some()) {
        metric_curve(runs, columns::BITS_PER_BYTE, &axis_label(columns::BITS_PER_BYTE))
    } else {
        metric_curve(runs, columns::LOSS, &axis_label(columns::LOSS))
    }
}

/// Any column of runs over steps, drawn as [`loss_curve`] does; baselines appear beside bits per byte.
///
/// # Errors
/// As [`loss_curve`].
pub fn metric_curve<L: AsRef<str>>(runs: &[(L, &Frame)], column: &str, y_label: &str) -> Result<Figure, PlotError> {
    if runs.is_empty() {
        return Err(PlotError::Empty { what: "a curve of no runs".into() });
    }
    let mut chart = Chart { x_label: "Step".into(), y_label: y_label.into(), ..Chart::default() };
    for (index, (label, frame)) in runs.iter().enumerate() {
        let run = Run::read(label.as_ref(), frame, column)?;
        chart.series.extend(run.series(index, runs.len() == 1)?);
        if column == columns::BITS_PER_BYTE {
            run.add_levels(frame, runs.len() == 1, &mut chart.levels);
        }
    }
    Ok(Figure::new(Content::Chart(chart.check()?), SIZE))
}

struct Run<'a> {
    label: &'a str,
    training: (Vec<f64>, Vec<f64>),
    validation: (Vec<f64>, Vec<f64>),
}

impl<'a> Run<'a> {
    fn read(label: &'a str, frame: &Frame, column: &str) -> Result<Self, PlotError> {
        let numbers = |name: &str| {
            frame.numbers(name).ok_or_else(|| PlotError::NoColumn {
                run: label.to_owned(),
                column: name.to_owned(),
                known: frame.columns().into_iter().map(str::to_owned).collect(),
            })
        };
        let (steps, values) = (numbers(columns::STEP)?, numbers(column)?);
        let splits = frame.text(columns::SPLIT);
        let mut run = Self { label, training: (Vec::new(), Vec::new()), validation: (Vec::new(), Vec::new()) };
        for (row, (step, value)) in steps.into_iter().zip(values).enumerate() {
            let split = splits.as_ref().and_then(|splits| splits[row].as_deref()).unwrap_or(columns::TRAIN);
            let side = match split {
                columns::TRAIN => &mut run.training,
                columns::VAL => &mut run.validation,
                _ => continue,
            };
            if step.is_finite() && value.is_finite() {
                side.0.push(step);
                side.1.push(value);
            }
        }
        Ok(run)
    }

    /// Raw, smoothed and validation series, as far as there are any; alone, a run needs no name in the legend.
    fn series(&self, index: usize, alone: bool) -> Result<Vec<Series>, PlotError> {
        let name = |kind: &str, named: bool| match (alone, named) {
            (true, _) => kind.to_owned(),
            (false, true) => format!("{}, {kind}", self.label),
            (false, false) => String::new(),
        };
        let mut series = Vec::new();
        let (steps, values) = &self.training;
        if !steps.is_empty() {
            let sigma = sigma(values.len());
            let raw = Series::new(&name("training, each step", false), steps.clone(), values.clone(), Style::Raw);
            let smoothed = Series::new(&name("training", true), steps.clone(), smooth(values, sigma), Style::Smoothed);
            series.extend([raw.coloured(index), smoothed.coloured(index)]);
            if alone {
                series[1].label = format!("training, smoothed (σ = {sigma:.0})");
            }
        }
        let (steps, values) = &self.validation;
        if !steps.is_empty() {
            let colour = if alone { index + 1 } else { index };
            series.push(
                Series::new(&name("validation", true), steps.clone(), values.clone(), Style::Points).coloured(colour),
            );
        }
        if series.is_empty() { Err(PlotError::Empty { what: format!("run `{}`", self.label) }) } else { Ok(series) }
    }

    /// The baselines last logged by the run's validations, each once however many runs share it.
    fn add_levels(&self, frame: &Frame, alone: bool, levels: &mut Vec<Level>) {
        let validation = frame.rows_where(columns::SPLIT, columns::VAL).ok();
        let source = validation.as_ref().unwrap_or(frame);
        let kinds = [
            (columns::UNIFORM_BITS_PER_BYTE, "uniform", Dash::Dots),
            (columns::UNIGRAM_BITS_PER_BYTE, "unigram", Dash::Short),
            (columns::MARKOV_BITS_PER_BYTE, "first-order Markov", Dash::Long),
        ];
        for (column, kind, dash) in kinds {
            let Some(value) = source.last_number(column).filter(|value| value.is_finite()) else { continue };
            let known = |level: &&Level| level.dash == dash && (level.value - value).abs() < 5e-4;
            if levels.iter().any(|level| known(&level)) {
                continue;
            }
            let label = format!("{kind} ({value:.2})");
            // A second run with another split has another baseline: then the run's name says whose it is.
            let first = alone || levels.iter().all(|level| level.dash != dash);
            let label = if first { label } else { format!("{label}, {}", self.label) };
            levels.push(Level { label, value, dash });
        }
    }
}

/// How many steps the smoothing reaches to either side: a fiftieth of the run, at least one.
fn sigma(steps: usize) -> f64 {
    (count(steps) / 50.0).floor().max(1.0)
}

/// Values averaged with a Gaussian window of standard deviation `sigma` steps, cut at three and at both ends.
///
/// Centred, so that a smoothed curve does not lag behind what it smooths, as a running exponential mean does. Values that are
/// not finite count as absent.
#[must_use]
pub fn smooth(values: &[f64], sigma: f64) -> Vec<f64> {
    let reach = whole((3.0 * sigma).max(0.0));
    let weights: Vec<f64> = (0..=reach).map(|lag| (-0.5 * (count(lag) / sigma).powi(2)).exp()).collect();
    let weigh = |centre: usize| {
        let from = centre.saturating_sub(reach);
        let near = &values[from..values.len().min(centre + reach + 1)];
        let finite = near.iter().enumerate().filter(|(_, value)| value.is_finite());
        let (sum, total) = finite.fold((0.0, 0.0), |(sum, total), (index, value)| {
            let weight = weights[(from + index).abs_diff(centre)];
            (sum + weight * value, total + weight)
        });
        if total > 0.0 { sum / total } else { f64::NAN }
    };
    (0..values.len()).map(weigh).collect()
}
