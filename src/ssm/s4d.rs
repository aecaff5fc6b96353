//! The convolution kernel of a diagonal state space.

use super::space::{Continuous, lengths, pairs, real_parts, tensor};
use super::vandermonde;
use super::{SsmError, Tape};
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

/// How a diagonal system is discretised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Discretization {
    /// Zero-order hold: `Ā = e^(Δλ)`, `B̄ = B (Ā − 1) / λ`.
    Zoh,
    /// Tustin: `Ā = (1 + Δλ/2) / (1 − Δλ/2)`, `B̄ = Δ B / (1 − Δλ/2)`.
    Bilinear,
}

/// `Ā` and `B̄` of every channel, both `(channels, d_state / 2)`, complex128.
///
/// # Errors
/// libtorch's.
/// # Source
/// Gu et al. 2022, arXiv:2206.11893, §3.1.
pub fn discretize(system: &Continuous, rule: Discretization) -> Result<(Tensor, Tensor), SsmError> {
    let scaled = system.lambda.f_mul(&system.dt)?;
    Ok(match rule {
        Discretization::Zoh => {
            let a_bar = scaled.f_exp()?;
            let b_bar = a_bar.f_sub_scalar(1.0)?.f_div(&system.lambda)?.f_mul(&system.b)?;
            (a_bar, b_bar)
        }
        Discretization::Bilinear => {
            let half = scaled.f_mul_scalar(0.5)?;
            let below = half.f_neg()?.f_add_scalar(1.0)?;
            (half.f_add_scalar(1.0)?.f_div(&below)?, system.b.f_mul(&system.dt)?.f_div(&below)?)
        }
    })
}

/// The kernel `K[l] = 2 Re Σ C·B̄·Ā^l` for `l < seq_len`. Here `c` is the plain output vector.
///
/// # Shapes
/// Returns `(outputs, channels, seq_len)`, float64.
/// # Errors
/// [`SsmError::Length`] for a length below 1; libtorch's.
pub fn kernel(system: &Continuous, rule: Discretization, seq_len: i64, tape: &mut Tape) -> Result<Tensor, SsmError> {
    if seq_len < 1 {
        return Err(SsmError::Length(seq_len));
    }
    let (a_bar, b_bar) = discretize(system, rule)?;
    let v = system.c.f_mul(&b_bar)?; // (outputs, h, n)
    if v.device() != Device::Cpu {
        return super::reference::vandermonde(&v, &a_bar, seq_len);
    }
    let (v, a_bar) = (real_parts(&v)?, real_parts(&a_bar)?);
    let shape = v.size();
    let [outputs, channels, modes] = lengths(&v);
    let sizes = vandermonde::Sizes { outputs, channels, modes, seq_len: usize::try_from(seq_len).unwrap_or(0) };
    let (v_values, z_values) = (pairs(&v)?, pairs(&a_bar)?);
    let k = vandermonde::forward(&v_values, &z_values, sizes);
    let k = tensor(&k, &[shape[0], shape[1], seq_len], Device::Cpu)?;
    Ok(tape.cut(vec![v, a_bar], k, move |gradient| {
        let gradient = gradient.f_contiguous()?.f_view([-1])?;
        let mut numbers = vec![0.0; gradient.numel()];
        gradient.f_copy_data(&mut numbers, gradient.numel())?;
        let (to_v, to_z) = vandermonde::backward(&v_values, &z_values, &numbers, sizes);
        Ok(vec![
            tensor(to_v.as_flattened(), &shape, Device::Cpu)?,
            tensor(to_z.as_flattened(), &shape[1..], Device::Cpu)?,
        ])
    }))
}

/// [`kernel`] as plain libtorch operations: the slow twin.
///
/// # Errors
/// As [`kernel`].
pub fn kernel_on_tape(system: &Continuous, rule: Discretization, seq_len: i64) -> Result<Tensor, SsmError> {
    if seq_len < 1 {
        return Err(SsmError::Length(seq_len));
    }
    let (a_bar, b_bar) = discretize(system, rule)?;
    super::reference::vandermonde(&system.c.f_mul(&b_bar)?, &a_bar, seq_len)
}
