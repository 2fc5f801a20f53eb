//! Limits on connections, request heads and time.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::support::{in_bounded_process, is_in_process, report};
use aws_transfer_exporter::web::{MAX_CONNECTIONS, ServerLimits};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{BODY, Client, Fake, HEALTHY, LARGE, METRICS, Server, started, within};

#[tokio::test]
async fn a_request_over_the_limits_is_rejected_and_the_server_goes_on() {
    let (_, server) = started().await;
    let long = "x".repeat(20 * 1024);
    let many = "h: x\r\n".repeat(100);
    for (request, status) in [
        (
            format!("GET /metrics HTTP/1.1\r\nhost: x\r\nlong: {long}\r\n\r\n"),
            431,
        ),
        (
            format!("GET /metrics HTTP/1.1\r\nhost: x\r\n{many}\r\n"),
            431,
        ),
        (format!("GET /{long} HTTP/1.1\r\nhost: x\r\n\r\n"), 431),
        ("\u{0}\u{1}\u{2}\u{3}\r\n\r\n".into(), 400),
        (
            "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}".into(),
            400,
        ),
        ("GET\r\n\r\n".into(), 400),
        ("GET /metrics HTTP/1.1\r\nno colon\r\n\r\n".into(), 400),
        (
            "GET /metrics HTTP/1.1\r\ncontent-length: x\r\n\r\n".into(),
            400,
        ),
    ] {
        let mut client = server.client().await;
        let what = request.chars().take(40).collect::<String>();
        assert_eq!(client.ask(&request).await.status, status, "{what:?}");
        client.is_closed().await;
        assert_eq!(server.ask(HEALTHY).await.status, 200, "after {what:?}");
    }
}

#[tokio::test]
async fn a_late_request_head_closes_the_connection() {
    let fake = Fake::new();
    let server = Server::start(
        &fake,
        ServerLimits {
            header: Duration::from_millis(150),
            ..ServerLimits::default()
        },
    )
    .await;
    let (mut silent, mut half, mut kept) = (
        server.client().await,
        server.client().await,
        server.client().await,
    );
    half.send("GET /metrics HTTP/1.1\r\nhos").await;
    kept.ask(METRICS).await;
    silent.is_closed().await;
    half.is_closed().await;
    kept.is_closed().await;
    assert_eq!(server.ask(METRICS).await.status, 200);
}

/// Returns the limit of open files of this process.
fn open_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    files
        .and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(256)
}

/// Floods run one at a time, because each uses a large part of the file limit.
static FLOOD: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Opens `wanted` connections that send `bytes` (fewer if the file limit is low: each takes two
/// files), and scrapes. With `trickles`, each connection sends a byte more before each scrape.
async fn flood(wanted: usize, bytes: &str, trickles: bool) {
    let _turn = FLOOD.lock().await;
    let clients = wanted.min(open_files().saturating_sub(100) / 3);
    let said = format!(
        "with {clients} connections of {wanted} wanted, {} files may be open",
        open_files()
    );
    // With fewer connections, a smaller pool: it is full all the same.
    let connections = if clients < wanted {
        MAX_CONNECTIONS.min(clients / 4)
    } else {
        MAX_CONNECTIONS
    };
    let fake = Fake::new();
    let server = Server::start(
        &fake,
        ServerLimits {
            connections,
            ..ServerLimits::default()
        },
    )
    .await;
    let mut scraper = server.client().await;
    assert_eq!(scraper.ask(METRICS).await.status, 200, "{said}");
    let mut flood = Vec::new();
    for at in 0..clients {
        let mut client = server.client().await;
        client.send(bytes).await;
        flood.push(client);
        if at % 100 == 0 {
            assert_eq!(
                server.ask(METRICS).await.text(),
                BODY,
                "{said}, {at} of them open"
            );
        }
    }
    for _ in 0..3 {
        if trickles {
            for client in &mut flood {
                // An evicted connection is closed.
                let _ = client.stream.write(b"x").await;
            }
        }
        let start = std::time::Instant::now();
        assert_eq!(server.ask(METRICS).await.text(), BODY, "{said}");
        assert!(
            start.elapsed() < Duration::from_secs(8),
            "{said}: {:?}",
            start.elapsed()
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn five_hundred_idle_connections_do_not_delay_a_scrape() {
    flood(500, "", false).await;
}

#[tokio::test]
async fn five_hundred_trickling_connections_do_not_delay_a_scrape() {
    flood(500, "GET /metrics HTTP/1.1\r\nhost: ", true).await;
}

#[tokio::test]
async fn two_thousand_idle_connections_do_not_delay_a_scrape() {
    flood(2_000, "", false).await;
}

#[tokio::test]
async fn two_thousand_kept_alive_connections_do_not_delay_a_scrape() {
    flood(2_000, METRICS, false).await;
}

#[tokio::test]
async fn a_process_with_a_low_file_limit_still_answers_scrapes() {
    if is_in_process() {
        let (_, server) = started().await;
        let mut parent = TcpStream::connect(std::env::var("TEST_PARENT").unwrap())
            .await
            .unwrap();
        parent
            .write_all(server.address.to_string().as_bytes())
            .await
            .unwrap();
        parent.shutdown().await.unwrap();
        // Until the parent closes the connection.
        let _ = parent.read(&mut [0]).await;
        return report(&open_files().to_string());
    }
    let _turn = FLOOD.lock().await;
    let rendezvous = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = rendezvous.local_addr().unwrap().to_string();
    let home = tempfile::tempdir().unwrap();
    let name = "web::limits::a_process_with_a_low_file_limit_still_answers_scrapes";
    let variables = [("TEST_PARENT", address.as_str())];
    let child = in_bounded_process(name, home.path(), &variables, Some(64));
    let parent = async {
        let (mut child, _) = within("the child connects", rendezvous.accept())
            .await
            .unwrap();
        let mut address = String::new();
        within("the child's address", child.read_to_string(&mut address))
            .await
            .unwrap();
        let address = address.parse().unwrap();
        let mut idle = Vec::new();
        for _ in 0..200 {
            idle.push(Client::connect(address).await);
        }
        for _ in 0..3 {
            assert_eq!(
                Client::connect(address).await.ask(METRICS).await.text(),
                BODY
            );
        }
    };
    assert_eq!(tokio::join!(child, parent).0, "64");
}

#[tokio::test]
async fn a_scrape_in_flight_is_not_evicted_by_new_connections() {
    let fake = Fake::closed();
    let server = Server::start(
        &fake,
        ServerLimits {
            connections: 4,
            ..ServerLimits::default()
        },
    )
    .await;
    let mut scraper = server.client().await;
    scraper.send(METRICS).await;
    fake.wait_for_scrapes(1).await;
    let mut others = Vec::new();
    for _ in 0..20 {
        others.push(server.client().await);
    }
    for other in &mut others[..17] {
        other.is_closed().await;
    }
    fake.open.add_permits(1);
    assert_eq!(scraper.answer(false).await.text(), BODY);
}

#[tokio::test]
async fn a_client_that_disconnects_cancels_its_scrape() {
    let fake = Fake::closed();
    let server = Server::start(&fake, ServerLimits::default()).await;
    let mut client = server.client().await;
    client.send(METRICS).await;
    fake.wait_for_scrapes(1).await;
    drop(client);
    within("the scrape is cancelled", fake.dropped.acquire())
        .await
        .unwrap()
        .forget();
}

#[tokio::test]
async fn a_client_that_never_reads_is_disconnected_and_delays_no_other() {
    let fake = Fake::with(vec![b'x'; LARGE], 100);
    let limits = ServerLimits {
        stall: Duration::from_millis(300),
        grace: Duration::from_mins(1),
        ..ServerLimits::default()
    };
    let server = Server::start(&fake, limits).await;
    let mut stuck = server.client().await;
    stuck.send(METRICS).await;
    fake.wait_for_scrapes(1).await;
    assert_eq!(server.ask(METRICS).await.body.len(), LARGE);
    assert_eq!(server.ask(HEALTHY).await.status, 200);
    // Ends long before the grace is over.
    server.stop().await;
    let mut taken = 0;
    while stuck.more().await {
        taken += stuck.bytes.len();
        stuck.bytes.clear();
    }
    assert!(taken < LARGE, "{taken}");
}

#[tokio::test]
async fn a_slow_client_gets_all_of_a_large_response_while_others_connect() {
    let fake = Fake::with(vec![b'x'; LARGE], 100);
    let server = Server::start(
        &fake,
        ServerLimits {
            connections: 3,
            ..ServerLimits::default()
        },
    )
    .await;
    let mut slow = server.client().await;
    slow.send(METRICS).await;
    fake.wait_for_scrapes(1).await;
    let mut others = Vec::new();
    for _ in 0..10 {
        others.push(server.client().await);
    }
    others[0].is_closed().await;
    assert_eq!(slow.answer(false).await.body.len(), LARGE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_pages_gets_429_while_scrapes_are_answered() {
    let (fake, server) = started().await;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let places = 17 * (cores / 2).clamp(1, 8);
    fake.held.store(true, Ordering::Relaxed);
    let mut asked = Vec::new();
    for path in ["/", "/transfers", "/api/v1/transfers", "/api/v1/targets"]
        .iter()
        .cycle()
        .take(places + 9)
    {
        let mut client = server.client().await;
        client
            .send(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"))
            .await;
        asked.push(client);
    }
    let mut answers: FuturesUnordered<_> = asked
        .iter_mut()
        .map(|client| async { client.answer(false).await.status })
        .collect();
    for _ in 0..9 {
        assert_eq!(within("a 429", answers.next()).await, Some(429));
    }
    assert_eq!(server.ask(METRICS).await.text(), BODY);
    fake.held.store(false, Ordering::Relaxed);
    assert_eq!(answers.collect::<Vec<_>>().await, vec![200; places]);
}
