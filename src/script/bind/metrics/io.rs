//! Frames in files, and as text.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use rhai::Engine;

use super::{FrameValue, patiently};
use crate::metrics::{Frame, LOG_NAME, MetricsError, read_log};
use crate::script::bind::{Outcome, make_folder};
use crate::script::context::Context;
use crate::script::fault::Fault;

/// What a file's name says about its form.
#[derive(Debug, Clone, Copy)]
enum Form {
    Parquet,
    Csv,
    Markdown,
}

pub(super) fn register(engine: &mut Engine, context: &Rc<Context>) {
    let shared = Rc::clone(context);
    engine
        .register_fn("read_frame", move |path: &str| -> Outcome<FrameValue> { read(&shared, Path::new(path)) })
        .register_fn("save", |frame: &mut FrameValue, path: &str| -> Outcome<String> { Ok(save(frame, path)?) })
        .register_fn("to_csv", |frame: &mut FrameValue, path: &str| -> Outcome<String> {
            Ok(write(frame, path, Form::Csv)?)
        })
        .register_fn("to_parquet", |frame: &mut FrameValue, path: &str| -> Outcome<String> {
            Ok(write(frame, path, Form::Parquet)?)
        })
        .register_fn("to_markdown", |frame: &mut FrameValue, path: &str| -> Outcome<String> {
            Ok(write(frame, path, Form::Markdown)?)
        })
        .register_fn("to_markdown", |frame: &mut FrameValue| frame.to_markdown());
}

fn read(context: &Context, path: &Path) -> Outcome<FrameValue> {
    let path = path.to_owned();
    if path.is_dir() {
        return log(context, path);
    }
    match extension(&path).as_str() {
        "parquet" | "pq" => patiently(context, move || Frame::read_parquet(&path)),
        "csv" => patiently(context, move || Frame::read_csv(&path)),
        "jsonl" if path.file_name().is_some_and(|name| name == LOG_NAME) => {
            log(context, path.parent().map_or_else(PathBuf::new, Path::to_owned))
        }
        _ => Err(Fault::new(format!("cannot read a frame from {}", path.display()))
            .with_hint("a .parquet or .csv file, or the folder of a run")
            .into()),
    }
}

/// The metrics of a run, which may be going on.
fn log(context: &Context, folder: PathBuf) -> Outcome<FrameValue> {
    let (frame, torn) = patiently(context, move || read_log(&folder))?;
    if let Some(torn) = torn {
        context.host.note(&torn.to_string());
    }
    Ok(frame)
}

fn save(frame: &FrameValue, path: &str) -> Result<String, Fault> {
    let form = match extension(Path::new(path)).as_str() {
        "parquet" | "pq" => Form::Parquet,
        "csv" => Form::Csv,
        "md" => Form::Markdown,
        _ => {
            return Err(Fault::new(format!("cannot write a frame to {path}"))
                .with_hint("a name that ends in .parquet, .csv or .md"));
        }
    };
    write(frame, path, form)
}

/// Writes the file, making its folder where needed, and says where it is.
fn write(frame: &FrameValue, path: &str, form: Form) -> Result<String, Fault> {
    let place = Path::new(path);
    make_folder(place)?;
    let written: Result<(), MetricsError> = match form {
        Form::Parquet => frame.write_parquet(place),
        Form::Csv => frame.write_csv(place),
        Form::Markdown => frame.write_markdown(place),
    };
    written?;
    Ok(path.to_owned())
}

fn extension(path: &Path) -> String {
    path.extension().map(|text| text.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}
