//! Numbers as a table shows them: the digits that matter, the same number of them down a column.

use crate::metrics::{Frame, Value};

/// A column laid out.
pub(super) struct Column<'a> {
    pub(super) name: &'a str,
    /// Of numbers: to the right, sorted by size.
    pub(super) numeric: bool,
    pub(super) cells: Vec<Cell>,
}

/// One value of a column.
pub(super) enum Cell {
    /// There is none.
    Missing,
    /// As shown, and the number itself where that says less.
    Shown { text: String, exact: Option<f64> },
}

/// The most digits after the point.
const MOST_DIGITS: usize = 4;

/// The first `rows` rows of every column.
pub(super) fn columns(frame: &Frame, rows: usize) -> Vec<Column<'_>> {
    let column = |name| {
        let values: Vec<Option<Value>> = (0..rows.min(frame.height())).map(|row| frame.get(name, row)).collect();
        let digits = digits(&values);
        let cells =
            values.iter().map(|value| value.as_ref().map_or(Cell::Missing, |value| cell(value, digits))).collect();
        Column { name, numeric: frame.numbers(name).is_some(), cells }
    };
    frame.columns().into_iter().map(column).collect()
}

fn cell(value: &Value, digits: usize) -> Cell {
    let (text, exact) = match value {
        Value::Int(integer) => (integer.to_string(), None),
        Value::Bool(flag) => (flag.to_string(), None),
        Value::Text(text) => (text.clone(), None),
        Value::Real(value) => {
            let text = real(*value, digits);
            let same = text.parse::<f64>().is_ok_and(|shown| shown.to_bits() == value.to_bits());
            (text, (!same && value.is_finite()).then_some(*value))
        }
    };
    Cell::Shown { text, exact }
}

fn real(value: f64, digits: usize) -> String {
    match value {
        value if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "∞".to_owned(),
        f64::NEG_INFINITY => "-∞".to_owned(),
        value if is_extreme(value) => format!("{value:.2e}"),
        value => format!("{value:.digits$}"),
    }
}

/// Too small or too large to be read with its zeros.
fn is_extreme(value: f64) -> bool {
    value != 0.0 && !(1e-3..1e7).contains(&value.abs())
}

/// Digits after the point that give the largest number of a column about five figures, less those that are zero
/// throughout: whole numbers have none.
fn digits(values: &[Option<Value>]) -> usize {
    let reals = || {
        let real = |value: &Value| if let Value::Real(real) = value { Some(*real) } else { None };
        values.iter().flatten().filter_map(real).filter(|real| real.is_finite() && !is_extreme(*real))
    };
    let most = match reals().map(f64::abs).fold(0.0, f64::max) {
        size if size >= 1000.0 => 1,
        size if size >= 100.0 => 2,
        size if size >= 10.0 => 3,
        _ => MOST_DIGITS,
    };
    let needed = |value: f64| {
        let text = format!("{value:.most$}");
        text.trim_end_matches('0').rsplit('.').next().map_or(0, str::len)
    };
    reals().map(needed).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Row;

    fn shown(values: &[f64]) -> Vec<String> {
        let rows: Vec<Row> = values.iter().map(|value| Row::new().with("x", *value)).collect();
        let frame = Frame::from_rows(&rows).expect("rows of one kind");
        let text = |cell: &Cell| if let Cell::Shown { text, .. } = cell { text.clone() } else { String::new() };
        columns(&frame, values.len())[0].cells.iter().map(text).collect()
    }

    #[test]
    fn a_column_has_one_number_of_digits() {
        assert_eq!(shown(&[1.5, 12.345_678]), ["1.500", "12.346"]);
        assert_eq!(shown(&[8.0, 64.0]), ["8", "64"]);
        assert_eq!(shown(&[0.1, 0.25]), ["0.10", "0.25"]);
        assert_eq!(shown(&[0.5, 1e-9, f64::NAN, f64::INFINITY]), ["0.5", "1.00e-9", "NaN", "∞"]);
        assert_eq!(shown(&[100.0, 1234.56]), ["100.0", "1234.6"]);
    }

    #[test]
    fn what_is_shown_short_keeps_its_number() {
        let frame = Frame::from_numbers([("x", vec![0.123_456_789, 0.5])]).expect("a frame");
        let exact = |cell: &Cell| if let Cell::Shown { exact, .. } = cell { *exact } else { None };
        assert_eq!(columns(&frame, 2)[0].cells.iter().map(exact).collect::<Vec<_>>(), [Some(0.123_456_789), None]);
    }
}
