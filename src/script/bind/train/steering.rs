//! What a callback is handed: the figures of a step or of a validation, and the means to steer the run.

use std::cell::{OnceCell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rhai::{Dynamic, Engine};

use super::super::model::ModelValue;
use super::super::{Outcome, real};
use super::steering_docs::{STEP, VALIDATION};
use crate::experiment::RunDir;
use crate::generate::Sound as TokenSound;
use crate::metrics::{Frame, Value, read_log_with};
use crate::script::actions::corpus_of;
use crate::script::convert::a_type;
use crate::script::docs::Docs;
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
    docs.add(STEP);
    docs.add(VALIDATION);
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
