//! One transfer's life: pending, running, then completed, failed or gone.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::FailedFile;
use super::codes::CodeBook;
use super::ledger::Ledger;
use crate::model::{
    ConnectorLabels, FileCounts, FileResult, FileStatus, Finished, Now, Origin, TransferId, TransferState, TransferView,
};

/// Files that finished with one answer.
#[derive(Debug, Default)]
pub(super) struct Newly {
    pub(super) finished: Vec<Finished>,
    pub(super) failed: Vec<FailedFile>,
}

#[derive(Debug)]
pub(super) struct Transfer {
    origins: Vec<Origin>,
    started_at: Option<SystemTime>,
    first_seen: Now,
    state: TransferState,
    up: Option<bool>,
    files: Option<FileCounts>,
    /// Gone once the transfer is settled: nothing is counted any more then.
    ledger: Option<Box<Ledger>>,
    answered: Option<Instant>,
    attempted: Option<Instant>,
    unknown_since: Option<Instant>,
    ended: Option<Instant>,
}

impl Transfer {
    pub(super) fn new(now: Now) -> Self {
        Self {
            origins: Vec::new(),
            started_at: None,
            first_seen: now,
            state: TransferState::Pending,
            up: None,
            files: None,
            ledger: None,
            answered: None,
            attempted: None,
            unknown_since: None,
            ended: None,
        }
    }

    pub(super) fn learn(&mut self, origin: Origin, started_at: Option<SystemTime>) {
        if !self.origins.contains(&origin) {
            self.origins.push(origin);
        }
        self.started_at = self.started_at.or(started_at);
    }

    /// True if that was its last origin.
    pub(super) fn forget(&mut self, origin: Origin) -> bool {
        self.origins.retain(|known| *known != origin);
        self.origins.is_empty()
    }

    pub(super) fn origins(&self) -> impl Iterator<Item = Origin> {
        self.origins.iter().copied()
    }

    pub(super) fn state(&self) -> TransferState {
        self.state
    }

    /// Start where a source tells it, else first sight.
    pub(super) fn since(&self) -> SystemTime {
        self.started_at.unwrap_or(self.first_seen.wall)
    }

    pub(super) fn answered(&self) -> Option<Instant> {
        self.answered
    }

    /// True if the newest look told its files.
    pub(super) fn is_read(&self) -> bool {
        self.up == Some(true)
    }

    pub(super) fn files(&self) -> Option<&FileCounts> {
        self.files.as_ref()
    }

    /// True at the first reading of a transfer that began before `watching_since`, or whose start no source told: what
    /// has finished by then was not watched.
    pub(super) fn has_base(&self, watching_since: SystemTime) -> bool {
        self.files.is_none() && self.started_at.is_none_or(|start| start < watching_since)
    }

    pub(super) fn is_due(&self, min_refresh_interval: Duration, now: Now) -> bool {
        self.state.is_unfinished() && self.answered.is_none_or(|at| now.since(at) >= min_refresh_interval)
    }

    /// Sorts the due: never answered before answered, each by what lies longest back.
    pub(super) fn turn(&self) -> (Option<Instant>, Option<Instant>) {
        (self.answered, self.attempted)
    }

    pub(super) fn read(&mut self, files: &[FileResult], codes: &mut CodeBook, now: Now) -> Newly {
        let mut counts = FileCounts::default();
        let mut ends = Vec::with_capacity(files.len());
        let mut folded = vec![false; files.len()];
        for (file, folded) in files.iter().zip(&mut folded) {
            let code = file.failure_code.as_ref().filter(|_| file.status == FileStatus::Failed).map(|code| {
                let admitted = codes.admit_code(code);
                *folded = admitted != *code;
                admitted
            });
            counts.add_file(&codes.admit_status(&file.status), code.as_ref());
            ends.push(match file.status {
                FileStatus::Completed => Some(Finished::Completed),
                FileStatus::Failed => Some(Finished::Failed(code)),
                _ => None,
            });
        }

        let mut newly = Newly::default();
        for at in self.ledger.get_or_insert_default().enter(files, &ends) {
            let file = &files[at];
            if file.status == FileStatus::Failed {
                newly.failed.push(FailedFile {
                    path: file.path.clone(),
                    code: file.failure_code.clone(),
                    message: file.failure_message.clone(),
                });
            }
            if folded[at] {
                codes.note_folded();
            }
            newly.finished.extend(ends[at].clone());
        }

        self.state = if counts.unfinished_files() > 0 {
            TransferState::Running
        } else if counts.failed_files() > 0 {
            TransferState::Failed
        } else {
            TransferState::Completed
        };
        if !self.state.is_unfinished() {
            self.ledger = None;
            self.ended = Some(now.instant);
        }
        self.files = Some(counts);
        self.unknown_since = None;
        self.note_answer(true, now);
        newly
    }

    /// True if it is gone with this.
    pub(super) fn unknown(&mut self, gone_after: Duration, now: Now) -> bool {
        let since = *self.unknown_since.get_or_insert(now.instant);
        self.note_answer(false, now);
        let gone = now.since(since) >= gone_after;
        if gone {
            self.state = TransferState::Gone;
            self.ledger = None;
            self.ended = Some(now.instant);
        }
        gone
    }

    pub(super) fn fail(&mut self, now: Now) {
        self.up = Some(false);
        self.attempted = Some(now.instant);
    }

    pub(super) fn has_expired(&self, keep_settled: Duration, now: Now) -> bool {
        !self.origins.contains(&Origin::Config) && self.ended.is_some_and(|at| now.since(at) >= keep_settled)
    }

    pub(super) fn view(&self, id: &TransferId, connector: &Arc<ConnectorLabels>) -> TransferView {
        TransferView {
            connector: Arc::clone(connector),
            id: id.clone(),
            since: self.since(),
            state: self.state,
            up: self.up,
            files: self.files.clone(),
        }
    }

    fn note_answer(&mut self, up: bool, now: Now) {
        self.up = Some(up);
        self.answered = Some(now.instant);
        self.attempted = Some(now.instant);
    }
}
