//! Connectors whose transfers are not tracked, although sources report them.

use std::collections::BTreeSet;

use super::Tracker;
use model::{AccountName, ConnectorId, ConnectorKey, Fact, Now, Origin};

/// Origins that report transfers of every connector, also of those that have no results.
const HISTORIES: [Origin; 2] = [Origin::Events, Origin::Cloudtrail];

impl Tracker {
    /// Replaces the excluded connectors of an account: AS2 connectors, whose transfers have no
    /// results. Transfers that only events or CloudTrail have reported are dropped, and later facts
    /// from there are ignored. A transfer that a user names stays.
    pub fn exclude_connectors(
        &mut self,
        account: &AccountName,
        ids: &BTreeSet<ConnectorId>,
        now: Now,
    ) {
        let key = |id: &ConnectorId| ConnectorKey {
            account: account.clone(),
            id: id.clone(),
        };
        let keys: BTreeSet<_> = ids.iter().map(key).collect();
        let new: BTreeSet<_> = keys.difference(&self.excluded).cloned().collect();
        self.excluded
            .retain(|key| key.account != *account || keys.contains(key));
        if new.is_empty() {
            return;
        }
        for key in &new {
            if let Some(number) = self.connectors.find(key) {
                self.connectors[number].discovered = false;
                self.connectors[number].kept = false;
            }
        }
        for origin in HISTORIES {
            self.retain_origin(origin, &|key| !new.contains(&key.connector_key()), now);
        }
        self.excluded.extend(new);
    }

    /// Returns whether a fact is about an excluded connector.
    pub fn excludes(&self, fact: &Fact, origin: Origin) -> bool {
        if self.excluded.is_empty() || !HISTORIES.contains(&origin) {
            return false;
        }
        let connector = match fact {
            Fact::Started(start) => start.key.connector_key(),
            Fact::FileEnded(file) => file.key.connector_key(),
            Fact::OperationEnded(end) => end.connector.clone(),
        };
        self.excluded.contains(&connector)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracker::Ingested;
    use crate::tracker::tests::{account, key, start, tracker};
    use model::TransferStart;

    fn started(transfer: &str) -> Fact {
        Fact::Started(TransferStart {
            key: key(transfer),
            started_at: None,
            reported_at: None,
            files: None,
        })
    }

    #[test]
    fn transfers_of_an_excluded_connector_are_dropped_and_ignored_unless_a_user_names_them() {
        let now = start();
        let mut tracker = tracker(now);
        for origin in HISTORIES {
            tracker.ingest(&started("reported"), origin, now);
            tracker.ingest(&started("both"), origin, now);
        }
        tracker.ingest(&started("both"), Origin::Api, now);
        let excluded = BTreeSet::from([key("reported").connector]);
        tracker.exclude_connectors(&account().name, &excluded, now);
        let has = |tracker: &Tracker, id: &str| tracker.slot(&key(id)).is_some();
        assert!(!has(&tracker, "reported") && has(&tracker, "both"));
        for origin in HISTORIES {
            let result = tracker.ingest(&started("late"), origin, now);
            assert_eq!(result, Ingested::Foreign);
        }
        let named = tracker.ingest(&started("named"), Origin::Api, now);
        assert_eq!(named, Ingested::New { failed: None });
        assert!(!has(&tracker, "late") && has(&tracker, "named"));

        tracker.exclude_connectors(&account().name, &BTreeSet::new(), now);
        let result = tracker.ingest(&started("later"), Origin::Cloudtrail, now);
        assert_eq!(result, Ingested::New { failed: None });
    }
}
