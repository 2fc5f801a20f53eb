//! Transfers for people: filtered, the newest first, a page at a time. It looks through all of them, a stretch at a time,
//! so that nothing that waits for the tracker waits long.

pub(super) mod failures;
pub(super) mod recent;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::Tracker;
use super::series_budget::nanos;
use super::transfer::Transfer;

use model::{
    AccountName, Chunk, ConnectorId, ConnectorLabels, ConnectorTitle, ConnectorView, Now, Origin,
    TransferId, TransferState, TransferView,
};

pub use failures::{KeptFailure, MAX_FAILURES, MAX_TEXT_BYTES};
pub use recent::{RECENT_MINUTES, RecentFiles};

/// An unfinished transfer of which nothing has changed for longer is stuck: the time after which the alerts
/// `AwsTransferStuckQueued` and `AwsTransferStuckInProgress` fire.
pub const STUCK_AFTER: Duration = Duration::from_hours(2);

/// Failed files that are told with their transfer.
pub const MAX_FAILURES_PER_TRANSFER: usize = 100;

/// Transfers that are looked through at a time.
const STRETCH: usize = 4_096;

/// Which transfers, by what is known of them as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateFilter {
    /// One state.
    Is(TransferState),
    /// Pending or running.
    Unfinished,
    /// Unfinished, and unchanged for longer than [`STUCK_AFTER`].
    Stuck,
}

impl StateFilter {
    /// Every filter.
    pub const ALL: [Self; 7] = [
        Self::Unfinished,
        Self::Stuck,
        Self::Is(TransferState::Pending),
        Self::Is(TransferState::Running),
        Self::Is(TransferState::Completed),
        Self::Is(TransferState::Failed),
        Self::Is(TransferState::Gone),
    ];

    /// Its name as a parameter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Is(state) => state.as_label(),
            Self::Unfinished => "unfinished",
            Self::Stuck => "stuck",
        }
    }
}

/// What is asked for. What is `None` filters nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The configured account.
    pub account: Option<String>,
    /// The connector.
    pub connector: Option<ConnectorId>,
    /// The state.
    pub state: Option<StateFilter>,
    /// A part of the transfer's id, of its connector's id or name, or of a failed file's path, code or message. Letters
    /// of ASCII match in either case.
    pub search: Option<String>,
    /// Those that come after this one.
    pub after: Option<Cursor>,
    /// How many at most.
    pub limit: usize,
}

impl Query {
    /// True if what stands in a connector's labels is asked for.
    pub fn admits(&self, connector: &ConnectorLabels) -> bool {
        self.account
            .as_deref()
            .is_none_or(|account| account == connector.account.name.as_str())
            && self.connector.as_ref().is_none_or(|id| *id == connector.id)
    }

    /// True if a connector is what is searched for, or nothing is.
    pub fn finds_connector(&self, id: &ConnectorId, title: Option<&ConnectorTitle>) -> bool {
        self.search.as_deref().is_none_or(|part| {
            holds(id.as_str(), part) || title.is_some_and(|title| holds(&title.name, part))
        })
    }

    /// True if a failed file is asked for, by itself or as one of its transfer or connector.
    pub fn finds_failure(&self, failure: &KeptFailure, title: Option<&ConnectorTitle>) -> bool {
        self.admits(&failure.connector)
            && (self.finds_connector(&failure.connector.id, title)
                || self.search.as_deref().is_some_and(|part| {
                    holds(failure.transfer.as_str(), part) || tells(failure, part)
                }))
    }
}

fn tells(failure: &KeptFailure, part: &str) -> bool {
    holds(&failure.path, part)
        || failure
            .code
            .as_ref()
            .is_some_and(|code| holds(code.as_str(), part))
        || failure
            .message
            .as_deref()
            .is_some_and(|message| holds(message, part))
}

fn holds(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    part.is_empty()
        || text
            .windows(part.len())
            .any(|window| window.eq_ignore_ascii_case(part))
}

/// A place in the order of transfers: the newest first, then by account, connector and id. It stays one whatever comes
/// or goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    since: Reverse<i64>,
    account: AccountName,
    connector: ConnectorId,
    transfer: TransferId,
}

/// A text that is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a cursor is the `next_cursor` of the answer before, unchanged")]
pub struct CursorError;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            since: Reverse(since),
            account,
            connector,
            transfer,
        } = self;
        let plain = format!("{since}\n{connector}\n{transfer}\n{account}");
        plain.bytes().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let digit = |digit: u8| {
            char::from(digit)
                .to_digit(16)
                .and_then(|value| u8::try_from(value).ok())
        };
        let byte = |pair: &[u8]| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        };
        let bytes: Vec<u8> = text
            .as_bytes()
            .chunks(2)
            .map(byte)
            .collect::<Option<_>>()
            .ok_or(CursorError)?;
        let plain = String::from_utf8(bytes).map_err(|_| CursorError)?;
        let mut parts = plain.splitn(4, '\n');
        let mut part = || parts.next().ok_or(CursorError);
        Ok(Self {
            since: Reverse(part()?.parse().map_err(|_| CursorError)?),
            connector: part()?.parse().map_err(|_| CursorError)?,
            transfer: part()?.parse().map_err(|_| CursorError)?,
            account: AccountName::new(part()?),
        })
    }
}

/// One transfer, with what only people ask for.
#[derive(Clone, Debug)]
pub struct ListedTransfer {
    /// What a scrape tells too.
    pub view: TransferView,
    /// What people call its connector.
    pub title: Option<Arc<ConnectorTitle>>,
    /// True if a source told its start; else `view.since` is when it was first seen.
    pub started: bool,
    /// Since when nothing of it has changed; `None` once it has ended.
    pub unchanged_since: Option<SystemTime>,
    /// Unfinished, and unchanged for longer than [`STUCK_AFTER`].
    pub stuck: bool,
    /// Where it was learned from.
    pub origins: Vec<Origin>,
    /// Its newest failed files that are kept, at most [`MAX_FAILURES_PER_TRANSFER`], the newest first.
    pub failures: Vec<Arc<KeptFailure>>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The transfers, in order.
    pub transfers: Vec<ListedTransfer>,
    /// All that the query takes, those before the cursor and after the limit included.
    pub matching: u64,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}

/// A selection in the making.
#[derive(Debug)]
pub struct SelectionBuilder<'a> {
    query: &'a Query,
    /// One more than is asked for, to know whether it is the end.
    found: BTreeMap<Cursor, ListedTransfer>,
    matching: u64,
    next_slot: usize,
}

impl<'a> SelectionBuilder<'a> {
    /// Nothing is found yet.
    pub fn new(query: &'a Query) -> Self {
        Self {
            query,
            found: BTreeMap::new(),
            matching: 0,
            next_slot: 0,
        }
    }

    /// What was found.
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
    /// Looks through a stretch of the transfers; true if there is more to look through.
    pub fn select(&self, selecting: &mut SelectionBuilder<'_>, now: Now) -> bool {
        let query = selecting.query;
        let from = selecting.next_slot;
        let to = self.transfers.bound().min(from + STRETCH);
        // What holds for a connector holds for all of its transfers.
        let mut connectors: HashMap<u32, (bool, bool)> = HashMap::new();
        for slot in (from..to).filter_map(|slot| u32::try_from(slot).ok()) {
            let Some(transfer) = self.transfers.get(slot) else {
                continue;
            };
            let connector = &self.connectors[transfer.connector()];
            let (admitted, found) = *connectors.entry(transfer.connector()).or_insert_with(|| {
                let found = query.finds_connector(&connector.labels.id, connector.title.as_deref());
                (query.admits(&connector.labels), found)
            });
            if !admitted || !takes(query.state, transfer, now) {
                continue;
            }
            let tells_it = |part: &str| {
                holds(transfer.id().as_str(), part)
                    || self.failures.kept(slot).any(|failure| tells(failure, part))
            };
            if !found && !query.search.as_deref().is_some_and(tells_it) {
                continue;
            }
            selecting.matching += 1;
            let since = Reverse(nanos(transfer.since()));
            // Most are older than all that were found, and cost no more than this.
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
        to < self.transfers.bound()
    }

    /// The connectors with their last hour, by account and id.
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
        (self.connectors.pages(), recent)
    }

    fn listed(&self, slot: u32, transfer: &Transfer, now: Now) -> ListedTransfer {
        let connector = &self.connectors[transfer.connector()];
        let wall = |at: Instant| now.wall.checked_sub(now.since(at)).unwrap_or(now.wall);
        ListedTransfer {
            view: transfer.view(&connector.labels),
            title: connector.title.clone(),
            started: transfer.is_started(),
            unchanged_since: transfer.changed().map(wall),
            stuck: is_stuck(transfer, now),
            origins: Origin::ALL
                .into_iter()
                .filter(|origin| transfer.is_of(*origin))
                .collect(),
            failures: self
                .failures
                .kept(slot)
                .rev()
                .take(MAX_FAILURES_PER_TRANSFER)
                .map(Arc::clone)
                .collect(),
        }
    }
}

fn is_stuck(transfer: &Transfer, now: Now) -> bool {
    transfer
        .changed()
        .is_some_and(|at| now.since(at) > STUCK_AFTER)
}

fn takes(state: Option<StateFilter>, transfer: &Transfer, now: Now) -> bool {
    match state {
        None => true,
        Some(StateFilter::Is(state)) => transfer.state() == state,
        Some(StateFilter::Unfinished) => transfer.state().is_unfinished(),
        Some(StateFilter::Stuck) => is_stuck(transfer, now),
    }
}
