//! The CloudTrail poller against a fake history, in paused time.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_transfer_exporter::config::CloudtrailPlan;
use aws_transfer_exporter::discovery::cloudtrail::CloudTrailPoller;
use aws_transfer_exporter::metrics::self_metrics::SelfMetrics;
use aws_transfer_exporter::transfer::{
    ApiFuture, CloudTrailApi, CloudTrailEvent, CloudTrailPage, ErrorKind,
};
use model::{AccountName, Clock, Fact};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{CONNECTOR, FakeSink, account, discovered, error, messages, paused_clock, up};

const PAGE: usize = 50;

/// Keeps events and records calls: start time, token, time of the call.
#[derive(Default)]
struct FakeCloudTrailApi {
    events: Mutex<Vec<CloudTrailEvent>>,
    calls: Mutex<Vec<(SystemTime, Option<String>, Instant)>>,
    /// Numbers of the calls that fail.
    faults: Mutex<Vec<(usize, ErrorKind)>>,
}

impl CloudTrailApi for FakeCloudTrailApi {
    fn page<'a>(
        &'a self,
        from: SystemTime,
        token: Option<&'a str>,
    ) -> ApiFuture<'a, CloudTrailPage> {
        Box::pin(async move {
            let call = {
                let mut calls = self.calls.lock().unwrap();
                calls.push((from, token.map(Into::into), Instant::now()));
                calls.len() - 1
            };
            if let Some((_, kind)) = self
                .faults
                .lock()
                .unwrap()
                .iter()
                .find(|(at, _)| *at == call)
            {
                return Err(error(*kind));
            }
            let mut events = self.events.lock().unwrap().clone();
            events.retain(|event| event.at.is_none_or(|at| at >= from));
            events.sort_by_key(|event| std::cmp::Reverse(event.at));
            let start: usize = token.map_or(0, |token| token.parse().unwrap());
            let end = (start + PAGE).min(events.len());
            let next_token = (end < events.len()).then(|| end.to_string());
            Ok(CloudTrailPage {
                events: events[start..end].to_vec(),
                next_token,
            })
        })
    }
}

struct Rig {
    api: Arc<FakeCloudTrailApi>,
    sink: Arc<FakeSink>,
    metrics: Arc<SelfMetrics>,
    clock: Arc<dyn Clock>,
}

impl Rig {
    fn new() -> Self {
        let clock = paused_clock();
        let metrics = Arc::new(SelfMetrics::new().unwrap());
        Self {
            api: Arc::default(),
            sink: FakeSink::new(&clock),
            metrics,
            clock,
        }
    }

    fn poller(&self) -> CloudTrailPoller {
        let plan = CloudtrailPlan {
            account: AccountName::new("prod"),
            lookback: Duration::from_hours(7 * 24),
            refresh_interval: Duration::from_mins(1),
            endpoint_url: None,
            include: Vec::new(),
        };
        let (api, sink, metrics) = (
            Arc::clone(&self.api),
            Arc::clone(&self.sink),
            Arc::clone(&self.metrics.discovery),
        );
        CloudTrailPoller::new(
            api,
            &plan,
            account(),
            sink,
            metrics,
            Arc::clone(&self.clock),
        )
    }

    /// Adds an event that happened `ago`.
    fn put(&self, n: usize, ago: Duration) {
        let at = self.clock.now().wall - ago;
        let event = CloudTrailEvent {
            id: format!("e-{n}"),
            at: Some(at),
            record: record(&format!("t-{n}")),
        };
        self.api.events.lock().unwrap().push(event);
    }

    fn calls(&self) -> usize {
        self.api.calls.lock().unwrap().len()
    }
}

fn record(transfer: &str) -> String {
    json!({"eventSource": "transfer.amazonaws.com", "eventName": "StartFileTransfer", "awsRegion": "eu-central-1",
        "requestParameters": {"connectorId": CONNECTOR}, "responseElements": {"transferId": transfer}})
    .to_string()
}

#[tokio::test(start_paused = true)]
async fn poll_reads_all_pages_at_one_request_a_second() {
    let rig = Rig::new();
    (0..201).for_each(|n| rig.put(n, Duration::from_mins(40 * u64::try_from(n).unwrap())));
    let start = Instant::now();
    assert_eq!(rig.poller().poll().await, Ok(201));
    assert_eq!(
        (rig.calls(), start.elapsed().as_secs(), rig.sink.transfers()),
        (5, 4, 201)
    );
    assert_eq!(
        (
            up(&rig.metrics, "cloudtrail", "prod"),
            discovered(&rig.metrics, "cloudtrail", "prod")
        ),
        (Some(1.0), Some(201.0))
    );
    let from = rig.api.calls.lock().unwrap()[0].0;
    assert_eq!(
        rig.clock.now().wall.duration_since(from).unwrap(),
        Duration::from_hours(7 * 24) + start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn later_poll_starts_before_the_newest_event_and_ingests_late_ones() {
    let rig = Rig::new();
    let mut poller = rig.poller();
    rig.put(1, Duration::from_hours(2));
    rig.put(2, Duration::from_hours(1));
    let newest = rig.clock.now().wall - Duration::from_hours(1);
    assert_eq!(poller.poll().await, Ok(2));
    // Ten minutes older than the newest, and returned after it.
    rig.put(3, Duration::from_mins(70));
    assert_eq!(poller.poll().await, Ok(1));
    assert_eq!(
        rig.api.calls.lock().unwrap()[1].0,
        newest - Duration::from_hours(4)
    );
    assert_eq!(poller.poll().await, Ok(0));
    // No event is ingested twice.
    assert_eq!(
        (rig.sink.facts.lock().unwrap().len(), rig.sink.transfers()),
        (3, 3)
    );
    assert_eq!(messages(&rig.metrics, "prod")[..4], [3.0, 0.0, 0.0, 0.0]);
    let facts = rig.sink.facts.lock().unwrap().clone();
    assert!(
        facts
            .iter()
            .any(|fact| matches!(fact, Fact::Started(start) if start.started_at == Some(newest)))
    );
}

#[tokio::test(start_paused = true)]
async fn event_that_is_hours_late_is_ingested_and_no_event_twice() {
    let rig = Rig::new();
    let mut poller = rig.poller();
    (0..40).for_each(|n| rig.put(n, Duration::from_mins(10 * u64::try_from(n).unwrap())));
    assert_eq!(poller.poll().await, Ok(40));
    rig.put(40, Duration::from_mins(235));
    assert_eq!(poller.poll().await, Ok(1));
    assert_eq!(poller.poll().await, Ok(0));
    assert_eq!(rig.sink.facts.lock().unwrap().len(), 41);
}

#[tokio::test(start_paused = true)]
async fn whole_lookback_is_polled_once_a_day() {
    let rig = Rig::new();
    let mut poller = rig.poller();
    rig.put(1, Duration::ZERO);
    assert_eq!(poller.poll().await, Ok(1));
    // Far behind the overlap.
    rig.put(2, Duration::from_hours(48));
    sleep(Duration::from_hours(23)).await;
    rig.put(3, Duration::ZERO);
    assert_eq!(poller.poll().await, Ok(1));
    sleep(Duration::from_hours(1)).await;
    assert_eq!(poller.poll().await, Ok(1));
    let reaches: Vec<_> = rig
        .api
        .calls
        .lock()
        .unwrap()
        .iter()
        .map(|call| call.0)
        .collect();
    let now = rig.clock.now().wall;
    assert!(now.duration_since(reaches[2]).unwrap() >= Duration::from_hours(7 * 24));
    assert!(now.duration_since(reaches[1]).unwrap() < Duration::from_hours(29));
    assert_eq!(rig.sink.transfers(), 3);
}

#[tokio::test(start_paused = true)]
async fn polls_of_many_pages_leave_the_request_rate_to_others() {
    let rig = Rig::new();
    // Ten pages within four hours, one of them within fifteen minutes.
    (0..500).for_each(|n| rig.put(n, Duration::from_secs(28 * u64::try_from(n).unwrap())));
    let task = tokio::spawn(rig.poller().run());
    sleep(Duration::from_hours(1)).await;
    task.abort();
    // Ten at first, then ten each 100 s or longer and one a minute.
    assert!((250..360).contains(&rig.calls()), "{}", rig.calls());
    assert_eq!(rig.sink.facts.lock().unwrap().len(), 500);
}

#[tokio::test(start_paused = true)]
async fn start_reports_the_number_of_requested_files() {
    let rig = Rig::new();
    let mut listed: serde_json::Value = serde_json::from_str(&record("t-1")).unwrap();
    listed["requestParameters"]["sendFilePaths"] = json!(["/a", "/b"]);
    rig.api.events.lock().unwrap().push(CloudTrailEvent {
        id: "e-1".into(),
        at: Some(rig.clock.now().wall),
        record: listed.to_string(),
    });
    assert_eq!(rig.poller().poll().await, Ok(1));
    let facts = rig.sink.facts.lock().unwrap().clone();
    assert!(matches!(facts.as_slice(), [Fact::Started(start)] if start.files == Some(2)));
}

#[tokio::test(start_paused = true)]
async fn failed_poll_resumes_at_the_page_that_failed() {
    let rig = Rig::new();
    (0..400).for_each(|n| rig.put(n, Duration::from_mins(10 * u64::try_from(n).unwrap())));
    *rig.api.faults.lock().unwrap() = vec![(3, ErrorKind::Throttled), (4, ErrorKind::Timeout)];
    let task = tokio::spawn(rig.poller().run());
    sleep(Duration::from_millis(3_100)).await;
    assert_eq!(
        (up(&rig.metrics, "cloudtrail", "prod"), rig.sink.transfers()),
        (Some(0.0), 150)
    );
    // Newer than all events that the poll has returned.
    rig.put(400, Duration::ZERO);
    sleep(Duration::from_secs(90)).await;
    assert_eq!(
        (up(&rig.metrics, "cloudtrail", "prod"), rig.sink.transfers()),
        (Some(1.0), 401)
    );
    let calls = rig.api.calls.lock().unwrap().clone();
    let tokens: Vec<_> = calls[..7]
        .iter()
        .map(|(_, token, _)| token.as_deref().unwrap_or(""))
        .collect();
    assert_eq!(tokens, ["", "50", "100", "150", "150", "150", "200"]);
    assert!(
        calls
            .windows(2)
            .all(|pair| pair[1].2 - pair[0].2 >= Duration::from_secs(1)),
        "one a second at most"
    );
    assert!(!task.is_finished());
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn invalid_token_makes_the_next_poll_start_over() {
    let rig = Rig::new();
    (0..120).for_each(|n| rig.put(n, Duration::from_mins(u64::try_from(n).unwrap())));
    *rig.api.faults.lock().unwrap() = vec![(1, ErrorKind::InvalidRequest)];
    let mut poller = rig.poller();
    assert_eq!(
        poller.poll().await.unwrap_err().kind,
        ErrorKind::InvalidRequest
    );
    assert_eq!(poller.poll().await, Ok(70));
    assert_eq!(
        (rig.sink.transfers(), rig.sink.facts.lock().unwrap().len()),
        (120, 120)
    );
}

#[tokio::test(start_paused = true)]
async fn polling_continues_after_every_kind_of_error() {
    let rig = Rig::new();
    rig.put(1, Duration::from_mins(1));
    *rig.api.faults.lock().unwrap() = ErrorKind::ALL.iter().copied().enumerate().collect();
    let task = tokio::spawn(rig.poller().run());
    sleep(Duration::from_mins(25)).await;
    assert!(!task.is_finished());
    assert_eq!(
        (rig.sink.transfers(), up(&rig.metrics, "cloudtrail", "prod")),
        (1, Some(1.0))
    );
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn unparsable_records_are_counted_and_others_ingested() {
    let rig = Rig::new();
    let mut refused: serde_json::Value = serde_json::from_str(&record("t-9")).unwrap();
    refused["errorCode"] = json!("AccessDenied");
    let records =
        ["", "{", "[]", "{}", r#"{"eventName": "StartFileTransfer"}"#].map(ToOwned::to_owned);
    let now = rig.clock.now().wall;
    for (n, record) in records.into_iter().chain([refused.to_string()]).enumerate() {
        rig.api.events.lock().unwrap().push(CloudTrailEvent {
            id: format!("x-{n}"),
            at: Some(now),
            record,
        });
    }
    // Without an id, an event is ingested again, which changes nothing.
    rig.api.events.lock().unwrap().push(CloudTrailEvent {
        id: String::new(),
        at: None,
        record: record("t-1"),
    });
    rig.put(2, Duration::ZERO);
    let mut poller = rig.poller();
    assert_eq!(poller.poll().await, Ok(2));
    assert_eq!(poller.poll().await, Ok(0));
    assert_eq!(messages(&rig.metrics, "prod")[..4], [3.0, 1.0, 0.0, 5.0]);
    assert_eq!(up(&rig.metrics, "cloudtrail", "prod"), Some(1.0));
}

/// Returns the same token in every response.
struct RepeatingApi;

impl CloudTrailApi for RepeatingApi {
    fn page<'a>(&'a self, _: SystemTime, _: Option<&'a str>) -> ApiFuture<'a, CloudTrailPage> {
        Box::pin(async {
            Ok(CloudTrailPage {
                events: Vec::new(),
                next_token: Some("again".into()),
            })
        })
    }
}

#[tokio::test(start_paused = true)]
async fn repeated_token_is_an_error() {
    let rig = Rig::new();
    let plan = CloudtrailPlan {
        account: AccountName::new("prod"),
        lookback: Duration::from_hours(1),
        refresh_interval: Duration::from_mins(1),
        endpoint_url: None,
        include: Vec::new(),
    };
    let (sink, metrics) = (Arc::clone(&rig.sink), Arc::clone(&rig.metrics.discovery));
    let mut poller = CloudTrailPoller::new(
        Arc::new(RepeatingApi),
        &plan,
        account(),
        sink,
        metrics,
        Arc::clone(&rig.clock),
    );
    assert_eq!(
        poller.poll().await.unwrap_err().kind,
        ErrorKind::RepeatedToken
    );
}
