//! Sets `RUSTC_VERSION`, the version of the compiler, for `build_info`.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(compiler).arg("--version").output().ok();
    let text = output
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .unwrap_or_default();
    // "rustc 1.95.0 (59807616e 2026-04-14)"
    println!(
        "cargo:rustc-env=RUSTC_VERSION={}",
        text.split_whitespace().nth(1).unwrap_or("unknown")
    );
}
