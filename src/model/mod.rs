//! Models: S4, feed-forward and LSTM blocks, tiers and pools, embedding and head.
//!
//! Lives here: the composition ([`ModelSpec`]) with its algebra and its [`Summary`], the network that it builds
//! ([`Model`]), its parameters under the names of official checkpoints ([`Params`]), the recurrence ([`Stepper`]), and
//! the comparison of both ([`verify`](verify::verify)).
//! Does not: kernels and convolutions (`ssm`), optimisers and losses (`train`), files. May use: `ssm`, `seed`, `options`.
//!
//! Sequences are `(batch, channels, seq_len)` throughout, so that convolutions find their samples side by side and
//! linear maps are one matrix product; only the head transposes.

mod cost;
mod eigenvalues;
mod error;
mod feed_forward;
mod head;
mod layout;
mod linear;
mod lstm;
mod machine;
mod memory;
mod norm;
mod params;
mod pass;
mod revise;
mod s4_block;
mod s4_config;
mod sashimi;
mod spec;
mod state_dict;
mod stepper;
mod summary;
mod thin;
mod tier;
pub mod verify;

pub use cost::{Cost, Workload};
pub use eigenvalues::{LayerEigenvalues, StateMatrix};
pub use error::ModelError;
pub use feed_forward::FeedForwardConfig;
pub use layout::{Part, Place};
pub use lstm::{LstmBlock, LstmConfig};
pub use machine::Machine;
pub use norm::NormKind;
pub use params::{Group, Param, Params};
pub use pass::Pass;
pub use revise::changeable_fields;
pub use s4_block::S4Block;
pub use s4_config::{Mode, S4Config};
pub use sashimi::SashimiConfig;
pub use spec::{BlockSpec, ModelConfig, ModelSpec, PoolSpec, Preset, TierSpec};
pub use stepper::{BackboneStepper, Stepper};
pub use summary::{Line, Summary};

/// What the step engine takes a model apart into.
pub(crate) use crate::ssm::StepFactors;
pub(crate) use linear::Linear;
pub(crate) use norm::Norm;
pub(crate) use tier::{Layer, Pooled, Residual, Tier};

use crate::seed::Seed;
use linear::Form;
use params::{Builder, Init};
use tch::{Device, Kind, Tensor};

/// The tiers and the final LayerNorm, without embedding and head.
#[derive(Debug)]
pub struct Backbone {
    spec: ModelSpec,
    tier: Tier,
    norm: Norm,
}

impl Backbone {
    fn new(spec: &ModelSpec, at: &Builder) -> Result<Self, ModelError> {
        spec.validate()?;
        let tier = Tier::new(spec, at)?;
        Ok(Self { spec: spec.clone(), tier, norm: Norm::new(NormKind::Affine, spec.d_model, &at.at("norm"))? })
    }

    /// A backbone on its own, with its parameters.
    ///
    /// # Errors
    /// Whatever [`ModelSpec::validate`] refuses; libtorch's.
    pub fn build(spec: &ModelSpec, seed: Seed, device: Device, kind: Kind) -> Result<(Self, Params), ModelError> {
        let builder = Builder::new(seed, device, kind);
        let backbone = Self::new(spec, &builder)?;
        Ok((backbone, builder.finish()))
    }

    /// `(batch, d_model, seq_len)` → the same.
    ///
    /// # Errors
    /// [`ModelError::Indivisible`] when the pools do not divide `seq_len`.
    pub fn forward(&self, x: &Tensor, pass: &mut Pass) -> Result<Tensor, ModelError> {
        self.check_length(x.size()[2])?;
        let y = self.tier.forward(x, pass)?;
        self.norm.forward(&pass.tape.level(y)?)
    }

    /// The backbone as a recurrence, from the zero state.
    ///
    /// # Errors
    /// [`ModelError::NotCausal`] when a layer looks ahead.
    pub fn stepper(&self, batch: i64) -> Result<BackboneStepper<'_>, ModelError> {
        BackboneStepper::new(self, batch)
    }

    fn check_length(&self, seq_len: i64) -> Result<(), ModelError> {
        let product = self.spec.pool_product();
        if seq_len < 1 || seq_len % product != 0 {
            return Err(ModelError::Indivisible { seq_len, pool: self.spec.tier.pool_factors(), product });
        }
        Ok(())
    }

    /// A tensor of the kind and device of the weights.
    fn like(&self) -> Tensor {
        match &self.norm {
            Norm::Affine { weight, .. } => weight.detach(),
            Norm::Scalar { s, .. } => s.detach(),
        }
    }
}

/// Embedding → backbone → linear head: logits of the next token.
#[derive(Debug)]
pub struct Model {
    backbone: Backbone,
    embedding: Tensor,
    head: Linear,
    params: Params,
    levels: i64,
    device: Device,
    kind: Kind,
}

impl Model {
    /// Builds the composition for tokens in `0..levels`. Initial weights depend on the seed and on each weight's name.
    ///
    /// # Errors
    /// Whatever [`ModelSpec::validate`] refuses; libtorch's.
    pub fn new(spec: &ModelSpec, levels: i64, seed: Seed, device: Device, kind: Kind) -> Result<Self, ModelError> {
        Self::make(spec, levels, Builder::new(seed, device, kind))
    }

    fn make(spec: &ModelSpec, levels: i64, builder: Builder) -> Result<Self, ModelError> {
        let (device, kind) = (builder.device(), builder.kind());
        let backbone = Backbone::new(spec, &builder.at("model"))?;
        let at = builder.at("encoder").at(0);
        let embedding = at.param("weight", &[levels, spec.d_model], Group::Dense, Init::Normal(1.0))?;
        let at = builder.at("decoder").at(0).at("output_transform");
        let head = Linear::new(spec.d_model, levels, Form::Plain, Group::Dense, &at)?;
        Ok(Self { backbone, embedding, head, params: builder.finish(), levels, device, kind })
    }

    /// The composition.
    #[must_use]
    pub fn spec(&self) -> &ModelSpec {
        &self.backbone.spec
    }

    /// Tokens are in `0..levels`.
    #[must_use]
    pub fn levels(&self) -> i64 {
        self.levels
    }

    /// The tiers, the final norm, the embedding `(levels, d_model)` and the head: for lowering.
    pub(crate) fn parts(&self) -> (&Tier, &Norm, &Tensor, &Linear) {
        (&self.backbone.tier, &self.backbone.norm, &self.embedding, &self.head)
    }

    /// Where the weights are.
    #[must_use]
    pub fn device(&self) -> Device {
        self.device
    }

    /// float32 or float64.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The trainable tensors.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The number of trainable real numbers.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.params.count()
    }

    /// Whether sequences of this length divide by the pools.
    ///
    /// # Errors
    /// [`ModelError::Indivisible`].
    pub fn check_length(&self, seq_len: i64) -> Result<(), ModelError> {
        self.backbone.check_length(seq_len)
    }

    fn embed(&self, tokens: &Tensor) -> Result<Tensor, ModelError> {
        Ok(Tensor::f_embedding(&self.embedding, tokens, -1, false, false)?)
    }

    /// `(…, d_model)` → `(…, levels)`.
    fn head(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        self.head.step(x)
    }

    /// Logits of the token that follows each position.
    ///
    /// # Shapes
    /// `inputs` `(batch, seq_len)`, int64, in `0..levels` and shifted by one already: position `t` holds the token before
    /// the one that is predicted there. Returns `(batch, seq_len, levels)`.
    /// # Errors
    /// [`ModelError::Indivisible`] when the pools do not divide `seq_len`.
    pub fn forward(&self, inputs: &Tensor, pass: &mut Pass) -> Result<Tensor, ModelError> {
        self.head(&self.features(inputs, pass)?)
    }

    /// What goes into the head: `(batch, seq_len, d_model)`.
    fn features(&self, inputs: &Tensor, pass: &mut Pass) -> Result<Tensor, ModelError> {
        self.check_length(inputs.size()[1])?;
        let x = self.embed(inputs)?.f_transpose(1, 2)?.f_contiguous()?;
        Ok(self.backbone.forward(&x, pass)?.f_transpose(1, 2)?)
    }

    /// The model as a recurrence, from the zero state.
    ///
    /// # Errors
    /// [`ModelError::NotCausal`] when a layer looks ahead.
    pub fn stepper(&self, batch: i64) -> Result<Stepper<'_>, ModelError> {
        Stepper::new(self, batch)
    }

    /// See [`Params::state_dict`].
    #[must_use]
    pub fn state_dict(&self) -> Vec<(String, Tensor)> {
        self.params.state_dict()
    }

    /// See [`Params::load_state_dict`].
    ///
    /// # Errors
    /// [`ModelError::StateDict`].
    pub fn load_state_dict(&self, weights: &[(String, Tensor)]) -> Result<(), ModelError> {
        self.params.load_state_dict(weights)
    }

    /// The same weights in another precision.
    ///
    /// # Errors
    /// libtorch's.
    pub fn to_kind(&self, kind: Kind) -> Result<Self, ModelError> {
        let model = Self::new(self.spec(), self.levels, Seed(0), self.device, kind)?;
        model.load_state_dict(&self.state_dict())?;
        Ok(model)
    }

    /// The impulse responses of every S4 block, in the order that they run: `(outputs, channels, seq_len)` each, float64.
    ///
    /// # Errors
    /// libtorch's.
    pub fn kernels(&self, seq_len: i64) -> Result<Vec<Tensor>, ModelError> {
        self.backbone.tier.s4_blocks().map(|block| block.impulse_response(seq_len)).collect()
    }

    /// The S4 layers with the numbers of their blocks, in the order that they run.
    #[must_use]
    pub fn s4_layers(&self) -> Vec<(usize, &S4Block)> {
        let numbers =
            self.spec().blocks().enumerate().filter(|(_, place)| matches!(place.block(), Some(BlockSpec::S4(_))));
        let numbers: Vec<usize> = numbers.map(|(number, _)| number).collect();
        numbers.into_iter().zip(self.backbone.tier.s4_blocks()).collect()
    }

    /// The first `seq_len` taps of the impulse response of one channel of block `index`: `(outputs, seq_len)`, float64.
    ///
    /// # Errors
    /// [`ModelError::NoBlock`], [`ModelError::NoKernel`], [`ModelError::NoChannel`]; libtorch's.
    pub fn kernel(&self, index: i64, channel: i64, seq_len: i64) -> Result<Tensor, ModelError> {
        let (index, place) = self.spec().block(index)?;
        let layers = self.s4_layers();
        let Some((_, block)) = layers.iter().find(|(number, _)| *number == index) else {
            let kind = place.block().map_or("a pool", BlockSpec::kind);
            let known = layers.iter().map(|(number, _)| *number).collect();
            return Err(ModelError::NoKernel { index, kind, known });
        };
        if !(0..place.channels).contains(&channel) {
            return Err(ModelError::NoChannel { channel, index, channels: place.channels });
        }
        Ok(block.impulse_response_of(channel, seq_len)?.f_select(1, 0)?)
    }
}
