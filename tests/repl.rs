//! The prompt, driven through a pseudo-terminal as a person would.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use expectrl::session::OsSession;
use expectrl::{ControlCode, Eof, Expect, Regex, Session};

use crate::script_fixture::{TINY, scratch, tiny_run, tones_corpus};

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
    ask(&mut session, "help", "schedules|Schedules");
    ask(&mut session, ":help Frame", "Methods that make another Frame");
    ask(&mut session, ":help figures", "heatmap\\(");
    ask(&mut session, "?frame.filter", "SQL condition");
    ask(&mut session, "??frame.filter", "example");
    session.send(ControlCode::EndOfTransmission).expect("Ctrl-D");
    session.expect(Eof).expect("Ctrl-D leaves");
}

#[test]
fn enter_continues_while_something_is_open() {
    let folder = scratch("repl-open");
    let mut session = prompt(&folder);
    session.send_line("let total = [1, 2,").expect("typing");
    session.expect("1, 2,\r\n").expect("a second line of the same input");
    session.send_line("    39].reduce(|sum, x| (sum ?? 0) + x);").expect("typing");
    session.expect("\u{1b}[?2004l").expect("the end of the input");
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
fn ctrl_c_twice_gives_the_work_up_and_variables_stay() {
    let folder = scratch("repl-twice");
    let mut session = prompt(&folder);
    ask(&mut session, &format!("let kept = 41; let music = {};", tones_corpus()), "\n");
    // An update of many passes takes seconds: the second request comes while the first still waits for its end.
    let net = "sashimi(#{ d_model: 256, n_layers: 6, pool: [4], d_state: 64 })";
    let options = "steps: 100000, batch: 1, accumulate: 40, eval_windows: 1, out: \"run\"";
    session.send_line(format!("let run = train({net}, music, #{{ {options} }});")).expect("typing");
    session.expect(Regex("training")).expect("a progress bar");
    let record = folder.join("run/run.toml");
    for _ in 0..1200 {
        if record.is_file() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(record.is_file(), "the run has begun");
    std::thread::sleep(Duration::from_millis(700)); // and its first update, too
    session.send(ControlCode::EndOfText).expect("Ctrl-C");
    // Far enough apart to be heard as two.
    std::thread::sleep(Duration::from_millis(300));
    session.send(ControlCode::EndOfText).expect("Ctrl-C again");
    session.expect("asked twice").expect("what happened");
    session.expect(PROMPT).expect("the prompt after both");
    ask(&mut session, "kept + 1", r"\b42\b");
    ask(&mut session, "music", "Corpus|files");
    ask(&mut session, "run.steps", "`run` was interrupted");
}

#[test]
fn what_an_interrupt_left_is_named_by_errors_and_by_a_saved_session() {
    let folder = scratch("repl-left");
    let mut session = prompt(&folder);
    ask(&mut session, &format!("let music = {};", tones_corpus()), "\n");
    let steps = "steps: 100000, batch: 1, eval_windows: 1, out: \"run\"";
    session.send_line(format!("let run = train({TINY}, music, #{{ {steps} }});")).expect("typing");
    session.expect(Regex("training.*bits/byte")).expect("a progress bar");
    session.send(ControlCode::EndOfText).expect("Ctrl-C");
    session.expect("last_run").expect("where the run so far is");
    session.expect(PROMPT).expect("the prompt after an interrupt");
    ask(&mut session, "run.steps", "`run` was interrupted: the run so far is in `last_run`");
    ask(&mut session, "last_run.name", "\"run\"\r\n");
    ask(&mut session, "_ + \"!\"", "run!");
    ask(&mut session, "nonsense(3)", "unknown function");
    ask(&mut session, ":save session", "session.rhai: 5 lines");
    session.send_line(":quit").expect("typing");
    session.expect(Eof).expect(":quit leaves");
    let saved = std::fs::read_to_string(folder.join("session.rhai")).expect("the saved session, with its extension");
    assert!(saved.contains("let last_run = load_run(\"run\");\n"), "{saved}");
    assert!(saved.contains("let last_value = last_run.name;"), "{saved}");
    assert!(!saved.contains("train(") && !saved.contains("nonsense"), "{saved}");
    let run = Command::new(env!("CARGO_BIN_EXE_wasabi"))
        .current_dir(&folder)
        .args(["--device", "cpu", "run", "session.rhai"])
        .output()
        .expect("the program starts");
    assert_eq!(String::from_utf8_lossy(&run.stdout), "run\nrun!\n", "{}", String::from_utf8_lossy(&run.stderr));
}

#[test]
fn tab_asks_nothing_so_that_what_is_typed_ahead_stays() {
    let folder = scratch("repl-ahead");
    let mut session = prompt(&folder);
    ask(&mut session, "let f = table([\"n\"], [[7]]); let y = 20;", "\n");
    session.get_process_mut().set_window_size(60, 9).expect("a low screen");
    // Far more candidates than fit on the screen, and then a letter that an answer could be.
    session.send("f.\t").expect("typing");
    session.expect("more").expect("a list that ends with how many are left");
    session.send("height + y\r").expect("typing");
    session.expect(Regex(r"\b21\b")).expect("nothing typed was lost");
    session.expect(PROMPT).expect("the prompt");
}

#[test]
fn a_brace_stands_under_what_it_closes() {
    let folder = scratch("repl-brace");
    let mut session = prompt(&folder);
    session.send("fn thrice(x) {\rif x > 2 {\r3 * x\r}\r}\r").expect("typing");
    session.expect(PROMPT).expect("the prompt after the function");
    ask(&mut session, "thrice(14)", r"\b42\b");
    let history = std::fs::read_to_string(folder.join("history")).expect("a history");
    assert!(history.contains("fn thrice(x) {\\n    if x > 2 {\\n        3 * x\\n    }\\n}\n"), "{history}");
}

#[test]
fn the_shell_is_one_mark_away_and_a_negation_stays_one() {
    let folder = scratch("repl-shell");
    let mut session = prompt(&folder);
    ask(&mut session, "!echo $((20 + 3))", r"\b23\b");
    ask(&mut session, "!exit 3", "exit status: 3");
    ask(&mut session, "let done = false;", "\n");
    ask(&mut session, "!done", "true");
    ask(&mut session, "6 * 7", r"\b42\b");
    ask(&mut session, "_ + 1", r"\b43\b");
    ask(&mut session, ":set theme", "auto.*paper, dark");
    session.send_line("exit").expect("typing");
    session.expect(Eof).expect("`exit` leaves");
}

#[test]
fn a_wide_frame_says_what_it_hides_and_how_to_see_it() {
    let folder = scratch("repl-wide");
    let mut session = prompt(&folder);
    let names: Vec<String> = (0..30).map(|n| format!("\"column_{n}\"")).collect();
    let cells: Vec<String> = (0..30).map(|n| n.to_string()).collect();
    let line = format!("table([{}], [[{}]])", names.join(", "), cells.join(", "));
    ask(&mut session, &line, r"more columns: column_");
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

#[test]
fn tab_completes_and_what_a_call_wants_stands_behind_the_cursor() {
    let folder = scratch("repl-tab");
    let mut session = prompt(&folder);
    ask(&mut session, "let net = sashimi(#{ d_model: 8, n_layers: 1, pool: [4], d_state: 8 });", "\n");
    session.send("net.para\t").expect("typing");
    session.expect("net.parameters").expect("the property's name");
    session.send_line("").expect("Enter");
    session.expect(Regex(r"\b[0-9]{4,}\b")).expect("how many there are");
    session.expect(PROMPT).expect("the prompt");
    session.send("train(net, ").expect("typing");
    session.expect("corpus").expect("the next argument");
    let mut session = prompt(&folder);
    session.send("isotropic(#{ d_st\t").expect("typing");
    session.expect(Regex("integer = 64")).expect("the option's name was completed, and its default stands behind it");
}

#[test]
fn the_folder_of_a_run_is_completed_from_its_name() {
    let folder = scratch("repl-runs");
    let run = folder.join("experiments/first");
    std::fs::create_dir_all(run.parent().expect("a parent")).expect("a folder");
    let copied = Command::new("cp").arg("-r").args([tiny_run(), &run]).status().expect("cp");
    assert!(copied.success());
    let mut session = prompt(&folder);
    session.send("load_run(\"fir\t").expect("typing");
    session.expect("experiments/first").expect("the folder for the name");
    session.send_line("\").steps").expect("typing");
    session.expect(Regex(r"\b2\b")).expect("the steps of the run");
    session.expect(PROMPT).expect("the prompt");
    ask(&mut session, ":runs", r"experiments/first +finished +2/2");
}

#[test]
fn a_pasted_block_runs_whole() {
    let folder = scratch("repl-paste");
    let mut session = prompt(&folder);
    session.send("\u{1b}[200~fn triple(x) {\n    3 * x\n}\nlet nine = triple(3);\u{1b}[201~").expect("pasting");
    session.send_line("").expect("Enter");
    session.expect(PROMPT).expect("the prompt after the block");
    ask(&mut session, "nine", r"\b9\b");
}

#[test]
fn commands_show_save_load_and_measure() {
    let folder = scratch("repl-commands");
    let mut session = prompt(&folder);
    ask(&mut session, "let width = 32; fn twice(x) { 2 * x }", "\n");
    ask(&mut session, "twice(width)", r"\b64\b");
    ask(&mut session, ":vars", r"width +integer +32");
    ask(&mut session, ":save session.rhai", "lines; run it with");
    ask(&mut session, ":tiem 1", "did you mean `:time`");
    ask(&mut session, ":time 1 + 1", "took");
    ask(&mut session, "twice?", "nothing is called");
    ask(&mut session, "?sashimi", "sashimi\\(");
    ask(&mut session, ":set theme drak", "auto, paper or dark");
    ask(&mut session, ":device", "CPU");
    ask(&mut session, ":runs", "no runs|run +state");
    session.send_line(":quit").expect("typing");
    session.expect(Eof).expect(":quit leaves");
    let saved = std::fs::read_to_string(folder.join("session.rhai")).expect("the saved session");
    assert!(saved.contains("print(twice(width));"), "{saved}");
    let mut session = prompt(&folder);
    ask(&mut session, ":load session.rhai", r"\b64\b");
    ask(&mut session, "twice(width) + 1", r"\b65\b");
}

#[test]
fn an_interrupted_run_is_resumed_from_its_variable() {
    let folder = scratch("repl-resume");
    let mut session = prompt(&folder);
    ask(&mut session, &format!("let music = {};", tones_corpus()), "\n");
    let options = "steps: 100000, batch: 1, eval_windows: 1, out: \"run\"";
    session.send_line(format!("let run = train({TINY}, music, #{{ {options} }});")).expect("typing");
    session.expect(Regex("training.*bits/byte")).expect("a progress bar");
    session.send(ControlCode::EndOfText).expect("Ctrl-C");
    session.expect("last_run").expect("where the run so far is");
    session.expect(PROMPT).expect("the prompt after an interrupt");
    ask(
        &mut session,
        "let more = last_run.resume(#{ steps: last_run.steps + 2 }); more.steps - last_run.steps",
        r"\b2\b",
    );
    ask(&mut session, "more", "finished after");
}

#[test]
fn an_endless_loop_ends_at_ctrl_c_and_variables_stay() {
    let folder = scratch("repl-loop");
    let mut session = prompt(&folder);
    ask(&mut session, "let kept = 41;", "\n");
    session.send_line("let n = 0; print(\"begun\"); loop { n += 1; }").expect("typing");
    session.expect("begun\r\n").expect("the loop under way");
    session.send(ControlCode::EndOfText).expect("Ctrl-C");
    session.expect("stopped as asked").expect("what happened");
    session.expect(PROMPT).expect("the prompt");
    ask(&mut session, "kept + 1", r"\b42\b");
}

#[test]
fn a_figure_is_drawn_in_characters_and_saved() {
    let folder = scratch("repl-figure");
    let mut session = prompt(&folder);
    ask(
        &mut session,
        "curves([[\"squares\", [1, 2, 3], [1, 4, 9]]], \"n\", \"n squared\")",
        "reports/prompt/figure-001.png",
    );
    assert!(folder.join("reports/prompt/figure-001.png").is_file());
    ask(&mut session, ":set graphics off", "\n");
    ask(&mut session, "silence(1)", "1.00 s");
}

#[test]
fn modules_stay_in_reach_from_one_line_to_the_next() {
    let folder = scratch("repl-modules");
    std::fs::write(folder.join("common.rhai"), "fn half(x) { x / 2 }").expect("a module");
    let mut session = prompt(&folder);
    ask(&mut session, "import \"common\" as c;", "\n");
    ask(&mut session, "c::half(84)", r"\b42\b");
    ask(&mut session, "c::half(86)", r"\b43\b");
}
