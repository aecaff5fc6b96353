//! A new run that goes on where another stands.
//!
//! The fork begins as a copy: weights, moments, progress, the log up to there. Then it is gone on with as any run is, so
//! that a fork without changes is, bit for bit, the run that it was forked off.

use super::checkpoint::{self, Checkpoint};
use super::run::{Rebuilt, Resumed, check_same, open_run, record_of, something_to_do, train_as_told};
use super::settings::changed;
use super::{Observer, TrainConfig, TrainError};
use crate::experiment::{ForkOrigin, RunDir};
use crate::interrupt::Interrupt;
use crate::metrics::{LOG_NAME, Log};
use crate::options::OptionError;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use std::fs;
use std::path::{Path, PathBuf};
use tch::Device;

/// Which checkpoint of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// The last.
    Last,
    /// That of the best validation.
    Best,
    /// The one after so many updates.
    Step(u64),
}

impl Serialize for Point {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Last => serializer.serialize_str("last"),
            Self::Best => serializer.serialize_str("best"),
            Self::Step(step) => serializer.serialize_u64(*step),
        }
    }
}

impl<'de> Deserialize<'de> for Point {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        match (value.as_str(), value.as_u64()) {
            (Some("last"), _) => Ok(Self::Last),
            (Some("best"), _) => Ok(Self::Best),
            (_, Some(step)) => Ok(Self::Step(step)),
            _ => Err(serde::de::Error::custom("expected \"last\", \"best\", or the step of one of them")),
        }
    }
}

crate::options! {
    /// Where a run is forked, beside the settings of training that are to change.
    pub struct Fork for "fork" {
        /// The checkpoint to go on from. [; "last", "best", the step of one of them]
        from: Point = Point::Last,
        /// Whether the optimiser's moments come along; by default where the checkpoint has them, which the best one has
        /// only while it is the last one too. [; true, false]
        moments: Option<bool> = None,
    }
}

/// Goes on with the run in `folder`, under `changes` of its settings, in a run of its own: `out` among the changes, else the
/// next free folder.
///
/// # Errors
/// As [`resume`](super::resume()); and [`TrainError::Options`] for a checkpoint that is not there or has no moments.
pub fn fork(
    folder: &Path,
    fork: &Fork,
    changes: &Map<String, Value>,
    device: Device,
    observer: &mut dyn Observer,
    interrupt: &Interrupt,
) -> Result<Resumed, TrainError> {
    let parent = RunDir::open(folder)?;
    let checkpoint = chosen(&parent, fork)?;
    let Rebuilt { record: former, config, corpus, mut model } = Rebuilt::from(&parent, &checkpoint, device, interrupt)?;
    let former_config = config;
    let config = changed(&former_config, changes, true)?;
    let record = record_of(&model, &corpus, &config);
    check_same(&record, &former, &parent)?;
    something_to_do(&former_config, &config, &corpus, &checkpoint)?;
    let run = open_elsewhere(&config, &parent)?;
    if !run.has_checkpoint() {
        copy_into(&run, &parent, &checkpoint)?;
        let origin = ForkOrigin {
            run: parent.path().display().to_string(),
            step: checkpoint.manifest.step,
            signature: former.signature.clone(),
            moments: !checkpoint.moments.is_empty(),
        };
        let (created_unix_s, mut record) = (record.created_unix_s, former);
        (record.created_unix_s, record.forked_from) = (created_unix_s, Some(origin));
        // Last: before, the folder holds no run.
        run.write_record(&record)?;
    }
    if checkpoint.moments.is_empty() && fork.moments.is_none() {
        observer.on_note("that checkpoint holds no moments of the optimiser: they begin at zero");
    }
    let outcome = train_as_told(&mut model, &corpus, &config, &run, observer, interrupt)?;
    Ok(Resumed { model, corpus, config, outcome })
}

/// The checkpoint that `fork` names, without its moments if they are to stay behind.
fn chosen(parent: &RunDir, fork: &Fork) -> Result<Checkpoint, TrainError> {
    let refused = |key: &str, message: String, hint: &str| {
        TrainError::Options(OptionError { key: key.to_owned(), message, hint: Some(hint.to_owned()) })
    };
    let last = Checkpoint::read(&parent.checkpoint("last"));
    // From the best, a last one that is damaged does not matter.
    if last.is_err() && fork.from == Point::Best && fork.moments != Some(true) {
        return Checkpoint::read(&parent.checkpoint("best"));
    }
    let last = last?;
    let best = parent.checkpoint("best");
    let best = if best.is_file() { Some(Checkpoint::read(&best)?) } else { None };
    let step_of = |checkpoint: &Checkpoint| checkpoint.manifest.step;
    let steps = (step_of(&last), best.as_ref().map(step_of));
    let wanted = match fork.from {
        Point::Last => steps.0,
        Point::Best => steps.1.ok_or_else(|| {
            refused("from", format!("{} has no best checkpoint yet", parent.path().display()), "fork from \"last\"")
        })?,
        Point::Step(step) => step,
    };
    let mut found = if wanted == steps.0 {
        last
    } else if let Some(best) = best.filter(|best| step_of(best) == wanted) {
        best
    } else {
        let best = steps.1.map_or_else(String::new, |step| format!(" and step {step} (the best)"));
        let there = format!("there are step {} (the last){best}", steps.0);
        return Err(refused("from", format!("there is no checkpoint of step {wanted}"), &there));
    };
    match fork.moments {
        Some(true) if found.moments.is_empty() => Err(refused(
            "moments",
            format!("the checkpoint of step {wanted} holds no moments of the optimiser"),
            "fork from \"last\", or leave `moments` out to begin them at zero",
        )),
        Some(false) => {
            found.moments.clear();
            Ok(found)
        }
        _ => Ok(found),
    }
}

/// The folder that `config` asks for, which is not that of `parent`.
fn open_elsewhere(config: &TrainConfig, parent: &RunDir) -> Result<RunDir, TrainError> {
    let same = |out: &PathBuf| fs::canonicalize(out).ok() == fs::canonicalize(parent.path()).ok() && out.exists();
    match config.out.as_ref().filter(|out| same(out)) {
        Some(out) => Err(TrainError::Options(
            OptionError::value("out", out.display(), "another folder than that of the run itself")
                .with_hint("leave `out` out for the next free folder, or resume the run"),
        )),
        None => open_run(config),
    }
}

/// Everything of `parent` up to `checkpoint`.
fn copy_into(run: &RunDir, parent: &RunDir, checkpoint: &Checkpoint) -> Result<(), TrainError> {
    let copy = |from: PathBuf, to: PathBuf| {
        fs::copy(&from, &to).map(drop).map_err(|source| crate::experiment::ExperimentError::Write { path: to, source })
    };
    copy(parent.metrics_path(), run.path().join(LOG_NAME))?;
    drop(Log::reopen(run.path(), Some(checkpoint.manifest.step))?);
    let best = checkpoint.manifest.progress.best();
    let theirs = parent.checkpoint("best");
    if theirs.is_file() {
        let theirs_is_ours = Checkpoint::read(&theirs)?.manifest.step;
        if best.is_some_and(|best| best.step == theirs_is_ours) {
            copy(theirs.clone(), run.checkpoint("best"))?;
            copy(theirs.with_extension("json"), run.checkpoint("best").with_extension("json"))?;
        }
    }
    checkpoint::copy(checkpoint, &run.checkpoint("last"))
}
