//! Each command, by its exit code and what it prints.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, SystemTime};

use aws_transfer_exporter::metrics::families::{self, Group, MetricType};
use serde_json::{Value, json};
use simulator::{ApiOperation, Faults, FileScript, LifeScript, Settings};
use tokio::task::spawn_blocking;

use crate::program::{Running, config, config_text, output, program, signing_program, text};
use crate::rig::{Exposition, connector, files, get, simulator, transfer};

fn pair(n: usize) -> (String, String) {
    (connector(1).to_string(), transfer(n).to_string())
}

#[test]
fn version_and_help_are_printed_and_bad_usage_exits_2() {
    let version = output(program().arg("--version"));
    assert_eq!(
        text(&version.stdout),
        format!("aws-transfer-exporter {}\n", env!("CARGO_PKG_VERSION"))
    );
    let help = text(&output(program().arg("--help")).stdout);
    for word in [
        "--config.file",
        "--web.listen-address",
        "--web.telemetry-path",
        "--log.level",
        "--log.format",
        "demo",
        "once",
    ] {
        assert!(help.contains(word), "{word}: {help}");
    }
    for bad in [
        &["--nonsense"][..],
        &["nonsense"],
        &["--log.level=loud"],
        &["results", "c-1", "t"],
        &["--web.telemetry-path=x"],
        &["--web.external-url=proxy.example.com/exporter"],
        &["--web.route-prefix=/a?b"],
        &["once", "--web.external-url=/a"],
        &["--web.listen-address=localhost"],
        &["--shard.index=2", "--shard.total=2"],
        &["check", "--web.listen-address=:1"],
        &["--storage.path=x", "plan"],
    ] {
        assert_eq!(
            output(program().args(bad)).status.code(),
            Some(2),
            "{bad:?}"
        );
    }
}

#[test]
fn check_prints_every_problem_and_exits_1() {
    let (_folder, file) =
        config("transfers:\n  - connector_id: c-1\n    transfer_id: a b\nnonsense: 1\n");
    let flag = format!("--config.file={}", file.display());
    let checked = output(program().args(["check", &flag]));
    let printed = text(&checked.stdout);
    assert_eq!(checked.status.code(), Some(1));
    for place in [
        ":2: `transfers[0].connector_id`",
        ":3: `transfers[0].transfer_id`",
        ":4: `nonsense`",
    ] {
        assert!(printed.contains(place), "{place}: {printed}");
    }
    let good = format!("--config.file={}/example.yml", env!("CARGO_MANIFEST_DIR"));
    let mut command = program();
    for name in fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/example.yml"))
        .unwrap()
        .split("${")
        .skip(1)
    {
        command.env(name.split('}').next().unwrap(), "value");
    }
    let checked = output(command.args(["check", &good]));
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stdout));
}

#[test]
fn check_prints_json_for_scripts() {
    let (_folder, file) = config("transfers:\n  - connector_id: c-1\n    transfer_id: a\n");
    let flag = format!("--config.file={}", file.display());
    let check = |flag: &str| {
        let checked = output(program().args(["check", "--output=json", flag]));
        let document: Value = serde_json::from_slice(&checked.stdout).unwrap();
        (checked.status.code(), document)
    };
    let (code, document) = check(&flag);
    assert_eq!((code, &document["valid"]), (Some(1), &json!(false)));
    let problem = &document["configuration"]["problems"][0];
    assert_eq!(problem["line"], 2);
    assert_eq!(problem["key"], "transfers[0].connector_id");
    let (_folder, file) = config(
        "accounts:\n  - {name: prod, region: eu-central-1}\ntransfers:\n  \
         - connector_id: c-0123456789abcdef0\n    transfer_ids: [a, b]\n",
    );
    let (code, document) = check(&format!("--config.file={}", file.display()));
    let expected = json!({
        "valid": true,
        "configuration": {
            "file": file.display().to_string(), "valid": true, "accounts": 1, "transfers": 2,
            "named_connectors": 0, "warnings": [],
        },
    });
    assert_eq!((code, document), (Some(0), expected));
}

#[test]
fn a_missing_configuration_is_reported_with_a_hint() {
    for command in [&[][..], &["once"], &["check"]] {
        let ended = output(
            program()
                .args(command)
                .arg("--config.file=/does/not/exist.yml"),
        );
        let said = text(&ended.stdout) + &text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{command:?}: {said}");
        assert!(
            said.contains("/does/not/exist.yml: failed to read the file: no such file")
                && said.contains("hint:"),
            "{said}"
        );
    }
}

#[test]
fn a_port_in_use_is_reported_once_with_a_hint() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let ended = output(program().args(["demo", &format!("--web.listen-address={address}")]));
    let said = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(said.matches("in use").count(), 1, "{said}");
    assert!(
        said.contains(&address.to_string()) && said.contains("hint: another process"),
        "{said}"
    );
}

#[test]
fn an_account_without_a_region_is_reported_with_the_variable_that_sets_one() {
    let (_folder, file) =
        config("transfers:\n  - connector_id: c-0123456789abcdef0\n    transfer_id: a\n");
    let ended = output(program().args(["once", &format!("--config.file={}", file.display())]));
    let said = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        said.contains("account `default`: no Region configured") && said.contains("AWS_REGION"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn once_exits_3_for_a_failed_file_1_for_an_unread_transfer_and_0_otherwise() {
    let (simulator, url) = simulator(Settings::default()).await;
    simulator.put_transfer(
        &connector(1),
        &transfer(1),
        files([LifeScript::completed()]),
        SystemTime::now(),
    );
    simulator.put_transfer(
        &connector(1),
        &transfer(2),
        files([LifeScript::failed("PATH_NOT_FOUND", "x")]),
        SystemTime::now(),
    );
    let once = |pairs: Vec<(String, String)>, url: String| async move {
        spawn_blocking(move || {
            let (folder, file) = config(&config_text(&url, &pairs));
            let target = folder.path().join("out.prom");
            let flags = [
                format!("--config.file={}", file.display()),
                format!("--output.file={}", target.display()),
            ];
            let ended = output(signing_program().arg("once").args(flags));
            let left: Vec<_> = fs::read_dir(folder.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            assert_eq!(left.len(), 2, "nothing is left beside the file: {left:?}");
            assert_eq!(text(&ended.stdout), "");
            (ended.status.code(), fs::read_to_string(target).unwrap())
        })
        .await
        .unwrap()
    };
    let (code, exposition) = once(vec![pair(1)], url.clone()).await;
    assert_eq!(code, Some(0));
    for absent in ["process_", "_http_", "_tokio_", "_config_", "_shard_"] {
        let name = format!("# TYPE aws_transfer_exporter{absent}");
        assert!(
            !exposition.contains(&name),
            "{absent}: it describes a server"
        );
    }
    assert!(
        !exposition.contains("process_"),
        "node_exporter has these families itself"
    );
    assert_eq!(
        Exposition::parse(&exposition).sum("aws_transfer_files", &["status=\"COMPLETED\""]),
        1.0
    );
    let (code, exposition) = once(vec![pair(1), pair(2)], url.clone()).await;
    assert_eq!(code, Some(3));
    assert_eq!(
        Exposition::parse(&exposition)
            .sum("aws_transfer_files", &["failure_code=\"PATH_NOT_FOUND\""]),
        1.0
    );
    let (code, _) = once(vec![pair(1), pair(9)], url.clone()).await;
    assert_eq!(
        code,
        Some(1),
        "a transfer that AWS does not know is no success"
    );
    let faulty_list = url.clone();
    let code = spawn_blocking(move || {
        let (folder, file) = config(&config_text(&faulty_list, &[pair(1)]));
        let list = folder.path().join("targets.yml");
        fs::write(&list, "nothing: of the kind\n").unwrap();
        let mut text = fs::read_to_string(&file).unwrap();
        let _ = write!(
            text,
            "discovery:\n  files:\n    - paths: [{}]\n",
            list.display()
        );
        fs::write(&file, text).unwrap();
        let flag = format!("--config.file={}", file.display());
        output(signing_program().args(["once", &flag]))
            .status
            .code()
    });
    assert_eq!(
        code.await.unwrap(),
        Some(1),
        "nor is a list that cannot be read"
    );
    simulator.set_faults(Faults {
        access_denied: true,
        ..Faults::default()
    });
    let (code, exposition) = once(vec![pair(1)], url).await;
    assert_eq!(code, Some(1));
    assert_eq!(
        Exposition::parse(&exposition).sum("aws_transfer_results_up", &[]),
        0.0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn results_prints_a_table_or_json_and_fails_for_an_unknown_transfer() {
    let (simulator, url) = simulator(Settings::default()).await;
    let scripts = vec![
        FileScript::new("/in/a\nb.csv", LifeScript::completed()),
        FileScript::new(
            "/in/é.csv",
            LifeScript::failed("CONNECTION_ERROR", "no \"route\""),
        ),
    ];
    simulator.put_transfer(&connector(1), &transfer(1), scripts, SystemTime::now());
    let (table, json, none) = spawn_blocking(move || {
        let (_folder, file) = config(&config_text(&url, &[pair(1)]));
        let flag = format!("--config.file={}", file.display());
        let (connector, transfer) = pair(1);
        let table = output(signing_program().args(["results", &connector, &transfer, &flag]));
        let json = output(signing_program().args([
            "results",
            &connector,
            &transfer,
            &flag,
            "--output=json",
        ]));
        let none = output(signing_program().args(["results", &connector, "unknown", &flag]));
        (table, json, none)
    })
    .await
    .unwrap();
    assert_eq!(table.status.code(), Some(0), "{}", text(&table.stderr));
    let lines = text(&table.stdout);
    let words: Vec<Vec<_>> = lines
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(words[1], ["COMPLETED", "/in/a\\nb.csv"]);
    assert_eq!(
        words[2],
        ["FAILED", "CONNECTION_ERROR", "/in/é.csv", "no", "\"route\""]
    );
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["files"][0]["path"], "/in/a\nb.csv");
    assert_eq!(json["files"][0]["failure_code"], serde_json::Value::Null);
    assert_eq!(json["files"][1]["failure_message"], "no \"route\"");
    assert_eq!(none.status.code(), Some(1));
    assert!(
        text(&none.stderr).contains("unknown connector or transfer"),
        "{}",
        text(&none.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exporter_logs_each_failed_file_once_reloads_on_sighup_and_stops_cleanly() {
    let (simulator, url) = simulator(Settings::default()).await;
    let scripts = vec![
        FileScript::new(
            "/in/bad \"name\"\n.csv",
            LifeScript::failed("CONNECTION_ERROR", "line one\nline two"),
        ),
        FileScript::new("/in/open.csv", LifeScript::stuck_queued()),
    ];
    simulator.put_transfer(&connector(1), &transfer(1), scripts, SystemTime::now());
    simulator.put_transfer(
        &connector(1),
        &transfer(2),
        files([LifeScript::completed()]),
        SystemTime::now(),
    );
    let (_folder, file) = config(&config_text(&url, &[pair(1)]));
    let flag = format!("--config.file={}", file.display());
    let exporter =
        Running::start(signing_program().args([&flag, "--web.listen-address=127.0.0.1:0"]));
    let scrape = || async { Exposition::parse(&get(exporter.address, "/metrics", "").await.2) };

    for _ in 0..3 {
        let exposition = scrape().await;
        assert_eq!(
            exposition.sum("aws_transfer_files", &["failure_code=\"CONNECTION_ERROR\""]),
            1.0
        );
        assert!(exposition.sum("process_resident_memory_bytes", &[]) > 1e6);
    }
    let log = exporter.drain_log();
    let failed: Vec<_> = log
        .iter()
        .filter(|line| line.contains("event=file_failed"))
        .collect();
    assert_eq!(failed.len(), 1, "{log:#?}");
    for field in [
        "level=warn".to_owned(),
        format!("connector_id={}", connector(1)),
        format!("transfer_id={}", transfer(1)),
        "file_path=\"/in/bad \\\"name\\\"\\n.csv\"".to_owned(),
        "failure_code=CONNECTION_ERROR".to_owned(),
        "failure_message=\"line one\\nline two\"".to_owned(),
    ] {
        assert!(
            failed[0].contains(&field),
            "{field} is not in {}",
            failed[0]
        );
    }

    let health = format!("--web.listen-address={}", exporter.address);
    assert_eq!(
        output(program().args(["healthcheck", &health]))
            .status
            .code(),
        Some(0)
    );

    fs::write(&file, "nonsense: 1\n").unwrap();
    exporter.signal("HUP");
    exporter.wait_for(
        "event=config_reload_failed",
        "\"event\":\"config_reload_failed\"",
    );
    let exposition = scrape().await;
    assert_eq!(
        exposition.sum("aws_transfer_exporter_config_last_reload_successful", &[]),
        0.0
    );
    assert_eq!(
        exposition.sum("aws_transfer_exporter_transfers", &["origin=\"config\""]),
        1.0,
        "the old one stays"
    );

    fs::write(&file, config_text(&url, &[pair(1), pair(2)])).unwrap();
    exporter.signal("HUP");
    exporter.wait_for("event=config_reloaded", "\"event\":\"config_reloaded\"");
    let exposition = scrape().await;
    assert_eq!(
        exposition.sum("aws_transfer_exporter_config_last_reload_successful", &[]),
        1.0
    );
    assert_eq!(
        exposition.sum("aws_transfer_files", &["status=\"COMPLETED\""]),
        1.0
    );
    assert_eq!(
        exposition.sum("aws_transfer_files", &["failure_code=\"CONNECTION_ERROR\""]),
        1.0
    );

    exporter.terminate();
    assert_eq!(
        output(program().args(["healthcheck", &health]))
            .status
            .code(),
        Some(1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_in_flight_is_answered_during_shutdown() {
    let (simulator, url) = simulator(Settings::default()).await;
    simulator.put_transfer(
        &connector(1),
        &transfer(1),
        files([LifeScript::completed()]),
        SystemTime::now(),
    );
    simulator.set_faults(Faults {
        stall_rate: 1.0,
        ..Faults::default()
    });
    let (_folder, file) = config(&config_text(&url, &[pair(1)]));
    let flag = format!("--config.file={}", file.display());
    let exporter =
        Running::start(signing_program().args([&flag, "--web.listen-address=127.0.0.1:0"]));
    let address = exporter.address;
    let scrape = tokio::spawn(async move {
        get(
            address,
            "/metrics",
            "X-Prometheus-Scrape-Timeout-Seconds: 60\r\n",
        )
        .await
    });
    while simulator.calls().of(ApiOperation::ListFileTransferResults) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    exporter.terminate();
    let (status, _, body) = scrape.await.unwrap();
    assert_eq!(status, 200);
    assert_eq!(
        Exposition::parse(&body).sum("aws_transfer_exporter_scrape_complete", &[]),
        0.0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn json_logs_are_valid_and_contain_no_secrets_at_any_level() {
    use simulator::DEMO_SECRET_ACCESS_KEY;
    let (simulator, url) = simulator(Settings::default()).await;
    simulator.put_transfer(
        &connector(1),
        &transfer(1),
        files([LifeScript::failed("TIMEOUT_ERROR", "late")]),
        SystemTime::now(),
    );
    let (_folder, file) = config(&config_text(&url, &[pair(1), pair(2)]));
    let flags = [
        format!("--config.file={}", file.display()),
        "--log.format=json".into(),
        "--log.level=debug".into(),
    ];
    let exporter = Running::start(
        signing_program()
            .args(flags)
            .arg("--web.listen-address=127.0.0.1:0"),
    );
    get(exporter.address, "/metrics", "").await;
    simulator.set_faults(Faults {
        expired_token: true,
        ..Faults::default()
    });
    // Past the refresh interval of 1 ms, so that the unknown transfer is due again.
    tokio::time::sleep(Duration::from_millis(20)).await;
    get(exporter.address, "/metrics", "").await;
    let failed = exporter.wait_for(r#""event":"file_failed""#, r#""event":"file_failed""#);
    let failed: serde_json::Value = serde_json::from_str(&failed).unwrap();
    assert_eq!(
        (&failed["level"], &failed["failure_code"]),
        (&"WARN".into(), &"TIMEOUT_ERROR".into())
    );
    let unread = exporter.wait_for(r#""event":"polls_failed""#, "credentials_expired");
    serde_json::from_str::<serde_json::Value>(&unread).unwrap();
    for line in exporter.drain_log().iter().chain([&unread]) {
        for secret in [DEMO_SECRET_ACCESS_KEY, "Signature", "AWS4-HMAC"] {
            assert!(!line.contains(secret), "{line}");
        }
    }
    exporter.terminate();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs minutes; tests/run provides it"]
async fn every_family_of_the_demo_changes_within_a_minute() {
    let demo = Running::start(program().args(["demo", "--web.listen-address=127.0.0.1:0"]));
    let mut seen: std::collections::BTreeMap<String, std::collections::BTreeSet<String>> =
        std::collections::BTreeMap::new();
    // Windows of flows take minutes.
    let changes = |family: &&&families::Family| {
        let is_of_flows = family.name.starts_with("aws_transfer_flow_");
        family.group == Group::Sweep
            && (!is_of_flows || family.name == families::FLOW_FILES_FINISHED.name)
    };
    for _ in 0..55 {
        let exposition = Exposition::parse(&get(demo.address, "/metrics", "").await.2);
        for family in families::ALL.iter().filter(changes) {
            let samples = if family.kind == MetricType::Histogram {
                format!("{}_count", family.name)
            } else {
                family.name.into()
            };
            let series = format!("{:?}", exposition.family(&samples));
            seen.entry(family.name.to_owned())
                .or_default()
                .insert(series);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    // What never changes in a healthy demo: the names, and a fold that takes a hundred unlisted
    // codes.
    let still = [families::CONNECTOR_INFO.name, families::CODES_FOLDED.name];
    for (family, states) in &seen {
        let least = if still.contains(&family.as_str()) {
            1
        } else {
            2
        };
        assert!(states.len() >= least, "{family} did not move");
        assert!(
            states.iter().any(|series| series != "{}"),
            "{family} has no series"
        );
    }
    let last = Exposition::parse(&get(demo.address, "/metrics", "").await.2);
    let names = last.family("aws_transfer_connector_info");
    assert_eq!(names.len(), 6, "six connectors with names: {names:#?}");
    let codes = last.family("aws_transfer_connector_files_finished_total");
    let failing = codes
        .iter()
        .filter(|(series, value)| series.contains("FAILED") && **value > 0.0)
        .count();
    assert!(failing >= 3, "different codes: {failing}");
    for state in ["running", "completed", "failed", "gone"] {
        let transfers = last.sum(
            "aws_transfer_connector_transfers",
            &[&format!("state=\"{state}\"")],
        );
        assert!(transfers > 0.0, "no transfer is {state}");
    }
    assert!(
        last.sum("aws_transfer_connector_files", &["status=\"QUEUED\""]) > 0.0,
        "some are stuck"
    );
    demo.terminate();
}
