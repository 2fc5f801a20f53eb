//! A soak test with faults.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;

use super::Pair;

const TRANSFERS: usize = 1_000;
const INTERVAL: Duration = Duration::from_secs(5);
/// The timeout of a scrape.
const TIMEOUT: Duration = Duration::from_secs(4);
const FAULTS: &str = r#"{"seed": 3, "latency": "20ms", "throttle_rate": 0.1, "server_error_rate": 0.05,
    "unavailable_rate": 0.05, "html_rate": 0.01, "mistyped_rate": 0.01, "truncated_rate": 0.01, "reset_rate": 0.01,
    "stall_rate": 0.002}"#;

/// Polls 500 running transfers at each scrape, for `seconds` with faults, then without faults until
/// a scrape is complete.
pub(crate) fn faults(seconds: usize) {
    let pair = Pair::start(TRANSFERS, 2);
    let exporter = &pair.exporter;
    exporter.poll_all();
    control(pair.simulator.port, FAULTS);
    let (cpu, calls, start) = (
        exporter.cpu(),
        outcomes(&exporter.text(REQUESTS)),
        Instant::now(),
    );
    let end = start + Duration::from_secs(seconds as u64);
    let (mut scrapes, mut incomplete, mut missed, mut slowest) = (0, 0, Vec::new(), Duration::ZERO);
    let (mut minutes, mut memory) = (0, Vec::new());
    println!(
        "\n{TRANSFERS} transfers, half of them running, a scrape every {} s, faults: {FAULTS}",
        INTERVAL.as_secs()
    );
    while Instant::now() < end {
        let scrape_start = Instant::now();
        scrapes += 1;
        match scrape(exporter.port) {
            Ok(text) if scrape_start.elapsed() <= TIMEOUT && is_right(&text) => {
                incomplete +=
                    usize::from(text.contains("\naws_transfer_exporter_scrape_complete 0\n"));
            }
            Ok(_) => missed.push(format!(
                "scrape {scrapes} is late or wrong after {:?}",
                scrape_start.elapsed()
            )),
            Err(error) => missed.push(format!("scrape {scrapes}: {error}")),
        }
        slowest = slowest.max(scrape_start.elapsed());
        if start.elapsed().as_secs() / 60 >= minutes {
            let (now, peak) = exporter.resident();
            println!("after {minutes:>2} min: resident memory {now:.1} MB, peak {peak:.1} MB");
            memory.push(now);
            minutes += 1;
        }
        sleep(INTERVAL.saturating_sub(scrape_start.elapsed()));
    }
    let (cpu, wall) = (exporter.cpu().since(cpu), start.elapsed().as_secs_f64());
    let (now, peak) = exporter.resident();
    println!("after {wall:.0} s: resident memory {now:.1} MB, peak {peak:.1} MB");
    println!(
        "scrapes {scrapes}, missed {}, slowest {slowest:.2?}; {incomplete} incomplete",
        missed.len()
    );
    println!(
        "CPU {:.1} ms per scrape, {:.2} % of a core",
        cpu.total() / f64::from(scrapes),
        cpu.total() / wall / 10.0
    );
    for (outcome, count) in outcomes(&exporter.text(REQUESTS)) {
        println!(
            "attempts {outcome:<14} {}",
            count - calls.get(&outcome).copied().unwrap_or_default()
        );
    }
    control(pair.simulator.port, "{}");
    let lifted = Instant::now();
    exporter.poll_all();
    println!(
        "complete again {:.1} s after the faults were lifted",
        lifted.elapsed().as_secs_f64()
    );
    assert!(is_right(&exporter.text("/metrics")));
    assert!(missed.is_empty(), "{missed:#?}");
    // Caches are filled during the first minute.
    let settled = memory.get(1).copied().unwrap_or(now);
    assert!(now < settled * 1.2 + 2.0, "memory grows: {memory:?}, {now}");
}

const REQUESTS: &str = "/metrics?name[]=aws_transfer_exporter_api_requests_total";

/// Returns whether every transfer is listed with its files.
fn is_right(text: &str) -> bool {
    let sum = |status: &str| {
        let samples = text
            .lines()
            .filter(|line| line.starts_with("aws_transfer_files{") && line.contains(status));
        samples
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum::<f64>()
    };
    let transfers = TRANSFERS as f64;
    let all = [
        sum("\"COMPLETED\""),
        sum("\"IN_PROGRESS\""),
        sum("\"FAILED\""),
        sum("\"QUEUED\""),
    ];
    all.iter()
        .zip([2.0 * transfers, transfers / 2.0, 0.0, 0.0])
        .all(|(reported, expected)| (reported - expected).abs() < 0.5)
}

fn outcomes(text: &str) -> BTreeMap<String, f64> {
    let samples = text
        .lines()
        .filter(|line| line.starts_with("aws_transfer_exporter_api_requests_total{"));
    let outcome = |line: &str| {
        Some(
            line.split_once("outcome=\"")?
                .1
                .split_once('"')?
                .0
                .to_owned(),
        )
    };
    samples
        .filter_map(|line| Some((outcome(line)?, line.rsplit(' ').next()?.parse().ok()?)))
        .collect()
}

/// Sets the simulator's faults.
fn control(port: u16, faults: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let length = faults.len();
    let head = format!(
        "PUT /_simulator/faults HTTP/1.0\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{faults}"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 20"), "{answer}");
}

/// Scrapes like Prometheus: with gzip, and a client timeout slightly above the scrape timeout.
fn scrape(port: u16) -> io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(2 * TIMEOUT))?;
    let seconds = TIMEOUT.as_secs();
    let head = format!(
        "GET /metrics HTTP/1.0\r\nHost: localhost\r\nAccept-Encoding: gzip\r\nX-Prometheus-Scrape-Timeout-Seconds: \
         {seconds}\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    if !answer.starts_with(b"HTTP/1.0 200") {
        return Err(io::Error::other(
            String::from_utf8_lossy(&answer[..end]).into_owned(),
        ));
    }
    let mut text = String::new();
    GzDecoder::new(&answer[end + 4..]).read_to_string(&mut text)?;
    Ok(text)
}
