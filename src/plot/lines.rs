//! Curves of a frame: a line for each group, with a band where several rows share a position.

use super::bar::Bar;
use super::chart::{Chart, Series, Style};
use super::colour::COLOURS;
use super::curves::{SIZE, smooth};
use super::error::PlotError;
use super::figure::{Content, Figure};
use super::frame::{self, Categories, Names, axis_label};
use super::scale::{Scale, plain};
use super::stats::{Interval, summary};
use crate::metrics::{Frame, columns};
use crate::options::OptionError;

crate::options! {
    /// The options of `curves(frame, #{ … })`.
    pub struct CurvesConfig for "curves" {
        /// Along the horizontal axis. [; a column of numbers]
        x: String = columns::STEP.to_owned(),
        /// What is drawn over it; for runs "bits_per_byte" unless told. [; a column of numbers, or several]
        y: Option<Names> = None,
        /// One line for each value of this column; without it, rows are told apart by their `split` if they have one. [; a column]
        by: Option<String> = None,
        /// Only rows with this `split`. [; "train", "val", "test"]
        split: Option<String> = None,
        /// With several rows at one position: their mean, and a band for their spread.
        band: bool = true,
        /// What the band spans. [; "std", "ci95", "range"]
        interval: Interval = Interval::Std,
        /// Standard deviation of a Gaussian that smooths each line; 0 for none. [points; 0 or more]
        smooth: f64 = 0.0,
        /// A dot at each point; `()` where there are at most 24. [; true, false]
        dots: Option<bool> = None,
        /// What the horizontal axis is called; `()` is the column's name with its unit.
        x_label: Option<String> = None,
        /// What the vertical axis is called; `()` is the column's name with its unit.
        y_label: Option<String> = None,
    }
    ; validate = check
}

/// Lines of so many points are drawn with a dot at each.
const FEW: usize = 24;

fn check(config: &CurvesConfig) -> Result<(), OptionError> {
    if !(config.smooth.is_finite() && (0.0..=1e6).contains(&config.smooth)) {
        return Err(OptionError::value("smooth", config.smooth, "between 0 and a million points"));
    }
    if config.y.as_ref().is_some_and(|names| names.all().is_empty()) {
        return Err(OptionError::value("y", "an empty list", "the name of a column, or several"));
    }
    Ok(())
}

/// Lines of a frame, as the options say.
///
/// # Errors
/// [`PlotError::Option`] for a column that is missing or holds no numbers, [`PlotError::Empty`] where none is finite.
pub fn curves_of(frame: &Frame, config: &CurvesConfig) -> Result<Figure, PlotError> {
    curves_of_runs(&[(String::new(), frame.clone())], config)
}

/// Lines of several frames, each under its name.
///
/// # Errors
/// As [`curves_of`].
pub fn curves_of_runs(frames: &[(String, Frame)], config: &CurvesConfig) -> Result<Figure, PlotError> {
    let mut lines: Vec<Line> = Vec::new();
    let mut title = String::new();
    let mut ranks: Option<(Vec<f64>, Vec<f64>)> = None;
    for (name, whole) in frames {
        let frame = frame::of_split(whole, config.split.as_deref())?;
        let names = config.y.as_ref().map(Names::all).unwrap_or_default();
        frame::needed("curves", "y", names.first(), &frame)?;
        let x = frame::numbers(&frame, "x", &config.x)?;
        for column in names {
            let y = frame::numbers(&frame, "y", column)?;
            let (groups, of) = groups(&frame, config, &y)?;
            if config.by.is_some() {
                title = of;
                ranks = groups.numbers.clone().zip(groups.ranks(COLOURS)).filter(|_| frames.len() == 1);
            }
            for (group, rows) in groups.names.iter().zip(groups.rows()) {
                let several = names.len() > 1;
                let parts = [name.as_str(), if several { column } else { "" }, group];
                let label = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
                lines.push(Line::new(label, &rows, &x, &y, config));
            }
        }
    }
    lines.retain(|line| !line.series.x.is_empty());
    let y_name = config.y.as_ref().map_or("", |names| if names.all().len() == 1 { &names.all()[0] } else { "" });
    let mut chart = Chart {
        x_label: config.x_label.clone().unwrap_or_else(|| axis_label(&config.x)),
        y_label: config
            .y_label
            .clone()
            .unwrap_or_else(|| if y_name.is_empty() { "Value".into() } else { axis_label(y_name) }),
        ..Chart::default()
    };
    if config.band && lines.iter().any(|line| line.spread) {
        config.interval.label().clone_into(&mut chart.band_label);
    }
    chart.series = lines.into_iter().map(|line| line.series).collect();
    for series in &mut chart.series {
        let dots = config.dots.unwrap_or(series.x.len() <= FEW);
        series.style = if dots { Style::Points } else { Style::Line };
    }
    if chart.series.is_empty() {
        return Err(PlotError::Empty { what: format!("`{}` over `{}`", y_name, config.x) });
    }
    if let Some((numbers, ranks)) = ranks.filter(|(numbers, _)| numbers.len() == chart.series.len()) {
        shade(&mut chart, &title, &numbers, &ranks);
    }
    chart.legend_title = title;
    Ok(Figure::new(Content::Chart(chart.check()?), SIZE))
}

/// Colours by rank, and a bar that says which value each rank has.
fn shade(chart: &mut Chart, title: &str, numbers: &[f64], ranks: &[f64]) {
    for (series, rank) in chart.series.iter_mut().zip(ranks) {
        series.shade = Some(*rank);
    }
    let scale = Scale::names(numbers.iter().map(|number| plain(*number)).collect());
    chart.bar = Some(Bar { scale, label: axis_label(title), map: None });
}

struct Line {
    series: Series,
    /// Some position had several rows.
    spread: bool,
}

impl Line {
    /// The mean of the rows at each position, ascending; with their spread where it is wanted.
    fn new(label: String, rows: &[usize], x: &[f64], y: &[f64], config: &CurvesConfig) -> Self {
        let mut points: Vec<(f64, f64)> = rows.iter().map(|row| (x[*row], y[*row])).collect();
        points.retain(|(x, y)| x.is_finite() && y.is_finite());
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        let mut series = Series::new(&label, Vec::new(), Vec::new(), Style::Line);
        let (mut low, mut high) = (Vec::new(), Vec::new());
        let mut spread = false;
        for group in points.chunk_by(|one, other| one.0 == other.0) {
            let Some(found) = summary(group.iter().map(|(_, y)| *y)) else { continue };
            let ends = config.interval.ends(&found);
            spread |= group.len() > 1;
            series.x.push(group[0].0);
            series.y.push(found.mean);
            low.push(ends.0);
            high.push(ends.1);
        }
        if config.smooth > 0.0 {
            series.y = smooth(&series.y, config.smooth);
            (low, high) = (smooth(&low, config.smooth), smooth(&high, config.smooth));
        }
        if spread && config.band {
            series = series.with_band(low, high);
        }
        Self { series, spread }
    }
}

/// What tells lines of a frame apart, and the name of the column that does.
fn groups(frame: &Frame, config: &CurvesConfig, y: &[f64]) -> Result<(Categories, String), PlotError> {
    if let Some(by) = &config.by {
        return Ok((frame::categories(frame, "by", by)?, by.clone()));
    }
    // Metrics hold training steps and validations in one column: one line through both would mean nothing.
    if config.split.is_none() && frame.text(columns::SPLIT).is_some() {
        let splits = frame::categories(frame, "by", columns::SPLIT)?;
        let used = |category: usize| splits.of.iter().zip(y).any(|(of, y)| *of == Some(category) && y.is_finite());
        if (0..splits.names.len()).filter(|category| used(*category)).count() > 1 {
            return Ok((splits, columns::SPLIT.to_owned()));
        }
    }
    Ok((Categories::single(frame.height()), String::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_numbers_are_ranked_evenly_and_few_are_not() {
        let many = frame::of_numbers(&[8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0]);
        let ranks = many.ranks(COLOURS).expect("eight of them");
        assert!(ranks.windows(2).all(|pair| (pair[1] - pair[0] - 1.0 / 7.0).abs() < 1e-12), "{ranks:?}");
        assert_eq!(frame::of_numbers(&[1.0, 2.0]).ranks(COLOURS), None);
    }
}
