//! From one sample rate to another, with no offset in time.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler, WindowFunction};

use super::AudioError;
use crate::interrupt::Interrupt;

/// The lowest sample rate that is taken for real, in Hz: telephony starts at 8000, and below 1000 a header is wrong.
pub const MIN_SAMPLE_RATE: u32 = 1_000;
/// The highest sample rate that is taken for real, in Hz: the fastest converters sold.
pub const MAX_SAMPLE_RATE: u32 = 768_000;

/// Frames of filter at the lower rate, at least: the transition band is then about 1 % of it wide (measured: over
/// 80 dB of agreement with the SoX resampler at its highest precision, below 0.4 of the rate).
const FILTER_FRAMES: usize = 2_048;

/// Resamples `samples` from `from` to `to` Hz with a windowed sinc (Blackman-Harris, squared) applied by FFT in float64.
///
/// # Shapes
/// `n` samples in, `round(n · to / from)` out. Sample 0 stays at time 0: the filter is symmetric, and its delay is a
/// whole number of frames on either side.
/// # Errors
/// [`AudioError::Rate`] for a rate outside [`MIN_SAMPLE_RATE`] to [`MAX_SAMPLE_RATE`].
pub fn resample(samples: &[f32], from: u32, to: u32) -> Result<Vec<f32>, AudioError> {
    resample_until(samples, from, to, &Interrupt::default())
}

/// [`resample`], stopping with [`AudioError::Interrupted`] when asked.
///
/// # Errors
/// As [`resample`].
pub fn resample_until(samples: &[f32], from: u32, to: u32, interrupt: &Interrupt) -> Result<Vec<f32>, AudioError> {
    for found in [from, to] {
        if !(MIN_SAMPLE_RATE..=MAX_SAMPLE_RATE).contains(&found) {
            return Err(AudioError::Rate { found });
        }
    }
    if from == to || samples.is_empty() {
        return Ok(samples.to_vec());
    }
    let failed = |reason: String| AudioError::Resample { from, to, reason };
    let mut resampler = resampler(from as usize, to as usize).map_err(|error| failed(error.to_string()))?;
    let wanted = resampled_len(samples.len(), from, to);
    let (chunk_in, chunk_out) = (resampler.input_frames_next(), resampler.output_frames_next());
    let (mut input, mut output) = (vec![0.0_f64; chunk_in], vec![0.0_f64; chunk_out]);
    let mut resampled = Vec::with_capacity(wanted);
    let mut delay = resampler.output_delay();
    let mut chunks = samples.chunks(chunk_in);
    while resampled.len() < wanted {
        if interrupt.is_set() {
            return Err(AudioError::Interrupted);
        }
        let chunk = chunks.next().unwrap_or_default(); // silence after the end pushes the tail out
        input[chunk.len()..].fill(0.0);
        for (slot, &sample) in input.iter_mut().zip(chunk) {
            *slot = f64::from(sample);
        }
        let from_frames = InterleavedSlice::new(&input, 1, chunk_in).map_err(|error| failed(error.to_string()))?;
        let mut to_frames = InterleavedSlice::new_mut(&mut output, 1, chunk_out).map_err(|e| failed(e.to_string()))?;
        resampler
            .process_into_buffer(&from_frames, &mut to_frames, Some(&Indexing::new()))
            .map_err(|error| failed(error.to_string()))?;
        let skipped = delay.min(chunk_out);
        delay -= skipped;
        let room = wanted - resampled.len();
        #[expect(clippy::cast_possible_truncation, reason = "filtered in float64, kept in float32")]
        resampled.extend(output[skipped..].iter().take(room).map(|&sample| sample as f32));
    }
    Ok(resampled)
}

/// `round(n · to / from)`, halves up.
fn resampled_len(n: usize, from: u32, to: u32) -> usize {
    let (n, from, to) = (n as u128, u128::from(from), u128::from(to));
    ((2 * n * to + from) / (2 * from)) as usize
}

fn resampler(from: usize, to: usize) -> Result<Fft<f64>, rubato::ResamplerConstructionError> {
    let divisor = gcd(from, to);
    let (block_in, block_out) = (from / divisor, to / divisor);
    // An even number of blocks keeps half a filter a whole number of frames at both rates: no offset in time.
    let blocks = FILTER_FRAMES.div_ceil(block_in.min(block_out)).next_multiple_of(2);
    Fft::new_custom(from, to, blocks * block_in, 1, 1, WindowFunction::BlackmanHarris2, FixedSync::Both)
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
