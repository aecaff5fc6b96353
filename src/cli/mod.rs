//! The command line: `wasabi`, `wasabi run`, `wasabi train|evaluate|generate|runs|verify|doctor`.
//!
//! Lives here: arguments, their help, exit codes. Does not: what the commands do, which is `script`'s for `run` and the
//! prompt, and the rooms' own for the rest. Flags of `train`, `evaluate` and `generate` come from the same tables of
//! options as the scripts' maps. May use: every room. With `repl` it is the only room that prints.

mod arguments;
mod doctor;
mod flags;
mod runs;
mod stream;
mod verify;
mod work;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use clap::ArgMatches;

use crate::device::{self, Selection};
use crate::interrupt::Interrupt;
use crate::metrics::{Frame, Row};
use crate::repl::{self, Console, Insistence};
use crate::script::{Cause, Context, Declared, Diagnostic, Fault, Session, actions, fenced, show_table};

/// How the program ends.
mod code {
    /// The script, or what it asked for, is wrong.
    pub(super) const FAILED: u8 = 1;
    /// The command line is wrong. clap ends with the same.
    pub(super) const USAGE: u8 = 2;
    /// wasabi is wrong: a panic reached the fence.
    pub(super) const BUG: u8 = 101;
    /// Ctrl-C: 128 + SIGINT, as shells have it.
    pub(super) const INTERRUPTED: u8 = 130;
}

/// Runs the program with the process's own arguments.
#[must_use]
pub fn main() -> ExitCode {
    let matches = arguments::command().get_matches();
    let console = Console::new();
    match guarded(|| dispatch(&matches, &console)) {
        Ok(code) => code,
        Err(diagnostic) => {
            // A script that ends itself has said what it wanted to say, unless it hands the message to `exit`.
            if !diagnostic.message.is_empty() {
                console.report(&diagnostic);
            }
            ExitCode::from(code_of(diagnostic.cause))
        }
    }
}

/// What `command` answers; a panic in it is an error like any other.
fn guarded<T>(command: impl FnOnce() -> Result<T, Diagnostic>) -> Result<T, Diagnostic> {
    fenced(command).flatten()
}

fn code_of(cause: Cause) -> u8 {
    match cause {
        Cause::Script => code::FAILED,
        Cause::Usage => code::USAGE,
        Cause::Interrupt => code::INTERRUPTED,
        Cause::Exit(code) => code,
        Cause::Bug => code::BUG,
    }
}

fn dispatch(matches: &ArgMatches, console: &Console) -> Result<ExitCode, Diagnostic> {
    let selection = setting::<Selection>(matches, "device").unwrap_or_default();
    let threads = setting::<usize>(matches, "threads");
    if let Err(error) = device::set_threads(threads) {
        console.report(&Diagnostic::from(Fault::from(error)));
        return Ok(ExitCode::from(code::USAGE));
    }
    let interrupt = Interrupt::default();
    let insistence = if matches.subcommand().is_none() { Insistence::Aborts } else { Insistence::Ends };
    repl::listen(interrupt.clone(), insistence)
        .map_err(|error| Diagnostic::new(format!("cannot listen for Ctrl-C: {error}")))?;
    let context = Context::new(Rc::new(console.clone()), interrupt, selection);
    match matches.subcommand() {
        None => repl::run(Session::new(context), console)?,
        Some(("run", found)) => run(found, context)?,
        Some(("train", found)) => work::train(found, &context)?,
        Some(("evaluate", found)) => work::evaluate(found, &context)?,
        Some(("generate", found)) => work::generate(found, &context)?,
        Some(("runs", found)) => runs::main(found, &context)?,
        Some(("verify", found)) => verify::run(found, &context)?,
        Some(("defs", found)) => defs(found, context)?,
        Some(("doctor", _)) => return Ok(doctor::print(console)),
        Some((name, _)) => return Err(Diagnostic::new(format!("no command `{name}`"))),
    }
    Ok(ExitCode::SUCCESS)
}

/// The value of a global flag, wherever on the line it stands.
fn setting<T: Clone + Send + Sync + 'static>(matches: &ArgMatches, name: &str) -> Option<T> {
    matches.get_one::<T>(name).cloned()
}

fn run(matches: &ArgMatches, context: Context) -> Result<(), Diagnostic> {
    let file = matches.get_one::<String>("file").map(String::as_str).unwrap_or_default();
    if matches.get_flag("params") {
        return parameters(Path::new(file), &context);
    }
    let pairs = matches.get_many::<(String, String)>("set").unwrap_or_default();
    let given: BTreeMap<String, String> = pairs.cloned().collect();
    Session::new(context).run_file(Path::new(file), given)
}

/// Lists what `--set` can change.
fn parameters(file: &Path, context: &Context) -> Result<(), Diagnostic> {
    let Declared { parameters, complete } = Session::parameters(file)?;
    let rows: Vec<Row> = parameters
        .into_iter()
        .map(|found| Row::new().with("parameter", found.name).with("default", found.default).with("about", found.about))
        .collect();
    if rows.is_empty() {
        context.host.print(if complete {
            "the script reads no parameter"
        } else {
            "no parameter's name is written out: names are computed, text is evaluated, or a module was not found"
        });
        return Ok(());
    } else {
        let frame = Frame::from_rows(&rows).map_err(Fault::from)?;
        context.host.print(&show_table(&frame, context.host.width()));
    }
    if !complete {
        context.host.note("it may read more: a name is computed, text is evaluated, or a module was not found");
    }
    Ok(())
}

/// Writes the definition files, or prints the language as a page.
fn defs(matches: &ArgMatches, context: Context) -> Result<(), Diagnostic> {
    let host = Rc::clone(&context.host);
    let session = Session::new(context);
    if matches.get_flag("markdown") {
        host.print(session.manual().trim_end());
        return Ok(());
    }
    let folder = matches.get_one::<PathBuf>("to").cloned().unwrap_or_default();
    actions::check_writable(&folder)?;
    for (name, text) in session.definitions() {
        let path = folder.join(name);
        std::fs::write(&path, text)
            .map_err(|error| Diagnostic::new(format!("cannot write {}: {error}", path.display())))?;
        host.print(&path.display().to_string());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_in_a_command_is_a_report_with_an_exit_code() {
        let report = guarded::<()>(|| panic!("attempt to multiply with overflow")).expect_err("it panicked");
        assert_eq!(report.message, "attempt to multiply with overflow");
        assert_eq!(code_of(report.cause), 101);
        let refused = guarded::<()>(|| Err(Diagnostic::new("no").of_usage())).expect_err("it was refused");
        assert_eq!(code_of(refused.cause), 2, "errors pass as they are");
        assert_eq!(guarded(|| Ok(7)), Ok(7));
    }
}
