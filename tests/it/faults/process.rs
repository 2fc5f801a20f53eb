//! Faults of the machine, its clock and its operator.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use aws_transfer_exporter::app::{App, Options};
use aws_transfer_exporter::config;
use model::{Clock, Now};
use simulator::Faults;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::stage::{COMPLETE, CredentialSource, Scope, Stage, outcome, scrape};
use crate::rig::{CREDENTIALS, Exposition};

impl Stage {
    /// Sends SIGHUP and waits for a log record that contains `text`.
    pub(crate) fn reload(&self, text: &str) {
        let exporter = self.exporter.as_ref().unwrap();
        exporter.signal("HUP");
        exporter.wait_for(text, text);
    }

    fn limit(&self, limit: &str) {
        let pid = self.exporter.as_ref().unwrap().child.id().to_string();
        assert!(
            Command::new("prlimit")
                .args(["--pid", &pid, limit])
                .status()
                .unwrap()
                .success()
        );
    }
}

/// By hours and by a year, in both directions. Calls still have the correct time, because the SDK
/// reads the clock itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wall_clock_jumps() {
    let ahead = Arc::new(AtomicI64::new(0));
    let clock: Arc<dyn Clock> = {
        let ahead = Arc::clone(&ahead);
        Arc::new(move || {
            let jump = ahead.load(Ordering::Relaxed);
            let by = Duration::from_secs(jump.unsigned_abs());
            let now = SystemTime::now();
            Now {
                instant: Instant::now(),
                wall: if jump < 0 { now - by } else { now + by },
            }
        })
    };
    let mut stage = Stage::empty(CredentialSource::Environment).await;
    let plan = config::load(&stage.config(), &|_| None).unwrap();
    let options = Options {
        credentials: Some(CREDENTIALS),
        ..Options::default()
    };
    let app = Box::pin(App::new(plan, options, clock)).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    stage.address = listener.local_addr().unwrap();
    tokio::spawn(app.serve(vec![listener], "/metrics", std::future::pending()));
    stage.poll_all().await;
    let is_sane = |_: &Exposition, now: &Exposition| {
        assert_results_are_recent(now, ahead.load(Ordering::Relaxed));
        now.sum("aws_transfer_connector_transfers", &["state=\"gone\""]) == 0.0
    };
    for hours in [2, -2, 366 * 24, -366 * 24] {
        ahead.store(hours * 3_600, Ordering::Relaxed);
        stage.assert_endured(Scope::OneAccount, is_sane).await;
    }
    ahead.store(0, Ordering::Relaxed);
    stage.wait_until_complete().await;
}

/// Asserts that the oldest results are at most a minute old, by a clock that is `ahead` seconds ahead
/// of this machine's.
fn assert_results_are_recent(exposition: &Exposition, ahead: i64) {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    #[expect(clippy::cast_precision_loss, reason = "seconds far below 2^52")]
    let now = now.as_secs_f64() + ahead as f64;
    let times = exposition.family("aws_transfer_connector_oldest_result_timestamp_seconds");
    assert!(
        times.values().all(|at| (-1.0..60.0).contains(&(now - at))),
        "{times:?} at {now}"
    );
}

/// Changes the wall clock of the process. AWS rejects requests that are signed two hours early or
/// late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs libfaketime; tests/run provides it"]
async fn the_machines_clock_jumps() {
    let library = std::env::var("LIBFAKETIME")
        .expect("`LIBFAKETIME` names libfaketimeMT.so.1; `tests/run` brings it");
    for (jump, ahead) in [("+2h", 7_200), ("-2h", -7_200)] {
        let mut stage = Stage::empty(CredentialSource::Environment).await;
        let file = stage.folder.path().join("faketime");
        fs::write(&file, "+0\n").unwrap();
        let prelude = format!(
            "export LD_PRELOAD={library} FAKETIME_TIMESTAMP_FILE={} FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1",
            file.display()
        );
        stage.start_exporter(&prelude, &[]);
        stage.poll_all().await;
        fs::write(&file, format!("{jump}\n")).unwrap();
        let denied = outcome(&["denied"]);
        let is_visible = |before: &Exposition, now: &Exposition| {
            assert_results_are_recent(now, ahead);
            denied(before, now)
        };
        stage.assert_endured(Scope::All, is_visible).await;
        fs::write(&file, "+0\n").unwrap();
        stage.assert_recovers().await;
    }
}

/// A limit on the size of files replaces the full disk: every write beyond it fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_is_full() {
    let mut stage = Stage::start_with("trap '' XFSZ", &["--storage.path=STORAGE"]).await;
    stage.limit("--fsize=512:unlimited");
    let is_visible = |before: &Exposition, now: &Exposition| {
        let errors = "aws_transfer_exporter_storage_write_errors_total";
        now.sum("aws_transfer_exporter_storage_up", &[]) == 0.0
            && now.sum(errors, &[]) > before.sum(errors, &[])
    };
    stage.assert_endured(Scope::OneAccount, is_visible).await;
    stage.limit("--fsize=unlimited:unlimited");
    let deadline = Instant::now() + Duration::from_mins(1);
    while stage
        .scrape()
        .await
        .sum("aws_transfer_exporter_storage_up", &[])
        == 0.0
    {
        assert!(Instant::now() < deadline, "the storage does not recover");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Changes from the time of the full disk are durable: after a kill they are exported without a
    // call.
    stage.wait_until_complete().await;
    let mut killed = stage.exporter.take().unwrap();
    killed.signal("KILL");
    killed.wait();
    let calls = stage.calls();
    stage.start_exporter("true", &["--storage.path=STORAGE"]);
    stage.wait_until_complete().await;
    assert_eq!(stage.calls(), calls, "all transfers had settled");
}

/// 64 descriptors and 200 idle clients.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_descriptors_run_out() {
    let mut stage = Stage::start_with("ulimit -n 64", &[]).await;
    let (address, held) = (stage.address, Arc::new(Mutex::new(Vec::new())));
    let max_open = Arc::new(Mutex::new(0.0_f64));
    let connect = {
        let held = Arc::clone(&held);
        async move |clients: usize| {
            for _ in 0..clients {
                let connecting = TcpStream::connect(address);
                if let Ok(Ok(stream)) =
                    tokio::time::timeout(Duration::from_millis(200), connecting).await
                {
                    held.lock().unwrap().push(stream);
                }
            }
        }
    };
    connect(200).await;
    // Disconnected clients connect again.
    let clients = tokio::spawn(async move {
        loop {
            connect(4).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let is_visible = |_: &Exposition, now: &Exposition| {
        let (open, max) = (
            now.sum("process_open_fds", &[]),
            now.sum("process_max_fds", &[]),
        );
        if now.family("process_max_fds").is_empty() {
            // The process could not read its own limits.
            return true;
        }
        assert!(open <= max && max == 64.0, "{open} of {max}");
        let mut max_open = max_open.lock().unwrap();
        *max_open = max_open.max(open);
        *max_open >= 40.0
    };
    stage.assert_endured(Scope::All, is_visible).await;
    clients.abort();
    let _ = clients.await;
    held.lock().unwrap().clear();
    let log = stage.exporter.as_ref().unwrap().drain_log();
    assert!(
        log.iter().any(|line| line.contains("event=accept_failed")),
        "{log:#?}"
    );
    stage.assert_recovers().await;
}

/// Each sends a part of a request only. The memory that the exporter uses for them is bounded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_clients_are_slow() {
    const CLIENTS: usize = 5_000;
    let own = std::process::id().to_string();
    let raised = Command::new("prlimit")
        .args(["--pid", &own, "--nofile=8192:"])
        .status()
        .unwrap();
    assert!(
        raised.success(),
        "this test needs 5,000 sockets, more than the hard limit on open files"
    );
    let mut stage = Stage::start().await;
    let memory = stage.peak_memory();
    let mut clients = Vec::with_capacity(CLIENTS);
    let mut most = 0.0_f64;
    for batch in 0..10 {
        for n in 0..CLIENTS / 10 {
            let mut client = TcpStream::connect(stage.address).await.unwrap();
            let part = &b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: "[..10 + n % 30];
            // The connection may already be closed.
            let _ = client.write_all(part).await;
            clients.push(client);
        }
        let scraped = stage.scrape().await;
        most = most.max(scraped.sum("process_open_fds", &[]));
        // Some connections have been closed by now.
        for client in clients.iter_mut().skip(batch).step_by(10) {
            let _ = client.write_all(b"y").await;
        }
    }
    assert!(
        (400.0..1_000.0).contains(&most),
        "{most} descriptors, of 5,000 connections that were opened"
    );
    stage
        .assert_endured(Scope::OneAccount, |_, now| {
            now.sum("process_open_fds", &[]) > 400.0
        })
        .await;
    let grown = stage.peak_memory() - memory;
    assert!(grown < 100, "{grown} MB for 512 connections");
    drop(clients);
    let recovered = stage.wait_until_complete().await;
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut open = recovered.sum("process_open_fds", &[]);
    while open > 100.0 {
        assert!(
            Instant::now() < deadline,
            "{open} descriptors are open after all clients have disconnected"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
        open = stage.scrape().await.sum("process_open_fds", &[]);
    }
    stage.assert_recovers().await;
}

/// The waiting scrape is answered with the current state, and the process exits cleanly. The next
/// one continues.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_comes_within_a_sweep() {
    let mut stage = Stage::start_with("true", &["--storage.path=STORAGE"]).await;
    stage.struck.set_faults(Faults {
        stall_rate: 1.0,
        ..Faults::default()
    });
    let (calls, address) = (stage.calls(), stage.address);
    let waiting = tokio::spawn(async move { scrape(address).await });
    stage.wait_for_calls_after(calls).await;
    let start = Instant::now();
    let mut exporter = stage.exporter.take().unwrap();
    exporter.signal("TERM");
    let answered = waiting.await.unwrap();
    assert_eq!(answered.sum(COMPLETE, &[]), 0.0);
    assert_eq!(
        answered.sum("aws_transfer_files", &["aws_account=\"struck\""]),
        48.0,
        "the current state is exported"
    );
    assert_eq!(exporter.wait().code(), Some(0));
    assert!(
        start.elapsed() < Duration::from_secs(15),
        "{:?}",
        start.elapsed()
    );
    stage.struck.set_faults(Faults::default());
    stage.start_exporter("true", &["--storage.path=STORAGE"]);
    stage.assert_recovers().await;
}

/// One reload is rejected, and the previous configuration stays in effect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_come_within_a_sweep() {
    let mut stage = Stage::start().await;
    stage.struck.set_faults(Faults {
        stall_rate: 1.0,
        ..Faults::default()
    });
    let good = fs::read_to_string(stage.config()).unwrap();
    let bad = format!("{good}colector: {{}}\n");
    for (text, logged) in [
        (&good, "event=config_reloaded"),
        (&bad, "event=config_reload_failed"),
    ] {
        let (calls, address) = (stage.calls(), stage.address);
        let waiting = tokio::spawn(async move { scrape(address).await });
        stage.wait_for_calls_after(calls).await;
        fs::write(stage.config(), text).unwrap();
        stage.reload(logged);
        let answered = waiting.await.unwrap();
        assert_eq!(
            answered.sum("aws_transfer_files", &["aws_account=\"struck\""]),
            48.0,
            "the current state is exported"
        );
    }
    let refused = |_: &Exposition, now: &Exposition| {
        now.sum("aws_transfer_exporter_config_last_reload_successful", &[]) == 0.0
    };
    stage.assert_endured(Scope::OneAccount, refused).await;
    fs::write(stage.config(), good).unwrap();
    stage.struck.set_faults(Faults::default());
    stage.reload("event=config_reloaded");
    let recovered = stage.wait_until_complete().await;
    assert_eq!(
        recovered.sum("aws_transfer_exporter_config_last_reload_successful", &[]),
        1.0
    );
    stage.assert_recovers().await;
}
