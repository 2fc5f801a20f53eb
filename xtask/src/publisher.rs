//! Who publishes the project: `deploy/publisher.toml`, and the places that repeat it.

mod places;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::{output, print, root};
use places::Mismatch;

/// The file that every other place follows, from the root of the repository.
pub(crate) const FILE: &str = "deploy/publisher.toml";

/// The name of the repository, the program, the image and the chart.
pub(crate) const PROJECT: &str = "aws-transfer-exporter";

/// The content of `deploy/publisher.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Publisher {
    /// The organisation or user on GitHub.
    pub organisation: String,
    /// The name of the maintainer, without the address.
    pub name: String,
    /// The mail address of the maintainer.
    pub address: String,
    /// The base of each `runbook_url`.
    pub runbooks: String,
}

impl Publisher {
    /// Reads `deploy/publisher.toml`.
    ///
    /// # Errors
    /// The file is missing, or a value of it is.
    pub(crate) fn read() -> anyhow::Result<Self> {
        let path = Path::new(root()).join(FILE);
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("failed to read {FILE}"))?;
        Self::parse(&text).with_context(|| format!("failed to read {FILE}"))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let value = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='))
                .and_then(|value| value.trim().strip_prefix('"')?.strip_suffix('"'))
                .filter(|value| !value.is_empty())
                .with_context(|| format!("`{key} = \"...\"` is missing"))
        };
        let (name, address) = value("maintainer")?
            .strip_suffix('>')
            .and_then(|maintainer| maintainer.split_once(" <"))
            .context("`maintainer` is not `NAME <ADDRESS>`")?;
        let organisation = value("organisation")?;
        ensure!(
            organisation.chars().all(places::is_of_a_name),
            "`organisation` has a character other than letters, digits and hyphens"
        );
        Ok(Self {
            organisation: organisation.to_owned(),
            name: name.to_owned(),
            address: address.to_owned(),
            runbooks: value("runbooks")?.replace("{organisation}", organisation),
        })
    }

    /// The address of the repository.
    pub(crate) fn repository(&self) -> String {
        format!("https://github.com/{}/{PROJECT}", self.organisation)
    }

    /// The repository of the exporter's image, without a tag.
    pub(crate) fn image(&self) -> String {
        format!("ghcr.io/{}/{PROJECT}", self.registry_owner())
    }

    /// The organisation as image names have it.
    fn registry_owner(&self) -> String {
        self.organisation.to_lowercase()
    }

    /// Refuses to release under a placeholder.
    ///
    /// # Errors
    /// `repository`, as GitHub names it, belongs to another organisation, or the maintainer has no
    /// address.
    pub(crate) fn check_release(&self, repository: &str) -> anyhow::Result<()> {
        let wanted = format!("{}/{PROJECT}", self.organisation);
        ensure!(
            repository.eq_ignore_ascii_case(&wanted),
            "{FILE} has {wanted}, the release is of {repository}"
        );
        ensure!(
            !self.has_placeholder(),
            "{FILE} has no address of the maintainer: {}",
            self.address
        );
        Ok(())
    }

    /// Whether the maintainer has no address yet.
    fn has_placeholder(&self) -> bool {
        self.address.ends_with(".invalid")
    }
}

/// Returns each place of the repository that differs from the file.
///
/// # Errors
/// The repository cannot be read.
fn check(publisher: &Publisher) -> anyhow::Result<Vec<Mismatch>> {
    let mut mismatches = Vec::new();
    for (path, text) in texts()? {
        mismatches.extend(places::check(&path, &text, publisher));
    }
    Ok(mismatches)
}

/// `cargo xtask publisher`: reports each place that differs.
///
/// # Errors
/// A place differs, or the repository cannot be read.
pub(crate) fn report() -> anyhow::Result<()> {
    let mismatches = check(&Publisher::read()?)?;
    for mismatch in &mismatches {
        print(&mismatch.to_string());
    }
    ensure!(
        mismatches.is_empty(),
        "{} places differ from {FILE}; `cargo xtask publisher --write` changes them",
        mismatches.len()
    );
    Ok(())
}

/// `cargo xtask publisher --write`: changes each place that differs.
///
/// # Errors
/// A file cannot be read or written.
pub(crate) fn write() -> anyhow::Result<()> {
    let publisher = Publisher::read()?;
    for (path, text) in texts()? {
        let changed = places::write(&path, &text, &publisher);
        if changed != text {
            std::fs::write(Path::new(root()).join(&path), changed)
                .with_context(|| format!("failed to write {path}"))?;
            print(&path);
        }
    }
    Ok(())
}

/// `cargo xtask publisher --release OWNER/NAME`: refuses to release under a placeholder.
///
/// # Errors
/// A place or `repository` differs from the file, or a value is a placeholder.
pub(crate) fn check_release(repository: &str) -> anyhow::Result<()> {
    report()?;
    Publisher::read()?.check_release(repository)
}

/// Returns the tracked texts with their paths, without symbolic links.
fn texts() -> anyhow::Result<Vec<(String, String)>> {
    let mut texts = Vec::new();
    for path in output(Command::new("git").args(["ls-files"]))?.lines() {
        let file = Path::new(root()).join(path);
        // A test of the places has names of others.
        if path == FILE || path.starts_with("xtask/src/publisher/") || !is_file(&file) {
            continue;
        }
        let content = std::fs::read(&file).with_context(|| format!("failed to read {path}"))?;
        if let Ok(text) = String::from_utf8(content) {
            texts.push((path.to_owned(), text));
        }
    }
    Ok(texts)
}

fn is_file(path: &Path) -> bool {
    path.symlink_metadata()
        .is_ok_and(|metadata| metadata.is_file())
}
