//! Sound cut, faded, levelled, mixed and made: functions over the samples of a channel.

use std::f64::consts::{PI, TAU};

/// The channels averaged with equal weights, in float64; ±1 stays full scale.
///
/// # Shapes
/// Channels of `n` samples each in, `n` samples out; none out of no channels.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "averaged in float64, kept in float32")]
pub fn mix_down<C: AsRef<[f32]>>(channels: &[C]) -> Vec<f32> {
    let Some((first, rest)) = channels.split_first() else { return Vec::new() };
    if rest.is_empty() {
        return first.as_ref().to_vec();
    }
    let scale = 1.0 / channels.len() as f64;
    let sum =
        |at: usize| channels.iter().filter_map(|channel| channel.as_ref().get(at)).map(|&x| f64::from(x)).sum::<f64>();
    (0..first.as_ref().len()).map(|at| (sum(at) * scale) as f32).collect()
}

/// The largest magnitude; 1 is full scale, and silence 0.
#[must_use]
pub fn peak(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |peak, sample| sample.abs().max(peak))
}

/// The root of the mean square; 0 without samples. A sine of amplitude 1 has 0.707.
#[must_use]
pub fn rms(samples: &[f32]) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    let squares: f64 = samples.iter().map(|&sample| f64::from(sample) * f64::from(sample)).sum();
    (squares / samples.len() as f64).sqrt()
}

/// Decibels of an amplitude, `20 log10(amplitude)`; silence is minus infinity.
#[must_use]
pub fn amplitude_db(amplitude: f64) -> f64 {
    20.0 * amplitude.log10()
}

/// `samples` times `gain`.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "scaled in float64, kept in float32")]
pub fn scaled(samples: &[f32], gain: f64) -> Vec<f32> {
    samples.iter().map(|&sample| (f64::from(sample) * gain) as f32).collect()
}

/// `samples` rising from silence over the first `rise` and falling to it over the last `fall`, each along half a period of a
/// cosine; where they overlap, both act.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "scaled in float64, kept in float32")]
pub fn faded(samples: &[f32], rise: usize, fall: usize) -> Vec<f32> {
    let part = |at: usize, length: usize| {
        if at >= length { 1.0 } else { 0.5 - 0.5 * (PI * (at as f64 + 0.5) / length as f64).cos() }
    };
    let last = samples.len().saturating_sub(1);
    let gain = |at: usize| part(at, rise) * part(last - at, fall);
    samples.iter().enumerate().map(|(at, &sample)| (f64::from(sample) * gain(at)) as f32).collect()
}

/// A sine of `hz`, beginning at its rising zero.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "computed in float64, kept in float32")]
pub fn sine(hz: f64, amplitude: f64, samples: usize, sample_rate: u32) -> Vec<f32> {
    let turns = hz / f64::from(sample_rate);
    // Whole turns are dropped before they cost precision.
    (0..samples).map(|at| (amplitude * (TAU * (turns * at as f64).fract()).sin()) as f32).collect()
}
