//! What can go wrong while training, scoring, saving and loading.

use super::Shortage;
use crate::audio::AudioError;
use crate::experiment::ExperimentError;
use crate::metrics::MetricsError;
use crate::model::ModelError;
use crate::options::OptionError;
use std::path::PathBuf;
use tch::TchError;

/// Why training, evaluation or a checkpoint failed.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// An option is out of range.
    #[error(transparent)]
    Options(#[from] OptionError),
    /// The model refused.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The corpus refused.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// The metrics could not be written or read.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The run's folder could not be written or read.
    #[error(transparent)]
    Run(#[from] ExperimentError),
    /// libtorch refused.
    #[error("libtorch: {}", crate::ssm::brief(.0))]
    Torch(#[from] TchError),
    /// Not enough audio for one update.
    #[error(
        "an update needs {needed} windows (batch {batch} × accumulate {accumulate}), but the training split has {windows}"
    )]
    TooFewWindows {
        /// Windows for one update.
        needed: usize,
        /// Windows in one pass.
        batch: usize,
        /// Passes in one update.
        accumulate: usize,
        /// Windows there are.
        windows: usize,
    },
    /// The model predicts another number of levels than the corpus has.
    #[error("the model predicts {model} levels, but the corpus has {corpus}")]
    Levels {
        /// Levels of the model's head.
        model: i64,
        /// Levels of the corpus's quantiser.
        corpus: u32,
    },
    /// A step does not fit into memory.
    #[error("{0}")]
    Memory(Box<Shortage>),
    /// The numbers left the finite.
    #[error("the {what} is {value} at step {step}, learning rate {lr}; {}", last_good(checkpoint.as_ref()))]
    NotFinite {
        /// Loss, gradient or validation loss.
        what: &'static str,
        /// Its value.
        value: f64,
        /// The update that was being made, from 1.
        step: u64,
        /// The learning rate of that update.
        lr: f64,
        /// The last checkpoint with finite weights.
        checkpoint: Option<PathBuf>,
    },
    /// A checkpoint could not be written; the former one is whole.
    #[error("cannot save {} at step {step}: {source}; {}", path.display(), last_good(former.as_ref()))]
    Save {
        /// Where it was to go.
        path: PathBuf,
        /// Updates done.
        step: u64,
        /// Why the system refused.
        source: std::io::Error,
        /// The checkpoint that is still there.
        former: Option<PathBuf>,
    },
    /// A checkpoint could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Load {
        /// Which file.
        path: PathBuf,
        /// Why the system refused.
        source: std::io::Error,
    },
    /// A folder is that of no run, and holds no checkpoint.
    #[error("{} is not the folder of a run, and holds no checkpoint", path.display())]
    NoRun {
        /// Which folder.
        path: PathBuf,
        /// The runs somewhere in it.
        runs: Vec<PathBuf>,
    },
    /// A file is no safetensors file, or a truncated one.
    #[error("{} is not a whole safetensors file ({bytes} bytes): {reason}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Its size.
        bytes: usize,
        /// What the reader found.
        reason: String,
    },
    /// A whole safetensors file, but not a checkpoint of this program.
    #[error("{} holds no wasabi checkpoint: {reason}", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// What is missing or unreadable.
        reason: String,
    },
    /// Weights of another model.
    #[error("{} does not fit the model: {source}", path.display())]
    Misfit {
        /// Which file.
        path: PathBuf,
        /// Every key that differs.
        source: ModelError,
    },
    /// The optimiser's part of a checkpoint does not fit.
    #[error("the optimiser's state does not fit the model: {}", differences.join("; "))]
    Moments {
        /// What differs.
        differences: Vec<String>,
    },
    /// A run cannot go on with other data or another network.
    #[error("{} cannot be continued: {}", path.display(), differences.join("; "))]
    CannotContinue {
        /// The run.
        path: PathBuf,
        /// What differs.
        differences: Vec<String>,
    },
    /// What an observer asked of the run cannot be.
    #[error("{found}")]
    Wish {
        /// What was asked for.
        found: String,
        /// What to ask instead.
        hint: String,
    },
    /// Somebody asked to stop.
    #[error("stopped during {during}")]
    Interrupted {
        /// What was going on.
        during: &'static str,
    },
}

fn last_good(checkpoint: Option<&PathBuf>) -> String {
    checkpoint.map_or_else(
        || "there is no checkpoint yet".to_owned(),
        |path| format!("the last good checkpoint is {}", path.display()),
    )
}

impl TrainError {
    /// What to try next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Options(error) => error.hint.clone(),
            Self::Model(error) | Self::Misfit { source: error, .. } => error.hint(),
            Self::Audio(error) => error.hint(),
            Self::Metrics(error) => error.hint(),
            Self::Run(error) => error.hint(),
            Self::TooFewWindows { windows, .. } => Some(match windows {
                0 => "add audio, or use a shorter window".to_owned(),
                _ => format!("use a batch of at most {windows}, a shorter window, or more audio"),
            }),
            Self::Levels { corpus, .. } => Some(format!("build the model with {corpus} levels")),
            Self::Memory(shortage) => Some(shortage.hint()),
            Self::NotFinite { .. } => Some(
                "start again with a lower lr, a warm-up, or a smaller clip; the metrics up to here are kept".to_owned(),
            ),
            Self::Save { .. } => Some("make room, or choose a folder on another disk, and continue the run".to_owned()),
            Self::Damaged { .. } => {
                Some(
                "the file was cut off or is of another kind; use another checkpoint: of a run, load_run(folder).fork(#{ from: \
                 \"best\" }) goes on from the best one"
                    .to_owned(),
            )
            }
            Self::Foreign { .. } => {
                Some("give a checkpoint that this program wrote, or the folder of a run".to_owned())
            }
            Self::CannotContinue { .. } => {
                Some("use the settings in its run.toml, or start a run in another folder".to_owned())
            }
            Self::Wish { hint, .. } => Some(hint.clone()),
            Self::NoRun { runs, .. } if runs.is_empty() => {
                Some("give a checkpoint (`….safetensors`) or the folder of a run, the one with its run.toml".to_owned())
            }
            Self::NoRun { runs, .. } => {
                let few: Vec<String> = runs.iter().take(5).map(|run| run.display().to_string()).collect();
                let more = if runs.len() > few.len() { ", …" } else { "" };
                Some(format!("runs in it: {}{more}", few.join(", ")))
            }
            Self::Torch(_) | Self::Load { .. } | Self::Moments { .. } | Self::Interrupted { .. } => None,
        }
    }
}
