//! promtool, curl, openssl and Prometheus against the web configuration.

#![expect(
    clippy::print_stdout,
    reason = "the number of comparisons is part of the result"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aws_transfer_exporter::web::WebConfigState;

use super::pki::{Authority, Folder};
use crate::program::{Running, config, peer, program};
use crate::prometheus::Prometheus;

const CONFIG: &str = "accounts:\n  - name: a\n    region: eu-central-1\n    endpoint_url: http://127.0.0.1:9\n\
                      collector:\n  timeout: 500ms\n  timeout_offset: 100ms\n\
                      transfers:\n  - connector_id: c-0123456789abcdef0\n    transfer_id: t\n";
pub(super) const TLS: &str =
    "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";
pub(super) const MUTUAL: &str = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n  client_allowed_sans: [prometheus]\n";

fn hash(cost: u32) -> String {
    bcrypt::hash("open sesame", cost).unwrap()
}

fn accepts(promtool: &Path, file: &Path) -> bool {
    let mut command = Command::new(promtool);
    let status = command
        .args(["check", "web-config"])
        .arg(file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.unwrap().success()
}

/// Files that the exporter accepts.
fn good() -> Vec<String> {
    let mut files = vec![
        String::new(),
        "# nothing\n".to_owned(),
        TLS.to_owned(),
        format!("{TLS}{MUTUAL}"),
        format!("{TLS}  min_version: TLS13\n"),
        format!("{TLS}  max_version: TLS12\n  prefer_server_cipher_suites: false\n"),
        format!("{TLS}http_server_config:\n  http2: false\n"),
        "http_server_config:\n  headers:\n    Strict-Transport-Security: max-age=31536000; includeSubDomains\n    \
         X-Content-Type-Options: nosniff\n    X-Frame-Options: sameorigin\n    X-XSS-Protection: 1\n    \
         Content-Security-Policy: \"default-src 'self'\"\n"
            .to_owned(),
        format!("basic_auth_users:\n  a: {}\n  b: {}\n", hash(4), hash(5).replace("$2b$", "$2y$")),
        format!("basic_auth_users:\n  a: {}\n", hash(4).replace("$04$", "$16$").replace("$2b$", "$2a$")),
        "basic_auth_users: {}\n".to_owned(),
        "rate_limit:\n  interval: 0\n  burst: 0\n".to_owned(),
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/web-config.yml")).unwrap(),
    ];
    for interval in [
        "1s", "100ms", "1m30s", "1.5s", "250us", "1h", "0s", "\"10ms\"", ".5s",
    ] {
        files.push(format!(
            "rate_limit:\n  interval: {interval}\n{}",
            if interval == "0s" {
                ""
            } else {
                "  burst: 20\n"
            }
        ));
    }
    for auth in [
        "NoClientCert",
        "RequestClientCert",
        "RequireAnyClientCert",
        "RequireClientCert",
    ] {
        files.push(format!("{TLS}  client_auth_type: {auth}\n"));
    }
    files.push(format!(
        "{TLS}  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca.crt\n"
    ));
    for suite in aws_transfer_exporter::config::CIPHER_SUITES {
        files.push(format!("{TLS}  cipher_suites: [{suite}]\n"));
    }
    for curve in aws_transfer_exporter::config::CURVES {
        files.push(format!("{TLS}  curve_preferences: [{curve}]\n"));
    }
    files
}

/// Files that promtool rejects.
fn bad() -> Vec<String> {
    let mut files: Vec<String> = [
        "nonsense",
        "unknown: 1",
        "tls_server_config:\n  cert_filse: x",
        "tls_server_config:\n  cert_file: server.crt",
        "tls_server_config:\n  key_file: server.key",
        "tls_server_config:\n  client_auth_type: NoClientCert",
        "tls_server_config:\n  cert_file: ''\n  key_file: server.key",
        "tls_server_config:\n  cert_file: none.crt\n  key_file: server.key",
        "tls_server_config:\n  cert_file: server.key\n  key_file: server.crt",
        "tls_server_config:\n  cert_file: ca.crt\n  key_file: server.key",
        "tls_server_config:\n  cert: x\n  key: y",
        "http_server_config:\n  headers:\n    Content-Type: x",
        "http_server_config:\n  headers:\n    X-Frame-Options: foo",
        "http_server_config:\n  headers:\n    X-Content-Type-Options: sniff",
        "http_server_config:\n  http3: true",
        "http_server_config:\n  http2: maybe",
        "basic_auth_users:\n  a: plain",
        "basic_auth_users:\n  a: $2y$99$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
        "basic_auth_users: [a]",
        "rate_limit:\n  interval: 1d\n  burst: 1",
        "rate_limit:\n  interval: -1\n  burst: x",
        "rate_limit:\n  interval: soon",
        "rate_limit:\n  tempo: 1s",
    ]
    .map(str::to_owned)
    .into();
    for more in [
        "  min_version: TLS111",
        "  max_version: 1.2",
        "  cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]",
        "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA2048]",
        "  curve_preferences: [CurveP257]",
        "  client_auth_type: Sometimes",
        "  client_ca_file: ca.crt",
        "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: none.crt",
        "  cert_file: server.crt",
    ] {
        files.push(format!("{TLS}{more}\n"));
    }
    files
}

#[test]
#[ignore = "needs promtool of Prometheus 3; tests/run provides it"]
fn prometheus_3_promtool_accepts_what_is_accepted_here() {
    let promtool = peer("PROMTOOL_3", "promtool");
    let ca = Authority::new("ours");
    let folder = Folder::with(&ca.server(), &ca.pem(), "");
    let taken = |text: &str| {
        folder.write("web.yml", text);
        let file = folder.path("web.yml");
        (
            WebConfigState::load(&file)
                .map(drop)
                .map_err(|problems| problems.to_string()),
            accepts(&promtool, &file),
        )
    };
    for text in good() {
        assert_eq!(taken(&text), (Ok(()), true), "{text}");
    }
    for text in bad() {
        let (own, theirs) = taken(&text);
        assert!(
            own.is_err() && !theirs,
            "{text}\nhere: {own:?}, promtool: {theirs}"
        );
    }
}

#[test]
#[ignore = "needs Go and promtool of Prometheus 3; tests/run provides it"]
fn prometheus_3_toolkit_examples_accepted_here_are_accepted_by_promtool() {
    let promtool = peer("PROMTOOL_3", "promtool");
    let cache = Command::new("go")
        .args(["env", "GOMODCACHE"])
        .output()
        .unwrap();
    let modules = PathBuf::from(String::from_utf8(cache.stdout).unwrap().trim())
        .join("github.com/prometheus");
    let newest = std::fs::read_dir(modules)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let newest = newest
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("exporter-toolkit@"))
        })
        .max();
    let mut counts = (0, 0, 0);
    for entry in std::fs::read_dir(newest.unwrap().join("web/testdata")).unwrap() {
        let path = entry.unwrap().path();
        if !path
            .extension()
            .is_some_and(|ext| ext == "yml" || ext == "yaml")
        {
            continue;
        }
        match (WebConfigState::load(&path), accepts(&promtool, &path)) {
            (Ok(_), true) => counts.0 += 1,
            (Err(_), false) => counts.1 += 1,
            (Err(problems), true) => {
                counts.2 += 1;
                println!("rejected only here: {}\n{problems}", path.display());
            }
            (Ok(_), false) => panic!("{} is accepted only here", path.display()),
        }
    }
    println!(
        "accepted by both {}, rejected by both {}, rejected only here {}",
        counts.0, counts.1, counts.2
    );
    assert!(counts.0 > 5 && counts.1 > 10, "{counts:?}");
}

/// A web configuration, and what it requires of clients.
struct Case {
    config: String,
    tls: bool,
    certificates: bool,
    passwords: bool,
}

fn cases() -> Vec<Case> {
    let users = format!("basic_auth_users:\n  prometheus: {}\n", hash(4));
    let case = |config: String, tls, certificates, passwords| Case {
        config,
        tls,
        certificates,
        passwords,
    };
    vec![
        case(String::new(), false, false, false),
        case(TLS.to_owned(), true, false, false),
        case(format!("{TLS}{MUTUAL}"), true, true, false),
        case(users.clone(), false, false, true),
        case(format!("{TLS}{users}"), true, false, true),
        case(format!("{TLS}{MUTUAL}{users}"), true, true, true),
    ]
}

/// Starts an exporter with this configuration, and writes client certificates into its folder.
fn exporter(case: &Case) -> (Running, Folder, tempfile::TempDir) {
    let (ca, strangers) = (Authority::new("ours"), Authority::new("strangers"));
    let folder = Folder::with(&ca.server(), &ca.pem(), &case.config);
    for (name, pair) in [
        ("good", ca.client("prometheus")),
        ("other", ca.client("other")),
        ("stranger", strangers.client("prometheus")),
    ] {
        folder.write(&format!("{name}.crt"), &pair.cert);
        folder.write(&format!("{name}.key"), &pair.key);
    }
    let (config, file) = config(CONFIG);
    let mut command = program();
    command.args([
        format!("--config.file={}", file.display()),
        format!("--web.config.file={}", folder.path("web.yml").display()),
        "--web.listen-address=127.0.0.1:0".to_owned(),
    ]);
    (Running::start(&mut command), folder, config)
}

/// Returns each pair of certificate and password, and whether it is sufficient.
fn asking(case: &Case) -> Vec<(Option<&'static str>, Option<&'static str>, bool)> {
    let mut all = Vec::new();
    for certificate in [None, Some("good"), Some("other"), Some("stranger")] {
        for password in [None, Some("open sesame"), Some("wrong")] {
            if certificate.is_some() && !case.tls {
                continue;
            }
            let enough = (!case.certificates || certificate == Some("good"))
                && (!case.passwords || password == Some("open sesame"));
            all.push((certificate, password, enough));
        }
    }
    all
}

#[test]
#[ignore = "needs curl; tests/run provides it"]
fn curl_is_admitted_only_with_the_required_credentials() {
    let curl = peer("CURL", "curl");
    let mut asked = 0;
    for case in cases() {
        let (exporter, folder, _config) = exporter(&case);
        for (certificate, password, enough) in asking(&case) {
            for protocol in ["--http1.1", "--http2"] {
                let scheme = if case.tls { "https" } else { "http" };
                let mut command = Command::new(&curl);
                command
                    .args(["--silent", "--show-error", "--fail", protocol, "--cacert"])
                    .arg(folder.path("ca.crt"));
                if let Some(name) = certificate {
                    command
                        .arg("--cert")
                        .arg(folder.path(&format!("{name}.crt")));
                    command
                        .arg("--key")
                        .arg(folder.path(&format!("{name}.key")));
                }
                if let Some(password) = password {
                    command.arg("--user").arg(format!("prometheus:{password}"));
                }
                command.args(["--write-out", "%{http_version}", "--output", "/dev/null"]);
                let url = format!("{scheme}://localhost:{}/-/healthy", exporter.address.port());
                let answer = command.arg(url).output().unwrap();
                let what = format!("{}{certificate:?} {password:?} {protocol}", case.config);
                assert_eq!(
                    answer.status.success(),
                    enough,
                    "{what}: {}",
                    String::from_utf8_lossy(&answer.stderr)
                );
                if enough {
                    assert_eq!(String::from_utf8_lossy(&answer.stdout), "1.1", "{what}");
                }
                asked += 1;
            }
        }
        exporter.terminate();
    }
    println!("curl asked {asked} times");
}

async fn scrapes_only_with_the_required_credentials(binary: &Path) {
    for case in cases() {
        let (exporter, folder, _config) = exporter(&case);
        let mut jobs = Vec::new();
        for (n, (certificate, password, enough)) in asking(&case).into_iter().enumerate() {
            let mut lines =
                String::from("    params:\n      'name[]': [aws_transfer_exporter_build_info]\n");
            if case.tls {
                let _ = writeln!(
                    lines,
                    "    scheme: https\n    tls_config:\n      ca_file: {}",
                    folder.path("ca.crt").display()
                );
                lines.push_str("      server_name: localhost\n");
                if let Some(name) = certificate {
                    let (cert, key) = (
                        folder.path(&format!("{name}.crt")),
                        folder.path(&format!("{name}.key")),
                    );
                    let _ = writeln!(
                        lines,
                        "      cert_file: {}\n      key_file: {}",
                        cert.display(),
                        key.display()
                    );
                }
            }
            if let Some(password) = password {
                let _ = writeln!(
                    lines,
                    "    basic_auth:\n      username: prometheus\n      password: {password}"
                );
            }
            jobs.push((
                format!("{}-{n}", if enough { "enough" } else { "short" }),
                lines,
            ));
        }
        let given: Vec<_> = jobs
            .iter()
            .map(|(name, lines)| (name.as_str(), lines.as_str()))
            .collect();
        let prometheus = Prometheus::start_with(binary, exporter.address, &given, &[]).await;
        for (name, lines) in &jobs {
            if name.starts_with("enough") {
                prometheus
                    .wait_for(&format!("up{{job=\"{name}\"}} == 1"))
                    .await;
                prometheus
                    .wait_for(&format!(
                        "aws_transfer_exporter_build_info{{job=\"{name}\"}}"
                    ))
                    .await;
            } else {
                // At least two scrapes, none of them successful.
                let output = prometheus
                    .wait_for(&format!(
                        "max_over_time(up{{job=\"{name}\"}}[1m]) and count_over_time(up{{job=\"{name}\"}}[1m]) >= 2"
                    ))
                    .await;
                assert_eq!(
                    output.into_values().collect::<Vec<_>>(),
                    [0.0],
                    "{}{lines}",
                    case.config
                );
            }
        }
        println!("{} jobs against\n{}", jobs.len(), case.config);
        exporter.terminate();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Prometheus 2; tests/run provides it"]
async fn prometheus_2_scrapes_with_the_required_credentials() {
    scrapes_only_with_the_required_credentials(&peer("PROMETHEUS_2", "prometheus")).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Prometheus 3; tests/run provides it"]
async fn prometheus_3_scrapes_with_the_required_credentials() {
    scrapes_only_with_the_required_credentials(&peer("PROMETHEUS_3", "prometheus3")).await;
}

#[test]
#[ignore = "needs openssl; tests/run provides it"]
fn openssl_sees_the_configured_tls_versions_and_suites() {
    let openssl = PathBuf::from("openssl");
    let ca = Authority::new("ours");
    for (more, flag, expected) in [
        ("", "-tls1_3", Some("TLSv1.3")),
        ("", "-tls1_2", Some("TLSv1.2")),
        ("", "-tls1_1", None),
        ("  min_version: TLS13\n", "-tls1_2", None),
        ("  max_version: TLS12\n", "-tls1_3", None),
    ] {
        let folder = Folder::with(&ca.server(), &ca.pem(), &format!("{TLS}{more}"));
        let (_config, file) = config(CONFIG);
        let mut command = program();
        command.args([
            format!("--config.file={}", file.display()),
            format!("--web.config.file={}", folder.path("web.yml").display()),
            "--web.listen-address=127.0.0.1:0".to_owned(),
        ]);
        let exporter = Running::start(&mut command);
        let mut client = Command::new(&openssl);
        client
            .args([
                "s_client",
                "-brief",
                flag,
                "-verify_return_error",
                "-CAfile",
            ])
            .arg(folder.path("ca.crt"));
        client
            .args([
                "-servername",
                "localhost",
                "-connect",
                &exporter.address.to_string(),
            ])
            .stdin(Stdio::null());
        let answer = client.output().unwrap();
        let output = String::from_utf8_lossy(&answer.stderr).into_owned();
        let protocol = output
            .lines()
            .find_map(|line| line.strip_prefix("Protocol version: "));
        assert_eq!(protocol, expected, "{more}{flag}: {output}");
        exporter.terminate();
    }
}
