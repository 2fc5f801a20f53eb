//! Routes, negotiation and bodies.

use std::sync::atomic::Ordering;

use aws_transfer_exporter::metrics::NameFilter;
use aws_transfer_exporter::web::ServerLimits;

use super::{BODY, Fake, HEALTHY, METRICS, Server, get, started};

#[tokio::test]
async fn every_route_returns_its_content_type() {
    let (_, server) = started().await;
    for (path, kind, text) in [
        ("/", "text/html; charset=utf-8", "<code>&lt;b&gt;</code>"),
        (
            "/transfers",
            "text/html; charset=utf-8",
            "<h1>Transfers</h1>",
        ),
        ("/api/v1/transfers", "application/json", "\"transfers\":[]"),
        ("/api/v1/targets", "application/json", "[]"),
        ("/api/v1/openapi.json", "application/json", "\"openapi\""),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8", BODY),
        ("/-/healthy", "text/plain; charset=utf-8", "healthy"),
        ("/-/ready", "text/plain; charset=utf-8", "ready"),
        (
            "http://somewhere.else/metrics?x=y",
            "text/plain; version=0.0.4; charset=utf-8",
            BODY,
        ),
    ] {
        let answer = server.ask(&get(path)).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some(kind)),
            "{path}"
        );
        assert!(answer.text().contains(text), "{path}: {}", answer.text());
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_unknown_path_is_404_and_an_unsupported_method_405_with_allow() {
    let (fake, server) = started().await;
    for path in [
        "/metric",
        "/metrics/",
        "/-/reload/",
        "/probe/",
        "/favicon.ico",
        "/%6detrics",
    ] {
        for method in ["GET", "HEAD", "POST"] {
            let answer = server
                .ask(&format!("{method} {path} HTTP/1.1\r\nhost: x\r\n\r\n"))
                .await;
            assert_eq!(
                (answer.status, answer.header("allow")),
                (404, None),
                "{method} {path}"
            );
        }
    }
    for path in [
        "/",
        "/transfers",
        "/api/v1/transfers",
        "/probe",
        "/metrics",
        "/-/healthy",
        "/-/ready",
    ] {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"] {
            let answer = server
                .ask(&format!(
                    "{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{{}}"
                ))
                .await;
            assert_eq!(
                (answer.status, answer.header("allow")),
                (405, Some("GET, HEAD")),
                "{method} {path}"
            );
        }
    }
    assert!(fake.scrapes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn head_returns_the_headers_of_get_without_a_body_and_starts_no_poll() {
    let (fake, server) = started().await;
    for rest in [
        "/",
        "/metrics",
        "/metrics?name[]=up",
        "/-/healthy",
        "/-/ready",
        "/nowhere",
    ] {
        for accept in ["", "accept-encoding: gzip\r\n"] {
            let rest = format!("{rest} HTTP/1.1\r\nhost: x\r\n{accept}\r\n");
            let mut client = server.client().await;
            let head = client.ask(&format!("HEAD {rest}")).await;
            // A body would arrive before this response.
            let got = client.ask(&format!("GET {rest}")).await;
            assert_eq!(
                (head.status, &head.headers),
                (got.status, &got.headers),
                "{rest}"
            );
            assert_eq!(
                head.header("content-length"),
                Some(got.body.len().to_string().as_str()),
                "{rest}"
            );
        }
    }
    let polls: Vec<_> = fake
        .scrapes
        .lock()
        .unwrap()
        .iter()
        .map(|(_, _, poll)| *poll)
        .collect();
    assert_eq!(
        polls,
        [false, true, false, true, false, false, false, false]
    );
}

#[tokio::test]
async fn the_filter_and_the_timeout_are_passed_on_and_own_families_start_no_poll() {
    let (fake, server) = started().await;
    let own = "aws_transfer_exporter_build_info";
    for (query, filter, poll) in [
        ("", "", true),
        ("?", "", true),
        (
            "?name[]=aws_transfer_files",
            "name[]=aws_transfer_files",
            true,
        ),
        (
            "?name%5B%5D=aws_transfer_files",
            "name[]=aws_transfer_files",
            true,
        ),
        (
            "?name%5b%5d=aws%5Ftransfer_files&name[]=up",
            "name[]=aws_transfer_files&name[]=up",
            true,
        ),
        (
            "?name[]=aws_transfer_exporter_build_info",
            "name[]=aws_transfer_exporter_build_info",
            false,
        ),
        (
            "?name[]=process_open_fds&name[]=unknown",
            "name[]=process_open_fds&name[]=unknown",
            false,
        ),
        ("?name[]=", "name[]=", false),
        ("?name=up&collect[]=x", "", true),
    ] {
        let request = format!(
            "GET /metrics{query} HTTP/1.1\r\nhost: x\r\nX-Prometheus-Scrape-Timeout-Seconds: 9.5\r\n\r\n"
        );
        assert_eq!(server.ask(&request).await.status, 200);
        let (request, timeout, polled) = fake.scrapes.lock().unwrap().pop().unwrap();
        assert_eq!(
            (request.filter, timeout, polled),
            (NameFilter::from_query(filter), Some("9.5".into()), poll),
            "{query}"
        );
    }
    assert!(NameFilter::from_query(&format!("name%5B%5D={own}")).admits(own));
    server.ask(METRICS).await;
    assert_eq!(fake.scrapes.lock().unwrap().pop().unwrap().1, None);
}

#[tokio::test]
async fn format_and_encoding_are_negotiated_by_headers() {
    let (fake, server) = started().await;
    let text = "text/plain; version=0.0.4; charset=utf-8";
    let open_metrics =
        "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8";
    let protobuf = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
    for (headers, kind, encoding) in [
        ("", text, None),
        ("accept-encoding: gzip\r\n", text, Some("gzip")),
        (
            "Accept-Encoding: deflate;q=0.5, GZIP;q=0.8\r\n",
            text,
            Some("gzip"),
        ),
        (
            "accept-encoding: br\r\naccept-encoding: gzip\r\n",
            text,
            Some("gzip"),
        ),
        ("accept-encoding: zstd,gzip\r\n", text, Some("zstd")),
        ("accept-encoding: identity, gzip;q=0.5\r\n", text, None),
        ("accept-encoding: \u{fc}gzip\r\n", text, None),
        ("accept: \u{fc}\r\n", text, None),
        ("accept: application/json\r\n", text, None),
        (
            "accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8\r\n",
            open_metrics,
            None,
        ),
        (
            "accept: text/plain;q=0.5\r\nAccept: application/openmetrics-text; version=1.0.0; escaping=allow-utf-8\r\n",
            open_metrics,
            None,
        ),
        (
            "accept: application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited\r\naccept-encoding: gzip\r\n",
            protobuf,
            Some("gzip"),
        ),
    ] {
        let answer = server
            .ask(&format!(
                "GET /metrics HTTP/1.1\r\nhost: x\r\n{headers}\r\n"
            ))
            .await;
        assert_eq!(answer.header("content-type"), Some(kind), "{headers}");
        assert_eq!(answer.header("content-encoding"), encoding, "{headers}");
        assert_eq!(
            answer.header("vary"),
            Some("Accept, Accept-Encoding"),
            "{headers}"
        );
        assert_eq!(answer.text(), BODY, "{headers}");
        let (request, _, _) = fake.scrapes.lock().unwrap().pop().unwrap();
        assert_eq!(
            (
                request.format.to_string().as_str(),
                request.encoding.as_header()
            ),
            (kind, encoding),
            "{headers}"
        );
    }
}

#[tokio::test]
async fn a_streamed_body_is_chunked_and_complete() {
    let fake = Fake::answering(Some(BODY.into()), Some(10_000), 100);
    let server = Server::start(&fake, ServerLimits::default()).await;
    let mut client = server.client().await;
    let head = client.ask(&METRICS.replace("GET", "HEAD")).await;
    for _ in 0..2 {
        let answer = client.ask(METRICS).await;
        assert_eq!(
            (
                answer.header("transfer-encoding"),
                answer.header("content-length")
            ),
            (Some("chunked"), None)
        );
        let known = answer
            .headers
            .into_iter()
            .filter(|(name, _)| name != "transfer-encoding");
        assert_eq!(head.headers, known.collect());
        assert!(answer.body == BODY.repeat(10_000).as_bytes());
    }
    // HTTP/1.0 has no chunks: the body ends with the connection.
    let mut old = server.client().await;
    old.send("GET /metrics HTTP/1.0\r\n\r\n").await;
    while old.more().await {}
    assert!(
        String::from_utf8(old.bytes)
            .unwrap()
            .ends_with(&format!("\r\n\r\n{}", BODY.repeat(10_000)))
    );
}

#[tokio::test]
async fn a_failure_to_render_is_500() {
    let server = Server::start(&Fake::answering(None, None, 100), ServerLimits::default()).await;
    let answer = server.ask(METRICS).await;
    assert_eq!(
        (answer.status, answer.text()),
        (500, "failed to render the metrics\n")
    );
}

#[tokio::test]
async fn ready_is_503_while_scrapes_cannot_be_answered_and_healthy_stays_200() {
    let (fake, server) = started().await;
    fake.ready.store(false, Ordering::Relaxed);
    assert_eq!(server.ask(&get("/-/ready")).await.status, 503);
    assert_eq!(server.ask(HEALTHY).await.status, 200);
    fake.ready.store(true, Ordering::Relaxed);
    assert_eq!(server.ask(&get("/-/ready")).await.status, 200);
}

#[tokio::test]
async fn a_connection_is_kept_alive_unless_the_client_asks_to_close_it() {
    let (_, server) = started().await;
    let mut client = server.client().await;
    for _ in 0..3 {
        assert_eq!(client.ask(METRICS).await.text(), BODY);
    }
    assert_eq!(
        client
            .ask("GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await
            .text(),
        BODY
    );
    client.is_closed().await;
    let mut old = server.client().await;
    assert_eq!(old.ask("GET /metrics HTTP/1.0\r\n\r\n").await.text(), BODY);
    old.is_closed().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (_, server) = started().await;
    let mut client = server.client().await;
    client
        .send([METRICS, &get("/nowhere"), METRICS, HEALTHY].concat())
        .await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(client.answer(false).await.status);
    }
    assert_eq!(statuses, [200, 404, 200, 200]);
}

/// No route reads a body.
#[tokio::test]
async fn an_unread_body_is_not_taken_for_a_request() {
    let (_, server) = started().await;
    let hidden = "GET /-/ready HTTP/1.1\r\nhost: x\r\n\r\n";
    let length = hidden.len();
    let head = "POST /-/reload HTTP/1.1\r\nhost: x\r\n";
    for (what, request, goes_on) in [
        (
            "a body",
            format!("{head}content-length: {length}\r\n\r\n{hidden}"),
            true,
        ),
        (
            "chunks",
            format!("{head}transfer-encoding: chunked\r\n\r\n{length:x}\r\n{hidden}\r\n0\r\n\r\n"),
            true,
        ),
        (
            "a huge body that does not arrive",
            format!("{head}content-length: 1000000000000\r\n\r\n{hidden}"),
            false,
        ),
        (
            "endless chunks",
            format!("{head}transfer-encoding: chunked\r\n\r\nffffffff\r\n{hidden}"),
            false,
        ),
    ] {
        let mut client = server.client().await;
        assert_eq!(
            client.ask(&request).await.status,
            500,
            "{what}: no file to reload"
        );
        if goes_on {
            assert_eq!(client.ask(METRICS).await.text(), BODY, "{what}");
        } else {
            client.is_closed().await;
        }
    }
    let both =
        format!("{head}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}");
    let mut client = server.client().await;
    client.ask(&both).await;
    while client.more().await {}
    assert!(
        !String::from_utf8_lossy(&client.bytes).contains("is ready"),
        "two lengths"
    );
}
