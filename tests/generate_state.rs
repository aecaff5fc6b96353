//! States: saved, gone on with bit for bit, and refused where they do not belong.

use crate::engine::{model, sashimi, stir, tokens};
use serde_json::json;
use wasabi::audio::{Quantizer, Scaling};
use wasabi::generate::{
    GenerateConfig, GenerateError, LibtorchSteps, Lowered, ModelName, SessionState, Sound, Start, StateFile, Take,
    generate_from, generate_lowered_from,
};
use wasabi::interrupt::Interrupt;
use wasabi::model::Model;
use wasabi::schedule::Varying;

fn sound() -> Sound {
    Sound { quantizer: Quantizer::MuLaw { bits: 8 }, scaling: Scaling::MinMax, sample_rate: 100 }
}

fn a_model(seed: u64) -> Model {
    let model = model(&sashimi(&json!({ "d_model": 20, "n_layers": 1, "pool": [4, 3] })), 256, seed);
    stir(&model);
    model
}

fn takes(lowered: &Lowered, config: &GenerateConfig, start: Start<'_>) -> Vec<Take> {
    let config = GenerateConfig { sort: false, save_state: Some("asked for".into()), ..config.clone() };
    generate_lowered_from(lowered, &config, &sound(), start, 2, &Interrupt::default(), &mut |_, _| {}).expect("takes")
}

fn state_of(takes: &[Take]) -> SessionState {
    let endings: Vec<&SessionState> = takes.iter().map(|take| &**take.ending.as_ref().expect("a state")).collect();
    SessionState::joined(&endings).expect("takes")
}

fn file(name: &str) -> std::path::PathBuf {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("states");
    std::fs::create_dir_all(&folder).expect("target/tmp can be written");
    folder.join(name)
}

#[test]
fn takes_that_go_on_from_a_file_are_those_that_never_stopped() {
    let (first, other) = (a_model(1), a_model(1));
    let (lowered, again) = (Lowered::new(&first).expect("it lowers"), Lowered::new(&other).expect("it lowers"));
    let temperature =
        serde_json::from_value::<Varying>(json!({ "kind": "piecewise", "points": [[0, 0.5], [700, 1.2]] }));
    let config =
        GenerateConfig { samples: 3, seed: 6, temperature: temperature.expect("a schedule"), ..Default::default() };
    let prompt: Vec<u16> = tokens(1, 53, 256).into_iter().map(|row| row[0]).collect();
    let start = Start { prompt: &prompt, state: None };
    let of = |length| GenerateConfig { length: Some(length), ..config.clone() };
    let whole = takes(&lowered, &of(731), start);

    let begun = takes(&lowered, &of(410), start);
    let path = file("three.state");
    let name = ModelName::of(&first, "runs/a").expect("a name");
    StateFile { model: name, state: state_of(&begun) }.write(&path).expect("target/tmp can be written");

    // Another process: another model of the same weights, and options that the state overrules.
    let name = ModelName::of(&other, "runs/b").expect("a name");
    let state = StateFile::of_model(&path, &name).expect("its own weights");
    let go_on = Start { prompt: &[], state: Some(&state) };
    let rest = takes(&again, &GenerateConfig { seed: 99, samples: 1, ..of(321) }, go_on);
    for ((whole, begun), rest) in whole.iter().zip(&begun).zip(&rest) {
        assert_eq!(whole.stream, rest.stream);
        assert_eq!(whole.tokens, [&begun.tokens[..], &rest.tokens[..]].concat(), "stream {}", rest.stream);
        let sum = begun.log_likelihood + rest.log_likelihood;
        assert!((whole.log_likelihood - sum).abs() < 1e-9 * whole.log_likelihood.abs());
    }
    assert_eq!(state_of(&whole), state_of(&rest), "the states that both end in");

    // A mate plays in between: what it played is heard, and changes what follows.
    let turn = takes(&again, &of(50), Start { prompt: &prompt, state: Some(&state) });
    assert_eq!(turn[0].tokens[..53], prompt);
    assert_ne!(turn[0].drawn(), &rest[0].drawn()[..50]);
}

#[test]
fn a_state_of_other_weights_is_refused_by_name() {
    let (own, other) = (a_model(1), a_model(2));
    let lowered = Lowered::new(&own).expect("it lowers");
    let config = GenerateConfig { length: Some(20), ..Default::default() };
    let state = state_of(&takes(&lowered, &config, Start::default()));
    let path = file("refused.state");
    StateFile { model: ModelName::of(&own, "runs/mine").expect("a name"), state: state.clone() }
        .write(&path)
        .expect("a file");
    let name = ModelName::of(&other, "runs/theirs").expect("a name");
    let error = StateFile::of_model(&path, &name).expect_err("other weights");
    let told = error.to_string();
    assert!(told.contains("runs/mine (") && told.contains("not of runs/theirs ("), "{told}");
    assert!(error.hint().is_some_and(|hint| hint.contains("checkpoint")));

    let narrow = model(&sashimi(&json!({ "d_model": 8, "n_layers": 1 })), 256, 1);
    let narrow = Lowered::new(&narrow).expect("it lowers");
    let start = Start { prompt: &[], state: Some(&state) };
    let refused = generate_lowered_from(&narrow, &config, &sound(), start, 1, &Interrupt::default(), &mut |_, _| {});
    assert!(matches!(refused, Err(GenerateError::Misfit { .. })), "another shape");
    let mut plain = LibtorchSteps::new(&own, 1).expect("a stepper");
    let refused = generate_from(&mut plain, &config, &sound(), start, &Interrupt::default(), &mut |_, _| {});
    assert!(matches!(refused, Err(GenerateError::NoState)), "libtorch keeps its state to itself");
}

#[test]
fn what_is_no_state_is_refused_with_a_reason() {
    let path = file("absent.state");
    drop(std::fs::remove_file(&path));
    let told = StateFile::read(&path).expect_err("no file").to_string();
    assert!(told.starts_with("cannot read the state") && told.contains("absent.state"), "{told}");
    let own = a_model(1);
    let lowered = Lowered::new(&own).expect("it lowers");
    let config = GenerateConfig { length: Some(20), ..Default::default() };
    let state = state_of(&takes(&lowered, &config, Start::default()));
    let whole = StateFile { model: ModelName::of(&own, "a").expect("a name"), state };
    let path = file("cut.state");
    whole.write(&path).expect("a file");
    assert_eq!(StateFile::read(&path).expect("as it was written"), whole);
    let bytes = std::fs::read(&path).expect("a file");
    std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("a file");
    let error = StateFile::read(&path).expect_err("half a file");
    assert!(matches!(error, GenerateError::StateFile { .. }), "{error}");
    // A byte of a number, and a digit of the header: both are whole files, and neither is what was written.
    let position = String::from_utf8_lossy(&bytes).find("position").expect("the header");
    let digit = (position..).find(|&at| bytes[at].is_ascii_digit()).expect("a number");
    for at in [bytes.len() - 5, digit] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        std::fs::write(&path, &damaged).expect("a file");
        let error = StateFile::read(&path).expect_err("a damaged file").to_string();
        assert!(error.contains("it is damaged"), "{at}: {error}");
    }
    let error = whole.write(std::path::Path::new("/dev/full/take.state")).expect_err("no folder");
    assert!(error.to_string().starts_with("cannot write the state /dev/full"), "{error}");
}
