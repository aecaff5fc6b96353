//! What a callback is handed: the figures of a step or of a validation, and the means to steer the run.

use std::cell::{OnceCell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rhai::{Dynamic, Engine};

use super::super::model::ModelValue;
use super::super::{Outcome, real};
use crate::experiment::RunDir;
use crate::generate::Sound as TokenSound;
use crate::metrics::{Frame, Value, read_log_with};
use crate::script::actions::corpus_of;
use crate::script::convert::a_type;
use crate::script::docs::{Doc, Docs};
use crate::script::fault::Fault;
use crate::train::{Control, EvalReport, Evaluation, StepReport, TrainError, Weights};

/// The figures of an update. Clones share it.
#[derive(Clone)]
pub(super) struct Step(Rc<(StepReport, Helm)>);

/// The figures of a validation. Clones share it.
#[derive(Clone)]
pub(super) struct Validation(Rc<Validated>);

struct Validated {
    report: EvalReport,
    weights: Weights,
    helm: Helm,
    /// A copy of the weights, made when it is asked for.
    model: OnceCell<ModelValue>,
}

/// The run, while the callback is under way.
struct Helm {
    folder: PathBuf,
    step: u64,
    callback: &'static str,
    /// `None` once the callback has returned.
    control: RefCell<Option<Control>>,
}

impl Helm {
    fn new(folder: &Path, step: u64, callback: &'static str, control: Control) -> Self {
        Self { folder: folder.to_owned(), step, callback, control: RefCell::new(Some(control)) }
    }

    fn steer<T>(&self, steer: impl FnOnce(&mut Control) -> Result<T, TrainError>) -> Result<T, Fault> {
        match self.control.borrow_mut().as_mut() {
            Some(control) => Ok(steer(control)?),
            None => Err(Fault::new(format!("step {} is over: the run has moved on", self.step))
                .with_hint(format!("what steers the run works inside {} only", self.callback))),
        }
    }

    fn log(&self, name: &str, value: &Dynamic) -> Result<(), Fault> {
        let cell: Value = if let Ok(integer) = value.as_int() {
            integer.into()
        } else if let Ok(real) = value.as_float() {
            real.into()
        } else if let Ok(flag) = value.as_bool() {
            flag.into()
        } else if let Ok(text) = value.as_immutable_string_ref() {
            text.to_string().into()
        } else {
            let found = a_type(value.type_name());
            return Err(Fault::new(format!("`{name}` is {found}, but must be a number, text or bool")));
        };
        self.steer(|control| control.log(name, cell))
    }

    fn close(&self) -> Control {
        self.control.borrow_mut().take().unwrap_or_default()
    }
}

impl Step {
    pub(super) fn new(report: StepReport, folder: &Path, control: Control) -> Self {
        let helm = Helm::new(folder, report.step, "on_step", control);
        Self(Rc::new((report, helm)))
    }

    /// Ends the callback; returns what it wishes.
    pub(super) fn close(&self) -> Control {
        self.helm().close()
    }

    fn report(&self) -> &StepReport {
        &self.0.0
    }

    fn helm(&self) -> &Helm {
        &self.0.1
    }

    fn describe(&self) -> String {
        let StepReport { step, total, loss, bits_per_byte, lr, grad_norm, .. } = self.report();
        format!(
            "Step {step} of {total}: loss {loss:.4}, {bits_per_byte:.3} bits/byte, lr {lr:.3e}, gradient {grad_norm:.3}"
        )
    }
}

impl Validation {
    pub(super) fn new(report: EvalReport, weights: Weights, folder: &Path, control: Control) -> Self {
        let helm = Helm::new(folder, report.step, "on_eval", control);
        Self(Rc::new(Validated { report, weights, helm, model: OnceCell::new() }))
    }

    /// Ends the callback; returns what it wishes.
    pub(super) fn close(&self) -> Control {
        self.helm().close()
    }

    fn report(&self) -> &EvalReport {
        &self.0.report
    }

    fn helm(&self) -> &Helm {
        &self.0.helm
    }

    fn evaluation(&self) -> &Evaluation {
        &self.0.report.evaluation
    }

    /// The weights as they stand: a copy, which training does not change and which does not change training.
    fn model(&self) -> Result<ModelValue, Fault> {
        if let Some(model) = self.0.model.get() {
            return Ok(model.clone());
        }
        let model = self.helm().steer(|_| self.0.weights.to_model())?;
        let config = corpus_of(&RunDir::open(&self.helm().folder)?)?;
        let sound =
            TokenSound { quantizer: config.quantizer(), scaling: config.scaling, sample_rate: config.sample_rate };
        let origin = format!("{}, step {}", self.helm().folder.display(), self.report().step);
        Ok(self.0.model.get_or_init(|| ModelValue::trained(model, sound, origin)).clone())
    }

    /// The metrics with this validation's row, which is written when the callback has returned.
    fn frame(&self) -> Result<Frame, Fault> {
        Ok(read_log_with(&self.helm().folder, &[self.report().row()])?)
    }

    fn describe(&self) -> String {
        let (EvalReport { step, total, best, .. }, found) = (self.report(), self.evaluation());
        let best = if *best { ", best so far" } else { "" };
        format!(
            "Validation at step {step} of {total}: {:.3} bits/byte, accuracy {:.1} %{best}",
            found.bits_per_byte,
            100.0 * found.accuracy
        )
    }
}

/// A training that an example steers: small enough to be over at once.
macro_rules! trained {
    ($option:literal, $function:literal) => {
        concat!(
            "let net = isotropic(#{ d_model: 4, n_layers: 1, d_state: 4 });\n",
            "train(net, music, #{ steps: 2, batch: 1, eval_windows: 1, out: out + \"/run\",\n    ",
            $option,
            ": |",
            $function,
            " });"
        )
    };
}

/// A property or method of a step.
const fn of_step(name: &'static str, signature: &'static str, about: &'static str, example: &'static str) -> Doc {
    Doc { name, of: "Step", signature, about, options: None, example }
}

/// A property or method of a validation.
const fn of_eval(name: &'static str, signature: &'static str, about: &'static str, example: &'static str) -> Doc {
    Doc { name, of: "Validation", signature, about, options: None, example }
}

const STEP_DOCS: &[Doc] = &[
    of_step("step", "s.step -> integer", "Updates done, this one included.", trained!("on_step", "s| print(s.step)")),
    of_step(
        "total",
        "s.total -> integer",
        "Updates in all.",
        trained!("on_step", "s| print(`${s.step} of ${s.total}`)"),
    ),
    of_step(
        "epoch",
        "s.epoch -> real",
        "Passes over the training windows done.",
        trained!("on_step", "s| print(s.epoch)"),
    ),
    of_step("tokens", "s.tokens -> integer", "Tokens trained on so far.", trained!("on_step", "s| print(s.tokens)")),
    of_step(
        "loss",
        "s.loss -> real",
        "Cross-entropy of this update's windows before the update, in nats per token.",
        trained!("on_step", "s| if s.loss < 1 { s.stop() }"),
    ),
    of_step(
        "bits_per_byte",
        "s.bits_per_byte -> real",
        "The same in bits per byte.",
        trained!("on_step", "s| print(s.bits_per_byte)"),
    ),
    of_step(
        "accuracy",
        "s.accuracy -> real",
        "Share of this update's tokens that the model thought the likeliest, 0 to 1; () where `accuracy_every` left it out.",
        trained!("on_step", "s| print(s.accuracy)"),
    ),
    of_step(
        "lr",
        "s.lr -> real",
        "The learning rate. Assigned to, it is the rate of the next update, from where the schedule goes on in proportion; \
         the state spaces' rate is multiplied alike. A run that is resumed keeps it.",
        trained!("on_step", "s| if s.step == 1 { s.lr = 0.001 }"),
    ),
    of_step(
        "grad_norm",
        "s.grad_norm -> real",
        "Norm of the gradient before clipping.",
        trained!("on_step", "s| if s.grad_norm > 100 { print(s) }"),
    ),
    of_step(
        "dropout",
        "s.dropout -> real",
        "Dropout in every block, where it is scheduled; () otherwise.",
        trained!("dropout: linear(0, 0.2), on_step", "s| print(s.dropout)"),
    ),
    of_step(
        "window",
        "s.window -> integer",
        "Tokens of a training window, where they are scheduled; () otherwise.",
        trained!("window: linear(64, 512), on_step", "s| print(s.window)"),
    ),
    of_step(
        "samples_per_second",
        "s.samples_per_second -> real",
        "Tokens (audio samples) trained on in a second of wall time.",
        trained!("on_step", "s| print(s.samples_per_second)"),
    ),
    of_step(
        "wall_seconds",
        "s.wall_seconds -> real",
        "Training time so far, in seconds, over all sittings.",
        trained!("on_step", "s| print(s.wall_seconds)"),
    ),
    of_step(
        "run_folder",
        "s.run_folder -> text",
        "The folder of the run.",
        trained!("on_step", "s| if s.step == 2 { print(read_frame(s.run_folder)) }"),
    ),
    of_step(
        "stop",
        "s.stop([reason])",
        "Ends the run after this step, validated and saved. The reason is kept with it, and it can be resumed.",
        trained!("on_step", "s| if s.loss < 9 { s.stop(\"good enough\") }"),
    ),
    of_step(
        "scale_lr",
        "s.scale_lr(factor)",
        "Multiplies every learning rate from the next update on; the schedule goes on below it. A run that is resumed keeps \
         it.",
        trained!("on_step", "s| if s.step == 1 { s.scale_lr(0.5) }"),
    ),
    of_step(
        "log",
        "s.log(name, value)",
        "Adds a column to this step's row of the metrics: a number, text or bool.",
        trained!("on_step", "s| s.log(\"log_lr\", log(s.lr, 10.0))"),
    ),
];

const EVAL_DOCS: &[Doc] = &[
    of_eval("step", "e.step -> integer", "Updates done.", trained!("on_eval", "e| print(e.step)")),
    of_eval(
        "total",
        "e.total -> integer",
        "Updates in all.",
        trained!("on_eval", "e| print(`${e.step} of ${e.total}`)"),
    ),
    of_eval(
        "epoch",
        "e.epoch -> real",
        "Passes over the training windows done.",
        trained!("on_eval", "e| print(e.epoch)"),
    ),
    of_eval("tokens", "e.tokens -> integer", "Tokens trained on so far.", trained!("on_eval", "e| print(e.tokens)")),
    of_eval(
        "bits_per_byte",
        "e.bits_per_byte -> real",
        "Cross-entropy on the validation windows, in bits per byte. An evaluation's other figures are here too: nll, accuracy, \
         accuracy_at_3, accuracy_at_5, accuracy_at_10, uniform, unigram, markov, below_markov.",
        trained!("on_eval", "e| if e.bits_per_byte < e.markov { e.stop(\"below Markov\") }"),
    ),
    of_eval("nll", "e.nll -> real", "The same in nats per token.", trained!("on_eval", "e| print(e.nll)")),
    of_eval(
        "accuracy",
        "e.accuracy -> real",
        "Share of tokens that the model thought the likeliest, 0 to 1.",
        trained!("on_eval", "e| print(e.accuracy)"),
    ),
    of_eval(
        "accuracy_at_3",
        "e.accuracy_at_3 -> real",
        "Share of tokens among the 3 likeliest, 0 to 1.",
        trained!("on_eval", "e| print(e.accuracy_at_3)"),
    ),
    of_eval(
        "accuracy_at_5",
        "e.accuracy_at_5 -> real",
        "Share of tokens among the 5 likeliest, 0 to 1.",
        trained!("on_eval", "e| print(e.accuracy_at_5)"),
    ),
    of_eval(
        "accuracy_at_10",
        "e.accuracy_at_10 -> real",
        "Share of tokens among the 10 likeliest, 0 to 1.",
        trained!("on_eval", "e| print(e.accuracy_at_10)"),
    ),
    of_eval(
        "uniform",
        "e.uniform -> real",
        "Bits per byte of a guess that knows nothing, on the same windows.",
        trained!("on_eval", "e| print(e.uniform)"),
    ),
    of_eval(
        "unigram",
        "e.unigram -> real",
        "Bits per byte of a guess by how frequent each token is, on the same windows.",
        trained!("on_eval", "e| print(e.unigram)"),
    ),
    of_eval(
        "markov",
        "e.markov -> real",
        "Bits per byte of a guess from the token before, on the same windows.",
        trained!("on_eval", "e| print(e.markov)"),
    ),
    of_eval(
        "below_markov",
        "e.below_markov -> real",
        "How many bits per byte the model is below the Markov baseline; negative when it is above.",
        trained!("on_eval", "e| e.log(\"below_markov\", e.below_markov)"),
    ),
    of_eval(
        "best",
        "e.best -> bool",
        "Whether this is the best validation of the run so far.",
        trained!("on_eval", "e| if e.best { print(e) }"),
    ),
    of_eval(
        "evaluation",
        "e.evaluation -> Evaluation",
        "The validation as what `evaluate` returns, with its tables.",
        trained!("on_eval", "e| print(e.evaluation.clips())"),
    ),
    of_eval(
        "model",
        "e.model -> Model",
        "A copy of the weights as they stand, to draw from or to look into; training does not notice what is done with it.",
        trained!("on_eval", "e| generate(e.model, #{ samples: 8, batch: 1 }).save(out + \"/heard\")"),
    ),
    of_eval(
        "frame",
        "e.frame() -> Frame",
        "The metrics so far, this validation included.",
        trained!("on_eval", "e| print(e.frame().tail(1))"),
    ),
    of_eval(
        "lr",
        "e.lr -> real",
        "The learning rate of the update before. Assigned to, it is the rate of the next update, from where the schedule goes \
         on in proportion. A run that is resumed keeps it.",
        trained!("on_eval", "e| if e.bits_per_byte < 4 { e.lr = 0.001 }"),
    ),
    of_eval(
        "wall_seconds",
        "e.wall_seconds -> real",
        "Training time so far, in seconds, over all sittings.",
        trained!("on_eval", "e| print(e.wall_seconds)"),
    ),
    of_eval(
        "run_folder",
        "e.run_folder -> text",
        "The folder of the run.",
        trained!("on_eval", "e| print(e.run_folder + \"/figures\")"),
    ),
    of_eval(
        "stop",
        "e.stop([reason])",
        "Ends the run, saved. The reason is kept with it, and it can be resumed.",
        trained!("on_eval", "e| if !e.best { e.stop(\"no better\") }"),
    ),
    of_eval(
        "scale_lr",
        "e.scale_lr(factor)",
        "Multiplies every learning rate from the next update on; the schedule goes on below it. A run that is resumed keeps \
         it.",
        trained!("on_eval", "e| if !e.best { e.scale_lr(0.5) }"),
    ),
    of_eval(
        "log",
        "e.log(name, value)",
        "Adds a column to this validation's row of the metrics: a number, text or bool.",
        trained!("on_eval", "e| e.log(\"good\", e.best)"),
    ),
];

/// The means to steer, alike for a step and a validation.
macro_rules! steering {
    ($engine:expr, $of:ty) => {
        $engine
            .register_get("lr", |seen: &mut $of| seen.report().lr)
            .register_set("lr", |seen: &mut $of, lr: Dynamic| -> Outcome<()> {
                let lr = real(&lr, "the learning rate")?;
                Ok(seen.helm().steer(|control| control.set_lr(lr))?)
            })
            .register_fn("scale_lr", |seen: &mut $of, by: Dynamic| -> Outcome<()> {
                let by = real(&by, "the factor of the learning rate")?;
                Ok(seen.helm().steer(|control| control.scale_lr(by))?)
            })
            .register_fn("stop", |seen: &mut $of| -> Outcome<()> {
                Ok(seen.helm().steer(|control| Ok(control.stop(None)))?)
            })
            .register_fn("stop", |seen: &mut $of, reason: &str| -> Outcome<()> {
                Ok(seen.helm().steer(|control| Ok(control.stop(Some(reason.to_owned()))))?)
            })
            .register_fn("log", |seen: &mut $of, name: &str, value: Dynamic| -> Outcome<()> {
                Ok(seen.helm().log(name, &value)?)
            })
            .register_get("run_folder", |seen: &mut $of| seen.helm().folder.display().to_string())
            .register_get("step", |seen: &mut $of| integer(seen.report().step))
            .register_get("total", |seen: &mut $of| integer(seen.report().total))
            .register_get("epoch", |seen: &mut $of| seen.report().epoch)
            .register_get("tokens", |seen: &mut $of| integer(seen.report().tokens))
            .register_get("wall_seconds", |seen: &mut $of| seen.report().wall_seconds)
            .register_fn("to_string", |seen: &mut $of| seen.describe())
            .register_fn("to_debug", |seen: &mut $of| seen.describe());
    };
}

pub(super) fn register(engine: &mut Engine, docs: &mut Docs) {
    docs.add(STEP_DOCS);
    docs.add(EVAL_DOCS);
    engine
        .register_type_with_name::<Step>("Step")
        .register_get("loss", |step: &mut Step| step.report().loss)
        .register_get("bits_per_byte", |step: &mut Step| step.report().bits_per_byte)
        .register_get("accuracy", |step: &mut Step| step.report().accuracy.map_or(Dynamic::UNIT, |at| at[0].into()))
        .register_get("grad_norm", |step: &mut Step| step.report().grad_norm)
        .register_get("dropout", |step: &mut Step| step.report().dropout.map_or(Dynamic::UNIT, Dynamic::from))
        .register_get("window", |step: &mut Step| {
            step.report().window.map_or(Dynamic::UNIT, |tokens| integer(tokens as u64).into())
        })
        .register_get("samples_per_second", |step: &mut Step| step.report().samples_per_second);
    steering!(engine, Step);
    engine
        .register_type_with_name::<Validation>("Validation")
        .register_get("bits_per_byte", |seen: &mut Validation| seen.evaluation().bits_per_byte)
        .register_get("nll", |seen: &mut Validation| seen.evaluation().nll)
        .register_get("accuracy", |seen: &mut Validation| seen.evaluation().accuracy)
        .register_get("accuracy_at_3", |seen: &mut Validation| seen.evaluation().accuracy_at_3)
        .register_get("accuracy_at_5", |seen: &mut Validation| seen.evaluation().accuracy_at_5)
        .register_get("accuracy_at_10", |seen: &mut Validation| seen.evaluation().accuracy_at_10)
        .register_get("uniform", |seen: &mut Validation| seen.evaluation().baselines.uniform.per_byte)
        .register_get("unigram", |seen: &mut Validation| seen.evaluation().baselines.unigram.per_byte)
        .register_get("markov", |seen: &mut Validation| seen.evaluation().baselines.markov.per_byte)
        .register_get("below_markov", |seen: &mut Validation| {
            seen.evaluation().baselines.markov.per_byte - seen.evaluation().bits_per_byte
        })
        .register_get("best", |seen: &mut Validation| seen.report().best)
        .register_get("evaluation", |seen: &mut Validation| seen.evaluation().clone())
        .register_get("model", |seen: &mut Validation| -> Outcome<ModelValue> { Ok(seen.model()?) })
        .register_fn("frame", |seen: &mut Validation| -> Outcome<Frame> { Ok(seen.frame()?) });
    steering!(engine, Validation);
}

fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
