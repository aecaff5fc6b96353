//! The eigenvalues of a model's state matrices, for looking at.

use super::{Mode, Model, ModelError};
use crate::interrupt::Interrupt;
use crate::ssm::dense;
use crate::ssm::s4d::Discretization;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// Which matrix the eigenvalues are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StateMatrix {
    /// `A = Λ − P P*`, of S4D `Λ`: what the state really moves by.
    Whole,
    /// `Λ` alone: what is stored, without the low-rank correction of S4.
    Diagonal,
}

/// The eigenvalues of one S4 layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerEigenvalues {
    /// Its place in the network: `c_layers.0`.
    pub layer: String,
    /// Real and imaginary parts, per unit of SSM time; those of all independent state matrices, conjugates included.
    pub values: Vec<(f64, f64)>,
    /// The step of each channel, in SSM time a sample, ascending.
    pub dt: Vec<f64>,
    /// How the layer is discretised: DPLR always by the bilinear rule.
    pub rule: Discretization,
}

/// The largest matrix that is decomposed: a second or so.
const LARGEST: i64 = 1024;

/// Matrices decomposed between two looks at the interrupt, of the size 64; fewer of larger ones.
const BATCH: i64 = 64;

impl LayerEigenvalues {
    /// The step in the middle of the channels' steps.
    #[must_use]
    pub fn median_dt(&self) -> f64 {
        let middle = self.dt.len() / 2;
        match self.dt.get(middle) {
            Some(upper) if self.dt.len() % 2 == 1 => *upper,
            Some(upper) => (self.dt[middle - 1] * upper).sqrt(), // steps are drawn evenly in their logarithm
            None => f64::NAN,
        }
    }

    /// The eigenvalues of Ā for a step of `dt`: both rules map eigenvalue to eigenvalue.
    ///
    /// `e^(Δλ)` for the zero-order hold, `(1 + Δλ/2) / (1 − Δλ/2)` for the bilinear rule.
    #[must_use]
    pub fn discrete(&self, dt: f64) -> Vec<(f64, f64)> {
        let map = |(re, im): &(f64, f64)| match self.rule {
            Discretization::Zoh => {
                let (sin, cos) = (im * dt).sin_cos();
                ((re * dt).exp() * cos, (re * dt).exp() * sin)
            }
            Discretization::Bilinear => {
                let (a, b) = (re * dt / 2.0, im * dt / 2.0);
                // (1 + a + ib) / (1 − a − ib), multiplied out with the conjugate of the divisor.
                let divisor = (1.0 - a).powi(2) + b * b;
                ((1.0 - a * a - b * b) / divisor, 2.0 * b / divisor)
            }
        };
        self.values.iter().map(map).collect()
    }
}

impl Model {
    /// The eigenvalues of every S4 layer, in the order that they run. Decomposed in float64 on the CPU.
    ///
    /// # Errors
    /// [`ModelError::LargeState`] for whole matrices beyond a size of 1024, [`ModelError::Interrupted`], libtorch's.
    pub fn eigenvalues(&self, of: StateMatrix, interrupt: &Interrupt) -> Result<Vec<LayerEigenvalues>, ModelError> {
        let _no_grad = tch::no_grad_guard();
        let mut layers = Vec::new();
        for block in self.backbone.tier.s4_blocks() {
            let (layer, config, system) = block.look()?;
            let (channels, half) = system.sizes();
            if of == StateMatrix::Whole && config.mode == Mode::Dplr && 2 * half > LARGEST {
                return Err(ModelError::LargeState { d_state: 2 * half, most: LARGEST });
            }
            // Channels share state matrices in turn: the first `n_ssm` have one each.
            let matrices = config.n_ssm.unwrap_or(channels).clamp(1, channels);
            let batch = (BATCH * 64 * 64 * 64 / (8 * half * half * half)).clamp(1, BATCH);
            let mut values = Vec::new();
            let mut start = 0;
            while start < matrices {
                if interrupt.is_set() {
                    return Err(ModelError::Interrupted);
                }
                let here = batch.min(matrices - start);
                let mut part = system.channels(start, here)?;
                if of == StateMatrix::Diagonal {
                    part.p = part.p.f_narrow(0, 0, 0)?;
                }
                values.extend(pairs(&dense::eigenvalues(&part)?)?);
                start += here;
            }
            let flat = system.dt.f_to_device(tch::Device::Cpu)?.f_view([-1])?;
            let mut dt = Vec::<f64>::try_from(&flat)?;
            dt.sort_by(f64::total_cmp);
            let rule = if config.mode == Mode::Dplr { Discretization::Bilinear } else { config.discretization };
            layers.push(LayerEigenvalues { layer: layer.to_owned(), values, dt, rule });
        }
        Ok(layers)
    }
}

fn pairs(complex: &Tensor) -> Result<Vec<(f64, f64)>, ModelError> {
    let flat = complex.f_view([-1])?;
    let (re, im) = (Vec::<f64>::try_from(&flat.f_real()?)?, Vec::<f64>::try_from(&flat.f_imag()?)?);
    Ok(re.into_iter().zip(im).collect())
}
