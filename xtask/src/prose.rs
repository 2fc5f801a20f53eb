//! The prose lint: plain technical English in code, documents, rules and dashboards.

mod commit;
mod rules;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::{output, print, root};

/// Text of others, or generated from it.
const EXCLUDED: [&str; 8] = [
    "LICENSE",
    "deploy/licenses/",
    "deploy/completions/",
    "dashboards/preview/package-lock.json",
    "dashboards/preview/fixtures/",
    "fuzz/seeds/",
    "xtask/src/prose/",
    "docs/images/",
];

/// Endings of the files that people read.
const ENDINGS: [&str; 16] = [
    "rs",
    "md",
    "yml",
    "yaml",
    "json",
    "toml",
    "py",
    "sh",
    "libsonnet",
    "jsonnet",
    "tpl",
    "tf",
    "ts",
    "tsx",
    "html",
    "1",
];

/// One violation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong, and the remedy.
    pub message: String,
}

impl Finding {
    fn new(line: usize, message: impl fmt::Display) -> Self {
        Self {
            line,
            message: message.to_string(),
        }
    }
}

/// Checks every tracked text, and the subjects of `commits` (by default the last commit).
///
/// # Errors
/// A finding, or a repository that cannot be read.
pub(crate) fn run(commits: Option<&str>) -> anyhow::Result<()> {
    let mut findings = 0;
    let mut lines = 0;
    for path in output(Command::new("git").args(["ls-files"]))?.lines() {
        if !is_prose(path) {
            continue;
        }
        let file = Path::new(root()).join(path);
        // Deleted, and not committed yet.
        if !file.exists() {
            continue;
        }
        let text =
            std::fs::read_to_string(&file).with_context(|| format!("failed to read {path}"))?;
        lines += text.lines().count();
        for finding in rules::check(path, &text) {
            findings += 1;
            print(&format!("{path}:{}: {}", finding.line, finding.message));
        }
    }
    let range = commits.unwrap_or("HEAD~1..HEAD");
    let subjects =
        output(Command::new("git").args(["log", "--no-merges", "--format=%h %s", range]));
    // A shallow clone has no parent of its only commit.
    let subjects = if commits.is_none() {
        subjects.unwrap_or_default()
    } else {
        subjects?
    };
    for line in subjects.lines() {
        let (commit, subject) = line.split_once(' ').unwrap_or((line, ""));
        for problem in commit::check(subject) {
            findings += 1;
            print(&format!("commit {commit}: {problem}"));
        }
    }
    ensure!(findings == 0, "{findings} findings in {lines} lines");
    print(&format!("no findings in {lines} lines"));
    Ok(())
}

fn is_prose(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    !EXCLUDED.iter().any(|excluded| path.starts_with(excluded))
        && ending.is_none_or(|ending| ENDINGS.contains(&ending))
}
