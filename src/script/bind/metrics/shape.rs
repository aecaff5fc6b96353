//! Frames of another shape: parts, other names, joined, pivoted, one below another.

use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, Map};

use super::values::whole;
use super::{FrameValue, borrowed, names, patiently};
use crate::metrics::{Frame, Join, PivotConfig, UnpivotConfig};
use crate::script::bind::{Outcome, count};
use crate::script::context::Context;
use crate::script::convert::{self, a_type};
use crate::script::fault::Fault;

/// Rows of `head` and `tail` when nobody says how many.
const FEW: usize = 10;

pub(super) fn register(engine: &mut Engine, context: &Rc<Context>) {
    parts(engine);
    let shared = Rc::clone(context);
    engine.register_fn("unique", move |frame: FrameValue| -> Outcome<FrameValue> {
        patiently(&shared, move || frame.unique(&[]))
    });
    let shared = Rc::clone(context);
    engine.register_fn("unique", move |frame: FrameValue, by: Dynamic| -> Outcome<FrameValue> {
        let by = columns(&frame, &by)?;
        patiently(&shared, move || frame.unique(&borrowed(&by)))
    });
    let shared = Rc::clone(context);
    engine.register_fn("pivot", move |frame: FrameValue, options: Map| -> Outcome<FrameValue> {
        let config: PivotConfig = convert::options(&options)?;
        patiently(&shared, move || frame.pivot(&config))
    });
    for name in ["unpivot", "melt"] {
        let shared = Rc::clone(context);
        engine.register_fn(name, move |frame: FrameValue, options: Map| -> Outcome<FrameValue> {
            let config: UnpivotConfig = convert::options(&options)?;
            patiently(&shared, move || frame.unpivot(&config))
        });
    }
    joins(engine, context);
}

fn parts(engine: &mut Engine) {
    engine
        .register_fn("head", |frame: &mut FrameValue| frame.head(FEW))
        .register_fn("tail", |frame: &mut FrameValue| frame.tail(FEW))
        .register_fn("head", |frame: &mut FrameValue, rows: i64| -> Outcome<FrameValue> {
            Ok(frame.head(count(rows, "the number of rows")?))
        })
        .register_fn("tail", |frame: &mut FrameValue, rows: i64| -> Outcome<FrameValue> {
            Ok(frame.tail(count(rows, "the number of rows")?))
        })
        .register_fn("slice", |frame: &mut FrameValue, from: i64| frame.slice(start(frame, from), usize::MAX))
        .register_fn("slice", |frame: &mut FrameValue, from: i64, rows: i64| -> Outcome<FrameValue> {
            Ok(frame.slice(start(frame, from), count(rows, "the number of rows")?))
        })
        .register_fn("drop", |frame: &mut FrameValue, names: Dynamic| -> Outcome<FrameValue> {
            let names = columns(frame, &names)?;
            Ok(frame.drop(&borrowed(&names)).map_err(Fault::from)?)
        })
        .register_fn("rename", |frame: &mut FrameValue, columns: Map| -> Outcome<FrameValue> {
            let pairs = pairs(&columns, "the new name of")?;
            let pairs: Vec<(&str, &str)> = pairs.iter().map(|(old, new)| (old.as_str(), new.as_str())).collect();
            Ok(frame.rename(&pairs).map_err(Fault::from)?)
        });
}

/// Names of columns: an array of them, or a text, which may be a list with commas.
fn columns(frame: &FrameValue, found: &Dynamic) -> Result<Vec<String>, Fault> {
    let names = names(found, "the list of columns")?;
    let known = frame.columns();
    let parts = |name: String| {
        if known.contains(&name.as_str()) {
            return vec![name];
        }
        name.split(',').map(|part| part.trim().to_owned()).collect()
    };
    Ok(names.into_iter().flat_map(parts).collect())
}

/// A first row; below zero counted from the end.
fn start(frame: &FrameValue, from: i64) -> usize {
    let from = if from < 0 { whole(frame.height()).saturating_add(from).max(0) } else { from };
    usize::try_from(from).unwrap_or(usize::MAX)
}

fn joins(engine: &mut Engine, context: &Rc<Context>) {
    let shared = Rc::clone(context);
    engine.register_fn("join", move |frame: FrameValue, other: FrameValue, on: Dynamic| -> Outcome<FrameValue> {
        join(&shared, frame, other, &on, Join::Inner)
    });
    let shared = Rc::clone(context);
    engine.register_fn(
        "join",
        move |frame: FrameValue, other: FrameValue, on: Dynamic, how: &str| -> Outcome<FrameValue> {
            join(&shared, frame, other, &on, how.parse().map_err(Fault::from)?)
        },
    );
    let shared = Rc::clone(context);
    engine.register_fn("vstack", move |frame: FrameValue, other: FrameValue| -> Outcome<FrameValue> {
        patiently(&shared, move || Frame::concat(&[frame, other]))
    });
    let shared = Rc::clone(context);
    engine.register_fn("concat", move |frames: Array| -> Outcome<FrameValue> {
        let frame = |(at, item): (usize, &Dynamic)| {
            item.clone().try_cast::<FrameValue>().ok_or_else(|| {
                Fault::new(format!("`concat` takes frames, but item {at} is {}", a_type(item.type_name())))
                    .with_hint("concat([first, second])")
            })
        };
        let frames = frames.iter().enumerate().map(frame).collect::<Result<Vec<_>, Fault>>()?;
        patiently(&shared, move || Frame::concat(&frames))
    });
}

fn join(context: &Context, frame: FrameValue, other: FrameValue, on: &Dynamic, how: Join) -> Outcome<FrameValue> {
    let on: Vec<(String, String)> = match on.as_map_ref() {
        Ok(map) => pairs(&map, "the partner of")?,
        Err(_) => names(on, "what to join on")?.into_iter().map(|name| (name.clone(), name)).collect(),
    };
    patiently(context, move || {
        let on: Vec<(&str, &str)> = on.iter().map(|(here, there)| (here.as_str(), there.as_str())).collect();
        frame.join(&other, &on, how)
    })
}

/// A map of names to names.
fn pairs(map: &Map, what: &str) -> Result<Vec<(String, String)>, Fault> {
    let pair = |(name, value): (_, &Dynamic)| {
        let name = format!("{name}");
        match value.as_immutable_string_ref() {
            Ok(text) => Ok((name, text.to_string())),
            Err(found) => Err(Fault::new(format!("{what} `{name}` is {}, but must be a text", a_type(found)))),
        }
    };
    map.iter().map(pair).collect()
}
