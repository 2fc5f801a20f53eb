use std::path::PathBuf;

use super::*;

/// Of the password `secret`, at the lowest cost.
const HASH: &str = "$2b$04$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui";

fn read(text: &str) -> Result<WebPlan, String> {
    WebPlan::read("web.yml", FilePath::new("/etc/exporter"), text)
        .map_err(|problems| problems.to_string())
}

#[test]
fn a_whole_file_is_read() {
    let plan = read(&format!(
        "tls_server_config:\n  cert_file: server.crt\n  key_file: /run/server.key\n  \
         client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n  client_allowed_sans: [prometheus]\n  \
         cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n  \
         curve_preferences: [X25519, CurveP256]\n  min_version: TLS12\n  max_version: TLS13\n  \
         prefer_server_cipher_suites: false\n\
         http_server_config:\n  http2: false\n  headers:\n    X-Frame-Options: deny\n    X-XSS-Protection: 1\n\
         basic_auth_users:\n  prometheus: {HASH}\n\
         rate_limit:\n  interval: 1m1.5s\n  burst: 20\n"
    ))
    .unwrap();
    let tls = plan.tls.unwrap();
    assert_eq!(
        tls.cert.source,
        PemSource::File(PathBuf::from("/etc/exporter/server.crt"))
    );
    assert_eq!(
        tls.key.source,
        PemSource::File(PathBuf::from("/run/server.key"))
    );
    assert_eq!(tls.client_auth, ClientAuth::RequireAndVerify);
    assert_eq!(
        tls.client_ca.unwrap().source,
        PemSource::File(PathBuf::from("/etc/exporter/ca.crt"))
    );
    assert_eq!(tls.client_allowed_sans, ["prometheus"]);
    assert_eq!(
        tls.cipher_suites,
        [
            "TLS_AES_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
        ]
    );
    assert_eq!(tls.curve_preferences, ["X25519", "CurveP256"]);
    assert_eq!(
        (tls.min_version, tls.max_version),
        (TlsVersion::Tls12, TlsVersion::Tls13)
    );
    assert!(!tls.prefer_server_cipher_suites && !plan.http2);
    assert_eq!(
        plan.headers,
        [
            ("X-Frame-Options", "deny".to_owned()),
            ("X-XSS-Protection", "1".to_owned())
        ]
    );
    assert_eq!(
        (plan.users[0].name.as_str(), plan.users[0].cost),
        ("prometheus", 4)
    );
    assert_eq!(
        plan.rate_limit,
        Some(RateLimitConfig {
            interval: Duration::from_millis(61_500),
            burst: 20
        })
    );
}

#[test]
fn an_empty_file_is_plain_http_for_everybody() {
    for text in [
        "",
        "# nothing\n",
        "rate_limit:\n  interval: 0\n  burst: 0\n",
    ] {
        let plan = read(text).unwrap();
        assert!(
            plan.tls.is_none() && plan.users.is_empty() && plan.rate_limit.is_none() && plan.http2,
            "{text}"
        );
    }
}

#[test]
fn dollars_in_a_value_are_no_variables() {
    let plan = read("tls_server_config:\n  cert_file: ${HOME}/a\n  key_file: b\n").unwrap();
    assert_eq!(
        plan.tls.unwrap().cert.source,
        PemSource::File(PathBuf::from("/etc/exporter/${HOME}/a"))
    );
}

/// What is below `tls_server_config`, and how the message begins after file and section.
const BAD_TLS: &[(&str, &str)] = &[
    (
        "min_version: TLS13",
        "1: `tls_server_config.cert_file`: missing",
    ),
    ("cert_file: a", "1: `tls_server_config.key_file`: missing"),
    (
        "cert_file: ''\n  key_file: b",
        "2: `tls_server_config.cert_file`: no value",
    ),
    (
        "cert: ''\n  key_file: b",
        "2: `tls_server_config.cert`: no value",
    ),
    (
        "cert: x\n  cert_file: a\n  key_file: b",
        "3: `tls_server_config.cert_file`: given beside `cert`",
    ),
    (
        "cert_filse: a",
        "2: `tls_server_config.cert_filse`: unknown key",
    ),
    (
        "cert_file: a\n  cert_file: b\n  key_file: b",
        "3: `tls_server_config.cert_file`: duplicate key",
    ),
    (
        "<TLS>\n  client_auth_type: x",
        "4: `tls_server_config.client_auth_type`: not a type of client authentication: x",
    ),
    (
        "<TLS>\n  client_auth_type: RequireAndVerifyClientCert",
        "4: `tls_server_config.client_ca_file`: missing",
    ),
    (
        "<TLS>\n  client_auth_type: VerifyClientCertIfGiven",
        "4: `tls_server_config.client_ca_file`: missing",
    ),
    (
        "<TLS>\n  client_ca_file: c",
        "4: `tls_server_config.client_ca_file`: a CA, and a `client_auth_type` that verifies",
    ),
    (
        "<TLS>\n  client_auth_type: RequireAnyClientCert\n  client_allowed_sans: [a]",
        "5: `tls_server_config.client_allowed_sans`: names, and a `client_auth_type` that verifies nothing",
    ),
    (
        "<TLS>\n  client_auth_type: RequireAndVerifyClientCert\n  client_ca: x\n  client_allowed_sans: []",
        "6: `tls_server_config.client_allowed_sans`: no name",
    ),
    (
        "<TLS>\n  min_version: TLS11",
        "4: `tls_server_config.min_version`: not supported: TLS11",
    ),
    (
        "<TLS>\n  max_version: TLS111",
        "4: `tls_server_config.max_version`: not a version of TLS: TLS111",
    ),
    (
        "<TLS>\n  min_version: TLS13\n  max_version: TLS12",
        "1: `tls_server_config.max_version`: `max_version` is below",
    ),
    (
        "<TLS>\n  cipher_suites: [X]",
        "4: `tls_server_config.cipher_suites`: unknown name: X",
    ),
    (
        "<TLS>\n  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]",
        "4: `tls_server_config.cipher_suites`: not supported: TLS_ECDHE_RSA",
    ),
    (
        "<TLS>\n  cipher_suites: [TLS_AES_128_GCM_SHA256]\n  max_version: TLS12",
        "1: `tls_server_config.cipher_suites`: none of these suites is of TLS 1.2",
    ),
    (
        "<TLS>\n  curve_preferences: [CurveP521]",
        "4: `tls_server_config.curve_preferences`: not supported: CurveP521",
    ),
    (
        "<TLS>\n  curve_preferences: [CurveP257]",
        "4: `tls_server_config.curve_preferences`: unknown name: CurveP257",
    ),
    (
        "<TLS>\n  prefer_server_cipher_suites: 1",
        "4: `tls_server_config.prefer_server_cipher_suites`: neither `true`",
    ),
];

#[test]
fn each_fault_of_tls_is_told_at_its_place() {
    for (text, expected) in BAD_TLS {
        let text = text.replace("<TLS>", "cert_file: a\n  key_file: b");
        let message = read(&format!("tls_server_config:\n  {text}\n")).unwrap_err();
        let told = message
            .lines()
            .any(|line| line.starts_with(&format!("web.yml:{expected}")));
        assert!(told, "{text}\n{message}");
        assert_eq!(
            message.matches("hint:").count(),
            message.matches("web.yml").count(),
            "{message}"
        );
    }
}

#[test]
fn each_other_fault_is_told_at_its_place() {
    for (text, expected) in [
        ("nonsense", ":1: a mapping is wanted"),
        ("users: {}", ":1: `users`: unknown key"),
        (
            "http_server_config:\n  headers:\n    Content-Type: x",
            ":3: `http_server_config.headers.Content-Type`: this",
        ),
        (
            "http_server_config:\n  headers:\n    X-Frame-Options: foo",
            ":3: `http_server_config.headers.X-Frame-Options`: not a",
        ),
        (
            "http_server_config:\n  headers:\n    x-frame-options: deny",
            ":3: `http_server_config.headers.x-frame-options`: this",
        ),
        (
            "http_server_config:\n  headers:\n    X-XSS-Protection: \"a\\nb\"",
            ":3: `http_server_config.headers.X-XSS-Protection`: not a text",
        ),
        (
            "basic_auth_users:\n  a: secret",
            ":2: `basic_auth_users.a`: not a bcrypt hash",
        ),
        (
            "basic_auth_users:\n  <HASH>: a",
            ":2: `basic_auth_users`: a hash in place of a name",
        ),
        (
            "basic_auth_users:\n  'a:b': <HASH>",
            ":2: `basic_auth_users.a:b`: no client can send this name",
        ),
        (
            "basic_auth_users:\n  a: <HASH>\n  a: <HASH>",
            ":3: `basic_auth_users.a`: duplicate key",
        ),
        (
            "basic_auth_users:\n  a: <COST18>",
            ":2: `basic_auth_users.a`: a cost of 18",
        ),
        (
            "basic_auth_users:\n  a: <COST03>",
            ":2: `basic_auth_users.a`: no cost of bcrypt",
        ),
        (
            "basic_auth_users:\n  a: <COST32>",
            ":2: `basic_auth_users.a`: no cost of bcrypt",
        ),
        (
            "rate_limit:\n  interval: 1s",
            ":1: `rate_limit.burst`: missing",
        ),
        (
            "rate_limit:\n  interval: 1s\n  burst: 0",
            ":3: `rate_limit.burst`: not within 1 to 1,000,000: 0",
        ),
        (
            "rate_limit:\n  interval: -1s\n  burst: 1",
            ":2: `rate_limit.interval`: not a duration: -1s",
        ),
        (
            "rate_limit:\n  interval: 1d\n  burst: 1",
            ":2: `rate_limit.interval`: not a duration: 1d",
        ),
        (
            "rate_limit:\n  interval: 5\n  burst: 1",
            ":2: `rate_limit.interval`: a duration without a unit",
        ),
        (
            "rate_limit:\n  burst: 1",
            ":2: `rate_limit.burst`: a burst without an `interval`",
        ),
    ] {
        let text = text.replace("<HASH>", HASH);
        let text = ["18", "03", "32"].iter().fold(text, |text, cost| {
            text.replace(
                &format!("<COST{cost}>"),
                &HASH.replace("$04$", &format!("${cost}$")),
            )
        });
        let message = read(&text).unwrap_err();
        assert!(
            message.starts_with(&format!("web.yml{expected}")),
            "{text}\n{message}"
        );
        assert!(!message.contains("$2b$"), "a hash is shown: {message}");
    }
}

#[test]
fn nothing_secret_is_shown_when_a_plan_is() {
    let plan = read(&format!(
        "tls_server_config:\n  cert: CERT\n  key: KEYKEY\nbasic_auth_users:\n  a: {HASH}\n"
    ));
    let shown = format!("{:?}", plan.unwrap());
    assert!(
        !shown.contains("KEYKEY") && !shown.contains("$2b$"),
        "{shown}"
    );
}

#[test]
fn durations_are_those_of_go() {
    for (text, millis) in [
        ("0", 0),
        ("0s", 0),
        ("1s", 1000),
        ("1.5s", 1500),
        ("1m30s", 90_000),
        ("2h", 7_200_000),
        ("1000us", 1),
        (".5s", 500),
    ] {
        assert_eq!(
            go_duration(text),
            Some(Duration::from_millis(millis)),
            "{text}"
        );
    }
    for text in [
        "", "s", "1", "1d", "1 s", "-1s", "1s ", "1.2.3s", "1e3s", "25h", "infs",
    ] {
        assert_eq!(go_duration(text), None, "{text}");
    }
}

#[test]
fn the_example_loads_and_the_reference_knows_every_key() {
    let root = FilePath::new(env!("CARGO_MANIFEST_DIR"));
    let example = std::fs::read_to_string(root.join("docs/web-config.yml")).unwrap();
    let reference = std::fs::read_to_string(root.join("CONFIGURATION.md")).unwrap();
    let plan = read(&example).unwrap();
    assert!(bcrypt::verify("change-me", plan.users[0].hash.expose()).unwrap());
    for key in [ROOT_KEYS, HTTP_KEYS, RATE_KEYS, tls::TLS_KEYS]
        .iter()
        .copied()
        .flatten()
    {
        let there = example
            .lines()
            .any(|line| line.trim_start().starts_with(&format!("{key}:")));
        assert!(
            there || example.contains(&format!("`{key}`")),
            "docs/web-config.yml: {key}"
        );
        assert!(
            reference.contains(&format!("`{key}`")),
            "CONFIGURATION.md: {key}"
        );
    }
}
