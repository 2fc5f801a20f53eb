//! Errors of the operations on a file.

use std::io;
use std::path::Path;

use redb::{DatabaseError, StorageError};

use crate::store::StoreError;
use crate::store::records::DecodeError;

/// An error of an operation on the file.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error(transparent)]
    Redb(#[from] redb::Error),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("failed to encode a record: {0}")]
    Encode(#[from] postcard::Error),
    #[error("it has no format number")]
    MissingFormat,
}

impl FileError {
    /// Converts an error of reading the file at `path`.
    pub(super) fn on_read(self, path: &Path) -> StoreError {
        let (path, detail) = (path.to_owned(), self.to_string());
        match self {
            Self::Redb(redb::Error::Io(error)) if !indicates_damage(&error) => {
                StoreError::Open { path, detail }
            }
            _ => StoreError::Damaged { path, detail },
        }
    }
}

/// Implements the conversion from the errors of `redb`'s operations.
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

pub(super) fn on_open(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Open {
        path: path.to_owned(),
        detail: error.to_string(),
    }
}

pub(super) fn on_open_database(path: &Path, error: DatabaseError) -> StoreError {
    let detail = error.to_string();
    let path = path.to_owned();
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            StoreError::InUse { path }
        }
        DatabaseError::Storage(StorageError::Io(error)) if !indicates_damage(&error) => {
            on_open(&path, &error)
        }
        _ => StoreError::Damaged { path, detail },
    }
}

/// Returns whether the error means that the file is not a `redb` file, or is shorter than it should
/// be.
fn indicates_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
    )
}
