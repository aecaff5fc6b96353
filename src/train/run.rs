//! Beginning a run, and going on with one.

use super::checkpoint::Checkpoint;
use super::evaluate::check_levels;
use super::session::Session;
use super::{Observer, Outcome, TrainConfig, TrainError};
use crate::audio::{Corpus, CorpusConfig};
use crate::experiment::{ExperimentError, Record, RunDir};
use crate::interrupt::Interrupt;
use crate::model::{Model, ModelSpec};
use crate::options::Options;
use crate::seed::Seed;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
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
/// A run that is continued under other training settings goes on under the new ones; the observer is told which differ.
///
/// # Errors
/// Before anything is trained: options out of range, another number of levels, a window that does not divide by the pools,
/// too few windows, a folder that cannot be written or has no room, a run of another model or corpus. Later:
/// [`TrainError::NotFinite`], [`TrainError::Save`] and [`TrainError::Metrics`]; what was saved and logged before stays.
pub fn train(
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
    let record = record_of(model, corpus, config);
    let checkpoint = if run.has_checkpoint() {
        let former = run.read_record()?;
        check_same(&record, &former, run)?;
        for difference in record.differences(&former) {
            observer.on_note(&format!("continuing with other settings: {difference}"));
        }
        if record.threads != former.threads || record.device != former.device {
            observer.on_note(&format!(
                "continuing on {} with {} threads, was {} with {}: results may round differently",
                record.device, record.threads, former.device, former.threads
            ));
        }
        Some(Checkpoint::read(&run.checkpoint("last"))?)
    } else {
        None
    };
    let recorded = run.is_recorded();
    let mut session = Session::new(model, corpus, config, run, observer, interrupt)?;
    run.write_record(&record)?;
    match &checkpoint {
        Some(checkpoint) => session.take_up(checkpoint)?,
        None => session.begin(recorded)?,
    }
    session.train()
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

/// Goes on with the run in `folder` from its last checkpoint, rebuilding everything from its record.
///
/// On a CPU, with the same number of threads, the weights, moments and metrics at the end are those of a run that was never
/// stopped, bit for bit.
///
/// # Errors
/// As [`train`]; and [`TrainError::Run`] for a folder without a run, [`TrainError::CannotContinue`] when the audio has
/// changed since.
pub fn resume(
    folder: &Path,
    device: Device,
    observer: &mut dyn Observer,
    interrupt: &Interrupt,
) -> Result<Resumed, TrainError> {
    let run = RunDir::open(folder)?;
    let record = run.read_record()?;
    let mut corpus_settings = record.corpus.clone();
    corpus_settings.remove(CONTENT_HASH);
    let corpus_config: CorpusConfig = from_settings(corpus_settings, "corpus", &run)?;
    let mut config: TrainConfig = from_settings(record.train.clone(), "train", &run)?;
    config.seed = record.seed;
    let corpus = Corpus::open(&corpus_config, interrupt)?;
    let checkpoint = Checkpoint::read(&run.checkpoint("last"))?;
    // The record's own composition and not the manifest's: TOML gives every real back exactly, JSON may not.
    let spec: ModelSpec = from_settings(record.model.clone(), "model", &run)?;
    let manifest = &checkpoint.manifest;
    let mut model = Model::new(&spec, manifest.levels, Seed(manifest.seed), device, manifest.precision.kind())?;
    let outcome = train(&mut model, &corpus, &config, &run, observer, interrupt)?;
    Ok(Resumed { model, corpus, config, outcome })
}

/// The record of a run that starts now.
fn record_of(model: &Model, corpus: &Corpus, config: &TrainConfig) -> Record {
    let mut corpus_settings = settings(corpus.config());
    corpus_settings.insert(CONTENT_HASH.to_owned(), corpus.content_hash().into());
    let mut train_settings = settings(config);
    // Where the folder is, and how it came to be used again, is not what the run was made of.
    train_settings.remove("out");
    train_settings.remove("existing");
    let threads = u32::try_from(tch::get_num_threads()).unwrap_or(1);
    let device = name_of(model.device());
    Record::new(config.seed, device, threads, corpus_settings, train_settings, settings(model.spec()))
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
fn check_same(record: &Record, former: &Record, run: &RunDir) -> Result<(), TrainError> {
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
