//! Where the arithmetic runs: CPU or CUDA, on how many threads, with which libtorch.
//!
//! Lives here: choosing a device by name, loading libtorch's CUDA part at run time, counting threads, and what
//! `wasabi doctor` tells. Does not: tensors or models; printing. May use: `options`. `unsafe` is allowed in `cuda`
//! (`dlopen`) and `memory` (`mallopt`) and nowhere else.
//!
//! **Choose the device before any other libtorch work.** libtorch answers the question "is there CUDA?" once and
//! remembers; its CUDA part must be loaded before the first time that anybody asks (`tch::manual_seed` asks too).
//! [`open`] and [`cuda`] load it first; call either at the start of the program. No other room asks `tch::Cuda`.

mod cuda;
mod doctor;
mod error;
mod free;
mod memory;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use cuda::{Absence, Cuda, LIBTORCH_VERSION, Libtorch, cuda, libtorch};
pub use doctor::{Check, Facts, Status, doctor, facts};
pub use error::DeviceError;
pub use free::{free_memory, held_memory};
/// libtorch's device, for rooms that pass one on and do not touch tensors themselves.
pub use tch::Device;

/// A device as people name it: `auto`, `cpu`, `cuda` (the first GPU) or `cuda:1`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Selection {
    /// The first GPU where there is one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU of that number, counted from 0.
    Cuda(usize),
}

impl FromStr for Selection {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => text
                .strip_prefix("cuda:")
                // `parse` alone would take `+1`.
                .filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|number| number.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| DeviceError::Unknown { found: text.to_owned() }),
        }
    }
}

impl TryFrom<String> for Selection {
    type Error = DeviceError;

    fn try_from(text: String) -> Result<Self, DeviceError> {
        text.parse()
    }
}

impl From<Selection> for String {
    fn from(selection: Selection) -> Self {
        selection.to_string()
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

/// Turns a name into libtorch's device, loading libtorch's CUDA part when a GPU may be meant. The start of a program:
/// freed memory is kept from here on, for the next step's tensors.
///
/// # Errors
/// [`DeviceError::NoCuda`] with the reason when a GPU is asked for by name and there is none,
/// [`DeviceError::NoSuchGpu`] when the number is too high. `auto` never fails.
pub fn open(selection: Selection) -> Result<Device, DeviceError> {
    memory::keep_freed();
    resolve(selection, cuda)
}

/// What a device is, for people.
///
/// # Errors
/// As [`open`].
pub fn describe(selection: Selection) -> Result<String, DeviceError> {
    Ok(match open(selection)? {
        Device::Cuda(number) => format!("CUDA GPU {number}"),
        _ => format!("CPU, {} threads, {}", threads(), simd_level()),
    })
}

/// [`open`], told by `state` what the machine has; asked only when a GPU may be meant.
fn resolve<'a>(selection: Selection, state: impl FnOnce() -> &'a Cuda) -> Result<Device, DeviceError> {
    match selection {
        Selection::Cpu => Ok(Device::Cpu),
        Selection::Auto => match state() {
            Cuda::Ready { .. } => Ok(Device::Cuda(0)),
            Cuda::Absent(_) => Ok(Device::Cpu),
        },
        Selection::Cuda(wanted) => match state() {
            Cuda::Ready { count, .. } if wanted < *count => Ok(Device::Cuda(wanted)),
            Cuda::Ready { count, .. } => Err(DeviceError::NoSuchGpu { wanted, count: *count }),
            Cuda::Absent(absence) => Err(DeviceError::NoCuda {
                wanted: selection,
                reason: absence.to_string(),
                mend: absence.mend().to_owned(),
            }),
        },
    }
}

/// How many threads libtorch uses within one operation on the CPU.
#[must_use]
pub fn threads() -> usize {
    usize::try_from(tch::get_num_threads()).unwrap_or(1)
}

/// More than this is a slip of the finger, and libtorch would try it.
const MOST_THREADS: usize = 1024;

/// Sets the number of threads within one operation, and returns it.
///
/// `None` leaves libtorch's own choice (which `OMP_NUM_THREADS` steers), but takes no more than the CPUs that this
/// process may use: libtorch does not see a container's quota, and would then wait for threads that never run at once.
///
/// # Errors
/// [`DeviceError::Threads`] for zero, or for more than any machine has.
pub fn set_threads(wanted: Option<usize>) -> Result<usize, DeviceError> {
    let count = match wanted {
        Some(count) => count,
        None if std::env::var_os("OMP_NUM_THREADS").is_some() => return Ok(threads()),
        None => threads().min(cpus()).max(1),
    };
    match i32::try_from(count) {
        Ok(number) if (1..=MOST_THREADS).contains(&count) => {
            tch::set_num_threads(number);
            Ok(threads())
        }
        _ => Err(DeviceError::Threads { found: count, most: MOST_THREADS }),
    }
}

/// The CPUs that this process may use: affinity and container quota counted in.
#[must_use]
pub fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The widest SIMD level that this CPU offers to code with run-time dispatch.
#[must_use]
pub fn simd_level() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            "AVX-512"
        } else if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            "AVX2 + FMA"
        } else {
            "SSE2"
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        "NEON"
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        "scalar"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(count: usize) -> Cuda {
        Cuda::Ready { count, names: Vec::new(), from: "/torch/lib".into() }
    }

    #[test]
    fn every_name_of_a_device_survives_being_written_and_read() {
        for selection in [Selection::Auto, Selection::Cpu, Selection::Cuda(0), Selection::Cuda(13)] {
            assert_eq!(selection.to_string().parse(), Ok(selection));
        }
        assert_eq!("cuda".parse(), Ok(Selection::Cuda(0)));
    }

    #[test]
    fn a_name_that_is_no_device_is_refused_with_the_nearest_one() {
        for text in ["", "gpu", "CPU", "cuda:", "cuda:-1", "cuda:+1", "cuda:1.0", "cuda:99999999999999999999", "cpu:0"]
        {
            let error = text.parse::<Selection>().expect_err(text);
            assert_eq!(error, DeviceError::Unknown { found: text.to_owned() });
        }
        let slip = "cdua".parse::<Selection>().expect_err("a slip");
        assert_eq!(slip.hint().as_deref(), Some("did you mean `cuda`?"));
    }

    #[test]
    fn the_cpu_is_chosen_without_asking_about_cuda() {
        let device = resolve(Selection::Cpu, || panic!("asked about CUDA"));
        assert_eq!(device, Ok(Device::Cpu));
    }

    #[test]
    fn auto_takes_the_first_gpu_where_there_is_one() {
        let two = ready(2);
        assert_eq!(resolve(Selection::Auto, || &two), Ok(Device::Cuda(0)));
        assert_eq!(resolve(Selection::Auto, || &Cuda::Absent(Absence::NoDriver)), Ok(Device::Cpu));
    }

    #[test]
    fn a_gpu_that_does_not_exist_is_refused_with_the_reason() {
        let two = ready(2);
        let error = resolve(Selection::Cuda(2), || &two).expect_err("two devices");
        assert_eq!(error, DeviceError::NoSuchGpu { wanted: 2, count: 2 });
        assert_eq!(error.hint().as_deref(), Some("the last one is cuda:1"));

        let error = resolve(Selection::Cuda(0), || &Cuda::Absent(Absence::NoDriver)).expect_err("no driver");
        assert!(error.to_string().contains("libcuda.so.1"), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("`cpu`")));
    }

    #[test]
    fn a_device_reads_from_settings_and_a_wrong_one_is_an_error() {
        assert_eq!(serde_json::from_str::<Selection>("\"cuda:1\"").expect("a device"), Selection::Cuda(1));
        let error = serde_json::from_str::<Selection>("\"tpu\"").expect_err("no device").to_string();
        assert!(error.contains("unknown device `tpu`"), "{error}");
    }

    #[test]
    fn zero_threads_are_refused() {
        assert_eq!(set_threads(Some(0)), Err(DeviceError::Threads { found: 0, most: MOST_THREADS }));
        assert_eq!(set_threads(Some(usize::MAX)), Err(DeviceError::Threads { found: usize::MAX, most: MOST_THREADS }));
    }

    #[test]
    fn the_default_takes_no_more_threads_than_cpus() {
        let count = set_threads(None).expect("the default");
        assert!(std::env::var_os("OMP_NUM_THREADS").is_some() || count <= cpus(), "{count} threads, {} CPUs", cpus());
    }
}
