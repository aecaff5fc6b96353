//! Steps a second of the recurrence, drawing included; its twin runs the whole past forward again for every token.

use crate::{Effort, Figure, Outcome, median_seconds, training};
use std::time::Instant;
use tch::{Device, Kind, Tensor};
use wasabi::generate::{Distribution, Drawing, LibtorchSteps, Session};
use wasabi::model::Pass;
use wasabi::seed::Seed;

/// A whole round of the pools [4, 4]: fewer steps would leave out some of the slower tiers' work, or count it too often.
const ROUND: usize = 16;

/// How far back the twin looks: its cost for each token grows with the sound, so one length has to stand for all.
const PAST: i64 = 1024;

/// Draws from the model as it starts, with temperature 1.
pub(crate) fn steps(layers: usize, batch: usize, effort: Effort) -> Outcome<Vec<Figure>> {
    let model = training::model(layers)?;
    let mut engine = LibtorchSteps::new(&model, batch)?;
    let mut session = Session::new(&mut engine, Drawing::default(), Seed(0), 128)?;
    for _ in 0..2 * ROUND {
        session.draw()?;
    }
    let start = Instant::now();
    let mut done = 0;
    while start.elapsed().as_secs_f64() < effort.seconds {
        for _ in 0..ROUND {
            session.draw()?;
        }
        done += ROUND;
    }
    let rate = done as f64 / start.elapsed().as_secs_f64();
    let past = Tensor::f_full([batch as i64, PAST], 128, (Kind::Int64, Device::Cpu))?;
    let mut pass = Pass::eval(); // kernels are made once: the first, untimed repetition
    let again = median_seconds(effort, || {
        let _untracked = tch::no_grad_guard();
        let _logits = std::hint::black_box(model.forward(&past, &mut pass)?);
        Ok(())
    })?;
    Ok(vec![
        Figure::new("steps_per_second", rate, "1/s"),
        Figure::new("samples_per_second", rate * batch as f64, "1/s"),
        Figure::new("reference/steps_per_second", 1.0 / again, "1/s"),
        Figure::new("ratio_to_reference", rate * again, "x"),
    ])
}

/// Draws a nucleus of 0.9 from 256 levels; the twin sorts all of them.
pub(crate) fn draws(effort: Effort) -> Outcome<Vec<Figure>> {
    const LEVELS: usize = 256;
    let rows: Vec<Vec<f32>> =
        (0..64).map(|t| (0..LEVELS).map(|level| ((level * (t + 3)) as f32).sin() * 4.0).collect()).collect();
    let drawing = Drawing { top_p: 0.9, ..Drawing::default() };
    let mut distribution = Distribution::new(LEVELS);
    let fast = seconds_per_row(&rows, effort, |row| {
        let _finite = distribution.set(row);
        distribution.shape(&drawing);
        usize::from(distribution.draw(0.5))
    });
    let slow = seconds_per_row(&rows, effort, |row| sorted_draw(row, 0.9, 0.5));
    Ok(vec![
        Figure::new("microseconds", fast * 1e6, "us"),
        Figure::new("reference/microseconds", slow * 1e6, "us"),
        Figure::new("ratio_to_reference", slow / fast, "x"),
    ])
}

fn seconds_per_row(rows: &[Vec<f32>], effort: Effort, mut draw: impl FnMut(&[f32]) -> usize) -> f64 {
    let start = Instant::now();
    let mut done = 0;
    while start.elapsed().as_secs_f64() < effort.seconds / 4.0 {
        for row in rows {
            std::hint::black_box(draw(row));
        }
        done += rows.len();
    }
    start.elapsed().as_secs_f64() / done as f64
}

/// The nucleus as its definition reads.
fn sorted_draw(row: &[f32], top_p: f64, u: f64) -> usize {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f64> = row.iter().map(|&logit| f64::from(logit - largest).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]));
    let mut before = 0.0;
    order.retain(|&token| {
        let kept = before <= top_p;
        before += weights[token] / sum;
        kept
    });
    let total: f64 = order.iter().map(|&token| weights[token]).sum();
    let mut passed = 0.0;
    order
        .iter()
        .copied()
        .find(|&token| {
            passed += weights[token];
            passed > u * total
        })
        .unwrap_or(order[0])
}
