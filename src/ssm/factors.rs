//! The recurrence of a layer as plain numbers, in the fewest operations: what an engine without libtorch steps.
//!
//! The DPLR step of MATH.md §1, `y = E x − s P + 2 u B`, `q = 2 Re Σ R y`, `x ← D (y − q P)`, is linear in x and u, so `s` and
//! `q` can be had before `y`: with `1 + D E = (4/Δ) D` their sum is `w = (4/Δ) 2 Re Σ R x + u 2 Re Σ 2 R B`, and
//!
//! `x ← D E x − w D P + 2 u D B`.
//!
//! In the state `z = x / (D ψ)`, with `ψ` the phase of B, the two input vectors no longer depend on Δ (all channels of a shared
//! system have the same) and that of u is real:
//!
//! `z ← z + m z + u b − Σ_r w_r p_r`,  `w_r = Re Σ f_r z + u k_r` (of the z before),  `output = Re Σ c z` (of the z after).
//!
//! 11 multiply-adds for each complex number of a rank 1, where the form of the paper takes 20. `m = D E − 1 = 2 A D` is kept in
//! place of `D E`: a slow mode's `D E` is near 1, and float32 would round away what it forgets in a sample.

#![expect(clippy::needless_range_loop, reason = "rows and columns of several matrices advance together")]

/// A system in continuous time and its plain output vector C, as numbers.
#[derive(Debug)]
pub(crate) struct System {
    /// Step Δ, `(channels)`.
    pub(crate) dt: Vec<f64>,
    /// Diagonal, `(channels, modes)`.
    pub(crate) lambda: Vec<[f64; 2]>,
    /// Input vector, `(channels, modes)`.
    pub(crate) b: Vec<[f64; 2]>,
    /// Output vector, `(channels, modes)`.
    pub(crate) c: Vec<[f64; 2]>,
    /// Correction, `(rank, channels, modes)`.
    pub(crate) p: Vec<[f64; 2]>,
}

/// The numbers of the step above, in float64. Rank 0 is a diagonal system, whose `b` is 1.
#[derive(Debug, Clone, PartialEq)]
pub struct StepFactors {
    /// Channels.
    pub channels: usize,
    /// The kept half of the state.
    pub modes: usize,
    /// Terms of the correction.
    pub rank: usize,
    /// Whether `b` and `p` are the same for every channel.
    pub shared: bool,
    /// `(channels, modes)`, complex.
    pub m: Vec<[f64; 2]>,
    /// `(channels, modes)`, complex, with the 2 of "2 Re".
    pub c: Vec<[f64; 2]>,
    /// `(channels, modes)`, real.
    pub b: Vec<f64>,
    /// `(rank, channels, modes)`, complex.
    pub p: Vec<[f64; 2]>,
    /// `(rank, channels, modes)`, complex, with the 2 of "2 Re".
    pub f: Vec<[f64; 2]>,
    /// `(rank, channels)`, real.
    pub k: Vec<f64>,
}

type Complex = [f64; 2];

fn times(a: Complex, b: Complex) -> Complex {
    [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
}

fn scaled(a: Complex, by: f64) -> Complex {
    [a[0] * by, a[1] * by]
}

fn conjugate(a: Complex) -> Complex {
    [a[0], -a[1]]
}

fn reciprocal(a: Complex) -> Complex {
    scaled(conjugate(a), 1.0 / (a[0] * a[0] + a[1] * a[1]))
}

/// The phase of a number; 1 for zero.
fn phase(a: Complex) -> Complex {
    let size = a[0].hypot(a[1]);
    if size > 0.0 { scaled(a, 1.0 / size) } else { [1.0, 0.0] }
}

/// `2 Re Σ a b`.
fn twice_real(a: &[Complex], b: &[Complex]) -> f64 {
    2.0 * a.iter().zip(b).map(|(&a, &b)| times(a, b)[0]).sum::<f64>()
}

impl StepFactors {
    /// The bilinear step of a DPLR system. `shared`: `lambda`, `b` and `p` are those of one system for every channel.
    pub(crate) fn dplr(system: &System, shared: bool) -> Self {
        let channels = system.dt.len();
        let modes = system.lambda.len() / channels.max(1);
        let rank = system.p.len() / (channels * modes).max(1);
        let mut made = Self {
            channels,
            modes,
            rank,
            shared,
            m: Vec::with_capacity(channels * modes),
            c: Vec::with_capacity(channels * modes),
            b: Vec::with_capacity(channels * modes),
            p: vec![[0.0; 2]; rank * channels * modes],
            f: vec![[0.0; 2]; rank * channels * modes],
            k: vec![0.0; rank * channels],
        };
        for channel in 0..channels {
            made.add_channel(system, channel);
        }
        made
    }

    fn add_channel(&mut self, system: &System, channel: usize) {
        let (modes, rank) = (self.modes, self.rank);
        let own = channel * modes..(channel + 1) * modes;
        let rate = 2.0 / system.dt[channel];
        let (lambda, b, c) = (&system.lambda[own.clone()], &system.b[own.clone()], &system.c[own]);
        let d: Vec<Complex> = lambda.iter().map(|l| reciprocal([rate - l[0], -l[1]])).collect();
        let at = |r: usize, n: usize| (r * self.channels + channel) * modes + n;
        let p = |r: usize| &system.p[at(r, 0)..at(r, 0) + modes];
        let qd: Vec<Vec<Complex>> =
            (0..rank).map(|r| p(r).iter().zip(&d).map(|(&p, &d)| times(conjugate(p), d)).collect()).collect();
        // I + G, G_ij = 2 Re Σ Q_i D P_j; real, because the state comes in conjugate pairs.
        let mixed = (0..rank)
            .map(|i| (0..rank).map(|j| f64::from(u8::from(i == j)) + twice_real(&qd[i], p(j))).collect())
            .collect();
        let inverse = inverse(mixed);
        let b2: Vec<Complex> = b.iter().map(|&b| scaled(b, 2.0)).collect();
        for i in 0..rank {
            let r: Vec<Complex> = (0..modes)
                .map(|n| {
                    (0..rank).fold([0.0; 2], |sum, j| {
                        let term = scaled(qd[j][n], inverse[i][j]);
                        [sum[0] + term[0], sum[1] + term[1]]
                    })
                })
                .collect();
            self.k[i * self.channels + channel] = twice_real(&r, &b2);
            for n in 0..modes {
                let turn = phase(b2[n]);
                self.f[at(i, n)] = scaled(times(times(r[n], d[n]), turn), 4.0 * rate);
                self.p[at(i, n)] = times(p(i)[n], conjugate(turn));
            }
        }
        for n in 0..modes {
            self.m.push(scaled(times(lambda[n], d[n]), 2.0));
            self.c.push(scaled(times(times(c[n], d[n]), phase(b2[n])), 2.0));
            self.b.push(b2[n][0].hypot(b2[n][1]));
        }
    }

    /// The step of a diagonal system from its discrete form, each `(channels, modes)`: in the state `x / B̄`, of which `b` is 1.
    pub(crate) fn diagonal(a_bar_less_one: Vec<[f64; 2]>, b_bar: &[[f64; 2]], c: &[[f64; 2]], channels: usize) -> Self {
        Self {
            channels,
            modes: a_bar_less_one.len() / channels.max(1),
            rank: 0,
            shared: true,
            c: c.iter().zip(b_bar).map(|(&c, &b)| scaled(times(c, b), 2.0)).collect(),
            b: vec![1.0; a_bar_less_one.len()],
            m: a_bar_less_one,
            p: Vec::new(),
            f: Vec::new(),
            k: Vec::new(),
        }
    }
}

/// The inverse of a small real matrix, by Gauss and Jordan with the largest pivot of each column.
fn inverse(mut a: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let n = a.len();
    let mut out: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    for column in 0..n {
        let largest = (column..n).max_by(|&i, &j| a[i][column].abs().total_cmp(&a[j][column].abs()));
        let pivot = largest.unwrap_or(column);
        a.swap(column, pivot);
        out.swap(column, pivot);
        let scale = 1.0 / a[column][column];
        for j in 0..n {
            a[column][j] *= scale;
            out[column][j] *= scale;
        }
        for i in (0..n).filter(|&i| i != column) {
            let factor = a[i][column];
            for j in 0..n {
                a[i][j] -= factor * a[column][j];
                out[i][j] -= factor * out[column][j];
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_times_its_inverse_is_the_identity() {
        let a = vec![vec![0.0, 2.0, 1.0], vec![1.0, -3.0, 0.5], vec![4.0, 0.25, 2.0]];
        let inverse = inverse(a.clone());
        for i in 0..3 {
            for j in 0..3 {
                let product: f64 = (0..3).map(|k| a[i][k] * inverse[k][j]).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-14, "({i}, {j}) is {product}");
            }
        }
    }
}
