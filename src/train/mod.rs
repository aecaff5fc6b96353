//! From a model and a corpus to a trained model: schedules, AdamW, the loop, scores, checkpoints, resuming.
//!
//! Lives here: everything that changes weights or measures them, and what a checkpoint holds. Does not: drawing and
//! printing (a loop that draws is a loop that stalls: an [`Observer`] hears of every step); the layout of a run's folder
//! (`experiment`); generation. May use: `audio`, `metrics`, `model`, `experiment`.
//!
//! A step is a function of the weights, the moments and the step's number: the order of windows, dropout and schedules come
//! from (seed, step). So a run continued from a checkpoint is, on a CPU, the run that was never stopped, bit for bit.

mod adamw;
mod ahead;
mod batches;
mod checkpoint;
mod config;
mod control;
mod curriculum;
mod curve;
mod error;
mod evaluate;
mod fork;
mod manifest;
mod report;
mod room;
mod rows;
mod run;
mod score;
mod session;
mod settings;
mod top;
mod update;
mod validate;

pub use crate::schedule::{Schedule, ScheduleError, Validation};
pub use adamw::{AdamW, AdamWConstants, Rates};
pub use batches::{Batches, TokenBatch};
pub use checkpoint::{Checkpoint, load_model, save};
pub use config::{Memory, TrainConfig, WhenShort};
pub use control::Control;
pub use curriculum::window_lengths;
pub use error::TrainError;
pub use evaluate::{ClipScore, EvaluateConfig, Evaluation, evaluate};
pub use fork::{Fork, fork};
pub use manifest::{MANIFEST_SCHEMA, Manifest, Precision, Progress, RateChange};
pub use report::{EvalReport, Observer, Outcome, Silent, StepReport, Stop, Weights};
pub use room::Shortage;
pub use rows::{RESERVED, TOKENS};
pub use run::{Resumed, open_run, resume, train};
pub use score::{RowScore, TOP, hits, ranks, score, summed_nll};
pub use settings::{FIXED, changed};
