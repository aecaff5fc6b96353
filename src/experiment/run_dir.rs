//! The folder of one run: where everything goes.

use super::lock::{self, RunLock};
use super::status::Status;
use super::{ExperimentError, Record, unix_s};
use crate::metrics::atomic;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What to do when the folder asked for holds a run already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Existing {
    /// Refuse, and say what the choices are.
    #[default]
    Refuse,
    /// Move the old run aside (`NAME.old-1`, `NAME.old-2`, …) and start afresh.
    Overwrite,
    /// Go on from its last checkpoint.
    Continue,
}

/// A run's folder, known to exist and to be writable when it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// A new, empty run at `path`.
    ///
    /// # Errors
    /// [`ExperimentError::Occupied`] when a run is there; [`ExperimentError::Write`] when the folder, or a file in it,
    /// cannot be made.
    pub fn create(path: &Path) -> Result<Self, ExperimentError> {
        Self::prepare(path, Existing::Refuse)
    }

    /// The run at `path`, for reading or continuing.
    ///
    /// # Errors
    /// [`ExperimentError::Missing`] when there is nothing, [`ExperimentError::NotARun`] when it is something else.
    pub fn open(path: &Path) -> Result<Self, ExperimentError> {
        let run = Self { path: path.to_owned() };
        if run.is_recorded() {
            Ok(run)
        } else if path.exists() {
            Err(ExperimentError::NotARun { path: path.to_owned() })
        } else {
            Err(ExperimentError::Missing { path: path.to_owned() })
        }
    }

    /// The run at `path`, made or taken up as `existing` says, and found writable by writing to it.
    ///
    /// # Errors
    /// [`ExperimentError::Occupied`] under [`Existing::Refuse`]; [`ExperimentError::Busy`] under [`Existing::Overwrite`]
    /// when the run is being trained; [`ExperimentError::Write`] when something cannot be written, before any work has gone
    /// into it.
    pub fn prepare(path: &Path, existing: Existing) -> Result<Self, ExperimentError> {
        let run = Self { path: path.to_owned() };
        if run.is_recorded() {
            match existing {
                Existing::Refuse => return Err(ExperimentError::Occupied { path: path.to_owned() }),
                Existing::Overwrite if run.is_busy() => return Err(lock::busy(path)),
                Existing::Overwrite => run.move_aside()?,
                Existing::Continue => {}
            }
        }
        for folder in [run.path().to_owned(), run.checkpoints(), run.samples(), run.figures()] {
            fs::create_dir_all(&folder).map_err(|source| ExperimentError::Write { path: folder.clone(), source })?;
            probe(&folder)?;
        }
        Ok(run)
    }

    /// The first of `PARENT/run-001`, `PARENT/run-002`, … that does not exist yet.
    ///
    /// # Errors
    /// As [`RunDir::create`].
    pub fn create_numbered(parent: &Path) -> Result<Self, ExperimentError> {
        fs::create_dir_all(parent).map_err(|source| ExperimentError::Write { path: parent.to_owned(), source })?;
        for number in 1_u32.. {
            let path = parent.join(format!("run-{number:03}"));
            // `create_dir` and not "does it exist?": two processes then never share a number.
            match fs::create_dir(&path) {
                Ok(()) => return Self::create(&path),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(ExperimentError::Write { path, source }),
            }
        }
        Err(ExperimentError::Occupied { path: parent.to_owned() })
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The last part of the folder's name.
    #[must_use]
    pub fn name(&self) -> String {
        self.path
            .file_name()
            .map_or_else(|| self.path.display().to_string(), |name| name.to_string_lossy().into_owned())
    }

    /// `run.toml`.
    #[must_use]
    pub fn record_path(&self) -> PathBuf {
        self.path.join("run.toml")
    }

    /// `metrics.jsonl`, appended as training goes.
    #[must_use]
    pub fn metrics_path(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    /// `checkpoints/`.
    #[must_use]
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// The checkpoint called `name` (`last`, `best`).
    #[must_use]
    pub fn checkpoint(&self, name: &str) -> PathBuf {
        self.checkpoints().join(format!("{name}.safetensors"))
    }

    /// `samples/`.
    #[must_use]
    pub fn samples(&self) -> PathBuf {
        self.path.join("samples")
    }

    /// `figures/`.
    #[must_use]
    pub fn figures(&self) -> PathBuf {
        self.path.join("figures")
    }

    /// Whether a record has been written: the folder then holds a run.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.record_path().is_file()
    }

    /// Whether there is a checkpoint to continue from.
    #[must_use]
    pub fn has_checkpoint(&self) -> bool {
        self.checkpoint("last").is_file()
    }

    /// Writes `run.toml`.
    ///
    /// # Errors
    /// [`ExperimentError::Write`], or [`ExperimentError::Setting`] for a setting that TOML cannot hold.
    pub fn write_record(&self, record: &Record) -> Result<(), ExperimentError> {
        let text = record.to_toml()?;
        let path = self.record_path();
        atomic::replace(&path, |out| out.write_all(text.as_bytes()))
            .map_err(|source| ExperimentError::Write { path, source })
    }

    /// Reads `run.toml`.
    ///
    /// # Errors
    /// [`ExperimentError::Read`] or [`ExperimentError::Record`].
    pub fn read_record(&self) -> Result<Record, ExperimentError> {
        let path = self.record_path();
        let text = fs::read_to_string(&path).map_err(|source| ExperimentError::Read { path: path.clone(), source })?;
        Record::from_toml(&text).map_err(|reason| ExperimentError::Record { path, reason })
    }

    /// `status.json`.
    #[must_use]
    pub fn status_path(&self) -> PathBuf {
        self.path.join("status.json")
    }

    /// Writes `status.json`, with the time.
    ///
    /// # Errors
    /// [`ExperimentError::Write`].
    pub fn write_status(&self, status: &Status) -> Result<(), ExperimentError> {
        let text = Status { updated_unix_s: unix_s(), ..status.clone() }.to_json();
        let path = self.status_path();
        make_way(&path)?;
        atomic::replace(&path, |out| writeln!(out, "{text}")).map_err(|source| ExperimentError::Write { path, source })
    }

    /// Reads `status.json`; `None` where there is none, or one of another version.
    #[must_use]
    pub fn read_status(&self) -> Option<Status> {
        Status::from_json(&fs::read_to_string(self.status_path()).ok()?)
    }

    /// Keeps everybody else from training this run while the lock lives, and clears away what a killed process had half
    /// written under a temporary name.
    ///
    /// # Errors
    /// [`ExperimentError::Busy`] when somebody does already; [`ExperimentError::Write`].
    pub fn lock(&self) -> Result<RunLock, ExperimentError> {
        let held = lock::lock(&self.path)?;
        [self.path.clone(), self.checkpoints()].iter().for_each(|folder| clear_parts(folder));
        Ok(held)
    }

    /// Whether the run is being trained right now, as far as can be told: by a process on this machine, or by one whose heart
    /// beats on another.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        lock::is_locked(&self.path)
    }

    fn move_aside(&self) -> Result<(), ExperimentError> {
        let aside = (1_u32..)
            .map(|number| self.path.with_file_name(format!("{}.old-{number}", self.name())))
            .find(|candidate| !candidate.exists())
            .unwrap_or_else(|| self.path.with_extension("old"));
        fs::rename(&self.path, &aside).map_err(|source| ExperimentError::Write { path: aside, source })
    }
}

/// Moves a folder that lies where a file is to be aside, to `NAME.aside-1`, …: it is not ours, and is never deleted.
///
/// # Errors
/// [`ExperimentError::Write`] if it cannot be moved.
pub fn make_way(path: &Path) -> Result<(), ExperimentError> {
    if !path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        return Ok(());
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut free = (1_u32..).map(|number| path.with_file_name(format!("{name}.aside-{number}")));
    let aside = free.find(|candidate| !candidate.exists()).unwrap_or_else(|| path.with_extension("aside"));
    fs::rename(path, &aside).map_err(|source| ExperimentError::Write { path: path.to_owned(), source })
}

/// Removes our own temporary files from `folder`: with the lock in hand, nobody is writing them any more.
fn clear_parts(folder: &Path) {
    const OURS: [&str; 8] = [
        "..owner.json.",
        ".run.toml.",
        ".status.json.",
        ".metrics.jsonl.",
        ".metrics.parquet.",
        ".last.",
        ".best.",
        ".top-",
    ];
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".part") && OURS.iter().any(|ours| name.starts_with(ours)) {
            // What stays costs room, and nothing else.
            drop(fs::remove_file(entry.path()));
        }
    }
}

/// Finds out whether `folder` can be written by writing: permissions, read-only mounts and full disks all show.
fn probe(folder: &Path) -> Result<(), ExperimentError> {
    let path = folder.join(format!(".writable.{}", std::process::id()));
    let written = fs::write(&path, b"wasabi writes here\n");
    let removed = fs::remove_file(&path);
    written.and(removed).map_err(|source| ExperimentError::Write { path: folder.to_owned(), source })
}
