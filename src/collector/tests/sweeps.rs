//! When a scrape is complete, and what ends a sweep.

use super::*;

/// Returns a fake whose answer follows from the first letter of the transfer: `s` takes 100 s,
/// others one; `f` fails, `u` is unknown, `d` is down.
fn scripted() -> FakeTransferApi {
    FakeTransferApi::with_future(|call| {
        Box::pin(async move {
            let id = call.transfer.as_str();
            let delay = if id.starts_with('s') { 100 } else { 1 };
            tokio::time::sleep(delay * SECOND).await;
            let kind = match id.chars().next() {
                Some('f') => ErrorKind::AccessDenied,
                Some('u') => ErrorKind::NotFound,
                Some('d') => ErrorKind::Timeout,
                _ => return Ok(page_with_status("QUEUED")),
            };
            Err(crate::transfer::TransferError::new(kind, ""))
        })
    })
}

#[tokio::test(start_paused = true)]
async fn a_scrape_is_complete_if_everything_due_at_its_arrival_was_answered() {
    let down: Vec<String> = (0..20).map(|n| format!("d{n}")).collect();
    let down: Vec<&str> = down.iter().map(String::as_str).collect();
    for (transfers, complete, why) in [
        (&[][..], true, "nothing is due"),
        (&["a", "b"], true, "all answered"),
        (&["a", "u"], true, "unknown to AWS is an answer"),
        (&["a", "f"], false, "a poll failed"),
        (&["a", "s"], false, "the deadline came first"),
        (&down, false, "the account is unreachable"),
    ] {
        let api = scripted();
        let collector = collector(&[("prod", api.port())], pairs(transfers), 4);
        let collected = collector.collect(20 * SECOND).await;
        assert_eq!(collected.complete, complete, "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_failing_account_makes_the_scrape_incomplete() {
    let (good, bad) = (fake(SECOND, |_| Ok("QUEUED")), scripted());
    let collector = collector(
        &[("bad", bad.port()), ("good", good.port())],
        vec![key("good", "a"), key("bad", "f")],
        1,
    );
    assert!(!collector.collect(20 * SECOND).await.complete);
}

#[tokio::test(start_paused = true)]
async fn an_earlier_failure_does_not_make_a_later_scrape_incomplete() {
    let fails = Arc::new(AtomicUsize::new(1));
    let failing = Arc::clone(&fails);
    let api = fake(SECOND, move |_| {
        if failing.load(Ordering::Relaxed) > 0 {
            Err(ErrorKind::AccessDenied)
        } else {
            Ok("QUEUED")
        }
    });
    let collector = collector(&[("prod", api.port())], pairs(&["a"]), 1);
    assert!(!collector.collect(20 * SECOND).await.complete);
    fails.store(0, Ordering::Relaxed);
    tokio::time::sleep(SETTINGS.max_refresh_interval).await;
    assert!(collector.collect(20 * SECOND).await.complete);
}

#[tokio::test(start_paused = true)]
async fn a_scrape_does_not_wait_for_what_became_due_after_its_arrival() {
    let api = fake(SECOND, |_| Ok("QUEUED"));
    let collector = collector(&[("prod", api.port())], pairs(&["a", "b", "c"]), 1);
    let start = tokio::time::Instant::now();
    let scrape = tokio::spawn({
        let collector = collector.clone();
        async move { collector.collect(100 * SECOND).await }
    });
    tokio::time::sleep(SECOND / 2).await;
    for n in 0..50 {
        track(&collector, key("prod", &format!("late{n}")));
    }
    assert!(scrape.await.unwrap().complete);
    assert_eq!(start.elapsed(), 3 * SECOND);
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(
        api.take_transfers(),
        ["a", "b", "c"],
        "what came later waits for a scrape"
    );
}

#[tokio::test(start_paused = true)]
async fn a_scrape_counts_the_polls_that_run_when_it_arrives() {
    let api = scripted();
    let collector = collector(&[("prod", api.port())], pairs(&["a", "f"]), 2);
    let first = collector.collect(SECOND / 2);
    let joined = async {
        tokio::time::sleep(SECOND / 4).await;
        collector.collect(SECOND / 2).await
    };
    let (first, joined) = tokio::join!(first, joined);
    assert!(!first.complete && !joined.complete, "the deadlines came");
    let collected = collector.collect(20 * SECOND).await;
    assert!(!collected.complete, "a poll that it waited for failed");
    assert_eq!(states(&collected)["prod/a"], TransferState::Running);
}

#[tokio::test(start_paused = true)]
async fn the_current_state_is_complete_while_nothing_is_due() {
    let api = fake(SECOND, |_| Ok("QUEUED"));
    let collector = collector(&[("prod", api.port())], pairs(&["a"]), 1);
    assert!(!collector.current().complete);
    assert!(!collector.collect(SECOND / 2).await.complete);
    assert!(!collector.current().complete, "the poll is running");
    tokio::time::sleep(SECOND).await;
    assert!(collector.current().complete);
    tokio::time::sleep(SETTINGS.min_refresh_interval).await;
    assert!(!collector.current().complete);
}

#[tokio::test(start_paused = true)]
async fn the_duration_of_a_sweep_is_from_the_arrival_to_the_last_poll() {
    let api = fake(SECOND, |_| Ok("QUEUED"));
    let collector = collector(&[("prod", api.port())], pairs(&["a", "b", "c"]), 1);
    assert_eq!(collector.overview().last_sweep, None);
    collector.collect(SECOND / 2).await;
    collector.collect(SECOND).await;
    assert_eq!(collector.overview().last_sweep, None, "it is still running");
    tokio::time::sleep(10 * SECOND).await;
    let sweep = collector.overview().last_sweep.unwrap();
    assert_eq!((sweep.duration, sweep.complete), (3 * SECOND, true));
    collector.collect(SECOND).await;
    assert_eq!(
        collector.overview().last_sweep,
        Some(sweep),
        "nothing was due"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_polls() {
    let api = fake(SECOND, |_| Ok("QUEUED"));
    let collector = collector(&[("prod", api.port())], pairs(&["a", "b", "c"]), 1);
    let scrape = tokio::spawn({
        let collector = collector.clone();
        async move { collector.collect_fully().await }
    });
    tokio::time::sleep(SECOND / 2).await;
    collector.stop();
    assert!(!scrape.await.unwrap().complete);
    tokio::time::sleep(100 * SECOND).await;
    assert_eq!(api.take_transfers(), ["a"]);
    assert!(!collector.collect(SECOND).await.complete);
    assert_eq!(api.take_transfers(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn removing_an_account_ends_its_part_of_a_sweep() {
    let api = fake(SECOND, |_| Ok("QUEUED"));
    let collector = collector(&[("prod", api.port())], pairs(&["a", "b", "c"]), 1);
    let scrape = tokio::spawn({
        let collector = collector.clone();
        async move { collector.collect(100 * SECOND).await }
    });
    tokio::time::sleep(SECOND / 2).await;
    collector.configure(Targets {
        flows: Vec::new(),
        listed: BTreeSet::new(),
        accounts: Vec::new(),
        transfers: Vec::new(),
        connectors: Vec::new(),
        settings: SETTINGS,
        sources: BTreeSet::new(),
    });
    let start = tokio::time::Instant::now();
    assert!(scrape.await.unwrap().complete);
    assert_eq!(start.elapsed(), SECOND / 2, "the end of its running poll");
    assert_eq!(api.take_transfers(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_transfer_that_leaves_and_comes_back_during_its_poll_is_not_polled_twice() {
    let api = fake(SECOND, |_| Ok("QUEUED"));
    let collector = collector(&[("prod", api.port())], Vec::new(), 1);
    track(&collector, key("prod", "a"));
    assert!(!collector.collect(SECOND / 2).await.complete);
    assert!(collector.untrack(&key("prod", "a"), Origin::Api));
    track(&collector, key("prod", "a"));
    let collected = collector.collect(10 * SECOND).await;
    assert_eq!(states(&collected)["prod/a"], TransferState::Running);
    assert!(collected.complete);
    assert_eq!(api.take_transfers(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn news_that_arrives_during_a_poll_neither_lose_nor_duplicate_the_transfer() {
    let api = fake(SECOND, |_| Ok("QUEUED"));
    let collector = collector(&[("prod", api.port())], pairs(&["a", "b"]), 1);
    assert!(!collector.collect(SECOND / 2).await.complete);
    track(&collector, key("prod", "a"));
    track(&collector, key("prod", "b"));
    assert!(collector.collect(10 * SECOND).await.complete);
    assert_eq!(api.take_transfers(), ["a", "b"]);
    tokio::time::sleep(SETTINGS.min_refresh_interval).await;
    assert!(collector.collect(10 * SECOND).await.complete);
    assert_eq!(api.take_transfers(), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn polls_use_the_newest_client() {
    let (before, after) = (
        fake(SECOND, |_| Ok("QUEUED")),
        fake(SECOND, |_| Ok("QUEUED")),
    );
    let collector = collector(&[("prod", before.port())], pairs(&["a", "b", "c"]), 1);
    assert!(!collector.collect(SECOND / 2).await.complete);
    let account = Account {
        name: AccountName::new("prod"),
        region: "eu-central-1".into(),
    };
    collector.configure(Targets {
        flows: Vec::new(),
        listed: BTreeSet::new(),
        accounts: vec![AccountApi {
            account,
            api: after.port(),
            limits: AccountLimiter::new(2, 1_000.0, clock()),
            concurrency: 1,
        }],
        transfers: pairs(&["a", "b", "c"]),
        connectors: Vec::new(),
        settings: SETTINGS,
        sources: BTreeSet::new(),
    });
    assert!(collector.collect(10 * SECOND).await.complete);
    assert_eq!(before.take_transfers(), ["a"]);
    assert_eq!(after.take_transfers(), ["b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_known_is_returned_at_once_and_starts_no_poll() {
    let api = fake(SECOND, |_| Ok("QUEUED"));
    let collector = collector(&[("prod", api.port())], pairs(&["a"]), 1);
    let start = tokio::time::Instant::now();
    assert!(!collector.known().await.complete, "it is due");
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert!(api.take_transfers().is_empty());
    collector.collect(10 * SECOND).await;
    assert!(collector.known().await.complete);
}

#[tokio::test(start_paused = true)]
async fn scrapes_that_are_over_leave_few_sweeps_and_the_last_one_is_exact() {
    let api = fake(100 * SECOND, |_| Ok("QUEUED"));
    let collector = collector(&[("prod", api.port())], pairs(&["a"]), 1);
    for _ in 0..5_000 {
        assert!(!collector.collect(Duration::from_millis(1)).await.complete);
    }
    let sweeps: Vec<_> = collector
        .inner
        .pollers()
        .values()
        .map(|poller| poller.sweeps())
        .collect();
    assert!(sweeps[0] < 1_000, "{sweeps:?}");
    assert!(collector.collect(200 * SECOND).await.complete);
}
