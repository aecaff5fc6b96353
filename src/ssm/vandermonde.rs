//! The Vandermonde product of the S4D kernel and its hand-made gradient (MATH.md §4).
//!
//! `K[c,h,l] = 2 Re Σ_n v[c,h,n] · z[h,n]^l` for `l < L`. Powers go forward eight at a time by multiplication, so there
//! is no exponential in the inner loop and no `(h, n, l)` array. All in float64.

#![expect(clippy::needless_range_loop, reason = "lanes of several arrays advance together; iterators would hide it")]

use rayon::prelude::*;

/// A complex number as (re, im).
type Pair = [f64; 2];

/// Powers advanced together.
const LANES: usize = 8;

/// Sizes of one product.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Output channels of the kernel.
    pub(crate) outputs: usize,
    /// Channels.
    pub(crate) channels: usize,
    /// Kept half of the state.
    pub(crate) modes: usize,
    /// Length of the kernel.
    pub(crate) seq_len: usize,
}

/// Eight consecutive powers of `z`, and the step from each to the one eight later.
struct Powers {
    re: [f64; LANES],
    im: [f64; LANES],
    step: [f64; 2],
}

fn times(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
}

impl Powers {
    #[inline(always)]
    fn of(z: [f64; 2]) -> Self {
        let (mut re, mut im) = ([0.0; LANES], [0.0; LANES]);
        let mut power = [1.0, 0.0];
        for j in 0..LANES {
            (re[j], im[j]) = (power[0], power[1]);
            power = times(power, z);
        }
        Self { re, im, step: power }
    }

    #[inline(always)]
    fn advance(&mut self) {
        for j in 0..LANES {
            let re = self.re[j] * self.step[0] - self.im[j] * self.step[1];
            self.im[j] = self.re[j] * self.step[1] + self.im[j] * self.step[0];
            self.re[j] = re;
        }
    }
}

struct Forward<'a> {
    v: &'a [[f64; 2]],
    z: &'a [[f64; 2]],
    out: &'a mut [[f64; LANES]],
}

impl pulp::NullaryFnOnce for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (v, &z) in self.v.iter().zip(self.z) {
            let mut power = Powers::of(z);
            for out in self.out.iter_mut() {
                for j in 0..LANES {
                    out[j] += 2.0 * (v[0] * power.re[j] - v[1] * power.im[j]);
                }
                power.advance();
            }
        }
    }
}

/// `(v, z) → K`. `v` is `(outputs, channels, modes)`, `z` `(channels, modes)`; returns `(outputs, channels, seq_len)`.
pub(crate) fn forward(v: &[[f64; 2]], z: &[[f64; 2]], sizes: Sizes) -> Vec<f64> {
    let modes = sizes.modes;
    let rows: Vec<Vec<f64>> = (0..sizes.outputs * sizes.channels)
        .into_par_iter()
        .map(|row| {
            let channel = row % sizes.channels;
            let mut out = vec![[0.0; LANES]; sizes.seq_len.div_ceil(LANES)];
            let (v, z) = (&v[row * modes..][..modes], &z[channel * modes..][..modes]);
            pulp::Arch::new().dispatch(Forward { v, z, out: &mut out });
            let mut out = out.into_flattened();
            out.truncate(sizes.seq_len);
            out
        })
        .collect();
    rows.concat()
}

struct Backward<'a> {
    v: &'a [[f64; 2]],
    z: &'a [[f64; 2]],
    gradient: &'a [[f64; LANES]],
    to_v: &'a mut [[f64; 2]],
    to_z: &'a mut [[f64; 2]],
}

impl pulp::NullaryFnOnce for Backward<'_> {
    type Output = ();

    /// `∂/∂v = 2 Σ_l g_l z̄^l` and `∂/∂z = v̄ · 2 Σ_l (l+1) g_(l+1) z̄^l`.
    #[inline(always)]
    fn call(self) {
        for n in 0..self.z.len() {
            let mut power = Powers::of(self.z[n]);
            let mut sums = [[0.0; LANES]; 4];
            for (block, gradient) in self.gradient.iter().enumerate() {
                let next = self.gradient.get(block + 1).map_or(0.0, |next| next[0]);
                for j in 0..LANES {
                    let after = if j + 1 < LANES { gradient[j + 1] } else { next };
                    let weighted = (block * LANES + j + 1) as f64 * after;
                    sums[0][j] += gradient[j] * power.re[j];
                    sums[1][j] += gradient[j] * power.im[j];
                    sums[2][j] += weighted * power.re[j];
                    sums[3][j] += weighted * power.im[j];
                }
                power.advance();
            }
            let sum = |lanes: &[f64; LANES]| 2.0 * lanes.iter().sum::<f64>();
            self.to_v[n][0] += sum(&sums[0]);
            self.to_v[n][1] -= sum(&sums[1]);
            let v = self.v[n];
            let share = times([v[0], -v[1]], [sum(&sums[2]), -sum(&sums[3])]);
            self.to_z[n][0] += share[0];
            self.to_z[n][1] += share[1];
        }
    }
}

/// The gradient with respect to `v` and `z`, each pair (∂L/∂Re, ∂L/∂Im).
pub(crate) fn backward(v: &[[f64; 2]], z: &[[f64; 2]], gradient: &[f64], sizes: Sizes) -> (Vec<Pair>, Vec<Pair>) {
    let modes = sizes.modes;
    let rows: Vec<(Vec<Pair>, Vec<Pair>)> = (0..sizes.outputs * sizes.channels)
        .into_par_iter()
        .map(|row| {
            let channel = row % sizes.channels;
            let mut padded = gradient[row * sizes.seq_len..][..sizes.seq_len].to_vec();
            padded.resize(sizes.seq_len.next_multiple_of(LANES), 0.0);
            let (blocks, _) = padded.as_chunks::<LANES>();
            let (v, z) = (&v[row * modes..][..modes], &z[channel * modes..][..modes]);
            let (mut to_v, mut to_z) = (vec![[0.0; 2]; modes], vec![[0.0; 2]; modes]);
            let (to_v_out, to_z_out) = (&mut to_v, &mut to_z);
            pulp::Arch::new().dispatch(Backward { v, z, gradient: blocks, to_v: to_v_out, to_z: to_z_out });
            (to_v, to_z)
        })
        .collect();
    let mut to_z = vec![[0.0; 2]; z.len()];
    for (row, (_, share)) in rows.iter().enumerate() {
        let channel = row % sizes.channels;
        for (to_z, share) in to_z[channel * modes..][..modes].iter_mut().zip(share) {
            to_z[0] += share[0];
            to_z[1] += share[1];
        }
    }
    (rows.into_iter().flat_map(|(to_v, _)| to_v).collect(), to_z)
}
