//! A trained model as a recurrence that draws sound: one token a step, fed back in.
//!
//! Lives here: the step that an engine must offer ([`StepLogits`]), the distribution to draw from ([`Distribution`]) and how that
//! changes over time ([`DrawPlan`]), the loop that can be stepped by whoever streams ([`Session`]), whole takes with their exact
//! log-likelihood ([`generate()`]), how they hold up ([`Quality`]), and what to go on from another time ([`StateFile`]). Does not:
//! the layers and their state (`model`), files and formats of sound (`audio`), printing. May use: `audio`, `model`.
//!
//! Every draw is a function of (seed, stream, position), so stream 3 is the same sound alone or in a batch of 32.

mod config;
mod device;
mod draw;
mod engine;
mod error;
mod libtorch;
mod making;
mod plan;
mod quality;
mod retry;
mod session;
mod softmax;
mod sound;
mod state_file;
mod step;
mod stream;
mod take;

pub use config::{EngineChoice, GenerateConfig, Keep, Precision};
pub use device::generate_on_device;
pub use draw::{Distribution, Drawing};
pub use engine::{Engine, Lowered};
pub use error::GenerateError;
pub use libtorch::LibtorchSteps;
pub use making::Start;
pub use plan::DrawPlan;
pub use quality::{Failure, Quality, QualityConfig, Second, Stretch, first_failure, stretch};
pub use session::{Session, SessionState, Voice, VoiceState};
pub use sound::Sound;
pub use state_file::{ModelName, StateFile};
pub use step::{StepLogits, StreamState};
pub use stream::{Chunk, Chunks};
pub use take::{Sums, Take, generate, generate_from, generate_lowered, generate_lowered_from};
