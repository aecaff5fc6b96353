//! The recurrence of a DPLR system in its own eigenvectors, for systems that have good ones.
//!
//! The eigenvectors of exact HiPPO matrices are useless in any precision (condition 6e14 for LegS at N = 64), but a few per cent of
//! change in Λ or P, as training makes, brings their condition to 15 … 500 (MATH.md §1). A diagonal step takes 7
//! multiply-adds for each complex number of the state where the step with a correction takes 11. So each layer is measured.

use tch::Tensor;

use super::error::SsmError;
use super::factors::StepFactors;
use super::space::{Continuous, pairs, real_parts};

/// The largest condition number of the eigenvectors: float64 keeps ten digits of what passes through them.
const CONDITION: f64 = 1e5;

/// How much larger than the output the sum of what the modes add to it may be, each taken by its own deviation under white noise:
/// so many times float32's rounding is what the output may be off by, 6e-6 of itself.
const CANCELLATION: f64 = 100.0;

type Complex = [f64; 2];

fn times(a: Complex, b: Complex) -> Complex {
    [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
}

fn over(a: Complex, b: Complex) -> Complex {
    let size = b[0] * b[0] + b[1] * b[1];
    let product = times(a, [b[0], -b[1]]);
    [product[0] / size, product[1] / size]
}

/// Eigenvalues, and B and each channel's C in the eigenvectors, of which one of each conjugate pair is kept.
struct Modal {
    lambda: Vec<Complex>,
    b: Vec<Complex>,
    /// `(channels, modes)`; halved for real eigenvalues, which have no twin.
    c: Vec<Complex>,
}

/// The diagonal step of a system whose channels share Λ, B and P, with `c` `(channels, d_state / 2)` its plain output vectors;
/// none where the measures above forbid it.
///
/// # Errors
/// libtorch's.
pub(super) fn diagonal(system: &Continuous, c: &Tensor, dt: &[f64]) -> Result<Option<StepFactors>, SsmError> {
    let Some(modal) = modal(system, c)? else { return Ok(None) };
    let modes = modal.lambda.len();
    let (mut m, mut b_bar) = (Vec::with_capacity(dt.len() * modes), Vec::with_capacity(dt.len() * modes));
    for (dt, c) in dt.iter().zip(modal.c.chunks_exact(modes)) {
        let rate = 2.0 / dt;
        for (&a, &b) in modal.lambda.iter().zip(&modal.b) {
            let below = [rate - a[0], -a[1]];
            m.push(over([2.0 * a[0], 2.0 * a[1]], below));
            b_bar.push(over([2.0 * b[0], 2.0 * b[1]], below));
        }
        let own = m.len() - modes..;
        if cancellation(&m[own.clone()], &b_bar[own], c).is_none_or(|found| found > CANCELLATION) {
            return Ok(None);
        }
    }
    Ok(Some(StepFactors::diagonal(m, &b_bar, &modal.c, dt.len())))
}

fn modal(system: &Continuous, c: &Tensor) -> Result<Option<Modal>, SsmError> {
    let both = |half: &Tensor| Tensor::f_cat(&[half.shallow_clone(), half.f_conj()?], -1);
    let (lambda, b) = (both(&system.lambda.f_select(0, 0)?)?, both(&system.b.f_select(0, 0)?)?);
    let p = both(&system.p.f_select(1, 0)?)?; // (rank, n)
    let a = lambda.f_diag(0)?.f_sub(&p.f_transpose(0, 1)?.f_matmul(&p.f_conj()?)?)?;
    if !bool::try_from(a.f_isfinite()?.f_all()?).unwrap_or(false) {
        return Ok(None);
    }
    // LAPACK gives up on some matrices: those keep their correction.
    let Ok((values, vectors)) = a.f_linalg_eig() else { return Ok(None) };
    let condition = vectors.f_linalg_cond(2.0).and_then(f64::try_from).unwrap_or(f64::INFINITY);
    if condition.is_nan() || condition > CONDITION {
        return Ok(None);
    }
    let b = Tensor::f_linalg_solve(&vectors, &b.f_unsqueeze(-1)?, true)?;
    let c = both(c)?.f_matmul(&vectors)?; // (channels, n)
    let (values, b, c) = (pairs(&real_parts(&values)?)?, pairs(&real_parts(&b)?)?, pairs(&real_parts(&c)?)?);
    let size = values.iter().fold(0.0_f64, |most, value| most.max(value[0].hypot(value[1])));
    let is_real = |value: &Complex| value[1].abs() <= 1e-9 * size;
    let kept: Vec<usize> = (0..values.len()).filter(|&n| is_real(&values[n]) || values[n][1] > 0.0).collect();
    let reals = kept.iter().filter(|&&n| is_real(&values[n])).count();
    if 2 * kept.len() - reals != values.len() || kept.iter().any(|&n| values[n][0] >= 0.0) {
        return Ok(None);
    }
    let share = |n: usize, c: Complex| if is_real(&values[n]) { [c[0] / 2.0, c[1] / 2.0] } else { c };
    let c = c.chunks_exact(values.len()).flat_map(|c| kept.iter().map(|&n| share(n, c[n]))).collect();
    Ok(Some(Modal {
        lambda: kept.iter().map(|&n| if is_real(&values[n]) { [values[n][0], 0.0] } else { values[n] }).collect(),
        b: kept.iter().map(|&n| b[n]).collect(),
        c,
    }))
}

/// The sum of the modes' deviations in the output over the output's own, under white noise; none where that diverges.
fn cancellation(m: &[Complex], b_bar: &[Complex], c: &[Complex]) -> Option<f64> {
    let taps: Vec<Complex> = c.iter().zip(b_bar).map(|(&c, &b)| times(c, b)).collect();
    let mu: Vec<Complex> = m.iter().map(|m| [1.0 + m[0], m[1]]).collect();
    let (mut modes, mut output) = (0.0, 0.0);
    for (&a, &mu_a) in taps.iter().zip(&mu) {
        let kept = 1.0 - mu_a[0] * mu_a[0] - mu_a[1] * mu_a[1];
        if kept <= 0.0 {
            return None;
        }
        modes += 2.0 * a[0].hypot(a[1]) / kept.sqrt();
        // Σ_l K_l² with K_l = 2 Re Σ a μ^l: 2 Re Σ Σ (a b / (1 − μ_a μ_b) + a b̄ / (1 − μ_a μ̄_b)).
        for (&b, &mu_b) in taps.iter().zip(&mu) {
            for (b, mu_b) in [(b, mu_b), ([b[0], -b[1]], [mu_b[0], -mu_b[1]])] {
                let product = times(mu_a, mu_b);
                output += 2.0 * over(times(a, b), [1.0 - product[0], -product[1]])[0];
            }
        }
    }
    let found = modes / output.max(0.0).sqrt();
    // A channel without any output cannot be off.
    if modes == 0.0 { Some(0.0) } else { Some(found) }
}
