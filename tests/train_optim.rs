//! AdamW: the golden trajectories, flat storage, clipping, moments that come back bit for bit.

use crate::support::{Case, Precision};
use tch::{Device, Kind, Tensor};
use wasabi::model::{Group, Model, Param, Params, Pass, SashimiConfig};
use wasabi::seed::Seed;
use wasabi::train::{AdamW, AdamWConstants, Rates, TrainError, summed_nll};

fn reals(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(&tensor.detach().to_kind(Kind::Double).reshape([-1])).expect("a flat tensor")
}

fn golden(case: &Case, name: &str, kind: Kind) -> Tensor {
    let golden = case.tensor(name);
    Tensor::from_slice(&golden.values).reshape(golden.shape.as_slice()).to_kind(kind)
}

fn golden_model(case: &Case, kind: Kind) -> Model {
    let config = &case.hyper("config");
    let int = |value: &serde_json::Value| value.as_i64().expect("an integer hyperparameter");
    let layer = &config["layer"];
    let sashimi = SashimiConfig {
        d_model: int(&config["d_model"]),
        n_layers: int(&config["n_layers"]),
        pool: config["pool"].as_array().expect("pool").iter().map(int).collect(),
        expand: int(&config["expand"]),
        ff: int(&config["ff"]),
        d_state: int(&layer["d_state"]),
        n_ssm: layer["n_ssm"].as_i64(),
        ..SashimiConfig::default()
    };
    let model = Model::new(&sashimi.spec(), 256, Seed(1), Device::Cpu, kind).expect("the case's composition");
    let weights: Vec<(String, Tensor)> = case
        .tensors
        .iter()
        .filter_map(|(name, golden_tensor)| {
            let own = name.strip_prefix("init.")?;
            let kind = if golden_tensor.integer { Kind::Int64 } else { kind };
            Some((own.to_owned(), golden(case, name, kind)))
        })
        .collect();
    model.load_state_dict(&weights).expect("the case's weights fit");
    model
}

fn follow(case: &Case, precision: Precision) {
    let kind = if precision == Precision::Single { Kind::Float } else { Kind::Double };
    let model = golden_model(case, kind);
    let real = |name: &str| case.hyper(name).as_f64().expect("a real hyperparameter");
    let rates = Rates { lr: real("lr"), ssm_lr: 0.001, weight_decay: real("weight_decay") };
    let (x, y) = (golden(case, "x", Kind::Int64), golden(case, "y", Kind::Int64).squeeze_dim(-1));
    let mut optimizer = AdamW::new(model.params(), AdamWConstants::default()).expect("an optimiser");
    let mut losses = Vec::new();
    let steps = case.hyper("steps").as_u64().expect("a number of steps");
    for step in 0..=steps {
        let mut pass = Pass::train(Seed(0), step);
        let loss =
            summed_nll(&model.forward(&x, &mut pass).expect("a forward pass"), &y).expect("a loss") / x.numel() as f64;
        losses.push(loss.double_value(&[]));
        if step == steps {
            break;
        }
        optimizer.zero_gradient().expect("gradients");
        pass.backward(&loss).expect("a backward pass");
        optimizer.step(rates).expect("an update");
        if step == 0 && precision == Precision::Single {
            check_parameters(case, &model, "after1", precision);
        }
    }
    case.check("losses", &losses, precision);
    check_parameters(case, &model, "final", precision);
}

/// In float32, what a parameter inherits from the rounding of its gradient: Adam divides by the gradient's size, so each of
/// the updates, of size lr, carries the gradient's relative noise, whose bound the case states. The stated bound of a
/// parameter alone is three times one draw of this noise, by luck as small as one likes for a tensor of few numbers.
fn inherited_noise(case: &Case, name: &str, precision: Precision) -> f64 {
    let relative = case.json["tolerance"][format!("grad1.{name}")]["atol_over_max"].as_f64();
    let distance = case.hyper("lr").as_f64().expect("lr") * case.hyper("steps").as_f64().expect("steps");
    if precision == Precision::Single { relative.unwrap_or(0.0) * distance } else { 0.0 }
}

fn check_parameters(case: &Case, model: &Model, when: &str, precision: Precision) {
    let mut checked = 0;
    let mut outside = Vec::new();
    for param in &model.params().list {
        let name = format!("{when}.{}", param.name);
        let difference = crate::support::largest_difference(&case.tensor(&name).values, &reals(&param.tensor));
        let allowed = case.tolerance(&name, precision).max(inherited_noise(case, &param.name, precision));
        if difference > allowed {
            outside.push(format!("{name} differs by {difference:.2e}, allowed {allowed:.2e}"));
        }
        checked += 1;
    }
    assert!(outside.is_empty(), "{}:\n{}", case.name, outside.join("\n"));
    for (name, length) in model.state_dict().iter().filter(|(_, tensor)| tensor.kind() == Kind::Int64) {
        if case.has(&format!("{when}.{name}")) {
            assert_eq!(reals(length), case.tensor(&format!("{when}.{name}")).values, "{}: {when}.{name}", case.name);
            checked += 1;
        }
    }
    assert_eq!(checked, case.tensors.keys().filter(|name| name.starts_with(&format!("{when}."))).count());
}

#[test]
fn optim_cases_are_followed_in_float64() {
    for case in Case::all(&["optim_"]) {
        follow(&case, Precision::Double);
    }
}

#[test]
fn optim_cases_are_followed_in_float32() {
    for case in Case::all(&["optim_"]) {
        follow(&case, Precision::Single);
    }
}

#[test]
fn parameters_are_grouped_as_the_reference_groups_them() {
    for case in Case::all(&["optim_"]) {
        let model = golden_model(&case, Kind::Float);
        let groups = case.json["optimizer_groups"].as_array().expect("groups");
        for (group, golden) in [Group::Dense, Group::Kernel, Group::NoDecay, Group::Ssm].into_iter().zip(groups) {
            let mut needed: Vec<&str> =
                golden["params"].as_array().expect("names").iter().filter_map(|name| name.as_str()).collect();
            let own = model.params().list.iter().filter(|param| param.group == group);
            let mut found: Vec<&str> = own.map(|param| param.name.as_str()).collect();
            needed.sort_unstable();
            found.sort_unstable();
            assert_eq!(found, needed, "{}: {group:?}", case.name);
        }
    }
}

fn leaf(values: &[f64]) -> Tensor {
    Tensor::from_slice(values).set_requires_grad(true)
}

/// One parameter in each group, with handles that outlive the optimiser's re-pointing.
fn four_groups() -> Params {
    let mut params = Params::default();
    for (index, group) in [Group::Dense, Group::Kernel, Group::NoDecay, Group::Ssm].into_iter().enumerate() {
        let base = index as f64;
        params.list.push(Param { name: format!("p{index}"), tensor: leaf(&[base + 1.0, -base - 0.5]), group });
        params.list.push(Param { name: format!("q{index}"), tensor: leaf(&[0.25 * (base + 1.0)]), group });
    }
    params
}

/// Σ (p − k)⁴ over all parameters, with k growing along the list.
fn quartic(params: &Params) -> Tensor {
    let parts = params.list.iter().enumerate().map(|(k, param)| (&param.tensor - k as f64 * 0.3).pow_tensor_scalar(4));
    parts.map(|part| part.sum(Kind::Double)).reduce(|a, b| a + b).expect("parameters")
}

fn all_values(params: &Params) -> Vec<u64> {
    params.list.iter().flat_map(|param| reals(&param.tensor)).map(f64::to_bits).collect()
}

const RATES: Rates = Rates { lr: 0.02, ssm_lr: 0.005, weight_decay: 0.1 };

/// The textbook algorithm on plain numbers, one at a time: the slow twin.
struct SlowAdamW {
    moments: Vec<(f64, f64)>,
    updates: i32,
}

impl SlowAdamW {
    fn step(&mut self, values: &mut [f64], gradient: &[f64], rates: &[(f64, f64)]) {
        self.updates += 1;
        let (b1, b2) = (0.9, 0.999);
        for (index, value) in values.iter_mut().enumerate() {
            let ((lr, decay), g) = (rates[index], gradient[index]);
            let (m, v) = &mut self.moments[index];
            *value *= 1.0 - lr * decay;
            *m = b1 * *m + (1.0 - b1) * g;
            *v = b2 * *v + (1.0 - b2) * g * g;
            let (m_hat, v_hat) = (*m / (1.0 - b1.powi(self.updates)), *v / (1.0 - b2.powi(self.updates)));
            *value -= lr * m_hat / (v_hat.sqrt() + 1e-8);
        }
    }
}

#[test]
fn flat_adamw_equals_the_textbook_one_number_at_a_time() {
    let params = four_groups();
    let mut optimizer = AdamW::new(&params, AdamWConstants::default()).expect("an optimiser");
    let mut values: Vec<f64> = params.list.iter().flat_map(|param| reals(&param.tensor)).collect();
    let rates: Vec<(f64, f64)> = params
        .list
        .iter()
        .flat_map(|param| {
            let rate = match param.group {
                Group::Dense | Group::Kernel => (RATES.lr, RATES.weight_decay),
                Group::NoDecay => (RATES.lr, 0.0),
                Group::Ssm => (RATES.ssm_lr, 0.0),
            };
            vec![rate; param.tensor.numel()]
        })
        .collect();
    let mut slow = SlowAdamW { moments: vec![(0.0, 0.0); values.len()], updates: 0 };
    for _ in 0..30 {
        optimizer.zero_gradient().expect("gradients");
        quartic(&params).backward();
        let gradient: Vec<f64> = params.list.iter().flat_map(|param| reals(&param.tensor.grad())).collect();
        optimizer.step(RATES).expect("an update");
        slow.step(&mut values, &gradient, &rates);
    }
    let found: Vec<f64> = params.list.iter().flat_map(|param| reals(&param.tensor)).collect();
    let difference = crate::support::largest_difference(&found, &values);
    assert!(difference < 1e-13, "differs by {difference:e} after 30 updates");
}

#[test]
fn taking_parameters_into_flat_storage_changes_no_value_and_keeps_every_handle() {
    let params = four_groups();
    let before = all_values(&params);
    let handle = params.list[2].tensor.shallow_clone();
    let mut optimizer = AdamW::new(&params, AdamWConstants::default()).expect("an optimiser");
    assert_eq!(all_values(&params), before);
    quartic(&params).backward();
    optimizer.step(RATES).expect("an update");
    assert_ne!(all_values(&params), before, "an update changed nothing");
    assert_eq!(reals(&handle), reals(&params.list[2].tensor), "a handle was left behind");
}

#[test]
fn a_parameter_that_was_replaced_is_taken_up_again() {
    let (params, twin) = (four_groups(), four_groups());
    let mut optimizers =
        [&params, &twin].map(|params| AdamW::new(params, AdamWConstants::default()).expect("an optimiser"));
    let moved = params.list[0].tensor.detach().copy();
    params.list[0].tensor.shallow_clone().set_data(&moved);
    for (params, optimizer) in [&params, &twin].into_iter().zip(&mut optimizers) {
        quartic(params).backward();
        optimizer.step(RATES).expect("an update");
    }
    assert_eq!(all_values(&params), all_values(&twin));
}

#[test]
fn the_norm_is_that_of_all_gradients_and_clipping_shortens_without_turning() {
    let params = four_groups();
    let mut optimizer = AdamW::new(&params, AdamWConstants::default()).expect("an optimiser");
    quartic(&params).backward();
    let gradient: Vec<f64> = params.list.iter().flat_map(|param| reals(&param.tensor.grad())).collect();
    let length = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
    let norm = optimizer.gradient_norm().expect("a norm");
    assert!((norm.double_value(&[]) - length).abs() < 1e-12 * length);
    optimizer.clip(&norm, 0.5).expect("a clip");
    let clipped: Vec<f64> = params.list.iter().flat_map(|param| reals(&param.tensor.grad())).collect();
    for (long, short) in gradient.iter().zip(&clipped) {
        assert!((long * 0.5 / (length + 1e-6) - short).abs() < 1e-12);
    }
    let norm = optimizer.gradient_norm().expect("a norm");
    optimizer.clip(&norm, 1.0).expect("a clip");
    let kept: Vec<f64> = params.list.iter().flat_map(|param| reals(&param.tensor.grad())).collect();
    assert_eq!(kept, clipped, "a gradient that is short enough was changed");
}

#[test]
fn moments_saved_and_restored_continue_bit_for_bit() {
    let run = |params: &Params, optimizer: &mut AdamW, updates: usize| {
        for _ in 0..updates {
            optimizer.zero_gradient().expect("gradients");
            quartic(params).backward();
            optimizer.step(RATES).expect("an update");
        }
    };
    let whole = four_groups();
    let mut optimizer = AdamW::new(&whole, AdamWConstants::default()).expect("an optimiser");
    run(&whole, &mut optimizer, 10);

    let (first, second) = (four_groups(), four_groups());
    let mut optimizer = AdamW::new(&first, AdamWConstants::default()).expect("an optimiser");
    run(&first, &mut optimizer, 5);
    let state: Vec<(String, Tensor)> =
        optimizer.state().into_iter().map(|(name, tensor)| (name, tensor.copy())).collect();
    for (from, to) in first.list.iter().zip(&second.list) {
        tch::no_grad(|| to.tensor.shallow_clone().copy_(&from.tensor));
    }
    let mut optimizer = AdamW::new(&second, AdamWConstants::default()).expect("an optimiser");
    optimizer.load_state(&state).expect("its own state");
    assert_eq!(optimizer.updates(), 5);
    run(&second, &mut optimizer, 5);
    assert_eq!(all_values(&second), all_values(&whole));
}

#[test]
fn a_state_of_another_model_is_refused_with_every_difference_and_changes_nothing() {
    let params = four_groups();
    let mut optimizer = AdamW::new(&params, AdamWConstants::default()).expect("an optimiser");
    let mut state = optimizer.state();
    state.retain(|(name, _)| name != "ssm.mean");
    state.push(("dense.third".to_owned(), Tensor::from(1.0)));
    let (_, square) = state.iter_mut().find(|(name, _)| name == "kernel.square").expect("the kernels' squares");
    *square = Tensor::ones([7], (Kind::Double, Device::Cpu));
    let before: Vec<Vec<f64>> = optimizer.state().iter().map(|(_, tensor)| reals(tensor)).collect();
    match optimizer.load_state(&state) {
        Err(TrainError::Moments { differences }) => {
            let text = differences.join("; ");
            for name in ["`ssm.mean` is missing", "`dense.third` is unknown", "`kernel.square`"] {
                assert!(text.contains(name), "{text}");
            }
        }
        other => panic!("{other:?}"),
    }
    let after: Vec<Vec<f64>> = optimizer.state().iter().map(|(_, tensor)| reals(tensor)).collect();
    assert_eq!(after, before);
}
