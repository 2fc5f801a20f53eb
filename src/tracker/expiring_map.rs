//! What is remembered for a while after it is over, so that a late copy of old news is known as such.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, SystemTime};

/// How long. An event comes at most a day late from `EventBridge`, and the API and the usual look back at `CloudTrail` tell of
/// seven days.
pub(super) const RETENTION: Duration = Duration::from_hours(7 * 24);

/// Values by hash, each until its time is over.
#[derive(Debug)]
pub(super) struct ExpiringMap<T> {
    known: HashMap<u64, (SystemTime, T)>,
    by_time: BTreeSet<(SystemTime, u64)>,
}

impl<T> Default for ExpiringMap<T> {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
            by_time: BTreeSet::new(),
        }
    }
}

impl<T> ExpiringMap<T> {
    pub(super) fn contains(&self, hash: u64) -> bool {
        self.known.contains_key(&hash)
    }

    pub(super) fn get(&self, hash: u64) -> Option<&(SystemTime, T)> {
        self.known.get(&hash)
    }

    pub(super) fn get_mut(&mut self, hash: u64) -> Option<&mut T> {
        self.known.get_mut(&hash).map(|(_, value)| value)
    }

    pub(super) fn insert(&mut self, hash: u64, until: SystemTime, value: T) {
        self.remove(hash);
        self.by_time.insert((until, hash));
        self.known.insert(hash, (until, value));
    }

    pub(super) fn remove(&mut self, hash: u64) -> Option<T> {
        let (until, value) = self.known.remove(&hash)?;
        self.by_time.remove(&(until, hash));
        Some(value)
    }

    /// Forgets what is over; what comes back are its hashes.
    pub(super) fn expire(&mut self, now: SystemTime) -> Vec<u64> {
        let mut over = Vec::new();
        while let Some((until, hash)) = self.by_time.first().copied()
            && until <= now
        {
            self.by_time.pop_first();
            self.known.remove(&hash);
            over.push(hash);
        }
        over
    }

    pub(super) fn hashes(&self) -> impl Iterator<Item = u64> {
        self.known.keys().copied()
    }
}
