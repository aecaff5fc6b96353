//! Exponentials and logarithms of a whole row at once, in float64, on the CPU's vectors.
//!
//! Every operation, fused multiply-adds included, is rounded once and in an order that does not depend on the width of the
//! vectors: every machine draws the same token from the same logits. Loops over lanes are short and apart, and whole lanes are
//! taken as arrays: that is what the compiler makes vectors of (docs/performance.md).

use std::f64::consts::{LN_2, LOG2_E};

/// Numbers that advance together.
const LANES: usize = 8;

type Lane = [f64; LANES];

/// `1.5 · 2⁵²`: added to a small number and taken away again, it rounds to the nearest integer.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// ln 2 in two parts, of which the first has a short mantissa.
const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// Below this `e^x` is not a normal number, and counts as zero.
const LEAST: f64 = -708.0;

/// `1/0!, 1/1!, …`: with `|r| ≤ ln 2 / 2`, what is left out is below 5e-18.
const EXP: [f64; 14] = {
    let mut coefficients = [1.0; 14];
    let mut at = 1;
    while at < 14 {
        coefficients[at] = coefficients[at - 1] / at as f64;
        at += 1;
    }
    coefficients
};

/// Terms of `2 artanh(s) = 2 (s + s³/3 + …)`; with `|s| ≤ 0.172`, what is left out is below 1e-17.
const TERMS: usize = 10;

#[inline(always)]
fn exp(x: &Lane) -> Lane {
    let (mut shifted, mut r) = ([0.0; LANES], [0.0; LANES]);
    for j in 0..LANES {
        let x = if x[j] < LEAST { LEAST } else { x[j] };
        shifted[j] = x * LOG2_E + ROUNDER;
        let n = shifted[j] - ROUNDER;
        r[j] = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    }
    let mut out = [EXP[13]; LANES];
    for &coefficient in EXP[..13].iter().rev() {
        for j in 0..LANES {
            out[j] = out[j].mul_add(r[j], coefficient);
        }
    }
    for j in 0..LANES {
        // The integer stands in the low bits of `shifted`: moved to the exponent, it is a power of two.
        let power = f64::from_bits((shifted[j].to_bits() << 52).wrapping_add(1.0_f64.to_bits()));
        out[j] = if x[j] < LEAST { 0.0 } else { out[j] * power };
    }
    out
}

/// Of positive normal numbers.
#[inline(always)]
fn ln(x: &Lane) -> Lane {
    let mut out = [0.0; LANES];
    for j in 0..LANES {
        let bits = x[j].to_bits();
        // From √½ to √2, by taking away the exponent of a number that is as far above √½.
        let above = bits.wrapping_sub(std::f64::consts::FRAC_1_SQRT_2.to_bits());
        let exponent = (above >> 52) as u32 as i32; // at most 2047 before, with its borrow after
        let exponent = (exponent << 20) >> 20; // twelve bits, with their sign
        let mantissa = f64::from_bits(bits.wrapping_sub(above & (0xfff_u64 << 52)));
        let s = (mantissa - 1.0) / (mantissa + 1.0);
        let square = s * s;
        let mut sum = 0.0_f64;
        for term in (0..TERMS).rev() {
            sum = sum.mul_add(square, 2.0 / (2 * term + 1) as f64);
        }
        out[j] = f64::from(exponent) * LN_2 + sum * s;
    }
    out
}

/// `shifted = logits − largest logit`, `exponentials = e^shifted`; returns their sum. None, with nothing changed, when no
/// distribution comes of the logits: one is not a number or positive infinity, or all are negative infinity.
pub(super) fn exponentials(logits: &[f32], shifted: &mut [f64], exponentials: &mut [f64]) -> Option<f64> {
    pulp::Arch::new().dispatch(Exponentials { logits, shifted, exponentials })
}

struct Exponentials<'a> {
    logits: &'a [f32],
    shifted: &'a mut [f64],
    exponentials: &'a mut [f64],
}

impl pulp::NullaryFnOnce for Exponentials<'_> {
    type Output = Option<f64>;

    #[inline(always)]
    fn call(self) -> Option<f64> {
        let largest = f64::from(largest(self.logits)?);
        let mut sums = [0.0; LANES];
        let (rows, rest) = self.logits.as_chunks::<LANES>();
        let (shifted, last_shifted) = self.shifted.as_chunks_mut::<LANES>();
        let (exponentials, last_exponentials) = self.exponentials.as_chunks_mut::<LANES>();
        for ((logits, shifted), exponentials) in rows.iter().zip(shifted).zip(exponentials) {
            (*shifted, *exponentials) = exponentials_of(logits, largest, &mut sums);
        }
        if !rest.is_empty() {
            let (shifted, exponentials) = exponentials_of(&padded(rest, f32::NEG_INFINITY), largest, &mut sums);
            last_shifted.copy_from_slice(&shifted[..rest.len()]);
            last_exponentials.copy_from_slice(&exponentials[..rest.len()]);
        }
        Some(sums.iter().sum())
    }
}

/// A row's end, filled up.
#[inline(always)]
fn padded<T: Copy>(rest: &[T], padding: T) -> [T; LANES] {
    let mut lane = [padding; LANES];
    lane[..rest.len()].copy_from_slice(rest);
    lane
}

#[inline(always)]
fn exponentials_of(logits: &[f32; LANES], largest: f64, sums: &mut Lane) -> (Lane, Lane) {
    let mut x = [0.0; LANES];
    for j in 0..LANES {
        x[j] = f64::from(logits[j]) - largest;
    }
    let e = exp(&x);
    for j in 0..LANES {
        sums[j] += e[j];
    }
    (x, e)
}

/// The largest of `logits`; none when one is not a number, or when the largest is infinite.
#[inline(always)]
fn largest(logits: &[f32]) -> Option<f32> {
    let (mut largest, mut odd) = ([f32::NEG_INFINITY; LANES], [false; LANES]);
    let (rows, rest) = logits.as_chunks::<LANES>();
    let last = padded(rest, f32::NEG_INFINITY);
    for logits in rows.iter().chain([&last]) {
        for j in 0..LANES {
            odd[j] |= logits[j].is_nan();
            largest[j] = if logits[j] > largest[j] { logits[j] } else { largest[j] };
        }
    }
    let largest = largest.into_iter().fold(f32::NEG_INFINITY, f32::max);
    (largest.is_finite() && !odd.contains(&true)).then_some(largest)
}

/// `e^(shifted / temperature)`.
pub(super) fn tempered(shifted: &[f64], temperature: f64, weights: &mut [f64]) {
    pulp::Arch::new().dispatch(Tempered { shifted, temperature, weights });
}

struct Tempered<'a> {
    shifted: &'a [f64],
    temperature: f64,
    weights: &'a mut [f64],
}

impl pulp::NullaryFnOnce for Tempered<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let (rows, rest) = self.shifted.as_chunks::<LANES>();
        let (weights, last_weights) = self.weights.as_chunks_mut::<LANES>();
        for (row, weights) in rows.iter().zip(weights) {
            *weights = exp_divided(row, self.temperature);
        }
        if !rest.is_empty() {
            let last = exp_divided(&padded(rest, f64::NEG_INFINITY), self.temperature);
            last_weights.copy_from_slice(&last[..rest.len()]);
        }
    }
}

#[inline(always)]
fn exp_divided(x: &Lane, by: f64) -> Lane {
    let mut divided = [0.0; LANES];
    for j in 0..LANES {
        divided[j] = x[j] / by;
    }
    exp(&divided)
}

/// `Σ −p ln(p + floor)` over `p = exponentials / sum`.
pub(super) fn entropy(exponentials: &[f64], sum: f64, floor: f64) -> f64 {
    pulp::Arch::new().dispatch(Entropy { exponentials, scale: 1.0 / sum, floor })
}

struct Entropy<'a> {
    exponentials: &'a [f64],
    scale: f64,
    floor: f64,
}

impl Entropy<'_> {
    #[inline(always)]
    fn add(&self, exponentials: &Lane, sums: &mut Lane) {
        let (mut p, mut floored) = ([0.0; LANES], [0.0; LANES]);
        for j in 0..LANES {
            p[j] = exponentials[j] * self.scale;
            floored[j] = p[j] + self.floor;
        }
        let logarithms = ln(&floored);
        for j in 0..LANES {
            sums[j] -= p[j] * logarithms[j];
        }
    }
}

impl pulp::NullaryFnOnce for Entropy<'_> {
    type Output = f64;

    #[inline(always)]
    fn call(self) -> f64 {
        let mut sums = [0.0; LANES];
        let (rows, rest) = self.exponentials.as_chunks::<LANES>();
        for row in rows {
            self.add(row, &mut sums);
        }
        if !rest.is_empty() {
            self.add(&padded(rest, 0.0), &mut sums);
        }
        sums.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_right_to_the_last_digits() {
        for step in 0..200_000 {
            let x = -f64::from(step) * 0.0036;
            let (found, exact) = (exp(&[x; LANES])[3], x.exp());
            let allowed = if x < LEAST { 1e-300 } else { 4e-16 * exact };
            assert!((found - exact).abs() <= allowed, "e^{x} is {exact:e}, not {found:e}");
        }
        assert_eq!(exp(&[f64::NEG_INFINITY; LANES]), [0.0; LANES]);
        assert_eq!(exp(&[0.0; LANES]), [1.0; LANES]);
    }

    #[test]
    fn logarithms_are_right_to_the_last_digits() {
        for step in 0..200_000 {
            let x = (-f64::from(step) * 1e-4).exp() * 1.37;
            let (found, exact) = (ln(&[x; LANES])[5], x.ln());
            assert!((found - exact).abs() <= 4e-16 * exact.abs().max(1.0), "ln {x} is {exact}, not {found}");
        }
        assert_eq!(ln(&[1.0; LANES]), [0.0; LANES]);
    }
}
