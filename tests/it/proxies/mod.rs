//! Proxies, private certificate authorities, FIPS and dual-stack endpoints: what the environment, the
//! profile and the configuration ask for. The proxy tunnels every host to one server on the loopback
//! whose certificate a private authority signed, so that the exporter uses the names of AWS and no
//! packet leaves the machine.

mod peers;
mod rig;

use std::path::Path;

use tokio::task::spawn_blocking;

use self::rig::{Aws, CREDENTIALS, Proxy, RESULTS};
use crate::program::{Running, config, output, program, text};
use crate::rig::{connector, transfer};
use crate::support::{Endpoint, Step, http};

type Environment = Vec<(&'static str, String)>;

/// Runs `results` for an account with `entry`, and with keys in the environment; returns the exit
/// code and what it printed.
async fn results(entry: &str, mut environment: Environment) -> (Option<i32>, String) {
    for (name, value) in [("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "s")] {
        environment.push((name, value.to_owned()));
    }
    results_without_keys(entry, environment).await
}

async fn results_without_keys(entry: &str, environment: Environment) -> (Option<i32>, String) {
    let text = format!(
        "accounts:\n  - name: a\n    region: us-east-1\n    {entry}\ndiscovery:\n  connectors:\n    - {{}}\n"
    );
    spawn_blocking(move || {
        let (_folder, file) = config(&text);
        let (connector, transfer) = (connector(1).to_string(), transfer(1).to_string());
        let flag = format!("--config.file={}", file.display());
        let mut command = program();
        let ended = output(
            command
                .envs(environment)
                .args(["results", &connector, &transfer, &flag]),
        );
        let said = self::text(&ended.stdout) + &self::text(&ended.stderr);
        (ended.status.code(), said)
    })
    .await
    .unwrap()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Writes a shared configuration whose default profile has `lines`.
fn profile(folder: &Path, lines: &str) -> String {
    let path = folder.join("config");
    std::fs::write(&path, format!("[default]\n{lines}\n")).unwrap();
    shown(&path)
}

#[tokio::test(flavor = "multi_thread")]
async fn proxy_and_authorities_come_from_the_account_the_environment_or_the_profile() {
    let aws = Aws::start().await;
    let proxy = Proxy::start(&aws, None).await;
    let (url, ca) = (proxy.url(), shown(&aws.ca_file()));
    let with_user = url.replace("http://", "http://user:p%40ss@");
    let home = tempfile::tempdir().unwrap();
    let of_profile = profile(home.path(), &format!("ca_bundle = {ca}"));
    let bundle = || ("AWS_CA_BUNDLE", ca.clone());
    let by_account = format!("ca_file: {ca}\n    proxy_url: {with_user}");
    // `printf user:p@ss | base64`
    let authorized = " Basic dXNlcjpwQHNz";
    for (entry, environment, credentials) in [
        ("", vec![("HTTPS_PROXY", url.clone()), bundle()], ""),
        ("", vec![("https_proxy", url.clone()), bundle()], ""),
        ("", vec![("ALL_PROXY", url.clone()), bundle()], ""),
        ("", vec![("all_proxy", url.clone()), bundle()], ""),
        (
            "",
            vec![("HTTPS_PROXY", with_user.clone()), bundle()],
            authorized,
        ),
        (
            "",
            vec![
                ("HTTPS_PROXY", url.clone()),
                ("AWS_CONFIG_FILE", of_profile),
            ],
            "",
        ),
        (by_account.as_str(), vec![], authorized),
        // The account's replace those of the environment.
        (
            by_account.as_str(),
            vec![
                ("HTTPS_PROXY", "http://127.0.0.1:1".to_owned()),
                ("AWS_CA_BUNDLE", "/none".to_owned()),
            ],
            authorized,
        ),
    ] {
        let (code, said) = results(entry, environment.clone()).await;
        assert!(
            code == Some(0) && said.contains("/through"),
            "{entry} {environment:?}\n{said}"
        );
        let expected = format!("CONNECT transfer.us-east-1.amazonaws.com:443{credentials}");
        assert_eq!(proxy.drain(), [expected], "{entry} {environment:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_a_container_come_over_tls_of_the_same_authorities_without_a_proxy() {
    let aws = Aws::start().await;
    let proxy = Proxy::start(&aws, None).await;
    let ca = shown(&aws.ca_file());
    let container = format!("{}/container", aws.url());
    let environment = |trusted: &str| {
        vec![
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.clone()),
            ("HTTPS_PROXY", proxy.url()),
            ("AWS_CA_BUNDLE", trusted.to_owned()),
        ]
    };
    let (code, said) = results_without_keys("", environment(&ca)).await;
    assert!(code == Some(0) && said.contains("/through"), "{said}");
    let calls = proxy.drain();
    assert_eq!(calls, ["CONNECT transfer.us-east-1.amazonaws.com:443"]);
    let other = Aws::start().await;
    let (code, said) = results_without_keys("", environment(&shown(&other.ca_file()))).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("credentials"), "{said}");
    assert_eq!(
        proxy.drain(),
        [""; 0],
        "nothing is sent without credentials"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_proxy_names_hosts_that_are_reached_directly() {
    let aws = Aws::start().await;
    let proxy = Proxy::start(&aws, None).await;
    let ca = shown(&aws.ca_file());
    let entry = format!("endpoint_url: https://aws.invalid\n    ca_file: {ca}");
    let by_account = format!("{entry}\n    proxy_url: {}", proxy.url());
    let environment = |no_proxy: &'static str, hosts: &str| {
        vec![("HTTPS_PROXY", proxy.url()), (no_proxy, hosts.to_owned())]
    };
    for (entry, environment, proxied) in [
        (&entry, environment("NO_PROXY", "other.invalid"), true),
        (
            &entry,
            environment("NO_PROXY", "other.invalid, .invalid"),
            false,
        ),
        (&entry, environment("no_proxy", "aws.invalid"), false),
        (&entry, environment("NO_PROXY", "*"), false),
        (&by_account, environment("NO_PROXY", "other.invalid"), true),
        (&by_account, environment("NO_PROXY", "aws.invalid"), false),
    ] {
        let (code, said) = results(entry, environment.clone()).await;
        let seen = proxy.drain();
        if proxied {
            assert_eq!(
                (code, &*seen),
                (Some(0), &["CONNECT aws.invalid:443".to_owned()][..]),
                "{said}"
            );
        } else {
            // No name below `invalid` exists.
            assert!(
                said.contains("connection failed"),
                "{environment:?}\n{said}"
            );
            assert_eq!((code, seen), (Some(1), vec![]), "{environment:?}\n{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_uses_its_own_proxy_and_the_loopback_and_metadata_use_none() {
    let aws = Aws::start().await;
    let proxy = Proxy::start(&aws, None).await;
    let variable = |name| vec![(name, proxy.url())];
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        let (code, said) = results("endpoint_url: http://aws.invalid", variable(name)).await;
        assert_eq!(code, Some(0), "{name}\n{said}");
        assert_eq!(proxy.drain(), ["POST http://aws.invalid/"], "{name}");
    }
    let metadata = Endpoint::answering(|_, request| {
        Step::Answer(if request.head.starts_with("GET /credentials") {
            http(200, "content-type: application/json\r\n", CREDENTIALS)
        } else {
            http(200, "content-type: application/x-amz-json-1.1\r\n", RESULTS)
        })
    })
    .await;
    let mut environment = vec![
        ("AWS_ACCESS_KEY_ID", String::new()),
        (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            format!("{}/credentials", metadata.url),
        ),
        ("AWS_CA_BUNDLE", shown(&aws.ca_file())),
    ];
    environment.extend(["HTTP_PROXY", "HTTPS_PROXY"].map(|name| (name, proxy.url())));
    let (code, said) = results("", environment.clone()).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(
        proxy.drain(),
        ["CONNECT transfer.us-east-1.amazonaws.com:443"]
    );
    let (code, said) = results(&format!("endpoint_url: {}", metadata.url), environment).await;
    assert_eq!((code, proxy.drain()), (Some(0), vec![]), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fips_and_dual_stack_are_those_of_the_account_the_environment_or_the_profile() {
    let aws = Aws::start().await;
    let proxy = Proxy::start(&aws, None).await;
    let home = tempfile::tempdir().unwrap();
    let keys = "use_fips_endpoint = true\nuse_dualstack_endpoint = true";
    let of_profile = profile(home.path(), keys);
    let role = "assume_role: {role_arn: 'arn:aws:iam::123456789012:role/r'}";
    let (fips, dual) = ("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT");
    let both = || vec![(fips, "true".to_owned()), (dual, "true".to_owned())];
    let off = format!("{role}\n    fips: false\n    dual_stack: false");
    let on = format!("{role}\n    fips: true\n    dual_stack: true");
    for (entry, environment, suffix) in [
        (role, vec![], ("", "amazonaws.com")),
        (
            role,
            vec![(fips, "true".to_owned())],
            ("-fips", "amazonaws.com"),
        ),
        (role, vec![(dual, "TRUE".to_owned())], ("", "api.aws")),
        (role, both(), ("-fips", "api.aws")),
        (
            role,
            vec![("AWS_CONFIG_FILE", of_profile.clone())],
            ("-fips", "api.aws"),
        ),
        (&on, vec![], ("-fips", "api.aws")),
        (&off, both(), ("", "amazonaws.com")),
        (
            &off,
            vec![("AWS_CONFIG_FILE", of_profile.clone())],
            ("", "amazonaws.com"),
        ),
        // The environment precedes the profile.
        (
            role,
            vec![
                ("AWS_CONFIG_FILE", of_profile.clone()),
                (fips, "false".to_owned()),
            ],
            ("", "api.aws"),
        ),
    ] {
        let mut with_proxy = environment.clone();
        with_proxy.push(("HTTPS_PROXY", proxy.url()));
        with_proxy.push(("AWS_CA_BUNDLE", shown(&aws.ca_file())));
        let (code, said) = results(entry, with_proxy).await;
        assert_eq!(code, Some(0), "{entry} {environment:?}\n{said}");
        let (kind, domain) = suffix;
        let of = |service: &str| format!("CONNECT {service}{kind}.us-east-1.{domain}:443");
        assert_eq!(
            proxy.drain(),
            [of("sts"), of("transfer")],
            "{entry} {environment:?}"
        );
    }
}

#[test]
fn fips_and_dual_stack_that_the_endpoint_of_a_source_replaces_are_reported() {
    let queue = |name: &str, endpoint: &str| {
        format!(
            "    - {{queue_url: 'https://sqs.us-east-1.amazonaws.com/123456789012/{name}'{endpoint}}}\n"
        )
    };
    let endpoint = ", endpoint_url: 'http://127.0.0.1:1'";
    let text = |queues: &[String]| {
        format!(
            "accounts:\n  - {{name: a, region: us-east-1, account_id: '123456789012', fips: true}}\n\
             discovery:\n  cloudtrail:\n    - {{endpoint_url: 'http://127.0.0.1:1'}}\n  events:\n{}",
            queues.concat()
        )
    };
    let mut queues = vec![queue("a", ""), queue("b", endpoint)];
    let (_folder, file) = config(&text(&queues));
    let flag = format!("--config.file={}", file.display());
    // Nothing leaves the machine.
    let environment = [
        ("HTTPS_PROXY", "http://127.0.0.1:1"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "true"),
        ("AWS_ACCESS_KEY_ID", "A"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
    ];
    let mut command = program();
    command
        .envs(environment)
        .args([&flag, "--web.listen-address=127.0.0.1:0"]);
    let exporter = Running::unready(&mut command);
    let event = "event=settings_without_effect";
    let of = |source: &str| {
        let with = format!("endpoint with discovery.{source}.endpoint_url");
        [format!("FIPS {with}"), format!("dual-stack {with}")]
    };
    let mut first = [of("cloudtrail[0]"), of("events[1]")].concat();
    first.sort();
    let record = exporter.wait_for(event, "event=listening");
    assert!(
        record.contains(&format!("settings=\"{}\"", first.join(", "))),
        "{record}"
    );
    let checked = output(
        program()
            .envs(environment)
            .args(["check", "--live", "--quiet", &flag]),
    );
    let checked = self::text(&checked.stdout);
    for setting in &first {
        assert!(checked.contains(setting), "{checked}");
    }

    // A reload reports the sources that are new.
    queues.push(queue("c", endpoint));
    std::fs::write(&file, text(&queues)).unwrap();
    exporter.signal("HUP");
    let record = exporter.wait_for(event, "event=config_reload_failed");
    assert!(
        record.contains(&format!("settings=\"{}\"", of("events[2]").join(", "))),
        "{record}"
    );
    exporter.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_cannot_be_used_prevent_the_start_with_place_and_remedy() {
    let home = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = home.path().join(name);
        std::fs::write(&path, text).unwrap();
        shown(&path)
    };
    let empty = file("empty.pem", "no certificate\n");
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let garbage = file("garbage.pem", garbage);
    let directory = shown(home.path());
    let bundle = |path: &str| vec![("AWS_CA_BUNDLE", path.to_owned())];
    let fips = vec![("AWS_USE_FIPS_ENDPOINT", "true".to_owned())];
    let url = "endpoint_url: https://aws.invalid".to_owned();
    for (entry, environment, said) in [
        (
            String::new(),
            bundle("/none.pem"),
            "in /none.pem (AWS_CA_BUNDLE): No such file".to_owned(),
        ),
        (
            String::new(),
            bundle(&directory),
            format!("in {directory} (AWS_CA_BUNDLE): is a directory"),
        ),
        (
            String::new(),
            bundle(&empty),
            format!("in {empty} (AWS_CA_BUNDLE): no certificate in PEM format"),
        ),
        (
            format!("ca_file: {garbage}"),
            vec![],
            format!("in {garbage} (`ca_file` of the account): certificate 1 is invalid: "),
        ),
        (
            String::new(),
            vec![(
                "ALL_PROXY",
                "socks5://user:HIDDEN@127.0.0.1:1080".to_owned(),
            )],
            "invalid proxy in ALL_PROXY: expected an `http://` or `https://` URL".to_owned(),
        ),
        (
            url.clone(),
            fips,
            "`endpoint_url` cannot be combined with AWS_USE_FIPS_ENDPOINT or `use_fips_endpoint`"
                .to_owned(),
        ),
        (
            url,
            vec![("AWS_USE_DUALSTACK_ENDPOINT", "true".to_owned())],
            "`endpoint_url` cannot be combined with AWS_USE_DUALSTACK_ENDPOINT".to_owned(),
        ),
    ] {
        let (code, printed) = results(&entry, environment).await;
        assert!(
            code == Some(1) && printed.contains("account `a`: ") && printed.contains(&said),
            "{said}\n{printed}"
        );
        assert!(
            printed.contains("\n  hint: ") && !printed.contains("HIDDEN"),
            "{printed}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn proxy_that_refuses_and_certificate_of_an_unknown_authority_are_network_errors() {
    let aws = Aws::start().await;
    let proxy = Proxy::start(&aws, None).await;
    let refusing = Proxy::start(&aws, Some(407)).await;
    let ca = shown(&aws.ca_file());
    let through = |url: String| vec![("HTTPS_PROXY", url)];
    let url = refusing.url().replace("http://", "http://user:HIDDEN@");
    let (code, said) = results(&format!("ca_file: {ca}"), through(url)).await;
    assert_eq!(code, Some(1));
    assert!(
        said.contains("connection failed") && said.contains("proxy"),
        "{said}"
    );
    assert!(!said.contains("HIDDEN"), "{said}");
    let (code, said) = results("", through(proxy.url())).await;
    assert_eq!(code, Some(1));
    assert!(
        said.contains("connection failed") && said.contains("UnknownIssuer"),
        "{said}"
    );
}
