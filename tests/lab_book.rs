//! The lab book: its index, its tables, what is exported, and runs whose files are not what they should be.

use crate::script_fixture::{Listener, scratch};
use assert_cmd::Command;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use wasabi::experiment::{
    At, Book, Comparison, ExperimentError, INDEX_NAME, OWNER_NAME, Owner, Record, RunDir, State, Status, compare,
    differing, discard,
};
use wasabi::metrics::{Frame, LOG_NAME, Log, Row};

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("the test's own settings are {other}"),
    }
}

fn record(lr: f64, blocks: usize) -> Record {
    let blocks: Vec<Value> = (0..blocks).map(|_| json!({ "s4": { "d_state": 8 } })).collect();
    let train = map(json!({ "lr": lr, "clip": null, "schedule": { "kind": "constant" } }));
    let model = map(json!({ "d_model": 8, "tier": { "blocks": blocks } }));
    Record::new(7, "cpu".to_owned(), 2, map(json!({ "window": 64 })), train, model)
}

/// A run of `steps` updates with a validation at the end, as training leaves one.
fn written(folder: &Path, lr: f64, steps: u32) -> RunDir {
    let run = RunDir::create(folder).expect("a run");
    run.write_record(&record(lr, 2)).expect("a record");
    let mut log = Log::create(folder).expect("a log");
    for step in 1..=steps {
        let row = Row::new().with("step", step).with("split", "train").with("tokens", 64 * step);
        let row = row.with("loss", 5.0 - f64::from(step) * lr).with("bits_per_byte", 7.0 - f64::from(step) * lr);
        log.append(&row.with("wall_seconds", 0.5 * f64::from(step))).expect("a row");
    }
    let row = Row::new().with("step", steps).with("split", "val").with("tokens", 64 * steps).with("loss", 4.0);
    log.append(&row.with("bits_per_byte", 6.0 - lr).with("wall_seconds", 0.5 * f64::from(steps))).expect("a row");
    let status = Status {
        steps: steps.into(),
        val_bits_per_byte: Some(6.0 - lr),
        best_bits_per_byte: Some(6.0 - lr),
        best_step: Some(steps.into()),
        ..Status::new(State::Finished, steps.into())
    };
    run.write_status(&status).expect("a status");
    run
}

fn tables_agree(root: &Path, when: &str) -> Frame {
    let [with, without] = [Book::open(root), Book::read(root)].map(|book| book.frame().expect("a table"));
    assert_eq!(with, without, "{when}");
    with
}

#[test]
fn the_index_says_what_the_runs_say_stale_damaged_or_absent() {
    let root = tempfile::tempdir().expect("a folder");
    let root = root.path();
    let runs: Vec<RunDir> =
        (0..6).map(|at| written(&root.join(format!("sweep/run-{at}")), 0.1 * f64::from(at + 1), 4 + at)).collect();
    assert_eq!(tables_agree(root, "at first").height(), 6);
    let index = root.join(INDEX_NAME);
    let whole = fs::read(&index).expect("an index");
    tables_agree(root, "from the index");
    assert_eq!(fs::read(&index).expect("the index"), whole, "an index that is true is not written again");

    runs[2]
        .write_status(&Status { reason: Some("told".into()), ..runs[2].read_status().expect("its status") })
        .expect("written");
    let frame = tables_agree(root, "after a status was written");
    assert!(frame.text("reason").expect("reasons").contains(&Some("told".to_owned())));
    let mut log = Log::reopen(runs[3].path(), None).expect("the log");
    log.append(&Row::new().with("step", 99).with("split", "train").with("loss", 0.5).with("bits_per_byte", 0.7))
        .expect("a row");
    tables_agree(root, "after a row was written");
    runs[4].write_record(&record(9.5, 3)).expect("a record");
    let frame = tables_agree(root, "after a record was written");
    assert!(frame.columns().contains(&"train.lr") && frame.columns().contains(&"model.tier.blocks.count"), "{frame}");
    assert!(!frame.columns().contains(&"model.d_model"), "it is the same in all: {frame}");
    fs::rename(runs[5].path(), root.join("moved")).expect("moved");
    assert_eq!(tables_agree(root, "after one was moved").height(), 6);
    fs::remove_dir_all(runs[0].path()).expect("removed");
    assert_eq!(tables_agree(root, "after one went").height(), 5);

    let whole = fs::read(&index).expect("the index");
    let mut flipped = whole.clone();
    let digit = whole.iter().rposition(u8::is_ascii_digit).expect("a figure");
    flipped[digit] = if whole[digit] == b'1' { b'2' } else { b'1' };
    for (damage, bytes) in [
        ("empty", Vec::new()),
        ("cut", whole[..whole.len() / 2].to_vec()),
        ("a figure changed", flipped),
        ("noise", vec![0xff; 999]),
    ] {
        fs::write(&index, &bytes).expect("written");
        tables_agree(root, damage);
        assert_eq!(fs::read(&index).expect("the index"), whole, "{damage}: it is made anew");
    }
    fs::remove_file(&index).expect("removed");
    fs::create_dir(&index).expect("a folder in its place");
    tables_agree(root, "a folder in its place");
    assert!(index.is_dir(), "what is not ours is left alone");
}

#[test]
fn two_thousand_runs_are_listed_alike_with_the_index_and_without() {
    let root = tempfile::tempdir().expect("a folder");
    let (record, status) = (record(0.5, 2), Status::new(State::Finished, 3));
    let run = written(&root.path().join("first"), 0.5, 3);
    let files =
        ["run.toml", "status.json", LOG_NAME].map(|name| (name, fs::read(run.path().join(name)).expect("a file")));
    for at in 1..2000 {
        // Copied and not written anew: syncing six thousand files is not what is tested.
        let folder = root.path().join(format!("part-{}/run-{at}", at % 7));
        fs::create_dir_all(&folder).expect("a folder");
        files.iter().for_each(|(name, bytes)| fs::write(folder.join(name), bytes).expect("a file"));
    }
    assert_eq!(tables_agree(root.path(), "2,000 runs").height(), 2000);
    let one = RunDir::open(&root.path().join("part-1/run-1")).expect("a run");
    one.write_record(&Record { seed: 8, ..record }).expect("written");
    one.write_status(&Status { steps: 2, ..status }).expect("written");
    let frame = tables_agree(root.path(), "one of 2,000 changed");
    let seeds = frame.numbers("seed").expect("seeds");
    assert_eq!(seeds.iter().filter(|seed| **seed == 8.0).count(), 1);
}

#[test]
fn runs_are_compared_at_equal_steps_tokens_and_seconds_by_hand_counted_rows() {
    let root = tempfile::tempdir().expect("a folder");
    let (short, long) = (written(&root.path().join("short"), 0.1, 4), written(&root.path().join("long"), 0.5, 10));
    let runs = [("short".to_owned(), short.clone()), ("long".to_owned(), long.clone())];
    for (at, place, tokens) in [(At::Step, 4.0, 256.0), (At::Tokens, 256.0, 256.0), (At::Seconds, 2.0, 256.0)] {
        let (frame, problems) = compare(&runs, &Comparison { at, ..Comparison::default() }).expect("a comparison");
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(frame.numbers("at"), Some(vec![place; 2]), "{at:?}");
        assert_eq!(frame.numbers("step"), Some(vec![4.0; 2]), "{at:?}");
        assert_eq!(frame.numbers("tokens"), Some(vec![tokens; 2]));
        assert_eq!(frame.numbers("loss"), Some(vec![4.6, 3.0]), "5 - 4 x 0.1, and 5 - 4 x 0.5");
        let val = frame.numbers("val_bits_per_byte").expect("validations");
        assert!(val[0] == 5.9 && val[1].is_nan(), "the longer one was validated after 10: {val:?}");
    }
    let halves = Comparison { points: 2, ..Comparison::default() };
    assert_eq!(compare(&runs, &halves).expect("two points").0.numbers("step"), Some(vec![2.0, 2.0, 4.0, 4.0]));
    let beyond = compare(&runs, &Comparison { upto: Some(5.0), ..Comparison::default() }).expect_err("too far");
    assert!(beyond.to_string().contains("short has come to 4 step, and 5"), "{beyond}");
    let frame = differing(&short.read_record().expect("one"), &long.read_record().expect("another")).expect("a table");
    assert_eq!(frame.text("setting"), Some(vec![Some("train.lr".to_owned())]));
    assert_eq!(frame.text("second"), Some(vec![Some("0.5".to_owned())]));
}

/// What a reader of event files needs of protobuf: fields by number, as they come.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut out = Vec::new();
    let varint = |bytes: &mut &[u8]| {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let byte = bytes[0];
            *bytes = &bytes[1..];
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    };
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let length = match key & 7 {
            0 => {
                out.push((key >> 3, varint(&mut bytes).to_le_bytes().to_vec()));
                continue;
            }
            1 => 8,
            5 => 4,
            2 => varint(&mut bytes) as usize,
            wire => panic!("wire type {wire}"),
        };
        out.push((key >> 3, bytes[..length].to_vec()));
        bytes = &bytes[length..];
    }
    out
}

/// CRC-32C bit by bit (polynomial 0x1EDC6F41, reflected), masked as TFRecord says: nothing of the writer's.
fn masked(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82F6_3B78 } else { crc >> 1 };
        }
    }
    (!crc).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn records(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut at, mut out) = (0, Vec::new());
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
    while at < bytes.len() {
        let length = u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes")) as usize;
        assert_eq!(word(at + 8), masked(&bytes[at..at + 8]), "the length's checksum");
        let data = &bytes[at + 12..at + 12 + length];
        assert_eq!(word(at + 12 + length), masked(data), "the data's checksum");
        out.push(data.to_vec());
        at += 16 + length;
    }
    out
}

fn wasabi(folder: &Path, arguments: &[&str]) -> assert_cmd::assert::Assert {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wasabi"));
    command.current_dir(folder).args(["--device", "cpu", "--threads", "1"]).args(arguments).assert()
}

fn said(assert: &assert_cmd::assert::Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stdout).into_owned()
}

#[test]
fn an_exported_run_is_read_by_others_value_by_value() {
    assert_eq!(
        masked(b"123456789"),
        (0xE306_9283_u32.rotate_right(15)).wrapping_add(0xa282_ead8),
        "the reader's own checksum"
    );
    let root = scratch("lab-export");
    written(&root.join("night"), 0.25, 3);
    let done = wasabi(&root, &["runs", "export", "night", "--to", "out"]).success();
    assert_eq!(said(&done).lines().count(), 3, "{}", said(&done));
    let folder = root.join("out/night");
    let [csv, parquet] =
        [Frame::read_csv(&folder.join("metrics.csv")), Frame::read_parquet(&folder.join("metrics.parquet"))];
    assert_eq!(csv.expect("csv").numbers("loss"), Some(vec![4.75, 4.5, 4.25, 4.0]));
    assert_eq!(parquet.expect("parquet").numbers("loss"), Some(vec![4.75, 4.5, 4.25, 4.0]));

    let events = fs::read_dir(&folder).expect("the folder").map(|entry| entry.expect("an entry").path());
    let events: Vec<PathBuf> = events.filter(|path| path.display().to_string().contains("tfevents")).collect();
    let records = records(&fs::read(&events[0]).expect("the event file"));
    assert_eq!(records.len(), 5, "the version and four rows");
    assert!(fields(&records[0]).contains(&(3, b"brain.Event:2".to_vec())));
    let mut losses = Vec::new();
    for record in &records[1..] {
        let event = fields(record);
        let of = |field: u64| &event.iter().find(|(number, _)| *number == field).expect("a field").1;
        let step = u64::from_le_bytes(of(2).as_slice().try_into().expect("a step"));
        for (number, value) in fields(of(5)) {
            assert_eq!(number, 1);
            let scalar = fields(&value);
            let tag = String::from_utf8(scalar[0].1.clone()).expect("a tag");
            if tag.ends_with("/loss") {
                losses.push((step, tag, f32::from_le_bytes(scalar[1].1.as_slice().try_into().expect("a float"))));
            }
        }
    }
    let expected = [(1, "train", 4.75), (2, "train", 4.5), (3, "train", 4.25), (3, "val", 4.0)];
    assert_eq!(losses, expected.map(|(step, split, loss)| (step, format!("{split}/loss"), loss)));
}

#[test]
fn runs_are_listed_shown_and_put_aside_from_the_shell() {
    let root = scratch("lab-shell");
    for (name, lr) in [("a", 0.1), ("b", 0.3), ("c", 0.2)] {
        written(&root.join("experiments").join(name), lr, 3);
    }
    let list = |more: &[&str]| {
        let all = [&["runs", "list", "--json"], more].concat();
        let rows: Value = serde_json::from_str(&said(&wasabi(&root, &all).success())).expect("JSON");
        rows.as_array()
            .expect("rows")
            .iter()
            .map(|row| row["run"].as_str().expect("a name").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(list(&["--sort", "train.lr"]), ["a", "c", "b"]);
    assert_eq!(list(&["--sort=-train.lr", "--where", "\"train.lr\" < 0.25"]), ["c", "a"]);
    assert!(said(&wasabi(&root, &["runs", "list"]).success()).contains("train.lr"));
    let refused = wasabi(&root, &["runs", "list", "--where", "lr < 1"]).code(1);
    assert!(String::from_utf8_lossy(&refused.get_output().stderr).contains("lr"));
    assert!(said(&wasabi(&root, &["runs", "show", "experiments/b"]).success()).contains("train.lr: 0.3"));
    let told = said(&wasabi(&root, &["runs", "diff", "experiments/a", "experiments/b"]).success());
    assert!(told.contains("train.lr") && told.contains("0.1") && told.contains("0.3"), "{told}");

    wasabi(&root, &["runs", "rm", "experiments/a", "experiments/nothing"]).code(1);
    assert_eq!(list(&[]).len(), 3, "one that is misspelt moves none");
    let told = said(&wasabi(&root, &["runs", "rm", "experiments/a"]).success());
    assert!(told.contains("take it back: mv"), "{told}");
    assert!(root.join("experiments/.trash/a/run.toml").is_file());
    let mut left = list(&[]);
    left.sort();
    assert_eq!(left, ["b", "c"]);
    written(&root.join("experiments/a"), 0.1, 3);
    wasabi(&root, &["runs", "rm", "experiments/a"]).success();
    assert!(
        root.join("experiments/.trash/a-2/run.toml").is_file() && root.join("experiments/.trash/a/run.toml").is_file()
    );
}

#[test]
fn whoever_holds_a_run_is_named_and_a_dead_owner_is_taken_over() {
    let root = tempfile::tempdir().expect("a folder");
    let run = written(&root.path().join("run"), 0.1, 3);
    let held = run.lock().expect("the lock");
    let refused = run.lock().expect_err("it is held").to_string();
    assert!(refused.contains(&format!("by process {} on ", std::process::id())), "{refused}");
    assert!(run.is_busy() && discard(&run).is_err());
    drop(held);
    assert!(!run.is_busy() && !run.path().join(OWNER_NAME).exists());

    let elsewhere = |seconds_ago: u64| {
        let owner = Owner { host: "another.host".into(), pid: 1, since_unix_ns: 5, beat_unix_s: 0 };
        let path = run.path().join(OWNER_NAME);
        fs::write(&path, serde_json::to_string(&owner).expect("JSON")).expect("written");
        let beat = std::time::SystemTime::now() - std::time::Duration::from_secs(seconds_ago);
        fs::File::options().write(true).open(&path).expect("the file").set_modified(beat).expect("a time");
    };
    elsewhere(5);
    let refused = run.lock().expect_err("its heart beats");
    assert!(
        matches!(refused, ExperimentError::Busy { .. }) && refused.to_string().contains("process 1 on another.host")
    );
    assert!(run.is_busy());
    elsewhere(3600);
    assert!(!run.is_busy());
    drop(run.lock().expect("a dead owner is taken over"));
    fs::write(run.path().join(OWNER_NAME), b"\xff\x00 no owner").expect("written");
    drop(run.lock().expect("what is no owner keeps nobody out"));
}

#[test]
fn a_record_of_another_layout_says_who_wrote_it_and_what_is_strange() {
    let root = tempfile::tempdir().expect("a folder");
    let run = written(&root.path().join("run"), 0.1, 3);
    let text = fs::read_to_string(run.record_path()).expect("the record");
    let text = text.replace("schema = 1", "schema = 2\nmoons = 3").replace("wasabi = \"0.1.0\"", "wasabi = \"7.0.0\"");
    fs::write(run.record_path(), text).expect("written");
    let told = run.read_record().expect_err("another layout").to_string();
    for part in ["schema 2", "schema 1", "wasabi 7.0.0", "moons"] {
        assert!(told.contains(part), "no {part} in: {told}");
    }
}

const DAMAGES: [&str; 5] = ["empty", "cut", "noise", "a folder", "unreadable"];

fn damage(path: &Path, how: &str) {
    let whole = fs::read(path).expect("a file");
    match how {
        "empty" => fs::write(path, b"").expect("written"),
        "cut" => fs::write(path, &whole[..whole.len() / 2]).expect("written"),
        "noise" => fs::write(path, (0..4096_u32).map(|at| ((at * at) >> 3) as u8 | 0x80).collect::<Vec<u8>>())
            .expect("written"),
        "a folder" => {
            fs::remove_file(path).expect("removed");
            fs::create_dir(path).expect("a folder");
            fs::write(path.join("mine.txt"), b"mine").expect("written");
        }
        _ => {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(path, fs::Permissions::from_mode(0o000)).expect("permissions");
        }
    }
}

/// Every file below `folder` with what it holds.
fn contents(folder: &Path) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                out.push(fs::read(&path).unwrap_or_default());
            }
        }
    }
    out
}

#[test]
fn damaged_files_of_a_run_are_named_and_worked_around_and_never_deleted() {
    let root = scratch("lab-damage");
    let music = crate::script_fixture::tones_corpus();
    let make = format!(
        "train(isotropic(#{{ d_model: 4, n_layers: 1, d_state: 4 }}), {music}, #{{ steps: 4, batch: 1, eval_every: 2, \
         eval_windows: 1, top_k: 2, out: \"{}\" }});",
        root.join("whole").display()
    );
    Listener::default().run("make.rhai", &make, &[]).expect("a run");
    assert_eq!(
        fs::read_dir(root.join("whole/checkpoints")).expect("checkpoints").count(),
        8,
        "last, best, two of the top"
    );
    let files = [
        "run.toml",
        "status.json",
        "metrics.jsonl",
        "metrics.parquet",
        "checkpoints/last.safetensors",
        "checkpoints/last.json",
        "checkpoints/best.safetensors",
        "checkpoints/top-4.safetensors",
        ".lock",
    ];
    for file in files {
        for how in DAMAGES {
            let case = format!("{file}, {how}");
            let folder = root.join("case");
            drop(fs::remove_dir_all(&folder));
            let copied = std::process::Command::new("cp").arg("-a").arg(root.join("whole")).arg(&folder).status();
            assert!(copied.expect("cp").success());
            damage(&folder.join(file), how);
            let strange = if how == "a folder" { Some(b"mine".to_vec()) } else { None };
            // Reading it: the list has it, and says what is wrong with it.
            let book = Book::read(&root);
            let listed = book.entries().iter().find(|entry| entry.name == "case");
            let is_record = file == "run.toml";
            assert_eq!(listed.is_some(), !(is_record && how == "a folder"), "{case}");
            let named = book.problems().iter().any(|problem| problem.contains(file));
            let looked_at = ["status.json", "checkpoints/last.safetensors", "checkpoints/best.safetensors"];
            let must =
                (looked_at.contains(&file) || is_record) && ["empty", "noise"].contains(&how) && listed.is_some();
            assert!(named || !must, "{case}: {:?}", book.problems());
            book.frame().expect("a table");
            // Going on with it: it works, or is refused in words that name the file.
            let listener = Listener::default();
            let go_on =
                format!("let run = resume(\"{}\", #{{ steps: 6 }}); print(run.frame().height);", folder.display());
            match listener.run("on.rhai", &go_on, &[]) {
                Ok(()) => assert!(!is_record || how == "unreadable", "{case}: it went on without a record"),
                Err(refused) => {
                    let ours = is_record || file.ends_with("last.safetensors") || file == ".lock";
                    assert!(ours, "{case}: {}", refused.message);
                    assert!(
                        refused.message.contains(file.rsplit('/').next().unwrap_or(file))
                            || refused.message.contains("holds no run"),
                        "{case}: {}",
                        refused.message
                    );
                    assert_ne!(refused.cause, wasabi::script::Cause::Bug, "{case}: {}", refused.message);
                }
            }
            if let Some(strange) = strange {
                assert!(contents(&folder).contains(&strange), "{case}: what was not ours is gone");
            }
        }
    }
}
