//! A training step at window 8192, and the kernel that dominates it beside its plain libtorch twin.

use crate::{Effort, Figure, Outcome, median_seconds, peak_memory};
use std::f64::consts::LN_10;
use tch::{Device, Kind, Tensor};
use wasabi::model::{Model, Pass, SashimiConfig};
use wasabi::seed::Seed;
use wasabi::ssm::init::{Init, dplr_start};
use wasabi::ssm::{Continuous, Tape, dplr, reference};
use wasabi::train::{AdamW, AdamWConstants, Rates, summed_nll};

/// Tokens in a window.
pub(crate) const WINDOW: i64 = 8192;

const CHANNELS: i64 = 64;
const D_STATE: i64 = 64;

/// What a token can be.
const LEVELS: i64 = 256;

/// The default model (d_model 64, d_state 64, pools [4, 4]) with `layers` S4 blocks in each tier.
pub(crate) fn model(layers: usize) -> Outcome<Model> {
    let config = SashimiConfig { n_layers: layers as i64, ..SashimiConfig::default() };
    Ok(Model::new(&config.spec(), LEVELS, Seed(0), Device::Cpu, Kind::Float)?)
}

/// A whole update with one window: forward, loss, backward, gradient norm, AdamW.
pub(crate) fn step(layers: usize, effort: Effort) -> Outcome<Vec<Figure>> {
    let before = peak_memory()?;
    let model = model(layers)?;
    let mut optimizer = AdamW::new(model.params(), AdamWConstants::default())?;
    tch::manual_seed(0);
    let tokens = Tensor::f_randint(LEVELS, [1, WINDOW + 1], (Kind::Int64, Device::Cpu))?;
    let (inputs, targets) = (tokens.f_narrow(1, 0, WINDOW)?, tokens.f_narrow(1, 1, WINDOW)?);
    let mut counter = 0;
    let seconds = median_seconds(effort, || {
        optimizer.zero_gradient()?;
        let mut pass = Pass::train(Seed(0), counter);
        let loss = summed_nll(&model.forward(&inputs, &mut pass)?, &targets)?.f_div_scalar(WINDOW as f64)?;
        pass.backward(&loss)?;
        let norm = optimizer.gradient_norm()?;
        optimizer.clip(&norm, 1.0)?;
        optimizer.step(Rates { lr: 0.004, ssm_lr: 0.001, weight_decay: 0.01 })?;
        counter += 1;
        if loss.double_value(&[]).is_finite() { Ok(()) } else { Err("the loss is not finite".into()) }
    })?;
    Ok(vec![
        Figure::new("seconds", seconds, "s"),
        Figure::new("samples_per_second", WINDOW as f64 / seconds, "1/s"),
        Figure::new("peak_memory", peak_memory()?, "MiB"),
        Figure::new("memory_before", before, "MiB"),
    ])
}

/// One layer's DPLR kernel, forward and backward; its twin is the Cauchy product alone, every term written out in libtorch.
pub(crate) fn kernel(effort: Effort) -> Outcome<Vec<Figure>> {
    let system = legs()?;
    let fast = median_seconds(effort, || {
        let mut tape = Tape::recording();
        let kernel = dplr::kernel(&system, WINDOW, &mut tape)?;
        Ok(tape.backward(&kernel.f_square()?.f_sum(Kind::Double)?)?)
    })?;
    let fast_peak = peak_memory()?;
    let products = 4; // {B, P} with {C, conj P}
    let v =
        system.c.f_mul(&system.b)?.f_repeat([products, 1, 1])?.f_mul(&system.dt)?.f_detach()?.set_requires_grad(true);
    let slow = median_seconds(effort, || {
        let lambda = system.lambda.f_mul(&system.dt)?;
        let r = reference::cauchy(&v, &lambda, WINDOW)?;
        Ok(r.f_view_as_real()?.f_square()?.f_sum(Kind::Double)?.f_backward()?)
    })?;
    Ok(vec![
        Figure::new("seconds", fast, "s"),
        Figure::new("peak_memory", fast_peak, "MiB"),
        Figure::new("reference/seconds", slow, "s"),
        Figure::new("reference/peak_memory", peak_memory()?, "MiB"),
        Figure::new("ratio_to_reference", slow / fast, "x"),
    ])
}

/// LegS in every channel, dt spread evenly in its logarithm from 0.001 to 0.1, C drawn.
fn legs() -> Outcome<Continuous> {
    let start = dplr_start(Init::LegS, D_STATE, 1, 1)?;
    let tile = |x: &Tensor, shape: &[i64]| x.f_repeat(shape);
    let log10_dt = Tensor::f_linspace(-3.0, -1.0, CHANNELS, (Kind::Double, Device::Cpu))?;
    tch::manual_seed(0);
    let c = Tensor::f_randn([1, CHANNELS, D_STATE / 2], (Kind::ComplexDouble, Device::Cpu))?;
    Ok(Continuous {
        dt: log10_dt.f_mul_scalar(LN_10)?.f_exp()?.f_unsqueeze(-1)?,
        lambda: tile(&start.lambda, &[CHANNELS, 1])?.set_requires_grad(true),
        b: tile(&start.b, &[CHANNELS, 1])?,
        c: c.set_requires_grad(true),
        p: tile(&start.p, &[1, CHANNELS, 1])?,
    })
}
