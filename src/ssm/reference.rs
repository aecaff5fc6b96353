//! The slow, obvious twin of every fast algorithm: the oracle of the tests, the baseline of the benches, and the form
//! that runs on a GPU. Plain libtorch on the tape.

use super::SsmError;
use super::dense::{Attune, attune, bilinear};
use super::s4d::{Discretization, discretize};
use super::space::Continuous;
use std::f64::consts::PI;
use tch::{Kind, Tensor};

/// The Cauchy product in its finite form, every term written out: `(products, channels, nodes)`, complex128.
///
/// Takes memory for `(channels, modes, nodes)` complex numbers several times over.
///
/// # Errors
/// libtorch's.
pub fn cauchy(v: &Tensor, lambda: &Tensor, seq_len: i64) -> Result<Tensor, SsmError> {
    let theta = Tensor::f_arange(seq_len / 2 + 1, (Kind::Double, v.device()))?.f_mul_scalar(PI / seq_len as f64)?;
    let (sin, cos) = (theta.f_sin()?, theta.f_cos()?);
    let turn = Tensor::f_complex(&cos, &sin)?;
    let rise = Tensor::f_complex(&sin.f_zeros_like()?, &sin.f_mul_scalar(2.0)?)?;
    let term = |lambda: &Tensor| rise.f_sub(&lambda.f_unsqueeze(-1)?.f_mul(&cos)?)?.f_reciprocal(); // (h, n, k)
    let (direct, twin) = (term(lambda)?, term(&lambda.f_conj()?)?);
    let mut rows = Vec::new();
    for m in 0..v.size()[0] {
        let v = v.f_select(0, m)?.f_unsqueeze(1)?; // (h, 1, n)
        let sum = v.f_matmul(&direct)?.f_add(&v.f_conj()?.f_matmul(&twin)?)?;
        rows.push(sum.f_squeeze_dim(1)?.f_mul(&turn)?);
    }
    Ok(Tensor::f_stack(&rows, 0)?)
}

/// The Vandermonde product by powers: `2 Re Σ_n v z^l`, `(outputs, channels, seq_len)`, float64.
///
/// # Errors
/// libtorch's.
pub fn vandermonde(v: &Tensor, z: &Tensor, seq_len: i64) -> Result<Tensor, SsmError> {
    let exponents = Tensor::f_arange(seq_len, (Kind::Double, v.device()))?;
    let powers = z.f_unsqueeze(-1)?.f_pow(&exponents)?; // (h, n, l)
    let mut rows = Vec::new();
    for output in 0..v.size()[0] {
        rows.push(v.f_select(0, output)?.f_unsqueeze(1)?.f_matmul(&powers)?.f_squeeze_dim(1)?.f_real()?);
    }
    Ok(Tensor::f_stack(&rows, 0)?.f_mul_scalar(2.0)?)
}

/// The DPLR kernel by powers of the dense matrix: `K[l] = Re Cᵀ Āˡ B̄`, `(outputs, channels, seq_len)`.
///
/// `c` is plain C.
///
/// # Errors
/// libtorch's.
pub fn dplr_kernel_by_powers(system: &Continuous, seq_len: i64) -> Result<Tensor, SsmError> {
    let (a_bar, b_bar) = bilinear(system)?;
    let c = Tensor::f_cat(&[system.c.shallow_clone(), system.c.f_conj()?], -1)?; // (outputs, h, n)
    let mut state = b_bar;
    let mut taps = Vec::new();
    for _ in 0..seq_len {
        taps.push(c.f_mul(&state)?.f_sum_dim_intlist([-1_i64].as_slice(), false, None)?.f_real()?);
        state = a_bar.f_matmul(&state.f_unsqueeze(-1)?)?.f_squeeze_dim(-1)?;
    }
    Ok(Tensor::f_stack(&taps, -1)?)
}

/// The S4D kernel by stepping an impulse through the recurrence, `(outputs, channels, seq_len)`.
///
/// # Errors
/// libtorch's.
pub fn s4d_kernel_by_powers(system: &Continuous, rule: Discretization, seq_len: i64) -> Result<Tensor, SsmError> {
    let (a_bar, mut state) = discretize(system, rule)?;
    let mut taps = Vec::new();
    for _ in 0..seq_len {
        let tap = system.c.f_mul(&state)?.f_sum_dim_intlist([-1_i64].as_slice(), false, None)?.f_real()?;
        taps.push(tap.f_mul_scalar(2.0)?);
        state = state.f_mul(&a_bar)?;
    }
    Ok(Tensor::f_stack(&taps, -1)?)
}

/// The dense recurrence: outputs `(outputs, channels, seq_len)` for one input `u` `(channels, seq_len)`.
///
/// # Errors
/// libtorch's.
pub fn dense_recurrence(system: &Continuous, l_kernel: i64, u: &Tensor) -> Result<Tensor, SsmError> {
    let (a_bar, b_bar) = bilinear(system)?;
    let c = if l_kernel > 0 { attune(system, Attune::Undo(l_kernel))? } else { system.c.shallow_clone() };
    let c = Tensor::f_cat(&[c.shallow_clone(), c.f_conj()?], -1)?;
    let mut state = b_bar.f_zeros_like()?;
    let mut outputs = Vec::new();
    for t in 0..u.size()[1] {
        let driven = b_bar.f_mul(&u.f_select(1, t)?.f_unsqueeze(-1)?)?;
        state = a_bar.f_matmul(&state.f_unsqueeze(-1)?)?.f_squeeze_dim(-1)?.f_add(&driven)?;
        outputs.push(c.f_mul(&state)?.f_sum_dim_intlist([-1_i64].as_slice(), false, None)?.f_real()?);
    }
    Ok(Tensor::f_stack(&outputs, -1)?)
}

/// Convolution by its definition, one output at a time. `u` `(batch, channels, seq_len)`, `kernel` `(channels, seq_len)`.
///
/// # Errors
/// libtorch's.
pub fn convolve(u: &Tensor, kernel: &Tensor) -> Result<Tensor, SsmError> {
    let seq_len = u.size()[2];
    let mut outputs = Vec::new();
    for t in 0..seq_len {
        let past = u.f_narrow(2, 0, t + 1)?;
        let taps = kernel.f_narrow(1, 0, t + 1)?.f_flip([-1])?;
        outputs.push(past.f_mul(&taps)?.f_sum_dim_intlist([-1_i64].as_slice(), false, None)?);
    }
    Ok(Tensor::f_stack(&outputs, -1)?)
}
