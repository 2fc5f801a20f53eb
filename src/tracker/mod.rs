//! Floor 1: the pure state machine. Known transfers, answers and `now` go in; what is due, what is settled, what has
//! expired and which counters move come out. No clock, no I/O.

mod codes;
mod connector;
mod ledger;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
mod transfer;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::model::{
    Account, AccountName, ConnectorKey, ConnectorLabels, ConnectorTitle, FailureCode, FileResult, Now, Origin,
    Snapshot, TransferKey,
};
use codes::CodeBook;
use connector::Connector;
use transfer::Transfer;

/// What the tracker goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A younger answer is not fetched again.
    pub min_refresh_interval: Duration,
    /// How long an unknown transfer is asked for again.
    pub gone_after: Duration,
    /// How long a finished transfer stays that no configuration names.
    pub keep_settled: Duration,
    /// So many transfers, the newest, have series of their own; the others show in the sums of their connectors alone.
    pub shown: usize,
}

/// What one look at a transfer came back with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// All its files. An empty list is the same as [`Answer::Unknown`]: which of the two AWS answers for an unknown or
    /// expired transfer has no documented source.
    Files(Vec<FileResult>),
    /// AWS does not know it.
    Unknown,
    /// The look failed; nothing was learned.
    Failed,
}

/// A file that was seen FAILED for the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedFile {
    /// Its path, as AWS tells it.
    pub path: String,
    /// Why, where AWS gave a code; not folded.
    pub code: Option<FailureCode>,
    /// The same for people.
    pub message: Option<String>,
}

/// What an answer changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Files seen FAILED for the first time, in the answer's order.
    pub failed: Vec<FailedFile>,
    /// The answer settled the transfer.
    pub settled: bool,
    /// The answer was the last that the transfer was given: AWS no longer knows it.
    pub gone: bool,
}

/// All transfers, and what is known of them.
#[derive(Debug)]
pub struct Tracker {
    settings: Settings,
    watching_since: SystemTime,
    accounts: BTreeMap<AccountName, Arc<Account>>,
    connectors: BTreeMap<ConnectorKey, Connector>,
    /// Transfers that are pending or running: the only ones that a sweep has to look at.
    unfinished: BTreeSet<TransferKey>,
    codes: CodeBook,
}

impl Tracker {
    /// A tracker that knows nothing yet. A transfer that began before `watching_since` has a base that is not counted.
    pub fn new(settings: Settings, watching_since: SystemTime) -> Self {
        Self {
            settings,
            watching_since,
            accounts: BTreeMap::new(),
            connectors: BTreeMap::new(),
            unfinished: BTreeSet::new(),
            codes: CodeBook::default(),
        }
    }

    /// Replaces what the tracker goes by; what it knows stays.
    pub fn configure(&mut self, settings: Settings, accounts: impl IntoIterator<Item = Account>) {
        self.settings = settings;
        self.accounts = accounts.into_iter().map(|account| (account.name.clone(), Arc::new(account))).collect();
        let accounts = &self.accounts;
        self.connectors.retain(|key, _| accounts.contains_key(&key.account));
        self.unfinished.retain(|key| accounts.contains_key(&key.account));
        for connector in self.connectors.values_mut() {
            connector.declared = false;
            connector.title = None;
        }
    }

    /// Makes a connector of the configuration known before any transfer of it is, and says what people call it. Holds
    /// until the next [`Tracker::configure`].
    pub fn know_connector(&mut self, key: ConnectorKey, title: Option<ConnectorTitle>, now: Now) {
        let connector = self.connectors.entry(key).or_insert_with(|| Connector::new(now.wall));
        connector.declared = true;
        connector.title = title.map(Arc::new);
    }

    /// Starts to track a transfer, or adds an origin to one that is tracked. `started_at` is its start where the source
    /// tells it. Transfers of accounts that are not configured are ignored.
    pub fn track(&mut self, key: TransferKey, origin: Origin, started_at: Option<SystemTime>, now: Now) {
        if !self.accounts.contains_key(&key.account) {
            return;
        }
        let connector = self.connectors.entry(key.connector_key()).or_insert_with(|| Connector::new(now.wall));
        connector.discovered |= origin != Origin::Config;
        let transfer = connector.transfers.entry(key.transfer.clone()).or_insert_with(|| {
            self.unfinished.insert(key);
            Transfer::new(now)
        });
        transfer.learn(origin, started_at);
    }

    /// Takes an origin from every transfer that `keep` refuses; one without an origin is no longer tracked. A connector
    /// without transfers goes too, with its counter, if only an earlier configuration knew it.
    pub fn retain_origin(&mut self, origin: Origin, keep: &dyn Fn(&TransferKey) -> bool) {
        let unfinished = &mut self.unfinished;
        self.connectors.retain(|connector, entry| {
            entry.transfers.retain(|id, transfer| {
                let key = TransferKey {
                    account: connector.account.clone(),
                    connector: connector.id.clone(),
                    transfer: id.clone(),
                };
                let stays = keep(&key) || !transfer.forget(origin);
                if !stays {
                    unfinished.remove(&key);
                }
                stays
            });
            entry.declared || entry.discovered || !entry.transfers.is_empty()
        });
    }

    /// The unfinished transfers whose answer is older than the refresh interval: those that were never answered first,
    /// then the stalest. A settled or gone transfer is never among them.
    pub fn due(&self, now: Now) -> Vec<TransferKey> {
        let mut due: Vec<_> = self
            .unfinished
            .iter()
            .filter_map(|key| {
                let transfer = self.transfer(key)?;
                transfer.is_due(self.settings.min_refresh_interval, now).then(|| (transfer.turn(), key))
            })
            .collect();
        due.sort_by_key(|(turn, _)| *turn);
        due.into_iter().map(|(_, key)| key.clone()).collect()
    }

    /// Takes an answer in. One for a transfer that is not tracked, settled or gone changes nothing.
    pub fn apply(&mut self, key: &TransferKey, answer: &Answer, now: Now) -> Applied {
        let Some(connector) = self.connectors.get_mut(&key.connector_key()) else { return Applied::default() };
        let Some(transfer) = connector.transfers.get_mut(&key.transfer) else { return Applied::default() };
        if !transfer.state().is_unfinished() {
            return Applied::default();
        }
        let applied = match answer {
            Answer::Files(files) if !files.is_empty() => {
                let base = transfer.has_base(self.watching_since);
                let newly = transfer.read(files, &mut self.codes, now);
                if !base {
                    connector.tally.count(&newly.finished, &key.transfer, now);
                }
                Applied { failed: newly.failed, settled: !transfer.state().is_unfinished(), gone: false }
            }
            Answer::Files(_) | Answer::Unknown => {
                let gone = transfer.unknown(self.settings.gone_after, now);
                Applied { gone, ..Applied::default() }
            }
            Answer::Failed => {
                transfer.fail(now);
                Applied::default()
            }
        };
        if applied.settled || applied.gone {
            self.unfinished.remove(key);
        }
        applied
    }

    /// Drops the finished and gone transfers whose time is over; those that the configuration names stay.
    pub fn expire(&mut self, now: Now) {
        let keep = self.settings.keep_settled;
        for connector in self.connectors.values_mut() {
            connector.transfers.retain(|_, transfer| !transfer.has_expired(keep, now));
        }
    }

    /// Everything that is known now.
    pub fn snapshot(&mut self, now: Now) -> Snapshot {
        let mut snapshot = Snapshot { folded_failure_codes: self.codes.folded(), ..Snapshot::default() };
        snapshot.origins.insert(Origin::Config, 0);
        let (mut connectors, mut transfers) = (Vec::new(), Vec::new());
        for (key, connector) in &self.connectors {
            let Some(account) = self.accounts.get(&key.account) else { continue };
            for transfer in connector.transfers.values() {
                for origin in transfer.origins() {
                    *snapshot.origins.entry(origin).or_default() += 1;
                }
            }
            let labels = Arc::new(ConnectorLabels { account: Arc::clone(account), id: key.id.clone() });
            if let Some(age) = connector.results_age(now) {
                snapshot.results_ages.push((Arc::clone(&labels), age));
            }
            transfers.extend(connector.transfers.iter().map(|(id, transfer)| transfer.view(id, &labels)));
            connectors.push(connector.view(&labels));
        }
        let mut newest: Vec<_> = transfers.into_iter().enumerate().collect();
        newest.sort_by(|(a, x), (b, y)| y.since.cmp(&x.since).then(a.cmp(b)));
        newest.truncate(self.settings.shown);
        newest.sort_by_key(|(at, _)| *at);
        let transfers: Vec<_> = newest.into_iter().map(|(_, view)| view).collect();
        snapshot.transfers = transfers.chunks(512).map(Arc::from).collect();
        snapshot.connectors = connectors.chunks(32).map(Arc::from).collect();
        snapshot
    }

    fn transfer(&self, key: &TransferKey) -> Option<&Transfer> {
        self.connectors.get(&key.connector_key())?.transfers.get(&key.transfer)
    }
}
