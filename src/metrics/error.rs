//! What can go wrong with rows, logs and frames.

use std::path::{Path, PathBuf};

/// Why a metrics operation failed.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The file system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was being done: `write`, `read`, `create`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A new log was asked for where one exists.
    #[error("{} already holds the log of a run", path.display())]
    Exists {
        /// The log.
        path: PathBuf,
    },
    /// A line that is not the last one cannot be read.
    #[error("line {line} of {} is not a row: {reason}", path.display())]
    Line {
        /// The log.
        path: PathBuf,
        /// One-based.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A column holds two kinds of values that no one type can carry.
    #[error("column `{column}` holds {first} in row {first_row} and {second} in row {second_row}; needed one kind")]
    Mixed {
        /// The column.
        column: String,
        /// Kind of the earlier value.
        first: &'static str,
        /// Zero-based row of the earlier value.
        first_row: usize,
        /// Kind of the later value.
        second: &'static str,
        /// Zero-based row of the later value.
        second_row: usize,
    },
    /// There is no such column.
    #[error("no column `{name}` in a frame of {}", known.join(", "))]
    NoColumn {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A question that cannot be answered: no SQL, text compared with numbers, an unknown aggregate, keys that do not fit.
    #[error("{message}")]
    Query {
        /// What was found and what was needed.
        message: String,
        /// What to try.
        hint: Option<String>,
    },
    /// A table library's own complaint.
    #[error("cannot {action}: {source}")]
    Frame {
        /// What was being done.
        action: String,
        /// What polars said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Tokens that the quantizer cannot have made.
    #[error("token {token} found, but {levels} levels allow only 0 to {}", levels - 1)]
    Token {
        /// The token.
        token: u16,
        /// How many levels there are.
        levels: u32,
    },
    /// A number of levels no quantizer has.
    #[error("{levels} levels, but 2 to 65536 are needed")]
    Levels {
        /// What was asked for.
        levels: u32,
    },
    /// Nothing to fit on, or nothing to score.
    #[error("the {role} split holds no tokens; a baseline needs at least one")]
    NoTokens {
        /// `training` or `evaluation`.
        role: &'static str,
    },
}

impl MetricsError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    pub(super) fn frame(action: impl Into<String>) -> impl FnOnce(polars::prelude::PolarsError) -> Self {
        move |source| Self::Frame { action: action.into(), source: Box::new(source) }
    }

    /// What to try next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::PermissionDenied => Some("choose a folder that you may write to".into()),
                std::io::ErrorKind::StorageFull => Some("free some space; rows written so far are safe".into()),
                std::io::ErrorKind::NotFound => Some("check the path".into()),
                _ => None,
            },
            Self::Exists { .. } => Some("resume that run, or choose another folder for this one".into()),
            Self::Line { line, .. } => Some(format!("repair line {line} by hand, or delete it")),
            Self::Mixed { column, .. } => Some(format!("always log `{column}` as the same kind of value")),
            Self::NoColumn { name, known } => crate::options::nearest(name, known.iter().map(String::as_str))
                .map(|near| format!("did you mean `{near}`?")),
            Self::Query { hint, .. } => hint.clone(),
            Self::Token { .. } => Some("use the levels of the quantizer that made the tokens".into()),
            Self::NoTokens { .. } => Some("give the split at least one file longer than a window".into()),
            Self::Frame { .. } | Self::Levels { .. } => None,
        }
    }
}
