//! Runs on disk: folders that are refused, moved aside or taken up, and records that come back as they were.

use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;
use wasabi::experiment::{Existing, ExperimentError, Record, RunDir};

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("the test's own settings are {other}"),
    }
}

fn record(lr: f64) -> Record {
    let corpus = map(json!({ "from": "data", "cache": null, "train_fraction": 0.67, "window": 2048 }));
    let train = map(json!({ "lr": lr, "clip": null, "steps": 12, "schedule": { "kind": "cosine", "steps": null } }));
    let model = map(json!({ "d_model": 8, "tier": { "blocks": [{ "s4": { "n_ssm": null } }, { "ff": {} }] } }));
    Record::new(7, "cpu".to_owned(), 2, corpus, train, model)
}

fn recorded(path: &Path) -> RunDir {
    let run = RunDir::create(path).expect("a new run");
    run.write_record(&record(0.1)).expect("a record");
    run
}

#[test]
fn a_record_comes_back_as_it_was_nulls_and_odd_reals_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = RunDir::create(&folder.path().join("run")).expect("a new run");
    for lr in [0.1, 1.0 / 3.0, 5e-324, 4.0, 1e300] {
        let record = record(lr);
        run.write_record(&record).expect("a record");
        assert_eq!(run.read_record().expect("the record"), record);
    }
}

#[test]
fn the_signature_changes_with_every_setting_and_with_nothing_else() {
    let (one, again, other) = (record(0.1), record(0.1), record(0.2));
    assert_eq!(one.signature, again.signature);
    assert_ne!(one.signature, other.signature);
    assert_eq!(other.differences(&one), ["train.lr: 0.2, was 0.1"]);
    assert_eq!(one.differences(&again), Vec::<String>::new());
}

#[test]
fn a_folder_with_a_run_is_refused_with_the_choices() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run");
    recorded(&path);
    let error = RunDir::create(&path).expect_err("occupied");
    assert!(matches!(error, ExperimentError::Occupied { .. }), "{error}");
    let hint = error.hint().expect("a hint");
    assert!(hint.contains("continue") && hint.contains("overwrite"), "{hint}");
}

#[test]
fn overwriting_moves_the_old_run_aside_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run");
    for _ in 0..2 {
        let run = RunDir::prepare(&path, Existing::Overwrite).expect("a new run");
        assert!(!run.is_recorded());
        run.write_record(&record(0.1)).expect("a record");
        fs::write(run.samples().join("take.wav"), b"sound").expect("a sample");
    }
    RunDir::prepare(&path, Existing::Overwrite).expect("a new run");
    for aside in ["run.old-1", "run.old-2"] {
        let kept = folder.path().join(aside);
        assert_eq!(fs::read(kept.join("samples/take.wav")).expect("the old sample"), b"sound", "{aside}");
        assert!(RunDir::open(&kept).is_ok(), "{aside} is no run any more");
    }
}

#[test]
fn continuing_takes_up_the_run_that_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run");
    recorded(&path);
    let run = RunDir::prepare(&path, Existing::Continue).expect("the run");
    assert_eq!(run.read_record().expect("its record").seed, 7);
}

#[test]
fn numbered_runs_never_share_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let names: Vec<String> =
        (0..3).map(|_| RunDir::create_numbered(&folder.path().join("runs")).expect("a run").name()).collect();
    assert_eq!(names, ["run-001", "run-002", "run-003"]);
}

#[test]
fn a_folder_that_cannot_be_made_is_named_before_anything_else_happens() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, b"not a folder").expect("a file");
    match RunDir::create(&file.join("run")) {
        Err(ExperimentError::Write { path, .. }) => assert!(path.starts_with(&file), "{}", path.display()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_damaged_record_is_named_and_a_newer_schema_is_told_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = recorded(&folder.path().join("run"));
    let good = fs::read_to_string(run.record_path()).expect("the record");
    for (text, needed) in [
        (good[..good.len() / 2].to_owned(), "run.toml"),
        (String::new(), "names no schema"),
        (good.replace("schema = 1", "schema = 99"), "schema 99"),
        (good.replace("seed = 7", "seed = 7\nsede = 8"), "sede"),
    ] {
        fs::write(run.record_path(), text).expect("a damaged record");
        let error = run.read_record().expect_err("damaged").to_string();
        assert!(error.contains(needed), "{error}");
    }
}

#[test]
fn a_folder_without_a_run_is_told_as_such_and_a_slip_of_the_finger_names_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(matches!(RunDir::open(folder.path()), Err(ExperimentError::NotARun { .. })));
    let run = recorded(&folder.path().join("sweep"));
    let missing = RunDir::open(&folder.path().join("swepe")).expect_err("nothing there");
    assert!(matches!(missing, ExperimentError::Missing { .. }), "{missing}");
    assert_eq!(missing.hint(), Some(format!("did you mean `{}`?", run.path().display())));
    assert!(RunDir::open(&folder.path().join("quite-another")).expect_err("nothing").hint().is_some());
}
