//! What the answers of polls change.

use std::time::Duration;

use super::{CONFIRM_AFTER, NewEnds, OldestOpen, Transfer};
use crate::tracker::FailedFile;
use crate::tracker::file_ledger::{NewRow, PollTime, Watched};
use crate::tracker::label_guard::LabelGuard;
use crate::tracker::packed_ledger::PackedLedger;
use crate::tracker::persist::seconds;
use model::{FileCounts, FileResult, FileStatus, Finished, Now, TransferState};

impl Transfer {
    /// Records the files of a poll and returns those that have newly finished.
    pub(in crate::tracker) fn record_files(
        &mut self,
        files: &[FileResult],
        label_guard: &mut LabelGuard,
        now: Now,
    ) -> NewEnds {
        let mut counts = FileCounts::default();
        let mut ends = Vec::with_capacity(files.len());
        let mut labels = Vec::with_capacity(files.len());
        for file in files {
            labels.push(label_guard.count_file(file, &mut counts));
            ends.push(match file.status {
                FileStatus::Completed => Some(Finished::Completed),
                FileStatus::Failed => Some(Finished::Failed(file.failure_code.clone())),
                _ => None,
            });
        }
        counts.shrink();

        let mut new_ends = NewEnds::default();
        if self.open.is_none() {
            return new_ends;
        }
        let mut ledger = self.ledger.unpack();
        let watched = match (self.watched, self.polled) {
            (true, _) => Watched::Whole,
            (false, true) => Watched::SincePoll,
            (false, false) => Watched::No,
        };
        let time = PollTime {
            now: seconds(now.wall),
            start: seconds(self.since()),
        };
        for new in ledger.record_rows(files, &ends, watched, time) {
            let NewRow {
                at,
                counted,
                logged,
            } = new;
            let file = &files[at];
            new_ends.rows.push((at, counted));
            if file.status == FileStatus::Failed && logged {
                new_ends.failed.push(FailedFile {
                    path: file.path.clone(),
                    code: file.failure_code.clone(),
                    message: file.failure_message.clone(),
                });
            }
            if file.status == FileStatus::Completed {
                new_ends.completed.push(at);
            }
            if labels[at] != file.failure_code && file.status == FileStatus::Failed {
                label_guard.count_folded();
            }
            if counted {
                new_ends.finished.extend(match ends[at] {
                    Some(Finished::Completed) => Some(Finished::Completed),
                    Some(Finished::Failed(_)) => Some(Finished::Failed(labels[at].clone())),
                    None => None,
                });
            }
        }
        let rows = files.len();
        let expected = usize::from(self.expected);
        // Each file that has ended has a row, unless it is one that AWS reports otherwise.
        let is_all = rows >= expected && (rows >= ledger.files() || expected > 0);
        self.ledger = PackedLedger::pack(&ledger);
        if let Some(open) = &mut self.open {
            open.oldest_open = OldestOpen::of(&ledger);
        }
        self.polled = true;
        self.up = Some(true);
        self.ended = 0;
        self.state = if counts.unfinished_files() > 0 || !is_all {
            TransferState::Running
        } else if counts.failed_files() > 0 {
            TransferState::Failed
        } else {
            TransferState::Completed
        };
        let is_changed = self.files.as_ref() != Some(&counts);
        self.files = Some(counts);
        self.record_answer(is_changed, now);
        new_ends
    }

    /// Updates the times of an answer with files, and settles the transfer if the number of its
    /// files is confirmed.
    fn record_answer(&mut self, is_changed: bool, now: Now) {
        let Some(open) = &mut self.open else { return };
        open.answered = Some(now.instant);
        open.attempted = Some(now.instant);
        open.unknown_since = None;
        open.failing_since = None;
        open.failures = 0;
        if is_changed {
            open.changed = now.instant;
            open.stable_since = None;
        }
        if self.state.is_unfinished() {
            open.stable_since = None;
            return;
        }
        let stable_since = *open.stable_since.get_or_insert(now.instant);
        if self.expected > 0 || now.since(stable_since) >= CONFIRM_AFTER {
            self.open = None;
            self.ended = seconds(now.wall);
        }
    }

    /// Records that AWS does not know the transfer. Returns whether it is now considered gone:
    /// unknown for `gone_after`, or its results have expired. A gone transfer is polled less and
    /// less often, until its results have expired.
    pub(in crate::tracker) fn record_unknown(&mut self, gone_after: Duration, now: Now) -> bool {
        let is_expired = self.is_expired(now);
        let Some(open) = &mut self.open else {
            return false;
        };
        let since = *open.unknown_since.get_or_insert(now.instant);
        let is_long = now.since(since) >= gone_after;
        open.answered = Some(now.instant);
        self.polled = true;
        self.record_failure(now);
        if !is_expired && !is_long {
            return false;
        }
        if is_expired && is_long {
            self.open = None;
        }
        let is_new = self.state != TransferState::Gone;
        self.state = TransferState::Gone;
        if self.ended == 0 {
            self.ended = seconds(now.wall);
        }
        is_new
    }

    /// Records a failed poll. The last known files are kept. A transfer whose polls fail until its
    /// results have expired is gone.
    pub(in crate::tracker) fn record_failed_poll(&mut self, gone_after: Duration, now: Now) {
        self.record_failure(now);
        let failing_since = self.open.as_ref().and_then(|open| open.failing_since);
        if self.is_expired(now) && failing_since.is_some_and(|at| now.since(at) >= gone_after) {
            self.give_up(now);
        }
    }

    /// Ends a transfer whose results AWS no longer keeps.
    pub(in crate::tracker) fn give_up(&mut self, now: Now) {
        self.open = None;
        if self.state.is_unfinished() {
            self.state = TransferState::Gone;
        }
        if self.ended == 0 {
            self.ended = seconds(now.wall);
        }
    }

    /// Returns whether it is unfinished, AWS keeps its results no longer, and no poll has returned
    /// files for `gone_after`.
    pub(in crate::tracker) fn is_abandoned(&self, gone_after: Duration, now: Now) -> bool {
        let is_silent = self.open.as_ref().is_some_and(|open| {
            now.since(open.answered.unwrap_or(open.due).max(open.due)) >= gone_after
        });
        is_silent && self.is_expired(now)
    }

    fn record_failure(&mut self, now: Now) {
        self.up = Some(false);
        if let Some(open) = &mut self.open {
            open.attempted = Some(now.instant);
            open.failing_since.get_or_insert(now.instant);
            open.failures = open.failures.saturating_add(1);
        }
    }
}
