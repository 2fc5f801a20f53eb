use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Instant, UNIX_EPOCH};

use super::*;
use crate::transfer::{ApiFuture, ErrorKind, ResultsPage, TransferError};
use model::{ConnectorId, FileResult, FileStatus, Now, Shard, TransferId, TransferState};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const SETTINGS: TrackerSettings = TrackerSettings {
    min_refresh_interval: Duration::from_secs(10),
    max_refresh_interval: Duration::from_mins(5),
    gone_after: Duration::from_mins(1),
    max_transfers: 1_000,
    shard: Shard::ONLY,
    events: false,
    keep_settled: Duration::from_mins(1),
};

/// A clock that follows tokio's, which the tests pause.
pub(super) fn clock() -> Arc<dyn Clock> {
    let (base, wall) = (
        tokio::time::Instant::now(),
        UNIX_EPOCH + Duration::from_hours(500_000),
    );
    let instant = Instant::now() + Duration::from_secs(1_000);
    Arc::new(move || Now { instant, wall }.after(base.elapsed()))
}

/// Answers each call after `delay` with what `answer` says of the transfer; notes the calls.
struct Fake<F> {
    delay: Duration,
    answer: F,
    asked: Mutex<Vec<String>>,
    in_flight: AtomicUsize,
    peak: AtomicUsize,
}

impl<F: Fn(&str) -> Result<&'static str, ErrorKind> + Send + Sync + 'static> Fake<F> {
    fn new(delay: Duration, answer: F) -> Arc<Self> {
        let (in_flight, peak) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self {
            delay,
            answer,
            asked: Mutex::default(),
            in_flight,
            peak,
        })
    }

    fn take_asked(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.asked))
    }
}

impl<F: Fn(&str) -> Result<&'static str, ErrorKind> + Send + Sync + 'static> TransferApi
    for Fake<F>
{
    fn file_results_page<'a>(
        &'a self,
        _: &'a ConnectorId,
        transfer: &'a TransferId,
        _: Option<&'a str>,
    ) -> ApiFuture<'a, ResultsPage> {
        Box::pin(async move {
            lock(&self.asked).push(transfer.to_string());
            let in_flight = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
            self.peak.fetch_max(in_flight, Ordering::Relaxed);
            tokio::time::sleep(self.delay).await;
            self.in_flight.fetch_sub(1, Ordering::Relaxed);
            let status =
                (self.answer)(transfer.as_str()).map_err(|kind| TransferError::new(kind, ""))?;
            let file = FileResult {
                path: "/f".into(),
                status: FileStatus::from_wire(status),
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

#[tokio::test(start_paused = true)]
async fn without_scrapes_there_are_no_calls() {
    let api = Fake::new(SECOND, |_| Ok("QUEUED"));
    let collector = collector(&[("prod", api.clone())], pairs(&["a"]), 4);
    tokio::time::sleep(Duration::from_secs(100_000)).await;
    collector.current();
    assert_eq!(api.take_asked(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn scrapes_at_once_share_one_sweep() {
    let api = Fake::new(SECOND, |_| Ok("QUEUED"));
    let collector = collector(&[("prod", api.clone())], pairs(&["a", "b", "c"]), 4);
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
    assert_eq!(api.take_asked().len(), 3);
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
async fn a_scrape_answers_at_its_deadline_and_the_sweep_goes_on_behind_it() {
    let api = Fake::new(SECOND, |_| Ok("QUEUED"));
    let collector = collector(&[("prod", api.clone())], pairs(&["a", "b", "c", "d"]), 1);
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
    assert_eq!(api.take_asked(), ["a", "b", "c", "d"]);
}

#[tokio::test(start_paused = true)]
async fn a_second_scrape_joins_the_sweep_that_the_first_left_running() {
    let api = Fake::new(SECOND, |_| Ok("QUEUED"));
    let collector = collector(&[("prod", api.clone())], pairs(&["a", "b", "c"]), 1);
    assert!(!collector.collect(SECOND / 2).await.complete);
    assert!(collector.collect(10 * SECOND).await.complete);
    assert_eq!(api.take_asked(), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn only_unfinished_transfers_with_old_answers_are_fetched_again() {
    let api = Fake::new(SECOND, |id| {
        Ok(if id == "done" { "COMPLETED" } else { "QUEUED" })
    });
    let collector = collector(&[("prod", api.clone())], pairs(&["done", "open"]), 1);
    assert!(collector.collect_fully().await.complete);
    api.take_asked();
    let again = collector.collect(10 * SECOND).await;
    assert!(again.complete, "nothing is due, and nothing is missing");
    assert_eq!(api.take_asked(), Vec::<String>::new());
    tokio::time::sleep(SETTINGS.min_refresh_interval).await;
    collector.collect(10 * SECOND).await;
    assert_eq!(api.take_asked(), ["open"]);
}

#[tokio::test(start_paused = true)]
async fn never_fetched_ones_come_first_and_then_the_stalest() {
    let api = Fake::new(SECOND, |_| Ok("QUEUED"));
    let collector = collector(&[("prod", api.clone())], pairs(&["b", "a"]), 1);
    collector.collect_fully().await;
    collector.track(key("prod", "new"), Origin::Demo, None);
    tokio::time::sleep(2 * SETTINGS.min_refresh_interval).await;
    api.take_asked();
    collector.collect_fully().await;
    assert_eq!(api.take_asked(), ["new", "b", "a"]);
}

#[tokio::test(start_paused = true)]
async fn one_transfers_failure_touches_that_transfer_alone() {
    let api = Fake::new(SECOND, |id| {
        if id == "bad" {
            Err(ErrorKind::AccessDenied)
        } else {
            Ok("COMPLETED")
        }
    });
    let collector = collector(&[("prod", api.clone())], pairs(&["a", "bad", "c"]), 2);
    let collected = collector.collect(10 * SECOND).await;
    assert!(
        !collected.complete,
        "a failed fetch is something that is missing"
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
async fn a_slow_account_does_not_hold_up_another() {
    let slow = Fake::new(100 * SECOND, |_| Err(ErrorKind::Timeout));
    let quick = Fake::new(SECOND, |_| Ok("COMPLETED"));
    let transfers = vec![
        key("slow", "a"),
        key("quick", "b"),
        key("slow", "c"),
        key("quick", "d"),
    ];
    let collector = collector(&[("slow", slow), ("quick", quick)], transfers, 1);
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
async fn no_more_looks_at_once_than_the_concurrency() {
    let api = Fake::new(SECOND, |_| Ok("QUEUED"));
    let ids: Vec<_> = (0..20).map(|n| n.to_string()).collect();
    let transfers = ids.iter().map(|id| key("prod", id)).collect();
    let collector = collector(&[("prod", api.clone())], transfers, 3);
    let start = tokio::time::Instant::now();
    assert!(collector.collect_fully().await.complete);
    assert_eq!(start.elapsed(), 7 * SECOND);
    assert_eq!(api.peak.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_look_ends_neither_the_sweep_nor_the_next() {
    let api = Fake::new(SECOND, |id| {
        assert_ne!(id, "bad", "a look that panics");
        Ok("QUEUED")
    });
    let collector = collector(&[("prod", api.clone())], pairs(&["a", "bad", "c"]), 3);
    let collected = collector.collect(10 * SECOND).await;
    assert!(!collected.complete);
    assert_eq!(states(&collected)["prod/c"], TransferState::Running);
    tokio::time::sleep(SETTINGS.min_refresh_interval).await;
    api.take_asked();
    collector.collect(10 * SECOND).await;
    assert_eq!(api.take_asked().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_stop_answers_waiting_scrapes_with_what_is_known() {
    let api = Fake::new(SECOND, |_| Ok("QUEUED"));
    let collector = collector(&[("prod", api.clone())], pairs(&["a", "b"]), 1);
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
async fn a_new_configuration_keeps_what_is_known_of_transfers_that_stay() {
    let api: Arc<dyn TransferApi> = Fake::new(SECOND, |_| Ok("COMPLETED"));
    let collector = collector(
        &[("prod", Arc::clone(&api))],
        pairs(&["leaves", "stays"]),
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
    let transfers = pairs(&["stays", "comes"]);
    collector.configure(Targets {
        accounts,
        transfers,
        connectors: Vec::new(),
        settings: SETTINGS,
    });
    let expected = [
        ("prod/comes", TransferState::Pending),
        ("prod/stays", TransferState::Completed),
    ];
    assert_eq!(
        states(&collector.current()),
        expected.map(|(id, state)| (id.to_owned(), state)).into()
    );
}

#[tokio::test(start_paused = true)]
async fn a_sweep_asks_for_nothing_that_has_settled_or_left_since_it_began() {
    let api = Fake::new(SECOND, |_| Ok("QUEUED"));
    let collector = collector(&[("prod", api.clone())], pairs(&["a", "b", "c"]), 1);
    let running = tokio::spawn({
        let collector = collector.clone();
        async move { collector.collect(SECOND * 10).await }
    });
    tokio::time::sleep(SECOND / 2).await;
    assert!(collector.untrack(&key("prod", "b"), Origin::Config));
    assert!(running.await.unwrap().complete);
    assert_eq!(api.take_asked(), ["a", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_no_scrape_wants_ends_and_the_next_goes_on_where_it_stopped() {
    let api = Fake::new(10 * SECOND, |_| Ok("QUEUED"));
    let ids: Vec<_> = (0..30).map(|n| format!("{n:02}")).collect();
    let collector = collector(
        &[("prod", api.clone())],
        ids.iter().map(|id| key("prod", id)).collect(),
        1,
    );
    assert!(!collector.collect(SECOND).await.complete);
    tokio::time::sleep(Duration::from_hours(10)).await;
    // A look every ten seconds for two minutes.
    assert_eq!(api.take_asked(), ids[..12]);

    assert!(
        !collector.collect(SECOND).await.complete,
        "what was left is missing"
    );
    tokio::time::sleep(100 * SECOND).await;
    // The second joins: two minutes more from there.
    assert!(!collector.collect(SECOND).await.complete);
    tokio::time::sleep(Duration::from_hours(10)).await;
    assert_eq!(api.take_asked()[..18], ids[12..]);
    assert!(collector.collect_fully().await.complete);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_someone_waits_for_goes_on_however_long_it_takes() {
    let api = Fake::new(100 * SECOND, |_| Ok("COMPLETED"));
    let ids: Vec<_> = (0..20).map(|n| n.to_string()).collect();
    let collector = collector(
        &[("prod", api.clone())],
        ids.iter().map(|id| key("prod", id)).collect(),
        2,
    );
    assert!(collector.collect_fully().await.complete);
    assert_eq!(api.take_asked().len(), 20);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_answers_nothing_is_left_until_the_next_sweep_and_then_goes_on() {
    let works = Arc::new(AtomicUsize::new(0));
    let up = Arc::clone(&works);
    let api = Fake::new(3 * SECOND, move |_| {
        if up.load(Ordering::Relaxed) == 0 {
            Err(ErrorKind::Timeout)
        } else {
            Ok("COMPLETED")
        }
    });
    let ids: Vec<_> = (0..100).map(|n| format!("{n:02}")).collect();
    let transfers = ids.iter().map(|id| key("prod", id)).collect();
    let collector = collector(&[("prod", api.clone())], transfers, 4);
    let start = tokio::time::Instant::now();
    assert!(!collector.collect_fully().await.complete);
    // Eight in a row, and three that were under way by then.
    assert_eq!((start.elapsed(), api.take_asked().len()), (9 * SECOND, 11));
    collector.collect_fully().await;
    assert_eq!(api.take_asked().len(), 11);
    works.store(1, Ordering::Relaxed);
    assert!(collector.collect_fully().await.complete);
    assert!(
        states(&collector.current())
            .values()
            .all(|state| *state == TransferState::Completed)
    );
}

#[tokio::test(start_paused = true)]
async fn failures_between_answers_and_denied_connectors_leave_nothing_out() {
    for kind in [ErrorKind::InternalServiceError, ErrorKind::AccessDenied] {
        let api = Fake::new(SECOND, move |id| {
            let fails = kind == ErrorKind::AccessDenied || !id.ends_with('0');
            if fails { Err(kind) } else { Ok("QUEUED") }
        });
        // Every eighth answers, and seven in a row do not.
        let ids: Vec<_> = (0..64).map(|n| format!("{n:02}-{}", n % 8)).collect();
        let transfers = ids.iter().map(|id| key("prod", id)).collect();
        let collector = collector(&[("prod", api.clone())], transfers, 1);
        collector.collect_fully().await;
        assert_eq!(api.take_asked().len(), 64, "{kind:?}");
    }
}
