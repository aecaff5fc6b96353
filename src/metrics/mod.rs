//! Figures about runs: rows, the log that survives a crash, frames, and the baselines that every model has to beat.
//!
//! Lives here: [`Row`] (what happened at one step), [`Log`] (rows appended to `metrics.jsonl` and flushed one by one,
//! compacted to `metrics.parquet`), [`Frame`] (a table; the only door to polars), [`Baselines`] (what a model that knows
//! nothing, the histogram, or only the previous token would score), and [`atomic`] (files that are whole or absent).
//! Does not: see a tensor, draw, or decide when to log. May use: no other room.

pub mod atomic;
mod baselines;
pub mod columns;
mod error;
mod frame;
mod json;
mod log;
mod row;
mod sparkline;
mod tensorboard;

pub use baselines::{BACKOFF_MASS, Baselines, Bits, baselines, bits_per_byte};
pub use error::MetricsError;
pub use frame::{Aggregate, Aggregation, Frame, Groups, Join, Names, PivotConfig, Summary, UnpivotConfig};
pub use log::{LOG_NAME, Log, PARQUET_NAME, Torn, last_rows, read_log, read_log_anyway, read_log_with};
pub use row::{Row, Value};
pub use sparkline::sparkline;
