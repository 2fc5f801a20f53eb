//! Limits of what sources other than the administrator's may add. They bound the memory and the series
//! that a sender of messages or a client of the write API can cause.

use super::Tracker;
use super::fate::fate_hash;
use model::{ConnectorKey, Fact, Origin, TransferKey};

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

impl Tracker {
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

    fn exceeded_by(&self, key: &TransferKey) -> Option<Limit> {
        if !self.is_owned(key) || self.slot(key).is_some() {
            return None;
        }
        let is_full = self.transfers.len() >= self.settings.limits.transfers;
        // An event of a transfer that has left is matched with its fate, and takes no more memory.
        if is_full && self.fates.packed(fate_hash(key)).is_none() {
            return Some(Limit::Transfers);
        }
        self.exceeded_by_connector(&key.connector_key())
    }

    fn exceeded_by_connector(&self, key: &ConnectorKey) -> Option<Limit> {
        let is_full = self.connectors.len() >= self.settings.limits.connectors;
        let is_new =
            self.accounts.contains_key(&key.account) && self.connectors.find(key).is_none();
        (is_full && is_new).then_some(Limit::Connectors)
    }
}

#[cfg(test)]
mod tests {
    use model::{FileEnd, Finished, TransferStart};

    use super::*;
    use crate::tracker::Ingested;
    use crate::tracker::tests::{SETTINGS, account, start as began};

    const LIMITS: TrackerLimits = TrackerLimits {
        transfers: 10,
        connectors: 3,
    };

    fn at(seconds: u64) -> model::Now {
        began().after(std::time::Duration::from_secs(seconds))
    }

    fn tracker() -> Tracker {
        let settings = crate::tracker::TrackerSettings {
            limits: LIMITS,
            ..SETTINGS
        };
        let mut tracker = Tracker::new(settings, at(0).wall);
        tracker.configure(settings, [account()], at(0));
        tracker
    }

    fn key(connector: usize, transfer: usize) -> TransferKey {
        TransferKey {
            account: account().name,
            connector: format!("c-{connector:017x}").parse().unwrap(),
            transfer: format!("t-{transfer}").parse().unwrap(),
        }
    }

    fn start(connector: usize, transfer: usize) -> Fact {
        Fact::Started(TransferStart {
            key: key(connector, transfer),
            started_at: None,
            reported_at: None,
            files: None,
        })
    }

    fn file(connector: usize, transfer: usize) -> Fact {
        Fact::FileEnded(FileEnd {
            key: key(connector, transfer),
            file_transfer_id: format!("f-{transfer}"),
            direction: model::Direction::Send,
            path: "/a".into(),
            end: Finished::Completed,
            message: None,
            bytes: 1,
            duration: None,
            ended_at: at(1).wall,
        })
    }

    #[test]
    fn any_number_of_reported_names_adds_no_more_than_the_limits() {
        for origin in [Origin::Events, Origin::Cloudtrail, Origin::Api] {
            let mut tracker = tracker();
            let mut refused = [0, 0];
            for n in 0..5_000 {
                for fact in [start(n % 50, n), file(n % 50, n)] {
                    match tracker.ingest(&fact, origin, at(1)) {
                        Ingested::LimitExceeded(limit) => refused[limit as usize] += 1,
                        result => assert!(n <= 150, "{n}: {result:?}"),
                    }
                }
            }
            let snapshot = tracker.snapshot(at(2));
            assert!(snapshot.connectors().count() <= LIMITS.connectors);
            assert!(snapshot.transfers().count() <= LIMITS.transfers);
            assert!(refused[0] > 0 || refused[1] > 0, "{origin:?}: {refused:?}");
        }
    }

    #[test]
    fn known_transfers_are_unaffected_and_room_is_used_again() {
        let mut tracker = tracker();
        for n in 0..LIMITS.transfers {
            let added = tracker.ingest(&start(1, n), Origin::Api, at(1));
            assert_eq!(added, Ingested::New { failed: None });
        }
        let refused = Ingested::LimitExceeded(Limit::Transfers);
        assert_eq!(tracker.ingest(&start(1, 99), Origin::Api, at(1)), refused);
        assert_eq!(tracker.ingest(&file(1, 99), Origin::Events, at(1)), refused);
        let known = tracker.ingest(&file(1, 3), Origin::Events, at(1));
        assert_eq!(known, Ingested::New { failed: None });
        tracker.untrack(&key(1, 5), Origin::Api, at(2));
        let added = tracker.ingest(&start(1, 99), Origin::Api, at(2));
        assert_eq!(added, Ingested::New { failed: None });
    }

    #[test]
    fn the_configuration_and_target_files_may_exceed_the_limits() {
        let mut tracker = tracker();
        for n in 0..100 {
            for origin in [Origin::Config, Origin::Files] {
                tracker.track(key(n, n), origin, None, at(1));
            }
        }
        assert_eq!(tracker.snapshot(at(2)).transfers().count(), 100);
        let refused = tracker.ingest(&start(200, 200), Origin::Api, at(2));
        assert!(matches!(refused, Ingested::LimitExceeded(_)));
    }
}
