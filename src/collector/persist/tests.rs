use std::collections::BTreeMap;
use std::time::Instant;

use crate::collector::tests::{SECOND, SETTINGS, clock, key};
use crate::collector::*;
use crate::store::{StoreError, local::LocalStore};
use crate::tracker::persist::PendingWrites;
use crate::transfer::limiter::AccountLimiter;
use crate::transfer::{ApiFuture, ResultsPage};
use model::{ConnectorId, FileResult, FileStatus, TransferId, TransferState};

/// A store that does as it is told: takes its time, fails, loses everything.
#[derive(Default)]
struct Fickle {
    behaviour: Mutex<Behaviour>,
    /// Transfers that are written, and how often something was.
    written: Mutex<(BTreeMap<String, bool>, usize)>,
}

#[derive(Clone, Copy, Default)]
enum Behaviour {
    #[default]
    Good,
    Failing,
    /// Until the behaviour is another one.
    Hanging,
    Recreated,
}

impl Fickle {
    fn be(&self, behaviour: Behaviour) {
        *lock(&self.behaviour) = behaviour;
    }

    fn settled(&self, transfer: &str) -> Option<bool> {
        lock(&self.written).0.get(transfer).copied()
    }

    fn writes(&self) -> usize {
        lock(&self.written).1
    }
}

impl Store for Fickle {
    fn load(&self) -> Result<SavedState, StoreError> {
        Ok(SavedState::default())
    }

    fn save(&self, changes: &PendingWrites) -> Result<(), StoreError> {
        while matches!(*lock(&self.behaviour), Behaviour::Hanging) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let behaviour = *lock(&self.behaviour);
        match behaviour {
            Behaviour::Failing => {
                return Err(StoreError::Write {
                    path: "/full".into(),
                    detail: "no room".into(),
                });
            }
            Behaviour::Recreated => {
                self.be(Behaviour::Good);
                lock(&self.written).0.clear();
                return Err(StoreError::Recreated {
                    path: "/gone".into(),
                });
            }
            Behaviour::Good | Behaviour::Hanging => {}
        }
        let mut written = lock(&self.written);
        written.1 += 1;
        for (key, record) in &changes.transfers {
            match record {
                Some(record) => written
                    .0
                    .insert(key.transfer.to_string(), record.ended.is_some()),
                None => written.0.remove(key.transfer.as_str()),
            };
        }
        Ok(())
    }

    fn size(&self) -> u64 {
        1
    }
}

/// Every transfer completes with its first look.
struct Completed;

impl TransferApi for Completed {
    fn file_results_page<'a>(
        &'a self,
        _: &'a ConnectorId,
        _: &'a TransferId,
        _: Option<&'a str>,
    ) -> ApiFuture<'a, ResultsPage> {
        Box::pin(async move {
            let file = FileResult {
                path: "/f".into(),
                status: FileStatus::Completed,
                failure_code: None,
                failure_message: None,
            };
            Ok(ResultsPage {
                files: vec![file],
                next_token: None,
            })
        })
    }
}

struct Rig {
    store: Arc<Fickle>,
    collector: Collector,
    metrics: SelfMetrics,
}

fn rig() -> Rig {
    let (store, clock) = (Arc::new(Fickle::default()), clock());
    let metrics = SelfMetrics::new().unwrap();
    let collector = Collector::with_store(
        &metrics,
        Arc::clone(&clock),
        SETTINGS,
        store.clone(),
        store.load().unwrap(),
    );
    let account = Account {
        name: AccountName::new("prod"),
        region: "eu-central-1".into(),
    };
    let limits = AccountLimiter::new(4, 1_000.0, clock);
    collector.configure(Targets {
        accounts: vec![AccountApi {
            account,
            api: Arc::new(Completed),
            limits,
            concurrency: 4,
        }],
        transfers: Vec::new(),
        connectors: Vec::new(),
        settings: SETTINGS,
    });
    Rig {
        store,
        collector,
        metrics,
    }
}

impl Rig {
    fn track(&self, transfer: &str) {
        self.collector
            .track(key("prod", transfer), Origin::Demo, None);
    }

    /// The storage's series without their bucket lines.
    fn series(&self, name: &str) -> String {
        use crate::metrics::exposition::render;
        use crate::metrics::{NameFilter, Scrape, ScrapeRequest};
        let started = std::time::SystemTime::UNIX_EPOCH;
        let snapshot = Arc::new(Snapshot::default());
        let scrape = Scrape {
            snapshot,
            complete: true,
            metrics: &self.metrics,
            process: false,
            started,
        };
        let filter =
            NameFilter::from_query(&format!("name[]=aws_transfer_exporter_storage_{name}"));
        let body = render(
            &scrape,
            &ScrapeRequest {
                filter,
                ..ScrapeRequest::everything()
            },
            &Mutex::default(),
        )
        .unwrap();
        let text = String::from_utf8(body.into_parts().flatten().collect()).unwrap();
        text.lines()
            .last()
            .unwrap()
            .rsplit(' ')
            .next()
            .unwrap()
            .to_owned()
    }

    fn up(&self) -> String {
        self.series("up")
    }
}

fn finished(collected: &Collected) -> u64 {
    collected
        .snapshot
        .connectors()
        .map(|connector| connector.states.of(TransferState::Completed))
        .sum()
}

#[tokio::test]
async fn what_a_scrape_tells_is_written_before() {
    let rig = rig();
    rig.track("a");
    let told = rig.collector.collect(10 * SECOND).await;
    assert_eq!(finished(&told), 1);
    assert_eq!(rig.store.settled("a"), Some(true));
    assert_eq!(rig.up(), "1");
    let writes = rig.store.writes();
    rig.collector.collect(10 * SECOND).await;
    assert_eq!(rig.store.writes(), writes, "nothing has changed");
}

#[tokio::test]
async fn persist_returns_when_what_was_learned_is_written() {
    let rig = rig();
    rig.track("a");
    assert_eq!(rig.store.settled("a"), None);
    rig.collector.persist().await.unwrap();
    assert_eq!(rig.store.settled("a"), Some(false));
    assert!(rig.collector.untrack(&key("prod", "a"), Origin::Demo));
    rig.collector.persist().await.unwrap();
    assert_eq!(rig.store.settled("a"), None);
    assert!(!rig.collector.untrack(&key("prod", "a"), Origin::Demo));
}

#[tokio::test]
async fn a_persist_with_nothing_of_its_own_waits_for_the_write_before() {
    let rig = rig();
    rig.track("a");
    rig.store.be(Behaviour::Hanging);
    let first = tokio::spawn({
        let collector = rig.collector.clone();
        async move { collector.persist().await }
    });
    while rig
        .collector
        .inner
        .persister
        .as_ref()
        .unwrap()
        .write_lock
        .try_lock()
        .is_ok()
    {
        tokio::task::yield_now().await;
    }
    let mut second = tokio::spawn({
        let collector = rig.collector.clone();
        async move { collector.persist().await }
    });
    assert!(
        tokio::time::timeout(Duration::from_millis(100), &mut second)
            .await
            .is_err(),
        "it did not wait"
    );
    rig.store.be(Behaviour::Good);
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(rig.store.settled("a"), Some(false));
}

#[tokio::test]
async fn who_goes_away_takes_nothing_along() {
    let rig = rig();
    rig.track("a");
    rig.store.be(Behaviour::Hanging);
    assert!(
        tokio::time::timeout(Duration::from_millis(50), rig.collector.persist())
            .await
            .is_err()
    );
    rig.store.be(Behaviour::Good);
    rig.collector.persist().await.unwrap();
    assert_eq!(rig.store.settled("a"), Some(false));
}

#[tokio::test]
async fn a_slow_store_keeps_no_scrape_waiting_past_its_budget() {
    let rig = rig();
    rig.track("a");
    rig.store.be(Behaviour::Hanging);
    let start = Instant::now();
    let told = rig.collector.collect(SECOND).await;
    assert!(start.elapsed() < 3 * SECOND / 2, "{:?}", start.elapsed());
    assert_eq!(finished(&told), 1);
    assert_eq!(rig.up(), "0");
    rig.store.be(Behaviour::Good);
    rig.collector.persist().await.unwrap();
    assert_eq!(
        (rig.up().as_str(), rig.store.settled("a")),
        ("1", Some(true))
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_tried_again_and_then_has_everything() {
    let rig = rig();
    rig.track("a");
    rig.collector.persist().await.unwrap();
    rig.store.be(Behaviour::Failing);
    rig.track("b");
    let failed = rig.collector.persist().await.unwrap_err();
    assert!(failed.to_string().contains("/full: no room"), "{failed}");
    assert_eq!(
        (rig.up().as_str(), rig.series("write_errors_total").as_str()),
        ("0", "1")
    );
    rig.collector.untrack(&key("prod", "a"), Origin::Demo);
    let told = rig.collector.collect(10 * SECOND).await;
    assert_eq!(finished(&told), 1, "the scrape is answered from memory");
    rig.collector.persist().await.unwrap_err();
    assert_eq!(
        rig.series("write_errors_total"),
        "1",
        "it is left alone for a while"
    );
    tokio::time::sleep(11 * SECOND).await;
    rig.collector.persist().await.unwrap_err();
    assert_eq!(rig.series("write_errors_total"), "2");
    rig.store.be(Behaviour::Good);
    tokio::time::sleep(9 * SECOND).await;
    rig.collector.persist().await.unwrap_err();
    tokio::time::sleep(2 * SECOND).await;
    rig.collector.persist().await.unwrap();
    assert_eq!(rig.up(), "1");
    assert_eq!(
        (rig.store.settled("a"), rig.store.settled("b")),
        (None, Some(true))
    );
}

#[tokio::test(start_paused = true)]
async fn at_the_stop_a_store_that_failed_is_tried_at_once() {
    let rig = rig();
    rig.track("a");
    rig.store.be(Behaviour::Failing);
    rig.collector.persist().await.unwrap_err();
    rig.store.be(Behaviour::Good);
    rig.collector.persist().await.unwrap_err();
    rig.collector.stop();
    rig.collector.persist().await.unwrap();
    assert_eq!(rig.store.settled("a"), Some(false));
}

#[tokio::test]
async fn a_store_that_was_recreated_gets_everything_again() {
    let rig = rig();
    rig.track("a");
    rig.collector.persist().await.unwrap();
    rig.store.be(Behaviour::Recreated);
    rig.track("b");
    rig.collector.persist().await.unwrap();
    assert_eq!(
        (rig.store.settled("a"), rig.store.settled("b")),
        (Some(false), Some(false))
    );
}

#[tokio::test(start_paused = true)]
async fn between_scrapes_it_is_written_every_second() {
    let rig = rig();
    let flushing = tokio::spawn({
        let collector = rig.collector.clone();
        async move { collector.flush_periodically().await }
    });
    rig.track("a");
    tokio::time::sleep(3 * SECOND).await;
    assert_eq!(rig.store.settled("a"), Some(false));
    let writes = rig.store.writes();
    tokio::time::sleep(100 * SECOND).await;
    assert_eq!(rig.store.writes(), writes, "nothing has changed");
    flushing.abort();
}

#[tokio::test]
async fn without_a_store_everything_is_as_durable_as_it_gets() {
    let metrics = SelfMetrics::new().unwrap();
    let collector = Collector::new(&metrics, clock(), SETTINGS);
    collector.persist().await.unwrap();
    collector.flush_periodically().await;
}

#[tokio::test]
async fn a_scrape_during_many_writes_never_tells_what_the_file_does_not_hold() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = SelfMetrics::new().unwrap();
    let clock = clock();
    let open = || Arc::new(LocalStore::open(folder.path()).unwrap());
    let account = Account {
        name: AccountName::new("prod"),
        region: "eu-central-1".into(),
    };
    let mut told_before = 0;
    for round in 0..5 {
        let store = open();
        let saved = store.load().unwrap();
        let held: u64 = saved
            .transfers
            .iter()
            .filter(|(_, record)| record.ended.is_some())
            .count() as u64;
        assert!(
            held >= told_before,
            "{told_before} had been told, {held} are there"
        );
        let collector = Collector::with_store(&metrics, Arc::clone(&clock), SETTINGS, store, saved);
        let limits = AccountLimiter::new(4, 1_000.0, Arc::clone(&clock));
        collector.configure(Targets {
            accounts: vec![AccountApi {
                account: account.clone(),
                api: Arc::new(Completed),
                limits,
                concurrency: 4,
            }],
            transfers: Vec::new(),
            connectors: Vec::new(),
            settings: SETTINGS,
        });
        for n in 0..50 {
            collector.track(key("prod", &format!("{round}-{n}")), Origin::Demo, None);
        }
        told_before = finished(&collector.collect(30 * SECOND).await);
        assert_eq!(told_before, 50 * (round + 1));
    }
}
