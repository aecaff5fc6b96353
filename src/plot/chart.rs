//! A chart: series, constant levels and envelopes over two axes, with a legend outside them.

use super::axes::{self, Axes, SMALL, X_ROOM};
use super::colour::Colour;
use super::error::PlotError;
use super::figure::Page;
use super::font::{self, Weight};
use super::mark::{Anchor, Dash, Mark, Point, Rect, clip};
use super::scale::Scale;

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A thin faint line: every measurement. Its outliers do not stretch the axis beside other series.
    Raw,
    /// A strong line: what the raw one means.
    Smoothed,
    /// Dots joined by a line: few measurements, such as validations.
    Points,
    /// A line of middle weight.
    Line,
}

/// Named values over x; pairs that are not finite are gaps.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// What the legend says; nothing when empty.
    pub label: String,
    /// Positions.
    pub x: Vec<f64>,
    /// Values, one for each position.
    pub y: Vec<f64>,
    /// How it is drawn.
    pub style: Style,
    /// Which colour of the palette; its place among the series when absent.
    pub colour: Option<usize>,
}

impl Series {
    /// A series in the next colour of the palette.
    #[must_use]
    pub fn new(label: &str, x: Vec<f64>, y: Vec<f64>, style: Style) -> Self {
        Self { label: label.to_owned(), x, y, style, colour: None }
    }

    /// The series in a colour of the palette, counted from 0: two of a kind can share one.
    #[must_use]
    pub fn coloured(mut self, index: usize) -> Self {
        self.colour = Some(index);
        self
    }

    fn finite(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.x.iter().copied().zip(self.y.iter().copied()).filter(|(x, y)| x.is_finite() && y.is_finite())
    }
}

/// A constant to compare with, drawn dashed across the chart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Level {
    pub(super) label: String,
    pub(super) value: f64,
    pub(super) dash: Dash,
}

/// The range of values at each position, filled.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Envelope {
    pub(super) x: Vec<f64>,
    pub(super) low: Vec<f64>,
    pub(super) high: Vec<f64>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Chart {
    pub(super) series: Vec<Series>,
    pub(super) levels: Vec<Level>,
    pub(super) envelope: Option<Envelope>,
    pub(super) x_label: String,
    pub(super) y_label: String,
    /// The whole of the x axis, instead of the range of the data.
    pub(super) x_range: Option<(f64, f64)>,
    pub(super) y_range: Option<(f64, f64)>,
}

struct Entry {
    label: String,
    colour: Colour,
    width: f64,
    dash: Dash,
    dot: bool,
}

impl Chart {
    /// Refuses series that cannot be drawn.
    pub(super) fn check(self) -> Result<Self, PlotError> {
        for (index, series) in self.series.iter().enumerate() {
            let name =
                if series.label.is_empty() { format!("series {index}") } else { format!("series `{}`", series.label) };
            if series.x.len() != series.y.len() {
                let what = format!("values of {name}");
                return Err(PlotError::Lengths { what, found: series.y.len(), needed: series.x.len() });
            }
            if series.finite().next().is_none() {
                return Err(PlotError::Empty { what: name });
            }
        }
        if self.series.is_empty() && self.envelope.is_none() {
            return Err(PlotError::Empty { what: "a chart without series".into() });
        }
        Ok(self)
    }

    pub(super) fn layout(&self, page: &Page<'_>) -> Result<Vec<Mark>, PlotError> {
        let x_values: Vec<f64> = self.series.iter().flat_map(Series::finite).map(|(x, _)| x).collect();
        let x = scale('x', page.log_x, self.x_range, &x_values, 0.0)?;
        let y = scale('y', page.log_y, self.y_range, &self.y_values(), 0.04)?;
        let legend = self.legend(page);
        let legend_width = legend_width(&legend, page.width);
        let top = page.top(16.0);
        let bottom = page.height - X_ROOM;
        let right = page.width - if legend.is_empty() { 24.0 } else { legend_width + 40.0 };
        let area = Rect { left: axes::y_room(&y, bottom - top), top, right, bottom };
        let axes = Axes { area, x: &x, y: &y, theme: page.theme };

        let mut marks = Vec::new();
        page.title(area.left, &mut marks);
        axes.grid(&mut marks);
        self.draw(page, &axes, &mut marks);
        axes.frame(Some(&self.x_label), &self.y_label, false, &mut marks);
        draw_legend(&legend, page, (area.right + 18.0, area.top + 8.0), legend_width, &mut marks);
        Ok(marks)
    }

    /// What the vertical axis has to hold. Beside other series a raw one counts without its most extreme hundredth.
    fn y_values(&self) -> Vec<f64> {
        let only_raw = self.series.iter().all(|series| series.style == Style::Raw) && self.levels.is_empty();
        let mut values: Vec<f64> = self.levels.iter().map(|level| level.value).collect();
        for series in &self.series {
            let mut own: Vec<f64> = series.finite().map(|(_, y)| y).collect();
            if !only_raw && matches!(series.style, Style::Raw | Style::Smoothed) && own.len() >= 200 {
                own.sort_by(f64::total_cmp);
                let cut = own.len() / 200;
                own = own[cut..own.len() - cut].to_vec();
            }
            values.extend(own);
        }
        values
    }

    fn draw(&self, page: &Page<'_>, axes: &Axes<'_>, marks: &mut Vec<Mark>) {
        if let Some(envelope) = &self.envelope {
            draw_envelope(envelope, page, axes, marks);
        }
        let order = |style: Style| match style {
            Style::Raw => 0,
            Style::Line => 1,
            Style::Smoothed => 2,
            Style::Points => 3,
        };
        let mut ordered: Vec<(usize, &Series)> = self.series.iter().enumerate().collect();
        ordered.sort_by_key(|(_, series)| order(series.style));
        for level in &self.levels {
            let ends = [axes.at(axes.x.low, level.value), axes.at(axes.x.high, level.value)];
            let points: Vec<Point> = ends.into_iter().flatten().collect();
            for points in clip(&points, &axes.area) {
                marks.push(Mark::Line { points, colour: page.theme.quiet(), width: 1.3, dash: level.dash });
            }
        }
        for (index, series) in ordered {
            draw_series(series, index, page, axes, marks);
        }
    }

    fn legend(&self, page: &Page<'_>) -> Vec<Entry> {
        let series = self.series.iter().enumerate().map(|(index, series)| {
            let (width, alpha) = pen(series.style);
            let colour = page.theme.line(series.colour.unwrap_or(index)).faint(alpha.max(0.45));
            let dot = series.style == Style::Points;
            Entry { label: series.label.clone(), colour, width: width.max(1.2), dash: Dash::Solid, dot }
        });
        let levels = self.levels.iter().map(|level| Entry {
            label: level.label.clone(),
            colour: page.theme.quiet(),
            width: 1.3,
            dash: level.dash,
            dot: false,
        });
        series.chain(levels).filter(|entry| !entry.label.is_empty()).collect()
    }
}

fn scale(axis: char, log: bool, range: Option<(f64, f64)>, values: &[f64], padding: f64) -> Result<Scale, PlotError> {
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
        return Err(PlotError::LogOfNonPositive { axis });
    }
    let padding = if range.is_some() { 0.0 } else { padding };
    Ok(if log { Scale::log(low, high) } else { Scale::linear(low, high) }.padded(padding))
}

/// Width in pixels and opacity of a style.
fn pen(style: Style) -> (f64, f64) {
    match style {
        Style::Raw => (0.8, 0.3),
        Style::Smoothed => (2.0, 1.0),
        Style::Points => (1.5, 1.0),
        Style::Line => (1.5, 1.0),
    }
}

fn draw_series(series: &Series, index: usize, page: &Page<'_>, axes: &Axes<'_>, marks: &mut Vec<Mark>) {
    let (width, alpha) = pen(series.style);
    let colour = page.theme.line(series.colour.unwrap_or(index)).faint(alpha);
    let points = series.x.iter().zip(&series.y).map(|(x, y)| axes.at(*x, *y));
    let mut runs: Vec<Vec<Point>> = vec![Vec::new()];
    for point in points {
        match (point, runs.last_mut()) {
            (Some(point), Some(run)) => run.push(point),
            _ => runs.push(Vec::new()),
        }
    }
    for run in &runs {
        // A raw series of a single point, or a point between gaps, would be invisible as a line.
        let dots = series.style == Style::Points || run.len() == 1;
        for points in clip(&thin(run, &axes.area), &axes.area) {
            marks.push(Mark::Line { points, colour, width, dash: Dash::Solid });
        }
        let radius = if series.style == Style::Points && run.len() <= 60 { 3.4 } else { 1.8 };
        let inside = |(x, y): &&Point| {
            (axes.area.left - 0.5..=axes.area.right + 0.5).contains(x)
                && (axes.area.top - 0.5..=axes.area.bottom + 0.5).contains(y)
        };
        for centre in run.iter().filter(|_| dots).filter(inside) {
            marks.push(Mark::Disc { centre: *centre, radius: radius + 1.0, colour: page.theme.background() });
            marks.push(Mark::Disc { centre: *centre, radius, colour: page.theme.line(series.colour.unwrap_or(index)) });
        }
    }
}

/// Of all points in one column of the picture only the first, the lowest, the highest and the last: it looks the same, and
/// a figure of a million steps stays small.
fn thin(points: &[Point], area: &Rect) -> Vec<Point> {
    let columns = axes::columns(area);
    let column = |point: &Point| ((point.0 - area.left) / area.width() * columns).floor();
    let mut kept = Vec::new();
    for group in points.chunk_by(|one, other| column(one) == column(other)) {
        if group.len() <= 4 {
            kept.extend_from_slice(group);
            continue;
        }
        let last = group.len() - 1;
        let by_height = |&one: &usize, &other: &usize| group[one].1.total_cmp(&group[other].1);
        let mut ends =
            [0, (0..=last).min_by(by_height).unwrap_or(0), (0..=last).max_by(by_height).unwrap_or(last), last];
        ends.sort_unstable();
        kept.extend(ends.map(|index| group[index]));
    }
    kept
}

fn draw_envelope(envelope: &Envelope, page: &Page<'_>, axes: &Axes<'_>, marks: &mut Vec<Mark>) {
    let edge =
        |values: &[f64]| -> Vec<Point> { envelope.x.iter().zip(values).filter_map(|(x, y)| axes.at(*x, *y)).collect() };
    let mut outline = edge(&envelope.high);
    outline.extend(edge(&envelope.low).into_iter().rev());
    let colour = page.theme.line(0);
    marks.push(Mark::Fill { points: outline, colour });
    // Where low and high meet the area has no thickness: a hairline keeps it in sight.
    for values in [&envelope.low, &envelope.high] {
        marks.push(Mark::Line { points: edge(values), colour, width: 0.6, dash: Dash::Solid });
    }
}

/// Room for the legend's widest label and its sample, at most two fifths of the page.
fn legend_width(legend: &[Entry], page_width: f64) -> f64 {
    let widest = legend.iter().map(|entry| font::width(&entry.label, SMALL, Weight::Regular)).fold(0.0, f64::max);
    (widest + 34.0).min(page_width * 0.4)
}

fn draw_legend(legend: &[Entry], page: &Page<'_>, (left, top): Point, room: f64, marks: &mut Vec<Mark>) {
    const LINE: f64 = 20.0;
    let fitting = super::scale::whole(((page.height - X_ROOM - top) / LINE).max(1.0));
    let shown = if legend.len() > fitting { fitting - 1 } else { legend.len() };
    let mut y = top;
    for entry in &legend[..shown] {
        let points = vec![(left, y), (left + 26.0, y)];
        marks.push(Mark::Line { points, colour: entry.colour, width: entry.width, dash: entry.dash });
        if entry.dot {
            marks.push(Mark::Disc { centre: (left + 13.0, y), radius: 3.4, colour: entry.colour });
        }
        let label = axes::shorten(&entry.label, room - 33.0, SMALL, Weight::Regular);
        marks.push(axes::text((left + 33.0, y), &label, SMALL, page.theme, Anchor::Start, true));
        y += LINE;
    }
    if shown < legend.len() {
        let rest = format!("and {} more", legend.len() - shown);
        marks.push(axes::text((left + 33.0, y), &rest, SMALL, page.theme, Anchor::Start, true));
    }
}
