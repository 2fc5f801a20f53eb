//! Accounts, connectors and transfers do not delay each other's news.

use super::*;
use crate::transfer::limiter::RateLimited;

/// Returns the key of a transfer of connector `connector`.
fn key_of(account: &str, connector: usize, transfer: &str) -> TransferKey {
    TransferKey {
        connector: format!("c-{connector:017x}").parse().unwrap(),
        ..key(account, transfer)
    }
}

fn many(account: &str, connector: usize, prefix: &str, transfers: usize) -> Vec<TransferKey> {
    let id = |n| format!("{prefix}{n:05}");
    (0..transfers)
        .map(|n| key_of(account, connector, &id(n)))
        .collect()
}

/// Returns the position of the first call for `transfer`.
fn position(calls: &[String], transfer: &str) -> Option<usize> {
    calls.iter().position(|call| call == transfer)
}

#[tokio::test(start_paused = true)]
async fn a_throttled_account_with_many_due_transfers_does_not_delay_another() {
    let clock = clock();
    let flooded = fake(Duration::from_millis(50), |_| Ok("QUEUED"));
    let limiter = AccountLimiter::new(16, 1.0, Arc::clone(&clock));
    let throttled = Arc::new(RateLimited::new(flooded.clone(), limiter));
    let quick = fake(Duration::from_millis(50), |_| Ok("COMPLETED"));
    let collector = collector(
        &[("flooded", throttled), ("quick", quick.port())],
        many("flooded", 0, "t", 10_000),
        16,
    );
    assert!(!collector.collect(10 * SECOND).await.complete);
    for n in 0..5 {
        track(&collector, key("quick", &n.to_string()));
        tokio::time::sleep(5 * SECOND).await;
        let start = tokio::time::Instant::now();
        let collected = collector.collect(SECOND).await;
        assert!(!collected.complete, "the other account has more to poll");
        assert_eq!(start.elapsed(), SECOND);
        assert_eq!(quick.take_transfers(), [n.to_string()]);
        assert_eq!(
            states(&collected)[&format!("quick/{n}")],
            TransferState::Completed
        );
    }
    let polled = flooded.calls().len();
    assert!((35..=50).contains(&polled), "{polled} polls in 40 s");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_new_transfers_does_not_starve_polled_ones() {
    let api = fake(SECOND, |_| Ok("QUEUED"));
    let old = many("prod", 0, "old", 5);
    let collector = collector(&[("prod", api.port())], old, 1);
    collector.collect_fully().await;
    tokio::time::sleep(SETTINGS.min_refresh_interval).await;
    api.take_transfers();
    for flood in many("prod", 0, "new", 1_000) {
        track(&collector, flood);
    }
    collector.collect(10 * SECOND).await;
    let calls = api.take_transfers();
    for n in 0..5 {
        let at = position(&calls, &format!("old{n:05}"));
        assert_eq!(at, Some(2 * n + 1), "{calls:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn many_polled_transfers_do_not_starve_a_new_one() {
    let api = fake(SECOND, |_| Ok("QUEUED"));
    let collector = collector(&[("prod", api.port())], many("prod", 0, "old", 1_000), 100);
    collector.collect_fully().await;
    tokio::time::sleep(SETTINGS.min_refresh_interval).await;
    api.take_transfers();
    assert!(!collector.collect(SECOND / 2).await.complete);
    track(&collector, key_of("prod", 0, "new"));
    tokio::time::sleep(SECOND / 4).await;
    collector.collect(2 * SECOND).await;
    let at = position(&api.take_transfers(), "new").unwrap();
    assert!(at <= 101, "polled after {at} others");
}

#[tokio::test(start_paused = true)]
async fn a_large_connector_does_not_starve_a_small_one() {
    let api = fake(SECOND, |_| Ok("QUEUED"));
    let mut transfers = many("prod", 0, "large", 1_000);
    transfers.extend(many("prod", 1, "small", 3));
    let collector = collector(&[("prod", api.port())], transfers, 1);
    collector.collect(10 * SECOND).await;
    let calls = api.take_transfers();
    for n in 0..3 {
        let at = position(&calls, &format!("small{n:05}"));
        assert_eq!(at, Some(2 * n + 1), "{calls:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_transfer_that_is_added_while_polls_run_is_polled_by_the_next_scrape() {
    let api = fake(SECOND, |_| Ok("QUEUED"));
    let other = fake(1_000 * SECOND, |_| Err(ErrorKind::Timeout));
    let mut transfers = many("prod", 0, "t", 1_000);
    transfers.extend(many("slow", 0, "s", 100));
    let accounts = [("prod", api.port()), ("slow", other.port())];
    let collector = collector(&accounts, transfers, 4);
    collector.collect(5 * SECOND).await;
    api.take_transfers();
    track(&collector, key_of("prod", 1, "new"));
    tokio::time::sleep(SECOND / 2).await;
    let collected = collector.collect(3 * SECOND).await;
    assert_eq!(states(&collected)["prod/new"], TransferState::Running);
    let calls = api.take_transfers();
    assert!(position(&calls, "new").unwrap() <= 5, "{calls:?}");
}

/// 5,000 transfers that someone has invented, at one connector or at many, by the default rate: the
/// news of a known transfer comes within seconds, at once and as long as they are tracked.
#[tokio::test(start_paused = true)]
async fn invented_transfers_do_not_delay_a_known_one() {
    for connectors in [1, 50, 5_000] {
        let api = FakeTransferApi::with_delay(SECOND / 20, |call| {
            if call.transfer.as_str().starts_with("invented") {
                return Err(ErrorKind::NotFound);
            }
            Ok(page_with_status("IN_PROGRESS"))
        });
        let clock = clock();
        let limiter = AccountLimiter::new(8, 10.0, Arc::clone(&clock));
        let throttled = Arc::new(RateLimited::new(api.clone(), limiter));
        let collector = collector(&[("prod", throttled)], Vec::new(), 8);
        track(&collector, key_of("prod", 0, "known"));
        collector.collect(10 * SECOND).await;
        for n in 0..5_000 {
            let id = format!("invented-{n}");
            track(&collector, key_of("prod", n % connectors, &id));
        }
        // At once, and once all have been polled and are due again.
        for round in 0..4 {
            tokio::time::sleep(SETTINGS.max_refresh_interval).await;
            api.take_transfers();
            collector.collect(2 * SECOND).await;
            let calls = api.take_transfers();
            assert!(
                position(&calls, "known").is_some(),
                "{connectors} connectors, round {round}: {calls:?}"
            );
            collector.collect(290 * SECOND).await;
        }
    }
}
