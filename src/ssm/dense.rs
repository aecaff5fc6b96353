//! The dense, discretised system: what everything fast is derived from, and where C̃ and C are converted.

use super::SsmError;
use super::space::Continuous;
use tch::{Kind, Tensor};

/// Bytes that the dense matrices of one slice of channels may take.
const SLICE_BYTES: i64 = 256 << 20;

/// `Ā` and `B̄` of the bilinear rule on the full state (kept half, then its conjugates).
///
/// # Shapes
/// `(channels, d_state, d_state)` and `(channels, d_state)`, complex128.
/// # Errors
/// libtorch's.
/// # Source
/// Gu, Goel & Ré 2022, arXiv:2111.00396, §2.3, equation (3).
pub fn bilinear(system: &Continuous) -> Result<(Tensor, Tensor), SsmError> {
    let half_step = system.dt.f_unsqueeze(-1)?.f_mul_scalar(0.5)?; // (h, 1, 1)
    let a = state_matrix(system)?.f_mul(&half_step)?;
    let n = a.size()[1];
    let identity = Tensor::f_eye(n, (Kind::ComplexDouble, a.device()))?;
    let below = identity.f_sub(&a)?;
    let a_bar = Tensor::f_linalg_solve(&below, &identity.f_add(&a)?, true)?;
    let b = full(&system.b)?.f_mul(&system.dt)?.f_unsqueeze(-1)?;
    Ok((a_bar, Tensor::f_linalg_solve(&below, &b, true)?.f_squeeze_dim(-1)?))
}

/// A vector over the kept half of the state, followed by its conjugate.
fn full(x: &Tensor) -> Result<Tensor, SsmError> {
    Ok(Tensor::f_cat(&[x.shallow_clone(), x.f_conj()?], -1)?)
}

/// `A = diag(λ) − Σ P_r P_r*` on the full state (kept half, then its conjugates).
///
/// # Shapes
/// `(channels, d_state, d_state)`, complex128.
/// # Errors
/// libtorch's.
pub fn state_matrix(system: &Continuous) -> Result<Tensor, SsmError> {
    let p = full(&system.p)?; // (r, h, n)
    let diagonal = full(&system.lambda)?.f_diag_embed(0, -2, -1)?; // (h, n, n)
    let correction = p.f_permute([1, 2, 0])?.f_matmul(&p.f_conj()?.f_permute([1, 0, 2])?)?;
    Ok(diagonal.f_sub(&correction)?)
}

/// The eigenvalues of [`state_matrix`], of a diagonal system those on its diagonal: `(channels, d_state)`, complex128, on the
/// CPU.
///
/// HiPPO matrices are far from normal: eigenvalues answer to changes of the matrix in its last bits as if those were large,
/// so what is exact here is the spectrum of a matrix within rounding of the given one.
/// # Errors
/// libtorch's.
pub fn eigenvalues(system: &Continuous) -> Result<Tensor, SsmError> {
    let values = if system.rank() == 0 {
        full(&system.lambda)?.f_resolve_conj()?
    } else {
        state_matrix(system)?.f_to_device(tch::Device::Cpu)?.f_linalg_eigvals()?
    };
    Ok(values.f_to_device(tch::Device::Cpu)?)
}

/// What is done to C with `Ā^length`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attune {
    /// `C̃ᵀ = Cᵀ (I − Ā^L)`: the kernel becomes the one truncated at L.
    To(i64),
    /// `C̃ᵀ ← C̃ᵀ (I + Ā^M)`: from length M to length 2M.
    Double(i64),
    /// The C of which `C̃ᵀ = Cᵀ (I − Ā^M)`.
    Undo(i64),
}

/// Converts the output vectors of `system`. `(outputs, channels, d_state / 2)`, complex128, off the tape.
///
/// # Errors
/// libtorch's.
pub fn attune(system: &Continuous, change: Attune) -> Result<Tensor, SsmError> {
    let _no_grad = tch::no_grad_guard();
    let (channels, half) = system.sizes();
    let slice = (SLICE_BYTES / (64 * half * half)).clamp(1, channels);
    let mut parts = Vec::new();
    let mut start = 0;
    while start < channels {
        let here = slice.min(channels - start);
        parts.push(attune_slice(&system.channels(start, here)?, change)?);
        start += here;
    }
    Ok(Tensor::f_cat(&parts, 1)?)
}

fn attune_slice(system: &Continuous, change: Attune) -> Result<Tensor, SsmError> {
    let (a_bar, _) = bilinear(system)?;
    let half = system.sizes().1;
    let transposed = a_bar.f_transpose(1, 2)?;
    let identity = Tensor::f_eye(2 * half, (Kind::ComplexDouble, a_bar.device()))?;
    let c = Tensor::f_cat(&[system.c.shallow_clone(), system.c.f_conj()?], -1)?.f_permute([1, 2, 0])?; // (h, n, outputs)
    let new = match change {
        Attune::To(length) => identity.f_sub(&transposed.f_matrix_power(length)?)?.f_matmul(&c)?,
        Attune::Double(length) => identity.f_add(&transposed.f_matrix_power(length)?)?.f_matmul(&c)?,
        Attune::Undo(length) => {
            Tensor::f_linalg_solve(&identity.f_sub(&transposed.f_matrix_power(length)?)?, &c, true)?
        }
    };
    Ok(new.f_permute([2, 0, 1])?.f_narrow(2, 0, half)?.f_contiguous()?)
}
