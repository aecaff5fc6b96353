//! `train`: schedules of the learning rate, of dropout, of the window.

mod text;

use rhai::{Array, Dynamic, Engine, Map};

use super::{Outcome, real};
use crate::options::{meant, nearest};
use crate::script::convert;
use crate::script::docs::{Doc, Docs};
use crate::script::fault::Fault;
use crate::train::Schedule;
pub(super) use text::of_schedule;

/// A function that makes a schedule, or a method of one.
const fn doc(
    of: &'static str,
    name: &'static str,
    signature: &'static str,
    about: &'static str,
    example: &'static str,
) -> Doc {
    Doc { name, of, signature, about, options: None, example }
}

const DOCS: &[Doc] = &[
    doc(
        "",
        "constant",
        "constant([steps]) -> Schedule",
        "1 throughout, or for some updates: the learning rate as it is. Another value: constant().scaled(0.1).",
        "let rate = constant(100).then(cosine());",
    ),
    doc(
        "",
        "warmup",
        "warmup(steps) -> Schedule",
        "From 0 up to 1 in a straight line.",
        "let rate = warmup(100).then(cosine());",
    ),
    doc(
        "",
        "linear",
        "linear(from, to[, steps]) -> Schedule",
        "From one value to another in a straight line, over the rest of the run or some updates. As `schedule` of train, values \
         are multiples of the learning rate; as `dropout`, probabilities; as `window`, tokens. In generate (temperature, top_p, top_k, min_p) the values \
         themselves, and a step is a sample drawn.",
        "let rate = linear(1, 0.1);\nlet window = linear(512, 8192);",
    ),
    doc(
        "",
        "exponential",
        "exponential(from, to[, steps]) -> Schedule",
        "From one value above 0 to another by the same factor at each update, over the rest of the run or some updates.",
        "let rate = exponential(1, 0.01);\nprint(rate.at(50, 100));   // 0.1",
    ),
    doc(
        "",
        "cosine",
        "cosine([floor[, steps]]) -> Schedule",
        "From 1 down to `floor` (0) along half a cosine, over the rest of the run or some updates.",
        "let rate = cosine(0.1);",
    ),
    doc(
        "",
        "step_decay",
        "step_decay(every[, factor]) -> Schedule",
        "From 1, multiplied by `factor` (0.5) after every so many updates.",
        "let rate = step_decay(200, 0.3);",
    ),
    doc(
        "",
        "plateau",
        "plateau([factor, patience]) -> Schedule",
        "From 1, multiplied by `factor` (0.2) after more than `patience` (20) validations without improvement.",
        "let rate = plateau(0.5, 3);",
    ),
    doc(
        "",
        "piecewise",
        "piecewise([[step, value], …]) -> Schedule",
        "Straight lines through points of updates done and value; it keeps the last value after the last.",
        "let dropout = piecewise([[0, 0], [100, 0.3], [400, 0.1]]);\nprint(dropout.at(50));   // 0.15",
    ),
    doc(
        "",
        "stairs",
        "stairs([[step, value], …]) -> Schedule",
        "Each value from its update on, until the next.",
        "let window = stairs([[0, 1024], [500, 2048], [2000, 8192]]);\nprint(window.at(1999));   // 2048",
    ),
    doc(
        "",
        "schedule",
        "schedule(#{ kind: …, … }) -> Schedule",
        "Any kind of schedule with all its settings: constant, warmup, linear, exponential, cosine, step_decay, plateau, \
         piecewise, stairs, then, scaled, repeat. As `train` shows and records them.",
        "let rate = schedule(#{ kind: \"plateau\", patience: 3, floor: 0.01 });",
    ),
    doc(
        "Schedule",
        "then",
        "schedule.then(next) -> Schedule",
        "This schedule for as long as it lasts, then the next.",
        "let rate = warmup(100).then(constant(500)).then(cosine());",
    ),
    doc(
        "Schedule",
        "scaled",
        "schedule.scaled(by) -> Schedule",
        "The same shape, multiplied.",
        "let rate = cosine().scaled(0.5);",
    ),
    doc(
        "Schedule",
        "repeat",
        "schedule.repeat([times]) -> Schedule",
        "The same shape again and again, or so many times.",
        "let rate = cosine(0, 100).repeat(3);",
    ),
    doc(
        "Schedule",
        "at",
        "schedule.at(step[, total]) -> real",
        "Its value for the update that follows `step` finished ones, in a run of `total`; a plateau is taken to improve always.",
        "print(warmup(100).then(cosine()).at(550, 1000));   // 0.5",
    ),
    doc(
        "Schedule",
        "values",
        "schedule.values(steps) -> array of real",
        "Its values for all updates of a run of so many.",
        "print(linear(0, 1).values(4));   // [0.0, 0.25, 0.5, 0.75]",
    ),
    doc(
        "Schedule",
        "length",
        "schedule.length -> integer",
        "How many updates it lasts; () where it has no end, or lasts for the rest of the run.",
        "print(warmup(100).then(constant(50)).length);   // 150",
    ),
];

pub(super) fn register(engine: &mut Engine, docs: &mut Docs) {
    docs.add(DOCS);
    engine.register_type_with_name::<Schedule>("Schedule");
    shapes(engine);
    points(engine);
    algebra(engine);
    looks(engine);
}

fn shapes(engine: &mut Engine) {
    engine
        .register_fn("constant", Schedule::constant)
        .register_fn("constant", |steps: i64| -> Outcome<Schedule> {
            Ok(checked(Schedule::Constant { steps: Some(updates(steps, "`steps` of constant")?) })?)
        })
        .register_fn("warmup", |steps: i64| -> Outcome<Schedule> {
            Ok(checked(Schedule::warmup(updates(steps, "`steps` of warmup")?))?)
        })
        .register_fn("linear", |from: Dynamic, to: Dynamic| -> Outcome<Schedule> {
            Ok(checked(Schedule::linear(real(&from, "`from` of linear")?, real(&to, "`to` of linear")?, None))?)
        })
        .register_fn("linear", |from: Dynamic, to: Dynamic, steps: i64| -> Outcome<Schedule> {
            let (from, to) = (real(&from, "`from` of linear")?, real(&to, "`to` of linear")?);
            Ok(checked(Schedule::linear(from, to, Some(updates(steps, "`steps` of linear")?)))?)
        })
        .register_fn("exponential", |from: Dynamic, to: Dynamic| -> Outcome<Schedule> {
            let (from, to) = (real(&from, "`from` of exponential")?, real(&to, "`to` of exponential")?);
            Ok(checked(Schedule::exponential(from, to, None))?)
        })
        .register_fn("exponential", |from: Dynamic, to: Dynamic, steps: i64| -> Outcome<Schedule> {
            let (from, to) = (real(&from, "`from` of exponential")?, real(&to, "`to` of exponential")?);
            Ok(checked(Schedule::exponential(from, to, Some(updates(steps, "`steps` of exponential")?)))?)
        })
        .register_fn("cosine", || Schedule::cosine(0.0, None))
        .register_fn("cosine", |floor: Dynamic| -> Outcome<Schedule> {
            Ok(checked(Schedule::cosine(real(&floor, "`floor` of cosine")?, None))?)
        })
        .register_fn("cosine", |floor: Dynamic, steps: i64| -> Outcome<Schedule> {
            let steps = updates(steps, "`steps` of cosine")?;
            Ok(checked(Schedule::cosine(real(&floor, "`floor` of cosine")?, Some(steps)))?)
        })
        .register_fn("step_decay", |every: i64| -> Outcome<Schedule> {
            Ok(checked(Schedule::step_decay(updates(every, "`every` of step_decay")?, 0.5))?)
        })
        .register_fn("step_decay", |every: i64, factor: Dynamic| -> Outcome<Schedule> {
            let every = updates(every, "`every` of step_decay")?;
            Ok(checked(Schedule::step_decay(every, real(&factor, "`factor` of step_decay")?))?)
        })
        .register_fn("plateau", || Schedule::plateau(0.2, 20))
        .register_fn("plateau", |factor: Dynamic, patience: i64| -> Outcome<Schedule> {
            let patience = updates(patience, "`patience` of plateau")?;
            Ok(checked(Schedule::plateau(real(&factor, "`factor` of plateau")?, patience))?)
        })
        // Every kind with every setting: schedule(#{ kind: "plateau", floor: 0.01 }).
        .register_fn("schedule", |settings: Map| -> Outcome<Schedule> { Ok(read(&settings)?) });
}

fn points(engine: &mut Engine) {
    engine
        .register_fn("piecewise", |points: Array| -> Outcome<Schedule> {
            Ok(checked(Schedule::piecewise(read_points(&points, "piecewise")?))?)
        })
        .register_fn("stairs", |points: Array| -> Outcome<Schedule> {
            Ok(checked(Schedule::stairs(read_points(&points, "stairs")?))?)
        });
}

fn algebra(engine: &mut Engine) {
    engine
        .register_fn("then", |first: Schedule, next: Schedule| -> Outcome<Schedule> { Ok(checked(first.then(next))?) })
        .register_fn("scaled", |schedule: Schedule, by: Dynamic| -> Outcome<Schedule> {
            Ok(checked(schedule.scaled(real(&by, "the factor of scaled")?))?)
        })
        .register_fn("repeat", |schedule: Schedule| -> Outcome<Schedule> { Ok(checked(schedule.repeat(None))?) })
        .register_fn("repeat", |schedule: Schedule, times: i64| -> Outcome<Schedule> {
            Ok(checked(schedule.repeat(Some(updates(times, "`times` of repeat")?)))?)
        })
        .register_fn("to_string", |schedule: &mut Schedule| of_schedule(schedule))
        .register_fn("to_debug", |schedule: &mut Schedule| text::with_course(schedule));
}

/// The most values that one array of them holds.
const MOST_VALUES: u64 = 1 << 20;

fn looks(engine: &mut Engine) {
    engine
        .register_fn("at", |schedule: &mut Schedule, step: i64| -> Outcome<f64> {
            if schedule.is_open() {
                return Err(Fault::new(
                    "this schedule lasts for the rest of the run, so its values depend on how long that is",
                )
                .with_hint(format!("say how long: .at({step}, total)"))
                .into());
            }
            Ok(schedule.at(updates(step, "`step`")?, &[]))
        })
        .register_fn("at", |schedule: &mut Schedule, step: i64, total: i64| -> Outcome<f64> {
            Ok(schedule.resolved(updates(total, "`total`")?).at(updates(step, "`step`")?, &[]))
        })
        .register_fn("values", |schedule: &mut Schedule, steps: i64| -> Outcome<Array> {
            let steps = updates(steps, "`steps`")?;
            if steps > MOST_VALUES {
                return Err(Fault::new(format!("{steps} values of a schedule were asked for"))
                    .with_hint(format!("at most {MOST_VALUES}; .at(step, total) gives single ones"))
                    .into());
            }
            let schedule = schedule.resolved(steps);
            Ok((0..steps).map(|step| schedule.at(step, &[]).into()).collect())
        })
        .register_get("length", |schedule: &mut Schedule| {
            let length = schedule.length().and_then(|length| i64::try_from(length).ok());
            length.map_or(Dynamic::UNIT, Dynamic::from)
        });
}

fn read(settings: &Map) -> Result<Schedule, Fault> {
    let kinds = Schedule::KINDS.map(|kind| format!("\"{kind}\"")).join(", ");
    let blamed = |message: String, hint: String| Fault {
        option: Some("kind".to_owned()),
        ..Fault::new(message).with_hint(hint)
    };
    match settings.get("kind").map(|kind| kind.as_immutable_string_ref().map(|kind| kind.to_string())) {
        None => return Err(Fault::new("a schedule needs a `kind`").with_hint(format!("one of {kinds}"))),
        Some(Err(found)) => {
            return Err(blamed(
                format!("`kind` is {}, but must be a text", convert::a_type(found)),
                format!("one of {kinds}"),
            ));
        }
        Some(Ok(kind)) if !Schedule::KINDS.contains(&kind.as_str()) => {
            let near = nearest(&kind, Schedule::KINDS);
            let hint = near.map_or_else(|| format!("one of {kinds}"), |near| format!("did you mean \"{near}\"?"));
            return Err(blamed(format!("there is no schedule of kind \"{kind}\""), hint));
        }
        Some(Ok(kind)) => check_settings(settings, &kind)?,
    }
    let settings = serde_json::Value::Object(convert::settings(settings, "schedule")?);
    let schedule = serde_json::from_value(settings)
        .map_err(|error| Fault::new(format!("this schedule cannot be read: {error}")))?;
    checked(schedule)
}

/// That `settings` are those of a schedule of `kind`, and of their kinds.
fn check_settings(settings: &Map, kind: &str) -> Result<(), Fault> {
    let known = Schedule::settings(kind);
    let named = |key: &str, fault: Fault| Fault { option: Some(key.to_owned()), ..fault };
    for (key, value) in settings.iter().filter(|(key, _)| *key != "kind") {
        if !known.contains(&key.as_str()) {
            let hint = match meant(key, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("{kind} takes {}", known.join(", ")),
            };
            return Err(named(key, Fault::new(format!("a {kind} schedule has no setting `{key}`")).with_hint(hint)));
        }
        let found = convert::a_type(value.type_name());
        let needed = match key.as_str() {
            "steps" | "every" | "patience" | "times" if value.as_int().is_ok_and(|count| count >= 0) => continue,
            "steps" | "times" if value.is_unit() => continue,
            "steps" | "every" | "patience" | "times" => "a whole number, 0 or more",
            "from" | "to" | "floor" | "factor" | "by" if value.is_int() || value.is_float() => continue,
            "from" | "to" | "floor" | "factor" | "by" => "a number",
            _ => continue,
        };
        let found = if value.is_int() || value.is_float() { value.to_string() } else { found };
        return Err(named(key, Fault::new(format!("`{key}` of {kind} is {found}, but must be {needed}"))));
    }
    Ok(())
}

/// `[[step, value], …]`.
fn read_points(points: &Array, kind: &str) -> Result<Vec<(u64, f64)>, Fault> {
    let wrong = |at: usize, found: &str| {
        Fault::new(format!("point {} of {kind} is {found}, but must be [step, value]", at + 1))
            .with_hint(format!("{kind}([[0, 0.1], [1000, 1]])"))
    };
    let point = |(at, item): (usize, &Dynamic)| {
        let pair = item.as_array_ref().map_err(|found| wrong(at, &convert::a_type(found)))?;
        match pair.as_slice() {
            [step, value] => {
                let step = step
                    .as_int()
                    .map_err(|found| wrong(at, &format!("an array that begins with {}", convert::a_type(found))))?;
                Ok((
                    updates(step, &format!("the step of point {}", at + 1))?,
                    real(value, &format!("the value of point {} of {kind}", at + 1))?,
                ))
            }
            other => Err(wrong(at, &format!("an array of {}", other.len()))),
        }
    };
    points.iter().enumerate().map(point).collect()
}

fn checked(schedule: Schedule) -> Result<Schedule, Fault> {
    schedule.validate()?;
    Ok(schedule)
}

fn updates(found: i64, what: &str) -> Result<u64, Fault> {
    u64::try_from(found).map_err(|_| Fault::new(format!("{what} is {found}, but must be 0 or more")))
}
