//! Runs beside one another: the settings that differ, and their figures at an equal point.

use super::settings::flatten;
use super::{ExperimentError, Record, RunDir};
use crate::metrics::{Frame, Row, columns, read_log_anyway};
use crate::options::OptionError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// What runs are compared at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum At {
    /// Updates done.
    Step,
    /// Tokens trained on.
    Tokens,
    /// Training time.
    Seconds,
}

impl At {
    /// The column of the metrics that holds it.
    #[must_use]
    pub const fn column(self) -> &'static str {
        match self {
            Self::Step => columns::STEP,
            Self::Tokens => "tokens",
            Self::Seconds => columns::WALL_SECONDS,
        }
    }
}

crate::options! {
    /// Where runs are compared.
    pub struct Comparison for "compare" {
        /// What is to be equal: updates done, tokens trained on, or training time. [; "step", "tokens", "seconds"]
        at: At = At::Step,
        /// How far; by default as far as every run has come. [steps, tokens or seconds; above 0]
        upto: Option<f64> = None,
        /// At how many points, evenly spread up to there. [points; 1 or more]
        points: usize = 1,
    }
    ; validate = validate
}

fn validate(comparison: &Comparison) -> Result<(), OptionError> {
    if let Some(upto) = comparison.upto.filter(|upto| !(upto.is_finite() && *upto > 0.0)) {
        return Err(OptionError::value("upto", upto, "a number above 0"));
    }
    if comparison.points == 0 { Err(OptionError::value("points", 0, "at least 1")) } else { Ok(()) }
}

/// Everything in which two records differ, a row each: `setting`, `first`, `second`, as JSON. When they were begun, and their
/// signatures, are left out.
///
/// # Errors
/// [`ExperimentError::Metrics`] if the table cannot be made.
pub fn differing(first: &Record, second: &Record) -> Result<Frame, ExperimentError> {
    let rows: Vec<Row> = differences(first, second)
        .into_iter()
        .map(|(name, one, other)| {
            Row::new().with("setting", name).with("first", shown(&one)).with("second", shown(&other))
        })
        .collect();
    Ok(Frame::from_rows_under(&["setting", "first", "second"], &rows)?)
}

/// The same as names and values.
fn differences(first: &Record, second: &Record) -> Vec<(String, Value, Value)> {
    let (a, b) = (flatten(first), flatten(second));
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let of = |map: &super::Settings, name: &str| map.get(name).cloned().unwrap_or(Value::Null);
    let mut out: Vec<(String, Value, Value)> =
        names.into_iter().map(|name| (name.clone(), of(&a, name), of(&b, name))).collect();
    // Blocks in another order have the same settings.
    if first.model != second.model && out.iter().all(|(name, one, other)| !name.starts_with("model.") || one == other) {
        out.push(("model".to_owned(), first.model.clone().into(), second.model.clone().into()));
    }
    let mut beside = |name: &str, one: Value, other: Value| out.push((name.to_owned(), one, other));
    beside("seed", first.seed.into(), second.seed.into());
    beside("device", first.device.clone().into(), second.device.clone().into());
    beside("threads", first.threads.into(), second.threads.into());
    beside("revision", first.revision.clone().into(), second.revision.clone().into());
    beside("label", first.label.clone().into(), second.label.clone().into());
    beside("parent", first.parent.clone().into(), second.parent.clone().into());
    for (name, one, other) in [
        ("versions.wasabi", &first.versions.wasabi, &second.versions.wasabi),
        ("versions.tch", &first.versions.tch, &second.versions.tch),
        ("versions.libtorch", &first.versions.libtorch, &second.versions.libtorch),
    ] {
        beside(name, one.clone().into(), other.clone().into());
    }
    let callbacks: BTreeSet<&String> = first.callbacks.keys().chain(second.callbacks.keys()).collect();
    for name in callbacks {
        let of = |record: &Record| record.callbacks.get(name).cloned().into();
        beside(&format!("callbacks.{name}"), of(first), of(second));
    }
    beside("script", first.script.clone().into(), second.script.clone().into());
    out.retain(|(_, one, other)| one != other);
    out
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The figures of `runs` at equal points, a row for each run and point, the points in order: the last update and the last
/// validation that lie not beyond it, and the best validation up to it. With it what could not be read, in words.
///
/// # Errors
/// [`ExperimentError::Nothing`] for a run without a row, [`ExperimentError::Beyond`] for one that has not come as far as
/// asked, [`ExperimentError::Metrics`].
pub fn compare(runs: &[(String, RunDir)], how: &Comparison) -> Result<(Frame, Vec<String>), ExperimentError> {
    const COLUMNS: [&str; 9] = [
        "run",
        "at",
        columns::STEP,
        "tokens",
        "seconds",
        columns::LOSS,
        columns::BITS_PER_BYTE,
        "val_bits_per_byte",
        "best_bits_per_byte",
    ];
    let (mut logs, mut problems) = (Vec::new(), Vec::new());
    for (name, run) in runs {
        let (frame, found) = read_log_anyway(run.path())?;
        problems.extend(found);
        let course = Course::of(&frame, how.at)
            .ok_or_else(|| ExperimentError::Nothing { path: run.metrics_path(), column: how.at.column() })?;
        logs.push((name, course));
    }
    let shortest = logs.iter().min_by(|a, b| a.1.reach().total_cmp(&b.1.reach()));
    let Some((name, course)) = shortest else { return Ok((Frame::from_rows_under(&COLUMNS, &[])?, problems)) };
    if let Some(upto) = how.upto.filter(|upto| *upto > course.reach()) {
        let (run, reached) = ((*name).clone(), course.reach());
        return Err(ExperimentError::Beyond { run, reached, upto, unit: how.at.column() });
    }
    let upto = how.upto.unwrap_or(course.reach());
    let mut rows = Vec::new();
    for point in 1..=how.points {
        #[expect(clippy::cast_precision_loss, reason = "a few points")]
        let place = upto * (point as f64 / how.points as f64);
        rows.extend(logs.iter().map(|(name, course)| course.at(name, place)));
    }
    Ok((Frame::from_rows_under(&COLUMNS, &rows)?, problems))
}

/// A run's rows in order.
struct Course {
    /// Where each row stands, on the axis of the comparison.
    places: Vec<f64>,
    splits: Vec<Option<String>>,
    step: Vec<f64>,
    tokens: Vec<f64>,
    seconds: Vec<f64>,
    loss: Vec<f64>,
    bits: Vec<f64>,
}

impl Course {
    fn of(frame: &Frame, at: At) -> Option<Self> {
        let numbers = |name: &str| frame.numbers(name).unwrap_or_else(|| vec![f64::NAN; frame.height()]);
        let places = frame.numbers(at.column())?;
        places.iter().any(|place| place.is_finite()).then(|| Self {
            places,
            splits: frame.text(columns::SPLIT).unwrap_or_else(|| vec![None; frame.height()]),
            step: numbers(columns::STEP),
            tokens: numbers("tokens"),
            seconds: numbers(columns::WALL_SECONDS),
            loss: numbers(columns::LOSS),
            bits: numbers(columns::BITS_PER_BYTE),
        })
    }

    fn reach(&self) -> f64 {
        self.places.iter().copied().filter(|place| place.is_finite()).fold(0.0, f64::max)
    }

    fn at(&self, name: &str, place: f64) -> Row {
        let within = |split: &'static str| {
            let wanted = move |row: &usize| self.places[*row] <= place && self.splits[*row].as_deref() == Some(split);
            (0..self.places.len()).filter(wanted)
        };
        let some = |value: f64| Some(value).filter(|value| value.is_finite());
        let (train, val) = (within(columns::TRAIN).next_back(), within(columns::VAL).next_back());
        let best = within(columns::VAL).map(|row| self.bits[row]).filter(|bits| bits.is_finite()).reduce(f64::min);
        let last = train.max(val);
        let mut row = Row::new().with("run", name).with("at", place);
        for (column, values, from) in [
            (columns::STEP, &self.step, last),
            ("tokens", &self.tokens, last),
            ("seconds", &self.seconds, last),
            (columns::LOSS, &self.loss, train),
            (columns::BITS_PER_BYTE, &self.bits, train),
            ("val_bits_per_byte", &self.bits, val),
        ] {
            row = row.with_some(column, from.and_then(|from| some(values[from])));
        }
        row.with_some("best_bits_per_byte", best)
    }
}
