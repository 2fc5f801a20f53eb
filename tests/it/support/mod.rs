//! The other side of the wire, scripted byte by byte, and test processes with an environment of
//! their own.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::JoinHandle;

/// What happens to one request.
#[derive(Clone)]
pub(crate) enum Step {
    /// These bytes; the connection stays open.
    Answer(Vec<u8>),
    /// These bytes, then the end of the stream.
    Close(Vec<u8>),
    /// These bytes, then a reset.
    Reset(Vec<u8>),
    /// These bytes, then nothing more.
    Stall(Vec<u8>),
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The connection's number, from 0.
    pub(crate) connection: usize,
    /// The request line and the headers.
    pub(crate) head: String,
    /// The body; U+FFFD replaces what is not UTF-8.
    pub(crate) body: String,
    /// The body as it came.
    pub(crate) bytes: Vec<u8>,
}

impl Seen {
    /// A header's value; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let of = |line: &'_ str| {
            line.split_once(':')
                .is_some_and(|(key, _)| key.eq_ignore_ascii_case(name))
        };
        self.head
            .lines()
            .find(|line| of(line))
            .and_then(|line| line.split_once(": "))
            .map_or("", |(_, value)| value)
    }
}

/// An HTTP endpoint on the loopback that follows a script.
pub(crate) struct Endpoint {
    /// Its URL, without a path.
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Endpoint {
    /// One step a request, in the order of arrival; the last step repeats.
    pub(crate) async fn scripted(steps: impl Into<Vec<Step>>) -> Self {
        let steps = steps.into();
        Self::answering(move |at, _| steps[at.min(steps.len() - 1)].clone()).await
    }

    /// The step follows from the request's number and the request.
    pub(crate) async fn answering(
        step: impl Fn(usize, &Seen) -> Step + Send + Sync + 'static,
    ) -> Self {
        Self::listening_on("127.0.0.1:0", step).await
    }

    /// The same at an address.
    pub(crate) async fn listening_on(
        address: &str,
        step: impl Fn(usize, &Seen) -> Step + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(serve(listener, Arc::new(step), Arc::clone(&seen)));
        Self { url, seen, task }
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Script = Arc<dyn Fn(usize, &Seen) -> Step + Send + Sync>;

async fn serve(listener: TcpListener, script: Script, seen: Arc<Mutex<Vec<Seen>>>) {
    // Aborts the connections when the endpoint goes.
    let mut connections = tokio::task::JoinSet::new();
    for connection in 0.. {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        connections.spawn(converse(
            stream,
            connection,
            Arc::clone(&script),
            Arc::clone(&seen),
        ));
    }
}

async fn converse(
    mut stream: TcpStream,
    connection: usize,
    script: Script,
    seen: Arc<Mutex<Vec<Seen>>>,
) {
    while let Some(request) = read_request(&mut stream, connection).await {
        let at = {
            let mut seen = seen.lock().unwrap();
            seen.push(request.clone());
            seen.len() - 1
        };
        let step = script(at, &request);
        let (Step::Answer(bytes) | Step::Close(bytes) | Step::Reset(bytes) | Step::Stall(bytes)) =
            &step;
        if stream.write_all(bytes).await.is_err() {
            return;
        }
        match step {
            Step::Answer(_) => {}
            Step::Close(_) => return,
            Step::Reset(_) => {
                let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                return;
            }
            Step::Stall(_) => std::future::pending().await,
        }
    }
}

async fn read_request(stream: &mut TcpStream, connection: usize) -> Option<Seen> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let mut seen = Seen {
        connection,
        head,
        body: String::new(),
        bytes: Vec::new(),
    };
    let length = seen.header("content-length").parse().unwrap_or(0);
    let mut body = bytes.split_off(end);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    seen.body = String::from_utf8_lossy(&body).into_owned();
    seen.bytes = body;
    Some(seen)
}

/// A whole HTTP answer.
pub(crate) fn http(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Environment variable of a test process: the file that it writes its report to.
const REPORT: &str = "TEST_CHILD_REPORT";

/// Runs the test `name` of this binary again, in a process whose environment is `variables` alone,
/// and answers what it reported.
pub(crate) async fn in_process(name: &str, home: &Path, variables: &[(&str, &str)]) -> String {
    in_bounded_process(name, home, variables, None).await
}

/// The same with so many open files at most.
pub(crate) async fn in_bounded_process(
    name: &str,
    home: &Path,
    variables: &[(&str, &str)],
    open_files: Option<u32>,
) -> String {
    let report = home.join("report");
    let exe = std::env::current_exe().unwrap();
    let mut child = match open_files {
        None => Command::new(&exe),
        Some(files) => {
            let mut shell = Command::new("/bin/sh");
            shell
                .args(["-c", &format!("ulimit -n {files} && exec \"$0\" \"$@\"")])
                .arg(&exe);
            shell
        }
    };
    child
        .args([name, "--exact", "--nocapture"])
        .env_clear()
        .env("HOME", home)
        .env(REPORT, &report);
    child
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(variables.iter().copied())
        .kill_on_drop(true);
    let ended = child
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output();
    let ended = tokio::time::timeout(Duration::from_mins(4), ended)
        .await
        .unwrap()
        .unwrap();
    assert!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    std::fs::read_to_string(report).unwrap()
}

/// True in a process of [`in_process`].
pub(crate) fn is_in_process() -> bool {
    std::env::var_os(REPORT).is_some()
}

/// Reports to the process that started this one.
pub(crate) fn report(text: &str) {
    std::fs::write(std::env::var_os(REPORT).unwrap(), text).unwrap();
}
