//! Exact counts for a thousand transfers, and the number of calls.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use aws_transfer_exporter::app::Options;
use model::DOCUMENTED_FAILURE_CODES;
use simulator::{ApiOperation, End, Faults, LifeScript, Settings, Simulator};

use crate::rig::{Exporter, account, connector, files, key, plan, simulator, transfer};

const PAIRS: usize = 1_000;
const CONNECTORS: usize = 20;
const FILES: usize = 23;
const PAGES: u64 = 3;

/// Returns the script of a file. Every third transfer settles, the others do not.
fn life(pair: usize, file: usize) -> LifeScript {
    let unsettled = !pair.is_multiple_of(3);
    match (pair + file) % 5 {
        0 if unsettled => LifeScript::stuck_queued(),
        1 if unsettled => LifeScript::stuck_in_progress(),
        2 => LifeScript::failed(DOCUMENTED_FAILURE_CODES[(pair * 7 + file) % 16], "broke"),
        3 if file.is_multiple_of(2) => LifeScript {
            end: End::Failed {
                code: None,
                message: None,
            },
            ..LifeScript::completed()
        },
        _ => LifeScript::completed(),
    }
}

/// Returns all expected series of `aws_transfer_files`, counted from the scripts.
fn expected() -> BTreeMap<String, f64> {
    let mut series = BTreeMap::new();
    for pair in 0..PAIRS {
        let labels = format!(
            "aws_account=\"prod\",aws_region=\"eu-central-1\",connector_id=\"{}\",transfer_id=\"{}\"",
            connector(pair % CONNECTORS),
            transfer(pair)
        );
        let name = |status: &str, code: &str| {
            format!("aws_transfer_files{{{labels},status=\"{status}\",failure_code=\"{code}\"}}")
        };
        for status in ["QUEUED", "IN_PROGRESS", "COMPLETED", "FAILED"] {
            series.insert(name(status, ""), 0.0);
        }
        for file in 0..FILES {
            let life = life(pair, file);
            let (status, code) = match &life.end {
                End::Completed => ("COMPLETED", ""),
                End::Failed { code, .. } => ("FAILED", code.as_deref().unwrap_or_default()),
                End::Never if life.queued_for > Duration::ZERO => ("QUEUED", ""),
                _ => ("IN_PROGRESS", ""),
            };
            *series.entry(name(status, code)).or_default() += 1.0;
        }
    }
    series
}

fn put_all(simulator: &Simulator) {
    for pair in 0..PAIRS {
        let files = files((0..FILES).map(|file| life(pair, file)));
        simulator.put_transfer(
            &connector(pair % CONNECTORS),
            &transfer(pair),
            files,
            SystemTime::now(),
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_of_a_thousand_transfers_are_exact_with_one_call_per_page() {
    let (simulator, url) = simulator(Settings::default()).await;
    put_all(&simulator);
    let options = Options {
        write_api: true,
        ..Options::default()
    };
    let plan = plan(vec![account("prod", &url)], Vec::new());
    let exporter = Exporter::start_with(plan, options).await;
    for pair in 0..PAIRS {
        let key = key("prod", &connector(pair % CONNECTORS), &transfer(pair));
        exporter
            .track_files(key, SystemTime::now(), u32::try_from(FILES).ok())
            .await;
    }

    let first = exporter.scrape_within("300").await;
    let expected = expected();
    let got = first.family("aws_transfer_files");
    assert_eq!(got.len(), expected.len());
    for (series, value) in &expected {
        assert_eq!(got.get(series.as_str()), Some(value), "{series}");
    }
    assert_eq!(
        simulator.calls().of(ApiOperation::ListFileTransferResults),
        PAIRS as u64 * PAGES
    );
    assert_eq!(
        first.sum(
            "aws_transfer_exporter_api_requests_total",
            &["outcome=\"ok\""]
        ),
        3_000.0
    );
    assert_eq!(first.sum("aws_transfer_exporter_scrape_complete", &[]), 1.0);
    assert_eq!(first.sum("aws_transfer_results_up", &[]), 1_000.0);
    assert_eq!(first.sum("aws_transfer_connector_files", &[]), 23_000.0);
    for n in 0..CONNECTORS {
        let of = format!("connector_id=\"{}\"", connector(n));
        for status in ["QUEUED", "IN_PROGRESS", "COMPLETED", "FAILED"] {
            let status = format!("status=\"{status}\"");
            let labels = [of.as_str(), status.as_str()];
            assert_eq!(
                first.sum("aws_transfer_connector_files", &labels),
                first.sum("aws_transfer_files", &labels)
            );
        }
    }
    let unsettled = (0..PAIRS).filter(|pair| pair % 3 != 0).count() as u64;
    let state = |state: &str| {
        first.sum(
            "aws_transfer_connector_transfers",
            &[&format!("state=\"{state}\"")],
        )
    };
    assert_eq!(state("running"), unsettled as f64);
    assert_eq!(
        state("completed") + state("failed"),
        (PAIRS as u64 - unsettled) as f64
    );

    simulator.reset_calls();
    let second = exporter.scrape_within("300").await;
    assert_eq!(second.family("aws_transfer_files"), got);
    assert_eq!(
        simulator.calls().of(ApiOperation::ListFileTransferResults),
        unsettled * PAGES
    );

    simulator.reset_calls();
    simulator.set_faults(Faults {
        latency: Duration::from_millis(20),
        ..Faults::default()
    });
    let four = tokio::join!(
        exporter.scrape_within("300"),
        exporter.scrape_within("300"),
        exporter.scrape_within("300"),
        exporter.scrape_within("300")
    );
    assert_eq!(
        simulator.calls().of(ApiOperation::ListFileTransferResults),
        unsettled * PAGES
    );
    for scrape in [&four.0, &four.1, &four.2, &four.3] {
        assert_eq!(scrape.family("aws_transfer_files"), got);
    }
    assert!(
        simulator.calls().peak_in_flight <= 32,
        "{}",
        simulator.calls().peak_in_flight
    );
    exporter.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_file_is_counted_once_while_transfers_run() {
    let (simulator, url) = simulator(Settings::default()).await;
    let (connector, transfer) = (connector(1), transfer(1));
    let step = Duration::from_millis(150);
    let lives = (0..12).map(|n: u32| {
        let life = if n.is_multiple_of(3) {
            LifeScript::failed("TIMEOUT_ERROR", "late")
        } else {
            LifeScript::completed()
        };
        life.after(step * n, step)
    });
    simulator.put_transfer(&connector, &transfer, files(lives), SystemTime::now());
    let options = Options {
        write_api: true,
        ..Options::default()
    };
    let plan = plan(vec![account("prod", &url)], Vec::new());
    let exporter = Exporter::start_with(plan, options).await;
    exporter
        .track(key("prod", &connector, &transfer), SystemTime::now())
        .await;
    let finished = "aws_transfer_connector_files_finished_total";
    let mut last = 0.0;
    for _ in 0..100 {
        let scrape = exporter.scrape().await;
        let now = scrape.sum(finished, &[]);
        assert!(now >= last, "the counter decreased from {last} to {now}");
        assert_eq!(
            now,
            scrape.sum("aws_transfer_files", &["status=\"COMPLETED\""])
                + scrape.sum("aws_transfer_files", &["status=\"FAILED\""])
        );
        last = now;
        if scrape.sum("aws_transfer_connector_transfers", &["state=\"failed\""]) > 0.0 {
            assert_eq!(scrape.sum(finished, &["status=\"COMPLETED\""]), 8.0);
            assert_eq!(
                scrape.sum(finished, &["failure_code=\"TIMEOUT_ERROR\""]),
                4.0
            );
            assert_eq!(
                scrape.family(finished).len(),
                18,
                "COMPLETED, FAILED without a code, the 16 documented codes"
            );
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the transfer did not settle: {last} files finished");
}
