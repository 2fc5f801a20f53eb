//! Read-only queries for pages and the JSON API: transfers are filtered, sorted newest first and
//! paginated. A query scans all transfers in batches, so that other users of the tracker do not
//! wait for the whole scan.

mod cursor;
mod filter;
pub(super) mod recent;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::Tracker;
use super::series_budget::nanos;
use super::transfer::Transfer;
use filter::{contains, failure_contains};
use model::{Chunk, ConnectorKey, ConnectorView, FileCounts, Now, Origin, TransferView};

pub use super::failures::{FailureFilter, KeptFailure, MAX_FAILURES, MAX_TEXT_BYTES, Resolution};
pub use cursor::{Cursor, CursorError};
pub use filter::{Query, StateFilter};
pub use recent::{RECENT_MINUTES, RecentFiles};

/// An unfinished transfer is stuck if it is unchanged for longer than this. The alerts
/// `AwsTransferStuckQueued` and `AwsTransferStuckInProgress` fire after the same time.
pub const STUCK_AFTER: Duration = Duration::from_hours(2);

/// Maximum number of failed files that are listed with their transfer.
pub const MAX_FAILURES_PER_TRANSFER: usize = 100;

/// Number of transfers that are scanned at a time.
const SCAN_BATCH: usize = 4_096;

/// A transfer with details that are not exported as metrics.
#[derive(Clone, Debug)]
pub struct ListedTransfer {
    /// What a snapshot contains as well.
    pub view: TransferView,
    /// The name of its connector, if one is known.
    pub connector_name: Option<Arc<str>>,
    /// Whether a source reported its start. If not, `view.since` is the time at which it was first
    /// seen.
    pub started: bool,
    /// When its files last changed; `None` once it has ended.
    pub unchanged_since: Option<SystemTime>,
    /// Whether it is unfinished and unchanged for longer than [`STUCK_AFTER`].
    pub stuck: bool,
    /// The sources that reported it.
    pub origins: Vec<Origin>,
    /// Its newest failed files, newest first, at most [`MAX_FAILURES_PER_TRANSFER`].
    pub failures: Vec<Arc<KeptFailure>>,
}

impl ListedTransfer {
    /// Returns the number of its failed files: those that its results had at the last poll, or
    /// those that events have reported, if these are more.
    pub fn failed_files(&self) -> u64 {
        let read = self.view.files.as_ref().map_or(0, FileCounts::failed_files);
        u64::from(read).max(self.failures.len() as u64)
    }
}

/// The result of a query.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The transfers, in order.
    pub transfers: Vec<ListedTransfer>,
    /// Number of matching transfers, including those before the cursor and after the limit.
    pub matching: u64,
    /// Cursor of the next page; `None` on the last one.
    pub next: Option<Cursor>,
}

/// A query in progress. See [`Tracker::select`].
#[derive(Debug)]
pub struct SelectionBuilder<'a> {
    query: &'a Query,
    /// One more than the limit, to find out whether there is a next page.
    found: BTreeMap<Cursor, ListedTransfer>,
    matching: u64,
    next_slot: usize,
}

impl<'a> SelectionBuilder<'a> {
    /// Starts a query.
    pub fn new(query: &'a Query) -> Self {
        Self {
            query,
            found: BTreeMap::new(),
            matching: 0,
            next_slot: 0,
        }
    }

    /// Begins with the first transfer of another tracker.
    pub fn begin(&mut self) {
        self.next_slot = 0;
    }

    /// Returns the result.
    pub fn finish(mut self) -> Selection {
        let more = self.found.len() > self.query.limit;
        if more {
            self.found.pop_last();
        }
        let next = self
            .found
            .last_key_value()
            .filter(|_| more)
            .map(|(cursor, _)| cursor.clone());
        Selection {
            transfers: self.found.into_values().collect(),
            matching: self.matching,
            next,
        }
    }
}

impl Tracker {
    /// Scans the next `SCAN_BATCH` transfers. Returns false when all have been scanned.
    pub fn select(&self, selecting: &mut SelectionBuilder<'_>, now: Now) -> bool {
        let query = selecting.query;
        let from = selecting.next_slot;
        let to = self.transfers.slot_bound().min(from + SCAN_BATCH);
        // Evaluated once per connector instead of once per transfer.
        let mut connectors: HashMap<u32, (bool, bool)> = HashMap::new();
        for slot in (from..to).filter_map(|slot| u32::try_from(slot).ok()) {
            let Some(transfer) = self.transfers.get(slot) else {
                continue;
            };
            let connector = &self.connectors[transfer.connector()];
            let (admitted, found) = *connectors.entry(transfer.connector()).or_insert_with(|| {
                let name = connector.known_name().map(|name| &**name);
                let found = query.finds_connector(&connector.labels.id, name);
                (query.admits(&connector.labels), found)
            });
            if !admitted || !matches_state(query.state, transfer, now) {
                continue;
            }
            let matches_search = |part: &str| {
                contains(transfer.id().as_str(), part)
                    || self
                        .failures
                        .of_transfer(&self.key(slot))
                        .any(|failure| failure_contains(failure, part))
            };
            if !found && !query.search.as_deref().is_some_and(matches_search) {
                continue;
            }
            selecting.matching += 1;
            let since = Reverse(nanos(transfer.since()));
            // Fast path: most transfers are older than everything that has been found.
            let full = selecting.found.len() > query.limit;
            if full
                && selecting
                    .found
                    .last_key_value()
                    .is_some_and(|(last, _)| last.since < since)
            {
                continue;
            }
            let labels = &connector.labels;
            let at = Cursor {
                since,
                account: labels.account.name.clone(),
                connector: labels.id.clone(),
                transfer: transfer.id().clone(),
            };
            if query.after.as_ref().is_some_and(|after| at <= *after) {
                continue;
            }
            selecting.found.insert(at, self.listed(slot, transfer, now));
            if selecting.found.len() > query.limit + 1 {
                selecting.found.pop_last();
            }
        }
        selecting.next_slot = to;
        to < self.transfers.slot_bound()
    }

    /// Returns whether AWS has confirmed a connector, by its details or by results of its transfers.
    pub fn knows_connector(&self, key: &ConnectorKey) -> bool {
        let known = self
            .connectors
            .find(key)
            .map(|number| &self.connectors[number]);
        known.is_some_and(|connector| connector.details.is_some() || connector.is_confirmed())
    }

    /// Returns the connectors with the files of their last hour, sorted by account and id.
    pub fn connectors_with_recent_files(
        &mut self,
        now: Now,
    ) -> (Vec<Chunk<ConnectorView>>, Vec<RecentFiles>) {
        let recent = self
            .connectors
            .numbers()
            .into_iter()
            .map(|number| self.connectors[number].recent(now.wall));
        let recent = recent.collect();
        (self.connectors.chunks(&self.failures), recent)
    }

    fn listed(&self, slot: u32, transfer: &Transfer, now: Now) -> ListedTransfer {
        let connector = &self.connectors[transfer.connector()];
        let wall = |at: Instant| now.wall.checked_sub(now.since(at)).unwrap_or(now.wall);
        ListedTransfer {
            view: transfer.view(&connector.labels),
            connector_name: connector.known_name().cloned(),
            started: transfer.has_start(),
            unchanged_since: transfer.last_change().map(wall),
            stuck: is_stuck(transfer, now),
            origins: Origin::ALL
                .into_iter()
                .filter(|origin| transfer.has(*origin))
                .collect(),
            failures: self
                .failures
                .of_transfer(&self.key(slot))
                .rev()
                .take(MAX_FAILURES_PER_TRANSFER)
                .map(Arc::clone)
                .collect(),
        }
    }
}

fn is_stuck(transfer: &Transfer, now: Now) -> bool {
    transfer
        .last_change()
        .is_some_and(|at| now.since(at) > STUCK_AFTER)
}

fn matches_state(state: Option<StateFilter>, transfer: &Transfer, now: Now) -> bool {
    match state {
        None => true,
        Some(StateFilter::Is(state)) => transfer.state() == state,
        Some(StateFilter::Unfinished) => transfer.state().is_unfinished(),
        Some(StateFilter::Stuck) => is_stuck(transfer, now),
    }
}
