//! The feed-forward block: two linear maps over channels with a GELU between.

use super::linear::{Form, Linear};
use super::params::{Builder, Group};
use super::pass::Pass;
use super::spec::{ModelSpec, at_least, probability};
use super::{ModelError, Preset};
use crate::options;
use crate::options::OptionError;
use tch::Tensor;

options! {
    /// The options of `ff(…)`.
    pub struct FeedForwardConfig for "ff" {
        /// Width of the hidden layer. [times the channels; 1 or more]
        expand: i64 = 2,
        /// Dropout after the GELU. [probability; 0 to below 1]
        dropout: f64 = 0.0,
        /// Drop a channel for the whole sequence rather than single samples. [; true, false]
        tie_dropout: bool = false,
    }
    ; validate = check
}

fn check(config: &FeedForwardConfig) -> Result<(), OptionError> {
    at_least("expand", config.expand, 1)?;
    probability("dropout", config.dropout)
}

#[derive(Debug)]
pub(crate) struct FeedForward {
    config: FeedForwardConfig,
    widen: Linear,
    narrow: Linear,
}

impl FeedForward {
    pub(crate) fn new(
        config: &FeedForwardConfig,
        channels: i64,
        spec: &ModelSpec,
        at: &Builder,
    ) -> Result<Self, ModelError> {
        let at = at.at("ff");
        let hidden = config.expand * channels;
        let form = if spec.preset == Preset::Standalone { Form::Pointwise } else { Form::Plain };
        Ok(Self {
            config: config.clone(),
            widen: Linear::new(channels, hidden, form, Group::NoDecay, &at.at(0).at(0))?,
            narrow: Linear::new(hidden, channels, form, Group::NoDecay, &at.at(2))?,
        })
    }

    pub(crate) fn forward(&self, x: &Tensor, pass: &mut Pass) -> Result<Tensor, ModelError> {
        let y = self.widen.forward(x)?.f_gelu("none")?;
        let y = pass.drop_out(y, self.config.dropout, self.config.tie_dropout)?;
        self.narrow.forward(&y)
    }

    /// The two linear maps.
    pub(crate) fn maps(&self) -> [&Linear; 2] {
        [&self.widen, &self.narrow]
    }

    pub(crate) fn frozen(&self) -> Result<Self, ModelError> {
        Ok(Self { config: self.config.clone(), widen: self.widen.frozen()?, narrow: self.narrow.frozen()? })
    }

    pub(crate) fn step(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        self.narrow.step(&self.widen.step(x)?.f_gelu("none")?)
    }
}
