//! One transfer and its states: pending, running, then completed, failed or gone.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::file_ledger::{EventMatch, FileLedger};
use super::label_guard::LabelGuard;
use super::persist::{TransferRecord, counts, counts_record, millis, time};
use super::{FailedFile, TrackerSettings};
use model::{
    ConnectorLabels, FileCounts, FileEnd, FileResult, FileStatus, Finished, Now, Origin,
    TransferId, TransferState, TransferView,
};

/// How long AWS keeps results: "available up to 7 days after an operation has been requested"
/// (<https://docs.aws.amazon.com/transfer/latest/APIReference/API_ListFileTransferResults.html>).
const RESULTS_KEPT: Duration = Duration::from_hours(7 * 24);

/// An unfinished transfer is polled again after a twentieth of the time since its last change, so
/// changes are seen at most 5 % late.
const POLLS_PER_UNCHANGED_TIME: u32 = 20;

/// Files that a poll reported as finished for the first time.
#[derive(Debug, Default)]
pub(super) struct NewEnds {
    pub(super) finished: Vec<Finished>,
    pub(super) failed: Vec<FailedFile>,
}

/// The state of one transfer. Hundreds of thousands may be tracked, so the fields that only
/// unfinished transfers need are boxed.
#[derive(Debug)]
pub(super) struct Transfer {
    id: TransferId,
    /// The number of its connector.
    connector: u32,
    /// One bit per origin.
    origins: u8,
    state: TransferState,
    /// Whether the last poll returned its files; `None` before the first poll.
    up: Option<bool>,
    /// Its start if a source reported it, else the time at which it was first seen.
    since: Timestamp,
    /// Whether a source reported its start.
    started: bool,
    files: Option<FileCounts>,
    /// Kept while any of its files may still be counted: until it has ended and, with events, every
    /// file has its event.
    ledger: Option<Box<FileLedger>>,
    open: Option<Box<OpenState>>,
    ended: Option<Instant>,
}

/// Nanoseconds since the epoch, half the size of a `SystemTime`. Times before 1970 or after 2554
/// are clamped.
#[derive(Clone, Copy, Debug)]
struct Timestamp(u64);

impl Timestamp {
    fn new(time: SystemTime) -> Self {
        let nanos = time
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_nanos();
        Self(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.0)
    }
}

/// State that is only needed until the transfer ends; ended transfers are not polled.
#[derive(Debug)]
struct OpenState {
    first_seen: Instant,
    /// Time of the last poll that AWS answered.
    answered: Option<Instant>,
    /// Time of the last poll, including failed ones.
    attempted: Option<Instant>,
    /// Time at which the files last changed.
    changed: Instant,
    /// Time since which AWS has not known the transfer.
    unknown_since: Option<Instant>,
}

/// Everything about a transfer that a snapshot or its record contains. Compared before and after a
/// change to find out whether chunks and the store have to be updated.
#[derive(PartialEq)]
pub(super) struct Fingerprint {
    origins: u8,
    state: TransferState,
    up: Option<bool>,
    since: SystemTime,
    files: Option<FileCounts>,
}

impl Transfer {
    pub(super) fn new(id: TransferId, connector: u32, now: Now) -> Self {
        Self {
            id,
            connector,
            origins: 0,
            state: TransferState::Pending,
            up: None,
            since: Timestamp::new(now.wall),
            started: false,
            files: None,
            ledger: Some(Box::default()),
            open: Some(Box::new(OpenState {
                first_seen: now.instant,
                answered: None,
                attempted: None,
                changed: now.instant,
                unknown_since: None,
            })),
            ended: None,
        }
    }

    /// Adds an origin. The first reported start is kept.
    pub(super) fn add_origin(&mut self, origin: Origin, started_at: Option<SystemTime>) {
        self.origins |= 1 << origin as u8;
        if let Some(start) = started_at.filter(|_| !self.started) {
            self.since = Timestamp::new(start);
            self.started = true;
        }
    }

    pub(super) fn remove_origin(&mut self, origin: Origin) {
        self.origins &= !(1 << origin as u8);
    }

    pub(super) fn has(&self, origin: Origin) -> bool {
        self.origins & (1 << origin as u8) != 0
    }

    pub(super) fn has_origin(&self) -> bool {
        self.origins != 0
    }

    pub(super) fn id(&self) -> &TransferId {
        &self.id
    }

    pub(super) fn connector(&self) -> u32 {
        self.connector
    }

    pub(super) fn state(&self) -> TransferState {
        self.state
    }

    /// Returns its start if a source reported it, else the time at which it was first seen.
    pub(super) fn since(&self) -> SystemTime {
        self.since.time()
    }

    /// Returns whether a source reported its start.
    pub(super) fn has_start(&self) -> bool {
        self.started
    }

    /// Returns when its files last changed, or `None` once it has ended.
    pub(super) fn last_change(&self) -> Option<Instant> {
        self.open.as_ref().map(|open| open.changed)
    }

    /// Returns the time of the last poll that AWS answered.
    pub(super) fn answered(&self) -> Option<Instant> {
        self.open.as_ref()?.answered
    }

    pub(super) fn ended(&self) -> Option<Instant> {
        self.ended
    }

    /// Returns whether the last poll returned its files.
    pub(super) fn is_read(&self) -> bool {
        self.up == Some(true)
    }

    pub(super) fn files(&self) -> Option<&FileCounts> {
        self.files.as_ref()
    }

    /// Returns whether the files that have finished by now belong to the baseline, which is not
    /// counted: true at the first poll of a transfer that started before `watching_since`, or whose
    /// start is not known.
    fn has_baseline(&self, watching_since: SystemTime) -> bool {
        !self.ledger.as_ref().is_some_and(|ledger| ledger.polled)
            && (!self.started || self.since() < watching_since)
    }

    /// Returns when an unfinished transfer is due: at once if it has never been polled
    /// successfully, else after a share of the time since its last change, within the configured
    /// limits.
    pub(super) fn due_at(&self, settings: &TrackerSettings) -> Option<Instant> {
        let open = self.open.as_ref()?;
        let Some(answered) = open.answered else {
            return Some(open.first_seen);
        };
        let unchanged = answered.saturating_duration_since(open.changed);
        let interval = (unchanged / POLLS_PER_UNCHANGED_TIME)
            .min(settings.max_refresh_interval)
            .max(settings.min_refresh_interval);
        Some(answered + interval)
    }

    /// Returns the time of the last poll, by which due transfers are sorted. Failed polls count, so
    /// that a transfer that always fails does not delay others.
    pub(super) fn last_attempt(&self) -> Option<Instant> {
        self.open.as_ref().and_then(|open| open.attempted)
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint {
            origins: self.origins,
            state: self.state,
            up: self.up,
            since: self.since(),
            files: self.files.clone(),
        }
    }

    /// Records the files of a poll and returns those that have newly finished.
    pub(super) fn record_files(
        &mut self,
        files: &[FileResult],
        watching_since: SystemTime,
        label_guard: &mut LabelGuard,
        now: Now,
    ) -> NewEnds {
        let mut counts = FileCounts::default();
        let mut ends = Vec::with_capacity(files.len());
        let mut folded = vec![false; files.len()];
        for (file, folded) in files.iter().zip(&mut folded) {
            let code = file
                .failure_code
                .as_ref()
                .filter(|_| file.status == FileStatus::Failed)
                .map(|code| {
                    let admitted = label_guard.admit_code(code);
                    *folded = admitted != *code;
                    admitted
                });
            counts.add_file(&label_guard.admit_status(&file.status), code.as_ref());
            ends.push(match file.status {
                FileStatus::Completed => Some(Finished::Completed),
                FileStatus::Failed => Some(Finished::Failed(code)),
                _ => None,
            });
        }

        counts.shrink();

        let mut new_ends = NewEnds::default();
        let baseline = self.has_baseline(watching_since);
        let (Some(open), Some(ledger)) = (&mut self.open, &mut self.ledger) else {
            return new_ends;
        };
        for at in ledger.record_files(files, &ends, baseline) {
            let file = &files[at];
            if file.status == FileStatus::Failed {
                new_ends.failed.push(FailedFile {
                    path: file.path.clone(),
                    code: file.failure_code.clone(),
                    message: file.failure_message.clone(),
                });
            }
            if folded[at] {
                label_guard.count_folded();
            }
            new_ends
                .finished
                .extend(ends[at].clone().filter(|_| !baseline));
        }

        self.state = if counts.unfinished_files() > 0 {
            TransferState::Running
        } else if counts.failed_files() > 0 {
            TransferState::Failed
        } else {
            TransferState::Completed
        };
        if self.files.as_ref() != Some(&counts) {
            open.changed = now.instant;
        }
        open.unknown_since = None;
        self.files = Some(counts);
        self.record_answer(true, now);
        if !self.state.is_unfinished() {
            self.end(now);
        }
        new_ends
    }

    /// Records that AWS does not know the transfer. Returns whether it is now considered gone:
    /// unknown for `gone_after`, or started so long ago that its results have expired.
    pub(super) fn record_unknown(&mut self, gone_after: Duration, now: Now) -> bool {
        let Some(open) = &mut self.open else {
            return false;
        };
        let since = *open.unknown_since.get_or_insert(now.instant);
        let expired = self.started
            && now
                .wall
                .duration_since(self.since())
                .is_ok_and(|age| age >= RESULTS_KEPT);
        let gone = expired || now.since(since) >= gone_after;
        self.record_answer(false, now);
        if gone {
            self.state = TransferState::Gone;
            self.end(now);
        }
        gone
    }

    /// Records a failed poll. The last known files are kept.
    pub(super) fn record_failed_poll(&mut self, now: Now) {
        self.up = Some(false);
        if let Some(open) = &mut self.open {
            open.attempted = Some(now.instant);
        }
    }

    pub(super) fn view(&self, connector: &Arc<ConnectorLabels>) -> TransferView {
        TransferView {
            connector: Arc::clone(connector),
            id: self.id.clone(),
            since: self.since(),
            state: self.state,
            up: self.up,
            files: self.files.clone(),
        }
    }

    fn record_answer(&mut self, up: bool, now: Now) {
        self.up = Some(up);
        if let Some(open) = &mut self.open {
            open.answered = Some(now.instant);
            open.attempted = Some(now.instant);
        }
    }

    fn end(&mut self, now: Now) {
        self.open = None;
        self.ended = Some(now.instant);
    }

    /// Records an event about one of its files.
    pub(super) fn record_event(&mut self, file: &FileEnd, end: &Finished, now: Now) -> EventMatch {
        let settled = matches!(self.state, TransferState::Completed | TransferState::Failed);
        let Some(ledger) = &mut self.ledger else {
            return EventMatch::Duplicate;
        };
        let event_match = ledger.record_event(&file.file_transfer_id, &file.path, end, settled);
        if event_match != EventMatch::Duplicate
            && let Some(open) = &mut self.open
        {
            // The other files have probably changed as well, so the transfer is polled again soon.
            open.changed = now.instant;
        }
        event_match
    }

    /// Drops the ledger of an ended transfer when no file can be counted any more: without events
    /// at once, with events when every file has its event.
    pub(super) fn drop_finished_ledger(&mut self, events: bool) {
        if self.ended.is_some()
            && self
                .ledger
                .as_ref()
                .is_some_and(|ledger| !events || ledger.has_all_events())
        {
            self.ledger = None;
        }
    }

    pub(super) fn into_ledger(self) -> Option<Box<FileLedger>> {
        self.ledger
    }

    /// Restores the ledger of the same transfer from before it was retired.
    pub(super) fn resume(&mut self, ledger: Box<FileLedger>) {
        self.ledger = Some(ledger);
    }

    pub(super) fn record(&self, now: Now) -> TransferRecord {
        let wall = |at: Instant| millis(now.wall.checked_sub(now.since(at)).unwrap_or(now.wall));
        let open = self.open.as_ref();
        TransferRecord {
            origins: self.origins,
            since: millis(self.since()),
            started: self.started,
            state: self.state as u8,
            up: self.up,
            files: self.files.as_ref().map(counts_record),
            ledger: self.ledger.as_deref().map(Into::into),
            ended: self.ended.map(wall),
            changed: open.map_or(0, |open| wall(open.changed)),
            unknown_since: open.and_then(|open| open.unknown_since).map(wall),
        }
    }

    /// Restores a transfer from its record. Ages include the time during which the process was
    /// stopped. Unfinished transfers are due at once.
    pub(super) fn restore(
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
        let state = state.unwrap_or(TransferState::Pending);
        let open = OpenState {
            first_seen: now.instant,
            answered: None,
            attempted: None,
            changed: instant(record.changed),
            unknown_since: record.unknown_since.map(instant),
        };
        Self {
            id,
            connector,
            origins: record.origins,
            state,
            up: record.up,
            since: Timestamp::new(time(record.since)),
            started: record.started,
            files: record.files.as_deref().map(counts),
            ledger: record.ledger.as_ref().map(|ledger| Box::new(ledger.into())),
            open: state.is_unfinished().then(|| Box::new(open)),
            ended: record.ended.map(instant),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfers_and_their_views_stay_small() {
        assert!(size_of::<Transfer>() <= 120, "{}", size_of::<Transfer>());
        assert!(
            size_of::<TransferView>() <= 112,
            "{}",
            size_of::<TransferView>()
        );
    }
}
