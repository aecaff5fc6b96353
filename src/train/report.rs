//! What training tells whoever watches, and what it returns.

use super::{Control, Evaluation, TrainError};
use crate::experiment::State;
use crate::metrics::Row;
use crate::model::{Model, ModelSpec};
use crate::seed::Seed;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

/// One update.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// Updates done, this one included.
    pub step: u64,
    /// Updates in all.
    pub total: u64,
    /// Passes over the training windows done.
    pub epoch: f64,
    /// Tokens trained on so far.
    pub tokens: u64,
    /// Cross-entropy of this update's windows before the update, in nats per token.
    pub loss: f64,
    /// The same in bits per byte.
    pub bits_per_byte: f64,
    /// Accuracy@1, @3, @5 and @10 on this update's windows, when it was measured.
    pub accuracy: Option<[f64; 4]>,
    /// Learning rate of the main groups.
    pub lr: f64,
    /// Dropout in every block, where it is scheduled.
    pub dropout: Option<f64>,
    /// Tokens of a training window, where they are scheduled.
    pub window: Option<usize>,
    /// Norm of the gradient before clipping.
    pub grad_norm: f64,
    /// Tokens (audio samples) trained on in a second of wall time, this update's.
    pub samples_per_second: f64,
    /// Training time since the run began, earlier sittings included, in seconds.
    pub wall_seconds: f64,
}

/// One validation.
#[derive(Debug, Clone, PartialEq)]
pub struct EvalReport {
    /// Updates done.
    pub step: u64,
    /// Updates in all.
    pub total: u64,
    /// Passes over the training windows done.
    pub epoch: f64,
    /// Tokens trained on so far.
    pub tokens: u64,
    /// Learning rate of the update before.
    pub lr: f64,
    /// The figures.
    pub evaluation: Evaluation,
    /// Whether it is the best validation of the run so far.
    pub best: bool,
    /// Training time since the run began, earlier sittings included, in seconds.
    pub wall_seconds: f64,
}

impl StepReport {
    /// As a row of the metrics.
    #[must_use]
    pub fn row(&self) -> Row {
        super::rows::of_step(self)
    }
}

impl EvalReport {
    /// As a row of the metrics.
    #[must_use]
    pub fn row(&self) -> Row {
        super::rows::of_eval(self)
    }
}

/// The weights of a run under way, to be copied while an observer is being told something: afterwards they move on.
#[derive(Debug, Clone)]
pub struct Weights(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    spec: ModelSpec,
    levels: i64,
    device: Device,
    kind: Kind,
    weights: Vec<(String, Tensor)>,
}

impl Weights {
    pub(super) fn of(model: &Model) -> Self {
        let (spec, weights) = (model.spec().clone(), model.state_dict());
        Self(Rc::new(Shared { spec, levels: model.levels(), device: model.device(), kind: model.kind(), weights }))
    }

    /// A model of its own with the weights as they stand: whatever is done with it, the run does not notice.
    ///
    /// # Errors
    /// libtorch's.
    pub fn to_model(&self) -> Result<Model, TrainError> {
        let Shared { spec, levels, device, kind, weights } = &*self.0;
        let model = Model::new(spec, *levels, Seed(0), *device, *kind)?;
        model.load_state_dict(weights)?;
        Ok(model)
    }
}

/// Watches training, and may steer it through the [`Control`] that it is handed. Everything is optional.
pub trait Observer {
    /// Before the first update of this sitting: the run's folder, updates done in earlier sittings, and in all.
    fn on_begin(&mut self, _run: &Path, _done: u64, _total: u64) {}
    /// After each update, before its row is written. On a CUDA device reports come in bunches, when the figures are read
    /// back, and so may wishes take effect some updates later: see [`Observer::figures_every`].
    fn on_step(&mut self, _report: &StepReport, _control: &mut Control) {}
    /// After each validation, before its row is written; the weights are those that were scored. One that was not due, made
    /// because a run ends before its time, steers nothing: wishes but for columns are forgotten there.
    fn on_eval(&mut self, _report: &EvalReport, _weights: &Weights, _control: &mut Control) {}
    /// While scoring: windows done, and in all.
    fn on_eval_progress(&mut self, _done: usize, _total: usize) {}
    /// Something worth a line: settings that differ from the run's record, a metrics line cut off by a crash.
    fn on_note(&mut self, _note: &str) {}
    /// The figures of every so manyeth update must be read at once, because somebody acts on them. On a CUDA device each
    /// reading waits for the device; on a CPU they are always read at once.
    fn figures_every(&self) -> Option<u64> {
        None
    }
    /// Who steers the run, by name and in their own words, for its record.
    fn callbacks(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}

/// Why training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// All updates were made.
    Finished,
    /// The validation loss stopped improving.
    EarlyStopped,
    /// An observer (a script's callback) asked; the run can be continued.
    ByScript,
    /// Somebody asked; the run can be continued.
    Interrupted,
    /// The `max_seconds` of this sitting were over; the run can be continued.
    TimeUp,
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Finished => "finished",
            Self::EarlyStopped => "stopped early",
            Self::ByScript => "stopped by the script",
            Self::Interrupted => "interrupted",
            Self::TimeUp => "time is up",
        })
    }
}

impl From<Stop> for State {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Finished => Self::Finished,
            Stop::EarlyStopped => Self::EarlyStopped,
            Stop::ByScript => Self::StoppedByScript,
            Stop::Interrupted => Self::Interrupted,
            Stop::TimeUp => Self::TimeUp,
        }
    }
}

/// What came of a run. The model that was trained holds the weights of the last update.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Why it ended.
    pub stop: Stop,
    /// Why an observer asked to stop, where it said so.
    pub reason: Option<String>,
    /// Updates done.
    pub steps: u64,
    /// Passes over the training windows done.
    pub epoch: f64,
    /// Tokens trained on.
    pub tokens: u64,
    /// Loss of the last update's windows, in nats; `None` if this sitting made no update.
    pub last_loss: Option<f64>,
    /// The last validation of this sitting.
    pub last: Option<EvalReport>,
    /// The best validation of the run. One of an earlier sitting is read back from the log, which does not hold the figures
    /// of single files: its `clips` are empty.
    pub best: Option<EvalReport>,
    /// Training time, earlier sittings included, in seconds.
    pub wall_seconds: f64,
    /// The run's folder.
    pub run: PathBuf,
    /// The checkpoint to continue from.
    pub last_checkpoint: PathBuf,
    /// The checkpoint of the best validation, if there was one.
    pub best_checkpoint: Option<PathBuf>,
}
