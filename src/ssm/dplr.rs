//! The convolution kernel of a diagonal-plus-low-rank state space, in the frequency domain.

use super::cauchy;
use super::space::{Continuous, lengths, pairs, real_parts, tensor};
use super::{SsmError, Tape};
use std::f64::consts::PI;
use tch::{Device, Kind, Tensor};

/// The kernel `K[l] = Re Cᵀ Āˡ B̄` for `l < seq_len`, of systems whose `c` is C̃, attuned to exactly `seq_len`.
///
/// # Shapes
/// Returns `(outputs, channels, seq_len)`, float64. Any rank, any length, even or odd.
/// # Errors
/// [`SsmError::Length`] for a length below 1; libtorch's.
/// # Source
/// Gu, Goel & Ré 2022, arXiv:2111.00396, theorem 3 and algorithm 1, multiplied out so that no node is singular
/// (MATH.md §2).
pub fn kernel(system: &Continuous, seq_len: i64, tape: &mut Tape) -> Result<Tensor, SsmError> {
    let products = if system.lambda.device() == Device::Cpu { Products::HandMade(tape) } else { Products::OnTape };
    assemble(system, seq_len, products)
}

/// [`kernel`] with its Cauchy products as plain libtorch operations: the slow twin, and the form for a GPU.
///
/// # Errors
/// As [`kernel`].
pub fn kernel_on_tape(system: &Continuous, seq_len: i64) -> Result<Tensor, SsmError> {
    assemble(system, seq_len, Products::OnTape)
}

/// Who computes the Cauchy products and their gradient.
enum Products<'t> {
    HandMade(&'t mut Tape),
    OnTape,
}

fn assemble(system: &Continuous, seq_len: i64, products: Products<'_>) -> Result<Tensor, SsmError> {
    if seq_len < 1 {
        return Err(SsmError::Length(seq_len));
    }
    let rank = system.rank();
    let outputs = system.c.size()[0];
    let r = cauchy_sums(system, seq_len, products)?; // ((1 + rank)(outputs + rank), h, k)
    let (h, nodes) = (r.size()[1], r.size()[2]);
    let r = r.f_view([1 + rank, outputs + rank, h, nodes])?;
    let b_row = r.f_select(0, 0)?;
    let r00 = b_row.f_narrow(0, 0, outputs)?; // (outputs, h, k)
    let spectrum = if rank == 0 { r00 } else { r00.f_sub(&correction(&r, &b_row, outputs, seq_len)?)? };
    Ok(spectrum.f_fft_irfft(seq_len, -1, "backward")?)
}

/// `g · r10 (I + g·r11ᵀ)⁻¹ r01`, `(outputs, h, k)`.
fn correction(r: &Tensor, b_row: &Tensor, outputs: i64, seq_len: i64) -> Result<Tensor, SsmError> {
    let rank = r.size()[0] - 1;
    let g = midpoint(seq_len, r.device())?;
    let r01 = b_row.f_narrow(0, outputs, rank)?; // (rank, h, k)
    let p_rows = r.f_narrow(0, 1, rank)?;
    let r10 = p_rows.f_narrow(1, 0, outputs)?; // (rank, outputs, h, k)
    let r11 = p_rows.f_narrow(1, outputs, rank)?; // (rank, rank, h, k)
    if rank == 1 {
        let divisor = r11.f_select(0, 0)?.f_mul(&g)?.f_add_scalar(1.0)?; // (1, h, k)
        return Ok(r10.f_select(0, 0)?.f_mul(&r01.f_mul(&g)?.f_div(&divisor)?)?);
    }
    let identity = Tensor::f_eye(rank, (Kind::ComplexDouble, r.device()))?;
    let matrix = r11.f_mul(&g)?.f_permute([2, 3, 1, 0])?.f_add(&identity)?; // (h, k, rank, rank)
    let right = r01.f_permute([1, 2, 0])?.f_unsqueeze(-1)?; // (h, k, rank, 1)
    let solved = Tensor::f_linalg_solve(&matrix, &right, true)?.f_squeeze_dim(-1)?.f_permute([2, 0, 1])?;
    let sum = r10.f_mul(&solved.f_unsqueeze(1)?)?.f_sum_dim_intlist([0_i64].as_slice(), false, None)?;
    Ok(sum.f_mul(&g)?)
}

/// `g = (1 + ω) / 2 = cos θ · e^(−iθ)` at every node, `(k)`.
fn midpoint(seq_len: i64, device: Device) -> Result<Tensor, SsmError> {
    let theta = Tensor::f_arange(seq_len / 2 + 1, (Kind::Double, device))?.f_mul_scalar(PI / seq_len as f64)?;
    let cos = theta.f_cos()?;
    Ok(Tensor::f_complex(&cos.f_mul(&cos)?, &cos.f_mul(&theta.f_sin()?)?.f_neg()?)?)
}

/// Every product of {B, P…} with {C̃…, conj P…}, as Cauchy sums: `((1 + rank)(outputs + rank), h, k)`, complex128.
fn cauchy_sums(system: &Continuous, seq_len: i64, products: Products<'_>) -> Result<Tensor, SsmError> {
    let lambda = system.lambda.f_mul(&system.dt)?;
    let left = Tensor::f_cat(&[system.b.f_unsqueeze(0)?, system.p.shallow_clone()], 0)?;
    let right = Tensor::f_cat(&[system.c.shallow_clone(), system.p.f_conj()?], 0)?;
    let v = left.f_unsqueeze(1)?.f_mul(&right.f_unsqueeze(0)?)?.f_mul(&system.dt)?.f_flatten(0, 1)?; // (m, h, n)
    let Products::HandMade(tape) = products else {
        return super::reference::cauchy(&v, &lambda, seq_len);
    };
    let (v, lambda) = (real_parts(&v)?, real_parts(&lambda)?);
    let shape = v.size();
    let [products, channels, modes] = lengths(&v);
    let sizes = cauchy::Sizes { products, channels, modes, seq_len: usize::try_from(seq_len).unwrap_or(0) };
    let (v_values, lambda_values) = (pairs(&v)?, pairs(&lambda)?);
    let r = cauchy::forward(&v_values, &lambda_values, sizes);
    let r = tensor(r.as_flattened(), &[shape[0], shape[1], seq_len / 2 + 1, 2], Device::Cpu)?;
    let leaf = tape.cut(vec![v, lambda], r, move |gradient| {
        let (to_v, to_lambda) = cauchy::backward(&v_values, &lambda_values, &pairs(gradient)?, sizes);
        Ok(vec![
            tensor(to_v.as_flattened(), &shape, Device::Cpu)?,
            tensor(to_lambda.as_flattened(), &shape[1..], Device::Cpu)?,
        ])
    });
    Ok(leaf.f_view_as_complex()?)
}
