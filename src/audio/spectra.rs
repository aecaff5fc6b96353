//! The short-time Fourier transform: power over time and frequency.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use super::AudioError;
use crate::interrupt::Interrupt;

/// How a spectrogram is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StftConfig {
    /// Samples a second of the input, in Hz.
    pub sample_rate: u32,
    /// Samples in a frame, at least 2: the length of the Hann window and of the transform.
    pub fft_size: usize,
    /// Samples between the centres of two frames, at least 1.
    pub hop: usize,
}

impl Default for StftConfig {
    fn default() -> Self {
        Self { sample_rate: 16_000, fft_size: 1024, hop: 256 }
    }
}

/// Power over time and frequency, row by row: `(frames, bins)`, `bins = fft_size / 2 + 1`.
///
/// Power is relative to a sine of full scale: one whose frequency lies on a bin reads 1.0 there, 0 dB.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectrogram {
    /// `(frames, bins)`, row-major.
    pub power: Vec<f32>,
    /// Rows: `1 + samples / hop`.
    pub frames: usize,
    /// Columns, from 0 Hz to half the sample rate.
    pub bins: usize,
    /// Samples a second, in Hz.
    pub sample_rate: u32,
    /// Samples between two frames.
    pub hop: usize,
    /// Samples in a frame.
    pub fft_size: usize,
}

impl Spectrogram {
    /// The bins of one frame.
    ///
    /// # Panics
    /// When `frame` is not below `frames`, as indexing does.
    #[must_use]
    pub fn frame(&self, frame: usize) -> &[f32] {
        &self.power[frame * self.bins..(frame + 1) * self.bins]
    }

    /// The time that `frame` is centred on, in seconds.
    #[must_use]
    pub fn seconds(&self, frame: usize) -> f64 {
        frame as f64 * self.hop as f64 / f64::from(self.sample_rate)
    }

    /// The frequency of `bin`, in Hz.
    #[must_use]
    pub fn frequency(&self, bin: usize) -> f64 {
        bin as f64 * f64::from(self.sample_rate) / self.fft_size as f64
    }
}

/// The short-time Fourier transform of `samples` under a Hann window. Frame `t` is centred on sample `t · hop`; beyond the
/// ends lies silence.
///
/// # Errors
/// [`AudioError::Spectrum`] for a frame of fewer than 2 samples, a hop of 0, or a sample rate of 0.
pub fn stft(samples: &[f32], config: &StftConfig) -> Result<Spectrogram, AudioError> {
    stft_until(samples, config, &Interrupt::default())
}

/// The same, until somebody asks to stop.
///
/// # Errors
/// As [`stft`]; [`AudioError::Interrupted`] when asked to stop.
pub fn stft_until(samples: &[f32], config: &StftConfig, interrupt: &Interrupt) -> Result<Spectrogram, AudioError> {
    let StftConfig { sample_rate, fft_size, hop } = *config;
    for (value, least, needed) in [
        (fft_size, 2, "an fft_size of at least 2 samples"),
        (hop, 1, "a hop of at least 1 sample"),
        (sample_rate as usize, 1, "a sample rate of at least 1 Hz"),
    ] {
        if value < least {
            return Err(AudioError::Spectrum { needed, found: value.to_string() });
        }
    }
    let mut analyser = Analyser::new(fft_size);
    let (bins, frames) = (analyser.bins(), 1 + samples.len() / hop);
    let mut power = Vec::with_capacity(frames * bins);
    for t in 0..frames {
        if t % WINDOWS_AT_ONCE == 0 && interrupt.is_set() {
            return Err(AudioError::Interrupted);
        }
        let sample = |n: usize| (t * hop + n).checked_sub(fft_size / 2).and_then(|at| samples.get(at)).copied();
        power.extend(analyser.power(sample)?);
    }
    Ok(Spectrogram { power, frames, bins, sample_rate, hop, fft_size })
}

/// Mean power over frequency.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectrum {
    /// The frequency of each bin, in Hz: from 0 to half the sample rate.
    pub hz: Vec<f64>,
    /// Power of each bin; full scale as in [`Spectrogram`].
    pub power: Vec<f64>,
}

/// Windows between two looks at the interrupt.
const WINDOWS_AT_ONCE: usize = 64;

/// The mean power spectrum of `samples`: Hann windows of `fft_size`, each half over the one before, all inside the sound; a
/// sound shorter than one is followed by silence.
///
/// # Errors
/// [`AudioError::Spectrum`] for a window of fewer than 2 samples, [`AudioError::Interrupted`] when asked to stop.
/// # Source
/// Welch 1967, IEEE Trans. Audio Electroacoust. AU-15, with half overlap.
pub fn mean_spectrum(
    samples: &[f32],
    sample_rate: u32,
    fft_size: usize,
    interrupt: &Interrupt,
) -> Result<Spectrum, AudioError> {
    if fft_size < 2 {
        return Err(AudioError::Spectrum { needed: "an fft_size of at least 2 samples", found: fft_size.to_string() });
    }
    let hop = (fft_size / 2).max(1);
    let windows = 1 + samples.len().saturating_sub(fft_size) / hop;
    let mut analyser = Analyser::new(fft_size);
    let mut power = vec![0.0; analyser.bins()];
    for window in 0..windows {
        if window % WINDOWS_AT_ONCE == 0 && interrupt.is_set() {
            return Err(AudioError::Interrupted);
        }
        let sample = |n: usize| samples.get(window * hop + n).copied();
        for (sum, found) in power.iter_mut().zip(analyser.power(sample)?) {
            *sum += f64::from(found) / windows as f64;
        }
    }
    let hz = |bin: usize| bin as f64 * f64::from(sample_rate) / fft_size as f64;
    Ok(Spectrum { hz: (0..power.len()).map(hz).collect(), power })
}

/// The transform of one windowed frame.
struct Analyser {
    window: Vec<f32>,
    sum: f32,
    fft: Arc<dyn RealToComplex<f32>>,
    frame: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
}

impl Analyser {
    fn new(fft_size: usize) -> Self {
        let window = hann(fft_size);
        let fft = RealFftPlanner::<f32>::new().plan_fft_forward(fft_size);
        let (frame, spectrum) = (fft.make_input_vec(), fft.make_output_vec());
        Self { sum: window.iter().sum(), window, fft, frame, spectrum }
    }

    fn bins(&self) -> usize {
        self.spectrum.len()
    }

    /// The power of each bin of the frame that `sample` gives, silence where it gives nothing.
    fn power(&mut self, sample: impl Fn(usize) -> Option<f32>) -> Result<impl Iterator<Item = f32> + '_, AudioError> {
        for (n, (slot, weight)) in self.frame.iter_mut().zip(&self.window).enumerate() {
            *slot = sample(n).map_or(0.0, |sample| sample * weight);
        }
        self.fft.process(&mut self.frame, &mut self.spectrum).map_err(|error| AudioError::Spectrum {
            needed: "buffers of matching lengths",
            found: error.to_string(),
        })?;
        let (fft_size, sum) = (self.window.len(), self.sum);
        Ok(self.spectrum.iter().enumerate().map(move |(bin, value)| {
            // Half of a sine's amplitude is in the mirrored bins; 0 Hz and half the sample rate have no mirror.
            let mirrored = bin > 0 && 2 * bin != fft_size;
            let full_scale = if mirrored { sum / 2.0 } else { sum };
            value.norm_sqr() / (full_scale * full_scale)
        }))
    }
}

/// A periodic Hann window.
fn hann(size: usize) -> Vec<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "computed in float64, kept in float32")]
    let weight = |n: usize| (0.5 - 0.5 * (std::f64::consts::TAU * n as f64 / size as f64).cos()) as f32;
    (0..size).map(weight).collect()
}

/// Power as decibels, `10 log10(power)`, never below `floor_db`.
#[must_use]
pub fn to_db(power: &[f32], floor_db: f32) -> Vec<f32> {
    power.iter().map(|&power| (10.0 * power.log10()).max(floor_db)).collect()
}
