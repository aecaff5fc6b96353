//! Training from a script: errors in callbacks, Ctrl-C in them, what the record keeps, and how runs show themselves.

use crate::script_fixture::{Listener, TINY, scratch, tones_corpus};
use std::path::Path;
use std::rc::Rc;
use wasabi::experiment::{RunDir, State, summarize};
use wasabi::interrupt::Interrupt;
use wasabi::script::{Cause, Context, Host, Session, Task};

fn training(out: &Path, options: &str) -> String {
    let (corpus, out) = (tones_corpus(), out.display());
    format!("train({TINY}, {corpus}, #{{ steps: 5, batch: 1, eval_windows: 1, out: \"{out}\", {options} }})")
}

#[test]
fn an_error_in_a_callback_points_into_it_and_leaves_a_run_that_can_go_on() {
    let folder = scratch("callback-error");
    let out = folder.join("run");
    let corpus = tones_corpus();
    let script = format!(
        "let net = {TINY};\n\
         let music = {corpus};\n\
         let out = \"{}\";\n\
         let run = train(net, music, #{{ steps: 5, batch: 1, eval_windows: 1, out: out, on_step: |s| {{\n    \
             if s.step == 3 {{ s.los }}\n\
         }} }});\n",
        out.display()
    );
    let listener = Listener::default();
    let fault = listener.run("watched.rhai", &script, &[]).expect_err("no such property");
    insta::assert_snapshot!(fault, @r"
    error: a Step has no property `los`
     --> watched.rhai:5:24
      |
    4 | let run = train(net, music, #{ steps: 5, batch: 1, eval_windows: 1, out: out, on_step: |s| {
      |           ----- in this call of a closure
    5 |     if s.step == 3 { s.los }
      |                        ^^^
      |
      = hint: did you mean `log`?
    ");
    let summary = summarize(&RunDir::open(&out).expect("the run"));
    assert_eq!((summary.state, summary.steps), (State::Failed, 3));
    assert_eq!(summary.reason.as_deref(), Some("on_step failed: a Step has no property `los`"));
    assert!(listener.told().iter().any(|note| note.contains("goes on with it")), "{:?}", listener.told());
    let rest = format!("print(resume(\"{}\").steps)", out.display());
    listener.run("rest.rhai", &rest, &[]).expect("the rest");
    assert_eq!(listener.lines(), ["5"]);
}

#[test]
fn ctrl_c_in_a_callback_stops_saves_and_keeps_the_run_in_reach() {
    let folder = scratch("callback-interrupt");
    let listener = Listener::default();
    let mut session = listener.session();
    let interrupt = listener.interrupt.clone();
    let begun = folder.join("begun.csv");
    let callback =
        format!("on_step: |s| if s.step == 2 {{ table([\"n\"], [[1]]).to_csv(\"{}\"); loop {{}} }}", begun.display());
    let asker = std::thread::spawn(move || {
        // Not by the clock: the callback says when it loops.
        for _ in 0..6000 {
            if begun.is_file() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        interrupt.set();
    });
    let text = training(&folder.join("run"), &callback);
    let stopped = session.evaluate(&text).expect_err("interrupted");
    asker.join().expect("the asker");
    assert_eq!(stopped.cause, Cause::Interrupt, "{stopped}");
    let told = session.evaluate("`${last_run.steps} ${last_run.stop}`").expect("the run so far");
    assert_eq!(told.as_deref(), Some("\"2 interrupted\""));
    let rest = session.evaluate("last_run.resume().steps").expect("it goes on at the prompt");
    assert_eq!(rest.as_deref(), Some("5"));
}

#[test]
fn a_callback_that_trains_in_the_same_folder_is_refused_clearly() {
    let folder = scratch("callback-same-folder");
    let out = folder.join("run");
    let again = format!("on_step: |s| resume(\"{}\")", out.display());
    let fault = Listener::default().run("same.rhai", &training(&out, &again), &[]).expect_err("it is being trained");
    let holder = format!("is being trained right now, by process {} on ", std::process::id());
    assert!(fault.message.contains(&holder), "{fault}");
    assert_eq!(fault.hints.len(), 1, "{fault}");
}

#[test]
fn an_interrupt_in_a_run_within_a_run_ends_both_and_saves_both() {
    struct Inner(Listener);
    impl Host for Inner {
        fn print(&self, text: &str) {
            self.0.print(text);
        }
        fn note(&self, text: &str) {
            self.0.note(text);
        }
        fn begin(&self, name: &str, total: Option<u64>) -> Box<dyn Task> {
            // The outer run has 5 steps, the inner one 500.
            if total == Some(500) { Box::new(Stops(self.0.interrupt.clone())) } else { self.0.begin(name, total) }
        }
    }
    struct Stops(Interrupt);
    impl Task for Stops {
        fn advance(&mut self, done: u64, _message: &str) {
            if done >= 2 {
                self.0.set();
            }
        }
        fn line(&mut self, _text: &str) {}
    }
    let folder = scratch("nested-interrupt");
    let listener = Listener::default();
    let host = Rc::new(Inner(listener.clone()));
    let mut session = Session::new(Context::new(host, listener.interrupt.clone(), wasabi::device::Selection::Cpu));
    let (outer, inner) = (folder.join("outer"), folder.join("inner"));
    session.evaluate(&format!("let music = {}; let net = {TINY};", tones_corpus())).expect("a corpus");
    let nested = format!(
        "|s| if s.step == 2 {{ train(net, music, #{{ steps: 500, batch: 1, out: \"{}\" }}) }}",
        inner.display()
    );
    let text = format!("train(net, music, #{{ steps: 5, batch: 1, out: \"{}\", on_step: {nested} }})", outer.display());
    assert_eq!(session.evaluate(&text).expect_err("interrupted").cause, Cause::Interrupt);
    for (path, steps) in [(&inner, 2), (&outer, 2)] {
        let found = summarize(&RunDir::open(path).expect("a run"));
        assert_eq!((found.state, found.steps), (State::Interrupted, steps), "{}", path.display());
    }
    let last = session.evaluate("last_run.folder").expect("the outer run");
    assert_eq!(last, Some(format!("{:?}", outer.display().to_string())));
}

#[test]
fn the_record_holds_a_closure_of_a_file_in_its_own_words_and_a_changed_one_is_told() {
    let folder = scratch("callback-words");
    let (out, file) = (folder.join("run"), folder.join("watched.rhai"));
    let listener = Listener::default();
    let closure = "|s| { if s.step == 3 { s.stop() } }";
    std::fs::write(&file, training(&out, &format!("on_step: {closure}, lr: 0.001"))).expect("a script");
    listener.session().run_file(&file, std::collections::BTreeMap::new()).expect("a part");
    let record = RunDir::open(&out).expect("the run").read_record().expect("its record");
    assert_eq!(record.callbacks.get("on_step").map(String::as_str), Some(closure));
    std::fs::write(&file, format!("resume(\"{}\", #{{ on_step: |s| s.log(\"a\", 1) }});", out.display()))
        .expect("a script");
    listener.session().run_file(&file, std::collections::BTreeMap::new()).expect("the rest");
    assert!(listener.told().iter().any(|note| note.starts_with("on_step is not what")), "{:?}", listener.told());
}

#[test]
fn a_run_shows_its_curve_at_the_prompt_and_not_in_text() {
    let folder = scratch("run-curve");
    let mut session = Listener::default().session();
    session.evaluate(&format!("let run = {};", training(&folder.join("run"), "eval_every: 1"))).expect("a run");
    let shown = session.evaluate("run").expect("a run").expect("a line");
    let curve: Vec<char> = shown.chars().filter(|mark| ('▁'..='█').contains(mark)).collect();
    assert_eq!(curve.len(), 5, "{shown}");
    let text = session.evaluate("run.to_string()").expect("text").expect("a line");
    assert!(!text.contains(curve[0]) && text.contains("finished after 5 steps"), "{text}");
}

#[test]
fn variables_that_a_callback_shares_with_the_script_are_shared() {
    let folder = scratch("callback-capture");
    let listener = Listener::default();
    let script = format!(
        "let music = {}; let net = {TINY}; let seen = []; let out = \"{}\";\n\
         let run = train(net, music, #{{ steps: 3, batch: 1, eval_windows: 1, out: out, on_step: |s| {{\n\
             seen.push(s.step); if !net.is_trained && music.files().height == 6 {{ s.log(\"out\", out) }}\n\
         }} }});\n\
         print(seen); print(run.frame().column(\"out\").len());",
        tones_corpus(),
        folder.join("run").display()
    );
    listener.run("shared.rhai", &script, &[]).expect("a run");
    assert_eq!(listener.lines(), ["[1, 2, 3]", "4"]);
}
