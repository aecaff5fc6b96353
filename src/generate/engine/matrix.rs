//! Linear maps, packed for multiplying without a sum across lanes: outputs lie in the lanes, inputs are broadcast.

use pulp::Simd;

use super::lanes::{Lanes, Line, WIDTH, Wide, lines_for};

/// Lines of outputs that are computed together in one pass over the inputs.
const TILE: usize = 4;

/// `y = W x + b`. Each output is summed over the inputs in their order, whatever the tiling: the result depends neither on how
/// many streams there are nor on the CPU's width.
#[derive(Debug)]
pub(super) struct Matrix {
    /// For each tile of outputs, then each input: the tile's lines.
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

impl Matrix {
    /// Packs `weight` `(outputs, inputs)` and `bias` `(outputs)`.
    pub(super) fn pack(weight: &[f32], bias: &[f32], inputs: Layout, outputs: Layout) -> Self {
        let width = inputs.groups * inputs.size;
        let (input_lines, output_lines) = (inputs.lines(), outputs.lines());
        let value = |output: usize, input: usize| match (outputs.entry(output), inputs.entry(input)) {
            (Some(output), Some(input)) => weight[output * width + input],
            _ => 0.0,
        };
        let mut weights = Vec::with_capacity(input_lines * WIDTH * output_lines);
        let mut first = 0;
        while first < output_lines {
            let tile = tile_of(output_lines - first);
            for input in 0..input_lines * WIDTH {
                for line in first..first + tile {
                    weights.push(Line(std::array::from_fn(|lane| value(line * WIDTH + lane, input))));
                }
            }
            first += tile;
        }
        let bias = (0..output_lines)
            .map(|line| {
                Line(std::array::from_fn(|lane| outputs.entry(line * WIDTH + lane).map_or(0.0, |entry| bias[entry])))
            })
            .collect();
        Self { weights, bias, input_lines }
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
        self.weights.len() * WIDTH
    }

    /// `x`: `(streams, input lines)`; `y`: `(streams, output lines)`.
    #[inline(always)]
    pub(super) fn multiply<S: Simd, const K: usize>(&self, lanes: Lanes<S, K>, x: &[Line], y: &mut [Line]) {
        let (outputs, mut first, mut weights) = (self.output_lines(), 0, &self.weights[..]);
        while first < outputs {
            let tile = tile_of(outputs - first);
            let (own, rest) = weights.split_at(tile * self.input_lines * WIDTH);
            let job = Job { weights: own, bias: &self.bias[first..first + tile], input_lines: self.input_lines, first };
            match tile {
                4 => job.run::<S, K, 4>(lanes, x, y, outputs),
                2 => job.run::<S, K, 2>(lanes, x, y, outputs),
                _ => job.run::<S, K, 1>(lanes, x, y, outputs),
            }
            (first, weights) = (first + tile, rest);
        }
    }
}

fn tile_of(left: usize) -> usize {
    if left >= TILE {
        TILE
    } else if left >= 2 {
        2
    } else {
        1
    }
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
    fn run<S: Simd, const K: usize, const T: usize>(
        &self,
        lanes: Lanes<S, K>,
        x: &[Line],
        y: &mut [Line],
        outputs: usize,
    ) {
        let mut rows = x.chunks_exact(self.input_lines);
        let mut out = y.chunks_exact_mut(outputs);
        // As many streams at once as the sums of a tile leave registers for.
        if K == 1 {
            while rows.len() >= 4 {
                let x = std::array::from_fn(|_| rows.next().unwrap_or_default());
                let sums = self.sums::<S, K, T, T, 4>(lanes, 0, x);
                self.write(lanes, sums, &mut out);
            }
        } else {
            while rows.len() >= 4 {
                let x: [&[Line]; 4] = std::array::from_fn(|_| rows.next().unwrap_or_default());
                let mut joined = [[lanes.splat(0.0); T]; 4];
                for line in 0..T {
                    let sums = self.sums::<S, K, T, 1, 4>(lanes, line, x);
                    for (joined, [sum]) in joined.iter_mut().zip(sums) {
                        joined[line] = sum;
                    }
                }
                self.write(lanes, joined, &mut out);
            }
        }
        for x in rows {
            let sums = self.sums::<S, K, T, T, 1>(lanes, 0, [x]);
            self.write(lanes, sums, &mut out);
        }
    }

    /// The sums of `N` of the tile's lines from `from`, for `B` streams.
    #[inline(always)]
    fn sums<S: Simd, const K: usize, const T: usize, const N: usize, const B: usize>(
        &self,
        lanes: Lanes<S, K>,
        from: usize,
        x: [&[Line]; B],
    ) -> [[Wide<S, K>; N]; B] {
        let bias: [Wide<S, K>; N] = std::array::from_fn(|n| lanes.load(&self.bias[from + n]));
        let mut sums = [bias; B];
        for (at, weights) in self.weights.as_chunks::<T>().0.as_chunks::<WIDTH>().0.iter().enumerate() {
            let x: [&Line; B] = std::array::from_fn(|b| &x[b][at]);
            for (lane, weights) in weights.iter().enumerate() {
                let weights: [Wide<S, K>; N] = std::array::from_fn(|n| lanes.load(&weights[from + n]));
                for (x, sums) in x.iter().zip(sums.iter_mut()) {
                    let x = lanes.splat(x.0[lane]);
                    for (sum, &weight) in sums.iter_mut().zip(&weights) {
                        *sum = lanes.fma(weight, x, *sum);
                    }
                }
            }
        }
        sums
    }

    #[inline(always)]
    fn write<'y, S: Simd, const K: usize, const N: usize, const B: usize>(
        &self,
        lanes: Lanes<S, K>,
        sums: [[Wide<S, K>; N]; B],
        out: &mut impl Iterator<Item = &'y mut [Line]>,
    ) {
        for (sums, row) in sums.into_iter().zip(out) {
            for (sum, line) in sums.into_iter().zip(&mut row[self.first..]) {
                lanes.store(line, sum);
            }
        }
    }
}
