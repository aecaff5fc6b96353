//! What training tells whoever watches, and what it returns.

use super::Evaluation;
use std::path::PathBuf;

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

/// Watches training. Everything is optional.
pub trait Observer {
    /// Before the first update of this sitting: updates done in earlier ones, and in all.
    fn on_begin(&mut self, _done: u64, _total: u64) {}
    /// After each update. On a CUDA device reports come in bunches, when the figures are read back.
    fn on_step(&mut self, _report: &StepReport) {}
    /// After each validation.
    fn on_eval(&mut self, _report: &EvalReport) {}
    /// While scoring: windows done, and in all.
    fn on_eval_progress(&mut self, _done: usize, _total: usize) {}
    /// Something worth a line: settings that differ from the run's record, a metrics line cut off by a crash.
    fn on_note(&mut self, _note: &str) {}
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
            Self::Interrupted => "interrupted",
            Self::TimeUp => "time is up",
        })
    }
}

/// What came of a run. The model that was trained holds the weights of the last update.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Why it ended.
    pub stop: Stop,
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
