//! The store in a single file, based on `redb`: transactions are atomic, and every page has a
//! checksum.
//!
//! Commits have two phases. With one phase, `redb` cannot distinguish a damaged page from a commit
//! that a crash interrupted, and silently falls back to the previous commit. With two phases, an
//! acknowledged commit is either found complete or the file is refused as damaged.

mod error;
mod file;
mod tables;
#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, File, TryLockError};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{BlockingStore, StoreError};
use crate::tracker::persist::{PendingWrites, SavedState};
use file::{OpenFile, catch_panic, compact, identity, open_or_create, private_file};

/// Name of the file below `--storage.path`.
pub const FILE_NAME: &str = "state.redb";
/// Name of the file that is locked while a process uses the directory.
const LOCK_NAME: &str = "lock";

/// A store in a single file, which one process may use at a time.
#[derive(Debug)]
pub struct LocalStore {
    path: PathBuf,
    file: Mutex<StateFile>,
    /// How many transfers are loaded.
    most_transfers: usize,
    _lock: File,
}

/// The file of this process.
#[derive(Debug)]
struct StateFile {
    /// `None` after a failed write: `redb` requires the file to be opened again.
    open: Option<OpenFile>,
    /// Device and inode. A file at the path that has others was put there by someone else.
    identity: (u64, u64),
    /// Whether it was created, and this has not been reported.
    is_new: bool,
}

impl LocalStore {
    /// Opens the file in `folder`, creating the directory (mode 0700) and the file (mode 0600) if
    /// they are missing. Reads every page and verifies its checksum. After a crash, `redb` recovers
    /// the last commit.
    ///
    /// # Errors
    /// If the directory cannot be used or is writable for every user, another process uses it, or the file is damaged or was
    /// written by a newer release. A refused file is not changed.
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
        if folder.metadata().map_err(unusable)?.mode() & 0o002 != 0 {
            return Err(StoreError::WorldWritable {
                path: folder.to_owned(),
            });
        }
        let lock = private_file()
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
        let (mut file, _) = open_or_create(&path)?;
        compact(&path, &mut file.database)?;
        Ok(Self {
            path,
            file: Mutex::new(StateFile {
                identity: file.identity,
                open: Some(file),
                is_new: false,
            }),
            most_transfers: usize::MAX,
            _lock: lock,
        })
    }

    /// Loads at most so many transfers, those whose files are known first.
    #[must_use]
    pub fn loading_at_most(self, transfers: usize) -> Self {
        Self {
            most_transfers: transfers,
            ..self
        }
    }

    fn file(&self) -> MutexGuard<'_, StateFile> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ensures that the open file is the one at the path.
    fn reopen(&self, file: &mut StateFile) -> Result<(), StoreError> {
        let at_path = identity(&self.path).ok();
        if at_path != Some(file.identity) {
            file.open = None;
            if at_path.is_some() {
                return Err(StoreError::Write {
                    path: self.path.clone(),
                    detail: "the file was replaced, restart the exporter to read it".to_owned(),
                });
            }
        }
        if file.open.is_none() {
            let opened = open_or_create(&self.path);
            if at_path.is_none()
                && let Ok(identity) = identity(&self.path)
            {
                // Also if it has its name, and what followed has failed.
                file.identity = identity;
                file.is_new = true;
            }
            file.open = Some(opened?.0);
        }
        if std::mem::take(&mut file.is_new) {
            return Err(StoreError::Recreated {
                path: self.path.clone(),
            });
        }
        Ok(())
    }
}

impl BlockingStore for LocalStore {
    fn load(&self) -> Result<SavedState, StoreError> {
        let file = self.file();
        let Some(file) = &file.open else {
            return Err(StoreError::Open {
                path: self.path.clone(),
                detail: "it is closed after a failed write".into(),
            });
        };
        catch_panic(&self.path, || {
            tables::read(&file.database, self.most_transfers)
        })
        .and_then(|saved| saved.map_err(|error| error.on_read(&self.path)))
    }

    fn save(&self, changes: &PendingWrites) -> Result<(), StoreError> {
        let mut file = self.file();
        self.reopen(&mut file)?;
        let Some(open) = &file.open else {
            return Ok(());
        };
        let written = catch_panic(&self.path, || tables::write(&open.database, changes)).and_then(
            |written| {
                written.map_err(|error| StoreError::Write {
                    path: self.path.clone(),
                    detail: error.to_string(),
                })
            },
        );
        if written.is_err() {
            file.open = None;
        }
        written
    }

    fn size(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |file| file.len())
    }
}
