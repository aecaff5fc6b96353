//! The prompt: reading lines, showing values, Ctrl-C; and the terminal that scripts report to.
//!
//! Lives here: line editing with history and multi-line input, the prompt's own commands, progress bars, figures drawn in a
//! terminal. Does not: the language, nor what could complete a word of it, which are `script`'s. May use: `script`, `plot`,
//! `interrupt`, `device`. With `cli` it is the only room that prints.

mod commands;
mod console;
mod graphics;
mod helper;
mod narrow;
mod signals;

use std::cell::RefCell;
use std::io::{self, BufRead, IsTerminal};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Instant;

use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Cmd, CompletionType, Config, Editor, EventHandler, KeyCode, KeyEvent, Modifiers};

use crate::script::{Cause, Diagnostic, Host, Session};
pub use console::Console;
pub use signals::{Insistence, listen};

use commands::Reply;
use helper::{Enter, PromptHelper};

const PROMPT: &str = "wasabi> ";

/// The most lines that the history keeps.
const HISTORY: usize = 10_000;

/// How many candidates Tab lists: more than there are, since to ask whether to show them takes what is typed next for the
/// answer.
const LISTED: usize = usize::MAX;

/// Reads, evaluates and shows until Ctrl-D or `:quit`. Without a terminal to type at, reads what is piped in.
///
/// # Errors
/// When the terminal cannot be read; and without a terminal, the first mistake.
pub fn run(session: Session, console: &Console) -> Result<(), Diagnostic> {
    if !io::stdin().is_terminal() {
        return piped(session, console);
    }
    let unreadable = |error: ReadlineError| Diagnostic::new(format!("cannot read lines: {error}"));
    let interrupt = session.context().interrupt.clone();
    let session = Rc::new(RefCell::new(session));
    let mut editor = editor(console, Rc::clone(&session)).map_err(unreadable)?;
    let history = history_file();
    if let Some(path) = &history {
        // Absent at the first start.
        drop(editor.load_history(path));
    }
    console.print(&greeting());
    loop {
        interrupt.set_idle(true);
        let line = editor.readline(PROMPT);
        interrupt.set_idle(false);
        match line {
            Ok(line) if line.trim().is_empty() => {}
            Ok(line) => {
                remember(&mut editor, &line, history.as_ref());
                match answer(&mut session.borrow_mut(), console, &line) {
                    Ok(After::Stay) => {}
                    Ok(After::Leave) => return Ok(()),
                    Err(diagnostic) if matches!(diagnostic.cause, Cause::Exit(_)) => return Err(diagnostic),
                    Err(diagnostic) => tell(console, &diagnostic),
                }
            }
            Err(ReadlineError::Interrupted) => {} // the line is thrown away, the session lives
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(unreadable(error)),
        }
    }
}

/// What is piped into the prompt: evaluated input by input, up to the first mistake.
fn piped(mut session: Session, console: &Console) -> Result<(), Diagnostic> {
    let mut input = String::new();
    let mut lines = io::stdin().lock().lines();
    loop {
        let line = lines.next().transpose().map_err(|error| Diagnostic::new(format!("cannot read lines: {error}")))?;
        let ended = line.is_none();
        if let Some(line) = line {
            input.push_str(&line);
            input.push('\n');
        }
        let finished = ended || commands::is_command(&input) || session.is_complete(&input);
        if finished
            && !input.trim().is_empty()
            && let After::Leave = answer(&mut session, console, &input)?
        {
            return Ok(());
        }
        if finished {
            input.clear();
        }
        if ended {
            return Ok(());
        }
    }
}

fn greeting() -> String {
    format!(
        "wasabi {}: :help lists functions and commands, Tab completes, Ctrl-C stops work, Ctrl-D leaves",
        env!("CARGO_PKG_VERSION")
    )
}

/// Whether the prompt comes back.
enum After {
    Stay,
    Leave,
}

/// Does what one input says, and shows what came of it.
fn answer(session: &mut Session, console: &Console, line: &str) -> Result<After, Diagnostic> {
    match commands::reply(session, console, line)? {
        Reply::Leave => return Ok(After::Leave),
        Reply::Say(text) if text.is_empty() => {}
        Reply::Say(text) => console.print(&text),
        Reply::Shell(command) => shell(session, &command)?,
        Reply::Evaluate { code, timed } => {
            let outcome = session.evaluate(&code);
            if let Ok(Some(value)) = &outcome {
                console.print(value);
            }
            if let Some(begun) = timed {
                console.note(&took(begun));
            }
            outcome?;
        }
    }
    Ok(After::Stay)
}

/// Runs a command of the shell on this terminal.
fn shell(session: &Session, command: &str) -> Result<(), Diagnostic> {
    let status = std::process::Command::new("sh").args(["-c", command]).status();
    session.context().interrupt.clear(); // a Ctrl-C was the command's
    let status = status.map_err(|error| Diagnostic::new(format!("cannot start a shell: {error}")))?;
    if status.success() { Ok(()) } else { Err(Diagnostic::new(format!("the shell's command ended with {status}"))) }
}

/// `took 1.24 s`.
fn took(begun: Instant) -> String {
    let seconds = begun.elapsed().as_secs_f64();
    match seconds {
        s if s >= 120.0 => format!("took {:.1} min", s / 60.0),
        s if s >= 1.0 => format!("took {s:.2} s"),
        s if s >= 1e-3 => format!("took {:.2} ms", s * 1e3),
        s => format!("took {:.0} µs", s * 1e6),
    }
}

/// An error, and an interrupt as the one line that it is.
fn tell(console: &Console, diagnostic: &Diagnostic) {
    if diagnostic.cause != Cause::Interrupt {
        return console.report(diagnostic);
    }
    let notes = diagnostic.notes.iter().map(|note| format!("; {note}"));
    console.error(&format!("{}{}", diagnostic.message, notes.collect::<String>()));
}

fn editor(console: &Console, session: Rc<RefCell<Session>>) -> rustyline::Result<Editor<PromptHelper, FileHistory>> {
    let config = Config::builder()
        .max_history_size(HISTORY)?
        .history_ignore_dups(true)?
        .history_ignore_space(true)
        .completion_type(CompletionType::List)
        .completion_show_all_if_ambiguous(true)
        .completion_prompt_limit(LISTED)
        .tab_stop(4)
        .bracketed_paste(true)
        .build();
    let mut editor = Editor::with_config(config)?;
    editor.bind_sequence(KeyEvent(KeyCode::Enter, Modifiers::NONE), EventHandler::Conditional(Box::new(Enter)));
    let helper = PromptHelper::new(session, console.colour());
    let brace = Box::new(helper.brace());
    editor.bind_sequence(KeyEvent(KeyCode::Char('}'), Modifiers::NONE), EventHandler::Conditional(brace));
    // Alt-Enter begins a new line wherever the cursor is.
    editor.bind_sequence(KeyEvent(KeyCode::Enter, Modifiers::ALT), Cmd::Newline);
    editor.set_helper(Some(helper));
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
