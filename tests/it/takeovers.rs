//! Several running programs share a table of a DynamoDB that is not ours. The owner is killed, or paused
//! for longer than its lease, while two queues, a late CloudTrail and polls report the same files. The
//! counters, as a client that follows `/-/ready` sees them, are exact and never fall.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use simulator::{Faults, Settings, SplitMix64};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::crashes::{
    CLOUDTRAIL_DELAY, Ends, VISIBILITY_TIMEOUT, assert_between, configuration, counted, start,
};
use crate::program::{Running, config, config_text, peer, program, signing_program};
use crate::prometheus::{Prometheus, put_completed};
use crate::rig::{connector, simulator, transfer};
use crate::storage::scrape;

const PROCESSES: usize = 3;
const PATIENCE: Duration = Duration::from_mins(2);

/// Returns how long a lease lasts: the shortest that is allowed, or `LEASE_SECONDS`.
pub(crate) fn lease() -> Duration {
    Duration::from_secs(number("LEASE_SECONDS", 3))
}

/// Returns the number of a variable of the environment.
fn number<T: FromStr<Err: Debug>>(name: &str, default: T) -> T {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// How much happens.
pub(crate) struct Course {
    pub(crate) transfers: usize,
    pub(crate) kills: usize,
    pub(crate) pauses: usize,
}

impl Course {
    /// As much as in a minute; `TAKEOVERS` multiplies it, and `TRANSFERS` is the number of transfers.
    pub(crate) fn new() -> Self {
        let times = number("TAKEOVERS", 1);
        Self {
            transfers: number("TRANSFERS", 200 * times),
            kills: 5 * times,
            pauses: 2 * times,
        }
    }
}

/// A running DynamoDB, killed on drop.
pub(crate) struct Dynamo {
    child: Child,
    pub(crate) url: String,
}

impl Drop for Dynamo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Dynamo {
    fn start(mut command: Command, port: u16) -> Self {
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let dynamo = Self {
            child,
            url: format!("dynamodb://state?region=eu-central-1&endpoint=http://127.0.0.1:{port}"),
        };
        let deadline = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "it does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        let init = signing_program()
            .args(["storage", "init", &format!("--storage.url={}", dynamo.url)])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&init.stdout);
        assert!(said.contains("created the table `state`"), "{said}");
        dynamo
    }

    pub(crate) fn moto() -> Self {
        let port = free_port();
        let mut command = Command::new(peer("TEST_PYTHON", "python3"));
        command.args([
            "-m",
            "moto.server",
            "-H",
            "127.0.0.1",
            "-p",
            &port.to_string(),
        ]);
        Self::start(command, port)
    }

    pub(crate) fn dynalite() -> Self {
        let port = free_port();
        let folder = std::env::var_os("DYNALITE").map_or_else(|| PathBuf::from("."), PathBuf::from);
        let program = folder.join("node_modules/dynalite/cli.js");
        assert!(
            program.exists(),
            "`{}` (DYNALITE) is not there; `tests/run` installs it",
            program.display()
        );
        let mut command = Command::new("node");
        command
            .arg(program)
            .args(["--host", "127.0.0.1", "--port", &port.to_string()]);
        // As soon as it is asked for.
        command.args(["--createTableMs", "0"]);
        Self::start(command, port)
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// The exporters, and what a client sees that follows `/-/ready`.
struct Members {
    config: PathBuf,
    url: String,
    running: Vec<Running>,
    /// Exporters that are paused, and until when.
    paused: Vec<(usize, Instant)>,
    /// How long the client found no owner, each time.
    gaps: Vec<Duration>,
}

impl Members {
    fn start(config: &Path, url: &str) -> Self {
        let mut members = Self {
            config: config.to_owned(),
            url: url.to_owned(),
            running: Vec::new(),
            paused: Vec::new(),
            gaps: Vec::new(),
        };
        for _ in 0..PROCESSES {
            let member = members.member();
            members.running.push(member);
        }
        members
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        self.running.iter().map(|member| member.address).collect()
    }

    fn member(&self) -> Running {
        Running::start(signing_program().args([
            format!("--config.file={}", self.config.display()),
            "--web.listen-address=127.0.0.1:0".into(),
            format!("--storage.url={}", self.url),
            format!("--storage.lease-duration={}s", lease().as_secs()),
        ]))
    }

    /// Returns the exporter that is ready.
    async fn owner(&self) -> Option<usize> {
        for (at, member) in self.running.iter().enumerate() {
            let ready = tokio::time::timeout(Duration::from_millis(300), is_ready(member.address));
            if ready.await == Ok(Some(true)) {
                return Some(at);
            }
        }
        None
    }

    /// Scrapes the owner.
    async fn counted(&mut self) -> Ends {
        let begin = Instant::now();
        loop {
            self.resume();
            if let Some(owner) = self.owner().await {
                let answer = scrape(self.running[owner].address);
                let answer = tokio::time::timeout(lease(), answer).await.ok().flatten();
                let is_leader = |seen: &crate::rig::Exposition| {
                    seen.sum("aws_transfer_exporter_leader", &[]) == 1.0
                };
                // A process that is no owner any more has nothing to show.
                if let Some(seen) = answer.filter(is_leader) {
                    let gap = begin.elapsed();
                    if gap > Duration::from_millis(800) {
                        self.gaps.push(gap);
                    }
                    return counted(&seen);
                }
            }
            assert!(begin.elapsed() < PATIENCE, "no owner");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn kill_owner(&mut self) {
        let Some(owner) = self.owner().await else {
            return;
        };
        self.running[owner].signal("KILL");
        self.running[owner].wait();
        self.running[owner] = self.member();
    }

    async fn pause_owner(&mut self) {
        let Some(owner) = self.owner().await else {
            return;
        };
        self.running[owner].signal("STOP");
        self.paused.push((owner, Instant::now() + lease() * 2));
    }

    /// Continues what has been paused for long enough.
    fn resume(&mut self) {
        let running = &self.running;
        self.paused.retain(|(at, until)| {
            let is_over = Instant::now() >= *until;
            if is_over {
                running[*at].signal("CONT");
            }
            !is_over
        });
    }
}

/// Leads each connection to the exporter that is ready, as a Service does. Returns its address.
async fn service(members: Arc<Mutex<Vec<SocketAddr>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let members = members.lock().unwrap().clone();
            tokio::spawn(async move {
                for member in members {
                    let ready = tokio::time::timeout(Duration::from_millis(300), is_ready(member));
                    if ready.await == Ok(Some(true))
                        && let Ok(mut server) = TcpStream::connect(member).await
                    {
                        // Either may be killed.
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                        return;
                    }
                }
            });
        }
    });
    address
}

/// Two files complete over each of ten take-overs, one while there is no owner.
#[expect(clippy::print_stdout, reason = "what happened, for people")]
async fn increase_is_what_happened(prometheus: &Path) {
    const TAKE_OVERS: usize = 10;
    let dynamo = Dynamo::dynalite();
    let (aws, url) = simulator(Settings::default()).await;
    put_completed(&aws, 0);
    let pair = (connector(1).to_string(), transfer(1).to_string());
    let (_folder, file) = config(&config_text(&url, &[pair]));
    let mut members = Members::start(&file, &dynamo.url);
    let addresses = Arc::new(Mutex::new(members.addresses()));
    let service = service(Arc::clone(&addresses)).await;
    let prometheus = Prometheus::start(prometheus, service).await;
    let sum = "sum(aws_transfer_connector_files_finished_total)";
    prometheus.wait_for(&format!("{sum} == 0")).await;
    for take_over in 0..TAKE_OVERS {
        put_completed(&aws, 2 * take_over + 1);
        prometheus
            .wait_for(&format!("{sum} == {}", 2 * take_over + 1))
            .await;
        if take_over % 3 == 2 {
            members.pause_owner().await;
        } else {
            members.kill_owner().await;
            *addresses.lock().unwrap() = members.addresses();
        }
        put_completed(&aws, 2 * take_over + 2);
        members.counted().await;
        prometheus
            .wait_for(&format!("{sum} == {}", 2 * take_over + 2))
            .await;
    }
    let real = 2.0 * TAKE_OVERS as f64;
    // Prometheus extrapolates by up to a scrape interval at each end.
    let increase = "sum(increase(aws_transfer_connector_files_finished_total[10m]))";
    prometheus
        .wait_for(&format!("{increase} >= {real} < {}", real * 1.15))
        .await;
    let resets = "max(resets(aws_transfer_connector_files_finished_total[10m])) == 0";
    prometheus.wait_for(resets).await;
    members.gaps.sort_unstable();
    let lease = lease();
    println!(
        "{TAKE_OVERS} take-overs with a lease of {lease:?}: without an owner at most {:.1?}, \
         without a sample at most {:.1?}",
        members.gaps.last().unwrap(),
        prometheus.longest_gap(sum, Duration::from_mins(10)).await,
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Prometheus 2 and dynalite; tests/run provides them"]
async fn prometheus_2_has_the_increase_over_take_overs_with_dynalite() {
    increase_is_what_happened(&peer("PROMETHEUS_2", "prometheus")).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Prometheus 3 and dynalite; tests/run provides them"]
async fn prometheus_3_has_the_increase_over_take_overs_with_dynalite() {
    increase_is_what_happened(&peer("PROMETHEUS_3", "prometheus3")).await;
}

async fn is_ready(address: SocketAddr) -> Option<bool> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = b"GET /-/ready HTTP/1.0\r\nHost: localhost\r\n\r\n";
    stream.write_all(request).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    Some(answer.starts_with(b"HTTP/1.0 200"))
}

#[expect(clippy::print_stdout, reason = "what happened, for people")]
async fn counters_are_exact_over_take_overs(dynamo: &Dynamo, number: u64) {
    let course = Course::new();
    let settings = Settings {
        cloudtrail_delay: CLOUDTRAIL_DELAY,
        ..Settings::default()
    };
    let (aws, url) = simulator(settings).await;
    let (reports, reports_url) = simulator(Settings::default()).await;
    aws.set_faults(Faults {
        seed: number,
        event_duplicate_rate: 0.3,
        event_delay: Duration::from_secs(2),
        ..Faults::default()
    });
    let text = configuration(&url, &[(&aws, &url), (&reports, &reports_url)]);
    let (_folder, file) = config(&text);
    let mut members = Members::start(&file, &dynamo.url);
    let mut random = SplitMix64::new(number);
    let (mut truth, mut before) = (Ends::new(), members.counted().await);
    // CloudTrail has whole seconds: what starts in the second of the first term may be the base.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let began = Instant::now();
    let (mut started, mut answers) = (0, 0);
    let events = course.kills + course.pauses;
    for event in 0..events {
        let until = course.transfers * (event + 1) / events;
        while started < until {
            start(&aws, &reports, &mut random, &mut truth);
            started += 1;
            if random.chance(0.2) {
                let seen = members.counted().await;
                assert_between(&before, &seen, &truth, "between take-overs");
                before = seen;
                answers += 1;
            }
        }
        // Pauses are spread among the kills.
        if event * course.pauses / events < (event + 1) * course.pauses / events {
            members.pause_owner().await;
        } else {
            members.kill_owner().await;
        }
        let seen = members.counted().await;
        assert_between(&before, &seen, &truth, "after a take-over");
        before = seen;
        answers += 1;
    }
    let settled = Instant::now() + VISIBILITY_TIMEOUT + CLOUDTRAIL_DELAY;
    while before != truth || Instant::now() < settled || !members.paused.is_empty() {
        assert!(
            Instant::now() < settled + PATIENCE,
            "{before:?}, but {truth:?}"
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
        let seen = members.counted().await;
        assert_between(&before, &seen, &truth, "at rest");
        before = seen;
    }
    members.kill_owner().await;
    assert_eq!(members.counted().await, truth, "after another kill");
    members.gaps.sort_unstable();
    let files: f64 = truth.values().sum();
    let lease = lease();
    println!(
        "{files} files of {started} transfers, {} kills, {} pauses, {answers} answers in {:.0?}; \
         {} times without an owner, median {:.1?}, longest {:.1?}, with a lease of {lease:?}",
        course.kills,
        course.pauses,
        began.elapsed(),
        members.gaps.len(),
        members.gaps[members.gaps.len() / 2],
        members.gaps.last().unwrap(),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto; tests/run provides it"]
async fn counters_are_exact_over_take_overs_with_moto() {
    counters_are_exact_over_take_overs(&Dynamo::moto(), 11).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs dynalite; tests/run provides it"]
async fn counters_are_exact_over_take_overs_with_dynalite() {
    counters_are_exact_over_take_overs(&Dynamo::dynalite(), 12).await;
}

#[test]
#[ignore = "needs dynalite; tests/run provides it"]
fn state_moves_between_a_directory_and_a_table_of_dynalite() {
    let dynamo = Dynamo::dynalite();
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let (first, second) = (first.to_str().unwrap(), second.to_str().unwrap());
    let copy = |from: &str, to: &str| {
        let output = signing_program()
            .args(["storage", "copy", from, to])
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let (code, _, error) = copy(first, &dynamo.url);
    assert!(code == Some(1) && error.contains("no state in"), "{error}");
    // A state of something.
    let once = |path: &str| {
        let text = "accounts:\n  - {name: prod, region: eu-central-1, endpoint_url: 'http://127.0.0.1:1'}\n\
                    transfers:\n  - {connector_id: c-0123456789abcdef0, transfer_id: t-1}\n";
        let (_folder, file) = config(text);
        let flags = [
            format!("--config.file={}", file.display()),
            format!("--storage.path={path}"),
        ];
        signing_program().arg("once").args(flags).output().unwrap()
    };
    once(first);
    let (code, said, error) = copy(first, &dynamo.url);
    assert_eq!(code, Some(0), "{error}");
    assert!(
        said.starts_with("copied 1 transfer and 1 connector from "),
        "{said}"
    );
    let (code, _, error) = copy(first, &dynamo.url);
    assert!(
        code == Some(1) && error.contains("has state already"),
        "{error}"
    );
    let (code, said, error) = copy(&dynamo.url, second);
    assert_eq!(code, Some(0), "{error}");
    assert!(
        said.starts_with("copied 1 transfer and 1 connector from "),
        "{said}"
    );
    let (code, _, error) = copy(
        "dynamodb://missing?region=eu-central-1&endpoint=http://127.0.0.1:1",
        second,
    );
    assert!(code == Some(1) && error.contains("failed to"), "{error}");
    let both = program()
        .args(["--storage.path=/tmp", "--storage.url=dynamodb://abc"])
        .output()
        .unwrap();
    assert_eq!(both.status.code(), Some(2));
}
