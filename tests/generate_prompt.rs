//! Prompts absorbed all at once against prompts stepped.

use crate::engine::{LEVELS, attune, difference, model, random_spec, run, sashimi, stir, tokens};
use crate::golden_model::{model_spec, state_dict, tensor};
use crate::support::{Case, Precision};
use rand::Rng;
use serde_json::json;
use tch::Kind;
use wasabi::audio::{Quantizer, Scaling};
use wasabi::generate::{Engine, GenerateConfig, LibtorchSteps, Lowered, Sound, StepLogits, generate, generate_lowered};
use wasabi::interrupt::Interrupt;
use wasabi::seed::Seed;

/// What every stream is fed at each position, absorbed where `whole` says so and stepped elsewhere; the logits of the steps.
fn partly_absorbed(engine: &mut Engine, fed: &[u16], whole: &[std::ops::Range<usize>]) -> Vec<(usize, Vec<f32>)> {
    let (mut at, mut logits) = (0, Vec::new());
    while at < fed.len() {
        if let Some(range) = whole.iter().find(|range| range.start == at) {
            engine.absorb(&fed[range.clone()]).expect("a prompt");
            at = range.end;
        } else {
            logits.push((at, engine.step(&vec![fed[at]; engine.batch()]).expect("a step").to_vec()));
            at += 1;
        }
    }
    logits
}

#[test]
fn random_nestings_go_on_after_a_prompt_as_if_it_had_been_stepped() {
    let mut rng = Seed(3).stream("prompts", 0);
    for number in 0..32 {
        let (spec, product) = random_spec(number);
        let model = model(&spec, LEVELS, number);
        stir(&model);
        if number.is_multiple_of(2) {
            attune(&model, product * 8);
        }
        let fed = tokens(1, 190, LEVELS);
        let row: Vec<u16> = fed.iter().map(|row| row[0]).collect();
        // Any phase before, any length, any phase after; prompts shorter than a pool's round, too.
        let begin = rng.random_range(0..20);
        let end = begin + rng.random_range(16..100);
        let again = end + rng.random_range(1..17)..end + rng.random_range(33..60);
        let lowered = Lowered::new(&model).expect("it lowers");
        let found = partly_absorbed(&mut lowered.engine(1), &row, &[begin..end, again]);
        let wide = model.to_kind(Kind::Double).expect("float64");
        let exact = run(&mut LibtorchSteps::new(&wide, 1).expect("a stepper"), &fed);
        let narrow = run(&mut LibtorchSteps::new(&model, 1).expect("a stepper"), &fed);
        let (places, found): (Vec<usize>, Vec<Vec<f32>>) = found.into_iter().unzip();
        assert!(places.len() < 190 - (end - begin) && places.last() == Some(&189));
        let exact: Vec<Vec<f32>> = places.into_iter().map(|at| exact[at].clone()).collect();
        let theirs = difference(&run(&mut LibtorchSteps::new(&wide, 1).expect("a stepper"), &fed), &narrow);
        let ours = difference(&exact, &found);
        assert!(
            ours < (2.0 * theirs).max(3e-5),
            "{number}: off by {ours:e} (libtorch in float32: {theirs:e}), {begin}..{end}: {spec:?}"
        );
    }
}

fn check_model(case: &Case) {
    let model = model(&model_spec(case), 256, 0);
    model.load_state_dict(&state_dict(case, "sd.")).expect("the case's weights");
    let lowered = Lowered::new(&model).expect("it lowers");
    let tokens = Vec::<Vec<i64>>::try_from(tensor(case.tensor("x"), Kind::Int64)).expect("tokens");
    for name in ["logits_step", "logits_step256", "logits"].into_iter().filter(|name| case.has(name)) {
        let steps = case.tensor(name).shape[1] as usize;
        let mut found = case.tensor(name).values.clone();
        // All but the last few positions are a prompt.
        let heard = steps - 5;
        for (stream, row) in tokens.iter().enumerate() {
            let row: Vec<u16> = row[..steps].iter().map(|&token| token as u16).collect();
            for (at, logits) in partly_absorbed(&mut lowered.engine(1), &row, std::slice::from_ref(&(0..heard))) {
                for (level, logit) in logits.into_iter().enumerate() {
                    found[(stream * steps + at) * 256 + level] = f64::from(logit);
                }
            }
        }
        case.check(name, &found, Precision::Single);
    }
}

mod golden_models_go_on_after_a_prompt {
    crate::support::golden_cases!(super::check_model, ["model_"], [model_tiny]);
}

#[test]
fn a_prompt_of_many_pieces_leaves_the_state_that_steps_leave() {
    for options in [
        json!({ "d_model": 20, "n_layers": 1, "d_state": 32 }),
        json!({ "d_model": 8, "n_layers": 1, "pool": [3, 5], "mode": "s4d", "unet": true }),
    ] {
        let model = model(&sashimi(&options), 256, 2);
        stir(&model);
        let lowered = Lowered::new(&model).expect("it lowers");
        let row: Vec<u16> = tokens(1, 20_011, 256).into_iter().map(|row| row[0]).collect();
        let (mut whole, mut stepped) = (lowered.engine(1), lowered.engine(1));
        whole.absorb(&row).expect("a prompt");
        for &token in &row {
            stepped.step(&[token]).expect("a step");
        }
        let (found, exact) = (&whole.save().expect("a state")[0], &stepped.save().expect("a state")[0]);
        assert_eq!((found.position, found.numbers.len()), (20_011, exact.numbers.len()));
        let logits =
            difference(&[whole.step(&[9]).expect("a step").to_vec()], &[stepped.step(&[9]).expect("a step").to_vec()]);
        assert!(logits < 2e-5, "logits are off by {logits:e} after 20011 positions: {options}");
    }
}

#[test]
fn a_prompt_is_the_same_bit_for_bit_on_any_number_of_threads() {
    let model = model(&sashimi(&json!({ "d_model": 40, "n_layers": 1 })), 256, 1);
    let lowered = Lowered::new(&model).expect("it lowers");
    let row: Vec<u16> = tokens(1, 3000, 256).into_iter().map(|row| row[0]).collect();
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let mut engine = lowered.engine(1);
        pool.install(|| engine.absorb(&row)).expect("a prompt");
        engine.save().expect("a state")
    };
    let one = on(1);
    assert_eq!(one, on(2));
    assert_eq!(one, on(5));
}

#[test]
fn streams_that_heard_different_things_each_hear_the_same_prompt() {
    let model = model(&sashimi(&json!({ "d_model": 20, "n_layers": 1, "pool": [4, 2] })), 256, 1);
    let lowered = Lowered::new(&model).expect("it lowers");
    let before = tokens(3, 13, 256);
    let prompt: Vec<u16> = tokens(1, 90, 256).into_iter().map(|row| row[0]).collect();
    let mut together = lowered.engine(3);
    run(&mut together, &before);
    together.absorb(&prompt).expect("a prompt");
    let logits = together.step(&[1, 2, 3]).expect("a step").to_vec();
    for stream in 0..3 {
        let mut alone = lowered.engine(1);
        run(&mut alone, &before.iter().map(|row| vec![row[stream]]).collect::<Vec<_>>());
        alone.absorb(&prompt).expect("a prompt");
        let row = alone.step(&[stream as u16 + 1]).expect("a step");
        assert_eq!(row, &logits[stream * 256..][..256], "stream {stream}");
    }
    let mut alike = lowered.engine(3);
    alike.absorb(&prompt).expect("a prompt");
    let mut alone = lowered.engine(1);
    alone.absorb(&prompt).expect("a prompt");
    assert_eq!(alike.save().expect("a state")[2], alone.save().expect("a state")[0]);
    assert!(alike.absorb(&[5; 40]).and(alike.absorb(&[999; 40])).is_err(), "999 is no level");
}

#[test]
fn takes_after_a_prompt_are_the_same_whatever_the_batch_and_the_threads() {
    let model = model(&sashimi(&json!({ "d_model": 12, "n_layers": 1 })), 256, 1);
    let lowered = Lowered::new(&model).expect("it lowers");
    let sound = Sound { quantizer: Quantizer::MuLaw { bits: 8 }, scaling: Scaling::MinMax, sample_rate: 16_000 };
    let prompt: Vec<u16> = tokens(1, 10_001, 256).into_iter().map(|row| row[0]).collect();
    let takes = |samples, threads| {
        let config = GenerateConfig { samples, length: Some(60), sort: false, ..GenerateConfig::default() };
        let mut seen = Vec::new();
        let mut progress = |done, total| seen.push((done, total));
        let stop = Interrupt::default();
        let takes = generate_lowered(&lowered, &config, &sound, &prompt, threads, &stop, &mut progress).expect("takes");
        assert_eq!((seen.first(), seen.last()), (Some(&(8192, 10_061)), Some(&(10_061, 10_061))));
        takes
    };
    let all = takes(5, 1);
    assert!(all.iter().all(|take| take.prompt == 10_001 && take.tokens[..10_001] == prompt));
    assert_eq!(all, takes(5, 3));
    assert_eq!(all[..1], takes(1, 2));
    let config = GenerateConfig { samples: 5, length: Some(60), sort: false, ..GenerateConfig::default() };
    let plain = generate(&mut lowered.engine(5), &config, &sound, &prompt, &Interrupt::default(), &mut |_, _| {});
    assert_eq!(all, plain.expect("takes"));
}

#[test]
fn an_interrupt_between_two_pieces_of_a_prompt_returns_the_first() {
    let model = model(&sashimi(&json!({ "d_model": 12, "n_layers": 1 })), 256, 1);
    let lowered = Lowered::new(&model).expect("it lowers");
    let sound = Sound { quantizer: Quantizer::MuLaw { bits: 8 }, scaling: Scaling::MinMax, sample_rate: 16_000 };
    for samples in [1, 3] {
        let config = GenerateConfig { samples, length: Some(60), ..GenerateConfig::default() };
        let stop = Interrupt::default();
        let asked = stop.clone();
        let prompt = vec![100; 9000];
        let takes = generate_lowered(&lowered, &config, &sound, &prompt, 2, &stop, &mut |_, _| asked.set());
        let takes = takes.expect("an interrupt is no error");
        assert!(takes.iter().all(|take| take.tokens.len() == 8192 && take.drawn().is_empty()), "{samples} takes");
    }
}
