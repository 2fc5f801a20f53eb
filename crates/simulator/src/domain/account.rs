//! The simulated account: connectors and their transfers, bounded in number and age.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::connector::{ConnectorSpec, UnknownConnector};
use super::faults::Faults;
use super::history::History;
use super::queue::Queue;
use super::random::SplitMix64;
use super::remote::{RemoteKind, RemoteRun};
use super::rules::Rules;
use super::scenario::{Step, Timeline};
use super::script::{End, FileScript};
use super::started_transfer::{Start, StartedTransfer};
use super::upcoming_ends::UpcomingEnds;
use model::{ConnectorId, Direction, TransferId};

/// The result of looking up a transfer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    NoConnector,
    NoTransfer,
    Found {
        files: Arc<[FileScript]>,
        elapsed: Duration,
    },
}

struct SimulatedConnector {
    spec: Arc<ConnectorSpec>,
    transfers: HashMap<TransferId, Arc<StartedTransfer>>,
}

/// Connectors, transfers, event history and queue.
pub(crate) struct SimulatedAccount {
    pub(crate) history: History,
    pub(crate) queue: Queue,
    pub(crate) rules: Rules,
    pub(crate) timeline: Timeline,
    ends: UpcomingEnds,
    connectors: BTreeMap<ConnectorId, SimulatedConnector>,
    /// Transfers in insertion order, oldest first.
    order: VecDeque<(ConnectorId, TransferId, u64)>,
    serial: u64,
    random: SplitMix64,
    retention: Duration,
    max_transfers: usize,
}

impl SimulatedAccount {
    pub(crate) fn new(seed: u64, retention: Duration, max_transfers: usize) -> Self {
        Self {
            history: History::new(max_transfers),
            queue: Queue::default(),
            rules: Rules::default(),
            timeline: Timeline::default(),
            ends: UpcomingEnds::new(max_transfers),
            connectors: BTreeMap::new(),
            order: VecDeque::new(),
            serial: 0,
            random: SplitMix64::new(seed),
            retention,
            max_transfers,
        }
    }

    /// Adds a connector or replaces its spec.
    pub(crate) fn add_connector(&mut self, id: ConnectorId, spec: ConnectorSpec) {
        let spec = Arc::new(spec);
        match self.connectors.get_mut(&id) {
            Some(known) => known.spec = spec,
            None => {
                self.connectors.insert(
                    id,
                    SimulatedConnector {
                        spec,
                        transfers: HashMap::new(),
                    },
                );
            }
        }
    }

    /// Adds a connector with the default spec unless it exists.
    pub(crate) fn ensure_connector(&mut self, id: &ConnectorId) {
        if !self.connectors.contains_key(id) {
            self.add_connector(id.clone(), ConnectorSpec::default());
        }
    }

    pub(crate) fn connector(&self, id: &ConnectorId) -> Option<Arc<ConnectorSpec>> {
        self.connectors
            .get(id)
            .map(|connector| Arc::clone(&connector.spec))
    }

    /// Returns up to `count` connectors from `offset`, sorted by id.
    pub(crate) fn connectors_from(
        &self,
        offset: usize,
        count: usize,
    ) -> impl Iterator<Item = (&ConnectorId, &ConnectorSpec)> {
        self.connectors
            .iter()
            .skip(offset)
            .take(count)
            .map(|(id, connector)| (id, &*connector.spec))
    }

    pub(crate) fn connector_count(&self) -> usize {
        self.connectors.len()
    }

    /// Removes a connector and its transfers. Events of files in progress still come.
    pub(crate) fn remove_connector(&mut self, id: &ConnectorId) -> Result<(), UnknownConnector> {
        self.connectors
            .remove(id)
            .map(|_| ())
            .ok_or(UnknownConnector)
    }

    /// Returns the newest transfers, newest first.
    pub(crate) fn newest(&self) -> impl Iterator<Item = &StartedTransfer> {
        self.order
            .iter()
            .rev()
            .filter_map(|(connector, transfer, serial)| {
                let known = self.connectors.get(connector)?.transfers.get(transfer)?;
                (known.serial == *serial).then_some(&**known)
            })
    }

    /// Returns the number of transfers of a connector.
    pub(crate) fn transfers_of(&self, id: &ConnectorId) -> usize {
        self.connectors.get(id).map_or(0, |it| it.transfers.len())
    }

    /// Applies a step of a scenario that is due at `at`, except for its faults.
    pub(crate) fn apply(&mut self, step: Step, at: SystemTime) {
        for (id, spec) in step.connectors {
            self.add_connector(id.0, spec);
        }
        if let Some(rules) = step.rules {
            self.rules.set(rules);
        }
        for planned in step.transfers {
            let drawn = self.new_transfer_id();
            let files = planned.files_at(at);
            let start = Start {
                connector: &planned.connector,
                transfer: planned.transfer.as_ref().unwrap_or(&drawn),
                direction: planned.direction,
                directory: None,
                files,
                started_at: at,
            };
            self.put(start, at);
        }
    }

    /// Adds a transfer or replaces the one with the same id. Adds the connector if it is new.
    pub(crate) fn put(&mut self, start: Start<'_>, now: SystemTime) {
        let started = self.started(start);
        self.ends.add_transfer(&started);
        if let Some(known) = self.connectors.get_mut(&started.connector) {
            self.order.push_back((
                started.connector.clone(),
                started.transfer.clone(),
                started.serial,
            ));
            if let Some(before) = known.transfers.insert(started.transfer.clone(), started) {
                before.replace();
            }
        }
        self.forget(now);
    }

    /// Adds the start of a transfer to the event history only.
    pub(crate) fn put_lost(&mut self, start: Start<'_>) {
        self.started(start);
    }

    fn started(&mut self, start: Start<'_>) -> Arc<StartedTransfer> {
        self.ensure_connector(start.connector);
        self.serial += 1;
        let spec = self.connector(start.connector).unwrap_or_default();
        let started = Arc::new(StartedTransfer::new(self.serial, spec, start));
        self.history.add(Arc::clone(&started));
        started
    }

    /// Starts a transfer whose files fail if no session with the partner is possible, and otherwise
    /// follow the rules or the connector's profile.
    pub(crate) fn start(
        &mut self,
        connector: &ConnectorId,
        (direction, directory): (Direction, Option<String>),
        paths: Vec<String>,
        now: SystemTime,
    ) -> Result<TransferId, UnknownConnector> {
        let spec = self.connector(connector).ok_or(UnknownConnector)?;
        let problem = spec.connection_problem();
        let scripts = match problem {
            Some(_) => vec![None; paths.len()],
            None => self.rules.apply(connector, direction, &paths),
        };
        let random = &mut self.random;
        let files = paths
            .into_iter()
            .zip(scripts)
            .map(|(path, script)| {
                script.unwrap_or_else(|| {
                    let mut life = spec.profile.draw(random, &spec.host, &path);
                    if problem.is_some() {
                        life.end = End::Failed {
                            code: Some("CONNECTION_ERROR".to_owned()),
                            message: problem.clone(),
                        };
                    }
                    FileScript::new(path, life)
                })
            })
            .collect();
        let transfer = self.new_transfer_id();
        self.put(
            Start {
                connector,
                transfer: &transfer,
                direction,
                directory,
                files,
                started_at: now,
            },
            now,
        );
        Ok(transfer)
    }

    /// Starts a listing, move or delete. Returns its id.
    pub(crate) fn start_remote(
        &mut self,
        connector: &ConnectorId,
        kind: RemoteKind,
        now: SystemTime,
    ) -> Result<String, UnknownConnector> {
        let spec = self.connector(connector).ok_or(UnknownConnector)?;
        self.serial += 1;
        let run = RemoteRun::draw(self.serial, connector, spec, kind, now, &mut self.random);
        let id = run.id.clone();
        self.ends.add_remote(run);
        Ok(id)
    }

    /// Adds the events up to `now` to the queue.
    pub(crate) fn advance(&mut self, now: SystemTime, faults: &Faults) {
        self.ends.advance(now, faults, &mut self.queue);
    }

    /// Removes all messages, and everything that would send one later.
    pub(crate) fn purge(&mut self) {
        self.queue.purge();
        self.ends.purge();
    }

    /// Returns when the next message becomes available, as far as known.
    pub(crate) fn next_message(&self) -> Option<SystemTime> {
        [self.ends.next(), self.queue.next(), self.timeline.next()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Returns an unused connector id.
    pub(crate) fn new_connector_id(&mut self) -> ConnectorId {
        let digits = self.random.uuid().replace('-', "");
        let id = format!("c-{}", &digits[..17]);
        id.parse()
            .expect("17 hexadecimal digits are a connector id")
    }

    /// Returns an unused transfer id.
    pub(crate) fn new_transfer_id(&mut self) -> TransferId {
        self.random.uuid().parse().expect("a UUID is a transfer id")
    }

    /// Returns the files of a transfer and the time since its start. An expired transfer is
    /// unknown.
    pub(crate) fn lookup(
        &self,
        connector: &ConnectorId,
        transfer: &TransferId,
        now: SystemTime,
    ) -> Lookup {
        let Some(connector) = self.connectors.get(connector) else {
            return Lookup::NoConnector;
        };
        match connector.transfers.get(transfer) {
            Some(found) if !self.is_expired(found, now) => Lookup::Found {
                files: Arc::clone(&found.files),
                elapsed: now.duration_since(found.started_at).unwrap_or_default(),
            },
            _ => Lookup::NoTransfer,
        }
    }

    /// Returns the number of transfers.
    pub(crate) fn transfer_count(&self) -> usize {
        self.connectors
            .values()
            .map(|connector| connector.transfers.len())
            .sum()
    }

    fn is_expired(&self, transfer: &StartedTransfer, now: SystemTime) -> bool {
        now.duration_since(transfer.started_at)
            .is_ok_and(|age| age >= self.retention)
    }

    /// Drops the oldest entries above the limit, and replaced or expired ones at the front.
    fn forget(&mut self, now: SystemTime) {
        while let Some((connector, transfer, serial)) = self.order.front() {
            let kept = self
                .connectors
                .get(connector)
                .and_then(|known| known.transfers.get(transfer));
            let current = kept.filter(|kept| kept.serial == *serial);
            if self.order.len() <= self.max_transfers
                && current.is_some_and(|kept| !self.is_expired(kept, now))
            {
                break;
            }
            let is_current = current.is_some();
            if let Some((connector, transfer, _)) = self.order.pop_front()
                && is_current
                && let Some(known) = self.connectors.get_mut(&connector)
            {
                known.transfers.remove(&transfer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::LifeScript;
    use model::FileStatus;

    const DAY: Duration = Duration::from_hours(24);

    fn connector() -> ConnectorId {
        "c-0123456789abcdef0".parse().unwrap()
    }

    fn transfer(name: &str) -> TransferId {
        name.parse().unwrap()
    }

    fn state(max_transfers: usize) -> SimulatedAccount {
        SimulatedAccount::new(1, 7 * DAY, max_transfers)
    }

    fn put(state: &mut SimulatedAccount, name: &str, at: SystemTime) {
        let files = vec![FileScript::new("/a", LifeScript::completed())];
        let (connector, transfer) = (&connector(), &transfer(name));
        state.put(
            Start {
                connector,
                transfer,
                direction: Direction::Send,
                directory: None,
                files,
                started_at: at,
            },
            at,
        );
    }

    #[test]
    fn results_are_kept_for_seven_days() {
        let mut state = state(100);
        let start = UNIX_EPOCH + 100 * DAY;
        put(&mut state, "t", start);
        let at = |age| state.lookup(&connector(), &transfer("t"), start + age);
        assert!(matches!(at(Duration::ZERO), Lookup::Found { .. }));
        assert!(matches!(at(7 * DAY.mul_f64(0.999)), Lookup::Found { .. }));
        assert_eq!(at(7 * DAY), Lookup::NoTransfer);
    }

    #[test]
    fn a_connector_and_a_transfer_can_be_unknown() {
        let mut state = state(100);
        assert_eq!(
            state.lookup(&connector(), &transfer("t"), UNIX_EPOCH),
            Lookup::NoConnector
        );
        state.ensure_connector(&connector());
        assert_eq!(
            state.lookup(&connector(), &transfer("t"), UNIX_EPOCH),
            Lookup::NoTransfer
        );
        assert_eq!(
            state.start(
                &"c-00000000000000000".parse().unwrap(),
                (Direction::Send, None),
                vec![],
                UNIX_EPOCH
            ),
            Err(UnknownConnector)
        );
    }

    #[test]
    fn memory_is_bounded_by_number_and_by_age() {
        let mut state = state(10);
        for n in 0..1000 {
            put(&mut state, &format!("t-{n}"), UNIX_EPOCH);
        }
        assert_eq!((state.transfer_count(), state.order.len()), (10, 10));
        put(&mut state, "late", UNIX_EPOCH + 8 * DAY);
        assert_eq!((state.transfer_count(), state.order.len()), (1, 1));
    }

    #[test]
    fn adding_a_transfer_again_replaces_it() {
        let mut state = state(10);
        for _ in 0..25 {
            put(&mut state, "same", UNIX_EPOCH);
        }
        put(&mut state, "other", UNIX_EPOCH);
        assert_eq!(state.transfer_count(), 2);
        put(&mut state, "same", UNIX_EPOCH);
        put(&mut state, "same", UNIX_EPOCH);
        let newest: Vec<_> = state.newest().map(|it| it.transfer.to_string()).collect();
        assert_eq!(newest, ["same", "other"]);
    }

    #[test]
    fn a_started_transfer_follows_the_profile_and_the_seed() {
        let start = || {
            let mut state = state(10);
            state.ensure_connector(&connector());
            let paths = vec!["/a".to_owned(), "/b".to_owned()];
            let id = state
                .start(&connector(), (Direction::Send, None), paths, UNIX_EPOCH)
                .unwrap();
            let Lookup::Found { files, .. } = state.lookup(&connector(), &id, UNIX_EPOCH + DAY)
            else {
                panic!()
            };
            (id, files)
        };
        let (id, files) = start();
        assert_eq!(start(), (id, Arc::clone(&files)));
        assert!(
            files
                .iter()
                .all(|file| file.life.status_at(DAY).is_finished())
        );
        assert_eq!(files[0].result_at(DAY).path, "/a");
        assert_ne!(files[0].life.status_at(DAY), FileStatus::Queued);
    }
}
