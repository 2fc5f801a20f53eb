//! A real Prometheus scrapes the program; assertions use its query API.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use simulator::{FileScript, LifeScript, Settings, Simulator};

use crate::program::{Running, config, config_text, peer, program, signing_program};
use crate::rig::{Exposition, connector, files, get, simulator, transfer};

/// An undocumented code with every character that a label value has to escape.
const ODD_CODE: &str = "a\"b\\c\nd\\n é漢🚀 {x=\"y\"}";

pub(crate) fn put_transfers(simulator: &Simulator) -> Vec<(String, String)> {
    let lives = |n: usize| {
        (0..23).map(move |file| match (n + file) % 4 {
            0 => LifeScript::completed(),
            1 => LifeScript::failed("CONNECTION_ERROR", "no route"),
            2 => LifeScript::failed(
                if n == 3 {
                    ODD_CODE
                } else {
                    "SEND_FILE_NOT_FOUND"
                },
                "odd",
            ),
            _ => LifeScript::stuck_queued(),
        })
    };
    for n in 0..6 {
        simulator.put_transfer(
            &connector(n % 2),
            &transfer(n),
            files(lives(n)),
            SystemTime::now(),
        );
    }
    let paused = vec![FileScript::new("/p", LifeScript::status("PAUSED"))];
    simulator.put_transfer(&connector(0), &transfer(6), paused, SystemTime::now());
    (0..7)
        .map(|n| {
            (
                connector(n % 2 * usize::from(n < 6)).to_string(),
                transfer(n).to_string(),
            )
        })
        .collect()
}

pub(crate) struct Prometheus {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    pub(crate) async fn start(binary: &Path, target: SocketAddr) -> Self {
        Self::start_with(binary, target, &[("aws-transfer-exporter", "")], &[]).await
    }

    /// Starts with a job for each name and the further lines of its configuration.
    pub(crate) async fn start_with(
        binary: &Path,
        target: SocketAddr,
        jobs: &[(&str, &str)],
        flags: &[&str],
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("prometheus.yml");
        let mut text =
            "global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\nscrape_configs:\n".to_owned();
        for (job, lines) in jobs {
            let target = format!("    static_configs:\n      - targets: ['{target}']\n");
            text.extend(["  - job_name: ", job, "\n", &target, lines]);
        }
        std::fs::write(&file, text).unwrap();
        // Free a moment ago; no other process asks for it by number.
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let child = Command::new(binary)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .args(flags)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let prometheus = Self {
            child,
            address,
            _folder: folder,
        };
        for _ in 0..200 {
            if tokio::net::TcpStream::connect(address).await.is_ok()
                && get(address, "/-/ready", "").await.0 == 200
            {
                return prometheus;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{} does not get ready", binary.display());
    }

    async fn api(&self, path: &str) -> Value {
        // HTTP/1.0, so that the response is not chunked.
        let (status, _, body) = get_1_0(self.address, path).await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Runs an instant query: returns values by the labels without `instance` and `job`.
    pub(crate) async fn query(&self, expression: &str) -> BTreeMap<String, f64> {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("query", expression)
            .finish();
        let answer = self.api(&format!("/api/v1/query?{query}")).await;
        let result = answer["data"]["result"].as_array().unwrap();
        let sample = |sample: &Value| {
            let mut labels = sample["metric"].as_object().unwrap().clone();
            labels.retain(|name, _| !["instance", "job"].contains(&name.as_str()));
            let value = sample["value"][1].as_str().unwrap().parse().unwrap();
            (serde_json::to_string(&labels).unwrap(), value)
        };
        result.iter().map(sample).collect()
    }

    /// Returns the longest time without a value of a query in the past `range`.
    pub(crate) async fn longest_gap(&self, expression: &str, range: Duration) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("query", expression)
            .append_pair("start", &(now - range).as_secs().to_string())
            .append_pair("end", &now.as_secs().to_string())
            .append_pair("step", "1")
            .finish();
        let answer = self.api(&format!("/api/v1/query_range?{query}")).await;
        let values = answer["data"]["result"][0]["values"].as_array().unwrap();
        let times: Vec<_> = values
            .iter()
            .map(|value| value[0].as_f64().unwrap())
            .collect();
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0] - 1.0);
        Duration::from_secs_f64(gaps.fold(0.0, f64::max))
    }

    /// Waits until a query has any result.
    pub(crate) async fn wait_for(&self, expression: &str) -> BTreeMap<String, f64> {
        let deadline = Instant::now() + Duration::from_mins(1);
        while Instant::now() < deadline {
            let result = self.query(expression).await;
            if !result.is_empty() {
                return result;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!(
            "`{expression}` stays empty: {}",
            self.api("/api/v1/targets").await
        );
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // Fails if the process has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asserts that every job has the series of the first and that no scrape failed.
async fn assert_every_job_has_the_same_series(
    binary: &Path,
    jobs: &[(&str, &str)],
    flags: &[&str],
) {
    let (simulator, url) = simulator(Settings::default()).await;
    let pairs = put_transfers(&simulator);
    let (_folder, file) = config(&config_text(&url, &pairs));
    let flag = format!("--config.file={}", file.display());
    let exporter = Running::start(signing_program().args([
        &flag,
        "--web.listen-address=127.0.0.1:0",
        "--web.enable-openmetrics2",
    ]));
    // Everything is polled before the first scrape of a job.
    let (_, _, text) = get(exporter.address, "/metrics", "").await;
    let prometheus = Prometheus::start_with(binary, exporter.address, jobs, flags).await;
    // Ages and times change, and only OpenMetrics has `_created`.
    let names =
        "aws_transfer_(files|results_up|connector_(files|transfers|info|files_finished_total))";
    let mut first: Option<BTreeMap<String, f64>> = None;
    for (job, _) in jobs {
        let series = prometheus
            .wait_for(&format!("{{__name__=~\"{names}\",job=\"{job}\"}}"))
            .await;
        let written = text.lines().filter(|line| {
            let name = line.split('{').next().unwrap_or_default();
            [
                "files",
                "results_up",
                "connector_files",
                "connector_transfers",
                "connector_info",
                "connector_files_finished_total",
            ]
            .iter()
            .any(|known| name.strip_prefix("aws_transfer_") == Some(known))
        });
        assert_eq!(series.len(), written.count(), "{job}");
        assert_eq!(
            &series,
            first.get_or_insert_with(|| series.clone()),
            "{job}"
        );
        let up = prometheus
            .query(&format!("min_over_time(up{{job=\"{job}\"}}[1m])"))
            .await;
        assert_eq!(up.into_values().collect::<Vec<_>>(), [1.0], "{job}");
    }
    let targets = prometheus.api("/api/v1/targets").await;
    for target in targets["data"]["activeTargets"].as_array().unwrap() {
        assert_eq!(target["lastError"], "", "{target}");
    }
    exporter.terminate();
}

async fn get_1_0(address: SocketAddr, path: &str) -> (u16, String, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream
        .write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (
        head.split(' ').nth(1).unwrap().parse().unwrap(),
        head.to_owned(),
        body.to_owned(),
    )
}

fn labels(pairs: &[(&str, &str)]) -> String {
    let map: serde_json::Map<_, _> = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).into()))
        .collect();
    serde_json::to_string(&map).unwrap()
}

async fn assert_exact_counts(binary: &Path) {
    let (simulator, url) = simulator(Settings::default()).await;
    let pairs = put_transfers(&simulator);
    let (_folder, file) = config(&config_text(&url, &pairs));
    let flag = format!("--config.file={}", file.display());
    let exporter =
        Running::start(signing_program().args([&flag, "--web.listen-address=127.0.0.1:0"]));
    let prometheus = Prometheus::start(binary, exporter.address).await;
    prometheus.wait_for("aws_transfer_files").await;

    assert_eq!(
        prometheus
            .query("up")
            .await
            .into_values()
            .collect::<Vec<_>>(),
        [1.0]
    );
    let targets = prometheus.api("/api/v1/targets").await;
    assert_eq!(
        targets["data"]["activeTargets"][0]["lastError"], "",
        "{targets}"
    );
    assert_eq!(targets["data"]["activeTargets"][0]["health"], "up");

    // 6 transfers of 23 files and one of 1, counted from the scripts.
    let mut by_status: BTreeMap<String, f64> = BTreeMap::new();
    let mut failed: BTreeMap<String, f64> = BTreeMap::new();
    for n in 0..6 {
        for file in 0..23 {
            let (status, code) = match (n + file) % 4 {
                0 => ("COMPLETED", ""),
                1 => ("FAILED", "CONNECTION_ERROR"),
                2 => (
                    "FAILED",
                    if n == 3 {
                        ODD_CODE
                    } else {
                        "SEND_FILE_NOT_FOUND"
                    },
                ),
                _ => ("QUEUED", ""),
            };
            *by_status.entry(labels(&[("status", status)])).or_default() += 1.0;
            if status == "FAILED" {
                let connector = connector(n % 2).to_string();
                let key = labels(&[("connector_id", connector.as_str()), ("failure_code", code)]);
                *failed.entry(key).or_default() += 1.0;
            }
        }
    }
    by_status.insert(labels(&[("status", "IN_PROGRESS")]), 0.0);
    by_status.insert(labels(&[("status", "PAUSED")]), 1.0);
    assert_eq!(
        prometheus
            .query("sum by (status) (aws_transfer_files)")
            .await,
        by_status
    );
    assert_eq!(
        prometheus
            .query("sum by (status) (aws_transfer_connector_files)")
            .await,
        by_status
    );
    let alert = "sum by (connector_id, failure_code) (aws_transfer_files{status=\"FAILED\"}) > 0";
    assert_eq!(prometheus.query(alert).await, failed);
    let count = prometheus
        .query("count(aws_transfer_results_up == 1)")
        .await;
    assert_eq!(count.into_values().collect::<Vec<_>>(), [7.0]);
    exporter.terminate();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Prometheus 2; tests/run provides it"]
async fn prometheus_2_has_the_exact_counts() {
    assert_exact_counts(&peer("PROMETHEUS_2", "prometheus")).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Prometheus 3; tests/run provides it"]
async fn prometheus_3_has_the_exact_counts() {
    assert_exact_counts(&peer("PROMETHEUS_3", "prometheus3")).await;
}

/// Replaces the transfer: its first `completed` files have completed, the others are queued.
pub(crate) fn put_completed(simulator: &Simulator, completed: usize) {
    let life = |file: usize| {
        if file < completed {
            LifeScript::completed()
        } else {
            LifeScript::stuck_queued()
        }
    };
    simulator.put_transfer(
        &connector(1),
        &transfer(1),
        files((0..24).map(life)),
        SystemTime::now(),
    );
}

/// 12 files complete, the exporter is killed, 6 complete while it is down, and 6 after its restart.
/// With storage all of them are an increase; without it those of the downtime are the base. No file
/// is counted twice.
async fn assert_increase_over_a_kill(binary: &Path, storage: bool) {
    let sum = |labels: &str| format!("sum(aws_transfer_connector_files_finished_total{labels})");
    let (simulator, url) = simulator(Settings::default()).await;
    put_completed(&simulator, 0);
    let (folder, file) = config(&config_text(
        &url,
        &[(connector(1).to_string(), transfer(1).to_string())],
    ));
    let start = |address: &str| {
        let mut command = signing_program();
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--web.listen-address={address}"));
        if storage {
            command.arg(format!(
                "--storage.path={}",
                folder.path().join("state").display()
            ));
        }
        Running::start(&mut command)
    };
    let mut exporter = start("127.0.0.1:0");
    let prometheus = Prometheus::start(binary, exporter.address).await;
    prometheus.wait_for(&format!("{} == 0", sum(""))).await;
    put_completed(&simulator, 12);
    prometheus.wait_for(&format!("{} == 12", sum(""))).await;

    exporter.signal("KILL");
    exporter.wait();
    prometheus.wait_for("up == 0").await;
    put_completed(&simulator, 18);
    let exporter = start(&exporter.address.to_string());
    let (after, at_the_end, real) = if storage {
        (18, 24, 24.0)
    } else {
        (0, 6, 18.0)
    };
    prometheus.wait_for("up == 1").await;
    prometheus
        .wait_for(&format!("{} == {after}", sum("")))
        .await;
    put_completed(&simulator, 24);
    prometheus
        .wait_for(&format!("{} == {at_the_end}", sum("")))
        .await;
    // Prometheus extrapolates by up to a scrape interval at the end: with more samples, that is
    // less.
    let increase = "sum(increase(aws_transfer_connector_files_finished_total[5m]))";
    prometheus
        .wait_for(&format!("{increase} >= {real} < {}", real * 1.15))
        .await;

    let value = async |query: &str| prometheus.query(query).await.into_values().next().unwrap();
    let resets = value("max(resets(aws_transfer_connector_files_finished_total[5m]))").await;
    assert_eq!(resets, if storage { 0.0 } else { 1.0 });
    let failed =
        value("sum(increase(aws_transfer_connector_files_finished_total{status=\"FAILED\"}[5m]))")
            .await;
    assert_eq!(failed, 0.0);
    exporter.terminate();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Prometheus 2; tests/run provides it"]
async fn prometheus_2_has_the_increase_over_a_kill_with_storage() {
    assert_increase_over_a_kill(&peer("PROMETHEUS_2", "prometheus"), true).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Prometheus 2; tests/run provides it"]
async fn prometheus_2_has_the_increase_over_a_kill_without_storage() {
    assert_increase_over_a_kill(&peer("PROMETHEUS_2", "prometheus"), false).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Prometheus 2; tests/run provides it"]
async fn prometheus_2_reads_openmetrics_and_protobuf() {
    let binary = peer("PROMETHEUS_2", "prometheus");
    assert_every_job_has_the_same_series(&binary, &[("default", "")], &[]).await;
    assert_every_job_has_the_same_series(
        &binary,
        &[("protobuf", "")],
        &["--enable-feature=native-histograms"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Prometheus 3; tests/run provides it"]
async fn prometheus_3_reads_the_same_in_each_format_and_encoding() {
    let jobs: Vec<_> = [
        "PrometheusText0.0.4",
        "PrometheusText1.0.0",
        "OpenMetricsText0.0.1",
        "OpenMetricsText1.0.0",
        "OpenMetricsText2.0.0",
        "PrometheusProto",
    ]
    .into_iter()
    .flat_map(|format| {
        let lines = format!("    scrape_protocols: [{format}]\n");
        let plain = format!("{lines}    enable_compression: false\n");
        [
            (format.to_owned(), lines),
            (format!("{format}-plain"), plain),
        ]
    })
    .collect();
    let jobs: Vec<_> = jobs
        .iter()
        .map(|(job, lines)| (job.as_str(), lines.as_str()))
        .collect();
    let binary = peer("PROMETHEUS_3", "prometheus3");
    for features in ["openmetrics2", "openmetrics2,zstd-scrape"] {
        let flag = format!("--enable-feature={features}");
        assert_every_job_has_the_same_series(&binary, &jobs, &[&flag]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Prometheus 3; tests/run provides it"]
async fn prometheus_3_has_the_last_finished_transfer_as_exemplar() {
    let demo = Running::start(program().args([
        "demo",
        "--web.listen-address=127.0.0.1:0",
        "--web.enable-openmetrics2",
    ]));
    let jobs = [
        ("text", "    scrape_protocols: [OpenMetricsText1.0.0]\n"),
        ("text2", "    scrape_protocols: [OpenMetricsText2.0.0]\n"),
        ("protobuf", "    scrape_protocols: [PrometheusProto]\n"),
    ];
    let binary = peer("PROMETHEUS_3", "prometheus3");
    let flags = ["--enable-feature=exemplar-storage,openmetrics2"];
    let prometheus = Prometheus::start_with(&binary, demo.address, &jobs, &flags).await;
    for (job, _) in jobs {
        let selector = format!("aws_transfer_connector_files_finished_total{{job=\"{job}\"}}");
        prometheus.wait_for(&format!("{selector} > 0")).await;
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("query", &selector)
            .append_pair("start", "0")
            .append_pair("end", "9999999999")
            .finish();
        let answer = prometheus
            .api(&format!("/api/v1/query_exemplars?{query}"))
            .await;
        let exemplar = &answer["data"][0]["exemplars"][0];
        let transfer = exemplar["labels"]["transfer_id"]
            .as_str()
            .unwrap_or_else(|| panic!("{job}: {answer}"));
        // Its transfer may have no series: a completed one has none by default.
        let path = format!("/api/v1/transfers?search={transfer}");
        let (_, _, body) = crate::rig::get(demo.address, &path, "").await;
        let found: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(found["transfers_matching"], 1, "{job}: {transfer}: {body}");
    }
    demo.terminate();
}

/// An exporter that follows one transfer of 12 files from events. Each file took 2 s and has completed.
struct Followed {
    exporter: Running,
    _simulator: Simulator,
    _folder: tempfile::TempDir,
}

/// Follows a transfer.
async fn followed() -> Followed {
    let (simulator, url) = simulator(Settings::default()).await;
    let lives = |_| LifeScript::completed().after(Duration::ZERO, Duration::from_secs(2));
    let start = SystemTime::now() - Duration::from_mins(1);
    simulator.put_transfer(
        &connector(1),
        &transfer(1),
        files((0..12).map(lives)),
        start,
    );
    let text = format!(
        "accounts:\n  - {{name: prod, region: eu-central-1, endpoint_url: '{url}'}}\n\
         discovery:\n  events:\n    - {{queue_url: '{}', endpoint_url: '{url}'}}\n",
        simulator.queue_url(&url)
    );
    let (folder, file) = config(&text);
    let flag = format!("--config.file={}", file.display());
    let exporter = Running::start(signing_program().args([
        &flag,
        "--web.listen-address=127.0.0.1:0",
        "--web.enable-openmetrics2",
    ]));
    Followed {
        exporter,
        _simulator: simulator,
        _folder: folder,
    }
}

/// Durations from events, in classic buckets and, if the format has them, in native ones.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Prometheus 3; tests/run provides it"]
async fn prometheus_3_reads_durations_as_native_histograms() {
    let followed = followed().await;
    let exporter = &followed.exporter;
    let jobs = [
        ("classic", "    scrape_protocols: [OpenMetricsText1.0.0]\n"),
        ("classic2", "    scrape_protocols: [OpenMetricsText2.0.0]\n"),
        (
            "native",
            "    scrape_protocols: [PrometheusProto]\n    scrape_native_histograms: true\n",
        ),
        (
            "native2",
            "    scrape_protocols: [OpenMetricsText2.0.0]\n    scrape_native_histograms: true\n",
        ),
    ];
    let prometheus = Prometheus::start_with(
        &peer("PROMETHEUS_3", "prometheus3"),
        exporter.address,
        &jobs,
        &["--enable-feature=openmetrics2"],
    )
    .await;
    let family = "aws_transfer_connector_file_duration_seconds";
    for job in ["classic", "classic2"] {
        prometheus
            .wait_for(&format!("sum({family}_count{{job=\"{job}\"}}) == 12"))
            .await;
    }
    for job in ["native", "native2"] {
        prometheus
            .wait_for(&format!(
                "histogram_count(sum({family}{{job=\"{job}\"}})) == 12"
            ))
            .await;
    }
    // Every bucket is the same as from protobuf, also those of histograms without observations.
    for name in [
        "file_duration_seconds",
        "queue_wait_seconds",
        "file_size_bytes",
    ] {
        let of = |job: &str| format!("aws_transfer_connector_{name}{{job=\"{job}\"}}");
        let matched = "on (connector_id, operation)";
        let [text, protobuf] = ["native2", "native"].map(of);
        let differ = format!("count({text} != {matched} {protobuf})");
        assert_eq!(prometheus.query(&differ).await, BTreeMap::new(), "{name}");
        let same = prometheus
            .query(&format!("count({text} == {matched} {protobuf})"))
            .await;
        assert_eq!(same.into_values().collect::<Vec<_>>(), [2.0], "{name}");
    }
    let one = |result: BTreeMap<String, f64>| result.into_values().next().unwrap();
    let sums = format!(
        "sum({family}_sum{{job=\"classic\"}}) - histogram_sum(sum({family}{{job=\"native\"}}))"
    );
    assert!(one(prometheus.query(&sums).await).abs() < 1e-6);
    let median = format!("histogram_quantile(0.5, sum({family}{{job=\"native\"}}))");
    let median = one(prometheus.query(&median).await);
    assert!((1.8..=2.2).contains(&median), "each took 2 s: {median}");
    assert_eq!(
        one(prometheus
            .query("sum(aws_transfer_connector_files_finished_total{job=\"classic\"})")
            .await),
        12.0
    );
    followed.exporter.terminate();
}

/// Files that were counted before the first scrape are an increase since the counter was created.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Prometheus 3; tests/run provides it"]
async fn prometheus_3_counts_from_the_creation_of_a_counter() {
    let followed = followed().await;
    let completed = "aws_transfer_connector_files_finished_total";
    let begun = Instant::now();
    loop {
        let (_, _, text) = get(followed.exporter.address, "/metrics", "").await;
        let exposition = Exposition::parse(&text);
        if exposition.sum(completed, &["status=\"COMPLETED\""]) == 12.0 {
            break;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "{text}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let formats = [
        "PrometheusProto",
        "OpenMetricsText1.0.0",
        "OpenMetricsText2.0.0",
    ];
    let lines = formats.map(|format| format!("    scrape_protocols: [{format}]\n"));
    let mut jobs: Vec<_> = std::iter::zip(formats, lines.iter().map(String::as_str)).collect();
    // The text format has no creation time.
    jobs.push(("text", "    scrape_protocols: [PrometheusText0.0.4]\n"));
    let prometheus = Prometheus::start_with(
        &peer("PROMETHEUS_3", "prometheus3"),
        followed.exporter.address,
        &jobs,
        &["--enable-feature=created-timestamp-zero-ingestion,openmetrics2"],
    )
    .await;
    for (job, _) in jobs {
        let counter = format!("{completed}{{job=\"{job}\",status=\"COMPLETED\"}}");
        prometheus
            .wait_for(&format!("count_over_time({counter}[1m]) > 3"))
            .await;
        let one = async |query: String| prometheus.query(&query).await.into_values().next();
        let least = one(format!("min_over_time({counter}[10m])")).await;
        assert_eq!(least, Some(if job == "text" { 12.0 } else { 0.0 }), "{job}");
        let latest = one(format!("last_over_time({counter}[10m])")).await;
        assert_eq!(latest, Some(12.0), "{job}");
    }
    followed.exporter.terminate();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs promtool; tests/run provides it"]
async fn promtool_finds_no_problem() {
    let promtool = peer("PROMTOOL", "promtool");
    let demo = Running::start(program().args(["demo", "--web.listen-address=127.0.0.1:0"]));
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (_, _, exposition) = get(demo.address, "/metrics", "").await;
        let mut check = Command::new(&promtool)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        check
            .stdin
            .take()
            .unwrap()
            .write_all(exposition.as_bytes())
            .unwrap();
        let ended = check.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stdout).into_owned()
            + &String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success() && said.is_empty(), "{said}");
    }
    demo.terminate();
}
