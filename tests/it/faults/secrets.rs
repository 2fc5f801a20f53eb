//! Secrets never appear in outputs, and hostile texts stay within their line, at the lowest log
//! level and with every fault.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use simulator::{LifeScript, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::stage::scrape;
use crate::program::{Running, config, config_text, output, program, signing_program, text};
use crate::rig::{connector, files, simulator, transfer};
use crate::support::{Endpoint, Seen, Step, http};

/// Secrets with their descriptions. They are valid, so that they are used and not rejected.
const SECRETS: [(&str, &str); 5] = [
    (
        "the secret access key",
        "canary+secret/access+key+0123456789abcdef",
    ),
    ("the session token", "canary-session-token-0123456789abcdef"),
    ("an external id", "canary-external-id-0123456789"),
    ("a password in a URL", "canary-password-0123456789"),
    (
        "a value of the environment",
        "canary-environment-0123456789",
    ),
];

fn with_secrets(mut command: Command, sts: &Endpoint) -> Command {
    command.env("AWS_ENDPOINT_URL_STS", &sts.url);
    command
        .env("AWS_ACCESS_KEY_ID", "AKIDCANARY")
        .env("AWS_SECRET_ACCESS_KEY", SECRETS[0].1);
    command
        .env("AWS_SESSION_TOKEN", SECRETS[1].1)
        .env("CANARY", SECRETS[4].1)
        .env("EXTERNAL_ID", SECRETS[2].1);
    command
}

/// Asserts that an output contains no secret and no signature.
fn assert_no_secrets(place: &str, said: &str) {
    for (what, secret) in SECRETS {
        assert!(!said.contains(secret), "{what} is in {place}: {said}");
    }
    let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    for after in said.split("Signature=").skip(1) {
        assert!(
            after.chars().take_while(|c| is_hex(*c)).count() < 64,
            "a signature is in {place}: {said}"
        );
    }
}

/// Responds with errors of different kinds, each of which repeats the signed request.
async fn echo() -> Endpoint {
    Endpoint::answering(|at, seen: &Seen| {
        let repeated = seen.head.replace('"', "'").replace("\r\n", " | ");
        let codes = [
            "AccessDeniedException",
            "InvalidSignatureException",
            "InternalServiceError",
            "NewException",
        ];
        let body = format!(
            r#"{{"__type": "{}", "Message": "no: {repeated}"}}"#,
            codes[at % codes.len()]
        );
        Step::Answer(http(
            [403, 400, 500, 418][at % 4],
            "content-type: application/x-amz-json-1.1\r\n",
            body,
        ))
    })
    .await
}

/// Responds as STS with an error that repeats the request.
async fn echoing_sts() -> Endpoint {
    Endpoint::answering(|_, seen: &Seen| {
        let repeated = format!("{} | {}", seen.head, seen.body).replace('&', "&amp;").replace('<', "&lt;");
        let body = format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>AccessDenied</Code><Message>no: {repeated}</Message></Error></ErrorResponse>"
        );
        Step::Answer(http(403, "content-type: text/xml\r\n", body))
    })
    .await
}

async fn send(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_appears_in_any_command_route_or_log() {
    let (endpoint, sts) = (echo().await, echoing_sts().await);
    let url = &endpoint.url;
    let good = format!(
        "accounts:\n  - name: plain\n    region: eu-central-1\n    endpoint_url: {url}\n  - name: role\n    region: \
         eu-central-1\n    endpoint_url: {url}\n    assume_role:\n      role_arn: \
         arn:aws:iam::123456789012:role/watch\n      external_id: ${{EXTERNAL_ID}}\ncollector:\n  \
         min_refresh_interval: 1ms\n  max_refresh_interval: 1ms\n  timeout: 3s\ndiscovery:\n  events:\n    - account: \
         plain\n      queue_url: {url}/123456789012/events\n      endpoint_url: {url}\ntransfers:\n  - account: \
         plain\n    connector_id: {connector}\n    transfer_id: t-1\n  - account: role\n    connector_id: \
         {connector}\n    transfer_id: t-2\n",
        connector = connector(1)
    );
    // Every value is invalid, and some are in the place of others.
    let [_, _, (_, external_id), (_, password), _] = SECRETS;
    let bad = format!(
        "accounts:\n  - name: a\n    region: ${{CANARY}}\n    endpoint_url: http://user:{password}@127.0.0.1:1\n    fips: \
         ${{CANARY}}\n    assume_role:\n      role_arn: ${{CANARY}}\n      external_id: '{external_id} with spaces'\n      \
         session_name: '${{CANARY}} x'\ncollector:\n  timeout: ${{CANARY}}\n  concurrency: ${{CANARY}}\n${{CANARY}}: \
         x\ntransfers:\n  - connector_id: ${{CANARY}}\n    transfer_id: '${{CANARY}} '\ndiscovery:\n  events:\n    - \
         queue_url: https://user:{password}@sqs.eu-central-1.amazonaws.com/1/q\n  files:\n    - paths: ['${{CANARY}}[']\n"
    );
    let (_bad_folder, bad_file) = config(&bad);
    let (folder, file) = config(&good);
    for format in ["logfmt", "json"] {
        let flags = |file: &std::path::Path| {
            vec![
                format!("--config.file={}", file.display()),
                "--log.level=debug".into(),
                format!("--log.format={format}"),
            ]
        };
        for (name, file, arguments) in [
            ("check of a bad file", &bad_file, vec!["check"]),
            (
                "a start with a bad file",
                &bad_file,
                vec!["--web.listen-address=127.0.0.1:0"],
            ),
            ("check", &file, vec!["check"]),
            ("once", &file, vec!["once"]),
            (
                "results",
                &file,
                vec!["results", connector(1).as_str(), "t-1", "--account=plain"],
            ),
            (
                "results of a role",
                &file,
                vec!["results", connector(1).as_str(), "t-1", "--account=role"],
            ),
        ] {
            let ended = output(
                with_secrets(program(), &sts)
                    .args(arguments)
                    .args(flags(file)),
            );
            let said = text(&ended.stdout) + &text(&ended.stderr);
            assert!(
                !said.is_empty() && (name == "check" || ended.status.code() == Some(1)),
                "{name}: {said}"
            );
            assert_no_secrets(name, &said);
        }
        let exporter = Running::start(
            with_secrets(program(), &sts)
                .args(flags(&file))
                .args(["--web.listen-address=127.0.0.1:0", "--web.enable-write-api"]),
        );
        let seen = endpoint.seen().len();
        let deadline = Instant::now() + Duration::from_mins(1);
        while endpoint.seen().len() < seen + 4 {
            scrape(exporter.address).await;
            assert!(Instant::now() < deadline, "no calls are made");
        }
        fs::write(&file, &bad).unwrap();
        exporter.signal("HUP");
        let refused = exporter.wait_for(
            "event=config_reload_failed",
            "\"event\":\"config_reload_failed\"",
        );
        assert_no_secrets("the log of a refused reload", &refused);
        fs::write(&file, &good).unwrap();
        for route in [
            "GET /",
            "GET /metrics",
            "GET /-/healthy",
            "GET /-/ready",
            "GET /transfers",
            "GET /api/v1/transfers",
            "GET /api/v1/targets",
            "GET /api/v1/openapi.json",
            "GET /nowhere",
            "POST /-/reload",
            "PUT /api/v1/transfers/x/y",
            &format!(
                "GET /probe?account=role&connector_id={}&transfer_id=t-2",
                connector(1)
            ),
        ] {
            let head = format!(
                "{route} HTTP/1.0\r\nHost: localhost\r\nX-Prometheus-Scrape-Timeout-Seconds: 4\r\n\r\n"
            );
            let response = send(exporter.address, &head).await;
            assert!(response.starts_with("HTTP/1.0 "), "{route}: {response}");
            assert_no_secrets(route, &response);
        }
        assert_no_secrets("the log", &exporter.drain_log().join("\n"));
        exporter.terminate();
    }
    let signed = endpoint.seen();
    assert!(
        signed.iter().any(|seen| seen.head.contains(SECRETS[1].1)),
        "the token was sent"
    );
    assert!(
        sts.seen()
            .iter()
            .any(|seen| seen.body.contains(SECRETS[2].1)),
        "the external id was sent"
    );
    drop(folder);
}

/// Texts from a partner's server are logged within their field and line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_texts_stay_within_their_line_and_label() {
    const HOSTILE: &str = "a\"b\\c\n2026 level=error msg=forged\r\n{\"level\":\"ERROR\"}\u{1b}[31m\u{0}\u{7f}\u{85}\u{2028}é=}";
    let (simulator, url) = simulator(Settings::default()).await;
    let pair = [(connector(1).to_string(), transfer(1).to_string())];
    let (_folder, file) = config(&config_text(&url, &pair));
    // More than the limit of undocumented codes, and one longer than the limit.
    let codes: Vec<String> = (0..150)
        .map(|n| format!("{n}{HOSTILE}"))
        .chain([HOSTILE.repeat(40)])
        .collect();
    for format in ["logfmt", "json"] {
        let exporter = Running::start(signing_program().args([
            &format!("--config.file={}", file.display()),
            "--web.listen-address=127.0.0.1:0",
            "--log.level=debug",
            &format!("--log.format={format}"),
        ]));
        simulator.put_transfer(
            &connector(1),
            &transfer(1),
            files([LifeScript::stuck_queued()]),
            SystemTime::now(),
        );
        scrape(exporter.address).await;
        let mut all = files(codes.iter().map(|code| LifeScript::failed(code, HOSTILE)));
        for file in &mut all {
            file.path.push_str(HOSTILE);
        }
        simulator.put_transfer(&connector(1), &transfer(1), all, SystemTime::now());
        // The exposition is parsed line by line: a label that spans lines would have no value.
        let deadline = Instant::now() + Duration::from_mins(1);
        let exposition = loop {
            let exposition = scrape(exporter.address).await;
            if exposition.sum("aws_transfer_files", &["status=\"FAILED\""]) == codes.len() as f64 {
                break exposition;
            }
            assert!(Instant::now() < deadline, "the files are not exported");
        };
        let families = exposition.family("aws_transfer_files");
        let failed: BTreeMap<_, _> = families
            .iter()
            .filter(|(series, _)| series.contains("FAILED"))
            .collect();
        assert!(failed.len() <= 102, "{} codes", failed.len());
        assert_eq!(
            exposition.sum("aws_transfer_files", &["failure_code=\"OTHER\""]),
            51.0
        );
        assert!(
            failed.keys().all(|series| series.len() < 1_000),
            "a label is too long"
        );
        exporter.signal("TERM");
        let mut lines = Vec::new();
        loop {
            let line = exporter.wait_for("", "");
            let is_last = line.contains("event=stopped") || line.contains("\"event\":\"stopped\"");
            lines.push(line);
            if is_last {
                break;
            }
        }
        let records: Vec<_> = lines
            .iter()
            .filter(|line| {
                line.contains("event=file_failed") || line.contains(r#""event":"file_failed""#)
            })
            .collect();
        assert_eq!(
            records.len(),
            codes.len(),
            "one record per file: {lines:#?}"
        );
        for line in &lines {
            let is_control = |c: char| c.is_control();
            assert!(
                !line.contains(is_control),
                "a control character is written: {line:?}"
            );
            if format == "json" {
                let record: Value =
                    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
                assert!(
                    record.get("message").is_some() && record["level"] != "ERROR",
                    "{line}"
                );
            } else {
                let level = line.split(' ').nth(1);
                assert!(
                    line.starts_with("ts=") && level.is_some_and(|level| level != "level=error"),
                    "{line}"
                );
            }
        }
        if format == "json" {
            let record: Value = serde_json::from_str(records[0]).unwrap();
            assert!(
                record["failure_message"] == HOSTILE,
                "the message is complete: {record}"
            );
        }
    }
}
