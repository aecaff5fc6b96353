//! What may stand on the command line.

use clap::{Arg, ArgAction, Command};

use super::{runs, verify, work};
use crate::device::Selection;

/// The program's arguments.
pub(super) fn command() -> Command {
    Command::new("wasabi")
        .version(concat!(env!("CARGO_PKG_VERSION"), " (", env!("WASABI_REVISION"), ")"))
        .about("An interactive workbench for S4 audio models. Without a command: the prompt.")
        .max_term_width(110)
        .subcommand_value_name("COMMAND")
        .arg(
            Arg::new("device")
                .long("device")
                .value_name("DEVICE")
                .global(true)
                .default_value("auto")
                .value_parser(|text: &str| {
                    text.parse::<Selection>().map_err(|error| match error.hint() {
                        Some(hint) => format!("{error}; {hint}"),
                        None => error.to_string(),
                    })
                })
                .help("Where to compute: auto, cpu, cuda, cuda:1"),
        )
        .arg(
            Arg::new("threads")
                .long("threads")
                .value_name("N")
                .global(true)
                .value_parser(clap::value_parser!(usize))
                .help("Threads within one operation [default: as many as CPUs]"),
        )
        .subcommand(run())
        .subcommand(work::train_command())
        .subcommand(work::evaluate_command())
        .subcommand(work::generate_command())
        .subcommand(runs::command())
        .subcommand(verify::command())
        .subcommand(defs())
        .subcommand(Command::new("doctor").about("Say what this machine has, and how to mend what it lacks"))
}

fn run() -> Command {
    Command::new("run")
        .about("Run a script")
        .arg(
            Arg::new("file").value_name("FILE").required(true).help("The script, a .rhai file; - reads standard input"),
        )
        .arg(
            Arg::new("set")
                .long("set")
                .value_name("KEY=VALUE")
                .action(ArgAction::Append)
                .value_parser(pair)
                .help("Set a parameter that the script reads with param(\"KEY\", default); may be repeated"),
        )
        .arg(
            Arg::new("params")
                .long("params")
                .action(ArgAction::SetTrue)
                .conflicts_with("set")
                .help("List the parameters that --set can change, and run nothing"),
        )
}

fn defs() -> Command {
    Command::new("defs")
        .about("Write what editors' Rhai support and people read about the language")
        .arg(
            Arg::new("to")
                .long("to")
                .value_name("FOLDER")
                .value_parser(clap::value_parser!(std::path::PathBuf))
                .default_value(".rhai")
                .help("Where the definition files (.d.rhai) go"),
        )
        .arg(
            Arg::new("markdown")
                .long("markdown")
                .action(ArgAction::SetTrue)
                .conflicts_with("to")
                .help("Print the language as one Markdown page instead: docs/language.md"),
        )
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("`{text}` has no `=`: write --set {text}=value"))?;
    if key.trim().is_empty() {
        return Err("the name before `=` is empty".to_owned());
    }
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}
