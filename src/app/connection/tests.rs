use std::sync::atomic::{AtomicUsize, Ordering};

use std::path::Path;

use super::*;
use crate::app::runtime::{Runtime, tracker_settings};
use crate::config::Plan;
use crate::metrics::self_metrics::SelfMetrics;
use crate::store::local::LocalStore;
use crate::store::{BlockingStore, OnThreads, StoreError};
use crate::tracker::persist::{PendingWrites, SavedState};
use crate::transfer::{ApiFuture, ErrorKind};
use model::{Account, ConnectorId, Shard};

const INTERVAL: Duration = Duration::from_mins(15);

/// Answers after 3 s, and counts calls.
#[derive(Default)]
struct Fake {
    calls: AtomicUsize,
    answers: Mutex<Vec<Result<ConnectionTest, TransferError>>>,
    started: Mutex<Vec<Instant>>,
}

impl ConnectionApi for Fake {
    fn test<'a>(&'a self, _: &'a ConnectorId) -> ApiFuture<'a, ConnectionTest> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.started.lock().unwrap().push(Instant::now());
        let answer = self.answers.lock().unwrap().pop();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(3)).await;
            answer.unwrap_or_else(|| {
                Ok(ConnectionTest {
                    is_ok: true,
                    ..ConnectionTest::default()
                })
            })
        })
    }
}

struct World {
    probes: Arc<ConnectionProbes>,
    api: Arc<Fake>,
    clock: Arc<dyn Clock>,
    collector: Collector,
}

/// Returns a clock that follows the paused time of Tokio.
fn clock() -> Arc<dyn Clock> {
    let start = (Instant::now(), SystemTime::now());
    Arc::new(move || Now {
        instant: std::time::Instant::now(),
        wall: start.1 + start.0.elapsed(),
    })
}

impl World {
    fn new() -> Self {
        Self::start(clock(), None::<Arc<LocalStore>>)
    }

    /// Starts a process that uses the store in `folder`.
    fn with_store(clock: &Arc<dyn Clock>, folder: &Path) -> Self {
        let store = Arc::new(LocalStore::open(folder).unwrap());
        Self::start(Arc::clone(clock), Some(store))
    }

    fn start<S: BlockingStore>(clock: Arc<dyn Clock>, store: Option<Arc<S>>) -> Self {
        let metrics = SelfMetrics::new().unwrap();
        let settings = tracker_settings(&Plan::default(), Shard::ONLY);
        let collector = match store {
            None => Collector::new(&metrics, Arc::clone(&clock), settings),
            Some(store) => {
                let saved = store.load().unwrap();
                let store = Arc::new(OnThreads(store));
                Collector::with_store(&metrics, Arc::clone(&clock), settings, store, saved)
            }
        };
        collector.configure(Runtime::default().targets(Shard::ONLY));
        Self {
            probes: Arc::default(),
            api: Arc::default(),
            clock,
            collector,
        }
    }

    async fn probe(&self, connector: u16, budget: u64) -> ConnectionProbeResult {
        let account = Account {
            name: AccountName::new("prod"),
            region: "eu-central-1".into(),
        };
        let connector = Arc::new(ConnectorLabels {
            account: Arc::new(account),
            id: format!("c-{connector:017x}").parse().unwrap(),
        });
        let budget = Duration::from_secs(budget);
        let context = TestContext {
            api: &|| Arc::<Fake>::clone(&self.api),
            clock: &self.clock,
            collectors: std::slice::from_ref(&self.collector),
        };
        self.probes
            .probe_with(connector, INTERVAL, budget, context)
            .await
    }

    fn calls(&self) -> usize {
        self.api.calls.load(Ordering::Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_tested_once_in_an_interval_and_once_for_all_who_wait() {
    let world = World::new();
    let (first, second) = tokio::join!(world.probe(1, 10), world.probe(1, 10));
    for probed in [first, second] {
        let test = probed.test.unwrap();
        assert_eq!(
            (test.failure, test.duration),
            (None, Duration::from_secs(3))
        );
        assert!(probed.last_success.is_some());
    }
    assert_eq!(world.calls(), 1);
    tokio::time::sleep(Duration::from_mins(14)).await;
    let later = world.probe(1, 10).await;
    assert!(later.test.is_some() && later.duration < Duration::from_secs(1));
    assert_eq!(world.calls(), 1, "the result is kept");
    tokio::time::sleep(Duration::from_mins(1)).await;
    world.probe(1, 10).await;
    assert_eq!(world.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn tests_of_an_account_are_a_second_apart() {
    let world = World::new();
    let probes = (1..=5).map(|connector| world.probe(connector, 60));
    futures_util::future::join_all(probes).await;
    let started = world.api.started.lock().unwrap().clone();
    for pair in started.windows(2) {
        assert!(pair[1] - pair[0] > Duration::from_secs(1), "{started:?}");
    }
    assert_eq!(started.len(), 5);
}

/// More connectors than there are turns within an interval.
#[tokio::test(start_paused = true)]
async fn a_test_that_waits_for_its_turn_is_not_started_again() {
    let world = World::new();
    let connectors = 1_000_u16;
    for _ in 0..4 {
        for connector in 1..=connectors {
            world.probe(connector, 0).await;
        }
        tokio::time::sleep(INTERVAL).await;
    }
    let elapsed = INTERVAL * 4;
    let turns = usize::try_from(elapsed.as_millis() / PACE.as_millis()).unwrap();
    tokio::time::sleep(INTERVAL * 4).await;
    assert!(
        (turns..=turns + usize::from(connectors)).contains(&world.calls()),
        "{} tests of {turns} turns",
        world.calls()
    );
}

#[tokio::test(start_paused = true)]
async fn a_test_continues_when_its_client_leaves() {
    let world = World::new();
    let probed = world.probe(1, 1).await;
    assert!(probed.test.is_none() && probed.last_success.is_none());
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(world.probe(1, 1).await.test.is_some());
    assert_eq!(world.calls(), 1);
}

fn refused() -> ConnectionTest {
    ConnectionTest {
        message: "Authentication failed".to_owned(),
        is_host_key_trusted: Some(true),
        ..ConnectionTest::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_within_the_interval_serves_the_last_results_and_tests_nothing() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let world = World::with_store(&clock, folder.path());
    let success = world.probe(1, 10).await.last_success;
    tokio::time::sleep(INTERVAL).await;
    world.api.answers.lock().unwrap().push(Ok(refused()));
    let failed = world.probe(1, 10).await;
    let works = world.probe(2, 10).await;
    drop(world);

    // A restart loop, until the interval has passed.
    for _ in 0..14 {
        tokio::time::sleep(Duration::from_mins(1)).await;
        let world = World::with_store(&clock, folder.path());
        let restored = world.probe(1, 10).await;
        assert_eq!(restored.test, failed.test);
        assert_eq!(millis(restored.last_success), millis(success));
        let restored = world.probe(2, 10).await;
        assert_eq!(restored.test, works.test);
        assert_eq!(millis(restored.last_success), millis(works.last_success));
        assert_eq!(world.calls(), 0);
    }
    tokio::time::sleep(Duration::from_mins(1)).await;
    let world = World::with_store(&clock, folder.path());
    assert_eq!(world.probe(1, 10).await.test.unwrap().failure, None);
    assert_eq!(world.calls(), 1);
}

/// The store has milliseconds.
fn millis(time: Option<SystemTime>) -> Option<u128> {
    let since = time?.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Some(since.as_millis())
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_killed_during_a_test_does_not_repeat_it() {
    let (folder, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let clock = clock();
    let world = World::with_store(&clock, folder.path());
    world.probe(1, 1).await;
    assert_eq!(world.calls(), 1);
    // What a crash leaves.
    let file = "state.redb";
    std::fs::copy(folder.path().join(file), killed.path().join(file)).unwrap();
    let world = World::with_store(&clock, killed.path());
    assert!(world.probe(1, 10).await.test.is_none());
    tokio::time::sleep(INTERVAL - Duration::from_secs(2)).await;
    world.probe(1, 10).await;
    assert_eq!(world.calls(), 0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(world.probe(1, 10).await.test.is_some());
    assert_eq!(world.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_test_in_the_future_counts_as_one_of_now() {
    let (folder, before) = (tempfile::tempdir().unwrap(), clock());
    let world = World::with_store(&before, folder.path());
    world.probe(1, 10).await;
    drop(world);
    let set_back: Arc<dyn Clock> = Arc::new(move || {
        let Now { instant, wall } = before.now();
        let wall = wall - Duration::from_hours(24);
        Now { instant, wall }
    });
    let world = World::with_store(&set_back, folder.path());
    world.probe(1, 10).await;
    tokio::time::sleep(INTERVAL - Duration::from_secs(1)).await;
    world.probe(1, 10).await;
    assert_eq!(world.calls(), 0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.probe(1, 10).await;
    assert_eq!(world.calls(), 1);
}

/// A store that cannot be written to.
struct FullStore;

impl BlockingStore for FullStore {
    fn load(&self) -> Result<SavedState, StoreError> {
        Ok(SavedState::default())
    }

    fn save(&self, _: &PendingWrites) -> Result<(), StoreError> {
        Err(StoreError::Write {
            path: "/full".into(),
            detail: "no room".into(),
        })
    }

    fn size(&self) -> u64 {
        1
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_prevents_no_test() {
    let world = World::start(clock(), Some(Arc::new(FullStore)));
    assert!(world.probe(1, 10).await.test.is_some());
    assert!(world.probe(1, 10).await.test.is_some());
    assert_eq!(world.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_says_nothing_about_the_connection() {
    let world = World::new();
    let throttled = TransferError::new(ErrorKind::Throttled, "");
    *world.api.answers.lock().unwrap() = vec![Err(throttled), Ok(refused())];
    let probed = world.probe(1, 10).await;
    let test = probed.test.unwrap();
    assert_eq!(test.failure, Some(ConnectionFailure::Login));
    assert_eq!(probed.last_success, None);
    tokio::time::sleep(INTERVAL).await;
    assert!(world.probe(1, 10).await.test.is_none(), "not known");
}
