//! Where the time of a step goes, beside what arithmetic and memory allow.
//!
//! A part that cannot be timed alone is the difference between a model with it and one without: so every part is measured
//! as it runs, forward and backward, fast forms and all.

use crate::Outcome;
use crate::step::{Form, LEVELS, Stepping, repeats, seconds, spec};
use std::f64::consts::LN_10;
use tch::{Device, Kind, Tensor};
use wasabi::model::{BlockSpec, Cost, ModelSpec, TierSpec, Workload};
use wasabi::ssm::init::{Init, dplr_start};
use wasabi::ssm::{Continuous, Tape, conv, dplr};

/// `tier` with the blocks that `keep` wants.
fn only(tier: &TierSpec, keep: &impl Fn(&BlockSpec) -> bool) -> TierSpec {
    let mut tier = tier.clone();
    tier.blocks.retain(keep);
    if let Some(pool) = &mut tier.pool {
        *pool.inner = only(&pool.inner, keep);
    }
    tier
}

pub(crate) fn measure(name: &str, layers: i64, window: i64, quick: bool) -> Outcome<()> {
    let (whole, repeats) = (spec(layers), repeats(window, quick));
    let without =
        |keep: &dyn Fn(&BlockSpec) -> bool| ModelSpec { tier: only(&whole.tier, &|b| keep(b)), ..whole.clone() };
    let time = |spec: &ModelSpec| {
        let mut stepping = Stepping::new(spec, window, 1)?;
        seconds(repeats, || stepping.step(Form::Kept))
    };
    let bare = time(&without(&|_| false))?;
    let ff = time(&without(&|block| matches!(block, BlockSpec::Ff(_))))? - bare;
    let s4 = time(&without(&|block| matches!(block, BlockSpec::S4(_))))? - bare;
    let optimizer = {
        let mut stepping = Stepping::new(&whole, window.min(8192), 1)?;
        stepping.step(Form::Kept)?;
        seconds(5, || stepping.update())?
    };
    let (mut kernel, mut convolution) = (0.0, 0.0);
    for (tier, wide) in [(1, 1), (4, 2), (16, 4)] {
        kernel += layers as f64 * seconds(repeats, kernel_of(64 * wide, window / tier)?)?;
        convolution += layers as f64 * seconds(repeats, convolution_of(64 * wide, window / tier)?)?;
    }
    let floors = Floors::measured()?;
    let cost = Cost::of_spec(&whole, LEVELS, Workload { window, batch: 1, bytes: 4 })?;
    for (part, seconds) in [
        ("kernel", kernel),
        ("convolution", convolution),
        ("mixing_gelu_norm", s4 - kernel - convolution),
        ("feed_forward_norm", ff),
        ("head_pools_loss", bare - optimizer),
        ("optimiser", optimizer),
        ("floor/dense", cost.dense / floors.gemm),
        ("floor/traffic", cost.traffic / floors.copy),
    ] {
        println!("figure {name}/{part} {seconds:.5} s");
    }
    println!("figure {name}/floor/gemm_rate {:.3e} 1/s", floors.gemm);
    println!("figure {name}/floor/memory_rate {:.3e} B/s", floors.copy);
    Ok(())
}

/// What this machine does at best.
struct Floors {
    /// Multiply-adds a second of a float32 matrix product.
    gemm: f64,
    /// Bytes read and written a second by a sum of large tensors.
    copy: f64,
}

impl Floors {
    fn measured() -> Outcome<Self> {
        let options = (Kind::Float, Device::Cpu);
        let (a, b) = (Tensor::f_ones([256, 256], options)?, Tensor::f_ones([256, 16_384], options)?);
        let product = seconds(5, || Ok(a.f_matmul(&b).map(drop)?))?;
        let (x, mut y) = (Tensor::f_ones([1 << 26], options)?, Tensor::f_zeros([1 << 26], options)?);
        let sum = seconds(5, || Ok(y.f_add_(&x).map(drop)?))?;
        Ok(Self { gemm: 256.0 * 256.0 * 16_384.0 / product, copy: 3.0 * 4.0 * f64::from(1 << 26) / sum })
    }
}

/// One layer's kernel, forward and backward: LegS in every channel, dt spread from 0.001 to 0.1.
fn kernel_of(channels: i64, window: i64) -> Outcome<impl FnMut() -> Outcome<()>> {
    let start = dplr_start(Init::LegS, 64, 1, 1)?;
    let log10_dt = Tensor::f_linspace(-3.0, -1.0, channels, (Kind::Double, Device::Cpu))?;
    tch::manual_seed(0);
    let c = Tensor::f_randn([1, channels, 32], (Kind::ComplexDouble, Device::Cpu))?;
    let system = Continuous {
        dt: log10_dt.f_mul_scalar(LN_10)?.f_exp()?.f_unsqueeze(-1)?,
        lambda: start.lambda.f_repeat([channels, 1])?.set_requires_grad(true),
        b: start.b.f_repeat([channels, 1])?,
        c: c.set_requires_grad(true),
        p: start.p.f_repeat([1, channels, 1])?,
    };
    Ok(move || {
        let mut tape = Tape::recording();
        let kernel = dplr::kernel_in(&system, window, Kind::Float, &mut tape)?;
        Ok(tape.backward(&kernel.f_square()?.f_sum(Kind::Double)?)?)
    })
}

/// One layer's convolution, forward and backward.
fn convolution_of(channels: i64, window: i64) -> Outcome<impl FnMut() -> Outcome<()>> {
    let options = (Kind::Float, Device::Cpu);
    let u = Tensor::f_randn([1, channels, window], options)?.set_requires_grad(true);
    let kernel = Tensor::f_randn([channels, window], options)?.set_requires_grad(true);
    let gradient = Tensor::f_randn([channels * window], options)?;
    Ok(move || {
        let y = conv::convolve(&u, &kernel, None)?;
        Ok(y.f_reshape([-1])?.f_dot(&gradient)?.f_backward()?)
    })
}
