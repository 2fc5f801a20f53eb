//! Persistent state: the [`Store`] port, which stores the tracker's records, and its implementations:
//! [`local`], in a single file of one process, and [`dynamodb`], in a table that several processes share.

#[cfg(feature = "dynamodb")]
pub mod dynamodb;
#[doc(hidden)]
pub mod fuzzing;
mod inbox;
mod leased;
pub mod local;
mod members;
mod records;

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use crate::tracker::persist::{PendingWrites, SavedState};
pub use inbox::{InboxContents, InboxDelivery, Inboxes, Letter};
pub use leased::{Acquisition, LeaseObserver, LeaseState, LeasedStore, StoreOperation, Unobserved};
pub use members::Members;

/// The result of an operation of a store.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A store for the tracker's records.
pub trait Store: Send + Sync + 'static {
    /// Loads the saved state.
    ///
    /// # Errors
    /// If the records cannot be read or are damaged.
    fn load(&self) -> StoreFuture<'_, SavedState>;

    /// Writes all of `changes` atomically. When it returns, the changes survive a crash of the
    /// process or the machine.
    ///
    /// # Errors
    /// If nothing was written, or if it is not known whether the changes are durable. A later call
    /// may succeed. After [`StoreError::Recreated`] the complete state has to be written, not only
    /// changes.
    fn save(&self, changes: Arc<PendingWrites>) -> StoreFuture<'_, ()>;

    /// Returns the size on disk in bytes, if it is known.
    fn size(&self) -> Option<u64>;

    /// Returns whether another process may continue from what is stored while this one runs. What is
    /// not stored must then not be seen by anyone.
    fn is_shared(&self) -> bool {
        false
    }
}

/// A store whose methods block.
pub trait BlockingStore: Send + Sync + 'static {
    /// Loads the saved state.
    ///
    /// # Errors
    /// Those of [`Store::load`].
    fn load(&self) -> Result<SavedState, StoreError>;

    /// Writes all of `changes` atomically and durably.
    ///
    /// # Errors
    /// Those of [`Store::save`].
    fn save(&self, changes: &PendingWrites) -> Result<(), StoreError>;

    /// Returns the size on disk in bytes.
    fn size(&self) -> u64;
}

/// Runs the operations of a [`BlockingStore`] on threads that may block.
pub struct OnThreads<S>(pub Arc<S>);

impl<S: BlockingStore> OnThreads<S> {
    async fn run<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&S) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || operation(&store)).await;
        done.unwrap_or_else(|panic| {
            Err(StoreError::Write {
                path: "--storage.path".into(),
                detail: panic.to_string(),
            })
        })
    }
}

impl<S: BlockingStore> Store for OnThreads<S> {
    fn load(&self) -> StoreFuture<'_, SavedState> {
        Box::pin(self.run(BlockingStore::load))
    }

    fn save(&self, changes: Arc<PendingWrites>) -> StoreFuture<'_, ()> {
        Box::pin(self.run(move |store| store.save(&changes)))
    }

    fn size(&self) -> Option<u64> {
        Some(self.0.size())
    }
}

/// An error of a store. The messages contain the path and, where there is one, a remedy.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory cannot be created or written to.
    #[error("failed to use the directory of --storage.path: {}: {source}\n  hint: it must be writable for the user that runs the exporter, on a disk with free space", path.display())]
    Folder {
        /// The directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Every user of the machine can replace the files of the directory.
    #[error("failed to use the directory of --storage.path: {} is writable for every user\n  hint: run `chmod o-w` on it, or pass a directory in it, which is created with mode 0700", path.display())]
    WorldWritable {
        /// The directory.
        path: PathBuf,
    },
    /// The file cannot be opened or read.
    #[error("failed to open the storage: {}: {detail}\n  hint: the file must be readable and writable for the user that runs the exporter", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The cause.
        detail: String,
    },
    /// Another process uses the directory.
    #[error("failed to open the storage: {} is used by another process\n  hint: each exporter needs its own --storage.path; stop the other process, or wait until it has exited", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// A newer release wrote the file.
    #[error("failed to open the storage: {} was written by a newer release: it has format {found}, this release supports {supported}\n  hint: run the newer release, or move the file away to start with empty counters; finished files are not counted again. The file was not changed", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this release supports.
        supported: u32,
    },
    /// The file is damaged, or was not written by this exporter.
    #[error("failed to read the storage: {} is damaged or not a storage file: {detail}\n  hint: restore a copy, or move the file away to start with empty counters; finished files are not counted again. The file was not changed", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// A write failed.
    #[error("failed to write to the storage: {}: {detail}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        detail: String,
    },
    /// A table cannot be read or written to.
    #[error("failed to {action} the table of --storage.url: `{table}`: {detail}\n  hint: {hint}")]
    Table {
        /// What failed.
        action: &'static str,
        /// The table.
        table: String,
        /// The cause.
        detail: String,
        /// The remedy.
        hint: &'static str,
    },
    /// Another process has taken over the shard.
    #[error("another process owns the shard in the table `{table}`, nothing was written")]
    LeaseLost {
        /// The table.
        table: String,
    },
    /// A newer release wrote the records of a table.
    #[error(
        "failed to use the table of --storage.url: `{table}` was written by a newer release: it has format {found}, this release supports {supported}\n  hint: run the newer release, or another `prefix`. The table was not changed"
    )]
    NewerTable {
        /// The table.
        table: String,
        /// Its format.
        found: u32,
        /// The newest format that this release supports.
        supported: u32,
    },
    /// An item of a table is damaged, or was not written by this exporter.
    #[error(
        "failed to read the table of --storage.url: `{table}`: item `{item}`: {detail}\n  hint: restore the table to a point in time, or create another table: counters then begin at 0. Nothing was changed"
    )]
    DamagedItem {
        /// The table.
        table: String,
        /// The sort key of the item.
        item: String,
        /// What was found.
        detail: String,
    },
    /// The file was removed while the exporter was running, and was recreated empty.
    #[error("storage file was removed, recreated it: {}", path.display())]
    Recreated {
        /// The file.
        path: PathBuf,
    },
}

impl StoreError {
    /// Returns a short name for logs.
    pub fn as_label(&self) -> &'static str {
        match self {
            Self::Folder { .. } => "folder",
            Self::WorldWritable { .. } => "world_writable",
            Self::Open { .. } => "open",
            Self::InUse { .. } => "in_use",
            Self::Newer { .. } => "newer",
            Self::Damaged { .. } => "damaged",
            Self::Write { .. } => "write",
            Self::Table { .. } => "table",
            Self::LeaseLost { .. } => "lease_lost",
            Self::NewerTable { .. } => "newer_table",
            Self::DamagedItem { .. } => "damaged_item",
            Self::Recreated { .. } => "recreated",
        }
    }
}
