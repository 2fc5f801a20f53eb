//! The moments from which finished files count.
//!
//! What ended before a transfer was watched is its baseline, which no counter contains. A transfer
//! is watched from the latest of these moments: the start of the process (or of the store), the first
//! configuration of its account, the first configuration of a source that has reported it, and the
//! time since when this process has owned it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::persist::{Meta, ShardRecord};
use model::{
    AccountName, ConnectorGroups, ConnectorId, Now, Origin, Ownership, Shard, TransferId, millis,
    time,
};

/// A step of the wall clock, in either direction.
const STEP: Duration = Duration::from_secs(1);

/// Clocks before this moment (2026-01-01) have not been set.
const EARLIEST: Duration = Duration::from_hours(490_896);

/// Changes of ownership that are remembered.
const MAX_OWNED: usize = 100;

/// The moments of the process, its accounts, sources and shards.
#[derive(Debug)]
pub(super) struct WatchMoments {
    start: SystemTime,
    accounts: BTreeMap<AccountName, SystemTime>,
    sources: BTreeMap<(AccountName, u8), SystemTime>,
    /// What this process has owned, one after the other, with the time since when.
    owned: Vec<(Ownership, SystemTime)>,
    /// The clocks when they were last compared.
    clocks: Option<Now>,
    /// By how much the moments were moved back.
    moved_back: Duration,
    /// Milliseconds by which the moments have been moved in all, forward if positive.
    shift: i64,
}

impl WatchMoments {
    pub(super) fn new(start: SystemTime) -> Self {
        Self {
            start,
            accounts: BTreeMap::new(),
            sources: BTreeMap::new(),
            owned: Vec::new(),
            clocks: None,
            moved_back: Duration::ZERO,
            shift: 0,
        }
    }

    pub(super) fn start(&self) -> SystemTime {
        self.start
    }

    /// Returns what a wall clock would show at `at` by which the moments never had to be moved. A time
    /// that is kept in this form can be compared with the moments later.
    pub(super) fn steady(&self, at: SystemTime) -> SystemTime {
        let by = Duration::from_millis(self.shift.unsigned_abs());
        if self.shift < 0 {
            at + by
        } else {
            at.checked_sub(by).unwrap_or(SystemTime::UNIX_EPOCH)
        }
    }

    /// Returns whether a transfer that left at `left`, as [`Self::steady`] returned it, and is watched
    /// from `watched_from` now has been watched without a break.
    pub(super) fn is_same_watch(&self, left: SystemTime, watched_from: SystemTime) -> bool {
        // `left` is in whole seconds.
        self.steady(watched_from) <= left + Duration::from_secs(1)
    }

    /// Adds what is configured for the first time.
    pub(super) fn watch<'a>(
        &mut self,
        accounts: impl Iterator<Item = &'a AccountName>,
        sources: impl IntoIterator<Item = (AccountName, Origin)>,
        ownership: &Ownership,
        now: SystemTime,
    ) {
        for account in accounts {
            self.accounts.entry(account.clone()).or_insert(now);
        }
        for (account, origin) in sources {
            self.sources.entry((account, origin as u8)).or_insert(now);
        }
        if self.owned.last().is_none_or(|(last, _)| last != ownership) {
            self.owned.push((ownership.clone(), now));
            if self.owned.len() > MAX_OWNED {
                self.owned.remove(0);
            }
        }
    }

    /// Returns the moment from which the files of a transfer count. `seen` has a bit for each origin
    /// that has reported it.
    pub(super) fn watched_from(
        &self,
        account: &AccountName,
        connector: &ConnectorId,
        transfer: &TransferId,
        seen: u8,
    ) -> SystemTime {
        let account_since = self.accounts.get(account).copied().unwrap_or(self.start);
        let source_since = Origin::ALL
            .into_iter()
            .filter(|origin| seen & (1 << *origin as u8) != 0)
            .map(|origin| {
                self.sources
                    .get(&(account.clone(), origin as u8))
                    .copied()
                    .unwrap_or(account_since)
            })
            .min()
            .unwrap_or(account_since);
        let owned_since = self
            .owned
            .iter()
            .rev()
            .take_while(|(ownership, _)| ownership.owns(connector, transfer))
            .last()
            .map_or(self.start, |(_, since)| *since);
        self.start
            .max(account_since)
            .max(source_since)
            .max(owned_since)
    }

    /// Compares the wall clock with the monotonic one. If the wall clock was set back, the moments are
    /// moved with it, so that they stay what they were, and forward again if it is corrected. Other
    /// steps forward do not move them, because a suspended machine looks the same, unless the clock
    /// had not been set before. Returns whether it was set back.
    pub(super) fn follow_clock(&mut self, now: Now) -> bool {
        let Some(before) = self.clocks.replace(now) else {
            return false;
        };
        let expected = before.wall + now.since(before.instant);
        if let Ok(back) = expected.duration_since(now.wall)
            && back > STEP
        {
            self.move_all(&|at| at.checked_sub(back).unwrap_or(SystemTime::UNIX_EPOCH));
            self.moved_back += back;
            self.shift -= signed_millis(back);
            return true;
        }
        if let Ok(ahead) = now.wall.duration_since(expected)
            && ahead > STEP
        {
            let corrected = if before.wall < SystemTime::UNIX_EPOCH + EARLIEST {
                ahead
            } else {
                ahead.min(self.moved_back)
            };
            self.moved_back = self.moved_back.saturating_sub(ahead);
            self.move_all(&|at| at + corrected);
            self.shift += signed_millis(corrected);
        }
        false
    }

    fn move_all(&mut self, moved: &dyn Fn(SystemTime) -> SystemTime) {
        let moments = std::iter::once(&mut self.start)
            .chain(self.accounts.values_mut())
            .chain(self.sources.values_mut())
            .chain(self.owned.iter_mut().map(|(_, since)| since));
        for moment in moments {
            *moment = moved(*moment);
        }
    }

    /// Writes the moments to `meta`.
    pub(super) fn write_to(&self, meta: &mut Meta) {
        meta.watching_since = Some(millis(self.start));
        meta.shift = self.shift;
        let account = |(name, at): (&AccountName, &SystemTime)| (name.to_string(), millis(*at));
        meta.accounts = self.accounts.iter().map(account).collect();
        let source = |((name, origin), at): (&(AccountName, u8), &SystemTime)| {
            (name.to_string(), *origin, millis(*at))
        };
        meta.sources = self.sources.iter().map(source).collect();
        let owned = self.owned.iter();
        meta.shards = owned
            .map(|(ownership, since)| ShardRecord {
                index: ownership.shard().index(),
                total: ownership.shard().total(),
                since: millis(*since),
                groups: group_records(ownership.groups()),
            })
            .collect();
    }

    /// Restores the moments of `meta`. Those in the future are cut to `now`.
    pub(super) fn restore(&mut self, meta: &Meta, now: SystemTime) {
        let moment = |at: &u64| time(*at).min(now);
        if let Some(at) = &meta.watching_since {
            self.start = moment(at);
        }
        self.shift = meta.shift;
        for (name, at) in &meta.accounts {
            self.accounts.insert(AccountName::new(name), moment(at));
        }
        for (name, origin, at) in &meta.sources {
            self.sources
                .insert((AccountName::new(name), *origin), moment(at));
        }
        self.owned = meta
            .shards
            .iter()
            .filter_map(|record| {
                let shard = Shard::new(record.index, record.total).ok()?;
                let groups = Arc::new(groups(&record.groups));
                Some((Ownership::new(shard, &groups), moment(&record.since)))
            })
            .collect();
    }
}

fn signed_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn group_records(groups: &ConnectorGroups) -> Vec<(String, String)> {
    let members = groups.members();
    members
        .map(|(id, first)| (id.to_string(), first.to_string()))
        .collect()
}

/// A damaged pair is left out: its connector is divided like others.
fn groups(records: &[(String, String)]) -> ConnectorGroups {
    let pairs = records.iter();
    ConnectorGroups::new(
        pairs.filter_map(|(id, first)| {
            Some(BTreeSet::from([id.parse().ok()?, first.parse().ok()?]))
        }),
    )
}

#[cfg(test)]
mod tests;
