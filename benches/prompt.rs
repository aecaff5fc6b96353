//! How long a prompt takes, and how soon sound comes after it.
//!
//! `cargo bench --bench prompt -- [--quick]`. The model is the default one with 2 and 8 layers a tier. A prompt of 10 s is absorbed
//! at once and, beside it, stepped by the engine; as a third, libtorch computes the same sequence as convolutions, which leaves no
//! state. Then the time from asking to the first chunk, with no prompt and with one of half a second. Prints a table for people,
//! then one line `figure NAME VALUE UNIT` for each number.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::error::Error;
use std::time::Instant;

use tch::{Device, Kind, Tensor};
use wasabi::audio::{Quantizer, Scaling};
use wasabi::generate::{Chunks, GenerateConfig, Lowered, Sound, Start, StepLogits};
use wasabi::interrupt::Interrupt;
use wasabi::model::{Model, Pass, SashimiConfig};
use wasabi::seed::Seed;

const SAMPLE_RATE: u32 = 16_000;

/// Length of the prompt, in seconds.
const PROMPT: usize = 10;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let runs = if quick { 1 } else { 5 };
    let prompt: Vec<u16> = (0..PROMPT * SAMPLE_RATE as usize).map(|t| ((t * t) % 251) as u16).collect();
    let mut figures = Vec::new();
    for layers in [2, 8] {
        let config = SashimiConfig { n_layers: layers, ..SashimiConfig::default() };
        let model = Model::new(&config.spec(), 256, Seed(0), Device::Cpu, Kind::Float)?;
        let lowered = Lowered::new(&model)?;
        let absorbed = best(runs, || Ok(lowered.engine(1).absorb(&prompt)?))?;
        let stepped = best(1, || {
            let mut engine = lowered.engine(1);
            Ok(prompt.iter().try_for_each(|&token| engine.step(&[token]).map(drop))?)
        })?;
        let convolved = best(1, || convolve(&model, &prompt))?;
        let silent = first_chunk(&lowered, &[], runs)?;
        let short = first_chunk(&lowered, &prompt[..SAMPLE_RATE as usize / 2], runs)?;
        println!(
            "{layers} layers: {PROMPT} s of prompt at once {absorbed:.3} s ({:.1} times real time), stepped {stepped:.3} s, as \
             convolutions in libtorch {convolved:.3} s; first chunk after {:.1} ms, after half a second of prompt {:.1} ms",
            PROMPT as f64 / absorbed,
            silent * 1e3,
            short * 1e3,
        );
        let name = format!("prompt/{layers}l");
        figures.push((format!("{name}/x_realtime"), PROMPT as f64 / absorbed, "x"));
        figures.push((format!("{name}/ratio_to_steps"), stepped / absorbed, "x"));
        figures.push((format!("{name}/ratio_to_convolution"), convolved / absorbed, "x"));
        figures.push((format!("{name}/first_chunk_ms"), silent * 1e3, "ms"));
        figures.push((format!("{name}/first_chunk_after_prompt_ms"), short * 1e3, "ms"));
    }
    println!();
    for (name, value, unit) in figures {
        println!("figure {name} {value} {unit}");
    }
    Ok(())
}

/// The whole sequence in the model's parallel form, kernels included.
fn convolve(model: &Model, prompt: &[u16]) -> Outcome<()> {
    let _no_grad = tch::no_grad_guard();
    let tokens: Vec<i64> = prompt.iter().map(|&token| i64::from(token)).collect();
    let tokens = Tensor::from_slice(&tokens).unsqueeze(0);
    let _logits = model.forward(&tokens, &mut Pass::eval())?;
    Ok(())
}

/// Seconds from asking for a take to its first fiftieth of a second.
fn first_chunk(lowered: &Lowered, prompt: &[u16], runs: usize) -> Outcome<f64> {
    let sound = Sound { quantizer: Quantizer::MuLaw { bits: 8 }, scaling: Scaling::MinMax, sample_rate: SAMPLE_RATE };
    let config = GenerateConfig::default();
    best(runs, || {
        let mut engine = lowered.engine(1);
        let start = Start { prompt, state: None };
        let stop = Interrupt::default();
        let mut chunks = Chunks::new(&mut engine, &config, &sound, start, SAMPLE_RATE as usize / 50, &stop)?;
        chunks.next().ok_or("no chunk")??;
        Ok(())
    })
}

/// Seconds that the best of several runs takes.
fn best(runs: usize, mut run: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..runs {
        let start = Instant::now();
        run()?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best)
}
