mod fairness;
mod sweeps;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Instant, UNIX_EPOCH};

use super::*;
use crate::tracker::TrackerLimits;
use crate::transfer::ErrorKind;
use crate::transfer::fake::{FakeTransferApi, page_with_status};
use model::{Now, Shard, TransferState};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const SETTINGS: TrackerSettings = TrackerSettings {
    min_refresh_interval: Duration::from_secs(10),
    max_refresh_interval: Duration::from_mins(5),
    gone_after: Duration::from_mins(1),
    per_transfer: model::PerTransfer::All,
    max_transfers: 100_000,
    shard: Shard::ONLY,
    events: false,
    keep_settled: Duration::from_mins(1),
    keep_unresolved: Duration::from_hours(168),
    limits: TrackerLimits::NONE,
};

/// Returns a clock that follows tokio's, which the tests pause.
pub(super) fn clock() -> Arc<dyn Clock> {
    let (base, wall) = (
        tokio::time::Instant::now(),
        UNIX_EPOCH + Duration::from_hours(500_000),
    );
    let instant = Instant::now() + Duration::from_secs(1_000);
    Arc::new(move || Now { instant, wall }.after(base.elapsed()))
}

/// Returns a fake that answers each call after `delay` with one file of the status that `status`
/// returns for a transfer.
fn fake(
    delay: Duration,
    status: impl Fn(&str) -> Result<&'static str, ErrorKind> + Send + Sync + 'static,
) -> FakeTransferApi {
    FakeTransferApi::with_delay(delay, move |call| {
        status(call.transfer.as_str()).map(page_with_status)
    })
}

pub(super) fn key(account: &str, transfer: &str) -> TransferKey {
    TransferKey {
        account: AccountName::new(account),
        connector: "c-0123456789abcdef0".parse().unwrap(),
        transfer: transfer.parse().unwrap(),
    }
}

fn collector(
    accounts: &[(&str, Arc<dyn TransferApi>)],
    transfers: Vec<TransferKey>,
    concurrency: usize,
) -> Collector {
    let clock = clock();
    let metrics = SelfMetrics::new().unwrap();
    let collector = Collector::new(&metrics, Arc::clone(&clock), SETTINGS);
    let accounts = accounts.iter().map(|(name, api)| AccountApi {
        account: Account {
            name: AccountName::new(name),
            region: "eu-central-1".into(),
        },
        api: Arc::clone(api),
        limits: AccountLimiter::new(concurrency, 1_000.0, Arc::clone(&clock)),
        concurrency,
    });
    let targets = Targets {
        flows: Vec::new(),
        listed: BTreeSet::new(),
        sources: BTreeSet::new(),
        accounts: accounts.collect(),
        transfers,
        connectors: Vec::new(),
        settings: SETTINGS,
    };
    collector.configure(targets);
    collector
}

fn pairs(ids: &[&str]) -> Vec<TransferKey> {
    ids.iter().map(|id| key("prod", id)).collect()
}

fn states(collected: &Collected) -> BTreeMap<String, TransferState> {
    let name = |t: &model::TransferView| format!("{}/{}", t.connector.account.name, t.id);
    collected
        .snapshot
        .transfers()
        .map(|t| (name(t), t.state))
        .collect()
}

/// Tracks a transfer as the write API does.
pub(super) fn track(collector: &Collector, key: TransferKey) {
    let start = Fact::Started(model::TransferStart {
        key,
        started_at: None,
        reported_at: None,
        files: None,
    });
    collector.ingest(&[start], Origin::Api);
}

#[tokio::test(start_paused = true)]
async fn without_scrapes_there_are_no_calls() {
    let api = fake(SECOND, |_| Ok("QUEUED"));
    let collector = collector(&[("prod", api.port())], pairs(&["a"]), 4);
    tokio::time::sleep(Duration::from_secs(100_000)).await;
    collector.current();
    assert_eq!(api.take_transfers(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn concurrent_scrapes_share_polls() {
    let api = fake(SECOND, |_| Ok("QUEUED"));
    let collector = collector(&[("prod", api.port())], pairs(&["a", "b", "c"]), 4);
    let late = async {
        tokio::time::sleep(SECOND / 2).await;
        collector.collect(10 * SECOND).await
    };
    let (a, b, c, d) = tokio::join!(
        collector.collect(10 * SECOND),
        collector.collect(10 * SECOND),
        collector.collect(10 * SECOND),
        late
    );
    assert_eq!(api.take_transfers().len(), 3);
    for collected in [a, b, c, d] {
        assert!(collected.complete);
        assert!(
            states(&collected)
                .values()
                .all(|state| *state == TransferState::Running)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_scrape_is_answered_at_its_deadline_and_the_sweep_continues() {
    let api = fake(SECOND, |_| Ok("QUEUED"));
    let collector = collector(&[("prod", api.port())], pairs(&["a", "b", "c", "d"]), 1);
    let start = tokio::time::Instant::now();
    let first = collector.collect(Duration::from_millis(2_500)).await;
    assert_eq!(start.elapsed(), Duration::from_millis(2_500));
    assert!(!first.complete);
    let running = states(&first)
        .values()
        .filter(|state| **state == TransferState::Running)
        .count();
    assert_eq!(running, 2);
    tokio::time::sleep(10 * SECOND).await;
    let known = collector.current();
    assert!(
        states(&known)
            .values()
            .all(|state| *state == TransferState::Running)
    );
    assert_eq!(api.take_transfers(), ["a", "b", "c", "d"]);
}

#[tokio::test(start_paused = true)]
async fn a_second_scrape_joins_the_running_polls() {
    let api = fake(SECOND, |_| Ok("QUEUED"));
    let collector = collector(&[("prod", api.port())], pairs(&["a", "b", "c"]), 1);
    assert!(!collector.collect(SECOND / 2).await.complete);
    assert!(collector.collect(10 * SECOND).await.complete);
    assert_eq!(api.take_transfers(), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn only_unfinished_transfers_with_old_results_are_polled_again() {
    let api = fake(SECOND, |id| {
        Ok(if id == "done" { "COMPLETED" } else { "QUEUED" })
    });
    let collector = collector(&[("prod", api.port())], pairs(&["done", "open"]), 1);
    assert!(collector.collect_fully().await.complete);
    api.take_transfers();
    let again = collector.collect(10 * SECOND).await;
    assert!(again.complete, "nothing is due");
    assert_eq!(api.take_transfers(), Vec::<String>::new());
    tokio::time::sleep(SETTINGS.min_refresh_interval).await;
    collector.collect(10 * SECOND).await;
    assert_eq!(api.take_transfers(), ["open"]);
}

#[tokio::test(start_paused = true)]
async fn never_polled_transfers_alternate_with_the_stalest() {
    let api = fake(SECOND, |_| Ok("QUEUED"));
    let collector = collector(&[("prod", api.port())], pairs(&["b", "a"]), 1);
    collector.collect_fully().await;
    track(&collector, key("prod", "new"));
    track(&collector, key("prod", "newer"));
    tokio::time::sleep(2 * SETTINGS.min_refresh_interval).await;
    api.take_transfers();
    collector.collect_fully().await;
    assert_eq!(api.take_transfers(), ["new", "b", "newer", "a"]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_poll_affects_only_its_transfer() {
    let api = fake(SECOND, |id| {
        if id == "bad" {
            Err(ErrorKind::AccessDenied)
        } else {
            Ok("COMPLETED")
        }
    });
    let collector = collector(&[("prod", api.port())], pairs(&["a", "bad", "c"]), 2);
    let collected = collector.collect(10 * SECOND).await;
    assert!(
        !collected.complete,
        "a failed poll makes the sweep incomplete"
    );
    let expected = [
        ("prod/a", TransferState::Completed),
        ("prod/bad", TransferState::Pending),
        ("prod/c", TransferState::Completed),
    ];
    assert_eq!(
        states(&collected),
        expected.map(|(id, state)| (id.to_owned(), state)).into()
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_account_does_not_delay_another() {
    let slow = fake(100 * SECOND, |_| Err(ErrorKind::Timeout));
    let quick = fake(SECOND, |_| Ok("COMPLETED"));
    let transfers = vec![
        key("slow", "a"),
        key("quick", "b"),
        key("slow", "c"),
        key("quick", "d"),
    ];
    let collector = collector(
        &[("slow", slow.port()), ("quick", quick.port())],
        transfers,
        1,
    );
    let collected = collector.collect(3 * SECOND).await;
    let known = states(&collected);
    assert_eq!(
        (known["quick/b"], known["quick/d"]),
        (TransferState::Completed, TransferState::Completed)
    );
    assert_eq!(
        (known["slow/a"], known["slow/c"]),
        (TransferState::Pending, TransferState::Pending)
    );
}

#[tokio::test(start_paused = true)]
async fn concurrent_polls_are_limited() {
    let api = fake(SECOND, |_| Ok("QUEUED"));
    let ids: Vec<_> = (0..20).map(|n| n.to_string()).collect();
    let transfers = ids.iter().map(|id| key("prod", id)).collect();
    let collector = collector(&[("prod", api.port())], transfers, 3);
    let start = tokio::time::Instant::now();
    assert!(collector.collect_fully().await.complete);
    assert_eq!(start.elapsed(), 7 * SECOND);
    assert_eq!(api.max_in_flight(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_the_failure_of_one_poll() {
    let api = fake(SECOND, |id| {
        assert_ne!(id, "bad", "a poll that panics");
        Ok("QUEUED")
    });
    let collector = collector(&[("prod", api.port())], pairs(&["a", "bad", "c"]), 1);
    let collected = collector.collect(10 * SECOND).await;
    assert!(!collected.complete);
    let expected = [
        ("prod/a", TransferState::Running),
        ("prod/bad", TransferState::Pending),
        ("prod/c", TransferState::Running),
    ];
    assert_eq!(
        states(&collected),
        expected.map(|(id, state)| (id.to_owned(), state)).into()
    );
    tokio::time::sleep(SETTINGS.min_refresh_interval).await;
    api.take_transfers();
    collector.collect(10 * SECOND).await;
    assert_eq!(api.take_transfers().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_stop_answers_waiting_scrapes() {
    let api = fake(SECOND, |_| Ok("QUEUED"));
    let collector = collector(&[("prod", api.port())], pairs(&["a", "b"]), 1);
    let waiting = tokio::spawn({
        let collector = collector.clone();
        async move { collector.collect(1_000 * SECOND).await }
    });
    tokio::time::sleep(SECOND + SECOND / 2).await;
    collector.stop();
    let collected = waiting.await.unwrap();
    assert!(!collected.complete);
    assert_eq!(states(&collected)["prod/a"], TransferState::Running);
}

#[tokio::test(start_paused = true)]
async fn a_new_configuration_keeps_the_state_of_remaining_transfers() {
    let api = fake(SECOND, |_| Ok("COMPLETED")).port();
    let collector = collector(
        &[("prod", Arc::clone(&api))],
        pairs(&["removed", "kept"]),
        2,
    );
    collector.collect_fully().await;
    let account = Account {
        name: AccountName::new("prod"),
        region: "eu-central-1".into(),
    };
    let limits = AccountLimiter::new(2, 1_000.0, clock());
    let accounts = vec![AccountApi {
        account,
        api,
        limits,
        concurrency: 2,
    }];
    let transfers = pairs(&["kept", "added"]);
    collector.configure(Targets {
        flows: Vec::new(),
        listed: BTreeSet::new(),
        sources: BTreeSet::new(),
        accounts,
        transfers,
        connectors: Vec::new(),
        settings: SETTINGS,
    });
    let expected = [
        ("prod/added", TransferState::Pending),
        ("prod/kept", TransferState::Completed),
    ];
    assert_eq!(
        states(&collector.current()),
        expected.map(|(id, state)| (id.to_owned(), state)).into()
    );
}

#[tokio::test(start_paused = true)]
async fn transfers_that_have_left_are_neither_polled_nor_waited_for() {
    let api = fake(SECOND, |_| Ok("QUEUED"));
    let collector = collector(&[("prod", api.port())], pairs(&["a", "b", "c"]), 1);
    let running = tokio::spawn({
        let collector = collector.clone();
        async move { collector.collect(SECOND * 10).await }
    });
    tokio::time::sleep(SECOND / 2).await;
    assert!(collector.untrack(&key("prod", "b"), Origin::Config));
    assert!(running.await.unwrap().complete);
    assert_eq!(api.take_transfers(), ["a", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_caller_without_a_deadline_waits_for_everything() {
    let api = fake(100 * SECOND, |_| Ok("COMPLETED"));
    let ids: Vec<_> = (0..20).map(|n| n.to_string()).collect();
    let collector = collector(
        &[("prod", api.port())],
        ids.iter().map(|id| key("prod", id)).collect(),
        2,
    );
    assert!(collector.collect_fully().await.complete);
    assert_eq!(api.take_transfers().len(), 20);
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_account_is_skipped_until_the_next_scrape() {
    let works = Arc::new(AtomicUsize::new(0));
    let up = Arc::clone(&works);
    let api = fake(3 * SECOND, move |_| {
        if up.load(Ordering::Relaxed) == 0 {
            Err(ErrorKind::Timeout)
        } else {
            Ok("COMPLETED")
        }
    });
    let ids: Vec<_> = (0..100).map(|n| format!("{n:02}")).collect();
    let transfers = ids.iter().map(|id| key("prod", id)).collect();
    let collector = collector(&[("prod", api.port())], transfers, 4);
    let start = tokio::time::Instant::now();
    assert!(!collector.collect_fully().await.complete);
    // The second four failures end it. Three calls have started by then.
    assert_eq!(
        (start.elapsed(), api.take_transfers().len()),
        (6 * SECOND, 11)
    );
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(api.take_transfers(), Vec::<String>::new());
    let start = tokio::time::Instant::now();
    assert!(!collector.collect_fully().await.complete);
    assert_eq!(
        (start.elapsed(), api.take_transfers().len()),
        (6 * SECOND, 11)
    );
    tokio::time::sleep(Duration::from_hours(1)).await;
    works.store(1, Ordering::Relaxed);
    // Polls that failed back off.
    tokio::time::sleep(SETTINGS.max_refresh_interval).await;
    assert!(collector.collect_fully().await.complete);
    assert!(
        states(&collector.current())
            .values()
            .all(|state| *state == TransferState::Completed)
    );
}

#[tokio::test(start_paused = true)]
async fn isolated_failures_and_denied_connectors_skip_nothing() {
    for kind in [ErrorKind::InternalServiceError, ErrorKind::AccessDenied] {
        let api = fake(SECOND, move |id| {
            let fails = kind == ErrorKind::AccessDenied || !id.ends_with('0');
            if fails { Err(kind) } else { Ok("QUEUED") }
        });
        // Every eighth call succeeds, seven consecutive ones fail.
        let ids: Vec<_> = (0..64).map(|n| format!("{n:02}-{}", n % 8)).collect();
        let transfers = ids.iter().map(|id| key("prod", id)).collect();
        let collector = collector(&[("prod", api.port())], transfers, 1);
        collector.collect_fully().await;
        assert_eq!(api.take_transfers().len(), 64, "{kind:?}");
    }
}
