//! Runs: what training returned, or what lies in a run's folder.

use std::cell::OnceCell;
use std::path::Path;
use std::rc::Rc;

use rhai::{Dynamic, Engine, Map};

use super::super::model::{ModelValue, load};
use super::super::{Outcome, lasting};
use crate::audio::Corpus;
use crate::experiment::{RunDir, RunSummary, State, summarize};
use crate::generate::Sound as TokenSound;
use crate::metrics::{Frame, read_log, read_log_anyway, sparkline};
use crate::model::Model;
use crate::script::context::{Context, Unfinished, interrupted};
use crate::script::docs::{Doc, Docs};
use crate::script::fault::Fault;
use crate::train::Schedule;

/// A run as it stood when training returned it, or when it was loaded. Clones share it.
#[derive(Clone)]
pub struct RunValue(Rc<Run>);

struct Run {
    dir: RunDir,
    summary: RunSummary,
    /// With the weights of the last step; read when it is asked for.
    model: OnceCell<ModelValue>,
}

/// Characters of the curve behind a run's line.
const CURVE: usize = 24;

/// A property or method of a run.
const fn doc(name: &'static str, signature: &'static str, about: &'static str, example: &'static str) -> Doc {
    Doc { name, of: "Run", signature, about, options: None, example }
}

const DOCS: &[Doc] = &[
    Doc {
        name: "load_run",
        of: "",
        signature: "load_run(run_folder) -> Run",
        about: "The run in a folder, to look at, to compare, or to go on with: nothing is trained. It may be going on in \
                another process.",
        options: None,
        example: "let run = load_run(run_folder);\nprint(run);\nprint(run.frame().tail(2));",
    },
    doc(
        "folder",
        "run.folder -> text",
        "Where its record, metrics and checkpoints are.",
        "print(load_run(run_folder).folder);",
    ),
    doc("name", "run.name -> text", "The name of its folder.", "print(load_run(run_folder).name);"),
    doc("steps", "run.steps -> integer", "Updates done.", "print(load_run(run_folder).steps);"),
    doc(
        "total",
        "run.total -> integer",
        "Updates in all, when it is done; () of a run of an early version.",
        "let run = load_run(run_folder);\nprint(`${run.steps} of ${run.total} steps`);",
    ),
    doc(
        "is_finished",
        "run.is_finished -> bool",
        "Whether all updates were made, or it stopped early because validations no longer got better.",
        "let run = load_run(run_folder);\nif !run.is_finished { run = run.resume() }",
    ),
    doc(
        "stop",
        "run.stop -> text",
        "What it is doing or why it ended: \"running\", \"finished\", \"stopped early\", \"stopped by the script\", \
         \"interrupted\", \"time is up\", \"failed\", or \"died\" (its process is gone).",
        "print(load_run(run_folder).stop);",
    ),
    doc(
        "reason",
        "run.reason -> text",
        "What a callback said when it stopped the run, or the error that ended it; () otherwise.",
        "let run = train(isotropic(#{ d_model: 4, n_layers: 1, d_state: 4 }), music, #{ steps: 3, out: out + \"/run\", \
         on_step: |s| s.stop(\"seen enough\") });\nprint(run.reason);",
    ),
    doc(
        "loss",
        "run.loss -> real",
        "Cross-entropy of the last update's windows, in nats per token; () where there was none.",
        "print(load_run(run_folder).loss);",
    ),
    doc(
        "best_bits_per_byte",
        "run.best_bits_per_byte -> real",
        "The best validation; () where there was none.",
        "print(load_run(run_folder).best_bits_per_byte);",
    ),
    doc(
        "best_step",
        "run.best_step -> integer",
        "The updates done at the best validation; () where there was none.",
        "print(load_run(run_folder).best_step);",
    ),
    doc(
        "wall_seconds",
        "run.wall_seconds -> real",
        "Training time, in seconds, over all sittings.",
        "print(load_run(run_folder).wall_seconds);",
    ),
    doc(
        "config",
        "run.config -> map",
        "The settings it is trained with, as `train` takes them: all but its folder.",
        "let settings = load_run(run_folder).config;\nsettings.lr = 0.001;\nsettings.out = out + \"/slower\";\n\
         print(train(load_run(run_folder), music, settings));",
    ),
    doc(
        "record",
        "run.record -> map",
        "Everything that it takes to repeat the run: corpus, model, train, seed, versions, device; what it was forked \
         from, and which callbacks took part.",
        "let record = load_run(run_folder).record;\nprint(record.corpus.window);\nprint(record.model.d_model);",
    ),
    doc(
        "model",
        "run.model() -> Model",
        "The model with the weights of the last step.",
        "print(load_run(run_folder).model());",
    ),
    doc(
        "best",
        "run.best() -> Model",
        "The model with the weights of the best validation; of the last step where there was none.",
        "print(load_run(run_folder).best());",
    ),
    doc(
        "frame",
        "run.frame() -> Frame",
        "The metrics: a row for each step and each validation, with the columns that callbacks logged.",
        "print(load_run(run_folder).frame().tail(3));",
    ),
];

pub(super) fn register(engine: &mut Engine, docs: &mut Docs, context: &Rc<Context>) {
    docs.add(DOCS);
    engine
        .register_type_with_name::<RunValue>("Run")
        .register_fn("load_run", |folder: &str| -> Outcome<RunValue> { Ok(RunValue::load(Path::new(folder))?) })
        .register_get("folder", |run: &mut RunValue| run.folder().display().to_string())
        .register_get("name", |run: &mut RunValue| run.name())
        .register_get("steps", |run: &mut RunValue| integer(run.0.summary.steps))
        .register_get("total", |run: &mut RunValue| or_unit(run.0.summary.total.map(integer)))
        .register_get("is_finished", |run: &mut RunValue| run.0.summary.state.is_finished())
        .register_get("stop", |run: &mut RunValue| run.0.summary.state.to_string())
        .register_get("reason", |run: &mut RunValue| or_unit(run.0.summary.reason.clone()))
        .register_get("loss", |run: &mut RunValue| or_unit(run.0.summary.loss))
        .register_get("wall_seconds", |run: &mut RunValue| run.0.summary.wall_seconds)
        .register_get("best_bits_per_byte", |run: &mut RunValue| or_unit(run.0.summary.best_bits_per_byte))
        .register_get("best_step", |run: &mut RunValue| or_unit(run.0.summary.best_step.map(integer)))
        .register_get("config", |run: &mut RunValue| -> Outcome<Map> { Ok(run.config()?) })
        .register_get("record", |run: &mut RunValue| -> Outcome<Dynamic> { Ok(run.record()?) })
        .register_fn("to_string", |run: &mut RunValue| run.describe())
        .register_fn("to_debug", |run: &mut RunValue| run.describe_with_curve());
    let shared = Rc::clone(context);
    engine.register_fn("frame", move |run: &mut RunValue| -> Outcome<Frame> {
        let (frame, problems) = run.read_metrics()?;
        problems.iter().for_each(|problem| shared.host.note(problem));
        Ok(frame)
    });
    let shared = Rc::clone(context);
    engine.register_fn("model", move |run: &mut RunValue| -> Outcome<ModelValue> { Ok(run.last(&shared)?) });
    let shared = Rc::clone(context);
    engine.register_fn("best", move |run: &mut RunValue| -> Outcome<ModelValue> { Ok(run.best(&shared)?) });
}

/// A value, or `()` where there is none.
fn or_unit(value: Option<impl Into<Dynamic>>) -> Dynamic {
    value.map_or(Dynamic::UNIT, Into::into)
}

fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl RunValue {
    /// What training made in `folder`, with the model that it has in memory.
    pub(super) fn trained(folder: &Path, model: Model, corpus: &Corpus) -> Result<Self, Fault> {
        let config = corpus.config();
        let (quantizer, scaling, sample_rate) = (corpus.quantizer(), config.scaling, config.sample_rate);
        let run = Self::load(folder)?;
        let model = ModelValue::trained(model, TokenSound { quantizer, scaling, sample_rate }, run.origin());
        // It was empty: the run has just been loaded.
        drop(run.0.model.set(model));
        Ok(run)
    }

    /// The run in `folder`.
    ///
    /// # Errors
    /// When there is none.
    pub fn load(folder: &Path) -> Result<Self, Fault> {
        let dir = RunDir::open(folder)?;
        let summary = summarize(&dir);
        Ok(Self(Rc::new(Run { dir, summary, model: OnceCell::new() })))
    }

    /// The run's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.0.dir.path()
    }

    /// The name of its folder.
    #[must_use]
    pub fn name(&self) -> String {
        self.0.dir.name()
    }

    /// Whether somebody asked it to stop.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.0.summary.state == State::Interrupted
    }

    /// Where its last weights come from, for people.
    fn origin(&self) -> String {
        format!("{}, step {}", self.folder().display(), self.0.summary.steps)
    }

    /// The metrics.
    pub(crate) fn frame(&self) -> Result<Frame, Fault> {
        Ok(self.read_metrics()?.0)
    }

    /// The metrics, and what cannot be read of them in words.
    fn read_metrics(&self) -> Result<(Frame, Vec<String>), Fault> {
        match read_log(self.folder()) {
            Ok((frame, _)) => Ok((frame, Vec::new())),
            Err(error) => match read_log_anyway(self.folder()) {
                Ok((frame, problems)) if frame.height() > 0 => Ok((frame, problems)),
                _ => Err(error.into()),
            },
        }
    }

    /// The metrics under the name of the folder.
    pub(in crate::script::bind) fn labelled(&self) -> Result<(String, Frame), Fault> {
        Ok((self.name(), self.frame()?))
    }

    /// The model of the last step.
    fn last(&self, context: &Context) -> Result<ModelValue, Fault> {
        if let Some(model) = self.0.model.get() {
            return Ok(model.clone());
        }
        let model = load(context, &self.0.dir.checkpoint("last"))?;
        Ok(self.0.model.get_or_init(|| model).clone())
    }

    /// The model of the best validation, or of the last step where there was none.
    pub(crate) fn best(&self, context: &Context) -> Result<ModelValue, Fault> {
        let best = self.0.dir.checkpoint("best");
        if best.is_file() { load(context, &best) } else { self.last(context) }
    }

    /// The settings of its training, schedules as such.
    fn config(&self) -> Result<Map, Fault> {
        let record = self.0.dir.read_record()?;
        let mut config = Map::from([("seed".into(), integer(record.seed).into())]);
        for (key, value) in record.train {
            let schedule = matches!(key.as_str(), "schedule" | "dropout" | "window") && !value.is_null();
            let value = match serde_json::from_value::<Schedule>(value.clone()) {
                Ok(schedule_value) if schedule => Dynamic::from(schedule_value),
                _ => dynamic(value)?,
            };
            config.insert(key.into(), value);
        }
        Ok(config)
    }

    fn record(&self) -> Result<Dynamic, Fault> {
        let record = self.0.dir.read_record()?;
        dynamic(serde_json::to_value(record).map_err(|error| Fault::new(error.to_string()))?)
    }

    /// One line for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let RunSummary { state, steps, wall_seconds, best_bits_per_byte, .. } = &self.0.summary;
        let best = best_bits_per_byte.map_or_else(String::new, |bits| format!(", best validation {bits:.3} bits/byte"));
        format!("Run {}: {state} after {steps} steps in {}{best}", self.folder().display(), lasting(*wall_seconds))
    }

    /// The same with how its validations went; while there are none, its updates.
    fn describe_with_curve(&self) -> String {
        let line = self.describe();
        let curve = &self.0.summary.curve;
        if curve.len() > 1 { format!("{line} {}", sparkline(curve, CURVE)) } else { line }
    }
}

/// JSON as a script has it.
fn dynamic(value: serde_json::Value) -> Result<Dynamic, Fault> {
    rhai::serde::to_dynamic(value).map_err(|error| Fault::new(error.to_string()))
}

impl Context {
    /// A run; one that was cut short is kept aside, and ends the evaluation.
    pub(super) fn finish_run(&self, outcome: Outcome<RunValue>) -> Outcome<RunValue> {
        let run = outcome?;
        if run.is_interrupted() && self.interrupt.is_set() {
            self.keep_unfinished(run);
            return Err(interrupted());
        }
        Ok(run)
    }

    /// Keeps a run that was cut short for whoever handles the interrupt.
    pub(super) fn keep_unfinished(&self, run: RunValue) {
        let (folder, steps) = (run.folder().display().to_string(), run.0.summary.steps);
        self.unfinished.replace(Some(Unfinished { run: Dynamic::from(run), folder, steps }));
    }
}
