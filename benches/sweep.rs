//! Measures sweeps of 1,000 unfinished transfers with a latency of 50 ms and 32 concurrent calls.
//! The simulator and the exporter run as separate processes; the figures are those of the exporter.
//! A third process makes the same calls with the client of the SDK alone, which is what a call costs
//! at least. Linux only, because it reads `/proc`.
//!
//! Run with `cargo bench --bench sweep`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]
#![expect(clippy::cast_precision_loss, reason = "small numbers")]

#[path = "shared/listening.rs"]
mod listening;
#[path = "shared/precise_timer.rs"]
mod precise_timer;

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use aws_transfer_exporter::app::system_clock;
use precise_timer::PreciseTimer;
use simulator::{
    DEMO_ACCESS_KEY_ID, DEMO_SECRET_ACCESS_KEY, Faults, FileScript, LifeScript, Settings, Simulator,
};

const TRANSFERS: usize = 1_000;
const CONCURRENCY: usize = 32;
const LATENCY: Duration = Duration::from_millis(50);
const SWEEPS: usize = 7;
/// The argument with which the benchmark starts itself as the simulator.
const SIMULATOR: &str = "simulator";
/// The argument with which it starts itself as the client of the SDK, before the simulator's port.
const PLAIN_CLIENT: &str = "plain-client";

// The exporter's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some(SIMULATOR) => simulate(),
        Some(PLAIN_CLIENT) => call_plainly(&args.next().unwrap()),
        _ => measure(),
    }
}

fn measure() {
    let simulator = Process::simulator();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("exporter.yml");
    fs::write(&file, configuration(simulator.port)).unwrap();
    let flag = format!("--config.file={}", file.display());
    let exporter = Process::exporter(&[&flag, "--web.listen-address=127.0.0.1:0"]);
    let resident_before = exporter.status_kib("VmRSS");

    let ideal = LATENCY.as_secs_f64() * TRANSFERS as f64 / CONCURRENCY as f64;
    println!(
        "{TRANSFERS} transfers, {} ms per call, {CONCURRENCY} concurrent calls: ideal {ideal:.4} s",
        LATENCY.as_millis()
    );
    let latency = measured_latency(simulator.port);
    let rounds = TRANSFERS.div_ceil(CONCURRENCY);
    println!(
        "a single call takes {:.2} ms; {rounds} rounds of calls take {:.3} of the ideal",
        latency.as_secs_f64() * 1_000.0,
        latency.as_secs_f64() * rounds as f64 / ideal
    );
    println!("sweep    wall s   over ideal   calls   CPU ms/call");
    let (mut ratios, mut costs) = (Vec::new(), Vec::new());
    for sweep in 1..=SWEEPS {
        let (calls_before, cpu_before) = (exporter.calls(), exporter.cpu_seconds());
        let start = Instant::now();
        let exposition = request(exporter.port, "GET", "/metrics", "");
        let wall = start.elapsed().as_secs_f64();
        let cpu = exporter.cpu_seconds() - cpu_before;
        let calls = exporter.calls() - calls_before;
        assert!(
            exposition.contains("\naws_transfer_exporter_scrape_complete 1\n"),
            "the sweep was not complete"
        );
        assert!((calls - TRANSFERS as f64).abs() < 0.5, "{calls} calls");
        let (ratio, cost) = (wall / ideal, cpu * 1_000.0 / calls);
        println!("{sweep:>5}  {wall:>8.3}   {ratio:>10.3}   {calls:>5}   {cost:>11.3}");
        ratios.push(ratio);
        costs.push(cost);
        std::thread::sleep(Duration::from_millis(50));
    }
    let plain = plain_cost(simulator.port);
    let ratio = median(&mut ratios);
    println!(
        "over ideal: median {ratio:.3}, worst {:.3} (target: at most 1.05)",
        ratios[SWEEPS - 1]
    );
    println!(
        "over ideal for the measured latency: {:.3}",
        ratio * LATENCY.as_secs_f64() / latency.as_secs_f64()
    );
    let cost = median(&mut costs);
    println!(
        "CPU per call: median {cost:.3} ms, worst {:.3} ms (target: at most 0.12 ms)",
        costs[SWEEPS - 1]
    );
    println!(
        "of which the SDK alone takes {plain:.3} ms; the exporter takes {:.2} times as much",
        cost / plain
    );
    println!(
        "resident memory: {:.1} MB before the first sweep, {:.1} MB now, {:.1} MB at the peak (target: at most 30 MB)",
        resident_before / 1_000.0 * 1.024,
        exporter.status_kib("VmRSS") / 1_000.0 * 1.024,
        exporter.status_kib("VmHWM") / 1_000.0 * 1.024
    );
}

/// Returns the mean duration of 40 calls on one connection: the simulated latency with the
/// inaccuracy of the timer and of the loopback. The calls are unsigned and therefore refused, after
/// the same latency.
fn measured_latency(port: u16) -> Duration {
    const CALLS: u32 = 40;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_nodelay(true).unwrap();
    let call = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.1\r\n\
        X-Amz-Target: TransferService.ListFileTransferResults\r\nContent-Length: 2\r\n\r\n{}";
    let start = Instant::now();
    for _ in 0..CALLS {
        stream.write_all(call.as_bytes()).unwrap();
        // The response is short enough for one read.
        assert!(stream.read(&mut [0; 4_096]).unwrap() > 0);
    }
    start.elapsed() / CALLS
}

/// Serves until standard input ends, that is until the parent exits.
fn simulate() {
    let settings = Settings {
        timer: Arc::new(PreciseTimer),
        ..Settings::default()
    };
    let simulator = Simulator::new(settings, system_clock());
    for n in 0..TRANSFERS {
        let stuck = FileScript::new("/a".to_owned(), LifeScript::stuck_queued());
        simulator.put_transfer(
            &connector(n).parse().unwrap(),
            &format!("t-{n}").parse().unwrap(),
            vec![stuck],
            SystemTime::now(),
        );
    }
    simulator.set_faults(Faults {
        latency: LATENCY,
        ..Faults::default()
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap().port());
        let serving = tokio::spawn(simulator.serve(listener, std::future::pending()));
        let parent = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        let _ = parent.await;
        serving.abort();
    });
    std::process::exit(0);
}

/// Returns the CPU time of a call that the SDK's client makes without the exporter, in milliseconds:
/// the median of as many rounds as there are sweeps.
fn plain_cost(port: u16) -> f64 {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([PLAIN_CLIENT, &port.to_string()])
        .env("AWS_ACCESS_KEY_ID", DEMO_ACCESS_KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", DEMO_SECRET_ACCESS_KEY)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "the plain client failed");
    let mut costs: Vec<f64> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| line.parse().unwrap())
        .collect();
    median(&mut costs)
}

/// Asks for the results of all transfers as often as there are sweeps, and prints the CPU time of a
/// call of each round, in milliseconds.
fn call_plainly(port: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let config = aws_config::defaults(aws_config::BehaviorVersion::latest())
            .region("eu-central-1")
            .endpoint_url(format!("http://127.0.0.1:{port}"))
            .load()
            .await;
        let client = aws_sdk_transfer::Client::new(&config);
        for _ in 0..SWEEPS {
            let before = cpu_seconds("self");
            let next = Arc::new(AtomicUsize::new(0));
            let callers: Vec<_> = (0..CONCURRENCY)
                .map(|_| tokio::spawn(call_until_done(client.clone(), Arc::clone(&next))))
                .collect();
            for caller in callers {
                caller.await.unwrap();
            }
            let cost = (cpu_seconds("self") - before) * 1_000.0 / TRANSFERS as f64;
            println!("{cost}");
        }
    });
}

async fn call_until_done(client: aws_sdk_transfer::Client, next: Arc<AtomicUsize>) {
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        if n >= TRANSFERS {
            return;
        }
        let results = client
            .list_file_transfer_results()
            .connector_id(connector(n))
            .transfer_id(format!("t-{n}"));
        assert_eq!(
            results.send().await.unwrap().file_transfer_results().len(),
            1
        );
    }
}

/// Returns the user and system time of a process (`/proc/PID/stat`, fields 14 and 15, in hundredths
/// of a second).
fn cpu_seconds(process: &str) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn connector(n: usize) -> String {
    format!("c-{:017x}", n % 20)
}

fn configuration(port: u16) -> String {
    let mut text = format!(
        "accounts:\n  - name: bench\n    region: eu-central-1\n    endpoint_url: http://127.0.0.1:{port}\n\
         collector:\n  concurrency: {CONCURRENCY}\n  requests_per_second: 10000\n  min_refresh_interval: 1ms\n  max_refresh_interval: 1ms\n  timeout: 30s\n\
         transfers:\n"
    );
    for n in 0..TRANSFERS {
        let _ = writeln!(
            text,
            "  - connector_id: {}\n    transfer_id: t-{n}",
            connector(n)
        );
    }
    text
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A listening process, which is killed when dropped.
struct Process {
    child: Child,
    port: u16,
}

impl Process {
    /// Starts this benchmark as the simulator.
    fn simulator() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg(SIMULATOR)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut port).unwrap();
        let port = port.trim().parse().unwrap();
        Self { child, port }
    }

    /// Starts the exporter.
    fn exporter(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_aws-transfer-exporter"))
            .args(args)
            .env("AWS_ACCESS_KEY_ID", DEMO_ACCESS_KEY_ID)
            .env("AWS_SECRET_ACCESS_KEY", DEMO_SECRET_ACCESS_KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = log
            .find_map(|line| line.ok().filter(|line| line.contains("event=listening")))
            .unwrap();
        let port = listening::port(&line);
        std::thread::spawn(move || log.for_each(drop));
        Self { child, port }
    }

    fn cpu_seconds(&self) -> f64 {
        cpu_seconds(&self.child.id().to_string())
    }

    fn status_kib(&self, key: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Returns the number of API requests so far. The request of this series does not start a
    /// sweep.
    fn calls(&self) -> f64 {
        let text = request(
            self.port,
            "GET",
            "/metrics?name[]=aws_transfer_exporter_api_requests_total",
            "",
        );
        text.lines()
            .filter(|line| line.starts_with("aws_"))
            .map(|l| l.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have exited.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn request(port: u16, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {}\r\n\
         X-Prometheus-Scrape-Timeout-Seconds: 30\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.0 20"),
        "{method} {path}: {}",
        answer.lines().next().unwrap_or_default()
    );
    answer
}
