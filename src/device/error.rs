//! What can go wrong when a device is chosen.

use super::Selection;

/// Why a device could not be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The text names no device.
    #[error("unknown device `{found}`, needed one of auto, cpu, cuda, cuda:0, cuda:1, …")]
    Unknown {
        /// What was typed.
        found: String,
    },
    /// A GPU was asked for, and there is none to be had.
    #[error("device {wanted} is not available: {reason}")]
    NoCuda {
        /// What was asked for.
        wanted: Selection,
        /// Why there is no CUDA here.
        reason: String,
        /// The command that mends it.
        mend: String,
    },
    /// A GPU was asked for that this machine does not have.
    #[error("device cuda:{wanted} does not exist: this machine shows {count} CUDA device(s), numbered from 0")]
    NoSuchGpu {
        /// The number asked for.
        wanted: usize,
        /// How many there are.
        count: usize,
    },
    /// A number of threads that no machine can run.
    #[error("{found} threads asked for, needed 1 to {most}")]
    Threads {
        /// What was asked for.
        found: usize,
        /// The most that is accepted.
        most: usize,
    },
}

impl DeviceError {
    /// What to try next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { found } => crate::options::nearest(found, ["auto", "cpu", "cuda", "cuda:0", "cuda:1"])
                .map(|name| format!("did you mean `{name}`?")),
            Self::NoCuda { mend, .. } => Some(format!("{mend}; or choose `cpu` or `auto`")),
            Self::NoSuchGpu { count, .. } => Some(format!("the last one is cuda:{}", count.saturating_sub(1))),
            Self::Threads { .. } => Some("leave it out: the CPUs that this process may use are counted".to_owned()),
        }
    }
}
