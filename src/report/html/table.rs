//! Tables: sorted by a click on a heading, scrolled in their own frame, folded when they are long.

use super::super::cells::{self, Cell, Column};
use super::caption;
use crate::metrics::Frame;
use maud::{Markup, html};

/// A table of more rows is folded.
const FOLDED_FROM: usize = 200;
/// A table of at most so many rows is not divided between printed pages.
const WHOLE_UP_TO: usize = 20;
/// The most cells of a table that a page holds; of a longer one it shows the first rows, and says so.
const MOST_CELLS: usize = 60_000;

pub(super) fn render(frame: &Frame, text: Option<&str>, name: Option<&str>) -> Markup {
    let (height, width) = (frame.height(), frame.columns().len().max(1));
    let rows = height.min((MOST_CELLS / width).max(1));
    let columns = cells::columns(frame, rows);
    let label = match (name, text) {
        (Some(name), Some(text)) => format!("{name}: {text}"),
        _ => "Table".to_owned(),
    };
    let table = html! {
        div.scroll tabindex="0" role="region" aria-label=(label) { (table(&columns, rows, &label)) }
    };
    let size = format!("{height} rows, {} columns", frame.columns().len());
    html! {
        figure.table.long[height > WHOLE_UP_TO] {
            (caption(name, text))
            @if height > FOLDED_FROM { details { summary { (size) } (table) } } @else { (table) }
            @if height == 0 { p.note { "no rows" } }
            @if rows < height { p.note { "the first " (rows) " of " (height) " rows" } }
        }
    }
}

fn table(columns: &[Column<'_>], rows: usize, label: &str) -> Markup {
    let sortable = rows > 1;
    html! {
        table.sortable[sortable] aria-label=(label) {
            thead {
                tr {
                    @for column in columns {
                        th scope="col" class=[column.numeric.then_some("num")] aria-sort=[sortable.then_some("none")] {
                            @if sortable { button type="button" { (heading(column.name)) } } @else { (heading(column.name)) }
                        }
                    }
                }
            }
            tbody { @for row in 0..rows { tr { @for column in columns { (cell(column, row)) } } } }
        }
    }
}

/// A name that may be broken after each `_`.
fn heading(name: &str) -> Markup {
    html! { @for part in name.split_inclusive('_') { (part) wbr; } }
}

fn cell(column: &Column<'_>, row: usize) -> Markup {
    let class = column.numeric.then_some("num");
    match column.cells.get(row) {
        Some(Cell::Shown { text, exact }) => {
            // `{}` of a real gives every digit that it takes to read the same number back.
            html! { td class=[class] data-v=[exact.map(|exact| exact.to_string())] { (text) } }
        }
        Some(Cell::Missing) | None => html! { td class=[class] data-v="" { "–" } },
    }
}
