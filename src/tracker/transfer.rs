//! One transfer's life: pending, running, then completed, failed or gone.

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

/// Of the time that nothing has changed, this share passes until the next look: news is at most 5 % late.
const PATIENCE: u32 = 20;

/// Files that finished with one answer.
#[derive(Debug, Default)]
pub(super) struct Newly {
    pub(super) finished: Vec<Finished>,
    pub(super) failed: Vec<FailedFile>,
}

/// What is known of one transfer. There are a hundred thousand: what an open one alone needs is apart.
#[derive(Debug)]
pub(super) struct Transfer {
    id: TransferId,
    /// The number of its connector.
    connector: u32,
    origins: u8,
    state: TransferState,
    up: Option<bool>,
    /// Start where a source tells it, else first sight.
    since: Nanos,
    started: bool,
    files: Option<FileCounts>,
    /// While any of its files may still count: until it has ended, and with events until they have told all.
    ledger: Option<Box<FileLedger>>,
    open: Option<Box<Open>>,
    ended: Option<Instant>,
}

/// Nanoseconds from the epoch on, in half the room of a `SystemTime`. Until 2554; what is earlier or later is cut.
#[derive(Clone, Copy, Debug)]
struct Nanos(u64);

impl Nanos {
    fn of(time: SystemTime) -> Self {
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

/// What is known only until the transfer ends: nothing is asked after that.
#[derive(Debug)]
struct Open {
    first_seen: Instant,
    answered: Option<Instant>,
    attempted: Option<Instant>,
    /// When an answer last differed from the one before.
    changed: Instant,
    unknown_since: Option<Instant>,
}

/// What a scrape shows of a transfer, and where it was learned from.
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
            since: Nanos::of(now.wall),
            started: false,
            files: None,
            ledger: Some(Box::default()),
            open: Some(Box::new(Open {
                first_seen: now.instant,
                answered: None,
                attempted: None,
                changed: now.instant,
                unknown_since: None,
            })),
            ended: None,
        }
    }

    pub(super) fn add_origin(&mut self, origin: Origin, started_at: Option<SystemTime>) {
        self.origins |= 1 << origin as u8;
        if let Some(start) = started_at.filter(|_| !self.started) {
            self.since = Nanos::of(start);
            self.started = true;
        }
    }

    pub(super) fn remove_origin(&mut self, origin: Origin) {
        self.origins &= !(1 << origin as u8);
    }

    pub(super) fn is_of(&self, origin: Origin) -> bool {
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

    /// Start where a source tells it, else first sight.
    pub(super) fn since(&self) -> SystemTime {
        self.since.time()
    }

    /// True if a source told its start.
    pub(super) fn is_started(&self) -> bool {
        self.started
    }

    /// When an answer last differed from the one before, until it has ended.
    pub(super) fn changed(&self) -> Option<Instant> {
        self.open.as_ref().map(|open| open.changed)
    }

    pub(super) fn answered(&self) -> Option<Instant> {
        self.open.as_ref()?.answered
    }

    pub(super) fn ended(&self) -> Option<Instant> {
        self.ended
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
    fn has_base(&self, watching_since: SystemTime) -> bool {
        !self.ledger.as_ref().is_some_and(|ledger| ledger.answered)
            && (!self.started || self.since() < watching_since)
    }

    /// When an open transfer is to be looked at again: at once if it was never answered, else after a twentieth of the
    /// time that it had not changed for, within the bounds.
    pub(super) fn due_at(&self, settings: &TrackerSettings) -> Option<Instant> {
        let open = self.open.as_ref()?;
        let Some(answered) = open.answered else {
            return Some(open.first_seen);
        };
        let still = answered.saturating_duration_since(open.changed);
        let least = settings.min_refresh_interval;
        Some(
            answered
                + (still / PATIENCE)
                    .min(settings.max_refresh_interval)
                    .max(least),
        )
    }

    /// Sorts the due: never looked at first, then by how long ago the last look was, whatever it came to. So one that
    /// fails all the time does not take the turn of others.
    pub(super) fn turn(&self) -> Option<Instant> {
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

    pub(super) fn read(
        &mut self,
        files: &[FileResult],
        watching_since: SystemTime,
        codes: &mut LabelGuard,
        now: Now,
    ) -> Newly {
        let mut counts = FileCounts::default();
        let mut ends = Vec::with_capacity(files.len());
        let mut folded = vec![false; files.len()];
        for (file, folded) in files.iter().zip(&mut folded) {
            let code = file
                .failure_code
                .as_ref()
                .filter(|_| file.status == FileStatus::Failed)
                .map(|code| {
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

        counts.shrink();

        let mut newly = Newly::default();
        let base = self.has_base(watching_since);
        let (Some(open), Some(ledger)) = (&mut self.open, &mut self.ledger) else {
            return newly;
        };
        for at in ledger.answer(files, &ends, base) {
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
            newly.finished.extend(ends[at].clone().filter(|_| !base));
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
        self.note_answer(true, now);
        if !self.state.is_unfinished() {
            self.end(now);
        }
        newly
    }

    /// True if it is gone with this: asked for long enough, or begun so long ago that its results have expired.
    pub(super) fn unknown(&mut self, gone_after: Duration, now: Now) -> bool {
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
        self.note_answer(false, now);
        if gone {
            self.state = TransferState::Gone;
            self.end(now);
        }
        gone
    }

    pub(super) fn fail(&mut self, now: Now) {
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

    fn note_answer(&mut self, up: bool, now: Now) {
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

    /// Takes an event in that tells of one of its files.
    pub(super) fn told(&mut self, file: &FileEnd, end: &Finished, now: Now) -> EventMatch {
        let settled = matches!(self.state, TransferState::Completed | TransferState::Failed);
        let Some(ledger) = &mut self.ledger else {
            return EventMatch::Duplicate;
        };
        let told = ledger.event(&file.file_transfer_id, &file.path, end, settled);
        if told != EventMatch::Duplicate
            && let Some(open) = &mut self.open
        {
            // News: the rest is looked at again soon.
            open.changed = now.instant;
        }
        told
    }

    /// Drops what nothing needs any more once it has ended: without events all of the ledger, with them when they have
    /// told every file.
    pub(super) fn close(&mut self, events: bool) {
        if self.ended.is_some()
            && self
                .ledger
                .as_ref()
                .is_some_and(|ledger| !events || ledger.is_told())
        {
            self.ledger = None;
        }
    }

    pub(super) fn take_ledger(self) -> Option<Box<FileLedger>> {
        self.ledger
    }

    /// Takes over what was counted of it before it was dropped.
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

    /// As it was written; ages go on as if the process had not stopped. An open one is looked at as soon as it can be.
    pub(super) fn restored(
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
        let open = Open {
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
            since: Nanos::of(time(record.since)),
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
    fn a_hundred_thousand_of_them_fit() {
        assert!(size_of::<Transfer>() <= 120, "{}", size_of::<Transfer>());
        assert!(
            size_of::<TransferView>() <= 112,
            "{}",
            size_of::<TransferView>()
        );
    }
}
