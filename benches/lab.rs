//! How long a list of 2,000 runs of 10,000 rows takes: with the index, without it, and while it is made.
//!
//! `cargo bench --bench lab -- [--quick]`. The runs share one log by hard links, so that 4 GB need not be written; what is read
//! of it, its last 16 KiB, is read for each. Prints a line for people, then one line `figure NAME VALUE UNIT` for each number.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use serde_json::{Map, json};
use wasabi::experiment::{Book, Record, RunDir, State, Status};
use wasabi::metrics::{LOG_NAME, Log, Row};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (runs, rows) = if quick { (200, 1_000) } else { (2_000, 10_000) };
    let root = tempfile::tempdir()?;
    make(root.path(), runs, rows)?;
    let (read, without) = timed(|| Book::read(root.path()).frame())?;
    let (_, made) = timed(|| Book::open(root.path()).frame())?;
    let mut with = f64::INFINITY;
    for _ in 0..5 {
        let (open, seconds) = timed(|| Book::open(root.path()).frame())?;
        assert_eq!(open, read, "the index says something else");
        with = with.min(seconds);
    }
    println!("{runs} runs of {rows} rows: {with:.3} s with the index, {without:.3} s without, {made:.3} s making it\n");
    for (name, seconds) in [("with_index", with), ("without", without), ("making_it", made)] {
        println!("figure lab/runs_{runs}/{name} {seconds} s");
    }
    Ok(())
}

fn timed<T, E: Error + 'static>(work: impl Fn() -> Result<T, E>) -> Outcome<(T, f64)> {
    let began = Instant::now();
    let done = work()?;
    Ok((done, began.elapsed().as_secs_f64()))
}

fn make(root: &Path, runs: u32, rows: u32) -> Outcome<()> {
    let mut log = Log::create(root)?;
    for step in 1..=rows {
        let row = Row::new().with("step", step).with("split", "train").with("tokens", 8192 * u64::from(step));
        let row = row.with("loss", 3.2 + 1.0 / f64::from(step)).with("bits_per_byte", 4.6 + 1.0 / f64::from(step));
        log.append(&row.with("lr", 0.004).with("grad_norm", 0.7).with("wall_seconds", 0.5 * f64::from(step)))?;
    }
    for at in 0..runs {
        let run = RunDir::create(&root.join(format!("sweep-{}/run-{at}", at % 10)))?;
        let train: Map<_, _> = json!({ "lr": 0.001 * f64::from(at), "batch": 4, "schedule": { "kind": "cosine" } })
            .as_object()
            .cloned()
            .unwrap_or_default();
        run.write_record(&Record::new(at.into(), "cpu".into(), 2, Map::new(), train, Map::new()))?;
        run.write_status(&Status { steps: rows.into(), ..Status::new(State::Finished, rows.into()) })?;
        std::fs::hard_link(root.join(LOG_NAME), run.metrics_path())?;
    }
    std::fs::remove_file(root.join(LOG_NAME))?;
    Ok(())
}
