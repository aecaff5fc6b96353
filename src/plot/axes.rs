//! A pair of axes on the page: grid, ticks, labels, and where a value lies.

use super::colour::Theme;
use super::font::{self, Weight};
use super::mark::{Anchor, Dash, Mark, Point, Rect};
use super::scale::{Scale, Tick, count, whole};

/// Size of tick labels and legends.
pub(super) const SMALL: f64 = 11.5;
/// Size of axis labels.
pub(super) const MEDIUM: f64 = 12.5;
/// Size of titles.
pub(super) const LARGE: f64 = 15.0;
/// Room below an area for tick labels and the axis label.
pub(super) const X_ROOM: f64 = 50.0;

#[derive(Debug)]
pub(super) struct Axes<'a> {
    pub(super) area: Rect,
    pub(super) x: &'a Scale,
    pub(super) y: &'a Scale,
    pub(super) theme: Theme,
}

/// Room that tick labels and the label of a vertical axis take beside an area `height` high.
pub(super) fn y_room(scale: &Scale, height: f64) -> f64 {
    let widest =
        y_ticks(scale, height).iter().filter_map(|tick| tick.label.as_deref()).map(label_width).fold(0.0, f64::max);
    widest + 44.0
}

pub(super) fn y_ticks(scale: &Scale, height: f64) -> Vec<Tick> {
    scale.ticks(whole(height / 46.0))
}

fn label_width(label: &str) -> f64 {
    font::width(label, SMALL, Weight::Regular)
}

/// As many ticks as fit without their labels touching.
fn x_ticks(scale: &Scale, width: f64) -> Vec<Tick> {
    let mut most = whole(width / 70.0).max(2);
    loop {
        let ticks = scale.ticks(most);
        let placed: Vec<(f64, f64)> = ticks
            .iter()
            .filter_map(|tick| Some((scale.fraction(tick.value)? * width, label_width(tick.label.as_deref()?) / 2.0)))
            .collect();
        let fits = placed.windows(2).all(|pair| pair[0].0 + pair[0].1 + 10.0 <= pair[1].0 - pair[1].1);
        if fits || most <= 2 {
            return ticks;
        }
        most -= 1;
    }
}

impl Axes<'_> {
    /// The place of a value, which may lie outside the area; `None` where an axis has no place for it.
    pub(super) fn at(&self, x: f64, y: f64) -> Option<Point> {
        let across = self.x.fraction(x)?;
        let up = self.y.fraction(y)?;
        let point = (self.area.left + across * self.area.width(), self.area.bottom - up * self.area.height());
        (point.0.is_finite() && point.1.is_finite()).then_some(point)
    }

    fn line(&self, points: Vec<Point>, strong: bool) -> Mark {
        let colour = if strong { self.theme.quiet() } else { self.theme.grid() };
        Mark::Line { points, colour, width: 1.0, dash: Dash::Solid }
    }

    /// Faint lines behind the data at every labelled tick.
    pub(super) fn grid(&self, marks: &mut Vec<Mark>) {
        let Rect { left, top, right, bottom } = self.area;
        for x in
            self.places(&x_ticks(self.x, self.area.width()), true).into_iter().filter_map(|(x, label)| label.map(|_| x))
        {
            marks.push(self.line(vec![(x, top), (x, bottom)], false));
        }
        let ticks = y_ticks(self.y, self.area.height());
        for y in self.places(&ticks, false).into_iter().filter_map(|(y, label)| label.map(|_| y)) {
            marks.push(self.line(vec![(left, y), (right, y)], false));
        }
    }

    /// Where ticks lie on the page along one axis.
    fn places(&self, ticks: &[Tick], horizontal: bool) -> Vec<(f64, Option<String>)> {
        let place = |tick: &Tick| {
            let part = if horizontal { self.x } else { self.y }.fraction(tick.value)?;
            let at = if horizontal {
                self.area.left + part * self.area.width()
            } else {
                self.area.bottom - part * self.area.height()
            };
            (-1e-6..=1.0 + 1e-6).contains(&part).then(|| (at, tick.label.clone()))
        };
        ticks.iter().filter_map(place).collect()
    }

    /// Axis lines, ticks and labels; the frame has four sides when `boxed`, else two.
    pub(super) fn frame(&self, x_label: Option<&str>, y_label: &str, boxed: bool, marks: &mut Vec<Mark>) {
        let Rect { left, top, right, bottom } = self.area;
        marks.push(self.line(vec![(left, top), (left, bottom), (right, bottom)], true));
        if boxed {
            marks.push(self.line(vec![(left, top), (right, top), (right, bottom)], true));
        }
        for (x, label) in self.places(&x_ticks(self.x, self.area.width()), true) {
            let length = if label.is_some() { 5.0 } else { 3.0 };
            marks.push(self.line(vec![(x, bottom), (x, bottom + length)], true));
            if let Some(label) = label.filter(|_| x_label.is_some()) {
                marks.push(self.tick_label((x, bottom + 15.0), label, Anchor::Middle));
            }
        }
        for (y, label) in self.places(&y_ticks(self.y, self.area.height()), false) {
            let length = if label.is_some() { 5.0 } else { 3.0 };
            marks.push(self.line(vec![(left - length, y), (left, y)], true));
            if let Some(label) = label {
                marks.push(self.tick_label((left - 9.0, y), label, Anchor::End));
            }
        }
        if let Some(label) = x_label {
            marks.push(text(((left + right) / 2.0, bottom + 37.0), label, MEDIUM, self.theme, Anchor::Middle, true));
        }
        let at = (left - y_room(self.y, self.area.height()) + 16.0, (top + bottom) / 2.0);
        marks.push(text(at, y_label, MEDIUM, self.theme, Anchor::Middle, false));
    }

    fn tick_label(&self, at: Point, text: String, anchor: Anchor) -> Mark {
        let colour = self.theme.quiet();
        Mark::Text { at, text, size: SMALL, weight: Weight::Regular, colour, anchor, upright: true }
    }
}

/// A text in the theme's ink.
pub(super) fn text(at: Point, text: &str, size: f64, theme: Theme, anchor: Anchor, upright: bool) -> Mark {
    Mark::Text { at, text: text.to_owned(), size, weight: Weight::Regular, colour: theme.ink(), anchor, upright }
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

/// Ticks of a colour bar to the right of `area`, with its label.
pub(super) fn bar_scale(area: Rect, scale: &Scale, label: &str, theme: Theme, marks: &mut Vec<Mark>) {
    let colour = theme.quiet();
    let mut corners = area.corners();
    corners.push(corners[0]);
    marks.push(Mark::Line { points: corners, colour, width: 1.0, dash: Dash::Solid });
    let mut widest = 0.0_f64;
    for tick in scale.ticks(whole(area.height() / 46.0)) {
        let (Some(part), Some(label)) = (scale.fraction(tick.value), tick.label) else { continue };
        if !(-1e-6..=1.0 + 1e-6).contains(&part) {
            continue;
        }
        let y = area.bottom - part * area.height();
        widest = widest.max(label_width(&label));
        marks.push(Mark::Line {
            points: vec![(area.right, y), (area.right + 4.0, y)],
            colour,
            width: 1.0,
            dash: Dash::Solid,
        });
        let at = (area.right + 8.0, y);
        marks.push(Mark::Text {
            at,
            text: label,
            size: SMALL,
            weight: Weight::Regular,
            colour,
            anchor: Anchor::Start,
            upright: true,
        });
    }
    let at = (area.right + widest + 22.0, (area.top + area.bottom) / 2.0);
    marks.push(text(at, label, MEDIUM, theme, Anchor::Middle, false));
}

/// How far apart the columns of an area are that a picture can tell apart: half a pixel of the page.
pub(super) fn columns(area: &Rect) -> f64 {
    count(whole(area.width() * 2.0)).max(1.0)
}
