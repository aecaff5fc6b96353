//! Inputs and targets of an autoregressive model: the same tokens, shifted by one.

use super::{AudioError, Quantizer};

/// The target that the loss ignores, in padding (the convention of libtorch's cross-entropy).
pub const IGNORED_TARGET: i64 = -100;

/// One example: position `t` of `x` is fed, position `t` of `y` is to be predicted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Inputs: the zero level, then all tokens but the last.
    pub x: Vec<u16>,
    /// Targets: the tokens.
    pub y: Vec<u16>,
}

impl Pair {
    /// The pair of a window of tokens; both sides have its length.
    #[must_use]
    pub fn new(tokens: &[u16], quantizer: Quantizer) -> Self {
        let x = std::iter::once(quantizer.zero_level()).chain(tokens.iter().copied()).take(tokens.len()).collect();
        Self { x, y: tokens.to_vec() }
    }

    /// The same pair with `pad` zero levels before `x`, and without the first `context` targets, which are then only
    /// context. More context than there are targets leaves none.
    #[must_use]
    pub fn with_context(mut self, context: usize, pad: usize, quantizer: Quantizer) -> Self {
        self.x.splice(0..0, std::iter::repeat_n(quantizer.zero_level(), pad));
        self.y.drain(..context.min(self.y.len()));
        self
    }
}

/// Pairs of different lengths as two rectangles, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Inputs `(rows, x_len)`, padded with the zero level.
    pub x: Vec<u16>,
    /// Targets `(rows, y_len)`, padded with [`IGNORED_TARGET`].
    pub y: Vec<i64>,
    /// Number of examples.
    pub rows: usize,
    /// Length of a row of `x`.
    pub x_len: usize,
    /// Length of a row of `y`.
    pub y_len: usize,
    /// The length of each example's `x` before padding.
    pub lengths: Vec<usize>,
}

/// Puts pairs into one batch. Inputs are padded to the power of two at or above the longest, or to `window` if that is
/// less; targets to the longest.
///
/// # Errors
/// [`AudioError::Batch`] for no pairs, or one that is empty or longer than `window`.
pub fn collate(pairs: &[Pair], window: usize, quantizer: Quantizer) -> Result<Batch, AudioError> {
    let refuse = |found: String| AudioError::Batch { window, found };
    let lengths: Vec<usize> = pairs.iter().map(|pair| pair.x.len()).collect();
    let longest = lengths.iter().copied().max().ok_or_else(|| refuse("there is none".into()))?;
    if let Some(wrong) = lengths.iter().find(|&&length| length == 0 || length > window) {
        return Err(refuse(format!("one has {wrong}")));
    }
    let x_len = longest.next_power_of_two().min(window);
    let y_len = pairs.iter().map(|pair| pair.y.len()).max().unwrap_or(0);
    let mut batch = Batch {
        x: Vec::with_capacity(pairs.len() * x_len),
        y: Vec::with_capacity(pairs.len() * y_len),
        rows: pairs.len(),
        x_len,
        y_len,
        lengths,
    };
    for pair in pairs {
        batch.x.extend(pair.x.iter().copied().chain(std::iter::repeat(quantizer.zero_level())).take(x_len));
        let targets = pair.y.iter().map(|&token| i64::from(token));
        batch.y.extend(targets.chain(std::iter::repeat(IGNORED_TARGET)).take(y_len));
    }
    Ok(batch)
}
