//! Going on with a run under other settings, and in a run of its own.

use crate::train_run::{Notes, bits, config, corpus_in, frame, run_in, timeless, tiny_model};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use tch::{Device, Kind};
use wasabi::experiment::{RunDir, State, find_runs, summarize};
use wasabi::interrupt::Interrupt;
use wasabi::train::{Checkpoint, Fork, Resumed, Schedule, Silent, Stop, TrainConfig, TrainError, fork, resume};

impl Notes {
    fn has(&self, text: &str) -> bool {
        self.0.iter().any(|note| note.contains(text))
    }
}

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("the test's own settings are {other}"),
    }
}

fn again(run: &Path, changes: Value, notes: &mut Notes) -> Result<Resumed, TrainError> {
    resume(run, &map(changes), Device::Cpu, notes, &Interrupt::default())
}

fn forked(run: &Path, how: Value, changes: Value, notes: &mut Notes) -> Result<Resumed, TrainError> {
    let how: Fork = wasabi::options::parse(&map(how)).expect("where to fork");
    fork(run, &how, &map(changes), Device::Cpu, notes, &Interrupt::default())
}

/// A run of six updates on four files in `folder`, validated after 2, 4 and 6.
fn six(folder: &Path, schedule: Schedule) -> PathBuf {
    let corpus = corpus_in(&folder.join("audio"));
    let path = folder.join("six");
    let config = TrainConfig { schedule, eval_every: 2, ..config(6) };
    run_in(&mut tiny_model(Kind::Float), &corpus, &config, &path, &mut Silent).expect("a run");
    path
}

fn last(run: &Path) -> PathBuf {
    run.join("checkpoints/last.safetensors")
}

#[test]
fn more_steps_are_made_and_an_open_schedule_is_laid_over_all_of_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = six(folder.path(), Schedule::cosine(0.0, None));
    let mut notes = Notes::default();
    let done = again(&run, json!({ "steps": 12 }), &mut notes).expect("more steps");
    assert_eq!((done.outcome.stop, done.outcome.steps), (Stop::Finished, 12));
    assert!(notes.has("the learning rate of the next step is 0.002, and would have been 0"), "{:?}", notes.0);
    assert!(notes.has("laid over 12 steps") && notes.has("train.steps: 12, was 6"), "{:?}", notes.0);
    let lr = frame(&run).rows_where("split", "train").expect("updates").numbers("lr").expect("rates");
    assert!((lr[6] - 0.002).abs() < 1e-12 && lr.len() == 12, "{lr:?}");
    let record = RunDir::open(&run).expect("the run").read_record().expect("its record");
    assert_eq!(record.train.get("steps"), Some(&json!(12)));
}

#[test]
fn epochs_take_the_place_of_steps_and_other_settings_change_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = six(folder.path(), Schedule::constant());
    // 50 windows, 4 of them in an update: 12 updates make an epoch.
    let done =
        again(&run, json!({ "epochs": 1, "lr": 0.001, "early_stop": null }), &mut Notes::default()).expect("more");
    assert_eq!((done.outcome.steps, done.config.steps, done.config.lr), (12, None, 0.001));
}

#[test]
fn a_finished_run_says_that_there_is_nothing_to_do_and_what_to_pass() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = six(folder.path(), Schedule::constant());
    let before = bits(&last(&run));
    let mut notes = Notes::default();
    let done = again(&run, json!({}), &mut notes).expect("nothing to do");
    assert_eq!((done.outcome.stop, done.outcome.steps), (Stop::Finished, 6));
    assert!(notes.has("all of its 6 steps") && notes.has("resume(#{ steps: 12 })"), "{:?}", notes.0);
    assert!(bits(&last(&run)) == before);
    assert_eq!(summarize(&RunDir::open(&run).expect("the run")).state, State::Finished);
}

#[test]
fn what_a_run_keeps_and_fewer_steps_than_are_done_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = six(folder.path(), Schedule::constant());
    for (changes, key, needed) in [
        (json!({ "seed": 7 }), "seed", "drawn from it"),
        (json!({ "batch": 2 }), "batch", "dealt"),
        (json!({ "out": "elsewhere" }), "out", "stays in its folder"),
        (json!({ "steps": 5 }), "steps", "stands at step 6"),
        (json!({ "stepz": 9 }), "stepz", "unknown option"),
        (json!({ "lr": -1 }), "lr", "above 0"),
    ] {
        let error = again(&run, changes.clone(), &mut Notes::default()).expect_err("refused");
        let TrainError::Options(error) = error else { panic!("{changes}: {error}") };
        assert!(error.key == key && error.message.contains(needed), "{changes}: {error}");
    }
    again(&run, json!({ "seed": 5, "batch": 4, "steps": 6 }), &mut Notes::default()).expect("its own values are fine");
}

#[test]
fn a_fork_without_changes_becomes_what_the_run_becomes_bit_for_bit() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = six(folder.path(), Schedule::plateau(0.5, 0));
    let out = folder.path().join("fork");
    let mut notes = Notes::default();
    let more = json!({ "steps": 10, "out": out });
    let done = forked(&run, json!({}), more, &mut notes).expect("a fork");
    assert_eq!((done.outcome.stop, done.outcome.steps, &done.outcome.run), (Stop::Finished, 10, &out));
    assert_eq!(Checkpoint::read(&last(&run)).expect("the parent").manifest.step, 6, "the parent moved");
    again(&run, json!({ "steps": 10 }), &mut Notes::default()).expect("the parent goes on");
    assert!(bits(&last(&out)) == bits(&last(&run)), "the weights or moments differ");
    assert_eq!(timeless(&out), timeless(&run));
    let [ours, theirs] = [&out, &run].map(|run| bits(&run.join("checkpoints/best.safetensors")));
    assert!(ours == theirs, "the best weights differ");
    let record = RunDir::open(&out).expect("the fork").read_record().expect("its record");
    let origin = record.forked_from.expect("where it came from");
    assert_eq!((origin.step, origin.moments, origin.run), (6, true, run.display().to_string()));
}

#[test]
fn a_fork_changes_what_a_run_keeps_and_leaves_the_moments_behind_if_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = six(folder.path(), Schedule::constant());
    let [other, cold] = ["other", "cold"].map(|name| folder.path().join(name));
    let done =
        forked(&run, json!({}), json!({ "steps": 8, "batch": 2, "seed": 9, "out": other }), &mut Notes::default());
    assert_eq!(done.expect("another batch and seed").outcome.steps, 8);
    let done = forked(&run, json!({ "moments": false }), json!({ "steps": 7, "out": cold }), &mut Notes::default());
    let updates = |run: &Path| {
        let moments = Checkpoint::read(&last(run)).expect("a checkpoint").moments;
        moments.iter().find(|(name, _)| name == "updates").map(|(_, tensor)| tensor.int64_value(&[]))
    };
    assert_eq!((done.expect("cold").outcome.steps, updates(&cold), updates(&run)), (7, Some(1), Some(6)));
    let origin = RunDir::open(&cold).expect("the fork").read_record().expect("its record").forked_from;
    assert!(origin.is_some_and(|origin| !origin.moments));
}

#[test]
fn a_fork_from_the_best_begins_there_with_fresh_moments() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let run = folder.path().join("worse");
    // The second half is ruined by its rate, so that the best validation is not the last.
    let schedule = Schedule::stairs(vec![(0, 1.0), (4, 200.0)]);
    let config = TrainConfig { schedule, eval_every: 2, ..config(8) };
    run_in(&mut tiny_model(Kind::Float), &corpus, &config, &run, &mut Silent).expect("a run");
    let best = Checkpoint::read(&run.join("checkpoints/best.safetensors")).expect("the best").manifest.step;
    assert!(best < 8, "the best is the last");
    let out = folder.path().join("fork");
    let mut notes = Notes::default();
    let changes = json!({ "schedule": "constant", "out": out });
    let done = forked(&run, json!({ "from": "best" }), changes, &mut notes).expect("a fork");
    assert!(notes.has("no moments"), "{:?}", notes.0);
    assert_eq!(done.outcome.steps, 8);
    let steps = frame(&out).rows_where("split", "train").expect("updates").numbers("step").expect("steps");
    assert_eq!(steps, (1..=8).map(f64::from).collect::<Vec<_>>(), "the log goes on where the best was");
    let refused = |how: Value| forked(&run, how, json!({}), &mut Notes::default()).expect_err("refused").to_string();
    assert!(refused(json!({ "from": "best", "moments": true })).contains("holds no moments"));
    assert!(refused(json!({ "from": 3 })).contains("no checkpoint of step 3"));
    let own = forked(&run, json!({}), json!({ "out": run, "existing": "overwrite" }), &mut Notes::default());
    assert!(own.expect_err("its own folder").to_string().contains("another folder"));
    assert!(run.join("run.toml").is_file(), "the parent was moved aside");
}

#[test]
fn runs_are_found_wherever_they_lie_and_told_at_a_glance() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = six(folder.path(), Schedule::constant());
    let deep = folder.path().join("sweep/trial-7");
    std::fs::create_dir_all(deep.parent().expect("a parent")).expect("a folder");
    let more = json!({ "steps": 8, "out": deep });
    forked(&run, json!({}), more, &mut Notes::default()).expect("a fork");
    let found = find_runs(folder.path());
    assert_eq!(found.iter().map(|run| run.name.as_str()).collect::<Vec<_>>(), ["sweep/trial-7", "six"], "newest first");
    let six = &found[1];
    assert_eq!((six.state, six.steps, six.total), (State::Finished, 6, Some(6)));
    let rows = frame(&run);
    let validations = rows.rows_where("split", "val").expect("validations").numbers("bits_per_byte").expect("bits");
    let least = validations.iter().copied().fold(f64::INFINITY, f64::min);
    let close = |found: Option<f64>, needed: f64| found.is_some_and(|found| (found - needed).abs() < 1e-9);
    assert!(close(six.best_bits_per_byte, least) && close(six.val_bits_per_byte, validations[2]), "{six:?}");
    assert_eq!(six.curve.len(), 3);
    assert!(close(six.loss, rows.rows_where("split", "train").expect("updates").numbers("loss").expect("losses")[5]));
    assert!(find_runs(&folder.path().join("nothing")).is_empty());
}

#[test]
fn a_run_whose_process_is_gone_has_died_and_one_of_an_early_version_is_told_from_its_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = six(folder.path(), Schedule::constant());
    let run = RunDir::open(&path).expect("the run");
    let mut status = run.read_status().expect("a status");
    (status.state, status.steps) = (State::Running, 4);
    run.write_status(&status).expect("a status");
    let died = summarize(&run);
    assert_eq!((died.state, died.steps), (State::Died, 4), "what the last checkpoint does not hold is lost");
    let lock = run.lock().expect("a lock");
    let running = summarize(&run);
    assert_eq!((running.state, running.steps), (State::Running, 6), "the log is ahead of the checkpoint");
    drop(lock);
    std::fs::remove_file(run.status_path()).expect("no status");
    let early = summarize(&run);
    assert_eq!((early.state, early.steps), (State::Finished, 6));
    assert!(early.val_bits_per_byte.is_some() && early.wall_seconds > 0.0, "{early:?}");
}

#[test]
fn an_error_that_ends_a_run_is_kept_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let path = folder.path().join("run");
    let wild = TrainConfig { lr: 1e30, clip: None, ..config(50) };
    run_in(&mut tiny_model(Kind::Float), &corpus, &wild, &path, &mut Silent).expect_err("not finite");
    let summary = summarize(&RunDir::open(&path).expect("the run"));
    assert_eq!(summary.state, State::Failed);
    assert!(summary.reason.is_some_and(|reason| reason.contains("NaN") || reason.contains("inf")));
}
