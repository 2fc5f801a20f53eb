//! `check --live`: what it finds out by calls, and what it exits with.

use std::time::{Duration, SystemTime};

use jiff::fmt::strtime;
use jiff::{SignedDuration, Timestamp};
use simulator::ApiOperation::{
    self, DescribeConnector, GetQueueAttributes, ListConnectors, ListFileTransferResults,
    LookupEvents,
};
use simulator::{ConnectorSpec, Faults, LifeScript, Protocol, Settings};
use tokio::task::spawn_blocking;

use crate::program::{config, output, signing_program, text};
use crate::rig::{connector, files, simulator, transfer};
use crate::support::{Endpoint, Step, http};

const CALLER: &str = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
    <GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/exporter</Arn><UserId>AIDA</UserId>\
    <Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";
const EXPIRED: &str = "<ErrorResponse><Error><Code>ExpiredToken</Code><Message>it has expired</Message></Error>\
    </ErrorResponse>";

/// STS whose clock is `seconds` before this machine's.
async fn sts(seconds: u64, status: u16, body: &'static str) -> Endpoint {
    let then = SystemTime::now() - Duration::from_secs(seconds);
    let date = humantime::format_rfc3339_seconds(then).to_string();
    // `2026-01-31T12:00:00Z`; the day of the week is read and not checked.
    let (year, month, day) = (
        &date[..4],
        date[5..7].parse::<usize>().unwrap(),
        &date[8..10],
    );
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let date = format!(
        "Mon, {day} {} {year} {} GMT",
        months[month - 1],
        &date[11..19]
    );
    Endpoint::scripted([Step::Answer(http(
        status,
        &format!("content-type: text/xml\r\ndate: {date}\r\n"),
        body,
    ))])
    .await
}

async fn check(text: String, sts: &Endpoint) -> (Option<i32>, String) {
    check_with(text, sts, &[]).await
}

async fn check_with(
    text: String,
    sts: &Endpoint,
    environment: &'static [(&str, &str)],
) -> (Option<i32>, String) {
    let url = sts.url.clone();
    spawn_blocking(move || {
        let (_folder, file) = config(&text);
        let flag = format!("--config.file={}", file.display());
        let ended = output(
            signing_program()
                .env("AWS_ENDPOINT_URL_STS", url)
                .envs(environment.iter().copied())
                .args(["check", "--live", &flag]),
        );
        (
            ended.status.code(),
            self::text(&ended.stdout) + &self::text(&ended.stderr),
        )
    })
    .await
    .unwrap()
}

fn accounts(names: &[&str], url: &str) -> String {
    let entry = |name: &&str| {
        format!("  - name: {name}\n    region: eu-central-1\n    endpoint_url: {url}\n")
    };
    format!("accounts:\n{}", names.iter().map(entry).collect::<String>())
}

fn denied(operations: &[ApiOperation]) -> Faults {
    Faults {
        access_denied_operations: operations.to_vec(),
        ..Faults::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_check_is_a_line_and_what_is_bad_exits_1() {
    let (simulator, url) = simulator(Settings::default()).await;
    let now = SystemTime::now();
    simulator.put_transfer(
        &connector(1),
        &transfer(1),
        files([LifeScript::completed()]),
        now,
    );
    simulator.add_connector(
        connector(2),
        ConnectorSpec {
            protocol: Protocol::As2,
            ..ConnectorSpec::default()
        },
    );
    let transfers = |n: usize| {
        format!(
            "transfers:\n  - connector_id: {}\n    transfer_id: {}\n",
            connector(n),
            transfer(1)
        )
    };
    let one = |n: usize| accounts(&["prod"], &url) + &transfers(n);
    let named = format!(
        "{}connectors:\n  - id: {}\n    name: acme\n",
        one(1),
        connector(3)
    );
    let everything = format!(
        "{}discovery:\n  connectors:\n    - {{}}\n  cloudtrail:\n    - endpoint_url: {url}\n  events:\n    - queue_url: {}\n      endpoint_url: {url}\n",
        one(1),
        simulator.queue_url(&url)
    );
    for (says, text, faults, code, lines) in [
        (
            "A sound configuration.",
            one(1),
            Faults::default(),
            0,
            &[
                "ok       sts:GetCallerIdentity             arn:aws:iam::123456789012:user/exporter (AWS account 123456789012)",
                "ok       connector                         c-00000000000000001: SFTP, ACTIVE",
                "ok       transfer:ListFileTransferResults  c-00000000000000001",
                "ok       clock",
                "AWS: 0 problems",
            ][..],
        ),
        (
            "A connector that is not there.",
            one(9),
            Faults::default(),
            1,
            &[
                "problem  connector                         c-00000000000000009: not in this AWS account and Region",
            ],
        ),
        (
            "A named one that is not there.",
            named,
            Faults::default(),
            1,
            &[
                "problem  connector                         c-00000000000000003",
                "ok       connector                         c-00000000000000001",
            ],
        ),
        (
            "An AS2 connector.",
            one(2),
            Faults::default(),
            1,
            &["problem  connector                         c-00000000000000002: an AS2 connector"],
        ),
        (
            "The one permission that is needed.",
            one(1),
            denied(&[ListFileTransferResults]),
            1,
            &[
                "missing  transfer:ListFileTransferResults  c-00000000000000001",
                "AWS: 1 problem\n",
            ],
        ),
        (
            "One that only this check wants.",
            one(1),
            denied(&[DescribeConnector]),
            0,
            &["warning  transfer:DescribeConnector        c-00000000000000001: denied"],
        ),
        (
            "Every source.",
            everything.clone(),
            Faults::default(),
            0,
            &[
                "ok       transfer:ListConnectors           *: 2 selected connectors",
                "ok       transfer:DescribeConnector        *",
                "ok       cloudtrail:LookupEvents",
                "ok       sqs:GetQueueAttributes",
                "sqs:ReceiveMessage and sqs:DeleteMessage are not checked",
            ],
        ),
        (
            "Every source, and no permission.",
            everything,
            denied(&[
                ListConnectors,
                DescribeConnector,
                GetQueueAttributes,
                LookupEvents,
            ]),
            1,
            &[
                "missing  transfer:ListConnectors",
                "missing  transfer:DescribeConnector",
                "missing  cloudtrail:LookupEvents",
                "missing  sqs:GetQueueAttributes",
                "AWS: 4 problems",
            ],
        ),
    ] {
        simulator.set_faults(faults);
        let (ended, said) = check(text, &sts(0, 200, CALLER).await).await;
        assert_eq!(ended, Some(code), "{says} {said}");
        for line in lines {
            assert!(said.contains(line), "{says} `{line}` is not in:\n{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_is_errored_or_lacks_a_setting_is_a_warning() {
    let (simulator, url) = simulator(Settings::default()).await;
    simulator.add_connector(connector(1), ConnectorSpec::default());
    simulator.add_connector(
        connector(2),
        ConnectorSpec {
            error_message: Some("no route to the partner".to_owned()),
            logging_role: false,
            trusted_host_keys: 0,
            ..ConnectorSpec::default()
        },
    );
    let accounts = accounts(&["prod"], &url);
    let configured = format!(
        "transfers:\n  - connector_id: {}\n    transfer_id: {}\n",
        connector(2),
        transfer(1)
    );
    let listed = "discovery:\n  connectors:\n    - include: [c-*1, c-*2]\n";
    let warning = "c-00000000000000002: SFTP, ERRORED: no route to the partner; no trusted host key; no logging role\n";
    for text in [
        accounts.clone() + &configured,
        accounts.clone() + listed,
        accounts.clone() + &configured + listed,
    ] {
        let (ended, said) = check(text, &sts(0, 200, CALLER).await).await;
        assert_eq!(ended, Some(0), "{said}");
        assert_eq!(said.matches(warning).count(), 1, "{said}");
        assert_eq!(said.matches("  warning  connector ").count(), 1, "{said}");
        assert!(!said.contains("c-00000000000000001:"), "{said}");
    }
    let other = accounts + "discovery:\n  connectors:\n    - include: [c-*1]\n";
    let (_, said) = check(other, &sts(0, 200, CALLER).await).await;
    assert!(!said.contains("warning"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn clock_that_is_off_is_reported() {
    let (_simulator, url) = simulator(Settings::default()).await;
    let text = accounts(&["prod"], &url) + "discovery:\n  connectors:\n    - {}\n";
    for (seconds, line) in [
        (10, "ok       clock"),
        (120, "warning  clock"),
        (600, "warning  clock"),
    ] {
        let (ended, said) = check(text.clone(), &sts(seconds, 200, CALLER).await).await;
        assert_eq!(ended, Some(0), "{said}");
        assert!(
            said.contains(line) && said.contains("ahead of AWS"),
            "{seconds}: {said}"
        );
    }
}

/// Responses of STS and Transfer Family with a clock that is `behind` this machine's. A signature of
/// more than five minutes before or after it is rejected.
async fn aws_behind(behind: Duration) -> Endpoint {
    Endpoint::answering(move |_, request| {
        let now = Timestamp::now() - SignedDuration::try_from(behind).unwrap();
        let signed = request.header("x-amz-date");
        let signed = strtime::parse("%Y%m%dT%H%M%S%z", signed.replace('Z', "+0000")).unwrap();
        let skew = signed.to_timestamp().unwrap().duration_since(now).abs();
        let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT");
        let is_sts = request.body.contains("Action=");
        let kind = if is_sts { "text/xml" } else { "application/x-amz-json-1.1" };
        let (status, body) = match (skew > SignedDuration::from_mins(5), is_sts) {
            (true, true) => (
                403,
                "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>expired</Message></Error>\
                 </ErrorResponse>",
            ),
            (true, false) => (400, "{\"__type\":\"InvalidSignatureException\",\"message\":\"expired\"}"),
            (false, true) => (200, CALLER),
            (false, false) => (200, "{\"Connectors\":[],\"FileTransferResults\":[]}"),
        };
        let headers = format!("content-type: {kind}\r\ndate: {date}\r\n");
        Step::Answer(http(status, &headers, body))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn skew_is_corrected_after_one_rejected_request_unless_that_is_disabled() {
    let aws = aws_behind(Duration::from_mins(10)).await;
    let text = accounts(&["prod"], &aws.url) + "discovery:\n  connectors:\n    - {}\n";
    let (ended, said) = check(text.clone(), &aws).await;
    assert_eq!(ended, Some(0), "{said}");
    assert!(
        said.contains("warning  clock")
            && said.contains("ahead of AWS; the SDK corrects the time of signatures"),
        "{said}"
    );
    // A rejected request and its retry, at STS and at Transfer Family.
    assert_eq!(aws.seen().len(), 4, "{:#?}", aws.seen());
    let disabled = &[("AWS_DISABLE_CLOCK_SKEW_CORRECTION", "true")];
    let (ended, said) = check_with(text, &aws, disabled).await;
    assert_eq!(ended, Some(1), "{said}");
    assert!(
        said.contains("problem  sts:GetCallerIdentity  AWS rejected the credentials")
            && said.contains("problem  clock")
            && said.contains("AWS rejects signatures from 5 minutes on: run NTP"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_account_is_checked_whatever_came_of_those_before() {
    let (simulator, url) = simulator(Settings::default()).await;
    simulator.put_transfer(
        &connector(1),
        &transfer(1),
        files([LifeScript::completed()]),
        SystemTime::now(),
    );
    let text = format!(
        "{}  - name: lost\ntransfers:\n  - account: b\n    connector_id: {}\n    transfer_id: {}\n",
        accounts(&["a", "b"], &url),
        connector(1),
        transfer(1)
    );
    // The first account's credentials have expired.
    let sts = Endpoint::answering(move |at, _| {
        let (status, body) = if at == 0 {
            (403, EXPIRED)
        } else {
            (200, CALLER)
        };
        Step::Answer(http(status, "content-type: text/xml\r\n", body))
    })
    .await;
    let (ended, said) = check(text, &sts).await;
    assert_eq!(ended, Some(1));
    let of = |name: &str| {
        let rest = said.split_once(&format!("account {name}\n")).unwrap().1;
        rest.split("\naccount ").next().unwrap().to_owned()
    };
    assert!(
        of("a").contains("problem  sts:GetCallerIdentity  the credentials have expired"),
        "{said}"
    );
    let remedy = "skipping the other checks; renew the credentials";
    assert!(of("a").contains(remedy), "{said}");
    assert!(
        of("b").contains("ok       transfer:ListFileTransferResults"),
        "{said}"
    );
    assert!(
        said.contains("problem  region  account `lost`: no Region configured"),
        "{said}"
    );
}
