//! Routes below a prefix, and links that hold behind a proxy.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::SystemTime;

use aws_transfer_exporter::web::{self, WebPaths};
use serde_json::Value;
use simulator::{LifeScript, Settings, Simulator};

use super::{Fake, Server, get};
use crate::program::{
    Running, config, config_text, free_address, output, program, signing_program, text,
};
use crate::rig::{self, connector, files, simulator, transfer};

/// The routes that answer GET, and a page's status for an empty exporter.
const ROUTES: [(&str, u16); 11] = [
    ("/", 200),
    ("/metrics", 200),
    ("/transfers", 200),
    ("/api/v1/transfers", 200),
    ("/api/v1/failures", 200),
    ("/api/v1/flows", 200),
    ("/api/v1/targets", 200),
    ("/api/v1/openapi.json", 200),
    ("/-/healthy", 200),
    ("/-/ready", 200),
    ("/probe", 400),
];

fn paths(external: &str, prefix: Option<&str>) -> WebPaths {
    let external = (!external.is_empty()).then(|| external.parse().unwrap());
    WebPaths::new(
        "/metrics",
        prefix.map(|path| path.parse().unwrap()),
        external,
    )
}

async fn server(paths: WebPaths) -> Server {
    Server::of_paths("127.0.0.1:0", &Fake::new(), web::Server::default(), paths).await
}

#[tokio::test]
async fn every_route_is_below_the_prefix_only() {
    for (external, prefix, expected) in [
        ("https://proxy.example.com/exporter/", None, "/exporter"),
        ("/exporter", None, "/exporter"),
        ("", Some("a/b/"), "/a/b"),
        ("https://proxy.example.com/exporter/", Some("/x"), "/x"),
    ] {
        let server = server(paths(external, prefix)).await;
        for (path, status) in ROUTES {
            let answer = server.ask(&get(&format!("{expected}{path}"))).await;
            assert_eq!(answer.status, status, "{external} {prefix:?} {path}");
            if path != "/" {
                assert_eq!(server.ask(&get(path)).await.status, 404, "{path}");
            }
        }
        for (method, path) in [
            ("PUT", "/api/v1/transfers/c-0123456789abcdef0/a/b"),
            ("DELETE", "/api/v1/transfers/c-0123456789abcdef0/a%2Fb"),
            ("POST", "/api/v1/failures/acknowledge?path=x"),
        ] {
            // Disabled, so that the ids were understood.
            let request = format!("{method} {expected}{path} HTTP/1.1\r\nhost: x\r\n\r\n");
            let answer = server.ask(&request).await;
            assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text());
            let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\n\r\n");
            assert_eq!(server.ask(&request).await.status, 404, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn the_root_and_the_prefix_lead_to_the_landing_page() {
    let server = server(paths("", Some("/a/b"))).await;
    for (path, location) in [("/", "./a/b/"), ("/a/b", "b/")] {
        for method in ["GET", "HEAD"] {
            let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\n\r\n");
            let answer = server.ask(&request).await;
            assert_eq!(
                (answer.status, answer.header("location")),
                (302, Some(location)),
                "{method} {path}"
            );
        }
        assert_eq!(resolve(path, location), "/a/b/");
    }
    assert_eq!(server.ask(&get("/a")).await.status, 404);
    // Without a prefix, the root is the landing page.
    let server = self::server(paths("https://proxy.example.com/x", Some("/"))).await;
    assert_eq!(server.ask(&get("/")).await.status, 200);
}

#[tokio::test]
async fn a_telemetry_path_at_the_root_of_the_prefix_replaces_the_landing_page() {
    let paths = WebPaths::new("/", Some("/a".parse().unwrap()), None);
    let server = server(paths).await;
    assert_eq!(server.ask(&get("/a/")).await.text(), super::BODY);
    assert_eq!(server.ask(&get("/a")).await.status, 302);
}

/// Returns the path that a relative reference names on a page, as a browser resolves it.
fn resolve(page: &str, reference: &str) -> String {
    let (page, _) = page.split_once('?').unwrap_or((page, ""));
    let mut segments: Vec<&str> = page.split('/').collect();
    segments.pop();
    let (path, rest) = match reference.find(['?', '#']) {
        Some(end) => reference.split_at(end),
        None => (reference, ""),
    };
    for segment in path.split('/') {
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    segments.join("/") + rest
}

/// Returns what the attributes of a page refer to, without anchors of the page itself.
pub(super) fn references(page: &str) -> BTreeSet<String> {
    let attributes = ["href=\"", "action=\"", "src=\""].into_iter();
    let found = attributes.flat_map(|attribute| page.split(attribute).skip(1));
    found
        .map(|rest| rest.split('"').next().unwrap().replace("&amp;", "&"))
        .filter(|reference| !reference.starts_with('#'))
        .collect()
}

/// Three transfers with failed files at an exporter with the write API and these flags.
async fn program_with(flags: &[&str]) -> (Running, Simulator, tempfile::TempDir) {
    let (simulator, url) = simulator(Settings::default()).await;
    for n in 0..30 {
        let lives = [
            LifeScript::failed("RENAME_ERROR", "no room"),
            LifeScript::stuck_queued(),
        ];
        let now = SystemTime::now();
        simulator.put_transfer(&connector(1), &transfer(n), files(lives), now);
    }
    let pair = |n| (connector(1).to_string(), transfer(n).to_string());
    let pairs: Vec<_> = (0..30).map(pair).collect();
    let (folder, file) = config(&config_text(&url, &pairs));
    let mut command = signing_program();
    command.args([
        &format!("--config.file={}", file.display()),
        "--web.listen-address=127.0.0.1:0",
        "--web.enable-write-api",
    ]);
    (Running::start(command.args(flags)), simulator, folder)
}

/// Follows every link from the landing page of a prefix: each is relative and answers below it.
async fn crawl(address: SocketAddr, prefix: &str) -> BTreeSet<String> {
    let mut next = vec![format!("{prefix}/")];
    let mut seen = BTreeSet::new();
    while let Some(path) = next.pop() {
        let (route, _) = path.split_once('#').unwrap_or((&path, ""));
        if !seen.insert(route.to_owned()) || seen.len() > 100 {
            continue;
        }
        let (status, head, body) = rig::get(address, route, "").await;
        // An acknowledgement takes POST only.
        let allowed = if route.contains("/acknowledge?") {
            405
        } else {
            200
        };
        assert_eq!(status, allowed, "{route}");
        if !head.contains("text/html") {
            continue;
        }
        for reference in references(&body) {
            assert!(reference.starts_with("./"), "{route}: {reference}");
            let target = resolve(route, &reference);
            assert!(target.starts_with(prefix), "{route}: {reference}");
            next.push(target);
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn every_link_is_relative_and_answers() {
    let mut all: Vec<BTreeSet<String>> = Vec::new();
    for (flags, prefix) in [
        (&[][..], ""),
        (
            &["--web.external-url=https://proxy.example.com/a/b/"],
            "/a/b",
        ),
    ] {
        let (exporter, _simulator, _folder) = program_with(flags).await;
        rig::get(exporter.address, &format!("{prefix}/metrics"), "").await;
        let seen = crawl(exporter.address, prefix).await;
        let strip = |path: &String| path.strip_prefix(prefix).unwrap().to_owned();
        all.push(seen.iter().map(strip).collect());
        exporter.terminate();
    }
    for route in [
        "/transfers",
        "/metrics",
        "/api/v1/openapi.json",
        "/transfers?state=stuck",
    ] {
        assert!(all[0].contains(route), "{route}: {all:?}");
    }
    for part in ["cursor=", "acknowledge?", "search="] {
        assert!(all[0].iter().any(|path| path.contains(part)), "{part}");
    }
    // Cursors name times.
    let stable = |paths: &BTreeSet<String>| -> BTreeSet<String> {
        let paths = paths.iter().filter(|path| !path.contains("cursor="));
        paths.cloned().collect()
    };
    assert_eq!(stable(&all[0]), stable(&all[1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_through_a_proxy_returns_to_the_page() {
    let (exporter, _simulator, _folder) =
        program_with(&["--web.external-url=https://proxy.example.com/a/b/"]).await;
    let address = exporter.address;
    rig::get(address, "/a/b/metrics", "").await;
    let route = "/a/b/api/v1/failures/acknowledge?transfer_id=transfer-0";
    // nginx sends the address that it connects to as `Host` by default.
    let ask = async |host: &str, origin: &str| {
        let request = format!(
            "POST {route} HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nAccept: text/html\r\n\r\n"
        );
        super::Client::connect(address).await.ask(&request).await
    };
    let own = "https://proxy.example.com";
    for host in ["127.0.0.1:10922", "proxy.example.com"] {
        for origin in ["https://evil.example", "http://proxy.example.com", "null"] {
            if host == "proxy.example.com" && origin.starts_with("http://proxy") {
                continue;
            }
            let answer = ask(host, origin).await;
            assert_eq!(answer.status, 403, "{host} {origin}");
        }
        let answer = ask(host, own).await;
        assert_eq!(answer.status, 303, "{host}: {}", answer.text());
        let location = answer.header("location").unwrap();
        assert_eq!(resolve(route, location), "/a/b/transfers#failed");
    }
    let answer = ask("evil.example", "https://evil.example").await;
    assert_eq!(answer.status, 403);
    exporter.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_name_the_probe_below_the_prefix() {
    for (flags, prefix) in [
        (
            &[
                "--web.external-url=https://p.example/a/",
                "--web.route-prefix=/",
            ][..],
            "",
        ),
        (&["--web.route-prefix=x"], "/x"),
    ] {
        let (exporter, _simulator, _folder) = program_with(flags).await;
        let address = exporter.address;
        let path = format!("{prefix}/api/v1/targets?limit=1");
        let (_, _, body) = rig::get(address, &path, "").await;
        let targets: Value = serde_json::from_str(&body).unwrap();
        let labels = &targets[0]["labels"];
        let probe = labels["__metrics_path__"].as_str().unwrap();
        assert_eq!(probe, format!("{prefix}/probe"));
        let query = format!(
            "?connector_id={}&transfer_id={}",
            labels["__param_connector_id"].as_str().unwrap(),
            labels["__param_transfer_id"].as_str().unwrap()
        );
        let (status, _, body) = rig::get(address, &format!("{probe}{query}"), "").await;
        assert!(status == 200 && body.contains("probe_success 1"), "{body}");
        exporter.terminate();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_check_follows_the_prefix_on_every_address() {
    let flag = format!("--web.health-listen-address={}", free_address());
    let (exporter, _simulator, _folder) = program_with(&["--web.route-prefix=/a", &flag]).await;
    let main = format!("--web.listen-address={}", exporter.address);
    for address in [&main, &flag] {
        for (prefix, code) in [("/a", 0), ("/", 1), ("", 1)] {
            let checked = output(program().args([
                "healthcheck",
                address,
                &format!("--web.route-prefix={prefix}"),
            ]));
            assert_eq!(checked.status.code(), Some(code), "{address} {prefix}");
        }
        let checked = output(program().args(["healthcheck", address, "--web.external-url=/a/"]));
        assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
    }
    exporter.terminate();
}
