//! Running programs reach their table through a proxy that throttles, refuses, loses answers, or does not
//! answer at all.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use simulator::{Settings, SplitMix64};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::crashes::{Ends, assert_between, configuration, counted, start};
use crate::program::{Running, config, signing_program};
use crate::rig::{Exposition, simulator};
use crate::storage::scrape;
use crate::takeovers::{Dynamo, lease};

const PATIENCE: Duration = Duration::from_mins(1);

/// What the proxy does, in percent of requests.
#[derive(Clone, Copy, Default)]
struct Faults {
    throttled: usize,
    refused: usize,
    /// The table gets the request, and the client no answer.
    lost: usize,
    /// Neither gets anything.
    silent: usize,
}

struct Proxy {
    address: SocketAddr,
    faults: Arc<Mutex<Faults>>,
}

impl Proxy {
    /// Creates a proxy before the server on this port.
    async fn start(port: u16, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let faults = Arc::new(Mutex::new(Faults::default()));
        let random = Arc::new(Mutex::new(SplitMix64::new(seed)));
        let known = Arc::clone(&faults);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let percent = random.lock().unwrap().below(100);
                let faults = *known.lock().unwrap();
                // The client or the server may be killed.
                tokio::spawn(async move { drop(forward(client, port, percent, faults).await) });
            }
        });
        Self { address, faults }
    }

    fn set(&self, faults: Faults) {
        *self.faults.lock().unwrap() = faults;
    }
}

/// Forwards one request.
async fn forward(
    mut client: TcpStream,
    port: u16,
    percent: usize,
    faults: Faults,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    let (head, length) = loop {
        let mut buffer = [0; 2 << 10];
        let read = client.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        request.extend_from_slice(&buffer[..read]);
        if let Some(head) = request.windows(4).position(|four| four == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&request[..head]).to_lowercase();
            let length = text
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"));
            break (
                head + 4,
                length.map_or(0, |text| text.trim().parse().unwrap()),
            );
        }
    };
    while request.len() < head + length {
        let mut buffer = [0; 2 << 10];
        let read = client.read(&mut buffer).await?;
        request.extend_from_slice(&buffer[..read]);
    }
    let mut least = 0;
    let mut is = |share: usize| {
        let is = (least..least + share).contains(&percent);
        least += share;
        is
    };
    for (share, error) in [
        (faults.throttled, "ProvisionedThroughputExceededException"),
        (faults.refused, "AccessDeniedException"),
    ] {
        if is(share) {
            let body = format!(
                r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{error}","message":"scripted"}}"#
            );
            let answer = format!(
                "HTTP/1.1 400 Bad Request\r\nContent-Type: application/x-amz-json-1.0\r\n\
                 Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            return client.write_all(answer.as_bytes()).await;
        }
    }
    let (is_lost, is_silent) = (is(faults.lost), is(faults.silent));
    if is_silent {
        tokio::time::sleep(PATIENCE).await;
        return Ok(());
    }
    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
    let text = String::from_utf8_lossy(&request[..head]);
    let lines = text.trim_end().split("\r\n");
    let kept = lines.filter(|line| !line.to_lowercase().starts_with("connection:"));
    let head_lines: Vec<_> = kept.chain(["Connection: close", "", ""]).collect();
    server.write_all(head_lines.join("\r\n").as_bytes()).await?;
    server.write_all(&request[head..]).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    if is_lost {
        return Ok(());
    }
    client.write_all(&answer).await
}

/// Two programs, each with a proxy of its own before the table.
struct Pair {
    proxies: [Proxy; 2],
    running: [Running; 2],
}

impl Pair {
    async fn start(dynamo: &Dynamo, file: &std::path::Path) -> Self {
        let port = dynamo.url.rsplit(':').next().unwrap().parse().unwrap();
        let proxies = [Proxy::start(port, 1).await, Proxy::start(port, 2).await];
        let running = [0, 1].map(|at: usize| {
            let address = proxies[at].address;
            Running::start(signing_program().args([
                format!("--config.file={}", file.display()),
                "--web.listen-address=127.0.0.1:0".into(),
                format!(
                    "--storage.url=dynamodb://state?region=eu-central-1&endpoint=http://{address}"
                ),
                format!("--storage.lease-duration={}s", lease().as_secs()),
            ]))
        });
        Self { proxies, running }
    }

    async fn seen(&self, at: usize) -> Exposition {
        scrape(self.running[at].address).await.unwrap()
    }

    /// Waits until one of them, or this one, answers as the owner. Returns which.
    async fn wait_for_owner(&self, of: &[usize]) -> (usize, Exposition) {
        let begun = Instant::now();
        loop {
            for at in of {
                let seen = self.seen(*at).await;
                if is_leader(&seen) {
                    return (*at, seen);
                }
            }
            assert!(begun.elapsed() < PATIENCE, "no owner");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn is_leader(seen: &Exposition) -> bool {
    seen.sum("aws_transfer_exporter_leader", &[]) == 1.0
}

/// Throttling and lost answers for as long as anything happens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs dynalite; tests/run provides it"]
async fn counters_are_exact_while_the_table_throttles_and_answers_are_lost_with_dynalite() {
    let dynamo = Dynamo::dynalite();
    let (aws, url) = simulator(Settings::default()).await;
    let (_folder, file) = config(&configuration(&url, &[(&aws, &url)]));
    let pair = Pair::start(&dynamo, &file).await;
    pair.wait_for_owner(&[0, 1]).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    for proxy in &pair.proxies {
        proxy.set(Faults {
            throttled: 15,
            lost: 5,
            ..Faults::default()
        });
    }
    let mut random = SplitMix64::new(31);
    let (mut truth, mut before) = (Ends::new(), Ends::new());
    for _ in 0..40 {
        start(&aws, &aws, &mut random, &mut truth);
        let (_, seen) = pair.wait_for_owner(&[0, 1]).await;
        let seen = counted(&seen);
        assert_between(&before, &seen, &truth, "while the table throttles");
        before = seen;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for proxy in &pair.proxies {
        proxy.set(Faults::default());
    }
    let rested = Instant::now();
    while before != truth {
        assert!(rested.elapsed() < PATIENCE, "{before:?}, but {truth:?}");
        let (_, seen) = pair.wait_for_owner(&[0, 1]).await;
        let seen = counted(&seen);
        assert_between(&before, &seen, &truth, "at rest");
        before = seen;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// An owner that gets no answer, or is refused, serves what is stored until its lease ends. Then the other
/// one takes over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs dynalite; tests/run provides it"]
async fn an_owner_that_cannot_reach_the_table_hands_over_with_dynalite() {
    let dynamo = Dynamo::dynalite();
    let (aws, url) = simulator(Settings::default()).await;
    let (_folder, file) = config(&configuration(&url, &[(&aws, &url)]));
    let pair = Pair::start(&dynamo, &file).await;
    let mut random = SplitMix64::new(32);
    let mut truth = Ends::new();
    let (mut owner, _) = pair.wait_for_owner(&[0, 1]).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    for faults in [
        Faults {
            silent: 100,
            ..Faults::default()
        },
        Faults {
            refused: 100,
            ..Faults::default()
        },
    ] {
        pair.proxies[owner].set(faults);
        let cut = Instant::now();
        for _ in 0..5 {
            start(&aws, &aws, &mut random, &mut truth);
        }
        let (next, _) = pair.wait_for_owner(&[1 - owner]).await;
        // 1.5 lifetimes, and time for a slow machine.
        assert!(cut.elapsed() < lease() * 3, "{:?}", cut.elapsed());
        let former = pair.seen(owner).await;
        assert!(!is_leader(&former), "two leaders");
        assert_eq!(counted(&former), Ends::new());
        let rested = Instant::now();
        loop {
            let seen = pair.wait_for_owner(&[next]).await.1;
            if counted(&seen) == truth {
                break;
            }
            assert!(
                rested.elapsed() < PATIENCE,
                "{:?}, but {truth:?}",
                counted(&seen)
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        pair.proxies[owner].set(Faults::default());
        owner = next;
    }
}
