//! Readers of the log that stall, and clients that cause log records.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::program::{Running, config, program};

const LIMIT: Duration = Duration::from_secs(20);
/// The transfer is never polled, so the endpoint need not exist.
const CONFIG: &str = "accounts:\n  - name: a\n    region: eu-central-1\n    endpoint_url: http://127.0.0.1:9\n\
                      transfers:\n  - connector_id: c-0123456789abcdef0\n    transfer_id: t\n";
const DROPPED: &str = "/metrics?name[]=aws_transfer_exporter_log_records_dropped_total";

/// Sends `requests` on one connection without a wait, and returns all responses.
fn flood(address: SocketAddr, requests: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut sending = stream.try_clone().unwrap();
    let requests = requests.to_owned();
    let sender = std::thread::spawn(move || {
        let _ = sending.write_all(requests.as_bytes());
    });
    let mut responses = String::new();
    let _ = stream.read_to_string(&mut responses);
    sender.join().unwrap();
    responses
}

fn ask(address: SocketAddr, path: &str) -> String {
    flood(
        address,
        &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"),
    )
}

/// Returns how many records were not written.
fn dropped(address: SocketAddr, reason: &str) -> f64 {
    let metrics = ask(address, DROPPED);
    let series = format!("aws_transfer_exporter_log_records_dropped_total{{reason=\"{reason}\"}} ");
    let value = metrics
        .lines()
        .find_map(|line| line.strip_prefix(&series))
        .unwrap_or_else(|| panic!("{metrics}"));
    value.parse().unwrap()
}

/// Kills the process at the end of the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_reader_of_the_log_that_stalls_stops_neither_requests_nor_the_shutdown() {
    let (_folder, file) = config(CONFIG);
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut command = program();
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--web.listen-address={address}"))
        .arg("--log.level=debug")
        .stdout(Stdio::null())
        // Nothing reads it.
        .stderr(Stdio::piped());
    let mut exporter = Killed(command.spawn().unwrap());
    let deadline = Instant::now() + LIMIT;
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "it does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    let healthy = "GET /-/healthy HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut requests = healthy.repeat(10_000);
    requests.push_str("GET /-/healthy HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let answered = flood(address, &requests).matches("HTTP/1.1 200").count();
    assert_eq!(answered, 10_001);
    assert!(dropped(address, "queue_full") > 0.0);
    let pid = exporter.0.id().to_string();
    let mut kill = std::process::Command::new("kill");
    assert!(kill.args(["-TERM", &pid]).status().unwrap().success());
    let deadline = Instant::now() + LIMIT;
    while exporter.0.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "it does not stop");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn records_that_clients_cause_are_counted_after_the_first_few() {
    let (_folder, file) = config(CONFIG);
    let mut command = program();
    command
        .arg(format!("--config.file={}", file.display()))
        .arg("--web.listen-address=127.0.0.1:0");
    let mut exporter = Running::start(&mut command);
    let kinds = [
        ("GET /nowhere", 404),
        ("BREW /metrics", 405),
        ("PUT /api/v1/transfers/x/y", 400),
        ("POST /-/reload", 403),
        ("GET /probe", 400),
    ];
    for (target, status) in kinds {
        let one = format!("{target} HTTP/1.1\r\nhost: x\r\n");
        let requests = format!("{one}\r\n").repeat(1_000) + &one + "connection: close\r\n\r\n";
        let expected = format!("HTTP/1.1 {status}");
        assert_eq!(
            flood(exporter.address, &requests)
                .matches(&expected)
                .count(),
            1_001
        );
    }
    // Four statuses, ten records each.
    assert_eq!(dropped(exporter.address, "rate_limited"), 5_005.0 - 40.0);
    assert_eq!(dropped(exporter.address, "queue_full"), 0.0);
    exporter.signal("TERM");
    assert_eq!(exporter.wait().code(), Some(0));
    let log = exporter.rest_of_log();
    let served = log
        .iter()
        .filter(|line| line.contains(" event=request_served"));
    assert_eq!(served.count(), 40);
    let suppressed: u64 = log
        .iter()
        .filter(|line| line.contains("event=log_records_suppressed"))
        .filter_map(|line| {
            line.split("records=")
                .nth(1)?
                .split(' ')
                .next()?
                .parse::<u64>()
                .ok()
        })
        .sum();
    assert_eq!(suppressed, 5_005 - 40);
}
