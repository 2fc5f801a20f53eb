//! The table of artefacts: size, checksum, what was checked, and what cannot run here.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use sha2::{Digest, Sha256};

use super::tools::Unavailable;

/// An artefact that was made.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub path: PathBuf,
    /// What was checked.
    pub checks: Vec<String>,
    /// Checks that this machine cannot do, with the reason.
    pub unchecked: Vec<String>,
}

impl Made {
    pub(super) fn new(path: PathBuf, check: impl Into<String>) -> Self {
        Self {
            path,
            checks: vec![check.into()],
            unchecked: Vec::new(),
        }
    }

    /// Adds a further check, which may be one that cannot run here.
    ///
    /// # Errors
    /// The check failed.
    pub(super) fn and(mut self, check: anyhow::Result<String>) -> anyhow::Result<Self> {
        match check {
            Ok(check) => self.checks.push(check),
            Err(error) => match error.downcast::<Unavailable>() {
                Ok(missing) => self.unchecked.push(missing.0),
                Err(error) => return Err(error),
            },
        }
        Ok(self)
    }
}

/// One row of the table.
#[derive(Debug)]
struct Row {
    artefact: String,
    size: String,
    checksum: String,
    checks: String,
    not_here: String,
    failed: bool,
}

/// The rows so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Adds the result of a step.
    pub(super) fn add(&mut self, artefact: &str, result: anyhow::Result<Made>) {
        let mut row = Row {
            artefact: artefact.to_owned(),
            size: String::new(),
            checksum: String::new(),
            checks: String::new(),
            not_here: String::new(),
            failed: false,
        };
        match result.and_then(|made| Ok((measured(&made.path)?, made))) {
            Ok(((size, checksum), made)) => {
                if let Some(name) = made.path.file_name() {
                    row.artefact = name.to_string_lossy().into_owned();
                }
                row.size = size;
                row.checksum = checksum;
                row.checks = made.checks.join("; ");
                row.not_here = made.unchecked.join("; ");
            }
            Err(error) => match error.downcast::<Unavailable>() {
                Ok(missing) => row.not_here = missing.0,
                Err(error) => {
                    row.checks = format!("FAILED: {}", shortened(&format!("{error:#}")));
                    row.failed = true;
                }
            },
        }
        self.rows.push(row);
    }

    /// Returns the number of steps that failed.
    pub(super) fn failures(&self) -> usize {
        self.rows.iter().filter(|row| row.failed).count()
    }

    /// Returns what was not made, with the reasons.
    pub(super) fn not_made(&self) -> Vec<String> {
        self.rows
            .iter()
            .filter(|row| row.size.is_empty() && !row.failed)
            .map(|row| format!("{}: {}", row.artefact, row.not_here))
            .collect()
    }

    /// Returns the table as Markdown.
    pub(super) fn table(&self) -> String {
        let mut table = "| artefact | size | SHA-256 | checks | cannot run here |\n\
                         | --- | --- | --- | --- | --- |\n"
            .to_owned();
        for row in &self.rows {
            let _ = writeln!(
                table,
                "| {} | {} | {} | {} | {} |",
                row.artefact,
                row.size,
                row.checksum.get(..12).unwrap_or_default(),
                row.checks,
                row.not_here
            );
        }
        table
    }
}

/// Returns the end of a text, where a command says why it failed, on one line.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 400;
    let line = text.replace('\n', " ");
    let skipped = line.chars().count().saturating_sub(LONGEST);
    if skipped == 0 {
        return line;
    }
    let end: String = line.chars().skip(skipped).collect();
    format!("... {end}")
}

/// Returns the size and the checksum of an artefact.
fn measured(path: &Path) -> anyhow::Result<(String, String)> {
    let size = path
        .metadata()
        .with_context(|| format!("{} was not made", path.display()))?
        .len();
    let size = if size < 10_000 {
        format!("{size} B")
    } else if size < 10_000_000 {
        format!("{} kB", size / 1000)
    } else {
        format!("{} MB", size / 1_000_000)
    };
    Ok((size, checksum(path)?))
}

/// Returns the SHA-256 of a file, in hexadecimal.
pub(super) fn checksum(path: &Path) -> anyhow::Result<String> {
    let content =
        std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    let mut checksum = String::new();
    for byte in Sha256::digest(content) {
        let _ = write!(checksum, "{byte:02x}");
    }
    Ok(checksum)
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::super::tools::unavailable;
    use super::{Made, Report};

    #[test]
    fn a_row_says_what_was_made_what_failed_and_what_is_missing() {
        let path = std::env::temp_dir().join(format!("xtask-report-{}.txt", std::process::id()));
        std::fs::write(&path, "abc").expect("the folder is writable");
        let mut report = Report::default();
        let made = Made::new(path.clone(), "read")
            .and(Ok("removed".to_owned()))
            .and_then(|made| made.and(Err(unavailable("no cluster"))));
        report.add("text", made);
        report.add("signature", Err(unavailable("cosign is missing")));
        report.add("archive", Err(anyhow!("no\nroom")));
        report.add("deb", Err(anyhow!("{}why", "x".repeat(1000))));
        std::fs::remove_file(&path).expect("it is there");
        let name = path.file_name().expect("it has a name").to_string_lossy();
        assert_eq!(
            report.table(),
            format!(
                "| artefact | size | SHA-256 | checks | cannot run here |\n\
                 | --- | --- | --- | --- | --- |\n\
                 | {name} | 3 B | ba7816bf8f01 | read; removed | no cluster |\n\
                 | signature |  |  |  | cosign is missing |\n\
                 | archive |  |  | FAILED: no room |  |\n\
                 | deb |  |  | FAILED: ... {}why |  |\n",
                "x".repeat(397)
            )
        );
        assert_eq!(report.failures(), 2);
        assert_eq!(report.not_made(), ["signature: cosign is missing"]);
    }

    #[test]
    fn a_check_that_fails_is_no_missing_tool() {
        let made = Made::new("x".into(), "made").and(Err(anyhow!("it differs")));
        assert_eq!(made.expect_err("it differs").to_string(), "it differs");
    }
}
