//! The step engine against the libtorch step, the golden models, and its own promises.

use crate::golden_model::{model_spec, spec, state_dict, tensor};
use crate::support::{Case, Precision};
use rand::Rng;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use wasabi::audio::{Quantizer, Scaling};
use wasabi::generate::{
    Drawing, GenerateConfig, GenerateError, LibtorchSteps, Lowered, Precision as Packing, Session, Sound, StepLogits,
    generate, generate_lowered,
};
use wasabi::interrupt::Interrupt;
use wasabi::model::{Model, ModelSpec, Pass, SashimiConfig};
use wasabi::options;
use wasabi::seed::Seed;

pub(crate) const LEVELS: i64 = 40;

pub(crate) fn sashimi(options: &Value) -> ModelSpec {
    options::parse::<SashimiConfig>(options.as_object().expect("options")).expect("options").spec()
}

pub(crate) fn model(spec: &ModelSpec, levels: i64, seed: u64) -> Model {
    Model::new(spec, levels, Seed(seed), Device::Cpu, Kind::Float).expect("a model")
}

pub(crate) fn tokens(streams: usize, steps: usize, levels: i64) -> Vec<Vec<u16>> {
    let mut rng = Seed(11).stream("tokens", 0);
    (0..steps).map(|_| (0..streams).map(|_| rng.random_range(0..levels as u16)).collect()).collect()
}

/// Moves every weight a little, as training does: a start has round numbers that hide mistakes.
pub(crate) fn stir(model: &Model) {
    let _no_grad = tch::no_grad_guard();
    let mut rng = Seed(5).stream("stir", 0);
    for param in &model.params().list {
        let size = param.tensor.numel();
        let noise: Vec<f32> = (0..size).map(|_| rng.random_range(-0.05..0.05)).collect();
        let noise = Tensor::from_slice(&noise).reshape(param.tensor.size());
        let mut tensor = param.tensor.shallow_clone();
        let moved = &tensor * (&noise + 1.0) + &noise * 0.2;
        tensor.copy_(&moved);
    }
}

/// Attunes every kernel, so that the stored C is not the C that is stepped.
pub(crate) fn attune(model: &Model, seq_len: i64) {
    let _no_grad = tch::no_grad_guard();
    let zeros = Tensor::zeros([1, seq_len], (Kind::Int64, Device::Cpu));
    let _logits = model.forward(&zeros, &mut Pass::eval()).expect("logits");
}

pub(crate) fn run(engine: &mut dyn StepLogits, tokens: &[Vec<u16>]) -> Vec<Vec<f32>> {
    tokens.iter().map(|tokens| engine.step(tokens).expect("a step").to_vec()).collect()
}

/// The largest difference of logits, in units of their largest deviation from the mean of a row: what a softmax sees.
pub(crate) fn difference(a: &[Vec<f32>], b: &[Vec<f32>]) -> f64 {
    let pairs = || a.iter().flatten().zip(b.iter().flatten());
    assert!(pairs().all(|(a, b)| a.is_finite() && b.is_finite()), "logits that are no numbers");
    let largest = a.iter().flatten().fold(0.0_f64, |max, x| max.max(f64::from(x.abs())));
    pairs().map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs()).fold(0.0, f64::max) / largest.max(1.0)
}

/// Nestings that the language composes, drawn at random: tiers of any depth, blocks of any kind, widths that fill no vector.
pub(crate) fn random_spec(number: u64) -> (ModelSpec, i64) {
    let mut rng = Seed(77).stream("nesting", number);
    let unet = rng.random_bool(0.25);
    let d_model = *[3_i64, 6, 8, 17, 20, 33].get(rng.random_range(0..6)).expect("a width");
    let depth = rng.random_range(0..3);
    let mut product = 1;
    let mut widths = vec![d_model];
    let mut pools = Vec::new();
    for _ in 0..depth {
        let (factor, expand) = (rng.random_range(1..5_i64), rng.random_range(1..4_i64));
        product *= factor;
        pools.push((factor, expand));
        widths.push(widths.last().expect("a width") * expand);
    }
    let mut blocks = |channels: i64, count: usize| -> Vec<Value> {
        (0..count)
            .map(|_| {
                let d_state = 2 * rng.random_range(1..7_i64);
                match rng.random_range(0..7) {
                    0 => json!({ "ff": { "expand": rng.random_range(1..4) } }),
                    1 => json!({ "s4": { "d_state": d_state, "n_ssm": null } }),
                    2 => json!({ "s4": { "d_state": d_state, "init": "legt" } }),
                    3 => json!({ "s4": { "d_state": d_state, "rank": rng.random_range(2..5), "n_ssm": channels } }),
                    4 => json!({ "s4": { "d_state": d_state, "mode": "s4d" } }),
                    5 => json!({ "s4": { "d_state": d_state, "mode": "s4d", "discretization": "bilinear", "n_ssm": null } }),
                    _ => json!({ "s4": { "d_state": d_state } }),
                }
            })
            .collect()
    };
    let mut tier = json!({ "blocks": blocks(widths[depth], 2) });
    for level in (0..depth).rev() {
        let (factor, expand) = pools[level];
        let down = if unet { blocks(widths[level], 2) } else { Vec::new() };
        tier = json!({
            "down": down, "blocks": blocks(widths[level], 2),
            "pool": { "factor": factor, "expand": expand, "inner": tier },
        });
    }
    let preset = if number.is_multiple_of(3) { "standalone" } else { "repo" };
    let spec = json!({ "d_model": d_model, "unet": unet, "preset": preset, "norm": "affine", "tier": tier });
    (serde_json::from_value(spec).expect("a composition"), product)
}

#[test]
fn random_nestings_step_as_libtorch_does_in_float64() {
    for number in 0..32 {
        let (spec, product) = random_spec(number);
        let model = model(&spec, LEVELS, number);
        stir(&model);
        if number.is_multiple_of(2) {
            attune(&model, product * 8);
        }
        let batch = [1, 3, 2, 6][number as usize % 4];
        let fed = tokens(batch, 150, LEVELS);
        let wide = model.to_kind(Kind::Double).expect("float64");
        let exact = run(&mut LibtorchSteps::new(&wide, batch).expect("a stepper"), &fed);
        let lowered = Lowered::new(&model).expect("it lowers");
        let found = run(&mut lowered.engine(batch), &fed);
        assert_eq!(found, run(&mut lowered.engine_on(batch, 2), &fed), "{number}: two cores: {spec:?}");
        let narrow = run(&mut LibtorchSteps::new(&model, batch).expect("a stepper"), &fed);
        let (ours, theirs) = (difference(&exact, &found), difference(&exact, &narrow));
        assert!(
            ours < (2.0 * theirs).max(3e-5),
            "{number}: off by {ours:e} (libtorch in float32: {theirs:e}): {spec:?}"
        );
        let short = Lowered::in_precision(&model, Packing::Bf16).expect("it lowers");
        let found = run(&mut short.engine(batch), &fed);
        assert_eq!(found, run(&mut short.engine_on(batch, 2), &fed), "{number}: bf16 on two cores: {spec:?}");
        let rounded = difference(&exact, &found);
        assert!(rounded < BF16, "{number}: bf16 is off by {rounded:e}: {spec:?}");
    }
}

/// How far logits may be off with linear maps in bfloat16, of the largest logit: each weight is rounded by up to 2⁻⁹ of itself.
/// On sound it is 0.003 (docs/performance.md); here weights are moved at random and tokens are noise.
const BF16: f64 = 0.1;

#[test]
fn weights_in_bfloat16_are_those_weights_rounded() {
    // A model whose linear maps are bfloat16 numbers already loses nothing.
    let model = model(&sashimi(&json!({ "d_model": 20, "n_layers": 1, "pool": [2], "preset": "standalone" })), 256, 1);
    {
        let _no_grad = tch::no_grad_guard();
        for param in model.params().list.iter().filter(|param| param.name.ends_with("weight") && param.tensor.dim() > 1)
        {
            let rounded = param.tensor.to_kind(Kind::BFloat16).to_kind(Kind::Float);
            param.tensor.shallow_clone().copy_(&rounded);
        }
    }
    let fed = tokens(5, 40, 256);
    let full = run(&mut Lowered::new(&model).expect("it lowers").engine(5), &fed);
    assert_eq!(full, run(&mut Lowered::in_precision(&model, Packing::Bf16).expect("it lowers").engine(5), &fed));
    stir(&model);
    let full = run(&mut Lowered::new(&model).expect("it lowers").engine(5), &fed);
    assert_ne!(full, run(&mut Lowered::in_precision(&model, Packing::Bf16).expect("it lowers").engine(5), &fed));
}

#[test]
fn a_second_core_comes_and_goes_without_a_trace() {
    let model = model(&sashimi(&json!({ "d_model": 20, "n_layers": 1, "d_state": 16 })), 256, 1);
    stir(&model);
    let lowered = Lowered::new(&model).expect("it lowers");
    let fed = tokens(2, 700, 256);
    let alone = run(&mut lowered.engine(2), &fed);
    // Long enough for trials, with and without; with sleep, saving, looking and starting again in between.
    let mut engine = lowered.engine_on(2, 2);
    assert_eq!(alone[..90], run(&mut engine, &fed[..90]));
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(alone[90..200], run(&mut engine, &fed[90..200]));
    let state = engine.save().expect("a state");
    assert!(engine.is_finite());
    assert_eq!(alone[200..330], run(&mut engine, &fed[200..330]));
    engine.restore(&state).expect("the same model");
    assert_eq!(alone[200..], run(&mut engine, &fed[200..]));
    let mut other = lowered.engine(2);
    other.restore(&state).expect("the same model");
    assert_eq!(alone[200..], run(&mut other, &fed[200..]));
    engine.reset().expect("a reset");
    assert_eq!(alone, run(&mut engine, &fed));
    drop(engine);
    drop(lowered.engine_on(3, 2));
}

#[test]
fn engines_outnumbering_the_cores_still_end() {
    let model = model(&sashimi(&json!({ "d_model": 20, "n_layers": 1, "d_state": 16 })), 256, 1);
    let lowered = Lowered::new(&model).expect("it lowers");
    let fed = tokens(1, 400, 256);
    let alone = run(&mut lowered.engine(1), &fed);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| assert_eq!(alone, run(&mut lowered.engine_on(1, 2), &fed)));
        }
    });
}

#[test]
fn trained_like_weights_hold_over_4096_steps() {
    for options in [
        json!({ "d_model": 16, "n_layers": 2, "pool": [4, 4], "d_state": 64 }),
        json!({ "d_model": 24, "n_layers": 1, "pool": [4, 2], "d_state": 32, "n_ssm": null, "unet": true }),
        json!({ "d_model": 16, "n_layers": 2, "pool": [2], "mode": "s4d", "d_state": 64 }),
    ] {
        let model = model(&sashimi(&options), 256, 3);
        stir(&model);
        attune(&model, 4096);
        let fed = tokens(1, 4096, 256);
        let wide = model.to_kind(Kind::Double).expect("float64");
        let exact = run(&mut LibtorchSteps::new(&wide, 1).expect("a stepper"), &fed);
        let found = run(&mut Lowered::new(&model).expect("it lowers").engine(1), &fed);
        let narrow = run(&mut LibtorchSteps::new(&model, 1).expect("a stepper"), &fed);
        let (ours, theirs) = (difference(&exact, &found), difference(&exact, &narrow));
        // Three times what float32 costs the reference, as the golden cases allow.
        assert!(ours < (3.0 * theirs).max(2e-6), "off by {ours:e} (libtorch in float32: {theirs:e}): {options}");
    }
}

#[test]
fn random_nestings_with_trained_like_weights_hold_over_4096_steps() {
    for number in 0..20 {
        let (spec, product) = random_spec(number);
        let model = model(&spec, LEVELS, number);
        stir(&model);
        attune(&model, (4096 + product - 1) / product * product);
        let fed = tokens(1, 4096, LEVELS);
        let wide = model.to_kind(Kind::Double).expect("float64");
        let exact = run(&mut LibtorchSteps::new(&wide, 1).expect("a stepper"), &fed);
        let found = run(&mut Lowered::new(&model).expect("it lowers").engine(1), &fed);
        let narrow = run(&mut LibtorchSteps::new(&model, 1).expect("a stepper"), &fed);
        let (ours, theirs) = (difference(&exact, &found), difference(&exact, &narrow));
        assert!(
            ours < (3.0 * theirs).max(3e-5),
            "{number}: off by {ours:e} (libtorch in float32: {theirs:e}): {spec:?}"
        );
    }
}

fn check_model(case: &Case) {
    let model = model(&model_spec(case), 256, 0);
    model.load_state_dict(&state_dict(case, "sd.")).expect("the case's weights");
    let lowered = Lowered::new(&model).expect("it lowers");
    let tokens = Vec::<Vec<i64>>::try_from(tensor(case.tensor("x"), Kind::Int64)).expect("tokens");
    for name in ["logits_step", "logits_step256", "logits"].into_iter().filter(|name| case.has(name)) {
        let mut engine = lowered.engine(tokens.len());
        let steps = case.tensor(name).shape[1] as usize;
        let rows: Vec<Vec<f32>> = (0..steps)
            .map(|t| {
                let fed: Vec<u16> = tokens.iter().map(|row| row[t] as u16).collect();
                engine.step(&fed).expect("a step").to_vec()
            })
            .collect();
        let found: Vec<f64> = (0..tokens.len())
            .flat_map(|stream| {
                rows.iter().flat_map(move |row| row[stream * 256..][..256].iter().map(|&x| f64::from(x)))
            })
            .collect();
        case.check(name, &found, Precision::Single);
    }
}

mod whole_models_are_the_references {
    crate::support::golden_cases!(super::check_model, ["model_"], [model_tiny]);
}

/// A backbone's golden inputs become the rows of an embedding, and a head of ones and zeros shows its outputs.
fn check_backbone(case: &Case) {
    let spec = spec(&case.json["hyperparameters"]);
    let x = case.tensor("x");
    let [streams, steps, channels] = x.shape[..].try_into().map(|s: [i64; 3]| s.map(|n| n as usize)).expect("3 axes");
    let rows = (streams * steps) as i64;
    assert!(rows >= channels as i64);
    let model = model(&spec, rows, 0);
    let mut weights: Vec<(String, Tensor)> =
        state_dict(case, "sd.").into_iter().map(|(name, weight)| (format!("model.{name}"), weight)).collect();
    let wide = (Kind::Double, Device::Cpu);
    let eye = Tensor::eye(channels as i64, wide).constant_pad_nd([0, 0, 0, rows - channels as i64]);
    weights.push(("encoder.0.weight".to_owned(), tensor(x, Kind::Double).reshape([rows, channels as i64])));
    weights.push(("decoder.0.output_transform.weight".to_owned(), eye));
    weights.push(("decoder.0.output_transform.bias".to_owned(), Tensor::zeros([rows], wide)));
    model.load_state_dict(&weights).expect("the case's weights");
    let mut engine = Lowered::new(&model).expect("it lowers").engine(streams);
    let mut found = vec![0.0; streams * steps * channels];
    for t in 0..steps {
        let fed: Vec<u16> = (0..streams).map(|stream| (stream * steps + t) as u16).collect();
        let logits = engine.step(&fed).expect("a step");
        for (stream, row) in logits.chunks_exact(rows as usize).enumerate() {
            for (channel, &y) in row[..channels].iter().enumerate() {
                found[(stream * steps + t) * channels + channel] = f64::from(y);
            }
        }
    }
    case.check("y_step", &found, Precision::Single);
}

mod backbones_are_the_references {
    crate::support::backbone_cases!(super::check_backbone);
}

#[test]
fn sampling_tiny_model_forced_is_as_likely_as_the_reference_says() {
    let (case, tiny) = (Case::shipped("sampling_tiny_model_forced"), Case::shipped("model_tiny"));
    let model = model(&model_spec(&tiny), 256, 0);
    model.load_state_dict(&state_dict(&tiny, "sd.")).expect("the case's weights");
    let mut engine = Lowered::new(&model).expect("it lowers").engine(2);
    let mut session = Session::new(&mut engine, Drawing::default(), Seed(0), 128).expect("256 levels");
    let forced = case.tensor("tokens");
    let steps = forced.shape[1] as usize;
    for t in 0..steps {
        session.force(&[0, 1].map(|stream| forced.values[stream * steps + t] as u16)).expect("a token");
    }
    case.check("logprob", session.log_likelihood(), Precision::Single);
    case.check("entropy", session.entropy(), Precision::Single);
}

#[test]
fn a_stream_is_the_same_bit_for_bit_whatever_the_batch() {
    for options in [json!({ "d_model": 20, "n_layers": 1 }), json!({ "d_model": 40, "n_layers": 1, "init": "legt" })] {
        let model = model(&sashimi(&options), 256, 1);
        let lowered = Lowered::new(&model).expect("it lowers");
        let fed = tokens(32, 64, 256);
        let all = run(&mut lowered.engine(32), &fed);
        for batch in [1, 2, 3, 5, 17] {
            let some: Vec<Vec<u16>> = fed.iter().map(|row| row[..batch].to_vec()).collect();
            for (all, some) in all.iter().zip(run(&mut lowered.engine(batch), &some)) {
                assert_eq!(&all[..batch * 256], &some[..], "batch {batch}");
            }
        }
    }
}

#[test]
fn takes_are_the_same_on_any_number_of_threads() {
    let model = model(&sashimi(&json!({ "d_model": 12, "n_layers": 1 })), 256, 1);
    let lowered = Lowered::new(&model).expect("it lowers");
    let sound = Sound { quantizer: Quantizer::MuLaw { bits: 8 }, scaling: Scaling::MinMax, sample_rate: 16_000 };
    let config = |batch| GenerateConfig {
        samples: batch,
        length: Some(200),
        seed: 4,
        top_p: 0.9.into(),
        ..GenerateConfig::default()
    };
    let takes = |batch, threads| {
        let mut seen = Vec::new();
        let mut progress = |done, total| seen.push((done, total));
        let stop = Interrupt::default();
        let takes = generate_lowered(&lowered, &config(batch), &sound, &[3, 4, 5], threads, &stop, &mut progress);
        assert_eq!(seen.last(), Some(&(203, 203)));
        takes.expect("takes")
    };
    let one = takes(7, 1);
    assert_eq!(one, takes(7, 2));
    assert_eq!(one, takes(7, 9));
    let plain = generate(&mut lowered.engine(7), &config(7), &sound, &[3, 4, 5], &Interrupt::default(), &mut |_, _| {});
    assert_eq!(one, plain.expect("takes"));
    let alone = &takes(1, 2)[0];
    assert_eq!(Some(alone), one.iter().find(|take| take.stream == 0));
}

#[test]
fn an_interrupt_ends_every_take_at_the_same_position() {
    let model = model(&sashimi(&json!({ "d_model": 12, "n_layers": 1 })), 256, 1);
    let lowered = Lowered::new(&model).expect("it lowers");
    let sound = Sound { quantizer: Quantizer::MuLaw { bits: 8 }, scaling: Scaling::MinMax, sample_rate: 16_000 };
    let config = GenerateConfig { samples: 5, length: Some(5000), ..GenerateConfig::default() };
    let stop = Interrupt::default();
    let asked = stop.clone();
    let mut reached = 0;
    let mut progress = |done, _| {
        reached = done;
        asked.set();
    };
    let takes = generate_lowered(&lowered, &config, &sound, &[], 2, &stop, &mut progress).expect("an interrupt");
    assert!((1..5000).contains(&reached));
    assert!(takes.iter().all(|take| take.tokens.len() == reached && take.wave.len() == reached));
}

#[test]
fn a_changed_token_leaves_earlier_logits_untouched_bit_for_bit() {
    let model = model(&sashimi(&json!({ "d_model": 20, "n_layers": 1 })), 256, 1);
    let lowered = Lowered::new(&model).expect("it lowers");
    let fed = tokens(1, 64, 256);
    let mut changed = fed.clone();
    changed[40][0] ^= 1;
    let (before, after) = (run(&mut lowered.engine(1), &fed), run(&mut lowered.engine(1), &changed));
    assert_eq!(before[..40], after[..40]);
    assert_ne!(before[40], after[40]);
}

#[test]
fn an_engine_that_is_reset_starts_from_silence() {
    let model = model(&sashimi(&json!({ "d_model": 12, "n_layers": 1 })), 256, 1);
    let mut engine = Lowered::new(&model).expect("it lowers").engine(2);
    let fed = tokens(2, 37, 256);
    let first = run(&mut engine, &fed);
    engine.reset().expect("a reset");
    assert_eq!(first, run(&mut engine, &fed));
}

#[test]
fn a_long_run_stays_finite_and_as_likely_as_the_parallel_form_says() {
    let model = model(&sashimi(&json!({ "d_model": 16, "n_layers": 2, "d_state": 32 })), 256, 2);
    stir(&model);
    let steps = 16_384;
    let fed = tokens(1, steps + 1, 256);
    let mut engine = Lowered::new(&model).expect("it lowers").engine(1);
    let mut stepped = 0.0;
    for pair in fed.windows(2) {
        let logits = engine.step(&pair[0]).expect("a step");
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits.iter().map(|x| f64::from(x - largest).exp()).sum();
        stepped += f64::from(logits[usize::from(pair[1][0])] - largest) - sum.ln();
    }
    assert!(engine.is_finite());
    let flat: Vec<i64> = fed.iter().map(|row| i64::from(row[0])).collect();
    let flat = Tensor::from_slice(&flat);
    let _no_grad = tch::no_grad_guard();
    let wide = model.to_kind(Kind::Double).expect("float64");
    let logits = wide.forward(&flat.narrow(0, 0, steps as i64).unsqueeze(0), &mut Pass::eval()).expect("logits");
    let nll = logits.squeeze_dim(0).cross_entropy_for_logits(&flat.narrow(0, 1, steps as i64)).double_value(&[]);
    let difference = (-stepped / steps as f64 - nll).abs();
    assert!(difference < 1e-4, "{} nats a token stepped, {nll} in parallel", -stepped / steps as f64);
}

#[test]
fn channels_that_are_all_equal_stay_finite() {
    let model = model(&sashimi(&json!({ "d_model": 6, "n_layers": 1, "pool": [2] })), 256, 1);
    {
        let _no_grad = tch::no_grad_guard();
        for param in model.params().list.iter().filter(|param| param.name.starts_with("encoder")) {
            let _ = param.tensor.shallow_clone().fill_(0.75);
        }
    }
    let logits = run(&mut Lowered::new(&model).expect("it lowers").engine(1), &tokens(1, 20, 256));
    assert!(logits.iter().flatten().all(|x| x.is_finite()));
}

#[test]
fn what_cannot_be_lowered_is_refused_by_name() {
    let spec = sashimi(&json!({ "d_model": 6, "n_layers": 1, "pool": [2], "bidirectional": true }));
    let error = Lowered::new(&model(&spec, 256, 1)).expect_err("it looks ahead");
    assert!(matches!(error, GenerateError::NotLowered(_)), "{error}");
    assert!(error.to_string().contains("looks ahead"), "{error}");
    let model = model(&sashimi(&json!({ "d_model": 6, "n_layers": 1, "pool": [2] })), 256, 1);
    let error = Lowered::new(&model.to_kind(Kind::Double).expect("float64")).expect_err("another precision");
    assert!(error.to_string().contains("float32"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("libtorch")));
}

#[test]
fn a_token_that_the_model_has_no_row_for_is_refused() {
    let model = model(&sashimi(&json!({ "d_model": 6, "n_layers": 1, "pool": [2] })), LEVELS, 1);
    let mut engine = Lowered::new(&model).expect("it lowers").engine(2);
    engine.step(&[0, 39]).expect("tokens below 40");
    let error = engine.step(&[0, 40]).expect_err("40 is no level");
    assert!(matches!(error, GenerateError::Token { token: 40, position: 1, levels: 40 }), "{error}");
    assert!(engine.step(&[0]).is_err());
}
