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
}
