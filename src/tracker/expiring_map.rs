//! A map whose entries expire.

use std::collections::{BTreeSet, HashMap};
use std::time::SystemTime;

/// Values by hash, each with an expiry time.
#[derive(Debug)]
pub(super) struct ExpiringMap<T> {
    values: HashMap<u64, (SystemTime, T)>,
    by_expiry: BTreeSet<(SystemTime, u64)>,
}

impl<T> Default for ExpiringMap<T> {
    fn default() -> Self {
        Self {
            values: HashMap::new(),
            by_expiry: BTreeSet::new(),
        }
    }
}

impl<T> ExpiringMap<T> {
    pub(super) fn contains(&self, hash: u64) -> bool {
        self.values.contains_key(&hash)
    }

    pub(super) fn get(&self, hash: u64) -> Option<&(SystemTime, T)> {
        self.values.get(&hash)
    }

    pub(super) fn insert(&mut self, hash: u64, expires_at: SystemTime, value: T) {
        self.remove(hash);
        self.by_expiry.insert((expires_at, hash));
        self.values.insert(hash, (expires_at, value));
    }

    pub(super) fn remove(&mut self, hash: u64) -> Option<T> {
        let (expires_at, value) = self.values.remove(&hash)?;
        self.by_expiry.remove(&(expires_at, hash));
        Some(value)
    }

    /// Removes the expired entries and returns their hashes.
    pub(super) fn expire(&mut self, now: SystemTime) -> Vec<u64> {
        let mut expired = Vec::new();
        while let Some((expires_at, hash)) = self.by_expiry.first().copied()
            && expires_at <= now
        {
            self.by_expiry.pop_first();
            self.values.remove(&hash);
            expired.push(hash);
        }
        expired
    }

    /// Removes the entries that expire first, if there are more than `most`, and returns their hashes.
    pub(super) fn shed(&mut self, most: usize) -> Vec<u64> {
        let excess = self.values.len().saturating_sub(most);
        let shed: Vec<_> = std::iter::from_fn(|| self.by_expiry.pop_first())
            .take(excess)
            .map(|(_, hash)| hash)
            .collect();
        for hash in &shed {
            self.values.remove(hash);
        }
        shed
    }

    pub(super) fn hashes(&self) -> impl Iterator<Item = u64> {
        self.values.keys().copied()
    }
}
