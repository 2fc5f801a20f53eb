//! Limits the number of transfers that have their own series. The newest transfers are chosen.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

/// All transfers by start and slot, split at the limit.
#[derive(Debug)]
pub(super) struct SeriesBudget {
    limit: usize,
    within: BTreeSet<(Nanos, u32)>,
    beyond: BTreeSet<(Nanos, u32)>,
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
    pub(super) fn contains(&self, since: SystemTime, slot: u32) -> bool {
        self.within.contains(&(nanos(since), slot))
    }

    /// Adds a transfer. Like all changes, returns the slots of the transfers that have gained or
    /// lost their own series.
    pub(super) fn insert(&mut self, since: SystemTime, slot: u32) -> Vec<u32> {
        self.within.insert((nanos(since), slot));
        self.balance()
    }

    pub(super) fn remove(&mut self, since: SystemTime, slot: u32) -> Vec<u32> {
        let at = (nanos(since), slot);
        if !self.within.remove(&at) {
            self.beyond.remove(&at);
        }
        self.balance()
    }

    pub(super) fn change_start(&mut self, slot: u32, from: SystemTime, to: SystemTime) -> Vec<u32> {
        let mut changed = self.remove(from, slot);
        changed.extend(self.insert(to, slot));
        changed
    }

    pub(super) fn set_limit(&mut self, limit: usize) -> Vec<u32> {
        self.limit = limit;
        self.balance()
    }

    fn balance(&mut self) -> Vec<u32> {
        let mut changed = Vec::new();
        loop {
            // An inserted transfer may be older than transfers beyond the limit.
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
        /// After any sequence of changes, the newest transfers are within the limit, and every move
        /// is reported.
        #[test]
        fn the_newest_transfers_are_within_the_limit(
            limit in 0..20_usize,
            steps in vec((0..40_u32, proptest::option::of(0..30_u64), proptest::option::weighted(0.1, 0..20_usize)), 1..200),
        ) {
            let mut budget = SeriesBudget::new(limit);
            let mut limit = limit;
            let mut known: BTreeMap<u32, SystemTime> = BTreeMap::new();
            let mut before: BTreeSet<u32> = BTreeSet::new();
            for (slot, since, new_limit) in steps {
                let since = since.map(|s| UNIX_EPOCH + Duration::from_secs(s));
                let mut changed = match (known.get(&slot).copied(), since) {
                    (None, Some(since)) => budget.insert(since, slot),
                    (Some(from), Some(to)) => budget.change_start(slot, from, to),
                    (Some(from), None) => budget.remove(from, slot),
                    (None, None) => Vec::new(),
                };
                match since {
                    Some(since) => known.insert(slot, since),
                    None => known.remove(&slot),
                };
                if let Some(new) = new_limit {
                    limit = new;
                    changed.extend(budget.set_limit(limit));
                }
                let mut by_age: Vec<_> = known.iter().map(|(slot, since)| (*since, *slot)).collect();
                by_age.sort_unstable_by(|a, b| b.cmp(a));
                let newest: BTreeSet<u32> = by_age.iter().take(limit).map(|(_, slot)| *slot).collect();
                let now: BTreeSet<u32> =
                    known.iter().filter(|(slot, since)| budget.contains(**since, **slot)).map(|(slot, _)| *slot).collect();
                prop_assert_eq!(&now, &newest);
                for other in now.symmetric_difference(&before).filter(|other| **other != slot) {
                    prop_assert!(changed.contains(other));
                }
                before = now;
            }
        }
    }
}
