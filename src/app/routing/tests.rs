use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use super::*;
use crate::app::runtime::tracker_settings;
use crate::config::Plan;
use crate::metrics::self_metrics::SelfMetrics;
use crate::store::dynamodb::fake::{FakeTable, store};
use crate::store::{InboxContents, StoreError, StoreFuture};
use model::{ConnectorDetails, Now, TransferStart};

/// Keeps what was put, and fails when asked to.
#[derive(Default)]
struct FakeInboxes {
    letters: Mutex<Vec<(u32, Letter, u8)>>,
    is_failing: AtomicBool,
}

impl FakeInboxes {
    fn take(&self) -> Vec<(u32, Letter, u8)> {
        std::mem::take(&mut self.letters.lock().unwrap())
    }
}

impl Inboxes for FakeInboxes {
    fn put<'a>(&'a self, shard: Shard, letters: &'a [Letter], hops: u8) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            if self.is_failing.load(Ordering::Relaxed) {
                return Err(StoreError::LeaseLost {
                    table: "state".into(),
                });
            }
            let letters = letters
                .iter()
                .map(|letter| (shard.index(), letter.clone(), hops));
            self.letters.lock().unwrap().extend(letters);
            Ok(())
        })
    }

    fn first(&self, _: Shard) -> StoreFuture<'_, InboxContents> {
        Box::pin(async { Ok(InboxContents::default()) })
    }

    fn remove<'a>(&'a self, _: Shard, _: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

fn key(transfer: &str) -> TransferKey {
    TransferKey {
        account: AccountName::new("prod"),
        connector: "c-0123456789abcdef0".parse().unwrap(),
        transfer: transfer.parse().unwrap(),
    }
}

fn start(transfer: &str) -> Fact {
    Fact::Started(TransferStart {
        key: key(transfer),
        started_at: None,
        reported_at: None,
        files: None,
    })
}

/// A process that owns the first of two shards.
struct Rig {
    shards: Arc<Shards>,
    inboxes: Arc<FakeInboxes>,
    /// A transfer of each shard.
    own: &'static str,
    other: &'static str,
}

fn rig() -> Rig {
    let metrics = SelfMetrics::new().unwrap();
    let clock: Arc<dyn model::Clock> = Arc::new(|| Now {
        instant: std::time::Instant::now(),
        wall: SystemTime::now(),
    });
    let plan = Plan::default();
    let boot_clock = || Arc::new(|| Duration::from_secs(1));
    let state = |index, is_owned| {
        let shard = Shard::new(index, 2).unwrap();
        let settings = tracker_settings(&plan, shard);
        let collector = Collector::new(&metrics, Arc::clone(&clock), settings);
        collector.configure(crate::collector::Targets {
            accounts: Vec::new(),
            transfers: Vec::new(),
            connectors: Vec::new(),
            listed: BTreeSet::new(),
            sources: BTreeSet::new(),
            flows: Vec::new(),
            settings,
        });
        let lease = store(
            &FakeTable::new(),
            "a",
            boot_clock() as _,
            Duration::from_secs(15),
        );
        let lease: Option<Arc<dyn crate::store::LeasedStore>> = if is_owned {
            None
        } else {
            Some(Arc::new(lease))
        };
        Arc::new(ShardState::new(shard, collector, lease))
    };
    let inboxes = Arc::new(FakeInboxes::default());
    let states = vec![state(0, true), state(1, false)];
    let shards = Shards::new(states, Some(Arc::clone(&inboxes) as Arc<dyn Inboxes>));
    let of = |index| {
        let names = ["t-0", "t-1", "t-2", "t-3", "t-4", "t-5"];
        let is_of = |name: &&str| shards.shard_of(&start(name)).unwrap().shard.index() == index;
        names.into_iter().find(is_of).unwrap()
    };
    Rig {
        own: of(0),
        other: of(1),
        shards: Arc::new(shards),
        inboxes,
    }
}

fn facts(names: &[&str]) -> Letter {
    Letter::Facts(
        Origin::Events,
        names.iter().map(|name| start(name)).collect(),
    )
}

#[tokio::test]
async fn facts_of_another_shard_are_put_into_its_inbox_together() {
    let rig = rig();
    let sink = ShardSink::new(&rig.shards);
    let reported = [start(rig.other), start(rig.own), start(rig.other)];
    let results = sink.ingest(&reported, Origin::Events);
    // The account is not configured, which only the owner of the shard can decide.
    let expected = [Ingested::Forwarded, Ingested::Foreign, Ingested::Forwarded];
    assert_eq!(results, expected);
    assert_eq!(rig.inboxes.take(), [], "not before it is asked for");
    sink.persist().await.unwrap();
    let letter = facts(&[rig.other, rig.other]);
    assert_eq!(rig.inboxes.take(), [(1, letter, 0)]);
    sink.persist().await.unwrap();
    assert_eq!(rig.inboxes.take(), [], "once");
}

#[tokio::test]
async fn what_an_inbox_does_not_accept_is_kept_in_order() {
    let rig = rig();
    let sink = ShardSink::new(&rig.shards);
    rig.inboxes.is_failing.store(true, Ordering::Relaxed);
    sink.ingest(&[start(rig.other)], Origin::Events);
    assert_eq!(sink.persist().await, Err(SinkError));
    assert_eq!(sink.untrack(&key(rig.other), Origin::Events), None);
    assert_eq!(sink.forward().await, Err(SinkError));
    rig.inboxes.is_failing.store(false, Ordering::Relaxed);
    sink.forward().await.unwrap();
    let untracked = Letter::Untracked(key(rig.other), Origin::Events);
    let expected = [(1, facts(&[rig.other]), 0), (1, untracked, 0)];
    assert_eq!(rig.inboxes.take(), expected);
}

#[tokio::test]
async fn what_is_durable_is_not_remembered() {
    let rig = rig();
    let other = &rig.shards.all()[1];
    other.lease.as_ref().unwrap().acquire().await.unwrap();
    other.set_active(true);
    // As a source does that never persists.
    let sink = ShardSink::new(&rig.shards);
    sink.ingest(&[start(rig.other)], Origin::Cloudtrail);
    assert_eq!(sink.pending().ingested.len(), 1);
    sink.forward().await.unwrap();
    assert_eq!(sink.pending().ingested.len(), 0);
    assert_eq!(rig.inboxes.take(), []);
}

#[tokio::test]
async fn acknowledgements_reach_every_shard() {
    let rig = rig();
    let sink = ShardSink::new(&rig.shards);
    let filter = FailureFilter {
        code: Some("TIMEOUT_ERROR".into()),
        ..FailureFilter::default()
    };
    assert_eq!(sink.acknowledge(&filter), 0);
    sink.persist().await.unwrap();
    let letter = Letter::Acknowledged(filter);
    assert_eq!(rig.inboxes.take(), [(1, letter, 0)]);
}

#[tokio::test]
async fn lists_of_connectors_are_passed_on_when_they_change() {
    let rig = rig();
    let sink = ShardSink::new(&rig.shards);
    let account = AccountName::new("prod");
    let id = key("t").connector;
    let details = Arc::new(ConnectorDetails::default());
    let listed: ListedConnectors = [(id.clone(), Some(details))].into();
    let excluded = BTreeSet::from([id]);
    for _ in 0..2 {
        sink.set_connectors(&account, &listed, false);
        sink.set_connectors(&account, &listed, true);
        sink.exclude_connectors(&account, &excluded);
    }
    sink.forward().await.unwrap();
    let letters = [
        (1, Letter::Listed(account.clone(), listed, true), 0),
        (1, Letter::Excluded(account.clone(), excluded.clone()), 0),
        // Each time, since the owner of a shard may be another by now, and it is not stored.
        (1, Letter::Excluded(account.clone(), excluded), 0),
    ];
    assert_eq!(rig.inboxes.take(), letters);
    sink.set_connectors(&account, &ListedConnectors::new(), true);
    sink.forward().await.unwrap();
    let letter = Letter::Listed(account, ListedConnectors::new(), true);
    assert_eq!(rig.inboxes.take(), [(1, letter, 0)]);
}

#[tokio::test]
async fn facts_of_excluded_connectors_are_not_passed_on() {
    let rig = rig();
    let sink = ShardSink::new(&rig.shards);
    let excluded = BTreeSet::from([key("t").connector]);
    sink.exclude_connectors(&AccountName::new("prod"), &excluded);
    sink.forward().await.unwrap();
    rig.inboxes.take();
    let result = sink.ingest(&[start(rig.other)], Origin::Cloudtrail);
    assert_eq!(result, [Ingested::Foreign]);
    // Somebody names it.
    let result = sink.ingest(&[start(rig.other)], Origin::Api);
    assert_eq!(result, [Ingested::Forwarded]);
}

#[tokio::test]
async fn letters_that_no_process_takes_are_dropped_in_the_end() {
    let rig = rig();
    for (hops, expected) in [(MAX_HOPS - 1, 1), (MAX_HOPS, 0)] {
        let sink = ShardSink::after(&rig.shards, hops);
        // In the inbox of the first shard, by the configuration of the sender.
        let first = &rig.shards.all()[0];
        sink.apply(first.shard, &first.collector(), &facts(&[rig.other]));
        sink.persist().await.unwrap();
        let letters = rig.inboxes.take();
        assert_eq!(letters.len(), expected, "{hops}");
        assert!(
            letters
                .iter()
                .all(|(shard, _, sent)| (*shard, *sent) == (1, hops))
        );
    }
}

/// With one shard that is shared, what arrives while it is not owned is not lost: it is not durable.
#[tokio::test]
async fn facts_that_no_shard_takes_are_not_durable() {
    let rig = rig();
    let alone = Arc::new(Shards::new(vec![Arc::clone(&rig.shards.all()[1])], None));
    let sink = ShardSink::new(&alone);
    let results = sink.ingest(&[start(rig.other)], Origin::Events);
    assert_eq!(results, [Ingested::Forwarded]);
    assert_eq!(sink.persist().await, Err(SinkError));
    assert_eq!(sink.persist().await, Err(SinkError));
}
