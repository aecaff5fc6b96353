//! The language: scripts that run end to end, and mistakes whose diagnostics stand above their line.
//!
//! A script in `tests/scripts` may name what it needs with `param("data", "")` (a corpus of tones), `param("out", "")` (a
//! folder to write to) and `param("run", "")` (a run of two steps). What it should print stands in lines
//! `// prints: text`; how it should fail in `// error: LINE:COLUMN text` and `// hint: text`, where `…` stands for any text.
//! A line of `// ---` ends one script and begins the next.

use std::path::{Path, PathBuf};

use wasabi::script::Diagnostic;

use crate::script_fixture::{Listener, TINY, scratch, tiny_run, tones, tones_corpus};

/// One script with what it should do.
struct Expected {
    text: String,
    prints: Vec<String>,
    error: Option<String>,
    hints: Vec<String>,
}

fn scripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let entries = std::fs::read_dir(folder).expect("tests/scripts exists");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "rhai"));
    paths.sort();
    assert!(!paths.is_empty(), "tests/scripts holds no script");
    paths
}

/// The scripts of a file; each keeps the line numbers that it has there.
fn parts(text: &str) -> Vec<Expected> {
    let mut parts = Vec::new();
    let mut line_number = 0;
    for part in text.split_inclusive("// ---\n") {
        let said = |word: &str| -> Vec<String> {
            let lines = part.lines().filter_map(|line| line.trim().strip_prefix(word));
            lines.map(|rest| rest.trim().to_owned()).collect()
        };
        let errors = said("// error:");
        assert!(errors.len() <= 1, "a script ends with its first error: {errors:?}");
        parts.push(Expected {
            text: format!("{}{part}", "\n".repeat(line_number)),
            prints: said("// prints:"),
            error: errors.into_iter().next(),
            hints: said("// hint:"),
        });
        line_number += part.matches('\n').count();
    }
    parts
}

/// `pattern` with `…` for any text.
fn fits(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('…');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let pieces: Vec<&str> = pieces.collect();
    for (at, piece) in pieces.iter().enumerate() {
        let found = if at + 1 == pieces.len() { rest.len().checked_sub(piece.len()) } else { rest.find(piece) };
        match found.filter(|found| rest.is_char_boundary(*found) && rest[*found..].starts_with(piece)) {
            Some(found) => rest = &rest[found + piece.len()..],
            None => return false,
        }
    }
    rest.is_empty()
}

fn short(diagnostic: &Diagnostic) -> String {
    let (line, column) = diagnostic.position().unwrap_or_default();
    format!("{line}:{column} {}", diagnostic.message)
}

fn check(name: &str, expected: &Expected) -> Result<(), String> {
    let out = scratch(&format!("out-{}", name.replace(['/', '.'], "-")));
    let values = [("data", tones().to_path_buf()), ("out", out), ("run", tiny_run().to_path_buf())];
    let values: Vec<(&str, String)> = values
        .into_iter()
        .filter(|(key, _)| expected.text.contains(&format!("param(\"{key}\"")))
        .map(|(key, path)| (key, path.display().to_string()))
        .collect();
    let given: Vec<(&str, &str)> = values.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let listener = Listener::default();
    let outcome = listener.run(name, &expected.text, &given);
    match (&expected.error, outcome) {
        (None, Err(diagnostic)) => Err(format!("should run, but:\n{diagnostic}")),
        (Some(error), Ok(())) => Err(format!("should fail with `{error}`, but runs")),
        (Some(error), Err(diagnostic)) if !fits(error, &short(&diagnostic)) => {
            Err(format!("should fail with `{error}`, but with `{}`:\n{diagnostic}", short(&diagnostic)))
        }
        (_, Err(diagnostic))
            if diagnostic.hints.len() != expected.hints.len()
                || !expected.hints.iter().zip(&diagnostic.hints).all(|(pattern, hint)| fits(pattern, hint)) =>
        {
            Err(format!("should hint {:?}, but:\n{diagnostic}", expected.hints))
        }
        _ => {
            let lines = listener.lines();
            let mut printed = lines.iter();
            let missing = expected.prints.iter().find(|wanted| !printed.any(|line| fits(wanted, line)));
            missing.map_or(Ok(()), |wanted| Err(format!("should print `{wanted}` next, but printed {lines:#?}")))
        }
    }
}

#[test]
fn every_script_does_what_stands_above_its_lines() {
    let mut wrong = Vec::new();
    for path in scripts() {
        let text = std::fs::read_to_string(&path).expect("a readable script");
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        for expected in parts(&text) {
            wrong.extend(check(&name, &expected).err().map(|fault| format!("{name}: {fault}")));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n\n"));
}

#[test]
fn a_pattern_fits_what_it_should_and_nothing_else() {
    assert!(fits("a … c", "a long c") && fits("abc", "abc") && fits("…c", "c") && fits("a…", "abc"));
    assert!(!fits("a", "ab") && !fits("a…c", "ab") && !fits("…b", "abc") && !fits("a…b…c", "acb"));
}

#[test]
fn a_misspelt_option_is_underlined_with_its_call_and_the_nearest_name() {
    let fault = Listener::default().run("scripts/sc09.rhai", "let net = sashimi(#{ d_modle: 64 });\n", &[]);
    insta::assert_snapshot!(fault.expect_err("misspelt"), @r"
    error: unknown option `d_modle` for sashimi
     --> scripts/sc09.rhai:1:22
      |
    1 | let net = sashimi(#{ d_modle: 64 });
      |           -------    ^^^^^^^
      |
      = hint: did you mean `d_model`?
    ");
}

#[test]
fn an_error_in_a_function_shows_the_calls_that_led_there() {
    let script = "fn inner(x) { x.size }\nfn outer(x) { inner(x) }\nouter(3);\n";
    let fault = Listener::default().run("calls.rhai", script, &[]).expect_err("no such property");
    insta::assert_snapshot!(fault, @r"
    error: an integer has no property `size`
     --> calls.rhai:1:17
      |
    1 | fn inner(x) { x.size }
      |                 ^^^^
    2 | fn outer(x) { inner(x) }
      |               ----- in this call of `inner`
    3 | outer(3);
      | ----- in this call of `outer`
    ");
}

#[test]
fn a_rooms_error_stands_beneath_the_line_that_asked_for_it() {
    let script =
        format!("let music = {};\nlet run = train(\n    sashimi(#{{ pool: [3] }}), music, #{{}});", tones_corpus());
    let fault = Listener::default().run("pool.rhai", &script, &[]).expect_err("512 does not divide by 3");
    assert_eq!(fault.position(), Some((2, 11)));
    assert!(fault.message.contains("512") && fault.message.contains("[3]"), "{fault}");
    assert_eq!(fault.hints.len(), 1, "{fault}");
}

#[test]
fn variables_and_functions_outlive_a_line_and_an_error() {
    let mut session = Listener::default().session();
    assert_eq!(session.evaluate("let a = 40; fn add(x) { x + 2 }").map_err(|e| e.message), Ok(None));
    assert_eq!(session.evaluate("let b = 1; throw \"no\"").map_err(|e| e.message), Err("no".to_owned()));
    assert_eq!(session.evaluate("add(a) + b").map_err(|e| e.message), Ok(Some("43".to_owned())));
    assert_eq!(session.evaluate("\"text\"").map_err(|e| e.message), Ok(Some("\"text\"".to_owned())));
}

#[test]
fn an_error_in_a_function_typed_earlier_points_at_the_line_where_it_was_typed() {
    let mut session = Listener::default().session();
    session.evaluate("let a = 1;\nlet b = 2;").expect("two lines");
    session.evaluate("fn last(x) {\n    x[9]\n}").expect("a function");
    let fault = session.evaluate("last([a, b])").expect_err("index 9 of 2");
    insta::assert_snapshot!(fault, @r"
    error: index 9 is outside an array of 2
     --> prompt:4:7
      |
    4 |     x[9]
      |       ^
    5 | }
    6 | last([a, b])
      | ---- in this call of `last`
    ");
}

#[test]
fn input_is_complete_when_nothing_is_open() {
    let session = Listener::default().session();
    for open in ["train(net,", "fn f(x) {", "let a =", "1 +", "`text", "/* note", "if true {", "#{ a: 1,"] {
        assert!(!session.is_complete(open), "{open}");
    }
    for whole in ["1 + 1", "let a = [1];", "fn f(x) { x }", "print(\"(\")", "\"text", "let a = ; 1", ")"] {
        assert!(session.is_complete(whole), "{whole}");
    }
}

#[test]
fn a_recursion_without_an_end_is_an_error_and_not_a_crash() {
    let fault = Listener::default().run("deep.rhai", "fn f(n) { f(n + 1) }\nf(0);", &[]).expect_err("endless");
    assert_eq!(fault.message, "functions call each other too deeply");
    let nested = format!("{}1{}", "(".repeat(4000), ")".repeat(4000));
    let fault = Listener::default().run("nested.rhai", &nested, &[]).expect_err("nested");
    assert_eq!(fault.message, "this expression is nested too deeply");
}

#[test]
fn an_endless_loop_stops_when_asked() {
    let listener = Listener::default();
    let interrupt = listener.interrupt.clone();
    let asker = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(200));
        interrupt.set();
    });
    let stopped = listener.run("loop.rhai", "try { loop {} } catch { print(\"caught\") }", &[]).expect_err("stopped");
    asker.join().expect("the asker");
    assert_eq!(stopped.cause, wasabi::script::Cause::Interrupt);
    assert_eq!(listener.lines(), Vec::<String>::new(), "a catch must not hold an interrupt");
}

#[test]
fn an_interrupted_training_leaves_its_run_in_a_variable() {
    let out = scratch("interrupted");
    let listener = Listener::stopping_at(2);
    let mut session = listener.session();
    let corpus = tones_corpus();
    let text = format!(
        "let run = train({TINY}, {corpus}, #{{ steps: 500, batch: 1, out: \"{}\" }});",
        out.join("run").display()
    );
    let stopped = session.evaluate(&text).expect_err("interrupted");
    assert_eq!(stopped.cause, wasabi::script::Cause::Interrupt, "{stopped}");
    let steps = session.evaluate("last_run.steps").expect("the run so far").expect("a number");
    let place = format!("saved in {}, up to step {steps}", out.join("run").display());
    assert!(stopped.notes.iter().any(|note| note.contains(&place)), "{:?}", stopped.notes);
    assert!((2..20).contains(&steps.parse::<i64>().expect("a number")), "{steps}");
    assert_eq!(session.evaluate("last_run.frame().height > 0").map_err(|e| e.message), Ok(Some("true".to_owned())));
}

#[test]
fn a_training_that_is_given_up_is_in_reach_as_its_last_checkpoint_has_it() {
    let out = scratch("given-up").join("run");
    let mut session = Listener::giving_up_at(5).session();
    session.evaluate("let kept = 41;").expect("a variable");
    let options = format!("steps: 500, batch: 1, checkpoint_every: 2, eval_windows: 1, out: \"{}\"", out.display());
    let text = format!("let run = train({TINY}, {}, #{{ {options} }});", tones_corpus());
    let stopped = session.evaluate(&text).expect_err("given up");
    let told = format!("{} holds the run up to step 4", out.display());
    assert!(stopped.notes.iter().any(|note| note.contains(&told)), "{:?}", stopped.notes);
    let stands = session.evaluate("`${last_run.steps} ${last_run.stop} ${kept}`").expect("the run");
    assert_eq!(stands.as_deref(), Some("\"4 interrupted 41\""));
}

#[test]
fn other_settings_for_a_run_that_is_done_are_refused_before_anything_is_made() {
    let out = scratch("done");
    let listener = Listener::default();
    let mut session = listener.session();
    let options = format!("steps: 2, batch: 1, eval_windows: 1, out: \"{}\"", out.join("run").display());
    session.evaluate(&format!("let run = train({TINY}, {}, #{{ {options} }});", tones_corpus())).expect("a run");
    for call in [
        "run.resume(#{ lr: 0.001 })",
        "run.resume(#{ steps: 2, lr: 0.001 })",
        "run.fork(#{ lr: 0.001, out: run.folder + \"-fork\" })",
    ] {
        let refused = session.evaluate(call).expect_err(call);
        assert!(refused.message.contains("all of the run's 2 steps are done"), "{refused}");
        assert!(refused.hints.iter().any(|hint| hint.contains("steps: 4")), "{:?}", refused.hints);
        assert!(refused.position().is_some_and(|(_, column)| column > 10), "the caret is on the option");
    }
    // `train` into a run that is there already keeps to the same rules, and leaves the record as it is.
    let record = std::fs::read_to_string(out.join("run/run.toml")).expect("a record");
    for (setting, told) in [("seed: 5", "keeps its own"), ("batch: 2", "keeps its own"), ("lr: 0.1", "are done")] {
        let options = options.replace("batch: 1, ", if setting.starts_with("batch") { "" } else { "batch: 1, " });
        let call = format!("train({TINY}, {}, #{{ {options}, existing: \"continue\", {setting} }})", tones_corpus());
        let refused = session.evaluate(&call).expect_err(&call);
        assert!(refused.message.contains(told), "{refused}");
    }
    let again = format!("train({TINY}, {}, #{{ {options}, existing: \"continue\" }}).steps", tones_corpus());
    assert_eq!(session.evaluate(&again).expect("the same run").as_deref(), Some("2"));
    assert_eq!(std::fs::read_to_string(out.join("run/run.toml")).expect("a record"), record);
    assert!(!out.join("run-fork").exists(), "nothing is made for what is refused");
    for call in
        ["run.resume().steps", "run.resume(#{ steps: 2 }).steps", "run.fork(#{ out: run.folder + \"-copy\" }).steps"]
    {
        assert_eq!(session.evaluate(call).expect(call).as_deref(), Some("2"), "asking for nothing else is fine");
    }
}

#[test]
fn runs_in_a_figure_have_the_labels_that_they_are_given_or_names_that_tell_them_apart() {
    let out = scratch("labels");
    let copy = out.join(tiny_run().file_name().expect("a name"));
    std::fs::create_dir_all(copy.join("checkpoints")).expect("a folder");
    for file in ["run.toml", "metrics.jsonl"] {
        std::fs::copy(tiny_run().join(file), copy.join(file)).expect("a copy");
    }
    let (one, two) = (tiny_run().display(), copy.display());
    let script = format!(
        "let a = load_run(\"{one}\"); let b = load_run(\"{two}\");\n\
         loss_curve([[\"8 layers\", a], b]).save(\"{0}/given.svg\");\n\
         curves([a, b], \"step\", \"loss\").save(\"{0}/apart.svg\");",
        out.display()
    );
    Listener::default().run("labels.rhai", &script, &[]).expect("two figures");
    let svg = |name: &str| std::fs::read_to_string(out.join(name)).expect("a figure");
    assert!(svg("given.svg").contains("8 layers"), "the label that is given");
    let apart = svg("apart.svg");
    let tails = [tiny_run(), &copy].map(|run| {
        let parent =
            run.parent().and_then(|parent| parent.file_name()).expect("a folder").to_string_lossy().into_owned();
        format!("{parent}/{}", run.file_name().expect("a name").to_string_lossy())
    });
    assert!(tails.iter().all(|tail| apart.contains(tail)), "namesakes have their folders: {tails:?}");
}

#[test]
fn a_skipped_file_is_noted_and_training_shows_its_validations() {
    let folder = scratch("skipped");
    for entry in std::fs::read_dir(tones()).expect("tones").filter_map(Result::ok) {
        let name = entry.file_name();
        drop(std::fs::copy(entry.path(), folder.join(&name)));
    }
    std::fs::write(folder.join("torn.wav"), b"RIFF").expect("a writable folder");
    let listener = Listener::default();
    let (from, out) = (folder.display(), folder.join("run"));
    let script = format!(
        "let music = corpus(#{{ from: \"{from}\", window: 512, train_fraction: 0.67, on_error: \"skip\" }});\n\
         train({TINY}, music, #{{ steps: 1, batch: 1, eval_windows: 1, out: \"{}\" }});",
        out.display()
    );
    listener.run("skip.rhai", &script, &[]).expect("six good files");
    let told = listener.told();
    assert!(told.iter().any(|note| note.contains("torn.wav")), "{told:?}");
    assert!(told.iter().any(|line| line.starts_with("step 1: validation ") && line.contains("Markov")), "{told:?}");
}

#[test]
fn an_unknown_parameter_is_refused_before_anything_runs() {
    let listener = Listener::default();
    let script = "print(\"ran\");\nlet steps = param(\"steps\", 9);";
    let fault = listener.run("p.rhai", script, &[("stepz", "3")]).expect_err("unknown");
    assert_eq!(fault.cause, wasabi::script::Cause::Usage);
    assert_eq!(fault.hints, ["did you mean `--set steps=…`?"]);
    assert_eq!(listener.lines(), Vec::<String>::new());
}

#[test]
fn every_example_in_the_docs_runs() {
    let out = scratch("examples");
    let listener = Listener::default();
    let docs: Vec<(String, &str)> = listener
        .session()
        .docs()
        .iter()
        .filter(|doc| !doc.example.is_empty())
        .map(|doc| (doc.signature.to_owned(), doc.example))
        .collect();
    assert!(docs.len() > 20, "only {} examples", docs.len());
    let mut wrong = Vec::new();
    for (number, (signature, example)) in docs.iter().enumerate() {
        let out = out.join(number.to_string()).display().to_string();
        let (run, music) = (tiny_run().display().to_string(), tones_corpus());
        // `resume` goes on with a run of two steps that is finished: it validates and returns.
        let head = format!("let out = \"{out}\"; let run_folder = \"{run}\"; let music = {music};\n");
        let listener = Listener::default();
        if let Err(fault) = listener.run("example.rhai", &format!("{head}{example}"), &[]) {
            wrong.push(format!("{signature}\n{fault}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n\n"));
}

#[test]
fn every_function_that_we_add_is_documented() {
    let session = Listener::default().session();
    let documented: Vec<&str> = session.docs().iter().map(|doc| doc.name).collect();
    // Some of ours stand in for Rhai's own: `sleep` can be interrupted, `sqrt` takes integers. Its book tells of those.
    let of_rhai: Vec<String> = rhai::Engine::new().gen_fn_signatures(true);
    let is_of_rhai = |name: &str| of_rhai.iter().any(|signature| signature.split('(').next() == Some(name));
    let mut missing: Vec<String> = session.own_functions();
    missing.retain(|name| !documented.contains(&name.as_str()) && !is_of_rhai(name));
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn every_example_in_the_guide_runs() {
    let out = scratch("guide");
    let manual = Listener::default().session().manual();
    let guide = manual.split("\n# Reference").next().unwrap_or_default();
    let examples: Vec<&str> = guide.split("```rhai\n").skip(1).filter_map(|rest| rest.split("\n```").next()).collect();
    assert!(examples.len() > 8, "only {} examples", examples.len());
    let mut wrong = Vec::new();
    for (number, example) in examples.iter().enumerate() {
        let folder = out.join(number.to_string()).display().to_string();
        let (run, music) = (tiny_run().display().to_string(), tones_corpus());
        let head = format!("let out = \"{folder}\"; let run_folder = \"{run}\"; let music = {music};\n");
        if let Err(fault) = Listener::default().run("guide.rhai", &format!("{head}{example}"), &[]) {
            wrong.push(format!("{example}\n{fault}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n\n"));
}

#[test]
fn the_page_about_the_language_is_what_the_program_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/language.md");
    let manual = Listener::default().session().manual();
    if std::env::var_os("WASABI_UPDATE").is_some() {
        std::fs::write(&page, &manual).expect("docs can be written");
    }
    let found = std::fs::read_to_string(&page).unwrap_or_default();
    let differs = found.lines().zip(manual.lines()).position(|(old, new)| old != new);
    let line = differs.unwrap_or_else(|| found.lines().count().min(manual.lines().count())) + 1;
    assert!(
        found == manual,
        "docs/language.md is stale from line {line} on: wasabi defs --markdown > docs/language.md"
    );
}

#[test]
fn a_mistake_in_a_module_is_shown_in_the_modules_own_text() {
    let folder = scratch("module-mistake");
    std::fs::write(folder.join("common.rhai"), "// Shared.\nfn half(x) {\n    x.size\n}\n").expect("a module");
    let main = folder.join("main.rhai");
    let run = |text: &str| {
        std::fs::write(&main, text).expect("a script");
        Listener::default().session().run_file(&main, std::collections::BTreeMap::new()).expect_err("a mistake")
    };
    let fault = run("import \"common\" as c;\n\n\nlet y = c::half(3);\n");
    let mark = fault.mark.as_ref().expect("a place");
    assert!(mark.source.name().ends_with("common.rhai") && fault.position() == Some((3, 7)), "{fault}");
    assert!(fault.calls.iter().any(|call| call.source.name().ends_with("main.rhai")), "{fault}");
    let shown = fault.to_string();
    assert!(shown.contains("3 |     x.size") && shown.contains("4 | let y = c::half(3);"), "{shown}");

    let fault = run("import \"common\" as c;\nc::haff(3);\n");
    assert_eq!((fault.message.as_str(), fault.position()), ("the module `c` has no function `haff`", Some((2, 4))));
    assert_eq!(fault.hints, ["did you mean `c::half`?"]);

    std::fs::write(folder.join("common.rhai"), "fn half(x) {\n    x +\n}\n").expect("a module");
    let fault = run("import \"common\" as c;\nprint(1);\n");
    assert!(fault.mark.as_ref().is_some_and(|mark| mark.source.name().ends_with("common.rhai")), "{fault}");
}
