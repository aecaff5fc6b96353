//! Tokens: the golden codec, input and target pairs, the split, and what every bit depth must keep.

use proptest::prelude::*;
use wasabi::audio::{IGNORED_TARGET, Pair, Quantization, Quantizer, Scaling, collate, natural_order, split_points};

use crate::support::{Case, Golden, Precision};

const BOTH: [(Quantization, &str); 2] = [(Quantization::MuLaw, "mu_law"), (Quantization::Linear, "linear")];

fn quantizer(kind: Quantization, bits: u8) -> Quantizer {
    Quantizer::new(kind, bits).expect("bits in range")
}

fn floats(golden: &Golden) -> Vec<f32> {
    golden.values.iter().map(|&value| value as f32).collect()
}

fn bit_depths(case: &Case) -> Vec<u8> {
    match case.hyper("bits") {
        serde_json::Value::Array(list) => list.iter().filter_map(|bits| bits.as_u64()).map(|bits| bits as u8).collect(),
        one => vec![one.as_u64().expect("a number of bits") as u8],
    }
}

/// Compares exactly where the stored margin to the next level exceeds 1e-3, else within one level (golden/README §3.15).
fn check_levels(case: &Case, name: &str, margin: Option<&Golden>, found: &[u16]) {
    let golden = case.tensor(name);
    assert_eq!(golden.values.len(), found.len(), "{}: {name}", case.name);
    for (at, (&level, &token)) in golden.values.iter().zip(found).enumerate() {
        let allowed = if margin.is_some_and(|margin| margin.values[at] <= 1e-3) { 1.0 } else { 0.0 };
        assert!((level - f64::from(token)).abs() <= allowed, "{}: {name}[{at}] is {token}, not {level}", case.name);
    }
}

#[test]
fn the_golden_codec_is_reproduced_level_by_level() {
    for case in Case::all(&["audio_codec"]) {
        let wave = case.tensor("wave");
        let row = wave.shape[1] as usize;
        for bits in bit_depths(&case) {
            for (kind, name) in BOTH {
                let quantizer = quantizer(kind, bits);
                let encode = |wave: &Golden, row: usize| -> Vec<u16> {
                    floats(wave).chunks(row).flat_map(|row| quantizer.encode(row, Scaling::MinMax)).collect()
                };
                let margin = case.tensor(&format!("{name}_margin.b{bits}"));
                let tokens = encode(wave, row);
                check_levels(&case, &format!("{name}_encode.b{bits}"), Some(margin), &tokens);
                let silent = format!("silence_{name}_encode.b{bits}");
                if case.has(&silent) {
                    let silence = case.tensor("silence");
                    check_levels(&case, &silent, None, &encode(silence, silence.shape[1] as usize));
                }
                let levels: Vec<u16> = (0..=(quantizer.levels() - 1) as u16).collect();
                let table: Vec<f64> = quantizer.decode(&levels).into_iter().map(f64::from).collect();
                case.check(&format!("{name}_decode_table.b{bits}"), &table, Precision::Single);
                let round_trip = format!("{name}_roundtrip.b{bits}");
                if case.has(&round_trip) && margin.values.iter().all(|&margin| margin > 1e-3) {
                    let heard: Vec<f64> = quantizer.decode(&tokens).into_iter().map(f64::from).collect();
                    case.check_within(&round_trip, &heard, 3e-7);
                }
                assert_eq!(case.json["q_zero"][bits.to_string()].as_u64(), Some(quantizer.zero_level().into()));
            }
        }
    }
}

/// The excerpt that a golden pair was made from: "a1.wav start 200 frames 200".
fn excerpt(case: &Case, what: &str) -> Vec<f32> {
    let words: Vec<&str> = what.split(' ').collect();
    let [file, "start", start, "frames", frames] = words[..] else { panic!("{}: {what}", case.name) };
    let (start, frames): (usize, usize) = (start.parse().expect("start"), frames.parse().expect("frames"));
    let source = if file == "a1.wav" { "pcm_mono" } else { "pcm_stereo" };
    let pcm = case.tensor(source);
    let channels = pcm.shape.get(1).map_or(1, |&channels| channels as usize);
    pcm.values
        .chunks(channels)
        .skip(start)
        .take(frames)
        .map(|frame| (frame.iter().sum::<f64>() / 32_768.0 / channels as f64) as f32)
        .collect()
}

fn same<T: Copy + Into<i64>>(case: &Case, name: &str, found: &[T]) {
    let found: Vec<f64> = found.iter().map(|&value| value.into() as f64).collect();
    case.check_within(name, &found, 0.0);
}

#[test]
fn golden_pairs_are_the_tokens_shifted_by_one() {
    for case in Case::all(&["audio_ar_pairs"]) {
        let bits = bit_depths(&case)[0];
        let window = case.hyper("sample_len").as_u64().expect("a length") as usize;
        let mut pairs = 0;
        let (mut first, mut short) = (None, (0, None));
        for name in case.tensors.keys() {
            let Some((kind, rest)) = name.split_once('.').filter(|(kind, _)| ["mu-law", "linear"].contains(kind))
            else {
                continue;
            };
            let Some(index) = rest.strip_suffix(".x") else { continue };
            let kind_of = if kind == "mu-law" { Quantization::MuLaw } else { Quantization::Linear };
            let quantizer = quantizer(kind_of, bits);
            let samples = excerpt(&case, case.json["tensors"][name]["what"].as_str().expect("where it was cut"));
            let pair = Pair::new(&quantizer.encode(&samples, Scaling::MinMax), quantizer);
            same(&case, name, &pair.x);
            same(&case, &format!("{kind}.{index}.y"), &pair.y);
            pairs += 1;
            if kind == "mu-law" && index == "0" {
                first = Some(pair.clone());
            }
            let index: usize = index.parse().expect("an index");
            if kind == "mu-law" && pair.x.len() < window && index >= short.0 {
                short = (index, Some(pair));
            }
        }
        assert!(pairs >= 2, "{}: {pairs} pairs", case.name);
        let (first, short) = (first.expect("a first pair"), short.1.expect("a short pair"));
        check_context(&case, &first, quantizer(Quantization::MuLaw, bits));
        check_batches(&case, &first, &short, window, quantizer(Quantization::MuLaw, bits));
    }
}

fn check_context(case: &Case, first: &Pair, quantizer: Quantizer) {
    let name = case.tensors.keys().find_map(|name| name.strip_suffix(".x").filter(|name| name.starts_with("context")));
    let name = name.expect("a case with context");
    let (context, pad) = name.trim_start_matches("context").split_once("_pad").expect("contextC_padP");
    let (context, pad) = (context.parse().expect("context"), pad.parse().expect("pad"));
    let pair = first.clone().with_context(context, pad, quantizer);
    same(case, &format!("{name}.x"), &pair.x);
    same(case, &format!("{name}.y"), &pair.y);
}

fn check_batches(case: &Case, first: &Pair, short: &Pair, window: usize, quantizer: Quantizer) {
    let both = collate(&[short.clone(), first.clone()], window, quantizer).expect("a batch");
    let lengths: Vec<i64> = both.lengths.iter().map(|&length| length as i64).collect();
    same(case, "collate.x", &both.x);
    same(case, "collate.y", &both.y);
    same(case, "collate.lengths", &lengths);
    assert!(both.y.contains(&IGNORED_TARGET), "the short row is padded");
    let alone = collate(std::slice::from_ref(short), window, quantizer).expect("a batch");
    same(case, "collate_short_only.x", &alone.x);
    same(case, "collate_short_only.y", &alone.y);
    assert_eq!(case.tensor("collate_short_only.x").shape, [1, alone.x_len as i64]);
}

#[test]
fn an_empty_or_overlong_example_makes_no_batch() {
    let quantizer = quantizer(Quantization::MuLaw, 8);
    assert!(collate(&[], 4, quantizer).is_err());
    assert!(collate(&[Pair::new(&[], quantizer)], 4, quantizer).is_err());
    assert!(collate(&[Pair::new(&[1; 5], quantizer)], 4, quantizer).is_err());
}

#[test]
fn the_golden_split_has_the_same_order_sizes_and_cuts() {
    for case in Case::all(&["audio_split_and_examples"]) {
        let names = |value: &serde_json::Value| -> Vec<String> {
            serde_json::from_value(value.clone()).expect("a list of names")
        };
        let mut listed = names(&case.json["listed_order"]);
        listed.sort_by(|a, b| natural_order(a, b));
        assert_eq!(listed, names(&case.json["natural_sort_order"]), "{}", case.name);
        let fraction = case.hyper("train_percentage").as_f64().expect("a fraction");
        let (train, val) = split_points(listed.len(), fraction);
        assert_eq!(listed[..train], names(&case.json["split"]["train"]));
        assert_eq!(listed[train..val], names(&case.json["split"]["val"]));
        assert_eq!(listed[val..], names(&case.json["split"]["test"]));
        for (name, table) in case.tensors.iter().filter(|(name, _)| name.starts_with("split_sizes")) {
            for row in table.values.chunks(table.shape[1] as usize) {
                let (n, fraction, sizes) =
                    if row.len() == 4 { (row[0], fraction, &row[1..]) } else { (row[0], row[1] / 100.0, &row[2..]) };
                let (train, val) = split_points(n as usize, fraction);
                let found = [train as f64, (val - train) as f64, n - val as f64];
                assert_eq!(found, sizes, "{}: {name}: {n} files at {fraction}", case.name);
            }
        }
    }
}

#[test]
fn natural_order_is_total_whatever_the_digits() {
    let sorted =
        ["", "0", "00", "1", "9.wav", "10.wav", "A", "a", "a1", "a1b", "a01c", "a2", "a99999999999999999999999", "b"];
    for (i, a) in sorted.iter().enumerate() {
        for (j, b) in sorted.iter().enumerate() {
            assert_eq!(natural_order(a, b), i.cmp(&j), "{a:?} and {b:?}");
        }
    }
}

#[test]
fn every_token_survives_decoding_and_encoding_at_full_scale() {
    for bits in 1..=16 {
        for (kind, name) in BOTH {
            let quantizer = quantizer(kind, bits);
            let tokens: Vec<u16> = (0..=(quantizer.levels() - 1) as u16).collect();
            let again = quantizer.encode(&quantizer.decode(&tokens), Scaling::FullScale);
            let moved = tokens.iter().zip(&again).find(|(token, again)| token != again);
            assert_eq!(moved, None, "{name}, {bits} bits");
        }
    }
}

#[test]
fn a_token_stays_or_moves_down_by_one_under_the_references_truncation() {
    for (kind, name) in BOTH {
        let quantizer = quantizer(kind, 8);
        let tokens: Vec<u16> = (0..=255).collect();
        // The top level decodes below +1: with +1 beside it, min-max does not stretch the range.
        let samples: Vec<f32> = quantizer.decode(&tokens).into_iter().chain([1.0]).collect();
        let again = quantizer.encode(&samples, Scaling::MinMax);
        for (&token, again) in tokens.iter().zip(again) {
            assert!(again == token || again + 1 == token, "{name}: {token} became {again}");
        }
    }
}

#[test]
fn decoding_rises_with_the_token_and_the_zero_level_is_silence() {
    for bits in 1..=16 {
        for (kind, name) in BOTH {
            let quantizer = quantizer(kind, bits);
            let tokens: Vec<u16> = (0..=(quantizer.levels() - 1) as u16).collect();
            let values = quantizer.decode(&tokens);
            assert!(values.windows(2).all(|pair| pair[0] < pair[1]), "{name}, {bits} bits");
            assert_eq!(values[usize::from(quantizer.zero_level())], 0.0, "{name}, {bits} bits");
            assert!((values[0] + 1.0).abs() < 1e-6 && values[values.len() - 1] < 1.0, "{name}, {bits} bits");
        }
    }
}

#[test]
fn silence_and_constants_have_the_documented_tokens() {
    for bits in 1..=16 {
        for (kind, name) in BOTH {
            let quantizer = quantizer(kind, bits);
            let top = (quantizer.levels() - 1) as u16;
            let all = |value: f32, scaling| {
                let tokens = quantizer.encode(&[value; 5], scaling);
                assert!(tokens.iter().all(|&token| token == tokens[0]), "{name}, {bits} bits");
                tokens[0]
            };
            let zero = quantizer.zero_level();
            assert_eq!([0.0, 0.5, -0.5].map(|value| all(value, Scaling::MinMax)), [0, 0, 0], "{name}, {bits} bits");
            assert_eq!([0.0, 0.5, -0.5].map(|value| all(value, Scaling::Peak)), [zero, top, 0], "{name}, {bits} bits");
            let half = quantizer.decode(&[all(0.5, Scaling::FullScale)])[0];
            assert_eq!(all(0.0, Scaling::FullScale), zero, "{name}, {bits} bits");
            let allowed = if bits < 8 { 0.5 } else { 0.02 };
            assert!((half - 0.5).abs() <= allowed, "{name}, {bits} bits: 0.5 became {half}");
        }
    }
}

#[test]
fn samples_beyond_full_scale_are_clipped_and_nothing_else_leaves_the_levels() {
    let wild = [1e30, -1e30, f32::MAX, f32::MIN, f32::MIN_POSITIVE, f32::NAN, 0.0];
    for (kind, _) in BOTH {
        for bits in 1..=16 {
            let quantizer = quantizer(kind, bits);
            for scaling in [Scaling::MinMax, Scaling::Peak, Scaling::FullScale] {
                let tokens = quantizer.encode(&wild, scaling);
                assert!(tokens.iter().all(|&token| u32::from(token) < quantizer.levels()));
            }
            let clipped = quantizer.encode(&[2.0, -2.0], Scaling::FullScale);
            assert_eq!(clipped, [(quantizer.levels() - 1) as u16, 0]);
        }
    }
}

#[test]
fn a_quantizer_outside_one_to_sixteen_bits_cannot_be_made_or_read() {
    for bits in [0, 17, 255] {
        assert!(Quantizer::new(Quantization::MuLaw, bits).is_err());
        let text = format!(r#"{{"quantization": "mu-law", "bits": {bits}}}"#);
        assert!(serde_json::from_str::<Quantizer>(&text).is_err());
    }
    let text = serde_json::to_string(&Quantizer::Linear { bits: 12 }).expect("plain data");
    assert_eq!(serde_json::from_str::<Quantizer>(&text).ok(), Some(Quantizer::Linear { bits: 12 }));
}

proptest! {
    #[test]
    fn a_louder_sample_never_gets_a_lower_token(
        mut samples in proptest::collection::vec(-1.5_f32..1.5, 1..200),
        bits in 1_u8..=16,
    ) {
        samples.sort_by(f32::total_cmp);
        for (kind, name) in BOTH {
            for scaling in [Scaling::MinMax, Scaling::Peak, Scaling::FullScale] {
                let tokens = quantizer(kind, bits).encode(&samples, scaling);
                prop_assert!(tokens.windows(2).all(|pair| pair[0] <= pair[1]), "{name}, {bits} bits, {scaling:?}");
            }
        }
    }

    #[test]
    fn decoding_lands_within_a_level_of_the_sample(sample in -0.999_f32..0.999, bits in 4_u8..=16) {
        for (kind, name) in BOTH {
            let quantizer = quantizer(kind, bits);
            let token = quantizer.encode(&[sample], Scaling::FullScale)[0];
            let top = (quantizer.levels() - 1) as u16;
            let around = [token.saturating_sub(1), token.saturating_add(1).min(top)];
            let [below, above] = around.map(|token| quantizer.decode(&[token])[0]);
            prop_assert!(below <= sample && (sample <= above || token == top), "{name}, {bits} bits: {sample}");
        }
    }
}
