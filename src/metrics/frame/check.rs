//! What can be seen to be wrong with an expression before polars runs it: columns that are not there, text compared with
//! numbers, conditions that are none.

use polars::prelude::{AggExpr, DataType, Expr, LiteralValue, Operator, Schema};

use super::explain::no_column;
use crate::metrics::MetricsError;
use crate::options::nearest;

/// Kinds of values, as far as they can be compared with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Number,
    Text,
    Bool,
    Time,
    Other,
    Unknown,
}

impl Sort {
    pub(super) fn of(dtype: &DataType) -> Self {
        match dtype {
            DataType::String => Self::Text,
            DataType::Boolean => Self::Bool,
            DataType::Null => Self::Unknown,
            DataType::Unknown(kind) => match kind.materialize() {
                Some(DataType::Unknown(_)) | None => Self::Unknown,
                Some(dtype) => Self::of(&dtype),
            },
            dtype if dtype.is_numeric() => Self::Number,
            dtype if dtype.is_temporal() => Self::Time,
            _ => Self::Other,
        }
    }

    /// In words: `text`, `a number`.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Text => "text",
            Self::Bool => "true or false",
            Self::Time => "a date or time",
            Self::Other => "a list",
            Self::Unknown => "of no known kind",
        }
    }
}

/// Checks that every column exists and that what is compared can be; the innermost fault first.
pub(super) fn check(expr: &Expr, schema: &Schema) -> Result<(), MetricsError> {
    let nodes: Vec<&Expr> = expr.into_iter().collect();
    for node in &nodes {
        columns_exist(node, &nodes, schema)?;
    }
    nodes.iter().rev().try_for_each(|node| kinds_fit(node, schema))
}

/// The kind of an expression's values; unknown where polars cannot tell.
pub(super) fn sort(expr: &Expr, schema: &Schema) -> Sort {
    expr.to_field(schema).map_or(Sort::Unknown, |field| Sort::of(&field.dtype))
}

fn columns_exist(node: &Expr, all: &[&Expr], schema: &Schema) -> Result<(), MetricsError> {
    let Expr::Column(name) = node else { return Ok(()) };
    if schema.contains(name) {
        return Ok(());
    }
    let missing = no_column(name, schema.iter_names().map(|name| name.as_str()));
    let known: Vec<&str> = schema.iter_names().map(|name| name.as_str()).collect();
    // `split = val` and `split = "val"` mean the text.
    if nearest(name, known).is_none() && all.iter().any(|other| compares_with_text(other, node, schema)) {
        return Err(MetricsError::Query {
            message: missing.to_string(),
            hint: Some(format!("text is written in single quotes: '{name}'")),
        });
    }
    Err(missing)
}

fn compares_with_text(comparison: &Expr, side: &Expr, schema: &Schema) -> bool {
    let Expr::BinaryExpr { left, right, .. } = comparison else { return false };
    let other = match (&**left, &**right) {
        (one, other) if one == side => other,
        (other, one) if one == side => other,
        _ => return false,
    };
    sort(other, schema) == Sort::Text
}

fn kinds_fit(node: &Expr, schema: &Schema) -> Result<(), MetricsError> {
    match node {
        Expr::BinaryExpr { left, op, right } => {
            let (one, other) = (sort(left, schema), sort(right, schema));
            if is_null(left) || is_null(right) {
                return null_compared(*op, left, right);
            }
            if one == Sort::Unknown || other == Sort::Unknown {
                return Ok(());
            }
            match op {
                _ if op.is_comparison() && !comparable(one, other) => Err(not_comparable((left, one), (right, other))),
                Operator::And | Operator::Or | Operator::LogicalAnd | Operator::LogicalOr => {
                    logical((left, one), (right, other))
                }
                _ if op.is_arithmetic() => arithmetic(*op, (left, one), (right, other)),
                _ => Ok(()),
            }
        }
        Expr::Agg(
            AggExpr::Mean(of) | AggExpr::Median(of) | AggExpr::Sum(of) | AggExpr::Std(of, _) | AggExpr::Var(of, _),
        ) => match sort(of, schema) {
            Sort::Text => Err(MetricsError::Query {
                message: format!("numbers can be averaged and summed, but {} is text", named(of)),
                hint: Some("min, max, first, last and count take text too".into()),
            }),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// True and false count as 1 and 0 beside a number.
fn comparable(one: Sort, other: Sort) -> bool {
    let is_plain = |sort| matches!(sort, Sort::Number | Sort::Bool);
    one == other || (is_plain(one) && is_plain(other)) || one == Sort::Other || other == Sort::Other
}

fn not_comparable(one: (&Expr, Sort), other: (&Expr, Sort)) -> MetricsError {
    let message = format!(
        "{} is {}, but is compared with {}, which is {}",
        named(one.0),
        one.1.word(),
        named(other.0),
        other.1.word()
    );
    let (text, literal) = match (one, other) {
        ((_, Sort::Time), _) | (_, (_, Sort::Time)) => {
            let hint = Some("a date is written DATE '2024-12-31', a time TIMESTAMP '2024-12-31 23:59:59'".into());
            return MetricsError::Query { message, hint };
        }
        ((text, Sort::Text), (other, _)) | ((other, _), (text, _)) => (text, other),
    };
    let hint = match (text, literal) {
        (Expr::Literal(text), _) if literal_text(text).is_some_and(|text| text.parse::<f64>().is_ok()) => {
            format!("numbers are written without quotes: {}", literal_text(text).unwrap_or_default())
        }
        (Expr::Literal(_), Expr::Column(_)) => {
            "a name in double quotes, or in none, is a column; one in single quotes is text".to_owned()
        }
        (_, Expr::Literal(_)) => format!("text is written in single quotes: '{}'", plain(literal)),
        _ => "CAST(… AS DOUBLE) turns text into numbers, CAST(… AS VARCHAR) numbers into text".to_owned(),
    };
    MetricsError::Query { message, hint: Some(hint) }
}

fn logical(one: (&Expr, Sort), other: (&Expr, Sort)) -> Result<(), MetricsError> {
    // Two numbers are combined bit by bit.
    let wrong = match (one.1, other.1) {
        (Sort::Bool, Sort::Bool) | (Sort::Number, Sort::Number) => return Ok(()),
        (Sort::Bool, _) => other,
        _ => one,
    };
    Err(MetricsError::Query {
        message: format!("AND and OR stand between conditions, but {} is {}", named(wrong.0), wrong.1.word()),
        hint: Some("compare it with something: x > 0 AND y = 1".into()),
    })
}

fn arithmetic(op: Operator, one: (&Expr, Sort), other: (&Expr, Sort)) -> Result<(), MetricsError> {
    let text = match (one, other) {
        ((text, Sort::Text), (_, Sort::Number)) | ((_, Sort::Number), (text, Sort::Text)) => text,
        ((text, Sort::Text), (_, Sort::Text)) if op != Operator::Plus => text,
        _ => return Ok(()),
    };
    Err(MetricsError::Query {
        message: format!("{} is text and cannot be calculated with", named(text)),
        hint: Some("CAST(… AS DOUBLE) turns text into numbers, and || joins texts".into()),
    })
}

fn null_compared(op: Operator, left: &Expr, right: &Expr) -> Result<(), MetricsError> {
    let value = if is_null(left) { right } else { left };
    if !op.is_comparison() || matches!(op, Operator::EqValidity | Operator::NotEqValidity) || is_null(value) {
        return Ok(());
    }
    Err(MetricsError::Query {
        message: format!("{} is compared with NULL, which is never true", named(value)),
        hint: Some(format!("{} IS NULL, or IS NOT NULL", plain(value))),
    })
}

fn is_null(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(value) if value.is_null())
}

fn literal_text(value: &LiteralValue) -> Option<&str> {
    value.extract_str()
}

/// A column or a constant as it is written; anything else is an expression.
fn plain(expr: &Expr) -> String {
    match expr {
        Expr::Column(name) => name.to_string(),
        Expr::Literal(value) => match (literal_text(value), value.to_any_value()) {
            (Some(text), _) => format!("'{text}'"),
            (None, Some(value)) => value.to_string(),
            (None, None) => "the expression".to_owned(),
        },
        Expr::Alias(inner, _) | Expr::Cast { expr: inner, .. } => plain(inner),
        _ => "the expression".to_owned(),
    }
}

/// The same in back quotes where it can be quoted.
pub(super) fn named(expr: &Expr) -> String {
    match expr {
        Expr::Column(_) => format!("`{}`", plain(expr)),
        Expr::Alias(inner, _) => named(inner),
        Expr::Literal(_) => plain(expr),
        Expr::Agg(_) => "an aggregate".to_owned(),
        _ => "an expression".to_owned(),
    }
}
