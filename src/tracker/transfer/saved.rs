//! What outlives a transfer: its record in the store, and its fate when it leaves.

use std::time::{Instant, SystemTime};

use super::{OldestOpen, OpenState, StartKind, Timestamp, Transfer};
use crate::tracker::fate::Fate;
use crate::tracker::packed_ledger::PackedLedger;
use crate::tracker::persist::{TransferRecord, counts, counts_record, seconds};
use model::{Now, TransferId, TransferState, millis, time};

impl Transfer {
    /// Resumes a transfer that has left. `same_watch` is true if it has been watched since then:
    /// evidence from before a break says nothing about what ended during it.
    pub(in crate::tracker) fn resume(
        id: TransferId,
        connector: u32,
        fate: &Fate,
        same_watch: bool,
        now: Now,
    ) -> Self {
        let mut transfer = Self::new(id, connector, now);
        transfer.seen = fate.seen;
        transfer.start = fate.start;
        transfer.since = Timestamp::new(fate.since);
        transfer.expected = fate.expected;
        transfer.watched = fate.watched && same_watch;
        transfer.started = fate.started;
        transfer.polled = fate.polled && same_watch;
        transfer.ledger = fate.ledger.clone();
        transfer
    }

    /// Returns what outlives the transfer when it leaves.
    pub(in crate::tracker) fn fate(&self, left: SystemTime) -> Fate {
        Fate {
            since: self.since(),
            start: self.start,
            left,
            seen: self.seen,
            expected: self.expected,
            watched: self.watched,
            started: self.started,
            polled: self.polled,
            ended: !self.is_open() && self.state != TransferState::Gone,
            ledger: self.ledger.clone(),
        }
    }

    pub(in crate::tracker) fn record(&self, now: Now) -> TransferRecord {
        let wall = |at: Instant| millis(now.wall.checked_sub(now.since(at)).unwrap_or(now.wall));
        let open = self.open.as_ref();
        TransferRecord {
            origins: self.origins,
            seen: self.seen,
            since: millis(self.since()),
            start: self.start as u8,
            watched: self.watched,
            started: self.started,
            polled: self.polled,
            expected: self.expected,
            state: self.state as u8,
            up: self.up,
            files: self.files.as_ref().map(counts_record),
            ledger: self.ledger.bytes().into(),
            ended: self.ended,
            changed: open.map(|open| wall(open.changed)),
            stable_since: open.and_then(|open| open.stable_since).map(wall),
            unknown_since: open.and_then(|open| open.unknown_since).map(wall),
            failing_since: open.and_then(|open| open.failing_since).map(wall),
        }
    }

    /// Restores a transfer from its record. Ages include the time during which the process was
    /// stopped. Open transfers are due at once, except those whose files only await the confirming
    /// answer.
    pub(in crate::tracker) fn restore(
        id: TransferId,
        connector: u32,
        record: &TransferRecord,
        now: Now,
    ) -> Self {
        let instant = |at: u64| {
            let age = now.wall.duration_since(time(at)).unwrap_or_default();
            now.instant.checked_sub(age).unwrap_or(now.instant)
        };
        let state = TransferState::ALL
            .into_iter()
            .find(|state| *state as u8 == record.state);
        let start = StartKind::ALL
            .into_iter()
            .find(|kind| *kind as u8 == record.start);
        let ledger = PackedLedger::from_bytes(&record.ledger);
        let open = record.changed.map(|changed| {
            let stable_since = record.stable_since.map(instant);
            Box::new(OpenState {
                due: stable_since.unwrap_or(now.instant),
                answered: stable_since,
                attempted: stable_since,
                changed: instant(changed),
                stable_since,
                unknown_since: record.unknown_since.map(instant),
                failing_since: record.failing_since.map(instant),
                failures: 0,
                oldest_open: OldestOpen::of(&ledger.unpack()),
            })
        });
        Self {
            id,
            connector,
            origins: record.origins,
            seen: record.seen,
            state: state.unwrap_or(TransferState::Pending),
            up: record.up,
            start: start.unwrap_or(StartKind::FirstSeen),
            watched: record.watched,
            started: record.started,
            polled: record.polled,
            since: Timestamp::new(time(record.since).min(now.wall)),
            expected: record.expected,
            ended: record.ended.min(seconds(now.wall)),
            files: record.files.as_deref().map(counts),
            ledger,
            open,
        }
    }
}
