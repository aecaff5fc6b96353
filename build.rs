//! Puts libtorch's folder into the run path of every binary, so that `cargo run`, `cargo test` and an installed
//! `wasabi` start without `LD_LIBRARY_PATH`; and records the code revision for run records.

use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    if let Some(libtorch) = std::env::var_os("LIBTORCH") {
        let lib = PathBuf::from(libtorch).join("lib");
        // The real folder, not the link in the clone: the binary then outlives the clone that built it.
        let lib = lib.canonicalize().unwrap_or(lib);
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
        println!("cargo:rustc-env=WASABI_BUILT_WITH_LIBTORCH={}", lib.display());
    }
    println!("cargo:rerun-if-changed=.git/HEAD");
    println!("cargo:rerun-if-changed=.git/refs/heads");
    let revision = Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=12"])
        .output()
        .ok()
        .filter(|out| out.status.success())
        .map_or_else(|| "unknown".to_owned(), |out| String::from_utf8_lossy(&out.stdout).trim().to_owned());
    println!("cargo:rustc-env=WASABI_REVISION={revision}");
}
