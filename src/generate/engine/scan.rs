//! A layer's state spaces over a whole sequence: one line of channels after another, each from the first sample to the last.
//!
//! The step and its letters are those of [`StepFactors`]. Numbers and state of one line of channels stay in the first-level cache
//! for the whole sequence, and lines do not wait for each other.

use pulp::Simd;

use super::lanes::{Lanes, Line, WIDTH, Wide, lines_for};
use super::state_space::{CLEANING, MOST, SMALLEST, padded_rank};
use crate::model::StepFactors;

/// The numbers of a layer.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) channels: usize,
    pub(super) modes: usize,
    /// Padded, as in [`StateSpace`](super::state_space::StateSpace).
    pub(super) rank: usize,
    /// For each line of channels, then each mode: m, c (re and im), b, then each f and each p.
    numbers: Vec<Line>,
    /// For each line of channels: the skip D, then each k.
    direct: Vec<Line>,
}

/// A line of channels on its way through a sequence.
pub(super) struct Column<'a> {
    pub(super) number: usize,
    /// `(modes)` of (re, im).
    pub(super) state: &'a mut [Line],
    /// `(rank)`: each w without the share of the next input.
    pub(super) fed_back: &'a mut [Line],
    /// Samples before.
    pub(super) steps: u64,
    /// `(samples, lines of channels)`.
    pub(super) u: &'a [Line],
    /// `(samples)`.
    pub(super) out: &'a mut [Line],
}

impl Scan {
    /// Narrows `factors` and the skip `d` `(channels)` to float32.
    pub(super) fn pack(factors: &StepFactors, d: &[f32]) -> Self {
        let StepFactors { channels, modes, rank, .. } = *factors;
        let padded = padded_rank(rank);
        let line_of = |line: usize, value: &dyn Fn(usize) -> f64| {
            Line(std::array::from_fn(|lane| {
                let channel = line * WIDTH + lane;
                if channel < channels { value(channel) as f32 } else { 0.0 }
            }))
        };
        let size = channels * modes;
        let complex = |line: usize, mode: usize, values: &[[f64; 2]]| {
            [0, 1].map(|part| line_of(line, &|channel| values.get(channel * modes + mode).map_or(0.0, |z| z[part])))
        };
        let term = |values: &[[f64; 2]], r: usize| values.get(r * size..(r + 1) * size).unwrap_or_default().to_vec();
        let (f, p): (Vec<_>, Vec<_>) = (0..padded).map(|r| (term(&factors.f, r), term(&factors.p, r))).unzip();
        let (mut numbers, mut direct) = (Vec::new(), Vec::new());
        for line in 0..lines_for(channels) {
            for mode in 0..modes {
                numbers.extend(complex(line, mode, &factors.m));
                numbers.extend(complex(line, mode, &factors.c));
                numbers.push(line_of(line, &|channel| factors.b[channel * modes + mode]));
                numbers.extend(f.iter().flat_map(|f| complex(line, mode, f)));
                numbers.extend(p.iter().flat_map(|p| complex(line, mode, p)));
            }
            direct.push(line_of(line, &|channel| f64::from(d[channel])));
            for r in 0..padded {
                direct.push(line_of(line, &|channel| factors.k.get(r * channels + channel).copied().unwrap_or(0.0)));
            }
        }
        Self { channels, modes, rank: padded, numbers, direct }
    }

    /// The sequence through one line of channels, then the skip and the GELU.
    #[inline(always)]
    pub(super) fn run<S: Simd, const K: usize>(&self, lanes: Lanes<S, K>, column: Column<'_>) {
        match self.rank {
            0 => self.run_of::<S, K, 0>(lanes, column),
            1 => self.run_of::<S, K, 1>(lanes, column),
            2 => self.run_of::<S, K, 2>(lanes, column),
            _ => self.run_of::<S, K, MOST>(lanes, column),
        }
    }

    #[inline(always)]
    fn run_of<S: Simd, const K: usize, const R: usize>(&self, lanes: Lanes<S, K>, column: Column<'_>) {
        let Column { number, state, fed_back, steps, u, out } = column;
        let (size, lines) = (self.modes * (5 + 4 * R), lines_for(self.channels));
        let numbers = &self.numbers[number * size..][..size];
        let direct = &self.direct[number * (1 + R)..][..1 + R];
        let mut kept: [Wide<S, K>; R] = std::array::from_fn(|r| lanes.load(&fed_back[r]));
        for ((done, out), u) in (steps + 1..).zip(out).zip(u.chunks_exact(lines)) {
            let u = lanes.load(&u[number]);
            let w: [Wide<S, K>; R] = std::array::from_fn(|r| lanes.fma(lanes.load(&direct[1 + r]), u, kept[r]));
            let y;
            (y, kept) = pass::<S, K, R>(lanes, numbers, state, u, w);
            lanes.store(out, lanes.gelu(lanes.fma(lanes.load(&direct[0]), u, y)));
            if done.is_multiple_of(CLEANING) {
                for number in state.iter_mut().flat_map(|line| &mut line.0).filter(|number| number.abs() < SMALLEST) {
                    *number = 0.0;
                }
            }
        }
        for (fed_back, kept) in fed_back.iter_mut().zip(kept) {
            lanes.store(fed_back, kept);
        }
    }
}

/// One sample: the output without skip, and the sums fed back.
#[inline(always)]
fn pass<S: Simd, const K: usize, const R: usize>(
    lanes: Lanes<S, K>,
    numbers: &[Line],
    state: &mut [Line],
    u: Wide<S, K>,
    w: [Wide<S, K>; R],
) -> (Wide<S, K>, [Wide<S, K>; R]) {
    let zero = lanes.splat(0.0);
    let (mut y, mut next) = ([zero; 2], [[zero; 2]; R]);
    for (numbers, z) in numbers.chunks_exact(5 + 4 * R).zip(state.as_chunks_mut::<2>().0) {
        let (f, p) = numbers[5..].as_chunks::<2>().0.split_at(R);
        let (re, im) = (lanes.load(&z[0]), lanes.load(&z[1]));
        let (m_re, m_im) = (lanes.load(&numbers[0]), lanes.load(&numbers[1]));
        let mut new_re = lanes.less(m_im, im, lanes.fma(m_re, re, re));
        let mut new_im = lanes.fma(m_im, re, lanes.fma(m_re, im, im));
        new_re = lanes.fma(lanes.load(&numbers[4]), u, new_re);
        for (w, p) in w.iter().zip(p) {
            new_re = lanes.less(lanes.load(&p[0]), *w, new_re);
            new_im = lanes.less(lanes.load(&p[1]), *w, new_im);
        }
        lanes.store(&mut z[0], new_re);
        lanes.store(&mut z[1], new_im);
        y[0] = lanes.fma(lanes.load(&numbers[2]), new_re, y[0]);
        y[1] = lanes.less(lanes.load(&numbers[3]), new_im, y[1]);
        for (next, f) in next.iter_mut().zip(f) {
            next[0] = lanes.fma(lanes.load(&f[0]), new_re, next[0]);
            next[1] = lanes.less(lanes.load(&f[1]), new_im, next[1]);
        }
    }
    (lanes.add(y[0], y[1]), next.map(|next| lanes.add(next[0], next[1])))
}
