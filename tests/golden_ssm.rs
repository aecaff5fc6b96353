//! State-space mathematics against the reference implementation.

use crate::support::{Case, Golden, Precision, largest_difference, noise};
use tch::{Device, Kind, Tensor};
use wasabi::ssm::dense::{Attune, attune, bilinear};
use wasabi::ssm::hippo::{Measure, nplr, transition};
use wasabi::ssm::init::{Init, dplr_start, s4d_start};
use wasabi::ssm::s4d::Discretization;
use wasabi::ssm::{Continuous, DtTransform, Recurrence, Stored, Tape, conv, dplr, reference, s4d};

fn tensor(golden: &Golden, kind: Kind) -> Tensor {
    Tensor::from_slice(&golden.values).reshape(&golden.shape).to_kind(kind)
}

fn values(tensor: &Tensor) -> Vec<f64> {
    let tensor = if tensor.is_complex() { tensor.resolve_conj().view_as_real() } else { tensor.shallow_clone() };
    Vec::try_from(tensor.detach().to_kind(Kind::Double).contiguous().view([-1])).expect("numbers")
}

fn measure(name: &str) -> Measure {
    match name {
        "legs" => Measure::LegS,
        "legt" => Measure::LegT,
        "fout" | "fourier" => Measure::Fourier,
        other => panic!("measure {other}"),
    }
}

/// The parameters of a case as leaves that require their gradient.
struct Leaves {
    named: Vec<(&'static str, Tensor)>,
    dt_transform: DtTransform,
}

impl Leaves {
    fn new(case: &Case, kind: Kind) -> Self {
        let named = ["inv_dt", "A_real", "A_imag", "B", "C", "P"]
            .into_iter()
            .filter(|name| case.has(&format!("param.{name}")))
            .map(|name| (name, tensor(case.tensor(&format!("param.{name}")), kind).set_requires_grad(true)))
            .collect();
        let dt_transform = match case.hyper("dt_transform").as_str() {
            Some("softplus") => DtTransform::Softplus,
            _ => DtTransform::Exp,
        };
        Self { named, dt_transform }
    }

    fn get(&self, name: &str) -> Option<&Tensor> {
        self.named.iter().find(|(known, _)| *known == name).map(|(_, tensor)| tensor)
    }

    fn system_with(&self, c: &Tensor) -> Continuous {
        let get = |name| self.get(name).expect("a parameter");
        Stored {
            inv_dt: get("inv_dt"),
            a_real: get("A_real"),
            a_imag: get("A_imag"),
            b: get("B"),
            c,
            p: self.get("P"),
            dt_transform: self.dt_transform,
        }
        .continuous()
        .expect("a system")
    }

    fn system(&self) -> Continuous {
        self.system_with(self.get("C").expect("C"))
    }
}

const PRECISIONS: [(Kind, Precision); 2] = [(Kind::Float, Precision::Single), (Kind::Double, Precision::Double)];

#[test]
fn hippo_transitions_are_the_references() {
    let case = Case::load("hippo_transition");
    for name in case.tensors.keys() {
        let parts: Vec<&str> = name.split('.').collect();
        let n: i64 = parts[1][1..].parse().expect("N");
        let (a, b) = transition(measure(parts[0]), n).expect("a transition");
        case.check(name, &values(if parts[2] == "A" { &a } else { &b }), Precision::Double);
    }
}

/// Where eigenvector phases do not matter.
fn check_nplr(case: &Case) {
    let text = |name: &str| case.hyper(name).as_str().map(str::to_owned).expect("text");
    let number = |name: &str| case.hyper(name).as_i64().expect("a number");
    let parts = nplr(measure(&text("measure")), number("N"), number("rank")).expect("factors");
    let p2 = parts.p.abs().square().sum_dim_intlist([0_i64].as_slice(), false, None);
    let mut rows: Vec<(&str, Tensor)> = vec![
        ("Lambda", parts.lambda.shallow_clone()),
        ("inv.absP2", p2),
        ("inv.absB", parts.b.abs()),
        ("inv.PBconj", &parts.p * parts.b.conj()),
        ("inv.B_clip_abs", parts.b_clamped().expect("b").abs()),
    ];
    rows.retain(|(name, _)| case.has(name));
    assert!(rows.len() >= 4, "{}: compares too little", case.name);
    // The reference builds the Fourier factors in float32 (golden/README.md §4): then its own bound holds.
    let precision = if text("measure") == "fout" { Precision::Single } else { Precision::Double };
    for (name, found) in rows {
        case.check(name, &values(&found), precision);
    }
    // And, whatever the phases, the factors make A again.
    let full = |x: &Tensor| Tensor::cat(&[x.shallow_clone(), x.conj().resolve_conj()], -1);
    let (v, p) = (full(&parts.v), full(&parts.p));
    let a = v.matmul(&(full(&parts.lambda).diag(0) - p.tr().matmul(&p.conj()))).matmul(&v.conj().tr());
    let (golden, _) = transition(measure(&text("measure")), number("N")).expect("a transition");
    let scale = golden.abs().max().double_value(&[]);
    assert!(largest_difference(&values(&a.real()), &values(&golden)) < 1e-11 * scale, "{}", case.name);
}

mod nplr_factors_are_the_references {
    crate::support::golden_cases!(
        super::check_nplr,
        ["hippo_nplr_"],
        [
            hippo_nplr_fout_N16,
            hippo_nplr_fout_N64,
            hippo_nplr_legs_N128,
            hippo_nplr_legs_N32,
            hippo_nplr_legs_N64,
            hippo_nplr_legt_N16
        ]
    );
}

#[test]
fn s4d_starts_are_the_references() {
    let case = Case::load("s4d_init");
    for name in case.tensors.keys() {
        let parts: Vec<&str> = name.split('.').collect();
        let init = match parts[0] {
            "lin" => Init::Lin,
            "inv" => Init::Inv,
            _ => Init::LegS,
        };
        let n: i64 = parts[1][1..].parse().expect("N");
        let start = s4d_start(init, n, case.hyper("H").as_i64().expect("H")).expect("a start");
        let (found, absolute) = match (parts[2], parts[3..].first().copied()) {
            ("A", _) => (start.lambda.shallow_clone(), false),
            ("param", Some("A_real")) => (start.lambda.real().neg().clamp_min(1e-4).log(), false),
            ("param", Some("A_imag")) => (start.lambda.imag().neg().clamp_min(1e-4), false),
            _ => (start.b.shallow_clone(), init == Init::LegS),
        };
        let golden = case.tensor(name);
        let tolerance = case.tolerance(name, Precision::Single).max(1e-6);
        if absolute {
            let size = |v: &[f64]| v.chunks(2).map(|z| z[0].hypot(z[1])).collect::<Vec<_>>();
            let difference = largest_difference(&size(&golden.values), &size(&values(&found)));
            assert!(difference < tolerance.max(2e-5), "{name}: {difference}");
        } else {
            case.check_within(name, &values(&found), tolerance);
        }
    }
}

/// Kernel and gradients of a case, in both precisions.
fn check_kernel(case: &Case, make: impl Fn(&Continuous, i64, Kind, &mut Tape) -> Tensor) {
    let length = case.hyper("L").as_i64().expect("L");
    for (kind, precision) in PRECISIONS {
        let leaves = Leaves::new(case, kind);
        let mut tape = Tape::recording();
        let kernel = make(&leaves.system(), length, kind, &mut tape).to_kind(kind);
        case.check("K", &values(&kernel), precision);
        let loss = (&kernel * tensor(case.tensor("G"), kind)).sum(Kind::Double);
        case.check("loss", &values(&loss), precision);
        tape.backward(&loss).expect("a gradient");
        for (name, leaf) in &leaves.named {
            let golden = format!("grad.{name}");
            if case.has(&golden) {
                case.check(&golden, &values(&leaf.grad()), precision);
            }
        }
    }
}

fn check_dplr(case: &Case) {
    if case.has("K") {
        check_kernel(case, |system, length, kind, tape| dplr::kernel_in(system, length, kind, tape).expect("a kernel"));
    }
    if case.has("C_raw") {
        check_attuning(case);
    }
    assert!(case.has("K") || case.has("K_64"), "{}: nothing to compare", case.name);
}

mod dplr_kernels_and_their_gradients_are_the_references {
    // The doubling of lengths is the block's: `golden_model` has it.
    crate::support::golden_cases!(
        super::check_dplr,
        ["kernel_dplr_"],
        [
            kernel_dplr_H2_N64_L4096_nssm1,
            kernel_dplr_H2_N64_L4096_nssmH,
            kernel_dplr_H4_N16_L63_odd,
            kernel_dplr_H4_N16_L64_channels2,
            kernel_dplr_H4_N16_L64_exp_fourier,
            kernel_dplr_H4_N16_L64_hippo_nssm2,
            kernel_dplr_H4_N16_L64_nssm1,
            kernel_dplr_H4_N16_L64_nssmH,
            kernel_dplr_H4_N16_L64_rank2_legt,
            kernel_dplr_H4_N32_L256_officialinit,
            kernel_dplr_H6_N16_L64_nssm2,
            kernel_dplr_H8_N64_L1024_nssm1,
            kernel_dplr_H8_N64_L1024_nssmH,
            kernel_dplr_length_doubling
        ]
    );
}

fn check_s4d(case: &Case) {
    let rule = if case.hyper("disc") == "zoh" { Discretization::Zoh } else { Discretization::Bilinear };
    check_kernel(case, |system, length, _, tape| s4d::kernel(system, rule, length, tape).expect("a kernel"));
}

mod s4d_kernels_and_their_gradients_are_the_references {
    crate::support::golden_cases!(
        super::check_s4d,
        ["kernel_s4d_"],
        [
            kernel_s4d_bilinear_H4_N16_L64_legs_nssmH,
            kernel_s4d_bilinear_H8_N64_L1024_lin_nssm1,
            kernel_s4d_zoh_H4_N16_L64_lin_nssm1,
            kernel_s4d_zoh_H6_N16_L128_diag_nssm2,
            kernel_s4d_zoh_H8_N64_L1024_inv_nssmH
        ]
    );
}

/// C̃ from C, and the kernel of the attuned C.
fn check_attuning(case: &Case) {
    let length = case.hyper("L").as_i64().expect("L");
    for (kind, precision) in PRECISIONS {
        let leaves = Leaves::new(case, kind);
        let system = leaves.system_with(&tensor(case.tensor("C_raw"), kind));
        let c_tilde = attune(&system, Attune::To(length)).expect("C̃");
        case.check("C_tilde", &values(&c_tilde), precision);
        let attuned = Continuous { c: c_tilde, ..system };
        let kernel = dplr::kernel_in(&attuned, length, kind, &mut Tape::idle()).expect("a kernel");
        case.check("K_from_C_raw", &values(&kernel), precision);
    }
}

fn check_recurrence_in_both(case: &Case) {
    for (kind, precision) in PRECISIONS {
        check_recurrence(case, kind, precision);
    }
}

mod recurrences_and_convolutions_are_the_references {
    crate::support::golden_cases!(
        super::check_recurrence_in_both,
        ["recurrence_"],
        [
            recurrence_dplr_H2_N64_L1024_nssm1,
            recurrence_dplr_H4_N16_L64_nssm1,
            recurrence_dplr_H4_N16_L64_nssmH,
            recurrence_dplr_H4_N16_L64_rank2_legt,
            recurrence_s4d_bilinear_H4_N16_L64,
            recurrence_s4d_zoh_H4_N16_L64,
            recurrence_stress_near_pole_rank2_legt
        ]
    );
}

/// The full state of a DPLR system is the kept half and its conjugates; a diagonal system's is the half.
fn full_state(half: &Tensor, dplr: bool) -> Tensor {
    if dplr { Tensor::cat(&[half.shallow_clone(), half.conj().resolve_conj()], -1) } else { half.shallow_clone() }
}

fn check_recurrence(case: &Case, kind: Kind, precision: Precision) {
    let system = Leaves::new(case, kind).system();
    let l_kernel = case.hyper("L").as_i64().expect("L");
    let is_dplr = case.has("param.P");
    let rule = if case.hyper("disc") == "zoh" { Discretization::Zoh } else { Discretization::Bilinear };
    let (a_bar, b_bar, c, stepper, kernel) = if is_dplr {
        let (a_bar, b_bar) = bilinear(&system).expect("a system");
        let c = attune(&system, Attune::Undo(l_kernel)).expect("C");
        let stepper = Recurrence::dplr(&system, l_kernel, kind).expect("a recurrence");
        let kernel = dplr::kernel(&system, l_kernel, &mut Tape::idle());
        (a_bar, b_bar, c, stepper, kernel)
    } else {
        let (a_bar, b_bar) = s4d::discretize(&system, rule).expect("a system");
        let stepper = Recurrence::diagonal(&system, rule, kind).expect("a recurrence");
        let kernel = s4d::kernel(&system, rule, l_kernel, &mut Tape::idle());
        (a_bar, b_bar, system.c.shallow_clone(), stepper, kernel)
    };
    // The factors are made in float64 from either precision's parameters, which are the same numbers.
    for (name, found) in [("dA", a_bar), ("dB", b_bar), ("dC", full_state(&c, is_dplr))] {
        case.check(name, &values(&found), Precision::Double);
    }
    let u = tensor(case.tensor("u"), kind); // (batch, channels, seq_len)
    let mut state = stepper.zero_state(u.size()[0]).expect("a state");
    let mut outputs = Vec::new();
    for t in 0..u.size()[2] {
        let (y, next) = stepper.step(&u.select(2, t), &state).expect("a step");
        outputs.push(y.permute([1, 0, 2])); // (batch, outputs, channels)
        state = next;
        if t == 0 {
            case.check("state_after_first", &values(&full_state(&state, is_dplr)), precision);
        }
    }
    case.check("state_final", &values(&full_state(&state, is_dplr)), precision);
    case.check("y_step", &values(&Tensor::stack(&outputs, -1)), precision);
    let kernel = kernel.expect("a kernel").narrow(2, 0, u.size()[2]).to_kind(kind);
    // The stress case: the reference's own float32 kernel is off by 0.15 and its convolution by 1.4, so their bounds say
    // nothing. Ours must hold the bound of the recurrence.
    let stress = case.name.contains("stress");
    let bound = |name: &str| case.tolerance(if stress { "y_step" } else { name }, precision);
    case.check_within("K", &values(&kernel), bound("K"));
    let y = conv::convolve(&u, &kernel.select(0, 0), None).expect("a convolution");
    case.check_within("y_conv", &values(&y), bound("y_conv"));
    if is_dplr {
        let dense = reference::dense_recurrence(&system, l_kernel, &u.select(0, 0).to_kind(Kind::Double));
        let golden = tensor(case.tensor("y_step"), Kind::Double).select(0, 0);
        let difference = largest_difference(&values(&dense.expect("outputs")), &values(&golden));
        assert!(difference < case.tolerance("y_step", Precision::Double), "{}: the dense twin", case.name);
    }
}

#[test]
fn dplr_kernels_equal_powers_of_the_dense_matrix() {
    for name in ["kernel_dplr_H4_N16_L63_odd", "kernel_dplr_H4_N16_L64_rank2_legt", "kernel_dplr_H4_N16_L64_channels2"]
    {
        let case = Case::load(name);
        let length = case.hyper("L").as_i64().expect("L");
        let system = Leaves::new(&case, Kind::Double).system();
        let c = attune(&system, Attune::Undo(length)).expect("C");
        let by_powers = reference::dplr_kernel_by_powers(&Continuous { c, ..system }, length).expect("a kernel");
        case.check("K", &values(&by_powers), Precision::Double);
    }
}

#[test]
fn hand_made_gradients_equal_the_tapes() {
    for case in Case::all(&["kernel_dplr_H4"]).iter().filter(|case| case.has("K")) {
        let length = case.hyper("L").as_i64().expect("L");
        let gradients = |taped: bool| {
            let leaves = Leaves::new(case, Kind::Double);
            let mut tape = Tape::recording();
            let kernel = if taped {
                dplr::kernel_on_tape(&leaves.system(), length)
            } else {
                dplr::kernel(&leaves.system(), length, &mut tape)
            };
            let loss = (kernel.expect("a kernel").square() * 3.0).sum(Kind::Double);
            tape.backward(&loss).expect("a gradient");
            leaves.named.iter().flat_map(|(_, leaf)| values(&leaf.grad())).collect::<Vec<f64>>()
        };
        let (fast, slow) = (gradients(false), gradients(true));
        let scale = slow.iter().fold(1.0_f64, |max, g| max.max(g.abs()));
        assert!(largest_difference(&fast, &slow) < 1e-9 * scale, "{}", case.name);
    }
}

#[test]
fn s4d_kernels_equal_powers_and_their_gradients_the_tapes() {
    for case in Case::all(&["kernel_s4d_"]) {
        let rule = if case.hyper("disc") == "zoh" { Discretization::Zoh } else { Discretization::Bilinear };
        // Lengths that are not multiples of the lanes, and the shortest.
        for length in [1, 7, 8, 9, 65] {
            let run = |taped: bool| {
                let leaves = Leaves::new(&case, Kind::Double);
                let mut tape = Tape::recording();
                let kernel = if taped {
                    reference::s4d_kernel_by_powers(&leaves.system(), rule, length)
                } else {
                    s4d::kernel(&leaves.system(), rule, length, &mut tape)
                };
                let kernel = kernel.expect("a kernel");
                tape.backward(&kernel.square().sum(Kind::Double)).expect("a gradient");
                let gradients = leaves.named.iter().flat_map(|(_, leaf)| values(&leaf.grad())).collect::<Vec<f64>>();
                (values(&kernel), gradients)
            };
            let (fast, slow) = (run(false), run(true));
            assert!(largest_difference(&fast.0, &slow.0) < 1e-12, "{} {length}", case.name);
            let scale = slow.1.iter().fold(1.0_f64, |max, g| max.max(g.abs()));
            assert!(largest_difference(&fast.1, &slow.1) < 1e-9 * scale, "{} {length}", case.name);
        }
    }
}

#[test]
fn dplr_kernels_of_every_short_length_equal_powers() {
    let case = Case::load("kernel_dplr_H4_N16_L64_nssmH");
    let leaves = Leaves::new(&case, Kind::Double);
    for length in 1..=40 {
        let raw = leaves.system();
        let slow = reference::dplr_kernel_by_powers(&raw, length).expect("a kernel");
        let c = attune(&raw, Attune::To(length)).expect("C");
        let fast = dplr::kernel(&Continuous { c, ..raw }, length, &mut Tape::idle()).expect("a kernel");
        assert!(largest_difference(&values(&fast), &values(&slow)) < 1e-11, "length {length}");
    }
}

#[test]
fn convolution_by_fft_equals_its_definition() {
    let (u, kernel) = (noise(&[2, 3, 37], 1), noise(&[3, 37], 2));
    let fast = conv::convolve(&u, &kernel, None).expect("a convolution");
    let slow = reference::convolve(&u, &kernel).expect("a convolution");
    assert!(largest_difference(&values(&fast), &values(&slow)) < 1e-12);
}

/// Systems as they start, each channel with a step of its own, and a C drawn from N(0, 1).
fn system_at_its_start(init: Init, channels: i64, d_state: i64, n_ssm: i64, outputs: i64) -> Continuous {
    let start = dplr_start(init, d_state, n_ssm, 1).expect("a start");
    let tile = channels / n_ssm;
    let steps: Vec<f64> = (0..channels).map(|h| 1e-3 * 100.0_f64.powf(h as f64 / channels.max(2) as f64)).collect();
    Continuous {
        dt: Tensor::from_slice(&steps).view([-1, 1]),
        // Clamped as a layer does: Fourier's real parts are zero.
        lambda: Tensor::complex(&start.lambda.real().clamp_max(-1e-4), &start.lambda.imag()).repeat([tile, 1]),
        b: start.b.repeat([tile, 1]),
        c: noise(&[outputs, channels, d_state / 2, 2], 5).view_as_complex(),
        p: start.p.repeat([1, tile, 1]),
    }
}

/// The kernel, and its gradients with respect to dt, λ, B, C and P for a fixed G.
fn kernel_and_gradients(system: &Continuous, length: i64, kind: Kind) -> (Vec<f64>, Vec<Vec<f64>>) {
    let leaf = |x: &Tensor| x.detach().copy().set_requires_grad(true);
    let leaves = [&system.dt, &system.lambda, &system.b, &system.c, &system.p].map(leaf);
    let [dt, lambda, b, c, p] = leaves.each_ref().map(Tensor::shallow_clone);
    let mut tape = Tape::recording();
    let kernel = dplr::kernel_in(&Continuous { dt, lambda, b, c, p }, length, kind, &mut tape).expect("a kernel");
    assert_eq!(kernel.kind(), kind);
    let kernel = kernel.to_kind(Kind::Double);
    let g = Tensor::arange(kernel.numel() as i64, (Kind::Double, Device::Cpu)).sin().view_as(&kernel);
    tape.backward(&(&kernel * g).sum(Kind::Double)).expect("a gradient");
    let real = |x: &Tensor| if x.is_complex() { values(&x.view_as_real()) } else { values(x) };
    (values(&kernel), leaves.iter().map(|leaf| real(&leaf.grad())).collect())
}

#[test]
fn a_kernel_of_single_precision_is_its_double_twin_to_a_hundred_thousandth() {
    for (init, channels, d_state, n_ssm, outputs, lengths) in [
        (Init::LegS, 4, 64, 1, 1, [4096, 1021, 1].as_slice()),
        (Init::LegS, 6, 2, 6, 1, &[2, 3, 64]),
        (Init::LegS, 3, 16, 3, 2, &[513, 97]),
        (Init::LegS, 2, 256, 1, 1, &[2048]),
        (Init::Fourier, 4, 64, 2, 1, &[1000, 8191]), // too near the axis for float32: computed in float64 and rounded
        (Init::Hippo, 4, 64, 2, 1, &[2048]),
    ] {
        for &length in lengths {
            let system = system_at_its_start(init, channels, d_state, n_ssm, outputs);
            let (single, single_gradients) = kernel_and_gradients(&system, length, Kind::Float);
            let (double, double_gradients) = kernel_and_gradients(&system, length, Kind::Double);
            // A single node does not depend on dt: its gradient is what rounding leaves of terms that cancel.
            let with_dt = if length == 1 { 1 } else { 0 };
            let gradients = single_gradients.iter().zip(&double_gradients).skip(with_dt);
            for (single, double) in gradients.chain([(&single, &double)]) {
                let scale = double.iter().fold(0.0_f64, |max, x| max.max(x.abs()));
                let off = largest_difference(single, double) / scale.max(1e-300);
                assert!(off < 1e-5, "{init:?} {channels} {d_state} {length}: {off:e} of the largest");
            }
        }
    }
}

#[test]
fn gradients_of_the_kernel_are_finite_differences() {
    let system = system_at_its_start(Init::LegS, 2, 8, 1, 2);
    for length in [1, 2, 7, 12] {
        let (_, gradients) = kernel_and_gradients(&system, length, Kind::Double);
        let at = |change: &dyn Fn(&mut Continuous)| {
            let mut moved = Continuous {
                dt: system.dt.copy(),
                lambda: system.lambda.copy(),
                b: system.b.copy(),
                c: system.c.copy(),
                p: system.p.copy(),
            };
            change(&mut moved);
            let kernel = dplr::kernel(&moved, length, &mut Tape::idle()).expect("a kernel");
            let g = Tensor::arange(kernel.numel() as i64, (Kind::Double, Device::Cpu)).sin().view_as(&kernel);
            (kernel * g).sum(Kind::Double).double_value(&[])
        };
        const STEP: f64 = 1e-6;
        for (which, gradient) in gradients.iter().enumerate() {
            for (place, &found) in gradient.iter().enumerate() {
                let by = |step: f64| {
                    at(&|system: &mut Continuous| {
                        let tensor = [&system.dt, &system.lambda, &system.b, &system.c, &system.p][which];
                        let real = if tensor.is_complex() { tensor.view_as_real() } else { tensor.shallow_clone() };
                        let _ = real.view([-1]).get(place as i64).g_add_scalar_(step);
                    })
                };
                // dt is small: its own step is. Where it cancels to nothing, the differences are rounding over that step.
                let step = if which == 0 { 1e-3 * STEP } else { STEP };
                if which == 0 && length == 1 {
                    assert!(found.abs() < 1e-9, "{found}");
                    continue;
                }
                let expected = (by(step) - by(-step)) / (2.0 * step);
                let scale = gradient.iter().fold(1e-3_f64, |max, g| max.max(g.abs()));
                assert!((found - expected).abs() < 1e-5 * scale, "{length}: {which} {place}: {found} not {expected}");
            }
        }
    }
}
