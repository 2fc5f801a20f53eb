//! The port to the file system.

use std::io;
use std::path::Path;

use super::listing::{FileListing, list};
use crate::config::read_regular_file;

/// Largest file, in bytes.
const MAX_SIZE: u64 = 12 << 20;

/// The file system that the target files are in. Its calls may block.
pub trait FileSystem: Send + Sync + 'static {
    /// Lists the files that `globs` match.
    fn list(&self, globs: &[String]) -> FileListing;

    /// Returns the text of a file, or `None` if there is no such name.
    ///
    /// # Errors
    /// The file cannot be read, is too large or no text.
    fn read(&self, path: &Path) -> io::Result<Option<String>>;

    /// Runs `work` where it may block.
    fn run_blocking(&self, work: Box<dyn FnOnce() + Send>);
}

/// The file system of the machine.
#[derive(Clone, Copy, Debug)]
pub struct LocalFileSystem;

impl FileSystem for LocalFileSystem {
    fn list(&self, globs: &[String]) -> FileListing {
        list(globs)
    }

    fn read(&self, path: &Path) -> io::Result<Option<String>> {
        match read_text(path) {
            Ok(text) => Ok(Some(text)),
            // A link to nothing is a name.
            Err(error)
                if error.kind() == io::ErrorKind::NotFound && path.symlink_metadata().is_err() =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn run_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        tokio::task::spawn_blocking(work);
    }
}

fn read_text(path: &Path) -> io::Result<String> {
    let bytes = read_regular_file(path, MAX_SIZE).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => io::Error::other("more than 12 MiB"),
        _ => error,
    })?;
    String::from_utf8(bytes).map_err(|_| io::Error::other("not UTF-8"))
}
