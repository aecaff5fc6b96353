//! Other settings for a run that goes on: which may change, and what that does to its schedules.

use super::TrainConfig;
use crate::options::{self, OptionError, Options};
use crate::schedule::{Schedule, Validation};
use serde_json::{Map, Value};

/// Settings of `train` that a run keeps as long as it lives, and why. A fork may have others.
pub const FIXED: [(&str, &str); 5] = [
    ("seed", "the windows and the dropout masks so far were drawn from it"),
    ("batch", "the windows so far were dealt to updates by it"),
    ("accumulate", "the windows so far were dealt to updates by it"),
    ("out", "a run stays in its folder"),
    ("existing", "the run exists and is gone on with"),
];

/// `former` with `changes`. `epochs` among them takes the place of former `steps`.
///
/// # Errors
/// [`OptionError`] for a setting that does not exist, is out of range, or, unless `fork`, is one that a run keeps.
pub fn changed(former: &TrainConfig, changes: &Map<String, Value>, fork: bool) -> Result<TrainConfig, OptionError> {
    let mut settings = match serde_json::to_value(former) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    };
    if !fork {
        let fixed = |(key, reason): &(&str, &str)| {
            let given = changes.get(*key).filter(|given| settings.get(*key) != Some(given))?;
            let message = format!("`{key}` is {given}, but a run that goes on keeps its own: {reason}");
            let hint = Some(format!("run.fork(#{{ {key}: {given} }}) goes on in a run of its own"));
            Some(OptionError { key: (*key).to_owned(), message, hint })
        };
        if let Some(error) = FIXED.iter().find_map(fixed) {
            return Err(error);
        }
    }
    if changes.contains_key("epochs") && !changes.contains_key("steps") {
        settings.insert("steps".to_owned(), Value::Null);
    }
    settings.extend(changes.clone());
    let config: TrainConfig = options::parse(&settings)?;
    config.validate()?;
    Ok(config)
}

/// What a run of `steps` updates so far should be told when it goes on under `config` and not under `former`: where a value
/// jumps, for example because a cosine without a length is laid over more updates than before.
pub(super) fn jumps(
    former: &TrainConfig,
    config: &TrainConfig,
    steps_per_epoch: u64,
    steps: u64,
    validations: &[Validation],
) -> Vec<String> {
    let total = config.total(steps_per_epoch);
    let stretched = |schedule: &Schedule| schedule.is_open() && former.total(steps_per_epoch) != total;
    let lr = Some((&former.schedule, &config.schedule));
    let pairs = [
        ("the learning rate", lr, former.lr, config.lr),
        ("dropout", former.dropout.as_ref().zip(config.dropout.as_ref()), 1.0, 1.0),
        ("the window", former.window.as_ref().zip(config.window.as_ref()), 1.0, 1.0),
    ];
    let jump = |(what, pair, old_unit, new_unit): (&str, Option<(&Schedule, &Schedule)>, f64, f64)| {
        let (old, new) = pair?;
        let why = match old == new {
            true if stretched(new) => format!("the same schedule, laid over {total} steps"),
            true => return None, // the setting itself has been told
            false => "another schedule".to_owned(),
        };
        let before = old_unit * old.resolved(former.total(steps_per_epoch)).at(steps, validations);
        let now = new_unit * new.resolved(total).at(steps, validations);
        let moved = (before - now).abs() > 1e-9 * before.abs().max(now.abs());
        moved.then(|| {
            format!("{what} of the next step is {}, and would have been {} ({why})", brief(now), brief(before))
        })
    };
    pairs.into_iter().filter_map(jump).collect()
}

/// Four significant digits, as people write them.
fn brief(value: f64) -> String {
    let rounded: f64 = format!("{value:.3e}").parse().unwrap_or(value);
    rounded.to_string()
}
