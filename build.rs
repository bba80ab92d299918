//! Links the C compiler's unwinder from its archive, where there is one, and says which ways of the system are taken.
//!
//! Rust's panics want that unwinder. From the archive it is there without the search for a shared library, which is a
//! sixth of what starting a small program costs; where there is none the shared library is taken as usual.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_PORTABLE").is_some() {
        println!("cargo::rustc-cfg=procman_portable");
    }
    let is = |name: &str, expected: &str| env::var(name).is_ok_and(|value| value == expected);
    let is_native = env::var_os("HOST") == env::var_os("TARGET");
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") && is_native && has_archive() {
        println!("cargo::rustc-link-lib=static:-bundle=gcc_eh");
    }
}

/// Returns whether who links finds the archive. A C compiler prints the path of a file that it knows, and of any other
/// just the name.
fn has_archive() -> bool {
    let linker = env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    let asked = Command::new(linker).arg("-print-file-name=libgcc_eh.a").output();
    let path = asked.map(|answer| String::from_utf8_lossy(&answer.stdout).trim().to_owned());
    path.is_ok_and(|path| Path::new(&path).is_absolute() && Path::new(&path).is_file())
}
