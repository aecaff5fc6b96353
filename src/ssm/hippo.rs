//! HiPPO transition matrices and their normal-plus-low-rank form.

use super::SsmError;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// The measure that a HiPPO state projects its past onto.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Scaled Legendre: all of the past, ever more coarsely.
    LegS,
    /// Translated Legendre: a sliding window.
    LegT,
    /// Truncated Fourier on a sliding window.
    Fourier,
}

impl Measure {
    /// Terms of the low-rank correction.
    #[must_use]
    pub fn rank(self) -> i64 {
        if self == Self::LegT { 2 } else { 1 }
    }

    /// The measure as it is typed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LegS => "legs",
            Self::LegT => "legt",
            Self::Fourier => "fourier",
        }
    }
}

fn check(d_state: i64) -> Result<usize, SsmError> {
    match usize::try_from(d_state) {
        Ok(n) if n >= 2 && n % 2 == 0 => Ok(n),
        _ => Err(SsmError::StateSize(d_state)),
    }
}

/// The constant vector `b` of the Fourier measure: 1, 0, √2, 0, √2, 0, …
fn fourier_b(n: usize) -> Vec<f64> {
    (0..n)
        .map(|i| {
            if i == 0 {
                1.0
            } else if i % 2 == 0 {
                2.0_f64.sqrt()
            } else {
                0.0
            }
        })
        .collect()
}

/// The transition `x' = A x + B u` of a HiPPO measure.
///
/// # Shapes
/// Returns `a` `(d_state, d_state)` and `b` `(d_state)`, float64.
/// # Errors
/// [`SsmError::StateSize`] unless `d_state` is even and positive.
/// # Source
/// Gu et al. 2020, arXiv:2008.07669, appendix D; Fourier: Gu et al. 2022, arXiv:2206.12037.
pub fn transition(measure: Measure, d_state: i64) -> Result<(Tensor, Tensor), SsmError> {
    let n = check(d_state)?;
    let mut a = vec![0.0; n * n];
    let b: Vec<f64> = match measure {
        Measure::LegS => (0..n).map(|i| (2.0 * i as f64 + 1.0).sqrt()).collect(),
        Measure::LegT => (0..n).map(|i| 0.5 * (2.0 * i as f64 + 1.0).sqrt()).collect(),
        Measure::Fourier => fourier_b(n),
    };
    for i in 0..n {
        for k in 0..n {
            let scale = ((2 * i + 1) as f64 * (2 * k + 1) as f64).sqrt();
            a[i * n + k] = match measure {
                Measure::LegS if i > k => -scale,
                Measure::LegS if i == k => -(i as f64 + 1.0),
                Measure::LegS => 0.0,
                Measure::LegT if i < k && (k - i) % 2 == 1 => 0.5 * scale,
                Measure::LegT => -0.5 * scale,
                Measure::Fourier => -b[i] * b[k] + rotation(i, k),
            };
        }
    }
    let a = Tensor::from_slice(&a).f_reshape([d_state, d_state])?;
    Ok((a, Tensor::from_slice(&b)))
}

/// The skew part of the Fourier transition: `∓π j` between the cosine and the sine of harmonic `j`.
fn rotation(i: usize, k: usize) -> f64 {
    let harmonic = (i / 2) as f64 * std::f64::consts::PI;
    match (i % 2, k % 2) {
        (0, 1) if k == i + 1 => -harmonic,
        (1, 0) if i == k + 1 => harmonic,
        _ => 0.0,
    }
}

/// Low-rank vectors `p` with `A + Σ p pᵀ` normal. `(rank, d_state)`, float64.
fn low_rank(measure: Measure, n: usize, rank: i64) -> Result<Tensor, SsmError> {
    if rank < measure.rank() {
        return Err(SsmError::Rank { rank, needed: measure.rank(), init: measure.name() });
    }
    let mut rows: Vec<Vec<f64>> = match measure {
        Measure::LegS => vec![(0..n).map(|i| (i as f64 + 0.5).sqrt()).collect()],
        Measure::LegT => {
            let on = |parity| move |i: usize| if i % 2 == parity { (i as f64 + 0.5).sqrt() } else { 0.0 };
            vec![(0..n).map(on(1)).collect(), (0..n).map(on(0)).collect()]
        }
        Measure::Fourier => vec![fourier_b(n)],
    };
    rows.resize(usize::try_from(rank).unwrap_or(rows.len()), vec![0.0; n]);
    Ok(Tensor::from_slice2(&rows))
}

/// `A = V (Λ − P P*) V*` of a HiPPO matrix, one of each conjugate pair kept.
#[derive(Debug)]
pub struct Nplr {
    /// Eigenvalues with negative imaginary part, most negative first. `(d_state / 2)`, complex128.
    pub lambda: Tensor,
    /// `V* p`. `(rank, d_state / 2)`, complex128.
    pub p: Tensor,
    /// `V* b`, before any clamp. `(d_state / 2)`, complex128.
    pub b: Tensor,
    /// Eigenvectors as columns, first row real. `(d_state, d_state / 2)`, complex128.
    pub v: Tensor,
}

impl Nplr {
    /// `b` as models start with it: its imaginary part clamped to `[-2, 2]`, as the reference does.
    ///
    /// # Errors
    /// libtorch's.
    pub fn b_clamped(&self) -> Result<Tensor, SsmError> {
        Ok(Tensor::f_complex(&self.b.f_real()?, &self.b.f_imag()?.f_clamp(-2.0, 2.0)?)?)
    }
}

/// Splits a HiPPO transition into a normal and a low-rank part, in the eigenbasis of the normal one.
///
/// # Errors
/// [`SsmError::StateSize`]; [`SsmError::Rank`] when the measure needs more terms.
/// # Source
/// Gu, Goel & Ré 2022, arXiv:2111.00396, theorem 1 and appendix C; conventions of `tests/golden/README.md` §3.2.
pub fn nplr(measure: Measure, d_state: i64, rank: i64) -> Result<Nplr, SsmError> {
    let n = check(d_state)?;
    let half = d_state / 2;
    let (a, b) = transition(measure, d_state)?;
    let p = low_rank(measure, n, rank)?;
    let s = a.f_add(&p.f_transpose(0, 1)?.f_matmul(&p)?)?;
    let center = s.f_diagonal(0, 0, 1)?.f_mean(Kind::Double)?.f_double_value(&[])?;
    // S is c·I + (skew-symmetric), so −iS is Hermitian but for the diagonal.
    let zeros = Tensor::zeros([d_state, d_state], (Kind::Double, tch::Device::Cpu));
    let skew = s.f_sub(&s.f_transpose(0, 1)?)?.f_mul_scalar(0.5)?;
    let hermitian = Tensor::f_complex(&zeros, &skew.f_neg()?)?;
    let (mu, v) = hermitian.f_linalg_eigh("L")?;
    let mu = mu.f_narrow(0, 0, half)?;
    let mut v = first_row_real(&v.f_narrow(1, 0, half)?)?;
    let lambda = Tensor::f_complex(&mu.f_full_like(center)?, &mu)?;
    if lambda.f_narrow(0, half - 1, 1)?.f_abs()?.f_double_value(&[0])? < 1e-4 {
        v = replace_null_vector(&v, d_state, half)?;
    }
    let v_star = v.f_conj()?.f_resolve_conj()?.f_transpose(0, 1)?; // (n/2, n)
    let complex = |x: &Tensor| x.f_to_kind(Kind::ComplexDouble);
    Ok(Nplr {
        p: v_star.f_matmul(&complex(&p.f_transpose(0, 1)?)?)?.f_transpose(0, 1)?.f_contiguous()?,
        b: v_star.f_matmul(&complex(&b)?)?,
        lambda,
        v,
    })
}

/// Turns each column's phase so that its first entry is real, as LAPACK leaves it: the clamp of `b` depends on it.
fn first_row_real(v: &Tensor) -> Result<Tensor, SsmError> {
    let first = v.f_narrow(0, 0, 1)?;
    let size = first.f_abs()?;
    let phase = first.f_conj()?.f_resolve_conj()?.f_div(&size.f_clamp_min(1e-300)?)?;
    let turned = v.f_mul(&phase)?;
    Ok(turned.f_where_self(&size.f_gt(1e-12)?.f_expand_as(v)?, v)?)
}

/// Fourier has the eigenvalue 0 twice (constant and Nyquist sine): the pair is spanned by `(e₀ + i e₁)/√2`.
fn replace_null_vector(v: &Tensor, d_state: i64, half: i64) -> Result<Tensor, SsmError> {
    let mut column = vec![0.0; 2 * usize::try_from(d_state).unwrap_or(0)];
    column[0] = 0.5_f64.sqrt();
    column[3] = 0.5_f64.sqrt();
    let column = Tensor::from_slice(&column).f_reshape([d_state, 1, 2])?.f_view_as_complex()?;
    Ok(Tensor::f_cat(&[v.f_narrow(1, 0, half - 1)?, column], 1)?)
}
