//! Golden cases: vectors computed by the reference implementation, and the tolerance to hold for each.
//!
//! A case is `NAME.safetensors` + `NAME.json`, laid out as `tests/golden/README.md` says. `WASABI_GOLDEN` names another
//! folder of cases, which the same tests then walk.

#![allow(dead_code, reason = "each test module uses its part")]

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The arithmetic that a result was computed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precision {
    Single,
    Double,
}

/// Where the cases of whole blocks and models are computed: on the CPU, or on what `WASABI_TEST_DEVICE` names (`cuda`).
pub(crate) fn device() -> tch::Device {
    static CHOSEN: std::sync::OnceLock<tch::Device> = std::sync::OnceLock::new();
    *CHOSEN.get_or_init(|| {
        let Ok(name) = std::env::var("WASABI_TEST_DEVICE") else { return tch::Device::Cpu };
        let selection = name.parse().expect("WASABI_TEST_DEVICE is cpu, cuda or cuda:N");
        wasabi::device::open(selection).expect("the device of WASABI_TEST_DEVICE")
    })
}

/// Normal numbers, float64. Not libtorch's own: it has one generator for the process, which belongs to the dropout of whatever
/// test trains beside this one.
pub(crate) fn noise(shape: &[i64], seed: u64) -> tch::Tensor {
    use rand_distr::{Distribution, StandardNormal};
    let count = usize::try_from(shape.iter().product::<i64>()).expect("a size");
    let rng = wasabi::seed::Seed(seed).stream("noise", 0);
    let numbers: Vec<f64> = StandardNormal.sample_iter(rng).take(count).collect();
    tch::Tensor::from_slice(&numbers).view(shape)
}

/// One tensor of a case, widened exactly to float64.
#[derive(Debug, Clone)]
pub(crate) struct Golden {
    pub(crate) shape: Vec<i64>,
    pub(crate) values: Vec<f64>,
    pub(crate) integer: bool,
}

#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) json: Value,
    pub(crate) tensors: BTreeMap<String, Golden>,
}

pub(crate) fn folder() -> PathBuf {
    std::env::var_os("WASABI_GOLDEN")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden"), PathBuf::from)
}

/// One test for each named case, and one for whatever else `WASABI_GOLDEN` brings under the same prefixes.
macro_rules! golden_cases {
    ($check:path, $prefixes:expr, [$($name:ident),* $(,)?]) => {
        $(
            #[test]
            #[allow(non_snake_case, reason = "cases are named after their sizes")]
            fn $name() {
                $check(&$crate::support::Case::shipped(stringify!($name)));
            }
        )*

        #[test]
        fn cases_from_elsewhere_hold_too() {
            let named = [$(stringify!($name)),*];
            for case in $crate::support::Case::all(&$prefixes).iter().filter(|case| !named.contains(&&*case.name)) {
                $check(case);
            }
        }

        #[test]
        fn every_case_that_is_shipped_is_named() {
            let named = [$(stringify!($name)),*];
            for name in $crate::support::shipped_names(&$prefixes) {
                assert!(named.contains(&&*name), "{name} has no test of its own");
            }
        }
    };
}
pub(crate) use golden_cases;

/// [`golden_cases`] for every backbone: what checks one checks them all.
macro_rules! backbone_cases {
    ($check:path) => {
        $crate::support::golden_cases!(
            $check,
            ["sashimi_", "unet_", "standalone_"],
            [
                sashimi_d16_isotropic,
                sashimi_d16_pool24,
                sashimi_d16_pool44,
                sashimi_d8_expand3_ff1_pool5,
                standalone_sashimi_d4,
                standalone_sashimi_unet_d4,
                standalone_sashimi_unet_d4_2layers,
                unet_d8_pool44
            ]
        );
    };
}
pub(crate) use backbone_cases;

fn shipped_folder() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    // The tests were copied to another machine, cases and all (`make bench-gpu`).
    if here.is_dir() { here } else { folder() }
}

/// The cases in the repository whose names start with one of `prefixes`.
pub(crate) fn shipped_names(prefixes: &[&str]) -> Vec<String> {
    names_in(&shipped_folder(), prefixes)
}

fn names_in(folder: &Path, prefixes: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("the folder of golden cases")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok()?.strip_suffix(".safetensors").map(str::to_owned))
        .filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
        .collect();
    names.sort();
    names
}

impl Case {
    /// A case of the repository, wherever `WASABI_GOLDEN` points.
    pub(crate) fn shipped(name: &str) -> Self {
        Self::read(&shipped_folder(), name)
    }

    pub(crate) fn load(name: &str) -> Self {
        Self::read(&folder(), name)
    }

    fn read(folder: &Path, name: &str) -> Self {
        let read = |extension: &str| {
            let path = folder.join(format!("{name}.{extension}"));
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let json = serde_json::from_slice(&read("json")).expect("a sidecar is JSON");
        let bytes = read("safetensors");
        let file = SafeTensors::deserialize(&bytes).expect("a case is safetensors");
        let tensors = file.iter().map(|(name, view)| (name.to_owned(), widen(&view))).collect();
        Self { name: name.to_owned(), json, tensors }
    }

    /// Every case in the folder whose name starts with one of `prefixes`.
    pub(crate) fn all(prefixes: &[&str]) -> Vec<Self> {
        names_in(&folder(), prefixes).iter().map(|name| Self::load(name)).collect()
    }

    pub(crate) fn tensor(&self, name: &str) -> &Golden {
        self.tensors.get(name).unwrap_or_else(|| panic!("{}: no tensor {name}", self.name))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    pub(crate) fn hyper(&self, name: &str) -> &Value {
        &self.json["hyperparameters"][name]
    }

    /// The bound that `golden/README.md` §1 sets for `tensor` in that precision.
    pub(crate) fn tolerance(&self, tensor: &str, precision: Precision) -> f64 {
        let golden = self.tensor(tensor);
        let largest = golden.values.iter().fold(0.0_f64, |max, value| max.max(value.abs()));
        match precision {
            Precision::Double if self.name.contains("stress") => 1e-7 * largest.max(1.0),
            Precision::Double => 1e-9 * largest.max(1.0),
            Precision::Single => {
                let entry = &self.json["tolerance"][tensor];
                let stated = entry["atol_exact_nodes"].as_f64().or_else(|| entry["atol"].as_f64()).unwrap_or(0.0);
                let lone = if tensor.starts_with("grad.") && golden.values.len() == 1 {
                    largest * self.noisiest_gradient()
                } else {
                    0.0
                };
                stated.max(5e-7 * largest).max(lone)
            }
        }
    }

    /// The stated bound of the case's noisiest gradient, relative to its largest entry.
    ///
    /// The gradient of a lone number (a norm's `m` or `s`) is one sum over every position and channel, and its stated
    /// bound is three times one draw of that sum's rounding noise: by luck as small as one likes (the reference's own
    /// draws for `grad.c_layers.1.norm.norm.s` of `sashimi_d16_pool44` differ by a factor of 3.5). So in float32 a lone
    /// number is held to the relative bound of the case's other gradients; in float64 to 1e-9, as everything.
    fn noisiest_gradient(&self) -> f64 {
        let entries = self.json["tolerance"].as_object().into_iter().flatten();
        let gradients = entries.filter(|(name, _)| name.starts_with("grad."));
        gradients.filter_map(|(_, entry)| entry["atol_over_max"].as_f64()).fold(0.0, f64::max)
    }

    /// Asserts that `found` equals the golden `tensor` within its tolerance; returns the largest difference.
    pub(crate) fn check(&self, tensor: &str, found: &[f64], precision: Precision) -> f64 {
        self.check_within(tensor, found, self.tolerance(tensor, precision))
    }

    pub(crate) fn check_within(&self, tensor: &str, found: &[f64], tolerance: f64) -> f64 {
        let golden = self.tensor(tensor);
        assert_eq!(golden.values.len(), found.len(), "{}: size of {tensor} (shape {:?})", self.name, golden.shape);
        let difference = largest_difference(&golden.values, found);
        if std::env::var_os("WASABI_GOLDEN_VERBOSE").is_some() {
            #[expect(clippy::print_stdout, reason = "asked for, to see how near the bounds are")]
            let () = println!("{:.3} of the tolerance: {} {tensor}", difference / tolerance, self.name);
        }
        assert!(
            difference <= tolerance,
            "{}: {tensor} differs by {difference:.3e}, allowed {tolerance:.3e}",
            self.name
        );
        difference
    }
}

/// The largest absolute difference; infinite when any entry is not a number.
pub(crate) fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |max, d| if d.is_nan() { f64::INFINITY } else { f64::max(max, d) })
}

fn widen(view: &safetensors::tensor::TensorView<'_>) -> Golden {
    let bytes = view.data();
    let values = match view.dtype() {
        Dtype::F64 => bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().expect("8 bytes"))).collect(),
        Dtype::F32 => {
            bytes.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().expect("4 bytes")))).collect()
        }
        Dtype::I64 => {
            bytes.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().expect("8 bytes")) as f64).collect()
        }
        Dtype::I32 => {
            bytes.chunks_exact(4).map(|b| f64::from(i32::from_le_bytes(b.try_into().expect("4 bytes")))).collect()
        }
        Dtype::I16 => {
            bytes.chunks_exact(2).map(|b| f64::from(i16::from_le_bytes(b.try_into().expect("2 bytes")))).collect()
        }
        Dtype::U8 | Dtype::BOOL => bytes.iter().map(|&b| f64::from(b)).collect(),
        other => panic!("a golden tensor of type {other:?}"),
    };
    Golden {
        shape: view.shape().iter().map(|&n| n as i64).collect(),
        values,
        integer: !matches!(view.dtype(), Dtype::F64 | Dtype::F32),
    }
}
