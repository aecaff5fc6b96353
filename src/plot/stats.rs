//! What several values of one thing come to: for bands, error bars and bins.

use serde::{Deserialize, Serialize};

use super::scale::{count, whole};
use crate::metrics::Summary;

/// What a band or an error bar spans, about the mean of several rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interval {
    /// One standard deviation of the rows to either side.
    Std,
    /// The 95 % confidence interval of the mean, by Student's t.
    Ci95,
    /// From the least to the largest.
    Range,
}

impl Interval {
    /// What a legend calls it.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Std => "± 1 std. deviation",
            Self::Ci95 => "95 % interval",
            Self::Range => "least to largest",
        }
    }

    /// The lower and the upper end; NaN for a single value, whose spread is unknown.
    pub(super) fn ends(self, summary: &Summary) -> (f64, f64) {
        if summary.count < 2 {
            return (f64::NAN, f64::NAN);
        }
        match self {
            Self::Std => (summary.mean - summary.std, summary.mean + summary.std),
            Self::Ci95 => (summary.mean - summary.confidence(), summary.mean + summary.confidence()),
            Self::Range => (summary.min, summary.max),
        }
    }
}

/// What the finite ones of `values` come to; `None` when there is none.
pub(super) fn summary(values: impl Iterator<Item = f64>) -> Option<Summary> {
    let finite: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    let length = count(finite.len());
    let mean = finite.iter().sum::<f64>() / length;
    let squares: f64 = finite.iter().map(|value| (value - mean).powi(2)).sum();
    let std = if finite.len() > 1 { (squares / (length - 1.0)).sqrt() } else { 0.0 };
    let min = finite.iter().copied().fold(f64::INFINITY, f64::min);
    let max = finite.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (!finite.is_empty()).then_some(Summary { count: finite.len(), mean, std, min, max })
}

/// The value that a part of ascending `sorted` lies below, with interpolation; NaN for none.
pub(super) fn quantile(sorted: &[f64], part: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = part.clamp(0.0, 1.0) * count(last);
    let below = whole(at).min(last);
    let above = (below + 1).min(last);
    sorted[below] + (at - count(below)) * (sorted[above] - sorted[below])
}
