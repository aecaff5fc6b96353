//! What a checkpoint says of itself: enough to build the model, to turn its tokens into sound, and to go on training.

use crate::audio::{AudioError, Corpus, Quantization, Quantizer, Scaling};
use crate::model::{Model, ModelSpec};
use crate::schedule::Validation;
use serde::{Deserialize, Serialize};
use tch::Kind;

/// The layout of manifests that this version writes and reads. Layout 1 did not name the scaling of the samples, so what
/// its tokens meant cannot be known: such files are refused.
pub const MANIFEST_SCHEMA: u32 = 2;

/// The precision of the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit.
    Float32,
    /// 64-bit.
    Float64,
}

impl Precision {
    /// Of a tensor kind; everything but 64-bit trains in 32-bit.
    #[must_use]
    pub fn of(kind: Kind) -> Self {
        if kind == Kind::Double { Self::Float64 } else { Self::Float32 }
    }

    /// As a tensor kind.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::Float32 => Kind::Float,
            Self::Float64 => Kind::Double,
        }
    }
}

/// What observers have multiplied the learning rates by from some update on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateChange {
    /// Updates done when it began to count.
    pub step: u64,
    /// The factor, beside the schedule's.
    #[serde(with = "crate::schedule::exact")]
    pub factor: f64,
}

/// Where a run stands: with the seed and the settings, all that its next step depends on beside weights and moments.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Updates done.
    pub step: u64,
    /// Tokens trained on.
    pub tokens: u64,
    /// Training time so far, in seconds.
    pub wall_seconds: f64,
    /// Every validation that was due so far, in order: what the schedule and early stopping look at.
    pub validations: Vec<Validation>,
    /// Validations made because a run ended before its time. They may be the best, but they steer nothing, so that a run goes on as if it
    /// had never been stopped.
    pub extra: Vec<Validation>,
    /// The last two times that an observer changed the learning rates; the metrics hold them all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rate_changes: Vec<RateChange>,
}

impl Progress {
    /// The best validation so far, due or not; of equals, the first that was due.
    #[must_use]
    pub fn best(&self) -> Option<Validation> {
        best_of(self.validations.iter().chain(&self.extra))
    }

    /// Due validations in a row since the best of them.
    #[must_use]
    pub fn since_best(&self) -> u64 {
        let best = best_of(&self.validations).map_or(0, |best| best.step);
        self.validations.iter().filter(|seen| seen.step > best).count() as u64
    }

    /// What observers have multiplied the learning rates of the update that follows `step` finished ones by.
    #[must_use]
    pub fn rate_factor(&self, step: u64) -> f64 {
        self.rate_changes.iter().rev().find(|change| change.step <= step).map_or(1.0, |change| change.factor)
    }

    /// From the update that follows `step` finished ones on, the learning rates are multiplied by `factor`.
    pub(super) fn change_rate(&mut self, step: u64, factor: f64) {
        self.rate_changes.retain(|change| change.step < step);
        self.rate_changes.push(RateChange { step, factor });
        // One for the update to come, one for the validation of the update before.
        let old = self.rate_changes.len().saturating_sub(2);
        self.rate_changes.drain(..old);
    }

    /// The validation of the weights as they stand, due or not.
    #[must_use]
    pub fn current(&self) -> Option<Validation> {
        self.validations.iter().chain(&self.extra).copied().find(|seen| seen.step == self.step)
    }
}

fn best_of<'a>(validations: impl IntoIterator<Item = &'a Validation>) -> Option<Validation> {
    validations.into_iter().copied().reduce(|best, next| if next.nll < best.nll { next } else { best })
}

/// The manifest of a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The layout of this manifest.
    pub schema: u32,
    /// The composition.
    pub model: ModelSpec,
    /// Levels that the head predicts.
    pub levels: i64,
    /// Trainable real numbers.
    pub parameters: usize,
    /// Precision of the weights.
    pub precision: Precision,
    /// How samples became tokens.
    pub quantization: Quantization,
    /// Bits of a token.
    pub bits: u8,
    /// What was scaled to full scale before quantisation: a prompt must be read as the corpus was.
    pub scaling: Scaling,
    /// Samples (tokens) a second, in Hz.
    pub sample_rate: u32,
    /// Tokens in a training window.
    pub window: usize,
    /// What the windows hold, as [`Corpus::content_hash`] names it.
    pub corpus: String,
    /// Updates done.
    pub step: u64,
    /// Passes over the training windows done.
    pub epoch: f64,
    /// The run's seed.
    pub seed: u64,
    /// Validation loss of these weights, in nats, if it was measured.
    pub nll: Option<f64>,
    /// The same in bits per byte.
    pub bits_per_byte: Option<f64>,
    /// The code that wrote this, as `git describe` names it.
    pub revision: String,
    /// Where the run stands.
    pub progress: Progress,
}

impl Manifest {
    /// The manifest of `model` as it stands after `progress` of training on `corpus`.
    #[must_use]
    pub fn new(model: &Model, corpus: &Corpus, seed: u64, epoch: f64, progress: &Progress) -> Self {
        let config = corpus.config();
        let measured = progress.current().map(|seen| seen.nll);
        Self {
            schema: MANIFEST_SCHEMA,
            model: model.spec().clone(),
            levels: model.levels(),
            parameters: model.parameters(),
            precision: Precision::of(model.kind()),
            quantization: config.quantization,
            bits: config.bits,
            scaling: config.scaling,
            sample_rate: config.sample_rate,
            window: config.window,
            corpus: corpus.content_hash(),
            step: progress.step,
            epoch,
            seed,
            nll: measured,
            bits_per_byte: measured.map(|nll| crate::metrics::bits_per_byte(nll, corpus.quantizer().levels())),
            revision: option_env!("WASABI_REVISION").unwrap_or("unknown").to_owned(),
            progress: progress.clone(),
        }
    }

    /// The quantiser whose tokens the model speaks.
    ///
    /// # Errors
    /// [`AudioError`] for a bit depth that no quantiser has.
    pub fn quantizer(&self) -> Result<Quantizer, AudioError> {
        Quantizer::new(self.quantization, self.bits)
    }

    /// Reads a manifest, looking at the schema before anything else, so that another version is named as such.
    pub(super) fn from_json(text: &str) -> Result<Self, String> {
        let value: serde_json::Value =
            serde_json::from_str(text).map_err(|error| format!("its manifest is no JSON: {error}"))?;
        match value.get("schema").and_then(serde_json::Value::as_u64) {
            Some(schema) if schema == u64::from(MANIFEST_SCHEMA) => {}
            Some(schema) => {
                return Err(format!("its manifest has schema {schema}, this version reads schema {MANIFEST_SCHEMA}"));
            }
            None => return Err("its manifest names no schema".to_owned()),
        }
        serde_json::from_value(value).map_err(|error| format!("its manifest cannot be read: {error}"))
    }
}
