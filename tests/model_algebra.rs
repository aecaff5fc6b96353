//! Compositions that are changed, thinned, summed up and written down.

use proptest::prelude::*;
use rand::Rng;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use tch::{Device, Kind, Tensor};
use wasabi::interrupt::Interrupt;
use wasabi::model::{BlockSpec, Model, ModelError, ModelSpec, Pass, SashimiConfig, Summary, verify};
use wasabi::options;
use wasabi::script::actions::ModelValue;
use wasabi::seed::Seed;

use crate::script_fixture::{Listener, tiny_run};
use crate::support::largest_difference;

pub(crate) fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::<f64>::try_from(tensor.detach().to_kind(Kind::Double).contiguous().view([-1])).expect("real numbers")
}

pub(crate) fn map(value: Value) -> Map<String, Value> {
    value.as_object().expect("a map").clone()
}

pub(crate) fn composition(value: Value) -> ModelSpec {
    serde_json::from_value(value).expect("a composition")
}

fn sashimi(value: Value) -> ModelSpec {
    options::parse::<SashimiConfig>(&map(value)).expect("options").spec()
}

fn small(value: Value) -> ModelSpec {
    let mut all = map(json!({ "d_model": 6, "n_layers": 1, "d_state": 8, "pool": [2] }));
    all.extend(map(value));
    sashimi(Value::Object(all))
}

pub(crate) fn double(spec: &ModelSpec) -> Model {
    Model::new(spec, 32, Seed(3), Device::Cpu, Kind::Double).expect("a model")
}

pub(crate) fn tokens(batch: i64, seq_len: i64) -> Tensor {
    let mut rng = Seed(5).stream("tokens", 0);
    let drawn: Vec<i64> = (0..batch * seq_len).map(|_| rng.random_range(0..32)).collect();
    Tensor::from_slice(&drawn).reshape([batch, seq_len])
}

pub(crate) fn logits(model: &Model, inputs: &Tensor) -> Tensor {
    model.forward(inputs, &mut Pass::eval()).expect("logits")
}

/// LSTMs inside pools, beside S4, deep, narrow and wide.
pub(crate) fn with_lstms() -> ModelSpec {
    composition(json!({
        "d_model": 6,
        "tier": {
            "blocks": [{"lstm": {}}, {"ff": {}}, {"s4": {"d_state": 4}}],
            "pool": { "factor": 2, "expand": 2, "inner": {
                "blocks": [{"lstm": {"d_hidden": 5, "layers": 2, "dropout": 0.25}}],
                "pool": { "factor": 3, "expand": 1, "inner": { "blocks": [{"lstm": {"d_hidden": 16}}] } }
            }}
        }
    }))
}

mod with_other_options {
    use super::*;

    fn with(spec: &ModelSpec, changes: Value) -> ModelSpec {
        spec.with(&map(changes)).expect("changed")
    }

    fn refused(spec: &ModelSpec, changes: Value) -> (String, String) {
        let error = spec.with(&map(changes)).expect_err("refused");
        (error.to_string(), error.hint().unwrap_or_default())
    }

    #[test]
    fn a_sashimi_is_the_sashimi_of_those_options() {
        for changes in [
            json!({ "d_model": 8 }),
            json!({ "d_state": 16, "n_ssm": null, "init": "fourier", "rank": 2 }),
            json!({ "ff": 4, "expand": 3, "pool": [3] }),
            json!({ "mode": "s4d", "init": "inv", "discretization": "bilinear" }),
            json!({ "preset": "standalone", "norm": "scalar", "dropres": 0.1 }),
            json!({ "dropout": 0.2, "tie_dropout": true, "bidirectional": true, "dt_min": 0.01, "dt_max": 1 }),
            json!({ "unet": true, "dt_transform": "exp" }),
        ] {
            assert_eq!(with(&small(json!({})), changes.clone()), small(changes));
        }
        let unet = small(json!({ "unet": true, "n_layers": 2, "pool": [2, 2] }));
        assert_eq!(with(&unet, json!({ "unet": false })), small(json!({ "n_layers": 2, "pool": [2, 2] })));
        assert_eq!(with(&unet, json!({ "pool": 3, "expand": [1, 2] })).tier.pool_factors(), [3, 3]);
    }

    #[test]
    fn reaches_every_block_that_has_the_option_and_no_other() {
        let spec = with(&with_lstms(), json!({ "d_state": 32, "d_hidden": 7, "dropout": 0.5, "ff": 3 }));
        let options: Vec<Value> =
            spec.blocks().map(|place| serde_json::to_value(place.block().expect("a block")).expect("JSON")).collect();
        let hidden: Vec<&Value> =
            options.iter().filter_map(|block| block.get("lstm")).map(|lstm| &lstm["d_hidden"]).collect();
        assert_eq!(hidden, [7, 7, 7]);
        let s4 = options.iter().find_map(|block| block.get("s4")).expect("an S4 block");
        let ff = options.iter().find_map(|block| block.get("ff")).expect("a feed-forward block");
        assert_eq!((&s4["d_state"], &s4["dropout"]), (&json!(32), &json!(0.5)));
        assert_eq!((&ff["expand"], &ff["dropout"]), (&json!(3), &json!(0.5)));
        assert_eq!(spec.tier.pool.as_ref().map(|pool| pool.expand), Some(2), "`ff` is not the pools' expand");
    }

    #[test]
    fn that_apply_nowhere_name_those_that_do() {
        let feed_forward = composition(json!({ "d_model": 4, "tier": { "blocks": [{"ff": {}}] } }));
        let (message, hint) = refused(&feed_forward, json!({ "d_state": 8 }));
        assert_eq!(message, "`d_state` applies to nothing in this composition");
        assert_eq!(hint, "here apply d_model, preset, norm, dropres, unet, ff, dropout, tie_dropout");
        assert!(refused(&feed_forward, json!({ "pool": [4] })).0.starts_with("`pool` applies to nothing"));
        assert!(refused(&small(json!({})), json!({ "discretization": "zoh" })).0.contains("applies to nothing"));
        assert!(refused(&small(json!({ "mode": "s4d" })), json!({ "rank": 1 })).0.contains("applies to nothing"));
        let (message, hint) = refused(&small(json!({})), json!({ "d_stat": 8 }));
        assert_eq!((&*message, &*hint), ("unknown option `d_stat`", "did you mean `d_state`?"));
        let (message, hint) = refused(&small(json!({})), json!({ "n_layers": 8 }));
        assert!(message.contains("`n_layers`") && hint.contains("sashimi(#{ n_layers"), "{message}: {hint}");
    }

    #[test]
    fn out_of_range_are_refused_by_name() {
        let spec = small(json!({ "pool": [2, 2] }));
        let error = |changes: Value| refused(&spec, changes).0;
        assert_eq!(error(json!({ "pool": [4] })), "`pool` is [4], but must be 2 numbers, one for each pool");
        assert_eq!(error(json!({ "pool": [4, 0] })), "`pool` is 0, but must be at least 1");
        assert_eq!(error(json!({ "ff": 0 })), "`ff` is 0, but must be at least 1");
        assert_eq!(error(json!({ "ff": "wide" })), "`ff` is \"wide\", but must be an integer");
        assert!(error(json!({ "d_state": 7 })).starts_with("d_state is 7"));
        assert!(error(json!({ "n_ssm": 4 })).contains("n_ssm is 4"), "4 does not divide 6 channels");
        assert!(error(json!({ "mode": "s4", "d_state": 8 })).contains("`mode` of s4 cannot be"));
    }

    #[test]
    fn weights_are_weights_of_what_differs_in_dropout_alone() {
        let spec = small(json!({}));
        assert!(spec.differs_in_dropout_alone(&with(&spec, json!({ "dropout": 0.3, "dropres": 0.1 }))));
        assert!(!spec.differs_in_dropout_alone(&with(&spec, json!({ "dt_max": 0.2 }))));
        let model = double(&spec);
        let dropped = model.under(&with(&spec, json!({ "dropout": 0.3 }))).expect("the same weights");
        assert!(model.has_weights_of(&dropped).expect("a comparison"));
        assert_eq!(values(&logits(&model, &tokens(1, 8))), values(&logits(&dropped, &tokens(1, 8))));
    }
}

mod without_blocks {
    use super::*;

    /// Blocks whose output is multiplied by nothing add nothing: what dropping them must come to.
    fn silenced(model: &Model, blocks: &[usize]) {
        let _no_grad = tch::no_grad_guard();
        let places: Vec<String> = model.spec().blocks().map(|place| place.name).collect();
        for block in blocks {
            let prefix = format!("model.{}.layer.", places[*block]);
            let lasts = ["output_linear", "ff.2"];
            let own = model.params().list.iter().filter(|param| param.name.starts_with(&prefix));
            for param in own.filter(|param| lasts.iter().any(|last| param.name[prefix.len()..].starts_with(last))) {
                let _ = param.tensor.shallow_clone().zero_();
            }
        }
    }

    fn specs() -> Vec<(ModelSpec, Vec<i64>, i64)> {
        vec![
            (small(json!({ "n_layers": 3 })), vec![1], 8),
            (small(json!({ "n_layers": 2, "pool": [2, 2] })), vec![0, 3, 5, 10], 16),
            (small(json!({ "n_layers": 12, "pool": [] })), vec![1, 2, 20], 8),
            (small(json!({ "n_layers": 1, "pool": [2] })), vec![0, 1], 8),
            (small(json!({ "preset": "standalone", "n_layers": 2 })), vec![6, 0], 8),
            (small(json!({ "mode": "s4d", "n_layers": 2 })), vec![4], 8),
        ]
    }

    #[test]
    fn a_model_is_the_one_whose_blocks_say_nothing() {
        for (spec, blocks, seq_len) in specs() {
            let model = double(&spec);
            let inputs = tokens(2, seq_len);
            let _ = logits(&model, &inputs); // attunes the kernels, whose lengths must move along
            let thin = model.without(&blocks).expect("a thinner model");
            let numbers: Vec<usize> = blocks.iter().map(|block| usize::try_from(*block).expect("positive")).collect();
            assert!(!model.has_weights_of(&thin).expect("a comparison"));
            let untouched = values(&logits(&model, &inputs));
            silenced(&model, &numbers);
            // An emptied tier gives twice what it is given, where a tier of silent blocks does too.
            let difference = largest_difference(&values(&logits(&thin, &inputs)), &values(&logits(&model, &inputs)));
            assert!(difference < 1e-11, "without {blocks:?}: {difference:e}");
            assert!(largest_difference(&untouched, &values(&logits(&model, &inputs))) > 1e-3, "they said something");
        }
    }

    #[test]
    fn the_rest_are_the_weights_of_the_thinner_composition_in_order() {
        for (spec, blocks, seq_len) in specs() {
            let model = double(&spec);
            let _ = logits(&model, &tokens(1, seq_len));
            let thin = model.without(&blocks).expect("a thinner model");
            let built = double(&spec.without(&blocks).expect("a composition"));
            assert_eq!(thin.spec(), built.spec());
            let gone: BTreeSet<String> = spec
                .blocks()
                .enumerate()
                .filter(|(number, _)| blocks.contains(&i64::try_from(*number).expect("small")))
                .map(|(_, place)| format!("model.{}.", place.name))
                .collect();
            let left: Vec<Tensor> = model
                .state_dict()
                .into_iter()
                .filter(|(name, _)| !gone.iter().any(|gone| name.starts_with(gone)))
                .map(|(_, tensor)| tensor)
                .collect();
            let names: Vec<String> = built.state_dict().into_iter().map(|(name, _)| name).collect();
            assert_eq!(names.len(), left.len());
            built.load_state_dict(&names.into_iter().zip(left).collect::<Vec<_>>()).expect("transplanted weights");
            assert!(thin.has_weights_of(&built).expect("a comparison"));
        }
    }

    #[test]
    fn of_a_unet_go_in_pairs() {
        // Tier 0: blocks 0 to 3 before its pool, 6 to 9 after; the centre has 4 and 5 … of n_layers 2: 4 to 7, 8 to 11.
        let spec = small(json!({ "n_layers": 2, "unet": true }));
        let error = spec.without(&[0]).expect_err("one side alone");
        assert!(matches!(&error, ModelError::BrokenPair { tier: 0, down: 3, up: 4, partners } if *partners == [11]));
        assert_eq!(error.hint().as_deref(), Some("drop their partners too: 11"));
        let model = double(&spec);
        let thin = model.without(&[0, 11, 5]).expect("a pair, and a block of the centre");
        assert_eq!(thin.spec().tier.down.len(), 3);
        assert_eq!(logits(&thin, &tokens(1, 8)).size(), [1, 8, 32]);
        let differences = verify::verify(&thin, &tokens(1, 8)).expect("a comparison");
        assert!(differences.iter().all(|row| row.double < 1e-10 * row.largest_output.max(1.0)));
    }

    #[test]
    fn that_do_not_exist_or_come_twice_is_an_error() {
        let spec = small(json!({}));
        let error = |blocks: &[i64]| spec.without(blocks).expect_err("refused").to_string();
        assert_eq!(error(&[-1]), "there is no block -1: they are 0 to 3");
        assert_eq!(error(&[4]), "there is no block 4: they are 0 to 3");
        assert_eq!(error(&[2, 0, 2]), "block 2 is named twice");
        assert_eq!(spec.without(&[]).expect("nothing to drop"), spec);
        let bare = spec.without(&[0, 1, 2, 3]).expect("a network of pools");
        assert_eq!(bare.blocks().count(), 0);
        assert_eq!(logits(&double(&bare), &tokens(1, 4)).size(), [1, 4, 32]);
    }
}

mod a_summary {
    use super::*;

    fn of(spec: &ModelSpec) -> Summary {
        Summary::measured_spec(spec, 256, &Interrupt::default()).expect("a summary")
    }

    #[test]
    fn counts_the_multiply_adds_that_the_default_model_is_known_to_take() {
        // MATH.md §6: thousands of multiply-adds for each sample, by tier, blocks alone.
        let summary = Summary::of_spec(&SashimiConfig::default().spec(), 256).expect("a summary");
        for (tier, thousands) in [(0, 525.0), (1, 360.0), (2, 279.0)] {
            let blocks = summary.lines.iter().filter(|line| line.tier == tier && line.index.is_some());
            let found: f64 = blocks.map(|line| line.macs_per_sample.expect("causal")).sum();
            assert!((found / (1e3 * thousands) - 1.0).abs() < 0.005, "tier {tier}: {found}");
        }
        let s4 = &summary.lines.iter().find(|line| line.name == "u_layers.1.1").expect("a block of tier 0");
        assert_eq!(s4.macs_per_sample, Some(64.0 * 32.0 * 20.0 + 64.0 + 64.0 * 128.0));
    }

    #[test]
    fn counts_what_every_kind_of_row_takes() {
        let spec = composition(json!({
            "d_model": 6,
            "tier": {
                "blocks": [{"lstm": {"d_hidden": 5, "layers": 2}}, {"ff": {"expand": 3}}],
                "pool": { "factor": 4, "expand": 3, "inner": { "blocks": [
                    {"s4": {"d_state": 8, "mode": "s4d"}}, {"s4": {"d_state": 8, "init": "legt"}}, {"lstm": {}}
                ]}}
            }
        }));
        let found: Vec<(&str, f64)> = Summary::of_spec(&spec, 100)
            .expect("a summary")
            .lines
            .iter()
            .map(|line| (line.block, line.macs_per_sample.expect("causal")))
            .collect();
        // The inner tier: 18 channels, at a quarter of the rate; 4 complex states.
        let expected = [
            ("embedding", 0.0),
            ("down pool", (6.0 * 4.0 * 18.0) / 4.0),
            ("s4d", (18.0 * 4.0 * 8.0 + 18.0 + 18.0 * 36.0) / 4.0),
            ("s4", (18.0 * 4.0 * 28.0 + 18.0 + 18.0 * 36.0) / 4.0),
            ("lstm", (4.0 * 18.0 * 36.0 + 3.0 * 18.0) / 4.0),
            ("up pool", (18.0 * 6.0 * 4.0) / 4.0),
            ("lstm", 4.0 * 5.0 * 11.0 + 15.0 + 4.0 * 5.0 * 10.0 + 15.0 + 5.0 * 6.0),
            ("ff", 2.0 * 6.0 * 18.0),
            ("norm", 0.0),
            ("head", 600.0),
        ];
        assert_eq!(found, expected);
        let ahead = small(json!({ "bidirectional": true }));
        assert_eq!(Summary::of_spec(&ahead, 256).expect("a summary").macs_per_sample(), None);
    }

    /// The definition, on all channels of a kernel that is long enough.
    fn memory(kernel: &Tensor, channels: &[i64]) -> i64 {
        let lag = |channel: &i64| {
            let taps = values(&kernel.select(0, 0).select(0, *channel));
            let total: f64 = taps.iter().map(|tap| tap * tap).sum();
            let mut beyond = 0.0;
            let after = taps.iter().rev().take_while(|tap| {
                beyond += **tap * **tap;
                beyond <= 1e-3 * total
            });
            i64::try_from(taps.len() - after.count()).expect("small")
        };
        channels.iter().map(lag).max().expect("a channel")
    }

    #[test]
    fn measures_how_far_back_each_layer_looks_fresh_and_attuned() {
        for options in [
            json!({ "dt_min": 0.01 }),
            json!({ "dt_min": 0.01, "mode": "s4d" }),
            json!({ "dt_min": 0.01, "init": "fourier", "n_ssm": null }),
            json!({ "dt_min": 0.02, "init": "legt", "d_model": 3 }),
        ] {
            let model = double(&small(options.clone()));
            for when in ["fresh", "attuned to 8", "attuned to 4096"] {
                match when {
                    "attuned to 8" => drop(logits(&model, &tokens(1, 8))),
                    "attuned to 4096" => drop(logits(&model, &tokens(1, 4096))),
                    _ => {}
                }
                let summary = Summary::measured(&model, &Interrupt::default()).expect("a summary");
                let lines: Vec<_> = summary.lines.iter().filter(|line| line.block.starts_with("s4")).collect();
                let kernels = model.kernels(16_384).expect("kernels");
                assert_eq!(lines.len(), kernels.len());
                for (line, ((_, block), kernel)) in lines.iter().zip(model.s4_layers().into_iter().zip(&kernels)) {
                    let mut slowest: Vec<(f64, i64)> =
                        values(&block.dt().expect("steps")).into_iter().zip(0..).collect();
                    slowest.sort_by(|a, b| a.0.total_cmp(&b.0));
                    let channels: Vec<i64> = slowest.iter().take(4).map(|(_, channel)| *channel).collect();
                    let rate = if line.tier == 0 { 1 } else { 2 };
                    let expected = memory(kernel, &channels) * rate;
                    let found = line.receptive_field.expect("measured");
                    let slack = rate * (1 + expected / 200);
                    assert!((found - expected).abs() <= slack, "{options}, {when}: {found}, needed {expected}");
                }
            }
        }
    }

    #[test]
    fn looks_at_the_weights_that_a_model_of_seed_0_begins_with() {
        let spec = small(json!({ "n_layers": 2 }));
        let model = Model::new(&spec, 256, Seed(0), Device::Cpu, Kind::Float).expect("a model");
        assert_eq!(of(&spec), Summary::measured(&model, &Interrupt::default()).expect("a summary"));
    }

    #[test]
    fn reaches_of_rows_that_keep_nothing_are_their_rate_and_pools_their_factor() {
        let spec = composition(json!({
            "d_model": 4,
            "tier": {
                "blocks": [{"ff": {}}],
                "pool": { "factor": 4, "expand": 1, "inner": {
                    "blocks": [{"ff": {}}],
                    "pool": { "factor": 3, "expand": 1, "inner": { "blocks": [{"ff": {}}] } }
                }}
            }
        }));
        let summary = of(&spec);
        let reaches: Vec<i64> = summary.lines.iter().map(|line| line.receptive_field.expect("known")).collect();
        assert_eq!(reaches, [1, 4, 12, 12, 12, 4, 4, 1, 1, 1]);
        assert_eq!(summary.receptive_field(), Some(1 + 3 + 3 * 11 + 3 + 3));
        assert_eq!(of(&with_lstms()).receptive_field(), None, "an LSTM's memory is its input's business");
    }

    #[test]
    fn stops_when_asked() {
        let interrupt = Interrupt::default();
        interrupt.set();
        let stopped = Summary::measured_spec(&small(json!({})), 256, &interrupt);
        assert!(matches!(stopped, Err(ModelError::Interrupted)));
    }

    #[test]
    fn of_a_model_that_no_machine_would_like_to_draw_takes_shapes_alone() {
        let spec = composition(json!({ "d_model": 20_000, "tier": { "blocks": [{"ff": {}}] } }));
        let summary = Summary::of_spec(&spec, 65_536).expect("a summary of 4e9 weights");
        assert_eq!(summary.parameters(), 20_000 * 65_536 * 2 + 65_536 + 2 * 20_000 * 40_000 + 60_000 + 2 + 40_000);
    }
}

/// Any block on an even number of channels.
fn any_block() -> impl Strategy<Value = Value> {
    let dropout = prop_oneof![3 => Just(0.0), 1 => Just(0.125), 1 => 0.0..0.9];
    let n_ssm = prop_oneof![Just(json!(1)), Just(json!(2)), Just(json!(null))];
    let dplr = prop_oneof![Just(json!(null)), Just(json!("legs")), Just(json!("legt")), Just(json!("fourier"))];
    let diagonal = prop_oneof![Just(json!(null)), Just(json!("inv")), Just(json!("legs")), Just(json!("diag"))];
    let rate = prop_oneof![Just(0.001), 1e-7..0.05];
    let s4 = (1..8_i64, n_ssm.clone(), dplr, 2..4_i64, rate.clone(), dropout.clone(), any::<bool>()).prop_map(
        |(half, n_ssm, init, rank, dt_min, dropout, tied)| {
            json!({"s4": {"d_state": 2 * half, "n_ssm": n_ssm, "init": init, "rank": rank, "dt_min": dt_min,
                "dropout": dropout, "tie_dropout": tied}})
        },
    );
    let s4d = (1..8_i64, n_ssm, diagonal, rate, any::<bool>(), any::<bool>()).prop_map(
        |(half, n_ssm, init, dt_min, bilinear, exp)| {
            let (rule, transform) = (if bilinear { "bilinear" } else { "zoh" }, if exp { Some("exp") } else { None });
            json!({"s4": {"mode": "s4d", "d_state": 2 * half, "n_ssm": n_ssm, "init": init, "dt_min": dt_min,
                "discretization": rule, "dt_transform": transform}})
        },
    );
    let ff = (1..4_i64, dropout.clone()).prop_map(|(expand, d)| json!({"ff": {"expand": expand, "dropout": d}}));
    let lstm = (proptest::option::of(1..9_i64), 1..3_i64, dropout)
        .prop_map(|(units, layers, d)| json!({"lstm": {"d_hidden": units, "layers": layers, "dropout": d}}));
    prop_oneof![
        2 => Just(json!({"s4": {}})),
        2 => Just(json!({"ff": {}})),
        1 => s4,
        1 => s4d,
        1 => ff,
        1 => lstm
    ]
}

/// Blocks as people arrange them: often a few that repeat.
fn any_blocks() -> impl Strategy<Value = Vec<Value>> {
    (proptest::collection::vec(any_block(), 0..4), 1..4_usize, proptest::collection::vec(any_block(), 0..2))
        .prop_map(|(blocks, times, more)| std::iter::repeat_n(blocks, times).flatten().chain(more).collect())
}

fn any_spec() -> impl Strategy<Value = ModelSpec> {
    let pools = proptest::collection::vec((any_blocks(), 1..5_i64, 1..3_i64), 0..3);
    let config = (1..4_i64, any::<bool>(), proptest::option::of(any::<bool>()), any::<bool>());
    let dropres = prop_oneof![Just(0.0), 0.0..0.9];
    (any_blocks(), pools, config, dropres).prop_map(|(centre, pools, (half, repo, affine, unet), dropres)| {
        let tier = pools.into_iter().fold(json!({ "blocks": centre }), |inner, (blocks, factor, expand)| {
            let down = if unet { blocks.clone() } else { Vec::new() };
            json!({ "down": down, "blocks": blocks, "pool": {"factor": factor, "expand": expand, "inner": inner} })
        });
        composition(json!({
            "d_model": 2 * half,
            "preset": if repo { "repo" } else { "standalone" },
            "norm": affine.map(|affine| if affine { "affine" } else { "scalar" }),
            "unet": unet,
            "dropres": dropres,
            "tier": tier,
        }))
    })
}

/// What the prompt says to `text`.
fn said(session: &mut wasabi::script::Session, text: &str) -> String {
    session.evaluate(text).unwrap_or_else(|fault| panic!("{text}\n{fault}")).unwrap_or_default()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_composition_written_down_makes_itself_again(spec in any_spec()) {
        let value = ModelValue::from(spec.clone());
        let text = value.to_text();
        let mut session = Listener::default().session();
        let again = said(&mut session, &format!("({text}).to_text()"));
        prop_assert_eq!(again, format!("{text:?}"), "{}", text);
        let json = said(&mut session, &format!("({text}).options().to_json()"));
        let json: String = serde_json::from_str(&json).expect("a text");
        let found = composition(serde_json::from_str(&json).expect("JSON"));
        prop_assert_eq!(found.resolved(), spec.resolved(), "{}", text);
    }

    #[test]
    fn rows_add_up_to_the_model_and_each_to_its_own_weights(spec in any_spec()) {
        let model = Model::new(&spec, 64, Seed(1), Device::Cpu, Kind::Float).expect("a model");
        let summary = Summary::of_spec(&spec, 64).expect("a summary");
        prop_assert_eq!(summary.parameters(), model.parameters());
        let grouped: usize = summary.lines.iter().flat_map(|line| &line.groups).map(|(_, count)| count).sum();
        prop_assert_eq!(grouped, model.parameters());
        let blocks: Vec<usize> = summary.lines.iter().filter_map(|line| line.index).collect();
        prop_assert_eq!(blocks, (0..spec.blocks().count()).collect::<Vec<_>>());
        for line in &summary.lines {
            let path = if line.name.starts_with("encoder") || line.name.starts_with("decoder") {
                format!("{}.", line.name)
            } else {
                format!("model.{}.", line.name)
            };
            let dict = model.state_dict();
            let own: usize = dict
                .iter()
                .filter(|(name, _)| name.starts_with(&path) && !name.ends_with("l_kernel"))
                .map(|(_, tensor)| tensor.numel())
                .sum();
            prop_assert_eq!(line.parameters, own, "{}", line.name);
        }
    }

    #[test]
    fn changes_one_after_the_other_are_changes_at_once(spec in any_spec(), dropres in 0.0..0.9, half in 1..5_i64) {
        let (first, second) = (map(json!({ "dropres": dropres })), map(json!({ "d_model": 2 * half, "norm": "affine" })));
        let both: Map<String, Value> = first.clone().into_iter().chain(second.clone()).collect();
        let changed = |spec: &ModelSpec, changes: &Map<String, Value>| spec.with(changes).expect("changed");
        prop_assert_eq!(changed(&changed(&spec, &first), &second), changed(&spec, &both));
        prop_assert_eq!(changed(&changed(&spec, &second), &first), changed(&spec, &both));
        prop_assert_eq!(&changed(&spec, &Map::new()), &spec);
        // The later change of one option wins.
        let again = map(json!({ "dropres": 0.5 }));
        prop_assert_eq!(changed(&changed(&spec, &first), &again), changed(&spec, &again));
    }

    #[test]
    fn dropping_in_two_goes_is_dropping_at_once(spec in any_spec(), at in 0..1000_usize) {
        let count = spec.blocks().count();
        prop_assume!(!spec.unet && count > 1);
        let (first, second) = (at % count, (at / 7) % (count - 1));
        let index = |number: usize| i64::try_from(number).expect("small");
        // The second number as it was before the first block went.
        let before = if second >= first { second + 1 } else { second };
        let two = spec.without(&[index(first)]).expect("one").without(&[index(second)]).expect("two");
        prop_assert_eq!(two, spec.without(&[index(before), index(first)]).expect("both"));
    }

    #[test]
    fn compositions_differ_where_a_row_of_diff_says_so(one in any_spec(), other in any_spec()) {
        let mut session = Listener::default().session();
        for (one, other) in [(&one, &other), (&one, &one)] {
            let (a, b) = (ModelValue::from(one.clone()).to_text(), ModelValue::from(other.clone()).to_text());
            said(&mut session, &format!("let a = {a};\nlet b = {b};"));
            let same = (one.resolved() == other.resolved()).to_string();
            prop_assert_eq!(&said(&mut session, "a.equals(b)"), &same);
            prop_assert_eq!(&said(&mut session, "a == b && b == a"), &same);
            prop_assert_eq!(&said(&mut session, "a.diff(b).height == 0"), &same, "{}\n{}", a, b);
        }
    }
}

#[test]
fn every_block_has_the_kind_that_its_function_is_called() {
    let kinds: Vec<&str> = with_lstms().blocks().filter_map(|place| place.block().map(BlockSpec::kind)).collect();
    assert_eq!(kinds, ["lstm", "lstm", "lstm", "ff", "s4"]);
}

#[test]
fn the_prompt_shows_a_model_as_a_folded_table_and_print_as_two_lines() {
    let mut session = Listener::default().session();
    let text = "sashimi(#{ d_model: 8, n_layers: 3, pool: [4], d_state: 8, dt_min: 0.01 }).drop_layers([0])";
    insta::assert_snapshot!(said(&mut session, text), @r"
    Model: 11 766 parameters, d_model 8, not trained
    index   block      shape       d_state  parameters  macs/sample  reach
    ──────  ─────────  ──────────  ───────  ──────────  ───────────  ─────
            embedding  8 × L             –        2048            0      1
            down pool  → 16 × L/4        –         544          128      4
    0, 2    ff × 2     16 × L/4          –        1074          256      4
    1, 3    s4 × 2     16 × L/4          8         730          452   1824
    4       ff         16 × L/4          –        1074          256      4
            up pool    → 8 × L           –         576          128      4
    5 … 9   s4 × 3     8 × L             8         250          776    373
    6 … 10  ff × 3     8 × L             –         282          256      1
            norm       8 × L             –          16            0      1
            head       → 256 × L         –        2304         2048      1
    7 072 multiply-adds a sample, looks back at most 3 805 samples (0.24 s)
    ");
    let listener = Listener::default();
    listener.run("print.rhai", &format!("print({text});"), &[]).expect("two lines");
    let lines = listener.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("Model: ") && lines[0].ends_with(" parameters, d_model 8, not trained"), "{lines:?}");
    assert_eq!(lines[1], "  tier of 6 blocks, pooled by 4 into tier of 5 blocks");
}

#[test]
fn weights_that_do_not_fit_the_options_are_never_dropped_in_silence() {
    let listener = Listener::default();
    let run = tiny_run().display();
    let script = format!(
        "let net = load_model(\"{run}\");\n\
         print(net.with(#{{ dropout: 0.5 }}).is_trained);\n\
         print(net.with(#{{ d_state: net.options().tier.blocks[0].s4.d_state }}).is_trained);\n"
    );
    listener.run("kept.rhai", &script, &[]).expect("weights that fit");
    assert_eq!((listener.lines(), listener.told()), (vec!["true".to_owned(); 2], Vec::new()));
    let script = format!("print(load_model(\"{run}\").with(#{{ d_state: 16, dt_max: 0.2 }}));");
    listener.run("dropped.rhai", &script, &[]).expect("a composition");
    assert!(listener.lines()[2].ends_with("not trained"), "{:?}", listener.lines());
    let told = listener.told();
    assert!(told.len() == 1 && told[0].contains("`d_state`, `dt_max`"), "{told:?}");
}

#[test]
fn help_lists_for_each_function_the_options_that_it_takes() {
    let session = Listener::default().session();
    let takes = |name: &str, option: &str| {
        let doc = session.docs().named(name).find(|doc| doc.of.is_empty()).expect("a documented function");
        doc.options.expect("options")().iter().any(|field| field.name == option)
    };
    for (name, option, is_taken) in [
        ("s4", "rank", true),
        ("s4", "mode", false),
        ("s4", "discretization", false),
        ("s4d", "discretization", true),
        ("s4d", "mode", false),
        ("s4d", "rank", false),
        ("isotropic", "ff", true),
        ("isotropic", "pool", false),
        ("isotropic", "expand", false),
        ("sashimi", "mode", true),
        ("lstm", "d_hidden", true),
    ] {
        assert_eq!(takes(name, option), is_taken, "{option} of {name}");
    }
}
