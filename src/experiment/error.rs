//! What can go wrong with a run's folder.

use crate::options::nearest;
use std::io;
use std::path::{Path, PathBuf};

/// Why a run's folder could not be made, read or written.
#[derive(Debug, thiserror::Error)]
pub enum ExperimentError {
    /// There is a run already where a new one was asked for.
    #[error("{} already holds a run", path.display())]
    Occupied {
        /// The folder asked for.
        path: PathBuf,
    },
    /// Somebody is training the run.
    #[error("{} is being trained right now{}", path.display(), owner.as_ref().map(|by| format!(", by {by}")).unwrap_or_default())]
    Busy {
        /// The run's folder.
        path: PathBuf,
        /// By whom, where that is known.
        owner: Option<String>,
    },
    /// The folder is not a run.
    #[error("{} holds no run: there is no run.toml in it", path.display())]
    NotARun {
        /// The folder asked for.
        path: PathBuf,
    },
    /// There is nothing where a run was to be.
    #[error("{} does not exist", path.display())]
    Missing {
        /// The folder asked for.
        path: PathBuf,
    },
    /// A file or folder cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// What was being written.
        path: PathBuf,
        /// Why the system refused.
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// What was being read.
        path: PathBuf,
        /// Why the system refused.
        source: io::Error,
    },
    /// `run.toml` is not a record that this version understands.
    #[error("{} is not a run record: {reason}", path.display())]
    Record {
        /// The record's file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A run has no figures to show.
    #[error("{} holds no row with `{column}`", path.display())]
    Nothing {
        /// The log.
        path: PathBuf,
        /// What a row was to have.
        column: &'static str,
    },
    /// Runs are to be compared where one of them has not come yet.
    #[error("{run} has come to {reached} {unit}, and {upto} was asked for")]
    Beyond {
        /// The run.
        run: String,
        /// How far it has come.
        reached: f64,
        /// How far it was to have come.
        upto: f64,
        /// Of what.
        unit: &'static str,
    },
    /// Figures that cannot be read or written.
    #[error(transparent)]
    Metrics(#[from] crate::metrics::MetricsError),
    /// A setting that TOML cannot hold.
    #[error("the setting `{key}` cannot be written to run.toml: {reason}")]
    Setting {
        /// The setting's dotted name.
        key: String,
        /// What TOML lacks.
        reason: &'static str,
    },
}

impl ExperimentError {
    /// What to try next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Occupied { .. } => Some(
                "choose another folder, or set `existing` to \"continue\" (go on from its last checkpoint) or \
                 \"overwrite\" (the old run is moved aside, never deleted)"
                    .to_owned(),
            ),
            Self::Busy { .. } => Some(format!(
                "wait until it ends, or choose another folder: one run is trained once at a time; an owner that died is \
                     noticed at once on this machine, and after {} s on another",
                super::DEAD_AFTER.as_secs()
            )),
            Self::Missing { path } => Some(nearest_run(path).map_or_else(
                || {
                    "a run's folder was needed, which holds run.toml; `:runs FOLDER` at the prompt lists them"
                        .to_owned()
                },
                |near| format!("did you mean `{}`?", near.display()),
            )),
            Self::NotARun { .. } => Some("a run's folder is the one that holds run.toml and checkpoints/".to_owned()),
            Self::Write { source, .. } => Some(match source.kind() {
                io::ErrorKind::PermissionDenied => "choose a folder that you may write to".to_owned(),
                io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge | io::ErrorKind::QuotaExceeded => {
                    "make room on that disk, or choose another; what was there before is still whole".to_owned()
                }
                io::ErrorKind::ReadOnlyFilesystem => "that file system is read-only: choose another folder".to_owned(),
                _ => return None,
            }),
            Self::Record { .. } => Some("restore run.toml, or start a run in another folder".to_owned()),
            Self::Nothing { .. } => Some("train it for a step at least, or leave the run out".to_owned()),
            Self::Beyond { reached, .. } => Some(format!("leave `upto` out, or give at most {reached}")),
            Self::Metrics(error) => error.hint(),
            Self::Read { .. } | Self::Setting { .. } => None,
        }
    }
}

/// The run that whoever typed `path` may have meant: beside it, or with that name among the experiments.
fn nearest_run(path: &Path) -> Option<PathBuf> {
    let beside = path.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
    let beside = beside.filter(|parent| *parent != Path::new(".") && *parent != Path::new("/"));
    let runs: Vec<PathBuf> =
        beside.into_iter().chain([Path::new("experiments")]).flat_map(super::find_runs).map(|run| run.folder).collect();
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let names: Vec<String> = runs.iter().map(|run| name(run)).collect();
    let near = nearest(&name(path), names.iter().map(String::as_str))?;
    runs.iter().zip(&names).find(|(_, name)| *name == near).map(|(run, _)| run.clone())
}
