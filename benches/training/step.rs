//! A whole step.

use crate::{Outcome, kib, peak_bytes};
use std::time::Instant;
use tch::{Kind, Tensor};
use wasabi::model::{Model, ModelSpec, Pass, SashimiConfig};
use wasabi::seed::Seed;
use wasabi::train::{AdamW, AdamWConstants, Rates};

/// What a token can be.
pub(crate) const LEVELS: i64 = 256;

/// How a step is computed.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Form {
    /// As `train` does.
    Kept,
    /// As `train` does with `memory: "recompute"`.
    Recomputed,
    /// In plain libtorch operations.
    Plain,
}

/// The default model (d_model 64, d_state 64, pools [4, 4]) with `layers` S4 blocks in each tier.
pub(crate) fn spec(layers: i64) -> ModelSpec {
    SashimiConfig { n_layers: layers, ..SashimiConfig::default() }.spec()
}

/// Something to update again and again.
pub(crate) struct Stepping {
    model: Model,
    optimizer: AdamW,
    inputs: Tensor,
    targets: Tensor,
    counter: u64,
}

impl Stepping {
    pub(crate) fn new(spec: &ModelSpec, window: i64, batch: i64) -> Outcome<Self> {
        let device = crate::device()?;
        let model = Model::new(spec, LEVELS, Seed(0), device, Kind::Float)?;
        let optimizer = AdamW::new(model.params(), AdamWConstants::default())?;
        tch::manual_seed(0);
        let tokens = Tensor::f_randint(LEVELS, [batch, window + 1], (Kind::Int64, device))?;
        let (inputs, targets) = (tokens.f_narrow(1, 0, window)?, tokens.f_narrow(1, 1, window)?);
        Ok(Self { model, optimizer, inputs, targets, counter: 0 })
    }

    /// One update.
    pub(crate) fn step(&mut self, form: Form) -> Outcome<()> {
        self.optimizer.zero_gradient()?;
        let pass = Pass::train(Seed(0), self.counter);
        let mut pass = match form {
            Form::Kept => pass,
            Form::Recomputed => pass.recomputing(),
            Form::Plain => pass.plain(),
        };
        let tokens = self.targets.numel() as f64;
        let loss = {
            let see = |_: &Tensor, _: &Tensor| Ok::<(), Box<dyn std::error::Error>>(());
            self.model.summed_nll(&self.inputs, &self.targets, &mut pass, see)?.f_div_scalar(tokens)?
        };
        pass.backward(&loss)?;
        self.update()?;
        self.counter += 1;
        if loss.double_value(&[]).is_finite() { Ok(()) } else { Err("the loss is not finite".into()) }
    }

    /// Gradient norm, clipping and AdamW.
    pub(crate) fn update(&mut self) -> Outcome<()> {
        let norm = self.optimizer.gradient_norm()?;
        self.optimizer.clip(&norm, 1.0)?;
        Ok(self.optimizer.step(Rates { lr: 0.004, ssm_lr: 0.001, weight_decay: 0.01 })?)
    }
}

/// Seconds that `work` takes: the least of `repeats` after one that is not timed.
pub(crate) fn seconds(repeats: usize, mut work: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    work()?;
    let mut least = f64::INFINITY;
    for _ in 0..repeats {
        let start = Instant::now();
        work()?;
        least = least.min(start.elapsed().as_secs_f64());
    }
    Ok(least)
}

/// Fewer repetitions of what takes long.
pub(crate) fn repeats(window: i64, quick: bool) -> usize {
    if quick {
        1
    } else if window <= 8192 {
        5
    } else if window <= 32_768 {
        3
    } else {
        2
    }
}

pub(crate) fn measure(name: &str, layers: i64, window: i64, form: Form, quick: bool) -> Outcome<()> {
    let mut stepping = Stepping::new(&spec(layers), window, 1)?;
    let repeats = if form == Form::Plain { 1 } else { repeats(window, quick) };
    let seconds = seconds(repeats, || stepping.step(form))?;
    println!("figure {name}/seconds {seconds:.5} s");
    println!("figure {name}/peak_bytes {:.0} B", peak_bytes()?);
    // 105 minutes of audio at 16 kHz: the report's corpus.
    let steps = (105.0 * 60.0 * 16_000.0 / window as f64).ceil();
    println!("figure {name}/epoch_seconds {:.1} s", steps * seconds);
    Ok(())
}

/// About what the plain path takes for `train/8l/8192`: its kernels hold a (products, channels, modes, nodes) array four
/// times over, 1.2 GB for 64 channels at 8192, and the tiers below hold half and a quarter of it.
pub(crate) fn plain_bytes(name: &str) -> Outcome<f64> {
    let words: Vec<&str> = name.split('/').collect();
    let [_, layers, window] = words[..] else { return Err(format!("no measurement {name}").into()) };
    let (layers, window): (f64, f64) = (layers.trim_end_matches('l').parse()?, window.parse()?);
    Ok(layers * 1.75 * 1.2e9 * window / 8192.0)
}

/// Memory that is free, in bytes.
pub(crate) fn free_bytes() -> Outcome<f64> {
    kib("/proc/meminfo", "MemAvailable:")
}
