use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::transfer::{ApiFuture, ErrorKind};
use model::{Account, ConnectorId, Now};

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
}

impl World {
    fn new() -> Self {
        let start = (Instant::now(), SystemTime::now());
        Self {
            probes: Arc::default(),
            api: Arc::default(),
            clock: Arc::new(move || Now {
                instant: std::time::Instant::now(),
                wall: start.1 + start.0.elapsed(),
            }),
        }
    }

    async fn probe(&self, connector: u8, budget: u64) -> ConnectionProbeResult {
        let account = Account {
            name: AccountName::new("prod"),
            region: "eu-central-1".into(),
        };
        let connector = Arc::new(ConnectorLabels {
            account: Arc::new(account),
            id: format!("c-{connector:017x}").parse().unwrap(),
        });
        let (api, clock) = (Arc::clone(&self.api), Arc::clone(&self.clock));
        let budget = Duration::from_secs(budget);
        self.probes
            .probe_with(connector, INTERVAL, budget, || (api, clock))
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

#[tokio::test(start_paused = true)]
async fn a_test_continues_when_its_client_leaves() {
    let world = World::new();
    let probed = world.probe(1, 1).await;
    assert!(probed.test.is_none() && probed.last_success.is_none());
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(world.probe(1, 1).await.test.is_some());
    assert_eq!(world.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_says_nothing_about_the_connection() {
    let world = World::new();
    let failed = ConnectionTest {
        message: "Authentication failed".to_owned(),
        ..ConnectionTest::default()
    };
    let throttled = TransferError::new(ErrorKind::Throttled, "");
    *world.api.answers.lock().unwrap() = vec![Err(throttled), Ok(failed)];
    let probed = world.probe(1, 10).await;
    let test = probed.test.unwrap();
    assert_eq!(test.failure, Some(ConnectionFailure::Login));
    assert_eq!(probed.last_success, None);
    tokio::time::sleep(INTERVAL).await;
    assert!(world.probe(1, 10).await.test.is_none(), "not known");
}
