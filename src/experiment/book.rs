//! The lab book of a folder: every run in it with its settings and figures, as a table.
//!
//! Reading 2,000 records takes most of a second, so what was read is kept in an index beside the runs (`index`); it is never
//! the only copy, and a list made without it says the same.

use super::index::{Index, Stamp};
use super::run_dir::RunDir;
use super::settings::{Settings, flatten};
use super::summary::{run_dirs, summarize};
use super::{ExperimentError, RunSummary, State};
use crate::metrics::{Frame, Value as Cell, last_rows};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A run as the lab book has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its folder below the one that was searched.
    pub name: String,
    /// What it is doing, or why it is not.
    pub state: State,
    /// In words: why a callback stopped it, or the error that ended it.
    pub reason: Option<String>,
    /// Updates done.
    pub steps: u64,
    /// Updates in all, where they are known.
    pub total: Option<u64>,
    /// Training time, in seconds.
    pub seconds: Option<f64>,
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
    /// When it last changed, in seconds since 1970-01-01 UTC.
    pub changed_unix_s: f64,
    /// What its record says beside the settings; `None` where the record cannot be read.
    pub origin: Option<Origin>,
    /// Its settings by their dotted names.
    pub settings: Settings,
    /// Files in its folder that are not what they should be, in words.
    pub problems: Vec<String>,
}

/// Where a run comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The seed of its random numbers.
    pub seed: u64,
    /// When it was begun, in seconds since 1970-01-01 UTC.
    pub created_unix_s: u64,
    /// The code that ran.
    pub revision: String,
    /// Where it ran.
    pub device: String,
    /// What its people call it.
    pub label: Option<String>,
    /// The sweep that it is a trial of.
    pub parent: Option<String>,
    /// The run that it was forked off.
    pub forked_from: Option<String>,
    /// Of everything that decides the outcome.
    pub signature: String,
}

/// Every run of a folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Book {
    root: PathBuf,
    entries: Vec<Entry>,
    problems: Vec<String>,
}

impl Book {
    /// Every run in `root` and below it, the one that changed last at the end, by the index where it is still true. What had
    /// to be read anew is put into the index, if the folder can be written; an index that is damaged or of another version is
    /// made anew.
    #[must_use]
    pub fn open(root: &Path) -> Self {
        let dirs = run_dirs(root);
        if dirs.iter().any(|(name, _)| name.as_os_str().is_empty()) {
            return Self::read(root); // one run: nothing is written into its folder
        }
        let mut index = Index::read(root);
        let mut entries = Vec::with_capacity(dirs.len());
        let mut kept = Index::default();
        let mut changed = index.len() != dirs.len();
        for (name, run) in &dirs {
            let key = name.to_string_lossy().into_owned();
            // The stamp comes first: what changes while it is read makes the entry stale, never wrong for good.
            let (stamp, busy) = (Stamp::of(run), run.is_busy());
            match index.take(&key, &stamp).filter(|_| !busy) {
                Some(entry) => {
                    kept.put(key, stamp, entry.clone());
                    entries.push(entry);
                }
                None => {
                    let entry = Entry::of(run, &key);
                    if entry.state != State::Running {
                        changed = true;
                        kept.put(key, stamp, entry.clone());
                    }
                    entries.push(entry);
                }
            }
        }
        if changed {
            // Without it the next list is as true, and slower.
            drop(kept.write(root));
        }
        Self::of(root, entries)
    }

    /// The same, by the runs alone.
    #[must_use]
    pub fn read(root: &Path) -> Self {
        let own =
            root.file_name().map_or_else(|| root.display().to_string(), |name| name.to_string_lossy().into_owned());
        let name = |name: &Path| if name.as_os_str().is_empty() { own.clone() } else { name.display().to_string() };
        let entries = run_dirs(root).iter().map(|(below, run)| Entry::of(run, &name(below))).collect();
        Self::of(root, entries)
    }

    fn of(root: &Path, mut entries: Vec<Entry>) -> Self {
        entries.sort_by(|a, b| a.changed_unix_s.total_cmp(&b.changed_unix_s).then_with(|| a.name.cmp(&b.name)));
        let problems = entries.iter().flat_map(|entry| entry.problems.iter().cloned()).collect();
        Self { root: root.to_owned(), entries, problems }
    }

    /// The runs.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Files that are not what they should be, in words; the runs are listed nevertheless.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The settings that are not the same in all runs, in order.
    #[must_use]
    pub fn varied(&self) -> Vec<&str> {
        let names: BTreeSet<&str> =
            self.entries.iter().flat_map(|entry| entry.settings.keys().map(String::as_str)).collect();
        let known: Vec<&Entry> = self.entries.iter().filter(|entry| entry.origin.is_some()).collect();
        let varies = |name: &&str| {
            let mut values = known.iter().map(|entry| entry.settings.get(*name).unwrap_or(&Value::Null));
            values.next().is_some_and(|first| values.any(|value| value != first))
        };
        names.into_iter().filter(varies).collect()
    }

    /// A row for each run: figures, the settings that differ between the runs, where it comes from. Columns are the same for
    /// any runs, but for the settings.
    ///
    /// # Errors
    /// [`ExperimentError::Metrics`] if the table cannot be made.
    pub fn frame(&self) -> Result<Frame, ExperimentError> {
        let mut columns: Vec<(String, Vec<Option<Cell>>)> = Vec::new();
        let mut add = |name: &str, of: &dyn Fn(&Entry) -> Option<Cell>| {
            columns.push((name.to_owned(), self.entries.iter().map(of).collect()));
        };
        let origin = |of: fn(&Origin) -> Option<Cell>| move |entry: &Entry| entry.origin.as_ref().and_then(of);
        add("run", &|entry| Some(entry.name.as_str().into()));
        add("state", &|entry| Some(entry.state.to_string().into()));
        add("steps", &|entry| Some(entry.steps.into()));
        add("total", &|entry| entry.total.map(Cell::from));
        add("loss", &|entry| entry.loss.map(Cell::from));
        add("bits_per_byte", &|entry| entry.bits_per_byte.map(Cell::from));
        add("val_bits_per_byte", &|entry| entry.val_bits_per_byte.map(Cell::from));
        add("best_bits_per_byte", &|entry| entry.best_bits_per_byte.map(Cell::from));
        add("best_step", &|entry| entry.best_step.map(Cell::from));
        add("final_bits_per_byte", &|entry| {
            entry.val_bits_per_byte.filter(|_| entry.state.is_finished()).map(Cell::from)
        });
        add("seconds", &|entry| entry.seconds.map(Cell::from));
        for name in self.varied().into_iter().filter(|name| *name != "train.seed") {
            let values: Vec<Option<Cell>> =
                self.entries.iter().map(|entry| entry.settings.get(name).and_then(cell)).collect();
            let values = if is_mixed(&values) { values.into_iter().map(as_text).collect() } else { values };
            columns.push((name.to_owned(), values));
        }
        let mut add = |name: &str, of: &dyn Fn(&Entry) -> Option<Cell>| {
            columns.push((name.to_owned(), self.entries.iter().map(of).collect()));
        };
        add("seed", &origin(|origin| Some(origin.seed.into())));
        add("label", &origin(|origin| origin.label.clone().map(Cell::from)));
        add("parent", &origin(|origin| origin.parent.clone().map(Cell::from)));
        add("forked_from", &origin(|origin| origin.forked_from.clone().map(Cell::from)));
        add("device", &origin(|origin| Some(origin.device.as_str().into())));
        add("revision", &origin(|origin| Some(origin.revision.as_str().into())));
        add("signature", &origin(|origin| Some(origin.signature.as_str().into())));
        add("created", &origin(|origin| Some(origin.created_unix_s.into())));
        add("changed", &|entry| Some(entry.changed_unix_s.into()));
        add("reason", &|entry| entry.reason.clone().map(Cell::from));
        add("problem", &|entry| Some(entry.problems.join("; ").into()).filter(|_| !entry.problems.is_empty()));
        add("folder", &|entry| Some(self.folder(entry).display().to_string().into()));
        Ok(Frame::from_values(columns.iter().map(|(name, values)| (name.as_str(), values.as_slice())))?)
    }

    /// The folder of a run.
    #[must_use]
    pub fn folder(&self, entry: &Entry) -> PathBuf {
        let inside = self.root.join(&entry.name);
        if RunDir::open(&self.root).is_ok() { self.root.clone() } else { inside }
    }
}

impl Entry {
    fn of(run: &RunDir, name: &str) -> Self {
        let RunSummary {
            state,
            reason,
            steps,
            total,
            wall_seconds,
            loss,
            bits_per_byte,
            val_bits_per_byte,
            best_bits_per_byte,
            best_step,
            when,
            ..
        } = summarize(run);
        let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
        let mut problems = problems_in(run);
        let record = run.read_record().map_err(|error| problems.push(error.to_string())).ok();
        Self {
            name: name.to_owned(),
            state,
            reason,
            steps,
            total,
            seconds: finite(Some(wall_seconds)),
            loss: finite(loss),
            bits_per_byte: finite(bits_per_byte),
            val_bits_per_byte: finite(val_bits_per_byte),
            best_bits_per_byte: finite(best_bits_per_byte),
            best_step,
            changed_unix_s: when.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
            settings: record.as_ref().map(flatten).unwrap_or_default(),
            origin: record.map(|record| Origin {
                seed: record.seed,
                created_unix_s: record.created_unix_s,
                revision: record.revision,
                device: record.device,
                label: record.label,
                parent: record.parent,
                forked_from: record.forked_from.map(|origin| origin.run),
                signature: record.signature,
            }),
            problems,
        }
    }
}

/// The files of a run that are not what they should be, as far as a look at their beginnings and ends tells, in words. A file
/// that is not there is no problem. The record is not looked at.
#[must_use]
pub fn problems_in(run: &RunDir) -> Vec<String> {
    let mut out = Vec::new();
    let there = |path: &Path| path.symlink_metadata().is_ok();
    let status = run.status_path();
    if there(&status) && run.read_status().is_none() {
        out.push(format!("{} is no status that this version reads; the log is asked instead", status.display()));
    }
    let log = run.metrics_path();
    let is_empty = log.metadata().is_ok_and(|found| found.is_file() && found.len() == 0);
    if there(&log) && !is_empty && last_rows(run.path()).is_empty() {
        out.push(format!("{} holds no row that can be read", log.display()));
    }
    for name in ["last", "best"] {
        let path = run.checkpoint(name);
        if there(&path) && !looks_whole(&path) {
            out.push(format!("{} is no whole checkpoint", path.display()));
        }
    }
    out
}

/// Whether a file begins as safetensors do, and is long enough for its header.
fn looks_whole(path: &Path) -> bool {
    let read = || -> std::io::Result<bool> {
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        let mut head = [0; 9];
        file.read_exact(&mut head)?;
        let header = u64::from_le_bytes([head[0], head[1], head[2], head[3], head[4], head[5], head[6], head[7]]);
        Ok(head[8] == b'{' && header.checked_add(8).is_some_and(|needed| needed <= size))
    };
    read().unwrap_or(false)
}

/// A setting as a cell; a list or an empty map as JSON.
fn cell(value: &Value) -> Option<Cell> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(flag) => Cell::Bool(*flag),
        Value::String(text) => Cell::Text(text.clone()),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Cell::Int(integer),
            (None, Some(real)) => Cell::Real(real),
            (None, None) => Cell::Text(number.to_string()),
        },
        other => Cell::Text(other.to_string()),
    })
}

/// Whether cells are of kinds that no column can hold together.
fn is_mixed(cells: &[Option<Cell>]) -> bool {
    let kind = |cell: &Cell| match cell {
        Cell::Int(_) | Cell::Real(_) => 0,
        Cell::Text(_) => 1,
        Cell::Bool(_) => 2,
    };
    cells.iter().flatten().map(kind).collect::<BTreeSet<u8>>().len() > 1
}

fn as_text(cell: Option<Cell>) -> Option<Cell> {
    cell.map(|cell| match cell {
        Cell::Int(value) => value.to_string().into(),
        Cell::Real(value) => value.to_string().into(),
        Cell::Bool(value) => value.to_string().into(),
        text @ Cell::Text(_) => text,
    })
}
