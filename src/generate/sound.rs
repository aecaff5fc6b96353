//! What tokens mean as sound, and a file's sound as a prompt.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::GenerateError;
use crate::audio::{self, Quantizer, Scaling};

/// What the tokens of a model mean: the same for the audio it was trained on, its prompts, and what it generates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sound {
    /// Token to amplitude and back.
    pub quantizer: Quantizer,
    /// How amplitudes are brought into range before they are quantised.
    pub scaling: Scaling,
    /// Tokens a second, in Hz.
    pub sample_rate: u32,
}

impl Sound {
    /// The tokens of the first `seconds` of the file at `path` (all of it when `None`), mixed down and resampled, scaled as
    /// one window.
    ///
    /// # Errors
    /// [`GenerateError::Audio`] when the file cannot be read as sound; [`GenerateError::EmptyPrompt`] when it holds none;
    /// [`GenerateError::PromptLength`] when it is shorter than `seconds`, or `seconds` than one sample.
    pub fn prompt(&self, path: &Path, seconds: Option<f64>) -> Result<Vec<u16>, GenerateError> {
        let clip = audio::load_mono(path, self.sample_rate)?;
        let name = || path.display().to_string();
        if clip.samples.is_empty() {
            return Err(GenerateError::EmptyPrompt { path: name() });
        }
        let found = clip.samples.len() as f64 / f64::from(self.sample_rate);
        let used = match seconds {
            None => &clip.samples[..],
            Some(seconds) => {
                let wanted = (seconds * f64::from(self.sample_rate)).round() as usize; // saturates: negative or NaN is 0
                clip.samples
                    .get(..wanted)
                    .filter(|samples| !samples.is_empty())
                    .ok_or_else(|| GenerateError::PromptLength { path: name(), found, wanted: seconds })?
            }
        };
        Ok(self.quantizer.encode(used, self.scaling))
    }
}
