//! State-space mathematics: from HiPPO matrices to convolution kernels and recurrences.
//!
//! Lives here: initialisation, discretisation, kernels and their hand-made gradients, FFT convolution, the recurrent
//! step. Does not: norms, dropout and residuals (`model`); reading files; printing. May use: no other room.
//! [`reference`](mod@reference) keeps a slow, obvious twin of every fast algorithm.
//!
//! The road: [`Stored`] (what checkpoints hold) → [`Continuous`] (a system in float64) → [`dplr::kernel`] or
//! [`s4d::kernel`] (for [`conv::convolve`]), or [`Recurrence`] (for one sample at a time).

mod cauchy;
pub mod conv;
pub mod dense;
pub mod dplr;
mod error;
mod factors;
pub mod hippo;
pub mod init;
mod modal;
mod real;
mod recurrence;
pub mod reference;
pub mod s4d;
mod space;
mod spectrum;
mod tape;
mod vandermonde;

pub use error::{SsmError, brief};
pub use factors::StepFactors;
pub use recurrence::Recurrence;
pub use space::{Continuous, DtTransform, Stored};
pub use tape::Tape;
