//! The queue reader against a fake SQS queue, in paused time.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_transfer_exporter::config::EventsPlan;
use aws_transfer_exporter::discovery::events::{self, labels};
use aws_transfer_exporter::discovery::routes::{AccountId, Routes};
use aws_transfer_exporter::metrics::self_metrics::SelfMetrics;
use aws_transfer_exporter::transfer::{
    ApiFuture, ErrorKind, QUEUE_BATCH, QueueApi, QueueDepth, QueueMessage, UndeletedMessage,
};
use model::{AccountName, Fact};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{
    ACCOUNT_ID, ACCOUNT_LABELS, CONNECTOR, FakeSink, LAB_ID, account, discovered, error, lab,
    messages, messages_with, paused_clock, routes, sample, up, up_with,
};

/// Time that a message reports, before the tests' clock.
const SENT_AT: SystemTime = SystemTime::UNIX_EPOCH;
const VISIBILITY: Duration = Duration::from_mins(1);

struct HeldMessage {
    id: String,
    body: String,
    visible: Instant,
    receives: usize,
}

/// At-least-once delivery, a visibility time-out of one minute, and errors on request.
#[derive(Default)]
struct FakeQueue {
    held: Mutex<Vec<HeldMessage>>,
    log: Arc<Mutex<Vec<String>>>,
    receives: Mutex<Vec<Instant>>,
    faults: Mutex<Vec<ErrorKind>>,
    delete_faults: Mutex<Vec<Vec<UndeletedMessage>>>,
    delete_denied: Mutex<bool>,
    depth_denied: bool,
    /// Messages of the dead-letter queue, `None` if reading them is denied, with its ARN.
    dead_letters: Mutex<Option<(&'static str, Option<u64>)>>,
    dead_letter_reads: Mutex<usize>,
    /// Does not support long polling.
    is_short_polling: bool,
    deletes: Mutex<usize>,
}

impl FakeQueue {
    fn put(&self, body: &serde_json::Value) {
        let mut held = self.held.lock().unwrap();
        let id = format!("m-{}", held.len());
        held.push(HeldMessage {
            id,
            body: body.to_string(),
            visible: Instant::now(),
            receives: 0,
        });
    }

    fn len(&self) -> usize {
        self.held.lock().unwrap().len()
    }
}

impl QueueApi for FakeQueue {
    fn receive(&self) -> ApiFuture<'_, Vec<QueueMessage>> {
        Box::pin(async {
            self.receives.lock().unwrap().push(Instant::now());
            let fault = self.faults.lock().unwrap().pop();
            if let Some(kind) = fault {
                sleep(Duration::from_millis(10)).await;
                return Err(error(kind));
            }
            let now = Instant::now();
            let mut messages = Vec::new();
            for held in self
                .held
                .lock()
                .unwrap()
                .iter_mut()
                .filter(|held| held.visible <= now)
                .take(QUEUE_BATCH)
            {
                held.receives += 1;
                held.visible = now + VISIBILITY;
                let receipt = format!("{}/{}", held.id, held.receives);
                messages.push(QueueMessage {
                    id: held.id.clone(),
                    receipt,
                    body: held.body.clone(),
                    sent_at: Some(SENT_AT),
                });
            }
            if messages.is_empty() && !self.is_short_polling {
                sleep(Duration::from_secs(20)).await;
            }
            self.log
                .lock()
                .unwrap()
                .push(format!("receive {}", messages.len()));
            Ok(messages)
        })
    }

    fn delete<'a>(&'a self, receipts: &'a [String]) -> ApiFuture<'a, Vec<UndeletedMessage>> {
        Box::pin(async move {
            *self.deletes.lock().unwrap() += 1;
            if *self.delete_denied.lock().unwrap() {
                return Err(error(ErrorKind::AccessDenied));
            }
            assert!((1..=QUEUE_BATCH).contains(&receipts.len()));
            let undeleted = self.delete_faults.lock().unwrap().pop().unwrap_or_default();
            let kept = |receipt: &str| undeleted.iter().any(|message| message.receipt == receipt);
            let mut deleted = 0;
            for receipt in receipts.iter().filter(|receipt| !kept(receipt)) {
                let id = receipt.split('/').next().unwrap();
                self.held.lock().unwrap().retain(|held| held.id != id);
                deleted += 1;
            }
            self.log.lock().unwrap().push(format!("delete {deleted}"));
            Ok(undeleted)
        })
    }

    fn depth(&self) -> ApiFuture<'_, QueueDepth> {
        Box::pin(async {
            if self.depth_denied {
                return Err(error(ErrorKind::AccessDenied));
            }
            let dead_letters = *self.dead_letters.lock().unwrap();
            Ok(QueueDepth {
                messages: self.len() as u64,
                dead_letter_queue: dead_letters.map(|(arn, _)| arn.to_owned()),
            })
        })
    }

    fn dead_letters<'a>(&'a self, arn: &'a str) -> ApiFuture<'a, u64> {
        Box::pin(async move {
            *self.dead_letter_reads.lock().unwrap() += 1;
            let (known, messages) = self.dead_letters.lock().unwrap().unwrap();
            assert_eq!(arn, known);
            messages.ok_or_else(|| error(ErrorKind::AccessDenied))
        })
    }
}

/// A running reader.
struct Rig {
    queue: Arc<FakeQueue>,
    sink: Arc<FakeSink>,
    metrics: Arc<SelfMetrics>,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Rig {
    fn new(queue: FakeQueue) -> Self {
        let clock = paused_clock();
        let sink = FakeSink::new(&clock);
        let queue = FakeQueue {
            log: Arc::clone(&sink.log),
            ..queue
        };
        Self {
            queue: Arc::new(queue),
            sink,
            metrics: Arc::new(SelfMetrics::new().unwrap()),
            task: None,
        }
    }

    fn start(&mut self) {
        let plan = queue_plan();
        let (queue, sink, metrics) = (
            Arc::clone(&self.queue),
            Arc::clone(&self.sink),
            Arc::clone(&self.metrics.discovery),
        );
        let clock = paused_clock();
        self.task = Some(tokio::spawn(async move {
            events::run_with(queue, &plan, routes(), sink, metrics, clock).await;
        }));
    }

    async fn running(
        queue: FakeQueue,
        bodies: impl IntoIterator<Item = serde_json::Value>,
    ) -> Self {
        let mut rig = Self::new(queue);
        bodies.into_iter().for_each(|body| rig.queue.put(&body));
        rig.start();
        sleep(Duration::from_secs(1)).await;
        rig
    }

    fn messages(&self) -> [f64; 5] {
        messages(&self.metrics, "q")
    }

    async fn stop(&mut self) {
        let task = self.task.take().unwrap();
        assert!(!task.is_finished(), "the source has ended");
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }
}

fn queue_plan() -> EventsPlan {
    EventsPlan {
        account: AccountName::new("prod"),
        queue_url: "https://sqs.eu-central-1.amazonaws.com/123456789012/q".into(),
        endpoint_url: None,
        include: vec!["c-0*".into()],
    }
}

fn plain(n: usize) -> serde_json::Value {
    json!({"ConnectorId": CONNECTOR, "TransferId": format!("t-{n}")})
}

fn ended(n: usize) -> serde_json::Value {
    json!({"source": "aws.transfer", "detail-type": "SFTP Connector File Send Completed", "id": n.to_string(),
        "detail": {"connector-id": CONNECTOR, "transfer-id": format!("t-{n}"), "file-transfer-id": format!("t-{n}/f"),
            "file-path": "/b/k", "bytes": 7, "status-code": "COMPLETED"}})
}

#[tokio::test(start_paused = true)]
async fn messages_are_deleted_after_their_facts_are_durable() {
    let mut rig = Rig::running(FakeQueue::default(), [plain(1), ended(2)]).await;
    sleep(Duration::from_mins(1)).await;
    assert_eq!(
        rig.sink.log()[..5],
        ["receive 2", "ingest", "ingest", "durable", "delete 2"]
    );
    assert_eq!((rig.queue.len(), rig.sink.transfers()), (0, 2));
    assert_eq!(rig.messages(), [2.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(
        (
            up(&rig.metrics, "events", "q"),
            discovered(&rig.metrics, "events", "q")
        ),
        (Some(1.0), Some(2.0))
    );
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_received_while_storage_fails() {
    let mut rig = Rig::new(FakeQueue::default());
    rig.sink.set_persist_results([false; 9]);
    (0..25).for_each(|n| rig.queue.put(&plain(n)));
    rig.start();
    sleep(Duration::from_secs(100)).await;
    assert_eq!(
        (rig.queue.len(), rig.queue.receives.lock().unwrap().len()),
        (25, 1)
    );
    assert_eq!(rig.messages(), [0.0, 0.0, 0.0, 0.0, 10.0]);
    assert_eq!(up(&rig.metrics, "events", "q"), Some(0.0));
    let failures = rig
        .sink
        .log()
        .iter()
        .filter(|line| *line == "not durable")
        .count();
    assert!((5..9).contains(&failures), "the pauses grow: {failures}");
    sleep(Duration::from_mins(5)).await;
    assert_eq!((rig.queue.len(), rig.sink.transfers()), (0, 25));
    // The ten messages were deleted once they were durable, and not received again.
    assert_eq!(rig.messages(), [15.0, 0.0, 0.0, 0.0, 10.0]);
    assert_eq!(up(&rig.metrics, "events", "q"), Some(1.0));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn unparsable_messages_are_left_to_the_redrive_policy() {
    let mut rig = Rig::running(FakeQueue::default(), [json!({"hello": 1}), plain(1)]).await;
    sleep(Duration::from_mins(4)).await;
    let receives = rig.queue.held.lock().unwrap()[0].receives;
    assert!(
        (4..6).contains(&receives) && rig.queue.len() == 1,
        "{receives}"
    );
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let unparsable = receives as f64;
    assert_eq!(rig.messages(), [1.0, 0.0, 0.0, unparsable, 0.0]);
    assert_eq!(
        up(&rig.metrics, "events", "q"),
        Some(1.0),
        "the source itself is up"
    );
    rig.stop().await;
}

/// The event of [`ended`], with an account and a Region.
fn ended_in(account_id: &str, region: &str, n: usize) -> serde_json::Value {
    let mut event = ended(n);
    event["account"] = json!(account_id);
    event["region"] = json!(region);
    event
}

#[tokio::test(start_paused = true)]
async fn one_queue_carries_events_of_several_accounts_and_regions() {
    let bodies = [
        ended_in(ACCOUNT_ID, "eu-central-1", 1),
        ended_in(LAB_ID, "us-east-1", 2),
        ended(3),
        plain(4),
    ];
    let mut rig = Rig::running(FakeQueue::default(), bodies).await;
    let facts = rig.sink.facts.lock().unwrap().clone();
    let accounts = facts.iter().filter_map(|fact| match fact {
        Fact::Started(start) => Some(start.key.account.to_string()),
        _ => None,
    });
    assert_eq!(
        accounts.collect::<Vec<_>>(),
        ["prod", "lab", "prod", "prod"]
    );
    assert_eq!(
        (rig.queue.len(), rig.messages()),
        (0, [4.0, 0.0, 0.0, 0.0, 0.0])
    );
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn events_of_accounts_that_are_not_configured_are_left_to_the_redrive_policy() {
    let bodies = [
        ended_in(LAB_ID, "eu-central-1", 1),
        ended_in("333333333333", "eu-central-1", 2),
        json!({"source": "aws.transfer", "detail-type": "SFTP Server File Upload Completed",
            "account": "333333333333", "region": "eu-central-1", "detail": {}}),
    ];
    let mut rig = Rig::running(FakeQueue::default(), bodies).await;
    assert_eq!(
        (rig.queue.len(), rig.messages()),
        (2, [0.0, 0.0, 3.0, 0.0, 0.0]),
        "only what is no event of a connector is deleted"
    );
    assert_eq!(rig.sink.transfers(), 0);
    assert_eq!(up(&rig.metrics, "events", "q"), Some(1.0));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn callers_messages_report_when_they_were_sent_and_which_fields_are_unusable() {
    const IGNORED: &str = "aws_transfer_exporter_discovery_ignored_fields_total";
    let mut rig = Rig::new(FakeQueue::default());
    rig.queue.put(&plain(1));
    let mut lacking = plain(2);
    lacking["StartedAt"] = json!("yesterday");
    lacking["Files"] = json!(3);
    rig.queue.put(&lacking);
    rig.start();
    sleep(Duration::from_secs(1)).await;
    let facts = rig.sink.facts.lock().unwrap().clone();
    let starts: Vec<_> = facts
        .iter()
        .map(|fact| match fact {
            Fact::Started(start) => (start.started_at, start.reported_at, start.files),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        starts,
        [(None, Some(SENT_AT), None), (None, Some(SENT_AT), Some(3))]
    );
    let ignored = |field: &str| {
        sample(
            &rig.metrics,
            &format!("{IGNORED}{{{ACCOUNT_LABELS},field=\"{field}\",target=\"q\"}}"),
        )
    };
    assert_eq!(
        (ignored("StartedAt"), ignored("Files"), rig.queue.len()),
        (Some(1.0), Some(0.0), 0)
    );
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn foreign_messages_are_deleted_even_while_storage_fails() {
    let mut rig = Rig::new(FakeQueue::default());
    rig.sink.set_persist_results([false; 100]);
    rig.queue
        .put(&json!({"ConnectorId": "c-99999999999999999", "TransferId": "t"}));
    rig.queue
        .put(&json!({"source": "aws.s3", "detail-type": "Object Created", "detail": {}}));
    rig.start();
    sleep(Duration::from_secs(5)).await;
    assert_eq!(
        (rig.queue.len(), rig.messages()),
        (0, [0.0, 0.0, 2.0, 0.0, 0.0])
    );
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn duplicates_are_counted_and_wait_for_storage() {
    let mut rig = Rig::running(
        FakeQueue::default(),
        [ended(1), ended(1), plain(1), ended(2)],
    )
    .await;
    assert_eq!(
        (rig.queue.len(), rig.messages()),
        (0, [2.0, 2.0, 0.0, 0.0, 0.0])
    );
    assert_eq!(discovered(&rig.metrics, "events", "q"), Some(2.0));
    rig.sink.set_persist_results([false, true]);
    rig.queue.put(&ended(1));
    // The long poll under way ends 20 s after the start.
    sleep(Duration::from_millis(19_500)).await;
    assert_eq!(
        (rig.queue.len(), rig.messages()),
        (1, [2.0, 2.0, 0.0, 0.0, 1.0]),
        "known from memory alone"
    );
    sleep(Duration::from_secs(1)).await;
    assert_eq!(rig.queue.len(), 0);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn reading_continues_after_every_kind_of_error() {
    let queue = FakeQueue {
        faults: Mutex::new(ErrorKind::ALL.to_vec()),
        ..FakeQueue::default()
    };
    let mut rig = Rig::running(queue, [plain(1)]).await;
    assert_eq!(up(&rig.metrics, "events", "q"), Some(0.0));
    sleep(Duration::from_mins(25)).await;
    let receives = rig.queue.receives.lock().unwrap().clone();
    let pauses: Vec<_> = receives
        .windows(2)
        .take(ErrorKind::ALL.len())
        .map(|pair| pair[1] - pair[0])
        .collect();
    assert!(
        pauses[0] < Duration::from_millis(1_100)
            && pauses.iter().all(|pause| *pause < Duration::from_secs(61))
    );
    assert!(
        pauses[6..]
            .iter()
            .all(|pause| *pause > Duration::from_secs(29)),
        "{pauses:?}"
    );
    assert_eq!((rig.queue.len(), rig.sink.transfers()), (0, 1));
    assert_eq!(up(&rig.metrics, "events", "q"), Some(1.0));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn reading_continues_after_a_panic() {
    let mut rig = Rig::new(FakeQueue::default());
    *rig.sink.panics.lock().unwrap() = 2;
    rig.queue.put(&plain(1));
    rig.start();
    sleep(Duration::from_secs(5)).await;
    assert_eq!(
        (rig.queue.len(), up(&rig.metrics, "events", "q")),
        (1, Some(0.0))
    );
    sleep(Duration::from_mins(5)).await;
    assert_eq!(
        (
            rig.queue.len(),
            rig.sink.transfers(),
            up(&rig.metrics, "events", "q")
        ),
        (0, 1, Some(1.0))
    );
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn deletions_are_retried_if_the_error_is_retryable() {
    let undeleted = |receipt: &str, retryable| UndeletedMessage {
        receipt: receipt.into(),
        retryable,
        code: "X".into(),
    };
    let queue = FakeQueue::default();
    *queue.delete_faults.lock().unwrap() = vec![
        vec![undeleted("m-0/1", true)],
        vec![undeleted("m-0/1", true), undeleted("m-1/1", false)],
    ];
    let mut rig = Rig::running(queue, [plain(0), plain(1), plain(2)]).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(
        (rig.queue.len(), *rig.queue.deletes.lock().unwrap()),
        (1, 3)
    );
    assert_eq!(up(&rig.metrics, "events", "q"), Some(1.0));
    sleep(Duration::from_mins(2)).await;
    assert_eq!(
        (rig.queue.len(), rig.messages()),
        (0, [3.0, 1.0, 0.0, 0.0, 0.0]),
        "the message was received again"
    );
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn denied_deletion_fails_the_poll_after_messages_are_ingested() {
    let queue = FakeQueue {
        delete_denied: Mutex::new(true),
        ..FakeQueue::default()
    };
    let mut rig = Rig::running(queue, (0..25).map(plain)).await;
    sleep(Duration::from_secs(10)).await;
    assert_eq!((rig.queue.len(), rig.sink.transfers()), (25, 25));
    assert_eq!(
        (
            up(&rig.metrics, "events", "q"),
            discovered(&rig.metrics, "events", "q")
        ),
        (Some(0.0), Some(25.0))
    );
    *rig.queue.delete_denied.lock().unwrap() = false;
    sleep(Duration::from_mins(5)).await;
    assert_eq!(
        (rig.queue.len(), up(&rig.metrics, "events", "q")),
        (0, Some(1.0))
    );
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn cancelled_reader_deletes_no_message_it_holds() {
    let mut rig = Rig::new(FakeQueue::default());
    *rig.sink.hangs.lock().unwrap() = true;
    rig.queue.put(&plain(1));
    rig.start();
    sleep(Duration::from_secs(5)).await;
    rig.stop().await;
    assert_eq!(
        (rig.queue.len(), *rig.queue.deletes.lock().unwrap()),
        (1, 0)
    );
    *rig.sink.hangs.lock().unwrap() = false;
    rig.start();
    sleep(Duration::from_mins(2)).await;
    assert_eq!((rig.queue.len(), rig.sink.transfers()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn queues_of_one_name_in_two_accounts_have_their_own_series() {
    const LAB_LABELS: &str = "aws_account=\"lab\",aws_region=\"us-east-1\"";
    let mut rig = Rig::running(FakeQueue::default(), [plain(1)]).await;
    let denied = Arc::new(FakeQueue {
        faults: Mutex::new(vec![ErrorKind::AccessDenied; 1_000]),
        ..FakeQueue::default()
    });
    let plan = EventsPlan {
        account: lab().name,
        queue_url: "https://sqs.us-east-1.amazonaws.com/210987654321/q".into(),
        ..queue_plan()
    };
    let (sink, metrics) = (Arc::clone(&rig.sink), Arc::clone(&rig.metrics.discovery));
    let routes = Routes::new((lab(), Arc::new(AccountId::known(LAB_ID))), Vec::new());
    let other = tokio::spawn(async move {
        events::run_with(denied, &plan, routes, sink, metrics, paused_clock()).await;
    });
    for _ in 0..20 {
        sleep(Duration::from_secs(7)).await;
        assert_eq!(up(&rig.metrics, "events", "q"), Some(1.0));
        assert_eq!(up_with(&rig.metrics, LAB_LABELS, "events", "q"), Some(0.0));
    }
    assert_eq!(rig.messages(), [1.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(messages_with(&rig.metrics, LAB_LABELS, "q"), [0.0; 5]);
    other.abort();
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn queue_without_long_polling_is_read_once_a_second() {
    let mut rig = Rig::running(
        FakeQueue {
            is_short_polling: true,
            ..FakeQueue::default()
        },
        [],
    )
    .await;
    sleep(Duration::from_secs(59)).await;
    let receives = rig.queue.receives.lock().unwrap().len();
    assert!((58..63).contains(&receives), "{receives}");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn queue_depth_is_exported_and_a_denied_read_is_no_failed_poll() {
    const DEPTH: &str = "aws_transfer_exporter_discovery_queue_messages{aws_account=\"prod\",aws_region=\"eu-central-1\",target=\"q\"}";
    let mut rig = Rig::running(FakeQueue::default(), (0..3).map(|_| json!("unknown"))).await;
    assert_eq!(sample(&rig.metrics, DEPTH), Some(3.0));
    rig.queue.held.lock().unwrap().clear();
    sleep(Duration::from_mins(1)).await;
    assert_eq!(sample(&rig.metrics, DEPTH), Some(0.0));
    rig.stop().await;
    rig.metrics
        .discovery
        .remove_source(&labels(&queue_plan(), &account()));
    assert_eq!(sample(&rig.metrics, DEPTH), None);

    let mut rig = Rig::running(
        FakeQueue {
            depth_denied: true,
            ..FakeQueue::default()
        },
        [plain(1)],
    )
    .await;
    sleep(Duration::from_mins(1)).await;
    assert_eq!(
        (sample(&rig.metrics, DEPTH), up(&rig.metrics, "events", "q")),
        (None, Some(1.0))
    );
    rig.stop().await;
}

const DEAD_LETTERS: &str = "aws_transfer_exporter_discovery_queue_dead_letter_messages{aws_account=\"prod\",aws_region=\"eu-central-1\",target=\"q\"}";

#[tokio::test(start_paused = true)]
async fn dead_letters_are_exported_while_there_is_a_redrive_policy() {
    let mut rig = Rig::running(FakeQueue::default(), []).await;
    for (queue, messages) in [
        (None, None),
        (Some(("arn:1", Some(0))), Some(0.0)),
        (Some(("arn:1", Some(2))), Some(2.0)),
        (Some(("arn:2", Some(3))), Some(3.0)),
        (None, None),
    ] {
        *rig.queue.dead_letters.lock().unwrap() = queue;
        sleep(Duration::from_mins(1)).await;
        assert_eq!(sample(&rig.metrics, DEAD_LETTERS), messages, "{queue:?}");
    }
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn denied_dead_letters_are_no_failed_poll_and_are_read_again_after_an_hour() {
    let mut rig = Rig::running(
        FakeQueue {
            dead_letters: Mutex::new(Some(("arn:1", None))),
            ..FakeQueue::default()
        },
        [plain(1)],
    )
    .await;
    let reads = || *rig.queue.dead_letter_reads.lock().unwrap();
    sleep(Duration::from_mins(59)).await;
    let dead_letters = sample(&rig.metrics, DEAD_LETTERS);
    assert_eq!((dead_letters, reads()), (None, 1));
    assert_eq!(up(&rig.metrics, "events", "q"), Some(1.0));
    *rig.queue.dead_letters.lock().unwrap() = Some(("arn:1", Some(4)));
    sleep(Duration::from_mins(2)).await;
    assert_eq!(sample(&rig.metrics, DEAD_LETTERS), Some(4.0));
    rig.stop().await;
    let labels = labels(&queue_plan(), &account());
    rig.metrics.discovery.remove_source(&labels);
    assert_eq!(sample(&rig.metrics, DEAD_LETTERS), None);
}
