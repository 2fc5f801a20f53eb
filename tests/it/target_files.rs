//! Transfers listed in files.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime};

use aws_transfer_exporter::app::Options;
use aws_transfer_exporter::config::{ConfigFile, DiscoveryPlan, FilesPlan, Plan};
use model::{AccountName, Shard};
use simulator::{LifeScript, Settings};

use crate::rig::{Exporter, Exposition, account, connector, files, plan, simulator, transfer};

fn discovering(url: &str, path: &Path) -> Plan {
    let source = FilesPlan {
        account: Some(AccountName::new("prod")),
        paths: vec![
            path.join("*.yml").display().to_string(),
            path.join("*.json").display().to_string(),
        ],
        refresh_interval: Duration::from_millis(50),
    };
    let discovery = DiscoveryPlan {
        files: vec![source],
        ..DiscoveryPlan::default()
    };
    Plan {
        discovery,
        ..plan(vec![account("prod", url)], Vec::new())
    }
}

fn listed(numbers: &[usize]) -> String {
    let ids: Vec<_> = numbers.iter().map(|n| transfer(*n).to_string()).collect();
    format!(
        "- connector_id: {}\n  transfer_ids: [{}]\n",
        connector(1),
        ids.join(", ")
    )
}

fn tracked(scrape: &Exposition) -> f64 {
    scrape.sum("aws_transfer_exporter_transfers", &["origin=\"files\""])
}

/// Scrapes until `transfers` transfers from files are tracked.
async fn until(exporter: &Exporter, transfers: f64) -> Exposition {
    for _ in 0..200 {
        let scrape = exporter.scrape().await;
        if (tracked(&scrape) - transfers).abs() < 0.1 {
            return scrape;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!(
        "not {transfers} transfers after 5 s, but {}",
        tracked(&exporter.scrape().await)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_files_are_applied_and_an_invalid_one_keeps_its_transfers() {
    let (simulator, url) = simulator(Settings::default()).await;
    for n in 0..10 {
        simulator.put_transfer(
            &connector(1),
            &transfer(n),
            files([LifeScript::completed()]),
            SystemTime::now(),
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("a.yml"), listed(&[0, 1, 2])).unwrap();
    let exporter = Exporter::start(discovering(&url, folder.path())).await;

    let first = exporter.scrape().await;
    assert_eq!(
        tracked(&first),
        3.0,
        "files are read before the first scrape"
    );
    assert_eq!(
        first.sum("aws_transfer_connector_files", &["status=\"COMPLETED\""]),
        3.0
    );
    let up = |scrape: &Exposition| {
        scrape.sum("aws_transfer_exporter_discovery_up", &["source=\"files\""])
    };
    assert_eq!(up(&first), 1.0);
    assert_eq!(
        first.sum(
            "aws_transfer_exporter_discovery_transfers_total",
            &["source=\"files\""]
        ),
        3.0
    );

    let json = format!(
        "[{{\"connector_id\": \"{}\", \"transfer_id\": \"{}\"}}]",
        connector(1),
        transfer(3)
    );
    fs::write(at("b.json"), json).unwrap();
    until(&exporter, 4.0).await;

    fs::write(at("a.yml"), "- connector_id: c-1\n").unwrap();
    let mut bad = exporter.scrape().await;
    for _ in 0..100 {
        if up(&bad) < 1.0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
        bad = exporter.scrape().await;
    }
    assert_eq!(
        (up(&bad), tracked(&bad)),
        (0.0, 4.0),
        "the last valid transfers are kept"
    );

    fs::write(at("a.yml"), listed(&[2, 4, 5, 6])).unwrap();
    let repaired = until(&exporter, 5.0).await;
    assert_eq!(up(&repaired), 1.0);
    fs::remove_file(at("b.json")).unwrap();
    until(&exporter, 4.0).await;
    exporter.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swapped_links_of_a_mounted_config_map_are_noticed() {
    let (simulator, url) = simulator(Settings::default()).await;
    for n in 0..3 {
        simulator.put_transfer(
            &connector(1),
            &transfer(n),
            files([LifeScript::stuck_queued()]),
            SystemTime::now(),
        );
    }
    // A mounted ConfigMap: `targets.yml` -> `..data/targets.yml`, `..data` -> a directory named by
    // the time.
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let write = |version: &str, numbers: &[usize]| {
        fs::create_dir(at(version)).unwrap();
        fs::write(at(version).join("targets.yml"), listed(numbers)).unwrap();
        symlink(version, at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
    };
    write("..2026_01_01", &[0]);
    symlink("..data/targets.yml", at("targets.yml")).unwrap();
    let exporter = Exporter::start(discovering(&url, folder.path())).await;
    assert_eq!(tracked(&exporter.scrape().await), 1.0);
    write("..2026_01_02", &[0, 1, 2]);
    fs::remove_dir_all(at("..2026_01_01")).unwrap();
    until(&exporter, 3.0).await;
    exporter.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_with_a_flow_tracks_the_listed_transfers_that_other_shards_had() {
    let (_simulator, url) = simulator(Settings::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let numbers: Vec<_> = (0..10).collect();
    fs::write(folder.path().join("a.yml"), listed(&numbers)).unwrap();
    let text = format!(
        "discovery: {{files: [{{paths: [/nothing/*.yml]}}]}}\n\
         flows: [{{name: prices, connectors: [{}], paths: [\"/**\"]}}]\n",
        connector(1)
    );
    let read = Plan::resolve(ConfigFile::read("test.yml", &text, &|_| None)).unwrap();
    let mut of_shards = Vec::new();
    for index in 0..2 {
        let options = Options {
            sharding: Shard::new(index, 2).unwrap().into(),
            ..Options::default()
        };
        let before = discovering(&url, folder.path());
        let exporter = Exporter::start_with(before.clone(), options).await;
        let divided = tracked(&exporter.scrape().await);
        let with_flow = Plan {
            flows: read.flows.clone(),
            ..before
        };
        let reload = exporter.app.reload_config(with_flow, None, true);
        Box::pin(reload).await.unwrap();
        of_shards.push((divided, tracked(&exporter.scrape().await)));
        exporter.stop().await;
    }
    let [(a, all_of_a), (b, all_of_b)] = of_shards[..] else {
        unreachable!()
    };
    assert!(a > 0.0 && b > 0.0, "{a} and {b}");
    assert_eq!(a + b, 10.0);
    assert_eq!(
        (all_of_a.max(all_of_b), all_of_a.min(all_of_b)),
        (10.0, 0.0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_keeps_the_state_of_files_that_it_has_read() {
    let (_simulator, url) = simulator(Settings::default()).await;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.yml"), listed(&[0])).unwrap();
    let mut wanted = discovering(&url, folder.path());
    wanted.discovery.files[0].refresh_interval = Duration::from_hours(1);
    let exporter = Exporter::start(wanted.clone()).await;
    wanted.discovery.files[0].refresh_interval = Duration::from_hours(2);
    let reload = |plan| exporter.app.reload_config(plan, None, true);
    reload(wanted.clone()).await.unwrap();
    let up = "aws_transfer_exporter_discovery_up";
    assert_eq!(exporter.scrape().await.sum(up, &[]), 1.0);
    wanted.discovery.files.clear();
    reload(wanted).await.unwrap();
    assert_eq!(exporter.scrape().await.family(up).len(), 0);
    exporter.stop().await;
}
