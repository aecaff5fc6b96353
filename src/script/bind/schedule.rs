//! `train`: schedules of the learning rate.

use rhai::{Dynamic, Engine, Map};

use super::{Outcome, real};
use crate::script::convert;
use crate::script::docs::{Doc, Docs};
use crate::script::fault::Fault;
use crate::train::Schedule;

const DOCS: &[Doc] = &[
    Doc {
        name: "constant",
        of: "",
        signature: "constant([steps]) -> Schedule",
        about: "The learning rate as it is, throughout or for some updates.",
        options: None,
        example: "let rate = constant(100).then(cosine());",
    },
    Doc {
        name: "warmup",
        of: "",
        signature: "warmup(steps) -> Schedule",
        about: "From 0 up to the learning rate in a straight line.",
        options: None,
        example: "let rate = warmup(100).then(cosine());",
    },
    Doc {
        name: "linear",
        of: "",
        signature: "linear(from, to[, steps]) -> Schedule",
        about: "From one multiple of the learning rate to another in a straight line, over the rest of the run or some updates.",
        options: None,
        example: "let rate = linear(1, 0.1);",
    },
    Doc {
        name: "cosine",
        of: "",
        signature: "cosine([floor[, steps]]) -> Schedule",
        about: "From the learning rate down to `floor` times it (0) along half a cosine, over the rest of the run or some updates.",
        options: None,
        example: "let rate = cosine(0.1);",
    },
    Doc {
        name: "step_decay",
        of: "",
        signature: "step_decay(every[, factor]) -> Schedule",
        about: "Multiplied by `factor` (0.5) after every so many updates.",
        options: None,
        example: "let rate = step_decay(200, 0.3);",
    },
    Doc {
        name: "plateau",
        of: "",
        signature: "plateau([factor, patience]) -> Schedule",
        about: "Multiplied by `factor` (0.2) after more than `patience` (20) validations without improvement.",
        options: None,
        example: "let rate = plateau(0.5, 3);",
    },
    Doc {
        name: "schedule",
        of: "",
        signature: "schedule(#{ kind: …, … }) -> Schedule",
        about: "Any kind of schedule with all its settings: constant, warmup, linear, cosine, step_decay, plateau, then, \
                scaled, repeat. As `train` shows and records them.",
        options: None,
        example: "let rate = schedule(#{ kind: \"plateau\", patience: 3, floor: 0.01 });",
    },
    Doc {
        name: "then",
        of: "Schedule",
        signature: "schedule.then(next) -> Schedule",
        about: "This schedule for as long as it lasts, then the next.",
        options: None,
        example: "let rate = warmup(100).then(constant(500)).then(cosine());",
    },
    Doc {
        name: "scaled",
        of: "Schedule",
        signature: "schedule.scaled(by) -> Schedule",
        about: "The same shape, multiplied.",
        options: None,
        example: "let rate = cosine().scaled(0.5);",
    },
    Doc {
        name: "repeat",
        of: "Schedule",
        signature: "schedule.repeat([times]) -> Schedule",
        about: "The same shape again and again, or so many times.",
        options: None,
        example: "let rate = cosine(0, 100).repeat(3);",
    },
];

pub(super) fn register(engine: &mut Engine, docs: &mut Docs) {
    docs.add(DOCS);
    engine
        .register_type_with_name::<Schedule>("Schedule")
        .register_fn("constant", Schedule::constant)
        .register_fn("constant", |steps: i64| -> Outcome<Schedule> {
            Ok(checked(Schedule::Constant { steps: Some(updates(steps)?) })?)
        })
        .register_fn("warmup", |steps: i64| -> Outcome<Schedule> { Ok(checked(Schedule::warmup(updates(steps)?))?) })
        .register_fn("linear", |from: Dynamic, to: Dynamic| -> Outcome<Schedule> {
            Ok(checked(Schedule::linear(multiple(&from)?, multiple(&to)?, None))?)
        })
        .register_fn("linear", |from: Dynamic, to: Dynamic, steps: i64| -> Outcome<Schedule> {
            Ok(checked(Schedule::linear(multiple(&from)?, multiple(&to)?, Some(updates(steps)?)))?)
        })
        .register_fn("cosine", || Schedule::cosine(0.0, None))
        .register_fn("cosine", |floor: Dynamic| -> Outcome<Schedule> {
            Ok(checked(Schedule::cosine(multiple(&floor)?, None))?)
        })
        .register_fn("cosine", |floor: Dynamic, steps: i64| -> Outcome<Schedule> {
            Ok(checked(Schedule::cosine(multiple(&floor)?, Some(updates(steps)?)))?)
        })
        .register_fn("step_decay", |every: i64| -> Outcome<Schedule> {
            Ok(checked(Schedule::step_decay(updates(every)?, 0.5))?)
        })
        .register_fn("step_decay", |every: i64, factor: Dynamic| -> Outcome<Schedule> {
            Ok(checked(Schedule::step_decay(updates(every)?, multiple(&factor)?))?)
        })
        .register_fn("plateau", || Schedule::plateau(0.2, 20))
        .register_fn("plateau", |factor: Dynamic, patience: i64| -> Outcome<Schedule> {
            Ok(checked(Schedule::plateau(multiple(&factor)?, updates(patience)?))?)
        });
    algebra(engine);
}

fn algebra(engine: &mut Engine) {
    engine
        .register_fn("then", |first: Schedule, next: Schedule| -> Outcome<Schedule> { Ok(checked(first.then(next))?) })
        .register_fn("scaled", |schedule: Schedule, by: Dynamic| -> Outcome<Schedule> {
            Ok(checked(schedule.scaled(multiple(&by)?))?)
        })
        .register_fn("repeat", |schedule: Schedule| -> Outcome<Schedule> { Ok(checked(schedule.repeat(None))?) })
        .register_fn("repeat", |schedule: Schedule, times: i64| -> Outcome<Schedule> {
            Ok(checked(schedule.repeat(Some(updates(times)?)))?)
        })
        // Every kind with every setting: schedule(#{ kind: "plateau", floor: 0.01 }).
        .register_fn("schedule", |settings: Map| -> Outcome<Schedule> { Ok(read(&settings)?) })
        .register_fn("to_string", |schedule: &mut Schedule| describe(schedule))
        .register_fn("to_debug", |schedule: &mut Schedule| describe(schedule));
}

fn read(settings: &Map) -> Result<Schedule, Fault> {
    let settings = serde_json::Value::Object(convert::settings(settings, "schedule")?);
    let schedule = serde_json::from_value(settings).map_err(|error| Fault::new(format!("no schedule: {error}")))?;
    checked(schedule)
}

fn checked(schedule: Schedule) -> Result<Schedule, Fault> {
    schedule.validate()?;
    Ok(schedule)
}

fn updates(found: i64) -> Result<u64, Fault> {
    u64::try_from(found).map_err(|_| Fault::new(format!("{found} was found, but a count must be 0 or more")))
}

fn multiple(found: &Dynamic) -> Result<f64, Fault> {
    real(found, "a multiple of the learning rate")
}

fn describe(schedule: &Schedule) -> String {
    serde_json::to_string(schedule).map_or_else(|_| schedule.kind().to_owned(), |text| format!("Schedule {text}"))
}
