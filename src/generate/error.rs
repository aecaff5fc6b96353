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
    /// Several takes where there can be only one.
    #[error("{0} takes cannot be streamed")]
    ManyTakes(usize),
    /// A state that another number of takes is in.
    #[error("the state {path} is that of {found} takes, but {needed} were asked for")]
    StateTakes {
        /// The file.
        path: String,
        /// Takes in it.
        found: usize,
        /// Takes asked for.
        needed: usize,
    },
    /// A state of another model.
    #[error("the state {path} is of the model {found}, not of {needed}")]
    StateModel {
        /// The file.
        path: String,
        /// The model in it.
        found: String,
        /// The model that should go on.
        needed: String,
    },
    /// A file that is no state.
    #[error("{path} is no state: {reason}")]
    StateFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A state that cannot be read or written.
    #[error("cannot {doing} the state {path}")]
    StateAccess {
        /// `read` or `write`.
        doing: &'static str,
        /// The file.
        path: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// An engine that keeps its state to itself.
    #[error("libtorch's step cannot save or restore its state")]
    NoState,
    /// A state with another number of numbers than the model's.
    #[error("the state holds {found} numbers for each take, but the model remembers {needed}")]
    Misfit {
        /// Numbers in it.
        found: usize,
        /// Numbers that the model remembers.
        needed: usize,
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
            Self::PromptLength { found, .. } => Some(format!("`prefix` may be up to {found:.3}; leave it out to use all of the file")),
            Self::Model(error) => error.hint(),
            Self::NotLowered(_) => Some("`engine: \"libtorch\"` steps whatever can be stepped, much slower".to_owned()),
            Self::ManyTakes(_) => Some("leave `samples` at 1, or write files without --stream".to_owned()),
            Self::StateTakes { found, .. } => Some(format!("leave `samples` out, or make it {found}")),
            Self::StateModel { .. } => {
                Some("a state fits the weights that it was made with alone, to the last bit: give that checkpoint".to_owned())
            }
            Self::StateFile { .. } => Some("`save_state` of generate writes one".to_owned()),
            Self::StateAccess { .. } => Some("look at the path, its rights, and the space left on the disk".to_owned()),
            Self::NoState => Some("`engine: \"engine\"` can, for models that it can step".to_owned()),
            Self::Misfit { .. } | Self::LevelRange(_) | Self::Logits { .. } => None,
        }
    }
}
