//! libtorch's CUDA part, loaded at run time, and what libtorch itself is.
//!
//! The binary links against the CPU part alone, so that it starts on a machine without any NVIDIA library. Loading
//! `libc10_cuda.so` and `libtorch_cuda.so` with their symbols global registers the CUDA back end with the libtorch that
//! is already there; this must come before the first question about CUDA, whose answer libtorch keeps.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The libtorch that `tch` was written for; `tools/setup.py` fetches the same.
pub const LIBTORCH_VERSION: &str = "2.11.0";

/// The folders of `tools/setup.py` that hold the CUDA part begin with this.
const CUDA_FOLDER: &str = "libtorch-2.11.0-cuda-";

/// What CUDA offers here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cuda {
    /// There is a GPU, and libtorch can use it.
    Ready {
        /// How many GPUs.
        count: usize,
        /// What the driver calls them, as far as it tells.
        names: Vec<String>,
        /// The folder that the CUDA part came from.
        from: PathBuf,
    },
    /// Everything runs on the CPU.
    Absent(Absence),
}

/// Why there is no CUDA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Absence {
    /// No NVIDIA driver on this machine.
    NoDriver,
    /// libtorch's CUDA part is in none of the folders.
    NotInstalled {
        /// The folders that were looked into.
        searched: Vec<PathBuf>,
    },
    /// The CUDA part is of another libtorch.
    OtherVersion {
        /// Its folder.
        folder: PathBuf,
        /// Its version.
        found: String,
    },
    /// It is there, and the system's loader refuses it.
    NotLoadable {
        /// The library.
        library: PathBuf,
        /// What the loader said.
        cause: String,
    },
    /// It was loaded, and still libtorch sees no GPU.
    NoDevice,
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDriver => f.write_str("this machine has no NVIDIA driver (libcuda.so.1)"),
            Self::NotInstalled { searched } => {
                let folders: Vec<_> = searched.iter().map(|folder| folder.display().to_string()).collect();
                write!(f, "libtorch's CUDA part (libtorch_cuda.so) is not in {}", folders.join(", "))
            }
            Self::OtherVersion { folder, found } => {
                write!(f, "{} holds libtorch {found}, needed {LIBTORCH_VERSION}", folder.display())
            }
            Self::NotLoadable { library, cause } => write!(f, "{} cannot be loaded: {cause}", library.display()),
            Self::NoDevice => f.write_str("libtorch's CUDA part is loaded and finds no usable GPU"),
        }
    }
}

impl Absence {
    /// What to do about it.
    #[must_use]
    pub fn mend(&self) -> &'static str {
        match self {
            Self::NoDriver => "install the NVIDIA driver (`nvidia-smi` must work), then `make setup CUDA=1`",
            Self::NotInstalled { .. } | Self::NotLoadable { .. } => {
                "`make setup CUDA=1`, or set WASABI_LIBTORCH to the torch/lib folder of a Python torch 2.11.0"
            }
            Self::OtherVersion { .. } => "point WASABI_LIBTORCH at a torch 2.11.0, or unset it and `make setup CUDA=1`",
            Self::NoDevice => {
                "look at `nvidia-smi` and at CUDA_VISIBLE_DEVICES; CUDA 13.0 needs a driver of 580 or later"
            }
        }
    }
}

/// libtorch as it runs in this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Libtorch {
    /// Its version as it says itself, `2.11.0`; `None` if it cannot be asked.
    pub version: Option<String>,
    /// The folder that `libtorch_cpu.so` was loaded from, if the system tells.
    pub folder: Option<PathBuf>,
}

/// Which libtorch this process runs on.
#[must_use]
pub fn libtorch() -> Libtorch {
    Libtorch { version: running_version(), folder: loaded_folder() }
}

/// What CUDA offers here: found out once, with libtorch's CUDA part loaded before libtorch is asked.
pub fn cuda() -> &'static Cuda {
    static STATE: OnceLock<Cuda> = OnceLock::new();
    STATE.get_or_init(|| match load() {
        Ok(from) if tch::Cuda::is_available() => Cuda::Ready {
            count: usize::try_from(tch::Cuda::device_count()).unwrap_or(0),
            names: gpu_names(Path::new("/proc/driver/nvidia/gpus")),
            from,
        },
        Ok(_) => Cuda::Absent(Absence::NoDevice),
        Err(absence) => Cuda::Absent(absence),
    })
}

/// Loads the CUDA part for as long as the process lives, from the first folder that has it.
fn load() -> Result<PathBuf, Absence> {
    // Without a driver the rest (half a gigabyte of libraries) would be loaded for nothing.
    open_for_ever(Path::new("libcuda.so.1")).map_err(|_| Absence::NoDriver)?;
    let loaded = loaded_folder();
    let named = std::env::var_os("WASABI_LIBTORCH").map(PathBuf::from);
    let folders = match named {
        // The folder `torch` itself is an easy slip.
        Some(folder) => vec![folder.join("lib"), folder],
        None => beside(loaded.as_deref()),
    };
    let Some(folder) = folders.iter().find(|folder| folder.join("libtorch_cuda.so").is_file()) else {
        return Err(Absence::NotInstalled { searched: folders });
    };
    if let Some(found) = folder_version(folder).filter(|version| version != LIBTORCH_VERSION) {
        return Err(Absence::OtherVersion { folder: folder.clone(), found });
    }
    for name in ["libc10_cuda.so", "libtorch_cuda.so"] {
        let library = folder.join(name);
        open_for_ever(&library).map_err(|cause| Absence::NotLoadable { library, cause })?;
    }
    Ok(folder.clone())
}

/// Where the CUDA part may lie when nobody says: in the folder of the libtorch that runs (a Python torch has both
/// parts), and in the folders that `make setup CUDA=1` made beside it.
fn beside(loaded: Option<&Path>) -> Vec<PathBuf> {
    let Some(lib) = loaded else { return Vec::new() };
    let mut folders = vec![lib.to_owned()];
    // <cache>/libtorch-2.11.0-cpu-<key>/torch/lib
    if let Some(cache) = lib.ancestors().nth(3)
        && let Ok(entries) = cache.read_dir()
    {
        let mut found: Vec<_> = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(CUDA_FOLDER))
            .map(|entry| entry.path().join("torch/lib"))
            .collect();
        found.sort();
        folders.append(&mut found);
    }
    folders
}

/// The version of the torch whose `lib` folder this is: `build-version` (ours) or `version.py` (Python's) beside it.
fn folder_version(lib: &Path) -> Option<String> {
    let torch = lib.parent()?;
    let text = match std::fs::read_to_string(torch.join("build-version")) {
        Ok(text) => text,
        Err(_) => std::fs::read_to_string(torch.join("version.py"))
            .ok()?
            .lines()
            .find_map(|line| line.strip_prefix("__version__ = '")?.strip_suffix('\'').map(str::to_owned))?,
    };
    Some(text.trim().split('+').next()?.to_owned())
}

/// The folder of the `libtorch_cpu.so` that this process has loaded.
fn loaded_folder() -> Option<PathBuf> {
    folder_in_maps(&std::fs::read_to_string("/proc/self/maps").ok()?)
}

/// Reads `/proc/self/maps`: address, permissions, offset, device, inode, and then the path, which may hold spaces.
fn folder_in_maps(maps: &str) -> Option<PathBuf> {
    let line = maps.lines().find(|line| line.ends_with("/libtorch_cpu.so"))?;
    let path = Path::new(&line[line.find('/')?..]);
    path.parent().map(Path::to_owned)
}

/// What the NVIDIA driver calls the GPUs, in the order of their bus addresses.
fn gpu_names(folder: &Path) -> Vec<String> {
    let mut files: Vec<_> = folder.read_dir().into_iter().flatten().filter_map(Result::ok).collect();
    files.sort_by_key(std::fs::DirEntry::file_name);
    files
        .iter()
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("information")).ok())
        .filter_map(|text| text.lines().find_map(|line| Some(line.strip_prefix("Model:")?.trim().to_owned())))
        .collect()
}

/// Loads a library with its symbols global, and never unloads it.
///
/// # Errors
/// What the system's loader says.
#[cfg(unix)]
#[expect(unsafe_code, reason = "dlopen runs the library's initialisers")]
fn open_for_ever(library: &Path) -> Result<(), String> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: only libraries that are made to be loaded so are opened: the NVIDIA driver's, and the parts of the same
    // release of libtorch as the one that runs (`load` checks the version). Their initialisers register back ends and
    // have no other precondition. The handle is never closed, so nothing that they registered can dangle.
    match unsafe { Library::open(Some(library), RTLD_NOW | RTLD_GLOBAL) } {
        Ok(handle) => {
            std::mem::forget(handle);
            Ok(())
        }
        Err(error) => Err(deepest(&error)),
    }
}

#[cfg(not(unix))]
fn open_for_ever(_library: &Path) -> Result<(), String> {
    Err("CUDA is loaded at run time on Unix only".to_owned())
}

/// The message at the bottom of an error's chain: the loader's own words.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// Asks the running libtorch for its version: `aoti_torch_abi_version()` gives major, minor and patch in the three
/// upper bytes of 64 bits (`TORCH_ABI_VERSION` in `torch/headeronly/version.h`).
#[cfg(unix)]
#[expect(unsafe_code, reason = "looks up and calls a C function of libtorch")]
fn running_version() -> Option<String> {
    // SAFETY: the symbol is part of libtorch's stable C interface, declared `uint64_t aoti_torch_abi_version()`; it
    // takes nothing, returns a constant, and libtorch stays loaded as long as the process.
    let bits = unsafe {
        let this = libloading::os::unix::Library::this();
        let function = this.get::<unsafe extern "C" fn() -> u64>(b"aoti_torch_abi_version\0").ok()?;
        function()
    };
    let [major, minor, patch, ..] = bits.to_be_bytes();
    Some(format!("{major}.{minor}.{patch}"))
}

#[cfg(not(unix))]
fn running_version() -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_libtorch_tells_its_version_and_its_folder() {
        let found = libtorch();
        assert_eq!(found.version.as_deref(), Some(LIBTORCH_VERSION));
        assert!(found.folder.expect("a folder").join("libtorch_cpu.so").is_file());
    }

    #[test]
    fn a_path_with_spaces_is_read_whole_from_the_memory_map() {
        let maps = "7f00-7f01 r--p 00000000 fe:00 12 /usr/lib/libc.so.6\n\
                    7f02-7f03 r-xp 00000000 fe:00 13        /home/a b/torch/lib/libtorch_cpu.so\n";
        assert_eq!(folder_in_maps(maps), Some(PathBuf::from("/home/a b/torch/lib")));
        assert_eq!(folder_in_maps("7f00-7f01 r--p 00000000 fe:00 12 /usr/lib/libc.so.6\n"), None);
    }

    #[test]
    fn the_cuda_folder_is_found_beside_the_cpu_folder() {
        let cache = tempfile::tempdir().expect("a folder");
        let cpu = cache.path().join("libtorch-2.11.0-cpu-0123/torch/lib");
        let cuda = cache.path().join("libtorch-2.11.0-cuda-4567/torch/lib");
        for folder in [&cpu, &cuda, &cache.path().join("libtorch-2.12.0-cuda-89ab/torch/lib")] {
            std::fs::create_dir_all(folder).expect("a folder");
        }
        assert_eq!(beside(Some(&cpu)), [cpu, cuda]);
        assert_eq!(beside(None), Vec::<PathBuf>::new());
    }

    #[test]
    fn the_version_of_a_folder_is_read_from_either_file() {
        let torch = tempfile::tempdir().expect("a folder");
        let lib = torch.path().join("lib");
        assert_eq!(folder_version(&lib), None);
        std::fs::write(torch.path().join("version.py"), "x = 1\n__version__ = '2.9.1+cu128'\n").expect("a file");
        assert_eq!(folder_version(&lib).as_deref(), Some("2.9.1"));
        std::fs::write(torch.path().join("build-version"), "2.11.0+cu130\n").expect("a file");
        assert_eq!(folder_version(&lib).as_deref(), Some("2.11.0"));
    }

    #[test]
    fn gpus_are_named_in_the_order_of_their_addresses() {
        let gpus = tempfile::tempdir().expect("a folder");
        for (bus, name) in [("0000:81:00.0", "NVIDIA B"), ("0000:01:00.0", "NVIDIA A")] {
            let folder = gpus.path().join(bus);
            std::fs::create_dir(&folder).expect("a folder");
            std::fs::write(folder.join("information"), format!("Model: \t\t {name}\nIRQ: 5\n")).expect("a file");
        }
        assert_eq!(gpu_names(gpus.path()), ["NVIDIA A", "NVIDIA B"]);
    }

    #[test]
    fn a_library_that_is_not_there_is_refused_in_the_loaders_words() {
        let error = open_for_ever(Path::new("/nowhere/libnothing.so")).expect_err("nothing there");
        assert!(error.contains("/nowhere/libnothing.so"), "{error}");
    }
}
