//! A TCP proxy between the exporter and its endpoint that can break responses.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Bytes of [`Mode::Huge`].
pub(crate) const HUGE: usize = 100 << 20;

/// What the proxy does to a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Passes it on.
    Pass,
    /// Sends it at 20 bytes per second.
    Slow,
    /// Sends all but its end, then resets the connection.
    ResetInBody,
    /// Replaces it by a valid list of files of 100 MB.
    Huge,
    /// Replaces it by a page of one file with the token of a next page.
    Endless,
}

/// The proxy, on a port of the loopback interface.
pub(crate) struct Gate {
    pub(crate) address: SocketAddr,
    behind: SocketAddr,
    state: Arc<State>,
    serving: JoinHandle<()>,
}

struct State {
    mode: Mutex<Mode>,
    /// Number of bytes sent in [`Mode::Huge`].
    sent: AtomicU64,
    pages: AtomicU64,
}

impl Gate {
    pub(crate) async fn before(behind: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = State {
            mode: Mutex::new(Mode::Pass),
            sent: AtomicU64::new(0),
            pages: AtomicU64::new(0),
        };
        let state = Arc::new(state);
        let serving = tokio::spawn(serve(listener, behind, Arc::clone(&state)));
        Self {
            address,
            behind,
            state,
            serving,
        }
    }

    pub(crate) fn set(&self, mode: Mode) {
        *lock(&self.state.mode) = mode;
    }

    /// Stops listening and closes all connections.
    pub(crate) async fn close(&mut self) {
        self.serving.abort();
        let _ = (&mut self.serving).await;
    }

    /// Listens on the same port again.
    pub(crate) async fn open(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.serving = tokio::spawn(serve(listener, self.behind, Arc::clone(&self.state)));
    }

    pub(crate) fn sent(&self) -> u64 {
        self.state.sent.load(Ordering::Relaxed)
    }

    pub(crate) fn pages(&self) -> u64 {
        self.state.pages.load(Ordering::Relaxed)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn lock(mode: &Mutex<Mode>) -> MutexGuard<'_, Mode> {
    mode.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, behind: SocketAddr, state: Arc<State>) {
    // Dropped with this task, which closes the connections.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(forward(stream, behind, Arc::clone(&state)));
        while connections.try_join_next().is_some() {}
    }
}

async fn forward(mut stream: TcpStream, behind: SocketAddr, state: Arc<State>) -> Option<()> {
    let mut other = TcpStream::connect(behind).await.ok()?;
    loop {
        let (request, true) = message(&mut stream).await? else {
            return None;
        };
        let mode = *lock(&state.mode);
        match mode {
            Mode::Huge => return huge(&mut stream, &state).await,
            Mode::Endless => {
                let page = state.pages.fetch_add(1, Ordering::Relaxed);
                let body = format!(
                    r#"{{"FileTransferResults": [{{"FilePath": "/{page}", "StatusCode": "QUEUED"}}], "NextToken": "{page}"}}"#
                );
                stream.write_all(&answer(body.len(), &body)).await.ok()?;
            }
            Mode::Pass | Mode::Slow | Mode::ResetInBody => {
                other.write_all(&request).await.ok()?;
                let (answer, is_whole) = message(&mut other).await?;
                match mode {
                    Mode::Slow => {
                        for byte in answer {
                            stream.write_all(&[byte]).await.ok()?;
                            tokio::time::sleep(Duration::from_millis(50)).await;
                        }
                    }
                    Mode::ResetInBody => {
                        stream.write_all(&answer[..answer.len() - 9]).await.ok()?;
                        let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                        return None;
                    }
                    _ => stream.write_all(&answer).await.ok()?,
                }
                if !is_whole {
                    return None;
                }
            }
        }
    }
}

/// Sends 100 MB, or until the connection is closed.
async fn huge(stream: &mut TcpStream, state: &State) -> Option<()> {
    stream
        .write_all(&answer(HUGE, r#"{"FileTransferResults": ["#))
        .await
        .ok()?;
    let row = r#"{"FilePath": "/huge", "StatusCode": "QUEUED"},"#.repeat(1_000);
    let mut left = HUGE;
    while left > 0 {
        let piece = &row.as_bytes()[..row.len().min(left)];
        stream.write_all(piece).await.ok()?;
        state.sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
        left -= piece.len();
    }
    Some(())
}

fn answer(length: usize, body: &str) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

/// Reads one request or response. Returns its head and body, and whether it is complete.
async fn message(stream: &mut TcpStream) -> Option<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map_or("0", str::trim);
    let whole = end + length.parse::<usize>().ok()?;
    while bytes.len() < whole {
        if !matches!(stream.read_buf(&mut bytes).await, Ok(1..)) {
            return Some((bytes, false));
        }
    }
    Some((bytes, true))
}
