use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use super::fake::{FakeTable, Fault, Request, RequestFate};
use super::*;
use crate::flows::record::FlowRecord;
use crate::store::StoreOperation;
use crate::tracker::persist::{ConnectorRecord, FailureRecord, UncountedRecord};
use model::{AccountName, TransferKey, stable_hash};

mod interrupted;
mod world;

const SECOND: Duration = Duration::from_secs(1);
const LIFETIME: Duration = Duration::from_secs(15);
/// How long others wait.
const WAIT: Duration = Duration::from_millis(16_500);

/// Counts what a store reports.
#[derive(Default)]
pub(super) struct Counts {
    acquired: AtomicU64,
    refused: AtomicU64,
}

impl LeaseObserver for Counts {
    fn acquired(&self, _epoch: u64) {
        self.acquired.fetch_add(1, Ordering::Relaxed);
    }

    fn renewed(&self) {}

    fn consumed(&self, _operation: StoreOperation, _units: f64) {}

    fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }
}

impl Shared {
    /// Writes a snapshot, however short the log is.
    async fn force_compaction(&self) -> Result<(), StoreError> {
        self.writer.lock().await.log_bytes += 1 << 40;
        self.compact().await
    }
}

/// Returns a clock that follows Tokio's.
pub(super) fn tokio_clock() -> BootClock {
    let start = tokio::time::Instant::now();
    Arc::new(move || start.elapsed() + SECOND)
}

pub(super) fn store(table: &FakeTable, process: &str, clock: BootClock) -> SharedStore {
    let settings = SharedStoreSettings {
        lifetime: LIFETIME,
        clock,
        most_transfers: usize::MAX,
        observer: Arc::new(Counts::default()),
    };
    let url = "dynamodb://state".parse().unwrap();
    SharedStore::new(Box::new(table.clone()), url, process.to_owned(), settings)
}

async fn owner(table: &FakeTable, process: &str) -> SharedStore {
    let store = store(table, process, tokio_clock());
    let acquired = store.acquire().await.unwrap();
    assert!(
        matches!(acquired, Acquisition::Acquired { .. }),
        "{acquired:?}"
    );
    store
}

/// Operations that have been counted.
fn operations(numbers: std::ops::Range<u64>, until: u64) -> Arc<PendingWrites> {
    Arc::new(PendingWrites {
        operations: numbers.map(|number| (number, Some(until))).collect(),
        ..PendingWrites::default()
    })
}

fn sorted(saved: &SavedState) -> BTreeMap<u64, u64> {
    saved.operations.iter().copied().collect()
}

#[tokio::test(start_paused = true)]
async fn one_process_owns_a_shard_until_its_lease_ends() {
    let table = FakeTable::new();
    let a = owner(&table, "a").await;
    let b = store(&table, "b", tokio_clock());
    let held = Acquisition::HeldBy {
        owner: "a".to_owned(),
        time_left: WAIT,
    };
    assert_eq!(b.acquire().await.unwrap(), held.clone());
    tokio::time::sleep(10 * SECOND).await;
    a.renew().await.unwrap();
    assert_eq!(b.acquire().await.unwrap(), held, "it was renewed");
    tokio::time::sleep(14 * SECOND).await;
    assert!(a.is_held());
    assert!(matches!(b.acquire().await, Ok(Acquisition::HeldBy { .. })));
    tokio::time::sleep(SECOND).await;
    assert!(!a.is_held(), "before others stop waiting");
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(
        b.acquire().await.unwrap(),
        Acquisition::Acquired { epoch: 2 }
    );
    assert!(b.is_held());
    // The former owner finds out without a request, and writes nothing.
    let writes = table.writes();
    let lost = a.save(operations(0..1, 1)).await.unwrap_err();
    assert!(matches!(lost, StoreError::LeaseLost { .. }), "{lost}");
    assert_eq!(table.writes(), writes);
}

#[tokio::test(start_paused = true)]
async fn a_request_of_the_owner_that_arrives_late_does_not_set_the_lease_back() {
    let table = FakeTable::new();
    let a = owner(&table, "a").await;
    a.save(operations(0..1, 1)).await.unwrap();
    let late = table.lease_now().unwrap();
    a.save(operations(1..2, 1)).await.unwrap();
    tokio::time::sleep(10 * SECOND).await;
    a.renew().await.unwrap();
    let present = table.lease_now().unwrap();
    let expected = Expected::Epoch(late.epoch);
    let written = table.write_lease(late, expected).await;
    assert_eq!(written, Err(TableError::Conflict));
    assert_eq!(table.lease_now().unwrap(), present);
    // As a retry within the SDK does.
    table.write_lease(present, expected).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_given_back_is_taken_at_once() {
    let table = FakeTable::new();
    let a = owner(&table, "a").await;
    a.save(operations(0..3, 7)).await.unwrap();
    a.release().await;
    assert!(!a.is_held());
    let b = owner(&table, "b").await;
    assert_eq!(
        sorted(&b.load().await.unwrap()),
        (0..3).map(|n| (n, 7)).collect()
    );
    assert_eq!(table.lease_now().unwrap().epoch, 2);
    a.release().await;
    assert!(b.renew().await.is_ok(), "only its own lease");
}

#[tokio::test(start_paused = true)]
async fn an_ownership_that_has_ended_writes_nothing_even_if_the_process_owns_the_shard_again() {
    let table = FakeTable::new();
    let a = owner(&table, "a").await;
    let first = a.term(1);
    first.save(operations(0..2, 1)).await.unwrap();
    a.release().await;
    assert_eq!(
        a.acquire().await.unwrap(),
        Acquisition::Acquired { epoch: 2 }
    );
    let second = a.term(2);
    let lost = first.save(operations(0..2, 9)).await.unwrap_err();
    assert!(matches!(lost, StoreError::LeaseLost { .. }), "{lost}");
    assert!(a.is_held(), "the new ownership goes on");
    second.save(operations(2..3, 2)).await.unwrap();
    let stored = sorted(&second.load().await.unwrap());
    assert_eq!(stored, [(0, 1), (1, 1), (2, 2)].into());
}

#[tokio::test(start_paused = true)]
async fn a_process_whose_clock_stood_still_writes_nothing() {
    let table = FakeTable::new();
    // A machine that was suspended, and whose clock does not know.
    let a = store(&table, "a", Arc::new(|| SECOND));
    assert_eq!(
        a.acquire().await.unwrap(),
        Acquisition::Acquired { epoch: 1 }
    );
    a.save(operations(0..2, 1)).await.unwrap();
    let b = store(&table, "b", tokio_clock());
    b.acquire().await.unwrap();
    tokio::time::sleep(WAIT).await;
    assert_eq!(
        b.acquire().await.unwrap(),
        Acquisition::Acquired { epoch: 2 }
    );
    b.save(operations(0..1, 2)).await.unwrap();
    assert!(a.is_held(), "it believes so");
    for changes in [operations(0..1, 9), operations(0..300, 9)] {
        let lost = a.save(changes).await.unwrap_err();
        assert!(matches!(lost, StoreError::LeaseLost { .. }), "{lost}");
        assert!(!a.is_held());
    }
    let stored = sorted(&b.load().await.unwrap());
    assert_eq!(stored, [(0, 2), (1, 1)].into());
}

#[tokio::test(start_paused = true)]
async fn a_former_owner_makes_nothing_valid_even_if_its_successor_has_written_nothing() {
    for is_renewal in [true, false] {
        let table = FakeTable::new();
        let a = store(&table, "a", Arc::new(|| SECOND));
        a.acquire().await.unwrap();
        a.save(operations(0..2, 1)).await.unwrap();
        let b = store(&table, "b", tokio_clock());
        b.acquire().await.unwrap();
        tokio::time::sleep(WAIT).await;
        b.acquire().await.unwrap();
        let lease = table.lease_now();
        let lost = if is_renewal {
            a.0.write_lease(&mut *a.0.writer.lock().await, |_| {}).await
        } else {
            a.save(operations(0..1, 9)).await
        };
        assert!(
            matches!(lost, Err(StoreError::LeaseLost { .. })),
            "{lost:?}"
        );
        assert_eq!(table.lease_now(), lease);
        b.save(operations(5..6, 2)).await.unwrap();
        let stored = sorted(&b.load().await.unwrap());
        assert_eq!(stored, [(0, 1), (1, 1), (5, 2)].into());
    }
}

#[tokio::test(start_paused = true)]
async fn every_record_is_loaded_as_it_was_written() {
    let table = FakeTable::new();
    let a = owner(&table, "a").await;
    let key = |account: &str, n: u64| TransferKey {
        account: AccountName::new(account),
        connector: format!("c-{n:017x}").parse().unwrap(),
        transfer: format!("t/{n}.x").parse().unwrap(),
    };
    let failure = |n: usize| FailureRecord {
        path: format!("/a/{n}"),
        code: "TIMEOUT_ERROR".into(),
        // Nearly as long as AWS allows, and not compressed to nothing.
        message: Some((0..60).fold(String::new(), |text, part| {
            text + &stable_hash(&format!("{n} {part}")).to_string()
        })),
        at: 5,
        since: 4,
        resolution: 0,
    };
    let failures = |number: usize| (0..number).map(failure).collect::<Vec<_>>();
    let writes = PendingWrites {
        connectors: vec![(
            key("a#b", 3).connector_key(),
            Some(ConnectorRecord {
                region: "eu".into(),
                ..ConnectorRecord::default()
            }),
        )],
        failures: vec![
            (key("prod", 1), failures(2)),
            (key("a#b", 2), failures(900)),
        ],
        fates: vec![(u64::MAX, Some(vec![1, 2, 3])), (0, Some(vec![]))],
        flows: vec![("prices #1".into(), Some(FlowRecord::default()))],
        uncounted: vec![(77, Some(UncountedRecord::default()))],
        ..PendingWrites::default()
    };
    a.save(Arc::new(writes)).await.unwrap();
    assert!(table.lease_now().unwrap().head > 300, "in many pieces");
    let read = async || {
        a.release().await;
        a.acquire().await.unwrap();
        a.load().await.unwrap()
    };
    let lengths = |saved: &SavedState| -> BTreeMap<_, _> {
        let failures = saved.failures.iter();
        failures
            .map(|(key, rows)| (key.clone(), rows.clone()))
            .collect()
    };
    // From the log, and from a snapshot.
    for _ in 0..2 {
        let saved = read().await;
        let expected = [
            (key("prod", 1), failures(2)),
            (key("a#b", 2), failures(900)),
        ];
        assert!(lengths(&saved) == expected.into());
        assert_eq!(saved.connectors[0].0, key("a#b", 3).connector_key());
        let others = (saved.fates.len(), saved.flows.len(), saved.uncounted.len());
        assert_eq!(others, (2, 1, 1));
        a.0.force_compaction().await.unwrap();
        let lease = table.lease_now().unwrap();
        assert_eq!(lease.base.unwrap().version.number, lease.head);
    }
    for number in [400, 1, 0] {
        let writes = PendingWrites {
            failures: vec![(key("a#b", 2), failures(number))],
            ..PendingWrites::default()
        };
        a.save(Arc::new(writes)).await.unwrap();
        let found = lengths(&read().await)
            .get(&key("a#b", 2))
            .map_or(0, Vec::len);
        assert_eq!(found, number);
    }
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_fails_is_tried_again_after_growing_pauses() {
    let attempts = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&attempts);
    let fate = move |request: &Request| {
        let is_snapshot = matches!(request, Request::Put(name) if name.starts_with("snapshot#"));
        counted.fetch_add(u64::from(is_snapshot), Ordering::Relaxed);
        RequestFate {
            fault: is_snapshot.then_some(Fault::Busy),
            ..RequestFate::default()
        }
    };
    let a = store(&FakeTable::new().with_fates(fate), "a", tokio_clock());
    a.acquire().await.unwrap();
    a.0.writer.lock().await.log_bytes = 1 << 40;
    for second in 0..100 {
        a.save(operations(second..second + 1, 1)).await.unwrap();
        tokio::time::sleep(SECOND).await;
    }
    // After about 0, 10, 30 and 70 s, each with the retries of its first item.
    let requests = 1 + RETRY_PAUSES.len() as u64;
    assert_eq!(attempts.load(Ordering::Relaxed), 4 * requests);
}

#[tokio::test(start_paused = true)]
async fn changes_are_written_whole_or_not_at_all() {
    // The process ends after each of its requests in turn.
    for requests in 0..20 {
        let table = FakeTable::new();
        let left = Arc::new(AtomicU64::new(requests));
        let fate = move |_: &Request| {
            let dead = left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                    left.checked_sub(1)
                })
                .is_err();
            RequestFate {
                fault: dead.then_some(Fault::Unreachable),
                ..RequestFate::default()
            }
        };
        let a = store(&table.with_fates(fate), "a", tokio_clock());
        let saved = match a.acquire().await {
            Ok(_) => {
                a.save(operations(0..10, 1)).await.ok();
                a.save(operations(0..1_500, 2)).await
            }
            Err(error) => Err(error),
        };
        let b = store(&table, "b", tokio_clock());
        b.acquire().await.unwrap();
        tokio::time::sleep(WAIT).await;
        assert!(matches!(
            b.acquire().await,
            Ok(Acquisition::Acquired { .. })
        ));
        let stored = sorted(&b.load().await.unwrap());
        let news = stored.values().filter(|until| **until == 2).count();
        assert!(
            news == 0 || news == 1_500,
            "{news} after {requests} requests"
        );
        assert!(saved.is_err() || news == 1_500, "{requests}: {saved:?}");
        assert!(requests < 18 || news == 1_500, "{requests}: {saved:?}");
        b.save(operations(0..1, 3)).await.unwrap();
        assert_eq!(sorted(&b.load().await.unwrap())[&0], 3);
    }
}

#[tokio::test(start_paused = true)]
async fn the_log_does_not_grow_without_bound() {
    let table = FakeTable::new().with_pages_of(500);
    let a = owner(&table, "a").await;
    let (mut most, mut expected) = (0, BTreeMap::new());
    for round in 0..18_000 {
        // As many pieces as a busy process writes in five hours.
        let numbers = round % 900..round % 900 + 2;
        expected.extend(numbers.clone().map(|number| (number, round)));
        a.save(operations(numbers, round)).await.unwrap();
        let lease = table.lease_now().unwrap();
        let included = lease.base.map_or(0, |base| base.version.number);
        most = most.max(lease.head - included);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(most < 10_000, "{most} pieces");
    let names = table.items_now();
    let log = names.keys().filter(|name| name.starts_with("log#")).count();
    assert_eq!(log, 16_384, "the places are used again");
    a.release().await;
    let b = owner(&table, "b").await;
    assert_eq!(sorted(&b.load().await.unwrap()), expected);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_no_lost_lease() {
    let table = FakeTable::new();
    let faults = Arc::new(AtomicU64::new(0));
    let fate = {
        let faults = Arc::clone(&faults);
        move |_: &Request| RequestFate {
            fault: (faults.swap(0, Ordering::Relaxed) == 1).then_some(Fault::LostAnswer),
            ..RequestFate::default()
        }
    };
    let a = store(&table.with_fates(fate), "a", tokio_clock());
    // The second request takes the lease.
    faults.store(0, Ordering::Relaxed);
    let taken = a.acquire();
    assert_eq!(taken.await.unwrap(), Acquisition::Acquired { epoch: 1 });
    faults.store(1, Ordering::Relaxed);
    a.save(operations(0..5, 4)).await.unwrap();
    assert_eq!(sorted(&a.load().await.unwrap()).len(), 5);
    a.release().await;
    // Taken, and the answer lost: the next attempt goes on from there.
    table.set_lease(|lease| {
        lease.owner = "a".to_owned();
        lease.epoch = 2;
    });
    assert_eq!(
        a.acquire().await.unwrap(),
        Acquisition::Acquired { epoch: 3 }
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_used_is_named_and_left_as_it_is() {
    let table = FakeTable::new();
    let a = owner(&table, "a").await;
    a.save(operations(0..3, 1)).await.unwrap();
    a.save(operations(3..5, 1)).await.unwrap();
    let text = |error: StoreError| error.to_string();
    let whole = table.items_now();
    let (first, second) = ("log#00001", "log#00002");

    table.set_item(first, |item| *item.value.last_mut().unwrap() ^= 1);
    let damaged = text(a.load().await.unwrap_err());
    assert!(
        damaged.contains("item `log#00001`: it is damaged"),
        "{damaged}"
    );
    table.set_item(first, |item| item.value.truncate(7));
    let short = text(a.load().await.unwrap_err());
    assert!(short.contains("item `log#00001`: it is damaged"), "{short}");
    table.set_item(first, |item| *item = whole[first].clone());
    table.drop_item(second);
    let missing = text(a.load().await.unwrap_err());
    assert!(
        missing.contains("item `log#00002`: piece 2 of the log is missing"),
        "{missing}"
    );
    table.put(whole[second].clone()).await.unwrap();
    assert_eq!(a.load().await.unwrap().operations.len(), 5);
    table.set_lease(|lease| {
        lease.base = Some(lease::StateSnapshot {
            area: lease::Area::A,
            version: whole[second].version,
            items: 1,
            bytes: 1,
        });
    });
    let lease = table.lease_now();
    a.release().await;
    table.set_lease(|known| *known = lease.unwrap());
    let b = store(&table, "a", tokio_clock());
    b.acquire().await.unwrap();
    let missing = text(b.load().await.unwrap_err());
    assert!(
        missing.contains("item `snapshot#a#000000`: it is missing"),
        "{missing}"
    );
    table.set_lease(|lease| lease.base = None);
    a.acquire().await.unwrap();

    a.release().await;
    table.set_lease(|lease| lease.format = 9);
    let lease = table.lease_now();
    let newer = text(a.acquire().await.unwrap_err());
    assert!(
        newer.contains("it has format 9, this release supports 1"),
        "{newer}"
    );
    assert_eq!(table.lease_now(), lease);

    table.set_lease(|lease| lease.format = 1);
    a.acquire().await.unwrap();
    table.delete();
    let missing = text(a.save(operations(0..1, 1)).await.unwrap_err());
    assert!(missing.contains("storage init"), "{missing}");
    let missing = text(a.acquire().await.unwrap_err());
    assert!(missing.contains("the table does not exist"), "{missing}");
}
