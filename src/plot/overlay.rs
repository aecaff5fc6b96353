//! What modifiers put over the data: dashed rules and notes at points.

use super::axes::Axes;
use super::legend::{Entry, Sample};
use super::mark::{Anchor, Mark, Point, Rect, clip};
use super::page::{Page, Rule};
use super::text::small_width;

/// The entries that rules add to a legend.
pub(super) fn entries(page: &Page<'_>) -> Vec<Entry> {
    let entry = |rule: &Rule| Entry {
        label: rule.label.clone(),
        sample: Sample { upright: rule.upright, ..Sample::line(page.theme.quiet(), 1.3, rule.dash) },
    };
    page.look.rules.iter().map(entry).collect()
}

/// Where a rule crosses the area: one line, or none outside it; `unit` divides what it gives for y.
pub(super) fn across(rule: &Rule, axes: &Axes<'_>, unit: f64) -> Vec<Vec<Point>> {
    let ends = if rule.upright {
        [axes.at(rule.at, axes.y.low), axes.at(rule.at, axes.y.high)]
    } else {
        [axes.at(axes.x.low, rule.at / unit), axes.at(axes.x.high, rule.at / unit)]
    };
    clip(&ends.into_iter().flatten().collect::<Vec<_>>(), &axes.area)
}

/// Draws rules and notes; `unit` divides what they give for y.
pub(super) fn draw(page: &Page<'_>, axes: &Axes<'_>, unit: f64, marks: &mut Vec<Mark>) {
    for rule in &page.look.rules {
        for points in across(rule, axes, unit) {
            marks.push(Mark::Line { points, colour: page.theme.quiet(), width: 1.3, dash: rule.dash });
        }
    }
    notes(page, axes, unit, marks);
}

/// Texts at points, each with a small ring where the point is, on a ground that keeps it readable over the data.
pub(super) fn notes(page: &Page<'_>, axes: &Axes<'_>, unit: f64, marks: &mut Vec<Mark>) {
    let area = &axes.area;
    for note in &page.look.notes {
        let Some(point) = axes.at(note.x, note.y / unit).filter(|point| area.holds(*point)) else { continue };
        marks.push(Mark::Disc { centre: point, radius: 4.0, colour: page.theme.ink() });
        marks.push(Mark::Disc { centre: point, radius: 2.4, colour: page.theme.background() });
        let width = small_width(&note.text);
        let left = if point.0 + 9.0 + width <= page.width - 6.0 && point.0 + 9.0 + width <= area.right + 6.0 {
            point.0 + 9.0
        } else {
            (point.0 - 9.0 - width).max(6.0)
        };
        let y = if point.1 - 18.0 >= area.top { point.1 - 11.0 } else { point.1 + 12.0 };
        let ground = Rect { left: left - 3.0, top: y - 8.0, right: left + width + 3.0, bottom: y + 8.0 };
        marks.push(Mark::Fill { points: ground.corners(), colour: page.theme.background().faint(0.82) });
        marks.push(page.text((left, y), &note.text, Anchor::Start));
    }
}
