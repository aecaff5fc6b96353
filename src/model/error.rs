//! What can be wrong with a model.

use crate::options::OptionError;
use crate::ssm::SsmError;
use tch::TchError;

/// Why a model could not be composed, loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// An option of the composition is out of range.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// A state space could not be made.
    #[error(transparent)]
    Ssm(#[from] SsmError),
    /// A sequence does not divide by the pools.
    #[error("window of {seq_len} samples does not divide by pool {pool:?} (product {product})")]
    Indivisible {
        /// Length of the sequence.
        seq_len: i64,
        /// Pooling factors, outermost first.
        pool: Vec<i64>,
        /// Their product.
        product: i64,
    },
    /// A state dict does not fit the composition.
    #[error("the weights do not fit this model:\n{}", .0.join("\n"))]
    StateDict(Vec<String>),
    /// Recurrence needs causality.
    #[error("{0} looks ahead (bidirectional: true), so it cannot be stepped one sample at a time")]
    NotCausal(String),
    /// The blocks of a U-Net come in pairs.
    #[error("a U-Net tier has {down} blocks before its pool and {up} after, but needs as many on both sides")]
    Unpaired {
        /// Blocks going down.
        down: usize,
        /// Blocks going up.
        up: usize,
    },
    /// Somebody asked it to stop.
    #[error("stopped as asked")]
    Interrupted,
    /// A state matrix whose eigenvalues would take minutes.
    #[error("eigenvalues of state matrices of size {d_state} were asked for, but at most {most} are computed")]
    LargeState {
        /// State size.
        d_state: i64,
        /// The largest.
        most: i64,
    },
    /// libtorch refused.
    #[error("libtorch: {}", crate::ssm::brief(.0))]
    Torch(#[from] TchError),
}

impl ModelError {
    /// What to try next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Option(error) => error.hint.clone(),
            Self::Ssm(error) => error.hint(),
            Self::Indivisible { seq_len, product, .. } => {
                let below = seq_len / product * product;
                let nearest = if below > 0 { below } else { *product };
                Some(format!("use a window of {nearest} samples, or drop a pooling stage"))
            }
            Self::StateDict(_) => Some("compose the model with the options that the weights were trained with".into()),
            Self::NotCausal(_) => {
                Some("train with bidirectional: false to generate or to verify the recurrence".into())
            }
            Self::LargeState { .. } => Some("the diagonal alone needs no decomposition: matrix: \"diagonal\"".into()),
            Self::Unpaired { .. } | Self::Interrupted | Self::Torch(_) => None,
        }
    }
}
