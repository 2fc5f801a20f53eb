//! Exporters that share the transfers by shards.

use std::collections::BTreeMap;
use std::time::SystemTime;

use aws_transfer_exporter::app::Options;
use model::Shard;
use simulator::{ApiOperation, LifeScript, Settings};

use crate::program::{output, program, text};
use crate::rig::{Exporter, account, connector, files, key, plan, simulator, transfer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_shards_export_the_same_as_one_exporter_with_as_many_calls() {
    let (simulator, url) = simulator(Settings::default()).await;
    for n in 0..90 {
        let life = if n % 5 == 0 {
            LifeScript::failed("TIMEOUT_ERROR", "late")
        } else {
            LifeScript::completed()
        };
        simulator.put_transfer(
            &connector(n % 3),
            &transfer(n),
            files([life]),
            SystemTime::now(),
        );
    }
    let pairs: Vec<_> = (0..90)
        .map(|n| key("prod", &connector(n % 3), &transfer(n)))
        .collect();
    let whole = Exporter::start(plan(vec![account("prod", &url)], pairs.clone())).await;
    let expected = whole.scrape().await;

    simulator.reset_calls();
    let mut files_of_all: BTreeMap<String, f64> = BTreeMap::new();
    let mut sums_of_all: BTreeMap<String, f64> = BTreeMap::new();
    for index in 0..3 {
        let options = Options {
            sharding: Shard::new(index, 3).unwrap().into(),
            ..Options::default()
        };
        let exporter =
            Exporter::start_with(plan(vec![account("prod", &url)], pairs.clone()), options).await;
        let scrape = exporter.scrape().await;
        let of_shard = scrape.family("aws_transfer_files");
        let transfers = of_shard.len() / 4;
        assert!(
            (15..=45).contains(&transfers),
            "shard {index} has {transfers} of 90"
        );
        let label = format!("shard=\"{index}\",");
        for (series, value) in of_shard {
            assert!(series.contains(&label), "{series}");
            assert_eq!(
                files_of_all.insert(series.replace(&label, ""), value),
                None,
                "{series} in two shards"
            );
        }
        for (series, value) in scrape.family("aws_transfer_connector_files") {
            *sums_of_all.entry(series.replace(&label, "")).or_default() += value;
        }
        exporter.stop().await;
    }
    let borrowed =
        |all: &BTreeMap<String, f64>| all.iter().map(|(s, v)| (s.clone(), *v)).collect::<Vec<_>>();
    let expected_series = |family| {
        expected
            .family(family)
            .into_iter()
            .map(|(s, v)| (s.to_owned(), v))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        borrowed(&files_of_all),
        expected_series("aws_transfer_files")
    );
    assert_eq!(
        borrowed(&sums_of_all),
        expected_series("aws_transfer_connector_files")
    );
    assert_eq!(
        simulator.calls().of(ApiOperation::ListFileTransferResults),
        90
    );
    whole.stop().await;
}

#[test]
fn invalid_shards_are_usage_errors() {
    for (flags, expected) in [
        (
            &["--shard.index=3", "--shard.total=3"][..],
            "must be 0 to 2",
        ),
        (&["--shard.index=1"], "--shard.index=1 --shard.total=1"),
        (&["--shard.total=0"], "--shard.total"),
        (&["--shard.index=first"], "from-hostname"),
    ] {
        let ended = output(program().args(flags));
        let stderr = text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{flags:?}: {stderr}");
        assert!(stderr.contains(expected), "{flags:?}: {stderr}");
    }
}
