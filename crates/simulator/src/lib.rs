//! The built-in AWS: connectors and transfers whose files live by a script, CloudTrail's history of what was started, an
//! SQS queue with the events of what has ended, faults on request, and the AWS JSON wire with its Signature Version 4
//! check. It knows [`model`](model) and nothing else of the
//! exporter; an exporter meets it over HTTP alone.
//!
//! | route | answer |
//! | --- | --- |
//! | `POST /` | the APIs: [`Operation::ALL`] of Transfer Family, CloudTrail and SQS, by their `X-Amz-Target` |
//! | `GET /_simulator/` | these routes as plain text |
//! | `GET`, `DELETE /_simulator/queue` | the queue's URL; empty it, of events to come too |
//! | `GET`, `DELETE /_simulator/calls` | what was asked so far; count from zero |
//! | `GET`, `PUT /_simulator/faults` | the [`Faults`] |
//! | `PUT /_simulator/connectors/{connector}` | a [`ConnectorSpec`] |
//! | `PUT /_simulator/transfers/{connector}/{transfer}` | a list of [`FileScript`]s; `?age=8d` backdates the start, `?direction=send` |
//!
//! What AWS answers for an unknown or expired transfer is not documented: [`Expiry`] has both variants.

mod answer;
mod begun;
mod calls;
mod control;
mod event;
mod faults;
mod feed;
mod fleet;
mod input;
mod life;
mod operations;
mod partners;
mod punctual;
mod queue;
mod random;
mod remote;
mod serve;
mod service;
mod sigv4;
mod span;
mod sqs;
mod state;
#[cfg(test)]
mod testing;
mod trail;
mod wire;

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::Notify;

pub use calls::Calls;
pub use faults::{Faults, ThrottleError};
pub use fleet::{Fleet, Started};
pub use life::{End, FileScript, LifeScript, Profile, failure_message};
pub use random::SplitMix64;
pub use service::Operation;
pub use sigv4::{AccessKeys, DEMO_ACCESS_KEY_ID, DEMO_SECRET_ACCESS_KEY};
pub use state::{ConnectorSpec, Egress, Protocol, UnknownConnector};

use begun::Start;
use faults::Dice;
use model::{Clock, ConnectorId, Direction, Now, TransferId};
use state::State;

/// What `ListFileTransferResults` answers for a transfer that is unknown or past its retention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expiry {
    /// `ResourceNotFoundException`.
    #[default]
    NotFound,
    /// 200 and an empty list.
    EmptyList,
}

/// What a simulator is made with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who may sign.
    pub keys: AccessKeys,
    /// The answer for an unknown or expired transfer.
    pub expiry: Expiry,
    /// How long results are there after the start of a transfer; AWS says 7 days.
    pub retention: Duration,
    /// How long after its start a transfer is not known yet.
    pub appears_after: Duration,
    /// Transfers kept; past this many the oldest are forgotten.
    pub max_transfers: usize,
    /// The account in ARNs.
    pub account_id: String,
    /// Decides ids and random lives.
    pub seed: u64,
    /// How long after its start a transfer is not in CloudTrail's history yet; AWS needs minutes.
    pub cloudtrail_delay: Duration,
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
        }
    }
}

/// The simulated endpoint. A clone is the same endpoint.
#[derive(Clone)]
pub struct Simulator(Arc<Inner>);

struct Inner {
    settings: Settings,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    faults: Mutex<(Arc<Faults>, Dice)>,
    calls: Mutex<Calls>,
    request_ids: Mutex<SplitMix64>,
    /// Told whenever a message may come sooner than was known.
    arrivals: Notify,
}

impl Simulator {
    /// An endpoint without connectors.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Self {
        let faults = Arc::new(Faults::default());
        let dice = Dice::new(&faults);
        Self(Arc::new(Inner {
            clock,
            state: Mutex::new(State::new(
                settings.seed,
                settings.retention,
                settings.max_transfers,
            )),
            faults: Mutex::new((faults, dice)),
            calls: Mutex::default(),
            request_ids: Mutex::new(SplitMix64::new(!settings.seed)),
            arrivals: Notify::new(),
            settings,
        }))
    }

    /// Adds a connector, or gives a known one another spec.
    pub fn add_connector(&self, id: ConnectorId, spec: ConnectorSpec) {
        self.state().add_connector(id, spec);
    }

    /// Puts a transfer of any number of files, in place of one with the same id; they are retrieved. A connector that is
    /// new is added with the default spec.
    pub fn put_transfer(
        &self,
        connector: &ConnectorId,
        transfer: &TransferId,
        files: Vec<FileScript>,
        started_at: SystemTime,
    ) {
        self.put_transfer_of(Direction::Retrieve, connector, transfer, files, started_at);
    }

    /// The same for files that go in `direction`.
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
                files,
                started_at,
            },
            now,
        );
        self.0.arrivals.notify_waiters();
    }

    /// Puts into CloudTrail's history a transfer of which the endpoint knows nothing. A connector that is new is added
    /// with the default spec.
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
            files,
            started_at,
        };
        state.put_lost(start);
        transfer
    }

    /// Starts a transfer that sends files now; they live by the connector's profile, as under `StartFileTransfer`.
    pub fn start(
        &self,
        connector: &ConnectorId,
        paths: Vec<String>,
    ) -> Result<TransferId, UnknownConnector> {
        let now = self.now().wall;
        self.start_at(connector, Direction::Send, paths, now)
    }

    fn start_at(
        &self,
        connector: &ConnectorId,
        direction: Direction,
        paths: Vec<String>,
        now: SystemTime,
    ) -> Result<TransferId, UnknownConnector> {
        let started = self.state().start(connector, direction, paths, now);
        self.0.arrivals.notify_waiters();
        started
    }

    /// Starts a transfer now by a script. A connector that is new is added with the default spec.
    pub fn start_scripted(&self, connector: &ConnectorId, files: Vec<FileScript>) -> TransferId {
        let now = self.now().wall;
        let transfer = self.unknown_transfer();
        self.put_transfer(connector, &transfer, files, now);
        transfer
    }

    /// The URL of the queue of events, at the simulator's own address, for example `http://127.0.0.1:4777`.
    pub fn queue_url(&self, endpoint_url: &str) -> String {
        format!(
            "{}{}",
            endpoint_url.trim_end_matches('/'),
            self.queue_path()
        )
    }

    /// Puts a message with any body into the queue.
    pub fn send(&self, body: impl Into<String>) {
        let now = self.now().wall;
        self.put_message(body.into(), now);
    }

    /// An id of the form that `StartFileTransfer` answers, for a transfer that the endpoint does not know.
    pub fn unknown_transfer(&self) -> TransferId {
        self.state().new_transfer_id()
    }

    /// Transfers kept now.
    pub fn transfer_count(&self) -> usize {
        self.state().transfer_count()
    }

    /// Replaces the faults, from the next call on; their stream starts again at its seed.
    pub fn set_faults(&self, faults: Faults) {
        let dice = Dice::new(&faults);
        *lock(&self.0.faults) = (Arc::new(faults), dice);
    }

    /// The faults as they are set.
    pub fn faults(&self) -> Arc<Faults> {
        Arc::clone(&lock(&self.0.faults).0)
    }

    /// What was asked so far.
    pub fn calls(&self) -> Calls {
        lock(&self.0.calls).clone()
    }

    /// Counts from zero again.
    pub fn reset_calls(&self) {
        lock(&self.0.calls).reset();
    }

    /// The present moment by the simulator's clock.
    pub fn now(&self) -> Now {
        self.0.clock.now()
    }

    /// Answers on the listener until `shutdown` completes; answers under way get one more second.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        serve::serve(self, listener, shutdown).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }

    fn request_id(&self) -> String {
        lock(&self.0.request_ids).uuid()
    }
}

/// Locks; each critical section leaves its data whole, so a poisoned lock is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
