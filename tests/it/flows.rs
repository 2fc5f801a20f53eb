//! Flows from the configuration to metrics, page and API.

use std::time::{Duration, SystemTime};

use aws_transfer_exporter::app::{App, Options};
use aws_transfer_exporter::config::{ConfigFile, Plan};
use model::Shard;
use serde_json::Value;
use simulator::{LifeScript, Settings};

use crate::rig::{
    CREDENTIALS, Exporter, account, connector, files, get, key, plan, simulator, transfer,
};

/// A flow whose next deadline is about an hour away, and one of other files.
fn flows(url: &str) -> Plan {
    let hour = Duration::from_hours(1);
    let soon = humantime::format_rfc3339_seconds(SystemTime::now() + hour).to_string();
    let text = format!(
        "discovery: {{files: [{{paths: [/nothing/*.yml]}}]}}\n\
         flows:\n\
         - name: prices\n  connectors: [{id}]\n  paths: [\"/file-?\"]\n  \
           expect: {{by: \"{by}\", time_zone: UTC, files: 2}}\n\
         - name: others\n  connectors: [\"*\"]\n  paths: [\"/elsewhere/**\"]\n",
        id = connector(1),
        by = &soon[11..16],
    );
    let read = Plan::resolve(ConfigFile::read("test.yml", &text, &|_| None)).unwrap();
    Plan {
        flows: read.flows,
        ..plan(vec![account("prod", url)], Vec::new())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_is_on_time_in_metrics_page_and_api_and_after_a_restart() {
    let (simulator, url) = simulator(Settings::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let options = || Options {
        storage: Some(folder.path().to_owned()),
        write_api: true,
        ..Options::default()
    };
    let exporter = Exporter::start_with(flows(&url), options()).await;
    let is = |state: &str| {
        format!("aws_transfer_flow_window_state{{flow=\"prices\",state=\"{state}\"}} 1")
    };
    let (_, _, metrics) = get(exporter.address, "/metrics", "").await;
    assert!(metrics.contains(&is("waiting")), "{metrics}");
    assert!(
        metrics.contains("aws_transfer_flow_windows_total{flow=\"prices\",outcome=\"missing\"} 0")
    );
    assert!(!metrics.contains("aws_transfer_flow_window_files{flow=\"others\"}"));
    let now = SystemTime::now();
    let lives = [
        LifeScript::completed(),
        LifeScript::completed(),
        LifeScript::failed("TIMEOUT_ERROR", "late"),
    ];
    simulator.put_transfer(
        &connector(1),
        &transfer(1),
        files(lives),
        now - Duration::from_hours(2),
    );
    exporter
        .track(key("prod", &connector(1), &transfer(1)), now)
        .await;
    let expected = [
        is("on_time"),
        "aws_transfer_flow_window_files{flow=\"prices\"} 2".to_owned(),
        "aws_transfer_flow_files_finished_total{flow=\"prices\",status=\"COMPLETED\",failure_code=\"\"} 2".to_owned(),
        "aws_transfer_flow_files_finished_total{flow=\"prices\",status=\"FAILED\",failure_code=\"TIMEOUT_ERROR\"} 1".to_owned(),
        "aws_transfer_flow_unresolved_failures{flow=\"prices\"} 1".to_owned(),
        "aws_transfer_flow_unresolved_failures{flow=\"others\"} 0".to_owned(),
    ];
    let (_, _, metrics) = get(exporter.address, "/metrics", "").await;
    for line in &expected {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    let (status, _, body) = get(exporter.address, "/api/v1/flows", "").await;
    let body: Value = serde_json::from_str(&body).unwrap();
    let flow = &body["flows"][0];
    assert_eq!((status, flow["name"].as_str()), (200, Some("prices")));
    assert_eq!(flow["window"]["state"], "on_time");
    assert_eq!(flow["window"]["required_files"], 2);
    assert_eq!(body["flows"][1]["window"], Value::Null);
    let (_, _, page) = get(exporter.address, "/transfers", "").await;
    assert!(
        page.contains("<h2 id=\"flows\">") && page.contains("2 of 2"),
        "{page}"
    );
    exporter.stop().await;
    let exporter = Exporter::start_with(flows(&url), options()).await;
    let (_, _, metrics) = get(exporter.address, "/metrics", "").await;
    for line in &expected {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

#[tokio::test]
async fn one_of_several_shards_has_the_flows_of_a_connector() {
    let (_simulator, url) = simulator(Settings::default()).await;
    let mut owners = 0;
    for index in 0..2 {
        let mut plan = flows(&url);
        plan.flows.truncate(1);
        let options = Options {
            sharding: Shard::new(index, 2).unwrap().into(),
            ..Options::default()
        };
        let exporter = Exporter::start_with(plan, options).await;
        let (_, _, metrics) = get(exporter.address, "/metrics", "").await;
        owners += metrics
            .matches("\naws_transfer_flow_deadline_timestamp_seconds{")
            .count();
        let labels = format!("{{shard=\"{index}\",flow=\"prices\"}}");
        let of_shard = metrics.contains(&labels);
        assert_eq!(
            of_shard,
            metrics.contains("aws_transfer_flow_"),
            "{metrics}"
        );
        exporter.stop().await;
    }
    assert_eq!(owners, 1);
}

#[tokio::test]
async fn a_shard_refuses_flows_of_connectors_without_ids() {
    let (_simulator, url) = simulator(Settings::default()).await;
    let options = Options {
        sharding: Shard::new(0, 2).unwrap().into(),
        credentials: Some(CREDENTIALS),
        ..Options::default()
    };
    let clock = aws_transfer_exporter::app::system_clock();
    let error = Box::pin(App::new(flows(&url), options, clock)).await.err();
    let error = format!("{:#}", error.unwrap());
    assert!(
        error.contains("connector `*` of `others` is not an ID"),
        "{error}"
    );
}
