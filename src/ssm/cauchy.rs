//! The Cauchy product of the DPLR kernel in its finite form, and its hand-made gradient (MATH.md §2 and §3).
//!
//! For node `k` of a kernel of length `L`, `θ = πk/L`:
//!
//! `r[m,h,k] = e^(iθ) Σ_n ( v[m,h,n] / (2i sin θ − λ[h,n] cos θ) + v̄[m,h,n] / (2i sin θ − λ̄[h,n] cos θ) )`
//!
//! Nothing here blows up, at the Nyquist node neither. All sums are in float64: near a pole, two terms of the kernel
//! are huge and cancel. The `(m, h, n, k)` array is never stored.

#![expect(clippy::needless_range_loop, reason = "lanes of several arrays advance together; iterators would hide it")]

use rayon::prelude::*;
use std::f64::consts::PI;

/// Nodes that one pass over the state works on: sums for them stay in the first-level cache.
const BLOCK: usize = 64;

/// Sizes of one product.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Numerators that share their denominators.
    pub(crate) products: usize,
    /// Channels.
    pub(crate) channels: usize,
    /// Kept half of the state.
    pub(crate) modes: usize,
    /// Length of the kernel.
    pub(crate) seq_len: usize,
}

impl Sizes {
    pub(crate) fn nodes(self) -> usize {
        self.seq_len / 2 + 1
    }
}

/// sin θ and cos θ of every node, padded to whole blocks. Padding has cos θ = 0, sin θ = 1: finite, and ignored.
struct Angles {
    sin: Vec<f64>,
    cos: Vec<f64>,
}

impl Angles {
    fn new(sizes: Sizes) -> Self {
        let padded = sizes.nodes().next_multiple_of(BLOCK);
        let angle = |k: usize| PI * k as f64 / sizes.seq_len as f64;
        let of = |f: fn(f64) -> f64, padding: f64| {
            (0..padded).map(|k| if k < sizes.nodes() { f(angle(k)) } else { padding }).collect()
        };
        let mut angles = Self { sin: of(f64::sin, 1.0), cos: of(f64::cos, 0.0) };
        if sizes.seq_len.is_multiple_of(2) {
            // cos(π/2) rounds to 6e-17, which a huge λ would notice.
            angles.cos[sizes.nodes() - 1] = 0.0;
        }
        angles
    }
}

type Lane = [f64; BLOCK];

/// A complex number as (re, im).
type Pair = [f64; 2];

/// The two reciprocals of a mode at a block of nodes: `t = 1 / (2i sin θ − λ cos θ)` and its twin with λ̄.
struct Reciprocals {
    re: Lane,
    im: Lane,
    twin_re: Lane,
    twin_im: Lane,
}

#[inline(always)]
fn reciprocals(lambda: [f64; 2], sin: &Lane, cos: &Lane) -> Reciprocals {
    let zero = [0.0; BLOCK];
    let mut out = Reciprocals { re: zero, im: zero, twin_re: zero, twin_im: zero };
    for j in 0..BLOCK {
        let re = -lambda[0] * cos[j];
        let im = 2.0 * sin[j] - lambda[1] * cos[j];
        let twin_im = 2.0 * sin[j] + lambda[1] * cos[j];
        let size = re * re + im * im;
        let twin_size = re * re + twin_im * twin_im;
        // One division serves both.
        let inverse = 1.0 / (size * twin_size);
        let (scale, twin_scale) = (inverse * twin_size, inverse * size);
        out.re[j] = re * scale;
        out.im[j] = -im * scale;
        out.twin_re[j] = re * twin_scale;
        out.twin_im[j] = -twin_im * twin_scale;
    }
    out
}

/// The sums of one numerator over a block of nodes: real and imaginary parts.
#[derive(Clone, Copy)]
struct Sum {
    re: Lane,
    im: Lane,
}

impl Sum {
    const ZERO: Self = Self { re: [0.0; BLOCK], im: [0.0; BLOCK] };
}

/// One channel's numerators, mode by mode: `v[n][m]`.
fn gather(v: &[[f64; 2]], sizes: Sizes, channel: usize) -> Vec<[f64; 2]> {
    let row = |m: usize| (m * sizes.channels + channel) * sizes.modes;
    (0..sizes.modes).flat_map(|n| (0..sizes.products).map(move |m| v[row(m) + n])).collect()
}

fn block_of(values: &[f64], at: usize) -> &Lane {
    values[at..at + BLOCK].first_chunk().expect("angles are padded to whole blocks")
}

/// The product for one channel: `out[m][k]`, real and imaginary parts interleaved.
#[inline(always)]
fn forward_channel(v: &[[f64; 2]], lambda: &[[f64; 2]], angles: &Angles, sizes: Sizes, out: &mut [Vec<[f64; 2]>]) {
    let mut sums = vec![Sum::ZERO; sizes.products];
    for start in (0..sizes.nodes()).step_by(BLOCK) {
        let (sin, cos) = (block_of(&angles.sin, start), block_of(&angles.cos, start));
        sums.fill(Sum::ZERO);
        for (&lambda, v) in lambda.iter().zip(v.chunks_exact(sizes.products)) {
            let t = reciprocals(lambda, sin, cos);
            let mut mixed = [[0.0; BLOCK]; 4];
            for j in 0..BLOCK {
                mixed[0][j] = t.re[j] + t.twin_re[j];
                mixed[1][j] = t.twin_im[j] - t.im[j];
                mixed[2][j] = t.im[j] + t.twin_im[j];
                mixed[3][j] = t.re[j] - t.twin_re[j];
            }
            for (v, sum) in v.iter().zip(sums.iter_mut()) {
                for j in 0..BLOCK {
                    sum.re[j] += v[0] * mixed[0][j] + v[1] * mixed[1][j];
                    sum.im[j] += v[0] * mixed[2][j] + v[1] * mixed[3][j];
                }
            }
        }
        let here = BLOCK.min(sizes.nodes() - start);
        for (sum, out) in sums.iter().zip(out.iter_mut()) {
            for j in 0..here {
                // e^(iθ), left out of the sums.
                out.push([sum.re[j] * cos[j] - sum.im[j] * sin[j], sum.re[j] * sin[j] + sum.im[j] * cos[j]]);
            }
        }
    }
}

/// `(v, λ) → r`. `v` is `(products, channels, modes)`, `lambda` `(channels, modes)`; returns
/// `(products, channels, nodes)`.
pub(crate) fn forward(v: &[[f64; 2]], lambda: &[[f64; 2]], sizes: Sizes) -> Vec<[f64; 2]> {
    let angles = Angles::new(sizes);
    let nodes = sizes.nodes();
    let channels: Vec<Vec<Vec<[f64; 2]>>> = (0..sizes.channels)
        .into_par_iter()
        .map(|channel| {
            let v = gather(v, sizes, channel);
            let lambda = &lambda[channel * sizes.modes..(channel + 1) * sizes.modes];
            let mut out = vec![Vec::with_capacity(nodes); sizes.products];
            pulp::Arch::new().dispatch(Forward { v: &v, lambda, angles: &angles, sizes, out: &mut out });
            out
        })
        .collect();
    let mut r = Vec::with_capacity(sizes.products * sizes.channels * nodes);
    for m in 0..sizes.products {
        for channel in &channels {
            r.extend_from_slice(&channel[m]);
        }
    }
    r
}

/// The gradient with respect to `v` and `λ`: `(products, channels, modes)` and `(channels, modes)`.
///
/// Each pair is (∂L/∂Re, ∂L/∂Im). The denominators are computed again, not kept.
pub(crate) fn backward(
    v: &[[f64; 2]],
    lambda: &[[f64; 2]],
    gradient: &[[f64; 2]],
    sizes: Sizes,
) -> (Vec<Pair>, Vec<Pair>) {
    let angles = Angles::new(sizes);
    let nodes = sizes.nodes();
    let channels: Vec<(Vec<Pair>, Vec<Pair>)> = (0..sizes.channels)
        .into_par_iter()
        .map(|channel| {
            let v = gather(v, sizes, channel);
            let lambda = &lambda[channel * sizes.modes..(channel + 1) * sizes.modes];
            let rows: Vec<&[[f64; 2]]> =
                (0..sizes.products).map(|m| &gradient[(m * sizes.channels + channel) * nodes..][..nodes]).collect();
            let mut to_v = vec![[0.0; 2]; v.len()];
            let mut to_lambda = vec![[0.0; 2]; lambda.len()];
            let (to_v_out, to_lambda_out) = (&mut to_v, &mut to_lambda);
            pulp::Arch::new().dispatch(Backward {
                v: &v,
                lambda,
                rows: &rows,
                angles: &angles,
                sizes,
                to_v_out,
                to_lambda_out,
            });
            (to_v, to_lambda)
        })
        .collect();
    let mut to_v = vec![[0.0; 2]; v.len()];
    for (channel, (from, _)) in channels.iter().enumerate() {
        for (n, from) in from.chunks_exact(sizes.products).enumerate() {
            for (m, &from) in from.iter().enumerate() {
                to_v[(m * sizes.channels + channel) * sizes.modes + n] = from;
            }
        }
    }
    (to_v, channels.into_iter().flat_map(|(_, to_lambda)| to_lambda).collect())
}

struct Forward<'a> {
    v: &'a [[f64; 2]],
    lambda: &'a [[f64; 2]],
    angles: &'a Angles,
    sizes: Sizes,
    out: &'a mut [Vec<[f64; 2]>],
}

impl pulp::NullaryFnOnce for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        forward_channel(self.v, self.lambda, self.angles, self.sizes, self.out);
    }
}

struct Backward<'a> {
    v: &'a [[f64; 2]],
    lambda: &'a [[f64; 2]],
    rows: &'a [&'a [[f64; 2]]],
    angles: &'a Angles,
    sizes: Sizes,
    to_v_out: &'a mut [[f64; 2]],
    to_lambda_out: &'a mut [[f64; 2]],
}

impl pulp::NullaryFnOnce for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let sizes = self.sizes;
        let mut turned = vec![Sum::ZERO; sizes.products];
        for start in (0..sizes.nodes()).step_by(BLOCK) {
            let (sin, cos) = (block_of(&self.angles.sin, start), block_of(&self.angles.cos, start));
            turn_back(self.rows, start, sin, cos, &mut turned);
            for (n, &lambda) in self.lambda.iter().enumerate() {
                let t = reciprocals(lambda, sin, cos);
                let at = n * sizes.products..(n + 1) * sizes.products;
                let to_lambda = backward_mode(&t, cos, &self.v[at.clone()], &turned, &mut self.to_v_out[at]);
                self.to_lambda_out[n][0] += to_lambda[0];
                self.to_lambda_out[n][1] += to_lambda[1];
            }
        }
    }
}

/// The block's gradients times `e^(−iθ)`; zero in the padding.
#[inline(always)]
fn turn_back(rows: &[&[[f64; 2]]], start: usize, sin: &Lane, cos: &Lane, turned: &mut [Sum]) {
    for (row, turned) in rows.iter().zip(turned.iter_mut()) {
        *turned = Sum::ZERO;
        for (j, g) in row[start..].iter().take(BLOCK).enumerate() {
            turned.re[j] = g[0] * cos[j] + g[1] * sin[j];
            turned.im[j] = g[1] * cos[j] - g[0] * sin[j];
        }
    }
}

/// Adds one block's share to the gradients of a mode's numerators, and returns its share of λ's.
///
/// `∂/∂v = Σ_k g t̄ + ḡ t′` and `∂/∂λ = Σ_k cos θ ( t̄² Σ_m g_m v̄_m + t′² Σ_m ḡ_m v̄_m )`, with t′ the twin of t.
#[inline(always)]
fn backward_mode(t: &Reciprocals, cos: &Lane, v: &[[f64; 2]], turned: &[Sum], to_v: &mut [[f64; 2]]) -> [f64; 2] {
    let mut direct = Sum::ZERO; // Σ_m g v̄
    let mut mirrored = Sum::ZERO; // Σ_m ḡ v̄
    for ((v, g), to_v) in v.iter().zip(turned).zip(to_v.iter_mut()) {
        let mut share = [[0.0; BLOCK]; 2];
        for j in 0..BLOCK {
            let (re, im) = (g.re[j], g.im[j]);
            share[0][j] = re * (t.re[j] + t.twin_re[j]) + im * (t.im[j] + t.twin_im[j]);
            share[1][j] = im * (t.re[j] - t.twin_re[j]) + re * (t.twin_im[j] - t.im[j]);
            direct.re[j] += re * v[0] + im * v[1];
            direct.im[j] += im * v[0] - re * v[1];
            mirrored.re[j] += re * v[0] - im * v[1];
            mirrored.im[j] -= re * v[1] + im * v[0];
        }
        to_v[0] += total(&share[0]);
        to_v[1] += total(&share[1]);
    }
    let mut share = [[0.0; BLOCK]; 2];
    for j in 0..BLOCK {
        let square = [t.re[j] * t.re[j] - t.im[j] * t.im[j], -2.0 * t.re[j] * t.im[j]]; // t̄²
        let twin = [t.twin_re[j] * t.twin_re[j] - t.twin_im[j] * t.twin_im[j], 2.0 * t.twin_re[j] * t.twin_im[j]];
        share[0][j] = cos[j]
            * (square[0] * direct.re[j] - square[1] * direct.im[j] + twin[0] * mirrored.re[j]
                - twin[1] * mirrored.im[j]);
        share[1][j] = cos[j]
            * (square[0] * direct.im[j]
                + square[1] * direct.re[j]
                + twin[0] * mirrored.im[j]
                + twin[1] * mirrored.re[j]);
    }
    [total(&share[0]), total(&share[1])]
}

/// The sum of a block, pairwise: an order of addition that SIMD lanes can keep.
#[inline(always)]
fn total(values: &Lane) -> f64 {
    let mut lanes = [0.0; 8];
    for chunk in values.chunks_exact(8) {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value;
        }
    }
    lanes.iter().sum()
}
