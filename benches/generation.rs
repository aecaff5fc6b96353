//! Times real time of the step engine, beside the libtorch step and the floors of this machine, in one run.
//!
//! `cargo bench --bench generation -- [--quick]`. The model is the default one (d_model 64, d_state 64, pools [4, 4], expand 2,
//! ff 2) with 2 and 8 layers a tier, weights as they start, drawing at temperature 1 included. Each figure is the best of many
//! short runs, which other work on the machine disturbs least. Prints a table for people, then one line
//! `figure NAME VALUE UNIT` for each number.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use rayon::prelude::*;
use tch::{Device, Kind};
use wasabi::generate::{Drawing, LibtorchSteps, Lowered, Session, StepLogits};
use wasabi::model::{Model, SashimiConfig};
use wasabi::seed::Seed;

/// A whole round of the pools [4, 4]: fewer steps would leave out some of the slower tiers' work, or count it too often.
const ROUND: usize = 16;

const SAMPLE_RATE: f64 = 16_000.0;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let runs = if quick { 4 } else { 60 };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (fma, read) = (multiply_adds(runs), reading(runs));
    println!("one core: {:.1} G multiply-adds/s, {:.1} GB/s read from 2 MB; {threads} cores", fma / 1e9, read / 1e9);
    let mut figures =
        vec![("floor/multiply_adds_per_s".to_owned(), fma, "1/s"), ("floor/bytes_read_per_s".to_owned(), read, "B/s")];
    for layers in [2, 8] {
        let config = SashimiConfig { n_layers: layers, ..SashimiConfig::default() };
        let model = Model::new(&config.spec(), 256, Seed(0), Device::Cpu, Kind::Float)?;
        let lowered = Lowered::new(&model)?;
        // Nothing but arithmetic and reading every number of the model once, on one core.
        let floor = (lowered.multiply_adds_per_step() / fma).max(lowered.bytes_per_step() / read);
        for batch in [1, 32] {
            let seconds = engine_seconds(&lowered, batch, threads, runs)?;
            let reference = seconds_a_step(&mut LibtorchSteps::new(&model, batch)?, runs.div_ceil(10))?;
            let rate = batch as f64 / seconds;
            let name = format!("gen/{layers}l/b{batch}");
            let bound =
                if batch == 1 { floor } else { lowered.multiply_adds_per_step() * batch as f64 / fma / threads as f64 };
            println!(
                "{name:<10} {:>9.2} us a step, {rate:>9.0} samples/s, {:>6.2} times real time; libtorch {:>8.0} us ({:.0} times); \
                 floor {:.2} us",
                seconds * 1e6,
                rate / SAMPLE_RATE,
                reference * 1e6,
                reference / seconds,
                bound * 1e6,
            );
            figures.push((format!("{name}/x_realtime"), rate / SAMPLE_RATE, "x"));
            figures.push((format!("{name}/samples_per_s"), rate, "1/s"));
            figures.push((format!("{name}/ratio_to_reference"), reference / seconds, "x"));
            figures.push((format!("{name}/ratio_to_floor"), seconds / bound, "x"));
        }
    }
    println!();
    for (name, value, unit) in figures {
        println!("figure {name} {value} {unit}");
    }
    Ok(())
}

/// Seconds for a step of `batch` streams, drawing included, the streams shared among threads.
fn engine_seconds(lowered: &Lowered, batch: usize, threads: usize, runs: usize) -> Outcome<f64> {
    let shares = threads.min(batch);
    let mut engines: Vec<_> = (0..shares).map(|_| lowered.engine(batch / shares)).collect();
    if let [engine] = &mut engines[..] {
        return seconds_a_step(engine, runs);
    }
    let mut sessions: Vec<_> = engines
        .iter_mut()
        .enumerate()
        .map(|(share, engine)| Session::from_stream(share * batch / shares, engine, Drawing::default(), Seed(0), 128))
        .collect::<Result<_, _>>()?;
    best(runs, || {
        sessions.par_iter_mut().try_for_each(|session| (0..ROUND).try_for_each(|_| session.draw().map(|_| ())))?;
        Ok(())
    })
}

fn seconds_a_step(engine: &mut impl StepLogits, runs: usize) -> Outcome<f64> {
    let mut session = Session::new(engine, Drawing::default(), Seed(0), 128)?;
    best(runs, || {
        for _ in 0..ROUND {
            session.draw()?;
        }
        Ok(())
    })
}

/// Seconds for one of `ROUND` steps: the best run of several, each of a few milliseconds.
fn best(runs: usize, mut round: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    round()?;
    let start = Instant::now();
    round()?;
    let repeats = (2e-3 / start.elapsed().as_secs_f64()).ceil().clamp(1.0, 1e3) as usize;
    let mut best = f64::INFINITY;
    for _ in 0..runs {
        let start = Instant::now();
        for _ in 0..repeats {
            round()?;
        }
        best = best.min(start.elapsed().as_secs_f64() / (repeats * ROUND) as f64);
    }
    Ok(best)
}

/// Multiply-adds a second of one core, in registers alone.
fn multiply_adds(runs: usize) -> f64 {
    const TIMES: usize = 100_000;
    struct Spin;
    impl pulp::WithSimd for Spin {
        type Output = usize;

        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, simd: S) -> usize {
            let (a, b) = (simd.splat_f32s(black_box(0.5)), simd.splat_f32s(black_box(0.25)));
            let mut sums = [simd.splat_f32s(1.0); 12];
            for _ in 0..TIMES {
                for sum in &mut sums {
                    *sum = simd.mul_add_e_f32s(*sum, a, b);
                }
            }
            black_box(sums.map(|sum| simd.reduce_sum_f32s(sum)));
            TIMES * sums.len() * S::F32_LANES
        }
    }
    let rate = |_| {
        let start = Instant::now();
        let done = pulp::Arch::new().dispatch(Spin);
        done as f64 / start.elapsed().as_secs_f64()
    };
    (0..runs).map(rate).fold(0.0, f64::max)
}

/// Bytes a second that one core reads from a block that fits the caches, but not the first level: a model's size.
fn reading(runs: usize) -> f64 {
    struct Read<'a>(&'a [f32]);
    impl pulp::WithSimd for Read<'_> {
        type Output = f32;

        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, simd: S) -> f32 {
            let (vectors, _) = S::as_simd_f32s(self.0);
            let mut sums = [simd.splat_f32s(0.0); 8];
            for vectors in vectors.as_chunks::<8>().0 {
                for (sum, &vector) in sums.iter_mut().zip(vectors) {
                    *sum = simd.add_f32s(*sum, vector);
                }
            }
            sums.iter().map(|&sum| simd.reduce_sum_f32s(sum)).sum()
        }
    }
    let block = vec![1.0_f32; 1 << 19];
    let rate = |_| {
        let start = Instant::now();
        for _ in 0..8 {
            black_box(pulp::Arch::new().dispatch(Read(black_box(&block))));
        }
        (8 * size_of_val(&block[..])) as f64 / start.elapsed().as_secs_f64()
    };
    (0..runs).map(rate).fold(0.0, f64::max)
}
