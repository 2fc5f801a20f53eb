//! The program with a web configuration file: logs, metrics and systemd notifications.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::pki::{Authority, Folder};
use crate::program::{Running, config, output, program, text};

const PATIENCE: Duration = Duration::from_mins(1);
/// The transfer is never polled, so the endpoint need not exist.
const CONFIG: &str = "accounts:\n  - name: a\n    region: eu-central-1\n    endpoint_url: http://127.0.0.1:9\n\
                      transfers:\n  - connector_id: c-0123456789abcdef0\n    transfer_id: t\n";

fn secured() -> Folder {
    let users = format!(
        "basic_auth_users:\n  prometheus: {}\n",
        bcrypt::hash("open sesame", 4).unwrap()
    );
    Folder::with(&Authority::new("ours").server(), "", &users)
}

fn ask(address: SocketAddr, target: &str, credentials: Option<&str>) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let header = credentials
        .map(|credentials| format!("Authorization: Basic {}\r\n", STANDARD.encode(credentials)));
    let header = header.unwrap_or_default();
    stream
        .write_all(
            format!(
                "{target} HTTP/1.0\r\nHost: x\r\nCookie: session=cookie-secret\r\n{header}\r\n"
            )
            .as_bytes(),
        )
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn start(file: &std::path::Path, folder: &Folder, more: &[&str]) -> (Running, Command) {
    let mut command = program();
    command.args([
        format!("--config.file={}", file.display()),
        format!("--web.config.file={}", folder.path("web.yml").display()),
        "--web.listen-address=127.0.0.1:0".to_owned(),
    ]);
    command.args(more);
    let running = Running::start(&mut command);
    (running, command)
}

#[test]
fn each_request_is_logged_once_without_secrets() {
    let (_config, file) = config(CONFIG);
    let folder = secured();
    let (exporter, _) = start(&file, &folder, &["--log.level=debug", "--log.format=json"]);
    let good = Some("prometheus:open sesame");
    let asked = [
        (
            "GET /-/healthy?token=query-secret",
            good,
            "debug",
            "GET",
            "healthy",
            200,
        ),
        (
            "GET /nowhere/path-secret",
            good,
            "info",
            "GET",
            "not_found",
            404,
        ),
        (
            "GET /-/ready",
            Some("prometheus:wrong-secret"),
            "info",
            "GET",
            "ready",
            401,
        ),
        (
            "GET /-/ready",
            Some("user-secret:x"),
            "info",
            "GET",
            "ready",
            401,
        ),
        (
            "SECRETMETHOD /-/ready",
            good,
            "info",
            "OTHER",
            "method_not_allowed",
            405,
        ),
    ];
    let mut all = String::new();
    for (target, credentials, level, method, handler, status) in asked {
        ask(exporter.address, target, credentials);
        let line = exporter.wait_for(
            "\"event\":\"request_served\"",
            "\"event\":\"request_served\"",
        );
        let record: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            record["level"].as_str().unwrap().to_lowercase(),
            level,
            "{line}"
        );
        assert_eq!(
            (&record["method"], &record["handler"]),
            (&method.into(), &handler.into()),
            "{line}"
        );
        assert_eq!(record["status"], status, "{line}");
        assert!(
            record["peer"].as_str().unwrap().starts_with("127.0.0.1:"),
            "{line}"
        );
        assert!(
            record["duration_seconds"].is_number() && record["bytes"].is_number(),
            "{line}"
        );
        all.push_str(&line);
    }
    all.extend(exporter.drain_log());
    for secret in ["secret", "SECRET", "sesame", "Basic", "$2b$"] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }
    exporter.terminate();
}

#[test]
fn metrics_count_responses_and_rejections_and_show_a_broken_file() {
    let (_config, file) = config(CONFIG);
    let folder = secured();
    let (exporter, _) = start(&file, &folder, &[]);
    let good = Some("prometheus:open sesame");
    let own = "GET /metrics?name[]=aws_transfer_exporter_http_requests_total&name[]=aws_transfer_exporter_http_refused_total\
               &name[]=aws_transfer_exporter_web_config_last_reload_successful\
               &name[]=aws_transfer_exporter_config_last_reload_successful\
               &name[]=aws_transfer_exporter_certificate_not_after_timestamp_seconds";
    ask(exporter.address, "GET /-/healthy", good);
    ask(exporter.address, "GET /-/healthy", None);
    ask(exporter.address, "GET /-/healthy", Some("prometheus:wrong"));
    let output = ask(exporter.address, own, good);
    for line in [
        "aws_transfer_exporter_http_requests_total{code=\"200\",handler=\"healthy\"} 1",
        "aws_transfer_exporter_http_requests_total{code=\"401\",handler=\"healthy\"} 2",
        "aws_transfer_exporter_http_requests_total{code=\"200\",handler=\"metrics\"} 0",
        "aws_transfer_exporter_http_refused_total{reason=\"unauthorized\"} 2",
        "aws_transfer_exporter_http_refused_total{reason=\"tls\"} 0",
        "aws_transfer_exporter_http_refused_total{reason=\"connections\"} 0",
        "aws_transfer_exporter_http_refused_total{reason=\"rate_limit\"} 0",
        "aws_transfer_exporter_http_refused_total{reason=\"busy\"} 0",
        "aws_transfer_exporter_web_config_last_reload_successful 1",
        "aws_transfer_exporter_config_last_reload_successful 1",
    ] {
        assert!(output.contains(line), "{line}: {output}");
    }
    assert!(
        !output.contains("aws_transfer_exporter_certificate_not_after"),
        "{output}"
    );

    let users = std::fs::read_to_string(folder.path("web.yml")).unwrap();
    folder.write("web.yml", "basic_auth_users: nonsense\n");
    let line = exporter.wait_for(
        "event=web_config_reload_failed",
        "event=web_config_reload_failed",
    );
    assert!(line.contains("web.yml:1: `basic_auth_users`"), "{line}");
    let output = ask(exporter.address, own, good);
    assert!(
        output.contains("web_config_last_reload_successful 0"),
        "{output}"
    );
    exporter.signal("HUP");
    exporter.wait_for(
        "event=config_reload_failed",
        "\"event\":\"config_reload_failed\"",
    );
    let output = ask(exporter.address, own, good);
    assert!(
        output.contains("aws_transfer_exporter_config_last_reload_successful 0"),
        "{output}"
    );

    let pair = Authority::new("others").server_until(2100);
    folder.write("server.crt", &pair.cert);
    folder.write("server.key", &pair.key);
    folder.write(
        "web.yml",
        &(users.clone() + "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"),
    );
    exporter.wait_for("event=web_config_reloaded", "event=web_config_reloaded");
    assert!(ask(exporter.address, own, good).contains("this port speaks HTTPS"));
    // Neither TLS nor users: refused until a reload confirms it.
    folder.write("web.yml", "\n");
    let line = exporter.wait_for(
        "event=web_config_unconfirmed",
        "event=web_config_unconfirmed",
    );
    assert!(line.contains("lowered=\"TLS, users\""), "{line}");
    assert!(ask(exporter.address, own, good).contains("this port speaks HTTPS"));
    exporter.signal("HUP");
    exporter.wait_for("event=config_reloaded", "event=config_reloaded");
    let output = ask(exporter.address, own, None);
    assert!(
        output.contains("aws_transfer_exporter_http_refused_total{reason=\"tls\"} 2"),
        "{output}"
    );
    exporter.terminate();
}

/// Returns the notifications to systemd up to `text`.
fn notifications(socket: &UnixDatagram, text: &str) -> String {
    let begun = Instant::now();
    let mut all = String::new();
    let mut bytes = [0; 4096];
    while !all.contains(text) {
        assert!(begun.elapsed() < PATIENCE, "`{text}` was not sent: {all}");
        if let Ok(length) = socket.recv(&mut bytes) {
            all.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
        }
    }
    all
}

#[test]
fn systemd_is_notified_of_readiness_reloads_and_shutdown_and_the_watchdog_is_fed() {
    let (_config, file) = config(CONFIG);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let mut command = program();
    command.args([
        format!("--config.file={}", file.display()),
        "--web.listen-address=127.0.0.1:0".to_owned(),
    ]);
    // With this interval, the watchdog is fed every 100 ms.
    command
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "200000");
    let exporter = Running::start(&mut command);
    notifications(&socket, "READY=1\n");
    assert!(
        ask(exporter.address, "GET /-/ready", None).starts_with("HTTP/1.0 200"),
        "ready without a response"
    );
    notifications(&socket, "WATCHDOG=1\n");
    exporter.signal("HUP");
    let reload = notifications(&socket, "READY=1\n");
    let (began, ended) = (
        reload.find("RELOADING=1\nMONOTONIC_USEC="),
        reload.find("READY=1\n"),
    );
    assert!(began.is_some() && began < ended, "{reload}");
    exporter.signal("TERM");
    notifications(&socket, "STOPPING=1\n");
}

#[test]
fn check_validates_the_web_configuration_and_its_certificates() {
    let (_config, file) = config(CONFIG);
    let (ca, other) = (Authority::new("ours"), Authority::new("ours"));
    let tls = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";
    let mtls =
        format!("{tls}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n");
    let pair = ca.server();
    let mixed = super::pki::Pair {
        cert: pair.cert.clone(),
        key: other.server().key,
    };
    let empty = super::pki::Pair {
        cert: String::new(),
        ..pair.clone()
    };
    let keyless = super::pki::Pair {
        key: "no key".to_owned(),
        ..pair.clone()
    };
    for (pair, ca_pem, config, code, expected) in [
        (
            &pair,
            ca.pem(),
            mtls.clone(),
            0,
            "web.yml: valid; HTTPS, users: 0",
        ),
        (
            &pair,
            String::new(),
            mtls,
            1,
            "web.yml:5: `tls_server_config.client_ca_file`: no certificate in it",
        ),
        (
            &mixed,
            String::new(),
            tls.to_owned(),
            1,
            "web.yml:3: `tls_server_config.key_file`: not the key of the certificate",
        ),
        (
            &empty,
            String::new(),
            tls.to_owned(),
            1,
            "web.yml:2: `tls_server_config.cert_file`: no certificate in it",
        ),
        (
            &keyless,
            String::new(),
            tls.to_owned(),
            1,
            "web.yml:3: `tls_server_config.key_file`: no private key in it",
        ),
        (
            &pair,
            String::new(),
            tls.replace("server.crt", "none.crt"),
            1,
            "web.yml:2: `tls_server_config.cert_file`: no such file: ",
        ),
        (
            &pair,
            String::new(),
            "rate_limit: 1".to_owned(),
            1,
            "web.yml:1: `rate_limit`: expected a mapping",
        ),
    ] {
        let folder = Folder::with(pair, &ca_pem, &config);
        let web = format!("--web.config.file={}", folder.path("web.yml").display());
        let printed =
            output(program().args(["check", &format!("--config.file={}", file.display()), &web]));
        let output = text(&printed.stdout);
        assert!(
            output.contains(expected),
            "{config}{output}{}",
            text(&printed.stderr)
        );
        assert_eq!(printed.status.code(), Some(code), "{output}");
    }
}

#[test]
fn the_health_check_uses_the_health_address_or_reports_a_remedy() {
    let (_config, file) = config(CONFIG);
    let folder = secured();
    let web = format!("--web.config.file={}", folder.path("web.yml").display());
    let printed = output(program().args(["healthcheck", &web]));
    assert_eq!(printed.status.code(), Some(1));
    assert!(
        text(&printed.stderr).contains("--web.health-listen-address"),
        "{}",
        text(&printed.stderr)
    );
    // A free port, unless another process takes it meanwhile.
    let apart = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let flag = format!("--web.health-listen-address={apart}");
    let (exporter, _) = start(&file, &folder, &[&flag]);
    let printed = output(program().args(["healthcheck", &web, &flag]));
    assert_eq!(printed.status.code(), Some(0), "{}", text(&printed.stderr));
    assert!(ask(apart, "GET /metrics", None).starts_with("HTTP/1.0 404"));
    assert!(ask(exporter.address, "GET /-/healthy", None).starts_with("HTTP/1.0 401"));
    exporter.terminate();
}

#[test]
fn an_invalid_web_configuration_prevents_the_start() {
    let (_config, file) = config(CONFIG);
    let folder = secured();
    folder.write("web.yml", "tls_server_config:\n  min_version: TLS10\n");
    let web = format!("--web.config.file={}", folder.path("web.yml").display());
    let printed = output(program().args([
        &format!("--config.file={}", file.display()),
        &web,
        "--web.listen-address=127.0.0.1:0",
    ]));
    assert_eq!(printed.status.code(), Some(1));
    let output = text(&printed.stderr);
    assert!(
        output.contains("`tls_server_config.min_version`: not supported: TLS10")
            && output.contains("RFC 8996"),
        "{output}"
    );
}
