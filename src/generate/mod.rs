//! A trained model as a recurrence that draws sound: one token a step, fed back in.
//!
//! Lives here: the step that an engine must offer ([`StepLogits`]), the distribution to draw from ([`Distribution`]), the
//! loop that can be stepped by whoever streams ([`Session`]), and whole takes with their exact log-likelihood
//! ([`generate`]). Does not: the layers and their state (`model`), files and formats of sound (`audio`), printing.
//! May use: `audio`, `model`.
//!
//! Every draw is a function of (seed, stream, position), so stream 3 is the same sound alone or in a batch of 32.

mod config;
mod draw;
mod engine;
mod error;
mod libtorch;
mod session;
mod softmax;
mod sound;
mod step;
mod take;

pub use config::{EngineChoice, GenerateConfig};
pub use draw::{Distribution, Drawing};
pub use engine::{Engine, Lowered};
pub use error::GenerateError;
pub use libtorch::LibtorchSteps;
pub use session::Session;
pub use sound::Sound;
pub use step::StepLogits;
pub use take::{Take, generate, generate_lowered};
