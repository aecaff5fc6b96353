//! Sound in a report: what is played, and a strip that shows where it is loud.

use super::error::ReportError;
use crate::audio::{SampleFormat, wav_bytes};
use std::fmt::Write as _;
use std::rc::Rc;

/// A labelled piece of mono sound. Clones share the samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Clip {
    label: String,
    samples: Rc<[f32]>,
    sample_rate: u32,
}

/// The width of a strip, in columns.
const COLUMNS: usize = 240;
/// The height of a strip, in the same units.
const HEIGHT: f32 = 40.0;

impl Clip {
    /// A clip of samples within −1 to 1 (what is beyond is clipped) at `sample_rate` Hz.
    ///
    /// # Errors
    /// [`ReportError::Sound`] for no samples, samples that are no finite number, or a rate of 0.
    pub fn new(label: &str, samples: Rc<[f32]>, sample_rate: u32) -> Result<Self, ReportError> {
        let label = label.split_whitespace().collect::<Vec<_>>().join(" ");
        let refuse = |reason: String| Err(ReportError::Sound { name: label.clone(), reason });
        if samples.is_empty() {
            return refuse("has no samples".into());
        }
        if sample_rate == 0 {
            return refuse("has a sample rate of 0 Hz".into());
        }
        if let Some(at) = samples.iter().position(|sample| !sample.is_finite()) {
            return refuse(format!("cannot be played: its sample {at} is {}", samples[at]));
        }
        Ok(Self { label, samples, sample_rate })
    }

    /// The label.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The largest magnitude; 1 is full scale.
    pub(super) fn peak(&self) -> f32 {
        self.samples.iter().fold(0.0, |peak, sample| sample.abs().max(peak))
    }

    /// Duration, peak and rate, for people.
    pub(super) fn facts(&self) -> String {
        #[expect(clippy::cast_precision_loss, reason = "a count of samples stays far below 2^53")]
        let seconds = self.samples.len() as f64 / f64::from(self.sample_rate);
        let (peak, rate) = (self.peak(), f64::from(self.sample_rate) / 1000.0);
        let state = match peak {
            0.0 => "silent".to_owned(),
            over if over > 1.0 => format!("peak {over:.2}, clipped"),
            peak => format!("peak {peak:.2}"),
        };
        format!("{seconds:.2} s · {state} · {rate} kHz")
    }

    /// A 16-bit WAV file.
    pub(super) fn wav(&self) -> Result<Vec<u8>, ReportError> {
        wav_bytes(&self.label, &self.samples, self.sample_rate, SampleFormat::Pcm16).map_err(ReportError::Audio)
    }

    /// The outline of the sound as an SVG path, `full` being the magnitude that reaches the strip's edges.
    pub(super) fn outline(&self, full: f32) -> String {
        let scale = if full > 0.0 { HEIGHT / 2.0 / full } else { 0.0 };
        let columns = COLUMNS.min(self.samples.len());
        let extremes: Vec<(f32, f32)> = (0..columns)
            .map(|column| {
                let bounds = |column: usize| column * self.samples.len() / columns;
                let span = &self.samples[bounds(column)..bounds(column + 1)];
                span.iter().fold((0.0_f32, 0.0_f32), |(low, high), sample| (low.min(*sample), high.max(*sample)))
            })
            .collect();
        // A hair on both sides, so that silence is a line.
        let y = |value: f32, hair: f32| (HEIGHT / 2.0 - value * scale - hair).clamp(0.0, HEIGHT);
        #[expect(clippy::cast_precision_loss, reason = "at most 240 columns")]
        let x = |column: usize| (column as f32 + 0.5) * COLUMNS as f32 / columns as f32;
        let mut path = String::new();
        for (column, (_, high)) in extremes.iter().enumerate() {
            let command = if column == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{command}{:.1} {:.1}", x(column), y(*high, 0.4));
        }
        for (column, (low, _)) in extremes.iter().enumerate().rev() {
            let _ = write!(path, "L{:.1} {:.1}", x(column), y(*low, -0.4));
        }
        path + "Z"
    }

    /// The page of [`Clip::outline`].
    pub(super) fn view_box() -> String {
        format!("0 0 {COLUMNS} {HEIGHT}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip(samples: Vec<f32>) -> Clip {
        Clip::new("a", samples.into(), 1000).expect("a sound")
    }

    #[test]
    fn facts_tell_silence_and_clipping() {
        assert_eq!(clip(vec![0.0; 500]).facts(), "0.50 s · silent · 1 kHz");
        assert_eq!(clip(vec![0.5; 1500]).facts(), "1.50 s · peak 0.50 · 1 kHz");
        assert_eq!(clip(vec![-1.25]).facts(), "0.00 s · peak 1.25, clipped · 1 kHz");
    }

    #[test]
    fn the_outline_reaches_the_edges_at_full_scale_only() {
        let loud = clip(vec![1.0, -1.0]);
        assert!(loud.outline(1.0).contains(" 0.0") && loud.outline(1.0).contains(" 40.0"), "{}", loud.outline(1.0));
        assert!(!loud.outline(2.0).contains(" 0.0"));
        assert!(!clip(vec![0.0; 9]).outline(0.0).contains("NaN"));
    }

    #[test]
    fn a_sound_that_cannot_be_played_is_refused() {
        let refused = |samples: &[f32], rate| Clip::new("x", samples.into(), rate).expect_err("refused").to_string();
        assert_eq!(refused(&[], 1), "the sound `x` has no samples");
        assert_eq!(refused(&[0.0], 0), "the sound `x` has a sample rate of 0 Hz");
        assert_eq!(refused(&[0.0, f32::NAN], 1), "the sound `x` cannot be played: its sample 1 is NaN");
    }
}
