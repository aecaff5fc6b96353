//! Observers that steer: they stop a run, change its rates, add columns, and a run so steered is gone on with bit for bit.

use crate::train_run::{Notes, bits, config, corpus_in, frame, run_in, timeless, tiny_model};
use serde_json::Map;
use std::collections::BTreeMap;
use std::path::Path;
use tch::{Device, Kind};
use wasabi::audio::Corpus;
use wasabi::experiment::{Existing, RunDir, State, find_runs, summarize};
use wasabi::interrupt::Interrupt;
use wasabi::metrics::Value;
use wasabi::train::{
    Checkpoint, Control, EvalReport, Observer, Outcome, Schedule, Silent, StepReport, Stop, TrainConfig, TrainError,
    Weights, open_run, resume, train,
};

/// Halves the rate after the third update, sets it at the second validation, and counts in a column of its own.
#[derive(Default)]
struct Steers {
    stop_after: Option<u64>,
    /// As somebody who asks from outside does, not as this observer.
    interrupt: Option<(u64, Interrupt)>,
    heard: Vec<u64>,
}

impl Observer for Steers {
    fn on_step(&mut self, report: &StepReport, control: &mut Control) {
        self.heard.push(report.step);
        control.log("halves", Value::Real(report.loss / 2.0)).expect("a column");
        if report.step == 3 {
            control.scale_lr(0.5).expect("a factor");
        }
        if self.stop_after == Some(report.step) {
            control.stop(Some("seen enough".to_owned()));
        }
        if let Some((_, interrupt)) = self.interrupt.as_ref().filter(|(step, _)| *step == report.step) {
            interrupt.set();
        }
    }

    fn on_eval(&mut self, report: &EvalReport, _weights: &Weights, control: &mut Control) {
        control.log("good", Value::Bool(report.best)).expect("a column");
        if report.step == 6 {
            control.scale_lr(0.1).expect("a wish that is forgotten: no validation is due there");
        }
        if report.step == 8 {
            control.set_lr(0.001).expect("a rate");
        }
    }

    fn callbacks(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("on_step".to_owned(), "Steers".to_owned())])
    }
}

fn steered(corpus: &Corpus, path: &Path, observer: &mut Steers) -> Result<Outcome, TrainError> {
    let config = settings();
    let interrupt = observer.interrupt.as_ref().map(|(_, interrupt)| interrupt.clone()).unwrap_or_default();
    let run = open_run(&TrainConfig { out: Some(path.to_owned()), ..config.clone() })?;
    train(&mut tiny_model(Kind::Float), corpus, &config, &run, observer, &interrupt)
}

fn settings() -> TrainConfig {
    TrainConfig { schedule: Schedule::warmup(2).then(Schedule::cosine(0.1, None)), ..config(12) }
}

#[test]
fn a_run_whose_rates_an_observer_changes_is_gone_on_with_bit_for_bit() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let whole = folder.path().join("whole");
    steered(&corpus, &whole, &mut Steers::default()).expect("a run");
    let lr = frame(&whole).rows_where("split", "train").expect("updates").numbers("lr").expect("rates");
    let planned = settings().schedule.resolved(12);
    let at = |step: u64| 0.004 * planned.at(step, &[]);
    assert_eq!((lr[2], lr[3]), (at(2), at(3) * 0.5), "the third update's own rate, and the next one's");
    assert!((lr[8] - 0.001).abs() < 1e-15, "the rate that was set: {}", lr[8]);
    assert!((lr[9] / at(9) - lr[8] / at(8)).abs() < 1e-12, "the schedule goes on in proportion");
    for at in [2, 3, 4, 7, 8, 10] {
        let path = folder.path().join(format!("cut-{at}"));
        let mut observer = Steers { interrupt: Some((at, Interrupt::default())), ..Steers::default() };
        let cut = steered(&corpus, &path, &mut observer).expect("a part");
        assert_eq!((cut.stop, cut.steps), (Stop::Interrupted, at));
        resume(&path, &Map::new(), Device::Cpu, &mut Steers::default(), &Interrupt::default()).expect("the rest");
        let [found, needed] = [&path, &whole].map(|run| bits(&run.join("checkpoints/last.safetensors")));
        assert!(found == needed, "stopped after {at}: the weights differ");
        assert_eq!(timeless(&path), timeless(&whole), "stopped after {at}");
    }
}

#[test]
fn a_run_without_its_observer_keeps_the_last_rate_and_says_who_is_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let path = folder.path().join("run");
    steered(&corpus, &path, &mut Steers { stop_after: Some(5), ..Steers::default() }).expect("a part");
    let mut notes = Notes::default();
    resume(&path, &Map::new(), Device::Cpu, &mut notes, &Interrupt::default()).expect("the rest");
    assert!(notes.0.iter().any(|note| note.contains("on_step, which is not given now")), "{:?}", notes.0);
    let lr = frame(&path).rows_where("split", "train").expect("updates").numbers("lr").expect("rates");
    let needed = 0.5 * 0.004 * settings().schedule.resolved(12).at(11, &[]);
    assert_eq!(lr[11], needed, "halved at step 3; nobody was there at step 8");
    let record = RunDir::open(&path).expect("the run").read_record().expect("its record");
    assert_eq!(record.callbacks.get("on_step").map(String::as_str), Some("Steers"), "the record forgot who took part");
}

#[test]
fn a_stop_saves_names_its_reason_and_leaves_a_run_that_can_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let path = folder.path().join("run");
    let mut observer = Steers { stop_after: Some(6), ..Steers::default() };
    let outcome = steered(&corpus, &path, &mut observer).expect("a part");
    assert_eq!((outcome.stop, outcome.steps), (Stop::ByScript, 6));
    assert_eq!(outcome.reason.as_deref(), Some("seen enough"));
    assert_eq!(observer.heard, [1, 2, 3, 4, 5, 6]);
    assert_eq!(Checkpoint::read(&outcome.last_checkpoint).expect("a checkpoint").manifest.step, 6);
    let summary = summarize(&RunDir::open(&path).expect("the run"));
    assert_eq!((summary.state, summary.steps, summary.total), (State::StoppedByScript, 6, Some(12)));
    assert_eq!(summary.reason.as_deref(), Some("seen enough"));
    let rest =
        resume(&path, &Map::new(), Device::Cpu, &mut Steers::default(), &Interrupt::default()).expect("the rest");
    assert_eq!((rest.outcome.stop, rest.outcome.steps, rest.outcome.reason), (Stop::Finished, 12, None));
}

#[test]
fn columns_of_an_observer_are_in_the_log_and_in_the_parquet() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let path = folder.path().join("run");
    steered(&corpus, &path, &mut Steers::default()).expect("a run");
    let parquet = wasabi::metrics::Frame::read_parquet(&path.join("metrics.parquet")).expect("a parquet file");
    assert_eq!(parquet, frame(&path));
    let updates = parquet.rows_where("split", "train").expect("updates");
    let [halves, loss] = ["halves", "loss"].map(|name| updates.numbers(name).expect("numbers"));
    assert!(halves.iter().zip(&loss).all(|(half, loss)| *half == loss / 2.0), "{halves:?}, {loss:?}");
    let validations = parquet.rows_where("split", "val").expect("validations");
    assert_eq!(validations.get("good", 0), Some(Value::Bool(true)));
    assert_eq!(updates.get("good", 0), None, "a column of validations only");
}

#[test]
fn a_column_keeps_its_kind_in_a_run_that_goes_on() {
    struct OtherKind(Vec<String>);
    impl Observer for OtherKind {
        fn on_step(&mut self, _report: &StepReport, control: &mut Control) {
            self.0.extend(control.log("halves", Value::Text("half".to_owned())).err().map(|error| error.to_string()));
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let path = folder.path().join("run");
    steered(&corpus, &path, &mut Steers { stop_after: Some(10), ..Steers::default() }).expect("a part");
    let mut other = OtherKind(Vec::new());
    resume(&path, &Map::new(), Device::Cpu, &mut other, &Interrupt::default()).expect("the rest");
    assert_eq!(other.0, ["`halves` is text, but was a number before"; 2]);
}

#[test]
fn the_weights_that_an_observer_is_shown_are_those_that_were_scored() {
    struct Scores<'a>(&'a Corpus, Vec<(f64, f64)>);
    impl Observer for Scores<'_> {
        fn on_eval(&mut self, report: &EvalReport, weights: &Weights, _control: &mut Control) {
            let mut model = weights.to_model().expect("a copy");
            let all = wasabi::train::EvaluateConfig::default();
            let found = wasabi::train::evaluate(&model, self.0, &all, &Interrupt::default(), &mut |_, _| ());
            self.1.push((report.evaluation.nll, found.expect("an evaluation").nll));
            // Whatever is done with the copy, the run must not notice.
            let scratch = tempfile::tempdir().expect("a folder");
            run_in(&mut model, self.0, &config(1), &scratch.path().join("run"), &mut Silent).expect("a run in a run");
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let [watched, plain] = ["watched", "plain"].map(|name| folder.path().join(name));
    let mut scores = Scores(&corpus, Vec::new());
    run_in(&mut tiny_model(Kind::Float), &corpus, &config(8), &watched, &mut scores).expect("a run");
    run_in(&mut tiny_model(Kind::Float), &corpus, &config(8), &plain, &mut Silent).expect("a run");
    assert_eq!(scores.1.len(), 2);
    assert!(scores.1.iter().all(|(told, found)| told.to_bits() == found.to_bits()), "{:?}", scores.1);
    let [found, needed] = [&watched, &plain].map(|run| bits(&run.join("checkpoints/last.safetensors")));
    assert!(found == needed, "training noticed what was done with the copies");
}

#[test]
fn a_run_that_is_being_trained_is_seen_as_such_and_left_alone() {
    struct Meddles(Vec<String>, Vec<State>);
    impl Observer for Meddles {
        fn on_begin(&mut self, run: &Path, _done: u64, _total: u64) {
            self.1.extend(find_runs(run).iter().map(|run| run.state));
            let again = resume(run, &Map::new(), Device::Cpu, &mut Silent, &Interrupt::default());
            self.0.push(again.expect_err("it is being trained").to_string());
            let aside = RunDir::prepare(run, Existing::Overwrite).expect_err("it is being trained");
            self.0.push(aside.to_string());
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let path = folder.path().join("run");
    let mut meddles = Meddles(Vec::new(), Vec::new());
    run_in(&mut tiny_model(Kind::Float), &corpus, &config(2), &path, &mut meddles).expect("a run");
    assert_eq!(meddles.1, [State::Running]);
    let holder = format!("is being trained right now, by process {} on ", std::process::id());
    assert!(meddles.0.len() == 2 && meddles.0.iter().all(|text| text.contains(&holder)), "{:?}", meddles.0);
    assert_eq!(find_runs(folder.path()).iter().map(|run| run.state).collect::<Vec<_>>(), [State::Finished]);
}
