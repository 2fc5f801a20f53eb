//! Every way to credentials, met by the program itself, and what becomes of the others where one
//! account's are not good.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use simulator::{DEMO_ACCESS_KEY_ID, DEMO_SECRET_ACCESS_KEY, Faults, LifeScript, Settings};
use tokio::task::spawn_blocking;

use crate::program::{Running, config, output, program, pytest, text};
use crate::rig::{Exposition, connector, files, get, simulator, transfer};
use crate::support::{Endpoint, Step, http};

/// What STS answers to `operation`: the simulator's keys, as temporary credentials.
fn of_sts(operation: &str) -> String {
    format!(
        "<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{operation}Result><Credentials>\
         <AccessKeyId>{DEMO_ACCESS_KEY_ID}</AccessKeyId><SecretAccessKey>{DEMO_SECRET_ACCESS_KEY}</SecretAccessKey>\
         <SessionToken>token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>\
         <AssumedRoleUser><AssumedRoleId>A:s</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/r/s</Arn>\
         </AssumedRoleUser></{operation}Result></{operation}Response>"
    )
}

/// STS, the endpoint of containers and that of SSO, in one.
async fn issuer() -> Endpoint {
    Endpoint::answering(|_, request| {
        let form = "content-type: text/xml\r\n";
        let json = "content-type: application/json\r\n";
        Step::Answer(if request.body.contains("Action=AssumeRoleWithWebIdentity") {
            http(200, form, of_sts("AssumeRoleWithWebIdentity"))
        } else if request.body.contains("Action=AssumeRole") {
            http(200, form, of_sts("AssumeRole"))
        } else if request.head.contains("/federation/credentials") {
            let body = format!(
                "{{\"roleCredentials\":{{\"accessKeyId\":\"{DEMO_ACCESS_KEY_ID}\",\"secretAccessKey\":\
                 \"{DEMO_SECRET_ACCESS_KEY}\",\"sessionToken\":\"token\",\"expiration\":4070908800000}}}}"
            );
            http(200, json, body)
        } else {
            let body = format!(
                "{{\"AccessKeyId\":\"{DEMO_ACCESS_KEY_ID}\",\"SecretAccessKey\":\"{DEMO_SECRET_ACCESS_KEY}\",\
                 \"Token\":\"token\",\"Expiration\":\"2099-01-01T00:00:00Z\"}}"
            );
            http(200, json, body)
        })
    })
    .await
}

/// The shared configuration of all rows, below `home`, which is `HOME` too.
fn write_home(home: &Path, url: &str) {
    fs::create_dir_all(home.join(".aws/sso/cache")).unwrap();
    fs::write(home.join("token"), "web-identity-token").unwrap();
    fs::write(home.join("pod-token"), "pod-token").unwrap();
    let profiles = format!(
        "[profile keys]\naws_access_key_id = {DEMO_ACCESS_KEY_ID}\naws_secret_access_key = {DEMO_SECRET_ACCESS_KEY}\n\
         [profile chained]\nrole_arn = arn:aws:iam::123456789012:role/chained\nsource_profile = keys\nexternal_id = from-profile\n\
         [profile irsa]\nrole_arn = arn:aws:iam::123456789012:role/irsa\nweb_identity_token_file = {home}/token\n\
         [profile process]\ncredential_process = printf '{{\"Version\":1,\"AccessKeyId\":\"{DEMO_ACCESS_KEY_ID}\",\"SecretAccessKey\":\"{DEMO_SECRET_ACCESS_KEY}\"}}'\n\
         [profile sso]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = reader\nservices = here\n\
         [sso-session corp]\nsso_region = eu-central-1\nsso_start_url = https://corp.awsapps.com/start\n\
         [services here]\nsso =\n  endpoint_url = {url}\n",
        home = home.display()
    );
    fs::write(home.join(".aws/config"), profiles).unwrap();
    // `printf corp | sha1sum` names the cached token of that session.
    let token = "{\"accessToken\":\"sso-token\",\"expiresAt\":\"2099-01-01T00:00:00Z\",\"region\":\"eu-central-1\",\
                 \"startUrl\":\"https://corp.awsapps.com/start\"}";
    fs::write(
        home.join(".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json"),
        token,
    )
    .unwrap();
}

/// The program with `home`, and STS at `url`.
fn at_home(home: &Path, url: &str) -> Command {
    let mut command = program();
    command
        .env("HOME", home)
        .env("AWS_CONFIG_FILE", home.join(".aws/config"))
        .env("AWS_ENDPOINT_URL_STS", url);
    command
}

/// One way to credentials.
struct Way {
    says: &'static str,
    /// Lines of the account's entry.
    entry: &'static str,
    environment: Vec<(&'static str, String)>,
    /// In a request that was made for the credentials; empty where none is.
    asked: &'static str,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_source_of_credentials_returns_results() {
    let (simulator, url) = simulator(Settings::default()).await;
    simulator.put_transfer(
        &connector(1),
        &transfer(1),
        files([LifeScript::completed()]),
        SystemTime::now(),
    );
    let issuer = issuer().await;
    let home = tempfile::tempdir().unwrap();
    write_home(home.path(), &issuer.url);
    let at = |name: &str| home.path().join(name).display().to_string();
    let keys = || {
        vec![
            ("AWS_ACCESS_KEY_ID", DEMO_ACCESS_KEY_ID.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", DEMO_SECRET_ACCESS_KEY.to_owned()),
        ]
    };
    let way = |says, entry, environment, asked| Way {
        says,
        entry,
        environment,
        asked,
    };
    for Way {
        says,
        entry,
        environment,
        asked,
    } in [
        way("The environment.", "", keys(), ""),
        way("A profile with keys.", "profile: keys", vec![], ""),
        way(
            "A profile with a role over another profile.",
            "profile: chained",
            vec![],
            "ExternalId=from-profile",
        ),
        way("A profile with a process.", "profile: process", vec![], ""),
        way(
            "A profile with a web identity.",
            "profile: irsa",
            vec![],
            "WebIdentityToken=web-identity-token",
        ),
        way(
            "A profile with SSO, whose token is cached.",
            "profile: sso",
            vec![],
            "x-amz-sso_bearer_token: sso-token",
        ),
        way(
            "A web identity in the environment (IRSA).",
            "",
            vec![
                ("AWS_WEB_IDENTITY_TOKEN_FILE", at("token")),
                ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/pod".into()),
            ],
            "WebIdentityToken=web-identity-token",
        ),
        way(
            "The container's endpoint, with a token in a file (EKS Pod Identity, ECS).",
            "",
            vec![
                (
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                    format!("{}/v1/credentials", issuer.url),
                ),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", at("pod-token")),
            ],
            "authorization: pod-token",
        ),
        way(
            "A role with an external id, over the environment.",
            "assume_role: {role_arn: 'arn:aws:iam::123456789012:role/r', external_id: from-file, session_name: watcher}",
            keys(),
            "ExternalId=from-file",
        ),
    ] {
        let before = issuer.seen().len();
        let text = format!(
            "accounts:\n  - name: prod\n    region: eu-central-1\n    endpoint_url: {url}\n    {entry}\ndiscovery:\n  connectors:\n    - {{}}\n"
        );
        let mut command = at_home(home.path(), &issuer.url);
        command.envs(environment);
        let ended = spawn_blocking(move || {
            let (_folder, file) = config(&text);
            let (connector, transfer) = (connector(1).to_string(), transfer(1).to_string());
            output(command.args([
                "results",
                &connector,
                &transfer,
                &format!("--config.file={}", file.display()),
            ]))
        })
        .await
        .unwrap();
        assert_eq!(
            ended.status.code(),
            Some(0),
            "{says} {}",
            self::text(&ended.stderr)
        );
        let seen: Vec<_> = issuer.seen()[before..]
            .iter()
            .map(|seen| seen.head.clone() + &seen.body)
            .collect();
        assert!(asked.is_empty() == seen.is_empty(), "{says} {seen:#?}");
        assert!(
            seen.iter().all(|seen| seen.contains(asked)),
            "{says} {seen:#?}"
        );
    }
}

/// A configuration of `accounts`, each with a transfer that is asked for at every scrape.
fn several(url: &str, accounts: &[(&str, &str, &str)]) -> String {
    let mut text = "collector:\n  min_refresh_interval: 1ms\n  max_refresh_interval: 1ms\n  requests_per_second: 1000\naccounts:\n".to_owned();
    let mut transfers = "transfers:\n".to_owned();
    for (name, region, profile) in accounts {
        let _ = writeln!(
            text,
            "  - {{name: {name}, region: {region}, profile: {profile}, endpoint_url: '{url}'}}"
        );
        let (connector, transfer) = (connector(1), transfer(1));
        let _ = writeln!(
            transfers,
            "  - {{account: {name}, connector_id: {connector}, transfer_id: {transfer}}}"
        );
    }
    text + &transfers
}

async fn scrape(exporter: &Running) -> Exposition {
    Exposition::parse(&get(exporter.address, "/metrics", "").await.2)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_polls_many_accounts_and_regions() {
    let (simulator, url) = simulator(Settings::default()).await;
    simulator.put_transfer(
        &connector(1),
        &transfer(1),
        files([LifeScript::stuck_queued()]),
        SystemTime::now(),
    );
    let issuer = issuer().await;
    let home = tempfile::tempdir().unwrap();
    write_home(home.path(), &issuer.url);
    let accounts = [
        ("keys", "eu-central-1", "keys"),
        ("chained", "us-east-1", "chained"),
        ("irsa", "ap-south-1", "irsa"),
        ("process", "eu-west-1", "process"),
        ("sso", "us-west-2", "sso"),
    ];
    let (_folder, file) = config(&several(&url, &accounts));
    let flag = format!("--config.file={}", file.display());
    let exporter = Running::start(
        at_home(home.path(), &issuer.url).args([&flag, "--web.listen-address=127.0.0.1:0"]),
    );
    let exposition = scrape(&exporter).await;
    for (name, region, _) in accounts {
        let labels = [
            format!("aws_account=\"{name}\""),
            format!("aws_region=\"{region}\""),
        ];
        let labels: Vec<_> = labels.iter().map(String::as_str).collect();
        assert_eq!(
            exposition.sum("aws_transfer_exporter_account_up", &labels),
            1.0,
            "{name}"
        );
        assert_eq!(
            exposition.sum("aws_transfer_results_up", &labels),
            1.0,
            "{name}"
        );
    }
    exporter.terminate();
}

/// A profile whose process reads `answer`, a file beside it, notes its runs, and fails where the
/// file is gone.
fn write_process(home: &Path, lifetime_seconds: u64) {
    let script = format!(
        "#!/bin/sh\necho run >> {home}/runs\n[ -e {home}/broken ] && exit 1\nprintf '{{\"Version\":1,\"AccessKeyId\":\"{DEMO_ACCESS_KEY_ID}\",\
         \"SecretAccessKey\":\"{DEMO_SECRET_ACCESS_KEY}\",\"SessionToken\":\"t\",\"Expiration\":\"%s\"}}' \
         \"$(date -u -d '+{lifetime_seconds} seconds' +%Y-%m-%dT%H:%M:%SZ)\"\n",
        home = home.display()
    );
    fs::write(home.join("process"), script).unwrap();
    let config = format!(
        "[profile short]\ncredential_process = sh {home}/process\n[profile keys]\naws_access_key_id = {DEMO_ACCESS_KEY_ID}\n\
         aws_secret_access_key = {DEMO_SECRET_ACCESS_KEY}\n",
        home = home.display()
    );
    fs::create_dir_all(home.join(".aws")).unwrap();
    fs::write(home.join(".aws/config"), config).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_expire_within_seconds_are_refreshed_without_a_failed_poll() {
    let (simulator, url) = simulator(Settings::default()).await;
    simulator.put_transfer(
        &connector(1),
        &transfer(1),
        files([LifeScript::stuck_queued()]),
        SystemTime::now(),
    );
    let home = tempfile::tempdir().unwrap();
    // The SDK wants new ones ten seconds before: these are renewed after two.
    write_process(home.path(), 12);
    let (_folder, file) = config(&several(&url, &[("prod", "eu-central-1", "short")]));
    let flag = format!("--config.file={}", file.display());
    let exporter = Running::start(
        at_home(home.path(), "http://127.0.0.1:1")
            .args([&flag, "--web.listen-address=127.0.0.1:0"]),
    );
    let runs = || {
        fs::read_to_string(home.path().join("runs"))
            .unwrap_or_default()
            .lines()
            .count()
    };
    let deadline = Instant::now() + Duration::from_mins(1);
    while runs() < 4 {
        let exposition = scrape(&exporter).await;
        assert_eq!(exposition.sum("aws_transfer_results_up", &[]), 1.0);
        assert_eq!(exposition.sum("aws_transfer_exporter_account_up", &[]), 1.0);
        assert!(Instant::now() < deadline, "{} runs", runs());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let exposition = scrape(&exporter).await;
    let requests = "aws_transfer_exporter_api_requests_total";
    assert_eq!(
        exposition.sum(requests, &["outcome=\"ok\""]),
        exposition.sum(requests, &[]),
        "no attempt failed"
    );
    exporter.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_credentials_of_one_account_are_exported_and_logged_once_until_they_recover() {
    let (simulator, url) = simulator(Settings::default()).await;
    simulator.put_transfer(
        &connector(1),
        &transfer(1),
        files([LifeScript::stuck_queued()]),
        SystemTime::now(),
    );
    let home = tempfile::tempdir().unwrap();
    write_process(home.path(), 3_600);
    fs::write(home.path().join("broken"), "").unwrap();
    let accounts = [
        ("bad", "eu-central-1", "short"),
        ("good", "eu-west-1", "keys"),
    ];
    let (_folder, file) = config(&several(&url, &accounts));
    let flag = format!("--config.file={}", file.display());
    let exporter = Running::start(
        at_home(home.path(), "http://127.0.0.1:1")
            .args([&flag, "--web.listen-address=127.0.0.1:0"]),
    );
    let up = |exposition: &Exposition, name: &str| {
        exposition.sum(
            "aws_transfer_exporter_account_up",
            &[&format!("aws_account=\"{name}\"")],
        )
    };
    for _ in 0..5 {
        let exposition = scrape(&exporter).await;
        assert_eq!(
            (up(&exposition, "bad"), up(&exposition, "good")),
            (0.0, 1.0)
        );
        assert_eq!(
            exposition.sum("aws_transfer_results_up", &["aws_account=\"good\""]),
            1.0,
            "the other is read"
        );
    }
    // The record is written at the end of the sweep, which may be after the scrape.
    let first = exporter.wait_for("event=polls_failed", "event=polls_failed");
    assert!(
        first.contains("aws_account=bad") && first.contains("kind=credentials_unavailable"),
        "{first}"
    );
    let again = exporter.drain_log();
    assert!(
        !again.iter().any(|line| line.contains("event=polls_failed")),
        "said once: {again:#?}"
    );
    fs::remove_file(home.path().join("broken")).unwrap();
    // Due again a millisecond after the last poll.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let exposition = scrape(&exporter).await;
    assert_eq!(
        (up(&exposition, "bad"), up(&exposition, "good")),
        (1.0, 1.0),
        "healed at the next scrape"
    );
    let healed = exporter.wait_for("event=credentials_recovered", "event=credentials_recovered");
    assert!(healed.contains("aws_account=bad"), "{healed}");
    exporter.terminate();
}

/// The credentials are accepted: only the transfers that they may not read are unreadable.
#[tokio::test(flavor = "multi_thread")]
async fn access_denied_with_valid_credentials_leaves_the_account_up() {
    let (simulator, url) = simulator(Settings::default()).await;
    simulator.put_transfer(
        &connector(1),
        &transfer(1),
        files([LifeScript::stuck_queued()]),
        SystemTime::now(),
    );
    simulator.set_faults(Faults {
        access_denied: true,
        ..Faults::default()
    });
    let home = tempfile::tempdir().unwrap();
    write_process(home.path(), 3_600);
    let (_folder, file) = config(&several(&url, &[("one", "eu-west-1", "keys")]));
    let flag = format!("--config.file={}", file.display());
    let exporter = Running::start(
        at_home(home.path(), "http://127.0.0.1:1")
            .args([&flag, "--web.listen-address=127.0.0.1:0"]),
    );
    let exposition = scrape(&exporter).await;
    assert_eq!(
        exposition.sum(
            "aws_transfer_exporter_api_requests_total",
            &["outcome=\"denied\""]
        ),
        1.0
    );
    assert_eq!(exposition.sum("aws_transfer_results_up", &[]), 0.0);
    assert_eq!(exposition.sum("aws_transfer_exporter_account_up", &[]), 1.0);
    exporter.terminate();
}

#[test]
#[ignore = "needs moto; tests/run provides it"]
fn moto_provides_the_role_and_the_caller() {
    pytest(
        "accounts",
        &["."],
        ("EXPORTER", env!("CARGO_BIN_EXE_aws-transfer-exporter")),
    );
}
