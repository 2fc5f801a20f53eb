//! Discovery of connectors over HTTP.

use std::time::{Duration, SystemTime};

use aws_transfer_exporter::config::{ConnectorsPlan, DiscoveryPlan, Plan};
use model::AccountName;
use simulator::{Faults, LifeScript, Settings};

use crate::rig::{Exporter, account, connector, files, plan, simulator, transfer};

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
    let source = ConnectorsPlan {
        account: AccountName::new("prod"),
        refresh_interval: Duration::from_millis(10),
        include: Vec::new(),
    };
    let discovery = DiscoveryPlan {
        connectors: vec![source],
        ..DiscoveryPlan::default()
    };
    let exporter = Exporter::start(Plan {
        discovery,
        ..plan(vec![account("prod", &url)], Vec::new())
    })
    .await;
    let attempts = "aws_transfer_exporter_api_requests_total";
    let mut last = exporter.scrape().await;
    for _ in 0..300 {
        let throttled = |operation: &str| {
            let operation = format!("operation=\"{operation}\"");
            last.sum(attempts, &[&operation, "outcome=\"throttled\""])
        };
        let info = last.sum(
            "aws_transfer_connector_info",
            &["status=\"ACTIVE\"", "url=\"sftp://"],
        );
        if info > 0.0 && throttled("ListConnectors") > 0.0 && throttled("DescribeConnector") > 0.0 {
            return exporter.stop().await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        last = exporter.scrape().await;
    }
    panic!("not exported: {:#?}", last.family(attempts));
}
