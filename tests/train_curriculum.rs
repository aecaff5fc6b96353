//! Dropout and window length as schedules: what an update sees, what its row says, and that a run so trained can be stopped
//! and gone on with, bit for bit.

use crate::train_run::{WINDOW, bits, config, corpus_in, frame, run_in, sashimi, timeless, tiny_model};
use serde_json::Map;
use std::path::Path;
use tch::{Device, Kind};
use wasabi::interrupt::Interrupt;
use wasabi::model::Model;
use wasabi::options::parse;
use wasabi::seed::Seed;
use wasabi::train::{
    Control, Observer, Schedule, Silent, StepReport, Stop, TokenBatch, TrainConfig, open_run, resume, train,
};

/// Twelve updates that begin on an eighth of a window without dropout.
fn growing() -> TrainConfig {
    TrainConfig {
        dropout: Some(Schedule::linear(0.0, 0.4, None)),
        window: Some(Schedule::linear(8.0, 64.0, None)),
        schedule: Schedule::warmup(3).then(Schedule::cosine(0.1, None)),
        accumulate: 2,
        batch: 2,
        ..config(12)
    }
}

/// A model whose own dropout is 0, as the schedule must not ask it.
fn model() -> Model {
    Model::new(&sashimi(0.0).spec(), 256, Seed(3), Device::Cpu, Kind::Float).expect("a model")
}

struct StopAt(u64, Interrupt);

impl Observer for StopAt {
    fn on_step(&mut self, report: &StepReport, _control: &mut Control) {
        if report.step == self.0 {
            self.1.set();
        }
    }
}

#[test]
fn a_run_with_both_schedules_is_gone_on_with_bit_for_bit() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let whole = folder.path().join("whole");
    run_in(&mut model(), &corpus, &growing(), &whole, &mut Silent).expect("a run");
    // Before and after a longer window, at a due validation (4 and 8), in whole windows.
    for at in [1, 3, 4, 7, 11] {
        let path = folder.path().join(format!("cut-{at}"));
        let interrupt = Interrupt::default();
        let run = open_run(&TrainConfig { out: Some(path.clone()), ..growing() }).expect("a folder");
        let mut observer = StopAt(at, interrupt.clone());
        let cut = train(&mut model(), &corpus, &growing(), &run, &mut observer, &interrupt).expect("a part");
        assert_eq!((cut.stop, cut.steps), (Stop::Interrupted, at));
        resume(&path, &Map::new(), Device::Cpu, &mut Silent, &Interrupt::default()).expect("the rest");
        let [found, needed] = [&path, &whole].map(|run| bits(&run.join("checkpoints/last.safetensors")));
        for (name, bytes) in &needed {
            assert!(found.get(name) == Some(bytes), "stopped after {at}: {name} differs");
        }
        assert_eq!(timeless(&path), timeless(&whole), "stopped after {at}");
    }
}

#[test]
fn rows_say_what_was_scheduled_and_only_then() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let [scheduled, plain] = ["scheduled", "plain"].map(|name| folder.path().join(name));
    run_in(&mut model(), &corpus, &growing(), &scheduled, &mut Silent).expect("a run");
    run_in(&mut model(), &corpus, &config(2), &plain, &mut Silent).expect("a run");
    let updates = frame(&scheduled).rows_where("split", "train").expect("updates");
    let windows = updates.numbers("window").expect("windows");
    // 8 + 14/3 a step, to the nearest by ratio: borders at 11.3, 22.6 and 45.3.
    assert_eq!(windows, [8.0, 16.0, 16.0, 16.0, 32.0, 32.0, 32.0, 32.0, 64.0, 64.0, 64.0, 64.0]);
    let dropout = updates.numbers("dropout").expect("dropout");
    assert!(dropout.iter().enumerate().all(|(step, found)| (found - 0.4 * step as f64 / 12.0).abs() < 1e-12));
    let tokens = updates.numbers("tokens").expect("tokens");
    assert_eq!(tokens.last(), Some(&(4.0 * windows.iter().sum::<f64>())), "an update sees 4 windows");
    let validations = frame(&scheduled).rows_where("split", "val").expect("validations");
    assert!(validations.numbers("dropout").expect("a column").iter().all(|value| value.is_nan()));
    for column in ["window", "dropout"] {
        assert!(!frame(&plain).columns().contains(&column), "`{column}` of a run without a schedule");
    }
}

#[test]
fn a_scheduled_probability_takes_the_place_of_the_models_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let trained = |name: &str, own: f64, scheduled: Option<f64>| {
        let path = folder.path().join(name);
        let mut model = Model::new(&sashimi(own).spec(), 256, Seed(3), Device::Cpu, Kind::Float).expect("a model");
        let dropout = scheduled.map(|probability| Schedule::constant().scaled(probability));
        run_in(&mut model, &corpus, &TrainConfig { dropout, ..config(3) }, &path, &mut Silent).expect("a run");
        bits(&path.join("checkpoints/last.safetensors"))
    };
    let own = trained("own", 0.25, None);
    assert!(trained("scheduled", 0.0, Some(0.25)) == own, "the same probability gives other masks");
    assert!(trained("none", 0.25, Some(0.0)) == trained("plain", 0.0, None), "the model's own was not replaced");
    assert!(trained("other", 0.25, Some(0.3)) != own, "the schedule changed nothing");
}

#[test]
fn a_window_of_the_whole_corpus_window_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let trained = |name: &str, window: Option<Schedule>| {
        let path = folder.path().join(name);
        run_in(&mut model(), &corpus, &TrainConfig { window, ..config(4) }, &path, &mut Silent).expect("a run");
        bits(&path.join("checkpoints/last.safetensors"))
    };
    let plain = trained("plain", None);
    assert!(trained("whole", Some(Schedule::constant().scaled(WINDOW as f64))) == plain);
    assert!(trained("more", Some(Schedule::constant().scaled(1e6))) == plain, "there is no window beyond the corpus's");
    assert!(trained("half", Some(Schedule::constant().scaled(WINDOW as f64 / 2.0))) != plain);
}

#[test]
fn validations_of_whole_windows_leave_a_short_kernel_short() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let run = |name: &str, eval_every: u64| {
        let path = folder.path().join(name);
        let window = Some(Schedule::constant().scaled(16.0));
        let config = TrainConfig { window, eval_every, ..config(4) };
        run_in(&mut model(), &corpus, &config, &path, &mut Silent).expect("a run");
        bits(&path.join("checkpoints/last.safetensors"))
    };
    let (often, once) = (run("often", 1), run("once", 100));
    assert!(often == once, "validating changed what was trained");
    let length = |bytes: &[u8]| i64::from_le_bytes(bytes.try_into().expect("an int64"));
    let lengths: Vec<i64> =
        often.iter().filter(|(name, _)| name.ends_with("l_kernel")).map(|(_, bytes)| length(bytes)).collect();
    assert!(!lengths.is_empty() && lengths.iter().all(|length| *length <= 16), "{lengths:?}");
}

#[test]
fn a_piece_of_a_window_begins_from_silence_and_ends_where_it_is_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let split = corpus.train();
    let batch = TokenBatch::cut(split, &[(0, 0), (1, 10)], corpus.quantizer(), 16, Device::Cpu).expect("a batch");
    assert_eq!((batch.tokens, batch.inputs.size()), (32, vec![2, 16]));
    let rows: Vec<Vec<i64>> = Vec::try_from(&batch.targets).expect("targets");
    let tokens = |window: usize, from: usize| -> Vec<i64> {
        split.window(window)[from..from + 16].iter().map(|&token| i64::from(token)).collect()
    };
    assert_eq!(rows, [tokens(0, 0), tokens(1, 10)]);
    let inputs: Vec<Vec<i64>> = Vec::try_from(&batch.inputs).expect("inputs");
    assert_eq!((inputs[1][0], &inputs[1][1..]), (128, &rows[1][..15]), "what stood before the piece was fed");
}

#[test]
fn values_that_are_no_probabilities_or_no_tokens_are_refused() {
    for (json, key, needed) in [
        (r#"{"dropout": 1.0}"#, "dropout", "scheduled to reach 1"),
        (r#"{"dropout": {"kind": "linear", "from": 0.0, "to": 1.5}}"#, "dropout", "scheduled to reach 1.5"),
        (r#"{"dropout": "cosine"}"#, "dropout", "a probability"),
        (r#"{"dropout": {"kind": "warmup", "steps": 0}}"#, "dropout", "at least 1"),
        (r#"{"window": 0}"#, "window", "at least 1 token"),
        (r#"{"window": "cosine"}"#, "window", "from 0 to 1"),
        (r#"{"window": {"kind": "linear", "from": 512, "to": 0}}"#, "window", "scheduled to reach 0"),
    ] {
        let error = parse::<TrainConfig>(&serde_json::from_str(json).expect("JSON")).expect_err(json);
        assert_eq!(error.key, key, "{error}");
        assert!(error.message.contains(needed), "{json}: {error}");
    }
    for json in [r#"{"dropout": 0}"#, r#"{"dropout": null}"#, r#"{"window": 512}"#, r#"{"dropout": "constant"}"#] {
        let fine = parse::<TrainConfig>(&serde_json::from_str(json).expect("JSON"));
        assert_eq!(fine.is_ok(), json != r#"{"dropout": "constant"}"#, "{json}: {fine:?}");
    }
}

#[test]
fn a_run_of_windows_too_short_for_nothing_still_divides_by_the_pools() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let path: &Path = &folder.path().join("run");
    let config = TrainConfig { window: Some(Schedule::constant()), ..config(1) };
    run_in(&mut tiny_model(Kind::Float), &corpus, &config, path, &mut Silent).expect("a run of single pools");
    assert_eq!(frame(path).numbers("window").expect("windows")[0], 4.0);
}
