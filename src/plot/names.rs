//! Names of categories along a horizontal axis: side by side, in several lines, or turned, whichever fits.

use super::axes::X_ROOM;
use super::colour::Theme;
use super::font::Weight;
use super::mark::{Anchor, Mark, Point};
use super::scale::{count, whole};
use super::text::{self, SMALL, small_width, wrap};

/// Distance between the lines of a name.
const LINE: f64 = 13.5;
/// The most lines of a name.
const MOST_LINES: usize = 3;

/// How the names of an axis are set.
#[derive(Debug)]
pub(super) struct Names {
    /// The lines of each name; none where there is no room for it.
    lines: Vec<Vec<String>>,
    turned: bool,
    /// Room below the area for names and the axis label.
    pub(super) room: f64,
}

impl Names {
    /// Sets `names`, each with `slot` of the axis; turned ones are at most `longest` high.
    pub(super) fn fit(names: &[String], slot: f64, longest: f64) -> Self {
        let room = slot - 8.0;
        let lines: Vec<Vec<String>> =
            names.iter().map(|name| wrap(name, room, SMALL, Weight::Regular, MOST_LINES)).collect();
        let whole_names = lines.iter().zip(names).all(|(lines, name)| {
            let letters = |text: &str| text.chars().filter(|letter| !letter.is_whitespace()).count();
            lines.iter().map(|line| letters(line)).sum::<usize>() == letters(name)
                && lines.iter().all(|line| !line.ends_with('…'))
        });
        if whole_names {
            let most = lines.iter().map(Vec::len).max().unwrap_or(1).max(1);
            return Self { lines, turned: false, room: X_ROOM + LINE * count(most - 1) };
        }
        let every = whole((14.0 / slot.max(0.1)).ceil()).max(1);
        let turn = |(index, name): (usize, &String)| {
            let kept = (index % every == 0).then(|| text::shorten(name, longest, SMALL, Weight::Regular));
            kept.into_iter().collect()
        };
        let lines: Vec<Vec<String>> = names.iter().enumerate().map(turn).collect();
        let widest = lines.iter().flatten().map(|name| small_width(name)).fold(0.0, f64::max);
        Self { lines, turned: true, room: X_ROOM - 8.0 + widest }
    }

    /// Draws name `index` below the tick at `at`.
    pub(super) fn draw(&self, index: usize, at: Point, theme: Theme, marks: &mut Vec<Mark>) {
        let Some(lines) = self.lines.get(index) else { return };
        for (row, line) in lines.iter().enumerate() {
            marks.push(if self.turned {
                text::quiet((at.0, at.1 + 9.0), line, theme, Anchor::End, false)
            } else {
                text::quiet((at.0, at.1 + 15.0 + LINE * count(row)), line, theme, Anchor::Middle, true)
            });
        }
    }
}

/// How many of `names` a vertical axis of `height` has room for: each, every second, …
pub(super) fn every(names: usize, height: f64) -> usize {
    whole((13.0 * count(names) / height.max(1.0)).ceil()).max(1)
}
