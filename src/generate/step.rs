//! What generation asks of an engine: tokens in, logits out, one position at a time.

use super::GenerateError;

/// A model stepped as a recurrence over a batch of independent streams.
///
/// The libtorch step of `model` is the reference; a faster engine takes its place behind the same three questions.
pub trait StepLogits {
    /// How many streams advance together.
    fn batch(&self) -> usize;

    /// How many values a token can take; the width of a row of logits.
    fn levels(&self) -> usize;

    /// Forgets everything fed so far, in every stream.
    ///
    /// # Errors
    /// Whatever stops the engine.
    fn reset(&mut self) -> Result<(), GenerateError>;

    /// Feeds one token to each stream and returns the logits of the next.
    ///
    /// # Shapes
    /// `tokens`: `(batch)`, each below `levels`. Returns `(batch, levels)`, row-major.
    /// # Errors
    /// Whatever stops the engine; [`GenerateError::Model`] carries the model's reason.
    fn step(&mut self, tokens: &[u16]) -> Result<&[f32], GenerateError>;

    /// Feeds `tokens`, one after another, to every stream alike, without their logits: a prompt. An engine that can do better
    /// than step by step does.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    fn absorb(&mut self, tokens: &[u16]) -> Result<(), GenerateError> {
        let batch = self.batch();
        tokens.iter().try_for_each(|&token| self.step(&vec![token; batch]).map(|_| ()))
    }

    /// How many tokens [`absorb`](Self::absorb) had best be given at once: whoever waits hears of progress in between.
    fn absorbs_together(&self) -> usize {
        1
    }

    /// An engine of the same model for `batch` streams, from silence.
    ///
    /// # Errors
    /// [`GenerateError::NoState`] for one that there is only one of; whatever stops the engine.
    fn another(&self, batch: usize) -> Result<Box<dyn StepLogits + '_>, GenerateError> {
        let _ = batch;
        Err(GenerateError::NoState)
    }

    /// What each stream remembers, to go on from another time.
    ///
    /// # Errors
    /// [`GenerateError::NoState`] for an engine that keeps its state to itself.
    fn save(&mut self) -> Result<Vec<StreamState>, GenerateError> {
        Err(GenerateError::NoState)
    }

    /// Goes on from what as many streams of the same model remembered, all at the same position.
    ///
    /// # Errors
    /// [`GenerateError::NoState`] for an engine that keeps its state to itself; [`GenerateError::Batch`] and
    /// [`GenerateError::Misfit`] for states of something else.
    fn restore(&mut self, states: &[StreamState]) -> Result<(), GenerateError> {
        let _ = states;
        Err(GenerateError::NoState)
    }
}

/// What an engine remembers of one stream: all that its future depends on, besides the tokens to come.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamState {
    /// Tokens fed since silence.
    pub position: u64,
    /// The engine's own numbers, in an order of its own.
    pub numbers: Vec<f32>,
}
