//! State spaces as recurrences: one sample at a time, in O(d_state) for each channel.

use super::SsmError;
use super::dense::{Attune, attune};
use super::factors::{StepFactors, System};
use super::modal;
use super::s4d::{Discretization, discretize};
use super::space::{Continuous, pairs, real_parts};
use tch::{Device, Kind, Tensor};

/// The factors of the bilinear step of a DPLR system, with no matrix and no diagonalisation (MATH.md §1).
#[derive(Debug)]
struct DplrFactors {
    d: Tensor,  // (h, n): 1 / (2/Δ − λ)
    e: Tensor,  // (h, n): 2/Δ + λ
    p: Tensor,  // (r, h, n)
    q: Tensor,  // (r, h, n): conj P
    r: Tensor,  // (r, h, n): (I + Q D P)⁻¹ Q D
    b2: Tensor, // (h, n): 2 B
    c: Tensor,  // (outputs, h, n), with the 2 of "2 Re"
}

#[derive(Debug)]
struct DiagonalFactors {
    a_bar: Tensor, // (h, n)
    b_bar: Tensor, // (h, n)
    c: Tensor,     // (outputs, h, n), with the 2 of "2 Re"
}

#[derive(Debug)]
enum Factors {
    Dplr(DplrFactors),
    Diagonal(DiagonalFactors),
}

/// A layer's state spaces, ready to be stepped.
#[derive(Debug)]
pub struct Recurrence {
    factors: Factors,
    kind: Kind,
}

/// The kind of complex numbers made of `kind`.
fn complex_of(kind: Kind) -> Kind {
    if kind == Kind::Double { Kind::ComplexDouble } else { Kind::ComplexFloat }
}

impl Recurrence {
    /// From a DPLR system whose `c` is C̃ for length `l_kernel` (plain C when 0). Factors are made in float64 and
    /// narrowed to `kind` at the end.
    ///
    /// # Errors
    /// libtorch's.
    pub fn dplr(system: &Continuous, l_kernel: i64, kind: Kind) -> Result<Self, SsmError> {
        let _no_grad = tch::no_grad_guard();
        let c = if l_kernel > 0 { attune(system, Attune::Undo(l_kernel))? } else { system.c.shallow_clone() };
        let rate = system.dt.f_reciprocal()?.f_mul_scalar(2.0)?; // 2/Δ
        let d = rate.f_sub(&system.lambda)?.f_reciprocal()?;
        let e = rate.f_add(&system.lambda)?;
        let q = system.p.f_conj()?.f_resolve_conj()?;
        let qd = q.f_mul(&d)?;
        // (I + Q D P)_ij, real because the state comes in conjugate pairs.
        let mixed = qd.f_unsqueeze(1)?.f_mul(&system.p.f_unsqueeze(0)?)?; // (i, j, h, n)
        let mixed = twice_real_sum(&mixed)?.f_permute([2, 0, 1])?; // (h, i, j)
        let identity = Tensor::f_eye(system.rank(), (Kind::Double, d.device()))?;
        let inverse = Tensor::f_linalg_inv(&mixed.f_add(&identity)?)?.f_to_kind(Kind::ComplexDouble)?;
        let r = inverse.f_matmul(&qd.f_permute([1, 0, 2])?)?.f_permute([1, 0, 2])?.f_contiguous()?;
        let narrow = |x: &Tensor| x.f_to_kind(complex_of(kind));
        let factors = Factors::Dplr(DplrFactors {
            d: narrow(&d)?,
            e: narrow(&e)?,
            p: narrow(&system.p)?,
            q: narrow(&q)?,
            r: narrow(&r)?,
            b2: narrow(&system.b.f_mul_scalar(2.0)?)?,
            c: narrow(&c.f_mul_scalar(2.0)?)?,
        });
        Ok(Self { factors, kind })
    }

    /// From a diagonal system.
    ///
    /// # Errors
    /// libtorch's.
    pub fn diagonal(system: &Continuous, rule: Discretization, kind: Kind) -> Result<Self, SsmError> {
        let _no_grad = tch::no_grad_guard();
        let (a_bar, b_bar) = discretize(system, rule)?;
        let narrow = |x: &Tensor| x.f_to_kind(complex_of(kind));
        let factors = Factors::Diagonal(DiagonalFactors {
            a_bar: narrow(&a_bar)?,
            b_bar: narrow(&b_bar)?,
            c: narrow(&system.c.f_mul_scalar(2.0)?)?,
        });
        Ok(Self { factors, kind })
    }

    /// The state before the first sample: zeros, `(batch, channels, d_state / 2)`, complex.
    ///
    /// # Errors
    /// libtorch's.
    pub fn zero_state(&self, batch: i64) -> Result<Tensor, SsmError> {
        let like = match &self.factors {
            Factors::Dplr(f) => &f.d,
            Factors::Diagonal(f) => &f.a_bar,
        };
        let size = like.size();
        Ok(Tensor::f_zeros([batch, size[0], size[1]], (complex_of(self.kind), self.device()))?)
    }

    fn device(&self) -> Device {
        match &self.factors {
            Factors::Dplr(f) => f.d.device(),
            Factors::Diagonal(f) => f.a_bar.device(),
        }
    }

    /// One sample: `u` `(batch, channels)` and the state before it; returns the output `(outputs, batch, channels)`
    /// and the state after it.
    ///
    /// # Errors
    /// libtorch's.
    pub fn step(&self, u: &Tensor, state: &Tensor) -> Result<(Tensor, Tensor), SsmError> {
        let u = u.f_unsqueeze(-1)?;
        let (state, c) = match &self.factors {
            Factors::Dplr(f) => {
                let s = real_sum(&f.q.f_unsqueeze(1)?.f_mul(state)?)?.f_mul_scalar(2.0)?; // (r, b, h)
                let y = f.e.f_mul(state)?.f_add(&f.b2.f_mul(&u)?)?;
                let y = y.f_sub(&weighted(&f.p, &s)?)?;
                let q = real_sum(&f.r.f_unsqueeze(1)?.f_mul(&y)?)?.f_mul_scalar(2.0)?;
                (f.d.f_mul(&y.f_sub(&weighted(&f.p, &q)?)?)?, &f.c)
            }
            Factors::Diagonal(f) => (f.a_bar.f_mul(state)?.f_add(&f.b_bar.f_mul(&u)?)?, &f.c),
        };
        Ok((real_sum(&c.f_unsqueeze(1)?.f_mul(&state)?)?, state))
    }
}

impl StepFactors {
    /// From a DPLR system whose `c` is C̃ for length `l_kernel` (plain C when 0), in float64 throughout. `shared`: every
    /// channel has the same `lambda`, `b` and `p`; the step is then the diagonal one where its eigenvectors allow it.
    ///
    /// # Errors
    /// libtorch's.
    pub fn of_dplr(system: &Continuous, l_kernel: i64, shared: bool) -> Result<Self, SsmError> {
        let _no_grad = tch::no_grad_guard();
        let c = if l_kernel > 0 { attune(system, Attune::Undo(l_kernel))? } else { system.c.shallow_clone() };
        let dt = system.dt.f_to_device(Device::Cpu)?.f_contiguous()?.f_view([-1])?;
        let mut steps = vec![0.0; dt.numel()];
        dt.f_copy_data(&mut steps, dt.numel())?;
        if shared && let Some(diagonal) = modal::diagonal(system, &c.f_select(0, 0)?, &steps)? {
            return Ok(diagonal);
        }
        let numbers = |x: &Tensor| pairs(&real_parts(x)?);
        let (lambda, b, p) = (numbers(&system.lambda)?, numbers(&system.b)?, numbers(&system.p)?);
        let c = numbers(&c.f_select(0, 0)?)?;
        Ok(Self::dplr(&System { dt: steps, lambda, b, c, p }, shared))
    }

    /// From a diagonal system.
    ///
    /// # Errors
    /// libtorch's.
    pub fn of_diagonal(system: &Continuous, rule: Discretization) -> Result<Self, SsmError> {
        let _no_grad = tch::no_grad_guard();
        let (a_bar, b_bar) = discretize(system, rule)?;
        let numbers = |x: &Tensor| pairs(&real_parts(x)?);
        let channels = usize::try_from(system.sizes().0).unwrap_or(0);
        let c = numbers(&system.c.f_select(0, 0)?)?;
        Ok(Self::diagonal(numbers(&a_bar.f_sub_scalar(1.0)?)?, &numbers(&b_bar)?, &c, channels))
    }
}

/// `Σ_r w[r,b,h] p[r,h,n]`, `(b, h, n)`.
fn weighted(p: &Tensor, w: &Tensor) -> Result<Tensor, SsmError> {
    if p.size()[0] == 1 {
        return Ok(p.f_mul(&w.f_squeeze_dim(0)?.f_unsqueeze(-1)?)?);
    }
    Ok(p.f_unsqueeze(1)?.f_mul(&w.f_unsqueeze(-1)?)?.f_sum_dim_intlist([0_i64].as_slice(), false, None)?)
}

fn real_sum(x: &Tensor) -> Result<Tensor, SsmError> {
    Ok(x.f_real()?.f_sum_dim_intlist([-1_i64].as_slice(), false, None)?)
}

fn twice_real_sum(x: &Tensor) -> Result<Tensor, SsmError> {
    Ok(real_sum(x)?.f_mul_scalar(2.0)?)
}
