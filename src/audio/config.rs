//! What a corpus is made of, as options.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::quantize::{Quantization, Quantizer, Scaling};
use super::resample::{MAX_SAMPLE_RATE, MIN_SAMPLE_RATE};
use crate::options::OptionError;

/// What [`Corpus::open`](super::Corpus::open) does with a file that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnError {
    /// Refuse the corpus, naming every such file.
    #[default]
    Refuse,
    /// Leave the file out, with a warning. The split is made over the files that remain.
    Skip,
}

crate::options! {
    /// A folder of audio, cut into windows of tokens for training.
    pub struct CorpusConfig for "corpus" {
        /// The folder with the audio files (WAV, FLAC); its subfolders are searched too, hidden files are not. [; a path]
        from: PathBuf = PathBuf::from("data"),
        /// Samples a second after resampling. [Hz; 1000 to 768000]
        sample_rate: u32 = 16_000,
        /// How samples become tokens: on a logarithmic curve, or in equal steps. [; "mu-law", "linear"]
        quantization: Quantization = Quantization::MuLaw,
        /// Bits of a token; a model predicts 2^bits levels. [bits; 1 to 16]
        bits: u8 = 8,
        /// What counts as full scale: the least and the largest sample of each window, the largest magnitude of each file, or
        /// ±1 (samples as they are). [; "min-max", "peak", "full-scale"]
        scaling: Scaling = Scaling::MinMax,
        /// Tokens in a window. [tokens; at least 1]
        window: usize = 8192,
        /// Whether the end of a file that does not fill a window is dropped, or kept as a short window. [; true, false]
        drop_last: bool = true,
        /// Share of the files, in natural order, used for training; the rest is half validation, half test. () is 0.88, or
        /// the nearest that leaves no part of so few files empty. [fraction; above 0 to below 1]
        train_fraction: Option<f64> = None,
        /// What to do with a file that cannot be used: refuse the corpus, or skip the file with a warning. [; "refuse", "skip"]
        on_error: OnError = OnError::Refuse,
        /// The folder for cached tokens; () is `.cache` inside `from`. [; a path]
        cache: Option<PathBuf> = None,
    }
    ; validate = validate
}

fn validate(config: &CorpusConfig) -> Result<(), OptionError> {
    if !(MIN_SAMPLE_RATE..=MAX_SAMPLE_RATE).contains(&config.sample_rate) {
        return Err(OptionError::value("sample_rate", config.sample_rate, "between 1000 and 768000 Hz"));
    }
    if !(1..=16).contains(&config.bits) {
        return Err(OptionError::value("bits", config.bits, "between 1 and 16").with_hint("8 is usual"));
    }
    if config.window == 0 {
        return Err(OptionError::value("window", config.window, "at least 1 token"));
    }
    if let Some(fraction) = config.train_fraction.filter(|fraction| !(*fraction > 0.0 && *fraction < 1.0)) {
        return Err(OptionError::value("train_fraction", fraction, "above 0 and below 1")
            .with_hint("0.88 trains on 88 % of the files"));
    }
    Ok(())
}

impl CorpusConfig {
    /// The quantiser that these options describe.
    #[must_use]
    pub fn quantizer(&self) -> Quantizer {
        match self.quantization {
            Quantization::MuLaw => Quantizer::MuLaw { bits: self.bits },
            Quantization::Linear => Quantizer::Linear { bits: self.bits },
        }
    }

    /// Where cached tokens live.
    #[must_use]
    pub fn cache_folder(&self) -> PathBuf {
        self.cache.clone().unwrap_or_else(|| self.from.join(".cache"))
    }
}
