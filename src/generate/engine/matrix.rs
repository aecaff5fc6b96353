//! Linear maps, packed for multiplying without a sum across lanes: outputs lie in the lanes, inputs are broadcast.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::lanes::{Lanes, Line, WIDTH, Wide, lines_for};
use crate::generate::Precision;

/// Lines of outputs that are computed together in one pass over the inputs.
const TILE: usize = 8;

/// `y = W x + b`, or a share of it: some lines of the outputs, or some of the inputs. Each output is summed over the inputs in
/// their order, whatever the tiling: the result depends neither on how many streams there are nor on the CPU's width.
#[derive(Debug)]
pub(super) struct Matrix {
    precision: Precision,
    /// For each tile of outputs, then each input: the tile's lines. In bfloat16 a line holds those of two inputs, the first in
    /// the low halves of its numbers and the second in the high ones.
    weights: Vec<Line>,
    bias: Vec<Line>,
    input_lines: usize,
}

/// How the numbers of a vector lie in lines: `groups` of `size`, each padded to whole lines. Number `i` of group `g` is entry
/// `i · stride + g · step` of the vector that the weights were trained for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) groups: usize,
    pub(super) size: usize,
    pub(super) stride: usize,
    pub(super) step: usize,
}

impl Layout {
    /// One group in its own order.
    pub(super) fn plain(size: usize) -> Self {
        Self { groups: 1, size, stride: 1, step: 0 }
    }

    /// Groups one after another, as the halves of a gated map are.
    pub(super) fn halves(size: usize) -> Self {
        Self { groups: 2, size, stride: 1, step: size }
    }

    /// Phases of a pool: entry `channel · factor + phase`.
    pub(super) fn phases(size: usize, factor: usize) -> Self {
        Self { groups: factor, size, stride: factor, step: 1 }
    }

    pub(super) fn lines(self) -> usize {
        self.groups * lines_for(self.size)
    }

    /// Which entry is at `place`; none in the padding.
    fn entry(self, place: usize) -> Option<usize> {
        let padded = lines_for(self.size) * WIDTH;
        let (group, at) = (place / padded, place % padded);
        (at < self.size).then(|| at * self.stride + group * self.step)
    }
}

/// Some lines of a vector.
#[derive(Debug, Clone)]
pub(super) struct Side {
    layout: Layout,
    lines: Range<usize>,
}

impl Side {
    /// All of it.
    pub(super) fn all(layout: Layout) -> Self {
        Self { layout, lines: 0..layout.lines() }
    }

    /// The share of `part`, of two.
    pub(super) fn part(layout: Layout, part: usize) -> Self {
        Self { layout, lines: share(layout.lines(), part) }
    }

    fn numbers(&self) -> usize {
        self.lines.len() * WIDTH
    }

    fn entry(&self, place: usize) -> Option<usize> {
        self.layout.entry(self.lines.start * WIDTH + place)
    }
}

/// The lines that fall to `part` of two: the first has one more where their number is odd.
pub(super) fn share(lines: usize, part: usize) -> Range<usize> {
    let first = lines.div_ceil(2);
    if part == 0 { 0..first } else { first..lines }
}

impl Matrix {
    /// Packs what `outputs` take of `inputs`. `weight`: `(all outputs, all inputs)`; `bias`: `(all outputs)`, none for zeros.
    pub(super) fn pack(
        weight: &[f32],
        bias: Option<&[f32]>,
        inputs: &Side,
        outputs: &Side,
        precision: Precision,
    ) -> Self {
        let width = inputs.layout.groups * inputs.layout.size;
        let output_lines = outputs.lines.len();
        let value = |output: usize, input: usize| match (outputs.entry(output), inputs.entry(input)) {
            (Some(output), Some(input)) => weight[output * width + input],
            _ => 0.0,
        };
        let mut weights = Vec::with_capacity(inputs.numbers() * output_lines);
        let mut first = 0;
        while first < output_lines {
            let tile = first..first + tile_of(output_lines - first);
            let line = |line: usize, input: usize| Line(std::array::from_fn(|lane| value(line * WIDTH + lane, input)));
            match precision {
                Precision::F32 => {
                    weights.extend(
                        (0..inputs.numbers())
                            .flat_map(|input| tile.clone().map(move |at| (at, input)))
                            .map(|(at, input)| line(at, input)),
                    );
                }
                Precision::Bf16 => {
                    weights.extend(
                        (0..inputs.numbers() / 2)
                            .flat_map(|pair| tile.clone().map(move |at| (at, 2 * pair)))
                            .map(|(at, input)| Line::pair(&line(at, input), &line(at, input + 1))),
                    );
                }
            }
            first = tile.end;
        }
        let of = |place: usize| bias.zip(outputs.entry(place)).map_or(0.0, |(bias, entry)| bias[entry]);
        let bias = (0..output_lines).map(|line| Line(std::array::from_fn(|lane| of(line * WIDTH + lane)))).collect();
        Self { precision, weights, bias, input_lines: inputs.lines.len() }
    }

    pub(super) fn output_lines(&self) -> usize {
        self.bias.len()
    }

    /// Bytes of the weights, which a step of any number of streams reads once.
    pub(super) fn bytes(&self) -> usize {
        (self.weights.len() + self.bias.len()) * size_of::<Line>()
    }

    /// Multiply-adds for one vector, padding included.
    pub(super) fn multiply_adds(&self) -> usize {
        self.input_lines * WIDTH * self.bias.len() * WIDTH
    }

    /// `x`: `(streams, input lines)`; `y`: `(streams, output lines)`.
    #[inline(always)]
    pub(super) fn multiply<S: Simd, const K: usize>(&self, lanes: Lanes<S, K>, x: &[Line], y: &mut [Line]) {
        lanes.0.vectorize(Multiply { matrix: self, lanes, x, y });
    }

    /// With `P` inputs to a line of weights.
    #[inline(always)]
    fn multiply_of<S: Simd, const K: usize, const P: usize>(&self, lanes: Lanes<S, K>, x: &[Line], y: &mut [Line]) {
        let (outputs, mut first, mut weights) = (self.bias.len(), 0, &self.weights[..]);
        while first < outputs {
            let tile = tile_of(outputs - first);
            let (own, rest) = weights.split_at(tile * self.input_lines * WIDTH / P);
            let job = Job { weights: own, bias: &self.bias[first..first + tile], input_lines: self.input_lines, first };
            match tile {
                TILE => job.run::<S, K, P, TILE>(lanes, x, y, outputs),
                4 => job.run::<S, K, P, 4>(lanes, x, y, outputs),
                2 => job.run::<S, K, P, 2>(lanes, x, y, outputs),
                _ => job.run::<S, K, P, 1>(lanes, x, y, outputs),
            }
            (first, weights) = (first + tile, rest);
        }
    }
}

/// A function of its own, compiled once for the whole step.
struct Multiply<'a, S, const K: usize> {
    matrix: &'a Matrix,
    lanes: Lanes<S, K>,
    x: &'a [Line],
    y: &'a mut [Line],
}

impl<S: Simd, const K: usize> WithSimd for Multiply<'_, S, K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<Same: Simd>(self, _: Same) {
        let Self { matrix, lanes, x, y } = self;
        if matrix.bias.is_empty() {
            return;
        }
        if matrix.input_lines == 0 {
            y.chunks_exact_mut(matrix.bias.len()).for_each(|row| row.copy_from_slice(&matrix.bias));
            return;
        }
        match matrix.precision {
            Precision::F32 => matrix.multiply_of::<S, K, 1>(lanes, x, y),
            Precision::Bf16 => matrix.multiply_of::<S, K, 2>(lanes, x, y),
        }
    }
}

/// The next tile where `left` lines are left: a power of two.
fn tile_of(left: usize) -> usize {
    if left >= TILE { TILE } else { 1 << left.ilog2() }
}

/// One tile of outputs, for all streams.
struct Job<'a> {
    weights: &'a [Line],
    bias: &'a [Line],
    input_lines: usize,
    first: usize,
}

impl Job<'_> {
    #[inline(always)]
    fn run<S: Simd, const K: usize, const P: usize, const T: usize>(
        &self,
        lanes: Lanes<S, K>,
        x: &[Line],
        y: &mut [Line],
        outputs: usize,
    ) {
        let mut rows = x.chunks_exact(self.input_lines);
        let mut out = y.chunks_exact_mut(outputs);
        // As many streams and lines at once as there are registers for their sums: 32 where a line fills one, else 16.
        while rows.len() >= 4 {
            let x = std::array::from_fn(|_| rows.next().unwrap_or_default());
            let out = std::array::from_fn(|_| out.next().unwrap_or_default());
            match const {
                if K > 1 {
                    1
                } else if T > 4 {
                    4
                } else {
                    T
                }
            } {
                1 => self.lines::<S, K, P, T, 1, 4>(lanes, x, out),
                2 => self.lines::<S, K, P, T, 2, 4>(lanes, x, out),
                _ => self.lines::<S, K, P, T, 4, 4>(lanes, x, out),
            }
        }
        for (x, out) in rows.zip(out) {
            match const {
                if K == 2 && T > 4 {
                    4
                } else if K > 2 {
                    1
                } else {
                    T
                }
            } {
                1 => self.lines::<S, K, P, T, 1, 1>(lanes, [x], [out]),
                4 => self.lines::<S, K, P, T, 4, 1>(lanes, [x], [out]),
                _ => self.lines::<S, K, P, T, T, 1>(lanes, [x], [out]),
            }
        }
    }

    /// The tile's `T` lines for `B` streams, `N` lines at a time.
    #[inline(always)]
    fn lines<S: Simd, const K: usize, const P: usize, const T: usize, const N: usize, const B: usize>(
        &self,
        lanes: Lanes<S, K>,
        x: [&[Line]; B],
        out: [&mut [Line]; B],
    ) {
        let tiles = self.weights.as_chunks::<T>().0;
        for from in (0..T).step_by(N) {
            // Indices and no iterators over values: an array that is moved is one that leaves its registers.
            let mut sums = [[lanes.splat(0.0); N]; B];
            for sums in &mut sums {
                for (sum, bias) in sums.iter_mut().zip(&self.bias[from..]) {
                    *sum = lanes.load(bias);
                }
            }
            for at in 0..self.input_lines {
                let x: [&Line; B] = std::array::from_fn(|b| &x[b][at]);
                for (pair, weights) in tiles[at * (WIDTH / P)..][..WIDTH / P].iter().enumerate() {
                    for half in 0..P {
                        let x: [Wide<S, K>; B] = std::array::from_fn(|b| lanes.splat(x[b].0[pair * P + half]));
                        for n in 0..N {
                            let weight = lanes.load(&weights[from + n]);
                            let weight = match (P, half) {
                                (1, _) => weight,
                                (_, 0) => lanes.low(weight),
                                _ => lanes.high(weight),
                            };
                            for b in 0..B {
                                sums[b][n] = lanes.fma(weight, x[b], sums[b][n]);
                            }
                        }
                    }
                }
            }
            for b in 0..B {
                for n in 0..N {
                    lanes.store(&mut out[b][self.first + from + n], sums[b][n]);
                }
            }
        }
    }
}
