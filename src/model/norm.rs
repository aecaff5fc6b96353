//! The two norms of the field, over the channels of `(batch, channels, seq_len)`.

use super::ModelError;
use super::params::{Builder, Group, Init};
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// ε of the affine LayerNorm (PyTorch's default).
const EPSILON: f64 = 1e-5;

/// The norm inside residual blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NormKind {
    /// Two scalars and no ε: `(s/σ)(x − μ + m)`. The modular reference; what released checkpoints use.
    Scalar,
    /// LayerNorm with a weight and a bias for each channel. The standalone reference.
    Affine,
}

#[derive(Debug)]
pub(crate) enum Norm {
    Scalar { m: Tensor, s: Tensor },
    Affine { weight: Tensor, bias: Tensor, channels: i64 },
}

impl Norm {
    /// `at` is the norm's own path: `….norm`.
    pub(crate) fn new(kind: NormKind, channels: i64, at: &Builder) -> Result<Self, ModelError> {
        Ok(match kind {
            NormKind::Scalar => {
                let at = at.at("norm");
                Self::Scalar {
                    m: at.param("m", &[1], Group::NoDecay, Init::Constant(0.0))?,
                    s: at.param("s", &[1], Group::NoDecay, Init::Constant(1.0))?,
                }
            }
            NormKind::Affine => Self::Affine {
                weight: at.param("weight", &[channels], Group::NoDecay, Init::Constant(1.0))?,
                bias: at.param("bias", &[channels], Group::NoDecay, Init::Constant(0.0))?,
                channels,
            },
        })
    }

    /// Over axis 1 of `(batch, channels, seq_len)` or `(batch, channels)`.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        match self {
            Self::Scalar { m, s } => {
                let (variance, mean) = x.f_var_mean_dim([1_i64].as_slice(), false, true)?;
                // All channels equal: the reference divides 0 by 0. With σ = 1 there, the result is finite.
                let variance = variance.f_add(&variance.f_eq(0.0)?.f_to_kind(x.kind())?)?;
                let scale = s.f_div(&variance.f_sqrt()?)?;
                Ok(x.f_sub(&mean)?.f_add(m)?.f_mul(&scale)?)
            }
            Self::Affine { weight, bias, channels } => {
                let last = if x.dim() == 3 { x.f_transpose(1, 2)? } else { x.shallow_clone() };
                let normed = last.f_layer_norm([*channels], Some(weight), Some(bias), EPSILON, true)?;
                Ok(if x.dim() == 3 { normed.f_transpose(1, 2)? } else { normed })
            }
        }
    }
}
