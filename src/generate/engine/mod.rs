//! The step engine: a trained model lowered once into packed numbers, then stepped without libtorch.
//!
//! Lives here: the lowering ([`lower`](mod@lower)), lines of sixteen numbers and the arithmetic on them ([`lanes`]), linear maps
//! ([`matrix`]), norms ([`norm`]), state spaces ([`state_space`]), the tiers with their phases ([`tiers`]), a second core for them ([`partner`]), whole prompts at once
//! ([`parallel`], [`scan`]), and what a stream remembers as plain numbers ([`state`]). Does not: draws, takes, files.
//!
//! Channels lie in the lanes of the vectors, weights are read once for all streams, and nothing is allocated or locked in a step.
//! The order of every sum is fixed, so that a stream is the same, bit for bit, alone or beside any others, on any thread.

mod lanes;
mod lower;
mod matrix;
mod norm;
mod parallel;
mod partner;
mod scan;
mod state;
mod state_space;
mod tiers;

use std::sync::Arc;

use super::{GenerateError, Precision, StepLogits, StreamState};
use crate::model::Model;
use lanes::WIDTH;
use matrix::Matrix;
use parallel::Parallel;
use partner::Partner;
use tiers::{Block, Network, Streams, Team};

/// A model as packed numbers. Clones share them.
#[derive(Debug, Clone)]
pub struct Lowered {
    network: Arc<Network>,
    prompts: Arc<Parallel>,
}

impl Lowered {
    /// Takes the weights of `model` as they are now.
    ///
    /// # Errors
    /// [`GenerateError::NotLowered`] for what the engine cannot step, by name: a layer that looks ahead, or weights that are
    /// not float32. [`LibtorchSteps`](super::LibtorchSteps) steps those that can be stepped at all.
    pub fn new(model: &Model) -> Result<Self, GenerateError> {
        Self::in_precision(model, Precision::F32)
    }

    /// The same with the weights of linear maps kept in `precision`.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn in_precision(model: &Model, precision: Precision) -> Result<Self, GenerateError> {
        let network = Arc::new(lower::lower(model, precision)?);
        Ok(Self { network, prompts: Arc::new(Parallel::new(model, precision)?) })
    }

    /// How many values a token can take.
    #[must_use]
    pub fn levels(&self) -> usize {
        self.network.levels
    }

    /// Bytes of weights that a step reads, whatever the number of streams, on average over the phases of the pools.
    #[must_use]
    pub fn bytes_per_step(&self) -> f64 {
        self.network.per_step(Block::bytes, Matrix::bytes)
    }

    /// Multiply-adds of a step of one stream, on average over the phases of the pools, without norms and activations.
    #[must_use]
    pub fn multiply_adds_per_step(&self) -> f64 {
        self.network.per_step(Block::multiply_adds, Matrix::multiply_adds)
    }

    /// Into how many engines to divide `batch` streams for `threads` threads, and how many of the threads each of them gets: a
    /// few streams stay together and have each step divided, so that each core reads half of the weights; of many, each core
    /// steps some.
    #[must_use]
    pub fn shares(batch: usize, threads: usize) -> (usize, usize) {
        if batch < MANY { (1, threads.max(1)) } else { (threads.clamp(1, batch), 1) }
    }

    /// `batch` streams from silence, stepped on the thread that asks.
    #[must_use]
    pub fn engine(&self, batch: usize) -> Engine {
        self.engine_on(batch, 1)
    }

    /// The same with up to `threads` threads, of which two can be of use: a second one takes half of every step where that is
    /// measured to be faster. The numbers are the same, bit for bit.
    #[must_use]
    pub fn engine_on(&self, batch: usize, threads: usize) -> Engine {
        let levels = self.network.levels;
        let partner = if threads > 1 { Partner::new(&self.network, batch) } else { None };
        Engine {
            model: self.clone(),
            streams: self.network.streams(batch),
            partner,
            logits: vec![0.0; batch * levels],
            batch,
            alike: true,
        }
    }
}

/// Streams from which it is better to divide the streams than the step (measured: docs/performance.md).
const MANY: usize = 8;

/// Streams of a lowered model, stepped together.
#[derive(Debug)]
pub struct Engine {
    model: Lowered,
    /// Of what the partner has been lent, its part is out of date.
    streams: Streams,
    partner: Option<Partner>,
    logits: Vec<f32>,
    batch: usize,
    /// All streams have been fed the same.
    alike: bool,
}

/// Prompts shorter than this are stepped: packing and unpacking the state would cost more.
const SHORT: usize = 16;

impl Engine {
    /// Whether every number that the streams remember is finite.
    #[must_use]
    pub fn is_finite(&mut self) -> bool {
        self.whole().is_finite()
    }

    /// The streams with all that they remember.
    fn whole(&mut self) -> &mut Streams {
        if let Some(partner) = &mut self.partner {
            partner.recall(&mut self.streams);
        }
        &mut self.streams
    }

    fn check(&self, tokens: &[u16]) -> Result<(), GenerateError> {
        let levels = self.model.levels();
        match tokens.iter().find(|&&token| usize::from(token) >= levels) {
            Some(&token) => Err(GenerateError::Token { token, position: self.streams.position(), levels }),
            None => Ok(()),
        }
    }
}

impl StepLogits for Engine {
    fn batch(&self) -> usize {
        self.batch
    }

    fn levels(&self) -> usize {
        self.model.levels()
    }

    fn reset(&mut self) -> Result<(), GenerateError> {
        self.whole().reset();
        self.alike = true;
        Ok(())
    }

    fn step(&mut self, tokens: &[u16]) -> Result<&[f32], GenerateError> {
        let levels = self.model.levels();
        if tokens.len() != self.batch {
            return Err(GenerateError::Batch { found: self.batch, needed: tokens.len() });
        }
        self.check(tokens)?;
        self.alike &= tokens.iter().all(|token| Some(token) == tokens.first());
        let network = &self.model.network;
        let padded = match &mut self.partner {
            Some(partner) => partner.step(network, &mut self.streams, tokens),
            None => self.streams.step(network, tokens, Team::Alone),
        };
        let rows = padded.chunks_exact(levels.div_ceil(WIDTH));
        for (row, lines) in self.logits.chunks_exact_mut(levels).zip(rows) {
            let (whole, rest) = row.as_chunks_mut::<WIDTH>();
            let (full, last) = lines.split_at(whole.len());
            for (logits, line) in whole.iter_mut().zip(full) {
                *logits = line.0;
            }
            for (logits, line) in rest.iter_mut().zip(last.iter().flat_map(|line| &line.0)) {
                *logits = *line;
            }
        }
        Ok(&self.logits)
    }

    fn absorb(&mut self, tokens: &[u16]) -> Result<(), GenerateError> {
        self.check(tokens)?;
        if tokens.len() < SHORT {
            let mut fed = vec![0; self.batch];
            return tokens.iter().try_for_each(|&token| {
                fed.fill(token);
                self.step(&fed).map(|_| ())
            });
        }
        let shape = self.model.prompts.shape();
        let (batch, before) = (self.batch, self.whole().position());
        let mut absorbed = None;
        for stream in 0..batch {
            let state = match absorbed.take() {
                Some(state) if self.alike => state,
                _ => {
                    let mut state = self.streams.save(&shape, stream, batch);
                    state.position = before; // that of those absorbed already is ahead
                    self.model.prompts.absorb(&mut state, tokens);
                    state
                }
            };
            self.streams.restore(&shape, &state, stream, batch);
            absorbed = Some(state);
        }
        Ok(())
    }

    fn absorbs_together(&self) -> usize {
        parallel::TOGETHER
    }

    fn another(&self, batch: usize) -> Result<Box<dyn StepLogits + '_>, GenerateError> {
        Ok(Box::new(self.model.engine(batch)))
    }

    fn save(&mut self) -> Result<Vec<StreamState>, GenerateError> {
        let (shape, batch) = (self.model.prompts.shape(), self.batch);
        let streams = self.whole();
        Ok((0..batch).map(|stream| streams.save(&shape, stream, batch)).collect())
    }

    fn restore(&mut self, states: &[StreamState]) -> Result<(), GenerateError> {
        let shape = self.model.prompts.shape();
        let needed = shape.numbers();
        if states.len() != self.batch {
            return Err(GenerateError::Batch { found: self.batch, needed: states.len() });
        }
        if let Some(state) = states.iter().find(|state| state.numbers.len() != needed) {
            return Err(GenerateError::Misfit { found: state.numbers.len(), needed });
        }
        let batch = self.batch;
        self.alike = batch == 1;
        let streams = self.whole();
        for (stream, state) in states.iter().enumerate() {
            streams.restore(&shape, state, stream, batch);
        }
        Ok(())
    }
}
