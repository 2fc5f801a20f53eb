//! The write API: PUT and DELETE of single transfers.

use std::time::SystemTime;

use aws_transfer_exporter::app::Options;
use simulator::{ApiOperation, LifeScript, Settings};

use crate::rig::{Exporter, account, ask, connector, files, plan, simulator, transfer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orchestrator_starts_and_stops_tracking_a_transfer() {
    let (simulator, url) = simulator(Settings::default()).await;
    simulator.put_transfer(
        &connector(1),
        &transfer(1),
        files([LifeScript::completed()]),
        SystemTime::now(),
    );
    let options = Options {
        write_api: true,
        ..Options::default()
    };
    let exporter =
        Exporter::start_with(plan(vec![account("prod", &url)], Vec::new()), options).await;
    let path = format!("/api/v1/transfers/{}/{}", connector(1), transfer(1));
    let body = format!(
        "{{\"account\":null,\"connector_id\":\"{}\",\"transfer_id\":\"transfer-1\"}}\n",
        connector(1)
    );

    assert_eq!(
        ask(exporter.address, "PUT", &path, "").await,
        (201, body.clone())
    );
    assert_eq!(
        ask(exporter.address, "PUT", &path, "").await,
        (200, body.clone()),
        "repeating a request changes nothing"
    );
    let scrape = exporter.scrape().await;
    assert_eq!(
        scrape.sum("aws_transfer_exporter_transfers", &["origin=\"api\""]),
        1.0
    );
    assert_eq!(
        scrape.sum("aws_transfer_files", &["status=\"COMPLETED\""]),
        1.0
    );

    assert_eq!(
        ask(exporter.address, "DELETE", &path, "").await,
        (200, body.clone())
    );
    assert_eq!(ask(exporter.address, "DELETE", &path, "").await.0, 200);
    assert_eq!(
        exporter
            .scrape()
            .await
            .sum("aws_transfer_exporter_transfers", &["origin=\"api\""]),
        0.0
    );

    let started = format!("{path}?account=prod&started_at=2026-01-31T12:00:00Z&files=3");
    assert_eq!(ask(exporter.address, "PUT", &started, "").await.0, 201);
    for (path, headers, status) in [
        (path.replace("c-", "d-"), "", 400),
        (format!("{path}?account=lab"), "", 404),
        (format!("{path}?files=0"), "", 400),
        (path.clone(), "Sec-Fetch-Site: cross-site\r\n", 403),
    ] {
        let (answered, error) = ask(exporter.address, "PUT", &path, headers).await;
        assert_eq!(answered, status, "{path}: {error}");
        assert!(error.starts_with("{\"error\":"), "{error}");
    }
    exporter.stop().await;
    assert!(simulator.calls().of(ApiOperation::ListFileTransferResults) <= 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_write_api_is_disabled_by_default() {
    let (_simulator, url) = simulator(Settings::default()).await;
    let exporter = Exporter::start(plan(vec![account("prod", &url)], Vec::new())).await;
    let (status, body) = ask(
        exporter.address,
        "PUT",
        &format!("/api/v1/transfers/{}/a", connector(1)),
        "",
    )
    .await;
    assert_eq!(status, 403);
    assert!(body.contains("--web.enable-write-api"), "{body}");
    assert_eq!(
        exporter
            .scrape()
            .await
            .sum("aws_transfer_exporter_transfers", &[]),
        0.0
    );
    exporter.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accepted_change_survives_a_restart() {
    let (simulator, url) = simulator(Settings::default()).await;
    simulator.put_transfer(
        &connector(1),
        &transfer(1),
        files([LifeScript::stuck_queued()]),
        SystemTime::now(),
    );
    let folder = tempfile::tempdir().unwrap();
    let path = format!("/api/v1/transfers/{}/{}", connector(1), transfer(1));
    for expected in [0.0, 1.0] {
        let options = Options {
            write_api: true,
            storage: Some(folder.path().to_owned()),
            ..Options::default()
        };
        let exporter =
            Exporter::start_with(plan(vec![account("prod", &url)], Vec::new()), options).await;
        let known = exporter
            .scrape()
            .await
            .sum("aws_transfer_exporter_transfers", &["origin=\"api\""]);
        assert_eq!(known, expected);
        assert!(matches!(
            ask(exporter.address, "PUT", &path, "").await.0,
            200 | 201
        ));
        exporter.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_beyond_a_limit_is_refused() {
    let (_simulator, url) = simulator(Settings::default()).await;
    let options = Options {
        write_api: true,
        ..Options::default()
    };
    let mut plan = plan(vec![account("prod", &url)], Vec::new());
    plan.limits.transfers = 3;
    plan.limits.connectors = 2;
    let exporter = Exporter::start_with(plan, options).await;
    let path = |c: usize, t: usize| format!("/api/v1/transfers/{}/{}", connector(c), transfer(t));
    let put = async |c, t| ask(exporter.address, "PUT", &path(c, t), "").await;
    for (c, t) in [(1, 1), (2, 2)] {
        assert_eq!(put(c, t).await.0, 201);
    }
    let (status, body) = put(3, 3).await;
    assert!(
        status == 429 && body.contains("limits.connectors"),
        "{body}"
    );
    assert_eq!(put(1, 3).await.0, 201);
    let (status, body) = put(1, 4).await;
    assert!(status == 429 && body.contains("limits.transfers"), "{body}");
    assert_eq!(put(1, 1).await.0, 200, "known");
    assert_eq!(
        ask(exporter.address, "DELETE", &path(1, 1), "").await.0,
        200
    );
    assert_eq!(put(1, 4).await.0, 201, "there is room");
    let scrape = exporter.scrape().await;
    for limit in ["limit=\"transfers\"", "limit=\"connectors\""] {
        let refused = scrape.sum("aws_transfer_exporter_limit_exceeded_total", &[limit]);
        assert_eq!(refused, 1.0, "{limit}");
    }
    exporter.stop().await;
}
