//! Legends, outside the data: to its right or below it.

use super::axes::X_ROOM;
use super::colour::Colour;
use super::font::Weight;
use super::mark::{Anchor, Dash, Mark, Marker, Point, Rect};
use super::page::Page;
use super::scale::{count, whole};
use super::text::{self, SMALL, small_width};

/// Where a legend goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Place {
    /// To the right, or below on a narrow page.
    #[default]
    Auto,
    /// To the right of the data.
    Right,
    /// Below the data, in rows.
    Below,
    /// Nowhere.
    None,
}

/// What stands before a label.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    pub(super) colour: Colour,
    /// Width and dashes of a line.
    pub(super) line: Option<(f64, Dash)>,
    /// Shape and radius of a dot.
    pub(super) dot: Option<(Marker, f64)>,
    /// A patch of colour: a bar, a band.
    pub(super) patch: bool,
    /// The line stands upright.
    pub(super) upright: bool,
}

impl Sample {
    pub(super) fn line(colour: Colour, width: f64, dash: Dash) -> Self {
        Self { colour, line: Some((width, dash)), dot: None, patch: false, upright: false }
    }

    pub(super) fn dot(colour: Colour, marker: Marker, radius: f64) -> Self {
        Self { colour, line: None, dot: Some((marker, radius)), patch: false, upright: false }
    }

    pub(super) fn patch(colour: Colour) -> Self {
        Self { colour, line: None, dot: None, patch: true, upright: false }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) label: String,
    pub(super) sample: Sample,
}

/// Width of a sample with the gap after it.
const SAMPLE: f64 = 33.0;
/// Height of a line, and of a line where many have to fit.
const LINE: (f64, f64) = (20.0, 15.5);
/// Gap between columns, and between entries of a row.
const GAP: f64 = 18.0;
/// The most rows below the data.
const MOST_ROWS: usize = 8;

/// A legend that knows where it goes and what room it needs.
#[derive(Debug)]
pub(super) struct Legend {
    title: String,
    entries: Vec<Entry>,
    place: Place,
    /// Width of a column, sample included.
    column: f64,
    columns: usize,
    rows: usize,
    line: f64,
    /// Below the data in a single row: each entry as wide as it is, after the title.
    flowing: bool,
}

impl Legend {
    /// Fits `entries` with labels onto the page.
    pub(super) fn new(title: &str, mut entries: Vec<Entry>, page: &Page<'_>) -> Self {
        entries.retain(|entry| !entry.label.is_empty());
        let widest = entries.iter().map(|entry| small_width(&entry.label)).fold(small_width(title) - SAMPLE, f64::max);
        let place = match page.legend_place() {
            _ if entries.is_empty() => Place::None,
            // A long name would take too much from the data.
            Place::Auto if widest + SAMPLE > page.width * 0.3 && entries.len() <= 8 => Place::Below,
            Place::Auto => Place::Right,
            asked => asked,
        };
        let title = title.to_owned();
        let mut legend = Self { title, entries, place, column: 0.0, columns: 1, rows: 0, line: LINE.0, flowing: false };
        match place {
            Place::Right => legend.fit_right(widest, page),
            Place::Below => legend.fit_below(widest, page),
            Place::Auto | Place::None => {}
        }
        legend
    }

    fn fit_right(&mut self, widest: f64, page: &Page<'_>) {
        let head = usize::from(!self.title.is_empty());
        let high = page.height - X_ROOM - page.top(16.0);
        self.column = (widest + SAMPLE + 1.0).min(page.width * 0.4);
        self.rows = self.entries.len();
        if count(self.rows + head) * LINE.0 > high {
            self.line = LINE.1;
            let fitting = whole(high / LINE.1).saturating_sub(head).max(1);
            let wide = whole((page.width * 0.42 / (self.column + GAP)).max(1.0)).min(3);
            self.columns = self.rows.div_ceil(fitting).min(wide);
            self.rows = self.rows.div_ceil(self.columns).min(fitting);
        }
    }

    fn fit_below(&mut self, widest: f64, page: &Page<'_>) {
        let room = page.width - 40.0;
        self.line = 18.0;
        self.flowing = self.flow_width() <= room;
        self.column = (widest + SAMPLE + GAP).min(room);
        self.columns =
            if self.flowing { self.entries.len() } else { whole(room / self.column).clamp(1, self.entries.len()) };
        let fitting = whole((page.height * 0.35 / self.line).max(1.0)).min(MOST_ROWS);
        self.rows = self.entries.len().div_ceil(self.columns).min(fitting);
        // As even as the rows allow.
        self.columns = self.columns.min(self.entries.len().div_ceil(self.rows));
    }

    /// Width of everything in one row.
    fn flow_width(&self) -> f64 {
        let title = if self.title.is_empty() { 0.0 } else { small_width(&self.title) + GAP };
        let entries = self.entries.iter().map(|entry| small_width(&entry.label) + SAMPLE + GAP);
        title + entries.sum::<f64>() - GAP
    }

    /// Room to the right of the data.
    pub(super) fn right(&self) -> f64 {
        match self.place {
            Place::Right => count(self.columns) * self.column + count(self.columns - 1) * GAP + 40.0,
            _ => 24.0,
        }
    }

    /// Room below the axis label.
    pub(super) fn below(&self) -> f64 {
        let head = usize::from(!self.title.is_empty() && !self.flowing);
        match self.place {
            Place::Below => count(self.rows + head) * self.line + 8.0,
            _ => 0.0,
        }
    }

    /// Draws it; `bottom` is where the room of the x axis ends.
    pub(super) fn draw(&self, area: &Rect, bottom: f64, page: &Page<'_>, marks: &mut Vec<Mark>) {
        let width = if self.flowing { self.flow_width() } else { count(self.columns) * self.column - GAP };
        let (mut left, mut top) = match self.place {
            Place::Right => (area.right + 18.0, area.top + 8.0),
            // Centred under the data, as far as the page allows.
            Place::Below => {
                let centred = (area.left + area.right - width) / 2.0;
                (centred.min(page.width - 20.0 - width).max(20.0), bottom + 8.0)
            }
            Place::Auto | Place::None => return,
        };
        if !self.title.is_empty() {
            let title = text::shorten(&self.title, width.max(self.column), SMALL, Weight::Regular);
            marks.push(text::quiet((left, top), &title, page.theme, Anchor::Start, true));
            if self.flowing {
                left += small_width(&title) + GAP;
            } else {
                top += self.line;
            }
        }
        let fitting = self.rows * self.columns;
        let shown = if self.entries.len() > fitting { fitting - 1 } else { self.entries.len() };
        for (index, entry) in self.entries[..shown].iter().enumerate() {
            let (x, y) = self.at(index, (left, top));
            draw_sample(&entry.sample, (x, y), page, marks);
            let room = if self.flowing { f64::INFINITY } else { self.column - SAMPLE + 0.5 };
            let label = text::shorten(&entry.label, room, SMALL, Weight::Regular);
            marks.push(page.text((x + SAMPLE, y), &label, Anchor::Start));
        }
        if shown < self.entries.len() {
            let (x, y) = self.at(shown, (left, top));
            let rest = format!("and {} more", self.entries.len() - shown);
            marks.push(page.text((x + SAMPLE, y), &rest, Anchor::Start));
        }
    }

    /// Where entry `index` begins.
    fn at(&self, index: usize, (left, top): Point) -> Point {
        if self.flowing {
            let before = self.entries[..index].iter().map(|entry| small_width(&entry.label) + SAMPLE + GAP);
            return (left + before.sum::<f64>(), top);
        }
        let (row, column, across) = match self.place {
            Place::Right => (index % self.rows, index / self.rows, self.column + GAP),
            _ => (index / self.columns, index % self.columns, self.column),
        };
        (left + count(column) * across, top + count(row) * self.line)
    }
}

fn draw_sample(sample: &Sample, (left, y): Point, page: &Page<'_>, marks: &mut Vec<Mark>) {
    let colour = sample.colour;
    if sample.patch {
        let patch = Rect { left: left + 4.0, top: y - 5.0, right: left + 22.0, bottom: y + 5.0 };
        marks.push(Mark::Fill { points: patch.corners(), colour });
    }
    if let Some((width, dash)) = sample.line {
        let points = if sample.upright {
            vec![(left + 13.0, y - 7.0), (left + 13.0, y + 7.0)]
        } else {
            vec![(left, y), (left + 26.0, y)]
        };
        marks.push(Mark::Line { points, colour, width, dash });
    }
    if let Some((marker, radius)) = sample.dot {
        let centre = (left + 13.0, y);
        if sample.line.is_some() {
            marks.push(marker.mark(centre, radius + 1.0, page.theme.background()));
        }
        marks.push(marker.mark(centre, radius, colour));
    }
}
