//! Parallel coordinates: a line for each row through an axis for each column, coloured by what came of it.

use super::bar;
use super::colour::{Colour, Ramp};
use super::error::PlotError;
use super::figure::{Content, Figure};
use super::font::Weight;
use super::frame::{self, axis_label};
use super::heatmap::Best;
use super::mark::{Anchor, Dash, Mark, Marker, Point, Rect};
use super::names;
use super::page::Page;
use super::scale::{Scale, count, plain, whole};
use super::text::{self, MEDIUM, SMALL, small_width, wrap};
use crate::metrics::Frame;
use crate::options::OptionError;

crate::options! {
    /// The options of `parallel(frame, #{ … })`.
    pub struct ParallelConfig for "parallel" {
        /// One axis for each, from left to right; numbers and names. [; columns]
        columns: Vec<String> = Vec::new(),
        /// The last axis, and the colour of the lines. [; a column of numbers]
        value: Option<String> = None,
        /// Which end of the value is the best; its line is drawn strong. [; "min", "max"]
        best: Best = Best::Min,
        /// Axes that are logarithmic; `()` are those whose values lie more evenly so. [; columns]
        log: Option<Vec<String>> = None,
    }
    ; validate = check
}

/// The most axes, the value's among them, and the most lines.
const MOST_AXES: usize = 16;
const MOST_LINES: usize = 5000;

fn check(config: &ParallelConfig) -> Result<(), OptionError> {
    if config.columns.is_empty() {
        return Err(OptionError::value("columns", "an empty list", "one column at least")
            .with_hint("parallel(frame, #{ columns: [\"d_state\", \"lr\"], value: \"val_bpb\" })"));
    }
    Ok(())
}

/// One upright axis.
#[derive(Debug, Clone, PartialEq)]
struct Axis {
    label: String,
    scale: Scale,
    /// The only values, where there are few: they are its ticks.
    few: Vec<f64>,
    /// Where each line crosses it; NaN where a row has no value.
    values: Vec<f64>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Parallel {
    /// The last one is the value's.
    axes: Vec<Axis>,
    /// From the worst line to the best.
    order: Vec<usize>,
    /// The scale of colours runs down.
    best: Best,
}

/// Parallel coordinates of a frame, as the options say. Rows without a finite value are left out.
///
/// # Errors
/// [`PlotError::Option`] for a column that is missing, [`PlotError::Empty`] if no row has a value, [`PlotError::TooMany`] for
/// more than 15 columns or 5000 rows.
pub fn parallel(frame: &Frame, config: &ParallelConfig) -> Result<Figure, PlotError> {
    let name = frame::needed("parallel", "value", config.value.as_ref(), frame)?;
    let values = frame::numbers(frame, "value", name)?;
    let kept: Vec<usize> = (0..frame.height()).filter(|row| values[*row].is_finite()).collect();
    let hint = "filter the frame, or give fewer columns";
    let many = |what, found: usize, most| Err(PlotError::TooMany { what, found, most, hint });
    if kept.len() > MOST_LINES {
        return many("lines", kept.len(), MOST_LINES);
    }
    if config.columns.len() >= MOST_AXES {
        return many("columns", config.columns.len(), MOST_AXES - 1);
    }
    if kept.is_empty() {
        return Err(PlotError::Empty { what: format!("`{name}`") });
    }
    for column in config.log.iter().flatten() {
        if column != name && !config.columns.contains(column) {
            let known = config.columns.join("\", \"");
            return Err(OptionError {
                key: "log".to_owned(),
                message: format!("`log` names \"{column}\", which is no axis"),
                hint: Some(format!("the axes are \"{known}\" and \"{name}\"")),
            }
            .into());
        }
    }
    let mut axes = Vec::new();
    for column in config.columns.iter().map(String::as_str).chain([name]) {
        axes.push(Axis::new(frame, column, &kept, config)?);
    }
    let result: Vec<f64> = kept.iter().map(|row| values[*row]).collect();
    let mut order: Vec<usize> = (0..kept.len()).collect();
    order.sort_by(|one, other| match config.best {
        Best::Min => result[*other].total_cmp(&result[*one]),
        Best::Max => result[*one].total_cmp(&result[*other]),
    });
    let width = 190 + 130 * u32::try_from(axes.len()).unwrap_or(0);
    let drawn = Parallel { axes, order, best: config.best };
    Ok(Figure::new(Content::Parallel(drawn), (width.clamp(560, 1400), 460)))
}

impl Axis {
    fn new(frame: &Frame, column: &str, kept: &[usize], config: &ParallelConfig) -> Result<Self, PlotError> {
        let option = if config.value.as_deref() == Some(column) { "value" } else { "columns" };
        let categories = frame::categories(frame, option, column)?;
        let Some(numbers) = categories.numbers else {
            let values = kept.iter().map(|row| categories.of[*row].map_or(f64::NAN, count)).collect();
            let scale = Scale::names(categories.names);
            return Ok(Self { label: axis_label(column), scale, few: Vec::new(), values });
        };
        let all = frame::numbers(frame, option, column)?;
        let values: Vec<f64> = kept.iter().map(|row| all[*row]).collect();
        let numbers: Vec<f64> = numbers.into_iter().filter(|number| values.contains(number)).collect();
        let Some((low, high)) = numbers.first().copied().zip(numbers.last().copied()) else {
            return Err(PlotError::Empty { what: format!("`{column}`") });
        };
        let log = match &config.log {
            Some(names) => names.iter().any(|name| name == column),
            None => is_geometric(&numbers),
        };
        if log && low <= 0.0 {
            let message = format!("the axis of `{column}` cannot be logarithmic: it holds {}", plain(low));
            return Err(OptionError { key: "log".to_owned(), message, hint: None }.into());
        }
        let scale = if log { Scale::log(low, high) } else { Scale::linear(low, high) };
        let few = if numbers.len() <= 6 && option != "value" { numbers } else { Vec::new() };
        Ok(Self { label: axis_label(column), scale: scale.padded(0.03), few, values })
    }

    /// Places along the axis and their labels.
    fn ticks(&self, height: f64) -> Vec<(f64, String)> {
        if !self.few.is_empty() {
            return self.few.iter().map(|value| (*value, plain(*value))).collect();
        }
        let ticks = self.scale.ticks(whole(height / 46.0));
        let every = if self.scale.categories().is_some() { names::every(ticks.len(), height) } else { 1 };
        ticks.into_iter().step_by(every).filter_map(|tick| Some((tick.value, tick.label?))).collect()
    }

    fn at(&self, value: f64, x: f64, area: &Rect) -> Option<Point> {
        let part = self.scale.fraction(value)?;
        Some((x, area.bottom - part * area.height()))
    }
}

/// Whether ascending numbers lie more evenly by ratio than by difference, over a factor of eight at least.
fn is_geometric(numbers: &[f64]) -> bool {
    let (Some(low), Some(high)) = (numbers.first(), numbers.last()) else { return false };
    if numbers.len() < 3 || *low <= 0.0 || high / low < 8.0 {
        return false;
    }
    let uneven = |place: &dyn Fn(f64) -> f64| {
        let gaps: Vec<f64> = numbers.windows(2).map(|pair| place(pair[1]) - place(pair[0])).collect();
        let mean = gaps.iter().sum::<f64>() / count(gaps.len());
        gaps.iter().map(|gap| (gap / mean - 1.0).powi(2)).sum::<f64>()
    };
    uneven(&f64::ln) < uneven(&|value| value)
}

/// The longest label of a tick.
const LONGEST: f64 = 90.0;

impl Parallel {
    /// The columns' values, line by line, as drawn: for tests.
    pub(super) fn lines(&self) -> Vec<Vec<f64>> {
        self.order.iter().map(|line| self.axes.iter().map(|axis| axis.values[*line]).collect()).collect()
    }

    /// How good a value is in colour: 0 for the worst, 1 for the best.
    fn part(&self, line: usize) -> f64 {
        let axis = &self.axes[self.axes.len() - 1];
        let part = axis.scale.fraction(axis.values[line]).unwrap_or(0.0);
        if self.best == Best::Min { 1.0 - part } else { part }
    }

    pub(super) fn layout(&self, page: &Page<'_>) -> Result<Vec<Mark>, PlotError> {
        let ramp = page.theme.shades();
        let slot = page.width / count(self.axes.len());
        let heads = self.axes.iter().map(|axis| head(&axis.label, slot).len()).max().unwrap_or(1);
        let top = page.top(10.0) + 16.0 + 15.0 * count(heads);
        let bottom = page.height - 24.0;
        let last = self.axes.len() - 1;
        let widest = |axis: &Axis| {
            let labels = axis.ticks(bottom - top).into_iter().map(|(_, label)| small_width(&label).min(LONGEST));
            labels.fold(0.0, f64::max)
        };
        let left = (widest(&self.axes[0]) + 22.0).max(60.0);
        let right = page.width - (widest(&self.axes[last]) + 34.0).max(60.0);
        let area = Rect { left, top, right, bottom };
        page.check(&area)?;
        let at = |axis: usize| left + (right - left) * count(axis) / count(last);
        let mut marks = Vec::new();
        page.title(16.0, &mut marks);
        self.draw_lines(&area, &at, ramp, page, &mut marks);
        for (index, axis) in self.axes.iter().enumerate() {
            self.draw_axis(axis, (at(index), index == last), &area, page, &mut marks);
        }
        Ok(marks)
    }

    fn draw_lines(&self, area: &Rect, at: &dyn Fn(usize) -> f64, ramp: Ramp, page: &Page<'_>, marks: &mut Vec<Mark>) {
        let best = self.order.len() - 1;
        let alpha = if self.order.len() > 200 { 0.35 } else { 0.7 };
        for (rank, line) in self.order.iter().enumerate() {
            let mut runs: Vec<Vec<Point>> = vec![Vec::new()];
            for (index, axis) in self.axes.iter().enumerate() {
                match (axis.at(axis.values[*line], at(index), area), runs.last_mut()) {
                    (Some(point), Some(run)) => run.push(point),
                    _ => runs.push(Vec::new()),
                }
            }
            let colour = ramp.at(self.part(*line));
            for run in runs.into_iter().filter(|run| !run.is_empty()) {
                if rank == best {
                    draw_best(run, colour, page, marks);
                } else {
                    marks.push(Mark::Line { points: run, colour: colour.faint(alpha), width: 1.3, dash: Dash::Solid });
                }
            }
        }
    }

    fn draw_axis(&self, axis: &Axis, (x, last): (f64, bool), area: &Rect, page: &Page<'_>, marks: &mut Vec<Mark>) {
        let quiet = page.theme.quiet();
        let line = |points: Vec<Point>, width| Mark::Line { points, colour: quiet, width, dash: Dash::Solid };
        let edge = if last { x + 12.0 } else { x };
        if last {
            // The value's axis is the colour bar, too.
            let ramp = page.theme.shades();
            let ramp = if self.best == Best::Min { ramp.reversed() } else { ramp };
            bar::strip(Rect { left: x + 2.0, top: area.top, right: edge, bottom: area.bottom }, ramp, 256, marks);
        }
        marks.push(line(vec![(x, area.top), (x, area.bottom)], 1.2));
        for (value, label) in axis.ticks(area.height()) {
            let Some((_, y)) =
                axis.at(value, x, area).filter(|(_, y)| (area.top - 1.0..=area.bottom + 1.0).contains(y))
            else {
                continue;
            };
            let label = text::shorten(&label, LONGEST, SMALL, Weight::Regular);
            let (from, to, at, anchor) =
                if last { (edge, edge + 4.0, edge + 8.0, Anchor::Start) } else { (x - 4.0, x, x - 8.0, Anchor::End) };
            marks.push(line(vec![(from, y), (to, y)], 1.0));
            let width = small_width(&label);
            let left = if last { at } else { at - width };
            let ground = Rect { left: left - 2.0, top: y - 7.0, right: left + width + 2.0, bottom: y + 7.0 };
            marks.push(Mark::Fill { points: ground.corners(), colour: page.theme.background().faint(0.75) });
            marks.push(text::quiet((at, y), &label, page.theme, anchor, true));
        }
        let slot = area.width() / count(self.axes.len() - 1);
        let lines = head(&axis.label, slot);
        for (index, words) in lines.iter().rev().enumerate() {
            let at = (x.min(page.width - text_half(words) - 6.0), area.top - 16.0 - 15.0 * count(index));
            marks.push(text::text(at, words, MEDIUM, page.theme, Anchor::Middle, true));
        }
    }
}

/// The name of an axis in one line, or with its unit in a second one.
fn head(label: &str, slot: f64) -> Vec<String> {
    let fits = |text: &str| super::font::width(text, MEDIUM, Weight::Regular) <= slot - 12.0;
    match label.split_once(" (") {
        Some((name, unit)) if !fits(label) && fits(name) => vec![name.to_owned(), format!("({unit}")],
        _ => wrap(label, slot - 12.0, MEDIUM, Weight::Regular, 2),
    }
}

fn text_half(words: &str) -> f64 {
    super::font::width(words, MEDIUM, Weight::Regular) / 2.0
}

/// The best line: strong, over an edge that parts it from the others, with a dot on each axis.
fn draw_best(run: Vec<Point>, colour: Colour, page: &Page<'_>, marks: &mut Vec<Mark>) {
    let ink = page.theme.ink();
    for (colour, width) in [(page.theme.background(), 6.5), (ink, 4.4), (colour, 2.4)] {
        marks.push(Mark::Line { points: run.clone(), colour, width, dash: Dash::Solid });
    }
    for point in run {
        marks.push(Marker::Disc.mark(point, 5.0, ink));
        marks.push(Marker::Disc.mark(point, 3.6, colour));
    }
}
