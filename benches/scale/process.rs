//! The simulator and the exporter as processes, and their CPU time and memory.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::precise_timer::PreciseTimer;
use aws_transfer_exporter::app::system_clock;
use model::ConnectorId;
use simulator::{
    DEMO_ACCESS_KEY_ID, DEMO_SECRET_ACCESS_KEY, Faults, FileScript, LifeScript, Settings,
    Simulator, SplitMix64,
};

const TRANSFERS_PER_CONNECTOR: usize = 1_000;
/// Number of concurrent calls.
pub(crate) const CONCURRENCY: usize = 64;
/// Simulated latency of each call.
pub(crate) const LATENCY: Duration = Duration::from_millis(20);

/// Time after which a second answer confirms the first, and a little more.
pub(crate) const CONFIRMATION: Duration = Duration::from_secs(31);

/// A listening process, which is killed when dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) port: u16,
}

/// User and system time in ms.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cpu {
    pub(crate) user: f64,
    pub(crate) system: f64,
}

impl Cpu {
    pub(crate) fn total(self) -> f64 {
        self.user + self.system
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            user: self.user - before.user,
            system: self.system - before.system,
        }
    }

    pub(crate) fn per(self, n: usize) -> Self {
        let n = n as f64;
        Self {
            user: self.user / n,
            system: self.system / n,
        }
    }
}

impl Process {
    /// Starts this benchmark as a simulator. One transfer in `running_each` runs forever, or none
    /// if it is 0.
    pub(crate) fn simulator(transfers: usize, running_each: usize) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([
            "simulator",
            &transfers.to_string(),
            &running_each.to_string(),
        ]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Self {
            child,
            port: line.trim().parse().unwrap(),
        }
    }

    pub(crate) fn exporter(file: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_aws-transfer-exporter"))
            .arg(format!("--config.file={}", file.display()))
            .arg("--web.listen-address=127.0.0.1:0")
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
        let port = crate::listening::port(&line);
        std::thread::spawn(move || log.for_each(drop));
        Self { child, port }
    }

    /// Returns the CPU time (fields 14 and 15 of `/proc/PID/stat`, in hundredths of a second).
    pub(crate) fn cpu(&self) -> Cpu {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<_> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        Cpu {
            user: fields[11].parse::<f64>().unwrap() * 10.0,
            system: fields[12].parse::<f64>().unwrap() * 10.0,
        }
    }

    /// Returns the current and the peak resident memory in MB.
    pub(crate) fn resident(&self) -> (f64, f64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let of = |key: &str| {
            let line = status.lines().find(|line| line.starts_with(key)).unwrap();
            line.split_whitespace()
                .nth(1)
                .unwrap()
                .parse::<f64>()
                .unwrap()
                * 1.024
                / 1_000.0
        };
        (of("VmRSS"), of("VmHWM"))
    }

    /// Returns the number of API requests so far. The request of this series does not start a
    /// sweep.
    pub(crate) fn calls(&self) -> f64 {
        let text = self.text("/metrics?name[]=aws_transfer_exporter_api_requests_total");
        let samples = text.lines().filter(|line| line.starts_with("aws_"));
        samples
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    }

    pub(crate) fn text(&self, path: &str) -> String {
        String::from_utf8(get(self.port, path, "")).unwrap()
    }

    /// Scrapes until all transfers have been polled.
    pub(crate) fn poll_all(&self) {
        let deadline = Instant::now() + Duration::from_mins(20);
        while !self
            .text("/metrics")
            .contains("\naws_transfer_exporter_scrape_complete 1\n")
        {
            assert!(Instant::now() < deadline, "the sweep does not end");
        }
    }

    /// Scrapes until all transfers that have ended have settled: a second equal answer confirms the
    /// number of their files.
    pub(crate) fn settle_all(&self) {
        self.poll_all();
        std::thread::sleep(CONFIRMATION);
        self.poll_all();
    }

    pub(crate) fn reload(&self) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", "HUP", &pid])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have exited.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the body of a response.
pub(crate) fn get(port: u16, path: &str, headers: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head = format!(
        "GET {path} HTTP/1.0\r\nHost: localhost\r\nX-Prometheus-Scrape-Timeout-Seconds: 600\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    let end = response
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap();
    assert!(
        response.starts_with(b"HTTP/1.0 200"),
        "{path}: {}",
        String::from_utf8_lossy(&response[..end])
    );
    response.split_off(end + 4)
}

/// Returns the connector and id of each transfer. Ids are UUIDs, as in AWS.
fn pairs(transfers: usize) -> impl Iterator<Item = (ConnectorId, String)> {
    let mut random = SplitMix64::new(7);
    (0..transfers).map(move |n| {
        (
            format!("c-{:017x}", n / TRANSFERS_PER_CONNECTOR)
                .parse()
                .unwrap(),
            random.uuid(),
        )
    })
}

/// Serves until standard input ends, that is until the parent exits. One settled transfer in ten
/// has a failed file.
pub(crate) fn simulate(transfers: usize, running_each: usize) {
    let settings = Settings {
        max_transfers: transfers.max(1),
        timer: Arc::new(PreciseTimer),
        ..Settings::default()
    };
    let simulator = Simulator::new(settings, system_clock());
    for (n, (connector, id)) in pairs(transfers).enumerate() {
        let mut lives = vec![LifeScript::completed(); 2];
        if running_each > 0 && n % running_each == 0 {
            lives.push(LifeScript::stuck_in_progress());
        } else if n % 10 == 0 {
            let code = ["CONNECTION_ERROR", "TIMEOUT_ERROR", "FILE_NOT_FOUND"][n / 10 % 3];
            lives.push(LifeScript::failed(code, "no route to host"));
        }
        let files = lives
            .into_iter()
            .enumerate()
            .map(|(n, life)| FileScript::new(format!("/file-{n}"), life))
            .collect();
        simulator.put_transfer(&connector, &id.parse().unwrap(), files, SystemTime::now());
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
        let served = tokio::spawn(simulator.serve(listener, std::future::pending()));
        // Returns when the parent exits.
        let parent = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        let _ = tokio::join!(parent);
        served.abort();
    });
    std::process::exit(0);
}

/// Returns a configuration that lists the transfers.
pub(crate) fn configuration(port: u16, transfers: usize) -> String {
    let mut text = format!(
        "accounts:\n  - name: bench\n    region: eu-central-1\n    endpoint_url: http://127.0.0.1:{port}\n\
         collector:\n  concurrency: {CONCURRENCY}\n  requests_per_second: 10000\n  timeout: 30s\n  max_scrape_timeout: 10m\n  \
         min_refresh_interval: 1ms\n  max_refresh_interval: 1ms\n\
         metrics:\n  per_transfer: all\n  max_transfers: 1000000\ntransfers:\n"
    );
    for (n, (connector, id)) in pairs(transfers).enumerate() {
        if n % TRANSFERS_PER_CONNECTOR == 0 {
            let _ = writeln!(text, "  - connector_id: {connector}\n    transfer_ids:");
        }
        let _ = writeln!(text, "      - {id}");
    }
    text
}
