//! The prompt, driven through a pseudo-terminal as a person would.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use expectrl::session::OsSession;
use expectrl::{ControlCode, Eof, Expect, Regex, Session};

use crate::script_fixture::{TINY, scratch, tones_corpus};

type Prompt = OsSession;

const PROMPT: &str = "wasabi> ";

fn prompt(folder: &Path) -> Prompt {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wasabi"));
    command.current_dir(folder).args(["--device", "cpu", "--threads", "1"]);
    command.env("WASABI_HISTORY", folder.join("history")).env("NO_COLOR", "1").env("TERM", "xterm");
    let mut session = Session::spawn(command).expect("a pseudo-terminal");
    session.set_expect_timeout(Some(Duration::from_secs(120)));
    session.expect(PROMPT).expect("the prompt");
    session
}

/// Types a line and waits for what should be shown, then for the next prompt.
fn ask(session: &mut Prompt, line: &str, shown: &str) {
    session.send_line(line).expect("typing");
    session.expect(Regex(shown)).unwrap_or_else(|error| panic!("`{line}` should show `{shown}`: {error}"));
    session.expect(PROMPT).expect("the prompt after an answer");
}

#[test]
fn values_are_shown_and_live_on_and_mistakes_do_not_end_the_session() {
    let folder = scratch("repl-values");
    let mut session = prompt(&folder);
    ask(&mut session, "let a = 40; fn add(x) { x + 2 }", "\n");
    ask(&mut session, "add(a)", r"\b42\b");
    ask(&mut session, "table([\"n\"], [[7]])", "7");
    ask(&mut session, "sashimmi()", "did you mean `sashimi`");
    ask(&mut session, "add(a) + 1", r"\b43\b");
    ask(&mut session, "help(sashimi)", "d_state");
    ask(&mut session, "help", "functions");
    session.send(ControlCode::EndOfTransmission).expect("Ctrl-D");
    session.expect(Eof).expect("Ctrl-D leaves");
}

#[test]
fn enter_continues_while_something_is_open() {
    let folder = scratch("repl-open");
    let mut session = prompt(&folder);
    session.send_line("let total = [1, 2,").expect("typing");
    session.send_line("    39].reduce(|sum, x| (sum ?? 0) + x);").expect("typing");
    session.expect(PROMPT).expect("the prompt after the whole input");
    ask(&mut session, "total", r"\b42\b");
}

#[test]
fn history_outlives_the_session() {
    let folder = scratch("repl-history");
    let mut session = prompt(&folder);
    ask(&mut session, "let answer = 6 * 7;", "\n");
    session.send(ControlCode::EndOfTransmission).expect("Ctrl-D");
    session.expect(Eof).expect("Ctrl-D leaves");
    let mut session = prompt(&folder);
    session.send("\u{1b}[A").expect("the up arrow");
    session.expect("let answer = 6 * 7;").expect("the line of the former session");
    session.send_line("").expect("Enter");
    session.expect(PROMPT).expect("the prompt");
    ask(&mut session, "answer", r"\b42\b");
}

#[test]
fn ctrl_c_stops_training_and_returns_to_the_prompt_with_the_run() {
    let folder = scratch("repl-interrupt");
    let mut session = prompt(&folder);
    ask(&mut session, &format!("let music = {};", tones_corpus()), "\n");
    let steps = "steps: 100000, batch: 1, eval_windows: 1, out: \"run\"";
    session.send_line(format!("let run = train({TINY}, music, #{{ {steps} }});")).expect("typing");
    session.expect(Regex("training.*bits/byte")).expect("a progress bar");
    session.send(ControlCode::EndOfText).expect("Ctrl-C");
    session.expect("last_run").expect("where the run so far is");
    session.expect(PROMPT).expect("the prompt after an interrupt");
    ask(&mut session, "last_run", "Run run: interrupted after");
    ask(&mut session, "1 + 1", r"\b2\b");
}

#[test]
fn ctrl_c_at_the_prompt_throws_the_line_away() {
    let folder = scratch("repl-line");
    let mut session = prompt(&folder);
    session.send("let lost = ").expect("typing");
    session.send(ControlCode::EndOfText).expect("Ctrl-C");
    session.expect(PROMPT).expect("a fresh prompt");
    ask(&mut session, "3 * 3", r"\b9\b");
}
