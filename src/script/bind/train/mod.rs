//! `train`: training, going on with a run, forking one.

mod book;
mod callbacks;
mod evaluate;
mod run;
mod steering;
mod steering_docs;

use std::path::Path;
use std::rc::Rc;
use std::sync::OnceLock;

use rhai::{Dynamic, Engine, Map, NativeCallContext};
use serde_json::Value;

use super::Outcome;
use super::audio::CorpusValue;
use super::model::ModelValue;
use crate::audio::Corpus;
use crate::device;
use crate::options::{Field, Options};
use crate::script::context::Context;
use crate::script::convert;
use crate::script::docs::{Doc, Docs};
use crate::script::fault::Fault;
use crate::seed::Seed;
use crate::train::{self, FIXED, Fork, TrainConfig, TrainError, open_run};
pub(crate) use book::{differing_in, runs};
use callbacks::{Callbacks, FIELDS, Watch};
pub(crate) use evaluate::{accuracies, table};
pub use evaluate::{describe, score_model};
pub use run::RunValue;

const DOCS: &[Doc] = &[
    Doc {
        name: "train",
        of: "",
        signature: "train(model, corpus[, #{ … }]) -> Run",
        about: "Trains a model, writing metrics and checkpoints into the run's folder. A trained model is trained further, \
                from its weights. Ctrl-C stops at the next step and saves. Functions among the options watch and steer: \
                `on_step: |s| …` is handed a Step, `on_eval: |e| …` a Validation.",
        options: Some(train_fields),
        example: "let run = train(sashimi(#{ d_model: 8, n_layers: 1, pool: [4], d_state: 16 }), music, #{ steps: 2, batch: 1, \
                  eval_windows: 1, out: out + \"/run\", schedule: warmup(1).then(cosine()), dropout: linear(0, 0.2),\n    \
                  on_eval: |e| if e.bits_per_byte < 2 { e.stop() } });",
    },
    Doc {
        name: "resume",
        of: "",
        signature: "resume(run_folder[, #{ … }]) -> Run",
        about: "Goes on with the run in a folder from its last checkpoint, with the settings it was started with and those \
                given now: more `steps`, another `lr`, `schedule`, `max_seconds`, callbacks. An open schedule (a `cosine` \
                without a length) is laid over the new number of steps, and what jumps is told. On a CPU and without other \
                settings, the result is that of a run which was never stopped, bit for bit.",
        options: Some(resume_fields),
        example: "let run = resume(run_folder);",
    },
    Doc {
        name: "resume",
        of: "Run",
        signature: "run.resume([#{ … }]) -> Run",
        about: "Goes on with this run from its last checkpoint, as resume(folder) does. Settings that dealt the windows so far \
                (seed, batch, accumulate) stay: a fork may change them.",
        options: Some(resume_fields),
        example: "let net = isotropic(#{ d_model: 4, n_layers: 1, d_state: 4 });\n\
                  let run = train(net, music, #{ steps: 1, eval_windows: 1, out: out + \"/run\" });\n\
                  print(run.resume(#{ steps: 2, lr: 0.001 }));",
    },
    Doc {
        name: "fork",
        of: "Run",
        signature: "run.fork([#{ … }]) -> Run",
        about: "Goes on where this run stands, in a run of its own: `out`, or the next free folder. Weights, the optimiser's \
                moments and the count of steps come along, and so do the metrics up to there; any setting of `train` may \
                change. Without changes it becomes, bit for bit, what this run would become. To begin at step 0 from the \
                weights alone, train(run, music, #{ … }).",
        options: Some(fork_fields),
        example: "print(load_run(run_folder).fork(#{ steps: 3, lr: 0.001, out: out + \"/fork\" }));",
    },
];

/// The options of `train`: its settings and the functions that watch.
fn train_fields() -> &'static [Field] {
    static ALL: OnceLock<Vec<Field>> = OnceLock::new();
    ALL.get_or_init(|| TrainConfig::fields().iter().chain(&FIELDS).copied().collect())
}

/// The same for a run that goes on, which has them already: what it keeps is listed with the reason, and refused with it.
fn resume_fields() -> &'static [Field] {
    static ALL: OnceLock<Vec<Field>> = OnceLock::new();
    let of_a_run = |field: &Field| match FIXED.iter().find(|(key, _)| *key == field.name) {
        Some((_, reason)) => {
            let doc: &'static str = Box::leak(format!("Stays as it is: {reason}. A fork may have another.").into());
            Field { doc, ..unset(field) }
        }
        None => unset(field),
    };
    ALL.get_or_init(|| train_fields().iter().map(of_a_run).collect())
}

/// The options of `train` as a run has them, and where it is forked.
fn fork_fields() -> &'static [Field] {
    static ALL: OnceLock<Vec<Field>> = OnceLock::new();
    ALL.get_or_init(|| Fork::fields().iter().copied().chain(train_fields().iter().map(unset)).collect())
}

/// A setting whose default is what the run has; where its functions are asked, there is none.
fn unset(field: &Field) -> Field {
    if FIELDS.iter().any(|own| own.name == field.name) { *field } else { Field { default: || Value::Null, ..*field } }
}

pub(super) fn register(engine: &mut Engine, docs: &mut Docs, context: &Rc<Context>) {
    docs.add(DOCS);
    training(engine, context);
    going_on(engine, context);
    run::register(engine, docs, context);
    book::register(engine, docs, context);
    steering::register(engine, docs);
    evaluate::register(engine, docs, context);
}

fn training(engine: &mut Engine, context: &Rc<Context>) {
    let shared = Rc::clone(context);
    engine.register_fn(
        "train",
        move |call: NativeCallContext<'_>, model: Dynamic, corpus: CorpusValue, options: Map| -> Outcome<RunValue> {
            let (watch, options) = watch(&shared, &call, options)?;
            let config = convert::options(&options)?;
            let model = shared.finish(ModelValue::of(&shared, &model))?;
            finish(&shared, watch, |watch| train_watched(&shared, &model, &corpus, &config, watch))
        },
    );
    let shared = Rc::clone(context);
    engine.register_fn("train", move |model: Dynamic, corpus: CorpusValue| -> Outcome<RunValue> {
        let (model, config) = (shared.finish(ModelValue::of(&shared, &model))?, TrainConfig::default());
        finish(&shared, Watch::new(&shared), |watch| train_watched(&shared, &model, &corpus, &config, watch))
    });
}

fn going_on(engine: &mut Engine, context: &Rc<Context>) {
    let shared = Rc::clone(context);
    engine.register_fn("resume", move |folder: &str| -> Outcome<RunValue> { resumed(&shared, Path::new(folder)) });
    let shared = Rc::clone(context);
    engine.register_fn("resume", move |run: RunValue| -> Outcome<RunValue> { resumed(&shared, run.folder()) });
    let shared = Rc::clone(context);
    engine.register_fn("resume", move |call: NativeCallContext<'_>, folder: &str, options: Map| -> Outcome<RunValue> {
        resumed_with(&shared, &call, Path::new(folder), options)
    });
    let shared = Rc::clone(context);
    engine.register_fn(
        "resume",
        move |call: NativeCallContext<'_>, run: RunValue, options: Map| -> Outcome<RunValue> {
            resumed_with(&shared, &call, run.folder(), options)
        },
    );
    let shared = Rc::clone(context);
    engine.register_fn("fork", move |run: RunValue| -> Outcome<RunValue> {
        let (fork, changes) = (Fork::default(), Settings::new());
        finish(&shared, Watch::new(&shared), |watch| fork_watched(&shared, run.folder(), &fork, &changes, watch))
    });
    let shared = Rc::clone(context);
    engine.register_fn("fork", move |call: NativeCallContext<'_>, run: RunValue, options: Map| -> Outcome<RunValue> {
        let (watch, options) = watch(&shared, &call, options)?;
        let (own, changes): (Map, Map) = options.into_iter().partition(|(name, _)| is_of_fork(name));
        let (fork, changes) = (convert::options(&own)?, convert::settings(&changes, "fork")?);
        finish(&shared, watch, |watch| fork_watched(&shared, run.folder(), &fork, &changes, watch))
    });
}

fn resumed(context: &Context, folder: &Path) -> Outcome<RunValue> {
    finish(context, Watch::new(context), |watch| resume_watched(context, folder, &Settings::new(), watch))
}

fn resumed_with(context: &Context, call: &NativeCallContext<'_>, folder: &Path, options: Map) -> Outcome<RunValue> {
    let (watch, options) = watch(context, call, options)?;
    let changes = convert::settings(&options, "resume")?;
    finish(context, watch, |watch| resume_watched(context, folder, &changes, watch))
}

/// Whoever watches for `call`, and the options that are left when the functions are taken out.
fn watch<'a>(
    context: &'a Context,
    call: &'a NativeCallContext<'a>,
    mut options: Map,
) -> Result<(Watch<'a>, Map), Fault> {
    let callbacks = Callbacks::take(call, &mut options)?;
    Ok((Watch::new(context).calling(call, callbacks), options))
}

/// Does the `work` and returns its run; a callback's error comes before all others.
fn finish<'a>(
    context: &Context,
    mut watch: Watch<'a>,
    work: impl FnOnce(&mut Watch<'a>) -> Result<RunValue, Fault>,
) -> Outcome<RunValue> {
    let done = work(&mut watch);
    context.finish_run(watch.outcome(done))
}

/// Settings by name, as JSON.
type Settings = serde_json::Map<String, Value>;

fn is_of_fork(name: &str) -> bool {
    Fork::fields().iter().any(|field| field.name == name)
}

fn train_watched(
    context: &Context,
    model: &ModelValue,
    corpus: &Corpus,
    config: &TrainConfig,
    watch: &mut Watch<'_>,
) -> Result<RunValue, Fault> {
    config.validate()?;
    let mut network = model.build(context, i64::from(corpus.quantizer().levels()), Seed(config.seed))?;
    let window = i64::try_from(corpus.config().window).unwrap_or(i64::MAX);
    network.check_length(window)?; // before the run's folder is made
    let run = open_run(config)?;
    train::train(&mut network, corpus, config, &run, watch, &context.interrupt).map_err(fault)?;
    RunValue::trained(run.path(), network, corpus)
}

fn resume_watched(
    context: &Context,
    folder: &Path,
    changes: &Settings,
    watch: &mut Watch<'_>,
) -> Result<RunValue, Fault> {
    let device = device::open(context.device.get())?;
    let done = train::resume(folder, changes, device, watch, &context.interrupt).map_err(fault)?;
    RunValue::trained(&done.outcome.run, done.model, &done.corpus)
}

fn fork_watched(
    context: &Context,
    folder: &Path,
    fork: &Fork,
    changes: &Settings,
    watch: &mut Watch<'_>,
) -> Result<RunValue, Fault> {
    let device = device::open(context.device.get())?;
    let done = train::fork(folder, fork, changes, device, watch, &context.interrupt).map_err(fault)?;
    RunValue::trained(&done.outcome.run, done.model, &done.corpus)
}

/// A refused option keeps its name, so that the caret can point at it.
fn fault(error: TrainError) -> Fault {
    match error {
        TrainError::Options(error) => error.into(),
        other => other.into(),
    }
}

/// Trains `model` into the run that `config` asks for.
///
/// # Errors
/// What training refuses, before or after it begins.
pub fn train_model(
    context: &Context,
    model: &ModelValue,
    corpus: &Corpus,
    config: &TrainConfig,
) -> Result<RunValue, Fault> {
    train_watched(context, model, corpus, config, &mut Watch::new(context))
}

/// Goes on with the run in `folder`, under `changes` of its settings.
///
/// # Errors
/// As [`train_model`]; and when the folder is no run, its audio has changed, or a setting is one that a run keeps.
pub fn resume(context: &Context, folder: &Path, changes: &Settings) -> Result<RunValue, Fault> {
    resume_watched(context, folder, changes, &mut Watch::new(context))
}
