//! Marks onto a bitmap or into SVG, through plotters' back ends.
//!
//! Back ends place things on whole units, so both are given pages larger than the figure: SVG ten units to a pixel (its
//! view box scales them back), PNG four dots, of which each two by two are averaged into one of the final two, which also
//! smooths every edge. On bitmaps, lines and text are drawn here: plotters gives sharp corners long spikes, and sets glyphs
//! without their side bearings. Rasters go into SVG as embedded PNG.

use super::colour::Colour;
use super::error::PlotError;
use super::font::{self, FAMILY, Weight};
use super::indexed::indexed;
use super::mark::{Anchor, Dash, Mark, Point, Rect, dashes};
use super::scale::{count, whole};
use base64::Engine;
use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontFamily, FontStyle, FontTransform, RGBAColor, ShapeStyle, TextStyle};

/// SVG units in a pixel of the page.
const SVG_UNITS: f64 = 10.0;
/// Dots of the final PNG in a pixel of the page: sharp on dense screens and in print.
const DENSITY: u32 = 2;
/// Dots drawn for each dot kept, each way.
const OVERSAMPLING: u32 = 2;

fn backend(error: impl std::fmt::Display) -> PlotError {
    PlotError::Backend { reason: error.to_string() }
}

fn stroke(colour: Colour, width: f64) -> ShapeStyle {
    let (red, green, blue) = colour.rgb;
    ShapeStyle { color: RGBAColor(red, green, blue, colour.alpha), filled: true, stroke_width: units(width).max(1) }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes on a page, rounded")]
fn units(length: f64) -> u32 {
    length.round() as u32
}

#[expect(clippy::cast_possible_truncation, reason = "coordinates on a page, rounded")]
fn place((x, y): Point, scale: f64) -> (i32, i32) {
    ((x * scale).round() as i32, (y * scale).round() as i32)
}

/// Draws fills and discs; other marks are for the caller.
fn shape<B: DrawingBackend>(target: &mut B, mark: &Mark, scale: f64) -> Result<(), PlotError> {
    match mark {
        Mark::Fill { points, colour } => {
            let path: Vec<_> = points.iter().map(|point| place(*point, scale)).collect();
            target.fill_polygon(path, &stroke(*colour, 1.0)).map_err(backend)
        }
        Mark::Disc { centre, radius, colour } => target
            .draw_circle(place(*centre, scale), units(radius * scale), &stroke(*colour, 1.0), true)
            .map_err(backend),
        Mark::Line { .. } | Mark::Text { .. } | Mark::Raster { .. } => Ok(()),
    }
}

/// The inked pieces of a line.
fn pieces(points: &[Point], dash: Dash) -> Vec<Vec<Point>> {
    dash.pattern().map_or_else(|| vec![points.to_vec()], |pattern| dashes(points, pattern))
}

/// The page as SVG.
pub(super) fn svg(marks: &[Mark], (width, height): (u32, u32), background: Colour) -> Result<String, PlotError> {
    let page = (width * units(SVG_UNITS), height * units(SVG_UNITS));
    let mut body = String::new();
    {
        let mut target = SVGBackend::with_string(&mut body, page);
        for mark in marks {
            match mark {
                Mark::Text { at, text, size, weight, colour, anchor, upright } => {
                    let style = svg_text(*size * SVG_UNITS, *weight, *colour, *anchor, *upright);
                    target.draw_text(text, &style, place(*at, SVG_UNITS)).map_err(backend)?;
                }
                Mark::Line { points, colour, width, dash } => {
                    for piece in pieces(points, *dash) {
                        let mut path: Vec<_> = piece.into_iter().map(|point| place(point, SVG_UNITS)).collect();
                        path.dedup();
                        target.draw_path(path, &stroke(*colour, width * SVG_UNITS)).map_err(backend)?;
                    }
                }
                other => shape(&mut target, other, SVG_UNITS)?,
            }
        }
        target.present().map_err(backend)?;
    }
    // Our own head: a page of `width` pixels over the view box that plotters drew on, its paper, and the rasters below all else.
    let shapes = body.split_once(">\n").map_or("", |(_, shapes)| shapes);
    let (red, green, blue) = background.rgb;
    let mut document = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {} {}\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#{red:02X}{green:02X}{blue:02X}\"/>\n",
        page.0, page.1
    );
    for mark in marks {
        if let Mark::Raster { area, columns, rows, rgb } = mark {
            document.push_str(&svg_image(area, *columns, *rows, rgb)?);
        }
    }
    Ok(document + shapes)
}

fn svg_text(size: f64, weight: Weight, colour: Colour, anchor: Anchor, upright: bool) -> TextStyle<'static> {
    /// Plotters sets SVG text at this part less than it is asked for.
    const PLOTTERS_EM: f64 = 1.24;
    let style = if weight == Weight::SemiBold { FontStyle::Bold } else { FontStyle::Normal };
    let turn = if upright { FontTransform::None } else { FontTransform::Rotate270 };
    let (red, green, blue) = colour.rgb;
    let horizontal = match anchor {
        Anchor::Start => HPos::Left,
        Anchor::Middle => HPos::Center,
        Anchor::End => HPos::Right,
    };
    let font = plotters::style::FontDesc::new(FontFamily::Name(FAMILY), size * PLOTTERS_EM, style).transform(turn);
    let mut style = TextStyle::from(font).pos(Pos::new(horizontal, VPos::Center));
    style.color.rgb = (red, green, blue);
    style.color.alpha = colour.alpha;
    style
}

fn svg_image(area: &Rect, columns: u32, rows: u32, rgb: &[u8]) -> Result<String, PlotError> {
    let png = match indexed(rgb, columns, rows)? {
        Some(png) => png,
        None => encode(rgb, columns, rows)?,
    };
    let data = base64::engine::general_purpose::STANDARD.encode(png);
    let at = |value: f64| units(value * SVG_UNITS);
    Ok(format!(
        "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" href=\"data:image/png;base64,{data}\"/>\n",
        at(area.left),
        at(area.top),
        at(area.width()),
        at(area.height()),
    ))
}

/// The page as PNG, [`DENSITY`] dots to a pixel.
pub(super) fn png(marks: &[Mark], (width, height): (u32, u32), background: Colour) -> Result<Vec<u8>, PlotError> {
    let factor = DENSITY * OVERSAMPLING;
    let mut canvas = Canvas::new((width * factor, height * factor), background);
    let scale = f64::from(factor);
    for mark in marks {
        match mark {
            Mark::Text { .. } => canvas.text(mark, scale),
            Mark::Line { points, colour, width, dash } => {
                for piece in pieces(points, *dash) {
                    let piece: Vec<Point> = piece.into_iter().map(|(x, y)| (x * scale, y * scale)).collect();
                    canvas.stroke(&piece, *colour, width * scale);
                }
            }
            Mark::Raster { area, columns, rows, rgb } => canvas.raster(area, scale, (*columns, *rows), rgb),
            other => {
                let size = canvas.size;
                shape(&mut BitMapBackend::with_buffer(&mut canvas.rgb, size), other, scale)?;
            }
        }
    }
    let small = canvas.shrink(OVERSAMPLING);
    encode(&small, width * DENSITY, height * DENSITY)
}

fn encode(rgb: &[u8], columns: u32, rows: u32) -> Result<Vec<u8>, PlotError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, columns, rows);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_adaptive_filter(png::AdaptiveFilterType::Adaptive);
    // 96 dots to the inch for a page pixel: viewers and typesetters then know the intended size.
    let per_metre = units(f64::from(DENSITY) * 96.0 / 0.0254);
    encoder.set_pixel_dims(Some(png::PixelDimensions { xppu: per_metre, yppu: per_metre, unit: png::Unit::Meter }));
    let mut writer = encoder.write_header().map_err(backend)?;
    writer.write_image_data(rgb).map_err(backend)?;
    writer.finish().map_err(backend)?;
    Ok(bytes)
}

/// Dots in memory, three bytes each.
struct Canvas {
    size: (u32, u32),
    rgb: Vec<u8>,
}

impl Canvas {
    fn new(size: (u32, u32), background: Colour) -> Self {
        let (red, green, blue) = background.rgb;
        Self { size, rgb: [red, green, blue].repeat(size.0 as usize * size.1 as usize) }
    }

    /// The bytes of a dot; `None` off the page.
    fn dot(&mut self, x: i32, y: i32) -> Option<&mut [u8]> {
        let (x, y) = (u32::try_from(x).ok()?, u32::try_from(y).ok()?);
        if x >= self.size.0 || y >= self.size.1 {
            return None;
        }
        let at = 3 * (y as usize * self.size.0 as usize + x as usize);
        self.rgb.get_mut(at..at + 3)
    }

    fn text(&mut self, mark: &Mark, scale: f64) {
        let Mark::Text { at, text, size, weight, colour, anchor, upright } = mark else { return };
        let size = size * scale;
        let start = match anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -font::width(text, size, *weight) / 2.0,
            Anchor::End => -font::width(text, size, *weight),
        };
        font::draw(text, size, *weight, &mut |x, y, coverage| {
            let along = x + start;
            let (x, y) = if *upright { (along, y) } else { (y, -along) };
            let (x, y) = place((at.0 * scale + x, at.1 * scale + y), 1.0);
            self.blend(x, y, *colour, f64::from(coverage));
        });
    }

    fn blend(&mut self, x: i32, y: i32, colour: Colour, coverage: f64) {
        let (red, green, blue) = colour.rgb;
        if let Some(dot) = self.dot(x, y) {
            for (channel, ink) in dot.iter_mut().zip([red, green, blue]) {
                *channel = mix(*channel, ink, coverage * colour.alpha);
            }
        }
    }

    /// A line with round joins and ends. Each dot takes the ink of the segment nearest to it, once, so that a translucent
    /// line is even where it meets itself.
    fn stroke(&mut self, points: &[Point], colour: Colour, width: f64) {
        let reach = width / 2.0 + 0.5;
        let bound = |pick: fn(&Point) -> f64, limit: u32| {
            let span =
                points.iter().map(pick).fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
            let limit = f64::from(limit);
            ((span.0 - reach).floor().clamp(0.0, limit), (span.1 + reach).ceil().clamp(0.0, limit))
        };
        let ((left, right), (top, bottom)) = (bound(|point| point.0, self.size.0), bound(|point| point.1, self.size.1));
        let (columns, rows) = (whole(right - left), whole(bottom - top));
        let mut coverage = vec![0_u8; columns * rows];
        for pair in points.windows(2) {
            let shift = |(x, y): Point| (x - left, y - top);
            cover(&mut coverage, columns, shift(pair[0]), shift(pair[1]), reach);
        }
        let (left, top) = place((left, top), 1.0);
        for (y, row) in (top..).zip(coverage.chunks(columns.max(1))) {
            for (x, part) in (left..).zip(row).filter(|(_, part)| **part > 0) {
                self.blend(x, y, colour, f64::from(*part) / 255.0);
            }
        }
    }

    fn raster(&mut self, area: &Rect, scale: f64, (columns, rows): (u32, u32), rgb: &[u8]) {
        let (left, top) = place((area.left, area.top), scale);
        let (right, bottom) = place((area.right, area.bottom), scale);
        let pick = |at: i32, from: i32, to: i32, cells: u32| {
            let part = (f64::from(at - from) + 0.5) / f64::from((to - from).max(1));
            (units((part * f64::from(cells)).floor()).min(cells.saturating_sub(1))) as usize
        };
        for y in top..bottom {
            let row = pick(y, top, bottom, rows) * columns as usize;
            for x in left..right {
                let cell = 3 * (row + pick(x, left, right, columns));
                if let (Some(dot), Some(colour)) = (self.dot(x, y), rgb.get(cell..cell + 3)) {
                    dot.copy_from_slice(colour);
                }
            }
        }
    }

    /// Averages blocks of `factor` by `factor` dots.
    fn shrink(&self, factor: u32) -> Vec<u8> {
        let (columns, rows) = (self.size.0 / factor, self.size.1 / factor);
        let mut small = Vec::with_capacity(3 * columns as usize * rows as usize);
        for row in 0..rows {
            for column in 0..columns {
                for channel in 0..3 {
                    let mut sum = 0;
                    for y in row * factor..(row + 1) * factor {
                        for x in column * factor..(column + 1) * factor {
                            sum += u32::from(self.rgb[3 * (y as usize * self.size.0 as usize + x as usize) + channel]);
                        }
                    }
                    small.push(u8::try_from((sum + factor * factor / 2) / (factor * factor)).unwrap_or(u8::MAX));
                }
            }
        }
        small
    }
}

/// Raises the coverage of the dots within `reach` of a segment: full up to half a dot before it, none at it.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 255")]
fn cover(coverage: &mut [u8], columns: usize, from: Point, to: Point, reach: f64) {
    let (from, to) = if from.1 <= to.1 { (from, to) } else { (to, from) };
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy);
    for row in whole((from.1 - reach).max(0.0))
        ..whole((to.1 + reach).max(0.0)).saturating_add(1).min(coverage.len() / columns.max(1))
    {
        let y = count(row) + 0.5;
        // Only the part of the segment that this row can see.
        let part =
            |y: f64| if dy > 0.0 { ((y - from.1) / dy).clamp(0.0, 1.0) } else { f64::from(u8::from(y > from.1)) };
        let (x0, x1) = (from.0 + part(y - reach) * dx, from.0 + part(y + reach) * dx);
        let first = whole((x0.min(x1) - reach).max(0.0));
        let last = whole((x0.max(x1) + reach).max(0.0)).saturating_add(1).min(columns);
        for column in first..last {
            let x = count(column) + 0.5;
            let along = if length > 0.0 {
                (((x - from.0) * dx + (y - from.1) * dy) / (length * length)).clamp(0.0, 1.0)
            } else {
                0.0
            };
            let distance = (x - from.0 - along * dx).hypot(y - from.1 - along * dy);
            let dot = &mut coverage[row * columns + column];
            *dot = (*dot).max(((reach - distance).clamp(0.0, 1.0) * 255.0) as u8);
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between two bytes")]
fn mix(below: u8, ink: u8, part: f64) -> u8 {
    (f64::from(below) + part * (f64::from(ink) - f64::from(below))).round() as u8
}
