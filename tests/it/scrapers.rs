//! Scrapers other than Prometheus have the series of a plain scrape: live ones forward them, and
//! recorded requests are repeated.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};
use simulator::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::formats::parsed;
use crate::formats::protobuf::{self, Field};
use crate::program::{Running, config, config_text, peer, signing_program};
use crate::prometheus::put_transfers;
use crate::rig::{get, simulator};
use crate::support::{Endpoint, Seen, Step, http};

/// Families whose values do not change between the scrapes of a test.
const STABLE: [&str; 8] = [
    "aws_transfer_files",
    "aws_transfer_results_up",
    "aws_transfer_connector_files",
    "aws_transfer_connector_files_finished_total",
    "aws_transfer_connector_info",
    "aws_transfer_connector_transfers",
    "aws_transfer_connector_transfers_started_total",
    "aws_transfer_connector_unresolved_failures",
];

const HISTOGRAM: &str = "aws_transfer_exporter_api_request_duration_seconds";

/// Name and labels, without labels that are empty or that scrapers add.
type Series = (String, BTreeMap<String, String>);

/// The headers of a client with its default settings.
struct Recorded {
    client: &'static str,
    version: &'static str,
    accept: &'static str,
    accept_encoding: &'static str,
}

// `acceptHeader` in scrape/scrape.go of v2.42.0.
const PROMETHEUS_2: Recorded = Recorded {
    client: "Prometheus 2",
    version: "2.42",
    accept: "application/openmetrics-text;version=1.0.0,\
             application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    accept_encoding: "gzip",
};

// `acceptHeader` and `acceptEncodingHeader` in scrape/scrape.go, and `DefaultScrapeProtocols` in
// config/config.go, of v3.16.0.
const PROMETHEUS_3: Recorded = Recorded {
    client: "Prometheus 3",
    version: "3.16",
    accept: "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.7,\
             application/openmetrics-text;version=0.0.1;q=0.6,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,\
             text/plain;version=0.0.4;q=0.4,*/*;q=0.3",
    accept_encoding: "gzip",
};

// lib/promscrape/client.go.
const VMAGENT: Recorded = Recorded {
    client: "vmagent",
    version: "1.151",
    accept: "text/plain;version=0.0.4;q=1,*/*;q=0.1",
    accept_encoding: "gzip",
};

// The scrape package of Prometheus 3.15.
const OTELCOL: Recorded = Recorded {
    client: "OpenTelemetry Collector",
    version: "0.165",
    accept: PROMETHEUS_3.accept,
    accept_encoding: "gzip",
};

// The scrape package of Prometheus 3.12, with the escaping that `Validate` in
// internal/component/prometheus/scrape/scrape.go sets.
const ALLOY: Recorded = Recorded {
    client: "Grafana Alloy",
    version: "1.18",
    accept: "application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,\
             text/plain;version=1.0.0;escaping=underscores;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
    accept_encoding: "gzip",
};

const RECORDED: [Recorded; 5] = [PROMETHEUS_2, PROMETHEUS_3, VMAGENT, OTELCOL, ALLOY];

/// A scraper that runs as a process.
struct Scraper {
    recorded: Recorded,
    /// Returns the command for a scrape configuration and the URL that it forwards to.
    command: fn(folder: &Path, scrape: &Value, url: &str) -> Command,
    /// Returns the samples of a forwarded request.
    samples: fn(&Seen) -> Vec<(Series, f64)>,
}

/// An exporter that has polled all transfers.
struct Exporter {
    process: Running,
    /// Its response in the text format, without compression.
    plain: String,
    _folder: tempfile::TempDir,
}

impl Exporter {
    async fn start() -> Self {
        let (simulator, url) = simulator(Settings::default()).await;
        let pairs = put_transfers(&simulator);
        let (folder, file) = config(&config_text(&url, &pairs));
        let process = Running::start(signing_program().args([
            &format!("--config.file={}", file.display()),
            "--web.listen-address=127.0.0.1:0",
        ]));
        let (_, _, plain) = get(process.address, "/metrics", "").await;
        Self {
            process,
            plain,
            _folder: folder,
        }
    }
}

fn series(name: &str, labels: impl IntoIterator<Item = (String, String)>) -> Series {
    let is_ours = |(name, value): &(String, String)| {
        !value.is_empty() && !["instance", "job"].contains(&name.as_str())
    };
    (
        name.to_owned(),
        labels.into_iter().filter(is_ours).collect(),
    )
}

/// Returns the samples of a text format.
fn samples_of_text(text: &str) -> BTreeMap<Series, f64> {
    let sample = |(name, labels, value): (String, Vec<_>, String)| {
        // An exemplar follows the value.
        let value = value.split(' ').next().unwrap().parse().unwrap();
        (series(&name, labels), value)
    };
    parsed(text).0.into_iter().map(sample).collect()
}

fn stable(samples: &BTreeMap<Series, f64>) -> BTreeMap<Series, f64> {
    let mut samples = samples.clone();
    samples.retain(|(name, _), _| STABLE.contains(&name.as_str()));
    samples
}

/// Returns the series of [`HISTOGRAM`], with the bounds of buckets as numbers.
fn histogram(samples: &BTreeMap<Series, f64>) -> BTreeMap<Series, f64> {
    let of_histogram = samples
        .iter()
        .filter(|((name, _), _)| name.starts_with(HISTOGRAM) && !name.ends_with("_created"));
    of_histogram
        .map(|((name, labels), value)| {
            let mut labels = labels.clone();
            if let Some(bound) = labels.get_mut("le") {
                *bound = bound.parse::<f64>().unwrap().to_string();
            }
            ((name.clone(), labels), *value)
        })
        .collect()
}

/// Asserts that the scraper sends the recorded headers and forwards the series of a plain scrape.
async fn assert_same_series(scraper: Scraper) {
    let exporter = Exporter::start().await;
    let before = samples_of_text(&exporter.plain);
    // Is scraped as well, which shows the request of the scraper.
    let endpoint = Endpoint::answering(|_, seen| {
        Step::Answer(if seen.head.starts_with("GET ") {
            http(200, "content-type: text/plain; version=0.0.4\r\n", "")
        } else {
            http(200, "content-type: application/json\r\n", "{}")
        })
    })
    .await;
    let (_, endpoint_address) = endpoint.url.split_once("://").unwrap();
    let scrape = json!({
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [
            {
                "job_name": "exporter",
                "static_configs": [{"targets": [exporter.process.address.to_string()]}],
            },
            {
                "job_name": "recorder",
                "static_configs": [{"targets": [endpoint_address]}],
            },
        ],
    });
    let folder = tempfile::tempdir().unwrap();
    let mut command = (scraper.command)(folder.path(), &scrape, &endpoint.url);
    let process = Running::unready(&mut command);

    let deadline = Instant::now() + Duration::from_mins(1);
    let (requests, received) = loop {
        let (requests, forwarded): (Vec<_>, Vec<_>) = endpoint
            .seen()
            .into_iter()
            .partition(|seen| seen.head.starts_with("GET "));
        let received: BTreeMap<_, _> = forwarded.iter().flat_map(scraper.samples).collect();
        // A scrape may be forwarded in several requests.
        let is_complete = stable(&received).len() == stable(&before).len()
            && histogram(&received).len() == histogram(&before).len();
        if (is_complete && !requests.is_empty()) || Instant::now() > deadline {
            break (requests, received);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let log = process.drain_log();
    assert_eq!(stable(&received), stable(&before), "{log:#?}");
    let request = requests.first().unwrap();
    assert_eq!(request.header("accept"), scraper.recorded.accept);
    assert_eq!(
        request.header("accept-encoding"),
        scraper.recorded.accept_encoding
    );

    let (_, _, plain) = get(exporter.process.address, "/metrics", "").await;
    let (before, after) = (histogram(&before), histogram(&samples_of_text(&plain)));
    let received = histogram(&received);
    assert!(!before.is_empty());
    assert!(received.keys().eq(before.keys()), "{received:#?}");
    for (series, value) in &received {
        let range = before[series]..=after[series];
        assert!(range.contains(value), "{series:?} {value} {range:?}");
    }
    exporter.process.terminate();
}

/// Writes a configuration as JSON, which is YAML.
fn write(folder: &Path, config: &Value) -> String {
    let file = folder.join("scraper.yaml");
    std::fs::write(&file, config.to_string()).unwrap();
    file.display().to_string()
}

fn vmagent(folder: &Path, scrape: &Value, url: &str) -> Command {
    let mut command = Command::new(peer("VMAGENT", "vmagent"));
    command
        .arg(format!("-promscrape.config={}", write(folder, scrape)))
        .arg(format!("-remoteWrite.url={url}/api/v1/write"))
        // The same messages as Prometheus, compressed with zstd instead of snappy.
        .arg("-remoteWrite.forceVMProto")
        .arg(format!("-remoteWrite.tmpDataPath={}", folder.display()))
        .arg("-httpListenAddr=");
    command
}

/// Reads a `WriteRequest` of Prometheus's remote write.
fn samples_of_remote_write(request: &Seen) -> Vec<(Series, f64)> {
    let message = zstd::decode_all(request.bytes.as_slice()).unwrap();
    let mut samples = Vec::new();
    for time_series in protobuf::all(&message, 1) {
        let Field::Bytes(time_series) = time_series else {
            panic!("a number for a time series")
        };
        let mut labels = protobuf::labels(time_series);
        let name = labels.iter().position(|(name, _)| name == "__name__");
        let (_, name) = labels.swap_remove(name.unwrap());
        for sample in protobuf::all(time_series, 2) {
            let Field::Bytes(sample) = sample else {
                panic!("a number for a sample of {name}")
            };
            let value = protobuf::double(sample, 1);
            samples.push((series(&name, labels.clone()), value));
        }
    }
    samples
}

fn otelcol(folder: &Path, scrape: &Value, url: &str) -> Command {
    let config = json!({
        "receivers": {"prometheus": {"config": scrape}},
        "exporters": {"otlp_http": {"endpoint": url, "encoding": "json", "compression": "none"}},
        "service": {
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {"metrics": {"receivers": ["prometheus"], "exporters": ["otlp_http"]}},
        },
    });
    let mut command = Command::new(peer("OTELCOL", "otelcol"));
    command.arg(format!("--config={}", write(folder, &config)));
    command
}

fn items<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value[name].as_array().into_iter().flatten()
}

/// Returns a number that JSON may have as text.
fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
}

/// Reads an `ExportMetricsServiceRequest` of OTLP.
fn samples_of_otlp(request: &Seen) -> Vec<(Series, f64)> {
    let message: Value = serde_json::from_str(&request.body).unwrap();
    let mut samples = Vec::new();
    let metrics = items(&message, "resourceMetrics")
        .flat_map(|resource| items(resource, "scopeMetrics"))
        .flat_map(|scope| items(scope, "metrics"));
    for metric in metrics {
        let name = metric["name"].as_str().unwrap();
        let labels = |point: &Value| -> Vec<(String, String)> {
            let pair = |label: &Value| {
                let value = label["value"]["stringValue"].as_str().unwrap_or_default();
                (label["key"].as_str().unwrap().to_owned(), value.to_owned())
            };
            items(point, "attributes").map(pair).collect()
        };
        for kind in ["gauge", "sum"] {
            let points = items(&metric[kind], "dataPoints");
            samples.extend(points.filter_map(|point| {
                let value = point.get("asDouble").or_else(|| point.get("asInt"))?;
                Some((series(name, labels(point)), number(value)))
            }));
        }
        for point in items(&metric["histogram"], "dataPoints") {
            let bounds = items(point, "explicitBounds").map(number);
            let counts = items(point, "bucketCounts").map(number);
            let mut total = 0.0;
            for (bound, count) in bounds.chain([f64::INFINITY]).zip(counts) {
                total += count;
                let mut labels = labels(point);
                labels.push(("le".to_owned(), bound.to_string()));
                samples.push((series(&format!("{name}_bucket"), labels), total));
            }
            for part in ["sum", "count"] {
                let series = series(&format!("{name}_{part}"), labels(point));
                samples.push((series, number(&point[part])));
            }
        }
    }
    samples
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs vmagent; tests/run provides it"]
async fn vmagent_has_the_series_of_a_plain_scrape() {
    assert_same_series(Scraper {
        recorded: VMAGENT,
        command: vmagent,
        samples: samples_of_remote_write,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an OpenTelemetry collector; tests/run provides it"]
async fn otelcol_has_the_series_of_a_plain_scrape() {
    assert_same_series(Scraper {
        recorded: OTELCOL,
        command: otelcol,
        samples: samples_of_otlp,
    })
    .await;
}

async fn repeat(address: SocketAddr, request: &Recorded) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // HTTP/1.0, so that the response is not chunked.
    let request = format!(
        "GET /metrics HTTP/1.0\r\nHost: localhost\r\nAccept: {}\r\nAccept-Encoding: {}\r\n\r\n",
        request.accept, request.accept_encoding
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await.unwrap();
    let head = response.windows(4).position(|end| end == b"\r\n\r\n");
    let mut text = String::new();
    MultiGzDecoder::new(&response[head.unwrap() + 4..])
        .read_to_string(&mut text)
        .unwrap();
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_requests_have_the_series_of_a_plain_scrape() {
    let exporter = Exporter::start().await;
    let expected = stable(&samples_of_text(&exporter.plain));
    for family in STABLE {
        assert!(expected.keys().any(|(name, _)| name == family), "{family}");
    }
    for request in RECORDED {
        let text = repeat(exporter.process.address, &request).await;
        let received = stable(&samples_of_text(&text));
        assert_eq!(received, expected, "{}", request.client);
    }
    exporter.process.terminate();
}

#[test]
fn the_documented_versions_are_those_that_are_tested() {
    let read = |path: &str| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(root.join(path)).unwrap()
    };
    let table = read("docs/reference/formats.md");
    for recorded in RECORDED {
        let row = format!("\n| {} | {} |", recorded.client, recorded.version);
        assert!(table.contains(&row), "{row}");
    }
    let pin = format!("/prometheusreceiver v{}.", OTELCOL.version);
    assert!(read("tests/peers/go.mod").contains(&pin), "{pin}");
    let (major, minor) = PROMETHEUS_3.version.split_once('.').unwrap();
    for pin in [
        format!("\nPROMETHEUS_3_VERSION=v0.{major}{minor:0>2}."),
        format!("\nVMAGENT_VERSION=v{}.", VMAGENT.version),
    ] {
        assert!(read("tests/run").contains(&pin), "{pin}");
    }
}
