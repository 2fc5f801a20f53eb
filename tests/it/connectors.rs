//! Discovery of connectors over HTTP.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use aws_transfer_exporter::app::Options;
use aws_transfer_exporter::config::{ConnectorsPlan, DiscoveryPlan, Plan};
use model::{AccountName, ConnectorId};
use serde_json::{Value, json};
use simulator::{ApiOperation, ConnectorSpec, Egress, Faults, LifeScript, Settings, Simulator};

use crate::rig::{Exporter, Exposition, account, connector, files, get, plan, simulator, transfer};

const INFO: &str = "aws_transfer_connector_info";

/// A plan that lists the connectors of the account `prod`, with the tag `team` as a label.
fn listing(url: &str) -> Plan {
    let source = ConnectorsPlan {
        account: AccountName::new("prod"),
        refresh_interval: Duration::from_millis(10),
        include: Vec::new(),
        labels_from_tags: vec!["team".to_owned()],
    };
    let discovery = DiscoveryPlan {
        connectors: vec![source],
        ..DiscoveryPlan::default()
    };
    Plan {
        discovery,
        ..plan(vec![account("prod", url)], Vec::new())
    }
}

/// Scrapes until `is_there`.
async fn scrape_until(exporter: &Exporter, is_there: impl Fn(&Exposition) -> bool) -> Exposition {
    for _ in 0..300 {
        let scrape = exporter.scrape().await;
        if is_there(&scrape) {
            return scrape;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("not exported: {:#?}", exporter.scrape().await.family(INFO));
}

fn add_acme(simulator: &Simulator, spec: ConnectorSpec) {
    let tags = [("Name", "acme"), ("team", "payments"), ("other", "x")];
    let spec = ConnectorSpec {
        tags: tags.map(|(tag, value)| (tag.into(), value.into())).into(),
        ..spec
    };
    simulator.add_connector(connector(1), spec);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connectors_are_exported_and_failed_attempts_counted_by_reason() {
    let (simulator, url) = simulator(Settings::default()).await;
    simulator.put_transfer(
        &connector(1),
        &transfer(1),
        files([LifeScript::completed()]),
        SystemTime::now(),
    );
    simulator.set_faults(Faults {
        throttle_rate: 0.4,
        ..Faults::default()
    });
    let exporter = Exporter::start(listing(&url)).await;
    let throttled = |scrape: &Exposition, operation: &str| {
        let operation = format!("operation=\"{operation}\"");
        let attempts = "aws_transfer_exporter_api_requests_total";
        scrape.sum(attempts, &[&operation, "outcome=\"throttled\""]) > 0.0
    };
    scrape_until(&exporter, |scrape| {
        scrape.sum(INFO, &["status=\"ACTIVE\"", "url=\"sftp://"]) > 0.0
            && throttled(scrape, "ListConnectors")
            && throttled(scrape, "DescribeConnector")
    })
    .await;
    exporter.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connector_has_the_name_the_labels_and_the_details_of_its_description() {
    let (simulator, url) = simulator(Settings::default()).await;
    add_acme(
        &simulator,
        ConnectorSpec {
            max_concurrent_connections: 5,
            error_message: Some("no route to the partner".to_owned()),
            trusted_host_keys: 2,
            secret_version_stages: vec!["AWSPENDING".to_owned(), "AWSCURRENT".to_owned()],
            ..ConnectorSpec::default()
        },
    );
    let exporter = Exporter::start(listing(&url)).await;
    let labels = [
        "name=\"acme\"",
        "team=\"payments\"",
        "status=\"ERRORED\"",
        "ip_address_type=\"IPV4\"",
        "security_policy=\"TransferSFTPConnectorSecurityPolicy-2024-03\"",
    ];
    let scrape = scrape_until(&exporter, |scrape| scrape.sum(INFO, &labels) == 1.0).await;
    for unbounded in ["other=", "logging_role=", "egress_ip", "trusted", "secret"] {
        assert_eq!(scrape.sum(INFO, &[unbounded]), 0.0, "{unbounded}");
    }
    let most = "aws_transfer_connector_max_concurrent_connections";
    assert_eq!(scrape.sum(most, &[]), 5.0);
    let (_, _, body) = get(exporter.address, "/api/v1/transfers", "").await;
    let body: Value = serde_json::from_str(&body).unwrap();
    let listed = &body["connectors"][0];
    assert_eq!(listed["connector_name"], "acme");
    let role = "arn:aws:iam::123456789012:role/transfer-connector-logging";
    let details = json!({
        "status": "ERRORED",
        "error_message": "no route to the partner",
        "url": "sftp://sftp.example.com",
        "egress_type": "SERVICE_MANAGED",
        "egress_ip_addresses": ["192.0.2.10", "192.0.2.11", "192.0.2.12"],
        "ip_address_type": "IPV4",
        "security_policy": "TransferSFTPConnectorSecurityPolicy-2024-03",
        "max_concurrent_connections": 5,
        "logging_role": role,
        "trusted_host_keys": 2,
        "secret_version_stages": ["AWSPENDING", "AWSCURRENT"],
    });
    assert_eq!(listed["details"], details);
    let (_, _, page) = get(exporter.address, "/transfers?search=ACM", "").await;
    for shown in [
        "acme <code>c-00000000000000001</code>",
        "<span class=\"state bad\">ERRORED</span>",
        "<bdi>no route to the partner</bdi>",
        "<dd><bdi>192.0.2.10, 192.0.2.11, 192.0.2.12</bdi></dd>",
        "<dt>Trusted host keys</dt><dd><bdi>2</bdi></dd>",
        "<dd><bdi>AWSPENDING, AWSCURRENT</bdi></dd>",
        role,
    ] {
        assert!(page.contains(shown), "`{shown}` is not in {page}");
    }
    assert!(!page.contains("no trusted host key"), "{page}");
    exporter.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_warns_of_a_connector_without_trusted_host_key_and_logging_role() {
    let (simulator, url) = simulator(Settings::default()).await;
    add_acme(
        &simulator,
        ConnectorSpec {
            egress: Egress::VpcLattice,
            logging_role: false,
            trusted_host_keys: 0,
            ..ConnectorSpec::default()
        },
    );
    let exporter = Exporter::start(listing(&url)).await;
    scrape_until(&exporter, |scrape| {
        scrape.sum(INFO, &["name=\"acme\""]) == 1.0
    })
    .await;
    let (_, _, page) = get(exporter.address, "/transfers", "").await;
    for shown in [
        "<span class=\"words warn\">no trusted host key</span>",
        "<span class=\"words warn\">no logging role</span>",
        "<dt>URL</dt><dd><bdi>none</bdi></dd>",
        "<dt>Egress addresses</dt><dd><bdi>none</bdi></dd>",
        "<dt>Secret version stages</dt><dd><bdi>AWSCURRENT</bdi></dd>",
        "<dt>Logging role</dt><dd><bdi>none</bdi></dd>",
    ] {
        assert!(page.contains(shown), "`{shown}` is not in {page}");
    }
    assert!(!page.contains(">ACTIVE<"), "{page}");
    exporter.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_there_at_once_after_a_restart_unless_connectors_are_no_longer_listed() {
    let (simulator, url) = simulator(Settings::default()).await;
    add_acme(&simulator, ConnectorSpec::default());
    let folder = tempfile::tempdir().unwrap();
    let options = || Options {
        storage: Some(folder.path().to_owned()),
        ..Options::default()
    };
    let acme = |scrape: &Exposition| scrape.sum(INFO, &["name=\"acme\"", "team=\"payments\""]);
    let exporter = Exporter::start_with(listing(&url), options()).await;
    scrape_until(&exporter, |scrape| acme(scrape) == 1.0).await;
    exporter.stop().await;

    simulator.set_faults(Faults {
        access_denied_operations: vec![ApiOperation::DescribeConnector],
        ..Faults::default()
    });
    let exporter = Exporter::start_with(listing(&url), options()).await;
    assert_eq!(acme(&exporter.scrape().await), 1.0);
    exporter.stop().await;

    let unlisted = plan(vec![account("prod", &url)], Vec::new());
    let exporter = Exporter::start_with(unlisted, options()).await;
    assert_eq!(exporter.scrape().await.sum(INFO, &[]), 0.0);
    exporter.stop().await;
    let exporter = Exporter::start_with(listing(&url), options()).await;
    assert_eq!(acme(&exporter.scrape().await), 0.0);
    exporter.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_tested_on_request_at_a_bounded_pace() {
    let (simulator, url) = simulator(Settings::default()).await;
    add_acme(&simulator, ConnectorSpec::default());
    let broken = ConnectorSpec {
        connection_error: Some("Authentication failed for partner.example".to_owned()),
        ..ConnectorSpec::default()
    };
    simulator.add_connector(connector(2), broken);
    let off = Exporter::start(listing(&url)).await;
    let probe = |address: SocketAddr, id: ConnectorId| async move {
        let path = format!("/probe?module=connection&connector_id={id}");
        let (status, _, body) = get(address, &path, "").await;
        (status, body)
    };
    let (status, body) = probe(off.address, connector(1)).await;
    assert_eq!(status, 404);
    assert!(body.contains("probe.connection.enabled"), "{body}");
    off.stop().await;

    let mut plan = listing(&url);
    plan.probe.connection = Some(Duration::from_mins(15));
    let exporter = Exporter::start(plan).await;
    scrape_until(&exporter, |scrape| {
        scrape.sum(INFO, &["status=\"ACTIVE\""]) == 2.0
    })
    .await;
    let (_, _, body) = get(exporter.address, "/api/v1/targets?module=connection", "").await;
    let targets: Value = serde_json::from_str(&body).unwrap();
    let labels = json!({
        "__metrics_path__": "/probe",
        "__param_module": "connection",
        "__param_account": "prod",
        "__param_connector_id": connector(1).as_str(),
        "__param_transfer_id": "",
    });
    assert_eq!(targets.as_array().unwrap().len(), 2, "{body}");
    assert_eq!(targets[0]["labels"], labels, "{body}");

    let value = |body: &str, name: &str, label: &str| {
        let parsed = Exposition::parse(body);
        let name = format!("aws_transfer_connection_{name}");
        (!parsed.family(&name).is_empty()).then(|| parsed.sum(&name, &[label]))
    };
    let (status, works) = probe(exporter.address, connector(1)).await;
    assert_eq!(status, 200);
    for (name, expected) in [
        ("up", 1.0),
        ("host_key_trusted", 1.0),
        ("failure_reason", 0.0),
    ] {
        assert_eq!(value(&works, name, ""), Some(expected), "{name}: {works}");
    }
    assert!(value(&works, "last_success_timestamp_seconds", "") > Some(1e9));
    assert!(works.contains("probe_success 1"), "{works}");
    let (_, broken) = probe(exporter.address, connector(2)).await;
    assert_eq!(value(&broken, "up", ""), Some(0.0), "{broken}");
    assert_eq!(value(&broken, "failure_reason", "login"), Some(1.0));
    assert_eq!(value(&broken, "failure_reason", ""), Some(1.0));
    assert!(!broken.contains("partner.example"), "{broken}");
    assert!(broken.contains("probe_success 0"), "{broken}");

    for _ in 0..5 {
        probe(exporter.address, connector(1)).await;
    }
    let (status, _) = probe(exporter.address, connector(3)).await;
    assert_eq!(status, 404, "clients cannot invent connectors");
    let tests = simulator.calls().of(ApiOperation::TestConnection);
    assert_eq!(tests, 2, "once for each connector");

    // A refused call says nothing about the connection.
    simulator.add_connector(connector(4), ConnectorSpec::default());
    simulator.set_faults(Faults {
        access_denied_operations: vec![ApiOperation::TestConnection],
        ..Faults::default()
    });
    scrape_until(&exporter, |scrape| {
        scrape.sum(INFO, &["status=\"ACTIVE\""]) == 3.0
    })
    .await;
    let (_, denied) = probe(exporter.address, connector(4)).await;
    assert_eq!(value(&denied, "up", ""), None, "{denied}");
    assert!(denied.contains("probe_success 0"), "{denied}");
    exporter.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_with_storage_repeats_no_test_of_a_connection() {
    let (simulator, url) = simulator(Settings::default()).await;
    let broken = ConnectorSpec {
        connection_error: Some("Connection refused".to_owned()),
        ..ConnectorSpec::default()
    };
    add_acme(&simulator, broken);
    let folder = tempfile::tempdir().unwrap();
    let mut plan = listing(&url);
    plan.probe.connection = Some(Duration::from_mins(15));
    let path = format!("/probe?module=connection&connector_id={}", connector(1));
    let mut probed = Vec::new();
    for _ in 0..4 {
        let options = Options {
            storage: Some(folder.path().to_owned()),
            ..Options::default()
        };
        let exporter = Exporter::start_with(plan.clone(), options).await;
        scrape_until(&exporter, |scrape| {
            scrape.sum(INFO, &["status=\"ACTIVE\""]) == 1.0
        })
        .await;
        let (status, _, body) = get(exporter.address, &path, "").await;
        assert_eq!(status, 200, "{body}");
        let lines = body
            .lines()
            .filter(|line| line.starts_with("aws_transfer_connection"));
        probed.push(lines.map(ToOwned::to_owned).collect::<Vec<_>>());
        exporter.stop().await;
    }
    let reason = "reason=\"host\"} 1";
    assert!(
        probed[0].iter().any(|line| line.ends_with(reason)),
        "{probed:?}"
    );
    // The duration is kept in milliseconds.
    let without_duration = |lines: &Vec<String>| {
        let lines = lines
            .iter()
            .filter(|line| !line.contains("_duration_seconds"));
        lines.cloned().collect::<Vec<_>>()
    };
    for after in &probed[1..] {
        assert_eq!(without_duration(after), without_duration(&probed[0]));
    }
    assert_eq!(simulator.calls().of(ApiOperation::TestConnection), 1);
}
