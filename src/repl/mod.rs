//! The prompt: reading lines, showing values, Ctrl-C; and the terminal that scripts report to.
//!
//! Lives here: line editing with history and multi-line input, the prompt's own commands, progress bars. Does not: the
//! language, which is `script`'s. May use: `script`, `interrupt`, `device`. With `cli` it is the only room that prints.

mod commands;
mod console;
mod helper;
mod signals;

use std::path::PathBuf;
use std::rc::Rc;

use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor};

use crate::script::{Cause, Host, Session};
pub use console::Console;
pub use signals::listen;

use helper::PromptHelper;

const PROMPT: &str = "wasabi> ";

/// The most lines that the history keeps.
const HISTORY: usize = 10_000;

/// Reads, evaluates and shows until Ctrl-D.
///
/// # Errors
/// When the terminal cannot be read.
pub fn run(session: Session, console: &Console) -> Result<(), String> {
    let session = Rc::new(std::cell::RefCell::new(session));
    let mut editor = editor(console, Rc::clone(&session)).map_err(|error| format!("cannot read lines: {error}"))?;
    let history = history_file();
    if let Some(path) = &history {
        // Absent at the first start.
        drop(editor.load_history(path));
    }
    console.print(&greeting());
    loop {
        match editor.readline(PROMPT) {
            Ok(line) if line.trim().is_empty() => {}
            Ok(line) => {
                remember(&mut editor, &line, history.as_ref());
                answer(&mut session.borrow_mut(), console, &line);
            }
            Err(ReadlineError::Interrupted) => {} // the line is thrown away, the session lives
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(format!("cannot read lines: {error}")),
        }
    }
}

fn greeting() -> String {
    format!("wasabi {}: `help` lists the functions, Ctrl-C stops work, Ctrl-D leaves", env!("CARGO_PKG_VERSION"))
}

/// Evaluates one input and shows what came of it.
fn answer(session: &mut Session, console: &Console, line: &str) {
    if let Some(reply) = commands::answer(session, line) {
        console.print(&reply);
        return;
    }
    match session.evaluate(line) {
        Ok(Some(value)) => console.print(&value),
        Ok(None) => {}
        Err(diagnostic) if diagnostic.cause == Cause::Interrupt => {
            let notes = diagnostic.notes.iter().map(|note| format!("; {note}"));
            console.error(&format!("{}{}", diagnostic.message, notes.collect::<String>()));
        }
        Err(diagnostic) => console.report(&diagnostic),
    }
}

fn editor(
    console: &Console,
    session: Rc<std::cell::RefCell<Session>>,
) -> rustyline::Result<Editor<PromptHelper, FileHistory>> {
    let config = Config::builder()
        .max_history_size(HISTORY)?
        .history_ignore_dups(true)?
        .history_ignore_space(true)
        .completion_type(CompletionType::List)
        .bracketed_paste(true)
        .build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(PromptHelper::new(session, console.colour())));
    Ok(editor)
}

/// Keeps `line` now, not at the end: a session that is killed loses nothing.
fn remember(editor: &mut Editor<PromptHelper, FileHistory>, line: &str, file: Option<&PathBuf>) {
    drop(editor.add_history_entry(line));
    if let Some(path) = file {
        // A home that cannot be written costs the history of this session, and nothing else.
        drop(path.parent().map(std::fs::create_dir_all));
        drop(editor.append_history(path));
    }
}

/// `WASABI_HISTORY`, else `wasabi/history` in the XDG state folder.
fn history_file() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    folder("WASABI_HISTORY")
        .or_else(|| Some(folder("XDG_STATE_HOME")?.join("wasabi/history")))
        .or_else(|| Some(folder("HOME")?.join(".local/state/wasabi/history")))
}
