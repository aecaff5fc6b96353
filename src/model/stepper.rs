//! A model as a recurrence: one token in, the logits of the next one out.

use super::feed_forward::FeedForward;
use super::lstm::LstmStep;
use super::norm::Norm;
use super::s4_block::S4Step;
use super::tier::{Layer, Pooled, Residual, Tier};
use super::{Backbone, Model, ModelError};
use tch::Tensor;

enum LayerStep {
    S4(Box<S4Step>),
    FeedForward(FeedForward),
    Lstm(LstmStep),
}

struct ResidualStep<'m> {
    norm: &'m Norm,
    layer: LayerStep,
}

impl<'m> ResidualStep<'m> {
    fn new(residual: &'m Residual, batch: i64) -> Result<Self, ModelError> {
        let layer = match &residual.layer {
            Layer::S4(block) => LayerStep::S4(Box::new(block.stepper(batch)?)),
            Layer::FeedForward(block) => LayerStep::FeedForward(block.frozen()?),
            Layer::Lstm(block) => LayerStep::Lstm(block.stepper(batch)?),
        };
        Ok(Self { norm: &residual.norm, layer })
    }

    fn step(&mut self, x: &Tensor) -> Result<Tensor, ModelError> {
        let normed = self.norm.forward(x)?;
        let y = match &mut self.layer {
            LayerStep::S4(block) => block.step(&normed)?,
            LayerStep::FeedForward(block) => block.step(&normed)?,
            LayerStep::Lstm(block) => block.step(&normed)?,
        };
        Ok(x.f_add(&y)?)
    }
}

/// The inner tier with its phase: `collected` inputs wait for the next inner step, `dealt` outputs of the last one
/// remain.
struct PooledStep<'m> {
    pooled: &'m Pooled,
    inner: Box<TierStep<'m>>,
    collected: Vec<Tensor>,
    dealt: std::vec::IntoIter<Tensor>,
}

impl<'m> PooledStep<'m> {
    fn new(pooled: &'m Pooled, channels: i64, batch: i64, like: &Tensor) -> Result<Self, ModelError> {
        let wide = pooled.down.down.matrix()?.size()[0];
        let zero = Tensor::f_zeros([batch, channels], (like.kind(), like.device()))?;
        let dealt: Vec<Tensor> = (0..pooled.up.factor).map(|_| zero.shallow_clone()).collect();
        Ok(Self {
            pooled,
            inner: Box::new(TierStep::new(&pooled.inner, wide, batch, like)?),
            collected: Vec::new(),
            dealt: dealt.into_iter(),
        })
    }

    fn step(&mut self, x: &Tensor) -> Result<Tensor, ModelError> {
        self.collected.push(x.shallow_clone());
        let y = self.dealt.next().unwrap_or_else(|| x.zeros_like());
        if self.collected.len() == usize::try_from(self.pooled.down.factor).unwrap_or(1) {
            let inner = self.inner.step(&self.pooled.down.step(&self.collected)?)?;
            self.collected.clear();
            self.dealt = self.pooled.up.step(&inner)?.into_iter();
        }
        Ok(y)
    }
}

struct TierStep<'m> {
    down: Vec<ResidualStep<'m>>,
    pooled: Option<PooledStep<'m>>,
    blocks: Vec<ResidualStep<'m>>,
    unet: bool,
}

impl<'m> TierStep<'m> {
    fn new(tier: &'m Tier, channels: i64, batch: i64, like: &Tensor) -> Result<Self, ModelError> {
        let steps = |blocks: &'m [Residual]| -> Result<Vec<_>, ModelError> {
            blocks.iter().map(|block| ResidualStep::new(block, batch)).collect()
        };
        let pooled = tier.pooled.as_ref().map(|pooled| PooledStep::new(pooled, channels, batch, like)).transpose()?;
        Ok(Self { down: steps(&tier.down)?, pooled, blocks: steps(&tier.blocks)?, unet: tier.unet })
    }

    /// The twin of [`Tier::forward`] for one position.
    fn step(&mut self, x: &Tensor) -> Result<Tensor, ModelError> {
        let mut skips = vec![x.shallow_clone()];
        for block in &mut self.down {
            let last = block.step(&skips[skips.len() - 1])?;
            skips.push(last);
        }
        let deepest = skips.pop().unwrap_or_else(|| x.shallow_clone());
        let mut y = match &mut self.pooled {
            None => deepest,
            Some(pooled) => pooled.step(&deepest)?.f_add(&deepest)?,
        };
        let around = y.shallow_clone();
        for block in &mut self.blocks {
            y = block.step(&y)?;
            if let Some(skip) = skips.pop() {
                y = y.f_add(&skip)?;
            }
        }
        if self.unet && self.pooled.is_some() { Ok(y) } else { Ok(y.f_add(&around)?) }
    }
}

/// A backbone as a recurrence. Starts from the zero state.
pub struct BackboneStepper<'m> {
    backbone: &'m Backbone,
    tier: TierStep<'m>,
}

impl<'m> BackboneStepper<'m> {
    pub(crate) fn new(backbone: &'m Backbone, batch: i64) -> Result<Self, ModelError> {
        let _no_grad = tch::no_grad_guard();
        let like = backbone.like();
        Ok(Self { backbone, tier: TierStep::new(&backbone.tier, backbone.spec.d_model, batch, &like)? })
    }

    /// `(batch, d_model)` → the same.
    ///
    /// # Errors
    /// libtorch's.
    pub fn step(&mut self, x: &Tensor) -> Result<Tensor, ModelError> {
        let _no_grad = tch::no_grad_guard();
        self.backbone.norm.forward(&self.tier.step(x)?)
    }
}

/// A model as a recurrence, from the zero state, for a batch of independent streams.
///
/// This is the plain form over libtorch: the reference for faster engines.
pub struct Stepper<'m> {
    model: &'m Model,
    backbone: BackboneStepper<'m>,
    batch: i64,
}

impl std::fmt::Debug for Stepper<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stepper").field("batch", &self.batch).finish_non_exhaustive()
    }
}

impl<'m> Stepper<'m> {
    pub(crate) fn new(model: &'m Model, batch: i64) -> Result<Self, ModelError> {
        Ok(Self { model, backbone: BackboneStepper::new(&model.backbone, batch)?, batch })
    }

    /// Streams stepped together.
    #[must_use]
    pub fn batch(&self) -> i64 {
        self.batch
    }

    /// Size of each stream's logits.
    #[must_use]
    pub fn levels(&self) -> i64 {
        self.model.levels()
    }

    /// Back to the zero state.
    ///
    /// # Errors
    /// libtorch's.
    pub fn reset(&mut self) -> Result<(), ModelError> {
        self.backbone = BackboneStepper::new(&self.model.backbone, self.batch)?;
        Ok(())
    }

    /// One token of each stream `(batch)`, int64 → logits of the next `(batch, levels)`.
    ///
    /// # Errors
    /// libtorch's.
    pub fn step(&mut self, tokens: &Tensor) -> Result<Tensor, ModelError> {
        let _no_grad = tch::no_grad_guard();
        let x = self.model.embed(tokens)?;
        let y = self.backbone.step(&x)?;
        self.model.head(&y)
    }
}
