//! A curve in one line of text.

/// From the least to the largest.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Where a curve has no number.
const GAP: char = '·';

/// `values` as block characters, at most `width` of them: `█▅▃▂▁`. More values than characters are averaged, as many
/// neighbours to a character; what is not finite is left out, and shows as `·` where nothing else is left. Values that are
/// all equal lie in the middle.
#[must_use]
pub fn sparkline(values: &[f64], width: usize) -> String {
    let means = averaged(values, width);
    let finite = || means.iter().copied().filter(|value| value.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    let block = |value: f64| {
        if !value.is_finite() {
            return GAP;
        }
        // Halved first: the span of the largest numbers is infinite.
        let (height, span) = (value / 2.0 - low / 2.0, high / 2.0 - low / 2.0);
        let share = if span > 0.0 { height / span } else { 0.5 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to the number of blocks")]
        let step = (share * BLOCKS.len() as f64) as usize;
        BLOCKS[step.min(BLOCKS.len() - 1)]
    };
    means.iter().map(|&value| block(value)).collect()
}

/// At most `width` means over neighbours, NaN where there is no finite value among them.
fn averaged(values: &[f64], width: usize) -> Vec<f64> {
    let count = values.len().min(width);
    let mean = |part: &[f64]| {
        let finite = || part.iter().filter(|value| value.is_finite());
        match finite().count() {
            0 => f64::NAN,
            // Divided first: the sum of the largest numbers is infinite.
            count => finite().map(|value| value / count as f64).sum(),
        }
    };
    (0..count).map(|at| mean(&values[at * values.len() / count..(at + 1) * values.len() / count])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_falling_curve_falls() {
        assert_eq!(sparkline(&[8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0], 8), "█▇▆▅▄▃▂▁");
        assert_eq!(sparkline(&[5.0, 4.0], 20), "█▁");
    }

    #[test]
    fn more_values_than_characters_are_averaged() {
        let values: Vec<f64> = (0..1000).map(f64::from).collect();
        assert_eq!(sparkline(&values, 8), "▁▂▃▄▅▆▇█");
        assert_eq!(sparkline(&values, 3).chars().count(), 3);
    }

    #[test]
    fn nothing_and_what_is_no_number_do_no_harm() {
        assert_eq!(sparkline(&[], 8), "");
        assert_eq!(sparkline(&[1.0], 0), "");
        assert_eq!(sparkline(&[3.0, 3.0], 8), "▅▅");
        assert_eq!(sparkline(&[f64::NAN, 2.0, f64::INFINITY, 1.0], 8), "·█·▁");
        assert_eq!(sparkline(&[f64::NAN, 2.0, f64::NAN, 1.0], 2), "█▁", "one number among neighbours is enough");
        assert_eq!(sparkline(&[f64::NAN], 8), "·");
        assert_eq!(sparkline(&[f64::MAX, f64::MIN], 8), "█▁");
    }
}
