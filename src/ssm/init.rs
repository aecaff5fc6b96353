//! Where a state space starts: the diagonal, the correction and the input vector of each initialisation.

use super::SsmError;
use super::hippo::{Measure, nplr};
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;
use tch::{Kind, Tensor};

/// The initialisation of the state matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Init {
    /// HiPPO-LegS (for S4D: its diagonal alone).
    LegS,
    /// HiPPO-LegT, rank 2.
    LegT,
    /// Truncated Fourier.
    Fourier,
    /// First half of the state matrices LegS, second half Fourier.
    Hippo,
    /// S4D-Lin: `−1/2 + iπn`.
    Lin,
    /// S4D-Inv.
    Inv,
    /// First half of the state matrices Inv, second half Lin.
    Diag,
}

impl Init {
    /// The initialisation as it is typed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LegS => "legs",
            Self::LegT => "legt",
            Self::Fourier => "fourier",
            Self::Hippo => "hippo",
            Self::Lin => "lin",
            Self::Inv => "inv",
            Self::Diag => "diag",
        }
    }
}

/// The continuous-time start of `n_ssm` state spaces. Everything complex128 on the CPU.
#[derive(Debug)]
pub struct Start {
    /// Diagonal, `(n_ssm, d_state / 2)`.
    pub lambda: Tensor,
    /// Correction, `(rank, n_ssm, d_state / 2)`; rank 0 for a diagonal state space.
    pub p: Tensor,
    /// Input vector, `(n_ssm, d_state / 2)`.
    pub b: Tensor,
}

/// The state matrices that a DPLR kernel starts with.
///
/// # Errors
/// [`SsmError::InitForMode`] for an initialisation without a correction, and whatever [`nplr`] refuses.
pub fn dplr_start(init: Init, d_state: i64, n_ssm: i64, rank: i64) -> Result<Start, SsmError> {
    let measures = match init {
        Init::LegS => vec![(Measure::LegS, n_ssm)],
        Init::LegT => vec![(Measure::LegT, n_ssm)],
        Init::Fourier => vec![(Measure::Fourier, n_ssm)],
        Init::Hippo => vec![(Measure::LegS, n_ssm - n_ssm / 2), (Measure::Fourier, n_ssm / 2)],
        Init::Lin | Init::Inv | Init::Diag => {
            return Err(SsmError::InitForMode { init: init.name(), mode: "dplr" });
        }
    };
    let (mut lambda, mut p, mut b) = (Vec::new(), Vec::new(), Vec::new());
    for (measure, copies) in measures.into_iter().filter(|(_, copies)| *copies > 0) {
        let parts = nplr(measure, d_state, rank)?;
        lambda.push(parts.lambda.f_unsqueeze(0)?.f_repeat([copies, 1])?);
        p.push(parts.p.f_unsqueeze(1)?.f_repeat([1, copies, 1])?);
        b.push(parts.b_clamped()?.f_unsqueeze(0)?.f_repeat([copies, 1])?);
    }
    Ok(Start { lambda: Tensor::f_cat(&lambda, 0)?, p: Tensor::f_cat(&p, 1)?, b: Tensor::f_cat(&b, 0)? })
}

/// The diagonal state matrices that an S4D kernel starts with.
///
/// # Errors
/// [`SsmError::InitForMode`] for LegT, Fourier and Hippo; [`SsmError::StateSize`].
/// # Source
/// Gu et al. 2022, arXiv:2206.11893, §4.
pub fn s4d_start(init: Init, d_state: i64, n_ssm: i64) -> Result<Start, SsmError> {
    if d_state < 2 || d_state % 2 != 0 {
        return Err(SsmError::StateSize(d_state));
    }
    let kinds = match init {
        Init::LegS | Init::Lin | Init::Inv => vec![(init, n_ssm)],
        Init::Diag => vec![(Init::Inv, n_ssm - n_ssm / 2), (Init::Lin, n_ssm / 2)],
        Init::LegT | Init::Fourier | Init::Hippo => {
            return Err(SsmError::InitForMode { init: init.name(), mode: "s4d" });
        }
    };
    let (mut lambda, mut b) = (Vec::new(), Vec::new());
    for (kind, copies) in kinds.into_iter().filter(|(_, copies)| *copies > 0) {
        let (one_lambda, one_b) = diagonal(kind, d_state)?;
        lambda.push(one_lambda.f_unsqueeze(0)?.f_repeat([copies, 1])?);
        b.push(one_b.f_unsqueeze(0)?.f_repeat([copies, 1])?);
    }
    let lambda = Tensor::f_cat(&lambda, 0)?;
    let p = lambda.f_unsqueeze(0)?.f_narrow(0, 0, 0)?;
    Ok(Start { lambda, p, b: Tensor::f_cat(&b, 0)? })
}

fn diagonal(init: Init, d_state: i64) -> Result<(Tensor, Tensor), SsmError> {
    if init == Init::LegS {
        let parts = nplr(Measure::LegS, d_state, 1)?;
        let b = parts.b_clamped()?;
        return Ok((parts.lambda, b));
    }
    let n = d_state as f64;
    let imaginary: Vec<f64> = (0..d_state / 2)
        .map(|m| if init == Init::Inv { -n / PI * (n / (2 * m + 1) as f64 - 1.0) } else { -PI * m as f64 })
        .collect();
    let imaginary = Tensor::from_slice(&imaginary);
    let lambda = Tensor::f_complex(&imaginary.f_full_like(-0.5)?, &imaginary)?;
    let b = lambda.f_ones_like()?;
    debug_assert_eq!(b.kind(), Kind::ComplexDouble);
    Ok((lambda, b))
}
