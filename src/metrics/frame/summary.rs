//! What the numbers of a column come to.

use super::Frame;

/// What a column's numbers come to, absent ones left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// How many numbers.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation with one degree of freedom less; 0 for a single number.
    pub std: f64,
    /// The least.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Summary {
    /// Half the width of the 95 % confidence interval of the mean, by Student's t; infinite for a single number.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of runs stay far below 2^53")]
    pub fn confidence(&self) -> f64 {
        match self.count {
            0 | 1 => f64::INFINITY,
            count => student_t_975(count - 1) * self.std / (count as f64).sqrt(),
        }
    }
}

/// The 97.5 % quantile of Student's t: tabulated to 10 degrees of freedom, then the Cornish-Fisher expansion about the
/// normal quantile (Abramowitz & Stegun 26.7.5, error below 2e-4 there).
#[expect(clippy::cast_precision_loss, reason = "counts of runs stay far below 2^53")]
fn student_t_975(freedom: usize) -> f64 {
    const TABLE: [f64; 10] = [12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281];
    if let Some(quantile) = freedom.checked_sub(1).and_then(|index| TABLE.get(index)) {
        return *quantile;
    }
    let z: f64 = 1.959_963_985;
    let n = freedom as f64;
    let first = (z.powi(3) + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    let third = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0;
    z + first / n + second / n.powi(2) + third / n.powi(3)
}

impl Frame {
    /// What a column's numbers come to; `None` if it has none. NaN counts as a number here, and shows.
    #[must_use]
    pub fn summary(&self, name: &str) -> Option<Summary> {
        let column = self.0.column(name).ok()?;
        let series = column.as_materialized_series();
        let count = series.len() - series.null_count();
        if count == 0 || !series.dtype().is_primitive_numeric() {
            return None;
        }
        Some(Summary {
            count,
            mean: series.mean()?,
            std: series.std(1).unwrap_or(0.0),
            min: series.min::<f64>().ok()??,
            max: series.max::<f64>().ok()??,
        })
    }
}
