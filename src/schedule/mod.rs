//! Schedules: a number as a function of the steps done. In training a step is an update, and the number multiplies the
//! learning rates, or is itself a dropout probability or the tokens of a window; in generation a step is a sample drawn, and
//! the number is what shapes the draw. May use: no other room.
//!
//! A schedule is plain data and a pure function. [`Schedule::at`] needs the number of updates done and the validation
//! figures so far, and nothing else: resuming needs no state, and any step can be looked at alone. Schedules with a
//! length can be chained: `warmup(100).then(cosine(900))`.

mod check;
mod value;
mod varying;

pub use check::ScheduleError;
pub use varying::Varying;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One validation figure: the plateau schedule and early stopping look at nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    /// Updates done when it was measured.
    pub step: u64,
    /// Cross-entropy in nats per token.
    #[serde(with = "exact")]
    pub nll: f64,
}

/// A real number as text: JSON readers may be off by a last bit, and a resumed run must decide as the first one did.
pub(crate) mod exact {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&value.to_string())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A number for each update. For the learning rates it is a factor: 1 is the configured rate, and every group follows the
/// same factor. For dropout and the window it is the value itself.
///
/// As JSON: `{"kind": "warmup", "steps": 100}`; a kind whose settings all have defaults may be its name alone, `"cosine"`; a
/// number is that number throughout. `steps` left out of the last part of a schedule means the rest of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// 1 throughout.
    Constant {
        /// How long, in updates; without it, for ever.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        steps: Option<u64>,
    },
    /// From 0 up to 1 in a straight line. Its first update has rate 0: it only fills the optimiser's moments.
    Warmup {
        /// How long, in updates.
        steps: u64,
    },
    /// From one value to another in a straight line.
    Linear {
        /// The value at its first update.
        #[serde(default = "one")]
        from: f64,
        /// The value that it ends at.
        #[serde(default)]
        to: f64,
        /// How long, in updates; without it, the rest of the run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        steps: Option<u64>,
    },
    /// From one value to another by the same factor at each update: a straight line on a logarithmic scale.
    Exponential {
        /// The value at its first update, above 0.
        #[serde(default = "one")]
        from: f64,
        /// The value that it ends at, above 0.
        to: f64,
        /// How long, in updates; without it, the rest of the run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        steps: Option<u64>,
    },
    /// From 1 down to `floor` along half a cosine.
    Cosine {
        /// The factor that it ends at.
        #[serde(default)]
        floor: f64,
        /// How long, in updates; without it, the rest of the run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        steps: Option<u64>,
    },
    /// Multiplied by `factor` after every `every` updates.
    StepDecay {
        /// Updates between drops.
        every: u64,
        /// What each drop multiplies by.
        #[serde(default = "half")]
        factor: f64,
        /// How long, in updates; without it, for ever.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        steps: Option<u64>,
    },
    /// Multiplied by `factor` whenever the validation loss has not improved (by 1 part in 10,000) for more than
    /// `patience` validations in a row.
    Plateau {
        /// What each drop multiplies by.
        #[serde(default = "plateau_factor")]
        factor: f64,
        /// Validations without improvement that are forgiven.
        #[serde(default = "plateau_patience")]
        patience: u64,
        /// The factor never goes below this.
        #[serde(default)]
        floor: f64,
        /// How long, in updates; without it, for ever.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        steps: Option<u64>,
    },
    /// Straight lines through given points; the first value before the first point, the last value after the last.
    Piecewise {
        /// Updates done and the value there, in order.
        points: Vec<(u64, f64)>,
    },
    /// Each value from its update on until the next; the first value before the first.
    Stairs {
        /// Updates done and the value from there on, in order.
        points: Vec<(u64, f64)>,
    },
    /// One part after another; every part but the last has a length.
    Then {
        /// The parts in order.
        parts: Vec<Schedule>,
    },
    /// The same shape, multiplied.
    Scaled {
        /// By how much.
        by: f64,
        /// The shape.
        schedule: Box<Schedule>,
    },
    /// The same shape again and again.
    Repeat {
        /// The shape; it has a length.
        schedule: Box<Schedule>,
        /// How often; without it, for ever.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        times: Option<u64>,
    },
}

fn one() -> f64 {
    1.0
}

fn half() -> f64 {
    0.5
}

fn plateau_factor() -> f64 {
    0.2
}

fn plateau_patience() -> u64 {
    20
}

impl Default for Schedule {
    fn default() -> Self {
        Self::constant()
    }
}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(kind) => serde_json::json!({ "kind": kind }),
            serde_json::Value::Number(value) => {
                serde_json::json!({ "kind": "scaled", "by": value, "schedule": { "kind": "constant" } })
            }
            other => other,
        };
        // The inherent function that `remote` made: the tagged form.
        Self::deserialize(value).map_err(serde::de::Error::custom)
    }
}

impl Schedule {
    /// The names of all kinds.
    pub const KINDS: [&str; 12] = [
        "constant",
        "warmup",
        "linear",
        "exponential",
        "cosine",
        "step_decay",
        "plateau",
        "piecewise",
        "stairs",
        "then",
        "scaled",
        "repeat",
    ];

    /// The names of the settings of a `kind`.
    #[must_use]
    pub fn settings(kind: &str) -> &'static [&'static str] {
        match kind {
            "constant" | "warmup" => &["steps"],
            "linear" | "exponential" => &["from", "to", "steps"],
            "cosine" => &["floor", "steps"],
            "step_decay" => &["every", "factor", "steps"],
            "plateau" => &["factor", "patience", "floor", "steps"],
            "piecewise" | "stairs" => &["points"],
            "then" => &["parts"],
            "scaled" => &["by", "schedule"],
            "repeat" => &["schedule", "times"],
            _ => &[],
        }
    }

    /// 1 for ever.
    #[must_use]
    pub const fn constant() -> Self {
        Self::Constant { steps: None }
    }

    /// From 0 to 1 in `steps` updates.
    #[must_use]
    pub const fn warmup(steps: u64) -> Self {
        Self::Warmup { steps }
    }

    /// From `from` to `to` in a straight line, over `steps` updates or the rest of the run.
    #[must_use]
    pub const fn linear(from: f64, to: f64, steps: Option<u64>) -> Self {
        Self::Linear { from, to, steps }
    }

    /// From `from` to `to` by the same factor at each update, over `steps` updates or the rest of the run.
    #[must_use]
    pub const fn exponential(from: f64, to: f64, steps: Option<u64>) -> Self {
        Self::Exponential { from, to, steps }
    }

    /// Straight lines through `points` of updates done and value.
    #[must_use]
    pub const fn piecewise(points: Vec<(u64, f64)>) -> Self {
        Self::Piecewise { points }
    }

    /// Each value of `points` from its update on.
    #[must_use]
    pub const fn stairs(points: Vec<(u64, f64)>) -> Self {
        Self::Stairs { points }
    }

    /// From 1 to `floor` along half a cosine, over `steps` updates or the rest of the run.
    #[must_use]
    pub const fn cosine(floor: f64, steps: Option<u64>) -> Self {
        Self::Cosine { floor, steps }
    }

    /// Multiplied by `factor` after every `every` updates.
    #[must_use]
    pub const fn step_decay(every: u64, factor: f64) -> Self {
        Self::StepDecay { every, factor, steps: None }
    }

    /// Multiplied by `factor` after more than `patience` validations without improvement; 0.2 and 20 are the defaults.
    #[must_use]
    pub const fn plateau(factor: f64, patience: u64) -> Self {
        Self::Plateau { factor, patience, floor: 0.0, steps: None }
    }

    /// This schedule for as long as it lasts, then `next`.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        match self {
            Self::Then { mut parts } => {
                parts.push(next);
                Self::Then { parts }
            }
            first => Self::Then { parts: vec![first, next] },
        }
    }

    /// The same shape, multiplied by `by`.
    #[must_use]
    pub fn scaled(self, by: f64) -> Self {
        Self::Scaled { by, schedule: Box::new(self) }
    }

    /// The same shape `times` times, or for ever.
    #[must_use]
    pub fn repeat(self, times: Option<u64>) -> Self {
        Self::Repeat { schedule: Box::new(self), times }
    }

    /// The kind's name.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Constant { .. } => "constant",
            Self::Warmup { .. } => "warmup",
            Self::Linear { .. } => "linear",
            Self::Exponential { .. } => "exponential",
            Self::Piecewise { .. } => "piecewise",
            Self::Stairs { .. } => "stairs",
            Self::Cosine { .. } => "cosine",
            Self::StepDecay { .. } => "step_decay",
            Self::Plateau { .. } => "plateau",
            Self::Then { .. } => "then",
            Self::Scaled { .. } => "scaled",
            Self::Repeat { .. } => "repeat",
        }
    }
}
