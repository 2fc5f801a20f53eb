//! Regions, endpoints, credentials and roles.

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_http_client::test_util::capture_request;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_transfer_exporter::config::AccountPlan;
use aws_transfer_exporter::transfer::sdk::SdkTransfer;
use aws_transfer_exporter::transfer::session::{
    SessionError, Sessions, StaticCredentials, TimeOuts,
};
use aws_transfer_exporter::transfer::{ErrorKind, TransferApi};
use futures_util::future::join_all;

use crate::support::{Endpoint, Step, http, in_process, is_in_process, report};

use super::{
    Account, EMPTY, JSON, ROLE, Recorder, SECRET, STATIC, TEMPORARY_SECRET, TOKEN, clock,
    connector, plan, role_plan, sessions, transfer,
};

#[tokio::test]
async fn request_for_an_invalid_region_cannot_be_built() {
    let plan = AccountPlan {
        region: Some("no region".into()),
        ..AccountPlan::default()
    };
    let account = Account::open(&sessions(), &plan).await;
    let error = account.page().await.unwrap_err();
    assert_eq!(
        (error.kind, account.attempts.outcomes()),
        (ErrorKind::NotBuilt, Vec::new()),
        "{error}"
    );
    assert!(error.detail.contains("`region`"), "{error}");
}

#[tokio::test]
async fn accounts_have_their_own_endpoint_and_region_and_share_connections() {
    let one = Endpoint::scripted([Step::Answer(http(200, JSON, EMPTY))]).await;
    let two = Endpoint::scripted([Step::Answer(http(200, JSON, EMPTY))]).await;
    let sessions = sessions();
    for (name, url, region) in [
        ("a", &one.url, "eu-central-1"),
        ("b", &two.url, "us-west-2"),
        ("c", &one.url, "ap-south-1"),
    ] {
        let plan = AccountPlan {
            region: Some(region.into()),
            ..plan(name, url)
        };
        assert_eq!(sessions.open(&plan).await.unwrap().region, region);
        Account::open(&sessions, &plan).await.page().await.unwrap();
    }
    let [first, third] = one.seen().try_into().unwrap();
    let [second] = two.seen().try_into().unwrap();
    for (seen, region) in [
        (&first, "eu-central-1"),
        (&second, "us-west-2"),
        (&third, "ap-south-1"),
    ] {
        let authorization = seen.header("authorization");
        assert!(
            authorization.contains(&format!("/{region}/transfer/aws4_request")),
            "{authorization}"
        );
        assert!(
            authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDSTATIC/"),
            "{authorization}"
        );
        assert_eq!(
            seen.header("x-amz-target"),
            "TransferService.ListFileTransferResults"
        );
        assert_eq!(seen.header("content-type"), "application/x-amz-json-1.1");
        assert!(
            seen.head.starts_with("POST / HTTP/1.1\r\n"),
            "{}",
            seen.head
        );
        assert_eq!(seen.header("x-amz-security-token"), "");
    }
    assert_eq!((first.connection, third.connection), (0, 0));
}

#[tokio::test]
async fn fips_and_dual_stack_use_the_documented_hosts() {
    for (fips, dual_stack, region, host) in [
        (
            false,
            false,
            "eu-central-1",
            "transfer.eu-central-1.amazonaws.com",
        ),
        (
            true,
            false,
            "us-east-1",
            "transfer-fips.us-east-1.amazonaws.com",
        ),
        (false, true, "us-east-2", "transfer.us-east-2.api.aws"),
        (true, true, "us-east-2", "transfer-fips.us-east-2.api.aws"),
        (
            false,
            false,
            "cn-north-1",
            "transfer.cn-north-1.amazonaws.com.cn",
        ),
    ] {
        let answer = hyper::Response::new(aws_smithy_types::body::SdkBody::from(EMPTY));
        let (client, request) = capture_request(Some(answer));
        let sessions = Sessions::with_http_client(
            SharedHttpClient::new(client),
            TimeOuts::within(Duration::from_secs(5)),
            Some(STATIC),
        );
        let plan = AccountPlan {
            region: Some(region.into()),
            fips: Some(fips),
            dual_stack: Some(dual_stack),
            ..AccountPlan::default()
        };
        Account::open(&sessions, &plan).await.page().await.unwrap();
        assert_eq!(request.expect_request().uri(), format!("https://{host}/"));
    }
}

/// Makes one call with the environment of this process and reports the result.
async fn call_and_report(credentials: Option<StaticCredentials>, plan: AccountPlan) {
    let budget = std::env::var("TEST_BUDGET_MS").map_or(10_000, |budget| budget.parse().unwrap());
    let sessions = Sessions::new(TimeOuts::within(Duration::from_millis(budget)), credentials);
    let text = match sessions.open(&plan).await {
        Err(error) => error.to_string(),
        Ok(session) => {
            let attempts = Arc::<Recorder>::default();
            let api = SdkTransfer::new(session.config, attempts.clone(), clock());
            let page = api.file_results_page(&connector(), &transfer(), None).await;
            let page =
                page.map_err(|error| format!("{}: {error:?} {error}", error.kind.as_label()));
            format!("{} {:?} {page:?}", session.region, attempts.outcomes())
        }
    };
    report(&text);
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap()
}

#[tokio::test]
async fn call_without_credentials_has_its_own_kind() {
    if is_in_process() {
        return call_and_report(None, plan("none", &variable("TEST_URL"))).await;
    }
    let endpoint = Endpoint::scripted([Step::Answer(http(200, JSON, EMPTY))]).await;
    let home = tempfile::tempdir().unwrap();
    let name = "transfer_errors::sessions::call_without_credentials_has_its_own_kind";
    let report = in_process(name, home.path(), &[("TEST_URL", &endpoint.url)]).await;
    assert!(
        report.starts_with("eu-central-1 [NotSent] Err(\"credentials_missing: "),
        "{report}"
    );
    assert!(endpoint.seen().is_empty());
}

#[tokio::test]
async fn missing_profile_is_an_error_of_the_session() {
    if is_in_process() {
        let plan = AccountPlan {
            profile: Some("absent".into()),
            ..plan("absent", &variable("TEST_URL"))
        };
        return call_and_report(None, plan).await;
    }
    let endpoint = Endpoint::scripted([Step::Answer(http(200, JSON, EMPTY))]).await;
    let home = tempfile::tempdir().unwrap();
    let name = "transfer_errors::sessions::missing_profile_is_an_error_of_the_session";
    let report = in_process(name, home.path(), &[("TEST_URL", &endpoint.url)]).await;
    assert!(
        report.starts_with(
            "account `absent`: profile `absent` (`profile` of the account) is not in "
        ),
        "{report}"
    );
    assert!(endpoint.seen().is_empty());
}

#[tokio::test]
async fn profile_provides_credentials_and_region() {
    if is_in_process() {
        let plan = AccountPlan {
            profile: Some("ops".into()),
            region: None,
            ..plan("ops", &variable("TEST_URL"))
        };
        return call_and_report(None, plan).await;
    }
    let endpoint = Endpoint::scripted([Step::Answer(http(200, JSON, EMPTY))]).await;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config");
    let profiles = "[default]\nregion = us-east-1\naws_access_key_id = AKIDDEFAULT\naws_secret_access_key = x\n\
        [profile ops]\nregion = sa-east-1\naws_access_key_id = AKIDOPS\naws_secret_access_key = y\n";
    std::fs::write(&file, profiles).unwrap();
    let name = "transfer_errors::sessions::profile_provides_credentials_and_region";
    let variables = [
        ("TEST_URL", endpoint.url.as_str()),
        ("AWS_CONFIG_FILE", file.to_str().unwrap()),
    ];
    let report = in_process(name, home.path(), &variables).await;
    assert!(report.starts_with("sa-east-1 [Ok] Ok("), "{report}");
    let authorization = endpoint.seen()[0].header("authorization").to_owned();
    assert!(
        authorization.contains("Credential=AKIDOPS/"),
        "{authorization}"
    );
    assert!(
        authorization.contains("/sa-east-1/transfer/"),
        "{authorization}"
    );
}

#[tokio::test]
async fn error_without_a_region_says_what_to_set() {
    if is_in_process() {
        let plan = AccountPlan {
            region: None,
            ..plan("nowhere", "http://127.0.0.1:1")
        };
        let error = Sessions::new(TimeOuts::within(Duration::from_secs(1)), None)
            .open(&plan)
            .await
            .err()
            .unwrap();
        assert!(matches!(error, SessionError::NoRegion { .. }));
        return report(&error.to_string());
    }
    let home = tempfile::tempdir().unwrap();
    let name = "transfer_errors::sessions::error_without_a_region_says_what_to_set";
    let report = in_process(name, home.path(), &[]).await;
    assert!(
        report.starts_with("account `nowhere`: no Region configured\n  hint: set `region`"),
        "{report}"
    );
}

#[tokio::test]
async fn role_is_assumed_with_its_external_id_and_signs_the_call() {
    if is_in_process() {
        return call_and_report(Some(STATIC), role_plan(&variable("TEST_URL"))).await;
    }
    let granted = format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><AssumedRoleUser>\
         <Arn>arn:aws:sts::123456789012:assumed-role/transfer-read/watcher</Arn><AssumedRoleId>A:watcher</AssumedRoleId>\
         </AssumedRoleUser><Credentials><AccessKeyId>ASIATEMPORARY</AccessKeyId>\
         <SecretAccessKey>{TEMPORARY_SECRET}</SecretAccessKey><SessionToken>{TOKEN}</SessionToken>\
         <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
    );
    let sts = Endpoint::scripted([Step::Answer(http(
        200,
        "content-type: text/xml\r\n",
        granted,
    ))])
    .await;
    let rejected = r#"{"__type": "AccessDeniedException", "Message": "not authorized"}"#;
    let endpoint = Endpoint::scripted([Step::Answer(http(400, JSON, rejected))]).await;
    let home = tempfile::tempdir().unwrap();
    let name = "transfer_errors::sessions::role_is_assumed_with_its_external_id_and_signs_the_call";
    let variables = [
        ("TEST_URL", endpoint.url.as_str()),
        ("AWS_ENDPOINT_URL_STS", &sts.url),
    ];
    let report = in_process(name, home.path(), &variables).await;
    assert!(
        report.starts_with("eu-central-1 [Denied] Err(\"access_denied: "),
        "{report}"
    );
    for canary in [SECRET, TEMPORARY_SECRET, TOKEN] {
        assert!(!report.contains(canary), "{report}");
    }
    let [asked] = sts.seen().try_into().unwrap();
    let form: Vec<_> = form_urlencoded::parse(asked.body.as_bytes())
        .into_owned()
        .collect();
    for (key, value) in [
        ("Action", "AssumeRole"),
        ("RoleArn", ROLE),
        ("ExternalId", "ext/1"),
        ("RoleSessionName", "watcher"),
    ] {
        assert!(
            form.contains(&(key.into(), value.into())),
            "{key}: {form:?}"
        );
    }
    let authorization = asked.header("authorization");
    assert!(
        authorization.contains("Credential=AKIDSTATIC/"),
        "{authorization}"
    );
    assert!(
        authorization.contains("/eu-central-1/sts/"),
        "{authorization}"
    );
    let [called] = endpoint.seen().try_into().unwrap();
    let authorization = called.header("authorization");
    assert!(
        authorization.contains("Credential=ASIATEMPORARY/"),
        "{authorization}"
    );
    assert!(
        authorization.contains("x-amz-security-token"),
        "{authorization}"
    );
    assert_eq!(called.header("x-amz-security-token"), TOKEN);
}

#[tokio::test]
async fn denied_role_has_its_own_kind_and_the_reason() {
    if is_in_process() {
        return call_and_report(Some(STATIC), role_plan(&variable("TEST_URL"))).await;
    }
    let denied = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
        <Code>AccessDenied</Code><Message>may not assume the role</Message></Error><RequestId>r</RequestId>\
        </ErrorResponse>";
    let sts = Endpoint::scripted([Step::Answer(http(
        403,
        "content-type: text/xml\r\n",
        denied,
    ))])
    .await;
    let endpoint = Endpoint::scripted([Step::Answer(http(200, JSON, EMPTY))]).await;
    let home = tempfile::tempdir().unwrap();
    let name = "transfer_errors::sessions::denied_role_has_its_own_kind_and_the_reason";
    let variables = [
        ("TEST_URL", endpoint.url.as_str()),
        ("AWS_ENDPOINT_URL_STS", &sts.url),
    ];
    let report = in_process(name, home.path(), &variables).await;
    assert!(
        report.starts_with("eu-central-1 [NotSent] Err(\"credentials_unavailable: "),
        "{report}"
    );
    assert!(
        report.ends_with("failed to obtain credentials: AccessDenied: may not assume the role\")"),
        "{report}"
    );
    assert!(!report.contains(SECRET), "{report}");
    let signature = sts.seen()[0]
        .header("authorization")
        .rsplit_once('=')
        .unwrap()
        .1
        .to_owned();
    assert!(!report.contains(&signature), "{report}");
    assert!(endpoint.seen().is_empty());
}

#[tokio::test]
async fn failure_to_assume_a_role_is_not_attributed_to_the_transfer_api() {
    if is_in_process() {
        return call_and_report(Some(STATIC), role_plan(&variable("TEST_URL"))).await;
    }
    let html = http(503, "content-type: text/html\r\n", "<html>");
    let steps = [
        (Step::Answer(html), "credentials_unavailable"),
        (
            Step::Answer(http(
                200,
                "content-type: text/xml\r\n",
                "<AssumeRoleResponse/>",
            )),
            "credentials_unavailable",
        ),
        (Step::Reset(Vec::new()), "credentials_unavailable"),
        (Step::Stall(Vec::new()), "timeout"),
    ];
    let checks = steps.into_iter().map(|(step, kind)| async move {
        let sts = Endpoint::scripted([step]).await;
        let endpoint = Endpoint::scripted([Step::Answer(http(200, JSON, EMPTY))]).await;
        let home = tempfile::tempdir().unwrap();
        let name =
            "transfer_errors::sessions::failure_to_assume_a_role_is_not_attributed_to_the_transfer_api";
        let variables = [
            ("TEST_URL", endpoint.url.as_str()),
            ("AWS_ENDPOINT_URL_STS", &sts.url),
            (
                "TEST_BUDGET_MS",
                if kind == "timeout" { "900" } else { "9000" },
            ),
        ];
        let report = in_process(name, home.path(), &variables).await;
        assert!(report.contains(&format!(" Err(\"{kind}: ")), "{report}");
        assert!(!report.contains(SECRET), "{report}");
        assert!(endpoint.seen().is_empty() && !sts.seen().is_empty());
    });
    join_all(checks).await;
}
