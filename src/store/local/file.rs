//! Creates, opens and compacts the file.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use redb::{Builder, Database};

use super::error::{FileError, on_open, on_open_database};
use super::tables::{begin, read_format, write_format};
use crate::store::StoreError;
use crate::store::records::FORMAT;

/// Size of `redb`'s page cache. Its default is 1 GiB, but the tracker holds everything in memory
/// and reads the file once.
const CACHE_BYTES: usize = 4 << 20;
/// A file is compacted at the start if that can free at least this much ...
const MIN_COMPACTABLE_BYTES: u64 = 8 << 20;
/// ... and at least one n-th of the file.
const MIN_COMPACTABLE_SHARE: u64 = 2;

/// The open file.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) database: Database,
    /// Device and inode. Another file may be put at the path while this one is open.
    pub(super) identity: (u64, u64),
}

/// Opens the file at `path`, creating it if it is missing. Returns whether it was created.
pub(super) fn open_or_create(path: &Path) -> Result<(OpenFile, bool), StoreError> {
    let created = !path.try_exists().map_err(|error| on_open(path, &error))?;
    if created {
        if fs::symlink_metadata(path).is_ok() {
            // Its disk may be missing. A new file in its place would start from nothing.
            let error = io::Error::other("it is a link to a file that does not exist");
            return Err(on_open(path, &error));
        }
        create(path)?;
    }
    let mut builder = Builder::new();
    builder
        .set_cache_size(CACHE_BYTES)
        .set_check_integrity_on_open(true);
    let database =
        catch_panic(path, || builder.open(path))?.map_err(|error| on_open_database(path, error))?;
    let found =
        catch_panic(path, || read_format(&database))?.map_err(|error| error.on_read(path))?;
    if found > FORMAT {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            supported: FORMAT,
        });
    }
    let identity = identity(path).map_err(|error| on_open(path, &error))?;
    Ok((OpenFile { database, identity }, created))
}

/// Creates an empty file. It is written completely before it gets its name, so an incomplete file
/// at `path` is a damaged one.
fn create(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let unusable = |source| StoreError::Folder {
        path: folder.to_owned(),
        source,
    };
    let new = path.with_extension("new");
    private_file()
        .create(true)
        .truncate(true)
        .open(&new)
        .map_err(unusable)?;
    let mut builder = Builder::new();
    let database = builder
        .set_cache_size(CACHE_BYTES)
        .create(&new)
        .map_err(|error| on_open_database(&new, error))?;
    write_format(&database).map_err(|error| StoreError::Write {
        path: new.clone(),
        detail: error.to_string(),
    })?;
    drop(database);
    fs::rename(&new, path)
        .and_then(|()| File::open(folder)?.sync_all())
        .map_err(unusable)
}

/// Compacts the file if that frees enough space.
pub(super) fn compact(path: &Path, database: &mut Database) -> Result<(), StoreError> {
    let unused = || -> Result<u64, FileError> {
        let transaction = begin(database)?;
        let pages = transaction.stats()?;
        transaction.abort()?;
        let bytes = fs::metadata(path).map_or(0, |file| file.len());
        Ok(bytes.saturating_sub(pages.allocated_pages() * pages.page_size() as u64))
    };
    let unused = catch_panic(path, unused)?.map_err(|error| error.on_read(path))?;
    let size = fs::metadata(path).map_or(0, |file| file.len());
    if unused >= MIN_COMPACTABLE_BYTES && unused >= size / MIN_COMPACTABLE_SHARE {
        // If it fails, for lack of space for example, the file keeps its size.
        let _ = catch_panic(path, || database.compact())?;
    }
    Ok(())
}

/// Runs an operation of `redb`. It returns errors for most damaged files; the rare file that makes
/// it panic is reported as damaged as well.
pub(super) fn catch_panic<T>(path: &Path, operation: impl FnOnce() -> T) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(operation)).map_err(|_| StoreError::Damaged {
        path: path.to_owned(),
        detail: "its structure is invalid".into(),
    })
}

/// Returns options for files that only their owner may read.
pub(super) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

/// Returns the device and inode of the file at `path`.
pub(super) fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|file| (file.dev(), file.ino()))
}
