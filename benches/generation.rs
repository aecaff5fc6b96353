//! Times real time of the step engine, beside the libtorch step and the floors of this machine, in one run.
//!
//! `cargo bench --bench generation -- [--quick]`. The model is the default one (d_model 64, d_state 64, pools [4, 4], expand 2,
//! ff 2) with 2 and 8 layers a tier, weights as they start, drawing at temperature 1 included. Each figure is the best of many
//! short runs, which other work on the machine disturbs least. Prints a table for people, then one line
//! `figure NAME VALUE UNIT` for each number. The figures' plain names are of float32 weights on all cores; `one_core`, `bf16` and
//! `moved` (weights a few per cent from their start, as after training, so that layers may be stepped in their eigenvectors)
//! stand beside them.
//!
//! Other modes: `-- --long [MINUTES]` steps that much sound (10 without a number) and compares the likelihood of its last seconds
//! with the parallel form; `-- --bits CHECKPOINT SOUND …` compares bits a byte of both precisions on sound; `-- --count ROUNDS`
//! only steps, for a tool that counts instructions (tools/step_cost.sh).

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use rand::Rng;
use rayon::prelude::*;
use tch::{Device, Kind, Tensor};
use wasabi::audio::load_mono;
use wasabi::generate::{Drawing, Engine, LibtorchSteps, Lowered, Precision, Session, StepLogits};
use wasabi::model::{Model, Pass, SashimiConfig};
use wasabi::seed::Seed;
use wasabi::train::load_model;

/// A whole round of the pools [4, 4]: fewer steps would leave out some of the slower tiers' work, or count it too often.
const ROUND: usize = 16;

const SAMPLE_RATE: f64 = 16_000.0;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |mode: &str| arguments.iter().position(|argument| argument == mode).map(|at| &arguments[at + 1..]);
    if let Some(rest) = after("--count") {
        return count(rest.first().map_or(Ok(1), |rounds| rounds.parse())?);
    }
    if let Some(rest) = after("--long") {
        return long(rest.first().and_then(|minutes| minutes.parse().ok()).unwrap_or(10.0));
    }
    if let Some([checkpoint, sounds @ ..]) = after("--bits") {
        return bits(checkpoint, sounds);
    }
    speed(if after("--quick").is_some() { 4 } else { 60 })
}

fn default_model(layers: i64) -> Outcome<Model> {
    let config = SashimiConfig { n_layers: layers, ..SashimiConfig::default() };
    Ok(Model::new(&config.spec(), 256, Seed(0), Device::Cpu, Kind::Float)?)
}

/// Moves every weight by up to five per cent, as training does and more.
fn moved(model: &Model) -> Outcome<()> {
    let _no_grad = tch::no_grad_guard();
    let mut rng = Seed(5).stream("moved", 0);
    for param in &model.params().list {
        let by: Vec<f32> = (0..param.tensor.numel()).map(|_| rng.random_range(0.95..1.05)).collect();
        let by = Tensor::from_slice(&by).f_reshape(param.tensor.size())?;
        let mut tensor = param.tensor.shallow_clone();
        tensor.f_copy_(&param.tensor.f_mul(&by)?)?;
    }
    Ok(())
}

fn speed(runs: usize) -> Outcome<()> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (fma, read) = (multiply_adds(runs), reading(runs));
    println!("one core: {:.1} G multiply-adds/s, {:.1} GB/s read from 2 MB; {threads} cores", fma / 1e9, read / 1e9);
    let mut figures =
        vec![("floor/multiply_adds_per_s".to_owned(), fma, "1/s"), ("floor/bytes_read_per_s".to_owned(), read, "B/s")];
    for layers in [2, 8] {
        let model = default_model(layers)?;
        let lowered = Lowered::new(&model)?;
        let short = Lowered::in_precision(&model, Precision::Bf16)?;
        let other = default_model(layers)?;
        moved(&other)?;
        let diagonal = Lowered::new(&other)?;
        for batch in [1, 32] {
            let reference = seconds_a_step(&mut LibtorchSteps::new(&model, batch)?, runs.div_ceil(10))?;
            let name = format!("gen/{layers}l/b{batch}");
            for (kind, lowered, threads) in [
                ("", &lowered, threads),
                ("/one_core", &lowered, 1),
                ("/bf16", &short, threads),
                ("/bf16/one_core", &short, 1),
                ("/moved", &diagonal, threads),
            ] {
                let seconds = engine_seconds(lowered, batch, threads, runs)?;
                let rate = batch as f64 / seconds;
                // Nothing but arithmetic, and reading every number of the model once for all streams, on all cores.
                let arithmetic = lowered.multiply_adds_per_step() * batch as f64 / fma / threads as f64;
                let shares = if batch == 1 { threads as f64 } else { 1.0 };
                let bound = arithmetic.max(lowered.bytes_per_step() / read / shares);
                let name = format!("{name}{kind}");
                println!(
                    "{name:<24} {:>8.2} us a step, {rate:>8.0} samples/s, {:>6.2} times real time; \
                     libtorch {:>7.0} us ({:.0} times); floor {:.2} us",
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
    }
    print_figures(&figures);
    Ok(())
}

fn print_figures(figures: &[(String, f64, &str)]) {
    println!();
    for (name, value, unit) in figures {
        println!("figure {name} {value} {unit}");
    }
}

/// Steps the model with 2 layers on one core, without drawing: so many rounds of the pools.
fn count(rounds: usize) -> Outcome<()> {
    let mut engine = Lowered::new(&default_model(2)?)?.engine(1);
    counted_steps(&mut engine, rounds)?;
    counted_draws(&mut Session::new(&mut engine, Drawing::default(), Seed(0), 128)?, rounds)
}

/// A name of its own, by which valgrind knows what to count.
#[inline(never)]
fn counted_steps(engine: &mut impl StepLogits, rounds: usize) -> Outcome<()> {
    for t in 0..rounds * ROUND {
        engine.step(&[(t * t % 251) as u16])?;
    }
    Ok(())
}

/// The same of steps with their draws.
#[inline(never)]
fn counted_draws(session: &mut Session<'_, Engine>, rounds: usize) -> Outcome<()> {
    for _ in 0..rounds * ROUND {
        session.draw()?;
    }
    Ok(())
}

/// What of the end is evaluated in parallel, and how much of that counts: what came before is then forgotten.
const WINDOW: [usize; 2] = [1 << 18, 1 << 15];

/// Steps `minutes` of drawn sound, and compares the likelihood of its last seconds with the parallel form.
fn long(minutes: f64) -> Outcome<()> {
    let steps = ((minutes * 60.0 * SAMPLE_RATE) as usize).next_multiple_of(ROUND).max(WINDOW[0]);
    let model = default_model(2)?;
    moved(&model)?;
    let lowered = Lowered::new(&model)?;
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut engine = lowered.engine_on(1, threads);
    let start = Instant::now();
    let mut tokens = Vec::with_capacity(steps);
    let mut counted = 0.0;
    {
        let mut session = Session::new(&mut engine, Drawing::default(), Seed(0), 128)?;
        for step in 0..steps {
            if step == steps - WINDOW[1] {
                counted = session.log_likelihood()[0];
            }
            tokens.push(i64::from(session.draw()?[0]));
        }
        counted = session.log_likelihood()[0] - counted;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{steps} steps in {seconds:.0} s; every state finite: {}", engine.is_finite());
    let _no_grad = tch::no_grad_guard();
    let mut in_parallel = Vec::new();
    // The window and half of it: whether what came before is forgotten.
    for window in [WINDOW[0], WINDOW[0] / 2] {
        let heard = Tensor::from_slice(&tokens[steps - window - 1..steps - 1]).f_unsqueeze(0)?;
        let logits = model.forward(&heard, &mut Pass::eval())?.f_squeeze_dim(0)?;
        let counting = |x: &Tensor| x.f_narrow(0, (window - WINDOW[1]) as i64, WINDOW[1] as i64);
        let targets = Tensor::from_slice(&tokens[steps - window..]);
        let nll = counting(&logits)?.f_to_kind(Kind::Double)?.cross_entropy_for_logits(&counting(&targets)?);
        in_parallel.push(nll.double_value(&[]));
    }
    let stepped = -counted / WINDOW[1] as f64;
    println!("nats a token of the last {}: {stepped} stepped, {in_parallel:?} in parallel", WINDOW[1]);
    print_figures(&[
        ("long/2l/steps".to_owned(), steps as f64, "1"),
        ("long/2l/x_realtime".to_owned(), steps as f64 / seconds / SAMPLE_RATE, "x"),
        ("long/2l/nats_off".to_owned(), (stepped - in_parallel[0]).abs(), "nats a token"),
        ("long/2l/nats_off_by_the_window".to_owned(), (in_parallel[1] - in_parallel[0]).abs(), "nats a token"),
    ]);
    Ok(())
}

/// Seconds of each sound that [`bits`] takes.
const HEARD: usize = 20;

/// Bits a byte of both precisions on sound, and how far their logits are apart.
fn bits(checkpoint: &str, sounds: &[String]) -> Outcome<()> {
    let (model, manifest) = load_model(Path::new(checkpoint), Device::Cpu)?;
    let quantizer = manifest.quantizer()?;
    let lowered = [Lowered::new(&model)?, Lowered::in_precision(&model, Precision::Bf16)?];
    let (mut nats, mut counted, mut apart, mut largest) = ([0.0; 2], 0_usize, 0.0_f64, 0.0_f64);
    for sound in sounds {
        let clip = load_mono(Path::new(sound), manifest.sample_rate)?;
        let mut tokens = quantizer.encode(&clip.samples, manifest.scaling);
        tokens.truncate(HEARD * manifest.sample_rate as usize);
        let mut engines = lowered.each_ref().map(|lowered| lowered.engine(1));
        let mut fed = quantizer.zero_level();
        for &token in &tokens {
            let mut rows: [Vec<f32>; 2] = Default::default();
            for (row, engine) in rows.iter_mut().zip(&mut engines) {
                *row = engine.step(&[fed])?.to_vec();
            }
            for (nats, row) in nats.iter_mut().zip(&rows) {
                let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let sum: f64 = row.iter().map(|x| f64::from(x - most).exp()).sum();
                *nats += sum.ln() - f64::from(row[usize::from(token)] - most);
            }
            for (a, b) in rows[0].iter().zip(&rows[1]) {
                apart = apart.max(f64::from((a - b).abs()));
                largest = largest.max(f64::from(a.abs()));
            }
            fed = token;
        }
        counted += tokens.len();
    }
    let [full, short] = nats.map(|nats| nats / std::f64::consts::LN_2 / counted as f64);
    println!("{counted} samples: {full:.5} bits a byte in float32, {short:.5} with bf16 weights");
    println!("logits at most {apart:.4} apart; the largest is {largest:.2}");
    print_figures(&[
        ("bits/f32".to_owned(), full, "bits/byte"),
        ("bits/bf16_adds".to_owned(), short - full, "bits/byte"),
        ("bits/bf16_logits_apart".to_owned(), apart, "nats"),
    ]);
    Ok(())
}

/// Seconds for a step of `batch` streams, drawing included, on `threads` threads as `generate` shares them out.
fn engine_seconds(lowered: &Lowered, batch: usize, threads: usize, runs: usize) -> Outcome<f64> {
    let (shares, each) = Lowered::shares(batch, threads);
    let mut engines: Vec<_> = (0..shares).map(|_| lowered.engine_on(batch / shares, each)).collect();
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
