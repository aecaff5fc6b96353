//! A table of figures: the one door to polars.

use super::{MetricsError, Row, Value, atomic};
use polars::prelude::{
    AnyValue, Column, CsvReadOptions, CsvWriter, DataFrame, DataType, NamedFrom, ParquetReader, ParquetWriter,
    SerReader, SerWriter, Series, SortMultipleOptions,
};
use std::fmt;
use std::io::Cursor;
use std::path::Path;

/// A table with named, typed columns. Prints as a table; cheap to clone (columns are shared).
#[derive(Debug, Clone, PartialEq)]
pub struct Frame(DataFrame);

/// What a column's numbers come to, absent ones left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// How many numbers.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation with one degree of freedom less; 0 for a single number.
    pub std: f64,
    /// The least.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Summary {
    /// Half the width of the 95 % confidence interval of the mean, by Student's t; infinite for a single number.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of runs stay far below 2^53")]
    pub fn confidence(&self) -> f64 {
        match self.count {
            0 | 1 => f64::INFINITY,
            count => student_t_975(count - 1) * self.std / (count as f64).sqrt(),
        }
    }
}

/// The 97.5 % quantile of Student's t: tabulated to 10 degrees of freedom, then the Cornish-Fisher expansion about the
/// normal quantile (Abramowitz & Stegun 26.7.5, error below 2e-4 there).
#[expect(clippy::cast_precision_loss, reason = "counts of runs stay far below 2^53")]
fn student_t_975(freedom: usize) -> f64 {
    const TABLE: [f64; 10] = [12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281];
    if let Some(quantile) = freedom.checked_sub(1).and_then(|index| TABLE.get(index)) {
        return *quantile;
    }
    let z: f64 = 1.959_963_985;
    let n = freedom as f64;
    let first = (z.powi(3) + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    let third = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0;
    z + first / n + second / n.powi(2) + third / n.powi(3)
}

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
        let columns = names.into_iter().map(|name| column(name, rows)).collect::<Result<_, _>>()?;
        DataFrame::new(rows.len(), columns).map(Self).map_err(MetricsError::frame("make a frame"))
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

    /// The column's numbers, NaN where there is none; `None` if there is no such column, or it is not of numbers.
    #[must_use]
    pub fn numbers(&self, name: &str) -> Option<Vec<f64>> {
        let column = self.0.column(name).ok()?;
        if !column.dtype().is_primitive_numeric() {
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

    /// One value; `None` where it is null, or there is no such row or column.
    #[must_use]
    pub fn get(&self, name: &str, row: usize) -> Option<Value> {
        match self.0.column(name).ok()?.get(row).ok()? {
            AnyValue::Null => None,
            AnyValue::Boolean(value) => Some(Value::Bool(value)),
            AnyValue::String(value) => Some(Value::Text(value.to_owned())),
            AnyValue::StringOwned(value) => Some(Value::Text(value.to_string())),
            AnyValue::Float64(value) => Some(Value::Real(value)),
            AnyValue::Float32(value) => Some(Value::Real(value.into())),
            value => value.extract::<i64>().map(Value::Int),
        }
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

    /// Some of the columns, in the order given.
    ///
    /// # Errors
    /// [`MetricsError::NoColumn`] with the names there are.
    pub fn select(&self, names: &[&str]) -> Result<Self, MetricsError> {
        names.iter().try_for_each(|name| self.require(name))?;
        self.0.select(names.iter().copied()).map(Self).map_err(MetricsError::frame("select columns"))
    }

    /// The rows in order of a column, equal ones as they were; nulls last.
    ///
    /// # Errors
    /// [`MetricsError::NoColumn`] with the names there are.
    pub fn sort(&self, by: &str, descending: bool) -> Result<Self, MetricsError> {
        self.require(by)?;
        let order = SortMultipleOptions::default()
            .with_order_descending(descending)
            .with_nulls_last(true)
            .with_maintain_order(true);
        self.0.sort([by], order).map(Self).map_err(MetricsError::frame(format!("sort by `{by}`")))
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

    /// What a column's numbers come to; `None` if it has none. NaN counts as a number here, and shows.
    #[must_use]
    pub fn summary(&self, name: &str) -> Option<Summary> {
        let column = self.0.column(name).ok()?;
        let series = column.as_materialized_series();
        let count = series.len() - series.null_count();
        if count == 0 || !series.dtype().is_primitive_numeric() {
            return None;
        }
        Some(Summary {
            count,
            mean: series.mean()?,
            std: series.std(1).unwrap_or(0.0),
            min: series.min::<f64>().ok()??,
            max: series.max::<f64>().ok()??,
        })
    }

    /// Writes a parquet file, whole or not at all.
    ///
    /// # Errors
    /// [`MetricsError::Io`] if it cannot be written; a former file then stays whole.
    pub fn write_parquet(&self, path: &Path) -> Result<(), MetricsError> {
        let mut bytes = Vec::new();
        let mut table = self.0.clone();
        ParquetWriter::new(&mut bytes).finish(&mut table).map_err(MetricsError::frame(encode(path)))?;
        save(path, &bytes)
    }

    /// Reads a parquet file.
    ///
    /// # Errors
    /// [`MetricsError::Io`] if it cannot be read, [`MetricsError::Frame`] if it is not parquet.
    pub fn read_parquet(path: &Path) -> Result<Self, MetricsError> {
        let bytes = std::fs::read(path).map_err(MetricsError::io("read", path))?;
        ParquetReader::new(Cursor::new(bytes)).finish().map(Self).map_err(MetricsError::frame(decode(path)))
    }

    /// Writes comma-separated values with a header, whole or not at all.
    ///
    /// # Errors
    /// [`MetricsError::Io`] if it cannot be written; a former file then stays whole.
    pub fn write_csv(&self, path: &Path) -> Result<(), MetricsError> {
        let mut bytes = Vec::new();
        let mut table = self.0.clone();
        CsvWriter::new(&mut bytes).finish(&mut table).map_err(MetricsError::frame(encode(path)))?;
        save(path, &bytes)
    }

    /// Reads comma-separated values with a header; the kinds of the columns are told from all rows.
    ///
    /// # Errors
    /// [`MetricsError::Io`] if it cannot be read, [`MetricsError::Frame`] if its rows are not alike.
    pub fn read_csv(path: &Path) -> Result<Self, MetricsError> {
        let bytes = std::fs::read(path).map_err(MetricsError::io("read", path))?;
        let reader = CsvReadOptions::default().with_has_header(true).with_infer_schema_length(None);
        let reader = reader.into_reader_with_file_handle(Cursor::new(bytes));
        reader.finish().map(Self).map_err(MetricsError::frame(decode(path)))
    }

    /// The table in Markdown, numbers to the right, with at most five digits after the point.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let names = self.columns();
        let cells: Vec<Vec<String>> = (0..self.height())
            .map(|row| {
                names.iter().map(|name| self.get(name, row).map_or_else(String::new, |cell| show(&cell))).collect()
            })
            .collect();
        let rule = |name: &&str| if self.numbers(name).is_some() { "---:" } else { "---" };
        let mut lines = vec![markdown_line(&names), markdown_line(&names.iter().map(rule).collect::<Vec<_>>())];
        lines.extend(cells.iter().map(|row| markdown_line(row)));
        lines.join("\n") + "\n"
    }

    fn require(&self, name: &str) -> Result<(), MetricsError> {
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

fn column(name: &str, rows: &[Row]) -> Result<Column, MetricsError> {
    let values: Vec<Option<&Value>> = rows.iter().map(|row| row.get(name)).collect();
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

fn show(value: &Value) -> String {
    match value {
        Value::Int(value) => value.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Text(value) => value.replace('|', "\\|").replace('\n', " "),
        Value::Real(value) if *value != 0.0 && !(1e-3..1e7).contains(&value.abs()) && value.is_finite() => {
            format!("{value:.4e}")
        }
        Value::Real(value) if value.is_finite() => {
            let digits = format!("{value:.5}");
            digits.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        Value::Real(value) => value.to_string(),
    }
}

fn markdown_line<T: AsRef<str>>(cells: &[T]) -> String {
    let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
    format!("| {} |", cells.join(" | "))
}

fn encode(path: &Path) -> String {
    format!("encode {}", path.display())
}

fn decode(path: &Path) -> String {
    format!("read {}", path.display())
}

fn save(path: &Path, bytes: &[u8]) -> Result<(), MetricsError> {
    use std::io::Write;
    atomic::replace(path, |file| file.write_all(bytes)).map_err(MetricsError::io("write", path))
}
