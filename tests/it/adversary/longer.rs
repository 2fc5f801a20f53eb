//! All kinds of attacks on one program, again and again with other seeds, and a table of attack, bound
//! and what was observed. `cargo test` runs one round; `ADVERSARY_SECONDS` sets for how long rounds
//! follow, and `ADVERSARY_SEED` the first seed.

#![expect(clippy::print_stdout, reason = "the table is for the log of tests/run")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::budget::{JSON_1_0, JSON_1_1, LIMIT, peak};
use super::held::{exchange, shapes};
use crate::program::{Running, signing_program};
use crate::rig::{Exposition, ask, get};
use crate::support::{Endpoint, Seen, Step, http};

/// The limits of the program.
const TRANSFERS: usize = 300;
const CONNECTORS: usize = 30;
/// Series of a program without any transfer, and of a connector and a transfer at most.
const MOST_SERIES: usize = 1_000 + 200 * (CONNECTORS + 2) + 10 * TRANSFERS;
/// The quickest of three health checks of another client takes at most so long while an attack
/// runs. A single one may find the processors busy; an attack that locks clients out delays all.
const MOST_WAIT: Duration = Duration::from_secs(3);
/// A health check that takes longer fails at once.
const PATIENCE: Duration = Duration::from_secs(30);
/// Another client.
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Numbers that follow from a seed (xorshift).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound.max(1)
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// Changes, removes or repeats some bytes.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..self.below(8) {
            if bytes.is_empty() {
                return;
            }
            let at = self.below(bytes.len());
            match self.below(4) {
                0 => bytes[at] = self.below(256).to_le_bytes()[0],
                1 => bytes.truncate(at),
                2 => {
                    bytes.remove(at);
                }
                _ => {
                    let part = bytes[at..].to_vec();
                    bytes.extend(part.iter().take(4_096));
                }
            }
        }
    }

    /// A text of brackets, keys and numbers.
    fn nested(&mut self, size: usize) -> String {
        let tokens = [
            "[", "]", "{", "}", "- ", "a: ", "\n", "  ", ",", "0", "\"", "&a ", "*a", "x", ":",
        ];
        let token = self.pick(&tokens);
        let other = self.pick(&tokens);
        let mut text = String::new();
        while text.len() < size {
            let is_same = self.below(50) > 0;
            text.push_str(if is_same { token } else { other });
            if self.below(30) == 0 {
                text.push_str(self.pick(&tokens));
            }
        }
        text
    }
}

fn connector(n: usize) -> String {
    format!("c-{n:017x}")
}

fn transfer(n: usize) -> String {
    format!("{n:08x}-89ab-cdef-0123-456789abcdef")
}

/// A message with invented names and absurd numbers, or a damaged one.
fn message(random: &mut Random) -> String {
    let n = random.below(1 << 30);
    let numbers = [
        "-1",
        "0",
        "1",
        "1e308",
        "18446744073709551616",
        "null",
        "\"x\"",
    ];
    let times = [
        "2026-06-01T10:00:00Z",
        "9999-12-31T23:59:59Z",
        "0000-01-01T00:00:00Z",
        "x",
    ];
    let text = json!({
        "version": "0", "id": format!("e-{n}"), "source": "aws.transfer",
        "detail-type": "SFTP Connector File Send Failed", "account": "123456789012",
        "time": random.pick(&times), "region": "eu-central-1", "resources": [],
        "detail": {
            "connector-id": connector(random.below(1 << 20)), "transfer-id": transfer(n),
            "file-transfer-id": format!("f-{n}"), "file-path": format!("/{n}\u{202e}\"\\"),
            "status-code": "FAILED", "failure-code": format!("CODE_{n}"),
            "failure-message": "m".repeat(random.below(4_096)), "bytes": "BYTES",
            "start-timestamp": random.pick(&times), "end-timestamp": random.pick(&times),
        },
    });
    let text = text.to_string().replace("\"BYTES\"", random.pick(&numbers));
    let mut bytes = match random.below(4) {
        0 => return random.nested(200_000),
        1 => json!([{"ConnectorId": connector(n % 99), "TransferId": transfer(n)}]).to_string(),
        _ => text,
    }
    .into_bytes();
    if random.below(3) == 0 {
        random.mutate(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What AWS answers, sound or hostile.
fn answer(random: &mut Random, seen: &Seen) -> Step {
    let target = seen.header("x-amz-target");
    let status = random.pick(&[200, 200, 200, 200, 400, 403, 429, 500, 503]);
    let (kind, body) = if target.ends_with("ReceiveMessage") {
        let messages: Vec<_> = (0..10)
            .map(|n| json!({"MessageId": n.to_string(), "ReceiptHandle": "r", "Body": message(random)}))
            .collect();
        (JSON_1_0, json!({ "Messages": messages }).to_string())
    } else if target.ends_with("DeleteMessageBatch") {
        (JSON_1_0, r#"{"Successful":[],"Failed":[]}"#.to_owned())
    } else if random.below(3) == 0 {
        (JSON_1_1, random.nested(100_000))
    } else {
        let files: Vec<_> = (0..random.below(20))
            .map(|n| {
                json!({"FilePath": format!("/{n}"), "StatusCode": "FAILED",
                "FailureCode": format!("C{}", random.below(1_000)), "FailureMessage": "\u{0}\n"})
            })
            .collect();
        (
            JSON_1_1,
            json!({ "FileTransferResults": files }).to_string(),
        )
    };
    let mut bytes = http(status, kind, body);
    match random.below(8) {
        0 => {
            random.mutate(&mut bytes);
            Step::Close(bytes)
        }
        1 => Step::Reset(bytes[..bytes.len() / 2].to_vec()),
        _ => Step::Answer(bytes),
    }
}

/// The program under attack, and the greatest figures so far.
struct Target {
    running: Running,
    folder: tempfile::TempDir,
    config: String,
    attacks: BTreeMap<&'static str, (u64, Duration)>,
    counted: f64,
    series: usize,
    files: usize,
}

impl Target {
    fn start(endpoint: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let queue = "https://sqs.eu-central-1.amazonaws.com/123456789012/q";
        let config = format!(
            "accounts:\n- {{name: prod, region: eu-central-1, endpoint_url: '{endpoint}'}}\n\
             collector: {{requests_per_second: 200, min_refresh_interval: 1s}}\n\
             limits: {{transfers: {TRANSFERS}, connectors: {CONNECTORS}}}\n\
             discovery:\n  events:\n  - {{queue_url: '{queue}', endpoint_url: '{endpoint}'}}\n  \
             files:\n  - {{paths: ['targets*.yml'], refresh_interval: 1s}}\n"
        );
        let file = folder.path().join("exporter.yml");
        fs::write(&file, &config).unwrap();
        let running = Running::start(
            signing_program()
                .arg(format!("--config.file={}", file.display()))
                .args(["--web.listen-address=127.0.0.1:0", "--web.enable-write-api"])
                .arg("--storage.path=state")
                .current_dir(folder.path()),
        );
        Self {
            running,
            folder,
            config,
            attacks: BTreeMap::new(),
            counted: 0.0,
            series: 0,
            files: 0,
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Records an attack of so many inputs, and asks as another client whether the program is healthy.
    async fn after(&mut self, attack: &'static str, inputs: usize) {
        let mut quickest = PATIENCE;
        for _ in 0..3 {
            if quickest > MOST_WAIT {
                quickest = quickest.min(self.health(attack).await);
            }
        }
        assert!(quickest <= MOST_WAIT, "{attack}: health after {quickest:?}");
        let (number, longest) = self.attacks.entry(attack).or_default();
        *number += inputs as u64;
        *longest = (*longest).max(quickest);
        let files = fs::read_dir(format!("/proc/{}/fd", self.running.child.id())).unwrap();
        self.files = self.files.max(files.count());
    }

    /// Asks as another client whether the program is healthy. Returns the time until the answer.
    async fn health(&self, attack: &str) -> Duration {
        let start = Instant::now();
        let exchange = async {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(SocketAddr::from((OTHER, 0))).unwrap();
            let mut stream = socket.connect(self.running.address).await.unwrap();
            let request = b"GET /-/healthy HTTP/1.0\r\nhost: localhost\r\n\r\n";
            stream.write_all(request).await.unwrap();
            let mut response = String::new();
            stream.read_to_string(&mut response).await.unwrap();
            response
        };
        let response = tokio::time::timeout(PATIENCE, exchange).await;
        let response = response.unwrap_or_else(|_| panic!("{attack}: no health"));
        assert!(response.starts_with("HTTP/1.0 200"), "{attack}: {response}");
        start.elapsed()
    }

    /// Checks the bounds of what is exported: its size, and that no counter falls.
    async fn check(&mut self) {
        let deadline = "X-Prometheus-Scrape-Timeout-Seconds: 2\r\n";
        let (status, _, body) = get(self.running.address, "/metrics", deadline).await;
        assert_eq!(status, 200);
        let scrape = Exposition::parse(&body);
        let tracked = scrape.sum("aws_transfer_exporter_transfers", &[]);
        assert!(tracked <= TRANSFERS as f64 + 1.0, "{tracked} transfers");
        self.series = self.series.max(scrape.0.len());
        assert!(self.series <= MOST_SERIES, "{} series", self.series);
        let counted = scrape.sum("aws_transfer_connector_files_finished_total", &[]);
        assert!(
            counted >= self.counted,
            "{} files, then {counted}",
            self.counted
        );
        self.counted = counted;
        for line in self.running.drain_log() {
            assert!(!line.contains("panic"), "{line}");
        }
        let peak = peak(&self.running);
        assert!(peak < LIMIT, "{peak} MiB");
    }
}

/// Requests as no client sends them.
async fn requests(target: &mut Target, random: &mut Random) {
    let shapes = shapes();
    let address = target.running.address;
    let attacks = (0..64).map(|_| {
        let mut bytes = shapes[random.below(shapes.len())].clone();
        random.mutate(&mut bytes);
        async move {
            let response = exchange(address, &bytes).await;
            let is_http = response.is_empty() || response.starts_with(b"HTTP/1.");
            assert!(is_http, "{:?}", String::from_utf8_lossy(&bytes));
        }
    });
    futures_util::future::join_all(attacks).await;
    target.after("malformed requests", 64).await;
}

/// Connections that wait, send nothing, or read nothing, until the check.
async fn connections(target: &mut Target, random: &mut Random) {
    let starts = [
        "GET /metrics HTTP/1.1\r\nhost: x\r\nX-Prometheus-Scrape-Timeout-Seconds: 600\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /transfers HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nhost: x\r\n",
        "",
    ];
    let mut held = Vec::new();
    for _ in 0..600 {
        let start = random.pick(&starts);
        if let Ok(mut stream) = TcpStream::connect(target.running.address).await {
            // It may be closed at once.
            let _ = stream.write_all(start.as_bytes()).await;
            held.push(stream);
        }
    }
    target.after("connections that stay", held.len()).await;
}

/// Transfers of invented connectors.
async fn writes(target: &mut Target, random: &mut Random) {
    for _ in 0..300 {
        let (c, t) = (random.below(500), random.below(1 << 30));
        let write = format!("/api/v1/transfers/{}/{}", connector(c), transfer(t));
        let method = random.pick(&["PUT", "PUT", "PUT", "DELETE"]);
        let (status, _) = ask(target.running.address, method, &write, "").await;
        assert!([200, 201, 202, 204, 404, 429].contains(&status), "{status}");
    }
    target.after("invented transfers by PUT", 300).await;
}

/// Configurations and target files that are refused, or not.
async fn files(target: &mut Target, random: &mut Random) {
    for _ in 0..3 {
        let text = random.nested(1 << 20);
        fs::write(target.path().join("targets-x.yml"), &text).unwrap();
        let mut bytes = target.config.clone().into_bytes();
        random.mutate(&mut bytes);
        // What is removed could be the bounds that are checked.
        let text = format!("{}\nx: {}", target.config, random.nested(1 << 20));
        let text = if random.below(2) == 0 {
            text
        } else {
            format!("{}\nx: {}", target.config, String::from_utf8_lossy(&bytes))
        };
        fs::write(target.path().join("exporter.yml"), text).unwrap();
        target.running.signal("HUP");
        target
            .running
            .wait_for("event=config_reload_failed", "event=config_reloaded");
    }
    fs::remove_file(target.path().join("targets-x.yml")).unwrap();
    fs::write(target.path().join("exporter.yml"), &target.config).unwrap();
    target.after("configurations and target files", 6).await;
}

/// Many signals.
async fn signals(target: &mut Target) {
    for _ in 0..20 {
        target.running.signal("HUP");
        target.running.signal("PIPE");
    }
    target.after("signals", 40).await;
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |number| number.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attacks_of_all_kinds_stay_within_their_bounds_for_as_long_as_they_last() {
    let first = number("ADVERSARY_SEED", 1);
    let end = Instant::now() + Duration::from_secs(number("ADVERSARY_SECONDS", 0));
    let answers = Arc::new(AtomicU64::new(0));
    let messages = Arc::new(AtomicU64::new(0));
    let (of_aws, of_queue) = (Arc::clone(&answers), Arc::clone(&messages));
    let endpoint = Endpoint::answering(move |at, seen| {
        let count = if seen.header("x-amz-target").starts_with("AmazonSQS") {
            &of_queue
        } else {
            &of_aws
        };
        count.fetch_add(1, Ordering::Relaxed);
        answer(&mut Random::new(first + at as u64), seen)
    })
    .await;
    let mut target = Target::start(&endpoint.url);
    let mut rounds = 0;
    loop {
        let seed = first + rounds;
        println!("seed {seed}");
        let mut random = Random::new(seed);
        requests(&mut target, &mut random).await;
        connections(&mut target, &mut random).await;
        writes(&mut target, &mut random).await;
        files(&mut target, &mut random).await;
        signals(&mut target).await;
        target.check().await;
        rounds += 1;
        if Instant::now() >= end {
            break;
        }
    }
    let mut table = format!(
        "{rounds} rounds from seed {first}\n| attack | inputs | bound | observed |\n\
         | --- | --- | --- | --- |\n"
    );
    for (attack, (inputs, longest)) in &target.attacks {
        writeln!(
            table,
            "| {attack} | {inputs} | health within {} s | {:.2} s |",
            MOST_WAIT.as_secs(),
            longest.as_secs_f64()
        )
        .unwrap();
    }
    let peak = peak(&target.running);
    for (attack, inputs, bound, observed) in [
        ("queue messages", &messages, "series", target.series),
        ("hostile answers", &answers, "open files", target.files),
    ] {
        let inputs = inputs.load(Ordering::Relaxed);
        let most = if bound == "series" { MOST_SERIES } else { 600 };
        writeln!(
            table,
            "| {attack} | {inputs} | {most} {bound} | {observed} |"
        )
        .unwrap();
    }
    writeln!(table, "| all | | {LIMIT} MiB | {peak:.0} MiB |").unwrap();
    println!("{table}\n{} files counted, never fewer", target.counted);
    assert!(target.files < 600, "{} open files", target.files);
    target.running.terminate();
}
