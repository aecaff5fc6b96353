//! A table of figures: the one door to polars.
//!
//! Lives here: [`Frame`], what it is made from and how it is read. Beside it: `files` and `markdown`; `query` (conditions,
//! expressions and whole queries in SQL, with `text`, `check` and `explain` for their mistakes), `group` (aggregates),
//! `join`, `pivot` (and back), `shape` (other columns, concatenation), `describe` and `summary`.

mod check;
mod describe;
mod explain;
mod files;
mod group;
mod join;
mod markdown;
mod pivot;
mod query;
mod shape;
mod summary;
mod text;

pub use group::{Aggregate, Aggregation, Groups};
pub use join::Join;
pub use pivot::{Names, PivotConfig, UnpivotConfig};
pub use summary::Summary;

use std::fmt;

use polars::prelude::{AnyValue, Column, DataFrame, DataType, NamedFrom, Series};

use super::{MetricsError, Row, Value};

/// A table with named, typed columns. Prints as a table; cheap to clone (columns are shared).
#[derive(Debug, Clone, PartialEq)]
pub struct Frame(DataFrame);

impl Frame {
    /// A table of `rows`. Its columns are every name that occurs, in the order in which they first do; a figure that a
    /// row lacks is null. Integers among real numbers become real.
    ///
    /// # Errors
    /// [`MetricsError::Mixed`] if a name holds text in one row and a number in another, or the like.
    pub fn from_rows(rows: &[Row]) -> Result<Self, MetricsError> {
        let mut names: Vec<&str> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for (name, _) in rows.iter().flat_map(Row::iter) {
            if seen.insert(name) {
                names.push(name);
            }
        }
        Self::from_rows_under(&names, rows)
    }

    /// A table of `rows` with the columns `names` in their order, whatever the rows hold: a name that no row has is a column
    /// of nulls, and a figure under no such name is left out.
    ///
    /// # Errors
    /// As [`Frame::from_rows`]; [`MetricsError::Frame`] if a name occurs twice.
    pub fn from_rows_under(names: &[&str], rows: &[Row]) -> Result<Self, MetricsError> {
        let column = |name: &&str| column_of(name, &rows.iter().map(|row: &Row| row.get(name)).collect::<Vec<_>>());
        let columns = names.iter().map(column).collect::<Result<_, _>>()?;
        DataFrame::new(rows.len(), columns).map(Self).map_err(MetricsError::frame("make a frame"))
    }

    /// A table of named columns of values, `None` for null, all of the same length. Integers among real numbers become real.
    ///
    /// # Errors
    /// [`MetricsError::Mixed`] if a column holds two kinds of values, [`MetricsError::Query`] if a name occurs twice,
    /// [`MetricsError::Frame`] if lengths differ.
    pub fn from_values<'a>(
        columns: impl IntoIterator<Item = (&'a str, &'a [Option<Value>])>,
    ) -> Result<Self, MetricsError> {
        let mut made: Vec<Column> = Vec::new();
        for (name, values) in columns {
            if made.iter().any(|column| column.name().as_str() == name) {
                return Err(group::twice(name));
            }
            made.push(column_of(name, &values.iter().map(Option::as_ref).collect::<Vec<_>>())?);
        }
        DataFrame::new_infer_height(made).map(Self).map_err(MetricsError::frame("make a frame"))
    }

    /// A table of named columns of real numbers, all of the same length.
    ///
    /// # Errors
    /// [`MetricsError::Frame`] if lengths differ or a name occurs twice.
    pub fn from_numbers<'a>(columns: impl IntoIterator<Item = (&'a str, Vec<f64>)>) -> Result<Self, MetricsError> {
        let columns = columns.into_iter().map(|(name, values)| Column::new(name.into(), values)).collect();
        DataFrame::new_infer_height(columns).map(Self).map_err(MetricsError::frame("make a frame"))
    }

    /// The names of the columns, in order.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        self.0.columns().iter().map(|column| column.name().as_str()).collect()
    }

    /// How many rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.0.height()
    }

    /// How many columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.0.width()
    }

    /// Whether a column of that name holds numbers.
    #[must_use]
    pub fn is_numeric(&self, name: &str) -> bool {
        self.0.column(name).is_ok_and(|column| column.dtype().is_numeric())
    }

    /// The column's numbers, NaN where there is none; `None` if there is no such column, or it is not of numbers.
    #[must_use]
    pub fn numbers(&self, name: &str) -> Option<Vec<f64>> {
        let column = self.0.column(name).ok()?;
        if !column.dtype().is_numeric() {
            return None;
        }
        let reals = column.cast(&DataType::Float64).ok()?;
        Some(reals.f64().ok()?.iter().map(|value| value.unwrap_or(f64::NAN)).collect())
    }

    /// The column's texts; `None` if there is no such column, or it is not of text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Vec<Option<String>>> {
        let column = self.0.column(name).ok()?;
        Some(column.str().ok()?.iter().map(|value| value.map(str::to_owned)).collect())
    }

    /// One value; `None` where it is null, or there is no such row or column. What is neither number, text nor truth value (a
    /// date, a list) is given as text.
    #[must_use]
    pub fn get(&self, name: &str, row: usize) -> Option<Value> {
        value_of(&self.0.column(name).ok()?.get(row).ok()?)
    }

    /// The values of a column, as [`Frame::get`] gives them.
    ///
    /// # Errors
    /// [`MetricsError::NoColumn`] with the names there are.
    pub fn values(&self, name: &str) -> Result<impl Iterator<Item = Option<Value>> + '_, MetricsError> {
        self.require(name)?;
        let column = self.0.column(name).map_err(MetricsError::frame(format!("read `{name}`")))?;
        let series = column.as_materialized_series();
        Ok((0..series.len()).map(|row| value_of(&series.get(row).ok()?)))
    }

    /// The last number in a column that is not absent or NaN: where a run stands.
    #[must_use]
    pub fn last_number(&self, name: &str) -> Option<f64> {
        self.numbers(name)?.into_iter().rev().find(|value| !value.is_nan())
    }

    /// The first `count` rows.
    #[must_use]
    pub fn head(&self, count: usize) -> Self {
        Self(self.0.head(Some(count)))
    }

    /// The last `count` rows.
    #[must_use]
    pub fn tail(&self, count: usize) -> Self {
        Self(self.0.tail(Some(count)))
    }

    /// `count` rows from the one at `from` on, as many as there are.
    #[must_use]
    pub fn slice(&self, from: usize, count: usize) -> Self {
        Self(self.0.slice(i64::try_from(from).unwrap_or(i64::MAX), count))
    }

    /// The rows whose `name` is the text `value`.
    ///
    /// # Errors
    /// [`MetricsError::NoColumn`] with the names there are.
    pub fn rows_where(&self, name: &str, value: &str) -> Result<Self, MetricsError> {
        self.require(name)?;
        let texts = self.text(name).unwrap_or_else(|| vec![None; self.height()]);
        let mask = texts.iter().map(|text| text.as_deref() == Some(value)).collect();
        self.0.filter(&mask).map(Self).map_err(MetricsError::frame(format!("filter by `{name}`")))
    }

    pub(super) fn require(&self, name: &str) -> Result<(), MetricsError> {
        let known = self.columns();
        if known.contains(&name) {
            return Ok(());
        }
        Err(MetricsError::NoColumn { name: name.to_owned(), known: known.into_iter().map(str::to_owned).collect() })
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A cell as a value.
fn value_of(cell: &AnyValue<'_>) -> Option<Value> {
    match cell {
        AnyValue::Null => None,
        AnyValue::Boolean(value) => Some(Value::Bool(*value)),
        AnyValue::String(value) => Some(Value::Text((*value).to_owned())),
        AnyValue::StringOwned(value) => Some(Value::Text(value.to_string())),
        AnyValue::Float64(value) => Some(Value::Real(*value)),
        AnyValue::Float32(value) => Some(Value::Real((*value).into())),
        value if value.is_integer() => {
            // Beyond 63 bits a number is still better than nothing.
            value.extract::<i64>().map(Value::Int).or_else(|| value.extract::<f64>().map(Value::Real))
        }
        value if value.dtype().is_decimal() => value.extract::<f64>().map(Value::Real),
        value => Some(Value::Text(value.to_string())),
    }
}

/// A column of values, of the kind that holds them all; null where there is none.
fn column_of(name: &str, values: &[Option<&Value>]) -> Result<Column, MetricsError> {
    let mut kind: Option<(usize, &Value)> = None;
    for (row, value) in values.iter().enumerate().filter_map(|(row, value)| Some((row, (*value)?))) {
        kind = Some(match kind {
            None => (row, value),
            Some(first) => wider(name, first, (row, value))?,
        });
    }
    let series = match kind.map(|(_, value)| value) {
        Some(Value::Int(_)) => Series::new(
            name.into(),
            values
                .iter()
                .map(|value| if let Some(Value::Int(value)) = value { Some(*value) } else { None })
                .collect::<Vec<_>>(),
        ),
        Some(Value::Text(_)) => Series::new(
            name.into(),
            values
                .iter()
                .map(|value| if let Some(Value::Text(value)) = value { Some(value.as_str()) } else { None })
                .collect::<Vec<_>>(),
        ),
        Some(Value::Bool(_)) => Series::new(
            name.into(),
            values
                .iter()
                .map(|value| if let Some(Value::Bool(value)) = value { Some(*value) } else { None })
                .collect::<Vec<_>>(),
        ),
        Some(Value::Real(_)) | None => {
            Series::new(name.into(), values.iter().map(|value| value.and_then(Value::number)).collect::<Vec<_>>())
        }
    };
    Ok(series.into())
}

/// The kind that holds both values: real numbers take integers in, nothing else mixes.
fn wider<'a>(
    name: &str,
    first: (usize, &'a Value),
    second: (usize, &'a Value),
) -> Result<(usize, &'a Value), MetricsError> {
    match (first.1, second.1) {
        (Value::Int(_), Value::Real(_)) => Ok(second),
        (Value::Real(_), Value::Int(_)) => Ok(first),
        (one, other) if one.kind() == other.kind() => Ok(first),
        (one, other) => Err(MetricsError::Mixed {
            column: name.to_owned(),
            first: one.kind(),
            first_row: first.0,
            second: other.kind(),
            second_row: second.0,
        }),
    }
}
