//! Evidence of a transfer's start and of its files, which reopens it or makes it due.

use std::time::SystemTime;

use super::{OldestOpen, OpenState, Timestamp, Transfer};
use crate::tracker::TrackerSettings;
use crate::tracker::file_ledger::EventMatch;
use crate::tracker::packed_ledger::PackedLedger;
use model::{FileCounts, FileEnd, Finished, Now, TransferStart, TransferState};

/// How much is known of the start of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::tracker) enum StartKind {
    /// Nothing: the time is that of the first sight.
    FirstSeen,
    /// The time at which its start, or the start of one of its files, was reported.
    Reported,
    /// The time of the call.
    Exact,
}

impl StartKind {
    pub(in crate::tracker) const ALL: [Self; 3] = [Self::FirstSeen, Self::Reported, Self::Exact];
}

impl Transfer {
    /// Records evidence of the start. An exact start replaces a reported one. A reported start only
    /// stands for a start that nothing contradicts: it must not be later than the first sight of the
    /// transfer, nor than `latest`, the start of one of its files.
    pub(in crate::tracker) fn record_start(
        &mut self,
        start: &TransferStart,
        latest: Option<SystemTime>,
        now: Now,
    ) {
        let at_most_now = |at: SystemTime| Timestamp::new(at.min(now.wall));
        if let Some(exact) = start.started_at {
            if self.start != StartKind::Exact {
                self.since = at_most_now(exact);
                self.start = StartKind::Exact;
            }
        } else if let Some(reported) = start.reported_at {
            let reported = reported.min(now.wall);
            if self.start == StartKind::FirstSeen && reported <= self.since() {
                self.since = at_most_now(reported);
                self.start = StartKind::Reported;
            }
        }
        if let Some(latest) = latest
            && self.start != StartKind::Exact
            && latest < self.since()
        {
            self.since = at_most_now(latest);
        }
        let files = start
            .files
            .map_or(0, |files| u16::try_from(files).unwrap_or(u16::MAX));
        if files > self.expected {
            self.expected = files;
            let rows = self.files.as_ref().map_or(0, FileCounts::total);
            if !self.is_open() && u32::from(files) > rows {
                self.reopen(now);
            }
        }
    }

    /// Marks the transfer as watched if it started at or after `watched_from`, and returns the ends
    /// of the files that are counted because of that.
    pub(in crate::tracker) fn watch_from(&mut self, watched_from: SystemTime) -> Vec<Finished> {
        if self.watched || !self.has_start() || self.since() < watched_from {
            return Vec::new();
        }
        self.watched = true;
        let mut ledger = self.ledger.unpack();
        let counted = ledger.count_baseline();
        self.ledger = PackedLedger::pack(&ledger);
        counted
    }

    /// Marks its start as counted if it is known, or that of one of its files, and was at or after
    /// `watched_from`. Returns whether it is counted now.
    pub(in crate::tracker) fn count_start(
        &mut self,
        has_file_start: bool,
        watched_from: SystemTime,
    ) -> bool {
        let is_known = self.has_start() || has_file_start;
        let counts = !self.started && is_known && self.since() >= watched_from;
        self.started |= counts;
        counts
    }

    /// Makes a transfer that is not answered due at once, because there is evidence that AWS knows
    /// it. Unknown answers of before are no evidence any more if `is_other_account` is true.
    pub(in crate::tracker) fn retry_at_once(
        &mut self,
        is_other_account: bool,
        settings: &TrackerSettings,
        now: Now,
    ) {
        if is_other_account && self.files.is_none() {
            self.polled = false;
        }
        // Evidence never makes a transfer due later than it is.
        let due = self
            .due_at(settings)
            .map_or(now.instant, |at| at.min(now.instant));
        if self.state == TransferState::Gone {
            self.reopen(now);
            if let Some(open) = &mut self.open {
                open.due = due;
            }
        } else if let Some(open) = &mut self.open
            && open.failures > 0
        {
            open.due = due;
            open.attempted = open.attempted.filter(|at| *at < due);
            open.failures = 0;
            open.unknown_since = None;
            open.failing_since = None;
        }
    }

    /// Makes the transfer due again, unless its results have expired.
    fn reopen(&mut self, now: Now) {
        if self.is_expired(now) {
            return;
        }
        if self.state == TransferState::Gone || !self.state.is_unfinished() {
            self.state = match self.files {
                Some(_) => TransferState::Running,
                None => TransferState::Pending,
            };
        }
        self.ended = 0;
        let before = self.open.as_ref();
        let changed = before.map_or(now.instant, |open| open.changed);
        let answered = before.and_then(|open| open.answered);
        self.open = Some(Box::new(OpenState {
            changed,
            answered,
            oldest_open: OldestOpen::of(&self.ledger.unpack()),
            ..OpenState::new(now)
        }));
    }

    /// Records an event about one of its files. An unseen file reopens a settled transfer.
    pub(in crate::tracker) fn record_event(
        &mut self,
        file: &FileEnd,
        settings: &TrackerSettings,
        now: Now,
    ) -> EventMatch {
        let mut ledger = self.ledger.unpack();
        let event_match = ledger.record_event(&file.file_transfer_id, &file.path, &file.end);
        if event_match == EventMatch::Duplicate {
            return event_match;
        }
        self.ledger = PackedLedger::pack(&ledger);
        // A file without a row: it appears later.
        if event_match.has_no_row() && !self.is_open() {
            self.reopen(now);
        }
        self.retry_at_once(false, settings, now);
        if let Some(open) = &mut self.open {
            // The other files have probably changed as well, so the transfer is polled again soon.
            open.changed = now.instant;
        }
        event_match
    }
}
