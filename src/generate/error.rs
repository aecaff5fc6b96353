//! What can go wrong between a model and its sound.

use crate::audio::AudioError;
use crate::model::ModelError;
use crate::options::OptionError;

/// Why nothing, or nothing more, could be generated.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// An option outside its range.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// The engine advances another number of streams than were asked for.
    #[error("the engine steps {found} streams, but {needed} were asked for")]
    Batch {
        /// Streams of the engine.
        found: usize,
        /// Streams asked for.
        needed: usize,
    },
    /// The model and the quantizer do not speak of the same tokens.
    #[error("the model has {model} levels, but the quantizer has {quantizer}")]
    Levels {
        /// Width of the model's logits.
        model: usize,
        /// Levels of the quantizer.
        quantizer: usize,
    },
    /// More levels than a token can tell apart, or none.
    #[error("the model has {0} levels, but a token tells 1 to 65536 apart")]
    LevelRange(usize),
    /// A token that the model has no row for.
    #[error("token {token} at position {position} is outside the model's {levels} levels")]
    Token {
        /// The token.
        token: u16,
        /// Where it was to be fed.
        position: u64,
        /// Levels of the model.
        levels: usize,
    },
    /// Logits that are no distribution.
    #[error("the logits of stream {stream} at position {position} are not finite numbers")]
    NotFinite {
        /// The stream.
        stream: usize,
        /// Tokens fed before.
        position: u64,
    },
    /// Logits of the wrong number.
    #[error("the engine returned {found} logits, but {batch} streams of {levels} levels need {}", batch * levels)]
    Logits {
        /// Logits returned.
        found: usize,
        /// Streams.
        batch: usize,
        /// Levels.
        levels: usize,
    },
    /// The prompt's file could not be read as sound.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// The prompt's file holds no sound.
    #[error("the prompt {path} holds no samples")]
    EmptyPrompt {
        /// The file.
        path: String,
    },
    /// The prompt's file does not hold the seconds asked for.
    #[error("the prompt {path} is {found:.3} s long, but {wanted} s of it were asked for")]
    PromptLength {
        /// The file.
        path: String,
        /// Its length in seconds.
        found: f64,
        /// The length asked for, in seconds.
        wanted: f64,
    },
    /// Something that the engine has no packed form of.
    #[error("the engine cannot step {0}")]
    NotLowered(String),
    /// The model could not be stepped.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl GenerateError {
    /// What to try next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Option(error) => error.hint.clone(),
            Self::Batch { needed, .. } => Some(format!("make the stepper with a batch of {needed}")),
            Self::Levels { .. } => Some("quantise as the model was trained: its checkpoint's manifest says how".to_owned()),
            Self::Token { .. } => Some("quantise the prompt as the model was trained".to_owned()),
            Self::NotFinite { .. } => Some(
                "the weights may hold NaN or the recurrence may diverge: `wasabi verify` on the checkpoint tells which layer".to_owned(),
            ),
            Self::Audio(error) => error.hint(),
            Self::EmptyPrompt { .. } => Some("leave `prompt` out to start from silence".to_owned()),
            Self::PromptLength { found, .. } => Some(format!("`prompt_seconds` may be up to {found:.3}; leave it out to use all of the file")),
            Self::Model(error) => error.hint(),
            Self::NotLowered(_) => Some("`engine: \"libtorch\"` steps whatever can be stepped, much slower".to_owned()),
            Self::LevelRange(_) | Self::Logits { .. } => None,
        }
    }
}
