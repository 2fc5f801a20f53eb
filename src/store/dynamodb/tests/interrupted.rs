//! Writes that end in their middle.

use super::*;

/// Returns a store whose requests meet a fault once `is_on`, if they are of a kind.
fn faulty(
    table: &FakeTable,
    fault: Fault,
    meets: impl Fn(&Request) -> bool + Send + Sync + 'static,
) -> (SharedStore, Arc<AtomicU64>) {
    let after = Arc::new(AtomicU64::new(u64::MAX));
    let left = Arc::clone(&after);
    let fate = move |request: &Request| {
        let count = |left: u64| left.checked_sub(1);
        let is_met = meets(request)
            && left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, count)
                .is_err();
        RequestFate {
            fault: is_met.then_some(fault),
            ..RequestFate::default()
        }
    };
    (store(&table.with_fates(fate), "a", tokio_clock()), after)
}

/// Returns what another process loads once it has taken over.
async fn taken_over(table: &FakeTable) -> BTreeMap<u64, u64> {
    let b = store(table, "b", tokio_clock());
    b.acquire().await.unwrap();
    tokio::time::sleep(WAIT).await;
    b.acquire().await.unwrap();
    sorted(&b.load().await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn pieces_that_may_be_valid_are_not_written_over() {
    let table = FakeTable::new();
    let is_lease = |request: &Request| *request == Request::WriteLease;
    let (a, lost_after) = faulty(&table, Fault::LostAnswer, is_lease);
    a.acquire().await.unwrap();
    lost_after.store(0, Ordering::Relaxed);
    // Valid, and the process does not know.
    a.save(operations(0..1_500, 2)).await.unwrap_err();
    assert!(a.is_held(), "the lease has not ended");
    lost_after.store(u64::MAX, Ordering::Relaxed);
    let (dying, dies_after) = faulty(&table, Fault::Unreachable, |_| true);
    // The same process goes on, and dies within its next write.
    *dying.0.writer.lock().await = std::mem::take(&mut *a.0.writer.lock().await);
    let until = a.0.held_until.load(Ordering::Relaxed);
    dying.0.held_until.store(until, Ordering::Relaxed);
    dies_after.store(2, Ordering::Relaxed);
    dying.save(operations(0..1_500, 3)).await.unwrap_err();
    let stored = taken_over(&table).await;
    assert!(stored.len() == 1_500 && stored.values().all(|until| *until == 2));
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_is_not_finished_leaves_the_one_before() {
    let table = FakeTable::new();
    let is_snapshot =
        |request: &Request| matches!(request, Request::Put(name) if name.starts_with("snapshot"));
    let (a, dies_after) = faulty(&table, Fault::Unreachable, is_snapshot);
    a.acquire().await.unwrap();
    for (round, until) in [(0, 1), (1, 2), (2, 3)] {
        a.save(operations(0..1_500, until)).await.unwrap();
        if round < 2 {
            a.0.force_compaction().await.unwrap();
        }
    }
    dies_after.store(3, Ordering::Relaxed);
    a.0.force_compaction().await.unwrap_err();
    let stored = taken_over(&table).await;
    assert!(stored.len() == 1_500 && stored.values().all(|until| *until == 3));
}
