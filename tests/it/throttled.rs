//! A service that throttles: the share of throttled calls and the refresh period once the rate has
//! settled, and the number of retries when every call fails.

#![expect(clippy::print_stdout, reason = "figures for the log of tests/run")]

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use aws_transfer_exporter::app;
use aws_transfer_exporter::transfer::sdk::SdkTransfer;
use aws_transfer_exporter::transfer::session::{Sessions, TimeOuts};
use aws_transfer_exporter::transfer::{Attempt, AttemptObserver, TransferApi};
use futures_util::future::join_all;
use simulator::{ApiOperation, Faults, LifeScript, Settings};

use crate::program::{Running, config, signing_program};
use crate::rig::{
    CREDENTIALS, Exporter, account, connector, files, key, plan, simulator, transfer,
};
use crate::storage::scrape_within;
use crate::support::{Endpoint, Step, http};

/// A rate that a slow machine reaches too, or nothing is throttled.
const LIMIT: f64 = 40.0;
const TRANSFERS: usize = 200;
/// Time until the rate has settled.
const SETTLE: Duration = Duration::from_secs(12);
/// Rounds until one meets the bounds. Another process that has the processor for a moment delays a
/// round and bunches its calls; a limiter that does not settle meets the bounds in none.
const ROUNDS: u32 = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_calls_are_throttled_once_the_rate_has_settled() {
    let (simulator, url) = simulator(Settings::default()).await;
    for n in 0..TRANSFERS {
        simulator.put_transfer(
            &connector(n % 7),
            &transfer(n),
            files([LifeScript::stuck_queued()]),
            SystemTime::now(),
        );
    }
    simulator.set_faults(Faults {
        requests_per_second: Some(LIMIT),
        latency: Duration::from_millis(50),
        ..Faults::default()
    });
    let pairs = (0..TRANSFERS)
        .map(|n| key("prod", &connector(n % 7), &transfer(n)))
        .collect();
    let mut plan = plan(vec![account("prod", &url)], pairs);
    plan.collector.concurrency = 16;
    plan.collector.requests_per_second = 4.0 * LIMIT;
    let exporter = Exporter::start(plan).await;
    let start = Instant::now();
    while start.elapsed() < SETTLE {
        exporter.scrape_within("60").await;
    }
    let ideal = TRANSFERS as f64 / LIMIT;
    let mut has_settled = false;
    for _ in 0..ROUNDS {
        simulator.reset_calls();
        let start = Instant::now();
        let scrape = exporter.scrape_within("60").await;
        let took = start.elapsed().as_secs_f64() / ideal;
        assert_eq!(
            scrape.sum("aws_transfer_exporter_scrape_complete", &[]),
            1.0
        );
        let rate = scrape.sum("aws_transfer_exporter_api_rate_limit", &[]);
        let calls = simulator.calls();
        let all = calls.of(ApiOperation::ListFileTransferResults) as f64;
        let share = calls.outcome("ThrottlingException") as f64 / all;
        println!(
            "{all} calls at {rate:.1}/s, {:.2} % throttled; the round took {took:.3} of the ideal {ideal} s",
            share * 100.0,
        );
        // A trial of a lower rate may fall into the round. The simulation of the limiter has a
        // round of at most 1.34 of the ideal.
        if share < 0.02 && took <= 1.4 && (0.5 * LIMIT..2.0 * LIMIT).contains(&rate) {
            has_settled = true;
            break;
        }
    }
    assert!(has_settled, "no round is near the ideal; see above");
    exporter.stop().await;
}

/// Polls a service that throttles a share of the requests at any rate. Returns the mean of the rate
/// over time in relation to the ceiling, after the first 2,000 calls.
async fn mean_rate(stray: f64) -> f64 {
    const CEILING: f64 = 200.0;
    let (simulator, url) = simulator(Settings::default()).await;
    for n in 0..TRANSFERS {
        simulator.put_transfer(
            &connector(n % 7),
            &transfer(n),
            files([LifeScript::stuck_queued()]),
            SystemTime::now(),
        );
    }
    simulator.set_faults(Faults {
        throttle_rate: stray,
        ..Faults::default()
    });
    let pairs = (0..TRANSFERS)
        .map(|n| key("prod", &connector(n % 7), &transfer(n)))
        .collect();
    let mut plan = plan(vec![account("prod", &url)], pairs);
    plan.collector.concurrency = 32;
    plan.collector.requests_per_second = CEILING;
    let exporter = Exporter::start(plan).await;
    let attempts = || {
        let calls = simulator.calls();
        calls.of(ApiOperation::ListFileTransferResults) as f64
    };
    let (mut measured, mut allowed) = (0.0, 0.0);
    while attempts() < 6_000.0 {
        let start = Instant::now();
        let scrape = exporter.scrape_within("60").await;
        if attempts() > 2_000.0 {
            let seconds = start.elapsed().as_secs_f64();
            measured += seconds;
            allowed += seconds * scrape.sum("aws_transfer_exporter_api_rate_limit", &[]);
        }
    }
    let mean = allowed / measured / CEILING;
    let throttled = simulator.calls().outcome("ThrottlingException") as f64;
    println!(
        "{stray} throttled at any rate: the rate is {mean:.3} of the ceiling, {:.2} % of {} calls \
         throttled",
        throttled / attempts() * 100.0,
        attempts()
    );
    exporter.stop().await;
    mean
}

/// A limiter that reduces its rate at each throttled call is at 0.12 and 0.06. The simulation of the
/// limiter has exact bounds; one round here may be a trial at half the rate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throttling_that_does_not_depend_on_the_rate_leaves_most_of_it() {
    let (one, five) = tokio::join!(mean_rate(0.01), mean_rate(0.05));
    assert!(one > 0.4 && five > 0.4, "{one}, {five}");
}

/// Counts attempts.
#[derive(Default)]
struct AttemptCounter(AtomicU64);

impl AttemptObserver for AttemptCounter {
    fn attempt_ended(&self, _: Attempt) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_are_few_when_every_call_fails() {
    const CALLS: usize = 1_000;
    let (simulator, url) = simulator(Settings::default()).await;
    simulator.set_faults(Faults {
        server_error_rate: 1.0,
        ..Faults::default()
    });
    let counted = Arc::<AttemptCounter>::default();
    let sessions = Sessions::new(TimeOuts::within(Duration::from_secs(10)), Some(CREDENTIALS));
    let session = sessions.open(&account("prod", &url)).await.unwrap();
    let observer: Arc<dyn AttemptObserver> = counted.clone();
    let api = SdkTransfer::new(session.config, observer, app::system_clock());
    let (connector, transfer) = (connector(1), transfer(1));
    let mut last = 0;
    for quarter in 1..=4 {
        for _ in 0..CALLS / 4 / 10 {
            let ten = (0..10).map(|_| api.file_results_page(&connector, &transfer, None));
            assert!(join_all(ten).await.iter().all(Result::is_err));
        }
        let now = counted.0.load(Ordering::Relaxed);
        println!(
            "quarter {quarter}: {:.3} attempts per call",
            (now - last) as f64 / (CALLS / 4) as f64
        );
        if quarter > 1 {
            assert_eq!(
                now - last,
                CALLS as u64 / 4,
                "the retry quota is used up: one attempt per call"
            );
        }
        last = now;
    }
    let ratio = last as f64 / CALLS as f64;
    println!("{last} attempts, {CALLS} calls: {ratio:.3} attempts per call");
    assert_eq!(
        simulator.calls().of(ApiOperation::ListFileTransferResults),
        last,
        "every attempt is counted"
    );
    assert!((1.0..=1.1).contains(&ratio), "{ratio}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_are_evenly_spaced_when_every_call_fails() {
    const RATE: u32 = 20;
    let requests = Arc::<Mutex<Vec<Instant>>>::default();
    let seen = Arc::clone(&requests);
    let endpoint = Endpoint::answering(move |_, _| {
        seen.lock().unwrap().push(Instant::now());
        Step::Answer(http(
            500,
            "content-type: application/x-amz-json-1.1\r\n",
            "{}",
        ))
    })
    .await;
    let pairs = (0..30)
        .map(|n| key("prod", &connector(n), &transfer(n)))
        .collect();
    let mut plan = plan(vec![account("prod", &endpoint.url)], pairs);
    plan.collector.requests_per_second = f64::from(RATE);
    let exporter = Exporter::start(plan).await;
    exporter.scrape_within("4").await;
    let requests = requests.lock().unwrap().clone();
    assert!(requests.len() > 40, "{} requests", requests.len());
    // A server that is held up receives some of them together.
    let allowed = RATE as usize * 3 / 2;
    for window in requests.windows(allowed + 1) {
        let second = *window.last().unwrap() - window[0];
        assert!(second >= Duration::from_secs(1), "{allowed} in {second:?}");
    }
    exporter.stop().await;
}

/// One account is throttled to a call a second and has 10,000 transfers that are due; the news of
/// another is in one of its next scrapes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_throttled_account_with_ten_thousand_transfers_does_not_delay_another() {
    let (slow, slow_url) = simulator(Settings::default()).await;
    slow.set_faults(Faults {
        requests_per_second: Some(1.0),
        ..Faults::default()
    });
    let (quick, quick_url) = simulator(Settings::default()).await;
    let mut text = format!(
        "accounts:\n  - {{name: slow, region: eu-central-1, endpoint_url: '{slow_url}'}}\n  \
         - {{name: quick, region: eu-central-1, endpoint_url: '{quick_url}'}}\n\
         collector:\n  min_refresh_interval: 100ms\ntransfers:\n"
    );
    let start = SystemTime::now();
    for n in 0..10_000 {
        let (connector, transfer) = (connector(n % 7), transfer(n));
        slow.put_transfer(
            &connector,
            &transfer,
            files([LifeScript::stuck_queued()]),
            start,
        );
        let _ = writeln!(
            text,
            "  - {{account: slow, connector_id: {connector}, transfer_id: {transfer}}}"
        );
    }
    let (news, of) = (transfer(0), connector(1));
    let _ = writeln!(
        text,
        "  - {{account: quick, connector_id: {of}, transfer_id: {news}}}"
    );
    let life = LifeScript::completed().after(Duration::ZERO, Duration::from_secs(4));
    quick.put_transfer(&of, &news, files([life]), start);
    let (_folder, file) = config(&text);
    let exporter = Running::start(signing_program().args([
        format!("--config.file={}", file.display()),
        "--web.listen-address=127.0.0.1:0".into(),
    ]));
    let labels = ["aws_account=\"quick\"", "status=\"COMPLETED\""];
    let mut scrapes = 0;
    loop {
        let asked = SystemTime::now();
        let seen = scrape_within(exporter.address, 1).await.unwrap();
        assert_eq!(
            seen.sum("aws_transfer_exporter_scrape_complete", &[]),
            0.0,
            "the slow one"
        );
        scrapes += 1;
        // Far less than the hours of the other account.
        let is_over = asked > start + Duration::from_secs(30);
        let news = seen.sum("aws_transfer_connector_files", &labels);
        assert!(!is_over || news == 1.0, "no news for half a minute");
        let calls = slow.calls().of(ApiOperation::ListFileTransferResults);
        if news == 1.0 && scrapes > 2 && calls > 5 {
            break;
        }
    }
    exporter.terminate();
}
