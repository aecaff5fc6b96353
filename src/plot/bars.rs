//! Bars: a value for each category, side by side for groups, with error bars.

use serde::{Deserialize, Serialize};

use super::axes::{self, Axes};
use super::chart;
use super::colour::{COLOURS, Colour, Theme};
use super::error::PlotError;
use super::figure::{Content, Figure};
use super::frame::{self, Categories, axis_label};
use super::legend::{Entry, Legend, Sample};
use super::mark::{Anchor, Dash, Mark, Point, Rect, clip};
use super::overlay;
use super::page::Page;
use super::scale::{Figures, Scale, count};
use super::stats::{Interval, summary};
use super::text::{self, small_width};
use crate::metrics::Frame;
use crate::options::OptionError;

/// Where bars begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Base {
    /// At 0: lengths compare.
    Zero,
    /// Near the least value: differences show. Every bar and the axis are drawn broken, and lengths mean nothing.
    Data,
}

crate::options! {
    /// The options of `bars(frame, #{ … })`.
    pub struct BarsConfig for "bars" {
        /// One place on the axis for each of its values. [; a column]
        x: Option<String> = None,
        /// The height of the bars; the mean where several rows share a bar. [; a column of numbers]
        y: Option<String> = None,
        /// One bar at each place for each of its values, side by side. [; a column]
        by: Option<String> = None,
        /// Half the length of the error bars; without it, where several rows share a bar, `interval`. [; a column of numbers]
        error: Option<String> = None,
        /// What error bars span where several rows share a bar. [; "std", "ci95", "range"]
        interval: Interval = Interval::Ci95,
        /// Where the axis begins: at 0, or near the least value, with the bars drawn broken. [; "zero", "data"]
        from: Base = Base::Zero,
        /// Write each value above its bar.
        values: bool = false,
        /// What the horizontal axis is called; `()` is the column's name with its unit.
        x_label: Option<String> = None,
        /// What the vertical axis is called; `()` is the column's name with its unit.
        y_label: Option<String> = None,
    }
}

/// The most bars of a figure.
const MOST: usize = 400;
/// The part of a place that its bars take.
const FILLED: f64 = 0.78;

/// The bars of one group: a value and the ends of an error bar for each category, NaN where there is none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    pub(super) label: String,
    pub(super) values: Vec<f64>,
    pub(super) ends: Vec<(f64, f64)>,
    /// Place on the colour map, for many numeric groups.
    shade: Option<f64>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bars {
    pub(super) names: Vec<String>,
    pub(super) groups: Vec<Group>,
    x_label: String,
    y_label: String,
    legend_title: String,
    /// What error bars span, if there are any.
    error_label: String,
    from: Base,
    values: bool,
}

/// Bars of a frame, as the options say.
///
/// # Errors
/// [`PlotError::Option`] for a column that is missing or holds no numbers, [`PlotError::Empty`] if no bar has a value,
/// [`PlotError::TooMany`] for more than 400 bars.
pub fn bars(frame: &Frame, config: &BarsConfig) -> Result<Figure, PlotError> {
    let x_name = frame::needed("bars", "x", config.x.as_ref(), frame)?;
    let y_name = frame::needed("bars", "y", config.y.as_ref(), frame)?;
    let y = frame::numbers(frame, "y", y_name)?;
    let places = frame::categories(frame, "x", x_name)?;
    let groups = match &config.by {
        Some(by) => frame::categories(frame, "by", by)?,
        None => Categories::single(frame.height()),
    };
    let error = config.error.as_ref().map(|name| error_column(frame, name)).transpose()?;
    let found = places.names.len() * groups.names.len();
    if found > MOST {
        let hint = "filter the frame, or draw curves(frame, #{ x, y })";
        return Err(PlotError::TooMany { what: "bars", found, most: MOST, hint });
    }
    let ranks = groups.ranks(COLOURS);
    let mut drawn = Bars {
        names: places.names.clone(),
        groups: Vec::new(),
        x_label: config.x_label.clone().unwrap_or_else(|| axis_label(x_name)),
        y_label: config.y_label.clone().unwrap_or_else(|| axis_label(y_name)),
        legend_title: config.by.clone().unwrap_or_default(),
        error_label: String::new(),
        from: config.from,
        values: config.values,
    };
    let mut shared: Vec<usize> = Vec::new();
    for (index, (label, rows)) in groups.names.iter().zip(groups.rows()).enumerate() {
        let mut group = Group {
            label: label.clone(),
            values: vec![f64::NAN; places.names.len()],
            ends: vec![(f64::NAN, f64::NAN); places.names.len()],
            shade: ranks.as_ref().map(|ranks| ranks[index]),
        };
        for place in 0..places.names.len() {
            let own: Vec<usize> = rows.iter().copied().filter(|row| places.of[*row] == Some(place)).collect();
            let Some(found) = summary(own.iter().map(|row| y[*row])) else { continue };
            group.values[place] = found.mean;
            let given = error.as_ref().and_then(|error| summary(own.iter().map(|row| error[*row])));
            group.ends[place] = match (given, own.len()) {
                (Some(half), 1) => (found.mean - half.mean, found.mean + half.mean),
                _ => config.interval.ends(&found),
            };
            if own.len() > 1 {
                shared.push(found.count);
            }
        }
        drawn.groups.push(group);
    }
    drawn.error_label = match (shared.iter().min(), shared.iter().max()) {
        (Some(least), Some(most)) if least == most => format!("{} (n = {most})", config.interval.label()),
        (Some(least), Some(most)) => format!("{} (n = {least} to {most})", config.interval.label()),
        _ => config.error.as_ref().map(|name| format!("± {name}")).unwrap_or_default(),
    };
    if drawn.groups.iter().all(|group| group.values.iter().all(|value| value.is_nan())) {
        return Err(PlotError::Empty { what: format!("`{y_name}` over `{x_name}`") });
    }
    Ok(Figure::new(Content::Bars(drawn), (760, 440)))
}

fn error_column(frame: &Frame, name: &str) -> Result<Vec<f64>, PlotError> {
    let values = frame::numbers(frame, "error", name)?;
    match values.iter().find(|value| **value < 0.0) {
        Some(found) => {
            let message = format!("`error` is the column `{name}`, which holds {found}, but must be 0 or more");
            Err(OptionError { key: "error".to_owned(), message, hint: None }.into())
        }
        None => Ok(values),
    }
}

/// One bar on the page.
struct Bar {
    value: f64,
    ends: (f64, f64),
    left: f64,
    right: f64,
    colour: Colour,
    /// The palette has come round: hatching tells the bar from its namesake.
    hatched: bool,
}

impl Bars {
    fn scale(&self, page: &Page<'_>) -> Result<Scale, PlotError> {
        let mut values: Vec<f64> = Vec::new();
        for group in &self.groups {
            values.extend(group.values.iter().filter(|value| value.is_finite()));
            values.extend(group.ends.iter().flat_map(|ends| [ends.0, ends.1]).filter(|end| end.is_finite()));
        }
        let rules = page.look.rules.iter().filter(|rule| !rule.upright).map(|rule| rule.at);
        values.extend(rules);
        let zero = self.from == Base::Zero && !page.look.log_y;
        if zero {
            values.push(0.0);
        }
        let padding = if zero { 0.06 } else { 0.12 };
        let mut scale = chart::scale('y', page.look.log_y, page.look.y_limits, None, &values, padding)?;
        // Bars stand on the axis, as long as all point one way.
        if zero && page.look.y_limits.is_none() {
            if values.iter().all(|value| *value >= 0.0) {
                scale.low = 0.0;
            } else if values.iter().all(|value| *value <= 0.0) {
                scale.high = 0.0;
            }
        }
        Ok(scale)
    }

    fn colour(&self, index: usize, theme: Theme) -> Colour {
        self.groups[index].shade.map_or(theme.line(index), |part| theme.shades().at(part))
    }

    /// Title and entries of the legend.
    pub(super) fn legend(&self, page: &Page<'_>) -> (String, Vec<Entry>) {
        let mut entries: Vec<Entry> = (0..self.groups.len())
            .map(|index| {
                let sample = Sample::patch(self.colour(index, page.theme));
                Entry { label: self.groups[index].label.clone(), sample }
            })
            .collect();
        let whisker = Sample { upright: true, ..Sample::line(page.theme.ink(), 1.2, Dash::Solid) };
        entries.push(Entry { label: self.error_label.clone(), sample: whisker });
        entries.extend(overlay::entries(page));
        (self.legend_title.clone(), entries)
    }

    pub(super) fn layout(&self, page: &Page<'_>) -> Result<Vec<Mark>, PlotError> {
        let y = self.scale(page)?;
        let x = Scale::names(self.names.clone());
        let (title, entries) = self.legend(page);
        let legend = Legend::new(&title, entries, page);

        let top = page.top(16.0);
        let right = page.width - legend.right();
        let guess = axes::y_room(&y, page.height - top - 80.0, page);
        let room = axes::x_room(&x, right - guess, page);
        let bottom = page.height - room - legend.below();
        let area = Rect { left: axes::y_room(&y, bottom - top, page), top, right, bottom };
        page.check(&area)?;
        let axes = Axes { area, x: &x, y: &y, theme: page.theme, longest: axes::longest(page) };
        let mut marks = Vec::new();
        page.title(area.left, &mut marks);
        axes.grid(&mut marks);
        self.draw(page, &axes, &mut marks);
        overlay::draw(page, &axes, 1.0, &mut marks);
        axes.frame(Some(page.x_label(&self.x_label)), page.y_label(&self.y_label), false, &mut marks);
        if self.is_broken(&axes) {
            break_axis((area.left, area.bottom - 9.0), page.theme, &mut marks);
        }
        legend.draw(&area, bottom + room, page, &mut marks);
        Ok(marks)
    }

    /// Whether bars begin at something that is not 0 on a linear axis.
    fn is_broken(&self, axes: &Axes<'_>) -> bool {
        self.from == Base::Data && axes.y.low > 0.0 && matches!(axes.y.spread, super::scale::Spread::Linear)
    }

    fn draw(&self, page: &Page<'_>, axes: &Axes<'_>, marks: &mut Vec<Mark>) {
        let bars = self.bars(page, axes);
        let base = axes.at(0.0, 0.0).map_or(axes.area.bottom, |point| point.1.clamp(axes.area.top, axes.area.bottom));
        for bar in &bars {
            draw_bar(bar, base, page.theme, axes, marks);
            if self.is_broken(axes) {
                break_bar(bar, axes.area.bottom, page.theme, marks);
            }
        }
        if base < axes.area.bottom - 0.5 {
            let points = vec![(axes.area.left, base), (axes.area.right, base)];
            marks.push(Mark::Line { points, colour: page.theme.quiet(), width: 1.0, dash: Dash::Solid });
        }
        for bar in &bars {
            draw_error(bar, page.theme, axes, marks);
        }
        if self.values {
            let widest = bars.iter().map(|bar| small_width(&self.value_text(bar.value))).fold(0.0, f64::max);
            let narrowest = bars.iter().map(|bar| bar.right - bar.left).fold(f64::INFINITY, f64::min);
            for bar in &bars {
                self.draw_value(bar, widest <= narrowest + 6.0, page.theme, axes, marks);
            }
        }
    }

    fn bars(&self, page: &Page<'_>, axes: &Axes<'_>) -> Vec<Bar> {
        let slot = axes.area.width() / count(self.names.len());
        let width = (slot * FILLED / count(self.groups.len())).min(70.0);
        let mut bars = Vec::new();
        for (index, group) in self.groups.iter().enumerate() {
            for (place, (value, ends)) in group.values.iter().zip(&group.ends).enumerate() {
                if !value.is_finite() {
                    continue;
                }
                let centre = axes.area.left + slot * (count(place) + 0.5);
                let left = centre + width * (count(index) - count(self.groups.len()) / 2.0);
                let gap = if width > 6.0 { 0.5 } else { 0.0 };
                bars.push(Bar {
                    value: *value,
                    ends: *ends,
                    left: left + gap,
                    right: left + width - gap,
                    colour: self.colour(index, page.theme),
                    hatched: group.shade.is_none() && index >= COLOURS,
                });
            }
        }
        bars
    }

    /// A value with as many digits as the values of the figure need to differ.
    fn value_text(&self, value: f64) -> String {
        Figures::of(self.groups.iter().flat_map(|group| &group.values).copied()).text(value)
    }

    fn draw_value(&self, bar: &Bar, flat: bool, theme: Theme, axes: &Axes<'_>, marks: &mut Vec<Mark>) {
        let text = self.value_text(bar.value);
        let high = if bar.ends.1.is_finite() { bar.ends.1.max(bar.value) } else { bar.value };
        let low = if bar.ends.0.is_finite() { bar.ends.0.min(bar.value) } else { bar.value };
        let middle = (bar.left + bar.right) / 2.0;
        let (end, away) = if bar.value < 0.0 { (low, 1.0) } else { (high, -1.0) };
        let Some(y) = axes.at(0.0, end).map(|point| point.1.clamp(axes.area.top, axes.area.bottom)) else { return };
        let (at, anchor) = match (flat, away < 0.0) {
            (true, _) => ((middle, y + 9.0 * away), Anchor::Middle),
            (false, true) => ((middle, y - 5.0), Anchor::Start),
            (false, false) => ((middle, y + 5.0), Anchor::End),
        };
        marks.push(text::text(at, &text, 10.5, theme, anchor, flat));
    }
}

fn draw_bar(bar: &Bar, base: f64, theme: Theme, axes: &Axes<'_>, marks: &mut Vec<Mark>) {
    let Some(end) = axes.at(0.0, bar.value).map(|point| point.1) else { return };
    let area = Rect { left: bar.left, top: end.min(base), right: bar.right, bottom: end.max(base) }.within(&axes.area);
    marks.push(Mark::Fill { points: area.corners(), colour: bar.colour });
    if bar.hatched {
        hatch(&area, 6.0, theme.background(), marks);
    }
}

fn draw_error(bar: &Bar, theme: Theme, axes: &Axes<'_>, marks: &mut Vec<Mark>) {
    let middle = (bar.left + bar.right) / 2.0;
    let cap = ((bar.right - bar.left) * 0.3).clamp(1.5, 6.0);
    let at = |end: f64| end.is_finite().then(|| axes.at(0.0, end).map_or(axes.area.bottom, |point| point.1));
    let (Some(low), Some(high)) = (at(bar.ends.0), at(bar.ends.1)) else { return };
    let mut line = |points: Vec<Point>| {
        for points in clip(&points, &axes.area) {
            marks.push(Mark::Line { points, colour: theme.ink(), width: 1.2, dash: Dash::Solid });
        }
    };
    line(vec![(middle, low), (middle, high)]);
    line(vec![(middle - cap, low), (middle + cap, low)]);
    line(vec![(middle - cap, high), (middle + cap, high)]);
}

/// A slanted gap across the foot of a bar: it does not begin where it seems to.
fn break_bar(bar: &Bar, bottom: f64, theme: Theme, marks: &mut Vec<Mark>) {
    let (low, high) = (bottom - 9.0 + 2.5, bottom - 9.0 - 2.5);
    let points = vec![
        (bar.left - 1.0, low + 1.8),
        (bar.right + 1.0, high + 1.8),
        (bar.right + 1.0, high - 1.8),
        (bar.left - 1.0, low - 1.8),
    ];
    marks.push(Mark::Fill { points, colour: theme.background() });
}

/// Two short slanted strokes across an axis: it does not begin at 0.
fn break_axis((x, y): Point, theme: Theme, marks: &mut Vec<Mark>) {
    let gap = vec![(x - 5.0, y + 3.5), (x + 5.0, y - 0.5), (x + 5.0, y - 3.5), (x - 5.0, y + 0.5)];
    marks.push(Mark::Fill { points: gap, colour: theme.background() });
    for shift in [-1.8, 1.8] {
        let points = vec![(x - 5.0, y + 2.0 + shift), (x + 5.0, y - 2.0 + shift)];
        marks.push(Mark::Line { points, colour: theme.quiet(), width: 1.0, dash: Dash::Solid });
    }
}

/// Slanted lines over an area.
pub(super) fn hatch(area: &Rect, apart: f64, colour: Colour, marks: &mut Vec<Mark>) {
    let mut x = area.left - area.height();
    while x < area.right {
        let line = [(x, area.bottom), (x + area.height(), area.top)];
        for points in clip(&line, area) {
            marks.push(Mark::Line { points, colour, width: 1.0, dash: Dash::Solid });
        }
        x += apart;
    }
}
