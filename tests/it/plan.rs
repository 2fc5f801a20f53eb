//! `plan`: what it predicts is what is counted.

use std::time::SystemTime;

use serde_json::Value;
use simulator::{ApiOperation, LifeScript, Settings};
use tokio::task::spawn_blocking;

use crate::program::{Running, config, config_text, output, program, signing_program, text};
use crate::rig::{Exposition, connector, files, get, simulator, transfer};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_scrape_makes_the_calls_and_has_the_series_that_were_predicted() {
    for (says, transfers, connectors, files_each) in [
        ("One of each.", 1, 1, 1),
        ("Some of several connectors.", 12, 3, 10),
        ("More files than a page holds.", 7, 2, 25),
    ] {
        let (simulator, url) = simulator(Settings::default()).await;
        let mut pairs = Vec::new();
        for n in 0..transfers {
            let of = connector(1 + n % connectors);
            let lives = (0..files_each).map(|_| LifeScript::stuck_queued());
            simulator.put_transfer(&of, &transfer(n), files(lives), SystemTime::now());
            pairs.push((of.to_string(), transfer(n).to_string()));
        }
        let (_folder, file) = config(&config_text(&url, &pairs));
        let flag = format!("--config.file={}", file.display());
        let planned = {
            let args = [
                "plan".to_owned(),
                flag.clone(),
                "--output=json".into(),
                format!("--files={files_each}"),
            ];
            spawn_blocking(move || output(program().args(args)))
                .await
                .unwrap()
        };
        let planned: Value = serde_json::from_slice(&planned.stdout).unwrap();
        let forecast = &planned["forecast"];
        assert_eq!(
            simulator.calls().of(ApiOperation::ListFileTransferResults),
            0,
            "{says} `plan` calls nothing"
        );

        let exporter =
            Running::start(signing_program().args([&flag, "--web.listen-address=127.0.0.1:0"]));
        let exposition = Exposition::parse(&get(exporter.address, "/metrics", "").await.2);
        let calls = simulator.calls().of(ApiOperation::ListFileTransferResults);
        assert_eq!(
            forecast["accounts"][0]["calls_first_scrape"], calls,
            "{says}"
        );
        let is_state = |series: &&String| {
            series.starts_with("aws_transfer_") && !series.starts_with("aws_transfer_exporter_")
        };
        assert_eq!(
            forecast["series"],
            exposition.0.keys().filter(is_state).count(),
            "{says}"
        );
        exporter.terminate();
    }
}

#[test]
fn the_policy_is_printed_alone_or_by_who_is_to_have_it() {
    let pair = (connector(1).to_string(), transfer(1).to_string());
    let (_folder, file) = config(&config_text("http://127.0.0.1:1", &[pair]));
    let flag = format!("--config.file={}", file.display());
    let printed = output(program().args(["plan", "--iam-policy", &flag]));
    let policy: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(
        policy["Statement"][0]["Action"],
        "transfer:ListFileTransferResults"
    );
    let table = text(&output(program().args(["plan", &flag])).stdout);
    for line in [
        "account prod: 1 transfer on 1 connector\n",
        "series of AWS state: 40, at most 44",
    ] {
        assert!(table.contains(line), "{table}");
    }
    let bad = output(program().args(["plan", &flag, "--latency=0s"]));
    assert_eq!(bad.status.code(), Some(2));
}
