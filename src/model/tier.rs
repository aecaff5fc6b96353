//! The recursion that a whole SaShiMi is: a tier of blocks around a tier at a lower rate.

use super::feed_forward::FeedForward;
use super::linear::{Form, Pool, Unpool};
use super::lstm::LstmBlock;
use super::norm::Norm;
use super::params::Builder;
use super::pass::Pass;
use super::s4_block::S4Block;
use super::spec::{BlockSpec, ModelSpec, TierSpec};
use super::{ModelError, Preset};
use std::ops::Deref;
use std::rc::Rc;
use tch::Tensor;

#[derive(Debug)]
pub(crate) enum Layer {
    S4(Box<S4Block>),
    FeedForward(FeedForward),
    Lstm(LstmBlock),
}

/// `x + layer(norm(x))`. Shared, because a pass that runs a block again when its gradient arrives holds on to it.
#[derive(Debug, Clone)]
pub(crate) struct Residual(Rc<Branch>);

/// What a residual block is made of.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) norm: Norm,
    pub(crate) layer: Layer,
    dropres: f64,
}

impl Deref for Residual {
    type Target = Branch;

    fn deref(&self) -> &Branch {
        &self.0
    }
}

impl Residual {
    fn new(block: &BlockSpec, channels: i64, spec: &ModelSpec, at: &Builder) -> Result<Self, ModelError> {
        let inside = at.at("layer");
        let layer = match block {
            BlockSpec::S4(config) => Layer::S4(Box::new(S4Block::new(config, channels, spec, &inside)?)),
            BlockSpec::Ff(config) => Layer::FeedForward(FeedForward::new(config, channels, spec, &inside)?),
            BlockSpec::Lstm(config) => Layer::Lstm(LstmBlock::new(config, channels, &inside)?),
        };
        let norm = Norm::new(spec.norm(), channels, &at.at("norm"))?;
        Ok(Self(Rc::new(Branch { norm, layer, dropres: spec.dropres })))
    }

    fn forward(&self, x: &Tensor, pass: &mut Pass) -> Result<Tensor, ModelError> {
        let branch = Rc::clone(&self.0);
        // Without gradient, libtorch's LSTM is oneDNN's, which rounds otherwise.
        let graded = matches!(branch.layer, Layer::Lstm(_));
        pass.through(x, graded, move |x, pass| branch.forward(x, pass))
    }
}

impl Branch {
    fn forward(&self, x: &Tensor, pass: &mut Pass) -> Result<Tensor, ModelError> {
        pass.heed()?;
        let normed = self.norm.forward(x)?;
        let y = match &self.layer {
            Layer::S4(block) => block.forward(&normed, pass)?,
            Layer::FeedForward(block) => block.forward(&normed, pass)?,
            Layer::Lstm(block) => block.forward(&normed, pass)?,
        };
        let y = pass.drop_residual(y, self.dropres)?;
        Ok(x.f_add(&y)?)
    }
}

#[derive(Debug)]
pub(crate) struct Pooled {
    pub(crate) down: Pool,
    pub(crate) inner: Box<Tier>,
    pub(crate) up: Unpool,
}

#[derive(Debug)]
pub(crate) struct Tier {
    pub(crate) down: Vec<Residual>,
    pub(crate) pooled: Option<Pooled>,
    pub(crate) blocks: Vec<Residual>,
    pub(crate) unet: bool,
}

/// Where the next layer's parameters go: the official names, in the order that the layers run.
struct Naming<'a> {
    root: &'a Builder,
    spec: &'a ModelSpec,
    names: std::vec::IntoIter<String>,
}

impl Naming<'_> {
    fn next(&mut self) -> Builder {
        self.root.at(self.names.next().expect("the layout has a place for every block and pool"))
    }
}

impl Tier {
    pub(crate) fn new(spec: &ModelSpec, root: &Builder) -> Result<Self, ModelError> {
        let names: Vec<String> = spec.places().into_iter().map(|place| place.name).collect();
        Self::build(&spec.tier, spec.d_model, &mut Naming { root, spec, names: names.into_iter() })
    }

    fn build(tier: &TierSpec, channels: i64, naming: &mut Naming<'_>) -> Result<Self, ModelError> {
        let spec = naming.spec;
        let residuals = |blocks: &[BlockSpec], naming: &mut Naming<'_>| -> Result<Vec<Residual>, ModelError> {
            blocks.iter().map(|block| Residual::new(block, channels, spec, &naming.next())).collect()
        };
        let down = residuals(&tier.down, naming)?;
        let pooled = match &tier.pool {
            None => None,
            Some(pool) => {
                let form = match (spec.preset, spec.unet) {
                    (Preset::Standalone, _) => Form::Pointwise,
                    (Preset::Repo, true) => Form::Plain,
                    (Preset::Repo, false) => Form::WeightNormed,
                };
                let wide = channels * pool.expand;
                let down = Pool::down(channels, wide, pool.factor, form, &naming.next())?;
                let inner = Box::new(Self::build(&pool.inner, wide, naming)?);
                let up = Unpool::new(wide, channels, pool.factor, form, &naming.next())?;
                Some(Pooled { down, inner, up })
            }
        };
        Ok(Self { down, pooled, blocks: residuals(&tier.blocks, naming)?, unet: spec.unet })
    }

    /// `(batch, channels, seq_len)` → the same.
    ///
    /// SaShiMi: `y = x + up(inner(down(x)))`, then `y + blocks(y)`. U-Net: `x_i = f_i(x_(i−1))` going down,
    /// `y = up(inner(down(x_n))) + x_n`, then `y ← g_j(y) + x_(n−j)` going up; its centre is `x + blocks(x)`.
    pub(crate) fn forward(&self, x: &Tensor, pass: &mut Pass) -> Result<Tensor, ModelError> {
        let mut skips = vec![pass.anchor(x.shallow_clone())?];
        for block in &self.down {
            let last = block.forward(&skips[skips.len() - 1], pass)?;
            skips.push(last);
        }
        let deepest = skips.pop().unwrap_or_else(|| x.shallow_clone());
        let mut y = match &self.pooled {
            None => deepest.shallow_clone(),
            Some(pooled) => {
                let inner = pooled.inner.forward(&pooled.down.forward(&deepest)?, pass)?;
                pass.anchor(pooled.up.forward(&inner)?.f_add(&deepest)?)?
            }
        };
        let around = y.shallow_clone();
        for block in &self.blocks {
            y = block.forward(&y, pass)?;
            if let Some(skip) = skips.pop() {
                y = pass.anchor(y.f_add(&skip)?)?;
            }
        }
        if self.unet && self.pooled.is_some() { Ok(y) } else { Ok(y.f_add(&around)?) }
    }

    /// Every block, in the order that they run.
    pub(crate) fn layers(&self) -> Vec<&Layer> {
        let inner = self.pooled.iter().flat_map(|pooled| pooled.inner.layers());
        let (down, blocks) = (self.down.iter(), self.blocks.iter());
        down.map(|block| &block.layer).chain(inner).chain(blocks.map(|block| &block.layer)).collect()
    }

    /// Every S4 block, in the order that they run.
    pub(crate) fn s4_blocks(&self) -> impl Iterator<Item = &S4Block> {
        self.layers().into_iter().filter_map(|layer| match layer {
            Layer::S4(block) => Some(&**block),
            Layer::FeedForward(_) | Layer::Lstm(_) => None,
        })
    }
}
