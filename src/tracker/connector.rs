//! One connector: its counters, and the sums over its transfers, which are updated with every
//! change.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::connector_counters::ConnectorCounters;
use super::failures::Failures;
use super::persist::ConnectorRecord;
use super::query::recent::{RecentCounts, RecentFiles};
use super::transfer::Transfer;
use model::{
    Account, ConnectorDetails, ConnectorKey, ConnectorLabels, ConnectorTitle, ConnectorView,
    FileCounts, Finished, Millis, Now, StateCounts, millis, time,
};

#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are independent of each other"
)]
pub(super) struct Connector {
    pub(super) key: ConnectorKey,
    pub(super) labels: Arc<ConnectorLabels>,
    pub(super) known_since: SystemTime,
    /// Whether it is in the current configuration.
    pub(super) declared: bool,
    /// Whether a source other than the configuration has reported a transfer or an operation of it.
    pub(super) discovered: bool,
    /// Whether AWS has returned files of a transfer, or the administrator has named it. Other sources
    /// may report connectors that do not exist.
    pub(super) confirmed: bool,
    /// Whether a transfer that AWS knows has left after it had settled. If so, it stays.
    pub(super) kept: bool,
    /// When it last had a transfer, or something was counted.
    pub(super) used: Instant,
    pub(super) title: Option<Arc<ConnectorTitle>>,
    /// Its details, if AWS lists it.
    pub(super) details: Option<Arc<ConnectorDetails>>,
    pub(super) counters: ConnectorCounters,
    /// Allocated when the first file is counted.
    recent: Option<Box<RecentCounts>>,
    sums: Sums,
    /// Transfers that have waited too long for their first poll, in the last snapshot.
    overdue: u64,
    /// Its place among the connectors with transfers that wait for their first poll.
    pub(super) waiting_rank: Option<WaitingRank>,
}

/// The order in which connectors give up transfers that wait for their first poll: the last one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WaitingRank {
    /// Whether AWS has not confirmed that it exists.
    pub(super) is_unconfirmed: bool,
    /// How many wait.
    pub(super) waiting: usize,
    /// The connector's number.
    pub(super) number: u32,
}

/// Sums over the transfers that are currently tracked.
#[derive(Debug, Default)]
struct Sums {
    files: FileCounts,
    /// Number of transfers whose files are known.
    with_files: u64,
    /// Number of transfers whose last poll did not return their files.
    unread: u64,
    states: StateCounts,
    /// Start and slot of each unfinished transfer.
    unfinished: BTreeSet<(SystemTime, u32)>,
    /// Unfinished transfers whose last poll did not return their files.
    unreadable: u64,
    /// Since when each transfer waits for its first poll, and its slot.
    unpolled: BTreeSet<(Instant, u32)>,
    /// How many of them the administrator names.
    unpolled_named: usize,
    /// Since when a file of a transfer has been queued for the longest time, and the slot.
    queued: BTreeSet<(u32, u32)>,
    /// The same of files in progress.
    in_progress: BTreeSet<(u32, u32)>,
    /// Time of the last result and slot of each unfinished transfer that has been polled.
    answered: BTreeSet<(Instant, u32)>,
}

impl Connector {
    pub(super) fn new(key: ConnectorKey, account: &Arc<Account>, now: Now) -> Self {
        Self {
            labels: Arc::new(ConnectorLabels {
                account: Arc::clone(account),
                id: key.id.clone(),
            }),
            key,
            known_since: now.wall,
            declared: false,
            discovered: false,
            confirmed: false,
            kept: false,
            used: now.instant,
            title: None,
            details: None,
            counters: ConnectorCounters::default(),
            recent: None,
            sums: Sums::default(),
            overdue: 0,
            waiting_rank: None,
        }
    }

    /// Returns whether it is configured or AWS has confirmed that it exists.
    pub(super) fn is_confirmed(&self) -> bool {
        self.confirmed || self.declared || self.details.is_some() || self.key.id.is_other()
    }

    /// Returns the name of the configuration, else the tag `Name`.
    pub(super) fn known_name(&self) -> Option<&Arc<str>> {
        ConnectorDetails::known_name(self.title.as_deref(), self.details.as_deref())
    }

    /// Returns whether nothing refers to it: no transfer and not the configuration. A connector that
    /// a source has reported is unused if all its transfers were unknown to AWS or were deleted, once
    /// what has been counted of it was exported for `idle_for`.
    pub(super) fn is_unused(&self, idle_for: Duration, now: Now) -> bool {
        if self.declared || self.details.is_some() || self.sums.states.total() > 0 {
            return false;
        }
        let is_exported = || !self.counters.has_ends() || now.since(self.used) >= idle_for;
        !self.discovered || (!self.kept && is_exported())
    }

    /// Initializes the counters that events increase, if it exists and there are events.
    pub(super) fn initialize_counters(&mut self, events: bool) {
        if events && self.is_confirmed() {
            self.counters.initialize_event_counters();
        }
    }

    /// Counts a file that ended at `at` among the files of the last hour.
    pub(super) fn count_recent(&mut self, end: &Finished, at: SystemTime, now: SystemTime) {
        self.recent.get_or_insert_default().count(end, at, now);
    }

    pub(super) fn recent(&self, now: SystemTime) -> RecentFiles {
        self.recent
            .as_ref()
            .map_or_else(RecentFiles::default, |recent| recent.view(now))
    }

    /// Adds a transfer to the sums.
    pub(super) fn add(&mut self, slot: u32, transfer: &Transfer) {
        let sums = &mut self.sums;
        sums.states.add(transfer.state());
        sums.unread += u64::from(!transfer.is_read());
        sums.unreadable += u64::from(transfer.is_unreadable());
        if let Some(at) = transfer.unpolled_since() {
            sums.unpolled.insert((at, slot));
            sums.unpolled_named += usize::from(transfer.is_named());
        }
        let [queued, in_progress] = transfer.oldest_open();
        if queued > 0 {
            sums.queued.insert((queued, slot));
        }
        if in_progress > 0 {
            sums.in_progress.insert((in_progress, slot));
        }
        if let Some(files) = transfer.files() {
            sums.files.add(files);
            sums.with_files += 1;
        }
        if transfer.state().is_unfinished() {
            sums.unfinished.insert((transfer.since(), slot));
            sums.answered
                .extend(transfer.answered().map(|at| (at, slot)));
        }
    }

    /// Removes a transfer from the sums. It must be unchanged since it was added.
    pub(super) fn subtract(&mut self, slot: u32, transfer: &Transfer) {
        let sums = &mut self.sums;
        sums.states.remove(transfer.state());
        sums.unread -= u64::from(!transfer.is_read());
        sums.unreadable -= u64::from(transfer.is_unreadable());
        if let Some(at) = transfer.unpolled_since() {
            sums.unpolled.remove(&(at, slot));
            sums.unpolled_named -= usize::from(transfer.is_named());
        }
        let [queued, in_progress] = transfer.oldest_open();
        sums.queued.remove(&(queued, slot));
        sums.in_progress.remove(&(in_progress, slot));
        if let Some(files) = transfer.files() {
            sums.files.subtract(files);
            sums.with_files -= 1;
        }
        if transfer.state().is_unfinished() {
            sums.unfinished.remove(&(transfer.since(), slot));
            if let Some(at) = transfer.answered() {
                sums.answered.remove(&(at, slot));
            }
        }
    }

    /// Returns how many transfers wait for their first poll that the administrator has not named.
    pub(super) fn waiting(&self) -> usize {
        self.sums.unpolled.len() - self.sums.unpolled_named
    }

    /// Returns the transfers that wait for their first poll, the newest first.
    pub(super) fn newest_unpolled(&self) -> impl Iterator<Item = u32> {
        self.sums.unpolled.iter().rev().map(|(_, slot)| *slot)
    }

    /// Counts the transfers that wait for their first poll since `before`. Returns whether the number
    /// has changed.
    pub(super) fn count_overdue(&mut self, before: Instant) -> bool {
        let overdue = self.sums.unpolled.range(..(before, 0)).count() as u64;
        std::mem::replace(&mut self.overdue, overdue) != overdue
    }

    /// Returns the time of the oldest result among its unfinished transfers, in whole seconds: it is
    /// derived from the monotonic clock, and must not change from scrape to scrape.
    pub(super) fn oldest_result(&self, now: Now) -> Option<SystemTime> {
        let (answered, _) = self.sums.answered.first()?;
        let at = now.wall.checked_sub(now.since(*answered))?;
        let since_epoch = at.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(since_epoch.as_secs()))
    }

    /// Returns its persistent form. `left` is when it was removed.
    pub(super) fn record(&self, left: Option<Millis>) -> ConnectorRecord {
        let mut record = ConnectorRecord {
            region: self.labels.account.region.to_string(),
            known_since: millis(self.known_since),
            discovered: self.discovered,
            confirmed: self.confirmed,
            kept: self.kept,
            left,
            // One that was removed is not listed any more.
            details: self
                .details
                .as_deref()
                .filter(|_| left.is_none())
                .map(Into::into),
            ..ConnectorRecord::default()
        };
        self.counters.write_to(&mut record);
        record
    }

    /// Restores its counters and details.
    pub(super) fn restore(&mut self, record: &ConnectorRecord) {
        self.known_since = time(record.known_since);
        self.discovered = record.discovered;
        self.confirmed = record.confirmed;
        self.kept = record.kept;
        if let Some(details) = &record.details {
            self.details = Some(Arc::new(details.into()));
        }
        self.counters = ConnectorCounters::from(record);
    }

    /// Returns the unfinished transfer that started or was first seen longest ago.
    pub(super) fn oldest_unfinished(&self) -> Option<(SystemTime, u32)> {
        self.sums.unfinished.first().copied()
    }

    pub(super) fn view(&self, failures: &Failures) -> ConnectorView {
        ConnectorView {
            labels: Arc::clone(&self.labels),
            title: self.title.clone(),
            details: self.details.clone(),
            confirmed: self.is_confirmed(),
            known_since: self.known_since,
            files: (self.sums.with_files > 0).then(|| self.sums.files.clone()),
            states: self.sums.states,
            unread: self.sums.unread,
            unreadable: self.sums.unreadable + self.overdue,
            started: self.counters.started,
            last_started: self.counters.last_started,
            oldest_queued: oldest(&self.sums.queued),
            oldest_in_progress: oldest(&self.sums.in_progress),
            consecutive_failures: self.counters.consecutive_failures,
            unresolved_failures: failures.unresolved(&self.key),
            finished: self.counters.finished.clone(),
            moved: self.counters.moved.clone(),
            operations: self.counters.operations.clone(),
            oldest_unfinished: self.sums.unfinished.first().map(|(since, _)| *since),
            last_completed: self.counters.last_completed,
            last_failed: self.counters.last_failed,
        }
    }
}

fn oldest(times: &BTreeSet<(u32, u32)>) -> Option<SystemTime> {
    let (since, _) = times.first()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs((*since).into()))
}
