//! Puts libtorch's folder into the run path of every binary, so that `cargo run`, `cargo test` and an installed
//! `wasabi` start without `LD_LIBRARY_PATH`; and records the code revision for run records.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    link_libtorch();
    record_revision();
}

fn link_libtorch() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    let Some(libtorch) = std::env::var_os("LIBTORCH") else { return };
    let named = PathBuf::from(libtorch).join("lib");
    // The real folder, not the link in the clone: the binary then outlives the clone that built it.
    let lib = named.canonicalize().unwrap_or(named);
    // When `make setup` has put another libtorch there, or the old one is gone.
    println!("cargo:rerun-if-changed={}", lib.join("libtorch_cpu.so").display());
    println!("cargo:rustc-env=WASABI_BUILT_WITH_LIBTORCH={}", lib.display());
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        // RPATH and not RUNPATH: a shell whose LD_LIBRARY_PATH leads to some other libtorch must not win.
        println!("cargo:rustc-link-arg=-Wl,--disable-new-dtags");
    }
}

fn record_revision() {
    // A dirty tree is one whose sources differ from the commit.
    println!("cargo:rerun-if-changed=src");
    for name in ["HEAD", "refs"] {
        // In a worktree `.git` is a file: git says where things are. A source archive has no git, and no revision.
        if let Some(path) = git(&["rev-parse", "--git-path", name]).filter(|path| Path::new(path).exists()) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    let revision = git(&["describe", "--always", "--dirty", "--abbrev=12"]).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=WASABI_REVISION={revision}");
}

/// What git answers, if it is there and content.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
