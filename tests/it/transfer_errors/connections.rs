//! Failures of the connection, retries and time-outs.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_transfer_exporter::transfer::session::{Sessions, TimeOuts};
use aws_transfer_exporter::transfer::{AttemptOutcome, ErrorKind, ResultsPage, TransferError};
use futures_util::future::join_all;

use crate::support::{Endpoint, Step, http};

use super::{Account, EMPTY, JSON, Log, SECRET, STATIC, failure, plan, role_plan, sessions};

#[tokio::test]
async fn broken_connection_is_classified_by_where_it_broke() {
    let answer = http(
        200,
        JSON,
        r#"{"FileTransferResults": [{"FilePath": "/a", "StatusCode": "QUEUED"}]}"#,
    );
    let refused = http(400, JSON, r#"{"__type": "ResourceNotFoundException"}"#);
    let cut = answer[..answer.len() - 9].to_vec();
    let chunked =
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1b\r\n{\"FileTransferResults\": []}\r\n".to_vec();
    let whole_chunked = [chunked.as_slice(), b"0\r\n\r\n"].concat();
    let cases = [
        (
            "cut by length",
            Step::Close(cut.clone()),
            ErrorKind::Truncated,
        ),
        (
            "cut between chunks",
            Step::Close(chunked.clone()),
            ErrorKind::Truncated,
        ),
        (
            "cut in a chunk",
            Step::Close(chunked[..60].to_vec()),
            ErrorKind::Truncated,
        ),
        ("reset in the body", Step::Reset(cut), ErrorKind::Truncated),
        (
            "an error cut short",
            Step::Close(refused[..refused.len() - 5].to_vec()),
            ErrorKind::Truncated,
        ),
        (
            "reset before the answer",
            Step::Reset(Vec::new()),
            ErrorKind::Network,
        ),
        (
            "closed before the answer",
            Step::Close(Vec::new()),
            ErrorKind::Network,
        ),
        (
            "closed in the head",
            Step::Close(answer[..20].to_vec()),
            ErrorKind::Network,
        ),
    ];
    let checks = cases.into_iter().map(|(name, step, kind)| async move {
        let (error, outcomes) = failure(name, [step]).await;
        assert_eq!(error.kind, kind, "{name}: {error}");
        assert_eq!(outcomes, [kind.outcome(); 3], "{name}");
        assert!(!error.detail.is_empty(), "{name}");
    });
    join_all(checks).await;
    assert_eq!(
        page_of(Step::Answer(whole_chunked)).await,
        Ok(ResultsPage::default())
    );
}

#[tokio::test]
async fn response_above_four_mebibytes_is_an_error() {
    let file = r#"{"FilePath": "/a", "StatusCode": "QUEUED"}"#;
    let of = |files: usize| {
        let body = format!(
            r#"{{"FileTransferResults": [{}{file}]}}"#,
            format!("{file},").repeat(files - 1)
        );
        Step::Answer(http(200, JSON, body))
    };
    let largest = (1 << 20) / (file.len() + 1) - 1;
    assert_eq!(
        page_of(of(largest)).await.map(|page| page.files.len()),
        Ok(largest)
    );
    let (error, outcomes) = failure("oversized", [of(largest + 1_000)]).await;
    assert_eq!(error.kind, ErrorKind::Oversized, "{error}");
    assert!(
        outcomes
            .iter()
            .all(|outcome| *outcome == AttemptOutcome::Malformed),
        "{outcomes:?}"
    );
}

async fn page_of(step: Step) -> Result<ResultsPage, TransferError> {
    let endpoint = Endpoint::scripted([step]).await;
    Account::open(&sessions(), &plan("page of", &endpoint.url))
        .await
        .page()
        .await
}

#[tokio::test]
async fn invalid_http_is_malformed_or_a_broken_connection() {
    let (error, outcomes) =
        failure("SSH", [Step::Close(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec())]).await;
    assert_eq!(error.kind, ErrorKind::Network, "{error}");
    assert!(
        outcomes
            .iter()
            .all(|outcome| *outcome == AttemptOutcome::Network),
        "{outcomes:?}"
    );
}

#[tokio::test]
async fn transient_failure_is_retried() {
    let unavailable = http(503, JSON, r#"{"__type": "ServiceUnavailableException"}"#);
    let endpoint = Endpoint::scripted([
        Step::Answer(unavailable),
        Step::Answer(http(200, JSON, EMPTY)),
    ])
    .await;
    let account = Account::open(&sessions(), &plan("passes", &endpoint.url)).await;
    assert_eq!(account.page().await, Ok(ResultsPage::default()));
    assert_eq!(
        account.attempts.outcomes(),
        [AttemptOutcome::ServerError, AttemptOutcome::Ok]
    );
    let attempts = account.attempts.ended.lock().unwrap();
    let retries: Vec<_> = attempts.iter().map(|attempt| attempt.retry).collect();
    assert_eq!(retries, [false, true]);
}

#[tokio::test]
async fn throttled_attempt_is_retried_no_earlier_than_the_response_asks() {
    let body = r#"{"__type": "ThrottlingException", "RetryAfterSeconds": "1"}"#;
    let by_header = http(
        400,
        &format!("{JSON}retry-after: 1\r\n"),
        r#"{"__type": "ThrottlingException"}"#,
    );
    for throttled in [http(400, JSON, body), by_header] {
        let endpoint = Endpoint::scripted([
            Step::Answer(throttled),
            Step::Answer(http(200, JSON, EMPTY)),
        ])
        .await;
        let account = Account::open(&sessions(), &plan("throttled", &endpoint.url)).await;
        let start = Instant::now();
        assert_eq!(account.page().await, Ok(ResultsPage::default()));
        assert!(
            start.elapsed() >= Duration::from_secs(1),
            "{:?}",
            start.elapsed()
        );
        let asked: Vec<_> = account
            .attempts
            .ended
            .lock()
            .unwrap()
            .iter()
            .map(|attempt| attempt.retry_after)
            .collect();
        assert_eq!(asked, [Some(Duration::from_secs(1)), None]);
    }
}

#[tokio::test]
async fn attempt_with_a_long_retry_after_is_not_retried() {
    let body = r#"{"__type": "ThrottlingException", "RetryAfterSeconds": "60"}"#;
    let (error, outcomes) = failure("long pause", [Step::Answer(http(400, JSON, body))]).await;
    assert_eq!(
        (error.kind, outcomes),
        (ErrorKind::Throttled, vec![AttemptOutcome::Throttled])
    );
}

#[tokio::test]
async fn refused_connection_is_a_network_error() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let account = Account::open(&sessions(), &plan("refused", &format!("http://{free}"))).await;
    let error = account.page().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Network);
    assert!(error.detail.contains("refused"), "{error}");
    assert_eq!(account.attempts.outcomes(), [AttemptOutcome::Network; 3]);
}

#[tokio::test]
async fn slow_connect_is_a_connect_timeout() {
    // The backlog is full: another connection gets no answer.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut queued = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(
        Duration::from_millis(200),
        tokio::net::TcpStream::connect(address),
    )
    .await
    {
        queued.push(stream);
        assert!(queued.len() < 1_000, "the backlog never fills");
    }
    let time_outs = TimeOuts {
        connect: Duration::from_millis(100),
        attempt: Duration::from_secs(5),
        operation: Duration::from_secs(15),
    };
    let sessions = Sessions::new(time_outs, Some(STATIC));
    let account = Account::open(&sessions, &plan("connect", &format!("http://{address}"))).await;
    assert_eq!(
        account.page().await.unwrap_err().kind,
        ErrorKind::ConnectTimeout
    );
    assert_eq!(account.attempts.outcomes(), [AttemptOutcome::Timeout; 3]);
}

#[tokio::test]
async fn stalled_response_times_out_wherever_it_stalls() {
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
            let account = Account::open(
                &Sessions::new(time_outs, Some(STATIC)),
                &plan("stall", &endpoint.url),
            )
            .await;
            assert_eq!(
                account.page().await.unwrap_err().kind,
                ErrorKind::Timeout,
                "after {sent} bytes"
            );
            assert_eq!(
                account.attempts.outcomes(),
                [AttemptOutcome::Timeout; 3],
                "after {sent} bytes"
            );
            for attempt in account.attempts.ended.lock().unwrap().iter() {
                assert!(
                    attempt.duration < Duration::from_secs(4),
                    "after {sent} bytes: {attempt:?}"
                );
            }
        }
    });
    join_all(checks).await;
}

#[tokio::test]
async fn call_ends_at_its_time_out_and_its_last_attempt_is_counted() {
    let endpoint = Endpoint::scripted([Step::Stall(Vec::new())]).await;
    let time_outs = TimeOuts {
        connect: Duration::from_secs(30),
        attempt: Duration::from_secs(30),
        operation: Duration::from_millis(300),
    };
    let account = Account::open(
        &Sessions::new(time_outs, Some(STATIC)),
        &plan("operation", &endpoint.url),
    )
    .await;
    let start = Instant::now();
    assert_eq!(account.page().await.unwrap_err().kind, ErrorKind::Timeout);
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(account.attempts.outcomes(), [AttemptOutcome::Timeout]);
}

#[tokio::test]
async fn cancelled_call_is_counted() {
    let endpoint = Endpoint::scripted([Step::Stall(Vec::new())]).await;
    let account = Account::open(&sessions(), &plan("given up", &endpoint.url)).await;
    let call = tokio::time::timeout(Duration::from_millis(300), account.page());
    assert!(call.await.is_err());
    assert_eq!(account.attempts.outcomes(), [AttemptOutcome::Timeout]);
}

#[tokio::test]
async fn failures_of_one_account_leave_the_retries_of_another() {
    let endpoint = Endpoint::scripted([Step::Answer(http(503, JSON, "{}"))]).await;
    let sessions = sessions();
    let failing = Account::open(&sessions, &plan("failing", &endpoint.url)).await;
    join_all((0..80).map(|_| failing.page())).await;
    assert!(
        failing.attempts.outcomes().len() < 3 * 80,
        "the account has used up its retries"
    );
    let other = Account::open(&sessions, &plan("other", &endpoint.url)).await;
    assert!(other.page().await.is_err());
    assert_eq!(other.attempts.outcomes(), [AttemptOutcome::ServerError; 3]);
}

#[tokio::test]
async fn error_never_repeats_the_signed_request() {
    let echo = |code: &'static str| {
        move |_: usize, seen: &crate::support::Seen| {
            let message = seen.header("authorization").replace('"', "");
            let body = format!(r#"{{"__type": "{code}", "Message": "not in {message}"}}"#);
            Step::Answer(http(403, JSON, body))
        }
    };
    for code in [
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "AccessDeniedException",
        "NewException",
    ] {
        let endpoint = Endpoint::answering(echo(code)).await;
        let account = Account::open(&sessions(), &plan(code, &endpoint.url)).await;
        let error = account.page().await.unwrap_err();
        let text = format!("{error} {error:?}");
        let authorization = endpoint.seen()[0].header("authorization").to_owned();
        let signature = authorization.rsplit_once('=').unwrap().1;
        assert_eq!(signature.len(), 64);
        assert!(
            !text.contains(signature) && !text.contains(SECRET),
            "{text}"
        );
        assert!(error.detail.starts_with(code), "{text}");
    }
}

#[tokio::test]
async fn opening_a_session_and_calling_logs_no_warning() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_ansi(false);
    let _guard =
        tracing::subscriber::set_default(subscriber.with_writer(Log(Arc::clone(&log))).finish());
    tracing::warn!("the log is read");
    let endpoint = Endpoint::scripted([Step::Answer(http(200, JSON, EMPTY))]).await;
    let role = role_plan(&endpoint.url);
    for plan in [plan("quiet", &endpoint.url), role] {
        sessions().open(&plan).await.unwrap();
    }
    Account::open(&sessions(), &plan("quiet", &endpoint.url))
        .await
        .page()
        .await
        .unwrap();
    let log = String::from_utf8(log.lock().unwrap().clone()).unwrap();
    assert!(
        log.lines().count() == 1 && log.contains("the log is read"),
        "{log}"
    );
}
