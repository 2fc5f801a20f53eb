//! What outlives the process: the running program is killed, its disk is full, its file damaged.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use simulator::{ApiOperation, Faults, LifeScript, Settings, Simulator};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::program::{Running, config, config_text, output, signing_program, text};
use crate::rig::{Exposition, connector, files, simulator, transfer};

pub(crate) const FINISHED: &str = "aws_transfer_connector_files_finished_total";
const UP: &str = "aws_transfer_exporter_storage_up";
const FILE: &str = "state.redb";

/// A configuration and a folder for what is kept.
struct Place {
    folder: tempfile::TempDir,
    config: PathBuf,
}

impl Place {
    fn new(url: &str, pairs: &[(String, String)]) -> Self {
        let (folder, config) = config(&config_text(url, pairs));
        Self { folder, config }
    }

    fn storage(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn flags(&self) -> Vec<String> {
        vec![
            format!("--config.file={}", self.config.display()),
            "--web.listen-address=127.0.0.1:0".into(),
            format!("--storage.path={}", self.storage().display()),
        ]
    }

    fn start(&self) -> Running {
        Running::start(signing_program().args(self.flags()))
    }
}

fn pairs(transfers: usize) -> Vec<(String, String)> {
    (0..transfers)
        .map(|n| (connector(n % 2).to_string(), transfer(n).to_string()))
        .collect()
}

/// One whole scrape; `None` if the exporter went away.
pub(crate) async fn scrape(address: SocketAddr) -> Option<Exposition> {
    scrape_within(address, 20).await
}

/// One whole scrape with a budget in seconds.
pub(crate) async fn scrape_within(address: SocketAddr, seconds: u32) -> Option<Exposition> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!(
        "GET /metrics HTTP/1.0\r\nHost: localhost\r\n\
         X-Prometheus-Scrape-Timeout-Seconds: {seconds}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let answer = String::from_utf8(answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n")?;
    // The last family, whole.
    let whole = body.ends_with('\n') && body.contains("\nprocess_threads ");
    whole.then(|| Exposition::parse(body))
}

fn counters(exposition: &Exposition) -> BTreeMap<String, f64> {
    exposition
        .family(FINISHED)
        .into_iter()
        .map(|(series, value)| (series.to_owned(), value))
        .collect()
}

fn unfinished(exposition: &Exposition) -> f64 {
    let of = |state: &str| exposition.sum("aws_transfer_connector_transfers", &[state]);
    of("state=\"pending\"") + of("state=\"running\"")
}

/// Transfers whose files end one after the other, the first after `first`; of each, every fourth
/// file fails.
fn put(simulator: &Simulator, transfers: usize, of_each: u32, first: Duration, apart: Duration) {
    let start = SystemTime::now();
    for n in 0..transfers {
        let lives = (0..of_each).map(|file| {
            let life = if file % 4 == 3 {
                LifeScript::failed("TIMEOUT_ERROR", "late")
            } else {
                LifeScript::completed()
            };
            let turn = file * u32::try_from(transfers).unwrap() + u32::try_from(n).unwrap();
            life.after(first, apart * turn)
        });
        simulator.put_transfer(&connector(n % 2), &transfer(n), files(lives), start);
    }
}

fn calls(simulator: &Simulator) -> u64 {
    simulator.calls().of(ApiOperation::ListFileTransferResults)
}

/// A list of the first transfers, as a target file.
fn target_file(transfers: usize) -> String {
    let pair = |(connector, transfer): &(String, String)| {
        format!("- {{connector_id: {connector}, transfer_id: {transfer}}}\n")
    };
    pairs(transfers).iter().map(pair).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transfers_of_a_target_file_stay_when_it_cannot_be_read_after_a_restart() {
    let (simulator, url) = simulator(Settings::default()).await;
    put(&simulator, 2, 1, Duration::from_hours(1), Duration::ZERO);
    let targets = tempfile::tempdir().unwrap();
    let file = targets.path().join("a.yml");
    let text = format!(
        "accounts:\n  - name: prod\n    region: eu-central-1\n    endpoint_url: {url}\n\
         discovery:\n  files:\n    - paths: ['{}/*.yml']\n",
        targets.path().display()
    );
    let (folder, config) = config(&text);
    let place = Place { folder, config };
    let contents = [
        // What is written, transfers that are tracked then, and whether the source is up.
        (Some(target_file(2)), 2.0, 1.0),
        (Some(String::new()), 2.0, 0.0),
        (Some("- connector_id: c-1\n".to_owned()), 2.0, 0.0),
        (Some(target_file(1)), 1.0, 1.0),
        (None, 0.0, 1.0),
    ];
    for (content, tracked, up) in contents {
        match content {
            Some(content) => fs::write(&file, content).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let exporter = place.start();
        let seen = scrape(exporter.address).await.unwrap();
        exporter.terminate();
        let origin = ["origin=\"files\""];
        assert_eq!(
            seen.sum("aws_transfer_exporter_transfers", &origin),
            tracked
        );
        assert_eq!(seen.sum("aws_transfer_exporter_discovery_up", &[]), up);
    }
}

/// Killed at twenty moments while files end: no exported counter ever falls, every file is counted
/// once, and what has settled is not asked for again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_lose_nothing_and_count_nothing_twice() {
    const TRANSFERS: usize = 24;
    const OF_EACH: u32 = 8;
    let (simulator, url) = simulator(Settings::default()).await;
    let place = Place::new(&url, &pairs(TRANSFERS));
    let mut exporter = place.start();
    // The first look comes before anything has finished: the base is empty.
    put(
        &simulator,
        TRANSFERS,
        OF_EACH,
        Duration::from_secs(2),
        Duration::from_millis(40),
    );
    let mut last = scrape(exporter.address).await.unwrap();
    assert_eq!(last.sum("aws_transfer_files", &[]), 192.0);
    assert_eq!(
        last.sum("aws_transfer_files", &["status=\"QUEUED\""]),
        192.0,
        "the machine is too slow for this test"
    );
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut answered = 0;
    for kill in 0..20 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let address = exporter.address;
        let scrapes = tokio::spawn(async move {
            let mut all = Vec::new();
            while let Some(one) = scrape(address).await {
                all.push(one);
            }
            all
        });
        tokio::time::sleep(Duration::from_millis((random >> 33) % 400)).await;
        exporter.signal("KILL");
        exporter.wait();
        let mut scrapes = scrapes.await.unwrap();
        answered += scrapes.len();
        simulator.reset_calls();
        exporter = place.start();
        scrapes.push(scrape(exporter.address).await.unwrap());
        let acknowledged = scrapes.iter().rev().nth(1).unwrap_or(&last);
        let asked = calls(&simulator) as f64;
        assert!(
            asked <= unfinished(acknowledged),
            "kill {kill}: {asked} calls, {} unfinished",
            unfinished(acknowledged)
        );
        for scrape in scrapes {
            for (series, before) in counters(&last) {
                let now = counters(&scrape).get(&series).copied();
                assert!(
                    now.is_some_and(|now| now >= before),
                    "kill {kill}: {series} went from {before} to {now:?}"
                );
            }
            assert_eq!(scrape.sum(UP, &[]), 1.0);
            assert_eq!(
                scrape.sum(FINISHED, &[]),
                scrape.sum("aws_transfer_files", &["status=\"COMPLETED\""])
                    + scrape.sum("aws_transfer_files", &["status=\"FAILED\""]),
                "each file once"
            );
            last = scrape;
        }
    }
    assert!(
        answered > 20,
        "only {answered} scrapes were answered before a kill"
    );
    while unfinished(&last) > 0.0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        last = scrape(exporter.address).await.unwrap();
    }
    assert_eq!(last.sum(FINISHED, &["status=\"COMPLETED\""]), 144.0);
    assert_eq!(
        last.sum(FINISHED, &["failure_code=\"TIMEOUT_ERROR\""]),
        48.0
    );

    exporter.signal("KILL");
    exporter.wait();
    simulator.reset_calls();
    let exporter = place.start();
    let after = scrape(exporter.address).await.unwrap();
    assert_eq!(calls(&simulator), 0, "all have settled");
    assert_eq!(counters(&after), counters(&last));
    assert_eq!(
        after.family("aws_transfer_files"),
        last.family("aws_transfer_files")
    );
    exporter.terminate();
}

/// What had failed before the start is the base: it shows in the gauges, and the counter stands at
/// 0.
#[tokio::test(flavor = "multi_thread")]
async fn without_storage_a_restart_counts_nothing_again() {
    let (simulator, url) = simulator(Settings::default()).await;
    put(&simulator, 4, 8, Duration::ZERO, Duration::ZERO);
    let (_folder, file) = config(&config_text(&url, &pairs(4)));
    let flag = format!("--config.file={}", file.display());
    for _ in 0..2 {
        let exporter =
            Running::start(signing_program().args([&flag, "--web.listen-address=127.0.0.1:0"]));
        let exposition = scrape(exporter.address).await.unwrap();
        assert_eq!(
            exposition.sum("aws_transfer_files", &["status=\"FAILED\""]),
            8.0
        );
        assert_eq!(exposition.family(FINISHED).len(), 36, "the series stand");
        assert_eq!(exposition.sum(FINISHED, &[]), 0.0);
        assert!(exposition.family(UP).is_empty());
        exporter.terminate();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_start_logs_whether_state_is_persistent() {
    let (_simulator, url) = simulator(Settings::default()).await;
    let place = Place::new(&url, &pairs(1));
    let flags = place.flags();
    let mut in_memory = signing_program();
    let log = text(
        &output(
            in_memory
                .args(&flags[..1])
                .arg("--web.listen-address=192.0.2.1:1"),
        )
        .stderr,
    );
    assert_eq!(log.matches("event=storage_disabled").count(), 1, "{log}");
    let exporter = place.start();
    assert!(place.storage().join(FILE).exists());
    exporter.terminate();
    let kept = text(
        &output(
            signing_program()
                .args(&flags)
                .arg("--web.listen-address=192.0.2.1:1"),
        )
        .stderr,
    );
    assert!(
        kept.contains("event=storage_opened") && !kept.contains("event=storage_disabled"),
        "{kept}"
    );
}

/// Ends at once with 1, and says all of `wanted`.
fn is_refused(command: &mut Command, wanted: &[&str]) {
    let ended = output(command);
    let log = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{log}");
    for text in wanted {
        assert!(log.contains(text), "`{text}` is not logged: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_and_a_damaged_file_are_refused() {
    let (_simulator, url) = simulator(Settings::default()).await;
    let place = Place::new(&url, &pairs(2));
    let (storage, first) = (place.storage(), place.start());
    let path = storage.to_str().unwrap();
    is_refused(
        signing_program().args(place.flags()),
        &[path, "another process", "hint:"],
    );
    assert_eq!(
        scrape(first.address).await.unwrap().sum(UP, &[]),
        1.0,
        "the first goes on"
    );
    first.terminate();
    let file = storage.join(FILE);
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let half = fs::read(&file).unwrap();
    is_refused(
        signing_program().args(place.flags()),
        &[file.to_str().unwrap(), "damaged", "hint:"],
    );
    assert_eq!(fs::read(&file).unwrap(), half, "it is left as it is");
    fs::write(&file, &whole).unwrap();
    place.start().terminate();
}

/// `once` for cron: with storage a run knows what the one before has counted.
#[tokio::test(flavor = "multi_thread")]
async fn runs_of_once_continue_from_the_stored_counters() {
    let (simulator, url) = simulator(Settings::default()).await;
    let place = Place::new(&url, &pairs(1));
    let put = |completed: usize| {
        let life = |file: usize| {
            if file < completed {
                LifeScript::completed()
            } else {
                LifeScript::stuck_queued()
            }
        };
        simulator.put_transfer(
            &connector(0),
            &transfer(0),
            files((0..8).map(life)),
            SystemTime::now(),
        );
    };
    // 2 are the base.
    for (completed, counted) in [(2, 0.0), (5, 3.0), (5, 3.0), (8, 6.0)] {
        put(completed);
        let flags = place.flags();
        let ended = output(signing_program().arg("once").args([&flags[0], &flags[2]]));
        assert_eq!(ended.status.code(), Some(0), "{}", text(&ended.stderr));
        assert_eq!(
            Exposition::parse(&text(&ended.stdout)).sum(FINISHED, &[]),
            counted
        );
    }
    simulator.reset_calls();
    output(
        signing_program()
            .arg("once")
            .args([&place.flags()[0], &place.flags()[2]]),
    );
    assert_eq!(calls(&simulator), 0, "it has settled");
}

/// The command as a user to whom permissions apply.
fn unprivileged(command: &Command) -> Command {
    let mut shell = Command::new("setpriv");
    shell
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(command.get_program())
        .args(command.get_args());
    shell.env_clear().envs(
        command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    shell
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unwritable_directory_fails_the_start() {
    use std::os::unix::fs::PermissionsExt;
    let (_simulator, url) = simulator(Settings::default()).await;
    let place = Place::new(&url, &pairs(1));
    for open in [place.folder.path(), place.config.as_path()] {
        fs::set_permissions(open, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::create_dir(place.storage()).unwrap();
    fs::set_permissions(place.storage(), fs::Permissions::from_mode(0o555)).unwrap();
    let mut command = signing_program();
    command.args(place.flags());
    let is_bound = fs::write(place.storage().join("probe"), "").is_err();
    if !is_bound {
        // Root writes everywhere.
        fs::remove_file(place.storage().join("probe")).unwrap();
        // The program may lie where that user cannot go.
        let copy = place.folder.path().join("exporter");
        fs::copy(command.get_program(), &copy).unwrap();
        let mut copied = Command::new(copy);
        copied.args(command.get_args()).envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        command = unprivileged(&copied);
    }
    let storage = place.storage();
    is_refused(
        &mut command,
        &[storage.to_str().unwrap(), "Permission denied", "hint:"],
    );
    assert_eq!(fs::read_dir(&storage).unwrap().count(), 0);
}

/// A limit on the size of files stands in for a full disk: writing past it fails.
fn on_a_full_disk(place: &Place, bytes: u64) -> Running {
    let program = signing_program();
    let mut shell = Command::new("/bin/sh");
    // POSIX: in units of 512 bytes. The signal that goes with it is ignored.
    let script = format!(
        "trap '' XFSZ; ulimit -S -f {} && exec \"$0\" \"$@\"",
        bytes / 512
    );
    shell
        .args(["-c", &script])
        .arg(program.get_program())
        .args(place.flags());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    Running::start(&mut shell)
}

#[tokio::test(flavor = "multi_thread")]
async fn scrapes_continue_on_a_full_disk_and_the_storage_recovers() {
    const TRANSFERS: usize = 2_000;
    let (simulator, url) = simulator(Settings::default()).await;
    let place = Place::new(&url, &pairs(TRANSFERS));
    let lives = || {
        (0..8).map(|n| {
            if n == 3 {
                LifeScript::failed("TIMEOUT_ERROR", "late")
            } else {
                LifeScript::completed()
            }
        })
    };
    let start = SystemTime::now();
    for n in 0..TRANSFERS {
        simulator.put_transfer(&connector(n % 2), &transfer(n), files(lives()), start);
    }
    let file = place.storage().join(FILE);
    place.start().terminate();
    let room = fs::metadata(&file).unwrap().len();

    let exporter = on_a_full_disk(&place, room);
    let full = scrape(exporter.address).await.unwrap();
    assert_eq!(full.sum(UP, &[]), 0.0);
    assert_eq!(
        full.sum("aws_transfer_files", &["status=\"FAILED\""]),
        2_000.0,
        "it goes on serving"
    );
    let write_errors =
        |scrape: &Exposition| scrape.sum("aws_transfer_exporter_storage_write_errors_total", &[]);
    assert!(write_errors(&full) >= 1.0);
    // Every further write fails, and is not logged.
    let deadline = Instant::now() + Duration::from_mins(1);
    let mut last = full;
    while write_errors(&last) < 4.0 {
        assert!(Instant::now() < deadline, "{} errors", write_errors(&last));
        tokio::time::sleep(Duration::from_millis(50)).await;
        last = scrape(exporter.address).await.unwrap();
        assert_eq!(last.sum(UP, &[]), 0.0);
    }
    let failures: Vec<_> = exporter
        .drain_log()
        .into_iter()
        .filter(|line| line.contains("event=storage_failed"))
        .collect();
    assert!(
        matches!(failures.as_slice(), [only] if only.contains(file.to_str().unwrap())),
        "{failures:?}"
    );

    let pid = exporter.child.id().to_string();
    assert!(
        Command::new("prlimit")
            .args(["--pid", &pid, "--fsize=unlimited"])
            .status()
            .unwrap()
            .success()
    );
    exporter.wait_for("event=storage_recovered", "event=storage_recovered");
    let healed = scrape(exporter.address).await.unwrap();
    assert_eq!(healed.sum(UP, &[]), 1.0);
    assert!(fs::metadata(&file).unwrap().len() > room);
    let mut exporter = exporter;
    exporter.signal("KILL");
    exporter.wait();

    // From now on, what is exported can only be from the store.
    simulator.set_faults(Faults {
        access_denied: true,
        ..Faults::default()
    });
    let exporter = place.start();
    let after = scrape(exporter.address).await.unwrap();
    assert_eq!(
        after.family("aws_transfer_files"),
        healed.family("aws_transfer_files"),
        "what was learned while the disk was full is there"
    );
    exporter.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_directory_is_created_again() {
    let (simulator, url) = simulator(Settings::default()).await;
    put(&simulator, 4, 8, Duration::ZERO, Duration::ZERO);
    let place = Place::new(&url, &pairs(4));
    let exporter = place.start();
    let before = scrape(exporter.address).await.unwrap();
    remove_all_in(&place.storage());
    // News, so that there is something to write: a reload without one of them.
    fs::write(&place.config, config_text(&url, &pairs(3))).unwrap();
    exporter.signal("HUP");
    exporter.wait_for("event=storage_recreated", "event=storage_recreated");
    exporter.terminate();
    simulator.reset_calls();
    let exporter = place.start();
    let after = scrape(exporter.address).await.unwrap();
    assert_eq!(calls(&simulator), 0, "all are there");
    assert_eq!(
        after.sum("aws_transfer_files", &[]),
        before.sum("aws_transfer_files", &[]) * 3.0 / 4.0
    );
    exporter.terminate();
}

fn remove_all_in(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
}
