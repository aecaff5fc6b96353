//! What a chart holds: series, dots, bins, levels.

use crate::plot::bar::Bar;
use crate::plot::error::PlotError;
use crate::plot::mark::Dash;

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

/// What lies between two values at each position of a series, filled faintly; NaN where nothing does.
#[derive(Debug, Clone, PartialEq)]
pub struct Band {
    /// The lower ends.
    pub low: Vec<f64>,
    /// The upper ends.
    pub high: Vec<f64>,
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
    /// Instead of a colour of the palette, one between the least (0) and the most (1) of a colour map.
    pub shade: Option<f64>,
    /// How far the values spread, one lower and one upper end for each position.
    pub band: Option<Band>,
}

impl Series {
    /// A series in the next colour of the palette.
    #[must_use]
    pub fn new(label: &str, x: Vec<f64>, y: Vec<f64>, style: Style) -> Self {
        Self { label: label.to_owned(), x, y, style, colour: None, shade: None, band: None }
    }

    /// The series in a colour of the palette, counted from 0: two of a kind can share one.
    #[must_use]
    pub fn coloured(mut self, index: usize) -> Self {
        self.colour = Some(index);
        self
    }

    /// The series with its spread.
    #[must_use]
    pub fn with_band(mut self, low: Vec<f64>, high: Vec<f64>) -> Self {
        self.band = Some(Band { low, high });
        self
    }

    pub(super) fn finite(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        finite(&self.x, &self.y)
    }

    /// Whether the legend names it: a colour bar does that for shaded ones.
    pub(super) fn in_legend(&self, bar: &Option<Bar>) -> bool {
        self.shade.is_none() || bar.is_none()
    }

    pub(super) fn check(&self, index: usize) -> Result<(), PlotError> {
        let name = if self.label.is_empty() { format!("series {index}") } else { format!("series `{}`", self.label) };
        if self.x.len() != self.y.len() {
            let what = format!("values of {name}");
            return Err(PlotError::Lengths { what, found: self.y.len(), needed: self.x.len() });
        }
        for ends in self.band.iter().flat_map(|band| [&band.low, &band.high]) {
            if ends.len() != self.x.len() {
                let what = format!("ends of the band of {name}");
                return Err(PlotError::Lengths { what, found: ends.len(), needed: self.x.len() });
            }
        }
        if self.finite().next().is_none() {
            return Err(PlotError::Empty { what: name });
        }
        Ok(())
    }
}

pub(super) fn finite<'a>(x: &'a [f64], y: &'a [f64]) -> impl Iterator<Item = (f64, f64)> + 'a {
    x.iter().copied().zip(y.iter().copied()).filter(|(x, y)| x.is_finite() && y.is_finite())
}

/// Dots that no line joins.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::plot) struct Cloud {
    pub(in crate::plot) label: String,
    pub(in crate::plot) x: Vec<f64>,
    pub(in crate::plot) y: Vec<f64>,
    /// Radius of each dot in pixels; none for the usual one.
    pub(in crate::plot) radius: Vec<f64>,
    /// Place of each dot on the colour map, 0 to 1; none for a colour of the palette.
    pub(in crate::plot) shade: Vec<f64>,
    /// A text beside each dot; none for no texts.
    pub(in crate::plot) text: Vec<String>,
    /// Which colour of the palette, counted from 0.
    pub(in crate::plot) colour: usize,
}

impl Cloud {
    pub(super) fn finite(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        finite(&self.x, &self.y)
    }

    pub(super) fn check(&self, index: usize) -> Result<(), PlotError> {
        let name =
            if self.label.is_empty() { format!("group {index} of dots") } else { format!("group `{}`", self.label) };
        if self.x.len() != self.y.len() {
            let what = format!("values of {name}");
            return Err(PlotError::Lengths { what, found: self.y.len(), needed: self.x.len() });
        }
        if self.finite().next().is_none() { Err(PlotError::Empty { what: name }) } else { Ok(()) }
    }
}

/// Bins side by side: `edges` has one more than `heights`.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::plot) struct Steps {
    pub(in crate::plot) label: String,
    pub(in crate::plot) edges: Vec<f64>,
    pub(in crate::plot) heights: Vec<f64>,
    pub(in crate::plot) colour: usize,
}

/// A constant to compare with, drawn dashed across the chart.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::plot) struct Level {
    pub(in crate::plot) label: String,
    pub(in crate::plot) value: f64,
    pub(in crate::plot) dash: Dash,
}

/// A shape to compare with: the unit circle.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::plot) struct Outline {
    pub(in crate::plot) label: String,
    pub(in crate::plot) points: Vec<(f64, f64)>,
}
