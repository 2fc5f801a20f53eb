//! Output to standard output and to files.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

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

/// Temporary files that a crash may have left.
const MAX_TEMPORARY_FILES: u32 = 100;
const SPECIAL_BITS: u32 = 0o7000;
const ALL_BITS: u32 = 0o7777;

/// Writes to standard output. A closed pipe is not an error.
pub(super) fn print(text: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("failed to write to standard output"),
    }
}

/// Writes a file, or standard output if `path` is `-` or names it.
///
/// A regular file is replaced atomically and keeps its mode, owner and group. Links are followed.
/// What cannot be replaced is written in place: devices, FIFOs, files with several hard links, and
/// files in a directory that cannot be written.
pub(super) fn write(path: &Path, text: &[u8]) -> anyhow::Result<()> {
    if path == Path::new("-") || is_open_as(path, io::stdout()) {
        return print(text);
    }
    let written = if is_open_as(path, io::stderr()) {
        io::stderr().write_all(text)
    } else {
        write_file(path, text)
    };
    written.with_context(|| format!("failed to write {}", escaped(path)))
}

fn escaped(path: &Path) -> String {
    format!("`{}`", model::visible(&path.to_string_lossy()))
}

/// Returns whether `path` names the file that `open` is. Opening it again would start at its
/// beginning, and is impossible for a socket.
fn is_open_as(path: &Path, open: impl AsFd) -> bool {
    let open = open.as_fd().try_clone_to_owned().map(File::from);
    let identity = |file: Metadata| (file.dev(), file.ino());
    match (open.and_then(|open| open.metadata()), fs::metadata(path)) {
        (Ok(open), Ok(named)) => identity(open) == identity(named),
        _ => false,
    }
}

fn write_file(path: &Path, text: &[u8]) -> io::Result<()> {
    let is_link = fs::symlink_metadata(path).is_ok_and(|file| file.is_symlink());
    let path = if is_link {
        target(path)?
    } else {
        path.to_owned()
    };
    let existing = match fs::metadata(&path) {
        Ok(existing) => Some(existing),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    match &existing {
        Some(existing) if existing.file_type().is_block_device() => {
            let message = "it is a block device";
            Err(io::Error::new(ErrorKind::InvalidInput, message))
        }
        Some(existing) if !existing.is_file() || existing.nlink() > 1 => {
            write_in_place(&path, text)
        }
        _ => match replace(&path, existing.as_ref(), text) {
            // The directory does not allow it, or the file is a mount point.
            Err(error) if existing.is_some() && is_of_directory(&error) => {
                write_in_place(&path, text)
            }
            replaced => replaced,
        },
    }
}

fn is_of_directory(error: &io::Error) -> bool {
    use ErrorKind::{CrossesDevices, PermissionDenied, ReadOnlyFilesystem, ResourceBusy};
    matches!(
        error.kind(),
        CrossesDevices | PermissionDenied | ReadOnlyFilesystem | ResourceBusy
    )
}

/// Returns the file that a link leads to, and creates it if it is missing. The kernel decides
/// whether the link is followed (`fs.protected_symlinks`), since this opens it.
fn target(link: &Path) -> io::Result<PathBuf> {
    let is_regular = fs::metadata(link).map_or(true, |file| file.is_file());
    if !is_regular {
        // Opening a FIFO would wait for its reader.
        return Ok(link.to_owned());
    }
    let opened = OpenOptions::new()
        .append(true)
        .create(true)
        .open(link)?
        .metadata()?;
    let target = fs::canonicalize(link)?;
    let named = fs::symlink_metadata(&target)?;
    if (opened.dev(), opened.ino()) == (named.dev(), named.ino()) {
        Ok(target)
    } else {
        let message = "the link was changed at the same time";
        Err(io::Error::new(ErrorKind::InvalidInput, message))
    }
}

fn write_in_place(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).truncate(true).open(path)?;
    file.write_all(text)?;
    if file.metadata()?.is_file() {
        file.sync_all()?;
    }
    Ok(())
}

/// Writes a temporary file in the same directory and renames it. node_exporter's textfile collector
/// ignores the temporary file's name.
fn replace(path: &Path, existing: Option<&Metadata>, text: &[u8]) -> io::Result<()> {
    let (mut file, temporary) = create_temporary(path, existing.is_some())?;
    let written = existing
        .map_or(Ok(()), |existing| take_over(&file, existing))
        .and_then(|()| file.write_all(text))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&temporary, path));
    written.inspect_err(|_| {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
    })
}

/// Creates a file beside `path`: private, or as the umask has it.
fn create_temporary(path: &Path, private: bool) -> io::Result<(File, PathBuf)> {
    let mode = if private { 0o600 } else { 0o666 };
    let mut number = 0;
    loop {
        let name = format!(".aws-transfer-exporter.{}.{number}.tmp", std::process::id());
        let temporary = path.with_file_name(name);
        let mut options = OpenOptions::new();
        match options
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&temporary)
        {
            Err(error)
                if error.kind() == ErrorKind::AlreadyExists && number < MAX_TEMPORARY_FILES =>
            {
                number += 1;
            }
            opened => return Ok((opened?, temporary)),
        }
    }
}

/// Gives `file` the owner, group and mode of the file that it replaces.
fn take_over(file: &File, existing: &Metadata) -> io::Result<()> {
    let own = file.metadata()?;
    let mut mode = existing.mode() & ALL_BITS;
    if (own.uid(), own.gid()) != (existing.uid(), existing.gid()) {
        let (user, group) = (Some(existing.uid()), Some(existing.gid()));
        // Only root may give a file away, and to other groups than its own.
        if fchown(file, user, group)
            .or_else(|_| fchown(file, None, group))
            .is_err()
        {
            mode &= !SPECIAL_BITS;
        }
    }
    file.set_permissions(Permissions::from_mode(mode))
}
