//! Marks onto a bitmap or into SVG.
//!
//! SVG goes through plotters' back end, which places things on whole units: so it is given a page ten times as large, that a
//! view box scales back. Bitmaps are drawn here (`canvas`), every edge smoothed by how much of a dot it covers: plotters gives
//! sharp corners long spikes and leaves fills jagged. Rasters go into SVG as embedded PNG.

mod canvas;
mod encode;
mod svg;

pub(super) use encode::quick as quick_png;

use super::colour::Colour;
use super::error::PlotError;
use super::mark::{Dash, Mark, Point, dashes};
use canvas::Canvas;

/// A page that is laid out, ready for any format.
#[derive(Debug)]
pub(super) struct Sheet {
    pub(super) marks: Vec<Mark>,
    pub(super) size: (u32, u32),
    pub(super) background: Colour,
}

impl Sheet {
    /// The page as SVG.
    pub(super) fn svg(&self) -> Result<String, PlotError> {
        svg::document(self)
    }

    /// Red, green and blue of each dot, row by row, then columns and rows: `scale` dots to a pixel.
    pub(super) fn rgb(&self, scale: f64) -> (Vec<u8>, u32, u32) {
        let (width, height) = self.size;
        let (columns, rows) = (units(f64::from(width) * scale), units(f64::from(height) * scale));
        let mut canvas = Canvas::new((columns, rows), self.background);
        for mark in &self.marks {
            canvas.draw(mark, scale);
        }
        (canvas.rgb, columns, rows)
    }

    /// The page as PNG, `scale` dots to a pixel.
    pub(super) fn png(&self, scale: f64) -> Result<Vec<u8>, PlotError> {
        let (rgb, columns, rows) = self.rgb(scale);
        encode::small(&rgb, columns, rows, scale)
    }
}

fn backend(error: impl std::fmt::Display) -> PlotError {
    PlotError::Backend { reason: error.to_string() }
}

/// A length as a whole number of dots.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes on a page, rounded; saturates")]
pub(super) fn units(length: f64) -> u32 {
    length.round() as u32
}

#[expect(clippy::cast_possible_truncation, reason = "coordinates on a page, rounded; saturates")]
fn place((x, y): Point, scale: f64) -> (i32, i32) {
    ((x * scale).round() as i32, (y * scale).round() as i32)
}

/// The inked pieces of a line.
fn pieces(points: &[Point], dash: Dash) -> Vec<Vec<Point>> {
    dash.pattern().map_or_else(|| vec![points.to_vec()], |pattern| dashes(points, pattern))
}
