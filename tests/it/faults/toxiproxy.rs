//! Toxiproxy between the exporter and the simulator: slow, cut and half-closed connections.

#![expect(clippy::print_stdout, reason = "figures for the log of tests/run")]

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use simulator::{LifeScript, Settings};

use crate::program::{
    Running, config, config_text, free_address, peer_answering, signing_program, text,
};
use crate::rig::{Exposition, connector, files, get, simulator, transfer};

const TRANSFERS: usize = 12;
/// What Prometheus waits for a scrape.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(4);
/// Scrapes with each toxic.
const SCRAPES: usize = 4;
/// The exporter is as before this long after a toxic was removed.
const RECOVERY: Duration = Duration::from_mins(1);

/// A running toxiproxy with one proxy, killed on drop.
struct Toxiproxy {
    child: Child,
    api: SocketAddr,
    address: SocketAddr,
}

impl Toxiproxy {
    async fn start(upstream: &str) -> Self {
        let (api, address) = (free_address(), free_address());
        let child = Command::new(peer_answering("TOXIPROXY", "toxiproxy-server", "-version"))
            .args(["-host", "127.0.0.1", "-port", &api.port().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Self {
            child,
            api,
            address,
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while tokio::net::TcpStream::connect(api).await.is_err() {
            assert!(Instant::now() < deadline, "toxiproxy does not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let listen = address.to_string();
        let proxy = json!({"name": "aws", "listen": listen, "upstream": upstream});
        started.call("POST", "/proxies", &proxy);
        started
    }

    /// Calls the API of toxiproxy.
    fn call(&self, method: &str, path: &str, body: &Value) {
        let called = Command::new("curl")
            .args(["--silent", "--show-error", "--fail-with-body", "-X", method])
            .args([
                "-H",
                "content-type: application/json",
                "-d",
                &body.to_string(),
            ])
            .arg(format!("http://{}{path}", self.api))
            .output()
            .unwrap();
        assert!(
            called.status.success(),
            "{method} {path} {body}: {}{}",
            text(&called.stdout),
            text(&called.stderr)
        );
    }

    fn add(&self, toxic: &Toxic) {
        match toxic {
            Toxic::Of {
                kind,
                stream,
                attributes,
            } => {
                let toxic = json!({
                    "name": "toxic", "type": kind, "stream": stream, "attributes": attributes,
                });
                self.call("POST", "/proxies/aws/toxics", &toxic);
            }
            Toxic::Down => self.call("POST", "/proxies/aws", &json!({"enabled": false})),
        }
    }

    fn remove(&self, toxic: &Toxic) {
        match toxic {
            Toxic::Of { .. } => self.call("DELETE", "/proxies/aws/toxics/toxic", &json!({})),
            Toxic::Down => self.call("POST", "/proxies/aws", &json!({"enabled": true})),
        }
    }
}

impl Drop for Toxiproxy {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

enum Toxic {
    Of {
        kind: &'static str,
        stream: &'static str,
        attributes: Value,
    },
    /// All connections are cut, and new ones refused.
    Down,
}

/// Returns each toxic with its name, and whether the exporter still reads everything in time.
fn toxics() -> Vec<(&'static str, Toxic, bool)> {
    let of = |kind, stream, attributes| Toxic::Of {
        kind,
        stream,
        attributes,
    };
    vec![
        (
            "latency",
            of(
                "latency",
                "downstream",
                json!({"latency": 200, "jitter": 150}),
            ),
            true,
        ),
        (
            "latency of requests",
            of("latency", "upstream", json!({"latency": 300})),
            true,
        ),
        (
            "bandwidth",
            of("bandwidth", "downstream", json!({"rate": 20})),
            true,
        ),
        (
            "slices",
            of(
                "slicer",
                "downstream",
                json!({"average_size": 40, "size_variation": 20, "delay": 1_000}),
            ),
            true,
        ),
        (
            "slow close",
            of("slow_close", "downstream", json!({"delay": 1_500})),
            true,
        ),
        (
            "slow close of requests",
            of("slow_close", "upstream", json!({"delay": 1_500})),
            true,
        ),
        // Each connection ends within its first answer.
        (
            "cut answers",
            of("limit_data", "downstream", json!({"bytes": 100})),
            false,
        ),
        (
            "cut requests",
            of("limit_data", "upstream", json!({"bytes": 100})),
            false,
        ),
        (
            "reset",
            of("reset_peer", "downstream", json!({"timeout": 0})),
            false,
        ),
        (
            "reset of requests",
            of("reset_peer", "upstream", json!({"timeout": 50})),
            false,
        ),
        // Data is dropped, and the connection closed after the time, or never.
        (
            "silence",
            of("timeout", "downstream", json!({"timeout": 500})),
            false,
        ),
        (
            "silence without an end",
            of("timeout", "downstream", json!({"timeout": 0})),
            false,
        ),
        (
            "long latency",
            of("latency", "downstream", json!({"latency": 20_000})),
            false,
        ),
        ("down", Toxic::Down, false),
    ]
}

/// Scrapes as Prometheus does: a scrape that takes too long has failed.
async fn scrape(exporter: &Running) -> Exposition {
    let header = format!(
        "X-Prometheus-Scrape-Timeout-Seconds: {}\r\n",
        SCRAPE_TIMEOUT.as_secs()
    );
    let answered = tokio::time::timeout(SCRAPE_TIMEOUT, get(exporter.address, "/metrics", &header));
    let (status, _, body) = answered.await.expect("the scrape fails: no answer in time");
    assert_eq!(status, 200);
    Exposition::parse(&body)
}

fn is_complete(scrape: &Exposition) -> bool {
    scrape.sum("aws_transfer_exporter_scrape_complete", &[]) == 1.0
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs toxiproxy and curl; tests/run provides them where Go is present"]
async fn no_scrape_fails_behind_toxiproxy() {
    let (simulator, url) = simulator(Settings::default()).await;
    let pairs = (0..TRANSFERS).map(|n| {
        // Two pages each.
        let lives = (0..11).map(|_| LifeScript::stuck_queued());
        let now = SystemTime::now();
        simulator.put_transfer(&connector(n % 3), &transfer(n), files(lives), now);
        (connector(n % 3).to_string(), transfer(n).to_string())
    });
    let pairs: Vec<_> = pairs.collect();
    let toxiproxy = Toxiproxy::start(url.strip_prefix("http://").unwrap()).await;
    let (_folder, file) = config(&config_text(
        &format!("http://{}", toxiproxy.address),
        &pairs,
    ));
    let flag = format!("--config.file={}", file.display());
    let exporter =
        Running::start(signing_program().args([&flag, "--web.listen-address=127.0.0.1:0"]));
    let queued = (TRANSFERS * 11) as f64;
    let read = |scrape: &Exposition| scrape.sum("aws_transfer_files", &["status=\"QUEUED\""]);
    let first = scrape(&exporter).await;
    assert!(is_complete(&first) && read(&first) == queued, "{first:?}");

    for (name, toxic, complete) in toxics() {
        toxiproxy.add(&toxic);
        let mut incomplete = 0;
        let mut longest = Duration::ZERO;
        for _ in 0..SCRAPES {
            let start = Instant::now();
            let scrape = scrape(&exporter).await;
            longest = longest.max(start.elapsed());
            incomplete += usize::from(!is_complete(&scrape));
            // What was read before stays.
            assert_eq!(read(&scrape), queued, "{name}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        if complete {
            assert_eq!(incomplete, 0, "{name}");
        } else {
            assert!(incomplete > 0, "{name} has no effect");
        }
        toxiproxy.remove(&toxic);
        let removed = Instant::now();
        loop {
            let scrape = scrape(&exporter).await;
            let up = scrape.sum("aws_transfer_results_up", &[]);
            if is_complete(&scrape) && up == TRANSFERS as f64 {
                break;
            }
            assert!(removed.elapsed() < RECOVERY, "{name}: {scrape:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        println!(
            "{name}: {SCRAPES} scrapes, {incomplete} incomplete, the longest took {longest:.1?}; \
             complete again after {:.1?}",
            removed.elapsed()
        );
    }
    exporter.terminate();
}
