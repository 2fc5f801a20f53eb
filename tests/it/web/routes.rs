//! What each request is answered with.

use std::io::Read;
use std::sync::atomic::Ordering;

use aws_transfer_exporter::metrics::NameFilter;
use aws_transfer_exporter::web::Bounds;

use super::{BODY, Fake, HEALTHY, METRICS, Server, get, started};

#[tokio::test]
async fn every_route_answers_with_its_type() {
    let (_, server) = started().await;
    for (path, kind, text) in [
        ("/", "text/html; charset=utf-8", "<p>3 transfers &lt;running&gt;</p>"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8", BODY),
        ("/-/healthy", "text/plain; charset=utf-8", "healthy"),
        ("/-/ready", "text/plain; charset=utf-8", "ready"),
        ("http://somewhere.else/metrics?x=y", "text/plain; version=0.0.4; charset=utf-8", BODY),
    ] {
        let answer = server.ask(&get(path)).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)), "{path}");
        assert!(answer.text().contains(text), "{path}: {}", answer.text());
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
}

#[tokio::test]
async fn an_unknown_path_is_404_and_a_wrong_method_405_with_allow() {
    let (fake, server) = started().await;
    for path in ["/metric", "/metrics/", "/-/reload", "/probe", "/favicon.ico", "/%6detrics"] {
        for method in ["GET", "HEAD", "POST"] {
            let answer = server.ask(&format!("{method} {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
            assert_eq!((answer.status, answer.header("allow")), (404, None), "{method} {path}");
        }
    }
    for path in ["/", "/metrics", "/-/healthy", "/-/ready"] {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"] {
            let answer =
                server.ask(&format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{{}}")).await;
            assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method} {path}");
        }
    }
    assert!(fake.scrapes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn head_has_the_headers_of_get_without_a_body_and_starts_no_sweep() {
    let (fake, server) = started().await;
    for rest in ["/", "/metrics", "/metrics?name[]=up", "/-/healthy", "/-/ready", "/nowhere"] {
        for accept in ["", "accept-encoding: gzip\r\n"] {
            let rest = format!("{rest} HTTP/1.1\r\nhost: x\r\n{accept}\r\n");
            let mut client = server.client().await;
            let head = client.ask(&format!("HEAD {rest}")).await;
            // Were there a body, it would come before this answer.
            let got = client.ask(&format!("GET {rest}")).await;
            assert_eq!((head.status, &head.headers), (got.status, &got.headers), "{rest}");
            assert_eq!(head.header("content-length"), Some(got.body.len().to_string().as_str()), "{rest}");
        }
    }
    let sweeps: Vec<_> = fake.scrapes.lock().unwrap().iter().map(|(_, _, sweep)| *sweep).collect();
    assert_eq!(sweeps, [false, true, false, true, false, false, false, false]);
}

#[tokio::test]
async fn the_filter_and_the_time_out_are_passed_on_and_own_families_need_no_sweep() {
    let (fake, server) = started().await;
    let own = "aws_transfer_exporter_build_info";
    for (query, filter, sweep) in [
        ("", "", true),
        ("?", "", true),
        ("?name[]=aws_transfer_files", "name[]=aws_transfer_files", true),
        ("?name%5B%5D=aws_transfer_files", "name[]=aws_transfer_files", true),
        ("?name%5b%5d=aws%5Ftransfer_files&name[]=up", "name[]=aws_transfer_files&name[]=up", true),
        ("?name[]=aws_transfer_exporter_build_info", "name[]=aws_transfer_exporter_build_info", false),
        ("?name[]=process_open_fds&name[]=unknown", "name[]=process_open_fds&name[]=unknown", false),
        ("?name[]=", "name[]=", false),
        ("?name=up&collect[]=x", "", true),
    ] {
        let request =
            format!("GET /metrics{query} HTTP/1.1\r\nhost: x\r\nX-Prometheus-Scrape-Timeout-Seconds: 9.5\r\n\r\n");
        assert_eq!(server.ask(&request).await.status, 200);
        let told = fake.scrapes.lock().unwrap().pop().unwrap();
        assert_eq!(told, (NameFilter::from_query(filter), Some("9.5".into()), sweep), "{query}");
    }
    assert!(NameFilter::from_query(&format!("name%5B%5D={own}")).admits(own));
    server.ask(METRICS).await;
    assert_eq!(fake.scrapes.lock().unwrap().pop().unwrap().1, None);
}

#[tokio::test]
async fn gzip_is_the_same_body_and_only_where_the_client_prefers_it() {
    let fake = Fake::with(BODY.repeat(10_000).into(), 100);
    let server = Server::start(&fake, Bounds::default()).await;
    for (accept, gzipped) in [
        ("", false),
        ("accept-encoding: gzip\r\n", true),
        ("Accept-Encoding: deflate;q=0.5, GZIP;q=0.8\r\n", true),
        ("accept-encoding: br\r\naccept-encoding: gzip\r\n", true),
        ("accept-encoding: *;q=0.1\r\n", true),
        ("accept-encoding: gzip;q=0\r\n", false),
        ("accept-encoding: gzip;q=0.0, *\r\n", false),
        ("accept-encoding: identity, gzip;q=0.5\r\n", false),
        ("accept-encoding: xgzip, gzip-not\r\n", false),
        ("accept-encoding: \r\n", false),
        ("accept-encoding: \u{fc}gzip\r\n", false),
    ] {
        let answer = server.ask(&format!("GET /metrics HTTP/1.1\r\nhost: x\r\n{accept}\r\n")).await;
        assert_eq!(answer.header("content-encoding"), gzipped.then_some("gzip"), "{accept}");
        assert_eq!(answer.header("vary"), Some("Accept-Encoding"), "{accept}");
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"), "{accept}");
        let mut body = Vec::new();
        if gzipped {
            assert!(answer.body.len() < fake.body.len() / 10, "{accept}");
            flate2::read::GzDecoder::new(answer.body.as_slice()).read_to_end(&mut body).unwrap();
        } else {
            body = answer.body;
        }
        assert!(body == fake.body, "{accept}");
    }
}

#[tokio::test]
async fn ready_is_503_while_no_scrape_can_be_answered_and_healthy_stays() {
    let (fake, server) = started().await;
    fake.ready.store(false, Ordering::Relaxed);
    assert_eq!(server.ask(&get("/-/ready")).await.status, 503);
    assert_eq!(server.ask(HEALTHY).await.status, 200);
    fake.ready.store(true, Ordering::Relaxed);
    assert_eq!(server.ask(&get("/-/ready")).await.status, 200);
}

#[tokio::test]
async fn a_connection_is_used_again_and_closed_where_the_client_wants_it() {
    let (_, server) = started().await;
    let mut client = server.client().await;
    for _ in 0..3 {
        assert_eq!(client.ask(METRICS).await.text(), BODY);
    }
    assert_eq!(client.ask("GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.text(), BODY);
    client.is_closed().await;
    let mut old = server.client().await;
    assert_eq!(old.ask("GET /metrics HTTP/1.0\r\n\r\n").await.text(), BODY);
    old.is_closed().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let (_, server) = started().await;
    let mut client = server.client().await;
    client.send([METRICS, &get("/nowhere"), METRICS, HEALTHY].concat()).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(client.answer(false).await.status);
    }
    assert_eq!(statuses, [200, 404, 200, 200]);
}
