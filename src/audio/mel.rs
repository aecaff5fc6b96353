//! Mel bands: a spectrogram on a scale of pitch as it is heard.

use super::{AudioError, Spectrogram};

/// Mean power in each mel band over time, row by row: `(frames, n_mels)`.
#[derive(Debug, Clone, PartialEq)]
pub struct MelSpectrogram {
    /// `(frames, n_mels)`, row-major; full scale as in [`Spectrogram`].
    pub power: Vec<f32>,
    /// Rows.
    pub frames: usize,
    /// Columns, from low to high.
    pub n_mels: usize,
    /// The centre of each band, in Hz.
    pub centres: Vec<f64>,
    /// Samples a second, in Hz.
    pub sample_rate: u32,
    /// Samples between two frames.
    pub hop: usize,
}

/// Gathers a spectrogram into `n_mels` triangular bands whose corners are equally spaced in mel from `f_min` to `f_max` Hz.
/// The weights of a band sum to 1.
///
/// # Errors
/// [`AudioError::Spectrum`] unless `n_mels` is at least 1 and `0 <= f_min < f_max <=` half the sample rate.
/// # Source
/// Mel scale: O'Shaughnessy 1987, `2595 log10(1 + f / 700)`.
pub fn mel(spectrogram: &Spectrogram, n_mels: usize, f_min: f64, f_max: f64) -> Result<MelSpectrogram, AudioError> {
    let refuse = |needed, found| Err(AudioError::Spectrum { needed, found });
    let nyquist = f64::from(spectrogram.sample_rate) / 2.0;
    if n_mels == 0 {
        return refuse("at least 1 mel band", "0".into());
    }
    if !(0.0 <= f_min && f_min < f_max && f_max <= nyquist) {
        return refuse("0 <= f_min < f_max <= half the sample rate, in Hz", format!("{f_min} to {f_max}"));
    }
    let step = (to_mel(f_max) - to_mel(f_min)) / (n_mels + 1) as f64;
    let corners: Vec<f64> = (0..n_mels + 2).map(|i| from_mel(to_mel(f_min) + step * i as f64)).collect();
    let bands: Vec<Vec<(usize, f32)>> = corners.windows(3).map(|corners| band(spectrogram, corners)).collect();
    let mut power = Vec::with_capacity(spectrogram.frames * n_mels);
    for t in 0..spectrogram.frames {
        let frame = spectrogram.frame(t);
        power.extend(bands.iter().map(|band| band.iter().map(|&(bin, weight)| frame[bin] * weight).sum::<f32>()));
    }
    Ok(MelSpectrogram {
        power,
        frames: spectrogram.frames,
        n_mels,
        centres: corners[1..=n_mels].to_vec(),
        sample_rate: spectrogram.sample_rate,
        hop: spectrogram.hop,
    })
}

/// The bins under a triangle with their weights. A triangle so narrow that no bin lies under it interpolates at its centre.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "weights in float32; bins are never negative"
)]
fn band(spectrogram: &Spectrogram, corners: &[f64]) -> Vec<(usize, f32)> {
    let (low, centre, high) = (corners[0], corners[1], corners[2]);
    let weights: Vec<(usize, f64)> = (0..spectrogram.bins)
        .map(|bin| {
            let frequency = spectrogram.frequency(bin);
            (bin, ((frequency - low) / (centre - low)).min((high - frequency) / (high - centre)))
        })
        .filter(|(_, weight)| *weight > 0.0)
        .collect();
    let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
    if sum > 0.0 {
        return weights.into_iter().map(|(bin, weight)| (bin, (weight / sum) as f32)).collect();
    }
    let position = centre / spectrogram.frequency(1);
    let below = (position.floor() as usize).min(spectrogram.bins.saturating_sub(2));
    let upper = (position - below as f64).clamp(0.0, 1.0) as f32;
    vec![(below, 1.0 - upper), (below + 1, upper)]
}

fn to_mel(hz: f64) -> f64 {
    2595.0 * (1.0 + hz / 700.0).log10()
}

fn from_mel(mel: f64) -> f64 {
    700.0 * (10_f64.powf(mel / 2595.0) - 1.0)
}
