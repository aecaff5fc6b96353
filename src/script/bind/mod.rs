//! The rooms as a script sees them: one file for each, with the values, functions and docs that it adds.

pub(crate) mod audio;
pub(crate) mod generate;
mod language;
mod meter;
mod metrics;
pub(crate) mod model;
pub(super) mod plot;
mod report;
mod schedule;
pub(crate) mod train;

mod widened;

use std::path::Path;
use std::rc::Rc;
use std::time::SystemTime;

use rhai::{Array, Dynamic, Engine, EvalAltResult, FnPtr, Module, NativeCallContext};
use serde_json::Value;

use super::context::Context;
use super::convert::a_type;
use super::docs::Docs;
use super::fault::Fault;
use crate::experiment::{RunSummary, find_runs};
use crate::metrics::{Frame, Row, sparkline};
use crate::model::TierSpec;
use crate::train::Schedule;
use meter::Meter;

/// What a binding that can fail returns.
type Outcome<T> = Result<T, Box<EvalAltResult>>;

/// Adds every room to `engine`, and what there is to say about it to `docs`.
pub(super) fn register(engine: &mut Engine, docs: &mut Docs, context: &Rc<Context>) {
    widened::register(engine);
    docs.chapter("Language");
    language::register(engine, docs, context);
    docs.chapter("Sound and corpora");
    audio::register(engine, docs, context);
    docs.chapter("Architectures and models");
    model::register(engine, docs, context);
    docs.chapter("Schedules");
    schedule::register(engine, docs);
    docs.chapter("Training and evaluation");
    train::register(engine, docs, context);
    docs.chapter("Generation");
    generate::register(engine, docs, context);
    docs.chapter("Frames");
    metrics::register(engine, docs, context);
    docs.chapter("Figures");
    plot::register(engine, docs, context);
    docs.chapter("Reports");
    report::register(engine, docs, context);
}

/// Where runs are looked for unless somebody says otherwise.
const RUNS: &str = "experiments";

/// The folders of the runs below `experiments`, as paths from here, the one that changed last first.
pub(super) fn run_folders() -> Vec<String> {
    find_runs(Path::new(RUNS)).into_iter().map(|run| run.folder.display().to_string()).collect()
}

/// The runs below `root` at a glance, the one that changed last at the end, next to the prompt.
///
/// # Errors
/// When there are none.
pub(super) fn runs_table(root: &Path) -> Result<Frame, Fault> {
    /// Letters of a sparkline.
    const CURVE: usize = 16;
    const COLUMNS: [&str; 8] = ["run", "state", "steps", "val_bpb", "best_bpb", "time", "changed", "curve"];
    let mut found = find_runs(root);
    found.reverse();
    if found.is_empty() {
        return Err(Fault::new(format!("there are no runs in {}", root.display())).with_hint(
            "train(model, corpus, #{ out: \"experiments/name\" }) makes one; `:runs FOLDER` looks elsewhere",
        ));
    }
    // Texts: one run that went astray must not cost the others their digits.
    let bits = |bits: Option<f64>| bits.map_or_else(String::new, |bits| format!("{bits:.3}"));
    let row = |run: &RunSummary| {
        let total = run.total.map_or_else(String::new, |total| format!("/{total}"));
        Row::new()
            .with("run", run.folder.display().to_string())
            .with("state", run.state.to_string())
            .with("steps", format!("{}{total}", run.steps))
            .with("val_bpb", bits(run.val_bits_per_byte))
            .with("best_bpb", bits(run.best_bits_per_byte))
            .with("time", lasting(run.wall_seconds))
            .with("changed", ago(run.when))
            .with("curve", sparkline(&run.curve, CURVE))
    };
    Ok(Frame::from_rows_under(&COLUMNS, &found.iter().map(row).collect::<Vec<_>>())?)
}

/// `4.2 s`, `12.5 min`, `3.1 h`.
pub(super) fn lasting(seconds: f64) -> String {
    match seconds {
        s if s < 99.95 => format!("{s:.1} s"),
        s if s < 99.95 * 60.0 => format!("{:.1} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// `3 min ago`.
fn ago(when: SystemTime) -> String {
    match when.elapsed().map_or(0, |time| time.as_secs()) {
        seconds if seconds < 90 => format!("{seconds} s ago"),
        seconds if seconds < 90 * 60 => format!("{} min ago", seconds / 60),
        seconds if seconds < 36 * 3600 => format!("{} h ago", seconds / 3600),
        seconds => format!("{} days ago", seconds / 86_400),
    }
}

/// The functions that make schedules, alone.
pub(super) fn register_schedules(engine: &mut Engine, docs: &mut Docs) {
    schedule::register(engine, docs);
}

/// The JSON form of a value of ours that has one: a schedule, a composition.
pub(super) fn as_json(value: &Dynamic) -> Option<Value> {
    if let Some(schedule) = value.read_lock::<Schedule>() {
        return serde_json::to_value(&*schedule).ok();
    }
    value.read_lock::<TierSpec>().and_then(|tier| serde_json::to_value(&*tier).ok())
}

/// The columns of a frame, or of a run's metrics.
pub(super) fn columns_of(value: &Dynamic) -> Option<Vec<String>> {
    let names = |frame: &Frame| frame.columns().into_iter().map(str::to_owned).collect();
    if let Some(frame) = value.read_lock::<metrics::FrameValue>() {
        return Some(names(&frame));
    }
    let run = value.read_lock::<train::RunValue>()?;
    run.frame().ok().map(|frame| names(&frame))
}

/// The folder of a run.
pub(super) fn folder_of(value: &Dynamic) -> Option<String> {
    value.read_lock::<train::RunValue>().map(|run| run.folder().display().to_string())
}

/// How many values a function of the script is yet to be given; None for one that is not the script's, or has several forms.
pub(super) fn parameters(call: &NativeCallContext<'_>, function: &FnPtr) -> Option<usize> {
    let scripts = call.iter_namespaces().flat_map(Module::iter_script_fn_info);
    let mut forms =
        scripts.filter(|(_, _, name, ..)| *name == function.fn_name()).map(|(_, _, _, parameters, _)| parameters);
    let one = forms.next()?;
    forms.next().is_none().then(|| one.saturating_sub(function.curry().len()))
}

/// A count that a script gave as an integer.
fn count(found: i64, what: &str) -> Result<usize, Fault> {
    usize::try_from(found).map_err(|_| Fault::new(format!("{what} is {found}, but must be 0 or more")))
}

/// The most elements of a script's array: the engine's own limit, told before anything is made.
const MOST_ELEMENTS: usize = 16 << 20;

/// That `count` values make an array.
fn fits_array(count: usize, what: &str) -> Result<(), Fault> {
    if count <= MOST_ELEMENTS {
        return Ok(());
    }
    Err(Fault::new(format!("{what} has {count} values, but an array holds at most {MOST_ELEMENTS}"))
        .with_hint("take a part of it with `slice`"))
}

/// A real that a script gave as an integer or a real.
fn real(found: &Dynamic, what: &str) -> Result<f64, Fault> {
    #[expect(clippy::cast_precision_loss, reason = "Rhai itself widens so")]
    let widened = found.as_int().map(|integer| integer as f64);
    widened
        .or_else(|_| found.as_float())
        .map_err(|_| Fault::new(format!("{what} is {}, but must be a number", a_type(found.type_name()))))
}

/// An array of texts.
fn texts(found: &Array, what: &str) -> Result<Vec<String>, Fault> {
    let text = |item: &Dynamic| {
        let wrong = || Fault::new(format!("{what} holds {}, but must hold texts only", a_type(item.type_name())));
        item.as_immutable_string_ref().map(|text| text.to_string()).map_err(|_| wrong())
    };
    found.iter().map(text).collect()
}

/// Makes the folder that `path` will lie in.
fn make_folder(path: &Path) -> Result<(), Fault> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    std::fs::create_dir_all(folder).map_err(|error| {
        Fault::new(format!("cannot make the folder {}: {error}", folder.display()))
            .with_hint("choose a folder that you may write to")
    })
}
