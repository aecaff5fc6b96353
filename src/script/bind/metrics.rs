//! `metrics`: frames.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use rhai::{Array, Dynamic, Engine};

use super::{Outcome, count, texts};
use crate::metrics::{Frame, LOG_NAME, Row, Value, read_log};
use crate::script::context::Context;
use crate::script::convert::a_type;
use crate::script::docs::{Doc, Docs};
use crate::script::fault::Fault;
use crate::script::table::show_table;

/// A frame. Clones share its columns.
pub(crate) type FrameValue = Frame;

const DOCS: &[Doc] = &[
    Doc {
        name: "read_frame",
        of: "",
        signature: "read_frame(path) -> Frame",
        about: "A table from a .parquet or .csv file, or from the folder of a run (its metrics.jsonl).",
        options: None,
        example: "print(read_frame(run_folder).tail(3));",
    },
    Doc {
        name: "table",
        of: "",
        signature: "table([name, …], [[value, …], …]) -> Frame",
        about: "A frame from column names and rows. `table([#{ … }, …])` takes rows as maps; their columns are sorted by \
                name.",
        options: None,
        example: "print(table([\"what\", \"bits\"], [[\"uniform\", 8.0], [\"model\", 5.2]]));",
    },
    Doc {
        name: "height",
        of: "Frame",
        signature: "frame.height",
        about: "How many rows there are.",
        options: None,
        example: "",
    },
    Doc {
        name: "columns",
        of: "Frame",
        signature: "frame.columns() -> array",
        about: "The names of the columns.",
        options: None,
        example: "",
    },
    Doc {
        name: "column",
        of: "Frame",
        signature: "frame.column(name) -> array",
        about: "The values of a column; () where there is none.",
        options: None,
        example: "print(table([\"n\"], [[1], [2]]).column(\"n\"));",
    },
    Doc {
        name: "head",
        of: "Frame",
        signature: "frame.head(n) -> Frame",
        about: "The first n rows.",
        options: None,
        example: "",
    },
    Doc {
        name: "tail",
        of: "Frame",
        signature: "frame.tail(n) -> Frame",
        about: "The last n rows.",
        options: None,
        example: "",
    },
    Doc {
        name: "select",
        of: "Frame",
        signature: "frame.select([name, …]) -> Frame",
        about: "Only these columns, in this order.",
        options: None,
        example: "",
    },
    Doc {
        name: "sort",
        of: "Frame",
        signature: "frame.sort(name[, descending]) -> Frame",
        about: "The rows in the order of a column; the smallest first, or with `true` the largest.",
        options: None,
        example: "print(table([\"n\"], [[1], [2]]).sort(\"n\", true));",
    },
    Doc {
        name: "save",
        of: "Frame",
        signature: "frame.save(path)",
        about: "Writes a .parquet, .csv or .md file, making its folder where needed.",
        options: None,
        example: "table([\"n\"], [[1], [2]]).save(out + \"/n.parquet\");",
    },
    Doc {
        name: "to_markdown",
        of: "Frame",
        signature: "frame.to_markdown() -> text",
        about: "The frame as a Markdown table.",
        options: None,
        example: "print(table([\"n\"], [[1], [2]]).to_markdown());",
    },
];

pub(super) fn register(engine: &mut Engine, docs: &mut Docs, context: &Rc<Context>) {
    docs.add(DOCS);
    engine
        .register_type_with_name::<FrameValue>("Frame")
        .register_fn("read_frame", |path: &str| -> Outcome<FrameValue> { Ok(read(Path::new(path))?) })
        .register_fn("table", |rows: Array| -> Outcome<FrameValue> { Ok(from_maps(&rows)?) })
        .register_fn("table", |names: Array, rows: Array| -> Outcome<FrameValue> { Ok(from_rows(&names, &rows)?) })
        .register_get("height", |frame: &mut FrameValue| i64::try_from(frame.height()).unwrap_or(i64::MAX))
        .register_fn("columns", |frame: &mut FrameValue| -> Array {
            frame.columns().into_iter().map(|name| name.to_owned().into()).collect()
        })
        .register_fn("column", |frame: &mut FrameValue, name: &str| -> Outcome<Array> { Ok(column(frame, name)?) })
        .register_fn("head", |frame: &mut FrameValue, rows: i64| -> Outcome<FrameValue> {
            Ok(frame.head(count(rows, "the number of rows")?))
        })
        .register_fn("tail", |frame: &mut FrameValue, rows: i64| -> Outcome<FrameValue> {
            Ok(frame.tail(count(rows, "the number of rows")?))
        })
        .register_fn("select", |frame: &mut FrameValue, names: Array| -> Outcome<FrameValue> {
            let names = texts(&names, "the list of columns")?;
            Ok(frame.select(&names.iter().map(String::as_str).collect::<Vec<_>>()).map_err(Fault::from)?)
        })
        .register_fn("sort", |frame: &mut FrameValue, name: &str| -> Outcome<FrameValue> {
            Ok(frame.sort(name, false).map_err(Fault::from)?)
        })
        .register_fn("sort", |frame: &mut FrameValue, name: &str, descending: bool| -> Outcome<FrameValue> {
            Ok(frame.sort(name, descending).map_err(Fault::from)?)
        })
        .register_fn("save", |frame: &mut FrameValue, path: &str| -> Outcome<()> { Ok(save(frame, Path::new(path))?) })
        .register_fn("to_markdown", |frame: &mut FrameValue| frame.to_markdown());
    for name in ["to_string", "to_debug"] {
        let host = Rc::clone(&context.host);
        engine.register_fn(name, move |frame: &mut FrameValue| show_table(frame, host.width()));
    }
}

fn read(path: &Path) -> Result<FrameValue, Fault> {
    if path.is_dir() {
        return Ok(read_log(path)?.0);
    }
    match extension(path).as_str() {
        "parquet" => Ok(Frame::read_parquet(path)?),
        "csv" => Ok(Frame::read_csv(path)?),
        "jsonl" if path.file_name().is_some_and(|name| name == LOG_NAME) => {
            Ok(read_log(&path.parent().map_or_else(PathBuf::new, Path::to_owned))?.0)
        }
        _ => Err(Fault::new(format!("cannot read a frame from {}", path.display()))
            .with_hint("a .parquet or .csv file, or the folder of a run")),
    }
}

fn save(frame: &FrameValue, path: &Path) -> Result<(), Fault> {
    let format = extension(path);
    if !matches!(format.as_str(), "parquet" | "csv" | "md") {
        return Err(Fault::new(format!("cannot write a frame to {}", path.display()))
            .with_hint("a name that ends in .parquet, .csv or .md"));
    }
    super::make_folder(path)?;
    match format.as_str() {
        "parquet" => Ok(frame.write_parquet(path)?),
        "csv" => Ok(frame.write_csv(path)?),
        _ => std::fs::write(path, frame.to_markdown())
            .map_err(|error| Fault::new(format!("cannot write {}: {error}", path.display()))),
    }
}

fn extension(path: &Path) -> String {
    path.extension().map(|text| text.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}

fn column(frame: &FrameValue, name: &str) -> Result<Array, Fault> {
    // `select` knows how to complain about a name.
    let one = frame.select(&[name])?;
    Ok((0..one.height()).map(|row| one.get(name, row).map_or(Dynamic::UNIT, dynamic)).collect())
}

fn dynamic(value: Value) -> Dynamic {
    match value {
        Value::Int(integer) => Dynamic::from(integer),
        Value::Real(real) => Dynamic::from(real),
        Value::Text(text) => Dynamic::from(text),
        Value::Bool(flag) => Dynamic::from(flag),
    }
}

fn from_maps(rows: &Array) -> Result<FrameValue, Fault> {
    let row = |(at, item): (usize, &Dynamic)| {
        let map = item.as_map_ref().map_err(|found| not_a_row(at, found, "a map"))?;
        cells(at, map.iter().map(|(name, value)| (name.as_str(), value)), &map)
    };
    Ok(Frame::from_rows(&rows.iter().enumerate().map(row).collect::<Result<Vec<_>, Fault>>()?)?)
}

fn from_rows(names: &Array, rows: &Array) -> Result<FrameValue, Fault> {
    let names = texts(names, "the list of columns")?;
    let row = |(at, item): (usize, &Dynamic)| {
        let values = item.as_array_ref().map_err(|found| not_a_row(at, found, "an array"))?;
        if values.len() != names.len() {
            return Err(Fault::new(format!("row {at} has {} values for {} columns", values.len(), names.len())));
        }
        cells(at, names.iter().map(String::as_str).zip(values.iter()), &values)
    };
    Ok(Frame::from_rows(&rows.iter().enumerate().map(row).collect::<Result<Vec<_>, Fault>>()?)?)
}

fn not_a_row(at: usize, found: &str, needed: &str) -> Fault {
    Fault::new(format!("row {at} of the table is {}, but must be {needed}", a_type(found)))
}

/// `_holder` keeps the lock that the values are borrowed from.
fn cells<'a, T>(at: usize, values: impl Iterator<Item = (&'a str, &'a Dynamic)>, _holder: &T) -> Result<Row, Fault> {
    values.filter(|(_, value)| !value.is_unit()).try_fold(Row::new(), |row, (name, value)| {
        let cell: Value = if let Ok(integer) = value.as_int() {
            integer.into()
        } else if let Ok(real) = value.as_float() {
            real.into()
        } else if let Ok(flag) = value.as_bool() {
            flag.into()
        } else if let Ok(text) = value.as_immutable_string_ref() {
            text.to_string().into()
        } else {
            let found = a_type(value.type_name());
            return Err(Fault::new(format!(
                "column `{name}` of row {at} is {found}, but must be a number, text or bool"
            )));
        };
        Ok(row.with(name, cell))
    })
}
