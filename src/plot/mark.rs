//! What is on a page, before any format: marks in page units (CSS pixels), y downwards.

use super::colour::Colour;
use super::font::Weight;

/// A point on the page.
pub(super) type Point = (f64, f64);

/// A rectangle on the page.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rect {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Rect {
    pub(super) fn width(&self) -> f64 {
        self.right - self.left
    }

    pub(super) fn height(&self) -> f64 {
        self.bottom - self.top
    }

    pub(super) fn moved(&self, dx: f64, dy: f64) -> Self {
        Self { left: self.left + dx, top: self.top + dy, right: self.right + dx, bottom: self.bottom + dy }
    }

    /// The part of both.
    pub(super) fn within(&self, other: &Self) -> Self {
        let hold = |value: f64, low: f64, high: f64| value.max(low).min(high);
        Self {
            left: hold(self.left, other.left, other.right),
            top: hold(self.top, other.top, other.bottom),
            right: hold(self.right, other.left, other.right),
            bottom: hold(self.bottom, other.top, other.bottom),
        }
    }

    /// Whether a point lies inside or within half a unit of the border.
    pub(super) fn holds(&self, (x, y): Point) -> bool {
        (self.left - 0.5..=self.right + 0.5).contains(&x) && (self.top - 0.5..=self.bottom + 0.5).contains(&y)
    }

    pub(super) fn corners(&self) -> Vec<Point> {
        vec![(self.left, self.top), (self.right, self.top), (self.right, self.bottom), (self.left, self.bottom)]
    }
}

/// Where a text lies relative to its point; vertically it is always centred on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a line is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dash {
    Solid,
    Long,
    Short,
    Dots,
}

impl Dash {
    /// The dashes of series `index`. Four patterns and seven colours: 28 lines differ, and neighbours in both.
    pub(super) fn of(index: usize) -> Self {
        [Self::Solid, Self::Long, Self::Dots, Self::Short][index % 4]
    }

    /// Lengths of ink and gap in page units; none for a solid line.
    pub(super) fn pattern(self) -> Option<(f64, f64)> {
        match self {
            Self::Solid => None,
            Self::Long => Some((9.0, 5.0)),
            Self::Short => Some((5.0, 4.0)),
            Self::Dots => Some((1.2, 4.2)),
        }
    }
}

/// One thing on the page. A text that is not upright reads upwards.
#[derive(Debug, Clone)]
pub(super) enum Mark {
    Line { points: Vec<Point>, colour: Colour, width: f64, dash: Dash },
    Fill { points: Vec<Point>, colour: Colour },
    Disc { centre: Point, radius: f64, colour: Colour },
    Text { at: Point, text: String, size: f64, weight: Weight, colour: Colour, anchor: Anchor, upright: bool },
    Raster { area: Rect, columns: u32, rows: u32, rgb: Vec<u8> },
}

impl Mark {
    /// The mark further right and down.
    pub(super) fn moved(mut self, (dx, dy): Point) -> Self {
        let shift = |point: &mut Point| *point = (point.0 + dx, point.1 + dy);
        match &mut self {
            Self::Line { points, .. } | Self::Fill { points, .. } => points.iter_mut().for_each(shift),
            Self::Disc { centre: at, .. } | Self::Text { at, .. } => shift(at),
            Self::Raster { area, .. } => *area = area.moved(dx, dy),
        }
        self
    }
}

/// The shape of a dot: what tells series apart beside their colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    Disc,
    Square,
    Triangle,
    Diamond,
    Nabla,
}

impl Marker {
    /// The shape of series `index`. Five shapes and seven colours: 35 series differ.
    pub(super) fn of(index: usize) -> Self {
        const ALL: [Marker; 5] = [Marker::Disc, Marker::Square, Marker::Triangle, Marker::Diamond, Marker::Nabla];
        ALL[index % ALL.len()]
    }

    /// The shape about `centre`, as large to the eye as a disc of `radius`.
    pub(super) fn mark(self, centre: Point, radius: f64, colour: Colour) -> Mark {
        let corners: &[Point] = match self {
            Self::Disc => return Mark::Disc { centre, radius, colour },
            Self::Square => &[(-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)],
            Self::Triangle => &[(0.0, -1.3), (1.18, 0.78), (-1.18, 0.78)],
            Self::Diamond => &[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)],
            Self::Nabla => &[(0.0, 1.3), (1.18, -0.78), (-1.18, -0.78)],
        };
        let points = corners.iter().map(|(x, y)| (centre.0 + x * radius, centre.1 + y * radius)).collect();
        Mark::Fill { points, colour }
    }
}

/// The pieces of a polyline inside `area`: segments are cut at its border, never dropped whole.
pub(super) fn clip(points: &[Point], area: &Rect) -> Vec<Vec<Point>> {
    let mut pieces: Vec<Vec<Point>> = Vec::new();
    for pair in points.windows(2) {
        let Some((from, to)) = clip_segment(pair[0], pair[1], area) else { continue };
        match pieces.last_mut() {
            Some(piece) if piece.last() == Some(&from) => piece.push(to),
            _ => pieces.push(vec![from, to]),
        }
    }
    pieces
}

/// Liang and Barsky's algorithm.
fn clip_segment(from: Point, to: Point, area: &Rect) -> Option<(Point, Point)> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let sides =
        [(-dx, from.0 - area.left), (dx, area.right - from.0), (-dy, from.1 - area.top), (dy, area.bottom - from.1)];
    let (mut enter, mut leave) = (0.0_f64, 1.0_f64);
    for (slope, room) in sides {
        if slope == 0.0 {
            if room < 0.0 {
                return None;
            }
        } else if slope < 0.0 {
            enter = enter.max(room / slope);
        } else {
            leave = leave.min(room / slope);
        }
    }
    // The ends themselves stay exact where nothing is cut, so that pieces can be told to touch.
    let at = |part: f64| match part {
        0.0 => from,
        1.0 => to,
        _ => (from.0 + part * dx, from.1 + part * dy),
    };
    (enter <= leave).then(|| (at(enter), at(leave)))
}

/// The part of a polygon inside `area`, by Sutherland and Hodgman's algorithm; empty when nothing is.
pub(super) fn clip_polygon(points: &[Point], area: &Rect) -> Vec<Point> {
    let sides: [&dyn Fn(&Point) -> f64; 4] =
        [&|p| p.0 - area.left, &|p| area.right - p.0, &|p| p.1 - area.top, &|p| area.bottom - p.1];
    let mut kept = points.to_vec();
    for inside in sides {
        let mut next = Vec::with_capacity(kept.len() + 4);
        for (index, to) in kept.iter().enumerate() {
            let from = &kept[(index + kept.len() - 1) % kept.len()];
            let (before, after) = (inside(from), inside(to));
            if (before < 0.0) != (after < 0.0) {
                let part = before / (before - after);
                next.push((from.0 + part * (to.0 - from.0), from.1 + part * (to.1 - from.1)));
            }
            if after >= 0.0 {
                next.push(*to);
            }
        }
        kept = next;
    }
    kept
}

/// The inked pieces of a dashed polyline.
pub(super) fn dashes(points: &[Point], (ink, gap): (f64, f64)) -> Vec<Vec<Point>> {
    let mut pieces = Vec::new();
    let mut piece = points.first().map_or_else(Vec::new, |first| vec![*first]);
    let mut inked = true;
    let mut left = ink;
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let mut done = 0.0;
        while length - done > left {
            done += left;
            let at = (from.0 + (to.0 - from.0) * done / length, from.1 + (to.1 - from.1) * done / length);
            if inked {
                piece.push(at);
                pieces.push(std::mem::take(&mut piece));
            } else {
                piece = vec![at];
            }
            inked = !inked;
            left = if inked { ink } else { gap };
        }
        left -= length - done;
        if inked {
            piece.push(to);
        }
    }
    if piece.len() > 1 {
        pieces.push(piece);
    }
    pieces
}
