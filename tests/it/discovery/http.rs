//! Requests and responses over HTTP: SQS uses JSON 1.0, CloudTrail JSON 1.1.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use aws_transfer_exporter::app;
use aws_transfer_exporter::config::{AccountPlan, CloudtrailPlan, EventsPlan};
use aws_transfer_exporter::discovery::{cloudtrail, events};
use aws_transfer_exporter::metrics::self_metrics::SelfMetrics;
use aws_transfer_exporter::transfer::ErrorKind;
use aws_transfer_exporter::transfer::session::{ClientBase, Sessions, StaticCredentials, TimeOuts};
use model::{AccountName, Fact};
use serde_json::{Value, json};

use super::{CONNECTOR, FakeSink, messages_with, routes, sample, up, up_with};
use crate::support::{Endpoint, Seen, Step, http};

const JSON_1_0: &str = "content-type: application/x-amz-json-1.0\r\n";
const JSON_1_1: &str = "content-type: application/x-amz-json-1.1\r\n";

const TIME_OUTS: TimeOuts = TimeOuts {
    connect: Duration::from_secs(2),
    attempt: Duration::from_secs(5),
    operation: Duration::from_secs(15),
};

async fn base(plan: AccountPlan, time_outs: TimeOuts) -> ClientBase {
    let credentials = StaticCredentials {
        access_key_id: "AKIDSTATIC",
        secret_access_key: "s",
    };
    let sessions = Sessions::new(time_outs, Some(credentials));
    sessions.open(&plan).await.unwrap().base
}

fn plan() -> AccountPlan {
    AccountPlan {
        name: AccountName::new("prod"),
        region: Some("eu-central-1".into()),
        ..AccountPlan::default()
    }
}

/// A reader of a queue over HTTP.
struct RunningReader {
    endpoint: Endpoint,
    sink: Arc<FakeSink>,
    metrics: Arc<SelfMetrics>,
    task: tokio::task::JoinHandle<()>,
}

impl RunningReader {
    async fn start(
        plan: AccountPlan,
        queue_url: &str,
        step: impl Fn(&str, usize, &Seen) -> Step + Send + Sync + 'static,
    ) -> Self {
        Self::start_within(TIME_OUTS, plan, queue_url, step).await
    }

    async fn start_within(
        time_outs: TimeOuts,
        plan: AccountPlan,
        queue_url: &str,
        step: impl Fn(&str, usize, &Seen) -> Step + Send + Sync + 'static,
    ) -> Self {
        let counts: [AtomicUsize; 3] = Default::default();
        let endpoint = Endpoint::answering(move |_, seen| {
            let operations = [
                "AmazonSQS.ReceiveMessage",
                "AmazonSQS.DeleteMessageBatch",
                "AmazonSQS.GetQueueAttributes",
            ];
            let target = seen.header("x-amz-target");
            let at = operations
                .iter()
                .position(|operation| *operation == target)
                .unwrap();
            step(
                operations[at].trim_start_matches("AmazonSQS."),
                counts[at].fetch_add(1, Ordering::Relaxed),
                seen,
            )
        })
        .await;
        let clock = app::system_clock();
        let (sink, metrics) = (FakeSink::new(&clock), Arc::new(SelfMetrics::new().unwrap()));
        let queue_plan = EventsPlan {
            account: AccountName::new("prod"),
            queue_url: queue_url.into(),
            endpoint_url: Some(endpoint.url.clone()),
            include: Vec::new(),
        };
        let base = base(plan, time_outs).await;
        let task = tokio::spawn(events::run(
            queue_plan,
            routes(),
            base,
            sink.clone(),
            Arc::clone(&metrics),
            clock,
        ));
        Self {
            endpoint,
            sink,
            metrics,
            task,
        }
    }

    /// Waits until the endpoint has received `requests` requests for `operation`.
    async fn seen(&self, operation: &str, requests: usize) -> Vec<Seen> {
        for _ in 0..500 {
            let target = format!("AmazonSQS.{operation}");
            let is_operation = |seen: &Seen| seen.header("x-amz-target") == target;
            let seen: Vec<_> = self
                .endpoint
                .seen()
                .into_iter()
                .filter(is_operation)
                .collect();
            if seen.len() >= requests {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{operation} was not called {requests} times");
    }

    fn requests(&self, region: &str, operation: &str, outcome: &str) -> Option<f64> {
        requests(&self.metrics, region, operation, outcome)
    }
}

impl Drop for RunningReader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn requests(metrics: &SelfMetrics, region: &str, operation: &str, outcome: &str) -> Option<f64> {
    let labels = format!(
        "aws_account=\"prod\",aws_region=\"{region}\",operation=\"{operation}\",outcome=\"{outcome}\""
    );
    sample(
        metrics,
        &format!("aws_transfer_exporter_api_requests_total{{{labels}}}"),
    )
}

fn respond(body: &Value) -> Step {
    Step::Answer(http(200, JSON_1_0, body.to_string()))
}

fn message(n: usize) -> Value {
    let body = json!({"ConnectorId": CONNECTOR, "TransferId": format!("t-{n}")}).to_string();
    json!({"MessageId": format!("m-{n}"), "ReceiptHandle": format!("r-{n}"), "MD5OfBody": "x", "Body": body,
        "Attributes": {"SentTimestamp": "1767225600123"}})
}

#[tokio::test]
async fn messages_are_received_in_long_polls_and_deleted_in_batches() {
    /// The Region is that of the queue.
    const LABELS: &str = "aws_account=\"prod\",aws_region=\"eu-west-1\"";
    let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/transfer-events";
    let reading = RunningReader::start(plan(), url, |operation, at, _| match (operation, at) {
        ("ReceiveMessage", 0) => respond(&json!({"Messages": (0..10).map(message).collect::<Vec<_>>()})),
        ("ReceiveMessage", 1) => respond(&json!({"Messages": [message(3), message(10)]})),
        ("ReceiveMessage", _) => respond(&json!({})),
        ("DeleteMessageBatch", 1) => respond(&json!({"Successful": [{"Id": "0"}],
            "Failed": [{"Id": "1", "SenderFault": false, "Code": "InternalError", "Message": "x"}]})),
        ("DeleteMessageBatch", _) => respond(&json!({"Successful": [], "Failed": []})),
        _ => respond(
            &json!({"Attributes": {"ApproximateNumberOfMessages": "40", "ApproximateNumberOfMessagesNotVisible": "2"}}),
        ),
    })
    .await;
    let deleted = reading.seen("DeleteMessageBatch", 3).await;
    let received = reading.seen("ReceiveMessage", 3).await;
    let body: Value = serde_json::from_str(&received[0].body).unwrap();
    assert_eq!(
        body,
        json!({"QueueUrl": url, "WaitTimeSeconds": 20, "MaxNumberOfMessages": 10,
            "MessageSystemAttributeNames": ["SentTimestamp"]})
    );
    assert_eq!(
        received[0].header("content-type"),
        "application/x-amz-json-1.0"
    );
    assert!(
        received[0]
            .header("authorization")
            .contains("/eu-west-1/sqs/aws4_request"),
        "signed for the Region of the queue"
    );
    let body: Value = serde_json::from_str(&deleted[0].body).unwrap();
    let entries: Vec<_> = (0..10)
        .map(|n| json!({"Id": n.to_string(), "ReceiptHandle": format!("r-{n}")}))
        .collect();
    assert_eq!(body, json!({"QueueUrl": url, "Entries": entries}));
    let retried: Value = serde_json::from_str(&deleted[2].body).unwrap();
    assert_eq!(
        retried["Entries"],
        json!([{"Id": "0", "ReceiptHandle": "r-10"}]),
        "only the failed entry"
    );

    let target = "transfer-events";
    assert_eq!(reading.sink.transfers(), 11);
    let sent_at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_225_600_123);
    assert!(
        reading
            .sink
            .facts
            .lock()
            .unwrap()
            .iter()
            .all(|fact| matches!(fact, Fact::Started(start) if start.reported_at == Some(sent_at)))
    );
    assert_eq!(
        messages_with(&reading.metrics, LABELS, target),
        [11.0, 1.0, 0.0, 0.0, 0.0]
    );
    assert_eq!(
        up_with(&reading.metrics, LABELS, "events", target),
        Some(1.0)
    );
    assert_eq!(
        sample(
            &reading.metrics,
            &format!(
                "aws_transfer_exporter_discovery_queue_messages{{{LABELS},target=\"{target}\"}}"
            )
        ),
        Some(42.0)
    );
    assert!(
        reading
            .requests("eu-west-1", "ReceiveMessage", "ok")
            .unwrap()
            >= 2.0
    );
    assert!(
        reading
            .requests("eu-west-1", "DeleteMessageBatch", "ok")
            .unwrap()
            >= 2.0
    );
    assert_eq!(
        reading.requests("eu-west-1", "GetQueueAttributes", "ok"),
        Some(1.0)
    );
    assert_eq!(
        reading.requests("eu-west-1", "DeleteMessageBatch", "denied"),
        Some(0.0),
        "the series exists from the start"
    );
}

#[tokio::test]
async fn long_poll_may_take_longer_than_other_attempts() {
    let time_outs = TimeOuts {
        attempt: Duration::from_millis(80),
        ..TIME_OUTS
    };
    let step = |operation: &str, at: usize, _: &Seen| match (operation, at) {
        ("ReceiveMessage", 0) => Step::Stall(Vec::new()),
        _ => respond(&json!({})),
    };
    let reading =
        RunningReader::start_within(time_outs, plan(), "http://127.0.0.1:1/1/q", step).await;
    reading.seen("ReceiveMessage", 1).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(
        reading.seen("ReceiveMessage", 1).await.len(),
        1,
        "still waiting after the time-out of other attempts"
    );
    let timed_out = |metrics: &SelfMetrics| {
        requests(metrics, "eu-central-1", "ReceiveMessage", "timeout").unwrap()
    };
    assert_eq!(timed_out(&reading.metrics), 0.0);
    let metrics = Arc::clone(&reading.metrics);
    drop(reading);
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while timed_out(&metrics) < 1.0 {
        assert!(
            std::time::Instant::now() < deadline,
            "a cancelled receive is counted"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn errors_are_counted_by_outcome_and_reading_continues() {
    let error = |status, code: &str| {
        Step::Answer(http(
            status,
            JSON_1_0,
            json!({"__type": code, "message": "why"}).to_string(),
        ))
    };
    let fips = AccountPlan {
        fips: Some(true),
        dual_stack: Some(true),
        ..plan()
    };
    let reading = RunningReader::start(
        fips,
        "http://localhost/1/q",
        move |operation, at, _| match (operation, at) {
            ("ReceiveMessage", 0..=2) => error(400, "com.amazonaws.sqs#RequestThrottled"),
            ("ReceiveMessage", 3) => error(400, "com.amazonaws.sqs#QueueDoesNotExist"),
            ("ReceiveMessage", 4) => respond(&json!({"Messages": [message(1)]})),
            ("ReceiveMessage", _) => respond(&json!({})),
            ("GetQueueAttributes", _) => error(403, "AccessDeniedException"),
            ("DeleteMessageBatch", 0) => error(400, "com.amazon.coral.service#KmsAccessDenied"),
            _ => respond(&json!({"Successful": [], "Failed": []})),
        },
    )
    .await;
    reading.seen("DeleteMessageBatch", 1).await;
    reading.seen("ReceiveMessage", 6).await;
    let of = |operation, outcome| reading.requests("eu-central-1", operation, outcome);
    assert_eq!(of("ReceiveMessage", "throttled"), Some(3.0));
    assert_eq!(of("ReceiveMessage", "invalid"), Some(1.0));
    assert_eq!(of("GetQueueAttributes", "denied"), Some(1.0));
    assert_eq!(of("DeleteMessageBatch", "denied"), Some(1.0));
    assert_eq!(reading.sink.transfers(), 1);
}

fn history(page: &[(&str, Value)], next: Option<&str>) -> Step {
    let event = |(id, record): &(&str, Value)| {
        json!({"EventId": id, "EventName": "StartFileTransfer", "ReadOnly": "false", "EventTime": 1_767_225_600.0,
            "EventSource": "transfer.amazonaws.com", "Username": "u", "Resources": [], "CloudTrailEvent": record.to_string()})
    };
    let mut body = json!({"Events": page.iter().map(event).collect::<Vec<_>>()});
    if let Some(next) = next {
        body["NextToken"] = json!(next);
    }
    Step::Answer(http(200, JSON_1_1, body.to_string()))
}

fn record(transfer: &str) -> Value {
    json!({"eventVersion": "1.09", "eventSource": "transfer.amazonaws.com", "eventName": "StartFileTransfer",
        "requestParameters": {"connectorId": CONNECTOR}, "responseElements": {"transferId": transfer}})
}

#[tokio::test]
async fn history_is_polled_page_by_page_and_resumed_after_throttling() {
    let throttled = json!({"__type": "ThrottlingException", "Message": "Rate exceeded"});
    let endpoint = Endpoint::scripted([
        history(&[("e-1", record("t-1")), ("e-2", json!({}))], Some("n-1")),
        Step::Answer(http(400, JSON_1_1, throttled.to_string())),
        history(&[("e-3", record("t-2"))], None),
    ])
    .await;
    let clock = app::system_clock();
    let (sink, metrics) = (FakeSink::new(&clock), Arc::new(SelfMetrics::new().unwrap()));
    let cloudtrail_plan = CloudtrailPlan {
        account: AccountName::new("prod"),
        lookback: Duration::from_hours(1),
        refresh_interval: Duration::from_mins(1),
        endpoint_url: Some(endpoint.url.clone()),
        include: Vec::new(),
    };
    let base = base(plan(), TIME_OUTS).await;
    let started = std::time::Instant::now();
    let result = cloudtrail::poll_once(
        &cloudtrail_plan,
        &base,
        sink.clone(),
        Arc::clone(&metrics),
        clock,
    )
    .await;
    assert_eq!((result, sink.transfers()), (Ok(2), 2));
    assert!(
        started.elapsed() >= Duration::from_secs(2),
        "one request a second"
    );
    let seen = endpoint.seen();
    assert_eq!(seen.len(), 3, "the SDK does not retry");
    let bodies: Vec<Value> = seen
        .iter()
        .map(|seen| serde_json::from_str(&seen.body).unwrap())
        .collect();
    let target = "CloudTrail_20131101.LookupEvents";
    assert_eq!(
        (
            seen[0].header("x-amz-target"),
            seen[0].header("content-type")
        ),
        (target, "application/x-amz-json-1.1")
    );
    assert!(
        seen[0]
            .header("authorization")
            .contains("/eu-central-1/cloudtrail/aws4_request")
    );
    let attributes = json!([{"AttributeKey": "EventName", "AttributeValue": "StartFileTransfer"}]);
    assert_eq!(
        (&bodies[0]["LookupAttributes"], &bodies[0]["MaxResults"]),
        (&attributes, &json!(50))
    );
    assert!(bodies[0]["StartTime"].is_number() && bodies[0].get("NextToken").is_none());
    assert_eq!(
        (&bodies[1]["NextToken"], &bodies[2]["NextToken"]),
        (&json!("n-1"), &json!("n-1"))
    );
    assert_eq!(bodies[1]["StartTime"], bodies[0]["StartTime"]);
    let of = |outcome| requests(&metrics, "eu-central-1", "LookupEvents", outcome);
    assert_eq!(
        (of("ok"), of("throttled"), of("timeout")),
        (Some(2.0), Some(1.0), Some(0.0))
    );
    assert_eq!(
        up(&metrics, "cloudtrail", "prod"),
        Some(1.0),
        "the poll is recorded"
    );
}

#[tokio::test]
async fn denied_poll_is_not_retried() {
    let denied = json!({"__type": "AccessDeniedException", "Message": "not you"});
    let endpoint =
        Endpoint::scripted([Step::Answer(http(400, JSON_1_1, denied.to_string()))]).await;
    let clock = app::system_clock();
    let (sink, metrics) = (FakeSink::new(&clock), Arc::new(SelfMetrics::new().unwrap()));
    let cloudtrail_plan = CloudtrailPlan {
        account: AccountName::new("prod"),
        lookback: Duration::from_hours(1),
        refresh_interval: Duration::from_mins(1),
        endpoint_url: Some(endpoint.url.clone()),
        include: Vec::new(),
    };
    let error = cloudtrail::poll_once(
        &cloudtrail_plan,
        &base(plan(), TIME_OUTS).await,
        sink,
        Arc::clone(&metrics),
        clock,
    )
    .await;
    assert_eq!(error.unwrap_err().kind, ErrorKind::AccessDenied);
    assert_eq!(
        (endpoint.seen().len(), up(&metrics, "cloudtrail", "prod")),
        (1, Some(0.0)),
        "denied, so not retried"
    );
}
