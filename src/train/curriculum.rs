//! Dropout and window length as functions of the updates done.
//!
//! Both schedules give the value itself. A dropout schedule replaces the probability of every block that has dropout (the
//! one on what residual blocks add, `dropres`, stays as it is). A window schedule gives the tokens of each training window;
//! an update then trains on pieces of its windows, cut at places drawn from (seed, step), and validations see whole windows
//! as ever.

use crate::options::OptionError;
use crate::schedule::{Schedule, Validation};
use crate::seed::Seed;
use rand::Rng;

/// What is scheduled beside the learning rate, with open lengths resolved.
#[derive(Debug, Clone)]
pub(super) struct Curriculum {
    seed: Seed,
    dropout: Option<Schedule>,
    window: Option<(Schedule, Vec<usize>)>,
    whole: usize,
}

impl Curriculum {
    /// For windows of `whole` tokens and a model whose pools divide by `product`.
    pub(super) fn new(
        seed: Seed,
        dropout: Option<&Schedule>,
        window: Option<&Schedule>,
        total: u64,
        whole: usize,
        product: usize,
    ) -> Self {
        let dropout = dropout.map(|schedule| schedule.resolved(total));
        let window = window.map(|schedule| (schedule.resolved(total), window_lengths(whole, product)));
        Self { seed, dropout, window, whole }
    }

    /// Blocks' dropout in the update that follows `step` finished ones; `None` leaves each block its own.
    pub(super) fn dropout_at(&self, step: u64, validations: &[Validation]) -> Option<f64> {
        self.dropout.as_ref().map(|schedule| schedule.at(step, validations))
    }

    /// Tokens of a training window in the update that follows `step` finished ones, where they are scheduled.
    pub(super) fn window_at(&self, step: u64, validations: &[Validation]) -> Option<usize> {
        let (schedule, lengths) = self.window.as_ref()?;
        Some(nearest_length(lengths, schedule.at(step, validations)))
    }

    /// Where each of an update's windows, `lengths` tokens long, is cut to at most `window` tokens.
    pub(super) fn cuts(&self, step: u64, window: usize, lengths: impl Iterator<Item = usize>) -> Vec<usize> {
        let mut draws = self.seed.stream("window", step);
        lengths.map(|length| draws.random_range(0..=length.saturating_sub(window))).collect()
    }

    /// Whether training windows of `window` tokens are shorter than the corpus's.
    pub(super) const fn is_cut(&self, window: usize) -> bool {
        window < self.whole
    }
}

/// The lengths that a scheduled window takes: the whole window and its halves, quarters, eighths, …, each rounded down to
/// divide by the pools, the longest first.
///
/// Few lengths, because each longer one changes an S4 layer: its C is attuned to a length and doubles it in place,
/// `C̃ ← C̃ (I + Ā^L)`, as the reference does. The function stays what it was; the optimiser's moments of C stay in the
/// basis before, as the reference's do, and forget it within some `1 / (1 − β₂)` updates. With halves, every doubling meets
/// the next length exactly; a kernel attuned to more than is asked for is computed whole and cut.
#[must_use]
pub fn window_lengths(whole: usize, product: usize) -> Vec<usize> {
    let product = product.max(1);
    let halves = std::iter::successors(Some(whole), |length| Some(length / 2));
    let mut lengths: Vec<usize> =
        halves.map(|length| length / product * product).take_while(|length| *length > 0).collect();
    lengths.dedup();
    lengths
}

/// The length nearest to `value` by ratio, so that a straight line from 512 to 8192 spends as much of the run on whole
/// windows as it should. `lengths` go from the longest to the shortest.
fn nearest_length(lengths: &[usize], value: f64) -> usize {
    #[expect(clippy::cast_precision_loss, reason = "lengths of windows stay far below 2^53")]
    let square = |at: usize| lengths[at] as f64;
    // Between two lengths, the border is where the ratios to both are equal.
    let longer = (0..lengths.len()).find(|&at| at + 1 == lengths.len() || value * value >= square(at) * square(at + 1));
    longer.map_or(0, |at| lengths[at])
}

/// That a dropout schedule gives probabilities, whatever the length of the run; `total` where it is known.
pub(super) fn check_dropout(schedule: &Schedule, total: Option<u64>) -> Result<(), OptionError> {
    check(schedule, "dropout")?;
    let total = total.unwrap_or(u64::MAX);
    let (least, most) = schedule.resolved(total).extremes(total);
    if least >= 0.0 && most < 1.0 {
        return Ok(());
    }
    Err(OptionError::value("dropout", format!("scheduled to reach {most}"), "a probability: 0 to below 1")
        .with_hint("the schedule gives the probability itself, as in linear(0, 0.3) or constant().scaled(0.1)"))
}

/// That a window schedule gives numbers of tokens.
pub(super) fn check_window(schedule: &Schedule, total: Option<u64>) -> Result<(), OptionError> {
    check(schedule, "window")?;
    let total = total.unwrap_or(u64::MAX);
    let (least, most) = schedule.resolved(total).extremes(total);
    let needed = "at least 1 token";
    if least >= 1.0 && most.is_finite() {
        Ok(())
    } else if most <= 1.0 {
        Err(OptionError::value("window", format!("scheduled from {least} to {most}"), needed)
            .with_hint("the schedule gives tokens and not multiples, as in linear(512, 8192)"))
    } else {
        let (found, hint) = if least < 1.0 { (least, "end higher") } else { (most, "give it an end with `steps`") };
        Err(OptionError::value("window", format!("scheduled to reach {found}"), needed).with_hint(hint))
    }
}

fn check(schedule: &Schedule, key: &str) -> Result<(), OptionError> {
    schedule.validate().map_err(|error| OptionError {
        key: key.to_owned(),
        message: error.to_string(),
        hint: error.hint(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_halves_that_divide_by_the_pools() {
        assert_eq!(window_lengths(8192, 16), [8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16]);
        assert_eq!(window_lengths(80, 16), [80, 32, 16]);
        assert_eq!(window_lengths(16, 16), [16]);
        assert_eq!(window_lengths(3, 1), [3, 1]);
    }

    #[test]
    fn a_length_is_the_nearest_by_ratio_and_never_outside_the_list() {
        let lengths = window_lengths(4096, 4);
        for (value, needed) in
            [(1e9, 4096), (4096.0, 4096), (2897.0, 4096), (2896.0, 2048), (1500.0, 2048), (512.0, 512), (1.0, 4)]
        {
            assert_eq!(nearest_length(&lengths, value), needed, "{value}");
        }
    }

    #[test]
    fn a_cut_lies_inside_its_window_and_depends_on_the_step_alone() {
        let curriculum = Curriculum::new(Seed(3), None, Some(&Schedule::linear(4.0, 64.0, None)), 10, 64, 4);
        let at = |step| curriculum.cuts(step, 16, [64, 64, 20, 10].into_iter());
        let cuts = at(5);
        assert!(cuts[0] <= 48 && cuts[1] <= 48 && cuts[2] <= 4 && cuts[3] == 0, "{cuts:?}");
        assert_eq!(at(5), cuts);
        assert_ne!(at(6), cuts);
        assert!((0..10).any(|step| at(step)[0] > 0), "never cut but from the front");
    }
}
