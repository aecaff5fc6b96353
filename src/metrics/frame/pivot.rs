//! From long tables to wide ones, and back.

use std::collections::{HashMap, HashSet};

use polars::prelude::{AnyValue, Column, IdxCa, IdxSize, NewChunkedArray};
use serde::{Deserialize, Serialize};

use super::group::twice;
use super::query::frame;
use super::{Aggregate, Aggregation, Frame, value_of};
use crate::metrics::{MetricsError, Value};
use crate::options::OptionError;

/// Names of columns, given as one text or as an array.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "OneOrMany")]
pub struct Names(pub Vec<String>);

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a column's name, or an array of names")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl From<OneOrMany> for Names {
    fn from(names: OneOrMany) -> Self {
        match names {
            OneOrMany::One(name) => Self(vec![name]),
            OneOrMany::Many(names) => Self(names),
        }
    }
}

impl Names {
    fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

crate::options! {
    /// How a long table becomes a wide one.
    pub struct PivotConfig for "pivot" {
        /// The column, or the columns, that name a row. [; column names]
        rows: Names = Names::default(),
        /// The column whose values name the new columns, or several. [; column names]
        columns: Names = Names::default(),
        /// The column that fills the cells, or several. [; column names]
        values: Names = Names::default(),
        /// What several values of one cell come to; by default they are refused. [; "mean", "std", "min", "max", "sum", "median", "count", "first", "last", "ci95"]
        aggregate: Option<Aggregate> = None,
    }
    ; validate = validate_pivot
}

crate::options! {
    /// How a wide table becomes a long one.
    pub struct UnpivotConfig for "unpivot" {
        /// The columns that stay, repeated for each value. [; column names]
        keep: Names = Names::default(),
        /// The columns whose values go below each other; none named: all that do not stay. [; column names]
        values: Names = Names::default(),
        /// The new column that says which column a value is from. [; a name]
        name: String = "name".to_owned(),
        /// The new column with the values. [; a name]
        value: String = "value".to_owned(),
    }
}

fn validate_pivot(config: &PivotConfig) -> Result<(), OptionError> {
    for (key, names) in [("rows", &config.rows), ("columns", &config.columns), ("values", &config.values)] {
        if names.0.is_empty() {
            return Err(OptionError::value(key, "missing", "a column's name, or an array of names")
                .with_hint("frame.pivot(#{ rows: \"d_state\", columns: \"d_model\", values: \"val_bpb\" })"));
        }
    }
    Ok(())
}

/// The most columns that a pivot makes: more is a slip, such as a pivot over steps or losses.
const MOST_COLUMNS: usize = 4096;

/// Names of columns while a pivot is made.
const CELL: &str = "\u{1f}cell ";
const CELLS: &str = "\u{1f}cells";

impl Frame {
    /// A wide table: a row for each value of `config.rows`, a column for each of `config.columns`, both in the order in which
    /// they first appear, and `config.values` in the cells; null where there is none.
    ///
    /// # Errors
    /// [`MetricsError::NoColumn`]; [`MetricsError::Query`] for several values of one cell without an aggregate, or more than
    /// 4096 columns.
    pub fn pivot(&self, config: &PivotConfig) -> Result<Self, MetricsError> {
        let keys: Vec<&str> = config.rows.iter().chain(config.columns.iter()).collect();
        keys.iter().copied().chain(config.values.iter()).try_for_each(|name| self.require(name))?;
        // The count tells whether an aggregate was needed.
        let aggregations: Vec<Aggregation> = config
            .values
            .iter()
            .map(|value| {
                Aggregation::of(value, config.aggregate.unwrap_or(Aggregate::First)).named(format!("{CELL}{value}"))
            })
            .chain([Aggregation::sql(CELLS, "count(*)")])
            .collect();
        let long = self.group_by(&keys)?.agg(&aggregations)?;
        if config.aggregate.is_none() {
            one_each(&long, &keys)?;
        }
        let (rows, row_of) = long.distinct(&config.rows)?;
        let (heads, column_of) = long.distinct(&config.columns)?;
        if heads.len() * config.values.0.len() > MOST_COLUMNS {
            return Err(MetricsError::Query {
                message: format!("a pivot on {} would have {} columns", config.columns.0.join(", "), heads.len()),
                hint: Some(format!("{MOST_COLUMNS} are the most; round or filter the values first")),
            });
        }
        let mut cells = vec![vec![None; rows.len()]; heads.len()];
        for (at, (row, column)) in row_of.iter().zip(&column_of).enumerate() {
            cells[*column][*row] = Some(IdxSize::try_from(at).unwrap_or(IdxSize::MAX));
        }
        let mut columns = long.taken(&config.rows, &rows)?;
        for value in config.values.iter() {
            let values = long.0.column(&format!("{CELL}{value}")).map_err(MetricsError::frame("pivot"))?;
            for (head, cells) in heads.iter().zip(&cells) {
                let head = long.title(&config.columns, *head);
                let name = if config.values.0.len() == 1 { head } else { format!("{value}_{head}") };
                let taken = values.take(&IdxCa::from_slice_options("".into(), cells));
                columns.push(taken.map_err(MetricsError::frame("pivot"))?.with_name(name.into()));
            }
        }
        let mut seen = HashSet::new();
        if let Some(column) = columns.iter().find(|column| !seen.insert(column.name().clone())) {
            return Err(twice(column.name()));
        }
        frame(rows.len(), columns, "pivot")
    }

    /// The places where each combination of values first appears, and for each row the number of its combination.
    #[expect(clippy::mutable_key_type, reason = "what can change inside a cell is a cache, which is not hashed")]
    fn distinct(&self, names: &Names) -> Result<(Vec<usize>, Vec<usize>), MetricsError> {
        let columns = names.iter().map(|name| self.0.column(name).map_err(MetricsError::frame("pivot")));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let mut known: HashMap<Vec<AnyValue<'static>>, usize> = HashMap::new();
        let (mut first, mut number) = (Vec::new(), Vec::with_capacity(self.height()));
        for row in 0..self.height() {
            let key: Vec<AnyValue<'static>> =
                columns.iter().map(|column| column.get(row).unwrap_or(AnyValue::Null).into_static()).collect();
            let next = known.len();
            let found = *known.entry(key).or_insert(next);
            if found == next {
                first.push(row);
            }
            number.push(found);
        }
        Ok((first, number))
    }

    fn taken(&self, names: &Names, rows: &[usize]) -> Result<Vec<Column>, MetricsError> {
        let rows: Vec<Option<IdxSize>> = rows.iter().map(|row| IdxSize::try_from(*row).ok()).collect();
        let rows = IdxCa::from_slice_options("".into(), &rows);
        let take =
            |name| self.0.column(name).and_then(|column| column.take(&rows)).map_err(MetricsError::frame("pivot"));
        names.iter().map(take).collect()
    }

    /// The values of a row as a column's name: `64`, or `64, 0.1` of two columns.
    fn title(&self, names: &Names, row: usize) -> String {
        let cell = |name| match self.0.column(name).ok().and_then(|column| value_of(&column.get(row).ok()?)) {
            None => "null".to_owned(),
            Some(Value::Int(value)) => value.to_string(),
            Some(Value::Real(value)) => value.to_string(),
            Some(Value::Bool(value)) => value.to_string(),
            Some(Value::Text(value)) => value,
        };
        names.iter().map(cell).collect::<Vec<_>>().join(", ")
    }

    /// A long table: for each row and each of `config.values` a row with the value and the name of its column, beside what
    /// is kept. All rows of the first column come first.
    ///
    /// # Errors
    /// [`MetricsError::NoColumn`]; [`MetricsError::Query`] when the values are of different kinds, or a name occurs twice.
    pub fn unpivot(&self, config: &UnpivotConfig) -> Result<Self, MetricsError> {
        config.keep.iter().chain(config.values.iter()).try_for_each(|name| self.require(name))?;
        let all = self.columns().into_iter().filter(|name| !config.keep.iter().any(|kept| kept == *name));
        let values: Vec<&str> = if config.values.0.is_empty() { all.collect() } else { config.values.iter().collect() };
        let parts = values.iter().map(|value| {
            let mut columns = Vec::new();
            for kept in config.keep.iter() {
                columns.push(self.0.column(kept).map_err(MetricsError::frame("unpivot"))?.clone());
            }
            columns.push(Column::new(config.name.as_str().into(), vec![*value; self.height()]));
            let column = self.0.column(value).map_err(MetricsError::frame("unpivot"))?;
            columns.push(column.clone().with_name(config.value.as_str().into()));
            let mut seen = HashSet::new();
            match columns.iter().find(|column| !seen.insert(column.name().clone())) {
                Some(column) => Err(twice(column.name())),
                None => frame(self.height(), columns, "unpivot"),
            }
        });
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        if parts.is_empty() {
            return Err(MetricsError::Query { message: "no columns are left to unpivot".into(), hint: None });
        }
        Self::below_each_other(&parts, |name, at| {
            if name == config.value { format!("`{}`", values[at]) } else { format!("`{name}`") }
        })
    }
}

/// Refuses two values for one cell.
fn one_each(long: &Frame, keys: &[&str]) -> Result<(), MetricsError> {
    let counts = long.numbers(CELLS).unwrap_or_default();
    let Some(row) = counts.iter().position(|count| *count > 1.0) else { return Ok(()) };
    let cell = |key: &&str| format!("{key} {}", long.title(&Names(vec![(*key).to_owned()]), row));
    Err(MetricsError::Query {
        message: format!("{} rows have {}", counts[row], keys.iter().map(cell).collect::<Vec<_>>().join(" and ")),
        hint: Some("say what they come to: aggregate: \"mean\"".into()),
    })
}
