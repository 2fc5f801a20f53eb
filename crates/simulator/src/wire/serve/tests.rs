use std::time::Instant;

use hyper::HeaderMap;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::testing::{now, simulator};
use crate::wire::credential::authorize;
use crate::{
    ApiOperation, DEMO_ACCESS_KEY_ID, Faults, FileScript, LifeScript, Settings, ThrottleError,
};

/// A serving simulator and a connection to it.
struct Served {
    simulator: Simulator,
    stream: TcpStream,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

async fn served() -> Served {
    serve_as(simulator(Settings::default())).await
}

async fn serve_as(simulator: Simulator) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(
        simulator
            .clone()
            .serve(listener, async { drop(stopped.await) }),
    );
    Served {
        simulator,
        stream: TcpStream::connect(address).await.unwrap(),
        stop,
        task,
    }
}

/// Returns the bytes of a signed call.
fn signed(target: &str, service: &str, media_type: &str, body: &str) -> Vec<u8> {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("content-type", media_type),
        ("host", "localhost"),
        ("x-amz-date", "20260101T000000Z"),
        ("x-amz-target", target),
    ] {
        headers.insert(name, HeaderValue::try_from(value).unwrap());
    }
    let scope = ("eu-central-1", service);
    let authorization = authorize(DEMO_ACCESS_KEY_ID, scope, &headers);
    headers.insert("authorization", authorization.try_into().unwrap());
    let mut text = format!("POST / HTTP/1.1\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in &headers {
        text.extend([name.as_str(), ": ", value.to_str().unwrap(), "\r\n"]);
    }
    (text + "\r\n" + body).into_bytes()
}

/// Returns the bytes of a signed `ListConnectors`.
fn call() -> Vec<u8> {
    signed(
        "TransferService.ListConnectors",
        "transfer",
        "application/x-amz-json-1.1",
        "{}",
    )
}

/// Returns the bytes of a signed `ReceiveMessage` with a wait time.
fn receive(seconds: u64) -> Vec<u8> {
    let url = "http://localhost/123456789012/transfer-events";
    let body = json!({ "QueueUrl": url, "WaitTimeSeconds": seconds }).to_string();
    signed(
        "AmazonSQS.ReceiveMessage",
        "sqs",
        "application/x-amz-json-1.0",
        &body,
    )
}

impl Served {
    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Reads one response: its head and its body.
    async fn answer(&mut self) -> (String, Value) {
        let mut bytes = Vec::new();
        loop {
            let text = String::from_utf8(bytes.clone()).unwrap();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "))
                    .unwrap();
                if body.len() == length.parse::<usize>().unwrap() {
                    return (
                        head.to_owned(),
                        serde_json::from_str(body).unwrap_or(Value::Null),
                    );
                }
            }
            assert_ne!(
                self.stream.read_buf(&mut bytes).await.unwrap(),
                0,
                "closed after {text}"
            );
        }
    }

    /// Reads until the connection ends. Returns the bytes and the result of the last read.
    async fn rest(&mut self) -> (String, io::Result<()>) {
        let mut bytes = Vec::new();
        let end = self.stream.read_to_end(&mut bytes).await.map(drop);
        (String::from_utf8(bytes).unwrap(), end)
    }
}

#[tokio::test]
async fn one_connection_carries_many_calls() {
    let mut served = served().await;
    for _ in 0..3 {
        served.send(&call()).await;
        let (head, body) = served.answer().await;
        assert!(
            head.starts_with("HTTP/1.1 200") && head.contains("x-amzn-requestid: "),
            "{head}"
        );
        assert!(
            head.contains("content-type: application/x-amz-json-1.1"),
            "{head}"
        );
        assert_eq!(body, json!({ "Connectors": [] }));
    }
    let calls = served.simulator.calls();
    assert_eq!(
        (
            calls.of(ApiOperation::ListConnectors),
            calls.outcome("ok"),
            calls.peak_in_flight
        ),
        (3, 3, 1)
    );
}

#[tokio::test]
async fn an_unsigned_call_is_refused_with_its_error_in_header_and_body() {
    let mut served = served().await;
    let request = "POST / HTTP/1.1\r\nhost: h\r\nx-amz-target: TransferService.ListConnectors\r\n\
                   content-type: application/x-amz-json-1.1\r\ncontent-length: 2\r\n\r\n{}";
    served.send(request.as_bytes()).await;
    let (head, body) = served.answer().await;
    assert!(head.starts_with("HTTP/1.1 400"), "{head}");
    assert!(
        head.contains("x-amzn-errortype: MissingAuthenticationTokenException"),
        "{head}"
    );
    assert_eq!(body["__type"], "MissingAuthenticationTokenException");
}

#[tokio::test]
async fn each_fault_has_its_error_and_its_status() {
    let none = Faults::default;
    let throttled = |throttle_error| Faults {
        throttle_rate: 1.0,
        throttle_error,
        ..none()
    };
    let mut served = served().await;
    for (faults, status, error) in [
        (
            Faults {
                server_error_rate: 1.0,
                ..none()
            },
            500,
            "InternalServiceError",
        ),
        (
            Faults {
                unavailable_rate: 1.0,
                ..none()
            },
            503,
            "ServiceUnavailableException",
        ),
        (
            Faults {
                expired_token: true,
                throttle_rate: 1.0,
                ..none()
            },
            400,
            "ExpiredTokenException",
        ),
        (
            throttled(ThrottleError::ThrottlingException),
            400,
            "ThrottlingException",
        ),
        (throttled(ThrottleError::Throttling), 400, "Throttling"),
        (
            throttled(ThrottleError::TooManyRequestsException),
            400,
            "TooManyRequestsException",
        ),
        (
            throttled(ThrottleError::RequestLimitExceeded),
            400,
            "RequestLimitExceeded",
        ),
        (
            Faults {
                access_denied: true,
                ..none()
            },
            400,
            "AccessDeniedException",
        ),
        (
            Faults {
                access_denied_operations: vec![ApiOperation::ListConnectors],
                ..none()
            },
            400,
            "AccessDeniedException",
        ),
    ] {
        served.simulator.set_faults(faults);
        served.send(&call()).await;
        let (head, body) = served.answer().await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{error}: {head}"
        );
        assert!(
            head.lines()
                .any(|line| line == format!("x-amzn-errortype: {error}")),
            "{error}: {head}"
        );
        assert_eq!(body["__type"], error);
        assert!(served.simulator.calls().outcome(error) > 0);
    }
    served.simulator.set_faults(Faults {
        access_denied_operations: vec![ApiOperation::TestConnection],
        ..none()
    });
    served.send(&call()).await;
    assert!(served.answer().await.0.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_mistyped_answer_is_valid_json_of_the_wrong_types() {
    let mut served = served().await;
    served.simulator.set_faults(Faults {
        mistyped_rate: 1.0,
        ..Faults::default()
    });
    served.send(&call()).await;
    let (head, body) = served.answer().await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(body, json!({ "Connectors": 7 }));
}

#[tokio::test(start_paused = true)]
async fn latency_passes_before_the_answer() {
    let simulator = simulator(Settings::default());
    simulator.set_faults(Faults {
        latency: Duration::from_millis(200),
        ..Faults::default()
    });
    let (parts, ()) = Request::post("/").body(()).unwrap().into_parts();
    let answering = simulator.answer(&parts, b"{}", std::future::pending());
    let mut answering = pin!(answering);
    let early = tokio::time::timeout(Duration::from_millis(100), &mut answering).await;
    assert!(early.is_err());
    assert!(
        matches!(answering.await, Answer::Whole(reply) if reply.error == Some("UnknownOperationException"))
    );
}

#[tokio::test]
async fn a_truncated_answer_announces_more_than_it_sends() {
    let mut served = served().await;
    served.simulator.set_faults(Faults {
        truncated_rate: 1.0,
        ..Faults::default()
    });
    served.send(&call()).await;
    let (text, end) = served.rest().await;
    let body = text.split_once("\r\n\r\n").unwrap().1;
    assert!(
        text.contains("content-length: 17") && body == r#"{"Connec"#,
        "{text}"
    );
    assert!(end.is_ok());
}

#[tokio::test]
async fn a_reset_connection_ends_in_an_error() {
    let mut served = served().await;
    served.simulator.set_faults(Faults {
        reset_rate: 1.0,
        ..Faults::default()
    });
    served.send(&call()).await;
    let (text, end) = served.rest().await;
    assert_eq!(
        (text.as_str(), end.unwrap_err().kind()),
        ("", io::ErrorKind::ConnectionReset)
    );
}

#[tokio::test]
async fn a_stalled_call_counts_as_in_flight_until_the_simulator_stops() {
    let mut served = served().await;
    served.simulator.set_faults(Faults {
        stall_rate: 1.0,
        ..Faults::default()
    });
    served.send(&call()).await;
    while served.simulator.calls().outcome("stall") == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(served.simulator.calls().in_flight, 1);
    served.stop.send(()).unwrap();
    served.task.await.unwrap();
    let mut text = Vec::new();
    served.stream.read_to_end(&mut text).await.unwrap();
    assert!(text.is_empty());
    assert_eq!(served.simulator.calls().in_flight, 0);
}

#[tokio::test]
async fn a_stalled_call_ends_when_its_client_disconnects() {
    let mut served = served().await;
    served.simulator.set_faults(Faults {
        stall_rate: 1.0,
        ..Faults::default()
    });
    served.send(&call()).await;
    while served.simulator.calls().outcome("stall") == 0 {
        tokio::task::yield_now().await;
    }
    drop(served.stream);
    while served.simulator.calls().in_flight > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_html_error_is_not_an_api_answer() {
    let mut served = served().await;
    served.simulator.set_faults(Faults {
        html_rate: 1.0,
        ..Faults::default()
    });
    served.send(&call()).await;
    let (head, body) = served.answer().await;
    assert!(
        head.starts_with("HTTP/1.1 50") && head.contains("text/html") && body.is_null(),
        "{head}"
    );
}

#[tokio::test]
async fn control_is_answered_on_the_same_port() {
    let mut served = served().await;
    served
        .send(b"GET /_simulator/calls HTTP/1.1\r\nhost: h\r\n\r\n")
        .await;
    let (head, body) = served.answer().await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(body["in_flight"], 0);
}

#[tokio::test]
async fn a_long_poll_ends_when_a_message_arrives() {
    let mut served = served().await;
    let begin = Instant::now();
    served.send(&receive(20)).await;
    while served.simulator.calls().in_flight == 0 {
        tokio::task::yield_now().await;
    }
    served.simulator.send("late");
    let (head, body) = served.answer().await;
    assert!(
        head.contains("content-type: application/x-amz-json-1.0"),
        "{head}"
    );
    assert_eq!(body["Messages"][0]["Body"], "late");
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(served.simulator.calls().outcome("ok"), 1);
}

#[tokio::test]
async fn a_long_poll_ends_when_a_file_finishes() {
    let start = Instant::now();
    let clock = move || now().after(start.elapsed());
    let simulator = Simulator::new(Settings::default(), Arc::new(clock));
    let life =
        LifeScript::completed().after(Duration::from_millis(100), Duration::from_millis(200));
    simulator.start_scripted(
        &"c-0123456789abcdef0".parse().unwrap(),
        vec![FileScript::new("/a", life)],
    );
    let mut served = serve_as(simulator).await;
    served.send(&receive(20)).await;
    let (_, body) = served.answer().await;
    let event: Value = serde_json::from_str(body["Messages"][0]["Body"].as_str().unwrap()).unwrap();
    assert_eq!(
        event["detail-type"],
        "SFTP Connector File Retrieve Completed"
    );
    assert!((Duration::from_millis(300)..Duration::from_secs(10)).contains(&start.elapsed()));
}

#[tokio::test]
async fn a_long_poll_without_a_message_takes_its_time() {
    let mut served = served().await;
    let begin = Instant::now();
    served.send(&receive(1)).await;
    assert_eq!(served.answer().await.1, json!({}));
    assert!(begin.elapsed() >= Duration::from_secs(1));
    served.send(&receive(0)).await;
    assert_eq!(served.answer().await.1, json!({}));
}

#[tokio::test]
async fn a_long_poll_ends_when_the_simulator_stops() {
    let mut served = served().await;
    served.send(&receive(20)).await;
    while served.simulator.calls().in_flight == 0 {
        tokio::task::yield_now().await;
    }
    served.stop.send(()).unwrap();
    let mut text = String::new();
    served.stream.read_to_string(&mut text).await.unwrap();
    assert!(
        text.starts_with("HTTP/1.1 200 ") && text.ends_with("{}"),
        "{text}"
    );
    served.task.await.unwrap();
}

#[tokio::test]
async fn an_sqs_error_has_its_query_code_too() {
    let mut served = served().await;
    let body = json!({ "QueueUrl": "http://localhost/123456789012/other" }).to_string();
    served
        .send(&signed(
            "AmazonSQS.ReceiveMessage",
            "sqs",
            "application/x-amz-json-1.0",
            &body,
        ))
        .await;
    let (head, body) = served.answer().await;
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    assert!(
        head.contains("x-amzn-query-error: AWS.SimpleQueueService.NonExistentQueue;Sender"),
        "{head}"
    );
    assert_eq!(body["__type"], "com.amazonaws.sqs#QueueDoesNotExist");
}

#[tokio::test]
async fn signatures_and_throttling_follow_the_clock_of_the_client() {
    let mut served = served().await;
    served.simulator.set_faults(Faults {
        requests_per_second: Some(1.0),
        ..Faults::default()
    });
    let hour = Duration::from_hours(1);
    served.simulator.change_time(None, hour);
    served.send(&call()).await;
    let (head, _) = served.answer().await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    served.simulator.change_time(None, hour);
    served.send(&call()).await;
    let (_, body) = served.answer().await;
    assert_eq!(body["__type"], "ThrottlingException");
}
