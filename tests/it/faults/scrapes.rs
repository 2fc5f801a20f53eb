//! Scrapes while AWS calls fail.

use std::time::{Duration, Instant, SystemTime};

use simulator::{ApiOperation, Expiry, Faults, LifeScript, Settings, ThrottleError};

use crate::rig::{Exporter, account, connector, files, key, plan, simulator, transfer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scrapes_are_in_time_and_counts_become_exact_with_many_faults() {
    const PAIRS: usize = 200;
    let (simulator, url) = simulator(Settings::default()).await;
    for pair in 0..PAIRS {
        let lives = [
            LifeScript::completed(),
            LifeScript::failed("CONNECTION_ERROR", "x"),
            LifeScript::stuck_queued(),
        ];
        let eleven = lives.into_iter().cycle().take(11);
        simulator.put_transfer(
            &connector(pair % 7),
            &transfer(pair),
            files(eleven),
            SystemTime::now(),
        );
    }
    let pairs = (0..PAIRS)
        .map(|pair| key("prod", &connector(pair % 7), &transfer(pair)))
        .collect();
    let mut plan = plan(vec![account("prod", &url)], pairs);
    plan.collector.timeout = Duration::from_secs(6);
    // Every transfer is due at every scrape, so that failed polls are repeated at once.
    plan.collector.min_refresh_interval = Duration::ZERO;
    let exporter = Exporter::start(plan).await;
    let faults = Faults {
        seed: 7,
        server_error_rate: 0.10,
        stall_rate: 0.02,
        truncated_rate: 0.02,
        // Less than a slow machine sends.
        requests_per_second: Some(15.0),
        throttle_error: ThrottleError::ThrottlingException,
        ..Faults::default()
    };
    simulator.set_faults(faults.clone());

    let start = Instant::now();
    loop {
        let asked = Instant::now();
        let exposition = exporter.scrape_within("3").await;
        let took = asked.elapsed();
        // A scrape that waits for a stalled call takes 6 s. The rest is for a slow machine.
        assert!(
            took < Duration::from_millis(5_500),
            "a scrape took {took:?}"
        );
        let calls = simulator.calls();
        let missing: Vec<_> = [
            "InternalServiceError",
            "stall",
            "truncated",
            "ThrottlingException",
        ]
        .into_iter()
        .filter(|fault| calls.outcome(fault) == 0)
        .collect();
        if calls.outcome("ThrottlingException") > 0 {
            simulator.set_faults(Faults {
                requests_per_second: Some(150.0),
                ..faults.clone()
            });
        }
        let files = |labels: &[&str]| exposition.sum("aws_transfer_files", labels);
        let is_exact = files(&["status=\"COMPLETED\""]) == 4.0 * PAIRS as f64
            && files(&["failure_code=\"CONNECTION_ERROR\""]) == 4.0 * PAIRS as f64
            && files(&["status=\"QUEUED\""]) == 3.0 * PAIRS as f64
            && files(&[]) == 11.0 * PAIRS as f64;
        if is_exact && missing.is_empty() {
            break;
        }
        assert!(
            start.elapsed() < Duration::from_mins(2),
            "exact: {is_exact}, no {missing:?} happened: {:?}",
            calls.outcomes
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_account_does_not_affect_others() {
    let (good, good_url) = simulator(Settings::default()).await;
    let (bad, bad_url) = simulator(Settings::default()).await;
    for simulator in [&good, &bad] {
        simulator.put_transfer(
            &connector(1),
            &transfer(1),
            files([LifeScript::completed()]),
            SystemTime::now(),
        );
    }
    bad.set_faults(Faults {
        access_denied: true,
        ..Faults::default()
    });
    let pairs = vec![
        key("bad", &connector(1), &transfer(1)),
        key("good", &connector(1), &transfer(1)),
        key("nowhere", &connector(1), &transfer(1)),
    ];
    let accounts = vec![
        account("bad", &bad_url),
        account("good", &good_url),
        account("nowhere", "http://127.0.0.1:9"),
    ];
    let exporter = Exporter::start(plan(accounts, pairs)).await;
    let scrape = exporter.scrape().await;
    assert_eq!(
        scrape.sum("aws_transfer_results_up", &["aws_account=\"good\""]),
        1.0
    );
    assert_eq!(
        scrape.sum(
            "aws_transfer_files",
            &["aws_account=\"good\"", "status=\"COMPLETED\""]
        ),
        1.0
    );
    for (account, outcome) in [("bad", "denied"), ("nowhere", "network")] {
        let of = format!("aws_account=\"{account}\"");
        let up = scrape.family("aws_transfer_results_up");
        let up: Vec<_> = up
            .iter()
            .filter(|(series, _)| series.contains(&of))
            .map(|(_, value)| *value)
            .collect();
        assert_eq!(up, [0.0]);
        let outcome = format!("outcome=\"{outcome}\"");
        assert!(
            scrape.sum("aws_transfer_exporter_api_requests_total", &[&of, &outcome]) >= 1.0,
            "{account}"
        );
        assert_eq!(
            scrape.sum(
                "aws_transfer_connector_transfers",
                &[&of, "state=\"pending\""]
            ),
            1.0
        );
        let files = scrape.family("aws_transfer_files");
        assert!(
            !files.keys().any(|series| series.contains(&of)),
            "unknown files are not exported as zero"
        );
    }
    assert_eq!(
        scrape.sum("aws_transfer_exporter_scrape_complete", &[]),
        0.0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_transfer_is_pending_and_then_gone() {
    for expiry in [Expiry::NotFound, Expiry::EmptyList] {
        let (simulator, url) = simulator(Settings {
            expiry,
            ..Settings::default()
        })
        .await;
        simulator.put_transfer(
            &connector(1),
            &transfer(1),
            files([LifeScript::completed()]),
            SystemTime::now(),
        );
        let old = SystemTime::now() - Duration::from_hours(8 * 24);
        simulator.put_transfer(
            &connector(1),
            &transfer(2),
            files([LifeScript::completed()]),
            old,
        );
        let pairs = (1..=3)
            .map(|n| key("prod", &connector(1), &transfer(n)))
            .collect();
        let mut plan = plan(vec![account("prod", &url)], pairs);
        plan.collector.gone_after = Duration::from_secs(1);
        let exporter = Exporter::start(plan).await;
        let state = |scrape: &crate::rig::Exposition, state: &str| {
            scrape.sum(
                "aws_transfer_connector_transfers",
                &[&format!("state=\"{state}\"")],
            )
        };
        let first = exporter.scrape().await;
        assert_eq!(
            (state(&first, "pending"), state(&first, "completed")),
            (2.0, 1.0),
            "{expiry:?}"
        );
        let deadline = Instant::now() + Duration::from_mins(1);
        let mut second = first;
        while state(&second, "gone") < 2.0 {
            assert!(Instant::now() < deadline, "{expiry:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
            second = exporter.scrape().await;
        }
        assert_eq!(state(&second, "pending"), 0.0, "{expiry:?}");
        assert_eq!(second.family("aws_transfer_files").len(), 4);
        assert_eq!(second.sum("aws_transfer_results_up", &[]), 1.0);
        simulator.reset_calls();
        exporter.scrape().await;
        assert_eq!(
            simulator.calls().of(ApiOperation::ListFileTransferResults),
            0,
            "a gone transfer is polled less and less often"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scrape_is_answered_at_its_deadline_and_the_next_one_has_more() {
    let (simulator, url) = simulator(Settings::default()).await;
    for n in 0..8 {
        simulator.put_transfer(
            &connector(1),
            &transfer(n),
            files([LifeScript::completed()]),
            SystemTime::now(),
        );
    }
    simulator.set_faults(Faults {
        latency: Duration::from_secs(1),
        ..Faults::default()
    });
    let mut plan = plan(
        vec![account("prod", &url)],
        (0..8)
            .map(|n| key("prod", &connector(1), &transfer(n)))
            .collect(),
    );
    plan.collector.concurrency = 2;
    let exporter = Exporter::start(plan).await;
    let start = Instant::now();
    let first = exporter.scrape_within("2").await;
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(first.sum("aws_transfer_exporter_scrape_complete", &[]), 0.0);
    let known = first.sum("aws_transfer_files", &[]);
    assert!((1.0..8.0).contains(&known), "{known}");
    let second = exporter.scrape_within("30").await;
    assert_eq!(
        second.sum("aws_transfer_files", &["status=\"COMPLETED\""]),
        8.0
    );
    assert_eq!(
        second.sum("aws_transfer_exporter_scrape_complete", &[]),
        1.0
    );
    assert_eq!(
        simulator.calls().of(ApiOperation::ListFileTransferResults),
        8,
        "the second scrape joins the running sweep"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_scrapes_of_state_cause_calls() {
    let (simulator, url) = simulator(Settings::default()).await;
    let exporter = Exporter::start(plan(
        vec![account("prod", &url)],
        vec![key("prod", &connector(1), &transfer(1))],
    ))
    .await;
    for path in [
        "/",
        "/-/healthy",
        "/-/ready",
        "/metrics?name[]=process_open_fds&name%5B%5D=aws_transfer_exporter_build_info",
    ] {
        assert_eq!(
            crate::rig::get(exporter.address, path, "").await.0,
            200,
            "{path}"
        );
    }
    assert_eq!(
        simulator.calls().of(ApiOperation::ListFileTransferResults),
        0
    );
    crate::rig::get(exporter.address, "/metrics?name[]=aws_transfer_files", "").await;
    assert_eq!(
        simulator.calls().of(ApiOperation::ListFileTransferResults),
        1
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throttling_lowers_the_exported_rate() {
    let (simulator, url) = simulator(Settings::default()).await;
    simulator.put_transfer(
        &connector(1),
        &transfer(1),
        files([LifeScript::completed()]),
        SystemTime::now(),
    );
    simulator.set_faults(Faults {
        throttle_rate: 1.0,
        ..Faults::default()
    });
    let mut plan = plan(
        vec![account("prod", &url)],
        (1..=3)
            .map(|n| key("prod", &connector(1), &transfer(n)))
            .collect(),
    );
    plan.collector.requests_per_second = 100.0;
    let exporter = Exporter::start(plan).await;
    let scrape = exporter.scrape().await;
    assert_eq!(
        scrape.sum(
            "aws_transfer_exporter_api_requests_total",
            &["outcome=\"throttled\""]
        ),
        9.0
    );
    assert_eq!(
        simulator.calls().of(ApiOperation::ListFileTransferResults),
        9,
        "every call is counted"
    );
    let rate = scrape.sum("aws_transfer_exporter_api_rate_limit", &[]);
    assert!((25.0..75.0).contains(&rate), "{rate}");
}
