//! The float32 kernel beside its float64 twin: values and gradients, over sizes, ranks and starts.

use crate::support::noise;
use tch::{Device, Kind, Tensor};
use wasabi::ssm::init::{Init, dplr_start};
use wasabi::ssm::{Continuous, Tape, dplr};

/// The parts of a system as leaves, and the system.
struct Leaves {
    dt: Tensor,
    lambda: Tensor,
    b: Tensor,
    c: Tensor,
    p: Tensor,
}

impl Leaves {
    fn new(init: Init, channels: i64, d_state: i64, outputs: i64, rank: i64) -> Self {
        let start = dplr_start(init, d_state, 1, rank.max(1)).expect("a start");
        let leaf = |x: Tensor| x.contiguous().set_requires_grad(true);
        let p = start.p.repeat([1, channels, 1]).narrow(0, 0, rank);
        let log_dt = Tensor::linspace(0.001_f64.ln(), 0.1_f64.ln(), channels, (Kind::Double, Device::Cpu));
        let c = noise(&[outputs, channels, d_state / 2, 2], 7).view_as_complex();
        Self {
            dt: leaf(log_dt.exp().unsqueeze(-1)),
            // Clamped as a layer does: Fourier's real parts are zero.
            lambda: leaf(
                Tensor::complex(&start.lambda.real().clamp_max(-1e-4), &start.lambda.imag()).repeat([channels, 1]),
            ),
            b: leaf(start.b.repeat([channels, 1])),
            c: leaf(c),
            p: leaf(p),
        }
    }

    fn all(&self) -> [&Tensor; 5] {
        [&self.dt, &self.lambda, &self.b, &self.c, &self.p]
    }

    /// The kernel, and the gradient of each part, of a loss that weighs every tap in its own way.
    fn run(&self, seq_len: i64, single: bool) -> (Tensor, Vec<Tensor>) {
        for leaf in self.all() {
            leaf.shallow_clone().zero_grad();
        }
        let part = |x: &Tensor| x.shallow_clone();
        let system = Continuous {
            dt: part(&self.dt),
            lambda: part(&self.lambda),
            b: part(&self.b),
            c: part(&self.c),
            p: part(&self.p),
        };
        let mut tape = Tape::recording();
        let kind = if single { Kind::Float } else { Kind::Double };
        let kernel = dplr::kernel_in(&system, seq_len, kind, &mut tape).expect("a kernel").to_kind(Kind::Double);
        let weights = noise(&kernel.size(), 3);
        tape.backward(&(&kernel * weights).sum(Kind::Double)).expect("gradients");
        let gradients = self.all().iter().map(|leaf| leaf.grad().copy()).collect();
        (kernel.detach(), gradients)
    }
}

/// The largest difference over the largest value.
fn apart(a: &Tensor, b: &Tensor) -> f64 {
    if a.numel() == 0 {
        return 0.0;
    }
    let difference = (a - b).abs().max().double_value(&[]);
    if difference == 0.0 { 0.0 } else { difference / b.abs().max().double_value(&[]) }
}

fn check(init: Init, [channels, d_state, outputs, rank, seq_len]: [i64; 5]) {
    let leaves = Leaves::new(init, channels, d_state, outputs, rank);
    let (fast, fast_gradients) = leaves.run(seq_len, true);
    let (slow, slow_gradients) = leaves.run(seq_len, false);
    let what = format!("{} H {channels} N {d_state} outputs {outputs} rank {rank} L {seq_len}", init.name());
    let values = apart(&fast, &slow);
    let mut gradients: Vec<f64> = fast_gradients.iter().zip(&slow_gradients).map(|(a, b)| apart(a, b)).collect();
    // Of a single node, K does not depend on dt: what B gains, λ loses. The scale is that of the parts that cancel.
    let part = (&leaves.lambda.detach() * slow_gradients[1].conj()).abs().sum(Kind::Double).double_value(&[]);
    let off = (&leaves.dt.detach() * (&fast_gradients[0] - &slow_gradients[0])).abs().max().double_value(&[]);
    gradients[0] = gradients[0].min(off / part);
    assert!(values < 1e-5, "{what}: the kernel is {values:e} of its largest tap off");
    for (name, off) in ["dt", "lambda", "b", "c", "p"].iter().zip(&gradients) {
        assert!(*off < 1e-5, "{what}: the gradient of {name} is {off:e} of its largest off, all {gradients:?}");
    }
}

#[test]
fn float32_kernels_and_gradients_equal_their_float64_twins_at_every_size() {
    for seq_len in [1, 2, 3, 7, 16, 64, 97, 255, 256, 511, 512, 1000, 1021, 2048] {
        for (channels, d_state) in [(1, 2), (3, 8), (4, 64)] {
            for (outputs, rank) in [(1, 0), (2, 0), (1, 1), (2, 1), (1, 2)] {
                check(Init::LegS, [channels, d_state, outputs, rank, seq_len]);
            }
        }
    }
}

#[test]
fn the_default_layer_in_float32_equals_its_float64_twin() {
    check(Init::LegS, [64, 64, 1, 1, 8192]);
}

#[test]
fn poles_beside_a_node_cost_no_digits() {
    for init in [Init::Fourier, Init::LegT] {
        for seq_len in [64, 101, 1000, 4096] {
            for outputs in [1, 2] {
                let rank = if init == Init::LegT { 2 } else { 1 };
                check(init, [5, 32, outputs, rank, seq_len]);
            }
        }
    }
}

#[test]
fn a_float32_kernel_is_the_same_twice() {
    let leaves = Leaves::new(Init::LegS, 8, 64, 1, 1);
    let (once, twice) = (leaves.run(1000, true), leaves.run(1000, true));
    assert_eq!(once.0, twice.0);
    assert_eq!(once.1, twice.1);
}
