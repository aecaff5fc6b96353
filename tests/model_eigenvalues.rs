//! The eigenvalues of state matrices, against those that theory gives and against the dense matrices themselves.

use tch::{Device, Kind};
use wasabi::interrupt::Interrupt;
use wasabi::model::{BlockSpec, LayerEigenvalues, Mode, SashimiConfig};
use wasabi::model::{Model, ModelError, ModelSpec, S4Config, StateMatrix, TierSpec};
use wasabi::seed::Seed;
use wasabi::ssm::init::Init;
use wasabi::ssm::s4d::Discretization;

fn model(config: S4Config) -> Model {
    let tier = TierSpec { blocks: vec![BlockSpec::S4(config)], ..TierSpec::default() };
    let spec = ModelSpec { tier, d_model: 4, ..SashimiConfig::default().spec() };
    Model::new(&spec, 256, Seed(0), Device::Cpu, Kind::Double).expect("a model of one block")
}

fn eigenvalues(config: S4Config, of: StateMatrix) -> LayerEigenvalues {
    let found = model(config).eigenvalues(of, &Interrupt::default()).expect("eigenvalues");
    assert_eq!(found.len(), 1);
    found.into_iter().next().expect("one layer")
}

fn sorted(mut values: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    values.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.total_cmp(&other.1)));
    values
}

#[test]
fn the_whole_matrix_of_legs_has_the_eigenvalues_of_hippo() {
    // HiPPO-LegS is triangular: −1, −2, …, −N are on its diagonal. Its condition grows fast with N; at 8 digits remain.
    let config = S4Config { d_state: 8, init: Some(Init::LegS), ..S4Config::default() };
    let found = sorted(eigenvalues(config.clone(), StateMatrix::Whole).values);
    for (index, (re, im)) in found.iter().enumerate() {
        let needed = index as f64 - 8.0;
        assert!((re - needed).abs() < 1e-3 && im.abs() < 1e-3, "{re} + {im} i, needed {needed}");
    }
    // Its normal part alone lies on Re = −1/2.
    let diagonal = eigenvalues(config, StateMatrix::Diagonal).values;
    assert_eq!(diagonal.len(), 8);
    assert!(diagonal.iter().all(|(re, _)| (re + 0.5).abs() < 1e-6), "{diagonal:?}");
}

#[test]
fn s4d_lin_has_evenly_spaced_frequencies() {
    let config = S4Config { mode: Mode::S4d, d_state: 8, ..S4Config::default() };
    let whole = sorted(eigenvalues(config.clone(), StateMatrix::Whole).values);
    assert_eq!(whole, sorted(eigenvalues(config, StateMatrix::Diagonal).values), "both are Λ");
    let mut frequencies: Vec<f64> = whole.iter().map(|(_, im)| im.abs() / std::f64::consts::PI).collect();
    frequencies.sort_by(f64::total_cmp);
    for (found, needed) in frequencies.iter().zip([0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0]) {
        assert!((found - needed).abs() < 1e-3, "{frequencies:?}");
    }
}

#[test]
fn discretised_eigenvalues_follow_each_rule_and_stay_in_the_unit_circle() {
    let bilinear = eigenvalues(S4Config { d_state: 16, ..S4Config::default() }, StateMatrix::Whole);
    assert_eq!(bilinear.rule, Discretization::Bilinear);
    let one = LayerEigenvalues { values: vec![(-2.0, 4.0)], ..bilinear.clone() };
    // (1 + (−1 + 2i)) / (1 − (−1 + 2i)) at Δ = 1: 2i / (2 − 2i) = (−1 + i) / 2.
    let (re, im) = one.discrete(1.0)[0];
    assert!((re + 0.5).abs() < 1e-12 && (im - 0.5).abs() < 1e-12, "{re} + {im} i");
    let zoh = LayerEigenvalues { rule: Discretization::Zoh, ..one };
    let (re, im) = zoh.discrete(0.5)[0];
    let needed = ((-1.0_f64).exp() * 2.0_f64.cos(), (-1.0_f64).exp() * 2.0_f64.sin());
    assert!((re - needed.0).abs() < 1e-12 && (im - needed.1).abs() < 1e-12, "{re} + {im} i");
    let dt = bilinear.median_dt();
    assert!((0.001..0.1).contains(&dt), "{dt}");
    assert!(bilinear.discrete(dt).iter().all(|(re, im)| re.hypot(*im) < 1.0));
}

#[test]
fn every_state_matrix_of_a_layer_is_counted_and_a_stop_is_heard() {
    let own = S4Config { d_state: 8, n_ssm: None, ..S4Config::default() };
    assert_eq!(eigenvalues(own.clone(), StateMatrix::Whole).values.len(), 4 * 8, "four channels with a matrix each");
    assert_eq!(eigenvalues(own.clone(), StateMatrix::Whole).dt.len(), 4);
    let stop = Interrupt::default();
    stop.set();
    let error = model(own).eigenvalues(StateMatrix::Whole, &stop).expect_err("stopped");
    assert!(matches!(error, ModelError::Interrupted), "{error}");
    let large = S4Config { d_state: 2048, ..S4Config::default() };
    let error = model(large.clone()).eigenvalues(StateMatrix::Whole, &Interrupt::default()).expect_err("too large");
    assert!(matches!(error, ModelError::LargeState { d_state: 2048, .. }), "{error}");
    assert_eq!(eigenvalues(large, StateMatrix::Diagonal).values.len(), 2048);
}
