//! A bitmap in memory, and marks on it with smooth edges.

use super::{pieces, place, units};
use crate::plot::colour::Colour;
use crate::plot::font;
use crate::plot::mark::{Anchor, Mark, Point, Rect, clip_polygon};
use crate::plot::scale::{count, whole};

/// Dots in memory, three bytes each.
pub(super) struct Canvas {
    size: (u32, u32),
    pub(super) rgb: Vec<u8>,
}

impl Canvas {
    pub(super) fn new(size: (u32, u32), background: Colour) -> Self {
        let (red, green, blue) = background.rgb;
        Self { size, rgb: [red, green, blue].repeat(size.0 as usize * size.1 as usize) }
    }

    /// Draws a mark, `scale` dots to a unit of the page.
    pub(super) fn draw(&mut self, mark: &Mark, scale: f64) {
        let large = |points: &[Point]| -> Vec<Point> { points.iter().map(|(x, y)| (x * scale, y * scale)).collect() };
        match mark {
            Mark::Text { .. } => self.text(mark, scale),
            Mark::Line { points, colour, width, dash } => {
                for piece in pieces(points, *dash) {
                    self.stroke(&large(&piece), *colour, width * scale);
                }
            }
            Mark::Raster { area, columns, rows, rgb } => self.raster(area, scale, (*columns, *rows), rgb),
            Mark::Fill { points, colour } => self.fill(&large(points), *colour),
            Mark::Disc { centre, radius, colour } => {
                self.disc((centre.0 * scale, centre.1 * scale), radius * scale, *colour);
            }
        }
    }

    fn page(&self) -> Rect {
        Rect { left: 0.0, top: 0.0, right: self.size.0.into(), bottom: self.size.1.into() }
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

    fn blend(&mut self, x: i32, y: i32, colour: Colour, coverage: f64) {
        let (red, green, blue) = colour.rgb;
        if let Some(dot) = self.dot(x, y) {
            for (channel, ink) in dot.iter_mut().zip([red, green, blue]) {
                *channel = mix(*channel, ink, coverage * colour.alpha);
            }
        }
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

    /// A polygon.
    fn fill(&mut self, points: &[Point], colour: Colour) {
        let seen = clip_polygon(points, &self.page());
        font::cover_polygon(&seen, &mut |x, y, coverage| {
            let (x, y) = place((x, y), 1.0);
            self.blend(x, y, colour, f64::from(coverage));
        });
    }

    fn disc(&mut self, centre: Point, radius: f64, colour: Colour) {
        let reach = radius + 0.5;
        let span = |middle: f64, size: u32| {
            let inside = |at: f64| at.clamp(0.0, size.into());
            whole(inside(middle - reach))..whole(inside(middle + reach).ceil())
        };
        for y in span(centre.1, self.size.1) {
            for x in span(centre.0, self.size.0) {
                let distance = (count(x) + 0.5 - centre.0).hypot(count(y) + 0.5 - centre.1);
                let (x, y) = place((count(x), count(y)), 1.0);
                self.blend(x, y, colour, (reach - distance).clamp(0.0, 1.0));
            }
        }
    }

    /// A line with round joins and ends. Each dot takes the ink of the segment nearest to it, once, so that a translucent
    /// line is even where it meets itself.
    fn stroke(&mut self, points: &[Point], colour: Colour, width: f64) {
        // A line thinner than a dot is as wide as one, and fainter.
        let (width, colour) = (width.max(1.0), colour.faint(colour.alpha * width.min(1.0)));
        let reach = width / 2.0 + 0.5;
        let bound = |pick: fn(&Point) -> f64, limit: u32| {
            let span =
                points.iter().map(pick).fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
            let limit = f64::from(limit);
            ((span.0 - reach).floor().clamp(0.0, limit), (span.1 + reach).ceil().clamp(0.0, limit))
        };
        let ((left, right), (top, bottom)) = (bound(|point| point.0, self.size.0), bound(|point| point.1, self.size.1));
        let (columns, rows) = (whole(right - left), whole(bottom - top));
        let mut cover = Cover { columns, dots: vec![0; columns * rows], spans: vec![(columns, 0); rows] };
        for pair in points.windows(2) {
            let shift = |(x, y): Point| (x - left, y - top);
            cover.segment(shift(pair[0]), shift(pair[1]), reach);
        }
        let (left, top) = place((left, top), 1.0);
        for ((y, row), (first, last)) in (top..).zip(cover.dots.chunks(columns.max(1))).zip(&cover.spans) {
            for (x, part) in (left..).zip(row).take(*last).skip(*first).filter(|(_, part)| **part > 0) {
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
}

/// How much of each dot a line covers, within its bounds.
struct Cover {
    columns: usize,
    dots: Vec<u8>,
    /// The dots of each row that are covered at all: from, and to before.
    spans: Vec<(usize, usize)>,
}

impl Cover {
    /// Raises the coverage of the dots within `reach` of a segment: full up to a dot before it, none at it.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 255")]
    fn segment(&mut self, from: Point, to: Point, reach: f64) {
        let (from, to) = if from.1 <= to.1 { (from, to) } else { (to, from) };
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx.hypot(dy);
        let below = whole((to.1 + reach).max(0.0)).saturating_add(1).min(self.spans.len());
        for row in whole((from.1 - reach).max(0.0))..below {
            let y = count(row) + 0.5;
            // Only the part of the segment that this row can see.
            let part =
                |y: f64| if dy > 0.0 { ((y - from.1) / dy).clamp(0.0, 1.0) } else { f64::from(u8::from(y > from.1)) };
            let (x0, x1) = (from.0 + part(y - reach) * dx, from.0 + part(y + reach) * dx);
            let first = whole((x0.min(x1) - reach).max(0.0)).min(self.columns);
            let last = whole((x0.max(x1) + reach).max(0.0)).saturating_add(1).min(self.columns);
            let span = &mut self.spans[row];
            *span = (span.0.min(first), span.1.max(last));
            for column in first..last {
                let x = count(column) + 0.5;
                let along = if length > 0.0 {
                    (((x - from.0) * dx + (y - from.1) * dy) / (length * length)).clamp(0.0, 1.0)
                } else {
                    0.0
                };
                let distance = (x - from.0 - along * dx).hypot(y - from.1 - along * dy);
                let dot = &mut self.dots[row * self.columns + column];
                *dot = (*dot).max(((reach - distance).clamp(0.0, 1.0) * 255.0) as u8);
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between two bytes")]
fn mix(below: u8, ink: u8, part: f64) -> u8 {
    (f64::from(below) + part * (f64::from(ink) - f64::from(below))).round() as u8
}
