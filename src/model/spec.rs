//! What a model is made of: plain data that scripts compose, checkpoints carry and [`super::Model::new`] builds.

use super::norm::NormKind;
use super::{ModelError, feed_forward::FeedForwardConfig, lstm::LstmConfig, s4_config::Mode, s4_config::S4Config};
use crate::options;
use crate::options::{OptionError, Options};
use crate::ssm::DtTransform;
use serde::{Deserialize, Serialize};

/// Weights of the largest model that is built: eight gigabytes of float32.
const MOST_WEIGHTS: f64 = 2e9;

/// The largest product of pooling factors: a minute at 16 kHz, and room.
const LONGEST_POOL: f64 = 1_048_576.0;

/// Whose conventions a model follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// The modular reference, which released checkpoints use: scalar block norm, weight-normed pools, softplus dt.
    #[default]
    Repo,
    /// The self-contained reference file: affine LayerNorm, plain pools of width 1, exp dt.
    Standalone,
}

/// One pre-norm residual block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlockSpec {
    /// A state space, GELU and a gated linear map.
    S4(S4Config),
    /// Two linear maps with a GELU between.
    Ff(FeedForwardConfig),
    /// An LSTM.
    Lstm(LstmConfig),
}

impl BlockSpec {
    /// Trainable real numbers of the block without its norm, in floating point, which cannot overflow: an estimate that
    /// is right where it is large.
    fn size(&self, channels: f64) -> f64 {
        match self {
            Self::S4(config) => channels * (2.0 * channels + 2.0 * config.d_state as f64),
            Self::Ff(config) => channels * channels * 2.0 * config.expand as f64,
            Self::Lstm(config) => {
                let units = config.d_hidden.map_or(channels, |units| units as f64);
                units * (4.0 * (channels + units) + channels + 8.0 * units * (config.layers - 1) as f64)
            }
        }
    }

    fn validate(&self, channels: i64) -> Result<(), ModelError> {
        match self {
            Self::S4(config) => {
                config.validate()?;
                config.check_tiling(channels)?;
            }
            Self::Ff(config) => config.validate()?,
            Self::Lstm(config) => config.validate()?,
        }
        Ok(())
    }

    /// The name of its function: "s4", "s4d", "ff" or "lstm".
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::S4(config) if config.mode == Mode::S4d => "s4d",
            Self::S4(_) => "s4",
            Self::Ff(_) => "ff",
            Self::Lstm(_) => "lstm",
        }
    }

    /// Whether the block looks at the past alone.
    #[must_use]
    pub fn is_causal(&self) -> bool {
        !matches!(self, Self::S4(config) if config.bidirectional)
    }
}

/// Pooling into an inner tier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolSpec {
    /// Samples that become one.
    pub factor: i64,
    /// Channels of the inner tier are `expand` times as many.
    pub expand: i64,
    /// What runs at the lower rate.
    pub inner: Box<TierSpec>,
}

/// The recursion: `tier(x) = y + blocks(y)` with `y = x + up(inner(down(x)))`, or `y = x` without a pool.
///
/// With blocks in `down` it is the U-Net's instead: see [`super::Backbone`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TierSpec {
    /// U-Net only: blocks before the pool.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub down: Vec<BlockSpec>,
    /// The tier at the lower rate, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolSpec>,
    /// Blocks at this rate.
    pub blocks: Vec<BlockSpec>,
}

impl TierSpec {
    /// Pooling factors, outermost first.
    #[must_use]
    pub fn pool_factors(&self) -> Vec<i64> {
        let mut factors = Vec::new();
        let mut tier = self;
        while let Some(pool) = &tier.pool {
            factors.push(pool.factor);
            tier = &pool.inner;
        }
        factors
    }

    /// This tier and the ones inside it, outermost first.
    pub fn tiers(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |tier| tier.pool.as_ref().map(|pool| &*pool.inner))
    }
}

/// A whole model but for the number of levels, which the audio decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// Channels of the outermost tier.
    pub d_model: i64,
    /// Whose conventions.
    #[serde(default)]
    pub preset: Preset,
    /// The norm inside residual blocks; none means the preset's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub norm: Option<NormKind>,
    /// U-Net wiring: blocks on the way down too, and a skip around every layer.
    #[serde(default)]
    pub unet: bool,
    /// Dropout on what each residual block adds.
    #[serde(default)]
    pub dropres: f64,
    /// The blocks and pools.
    pub tier: TierSpec,
}

impl ModelSpec {
    /// The norm that is used.
    #[must_use]
    pub fn norm(&self) -> NormKind {
        self.norm.unwrap_or(match self.preset {
            Preset::Repo => NormKind::Scalar,
            Preset::Standalone => NormKind::Affine,
        })
    }

    /// The transform of dt that a layer uses unless it names one.
    #[must_use]
    pub fn dt_transform(&self) -> DtTransform {
        match self.preset {
            Preset::Repo => DtTransform::Softplus,
            Preset::Standalone => DtTransform::Exp,
        }
    }

    /// The product of the pooling factors: lengths must divide by it.
    #[must_use]
    pub fn pool_product(&self) -> i64 {
        self.tier.pool_factors().iter().product()
    }

    /// Refuses sizes that no machine holds, before anything is multiplied or allocated.
    fn check_size(&self) -> Result<(), ModelError> {
        let too_large = |key: &str, found: i64| {
            let needed = format!("small enough for a model of at most {MOST_WEIGHTS:.0e} weights");
            ModelError::from(OptionError::value(key, found, &needed))
        };
        // In floating point, which cannot overflow here: the answer only has to be right when it is small.
        let (mut channels, mut product, mut weights) = (self.d_model as f64, 1.0, 0.0);
        for tier in self.tier.tiers() {
            for block in tier.down.iter().chain(&tier.blocks) {
                weights += block.size(channels);
            }
            let units = tier.down.iter().chain(&tier.blocks).filter_map(|block| match block {
                BlockSpec::Lstm(config) => config.d_hidden,
                BlockSpec::S4(_) | BlockSpec::Ff(_) => None,
            });
            if weights > MOST_WEIGHTS || channels > MOST_WEIGHTS {
                return Err(match units.max().filter(|units| *units as f64 > channels) {
                    Some(units) => too_large("d_hidden", units),
                    None => too_large("d_model", self.d_model),
                });
            }
            if let Some(pool) = &tier.pool {
                product *= pool.factor as f64;
                weights += 2.0 * channels * channels * pool.factor as f64 * pool.expand as f64;
                channels *= pool.expand as f64;
                if product > LONGEST_POOL {
                    let needed = format!("factors whose product is at most {LONGEST_POOL}");
                    return Err(OptionError::value("pool", pool.factor, &needed).into());
                }
                if weights > MOST_WEIGHTS {
                    return Err(too_large("expand", pool.expand));
                }
            }
        }
        Ok(())
    }

    /// Checks everything that can be checked before tensors are made.
    ///
    /// # Errors
    /// The option at fault, with what was found and what was needed.
    pub fn validate(&self) -> Result<(), ModelError> {
        at_least("d_model", self.d_model, 1)?;
        probability("dropres", self.dropres)?;
        self.check_size()?;
        for tier in self.tier.tiers() {
            if let Some(pool) = &tier.pool {
                at_least("pool", pool.factor, 1)?;
                at_least("expand", pool.expand, 1)?;
            }
            let paired = if tier.pool.is_some() && self.unet { tier.blocks.len() } else { 0 };
            if tier.down.len() != paired {
                return Err(ModelError::Unpaired { down: tier.down.len(), up: paired });
            }
        }
        self.places().iter().try_for_each(|place| place.block().map_or(Ok(()), |block| block.validate(place.channels)))
    }

    /// A composition of `tier` under `config`.
    ///
    /// # Errors
    /// As [`ModelSpec::validate`].
    pub fn new(config: &ModelConfig, tier: TierSpec) -> Result<Self, ModelError> {
        let ModelConfig { d_model, preset, norm, dropres, unet } = *config;
        let spec = Self { d_model, preset, norm, unet, dropres, tier };
        spec.validate()?;
        Ok(spec)
    }

    /// What a composition needs beside its blocks.
    #[must_use]
    pub fn config(&self) -> ModelConfig {
        let Self { d_model, preset, norm, unet, dropres, .. } = *self;
        ModelConfig { d_model, preset, norm, dropres, unet }
    }

    /// Whether every block looks at the past alone, so that the model can generate.
    #[must_use]
    pub fn is_causal(&self) -> bool {
        self.places().iter().filter_map(|place| place.block()).all(BlockSpec::is_causal)
    }

    /// The same composition with every choice made that was left to the preset or the channels, and every option that
    /// means nothing where it stands at its default: compositions that compute the same are equal then.
    #[must_use]
    pub fn resolved(&self) -> Self {
        let tier = self.tier.resolved(self.d_model, self);
        Self { norm: Some(self.norm()), tier, ..self.clone() }
    }
}

impl TierSpec {
    fn resolved(&self, channels: i64, spec: &ModelSpec) -> Self {
        let block = |block: &BlockSpec| match block {
            BlockSpec::S4(config) => BlockSpec::S4(config.resolved(channels, spec)),
            BlockSpec::Lstm(config) => {
                BlockSpec::Lstm(LstmConfig { d_hidden: Some(config.units(channels)), ..config.clone() })
            }
            BlockSpec::Ff(config) => BlockSpec::Ff(config.clone()),
        };
        let pool = |pool: &PoolSpec| {
            let inner = Box::new(pool.inner.resolved(channels.saturating_mul(pool.expand), spec));
            PoolSpec { inner, ..*pool }
        };
        Self {
            down: self.down.iter().map(block).collect(),
            pool: self.pool.as_ref().map(pool),
            blocks: self.blocks.iter().map(block).collect(),
        }
    }
}

options! {
    /// The options of `model(tier, #{ … })`: what a composition needs beside its blocks.
    pub struct ModelConfig for "model" {
        /// Channels of the outermost tier. [channels; 1 or more]
        d_model: i64 = 64,
        /// Conventions: "repo" (released checkpoints) or "standalone". [; "repo", "standalone"]
        preset: Preset = Preset::Repo,
        /// Norm inside residual blocks; `()` is the preset's. [; "scalar", "affine"]
        norm: Option<NormKind> = None,
        /// Dropout on what each residual block adds. [probability; 0 to below 1]
        dropres: f64 = 0.0,
        /// U-Net wiring: pooled tiers have blocks before the pool too, and a skip around every layer. [; true, false]
        unet: bool = false,
    }
}

pub(super) fn at_least(key: &str, found: i64, least: i64) -> Result<(), OptionError> {
    if found >= least { Ok(()) } else { Err(OptionError::value(key, found, &format!("at least {least}"))) }
}

pub(super) fn probability(key: &str, found: f64) -> Result<(), OptionError> {
    if (0.0..1.0).contains(&found) {
        Ok(())
    } else {
        Err(OptionError::value(key, found, "a probability: at least 0 and below 1"))
    }
}
