//! What an observer may ask of the run that it watches: to stop, another learning rate, columns of its own.

use super::TrainError;
use super::rows::RESERVED;
use crate::metrics::Value;
use std::collections::BTreeMap;

/// The wishes of an observer, heard after each of its calls.
///
/// They are part of the run: a rate that was changed stays changed in a run that is continued, and the columns are in its
/// metrics. Whoever watches again in the same way therefore continues the same run, bit for bit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Control {
    stop: Option<Option<String>>,
    failed: bool,
    /// The learning rate of the next update as schedule and settings have it.
    planned: f64,
    /// What it is multiplied by.
    scale: f64,
    columns: Vec<(String, Value)>,
    /// The kind that each column has had so far.
    kinds: BTreeMap<String, &'static str>,
}

impl Control {
    /// Before a call: the learning rate that the next update would have, and what observers have multiplied it by.
    pub(super) fn prepare(&mut self, planned: f64, scale: f64) {
        (self.planned, self.scale) = (planned, scale);
    }

    /// Ends the run after this step, validated and saved; `reason` is kept with the run.
    pub fn stop(&mut self, reason: Option<String>) {
        self.stop = Some(reason);
    }

    /// Ends the run after this step, saved, because whoever watches it cannot go on; `reason` is kept with the run.
    pub fn fail(&mut self, reason: String) {
        (self.stop, self.failed) = (Some(Some(reason)), true);
    }

    /// Whether it was an error that asked to stop.
    pub(super) const fn has_failed(&self) -> bool {
        self.failed
    }

    /// Takes back everything since `former` but for columns, and an error.
    pub(super) fn forget_wishes(&mut self, former: Self) {
        if !self.failed {
            (self.stop, self.scale) = (former.stop, former.scale);
        }
    }

    /// Whether it was asked to stop, and with which reason.
    pub(super) fn stopped(&self) -> Option<Option<&str>> {
        self.stop.as_ref().map(Option::as_deref)
    }

    /// The learning rate of the next update.
    #[must_use]
    pub fn lr(&self) -> f64 {
        self.planned * self.scale
    }

    /// What the learning rates are multiplied by, beside the schedule.
    #[must_use]
    pub const fn scale(&self) -> f64 {
        self.scale
    }

    /// Multiplies every learning rate from the next update on; the schedule goes on below it.
    ///
    /// # Errors
    /// [`TrainError::Wish`] for a factor below 0, or none.
    pub fn scale_lr(&mut self, by: f64) -> Result<(), TrainError> {
        if !(by.is_finite() && by >= 0.0) {
            return Err(wish(format!("the learning rate cannot be multiplied by {by}"), "give a number not below 0"));
        }
        self.scale *= by;
        Ok(())
    }

    /// Multiplies every learning rate so that the main one is `lr` in the next update; the schedule goes on from there.
    ///
    /// # Errors
    /// [`TrainError::Wish`] for a rate below 0, or when the schedule's own rate is 0 and so cannot be multiplied to `lr`.
    pub fn set_lr(&mut self, lr: f64) -> Result<(), TrainError> {
        if !(lr.is_finite() && lr >= 0.0) {
            return Err(wish(format!("the learning rate cannot be {lr}"), "give a number not below 0"));
        }
        if self.planned == 0.0 && lr > 0.0 {
            let found = format!("the schedule's rate of the next update is 0, which nothing multiplies to {lr}");
            return Err(wish(found, "set the rate at another step, or train with another schedule"));
        }
        self.scale = if lr == 0.0 { 0.0 } else { lr / self.planned };
        Ok(())
    }

    /// Adds a column to the row that is about to be written.
    ///
    /// # Errors
    /// [`TrainError::Wish`] for a name of the run's own columns or an empty one, another kind of value than the column had
    /// before, or a text that a log reads back as a number.
    pub fn log(&mut self, name: &str, value: Value) -> Result<(), TrainError> {
        if name.is_empty() || name.trim() != name {
            return Err(wish(
                format!("a column cannot be called `{name}`"),
                "give it a name, without spaces around it",
            ));
        }
        if RESERVED.contains(&name) {
            return Err(wish(
                format!("`{name}` is a column of the run itself"),
                format!("give it a name of its own, such as `my_{name}`"),
            ));
        }
        if let Value::Text(text) = &value
            && matches!(text.as_str(), "NaN" | "inf" | "-inf")
        {
            return Err(wish(
                format!("`{name}` is the text {text:?}, which a log reads back as a number"),
                "log the number itself, or other words",
            ));
        }
        let kind = kind_of(&value);
        let known = self.kinds.entry(name.to_owned()).or_insert(kind);
        if *known != kind {
            return Err(wish(
                format!("`{name}` is {kind}, but was {known} before"),
                "log one kind of value under one name",
            ));
        }
        match self.columns.iter_mut().find(|(given, _)| given == name) {
            Some((_, slot)) => *slot = value,
            None => self.columns.push((name.to_owned(), value)),
        }
        Ok(())
    }

    /// The columns for the row that is being written.
    pub(super) fn take_columns(&mut self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.columns)
    }

    /// Learns what kind of values a column holds, from the log of an earlier sitting.
    pub(super) fn remember(&mut self, name: &str, value: &Value) {
        if !RESERVED.contains(&name) {
            self.kinds.entry(name.to_owned()).or_insert(kind_of(value));
        }
    }
}

/// Integers and reals share a column.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Int(_) | Value::Real(_) => "a number",
        other => other.kind(),
    }
}

fn wish(found: String, hint: impl Into<String>) -> TrainError {
    TrainError::Wish { found, hint: hint.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control() -> Control {
        let mut control = Control::default();
        control.prepare(0.004, 1.0);
        control
    }

    #[test]
    fn a_rate_that_is_set_is_the_rate_of_the_next_update() {
        let mut control = control();
        control.set_lr(0.001).expect("a rate");
        assert!((control.lr() - 0.001).abs() < 1e-15 && (control.scale() - 0.25).abs() < 1e-15);
        control.scale_lr(0.5).expect("a factor");
        assert!((control.scale() - 0.125).abs() < 1e-15);
        assert!(control.set_lr(-1.0).is_err() && control.scale_lr(f64::NAN).is_err());
        control.prepare(0.0, 1.0);
        assert!(control.set_lr(0.1).is_err(), "nothing multiplies 0 to 0.1");
    }

    #[test]
    fn a_column_keeps_its_kind_and_is_none_of_the_runs_own() {
        let mut control = control();
        control.log("snr", Value::Int(3)).expect("an integer");
        control.log("snr", Value::Real(3.5)).expect("a real among integers");
        assert_eq!(control.take_columns(), [("snr".to_owned(), Value::Real(3.5))]);
        for (name, value) in [
            ("snr", Value::Text("good".to_owned())),
            ("loss", Value::Real(1.0)),
            ("", Value::Real(1.0)),
            ("note", Value::Text("NaN".to_owned())),
        ] {
            assert!(control.log(name, value).is_err(), "`{name}` was taken");
        }
        assert_eq!(control.take_columns(), []);
    }
}
