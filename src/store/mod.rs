//! Floor 2: what must outlive the process. A port in words of the tracker's records; [`local`] keeps it in one file
//! below `--storage.path`.

pub mod local;

use std::io;
use std::path::PathBuf;

use crate::tracker::persist::{PendingWrites, SavedState};

/// Where the tracker's records are kept. Calls block: they are for threads that may.
pub trait Store: Send + Sync + 'static {
    /// Everything that was written.
    ///
    /// # Errors
    /// The file cannot be read, or is not what was written.
    fn load(&self) -> Result<SavedState, StoreError>;

    /// Writes all of `changes` or nothing. Once it has returned, they outlive the process and the machine's crash.
    ///
    /// # Errors
    /// Nothing was written, or it is not known to be durable. A later call tries anew, whatever failed before. After
    /// [`StoreError::Recreated`] everything that is known has to be written, not changes alone.
    fn save(&self, changes: &PendingWrites) -> Result<(), StoreError>;

    /// Bytes on disk.
    fn size(&self) -> u64;
}

/// Why state cannot be kept. Each text names the file, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be made or written to.
    #[error("the folder of --storage.path cannot be used: {}: {source}\n  hint: it has to be writable for the user that the exporter runs as, on a disk with room", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be opened or read.
    #[error("the storage cannot be opened: {}: {detail}\n  hint: the file has to be readable and writable for the user that the exporter runs as", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// Another process has it.
    #[error("another process uses the storage: {}\n  hint: each exporter needs a --storage.path of its own; wait until the other has ended, or stop it", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A newer release wrote it.
    #[error("the storage was written by a newer release: {}: format {found}, and this release knows {known}\n  hint: run that release again; or move the file away and start without it: counters then begin at 0, and what had finished is not counted again. It was not changed", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest that is known here.
        known: u32,
    },
    /// It is not what was written.
    #[error("the storage is damaged, or is no storage of this exporter: {}: {detail}\n  hint: put a copy of it back; or move the file away and start without it: counters then begin at 0, and what had finished is not counted again. It is left as it is", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// A write failed.
    #[error("the storage cannot be written: {}: {detail}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// The file had been taken away while the exporter ran, and was made anew: it holds nothing.
    #[error("the storage was gone and has been made anew: {}", path.display())]
    Recreated {
        /// The file.
        path: PathBuf,
    },
}

impl StoreError {
    /// A word for logs.
    pub fn as_label(&self) -> &'static str {
        match self {
            Self::Folder { .. } => "folder",
            Self::Open { .. } => "open",
            Self::InUse { .. } => "in_use",
            Self::Newer { .. } => "newer",
            Self::Damaged { .. } => "damaged",
            Self::Write { .. } => "write",
            Self::Recreated { .. } => "recreated",
        }
    }
}
