//! What a user can ask of generation.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Drawing;
use crate::options::OptionError;
use crate::seed::Seed;

/// What steps a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineChoice {
    /// The engine, and libtorch for what it cannot step.
    Auto,
    /// The engine, or an error.
    Engine,
    /// The libtorch step.
    Libtorch,
}

crate::options! {
    /// How much sound to generate, and how to draw it.
    pub struct GenerateConfig for "generate" {
        /// Length of what is generated for each take, after the prompt if there is one. [seconds; above 0]
        seconds: f64 = 4.0,
        /// The same length in samples (one token each); overrides `seconds`. [samples; at least 1]
        samples: Option<usize> = None,
        /// How many takes to generate side by side. [takes; 1 to 4096]
        batch: usize = 1,
        /// Divides the logits of what `top_k` and `top_p` leave: 1 draws from the model itself, below is safer, above is
        /// wilder, 0 always takes the most probable token. [; at least 0]
        temperature: f64 = 1.0,
        /// Keeps the most probable tokens up to the one with which their sum exceeds this; 1 keeps all. [probability; above 0 to 1]
        top_p: f64 = 1.0,
        /// Keeps this many of the most probable tokens; 0 keeps all. With `top_p`, a token must pass both, each looked at
        /// in the model's own probabilities, before `temperature`. [tokens; at least 0]
        top_k: usize = 0,
        /// Take number i depends on this, on i and on the model, and on nothing else: not on `batch`. [; at least 0]
        seed: u64 = 0,
        /// A sound file to continue; () starts from silence. [; a path]
        prompt: Option<PathBuf> = None,
        /// How much of the prompt to continue from, from its beginning; () takes all of it. [seconds; above 0]
        prompt_seconds: Option<f64> = None,
        /// What steps the model: the engine made for it ("auto" and "engine"), or libtorch's own operations, which can step
        /// everything, much slower; "auto" takes them for what the engine cannot step. [; "auto", "engine", "libtorch"]
        engine: EngineChoice = EngineChoice::Auto,
        /// Orders the takes by log-likelihood, the likeliest first; otherwise by their number. [; true, false]
        sort: bool = true,
    }
    ; validate = validate
}

/// The most takes that are generated side by side.
const MOST_TAKES: usize = 4096;

/// The most tokens that one call generates, over all its takes: 18 hours of sound at 16 kHz, 6 GiB as tokens and waves.
const MOST_TOKENS: f64 = (1_u64 << 30) as f64;

impl GenerateConfig {
    /// Temperature and masks, for a [`Session`](super::Session).
    #[must_use]
    pub fn drawing(&self) -> Drawing {
        Drawing { temperature: self.temperature, top_k: self.top_k, top_p: self.top_p }
    }

    /// The seed of the draws.
    #[must_use]
    pub fn seed(&self) -> Seed {
        Seed(self.seed)
    }

    /// How many tokens to generate for each take, after the prompt, at `sample_rate` in Hz.
    ///
    /// # Errors
    /// When that is less than one sample, or more than can be held.
    pub fn tokens(&self, sample_rate: u32) -> Result<usize, OptionError> {
        let (key, tokens) = match self.samples {
            Some(samples) => ("samples", samples as f64),
            None => ("seconds", (self.seconds * f64::from(sample_rate)).round()),
        };
        let what = || match self.samples {
            Some(samples) => format!("{samples}"),
            None => format!("{} at {sample_rate} Hz", self.seconds),
        };
        if tokens < 1.0 {
            return Err(OptionError::value(key, what(), "at least one sample"));
        }
        self.check_room(key, tokens, what)?;
        Ok(tokens as usize)
    }

    /// That `tokens` for each take can be held.
    fn check_room(&self, key: &str, tokens: f64, what: impl Fn() -> String) -> Result<(), OptionError> {
        if tokens * self.batch as f64 <= MOST_TOKENS {
            return Ok(());
        }
        let most = (MOST_TOKENS / self.batch as f64) as usize;
        Err(OptionError::value(key, what(), "at most 2^30 samples over all takes")
            .with_hint(format!("at most {most} samples with `batch` {}", self.batch)))
    }
}

fn validate(config: &GenerateConfig) -> Result<(), OptionError> {
    if config.samples == Some(0) {
        return Err(OptionError::value("samples", 0, "at least 1"));
    }
    if !(config.seconds > 0.0 && config.seconds.is_finite()) {
        return Err(OptionError::value("seconds", config.seconds, "a finite number of seconds above 0"));
    }
    if !(1..=MOST_TAKES).contains(&config.batch) {
        return Err(OptionError::value("batch", config.batch, "1 to 4096")
            .with_hint("take number i is the same whatever `batch` is: generate more takes under other seeds"));
    }
    if let Some(samples) = config.samples {
        config.check_room("samples", samples as f64, || samples.to_string())?;
    }
    config.drawing().validate()?;
    match config.prompt_seconds {
        Some(seconds) if !(seconds > 0.0 && seconds.is_finite()) => {
            Err(OptionError::value("prompt_seconds", seconds, "a finite number of seconds above 0"))
        }
        _ => Ok(()),
    }
}
