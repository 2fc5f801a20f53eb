//! Which transfers have series of their own: the newest, as many as the limit says.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

/// Every transfer by its start and slot, on either side of the limit.
#[derive(Debug)]
pub(super) struct SeriesBudget {
    limit: usize,
    newest: BTreeSet<(Nanos, u32)>,
    older: BTreeSet<(Nanos, u32)>,
}

/// Nanoseconds since the epoch, for 292 years on either side of it: half as long as a `SystemTime`, and each node of
/// the sets is half empty.
pub(super) type Nanos = i64;

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
            newest: BTreeSet::new(),
            older: BTreeSet::new(),
        }
    }

    pub(super) fn contains(&self, since: SystemTime, slot: u32) -> bool {
        self.newest.contains(&(nanos(since), slot))
    }

    /// What comes back, here and below, are the slots that changed sides.
    pub(super) fn insert(&mut self, since: SystemTime, slot: u32) -> Vec<u32> {
        self.newest.insert((nanos(since), slot));
        self.balance()
    }

    pub(super) fn remove(&mut self, since: SystemTime, slot: u32) -> Vec<u32> {
        let at = (nanos(since), slot);
        if !self.newest.remove(&at) {
            self.older.remove(&at);
        }
        self.balance()
    }

    pub(super) fn move_to(&mut self, slot: u32, from: SystemTime, to: SystemTime) -> Vec<u32> {
        let mut changed = self.remove(from, slot);
        changed.extend(self.insert(to, slot));
        changed
    }

    pub(super) fn limit_to(&mut self, limit: usize) -> Vec<u32> {
        self.limit = limit;
        self.balance()
    }

    fn balance(&mut self) -> Vec<u32> {
        let mut changed = Vec::new();
        loop {
            // One that has come in may be older than those that are left out.
            let misplaced = match (self.newest.first(), self.older.last()) {
                (Some(shown), Some(hidden)) => hidden > shown,
                _ => false,
            };
            let room = self.newest.len() < self.limit;
            if self.newest.len() > self.limit || misplaced {
                let Some(oldest) = self.newest.pop_first() else {
                    break;
                };
                changed.push(oldest.1);
                self.older.insert(oldest);
            } else if room && let Some(newest) = self.older.pop_last() {
                changed.push(newest.1);
                self.newest.insert(newest);
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
        /// Whatever comes, goes, moves and is limited: shown are the newest, and every change of sides is told.
        #[test]
        fn the_newest_are_shown(
            limit in 0..20_usize,
            steps in vec((0..40_u32, proptest::option::of(0..30_u64), proptest::option::weighted(0.1, 0..20_usize)), 1..200),
        ) {
            let mut shown = SeriesBudget::new(limit);
            let mut limit = limit;
            let mut known: BTreeMap<u32, SystemTime> = BTreeMap::new();
            let mut told: BTreeSet<u32> = BTreeSet::new();
            for (slot, since, new_limit) in steps {
                let since = since.map(|s| UNIX_EPOCH + Duration::from_secs(s));
                let mut changed = match (known.get(&slot).copied(), since) {
                    (None, Some(since)) => shown.insert(since, slot),
                    (Some(from), Some(to)) => shown.move_to(slot, from, to),
                    (Some(from), None) => shown.remove(from, slot),
                    (None, None) => Vec::new(),
                };
                match since {
                    Some(since) => known.insert(slot, since),
                    None => known.remove(&slot),
                };
                if let Some(new) = new_limit {
                    limit = new;
                    changed.extend(shown.limit_to(limit));
                }
                let mut by_age: Vec<_> = known.iter().map(|(slot, since)| (*since, *slot)).collect();
                by_age.sort_unstable_by(|a, b| b.cmp(a));
                let newest: BTreeSet<u32> = by_age.iter().take(limit).map(|(_, slot)| *slot).collect();
                let now: BTreeSet<u32> =
                    known.iter().filter(|(slot, since)| shown.contains(**since, **slot)).map(|(slot, _)| *slot).collect();
                prop_assert_eq!(&now, &newest);
                for other in now.symmetric_difference(&told).filter(|other| **other != slot) {
                    prop_assert!(changed.contains(other));
                }
                told = now;
            }
        }
    }
}
