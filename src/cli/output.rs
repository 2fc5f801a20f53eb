//! Text to standard output and to files.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;

/// Writes to standard output. A reader that has gone away is no failure.
pub(super) fn print(text: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

/// Writes a file whole or not at all: beside it, then renamed over it. The file beside it has a name that the textfile
/// collector does not read.
pub(super) fn write_atomically(path: &Path, text: &[u8]) -> anyhow::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside = Path::new(&beside);
    let written = File::create(beside)
        .and_then(|mut file| file.write_all(text).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(beside, path));
    written
        .inspect_err(|_| {
            // The first error is the one to tell.
            let _ = fs::remove_file(beside);
        })
        .with_context(|| format!("cannot write `{}`", path.display()))
}
