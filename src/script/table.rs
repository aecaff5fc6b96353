//! A frame as people read it: fitted to the terminal, numbers to the right, nothing about storage types.

use crate::metrics::{Frame, Value};

/// Rows shown in full; of more, the first and the last.
const MOST_ROWS: usize = 40;
const FIRST: usize = 20;
const LAST: usize = 10;

/// The widest cell; a longer text loses its middle.
const WIDEST: usize = 60;

const GAP: &str = "  ";

/// A column laid out: heading and cells, numbers to the right.
struct Column {
    cells: Vec<String>,
    right: bool,
    width: usize,
}

/// `frame` as a table of at most `width` columns of text; what does not fit is named below it.
#[must_use]
pub fn show_table(frame: &Frame, width: usize) -> String {
    let rows = shown_rows(frame.height());
    let names = frame.columns();
    let mut columns: Vec<Column> = Vec::new();
    let mut used = 0;
    for name in &names {
        let column = lay_out(frame, name, &rows);
        let gap = if columns.is_empty() { 0 } else { GAP.len() };
        if !columns.is_empty() && used + gap + column.width > width {
            break;
        }
        used += gap + column.width;
        columns.push(column);
    }
    let mut lines: Vec<String> =
        (0..rows.len() + 1).map(|line| join(&columns, |column| column.cells[line].clone())).collect();
    lines.insert(1, join(&columns, |column| "─".repeat(column.width)));
    if frame.height() == 0 {
        lines.push("(no rows)".to_owned());
    } else if rows.len() < frame.height() {
        lines.push(format!("({} rows)", frame.height()));
    }
    if columns.len() < names.len() {
        lines.push(wrap(&hidden(&names[columns.len()..]), width));
    }
    lines.join("\n")
}

/// Says which columns did not fit, and how to see them.
fn hidden(names: &[&str]) -> String {
    let count = if names.len() == 1 { "1 more column".to_owned() } else { format!("{} more columns", names.len()) };
    format!("({count}: {}; .select([\"{}\", …]) shows them)", names.join(", "), names[0])
}

/// The rows to show; None stands for those that are left out.
fn shown_rows(height: usize) -> Vec<Option<usize>> {
    if height <= MOST_ROWS {
        return (0..height).map(Some).collect();
    }
    (0..FIRST).map(Some).chain([None]).chain((height - LAST..height).map(Some)).collect()
}

fn lay_out(frame: &Frame, name: &str, rows: &[Option<usize>]) -> Column {
    let values: Vec<Option<Value>> = rows.iter().map(|row| row.and_then(|row| frame.get(name, row))).collect();
    let digits = digits(&values);
    let cell = |(row, value): (&Option<usize>, &Option<Value>)| match (row, value) {
        (None, _) => "⋮".to_owned(),
        (Some(_), None) => "–".to_owned(),
        (Some(_), Some(value)) => text(value, digits),
    };
    let mut cells = vec![shorten(name)];
    cells.extend(rows.iter().zip(&values).map(cell));
    let right = frame.is_numeric(name);
    let width = cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
    Column { cells, right, width }
}

/// Digits after the point that give the largest number of a column about five figures.
fn digits(values: &[Option<Value>]) -> usize {
    let sizes = values.iter().flatten().filter_map(Value::number).filter(|number| number.is_finite()).map(f64::abs);
    match sizes.fold(0.0, f64::max) {
        size if size >= 1000.0 => 1,
        size if size >= 100.0 => 2,
        size if size >= 10.0 => 3,
        _ => 4,
    }
}

fn text(value: &Value, digits: usize) -> String {
    match value {
        Value::Int(integer) => integer.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Text(text) => shorten(&text.replace('\n', " ")),
        Value::Real(real) if *real != 0.0 && real.is_finite() && !(1e-3..1e7).contains(&real.abs()) => {
            format!("{real:.2e}")
        }
        Value::Real(real) => format!("{real:.digits$}"),
    }
}

/// A long text without its middle: both ends of a path tell more than its beginning.
fn shorten(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= WIDEST {
        return text.to_owned();
    }
    let half = (WIDEST - 1) / 2;
    chars[..half].iter().chain(&['…']).chain(&chars[chars.len() - half..]).collect()
}

/// The beginning of a text, at most `room` characters of it.
pub(super) fn shorten_end(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().take(room.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

fn join(columns: &[Column], cell: impl Fn(&Column) -> String) -> String {
    let padded = columns.iter().map(|column| {
        let (cell, width) = (cell(column), column.width);
        if column.right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
    });
    padded.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
}

/// `text` in lines of at most `width` columns, broken at spaces.
pub(super) fn wrap(text: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let used = lines.last().map_or(0, |line| line.chars().count());
        if used > 0 && used + 1 + word.chars().count() > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Row;

    fn frame(rows: &[Row]) -> Frame {
        Frame::from_rows(rows).expect("rows of one kind")
    }

    #[test]
    fn numbers_stand_to_the_right_with_the_digits_that_matter() {
        let rows = [
            Row::new().with("what", "uniform").with("bits", 8.0).with("steps", 3),
            Row::new().with("what", "model").with("bits", 12.345_678),
        ];
        insta::assert_snapshot!(show_table(&frame(&rows), 80), @r"
        what       bits  steps
        ───────  ──────  ─────
        uniform   8.000      3
        model    12.346      –
        ");
    }

    #[test]
    fn columns_that_do_not_fit_are_named_below() {
        let rows = [Row::new().with("first", 1).with("second", 2).with("third", 3)];
        insta::assert_snapshot!(show_table(&frame(&rows), 14), @r#"
        first  second
        ─────  ──────
            1       2
        (1 more
        column: third;
        .select(["third",
        …]) shows
        them)
        "#);
    }

    #[test]
    fn a_long_frame_shows_its_ends_and_its_height() {
        let rows: Vec<Row> = (0..1000).map(|n| Row::new().with("n", n)).collect();
        let shown = show_table(&frame(&rows), 80);
        assert_eq!(shown.lines().count(), 2 + FIRST + 1 + LAST + 1);
        assert!(shown.ends_with("999\n(1000 rows)"), "{shown}");
    }
}
