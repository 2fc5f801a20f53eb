//! Pages of an attacker whose name resolves to the exporter (DNS rebinding), and requests with
//! several hosts or origins.

use std::net::SocketAddr;

use aws_transfer_exporter::web::{self, ServerLimits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::program::{Running, config, program};
use crate::web::{Fake, Server};

const TRANSFER: &str = "/api/v1/transfers/c-0123456789abcdef0/t";
const FOREIGN: [&str; 8] = [
    "evil.example",
    "evil.example:10922",
    "EVIL.example.",
    "localhost.evil.example:10922",
    "127.0.0.1.evil.example",
    "127.0.0.1.nip.io:10922",
    "exporter.example.evil.example",
    "svc.evil.com",
];
const OWN: [&str; 8] = [
    "127.0.0.1:10922",
    "[::1]:10922",
    "localhost",
    "LOCALHOST:10922",
    "exporter:10922",
    "exporter.monitoring.svc:10922",
    "exporter.monitoring.svc.cluster.local.",
    "Exporter.example:10922",
];
const ROUTES: [(&str, &str); 9] = [
    ("GET", "/"),
    ("GET", "/metrics"),
    ("GET", "/transfers"),
    ("GET", "/api/v1/transfers"),
    ("GET", "/nowhere"),
    ("GET", "/-/healthy"),
    ("PUT", TRANSFER),
    ("DELETE", TRANSFER),
    ("POST", "/-/reload"),
];

/// Returns status and body of the response to a request with these headers.
async fn ask(address: SocketAddr, method: &str, path: &str, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    let status = response.split(' ').nth(1).unwrap().parse().unwrap();
    let body = response.split_once("\r\n\r\n").unwrap().1.to_owned();
    (status, body)
}

async fn server(hosts: Option<Vec<String>>) -> Server {
    let server = web::Server {
        hosts,
        limits: ServerLimits::default(),
        ..web::Server::default()
    };
    Server::of("127.0.0.1:0", &Fake::new(), server).await
}

#[tokio::test]
async fn a_page_of_another_name_reaches_no_route() {
    let server = server(Some(vec!["exporter.example".into()])).await;
    for (method, path) in ROUTES {
        for host in FOREIGN {
            let own_page = format!("host: {host}\r\norigin: http://{host}\r\n");
            for headers in [own_page, format!("Host:{host}\r\n")] {
                let (status, body) = ask(server.address, method, path, &headers).await;
                assert_eq!(status, 403, "{method} {path} {headers}");
                assert!(body.starts_with("403 forbidden: not a host"), "{body}");
                assert!(!body.contains("evil"), "{body}");
            }
        }
        // A target with a host is that host.
        let target = format!("http://evil.example{path}");
        let (status, _) = ask(server.address, method, &target, "host: localhost\r\n").await;
        assert_eq!(status, 403, "{method} {target}");
        for host in OWN {
            let (status, body) =
                ask(server.address, method, path, &format!("host: {host}\r\n")).await;
            assert!(!body.contains("not a host"), "{method} {path} {host}");
            assert_ne!(status, 400, "{method} {path} {host}");
        }
    }
}

#[tokio::test]
async fn without_routes_that_write_every_name_is_served() {
    let server = server(None).await;
    for host in FOREIGN {
        let headers = format!("host: {host}\r\n");
        assert_eq!(
            ask(server.address, "GET", "/metrics", &headers).await.0,
            200
        );
    }
}

#[tokio::test]
async fn a_request_with_two_hosts_or_none_is_malformed() {
    for hosts in [None, Some(Vec::new())] {
        let server = server(hosts).await;
        for (method, path) in ROUTES {
            for headers in [
                "",
                "host: localhost\r\nhost: localhost\r\n",
                "host: localhost\r\nhost: evil.example\r\n",
                "host: evil.example\r\nHost: localhost\r\n",
                "host: \r\nhost: localhost\r\n",
                "host: localhost, localhost\r\n",
                "host: localhost@evil.example\r\n",
                "host: localhost/\r\n",
                "host: local host\r\n",
            ] {
                let (status, _) = ask(server.address, method, path, headers).await;
                assert_eq!(status, 400, "{method} {path} {headers:?}");
            }
        }
    }
}

#[tokio::test]
async fn every_origin_has_to_be_that_of_the_host() {
    let server = server(None).await;
    let own = "origin: http://localhost:10922\r\n";
    for (method, path) in [
        ("PUT", TRANSFER),
        ("DELETE", TRANSFER),
        ("POST", "/-/reload"),
    ] {
        for other in [
            "origin: http://evil.example\r\n",
            "Origin: null\r\n",
            "origin: \r\n",
            "origin: http://localhost:10922, http://evil.example\r\n",
            "origin: http://localhost\r\n",
            "sec-fetch-site: cross-site\r\n",
            "sec-fetch-site: same-origin\r\nsec-fetch-site: same-site\r\n",
        ] {
            for origins in [
                format!("{own}{other}"),
                format!("{other}{own}"),
                other.into(),
            ] {
                let headers = format!("host: localhost:10922\r\n{origins}");
                let (status, body) = ask(server.address, method, path, &headers).await;
                assert_eq!(status, 403, "{method} {path} {headers}");
                assert!(body.contains("cross-site"), "{body}");
            }
        }
        let headers = format!("host: localhost:10922\r\n{own}{own}");
        let (_, body) = ask(server.address, method, path, &headers).await;
        assert!(!body.contains("cross-site"), "{method} {path} {body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_reload_reveals_nothing_of_the_configuration() {
    let good = "accounts:\n  - name: a\n    region: eu-central-1\n    endpoint_url: http://127.0.0.1:9\n\
                transfers:\n  - connector_id: c-0123456789abcdef0\n    transfer_id: t\n";
    let (_folder, file) = config(good);
    let exporter = Running::start(program().args([
        format!("--config.file={}", file.display()),
        "--web.listen-address=127.0.0.1:0".into(),
        "--web.enable-lifecycle".into(),
        "--config.auto-reload-interval=0s".into(),
    ]));
    for bad in [
        "collector:\n  timeout: hush-value\n",
        "collector:\n  concurrency: hush-value\n",
        "hush-key: 1\n",
        "collector:\n  hush-key: 1\n",
        "discovery:\n  events:\n    - queue_url: hush-value\n",
        "connectors:\n  - id: hush-value\n",
        "x: [hush-value\n",
        "hush-value\n",
        "metrics:\n  keep_settled: 1\n  hush-value: {\n",
    ] {
        std::fs::write(&file, format!("{good}{bad}")).unwrap();
        let (status, body) =
            ask(exporter.address, "POST", "/-/reload", "host: localhost\r\n").await;
        assert_eq!(status, 500, "{bad}: {body}");
        assert!(!body.contains("hush"), "{bad}: {body}");
        assert!(body.contains("exporter.yml:"), "{bad}: {body}");
        exporter.wait_for("event=config_reload_failed", "event=config_reload_failed");
    }
    // The flag has turned on the check of hosts.
    let (status, _) = ask(
        exporter.address,
        "GET",
        "/metrics",
        "host: evil.example\r\n",
    )
    .await;
    assert_eq!(status, 403);
    exporter.terminate();
}
