//! What `wasabi doctor` tells: facts about this machine as data, and for whatever is missing the command that mends it.

use std::path::{Path, PathBuf};

use super::cuda::{Cuda, LIBTORCH_VERSION, Libtorch, cuda, libtorch};

/// What the arithmetic runs on; a run's record keeps it.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The version of this crate.
    pub version: &'static str,
    /// The code revision that the binary was built from.
    pub revision: &'static str,
    /// libtorch as it runs.
    pub libtorch: Libtorch,
    /// CUDA, or why not.
    pub cuda: Cuda,
    /// Threads within one libtorch operation.
    pub threads: usize,
    /// CPUs that this process may use.
    pub cpus: usize,
    /// The CPU's model, as the system names it.
    pub cpu_model: Option<String>,
    /// The widest SIMD level.
    pub simd: &'static str,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// As it should be.
    Ok,
    /// Works without it, but less well.
    Warn,
    /// Something will not work.
    Missing,
}

/// One line of the doctor's report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it came out.
    pub status: Status,
    /// What was found.
    pub found: String,
    /// The command, or the step, that mends it.
    pub mend: Option<String>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, status: Status::Ok, found: found.into(), mend: None }
    }

    fn bad(name: &'static str, status: Status, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { name, status, found: found.into(), mend: Some(mend.into()) }
    }
}

/// Gathers the facts. Loads libtorch's CUDA part where there is an NVIDIA driver.
#[must_use]
pub fn facts() -> Facts {
    let cpu_info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    Facts {
        version: env!("CARGO_PKG_VERSION"),
        revision: env!("WASABI_REVISION"),
        cuda: cuda().clone(),
        libtorch: libtorch(),
        threads: super::threads(),
        cpus: super::cpus(),
        cpu_model: cpu_model(&cpu_info),
        simd: super::simd_level(),
    }
}

/// Looks the machine over: `data` is the folder of audio that the demo reads, `out` the folder that runs are written to.
#[must_use]
pub fn doctor(data: &Path, out: &Path) -> Vec<Check> {
    let facts = facts();
    vec![
        Check::ok("wasabi", format!("{} ({})", facts.version, facts.revision)),
        check_libtorch(&facts.libtorch),
        check_cuda(&facts.cuda),
        check_threads(&facts),
        Check::ok("SIMD", facts.simd),
        check_data(data),
        check_out(out),
        check_cache(cache_folder(|name| std::env::var_os(name).map(PathBuf::from))),
        check_ffmpeg(std::env::var_os("PATH").as_deref()),
    ]
}

fn check_libtorch(libtorch: &Libtorch) -> Check {
    let folder =
        libtorch.folder.as_ref().map_or_else(|| "an unknown folder".to_owned(), |path| path.display().to_string());
    match &libtorch.version {
        Some(version) if version == LIBTORCH_VERSION => Check::ok("libtorch", format!("{version} from {folder}")),
        version => Check::bad(
            "libtorch",
            Status::Warn,
            format!("{} from {folder}, needed {LIBTORCH_VERSION}", version.as_deref().unwrap_or("unknown version")),
            "make setup && make build (and unset LD_LIBRARY_PATH)",
        ),
    }
}

fn check_cuda(cuda: &Cuda) -> Check {
    match cuda {
        Cuda::Ready { count, names, from } => {
            let names = if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) };
            let plural = if *count == 1 { "" } else { "s" };
            Check::ok("CUDA", format!("{count} GPU{plural}{names} (from {})", from.display()))
        }
        Cuda::Absent(absence) => {
            Check::bad("CUDA", Status::Warn, format!("not used, all runs on the CPU: {absence}"), absence.mend())
        }
    }
}

fn check_threads(facts: &Facts) -> Check {
    let model = facts.cpu_model.as_deref().unwrap_or("unknown CPU");
    let found = format!("{} on {} CPU(s), {model}", facts.threads, facts.cpus);
    if facts.threads > facts.cpus {
        let mend = format!("export OMP_NUM_THREADS={}", facts.cpus);
        return Check::bad("threads", Status::Warn, found, mend);
    }
    Check::ok("threads", found)
}

fn check_data(folder: &Path) -> Check {
    let shown = folder.display();
    let mend = "git checkout -- data, or give a folder of WAV or FLAC files: corpus(#{ from: \"…\" })";
    match folder.read_dir() {
        Err(error) => Check::bad("data", Status::Missing, format!("cannot read {shown}: {error}"), mend),
        Ok(entries) => {
            let is_audio = |path: &Path| {
                let extension = path.extension().and_then(|text| text.to_str()).unwrap_or_default();
                ["wav", "flac"].iter().any(|known| extension.eq_ignore_ascii_case(known))
            };
            match entries.filter_map(Result::ok).filter(|entry| is_audio(&entry.path())).count() {
                0 => Check::bad("data", Status::Missing, format!("no WAV or FLAC file in {shown}"), mend),
                count => Check::ok("data", format!("{count} audio file(s) in {shown}")),
            }
        }
    }
}

fn check_out(folder: &Path) -> Check {
    let shown = folder.display();
    // The nearest folder that exists decides whether the rest can be made.
    let existing = folder.ancestors().map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path });
    let existing = existing.into_iter().find(|path| path.exists()).unwrap_or(Path::new("."));
    match tempfile::tempfile_in(existing) {
        Ok(_) => Check::ok("runs", format!("{shown} can be written")),
        Err(error) => Check::bad(
            "runs",
            Status::Missing,
            format!("{shown} cannot be written: {error}"),
            format!("chmod u+w {}, or choose another folder with `out`", existing.display()),
        ),
    }
}

/// `tools/setup.py` puts libtorch into the same folder.
fn cache_folder(var: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let set = |name: &str| var(name).filter(|path| !path.as_os_str().is_empty());
    set("WASABI_CACHE")
        .or_else(|| Some(set("XDG_CACHE_HOME")?.join("wasabi")))
        .or_else(|| Some(set("HOME")?.join(".cache/wasabi")))
}

fn check_cache(folder: Option<PathBuf>) -> Check {
    match folder {
        Some(folder) if folder.is_dir() => Check::ok("cache", folder.display().to_string()),
        Some(folder) => Check::bad("cache", Status::Warn, format!("{} does not exist", folder.display()), "make setup"),
        None => Check::bad("cache", Status::Warn, "no HOME, no WASABI_CACHE", "export WASABI_CACHE=<folder>"),
    }
}

fn check_ffmpeg(path: Option<&std::ffi::OsStr>) -> Check {
    let found =
        path.and_then(|path| std::env::split_paths(path).map(|dir| dir.join("ffmpeg")).find(|file| file.is_file()));
    // Never needed, so that its absence is no fault.
    Check::ok(
        "ffmpeg",
        match found {
            Some(file) => format!("{} (not needed: WAV and FLAC are read without it)", file.display()),
            None => "absent, not needed: WAV and FLAC are read without it".to_owned(),
        },
    )
}

/// The first `model name` of `/proc/cpuinfo`.
fn cpu_model(cpu_info: &str) -> Option<String> {
    let line = cpu_info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::Absence;
    use super::*;

    #[test]
    fn whatever_is_not_in_order_comes_with_what_mends_it() {
        let nowhere = Path::new("/nowhere/at/all");
        let checks = doctor(nowhere, nowhere);
        for check in &checks {
            assert_eq!(check.status == Status::Ok, check.mend.is_none(), "{check:?}");
        }
        let data = checks.iter().find(|check| check.name == "data").expect("a line about the data");
        assert_eq!(data.status, Status::Missing);
        assert!(data.found.contains("/nowhere/at/all"), "{}", data.found);
    }

    #[test]
    fn only_audio_is_counted_as_data() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("README.md"), "").expect("a file");
        assert_eq!(check_data(folder.path()).status, Status::Missing);
        for name in ["a.wav", "b.FLAC"] {
            std::fs::write(folder.path().join(name), "").expect("a file");
        }
        assert!(check_data(folder.path()).found.starts_with("2 audio file(s)"));
    }

    #[test]
    fn another_libtorch_than_the_pinned_one_is_told() {
        let other = Libtorch { version: Some("2.9.0".to_owned()), folder: Some("/opt/torch/lib".into()) };
        let check = check_libtorch(&other);
        assert_eq!(check.status, Status::Warn);
        assert_eq!(check.found, "2.9.0 from /opt/torch/lib, needed 2.11.0");
    }

    #[test]
    fn a_gpu_that_cannot_be_used_is_told_with_the_reason() {
        let absence = Absence::NotInstalled { searched: vec!["/a".into(), "/b".into()] };
        let check = check_cuda(&Cuda::Absent(absence));
        assert!(check.found.contains("is not in /a, /b"), "{}", check.found);
        assert!(check.mend.is_some_and(|mend| mend.contains("make setup CUDA=1")));
        let ready = Cuda::Ready { count: 1, names: vec!["NVIDIA H200".to_owned()], from: "/t/lib".into() };
        assert_eq!(check_cuda(&ready), Check::ok("CUDA", "1 GPU: NVIDIA H200 (from /t/lib)"));
    }

    #[test]
    fn the_cache_folder_follows_the_same_order_as_the_setup() {
        let with = |set: &'static [(&'static str, &'static str)]| {
            cache_folder(move |name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| PathBuf::from(value)))
        };
        assert_eq!(with(&[("WASABI_CACHE", "/w"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h")]), Some("/w".into()));
        assert_eq!(with(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")]), Some("/x/wasabi".into()));
        assert_eq!(with(&[("WASABI_CACHE", ""), ("HOME", "/h")]), Some("/h/.cache/wasabi".into()));
        assert_eq!(with(&[]), None);
    }

    #[test]
    fn the_cpu_model_is_the_first_one_named() {
        let text = "processor\t: 0\nmodel name\t: Fast CPU @ 3 GHz\nprocessor\t: 1\nmodel name\t: Other\n";
        assert_eq!(cpu_model(text).as_deref(), Some("Fast CPU @ 3 GHz"));
        assert_eq!(cpu_model(""), None);
    }
}
