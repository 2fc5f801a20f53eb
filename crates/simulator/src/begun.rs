//! A transfer since its start. Its results, the history of calls and the events of its files all go back to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use super::life::FileScript;
use super::state::ConnectorSpec;
use model::{ConnectorId, Direction, TransferId};

pub(super) struct Begun {
    /// Tells apart what was put under one id, and what started at one moment.
    pub(super) serial: u64,
    pub(super) connector: ConnectorId,
    pub(super) transfer: TransferId,
    /// The connector as it was then.
    pub(super) spec: Arc<ConnectorSpec>,
    pub(super) direction: Direction,
    pub(super) started_at: SystemTime,
    pub(super) files: Arc<[FileScript]>,
    /// Another one was put under its id: neither history nor events tell of this one any more.
    replaced: AtomicBool,
}

/// What there is to say of a transfer that starts.
pub(super) struct Start<'a> {
    pub(super) connector: &'a ConnectorId,
    pub(super) transfer: &'a TransferId,
    pub(super) direction: Direction,
    pub(super) files: Vec<FileScript>,
    pub(super) started_at: SystemTime,
}

impl Begun {
    pub(super) fn new(serial: u64, spec: Arc<ConnectorSpec>, start: Start<'_>) -> Self {
        Self {
            serial,
            connector: start.connector.clone(),
            transfer: start.transfer.clone(),
            spec,
            direction: start.direction,
            started_at: start.started_at,
            files: start.files.into(),
            replaced: AtomicBool::new(false),
        }
    }

    pub(super) fn replace(&self) {
        self.replaced.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_replaced(&self) -> bool {
        self.replaced.load(Ordering::Relaxed)
    }

    /// When a file is COMPLETED or FAILED; nothing where it never is.
    pub(super) fn ended_at(&self, file: &FileScript) -> Option<SystemTime> {
        self.started_at.checked_add(file.life.finished_after()?)
    }

    /// The first end of a file after a moment, or of all.
    pub(super) fn next_end(&self, after: Option<SystemTime>) -> Option<SystemTime> {
        let ends = self.files.iter().filter_map(|file| self.ended_at(file));
        ends.filter(|end| after.is_none_or(|after| *end > after))
            .min()
    }
}
