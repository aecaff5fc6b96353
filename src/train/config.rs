//! How to train, as options.

use super::curriculum::{check_dropout, check_window};
use crate::experiment::Existing;
use crate::options::OptionError;
use crate::schedule::Schedule;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

crate::options! {
    /// How a model is trained: how long, how fast, and what is written when.
    pub struct TrainConfig for "train" {
        /// Updates of the weights; by default as many as `epochs` make. [updates; 1 or more]
        steps: Option<u64> = None,
        /// Passes over the training windows, when `steps` is not given. [epochs; 1 or more]
        epochs: u64 = 10,
        /// Windows in one forward and backward pass. [windows; 1 or more]
        batch: usize = 4,
        /// Passes whose gradients are averaged into one update: an update sees `batch` × `accumulate` windows. [passes;
        /// 1 or more]
        accumulate: usize = 1,
        /// Learning rate. [; above 0]
        lr: f64 = 0.004,
        /// Learning rate of the state spaces' dt, A, B and P. [; 0 or more]
        ssm_lr: f64 = 0.001,
        /// Share of a weight taken away at each update, times the learning rate; biases, norms, dt, A, B and P are
        /// exempt. [; 0 or more]
        weight_decay: f64 = 0.0,
        /// How fast the mean gradient forgets. [; 0 to below 1]
        beta1: f64 = 0.9,
        /// How fast the mean squared gradient forgets. [; 0 to below 1]
        beta2: f64 = 0.999,
        /// Added to the root of the mean squared gradient. [; above 0]
        eps: f64 = 1e-8,
        /// The largest norm of the whole gradient; a longer one is shortened to it. None: as it comes. [; above 0]
        clip: Option<f64> = Some(1.0),
        /// What the learning rates are multiplied by: a schedule such as `warmup(100).then(cosine())`, its map, or its
        /// name. [factor; 0 or more]
        schedule: Schedule = Schedule::constant(),
        /// Dropout in every block in place of the model's own: a schedule of probabilities such as `linear(0, 0.3)`, or
        /// one of them. By default each block's own. [probability; 0 to below 1]
        dropout: Option<Schedule> = None,
        /// Tokens of a training window: a schedule such as `linear(512, 8192)`, or a number. Taken is the nearest of
        /// the corpus's window, its half, its quarter, …, cut from a place drawn by seed and step; validations see
        /// whole windows. By default the corpus's window. [tokens; 1 or more]
        window: Option<Schedule> = None,
        /// Seed of the order of windows and of dropout. [; 0 to 9223372036854775807]
        seed: u64 = 0,
        /// Updates between validations; 0 means one after each epoch. There is always one at the end. [updates; 0 or
        /// more]
        eval_every: u64 = 0,
        /// Windows scored at a validation, spread evenly over the split; by default all. [windows; 1 or more]
        eval_windows: Option<usize> = None,
        /// Updates between scorings of the training batch's accuracy, which cost about 1 % of an update; 0 means never.
        /// [updates; 0 or more]
        accuracy_every: u64 = 1,
        /// Stop after this many validations in a row without a better loss; by default never. [validations; 1 or more]
        early_stop: Option<u64> = None,
        /// Updates between writings of the last checkpoint, beside those at validations and at the end; 0 means only
        /// those. [updates; 0 or more]
        checkpoint_every: u64 = 0,
        /// Checkpoints of the best validations that are kept beside `best`, as `top-STEP`; 0 means none. [checkpoints; 0 or
        /// more]
        top_k: usize = 0,
        /// Stop after this time, saving as at any other end; a run that is resumed has as much again. By default never.
        /// [seconds; above 0]
        max_seconds: Option<f64> = None,
        /// What is kept of the forward pass for the backward one: everything, or what goes into each block, which is then
        /// run again: a third more time, a fraction of the memory, the same weights bit for bit. See model.explain.
        /// [; "keep", "recompute"]
        memory: Memory = Memory::Keep,
        /// When the predicted memory surely does not fit what is free: refuse before the first update, or try it all the
        /// same. [; "refuse", "try"]
        when_short: WhenShort = WhenShort::Refuse,
        /// What you call the run, for lists of runs; it decides nothing. [; text]
        label: Option<String> = None,
        /// The run's folder; by default the next free `experiments/runs/run-001`, …. [; path]
        out: Option<PathBuf> = None,
        /// When `out` holds a run already: refuse, move the old run aside, or go on with it. [; "refuse", "overwrite",
        /// "continue"]
        existing: Existing = Existing::Refuse,
    }
    ; validate = validate
}

/// What a forward pass keeps for the backward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Memory {
    /// All that libtorch's tape asks for.
    #[default]
    Keep,
    /// What goes into each residual block; the blocks are run again.
    Recompute,
}

/// What to do when a run surely does not fit into memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenShort {
    /// Refuse before the first update.
    #[default]
    Refuse,
    /// Try it: the prediction may be wrong, or the system may swap.
    Try,
}

impl TrainConfig {
    /// Updates in all, where an epoch has so many.
    #[must_use]
    pub fn total(&self, steps_per_epoch: u64) -> u64 {
        self.steps.unwrap_or_else(|| self.epochs.saturating_mul(steps_per_epoch))
    }
}

fn validate(config: &TrainConfig) -> Result<(), OptionError> {
    let above_zero = |key, value: f64| {
        let fine = value.is_finite() && value > 0.0;
        fine.then_some(()).ok_or_else(|| OptionError::value(key, value, "a number above 0"))
    };
    let not_below_zero = |key, value: f64| {
        let fine = value.is_finite() && value >= 0.0;
        fine.then_some(()).ok_or_else(|| OptionError::value(key, value, "a number not below 0"))
    };
    let below_one = |key, value: f64| {
        (0.0..1.0).contains(&value).then_some(()).ok_or_else(|| OptionError::value(key, value, "from 0 to below 1"))
    };
    let at_least_one =
        |key, value: u64| (value > 0).then_some(()).ok_or_else(|| OptionError::value(key, value, "at least 1"));
    above_zero("lr", config.lr).map_err(|error| error.with_hint("0.004 is usual for SaShiMi"))?;
    not_below_zero("ssm_lr", config.ssm_lr)?;
    not_below_zero("weight_decay", config.weight_decay)?;
    below_one("beta1", config.beta1)?;
    below_one("beta2", config.beta2)?;
    above_zero("eps", config.eps)?;
    config.clip.map_or(Ok(()), |clip| above_zero("clip", clip))?;
    config.max_seconds.map_or(Ok(()), |seconds| above_zero("max_seconds", seconds))?;
    at_least_one("batch", config.batch as u64)?;
    at_least_one("accumulate", config.accumulate as u64)?;
    config.steps.map_or(Ok(()), |steps| at_least_one("steps", steps))?;
    config.early_stop.map_or(Ok(()), |patience| at_least_one("early_stop", patience))?;
    config.eval_windows.map_or(Ok(()), |windows| at_least_one("eval_windows", windows as u64))?;
    if config.steps.is_none() {
        at_least_one("epochs", config.epochs)?;
    }
    if i64::try_from(config.seed).is_err() {
        return Err(OptionError::value("seed", config.seed, "at most 9223372036854775807")
            .with_hint("run.toml and scripts hold signed 64-bit integers"));
    }
    config.dropout.as_ref().map_or(Ok(()), |schedule| check_dropout(schedule, config.steps))?;
    config.window.as_ref().map_or(Ok(()), |schedule| check_window(schedule, config.steps))?;
    config.schedule.validate().map_err(|error| OptionError {
        key: "schedule".to_owned(),
        message: error.to_string(),
        hint: error.hint(),
    })
}
