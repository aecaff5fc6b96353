//! What a schedule comes to: its length, its value at an update, the least and the largest of its values.

use super::{Schedule, Validation};

/// How much smaller, relatively, a validation loss must be to count as better on a plateau (torch's default).
const PLATEAU_THRESHOLD: f64 = 1e-4;

impl Schedule {
    /// How many updates it lasts; `None` for one without an end. Past its end a schedule keeps its last value.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Warmup { steps } => Some(*steps),
            Self::Constant { steps }
            | Self::Linear { steps, .. }
            | Self::Exponential { steps, .. }
            | Self::Cosine { steps, .. }
            | Self::StepDecay { steps, .. }
            | Self::Plateau { steps, .. } => *steps,
            Self::Piecewise { points } => points.last().map(|(step, _)| *step).filter(|step| *step > 0),
            Self::Stairs { .. } => None,
            Self::Then { parts } => parts.iter().try_fold(0_u64, |sum, part| Some(sum.saturating_add(part.length()?))),
            Self::Scaled { schedule, .. } => schedule.length(),
            Self::Repeat { schedule, times } => Some(schedule.length()?.saturating_mul((*times)?)),
        }
    }

    /// Whether its shape waits for the length of the run: a `linear`, `exponential` or `cosine` without `steps`.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self {
            Self::Linear { steps, .. } | Self::Exponential { steps, .. } | Self::Cosine { steps, .. } => {
                steps.is_none()
            }
            Self::Then { parts } => parts.last().is_some_and(Self::is_open),
            Self::Scaled { schedule, .. } => schedule.is_open(),
            _ => false,
        }
    }

    /// The same schedule with every length that was left open to "the rest of the run" written out.
    ///
    /// Only the last part of a chain can be open; `total` is the run's number of updates.
    #[must_use]
    pub fn resolved(&self, total: u64) -> Self {
        let mut out = self.clone();
        match &mut out {
            Self::Linear { steps, .. } | Self::Exponential { steps, .. } | Self::Cosine { steps, .. } => {
                *steps = Some(steps.unwrap_or(total.max(1)));
            }
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

    /// The value for the update that follows `step` finished ones, given the validations so far in order.
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
            Self::Exponential { from, to, steps } => {
                from * (to / from).powf(fraction(local, steps.unwrap_or(u64::MAX)))
            }
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
            Self::Piecewise { points } => on_lines(points, local),
            Self::Stairs { points } => {
                let reached = points.partition_point(|(from, _)| *from <= local);
                points.get(reached.saturating_sub(1)).map_or(1.0, |(_, value)| *value)
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

    /// The least and the largest value in `updates` updates, the one that it ends at included, whatever the validations
    /// will say. Lengths left open must have been [resolved](Schedule::resolved).
    #[must_use]
    pub fn extremes(&self, updates: u64) -> (f64, f64) {
        match self {
            // Each goes one way, so its ends tell all.
            Self::Constant { .. }
            | Self::Warmup { .. }
            | Self::Linear { .. }
            | Self::Exponential { .. }
            | Self::Cosine { .. }
            | Self::StepDecay { .. } => span([0, updates].map(|step| self.at(step, &[]))),
            Self::Piecewise { points } | Self::Stairs { points } => {
                let inside = points.iter().map(|(step, _)| *step).filter(|step| *step <= updates);
                span(inside.chain([0, updates]).map(|step| self.at(step, &[])))
            }
            Self::Plateau { factor, floor, .. } if *factor <= 1.0 => (floor.min(1.0), floor.max(1.0)),
            Self::Plateau { .. } => (1.0, f64::INFINITY),
            Self::Then { parts } => {
                let mut left = updates;
                let mut found = Vec::new();
                for part in parts {
                    let here = part.length().unwrap_or(left).min(left);
                    let (least, largest) = part.extremes(here);
                    found.extend([least, largest]);
                    left -= here;
                    if left == 0 {
                        break;
                    }
                }
                span(found)
            }
            Self::Scaled { by, schedule } => {
                let (least, largest) = schedule.extremes(updates);
                (by * least, by * largest)
            }
            Self::Repeat { schedule, .. } => schedule.extremes(updates.min(schedule.length().unwrap_or(u64::MAX))),
        }
    }
}

/// The least and the largest of `values`.
fn span(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    values
        .into_iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(value), most.max(value)))
}

/// `local / steps`, from 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "numbers of updates stay far below 2^53")]
fn fraction(local: u64, steps: u64) -> f64 {
    if steps == 0 { 1.0 } else { local.min(steps) as f64 / steps as f64 }
}

/// The value at `local` on the lines through `points`.
fn on_lines(points: &[(u64, f64)], local: u64) -> f64 {
    let after = points.partition_point(|(step, _)| *step <= local);
    match (after.checked_sub(1).and_then(|before| points.get(before)), points.get(after)) {
        (Some((from, low)), Some((to, high))) => low + (high - low) * fraction(local - from, to - from),
        (Some((_, value)), None) | (None, Some((_, value))) => *value,
        (None, None) => 1.0,
    }
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
