//! The convolution kernel of a diagonal-plus-low-rank state space, in the frequency domain.

use super::cauchy;
use super::space::{Continuous, lengths, pairs, real_parts, tensor};
use super::spectrum::{self, Angles, NUMBERS, PRODUCTS, Precise};
use super::{SsmError, Tape};
use std::f64::consts::PI;
use std::ops::Range;
use tch::kind::Element;
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
    kernel_in(system, seq_len, Kind::Double, tape)
}

/// [`kernel`] for a layer of this kind: of `Kind::Float` it is computed in float32 where that is as good as rounding it, which
/// takes half the time and memory.
///
/// # Errors
/// As [`kernel`].
pub fn kernel_in(system: &Continuous, seq_len: i64, kind: Kind, tape: &mut Tape) -> Result<Tensor, SsmError> {
    if seq_len < 1 {
        return Err(SsmError::Length(seq_len));
    }
    let on_cpu = system.lambda.device() == Device::Cpu;
    let kernel = match (on_cpu, system.rank()) {
        (true, 1) => of_rank_one(system, seq_len, kind, tape)?,
        (true, _) => assemble(system, seq_len, Products::HandMade(tape))?,
        (false, _) => assemble(system, seq_len, Products::OnTape)?,
    };
    Ok(kernel.f_to_kind(kind)?)
}

/// Kernels below this length are computed in float64 throughout: they cost next to nothing, and the gradient of dt, a sum of terms
/// that cancel the more the fewer nodes there are, is then right to the last digits, too.
const SHORT: i64 = 512;

/// Magnitudes of |λ|² whose squares float32 can hold, and invert.
const SQUARES: Range<f64> = 1e-12..1e12;

/// The most that P P̄ may amplify at a pole, where the terms of the kernel are as much larger than the kernel itself: float32 then
/// leaves 6e-8 times this of it. 2 n + 1 for the modes n of LegS.
const GAIN: f64 = 300.0;

/// Whether float32 is good enough for these numbers `(NUMBERS, rows, modes)`.
fn fits_single(numbers: &[f64]) -> bool {
    let size = numbers.len() / NUMBERS;
    let of = |number: usize| &numbers[number * size..][..size];
    let (of_pp, squares, res) = (of(PRODUCTS - 1), of(2 * PRODUCTS), of(2 * PRODUCTS + 1));
    let gains = of_pp.iter().zip(res).map(|(pp, re)| pp / (2.0 * re.abs()));
    squares.iter().all(|square| SQUARES.contains(square)) && gains.fold(0.0, f64::max) <= GAIN
}

/// The kernel of a correction of rank 1, from its spectrum in one pass.
fn of_rank_one(system: &Continuous, seq_len: i64, kind: Kind, tape: &mut Tape) -> Result<Tensor, SsmError> {
    let numbers = numbers(system)?;
    let mut values = vec![0.0; numbers.numel()];
    numbers.f_detach()?.f_view([-1])?.f_copy_data(&mut values, numbers.numel())?;
    let spectrum = if kind == Kind::Float && seq_len >= SHORT && fits_single(&values) {
        spectra::<f32>(numbers, values, seq_len, tape)?
    } else {
        spectra::<f64>(numbers, values, seq_len, tape)?
    };
    Ok(spectrum.f_fft_irfft(seq_len, -1, "backward")?)
}

/// What [`spectrum`](mod@spectrum) takes of a system, `(NUMBERS, outputs, channels, modes)`, float64, on the tape.
fn numbers(system: &Continuous) -> Result<Tensor, SsmError> {
    let outputs = system.c.size()[0];
    let lambda = system.lambda.f_mul(&system.dt)?;
    let rows = |x: Tensor| x.f_expand([outputs, -1, -1], false);
    let (b, conj) = (system.b.f_unsqueeze(0)?, system.p.f_conj()?);
    let products = [
        b.f_mul(&system.c)?, //
        rows(b.f_mul(&conj)?)?,
        system.p.f_mul(&system.c)?,
        rows(system.p.f_mul(&conj)?)?,
    ];
    let v = Tensor::f_stack(&products, 0)?.f_mul(&system.dt.f_mul_scalar(2.0)?)?; // (PRODUCTS, outputs, h, n)
    let (re, im) = (lambda.f_real()?, lambda.f_imag()?);
    let p = v.f_real()?;
    let q = p.f_mul(&re)?.f_add(&v.f_imag()?.f_mul(&im)?)?;
    let square = rows(re.f_mul(&re)?.f_add(&im.f_mul(&im)?)?.f_unsqueeze(0)?)?.f_unsqueeze(0)?;
    Ok(Tensor::f_cat(&[p, q, square, rows(re.f_unsqueeze(0)?)?.f_unsqueeze(0)?], 0)?)
}

/// The spectra of the kernels, `(outputs, channels, nodes)`, complex, as a leaf of the tape.
fn spectra<T: Precise + Element>(
    numbers: Tensor,
    values: Vec<f64>,
    seq_len: i64,
    tape: &mut Tape,
) -> Result<Tensor, SsmError> {
    let angles = T::angles(usize::try_from(seq_len).unwrap_or(0));
    let shape = numbers.size();
    let [_, outputs, channels] = lengths(&numbers);
    let rows = outputs * channels;
    let spectra = spectrum::forward::<T>(&values, rows, &angles);
    let spectra = Tensor::f_from_slice(&spectra)?.f_view([shape[1], shape[2], -1, 2])?;
    let leaf = tape.cut(vec![numbers], spectra, move |gradient| {
        let mut pairs = vec![T::default(); gradient.numel()];
        gradient.f_contiguous()?.f_view([-1])?.f_copy_data(&mut pairs, gradient.numel())?;
        let angles: &Angles<T> = &angles;
        let to_numbers = spectrum::backward::<T>(&values, rows, angles, &pairs);
        Ok(vec![tensor(&to_numbers, &shape, Device::Cpu)?])
    });
    Ok(leaf.f_view_as_complex()?)
}

/// [`kernel`] with its Cauchy products as plain libtorch operations: the slow twin, and the form for a GPU.
///
/// # Errors
/// As [`kernel`].
pub fn kernel_on_tape(system: &Continuous, seq_len: i64) -> Result<Tensor, SsmError> {
    if seq_len < 1 {
        return Err(SsmError::Length(seq_len));
    }
    assemble(system, seq_len, Products::OnTape)
}

/// Who computes the Cauchy products and their gradient.
enum Products<'t> {
    HandMade(&'t mut Tape),
    OnTape,
}

fn assemble(system: &Continuous, seq_len: i64, products: Products<'_>) -> Result<Tensor, SsmError> {
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
