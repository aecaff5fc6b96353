//! A pair of axes on the page: grid, ticks, labels, and where a value lies.

use super::colour::Theme;
use super::font::Weight;
use super::mark::{Anchor, Dash, Mark, Point, Rect};
use super::names::{self, Names};
use super::page::Page;
use super::scale::{Scale, Tick, count, whole};
use super::text::{self, MEDIUM, SMALL, small_width};

/// Room below an area for tick labels and the axis label.
pub(super) const X_ROOM: f64 = 50.0;
/// The longest name of a category, and the part of the page that it may take.
const LONGEST_NAME: f64 = 150.0;
const NAME_PART: f64 = 0.28;

#[derive(Debug)]
pub(super) struct Axes<'a> {
    pub(super) area: Rect,
    pub(super) x: &'a Scale,
    pub(super) y: &'a Scale,
    pub(super) theme: Theme,
    /// The longest name of a category beside either axis.
    pub(super) longest: (f64, f64),
}

/// The longest names that a page of this size has room for, along its x and its y axis.
pub(super) fn longest(page: &Page<'_>) -> (f64, f64) {
    (LONGEST_NAME.min(page.height * NAME_PART), LONGEST_NAME.min(page.width * NAME_PART))
}

/// Room that tick labels and the label of a vertical axis take beside an area `height` high.
pub(super) fn y_room(scale: &Scale, height: f64, page: &Page<'_>) -> f64 {
    tick_room(scale, height, longest(page).1)
}

fn tick_room(scale: &Scale, height: f64, longest: f64) -> f64 {
    let ticks = y_ticks(scale, height, longest);
    ticks.iter().filter_map(|tick| tick.label.as_deref()).map(small_width).fold(0.0, f64::max) + 44.0
}

/// The ticks of a vertical axis; names are shortened, and left out where they would touch.
pub(super) fn y_ticks(scale: &Scale, height: f64, longest: f64) -> Vec<Tick> {
    // Three where there is room for no more than that.
    let mut ticks = scale.ticks(whole((height / 46.0).max((height / 26.0).min(3.0))));
    if scale.categories().is_some() {
        let every = names::every(ticks.len(), height);
        for (index, tick) in ticks.iter_mut().enumerate() {
            let label = tick.label.take().filter(|_| index % every == 0);
            tick.label = label.map(|label| text::shorten(&label, longest, SMALL, Weight::Regular));
        }
    }
    ticks
}

/// Room below an area `width` wide for the labels of a horizontal axis.
pub(super) fn x_room(scale: &Scale, width: f64, page: &Page<'_>) -> f64 {
    scale.categories().map_or(X_ROOM, |names| Names::fit(names, width / count(names.len()), longest(page).0).room)
}

/// As many ticks as fit without their labels touching.
fn x_ticks(scale: &Scale, width: f64) -> Vec<Tick> {
    let mut most = whole(width / 70.0).max(2);
    loop {
        let ticks = scale.ticks(most);
        let placed: Vec<(f64, f64)> = ticks
            .iter()
            .filter_map(|tick| Some((scale.fraction(tick.value)? * width, small_width(tick.label.as_deref()?) / 2.0)))
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

    /// Faint lines behind the data at every labelled tick that is a number.
    pub(super) fn grid(&self, marks: &mut Vec<Mark>) {
        let Rect { left, top, right, bottom } = self.area;
        if self.x.categories().is_none() {
            for (x, _) in self.labelled(&x_ticks(self.x, self.area.width()), true) {
                marks.push(self.line(vec![(x, top), (x, bottom)], false));
            }
        }
        if self.y.categories().is_none() {
            for (y, _) in self.labelled(&y_ticks(self.y, self.area.height(), self.longest.1), false) {
                marks.push(self.line(vec![(left, y), (right, y)], false));
            }
        }
    }

    fn labelled(&self, ticks: &[Tick], horizontal: bool) -> Vec<(f64, String)> {
        self.places(ticks, horizontal).into_iter().filter_map(|(at, label)| Some((at, label?))).collect()
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
        let room = self.x_axis(x_label.is_some(), marks);
        self.y_axis(marks);
        if let Some(label) = x_label {
            let label = text::shorten(label, self.area.width() + 60.0, MEDIUM, Weight::Regular);
            let at = ((left + right) / 2.0, bottom + room - 13.0);
            marks.push(text::text(at, &label, MEDIUM, self.theme, Anchor::Middle, true));
        }
        let label = text::shorten(y_label, self.area.height() + 24.0, MEDIUM, Weight::Regular);
        let at = (left - tick_room(self.y, self.area.height(), self.longest.1) + 16.0, (top + bottom) / 2.0);
        marks.push(text::text(at, &label, MEDIUM, self.theme, Anchor::Middle, false));
    }

    /// Ticks below the area, with their labels when they are wanted. Returns the room that labels and axis label take.
    fn x_axis(&self, labels: bool, marks: &mut Vec<Mark>) -> f64 {
        let bottom = self.area.bottom;
        if let Some(names) = self.x.categories() {
            let set = Names::fit(names, self.area.width() / count(names.len()), self.longest.0);
            for (index, (x, _)) in self.places(&self.x.ticks(2), true).into_iter().enumerate() {
                marks.push(self.line(vec![(x, bottom), (x, bottom + 5.0)], true));
                if labels {
                    set.draw(index, (x, bottom), self.theme, marks);
                }
            }
            return set.room;
        }
        for (x, label) in self.places(&x_ticks(self.x, self.area.width()), true) {
            let length = if label.is_some() { 5.0 } else { 3.0 };
            marks.push(self.line(vec![(x, bottom), (x, bottom + length)], true));
            if let Some(label) = label.filter(|_| labels) {
                marks.push(text::quiet((x, bottom + 15.0), &label, self.theme, Anchor::Middle, true));
            }
        }
        X_ROOM
    }

    fn y_axis(&self, marks: &mut Vec<Mark>) {
        let left = self.area.left;
        for (y, label) in self.places(&y_ticks(self.y, self.area.height(), self.longest.1), false) {
            let length = if label.is_some() { 5.0 } else { 3.0 };
            marks.push(self.line(vec![(left - length, y), (left, y)], true));
            if let Some(label) = label {
                marks.push(text::quiet((left - 9.0, y), &label, self.theme, Anchor::End, true));
            }
        }
    }
}

/// How far apart the columns of an area are that a picture can tell apart: half a pixel of the page.
pub(super) fn columns(area: &Rect) -> f64 {
    count(whole(area.width() * 2.0)).max(1.0)
}
