//! Questions in SQL: conditions, expressions, whole queries.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use polars::error::set_warning_function;
use polars::prelude::{Column, DataFrame, DataType, Expr, IntoLazy, LazyFrame, Schema, SortMultipleOptions, all};
use polars::sql::{SQLContext, sql_expr};

use super::check::{Sort, check, named, sort};
use super::explain::{Sql, between, explain, other_language, shorten};
use super::group::twice;
use super::text::{Kind, Rewritten, call_of_nothing, order_item, split_list, tokens};
use super::{Frame, column_of};
use crate::metrics::{MetricsError, Value};
use crate::options::nearest;

/// What a frame is called in its own SQL.
const SELF: &str = "self";

impl Frame {
    /// The rows for which `condition`, an SQL expression, is true: `val_bpb < 3 AND d_state = 64`.
    ///
    /// An aggregate in it is taken over the whole frame, and one with OVER over its part: `val_bpb = min(val_bpb)`,
    /// `val_bpb = min(val_bpb) OVER (PARTITION BY d_state)`.
    ///
    /// # Errors
    /// [`MetricsError::NoColumn`], or [`MetricsError::Query`] for what is no SQL, compares text with numbers, or is no
    /// condition.
    pub fn filter(&self, condition: &str) -> Result<Self, MetricsError> {
        let predicate = self.nameless(condition).map_err(|error| match error {
            // What is joined by || is text, and so no part of a condition.
            MetricsError::Query { message, hint } if condition.contains("||") => {
                MetricsError::Query { message, hint: other_language(condition).or(hint) }
            }
            error => error,
        })?;
        let found = sort(&predicate, self.schema());
        if !matches!(found, Sort::Bool | Sort::Unknown) {
            let message = format!("a condition was needed, but {} is {}", named(&predicate), found.word());
            let hint = Some("compare it with something: val_bpb < 3".into());
            return Err(MetricsError::Query { message, hint });
        }
        self.run(self.lazy().filter(predicate), || format!("filter by `{}`", shorten(condition)))
    }

    /// The frame with one more column, or a former one of that name replaced, by an SQL expression: `val_bpb - train_bpb`.
    ///
    /// # Errors
    /// As [`Frame::filter`].
    pub fn with_column(&self, name: &str, expression: &str) -> Result<Self, MetricsError> {
        let several = || MetricsError::Query {
            message: format!("one column was needed for `{name}`, but `{}` is several", shorten(expression)),
            hint: None,
        };
        if expression.trim() == "*" {
            return Err(several());
        }
        let expr = self.nameless(expression)?;
        if let Expr::Selector(_) = expr {
            return Err(several());
        }
        self.run(self.lazy().with_column(expr.alias(name)), || format!("calculate `{}`", shorten(expression)))
    }

    /// The frame with one more column, or a former one of that name replaced, of values; `None` is null.
    ///
    /// # Errors
    /// [`MetricsError::Query`] unless there is one value for each row, [`MetricsError::Mixed`] if they are of two kinds.
    pub fn with_values(&self, name: &str, values: &[Option<Value>]) -> Result<Self, MetricsError> {
        if self.0.width() > 0 && values.len() != self.height() {
            return Err(MetricsError::Query {
                message: format!("{} values for `{name}`, but the frame has {} rows", values.len(), self.height()),
                hint: Some("give one value for each row".into()),
            });
        }
        let column = column_of(name, &values.iter().map(Option::as_ref).collect::<Vec<_>>())?;
        let mut table = self.0.clone();
        table.with_column(column).map_err(MetricsError::frame(format!("add `{name}`")))?;
        Ok(Self(table))
    }

    /// Some of the columns, in the order given; each item is a column's name, an SQL expression
    /// (`val_bpb - train_bpb AS gap`) or a list of them with commas. `*` stands for all columns; an expression without a
    /// name is called by its text.
    ///
    /// # Errors
    /// As [`Frame::filter`].
    pub fn select(&self, items: &[&str]) -> Result<Self, MetricsError> {
        let exprs = self.expressions(items)?;
        if exprs.is_empty() {
            return Err(MetricsError::Query { message: "no columns to select".into(), hint: None });
        }
        self.names_of(&exprs)?;
        self.run(self.lazy().select(exprs), || format!("select `{}`", shorten(&items.join(", "))))
    }

    /// The rows in the order of a column, equal ones as they were, nulls last. `by` may also be a list in SQL's words:
    /// `split DESC, abs(val_bpb - 3)`; then `descending` is for those that say neither ASC nor DESC.
    ///
    /// # Errors
    /// As [`Frame::filter`].
    pub fn sort(&self, by: &str, descending: bool) -> Result<Self, MetricsError> {
        self.sort_by(&[(by, descending)])
    }

    /// The rows in the order of the first key, equal ones in that of the second, and so on; `true` puts the largest first.
    /// Each key is as in [`Frame::sort`].
    ///
    /// # Errors
    /// As [`Frame::filter`].
    pub fn sort_by(&self, keys: &[(&str, bool)]) -> Result<Self, MetricsError> {
        let (mut by, mut descending, mut nulls_last) = (Vec::new(), Vec::new(), Vec::new());
        for (key, otherwise) in keys {
            let items = if self.has(key) { vec![*key] } else { split_list(key) };
            for item in items {
                let order = order_item(item);
                let (text, order) = if self.has(item) { (item, None) } else { (order.by, Some(order)) };
                by.push(self.nameless(text)?);
                descending.push(order.and_then(|order| order.descending).unwrap_or(*otherwise));
                nulls_last.push(order.is_none_or(|order| order.nulls_last));
            }
        }
        if by.is_empty() {
            return Ok(self.clone());
        }
        let order = SortMultipleOptions::default()
            .with_order_descending_multi(descending)
            .with_nulls_last_multi(nulls_last)
            .with_maintain_order(true);
        let names = || keys.iter().map(|(key, _)| *key).collect::<Vec<_>>().join(", ");
        self.run(self.lazy().sort_by_exprs(by, order), || format!("sort by `{}`", shorten(&names())))
    }

    /// The answer to an SQL query, in which this frame is the table `self`, and each of `tables` has its name. Without
    /// ORDER BY the order of groups is open.
    ///
    /// # Errors
    /// As [`Frame::filter`], and for tables that are not there.
    pub fn sql(&self, query: &str, tables: &[(&str, &Self)]) -> Result<Self, MetricsError> {
        let first = tokens(query).into_iter().find(|token| token.kind != Kind::Space && token.text != "(");
        let begins = first.map_or("", |token| token.text);
        if !["select", "with"].iter().any(|word| word.eq_ignore_ascii_case(begins)) {
            return Err(MetricsError::Query {
                message: format!("a query begins with SELECT, but `{}` does not", shorten(query)),
                hint: Some("SELECT d_state, min(val_bpb) AS best FROM self GROUP BY d_state ORDER BY best".into()),
            });
        }
        something_in_calls(query)?;
        let rewritten = Rewritten::of(query);
        let mut context = SQLContext::new();
        context.register(SELF, self.lazy());
        for (name, table) in tables {
            context.register(name, table.lazy());
        }
        let action = || format!("answer `{}`", shorten(query));
        let names: Vec<&str> = [SELF].into_iter().chain(tables.iter().map(|(name, _)| *name)).collect();
        let mut columns = self.columns();
        for name in tables.iter().flat_map(|(_, table)| table.columns()) {
            if !columns.contains(&name) {
                columns.push(name);
            }
        }
        guarded(&action, || context.execute(&rewritten.text).and_then(LazyFrame::collect))?.map(Self).map_err(|error| {
            let message = error.to_string();
            if message.starts_with("sql parser error") {
                return Sql { typed: query, rewritten: &rewritten, prefix: 0 }.explain(&message);
            }
            no_table(&message, &names).unwrap_or_else(|| explain(&error, &action(), &columns))
        })
    }

    /// An expression: a column's name as it is, or SQL.
    pub(super) fn expression(&self, text: &str) -> Result<Expr, MetricsError> {
        if self.has(text) {
            return Ok(Expr::Column(text.into()));
        }
        let expr = parse(text, &self.columns())?;
        check(&expr, self.schema())?;
        Ok(expr)
    }

    /// An expression where a name after it (`… AS name`, or a word that stands there by mistake) has no place.
    pub(super) fn nameless(&self, text: &str) -> Result<Expr, MetricsError> {
        let expr = self.expression(text)?;
        let Expr::Alias(..) = expr else { return Ok(expr) };
        let rewritten = Rewritten::of(text);
        Err(syntax(text, &rewritten, "SELECT * FROM self WHERE ").unwrap_or_else(|| MetricsError::Query {
            message: format!("`{}` has a name, but needs none here", shorten(text)),
            hint: Some("leave out AS and what follows".into()),
        }))
    }

    /// The names that expressions give to their columns, each once.
    pub(super) fn names_of(&self, exprs: &[Expr]) -> Result<Vec<String>, MetricsError> {
        let mut names: Vec<String> = Vec::new();
        for expr in exprs.iter().filter(|expr| !matches!(expr, Expr::Selector(_))) {
            let field =
                expr.to_field(self.schema()).map_err(|error| explain(&error, "read the SQL", &self.columns()))?;
            if names.iter().any(|name| *name == field.name.as_str()) {
                return Err(twice(&field.name));
            }
            names.push(field.name.to_string());
        }
        Ok(names)
    }

    /// Items of a list, each a name, an expression, or a list itself; what has no name is called by its text.
    pub(super) fn expressions(&self, items: &[&str]) -> Result<Vec<Expr>, MetricsError> {
        let mut exprs = Vec::new();
        for item in items {
            let parts = if self.has(item) { vec![*item] } else { split_list(item) };
            for part in parts {
                let expr = if part == "*" { all().as_expr() } else { self.expression(part)? };
                exprs.push(match expr {
                    Expr::Column(_) | Expr::Alias(..) | Expr::Selector(_) => expr,
                    expr => expr.alias(part),
                });
            }
        }
        Ok(exprs)
    }

    pub(super) fn lazy(&self) -> LazyFrame {
        self.0.clone().lazy()
    }

    pub(super) fn schema(&self) -> &Schema {
        self.0.schema()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.schema().contains(name)
    }

    /// Runs a query that came from this frame.
    pub(super) fn run(&self, query: LazyFrame, action: impl Fn() -> String) -> Result<Self, MetricsError> {
        let answer = guarded(&action, || query.collect())?;
        answer.map(Self).map_err(|error| explain(&error, &action(), &self.columns()))
    }
}

/// Parses an SQL expression.
fn parse(text: &str, columns: &[&str]) -> Result<Expr, MetricsError> {
    if text.trim().is_empty() {
        return Err(MetricsError::Query {
            message: "an SQL expression was needed, but the text is empty".into(),
            hint: None,
        });
    }
    something_in_calls(text)?;
    let rewritten = Rewritten::of(text);
    let action = || format!("read the SQL `{}`", shorten(text));
    let error = match guarded(&action, || sql_expr(&rewritten.text))? {
        Ok(expr) => return Ok(expr),
        Err(error) => error,
    };
    let message = error.to_string();
    if let Some(clause) = between(&message, "expected an expression (found '", "' clause)") {
        return Err(MetricsError::Query {
            message: format!("cannot read the SQL `{}`: {clause} belongs to a whole query", shorten(text)),
            hint: Some("frame.sql(\"SELECT … FROM self …\") takes one".into()),
        });
    }
    Err(syntax(text, &rewritten, "SELECT ").unwrap_or_else(|| explain(&error, &action(), columns)))
}

fn something_in_calls(sql: &str) -> Result<(), MetricsError> {
    call_of_nothing(sql).map_or(Ok(()), |name| {
        Err(MetricsError::Query {
            message: format!("`{name}` needs values to compare, but was given none"),
            hint: Some(format!("{name}(a, b)")),
        })
    })
}

/// What the parser says about `text` as the rest of a query that begins with `prefix`: unlike polars it says where.
fn syntax(text: &str, rewritten: &Rewritten, prefix: &str) -> Option<MetricsError> {
    let query = format!("{prefix}{}", rewritten.text);
    let complaint = catch_unwind(|| SQLContext::new().execute(&query).map(drop)).ok()?.err()?.to_string();
    let sql = Sql { typed: text, rewritten, prefix: prefix.chars().count() };
    complaint.starts_with("sql parser error").then(|| sql.explain(&complaint))
}

/// Runs polars; where it panics (it does on some nonsense, such as `- [ ]`), that is an error too.
pub(super) fn guarded<T>(action: &impl Fn() -> String, work: impl FnOnce() -> T) -> Result<T, MetricsError> {
    // Polars would print advice to whoever calls it from Rust: nobody here wrote that call.
    static SILENCED: Once = Once::new();
    SILENCED.call_once(|| set_warning_function(|_, _| {}));
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let told = panic.downcast_ref::<String>().map(String::as_str);
        let told = told.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it does not say why");
        // An unwrapped error is quoted with its types; what it says stands in quotes.
        let told = between(told, "(\"", "\")").unwrap_or(told).lines().next().unwrap_or_default();
        MetricsError::Query { message: format!("cannot {}: polars gave up ({told})", action()), hint: None }
    })
}

/// A query names a table that is not there.
fn no_table(message: &str, names: &[&str]) -> Option<MetricsError> {
    let name =
        between(message, "no table or alias named '", "'").or_else(|| between(message, "relation '", "' was not"))?;
    let name = name.trim_matches('"');
    let meant = nearest(name, names.iter().copied()).map(|near| format!("did you mean `{near}`?"));
    let hint = meant.unwrap_or_else(|| {
        format!("the frame itself is `{SELF}`; others are given by name: frame.sql(\"…\", #{{ {name}: other }})")
    });
    let message = format!("there is no table `{name}`; there is {}", names.join(", "));
    Some(MetricsError::Query { message, hint: Some(hint) })
}

/// A column whose values polars can aggregate as numbers: truth values count as 1 and 0.
pub(super) fn as_number(column: &Column) -> Result<Column, MetricsError> {
    let cast = |kind| column.cast(&kind).map_err(MetricsError::frame(format!("read `{}` as numbers", column.name())));
    match column.dtype() {
        DataType::Boolean => cast(DataType::Int64),
        dtype if dtype.is_null() || dtype.is_decimal() => cast(DataType::Float64),
        _ => Ok(column.clone()),
    }
}

/// A frame of columns that are known to be of one length and of different names.
pub(super) fn frame(height: usize, columns: Vec<Column>, action: &str) -> Result<Frame, MetricsError> {
    DataFrame::new(height, columns).map(Frame).map_err(MetricsError::frame(action))
}
