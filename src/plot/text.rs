//! Texts on the page: their sizes, and how they are made to fit.

use super::colour::Theme;
use super::font::{self, Weight};
use super::mark::{Anchor, Mark, Point};

/// Size of tick labels and legends.
pub(super) const SMALL: f64 = 11.5;
/// Size of axis labels.
pub(super) const MEDIUM: f64 = 12.5;
/// Size of titles.
pub(super) const LARGE: f64 = 15.0;

/// Width of a tick label.
pub(super) fn small_width(label: &str) -> f64 {
    font::width(label, SMALL, Weight::Regular)
}

/// A text in the theme's ink.
pub(super) fn text(at: Point, text: &str, size: f64, theme: Theme, anchor: Anchor, upright: bool) -> Mark {
    Mark::Text { at, text: text.to_owned(), size, weight: Weight::Regular, colour: theme.ink(), anchor, upright }
}

/// A small text in the theme's quieter ink.
pub(super) fn quiet(at: Point, text: &str, theme: Theme, anchor: Anchor, upright: bool) -> Mark {
    let colour = theme.quiet();
    Mark::Text { at, text: text.to_owned(), size: SMALL, weight: Weight::Regular, colour, anchor, upright }
}

/// A title in semi-bold, shortened to `room` if need be.
pub(super) fn title(at: Point, content: &str, room: f64, size: f64, theme: Theme) -> Mark {
    let text = shorten(content, room, size, Weight::SemiBold);
    Mark::Text { at, text, size, weight: Weight::SemiBold, colour: theme.ink(), anchor: Anchor::Start, upright: true }
}

/// The text if it fits into `room`, else as much of its beginning as does, with an ellipsis.
pub(super) fn shorten(text: &str, room: f64, size: f64, weight: Weight) -> String {
    if font::width(text, size, weight) <= room {
        return text.to_owned();
    }
    let letters: Vec<char> = text.chars().collect();
    let fits = |kept: &usize| font::width(&shortened(&letters, *kept), size, weight) <= room;
    shortened(&letters, (0..letters.len()).rev().find(fits).unwrap_or(0))
}

fn shortened(letters: &[char], kept: usize) -> String {
    letters[..kept].iter().collect::<String>().trim_end().to_owned() + "…"
}

/// The text in at most `most` lines of `room`, broken at spaces and after hyphens, slashes and underscores; the last line is
/// shortened when there is more. No line for an empty text.
pub(super) fn wrap(text: &str, room: f64, size: f64, weight: Weight, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for piece in pieces(text) {
        let fits = |line: &str| font::width(&format!("{line}{}", piece.trim_end()), size, weight) <= room;
        let full = lines.len() == most;
        match lines.last_mut() {
            Some(line) if full || fits(line) => line.push_str(piece),
            _ => lines.push(piece.to_owned()),
        }
    }
    lines.iter().map(|line| shorten(line.trim(), room, size, weight)).filter(|line| !line.is_empty()).collect()
}

/// What a text may be broken into; each piece keeps the sign that it ends with.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive([' ', '-', '/', '_', ','])
}
