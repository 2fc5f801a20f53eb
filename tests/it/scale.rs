//! Many series and requests by other programs. `benches/scale.rs` measures the cost.

#![expect(clippy::print_stdout, reason = "figures for the log of tests/run")]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use simulator::{LifeScript, Settings};

use crate::program::{Running, config, config_text, peer, signing_program};
use crate::prometheus::Prometheus;
use crate::rig::{Exposition, connector, files, get, simulator, transfer};

/// Starts an exporter and polls this number of settled transfers.
async fn settled(transfers: usize) -> (tempfile::TempDir, Running) {
    let (simulator, url) = simulator(Settings::default()).await;
    let mut pairs = Vec::with_capacity(transfers);
    for n in 0..transfers {
        let lives = [LifeScript::completed(), LifeScript::completed()];
        simulator.put_transfer(
            &connector(n % 100),
            &transfer(n),
            files(lives),
            SystemTime::now(),
        );
        pairs.push((connector(n % 100).to_string(), transfer(n).to_string()));
    }
    let (folder, file) = config(&config_text(&url, &pairs));
    let flag = format!("--config.file={}", file.display());
    let exporter =
        Running::start(signing_program().args([&flag, "--web.listen-address=127.0.0.1:0"]));
    let budget = "X-Prometheus-Scrape-Timeout-Seconds: 300\r\n";
    let (_, _, text) = get(exporter.address, "/metrics", budget).await;
    assert!(text.contains("\naws_transfer_exporter_scrape_complete 1\n"));
    assert_eq!(
        text.matches("\naws_transfer_results_up{").count(),
        transfers
    );
    (folder, exporter)
}

fn resident_kib(exporter: &Running) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", exporter.child.id())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_released_when_transfers_are_removed() {
    // Nothing listens on this port, and nothing is polled: the memory is that of 50,000 tracked
    // transfers.
    let list = |count: usize| {
        let pairs: Vec<_> = (0..count)
            .map(|n| {
                (
                    connector(n % 100).to_string(),
                    format!("00000000-0000-4000-8000-{n:012}"),
                )
            })
            .collect();
        config_text("http://127.0.0.1:1", &pairs)
    };
    let fresh = {
        let (_folder, file) = config(&list(1));
        let flag = format!("--config.file={}", file.display());
        let exporter =
            Running::start(signing_program().args([&flag, "--web.listen-address=127.0.0.1:0"]));
        let fresh = resident_kib(&exporter);
        exporter.terminate();
        fresh
    };
    let (_folder, file) = config(&list(50_000));
    let flag = format!("--config.file={}", file.display());
    let exporter =
        Running::start(signing_program().args([&flag, "--web.listen-address=127.0.0.1:0"]));
    let all = resident_kib(&exporter);
    std::fs::write(&file, list(1)).unwrap();
    exporter.signal("HUP");
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        // A scrape without a sweep makes the allocator release memory.
        get(
            exporter.address,
            "/metrics?name[]=aws_transfer_exporter_build_info",
            "",
        )
        .await;
        let one = resident_kib(&exporter);
        // At least half of what the transfers took is returned.
        if one < usize::midpoint(fresh, all) {
            println!(
                "resident memory {fresh} KiB at first, {all} KiB with all, {one} KiB with one"
            );
            break;
        }
        assert!(
            Instant::now() < deadline,
            "{fresh} KiB at first, {all} KiB with all, {one} KiB with one"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    exporter.terminate();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Prometheus 2; tests/run provides it"]
async fn prometheus_2_misses_no_scrape_of_ten_thousand_transfers() {
    let binary = peer("PROMETHEUS_2", "prometheus");
    let (_folder, exporter) = settled(10_000).await;
    let job = [("scale", "    scrape_interval: 5s\n    scrape_timeout: 4s\n")];
    let prometheus = Prometheus::start_with(&binary, exporter.address, &job, &[]).await;
    prometheus.wait_for("count_over_time(up[1m]) >= 9").await;
    let one =
        |answer: std::collections::BTreeMap<String, f64>| answer.into_values().next().unwrap();
    let scrapes = one(prometheus.query("count_over_time(up[1m])").await);
    assert_eq!(
        one(prometheus.query("sum_over_time(up[1m])").await),
        scrapes
    );
    assert_eq!(
        one(prometheus
            .query("count(aws_transfer_results_up == 1)")
            .await),
        10_000.0
    );
    println!(
        "{scrapes} scrapes of {}",
        one(prometheus.query("scrape_samples_scraped").await)
    );
    println!(
        "the longest took {} s",
        one(prometheus
            .query("max_over_time(scrape_duration_seconds[1m])")
            .await)
    );
    let calls = "/metrics?name[]=aws_transfer_exporter_api_requests_total";
    let (_, _, text) = get(exporter.address, calls, "").await;
    let requests = Exposition::parse(&text).sum("aws_transfer_exporter_api_requests_total", &[]);
    // One call each, and one that confirms the number of files.
    assert_eq!(requests, 20_000.0, "settled transfers are not polled again");
    exporter.terminate();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs wrk; tests/run provides it"]
async fn wrk_gets_all_responses_on_64_connections() {
    let (_folder, exporter) = settled(1_000).await;
    let load = |seconds: usize| {
        let wrk = std::env::var_os("WRK").unwrap_or_else(|| "wrk".into());
        let ended = Command::new(wrk)
            .args([
                "--threads",
                "2",
                "--connections",
                "64",
                "--duration",
                &format!("{seconds}s"),
            ])
            .args(["--timeout", "10s", "--header", "Accept-Encoding: gzip"])
            .arg(format!("http://{}/metrics", exporter.address))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let report = String::from_utf8(ended.stdout).unwrap();
        assert!(ended.status.success(), "{report}");
        assert!(
            !report.contains("Socket errors") && !report.contains("Non-2xx"),
            "{report}"
        );
        let requests = report
            .split_once(" requests in ")
            .unwrap()
            .0
            .rsplit('\n')
            .next()
            .unwrap();
        assert!(requests.trim().parse::<u64>().unwrap() >= 64, "{report}");
        println!("{report}");
    };
    // The first run allocates threads, buffers and the allocator's arenas.
    load(10);
    let before = resident_kib(&exporter);
    load(5);
    let after = resident_kib(&exporter);
    println!("resident memory {before} KiB before, {after} KiB after");
    assert!(
        after < before + 6_144,
        "{before} KiB before, {after} KiB after"
    );
    exporter.terminate();
}
