//! The two norms of the field over the channels of one position.

use pulp::Simd;

use super::lanes::{Lanes, Line, lines_for, to_lines};

/// ε of the affine LayerNorm (PyTorch's default).
const EPSILON: f32 = 1e-5;

/// `(x − μ + shift) · weight / σ + bias`.
#[derive(Debug)]
pub(super) struct Norm {
    weight: Vec<Line>,
    bias: Vec<Line>,
    /// 1 for a channel, 0 for padding.
    mask: Vec<Line>,
    shift: f32,
    channels: f32,
    /// None for the scalar norm: a position whose channels are all equal then has σ = 1.
    epsilon: Option<f32>,
}

impl Norm {
    /// `(s/σ)(x − μ + m)`.
    pub(super) fn scalar(m: f32, s: f32, channels: usize) -> Self {
        let bias = vec![Line::ZERO; lines_for(channels)];
        Self { bias, shift: m, epsilon: None, ..Self::affine(&vec![s; channels], &vec![0.0; channels]) }
    }

    /// LayerNorm with a weight and a bias for each channel.
    pub(super) fn affine(weight: &[f32], bias: &[f32]) -> Self {
        Self {
            mask: to_lines(weight.iter().map(|_| 1.0)),
            weight: to_lines(weight.iter().copied()),
            bias: to_lines(bias.iter().copied()),
            shift: 0.0,
            channels: weight.len() as f32,
            epsilon: Some(EPSILON),
        }
    }

    /// Lines of a position.
    pub(super) fn lines(&self) -> usize {
        self.weight.len()
    }

    /// `x` and `out`: `(streams, lines)`.
    #[inline(always)]
    pub(super) fn apply<S: Simd, const K: usize>(&self, lanes: Lanes<S, K>, x: &[Line], out: &mut [Line]) {
        let size = self.weight.len();
        for (x, out) in x.chunks_exact(size).zip(out.chunks_exact_mut(size)) {
            self.apply_one(lanes, x, out);
        }
    }

    #[inline(always)]
    fn apply_one<S: Simd, const K: usize>(&self, lanes: Lanes<S, K>, x: &[Line], out: &mut [Line]) {
        // Measured from the first channel, so that equal channels deviate by exactly nothing, and large means cost no digits.
        let origin = lanes.splat(x[0].0[0]);
        let mut sum = lanes.splat(0.0);
        for ((x, mask), out) in x.iter().zip(&self.mask).zip(out.iter_mut()) {
            let deviation = lanes.mul(lanes.sub(lanes.load(x), origin), lanes.load(mask));
            sum = lanes.add(sum, deviation);
            lanes.store(out, deviation);
        }
        let mean = lanes.sum(sum) / self.channels;
        let mut sum = lanes.splat(0.0);
        for (out, mask) in out.iter().zip(&self.mask) {
            let deviation = lanes.less(lanes.splat(mean), lanes.load(mask), lanes.load(out));
            sum = lanes.fma(deviation, deviation, sum);
        }
        let variance = lanes.sum(sum) / self.channels;
        let deviation = match self.epsilon {
            Some(epsilon) => (variance + epsilon).sqrt(),
            None if variance == 0.0 => 1.0,
            None => variance.sqrt(),
        };
        let (scale, centre) = (lanes.splat(1.0 / deviation), lanes.splat(mean - self.shift));
        for ((out, weight), bias) in out.iter_mut().zip(&self.weight).zip(&self.bias) {
            let scaled = lanes.mul(scale, lanes.load(weight));
            let centred = lanes.sub(lanes.load(out), centre);
            lanes.store(out, lanes.fma(centred, scaled, lanes.load(bias)));
        }
    }
}
