//! One transfer and its states: pending, running, then completed, failed or gone.
//!
//! A transfer has settled when all its files have ended and their number is confirmed: by the number
//! that its start reported, or by a second equal answer. Nothing is final before AWS forgets the
//! results: a settled or gone transfer is reopened by evidence of another file.

mod answers;
mod evidence;
mod saved;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::file_ledger::{FileLedger, OpenStatus};
use super::packed_ledger::PackedLedger;
use super::persist::seconds;
use super::{FailedFile, TrackerSettings};
use model::{
    ConnectorLabels, FileCounts, Finished, Now, Origin, TransferId, TransferState, TransferView,
};

pub(super) use evidence::StartKind;

/// How long AWS keeps results: "available up to 7 days after an operation has been requested"
/// (<https://docs.aws.amazon.com/transfer/latest/APIReference/API_ListFileTransferResults.html>).
const RESULTS_KEPT: Duration = Duration::from_hours(7 * 24);

/// Returns whether AWS still keeps the results of a transfer that started at `since`, by the wall
/// clock.
pub(super) fn has_results(since: SystemTime, now: Now) -> bool {
    now.wall
        .duration_since(since)
        .map_or(true, |age| age < RESULTS_KEPT)
}

/// An unfinished transfer is polled again after a twentieth of the time since its last change, so
/// changes are seen at most 5 % late.
const POLLS_PER_UNCHANGED_TIME: u32 = 20;

/// If the number of files is not known, a second equal answer at least this much later confirms it.
pub(super) const CONFIRM_AFTER: Duration = Duration::from_secs(30);

/// Time until a transfer is polled again after a poll without files. It doubles with each such poll,
/// up to `max_refresh_interval`.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// Longest time between two polls of a gone transfer. It is polled again after half of the time for
/// which AWS has not known it.
const GONE_INTERVAL: Duration = Duration::from_hours(1);

/// Files that a poll reported as finished for the first time.
#[derive(Debug, Default)]
pub(super) struct NewEnds {
    pub(super) finished: Vec<Finished>,
    pub(super) failed: Vec<FailedFile>,
    /// Indices of the files that have completed.
    pub(super) completed: Vec<usize>,
    /// Indices of all files that are news, and whether they are counted.
    pub(super) rows: Vec<(usize, bool)>,
}

/// The state of one transfer. Hundreds of thousands may be tracked, so the fields that only polled
/// transfers need are boxed.
#[derive(Debug)]
pub(super) struct Transfer {
    id: TransferId,
    /// The number of its connector.
    connector: u32,
    /// One bit per origin that reports it now.
    origins: u8,
    /// One bit per origin that has ever reported it.
    seen: u8,
    state: TransferState,
    /// Whether the last poll returned its files; `None` before the first poll.
    up: Option<bool>,
    start: StartKind,
    /// Whether it started while it was watched: all its files are counted.
    watched: bool,
    /// Whether its start has been counted.
    started: bool,
    /// Whether a poll was answered while it was watched: files that end later are counted.
    polled: bool,
    /// Its start if a source reported it, else the time at which it was first seen.
    since: Timestamp,
    /// Number of files that its start requested; 0 if that is not known.
    expected: u16,
    /// When it settled or went, in seconds since the epoch; 0 if neither.
    ended: u32,
    files: Option<FileCounts>,
    ledger: PackedLedger,
    /// `None` once it is no longer polled.
    open: Option<Box<OpenState>>,
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

/// State that is only needed while the transfer is polled.
#[derive(Debug)]
struct OpenState {
    /// When it became due, if it has not been polled since.
    due: Instant,
    /// Time of the last poll that AWS answered.
    answered: Option<Instant>,
    /// Time of the last poll, including failed ones.
    attempted: Option<Instant>,
    /// Time at which the files last changed.
    changed: Instant,
    /// Time of the first of the equal answers in which all files have ended.
    stable_since: Option<Instant>,
    /// Time since which AWS has not known the transfer.
    unknown_since: Option<Instant>,
    /// Time since which no poll has returned files.
    failing_since: Option<Instant>,
    /// Number of polls since then.
    failures: u8,
    oldest_open: OldestOpen,
}

/// Since when a file has been in a status for the longest time, in seconds since the epoch; 0 if none
/// is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct OldestOpen {
    queued: u32,
    in_progress: u32,
}

impl OldestOpen {
    fn of(ledger: &FileLedger) -> Self {
        let oldest = |status| ledger.oldest_open(status).unwrap_or(0);
        Self {
            queued: oldest(OpenStatus::Queued),
            in_progress: oldest(OpenStatus::InProgress),
        }
    }
}

impl OpenState {
    fn new(now: Now) -> Self {
        Self {
            due: now.instant,
            answered: None,
            attempted: None,
            changed: now.instant,
            stable_since: None,
            unknown_since: None,
            failing_since: None,
            failures: 0,
            oldest_open: OldestOpen::default(),
        }
    }
}

/// Everything about a transfer that a snapshot or its record contains. Compared before and after a
/// change to find out whether chunks and the store have to be updated.
#[derive(PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are independent of each other"
)]
pub(super) struct Fingerprint {
    origins: u8,
    seen: u8,
    state: TransferState,
    up: Option<bool>,
    start: StartKind,
    watched: bool,
    started: bool,
    polled: bool,
    since: SystemTime,
    expected: u16,
    ended: u32,
    files: Option<FileCounts>,
    /// Hash of the ledger.
    ledger: u64,
    /// Whether it is polled.
    open: bool,
}

impl Transfer {
    pub(super) fn new(id: TransferId, connector: u32, now: Now) -> Self {
        Self {
            id,
            connector,
            origins: 0,
            seen: 0,
            state: TransferState::Pending,
            up: None,
            start: StartKind::FirstSeen,
            watched: false,
            started: false,
            polled: false,
            since: Timestamp::new(now.wall),
            expected: 0,
            ended: 0,
            files: None,
            ledger: PackedLedger::default(),
            open: Some(Box::new(OpenState::new(now))),
        }
    }

    /// Adds an origin.
    pub(super) fn add_origin(&mut self, origin: Origin) {
        self.origins |= 1 << origin as u8;
        self.seen |= 1 << origin as u8;
    }

    pub(super) fn remove_origin(&mut self, origin: Origin) {
        self.origins &= !(1 << origin as u8);
    }

    pub(super) fn has(&self, origin: Origin) -> bool {
        self.origins & (1 << origin as u8) != 0
    }

    /// Returns whether the administrator names it, in the configuration or in a target file.
    pub(super) fn is_named(&self) -> bool {
        self.has(Origin::Config) || self.has(Origin::Files)
    }

    pub(super) fn has_origin(&self) -> bool {
        self.origins != 0
    }

    /// Returns a bit for each origin that has ever reported it.
    pub(super) fn seen(&self) -> u8 {
        self.seen
    }

    pub(super) fn ledger(&self) -> &PackedLedger {
        &self.ledger
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
        self.start != StartKind::FirstSeen
    }

    /// Returns when its files last changed, or `None` once all of them have ended.
    pub(super) fn last_change(&self) -> Option<Instant> {
        self.open
            .as_ref()
            .filter(|_| self.state.is_unfinished())
            .map(|open| open.changed)
    }

    /// Returns the time of the last poll that AWS answered.
    pub(super) fn answered(&self) -> Option<Instant> {
        self.open.as_ref()?.answered
    }

    /// Returns when it settled or went, in seconds since the epoch.
    pub(super) fn ended(&self) -> Option<u32> {
        (self.ended != 0).then_some(self.ended)
    }

    /// Returns since when a file has been queued, and in progress, for the longest time, in seconds
    /// since the epoch; 0 if none is.
    pub(super) fn oldest_open(&self) -> [u32; 2] {
        let open = self.open.as_ref().filter(|_| self.state.is_unfinished());
        let OldestOpen {
            queued,
            in_progress,
        } = open.map_or_else(OldestOpen::default, |open| open.oldest_open);
        [queued, in_progress]
    }

    /// Returns whether it is unfinished, and its last poll did not return its files.
    pub(super) fn is_unreadable(&self) -> bool {
        self.state.is_unfinished() && self.up == Some(false)
    }

    /// Returns since when it waits for its first poll.
    pub(super) fn unpolled_since(&self) -> Option<Instant> {
        let open = self.open.as_ref().filter(|_| self.up.is_none())?;
        Some(open.due)
    }

    /// Returns whether it is polled.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Returns whether the last poll returned its files.
    pub(super) fn is_read(&self) -> bool {
        self.up == Some(true)
    }

    pub(super) fn files(&self) -> Option<&FileCounts> {
        self.files.as_ref()
    }

    /// Returns when the transfer is due: at once if it has not been polled since it was tracked or
    /// since evidence of a change arrived, later after polls that failed, else after a share of the
    /// time since its last change, within the configured limits. `None` if it is not polled.
    pub(super) fn due_at(&self, settings: &TrackerSettings) -> Option<Instant> {
        let open = self.open.as_ref()?;
        let Some(attempted) = open.attempted.filter(|at| *at >= open.due) else {
            return Some(open.due);
        };
        let min = settings.min_refresh_interval;
        let max = settings.max_refresh_interval.max(min);
        if open.failures > 0 {
            if self.state == TransferState::Gone {
                let unknown_since = open.unknown_since.unwrap_or(attempted);
                let unknown_for = attempted.saturating_duration_since(unknown_since);
                return Some(attempted + (unknown_for / 2).max(max).min(max.max(GONE_INTERVAL)));
            }
            let first = FIRST_RETRY.min(min);
            let doubled = first.saturating_mul(1 << (open.failures - 1).min(24));
            return Some(attempted + doubled.min(max));
        }
        if let Some(stable_since) = open.stable_since {
            return Some((attempted + min).max(stable_since + CONFIRM_AFTER));
        }
        let unchanged = attempted.saturating_duration_since(open.changed);
        let interval = (unchanged / POLLS_PER_UNCHANGED_TIME).min(max).max(min);
        Some(attempted + interval)
    }

    /// Returns the time of the last poll, by which due transfers are sorted. Failed polls count, so
    /// that a transfer that always fails does not delay others.
    pub(super) fn last_attempt(&self) -> Option<Instant> {
        self.open.as_ref().and_then(|open| open.attempted)
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint {
            origins: self.origins,
            seen: self.seen,
            state: self.state,
            up: self.up,
            start: self.start,
            watched: self.watched,
            started: self.started,
            polled: self.polled,
            since: self.since(),
            expected: self.expected,
            ended: self.ended,
            files: self.files.clone(),
            ledger: self.ledger.hash(),
            open: self.open.is_some(),
        }
    }

    /// Returns whether it has a time in the future, because the clock was set back.
    pub(super) fn is_in_future(&self, now: Now) -> bool {
        self.since() > now.wall || self.ended > seconds(now.wall)
    }

    /// Cuts times that are in the future to `now`.
    pub(super) fn cut_times(&mut self, now: Now) {
        self.since = Timestamp::new(self.since().min(now.wall));
        self.ended = self.ended.min(seconds(now.wall));
    }

    /// Returns whether AWS keeps its results no longer.
    fn is_expired(&self, now: Now) -> bool {
        !has_results(self.since(), now)
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfers_and_their_views_stay_small() {
        assert!(size_of::<Transfer>() <= 128, "{}", size_of::<Transfer>());
        assert!(
            size_of::<TransferView>() <= 112,
            "{}",
            size_of::<TransferView>()
        );
    }
}
