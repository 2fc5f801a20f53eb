//! The ports to AWS, answered from the scenario. The ports of a process that has ended never answer.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_transfer_exporter::transfer::{
    ApiFuture, CloudTrailApi, CloudTrailEvent, CloudTrailPage, ErrorKind, QUEUE_BATCH, QueueApi,
    QueueDepth, QueueMessage, ResultsPage, TransferApi, TransferError, UndeletedMessage,
};
use model::{ConnectorId, RESULTS_PAGE_SIZE, TransferId};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::oracle::Answer;
use crate::plan::{
    ApiFault, Body, MINUTE, MessageScript, Ms, SECOND, Scenario, Stop, TransferScript,
};
use crate::world::{
    REGION, Violation, World, connector_id, failure_code, moment, rows, system_time, transfer_id,
    transfer_number,
};

/// How much earlier a call may leave because the last one was late, and the resolution of time.
const CATCH_UP: Ms = 20 + 1;
/// How long a received message stays hidden.
const VISIBILITY_TIMEOUT: Ms = 30 * SECOND;
/// Receives after which a message goes to the dead-letter queue.
const MAX_RECEIVES: u32 = 60;
/// Longest wait of a receive. SQS allows 20 s, which would only make runs slower.
pub(crate) const LONG_POLL: Ms = 20 * MINUTE;
/// Events on a page of `LookupEvents`.
const TRAIL_PAGE: usize = 2;

fn wait(ms: Ms) -> tokio::time::Sleep {
    sleep(Duration::from_millis(ms))
}

fn error<T>(kind: ErrorKind) -> Result<T, TransferError> {
    Err(TransferError::new(kind, "simulated"))
}

/// The 12 digits of an account.
pub(crate) fn account_id(account: usize) -> String {
    format!("{:012}", 111_111_111_111 * (account as u64 + 1))
}

/// The results of one account.
pub(crate) struct Results {
    pub(crate) world: Arc<World>,
    pub(crate) life: u64,
    pub(crate) account: usize,
    /// The name under which the process calls the account.
    pub(crate) name: String,
    pub(crate) last_call: Mutex<Option<Ms>>,
}

impl Results {
    /// Checks that calls are evenly spaced, by the rate that is allowed.
    fn check_rate(&self, rate: Option<u32>, now: Ms) -> Result<(), Violation> {
        let last = self.last_call.lock().unwrap().replace(now);
        let Some((last, rate)) = last.zip(rate) else {
            return Ok(());
        };
        let pause = SECOND / u64::from(rate) - CATCH_UP;
        if now < last + pause {
            return Err(Violation {
                kind: "calls are closer than the rate allows",
                detail: format!("{} ms apart at {rate}/s", now - last),
            });
        }
        Ok(())
    }
}

impl TransferApi for Results {
    fn file_results_page<'a>(
        &'a self,
        connector: &'a ConnectorId,
        transfer: &'a TransferId,
        next_token: Option<&'a str>,
    ) -> ApiFuture<'a, ResultsPage> {
        Box::pin(async move {
            let number = transfer_number(transfer.as_str()).unwrap_or(usize::MAX);
            if self.world.has_ended(self.life) {
                return pending().await;
            }
            let (poll, fault, latency) = {
                let mut state = self.world.state();
                let now = state.now();
                let result = self.check_rate(state.scenario.setup.rate, now);
                self.world.check(&mut state, result);
                if next_token.is_none() {
                    state.note(|| format!("poll of {}/{transfer}", self.name));
                    let result = state.oracle.poll_started(&self.name, number, now);
                    self.world.check(&mut state, result);
                }
                let latency = state.scenario.setup.latency;
                (
                    state.oracle.last_poll(&self.name, number),
                    state.api_fault(self.account),
                    latency,
                )
            };
            let kind = match fault {
                None => None,
                Some(ApiFault::Slow) => {
                    wait(4 * SECOND).await;
                    None
                }
                Some(ApiFault::Hanging) => {
                    wait(30 * SECOND).await;
                    Some(ErrorKind::Timeout)
                }
                Some(ApiFault::Throttled) => Some(ErrorKind::Throttled),
                Some(ApiFault::Internal) => Some(ErrorKind::InternalServiceError),
                Some(ApiFault::Denied) => Some(ErrorKind::AccessDenied),
            };
            wait(latency).await;
            if self.world.has_ended(self.life)
                || self.world.kill_if(|stop| stop == Stop::KillAtPoll)
            {
                return pending().await;
            }
            let mut state = self.world.state();
            let now = state.now();
            let scenario = Arc::clone(&state.scenario);
            let script = scenario.transfer(number).filter(|script| {
                connector_id(script.account, script.connector) == *connector
                    && script.account == self.account
            });
            if let Some(kind) = kind {
                state.note(|| format!("{}/{transfer}: {}", self.name, kind.as_label()));
                state
                    .oracle
                    .poll_ended(&self.name, number, poll, Answer::Failed, now);
                return error(kind);
            }
            // A token is the moment of the first page, and where the next page starts.
            let (at, offset) = next_token
                .and_then(|token| token.split_once('.'))
                .and_then(|(at, offset)| Some((at.parse().ok()?, offset.parse().ok()?)))
                .unwrap_or((now, 0_usize));
            let Some(script) = script.filter(|script| script.is_known(at)) else {
                state.note(|| format!("{}/{transfer}: unknown", self.name));
                state
                    .oracle
                    .poll_ended(&self.name, number, poll, Answer::Unknown, now);
                return if scenario.setup.empty_if_unknown {
                    Ok(ResultsPage::default())
                } else {
                    error(ErrorKind::NotFound)
                };
            };
            let rows = rows(script, at);
            let next = offset + RESULTS_PAGE_SIZE;
            let next_token = (next < rows.len()).then(|| format!("{at}.{next}"));
            if next_token.is_none() {
                let answer = Answer::of(&rows);
                state.note(|| format!("{}/{transfer}: {answer}", self.name));
                state
                    .oracle
                    .poll_ended(&self.name, number, poll, answer, now);
            }
            let files = rows.into_iter().skip(offset).take(RESULTS_PAGE_SIZE);
            Ok(ResultsPage {
                files: files.map(|(_, file)| file).collect(),
                next_token,
            })
        })
    }
}

/// The event history of one account.
pub(crate) struct Trail {
    pub(crate) world: Arc<World>,
    pub(crate) life: u64,
    pub(crate) account: usize,
    pub(crate) name: String,
    /// Events that were returned before: its poller ignores them.
    pub(crate) returned: Mutex<BTreeSet<String>>,
}

impl CloudTrailApi for Trail {
    fn page<'a>(
        &'a self,
        from: SystemTime,
        token: Option<&'a str>,
    ) -> ApiFuture<'a, CloudTrailPage> {
        Box::pin(async move {
            wait(100).await;
            if self.world.has_ended(self.life) {
                return pending().await;
            }
            let mut state = self.world.state();
            let now = state.now();
            if now < state.trail_fault {
                return error(ErrorKind::ServiceUnavailable);
            }
            let (at, offset) = token
                .and_then(|token| token.split_once('.'))
                .and_then(|(at, offset)| Some((at.parse().ok()?, offset.parse().ok()?)))
                .unwrap_or((now, 0_usize));
            let scenario = Arc::clone(&state.scenario);
            let mut events: Vec<_> = scenario
                .transfers
                .iter()
                .filter(|transfer| transfer.account == self.account)
                .flat_map(|transfer| {
                    let copies = transfer.trail.iter().enumerate();
                    copies.map(move |(copy, listed)| (transfer, copy, *listed))
                })
                .filter(|(transfer, _, listed)| {
                    *listed <= at && second(transfer.start).cast_signed() >= moment(from)
                })
                .collect();
            events.sort_by_key(|(transfer, copy, _)| (std::cmp::Reverse(transfer.start), *copy));
            let next = offset + TRAIL_PAGE;
            let next_token = (next < events.len()).then(|| format!("{at}.{next}"));
            let page = events.into_iter().skip(offset).take(TRAIL_PAGE);
            let mut answer = CloudTrailPage {
                events: Vec::new(),
                next_token,
            };
            for (transfer, copy, _) in page {
                let (wall, started) = (state.wall(), second(transfer.start));
                let files = transfer.files.len();
                let id = format!("event-{}-{copy}", transfer.id);
                if self.returned.lock().unwrap().insert(id.clone()) {
                    state
                        .note(|| format!("CloudTrail lists the start of transfer {}", transfer.id));
                    state
                        .oracle
                        .listed(&self.name, transfer.id, started, files, now, wall);
                }
                answer.events.push(CloudTrailEvent {
                    id,
                    at: Some(system_time(started.cast_signed())),
                    record: record(transfer).to_string(),
                });
            }
            Ok(answer)
        })
    }
}

/// CloudTrail's times are whole seconds.
pub(crate) fn second(at: Ms) -> Ms {
    at / SECOND * SECOND
}

fn rfc3339(at: Ms) -> String {
    humantime::format_rfc3339_millis(system_time(at.cast_signed())).to_string()
}

/// A queue.
pub(crate) struct Queue {
    pub(crate) world: Arc<World>,
    pub(crate) life: u64,
    pub(crate) number: usize,
}

impl Queue {
    /// Receives what is visible, or returns when to look again.
    fn try_receive(&self) -> Option<Result<Result<Vec<QueueMessage>, TransferError>, Ms>> {
        let mut state = self.world.state();
        if state.life != self.life {
            return None;
        }
        if std::mem::take(&mut state.queue_faults[self.number]) {
            state.note(|| format!("receive from queue {} fails", self.number));
            return Some(Ok(error(ErrorKind::ServiceUnavailable)));
        }
        let now = state.now();
        let scenario = Arc::clone(&state.scenario);
        let mut received = Vec::new();
        let mut next = now + LONG_POLL;
        for (number, script) in scenario.messages.iter().enumerate() {
            let message = &state.messages[number];
            if script.queue != self.number || message.deleted || !exists(&scenario, script) {
                continue;
            }
            let visible = script.at.max(message.hidden_until);
            if visible > now {
                next = next.min(visible);
            } else if received.len() < QUEUE_BATCH {
                received.push(number);
            }
        }
        if received.is_empty() {
            return Some(Err(next));
        }
        if scenario.seed % 2 == 1 {
            received.reverse();
        }
        let messages = received.into_iter().filter_map(|number| {
            let script = &scenario.messages[number];
            state.receipts += 1;
            let receipt = state.receipts;
            let message = &mut state.messages[number];
            message.hidden_until = now + VISIBILITY_TIMEOUT;
            message.receives += 1;
            message.deleted |= message.receives >= MAX_RECEIVES;
            message.receipt = receipt;
            let wall = state.wall();
            state.note(|| {
                format!(
                    "queue {}: transfer {} {:?}",
                    script.queue, script.transfer, script.body
                )
            });
            state.oracle.received(script, now, wall);
            Some(QueueMessage {
                id: format!("message-{number}"),
                receipt: format!("{number}.{receipt}"),
                sent_at: Some(system_time(script.sent.cast_signed())),
                body: body(&scenario, script)?,
            })
        });
        Some(Ok(Ok(messages.collect())))
    }
}

impl QueueApi for Queue {
    fn receive(&self) -> ApiFuture<'_, Vec<QueueMessage>> {
        Box::pin(async move {
            let deadline = self.world.state().now() + LONG_POLL;
            loop {
                match self.try_receive() {
                    None => return pending().await,
                    Some(Ok(messages)) => return messages,
                    Some(Err(next)) => {
                        let now = self.world.state().now();
                        if now >= deadline {
                            return Ok(Vec::new());
                        }
                        wait(next.min(deadline) - now).await;
                    }
                }
            }
        })
    }

    fn delete<'a>(&'a self, receipts: &'a [String]) -> ApiFuture<'a, Vec<UndeletedMessage>> {
        Box::pin(async move {
            wait(20).await;
            let kill_before = |stop| stop == Stop::KillAtDelete { deleted: false };
            if self.world.has_ended(self.life) || self.world.kill_if(kill_before) {
                return pending().await;
            }
            for receipt in receipts {
                let number = receipt
                    .split_once('.')
                    .and_then(|(number, _)| number.parse().ok());
                let mut state = self.world.state();
                if let Some(message) =
                    number.and_then(|number: usize| state.messages.get_mut(number))
                {
                    message.deleted = true;
                }
            }
            if self
                .world
                .kill_if(|stop| stop == Stop::KillAtDelete { deleted: true })
            {
                return pending().await;
            }
            Ok(Vec::new())
        })
    }

    fn depth(&self) -> ApiFuture<'_, QueueDepth> {
        Box::pin(async { Ok(QueueDepth::default()) })
    }

    fn dead_letters<'a>(&'a self, _: &'a str) -> ApiFuture<'a, u64> {
        Box::pin(async { Ok(0) })
    }
}

/// Returns the record of CloudTrail of a start.
fn record(transfer: &TransferScript) -> Value {
    let paths: Vec<_> = transfer
        .files
        .iter()
        .map(|file| format!("/bucket/{}", file.path))
        .collect();
    json!({
        "eventName": "StartFileTransfer",
        "eventSource": "transfer.amazonaws.com",
        "awsRegion": REGION,
        "recipientAccountId": account_id(transfer.account),
        "eventTime": rfc3339(second(transfer.start)),
        "requestParameters": {
            "connectorId": connector_id(transfer.account, transfer.connector).as_str(),
            "sendFilePaths": paths,
        },
        "responseElements": {"transferId": transfer_id(transfer.id).as_str()},
    })
}

/// Returns whether the subject of a message exists: the shrinker removes transfers and files.
fn exists(scenario: &Scenario, message: &MessageScript) -> bool {
    let transfer = scenario.transfer(message.transfer);
    transfer.is_some_and(|transfer| match message.body {
        Body::FileEnded(file) => transfer.file(file).is_some(),
        Body::Recorded | Body::Started { .. } => true,
    })
}

fn body(scenario: &Scenario, message: &MessageScript) -> Option<String> {
    let transfer = scenario.transfer(message.transfer)?;
    let connector = connector_id(transfer.account, transfer.connector);
    let id = transfer_id(transfer.id);
    let body = match message.body {
        Body::Recorded => json!({
            "version": "0",
            "id": format!("event-{}-start", transfer.id),
            "detail-type": "AWS API Call via CloudTrail",
            "source": "aws.transfer",
            "account": account_id(transfer.account),
            "time": rfc3339(second(transfer.start)),
            "region": REGION,
            "detail": record(transfer),
        }),
        Body::Started { started_at, files } => {
            let mut body = json!({"ConnectorId": connector.as_str(), "TransferId": id.as_str()});
            if started_at {
                body["StartedAt"] = rfc3339(transfer.start).into();
            }
            if files {
                body["Files"] = transfer.files.len().into();
            }
            body
        }
        Body::FileEnded(file) => {
            let file = transfer.file(file)?;
            let prefix = if transfer.odd_paths {
                "/bucket/odd"
            } else {
                "/out"
            };
            let completed = file.failure.is_none();
            let mut detail = json!({
                "connector-id": connector.as_str(),
                "transfer-id": id.as_str(),
                "file-transfer-id": format!("{id}/{}", file.id),
                "operation": "SEND",
                "file-path": format!("{prefix}/{}", file.path),
                "status-code": if completed { "COMPLETED" } else { "FAILED" },
                "bytes": if completed { 10 } else { 0 },
                "start-timestamp": rfc3339(file.begins),
                "end-timestamp": rfc3339(file.ends),
            });
            if let Some(code) = file.failure {
                detail["failure-code"] = failure_code(code).into();
                detail["failure-message"] = "no".into();
            }
            let end = if completed { "Completed" } else { "Failed" };
            json!({
                "version": "0",
                "id": format!("event-{}-{}", transfer.id, file.id),
                "detail-type": format!("SFTP Connector File Send {end}"),
                "source": "aws.transfer",
                "account": account_id(transfer.account),
                "time": rfc3339(file.ends),
                "region": REGION,
                "detail": detail,
            })
        }
    };
    Some(body.to_string())
}
