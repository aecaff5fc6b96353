//! Learning-rate schedules: what every group's learning rate is multiplied by, as a function of the updates done.
//!
//! A schedule is plain data and a pure function. [`Schedule::at`] needs the number of updates done and the validation
//! figures so far, and nothing else: resuming needs no state, and any step can be looked at alone. Schedules with a
//! length can be chained: `warmup(100).then(cosine(900))`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How much smaller, relatively, a validation loss must be to count as better on a plateau (torch's default).
const PLATEAU_THRESHOLD: f64 = 1e-4;

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
mod exact {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&value.to_string())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What the learning rates are multiplied by. 1 is the configured rate; every group follows the same factor.
///
/// As JSON: `{"kind": "warmup", "steps": 100}`; a kind whose settings all have defaults may be its name alone, `"cosine"`.
/// `steps` left out of the last part of a schedule means the rest of the run.
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
    /// From one factor to another in a straight line.
    Linear {
        /// The factor at its first update.
        #[serde(default = "one")]
        from: f64,
        /// The factor that it ends at.
        #[serde(default)]
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
            other => other,
        };
        // The inherent function that `remote` made: the tagged form.
        Self::deserialize(value).map_err(serde::de::Error::custom)
    }
}

/// Why a schedule makes no sense.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ScheduleError {
    /// A number out of its range.
    #[error("the schedule's `{name}` is {found}, but must be {needed}")]
    Range {
        /// Which number.
        name: &'static str,
        /// Its value.
        found: f64,
        /// Its range.
        needed: &'static str,
    },
    /// Something follows a part that never ends.
    #[error("part {part} of the schedule ({kind}) has no end, but another follows it")]
    Endless {
        /// Which part, from 1.
        part: usize,
        /// What it is.
        kind: &'static str,
    },
    /// A repeated part never ends.
    #[error("a repeated schedule ({kind}) has no end, so it would never start again")]
    EndlessRepeat {
        /// What it is.
        kind: &'static str,
    },
    /// A chain of nothing.
    #[error("a chain of schedules needs at least one part, but has none")]
    Empty,
}

impl ScheduleError {
    /// What to try next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Endless { .. } | Self::EndlessRepeat { .. } => Some("give that part `steps`".to_owned()),
            Self::Range { .. } | Self::Empty => None,
        }
    }
}

impl Schedule {
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
            Self::Cosine { .. } => "cosine",
            Self::StepDecay { .. } => "step_decay",
            Self::Plateau { .. } => "plateau",
            Self::Then { .. } => "then",
            Self::Scaled { .. } => "scaled",
            Self::Repeat { .. } => "repeat",
        }
    }

    /// How many updates it lasts; `None` for one without an end. Past its end a schedule keeps its last value.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Warmup { steps } => Some(*steps),
            Self::Constant { steps }
            | Self::Linear { steps, .. }
            | Self::Cosine { steps, .. }
            | Self::StepDecay { steps, .. }
            | Self::Plateau { steps, .. } => *steps,
            Self::Then { parts } => parts.iter().try_fold(0_u64, |sum, part| Some(sum.saturating_add(part.length()?))),
            Self::Scaled { schedule, .. } => schedule.length(),
            Self::Repeat { schedule, times } => Some(schedule.length()?.saturating_mul((*times)?)),
        }
    }

    /// The same schedule with every length that was left open to "the rest of the run" written out.
    ///
    /// Only the last part of a chain can be open; `total` is the run's number of updates.
    #[must_use]
    pub fn resolved(&self, total: u64) -> Self {
        let mut out = self.clone();
        match &mut out {
            Self::Linear { steps, .. } | Self::Cosine { steps, .. } => *steps = Some(steps.unwrap_or(total.max(1))),
            Self::Then { parts } => {
                if let Some((last, before)) = parts.split_last_mut() {
                    let used = before.iter().filter_map(Self::length).fold(0, u64::saturating_add);
                    *last = last.resolved(total.saturating_sub(used).max(1));
                }
            }
            Self::Scaled { schedule, .. } => **schedule = schedule.resolved(total),
            _ => {}
        }
        out
    }

    /// Checks ranges, and that whatever is followed by something has an end.
    ///
    /// # Errors
    /// [`ScheduleError`], naming the number or the part.
    pub fn validate(&self) -> Result<(), ScheduleError> {
        let positive = |name, steps: Option<u64>| match steps {
            Some(0) => Err(ScheduleError::Range { name, found: 0.0, needed: "at least 1" }),
            _ => Ok(()),
        };
        let factor = |name, value: f64| {
            let fine = value.is_finite() && value >= 0.0;
            fine.then_some(()).ok_or(ScheduleError::Range { name, found: value, needed: "a number not below 0" })
        };
        match self {
            Self::Warmup { steps } => positive("steps", Some(*steps)),
            Self::Constant { steps } => positive("steps", *steps),
            Self::Linear { from, to, steps } => {
                factor("from", *from).and_then(|()| factor("to", *to)).and_then(|()| positive("steps", *steps))
            }
            Self::Cosine { floor, steps } => factor("floor", *floor).and_then(|()| positive("steps", *steps)),
            Self::StepDecay { every, factor: by, steps } => positive("every", Some(*every))
                .and_then(|()| factor("factor", *by))
                .and_then(|()| positive("steps", *steps)),
            Self::Plateau { factor: by, floor, steps, .. } => {
                factor("factor", *by).and_then(|()| factor("floor", *floor)).and_then(|()| positive("steps", *steps))
            }
            Self::Scaled { by, schedule } => factor("by", *by).and_then(|()| schedule.validate()),
            Self::Repeat { schedule, times } => {
                positive("times", *times)?;
                schedule.validate()?;
                schedule.length().map(|_| ()).ok_or(ScheduleError::EndlessRepeat { kind: schedule.kind() })
            }
            Self::Then { parts } => validate_chain(parts),
        }
    }

    /// The factor of the update that follows `step` finished ones, given the validations so far in order.
    #[must_use]
    pub fn at(&self, step: u64, validations: &[Validation]) -> f64 {
        self.at_local(step, step, validations)
    }

    /// As [`Schedule::at`], `local` updates into this part while the run is at `step`.
    fn at_local(&self, local: u64, step: u64, validations: &[Validation]) -> f64 {
        match self {
            Self::Constant { .. } => 1.0,
            Self::Warmup { steps } => fraction(local, *steps),
            Self::Linear { from, to, steps } => from + (to - from) * fraction(local, steps.unwrap_or(u64::MAX)),
            Self::Cosine { floor, steps } => {
                let angle = std::f64::consts::PI * fraction(local, steps.unwrap_or(u64::MAX));
                floor + (1.0 - floor) * 0.5 * (1.0 + angle.cos())
            }
            Self::StepDecay { every, factor, steps } => {
                let local = steps.map_or(local, |steps| local.min(steps.saturating_sub(1)));
                factor.powi(i32::try_from(local / (*every).max(1)).unwrap_or(i32::MAX))
            }
            Self::Plateau { factor, patience, floor, .. } => {
                let start = step.saturating_sub(local);
                let drops = plateau_drops(validations, start, step, *patience);
                factor.powi(i32::try_from(drops).unwrap_or(i32::MAX)).max(*floor)
            }
            Self::Then { parts } => {
                let mut local = local;
                for (index, part) in parts.iter().enumerate() {
                    match part.length() {
                        Some(length) if local >= length && index + 1 < parts.len() => local -= length,
                        _ => return part.at_local(local, step, validations),
                    }
                }
                1.0
            }
            Self::Scaled { by, schedule } => by * schedule.at_local(local, step, validations),
            Self::Repeat { schedule, times } => {
                let length = schedule.length().unwrap_or(u64::MAX).max(1);
                let round = (local / length).min(times.map_or(u64::MAX, |times| times.saturating_sub(1)));
                schedule.at_local(local - round * length, step, validations)
            }
        }
    }
}

fn validate_chain(parts: &[Schedule]) -> Result<(), ScheduleError> {
    let (last, before) = parts.split_last().ok_or(ScheduleError::Empty)?;
    for (index, part) in before.iter().enumerate() {
        part.validate()?;
        if part.length().is_none() {
            return Err(ScheduleError::Endless { part: index + 1, kind: part.kind() });
        }
    }
    last.validate()
}

/// `local / steps`, from 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "numbers of updates stay far below 2^53")]
fn fraction(local: u64, steps: u64) -> f64 {
    if steps == 0 { 1.0 } else { local.min(steps) as f64 / steps as f64 }
}

/// How often a plateau that began at update `start` has dropped by update `step`.
fn plateau_drops(validations: &[Validation], start: u64, step: u64, patience: u64) -> u64 {
    let (mut best, mut bad, mut drops) = (f64::INFINITY, 0, 0);
    for validation in validations.iter().filter(|seen| seen.step > start && seen.step <= step) {
        if validation.nll < best * (1.0 - PLATEAU_THRESHOLD) {
            (best, bad) = (validation.nll, 0);
        } else {
            bad += 1;
        }
        if bad > patience {
            (bad, drops) = (0, drops + 1);
        }
    }
    drops
}
