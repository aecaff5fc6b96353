//! From one row of logits to one token: temperature, top-k, top-p, and what the draw was worth.
//!
//! Likelihood and entropy are always those of the model itself, in float64: the softmax of the logits as they came, with no
//! temperature and no mask. Temperature, top-k and top-p shape only what is drawn.

use crate::options::OptionError;

/// How to draw from a distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drawing {
    /// Divides the logits of what the masks leave. 0 takes the most probable token (the lowest of several), 1 draws from
    /// the model itself.
    pub temperature: f64,
    /// Keeps this many of the most probable tokens; 0, or as many as there are levels, keeps all.
    pub top_k: usize,
    /// Keeps the nucleus: the most probable tokens up to and including the one with which their sum exceeds this.
    /// 1 keeps all.
    pub top_p: f64,
}

impl Default for Drawing {
    fn default() -> Self {
        Self { temperature: 1.0, top_k: 0, top_p: 1.0 }
    }
}

impl Drawing {
    /// Checks the ranges.
    ///
    /// # Errors
    /// The name of the option out of range, as `generate` has it.
    pub fn validate(&self) -> Result<(), OptionError> {
        if !(self.temperature >= 0.0 && self.temperature.is_finite()) {
            return Err(OptionError::value("temperature", self.temperature, "a finite number of at least 0")
                .with_hint("1 draws from the model itself, 0 always takes the most probable token"));
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return Err(OptionError::value("top_p", self.top_p, "above 0 and at most 1")
                .with_hint("1 keeps every token; `temperature: 0` or `top_k: 1` keeps only the most probable"));
        }
        Ok(())
    }
}

/// Added to a probability before its logarithm is taken for the entropy; chosen by the reference implementation.
const ENTROPY_FLOOR: f64 = 1e-6;

/// The nucleus is first looked for among this many tokens, then among twice as many, and so on: trained models put most of
/// their mass on fewer tokens than this, so that the rest is never sorted.
const FIRST_SORTED: usize = 32;

/// One row of logits as a distribution. Holds its own room: setting, shaping and drawing allocate nothing.
#[derive(Debug, Clone)]
pub struct Distribution {
    /// Logit less the largest logit, for each token.
    shifted: Vec<f64>,
    /// `exp(shifted)`: probabilities before division by `sum`.
    exponentials: Vec<f64>,
    sum: f64,
    /// What is drawn from, not normalised: zero for a token that a mask removed.
    weights: Vec<f64>,
    total: f64,
    /// The tokens, the most probable first as far as it was needed. Always a permutation, never reset: a sound's next
    /// distribution has much the same order as its last.
    order: Vec<u16>,
}

impl Distribution {
    /// Room for distributions over `levels` tokens, at first uniform. At most 65,536 levels can be told apart by a token;
    /// [`Session`](super::Session) refuses more.
    #[must_use]
    pub fn new(levels: usize) -> Self {
        Self {
            shifted: vec![0.0; levels],
            exponentials: vec![1.0; levels],
            sum: levels as f64,
            weights: vec![1.0; levels],
            total: levels as f64,
            order: (0..=u16::MAX).take(levels).collect(),
        }
    }

    /// Takes the softmax of `logits`, one for each level. `false`, with nothing changed, when no distribution comes of
    /// them: one is not a number or positive infinity, or all are negative infinity (which alone means probability zero).
    #[must_use]
    pub fn set(&mut self, logits: &[f32]) -> bool {
        let largest = logits.iter().fold(f32::NEG_INFINITY, |max, &logit| if logit > max { logit } else { max });
        if !largest.is_finite() || logits.iter().any(|logit| logit.is_nan()) {
            return false;
        }
        let largest = f64::from(largest);
        self.sum = 0.0;
        for ((shifted, exponential), &logit) in self.shifted.iter_mut().zip(&mut self.exponentials).zip(logits) {
            *shifted = f64::from(logit) - largest;
            *exponential = shifted.exp();
            self.sum += *exponential;
        }
        self.weights.copy_from_slice(&self.exponentials);
        self.total = self.sum;
        true
    }

    /// The log-probability of `token` under the model, in nats.
    #[must_use]
    pub fn log_probability(&self, token: u16) -> f64 {
        self.shifted[usize::from(token)] - self.sum.ln()
    }

    /// The entropy under the model, in nats, as the reference accounts for it: the sum of `-p ln(p + 1e-6)`.
    #[must_use]
    pub fn entropy(&self) -> f64 {
        self.exponentials.iter().map(|e| e / self.sum).map(|p| -p * (p + ENTROPY_FLOOR).ln()).sum()
    }

    /// Shapes what [`draw`](Self::draw) draws from.
    ///
    /// Top-k and top-p both look at the model's own probabilities, each at all of them, and a token must pass both: their
    /// order does not matter, and neither depends on the temperature, which then divides the logits of what is left.
    /// # Source
    /// golden/README.md §3.16 for top-p before temperature.
    pub fn shape(&mut self, drawing: &Drawing) {
        let levels = self.weights.len();
        let kept = if drawing.temperature == 0.0 { self.most_probable(1) } else { self.keep(drawing) };
        if kept < levels {
            self.weights.fill(0.0);
        }
        for &token in &self.order[..kept] {
            let token = usize::from(token);
            self.weights[token] = if kept == 1 || drawing.temperature == 1.0 {
                self.exponentials[token]
            } else {
                (self.shifted[token] / drawing.temperature).exp()
            };
        }
        self.total = self.weights.iter().sum();
    }

    /// The probabilities that [`draw`](Self::draw) draws from, as last shaped.
    pub fn probabilities(&self) -> impl Iterator<Item = f64> + '_ {
        self.weights.iter().map(|weight| weight / self.total)
    }

    /// The token at `u` of the way, `0 ≤ u < 1`, through the shaped probabilities laid end to end in the order of the
    /// tokens. Low tokens are low samples, so the same `u` gives a similar sound under similar options.
    #[must_use]
    pub fn draw(&self, u: f64) -> u16 {
        let target = u * self.total;
        let mut before = 0.0;
        let mut last = 0;
        for (&weight, token) in self.weights.iter().zip(0..=u16::MAX) {
            if weight > 0.0 {
                last = token;
                before += weight;
                if before > target {
                    break;
                }
            }
        }
        last
    }

    /// Brings the tokens that both masks keep to the front of `order`; returns how many they are.
    fn keep(&mut self, drawing: &Drawing) -> usize {
        let levels = self.order.len();
        let most = if drawing.top_k == 0 { levels } else { drawing.top_k.min(levels) };
        if drawing.top_p < 1.0 { self.nucleus(drawing.top_p, most) } else { self.most_probable(most) }
    }

    /// Brings the `count` most probable tokens, in any order, to the front of `order`.
    fn most_probable(&mut self, count: usize) -> usize {
        if count < self.order.len() {
            let shifted = &self.shifted;
            self.order.select_nth_unstable_by(count - 1, |&a, &b| descending(shifted, a, b));
        }
        count
    }

    /// Brings the nucleus, and at most `most` tokens, to the front of `order`, sorting no further than about twice as far
    /// as the nucleus reaches.
    fn nucleus(&mut self, top_p: f64, most: usize) -> usize {
        let shifted = &self.shifted;
        let mut sorted = 0;
        let mut before = 0.0;
        while sorted < most {
            let chunk = sorted.max(FIRST_SORTED).min(most - sorted);
            let rest = &mut self.order[sorted..];
            if chunk < rest.len() {
                rest.select_nth_unstable_by(chunk - 1, |&a, &b| descending(shifted, a, b));
            }
            rest[..chunk].sort_unstable_by(|&a, &b| descending(shifted, a, b));
            for (offset, &token) in rest[..chunk].iter().enumerate() {
                if before > top_p {
                    return sorted + offset;
                }
                before += self.exponentials[usize::from(token)] / self.sum;
            }
            sorted += chunk;
        }
        most
    }
}

/// The more probable token first; of equals, the lower.
fn descending(shifted: &[f64], a: u16, b: u16) -> std::cmp::Ordering {
    shifted[usize::from(b)].total_cmp(&shifted[usize::from(a)]).then(a.cmp(&b))
}
