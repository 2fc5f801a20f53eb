//! What held when the program was attacked, so that it keeps holding: request shapes, clients that
//! come and go, signals, and damaged stores. `ADVERSARY_ROUNDS` multiplies the attacks.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::program::{Running, config, signing_program};
use crate::storage::scrape_within;

/// The number of rounds: 1 in `cargo test`.
fn rounds() -> usize {
    std::env::var("ADVERSARY_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap())
}

const CONFIG: &str = "accounts:\n- {name: prod, region: eu-central-1, \
                      endpoint_url: 'http://127.0.0.1:9'}\ntransfers:\n- {connector_id: \
                      c-0123456789abcdef0, transfer_id: t-1}\n";

fn start(flags: &[String]) -> (tempfile::TempDir, Running) {
    let (folder, file) = config(CONFIG);
    let running = Running::start(
        signing_program()
            .arg(format!("--config.file={}", file.display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .args(flags),
    );
    (folder, running)
}

/// Sends bytes and ends the request. Returns what comes back within a second.
pub(super) async fn exchange(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may answer and close before all is sent.
    let _ = stream.write_all(request).await;
    let _ = stream.shutdown().await;
    let mut response = Vec::new();
    let read = stream.read_to_end(&mut response);
    let _ = tokio::time::timeout(Duration::from_secs(1), read).await;
    response
}

/// Requests as no client sends them.
pub(super) fn shapes() -> Vec<Vec<u8>> {
    let mut shapes: Vec<Vec<u8>> = [
        "",
        "\r\n",
        "\0",
        "GET",
        "GET /metrics",
        "GET /metrics HTTP/1.1",
        "GET /metrics HTTP/1.1\r\n\r\n",
        "GET /metrics HTTP/1.1\nhost: a\n\n",
        "GET /metrics HTTP/0.9\r\n\r\n",
        "GET /metrics HTTP/2.0\r\nhost: a\r\n\r\n",
        "GET /metrics HTTP/9.9\r\nhost: a\r\n\r\n",
        "GET  /metrics  HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET metrics HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET * HTTP/1.1\r\nhost: a\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n",
        "CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n",
        "TRACE / HTTP/1.1\r\nhost: a\r\n\r\n",
        "get /metrics HTTP/1.1\r\nhost: a\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET http://a/metrics HTTP/1.1\r\nhost: b\r\n\r\n",
        "GET //metrics HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /../../etc/passwd HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /metrics%00 HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /metrics?name[]=%ff%fe HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /metrics?name[]=x&name[]=x HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nhost : a\r\n\r\n",
        "GET /metrics HTTP/1.1\r\n host: a\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nhost: a\r\nx: a\r\n b\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nhost: a\r\nx: \0\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 18446744073709551616\r\n\r\n",
        "POST /metrics HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "POST /metrics HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /",
        "GET /metrics HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nhost: a\r\naccept-encoding: gzip;q=1e9, br;q=NaN\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nhost: a\r\nx-prometheus-scrape-timeout-seconds: -inf\r\n\r\n",
        "\u{16}\u{3}\u{1}\0\u{5}hello",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    let head = "GET /metrics HTTP/1.1\r\nhost: a\r\n";
    shapes.push(format!("{head}{}\r\n", "x: y\r\n".repeat(1_000)).into_bytes());
    shapes.push(format!("{head}x: {}\r\n\r\n", "y".repeat(64 << 10)).into_bytes());
    shapes.push(format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(64 << 10)).into_bytes());
    shapes.push(format!("{head}\r\n").repeat(50).into_bytes());
    shapes.push((0..=255).collect());
    shapes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_request_shape_gets_http_or_the_end_of_the_connection() {
    let (_folder, running) = start(&[]);
    for _ in 0..rounds() {
        for shape in shapes() {
            let response = exchange(running.address, &shape).await;
            let shown = String::from_utf8_lossy(&shape[..shape.len().min(100)]).into_owned();
            let is_http = response.is_empty() || response.starts_with(b"HTTP/1.");
            assert!(is_http, "{shown:?}");
            let text = String::from_utf8_lossy(&response);
            assert!(!text.contains("root:"), "{shown:?}");
        }
        assert!(scrape_within(running.address, 1).await.is_some());
    }
    running.terminate();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_come_and_go_leave_nothing_behind() {
    let (_folder, running) = start(&[]);
    let open_files = || {
        let files = fs::read_dir(format!("/proc/{}/fd", running.child.id())).unwrap();
        files.count()
    };
    scrape_within(running.address, 1).await.unwrap();
    let before = open_files();
    let address = running.address;
    for _ in 0..rounds() * 20 {
        let clients = (0..50).map(|n| async move {
            let mut stream = TcpStream::connect(address).await?;
            // Nothing, part of a request, or a request whose response is not read.
            let sent = ["", "GET /met", "GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n"][n % 3];
            stream.write_all(sent.as_bytes()).await
        });
        // A reset is as good as a connection.
        let _ = futures_util::future::join_all(clients).await;
    }
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while open_files() > before + 5 {
        assert!(std::time::Instant::now() < deadline, "{}", open_files());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(scrape_within(running.address, 1).await.is_some());
    running.terminate();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signals_in_any_number_reload_or_end_it_once() {
    let (_folder, running) = start(&[]);
    for _ in 0..rounds() * 30 {
        running.signal("HUP");
        running.signal("PIPE");
    }
    assert!(scrape_within(running.address, 1).await.is_some());
    let mut running = running;
    for _ in 0..3 {
        running.signal("TERM");
    }
    running.wait();
}

/// Each start with a damaged file either refuses it and leaves it as it is, or serves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_store_is_refused_and_kept_or_served() {
    let folder = tempfile::tempdir().unwrap();
    let flags = [format!("--storage.path={}", folder.path().display())];
    let (_config, running) = start(&flags);
    scrape_within(running.address, 1).await.unwrap();
    running.terminate();
    let file = folder.path().join("state.redb");
    let whole = fs::read(&file).unwrap();
    let total = rounds() * 12;
    let (mut served, mut refused) = (0, 0);
    for number in 0..total {
        let mut damaged = whole.clone();
        let at = whole.len() * number / total;
        match number % 3 {
            0 => damaged.truncate(at),
            1 => damaged[at] ^= 0xff,
            _ => {
                let end = (at + 4_096).min(whole.len());
                damaged[at..end].fill(0);
            }
        }
        fs::write(&file, &damaged).unwrap();
        let (_config, path) = config(CONFIG);
        let mut running = Running::unready(
            signing_program()
                .arg(format!("--config.file={}", path.display()))
                .arg("--web.listen-address=127.0.0.1:0")
                .args(&flags),
        );
        let line = running.wait_for("event=listening", "hint:");
        if line.contains("event=listening") {
            served += 1;
            running.terminate();
        } else {
            assert_eq!(running.wait().code(), Some(1), "{line}");
            assert_eq!(fs::read(&file).unwrap().len(), damaged.len(), "kept");
            refused += 1;
        }
    }
    assert!(
        refused > 0 && served + refused == total,
        "{served}, {refused}"
    );
}
