//! Training whole: it learns, repeats itself, resumes bit for bit, stops in every way it should, and refuses in time.

use serde_json::Map;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use tch::{Device, Kind, Tensor};
use wasabi::audio::{Corpus, CorpusConfig, SampleFormat, Scaling, write_wav};
use wasabi::experiment::RunDir;
use wasabi::interrupt::Interrupt;
use wasabi::metrics::{Frame, read_log};
use wasabi::model::{Model, ModelError, Pass, SashimiConfig};
use wasabi::options::parse;
use wasabi::seed::Seed;
use wasabi::train::{
    Batches, Checkpoint, Control, EvaluateConfig, Observer, Outcome, Progress, Schedule, Silent, StepReport, Stop,
    TokenBatch, TrainConfig, TrainError, Validation, evaluate, load_model, open_run, resume, score, train,
};

pub(crate) const WINDOW: usize = 64;

/// Four short files of two tones each: two to train on, one each for validation and test.
fn write_audio(folder: &Path, samples: usize) {
    std::fs::create_dir_all(folder).expect("a folder for audio");
    for file in 0..4_u32 {
        let tone = |t: usize, hz: f64| (t as f64 * hz * std::f64::consts::TAU / 16_000.0).sin();
        let pitch = 220.0 * (1.0 + f64::from(file) / 7.0);
        let wave: Vec<f32> = (0..samples).map(|t| (0.5 * tone(t, pitch) + 0.3 * tone(t, 2.5 * pitch)) as f32).collect();
        write_wav(&folder.join(format!("tone{file}.wav")), &wave, 16_000, SampleFormat::Pcm16).expect("a wav");
    }
}

fn corpus_config(folder: &Path) -> CorpusConfig {
    CorpusConfig { from: folder.to_owned(), window: WINDOW, train_fraction: Some(0.5), ..CorpusConfig::default() }
}

pub(crate) fn corpus_in(folder: &Path) -> Corpus {
    write_audio(folder, 1600);
    Corpus::open(&corpus_config(folder), &Interrupt::default()).expect("a corpus")
}

pub(crate) fn sashimi(dropout: f64) -> SashimiConfig {
    let pool = vec![4];
    SashimiConfig { d_model: 8, n_layers: 1, d_state: 8, pool, dropout, n_ssm: None, ..SashimiConfig::default() }
}

pub(crate) fn tiny_model(kind: Kind) -> Model {
    Model::new(&sashimi(0.0).spec(), 256, Seed(3), Device::Cpu, kind).expect("a model")
}

pub(crate) fn config(steps: u64) -> TrainConfig {
    TrainConfig { steps: Some(steps), seed: 5, eval_every: 4, accuracy_every: 3, ..TrainConfig::default() }
}

/// An observer that keeps what it is told.
#[derive(Default)]
pub(crate) struct Notes(pub(crate) Vec<String>);

impl Observer for Notes {
    fn on_note(&mut self, note: &str) {
        self.0.push(note.to_owned());
    }
}

pub(crate) fn run_in(
    model: &mut Model,
    corpus: &Corpus,
    config: &TrainConfig,
    path: &Path,
    observer: &mut dyn Observer,
) -> Result<Outcome, TrainError> {
    let run = open_run(&TrainConfig { out: Some(path.to_owned()), ..config.clone() })?;
    train(model, corpus, config, &run, observer, &Interrupt::default())
}

/// Every tensor of a checkpoint, as bits; weights and moments alike.
pub(crate) fn bits(checkpoint: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = std::fs::read(checkpoint).expect("a checkpoint");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    file.iter().map(|(name, view)| (name.to_owned(), view.data().to_vec())).collect()
}

/// The rows of a run without what the clock decides.
pub(crate) fn timeless(run: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).expect("metrics");
    let rows = text.lines().map(|line| {
        let mut row: Map<String, serde_json::Value> = serde_json::from_str(line).expect("a row");
        row.remove("wall_seconds");
        row.remove("samples_per_second");
        serde_json::to_string(&row).expect("JSON")
    });
    rows.collect()
}

pub(crate) fn frame(run: &Path) -> Frame {
    read_log(run).expect("metrics").0
}

#[test]
fn a_tiny_model_learns_two_tones_and_its_log_tells_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let mut model = tiny_model(Kind::Float);
    let run = folder.path().join("run");
    let config = TrainConfig { eval_every: 50, ..config(150) };
    let outcome = run_in(&mut model, &corpus, &config, &run, &mut Silent).expect("a run");
    assert_eq!((outcome.stop, outcome.steps, outcome.tokens), (Stop::Finished, 150, 150 * 4 * WINDOW as u64));
    let frame = frame(&run);
    assert_eq!(frame.height(), 150 + 3, "a row for each update and each validation");
    let losses = frame.numbers("loss").expect("losses");
    let last = outcome.last_loss.expect("a last loss");
    assert!(last < 0.75 * losses[0], "from {} to {last} nats", losses[0]);
    let last = outcome.last.expect("a last validation").evaluation;
    assert!(last.bits_per_byte < last.baselines.uniform.per_byte, "{} bits", last.bits_per_byte);
    assert_eq!(last.clips.len(), 1);
    for column in ["accuracy_at_10", "grad_norm", "lr", "samples_per_second", "markov_bits_per_byte", "tokens", "epoch"]
    {
        assert!(frame.numbers(column).is_some(), "no column {column}");
    }
    assert!(run.join("metrics.parquet").is_file());
    assert!(RunDir::open(&run).expect("the run").read_record().is_ok());
}

#[test]
fn one_seed_gives_the_same_weights_twice_and_another_seed_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let weights = |name: &str, seed: u64| {
        let path = folder.path().join(name);
        let config = TrainConfig { seed, ..config(4) };
        run_in(&mut tiny_model(Kind::Float), &corpus, &config, &path, &mut Silent).expect("a run");
        bits(&path.join("checkpoints/last.safetensors"))
    };
    let first = weights("a", 5);
    assert_eq!(first, weights("b", 5));
    assert_ne!(first, weights("c", 6));
}

#[test]
fn accumulated_small_passes_equal_one_big_pass() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let train_with = |name: &str, batch: usize, accumulate: usize| {
        let mut model = tiny_model(Kind::Double);
        let config = TrainConfig { batch, accumulate, ..config(3) };
        let outcome = run_in(&mut model, &corpus, &config, &folder.path().join(name), &mut Silent).expect("a run");
        let flat: Vec<Tensor> = model.params().list.iter().map(|param| param.tensor.detach().reshape([-1])).collect();
        (outcome.last_loss.expect("a loss"), Tensor::cat(&flat, 0))
    };
    let (big_loss, big) = train_with("big", 6, 1);
    for (name, batch, accumulate) in [("two", 3, 2), ("six", 1, 6)] {
        let (loss, small) = train_with(name, batch, accumulate);
        assert!((loss - big_loss).abs() < 1e-9, "{name}: loss {loss}, needed {big_loss}");
        let difference = (&small - &big).abs().max().double_value(&[]);
        assert!(difference < 1e-6, "{name}: weights differ by {difference:e}");
    }
}

/// What the child processes run: `WASABI_CHILD` names the act, `WASABI_CHILD_FOLDER` the place.
#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child() {
    let folder = PathBuf::from(std::env::var_os("WASABI_CHILD_FOLDER").expect("a folder for the child"));
    let act = std::env::var("WASABI_CHILD").expect("an act for the child");
    let run = folder.join(if act == "whole" { "whole" } else { "parts" });
    match act.as_str() {
        "whole" => drop(with_dropout(&folder, &run, None).expect("a whole run")),
        "first half" => {
            let outcome = with_dropout(&folder, &run, Some(5)).expect("half a run");
            assert_eq!((outcome.stop, outcome.steps), (Stop::Interrupted, 5));
        }
        "second half" => {
            let resumed =
                resume(&run, &Map::new(), Device::Cpu, &mut Silent, &Interrupt::default()).expect("the other half");
            assert_eq!((resumed.outcome.stop, resumed.outcome.steps), (Stop::Finished, 10));
        }
        "no room to begin" => match without_room(&folder, &folder.join("fresh"), 10) {
            Err(TrainError::Save { step: 0, former: None, .. }) => {}
            other => panic!("{other:?}"),
        },
        "no room to go on" => match without_room(&folder, &folder.join("full"), 10) {
            Err(TrainError::Save { step, .. }) => assert!(step > 5, "stopped at step {step}"),
            other => panic!("{other:?}"),
        },
        other => panic!("no act {other}"),
    }
}

/// Ten updates with dropout, a plateau and accumulation, in epochs of six updates; stopped after `stop_after`.
fn with_dropout(folder: &Path, run: &Path, stop_after: Option<u64>) -> Result<Outcome, TrainError> {
    let corpus = corpus_in(&folder.join("audio"));
    let mut model = Model::new(&sashimi(0.25).spec(), 256, Seed(3), Device::Cpu, Kind::Float)?;
    let schedule = Schedule::warmup(3).then(Schedule::plateau(0.5, 0));
    let config = TrainConfig { accumulate: 2, eval_every: 2, schedule, weight_decay: 0.1, ..config(10) };
    let interrupt = Interrupt::default();
    let mut observer = StopAfter { step: stop_after, interrupt: interrupt.clone() };
    train(&mut model, &corpus, &config, &RunDir::create(run)?, &mut observer, &interrupt)
}

fn without_room(folder: &Path, run: &Path, steps: u64) -> Result<Outcome, TrainError> {
    let corpus = Corpus::open(&corpus_config(&folder.join("audio")), &Interrupt::default())?;
    let mut model = tiny_model(Kind::Float);
    let run = RunDir::prepare(run, wasabi::experiment::Existing::Continue)?;
    train(&mut model, &corpus, &config(steps), &run, &mut Silent, &Interrupt::default())
}

struct StopAfter {
    step: Option<u64>,
    interrupt: Interrupt,
}

impl Observer for StopAfter {
    fn on_step(&mut self, report: &StepReport, _control: &mut Control) {
        if self.step == Some(report.step) {
            self.interrupt.set();
        }
    }
}

/// The command that runs [`child`] in a process of its own, under `wrapper` if there is one.
fn child_process(act: &str, folder: &Path, wrapper: Option<&str>) -> Command {
    let binary = std::env::current_exe().expect("the test binary");
    let mut command = match wrapper {
        Some(script) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", script, "sh"]).arg(binary);
            shell
        }
        None => Command::new(binary),
    };
    let path = module_path!().split_once("::").map_or("child".to_owned(), |(_, module)| format!("{module}::child"));
    command.args(["--exact", &path, "--ignored", "--nocapture", "--test-threads", "1"]);
    command.env("WASABI_CHILD", act).env("WASABI_CHILD_FOLDER", folder);
    command
}

fn run_child(act: &str, folder: &Path, wrapper: Option<&str>) {
    let output = child_process(act, folder, wrapper).output().expect("a child process");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{act}: {said}");
    assert!(said.contains("1 passed"), "{act} did not run: {said}");
}

#[test]
fn ten_updates_equal_five_then_a_fresh_process_then_five_bit_for_bit() {
    let folder = tempfile::tempdir().expect("a folder");
    for act in ["whole", "first half"] {
        run_child(act, folder.path(), None);
    }
    let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(name));
    let half = bits(&parts.join("checkpoints/last.safetensors"));
    run_child("second half", folder.path(), None);
    let [needed, found] = [&whole, &parts].map(|run| bits(&run.join("checkpoints/last.safetensors")));
    assert_ne!(half, needed, "the second half changed nothing");
    assert!(needed.keys().any(|name| name.starts_with("optimizer.")), "no moments were saved");
    for (name, bytes) in &needed {
        assert!(found.get(name) == Some(bytes), "{name} differs");
    }
    assert_eq!(found.len(), needed.len());
    assert_eq!(timeless(&parts), timeless(&whole));
    assert_eq!(
        bits(&parts.join("checkpoints/best.safetensors")),
        bits(&whole.join("checkpoints/best.safetensors")),
        "the best weights differ"
    );
}

/// Files end at 40 blocks (20 or 40 KiB, as the shell counts), and writing on is an error and not a signal.
const FULL_DISK: &str = "trap '' XFSZ; ulimit -f 40; exec \"$@\"";

#[test]
fn a_disk_without_room_is_found_before_training_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    corpus_in(&folder.path().join("audio"));
    run_child("no room to begin", folder.path(), Some(FULL_DISK));
    assert!(!folder.path().join("fresh/checkpoints/last.safetensors").exists());
}

#[test]
fn a_disk_that_fills_up_leaves_the_former_checkpoint_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let run = folder.path().join("full");
    run_in(&mut tiny_model(Kind::Float), &corpus, &config(5), &run, &mut Silent).expect("a run");
    let files = || {
        let names = std::fs::read_dir(run.join("checkpoints")).expect("checkpoints");
        let paths = names.map(|entry| entry.expect("an entry").path());
        paths.map(|path| (path.clone(), std::fs::read(&path).expect("a file"))).collect::<BTreeMap<_, _>>()
    };
    let before = files();
    run_child("no room to go on", folder.path(), Some(FULL_DISK));
    assert!(files() == before, "a checkpoint was changed, or something was left behind");
    let (_, manifest) = load_model(&run.join("checkpoints/last.safetensors"), Device::Cpu).expect("the former one");
    assert_eq!(manifest.step, 5);
}

#[test]
fn an_interrupt_saves_and_returns_the_outcome_so_far() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let run = RunDir::create(&folder.path().join("run")).expect("a run");
    let interrupt = Interrupt::default();
    let mut observer = StopAfter { step: Some(3), interrupt: interrupt.clone() };
    let outcome =
        train(&mut tiny_model(Kind::Float), &corpus, &config(50), &run, &mut observer, &interrupt).expect("an outcome");
    assert_eq!((outcome.stop, outcome.steps), (Stop::Interrupted, 3));
    assert_eq!(Checkpoint::read(&outcome.last_checkpoint).expect("a checkpoint").manifest.progress.step, 3);
    assert_eq!(frame(run.path()).height(), 3);
}

#[test]
fn numbers_that_leave_the_finite_stop_the_run_and_keep_what_was_good() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let run = folder.path().join("run");
    let config = TrainConfig { lr: 1e30, clip: None, checkpoint_every: 1, ..config(50) };
    let error = run_in(&mut tiny_model(Kind::Float), &corpus, &config, &run, &mut Silent).expect_err("not finite");
    let TrainError::NotFinite { step, lr, checkpoint: Some(checkpoint), .. } = &error else { panic!("{error:?}") };
    assert!(*step > 1 && *lr == 1e30, "{error}");
    let text = error.to_string();
    for needed in [&format!("step {step}"), &format!("{lr}"), &checkpoint.display().to_string()] {
        assert!(text.contains(needed), "{text} does not say {needed}");
    }
    assert_eq!(Checkpoint::read(checkpoint).expect("the last good one").manifest.step, step - 1);
    assert_eq!(frame(&run).height() as u64, *step, "the metrics were not kept");
}

#[test]
fn training_that_no_longer_improves_stops_early() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    // At this rate float32 weights do not move, so no validation after the first is better.
    let config = TrainConfig { lr: 1e-30, ssm_lr: 0.0, eval_every: 1, early_stop: Some(2), ..config(50) };
    let path = folder.path().join("run");
    let outcome = run_in(&mut tiny_model(Kind::Float), &corpus, &config, &path, &mut Silent).expect("an outcome");
    assert_eq!((outcome.stop, outcome.steps), (Stop::EarlyStopped, 3));
    assert_eq!(outcome.best.expect("a best validation").step, 1);
}

#[test]
fn every_update_s_row_says_how_often_the_model_was_right() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let path = folder.path().join("run");
    let config = TrainConfig { accuracy_every: TrainConfig::default().accuracy_every, accumulate: 2, ..config(3) };
    let windows =
        Batches::new(Seed(config.seed), corpus.train().windows(), 4, 2).expect("batches").batch_at(0).to_vec();
    let model = tiny_model(Kind::Float);
    let batch = TokenBatch::new(corpus.train(), &windows, corpus.quantizer(), WINDOW, Device::Cpu).expect("a batch");
    let logits = model.forward(&batch.inputs, &mut Pass::eval()).expect("logits");
    let rows = score(&logits, &batch.targets).expect("scores");
    run_in(&mut tiny_model(Kind::Float), &corpus, &config, &path, &mut Silent).expect("a run");
    let updates = frame(&path).rows_where("split", "train").expect("rows of updates");
    for (k, column) in ["accuracy", "accuracy_at_3", "accuracy_at_5", "accuracy_at_10"].into_iter().enumerate() {
        let found = updates.numbers(column).expect(column);
        assert!(found.len() == 3 && found.iter().all(|share| (0.0..=1.0).contains(share)), "{column}: {found:?}");
        let needed = rows.iter().map(|row| row.hits[k]).sum::<u64>() as f64 / (8 * WINDOW) as f64;
        assert_eq!(found[0], needed, "{column} of the first update");
    }
}

/// Sleeps once after an update, and keeps where the sitting began.
struct Sleep {
    after: u64,
    long: std::time::Duration,
    began: Option<(u64, u64)>,
}

impl Observer for Sleep {
    fn on_begin(&mut self, _run: &Path, done: u64, total: u64) {
        self.began = Some((done, total));
    }
    fn on_step(&mut self, report: &StepReport, _control: &mut Control) {
        if report.step == self.after {
            std::thread::sleep(self.long);
        }
    }
}

#[test]
fn a_run_whose_time_was_up_goes_on_as_if_it_had_never_been_stopped() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let [cut, whole] = ["cut", "whole"].map(|name| folder.path().join(name));
    let config = TrainConfig { eval_every: 2, schedule: Schedule::plateau(0.5, 0), ..config(8) };
    run_in(&mut tiny_model(Kind::Float), &corpus, &config, &whole, &mut Silent).expect("a run");
    let limited = TrainConfig { max_seconds: Some(1.0), ..config };
    let mut sleep = Sleep { after: 1, long: std::time::Duration::from_millis(1_100), began: None };
    let outcome = run_in(&mut tiny_model(Kind::Float), &corpus, &limited, &cut, &mut sleep).expect("a run cut short");
    assert_eq!((outcome.stop, outcome.steps, sleep.began), (Stop::TimeUp, 1, Some((0, 8))));
    assert_eq!(outcome.last.expect("a validation at the end").step, 1);
    let progress = |run: &Path| {
        let checkpoint = Checkpoint::read(&run.join("checkpoints/last.safetensors")).expect("a checkpoint");
        checkpoint.manifest.progress
    };
    assert_eq!(progress(&cut).extra.iter().map(|seen| seen.step).collect::<Vec<_>>(), [1]);
    // However busy the machine, each sitting has a second of its own, and so makes at least one update.
    let mut rest = || {
        let resumed = resume(&cut, &Map::new(), Device::Cpu, &mut sleep, &Interrupt::default()).expect("the rest");
        assert!(resumed.outcome.wall_seconds > 1.0, "the earlier sitting's time was forgotten");
        resumed.outcome.stop
    };
    assert!((0..7).any(|_| rest() == Stop::Finished), "a sitting made no update");
    assert_eq!(sleep.began.map(|(done, total)| (done > 0, total)), Some((true, 8)));
    assert_eq!(progress(&cut).validations, progress(&whole).validations);
    let [found, needed] = [&cut, &whole].map(|run| bits(&run.join("checkpoints/last.safetensors")));
    assert!(found == needed, "the weights differ");
}

#[test]
fn a_validation_that_was_not_due_may_be_the_best_and_yet_steers_nothing() {
    let seen = |step, nll| Validation { step, nll };
    let mut progress = Progress { validations: vec![seen(2, 3.0), seen(4, 3.5)], ..Progress::default() };
    assert_eq!((progress.best(), progress.since_best()), (Some(seen(2, 3.0)), 1));
    progress.extra.push(seen(5, 2.0));
    progress.step = 5;
    assert_eq!((progress.best(), progress.since_best()), (Some(seen(5, 2.0)), 1));
    assert_eq!(progress.current(), Some(seen(5, 2.0)));
}

#[test]
fn a_resumed_run_knows_the_best_validation_of_the_sitting_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let path = folder.path().join("run");
    let outcome = run_in(&mut tiny_model(Kind::Float), &corpus, &config(4), &path, &mut Silent).expect("a run");
    let mut needed = outcome.best.expect("a best validation");
    let found = resume(&path, &Map::new(), Device::Cpu, &mut Silent, &Interrupt::default())
        .expect("nothing more to do")
        .outcome;
    assert!(found.last.is_none(), "this sitting validated");
    let mut found = found.best.expect("the best validation of the sitting before");
    assert!((found.evaluation.seconds / needed.evaluation.seconds - 1.0).abs() < 1e-9);
    found.evaluation.seconds = needed.evaluation.seconds;
    needed.evaluation.clips.clear(); // the log does not hold them
    assert_eq!(found, needed);
}

#[test]
fn a_checkpoint_says_how_the_samples_of_its_corpus_were_scaled() {
    let folder = tempfile::tempdir().expect("a folder");
    write_audio(&folder.path().join("audio"), 1600);
    let peak = CorpusConfig { scaling: Scaling::Peak, ..corpus_config(&folder.path().join("audio")) };
    let corpus = Corpus::open(&peak, &Interrupt::default()).expect("a corpus");
    let path = folder.path().join("run");
    run_in(&mut tiny_model(Kind::Float), &corpus, &config(1), &path, &mut Silent).expect("a run");
    assert_eq!(load_model(&path, Device::Cpu).expect("the model").1.scaling, Scaling::Peak);
}

#[test]
fn what_libtorch_says_is_told_without_its_stack() {
    let error =
        TrainError::from(tch::TchError::Torch("shapes differ\nException raised from here\nframe #0".to_owned()));
    assert_eq!(error.to_string(), "libtorch: shapes differ");
}

#[test]
fn a_run_that_died_before_its_first_checkpoint_begins_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let [run, whole] = ["run", "whole"].map(|name| folder.path().join(name));
    for path in [&run, &whole] {
        run_in(&mut tiny_model(Kind::Float), &corpus, &config(4), path, &mut Silent).expect("a run");
    }
    std::fs::remove_dir_all(run.join("checkpoints")).expect("no checkpoints");
    let again = RunDir::prepare(&run, wasabi::experiment::Existing::Continue).expect("the run");
    train(&mut tiny_model(Kind::Float), &corpus, &config(4), &again, &mut Silent, &Interrupt::default()).expect("anew");
    assert_eq!(timeless(&run), timeless(&whole), "rows were lost or doubled");
}

#[test]
fn what_cannot_be_trained_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let odd = SashimiConfig { pool: vec![3], ..sashimi(0.0) }.spec();
    let mut odd = Model::new(&odd, 256, Seed(0), Device::Cpu, Kind::Float).expect("a model");
    let mut deep = Model::new(&sashimi(0.0).spec(), 1024, Seed(0), Device::Cpu, Kind::Float).expect("a model");
    let mut fine = tiny_model(Kind::Float);
    let too_big = TrainConfig { batch: 1000, ..config(5) };
    let negative = TrainConfig { lr: -0.1, ..config(5) };
    let cases: Vec<(&mut Model, TrainConfig, &str)> = vec![
        (&mut odd, config(5), "64 samples does not divide by pool [3]"),
        (&mut deep, config(5), "1024 levels"),
        (&mut fine, too_big, "1000 windows"),
    ];
    for (number, (model, config, needed)) in cases.into_iter().enumerate() {
        let path = folder.path().join(format!("run{number}"));
        let error = run_in(model, &corpus, &config, &path, &mut Silent).expect_err(needed);
        assert!(error.to_string().contains(needed), "{error}");
        assert!(error.hint().is_some(), "{error} has no hint");
        assert!(!path.join("run.toml").exists() && !path.join("metrics.jsonl").exists(), "{needed}");
    }
    let error = run_in(&mut fine, &corpus, &negative, &folder.path().join("run"), &mut Silent).expect_err("negative");
    assert!(error.to_string().contains("`lr` is -0.1"), "{error}");
    let file = folder.path().join("file");
    std::fs::write(&file, b"not a folder").expect("a file");
    let error = run_in(&mut fine, &corpus, &config(5), &file.join("run"), &mut Silent).expect_err("unwritable");
    assert!(matches!(error, TrainError::Run(_)) && error.to_string().contains("cannot write"), "{error}");
}

#[test]
fn options_out_of_range_are_refused_by_name() {
    for (json, key) in [
        (r#"{"lr": 0}"#, "lr"),
        (r#"{"ssm_lr": -1}"#, "ssm_lr"),
        (r#"{"batch": 0}"#, "batch"),
        (r#"{"accumulate": 0}"#, "accumulate"),
        (r#"{"clip": 0.0}"#, "clip"),
        (r#"{"beta1": 1.0}"#, "beta1"),
        (r#"{"steps": 0}"#, "steps"),
        (r#"{"seed": 9223372036854775808}"#, "seed"),
        (r#"{"schedule": {"kind": "warmup", "steps": 0}}"#, "schedule"),
        (r#"{"schedule": "cosign"}"#, "schedule"),
        (r#"{"learning_rate": 0.1}"#, "learning_rate"),
    ] {
        let error = parse::<TrainConfig>(&serde_json::from_str(json).expect("JSON")).expect_err(json);
        assert_eq!(error.key, key, "{error}");
    }
}

#[test]
fn a_run_is_not_continued_with_another_model_or_other_audio() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let run = folder.path().join("run");
    run_in(&mut tiny_model(Kind::Float), &corpus, &config(2), &run, &mut Silent).expect("a run");
    let again = RunDir::open(&run).expect("the run");
    let wider = SashimiConfig { d_model: 12, ..sashimi(0.0) }.spec();
    let mut wider = Model::new(&wider, 256, Seed(3), Device::Cpu, Kind::Float).expect("a model");
    let error = train(&mut wider, &corpus, &config(4), &again, &mut Silent, &Interrupt::default()).expect_err("wider");
    assert!(error.to_string().contains("model.d_model: 12, was 8"), "{error}");
    write_audio(&folder.path().join("audio"), 1700);
    let error = resume(&run, &Map::new(), Device::Cpu, &mut Silent, &Interrupt::default()).expect_err("other audio");
    assert!(matches!(error, TrainError::CannotContinue { .. }), "{error}");
}

#[test]
fn a_finished_run_continues_under_more_steps_and_says_what_differs() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let [run, whole] = ["run", "whole"].map(|name| folder.path().join(name));
    run_in(&mut tiny_model(Kind::Float), &corpus, &config(8), &whole, &mut Silent).expect("a run");
    run_in(&mut tiny_model(Kind::Float), &corpus, &config(4), &run, &mut Silent).expect("a run");
    let again = RunDir::open(&run).expect("the run");
    let mut notes = Notes::default();
    let mut fresh = Model::new(&sashimi(0.0).spec(), 256, Seed(99), Device::Cpu, Kind::Float).expect("a model");
    train(&mut fresh, &corpus, &config(8), &again, &mut notes, &Interrupt::default()).expect("more steps");
    assert!(notes.0.iter().any(|note| note.contains("train.steps: 8, was 4")), "{:?}", notes.0);
    let [found, needed] = [&run, &whole].map(|run| bits(&run.join("checkpoints/last.safetensors")));
    assert!(found == needed, "four and four updates are not eight");
}

#[test]
fn a_checkpoint_of_another_shape_lists_what_differs_and_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let run = folder.path().join("run");
    run_in(&mut tiny_model(Kind::Float), &corpus, &config(2), &run, &mut Silent).expect("a run");
    let wider = SashimiConfig { d_model: 12, ..sashimi(0.0) }.spec();
    let mut wider = Model::new(&wider, 256, Seed(3), Device::Cpu, Kind::Float).expect("a model");
    let sum =
        |model: &Model| model.params().list.iter().map(|p| p.tensor.sum(Kind::Double).double_value(&[])).sum::<f64>();
    let before = sum(&wider);
    let error = Checkpoint::read(&run).expect("a checkpoint").load_into(&mut wider).expect_err("another shape");
    assert!(matches!(error, TrainError::Misfit { source: ModelError::StateDict(_), .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("misshapen") && text.contains("[8]") && text.contains("[12]"), "{text}");
    assert_eq!(sum(&wider).to_bits(), before.to_bits());
}

#[test]
fn truncated_and_foreign_checkpoints_are_named_for_what_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let run = folder.path().join("run");
    run_in(&mut tiny_model(Kind::Float), &corpus, &config(2), &run, &mut Silent).expect("a run");
    let whole = std::fs::read(run.join("checkpoints/last.safetensors")).expect("a checkpoint");
    let path = folder.path().join("cut.safetensors");
    for length in [0, 1, 7, 8, 9, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).expect("a truncated file");
        match Checkpoint::read(&path) {
            Err(TrainError::Damaged { bytes, .. }) => assert_eq!(bytes, length),
            other => panic!("{length} bytes: {other:?}"),
        }
    }
    let foreign = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/model_tiny.safetensors");
    assert!(matches!(Checkpoint::read(&foreign), Err(TrainError::Foreign { .. })));
    assert!(matches!(Checkpoint::read(&folder.path().join("none")), Err(TrainError::Load { .. })));
}

#[test]
fn a_checkpoint_gives_back_the_model_that_was_saved() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let mut model = tiny_model(Kind::Float);
    let run = folder.path().join("run");
    let outcome = run_in(&mut model, &corpus, &config(4), &run, &mut Silent).expect("a run");
    let (loaded, manifest) = load_model(&outcome.last_checkpoint, Device::Cpu).expect("the model");
    assert_eq!(loaded.spec(), model.spec());
    for ((name, saved), (_, found)) in model.state_dict().iter().zip(loaded.state_dict()) {
        assert!(saved.equal(&found), "{name} differs");
    }
    let evaluation = |model: &Model| {
        let config = EvaluateConfig::default();
        evaluate(model, &corpus, &config, &Interrupt::default(), &mut |_, _| ()).expect("an evaluation")
    };
    assert_eq!(evaluation(&loaded).nll.to_bits(), evaluation(&model).nll.to_bits());
    assert_eq!(manifest.nll, Some(evaluation(&model).nll), "the manifest's figure is not that of its weights");
}

#[test]
fn each_epoch_visits_windows_once_in_an_order_of_its_own_that_any_step_knows() {
    let mut in_turn = Batches::new(Seed(1), 50, 4, 3).expect("batches");
    assert_eq!(in_turn.steps_per_epoch(), 4);
    let all: Vec<Vec<usize>> = (0..12).map(|step| in_turn.batch_at(step).to_vec()).collect();
    for epoch in all.chunks(4) {
        let mut seen: Vec<usize> = epoch.concat();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 48, "a window came twice in one epoch");
    }
    assert_ne!(all[0], all[4], "two epochs began alike");
    for step in [7, 2, 11, 0] {
        let mut alone = Batches::new(Seed(1), 50, 4, 3).expect("batches");
        assert_eq!(alone.batch_at(step), all[step as usize], "step {step} alone");
    }
}

#[test]
fn short_windows_are_padded_with_targets_that_do_not_count() {
    let folder = tempfile::tempdir().expect("a folder");
    write_audio(&folder.path().join("audio"), 100);
    let config = CorpusConfig { drop_last: false, ..corpus_config(&folder.path().join("audio")) };
    let corpus = Corpus::open(&config, &Interrupt::default()).expect("a corpus");
    let batch = TokenBatch::new(corpus.train(), &[0, 1], corpus.quantizer(), WINDOW, Device::Cpu).expect("a batch");
    assert_eq!((batch.tokens, batch.inputs.size()), (100, vec![2, 64]));
    let targets: Vec<i64> = Vec::try_from(&batch.targets.get(1)).expect("targets");
    let short: Vec<i64> = corpus.train().window(1).iter().map(|&token| i64::from(token)).collect();
    assert_eq!((&targets[..36], &targets[36..]), (&short[..], &[-100; 28][..]));
    let inputs: Vec<i64> = Vec::try_from(&batch.inputs.get(1)).expect("inputs");
    assert_eq!((inputs[0], &inputs[1..36]), (128, &short[..35]));
    let found =
        evaluate(&tiny_model(Kind::Float), &corpus, &EvaluateConfig::default(), &Interrupt::default(), &mut |_, _| ())
            .expect("an evaluation");
    assert_eq!(found.tokens, 100, "padding was scored");
}
