//! Causal and two-sided convolution of long sequences through the FFT.

use super::SsmError;
use tch::Tensor;

/// The smallest length of at least `n` whose only factors are 2, 3, 5 and 7, and even: FFTs of it are fast.
#[must_use]
pub fn fft_length(n: i64) -> i64 {
    let smooth = |mut m: i64| {
        for factor in [2, 3, 5, 7] {
            while m % factor == 0 {
                m /= factor;
            }
        }
        m == 1
    };
    (n.max(1)..).find(|&m| m % 2 == 0 && smooth(m)).unwrap_or(n)
}

/// `y[b,h,t] = Σ_(j ≤ t) k[h,j] u[b,h,t−j]`: linear, not circular.
///
/// With a second kernel, `+ Σ_(j ≥ 0) ahead[h,j] u[b,h,t+1+j]`, which starts one step ahead.
///
/// # Shapes
/// `u` `(batch, channels, seq_len)`, `kernel` and `ahead` `(channels, seq_len)`. Returns `u`'s shape.
/// # Errors
/// libtorch's.
pub fn convolve(u: &Tensor, kernel: &Tensor, ahead: Option<&Tensor>) -> Result<Tensor, SsmError> {
    let seq_len = u.size()[2];
    let n = fft_length(2 * seq_len);
    let kernel = match ahead {
        None => kernel.shallow_clone(),
        Some(ahead) => {
            let gap = Tensor::f_zeros([kernel.size()[0], n - 2 * seq_len], (kernel.kind(), kernel.device()))?;
            Tensor::f_cat(&[kernel.shallow_clone(), gap, ahead.f_flip([-1])?], -1)?
        }
    };
    let spectrum = u.f_fft_rfft(n, -1, "backward")?.f_mul(&kernel.f_fft_rfft(n, -1, "backward")?)?;
    Ok(spectrum.f_fft_irfft(n, -1, "backward")?.f_narrow(2, 0, seq_len)?)
}
