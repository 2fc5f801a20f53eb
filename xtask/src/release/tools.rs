//! External programs of a release: where they are found, and what is missing.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::{output, root, run};

/// Tools that cargo installs, with the versions that the release uses.
pub(super) const CARGO_CYCLONEDX: (&str, &str) = ("cargo-cyclonedx", "0.5.9");
pub(super) const CARGO_DEB: (&str, &str) = ("cargo-deb", "3.8.0");
pub(super) const CARGO_GENERATE_RPM: (&str, &str) = ("cargo-generate-rpm", "0.21.1");

/// What this machine lacks for a step: no fault of what is released.
#[derive(Debug)]
pub(super) struct Unavailable(pub String);

impl fmt::Display for Unavailable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Unavailable {}

/// Returns an error that says what this machine lacks.
pub(super) fn unavailable(reason: impl Into<String>) -> anyhow::Error {
    Unavailable(reason.into()).into()
}

/// Returns a command that also finds the tools of [`cargo_tool`].
pub(super) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", search_path());
    command
}

fn installed() -> PathBuf {
    Path::new(root()).join("target/release-tools")
}

fn search_path() -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(installed().join("bin")).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).unwrap_or(path)
}

/// Fails as [`Unavailable`] unless `program` is there.
pub(super) fn need(program: &str, package: &str) -> anyhow::Result<()> {
    if std::env::split_paths(&search_path()).any(|folder| folder.join(program).is_file()) {
        return Ok(());
    }
    Err(unavailable(format!("{program} is missing ({package})")))
}

/// Installs a tool of cargo below `target/release-tools` unless its version is there. `offline`
/// reports it as missing instead.
pub(super) fn cargo_tool((name, version): (&str, &str), offline: bool) -> anyhow::Result<()> {
    let subcommand = name.trim_start_matches("cargo-");
    let present = output(command("cargo").args([subcommand, "--version"]));
    if present.is_ok_and(|text| text.contains(version)) {
        return Ok(());
    }
    if offline {
        return Err(unavailable(format!("{name} {version} is missing")));
    }
    run(command("cargo")
        .args(["install", name, "--quiet", "--locked", "--version", version])
        .arg("--root")
        .arg(installed()))
    .with_context(|| format!("failed to install {name} {version}"))
}
