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
    #[error("a U-Net tier has {} before its pool and {up} after, but needs as many on both sides", blocks(*.down))]
    Unpaired {
        /// Blocks going down.
        down: usize,
        /// Blocks going up.
        up: usize,
    },
    /// A state matrix whose eigenvalues would take minutes.
    #[error("eigenvalues of state matrices of size {d_state} were asked for, but at most {most} are computed")]
    LargeState {
        /// State size.
        d_state: i64,
        /// The largest.
        most: i64,
    },
    /// The same, after blocks were dropped.
    #[error(
        "without these blocks, tier {tier} of the U-Net has {down} before its pool and {up} after, but needs as many on \
         both sides"
    )]
    BrokenPair {
        /// The tier, 0 outermost.
        tier: usize,
        /// Blocks left going down.
        down: usize,
        /// Blocks left going up.
        up: usize,
        /// The partners of the dropped blocks that were kept.
        partners: Vec<usize>,
    },
    /// There is no such block.
    #[error("there is no block {index}: {}", numbers(*.blocks))]
    NoBlock {
        /// The number that was given.
        index: i64,
        /// How many blocks there are.
        blocks: usize,
    },
    /// A block was named twice.
    #[error("block {0} is named twice")]
    SameBlock(usize),
    /// A block that has no kernel.
    #[error("block {index} is {kind}, which has no kernel")]
    NoKernel {
        /// The block.
        index: usize,
        /// What it is: `ff`.
        kind: &'static str,
        /// The blocks that have one.
        known: Vec<usize>,
    },
    /// A channel that the layer does not have.
    #[error("there is no channel {channel}: block {index} has {channels}, the first is 0")]
    NoChannel {
        /// The number that was given.
        channel: i64,
        /// The block.
        index: usize,
        /// How many there are.
        channels: i64,
    },
    /// Somebody asked to stop.
    #[error("stopped as asked")]
    Interrupted,
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
            Self::Unpaired { up: 0, .. } => {
                Some("blocks before a pool are for U-Nets: model(…, #{ unet: true })".into())
            }
            Self::Unpaired { .. } => Some("give a pooled tier both sides: tier([before, …], [after, …])".into()),
            Self::BrokenPair { partners, .. } => {
                Some(format!("drop their partners too: {}", super::thin::list(partners)))
            }
            Self::NoBlock { .. } => Some("model.summary() numbers them in the order that they run, from 0".into()),
            Self::SameBlock(_) => Some("name each block that is to go once".into()),
            Self::NoKernel { known, .. } if known.is_empty() => Some("only s4(…) and s4d(…) have kernels".into()),
            Self::NoKernel { known, .. } => Some(format!("only S4 layers have kernels: {}", super::thin::list(known))),
            Self::NoChannel { .. } | Self::Interrupted | Self::Torch(_) => None,
        }
    }
}

fn blocks(count: usize) -> String {
    if count == 1 { "1 block".to_owned() } else { format!("{count} blocks") }
}

fn numbers(blocks: usize) -> String {
    match blocks {
        0 => "the model has none".to_owned(),
        1 => "the only one is 0".to_owned(),
        _ => format!("they are 0 to {}", blocks - 1),
    }
}
