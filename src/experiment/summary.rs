//! What a run's folder tells at a glance, and which runs there are.

use super::run_dir::RunDir;
use super::status::{State, Status};
use crate::metrics::{PARQUET_NAME, Row, Value, columns, last_rows};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A run at a glance: what its status and the end of its log say. Making one reads a few kilobytes, however long the run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSummary {
    /// Its folder.
    pub folder: PathBuf,
    /// Its folder below the one that was searched, or the folder's own name.
    pub name: String,
    /// What it is doing, or why it is not.
    pub state: State,
    /// In words: why a callback stopped it, or the error that ended it.
    pub reason: Option<String>,
    /// Updates done: those that the last checkpoint holds, or, of a run that is going on, those in the log.
    pub steps: u64,
    /// Updates in all, where they are known.
    pub total: Option<u64>,
    /// Training time, in seconds.
    pub wall_seconds: f64,
    /// Cross-entropy of the last update's windows, in nats per token.
    pub loss: Option<f64>,
    /// The same in bits per byte.
    pub bits_per_byte: Option<f64>,
    /// The last validation, in bits per byte.
    pub val_bits_per_byte: Option<f64>,
    /// The best validation, in bits per byte.
    pub best_bits_per_byte: Option<f64>,
    /// The updates done at the best validation.
    pub best_step: Option<u64>,
    /// How it went, in few numbers, for a sparkline: validations, or updates while there is no validation.
    pub curve: Vec<f64>,
    /// When it last changed.
    pub when: SystemTime,
}

/// Folders below the one that is searched: a sweep holds trials, and a study may hold sweeps.
const DEEPEST: usize = 4;

/// Every run in `root` and below it, the one that changed last first; `root` itself, if it is a run. What lies in a run's
/// folder is not searched, nor what is hidden. A folder that cannot be read is left out.
///
/// For lists and completion: no log is read but for its end, so a hundred runs take a few milliseconds.
#[must_use]
pub fn find_runs(root: &Path) -> Vec<RunSummary> {
    let summary = |(below, run): (PathBuf, RunDir)| {
        let name = if below.as_os_str().is_empty() { run.name() } else { below.display().to_string() };
        RunSummary { name, ..summarize(&run) }
    };
    let mut found: Vec<RunSummary> = run_dirs(root).into_iter().map(summary).collect();
    found.sort_by(|a, b| b.when.cmp(&a.when).then_with(|| a.name.cmp(&b.name)));
    found
}

/// The folders of the runs in `root` and below it, each with its path from there, by name.
pub(super) fn run_dirs(root: &Path) -> Vec<(PathBuf, RunDir)> {
    let mut found = Vec::new();
    let mut folders = vec![(root.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        if let Ok(run) = RunDir::open(&folder) {
            found.push((folder.strip_prefix(root).unwrap_or(&folder).to_owned(), run));
        } else if depth < DEEPEST {
            let entries = fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok);
            let visible = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
            // `file_type` and not `metadata`: a link to a folder above would be searched for ever.
            let inner = visible.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            folders.extend(inner.map(|entry| (entry.path(), depth + 1)));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// The run in `run` at a glance.
#[must_use]
pub fn summarize(run: &RunDir) -> RunSummary {
    let status = run.read_status();
    let rows = last_rows(run.path());
    let row = |split: &str| {
        let of = |row: &&Row| matches!(row.get(columns::SPLIT), Some(Value::Text(found)) if found == split);
        rows.iter().rev().find(of)
    };
    let number = |row: Option<&Row>, column: &str| row?.get(column)?.number();
    let (train, val) = (row(columns::TRAIN), row(columns::VAL));
    let busy = run.is_busy();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, exact in float64")]
    let logged = number(rows.last(), columns::STEP).map(|step| step as u64);
    // Steps after the last checkpoint are lost with the process that made them.
    let saved = status.as_ref().map(|status| status.steps);
    let steps = if busy { logged.max(saved) } else { saved.or(logged) };
    let state = match status.as_ref().map(|status| status.state) {
        _ if busy => State::Running,
        Some(State::Running) => State::Died,
        Some(state) => state,
        None => unwritten(run, steps.unwrap_or(0)),
    };
    let fresh = busy || status.is_none();
    let told = |logged: Option<f64>, saved: fn(&Status) -> Option<f64>| {
        let saved = status.as_ref().and_then(saved);
        if fresh { logged.or(saved) } else { saved.or(logged) }
    };
    RunSummary {
        folder: run.path().to_owned(),
        name: run.name(),
        state,
        reason: status.as_ref().and_then(|status| status.reason.clone()),
        steps: steps.unwrap_or(0),
        total: status.as_ref().map(|status| status.total),
        wall_seconds: told(number(rows.last(), columns::WALL_SECONDS), |status| Some(status.wall_seconds))
            .unwrap_or(0.0),
        loss: told(number(train, columns::LOSS), |status| status.loss),
        bits_per_byte: number(train, columns::BITS_PER_BYTE),
        val_bits_per_byte: told(number(val, columns::BITS_PER_BYTE), |status| status.val_bits_per_byte),
        best_bits_per_byte: status.as_ref().and_then(|status| status.best_bits_per_byte),
        best_step: status.as_ref().and_then(|status| status.best_step),
        curve: status.as_ref().map(|status| status.curve.clone()).unwrap_or_default(),
        when: changed(run, status.as_ref()),
    }
}

/// The state of a run of a version that wrote none, as far as it can be told.
fn unwritten(run: &RunDir, steps: u64) -> State {
    let total = run.read_record().ok().and_then(|record| record.train.get("steps")?.as_u64());
    if total.is_some_and(|total| steps >= total) {
        State::Finished
    } else if run.path().join(PARQUET_NAME).is_file() {
        State::Interrupted // it is written at every orderly end
    } else {
        State::Died
    }
}

/// When the log was last written; of a run without one, its status or its record.
fn changed(run: &RunDir, status: Option<&Status>) -> SystemTime {
    let modified = |path: PathBuf| fs::metadata(path).and_then(|found| found.modified()).ok();
    let told = status.map(|status| SystemTime::UNIX_EPOCH + Duration::from_secs(status.updated_unix_s));
    let found = [modified(run.metrics_path()), told, modified(run.record_path())].into_iter().flatten().next();
    found.unwrap_or(SystemTime::UNIX_EPOCH)
}
