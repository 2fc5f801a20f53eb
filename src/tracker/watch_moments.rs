//! The moments from which finished files count.
//!
//! What ended before a transfer was watched is its baseline, which no counter contains. A transfer
//! is watched from the latest of these moments: the start of the process (or of the store), the first
//! configuration of its account, the first configuration of a source that has reported it, and the
//! time since when this shard has owned it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::persist::{Meta, millis, time};
use model::{AccountName, ConnectorId, Now, Origin, Shard, TransferId};

/// A step of the wall clock, in either direction.
const STEP: Duration = Duration::from_secs(1);

/// Clocks before this moment (2026-01-01) have not been set.
const EARLIEST: Duration = Duration::from_hours(490_896);

/// The moments of the process, its accounts, sources and shards.
#[derive(Debug)]
pub(super) struct WatchMoments {
    start: SystemTime,
    accounts: BTreeMap<AccountName, SystemTime>,
    sources: BTreeMap<(AccountName, u8), SystemTime>,
    /// Each shard that this process has been, with the time since when.
    shards: Vec<(Shard, SystemTime)>,
    /// The clocks when they were last compared.
    clocks: Option<Now>,
    /// By how much the moments were moved back.
    moved_back: Duration,
}

impl WatchMoments {
    pub(super) fn new(start: SystemTime) -> Self {
        Self {
            start,
            accounts: BTreeMap::new(),
            sources: BTreeMap::new(),
            shards: Vec::new(),
            clocks: None,
            moved_back: Duration::ZERO,
        }
    }

    pub(super) fn start(&self) -> SystemTime {
        self.start
    }

    /// Adds what is configured for the first time.
    pub(super) fn watch<'a>(
        &mut self,
        accounts: impl Iterator<Item = &'a AccountName>,
        sources: impl IntoIterator<Item = (AccountName, Origin)>,
        shard: Shard,
        now: SystemTime,
    ) {
        for account in accounts {
            self.accounts.entry(account.clone()).or_insert(now);
        }
        for (account, origin) in sources {
            self.sources.entry((account, origin as u8)).or_insert(now);
        }
        if self.shards.last().is_none_or(|(last, _)| *last != shard) {
            self.shards.push((shard, now));
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
            .shards
            .iter()
            .rev()
            .take_while(|(shard, _)| shard.owns(connector, transfer))
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
        }
        false
    }

    fn move_all(&mut self, moved: &dyn Fn(SystemTime) -> SystemTime) {
        let moments = std::iter::once(&mut self.start)
            .chain(self.accounts.values_mut())
            .chain(self.sources.values_mut())
            .chain(self.shards.iter_mut().map(|(_, since)| since));
        for moment in moments {
            *moment = moved(*moment);
        }
    }

    /// Writes the moments to `meta`.
    pub(super) fn write_to(&self, meta: &mut Meta) {
        meta.watching_since = Some(millis(self.start));
        let account = |(name, at): (&AccountName, &SystemTime)| (name.to_string(), millis(*at));
        meta.accounts = self.accounts.iter().map(account).collect();
        let source = |((name, origin), at): (&(AccountName, u8), &SystemTime)| {
            (name.to_string(), *origin, millis(*at))
        };
        meta.sources = self.sources.iter().map(source).collect();
        let shard = |(shard, at): &(Shard, SystemTime)| (shard.index(), shard.total(), millis(*at));
        meta.shards = self.shards.iter().map(shard).collect();
    }

    /// Restores the moments of `meta`. Those in the future are cut to `now`.
    pub(super) fn restore(&mut self, meta: &Meta, now: SystemTime) {
        let moment = |at: &u64| time(*at).min(now);
        if let Some(at) = &meta.watching_since {
            self.start = moment(at);
        }
        for (name, at) in &meta.accounts {
            self.accounts.insert(AccountName::new(name), moment(at));
        }
        for (name, origin, at) in &meta.sources {
            self.sources
                .insert((AccountName::new(name), *origin), moment(at));
        }
        self.shards = meta
            .shards
            .iter()
            .filter_map(|(index, total, at)| Some((Shard::new(*index, *total).ok()?, moment(at))))
            .collect();
    }
}

#[cfg(test)]
mod tests;
