//! What a guess without a model scores, so that nobody mistakes a number for learning.
//!
//! All three are fitted on the training split and scored on the evaluation split, exactly as a model is:
//!
//! - **uniform**: every one of the `V` levels alike; `log2 V` bits, 8 per byte at every bit depth.
//! - **unigram**: `p(j) = (n_j + 1/2) / (N + V/2)`, with `n_j` the training count of token `j` among `N`
//!   (Krichevsky-Trofimov: half a token more for each level).
//! - **markov**: `p(j | i) = (n_ij + m p(j)) / (n_i + m)`, with `n_ij` the training count of `j` after `i`, and
//!   `m` = [`BACKOFF_MASS`] tokens' worth of the unigram (a Dirichlet prior). A pair never seen in training thus costs
//!   what the unigram says about its second token, and the same `m` does for 2 levels and for 65536.
//!
//! The first token of a window is predicted from the zero level (`levels / 2`), which is also what a model is fed there.
//! Every token of the evaluation split is scored, so that the figures and a model's mean over the same windows compare.
//!
//! # Checked against
//! On the first six pieces of `bigband-mini` (split 4 / 1 / 1, 8-bit mu-law, min-max scaling for each window of 2048), a run of
//! the reference was compared with a first-order Markov baseline of 5.56 bits per byte. This definition gives 5.561, and
//! plain add-alpha on the same training table 5.559 (alpha 0.1) to 5.563 (alpha 1). The validation split's own table,
//! which has seen the answers, gives 5.444 and is not a baseline.

use super::MetricsError;
use std::collections::HashMap;

/// How many tokens' worth of the unigram is mixed into each row of the Markov table. Measured on `bigband-mini` at 8 bits:
/// 1, 4, 16 and 64 score 5.563, 5.562, 5.561 and 5.561 bits on validation.
pub const BACKOFF_MASS: f64 = 16.0;

/// Up to this many levels the pair counts are a dense table (1024 levels: 4 MB); above it, a map of the pairs that occur.
const DENSE_LEVELS: u32 = 1024;

/// A cross-entropy in two units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bits {
    /// Bits for one token.
    pub per_token: f64,
    /// Bits for one byte of 8-bit-equivalent audio: 8.0 is a uniform guess at every bit depth.
    pub per_byte: f64,
}

/// What guesses without a model score on a split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Baselines {
    /// Every level alike.
    pub uniform: Bits,
    /// The training split's histogram.
    pub unigram: Bits,
    /// The training split's table of which token follows which.
    pub markov: Bits,
    /// How many tokens were scored.
    pub tokens: u64,
}

/// Turns a cross-entropy in nats per token into bits per byte.
///
/// `bits_per_byte = nll / ln 2 / bytes_per_token`, with `bytes_per_token = log2(levels) / 8`: with 8-bit audio one token is
/// one byte, and a uniform guess reads 8.0 at every bit depth.
#[must_use]
pub fn bits_per_byte(nll: f64, levels: u32) -> f64 {
    nll / std::f64::consts::LN_2 * 8.0 / f64::from(levels).log2()
}

/// Fits the baselines on the windows of `train` and scores them on those of `eval`; the formulas stand at the top of this file.
///
/// # Shapes
/// Each item is one window of tokens in `0..levels`, of any length.
/// # Errors
/// [`MetricsError::Levels`], [`MetricsError::Token`] for a token outside `0..levels`, [`MetricsError::NoTokens`] for an
/// empty split.
pub fn baselines<'a, 'b>(
    train: impl Iterator<Item = &'a [u16]> + Clone,
    eval: impl Iterator<Item = &'b [u16]> + Clone,
    levels: u32,
) -> Result<Baselines, MetricsError> {
    if !(2..=1 << 16).contains(&levels) {
        return Err(MetricsError::Levels { levels });
    }
    let table = Table::fit(train, levels)?;
    let mut unigram = 0.0;
    let mut markov = 0.0;
    let mut tokens = 0_u64;
    for window in eval {
        for (previous, token) in pairs(window, levels) {
            let single = table.unigram(check(token, levels)?);
            unigram -= single.log2();
            markov -= table.markov(previous, token, single).log2();
        }
        tokens += window.len() as u64;
    }
    if tokens == 0 {
        return Err(MetricsError::NoTokens { role: "evaluation" });
    }
    let bits = |per_token: f64| Bits { per_token, per_byte: bits_per_byte(per_token * std::f64::consts::LN_2, levels) };
    let count = real(tokens);
    Ok(Baselines {
        uniform: bits(f64::from(levels).log2()),
        unigram: bits(unigram / count),
        markov: bits(markov / count),
        tokens,
    })
}

/// Each token with the one before it; the zero level stands before the first.
fn pairs(window: &[u16], levels: u32) -> impl Iterator<Item = (u16, u16)> {
    let zero = u16::try_from(levels / 2).unwrap_or(1 << 15);
    std::iter::once(zero).chain(window.iter().copied()).zip(window.iter().copied())
}

fn check(token: u16, levels: u32) -> Result<u16, MetricsError> {
    if u32::from(token) < levels { Ok(token) } else { Err(MetricsError::Token { token, levels }) }
}

#[expect(clippy::cast_precision_loss, reason = "counts of tokens stay far below 2^53")]
fn real(count: u64) -> f64 {
    count as f64
}

/// Counts of the training split.
struct Table {
    levels: u32,
    total: u64,
    singles: Vec<u64>,
    /// How often each level was the previous token: unlike `singles`, with the zero level before each window.
    befores: Vec<u64>,
    pairs: Pairs,
}

enum Pairs {
    Dense(Vec<u32>),
    Sparse(HashMap<(u16, u16), u32>),
}

impl Table {
    fn fit<'a>(windows: impl Iterator<Item = &'a [u16]>, levels: u32) -> Result<Self, MetricsError> {
        let size = levels as usize;
        let pairs =
            if levels <= DENSE_LEVELS { Pairs::Dense(vec![0; size * size]) } else { Pairs::Sparse(HashMap::new()) };
        let mut table = Self { levels, total: 0, singles: vec![0; size], befores: vec![0; size], pairs };
        for window in windows {
            for (previous, token) in self::pairs(window, levels) {
                table.singles[usize::from(check(token, levels)?)] += 1;
                table.befores[usize::from(previous)] += 1;
                table.pairs.count(previous, token, size);
            }
            table.total += window.len() as u64;
        }
        if table.total == 0 { Err(MetricsError::NoTokens { role: "training" }) } else { Ok(table) }
    }

    fn unigram(&self, token: u16) -> f64 {
        (real(self.singles[usize::from(token)]) + 0.5) / (real(self.total) + f64::from(self.levels) / 2.0)
    }

    fn markov(&self, previous: u16, token: u16, unigram: f64) -> f64 {
        let both = f64::from(self.pairs.get(previous, token, self.levels as usize));
        (both + BACKOFF_MASS * unigram) / (real(self.befores[usize::from(previous)]) + BACKOFF_MASS)
    }
}

impl Pairs {
    fn count(&mut self, previous: u16, token: u16, size: usize) {
        let slot = match self {
            Self::Dense(counts) => &mut counts[usize::from(previous) * size + usize::from(token)],
            Self::Sparse(counts) => counts.entry((previous, token)).or_insert(0),
        };
        *slot = slot.saturating_add(1);
    }

    fn get(&self, previous: u16, token: u16, size: usize) -> u32 {
        match self {
            Self::Dense(counts) => counts[usize::from(previous) * size + usize::from(token)],
            Self::Sparse(counts) => counts.get(&(previous, token)).copied().unwrap_or(0),
        }
    }
}
