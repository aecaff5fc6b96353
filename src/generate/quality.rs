//! How a take holds up as time goes on: level, noisiness and onsets of each second beside what the model thought of it, and the
//! moment at which it fails.

use crate::audio::{self, AudioError, Spectrogram, StftConfig};
use crate::options::OptionError;

use super::Take;

crate::options! {
    /// When a take counts as failed.
    pub struct QualityConfig for "quality" {
        /// How long it must be silent, or noise, without a break. [seconds; 0.1 or more]
        window: f64 = 1.0,
        /// Quieter than this is silence: RMS without its mean, relative to full scale. [dB; below 0]
        silence_db: f64 = -60.0,
        /// Louder than this, and flatter than `flatness`, is a runaway. Mu-law tokens drawn blindly reach -10.7. [dB; below 0]
        loud_db: f64 = -15.0,
        /// See `loud_db`. White noise reaches 0.56, music stays below 0.2. [; above 0 to 1]
        flatness: f64 = 0.4,
    }
    ; validate = validate
}

fn validate(config: &QualityConfig) -> Result<(), OptionError> {
    if !(config.window >= 0.1 && config.window.is_finite()) {
        return Err(OptionError::value("window", config.window, "a finite number of seconds, 0.1 or more"));
    }
    for (key, found) in [("silence_db", config.silence_db), ("loud_db", config.loud_db)] {
        if !(found < 0.0 && found.is_finite()) {
            return Err(OptionError::value(key, found, "below 0 dB"));
        }
    }
    if !(config.flatness > 0.0 && config.flatness <= 1.0) {
        return Err(OptionError::value("flatness", config.flatness, "above 0 and at most 1"));
    }
    Ok(())
}

/// How a take fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nothing is to be heard.
    Silence,
    /// Loud noise.
    Runaway,
}

impl Failure {
    /// `silence` or `runaway`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Silence => "silence",
            Self::Runaway => "runaway",
        }
    }
}

/// What a stretch of sound is like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// Root mean square of the samples less their mean, relative to full scale.
    pub rms: f64,
    /// Geometric over arithmetic mean of the power spectrum, the mean over its frames: 0 for a tone, 0.56 for white noise.
    pub flatness: f64,
    /// Onsets a second.
    pub onset_rate: f64,
}

/// One second of a take, or what is left of one at its end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Second {
    /// When it begins, in seconds after the prompt.
    pub start: f64,
    /// Its sound.
    pub sound: Stretch,
    /// Of the model's own distribution, on average over its samples, in nats.
    pub entropy: f64,
    /// Of what was drawn, on average over its samples, in nats.
    pub log_likelihood: f64,
    /// What it fails by, if the whole of it does.
    pub failure: Option<Failure>,
}

/// A take over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Quality {
    /// Second by second, what was drawn: the prompt is not looked at.
    pub seconds: Vec<Second>,
    /// How it fails first, and the seconds until then: from the prompt's end to where the failure begins.
    pub failure: Option<(Failure, f64)>,
}

/// Looks for the first failure of `wave`: a stretch of `config.window` seconds that is silent or noise, wherever it begins, to
/// an eighth of its length.
///
/// # Errors
/// [`AudioError::Spectrum`] for a sample rate of 0.
pub fn first_failure(
    wave: &[f32],
    sample_rate: u32,
    config: &QualityConfig,
) -> Result<Option<(Failure, f64)>, AudioError> {
    /// Parts of a window that are judged each on its own.
    const PARTS: usize = 8;
    let rate = f64::from(sample_rate);
    let part = ((config.window * rate / PARTS as f64).round() as usize).max(1);
    let (mut last, mut run) = (None, 0);
    for (number, samples) in wave.chunks_exact(part).enumerate() {
        let failure = judge(wave, number * part..number * part + samples.len(), sample_rate, config)?;
        run = if failure.is_some() && failure == last { run + 1 } else { usize::from(failure.is_some()) };
        last = failure;
        if let Some(failure) = failure.filter(|_| run == PARTS) {
            return Ok(Some((failure, ((number + 1 - PARTS) * part) as f64 / rate)));
        }
    }
    Ok(None)
}

fn judge(
    wave: &[f32],
    range: std::ops::Range<usize>,
    sample_rate: u32,
    config: &QualityConfig,
) -> Result<Option<Failure>, AudioError> {
    let level = audio::amplitude_db(rms(&wave[range.clone()]));
    if level < config.silence_db {
        return Ok(Some(Failure::Silence));
    }
    // The spectrum of what is not even loud need not be looked at.
    if level < config.loud_db || flatness(&frames(wave, range, sample_rate)?) < config.flatness {
        return Ok(None);
    }
    Ok(Some(Failure::Runaway))
}

impl Take {
    /// The take second by second, and when it fails.
    ///
    /// # Errors
    /// [`AudioError::Spectrum`] for a sample rate of 0.
    pub fn quality(&self, sample_rate: u32, config: &QualityConfig) -> Result<Quality, AudioError> {
        let wave = &self.wave[self.prompt..];
        let mut start = 0;
        let mut seconds = Vec::with_capacity(self.seconds.len());
        for sums in &self.seconds {
            let range = start..(start + sums.samples).min(wave.len());
            let count = sums.samples.max(1) as f64;
            seconds.push(Second {
                start: start as f64 / f64::from(sample_rate),
                sound: stretch(wave, range.clone(), sample_rate)?,
                entropy: sums.entropy / count,
                log_likelihood: sums.log_likelihood / count,
                failure: judge(wave, range.clone(), sample_rate, config)?,
            });
            start = range.end;
        }
        Ok(Quality { seconds, failure: first_failure(wave, sample_rate, config)? })
    }
}

/// What the samples of `range` are like; their neighbours are heard in the frames at its ends.
///
/// # Errors
/// [`AudioError::Spectrum`] for a sample rate of 0.
pub fn stretch(wave: &[f32], range: std::ops::Range<usize>, sample_rate: u32) -> Result<Stretch, AudioError> {
    let seconds = range.len() as f64 / f64::from(sample_rate.max(1));
    let level = rms(&wave[range.clone()]);
    let frames = frames(wave, range, sample_rate)?;
    let onset_rate = if seconds > 0.0 { onsets(&frames) as f64 / seconds } else { 0.0 };
    Ok(Stretch { rms: level, flatness: flatness(&frames), onset_rate })
}

fn rms(samples: &[f32]) -> f64 {
    let count = samples.len().max(1) as f64;
    let mean = samples.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
    (samples.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count).sqrt()
}

/// Frames that begin in a stretch, with [`CONTEXT`] more on either side where there are.
struct Frames {
    spectrogram: Spectrogram,
    own: std::ops::Range<usize>,
}

/// Frames a second: what two onsets must be apart to be told apart, thrice.
const FRAME_RATE: f64 = 100.0;

/// The shortest length of a frame, in seconds: bins of 25 Hz at most.
const FRAME_SECONDS: f64 = 0.04;

/// Frames around one that its flux is compared with.
const CONTEXT: usize = 10;

fn frames(wave: &[f32], range: std::ops::Range<usize>, sample_rate: u32) -> Result<Frames, AudioError> {
    let rate = f64::from(sample_rate);
    let hop = ((rate / FRAME_RATE).round() as usize).max(1);
    let fft_size = ((rate * FRAME_SECONDS).ceil() as usize).max(2).next_power_of_two();
    // Frames lie at multiples of the hop from the beginning of the stretch; beyond those that are wanted, half a frame is heard.
    let margin = CONTEXT + 1 + fft_size.div_ceil(2 * hop);
    let before = (range.start / hop).min(margin);
    let from = range.start - before * hop;
    let to = (range.end + margin * hop).min(wave.len());
    let spectrogram = audio::stft(&wave[from..to], &StftConfig { sample_rate, fft_size, hop })?;
    // A frame beyond the end would hear the sound break off, which spreads over all its bins.
    let inside = (wave.len().saturating_sub(from + fft_size / 2)) / hop + 1;
    let own = before..(before + range.len().div_ceil(hop)).min(inside).max(before + 1).min(spectrogram.frames);
    Ok(Frames { spectrogram, own })
}

/// Added to a power before its logarithm: -100 dB of a full-scale sine.
const POWER_FLOOR: f64 = 1e-10;

fn flatness(frames: &Frames) -> f64 {
    let of = |frame: usize| {
        let bins = &frames.spectrogram.frame(frame)[1..]; // without 0 Hz
        let count = bins.len() as f64;
        let log_mean = bins.iter().map(|&power| (f64::from(power) + POWER_FLOOR).ln()).sum::<f64>() / count;
        log_mean.exp() / (bins.iter().map(|&power| f64::from(power) + POWER_FLOOR).sum::<f64>() / count)
    };
    frames.own.clone().map(of).sum::<f64>() / frames.own.len().max(1) as f64
}

/// How many frames of the stretch are onsets: the spectrum rises more than in any frame nearby, and by so much more than on
/// average around it.
///
/// # Source
/// Spectral flux with an adaptive threshold: Bello et al. 2005, IEEE Trans. Speech Audio Process. 13(5), §III-A and §IV.
fn onsets(frames: &Frames) -> usize {
    /// Frames on either side without a larger rise.
    const APART: usize = 3;
    /// How far above the average around it, in dB over all bins.
    const RISE_DB: f64 = 2.0;
    let decibels = |frame: usize| audio::to_db(frames.spectrogram.frame(frame), -80.0);
    let mut flux = vec![0.0];
    let mut before = decibels(0);
    for frame in 1..frames.spectrogram.frames {
        let now = decibels(frame);
        let rise = now.iter().zip(&before).map(|(now, before)| f64::from((now - before).max(0.0))).sum::<f64>();
        flux.push(rise / now.len() as f64);
        before = now;
    }
    let around = |frame: usize, reach: usize| &flux[frame.saturating_sub(reach)..(frame + reach + 1).min(flux.len())];
    let is_onset = |frame: &usize| {
        let (here, wide) = (flux[*frame], around(*frame, CONTEXT));
        let average = wide.iter().sum::<f64>() / wide.len() as f64;
        // Of equal rises, the first.
        let earlier = flux[frame.saturating_sub(APART)..*frame].iter().all(|other| *other < here);
        earlier && around(*frame, APART).iter().all(|other| *other <= here) && here > average + RISE_DB
    };
    frames.own.clone().filter(is_onset).count()
}
