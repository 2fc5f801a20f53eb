//! Responses of AWS: error codes, shapes and pages.

use aws_transfer_exporter::transfer::{
    AttemptOutcome, ErrorKind, MAX_PAGES, ResultsPage, all_file_results,
};
use futures_util::future::join_all;
use model::{FailureCode, FileStatus};

use crate::support::{Endpoint, Step, http};

use super::{
    Account, EMPTY, JSON, assert_kinds, connector, failure, page, plan, sessions, transfer,
};

#[tokio::test]
async fn every_error_code_has_a_kind_and_a_number_of_attempts() {
    use ErrorKind::{
        AccessDenied, CredentialsExpired, CredentialsRejected, InternalServiceError,
        InvalidRequest, NotFound, ServiceUnavailable, Throttled,
    };
    let codes = [
        (400, "ResourceNotFoundException", NotFound, 1),
        (404, "ResourceNotFoundException", NotFound, 1),
        (400, "InvalidRequestException", InvalidRequest, 1),
        (400, "InvalidNextTokenException", InvalidRequest, 1),
        (400, "ValidationException", InvalidRequest, 1),
        (400, "SerializationException", InvalidRequest, 1),
        (404, "UnknownOperationException", InvalidRequest, 1),
        (500, "InternalServiceError", InternalServiceError, 3),
        (500, "InternalFailure", InternalServiceError, 3),
        (503, "ServiceUnavailableException", ServiceUnavailable, 3),
        (503, "ServiceUnavailable", ServiceUnavailable, 3),
        (400, "ThrottlingException", Throttled, 3),
        (429, "ThrottlingException", Throttled, 3),
        (400, "Throttling", Throttled, 3),
        (400, "ThrottledException", Throttled, 3),
        (400, "RequestThrottled", Throttled, 3),
        (400, "RequestThrottledException", Throttled, 3),
        (429, "TooManyRequestsException", Throttled, 3),
        (400, "RequestLimitExceeded", Throttled, 3),
        (400, "BandwidthLimitExceeded", Throttled, 3),
        (400, "LimitExceededException", Throttled, 3),
        (400, "ProvisionedThroughputExceededException", Throttled, 3),
        (400, "PriorRequestNotComplete", Throttled, 3),
        (503, "SlowDown", Throttled, 3),
        (400, "AccessDeniedException", AccessDenied, 1),
        (403, "AccessDenied", AccessDenied, 1),
        (403, "OptInRequired", AccessDenied, 1),
        (400, "ExpiredTokenException", CredentialsExpired, 1),
        (403, "ExpiredToken", CredentialsExpired, 1),
        (400, "RequestExpired", CredentialsExpired, 1),
        (400, "UnrecognizedClientException", CredentialsRejected, 1),
        (403, "InvalidSignatureException", CredentialsRejected, 1),
        (403, "SignatureDoesNotMatch", CredentialsRejected, 1),
        (
            403,
            "MissingAuthenticationTokenException",
            CredentialsRejected,
            1,
        ),
        (403, "IncompleteSignatureException", CredentialsRejected, 1),
        (400, "SomethingNewException", InvalidRequest, 1),
        (403, "SomethingNewException", AccessDenied, 1),
        (429, "SomethingNewException", Throttled, 1),
        (500, "SomethingNewException", InternalServiceError, 3),
        (504, "SomethingNewException", ServiceUnavailable, 3),
    ];
    let cases = codes.map(|(status, code, kind, attempts)| {
        let body = format!(r#"{{"__type": "{code}", "Message": "why"}}"#);
        (
            format!("{status} {code}"),
            http(status, JSON, body),
            kind,
            attempts,
        )
    });
    assert_kinds(cases.into()).await;
}

#[tokio::test]
async fn errors_are_parsed_in_every_form_that_aws_uses() {
    let html = "<!DOCTYPE html>\n<title>502 Bad Gateway</title>";
    let as_html = "content-type: text/html; charset=utf-8\r\n";
    let named = |header: &str| format!("{JSON}x-amzn-errortype: {header}\r\n");
    let cases = [
        (
            "namespace",
            http(
                400,
                JSON,
                r#"{"__type": "com.amazonaws.transfer#ResourceNotFoundException"}"#,
            ),
        ),
        (
            "code",
            http(400, JSON, r#"{"code": "ResourceNotFoundException"}"#),
        ),
        (
            "header",
            http(404, &named("ResourceNotFoundException"), "{}"),
        ),
        (
            "header with a URL",
            http(
                404,
                &named("ResourceNotFoundException:http://internal.amazon.com/x/"),
                "{}",
            ),
        ),
        (
            "header with a namespace",
            http(404, &named("aws.transfer#ResourceNotFoundException"), "{}"),
        ),
        (
            "header without a body",
            http(404, &named("ResourceNotFoundException"), ""),
        ),
    ];
    let mut cases: Vec<_> = cases
        .into_iter()
        .map(|(name, answer)| (name.to_owned(), answer, ErrorKind::NotFound, 1))
        .collect();
    cases.extend([
        (
            "HTML of a proxy".into(),
            http(502, as_html, html),
            ErrorKind::HtmlPage,
            3,
        ),
        (
            "HTML of a firewall".into(),
            http(403, as_html, html),
            ErrorKind::HtmlPage,
            1,
        ),
        (
            "HTML of a captive portal".into(),
            http(200, as_html, html),
            ErrorKind::HtmlPage,
            1,
        ),
        (
            "HTML in disguise".into(),
            http(200, JSON, format!("\n {html}")),
            ErrorKind::HtmlPage,
            1,
        ),
        (
            "a redirect".into(),
            http(302, "location: http://127.0.0.1:1/\r\n", ""),
            ErrorKind::Mistyped,
            1,
        ),
        (
            "an empty 500".into(),
            http(500, JSON, ""),
            ErrorKind::InternalServiceError,
            3,
        ),
        (
            "an empty 503".into(),
            http(503, "", ""),
            ErrorKind::ServiceUnavailable,
            3,
        ),
        (
            "an empty 403".into(),
            http(403, "", ""),
            ErrorKind::AccessDenied,
            1,
        ),
        (
            "no JSON in a 400".into(),
            http(400, JSON, "no"),
            ErrorKind::InvalidRequest,
            1,
        ),
    ]);
    assert_kinds(cases).await;
}

#[tokio::test]
async fn detail_contains_the_message_in_either_spelling() {
    for member in ["Message", "message"] {
        let body =
            format!(r#"{{"__type": "InvalidRequestException", "{member}": "no such page"}}"#);
        let (error, _) = failure(member, [Step::Answer(http(400, JSON, body))]).await;
        assert_eq!(error.detail, "InvalidRequestException: no such page");
    }
    let page = http(403, "content-type: text/html\r\n", "<html>");
    assert_eq!(
        failure("page", [Step::Answer(page)]).await.0.detail,
        "HTTP status 403"
    );
}

#[tokio::test]
async fn long_message_is_truncated() {
    let body = format!(
        r#"{{"__type": "InvalidRequestException", "Message": "{}"}}"#,
        "\u{e4}".repeat(500_000)
    );
    let (error, _) = failure("long", [Step::Answer(http(400, JSON, body))]).await;
    assert!(error.to_string().chars().count() < 400, "{error}");
    let body = format!(r#"{{"__type": "{}"}}"#, "X".repeat(1_000_000));
    let (error, _) = failure("long code", [Step::Answer(http(400, JSON, body))]).await;
    assert!(error.to_string().chars().count() < 400, "{error}");
}

#[tokio::test]
async fn malformed_response_is_an_error_and_not_a_shorter_list() {
    let good = r#"{"FilePath": "/a", "StatusCode": "COMPLETED"}"#;
    let with = |file: &str| format!(r#"{{"FileTransferResults": [{good}, {file}]}}"#).into_bytes();
    let bodies: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"{}".to_vec(),
        b"[]".to_vec(),
        b"null".to_vec(),
        b"7".to_vec(),
        b"\"FileTransferResults\"".to_vec(),
        b"not JSON".to_vec(),
        br#"{"FileTransferResults": 7}"#.to_vec(),
        br#"{"FileTransferResults": null}"#.to_vec(),
        br#"{"FileTransferResults": {}}"#.to_vec(),
        br#"{"FileTransferResults": "[]"}"#.to_vec(),
        br#"{"fileTransferResults": []}"#.to_vec(),
        br#"{"Other": "FileTransferResults"}"#.to_vec(),
        br#"{"Other": {"FileTransferResults": []}}"#.to_vec(),
        br#"{"FileTransferResults": [null]}"#.to_vec(),
        br#"{"FileTransferResults": [7]}"#.to_vec(),
        br#"{"FileTransferResults": [[]]}"#.to_vec(),
        br#"{"FileTransferResults": [], "NextToken": 7}"#.to_vec(),
        br#"{"FileTransferResults": [], "NextToken": []}"#.to_vec(),
        br#"{"FileTransferResults": []"#.to_vec(),
        br#"{"FileTransferResults": []} {}"#.to_vec(),
        br#"{"FileTransferResults": [], "FileTransferResults": []}"#.to_vec(),
        with("null"),
        with("{}"),
        with(r#"{"StatusCode": "COMPLETED"}"#),
        with(r#"{"FilePath": "/b"}"#),
        with(r#"{"FilePath": null, "StatusCode": "COMPLETED"}"#),
        with(r#"{"FilePath": "/b", "StatusCode": null}"#),
        with(r#"{"FilePath": 7, "StatusCode": "COMPLETED"}"#),
        with(r#"{"FilePath": "/b", "StatusCode": 7}"#),
        with(r#"{"FilePath": "", "StatusCode": "COMPLETED"}"#),
        with(r#"{"FilePath": "/b", "StatusCode": ""}"#),
        with(r#"{"FilePath": "/b", "StatusCode": "FAILED", "FailureCode": 7}"#),
        with(r#"{"FilePath": "/b", "StatusCode": "FAILED", "FailureMessage": {}}"#),
        b"{\"FileTransferResults\": [{\"FilePath\": \"/\xff\", \"StatusCode\": \"COMPLETED\"}]}"
            .to_vec(),
        b"{\"FileTransferResults\": [], \"Other\": \"\xc3\"}".to_vec(),
        "{\"FileTransferResults\": []}"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect(),
    ];
    let checks = bodies.into_iter().map(|body| async move {
        let name = String::from_utf8_lossy(&body).into_owned();
        let (error, outcomes) = failure(&name, [Step::Answer(http(200, JSON, &body))]).await;
        assert_eq!(error.kind, ErrorKind::Mistyped, "{name}: {error}");
        assert_eq!(outcomes, [AttemptOutcome::Malformed], "{name}");
        assert!(
            !error.detail.is_empty() && !error.detail.contains("COMPLETED"),
            "{name}: {error}"
        );
    });
    join_all(checks).await;
}

#[tokio::test]
async fn unknown_members_are_ignored() {
    let body = r#"{"Extra": [{"FilePath": 7}], "FileTransferResults": [
        {"FilePath": "/a", "StatusCode": "FAILED", "FailureCode": "CONNECTION_ERROR", "FailureMessage": "why", "X": {}},
        {"FilePath": "/b", "StatusCode": "FAILED", "FailureCode": "", "FailureMessage": null},
        {"FilePath": "/c", "StatusCode": "PAUSED", "FailureCode": null}], "NextToken": "n"}"#;
    let page = page(body).await.unwrap();
    assert_eq!(page.next_token.as_deref(), Some("n"));
    let files: Vec<_> = page
        .files
        .iter()
        .map(|file| {
            let code = file.failure_code.as_ref().map(FailureCode::as_str);
            (
                file.path.as_str(),
                file.status.as_str(),
                code,
                file.failure_message.as_deref(),
            )
        })
        .collect();
    let expected = [
        ("/a", "FAILED", Some("CONNECTION_ERROR"), Some("why")),
        ("/b", "FAILED", None, None),
        ("/c", "PAUSED", None, None),
    ];
    assert_eq!(files, expected);
}

#[tokio::test]
async fn unknown_status_keeps_its_name_and_its_file_unfinished() {
    let page = page(r#"{"FileTransferResults": [{"FilePath": "/a", "StatusCode": "Completed"}]}"#)
        .await
        .unwrap();
    assert_eq!(page.files[0].status, FileStatus::Other("Completed".into()));
    assert!(!page.files[0].status.is_finished());
}

#[tokio::test]
async fn paths_are_unchanged() {
    let body = r#"{"FileTransferResults": [
        {"FilePath": "/b\u00fccher/\ud83d\udce6 \"q\"\\\/\t.csv", "StatusCode": "QUEUED"},
        {"FilePath": "/bücher/📦", "StatusCode": "QUEUED"}]}"#;
    let page = page(body).await.unwrap();
    let paths: Vec<_> = page.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/b\u{fc}cher/\u{1f4e6} \"q\"\\/\t.csv",
            "/b\u{fc}cher/\u{1f4e6}"
        ]
    );
}

#[tokio::test]
async fn empty_list_is_a_result_and_an_empty_token_ends_the_pages() {
    for body in [
        EMPTY,
        r#"{"FileTransferResults": [], "NextToken": ""}"#,
        r#"{"FileTransferResults":[],"NextToken":null}"#,
    ] {
        assert_eq!(page(body).await, Ok(ResultsPage::default()), "{body}");
    }
}

#[tokio::test]
async fn every_page_is_requested_with_the_token_of_the_previous_one() {
    let endpoint = Endpoint::answering(|at, _| {
        let next = if at < 2 {
            format!(r#", "NextToken": "t/{at}=\"""#)
        } else {
            String::new()
        };
        let file = format!(r#"{{"FilePath": "/{at}", "StatusCode": "QUEUED"}}"#);
        Step::Answer(http(
            200,
            JSON,
            format!(r#"{{"FileTransferResults": [{file}]{next}}}"#),
        ))
    })
    .await;
    let account = Account::open(&sessions(), &plan("pages", &endpoint.url)).await;
    let files = all_file_results(&account.api, &connector(), &transfer())
        .await
        .unwrap();
    assert_eq!(
        files
            .iter()
            .map(|file| file.path.as_str())
            .collect::<Vec<_>>(),
        ["/0", "/1", "/2"]
    );
    let bodies: Vec<_> = endpoint.seen().into_iter().map(|seen| seen.body).collect();
    let first = r#"{"ConnectorId":"c-0123456789abcdef0","TransferId":"t-1""#;
    let expected = ["", r#","NextToken":"t/0=\"""#, r#","NextToken":"t/1=\"""#]
        .map(|rest| format!("{first}{rest}}}"));
    assert_eq!(bodies, expected);
    assert_eq!(account.attempts.outcomes(), [AttemptOutcome::Ok; 3]);
}

#[tokio::test]
async fn repeated_token_and_page_1001_are_errors() {
    for (same, kind, pages) in [
        (true, ErrorKind::RepeatedToken, 2),
        (false, ErrorKind::TooManyPages, MAX_PAGES),
    ] {
        let endpoint = Endpoint::answering(move |at, _| {
            let token = if same { 0 } else { at };
            Step::Answer(http(
                200,
                JSON,
                format!(r#"{{"FileTransferResults": [], "NextToken": "{token}"}}"#),
            ))
        })
        .await;
        let account = Account::open(&sessions(), &plan("loop", &endpoint.url)).await;
        let error = all_file_results(&account.api, &connector(), &transfer())
            .await
            .unwrap_err();
        assert_eq!((error.kind, endpoint.seen().len()), (kind, pages));
    }
}

#[tokio::test]
async fn failed_page_fails_the_whole_transfer() {
    let first = r#"{"FileTransferResults": [{"FilePath": "/a", "StatusCode": "QUEUED"}], "NextToken": "n"}"#;
    let gone = r#"{"__type": "ResourceNotFoundException", "Message": "expired"}"#;
    let steps = [
        Step::Answer(http(200, JSON, first)),
        Step::Answer(http(400, JSON, gone)),
    ];
    let endpoint = Endpoint::scripted(steps).await;
    let account = Account::open(&sessions(), &plan("half", &endpoint.url)).await;
    let error = all_file_results(&account.api, &connector(), &transfer())
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
}
