//! A training step (forward, loss, backward, gradient norm, clipping, AdamW; batch 1): seconds and peak memory, beside the
//! plain libtorch path where that fits, and where the time goes.
//!
//! `cargo bench --bench training -- [--quick] [--fit] [PART OF A NAME]…` measures what matches, or everything: each in a
//! process of its own, one after another. Prints a table for people and one line `figure NAME VALUE UNIT` for each number.
//! `--fit` prints what each kind of block holds in memory, for the table in `src/model/cost.rs`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a bench prints its figures")]

#[path = "training/fit.rs"]
mod fit;
#[path = "training/profile.rs"]
mod profile;
#[path = "training/step.rs"]
mod step;

use std::collections::BTreeMap;
use std::error::Error;
use std::process::{Command, ExitCode, Stdio};

/// What a measurement may fail with.
type Outcome<T> = Result<T, Box<dyn Error>>;

/// Tells a process that it is to measure one thing and print its figures.
const CHILD: &str = "--child";

const WINDOWS: [i64; 3] = [8192, 32_768, 131_072];

/// Names of everything that is measured unless something is named, in order.
fn usual() -> Vec<String> {
    let mut names = Vec::new();
    for layers in [2, 8] {
        for window in WINDOWS {
            let name = format!("train/{layers}l/{window}");
            names.extend([name.clone(), format!("{name}/plain"), format!("{name}/profile")]);
        }
    }
    names.push("train/8l/131072/recompute".to_owned());
    names
}

/// The same, and what is measured when it is named.
fn all() -> Vec<String> {
    let mut names = usual();
    for layers in [2, 8] {
        names.extend(WINDOWS.map(|window| format!("train/{layers}l/{window}/recompute")));
    }
    names.sort();
    names.dedup();
    names
}

fn main() -> ExitCode {
    let (mut child, mut quick, mut fitting) = (false, false, false);
    let mut names = Vec::new();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            CHILD => child = true,
            "--quick" => quick = true,
            "--fit" => fitting = true,
            "--bench" => {} // cargo says so to every bench
            name if !name.starts_with('-') => names.push(name.to_owned()),
            other => {
                eprintln!("error: unknown argument {other}; usage: training [--quick] [--fit] [PART OF A NAME]…");
                return ExitCode::FAILURE;
            }
        }
    }
    let done = match (child, fitting) {
        (true, _) => names.iter().try_for_each(|name| measure(name, quick)),
        (false, true) => fit::survey(),
        (false, false) => survey(&names, quick),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // libtorch's errors go on with a C++ stack.
            eprintln!("error: {}", error.to_string().lines().next().unwrap_or_default());
            ExitCode::FAILURE
        }
    }
}

/// Where steps run: on the CPU, or on what `WASABI_BENCH_DEVICE` names (`cuda`; peaks are the host's all the same).
fn device() -> Outcome<tch::Device> {
    let selection =
        std::env::var("WASABI_BENCH_DEVICE").map_or(Ok(wasabi::device::Selection::Cpu), |name| name.parse())?;
    Ok(wasabi::device::open(selection)?)
}

/// The child's part.
fn measure(name: &str, quick: bool) -> Outcome<()> {
    device()?;
    if let Some(case) = name.strip_prefix("fit/") {
        return fit::measure(case);
    }
    let words: Vec<&str> = name.split('/').collect();
    let [_, layers, window, form @ ..] = &words[..] else { return Err(format!("no measurement {name}").into()) };
    let (layers, window) = (layers.trim_end_matches('l').parse()?, window.parse()?);
    match form {
        ["profile"] => profile::measure(name, layers, window, quick),
        [] => step::measure(name, layers, window, step::Form::Kept, quick),
        ["recompute"] => step::measure(name, layers, window, step::Form::Recomputed, quick),
        ["plain"] => step::measure(name, layers, window, step::Form::Plain, quick),
        _ => Err(format!("no measurement {name}").into()),
    }
}

/// The parent's part: a child for each measurement that matches, a table of what they report.
fn survey(asked: &[String], quick: bool) -> Outcome<()> {
    let matching = |name: &String| asked.iter().any(|part| name.contains(part.as_str()));
    let exact = |name: &String| asked.iter().any(|asked| asked == name);
    let mut chosen: Vec<String> = usual().into_iter().filter(|name| asked.is_empty() || matching(name)).collect();
    chosen.extend(all().into_iter().filter(|name| exact(name) && !usual().contains(name)));
    if chosen.is_empty() {
        return Err(format!("nothing is called like {}", asked.join(" or ")).into());
    }
    println!("libtorch on {} threads\n\n{:<44} {:>14}  unit", tch::get_num_threads(), "figure", "value");
    let (mut figures, mut values) = (Vec::new(), BTreeMap::new());
    let mut tell = |line: String| {
        if let [_, name, value, unit] = line.split(' ').collect::<Vec<_>>()[..] {
            println!("{name:<44} {value:>14.12}  {unit}");
        }
        figures.push(line);
    };
    for name in chosen {
        if let Some(base) = name.strip_suffix("/plain") {
            let (needed, free) = (step::plain_bytes(base)?, step::free_bytes()?);
            if needed > 0.8 * free {
                let (needed, free) = (needed / 1e9, free / 1e9);
                println!("{name:<44} left out: the plain path takes about {needed:.0} GB, and {free:.0} GB are free");
                continue;
            }
        }
        for line in child(&name, quick)? {
            if let [_, name, value, _] = line.split(' ').collect::<Vec<_>>()[..] {
                values.insert(name.to_owned(), value.parse::<f64>()?);
            }
            tell(line);
        }
        if let Some(base) = name.strip_suffix("/plain") {
            let seconds = |name: &str| values.get(&format!("{name}/seconds")).copied();
            if let (Some(plain), Some(fast)) = (seconds(&name), seconds(base)) {
                tell(format!("figure {base}/ratio_to_plain {} x", plain / fast));
            }
        }
    }
    for layers in [2, 8] {
        let seconds = |window: i64| values.get(&format!("train/{layers}l/{window}/seconds")).copied();
        if let (Some(short), Some(long)) = (seconds(WINDOWS[0]), seconds(WINDOWS[2])) {
            tell(format!("figure train/{layers}l/growth_131072_8192 {} x", long / short));
        }
    }
    println!();
    figures.iter().for_each(|line| println!("{line}"));
    Ok(())
}

/// The figures of one measurement, made in a process of its own.
fn child(name: &str, quick: bool) -> Outcome<Vec<String>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([CHILD, name]).stderr(Stdio::inherit());
    if quick {
        command.arg("--quick");
    }
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("{name}: the measuring process ended with {}", output.status).into());
    }
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().filter(|line| line.starts_with("figure ")).map(str::to_owned).collect())
}

/// The most memory that this process has held so far, in bytes.
fn peak_bytes() -> Outcome<f64> {
    kib("/proc/self/status", "VmHWM:")
}

/// A line of a file of the kernel's, in bytes.
fn kib(path: &str, field: &str) -> Outcome<f64> {
    let text = std::fs::read_to_string(path)?;
    let line = text.lines().find(|line| line.starts_with(field)).ok_or_else(|| format!("no {field} in {path}"))?;
    let kib: f64 = line.split_whitespace().nth(1).ok_or("a field without a number")?.parse()?;
    Ok(kib * 1024.0)
}
