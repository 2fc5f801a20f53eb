//! The port to AWS against an endpoint that answers every way it can: what each answer is told as.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use aws_smithy_http_client::test_util::capture_request;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_transfer_exporter::config::{AccountPlan, AssumeRole, Secret};
use aws_transfer_exporter::model::{AccountName, Clock, ConnectorId, FailureCode, FileStatus, Now, TransferId};
use aws_transfer_exporter::transfer::sdk::SdkTransfer;
use aws_transfer_exporter::transfer::session::{SessionError, Sessions, StaticCredentials, TimeOuts};
use aws_transfer_exporter::transfer::{
    AttemptObserver, ErrorKind, MAX_PAGES, Operation, Outcome, ResultsPage, TransferApi, TransferError,
    all_file_results,
};
use futures_util::future::join_all;

use crate::support::{Endpoint, Step, http, in_process, is_in_process, report};

const SECRET: &str = "canary-secret-access-key";
const TEMPORARY_SECRET: &str = "canary-temporary-secret";
const TOKEN: &str = "canary-session-token";
const STATIC: StaticCredentials = StaticCredentials { access_key_id: "AKIDSTATIC", secret_access_key: SECRET };
const JSON: &str = "content-type: application/x-amz-json-1.1\r\n";
const EMPTY: &str = r#"{"FileTransferResults": []}"#;

/// Where a subscriber writes to.
struct Log(Arc<Mutex<Vec<u8>>>);

impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for Log {
    type Writer = LogWriter<'a>;

    fn make_writer(&'a self) -> LogWriter<'a> {
        LogWriter(self.0.lock().unwrap())
    }
}

struct LogWriter<'a>(std::sync::MutexGuard<'a, Vec<u8>>);

impl std::io::Write for LogWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Every attempt, as the observer is told of it.
#[derive(Default)]
struct Recorder {
    started: Mutex<Vec<bool>>,
    ended: Mutex<Vec<(Outcome, Duration)>>,
}

impl Recorder {
    fn outcomes(&self) -> Vec<Outcome> {
        self.ended.lock().unwrap().iter().map(|(outcome, _)| *outcome).collect()
    }
}

impl AttemptObserver for Recorder {
    fn attempt_started(&self, _: Operation, retry: bool) {
        self.started.lock().unwrap().push(retry);
    }

    fn attempt_ended(&self, _: Operation, outcome: Outcome, duration: Duration) {
        self.ended.lock().unwrap().push((outcome, duration));
    }
}

/// One account's client, with what its observer was told.
struct Account {
    api: SdkTransfer,
    told: Arc<Recorder>,
}

impl Account {
    async fn open(sessions: &Sessions, plan: &AccountPlan) -> Self {
        let session = sessions.open(plan).await.unwrap();
        let told = Arc::<Recorder>::default();
        let observer: Arc<dyn AttemptObserver> = told.clone();
        Self { api: SdkTransfer::new(session.config, observer, clock()), told }
    }

    async fn page(&self) -> Result<ResultsPage, TransferError> {
        self.api.file_results_page(&connector(), &transfer(), None).await
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(|| Now { instant: Instant::now(), wall: SystemTime::now() })
}

fn connector() -> ConnectorId {
    "c-0123456789abcdef0".parse().unwrap()
}

fn transfer() -> TransferId {
    "t-1".parse().unwrap()
}

fn plan(name: &str, url: &str) -> AccountPlan {
    AccountPlan {
        name: AccountName::new(name),
        region: Some("eu-central-1".into()),
        endpoint_url: Some(url.into()),
        ..AccountPlan::default()
    }
}

fn sessions() -> Sessions {
    Sessions::new(TimeOuts::within(Duration::from_secs(15)), Some(STATIC))
}

/// Kind, outcomes of the attempts, and detail of a call to an endpoint that follows `steps`.
async fn failure(name: &str, steps: impl Into<Vec<Step>>) -> (TransferError, Vec<Outcome>) {
    let endpoint = Endpoint::scripted(steps).await;
    let account = Account::open(&sessions(), &plan(name, &endpoint.url)).await;
    let error = account.page().await.expect_err(name);
    let retries: Vec<_> = account.told.started.lock().unwrap().clone();
    assert_eq!(retries.len(), account.told.outcomes().len(), "{name}: every attempt that started has ended");
    assert!(retries.iter().enumerate().all(|(at, retry)| *retry == (at > 0)), "{name}: {retries:?}");
    assert_eq!(endpoint.seen().len(), retries.len(), "{name}: the endpoint saw what was counted");
    (error, account.told.outcomes())
}

async fn page(body: impl AsRef<[u8]>) -> Result<ResultsPage, TransferError> {
    let endpoint = Endpoint::scripted([Step::Answer(http(200, JSON, body))]).await;
    Account::open(&sessions(), &plan("page", &endpoint.url)).await.page().await
}

/// Checks many cases at once, since the pauses before retries are most of their time.
async fn assert_kinds(cases: Vec<(String, Vec<u8>, ErrorKind, usize)>) {
    let checks = cases.into_iter().map(|(name, answer, kind, attempts)| async move {
        let (error, outcomes) = failure(&name, [Step::Answer(answer)]).await;
        assert_eq!(error.kind, kind, "{name}: {error}");
        assert_eq!(outcomes, vec![kind.outcome(); attempts], "{name}: {error}");
    });
    join_all(checks).await;
}

#[tokio::test]
async fn every_error_code_has_its_kind_and_its_attempts() {
    use ErrorKind::{
        AccessDenied, CredentialsExpired, CredentialsRejected, InternalServiceError, InvalidRequest, NotFound,
        ServiceUnavailable, Throttled,
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
        (403, "MissingAuthenticationTokenException", CredentialsRejected, 1),
        (403, "IncompleteSignatureException", CredentialsRejected, 1),
        (400, "SomethingNewException", InvalidRequest, 1),
        (403, "SomethingNewException", AccessDenied, 1),
        (429, "SomethingNewException", Throttled, 1),
        (500, "SomethingNewException", InternalServiceError, 3),
        (504, "SomethingNewException", ServiceUnavailable, 3),
    ];
    let cases = codes.map(|(status, code, kind, attempts)| {
        let body = format!(r#"{{"__type": "{code}", "Message": "why"}}"#);
        (format!("{status} {code}"), http(status, JSON, body), kind, attempts)
    });
    assert_kinds(cases.into()).await;
}

#[tokio::test]
async fn an_error_is_read_in_every_form_that_aws_sends_it_in() {
    let html = "<!DOCTYPE html>\n<title>502 Bad Gateway</title>";
    let as_html = "content-type: text/html; charset=utf-8\r\n";
    let named = |header: &str| format!("{JSON}x-amzn-errortype: {header}\r\n");
    let cases = [
        ("namespace", http(400, JSON, r#"{"__type": "com.amazonaws.transfer#ResourceNotFoundException"}"#)),
        ("code", http(400, JSON, r#"{"code": "ResourceNotFoundException"}"#)),
        ("header", http(404, &named("ResourceNotFoundException"), "{}")),
        ("header with a URL", http(404, &named("ResourceNotFoundException:http://internal.amazon.com/x/"), "{}")),
        ("header with a namespace", http(404, &named("aws.transfer#ResourceNotFoundException"), "{}")),
        ("header without a body", http(404, &named("ResourceNotFoundException"), "")),
    ];
    let mut cases: Vec<_> =
        cases.into_iter().map(|(name, answer)| (name.to_owned(), answer, ErrorKind::NotFound, 1)).collect();
    cases.extend([
        ("HTML of a proxy".into(), http(502, as_html, html), ErrorKind::HtmlPage, 3),
        ("HTML of a firewall".into(), http(403, as_html, html), ErrorKind::HtmlPage, 1),
        ("HTML of a captive portal".into(), http(200, as_html, html), ErrorKind::HtmlPage, 1),
        ("HTML in disguise".into(), http(200, JSON, format!("\n {html}")), ErrorKind::HtmlPage, 1),
        ("a redirect".into(), http(302, "location: http://127.0.0.1:1/\r\n", ""), ErrorKind::Mistyped, 1),
        ("an empty 500".into(), http(500, JSON, ""), ErrorKind::InternalServiceError, 3),
        ("an empty 503".into(), http(503, "", ""), ErrorKind::ServiceUnavailable, 3),
        ("an empty 403".into(), http(403, "", ""), ErrorKind::AccessDenied, 1),
        ("no JSON in a 400".into(), http(400, JSON, "no"), ErrorKind::InvalidRequest, 1),
    ]);
    assert_kinds(cases).await;
}

#[tokio::test]
async fn the_detail_repeats_the_message_in_either_spelling() {
    for member in ["Message", "message"] {
        let body = format!(r#"{{"__type": "InvalidRequestException", "{member}": "no such page"}}"#);
        let (error, _) = failure(member, [Step::Answer(http(400, JSON, body))]).await;
        assert_eq!(error.detail, "InvalidRequestException: no such page");
    }
    let page = http(403, "content-type: text/html\r\n", "<html>");
    assert_eq!(failure("page", [Step::Answer(page)]).await.0.detail, "HTTP status 403");
}

#[tokio::test]
async fn a_long_message_is_cut() {
    let body = format!(r#"{{"__type": "InvalidRequestException", "Message": "{}"}}"#, "\u{e4}".repeat(500_000));
    let (error, _) = failure("long", [Step::Answer(http(400, JSON, body))]).await;
    assert!(error.to_string().chars().count() < 400, "{error}");
    let body = format!(r#"{{"__type": "{}"}}"#, "X".repeat(1_000_000));
    let (error, _) = failure("long code", [Step::Answer(http(400, JSON, body))]).await;
    assert!(error.to_string().chars().count() < 400, "{error}");
}

#[tokio::test]
async fn a_mistyped_answer_is_neither_an_empty_list_nor_a_half_one() {
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
        b"{\"FileTransferResults\": [{\"FilePath\": \"/\xff\", \"StatusCode\": \"COMPLETED\"}]}".to_vec(),
        b"{\"FileTransferResults\": [], \"Other\": \"\xc3\"}".to_vec(),
        "{\"FileTransferResults\": []}".encode_utf16().flat_map(u16::to_le_bytes).collect(),
    ];
    let checks = bodies.into_iter().map(|body| async move {
        let name = String::from_utf8_lossy(&body).into_owned();
        let (error, outcomes) = failure(&name, [Step::Answer(http(200, JSON, &body))]).await;
        assert_eq!(error.kind, ErrorKind::Mistyped, "{name}: {error}");
        assert_eq!(outcomes, [Outcome::Malformed], "{name}");
        assert!(!error.detail.is_empty() && !error.detail.contains("COMPLETED"), "{name}: {error}");
    });
    join_all(checks).await;
}

#[tokio::test]
async fn members_that_the_model_does_not_know_are_ignored() {
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
            (file.path.as_str(), file.status.as_str(), code, file.failure_message.as_deref())
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
async fn an_unknown_status_keeps_its_own_name_and_its_file_unfinished() {
    let page = page(r#"{"FileTransferResults": [{"FilePath": "/a", "StatusCode": "Completed"}]}"#).await.unwrap();
    assert_eq!(page.files[0].status, FileStatus::Other("Completed".into()));
    assert!(!page.files[0].status.is_finished());
}

#[tokio::test]
async fn paths_come_through_exactly() {
    let body = r#"{"FileTransferResults": [
        {"FilePath": "/b\u00fccher/\ud83d\udce6 \"q\"\\\/\t.csv", "StatusCode": "QUEUED"},
        {"FilePath": "/bücher/📦", "StatusCode": "QUEUED"}]}"#;
    let page = page(body).await.unwrap();
    let paths: Vec<_> = page.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["/b\u{fc}cher/\u{1f4e6} \"q\"\\/\t.csv", "/b\u{fc}cher/\u{1f4e6}"]);
}

#[tokio::test]
async fn an_empty_list_is_an_answer_and_an_empty_token_ends_the_pages() {
    for body in
        [EMPTY, r#"{"FileTransferResults": [], "NextToken": ""}"#, r#"{"FileTransferResults":[],"NextToken":null}"#]
    {
        assert_eq!(page(body).await, Ok(ResultsPage::default()), "{body}");
    }
}

#[tokio::test]
async fn every_page_is_asked_for_by_the_token_before_it() {
    let endpoint = Endpoint::answering(|at, _| {
        let next = if at < 2 { format!(r#", "NextToken": "t/{at}=\"""#) } else { String::new() };
        let file = format!(r#"{{"FilePath": "/{at}", "StatusCode": "QUEUED"}}"#);
        Step::Answer(http(200, JSON, format!(r#"{{"FileTransferResults": [{file}]{next}}}"#)))
    })
    .await;
    let account = Account::open(&sessions(), &plan("pages", &endpoint.url)).await;
    let files = all_file_results(&account.api, &connector(), &transfer()).await.unwrap();
    assert_eq!(files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["/0", "/1", "/2"]);
    let bodies: Vec<_> = endpoint.seen().into_iter().map(|seen| seen.body).collect();
    let first = r#"{"ConnectorId":"c-0123456789abcdef0","TransferId":"t-1""#;
    let expected = ["", r#","NextToken":"t/0=\"""#, r#","NextToken":"t/1=\"""#].map(|rest| format!("{first}{rest}}}"));
    assert_eq!(bodies, expected);
    assert_eq!(account.told.outcomes(), [Outcome::Ok; 3]);
}

#[tokio::test]
async fn a_repeated_token_and_a_thousand_and_first_page_are_errors() {
    for (same, kind, pages) in [(true, ErrorKind::RepeatedToken, 2), (false, ErrorKind::TooManyPages, MAX_PAGES)] {
        let endpoint = Endpoint::answering(move |at, _| {
            let token = if same { 0 } else { at };
            Step::Answer(http(200, JSON, format!(r#"{{"FileTransferResults": [], "NextToken": "{token}"}}"#)))
        })
        .await;
        let account = Account::open(&sessions(), &plan("loop", &endpoint.url)).await;
        let error = all_file_results(&account.api, &connector(), &transfer()).await.unwrap_err();
        assert_eq!((error.kind, endpoint.seen().len()), (kind, pages));
    }
}

#[tokio::test]
async fn a_page_that_fails_leaves_no_half_a_transfer() {
    let first = r#"{"FileTransferResults": [{"FilePath": "/a", "StatusCode": "QUEUED"}], "NextToken": "n"}"#;
    let gone = r#"{"__type": "ResourceNotFoundException", "Message": "expired"}"#;
    let steps = [Step::Answer(http(200, JSON, first)), Step::Answer(http(400, JSON, gone))];
    let endpoint = Endpoint::scripted(steps).await;
    let account = Account::open(&sessions(), &plan("half", &endpoint.url)).await;
    let error = all_file_results(&account.api, &connector(), &transfer()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn a_broken_connection_is_told_by_where_it_broke() {
    let answer = http(200, JSON, r#"{"FileTransferResults": [{"FilePath": "/a", "StatusCode": "QUEUED"}]}"#);
    let refused = http(400, JSON, r#"{"__type": "ResourceNotFoundException"}"#);
    let cut = answer[..answer.len() - 9].to_vec();
    let chunked =
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1b\r\n{\"FileTransferResults\": []}\r\n".to_vec();
    let whole_chunked = [chunked.as_slice(), b"0\r\n\r\n"].concat();
    let cases = [
        ("cut by length", Step::Close(cut.clone()), ErrorKind::Truncated),
        ("cut between chunks", Step::Close(chunked.clone()), ErrorKind::Truncated),
        ("cut in a chunk", Step::Close(chunked[..60].to_vec()), ErrorKind::Truncated),
        ("reset in the body", Step::Reset(cut), ErrorKind::Truncated),
        ("an error cut short", Step::Close(refused[..refused.len() - 5].to_vec()), ErrorKind::Truncated),
        ("reset before the answer", Step::Reset(Vec::new()), ErrorKind::Network),
        ("closed before the answer", Step::Close(Vec::new()), ErrorKind::Network),
        ("closed in the head", Step::Close(answer[..20].to_vec()), ErrorKind::Network),
    ];
    let checks = cases.into_iter().map(|(name, step, kind)| async move {
        let (error, outcomes) = failure(name, [step]).await;
        assert_eq!(error.kind, kind, "{name}: {error}");
        assert_eq!(outcomes, [kind.outcome(); 3], "{name}");
        assert!(!error.detail.is_empty(), "{name}");
    });
    join_all(checks).await;
    assert_eq!(page_of(Step::Answer(whole_chunked)).await, Ok(ResultsPage::default()));
}

async fn page_of(step: Step) -> Result<ResultsPage, TransferError> {
    let endpoint = Endpoint::scripted([step]).await;
    Account::open(&sessions(), &plan("page of", &endpoint.url)).await.page().await
}

#[tokio::test]
async fn an_answer_that_is_no_http_is_malformed_or_a_broken_connection() {
    let (error, outcomes) = failure("SSH", [Step::Close(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec())]).await;
    assert_eq!(error.kind, ErrorKind::Network, "{error}");
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Network), "{outcomes:?}");
}

#[tokio::test]
async fn a_failure_that_passes_is_retried_into_an_answer() {
    let unavailable = http(503, JSON, r#"{"__type": "ServiceUnavailableException"}"#);
    let endpoint = Endpoint::scripted([Step::Answer(unavailable), Step::Answer(http(200, JSON, EMPTY))]).await;
    let account = Account::open(&sessions(), &plan("passes", &endpoint.url)).await;
    assert_eq!(account.page().await, Ok(ResultsPage::default()));
    assert_eq!(account.told.outcomes(), [Outcome::ServerError, Outcome::Ok]);
    assert_eq!(*account.told.started.lock().unwrap(), [false, true]);
}

#[tokio::test]
async fn a_refused_connection_is_a_network_error() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let account = Account::open(&sessions(), &plan("refused", &format!("http://{free}"))).await;
    let error = account.page().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Network);
    assert!(error.detail.contains("refused"), "{error}");
    assert_eq!(account.told.outcomes(), [Outcome::Network; 3]);
}

#[tokio::test]
async fn no_connection_in_time_is_a_connect_time_out() {
    // The queue of connections that wait to be accepted is full: a further one gets no answer.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut queued = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(200), tokio::net::TcpStream::connect(address)).await
    {
        queued.push(stream);
        assert!(queued.len() < 1_000, "the queue never fills");
    }
    let time_outs = TimeOuts {
        connect: Duration::from_millis(100),
        attempt: Duration::from_secs(5),
        operation: Duration::from_secs(15),
    };
    let sessions = Sessions::new(time_outs, Some(STATIC));
    let account = Account::open(&sessions, &plan("connect", &format!("http://{address}"))).await;
    assert_eq!(account.page().await.unwrap_err().kind, ErrorKind::ConnectTimeout);
    assert_eq!(account.told.outcomes(), [Outcome::Timeout; 3]);
}

#[tokio::test]
async fn a_stalled_answer_times_out_wherever_it_stalls() {
    let whole = http(200, JSON, EMPTY);
    let time_outs = TimeOuts {
        connect: Duration::from_millis(200),
        attempt: Duration::from_millis(200),
        operation: Duration::from_secs(5),
    };
    let checks = [0, 10, whole.len() - 1].map(|sent| {
        let step = Step::Stall(whole[..sent].to_vec());
        async move {
            let endpoint = Endpoint::scripted([step]).await;
            let account = Account::open(&Sessions::new(time_outs, Some(STATIC)), &plan("stall", &endpoint.url)).await;
            assert_eq!(account.page().await.unwrap_err().kind, ErrorKind::Timeout, "after {sent} bytes");
            assert_eq!(account.told.outcomes(), [Outcome::Timeout; 3], "after {sent} bytes");
            for (_, duration) in account.told.ended.lock().unwrap().iter() {
                assert!(*duration <= Duration::from_millis(400), "after {sent} bytes: {duration:?}");
            }
        }
    });
    join_all(checks).await;
}

#[tokio::test]
async fn a_call_does_not_outlive_its_time_out_and_its_last_attempt_is_counted() {
    let endpoint = Endpoint::scripted([Step::Stall(Vec::new())]).await;
    let time_outs = TimeOuts {
        connect: Duration::from_millis(400),
        attempt: Duration::from_millis(400),
        operation: Duration::from_millis(300),
    };
    let account = Account::open(&Sessions::new(time_outs, Some(STATIC)), &plan("operation", &endpoint.url)).await;
    let start = Instant::now();
    assert_eq!(account.page().await.unwrap_err().kind, ErrorKind::Timeout);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(account.told.outcomes(), [Outcome::Timeout]);
}

#[tokio::test]
async fn a_call_that_is_given_up_is_counted() {
    let endpoint = Endpoint::scripted([Step::Stall(Vec::new())]).await;
    let account = Account::open(&sessions(), &plan("given up", &endpoint.url)).await;
    let call = tokio::time::timeout(Duration::from_millis(300), account.page());
    assert!(call.await.is_err());
    assert_eq!(account.told.outcomes(), [Outcome::Timeout]);
}

#[tokio::test]
async fn one_accounts_failures_leave_the_retries_of_another_alone() {
    let endpoint = Endpoint::scripted([Step::Answer(http(503, JSON, "{}"))]).await;
    let sessions = sessions();
    let failing = Account::open(&sessions, &plan("failing", &endpoint.url)).await;
    join_all((0..80).map(|_| failing.page())).await;
    assert!(failing.told.outcomes().len() < 3 * 80, "the account has used up its retries");
    let other = Account::open(&sessions, &plan("other", &endpoint.url)).await;
    assert!(other.page().await.is_err());
    assert_eq!(other.told.outcomes(), [Outcome::ServerError; 3]);
}

#[tokio::test]
async fn an_error_never_repeats_what_was_signed() {
    let echo = |code: &'static str| {
        move |_: usize, seen: &crate::support::Seen| {
            let message = seen.header("authorization").replace('"', "");
            let body = format!(r#"{{"__type": "{code}", "Message": "not in {message}"}}"#);
            Step::Answer(http(403, JSON, body))
        }
    };
    for code in ["IncompleteSignatureException", "InvalidSignatureException", "AccessDeniedException", "NewException"] {
        let endpoint = Endpoint::answering(echo(code)).await;
        let account = Account::open(&sessions(), &plan(code, &endpoint.url)).await;
        let error = account.page().await.unwrap_err();
        let text = format!("{error} {error:?}");
        let authorization = endpoint.seen()[0].header("authorization").to_owned();
        let signature = authorization.rsplit_once('=').unwrap().1;
        assert_eq!(signature.len(), 64);
        assert!(!text.contains(signature) && !text.contains(SECRET), "{text}");
        assert!(error.detail.starts_with(code), "{text}");
    }
}

#[tokio::test]
async fn opening_a_session_and_calling_warns_of_nothing() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_ansi(false);
    let _guard = tracing::subscriber::set_default(subscriber.with_writer(Log(Arc::clone(&log))).finish());
    tracing::warn!("the log is read");
    let endpoint = Endpoint::scripted([Step::Answer(http(200, JSON, EMPTY))]).await;
    let role = role_plan(&endpoint.url);
    for plan in [plan("quiet", &endpoint.url), role] {
        sessions().open(&plan).await.unwrap();
    }
    Account::open(&sessions(), &plan("quiet", &endpoint.url)).await.page().await.unwrap();
    let log = String::from_utf8(log.lock().unwrap().clone()).unwrap();
    assert!(log.lines().count() == 1 && log.contains("the log is read"), "{log}");
}

#[tokio::test]
async fn a_region_that_cannot_be_is_an_invalid_request_without_an_attempt() {
    let plan = AccountPlan { region: Some("no region".into()), ..AccountPlan::default() };
    let account = Account::open(&sessions(), &plan).await;
    let error = account.page().await.unwrap_err();
    assert_eq!((error.kind, account.told.outcomes()), (ErrorKind::InvalidRequest, Vec::new()), "{error}");
    assert!(error.detail.contains("`region`"), "{error}");
}

#[tokio::test]
async fn each_account_has_its_endpoint_and_region_and_all_share_the_connections() {
    let one = Endpoint::scripted([Step::Answer(http(200, JSON, EMPTY))]).await;
    let two = Endpoint::scripted([Step::Answer(http(200, JSON, EMPTY))]).await;
    let sessions = sessions();
    for (name, url, region) in
        [("a", &one.url, "eu-central-1"), ("b", &two.url, "us-west-2"), ("c", &one.url, "ap-south-1")]
    {
        let plan = AccountPlan { region: Some(region.into()), ..plan(name, url) };
        assert_eq!(sessions.open(&plan).await.unwrap().region, region);
        Account::open(&sessions, &plan).await.page().await.unwrap();
    }
    let [first, third] = one.seen().try_into().unwrap();
    let [second] = two.seen().try_into().unwrap();
    for (seen, region) in [(&first, "eu-central-1"), (&second, "us-west-2"), (&third, "ap-south-1")] {
        let authorization = seen.header("authorization");
        assert!(authorization.contains(&format!("/{region}/transfer/aws4_request")), "{authorization}");
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDSTATIC/"), "{authorization}");
        assert_eq!(seen.header("x-amz-target"), "TransferService.ListFileTransferResults");
        assert_eq!(seen.header("content-type"), "application/x-amz-json-1.1");
        assert!(seen.head.starts_with("POST / HTTP/1.1\r\n"), "{}", seen.head);
        assert_eq!(seen.header("x-amz-security-token"), "");
    }
    assert_eq!((first.connection, third.connection), (0, 0));
}

#[tokio::test]
async fn fips_and_dual_stack_lead_to_the_documented_hosts() {
    for (fips, dual_stack, region, host) in [
        (false, false, "eu-central-1", "transfer.eu-central-1.amazonaws.com"),
        (true, false, "us-east-1", "transfer-fips.us-east-1.amazonaws.com"),
        (false, true, "us-east-2", "transfer.us-east-2.api.aws"),
        (true, true, "us-east-2", "transfer-fips.us-east-2.api.aws"),
        (false, false, "cn-north-1", "transfer.cn-north-1.amazonaws.com.cn"),
    ] {
        let answer = hyper::Response::new(aws_smithy_types::body::SdkBody::from(EMPTY));
        let (client, request) = capture_request(Some(answer));
        let sessions = Sessions::with_http_client(
            SharedHttpClient::new(client),
            TimeOuts::within(Duration::from_secs(5)),
            Some(STATIC),
        );
        let plan = AccountPlan { region: Some(region.into()), fips, dual_stack, ..AccountPlan::default() };
        Account::open(&sessions, &plan).await.page().await.unwrap();
        assert_eq!(request.expect_request().uri(), format!("https://{host}/"));
    }
}

const ROLE: &str = "arn:aws:iam::123456789012:role/transfer-read";

fn role_plan(url: &str) -> AccountPlan {
    let assume_role =
        AssumeRole { role_arn: ROLE.into(), external_id: Some(Secret::new("ext/1")), session_name: "watcher".into() };
    AccountPlan { assume_role: Some(assume_role), ..plan("role", url) }
}

/// Makes one call in this process, as its environment has it, and reports how it went.
async fn call_and_report(credentials: Option<StaticCredentials>, plan: AccountPlan) {
    let budget = std::env::var("TEST_BUDGET_MS").map_or(10_000, |budget| budget.parse().unwrap());
    let sessions = Sessions::new(TimeOuts::within(Duration::from_millis(budget)), credentials);
    let text = match sessions.open(&plan).await {
        Err(error) => error.to_string(),
        Ok(session) => {
            let told = Arc::<Recorder>::default();
            let api = SdkTransfer::new(session.config, told.clone(), clock());
            let page = api.file_results_page(&connector(), &transfer(), None).await;
            let page = page.map_err(|error| format!("{}: {error:?} {error}", error.kind.as_label()));
            format!("{} {:?} {page:?}", session.region, told.outcomes())
        }
    };
    report(&text);
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap()
}

#[tokio::test]
async fn without_any_credentials_the_kind_says_so() {
    if is_in_process() {
        return call_and_report(None, plan("none", &variable("TEST_URL"))).await;
    }
    let endpoint = Endpoint::scripted([Step::Answer(http(200, JSON, EMPTY))]).await;
    let home = tempfile::tempdir().unwrap();
    let name = "transfer_errors::without_any_credentials_the_kind_says_so";
    let told = in_process(name, home.path(), &[("TEST_URL", &endpoint.url)]).await;
    assert!(told.starts_with("eu-central-1 [Denied] Err(\"credentials_missing: "), "{told}");
    assert!(endpoint.seen().is_empty());
}

#[tokio::test]
async fn a_profile_that_is_not_there_has_no_credentials() {
    if is_in_process() {
        let plan = AccountPlan { profile: Some("absent".into()), ..plan("absent", &variable("TEST_URL")) };
        return call_and_report(None, plan).await;
    }
    let endpoint = Endpoint::scripted([Step::Answer(http(200, JSON, EMPTY))]).await;
    let home = tempfile::tempdir().unwrap();
    let name = "transfer_errors::a_profile_that_is_not_there_has_no_credentials";
    let told = in_process(name, home.path(), &[("TEST_URL", &endpoint.url)]).await;
    assert!(told.starts_with("eu-central-1 [Denied] Err(\"credentials_missing: "), "{told}");
    assert!(endpoint.seen().is_empty());
}

#[tokio::test]
async fn a_profile_gives_credentials_and_region() {
    if is_in_process() {
        let plan = AccountPlan { profile: Some("ops".into()), region: None, ..plan("ops", &variable("TEST_URL")) };
        return call_and_report(None, plan).await;
    }
    let endpoint = Endpoint::scripted([Step::Answer(http(200, JSON, EMPTY))]).await;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config");
    let profiles = "[default]\nregion = us-east-1\naws_access_key_id = AKIDDEFAULT\naws_secret_access_key = x\n\
        [profile ops]\nregion = sa-east-1\naws_access_key_id = AKIDOPS\naws_secret_access_key = y\n";
    std::fs::write(&file, profiles).unwrap();
    let name = "transfer_errors::a_profile_gives_credentials_and_region";
    let variables = [("TEST_URL", endpoint.url.as_str()), ("AWS_CONFIG_FILE", file.to_str().unwrap())];
    let told = in_process(name, home.path(), &variables).await;
    assert!(told.starts_with("sa-east-1 [Ok] Ok("), "{told}");
    let authorization = endpoint.seen()[0].header("authorization").to_owned();
    assert!(authorization.contains("Credential=AKIDOPS/"), "{authorization}");
    assert!(authorization.contains("/sa-east-1/transfer/"), "{authorization}");
}

#[tokio::test]
async fn without_any_region_the_session_says_what_to_set() {
    if is_in_process() {
        let plan = AccountPlan { region: None, ..plan("nowhere", "http://127.0.0.1:1") };
        let error = Sessions::new(TimeOuts::within(Duration::from_secs(1)), None).open(&plan).await.err().unwrap();
        assert!(matches!(error, SessionError::NoRegion { .. }));
        return report(&error.to_string());
    }
    let home = tempfile::tempdir().unwrap();
    let name = "transfer_errors::without_any_region_the_session_says_what_to_set";
    let told = in_process(name, home.path(), &[]).await;
    assert!(told.starts_with("account `nowhere`: no Region is known\n  hint: set `region`"), "{told}");
}

#[tokio::test]
async fn a_role_is_assumed_with_its_external_id_and_its_key_signs_the_call() {
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
    let sts = Endpoint::scripted([Step::Answer(http(200, "content-type: text/xml\r\n", granted))]).await;
    let rejected = r#"{"__type": "AccessDeniedException", "Message": "not authorized"}"#;
    let endpoint = Endpoint::scripted([Step::Answer(http(400, JSON, rejected))]).await;
    let home = tempfile::tempdir().unwrap();
    let name = "transfer_errors::a_role_is_assumed_with_its_external_id_and_its_key_signs_the_call";
    let variables = [("TEST_URL", endpoint.url.as_str()), ("AWS_ENDPOINT_URL_STS", &sts.url)];
    let told = in_process(name, home.path(), &variables).await;
    assert!(told.starts_with("eu-central-1 [Denied] Err(\"access_denied: "), "{told}");
    for canary in [SECRET, TEMPORARY_SECRET, TOKEN] {
        assert!(!told.contains(canary), "{told}");
    }
    let [asked] = sts.seen().try_into().unwrap();
    let form: Vec<_> = form_urlencoded::parse(asked.body.as_bytes()).into_owned().collect();
    for (key, value) in
        [("Action", "AssumeRole"), ("RoleArn", ROLE), ("ExternalId", "ext/1"), ("RoleSessionName", "watcher")]
    {
        assert!(form.contains(&(key.into(), value.into())), "{key}: {form:?}");
    }
    let authorization = asked.header("authorization");
    assert!(authorization.contains("Credential=AKIDSTATIC/"), "{authorization}");
    assert!(authorization.contains("/eu-central-1/sts/"), "{authorization}");
    let [called] = endpoint.seen().try_into().unwrap();
    let authorization = called.header("authorization");
    assert!(authorization.contains("Credential=ASIATEMPORARY/"), "{authorization}");
    assert!(authorization.contains("x-amz-security-token"), "{authorization}");
    assert_eq!(called.header("x-amz-security-token"), TOKEN);
}

#[tokio::test]
async fn a_role_that_may_not_be_assumed_has_its_own_kind_and_says_why() {
    if is_in_process() {
        return call_and_report(Some(STATIC), role_plan(&variable("TEST_URL"))).await;
    }
    let denied = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
        <Code>AccessDenied</Code><Message>may not assume the role</Message></Error><RequestId>r</RequestId>\
        </ErrorResponse>";
    let sts = Endpoint::scripted([Step::Answer(http(403, "content-type: text/xml\r\n", denied))]).await;
    let endpoint = Endpoint::scripted([Step::Answer(http(200, JSON, EMPTY))]).await;
    let home = tempfile::tempdir().unwrap();
    let name = "transfer_errors::a_role_that_may_not_be_assumed_has_its_own_kind_and_says_why";
    let variables = [("TEST_URL", endpoint.url.as_str()), ("AWS_ENDPOINT_URL_STS", &sts.url)];
    let told = in_process(name, home.path(), &variables).await;
    assert!(told.starts_with("eu-central-1 [Denied] Err(\"credentials_unavailable: "), "{told}");
    assert!(told.ends_with("the credentials could not be had: AccessDenied: may not assume the role\")"), "{told}");
    assert!(!told.contains(SECRET), "{told}");
    let signature = sts.seen()[0].header("authorization").rsplit_once('=').unwrap().1.to_owned();
    assert!(!told.contains(&signature), "{told}");
    assert!(endpoint.seen().is_empty());
}

#[tokio::test]
async fn a_role_that_cannot_be_had_is_no_fault_of_the_transfer_api() {
    if is_in_process() {
        return call_and_report(Some(STATIC), role_plan(&variable("TEST_URL"))).await;
    }
    let html = http(503, "content-type: text/html\r\n", "<html>");
    let steps = [
        (Step::Answer(html), "credentials_unavailable"),
        (Step::Answer(http(200, "content-type: text/xml\r\n", "<AssumeRoleResponse/>")), "credentials_unavailable"),
        (Step::Reset(Vec::new()), "credentials_unavailable"),
        (Step::Stall(Vec::new()), "timeout"),
    ];
    let checks = steps.into_iter().map(|(step, kind)| async move {
        let sts = Endpoint::scripted([step]).await;
        let endpoint = Endpoint::scripted([Step::Answer(http(200, JSON, EMPTY))]).await;
        let home = tempfile::tempdir().unwrap();
        let name = "transfer_errors::a_role_that_cannot_be_had_is_no_fault_of_the_transfer_api";
        let variables = [
            ("TEST_URL", endpoint.url.as_str()),
            ("AWS_ENDPOINT_URL_STS", &sts.url),
            ("TEST_BUDGET_MS", if kind == "timeout" { "900" } else { "9000" }),
        ];
        let told = in_process(name, home.path(), &variables).await;
        assert!(told.contains(&format!(" Err(\"{kind}: ")), "{told}");
        assert!(!told.contains(SECRET), "{told}");
        assert!(endpoint.seen().is_empty() && !sts.seen().is_empty());
    });
    join_all(checks).await;
}
