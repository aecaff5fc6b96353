//! The spectrum of a DPLR kernel of rank 1 in one pass over the nodes, and its hand-made gradient (MATH.md §2 and §3).
//!
//! The two conjugate terms of a mode are taken as one fraction with real numerators, `p = 2 Re v` and `q = 2 Re v λ̄`:
//!
//! `v / (2i sin θ − λ cos θ) + v̄ / (2i sin θ − λ̄ cos θ) = (2i sin θ · p − cos θ · q) · u`,
//! `1 / u = |λ|² cos² θ − 4 sin² θ − 4i Re λ sin θ cos θ`
//!
//! so that one reciprocal serves all four products of a mode, and each of them costs four multiply-adds. At a pole the real part of
//! `1 / u` is a difference of two numbers that are nearly equal: it is computed from each number's high and low part, and is right to
//! the last digits in float32, too. With the sums ρ of the four products, of which `e^(iθ)` is left out,
//!
//! `K̂ = e^(iθ) (ρ00 − cos θ · ρ01 ρ10 / (1 + cos θ · ρ11))`
//!
//! is finished while they are in registers: nothing of the size of (products, channels, nodes) is stored, nor is it kept for the
//! gradient, which computes the sums again.

use super::real::Real;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use std::f64::consts::PI;
use std::sync::{Arc, Mutex, PoisonError};

/// Products of {B, P} with {C̃, P̄}, in this order: B C̃, B P̄, P C̃, P P̄.
pub(crate) const PRODUCTS: usize = 4;

/// Numbers of a mode: p of every product, q of every product, |λ|², Re λ.
pub(crate) const NUMBERS: usize = 2 * PRODUCTS + 2;

/// Nodes are padded to a multiple of this: whole vectors of any CPU.
const PADDING: usize = 16;

/// Vectors of nodes whose gradients are at hand while the modes pass: half of a first-level cache.
const TOGETHER: usize = 16;

/// Numbers in two parts: rounded, and what the rounding left.
#[derive(Debug)]
struct Split<T> {
    high: Vec<T>,
    low: Vec<T>,
}

/// Functions of the angle θ of every node.
#[derive(Debug)]
pub(crate) struct Angles<T> {
    nodes: usize,
    /// cos² θ.
    cos_square: Split<T>,
    /// −4 sin² θ.
    minus_sin_square: Split<T>,
    /// 4 sin θ cos θ.
    sin_cos: Vec<T>,
    /// 2 sin θ.
    twice_sin: Vec<T>,
    sin: Vec<T>,
    cos: Vec<T>,
}

impl<T: Real> Angles<T> {
    /// Those of a kernel of `seq_len`, each computed in float64.
    pub(crate) fn new(seq_len: usize) -> Self {
        let nodes = seq_len / 2 + 1;
        // Padding repeats the last node: finite, and ignored.
        let angle = |k: usize| PI * k.min(nodes - 1) as f64 / seq_len as f64;
        let wide = |f: &dyn Fn(f64, f64) -> f64| -> Vec<f64> {
            let at = |k: usize| {
                let (sin, cos) = angle(k).sin_cos();
                // cos(π/2) rounds to 6e-17, which a huge λ would notice.
                let is_nyquist = seq_len.is_multiple_of(2) && k >= nodes - 1;
                f(sin, if is_nyquist { 0.0 } else { cos })
            };
            (0..nodes.next_multiple_of(PADDING)).map(at).collect()
        };
        let rounded = |f: &dyn Fn(f64, f64) -> f64| wide(f).into_iter().map(T::of).collect();
        let split = |f: &dyn Fn(f64, f64) -> f64| {
            let (high, low) = wide(f).into_iter().map(in_two::<T>).unzip();
            Split { high, low }
        };
        Self {
            nodes,
            cos_square: split(&|_, cos| cos * cos),
            minus_sin_square: split(&|sin, _| -4.0 * sin * sin),
            sin_cos: rounded(&|sin, cos| 4.0 * sin * cos),
            twice_sin: rounded(&|sin, _| 2.0 * sin),
            sin: rounded(&|sin, _| sin),
            cos: rounded(&|_, cos| cos),
        }
    }

    /// Nodes of the kernel.
    pub(crate) fn nodes(&self) -> usize {
        self.nodes
    }
}

fn in_two<T: Real>(x: f64) -> (T, T) {
    let high = T::of(x);
    (high, T::of(x - high.wide()))
}

/// Lengths whose angles are remembered: the kernels of a model's tiers, and of a validation beside them.
const REMEMBERED: usize = 12;

/// Angles by length, those used last in front.
type Remembered<T> = Mutex<Vec<(usize, Arc<Angles<T>>)>>;

/// A precision whose angles are remembered from one kernel to the next.
pub(crate) trait Precise: Real {
    /// Where.
    fn remembered() -> &'static Remembered<Self>;

    /// The angles of a kernel of `seq_len`.
    fn angles(seq_len: usize) -> Arc<Angles<Self>> {
        let mut known = Self::remembered().lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().position(|(length, _)| *length == seq_len).map(|at| known.remove(at));
        let (_, angles) = found.unwrap_or_else(|| (seq_len, Arc::new(Angles::new(seq_len))));
        known.insert(0, (seq_len, Arc::clone(&angles)));
        known.truncate(REMEMBERED);
        angles
    }
}

impl Precise for f32 {
    fn remembered() -> &'static Remembered<Self> {
        static KNOWN: Remembered<f32> = Mutex::new(Vec::new());
        &KNOWN
    }
}

impl Precise for f64 {
    fn remembered() -> &'static Remembered<Self> {
        static KNOWN: Remembered<f64> = Mutex::new(Vec::new());
        &KNOWN
    }
}

/// One mode of one channel.
#[derive(Debug, Clone, Copy)]
struct Mode<T> {
    p: [T; PRODUCTS],
    q: [T; PRODUCTS],
    /// |λ|², in two parts.
    square: (T, T),
    /// Re λ.
    re: T,
}

impl<T: Real> Mode<T> {
    fn of(number: impl Fn(usize) -> f64) -> Self {
        Self {
            p: std::array::from_fn(|m| T::of(number(m))),
            q: std::array::from_fn(|m| T::of(number(PRODUCTS + m))),
            square: in_two(number(2 * PRODUCTS)),
            re: T::of(number(2 * PRODUCTS + 1)),
        }
    }
}

/// The modes of `row`, of `rows`, from `numbers` `(NUMBERS, rows, modes)`.
fn modes_of<T: Real>(numbers: &[f64], rows: usize, row: usize) -> Vec<Mode<T>> {
    let modes = numbers.len() / (NUMBERS * rows);
    (0..modes).map(|n| Mode::of(|number| numbers[(number * rows + row) * modes + n])).collect()
}

/// A complex number in each lane: re, im.
type Complex<T, S> = [<T as Real>::V<S>; 2];

/// The angles as vectors.
struct At<'a, T: Real, S: Simd> {
    cos_square: [&'a [T::V<S>]; 2],
    minus_sin_square: [&'a [T::V<S>]; 2],
    sin_cos: &'a [T::V<S>],
    twice_sin: &'a [T::V<S>],
    sin: &'a [T::V<S>],
    cos: &'a [T::V<S>],
}

/// Arithmetic on the vectors of one CPU.
#[derive(Clone, Copy)]
struct Lanes<T: Real, S: Simd> {
    simd: S,
    zero: T::V<S>,
    one: T::V<S>,
}

impl<T: Real, S: Simd> Lanes<T, S> {
    #[inline(always)]
    fn new(simd: S) -> Self {
        Self { simd, zero: T::all(simd, T::default()), one: T::all(simd, T::of(1.0)) }
    }

    #[inline(always)]
    fn minus(self, a: T::V<S>) -> T::V<S> {
        T::sub(self.simd, self.zero, a)
    }

    /// `a b`.
    #[inline(always)]
    fn times(self, a: Complex<T, S>, b: Complex<T, S>) -> Complex<T, S> {
        let s = self.simd;
        [
            T::less(s, a[1], b[1], T::mul(s, a[0], b[0])), //
            T::fma(s, a[0], b[1], T::mul(s, a[1], b[0])),
        ]
    }

    /// `a b̄`.
    #[inline(always)]
    fn times_conj(self, a: Complex<T, S>, b: Complex<T, S>) -> Complex<T, S> {
        let s = self.simd;
        [
            T::fma(s, a[1], b[1], T::mul(s, a[0], b[0])), //
            T::less(s, a[0], b[1], T::mul(s, a[1], b[0])),
        ]
    }

    /// The `u` of a mode at a vector of nodes.
    #[inline(always)]
    fn inverse(self, mode: &Mode<T>, at: &At<'_, T, S>, k: usize) -> Complex<T, S> {
        let s = self.simd;
        let (high, low) = (T::all(s, mode.square.0), T::all(s, mode.square.1));
        // |λ|² cos² θ − 4 sin² θ: the high parts cancel without rounding where they are close, and the rest is added after.
        let product = T::mul(s, high, at.cos_square[0][k]);
        let rounding = T::fma(s, high, at.cos_square[0][k], self.minus(product));
        let difference = T::add(s, product, at.minus_sin_square[0][k]);
        let rest = T::add(s, rounding, at.minus_sin_square[1][k]);
        let rest = T::fma(s, low, at.cos_square[0][k], rest);
        let rest = T::fma(s, high, at.cos_square[1][k], rest);
        let re = T::add(s, difference, rest);
        let minus_im = T::mul(s, T::all(s, mode.re), at.sin_cos[k]);
        let scale = T::div(s, self.one, T::fma(s, re, re, T::mul(s, minus_im, minus_im)));
        [T::mul(s, re, scale), T::mul(s, minus_im, scale)]
    }

    /// The four ρ at a vector of nodes.
    #[inline(always)]
    fn sums(self, modes: &[Mode<T>], at: &At<'_, T, S>, k: usize) -> [Complex<T, S>; PRODUCTS] {
        let s = self.simd;
        let mut of_p = [[self.zero; 2]; PRODUCTS]; // Σ p u
        let mut of_q = [[self.zero; 2]; PRODUCTS]; // Σ q u
        for mode in modes {
            let u = self.inverse(mode, at, k);
            for m in 0..PRODUCTS {
                let (p, q) = (T::all(s, mode.p[m]), T::all(s, mode.q[m]));
                for part in 0..2 {
                    of_p[m][part] = T::fma(s, p, u[part], of_p[m][part]);
                    of_q[m][part] = T::fma(s, q, u[part], of_q[m][part]);
                }
            }
        }
        let (twice_sin, cos) = (at.twice_sin[k], at.cos[k]);
        let mut sums = [[self.zero; 2]; PRODUCTS];
        for m in 0..PRODUCTS {
            // 2i sin θ Σ p u − cos θ Σ q u
            sums[m][0] = T::less(s, cos, of_q[m][0], self.minus(T::mul(s, twice_sin, of_p[m][1])));
            sums[m][1] = T::less(s, cos, of_q[m][1], T::mul(s, twice_sin, of_p[m][0]));
        }
        sums
    }

    /// `cos θ / (1 + cos θ ρ11)`.
    #[inline(always)]
    fn weight(self, rho11: Complex<T, S>, cos: T::V<S>) -> Complex<T, S> {
        let s = self.simd;
        let (re, im) = (T::fma(s, cos, rho11[0], self.one), T::mul(s, cos, rho11[1]));
        let scale = T::div(s, cos, T::fma(s, re, re, T::mul(s, im, im)));
        [T::mul(s, re, scale), self.minus(T::mul(s, im, scale))]
    }
}

impl<'a, T: Real, S: Simd> At<'a, T, S> {
    #[inline(always)]
    fn new(angles: &'a Angles<T>) -> Self {
        let both = |split: &'a Split<T>| [T::vectors::<S>(&split.high), T::vectors::<S>(&split.low)];
        Self {
            cos_square: both(&angles.cos_square),
            minus_sin_square: both(&angles.minus_sin_square),
            sin_cos: T::vectors::<S>(&angles.sin_cos),
            twice_sin: T::vectors::<S>(&angles.twice_sin),
            sin: T::vectors::<S>(&angles.sin),
            cos: T::vectors::<S>(&angles.cos),
        }
    }
}

struct Forward<'a, T> {
    modes: &'a [Mode<T>],
    angles: &'a Angles<T>,
    out: [&'a mut [T]; 2],
}

impl<T: Real> WithSimd for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (lanes, at) = (Lanes::<T, S>::new(simd), At::<T, S>::new(self.angles));
        let [re, im] = self.out.map(|part| T::vectors_mut::<S>(part));
        for k in 0..at.cos.len() {
            let [rho00, rho01, rho10, rho11] = lanes.sums(self.modes, &at, k);
            let away = lanes.times(lanes.weight(rho11, at.cos[k]), lanes.times(rho01, rho10));
            let left = [T::sub(simd, rho00[0], away[0]), T::sub(simd, rho00[1], away[1])];
            let turned = lanes.times(left, [at.cos[k], at.sin[k]]);
            (re[k], im[k]) = (turned[0], turned[1]);
        }
    }
}

/// The kernels' spectra `(rows, nodes, 2)` (re, im), from `numbers` `(NUMBERS, rows, modes)`; a row is a channel of an output.
pub(crate) fn forward<T: Precise>(numbers: &[f64], rows: usize, angles: &Angles<T>) -> Vec<T> {
    let mut spectra = vec![T::default(); rows * angles.nodes() * 2];
    let padded = angles.cos.len();
    spectra.par_chunks_exact_mut(angles.nodes() * 2).enumerate().for_each_init(
        || vec![T::default(); 2 * padded],
        |room, (row, spectrum)| {
            let modes = modes_of(numbers, rows, row);
            let (re, im) = room.split_at_mut(padded);
            pulp::Arch::new().dispatch(Forward { modes: &modes, angles, out: [&mut *re, &mut *im] });
            for ((pair, &re), &im) in spectrum.as_chunks_mut::<2>().0.iter_mut().zip(&*re).zip(&*im) {
                *pair = [re, im];
            }
        },
    );
    spectra
}

/// The gradient of one mode's numbers.
type ModeGradient = [f64; NUMBERS];

struct Backward<'a, T> {
    modes: &'a [Mode<T>],
    angles: &'a Angles<T>,
    /// Of the spectrum; zero in the padding.
    gradient: [&'a [T]; 2],
    out: &'a mut [ModeGradient],
}

impl<T: Real> WithSimd for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (lanes, at) = (Lanes::<T, S>::new(simd), At::<T, S>::new(self.angles));
        let gradient = self.gradient.map(|part| T::vectors::<S>(part));
        // Of Σ p u and of Σ q u of each product.
        let mut to_sums = [[[[lanes.zero; 2]; 2]; PRODUCTS]; TOGETHER];
        let vectors = at.cos.len();
        for first in (0..vectors).step_by(TOGETHER) {
            let to_sums = &mut to_sums[..TOGETHER.min(vectors - first)];
            for (k, to_sums) in (first..).zip(to_sums.iter_mut()) {
                let rho = lanes.sums(self.modes, &at, k);
                *to_sums = gradient_of_sums(lanes, rho, [gradient[0][k], gradient[1][k]], &at, k);
            }
            for (mode, out) in self.modes.iter().zip(self.out.iter_mut()) {
                add_gradient_of_mode(lanes, mode, &at, first, to_sums, out);
            }
        }
    }
}

/// Back through `K̂` and each ρ: of ρ, it is the conjugate of `∂K̂/∂ρ` times that of K̂.
#[inline(always)]
fn gradient_of_sums<T: Real, S: Simd>(
    lanes: Lanes<T, S>,
    [_, rho01, rho10, rho11]: [Complex<T, S>; PRODUCTS],
    gradient: Complex<T, S>,
    at: &At<'_, T, S>,
    k: usize,
) -> [[Complex<T, S>; 2]; PRODUCTS] {
    let s = lanes.simd;
    let weight = lanes.weight(rho11, at.cos[k]);
    let to_rho00 = lanes.times_conj(gradient, [at.cos[k], at.sin[k]]);
    let (by_rho10, by_rho01) = (lanes.times(weight, rho10), lanes.times(weight, rho01));
    let minus = |z: Complex<T, S>| [lanes.minus(z[0]), lanes.minus(z[1])];
    let to_rho = [
        to_rho00,
        minus(lanes.times_conj(to_rho00, by_rho10)),
        minus(lanes.times_conj(to_rho00, by_rho01)),
        lanes.times_conj(to_rho00, lanes.times(by_rho10, by_rho01)),
    ];
    let (twice_sin, cos) = (at.twice_sin[k], at.cos[k]);
    let mut to_sums = [[[lanes.zero; 2]; 2]; PRODUCTS];
    for m in 0..PRODUCTS {
        // Times the conjugates of 2i sin θ and of −cos θ.
        let [re, im] = to_rho[m];
        to_sums[m] = [
            [T::mul(s, twice_sin, im), lanes.minus(T::mul(s, twice_sin, re))],
            [lanes.minus(T::mul(s, cos, re)), lanes.minus(T::mul(s, cos, im))],
        ];
    }
    to_sums
}

/// Adds the share of some vectors of nodes, from number `first` on, to the gradient of a mode.
#[inline(always)]
fn add_gradient_of_mode<T: Real, S: Simd>(
    lanes: Lanes<T, S>,
    mode: &Mode<T>,
    at: &At<'_, T, S>,
    first: usize,
    to_sums: &[[[Complex<T, S>; 2]; PRODUCTS]],
    out: &mut ModeGradient,
) {
    let s = lanes.simd;
    let (mut to_p, mut to_q) = ([lanes.zero; PRODUCTS], [lanes.zero; PRODUCTS]);
    let (mut to_square, mut to_re) = (lanes.zero, lanes.zero);
    for (k, to_sums) in (first..).zip(to_sums) {
        let u = lanes.inverse(mode, at, k);
        let mut to_u = [lanes.zero; 2];
        for m in 0..PRODUCTS {
            let [of_p, of_q] = to_sums[m];
            to_p[m] = T::fma(s, u[0], of_p[0], T::fma(s, u[1], of_p[1], to_p[m]));
            to_q[m] = T::fma(s, u[0], of_q[0], T::fma(s, u[1], of_q[1], to_q[m]));
            let (p, q) = (T::all(s, mode.p[m]), T::all(s, mode.q[m]));
            for part in 0..2 {
                to_u[part] = T::fma(s, p, of_p[part], T::fma(s, q, of_q[part], to_u[part]));
            }
        }
        // ∂u/∂(1/u) = −u².
        let minus_inverse = lanes.times_conj(to_u, lanes.times(u, u));
        to_square = T::fma(s, at.cos_square[0][k], minus_inverse[0], to_square);
        to_re = T::fma(s, at.sin_cos[k], minus_inverse[1], to_re);
    }
    for m in 0..PRODUCTS {
        out[m] += T::total(s, to_p[m]);
        out[PRODUCTS + m] += T::total(s, to_q[m]);
    }
    out[2 * PRODUCTS] -= T::total(s, to_square);
    out[2 * PRODUCTS + 1] += T::total(s, to_re);
}

/// The gradient with respect to `numbers`, in their shape, from that of the spectra `(rows, nodes, 2)`: pairs of
/// (∂L/∂Re, ∂L/∂Im).
pub(crate) fn backward<T: Precise>(numbers: &[f64], rows: usize, angles: &Angles<T>, gradient: &[T]) -> Vec<f64> {
    let (padded, nodes) = (angles.cos.len(), angles.nodes());
    let gradients: Vec<Vec<ModeGradient>> = (0..rows)
        .into_par_iter()
        .map_init(
            || vec![T::default(); 2 * padded],
            |room, row| {
                let modes = modes_of(numbers, rows, row);
                let (re, im) = room.split_at_mut(padded);
                let pairs = gradient[row * nodes * 2..][..nodes * 2].as_chunks::<2>().0;
                for (&[from_re, from_im], (re, im)) in pairs.iter().zip(re.iter_mut().zip(&mut *im)) {
                    (*re, *im) = (from_re, from_im);
                }
                let mut out = vec![[0.0; NUMBERS]; modes.len()];
                pulp::Arch::new().dispatch(Backward { modes: &modes, angles, gradient: [&*re, &*im], out: &mut out });
                out
            },
        )
        .collect();
    let modes = numbers.len() / (NUMBERS * rows);
    let mut to_numbers = vec![0.0; numbers.len()];
    for (row, gradient) in gradients.iter().enumerate() {
        for (n, gradient) in gradient.iter().enumerate() {
            for (number, &share) in gradient.iter().enumerate() {
                to_numbers[(number * rows + row) * modes + n] = share;
            }
        }
    }
    to_numbers
}
