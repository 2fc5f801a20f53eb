//! Reloads: what each change keeps, rebuilds and exports. A reload applies as a whole or not at
//! all.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use aws_transfer_exporter::config::CloudtrailPlan;
use simulator::{
    ApiOperation, DEMO_ACCESS_KEY_ID, DEMO_SECRET_ACCESS_KEY, Faults, LifeScript, Settings,
    Simulator,
};

use crate::program::{Running, config, config_text, program, signing_program};
use crate::rig::{
    Exporter, Exposition, account, ask, connector, files, get, key, plan, simulator, transfer,
};

/// A folder with profiles `a` to `d`, whose credentials come from a process that notes each of its
/// runs.
pub(crate) struct Profiles {
    folder: tempfile::TempDir,
}

impl Profiles {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let process = folder.path().join("process");
        let script = format!(
            "#!/bin/sh\necho run >> \"$(dirname \"$0\")/runs-$1\"\nprintf '%s' '{{\"Version\":1,\"AccessKeyId\":\
             \"{DEMO_ACCESS_KEY_ID}\",\"SecretAccessKey\":\"{DEMO_SECRET_ACCESS_KEY}\"}}'\n"
        );
        fs::write(&process, script).unwrap();
        let mut text = String::new();
        for name in ["a", "b", "c", "d"] {
            let _ = writeln!(
                text,
                "[profile {name}]\ncredential_process = sh {} {name}",
                process.display()
            );
        }
        fs::write(folder.path().join("config"), text).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("config")
    }

    /// How often each profile's process has run: `a2 b1`.
    fn runs(&self) -> String {
        let runs = |name: &str| {
            fs::read_to_string(self.folder.path().join(format!("runs-{name}"))).unwrap_or_default()
        };
        let counts = ["a", "b", "c", "d"].map(|name| (name, runs(name).lines().count()));
        counts
            .iter()
            .filter(|(_, n)| *n > 0)
            .map(|(name, n)| format!("{name}{n}"))
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// A configuration in short: `(name, profile)` of accounts, `(account, transfer)`, and further
/// lines.
fn short(
    url: &str,
    accounts: &[(&str, &str)],
    transfers: &[(&str, usize)],
    collector: &str,
) -> String {
    let mut text = "accounts:\n".to_owned();
    for (name, profile) in accounts {
        let _ = writeln!(
            text,
            "  - name: {name}\n    region: eu-central-1\n    profile: {profile}\n    endpoint_url: {url}"
        );
    }
    let _ = write!(
        text,
        "collector:\n  min_refresh_interval: 1ms\n  max_refresh_interval: 1ms\n{collector}transfers:\n"
    );
    for (account, n) in transfers {
        let _ = writeln!(
            text,
            "  - account: {account}\n    connector_id: {}\n    transfer_id: {}",
            connector(1),
            transfer(*n)
        );
    }
    text
}

async fn scrape(address: SocketAddr) -> Exposition {
    Exposition::parse(&get(address, "/metrics", "").await.2)
}

fn sha256_head(text: &str) -> f64 {
    use sha2::{Digest, Sha256};
    Sha256::digest(text)
        .iter()
        .take(6)
        .fold(0.0, |number, byte| number * 256.0 + f64::from(*byte))
}

/// Transfer 1 has completed; 2 to 4 never end, so they are asked for at each scrape.
async fn four_transfers() -> (Simulator, String) {
    let (simulator, url) = simulator(Settings::default()).await;
    let now = SystemTime::now();
    simulator.put_transfer(
        &connector(1),
        &transfer(1),
        files([LifeScript::completed()]),
        now,
    );
    for n in 2..=4 {
        simulator.put_transfer(
            &connector(1),
            &transfer(n),
            files([LifeScript::stuck_queued()]),
            now,
        );
    }
    (simulator, url)
}

/// One reload, and what follows from it.
struct Row {
    /// What has changed, and what that means.
    says: &'static str,
    text: String,
    status: u16,
    /// In the answer's body.
    answer: &'static str,
    /// In the log.
    log: &'static str,
    /// Runs of the processes of credentials, since the start.
    runs: &'static str,
    /// Accounts with a series of `account_up`.
    accounts: usize,
    /// Tracked transfers.
    transfers: f64,
    /// The rate of account `a`.
    rate: f64,
}

/// The configuration that the matrix starts with.
fn first(url: &str) -> String {
    short(
        url,
        &[("a", "a"), ("b", "b")],
        &[("a", 1), ("a", 2), ("b", 3)],
        "  requests_per_second: 50\n",
    )
}

fn matrix(url: &str) -> Vec<Row> {
    let ab: &[_] = &[("a", "a"), ("b", "b")];
    let rate_50 = "  requests_per_second: 50\n";
    let rate_70 = "  requests_per_second: 70\n  concurrency: 3\n";
    let slower = "  requests_per_second: 70\n  concurrency: 3\n  timeout: 20s\n";
    let start = first(url);
    let bad_key = start.clone() + "nonsense: 1\n";
    let no_region = short(url, &[("a", "a"), ("b", "b")], &[("a", 4)], rate_50).replacen(
        "    region: eu-central-1\n",
        "",
        1,
    );
    // The third account comes first, and the second cannot be used.
    let third = short(url, &[("c", "c"), ("b", "b")], &[("b", 3)], rate_50);
    let (before, after) = third.rsplit_once("    region: eu-central-1\n").unwrap();
    let third_and_no_region = format!("{before}{after}");
    let row = |says, text, runs, accounts, transfers, rate, log| Row {
        says,
        text,
        status: 200,
        answer: "configuration reloaded",
        log,
        runs,
        accounts,
        transfers,
        rate,
    };
    let refused = |says, text, answer| Row {
        status: 500,
        answer,
        log: "event=config_reload_failed",
        ..row(says, text, "a1 b1", 2, 3.0, 50.0, "")
    };
    vec![
        row(
            "Nothing: everything stays.",
            start.clone(),
            "a1 b1",
            2,
            3.0,
            50.0,
            "changes=nothing",
        ),
        refused(
            "A key that is none: refused with its place.",
            bad_key,
            "exporter.yml:24",
        ),
        refused(
            "An account that has no Region any more: refused, and its transfers and the rate stay too.",
            no_region,
            "`config_reload_failed`",
        ),
        refused(
            "An account more, before one without a Region: refused, and without series.",
            third_and_no_region,
            "`config_reload_failed`",
        ),
        row(
            "A transfer more, after three refusals: taken, and credentials are not asked for again.",
            short(url, ab, &[("a", 1), ("a", 2), ("b", 3), ("b", 4)], rate_50),
            "a1 b1",
            2,
            4.0,
            50.0,
            "transfers: +1 -0",
        ),
        row(
            "Rate and concurrency: the clients stay, their limits change.",
            short(url, ab, &[("a", 1), ("a", 2), ("b", 3)], rate_70),
            "a1 b1",
            2,
            3.0,
            70.0,
            "transfers: +0 -1; sections: collector",
        ),
        row(
            "A time-out: other clients over the credentials that are there.",
            short(url, ab, &[("a", 1), ("a", 2), ("b", 3)], slower),
            "a1 b1",
            2,
            3.0,
            70.0,
            "sections: collector",
        ),
        row(
            "An account more: its credentials alone are asked for.",
            short(
                url,
                &[("a", "a"), ("b", "b"), ("c", "c")],
                &[("a", 1), ("a", 2), ("b", 3), ("c", 4)],
                slower,
            ),
            "a1 b1 c1",
            3,
            4.0,
            70.0,
            "accounts added: c",
        ),
        row(
            "Another profile for one account: its credentials alone are asked for.",
            short(
                url,
                &[("a", "a"), ("b", "d"), ("c", "c")],
                &[("a", 1), ("a", 2), ("b", 3), ("c", 4)],
                slower,
            ),
            "a1 b1 c1 d1",
            3,
            4.0,
            70.0,
            "accounts changed: b",
        ),
        row(
            "Two accounts fewer, and their transfers: their series go, the other's stay.",
            short(url, &[("a", "a")], &[("a", 1), ("a", 2)], slower),
            "a1 b1 c1 d1",
            1,
            2.0,
            70.0,
            "accounts removed: b, c",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_rebuilds_only_what_has_changed() {
    let (_simulator, url) = four_transfers().await;
    let start = first(&url);
    let profiles = Profiles::new();
    let (_folder, file) = config(&start);
    let mut command = program();
    command.env("AWS_CONFIG_FILE", profiles.path());
    let flags = [
        format!("--config.file={}", file.display()),
        "--web.enable-lifecycle".into(),
        "--config.auto-reload-interval=0s".into(),
    ];
    let exporter = Running::start(command.args(flags).arg("--web.listen-address=127.0.0.1:0"));
    scrape(exporter.address).await;
    let mut in_force = start;
    for Row {
        says,
        text,
        status,
        answer,
        log,
        runs,
        accounts,
        transfers,
        rate,
    } in matrix(&url)
    {
        fs::write(&file, &text).unwrap();
        let (answered, body) = ask(exporter.address, "POST", "/-/reload", "").await;
        assert_eq!(answered, status, "{says} {body}");
        assert!(body.contains(answer), "{says} {body}");
        let line = exporter.wait_for("event=config_reload", "\"event\":\"config_reload");
        assert!(line.contains(log), "{says} {line}");
        if status == 200 {
            in_force = text;
        }
        let exposition = scrape(exporter.address).await;
        let own = |name: &str| exposition.sum(&format!("aws_transfer_exporter_{name}"), &[]);
        assert_eq!(profiles.runs(), runs, "{says}");
        assert_eq!(
            exposition.family("aws_transfer_exporter_account_up").len(),
            accounts,
            "{says}"
        );
        assert_eq!(
            exposition
                .family("aws_transfer_exporter_api_rate_limit")
                .len(),
            accounts,
            "{says}"
        );
        assert_eq!(
            own("account_up"),
            accounts as f64,
            "{says} every account is up"
        );
        assert_eq!(
            exposition.sum("aws_transfer_exporter_transfers", &["origin=\"config\""]),
            transfers,
            "{says}"
        );
        assert_eq!(
            exposition.sum(
                "aws_transfer_exporter_api_rate_limit",
                &["aws_account=\"a\""]
            ),
            rate,
            "{says}"
        );
        assert_eq!(
            own("config_last_reload_successful"),
            f64::from(u8::from(status == 200)),
            "{says}"
        );
        assert_eq!(
            own("config_hash"),
            sha256_head(&in_force),
            "{says} the hash is of what is in force"
        );
        let completed = ["aws_account=\"a\"", "status=\"COMPLETED\""];
        assert_eq!(
            exposition.sum("aws_transfer_connector_files", &completed),
            1.0,
            "{says} what is known stays"
        );
    }
    exporter.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_over_http_is_off_by_default_and_rejects_cross_site_requests() {
    let (_simulator, url) = four_transfers().await;
    let (_folder, file) = config(&config_text(
        &url,
        &[(connector(1).to_string(), transfer(1).to_string())],
    ));
    for (flag, method, headers, status, says) in [
        (None, "POST", "", 403, "--web.enable-lifecycle"),
        (
            Some("--web.enable-lifecycle"),
            "POST",
            "Sec-Fetch-Site: cross-site\r\n",
            403,
            "cross-site",
        ),
        (
            Some("--web.enable-lifecycle"),
            "POST",
            "Origin: https://evil.example\r\n",
            403,
            "cross-site",
        ),
        (
            Some("--web.enable-lifecycle"),
            "GET",
            "",
            405,
            "not allowed",
        ),
        (
            Some("--web.enable-lifecycle"),
            "POST",
            "",
            200,
            "configuration reloaded",
        ),
    ] {
        let exporter = Running::start(
            signing_program()
                .args([
                    format!("--config.file={}", file.display()),
                    "--web.listen-address=127.0.0.1:0".into(),
                ])
                .args(flag),
        );
        let (answered, body) = ask(exporter.address, method, "/-/reload", headers).await;
        assert_eq!(answered, status, "{flag:?} {method} {headers}: {body}");
        assert!(body.contains(says), "{body}");
    }
}

/// Waits until the newest exposition is as wanted.
async fn until(address: SocketAddr, what: &str, holds: impl Fn(&Exposition) -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !holds(&scrape(address).await) {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What a kubelet does with a mounted `ConfigMap`: another folder, and a link that is renamed over
/// the one before.
fn swap(folder: &Path, version: &str, text: &str) {
    use std::os::unix::fs::symlink;
    let data = folder.join(version);
    fs::create_dir(&data).unwrap();
    fs::write(data.join("exporter.yml"), text).unwrap();
    symlink(version, folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_content_is_reloaded_automatically_and_invalid_content_is_reported_once() {
    let (_simulator, url) = four_transfers().await;
    let pairs = |n: usize| {
        (1..=n)
            .map(|n| (connector(1).to_string(), transfer(n).to_string()))
            .collect::<Vec<_>>()
    };
    let folder = tempfile::tempdir().unwrap();
    swap(folder.path(), "..1", &config_text(&url, &pairs(1)));
    let file = folder.path().join("exporter.yml");
    std::os::unix::fs::symlink("..data/exporter.yml", &file).unwrap();
    let flags = [
        format!("--config.file={}", file.display()),
        "--config.auto-reload-interval=1s".into(),
    ];
    let exporter = Running::start(
        signing_program()
            .args(flags)
            .arg("--web.listen-address=127.0.0.1:0"),
    );
    let transfers = |exposition: &Exposition| {
        exposition.sum("aws_transfer_exporter_transfers", &["origin=\"config\""])
    };
    let successful = |exposition: &Exposition| {
        exposition.sum("aws_transfer_exporter_config_last_reload_successful", &[])
    };

    swap(folder.path(), "..2", &config_text(&url, &pairs(2)));
    until(exporter.address, "the second is taken", |exposition| {
        transfers(exposition) == 2.0
    })
    .await;
    swap(folder.path(), "..3", "nonsense: 1\n");
    until(exporter.address, "the third is refused", |exposition| {
        successful(exposition) == 0.0
    })
    .await;
    // Several checks of the file later.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let refusals = |log: Vec<String>| {
        log.iter()
            .filter(|line| line.contains("event=config_reload_failed"))
            .count()
    };
    assert_eq!(refusals(exporter.drain_log()), 1, "said once");
    assert_eq!(
        transfers(&scrape(exporter.address).await),
        2.0,
        "the second stays in force"
    );
    swap(folder.path(), "..4", &config_text(&url, &pairs(2)));
    until(
        exporter.address,
        "the one in force is back: all is well",
        |exposition| successful(exposition) == 1.0,
    )
    .await;
    // The same by SIGHUP, which asks whatever the content is.
    swap(folder.path(), "..5", "nonsense: 1\n");
    exporter.signal("HUP");
    assert!(
        exporter
            .wait_for(
                "event=config_reload_failed",
                "\"event\":\"config_reload_failed\""
            )
            .contains("cause=")
    );
    exporter.signal("HUP");
    exporter.wait_for(
        "event=config_reload_failed",
        "\"event\":\"config_reload_failed\"",
    );
    exporter.terminate();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_continues_when_its_account_is_removed_and_drops_the_results_of_the_account() {
    let (simulator, url) = four_transfers().await;
    simulator.set_faults(Faults {
        latency: Duration::from_millis(300),
        ..Faults::default()
    });
    let both = vec![account("a", &url), account("b", &url)];
    let keys = |name: &str| {
        (2..=4)
            .map(|n| key(name, &connector(1), &transfer(n)))
            .collect::<Vec<_>>()
    };
    let wanted = plan(both, [keys("a"), keys("b")].concat());
    let exporter = Exporter::start(wanted.clone()).await;
    let address = exporter.address;
    let sweeping = tokio::spawn(async move { scrape(address).await });
    while simulator.calls().of(ApiOperation::ListFileTransferResults) < 6 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut fewer = wanted;
    fewer.accounts.pop();
    fewer.transfers.truncate(3);
    let changes = exporter.app.reload_config(fewer, None, true).await.unwrap();
    assert_eq!(changes.to_string(), "accounts removed: b; transfers: +0 -3");
    let exposition = sweeping.await.unwrap();
    assert_eq!(
        exposition.sum("aws_transfer_results_up", &["aws_account=\"a\""]),
        3.0
    );
    let exposition = exporter.scrape().await;
    for name in [
        "aws_transfer_results_up",
        "aws_transfer_files",
        "aws_transfer_exporter_api_rate_limit",
    ] {
        assert_eq!(exposition.sum(name, &["aws_account=\"b\""]), 0.0, "{name}");
    }
    assert_eq!(
        exposition.sum("aws_transfer_results_up", &["aws_account=\"a\""]),
        3.0
    );
    exporter.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unchanged_source_keeps_running_and_a_changed_one_restarts() {
    let (simulator, url) = four_transfers().await;
    let lookups = || simulator.calls().of(ApiOperation::LookupEvents);
    let mut wanted = plan(vec![account("a", &url)], Vec::new());
    wanted.discovery.cloudtrail = vec![CloudtrailPlan {
        account: wanted.accounts[0].name.clone(),
        lookback: Duration::from_hours(1),
        refresh_interval: Duration::from_hours(1),
        endpoint_url: Some(url.clone()),
        include: Vec::new(),
    }];
    let exporter = Exporter::start(wanted.clone()).await;
    let up = "aws_transfer_exporter_discovery_up";
    until(exporter.address, "the history is read", |exposition| {
        exposition.sum(up, &["source=\"cloudtrail\""]) == 1.0
    })
    .await;
    let first = lookups();

    wanted.transfers.push(key("a", &connector(1), &transfer(2)));
    wanted.collector.requests_per_second = 500.0;
    exporter
        .app
        .reload_config(wanted.clone(), None, true)
        .await
        .unwrap();
    let exposition = exporter.scrape().await;
    assert_eq!(
        exposition.sum(up, &["source=\"cloudtrail\""]),
        1.0,
        "its state stays"
    );
    assert_eq!(lookups(), first, "it is not read from the start");

    wanted.discovery.cloudtrail[0].lookback = Duration::from_hours(2);
    exporter
        .app
        .reload_config(wanted.clone(), None, true)
        .await
        .unwrap();
    until(exporter.address, "the other one is read", |_| {
        lookups() > first
    })
    .await;

    wanted.discovery.cloudtrail.clear();
    exporter
        .app
        .reload_config(wanted, None, true)
        .await
        .unwrap();
    assert_eq!(
        exporter.scrape().await.family(up).len(),
        0,
        "one that is taken out is forgotten"
    );
    exporter.stop().await;
}
