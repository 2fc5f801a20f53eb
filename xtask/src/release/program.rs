//! The programs of a release.

use super::roots::Kind;
use crate::publisher::PROJECT;

/// A program with its archives and its image.
#[derive(Debug)]
pub(super) struct Program {
    /// The name of the binary, of the archives and of the image.
    pub name: &'static str,
    /// Its package in the workspace.
    pub package: &'static str,
    /// The Dockerfile of its image.
    pub dockerfile: &'static str,
    /// Files of the archive beside the binary.
    pub documents: &'static [&'static str],
    /// Whether Cargo.toml has metadata for `cargo binstall`.
    pub has_binstall: bool,
    /// How its archive is tried.
    pub kind: Kind,
}

pub(super) const EXPORTER: Program = Program {
    name: PROJECT,
    package: PROJECT,
    dockerfile: "deploy/docker/Dockerfile",
    documents: &[
        "CHANGELOG.md",
        "CONFIGURATION.md",
        "LICENSE",
        "METRICS.md",
        "README.md",
        "THIRD-PARTY.txt",
        "aws-transfer-exporter.1",
        "completions/_aws-transfer-exporter",
        "completions/aws-transfer-exporter.bash",
        "completions/aws-transfer-exporter.fish",
        "example.yml",
    ],
    has_binstall: true,
    kind: Kind::Exporter,
};

pub(super) const SIMULATOR: Program = Program {
    name: "transfer-simulator",
    package: "aws-transfer-simulator",
    dockerfile: "deploy/docker/Dockerfile.simulator",
    documents: &[
        "CHANGELOG.md",
        "LICENSE",
        "THIRD-PARTY.txt",
        "test-your-own-transfer-code.md",
    ],
    has_binstall: false,
    kind: Kind::Simulator,
};

pub(super) const PROGRAMS: [&Program; 2] = [&EXPORTER, &SIMULATOR];
