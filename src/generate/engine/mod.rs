//! The step engine: a trained model lowered once into packed numbers, then stepped without libtorch.
//!
//! Lives here: the lowering ([`lower`](mod@lower)), lines of sixteen numbers and the arithmetic on them ([`lanes`]), linear maps
//! ([`matrix`]), norms ([`norm`]), state spaces ([`state_space`]), and the tiers with their phases ([`tiers`]). Does not: draws,
//! takes, files.
//!
//! Channels lie in the lanes of the vectors, weights are read once for all streams, and nothing is allocated or locked in a step.
//! The order of every sum is fixed, so that a stream is the same, bit for bit, alone or beside any others, on any thread.

mod lanes;
mod lower;
mod matrix;
mod norm;
mod state_space;
mod tiers;

use std::sync::Arc;

use super::{GenerateError, StepLogits};
use crate::model::Model;
use lanes::WIDTH;
use matrix::Matrix;
use tiers::{Block, Network, Streams};

/// A model as packed numbers. Clones share them.
#[derive(Debug, Clone)]
pub struct Lowered(Arc<Network>);

impl Lowered {
    /// Takes the weights of `model` as they are now.
    ///
    /// # Errors
    /// [`GenerateError::NotLowered`] for what the engine cannot step, by name: a layer that looks ahead, or weights that are
    /// not float32. [`LibtorchSteps`](super::LibtorchSteps) steps those that can be stepped at all.
    pub fn new(model: &Model) -> Result<Self, GenerateError> {
        Ok(Self(Arc::new(lower::lower(model)?)))
    }

    /// How many values a token can take.
    #[must_use]
    pub fn levels(&self) -> usize {
        self.0.levels
    }

    /// Bytes of weights that a step reads, whatever the number of streams, on average over the phases of the pools.
    #[must_use]
    pub fn bytes_per_step(&self) -> f64 {
        self.0.per_step(Block::bytes, Matrix::bytes)
    }

    /// Multiply-adds of a step of one stream, on average over the phases of the pools, without norms and activations.
    #[must_use]
    pub fn multiply_adds_per_step(&self) -> f64 {
        self.0.per_step(Block::multiply_adds, Matrix::multiply_adds)
    }

    /// `batch` streams from silence.
    #[must_use]
    pub fn engine(&self, batch: usize) -> Engine {
        let levels = self.0.levels;
        Engine {
            network: Arc::clone(&self.0),
            streams: self.0.streams(batch),
            logits: vec![0.0; batch * levels],
            batch,
        }
    }
}

/// Streams of a lowered model, stepped together on the thread that asks.
#[derive(Debug, Clone)]
pub struct Engine {
    network: Arc<Network>,
    streams: Streams,
    logits: Vec<f32>,
    batch: usize,
}

impl Engine {
    /// Whether every number that the streams remember is finite.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        self.streams.is_finite()
    }
}

impl StepLogits for Engine {
    fn batch(&self) -> usize {
        self.batch
    }

    fn levels(&self) -> usize {
        self.network.levels
    }

    fn reset(&mut self) -> Result<(), GenerateError> {
        self.streams.reset();
        Ok(())
    }

    fn step(&mut self, tokens: &[u16]) -> Result<&[f32], GenerateError> {
        let levels = self.network.levels;
        if tokens.len() != self.batch {
            return Err(GenerateError::Batch { found: self.batch, needed: tokens.len() });
        }
        if let Some(&token) = tokens.iter().find(|&&token| usize::from(token) >= levels) {
            return Err(GenerateError::Token { token, position: self.streams.position(), levels });
        }
        let padded = self.streams.step(&self.network, tokens);
        let rows = padded.chunks_exact(levels.div_ceil(WIDTH));
        for (row, lines) in self.logits.chunks_exact_mut(levels).zip(rows) {
            for (logits, line) in row.chunks_mut(WIDTH).zip(lines) {
                logits.copy_from_slice(&line.0[..logits.len()]);
            }
        }
        Ok(&self.logits)
    }
}
