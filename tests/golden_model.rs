//! Blocks, backbones and whole models against the reference implementation, and the forms against each other.

use crate::support::{Case, Golden, Precision, device, largest_difference};
use rand::Rng;
use serde_json::{Map, Value, json};
use tch::{Device, Kind, Tensor};
use wasabi::model::{Backbone, Model, ModelSpec, Params, Pass, S4Block, S4Config, SashimiConfig, verify};
use wasabi::options;
use wasabi::seed::Seed;

/// What the cases of the reference are held in: on a GPU in float32 alone.
fn precisions() -> Vec<(Kind, Precision)> {
    let mut all = vec![(Kind::Float, Precision::Single)];
    if device() == Device::Cpu {
        all.push((Kind::Double, Precision::Double));
    }
    all
}

pub(crate) fn tensor(golden: &Golden, kind: Kind) -> Tensor {
    let kind = if golden.integer { Kind::Int64 } else { kind };
    Tensor::from_slice(&golden.values).reshape(&golden.shape).to_kind(kind).to_device(device())
}

pub(crate) fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.detach().to_device(Device::Cpu).to_kind(Kind::Double).contiguous().view([-1]))
        .expect("numbers")
}

/// The state dict of a case, `sd.` stripped.
pub(crate) fn state_dict(case: &Case, prefix: &str) -> Vec<(String, Tensor)> {
    let entries = case.tensors.iter().filter_map(|(name, golden)| Some((name.strip_prefix(prefix)?, golden)));
    entries.map(|(name, golden)| (name.to_owned(), tensor(golden, Kind::Double))).collect()
}

fn copy(from: &Value, names: &[&str], to: &mut Map<String, Value>) {
    for name in names {
        if !from[*name].is_null() {
            to.insert((*name).to_owned(), from[*name].clone());
        }
    }
}

fn s4_options(hyper: &Value) -> Map<String, Value> {
    let mut map = Map::new();
    copy(hyper, &["d_state", "rank", "dt_transform", "bidirectional"], &mut map);
    map.insert("n_ssm".to_owned(), hyper["n_ssm"].clone());
    let init = hyper["init"].as_str().unwrap_or("legs");
    map.insert("init".to_owned(), json!(init.trim_start_matches("diag-")));
    if hyper["mode"] == "diag" {
        map.insert("mode".to_owned(), json!("s4d"));
        map.remove("rank");
    }
    map
}

/// The composition of a backbone case.
pub(crate) fn spec(hyper: &Value) -> ModelSpec {
    let mut map = s4_options(hyper);
    copy(hyper, &["d_model", "n_layers", "pool", "expand", "ff"], &mut map);
    let kind = hyper["kind"].as_str().unwrap_or("sashimi");
    map.insert("unet".to_owned(), json!(kind == "unet" || hyper["unet"] == true));
    map.insert("preset".to_owned(), json!(if kind == "standalone" { "standalone" } else { "repo" }));
    options::parse::<SashimiConfig>(&map).expect("options of the case").spec()
}

/// The composition of a whole-model case, whose settings are the reference's own configuration.
pub(crate) fn model_spec(case: &Case) -> ModelSpec {
    let config = case.hyper("config");
    let mut hyper = config.clone();
    for (name, value) in config["layer"].as_object().expect("a layer's settings") {
        hyper[name] = value.clone();
    }
    hyper["kind"] = json!("sashimi");
    hyper["mode"] = json!("nplr");
    spec(&hyper)
}

/// Checks the gradients of every parameter that the case has.
fn check_gradients(case: &Case, params: &Params, precision: Precision) -> usize {
    let mut checked = 0;
    for param in &params.list {
        let name = format!("grad.{}", param.name);
        if case.has(&name) {
            case.check(&name, &values(&param.tensor.grad()), precision);
            checked += 1;
        }
    }
    checked
}

/// Both forms, and the gradients.
fn check_s4_block(case: &Case) {
    let channels = case.hyper("d_model").as_i64().expect("d_model");
    let config: S4Config = options::parse(&s4_options(&case.json["hyperparameters"])).expect("options of the case");
    for (kind, precision) in precisions() {
        let (block, params) = S4Block::build(&config, channels, Seed(0), device(), kind).expect("a block");
        params.load_state_dict(&state_dict(case, "sd.")).expect("the case's weights");
        let x = tensor(case.tensor("x"), kind).transpose(1, 2).contiguous().set_requires_grad(true);
        let mut pass = Pass::train(Seed(0), 0);
        let y = block.forward(&x, &mut pass).expect("an output").transpose(1, 2);
        case.check("y", &values(&y), precision);
        if case.has("y_step") {
            case.check("y_step", &values(&block.steps(&x).expect("steps").transpose(1, 2)), precision);
        } else {
            assert!(block.steps(&x).is_err(), "{}: a block that looks ahead cannot be stepped", case.name);
        }
        if case.has("G") {
            let loss = (y * tensor(case.tensor("G"), kind)).sum(Kind::Double);
            pass.backward(&loss).expect("gradients");
            case.check("grad.x", &values(&x.grad().transpose(1, 2)), precision);
            let expected = case.tensors.keys().filter(|name| name.starts_with("grad.")).count() - 1;
            assert_eq!(check_gradients(case, &params, precision), expected, "{}", case.name);
        }
    }
}

mod s4_blocks_are_the_references {
    crate::support::golden_cases!(
        super::check_s4_block,
        ["s4block_"],
        [
            s4block_d8_N16_L128,
            s4block_d8_N16_L128_bidirectional,
            s4block_d8_N16_L128_nssmH,
            s4block_d8_N16_L128_s4d_zoh
        ]
    );
}

#[test]
fn kernels_longer_than_before_double_their_length_as_the_reference_does() {
    let case = Case::load("kernel_dplr_length_doubling");
    let config: S4Config = options::parse(&s4_options(&case.json["hyperparameters"])).expect("options of the case");
    for (kind, precision) in precisions() {
        let (block, params) = S4Block::build(&config, 4, Seed(0), device(), kind).expect("a block");
        let mut weights = params.state_dict();
        for (name, weight) in &mut weights {
            if let Some(golden) = name.strip_prefix("layer.kernel.").map(|name| format!("param.{name}"))
                && case.has(&golden)
            {
                *weight = tensor(case.tensor(&golden), Kind::Double);
            }
        }
        params.load_state_dict(&weights).expect("the case's weights");
        let lengths: Vec<i64> = serde_json::from_value(case.hyper("l_kernel_sequence").clone()).expect("lengths");
        let asked: Vec<i64> = serde_json::from_value(case.hyper("asked").clone()).expect("lengths");
        assert_eq!(block.l_kernel(), lengths[0]);
        for (asked, after) in asked.into_iter().zip(&lengths[1..]) {
            let kernel = block.kernel(asked).expect("a kernel");
            case.check(&format!("K_{asked}"), &values(&kernel), precision);
            assert_eq!(block.l_kernel(), *after);
            let c = params.state_dict().into_iter().find(|(name, _)| name.ends_with(".C")).expect("C").1;
            case.check(&format!("C_after_{asked}"), &values(&c), precision);
        }
    }
}

fn check_backbone_in_both(case: &Case) {
    for (kind, precision) in precisions() {
        check_backbone(case, kind, precision);
    }
}

mod backbones_are_the_references {
    crate::support::backbone_cases!(super::check_backbone_in_both);
}

fn check_backbone(case: &Case, kind: Kind, precision: Precision) {
    let spec = spec(&case.json["hyperparameters"]);
    let (backbone, params) = Backbone::build(&spec, Seed(0), device(), kind).expect("a backbone");
    params.load_state_dict(&state_dict(case, "sd.")).expect("the case's weights");
    let x = tensor(case.tensor("x"), kind).transpose(1, 2).contiguous();
    let mut pass = Pass::train(Seed(0), 0);
    let y = backbone.forward(&x, &mut pass).expect("an output").transpose(1, 2);
    case.check("y", &values(&y), precision);
    let mut stepper = backbone.stepper(x.size()[0]).expect("a stepper");
    let steps: Vec<Tensor> = (0..x.size()[2]).map(|t| stepper.step(&x.select(2, t)).expect("a step")).collect();
    case.check("y_step", &values(&Tensor::stack(&steps, 1)), precision);
    if case.has("G") {
        pass.backward(&(y * tensor(case.tensor("G"), kind)).sum(Kind::Double)).expect("gradients");
        let expected = case.tensors.keys().filter(|name| name.starts_with("grad.") && *name != "grad.x").count();
        assert_eq!(check_gradients(case, &params, precision), expected, "{}", case.name);
    }
}

/// Both forms, and the loss. The default-size case's weights (6 MB) are not in the repository; `WASABI_GOLDEN` can name
/// a folder where they stand in the case as `sd.*` (`tools/trim_golden.py` makes one).
fn check_model(case: &Case) {
    for (kind, precision) in precisions() {
        let model = Model::new(&model_spec(case), 256, Seed(0), device(), kind).expect("a model");
        model.load_state_dict(&state_dict(case, "sd.")).expect("the case's weights");
        let tokens = tensor(case.tensor("x"), Kind::Int64);
        let _no_grad = tch::no_grad_guard();
        let logits = model.forward(&tokens, &mut Pass::eval()).expect("logits");
        check_logits(case, &logits, precision);
        for name in ["logits_step", "logits_step256"].into_iter().filter(|name| case.has(name)) {
            let mut stepper = model.stepper(tokens.size()[0]).expect("a stepper");
            let steps: Vec<Tensor> =
                (0..case.tensor(name).shape[1]).map(|t| stepper.step(&tokens.select(1, t)).expect("a step")).collect();
            case.check(name, &values(&Tensor::stack(&steps, 1)), precision);
        }
    }
}

mod whole_models_are_the_references {
    crate::support::golden_cases!(super::check_model, ["model_"], [model_tiny]);
}

/// Large cases store some positions, and a projection of all.
fn check_logits(case: &Case, logits: &Tensor, precision: Precision) {
    if case.has("logits") {
        case.check("logits", &values(logits), precision);
    }
    if case.has("logits_at_positions") {
        let positions = tensor(case.tensor("positions"), Kind::Int64);
        case.check("logits_at_positions", &values(&logits.index_select(1, &positions)), precision);
        let projection = tensor(case.tensor("R"), logits.kind());
        case.check("logits_proj", &values(&logits.matmul(&projection)), precision);
    }
    let targets = tensor(case.tensor("y"), Kind::Int64).view([-1]);
    let loss = logits.flatten(0, 1).cross_entropy_loss::<Tensor>(&targets, None, tch::Reduction::Mean, -100, 0.0);
    case.check("loss", &values(&loss), precision);
}

fn small(options: Value) -> ModelSpec {
    let mut map = json!({ "d_model": 6, "n_layers": 1, "d_state": 8 });
    for (name, value) in options.as_object().expect("options") {
        map[name] = value.clone();
    }
    options::parse::<SashimiConfig>(map.as_object().expect("options")).expect("options").spec()
}

fn random_tokens(batch: i64, seq_len: i64) -> Tensor {
    let mut rng = Seed(5).stream("tokens", 0);
    let tokens: Vec<i64> = (0..batch * seq_len).map(|_| rng.random_range(0..32)).collect();
    Tensor::from_slice(&tokens).reshape([batch, seq_len])
}

/// A few steps of plain gradient descent, far enough to move every weight.
fn train_a_little(model: &Model, seq_len: i64) {
    for step in 0..5 {
        let mut pass = Pass::train(Seed(0), step);
        let tokens = random_tokens(2, seq_len);
        let logits = model.forward(&tokens, &mut pass).expect("logits").flatten(0, 1);
        let targets = tokens.roll([-1], [1]).flatten(0, 1);
        let loss = logits.cross_entropy_loss::<Tensor>(&targets, None, tch::Reduction::Mean, -100, 0.0);
        pass.backward(&loss).expect("gradients");
        let _no_grad = tch::no_grad_guard();
        for param in &model.params().list {
            let mut tensor = param.tensor.shallow_clone();
            let mut gradient = tensor.grad();
            let _ = tensor.subtract_(&(&gradient * 0.03));
            let _ = gradient.zero_();
        }
    }
}

/// Nestings, kinds of kernel and conventions that no golden case has.
fn unusual_specs() -> Vec<(&'static str, ModelSpec, i64)> {
    let custom: ModelSpec = serde_json::from_value(json!({
        "d_model": 6,
        "tier": {
            "blocks": [{"s4": {"d_state": 8}}, {"ff": {"expand": 3}}, {"s4": {"d_state": 4, "mode": "s4d"}}],
            "pool": { "factor": 2, "expand": 3, "inner": {
                "blocks": [{"ff": {}}],
                "pool": { "factor": 3, "expand": 1, "inner": { "blocks": [{"s4": {"d_state": 2, "n_ssm": 3}}] } }
            }}
        }
    }))
    .expect("a composition");
    vec![
        ("pool [2]", small(json!({ "pool": [2] })), 24),
        ("pool [4, 2]", small(json!({ "pool": [4, 2] })), 24),
        ("pool [3, 5]", small(json!({ "pool": [3, 5] })), 45),
        ("three tiers of pools", small(json!({ "pool": [2, 3, 2], "expand": 1 })), 36),
        ("isotropic", small(json!({ "pool": [], "n_layers": 2 })), 19),
        ("s4d", small(json!({ "pool": [2], "mode": "s4d", "discretization": "bilinear" })), 24),
        ("legt, rank 2", small(json!({ "pool": [2], "init": "legt" })), 24),
        ("hippo, n_ssm 2", small(json!({ "pool": [2], "init": "hippo", "n_ssm": 2 })), 24),
        ("no feed-forward", small(json!({ "pool": [2], "ff": 0 })), 24),
        ("U-Net", small(json!({ "pool": [2, 2], "unet": true, "n_layers": 2 })), 24),
        ("standalone U-Net", small(json!({ "pool": [2, 2], "unet": true, "preset": "standalone" })), 24),
        ("affine norm", small(json!({ "pool": [2], "norm": "affine" })), 24),
        ("custom", custom, 24),
    ]
}

#[test]
fn convolution_equals_recurrence_for_nestings_that_no_case_has_fresh_and_trained() {
    for (name, spec, seq_len) in unusual_specs() {
        let model = Model::new(&spec, 32, Seed(3), Device::Cpu, Kind::Double).expect("a model");
        let compare = |when: &str| {
            let rows = verify::verify(&model, &random_tokens(2, seq_len)).expect("a comparison");
            assert_eq!(rows.last().map(|row| row.layer.as_str()), Some("logits"), "{name}");
            for row in rows {
                let scale = row.largest_output.max(1.0);
                assert!(row.double < 1e-10 * scale, "{name}, {when}: {} differs by {:e}", row.layer, row.double);
                // float32 of a narrow model: its scalar norms divide by small deviations.
                assert!(row.single < 2e-4 * scale, "{name}, {when}: {} differs by {:e}", row.layer, row.single);
            }
        };
        compare("fresh");
        train_a_little(&model, seq_len);
        compare("trained");
    }
}

#[test]
fn every_parameter_gets_a_gradient() {
    for (name, spec, seq_len) in unusual_specs() {
        let model = Model::new(&spec, 32, Seed(3), Device::Cpu, Kind::Float).expect("a model");
        let mut pass = Pass::train(Seed(0), 0);
        let loss = model.forward(&random_tokens(2, seq_len), &mut pass).expect("logits").square().mean(Kind::Float);
        pass.backward(&loss).expect("gradients");
        assert!(model.params().all_have_gradients(), "{name}");
    }
}

#[test]
fn a_changed_token_leaves_earlier_logits_untouched_bit_for_bit() {
    for (name, spec, seq_len) in unusual_specs() {
        let model = Model::new(&spec, 32, Seed(3), Device::Cpu, Kind::Float).expect("a model");
        let tokens = random_tokens(1, seq_len);
        let run = |tokens: &Tensor| {
            let mut stepper = model.stepper(1).expect("a stepper");
            let steps: Vec<Tensor> =
                (0..seq_len).map(|t| stepper.step(&tokens.select(1, t)).expect("a step")).collect();
            Tensor::stack(&steps, 1)
        };
        let at = seq_len / 2;
        let changed = tokens.copy();
        let _ = changed.select(1, at).fill_tensor_(&(31 - tokens.select(1, at).squeeze()));
        let (before, after) = (run(&tokens), run(&changed));
        assert_eq!(before.narrow(1, 0, at), after.narrow(1, 0, at), "{name}: the past moved");
        assert_ne!(before.narrow(1, at, 1), after.narrow(1, at, 1), "{name}: the present did not move");
    }
}

#[test]
fn the_convolution_form_is_causal() {
    for (name, spec, seq_len) in unusual_specs() {
        let model = Model::new(&spec, 32, Seed(3), Device::Cpu, Kind::Double).expect("a model");
        let tokens = random_tokens(1, seq_len);
        let changed = tokens.copy();
        let _ = changed.select(1, seq_len - 1).fill_tensor_(&(31 - tokens.select(1, seq_len - 1).squeeze()));
        let run = |tokens: &Tensor| model.forward(tokens, &mut Pass::eval()).expect("logits");
        let past = |logits: Tensor| values(&logits.narrow(1, 0, seq_len - 1));
        assert!(largest_difference(&past(run(&tokens)), &past(run(&changed))) < 1e-11, "{name}");
    }
}

#[test]
fn a_position_whose_channels_are_all_equal_stays_finite() {
    let (backbone, _) =
        Backbone::build(&small(json!({ "pool": [2] })), Seed(0), Device::Cpu, Kind::Float).expect("one");
    let x = Tensor::zeros([1, 6, 8], (Kind::Float, Device::Cpu));
    let y = backbone.forward(&x, &mut Pass::eval()).expect("an output");
    assert!(values(&y).iter().all(|y| y.is_finite()));
}

#[test]
fn weights_of_another_shape_are_refused_by_name_and_change_nothing() {
    let model = Model::new(&small(json!({})), 32, Seed(1), Device::Cpu, Kind::Float).expect("a model");
    let before = values(&model.state_dict()[0].1);
    let mut weights = Model::new(&small(json!({})), 32, Seed(2), Device::Cpu, Kind::Float).expect("one").state_dict();
    let missing = weights.remove(3).0;
    weights.push(("model.stranger".to_owned(), Tensor::zeros([2], (Kind::Float, Device::Cpu))));
    weights[5].1 = Tensor::zeros([7, 7], (Kind::Float, Device::Cpu));
    let text = model.load_state_dict(&weights).expect_err("they do not fit").to_string();
    for needle in [&*format!("missing: {missing}"), "unknown: model.stranger", "is [7, 7] (Float), but must be"] {
        assert!(text.contains(needle), "{needle} is not in:\n{text}");
    }
    assert_eq!(values(&model.state_dict()[0].1), before);
}

#[test]
fn options_out_of_range_are_refused_by_name() {
    let refuse = |options: Value, key: &str| {
        let error = options::parse::<SashimiConfig>(options.as_object().expect("options")).expect_err("out of range");
        assert_eq!(error.key, key, "{error}");
    };
    refuse(json!({ "d_state": 63 }), "d_state");
    refuse(json!({ "d_state": 0 }), "d_state");
    refuse(json!({ "dropout": 1.0 }), "dropout");
    refuse(json!({ "dt_min": 0.2 }), "dt_min");
    refuse(json!({ "pool": [4, 0] }), "pool");
    refuse(json!({ "mode": "s4d", "init": "legt" }), "init");
    refuse(json!({ "d_modle": 64 }), "d_modle");
    refuse(json!({ "d_state": 1_000_000 }), "d_state");
    let oversized = |options: Value, key: &str| {
        let error = small(options).validate().expect_err("no machine holds it").to_string();
        assert!(error.contains(&format!("`{key}` is")), "{error}");
    };
    oversized(json!({ "expand": i64::MAX }), "expand");
    oversized(json!({ "d_model": 1_000_000_000 }), "d_model");
    oversized(json!({ "pool": [4_294_967_296_i64, 4_294_967_296_i64] }), "pool");
    let spec = small(json!({ "n_ssm": 4 }));
    let error = Model::new(&spec, 32, Seed(0), Device::Cpu, Kind::Float).expect_err("4 does not divide 6");
    assert!(error.to_string().contains("n_ssm is 4"), "{error}");
}

#[test]
fn a_length_that_the_pools_do_not_divide_names_one_that_they_do() {
    let model = Model::new(&small(json!({})), 32, Seed(0), Device::Cpu, Kind::Float).expect("a model");
    let error = model.forward(&random_tokens(1, 50), &mut Pass::eval()).expect_err("16 does not divide 50");
    assert!(error.hint().is_some_and(|hint| hint.contains("48")), "{error}");
}

#[test]
fn looking_at_kernels_changes_nothing_and_shows_what_sequences_are_convolved_with() {
    let model = Model::new(&small(json!({ "pool": [2] })), 32, Seed(1), Device::Cpu, Kind::Double).expect("a model");
    let weights = |model: &Model| model.state_dict().iter().flat_map(|(_, w)| values(w)).collect::<Vec<f64>>();
    let fresh = model.kernels(40).expect("kernels");
    let _ = model.forward(&random_tokens(1, 24), &mut Pass::eval()).expect("logits");
    let before = weights(&model);
    let attuned = model.kernels(40).expect("kernels");
    assert_eq!(weights(&model), before);
    for (fresh, attuned) in fresh.iter().zip(&attuned) {
        assert!(largest_difference(&values(fresh), &values(attuned)) < 1e-11);
    }
}

#[test]
fn one_seed_gives_one_model_and_another_seed_another() {
    let weights = |seed| {
        let model = Model::new(&small(json!({})), 32, Seed(seed), Device::Cpu, Kind::Float).expect("a model");
        model.state_dict().iter().flat_map(|(_, tensor)| values(tensor)).collect::<Vec<f64>>()
    };
    assert_eq!(weights(7), weights(7));
    assert_ne!(weights(7), weights(8));
}
