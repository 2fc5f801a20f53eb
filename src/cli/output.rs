//! Output to standard output and to files.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use clap::ValueEnum;

/// Format of a command's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputFormat {
    /// Table for a terminal.
    Table,
    /// JSON for scripts.
    Json,
}

/// Writes to standard output. A closed pipe is not an error.
pub(super) fn print(text: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("failed to write to standard output"),
    }
}

/// Writes a file atomically: to a temporary file that is then renamed. node_exporter's textfile
/// collector ignores the temporary file's name.
pub(super) fn write_atomically(path: &Path, text: &[u8]) -> anyhow::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = Path::new(&temporary);
    let written = File::create(temporary)
        .and_then(|mut file| file.write_all(text).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(temporary, path));
    written
        .inspect_err(|_| {
            // The first error is the one to report.
            let _ = fs::remove_file(temporary);
        })
        .with_context(|| format!("failed to write `{}`", path.display()))
}
