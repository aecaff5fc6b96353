//! Sixteen numbers at a time: the engine's unit of storage, and its arithmetic on whatever vectors the CPU has.

use pulp::Simd;

/// Numbers in a line: a cache line, and the widest vector of any CPU that is dispatched to.
pub(super) const WIDTH: usize = 16;

/// Sixteen channels of something, side by side in one cache line.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [f32; WIDTH]);

impl Line {
    pub(super) const ZERO: Self = Self([0.0; WIDTH]);

    /// Two lines in bfloat16, rounded to nearest: `low` in the low halves of the numbers, `high` in the high ones.
    pub(super) fn pair(low: &Self, high: &Self) -> Self {
        Self(std::array::from_fn(|lane| f32::from_bits(bfloat16(low.0[lane]) >> 16 | bfloat16(high.0[lane]))))
    }
}

/// `number` rounded to the nearest with an upper half alone, ties to even, as bits; what is not a number stays none.
pub(super) fn bfloat16(number: f32) -> u32 {
    const HIGH: u32 = 0xffff_0000;
    let bits = number.to_bits();
    if number.is_nan() {
        return (bits | 1 << 22) & HIGH;
    }
    // No overflow: the largest of those that are no NaN is infinity, whose lower half is zero.
    (bits + (0x7fff + (bits >> 16 & 1))) & HIGH
}

/// Lines that hold `count` numbers.
pub(super) fn lines_for(count: usize) -> usize {
    count.div_ceil(WIDTH)
}

/// Numbers as lines, the last one padded with zeros.
pub(super) fn to_lines(numbers: impl IntoIterator<Item = f32>) -> Vec<Line> {
    let mut lines = Vec::new();
    for (at, number) in numbers.into_iter().enumerate() {
        if at % WIDTH == 0 {
            lines.push(Line::ZERO);
        }
        if let Some(line) = lines.last_mut() {
            line.0[at % WIDTH] = number;
        }
    }
    lines
}

/// A line in registers: `K` vectors of the CPU's own width.
pub(super) type Wide<S, const K: usize> = [<S as Simd>::f32s; K];

/// Arithmetic on lines, `K` vectors of `S` each: `K · S::F32_LANES = WIDTH`.
///
/// Everything is inlined into the one dispatched function, which alone is compiled for the CPU's instructions.
#[derive(Clone, Copy)]
pub(super) struct Lanes<S, const K: usize>(pub(super) S);

/// What makes a [`Wide`] of a line; checked when the code is compiled for each CPU.
const WHOLE: &str = "K vectors fill a line";

/// `1.5 · 2²³`: added to a number below 2²² and taken away again, it rounds to the nearest integer.
const ROUNDER: f32 = 12_582_912.0;

/// ln 2 in two parts, of which the first has a short mantissa (Cody and Waite).
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

/// `e^r` for `|r| ≤ ln 2 / 2`: Taylor to the sixth power, 1.2e-7 at the ends.
const EXP: [f32; 7] = [1.0, 1.0, 0.5, 1.0 / 6.0, 1.0 / 24.0, 1.0 / 120.0, 1.0 / 720.0];

/// `erf(x) = x P(x²) / Q(x²)` for `|x| ≤ 4`, fitted for this engine: 2.5e-8 of the value before rounding.
const ERF_P: [f32; 6] =
    [std::f32::consts::FRAC_2_SQRT_PI, 0.193_520_49, 0.053_098_24, 0.003_882_182_4, 0.000_284_522_45, 1.986_770_3e-6];
const ERF_Q: [f32; 6] = [1.0, 0.504_835_6, 0.115_339_6, 0.015_204_99, 0.001_185_254, 3.741_771_6e-5];

impl<S: Simd, const K: usize> Lanes<S, K> {
    #[inline(always)]
    pub(super) fn load(self, line: &Line) -> Wide<S, K> {
        let (vectors, _) = S::as_simd_f32s(&line.0);
        *vectors.first_chunk().expect(WHOLE)
    }

    #[inline(always)]
    pub(super) fn store(self, line: &mut Line, value: Wide<S, K>) {
        let (vectors, _) = S::as_mut_simd_f32s(&mut line.0);
        *vectors.first_chunk_mut().expect(WHOLE) = value;
    }

    #[inline(always)]
    pub(super) fn splat(self, value: f32) -> Wide<S, K> {
        [self.0.splat_f32s(value); K]
    }

    #[inline(always)]
    fn map2(self, a: Wide<S, K>, b: Wide<S, K>, f: impl Fn(S::f32s, S::f32s) -> S::f32s) -> Wide<S, K> {
        let mut out = a;
        for (out, b) in out.iter_mut().zip(b) {
            *out = f(*out, b);
        }
        out
    }

    #[inline(always)]
    pub(super) fn add(self, a: Wide<S, K>, b: Wide<S, K>) -> Wide<S, K> {
        self.map2(a, b, |a, b| self.0.add_f32s(a, b))
    }

    #[inline(always)]
    pub(super) fn sub(self, a: Wide<S, K>, b: Wide<S, K>) -> Wide<S, K> {
        self.map2(a, b, |a, b| self.0.sub_f32s(a, b))
    }

    #[inline(always)]
    pub(super) fn mul(self, a: Wide<S, K>, b: Wide<S, K>) -> Wide<S, K> {
        self.map2(a, b, |a, b| self.0.mul_f32s(a, b))
    }

    #[inline(always)]
    fn div(self, a: Wide<S, K>, b: Wide<S, K>) -> Wide<S, K> {
        self.map2(a, b, |a, b| self.0.div_f32s(a, b))
    }

    #[inline(always)]
    fn clamp(self, a: Wide<S, K>, low: f32, high: f32) -> Wide<S, K> {
        let (low, high) = (self.0.splat_f32s(low), self.0.splat_f32s(high));
        let mut out = a;
        for out in &mut out {
            *out = self.0.max_f32s(self.0.min_f32s(*out, high), low);
        }
        out
    }

    /// `a b + c`, with one rounding where the CPU can.
    #[inline(always)]
    pub(super) fn fma(self, a: Wide<S, K>, b: Wide<S, K>, c: Wide<S, K>) -> Wide<S, K> {
        let mut out = c;
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            *out = self.0.mul_add_e_f32s(a, b, *out);
        }
        out
    }

    /// `c − a b`.
    #[inline(always)]
    pub(super) fn less(self, a: Wide<S, K>, b: Wide<S, K>, c: Wide<S, K>) -> Wide<S, K> {
        let mut out = c;
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            *out = self.0.negate_mul_add_e_f32s(a, b, *out);
        }
        out
    }

    /// The first line of a [pair](Line::pair), as float32.
    #[inline(always)]
    pub(super) fn low(self, pair: Wide<S, K>) -> Wide<S, K> {
        let by = self.0.splat_u32s(16);
        let mut out = pair;
        for out in &mut out {
            let bits = self.0.wrapping_dyn_shl_u32s(self.0.transmute_u32s_f32s(*out), by);
            *out = self.0.transmute_f32s_u32s(bits);
        }
        out
    }

    /// The second.
    #[inline(always)]
    pub(super) fn high(self, pair: Wide<S, K>) -> Wide<S, K> {
        let mask = self.0.splat_u32s(0xffff_0000);
        let mut out = pair;
        for out in &mut out {
            let bits = self.0.and_u32s(self.0.transmute_u32s_f32s(*out), mask);
            *out = self.0.transmute_f32s_u32s(bits);
        }
        out
    }

    /// The sum of a line, pairwise, in the same order on every CPU.
    #[inline(always)]
    pub(super) fn sum(self, a: Wide<S, K>) -> f32 {
        let mut line = Line::ZERO;
        self.store(&mut line, a);
        let numbers = &mut line.0;
        let mut half = WIDTH / 2;
        while half > 0 {
            for i in 0..half {
                numbers[i] += numbers[i + half];
            }
            half /= 2;
        }
        numbers[0]
    }

    /// `Σ coefficients[i] xⁱ`.
    #[inline(always)]
    fn polynomial<const N: usize>(self, x: Wide<S, K>, coefficients: [f32; N]) -> Wide<S, K> {
        let mut sum = self.splat(coefficients[N - 1]);
        for &coefficient in coefficients[..N - 1].iter().rev() {
            sum = self.fma(sum, x, self.splat(coefficient));
        }
        sum
    }

    /// `e^x`, within 3e-7 of the value for `|x| ≤ 87`; beyond, as at the ends.
    #[inline(always)]
    fn exp(self, x: Wide<S, K>) -> Wide<S, K> {
        let x = self.clamp(x, -87.0, 87.0);
        let shifted = self.fma(x, self.splat(std::f32::consts::LOG2_E), self.splat(ROUNDER));
        let n = self.sub(shifted, self.splat(ROUNDER));
        let r = self.less(n, self.splat(LN_2[0]), x);
        let r = self.less(n, self.splat(LN_2[1]), r);
        // The integer stands in the low bits of `shifted`: moved to the exponent, it is a power of two.
        let (one, by) = (self.0.splat_u32s(1.0_f32.to_bits()), self.0.splat_u32s(23));
        let mut power = shifted;
        for power in &mut power {
            let bits = self.0.wrapping_dyn_shl_u32s(self.0.transmute_u32s_f32s(*power), by);
            *power = self.0.transmute_f32s_u32s(self.0.add_u32s(bits, one));
        }
        self.mul(self.polynomial(r, EXP), power)
    }

    /// `a / (1 + e^−b)`: a gated by b. Within 2e-7 for an `a` of 1.
    #[inline(always)]
    pub(super) fn gate(self, a: Wide<S, K>, b: Wide<S, K>) -> Wide<S, K> {
        let negative = self.sub(self.splat(0.0), b);
        // 0 b: nothing, unless b is no number, which the clamp in `exp` would hide.
        let exp = self.fma(b, self.splat(0.0), self.exp(negative));
        self.div(a, self.add(exp, self.splat(1.0)))
    }

    /// The exact GELU, `x Φ(x) = x (1 + erf(x / √2)) / 2`, within 2e-7 of the larger of `|x|` and 1.
    #[inline(always)]
    pub(super) fn gelu(self, x: Wide<S, K>) -> Wide<S, K> {
        let root = self.clamp(self.mul(x, self.splat(std::f32::consts::FRAC_1_SQRT_2)), -4.0, 4.0);
        let square = self.mul(root, root);
        let p = self.mul(root, self.polynomial(square, ERF_P));
        let erf = self.div(p, self.polynomial(square, ERF_Q));
        let half = self.mul(x, self.splat(0.5));
        self.fma(half, erf, half)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both activations of a line: (GELU of x, 1 gated by x).
    struct Activate(Line);

    impl pulp::WithSimd for Activate {
        type Output = (Line, Line);

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> (Line, Line) {
            match const { WIDTH / S::F32_LANES } {
                1 => self.both(Lanes::<S, 1>(simd)),
                2 => self.both(Lanes::<S, 2>(simd)),
                4 => self.both(Lanes::<S, 4>(simd)),
                _ => self.both(Lanes::<S, WIDTH>(simd)),
            }
        }
    }

    impl Activate {
        #[inline(always)]
        fn both<S: Simd, const K: usize>(self, lanes: Lanes<S, K>) -> (Line, Line) {
            let (mut gelu, mut gate) = (Line::ZERO, Line::ZERO);
            let x = lanes.load(&self.0);
            lanes.store(&mut gelu, lanes.gelu(x));
            lanes.store(&mut gate, lanes.gate(lanes.splat(1.0), x));
            (gelu, gate)
        }
    }

    /// By the series `2/√π e^(−x²) Σ 2ⁿ x^(2n+1) / (2n+1)!!`, whose terms are all positive.
    fn erf(x: f64) -> f64 {
        let (mut term, mut sum) = (x, 0.0);
        for n in 0..400 {
            sum += term;
            term *= 2.0 * x * x / f64::from(2 * n + 3);
        }
        std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
    }

    #[test]
    fn the_activations_hold_what_their_docs_say() {
        let (mut worst_gelu, mut worst_gate) = (0.0_f64, 0.0_f64);
        for step in -1600..1600 {
            let line = Line(std::array::from_fn(|lane| step as f32 * 0.01 + lane as f32 * 0.000_61));
            let (gelu, gate) = pulp::Arch::new().dispatch(Activate(line));
            for lane in 0..WIDTH {
                let x = f64::from(line.0[lane]);
                let exact = 0.5 * x * (1.0 + erf(x / 2.0_f64.sqrt()));
                worst_gelu = worst_gelu.max((f64::from(gelu.0[lane]) - exact).abs() / x.abs().max(1.0));
                worst_gate = worst_gate.max((f64::from(gate.0[lane]) - 1.0 / (1.0 + (-x).exp())).abs());
            }
        }
        assert!(worst_gelu < 2e-7, "GELU is off by {worst_gelu:e}");
        assert!(worst_gate < 2e-7, "the gate is off by {worst_gate:e}");
    }
}
