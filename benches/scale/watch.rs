//! Load by other programs: Prometheus and `wrk`.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Pair;

const INTERVAL: Duration = Duration::from_secs(15);

/// Runs a Prometheus that scrapes 100,000 settled transfers for `seconds`.
pub(crate) fn soak(seconds: usize) {
    const TRANSFERS: usize = 100_000;
    let pair = Pair::start(TRANSFERS, 0);
    let exporter = &pair.exporter;
    exporter.settle_all();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prometheus.yml");
    let text = format!(
        "global:\n  scrape_interval: {interval}s\n  scrape_timeout: 10s\nscrape_configs:\n  - job_name: scale\n    \
         static_configs:\n      - targets: ['127.0.0.1:{}']\n",
        exporter.port,
        interval = INTERVAL.as_secs()
    );
    fs::write(&file, text).unwrap();
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let binary = std::env::var_os("PROMETHEUS").unwrap_or_else(|| "prometheus".into());
    let mut prometheus = Command::new(&binary)
        .arg(format!("--config.file={}", file.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            folder.path().join("data").display()
        ))
        .arg(format!("--web.listen-address={address}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let query = |expression: &str| {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("query", expression)
            .finish();
        let mut stream = TcpStream::connect(address).ok()?;
        stream
            .write_all(
                format!("GET /api/v1/query?{query} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes(),
            )
            .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let answer: Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
        answer["data"]["result"][0]["value"][1]
            .as_str()?
            .parse::<f64>()
            .ok()
    };
    let deadline = Instant::now() + Duration::from_mins(1);
    while query("up").is_none() {
        assert!(Instant::now() < deadline, "no scrape has happened");
        sleep(Duration::from_millis(100));
    }
    let (calls, cpu, start) = (exporter.calls(), exporter.cpu(), Instant::now());
    sleep(Duration::from_secs(seconds as u64));
    let (cpu, wall) = (exporter.cpu().since(cpu), start.elapsed().as_secs_f64());
    let window = format!("[{}s]", wall.ceil());
    let ask = |expression: &str| query(&expression.replace("[w]", &window)).unwrap_or(f64::NAN);
    let scrapes = ask("count_over_time(up[w])");
    let (now, peak) = exporter.resident();
    println!(
        "\n{TRANSFERS} transfers scraped every {} s for {wall:.0} s",
        INTERVAL.as_secs()
    );
    println!(
        "scrapes {scrapes}, failed {}",
        scrapes - ask("sum_over_time(up[w])")
    );
    println!("samples per scrape {}", ask("scrape_samples_scraped"));
    println!(
        "scrape_duration_seconds: mean {:.3}, maximum {:.3}",
        ask("avg_over_time(scrape_duration_seconds[w])"),
        ask("max_over_time(scrape_duration_seconds[w])")
    );
    println!(
        "exporter: CPU {:.2} ms per scrape, {:.4} % of a core",
        cpu.total() / scrapes,
        cpu.total() / wall / 10.0
    );
    println!(
        "exporter: resident memory {now:.1} MB, peak {peak:.1} MB, {} AWS calls",
        exporter.calls() - calls
    );
    assert!(
        (ask("min_over_time(up[w])") - 1.0).abs() < 0.5,
        "a scrape failed"
    );
    let expected = (wall / INTERVAL.as_secs_f64()).floor();
    assert!(scrapes >= expected, "{scrapes} scrapes of {expected}");
    // Its data is removed with the directory.
    let _ = prometheus.kill();
    let _ = prometheus.wait();
}

/// Runs `wrk` with 64 connections against 1,000 settled transfers for `seconds`, with gzip and
/// without.
pub(crate) fn load(seconds: usize) {
    const TRANSFERS: usize = 1_000;
    let pair = Pair::start(TRANSFERS, 0);
    let exporter = &pair.exporter;
    exporter.settle_all();
    for encoding in ["gzip", "identity"] {
        let before = exporter.resident().0;
        let cpu = exporter.cpu();
        let ended = Command::new("wrk")
            .args([
                "--threads",
                "2",
                "--connections",
                "64",
                "--latency",
                "--duration",
                &format!("{seconds}s"),
            ])
            .args(["--header", &format!("Accept-Encoding: {encoding}")])
            .arg(format!("http://127.0.0.1:{}/metrics", exporter.port))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let report = String::from_utf8(ended.stdout).unwrap();
        let requests = report
            .split_once(" requests in ")
            .and_then(|(text, _)| text.rsplit('\n').next())
            .unwrap();
        let requests: f64 = requests.trim().parse().unwrap();
        let cpu = exporter.cpu().since(cpu);
        let (now, peak) = exporter.resident();
        println!("\n{TRANSFERS} transfers, 64 connections, {seconds} s, {encoding}\n{report}");
        println!(
            "exporter: CPU {:.3} ms per scrape ({:.3} user), resident memory {before:.1} MB before, {now:.1} MB after, \
             peak {peak:.1} MB",
            cpu.total() / requests,
            cpu.user / requests
        );
        assert!(ended.status.success());
        assert!(
            !report.contains("Socket errors") && !report.contains("Non-2xx"),
            "errors"
        );
    }
}
