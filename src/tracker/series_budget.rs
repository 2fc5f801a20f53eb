//! Limits the number of transfers that have their own series. Unfinished transfers are chosen first,
//! then those with failed files, then the newest.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use super::transfer::Transfer;
use model::{Origin, PerTransfer};

/// The transfers that may have series, by rank and slot, split at the limit.
#[derive(Debug)]
pub(super) struct SeriesBudget {
    limit: usize,
    within: BTreeSet<(Rank, u32)>,
    beyond: BTreeSet<(Rank, u32)>,
}

/// The order in which transfers get series: by class, then by start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank(u64);

/// Bits of the microseconds since the epoch, enough until the year 4253.
const TIME_BITS: u32 = 56;

impl Rank {
    /// Returns the rank of a transfer, or `None` if it has no series.
    pub(super) fn of(transfer: &Transfer, per_transfer: PerTransfer) -> Option<Self> {
        let is_unfinished = transfer.state().is_unfinished();
        let has_failed = transfer
            .files()
            .is_some_and(|files| files.failed_files() > 0);
        let is_shown = match per_transfer {
            PerTransfer::All => true,
            PerTransfer::Open => transfer.has(Origin::Config) || is_unfinished || has_failed,
            PerTransfer::Configured => transfer.has(Origin::Config),
            PerTransfer::None => false,
        };
        let class = if is_unfinished {
            2
        } else {
            u64::from(has_failed)
        };
        is_shown.then(|| Self::new(class, transfer.since()))
    }

    fn new(class: u64, since: SystemTime) -> Self {
        let micros = since.duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = u64::try_from(micros.as_micros()).unwrap_or(u64::MAX);
        Self(class << TIME_BITS | micros.min((1 << TIME_BITS) - 1))
    }
}

/// Nanoseconds since the epoch, which covers 292 years before and after it. Half the size of a
/// `SystemTime`, which matters because every transfer is in one of the sets.
pub(super) type Nanos = i64;

/// Converts a time, saturating at the limits.
pub(super) fn nanos(at: SystemTime) -> Nanos {
    match at.duration_since(UNIX_EPOCH) {
        Ok(after) => Nanos::try_from(after.as_nanos()).unwrap_or(Nanos::MAX),
        Err(before) => {
            Nanos::try_from(before.duration().as_nanos()).map_or(Nanos::MIN, |nanos| -nanos)
        }
    }
}

impl SeriesBudget {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            within: BTreeSet::new(),
            beyond: BTreeSet::new(),
        }
    }

    /// Returns whether the transfer has its own series.
    pub(super) fn contains(&self, rank: Option<Rank>, slot: u32) -> bool {
        rank.is_some_and(|rank| self.within.contains(&(rank, slot)))
    }

    /// Changes the rank of a transfer. Like all changes, returns the slots of the transfers that have
    /// gained or lost their own series.
    pub(super) fn change(&mut self, slot: u32, from: Option<Rank>, to: Option<Rank>) -> Vec<u32> {
        if from == to {
            return Vec::new();
        }
        if let Some(rank) = from
            && !self.within.remove(&(rank, slot))
        {
            self.beyond.remove(&(rank, slot));
        }
        if let Some(rank) = to {
            self.within.insert((rank, slot));
        }
        self.balance()
    }

    pub(super) fn set_limit(&mut self, limit: usize) -> Vec<u32> {
        self.limit = limit;
        self.balance()
    }

    fn balance(&mut self) -> Vec<u32> {
        let mut changed = Vec::new();
        loop {
            // An inserted transfer may be of a lower rank than transfers beyond the limit.
            let misplaced = match (self.within.first(), self.beyond.last()) {
                (Some(oldest_within), Some(newest_beyond)) => newest_beyond > oldest_within,
                _ => false,
            };
            let room = self.within.len() < self.limit;
            if self.within.len() > self.limit || misplaced {
                let Some(oldest) = self.within.pop_first() else {
                    break;
                };
                changed.push(oldest.1);
                self.beyond.insert(oldest);
            } else if room && let Some(newest) = self.beyond.pop_last() {
                changed.push(newest.1);
                self.within.insert(newest);
            } else {
                break;
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// After any sequence of changes, the transfers of the highest rank are within the limit, and
        /// every move is reported.
        #[test]
        fn the_transfers_of_the_highest_rank_are_within_the_limit(
            limit in 0..20_usize,
            steps in vec((0..40_u32, proptest::option::of((0..3_u64, 0..30_u64)), proptest::option::weighted(0.1, 0..20_usize)), 1..200),
        ) {
            let mut budget = SeriesBudget::new(limit);
            let mut limit = limit;
            let mut known: BTreeMap<u32, Rank> = BTreeMap::new();
            let mut before: BTreeSet<u32> = BTreeSet::new();
            for (slot, rank, new_limit) in steps {
                let rank = rank.map(|(class, second)| {
                    Rank::new(class, UNIX_EPOCH + Duration::from_secs(second))
                });
                let mut changed = budget.change(slot, known.get(&slot).copied(), rank);
                match rank {
                    Some(rank) => known.insert(slot, rank),
                    None => known.remove(&slot),
                };
                if let Some(new) = new_limit {
                    limit = new;
                    changed.extend(budget.set_limit(limit));
                }
                let mut by_age: Vec<_> = known.iter().map(|(slot, rank)| (*rank, *slot)).collect();
                by_age.sort_unstable_by(|a, b| b.cmp(a));
                let newest: BTreeSet<u32> = by_age.iter().take(limit).map(|(_, slot)| *slot).collect();
                let now: BTreeSet<u32> =
                    known.iter().filter(|(slot, rank)| budget.contains(Some(**rank), **slot)).map(|(slot, _)| *slot).collect();
                prop_assert_eq!(&now, &newest);
                for other in now.symmetric_difference(&before).filter(|other| **other != slot) {
                    prop_assert!(changed.contains(other));
                }
                before = now;
            }
        }
    }
}
