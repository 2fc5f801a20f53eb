//! TLS, client certificates, passwords, and changes of the web configuration.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_transfer_exporter::app::Options;
use aws_transfer_exporter::web::{self, ServerLimits, WebConfigState, healthcheck, listen};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use simulator::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::rustls;

use crate::rig::{Exporter, account, plan, simulator};

use super::pki::{Authority, Dialer, Folder, Pair, TLS12, TLS13};
use super::{BODY, Client, Fake, HEALTHY, METRICS, Server, get, within};

/// A bcrypt hash of `open sesame` with the lowest cost.
fn hash() -> String {
    bcrypt::hash("open sesame", 4).unwrap()
}

const TLS: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";

fn users() -> String {
    format!("basic_auth_users:\n  prometheus: {}\n", hash())
}

fn with_password(credentials: &str) -> String {
    let encoded = STANDARD.encode(credentials);
    format!("GET /metrics HTTP/1.1\r\nhost: x\r\nauthorization: Basic {encoded}\r\n\r\n")
}

async fn secured(
    fake: &Arc<Fake>,
    limits: ServerLimits,
    web_config: &Arc<WebConfigState>,
) -> Server {
    Server::of(
        "127.0.0.1:0",
        fake,
        web::Server {
            limits,
            web_config: Arc::clone(web_config),
            ..web::Server::default()
        },
    )
    .await
}

/// Returns the status of the response, or `None` if the TLS handshake fails.
async fn asked(dialer: &Dialer, address: SocketAddr, request: &str) -> Option<u16> {
    let stream = within("a handshake", dialer.dial(address)).await.ok()?;
    let mut client = Client::over(stream);
    // With TLS 1.3, the rejection of a certificate shows only on read.
    client.stream.write_all(request.as_bytes()).await.ok()?;
    if client.more().await {
        Some(client.answer(false).await.status)
    } else {
        None
    }
}

#[tokio::test]
async fn the_matrix_of_certificates_and_passwords() {
    let (ca, strangers) = (Authority::new("ours"), Authority::new("strangers"));
    let server_pair = ca.server();
    // The certificates of clients.
    let shown: [(&str, Option<Pair>); 5] = [
        ("nothing", None),
        ("prometheus", Some(ca.client("prometheus"))),
        ("grafana", Some(ca.client("grafana"))),
        ("of another CA", Some(strangers.client("prometheus"))),
        ("expired", Some(ca.expired_client("prometheus"))),
    ];
    // The client authentication, and which of the clients above are accepted.
    let types = [
        ("NoClientCert", "", [true, true, true, true, true]),
        ("RequestClientCert", "", [true, true, true, true, true]),
        ("RequireAnyClientCert", "", [false, true, true, true, true]),
        ("RequireClientCert", "", [false, true, true, true, true]),
        (
            "VerifyClientCertIfGiven",
            "  client_ca_file: ca.crt\n",
            [true, true, true, false, false],
        ),
        (
            "RequireAndVerifyClientCert",
            "  client_ca_file: ca.crt\n",
            [false, true, true, false, false],
        ),
        (
            "VerifyClientCertIfGiven",
            "  client_ca_file: ca.crt\n  client_allowed_sans: [prometheus]\n",
            [true, true, false, false, false],
        ),
        (
            "RequireAndVerifyClientCert",
            "  client_ca_file: ca.crt\n  client_allowed_sans: [other, prometheus]\n",
            [false, true, false, false, false],
        ),
    ];
    // Each request, and its status without users and with users.
    let sent = [
        (METRICS.to_owned(), 200, 401),
        (with_password("prometheus:open sesame"), 200, 200),
        (with_password("prometheus:open"), 200, 401),
        (with_password("unknown:open sesame"), 200, 401),
    ];
    for (auth, more, through) in types {
        for with_users in [false, true] {
            let users = if with_users { users() } else { String::new() };
            let config = format!("{TLS}  client_auth_type: {auth}\n{more}{users}");
            let folder = Folder::with(&server_pair, &ca.pem(), &config);
            let server = secured(&Fake::new(), ServerLimits::default(), &folder.web_config()).await;
            for ((who, pair), through) in shown.iter().zip(through) {
                for (request, open, closed) in &sent {
                    let expected = if with_users { *closed } else { *open };
                    for versions in [TLS12, TLS13] {
                        let dialer = Dialer {
                            shown: pair.clone(),
                            versions,
                            ..Dialer::trusting(&ca)
                        };
                        let status = asked(&dialer, server.address, request).await;
                        let what = format!("{config}{who}\n{request}{versions:?}");
                        assert_eq!(status, through.then_some(expected), "{what}");
                    }
                }
            }
            server.stop().await;
        }
    }
}

#[tokio::test]
async fn plain_http_requires_passwords_if_there_are_users() {
    let folder = Folder::with(&Authority::new("ours").server(), "", &users());
    let server = secured(&Fake::new(), ServerLimits::default(), &folder.web_config()).await;
    for (path, what) in [
        ("/metrics", "the metrics"),
        ("/", "the page"),
        ("/-/healthy", "health"),
        ("/x", "nothing"),
    ] {
        let answer = server.ask(&get(path)).await;
        assert_eq!(answer.status, 401, "{what}");
        let challenge = answer.header("www-authenticate");
        assert_eq!(
            challenge,
            Some("Basic realm=\"aws-transfer-exporter\", charset=\"UTF-8\""),
            "{what}"
        );
    }
    let answer = server.ask(&with_password("prometheus:open sesame")).await;
    assert_eq!((answer.status, answer.text()), (200, BODY));
}

#[tokio::test]
async fn a_self_signed_certificate_is_accepted_as_its_own_ca() {
    let ca = Authority::new("ours");
    let (pair, other) = (
        Authority::self_signed("prometheus"),
        Authority::self_signed("prometheus"),
    );
    let config =
        format!("{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n");
    let folder = Folder::with(&ca.server(), &pair.cert, &config);
    let server = secured(&Fake::new(), ServerLimits::default(), &folder.web_config()).await;
    for (shown, expected) in [(pair, Some(200)), (other, None)] {
        let dialer = Dialer {
            shown: Some(shown),
            ..Dialer::trusting(&ca)
        };
        assert_eq!(asked(&dialer, server.address, METRICS).await, expected);
    }
}

#[tokio::test]
async fn tls_versions_suites_and_protocols_follow_the_configuration() {
    let ca = Authority::new("ours");
    let pair = ca.server();
    let (both, old, new) = (rustls::ALL_VERSIONS, TLS12, TLS13);
    let suites = "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n";
    let h2 = "http_server_config:\n  http2: true\n";
    let tls12 = rustls::CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
    for (more, versions, expected) in [
        ("", both, Some((None, Some("http/1.1")))),
        (h2, both, Some((None, Some("http/1.1")))),
        ("  min_version: TLS13\n", old, None),
        (
            "  min_version: TLS13\n",
            new,
            Some((None, Some("http/1.1"))),
        ),
        ("  max_version: TLS12\n", new, None),
        (
            "  max_version: TLS12\n",
            old,
            Some((None, Some("http/1.1"))),
        ),
        (suites, old, Some((Some(tls12), Some("http/1.1")))),
        (suites, new, Some((None, Some("http/1.1")))),
        (
            "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n",
            old,
            None,
        ),
        (
            "  cipher_suites: [TLS_AES_256_GCM_SHA384]\n",
            new,
            Some((
                Some(rustls::CipherSuite::TLS13_AES_256_GCM_SHA384),
                Some("http/1.1"),
            )),
        ),
        (
            "  curve_preferences: [CurveP384]\n",
            new,
            Some((None, Some("http/1.1"))),
        ),
    ] {
        let folder = Folder::with(&pair, "", &format!("{TLS}{more}"));
        let server = secured(&Fake::new(), ServerLimits::default(), &folder.web_config()).await;
        let protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let dialer = Dialer {
            versions,
            protocols,
            ..Dialer::trusting(&ca)
        };
        let stream = within("a handshake", dialer.dial(server.address))
            .await
            .ok();
        let agreed = stream.as_ref().map(|stream| {
            let connection = stream.get_ref().1;
            let suite = connection
                .negotiated_cipher_suite()
                .map(|suite| suite.suite());
            (
                suite,
                connection
                    .alpn_protocol()
                    .map(|name| std::str::from_utf8(name).unwrap()),
            )
        });
        let expected = expected
            .map(|(suite, protocol)| (suite.or(agreed.and_then(|(suite, _)| suite)), protocol));
        assert_eq!(agreed, expected, "{more} {versions:?}");
    }
}

#[tokio::test]
async fn shutdown_answers_requests_in_flight_on_tls() {
    let ca = Authority::new("ours");
    let folder = Folder::with(&ca.server(), "", TLS);
    let fake = Fake::closed();
    let server = secured(&fake, ServerLimits::default(), &folder.web_config()).await;
    let mut second = Client::over(Dialer::trusting(&ca).dial(server.address).await.unwrap());
    second.send(METRICS).await;
    let mut first = Client::over(Dialer::trusting(&ca).dial(server.address).await.unwrap());
    first.send(METRICS).await;
    fake.wait_for_scrapes(2).await;
    let stopping = tokio::spawn(server.stop());
    fake.open.add_permits(2);
    assert_eq!(first.answer(false).await.text(), BODY);
    assert_eq!(second.answer(false).await.text(), BODY);
    within("the server stops", stopping).await.unwrap();
}

#[tokio::test]
async fn plain_http_on_a_tls_port_gets_a_400_that_says_so() {
    let folder = Folder::with(&Authority::new("ours").server(), "", TLS);
    let server = secured(&Fake::new(), ServerLimits::default(), &folder.web_config()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(HEALTHY.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // The server does not read the rest of the request, so the connection may end with a reset.
    let _ = within("an answer", stream.read_to_string(&mut answer)).await;
    assert!(
        answer.starts_with("HTTP/1.0 400 ") && answer.contains("this port speaks HTTPS"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_stuck_handshake_is_evicted_and_times_out() {
    let ca = Authority::new("ours");
    let folder = Folder::with(&ca.server(), "", TLS);
    let limits = ServerLimits {
        connections: 2,
        handshake: Duration::from_secs(2),
        ..ServerLimits::default()
    };
    let server = secured(&Fake::new(), limits, &folder.web_config()).await;
    // Only the first bytes of a handshake.
    let mut slow = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&[22, 3, 1]).await.unwrap();
        slow.push(stream);
    }
    assert_eq!(
        asked(&Dialer::trusting(&ca), server.address, METRICS).await,
        Some(200),
        "the pool is full"
    );
    for mut stream in slow {
        let mut bytes = Vec::new();
        let _ = within(
            "slow connections are closed",
            stream.read_to_end(&mut bytes),
        )
        .await;
    }
}

#[tokio::test]
async fn the_rate_limit_rejects_requests_but_not_health_checks_on_their_own_address() {
    let folder = Folder::with(
        &Authority::new("ours").server(),
        "",
        "rate_limit:\n  interval: 1h\n  burst: 3\n",
    );
    let fake = Fake::new();
    let health = listen::bind("127.0.0.1:0").await.unwrap();
    let apart = health.local_addr().unwrap();
    let web_config = folder.web_config();
    let server = web::Server {
        web_config,
        health: vec![health],
        ..web::Server::default()
    };
    let server = Server::of("127.0.0.1:0", &fake, server).await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        let answer = server.ask(METRICS).await;
        statuses.push(answer.status);
        assert_eq!(
            answer.header("retry-after"),
            (answer.status == 429).then_some("1")
        );
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    for _ in 0..5 {
        assert_eq!(Client::connect(apart).await.ask(HEALTHY).await.status, 200);
    }
}

#[tokio::test]
async fn the_health_address_serves_only_health_checks_without_authentication() {
    let ca = Authority::new("ours");
    let config = format!(
        "{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n{}",
        users()
    );
    let folder = Folder::with(&ca.server(), &ca.pem(), &config);
    let fake = Fake::new();
    let listener = listen::bind("127.0.0.1:0").await.unwrap();
    let apart = listener.local_addr().unwrap();
    let server = web::Server {
        web_config: folder.web_config(),
        health: vec![listener],
        ..web::Server::default()
    };
    let server = Server::of("127.0.0.1:0", &fake, server).await;
    for (path, status) in [
        ("/-/healthy", 200),
        ("/-/ready", 200),
        ("/", 404),
        ("/metrics", 404),
        ("/api/v1/x", 404),
    ] {
        assert_eq!(
            Client::connect(apart).await.ask(&get(path)).await.status,
            status,
            "{path}"
        );
    }
    fake.ready
        .store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(
        Client::connect(apart)
            .await
            .ask(&get("/-/ready"))
            .await
            .status,
        503
    );
    assert!(fake.scrapes.lock().unwrap().is_empty());
    healthcheck::check(&apart.to_string(), "").await.unwrap();
    assert!(
        healthcheck::check(&server.address.to_string(), "")
            .await
            .is_err()
    );
}

/// Polls until `done`.
async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !done().await {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Returns the server certificate of a new connection.
async fn certificate(dialer: &Dialer, address: SocketAddr) -> Vec<u8> {
    let stream = within("a handshake", dialer.dial(address)).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn certificates_are_reloaded_under_open_connections_and_a_broken_pair_changes_nothing() {
    let ca = Authority::new("ours");
    let (first, second) = (ca.server(), ca.server());
    let folder = Folder::with(&first, "", TLS);
    let web_config = folder.web_config();
    let server = secured(&Fake::new(), ServerLimits::default(), &web_config).await;
    let dialer = Dialer::trusting(&ca);
    let before = certificate(&dialer, server.address).await;
    let mut kept = Client::over(dialer.dial(server.address).await.unwrap());
    assert_eq!(kept.ask(METRICS).await.status, 200);
    // The new certificate, still without its key.
    folder.write("server.crt", &second.cert);
    assert!(web_config.stage().is_err());
    assert_eq!(
        certificate(&dialer, server.address).await,
        before,
        "a certificate and the key of another"
    );
    folder.write("server.key", &second.key);
    web_config.apply(web_config.stage().unwrap(), None);
    assert_ne!(
        certificate(&dialer, server.address).await,
        before,
        "the new pair"
    );
    assert_eq!(
        kept.ask(METRICS).await.status,
        200,
        "the connection of before"
    );
}

#[tokio::test]
async fn a_client_whose_ca_is_no_longer_trusted_is_disconnected() {
    let (ca, next) = (Authority::new("ours"), Authority::new("next"));
    let config =
        format!("{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n");
    let folder = Folder::with(&ca.server(), &ca.pem(), &config);
    let (fake, web_config) = (Fake::new(), folder.web_config());
    let server = secured(&fake, ServerLimits::default(), &web_config).await;
    for versions in [TLS12, TLS13] {
        folder.write("ca.crt", &ca.pem());
        web_config.apply(web_config.stage().unwrap(), None);
        let dialer = Dialer {
            shown: Some(ca.client("prometheus")),
            versions,
            ..Dialer::trusting(&ca)
        };
        let mut kept = Client::over(dialer.dial(server.address).await.unwrap());
        assert_eq!(kept.ask(METRICS).await.status, 200);
        folder.write(
            "web.yml",
            &format!("{config}http_server_config:\n  headers:\n    X-Frame-Options: deny\n"),
        );
        web_config.apply(web_config.stage().unwrap(), None);
        assert_eq!(
            kept.ask(METRICS).await.status,
            200,
            "nothing has changed for it"
        );
        folder.write("ca.crt", &next.pem());
        web_config.apply(web_config.stage().unwrap(), None);
        kept.is_closed().await;
        assert_eq!(asked(&dialer, server.address, METRICS).await, None);
    }
    folder.write("web.yml", TLS);
    web_config.apply(web_config.stage().unwrap(), None);
    let mut anybody = Client::over(Dialer::trusting(&ca).dial(server.address).await.unwrap());
    assert_eq!(anybody.ask(METRICS).await.status, 200);
    folder.write("web.yml", &config);
    web_config.apply(web_config.stage().unwrap(), None);
    anybody.is_closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_expiry_of_the_certificate_in_effect_is_exported() {
    let ca = Authority::new("ours");
    let folder = Folder::with(&ca.server_until(2100), "", TLS);
    let (_simulator, url) = simulator(Settings::default()).await;
    let options = Options {
        web_config: Some(folder.web_config()),
        ..Options::default()
    };
    let exporter =
        Exporter::start_with(plan(vec![account("prod", &url)], Vec::new()), options).await;
    let name = "aws_transfer_exporter_certificate_not_after_timestamp_seconds";
    let not_after = async || {
        let mut client = Client::over(Dialer::trusting(&ca).dial(exporter.address).await.unwrap());
        let answer = client.ask(&get(&format!("/metrics?name[]={name}"))).await;
        let line = answer
            .text()
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .unwrap()
            .to_owned();
        line.parse::<f64>().unwrap()
    };
    // The first of January 2100 and 2101, by `date -u -d 2100-01-01 +%s`.
    assert_eq!(not_after().await, 4_102_444_800.0);
    let renewed = ca.server_until(2101);
    folder.write("server.crt", &renewed.cert);
    folder.write("server.key", &renewed.key);
    until("the end of the renewed one", async || {
        not_after().await == 4_133_980_800.0
    })
    .await;
    exporter.stop().await;
}

#[tokio::test]
async fn a_changed_file_applies_to_the_next_request_and_a_broken_one_changes_nothing() {
    let folder = Folder::with(&Authority::new("ours").server(), "", &users());
    let web_config = folder.web_config();
    let server = secured(&Fake::new(), ServerLimits::default(), &web_config).await;
    let mut kept = server.client().await;
    let request = with_password("prometheus:open sesame");
    assert_eq!(kept.ask(&request).await.status, 200);
    folder.write("web.yml", "basic_auth_users:\n  prometheus: nonsense\n");
    assert!(web_config.stage().is_err());
    assert_eq!(kept.ask(&request).await.status, 200);
    folder.write("web.yml", &users().replace("prometheus", "grafana"));
    web_config.apply(web_config.stage().unwrap(), None);
    assert_eq!(kept.ask(&request).await.status, 401, "the user is gone");
    assert_eq!(
        kept.ask(&with_password("grafana:open sesame")).await.status,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_wrong_passwords_does_not_starve_cached_credentials() {
    // A verification takes some tenths of a second, so the whole flood would take minutes.
    let hash = bcrypt::hash("open sesame", 11).unwrap();
    let folder = Folder::with(
        &Authority::new("ours").server(),
        "",
        &format!("basic_auth_users:\n  prometheus: {hash}\n"),
    );
    let server = secured(&Fake::new(), ServerLimits::default(), &folder.web_config()).await;
    let good = with_password("prometheus:open sesame");
    assert_eq!(server.ask(&good).await.status, 200);
    let address = server.address;
    let flood: Vec<_> = (0..200)
        .map(|n| {
            let request = with_password(&format!("prometheus:wrong {n}"));
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.write_all(request.as_bytes()).await.unwrap();
                let mut answer = [0; 12];
                stream.read_exact(&mut answer).await.unwrap();
                String::from_utf8_lossy(&answer).into_owned()
            })
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(server.ask(&good).await.status, 200);
    }
    let mut refused = std::collections::BTreeMap::new();
    for one in flood {
        *refused
            .entry(within("an answer", one).await.unwrap())
            .or_insert(0) += 1;
    }
    // Some were verified, and some got a 429 because the queue is bounded.
    let of = |status: &str| {
        refused
            .get(&format!("HTTP/1.1 {status}"))
            .copied()
            .unwrap_or(0)
    };
    assert!(
        of("401") > 0 && of("429") > 0 && of("401") + of("429") == 200,
        "{refused:?}"
    );
}
