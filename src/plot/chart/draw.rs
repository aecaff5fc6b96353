//! The data of a chart as marks.

use std::collections::HashSet;

use super::{Chart, Cloud, Pen, Series, Steps, Style};
use crate::plot::axes::{self, Axes};
use crate::plot::colour::Theme;
use crate::plot::mark::{Anchor, Dash, Mark, Marker, Point, Rect, clip, clip_polygon};
use crate::plot::page::Page;
use crate::plot::scale::whole;
use crate::plot::text::{self, SMALL, small_width};

/// How much of its colour a band has.
const BAND_ALPHA: f64 = 0.2;
/// From this many dots on, those that would fall on another of their group are left out.
const CROWD: usize = 20_000;

/// How much of its colour a bin has: groups behind each other have to be seen.
pub(super) fn bins_alpha(groups: usize) -> f64 {
    if groups > 1 { 0.35 } else { 0.75 }
}

impl Chart {
    pub(super) fn draw(&self, page: &Page<'_>, axes: &Axes<'_>, marks: &mut Vec<Mark>) {
        let theme = page.theme;
        if let Some(wave) = &self.wave {
            wave.draw(theme, axes, marks);
        }
        for steps in &self.steps {
            draw_steps(steps, bins_alpha(self.steps.len()), theme, axes, marks);
        }
        for (index, series) in self.series.iter().enumerate() {
            draw_band(series, self.pen(index, theme), axes, marks);
        }
        for level in &self.levels {
            let ends = [axes.at(axes.x.low, level.value), axes.at(axes.x.high, level.value)];
            let points: Vec<Point> = ends.into_iter().flatten().collect();
            for points in clip(&points, &axes.area) {
                marks.push(Mark::Line { points, colour: theme.quiet(), width: 1.3, dash: level.dash });
            }
        }
        for outline in &self.outlines {
            let points: Vec<Point> = outline.points.iter().filter_map(|(x, y)| axes.at(*x, *y)).collect();
            for points in clip(&points, &axes.area) {
                marks.push(Mark::Line { points, colour: theme.quiet(), width: 1.0, dash: Dash::Solid });
            }
        }
        let order = |style: Style| match style {
            Style::Raw => 0,
            Style::Line => 1,
            Style::Smoothed => 2,
            Style::Points => 3,
        };
        let mut ordered: Vec<(usize, &Series)> = self.series.iter().enumerate().collect();
        ordered.sort_by_key(|(_, series)| order(series.style));
        for (index, series) in ordered {
            draw_series(series, self.pen(index, theme), theme, axes, marks);
        }
        for cloud in &self.clouds {
            draw_cloud(cloud, self.cloud_marker(cloud), theme, axes, marks);
        }
        draw_texts(&self.clouds, theme, axes, marks);
    }
}

fn draw_series(series: &Series, pen: Pen, theme: Theme, axes: &Axes<'_>, marks: &mut Vec<Mark>) {
    let points = series.x.iter().zip(&series.y).map(|(x, y)| axes.at(*x, *y));
    let mut runs: Vec<Vec<Point>> = vec![Vec::new()];
    for point in points {
        match (point, runs.last_mut()) {
            (Some(point), Some(run)) => run.push(point),
            _ => runs.push(Vec::new()),
        }
    }
    for run in &runs {
        // A raw series of a single point, or a point between gaps, would be invisible as a line.
        let dots = series.style == Style::Points || run.len() == 1;
        for points in clip(&thin(run, &axes.area), &axes.area) {
            marks.push(Mark::Line { points, colour: pen.colour, width: pen.width, dash: pen.dash });
        }
        let few = run.len() == 1 || (series.style == Style::Points && run.len() <= 60);
        let radius = if few { 3.4 } else { 1.8 };
        for centre in run.iter().filter(|_| dots).filter(|point| axes.area.holds(**point)) {
            marks.push(pen.marker.mark(*centre, radius + 1.0, theme.background()));
            marks.push(pen.marker.mark(*centre, radius, pen.colour.faint(1.0)));
        }
    }
}

/// Of all points in one column of the picture only the first, the lowest, the highest and the last: it looks the same, and
/// a figure of a million steps stays small.
fn thin(points: &[Point], area: &Rect) -> Vec<Point> {
    let columns = axes::columns(area);
    let column = |point: &Point| ((point.0 - area.left) / area.width() * columns).floor();
    let mut kept = Vec::new();
    for group in points.chunk_by(|one, other| column(one) == column(other)) {
        if group.len() <= 4 {
            kept.extend_from_slice(group);
            continue;
        }
        let last = group.len() - 1;
        let by_height = |&one: &usize, &other: &usize| group[one].1.total_cmp(&group[other].1);
        let mut ends =
            [0, (0..=last).min_by(by_height).unwrap_or(0), (0..=last).max_by(by_height).unwrap_or(last), last];
        ends.sort_unstable();
        kept.extend(ends.map(|index| group[index]));
    }
    kept
}

fn draw_band(series: &Series, pen: Pen, axes: &Axes<'_>, marks: &mut Vec<Mark>) {
    let Some(band) = &series.band else { return };
    let mut pieces: Vec<(Vec<Point>, Vec<Point>)> = vec![Default::default()];
    for ((x, low), high) in series.x.iter().zip(&band.low).zip(&band.high) {
        // A lower end that a logarithmic axis has no place for lies below it.
        let low = if *low <= 0.0 { axes.at(*x, *low).or(axes.at(*x, axes.y.low)) } else { axes.at(*x, *low) };
        match (low, axes.at(*x, *high), pieces.last_mut()) {
            (Some(low), Some(high), Some(piece)) if low.1.is_finite() => {
                piece.0.push(high);
                piece.1.push(low);
            }
            _ => pieces.push(Default::default()),
        }
    }
    for (mut outline, low) in pieces.into_iter().filter(|(high, _)| high.len() > 1) {
        outline.extend(low.into_iter().rev());
        let points = clip_polygon(&outline, &axes.area);
        if points.len() > 2 {
            marks.push(Mark::Fill { points, colour: pen.colour.faint(BAND_ALPHA) });
        }
    }
}

/// Bins as bars that touch, with a line along their tops.
fn draw_steps(steps: &Steps, alpha: f64, theme: Theme, axes: &Axes<'_>, marks: &mut Vec<Mark>) {
    let floor = axes.area.bottom;
    let mut top: Vec<Point> = Vec::new();
    for (edges, height) in steps.edges.windows(2).zip(&steps.heights) {
        // An empty bin has no place on a logarithmic axis: it lies on its floor.
        let y = axes.at(edges[0], *height).map_or(floor, |point| point.1);
        let across = |edge: f64| axes.x.fraction(edge).map(|part| axes.area.left + part * axes.area.width());
        if let (Some(left), Some(right)) = (across(edges[0]), across(edges[1])) {
            top.extend([(left, y), (right, y)]);
        }
    }
    let (Some(first), Some(last)) = (top.first().copied(), top.last().copied()) else { return };
    let mut outline = top.clone();
    outline.extend([(last.0, floor), (first.0, floor)]);
    let colour = theme.line(steps.colour);
    marks.push(Mark::Fill { points: clip_polygon(&outline, &axes.area), colour: colour.faint(alpha) });
    top.insert(0, (first.0, floor));
    top.push((last.0, floor));
    for points in clip(&top, &axes.area) {
        marks.push(Mark::Line { points, colour, width: 1.3, dash: Dash::Solid });
    }
}

fn draw_cloud(cloud: &Cloud, marker: Marker, theme: Theme, axes: &Axes<'_>, marks: &mut Vec<Mark>) {
    let (usual, alpha, halo) = match cloud.x.len() {
        0..=60 => (4.2, 0.95, 1.0),
        61..=500 => (3.0, 0.85, 0.7),
        501..=3000 => (2.2, 0.7, 0.0),
        _ => (1.6, 0.5, 0.0),
    };
    let mut taken = HashSet::new();
    let mut order: Vec<usize> = (0..cloud.x.len()).collect();
    if !cloud.radius.is_empty() {
        // Large ones first, so that they hide no small one.
        order.sort_by(|one, other| cloud.radius[*other].total_cmp(&cloud.radius[*one]));
    }
    for index in order {
        let Some(centre) = axes.at(cloud.x[index], cloud.y[index]).filter(|point| axes.area.holds(*point)) else {
            continue;
        };
        let cell = (whole(centre.0 * 2.0), whole(centre.1 * 2.0));
        if cloud.x.len() > CROWD && !taken.insert(cell) {
            continue;
        }
        let radius = cloud.radius.get(index).copied().unwrap_or(usual);
        let colour = match cloud.shade.get(index) {
            Some(part) if part.is_nan() => theme.missing(),
            Some(part) => theme.shades().at(*part),
            None => theme.line(cloud.colour),
        };
        if halo > 0.0 {
            marks.push(marker.mark(centre, radius + halo, theme.background()));
        }
        marks.push(marker.mark(centre, radius, colour.faint(alpha)));
    }
}

/// Texts beside dots: to the right, else to the left, above or below; left out where each of these is taken.
fn draw_texts(clouds: &[Cloud], theme: Theme, axes: &Axes<'_>, marks: &mut Vec<Mark>) {
    let dots = |cloud: &Cloud| -> Vec<(Point, f64)> {
        let radius = |index: usize| cloud.radius.get(index).copied().unwrap_or(4.2);
        let at = |(index, (x, y)): (usize, (&f64, &f64))| Some((axes.at(*x, *y)?, radius(index)));
        cloud.x.iter().zip(&cloud.y).enumerate().filter_map(at).collect()
    };
    if clouds.iter().all(|cloud| cloud.text.is_empty()) {
        return;
    }
    let around = |((x, y), r): (Point, f64)| Rect { left: x - r, top: y - r, right: x + r, bottom: y + r };
    let mut taken: Vec<Rect> = clouds.iter().flat_map(dots).map(around).collect();
    for cloud in clouds {
        for (index, label) in cloud.text.iter().enumerate().filter(|(_, label)| !label.is_empty()) {
            let Some(dot) = axes.at(cloud.x[index], cloud.y[index]).filter(|point| axes.area.holds(*point)) else {
                continue;
            };
            let gap = cloud.radius.get(index).copied().unwrap_or(4.2) + 4.0;
            let width = small_width(label);
            let box_at = |left: f64, y: f64| Rect { left, top: y - 6.0, right: left + width, bottom: y + 6.0 };
            let tries = [
                box_at(dot.0 + gap, dot.1),
                box_at(dot.0 - gap - width, dot.1),
                box_at(dot.0 - width / 2.0, dot.1 - gap - 5.0),
                box_at(dot.0 - width / 2.0, dot.1 + gap + 5.0),
                box_at(dot.0 + gap * 0.7, dot.1 - gap),
                box_at(dot.0 + gap * 0.7, dot.1 + gap),
            ];
            let free = |place: &&Rect| {
                let touches = |other: &Rect| {
                    place.left < other.right + 2.0
                        && other.left < place.right + 2.0
                        && place.top < other.bottom
                        && other.top < place.bottom
                };
                place.left > axes.area.left + 2.0
                    && place.right < axes.area.right + 12.0
                    && place.top > axes.area.top - 4.0
                    && place.bottom < axes.area.bottom
                    && !taken.iter().any(touches)
            };
            if let Some(place) = tries.iter().find(free).copied() {
                taken.push(place);
                let at = (place.left, (place.top + place.bottom) / 2.0);
                marks.push(text::text(at, label, SMALL, theme, Anchor::Start, true));
            }
        }
    }
}
