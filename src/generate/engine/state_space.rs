//! A layer's state spaces, stepped: channels in the lanes, so that every sum over the state is a sum down a column.
//!
//! The step and its letters are those of [`StepFactors`]. `w` for the next sample is summed while this one's state is at hand, so
//! the state is read and written once a sample.

use pulp::Simd;

use super::lanes::{Lanes, Line, WIDTH, Wide, lines_for};
use crate::model::StepFactors;

/// States below this are set to zero once in a while: a decaying one would become denormal, which costs a hundred times as
/// much. Nothing at this size reaches a logit.
pub(super) const SMALLEST: f32 = 1e-30;

/// Samples between two such clean-ups.
pub(super) const CLEANING: u64 = 1024;

/// The numbers of a layer for every stream.
#[derive(Debug)]
pub(super) struct StateSpace {
    rank: usize,
    modes: usize,
    channel_lines: usize,
    shared: bool,
    /// For each line of channels, then each mode: m, then c, then each f (re and im of all), and unless shared b, then each p.
    numbers: Vec<Line>,
    /// Shared: for each mode b, then each p (re, im).
    broadcast: Vec<f32>,
    /// For each line of channels: the skip D, then each k.
    direct: Vec<Line>,
}

/// What a layer remembers of its streams.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    /// `(channel lines, streams, modes)` of (re, im).
    pub(super) state: Vec<Line>,
    /// `(channel lines, streams, rank)`: each w without the share of the next input.
    pub(super) fed_back: Vec<Line>,
    pub(super) steps: u64,
}

impl Memory {
    /// Back to silence.
    pub(super) fn reset(&mut self) {
        self.state.fill(Line::ZERO);
        self.fed_back.fill(Line::ZERO);
        self.steps = 0;
    }

    /// Whether every number of it is finite.
    pub(super) fn is_finite(&self) -> bool {
        self.state.iter().chain(&self.fed_back).all(|line| line.0.iter().all(|x| x.is_finite()))
    }

    fn clean(&mut self) {
        for number in self.state.iter_mut().flat_map(|line| &mut line.0) {
            if number.abs() < SMALLEST {
                *number = 0.0;
            }
        }
    }
}

/// The largest rank that a layer may have.
pub(super) const MOST: usize = 16;

/// Ranks that there is a loop for; one between is padded with zeros. No initialisation needs more than 2.
pub(super) fn padded_rank(rank: usize) -> usize {
    if rank <= 2 { rank } else { MOST }
}

impl StateSpace {
    /// Narrows `factors` and the skip `d` `(channels)` to float32.
    pub(super) fn pack(factors: &StepFactors, d: &[f32]) -> Self {
        let StepFactors { channels, modes, rank, shared, .. } = *factors;
        let padded = padded_rank(rank);
        let shared = shared || rank == 0;
        let (channel_lines, size) = (lines_for(channels), channels * modes);
        let line_of = |line: usize, value: &dyn Fn(usize) -> f64| {
            Line(std::array::from_fn(|lane| {
                let channel = line * WIDTH + lane;
                if channel < channels { value(channel) as f32 } else { 0.0 }
            }))
        };
        let real = |line: usize, mode: usize, values: &[f64]| line_of(line, &|channel| values[channel * modes + mode]);
        let complex = |line: usize, mode: usize, values: &[[f64; 2]]| {
            [0, 1].map(|part| line_of(line, &|channel| values[channel * modes + mode][part]))
        };
        let zeros = vec![[0.0; 2]; size];
        let term = |values: &'_ [[f64; 2]], r: usize| {
            if r < rank { values[r * size..][..size].to_vec() } else { zeros.clone() }
        };
        let (f, p): (Vec<_>, Vec<_>) = (0..padded).map(|r| (term(&factors.f, r), term(&factors.p, r))).unzip();
        let mut numbers = Vec::new();
        let mut direct = Vec::new();
        for line in 0..channel_lines {
            for mode in 0..modes {
                numbers.extend(complex(line, mode, &factors.m));
                numbers.extend(complex(line, mode, &factors.c));
                numbers.extend(f.iter().flat_map(|f| complex(line, mode, f)));
                if !shared {
                    numbers.push(real(line, mode, &factors.b));
                    numbers.extend(p.iter().flat_map(|p| complex(line, mode, p)));
                }
            }
            direct.push(line_of(line, &|channel| f64::from(d[channel])));
            for r in 0..padded {
                direct.push(line_of(line, &|channel| if r < rank { factors.k[r * channels + channel] } else { 0.0 }));
            }
        }
        let mut broadcast = Vec::new();
        if shared && rank > 0 {
            for mode in 0..modes {
                broadcast.push(factors.b[mode] as f32);
                broadcast.extend(p.iter().flat_map(|p| p[mode]).map(|x| x as f32));
            }
        }
        Self { rank: padded, modes, channel_lines, shared, numbers, broadcast, direct }
    }

    /// Silence, for `streams` streams.
    pub(super) fn memory(&self, streams: usize) -> Memory {
        let rows = self.channel_lines * streams;
        Memory {
            state: vec![Line::ZERO; rows * self.modes * 2],
            fed_back: vec![Line::ZERO; rows * self.rank],
            steps: 0,
        }
    }

    /// Bytes of the numbers, which a step of any number of streams reads once.
    pub(super) fn bytes(&self) -> usize {
        (self.numbers.len() + self.direct.len()) * size_of::<Line>() + self.broadcast.len() * size_of::<f32>()
    }

    /// Multiply-adds for one sample of one stream, padding included.
    pub(super) fn multiply_adds(&self) -> usize {
        let each = if self.rank == 0 { 7 } else { 7 + 4 * self.rank };
        self.channel_lines * WIDTH * self.modes * each
    }

    /// One sample of every stream, then the skip and the GELU. `u` and `out`: `(streams, channel lines)`.
    #[inline(always)]
    pub(super) fn step<S: Simd, const K: usize>(
        &self,
        lanes: Lanes<S, K>,
        memory: &mut Memory,
        u: &[Line],
        out: &mut [Line],
    ) {
        match (self.rank, self.shared) {
            (0, _) => self.step_of::<S, K, 0, true>(lanes, memory, u, out),
            (1, true) => self.step_of::<S, K, 1, true>(lanes, memory, u, out),
            (1, false) => self.step_of::<S, K, 1, false>(lanes, memory, u, out),
            (2, true) => self.step_of::<S, K, 2, true>(lanes, memory, u, out),
            (2, false) => self.step_of::<S, K, 2, false>(lanes, memory, u, out),
            (_, true) => self.step_of::<S, K, MOST, true>(lanes, memory, u, out),
            (_, false) => self.step_of::<S, K, MOST, false>(lanes, memory, u, out),
        }
        memory.steps += 1;
        if memory.steps.is_multiple_of(CLEANING) {
            memory.clean();
        }
    }

    #[inline(always)]
    fn step_of<S: Simd, const K: usize, const R: usize, const SHARED: bool>(
        &self,
        lanes: Lanes<S, K>,
        memory: &mut Memory,
        u: &[Line],
        out: &mut [Line],
    ) {
        let size = self.modes * (4 + 2 * R + if SHARED { 0 } else { 1 + 2 * R });
        let streams = u.len() / self.channel_lines;
        let mut states = memory.state.chunks_exact_mut(self.modes * 2);
        let mut fed_back = memory.fed_back.chunks_exact_mut(R.max(1));
        let columns = self.numbers.chunks_exact(size).zip(self.direct.chunks_exact(1 + R));
        for (column, (numbers, direct)) in columns.enumerate() {
            // A column's numbers fit the first-level cache: all streams pass through them while they are there.
            for (stream, state) in (0..streams).zip(&mut states) {
                let at = stream * self.channel_lines + column;
                let u = lanes.load(&u[at]);
                let mut w = [lanes.splat(0.0); R];
                let mut empty = [];
                let fed_back = if R == 0 { &mut empty[..] } else { fed_back.next().unwrap_or_default() };
                for ((w, k), fed_back) in w.iter_mut().zip(&direct[1..]).zip(&*fed_back) {
                    *w = lanes.fma(lanes.load(k), u, lanes.load(fed_back));
                }
                let (y, next) = self.pass::<S, K, R, SHARED>(lanes, numbers, state, u, w);
                for (fed_back, next) in fed_back.iter_mut().zip(next) {
                    lanes.store(fed_back, next);
                }
                let y = lanes.fma(lanes.load(&direct[0]), u, y);
                lanes.store(&mut out[at], lanes.gelu(y));
            }
        }
    }

    /// One pass over the modes of a column of one stream: the output without skip, and the sums fed back.
    #[inline(always)]
    fn pass<S: Simd, const K: usize, const R: usize, const SHARED: bool>(
        &self,
        lanes: Lanes<S, K>,
        numbers: &[Line],
        state: &mut [Line],
        u: Wide<S, K>,
        w: [Wide<S, K>; R],
    ) -> (Wide<S, K>, [Wide<S, K>; R]) {
        let zero = lanes.splat(0.0);
        // Real and imaginary shares apart: twice as many independent chains of additions.
        let mut y = [zero; 2];
        let mut next = [[zero; 2]; R];
        let per_mode = numbers.len() / self.modes;
        let scalars = if SHARED && R > 0 { 1 + 2 * R } else { 0 };
        let mut broadcast = &self.broadcast[..];
        for (numbers, z) in numbers.chunks_exact(per_mode).zip(state.as_chunks_mut::<2>().0) {
            let (own, rest) = broadcast.split_at(scalars);
            broadcast = rest;
            let (re, im) = (lanes.load(&z[0]), lanes.load(&z[1]));
            let (m_re, m_im) = (lanes.load(&numbers[0]), lanes.load(&numbers[1]));
            let mut new_re = lanes.less(m_im, im, lanes.fma(m_re, re, re));
            let mut new_im = lanes.fma(m_im, re, lanes.fma(m_re, im, im));
            if R == 0 {
                new_re = lanes.add(new_re, u);
            } else if SHARED {
                new_re = lanes.fma(lanes.splat(own[0]), u, new_re);
                for (w, p) in w.iter().zip(own[1..].as_chunks::<2>().0) {
                    new_re = lanes.less(lanes.splat(p[0]), *w, new_re);
                    new_im = lanes.less(lanes.splat(p[1]), *w, new_im);
                }
            } else {
                let own = &numbers[4 + 2 * R..];
                new_re = lanes.fma(lanes.load(&own[0]), u, new_re);
                for (w, p) in w.iter().zip(own[1..].as_chunks::<2>().0) {
                    new_re = lanes.less(lanes.load(&p[0]), *w, new_re);
                    new_im = lanes.less(lanes.load(&p[1]), *w, new_im);
                }
            }
            lanes.store(&mut z[0], new_re);
            lanes.store(&mut z[1], new_im);
            y[0] = lanes.fma(lanes.load(&numbers[2]), new_re, y[0]);
            y[1] = lanes.less(lanes.load(&numbers[3]), new_im, y[1]);
            for (next, f) in next.iter_mut().zip(numbers[4..].as_chunks::<2>().0) {
                next[0] = lanes.fma(lanes.load(&f[0]), new_re, next[0]);
                next[1] = lanes.less(lanes.load(&f[1]), new_im, next[1]);
            }
        }
        let mut fed_back = [zero; R];
        for (fed_back, next) in fed_back.iter_mut().zip(next) {
            *fed_back = lanes.add(next[0], next[1]);
        }
        (lanes.add(y[0], y[1]), fed_back)
    }
}
