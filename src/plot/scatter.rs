//! Scatter: a dot for each row.

use super::bar::Bar;
use super::chart::{Chart, Cloud};
use super::colour::COLOURS;
use super::error::PlotError;
use super::figure::{Content, Figure};
use super::frame::{self, axis_label};
use super::scale::{Scale, plain};
use crate::metrics::Frame;
use crate::options::OptionError;

crate::options! {
    /// The options of `scatter(frame, #{ … })`.
    pub struct ScatterConfig for "scatter" {
        /// Along the horizontal axis. [; a column of numbers]
        x: Option<String> = None,
        /// Along the vertical axis. [; a column of numbers]
        y: Option<String> = None,
        /// Told apart by colour: groups, or for more than seven numbers a colour bar. [; a column]
        by: Option<String> = None,
        /// Written beside each dot, where there is room. [; a column]
        label: Option<String> = None,
        /// The area of each dot. [; a column of numbers from 0 on]
        size: Option<String> = None,
        /// What the horizontal axis is called; `()` is the column's name with its unit.
        x_label: Option<String> = None,
        /// What the vertical axis is called; `()` is the column's name with its unit.
        y_label: Option<String> = None,
    }
}

const SIZE: (u32, u32) = (760, 520);
/// Radii in pixels of the least and the most of what `size` names.
const RADII: (f64, f64) = (2.5, 10.0);

/// A dot for each pair of `x` and `y`; pairs that are not finite are left out.
///
/// # Errors
/// [`PlotError::Lengths`] when there are not as many of both, [`PlotError::Empty`] if no pair is finite.
pub fn scatter(x: &[f64], y: &[f64], x_label: &str, y_label: &str) -> Result<Figure, PlotError> {
    let cloud = Cloud { x: x.to_vec(), y: y.to_vec(), ..Cloud::default() };
    let chart = Chart { clouds: vec![cloud], x_label: x_label.into(), y_label: y_label.into(), ..Chart::default() };
    Ok(Figure::new(Content::Chart(chart.check()?), SIZE))
}

/// A dot for each row of a frame, as the options say.
///
/// # Errors
/// [`PlotError::Option`] for a column that is missing or holds no numbers, [`PlotError::Empty`] if no row can be drawn.
pub fn scatter_of(frame: &Frame, config: &ScatterConfig) -> Result<Figure, PlotError> {
    let x_name = frame::needed("scatter", "x", config.x.as_ref(), frame)?;
    let y_name = frame::needed("scatter", "y", config.y.as_ref(), frame)?;
    let (x, y) = (frame::numbers(frame, "x", x_name)?, frame::numbers(frame, "y", y_name)?);
    let texts = match &config.label {
        Some(name) => frame::categories(frame, "label", name)?,
        None => frame::Categories::single(frame.height()),
    };
    let sizes = config.size.as_ref().map(|name| sizes(frame, name)).transpose()?;
    let groups = match &config.by {
        Some(name) => frame::categories(frame, "by", name)?,
        None => frame::Categories::single(frame.height()),
    };
    let mut chart = Chart {
        x_label: config.x_label.clone().unwrap_or_else(|| axis_label(x_name)),
        y_label: config.y_label.clone().unwrap_or_else(|| axis_label(y_name)),
        ..Chart::default()
    };
    let all: Vec<usize> = (0..frame.height()).filter(|row| x[*row].is_finite() && y[*row].is_finite()).collect();
    let cloud = |rows: &[usize]| Cloud {
        x: rows.iter().map(|row| x[*row]).collect(),
        y: rows.iter().map(|row| y[*row]).collect(),
        radius: sizes.iter().flat_map(|(radii, _)| rows.iter().map(|row| radii[*row])).collect(),
        text: rows
            .iter()
            .map(|row| texts.of[*row].map_or_else(String::new, |text| texts.names[text].clone()))
            .collect(),
        ..Cloud::default()
    };
    if let (Some(numbers), Some(name)) = (groups.numbers.as_ref().filter(|numbers| numbers.len() > COLOURS), &config.by)
    {
        let scale = spread(numbers);
        let shade = |row: &usize| groups.of[*row].and_then(|at| scale.fraction(numbers[at])).unwrap_or(f64::NAN);
        chart.clouds.push(Cloud { shade: all.iter().map(shade).collect(), ..cloud(&all) });
        chart.bar = Some(Bar { scale, label: axis_label(name), map: None });
    } else {
        for (colour, (label, rows)) in groups.names.iter().zip(groups.rows()).enumerate() {
            let rows: Vec<usize> = rows.into_iter().filter(|row| x[*row].is_finite() && y[*row].is_finite()).collect();
            if !rows.is_empty() {
                chart.clouds.push(Cloud { label: label.clone(), colour, ..cloud(&rows) });
            }
        }
    }
    if chart.clouds.is_empty() {
        return Err(PlotError::Empty { what: format!("`{y_name}` over `{x_name}`") });
    }
    // What a bar does not explain, the legend does: groups and sizes.
    let grouped = config.by.clone().filter(|_| chart.bar.is_none());
    if let Some((name, (_, samples))) = config.size.as_ref().zip(sizes) {
        let of_size = |(value, radius): (String, f64)| match grouped {
            Some(_) => (format!("{name} = {value}"), radius),
            None => (value, radius),
        };
        chart.sizes = samples.into_iter().map(of_size).collect();
        chart.legend_title.clone_from(name);
    }
    chart.legend_title = grouped.unwrap_or(chart.legend_title);
    Ok(Figure::new(Content::Chart(chart.check()?), SIZE))
}

/// Colours along numbers: logarithmic where they span more than two decades.
fn spread(numbers: &[f64]) -> Scale {
    let (low, high) = (numbers[0], numbers[numbers.len() - 1]);
    if low > 0.0 && high / low > 100.0 { Scale::log(low, high) } else { Scale::linear(low, high) }
}

/// The radius of each dot, and what the legend says of some: label and radius.
type Sizes = (Vec<f64>, Vec<(String, f64)>);

/// The radius of each row's dot, its area in proportion, and samples for the legend.
fn sizes(frame: &Frame, name: &str) -> Result<Sizes, PlotError> {
    let values = frame::numbers(frame, "size", name)?;
    if let Some(found) = values.iter().find(|value| **value < 0.0) {
        let message = format!("`size` is the column `{name}`, which holds {found}, but an area must be 0 or more");
        return Err(OptionError { key: "size".to_owned(), message, hint: None }.into());
    }
    let most = values.iter().copied().filter(|value| value.is_finite()).fold(0.0, f64::max);
    let radius = |value: f64| {
        let part = if most > 0.0 { (value / most).sqrt() } else { 0.5 };
        if value.is_finite() { (part * RADII.1).max(RADII.0) } else { RADII.0 }
    };
    let samples = [0.25, 1.0].map(|part| (plain(round(part * most)), radius(round(part * most))));
    Ok((values.into_iter().map(radius).collect(), if most > 0.0 { samples.to_vec() } else { Vec::new() }))
}

/// A value to two figures, for a sample in a legend.
fn round(value: f64) -> f64 {
    if value == 0.0 {
        return 0.0;
    }
    let unit = 10_f64.powf(value.abs().log10().floor() - 1.0);
    (value / unit).round() * unit
}
