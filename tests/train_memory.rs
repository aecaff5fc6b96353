//! What a step keeps in memory: running blocks again changes nothing.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor};
use wasabi::device;
use wasabi::model::{Cost, Model, ModelSpec, Pass, SashimiConfig, Workload};
use wasabi::options::parse;
use wasabi::seed::Seed;
use wasabi::train::{AdamW, AdamWConstants, Memory, Rates, Silent, TrainConfig, summed_nll};

use crate::train_run::{bits, corpus_in, run_in, sashimi, timeless};

fn spec(options: Value) -> ModelSpec {
    let Value::Object(map) = options else { panic!("options are a map") };
    parse::<SashimiConfig>(&map).expect("options of sashimi").spec()
}

/// An LSTM among the blocks of the outer tier and of the inner one, dropout in all of them.
fn with_lstms() -> ModelSpec {
    let s4 = json!({ "s4": { "d_state": 8, "dropout": 0.2 } });
    let lstm = |layers: i64| json!({ "lstm": { "d_hidden": 6, "layers": layers, "dropout": 0.3 } });
    let inner = json!({ "blocks": [lstm(2), { "ff": { "dropout": 0.1 } }] });
    let pool = json!({ "factor": 4, "expand": 2, "inner": inner });
    let spec = json!({ "d_model": 8, "tier": { "blocks": [s4, lstm(1)], "pool": pool } });
    serde_json::from_value(spec).expect("a composition")
}

/// What the child process of the next test measures: `LAYERS/WINDOW/BATCH/FORM`.
const CASE: &str = "WASABI_TEST_PEAK_OF";

/// The most memory that this process has held, in bytes.
fn peak_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    line.split_whitespace().next().expect("a number").parse::<f64>().expect("KiB") * 1024.0
}

/// Model and workload of a case, and whether blocks are run again.
fn case(text: &str) -> (ModelSpec, Workload, bool) {
    let words: Vec<&str> = text.split('/').collect();
    let number = |at: usize| words[at].parse::<i64>().expect("a number");
    let spec = SashimiConfig { n_layers: number(0), ..SashimiConfig::default() }.spec();
    (spec, Workload { window: number(1), batch: number(2), bytes: 4 }, words[3] == "recompute")
}

#[test]
#[ignore = "the child process of the next test, which must hold nothing else"]
fn a_child_that_trains_and_tells_its_peak() {
    let Ok(text) = std::env::var(CASE) else { return };
    let (spec, Workload { window, batch, .. }, recompute) = case(&text);
    let device = device::open(device::Selection::Cpu).expect("a CPU");
    let model = Model::new(&spec, 256, Seed(0), device, Kind::Float).expect("a model");
    let mut optimizer = AdamW::new(model.params(), AdamWConstants::default()).expect("an optimiser");
    let tokens = Tensor::randint(256, [batch, window + 1], (Kind::Int64, device));
    for step in 0..3 {
        optimizer.zero_gradient().expect("zeros");
        let pass = Pass::train(Seed(0), step);
        let mut pass = if recompute { pass.recomputing() } else { pass };
        let see = |_: &Tensor, _: &Tensor| Ok::<_, wasabi::train::TrainError>(());
        let (inputs, targets) = (tokens.narrow(1, 0, window), tokens.narrow(1, 1, window));
        let loss = model.summed_nll(&inputs, &targets, &mut pass, see).expect("a loss");
        pass.backward(&loss).expect("gradients");
        optimizer.step(Rates { lr: 1e-3, ssm_lr: 1e-3, weight_decay: 0.0 }).expect("an update");
    }
    #[expect(clippy::print_stdout, reason = "the parent reads it")]
    let () = println!("peak {}", peak_bytes());
}

#[cfg(target_os = "linux")]
#[test]
fn the_predicted_peak_is_within_15_percent_of_the_measured_one() {
    let mut wrong = Vec::new();
    for text in [
        "2/8192/1/keep",
        "2/32768/1/keep",
        "4/8192/2/keep",
        "2/8192/4/keep",
        "4/32768/1/recompute",
        "2/16384/2/recompute",
    ] {
        let output = std::process::Command::new(std::env::current_exe().expect("this test"))
            .args(["train_memory::a_child_that_trains_and_tells_its_peak", "--exact", "--ignored", "--nocapture"])
            .env(CASE, text)
            .output()
            .expect("a child");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let peak = told.lines().find_map(|line| line.split_once("peak ")?.1.parse::<f64>().ok());
        let peak = peak.unwrap_or_else(|| panic!("{text}: {told}"));
        let (spec, workload, recompute) = case(text);
        let predicted = Cost::of_spec(&spec, 256, workload).expect("a cost").peak_of(recompute);
        if (predicted / peak - 1.0).abs() > 0.15 {
            wrong.push(format!("{text}: predicted {:.0} MB, measured {:.0} MB", predicted / 1e6, peak / 1e6));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n`cargo bench --bench training -- --fit` measures anew", wrong.join("\n"));
}

/// Loss and gradients of one pass, as bits.
fn gradients(spec: &ModelSpec, kind: Kind, recompute: bool) -> BTreeMap<String, Vec<u64>> {
    let model = Model::new(spec, 256, Seed(1), Device::Cpu, kind).expect("a model");
    let tokens = |salt: i64| (Tensor::arange(128, (Kind::Int64, Device::Cpu)) * 37 + salt).remainder(256).view([2, 64]);
    let pass = Pass::train(Seed(7), 3);
    let mut pass = if recompute { pass.recomputing() } else { pass };
    let logits = model.forward(&tokens(5), &mut pass).expect("logits");
    let loss = summed_nll(&logits, &tokens(42)).expect("a loss");
    pass.backward(&loss).expect("gradients");
    let exact = |tensor: &Tensor| -> Vec<u64> {
        let numbers = Vec::<f64>::try_from(&tensor.to_kind(Kind::Double).reshape([-1])).expect("numbers");
        numbers.into_iter().map(f64::to_bits).collect()
    };
    let mut all: BTreeMap<_, _> =
        model.params().list.iter().map(|param| (param.name.clone(), exact(&param.tensor.grad()))).collect();
    all.insert("loss".to_owned(), exact(&loss));
    all
}

fn same_bits(spec: &ModelSpec) {
    for kind in [Kind::Float, Kind::Double] {
        let (kept, again) = (gradients(spec, kind, false), gradients(spec, kind, true));
        assert!(kept.values().flatten().any(|bits| f64::from_bits(*bits) != 0.0), "nothing to compare");
        for (name, bits) in &kept {
            assert_eq!(bits.len(), again[name].len(), "{kind:?}: {name} has no gradient");
            let pairs = bits.iter().zip(&again[name]).map(|(a, b)| (f64::from_bits(*a), f64::from_bits(*b)));
            let apart = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(bits == &again[name], "{kind:?}: {name} differs by up to {apart:.3e}");
        }
    }
}

#[test]
fn running_blocks_again_gives_the_same_gradients_bit_for_bit() {
    let base = json!({ "d_model": 8, "n_layers": 2, "d_state": 8, "pool": [4, 2] });
    let with = |more: Value| {
        let mut options = base.clone();
        options.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        spec(options)
    };
    same_bits(&with(json!({})));
    same_bits(&with(json!({ "pool": [], "n_ssm": 1 })));
    same_bits(&with(json!({ "dropout": 0.3, "dropres": 0.2 })));
    same_bits(&with(json!({ "preset": "standalone", "dropout": 0.2 })));
}

#[test]
fn a_u_net_and_lstms_run_again_bit_for_bit() {
    same_bits(&spec(json!({ "d_model": 8, "n_layers": 2, "d_state": 8, "pool": [4], "unet": true, "dropout": 0.1 })));
    same_bits(&with_lstms());
}

#[test]
fn a_run_that_recomputes_ends_with_the_same_weights_and_metrics() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus_in(&folder.path().join("audio"));
    let of = |memory: Memory| {
        let path = folder.path().join(format!("{memory:?}"));
        let mut model = Model::new(&sashimi(0.2).spec(), 256, Seed(3), Device::Cpu, Kind::Float).expect("a model");
        let config = TrainConfig { steps: Some(6), eval_every: 3, memory, ..TrainConfig::default() };
        run_in(&mut model, &corpus, &config, &path, &mut Silent).expect("a run");
        (bits(&path.join("checkpoints/last.safetensors")), timeless(&path))
    };
    let (kept, again) = (of(Memory::Keep), of(Memory::Recompute));
    assert_eq!(kept.1, again.1);
    assert!(kept.0 == again.0, "the weights or the moments differ");
}

/// `text` of a script, run by the program under a limit of so many MB of address space, or none.
fn run_script(folder: &std::path::Path, text: &str, limit_mb: Option<u64>) -> (bool, String) {
    let script = folder.join("memory.rhai");
    std::fs::write(&script, text).expect("a script");
    let program = env!("CARGO_BIN_EXE_wasabi");
    let limit = limit_mb.map_or_else(String::new, |mb| format!("ulimit -v {}; ", mb * 1024));
    let output = std::process::Command::new("sh")
        .args(["-c", &format!("{limit}exec \"$0\" run \"$1\" --device cpu"), program, &script.display().to_string()])
        .env("OMP_NUM_THREADS", "1")
        .env("RAYON_NUM_THREADS", "1")
        .current_dir(folder)
        .output()
        .expect("the program");
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), told)
}

fn script_for(when_short: &str) -> String {
    format!(
        "let music = corpus(#{{ from: \"audio\", window: 65536, train_fraction: 0.5 }});\n\
         let net = sashimi(#{{ n_layers: 4, d_model: 32 }});\n\
         train(net, music, #{{ steps: 2, batch: 2, out: \"run\", when_short: \"{when_short}\" }});\n"
    )
}

fn long_audio(folder: &std::path::Path) {
    std::fs::create_dir_all(folder).expect("a folder");
    for file in 0..4 {
        let wave: Vec<f32> = (0..140_000).map(|t| 0.5 * (t as f32 * (0.1 + 0.02 * file as f32)).sin()).collect();
        let path = folder.join(format!("tone{file}.wav"));
        wasabi::audio::write_wav(&path, &wave, 16_000, wasabi::audio::SampleFormat::Pcm16).expect("a wav");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_step_that_surely_does_not_fit_is_refused_before_it_begins_and_three_ways_out_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    long_audio(&folder.path().join("audio"));
    let (fine, told) = run_script(folder.path(), &script_for("refuse"), Some(2600));
    assert!(!fine, "{told}");
    let flat = told.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "a window of 65536 with batch 2 is predicted to take",
        "there is room for",
        "what would fit:",
        "memory: \"recompute\"",
    ] {
        assert!(flat.contains(words), "no {words:?} in: {flat}");
    }
    assert!(!folder.path().join("run/checkpoints/last.safetensors").exists(), "something was trained");
}

#[cfg(target_os = "linux")]
#[test]
fn running_out_of_memory_in_the_middle_names_the_ways_out_and_leaves_the_run_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    long_audio(&folder.path().join("audio"));
    let (fine, told) = run_script(folder.path(), &script_for("try"), Some(2600));
    assert!(!fine, "{told}");
    let flat = told.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "out of memory at step 1",
        "is predicted to take",
        "what would fit:",
        "the last checkpoint and the metrics are whole",
    ] {
        assert!(flat.contains(words), "no {words:?} in: {flat}");
    }
    let run = folder.path().join("run");
    wasabi::train::Checkpoint::read(&run.join("checkpoints/last.safetensors")).expect("a whole checkpoint");
    wasabi::metrics::read_log(&run).expect("whole metrics");
}
