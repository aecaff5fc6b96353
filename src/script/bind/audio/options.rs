//! The options of what is done with sounds.

use crate::audio::{MAX_SAMPLE_RATE, MIN_SAMPLE_RATE, Quantization, Quantizer, Scaling};
use crate::options::OptionError;

/// The rate that models of the paper hear.
pub(super) const RATE: u32 = 16_000;

crate::options! {
    /// How a file is read.
    pub(crate) struct ReadConfig for "audio" {
        /// Samples a second after resampling; () keeps the file's own. [Hz; 1000 to 768000]
        rate: Option<u32> = Some(RATE),
        /// Whether the channels are averaged into one, as models hear them. [; true, false]
        mono: bool = true,
    }
    ; validate = validate_read
}

crate::options! {
    /// How samples become tokens.
    pub(crate) struct TokenConfig for "tokens" {
        /// Bits of a token: there are 2^bits levels. [bits; 1 to 16]
        bits: u8 = 8,
        /// The curve of the levels. [; "mu-law", "linear"]
        quantization: Quantization = Quantization::MuLaw,
        /// What counts as full scale: the least and the largest sample, the largest magnitude, or ±1. [; "min-max", "peak", "full-scale"]
        scaling: Scaling = Scaling::MinMax,
    }
    ; validate = validate_tokens
}

crate::options! {
    /// What tokens mean as sound.
    pub(crate) struct DecodeConfig for "from_tokens" {
        /// Bits of a token: there are 2^bits levels. [bits; 1 to 16]
        bits: u8 = 8,
        /// The curve of the levels. [; "mu-law", "linear"]
        quantization: Quantization = Quantization::MuLaw,
        /// Tokens a second. [Hz; 1000 to 768000]
        sample_rate: u32 = RATE,
    }
    ; validate = validate_decode
}

crate::options! {
    /// How a spectrum is computed.
    pub(crate) struct SpectrumConfig for "spectrum" {
        /// Samples of an analysis window; half as many bins come out. [samples; 2 to 65536]
        fft_size: usize = 4096,
        /// The least level that is reported: below it, sound is silence. [dB; -200 to 0]
        floor: f64 = -140.0,
    }
    ; validate = validate_spectrum
}

/// The largest analysis window: four seconds at 16 kHz.
const LARGEST_FFT: usize = 65_536;

fn rate_is_possible(key: &str, rate: u32) -> Result<(), OptionError> {
    if (MIN_SAMPLE_RATE..=MAX_SAMPLE_RATE).contains(&rate) {
        Ok(())
    } else {
        Err(OptionError::value(key, rate, "between 1000 and 768000 Hz"))
    }
}

fn bits_are_possible(bits: u8) -> Result<(), OptionError> {
    if (1..=16).contains(&bits) {
        Ok(())
    } else {
        Err(OptionError::value("bits", bits, "between 1 and 16").with_hint("8 is usual"))
    }
}

fn validate_read(config: &ReadConfig) -> Result<(), OptionError> {
    config.rate.map_or(Ok(()), |rate| rate_is_possible("rate", rate))
}

fn validate_tokens(config: &TokenConfig) -> Result<(), OptionError> {
    bits_are_possible(config.bits)
}

fn validate_decode(config: &DecodeConfig) -> Result<(), OptionError> {
    bits_are_possible(config.bits)?;
    rate_is_possible("sample_rate", config.sample_rate)
}

fn validate_spectrum(config: &SpectrumConfig) -> Result<(), OptionError> {
    if !(2..=LARGEST_FFT).contains(&config.fft_size) {
        return Err(OptionError::value("fft_size", config.fft_size, "between 2 and 65536 samples"));
    }
    if !(-200.0..=0.0).contains(&config.floor) {
        return Err(OptionError::value("floor", config.floor, "between -200 and 0 dB"));
    }
    Ok(())
}

/// A curve with its number of bits, both checked before.
pub(super) fn quantizer(quantization: Quantization, bits: u8) -> Quantizer {
    match quantization {
        Quantization::MuLaw => Quantizer::MuLaw { bits },
        Quantization::Linear => Quantizer::Linear { bits },
    }
}
