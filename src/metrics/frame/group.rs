//! Aggregates: of a whole column, and of groups of rows.

use std::fmt;
use std::str::FromStr;

use polars::prelude::{Column, DataType, Expr, IntoLazy, LazyFrame, NamedFrom, Series};
use serde::{Deserialize, Serialize};

use super::check::{Sort, sort};
use super::query::{as_number, frame};
use super::text::{is_name, split_list};
use super::{Frame, Summary, value_of};
use crate::metrics::{MetricsError, Value};
use crate::options::nearest;

/// What many values come to. Nulls are left out; NaN counts, and shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Aggregate {
    /// The mean.
    Mean,
    /// The standard deviation with one degree of freedom less; null for a single value.
    Std,
    /// The least.
    Min,
    /// The largest.
    Max,
    /// The sum.
    Sum,
    /// The median.
    Median,
    /// How many values are not null.
    Count,
    /// The first, null or not.
    First,
    /// The last, null or not.
    Last,
    /// Half the width of the 95 % confidence interval of the mean, by Student's t; null for a single value.
    Ci95,
}

impl Aggregate {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Mean,
        Self::Std,
        Self::Min,
        Self::Max,
        Self::Sum,
        Self::Median,
        Self::Count,
        Self::First,
        Self::Last,
        Self::Ci95,
    ];

    /// The name that people write.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Std => "std",
            Self::Min => "min",
            Self::Max => "max",
            Self::Sum => "sum",
            Self::Median => "median",
            Self::Count => "count",
            Self::First => "first",
            Self::Last => "last",
            Self::Ci95 => "ci95",
        }
    }

    /// Whether only numbers have it.
    fn needs_numbers(self) -> bool {
        matches!(self, Self::Mean | Self::Std | Self::Sum | Self::Median | Self::Ci95)
    }

    /// The aggregate of a column; of [`Aggregate::Ci95`] the standard deviation, to be completed with the count.
    fn expr(self, of: Expr) -> Expr {
        match self {
            Self::Mean => of.mean(),
            Self::Std | Self::Ci95 => of.std(1),
            Self::Min => of.min(),
            Self::Max => of.max(),
            Self::Sum => of.sum(),
            Self::Median => of.median(),
            Self::Count => of.count().cast(DataType::Int64),
            Self::First => of.first(),
            Self::Last => of.last(),
        }
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Aggregate {
    type Err = MetricsError;

    fn from_str(name: &str) -> Result<Self, MetricsError> {
        let names = || Self::ALL.iter().map(|known| known.name());
        Self::ALL.into_iter().find(|known| known.name() == name).ok_or_else(|| {
            let hint = nearest(name, names()).map(|near| format!("did you mean \"{near}\"?"));
            let hint =
                hint.unwrap_or_else(|| "or an SQL expression, such as \"max(val_bpb) - min(val_bpb)\"".to_owned());
            let known = names().collect::<Vec<_>>().join(", ");
            MetricsError::Query { message: format!("unknown aggregate `{name}`; there are {known}"), hint: Some(hint) }
        })
    }
}

/// One column of an aggregated frame: its name, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregation {
    name: String,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Column(String, Aggregate),
    Sql(String),
}

impl Aggregation {
    /// An aggregate of a column, under the column's name.
    #[must_use]
    pub fn of(column: &str, aggregate: Aggregate) -> Self {
        Self { name: column.to_owned(), what: What::Column(column.to_owned(), aggregate) }
    }

    /// An SQL expression: `max(val_bpb) - min(val_bpb)`.
    #[must_use]
    pub fn sql(name: &str, expression: &str) -> Self {
        Self { name: name.to_owned(), what: What::Sql(expression.to_owned()) }
    }

    /// What people write for the column `name`: an aggregate's name, of the column of that name; else an SQL expression.
    ///
    /// # Errors
    /// [`MetricsError::Query`] for a bare name that is no aggregate.
    pub fn parse(name: &str, text: &str) -> Result<Self, MetricsError> {
        let text = text.trim();
        if is_name(text) { Ok(Self::of(name, text.parse()?)) } else { Ok(Self::sql(name, text)) }
    }

    /// The same under another name.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }
}

/// A frame whose rows are gathered by what they have in common, in the order in which each group first appears.
#[derive(Debug, Clone)]
pub struct Groups {
    frame: Frame,
    keys: Vec<Expr>,
    names: Vec<String>,
}

impl Groups {
    /// What the rows are gathered by.
    #[must_use]
    pub fn keys(&self) -> &[String] {
        &self.names
    }

    /// A row for each group: the keys, then the aggregates in the order given.
    ///
    /// ```
    /// # use wasabi::metrics::{Aggregate, Aggregation, Frame};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let runs = Frame::from_numbers([("d_state", vec![64.0, 16.0, 64.0]), ("bits", vec![2.0, 3.0, 2.5])])?;
    /// let best = runs.group_by(&["d_state"])?.agg(&[Aggregation::of("bits", Aggregate::Min)])?;
    /// assert_eq!(best.numbers("d_state"), Some(vec![64.0, 16.0]));
    /// assert_eq!(best.numbers("bits"), Some(vec![2.0, 3.0]));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`MetricsError::NoColumn`]; [`MetricsError::Query`] for a name that occurs twice, a mean of text, or an expression
    /// that has many values for each group.
    pub fn agg(&self, aggregations: &[Aggregation]) -> Result<Frame, MetricsError> {
        let mut names = self.names.clone();
        for aggregation in aggregations {
            if names.contains(&aggregation.name) {
                return Err(twice(&aggregation.name));
            }
            names.push(aggregation.name.clone());
        }
        let mut exprs = Vec::new();
        for (index, aggregation) in aggregations.iter().enumerate() {
            exprs.push(self.expr(aggregation)?.alias(aggregation.name.as_str()));
            if let What::Column(column, Aggregate::Ci95) = &aggregation.what {
                exprs.push(Aggregate::Count.expr(Expr::Column(column.as_str().into())).alias(hidden(index)));
            }
        }
        let grouped = self.frame.lazy().group_by_stable(&self.keys).agg(exprs);
        self.one_value_each(grouped.clone(), aggregations)?;
        let made = self.frame.run(grouped, || format!("group by {}", self.names.join(", ")))?;
        let columns = made.0.columns().iter().filter(|column| !column.name().starts_with(HIDDEN));
        let mut columns: Vec<Column> = columns.cloned().collect();
        for (index, aggregation) in aggregations.iter().enumerate() {
            let slot = &mut columns[self.names.len() + index];
            if let What::Column(_, Aggregate::Ci95) = aggregation.what {
                *slot = intervals(&made, &aggregation.name, &hidden(index));
            }
        }
        frame(made.height(), columns, "make a frame of groups")
    }

    /// SQL expressions as aggregations, named by their AS or else by their text; each item may be a list with commas.
    ///
    /// # Errors
    /// As [`Frame::filter`].
    pub fn aggregations(&self, items: &[&str]) -> Result<Vec<Aggregation>, MetricsError> {
        let mut all = Vec::new();
        for part in items.iter().flat_map(|item| split_list(item)) {
            all.push(match self.frame.expression(part)? {
                Expr::Alias(_, name) => Aggregation::sql(&name, part),
                _ => Aggregation::sql(part, part),
            });
        }
        Ok(all)
    }

    fn expr(&self, aggregation: &Aggregation) -> Result<Expr, MetricsError> {
        match &aggregation.what {
            What::Column(column, aggregate) => self.frame.aggregated(column, *aggregate),
            What::Sql(text) => match self.frame.expression(text)? {
                Expr::Alias(inner, name) if name == aggregation.name.as_str() => Ok(inner.as_ref().clone()),
                _ => self.frame.nameless(text),
            },
        }
    }

    /// Refuses what would make a list for each group.
    fn one_value_each(&self, mut grouped: LazyFrame, aggregations: &[Aggregation]) -> Result<(), MetricsError> {
        // What else may be wrong with the query, running it says.
        let Ok(schema) = grouped.collect_schema() else { return Ok(()) };
        let many = aggregations.iter().find_map(|aggregation| match &aggregation.what {
            What::Sql(text) if schema.get(&aggregation.name).is_some_and(DataType::is_nested) => Some(text),
            _ => None,
        });
        many.map_or(Ok(()), |text| {
            Err(MetricsError::Query {
                message: format!("`{text}` has many values for each group, but one is needed"),
                hint: Some("use an aggregate: mean(…), min(…), max(…), sum(…), count(*), first(…)".into()),
            })
        })
    }
}

/// The beginning of the names of columns that only [`Groups::agg`] sees.
const HIDDEN: &str = "\u{1f}count ";

fn hidden(index: usize) -> String {
    format!("{HIDDEN}{index}")
}

/// Half widths of confidence intervals, from standard deviations and counts.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
fn intervals(made: &Frame, name: &str, counts: &str) -> Column {
    let of = |name: &str| made.numbers(name).unwrap_or_default();
    let half = |(std, count): (f64, f64)| half_width(std, count as usize);
    let values: Vec<Option<f64>> = of(name).into_iter().zip(of(counts)).map(half).collect();
    Series::new(name.into(), values).into()
}

/// None where there are not two values to tell a spread from.
fn half_width(std: f64, count: usize) -> Option<f64> {
    (count > 1).then(|| Summary { count, mean: 0.0, std, min: 0.0, max: 0.0 }.confidence())
}

pub(super) fn twice(name: &str) -> MetricsError {
    MetricsError::Query {
        message: format!("the column `{name}` would be there twice"),
        hint: Some("give one of them another name: … AS name".into()),
    }
}

impl Frame {
    /// Gathers the rows by `keys`, each a column's name or an SQL expression (`round(lr, 3) AS rate`).
    ///
    /// # Errors
    /// [`MetricsError::NoColumn`] or [`MetricsError::Query`], as [`Frame::filter`]; also when there are no keys.
    pub fn group_by(&self, keys: &[&str]) -> Result<Groups, MetricsError> {
        let keys = self.expressions(keys)?;
        if keys.is_empty() {
            return Err(MetricsError::Query { message: "no columns to group by".into(), hint: None });
        }
        let names = self.names_of(&keys)?;
        Ok(Groups { frame: self.clone(), keys, names })
    }

    /// What a column comes to; `None` where there is nothing to tell it from.
    ///
    /// # Errors
    /// [`MetricsError::NoColumn`], or [`MetricsError::Query`] for the mean of text.
    pub fn aggregate(&self, column: &str, aggregate: Aggregate) -> Result<Option<Value>, MetricsError> {
        let expr = self.aggregated(column, aggregate)?;
        let answer =
            self.run(self.0.clone().lazy().select([expr.alias(column)]), || format!("aggregate `{column}`"))?;
        let found = answer.0.column(column).ok().and_then(|column| value_of(&column.get(0).ok()?));
        match (aggregate, found) {
            (Aggregate::Ci95, Some(Value::Real(std))) => {
                let count = self.0.column(column).map_or(0, |column| column.len() - column.null_count());
                Ok(half_width(std, count).map(Value::Real))
            }
            (_, found) => Ok(found),
        }
    }

    /// The aggregate of a column as polars says it; [`Aggregate::Ci95`] still lacks its count.
    pub(super) fn aggregated(&self, column: &str, aggregate: Aggregate) -> Result<Expr, MetricsError> {
        self.require(column)?;
        let of = Expr::Column(column.into());
        let of = match sort(&of, self.schema()) {
            found if aggregate.needs_numbers() && !matches!(found, Sort::Number | Sort::Bool | Sort::Unknown) => {
                return Err(MetricsError::Query {
                    message: format!("`{aggregate}` needs numbers, but `{column}` is {}", found.word()),
                    hint: Some("min, max, first, last and count take text too".into()),
                });
            }
            // The share and the number of those that are true.
            Sort::Bool if aggregate == Aggregate::Sum => of.cast(DataType::Int64),
            Sort::Bool | Sort::Unknown if aggregate.needs_numbers() => of.cast(DataType::Float64),
            _ => of,
        };
        Ok(aggregate.expr(of))
    }

    /// The column as polars aggregates it: truth values as 1 and 0.
    pub(super) fn number_column(&self, name: &str) -> Option<Column> {
        let column = self.0.column(name).ok()?;
        let numeric = column.dtype().is_numeric() || column.dtype().is_bool() || column.dtype().is_null();
        if numeric { as_number(column).ok() } else { None }
    }
}
