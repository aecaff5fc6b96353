//! LSTM blocks: torch's equations, their gradient, and their place in any tier.

use rand::Rng;
use serde_json::json;
use tch::{Device, Kind, Tensor};
use wasabi::model::{Group, LstmBlock, LstmConfig, Model, ModelSpec, Params, Pass, verify};
use wasabi::options;
use wasabi::seed::Seed;

use crate::model_algebra::{composition, double, logits, map, tokens, values, with_lstms};
use crate::support::largest_difference;

fn noise(shape: &[i64], name: &str) -> Tensor {
    let mut rng = Seed(1).stream(name, 0);
    let drawn: Vec<f64> = (0..shape.iter().product::<i64>()).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_slice(&drawn).reshape(shape)
}

fn build(config: &LstmConfig, channels: i64) -> (LstmBlock, Params) {
    LstmBlock::build(config, channels, Seed(2), Device::Cpu, Kind::Double).expect("a block")
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The equations of torch.nn.LSTM, number by number: `x[t][input]` → `h[t][unit]`.
fn by_hand(x: &[Vec<f64>], w_ih: &[f64], w_hh: &[f64], b_ih: &[f64], b_hh: &[f64], units: usize) -> Vec<Vec<f64>> {
    let (mut h, mut c) = (vec![0.0; units], vec![0.0; units]);
    let mut out = Vec::new();
    for x in x {
        let gate = |row: usize| {
            let from_x: f64 = x.iter().enumerate().map(|(k, x)| w_ih[row * x_len(w_ih, units) + k] * x).sum();
            let from_h: f64 = h.iter().enumerate().map(|(k, h)| w_hh[row * units + k] * h).sum();
            from_x + b_ih[row] + from_h + b_hh[row]
        };
        let gates: Vec<f64> = (0..4 * units).map(gate).collect();
        for k in 0..units {
            let (input, forget) = (sigmoid(gates[k]), sigmoid(gates[units + k]));
            let (cell, output) = (gates[2 * units + k].tanh(), sigmoid(gates[3 * units + k]));
            c[k] = forget * c[k] + input * cell;
            h[k] = output * c[k].tanh();
        }
        out.push(h.clone());
    }
    out
}

fn x_len(w_ih: &[f64], units: usize) -> usize {
    w_ih.len() / (4 * units)
}

#[test]
fn follows_torchs_equations_layer_after_layer_and_maps_back_to_the_channels() {
    let config = LstmConfig { d_hidden: Some(4), layers: 2, ..LstmConfig::default() };
    let (block, params) = build(&config, 3);
    let x = noise(&[1, 3, 7], "x");
    let weight = |name: &str| {
        values(&params.list.iter().find(|param| param.name == name).unwrap_or_else(|| panic!("no {name}")).tensor)
    };
    let mut rows: Vec<Vec<f64>> = (0..7).map(|t| values(&x.select(2, t))).collect();
    for layer in 0..2 {
        let [w_ih, w_hh, b_ih, b_hh] =
            ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].map(|name| weight(&format!("lstm.{name}_l{layer}")));
        rows = by_hand(&rows, &w_ih, &w_hh, &b_ih, &b_hh, 4);
    }
    let (w, b) = (weight("output_linear.weight"), weight("output_linear.bias"));
    let found = block.forward(&x, &mut Pass::eval()).expect("an output");
    for (t, h) in rows.iter().enumerate() {
        let expected: Vec<f64> =
            (0..3).map(|o| b[o] + h.iter().enumerate().map(|(k, h)| w[o * 4 + k] * h).sum::<f64>()).collect();
        let found = values(&found.select(2, i64::try_from(t).expect("small")));
        assert!(largest_difference(&expected, &found) < 1e-13, "sample {t}: {expected:?}, {found:?}");
    }
}

#[test]
fn of_one_unit_gives_the_numbers_of_a_pocket_calculator() {
    let (block, params) = build(&LstmConfig::default(), 1);
    let _no_grad = tch::no_grad_guard();
    for (name, numbers) in [
        ("lstm.weight_ih_l0", [1.0, 0.5, 2.0, -1.0]),
        ("lstm.weight_hh_l0", [0.0, 1.0, -1.0, 0.5]),
        ("lstm.bias_ih_l0", [0.0, 1.0, 0.0, 0.0]),
        ("lstm.bias_hh_l0", [0.5, 0.0, 0.0, 0.25]),
    ] {
        let param = params.list.iter().find(|param| param.name == name).expect("a weight");
        param.tensor.shallow_clone().copy_(&Tensor::from_slice(&numbers).reshape(param.tensor.size()));
    }
    let x = Tensor::from_slice(&[1.0, -0.5]).reshape([1, 1, 2]);
    // t = 0: i = σ(1.5) = 0.817574, g = tanh 2 = 0.964028, o = σ(−0.75) = 0.320821,
    //        c = i·g = 0.788164, h = o·tanh c = 0.210898
    // t = 1: i = σ(−0.5 + 0.5) = 0.5, f = σ(−0.25 + h + 1) = 0.723301, g = tanh(−1 − h) = −0.836949,
    //        o = σ(0.5 + h/2 + 0.25) = 0.701709, c = f·0.788164 − 0.5·0.836949 = 0.151606, h = o·tanh c = 0.105576
    let expected = [0.210_897_619_684_682_7, 0.105_575_770_139_773_4];
    for found in [block.forward(&x, &mut Pass::eval()), block.steps(&x)] {
        assert!(largest_difference(&expected, &values(&found.expect("an output"))) < 1e-14);
    }
}

#[test]
fn stepped_says_what_it_says_as_a_sequence() {
    for (units, layers) in [(None, 1), (Some(3), 1), (Some(9), 3), (None, 2)] {
        let config = LstmConfig { d_hidden: units, layers, ..LstmConfig::default() };
        let (block, _) = build(&config, 5);
        let x = noise(&[2, 5, 40], "x");
        let sequence = block.forward(&x, &mut Pass::eval()).expect("a sequence");
        let steps = block.steps(&x).expect("steps");
        assert_eq!(sequence.size(), [2, 5, 40]);
        assert!(largest_difference(&values(&sequence), &values(&steps)) < 1e-12, "{units:?}, {layers} layers");
    }
}

#[test]
fn starts_as_torchs_does_under_torchs_names() {
    let config = LstmConfig { d_hidden: Some(25), layers: 2, ..LstmConfig::default() };
    let (_, params) = build(&config, 7);
    let found: Vec<(&str, Vec<i64>, Group)> =
        params.list.iter().map(|param| (&*param.name, param.tensor.size(), param.group)).collect();
    let expected = [
        ("lstm.weight_ih_l0", vec![100, 7], Group::Dense),
        ("lstm.weight_hh_l0", vec![100, 25], Group::Dense),
        ("lstm.bias_ih_l0", vec![100], Group::NoDecay),
        ("lstm.bias_hh_l0", vec![100], Group::NoDecay),
        ("lstm.weight_ih_l1", vec![100, 25], Group::Dense),
        ("lstm.weight_hh_l1", vec![100, 25], Group::Dense),
        ("lstm.bias_ih_l1", vec![100], Group::NoDecay),
        ("lstm.bias_hh_l1", vec![100], Group::NoDecay),
        ("output_linear.weight", vec![7, 25], Group::Dense),
        ("output_linear.bias", vec![7], Group::NoDecay),
    ];
    assert_eq!(found, expected);
    for param in &params.list {
        let largest = values(&param.tensor).iter().fold(0.0_f64, |most, value| most.max(value.abs()));
        assert!(largest <= 0.2, "{}: 1/√25 bounds both maps, {largest}", param.name);
        // 0.1 is half the bound: 7 draws or more are below it once in 128 times, and the seed is fixed.
        assert!(largest > 0.1, "{}: uniform draws come near the bound, {largest}", param.name);
    }
}

#[test]
fn drops_what_its_seed_says_and_nothing_in_evaluation() {
    let config = LstmConfig { dropout: 0.5, layers: 2, ..LstmConfig::default() };
    let (block, _) = build(&config, 4);
    let x = noise(&[1, 4, 16], "x");
    let run = |mut pass: Pass| values(&block.forward(&x, &mut pass).expect("an output"));
    let train = |seed, counter| run(Pass::train(Seed(seed), counter));
    assert_eq!(train(1, 7), train(1, 7));
    assert_ne!(train(1, 7), train(1, 8));
    assert!(train(1, 7).iter().filter(|value| **value == 0.0).count() > 10, "half of the last layer is dropped");
    assert!(run(Pass::eval()).iter().all(|value| *value != 0.0));
    let tied = LstmConfig { tie_dropout: true, layers: 1, ..config };
    let (block, _) = build(&tied, 4);
    let y = block.forward(&x, &mut Pass::train(Seed(1), 0)).expect("an output");
    for channel in 0..4 {
        let dropped = values(&y.select(1, channel)).iter().filter(|value| **value == 0.0).count();
        assert!(dropped == 0 || dropped == 16, "channel {channel}: {dropped} of 16");
    }
}

#[test]
fn in_any_tier_equals_its_recurrence_and_is_causal() {
    let model = double(&with_lstms());
    let rows = verify::verify(&model, &tokens(2, 24)).expect("a comparison");
    let layers: Vec<&str> = rows.iter().map(|row| row.layer.as_str()).collect();
    assert_eq!(layers, ["c_layers.0", "u_layers.0.1", "u_layers.1.1", "u_layers.1.3", "logits"]);
    for row in &rows {
        assert!(row.largest_output > 0.0, "{} is silent", row.layer);
        assert!(row.double < 1e-11 * row.largest_output.max(1.0), "{} differs by {:e}", row.layer, row.double);
        assert!(row.single < 1e-3 * row.largest_output.max(1.0), "{} differs by {:e}", row.layer, row.single);
    }
    let whole = tokens(1, 24);
    for at in [1, 8, 23] {
        let changed = whole.copy();
        let _ = changed.select(1, at).fill_tensor_(&(31 - whole.select(1, at).squeeze()));
        let (before, after) = (logits(&model, &whole), logits(&model, &changed));
        let past = |logits: &Tensor| values(&logits.narrow(1, 0, at));
        assert!(largest_difference(&past(&before), &past(&after)) < 1e-11, "token {at} changed its past");
        assert_ne!(values(&before.narrow(1, at, 1)), values(&after.narrow(1, at, 1)), "token {at} changed nothing");
    }
}

#[test]
fn trains_every_weight_within_two_steps() {
    let model = Model::new(&with_lstms(), 32, Seed(3), Device::Cpu, Kind::Float).expect("a model");
    let before = model.state_dict().iter().map(|(name, w)| (name.clone(), values(w))).collect::<Vec<_>>();
    let inputs = tokens(2, 24);
    let mut losses = Vec::new();
    for step in 0..3 {
        let mut pass = Pass::train(Seed(0), step);
        let targets = inputs.roll([-1], [1]).flatten(0, 1);
        let all = model.forward(&inputs, &mut pass).expect("logits").flatten(0, 1);
        let loss = all.cross_entropy_loss::<Tensor>(&targets, None, tch::Reduction::Mean, -100, 0.0);
        losses.push(loss.double_value(&[]));
        pass.backward(&loss).expect("gradients");
        let _no_grad = tch::no_grad_guard();
        for param in &model.params().list {
            let mut gradient = param.tensor.grad();
            let _ = param.tensor.shallow_clone().subtract_(&(&gradient * 0.1));
            let _ = gradient.zero_();
        }
    }
    assert!(losses[2] < losses[0], "{losses:?}");
    for ((name, old), (_, new)) in before.iter().zip(model.state_dict()) {
        assert_ne!(old, &values(&new), "{name} has not moved");
    }
}

#[test]
fn gradient_equals_finite_differences() {
    let (block, params) = build(&LstmConfig { d_hidden: Some(3), ..LstmConfig::default() }, 2);
    let (x, weights) = (noise(&[1, 2, 6], "x"), noise(&[1, 2, 6], "g"));
    let loss = || (block.forward(&x, &mut Pass::eval()).expect("an output") * &weights).sum(Kind::Double);
    Pass::train(Seed(0), 0).backward(&loss()).expect("gradients");
    for param in &params.list {
        let gradient = values(&param.tensor.grad());
        let flat = param.tensor.detach().view([-1]);
        for (at, found) in gradient.iter().enumerate() {
            let at = i64::try_from(at).expect("small");
            let moved = |by: f64| {
                let _no_grad = tch::no_grad_guard();
                let _ = flat.get(at).g_add_scalar_(by);
                let value = loss().double_value(&[]);
                let _ = flat.get(at).g_add_scalar_(-by);
                value
            };
            let expected = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            assert!((found - expected).abs() < 1e-8, "{} {at}: {found}, {expected}", param.name);
        }
    }
}

#[test]
fn with_an_unknown_key_is_refused_and_its_composition_survives_json() {
    let spec = with_lstms();
    let json = serde_json::to_value(&spec).expect("JSON");
    assert_eq!(serde_json::from_value::<ModelSpec>(json.clone()).expect("the same"), spec);
    assert_eq!(json["tier"]["blocks"][0], json!({"lstm": LstmConfig::default()}));
    let stranger = json!({"d_model": 4, "tier": {"blocks": [{"lstm": {"hidden": 3}}]}});
    assert!(serde_json::from_value::<ModelSpec>(stranger).is_err());
}

#[test]
fn too_large_for_any_machine_is_refused_by_name() {
    for (options, key) in [
        (json!({"d_hidden": 0}), "d_hidden"),
        (json!({"d_hidden": 70_000}), "d_hidden"),
        (json!({"layers": 0}), "layers"),
        (json!({"layers": 65}), "layers"),
        (json!({"dropout": 1.0}), "dropout"),
    ] {
        assert_eq!(options::parse::<LstmConfig>(&map(options)).expect_err("out of range").key, key);
    }
    let wide = json!({"d_model": 8, "tier": {"blocks": [{"lstm": {"d_hidden": 40_000}}]}});
    let error = composition(wide).validate().expect_err("6.4e9 weights").to_string();
    assert!(error.contains("`d_hidden` is 40000"), "{error}");
}
