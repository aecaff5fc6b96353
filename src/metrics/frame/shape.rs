//! Frames of another shape: fewer columns or other names, joined, pivoted, unpivoted, one below another.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use polars::prelude::{
    AnyValue, Column, DataFrame, DataType, Expr, IdxCa, IdxSize, JoinArgs, JoinType, MaintainOrderJoin,
    NewChunkedArray, UniqueKeepStrategy,
};
use serde::{Deserialize, Serialize};

use super::check::Sort;
use super::group::twice;
use super::query::frame;
use super::{Aggregate, Aggregation, Frame, value_of};
use crate::metrics::{MetricsError, Value};
use crate::options::{OptionError, nearest};

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

/// Which rows a join keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Join {
    /// Those with a partner on the other side.
    #[default]
    Inner,
    /// All of the left.
    Left,
    /// All of both.
    Full,
    /// Those of the left with a partner, without the partner's columns.
    Semi,
    /// Those of the left without a partner.
    Anti,
}

impl Join {
    const ALL: [(&'static str, Self); 5] = [
        ("inner", Self::Inner),
        ("left", Self::Left),
        ("full", Self::Full),
        ("semi", Self::Semi),
        ("anti", Self::Anti),
    ];

    fn kind(self) -> (JoinType, MaintainOrderJoin) {
        match self {
            Self::Inner => (JoinType::Inner, MaintainOrderJoin::LeftRight),
            Self::Left => (JoinType::Left, MaintainOrderJoin::LeftRight),
            Self::Full => (JoinType::Full, MaintainOrderJoin::LeftRight),
            Self::Semi => (JoinType::Semi, MaintainOrderJoin::Left),
            Self::Anti => (JoinType::Anti, MaintainOrderJoin::Left),
        }
    }
}

impl fmt::Display for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, kind)| kind == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

impl FromStr for Join {
    type Err = MetricsError;

    fn from_str(name: &str) -> Result<Self, MetricsError> {
        let known = Self::ALL.iter().find(|(known, _)| *known == name);
        known.map(|(_, kind)| *kind).ok_or_else(|| {
            let names = || Self::ALL.iter().map(|(known, _)| *known);
            MetricsError::Query {
                message: format!("unknown kind of join `{name}`; there are {}", names().collect::<Vec<_>>().join(", ")),
                hint: nearest(name, names()).map(|near| format!("did you mean \"{near}\"?")),
            }
        })
    }
}

/// The most columns that a pivot makes: more is a slip, such as a pivot over steps or losses.
const MOST_COLUMNS: usize = 4096;

/// What a column of the right side is called when the left has one of its name.
const SUFFIX: &str = "_right";

impl Frame {
    /// All columns but these.
    ///
    /// # Errors
    /// [`MetricsError::NoColumn`] with the names there are.
    pub fn drop(&self, names: &[&str]) -> Result<Self, MetricsError> {
        names.iter().try_for_each(|name| self.require(name))?;
        Ok(Self(self.0.drop_many(names.iter().copied())))
    }

    /// Columns under other names: pairs of old and new.
    ///
    /// # Errors
    /// [`MetricsError::NoColumn`], or [`MetricsError::Query`] when two columns would have one name.
    pub fn rename(&self, names: &[(&str, &str)]) -> Result<Self, MetricsError> {
        names.iter().try_for_each(|(old, _)| self.require(old))?;
        let mut seen = std::collections::HashSet::new();
        let mut columns = Vec::with_capacity(self.width());
        for column in self.0.columns() {
            let new = names.iter().find(|(old, _)| *old == column.name().as_str()).map(|(_, new)| *new);
            let name = new.unwrap_or(column.name().as_str());
            if !seen.insert(name.to_owned()) {
                return Err(twice(name));
            }
            columns.push(column.clone().with_name(name.into()));
        }
        frame(self.height(), columns, "rename columns")
    }

    /// The first row of each that are alike in `names`; in all columns when none is named.
    ///
    /// # Errors
    /// [`MetricsError::NoColumn`] with the names there are.
    pub fn unique(&self, names: &[&str]) -> Result<Self, MetricsError> {
        names.iter().try_for_each(|name| self.require(name))?;
        let subset = if names.is_empty() { self.columns() } else { names.to_vec() };
        if subset.is_empty() {
            return Ok(self.clone());
        }
        let subset = subset.into_iter().map(|name| Expr::Column(name.into())).collect();
        let query = self.lazy().unique_stable_generic(Some(subset), UniqueKeepStrategy::First);
        self.run(query, || "find the different rows".to_owned())
    }

    /// This frame's rows beside those of `other` that agree in `on`: pairs of a column here and one there. A column of the
    /// other that is called as one of this is called `…_right`. Rows keep the order of this frame.
    ///
    /// # Errors
    /// [`MetricsError::Query`] that says which side lacks a column, or whose keys are of different kinds.
    pub fn join(&self, other: &Self, on: &[(&str, &str)], how: Join) -> Result<Self, MetricsError> {
        if on.is_empty() {
            return Err(MetricsError::Query {
                message: "a join needs a column that both frames have".into(),
                hint: Some("frame.join(other, \"run\")".into()),
            });
        }
        let (mut left, mut right) = (self.clone(), other.clone());
        for (here, there) in on {
            self.side(here, "left", other)?;
            other.side(there, "right", self)?;
            same_kind(&mut left, here, &mut right, there)?;
        }
        let keys = |names: Vec<&str>| names.into_iter().map(|name| Expr::Column(name.into())).collect::<Vec<_>>();
        let (kind, order) = how.kind();
        let arguments = JoinArgs::new(kind)
            .with_suffix(Some(SUFFIX.into()))
            .with_coalesce(polars::prelude::JoinCoalesce::CoalesceColumns);
        let arguments = JoinArgs { maintain_order: order, ..arguments };
        let (ours, theirs) = (on.iter().map(|pair| pair.0).collect(), on.iter().map(|pair| pair.1).collect());
        let query = left.lazy().join(right.lazy(), keys(ours), keys(theirs), arguments);
        left.run(query, || format!("join ({how}) on {}", on.iter().map(|pair| pair.0).collect::<Vec<_>>().join(", ")))
    }

    /// A key that one side of a join lacks.
    fn side(&self, name: &str, side: &str, other: &Self) -> Result<(), MetricsError> {
        if self.has(name) {
            return Ok(());
        }
        let mut hint = nearest(name, self.columns()).map(|near| format!("did you mean `{near}`?"));
        if hint.is_none() && other.has(name) {
            hint = Some("columns of different names are joined with #{ left_name: \"right_name\" }".to_owned());
        }
        let message =
            format!("no column `{name}` in the {side} frame of the join, which has {}", self.columns().join(", "));
        Err(MetricsError::Query { message, hint })
    }

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
        let mut seen = std::collections::HashSet::new();
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
            let mut seen = std::collections::HashSet::new();
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

    /// Frames below one another. The columns are all that occur, in the order in which they first do; a frame that lacks one
    /// has null there. Integers beside real numbers become real.
    ///
    /// # Errors
    /// [`MetricsError::Query`] for a column that holds text in one frame and numbers in another, or the like.
    pub fn concat(frames: &[Self]) -> Result<Self, MetricsError> {
        Self::below_each_other(frames, |name, at| format!("`{name}` of frame {at}"))
    }

    fn below_each_other(frames: &[Self], describe: impl Fn(&str, usize) -> String) -> Result<Self, MetricsError> {
        let mut names: Vec<&str> = Vec::new();
        let mut kinds: HashMap<&str, (usize, DataType)> = HashMap::new();
        for (at, one) in frames.iter().enumerate() {
            for column in one.0.columns() {
                let name = column.name().as_str();
                match kinds.get(name) {
                    None => {
                        names.push(name);
                        kinds.insert(name, (at, column.dtype().clone()));
                    }
                    Some((first, kind)) => {
                        let wider = wider(kind, column.dtype()).ok_or_else(|| MetricsError::Query {
                            message: format!(
                                "{} is {}, but {} is {}",
                                describe(name, *first),
                                Sort::of(kind).word(),
                                describe(name, at),
                                Sort::of(column.dtype()).word()
                            ),
                            hint: Some(
                                "one column holds one kind; with_column(name, \"CAST(… AS …)\") changes it".into(),
                            ),
                        })?;
                        let first = *first;
                        kinds.insert(name, (first, wider));
                    }
                }
            }
        }
        let mut whole: Option<DataFrame> = None;
        for one in frames {
            let column = |name: &&str| {
                let kind = &kinds[*name].1;
                match one.0.column(name) {
                    Ok(column) => column.cast(kind),
                    Err(_) => Ok(Column::full_null((*name).into(), one.height(), kind)),
                }
            };
            let columns =
                names.iter().map(column).collect::<Result<Vec<_>, _>>().map_err(MetricsError::frame("concatenate"))?;
            let part = frame(one.height(), columns, "concatenate")?.0;
            match &mut whole {
                None => whole = Some(part),
                Some(whole) => drop(whole.vstack_mut(&part).map_err(MetricsError::frame("concatenate"))?),
            }
        }
        let mut whole = whole.unwrap_or_default();
        whole.rechunk_mut();
        Ok(Self(whole))
    }
}

/// Names of columns while a pivot is made.
const CELL: &str = "\u{1f}cell ";
const CELLS: &str = "\u{1f}cells";

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

/// The kind that holds values of both, where there is one: text and numbers have none.
fn wider(one: &DataType, other: &DataType) -> Option<DataType> {
    match (Sort::of(one), Sort::of(other)) {
        _ if one == other => Some(one.clone()),
        (Sort::Unknown, _) => Some(other.clone()),
        (_, Sort::Unknown) => Some(one.clone()),
        (Sort::Number, Sort::Number) if one.is_integer() && other.is_integer() => Some(DataType::Int64),
        (Sort::Number, Sort::Number) => Some(DataType::Float64),
        _ => None,
    }
}

/// Gives two keys of numbers one kind; refuses text beside numbers.
fn same_kind(left: &mut Frame, here: &str, right: &mut Frame, there: &str) -> Result<(), MetricsError> {
    let kind = |frame: &Frame, name: &str| frame.0.column(name).map_or(DataType::Null, |column| column.dtype().clone());
    let (ours, theirs) = (kind(left, here), kind(right, there));
    if ours == theirs {
        return Ok(());
    }
    let Some(kind) = wider(&ours, &theirs) else {
        return Err(MetricsError::Query {
            message: format!(
                "the join's keys are of different kinds: `{here}` is {} on the left, `{there}` is {} on the right",
                Sort::of(&ours).word(),
                Sort::of(&theirs).word()
            ),
            hint: Some(format!("frame.with_column(\"{here}\", \"CAST({here} AS DOUBLE)\") changes one of them")),
        });
    };
    for (frame, name) in [(left, here), (right, there)] {
        let cast = frame.0.column(name).and_then(|column| column.cast(&kind)).map_err(MetricsError::frame("join"))?;
        frame.0.with_column(cast).map_err(MetricsError::frame("join"))?;
    }
    Ok(())
}
