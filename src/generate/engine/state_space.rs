//! A layer's state spaces, stepped: channels in the lanes, so that every sum over the state is a sum down a column.
//!
//! The step and its letters are those of [`StepFactors`]. `w` for the next sample is summed while this one's state is at hand, so
//! the state is read and written once a sample.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::lanes::{Lanes, Line, WIDTH, Wide, lines_for};
use super::matrix::share;
use crate::model::StepFactors;

/// States below this are set to zero once in a while: a decaying one would become denormal, which costs a hundred times as
/// much. Nothing at this size reaches a logit.
pub(super) const SMALLEST: f32 = 1e-30;

/// Samples between two such clean-ups.
pub(super) const CLEANING: u64 = 1024;

/// The numbers of a layer, or of a share of its channels, for every stream.
#[derive(Debug)]
pub(super) struct StateSpace {
    rank: usize,
    modes: usize,
    /// Which lines of the layer's channels.
    lines: Range<usize>,
    all_lines: usize,
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
    /// `(channel lines, groups of streams, modes, streams of the group)` of (re, im).
    state: Vec<Line>,
    /// `(channel lines, streams, rank)`: each w without the share of the next input.
    fed_back: Vec<Line>,
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

    /// The lines of a vector over the channels, of `stream` of `streams`: number `vector` of each mode's re and im, and then each w.
    pub(super) fn vector(
        &mut self,
        (modes, rank, vector): (usize, usize, usize),
        (stream, streams): (usize, usize),
    ) -> impl Iterator<Item = &mut Line> {
        let first = stream - stream % TOGETHER;
        let group = (streams - first).min(TOGETHER);
        let (mode, part) = (vector / 2, vector % 2);
        let (numbers, size, at) = if mode < modes {
            (&mut self.state, 2 * modes * streams, 2 * (modes * first + mode * group + stream - first) + part)
        } else {
            (&mut self.fed_back, rank * streams, stream * rank + vector - 2 * modes)
        };
        numbers.iter_mut().skip(at).step_by(size.max(1))
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

/// Streams whose states lie side by side, and that pass a mode's numbers together where registers allow.
const TOGETHER: usize = 4;

impl StateSpace {
    /// Narrows `factors` and the skip `d` `(channels)` to float32, for the channels of `part`, of two.
    pub(super) fn pack(factors: &StepFactors, d: &[f32], part: usize) -> Self {
        let StepFactors { channels, modes, rank, shared, .. } = *factors;
        let padded = padded_rank(rank);
        let shared = shared || rank == 0;
        let (all_lines, size) = (lines_for(channels), channels * modes);
        let lines = share(all_lines, part);
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
        for line in lines.clone() {
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
        Self { rank: padded, modes, lines, all_lines, shared, numbers, broadcast, direct }
    }

    /// Silence, for `streams` streams.
    pub(super) fn memory(&self, streams: usize) -> Memory {
        let rows = self.lines.len() * streams;
        Memory {
            state: vec![Line::ZERO; rows * self.modes * 2],
            fed_back: vec![Line::ZERO; rows * self.rank],
            steps: 0,
        }
    }

    /// Lines of its channels.
    pub(super) fn lines(&self) -> usize {
        self.lines.len()
    }

    /// Bytes of the numbers, which a step of any number of streams reads once.
    pub(super) fn bytes(&self) -> usize {
        (self.numbers.len() + self.direct.len()) * size_of::<Line>() + self.broadcast.len() * size_of::<f32>()
    }

    /// Multiply-adds for one sample of one stream, padding included.
    pub(super) fn multiply_adds(&self) -> usize {
        let each = if self.rank == 0 { 7 } else { 7 + 4 * self.rank };
        self.lines.len() * WIDTH * self.modes * each
    }

    /// One sample of every stream, then the skip and the GELU. `u`: `(streams, all channel lines)`; `out`: `(streams, own
    /// channel lines)`.
    #[inline(always)]
    pub(super) fn step<S: Simd, const K: usize>(
        &self,
        lanes: Lanes<S, K>,
        memory: &mut Memory,
        u: &[Line],
        out: &mut [Line],
    ) {
        lanes.0.vectorize(Step { space: self, lanes, memory, u, out });
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
        let streams = u.len() / self.all_lines;
        let mut states = &mut memory.state[..];
        let columns = self.numbers.chunks_exact(size).zip(self.direct.chunks_exact(1 + R));
        for (column, (numbers, direct)) in columns.enumerate() {
            let fed_back = &mut memory.fed_back[column * streams * R..][..streams * R];
            let mut sample = Sample { numbers, direct, u, out, fed_back, column, stream: 0 };
            // A column's numbers fit the first-level cache: all streams pass through them while they are there.
            while sample.stream < streams {
                let group = (streams - sample.stream).min(TOGETHER);
                let (own, rest) = std::mem::take(&mut states).split_at_mut(2 * group * self.modes);
                states = rest;
                match const { K == 1 && R <= 1 } {
                    true if group == TOGETHER => {
                        self.advance::<S, K, R, SHARED, TOGETHER>(lanes, &mut sample, own, 0, group);
                    }
                    _ => {
                        for member in 0..group {
                            self.advance::<S, K, R, SHARED, 1>(lanes, &mut sample, own, member, group);
                        }
                    }
                }
            }
        }
    }

    /// One sample of a column of `G` streams: those of a group of `group` from `member`.
    #[inline(always)]
    fn advance<S: Simd, const K: usize, const R: usize, const SHARED: bool, const G: usize>(
        &self,
        lanes: Lanes<S, K>,
        sample: &mut Sample<'_>,
        states: &mut [Line],
        member: usize,
        group: usize,
    ) {
        let first = sample.stream;
        let at: [usize; G] = std::array::from_fn(|g| (first + g) * self.all_lines + self.lines.start + sample.column);
        let u = at.map(|at| lanes.load(&sample.u[at]));
        let mut w = [[lanes.splat(0.0); R]; G];
        for (g, w) in w.iter_mut().enumerate() {
            let fed_back = &sample.fed_back[(first + g) * R..][..R];
            for ((w, k), fed_back) in w.iter_mut().zip(&sample.direct[1..]).zip(fed_back) {
                *w = lanes.fma(lanes.load(k), u[g], lanes.load(fed_back));
            }
        }
        let sums = self.pass::<S, K, R, SHARED, G>(lanes, sample.numbers, states, member, group, u, w);
        for (g, (y, next)) in sums.into_iter().enumerate() {
            for (fed_back, next) in sample.fed_back[(first + g) * R..][..R].iter_mut().zip(next) {
                lanes.store(fed_back, next);
            }
            let y = lanes.fma(lanes.load(&sample.direct[0]), u[g], y);
            let at = (first + g) * self.lines.len() + sample.column;
            lanes.store(&mut sample.out[at], lanes.gelu(y));
        }
        sample.stream += G;
    }

    /// One pass over the modes: for each stream the output without skip, and the sums fed back.
    #[expect(clippy::too_many_arguments, reason = "all are in registers")]
    #[inline(always)]
    fn pass<S: Simd, const K: usize, const R: usize, const SHARED: bool, const G: usize>(
        &self,
        lanes: Lanes<S, K>,
        numbers: &[Line],
        states: &mut [Line],
        member: usize,
        group: usize,
        u: [Wide<S, K>; G],
        w: [[Wide<S, K>; R]; G],
    ) -> [(Wide<S, K>, [Wide<S, K>; R]); G] {
        let zero = lanes.splat(0.0);
        // Real and imaginary shares apart: twice as many independent chains of additions.
        let mut y = [[zero; 2]; G];
        let mut next = [[[zero; 2]; R]; G];
        let per_mode = numbers.len() / self.modes;
        let scalars = if SHARED && R > 0 { 1 + 2 * R } else { 0 };
        let mut broadcast = &self.broadcast[..];
        for (numbers, states) in numbers.chunks_exact(per_mode).zip(states.chunks_exact_mut(2 * group)) {
            let (own, rest) = broadcast.split_at(scalars);
            broadcast = rest;
            let (m_re, m_im) = (lanes.load(&numbers[0]), lanes.load(&numbers[1]));
            let (c_re, c_im) = (lanes.load(&numbers[2]), lanes.load(&numbers[3]));
            for (g, z) in states[2 * member..][..2 * G].as_chunks_mut::<2>().0.iter_mut().enumerate() {
                let (re, im) = (lanes.load(&z[0]), lanes.load(&z[1]));
                let mut new_re = lanes.less(m_im, im, lanes.fma(m_re, re, re));
                let mut new_im = lanes.fma(m_im, re, lanes.fma(m_re, im, im));
                if R == 0 {
                    new_re = lanes.add(new_re, u[g]);
                } else if SHARED {
                    new_re = lanes.fma(lanes.splat(own[0]), u[g], new_re);
                    for (w, p) in w[g].iter().zip(own[1..].as_chunks::<2>().0) {
                        new_re = lanes.less(lanes.splat(p[0]), *w, new_re);
                        new_im = lanes.less(lanes.splat(p[1]), *w, new_im);
                    }
                } else {
                    let own = &numbers[4 + 2 * R..];
                    new_re = lanes.fma(lanes.load(&own[0]), u[g], new_re);
                    for (w, p) in w[g].iter().zip(own[1..].as_chunks::<2>().0) {
                        new_re = lanes.less(lanes.load(&p[0]), *w, new_re);
                        new_im = lanes.less(lanes.load(&p[1]), *w, new_im);
                    }
                }
                lanes.store(&mut z[0], new_re);
                lanes.store(&mut z[1], new_im);
                y[g][0] = lanes.fma(c_re, new_re, y[g][0]);
                y[g][1] = lanes.less(c_im, new_im, y[g][1]);
                for (next, f) in next[g].iter_mut().zip(numbers[4..].as_chunks::<2>().0) {
                    next[0] = lanes.fma(lanes.load(&f[0]), new_re, next[0]);
                    next[1] = lanes.less(lanes.load(&f[1]), new_im, next[1]);
                }
            }
        }
        let mut sums = [(zero, [zero; R]); G];
        for ((sum, y), next) in sums.iter_mut().zip(y).zip(next) {
            sum.0 = lanes.add(y[0], y[1]);
            for (sum, next) in sum.1.iter_mut().zip(next) {
                *sum = lanes.add(next[0], next[1]);
            }
        }
        sums
    }
}

/// A function of its own, compiled once for the whole step.
struct Step<'a, S, const K: usize> {
    space: &'a StateSpace,
    lanes: Lanes<S, K>,
    memory: &'a mut Memory,
    u: &'a [Line],
    out: &'a mut [Line],
}

impl<S: Simd, const K: usize> WithSimd for Step<'_, S, K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<Same: Simd>(self, _: Same) {
        let Self { space, lanes, memory, u, out } = self;
        match (space.rank, space.shared) {
            (0, _) => space.step_of::<S, K, 0, true>(lanes, memory, u, out),
            (1, true) => space.step_of::<S, K, 1, true>(lanes, memory, u, out),
            (1, false) => space.step_of::<S, K, 1, false>(lanes, memory, u, out),
            (2, true) => space.step_of::<S, K, 2, true>(lanes, memory, u, out),
            (2, false) => space.step_of::<S, K, 2, false>(lanes, memory, u, out),
            (_, true) => space.step_of::<S, K, MOST, true>(lanes, memory, u, out),
            (_, false) => space.step_of::<S, K, MOST, false>(lanes, memory, u, out),
        }
        memory.steps += 1;
        if memory.steps.is_multiple_of(CLEANING) {
            memory.clean();
        }
    }
}

/// One sample of a column: its numbers, what goes in and out, and the next stream.
struct Sample<'a> {
    numbers: &'a [Line],
    direct: &'a [Line],
    u: &'a [Line],
    out: &'a mut [Line],
    fed_back: &'a mut [Line],
    column: usize,
    stream: usize,
}
