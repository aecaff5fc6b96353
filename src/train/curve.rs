//! How a run went, in few numbers, however long it was.

/// The most numbers that a curve keeps; it has at least half as many once it has been full.
const MOST: usize = 64;

/// Means over equal stretches of what was pushed. A stretch doubles whenever there are too many.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Curve {
    means: Vec<f64>,
    stretch: usize,
    sum: f64,
    count: usize,
}

impl Default for Curve {
    fn default() -> Self {
        Self { means: Vec::new(), stretch: 1, sum: 0.0, count: 0 }
    }
}

impl Curve {
    /// The curve of all of `values`.
    pub(super) fn of(values: &[f64]) -> Self {
        let mut curve = Self::default();
        values.iter().for_each(|&value| curve.push(value));
        curve
    }

    pub(super) fn push(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
        if self.count < self.stretch {
            return;
        }
        self.means.push(self.sum / self.count as f64);
        (self.sum, self.count) = (0.0, 0);
        if self.means.len() == MOST {
            self.means = self.means.chunks_exact(2).map(|pair| f64::midpoint(pair[0], pair[1])).collect();
            self.stretch *= 2;
        }
    }

    /// The means that are finite (JSON holds no others), the stretch under way included.
    pub(super) fn finite(&self) -> Vec<f64> {
        let rest = (self.count > 0).then(|| self.sum / self.count as f64);
        self.means.iter().copied().chain(rest).filter(|mean| mean.is_finite()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_curve_is_itself_and_a_long_one_keeps_its_shape() {
        assert_eq!(Curve::of(&[3.0, 2.0, 1.0]).finite(), [3.0, 2.0, 1.0]);
        let long: Vec<f64> = (0..10_001).map(f64::from).collect();
        let values = Curve::of(&long).finite();
        assert!((MOST / 2..=MOST).contains(&values.len()), "{}", values.len());
        assert!(values.windows(2).all(|pair| pair[0] < pair[1]), "{values:?}");
        assert!(
            values.first().is_some_and(|first| *first < 200.0) && values.last().is_some_and(|last| *last > 9_700.0),
            "{values:?}"
        );
    }
}
