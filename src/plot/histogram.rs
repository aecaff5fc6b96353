//! Histograms: how often values fall into bins.

use serde::{Deserialize, Serialize};

use super::chart::{Chart, Steps};
use super::error::PlotError;
use super::figure::{Content, Figure};
use super::frame::{self, axis_label};
use super::scale::{count, whole};
use super::stats::quantile;
use crate::metrics::Frame;
use crate::options::OptionError;

/// What the height of a bin means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Height {
    /// How many values.
    Count,
    /// The part of a group's values, 0 to 1.
    Share,
    /// The part of a group's values in a unit of the axis; the areas of a group sum to 1.
    Density,
}

crate::options! {
    /// The options of `histogram(values, #{ … })` and `histogram(frame, column, #{ … })`.
    pub struct HistogramConfig for "histogram" {
        /// How many bins; `()` follows the rule of Freedman and Diaconis. [bins; 1 to 1000]
        bins: Option<usize> = None,
        /// One histogram for each value of this column, over the same bins. [; a column]
        by: Option<String> = None,
        /// Bins of equal ratio on a logarithmic axis; values of 0 and below are left out.
        log: bool = false,
        /// What a bin's height means. [; "count", "share", "density"]
        height: Height = Height::Count,
        /// What the horizontal axis is called.
        label: Option<String> = None,
    }
    ; validate = check
}

/// The most bins that are drawn, and the most that the rule gives.
const MOST: usize = 1000;
const MOST_BY_RULE: usize = 200;

fn check(config: &HistogramConfig) -> Result<(), OptionError> {
    match config.bins {
        Some(bins) if !(1..=MOST).contains(&bins) => Err(OptionError::value("bins", bins, "between 1 and 1000")),
        _ => Ok(()),
    }
}

/// How often `values` fall into bins; those that are not finite are left out.
///
/// # Errors
/// [`PlotError::Empty`] if none is finite (with `log`: above 0); [`PlotError::Option`] for `by`, which needs a frame.
pub fn histogram(values: &[f64], config: &HistogramConfig) -> Result<Figure, PlotError> {
    if config.by.is_some() {
        let message = "`by` names a column, but there is no frame".to_owned();
        let hint = Some("histogram(frame, column, #{ by: … })".to_owned());
        return Err(OptionError { key: "by".to_owned(), message, hint }.into());
    }
    of_groups(&[(String::new(), values.to_vec())], "Value", String::new(), config)
}

/// How often the values of a column fall into bins.
///
/// # Errors
/// As [`histogram`]; [`PlotError::Option`] for a column that is missing or holds no numbers.
pub fn histogram_of(frame: &Frame, column: &str, config: &HistogramConfig) -> Result<Figure, PlotError> {
    let values = frame::numbers(frame, "column", column)?;
    let Some(by) = &config.by else {
        return of_groups(&[(String::new(), values)], &axis_label(column), String::new(), config);
    };
    let groups = frame::categories(frame, "by", by)?;
    let of = |(name, rows): (&String, Vec<usize>)| (name.clone(), rows.into_iter().map(|row| values[row]).collect());
    let groups: Vec<(String, Vec<f64>)> = groups.names.iter().zip(groups.rows()).map(of).collect();
    of_groups(&groups, &axis_label(column), by.clone(), config)
}

fn of_groups(
    groups: &[(String, Vec<f64>)],
    name: &str,
    legend_title: String,
    config: &HistogramConfig,
) -> Result<Figure, PlotError> {
    let usable = |value: &f64| value.is_finite() && (!config.log || *value > 0.0);
    let place = |value: f64| if config.log { value.ln() } else { value };
    let mut placed: Vec<f64> =
        groups.iter().flat_map(|(_, values)| values).copied().filter(usable).map(place).collect();
    placed.sort_by(f64::total_cmp);
    if placed.is_empty() {
        let what = if config.log { "the histogram, logarithmic," } else { "the histogram" };
        return Err(PlotError::Empty { what: what.to_owned() });
    }
    let edges = edges(&placed, config.bins);
    let bins = edges.len() - 1;
    let back = |edge: &f64| if config.log { edge.exp() } else { *edge };
    let shown: Vec<f64> = edges.iter().map(back).collect();
    let mut chart = Chart {
        x_label: config.label.clone().unwrap_or_else(|| name.to_owned()),
        y_label: match config.height {
            Height::Count => "Count".to_owned(),
            Height::Share => "Share of values".to_owned(),
            Height::Density => "Density (share per unit)".to_owned(),
        },
        legend_title,
        ..Chart::default()
    };
    for (colour, (label, values)) in groups.iter().enumerate() {
        let mut heights = vec![0.0; bins];
        for value in values.iter().copied().filter(usable).map(place) {
            // The last bin holds its upper edge, too.
            heights[edges.partition_point(|edge| *edge <= value).clamp(1, bins) - 1] += 1.0;
        }
        let total: f64 = heights.iter().sum();
        for (height, edges) in heights.iter_mut().zip(shown.windows(2)) {
            *height /= match config.height {
                Height::Count => 1.0,
                Height::Share => total.max(1.0),
                Height::Density => total.max(1.0) * (edges[1] - edges[0]),
            };
        }
        if total > 0.0 {
            chart.steps.push(Steps { label: label.clone(), edges: shown.clone(), heights, colour });
        }
    }
    chart.counts = config.height == Height::Count;
    let mut figure = Figure::new(Content::Chart(chart.check()?), (760, 420));
    if config.log {
        figure = figure.log_x(true)?;
    }
    Ok(figure)
}

/// Edges of bins over ascending `values`: so many, or of a width of 2 IQR / n^(1/3) (Freedman & Diaconis 1981).
fn edges(values: &[f64], bins: Option<usize>) -> Vec<f64> {
    let (low, high) = (values[0], values[values.len() - 1]);
    if high - low <= 1e-12 * low.abs().max(high.abs()) {
        // A single value: its bin in the middle of empty ones.
        let width = if low == 0.0 { 1.0 } else { 0.1 * low.abs() };
        return (-2..=3).map(|edge| low + width * (f64::from(edge) - 0.5)).collect();
    }
    let number = bins.unwrap_or_else(|| {
        let width = 2.0 * (quantile(values, 0.75) - quantile(values, 0.25)) / count(values.len()).cbrt();
        // Where half of the values are equal: Sturges' rule, which needs no spread.
        let number = if width > 0.0 { (high - low) / width } else { count(values.len()).log2() + 1.0 };
        whole(number.ceil()).clamp(1, MOST_BY_RULE)
    });
    (0..=number).map(|edge| low + (high - low) * count(edge) / count(number)).collect()
}
