//! What the axes of a chart hold.

use super::{Chart, Freedom, Style};
use crate::plot::error::PlotError;
use crate::plot::page::Look;
use crate::plot::scale::Scale;

impl Chart {
    pub(super) fn x_scale(&self, look: &Look) -> Result<Scale, PlotError> {
        let mut values: Vec<f64> = self.series.iter().flat_map(|series| series.finite()).map(|(x, _)| x).collect();
        values.extend(self.clouds.iter().flat_map(|cloud| cloud.finite()).map(|(x, _)| x));
        values.extend(self.steps.iter().flat_map(|steps| &steps.edges));
        values.extend(self.outlines.iter().flat_map(|outline| &outline.points).map(|(x, _)| x));
        values.extend(look.rules.iter().filter(|rule| rule.upright).map(|rule| rule.at));
        // Dots at the very edge look cut off; a line that ends there does not.
        let padding = match (self.clouds.is_empty(), self.steps.is_empty()) {
            (false, _) => 0.04,
            (true, false) => 0.02,
            (true, true) => 0.0,
        };
        let scale = scale('x', look.log_x, look.x_limits, self.x_range, &values, padding)?;
        // Steps, lags, numbers of layers: there is nothing between whole numbers.
        let limits = look.x_limits.into_iter().flat_map(|(low, high)| [low, high]);
        let whole = !values.is_empty() && values.iter().copied().chain(limits).all(|value| value.fract() == 0.0);
        Ok(if whole { scale.of_counts() } else { scale })
    }

    pub(super) fn y_scale(&self, look: &Look) -> Result<Scale, PlotError> {
        let padding = if self.freedom == Freedom::Plane { 0.06 } else { 0.04 };
        let mut values = self.y_values(look.x_limits);
        values.extend(look.rules.iter().filter(|rule| !rule.upright).map(|rule| rule.at));
        let mut scale = scale('y', look.log_y, look.y_limits, self.y_range, &values, padding)?;
        if !self.steps.is_empty() && look.y_limits.is_none() && !look.log_y {
            scale.low = 0.0; // bins stand on the axis
        }
        Ok(if self.counts { scale.of_counts() } else { scale })
    }

    /// What the vertical axis has to hold, within the limits of x. Beside other series a raw one counts without its most
    /// extreme hundredth.
    fn y_values(&self, within: Option<(f64, f64)>) -> Vec<f64> {
        let seen = |x: f64| within.is_none_or(|(low, high)| (low..=high).contains(&x));
        let only_raw = self.series.iter().all(|series| series.style == Style::Raw) && self.levels.is_empty();
        let mut values: Vec<f64> = self.levels.iter().map(|level| level.value).collect();
        for series in &self.series {
            let mut own: Vec<f64> = series.finite().filter(|(x, _)| seen(*x)).map(|(_, y)| y).collect();
            if !only_raw && matches!(series.style, Style::Raw | Style::Smoothed) && own.len() >= 200 {
                own.sort_by(f64::total_cmp);
                let cut = own.len() / 200;
                own = own[cut..own.len() - cut].to_vec();
            }
            values.extend(own);
            for ends in series.band.iter().flat_map(|band| [&band.low, &band.high]) {
                let ends = series.x.iter().zip(ends).filter(|(x, end)| seen(**x) && end.is_finite());
                values.extend(ends.map(|(_, end)| *end));
            }
        }
        values.extend(self.clouds.iter().flat_map(|cloud| cloud.finite()).filter(|(x, _)| seen(*x)).map(|(_, y)| y));
        values.extend(self.steps.iter().flat_map(|steps| &steps.heights));
        values.extend(self.outlines.iter().flat_map(|outline| &outline.points).map(|(_, y)| y));
        values
    }
}

/// The scale of an axis: what was asked for (`limits`), else the whole of it (`range`), else what holds all `values`.
pub(in crate::plot) fn scale(
    axis: char,
    log: bool,
    limits: Option<(f64, f64)>,
    range: Option<(f64, f64)>,
    values: &[f64],
    padding: f64,
) -> Result<Scale, PlotError> {
    if let Some((low, high)) = limits {
        if log && low <= 0.0 {
            return Err(PlotError::LogLimits { axis, low });
        }
        return Ok(if log { Scale::log(low, high) } else { Scale::linear(low, high) });
    }
    let usable = |value: &f64| value.is_finite() && (!log || *value > 0.0);
    let (low, high) = match range {
        Some((low, high)) if !log || low > 0.0 => (low, high),
        _ => values
            .iter()
            .copied()
            .filter(usable)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value))),
    };
    if low > high {
        return Err(if log { PlotError::LogOfNonPositive { axis } } else { PlotError::NothingWithin { axis } });
    }
    let padding = if range.is_some() { 0.0 } else { padding };
    Ok(if log { Scale::log(low, high) } else { Scale::linear(low, high) }.padded(padding))
}
