//! Marks onto the cells of a terminal: braille dots for lines and fills, half blocks for rasters, letters for texts.
//!
//! A page is laid out as for any other format, with cells of [`CELL`] page units, so that the texts of an axis fit into
//! letters of one width.

use super::colour::{Colour, Theme};
use super::error::PlotError;
use super::mark::{Anchor, Mark, Point, Rect, dashes};
use super::scale::{count, whole};
use std::fmt::Write as _;

/// Width and height of a cell in page units: Inter's small letters are about as wide on average.
pub(super) const CELL: (f64, f64) = (7.4, 15.0);

/// Braille dots of a cell, each way.
const DOTS: (usize, usize) = (2, 4);

/// Which colours a terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// None: shades and shapes only.
    Plain,
    /// The 256 of xterm.
    Palette,
    /// All of them.
    True,
}

type Rgb = (u8, u8, u8);

#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Cell {
    #[default]
    Empty,
    /// Bits of the dots, and their colour.
    Dots(u8, Rgb),
    /// A letter; it stands above dots.
    Letter(char),
    /// The colours of the upper and the lower half.
    Halves(Rgb, Rgb),
}

struct Grid {
    columns: usize,
    rows: usize,
    cells: Vec<Cell>,
}

/// The page as lines of text.
pub(super) fn text(marks: &[Mark], columns: usize, rows: usize, theme: Theme, ink: Ink) -> Result<String, PlotError> {
    let mut grid = Grid { columns, rows, cells: vec![Cell::Empty; columns * rows] };
    for mark in marks {
        match mark {
            Mark::Raster { area, columns, rows, rgb } => grid.raster(area, (*columns as usize, *rows as usize), rgb),
            Mark::Line { colour, .. } if *colour == theme.grid() => {} // dots behind dots would only blur them
            Mark::Line { points, colour, dash, .. } => match dash.pattern() {
                Some(pattern) => {
                    for piece in dashes(points, pattern) {
                        grid.line(&piece, *colour);
                    }
                }
                None => grid.line(points, *colour),
            },
            Mark::Fill { points, colour } => grid.fill(points, *colour),
            Mark::Disc { centre, radius, colour } => grid.disc(*centre, *radius, *colour),
            Mark::Text { .. } => {}
        }
    }
    for mark in marks {
        if let Mark::Text { at, text, anchor, upright, .. } = mark {
            grid.letters(*at, text, *anchor, *upright);
        }
    }
    Ok(grid.write(ink))
}

impl Grid {
    fn at(&mut self, column: usize, row: usize) -> Option<&mut Cell> {
        if column >= self.columns || row >= self.rows {
            return None;
        }
        self.cells.get_mut(row * self.columns + column)
    }

    /// Sets the dot `x`, `y`, counted in dots.
    fn dot(&mut self, x: f64, y: f64, rgb: Rgb) {
        /// The bit of each dot of a braille letter, column by column.
        const BITS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
        if x < 0.0 || y < 0.0 {
            return;
        }
        let (x, y) = (whole(x), whole(y));
        let bit = BITS[x % DOTS.0][y % DOTS.1];
        if let Some(cell) = self.at(x / DOTS.0, y / DOTS.1) {
            match cell {
                Cell::Dots(dots, ink) => (*dots, *ink) = (*dots | bit, rgb),
                Cell::Empty => *cell = Cell::Dots(bit, rgb),
                Cell::Letter(_) | Cell::Halves(..) => {}
            }
        }
    }

    fn line(&mut self, points: &[Point], colour: Colour) {
        if colour.alpha < 0.2 {
            return;
        }
        for pair in points.windows(2) {
            let (from, to) = (in_dots(pair[0]), in_dots(pair[1]));
            let steps = (to.0 - from.0).abs().max((to.1 - from.1).abs()).ceil().clamp(1.0, 8192.0);
            for step in 0..=whole(steps) {
                let part = count(step) / steps;
                self.dot(from.0 + part * (to.0 - from.0), from.1 + part * (to.1 - from.1), colour.rgb);
            }
        }
    }

    /// Fills a polygon by the even-odd rule; a faint one only where nothing else is.
    fn fill(&mut self, points: &[Point], colour: Colour) {
        if colour.alpha < 0.35 || points.len() < 3 {
            return;
        }
        let corners: Vec<Point> = points.iter().map(|point| in_dots(*point)).collect();
        let edges = || corners.iter().zip(corners.iter().cycle().skip(1));
        for row in 0..self.rows * DOTS.1 {
            let y = count(row) + 0.5;
            let mut crossings: Vec<f64> = edges()
                .filter(|(from, to)| (from.1 <= y) != (to.1 <= y))
                .map(|(from, to)| from.0 + (y - from.1) / (to.1 - from.1) * (to.0 - from.0))
                .collect();
            crossings.sort_by(f64::total_cmp);
            for pair in crossings.chunks_exact(2) {
                let mut x = pair[0].max(0.0).round();
                while x + 0.5 <= pair[1].min(count(self.columns * DOTS.0)) {
                    self.dot(x, y, colour.rgb);
                    x += 1.0;
                }
            }
        }
    }

    fn disc(&mut self, centre: Point, radius: f64, colour: Colour) {
        let (x, y) = in_dots(centre);
        let reach = (radius * 2.0 / CELL.0).max(0.6);
        for dy in -2..=2 {
            for dx in -2..=2 {
                let (dx, dy) = (f64::from(dx), f64::from(dy));
                if dx.hypot(dy) <= reach {
                    self.dot(x + dx, y + dy, colour.rgb);
                }
            }
        }
    }

    fn raster(&mut self, area: &Rect, (columns, rows): (usize, usize), rgb: &[u8]) {
        let (left, right) = (whole((area.left / CELL.0).round()), whole((area.right / CELL.0).round()));
        let half = CELL.1 / 2.0;
        let (top, bottom) = (whole((area.top / half).round()), whole((area.bottom / half).round()));
        let (wide, high) = (right.saturating_sub(left).max(1), bottom.saturating_sub(top).max(1));
        let mean = |column: usize, row: usize| {
            let span = |at: usize, of: usize, cells: usize| {
                let from = at * cells / of;
                from..((at + 1) * cells / of).max(from + 1).min(cells.max(1))
            };
            let (mut sum, mut dots) = ([0_u64; 3], 0);
            for y in span(row, high, rows) {
                for x in span(column, wide, columns) {
                    if let Some(dot) = rgb.get(3 * (y * columns + x)..3 * (y * columns + x) + 3) {
                        sum = [0, 1, 2].map(|channel| sum[channel] + u64::from(dot[channel]));
                        dots += 1;
                    }
                }
            }
            let channel = |at: usize| u8::try_from(sum[at] / dots.max(1)).unwrap_or(u8::MAX);
            (channel(0), channel(1), channel(2))
        };
        for row in 0..high {
            for column in 0..wide {
                let colour = mean(column, row);
                let (y, upper) = ((top + row) / 2, (top + row) % 2 == 0);
                let Some(cell) = self.at(left + column, y) else { continue };
                *cell = match (*cell, upper) {
                    (Cell::Halves(_, lower), true) => Cell::Halves(colour, lower),
                    (Cell::Halves(higher, _), false) => Cell::Halves(higher, colour),
                    _ => Cell::Halves(colour, colour),
                };
            }
        }
    }

    fn letters(&mut self, at: Point, text: &str, anchor: Anchor, upright: bool) {
        let length = text.chars().count();
        let row = whole((at.1 / CELL.1).max(0.0)).min(self.rows.saturating_sub(1));
        let column = (at.0 / CELL.0).max(0.0);
        if !upright {
            // A label beside an axis stands above it: letters do not turn.
            let column =
                if at.0 < CELL.0 * count(self.columns) / 2.0 { 0 } else { self.columns.saturating_sub(length) };
            let free = |grid: &Self, row: usize| {
                let cells = &grid.cells[row * grid.columns..(row + 1) * grid.columns];
                cells.iter().skip(column).take(length).all(|cell| *cell == Cell::Empty)
            };
            if let Some(row) = (0..self.rows.min(2)).find(|row| free(self, *row)) {
                self.spell(column, row, text);
            }
            return;
        }
        let back = match anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => count(length) / 2.0,
            Anchor::End => count(length),
        };
        let column = whole((column - back).round().max(0.0)).min(self.columns.saturating_sub(length));
        // A sample of the legend before a label, a tick after one: a cell between them where there is room.
        let blank = |grid: &Self, column: usize| {
            column < grid.columns && grid.cells[row * grid.columns + column] == Cell::Empty
        };
        let column = match anchor {
            Anchor::Start if column > 0 && !blank(self, column - 1) && blank(self, column + length) => column + 1,
            Anchor::End if !blank(self, column + length) && column > 0 && blank(self, column - 1) => column - 1,
            _ => column,
        };
        self.spell(column, row, text);
    }

    fn spell(&mut self, column: usize, row: usize, text: &str) {
        for (at, letter) in text.chars().enumerate() {
            if let Some(cell) = self.at(column + at, row) {
                *cell = Cell::Letter(letter);
            }
        }
    }

    fn write(&self, ink: Ink) -> String {
        let mut text = String::new();
        for row in self.cells.chunks(self.columns.max(1)) {
            let last = row.iter().rposition(|cell| *cell != Cell::Empty).map_or(0, |at| at + 1);
            let mut now = String::new();
            for cell in &row[..last] {
                let (codes, letter) = cell.show(ink);
                if codes != now {
                    text.push_str("\u{1b}[0m");
                    text.push_str(&codes);
                    now = codes;
                }
                text.push(letter);
            }
            if !now.is_empty() {
                text.push_str("\u{1b}[0m");
            }
            text.push('\n');
        }
        if ink == Ink::Plain { text.replace("\u{1b}[0m", "") } else { text }.trim_end_matches('\n').to_owned()
    }
}

impl Cell {
    /// The codes before a cell, and its letter.
    fn show(self, ink: Ink) -> (String, char) {
        match self {
            Self::Empty => (String::new(), ' '),
            Self::Letter(letter) => (String::new(), letter),
            Self::Dots(dots, rgb) => (paint(38, rgb, ink), char::from_u32(0x2800 + u32::from(dots)).unwrap_or(' ')),
            Self::Halves(upper, lower) if ink == Ink::Plain => {
                let light = (luminance(upper) + luminance(lower)) / 2.0;
                (String::new(), [' ', '░', '▒', '▓', '█'][whole(light * 4.99).min(4)])
            }
            Self::Halves(upper, lower) => (paint(38, upper, ink) + paint(48, lower, ink).as_str(), '▀'),
        }
    }
}

/// The code that sets the colour of letters (`38`) or of what is behind them (`48`).
fn paint(what: u8, (red, green, blue): Rgb, ink: Ink) -> String {
    let mut code = String::new();
    let _ = match ink {
        Ink::Plain => Ok(()),
        Ink::True => write!(code, "\u{1b}[{what};2;{red};{green};{blue}m"),
        Ink::Palette => {
            // xterm's cube of 6 × 6 × 6.
            let step = |channel: u8| (u16::from(channel) * 5 + 127) / 255;
            write!(code, "\u{1b}[{what};5;{}m", 16 + 36 * step(red) + 6 * step(green) + step(blue))
        }
    };
    code
}

fn luminance((red, green, blue): Rgb) -> f64 {
    (0.2126 * f64::from(red) + 0.7152 * f64::from(green) + 0.0722 * f64::from(blue)) / 255.0
}

fn in_dots((x, y): Point) -> Point {
    (x / CELL.0 * count(DOTS.0), y / CELL.1 * count(DOTS.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::mark::Dash;

    fn line(points: &[Point]) -> Mark {
        Mark::Line { points: points.to_vec(), colour: Theme::Dark.line(0), width: 1.0, dash: Dash::Solid }
    }

    #[test]
    fn a_line_is_drawn_in_dots_and_coloured_once() {
        let level = line(&[(0.0, 7.0), (CELL.0 * 4.0 - 0.1, 7.0)]);
        assert_eq!(text(std::slice::from_ref(&level), 4, 1, Theme::Dark, Ink::Plain).expect("drawn"), "⠒⠒⠒⠒");
        let coloured = text(&[level], 4, 1, Theme::Dark, Ink::True).expect("drawn");
        assert_eq!(coloured, "\u{1b}[0m\u{1b}[38;2;77;166;224m⠒⠒⠒⠒\u{1b}[0m");
    }

    #[test]
    fn a_label_keeps_a_cell_from_what_it_names() {
        let sample = line(&[(0.0, 7.0), (CELL.0 * 2.0 - 0.1, 7.0)]);
        let label = |at: f64, anchor: Anchor| {
            super::super::text::text((at * CELL.0, 7.0), "ab", 12.0, Theme::Dark, anchor, true)
        };
        let drawn = |marks: &[Mark], columns: usize| text(marks, columns, 1, Theme::Dark, Ink::Plain).expect("drawn");
        assert_eq!(drawn(&[sample.clone(), label(2.0, Anchor::Start)], 6), "⠒⠒ ab");
        assert_eq!(drawn(&[sample, label(2.0, Anchor::Start)], 4), "⠒⠒ab", "no room for more");
        let tick = line(&[(CELL.0 * 3.0, 7.0), (CELL.0 * 4.0 - 0.1, 7.0)]);
        assert_eq!(drawn(&[tick, label(3.0, Anchor::End)], 4), "ab ⠒");
    }

    #[test]
    fn a_polygon_is_filled_and_a_raster_takes_two_colours_a_cell() {
        let corners = [(0.0, 0.0), (CELL.0 * 2.0, 0.0), (CELL.0 * 2.0, CELL.1), (0.0, CELL.1)];
        let filled = Mark::Fill { points: corners.to_vec(), colour: Theme::Dark.line(0) };
        assert_eq!(text(&[filled], 2, 1, Theme::Dark, Ink::Plain).expect("drawn"), "⣿⣿");
        let area = Rect { left: 0.0, top: 0.0, right: CELL.0, bottom: CELL.1 };
        let raster = Mark::Raster { area, columns: 1, rows: 2, rgb: vec![255, 0, 0, 0, 0, 255] };
        let drawn = text(&[raster], 1, 1, Theme::Dark, Ink::True).expect("drawn");
        assert!(drawn.contains("38;2;255;0;0m") && drawn.contains("48;2;0;0;255m▀"), "{drawn:?}");
    }
}
