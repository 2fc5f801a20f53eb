//! Credentials that cannot sign, Regions that are no Regions, and shared files that cannot be read: what
//! is reported, where the remedy is, and that no secret is shown.

use std::fs;
use std::time::SystemTime;

use simulator::{DEMO_ACCESS_KEY_ID, DEMO_SECRET_ACCESS_KEY, LifeScript, Settings};
use tokio::task::spawn_blocking;

use crate::program::{Running, config, output, program, text};
use crate::rig::{Exposition, connector, files, get, simulator, transfer};
use crate::support::{Endpoint, Step, http};

/// Runs `results` with `environment`; returns the exit code and what it printed.
async fn results(text: String, environment: Vec<(&'static str, String)>) -> (Option<i32>, String) {
    spawn_blocking(move || {
        let (_folder, file) = config(&text);
        let (connector, transfer) = (connector(1).to_string(), transfer(1).to_string());
        let flag = format!("--config.file={}", file.display());
        let ended = output(
            program()
                .envs(environment)
                .args(["results", &connector, &transfer, &flag]),
        );
        let said = self::text(&ended.stdout) + &self::text(&ended.stderr);
        (ended.status.code(), said)
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn unusable_credentials_are_refused_with_their_source_and_never_shown() {
    let (_simulator, url) = simulator(Settings::default()).await;
    let text = |entry: &str| {
        format!(
            "accounts:\n  - name: a\n    region: eu-central-1\n    endpoint_url: {url}\n    {entry}\ndiscovery:\n  \
             connectors:\n    - {{}}\n"
        )
    };
    let keys = |id: &str, secret: &str, token: &str| {
        vec![
            ("AWS_ACCESS_KEY_ID", id.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", secret.to_owned()),
            ("AWS_SESSION_TOKEN", token.to_owned()),
        ]
    };
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config");
    // A line that is indented continues the value.
    let profiles = "[profile lines]\naws_access_key_id = AKIDHIDDEN\n  more\naws_secret_access_key = HIDDEN\n\
                    [profile role]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = lines\n";
    fs::write(&file, profiles).unwrap();
    let with_file = || vec![("AWS_CONFIG_FILE", file.display().to_string())];
    let role = "assume_role: {role_arn: 'arn:aws:iam::123456789012:role/r'}";
    for (entry, environment, said) in [
        (
            "",
            keys("AKIDHIDDEN\n", "HIDDEN", ""),
            "the access key ID from environment variables contains a line break",
        ),
        (
            "",
            keys("AKIDHIDDEN", "HIDDEN\n", ""),
            "the secret access key from environment variables contains a line break",
        ),
        (
            "",
            keys("AKIDHIDDEN", "HIDDEN", "HIDDEN TOKEN"),
            "the session token from environment variables contains a blank",
        ),
        (
            role,
            keys("AKIDHIDDEN\r", "HIDDEN", ""),
            "the access key ID from environment variables contains a line break",
        ),
        (
            "profile: lines",
            with_file(),
            "the access key ID from profile `lines` contains a line break",
        ),
    ] {
        let (code, printed) = results(text(entry), environment).await;
        let expected =
            format!("failed to read results: the credentials are unusable: {said}\n  hint: ");
        assert!(printed.contains(&expected), "{entry} {said}\n{printed}");
        assert!(
            code == Some(1) && !printed.contains("HIDDEN"),
            "{code:?}\n{printed}"
        );
    }
    // The SDK signs the request for the role before it returns any credentials.
    let (code, printed) = results(text("profile: role"), with_file()).await;
    let expected = "failed to obtain credentials: profile `role`: ";
    assert!(printed.contains(expected), "{printed}");
    assert!(
        code == Some(1) && !printed.contains("HIDDEN"),
        "{code:?}\n{printed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn unusable_credentials_of_one_account_are_exported_as_not_sent() {
    let (simulator, url) = simulator(Settings::default()).await;
    simulator.put_transfer(
        &connector(1),
        &transfer(1),
        files([LifeScript::stuck_queued()]),
        SystemTime::now(),
    );
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config");
    let profiles = format!(
        "[profile good]\naws_access_key_id = {DEMO_ACCESS_KEY_ID}\naws_secret_access_key = {DEMO_SECRET_ACCESS_KEY}\n\
         [profile bad]\naws_access_key_id = AKIDHIDDEN\n  more\naws_secret_access_key = HIDDEN\n"
    );
    fs::write(&file, profiles).unwrap();
    let entry = |name: &str| {
        format!(
            "  - {{name: {name}, region: eu-central-1, profile: {name}, endpoint_url: '{url}'}}\n"
        )
    };
    let watched = |name: &str| {
        format!(
            "  - {{account: {name}, connector_id: {}, transfer_id: {}}}\n",
            connector(1),
            transfer(1)
        )
    };
    let (_folder, yaml) = config(&format!(
        "accounts:\n{}{}transfers:\n{}{}",
        entry("good"),
        entry("bad"),
        watched("good"),
        watched("bad")
    ));
    let flag = format!("--config.file={}", yaml.display());
    let exporter = Running::start(
        program()
            .env("AWS_CONFIG_FILE", file)
            .args([&flag, "--web.listen-address=127.0.0.1:0"]),
    );
    let exposition = Exposition::parse(&get(exporter.address, "/metrics", "").await.2);
    for (account, up, outcome) in [("good", 1.0, "ok"), ("bad", 0.0, "not_sent")] {
        let account = format!("aws_account=\"{account}\"");
        assert_eq!(
            exposition.sum("aws_transfer_exporter_account_up", &[&account]),
            up
        );
        assert_eq!(exposition.sum("aws_transfer_results_up", &[&account]), up);
        let requests = "aws_transfer_exporter_api_requests_total";
        let outcome = format!("outcome=\"{outcome}\"");
        assert_eq!(exposition.sum(requests, &[&account, &outcome]), 1.0);
        assert_eq!(exposition.sum(requests, &[&account]), 1.0);
    }
    let record = exporter.wait_for("event=polls_failed", "event=polls_failed");
    assert!(record.contains("kind=credentials_unusable"), "{record}");
    assert!(!record.contains("HIDDEN"), "{record}");
    exporter.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn region_of_the_environment_or_a_profile_is_checked_at_load() {
    let instance = Endpoint::answering(|_, request| {
        Step::Answer(if request.head.starts_with("PUT /latest/api/token") {
            http(200, "x-aws-ec2-metadata-token-ttl-seconds: 60\r\n", "token")
        } else {
            http(200, "", "nowhere")
        })
    })
    .await;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config");
    let profiles = "[profile blank]\nregion = eu central 1\n[profile role]\nsource_profile = quoted\n\
                    [profile quoted]\nregion = \"eu-central-1\"\n[profile none]\n";
    fs::write(&file, profiles).unwrap();
    let variable = |name, value: &str| vec![(name, value.to_owned())];
    let of_instance = vec![
        ("AWS_EC2_METADATA_DISABLED", "false".to_owned()),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", instance.url.clone()),
    ];
    for (entry, environment, said) in [
        (
            "{}",
            variable("AWS_REGION", ""),
            "the Region of AWS_REGION is empty",
        ),
        (
            "{}",
            variable("AWS_REGION", "eu-central-1\n"),
            "the Region of AWS_REGION contains a line break",
        ),
        (
            "{}",
            variable("AWS_REGION", "frankfurt"),
            "the Region of AWS_REGION is not the code of a Region",
        ),
        (
            "{}",
            variable("AWS_DEFAULT_REGION", "'eu-central-1'"),
            "the Region of AWS_DEFAULT_REGION contains quotes",
        ),
        (
            "{profile: blank}",
            vec![],
            "the Region of profile `blank` contains a blank",
        ),
        (
            "{profile: role}",
            vec![],
            "the Region of profile `quoted` contains quotes",
        ),
        (
            "{profile: none}",
            of_instance,
            "the Region of the instance metadata is not the code of a Region",
        ),
    ] {
        let text = format!("accounts:\n  - {entry}\ndiscovery:\n  connectors:\n    - {{}}\n");
        let mut environment = environment;
        environment.push(("AWS_CONFIG_FILE", file.display().to_string()));
        let (code, printed) = results(text, environment).await;
        let expected =
            format!("account `default`: {said}\n  hint: use a code such as `eu-central-1`");
        assert!(
            code == Some(1) && printed.contains(&expected),
            "{said}\n{printed}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shared_configuration_that_cannot_be_used_is_an_error_with_file_and_line() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).display().to_string();
    fs::write(
        path("bad"),
        "[default]\nregion = eu-central-1\nregion eu-west-1\n",
    )
    .unwrap();
    fs::write(path("good"), "[default]\nregion = eu-central-1\n").unwrap();
    let (bad, good) = (path("bad"), path("good"));
    for (environment, said) in [
        (
            vec![("AWS_CONFIG_FILE", bad.clone())],
            format!(
                "failed to read the AWS configuration: error parsing {bad} on line 3: Expected an '='"
            ),
        ),
        (
            vec![("AWS_SHARED_CREDENTIALS_FILE", bad.clone())],
            format!(
                "failed to read the AWS configuration: error parsing {bad} on line 3: Expected an '='"
            ),
        ),
        (
            vec![
                ("AWS_CONFIG_FILE", good.clone()),
                ("AWS_PROFILE", "typo".to_owned()),
            ],
            format!("profile `typo` (AWS_PROFILE) is not in {good} or none (no such file)"),
        ),
    ] {
        // The Region and the keys are known: neither is the problem.
        let text = "accounts:\n  - region: eu-central-1\ndiscovery:\n  connectors:\n    - {}\n";
        let keys = [("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "s")];
        let keys = keys.map(|(name, value)| (name, value.to_owned()));
        let (code, printed) = results(text.to_owned(), [environment, keys.to_vec()].concat()).await;
        assert!(
            code == Some(1)
                && printed.contains(&format!("account `default`: {said}"))
                && printed.contains("\n  hint: "),
            "{said}\n{printed}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_without_effect_are_named_once_at_the_start() {
    let (_simulator, url) = simulator(Settings::default()).await;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config");
    let profile = format!(
        "[profile ops]\naws_access_key_id = {DEMO_ACCESS_KEY_ID}\naws_secret_access_key = {DEMO_SECRET_ACCESS_KEY}\n\
         retry_mode = adaptive\noutput = json\n"
    );
    fs::write(&file, profile).unwrap();
    let entry = |name: &str| {
        format!("  - {{name: {name}, region: eu-central-1, profile: ops, endpoint_url: '{url}'}}\n")
    };
    let (_folder, yaml) = config(&format!(
        "accounts:\n{}{}discovery:\n  connectors:\n    - account: a\n",
        entry("a"),
        entry("b")
    ));
    let flag = format!("--config.file={}", yaml.display());
    let environment = [
        ("AWS_MAX_ATTEMPTS", "10"),
        ("AWS_S3_USE_ARN_REGION", "true"),
    ];
    let exporter = Running::unready(
        program()
            .env("AWS_CONFIG_FILE", &file)
            .envs(environment)
            .args([&flag, "--web.listen-address=127.0.0.1:0"]),
    );
    let event = "event=settings_without_effect";
    let record = exporter.wait_for(event, event);
    let settings = "settings=\"AWS_MAX_ATTEMPTS, retry_mode of profile ops\"";
    assert!(record.contains(settings), "{record}");
    exporter.wait_for("event=listening", "event=listening");
    exporter.signal("TERM");
    let rest = exporter.rest_of_log();
    assert!(!rest.iter().any(|line| line.contains(event)), "{rest:#?}");
    let checked = spawn_blocking(move || {
        output(
            program()
                .env("AWS_CONFIG_FILE", file)
                .env("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
                .envs(environment)
                .args(["check", "--live", &flag]),
        )
    });
    let checked = text(&checked.await.unwrap().stdout);
    let line = "no effect: AWS_MAX_ATTEMPTS, retry_mode of profile ops";
    assert_eq!(checked.matches(line).count(), 2, "{checked}");
}
