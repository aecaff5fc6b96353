//! `train`: schedules, runs, evaluations.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use rhai::{Dynamic, Engine, Map};

use super::audio::CorpusValue;
use super::model::ModelValue;
use super::{Meter, Outcome};
use crate::audio::Corpus;
use crate::device;
use crate::generate::Sound as TokenSound;
use crate::metrics::{Frame, Row, read_log};
use crate::options::Options;
use crate::script::context::{Context, interrupted};
use crate::script::convert;
use crate::script::docs::{Doc, Docs};
use crate::script::fault::Fault;
use crate::script::table::show_table;
use crate::seed::Seed;
use crate::train::{
    self, EvalReport, EvaluateConfig, Evaluation, Observer, Outcome as Trained, StepReport, Stop, TrainConfig, open_run,
};

/// A finished or interrupted run. Clones share it.
#[derive(Clone)]
pub struct RunValue(Rc<Run>);

struct Run {
    model: ModelValue,
    outcome: Trained,
}

const DOCS: &[Doc] = &[
    Doc {
        name: "train",
        of: "",
        signature: "train(model, corpus[, #{ … }]) -> Run",
        about: "Trains a model, writing metrics and checkpoints into the run's folder. A trained model is trained further, \
                from its weights. Ctrl-C stops at the next step and saves.",
        options: Some(TrainConfig::fields),
        example: "let run = train(sashimi(#{ d_model: 8, n_layers: 1, pool: [4], d_state: 16 }), music, #{ steps: 2, batch: 1, \
                  eval_windows: 1, out: out + \"/run\", schedule: warmup(1).then(cosine()) });",
    },
    Doc {
        name: "resume",
        of: "",
        signature: "resume(folder) -> Run",
        about: "Goes on with a run from its last checkpoint, with the settings it was started with.",
        options: None,
        example: "let run = resume(run_folder);",
    },
    Doc {
        name: "evaluate",
        of: "",
        signature: "evaluate(model | run, corpus[, split | #{ … }]) -> Evaluation",
        about: "Scores a trained model (of a run, its best weights) on a part of a corpus: \"train\", \"val\" or \"test\".",
        options: Some(EvaluateConfig::fields),
        example: "print(evaluate(load_model(run_folder), music, #{ windows: 1 }));",
    },
    Doc {
        name: "folder",
        of: "Run",
        signature: "run.folder",
        about: "Where its record, metrics and checkpoints are.",
        options: None,
        example: "",
    },
    Doc { name: "steps", of: "Run", signature: "run.steps", about: "Updates done.", options: None, example: "" },
    Doc {
        name: "best_bits_per_byte",
        of: "Run",
        signature: "run.best_bits_per_byte",
        about: "The best validation; () where there was none.",
        options: None,
        example: "",
    },
    Doc {
        name: "wall_seconds",
        of: "Run",
        signature: "run.wall_seconds",
        about: "Training time, in seconds.",
        options: None,
        example: "",
    },
    Doc {
        name: "model",
        of: "Run",
        signature: "run.model() -> Model",
        about: "The model with the weights of the last step.",
        options: None,
        example: "",
    },
    Doc {
        name: "best",
        of: "Run",
        signature: "run.best() -> Model",
        about: "The model with the weights of the best validation; of the last step where there was none.",
        options: None,
        example: "",
    },
    Doc {
        name: "frame",
        of: "Run",
        signature: "run.frame() -> Frame",
        about: "The metrics: a row for each step and each validation.",
        options: None,
        example: "",
    },
    Doc {
        name: "bits_per_byte",
        of: "Evaluation",
        signature: "evaluation.bits_per_byte",
        about: "Cross-entropy in bits per byte. Also: nll (nats per token), accuracy, accuracy_at_3, accuracy_at_5, \
                accuracy_at_10 (shares), tokens, split.",
        options: None,
        example: "",
    },
    Doc {
        name: "uniform",
        of: "Evaluation",
        signature: "evaluation.uniform",
        about: "Bits per byte of a guess that knows nothing, on the same windows.",
        options: None,
        example: "",
    },
    Doc {
        name: "unigram",
        of: "Evaluation",
        signature: "evaluation.unigram",
        about: "Bits per byte of a guess by how frequent each token is, on the same windows.",
        options: None,
        example: "",
    },
    Doc {
        name: "markov",
        of: "Evaluation",
        signature: "evaluation.markov",
        about: "Bits per byte of a guess from the token before, on the same windows.",
        options: None,
        example: "",
    },
    Doc {
        name: "below_markov",
        of: "Evaluation",
        signature: "evaluation.below_markov",
        about: "How many bits per byte the model is below the Markov baseline; negative when it is above.",
        options: None,
        example: "",
    },
    Doc {
        name: "table",
        of: "Evaluation",
        signature: "evaluation.table() -> Frame",
        about: "The model beside the baselines of the same windows.",
        options: None,
        example: "",
    },
    Doc {
        name: "clips",
        of: "Evaluation",
        signature: "evaluation.clips() -> Frame",
        about: "Bits per byte of each file.",
        options: None,
        example: "",
    },
];

pub(super) fn register(engine: &mut Engine, docs: &mut Docs, context: &Rc<Context>) {
    docs.add(DOCS);
    training(engine, context);
    runs(engine, context);
    evaluations(engine, context);
}

fn training(engine: &mut Engine, context: &Rc<Context>) {
    let shared = Rc::clone(context);
    engine.register_fn("train", move |model: Dynamic, corpus: CorpusValue, options: Map| -> Outcome<RunValue> {
        let config = convert::options(&options)?;
        let outcome = ModelValue::of(&shared, &model).and_then(|model| train_model(&shared, &model, &corpus, &config));
        shared.finish_run(outcome)
    });
    let shared = Rc::clone(context);
    engine.register_fn("train", move |model: Dynamic, corpus: CorpusValue| -> Outcome<RunValue> {
        let config = TrainConfig::default();
        let outcome = ModelValue::of(&shared, &model).and_then(|model| train_model(&shared, &model, &corpus, &config));
        shared.finish_run(outcome)
    });
    let shared = Rc::clone(context);
    engine.register_fn("resume", move |folder: &str| -> Outcome<RunValue> {
        let outcome = resume(&shared, Path::new(folder));
        shared.finish_run(outcome)
    });
}

fn runs(engine: &mut Engine, context: &Rc<Context>) {
    let shared = Rc::clone(context);
    engine
        .register_type_with_name::<RunValue>("Run")
        .register_get("folder", |run: &mut RunValue| run.folder().display().to_string())
        .register_get("steps", |run: &mut RunValue| i64::try_from(run.0.outcome.steps).unwrap_or(i64::MAX))
        .register_get("wall_seconds", |run: &mut RunValue| run.0.outcome.wall_seconds)
        .register_get("best_bits_per_byte", |run: &mut RunValue| run.best_bits().map_or(Dynamic::UNIT, Dynamic::from))
        .register_fn("model", |run: &mut RunValue| run.0.model.clone())
        .register_fn("best", move |run: &mut RunValue| -> Outcome<ModelValue> { Ok(run.best(&shared)?) })
        .register_fn("frame", |run: &mut RunValue| -> Outcome<Frame> { Ok(run.frame()?) })
        .register_fn("to_string", |run: &mut RunValue| run.describe())
        .register_fn("to_debug", |run: &mut RunValue| run.describe());
}

fn evaluations(engine: &mut Engine, context: &Rc<Context>) {
    let shared = Rc::clone(context);
    engine.register_fn("evaluate", move |model: Dynamic, corpus: CorpusValue| -> Outcome<Evaluation> {
        shared.finish(score(&shared, &model, &corpus, &EvaluateConfig::default()))
    });
    let shared = Rc::clone(context);
    engine.register_fn("evaluate", move |model: Dynamic, corpus: CorpusValue, split: &str| -> Outcome<Evaluation> {
        let options = Map::from([("split".into(), split.into())]);
        shared.finish(score(&shared, &model, &corpus, &convert::options(&options)?))
    });
    let shared = Rc::clone(context);
    engine.register_fn("evaluate", move |model: Dynamic, corpus: CorpusValue, options: Map| -> Outcome<Evaluation> {
        shared.finish(score(&shared, &model, &corpus, &convert::options(&options)?))
    });
    engine
        .register_type_with_name::<Evaluation>("Evaluation")
        .register_get("split", |found: &mut Evaluation| found.part.to_string())
        .register_get("nll", |found: &mut Evaluation| found.nll)
        .register_get("bits_per_byte", |found: &mut Evaluation| found.bits_per_byte)
        .register_get("accuracy", |found: &mut Evaluation| found.accuracy)
        .register_get("accuracy_at_3", |found: &mut Evaluation| found.accuracy_at_3)
        .register_get("accuracy_at_5", |found: &mut Evaluation| found.accuracy_at_5)
        .register_get("accuracy_at_10", |found: &mut Evaluation| found.accuracy_at_10)
        .register_get("tokens", |found: &mut Evaluation| i64::try_from(found.tokens).unwrap_or(i64::MAX))
        .register_get("uniform", |found: &mut Evaluation| found.baselines.uniform.per_byte)
        .register_get("unigram", |found: &mut Evaluation| found.baselines.unigram.per_byte)
        .register_get("markov", |found: &mut Evaluation| found.baselines.markov.per_byte)
        .register_get("below_markov", |found: &mut Evaluation| found.baselines.markov.per_byte - found.bits_per_byte)
        .register_fn("table", |found: &mut Evaluation| -> Outcome<Frame> { Ok(table(found)?) })
        .register_fn("clips", |found: &mut Evaluation| -> Outcome<Frame> { Ok(clips(found)?) })
        .register_fn("to_string", |found: &mut Evaluation| -> Outcome<String> { Ok(describe(found)?) })
        .register_fn("to_debug", |found: &mut Evaluation| -> Outcome<String> { Ok(describe(found)?) });
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
    config.validate()?;
    let mut network = model.build(context, i64::from(corpus.quantizer().levels()), Seed(config.seed))?;
    let window = i64::try_from(corpus.config().window).unwrap_or(i64::MAX);
    network.check_length(window)?; // before the run's folder is made
    let run = open_run(config)?;
    let mut watch = Watch { meter: Meter::new(context, "training") };
    let outcome = train::train(&mut network, corpus, config, &run, &mut watch, &context.interrupt)?;
    Ok(RunValue::new(network, corpus, outcome))
}

/// Goes on with the run in `folder`.
///
/// # Errors
/// As [`train_model`]; and when the folder is no run, or its audio has changed.
pub fn resume(context: &Context, folder: &Path) -> Result<RunValue, Fault> {
    let mut watch = Watch { meter: Meter::new(context, "training") };
    let resumed = train::resume(folder, device::open(context.device.get())?, &mut watch, &context.interrupt)?;
    Ok(RunValue::new(resumed.model, &resumed.corpus, resumed.outcome))
}

fn score(context: &Context, model: &Dynamic, corpus: &Corpus, config: &EvaluateConfig) -> Result<Evaluation, Fault> {
    score_model(context, &ModelValue::of(context, model)?, corpus, config)
}

/// Scores a trained model on a part of a corpus.
///
/// # Errors
/// For a model without weights, a corpus whose tokens mean something else than the model's, and what the scoring refuses.
pub fn score_model(
    context: &Context,
    model: &ModelValue,
    corpus: &Corpus,
    config: &EvaluateConfig,
) -> Result<Evaluation, Fault> {
    let trained = model.weights()?;
    check_tokens(&trained.sound, corpus)?;
    let mut meter = Meter::new(context, "scoring");
    let mut progress = |done: usize, total: usize| meter.advance(done as u64, total as u64, "windows");
    Ok(train::evaluate(&trained.model, corpus, config, &context.interrupt, &mut progress)?)
}

/// That a token of the corpus means what it means to the model: scores of other tokens are numbers without a meaning.
fn check_tokens(sound: &TokenSound, corpus: &Corpus) -> Result<(), Fault> {
    let config = corpus.config();
    let found = TokenSound { quantizer: corpus.quantizer(), scaling: config.scaling, sample_rate: config.sample_rate };
    if found == *sound {
        return Ok(());
    }
    let (found, needed) = (settings_of(&found), settings_of(sound));
    let differing = |from: &[(&str, String); 4], other: &[(&str, String); 4]| -> String {
        let unlike = from.iter().zip(other).filter(|(a, b)| a.1 != b.1);
        unlike.map(|((name, value), _)| format!("{name}: {value}")).collect::<Vec<_>>().join(", ")
    };
    let (of_corpus, of_model) = (differing(&found, &needed), differing(&needed, &found));
    Err(Fault::new(format!("the corpus was opened with {of_corpus}, but the model was trained with {of_model}"))
        .with_hint(format!("open the corpus with {of_model}")))
}

/// What tokens mean, as the options of a corpus say it.
fn settings_of(sound: &TokenSound) -> [(&'static str, String); 4] {
    let name = |value: serde_json::Result<serde_json::Value>| value.map_or_else(|e| e.to_string(), |v| v.to_string());
    [
        ("sample_rate", sound.sample_rate.to_string()),
        ("quantization", name(serde_json::to_value(sound.quantizer.quantization()))),
        ("bits", sound.quantizer.bits().to_string()),
        ("scaling", name(serde_json::to_value(sound.scaling))),
    ]
}

/// Shows training as it goes.
struct Watch<'a> {
    meter: Meter<'a>,
}

impl Observer for Watch<'_> {
    fn on_begin(&mut self, done: u64, total: u64) {
        self.meter.advance(done, total, "");
    }

    fn on_step(&mut self, report: &StepReport) {
        self.meter.advance(report.step, report.total, &format!("{:.3} bits/byte", report.bits_per_byte));
    }

    fn on_eval(&mut self, report: &EvalReport) {
        let Evaluation { bits_per_byte, accuracy, baselines, .. } = &report.evaluation;
        let best = if report.best { ", best so far" } else { "" };
        self.meter.line(&format!(
            "step {}: validation {bits_per_byte:.3} bits/byte (Markov {:.3}), accuracy {:.1} %{best}",
            report.step,
            baselines.markov.per_byte,
            100.0 * accuracy,
        ));
    }

    fn on_eval_progress(&mut self, done: usize, total: usize) {
        self.meter.message(&format!("validating, window {done} of {total}"));
    }

    fn on_note(&mut self, note: &str) {
        self.meter.note(note);
    }
}

impl RunValue {
    fn new(model: crate::model::Model, corpus: &Corpus, outcome: Trained) -> Self {
        let config = corpus.config();
        let (quantizer, scaling, sample_rate) = (corpus.quantizer(), config.scaling, config.sample_rate);
        let origin = format!("{}, step {}", outcome.run.display(), outcome.steps);
        let model = ModelValue::trained(model, TokenSound { quantizer, scaling, sample_rate }, origin);
        Self(Rc::new(Run { model, outcome }))
    }

    /// The run's folder.
    #[must_use]
    pub fn folder(&self) -> &PathBuf {
        &self.0.outcome.run
    }

    /// Whether somebody asked it to stop.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.0.outcome.stop == Stop::Interrupted
    }

    /// The metrics.
    pub(crate) fn frame(&self) -> Result<Frame, Fault> {
        Ok(read_log(self.folder())?.0)
    }

    /// The metrics under the name of the folder.
    pub(super) fn labelled(&self) -> Result<(String, Frame), Fault> {
        let name = self.folder().file_name().map(|name| name.to_string_lossy().into_owned());
        Ok((name.unwrap_or_else(|| "run".to_owned()), self.frame()?))
    }

    /// The model of the best validation, or of the last step where there was none.
    pub(crate) fn best(&self, context: &Context) -> Result<ModelValue, Fault> {
        match &self.0.outcome.best_checkpoint {
            Some(path) => super::model::load(context, path),
            None => Ok(self.0.model.clone()),
        }
    }

    fn best_bits(&self) -> Option<f64> {
        Some(self.0.outcome.best.as_ref()?.evaluation.bits_per_byte)
    }

    /// One line for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let Trained { stop, steps, wall_seconds, .. } = &self.0.outcome;
        let best = self.best_bits().map_or_else(String::new, |bits| format!(", best validation {bits:.3} bits/byte"));
        format!("Run {}: {stop} after {steps} steps in {wall_seconds:.0} s{best}", self.folder().display())
    }
}

impl Context {
    /// A run; one that was cut short is kept aside, and ends the evaluation.
    fn finish_run(&self, outcome: Result<RunValue, Fault>) -> Outcome<RunValue> {
        let run = outcome.map_err(|fault| self.raise(fault))?;
        if run.is_interrupted() {
            self.unfinished.replace(Some(Dynamic::from(run)));
            return Err(interrupted());
        }
        Ok(run)
    }
}

/// The model beside the baselines of the same windows.
pub(crate) fn table(found: &Evaluation) -> Result<Frame, Fault> {
    let markov = found.baselines.markov.per_byte;
    let row = |who: &str, bits: f64| {
        Row::new().with("what", who).with("bits_per_byte", bits).with("below_markov", markov - bits)
    };
    let rows = [
        row("uniform", found.baselines.uniform.per_byte),
        row("unigram", found.baselines.unigram.per_byte),
        row("markov", markov),
        row("model", found.bits_per_byte),
    ];
    Ok(Frame::from_rows(&rows)?)
}

fn clips(found: &Evaluation) -> Result<Frame, Fault> {
    let row = |clip: &train::ClipScore| {
        Row::new()
            .with("file", clip.name.as_str())
            .with("bits_per_byte", clip.bits_per_byte)
            .with("tokens", clip.tokens)
    };
    Ok(Frame::from_rows(&found.clips.iter().map(row).collect::<Vec<_>>())?)
}

/// Wide enough for the three columns of an evaluation.
const TABLE_WIDTH: usize = 80;

/// The table with a line about accuracy below it.
///
/// # Errors
/// When the figures make no frame.
pub fn describe(found: &Evaluation) -> Result<String, Fault> {
    let percent = |share: f64| format!("{:.1}", 100.0 * share);
    Ok(format!(
        "Evaluation on {}, {} tokens\n{}\naccuracy {} %, @3 {} %, @5 {} %, @10 {} %",
        found.part,
        found.tokens,
        show_table(&table(found)?, TABLE_WIDTH),
        percent(found.accuracy),
        percent(found.accuracy_at_3),
        percent(found.accuracy_at_5),
        percent(found.accuracy_at_10),
    ))
}
