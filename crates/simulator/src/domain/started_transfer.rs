//! A started transfer, shared by results, event history and events.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use super::connector::ConnectorSpec;
use super::script::FileScript;
use model::{ConnectorId, Direction, TransferId};

pub(crate) struct StartedTransfer {
    /// Distinguishes transfers with the same id or the same start.
    pub(crate) serial: u64,
    pub(crate) connector: ConnectorId,
    pub(crate) transfer: TransferId,
    /// The connector at the time of the start.
    pub(crate) spec: Arc<ConnectorSpec>,
    pub(crate) direction: Direction,
    /// Where a client asked for the files to go: the remote directory of a transfer that sends, the
    /// local one of a transfer that retrieves.
    pub(crate) directory: Option<String>,
    pub(crate) started_at: SystemTime,
    pub(crate) files: Arc<[FileScript]>,
    /// True once another transfer has replaced this one, which ends its history and events.
    replaced: AtomicBool,
}

/// The parameters of a start.
pub(crate) struct Start<'a> {
    pub(crate) connector: &'a ConnectorId,
    pub(crate) transfer: &'a TransferId,
    pub(crate) direction: Direction,
    pub(crate) directory: Option<String>,
    pub(crate) files: Vec<FileScript>,
    pub(crate) started_at: SystemTime,
}

impl StartedTransfer {
    pub(crate) fn new(serial: u64, spec: Arc<ConnectorSpec>, start: Start<'_>) -> Self {
        Self {
            serial,
            connector: start.connector.clone(),
            transfer: start.transfer.clone(),
            spec,
            direction: start.direction,
            directory: start.directory,
            started_at: start.started_at,
            files: start.files.into(),
            replaced: AtomicBool::new(false),
        }
    }

    pub(crate) fn replace(&self) {
        self.replaced.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_replaced(&self) -> bool {
        self.replaced.load(Ordering::Relaxed)
    }

    /// Returns when a file finishes, or `None` if it never does.
    pub(crate) fn ended_at(&self, file: &FileScript) -> Option<SystemTime> {
        self.started_at.checked_add(file.life.finished_after()?)
    }

    /// Returns the first end of a file after `after`.
    pub(crate) fn next_end(&self, after: Option<SystemTime>) -> Option<SystemTime> {
        let ends = self.files.iter().filter_map(|file| self.ended_at(file));
        ends.filter(|end| after.is_none_or(|after| *end > after))
            .min()
    }
}
