//! The write API: PUT and DELETE of single transfers.

use std::time::SystemTime;

use aws_transfer_exporter::app::Options;
use serde_json::Value;
use simulator::{ApiOperation, LifeScript, Settings};

use crate::rig::{Exporter, account, ask, connector, files, get, plan, simulator, transfer};

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
        scrape.sum("aws_transfer_connector_files", &["status=\"COMPLETED\""]),
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
async fn a_failed_file_is_listed_until_somebody_acknowledges_it() {
    let (simulator, url) = simulator(Settings::default()).await;
    let lives = [
        LifeScript::failed("TIMEOUT_ERROR", "took too long"),
        LifeScript::failed("RENAME_ERROR", "no right to rename"),
    ];
    let now = SystemTime::now();
    simulator.put_transfer(&connector(1), &transfer(1), files(lives), now);
    let options = Options {
        write_api: true,
        ..Options::default()
    };
    let exporter =
        Exporter::start_with(plan(vec![account("prod", &url)], Vec::new()), options).await;
    let path = format!("/api/v1/transfers/{}/{}", connector(1), transfer(1));
    assert_eq!(ask(exporter.address, "PUT", &path, "").await.0, 201);
    let unresolved = |code: &str| {
        let label = format!("failure_code=\"{code}\"");
        let exporter = &exporter;
        async move {
            let scrape = exporter.scrape().await;
            scrape.sum("aws_transfer_connector_unresolved_failures", &[&label])
        }
    };
    assert_eq!(unresolved("TIMEOUT_ERROR").await, 1.0);
    let list = |query: &'static str| async move {
        let path = format!("/api/v1/failures{query}");
        let (status, body) = ask(exporter.address, "GET", &path, "").await;
        assert_eq!(status, 200, "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        let codes = body["failures"].as_array().unwrap().iter();
        let mut codes: Vec<_> = codes
            .map(|failure| failure["failure_code"].as_str().unwrap().to_owned())
            .collect();
        codes.sort();
        codes
    };
    assert_eq!(list("").await, ["RENAME_ERROR", "TIMEOUT_ERROR"]);

    let acknowledge = "/api/v1/failures/acknowledge";
    for (query, headers, status) in [
        ("", "", 400),
        ("?connector_id=c-1", "", 400),
        ("?failure_code=X", "Sec-Fetch-Site: cross-site\r\n", 403),
    ] {
        let path = format!("{acknowledge}{query}");
        let answer = ask(exporter.address, "POST", &path, headers).await;
        assert_eq!(answer.0, status, "{}", answer.1);
    }
    let path = format!(
        "{acknowledge}?connector_id={}&failure_code=TIMEOUT_ERROR",
        connector(1)
    );
    for acknowledged in [1, 0] {
        let answer = ask(exporter.address, "POST", &path, "").await;
        let body = format!("{{\"acknowledged\":{acknowledged}}}\n");
        assert_eq!(answer, (200, body));
    }
    assert_eq!(list("").await, ["RENAME_ERROR"]);
    let (_, _, page) = get(exporter.address, "/transfers", "").await;
    let (_, form) = page.split_once("<form method=\"post\" action=\"").unwrap();
    let (action, _) = form.split_once('"').unwrap();
    // Relative to the page.
    let action = action.strip_prefix('.').unwrap();
    assert!(action.starts_with(acknowledge), "{action}");
    assert_eq!(form.matches("action=").count(), 0, "one is unresolved");
    assert_eq!(list("?resolution=acknowledged").await, ["TIMEOUT_ERROR"]);
    assert_eq!(unresolved("TIMEOUT_ERROR").await, 0.0);
    assert_eq!(unresolved("RENAME_ERROR").await, 1.0);
    let action = action.replace("&amp;", "&").replace("&#38;", "&");
    let html = "Accept: text/html\r\n";
    assert_eq!(ask(exporter.address, "POST", &action, html).await.0, 303);
    assert_eq!(unresolved("RENAME_ERROR").await, 0.0);
    exporter.stop().await;
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
