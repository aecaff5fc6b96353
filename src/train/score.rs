//! What logits are worth: cross-entropy and accuracy@k, summed on the device.

use super::TrainError;
use tch::{Kind, Reduction, Tensor};

/// The k of accuracy@k.
pub const TOP: [i64; 4] = [1, 3, 5, 10];

/// Sums over the positions of each row of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RowScore {
    /// Cross-entropy in nats, summed over the targets that count.
    pub nll: f64,
    /// Targets that count (not −100).
    pub counted: u64,
    /// Targets among the k largest logits, for k of [`TOP`].
    pub hits: [u64; 4],
}

impl RowScore {
    pub(super) fn add(&mut self, other: &Self) {
        self.nll += other.nll;
        self.counted += other.counted;
        self.hits.iter_mut().zip(other.hits).for_each(|(sum, hits)| *sum += hits);
    }
}

/// The summed cross-entropy of `logits` in nats, `()`, with gradient. Targets of −100 count nothing.
///
/// # Shapes
/// `logits`: `(b, l, levels)`. `targets`: `(b, l)` int64.
/// # Errors
/// libtorch's, for shapes that do not match.
pub fn summed_nll(logits: &Tensor, targets: &Tensor) -> Result<Tensor, TrainError> {
    let levels = logits.size().last().copied().unwrap_or(0);
    let flat = logits.f_reshape([-1, levels])?;
    Ok(flat.f_cross_entropy_loss::<Tensor>(&targets.f_reshape([-1])?, None, Reduction::Sum, -100, 0.0)?)
}

/// Where each target stands among the logits of its position, 0 for the largest: `(b, l)` int64. Equal logits stand in the
/// order of their levels, so that a model that says the same of every level is right once in `levels` and not always.
/// Targets of −100 stand at `levels`.
///
/// # Shapes
/// `logits`: `(b, l, levels)`. `targets`: `(b, l)` int64.
/// # Errors
/// libtorch's, for shapes that do not match.
pub fn ranks(logits: &Tensor, targets: &Tensor) -> Result<Tensor, TrainError> {
    let _guard = tch::no_grad_guard();
    let levels = logits.size().last().copied().unwrap_or(0);
    let index = targets.f_clamp_min(0)?.f_unsqueeze(-1)?; // (b, l, 1)
    let target = logits.f_gather(-1, &index, false)?; // (b, l, 1)
    let lower = Tensor::f_arange(levels, (Kind::Int64, logits.device()))?.f_lt_tensor(&index)?; // (b, l, levels)
    let above = logits.f_gt_tensor(&target)?;
    let level = logits.f_eq_tensor(&target)?.f_logical_and(&lower)?;
    let rank = above.f_logical_or(&level)?.f_sum_dim_intlist([-1_i64].as_slice(), false, Kind::Int64)?; // (b, l)
    Ok(rank.f_masked_fill(&targets.f_lt(0)?, levels)?)
}

/// How many targets are among the k largest logits of their position, for k of [`TOP`]: `(4)` float64, on the device.
///
/// # Shapes
/// `logits`: `(b, l, levels)`. `targets`: `(b, l)` int64, −100 for what does not count.
/// # Errors
/// libtorch's, for shapes that do not match.
pub fn hits(logits: &Tensor, targets: &Tensor) -> Result<Tensor, TrainError> {
    let _guard = tch::no_grad_guard();
    let levels = logits.size().last().copied().unwrap_or(0);
    let rank = ranks(logits, targets)?;
    let below = |k: i64| rank.f_lt(k.min(levels))?.f_sum(Kind::Double);
    Ok(Tensor::f_stack(&TOP.map(below).into_iter().collect::<Result<Vec<_>, _>>()?, 0)?)
}

/// Scores every row of a batch with one read back to the host.
///
/// # Shapes
/// `logits`: `(b, l, levels)`. `targets`: `(b, l)` int64, −100 for what does not count.
/// # Errors
/// libtorch's, for shapes that do not match.
pub fn score(logits: &Tensor, targets: &Tensor) -> Result<Vec<RowScore>, TrainError> {
    let _guard = tch::no_grad_guard();
    let levels = logits.size().last().copied().unwrap_or(0);
    let flat = logits.f_reshape([-1, levels])?;
    let each = flat.f_cross_entropy_loss::<Tensor>(&targets.f_reshape([-1])?, None, Reduction::None, -100, 0.0)?;
    let by_row = |values: &Tensor| values.f_sum_dim_intlist([-1_i64].as_slice(), false, Kind::Double);
    let rank = ranks(logits, targets)?;
    let mut sums = vec![by_row(&each.f_reshape(targets.size().as_slice())?)?, by_row(&targets.f_ge(0)?)?];
    for k in TOP {
        // A target that does not count stands at `levels`: never below k, unless there are fewer levels than k.
        sums.push(by_row(&rank.f_lt(k.min(levels))?)?);
    }
    let table: Vec<Vec<f64>> = Vec::try_from(&Tensor::f_stack(&sums, 1)?)?; // (b, 6)
    Ok(table.iter().map(|row| from_sums(row)).collect())
}

fn from_sums(row: &[f64]) -> RowScore {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts, exact in float64")]
    let count = |at: usize| row.get(at).map_or(0, |&sum| sum as u64);
    RowScore { nll: row.first().copied().unwrap_or(f64::NAN), counted: count(1), hits: [2, 3, 4, 5].map(count) }
}
