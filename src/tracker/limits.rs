//! Limits of what sources other than the administrator's may add. They bound the memory and the series
//! that a sender of messages or a client of the write API can cause.
//!
//! A transfer that starts beyond the limit takes the place of another one, or is refused:
//!
//! 1. A connector that exists takes the place of a transfer that waits for its first poll at a connector
//!    that AWS has not confirmed, which a source may have invented,
//! 2. then that of the transfer that ended longest ago.
//! 3. Otherwise the connector with the most transfers that wait for their first poll gives up the
//!    newest, if it has more of them than the connector of the new one will have. Connectors that AWS
//!    has not confirmed displace each other only.
//!
//! What the administrator names and what AWS has returned and has not ended keeps its place.
//!
//! A file or an operation that has ended is counted, because a failure must not be lost: under the
//! connector `OTHER` if its own is beyond the limit. Its transfer is not tracked; its fate keeps the
//! file from being counted twice.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::connector::{Connector, WaitingRank};
use super::fate::{Fate, fate_hash};
use super::file_ledger::EventMatch;
use super::{Ingested, Tracker};
use model::{ConnectorId, ConnectorKey, Fact, FileEnd, Now, Origin, TransferKey};

/// How much is tracked at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackerLimits {
    /// Tracked transfers.
    pub transfers: usize,
    /// Connectors with a tracked transfer or in the configuration.
    pub connectors: usize,
}

impl TrackerLimits {
    /// No limits.
    pub const NONE: Self = Self {
        transfers: usize::MAX,
        connectors: usize::MAX,
    };
}

/// A limit that a fact exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// [`TrackerLimits::transfers`].
    Transfers,
    /// [`TrackerLimits::connectors`].
    Connectors,
}

impl Limit {
    /// All limits.
    pub const ALL: [Self; 2] = [Self::Transfers, Self::Connectors];

    /// Returns the label `limit`, which is the configuration key.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Transfers => "transfers",
            Self::Connectors => "connectors",
        }
    }
}

/// How many transfers are searched for one that the administrator has not named.
const MOST_SEARCHED: usize = 1_000;

impl Tracker {
    /// Returns how many transfers have given their place to another one.
    pub fn displaced(&self) -> u64 {
        self.displaced
    }

    /// Drops a transfer so that the one that starts can be tracked. Returns false if none gives way.
    fn make_room(&mut self, start: &TransferKey, now: Now) -> bool {
        let number = self.connectors.find(&start.connector_key());
        let connector = number.map(|number| &self.connectors[number]);
        let exists = connector.is_some_and(Connector::is_confirmed);
        let own = connector.map_or(0, Connector::waiting);
        let most = self.connectors.most_waiting();
        let invented =
            most.filter(|rank| rank.is_unconfirmed && (exists || rank.waiting > own + 1));
        let ended = || exists.then(|| self.oldest_ended()).flatten();
        let larger = || most.filter(|rank| exists && rank.waiting > own + 1);
        let newest = |rank: WaitingRank| {
            self.first_not_named(self.connectors[rank.number].newest_unpolled())
        };
        let slot = invented
            .and_then(newest)
            .or_else(ended)
            .or_else(|| larger().and_then(newest));
        let Some(slot) = slot else {
            return false;
        };
        let number = self.transfers[slot].connector();
        self.drop_expired(slot, now);
        self.remove_if_unused(number, now);
        self.displaced += 1;
        true
    }

    /// Returns the transfer that ended longest ago and that the administrator has not named.
    fn oldest_ended(&self) -> Option<u32> {
        self.first_not_named(self.ended.iter().map(|(_, slot)| *slot))
    }

    fn first_not_named(&self, slots: impl Iterator<Item = u32>) -> Option<u32> {
        slots
            .take(MOST_SEARCHED)
            .find(|slot| !self.transfers[*slot].is_named())
    }

    /// Returns the limit that a fact exceeds. The configuration and target files may exceed them:
    /// the administrator writes them.
    pub(super) fn exceeded_limit(&self, fact: &Fact, origin: Origin) -> Option<Limit> {
        if matches!(origin, Origin::Config | Origin::Files) {
            return None;
        }
        match fact {
            Fact::Started(start) => self.exceeded_by(&start.key),
            Fact::FileEnded(file) => self.exceeded_by(&file.key),
            Fact::OperationEnded(end) => self.exceeded_by_connector(&end.connector),
        }
    }

    /// Ingests a fact that exceeds `limit`.
    pub(super) fn ingest_beyond(
        &mut self,
        fact: &Fact,
        limit: Limit,
        origin: Origin,
        now: Now,
    ) -> Ingested {
        let counted = match fact {
            Fact::Started(start) => {
                let is_known = limit == Limit::Transfers && self.start_of_ended(start, origin, now);
                return if is_known {
                    Ingested::Duplicate
                } else if limit == Limit::Transfers && self.make_room(&start.key, now) {
                    self.ingest_start(start, origin, now)
                } else {
                    Ingested::LimitExceeded(limit)
                };
            }
            Fact::FileEnded(file) => self.count_untracked(file, limit, origin, now),
            Fact::OperationEnded(end) => {
                let counted_as = other(&end.connector);
                self.count_operation(end, counted_as, now)
            }
        };
        match counted {
            Ingested::New { failed } => Ingested::Untracked { limit, failed },
            known => known,
        }
    }

    /// Counts a file whose transfer is not tracked.
    fn count_untracked(
        &mut self,
        file: &FileEnd,
        limit: Limit,
        origin: Origin,
        now: Now,
    ) -> Ingested {
        let Some(account) = self.accounts.get(&file.key.account).map(Arc::clone) else {
            return Ingested::Foreign;
        };
        let event_match = self.match_beyond_ledger(file, now).unwrap_or_else(|| {
            let hash = fate_hash(&file.key);
            let fate = self.fates.get(hash);
            let left = self.watch_moments.steady(now.wall);
            let mut fate = fate.unwrap_or_else(|| Fate::untracked(file, origin, left, now));
            let event_match = fate.record_event(file);
            if event_match != EventMatch::Duplicate {
                self.insert_fate(hash, &fate);
            }
            event_match
        });
        if event_match == EventMatch::Duplicate {
            return Ingested::Duplicate;
        }
        let connector = match limit {
            Limit::Transfers => file.key.connector_key(),
            Limit::Connectors => other(&file.key.connector_key()),
        };
        let number = self.connector_number(connector, &account, now);
        self.count_event(number, file, &event_match, now)
    }

    fn exceeded_by(&self, key: &TransferKey) -> Option<Limit> {
        if !self.is_owned(key) || self.slot(key).is_some() {
            return None;
        }
        let is_full = self.transfers.len() >= self.settings.limits.transfers;
        self.exceeded_by_connector(&key.connector_key())
            .or_else(|| is_full.then_some(Limit::Transfers))
    }

    fn exceeded_by_connector(&self, key: &ConnectorKey) -> Option<Limit> {
        let is_full = self.connectors.reported() >= self.settings.limits.connectors;
        let is_new =
            self.accounts.contains_key(&key.account) && self.connectors.find(key).is_none();
        (is_full && is_new).then_some(Limit::Connectors)
    }
}

/// Returns the connector under which the files of connectors beyond the limit are counted.
fn other(connector: &ConnectorKey) -> ConnectorKey {
    ConnectorKey {
        account: connector.account.clone(),
        id: ConnectorId::other(),
    }
}
