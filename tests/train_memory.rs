//! What a step keeps in memory: running blocks again changes nothing.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor};
use wasabi::model::{Model, ModelSpec, Pass, SashimiConfig};
use wasabi::options::parse;
use wasabi::seed::Seed;
use wasabi::train::{Memory, Silent, TrainConfig, summed_nll};

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
