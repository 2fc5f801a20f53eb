//! The store in one file, by `redb`: a transaction holds whole or not at all, and every page has a checksum.
//!
//! Commits are in two phases. With one, `redb` cannot tell a page that rotted from a commit that a crash has torn, and
//! goes back to the commit before; with two, a commit that was acknowledged is found whole or the file is refused.

mod codec;
#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::{
    Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    StorageError, TableDefinition, TableError, WriteTransaction,
};

use super::{Store, StoreError};
use crate::tracker::persist::{Meta, PendingWrites, SavedState};
use codec::{DecodeError, FORMAT, connector_key, decode, encode, transfer_key};

/// The file below `--storage.path`.
pub const FILE_NAME: &str = "state.redb";
/// Held locked while a process uses the folder.
const LOCK_NAME: &str = "lock";

/// ChunkIndex that `redb` keeps in memory. Its default is 1 GiB; the tracker holds everything anyway, and reads once.
const CACHE_BYTES: usize = 4 << 20;
/// A file is compacted at the start if that may free at least this much,
const WORTH_COMPACTING_BYTES: u64 = 8 << 20;
/// and at least one part in so many of it.
const WORTH_COMPACTING_PART: u64 = 2;

const FORMATS: TableDefinition<'_, &str, u32> = TableDefinition::new("format");
const METAS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const CONNECTORS: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("connectors");
const TRANSFERS: TableDefinition<'_, (&str, &str, &str), &[u8]> = TableDefinition::new("transfers");
const FAILURES: TableDefinition<'_, (&str, &str, &str), &[u8]> = TableDefinition::new("failures");
const RETIRED: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("retired");
const OPERATIONS: TableDefinition<'_, u64, u64> = TableDefinition::new("operations");
/// The one key of [`FORMATS`] and [`METAS`].
const ONLY: &str = "tracker";

/// The file, and the right to use it alone.
#[derive(Debug)]
pub struct LocalStore {
    path: PathBuf,
    /// `None` after a write has failed: `redb` then wants the file opened again.
    open: Mutex<Option<OpenFile>>,
    _lock: File,
}

#[derive(Debug)]
struct OpenFile {
    database: Database,
    /// Device and number of the file: another one may take its place while this one is open.
    identity: (u64, u64),
    /// True until the first write, which says what it is of. So a file that is refused stays of the format it was, and one
    /// on a full disk is read all the same.
    is_older: bool,
}

impl LocalStore {
    /// Opens the file in `folder`. A folder that is missing is made, mode 0700, and so is the file, mode 0600. Every page
    /// is read and its checksum compared; after a crash, `redb` finds its way back to the last commit.
    ///
    /// # Errors
    /// The folder cannot be used, another process uses it, or the file is damaged or of a newer release. A file that is
    /// refused stays what it was.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let unusable = |source| StoreError::Folder {
            path: folder.to_owned(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(unusable)?;
        let lock = private()
            .create(true)
            .truncate(false)
            .open(folder.join(LOCK_NAME))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::InUse {
                    path: folder.to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        let path = folder.join(FILE_NAME);
        let (mut opened, _) = open_or_create(&path)?;
        compact(&path, &mut opened.database)?;
        Ok(Self {
            path,
            open: Mutex::new(Some(opened)),
            _lock: lock,
        })
    }

    fn opened(&self) -> MutexGuard<'_, Option<OpenFile>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes sure that what is open is what stands at the path.
    fn reopen(&self, opened: &mut Option<OpenFile>) -> Result<(), StoreError> {
        let at_path = identity(&self.path).ok();
        if opened
            .as_ref()
            .is_some_and(|opened| Some(opened.identity) != at_path)
        {
            *opened = None;
            if at_path.is_some() {
                let detail =
                    "another file has taken its place: restart the exporter to read it".to_owned();
                return Err(StoreError::Write {
                    path: self.path.clone(),
                    detail,
                });
            }
        }
        if opened.is_none() {
            let (database, made) = open_or_create(&self.path)?;
            *opened = Some(database);
            if made {
                return Err(StoreError::Recreated {
                    path: self.path.clone(),
                });
            }
        }
        Ok(())
    }
}

impl Store for LocalStore {
    fn load(&self) -> Result<SavedState, StoreError> {
        let opened = self.opened();
        let Some(opened) = opened.as_ref() else {
            return Err(StoreError::Open {
                path: self.path.clone(),
                detail: "it is closed".into(),
            });
        };
        guarded(&self.path, || read(&opened.database))
            .and_then(|read| read.map_err(|error| error.on_read(&self.path)))
    }

    fn save(&self, changes: &PendingWrites) -> Result<(), StoreError> {
        let mut opened = self.opened();
        self.reopen(&mut opened)?;
        let Some(file) = opened.as_mut() else {
            return Ok(());
        };
        let written = guarded(&self.path, || write(&file.database, changes, file.is_older));
        let written = written.and_then(|written| {
            written.map_err(|error| StoreError::Write {
                path: self.path.clone(),
                detail: error.to_string(),
            })
        });
        match &written {
            Ok(()) => file.is_older = false,
            Err(_) => *opened = None,
        }
        written
    }

    fn size(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |file| file.len())
    }
}

/// What went wrong inside a file.
#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error(transparent)]
    Redb(#[from] redb::Error),
    #[error(transparent)]
    DecodeError(#[from] DecodeError),
    #[error("a record cannot be encoded: {0}")]
    Encoding(#[from] postcard::Error),
    #[error("{0}")]
    Missing(&'static str),
}

impl FileError {
    fn on_read(self, path: &Path) -> StoreError {
        let (path, detail) = (path.to_owned(), self.to_string());
        match self {
            Self::Redb(redb::Error::Io(error)) if !tells_damage(&error) => {
                StoreError::Open { path, detail }
            }
            _ => StoreError::Damaged { path, detail },
        }
    }
}

/// The errors of `redb`'s steps, as one.
macro_rules! from_redb {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for FileError {
            fn from(error: redb::$error) -> Self {
                Self::Redb(error.into())
            }
        })*
    };
}
from_redb!(
    TransactionError,
    TableError,
    StorageError,
    CommitError,
    SetDurabilityError
);

/// `redb` returns what it finds amiss; the rare file that makes it panic is damaged all the same.
fn guarded<T>(path: &Path, work: impl FnOnce() -> T) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| StoreError::Damaged {
        path: path.to_owned(),
        detail: "its structure makes no sense".into(),
    })
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

/// The file at `path`; true if it was made.
fn open_or_create(path: &Path) -> Result<(OpenFile, bool), StoreError> {
    let made = !path
        .try_exists()
        .map_err(|error| cannot_open(path, &error))?;
    if made {
        make(path)?;
    }
    let mut builder = Builder::new();
    builder
        .set_cache_size(CACHE_BYTES)
        .set_check_integrity_on_open(true);
    let database = guarded(path, || builder.open(path))?.map_err(|error| refused(path, error))?;
    let found = guarded(path, || format(&database))?.map_err(|error| error.on_read(path))?;
    if found > FORMAT {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known: FORMAT,
        });
    }
    let identity = identity(path).map_err(|error| cannot_open(path, &error))?;
    Ok((
        OpenFile {
            database,
            identity,
            is_older: found < FORMAT,
        },
        made,
    ))
}

/// Makes an empty file. It is given its name when it is whole: one that is not was damaged later.
fn make(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let unusable = |source| StoreError::Folder {
        path: folder.to_owned(),
        source,
    };
    let new = path.with_extension("new");
    private()
        .create(true)
        .truncate(true)
        .open(&new)
        .map_err(unusable)?;
    let mut builder = Builder::new();
    let database = builder
        .set_cache_size(CACHE_BYTES)
        .create(&new)
        .map_err(|error| refused(&new, error))?;
    note_format(&database).map_err(|error| StoreError::Write {
        path: new.clone(),
        detail: error.to_string(),
    })?;
    drop(database);
    fs::rename(&new, path)
        .and_then(|()| File::open(folder)?.sync_all())
        .map_err(unusable)
}

/// Says of an empty file what format it is of.
fn note_format(database: &Database) -> Result<(), FileError> {
    let transaction = begin(database)?;
    transaction.open_table(FORMATS)?.insert(ONLY, FORMAT)?;
    Ok(transaction.commit()?)
}

/// Not `redb`'s file, or shorter than it says.
fn tells_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
    )
}

fn cannot_open(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Open {
        path: path.to_owned(),
        detail: error.to_string(),
    }
}

fn refused(path: &Path, error: DatabaseError) -> StoreError {
    let detail = error.to_string();
    let path = path.to_owned();
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            StoreError::InUse { path }
        }
        DatabaseError::Storage(StorageError::Io(error)) if !tells_damage(&error) => {
            cannot_open(&path, &error)
        }
        _ => StoreError::Damaged { path, detail },
    }
}

fn format(database: &Database) -> Result<u32, FileError> {
    let formats = match database.begin_read()?.open_table(FORMATS) {
        Err(TableError::TableDoesNotExist(_)) => {
            return Err(FileError::Missing("it tells no format"));
        }
        table => table?,
    };
    let format = formats.get(ONLY)?.map(|format| format.value());
    format.ok_or(FileError::Missing("it tells no format"))
}

/// Gives back what the file does not need, where it is worth the time.
fn compact(path: &Path, database: &mut Database) -> Result<(), StoreError> {
    let unused = || -> Result<u64, FileError> {
        let transaction = begin(database)?;
        let pages = transaction.stats()?;
        transaction.abort()?;
        let bytes = fs::metadata(path).map_or(0, |file| file.len());
        Ok(bytes.saturating_sub(pages.allocated_pages() * pages.page_size() as u64))
    };
    let unused = guarded(path, unused)?.map_err(|error| error.on_read(path))?;
    let size = fs::metadata(path).map_or(0, |file| file.len());
    if unused >= WORTH_COMPACTING_BYTES && unused >= size / WORTH_COMPACTING_PART {
        // Failing, for want of room say, it leaves the file as large as it is.
        let _ = guarded(path, || database.compact())?;
    }
    Ok(())
}

fn begin(database: &Database) -> Result<WriteTransaction, FileError> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    Ok(transaction)
}

/// With the first write to a file of an older format, `raise` it: the program before would not know what to drop.
fn write(database: &Database, changes: &PendingWrites, raise: bool) -> Result<(), FileError> {
    let transaction = begin(database)?;
    {
        if raise {
            transaction.open_table(FORMATS)?.insert(ONLY, FORMAT)?;
        }
        let mut transfers = transaction.open_table(TRANSFERS)?;
        for (key, record) in &changes.transfers {
            let key = (
                key.account.as_str(),
                key.connector.as_str(),
                key.transfer.as_str(),
            );
            match record {
                Some(record) => transfers.insert(key, encode(record)?.as_slice())?,
                None => transfers.remove(key)?,
            };
        }
        let mut failures = transaction.open_table(FAILURES)?;
        for (key, records) in &changes.failures {
            let key = (
                key.account.as_str(),
                key.connector.as_str(),
                key.transfer.as_str(),
            );
            match records.as_slice() {
                [] => failures.remove(key)?,
                records => failures.insert(key, encode(&records)?.as_slice())?,
            };
        }
        let mut connectors = transaction.open_table(CONNECTORS)?;
        for (key, record) in &changes.connectors {
            let key = (key.account.as_str(), key.id.as_str());
            match record {
                Some(record) => connectors.insert(key, encode(record)?.as_slice())?,
                None => connectors.remove(key)?,
            };
        }
        let mut retired = transaction.open_table(RETIRED)?;
        for (hash, record) in &changes.retired {
            match record {
                Some(record) => retired.insert(hash, encode(record)?.as_slice())?,
                None => retired.remove(hash)?,
            };
        }
        let mut operations = transaction.open_table(OPERATIONS)?;
        for (hash, until) in &changes.operations {
            match until {
                Some(until) => operations.insert(hash, until)?,
                None => operations.remove(hash)?,
            };
        }
        if changes.meta != Meta::default() {
            transaction
                .open_table(METAS)?
                .insert(ONLY, encode(&changes.meta)?.as_slice())?;
        }
    }
    Ok(transaction.commit()?)
}

fn read(database: &Database) -> Result<SavedState, FileError> {
    let transaction = database.begin_read()?;
    let mut saved = SavedState::default();
    if let Some(table) = present(transaction.open_table(METAS))?
        && let Some(meta) = table.get(ONLY)?
    {
        saved.meta = decode("the rest", meta.value())?;
    }
    if let Some(table) = present(transaction.open_table(CONNECTORS))? {
        for row in table.iter()? {
            let (key, record) = row?;
            saved.connectors.push((
                connector_key(key.value())?,
                decode("a connector", record.value())?,
            ));
        }
    }
    if let Some(table) = present(transaction.open_table(TRANSFERS))? {
        saved
            .transfers
            .reserve(usize::try_from(table.len()?).unwrap_or_default());
        for row in table.iter()? {
            let (key, record) = row?;
            let key = transfer_key(
                key.value(),
                saved.transfers.last().map(|(before, _)| before),
            )?;
            saved
                .transfers
                .push((key, decode("a transfer", record.value())?));
        }
    }
    if let Some(table) = present(transaction.open_table(FAILURES))? {
        for row in table.iter()? {
            let (key, records) = row?;
            let key = transfer_key(key.value(), saved.failures.last().map(|(before, _)| before))?;
            saved
                .failures
                .push((key, decode("failed files", records.value())?));
        }
    }
    if let Some(table) = present(transaction.open_table(RETIRED))? {
        for row in table.iter()? {
            let (hash, record) = row?;
            saved
                .retired
                .push((hash.value(), decode("a retired transfer", record.value())?));
        }
    }
    if let Some(table) = present(transaction.open_table(OPERATIONS))? {
        for row in table.iter()? {
            let (hash, until) = row?;
            saved.operations.push((hash.value(), until.value()));
        }
    }
    Ok(saved)
}

/// A table that nothing has been written to is not there.
fn present<T>(table: Result<T, TableError>) -> Result<Option<T>, TableError> {
    match table {
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        table => table.map(Some),
    }
}
