//! The HTTP server over loopback sockets.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod auth;
mod limits;
mod peers;
mod pki;
mod prefix;
mod program;
mod proxies;
mod routes;
mod shutdown;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use aws_transfer_exporter::metrics::ScrapeRequest;
use aws_transfer_exporter::metrics::exposition::Exposition;
use aws_transfer_exporter::tracker::query::{FailureFilter, KeptFailure, Query, Selection};
use aws_transfer_exporter::web::{
    self, Exporter, Health, Overview, ProbeError, ProbeRequest, Readiness, ScrapeMode,
    ServerLimits, SourceHealth, WriteApiError, WriteRequest, Written, listen,
};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

/// The time limit of each step of a test.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);
pub(crate) const BODY: &str = "# TYPE up gauge\nup 1\n";
pub(crate) const LARGE: usize = 32 << 20;
pub(crate) const HEALTHY: &str = "GET /-/healthy HTTP/1.1\r\nhost: x\r\n\r\n";
pub(crate) const METRICS: &str = "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n";

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future)
        .await
        .unwrap_or_else(|_| panic!("{what}: timed out after {LIMIT:?}"))
}

/// An exporter that answers as many scrapes as `open` has permits, each with the same body.
pub(crate) struct Fake {
    /// `None` fails the scrape.
    body: Option<Bytes>,
    /// How often the body is repeated in a streamed response.
    streamed: Option<usize>,
    ready: AtomicBool,
    pub(crate) open: Semaphore,
    /// How many scrapes wait for a permit.
    pub(crate) waiting: AtomicUsize,
    /// While true, writes never end.
    pub(crate) stuck: AtomicBool,
    /// While true, rendering a page blocks.
    held: AtomicBool,
    /// Permits: one for each scrape that has started.
    started_scrapes: Semaphore,
    /// Permits: one for each scrape that was cancelled.
    dropped: Arc<Semaphore>,
    scrapes: Mutex<Vec<(ScrapeRequest, Option<String>, bool)>>,
}

impl Fake {
    fn with(body: impl Into<Bytes>, permits: usize) -> Arc<Self> {
        Self::answering(Some(body.into()), None, permits)
    }

    fn answering(body: Option<Bytes>, streamed: Option<usize>, permits: usize) -> Arc<Self> {
        Arc::new(Self {
            body,
            streamed,
            ready: AtomicBool::new(true),
            open: Semaphore::new(permits),
            waiting: AtomicUsize::new(0),
            stuck: AtomicBool::new(false),
            held: AtomicBool::new(false),
            started_scrapes: Semaphore::new(0),
            dropped: Arc::new(Semaphore::new(0)),
            scrapes: Mutex::default(),
        })
    }

    pub(crate) fn new() -> Arc<Self> {
        Self::with(BODY, 100_000)
    }

    /// Scrapes wait until `open` gets permits.
    pub(crate) fn closed() -> Arc<Self> {
        Self::with(BODY, 0)
    }

    /// Waits until `scrapes` wait for a permit at once.
    pub(crate) async fn wait_until_waiting(&self, scrapes: usize) {
        within("scrapes wait", async {
            while self.waiting.load(Ordering::Relaxed) < scrapes {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    async fn wait_for_scrapes(&self, scrapes: u32) {
        within(
            "a scrape starts",
            self.started_scrapes.acquire_many(scrapes),
        )
        .await
        .unwrap()
        .forget();
    }
}

/// Adds a permit when dropped, unless `done`.
pub(crate) struct CancelGuard {
    dropped: Arc<Semaphore>,
    done: bool,
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        if !self.done {
            self.dropped.add_permits(1);
        }
    }
}

impl Exporter for Fake {
    fn scrape(
        self: Arc<Self>,
        request: ScrapeRequest,
        timeout_header: Option<String>,
        mode: ScrapeMode,
    ) -> Pin<Box<dyn Future<Output = Option<Exposition>> + Send>> {
        self.scrapes
            .lock()
            .unwrap()
            .push((request, timeout_header, mode == ScrapeMode::Polled));
        Box::pin(async move {
            let mut guard = CancelGuard {
                dropped: Arc::clone(&self.dropped),
                done: false,
            };
            self.started_scrapes.add_permits(1);
            // What is known is answered at once.
            if mode != ScrapeMode::Known {
                self.waiting.fetch_add(1, Ordering::Relaxed);
                let permit = self.open.acquire().await;
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                permit.unwrap().forget();
            }
            guard.done = true;
            let body = self.body.clone()?;
            Some(match self.streamed {
                None => Exposition::Whole(vec![body]),
                Some(times) => Exposition::Streamed(Box::new(std::iter::repeat_n(body, times))),
            })
        })
    }

    fn write(
        self: Arc<Self>,
        _: WriteRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Written, WriteApiError>> + Send>> {
        Box::pin(async move {
            if self.stuck.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            Err(WriteApiError::Disabled)
        })
    }

    fn acknowledge(
        self: Arc<Self>,
        _: FailureFilter,
    ) -> Pin<Box<dyn Future<Output = Result<usize, WriteApiError>> + Send>> {
        Box::pin(async { Err(WriteApiError::Disabled) })
    }

    fn overview(&self) -> Overview {
        Overview {
            now: UNIX_EPOCH + Duration::from_hours(500_000),
            started: UNIX_EPOCH,
            connectors: Vec::new(),
            recent: Vec::new(),
            accounts: Vec::new(),
            health: Health {
                last_sweep: None,
                sources: vec![SourceHealth {
                    source: "files".into(),
                    target: "<b>".into(),
                    up: false,
                }],
                storage_up: true,
                is_standby: false,
            },
            write_api: false,
        }
    }

    fn select(&self, _: &Query) -> Selection {
        let start = std::time::Instant::now();
        // Bounded, so that a failing test ends.
        while self.held.load(Ordering::Relaxed) && start.elapsed() < 2 * LIMIT {
            std::thread::sleep(Duration::from_millis(5));
        }
        Selection::default()
    }

    fn flows(&self) -> Vec<model::Chunk<model::FlowView>> {
        Vec::new()
    }

    fn failures(&self) -> Vec<Arc<KeptFailure>> {
        Vec::new()
    }

    fn probe(
        self: Arc<Self>,
        _: ProbeRequest,
        _: ScrapeRequest,
        _: Option<String>,
    ) -> Pin<Box<dyn Future<Output = Result<Exposition, ProbeError>> + Send>> {
        Box::pin(async { Err(ProbeError::UnknownAccount) })
    }

    fn readiness(&self) -> Readiness {
        if self.ready.load(Ordering::Relaxed) {
            Readiness::Ready
        } else {
            Readiness::Stopping
        }
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(fake: &Arc<Fake>, limits: ServerLimits) -> Self {
        Self::at("127.0.0.1:0", fake, limits).await
    }

    async fn at(address: &str, fake: &Arc<Fake>, limits: ServerLimits) -> Self {
        Self::of(
            address,
            fake,
            web::Server {
                limits,
                ..web::Server::default()
            },
        )
        .await
    }

    pub(crate) async fn of(address: &str, fake: &Arc<Fake>, server: web::Server) -> Self {
        Self::of_paths(address, fake, server, "/metrics".into()).await
    }

    async fn of_paths(
        address: &str,
        fake: &Arc<Fake>,
        server: web::Server,
        paths: web::WebPaths,
    ) -> Self {
        let listener = listen::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let exporter: Arc<dyn Exporter> = fake.clone();
        let ended = tokio::spawn(server.run(vec![listener], exporter, paths, async {
            let _ = stopped.await;
        }));
        Self {
            address,
            stop,
            ended,
        }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// Sends one request on a new connection.
    pub(crate) async fn ask(&self, request: &str) -> Answer {
        self.client().await.ask(request).await
    }

    pub(crate) async fn stop(self) {
        let Self { stop, ended, .. } = self;
        let _ = stop.send(());
        within("the server stops", ended).await.unwrap();
    }
}

pub(crate) async fn started() -> (Arc<Fake>, Server) {
    let fake = Fake::new();
    let server = Server::start(&fake, ServerLimits::default()).await;
    (fake, server)
}

#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

pub(crate) struct Client<S = TcpStream> {
    stream: S,
    bytes: Vec<u8>,
}

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        Self::over(
            within("a connection", TcpStream::connect(address))
                .await
                .unwrap(),
        )
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self {
            stream,
            bytes: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within("a request", self.stream.write_all(bytes.as_ref()))
            .await
            .unwrap();
    }

    pub(crate) async fn ask(&mut self, request: &str) -> Answer {
        self.send(request).await;
        self.answer(request.starts_with("HEAD ")).await
    }

    /// Reads one response; `to_head` if it has no body.
    pub(crate) async fn answer(&mut self, to_head: bool) -> Answer {
        let end = loop {
            if let Some(at) = self
                .bytes
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
            {
                break at + 4;
            }
            assert!(
                self.more().await,
                "the connection ended: {:?}",
                String::from_utf8_lossy(&self.bytes)
            );
        };
        let head = String::from_utf8(self.bytes.drain(..end).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let headers: BTreeMap<_, _> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .filter(|(name, _)| name != "date")
            .collect();
        let chunked = headers
            .get("transfer-encoding")
            .is_some_and(|coding| coding == "chunked");
        let length = headers
            .get("content-length")
            .map_or(0, |length| length.parse().unwrap());
        let body = match (to_head, chunked) {
            (true, _) => Vec::new(),
            (false, true) => self.chunks().await,
            (false, false) => self.take(length).await,
        };
        Answer {
            status,
            headers,
            body,
        }
    }

    async fn take(&mut self, length: usize) -> Vec<u8> {
        while self.bytes.len() < length {
            assert!(self.more().await, "the body ended early");
        }
        self.bytes.drain(..length).collect()
    }

    async fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(at) = self.bytes.windows(2).position(|window| window == b"\r\n") {
                    break at;
                }
                assert!(self.more().await, "the chunks ended early");
            };
            let size = String::from_utf8(self.take(end + 2).await).unwrap();
            let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
            let chunk = self.take(size + 2).await;
            if size == 0 {
                return body;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }

    async fn more(&mut self) -> bool {
        within("an answer", self.stream.read_buf(&mut self.bytes))
            .await
            .is_ok_and(|read| read > 0)
    }

    /// Waits until the server closes the connection.
    pub(crate) async fn is_closed(&mut self) {
        while self.more().await {
            self.bytes.clear();
        }
    }
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")
}
