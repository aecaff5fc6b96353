//! Killed at any instant, a run goes on and becomes what it would have become, bit for bit.
//!
//! Each kill is a SIGKILL to a process of its own: at a time drawn by seed, after so many more rows, or at the sight of a file
//! that is just being written (a checkpoint, the compacted metrics, the index of the runs).

use crate::script_fixture::scratch;
use crate::train_run::{bits, timeless};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use wasabi::experiment::Book;
use wasabi::metrics::{Frame, read_log};
use wasabi::seed::Seed;

const SCRIPT: &str = r#"
let root = param("root", "");
let music = corpus(#{ from: param("from", ""), window: 64, train_fraction: 0.67 });
let rows = runs(root).height;
train(isotropic(#{ d_model: 4, n_layers: 1, d_state: 4, dropout: 0.1 }), music, #{
    steps: 60, batch: 1, eval_every: 10, eval_windows: 2, checkpoint_every: 4, top_k: 2, seed: 5,
    out: root + "/run", existing: "continue",
});
print(runs(root).height);
"#;

/// What a kill waits for.
#[derive(Debug, Clone, Copy)]
enum Aim {
    /// So long after the start.
    Time(Duration),
    /// So many more rows, and then so long.
    Rows(usize, Duration),
    /// A temporary file whose name begins so.
    Writing(&'static str),
}

/// Numbers that follow from the seed alone.
fn drawn(seed: u64, at: u64, below: u64) -> u64 {
    use rand::Rng;
    Seed(seed).stream("kill", at).random_range(0..below)
}

fn start(folder: &Path, root: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wasabi"));
    command.args(["--device", "cpu", "--threads", "1", "run"]).arg(folder.join("study.rhai"));
    command.arg("--set").arg(format!("root={}", root.display()));
    command.arg("--set").arg(format!("from={}", crate::script_fixture::tones().display()));
    command.current_dir(folder).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program")
}

fn lines(run: &Path) -> usize {
    fs::read(run.join("metrics.jsonl")).map_or(0, |bytes| bytes.iter().filter(|byte| **byte == b'\n').count())
}

fn is_writing(root: &Path, prefix: &str) -> bool {
    let folders = [root.to_owned(), root.join("run"), root.join("run/checkpoints")];
    let mut entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().filter_map(Result::ok);
    entries.any(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with(prefix) && name.ends_with(".part")
    })
}

/// Waits until `child` is where `aim` wants it, and kills it; false if it ended by itself before.
fn killed(child: &mut Child, root: &Path, aim: Aim) -> bool {
    let (began, before) = (Instant::now(), lines(&root.join("run")));
    let mut seen_since = None;
    // What an earlier kill left half written is there until the run is locked: only what is new counts.
    let mut was_there = match aim {
        Aim::Writing(prefix) => is_writing(root, prefix),
        _ => false,
    };
    loop {
        if let Some(status) = child.try_wait().expect("the child") {
            let mut told = String::new();
            if let Some(mut stderr) = child.stderr.take() {
                std::io::Read::read_to_string(&mut stderr, &mut told).expect("its words");
            }
            assert!(status.success(), "it ended with {status}: {told}");
            return false;
        }
        let now = match aim {
            Aim::Time(after) => began.elapsed() >= after,
            Aim::Rows(rows, after) => {
                // A run that is taken up first drops rows: they are counted from where they stand then.
                if seen_since.is_none() && lines(&root.join("run")) >= before.max(1) + rows {
                    seen_since = Some(Instant::now());
                }
                seen_since.is_some_and(|since: Instant| since.elapsed() >= after)
            }
            Aim::Writing(prefix) => {
                let there = is_writing(root, prefix);
                was_there &= there;
                there && !was_there
            }
        };
        if now {
            child.kill().expect("SIGKILL");
            child.wait().expect("its end");
            return true;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn aim(at: u64) -> Aim {
    let micros = |below: u64| Duration::from_micros(drawn(2, at, below));
    match drawn(1, at, 10) {
        0 | 1 => Aim::Time(micros(1_200_000)),
        2..6 => Aim::Rows(1 + drawn(3, at, 9) as usize, micros(6_000)),
        6 => Aim::Writing(".last."),
        7 => Aim::Writing(".best."),
        8 => Aim::Writing(".metrics.parquet."),
        _ => Aim::Writing("..wasabi-index.json."),
    }
}

/// The tensors of a checkpoint, as bits.
type Tensors = BTreeMap<String, Vec<u8>>;

/// Everything that a run left behind but for what the clock decides.
fn left_behind(run: &Path) -> (Vec<String>, Vec<(String, Tensors)>) {
    let mut names: Vec<String> = fs::read_dir(run.join("checkpoints"))
        .expect("checkpoints")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert!(names.iter().all(|name| !name.ends_with(".part")), "half written files are left: {names:?}");
    let weights = names.iter().filter(|name| name.ends_with(".safetensors"));
    let weights = weights.map(|name| (name.clone(), bits(&run.join("checkpoints").join(name)))).collect();
    (timeless(run), weights)
}

fn kill_and_go_on(name: &str, kills: usize) {
    let folder = scratch(name);
    fs::write(folder.join("study.rhai"), SCRIPT).expect("the script");
    let alone = folder.join("alone");
    fs::create_dir_all(&alone).expect("a folder");
    let output = start(&folder, &alone).wait_with_output().expect("its end");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let expected = left_behind(&alone.join("run"));
    assert_eq!(expected.0.len(), 66, "sixty updates and six validations");

    let (mut done, mut tried, mut round) = (0, 0, 0);
    let mut by_aim = BTreeMap::<String, usize>::new();
    while done < kills {
        let root = folder.join(format!("round-{round}"));
        fs::create_dir_all(&root).expect("a folder");
        round += 1;
        loop {
            let mut child = start(&folder, &root);
            // Once enough were killed, the last one is left alone.
            let aim = if done < kills { aim(tried) } else { Aim::Time(Duration::MAX) };
            tried += 1;
            if !killed(&mut child, &root, aim) {
                break;
            }
            done += 1;
            let kind = format!("{aim:?}").split('(').next().unwrap_or_default().to_owned();
            let kind = if let Aim::Writing(what) = aim { format!("{kind} {what}") } else { kind };
            *by_aim.entry(kind).or_default() += 1;
            // What is there can be read, and nothing is in it twice.
            assert_eq!(Book::open(&root), Book::read(&root), "kill {done}, {aim:?}");
            let run = root.join("run");
            if run.join("metrics.jsonl").is_file() {
                let rows = timeless_or_torn(&run);
                assert!(
                    rows.len() <= expected.0.len() && rows[..] == expected.0[..rows.len()],
                    "kill {done}, {aim:?}: {rows:?}"
                );
            }
        }
        let run = root.join("run");
        assert!(left_behind(&run) == expected, "round {round} became another run");
        let parquet = Frame::read_parquet(&run.join("metrics.parquet")).expect("the compacted metrics");
        assert_eq!(parquet, read_log(&run).expect("the metrics").0);
    }
    drop(fs::write(
        folder.join("kills.txt"),
        format!(
            "{done} kills in {round} runs: {by_aim:?}
"
        ),
    ));
}

/// [`timeless`] of a log whose last line may be cut off.
fn timeless_or_torn(run: &Path) -> Vec<String> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).expect("metrics");
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    let rows = whole.lines().map(|line| {
        let mut row: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).expect("a row");
        row.remove("wall_seconds");
        row.remove("samples_per_second");
        serde_json::to_string(&row).expect("JSON")
    });
    rows.collect()
}

#[test]
fn a_run_that_is_killed_again_and_again_becomes_what_it_would_have_become() {
    kill_and_go_on("lab-kill", 24);
}

#[test]
#[ignore = "two hundred kills take minutes: make test-kill"]
fn two_hundred_kills_change_nothing() {
    kill_and_go_on("lab-kill-200", 200);
}
