//! Seconds and peak memory of a training step, and steps a second of generation, each beside a slow twin where it has one.
//!
//! `cargo bench --bench speed -- [--quick] [PART OF A NAME]…` measures what matches, or everything: each in a process of
//! its own, one after another, so that no figure carries another's memory or warmth. Prints a table for people and one line
//! `figure NAME VALUE UNIT` for each number, for scripts.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a bench prints its figures")]

#[path = "speed/generation.rs"]
mod generation;
#[path = "speed/training.rs"]
mod training;

use std::error::Error;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// What a measurement may fail with.
type Outcome<T> = Result<T, Box<dyn Error>>;

/// Tells a process that it is to measure one thing and print its figures.
const CHILD: &str = "--child";

/// How much of everything to do.
#[derive(Clone, Copy)]
struct Effort {
    /// Timed repetitions of something that takes about a second.
    repeats: usize,
    /// Least time spent on something that takes much less.
    seconds: f64,
}

const FULL: Effort = Effort { repeats: 5, seconds: 4.0 };
const QUICK: Effort = Effort { repeats: 1, seconds: 0.5 };

/// One number, with its name below that of its measurement.
struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
}

impl Figure {
    fn new(name: &str, value: f64, unit: &'static str) -> Self {
        Self { name: name.to_owned(), value, unit }
    }
}

/// Something to measure.
struct Measurement {
    name: String,
    run: Box<dyn Fn(Effort) -> Outcome<Vec<Figure>>>,
}

/// Every measurement, in the order of the table.
fn measurements() -> Vec<Measurement> {
    let mut all = vec![];
    let mut add = |name: String, run: Box<dyn Fn(Effort) -> Outcome<Vec<Figure>>>| all.push(Measurement { name, run });
    add(format!("kernel/h64/n64/{}", training::WINDOW), Box::new(training::kernel));
    add("draw/256/top_p0.9".to_owned(), Box::new(generation::draws));
    for layers in [2, 8] {
        let name = format!("train/{layers}l/{}", training::WINDOW);
        add(name, Box::new(move |effort| training::step(layers, effort)));
    }
    for layers in [2, 8] {
        for batch in [1, 32] {
            let name = format!("generate/{layers}l/batch{batch}");
            add(name, Box::new(move |effort| generation::steps(layers, batch, effort)));
        }
    }
    all
}

fn main() -> ExitCode {
    let mut child = false;
    let mut quick = false;
    let mut names = Vec::new();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            CHILD => child = true,
            "--quick" => quick = true,
            "--bench" => {} // cargo says so to every bench
            name if !name.starts_with('-') => names.push(name.to_owned()),
            other => {
                eprintln!("error: unknown argument {other}; usage: speed [--quick] [PART OF A NAME]…");
                return ExitCode::FAILURE;
            }
        }
    }
    let done = if child { measure(&names, if quick { QUICK } else { FULL }) } else { survey(&names, quick) };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // libtorch's errors go on with a C++ stack.
            eprintln!("error: {}", error.to_string().lines().next().unwrap_or_default());
            ExitCode::FAILURE
        }
    }
}

/// The child's part: measures the one thing named, prints its figures.
fn measure(names: &[String], effort: Effort) -> Outcome<()> {
    for measurement in measurements().iter().filter(|measurement| names.contains(&measurement.name)) {
        for figure in (measurement.run)(effort)? {
            println!("figure {}/{} {} {}", measurement.name, figure.name, figure.value, figure.unit);
        }
    }
    Ok(())
}

/// The parent's part: a child for each measurement that matches, a table of what they report.
fn survey(names: &[String], quick: bool) -> Outcome<()> {
    let program = std::env::current_exe()?;
    let chosen: Vec<String> = measurements()
        .into_iter()
        .map(|measurement| measurement.name)
        .filter(|name| names.is_empty() || names.iter().any(|part| name.contains(part.as_str())))
        .collect();
    if chosen.is_empty() {
        return Err(format!("nothing is called like {}", names.join(" or ")).into());
    }
    println!("{}", machine());
    println!("\n{:<40} {:>12}  unit", "figure", "value");
    let mut figures = Vec::new();
    for name in chosen {
        let mut command = Command::new(&program);
        command.args([CHILD, &name]).stderr(Stdio::inherit());
        if quick {
            command.arg("--quick");
        }
        let output = command.output()?;
        if !output.status.success() {
            return Err(format!("{name}: the measuring process ended with {}", output.status).into());
        }
        for line in String::from_utf8(output.stdout)?.lines().filter(|line| line.starts_with("figure ")) {
            let words: Vec<&str> = line.split(' ').collect();
            if let [_, name, value, unit] = words[..] {
                println!("{name:<40} {:>12}  {unit}", readable(value.parse()?));
            }
            figures.push(line.to_owned());
        }
    }
    println!();
    for line in figures {
        println!("{line}");
    }
    Ok(())
}

/// Three or four digits that matter.
fn readable(value: f64) -> String {
    let decimals = match value.abs() {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

/// The machine by what decides its speed.
fn machine() -> String {
    let field = |name: &str| {
        std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        })
    };
    let model = field("model name").unwrap_or_else(|| "unknown CPU".to_owned());
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let mhz = field("cpu MHz").map_or(String::new(), |mhz| format!(", {mhz} MHz as reported"));
    format!("machine: {model}, {cores} cores{mhz}, libtorch on {} threads", tch::get_num_threads())
}

/// Seconds that `work` takes: the median of `effort.repeats` after one that is not timed.
fn median_seconds(effort: Effort, mut work: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    work()?;
    let mut seconds = Vec::with_capacity(effort.repeats);
    for _ in 0..effort.repeats {
        let start = Instant::now();
        work()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[seconds.len() / 2])
}

/// The most memory this process has held so far, in MiB.
fn peak_memory() -> Outcome<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    let kib: f64 = line.split_whitespace().nth(1).ok_or("VmHWM without a number")?.parse()?;
    Ok(kib / 1024.0)
}
