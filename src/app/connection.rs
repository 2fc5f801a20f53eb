//! `/probe` of a connection: `TestConnection`, at most once in `probe.connection.min_interval` for each
//! connector, and at most once a second for each account, which is what AWS allows. In between, the last
//! result is returned. A test continues when its client leaves, and the next probe has its result.
//!
//! With a store, a test is written before its call and after it: a process that is killed and restarted
//! in a loop calls no more often, and serves the last result.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::accounts::AccountClient;
use crate::collector::Collector;
use crate::metrics::probe::ConnectionProbeResult;
use crate::transfer::{ConnectionApi, ConnectionTest, TransferError};
use model::{
    AccountName, Clock, ConnectionFailure, ConnectorKey, ConnectorLabels, LastConnectionTest, Now,
    TestedConnection,
};

/// Least time between two tests of an account: AWS allows one request a second.
const PACE: Duration = Duration::from_millis(1_100);

/// Results that are kept. Beyond it, the oldest ones are forgotten.
const MAX_RESULTS: usize = 10_000;

/// The results of tests by connector.
#[derive(Default)]
pub(super) struct ConnectionProbes(Mutex<State>);

#[derive(Default)]
struct State {
    tests: HashMap<ConnectorKey, Tested>,
    /// When the next test of an account may start.
    next: HashMap<AccountName, Instant>,
}

struct Tested {
    /// When the last test was asked for; `None` for before the clock began.
    asked: Option<Instant>,
    /// True once it has ended.
    ended: watch::Receiver<bool>,
    test: Option<TestedConnection>,
    last_success: Option<SystemTime>,
}

/// What tests a connection, and keeps the result.
#[derive(Clone, Copy)]
struct TestContext<'a> {
    api: &'a (dyn Fn() -> Arc<dyn ConnectionApi> + Sync),
    clock: &'a Arc<dyn Clock>,
    /// Those that may have kept an earlier test. The first keeps the next one.
    collectors: &'a [Collector],
}

impl Tested {
    /// Continues from the last test of an earlier process. A time in the future, by a clock that was
    /// set back, counts as now.
    fn restore(last: LastConnectionTest, now: Now) -> Self {
        let age = now.wall.duration_since(last.asked).unwrap_or_default();
        let (_, ended) = watch::channel(true);
        Self {
            asked: Instant::now().checked_sub(age),
            ended,
            test: last.tested,
            last_success: last.last_success,
        }
    }

    /// Returns whether it runs or waits for its turn, or was asked for within `interval`. One that
    /// has panicked runs no more.
    fn is_recent(&self, interval: Duration, now: Instant) -> bool {
        let runs = !*self.ended.borrow() && self.ended.has_changed().is_ok();
        runs || self.asked.is_some_and(|asked| asked + interval > now)
    }
}

impl ConnectionProbes {
    /// Returns the result for a connector; tests its connection if the last test was asked for longer
    /// than `interval` ago.
    pub(super) async fn probe(
        self: &Arc<Self>,
        connector: Arc<ConnectorLabels>,
        client: &AccountClient,
        collectors: &[Collector],
        interval: Duration,
        budget: Duration,
    ) -> ConnectionProbeResult {
        let context = TestContext {
            api: &|| client.connection(),
            clock: &client.clock,
            collectors,
        };
        self.probe_with(connector, interval, budget, context).await
    }

    async fn probe_with(
        self: &Arc<Self>,
        connector: Arc<ConnectorLabels>,
        interval: Duration,
        budget: Duration,
        context: TestContext<'_>,
    ) -> ConnectionProbeResult {
        let start = Instant::now();
        let key = connector.key();
        let mut ended = self.start_or_join(&key, interval, context);
        // The budget is used up, or the test panicked: what is known is returned.
        let _ = tokio::time::timeout(budget, ended.wait_for(|ended| *ended)).await;
        let state = self.lock();
        let tested = state.tests.get(&key);
        ConnectionProbeResult {
            test: tested.and_then(|tested| tested.test.clone()),
            last_success: tested.and_then(|tested| tested.last_success),
            connector,
            duration: start.elapsed(),
        }
    }

    /// Joins the last test of a connector, which may have ended, or starts one.
    fn start_or_join(
        self: &Arc<Self>,
        key: &ConnectorKey,
        interval: Duration,
        context: TestContext<'_>,
    ) -> watch::Receiver<bool> {
        let now = Instant::now();
        let wall = context.clock.now();
        let mut state = self.lock();
        let kept = context.collectors.iter();
        let kept = kept.filter_map(|collector| collector.connection_test(key));
        if !state.tests.contains_key(key)
            && let Some(last) = kept.max_by_key(|test| test.asked)
        {
            state.insert(key.clone(), Tested::restore(last, wall));
        }
        let known = state.tests.get(key);
        if let Some(tested) = known.filter(|tested| tested.is_recent(interval, now)) {
            return tested.ended.clone();
        }
        let (test, last_success) = known.map_or((None, None), |tested| {
            (tested.test.clone(), tested.last_success)
        });
        let mut last = LastConnectionTest {
            asked: wall.wall,
            tested: test.clone(),
            last_success,
        };
        let (sender, ended) = watch::channel(false);
        let tested = Tested {
            asked: Some(now),
            ended: ended.clone(),
            test,
            last_success,
        };
        state.insert(key.clone(), tested);
        drop(state);
        let (probes, key) = (Arc::clone(self), key.clone());
        let (api, clock) = ((context.api)(), Arc::clone(context.clock));
        let collector = context.collectors.first().cloned();
        tokio::spawn(async move {
            if let Some(collector) = &collector {
                collector.keep_connection_test(key.clone(), &last).await;
            }
            let at = probes.lock().reserve_start(&key.account);
            tokio::time::sleep_until(at).await;
            let start = Instant::now();
            let result = api.test(&key.id).await;
            last.tested = describe(&key, result, start.elapsed());
            if last.tested.as_ref().is_some_and(|it| it.failure.is_none()) {
                last.last_success = Some(clock.now().wall);
            }
            if let Some(collector) = &collector {
                collector.keep_connection_test(key.clone(), &last).await;
            }
            if let Some(entry) = probes.lock().tests.get_mut(&key) {
                entry.last_success = last.last_success;
                entry.test = last.tested;
            }
            sender.send_replace(true);
        });
        ended
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns when the next test of an account may start.
    fn reserve_start(&mut self, account: &AccountName) -> Instant {
        let now = Instant::now();
        let next = self.next.entry(account.clone()).or_insert(now);
        let at = (*next).max(now);
        *next = at + PACE;
        at
    }

    fn insert(&mut self, key: ConnectorKey, tested: Tested) {
        if self.tests.len() >= MAX_RESULTS && !self.tests.contains_key(&key) {
            let oldest = self.tests.iter().min_by_key(|(_, tested)| tested.asked);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.tests.remove(&oldest);
            }
        }
        self.tests.insert(key, tested);
    }
}

/// Returns what a test says of the connection: nothing if the call failed.
fn describe(
    key: &ConnectorKey,
    result: Result<ConnectionTest, TransferError>,
    duration: Duration,
) -> Option<TestedConnection> {
    match result {
        Ok(test) => {
            let failure = (!test.is_ok).then(|| ConnectionFailure::of(&test.message));
            if let Some(reason) = failure {
                warn!(
                    event = "connection_failed",
                    account = %key.account,
                    connector_id = %key.id,
                    reason = reason.as_str(),
                    message = test.message,
                    "the connection to the partner's server does not work"
                );
            }
            Some(TestedConnection {
                failure,
                is_host_key_trusted: test.is_host_key_trusted,
                duration,
            })
        }
        Err(error) => {
            debug!(
                event = "connection_test_failed",
                account = %key.account,
                connector_id = %key.id,
                %error,
                "failed to test a connection"
            );
            None
        }
    }
}

#[cfg(test)]
mod tests;
