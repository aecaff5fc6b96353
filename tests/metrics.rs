//! Rows, logs, frames and baselines.

use proptest::prelude::*;
use std::fs;
use std::io::Write;
use std::path::Path;
use wasabi::metrics::{
    Frame, LOG_NAME, Log, MetricsError, Row, Summary, Value, atomic, baselines, bits_per_byte, read_log,
};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn step(step: i64, loss: f64) -> Row {
    Row::new().with("step", step).with("loss", loss).with("split", "train")
}

fn append_raw(folder: &Path, text: &str) {
    let mut file = fs::OpenOptions::new().append(true).open(folder.join(LOG_NAME)).expect("the log");
    file.write_all(text.as_bytes()).expect("appended");
}

fn written(folder: &Path, steps: std::ops::Range<i64>) -> Log {
    let mut log = Log::create(folder).expect("a new log");
    for index in steps {
        log.append(&step(index, 0.5)).expect("appended");
    }
    log
}

proptest! {
    #[test]
    fn any_row_survives_the_log(
        count in any::<i64>(),
        real in any::<f64>(),
        text in "\\PC{0,20}|[\"\\\\\n\t]{0,5}",
        flag in any::<bool>(),
        name in "[a-z\" {},:]{1,8}",
    ) {
        prop_assume!(!["NaN", "inf", "-inf"].contains(&text.as_str()));
        let row = Row::new().with("count", count).with("real", real).with("text", text).with("flag", flag).with(&name, 1);
        let back = Row::from_json(&row.to_json()).expect("our own line");
        for ((name, value), (other_name, other)) in row.iter().zip(back.iter()) {
            prop_assert_eq!(name, other_name);
            match (value, other) {
                (Value::Real(value), Value::Real(other)) => {
                    prop_assert!(value == other || (value.is_nan() && other.is_nan()), "{} became {}", value, other);
                }
                _ => prop_assert_eq!(value, other),
            }
        }
        prop_assert_eq!(row.len(), back.len());
    }

    #[test]
    fn no_line_makes_the_reader_panic(line in "\\PC{0,40}|[{}\":,0-9ae.\\\\ -]{0,30}") {
        let _ = Row::from_json(&line);
    }
}

#[test]
fn a_line_of_a_row_is_the_json_that_others_read() {
    let row =
        Row::new().with("step", 3).with("lr", 1e-300).with("loss", f64::NAN).with("done", true).with("note", "a \"b\"");
    assert_eq!(row.to_json(), r#"{"step":3,"lr":1e-300,"loss":"NaN","done":true,"note":"a \"b\""}"#);
    let json: serde_json::Value = serde_json::from_str(&row.to_json()).expect("valid JSON");
    assert_eq!(json["step"], 3);
}

#[test]
fn a_name_given_twice_keeps_its_place_and_takes_the_later_value() {
    let row = Row::new().with("a", 1).with("b", 2).with("a", 3.5).with_some("c", None::<f64>);
    assert_eq!(row.to_json(), r#"{"a":3.5,"b":2}"#);
}

#[test]
fn a_torn_last_line_is_dropped_and_named_and_rows_can_follow() {
    let folder = folder();
    drop(written(folder.path(), 0..3));
    append_raw(folder.path(), r#"{"step":3,"lo"#);

    let (frame, torn) = read_log(folder.path()).expect("readable");
    let torn = torn.expect("a torn line");
    assert_eq!((frame.height(), torn.line, torn.bytes), (3, 4, 13));
    assert!(torn.to_string().contains("line 4 of "), "{torn}");

    let mut log = Log::reopen(folder.path(), None).expect("reopened");
    assert_eq!(log.torn(), Some(&torn));
    log.append(&step(3, 0.25)).expect("appended");
    let (frame, torn) = read_log(folder.path()).expect("readable");
    assert_eq!(frame.numbers("step"), Some(vec![0.0, 1.0, 2.0, 3.0]));
    assert_eq!(torn, None);
}

#[test]
fn a_whole_last_line_without_its_end_is_kept() {
    let folder = folder();
    drop(written(folder.path(), 0..1));
    append_raw(folder.path(), r#"{"step":1,"loss":0.5,"split":"train"}"#);
    let mut log = Log::reopen(folder.path(), None).expect("reopened");
    assert_eq!(log.torn(), None);
    log.append(&step(2, 0.5)).expect("appended");
    assert_eq!(log.frame().expect("whole").numbers("step"), Some(vec![0.0, 1.0, 2.0]));
}

#[test]
fn a_broken_line_in_the_middle_is_an_error_that_names_it() {
    let folder = folder();
    drop(written(folder.path(), 0..2));
    append_raw(folder.path(), "{\"step\":oops}\n{\"step\":3}\n");
    let error = read_log(folder.path()).expect_err("line 3 is broken");
    assert!(matches!(error, MetricsError::Line { line: 3, .. }), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn resuming_drops_the_steps_that_will_be_done_again() {
    let folder = folder();
    drop(written(folder.path(), 1..11));
    let mut log = Log::reopen(folder.path(), Some(6)).expect("reopened");
    assert_eq!(log.dropped(), 4);
    log.append(&step(7, 9.0)).expect("appended");
    let frame = log.frame().expect("whole");
    assert_eq!(frame.numbers("step"), Some((1..=7).map(f64::from).collect()));
    assert_eq!(frame.last_number("loss"), Some(9.0));
    drop(Log::reopen(folder.path(), Some(0)).expect("reopened"));
    assert_eq!(read_log(folder.path()).expect("empty").0.height(), 0);
}

#[test]
fn a_second_run_cannot_write_over_the_log_of_the_first() {
    let folder = folder();
    drop(written(folder.path(), 0..1));
    let error = Log::create(folder.path()).expect_err("there is one");
    assert!(matches!(error, MetricsError::Exists { .. }), "{error}");
    assert!(matches!(Log::reopen(&folder.path().join("none"), None), Err(MetricsError::Io { action: "read", .. })));
}

#[test]
fn every_row_is_in_the_file_as_soon_as_it_is_appended() {
    let folder = folder();
    let mut log = Log::create(folder.path()).expect("a new log");
    for index in 0..5 {
        log.append(&step(index, 1.0)).expect("appended");
        let text = fs::read_to_string(log.path()).expect("the log");
        assert_eq!(text.lines().count() as i64, index + 1);
    }
}

#[test]
fn a_compacted_log_is_the_log() {
    let folder = folder();
    let mut log = written(folder.path(), 0..4);
    log.append(&Row::new().with("step", 4).with("loss", f64::INFINITY).with("split", "val").with("markov", 5.5))
        .expect("appended");
    let parquet = log.compact().expect("compacted");
    let frame = Frame::read_parquet(&parquet).expect("parquet");
    assert_eq!(frame.columns(), ["step", "loss", "split", "markov"]);
    assert_eq!(frame.numbers("loss"), log.frame().expect("whole").numbers("loss"));
    assert_eq!(frame.rows_where("split", "val").expect("a column").get("markov", 0), Some(Value::Real(5.5)));
    assert_eq!(frame.get("markov", 0), None);
    let left: Vec<_> =
        fs::read_dir(folder.path()).expect("the folder").map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(left.len(), 2, "no temporary file stays: {left:?}");
}

#[test]
fn a_failure_while_writing_leaves_the_former_file_whole() {
    let folder = folder();
    let path = folder.path().join("weights");
    atomic::replace(&path, |file| file.write_all(b"former")).expect("written");
    let full = || std::io::Error::from(std::io::ErrorKind::StorageFull);
    let error =
        atomic::replace(&path, |file| file.write_all(&[0; 100_000]).and_then(|()| Err(full()))).expect_err("full");
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(fs::read(&path).expect("the file"), b"former");
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1, "no temporary file stays");
}

#[test]
fn integers_among_reals_become_real_and_other_mixtures_are_refused() {
    let rows = [Row::new().with("x", 1), Row::new().with("x", 2.5), Row::new().with("y", true)];
    let frame = Frame::from_rows(&rows).expect("numbers");
    let numbers = frame.numbers("x").expect("numbers");
    assert_eq!(numbers[..2], [1.0, 2.5]);
    assert!(numbers[2].is_nan(), "null reads as NaN");
    assert_eq!(frame.numbers("y"), None);
    let error =
        Frame::from_rows(&[Row::new().with("x", 1), Row::new(), Row::new().with("x", "one")]).expect_err("mixed");
    assert_eq!(error.to_string(), "column `x` holds an integer in row 0 and text in row 2; needed one kind");
}

#[test]
fn frames_sort_select_and_name_the_column_that_is_meant() {
    let rows = [3, 1, 2].map(|index| step(index, f64::from(index as i32) / 10.0));
    let frame = Frame::from_rows(&rows).expect("rows");
    let sorted = frame.sort("step", true).expect("a column");
    assert_eq!(sorted.numbers("loss"), Some(vec![0.3, 0.2, 0.1]));
    assert_eq!(sorted.head(1).numbers("step"), Some(vec![3.0]));
    assert_eq!(sorted.tail(1).numbers("step"), Some(vec![1.0]));
    assert_eq!(frame.select(&["loss", "step"]).expect("columns").columns(), ["loss", "step"]);
    let error = frame.select(&["los"]).expect_err("no such column");
    assert_eq!(error.to_string(), "no column `los` in a frame of step, loss, split");
    assert_eq!(error.hint().as_deref(), Some("did you mean `loss`?"));
    assert!(frame.to_string().contains("shape: (3, 3)"));
}

#[test]
fn a_frame_survives_csv() {
    let folder = folder();
    let path = folder.path().join("rows.csv");
    let frame = Frame::from_rows(&[step(0, 0.1), step(1, 1.0 / 3.0), step(2, 1e-12)]).expect("rows");
    frame.write_csv(&path).expect("written");
    let back = Frame::read_csv(&path).expect("read");
    assert_eq!(back.numbers("loss"), frame.numbers("loss"));
    assert_eq!(back.text("split"), frame.text("split"));
    let missing = folder.path().join("no such folder").join("rows.csv");
    let error = frame.write_csv(&missing).expect_err("no folder");
    assert!(error.to_string().contains("no such folder"), "{error}");
    assert!(matches!(Frame::read_parquet(&path), Err(MetricsError::Frame { .. })), "a CSV is no parquet");
}

#[test]
fn a_markdown_table_reads_well() {
    let rows = [
        Row::new().with("name", "a|b").with("bits", 5.380_04).with("lr", 4e-5),
        Row::new().with("name", "c").with("bits", 8.0),
    ];
    let table = Frame::from_rows(&rows).expect("rows").to_markdown();
    assert_eq!(table, "| name | bits | lr |\n| --- | ---: | ---: |\n| a\\|b | 5.38004 | 4.0000e-5 |\n| c | 8 |  |\n");
}

#[test]
fn a_summary_is_what_the_textbook_says() {
    let frame = Frame::from_numbers([("x", vec![2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0])]).expect("a column");
    let summary = frame.summary("x").expect("numbers");
    assert_eq!((summary.count, summary.mean, summary.min, summary.max), (8, 5.0, 2.0, 9.0));
    assert!((summary.std - (32.0_f64 / 7.0).sqrt()).abs() < 1e-12);
    assert!((summary.confidence() - 2.3646 * summary.std / 8.0_f64.sqrt()).abs() < 1e-12);
    let of = |count| Summary { count, mean: 0.0, std: (count as f64).sqrt(), min: 0.0, max: 0.0 }.confidence();
    assert!((of(21) - 2.085_963).abs() < 2e-4, "t with 20 degrees of freedom, found {}", of(21));
    assert!((of(12) - 2.200_985).abs() < 2e-4, "t with 11 degrees of freedom, found {}", of(12));
    assert_eq!(frame.summary("y"), None);
}

/// Draws without a library, so that the tests below say nothing about ours.
fn noise(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    })
}

fn score(train: &[Vec<u16>], eval: &[Vec<u16>], levels: u32) -> wasabi::metrics::Baselines {
    baselines(train.iter().map(Vec::as_slice), eval.iter().map(Vec::as_slice), levels).expect("tokens")
}

#[test]
fn uniform_noise_costs_eight_bits_however_it_is_guessed() {
    let draw = |seed| -> Vec<u16> { noise(seed).take(2_000_000).map(|value| (value % 256) as u16).collect() };
    let found = score(&[draw(1)], &[draw(2)], 256);
    assert_eq!(found.uniform.per_token, 8.0);
    assert!((found.unigram.per_token - 8.0).abs() < 1e-3, "{found:?}");
    // 65536 cells from 2 million pairs: the table's own noise costs about 65536 / (2 · 2e6 · ln 2) = 0.024 bits.
    assert!(found.markov.per_token > 8.0 && found.markov.per_token < 8.04, "{found:?}");
}

#[test]
fn a_deterministic_chain_costs_the_markov_guess_nothing() {
    let chain: Vec<u16> = (0..400_000_u32).map(|index| ((128 + 37 * index) % 256) as u16).collect();
    let found = score(std::slice::from_ref(&chain), std::slice::from_ref(&chain), 256);
    assert!(found.markov.per_token < 0.1, "{found:?}");
    assert!((found.unigram.per_token - 8.0).abs() < 1e-3, "{found:?}");
}

#[test]
fn a_two_state_chain_costs_its_entropy_rate() {
    // Stays with 0.9, changes with 0.1: 0.469 bits a token; both states alike: 1 bit.
    let draw = |seed| -> Vec<u16> {
        let mut state = 1;
        noise(seed)
            .take(500_000)
            .map(|value| {
                state ^= u16::from(value % 10 == 0);
                state
            })
            .collect()
    };
    let found = score(&[draw(3)], &[draw(4)], 2);
    assert!((found.markov.per_token - 0.468_996).abs() < 5e-3, "{found:?}");
    assert!((found.unigram.per_token - 1.0).abs() < 5e-3, "{found:?}");
    assert!((found.markov.per_byte - 8.0 * found.markov.per_token).abs() < 1e-12, "one bit is an eighth of a byte");
}

#[test]
fn dense_and_sparse_tables_agree() {
    // The same tokens among more levels: only the unigram's half counts for levels never seen differ.
    let draw = |seed| -> Vec<u16> { noise(seed).take(200_000).map(|value| 500 + (value % 8) as u16).collect() };
    let (train, eval) = (vec![draw(5)], vec![draw(6)]);
    let (dense, sparse) = (score(&train, &eval, 1024), score(&train, &eval, 1025));
    assert!((dense.markov.per_token - sparse.markov.per_token).abs() < 1e-4, "{dense:?} {sparse:?}");
    assert!((dense.unigram.per_token - sparse.unigram.per_token).abs() < 1e-4, "{dense:?} {sparse:?}");
}

#[test]
fn sixteen_bits_are_two_bytes() {
    let draw = |seed| -> Vec<u16> { noise(seed).take(100_000).map(|value| value as u16).collect() };
    let found = score(&[draw(7)], &[draw(8)], 65536);
    assert_eq!((found.uniform.per_token, found.uniform.per_byte), (16.0, 8.0));
    assert!(found.unigram.per_token.is_finite() && found.markov.per_token.is_finite());
    assert!((bits_per_byte(std::f64::consts::LN_2 * 8.0, 256) - 8.0).abs() < 1e-12);
}

#[test]
fn the_first_token_of_a_window_is_scored_from_the_zero_level() {
    // Windows of one token: the table can only have learnt what follows the zero level.
    let windows: Vec<Vec<u16>> = (0..10_000).map(|_| vec![7]).collect();
    let found = score(&windows, &windows, 256);
    assert_eq!(found.tokens, 10_000);
    assert!(found.markov.per_token < 0.01, "{found:?}");
}

#[test]
fn tokens_outside_the_levels_and_empty_splits_are_refused() {
    let one: [&[u16]; 1] = [&[3]];
    let large: [&[u16]; 1] = [&[1, 256]];
    let none: [&[u16]; 0] = [];
    let run = |train: &[&[u16]], eval: &[&[u16]], levels| {
        baselines(train.iter().copied(), eval.iter().copied(), levels).expect_err("refused").to_string()
    };
    assert_eq!(run(&one, &large, 256), "token 256 found, but 256 levels allow only 0 to 255");
    assert_eq!(run(&large, &one, 256), "token 256 found, but 256 levels allow only 0 to 255");
    assert_eq!(run(&none, &one, 256), "the training split holds no tokens; a baseline needs at least one");
    assert_eq!(run(&one, &none, 256), "the evaluation split holds no tokens; a baseline needs at least one");
    assert_eq!(run(&one, &one, 1), "1 levels, but 2 to 65536 are needed");
}
