use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::UNIX_EPOCH;

use super::*;
use crate::app::runtime::tracker_settings;
use crate::app::shards::ShardState;
use crate::config::Plan;
use crate::metrics::exposition::render;
use crate::metrics::self_metrics::SelfMetrics;
use crate::metrics::{NameFilter, Scrape, ScrapeRequest};
use crate::store::{InboxContents, Letter, StoreError, StoreFuture};
use model::{AccountName, Clock, Now};

/// An inbox that can be filled, damaged and cut off.
#[derive(Default)]
struct FakeInbox {
    contents: Mutex<InboxContents>,
    is_failing: AtomicBool,
}

impl FakeInbox {
    fn answer<T>(&self, answer: impl FnOnce(&mut InboxContents) -> T) -> Result<T, StoreError> {
        if self.is_failing.load(Ordering::Relaxed) {
            return Err(StoreError::LeaseLost {
                table: "state".into(),
            });
        }
        Ok(answer(&mut self.contents.lock().unwrap()))
    }
}

impl Inboxes for FakeInbox {
    fn put<'a>(&'a self, _: Shard, _: &'a [Letter], _: u8) -> StoreFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn first(&self, _: Shard) -> StoreFuture<'_, InboxContents> {
        Box::pin(async { self.answer(|contents| contents.clone()) })
    }

    fn remove<'a>(&'a self, _: Shard, name: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.answer(|contents| contents.deliveries.retain(|delivery| delivery.name != name))
        })
    }
}

/// Returns the time of the oldest report, in seconds, if there is one.
fn oldest(metrics: &SelfMetrics) -> Option<f64> {
    let scrape = Scrape {
        snapshots: Vec::new(),
        complete: true,
        metrics,
        server: false,
        started: UNIX_EPOCH,
    };
    let name = "name[]=aws_transfer_exporter_inbox_oldest_timestamp_seconds";
    let request = ScrapeRequest {
        filter: NameFilter::from_query(name),
        ..ScrapeRequest::everything()
    };
    let body = render(&scrape, &request, &Mutex::default()).unwrap();
    let text = String::from_utf8(body.into_parts().flatten().collect()).unwrap();
    let sample = text.lines().find(|line| !line.starts_with('#'))?;
    Some(sample.rsplit(' ').next().unwrap().parse().unwrap())
}

fn delivery(name: &str, at: u64) -> InboxDelivery {
    InboxDelivery {
        name: name.into(),
        at: UNIX_EPOCH + Duration::from_secs(at),
        hops: 0,
        letters: vec![Letter::Excluded(AccountName::new("prod"), BTreeSet::new())],
    }
}

#[tokio::test(start_paused = true)]
async fn the_oldest_report_is_known_however_the_inbox_fails() {
    let metrics = SelfMetrics::new().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(|| Now {
        instant: std::time::Instant::now(),
        wall: SystemTime::now(),
    });
    let shard = Shard::ONLY;
    let settings = tracker_settings(&Plan::default(), shard);
    let collector = Collector::new(&metrics, clock, settings);
    let state = ShardState::new(shard, collector.clone(), None);
    let inbox = Arc::new(FakeInbox::default());
    let inboxes: Arc<dyn Inboxes> = Arc::clone(&inbox) as _;
    let shards = Shards::new(vec![Arc::new(state)], Some(Arc::clone(&inboxes)));
    let lease = Arc::clone(&metrics.lease);
    let begun = SystemTime::now();
    let running = tokio::spawn(run(Arc::new(shards), inboxes, shard, collector, lease));
    let wait = || tokio::time::sleep(PAUSE * 2);
    wait().await;
    assert_eq!(oldest(&metrics), None, "it is empty");

    // It was empty a moment ago: nothing in it is older.
    inbox.is_failing.store(true, Ordering::Relaxed);
    wait().await;
    let since = Duration::from_secs_f64(oldest(&metrics).unwrap());
    assert!(
        UNIX_EPOCH + since >= begun - Duration::from_secs(1),
        "{since:?}"
    );
    let first = oldest(&metrics);
    tokio::time::sleep(LONGEST_PAUSE).await;
    assert_eq!(oldest(&metrics), first, "it is not read since");

    // What arrived meanwhile is applied and removed.
    inbox.contents.lock().unwrap().deliveries = vec![delivery("a", 100), delivery("b", 101)];
    inbox.is_failing.store(false, Ordering::Relaxed);
    tokio::time::sleep(LONGEST_PAUSE).await;
    assert_eq!(oldest(&metrics), None);
    assert_eq!(inbox.contents.lock().unwrap().deliveries, []);

    // What cannot be read stays, and the others do not.
    *inbox.contents.lock().unwrap() = InboxContents {
        deliveries: vec![delivery("d", 300)],
        oldest_unreadable: Some(UNIX_EPOCH + Duration::from_secs(200)),
    };
    wait().await;
    assert_eq!(oldest(&metrics), Some(200.0));
    assert_eq!(inbox.contents.lock().unwrap().deliveries, []);
    running.abort();
}
