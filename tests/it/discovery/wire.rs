//! The requests that leave, and what answers do: SQS speaks JSON 1.0, CloudTrail JSON 1.1.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_transfer_exporter::app;
use aws_transfer_exporter::config::{AccountPlan, CloudtrailPlan, EventsPlan};
use aws_transfer_exporter::discovery::{cloudtrail, events};
use aws_transfer_exporter::metrics::self_metrics::SelfMetrics;
use aws_transfer_exporter::transfer::ErrorKind;
use aws_transfer_exporter::transfer::session::{ClientBase, Sessions, StaticCredentials, TimeOuts};
use model::AccountName;
use serde_json::{Value, json};

use super::{CONNECTOR, Learner, messages, sample, up};
use crate::support::{Endpoint, Seen, Step, http};

const JSON_1_0: &str = "content-type: application/x-amz-json-1.0\r\n";
const JSON_1_1: &str = "content-type: application/x-amz-json-1.1\r\n";

async fn base(plan: AccountPlan) -> ClientBase {
    let credentials = StaticCredentials {
        access_key_id: "AKIDSTATIC",
        secret_access_key: "s",
    };
    let sessions = Sessions::new(TimeOuts::within(Duration::from_secs(15)), Some(credentials));
    sessions.open(&plan).await.unwrap().base
}

fn plan() -> AccountPlan {
    AccountPlan {
        name: AccountName::new("prod"),
        region: Some("eu-central-1".into()),
        ..AccountPlan::default()
    }
}

/// A source that reads a queue over the wire.
struct Reading {
    endpoint: Endpoint,
    learner: Arc<Learner>,
    metrics: Arc<SelfMetrics>,
    task: tokio::task::JoinHandle<()>,
}

impl Reading {
    async fn start(
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
        let (learner, metrics) = (Learner::new(&clock), Arc::new(SelfMetrics::new().unwrap()));
        let plan_of_queue = EventsPlan {
            account: AccountName::new("prod"),
            queue_url: queue_url.into(),
            endpoint_url: Some(endpoint.url.clone()),
            include: Vec::new(),
        };
        let base = base(plan).await;
        let task = tokio::spawn(events::run(
            plan_of_queue,
            base,
            learner.clone(),
            Arc::clone(&metrics),
            clock,
        ));
        Self {
            endpoint,
            learner,
            metrics,
            task,
        }
    }

    /// Waits until the endpoint has seen so many requests for `operation`.
    async fn seen(&self, operation: &str, requests: usize) -> Vec<Seen> {
        for _ in 0..500 {
            let target = format!("AmazonSQS.{operation}");
            let of = |seen: &Seen| seen.header("x-amz-target") == target;
            let seen: Vec<_> = self.endpoint.seen().into_iter().filter(of).collect();
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

impl Drop for Reading {
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

fn answer(body: &Value) -> Step {
    Step::Answer(http(200, JSON_1_0, body.to_string()))
}

fn message(n: usize) -> Value {
    let body = json!({"ConnectorId": CONNECTOR, "TransferId": format!("t-{n}")}).to_string();
    json!({"MessageId": format!("m-{n}"), "ReceiptHandle": format!("r-{n}"), "MD5OfBody": "x", "Body": body})
}

#[tokio::test]
async fn messages_are_received_in_long_polls_and_deleted_in_batches() {
    let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/transfer-events";
    let reading = Reading::start(plan(), url, |operation, at, _| match (operation, at) {
        ("ReceiveMessage", 0) => answer(&json!({"Messages": (0..10).map(message).collect::<Vec<_>>()})),
        ("ReceiveMessage", 1) => answer(&json!({"Messages": [message(3), message(10)]})),
        ("ReceiveMessage", _) => answer(&json!({})),
        ("DeleteMessageBatch", 1) => answer(&json!({"Successful": [{"Id": "0"}],
            "Failed": [{"Id": "1", "SenderFault": false, "Code": "InternalError", "Message": "x"}]})),
        ("DeleteMessageBatch", _) => answer(&json!({"Successful": [], "Failed": []})),
        _ => answer(
            &json!({"Attributes": {"ApproximateNumberOfMessages": "40", "ApproximateNumberOfMessagesNotVisible": "2"}}),
        ),
    })
    .await;
    let deleted = reading.seen("DeleteMessageBatch", 3).await;
    let received = reading.seen("ReceiveMessage", 3).await;
    let body: Value = serde_json::from_str(&received[0].body).unwrap();
    assert_eq!(
        body,
        json!({"QueueUrl": url, "WaitTimeSeconds": 20, "MaxNumberOfMessages": 10})
    );
    assert_eq!(
        received[0].header("content-type"),
        "application/x-amz-json-1.0"
    );
    assert!(
        received[0]
            .header("authorization")
            .contains("/eu-west-1/sqs/aws4_request"),
        "the Region is the queue's"
    );
    let body: Value = serde_json::from_str(&deleted[0].body).unwrap();
    let entries: Vec<_> = (0..10)
        .map(|n| json!({"Id": n.to_string(), "ReceiptHandle": format!("r-{n}")}))
        .collect();
    assert_eq!(body, json!({"QueueUrl": url, "Entries": entries}));
    let again: Value = serde_json::from_str(&deleted[2].body).unwrap();
    assert_eq!(
        again["Entries"],
        json!([{"Id": "0", "ReceiptHandle": "r-10"}]),
        "what failed alone"
    );

    let target = "transfer-events";
    assert_eq!(reading.learner.transfers(), 11);
    assert_eq!(
        messages(&reading.metrics, target),
        [11.0, 1.0, 0.0, 0.0, 0.0]
    );
    assert_eq!(up(&reading.metrics, "events", target), Some(1.0));
    assert_eq!(
        sample(
            &reading.metrics,
            "aws_transfer_exporter_discovery_queue_messages{target=\"transfer-events\"}"
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
        "it stands from the start"
    );
}

#[tokio::test]
async fn a_long_poll_may_take_longer_than_other_attempts() {
    // Time-outs of a budget of 15 s allow an attempt 5 s.
    let reading = Reading::start(plan(), "http://127.0.0.1:1/1/q", |operation, at, _| match (
        operation, at,
    ) {
        ("ReceiveMessage", 0) => Step::Stall(Vec::new()),
        _ => answer(&json!({})),
    })
    .await;
    reading.seen("ReceiveMessage", 1).await;
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(
        reading.seen("ReceiveMessage", 1).await.len(),
        1,
        "it is still waited for"
    );
    assert_eq!(
        reading.requests("eu-central-1", "ReceiveMessage", "timeout"),
        Some(0.0)
    );
    let metrics = Arc::clone(&reading.metrics);
    drop(reading);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(
        requests(&metrics, "eu-central-1", "ReceiveMessage", "timeout"),
        Some(1.0),
        "given up, and counted"
    );
}

#[tokio::test]
async fn errors_are_counted_by_outcome_and_outlived() {
    let error = |status, code: &str| {
        Step::Answer(http(
            status,
            JSON_1_0,
            json!({"__type": code, "message": "why"}).to_string(),
        ))
    };
    let fips = AccountPlan {
        fips: true,
        dual_stack: true,
        ..plan()
    };
    let reading = Reading::start(
        fips,
        "http://localhost/1/q",
        move |operation, at, _| match (operation, at) {
            ("ReceiveMessage", 0..=2) => error(400, "com.amazonaws.sqs#RequestThrottled"),
            ("ReceiveMessage", 3) => error(400, "com.amazonaws.sqs#QueueDoesNotExist"),
            ("ReceiveMessage", 4) => answer(&json!({"Messages": [message(1)]})),
            ("ReceiveMessage", _) => answer(&json!({})),
            ("GetQueueAttributes", _) => error(403, "AccessDeniedException"),
            ("DeleteMessageBatch", 0) => error(400, "com.amazon.coral.service#KmsAccessDenied"),
            _ => answer(&json!({"Successful": [], "Failed": []})),
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
    assert_eq!(reading.learner.transfers(), 1);
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
async fn the_history_is_looked_up_page_by_page_and_throttling_is_waited_out() {
    let throttled = json!({"__type": "ThrottlingException", "Message": "Rate exceeded"});
    let endpoint = Endpoint::scripted([
        history(&[("e-1", record("t-1")), ("e-2", json!({}))], Some("n-1")),
        Step::Answer(http(400, JSON_1_1, throttled.to_string())),
        history(&[("e-3", record("t-2"))], None),
    ])
    .await;
    let clock = app::system_clock();
    let (learner, metrics) = (Learner::new(&clock), Arc::new(SelfMetrics::new().unwrap()));
    let plan_of_trail = CloudtrailPlan {
        account: AccountName::new("prod"),
        lookback: Duration::from_hours(1),
        refresh_interval: Duration::from_mins(1),
        endpoint_url: Some(endpoint.url.clone()),
        include: Vec::new(),
    };
    let base = base(plan()).await;
    let started = std::time::Instant::now();
    let looked = cloudtrail::poll_once(
        &plan_of_trail,
        &base,
        learner.clone(),
        Arc::clone(&metrics),
        clock,
    )
    .await;
    assert_eq!((looked, learner.transfers()), (Ok(2), 2));
    assert!(
        started.elapsed() >= Duration::from_secs(2),
        "one request a second"
    );
    let seen = endpoint.seen();
    assert_eq!(seen.len(), 3, "the SDK makes no attempt of its own");
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
        "`once` reports the result of the poll"
    );
}

#[tokio::test]
async fn a_refused_poll_reports_the_reason() {
    let denied = json!({"__type": "AccessDeniedException", "Message": "not you"});
    let endpoint =
        Endpoint::scripted([Step::Answer(http(400, JSON_1_1, denied.to_string()))]).await;
    let clock = app::system_clock();
    let (learner, metrics) = (Learner::new(&clock), Arc::new(SelfMetrics::new().unwrap()));
    let plan_of_trail = CloudtrailPlan {
        account: AccountName::new("prod"),
        lookback: Duration::from_hours(1),
        refresh_interval: Duration::from_mins(1),
        endpoint_url: Some(endpoint.url.clone()),
        include: Vec::new(),
    };
    let error = cloudtrail::poll_once(
        &plan_of_trail,
        &base(plan()).await,
        learner,
        Arc::clone(&metrics),
        clock,
    )
    .await;
    assert_eq!(error.unwrap_err().kind, ErrorKind::AccessDenied);
    assert_eq!(
        (endpoint.seen().len(), up(&metrics, "cloudtrail", "prod")),
        (1, Some(0.0)),
        "no second try at what is denied"
    );
}
