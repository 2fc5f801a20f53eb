//! A store that other processes may continue from.

use super::*;
use crate::store::StoreFuture;

/// A store that other processes may continue from.
struct SharedStore(OnThreads<FakeStore>);

impl Store for SharedStore {
    fn load(&self) -> StoreFuture<'_, SavedState> {
        self.0.load()
    }

    fn save(&self, changes: Arc<PendingWrites>) -> StoreFuture<'_, ()> {
        self.0.save(changes)
    }

    fn size(&self) -> Option<u64> {
        None
    }

    fn is_shared(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn of_a_shared_store_only_what_is_durable_is_seen() {
    let rig = rig_with(|store| Arc::new(SharedStore(OnThreads(store))));
    rig.track("a");
    let first = rig.collector.collect(10 * SECOND).await;
    assert_eq!((finished(&first), first.complete), (1, true));
    rig.store.set(Behaviour::Failing);
    rig.track("b");
    for collected in [
        rig.collector.collect(10 * SECOND).await,
        rig.collector.known().await,
    ] {
        assert_eq!((finished(&collected), collected.complete), (1, false));
    }
    assert_eq!(rig.up(), "0");
    rig.store.set(Behaviour::Hanging);
    let slow = rig.collector.collect(3 * SECOND).await;
    assert_eq!((finished(&slow), slow.complete), (1, false));
    rig.store.set(Behaviour::Good);
    rig.collector
        .inner
        .persister
        .as_ref()
        .unwrap()
        .write_lock
        .lock()
        .await
        .failed = None;
    let after = rig.collector.collect(10 * SECOND).await;
    assert_eq!((finished(&after), after.complete), (2, true));
    // An owner that has lost its shard says nothing about the storage.
    rig.collector.close_storage();
    rig.collector.stop();
    rig.store.set(Behaviour::Failing);
    rig.track("c");
    rig.collector.persist().await.unwrap_err();
    assert_eq!(rig.up(), "");
}

#[tokio::test]
async fn nothing_is_seen_of_a_shared_store_that_was_never_written() {
    let rig = rig_with(|store| Arc::new(SharedStore(OnThreads(store))));
    rig.store.set(Behaviour::Failing);
    rig.track("a");
    let collected = rig.collector.collect(10 * SECOND).await;
    assert_eq!((finished(&collected), collected.complete), (0, false));
}
