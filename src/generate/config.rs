//! What a user can ask of generation.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::DrawPlan;
use crate::options::OptionError;
use crate::schedule::Varying;
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

/// How the engine keeps the weights of linear maps. Its arithmetic is in float32 either way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// As they are.
    #[default]
    F32,
    /// Rounded to bfloat16, the upper half of a float32 (8 bits of precision, ties to even).
    Bf16,
}

/// Which takes to keep, by the rank of their log-likelihood (per drawn sample).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a map, as in #{ drop_low: 0.4, drop_high: 0.05 }")]
pub struct Keep {
    /// The share of the takes to drop that are the least likely.
    #[serde(default)]
    pub drop_low: f64,
    /// The share of the takes to drop that are the likeliest: loops, hums, silence.
    #[serde(default)]
    pub drop_high: f64,
}

impl Keep {
    /// Which ranks of `takes`, the least likely first, are kept. Of any takes at least one is.
    #[must_use]
    pub fn ranks(&self, takes: usize) -> std::ops::Range<usize> {
        let share = |part: f64| ((part * takes as f64) + 1e-9).floor() as usize;
        let low = share(self.drop_low).min(takes.saturating_sub(1));
        low..takes.saturating_sub(share(self.drop_high)).max(low + 1).min(takes)
    }
}

crate::options! {
    /// How much sound to generate, and how to draw it.
    pub struct GenerateConfig for "generate" {
        /// Length of what is generated for each take, after the prompt if there is one. [seconds; above 0]
        seconds: f64 = 4.0,
        /// The same length in samples (one token each); overrides `seconds`. [samples; at least 1]
        length: Option<usize> = None,
        /// How many takes to generate, side by side. [takes; 1 to 4096]
        samples: usize = 1,
        /// Divides the logits of what `top_k`, `top_p` and `min_p` leave: 1 draws from the model itself, below is safer, above
        /// is wilder, 0 always takes the most probable token. This and the next three may each be a schedule, whose steps are
        /// samples drawn (the prompt's do not count): `linear(1.1, 0.9, 16000)` takes a second at 16 kHz, `linear(1.1, 0.9)` the
        /// whole take. [; at least 0]
        temperature: Varying = Varying::Fixed(1.0),
        /// Keeps the most probable tokens up to the one with which their sum exceeds this; 1 keeps all. [probability; above 0 to 1]
        top_p: Varying = Varying::Fixed(1.0),
        /// Keeps this many of the most probable tokens; 0 keeps all. A token must pass `top_k`, `top_p` and `min_p`, each looked
        /// at in the model's own probabilities, before `temperature`. [tokens; at least 0]
        top_k: Varying = Varying::Fixed(0.0),
        /// Keeps the tokens that are at least this many times as probable as the most probable one; 0 keeps all. [; 0 to 1]
        min_p: Varying = Varying::Fixed(0.0),
        /// Take number i depends on this, on i, on the model and on what steps it (`engine`, `precision`), and on nothing else: not
        /// on `samples`, nor on threads. With `state`, the state's own is gone on with. [; at least 0]
        seed: u64 = 0,
        /// A sound file to continue, at any sample rate (it is resampled to the model's); () starts from silence. With `state`,
        /// it is heard after what the state has heard. [; a path]
        prompt: Option<PathBuf> = None,
        /// How much of the prompt to continue from, from its beginning; () takes all of it. [seconds; above 0]
        prefix: Option<f64> = None,
        /// A state to go on from, as `save_state` writes it: each of its takes goes on as if it had never stopped, under the same
        /// `engine` and `precision`. [; a path]
        state: Option<PathBuf> = None,
        /// Where to write the state that the takes end in, a `.state` file. [; a path]
        save_state: Option<PathBuf> = None,
        /// Where a take fails (silence or a runaway, as in `take.quality()`), go back to the whole second before, or to the beginning,
        /// and draw again from there, at most this often for each take; what lasts longest is kept. The column `retries` says
        /// which attempt that was: 0 when none lasted longer. [attempts; 0 to 100]
        retry: usize = 0,
        /// Keep only the takes between two ranks of log-likelihood: `#{ drop_low: 0.4, drop_high: 0.05 }` drops the least likely
        /// 40 % and the likeliest 5 %; () keeps all. [; a map]
        keep: Option<Keep> = None,
        /// What steps the model: the engine made for it, on the CPU ("engine"), or libtorch's own operations, which can step
        /// everything, much slower on a CPU; "auto" takes these for what the engine cannot step and for a model on a GPU. [; "auto", "engine", "libtorch"]
        engine: EngineChoice = EngineChoice::Auto,
        /// How the engine keeps the weights of linear maps: "bf16" halves what it reads for each sample, which is what a few
        /// takes wait for, and makes a slightly different sound; libtorch takes no notice. [; "f32", "bf16"]
        precision: Precision = Precision::F32,
        /// Orders the takes by log-likelihood, the likeliest first; otherwise by their number. [; true, false]
        sort: bool = true,
    }
    ; validate = validate
}

/// The most takes that are generated side by side.
const MOST_TAKES: usize = 4096;

/// The most attempts that a take is given.
const MOST_RETRIES: usize = 100;

/// The most tokens that one call generates, over all its takes: 18 hours of sound at 16 kHz, 6 GiB as tokens and waves.
const MOST_TOKENS: f64 = (1_u64 << 30) as f64;

impl GenerateConfig {
    /// Temperature and masks over time, for a [`Session`](super::Session).
    #[must_use]
    pub fn drawing(&self) -> DrawPlan {
        let Self { temperature, top_k, top_p, min_p, .. } = self.clone();
        DrawPlan { temperature, top_k, top_p, min_p }
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
        let (key, tokens) = match self.length {
            Some(length) => ("length", length as f64),
            None => ("seconds", (self.seconds * f64::from(sample_rate)).round()),
        };
        let what = || match self.length {
            Some(length) => format!("{length}"),
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
        if tokens * self.samples as f64 <= MOST_TOKENS {
            return Ok(());
        }
        let most = (MOST_TOKENS / self.samples as f64) as usize;
        Err(OptionError::value(key, what(), "at most 2^30 samples over all takes")
            .with_hint(format!("at most {most} samples each for {} takes", self.samples)))
    }
}

fn validate(config: &GenerateConfig) -> Result<(), OptionError> {
    if config.length == Some(0) {
        return Err(OptionError::value("length", 0, "at least 1"));
    }
    if !(config.seconds > 0.0 && config.seconds.is_finite()) {
        return Err(OptionError::value("seconds", config.seconds, "a finite number of seconds above 0"));
    }
    if !(1..=MOST_TAKES).contains(&config.samples) {
        return Err(OptionError::value("samples", config.samples, "1 to 4096 takes")
            .with_hint("`length` counts samples of sound; for more takes, generate under other seeds"));
    }
    if let Some(length) = config.length {
        config.check_room("length", length as f64, || length.to_string())?;
    }
    if config.retry > MOST_RETRIES {
        return Err(OptionError::value("retry", config.retry, "0 to 100"));
    }
    if let Some(Keep { drop_low, drop_high }) = config.keep {
        let share = |found: f64| (0.0..1.0).contains(&found);
        if !(share(drop_low) && share(drop_high) && drop_low + drop_high < 1.0) {
            let found = format!("#{{ drop_low: {drop_low}, drop_high: {drop_high} }}");
            return Err(OptionError::value("keep", found, "two shares from 0 to below 1, together below 1"));
        }
    }
    config.drawing().validate()?;
    match config.prefix {
        Some(seconds) if config.prompt.is_none() => Err(OptionError {
            key: "prefix".to_owned(),
            message: format!("`prefix` is {seconds}, but there is no `prompt`"),
            hint: Some("`prompt` is the sound file that it is the beginning of".to_owned()),
        }),
        Some(seconds) if !(seconds > 0.0 && seconds.is_finite()) => {
            Err(OptionError::value("prefix", seconds, "a finite number of seconds above 0"))
        }
        _ => Ok(()),
    }
}
