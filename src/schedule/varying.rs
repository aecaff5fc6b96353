//! A number, or a schedule of one.

use serde::{Deserialize, Deserializer, Serialize};

use super::{Schedule, ScheduleError};
use crate::options::OptionError;

/// A number that stays as it is or follows a schedule. As JSON: a number, or a schedule.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Varying {
    /// The same throughout.
    Fixed(f64),
    /// The schedule's value itself.
    Over(Schedule),
}

impl From<f64> for Varying {
    fn from(value: f64) -> Self {
        Self::Fixed(value)
    }
}

impl From<Schedule> for Varying {
    fn from(schedule: Schedule) -> Self {
        Self::Over(schedule)
    }
}

impl<'de> Deserialize<'de> for Varying {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By hand, so that a wrong schedule says what is wrong with it, and not that it is neither.
        let value = serde_json::Value::deserialize(deserializer)?;
        match value.as_f64() {
            Some(number) => Ok(Self::Fixed(number)),
            None => serde_json::from_value(value).map(Self::Over).map_err(serde::de::Error::custom),
        }
    }
}

impl Varying {
    /// The value after `step` steps. Lengths left open must have been [resolved](Self::resolved).
    #[must_use]
    pub fn at(&self, step: u64) -> f64 {
        match self {
            Self::Fixed(value) => *value,
            Self::Over(schedule) => schedule.at(step, &[]),
        }
    }

    /// The number, where it never changes.
    #[must_use]
    pub fn fixed(&self) -> Option<f64> {
        match self {
            Self::Fixed(value) => Some(*value),
            Self::Over(_) => None,
        }
    }

    /// With every length that was left open to "the rest" written out, in a course of `total` steps.
    #[must_use]
    pub fn resolved(&self, total: u64) -> Self {
        match self {
            Self::Fixed(value) => Self::Fixed(*value),
            Self::Over(schedule) => Self::Over(schedule.resolved(total)),
        }
    }

    /// That every value which it will ever have passes `fits`; the error is about the option `key`.
    ///
    /// # Errors
    /// [`OptionError`], saying which value is not `needed`, or what is wrong with the schedule.
    pub fn check(&self, key: &str, needed: &str, fits: impl Fn(f64) -> bool) -> Result<(), OptionError> {
        let wrong = |found: f64| OptionError::value(key, found, needed);
        match self {
            Self::Fixed(value) => {
                if fits(*value) {
                    Ok(())
                } else {
                    Err(wrong(*value))
                }
            }
            Self::Over(schedule) => {
                schedule.validate().map_err(|error: ScheduleError| OptionError {
                    key: key.to_owned(),
                    message: format!("`{key}`: {error}"),
                    hint: error.hint(),
                })?;
                // An open part goes the same way whatever its length; what has an end keeps its last value after it.
                let schedule = schedule.resolved(1);
                let (least, most) = schedule.extremes(schedule.length().unwrap_or(FAR));
                match [least, most].into_iter().find(|value| !fits(*value)) {
                    Some(value) => Err(OptionError {
                        message: format!("the schedule of `{key}` comes to {value}, but must stay {needed}"),
                        ..wrong(value)
                    }),
                    None => Ok(()),
                }
            }
        }
    }
}

/// Steps after which nothing that has no end is looked at: a year of sound at 48 kHz is 1.5e12.
const FAR: u64 = 1 << 41;
