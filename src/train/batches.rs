//! Which windows an update sees, and the tensors made of them.

use super::TrainError;
use crate::audio::{IGNORED_TARGET, Quantizer, Split};
use crate::seed::Seed;
use rand::seq::SliceRandom;
use tch::{Device, Tensor};

/// The order of training windows: a fresh permutation each epoch, drawn from (seed, epoch) and nothing else, so that the
/// batch of any step can be named without having seen the steps before.
#[derive(Debug, Clone)]
pub struct Batches {
    seed: Seed,
    windows: usize,
    per_update: usize,
    /// The last permutation drawn, since neighbouring steps share it.
    drawn: Option<(u64, Vec<usize>)>,
}

impl Batches {
    /// The order for `windows` windows, `per_update` of them in each update. Windows left over at the end of an epoch sit
    /// it out; the next epoch's permutation leaves out others.
    ///
    /// # Errors
    /// [`TrainError::TooFewWindows`] when there are not enough for one update.
    pub fn new(seed: Seed, windows: usize, batch: usize, accumulate: usize) -> Result<Self, TrainError> {
        let needed = batch.saturating_mul(accumulate);
        if needed == 0 || windows < needed {
            return Err(TrainError::TooFewWindows { needed, batch, accumulate, windows });
        }
        Ok(Self { seed, windows, per_update: needed, drawn: None })
    }

    /// Updates in one epoch.
    #[must_use]
    pub const fn steps_per_epoch(&self) -> u64 {
        (self.windows / self.per_update) as u64
    }

    /// The windows of the update that follows `step` finished ones.
    pub fn batch_at(&mut self, step: u64) -> &[usize] {
        let epoch = step / self.steps_per_epoch();
        let within = usize::try_from(step % self.steps_per_epoch()).unwrap_or(0);
        if self.drawn.as_ref().is_none_or(|(drawn, _)| *drawn != epoch) {
            let mut order: Vec<usize> = (0..self.windows).collect();
            order.shuffle(&mut self.seed.stream("shuffle", epoch));
            self.drawn = Some((epoch, order));
        }
        let start = within * self.per_update;
        self.drawn.as_ref().map_or(&[], |(_, order)| &order[start..start + self.per_update])
    }
}

/// Inputs and targets of some windows, padded to one length.
#[derive(Debug)]
pub struct TokenBatch {
    /// What is fed: the zero level, then each window's tokens but the last. `(b, l)` int64.
    pub inputs: Tensor,
    /// What is to be predicted: the tokens, and −100 past the end of a short window. `(b, l)` int64.
    pub targets: Tensor,
    /// Targets that count.
    pub tokens: u64,
}

impl TokenBatch {
    /// The batch of the windows `indices`, each padded to `seq_len` tokens. Causality makes padding at the end harmless.
    ///
    /// # Errors
    /// libtorch's.
    pub fn new(
        split: &Split,
        indices: &[usize],
        quantizer: Quantizer,
        seq_len: usize,
        device: Device,
    ) -> Result<Self, TrainError> {
        let pieces: Vec<(usize, usize)> = indices.iter().map(|&index| (index, 0)).collect();
        Self::cut(split, &pieces, quantizer, seq_len, device)
    }

    /// The batch of `pieces` of windows: the window's index, and where in it the piece of at most `seq_len` tokens begins.
    /// What stands before a piece is not fed: it begins from the zero level, as a window does.
    ///
    /// # Errors
    /// libtorch's.
    pub fn cut(
        split: &Split,
        pieces: &[(usize, usize)],
        quantizer: Quantizer,
        seq_len: usize,
        device: Device,
    ) -> Result<Self, TrainError> {
        TokenRows::cut(split, pieces, quantizer, seq_len).to_tensors(device)
    }
}

/// The same as plain numbers, row after row.
#[derive(Debug)]
pub(super) struct TokenRows {
    inputs: Vec<i64>,
    targets: Vec<i64>,
    seq_len: usize,
    tokens: u64,
}

impl TokenRows {
    /// See [`TokenBatch::cut`].
    pub(super) fn cut(split: &Split, pieces: &[(usize, usize)], quantizer: Quantizer, seq_len: usize) -> Self {
        let zero = i64::from(quantizer.zero_level());
        let mut inputs = Vec::with_capacity(pieces.len() * seq_len);
        let mut targets = Vec::with_capacity(pieces.len() * seq_len);
        let mut tokens = 0;
        for &(index, start) in pieces {
            let window = split.window(index);
            let piece = window.get(start..).unwrap_or_default();
            let piece = &piece[..piece.len().min(seq_len)];
            let wide = || piece.iter().map(|&token| i64::from(token));
            let shifted = std::iter::once(zero).chain(wide().take(piece.len().saturating_sub(1)));
            inputs.extend(shifted.chain(std::iter::repeat(zero)).take(seq_len));
            targets.extend(wide().chain(std::iter::repeat(IGNORED_TARGET)).take(seq_len));
            tokens += piece.len() as u64;
        }
        Self { inputs, targets, seq_len, tokens }
    }

    pub(super) fn to_tensors(&self, device: Device) -> Result<TokenBatch, TrainError> {
        let shape = [-1, i64::try_from(self.seq_len).unwrap_or(i64::MAX)];
        let tensor = |values: &[i64]| Tensor::f_from_slice(values)?.f_reshape(shape)?.f_to_device(device);
        Ok(TokenBatch { inputs: tensor(&self.inputs)?, targets: tensor(&self.targets)?, tokens: self.tokens })
    }
}
