//! Which schedules make sense.

use super::Schedule;

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
    /// Points of nothing.
    #[error("a {kind} schedule needs at least one point, but has none")]
    NoPoints {
        /// What it is.
        kind: &'static str,
    },
    /// Points that go back.
    #[error("point {point} of the {kind} schedule is at update {found}, but must be after update {before}")]
    Disorder {
        /// What it is.
        kind: &'static str,
        /// Which point, from 1.
        point: usize,
        /// Where it is.
        found: u64,
        /// Where the point before it is.
        before: u64,
    },
}

impl ScheduleError {
    /// What to try next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Endless { .. } | Self::EndlessRepeat { .. } => Some("give that part `steps`".to_owned()),
            Self::NoPoints { kind } => Some(format!("{kind}([[0, 0.1], [1000, 1]])")),
            Self::Disorder { .. } => Some("give the points in the order of their updates, each once".to_owned()),
            Self::Range { .. } | Self::Empty => None,
        }
    }
}

impl Schedule {
    /// Checks ranges, and that whatever is followed by something has an end.
    ///
    /// # Errors
    /// [`ScheduleError`], naming the number or the part.
    pub fn validate(&self) -> Result<(), ScheduleError> {
        match self {
            Self::Warmup { steps } => positive("steps", Some(*steps)),
            Self::Constant { steps } => positive("steps", *steps),
            Self::Linear { from, to, steps } => {
                not_below_zero("from", *from)?;
                not_below_zero("to", *to)?;
                positive("steps", *steps)
            }
            Self::Exponential { from, to, steps } => {
                above_zero("from", *from)?;
                above_zero("to", *to)?;
                positive("steps", *steps)
            }
            Self::Cosine { floor, steps } => {
                within_one("floor", *floor)?;
                positive("steps", *steps)
            }
            Self::StepDecay { every, factor, steps } => {
                positive("every", Some(*every))?;
                not_below_zero("factor", *factor)?;
                positive("steps", *steps)
            }
            Self::Plateau { factor, floor, steps, .. } => {
                not_below_zero("factor", *factor)?;
                not_below_zero("floor", *floor)?;
                positive("steps", *steps)
            }
            Self::Piecewise { points } | Self::Stairs { points } => self.validate_points(points),
            Self::Scaled { by, schedule } => {
                not_below_zero("by", *by)?;
                schedule.validate()
            }
            Self::Repeat { schedule, times } => {
                positive("times", *times)?;
                schedule.validate()?;
                schedule.length().map(|_| ()).ok_or(ScheduleError::EndlessRepeat { kind: schedule.kind() })
            }
            Self::Then { parts } => validate_chain(parts),
        }
    }

    fn validate_points(&self, points: &[(u64, f64)]) -> Result<(), ScheduleError> {
        let kind = self.kind();
        if points.is_empty() {
            return Err(ScheduleError::NoPoints { kind });
        }
        points.iter().try_for_each(|(_, value)| not_below_zero("value", *value))?;
        let mut pairs = points.windows(2).enumerate();
        match pairs.find(|(_, pair)| pair[1].0 <= pair[0].0) {
            Some((at, pair)) => {
                Err(ScheduleError::Disorder { kind, point: at + 2, found: pair[1].0, before: pair[0].0 })
            }
            None => Ok(()),
        }
    }
}

fn positive(name: &'static str, steps: Option<u64>) -> Result<(), ScheduleError> {
    match steps {
        Some(0) => Err(ScheduleError::Range { name, found: 0.0, needed: "at least 1" }),
        _ => Ok(()),
    }
}

fn not_below_zero(name: &'static str, found: f64) -> Result<(), ScheduleError> {
    let fine = found.is_finite() && found >= 0.0;
    fine.then_some(()).ok_or(ScheduleError::Range { name, found, needed: "a number not below 0" })
}

fn within_one(name: &'static str, found: f64) -> Result<(), ScheduleError> {
    let fine = (0.0..=1.0).contains(&found);
    fine.then_some(()).ok_or(ScheduleError::Range { name, found, needed: "between 0 and 1: it begins at 1" })
}

fn above_zero(name: &'static str, found: f64) -> Result<(), ScheduleError> {
    let fine = found.is_finite() && found > 0.0;
    fine.then_some(()).ok_or(ScheduleError::Range { name, found, needed: "a number above 0" })
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
