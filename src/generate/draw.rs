//! From one row of logits to one token: temperature, top-k, top-p, min-p, and what the draw was worth.
//!
//! Likelihood and entropy are always those of the model itself, in float64: the softmax of the logits as they came, with no
//! temperature and no mask. Temperature, top-k, top-p and min-p shape only what is drawn.

use super::{DrawPlan, softmax};
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
    /// Keeps the tokens that are at least this many times as probable as the most probable one; 0 keeps all.
    pub min_p: f64,
}

impl Default for Drawing {
    fn default() -> Self {
        Self { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0 }
    }
}

impl Drawing {
    /// Checks the ranges.
    ///
    /// # Errors
    /// The name of the option out of range, as `generate` has it.
    pub fn validate(&self) -> Result<(), OptionError> {
        DrawPlan::from(*self).validate()
    }
}

/// Added to a probability before its logarithm is taken for the entropy; chosen by the reference implementation.
pub(super) const ENTROPY_FLOOR: f64 = 1e-6;

/// The nucleus's edge is bracketed by halving until this few tokens are left to sort: sorting them costs about as much as
/// another halving over 256 levels.
const SORTED_AT_MOST: usize = 16;

/// Halvings of the bracket at most: a bracket of many equal tokens never gets smaller, and is then sorted as it is.
const HALVINGS: usize = 24;

/// One row of logits as a distribution. Holds its own room: setting, shaping and drawing allocate nothing.
#[derive(Debug, Clone)]
pub struct Distribution {
    /// Logit less the largest logit, for each token.
    shifted: Vec<f64>,
    /// `exp(shifted)`: probabilities before division by `sum`.
    exponentials: Vec<f64>,
    sum: f64,
    /// What is drawn from where that is `shaped`, not normalised: zero for a token that a mask removed.
    weights: Vec<f64>,
    shaped: bool,
    /// The sum of what is drawn from.
    total: f64,
    /// The tokens as a permutation, or at its front those whose order matters: scratch.
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
            shaped: false,
            total: levels as f64,
            order: (0..=u16::MAX).take(levels).collect(),
        }
    }

    /// Takes the softmax of `logits`, one for each level. `false`, with nothing changed, when no distribution comes of
    /// them: one is not a number or positive infinity, or all are negative infinity (which alone means probability zero).
    #[must_use]
    pub fn set(&mut self, logits: &[f32]) -> bool {
        let Some(sum) = softmax::exponentials(logits, &mut self.shifted, &mut self.exponentials) else { return false };
        (self.sum, self.total, self.shaped) = (sum, sum, false);
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
        softmax::entropy(&self.exponentials, self.sum, ENTROPY_FLOOR)
    }

    /// Shapes what [`draw`](Self::draw) draws from.
    ///
    /// Top-k, top-p and min-p all look at the model's own probabilities, each at all of them, and a token must pass each:
    /// their order does not matter, and none depends on the temperature, which then divides the logits of what is left.
    /// # Source
    /// golden/README.md §3.16 for top-p before temperature; Nguyen et al. 2024, arXiv:2407.01082, for min-p.
    pub fn shape(&mut self, drawing: &Drawing) {
        let top_k = if drawing.temperature == 0.0 { 1 } else { drawing.top_k };
        let last = self.last_kept(top_k, drawing.top_p);
        let temperature = if drawing.temperature == 0.0 { 1.0 } else { drawing.temperature };
        if last.is_none() && drawing.min_p == 0.0 && temperature == 1.0 {
            (self.total, self.shaped) = (self.sum, false);
            return;
        }
        if temperature == 1.0 {
            self.weights.copy_from_slice(&self.exponentials);
        } else {
            softmax::tempered(&self.shifted, temperature, &mut self.weights);
        }
        (self.total, self.shaped) = (0.0, true);
        for (weight, token) in self.weights.iter_mut().zip(0..=u16::MAX) {
            let at = usize::from(token);
            // The most probable token's exponential is 1.
            let improbable = self.exponentials[at] < drawing.min_p;
            let removed = improbable || last.is_some_and(|last| descending(&self.shifted, last, token).is_lt());
            if removed {
                *weight = 0.0;
            }
            self.total += *weight;
        }
    }

    /// The probabilities that [`draw`](Self::draw) draws from, as last shaped.
    pub fn probabilities(&self) -> impl Iterator<Item = f64> + '_ {
        self.drawn_from().iter().map(|weight| weight / self.total)
    }

    /// The token at `u` of the way, `0 ≤ u < 1`, through the shaped probabilities laid end to end in the order of the
    /// tokens. Low tokens are low samples, so the same `u` gives a similar sound under similar options.
    #[must_use]
    pub fn draw(&self, u: f64) -> u16 {
        let target = u * self.total;
        let mut before = 0.0;
        let mut last = 0;
        for (&weight, token) in self.drawn_from().iter().zip(0..=u16::MAX) {
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

    fn drawn_from(&self) -> &[f64] {
        if self.shaped { &self.weights } else { &self.exponentials }
    }

    /// The least probable token that both masks keep; `None` when they keep all.
    fn last_kept(&mut self, top_k: usize, top_p: f64) -> Option<u16> {
        let of_k = if top_k == 0 || top_k >= self.order.len() { None } else { Some(self.at_rank(top_k - 1)) };
        let of_p = if top_p < 1.0 { Some(self.nucleus_edge(top_p)) } else { None };
        match (of_k, of_p) {
            (Some(a), Some(b)) => Some(if descending(&self.shifted, a, b).is_lt() { a } else { b }),
            (one, other) => one.or(other),
        }
    }

    /// The token at `rank` of the descending order, 0 for the most probable.
    fn at_rank(&mut self, rank: usize) -> u16 {
        for (place, token) in self.order.iter_mut().zip(0..=u16::MAX) {
            *place = token;
        }
        let shifted = &self.shifted;
        *self.order.select_nth_unstable_by(rank, |&a, &b| descending(shifted, a, b)).1
    }

    /// The last token of the nucleus: the sum of all before it does not exceed `top_p`, with it does.
    ///
    /// Sums over thresholds need no sorting: a few passes bracket the edge, and only what is within is sorted.
    fn nucleus_edge(&mut self, top_p: f64) -> u16 {
        let limit = top_p * self.sum;
        // The mass from `high` up does not exceed the limit, that from `low` up does: the edge is in `low..high`.
        let (mut low, mut high, mut above) = (0.0, f64::INFINITY, 0.0);
        for halving in 0..HALVINGS {
            let middle = if halving == 0 { 1.0 / 64.0 } else { between(low, high) };
            let (mut mass, mut inside) = (0.0, 0);
            for &e in &self.exponentials {
                mass += if e >= middle { e } else { 0.0 };
                inside += usize::from(e >= middle && e < high);
            }
            if mass > limit {
                low = middle;
                if inside <= SORTED_AT_MOST {
                    break;
                }
            } else {
                (high, above) = (middle, mass);
            }
        }
        let mut count = 0;
        for (&e, token) in self.exponentials.iter().zip(0..=u16::MAX) {
            if e >= low && e < high {
                self.order[count] = token;
                count += 1;
            }
        }
        let shifted = &self.shifted;
        let bracket = &mut self.order[..count];
        bracket.sort_unstable_by(|&a, &b| descending(shifted, a, b));
        for &token in &*bracket {
            above += self.exponentials[usize::from(token)];
            if above > limit {
                return token;
            }
        }
        // Only rounding leads here: the bracket's mass was just above the limit, summed in another order.
        bracket.last().copied().unwrap_or(0)
    }
}

/// Between two exponentials, halfway in their logarithm where they have one.
fn between(low: f64, high: f64) -> f64 {
    let high = high.min(1.0);
    if low > 0.0 { (low * high).sqrt() } else { high / 64.0 }
}

/// The more probable token first; of equals, the lower.
fn descending(shifted: &[f64], a: u16, b: u16) -> std::cmp::Ordering {
    shifted[usize::from(b)].total_cmp(&shifted[usize::from(a)]).then(a.cmp(&b))
}
