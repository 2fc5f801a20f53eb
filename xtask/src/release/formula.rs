//! The formula for a Homebrew tap.

use std::fmt::Write as _;

use anyhow::{Context, ensure};

use super::Release;
use super::program::EXPORTER;
use super::report::{Made, checksum};
use super::target::Target;
use super::tools::{command, need, unavailable};
use crate::output;
use crate::publisher::PROJECT;

/// The system and architecture in Homebrew's words, and the archive for it.
const BOTTLES: [(&str, &str, Target); 4] = [
    ("macos", "arm", Target("aarch64-apple-darwin")),
    ("macos", "intel", Target("x86_64-apple-darwin")),
    ("linux", "arm", Target("aarch64-unknown-linux-musl")),
    ("linux", "intel", Target("x86_64-unknown-linux-musl")),
];

/// Writes the formula for the archives that are there.
///
/// # Errors
/// The formula is no Ruby, or installs a file that the archive lacks.
pub(super) fn formula(release: &Release) -> anyhow::Result<Made> {
    let mut blocks = String::new();
    let mut packed = Vec::new();
    let mut missing = Vec::new();
    for (system, processor, target) in BOTTLES {
        let archive = release.archive(&EXPORTER, target);
        if !archive.exists() {
            missing.push(format!("no archive for {}", target.0));
            continue;
        }
        let name = archive
            .file_name()
            .context("an archive has a name")?
            .to_string_lossy();
        let _ = write!(
            blocks,
            "\n  on_{system} do\n    on_{processor} do\n      url \"{}/releases/download/v{}/{name}\"\n      \
             sha256 \"{}\"\n    end\n  end\n",
            release.publisher.repository(),
            release.version,
            checksum(&archive)?,
        );
        packed.push(archive);
    }
    let archive = packed
        .first()
        .ok_or_else(|| unavailable("no archive for macOS or of a static binary is here"))?;
    let text = format!(
        r##"# Written by `cargo xtask release`.
class AwsTransferExporter < Formula
  desc "Prometheus exporter for AWS Transfer Family SFTP connectors"
  homepage "{}"
  version "{}"
  license "Apache-2.0"
{blocks}
  def install
    bin.install "aws-transfer-exporter"
    man1.install "aws-transfer-exporter.1"
    bash_completion.install "completions/aws-transfer-exporter.bash" => "aws-transfer-exporter"
    fish_completion.install "completions/aws-transfer-exporter.fish"
    zsh_completion.install "completions/_aws-transfer-exporter"
    pkgshare.install "example.yml"
  end

  service do
    run [opt_bin/"aws-transfer-exporter", "--config.file=#{{etc}}/aws-transfer-exporter.yml"]
    keep_alive true
  end

  test do
    assert_match version.to_s, shell_output("#{{bin}}/aws-transfer-exporter --version")
  end
end
"##,
        release.publisher.repository(),
        release.version
    );
    let path = release.folder.join(format!("{PROJECT}.rb"));
    std::fs::write(&path, &text)?;
    let listed = output(command("tar").arg("-tzf").arg(archive))?;
    let mut files = 0;
    for file in text
        .lines()
        .filter_map(|line| line.split_once(".install \"")?.1.split('"').next())
    {
        let found = listed
            .lines()
            .any(|line| line.ends_with(&format!("/{file}")));
        ensure!(
            found,
            "the formula installs {file}, which the archive lacks"
        );
        files += 1;
    }
    let mut made = Made::new(
        path.clone(),
        format!(
            "{} of {} archives; its {files} files are in them",
            packed.len(),
            BOTTLES.len()
        ),
    )
    .and(need("ruby", "Debian: ruby").and_then(|()| {
        output(command("ruby").arg("-c").arg(&path)).map(|_| "ruby -c".to_owned())
    }))?;
    made.unchecked.extend(missing);
    made.unchecked
        .push("brew audit and brew install need Homebrew".to_owned());
    Ok(made)
}
