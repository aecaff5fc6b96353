//! Values on their way between frames and scripts: rows as maps, columns as arrays; null is `()`.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, EvalAltResult, Map, Module, Position};

use super::FrameValue;
use super::docs::DOCS;
use crate::metrics::{Frame, Value};
use crate::options::nearest;
use crate::script::bind::{Outcome, fits_array, texts};
use crate::script::context::{Context, interrupted};
use crate::script::convert::a_type;
use crate::script::fault::Fault;

/// Rows between two looks at the interrupt: a map costs a microsecond or two.
const ROWS_AT_ONCE: usize = 8192;

pub(super) fn register(engine: &mut Engine, context: &Rc<Context>) {
    engine
        .register_fn("table", |rows: Array| -> Outcome<FrameValue> { Ok(from_maps(&rows)?) })
        .register_fn("table", |names: Array, rows: Array| -> Outcome<FrameValue> { Ok(from_rows(&names, &rows)?) })
        .register_get("height", |frame: &mut FrameValue| whole(frame.height()))
        .register_get("width", |frame: &mut FrameValue| whole(frame.width()))
        .register_fn("columns", |frame: &mut FrameValue| -> Array {
            frame.columns().into_iter().map(|name| name.to_owned().into()).collect()
        })
        .register_fn("column", |frame: &mut FrameValue, name: &str| -> Outcome<Array> { Ok(column(frame, name)?) })
        .register_indexer_get(|frame: &mut FrameValue, name: &str| -> Outcome<Array> { named(frame, name) })
        .register_fn("row", |frame: &mut FrameValue, at: i64| -> Outcome<Map> { Ok(row(frame, at)?) })
        .register_indexer_get(|frame: &mut FrameValue, at: i64| -> Outcome<Map> { Ok(row(frame, at)?) });
    let shared = Rc::clone(context);
    engine.register_fn("rows", move |frame: &mut FrameValue| -> Outcome<Array> {
        fits_array(frame.height(), "the frame")?;
        let mut rows = Array::with_capacity(frame.height());
        for (at, map) in maps(frame.clone()).enumerate() {
            if at % ROWS_AT_ONCE == 0 && shared.interrupt.is_set() {
                return Err(interrupted());
            }
            rows.push(map.into());
        }
        Ok(rows)
    });
    // `for row in frame` goes through maps, made one at a time.
    let mut iteration = Module::new();
    iteration.set_iter(TypeId::of::<FrameValue>(), |frame| {
        Box::new(maps(frame.cast::<FrameValue>()).map(Dynamic::from)) as Box<dyn Iterator<Item = Dynamic>>
    });
    engine.register_global_module(iteration.into());
}

/// The rows as maps.
fn maps(frame: FrameValue) -> impl Iterator<Item = Map> {
    let names: Vec<String> = frame.columns().into_iter().map(str::to_owned).collect();
    (0..frame.height())
        .map(move |at| names.iter().map(|name| (name.as_str().into(), dynamic(frame.get(name, at)))).collect())
}

/// The column of `frame["name"]`, which Rhai also asks for when `frame.name` is no property.
fn named(frame: &FrameValue, name: &str) -> Outcome<Array> {
    let columns = frame.columns();
    let members = || DOCS.iter().filter(|doc| doc.of == "Frame").map(|doc| doc.name);
    let is_member = members().any(|member| member == name) || nearest(name, members()).is_some();
    if !columns.contains(&name) && nearest(name, columns).is_none() && is_member {
        // Rhai's own error about a property then stands, which names the method that was meant.
        let what = format!("Frame by \"{name}\", which is none of its columns");
        return Err(EvalAltResult::ErrorIndexingType(what, Position::NONE).into());
    }
    Ok(column(frame, name)?)
}

fn column(frame: &FrameValue, name: &str) -> Result<Array, Fault> {
    fits_array(frame.height(), &format!("`{name}`"))?;
    Ok(frame.values(name)?.map(dynamic).collect())
}

/// A row; below zero from the end, as in an array.
fn row(frame: &FrameValue, at: i64) -> Result<Map, Fault> {
    let found = if at < 0 { whole(frame.height()).checked_add(at) } else { Some(at) };
    let found = found.and_then(|at| usize::try_from(at).ok()).filter(|at| *at < frame.height());
    let found = found.ok_or_else(|| {
        let rows = frame.height();
        Fault::new(format!("there is no row {at}: the frame has {rows} {}", if rows == 1 { "row" } else { "rows" }))
            .with_hint("the first is row 0, the last row -1")
    })?;
    Ok(maps(frame.slice(found, 1)).next().unwrap_or_default())
}

pub(super) fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A cell as a script's value.
pub(super) fn dynamic(value: Option<Value>) -> Dynamic {
    match value {
        None => Dynamic::UNIT,
        Some(Value::Int(integer)) => Dynamic::from(integer),
        Some(Value::Real(real)) => Dynamic::from(real),
        Some(Value::Text(text)) => Dynamic::from(text),
        Some(Value::Bool(flag)) => Dynamic::from(flag),
    }
}

/// A script's value as a cell; `()` is null, and what is no cell is an error in the words of its type.
pub(super) fn cell(value: &Dynamic) -> Result<Option<Value>, String> {
    if value.is_unit() {
        Ok(None)
    } else if let Ok(integer) = value.as_int() {
        Ok(Some(integer.into()))
    } else if let Ok(real) = value.as_float() {
        Ok(Some(real.into()))
    } else if let Ok(flag) = value.as_bool() {
        Ok(Some(flag.into()))
    } else if let Ok(text) = value.as_immutable_string_ref() {
        Ok(Some(text.to_string().into()))
    } else {
        Err(a_type(value.type_name()))
    }
}

/// Rows as maps: a column for each key that occurs.
fn from_maps(rows: &Array) -> Result<FrameValue, Fault> {
    let mut columns: BTreeMap<String, Vec<Option<Value>>> = BTreeMap::new();
    for (at, item) in rows.iter().enumerate() {
        let map = item.as_map_ref().map_err(|found| {
            let fault = not_a_row(at, found, "a map");
            if item.is_array() {
                fault.with_hint("name the columns of such rows first: table([\"a\", \"b\"], rows)")
            } else {
                fault
            }
        })?;
        for (name, value) in map.iter() {
            let column = columns.entry(name.to_string()).or_default();
            column.resize(at, None);
            column.push(in_table(value, name, at)?);
        }
    }
    let mut columns: Vec<(String, Vec<Option<Value>>)> = columns.into_iter().collect();
    columns.iter_mut().for_each(|(_, values)| values.resize(rows.len(), None));
    made(&columns)
}

fn from_rows(names: &Array, rows: &Array) -> Result<FrameValue, Fault> {
    let names = texts(names, "the list of columns")?;
    let mut columns: Vec<(String, Vec<Option<Value>>)> = names.into_iter().map(|name| (name, Vec::new())).collect();
    for (at, item) in rows.iter().enumerate() {
        let values = item.as_array_ref().map_err(|found| not_a_row(at, found, "an array"))?;
        if values.len() != columns.len() {
            return Err(Fault::new(format!("row {at} has {} values for {} columns", values.len(), columns.len())));
        }
        for ((name, column), value) in columns.iter_mut().zip(values.iter()) {
            column.push(in_table(value, name, at)?);
        }
    }
    made(&columns)
}

fn made(columns: &[(String, Vec<Option<Value>>)]) -> Result<FrameValue, Fault> {
    Ok(Frame::from_values(columns.iter().map(|(name, values)| (name.as_str(), values.as_slice())))?)
}

fn not_a_row(at: usize, found: &str, needed: &str) -> Fault {
    Fault::new(format!("row {at} of the table is {}, but must be {needed}", a_type(found)))
}

fn in_table(value: &Dynamic, name: &str, at: usize) -> Result<Option<Value>, Fault> {
    cell(value).map_err(|found| {
        Fault::new(format!("column `{name}` of row {at} is {found}, but must be a number, text or bool"))
    })
}
