//! Samples to tokens and back: mu-law and linear quantisation, 1 to 16 bits.

use serde::{Deserialize, Serialize};

use super::AudioError;

/// The two quantisation curves, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quantization {
    /// Logarithmic: fine steps near zero (ITU-T G.711's curve with `mu = 2^bits - 1`).
    #[default]
    MuLaw,
    /// Equal steps.
    Linear,
}

/// What counts as full scale when samples become tokens.
///
/// A signal without any swing has a defined token stream under each:
///
/// | scaling | silence (all 0) | constant c ≠ 0 |
/// |---|---|---|
/// | `MinMax` | token 0 throughout | token 0 throughout |
/// | `Peak` | the zero level | the token of `sign(c)`: the highest or the lowest level |
/// | `FullScale` | the zero level | the token of c |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scaling {
    /// Each window is stretched so that its minimum becomes the lowest level and its maximum the highest: the rule of
    /// the reference implementation. Loudness and any constant offset are lost.
    #[default]
    MinMax,
    /// Divided by the largest absolute sample, of the whole file in a corpus: zero stays zero, and the windows of a file
    /// keep their relative loudness.
    Peak,
    /// As they are: ±1 is full scale, and what lies beyond is clipped.
    FullScale,
}

/// Turns samples into tokens in `0..levels` and back, all in float32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Named", into = "Named")]
pub enum Quantizer {
    /// Logarithmic levels.
    MuLaw {
        /// Bits of a token, 1 to 16.
        bits: u8,
    },
    /// Equally spaced levels.
    Linear {
        /// Bits of a token, 1 to 16.
        bits: u8,
    },
}

/// How a quantiser is written in manifests: `{"quantization": "mu-law", "bits": 8}`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    quantization: Quantization,
    bits: u8,
}

impl TryFrom<Named> for Quantizer {
    type Error = AudioError;

    fn try_from(named: Named) -> Result<Self, AudioError> {
        Self::new(named.quantization, named.bits)
    }
}

impl From<Quantizer> for Named {
    fn from(quantizer: Quantizer) -> Self {
        Self { quantization: quantizer.quantization(), bits: quantizer.bits() }
    }
}

/// Keeps a constant window from dividing by zero (reference implementation, `minmax_scale`).
const MIN_MAX_EPSILON: f32 = 1e-6;
/// Keeps the largest scaled sample below the level after the last (reference implementation, `quantize`).
const LEVEL_EPSILON: f32 = 0.01;
/// Added inside the mu-law logarithm (reference implementation, `mu_law_encode`).
const MU_LAW_EPSILON: f32 = 1e-8;

impl Quantizer {
    /// A quantiser of `bits` bits.
    ///
    /// # Errors
    /// [`AudioError::Bits`] outside 1 to 16.
    pub fn new(quantization: Quantization, bits: u8) -> Result<Self, AudioError> {
        if !(1..=16).contains(&bits) {
            return Err(AudioError::Bits { found: bits });
        }
        Ok(match quantization {
            Quantization::MuLaw => Self::MuLaw { bits },
            Quantization::Linear => Self::Linear { bits },
        })
    }

    /// The curve.
    #[must_use]
    pub fn quantization(self) -> Quantization {
        match self {
            Self::MuLaw { .. } => Quantization::MuLaw,
            Self::Linear { .. } => Quantization::Linear,
        }
    }

    /// Bits of a token; a literal outside 1 to 16 counts as the nearer end.
    #[must_use]
    pub fn bits(self) -> u8 {
        let (Self::MuLaw { bits } | Self::Linear { bits }) = self;
        bits.clamp(1, 16)
    }

    /// Number of levels, `2^bits`: the output width of a model.
    #[must_use]
    pub fn levels(self) -> u32 {
        1 << self.bits()
    }

    /// The level that decodes to exactly 0, `2^(bits - 1)`: what a model is fed before the first token.
    #[must_use]
    pub fn zero_level(self) -> u16 {
        1 << (self.bits() - 1)
    }

    /// Samples to tokens, one for one, scaled over the whole of `samples`; see [`Scaling`] for silence and constants.
    ///
    /// `MinMax` truncates `e · (2^bits − 0.01) + 0.005`, as the reference does, so that decoding and encoding again may
    /// move a token down by one. `Peak` and `FullScale` take the nearest level instead, so that under `FullScale` every
    /// token survives decoding and encoding. `e` in 0..=1 is the scaled and companded sample. A sample that is not a
    /// number becomes token 0; [`load_mono`](super::load_mono) never returns one.
    ///
    /// # Source
    /// The reference implementation of SaShiMi (Goel et al. 2022, arXiv:2202.09729), whose every step is in float32.
    #[must_use]
    pub fn encode(self, samples: &[f32], scaling: Scaling) -> Vec<u16> {
        match scaling {
            Scaling::MinMax => {
                let (min, max) =
                    samples.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(min, max), &x| (min.min(x), max.max(x)));
                let range = max - min + MIN_MAX_EPSILON;
                self.encode_each(samples, |x| self.truncated_level(x - min, range))
            }
            Scaling::Peak => {
                let peak = samples.iter().fold(0.0_f32, |peak, x| peak.max(x.abs()));
                // A subnormal peak has no finite reciprocal, but dividing by it is fine.
                let divisor = if peak > 0.0 { peak } else { 1.0 };
                self.encode_each(samples, |x| self.nearest_level(x / divisor))
            }
            Scaling::FullScale => self.encode_each(samples, |x| self.nearest_level(x.clamp(-1.0, 1.0))),
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the levels, which fit u16")]
    fn encode_each(self, samples: &[f32], level: impl Fn(f32) -> f32) -> Vec<u16> {
        let top = (self.levels() - 1) as f32;
        samples.iter().map(|&x| level(x).clamp(0.0, top) as u16).collect()
    }

    /// The reference's level before truncation, of a sample `above_min` over its window's minimum.
    fn truncated_level(self, above_min: f32, range: f32) -> f32 {
        let e = match self {
            Self::Linear { .. } => above_min / range,
            Self::MuLaw { .. } => {
                let s = -1.0 + 2.0 * above_min / range;
                (self.compress(s, MU_LAW_EPSILON) + 1.0) / 2.0
            }
        };
        e * (self.levels() as f32 - LEVEL_EPSILON) + LEVEL_EPSILON / 2.0
    }

    /// The level whose decoded value is nearest to `s` in -1..=1, measured along the companding curve.
    fn nearest_level(self, s: f32) -> f32 {
        let companded = match self {
            Self::Linear { .. } => s,
            Self::MuLaw { .. } => self.compress(s, 0.0), // the epsilon is half a level near zero at 15 bits
        };
        ((companded + 1.0) / 2.0 * self.levels() as f32).round()
    }

    /// mu-law compression of `s` in -1..=1: `sign(s) log(1 + mu |s + epsilon|) / log(1 + mu)`.
    fn compress(self, s: f32, epsilon: f32) -> f32 {
        if s == 0.0 {
            return 0.0; // `signum` of zero is one
        }
        let mu = (self.levels() - 1) as f32;
        s.signum() * ((mu * (s + epsilon).abs()).ln_1p() / mu.ln_1p())
    }

    /// The sample that `token` stands for, in -1..1.
    #[must_use]
    pub fn decode_one(self, token: u16) -> f32 {
        let v = f32::from(token) / f32::from(self.zero_level()) - 1.0;
        match self {
            Self::Linear { .. } => v,
            Self::MuLaw { .. } if v == 0.0 => 0.0,
            Self::MuLaw { .. } => {
                let mu = (self.levels() - 1) as f32;
                v.signum() * ((1.0 + mu).powf(v.abs()) - 1.0) / mu
            }
        }
    }

    /// Tokens to samples, one for one: `v = token / 2^(bits-1) − 1`, and for mu-law `sign(v) ((1 + mu)^|v| − 1) / mu`.
    ///
    /// The zero level gives exactly 0, token 0 gives −1, and the highest stays below +1.
    #[must_use]
    pub fn decode(self, tokens: &[u16]) -> Vec<f32> {
        // Walking all levels costs less than a power for each token of a long take.
        let table: Vec<f32> = (0..=(self.levels() - 1) as u16).map(|token| self.decode_one(token)).collect();
        let top = table.len() - 1;
        tokens.iter().map(|&token| table[usize::from(token).min(top)]).collect()
    }
}
