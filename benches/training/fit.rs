//! What each kind of block holds, measured: the numbers of `FITTED` in `src/model/cost.rs`.
//!
//! The same model with so many blocks and with twice as many, with a short window and a long one, batch 1 and 2: the
//! differences of their peaks say what one block keeps for each channel and position. Beside it the predictor's peaks.

use crate::step::{Form, LEVELS, Stepping};
use crate::{Outcome, child, peak_bytes};
use wasabi::model::{
    BlockSpec, Cost, FeedForwardConfig, LstmConfig, ModelSpec, S4Config, SashimiConfig, TierSpec, Workload,
};

const CHANNELS: i64 = 64;
const WINDOW: i64 = 32_768;

/// A model of one tier with `count` blocks of a `kind`.
fn spec(kind: &str, count: usize) -> Outcome<ModelSpec> {
    if kind == "sashimi" {
        return Ok(SashimiConfig { n_layers: count as i64, ..SashimiConfig::default() }.spec());
    }
    let block = match kind {
        "s4" => BlockSpec::S4(S4Config::default()),
        "s4d" => BlockSpec::S4(S4Config { mode: wasabi::model::Mode::S4d, ..S4Config::default() }),
        "ff" => BlockSpec::Ff(FeedForwardConfig { expand: 1, ..FeedForwardConfig::default() }),
        "ff2" => BlockSpec::Ff(FeedForwardConfig::default()),
        "lstm" => BlockSpec::Lstm(LstmConfig::default()),
        _ => return Err(format!("no kind {kind}").into()),
    };
    let tier = TierSpec { blocks: vec![block; count], ..TierSpec::default() };
    let base = SashimiConfig { d_model: CHANNELS, ..SashimiConfig::default() }.spec();
    Ok(ModelSpec { tier, ..base })
}

/// `KIND/COUNT/WINDOW/BATCH/FORM`.
pub(crate) fn measure(case: &str) -> Outcome<()> {
    let words: Vec<&str> = case.split('/').collect();
    let [kind, count, window, batch, form] = words[..] else { return Err(format!("no case {case}").into()) };
    let spec = spec(kind, count.parse()?)?;
    let (window, batch, recompute) = (window.parse()?, batch.parse()?, form == "recompute");
    let before = peak_bytes()?;
    let mut stepping = Stepping::new(&spec, window, batch)?;
    for _ in 0..3 {
        stepping.step(if recompute { Form::Recomputed } else { Form::Kept })?;
    }
    let peak = peak_bytes()?;
    let predicted = Cost::of_spec(&spec, LEVELS, Workload { window, batch, bytes: 4 })?.peak_of(recompute);
    println!("figure fit/{case}/peak {peak:.0} B");
    println!("figure fit/{case}/predicted {predicted:.0} B");
    println!("figure fit/{case}/before {before:.0} B");
    Ok(())
}

/// Peak and prediction of a case.
fn peaks(case: &str) -> Outcome<(f64, f64)> {
    let lines = child(&format!("fit/{case}"), true)?;
    let value = |what: &str| -> Outcome<f64> {
        let name = format!("fit/{case}/{what} ");
        let line = lines.iter().find_map(|line| line.strip_prefix(&format!("figure {name}"))).ok_or("no figure")?;
        Ok(line.split(' ').next().unwrap_or_default().parse()?)
    };
    let (peak, predicted) = (value("peak")?, value("predicted")?);
    let (mb, off) = (1e6, 100.0 * (predicted / peak - 1.0));
    println!(
        "{case:<36} peak {:>7.0} MB, predicted {:>7.0} MB ({off:+.0} %), at start {:.0} MB",
        peak / mb,
        predicted / mb,
        value("before")? / mb
    );
    Ok((peak, predicted))
}

pub(crate) fn survey() -> Outcome<()> {
    let size = (CHANNELS * WINDOW) as f64;
    for kind in ["ff", "s4", "s4d"] {
        let at = |count: usize, batch: usize| {
            Ok::<f64, Box<dyn std::error::Error>>(peaks(&format!("{kind}/{count}/{WINDOW}/{batch}/keep"))?.0)
        };
        let (few, many) = (at(4, 1)?, at(8, 1)?);
        let (few_wide, many_wide) = (at(4, 2)?, at(8, 2)?);
        let (one, two) = ((many - few) / 4.0 / size, (many_wide - few_wide) / 4.0 / size);
        println!(
            "{kind}: {one:.1} bytes a channel and position in a batch of 1, {two:.1} in one of 2: each {:.1}, once {:.1}\n",
            two - one,
            2.0 * one - two
        );
        let again = |count: usize| {
            Ok::<f64, Box<dyn std::error::Error>>(peaks(&format!("{kind}/{count}/{WINDOW}/1/recompute"))?.0)
        };
        let (few, many) = (again(4)?, again(8)?);
        println!(
            "{kind} run again: {:.1} between blocks, {:.1} for all else\n",
            (many - few) / 4.0 / size,
            (2.0 * few - many) / size
        );
    }
    for case in [
        "sashimi/2/8192/1/keep",
        "sashimi/2/32768/1/keep",
        "sashimi/8/8192/1/keep",
        "sashimi/2/8192/4/keep",
        "sashimi/8/32768/1/recompute",
        "sashimi/2/32768/1/recompute",
        "lstm/2/4096/1/keep",
        "ff2/4/32768/1/keep",
    ] {
        peaks(case)?;
    }
    Ok(())
}
