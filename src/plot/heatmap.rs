//! Heatmaps: a value in colour, and in figures, for each pair of two categories.

use serde::{Deserialize, Serialize};

use super::axes::{self, Axes};
use super::bar::Bar;
use super::bars::hatch;
use super::colour::{Colour, Map};
use super::error::PlotError;
use super::figure::{Content, Figure};
use super::font::Weight;
use super::frame::{self, axis_label};
use super::mark::{Anchor, Dash, Mark, Rect};
use super::page::Page;
use super::scale::{Figures, Scale, count};
use super::stats::{quantile, summary};
use super::text::small_width;
use crate::metrics::Frame;
use crate::options::OptionError;

/// Which end of the values is the best one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Best {
    /// The least, as of a loss.
    Min,
    /// The largest, as of an accuracy.
    Max,
}

impl Best {
    /// The index of the best of `values`; `None` when none is finite.
    pub(super) fn of(self, values: &[f64]) -> Option<usize> {
        let finite = values.iter().enumerate().filter(|(_, value)| value.is_finite());
        let order = |one: &(usize, &f64), other: &(usize, &f64)| one.1.total_cmp(other.1);
        match self {
            Self::Min => finite.min_by(order),
            Self::Max => finite.max_by(order),
        }
        .map(|(index, _)| index)
    }
}

/// What several rows in one cell come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Aggregate {
    /// Their mean.
    Mean,
    /// The one in the middle.
    Median,
    /// The least.
    Min,
    /// The largest.
    Max,
}

crate::options! {
    /// The options of `heatmap(frame, #{ … })`.
    pub struct HeatmapConfig for "heatmap" {
        /// One column of cells for each of its values; numbers in order. [; a column]
        x: Option<String> = None,
        /// One row of cells for each of its values; numbers in order, the least at the bottom. [; a column]
        y: Option<String> = None,
        /// The colour of the cells. [; a column of numbers]
        value: Option<String> = None,
        /// What several rows in one cell come to. [; "mean", "median", "min", "max"]
        aggregate: Aggregate = Aggregate::Mean,
        /// Outline the best cell. [; "min", "max"]
        best: Option<Best> = None,
        /// Colours by the logarithm of the value.
        log: bool = false,
        /// The values of the first and the last colour; `()` is the least and the largest. [; two numbers, the lower one first]
        range: Option<[f64; 2]> = None,
        /// Write the value into each cell; `()` where there is room.
        numbers: Option<bool> = None,
        /// What the colour bar is called; `()` is the column's name with its unit.
        label: Option<String> = None,
        /// What the horizontal axis is called; `()` is the column's name with its unit.
        x_label: Option<String> = None,
        /// What the vertical axis is called; `()` is the column's name with its unit.
        y_label: Option<String> = None,
    }
    ; validate = check
}

/// The most cells of a figure, each way.
const MOST: usize = 200;

fn check(config: &HeatmapConfig) -> Result<(), OptionError> {
    match config.range {
        Some([low, high]) if !(low.is_finite() && high.is_finite() && low < high) => {
            Err(OptionError::value("range", format!("{low} to {high}"), "two finite numbers, the lower one first"))
        }
        Some([low, _]) if config.log && low <= 0.0 => {
            Err(OptionError::value("range", format!("from {low} on"), "above 0, because colours are logarithmic"))
        }
        _ => Ok(()),
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Heatmap {
    x: Scale,
    y: Scale,
    /// Row by row from the bottom; NaN for a cell without a value.
    pub(super) cells: Vec<f64>,
    bar: Bar,
    best: Option<usize>,
    numbers: Option<bool>,
    x_label: String,
    y_label: String,
}

/// A heatmap of a frame, as the options say.
///
/// # Errors
/// [`PlotError::Option`] for a column that is missing or holds no numbers, [`PlotError::Empty`] if no cell has a value,
/// [`PlotError::TooMany`] for more than 200 rows or columns of cells.
pub fn heatmap(frame: &Frame, config: &HeatmapConfig) -> Result<Figure, PlotError> {
    let x_name = frame::needed("heatmap", "x", config.x.as_ref(), frame)?;
    let y_name = frame::needed("heatmap", "y", config.y.as_ref(), frame)?;
    let name = frame::needed("heatmap", "value", config.value.as_ref(), frame)?;
    let values = frame::numbers(frame, "value", name)?;
    let (x, y) = (frame::categories(frame, "x", x_name)?, frame::categories(frame, "y", y_name)?);
    for (what, found) in [("columns of cells", x.names.len()), ("rows of cells", y.names.len())] {
        if found > MOST {
            let hint = "round the values first, or draw scatter(frame, #{ x, y, by })";
            return Err(PlotError::TooMany { what, found, most: MOST, hint });
        }
    }
    let columns = x.names.len();
    let mut rows: Vec<Vec<f64>> = vec![Vec::new(); columns * y.names.len()];
    for (row, value) in values.iter().enumerate().filter(|(_, value)| value.is_finite()) {
        if let (Some(column), Some(line)) = (x.of[row], y.of[row]) {
            rows[line * columns + column].push(*value);
        }
    }
    let cells: Vec<f64> = rows.into_iter().map(|cell| config.aggregate.of(cell)).collect();
    let usable = cells.iter().copied().filter(|value| value.is_finite() && (!config.log || *value > 0.0));
    let found = summary(usable).ok_or_else(|| PlotError::Empty { what: format!("`{name}`") })?;
    let (low, high) = config.range.map_or((found.min, found.max), |[low, high]| (low, high));
    let scale = if config.log { Scale::log(low, high) } else { Scale::linear(low, high) };
    let label = config.label.clone().unwrap_or_else(|| axis_label(name));
    let drawn = Heatmap {
        best: config.best.and_then(|best| best.of(&cells)),
        bar: Bar { scale, label, map: Some(Map::Viridis) },
        cells,
        numbers: config.numbers,
        x_label: config.x_label.clone().unwrap_or_else(|| axis_label(x_name)),
        y_label: config.y_label.clone().unwrap_or_else(|| axis_label(y_name)),
        x: Scale::names(x.names),
        y: Scale::names(y.names),
    };
    let size = drawn.usual_size();
    Ok(Figure::new(Content::Heatmap(drawn), size))
}

impl Aggregate {
    fn of(self, mut values: Vec<f64>) -> f64 {
        values.sort_by(f64::total_cmp);
        match (self, values.as_slice()) {
            (_, []) => f64::NAN,
            (Self::Min, [first, ..]) => *first,
            (Self::Max, [.., last]) => *last,
            (Self::Median, all) => quantile(all, 0.5),
            (Self::Mean, all) => all.iter().sum::<f64>() / count(all.len()),
        }
    }
}

impl Heatmap {
    pub(super) fn columns(&self) -> usize {
        self.x.categories().map_or(1, <[String]>::len)
    }

    fn rows(&self) -> usize {
        self.y.categories().map_or(1, <[String]>::len)
    }

    /// Cells of a size that holds a number, within what a page holds.
    fn usual_size(&self) -> (u32, u32) {
        let side = |cells: usize, each: u32, least: u32, most: u32| {
            u32::try_from(cells).unwrap_or(u32::MAX).saturating_mul(each).clamp(least, most)
        };
        (210 + side(self.columns(), 72, 320, 900), 100 + side(self.rows(), 52, 210, 620))
    }

    pub(super) fn layout(&self, page: &Page<'_>) -> Result<Vec<Mark>, PlotError> {
        let top = page.top(16.0);
        let right = page.width - self.bar.room(page.height - top - 80.0);
        let guess = axes::y_room(&self.y, page.height - top - 80.0, page);
        let room = axes::x_room(&self.x, right - guess, page);
        let bottom = page.height - room;
        let area = Rect { left: axes::y_room(&self.y, bottom - top, page), top, right, bottom };
        page.check(&area)?;
        let axes = Axes { area, x: &self.x, y: &self.y, theme: page.theme, longest: axes::longest(page) };
        let mut marks = Vec::new();
        page.title(area.left, &mut marks);
        self.draw(&area, page, &mut marks);
        axes.frame(Some(page.x_label(&self.x_label)), page.y_label(&self.y_label), true, &mut marks);
        self.outline(&area, page, &mut marks);
        self.bar.draw(&area, page, &mut marks);
        Ok(marks)
    }

    fn cell(&self, index: usize, area: &Rect) -> Rect {
        let (column, row) = (index % self.columns(), index / self.columns());
        let (width, height) = (area.width() / count(self.columns()), area.height() / count(self.rows()));
        let left = area.left + count(column) * width;
        let bottom = area.bottom - count(row) * height;
        Rect { left, top: bottom - height, right: left + width, bottom }
    }

    fn colour(&self, value: f64, page: &Page<'_>) -> Option<Colour> {
        let part = self.bar.scale.fraction(value)?;
        Some(self.bar.ramp(page.theme).at(part))
    }

    fn draw(&self, area: &Rect, page: &Page<'_>, marks: &mut Vec<Mark>) {
        let texts = self.texts();
        let widest = texts.iter().map(|text| small_width(text)).fold(0.0, f64::max);
        let one = self.cell(0, area);
        let (roomy, tight) = (widest + 8.0 <= one.width() && one.height() >= 17.0, one.width() < 12.0);
        let written = self.numbers.unwrap_or(roomy);
        // Numbers that were asked for shrink with their cells, as far as they can be read.
        let size = (11.5 * ((one.width() - 4.0) / widest).min(one.height() / 15.0)).clamp(6.5, 11.5);
        for (index, (value, text)) in self.cells.iter().zip(&texts).enumerate() {
            let cell = self.cell(index, area);
            let Some(colour) = self.colour(*value, page).filter(|_| value.is_finite()) else {
                marks.push(Mark::Fill { points: cell.corners(), colour: page.theme.absent() });
                hatch(&cell, if tight { 4.0 } else { 8.0 }, page.theme.quiet().faint(0.35), marks);
                continue;
            };
            // A little over the edge, so that no seam shows between neighbours.
            let over = Rect { right: cell.right + 0.3, bottom: cell.bottom + 0.3, ..cell }.within(area);
            marks.push(Mark::Fill { points: over.corners(), colour });
            if written {
                let at = ((cell.left + cell.right) / 2.0, (cell.top + cell.bottom) / 2.0);
                let weight = if self.best == Some(index) { Weight::SemiBold } else { Weight::Regular };
                marks.push(Mark::Text {
                    at,
                    text: text.clone(),
                    size,
                    weight,
                    colour: colour.ink_on(),
                    anchor: Anchor::Middle,
                    upright: true,
                });
            }
        }
    }

    /// The values as they stand in the cells.
    pub(super) fn texts(&self) -> Vec<String> {
        let figures = Figures::of(self.cells.iter().copied());
        self.cells.iter().map(|value| if value.is_nan() { String::new() } else { figures.text(*value) }).collect()
    }

    /// A double line about the best cell, which shows on every colour.
    fn outline(&self, area: &Rect, page: &Page<'_>, marks: &mut Vec<Mark>) {
        let Some(best) = self.best else { return };
        let cell = self.cell(best, area);
        for (inset, width, colour) in [(0.0, 3.0, page.theme.ink()), (2.2, 1.6, page.theme.background())] {
            let inner = Rect {
                left: cell.left + inset,
                top: cell.top + inset,
                right: cell.right - inset,
                bottom: cell.bottom - inset,
            };
            let mut points = inner.corners();
            points.push(points[0]);
            points.push(points[1]);
            marks.push(Mark::Line { points, colour, width, dash: Dash::Solid });
        }
    }
}
