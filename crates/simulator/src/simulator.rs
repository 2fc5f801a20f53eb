//! The simulated endpoint.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

use crate::account_clock::AccountClock;
use crate::domain::{
    Body, Calls, ConnectorSpec, Dice, Expiry, Faults, FileScript, QUEUE, RemoteKind, Scenario,
    SimulatedAccount, SplitMix64, Start, Timeline, UnknownConnector,
};
use crate::timer::{Timer, TokioTimer};
use crate::wire::credential::AccessKeys;
use model::{Clock, ConnectorId, Direction, Now, TransferId};

/// Settings of a simulator.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Accepted access keys.
    pub keys: AccessKeys,
    /// The answer for an unknown or expired transfer.
    pub expiry: Expiry,
    /// Retention of results from the start of a transfer; 7 days in AWS.
    pub retention: Duration,
    /// Time from its start until a transfer becomes visible.
    pub appears_after: Duration,
    /// Maximum number of transfers; beyond it the oldest are dropped.
    pub max_transfers: usize,
    /// The account id in ARNs.
    pub account_id: String,
    /// Seed of ids and random scripts.
    pub seed: u64,
    /// Delay of CloudTrail's event history; minutes in AWS.
    pub cloudtrail_delay: Duration,
    /// Seconds of the account in a second of the machine.
    pub speed: f64,
    /// The timer for the latency of answers.
    pub timer: Arc<dyn Timer>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keys: AccessKeys::default(),
            expiry: Expiry::default(),
            retention: Duration::from_hours(7 * 24),
            appears_after: Duration::ZERO,
            max_transfers: 20_000,
            account_id: "123456789012".to_owned(),
            seed: 0,
            cloudtrail_delay: Duration::ZERO,
            speed: 1.0,
            timer: Arc::new(TokioTimer),
        }
    }
}

/// The simulated endpoint. Clones share their state.
#[derive(Clone)]
pub struct Simulator(pub(crate) Arc<SimulatorState>);

pub(crate) struct SimulatorState {
    pub(crate) settings: Settings,
    pub(crate) clock: AccountClock,
    pub(crate) state: Mutex<SimulatedAccount>,
    pub(crate) faults: Mutex<(Arc<Faults>, Dice)>,
    pub(crate) calls: Mutex<Calls>,
    pub(crate) request_ids: Mutex<SplitMix64>,
    /// The scenario that was loaded last, with its name.
    pub(crate) scenario: Mutex<Option<(String, Scenario)>>,
    /// Notified whenever a message may become available sooner than expected.
    pub(crate) arrivals: Notify,
}

impl Simulator {
    /// Creates an endpoint without connectors.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Self {
        let faults = Arc::new(Faults::default());
        let dice = Dice::new(&faults);
        Self(Arc::new(SimulatorState {
            clock: AccountClock::new(clock, settings.speed),
            state: Mutex::new(account(&settings)),
            faults: Mutex::new((faults, dice)),
            calls: Mutex::default(),
            request_ids: Mutex::new(SplitMix64::new(!settings.seed)),
            scenario: Mutex::default(),
            arrivals: Notify::new(),
            settings,
        }))
    }

    /// Returns to the initial state, and starts a scenario.
    pub fn load(&self, name: &str, scenario: Scenario) {
        *lock(&self.0.scenario) = Some((name.to_owned(), scenario));
        self.reset();
    }

    /// Returns to the initial state: no calls, no faults, no transfers, the time of the machine,
    /// the same seed. The scenario that was loaded last starts again.
    pub fn reset(&self) {
        self.0.clock.reset(self.0.settings.speed);
        self.set_faults(Faults::default());
        self.reset_calls();
        let steps = lock(&self.0.scenario)
            .as_ref()
            .map(|(_, scenario)| scenario.clone().into_steps());
        let mut fresh = account(&self.0.settings);
        fresh.timeline = Timeline::new(steps.unwrap_or_default(), self.now().wall);
        *self.state() = fresh;
        self.catch_up();
        self.0.arrivals.notify_waiters();
    }

    /// Sets the speed of the account's time, and jumps forward.
    pub(crate) fn change_time(&self, speed: Option<f64>, advance: Duration) {
        if let Some(speed) = speed {
            self.0.clock.set_speed(speed);
        }
        if !advance.is_zero() {
            self.0.clock.advance(advance);
        }
        self.catch_up();
        self.0.arrivals.notify_waiters();
    }

    /// Applies the steps of the scenario that are due.
    pub(crate) fn catch_up(&self) {
        let now = self.now().wall;
        let (mut faults, mut is_changed) = (None, false);
        {
            let mut state = self.state();
            while let Some((at, mut step)) = state.timeline.pop_due(now) {
                faults = step.faults.take().or(faults);
                state.apply(step, at);
                is_changed = true;
            }
        }
        if let Some(faults) = faults {
            self.set_faults(faults);
        }
        // Only then: a waiting receive that is woken catches up too.
        if is_changed {
            self.0.arrivals.notify_waiters();
        }
    }

    /// Adds a connector or replaces its spec.
    pub fn add_connector(&self, id: ConnectorId, spec: ConnectorSpec) {
        self.state().add_connector(id, spec);
    }

    /// Adds a transfer that retrieves files, or replaces the one with the same id. Adds the
    /// connector with the default spec if it is new.
    pub fn put_transfer(
        &self,
        connector: &ConnectorId,
        transfer: &TransferId,
        files: Vec<FileScript>,
        started_at: SystemTime,
    ) {
        self.put_transfer_of(Direction::Retrieve, connector, transfer, files, started_at);
    }

    /// Adds or replaces a transfer in a direction.
    pub fn put_transfer_of(
        &self,
        direction: Direction,
        connector: &ConnectorId,
        transfer: &TransferId,
        files: Vec<FileScript>,
        started_at: SystemTime,
    ) {
        let now = self.now().wall;
        self.state().put(
            Start {
                connector,
                transfer,
                direction,
                directory: None,
                files,
                started_at,
            },
            now,
        );
        self.0.arrivals.notify_waiters();
    }

    /// Adds a start to CloudTrail's event history without a transfer. Adds the connector with the
    /// default spec if it is new.
    pub fn put_lost(
        &self,
        connector: &ConnectorId,
        files: Vec<FileScript>,
        started_at: SystemTime,
    ) -> TransferId {
        let mut state = self.state();
        let transfer = state.new_transfer_id();
        let start = Start {
            connector,
            transfer: &transfer,
            direction: Direction::Send,
            directory: None,
            files,
            started_at,
        };
        state.put_lost(start);
        transfer
    }

    /// Starts a transfer that sends files by the connector's profile, as `StartFileTransfer` does.
    pub fn start(
        &self,
        connector: &ConnectorId,
        paths: Vec<String>,
    ) -> Result<TransferId, UnknownConnector> {
        let now = self.now().wall;
        self.start_at(connector, (Direction::Send, None), paths, now)
    }

    pub(crate) fn start_at(
        &self,
        connector: &ConnectorId,
        to: (Direction, Option<String>),
        paths: Vec<String>,
        now: SystemTime,
    ) -> Result<TransferId, UnknownConnector> {
        let started = self.state().start(connector, to, paths, now);
        self.0.arrivals.notify_waiters();
        started
    }

    /// Starts a scripted transfer. Adds the connector with the default spec if it is new.
    pub fn start_scripted(&self, connector: &ConnectorId, files: Vec<FileScript>) -> TransferId {
        let now = self.now().wall;
        let transfer = self.unknown_transfer();
        self.put_transfer(connector, &transfer, files, now);
        transfer
    }

    /// Returns the queue URL at the simulator's address, for example `http://127.0.0.1:4777`.
    pub fn queue_url(&self, endpoint_url: &str) -> String {
        format!(
            "{}{}",
            endpoint_url.trim_end_matches('/'),
            self.queue_path()
        )
    }

    /// Puts a message into the queue.
    pub fn send(&self, body: impl Into<String>) {
        let now = self.now().wall;
        self.put_message(body.into(), now);
    }

    /// Starts a directory listing, move or delete that ends by the profile of the connector.
    pub(crate) fn start_operation(
        &self,
        connector: &ConnectorId,
        kind: RemoteKind,
        now: SystemTime,
    ) -> Result<String, UnknownConnector> {
        let started = self.state().start_remote(connector, kind, now);
        self.0.arrivals.notify_waiters();
        started
    }

    /// Returns the path of the queue URL: account and name.
    pub(crate) fn queue_path(&self) -> String {
        format!("/{}/{QUEUE}", self.0.settings.account_id)
    }

    /// Puts a message into the queue and wakes waiting receives.
    pub(crate) fn put_message(&self, body: String, at: SystemTime) -> u64 {
        let message = self.state().queue.put(Body::Text(body), at);
        self.0.arrivals.notify_waiters();
        message
    }

    /// Returns a transfer id that the endpoint does not know.
    pub fn unknown_transfer(&self) -> TransferId {
        self.state().new_transfer_id()
    }

    /// Returns the number of transfers.
    pub fn transfer_count(&self) -> usize {
        self.state().transfer_count()
    }

    /// Replaces the faults, and restarts their random stream.
    pub fn set_faults(&self, faults: Faults) {
        let dice = Dice::new(&faults);
        *lock(&self.0.faults) = (Arc::new(faults), dice);
    }

    /// Returns the faults.
    pub fn faults(&self) -> Arc<Faults> {
        Arc::clone(&lock(&self.0.faults).0)
    }

    /// Returns the counts of calls.
    pub fn calls(&self) -> Calls {
        lock(&self.0.calls).clone()
    }

    /// Resets the counts of calls.
    pub fn reset_calls(&self) {
        lock(&self.0.calls).reset();
    }

    /// Returns the time of the simulated account, which the control API can change.
    pub fn now(&self) -> Now {
        self.0.clock.now()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, SimulatedAccount> {
        lock(&self.0.state)
    }

    pub(crate) fn request_id(&self) -> String {
        lock(&self.0.request_ids).uuid()
    }
}

fn account(settings: &Settings) -> SimulatedAccount {
    SimulatedAccount::new(settings.seed, settings.retention, settings.max_transfers)
}

/// Locks a mutex. Critical sections keep their data consistent, so poisoning is ignored.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
