//! Frames side by side, by what their rows agree in.

use std::fmt;
use std::str::FromStr;

use polars::prelude::{DataType, Expr, JoinArgs, JoinCoalesce, JoinType, MaintainOrderJoin};

use super::Frame;
use super::check::Sort;
use super::shape::wider;
use crate::metrics::MetricsError;
use crate::options::nearest;

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

/// What a column of the right side is called when the left has one of its name.
const SUFFIX: &str = "_right";

impl Frame {
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
        let arguments =
            JoinArgs::new(kind).with_suffix(Some(SUFFIX.into())).with_coalesce(JoinCoalesce::CoalesceColumns);
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
