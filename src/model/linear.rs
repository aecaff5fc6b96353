//! Linear maps over channels, and the pools that are made of them.

use super::ModelError;
use super::params::{Builder, Group, Init};
use tch::{Device, Kind, Tensor};

/// How a weight is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `(out, in)`.
    Plain,
    /// `(out, in, 1)`, as a convolution of width 1.
    Pointwise,
    /// `W[o] = g[o] · v[o] / ‖v[o]‖₂`.
    WeightNormed,
}

#[derive(Debug)]
enum Weight {
    Matrix(Tensor),
    Pointwise(Tensor),
    Normed { g: Tensor, v: Tensor },
}

/// `y = W x + b` over axis 1.
#[derive(Debug)]
pub(crate) struct Linear {
    weight: Weight,
    bias: Tensor,
}

impl Linear {
    /// PyTorch's initialisation: weights and bias uniform in `±1/√inputs`.
    pub(crate) fn new(
        inputs: i64,
        outputs: i64,
        form: Form,
        bias_group: Group,
        at: &Builder,
    ) -> Result<Self, ModelError> {
        let bound = 1.0 / (inputs as f64).sqrt();
        let uniform = || Init::Uniform(bound);
        // Official order: a weight-normed map lists its bias first, the others last.
        if form == Form::WeightNormed {
            let bias = at.param("bias", &[outputs], bias_group, uniform())?;
            let shape = [outputs, inputs];
            let (direction, size) = if at.is_sketch() {
                let nothing = Tensor::f_zeros([1], (Kind::Double, Device::Cpu))?;
                (nothing.shallow_clone(), nothing)
            } else {
                let direction = super::params::draw_uniform(bound, &shape, at.draws("weight_v"))?;
                let size = direction.f_norm_scalaropt_dim(2.0, [1_i64].as_slice(), true)?;
                (direction, size)
            };
            let g = at.param("weight_g", &[outputs, 1], Group::Dense, Init::Values(size))?;
            let v = at.param("weight_v", &shape, Group::Dense, Init::Values(direction))?;
            return Ok(Self { weight: Weight::Normed { g, v }, bias });
        }
        let weight = match form {
            Form::Pointwise => Weight::Pointwise(at.param("weight", &[outputs, inputs, 1], Group::Dense, uniform())?),
            _ => Weight::Matrix(at.param("weight", &[outputs, inputs], Group::Dense, uniform())?),
        };
        Ok(Self { weight, bias: at.param("bias", &[outputs], bias_group, uniform())? })
    }

    /// The weight as a matrix `(out, in)`.
    pub(crate) fn matrix(&self) -> Result<Tensor, ModelError> {
        Ok(match &self.weight {
            Weight::Matrix(weight) => weight.shallow_clone(),
            Weight::Pointwise(weight) => weight.f_squeeze_dim(-1)?,
            Weight::Normed { g, v } => {
                v.f_mul(&g.f_div(&v.f_norm_scalaropt_dim(2.0, [1_i64].as_slice(), true)?)?)?
            }
        })
    }

    /// The bias `(out)`.
    pub(crate) fn bias(&self) -> &Tensor {
        &self.bias
    }

    /// `(batch, in, seq_len)` → `(batch, out, seq_len)`.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let matrix = self.matrix()?;
        let matrix = matrix.f_unsqueeze(0)?.f_expand([x.size()[0], -1, -1], false)?;
        Ok(self.bias.f_unsqueeze(1)?.f_baddbmm(&matrix, x, 1.0, 1.0)?)
    }

    /// `(batch, in)` → `(batch, out)`.
    pub(crate) fn step(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        Ok(x.f_linear(&self.matrix()?, Some(&self.bias))?)
    }

    /// A copy whose weight is a plain matrix, off the tape: for many steps.
    pub(crate) fn frozen(&self) -> Result<Self, ModelError> {
        Ok(Self { weight: Weight::Matrix(self.matrix()?.f_detach()?), bias: self.bias.f_detach()? })
    }
}

/// Groups of `factor` samples to one, and back.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) factor: i64,
    pub(crate) down: Linear,
}

impl Pool {
    /// From `inputs` channels to `outputs`.
    pub(crate) fn down(inputs: i64, outputs: i64, factor: i64, form: Form, at: &Builder) -> Result<Self, ModelError> {
        let down = Linear::new(inputs * factor, outputs, form, Group::NoDecay, &at.at("linear"))?;
        Ok(Self { factor, down })
    }

    /// `(batch, inputs, seq_len)` → `(batch, outputs, seq_len / factor)`. Feature number of (channel h, offset j) is
    /// `h · factor + j`.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let size = x.size();
        let grouped = x.f_reshape([size[0], size[1], size[2] / self.factor, self.factor])?;
        let features = grouped.f_transpose(2, 3)?.f_reshape([size[0], size[1] * self.factor, -1])?;
        self.down.forward(&features)
    }

    /// `factor` inputs `(batch, inputs)` → one output `(batch, outputs)`.
    pub(crate) fn step(&self, collected: &[Tensor]) -> Result<Tensor, ModelError> {
        self.down.step(&Tensor::f_stack(collected, 2)?.f_flatten(1, 2)?)
    }
}

/// One sample to a group of `factor`, delayed by one group for causality.
#[derive(Debug)]
pub(crate) struct Unpool {
    pub(crate) factor: i64,
    pub(crate) up: Linear,
}

impl Unpool {
    /// From `inputs` channels to `outputs`.
    pub(crate) fn new(inputs: i64, outputs: i64, factor: i64, form: Form, at: &Builder) -> Result<Self, ModelError> {
        let up = Linear::new(inputs, outputs * factor, form, Group::NoDecay, &at.at("linear"))?;
        Ok(Self { factor, up })
    }

    /// `(batch, inputs, seq_len)` → `(batch, outputs, seq_len · factor)`; the first group is zero.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let (batch, seq_len) = (x.size()[0], x.size()[2]);
        let features = self.up.forward(&x.f_narrow(2, 0, seq_len - 1)?)?.f_constant_pad_nd([1, 0])?;
        let grouped = features.f_view([batch, -1, self.factor, seq_len])?;
        let outputs = grouped.size()[1];
        Ok(grouped.f_transpose(2, 3)?.f_reshape([batch, outputs, seq_len * self.factor])?)
    }

    /// One input `(batch, inputs)` → `factor` outputs `(batch, outputs)`, in order.
    pub(crate) fn step(&self, x: &Tensor) -> Result<Vec<Tensor>, ModelError> {
        let features = self.up.step(x)?;
        let grouped = features.f_view([features.size()[0], -1, self.factor])?;
        (0..self.factor).map(|j| Ok(grouped.f_select(2, j)?)).collect()
    }
}
