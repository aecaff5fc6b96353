//! Frames with other columns, other names, or others below them.

use std::collections::{HashMap, HashSet};

use polars::prelude::{Column, DataFrame, DataType, Expr, UniqueKeepStrategy};

use super::Frame;
use super::check::Sort;
use super::group::twice;
use super::query::frame;
use crate::metrics::MetricsError;

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
        let mut seen = HashSet::new();
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

    /// Frames below one another. The columns are all that occur, in the order in which they first do; a frame that lacks one
    /// has null there. Integers beside real numbers become real.
    ///
    /// # Errors
    /// [`MetricsError::Query`] for a column that holds text in one frame and numbers in another, or the like.
    pub fn concat(frames: &[Self]) -> Result<Self, MetricsError> {
        Self::below_each_other(frames, |name, at| format!("`{name}` of frame {at}"))
    }

    pub(super) fn below_each_other(
        frames: &[Self],
        describe: impl Fn(&str, usize) -> String,
    ) -> Result<Self, MetricsError> {
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

/// The kind that holds values of both, where there is one: text and numbers have none.
pub(super) fn wider(one: &DataType, other: &DataType) -> Option<DataType> {
    match (Sort::of(one), Sort::of(other)) {
        _ if one == other => Some(one.clone()),
        (Sort::Unknown, _) => Some(other.clone()),
        (_, Sort::Unknown) => Some(one.clone()),
        (Sort::Number, Sort::Number) if one.is_integer() && other.is_integer() => Some(DataType::Int64),
        (Sort::Number, Sort::Number) => Some(DataType::Float64),
        _ => None,
    }
}
