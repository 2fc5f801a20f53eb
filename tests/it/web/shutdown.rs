//! Shutdown, listeners and the health check.

use std::net::SocketAddr;
use std::time::Duration;

use aws_transfer_exporter::web::{self, ServerLimits, healthcheck, listen};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::{BODY, Client, Fake, HEALTHY, LARGE, METRICS, Server, get, started, within};

#[tokio::test]
async fn shutdown_answers_scrapes_in_flight_closes_other_connections_and_refuses_new_ones() {
    let fake = Fake::closed();
    let server = Server::start(&fake, ServerLimits::default()).await;
    let mut scraper = server.client().await;
    let (mut fresh, mut half, mut kept) = (
        server.client().await,
        server.client().await,
        server.client().await,
    );
    kept.ask(HEALTHY).await;
    half.send("GET /metrics HTTP/1.1\r\nhos").await;
    scraper.send(METRICS).await;
    fake.wait_for_scrapes(1).await;
    let Server {
        address,
        stop,
        ended,
    } = server;
    stop.send(()).unwrap();
    fresh.is_closed().await;
    kept.is_closed().await;
    half.is_closed().await;
    assert!(
        within("a refused connection", TcpStream::connect(address))
            .await
            .is_err()
    );
    assert!(!ended.is_finished());
    fake.open.add_permits(1);
    let answer = scraper.answer(false).await;
    assert_eq!(
        (answer.text(), answer.header("connection")),
        (BODY, Some("close"))
    );
    scraper.is_closed().await;
    within("the server stops", ended).await.unwrap();
}

#[tokio::test]
async fn a_request_whose_head_began_before_shutdown_is_answered() {
    let (_, server) = started().await;
    let mut client = server.client().await;
    let (begin, rest) = METRICS.split_at(10);
    client.send(begin).await;
    assert_eq!(server.ask(HEALTHY).await.status, 200);
    let Server { stop, ended, .. } = server;
    stop.send(()).unwrap();
    client.send(rest).await;
    assert_eq!(client.answer(false).await.text(), BODY);
    within("the server stops", ended).await.unwrap();
}

#[tokio::test]
async fn shutdown_ends_within_the_grace_with_stuck_clients() {
    let fake = Fake::with(vec![b'x'; LARGE], 1);
    let grace = Duration::from_millis(700);
    let server = Server::start(
        &fake,
        ServerLimits {
            grace,
            ..ServerLimits::default()
        },
    )
    .await;
    let (mut never_reads, mut never_answered) = (server.client().await, server.client().await);
    never_reads.send(METRICS).await;
    fake.wait_for_scrapes(1).await;
    never_answered.send(METRICS).await;
    fake.wait_for_scrapes(1).await;
    let start = std::time::Instant::now();
    server.stop().await;
    assert!(
        start.elapsed() >= grace && start.elapsed() < grace + Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    never_answered.is_closed().await;
    within("the scrape is cancelled", fake.dropped.acquire())
        .await
        .unwrap()
        .forget();
}

#[tokio::test]
async fn an_idle_server_shuts_down_at_once() {
    let (_, server) = started().await;
    let mut kept = server.client().await;
    kept.ask(METRICS).await;
    let start = std::time::Instant::now();
    server.stop().await;
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    kept.is_closed().await;
}

#[tokio::test]
async fn a_listen_address_without_a_host_covers_ipv4_and_ipv6() {
    let fake = Fake::new();
    let six = Server::at("[::1]:0", &fake, ServerLimits::default()).await;
    assert!(six.address.is_ipv6());
    assert_eq!(six.ask(METRICS).await.text(), BODY);
    let both = Server::at(":0", &fake, ServerLimits::default()).await;
    for host in ["127.0.0.1", "::1"] {
        let address = SocketAddr::new(host.parse().unwrap(), both.address.port());
        assert_eq!(
            Client::connect(address).await.ask(METRICS).await.text(),
            BODY,
            "{host}"
        );
    }
}

#[tokio::test]
async fn every_listener_serves_the_configured_telemetry_path() {
    let listeners = vec![
        listen::bind("127.0.0.1:0").await.unwrap(),
        listen::bind("127.0.0.1:0").await.unwrap(),
    ];
    let addresses: Vec<_> = listeners
        .iter()
        .map(|listener| listener.local_addr().unwrap())
        .collect();
    let (stop, stopped) = oneshot::channel::<()>();
    let ended =
        tokio::spawn(
            web::Server::default().run(listeners, Fake::new(), "/m".into(), async {
                let _ = stopped.await;
            }),
        );
    for address in addresses {
        assert_eq!(
            Client::connect(address).await.ask(&get("/m")).await.text(),
            BODY
        );
        assert_eq!(
            Client::connect(address).await.ask(METRICS).await.status,
            404
        );
        assert!(
            Client::connect(address)
                .await
                .ask(&get("/"))
                .await
                .text()
                .contains("<a href=\"./m\">")
        );
    }
    stop.send(()).unwrap();
    within("the server stops", ended).await.unwrap();
}

#[tokio::test]
async fn the_health_check_succeeds_only_while_the_exporter_runs() {
    let (_, server) = started().await;
    let port = server.address.port();
    healthcheck::check(&format!("127.0.0.1:{port}"), "")
        .await
        .unwrap();
    healthcheck::check(&format!(":{port}"), "").await.unwrap();
    server.stop().await;
    let error = healthcheck::check(&format!("127.0.0.1:{port}"), "")
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with(&format!("failed to connect to 127.0.0.1:{port}: ")),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_health_check_times_out() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let error = healthcheck::check(&address, "")
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(error, format!("{address} did not answer within 3 s"));
}
