//! The parameters of a layer's state spaces, from the numbers that checkpoints store to a continuous-time system.

use super::SsmError;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// How the stored step becomes dt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DtTransform {
    /// `dt = log(1 + e^x)`: the SaShiMi configurations.
    Softplus,
    /// `dt = e^x`: the standalone files and older checkpoints.
    Exp,
}

impl DtTransform {
    /// The stored number whose transform is `dt`.
    #[must_use]
    pub fn inverse(self, dt: f64) -> f64 {
        match self {
            Self::Softplus => dt.exp_m1().ln(),
            Self::Exp => dt.ln(),
        }
    }

    fn apply(self, stored: &Tensor) -> Result<Tensor, SsmError> {
        Ok(match self {
            // log(e^x + e^0): exact for large and small x, where libtorch's own softplus switches to the identity.
            Self::Softplus => stored.f_logaddexp(&stored.f_zeros_like()?)?,
            Self::Exp => stored.f_exp()?,
        })
    }
}

/// The tensors as checkpoints store them; complex ones with a trailing axis (re, im).
#[derive(Debug)]
pub struct Stored<'a> {
    /// `(channels, 1)`.
    pub inv_dt: &'a Tensor,
    /// `(n_ssm, d_state / 2)`: log of minus the real part of the diagonal.
    pub a_real: &'a Tensor,
    /// `(n_ssm, d_state / 2)`: minus the imaginary part.
    pub a_imag: &'a Tensor,
    /// `(1, n_ssm, d_state / 2, 2)`.
    pub b: &'a Tensor,
    /// `(outputs, channels, d_state / 2, 2)`. For a DPLR kernel this is C̃.
    pub c: &'a Tensor,
    /// `(rank, n_ssm, d_state / 2, 2)`; none for a diagonal system.
    pub p: Option<&'a Tensor>,
    /// How `inv_dt` becomes dt.
    pub dt_transform: DtTransform,
}

/// `x' = (diag(λ) − Σ P_r P_r*) x + B u`, `y = C x`, one system for each channel. Complex128, on the tape.
#[derive(Debug)]
pub struct Continuous {
    /// Step, `(channels, 1)`, float64.
    pub dt: Tensor,
    /// Diagonal, `(channels, d_state / 2)`.
    pub lambda: Tensor,
    /// Input vector, `(channels, d_state / 2)`.
    pub b: Tensor,
    /// Output vectors (C̃ where a kernel is attuned), `(outputs, channels, d_state / 2)`.
    pub c: Tensor,
    /// Correction, `(rank, channels, d_state / 2)`; rank 0 for a diagonal system.
    pub p: Tensor,
}

impl Stored<'_> {
    /// The continuous-time systems: transforms applied, state matrices tiled (channel `h` uses number `h mod n_ssm`),
    /// widened to float64 so that everything derived from them is.
    ///
    /// # Errors
    /// [`SsmError::Tiling`] when `n_ssm` does not divide the channels.
    pub fn continuous(&self) -> Result<Continuous, SsmError> {
        let channels = self.inv_dt.size()[0];
        let n_ssm = self.a_real.size()[0];
        if n_ssm < 1 || channels % n_ssm != 0 {
            return Err(SsmError::Tiling { n_ssm, channels });
        }
        let wide = |x: &Tensor| x.f_to_kind(Kind::Double);
        let complex = |x: &Tensor| wide(x)?.f_contiguous()?.f_view_as_complex();
        let tile = |x: &Tensor| x.f_repeat([1, channels / n_ssm, 1]);
        let a_real = wide(self.a_real)?.f_exp()?.f_neg()?;
        let lambda = Tensor::f_complex(&a_real, &wide(self.a_imag)?.f_neg()?)?;
        let lambda = lambda.f_repeat([channels / n_ssm, 1])?;
        let p = match self.p {
            Some(p) => tile(&complex(p)?)?,
            None => lambda.f_unsqueeze(0)?.f_narrow(0, 0, 0)?,
        };
        Ok(Continuous {
            dt: self.dt_transform.apply(&wide(self.inv_dt)?)?,
            b: tile(&complex(self.b)?)?.f_squeeze_dim(0)?,
            c: complex(self.c)?,
            lambda,
            p,
        })
    }
}

impl Continuous {
    /// Channels and the kept half of the state.
    #[must_use]
    pub fn sizes(&self) -> (i64, i64) {
        let size = self.lambda.size();
        (size[0], size[1])
    }

    /// Terms of the low-rank correction; 0 for a diagonal system.
    #[must_use]
    pub fn rank(&self) -> i64 {
        self.p.size()[0]
    }

    /// The systems of `count` channels from `start`.
    ///
    /// # Errors
    /// libtorch's, when there are not so many.
    pub fn channels(&self, start: i64, count: i64) -> Result<Self, SsmError> {
        Ok(Self {
            dt: self.dt.f_narrow(0, start, count)?,
            lambda: self.lambda.f_narrow(0, start, count)?,
            b: self.b.f_narrow(0, start, count)?,
            c: self.c.f_narrow(1, start, count)?,
            p: self.p.f_narrow(1, start, count)?,
        })
    }

    /// The systems of the `count` channels with the smallest steps (all, if there are fewer), on the CPU.
    ///
    /// # Errors
    /// libtorch's.
    pub fn slowest(&self, count: i64) -> Result<Self, SsmError> {
        let count = count.min(self.sizes().0);
        let (_, slowest) = self.dt.f_squeeze_dim(-1)?.f_topk(count, 0, false, true)?;
        let pick = |x: &Tensor, axis: i64| x.f_index_select(axis, &slowest)?.f_to_device(tch::Device::Cpu);
        Ok(Self {
            dt: pick(&self.dt, 0)?,
            lambda: pick(&self.lambda, 0)?,
            b: pick(&self.b, 0)?,
            c: pick(&self.c, 1)?,
            p: pick(&self.p, 1)?,
        })
    }
}

/// A complex tensor as a real one with a trailing axis (re, im), on the tape, in one piece: what a product made outside the
/// tape takes as its input.
pub(crate) fn real_parts(complex: &Tensor) -> Result<Tensor, SsmError> {
    Ok(complex.f_resolve_conj()?.f_view_as_real()?.f_contiguous()?)
}

/// The first three sizes of a tensor, as lengths of slices.
pub(crate) fn lengths(tensor: &Tensor) -> [usize; 3] {
    let size = tensor.size();
    std::array::from_fn(|axis| size.get(axis).and_then(|&n| usize::try_from(n).ok()).unwrap_or(0))
}

/// The numbers of a real tensor whose last axis is (re, im), row by row.
pub(crate) fn pairs(real: &Tensor) -> Result<Vec<[f64; 2]>, SsmError> {
    let flat = real.f_detach()?.f_to_device(tch::Device::Cpu)?.f_contiguous()?.f_view([-1])?;
    let mut numbers = vec![[0.0; 2]; flat.numel() / 2];
    flat.f_copy_data(numbers.as_flattened_mut(), flat.numel())?;
    Ok(numbers)
}

/// A real float64 tensor of `shape` on `device` from numbers computed outside libtorch.
pub(crate) fn tensor(numbers: &[f64], shape: &[i64], device: tch::Device) -> Result<Tensor, SsmError> {
    Ok(Tensor::f_from_slice(numbers)?.f_view(shape)?.f_to_device(device)?)
}
