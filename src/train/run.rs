//! Beginning a run, and going on with one.

use super::batches::Batches;
use super::checkpoint::Checkpoint;
use super::evaluate::check_levels;
use super::room::check_room;
use super::session::Session;
use super::settings::{FIXED, changed};
use super::{Observer, Outcome, TrainConfig, TrainError};
use crate::audio::{Corpus, CorpusConfig};
use crate::experiment::{ExperimentError, Record, RunDir, State, Status};
use crate::interrupt::Interrupt;
use crate::model::{Model, ModelSpec};
use crate::options::{OptionError, Options};
use crate::seed::Seed;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;
use tch::Device;

/// Where runs go when `out` names no folder.
const DEFAULT_PARENT: &str = "experiments/runs";
/// The record's key of the corpus's content hash, beside the corpus's settings.
const CONTENT_HASH: &str = "content_hash";

/// The folder that `config` asks for, made or taken up, and found writable.
///
/// # Errors
/// [`TrainError::Run`] for a folder that holds a run already (unless `existing` says what to do) or cannot be written.
pub fn open_run(config: &TrainConfig) -> Result<RunDir, TrainError> {
    Ok(match &config.out {
        Some(out) => RunDir::prepare(out, config.existing)?,
        None => RunDir::create_numbered(Path::new(DEFAULT_PARENT))?,
    })
}

/// Trains `model` on `corpus`, writing into `run`: a new run where the folder has no checkpoint, else on from the last.
///
/// A run that is continued under other training settings goes on under the new ones; the observer is told which differ, and
/// what jumps because of it.
///
/// # Errors
/// Before anything is trained: a run that keeps a setting which `config` has otherwise, or has nothing left to do for the
/// settings that differ; options out of range, another number of levels, a window that does not divide by the pools,
/// too few windows, a folder that cannot be written or has no room, a run of another model or corpus, a run that somebody
/// is training. Later: [`TrainError::NotFinite`], [`TrainError::Save`] and [`TrainError::Metrics`]; what was saved and
/// logged before stays.
pub fn train(
    model: &mut Model,
    corpus: &Corpus,
    config: &TrainConfig,
    run: &RunDir,
    observer: &mut dyn Observer,
    interrupt: &Interrupt,
) -> Result<Outcome, TrainError> {
    if run.has_checkpoint() {
        config.validate()?;
        let record = run.read_record()?;
        check_same(&record_of(model, corpus, config), &record, run)?;
        // A record of another version may have settings that this one cannot read.
        if let Ok(former) = from_settings::<TrainConfig>(record.train, "train", run) {
            let former = TrainConfig { seed: record.seed, ..former };
            check_kept(&former, config, run.path())?;
            something_to_do(&former, config, corpus, &Checkpoint::read(&run.checkpoint("last"))?)?;
        }
    }
    train_as_told(model, corpus, config, run, observer, interrupt)
}

/// The same without asking whether a run may go on so.
pub(super) fn train_as_told(
    model: &mut Model,
    corpus: &Corpus,
    config: &TrainConfig,
    run: &RunDir,
    observer: &mut dyn Observer,
    interrupt: &Interrupt,
) -> Result<Outcome, TrainError> {
    config.validate()?;
    check_levels(model, corpus)?;
    model.check_length(i64::try_from(corpus.config().window).unwrap_or(i64::MAX))?;
    check_room(model, corpus, config)?;
    let _lock = run.lock()?;
    let mut record = record_of(model, corpus, config);
    let callbacks = observer.callbacks();
    let former = if run.has_checkpoint() {
        let former = run.read_record()?;
        check_same(&record, &former, run)?;
        differences(&record, &former, &callbacks).iter().for_each(|note| observer.on_note(note));
        let mut all = former.callbacks.clone();
        all.extend(callbacks);
        record = record.going_on(&former).with_callbacks(all);
        Some((former, Checkpoint::read(&run.checkpoint("last"))?))
    } else {
        record = record.with_callbacks(callbacks);
        None
    };
    let recorded = run.is_recorded();
    let mut session = Session::new(model, corpus, config, run, observer, interrupt)?;
    run.write_record(&record)?;
    let outcome = match &former {
        Some((former, checkpoint)) => session.take_up(checkpoint).map(|()| {
            let former: Option<TrainConfig> = from_settings(former.train.clone(), "train", run).ok();
            session.tell_what_changes(former.as_ref());
        }),
        None => session.begin(recorded),
    };
    outcome.and_then(|()| session.train()).inspect_err(|error| {
        let state = if interrupt.is_set() { State::Interrupted } else { State::Failed };
        let status = run.read_status().unwrap_or_else(|| Status::new(state, 0));
        // The error itself is what the caller must hear of.
        drop(run.write_status(&Status { state, reason: Some(error.to_string()), ..status }));
    })
}

/// What is worth knowing when a run goes on: the settings, the machine and the callbacks that differ.
fn differences(record: &Record, former: &Record, callbacks: &BTreeMap<String, String>) -> Vec<String> {
    let mut notes: Vec<String> = record
        .differences(former)
        .into_iter()
        .map(|difference| format!("continuing with other settings: {difference}"))
        .collect();
    if record.threads != former.threads || record.device != former.device {
        notes.push(format!(
            "continuing on {} with {} threads, was {} with {}: results may round differently",
            record.device, record.threads, former.device, former.threads
        ));
    }
    let versions = |record: &Record| record.versions.clone();
    for (what, now, then) in [
        ("code", &record.revision, &former.revision),
        ("wasabi", &versions(record).wasabi, &versions(former).wasabi),
        ("tch", &versions(record).tch, &versions(former).tch),
        ("libtorch", &versions(record).libtorch, &versions(former).libtorch),
    ] {
        if now != then {
            notes.push(format!("continuing with {what} {now}, was {then}: results may differ in their last digits"));
        }
    }
    for (name, text) in &former.callbacks {
        match callbacks.get(name) {
            None => notes.push(format!(
                "this run was trained with {name}, which is not given now; a learning rate that it changed stays changed"
            )),
            Some(now) if now != text => notes.push(format!("{name} is not what this run was trained with so far")),
            Some(_) => {}
        }
    }
    notes
}

/// What [`resume`] rebuilt and did.
#[derive(Debug)]
pub struct Resumed {
    /// The model, as the run left it.
    pub model: Model,
    /// The corpus of the run.
    pub corpus: Corpus,
    /// The settings of the run.
    pub config: TrainConfig,
    /// What came of it.
    pub outcome: Outcome,
}

/// What a run's record is enough to make again.
pub(super) struct Rebuilt {
    pub(super) record: Record,
    pub(super) config: TrainConfig,
    pub(super) corpus: Corpus,
    /// With initial weights.
    pub(super) model: Model,
}

impl Rebuilt {
    /// Of `run`, whose weights are in `checkpoint`.
    pub(super) fn from(
        run: &RunDir,
        checkpoint: &Checkpoint,
        device: Device,
        interrupt: &Interrupt,
    ) -> Result<Self, TrainError> {
        let record = run.read_record()?;
        let mut corpus_settings = record.corpus.clone();
        corpus_settings.remove(CONTENT_HASH);
        let corpus_config: CorpusConfig = from_settings(corpus_settings, "corpus", run)?;
        let config = TrainConfig { seed: record.seed, ..from_settings(record.train.clone(), "train", run)? };
        // The record's own composition and not the manifest's: TOML gives every real back exactly, JSON may not.
        let spec: ModelSpec = from_settings(record.model.clone(), "model", run)?;
        let corpus = Corpus::open(&corpus_config, interrupt)?;
        let manifest = &checkpoint.manifest;
        let model = Model::new(&spec, manifest.levels, Seed(manifest.seed), device, manifest.precision.kind())?;
        Ok(Self { record, config, corpus, model })
    }
}

/// Goes on with the run in `folder` from its last checkpoint, rebuilding everything from its record, under the settings in
/// `changes` where they name some.
///
/// On a CPU, with the same number of threads and without changes, the weights, moments and metrics at the end are those of a
/// run that was never stopped, bit for bit. A schedule whose length was left open is laid over the run's new length: the
/// observer is told what jumps.
///
/// # Errors
/// As [`train`]; and [`TrainError::Run`] for a folder without a run, [`TrainError::CannotContinue`] when the audio has
/// changed since, [`TrainError::Options`] for a setting that a run keeps, or fewer updates than it has done.
pub fn resume(
    folder: &Path,
    changes: &Map<String, Value>,
    device: Device,
    observer: &mut dyn Observer,
    interrupt: &Interrupt,
) -> Result<Resumed, TrainError> {
    let run = RunDir::open(folder)?;
    let checkpoint = Checkpoint::read(&run.checkpoint("last"))?;
    let former: TrainConfig = from_settings(run.read_record()?.train, "train", &run)?;
    let former = TrainConfig { seed: run.read_record()?.seed, ..former };
    // Before the corpus is opened, which may take a while.
    changed(&former, changes, false)?;
    let Rebuilt { config, corpus, mut model, .. } = Rebuilt::from(&run, &checkpoint, device, interrupt)?;
    let config = changed(&config, changes, false)?;
    something_to_do(&former, &config, &corpus, &checkpoint)?;
    let outcome = train_as_told(&mut model, &corpus, &config, &run, observer, interrupt)?;
    Ok(Resumed { model, corpus, config, outcome })
}

/// That a run which stands at `checkpoint` has something left to do under `config` in place of `former`: not fewer updates
/// than it has done, and not other settings for none. A run that is done and asked for nothing else is left as it is.
pub(super) fn something_to_do(
    former: &TrainConfig,
    config: &TrainConfig,
    corpus: &Corpus,
    checkpoint: &Checkpoint,
) -> Result<(), TrainError> {
    let (progress, windows) = (&checkpoint.manifest.progress, corpus.train().windows());
    let batches = Batches::new(Seed(config.seed), windows, config.batch, config.accumulate)?;
    let (done, total) = (progress.step, config.total(batches.steps_per_epoch()));
    let (lengths, others): (Vec<_>, Vec<_>) =
        changes(former, config).into_iter().partition(|(key, _)| ["steps", "epochs"].contains(&key.as_str()));
    if let Some((key, value)) = lengths.iter().find(|_| total < done) {
        let needed = format!("more than what is done: the run stands at step {done}, and that would be step {total}");
        let hint = format!("{key} are counted from the run's beginning");
        return Err(TrainError::Options(OptionError::value(key, value, &needed).with_hint(hint)));
    }
    let patient = config.early_stop.is_none_or(|patience| progress.since_best() < patience);
    let (why, hint) = if done >= total {
        let more = done.saturating_mul(2).max(1);
        (
            format!("all of the run's {total} steps are done"),
            format!("say how many there are to be in all, as in `steps: {more}`"),
        )
    } else if !patient {
        let hint = "another `early_stop` lets it go on, or () for none".to_owned();
        (format!("the run stopped early, at step {done}"), hint)
    } else {
        return Ok(());
    };
    let Some((key, _)) = others.first() else { return Ok(()) };
    let message = format!("{why}, so another `{key}` would train nothing");
    Err(TrainError::Options(OptionError { key: key.clone(), message, hint: Some(hint) }))
}

/// That `config` leaves what the run in `path` keeps as `former` has it.
fn check_kept(former: &TrainConfig, config: &TrainConfig, path: &Path) -> Result<(), TrainError> {
    let kept = |(key, value): (String, Value)| {
        let (_, reason) = FIXED.iter().find(|(fixed, _)| *fixed == key)?;
        let message = format!("`{key}` is {value}, but the run in {} keeps its own: {reason}", path.display());
        let hint =
            format!("train another run in another `out`; run.fork(#{{ {key}: {value} }}) goes on in a run of its own");
        Some(OptionError { key, message, hint: Some(hint) })
    };
    changes(former, config).into_iter().find_map(kept).map_or(Ok(()), |error| Err(TrainError::Options(error)))
}

/// The settings of `config` that `former` has otherwise; where a run lies is none.
fn changes(former: &TrainConfig, config: &TrainConfig) -> Vec<(String, Value)> {
    let former = settings(former);
    let own = |(key, value): &(String, Value)| {
        !["out", "existing", "label"].contains(&key.as_str()) && former.get(key) != Some(value)
    };
    settings(config).into_iter().filter(own).collect()
}

/// The record of a run that starts now.
pub(super) fn record_of(model: &Model, corpus: &Corpus, config: &TrainConfig) -> Record {
    let mut corpus_settings = settings(corpus.config());
    corpus_settings.insert(CONTENT_HASH.to_owned(), corpus.content_hash().into());
    let mut train_settings = settings(config);
    // Where the folder is, and how it came to be used again, is not what the run was made of.
    train_settings.remove("out");
    train_settings.remove("existing");
    train_settings.remove("label");
    let threads = u32::try_from(tch::get_num_threads()).unwrap_or(1);
    let device = name_of(model.device());
    let record = Record::new(config.seed, device, threads, corpus_settings, train_settings, settings(model.spec()));
    Record { label: config.label.clone(), ..record }
}

fn name_of(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// Plain data as a JSON object.
fn settings(data: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(data) {
        Ok(Value::Object(map)) => map,
        Ok(other) => Map::from_iter([("value".to_owned(), other)]),
        Err(_) => Map::new(),
    }
}

/// The inverse of [`settings`].
fn from_settings<T: DeserializeOwned>(mut map: Map<String, Value>, part: &str, run: &RunDir) -> Result<T, TrainError> {
    let value = match map.remove("value") {
        Some(value) if map.is_empty() => value,
        Some(value) => {
            map.insert("value".to_owned(), value);
            Value::Object(map)
        }
        None => Value::Object(map),
    };
    serde_json::from_value(value).map_err(|error| {
        let reason = format!("its [{part}] cannot be read: {error}");
        TrainError::Run(ExperimentError::Record { path: run.record_path(), reason })
    })
}

/// That a run to be continued was made of this model and these windows.
pub(super) fn check_same(record: &Record, former: &Record, run: &RunDir) -> Result<(), TrainError> {
    let mut differences = Vec::new();
    if record.corpus.get(CONTENT_HASH) != former.corpus.get(CONTENT_HASH) {
        differences.push("its audio or the corpus settings have changed".to_owned());
    }
    differences.extend(record.differences(former).into_iter().filter(|line| line.starts_with("model.")));
    if differences.is_empty() {
        Ok(())
    } else {
        Err(TrainError::CannotContinue { path: run.path().to_owned(), differences })
    }
}
