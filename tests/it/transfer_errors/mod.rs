//! The SDK adapter against an endpoint that fails in every way: how each failure is classified.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod answers;
mod connections;
mod sessions;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use aws_transfer_exporter::config::{AccountPlan, AssumeRole, Secret};
use aws_transfer_exporter::transfer::sdk::SdkTransfer;
use aws_transfer_exporter::transfer::session::{Sessions, StaticCredentials, TimeOuts};
use aws_transfer_exporter::transfer::{
    Attempt, AttemptObserver, AttemptOutcome, ErrorKind, ResultsPage, TransferApi, TransferError,
};
use futures_util::future::join_all;
use model::{AccountName, Clock, ConnectorId, Now, TransferId};

use crate::support::{Endpoint, Step, http};

pub(super) const SECRET: &str = "canary-secret-access-key";
pub(super) const TEMPORARY_SECRET: &str = "canary-temporary-secret";
pub(super) const TOKEN: &str = "canary-session-token";
pub(super) const STATIC: StaticCredentials = StaticCredentials {
    access_key_id: "AKIDSTATIC",
    secret_access_key: SECRET,
};
pub(super) const JSON: &str = "content-type: application/x-amz-json-1.1\r\n";
pub(super) const EMPTY: &str = r#"{"FileTransferResults": []}"#;

/// Output of a subscriber.
pub(super) struct Log(Arc<Mutex<Vec<u8>>>);

impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for Log {
    type Writer = LogWriter<'a>;

    fn make_writer(&'a self) -> LogWriter<'a> {
        LogWriter(self.0.lock().unwrap())
    }
}

pub(super) struct LogWriter<'a>(std::sync::MutexGuard<'a, Vec<u8>>);

impl std::io::Write for LogWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Records every attempt.
#[derive(Default)]
pub(super) struct Recorder {
    ended: Mutex<Vec<Attempt>>,
}

impl Recorder {
    fn outcomes(&self) -> Vec<AttemptOutcome> {
        self.ended
            .lock()
            .unwrap()
            .iter()
            .map(|attempt| attempt.outcome)
            .collect()
    }
}

impl AttemptObserver for Recorder {
    fn attempt_ended(&self, attempt: Attempt) {
        self.ended.lock().unwrap().push(attempt);
    }
}

/// The client of one account, with the attempts that its observer recorded.
pub(super) struct Account {
    api: SdkTransfer,
    attempts: Arc<Recorder>,
}

impl Account {
    async fn open(sessions: &Sessions, plan: &AccountPlan) -> Self {
        let session = sessions.open(plan).await.unwrap();
        let attempts = Arc::<Recorder>::default();
        let observer: Arc<dyn AttemptObserver> = attempts.clone();
        Self {
            api: SdkTransfer::new(session.config, observer, clock()),
            attempts,
        }
    }

    async fn page(&self) -> Result<ResultsPage, TransferError> {
        self.api
            .file_results_page(&connector(), &transfer(), None)
            .await
    }
}

pub(super) fn clock() -> Arc<dyn Clock> {
    Arc::new(|| Now {
        instant: Instant::now(),
        wall: SystemTime::now(),
    })
}

pub(super) fn connector() -> ConnectorId {
    "c-0123456789abcdef0".parse().unwrap()
}

pub(super) fn transfer() -> TransferId {
    "t-1".parse().unwrap()
}

pub(super) fn plan(name: &str, url: &str) -> AccountPlan {
    AccountPlan {
        name: AccountName::new(name),
        region: Some("eu-central-1".into()),
        endpoint_url: Some(url.into()),
        ..AccountPlan::default()
    }
}

pub(super) fn sessions() -> Sessions {
    Sessions::new(TimeOuts::within(Duration::from_secs(15)), Some(STATIC))
}

/// Returns the error of a call to an endpoint that follows `steps`, and the outcomes of its
/// attempts.
pub(super) async fn failure(
    name: &str,
    steps: impl Into<Vec<Step>>,
) -> (TransferError, Vec<AttemptOutcome>) {
    let endpoint = Endpoint::scripted(steps).await;
    let account = Account::open(&sessions(), &plan(name, &endpoint.url)).await;
    let error = account.page().await.expect_err(name);
    let attempts = account.attempts.ended.lock().unwrap();
    let retries: Vec<_> = attempts.iter().map(|attempt| attempt.retry).collect();
    drop(attempts);
    assert!(
        retries
            .iter()
            .enumerate()
            .all(|(at, retry)| *retry == (at > 0)),
        "{name}: {retries:?}"
    );
    assert_eq!(
        endpoint.seen().len(),
        retries.len(),
        "{name}: the endpoint saw what was counted"
    );
    (error, account.attempts.outcomes())
}

pub(super) async fn page(body: impl AsRef<[u8]>) -> Result<ResultsPage, TransferError> {
    let endpoint = Endpoint::scripted([Step::Answer(http(200, JSON, body))]).await;
    Account::open(&sessions(), &plan("page", &endpoint.url))
        .await
        .page()
        .await
}

/// Checks many cases concurrently: most of their time are pauses before retries.
pub(super) async fn assert_kinds(cases: Vec<(String, Vec<u8>, ErrorKind, usize)>) {
    let checks = cases
        .into_iter()
        .map(|(name, answer, kind, attempts)| async move {
            let (error, outcomes) = failure(&name, [Step::Answer(answer)]).await;
            assert_eq!(error.kind, kind, "{name}: {error}");
            assert_eq!(outcomes, vec![kind.outcome(); attempts], "{name}: {error}");
        });
    join_all(checks).await;
}

pub(super) const ROLE: &str = "arn:aws:iam::123456789012:role/transfer-read";

pub(super) fn role_plan(url: &str) -> AccountPlan {
    let assume_role = AssumeRole {
        role_arn: ROLE.into(),
        external_id: Some(Secret::new("ext/1")),
        session_name: "watcher".into(),
    };
    AccountPlan {
        assume_role: Some(assume_role),
        ..plan("role", url)
    }
}
