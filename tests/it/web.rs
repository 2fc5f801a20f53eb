//! The web server over loopback sockets, asked byte by byte.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{in_bounded_process, is_in_process, report};
use aws_transfer_exporter::metrics::NameFilter;
use aws_transfer_exporter::web::{self, Bounds, Exporter, MAX_CONNECTIONS, healthcheck, listen};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

/// No step of a test takes longer.
const LIMIT: Duration = Duration::from_secs(10);
const BODY: &str = "# TYPE up gauge\nup 1\n";
const HEALTHY: &str = "GET /-/healthy HTTP/1.1\r\nhost: x\r\n\r\n";
const METRICS: &str = "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n";

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.unwrap_or_else(|_| panic!("{what}: nothing within {LIMIT:?}"))
}

/// Answers with one body, to as many scrapes as `open` has permits.
struct Fake {
    body: Vec<u8>,
    ready: AtomicBool,
    open: Semaphore,
    /// One permit for each scrape that has begun.
    begun: Semaphore,
    /// One permit for each scrape that was given up.
    dropped: Arc<Semaphore>,
    scrapes: Mutex<Vec<(NameFilter, Option<String>, bool)>>,
}

impl Fake {
    fn with(body: Vec<u8>, permits: usize) -> Arc<Self> {
        Arc::new(Self {
            body,
            ready: AtomicBool::new(true),
            open: Semaphore::new(permits),
            begun: Semaphore::new(0),
            dropped: Arc::new(Semaphore::new(0)),
            scrapes: Mutex::default(),
        })
    }

    fn new() -> Arc<Self> {
        Self::with(BODY.into(), 100_000)
    }

    /// Scrapes of this one wait until `open` gets permits.
    fn closed() -> Arc<Self> {
        Self::with(BODY.into(), 0)
    }

    async fn has_begun(&self, scrapes: u32) {
        within("a scrape begins", self.begun.acquire_many(scrapes)).await.unwrap().forget();
    }
}

/// Adds a permit when dropped unless `done`.
struct GivenUp {
    dropped: Arc<Semaphore>,
    done: bool,
}

impl Drop for GivenUp {
    fn drop(&mut self) {
        if !self.done {
            self.dropped.add_permits(1);
        }
    }
}

impl Exporter for Fake {
    fn scrape(
        self: Arc<Self>,
        filter: NameFilter,
        timeout_header: Option<String>,
        sweep: bool,
    ) -> Pin<Box<dyn Future<Output = Vec<u8>> + Send>> {
        self.scrapes.lock().unwrap().push((filter, timeout_header, sweep));
        Box::pin(async move {
            let mut given_up = GivenUp { dropped: Arc::clone(&self.dropped), done: false };
            self.begun.add_permits(1);
            self.open.acquire().await.unwrap().forget();
            given_up.done = true;
            self.body.clone()
        })
    }

    fn state_line(&self) -> String {
        "3 transfers <running>".into()
    }

    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }
}

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Server {
    async fn start(fake: &Arc<Fake>, bounds: Bounds) -> Self {
        Self::at("127.0.0.1:0", fake, bounds).await
    }

    async fn at(address: &str, fake: &Arc<Fake>, bounds: Bounds) -> Self {
        let listener = listen::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let exporter: Arc<dyn Exporter> = fake.clone();
        let ended = tokio::spawn(web::run_within(bounds, vec![listener], exporter, "/metrics".into(), async {
            let _ = stopped.await;
        }));
        Self { address, stop, ended }
    }

    async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// One request on a connection of its own.
    async fn ask(&self, request: &str) -> Answer {
        self.client().await.ask(request).await
    }

    async fn stop(self) {
        let Self { stop, ended, .. } = self;
        let _ = stop.send(());
        within("the server stops", ended).await.unwrap();
    }
}

async fn started() -> (Arc<Fake>, Server) {
    let fake = Fake::new();
    let server = Server::start(&fake, Bounds::default()).await;
    (fake, server)
}

#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

struct Client {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        let stream = within("a connection", TcpStream::connect(address)).await.unwrap();
        Self { stream, bytes: Vec::new() }
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within("a request", self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    async fn ask(&mut self, request: &str) -> Answer {
        self.send(request).await;
        self.answer(request.starts_with("HEAD ")).await
    }

    /// Reads one answer; without a body if it is one to HEAD.
    async fn answer(&mut self, to_head: bool) -> Answer {
        let end = loop {
            if let Some(at) = self.bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.more().await, "the connection ended: {:?}", String::from_utf8_lossy(&self.bytes));
        };
        let head = String::from_utf8(self.bytes.drain(..end).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: BTreeMap<_, _> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .filter(|(name, _)| name != "date")
            .collect();
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let length = if to_head { 0 } else { length };
        while self.bytes.len() < length {
            assert!(self.more().await, "the body ended early");
        }
        Answer { status, headers, body: self.bytes.drain(..length).collect() }
    }

    async fn more(&mut self) -> bool {
        within("an answer", self.stream.read_buf(&mut self.bytes)).await.is_ok_and(|read| read > 0)
    }

    /// Waits until the server closes the connection; what else it sent is dropped.
    async fn is_closed(&mut self) {
        while self.more().await {
            self.bytes.clear();
        }
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")
}

#[tokio::test]
async fn every_route_answers_with_its_type() {
    let (_, server) = started().await;
    for (path, kind, text) in [
        ("/", "text/html; charset=utf-8", "<p>3 transfers &lt;running&gt;</p>"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8", BODY),
        ("/-/healthy", "text/plain; charset=utf-8", "healthy"),
        ("/-/ready", "text/plain; charset=utf-8", "ready"),
        ("http://somewhere.else/metrics?x=y", "text/plain; version=0.0.4; charset=utf-8", BODY),
    ] {
        let answer = server.ask(&get(path)).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)), "{path}");
        assert!(answer.text().contains(text), "{path}: {}", answer.text());
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
}

#[tokio::test]
async fn an_unknown_path_is_404_and_a_wrong_method_405_with_allow() {
    let (fake, server) = started().await;
    for path in ["/metric", "/metrics/", "/-/reload", "/probe", "/favicon.ico", "/%6detrics"] {
        for method in ["GET", "HEAD", "POST"] {
            let answer = server.ask(&format!("{method} {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
            assert_eq!((answer.status, answer.header("allow")), (404, None), "{method} {path}");
        }
    }
    for path in ["/", "/metrics", "/-/healthy", "/-/ready"] {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"] {
            let answer =
                server.ask(&format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{{}}")).await;
            assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method} {path}");
        }
    }
    assert!(fake.scrapes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn head_has_the_headers_of_get_without_a_body_and_starts_no_sweep() {
    let (fake, server) = started().await;
    for rest in ["/", "/metrics", "/metrics?name[]=up", "/-/healthy", "/-/ready", "/nowhere"] {
        for accept in ["", "accept-encoding: gzip\r\n"] {
            let rest = format!("{rest} HTTP/1.1\r\nhost: x\r\n{accept}\r\n");
            let mut client = server.client().await;
            let head = client.ask(&format!("HEAD {rest}")).await;
            // Were there a body, it would come before this answer.
            let got = client.ask(&format!("GET {rest}")).await;
            assert_eq!((head.status, &head.headers), (got.status, &got.headers), "{rest}");
            assert_eq!(head.header("content-length"), Some(got.body.len().to_string().as_str()), "{rest}");
        }
    }
    let sweeps: Vec<_> = fake.scrapes.lock().unwrap().iter().map(|(_, _, sweep)| *sweep).collect();
    assert_eq!(sweeps, [false, true, false, true, false, false, false, false]);
}

#[tokio::test]
async fn the_filter_and_the_time_out_are_passed_on_and_own_families_need_no_sweep() {
    let (fake, server) = started().await;
    let own = "aws_transfer_exporter_build_info";
    for (query, filter, sweep) in [
        ("", "", true),
        ("?", "", true),
        ("?name[]=aws_transfer_files", "name[]=aws_transfer_files", true),
        ("?name%5B%5D=aws_transfer_files", "name[]=aws_transfer_files", true),
        ("?name%5b%5d=aws%5Ftransfer_files&name[]=up", "name[]=aws_transfer_files&name[]=up", true),
        ("?name[]=aws_transfer_exporter_build_info", "name[]=aws_transfer_exporter_build_info", false),
        ("?name[]=process_open_fds&name[]=unknown", "name[]=process_open_fds&name[]=unknown", false),
        ("?name[]=", "name[]=", false),
        ("?name=up&collect[]=x", "", true),
    ] {
        let request =
            format!("GET /metrics{query} HTTP/1.1\r\nhost: x\r\nX-Prometheus-Scrape-Timeout-Seconds: 9.5\r\n\r\n");
        assert_eq!(server.ask(&request).await.status, 200);
        let told = fake.scrapes.lock().unwrap().pop().unwrap();
        assert_eq!(told, (NameFilter::from_query(filter), Some("9.5".into()), sweep), "{query}");
    }
    assert!(NameFilter::from_query(&format!("name%5B%5D={own}")).admits(own));
    server.ask(METRICS).await;
    assert_eq!(fake.scrapes.lock().unwrap().pop().unwrap().1, None);
}

#[tokio::test]
async fn gzip_is_the_same_body_and_only_where_the_client_prefers_it() {
    let fake = Fake::with(BODY.repeat(10_000).into(), 100);
    let server = Server::start(&fake, Bounds::default()).await;
    for (accept, gzipped) in [
        ("", false),
        ("accept-encoding: gzip\r\n", true),
        ("Accept-Encoding: deflate;q=0.5, GZIP;q=0.8\r\n", true),
        ("accept-encoding: br\r\naccept-encoding: gzip\r\n", true),
        ("accept-encoding: *;q=0.1\r\n", true),
        ("accept-encoding: gzip;q=0\r\n", false),
        ("accept-encoding: gzip;q=0.0, *\r\n", false),
        ("accept-encoding: identity, gzip;q=0.5\r\n", false),
        ("accept-encoding: xgzip, gzip-not\r\n", false),
        ("accept-encoding: \r\n", false),
        ("accept-encoding: \u{fc}gzip\r\n", false),
    ] {
        let answer = server.ask(&format!("GET /metrics HTTP/1.1\r\nhost: x\r\n{accept}\r\n")).await;
        assert_eq!(answer.header("content-encoding"), gzipped.then_some("gzip"), "{accept}");
        assert_eq!(answer.header("vary"), Some("Accept-Encoding"), "{accept}");
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"), "{accept}");
        let mut body = Vec::new();
        if gzipped {
            assert!(answer.body.len() < fake.body.len() / 10, "{accept}");
            flate2::read::GzDecoder::new(answer.body.as_slice()).read_to_end(&mut body).unwrap();
        } else {
            body = answer.body;
        }
        assert!(body == fake.body, "{accept}");
    }
}

#[tokio::test]
async fn ready_is_503_while_no_scrape_can_be_answered_and_healthy_stays() {
    let (fake, server) = started().await;
    fake.ready.store(false, Ordering::Relaxed);
    assert_eq!(server.ask(&get("/-/ready")).await.status, 503);
    assert_eq!(server.ask(HEALTHY).await.status, 200);
    fake.ready.store(true, Ordering::Relaxed);
    assert_eq!(server.ask(&get("/-/ready")).await.status, 200);
}

#[tokio::test]
async fn a_connection_is_used_again_and_closed_where_the_client_wants_it() {
    let (_, server) = started().await;
    let mut client = server.client().await;
    for _ in 0..3 {
        assert_eq!(client.ask(METRICS).await.text(), BODY);
    }
    assert_eq!(client.ask("GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.text(), BODY);
    client.is_closed().await;
    let mut old = server.client().await;
    assert_eq!(old.ask("GET /metrics HTTP/1.0\r\n\r\n").await.text(), BODY);
    old.is_closed().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let (_, server) = started().await;
    let mut client = server.client().await;
    client.send([METRICS, &get("/nowhere"), METRICS, HEALTHY].concat()).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(client.answer(false).await.status);
    }
    assert_eq!(statuses, [200, 404, 200, 200]);
}

#[tokio::test]
async fn a_request_beyond_the_bounds_is_refused_and_the_server_lives() {
    let (_, server) = started().await;
    let long = "x".repeat(20 * 1024);
    let many = "h: x\r\n".repeat(100);
    for (request, status) in [
        (format!("GET /metrics HTTP/1.1\r\nhost: x\r\nlong: {long}\r\n\r\n"), 431),
        (format!("GET /metrics HTTP/1.1\r\nhost: x\r\n{many}\r\n"), 431),
        (format!("GET /{long} HTTP/1.1\r\nhost: x\r\n\r\n"), 431),
        ("\u{0}\u{1}\u{2}\u{3}\r\n\r\n".into(), 400),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}".into(), 400),
        ("GET\r\n\r\n".into(), 400),
        ("GET /metrics HTTP/1.1\r\nno colon\r\n\r\n".into(), 400),
        ("GET /metrics HTTP/1.1\r\ncontent-length: x\r\n\r\n".into(), 400),
    ] {
        let mut client = server.client().await;
        let what = request.chars().take(40).collect::<String>();
        assert_eq!(client.ask(&request).await.status, status, "{what:?}");
        client.is_closed().await;
        assert_eq!(server.ask(HEALTHY).await.status, 200, "after {what:?}");
    }
}

#[tokio::test]
async fn a_head_that_does_not_come_in_time_closes_the_connection() {
    let fake = Fake::new();
    let server = Server::start(&fake, Bounds { header: Duration::from_millis(150), ..Bounds::default() }).await;
    let (mut silent, mut half, mut kept) = (server.client().await, server.client().await, server.client().await);
    half.send("GET /metrics HTTP/1.1\r\nhos").await;
    kept.ask(METRICS).await;
    silent.is_closed().await;
    half.is_closed().await;
    kept.is_closed().await;
    assert_eq!(server.ask(METRICS).await.status, 200);
}

/// Files that this process may have open.
fn open_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    files.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(256)
}

/// Floods take turns: each takes a good part of the files that this process may open.
static FLOOD: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// So many connections, fewer where the process may not have so many open (each takes two files), which send `bytes`;
/// then a scrape, while each sends one byte more if it trickles.
async fn flood(wanted: usize, bytes: &str, trickles: bool) {
    let _turn = FLOOD.lock().await;
    let clients = wanted.min(open_files().saturating_sub(100) / 3);
    let said = format!("with {clients} connections of {wanted} wanted, {} files may be open", open_files());
    // With fewer connections, fewer places: they are used up all the same.
    let connections = if clients < wanted { MAX_CONNECTIONS.min(clients / 4) } else { MAX_CONNECTIONS };
    let fake = Fake::new();
    let server = Server::start(&fake, Bounds { connections, ..Bounds::default() }).await;
    let mut scraper = server.client().await;
    assert_eq!(scraper.ask(METRICS).await.status, 200, "{said}");
    let mut flood = Vec::new();
    for at in 0..clients {
        let mut client = server.client().await;
        client.send(bytes).await;
        flood.push(client);
        if at % 100 == 0 {
            assert_eq!(server.ask(METRICS).await.text(), BODY, "{said}, {at} of them open");
        }
    }
    for _ in 0..3 {
        if trickles {
            for client in &mut flood {
                // One that made room is closed.
                let _ = client.stream.write(b"x").await;
            }
        }
        let start = std::time::Instant::now();
        assert_eq!(server.ask(METRICS).await.text(), BODY, "{said}");
        assert!(start.elapsed() < Duration::from_secs(2), "{said}: {:?}", start.elapsed());
    }
    server.stop().await;
}

#[tokio::test]
async fn five_hundred_idle_connections_do_not_hold_up_a_scrape() {
    flood(500, "", false).await;
}

#[tokio::test]
async fn five_hundred_trickling_connections_do_not_hold_up_a_scrape() {
    flood(500, "GET /metrics HTTP/1.1\r\nhost: ", true).await;
}

#[tokio::test]
async fn two_thousand_idle_connections_do_not_hold_up_a_scrape() {
    flood(2_000, "", false).await;
}

#[tokio::test]
async fn two_thousand_clients_that_asked_and_stay_do_not_hold_up_a_scrape() {
    flood(2_000, METRICS, false).await;
}

#[tokio::test]
async fn a_process_that_may_open_few_files_still_answers_scrapes() {
    if is_in_process() {
        let (_, server) = started().await;
        let mut parent = TcpStream::connect(std::env::var("TEST_PARENT").unwrap()).await.unwrap();
        parent.write_all(server.address.to_string().as_bytes()).await.unwrap();
        parent.shutdown().await.unwrap();
        // Until the parent has seen enough.
        let _ = parent.read(&mut [0]).await;
        return report(&open_files().to_string());
    }
    let _turn = FLOOD.lock().await;
    let rendezvous = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = rendezvous.local_addr().unwrap().to_string();
    let home = tempfile::tempdir().unwrap();
    let name = "web::a_process_that_may_open_few_files_still_answers_scrapes";
    let variables = [("TEST_PARENT", address.as_str())];
    let child = in_bounded_process(name, home.path(), &variables, Some(64));
    let parent = async {
        let (mut child, _) = within("the child calls", rendezvous.accept()).await.unwrap();
        let mut address = String::new();
        within("the child's address", child.read_to_string(&mut address)).await.unwrap();
        let address = address.parse().unwrap();
        let mut idle = Vec::new();
        for _ in 0..200 {
            idle.push(Client::connect(address).await);
        }
        for _ in 0..3 {
            assert_eq!(Client::connect(address).await.ask(METRICS).await.text(), BODY);
        }
    };
    assert_eq!(tokio::join!(child, parent).0, "64");
}

#[tokio::test]
async fn a_scrape_in_flight_outlasts_any_number_of_new_connections() {
    let fake = Fake::closed();
    let server = Server::start(&fake, Bounds { connections: 4, ..Bounds::default() }).await;
    let mut scraper = server.client().await;
    scraper.send(METRICS).await;
    fake.has_begun(1).await;
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
async fn where_every_connection_is_being_answered_a_new_one_is_closed_at_once() {
    let fake = Fake::closed();
    let server = Server::start(&fake, Bounds { connections: 2, ..Bounds::default() }).await;
    let (mut first, mut second) = (server.client().await, server.client().await);
    first.send(METRICS).await;
    second.send(METRICS).await;
    fake.has_begun(2).await;
    server.client().await.is_closed().await;
    fake.open.add_permits(2);
    assert_eq!(first.answer(false).await.status, 200);
    assert_eq!(second.answer(false).await.status, 200);
    assert_eq!(server.ask(HEALTHY).await.status, 200);
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_scrape() {
    let fake = Fake::closed();
    let server = Server::start(&fake, Bounds::default()).await;
    let mut client = server.client().await;
    client.send(METRICS).await;
    fake.has_begun(1).await;
    drop(client);
    within("the scrape is given up", fake.dropped.acquire()).await.unwrap().forget();
}

/// More than the sockets of a loopback connection buffer.
const LARGE: usize = 32 << 20;

#[tokio::test]
async fn a_client_that_never_reads_holds_up_nobody_and_is_given_up() {
    let fake = Fake::with(vec![b'x'; LARGE], 100);
    let bounds = Bounds { stall: Duration::from_millis(300), grace: Duration::from_mins(1), ..Bounds::default() };
    let server = Server::start(&fake, bounds).await;
    let mut stuck = server.client().await;
    stuck.send(METRICS).await;
    fake.has_begun(1).await;
    assert_eq!(server.ask(METRICS).await.body.len(), LARGE);
    assert_eq!(server.ask(HEALTHY).await.status, 200);
    // Ends long before the grace.
    server.stop().await;
    let mut taken = 0;
    while stuck.more().await {
        taken += stuck.bytes.len();
        stuck.bytes.clear();
    }
    assert!(taken < LARGE, "{taken}");
}

#[tokio::test]
async fn a_slow_client_gets_all_of_a_large_answer_while_others_come() {
    let fake = Fake::with(vec![b'x'; LARGE], 100);
    let server = Server::start(&fake, Bounds { connections: 3, ..Bounds::default() }).await;
    let mut slow = server.client().await;
    slow.send(METRICS).await;
    fake.has_begun(1).await;
    let mut others = Vec::new();
    for _ in 0..10 {
        others.push(server.client().await);
    }
    others[0].is_closed().await;
    assert_eq!(slow.answer(false).await.body.len(), LARGE);
}

#[tokio::test]
async fn the_stop_answers_scrapes_in_flight_closes_the_rest_and_refuses_new_ones() {
    let fake = Fake::closed();
    let server = Server::start(&fake, Bounds::default()).await;
    let mut scraper = server.client().await;
    let (mut fresh, mut half, mut kept) = (server.client().await, server.client().await, server.client().await);
    kept.ask(HEALTHY).await;
    half.send("GET /metrics HTTP/1.1\r\nhos").await;
    scraper.send(METRICS).await;
    fake.has_begun(1).await;
    let Server { address, stop, ended } = server;
    stop.send(()).unwrap();
    fresh.is_closed().await;
    kept.is_closed().await;
    half.is_closed().await;
    assert!(within("a refusal", TcpStream::connect(address)).await.is_err());
    assert!(!ended.is_finished());
    fake.open.add_permits(1);
    let answer = scraper.answer(false).await;
    assert_eq!((answer.text(), answer.header("connection")), (BODY, Some("close")));
    scraper.is_closed().await;
    within("the server stops", ended).await.unwrap();
}

#[tokio::test]
async fn a_request_whose_head_has_begun_before_the_stop_is_answered() {
    let (_, server) = started().await;
    let mut client = server.client().await;
    let (begin, rest) = METRICS.split_at(10);
    client.send(begin).await;
    assert_eq!(server.ask(HEALTHY).await.status, 200);
    let Server { stop, ended, .. } = server;
    stop.send(()).unwrap();
    client.send(rest).await;
    assert_eq!(client.answer(false).await.text(), BODY);
    within("the server stops", ended).await.unwrap();
}

#[tokio::test]
async fn the_stop_returns_within_the_grace_whatever_is_stuck() {
    let fake = Fake::with(vec![b'x'; LARGE], 1);
    let grace = Duration::from_millis(700);
    let server = Server::start(&fake, Bounds { grace, ..Bounds::default() }).await;
    let (mut never_reads, mut never_answered) = (server.client().await, server.client().await);
    never_reads.send(METRICS).await;
    fake.has_begun(1).await;
    never_answered.send(METRICS).await;
    fake.has_begun(1).await;
    let start = std::time::Instant::now();
    server.stop().await;
    assert!(start.elapsed() >= grace && start.elapsed() < grace + Duration::from_secs(2), "{:?}", start.elapsed());
    never_answered.is_closed().await;
    within("the scrape is given up", fake.dropped.acquire()).await.unwrap().forget();
}

#[tokio::test]
async fn an_idle_server_stops_at_once() {
    let (_, server) = started().await;
    let mut kept = server.client().await;
    kept.ask(METRICS).await;
    let start = std::time::Instant::now();
    server.stop().await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    kept.is_closed().await;
}

#[tokio::test]
async fn it_listens_on_ipv6_and_on_both_where_no_host_is_named() {
    let fake = Fake::new();
    let six = Server::at("[::1]:0", &fake, Bounds::default()).await;
    assert!(six.address.is_ipv6());
    assert_eq!(six.ask(METRICS).await.text(), BODY);
    let both = Server::at(":0", &fake, Bounds::default()).await;
    for host in ["127.0.0.1", "::1"] {
        let address = SocketAddr::new(host.parse().unwrap(), both.address.port());
        assert_eq!(Client::connect(address).await.ask(METRICS).await.text(), BODY, "{host}");
    }
}

#[tokio::test]
async fn every_listener_is_served_under_the_default_bounds_and_the_telemetry_path() {
    let listeners = vec![listen::bind("127.0.0.1:0").await.unwrap(), listen::bind("127.0.0.1:0").await.unwrap()];
    let addresses: Vec<_> = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
    let (stop, stopped) = oneshot::channel::<()>();
    let ended = tokio::spawn(web::run(listeners, Fake::new(), "/m".into(), async {
        let _ = stopped.await;
    }));
    for address in addresses {
        assert_eq!(Client::connect(address).await.ask(&get("/m")).await.text(), BODY);
        assert_eq!(Client::connect(address).await.ask(METRICS).await.status, 404);
        assert!(Client::connect(address).await.ask(&get("/")).await.text().contains("<a href=\"/m\">"));
    }
    stop.send(()).unwrap();
    within("the server stops", ended).await.unwrap();
}

#[tokio::test]
async fn the_health_check_tells_a_living_exporter_from_a_dead_one() {
    let (_, server) = started().await;
    let port = server.address.port();
    healthcheck::ask(&format!("127.0.0.1:{port}")).await.unwrap();
    healthcheck::ask(&format!(":{port}")).await.unwrap();
    server.stop().await;
    let error = healthcheck::ask(&format!("127.0.0.1:{port}")).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot connect to 127.0.0.1:{port}: ")), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_health_check_does_not_wait_for_ever() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let error = healthcheck::ask(&address).await.unwrap_err().to_string();
    assert_eq!(error, format!("{address} does not answer within 3 s"));
}
