//! A schedule as text: the script that makes it, and how it runs.

use serde_json::Value;

use super::super::model::literal;
use crate::metrics::sparkline;
use crate::train::Schedule;

/// Characters of the curve behind a schedule's line.
const CURVE: u64 = 24;

/// The script that makes a schedule: `warmup(100).then(cosine())`.
pub(in crate::script::bind) fn of_schedule(schedule: &Schedule) -> String {
    match schedule {
        Schedule::Constant { steps } => call("constant", &counts([*steps])),
        Schedule::Warmup { steps } => format!("warmup({steps})"),
        Schedule::Linear { from, to, steps } => {
            call("linear", &[vec![real(*from), real(*to)], counts([*steps])].concat())
        }
        Schedule::Exponential { from, to, steps } => {
            call("exponential", &[vec![real(*from), real(*to)], counts([*steps])].concat())
        }
        Schedule::Cosine { floor, steps: None } if *floor == 0.0 => "cosine()".to_owned(),
        Schedule::Cosine { floor, steps } => call("cosine", &[vec![real(*floor)], counts([*steps])].concat()),
        Schedule::StepDecay { every, factor, steps: None } if *factor == 0.5 => format!("step_decay({every})"),
        Schedule::StepDecay { every, factor, steps: None } => format!("step_decay({every}, {})", real(*factor)),
        Schedule::Plateau { factor, patience, floor, steps: None } if *floor == 0.0 => {
            if *schedule == Schedule::plateau(0.2, 20) {
                "plateau()".to_owned()
            } else {
                format!("plateau({}, {patience})", real(*factor))
            }
        }
        Schedule::StepDecay { .. } | Schedule::Plateau { .. } => with_settings(schedule),
        Schedule::Piecewise { points } => format!("piecewise({})", of_points(points)),
        Schedule::Stairs { points } => format!("stairs({})", of_points(points)),
        Schedule::Then { parts } => {
            let (first, rest) =
                parts.split_first().map_or((None, parts.as_slice()), |(first, rest)| (Some(first), rest));
            let rest = rest.iter().map(|part| format!(".then({})", of_schedule(part)));
            first.map(of_schedule).into_iter().chain(rest).collect()
        }
        Schedule::Scaled { by, schedule } => format!("{}.scaled({})", of_schedule(schedule), real(*by)),
        Schedule::Repeat { schedule, times } => call(&format!("{}.repeat", of_schedule(schedule)), &counts([*times])),
    }
}

/// The same with its course: over its length, or where it has none, past what it begins with.
pub(super) fn with_course(schedule: &Schedule) -> String {
    let total = shown(schedule).max(CURVE);
    let resolved = schedule.resolved(total);
    // Of the longest, in pieces of a whole number of updates.
    let place = |at: u64| u128::from(at) * u128::from(total - 1) / u128::from(CURVE - 1);
    let values: Vec<f64> =
        (0..CURVE).map(|at| resolved.at(u64::try_from(place(at)).unwrap_or(u64::MAX), &[])).collect();
    format!("{} {}", of_schedule(schedule), sparkline(&values, values.len()))
}

/// The updates over which a schedule shows what it is: its length, or where it has none, a few times what it is made of.
fn shown(schedule: &Schedule) -> u64 {
    if let Some(length) = schedule.length() {
        return length;
    }
    match schedule {
        Schedule::Then { parts } => {
            let before = parts.iter().filter_map(Schedule::length).fold(0_u64, u64::saturating_add);
            let last = parts.last().map_or(0, shown);
            before.saturating_add(last.max(before.saturating_mul(3)))
        }
        Schedule::Scaled { schedule, .. } => shown(schedule),
        Schedule::Repeat { schedule, .. } => shown(schedule).saturating_mul(3),
        Schedule::StepDecay { every, .. } => every.saturating_mul(4),
        Schedule::Piecewise { points } | Schedule::Stairs { points } => {
            points.last().map_or(CURVE, |(step, _)| step.saturating_add(step / 4))
        }
        _ => CURVE,
    }
}

fn call(name: &str, arguments: &[String]) -> String {
    format!("{name}({})", arguments.join(", "))
}

fn counts<const N: usize>(counts: [Option<u64>; N]) -> Vec<String> {
    counts.into_iter().flatten().map(|count| count.to_string()).collect()
}

fn real(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 { format!("{value:.0}") } else { format!("{value:?}") }
}

fn of_points(points: &[(u64, f64)]) -> String {
    let points: Vec<String> = points.iter().map(|(step, value)| format!("[{step}, {}]", real(*value))).collect();
    format!("[{}]", points.join(", "))
}

/// What has a setting that its function does not take.
fn with_settings(schedule: &Schedule) -> String {
    let settings = match serde_json::to_value(schedule) {
        Ok(Value::Object(settings)) => settings,
        _ => return schedule.kind().to_owned(),
    };
    let kind = settings.get("kind").map(|kind| format!("kind: {}", literal(kind)));
    let rest =
        settings.iter().filter(|(name, _)| *name != "kind").map(|(name, value)| format!("{name}: {}", literal(value)));
    format!("schedule(#{{ {} }})", kind.into_iter().chain(rest).collect::<Vec<_>>().join(", "))
}
