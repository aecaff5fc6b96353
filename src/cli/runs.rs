//! `wasabi runs list|show|diff|resume|rm|export`: the lab book from the shell.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{flags, work};
use crate::experiment::{Book, Entry, Form, Record, RunDir, discard, export, flatten, problems_in};
use crate::metrics::{Frame, Value};
use crate::script::actions;
use crate::script::{Context, Diagnostic, Fault, show_table};
use crate::train::TrainConfig;

/// Where runs are looked for unless somebody says otherwise.
const RUNS: &str = "experiments";

/// Columns of a list for people; `--json` has them all.
const SHOWN: [&str; 7] = ["run", "state", "steps", "val_bits_per_byte", "best_bits_per_byte", "seconds", "label"];

/// `wasabi runs …`.
pub(super) fn command() -> Command {
    let json = || Arg::new("json").long("json").action(ArgAction::SetTrue).help("Write JSON, for programs");
    let list = Command::new("list")
        .about("List the runs below a folder, the one that changed last at the end")
        .after_help(
            "Examples:\n  wasabi runs list --where \"state = 'finished'\" --sort best_bits_per_byte\n  \
             wasabi runs list sweeps --where '\"train.lr\" < 0.01' --sort=-steps --json",
        )
        .arg(
            Arg::new("folder")
                .value_name("FOLDER")
                .default_value(RUNS)
                .value_parser(clap::value_parser!(PathBuf))
                .help("Where to look"),
        )
        .arg(
            Arg::new("where")
                .long("where")
                .value_name("CONDITION")
                .help("Only those for which this holds, in SQL; settings by their dotted names in double quotes"),
        )
        .arg(
            Arg::new("sort")
                .long("sort")
                .value_name("COLUMN")
                .allow_hyphen_values(true)
                .help("By this column, the smallest first; with a - before it, the largest first"),
        )
        .arg(json());
    let show = Command::new("show").about("Show a run: where it stands, and every setting").arg(run("run")).arg(json());
    let diff = Command::new("diff")
        .about("Show in which settings two runs differ")
        .arg(run("first"))
        .arg(run("second"))
        .arg(json());
    let resume = Command::new("resume").about("Go on with a run from its last checkpoint").arg(run("run"));
    let rm = Command::new("rm")
        .about("Move runs to the folder .trash beside them; nothing is deleted")
        .arg(run("runs").num_args(1..).action(ArgAction::Append));
    let to = Arg::new("to")
        .long("to")
        .value_name("FOLDER")
        .default_value("export")
        .value_parser(clap::value_parser!(PathBuf))
        .help("Where to: each run gets a folder of its name in it, as TensorBoard's --logdir wants it");
    let form = Arg::new("form")
        .long("format")
        .value_name("csv|parquet|tensorboard")
        .value_parser(["csv", "parquet", "tensorboard"])
        .action(ArgAction::Append)
        .help("Which form; may be repeated [default: all three]");
    let export = Command::new("export")
        .about("Write the metrics of runs as CSV, parquet and TensorBoard event files")
        .arg(run("runs").num_args(1..).action(ArgAction::Append))
        .arg(to)
        .arg(form);
    Command::new("runs")
        .about("List, show, compare, go on with, export and put aside runs")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(list)
        .subcommand(show)
        .subcommand(diff)
        .subcommand(flags::add::<TrainConfig>(resume))
        .subcommand(rm)
        .subcommand(export)
}

fn run(name: &'static str) -> Arg {
    Arg::new(name)
        .value_name(name.to_uppercase())
        .required(true)
        .value_parser(clap::value_parser!(PathBuf))
        .help("The folder of a run")
}

/// Does what was asked.
pub(super) fn main(matches: &ArgMatches, context: &Context) -> Result<(), Diagnostic> {
    match matches.subcommand() {
        Some(("list", found)) => list(found, context),
        Some(("show", found)) => show(found, context),
        Some(("diff", found)) => {
            let frame = actions::differing_in(&path(found, "first"), &path(found, "second"))?;
            print_frame(context, &frame, found.get_flag("json"));
            Ok(())
        }
        Some(("resume", found)) => work::go_on(found, &path(found, "run"), context),
        Some(("rm", found)) => each(found, |run| {
            let place = discard(run).map_err(Fault::from)?;
            let (from, to) = (run.path().display(), place.display());
            context.host.print(&format!("moved {from} to {to}; take it back: mv '{to}' '{from}'"));
            Ok(())
        }),
        Some(("export", found)) => exported(found, context),
        _ => Err(Diagnostic::new("no such command of `runs`").of_usage()),
    }
}

fn path(matches: &ArgMatches, name: &str) -> PathBuf {
    matches.get_one::<PathBuf>(name).cloned().unwrap_or_default()
}

/// Does `work` with each of the runs, all of which are looked at first: a misspelt one among them changes nothing.
fn each(matches: &ArgMatches, work: impl Fn(&RunDir) -> Result<(), Diagnostic>) -> Result<(), Diagnostic> {
    let paths = matches.get_many::<PathBuf>("runs").unwrap_or_default();
    let runs = paths.map(|path| RunDir::open(path)).collect::<Result<Vec<_>, _>>().map_err(Fault::from)?;
    runs.iter().try_for_each(work)
}

fn list(matches: &ArgMatches, context: &Context) -> Result<(), Diagnostic> {
    let mut frame = actions::runs(context, &path(matches, "folder"))?;
    if let Some(condition) = matches.get_one::<String>("where") {
        frame = frame.filter(condition).map_err(Fault::from)?;
    }
    if let Some(column) = matches.get_one::<String>("sort") {
        let (name, descending) = column.strip_prefix('-').map_or((column.as_str(), false), |name| (name, true));
        frame = frame.sort(name, descending).map_err(Fault::from)?;
    }
    if matches.get_flag("json") {
        print_frame(context, &frame, true);
        return Ok(());
    }
    let varied = frame.columns().into_iter().filter(|name| name.contains('.')).map(str::to_owned);
    let names: Vec<String> = SHOWN.iter().map(|name| (*name).to_owned()).chain(varied).collect();
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let quoted: Vec<&str> = quoted.iter().map(String::as_str).collect();
    print_frame(context, &frame.select(&quoted).map_err(Fault::from)?, false);
    Ok(())
}

fn show(matches: &ArgMatches, context: &Context) -> Result<(), Diagnostic> {
    let run = RunDir::open(&path(matches, "run")).map_err(Fault::from)?;
    let book = Book::read(run.path());
    let entry = book.entries().first();
    // The figures of a run whose record is damaged are worth a look.
    let record = run.read_record().map_err(|error| context.host.note(&error.to_string())).ok();
    problems_in(&run).iter().for_each(|problem| context.host.note(problem));
    if matches.get_flag("json") {
        let whole = serde_json::json!({ "run": entry, "record": record });
        context.host.print(&whole.to_string());
        return Ok(());
    }
    let rows = shown(&run, entry, record.as_ref());
    context.host.print(&rows.iter().map(|(name, text)| format!("{name}: {text}")).collect::<Vec<_>>().join("\n"));
    Ok(())
}

fn shown(run: &RunDir, entry: Option<&Entry>, record: Option<&Record>) -> Vec<(String, String)> {
    let mut rows = vec![("folder".to_owned(), run.path().display().to_string())];
    let mut add = |name: &str, text: Option<String>| rows.extend(text.map(|text| (name.to_owned(), text)));
    if let Some(entry) = entry {
        let bits = |bits: Option<f64>| bits.map(|bits| format!("{bits:.4} bits/byte"));
        let total = entry.total.map_or_else(String::new, |total| format!(" of {total}"));
        add("state", Some(entry.state.to_string()));
        add("reason", entry.reason.clone());
        add("steps", Some(format!("{}{total}", entry.steps)));
        add("seconds", entry.seconds.map(|seconds| format!("{seconds:.1}")));
        add("last validation", bits(entry.val_bits_per_byte));
        add("best validation", bits(entry.best_bits_per_byte));
        add("best step", entry.best_step.map(|step| step.to_string()));
    }
    if let Some(record) = record {
        add("label", record.label.clone());
        add("parent", record.parent.clone());
        add("forked from", record.forked_from.as_ref().map(|origin| format!("{} at step {}", origin.run, origin.step)));
        add("signature", Some(record.signature.clone()));
        add("code", Some(format!("wasabi {}, {}", record.versions.wasabi, record.revision)));
        add("device", Some(format!("{}, {} threads", record.device, record.threads)));
        add("seed", Some(record.seed.to_string()));
        for (name, value) in flatten(record) {
            add(&name, Some(if value.is_null() { "none".to_owned() } else { value.to_string() }));
        }
    }
    rows
}

fn exported(matches: &ArgMatches, context: &Context) -> Result<(), Diagnostic> {
    let forms: Vec<Form> = match matches.get_many::<String>("form") {
        None => vec![Form::Csv, Form::Parquet, Form::TensorBoard],
        Some(named) => named
            .map(|name| match name.as_str() {
                "csv" => Form::Csv,
                "parquet" => Form::Parquet,
                _ => Form::TensorBoard,
            })
            .collect(),
    };
    let to = path(matches, "to");
    each(matches, |run| {
        let folder = to.join(named(run.path()));
        let (paths, problems) = export(run, &folder, &forms).map_err(Fault::from)?;
        problems.iter().for_each(|problem| context.host.note(problem));
        paths.iter().for_each(|path| context.host.print(&path.display().to_string()));
        Ok(())
    })
}

/// The name of a run's folder, whichever way it was given.
fn named(path: &Path) -> String {
    let whole = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    whole.file_name().map_or_else(|| "run".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn print_frame(context: &Context, frame: &Frame, json: bool) {
    if !json {
        return context.host.print(&show_table(frame, context.host.width()));
    }
    let row = |row: usize| {
        let cell = |name: &&str| {
            let value: serde_json::Value = match frame.get(name, row) {
                None => serde_json::Value::Null,
                Some(Value::Int(value)) => value.into(),
                Some(Value::Real(value)) => value.into(),
                Some(Value::Text(value)) => value.into(),
                Some(Value::Bool(value)) => value.into(),
            };
            ((*name).to_owned(), value)
        };
        serde_json::Value::Object(frame.columns().iter().map(cell).collect())
    };
    let rows: Vec<String> = (0..frame.height()).map(|at| row(at).to_string()).collect();
    context.host.print(&format!("[{}]", rows.join(",\n ")));
}
