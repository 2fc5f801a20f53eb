//! The last test of each connector's connection, so that a restart repeats none too early.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use super::Tracker;
use super::fate::FATE_KEPT;
use super::persist::ConnectionTestRecord;
use model::{ConnectorKey, LastConnectionTest, Now, millis};

/// Tests that are kept. Beyond it, the oldest ones are forgotten.
const MAX_TESTS: usize = 10_000;

/// The tests as they are stored.
#[derive(Debug, Default)]
pub(super) struct ConnectionTests {
    tests: BTreeMap<ConnectorKey, ConnectionTestRecord>,
    changed: BTreeSet<ConnectorKey>,
}

impl Tracker {
    /// Returns the last test of a connector's connection that [`Tracker::keep_connection_test`] was
    /// given, or that was restored.
    pub fn connection_test(&self, key: &ConnectorKey) -> Option<LastConnectionTest> {
        self.connection_tests.tests.get(key).map(Into::into)
    }

    /// Keeps the last test of a connector's connection for the store. Does nothing without one.
    pub fn keep_connection_test(&mut self, key: ConnectorKey, test: &LastConnectionTest, now: Now) {
        if self.dirty.is_some() {
            self.connection_tests.insert(key, test.into(), now.wall);
        }
    }
}

impl ConnectionTests {
    fn insert(&mut self, key: ConnectorKey, test: ConnectionTestRecord, now: SystemTime) {
        self.changed.insert(key.clone());
        self.tests.insert(key, test);
        self.expire(now);
        while self.tests.len() > MAX_TESTS {
            let oldest = self.tests.iter().min_by_key(|(_, test)| test.asked);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else {
                break;
            };
            self.tests.remove(&oldest);
            self.changed.insert(oldest);
        }
    }

    /// Drops the tests of connectors that are no longer tested.
    fn expire(&mut self, now: SystemTime) {
        let oldest = now.checked_sub(FATE_KEPT).map_or(0, millis);
        let is_over = |test: &ConnectionTestRecord| test.asked < oldest;
        for (key, _) in self.tests.extract_if(.., |_, test| is_over(test)) {
            self.changed.insert(key);
        }
    }

    pub(super) fn restore(
        &mut self,
        saved: Vec<(ConnectorKey, ConnectionTestRecord)>,
        now: SystemTime,
    ) {
        self.tests.extend(saved);
        self.expire(now);
    }

    /// Returns what has changed since the last call.
    pub(super) fn take_changes(&mut self) -> Vec<(ConnectorKey, Option<ConnectionTestRecord>)> {
        let changed = std::mem::take(&mut self.changed).into_iter();
        let record = |key: ConnectorKey| {
            let record = self.tests.get(&key).cloned();
            (key, record)
        };
        changed.map(record).collect()
    }

    pub(super) fn mark_changed(&mut self, keys: impl IntoIterator<Item = ConnectorKey>) {
        self.changed.extend(keys);
    }

    pub(super) fn mark_all_changed(&mut self) {
        self.changed.extend(self.tests.keys().cloned());
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn key(number: usize) -> ConnectorKey {
        ConnectorKey {
            account: model::AccountName::new("prod"),
            id: format!("c-{number:017x}").parse().unwrap(),
        }
    }

    fn test(asked: SystemTime) -> ConnectionTestRecord {
        (&LastConnectionTest {
            asked,
            tested: None,
            last_success: None,
        })
            .into()
    }

    #[test]
    fn the_oldest_tests_are_forgotten_by_number_and_by_age() {
        let start = UNIX_EPOCH + Duration::from_hours(500_000);
        let at = |seconds: usize| start + Duration::from_secs(seconds as u64);
        let mut tests = ConnectionTests::default();
        for number in 0..=MAX_TESTS {
            tests.insert(key(number), test(at(number)), at(number));
        }
        assert_eq!(tests.tests.len(), MAX_TESTS);
        let changes = tests.take_changes();
        let removed: Vec<_> = changes.iter().filter(|(_, test)| test.is_none()).collect();
        assert_eq!(removed, [&(key(0), None)]);
        assert!(tests.take_changes().is_empty());

        let later = at(5_000) + FATE_KEPT;
        tests.insert(key(1), test(later), later);
        let removed = tests.take_changes();
        let removed = removed.iter().filter(|(_, test)| test.is_none()).count();
        // Those at seconds 2 to 4,999.
        assert_eq!(removed, 4_998);
    }
}
