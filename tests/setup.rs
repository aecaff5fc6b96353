//! `tools/setup.py` without a network: made-up wheels, a made-up manifest, a cache of their own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A clone, a cache and a folder of wheels, all made up.
struct Site {
    home: TempDir,
}

impl Site {
    /// One wheel `demo`, with `files` below `torch/`, and a file that is not wanted.
    fn new(files: &[(&str, &[u8])]) -> Self {
        let site = Self { home: tempfile::tempdir().expect("a folder") };
        for folder in ["clone", "wheels"] {
            std::fs::create_dir(site.path(folder)).expect("a folder");
        }
        let mut members = vec![("torch/lib/libtorch_unwanted.so".to_owned(), b"unwanted".to_vec())];
        members.extend(files.iter().map(|(name, bytes)| (format!("torch/{name}"), bytes.to_vec())));
        let wheel = stored_zip(&members);
        site.pin(&wheel);
        std::fs::write(site.wheel(), &wheel).expect("a wheel");
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn wheel(&self) -> PathBuf {
        self.path("wheels/demo-1-py3-none-any.whl")
    }

    fn link(&self) -> PathBuf {
        self.path("clone/.libtorch")
    }

    /// Writes a manifest that pins these bytes.
    fn pin(&self, wheel: &[u8]) {
        let manifest = serde_json::json!({
            "version": "2.11.0",
            "parts": {"cpu": {"about": "made up", "unpacked_bytes": 1000, "wheels": [{
                "name": "demo", "version": "1", "file": "demo-1-py3-none-any.whl", "sha256": sha256(wheel),
                "bytes": wheel.len(), "keep": ["torch/lib/libc10.so", "torch/include/*"],
            }]}},
        });
        std::fs::write(self.path("manifest.json"), manifest.to_string()).expect("a manifest");
    }

    fn command(&self) -> Command {
        let mut command = Command::new("python3");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/setup.py"));
        command.args(["--manifest".into(), self.path("manifest.json")]);
        command.args(["--root".into(), self.path("clone")]);
        command.env("WASABI_CACHE", self.path("cache"));
        command
    }

    fn with_wheels(&self) -> Command {
        let mut command = self.command();
        command.args(["--wheels".into(), self.path("wheels")]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self) -> Output {
        self.with_wheels().output().expect("python3 runs")
    }

    /// What lies in the cache, but for the lock.
    fn cached(&self) -> Vec<String> {
        let entries = self.path("cache").read_dir().into_iter().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.retain(|name| name != ".lock");
        names.sort();
        names
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn good() -> Site {
    Site::new(&[("lib/libc10.so", b"library"), ("include/a/b.h", b"header")])
}

#[test]
fn a_first_setup_unpacks_what_is_wanted_and_links_it() {
    let site = good();
    let output = site.run();
    assert!(output.status.success(), "{}", said(&output));
    let read = |name: &str| std::fs::read_to_string(site.link().join(name)).ok();
    assert_eq!(read("torch/lib/libc10.so").as_deref(), Some("library"));
    assert_eq!(read("torch/include/a/b.h").as_deref(), Some("header"));
    assert_eq!(read("torch/build-version").as_deref(), Some("2.11.0\n"));
    assert_eq!(read("torch/lib/libtorch_unwanted.so"), None);
    assert_eq!(site.cached().len(), 1, "{:?}", site.cached());
}

#[test]
fn a_second_setup_needs_no_wheel_and_says_nothing() {
    let site = good();
    assert!(site.run().status.success());
    std::fs::remove_file(site.wheel()).expect("the wheel goes");
    let again = site.run();
    assert!(again.status.success(), "{}", said(&again));
    assert_eq!(said(&again), "");
}

#[test]
fn a_second_clone_takes_the_folder_of_the_first() {
    let site = good();
    assert!(site.run().status.success());
    std::fs::remove_file(site.wheel()).expect("the wheel goes");
    std::fs::create_dir(site.path("other")).expect("a folder");
    let output = site.with_wheels().args(["--root".into(), site.path("other")]).output().expect("python3 runs");
    assert!(output.status.success(), "{}", said(&output));
    let target = |clone: &str| std::fs::read_link(site.path(clone).join(".libtorch")).expect("a link");
    assert_eq!(target("clone"), target("other"));
}

#[test]
fn a_wheel_with_another_hash_is_refused_and_leaves_nothing() {
    let site = good();
    let mut bytes = std::fs::read(site.wheel()).expect("the wheel");
    bytes.push(0);
    std::fs::write(site.wheel(), &bytes).expect("a changed wheel");
    let output = site.run();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains(&sha256(&bytes)), "{}", said(&output));
    assert!(!said(&output).contains("Traceback"), "{}", said(&output));
    assert_eq!(site.cached(), Vec::<String>::new());
    assert!(!site.link().exists());
}

#[test]
fn a_wheel_that_breaks_off_while_it_is_unpacked_leaves_nothing() {
    let site = good();
    let mut bytes = std::fs::read(site.wheel()).expect("the wheel");
    // The member's bytes no longer fit its check sum; the manifest pins the file as it is.
    let at = bytes.windows(6).position(|window| window == b"header").expect("the header's bytes");
    bytes[at] ^= 1;
    site.pin(&bytes);
    std::fs::write(site.wheel(), &bytes).expect("a torn wheel");
    let output = site.run();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("cannot be unpacked"), "{}", said(&output));
    assert_eq!(site.cached(), Vec::<String>::new());
    assert!(!site.link().exists());
}

#[test]
fn a_wheel_without_what_is_wanted_is_refused() {
    let site = Site::new(&[("include/a.h", b"header")]);
    let output = site.run();
    assert!(said(&output).contains("holds nothing named torch/lib/libc10.so"), "{}", said(&output));
    assert_eq!(site.cached(), Vec::<String>::new());
}

#[test]
fn a_path_that_leads_out_of_the_folder_is_refused() {
    let site = Site::new(&[("lib/libc10.so", b"library"), ("include/../../../../evil.h", b"evil")]);
    let output = site.run();
    assert!(said(&output).contains("leads out of its folder"), "{}", said(&output));
    assert!(!site.path("evil.h").exists() && !site.path("cache/evil.h").exists());
}

#[test]
fn a_setup_killed_while_unpacking_leaves_no_folder_and_the_next_one_works() {
    let site = many_files();
    let mut child = site.with_wheels().spawn().expect("python3 runs");
    wait_until(&mut child, || site.cached().iter().any(|name| name.starts_with(".partial-")));
    child.kill().expect("killed");
    child.wait().expect("dead");
    assert!(!site.cached().iter().any(|name| name.starts_with("libtorch-")), "{:?}", site.cached());
    assert!(!site.link().exists());

    let output = site.run();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(site.cached().len(), 1, "what the killed one left is gone: {:?}", site.cached());
    assert!(site.link().join("torch/lib/libc10.so").is_file());
}

#[test]
fn of_two_setups_at_once_one_works_and_one_waits() {
    let site = many_files();
    let children: Vec<Child> = (0..2).map(|_| site.with_wheels().spawn().expect("python3 runs")).collect();
    let outputs: Vec<Output> = children.into_iter().map(|child| child.wait_with_output().expect("an end")).collect();
    for output in &outputs {
        assert!(output.status.success(), "{}", said(output));
    }
    let worked = outputs.iter().filter(|output| said(output).contains("ready:")).count();
    assert_eq!(worked, 1, "{:?}", outputs.iter().map(said).collect::<Vec<_>>());
    assert_eq!(site.cached().len(), 1);
}

#[test]
fn a_damaged_folder_is_made_anew() {
    let site = good();
    assert!(site.run().status.success());
    std::fs::write(site.link().join("torch/lib/libc10.so"), "short").expect("damaged");
    let output = site.run();
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("torch/lib/libc10.so has another size"), "{}", said(&output));
    assert_eq!(std::fs::read_to_string(site.link().join("torch/lib/libc10.so")).expect("mended"), "library");
}

#[test]
fn a_folder_in_the_place_of_the_link_is_never_removed() {
    let site = good();
    std::fs::create_dir(site.link()).expect("a folder");
    std::fs::write(site.link().join("mine"), "").expect("a file");
    let output = site.run();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("is in the way"), "{}", said(&output));
    assert!(site.link().join("mine").exists());
}

#[test]
fn a_full_disk_is_told_before_anything_is_written() {
    let site = good();
    let manifest = std::fs::read_to_string(site.path("manifest.json")).expect("the manifest");
    let huge = manifest.replace("\"unpacked_bytes\":1000", "\"unpacked_bytes\":900000000000000000");
    assert_ne!(manifest, huge);
    std::fs::write(site.path("manifest.json"), huge).expect("a manifest");
    let output = site.run();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("needed 900000000100 MB"), "{}", said(&output));
    assert_eq!(site.cached(), Vec::<String>::new());
}

#[test]
fn a_cache_that_cannot_be_made_is_told_with_another_way() {
    let site = good();
    std::fs::write(site.path("cache"), "a file in the way").expect("a file");
    let output = site.run();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("WASABI_CACHE=<folder>"), "{}", said(&output));
    assert!(!said(&output).contains("Traceback"), "{}", said(&output));
}

#[test]
fn a_python_without_pip_is_told_what_to_install() {
    let site = good();
    // A module named pip that ends as python does when there is none.
    let fake = site.path("fake");
    std::fs::create_dir(&fake).expect("a folder");
    std::fs::write(fake.join("pip.py"), "raise SystemExit('No module named pip')").expect("a module");
    let output = site.command().env("PYTHONPATH", &fake).output().expect("python3 runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("has no pip"), "{}", said(&output));
    assert!(said(&output).contains("apt install python3-pip"), "{}", said(&output));
    assert_eq!(site.cached(), Vec::<String>::new());
}

#[test]
fn a_package_index_out_of_reach_is_told_with_what_pip_said() {
    let site = good();
    let empty = site.path("no-index");
    std::fs::create_dir(&empty).expect("a folder");
    // No network is asked: pip is told to look into an empty folder.
    let output = site.command().env("PIP_NO_INDEX", "1").env("PIP_FIND_LINKS", &empty).output().expect("python3 runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("pip could not fetch demo==1"), "{}", said(&output));
    assert!(said(&output).contains("pip: ERROR"), "{}", said(&output));
    assert_eq!(site.cached(), Vec::<String>::new());
}

#[test]
fn the_pinned_manifest_is_whole_and_names_no_host() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("tools/libtorch.json")).expect("the manifest");
    let manifest: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(manifest["version"], wasabi::device::LIBTORCH_VERSION);
    for part in ["cpu", "cuda"] {
        for wheel in manifest["parts"][part]["wheels"].as_array().expect("wheels") {
            let hash = wheel["sha256"].as_str().expect("a hash");
            assert!(hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{wheel}");
            let stem = format!(
                "{}-{}-",
                wheel["name"].as_str().expect("a name").replace('-', "_"),
                wheel["version"].as_str().expect("a version")
            );
            assert!(wheel["file"].as_str().expect("a file").starts_with(&stem), "{wheel}");
        }
    }
    let script = std::fs::read_to_string(root.join("tools/setup.py")).expect("the script");
    for file in [text, script] {
        assert!(!file.contains("://"), "wheels are fetched by name");
    }
}

/// Enough files that unpacking them takes a while.
fn many_files() -> Site {
    let names: Vec<String> = (0..1_000).map(|number| format!("include/{number}.h")).collect();
    let mut files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"header".as_slice())).collect();
    files.push(("lib/libc10.so", b"library"));
    Site::new(&files)
}

fn wait_until(child: &mut Child, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(60), "nothing happened for a minute");
        assert!(child.try_wait().expect("a child").is_none(), "it ended before anything was seen");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A zip archive with its members stored as they are.
fn stored_zip(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut zip, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in members {
        let (offset, sum) = (zip.len() as u32, crc32(bytes));
        let mut common = Vec::new(); // version, flags, method, time, date, sum, sizes, lengths of name and extra
        for half in [20_u16, 0, 0, 0, 0x21] {
            common.extend(half.to_le_bytes());
        }
        for word in [sum, bytes.len() as u32, bytes.len() as u32] {
            common.extend(word.to_le_bytes());
        }
        common.extend((name.len() as u16).to_le_bytes());
        common.extend(0_u16.to_le_bytes());

        zip.extend(b"PK\x03\x04");
        zip.extend(&common);
        zip.extend(name.as_bytes());
        zip.extend(bytes);

        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]); // comment, disk, attributes
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (start, count) = (zip.len() as u32, members.len() as u16);
    zip.extend(&directory);
    zip.extend(b"PK\x05\x06\x00\x00\x00\x00");
    for half in [count, count] {
        zip.extend(half.to_le_bytes());
    }
    for word in [directory.len() as u32, start] {
        zip.extend(word.to_le_bytes());
    }
    zip.extend(0_u16.to_le_bytes());
    zip
}

fn crc32(bytes: &[u8]) -> u32 {
    let shift = |sum: u32| if sum & 1 == 1 { (sum >> 1) ^ 0xEDB8_8320 } else { sum >> 1 };
    !bytes.iter().fold(!0, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), |sum, _| shift(sum)))
}

/// Asked of Python, which checks it too: this test is about what happens then.
fn sha256(bytes: &[u8]) -> String {
    let code = "import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())";
    let mut child = Command::new("python3")
        .args(["-c", code])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 runs");
    child.stdin.take().expect("a pipe").write_all(bytes).expect("written");
    let output = child.wait_with_output().expect("an end");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}
