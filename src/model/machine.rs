//! What this machine does at best, measured once: what an estimate of seconds stands on.

use super::{Cost, ModelError};
use std::sync::OnceLock;
use std::time::Instant;
use tch::{Device, Kind, Tensor};

/// Kernels and transforms take about so many times longer for each multiply-add than a matrix product does: kernels for the
/// reciprocals between their multiply-adds, transforms for the memory that they pass through.
const KERNELS: f64 = 3.0;
const TRANSFORMS: f64 = 6.0;

/// Numbers in each of the two tensors that are added up: beyond any cache.
const LARGE: i64 = 1 << 24;

/// Rates of a device.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Machine {
    /// Multiply-adds a second of a float32 matrix product.
    pub products: f64,
    /// Bytes a second, read and written by a sum of large tensors.
    pub bytes: f64,
}

impl Machine {
    /// The CPU with its threads as they are set, measured at the first call: about a tenth of a second.
    ///
    /// # Errors
    /// libtorch's.
    pub fn cpu() -> Result<Self, ModelError> {
        static MEASURED: OnceLock<Machine> = OnceLock::new();
        if let Some(known) = MEASURED.get() {
            return Ok(*known);
        }
        let _guard = tch::no_grad_guard();
        let options = (Kind::Float, Device::Cpu);
        let (a, b) = (Tensor::f_ones([256, 256], options)?, Tensor::f_ones([256, 8192], options)?);
        let product = least(|| a.f_matmul(&b).map(drop))?;
        let (x, mut y) = (Tensor::f_ones([LARGE], options)?, Tensor::f_zeros([LARGE], options)?);
        let sum = least(|| y.f_add_(&x).map(drop))?;
        let machine = Self { products: 256.0 * 256.0 * 8192.0 / product, bytes: 3.0 * 4.0 * LARGE as f64 / sum };
        Ok(*MEASURED.get_or_init(|| machine))
    }

    /// About how long a step takes: matrix products at their rate, kernels and transforms at fixed shares of it, and all
    /// that only moves numbers at the rate of memory, one after the other.
    #[must_use]
    pub fn seconds(&self, cost: &Cost, recompute: bool) -> f64 {
        let products = cost.dense + KERNELS * cost.kernels + TRANSFORMS * cost.transforms;
        let once = products / self.products + cost.traffic / self.bytes;
        if recompute { once * (1.0 + cost.again) } else { once }
    }
}

/// The least of four, in seconds.
fn least(mut work: impl FnMut() -> Result<(), tch::TchError>) -> Result<f64, ModelError> {
    let mut least = f64::INFINITY;
    for _ in 0..4 {
        let start = Instant::now();
        work()?;
        least = least.min(start.elapsed().as_secs_f64());
    }
    Ok(least.max(f64::MIN_POSITIVE))
}
