use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::config::tests::docs::{schema, skeleton};

/// The hash of `secret`, with the minimum cost.
const HASH: &str = "$2b$04$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui";

fn read(text: &str) -> Result<WebPlan, String> {
    WebPlan::read("web.yml", Path::new("/etc/exporter"), text)
        .map_err(|problems| problems.to_string())
}

#[test]
fn a_file_with_every_key_is_read() {
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
    assert!(!tls.prefer_server_cipher_suites);
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
fn an_empty_file_is_plain_http_without_authentication() {
    for text in [
        "",
        "# nothing\n",
        "rate_limit:\n  interval: 0\n  burst: 0\n",
    ] {
        let plan = read(text).unwrap();
        assert!(
            plan.tls.is_none() && plan.users.is_empty() && plan.rate_limit.is_none(),
            "{text}"
        );
    }
}

#[test]
fn variables_are_not_expanded() {
    let plan = read("tls_server_config:\n  cert_file: ${HOME}/a\n  key_file: b\n").unwrap();
    assert_eq!(
        plan.tls.unwrap().cert.source,
        PemSource::File(PathBuf::from("/etc/exporter/${HOME}/a"))
    );
}

/// A `tls_server_config`, and how one of its problems starts.
const BAD_TLS: &[(&str, &str)] = &[
    (
        "min_version: TLS13",
        "1: `tls_server_config.cert_file`: required key is missing",
    ),
    (
        "cert_file: a",
        "1: `tls_server_config.key_file`: required key is missing",
    ),
    (
        "cert_file: ''\n  key_file: b",
        "2: `tls_server_config.cert_file`: value is missing",
    ),
    (
        "cert: ''\n  key_file: b",
        "2: `tls_server_config.cert`: value is missing",
    ),
    (
        "cert: x\n  cert_file: a\n  key_file: b",
        "3: `tls_server_config.cert_file`: cannot be combined with `cert`",
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
        "4: `tls_server_config.client_auth_type`: unknown client authentication type: x",
    ),
    (
        "<TLS>\n  client_auth_type: RequireAndVerifyClientCert",
        "4: `tls_server_config.client_ca_file`: required key is missing",
    ),
    (
        "<TLS>\n  client_auth_type: VerifyClientCertIfGiven",
        "4: `tls_server_config.client_ca_file`: required key is missing",
    ),
    (
        "<TLS>\n  client_ca_file: c",
        "4: `tls_server_config.client_ca_file`: has no effect: `client_auth_type` does not verify",
    ),
    (
        "<TLS>\n  client_auth_type: RequireAnyClientCert\n  client_allowed_sans: [a]",
        "5: `tls_server_config.client_allowed_sans`: has no effect: `client_auth_type` does not verify",
    ),
    (
        "<TLS>\n  client_auth_type: RequireAndVerifyClientCert\n  client_ca: x\n  client_allowed_sans: []",
        "6: `tls_server_config.client_allowed_sans`: the list is empty",
    ),
    (
        "<TLS>\n  min_version: TLS11",
        "4: `tls_server_config.min_version`: not supported: TLS11",
    ),
    (
        "<TLS>\n  max_version: TLS111",
        "4: `tls_server_config.max_version`: unknown TLS version: TLS111",
    ),
    (
        "<TLS>\n  min_version: TLS13\n  max_version: TLS12",
        "1: `tls_server_config.max_version`: must not be less",
    ),
    (
        "<TLS>\n  cipher_suites: [X]",
        "4: `tls_server_config.cipher_suites[0]`: unknown name: X",
    ),
    (
        "<TLS>\n  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]",
        "4: `tls_server_config.cipher_suites[0]`: not supported: TLS_ECDHE_RSA",
    ),
    (
        "<TLS>\n  cipher_suites: [TLS_AES_128_GCM_SHA256]\n  max_version: TLS12",
        "1: `tls_server_config.cipher_suites`: the list has no suite of TLS 1.2",
    ),
    (
        "<TLS>\n  curve_preferences: [CurveP521]",
        "4: `tls_server_config.curve_preferences[0]`: not supported: CurveP521",
    ),
    (
        "<TLS>\n  curve_preferences: [CurveP257]",
        "4: `tls_server_config.curve_preferences[0]`: unknown name: CurveP257",
    ),
    (
        "<TLS>\n  prefer_server_cipher_suites: 1",
        "4: `tls_server_config.prefer_server_cipher_suites`: invalid boolean",
    ),
];

#[test]
fn problems_of_tls_are_reported_with_their_place() {
    for (text, expected) in BAD_TLS {
        let text = text.replace("<TLS>", "cert_file: a\n  key_file: b");
        let message = read(&format!("tls_server_config:\n  {text}\n")).unwrap_err();
        let is_reported = message
            .lines()
            .any(|line| line.starts_with(&format!("web.yml:{expected}")));
        assert!(is_reported, "{text}\n{message}");
        assert_eq!(
            message.matches("hint:").count(),
            message.matches("web.yml").count(),
            "{message}"
        );
    }
}

#[test]
fn other_problems_are_reported_with_their_place() {
    for (text, expected) in [
        ("nonsense", ":1: expected a mapping"),
        ("users: {}", ":1: `users`: unknown key"),
        (
            "http_server_config:\n  headers:\n    Content-Type: x",
            ":3: `http_server_config.headers.Content-Type`: header",
        ),
        (
            "http_server_config:\n  headers:\n    X-Frame-Options: foo",
            ":3: `http_server_config.headers.X-Frame-Options`: invalid value",
        ),
        (
            "http_server_config:\n  headers:\n    x-frame-options: deny",
            ":3: `http_server_config.headers.x-frame-options`: header",
        ),
        (
            "http_server_config:\n  headers:\n    X-XSS-Protection: \"a\\nb\"",
            ":3: `http_server_config.headers.X-XSS-Protection`: invalid characters",
        ),
        (
            "basic_auth_users:\n  a: secret",
            ":2: `basic_auth_users.a`: invalid bcrypt hash",
        ),
        (
            "basic_auth_users:\n  <HASH>: a",
            ":2: `basic_auth_users`: expected a user name",
        ),
        (
            "basic_auth_users:\n  <HASH>: a\n  <HASH>: b",
            ":2: `basic_auth_users`: expected a user name",
        ),
        (
            "basic_auth_users:\n  'a:b': <HASH>",
            ":2: `basic_auth_users.a:b`: invalid user name",
        ),
        (
            "basic_auth_users:\n  a: <HASH>\n  a: <HASH>",
            ":3: `basic_auth_users.a`: duplicate key",
        ),
        (
            "basic_auth_users:\n  a: <COST18>",
            ":2: `basic_auth_users.a`: bcrypt cost 18",
        ),
        (
            "basic_auth_users:\n  a: <COST03>",
            ":2: `basic_auth_users.a`: invalid bcrypt cost",
        ),
        (
            "basic_auth_users:\n  a: <COST32>",
            ":2: `basic_auth_users.a`: invalid bcrypt cost",
        ),
        (
            "rate_limit:\n  interval: 1s",
            ":1: `rate_limit.burst`: required key is missing",
        ),
        (
            "rate_limit:\n  interval: 1s\n  burst: 0",
            ":3: `rate_limit.burst`: value is out of range: 0",
        ),
        (
            "rate_limit:\n  interval: -1s\n  burst: 1",
            ":2: `rate_limit.interval`: invalid duration: -1s",
        ),
        (
            "rate_limit:\n  interval: 1d\n  burst: 1",
            ":2: `rate_limit.interval`: invalid duration: 1d",
        ),
        (
            "rate_limit:\n  interval: 5\n  burst: 1",
            ":2: `rate_limit.interval`: duration without a unit",
        ),
        (
            "rate_limit:\n  burst: 1",
            ":2: `rate_limit.burst`: has no effect without `interval`",
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
fn debug_output_shows_no_secret() {
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
fn the_example_and_the_reference_have_every_key() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let example = std::fs::read_to_string(root.join("docs/web-config.yml")).unwrap();
    let reference = std::fs::read_to_string(root.join("CONFIGURATION.md")).unwrap();
    let plan = read(&example).unwrap();
    assert!(bcrypt::verify("change-me", plan.users[0].hash.expose()).unwrap());
    WebConfigFile::visit_keys("", &mut |path, _| {
        if path.ends_with("[]") {
            return;
        }
        let key = path.rsplit('.').next().unwrap();
        let is_set = example
            .lines()
            .any(|line| line.trim_start().starts_with(&format!("{key}:")));
        let is_named = example.contains(&format!("`{key}`"));
        assert!(is_set || is_named, "docs/web-config.yml: {path}");
    });
    let schema = schema::<WebConfigFile>();
    for section in ["tls_server_config", "rate_limit"] {
        let documented: BTreeSet<_> = skeleton(&reference, section)
            .into_iter()
            .map(|field| field.key)
            .collect();
        let keys: BTreeSet<_> = schema[section].iter().cloned().collect();
        assert_eq!(documented, keys, "CONFIGURATION.md: {section}");
    }
}
