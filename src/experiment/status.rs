//! `status.json`: where a run stands, rewritten whole at every checkpoint, so that a list of runs need not read their logs.

use serde::{Deserialize, Serialize};

/// The layout of `status.json` that this version writes.
pub(super) const STATUS_SCHEMA: u32 = 1;

/// What a run is doing, or why it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is being trained.
    Running,
    /// All updates were made.
    Finished,
    /// The validation loss stopped improving.
    EarlyStopped,
    /// A callback of the script asked.
    StoppedByScript,
    /// Somebody pressed Ctrl-C.
    Interrupted,
    /// Its time was up.
    TimeUp,
    /// An error ended it.
    Failed,
    /// Its process is gone without having said why: killed, or the machine went down.
    Died,
}

impl State {
    /// Whether all that was asked for has been done.
    #[must_use]
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Finished | Self::EarlyStopped)
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::EarlyStopped => "stopped early",
            Self::StoppedByScript => "stopped by the script",
            Self::Interrupted => "interrupted",
            Self::TimeUp => "time is up",
            Self::Failed => "failed",
            Self::Died => "died",
        })
    }
}

/// Where a run stood when it last wrote a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The layout of this file.
    pub schema: u32,
    /// What it was doing; never [`State::Died`], which is concluded from a run that says it is running and is not.
    pub state: State,
    /// In words: why a callback stopped it, or the error that ended it.
    pub reason: Option<String>,
    /// Updates done.
    pub steps: u64,
    /// Updates in all.
    pub total: u64,
    /// Training time, in seconds.
    pub wall_seconds: f64,
    /// Cross-entropy of the last update's windows, in nats per token.
    pub loss: Option<f64>,
    /// The last validation, in bits per byte.
    pub val_bits_per_byte: Option<f64>,
    /// The best validation, in bits per byte.
    pub best_bits_per_byte: Option<f64>,
    /// The updates done at the best validation.
    pub best_step: Option<u64>,
    /// How it went, in few numbers: bits per byte of its validations, or of its updates while there is no validation.
    pub curve: Vec<f64>,
    /// When this was written, seconds since 1970-01-01 UTC.
    pub updated_unix_s: u64,
}

impl Status {
    /// A run that stands at its beginning.
    #[must_use]
    pub fn new(state: State, total: u64) -> Self {
        Self {
            schema: STATUS_SCHEMA,
            state,
            reason: None,
            steps: 0,
            total,
            wall_seconds: 0.0,
            loss: None,
            val_bits_per_byte: None,
            best_bits_per_byte: None,
            best_step: None,
            curve: Vec::new(),
            updated_unix_s: 0,
        }
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// `None` for another layout, or what is no status: whoever asks can still look at the log.
    pub(super) fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|status: &Self| status.schema == STATUS_SCHEMA)
    }
}
