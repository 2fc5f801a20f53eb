//! The targets of a release, and what a binary of each has to be.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail, ensure};

use super::tools::{command, need};
use crate::output;

/// The targets that the release workflow builds, each on a machine of its kind.
pub(super) const TARGETS: [Target; 6] = [
    Target("x86_64-unknown-linux-gnu"),
    Target("aarch64-unknown-linux-gnu"),
    Target("x86_64-unknown-linux-musl"),
    Target("aarch64-unknown-linux-musl"),
    Target("x86_64-apple-darwin"),
    Target("aarch64-apple-darwin"),
];

/// A target of Rust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target(pub &'static str);

/// What the head of an ELF file says.
#[derive(Debug, PartialEq, Eq)]
struct Elf {
    machine: u16,
    asks_for_loader: bool,
}

impl Target {
    /// Returns the target of that name.
    pub(super) fn named(name: &str) -> anyhow::Result<Self> {
        TARGETS
            .into_iter()
            .find(|target| target.0 == name)
            .with_context(|| format!("not a target of the release: {name}"))
    }

    pub(super) fn machine(self) -> &'static str {
        self.0.split('-').next().unwrap_or_default()
    }

    pub(super) fn is_gnu(self) -> bool {
        self.0.ends_with("-linux-gnu")
    }

    pub(super) fn is_musl(self) -> bool {
        self.0.ends_with("-linux-musl")
    }

    /// The architecture as Debian and container images name it.
    pub(super) fn architecture(self) -> &'static str {
        match self.machine() {
            "aarch64" => "arm64",
            _ => "amd64",
        }
    }

    /// Whether this machine can run its binaries.
    pub(super) fn runs_here(self) -> bool {
        self.machine() == std::env::consts::ARCH
            && self.0.contains(match std::env::consts::OS {
                "macos" => "darwin",
                system => system,
            })
    }

    /// Returns a command that runs a binary here, and how: by itself, or emulated if it is static.
    fn starter(self, binary: &Path) -> Option<(Command, &'static str)> {
        if self.runs_here() {
            return Some((Command::new(binary), "starts"));
        }
        let emulator = format!("qemu-{}-static", self.machine());
        let is_there = self.is_musl() && need(&emulator, "Debian: qemu-user-static").is_ok();
        is_there.then(|| {
            let mut program = command(emulator);
            program.arg(binary);
            (program, "starts under qemu")
        })
    }

    /// Checks that a binary is of this target, program and version, and that a binary of musl is static.
    ///
    /// # Errors
    /// What does not match.
    pub(super) fn check(
        self,
        binary: &Path,
        program: &str,
        version: &str,
    ) -> anyhow::Result<String> {
        let mut checks = Vec::new();
        if self.is_gnu() || self.is_musl() {
            let content = std::fs::read(binary)
                .with_context(|| format!("failed to read {}", binary.display()))?;
            let elf = Elf::parse(&content)
                .with_context(|| format!("{} is no binary of Linux", binary.display()))?;
            let wanted = if self.machine() == "aarch64" { 183 } else { 62 };
            ensure!(
                elf.machine == wanted,
                "{} is for another machine",
                binary.display()
            );
            if self.is_musl() {
                ensure!(
                    !elf.asks_for_loader,
                    "{} is not static: it asks for a loader",
                    binary.display()
                );
                checks.push("static".to_owned());
            }
        }
        match self.starter(binary) {
            Some((mut starter, how)) => {
                let printed = output(starter.arg("--version"))?;
                let wanted = format!("{program} {version}");
                if printed.trim() != wanted {
                    bail!("{} is {}, not {wanted}", binary.display(), printed.trim());
                }
                checks.push(how.to_owned());
            }
            None => checks.push("not started: another machine".to_owned()),
        }
        Ok(checks.join(", "))
    }
}

impl Elf {
    /// Reads the head of a 64-bit little-endian ELF file.
    fn parse(content: &[u8]) -> Option<Self> {
        const LOADER: u32 = 3;
        if content.get(..6)? != b"\x7fELF\x02\x01" {
            return None;
        }
        let half = |at: usize| {
            Some(u16::from_le_bytes(
                content.get(at..at + 2)?.try_into().ok()?,
            ))
        };
        let word = |at: usize| {
            Some(u32::from_le_bytes(
                content.get(at..at + 4)?.try_into().ok()?,
            ))
        };
        let headers =
            usize::try_from(u64::from_le_bytes(content.get(32..40)?.try_into().ok()?)).ok()?;
        let (size, count) = (usize::from(half(54)?), usize::from(half(56)?));
        let mut asks_for_loader = false;
        for header in 0..count {
            asks_for_loader |= word(headers + header * size)? == LOADER;
        }
        Some(Self {
            machine: half(18)?,
            asks_for_loader,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Elf, TARGETS, Target};

    #[test]
    fn the_programs_of_this_machine_are_parsed() {
        if std::env::consts::OS != "linux" {
            return;
        }
        let program = std::env::current_exe().expect("the test is a program");
        let content = std::fs::read(program).expect("the program is readable");
        let elf = Elf::parse(&content).expect("it is an ELF file");
        assert!(elf.asks_for_loader, "{elf:?}");
        let machine = if std::env::consts::ARCH == "aarch64" {
            183
        } else {
            62
        };
        assert_eq!(elf.machine, machine);
        assert_eq!(Elf::parse(&content[..60]), None, "it is cut off");
        assert_eq!(Elf::parse(b"#!/bin/sh\nexit\n"), None);
    }

    #[test]
    fn a_script_is_no_binary_of_linux() {
        let folder = std::env::temp_dir().join(format!("xtask-target-{}", std::process::id()));
        std::fs::write(&folder, "#!/bin/sh\n").expect("the folder is writable");
        let error = Target("x86_64-unknown-linux-musl").check(&folder, "program", "0.1.0");
        std::fs::remove_file(&folder).expect("it is there");
        let error = format!("{:#}", error.expect_err("it is a script"));
        assert!(error.ends_with("is no binary of Linux"), "{error}");
    }

    #[test]
    fn each_target_has_the_names_of_its_machine() {
        let names: Vec<_> = TARGETS.map(Target::architecture).into();
        assert_eq!(
            names,
            ["amd64", "arm64", "amd64", "arm64", "amd64", "arm64"]
        );
        assert!(Target::named("riscv64gc-unknown-linux-gnu").is_err());
    }
}
