//! What polars and its SQL parser complain about, in words that say where and what to try.

use polars::prelude::PolarsError;
use polars::sql::keywords::all_functions;

use super::text::{Kind, Rewritten, tokens};
use crate::metrics::MetricsError;
use crate::options::{lower_first, nearest};

/// How much of a text is quoted around the place at fault, in characters.
const QUOTED: usize = 48;

/// Functions that are called otherwise elsewhere, and what SQL says.
const ELSEWHERE: [(&str, &str); 10] = [
    ("average", "avg"),
    ("nanmean", "avg"),
    ("len", "length, or count(*) for the number of rows"),
    ("size", "count(*)"),
    ("nunique", "count(DISTINCT …)"),
    ("quantile", "quantile_cont"),
    ("percentile", "quantile_cont"),
    ("isnull", "… IS NULL"),
    ("isnan", "… = CAST('NaN' AS DOUBLE)"),
    ("where", "CASE WHEN … THEN … ELSE … END"),
];

/// SQL as it was typed, and as the parser read it.
pub(super) struct Sql<'a> {
    pub(super) typed: &'a str,
    pub(super) rewritten: &'a Rewritten,
    /// Characters that were put before it on its first line.
    pub(super) prefix: usize,
}

impl Sql<'_> {
    /// The parser's complaint with its place: `sql parser error: Expected: …, found: … at Line: 1, Column: 9`.
    pub(super) fn explain(&self, message: &str) -> MetricsError {
        let message = message.trim_start_matches("sql parser error: ");
        let (body, place) = located(message);
        let at = place.map_or(self.typed.len(), |(line, column)| {
            let column = if line == 1 { column.saturating_sub(self.prefix) } else { column };
            self.rewritten.original(line, column)
        });
        let problem = match expectation(body) {
            Some((expected, found)) => self.unexpected(expected, found, at),
            None if body.starts_with("Unterminated string literal") => {
                format!("the text that begins with {} has no closing quote", self.quote_from(at))
            }
            None if body.starts_with("recursion limit") => "its brackets are nested too deeply".to_owned(),
            None => lower_first(body),
        };
        let found = expectation(body).map_or("", |(_, found)| found);
        let hint = self.other_language().or_else(|| misspelt(found));
        MetricsError::Query { message: format!("cannot read the SQL `{}`: {problem}", shorten(self.typed)), hint }
    }

    fn unexpected(&self, expected: &str, found: &str, at: usize) -> String {
        let expected = match expected {
            "end of statement" => "an operator or the end",
            "an expression" | "an expression:" => "a value",
            other => other.trim_end_matches(':'),
        };
        let after = match before(&self.typed[..at]) {
            text if text.is_empty() => String::new(),
            text => format!(" after `{text}`"),
        };
        match found {
            "EOF" => format!("it ends{after}, where {expected} was expected"),
            found => format!("expected {expected}{after}, found `{found}`"),
        }
    }

    fn quote_from(&self, at: usize) -> String {
        let rest: String = self.typed[at.min(self.typed.len())..].chars().take(QUOTED / 2).collect();
        format!("`{}`", rest.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    fn other_language(&self) -> Option<String> {
        other_language(self.typed)
    }
}

/// Signs of other languages in `sql`, and what SQL says instead.
pub(super) fn other_language(sql: &str) -> Option<String> {
    const SIGNS: [(&str, &str); 5] = [
        ("&&", "SQL says AND, not &&"),
        ("||", "SQL says OR, not ||, which joins texts"),
        ("**", "SQL says power(x, y), not **"),
        ("^", "SQL says power(x, y), not ^"),
        ("!", "SQL says NOT, and <> or != for not equal"),
    ];
    let signs: String = tokens(sql).iter().map(|t| if t.kind == Kind::Sign { t.text } else { " " }).collect();
    let signs = signs.replace("!=", "").replace("!~", "");
    SIGNS.iter().find(|(sign, _)| signs.contains(sign)).map(|(_, hint)| (*hint).to_owned())
}

/// Words of SQL that stand between names, and so are taken for one when they are misplaced or misspelt.
const KEYWORDS: [&str; 14] = [
    "AND", "OR", "NOT", "FROM", "WHERE", "GROUP", "ORDER", "BY", "LIMIT", "BETWEEN", "LIKE", "HAVING", "JOIN",
    "DISTINCT",
];

/// A keyword that `found` nearly is.
fn misspelt(found: &str) -> Option<String> {
    let near = nearest(&found.to_ascii_uppercase(), KEYWORDS)?;
    (!near.eq_ignore_ascii_case(found)).then(|| format!("did you mean {near}?"))
}

/// `… at Line: 2, Column: 7`.
fn located(message: &str) -> (&str, Option<(usize, usize)>) {
    let Some((body, place)) = message.rsplit_once(" at Line: ") else { return (message, None) };
    let Some((line, column)) = place.split_once(", Column: ") else { return (message, None) };
    match (line.parse(), column.parse()) {
        (Ok(line), Ok(column)) => (body, Some((line, column))),
        _ => (message, None),
    }
}

/// `Expected: …, found: …`.
fn expectation(body: &str) -> Option<(&str, &str)> {
    body.strip_prefix("Expected: ")?.rsplit_once(", found: ")
}

/// The words before a place, from a word's beginning on.
fn before(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let length = text.chars().count();
    if length <= QUOTED {
        return text;
    }
    let cut: String = text.chars().skip(length - QUOTED).collect();
    format!("…{}", cut.split_once(' ').map_or(cut.as_str(), |(_, rest)| rest))
}

/// A text on one line, its end left out where it is long.
pub(super) fn shorten(text: &str) -> String {
    const LONGEST: usize = 100;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}

/// The longest complaint of polars that is passed on, in characters: some hold its whole syntax tree.
const LONGEST: usize = 240;

/// What polars said while it did `action` to a frame with `columns`.
pub(super) fn explain(error: &PolarsError, action: &str, columns: &[&str]) -> MetricsError {
    let whole = error.to_string();
    // Polars appends the plan that it was busy with, or where in it.
    let message = whole.split("\n\n").next().unwrap_or_default().lines().next().unwrap_or_default().trim();
    if let Some(name) = missing_column(error, message) {
        return no_column(&name, columns.iter().copied());
    }
    if let Some(name) = between(message, "unsupported function '", "'") {
        return no_function(name);
    }
    let hint = hint(message);
    let message = match message {
        text if text.starts_with("cannot parse literal: ") => {
            let number = text.trim_start_matches("cannot parse literal: ").trim_matches('"');
            format!("the number {number} does not fit into 64 bits")
        }
        text if text.starts_with("operator PGOverlap") => "SQL has no operator `&&`".to_owned(),
        text if text.starts_with("operator BitwiseXor") => "SQL has no operator `^`".to_owned(),
        text if text.starts_with("cannot compare string with numeric") => "text is compared with a number".to_owned(),
        text if text.ends_with("is not currently supported") && text.chars().count() > LONGEST => {
            let kind = text.split_whitespace().nth(1).unwrap_or("this");
            format!("polars does not know this kind of expression ({kind})")
        }
        text if text.contains("unexpected token '") => {
            format!(
                "one expression was needed, and nothing after it, found `{}`",
                between(text, "token '", "'").unwrap_or("?")
            )
        }
        text => lower_first(text),
    };
    let message = match message.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message,
    };
    MetricsError::Query { message: format!("cannot {action}: {message}"), hint }
}

/// There is no such column; the nearest of those there are. A misplaced keyword is no column either.
pub(super) fn no_column<'a>(name: &str, columns: impl Iterator<Item = &'a str>) -> MetricsError {
    if KEYWORDS.contains(&name.to_ascii_uppercase().as_str()) {
        return MetricsError::Query {
            message: format!("the word {name} stands where SQL expects a value"),
            hint: Some(format!("a column of that name is written in double quotes: \"{name}\"")),
        };
    }
    MetricsError::NoColumn { name: name.to_owned(), known: columns.map(str::to_owned).collect() }
}

fn missing_column(error: &PolarsError, message: &str) -> Option<String> {
    if let PolarsError::ColumnNotFound(_) | PolarsError::SchemaFieldNotFound(_) = innermost(error) {
        let quoted = between(message, "\"", "\"").or_else(|| between(message, "'", "'"));
        return Some(quoted.or_else(|| message.rsplit(' ').next())?.to_owned());
    }
    between(message, "no column named '", "'").map(|name| name.trim_matches('"').to_owned())
}

fn innermost(error: &PolarsError) -> &PolarsError {
    match error {
        PolarsError::Context { error, .. } | PolarsError::ExprContext { error, .. } => innermost(error),
        other => other,
    }
}

fn no_function(name: &str) -> MetricsError {
    let hint = match ELSEWHERE.iter().find(|(elsewhere, _)| *elsewhere == name) {
        Some((_, known)) => Some(format!("SQL says {known}")),
        None => {
            let mut known = all_functions();
            known.extend(["mean", "std"]);
            nearest(name, known).map(|near| format!("did you mean `{near}`?"))
        }
    };
    let hint = hint.or_else(|| {
        Some(
            "round, abs, ln, log2, log10, exp, sqrt, power, least, greatest, coalesce, if, lower, replace, … exist"
                .to_owned(),
        )
    });
    MetricsError::Query { message: format!("SQL has no function `{name}`"), hint }
}

/// The text between two marks.
pub(super) fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(from)?;
    rest.split_once(to).map(|(inner, _)| inner)
}

/// What to try, by what polars says.
fn hint(message: &str) -> Option<String> {
    const HINTS: [(&str, &str); 10] = [
        ("arguments: `log(", "log(x, base); ln, log2 and log10 need no base"),
        ("BitwiseXor", "SQL says power(x, y), not ^"),
        (
            "subquery comparisons",
            "IN takes a subquery; an aggregate alone is that of the whole column: bits = min(bits)",
        ),
        ("relation 'self' was not found", "a subquery belongs to a whole query: frame.sql(\"SELECT … FROM self …\")"),
        (
            "cannot compare string with numeric",
            "text is written in single quotes, numbers without: split = 'val' AND step > 9",
        ),
        ("cannot compare", "values of one kind can be compared; CAST(… AS DOUBLE) turns text into numbers"),
        ("conversion from", "TRY_CAST(… AS DOUBLE) gives null where a text is no number"),
        ("is_in", "the list after IN holds values of the column's own kind"),
        ("PGOverlap", "SQL says AND, not &&"),
        ("one (and only one) statement", "one query, without a `;` inside"),
    ];
    HINTS.iter().find(|(mark, _)| message.contains(mark)).map(|(_, hint)| (*hint).to_owned())
}
