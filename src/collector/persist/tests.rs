use std::collections::BTreeMap;
use std::time::Instant;

use crate::collector::tests::{SECOND, SETTINGS, clock, key, track};
use crate::collector::*;
use crate::store::{BlockingStore, OnThreads, Store, StoreError, local::LocalStore};
use crate::tracker::persist::PendingWrites;
use crate::transfer::fake::{FakeTransferApi, page_with_status};
use crate::transfer::limiter::AccountLimiter;
use model::TransferState;

mod shared;

/// A store whose behaviour tests can change.
#[derive(Default)]
struct FakeStore {
    behaviour: Mutex<Behaviour>,
    /// Whether each written transfer has ended, and the number of writes.
    written: Mutex<(BTreeMap<String, bool>, usize)>,
}

#[derive(Clone, Copy, Default)]
enum Behaviour {
    #[default]
    Good,
    Failing,
    /// Blocks until the behaviour changes.
    Hanging,
    Recreated,
}

impl FakeStore {
    fn set(&self, behaviour: Behaviour) {
        *lock(&self.behaviour) = behaviour;
    }

    fn settled(&self, transfer: &str) -> Option<bool> {
        lock(&self.written).0.get(transfer).copied()
    }

    fn writes(&self) -> usize {
        lock(&self.written).1
    }
}

impl BlockingStore for FakeStore {
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
                self.set(Behaviour::Good);
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
                Some(record) => written.0.insert(
                    key.transfer.to_string(),
                    record.state == TransferState::Completed as u8,
                ),
                None => written.0.remove(key.transfer.as_str()),
            };
        }
        Ok(())
    }

    fn size(&self) -> u64 {
        1
    }
}

/// Returns a fake in which every transfer has completed.
fn completed() -> Arc<dyn TransferApi> {
    FakeTransferApi::new(|_| Ok(page_with_status("COMPLETED"))).port()
}

struct Rig {
    store: Arc<FakeStore>,
    collector: Collector,
    metrics: SelfMetrics,
}

fn rig() -> Rig {
    rig_with(|store| Arc::new(OnThreads(store)))
}

fn rig_with(store_of: impl Fn(Arc<FakeStore>) -> Arc<dyn Store>) -> Rig {
    let (store, clock) = (Arc::new(FakeStore::default()), clock());
    let metrics = SelfMetrics::new().unwrap();
    let collector = Collector::with_store(
        &metrics,
        Arc::clone(&clock),
        SETTINGS,
        store_of(store.clone()),
        store.load().unwrap(),
    );
    let account = Account {
        name: AccountName::new("prod"),
        region: "eu-central-1".into(),
    };
    let limits = AccountLimiter::new(4, 1_000.0, clock);
    collector.configure(Targets {
        flows: Vec::new(),
        listed: BTreeSet::new(),
        sources: BTreeSet::new(),
        accounts: vec![AccountApi {
            account,
            api: completed(),
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
        track(&self.collector, key("prod", transfer));
    }

    /// Returns the value of a series of the storage.
    fn series(&self, name: &str) -> String {
        use crate::metrics::exposition::render;
        use crate::metrics::{NameFilter, Scrape, ScrapeRequest};
        let started = std::time::SystemTime::UNIX_EPOCH;
        let snapshot = Arc::new(Snapshot::default());
        let scrape = Scrape {
            snapshots: vec![snapshot],
            complete: true,
            metrics: &self.metrics,
            server: false,
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
            .unwrap_or_default()
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
async fn changes_are_written_before_a_scrape_is_answered() {
    let rig = rig();
    rig.track("a");
    let collected = rig.collector.collect(10 * SECOND).await;
    assert_eq!(finished(&collected), 1);
    assert_eq!(rig.store.settled("a"), Some(true));
    assert_eq!(rig.up(), "1");
    let writes = rig.store.writes();
    rig.collector.collect(10 * SECOND).await;
    assert_eq!(rig.store.writes(), writes, "nothing has changed");
}

#[tokio::test]
async fn persist_returns_when_the_changes_are_written() {
    let rig = rig();
    rig.track("a");
    assert_eq!(rig.store.settled("a"), None);
    rig.collector.persist().await.unwrap();
    assert_eq!(rig.store.settled("a"), Some(false));
    assert!(rig.collector.untrack(&key("prod", "a"), Origin::Api));
    rig.collector.persist().await.unwrap();
    assert_eq!(rig.store.settled("a"), None);
    assert!(!rig.collector.untrack(&key("prod", "a"), Origin::Api));
}

#[tokio::test]
async fn persist_without_changes_waits_for_the_running_write() {
    let rig = rig();
    rig.track("a");
    rig.store.set(Behaviour::Hanging);
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
    rig.store.set(Behaviour::Good);
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(rig.store.settled("a"), Some(false));
}

#[tokio::test]
async fn a_cancelled_persist_loses_no_changes() {
    let rig = rig();
    rig.track("a");
    rig.store.set(Behaviour::Hanging);
    assert!(
        tokio::time::timeout(Duration::from_millis(50), rig.collector.persist())
            .await
            .is_err()
    );
    rig.store.set(Behaviour::Good);
    rig.collector.persist().await.unwrap();
    assert_eq!(rig.store.settled("a"), Some(false));
}

#[tokio::test]
async fn a_slow_store_does_not_delay_a_scrape_beyond_its_budget() {
    let rig = rig();
    rig.track("a");
    rig.store.set(Behaviour::Hanging);
    let start = Instant::now();
    let collected = rig.collector.collect(SECOND).await;
    assert!(start.elapsed() < 3 * SECOND / 2, "{:?}", start.elapsed());
    assert_eq!(finished(&collected), 1);
    assert_eq!(rig.up(), "0");
    rig.store.set(Behaviour::Good);
    rig.collector.persist().await.unwrap();
    assert_eq!(
        (rig.up().as_str(), rig.store.settled("a")),
        ("1", Some(true))
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_store_is_retried_and_gets_all_changes() {
    let rig = rig();
    rig.track("a");
    rig.collector.persist().await.unwrap();
    rig.store.set(Behaviour::Failing);
    rig.track("b");
    let failed = rig.collector.persist().await.unwrap_err();
    assert!(failed.to_string().contains("/full: no room"), "{failed}");
    assert_eq!(
        (rig.up().as_str(), rig.series("write_errors_total").as_str()),
        ("0", "1")
    );
    rig.collector.untrack(&key("prod", "a"), Origin::Api);
    let collected = rig.collector.collect(10 * SECOND).await;
    assert_eq!(
        finished(&collected),
        1,
        "the scrape is answered from memory"
    );
    rig.collector.persist().await.unwrap_err();
    assert_eq!(
        rig.series("write_errors_total"),
        "1",
        "the store is not retried yet"
    );
    tokio::time::sleep(11 * SECOND).await;
    rig.collector.persist().await.unwrap_err();
    assert_eq!(rig.series("write_errors_total"), "2");
    rig.store.set(Behaviour::Good);
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
async fn a_failed_store_is_retried_at_once_on_shutdown() {
    let rig = rig();
    rig.track("a");
    rig.store.set(Behaviour::Failing);
    rig.collector.persist().await.unwrap_err();
    rig.store.set(Behaviour::Good);
    rig.collector.persist().await.unwrap_err();
    rig.collector.stop();
    rig.collector.persist().await.unwrap();
    assert_eq!(rig.store.settled("a"), Some(false));
}

#[tokio::test]
async fn a_recreated_store_gets_the_complete_state() {
    let rig = rig();
    rig.track("a");
    rig.collector.persist().await.unwrap();
    rig.store.set(Behaviour::Recreated);
    rig.track("b");
    rig.collector.persist().await.unwrap();
    assert_eq!(
        (rig.store.settled("a"), rig.store.settled("b")),
        (Some(false), Some(false))
    );
}

#[tokio::test(start_paused = true)]
async fn changes_are_written_every_second_between_scrapes() {
    let rig = rig();
    let flushing = tokio::spawn({
        let collector = rig.collector.clone();
        async move { collector.run_housekeeping().await }
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
async fn persist_returns_at_once_without_a_store() {
    let metrics = SelfMetrics::new().unwrap();
    let collector = Collector::new(&metrics, clock(), SETTINGS);
    collector.persist().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn finished_transfers_expire_without_scrapes_and_without_a_store() {
    let metrics = SelfMetrics::new().unwrap();
    let clock = clock();
    let collector = Collector::new(&metrics, Arc::clone(&clock), SETTINGS);
    let account = Account {
        name: AccountName::new("prod"),
        region: "eu-central-1".into(),
    };
    collector.configure(Targets {
        flows: Vec::new(),
        listed: BTreeSet::new(),
        accounts: vec![AccountApi {
            account,
            api: completed(),
            limits: AccountLimiter::new(4, 1_000.0, clock),
            concurrency: 4,
        }],
        transfers: Vec::new(),
        connectors: Vec::new(),
        settings: SETTINGS,
        sources: BTreeSet::new(),
    });
    track(&collector, key("prod", "a"));
    collector.collect(10 * SECOND).await;
    // The second equal answer settles the transfer.
    tokio::time::sleep(40 * SECOND).await;
    assert_eq!(finished(&collector.collect(10 * SECOND).await), 1);
    let housekeeping = tokio::spawn({
        let collector = collector.clone();
        async move { collector.run_housekeeping().await }
    });
    tokio::time::sleep(SETTINGS.keep_settled - SECOND).await;
    assert_eq!(finished(&collector.current()), 1);
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(finished(&collector.current()), 0);
    housekeeping.abort();
}

#[tokio::test]
async fn scrapes_never_return_more_than_the_file_contains() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = SelfMetrics::new().unwrap();
    let clock = clock();
    let open = || Arc::new(LocalStore::open(folder.path()).unwrap());
    let account = Account {
        name: AccountName::new("prod"),
        region: "eu-central-1".into(),
    };
    let mut reported = 0;
    for round in 0..5 {
        let store = open();
        let saved = store.load().unwrap();
        let held: u64 = saved
            .transfers
            .iter()
            .filter(|(_, record)| record.state == TransferState::Completed as u8)
            .count() as u64;
        assert!(
            held >= reported,
            "{reported} were reported, {held} are stored"
        );
        let store = Arc::new(OnThreads(store));
        let collector = Collector::with_store(&metrics, Arc::clone(&clock), SETTINGS, store, saved);
        let limits = AccountLimiter::new(4, 1_000.0, Arc::clone(&clock));
        collector.configure(Targets {
            flows: Vec::new(),
            listed: BTreeSet::new(),
            sources: BTreeSet::new(),
            accounts: vec![AccountApi {
                account: account.clone(),
                api: completed(),
                limits,
                concurrency: 4,
            }],
            transfers: Vec::new(),
            connectors: Vec::new(),
            settings: SETTINGS,
        });
        for n in 0..50 {
            track(&collector, key("prod", &format!("{round}-{n}")));
        }
        reported = finished(&collector.collect(30 * SECOND).await);
        assert_eq!(reported, 50 * (round + 1));
    }
}
