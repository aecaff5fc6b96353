//! A colour bar: what the colours of a figure mean, to the right of the data.

use super::axes::y_ticks;
use super::colour::{Map, Ramp, Theme};
use super::font::Weight;
use super::mark::{Anchor, Dash, Mark, Rect};
use super::page::Page;
use super::scale::{Scale, count};
use super::text::{self, MEDIUM, small_width};

/// Distance from the data, and width.
const GAP: f64 = 20.0;
const WIDTH: f64 = 14.0;
/// The longest name of a category.
const LONGEST: f64 = 90.0;

/// Colours along a scale.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bar {
    pub(super) scale: Scale,
    pub(super) label: String,
    /// The map, or none for the part of viridis that lines and dots take.
    pub(super) map: Option<Map>,
}

impl Bar {
    pub(super) fn ramp(&self, theme: Theme) -> Ramp {
        self.map.map_or(theme.shades(), Ramp::whole)
    }

    /// Room to the right of the data that are `height` high.
    pub(super) fn room(&self, height: f64) -> f64 {
        GAP + WIDTH + self.widest(height) + 40.0
    }

    fn widest(&self, height: f64) -> f64 {
        let ticks = y_ticks(&self.scale, height, LONGEST);
        ticks.iter().filter_map(|tick| tick.label.as_deref()).map(small_width).fold(0.0, f64::max)
    }

    /// Draws it beside `area`.
    pub(super) fn draw(&self, area: &Rect, page: &Page<'_>, marks: &mut Vec<Mark>) {
        let bar = Rect { left: area.right + GAP, right: area.right + GAP + WIDTH, ..*area };
        // Categories have a colour each; between numbers there is every colour.
        strip(bar, self.ramp(page.theme), self.scale.categories().map_or(256, <[String]>::len), marks);
        let colour = page.theme.quiet();
        let mut corners = bar.corners();
        corners.push(corners[0]);
        marks.push(Mark::Line { points: corners, colour, width: 1.0, dash: Dash::Solid });
        for tick in y_ticks(&self.scale, bar.height(), LONGEST) {
            let Some(part) = self.scale.fraction(tick.value).filter(|part| (-1e-6..=1.0 + 1e-6).contains(part)) else {
                continue;
            };
            let y = bar.bottom - part * bar.height();
            let length = if tick.label.is_some() { 4.0 } else { 2.5 };
            let points = vec![(bar.right, y), (bar.right + length, y)];
            marks.push(Mark::Line { points, colour, width: 1.0, dash: Dash::Solid });
            if let Some(label) = tick.label {
                marks.push(text::quiet((bar.right + 8.0, y), &label, page.theme, Anchor::Start, true));
            }
        }
        let at = (bar.right + self.widest(bar.height()) + 22.0, (bar.top + bar.bottom) / 2.0);
        let label = text::shorten(&self.label, bar.height() + 24.0, MEDIUM, Weight::Regular);
        marks.push(text::text(at, &label, MEDIUM, page.theme, Anchor::Middle, false));
    }
}

/// So many colours alone, least at the bottom.
pub(super) fn strip(area: Rect, ramp: Ramp, colours: usize, marks: &mut Vec<Mark>) {
    let last = count(colours.saturating_sub(1)).max(1.0);
    let colour = |row: usize| <[u8; 3]>::from(ramp.at(count(row) / last).rgb);
    let rgb = (0..colours).rev().flat_map(colour).collect();
    marks.push(Mark::Raster { area, columns: 1, rows: u32::try_from(colours).unwrap_or(u32::MAX), rgb });
}
