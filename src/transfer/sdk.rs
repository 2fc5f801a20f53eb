//! The adapter: [`TransferApi`] over the AWS SDK.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_transfer::Client;
use aws_sdk_transfer::config::interceptors::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_sdk_transfer::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_transfer::error::BoxError;
use aws_sdk_transfer::types::ConnectorFileTransferResult;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{SharedInterceptor, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use serde::Deserialize;

use super::classify::{self, NotTheShape};
use super::retry_after::{self, RetryAfter};
use super::{
    ApiFuture, Attempt, AttemptObserver, ErrorKind, Operation, Outcome, ResultsPage, TransferApi,
};
use model::{Clock, ConnectorId, FailureCode, FileResult, FileStatus, TransferId};

/// The SDK's client of one account.
pub struct SdkTransfer {
    client: Client,
}

impl SdkTransfer {
    /// A client for one account: `config` as [`super::session::Sessions`] makes it, every attempt told to `observer`.
    pub fn new(
        config: aws_sdk_transfer::config::Builder,
        observer: Arc<dyn AttemptObserver>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let mut config = config.retry_classifier(RetryAfter);
        // Permanent, and asked only at the hooks that they have: else each of the 19 hooks of a call looks up whether
        // each of the two is disabled.
        config.push_interceptor(SharedInterceptor::permanent(Attempts { observer, clock }));
        config.push_interceptor(SharedInterceptor::permanent(RequireResults));
        Self {
            client: Client::from_conf(config.build()),
        }
    }
}

impl TransferApi for SdkTransfer {
    fn file_results_page<'a>(
        &'a self,
        connector: &'a ConnectorId,
        transfer: &'a TransferId,
        next_token: Option<&'a str>,
    ) -> ApiFuture<'a, ResultsPage> {
        Box::pin(async move {
            let request = self
                .client
                .list_file_transfer_results()
                .connector_id(connector.as_str())
                .transfer_id(transfer.as_str())
                .set_next_token(next_token.map(Into::into));
            let answer = request
                .send()
                .await
                .map_err(|error| classify::call(&error))?;
            let next_token = answer.next_token.filter(|token| !token.is_empty());
            let files = answer
                .file_transfer_results
                .into_iter()
                .map(file_result)
                .collect();
            Ok(ResultsPage { files, next_token })
        })
    }
}

fn file_result(file: ConnectorFileTransferResult) -> FileResult {
    FileResult {
        status: FileStatus::from_wire(file.status_code.as_str()),
        path: file.file_path,
        failure_code: file.failure_code.as_deref().and_then(FailureCode::new),
        failure_message: file.failure_message.filter(|message| !message.is_empty()),
    }
}

/// Tells the observer of each attempt. The SDK runs `read_after_attempt` after a timed-out attempt too.
#[derive(Clone)]
struct Attempts {
    observer: Arc<dyn AttemptObserver>,
    clock: Arc<dyn Clock>,
}

/// An attempt that has started. A call that is given up drops it, and AWS has counted it all the same.
struct Running {
    attempts: Attempts,
    operation: Operation,
    retry: bool,
    start: Instant,
    ended: AtomicBool,
}

impl Running {
    fn end(&self, outcome: Outcome, account_up: Option<bool>, retry_after: Option<Duration>) {
        if !self.ended.swap(true, Ordering::Relaxed) {
            let duration = self.attempts.clock.now().since(self.start);
            let Self {
                operation, retry, ..
            } = *self;
            let attempt = Attempt {
                operation,
                retry,
                outcome,
                account_up,
                duration,
                retry_after,
            };
            self.attempts.observer.attempt_ended(attempt);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end(Outcome::Timeout, None, None);
    }
}

impl Storable for Running {
    type Storer = StoreReplace<Self>;
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Running")
    }
}

impl fmt::Debug for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attempts")
    }
}

#[dyn_dispatch_hint]
impl Intercept for Attempts {
    fn name(&self) -> &'static str {
        "Attempts"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(operation) = operation(cfg) else {
            return Ok(());
        };
        let retry = cfg
            .load::<RequestAttempts>()
            .is_some_and(|attempt| attempt.attempts() > 1);
        let (attempts, start) = (self.clone(), self.clock.now().instant);
        cfg.interceptor_state().store_put(Running {
            attempts,
            operation,
            retry,
            start,
            ended: AtomicBool::new(false),
        });
        self.observer.attempt_started(operation, retry);
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(running) = cfg.load::<Running>() else {
            return Ok(());
        };
        let failed = match context.output_or_error() {
            Some(Ok(_)) => None,
            Some(Err(error)) => Some(classify::attempt(error, context.response())),
            None => Some(ErrorKind::Network),
        };
        let outcome = failed.map_or(Outcome::Ok, ErrorKind::outcome);
        let response = context.response().filter(|_| outcome == Outcome::Throttled);
        let account_up = failed.is_none_or(ErrorKind::leaves_account_up);
        running.end(
            outcome,
            Some(account_up),
            response.and_then(retry_after::of),
        );
        Ok(())
    }
}

/// The operation under way. Each one that the exporter calls stands in [`Operation::ALL`].
fn operation(cfg: &ConfigBag) -> Option<Operation> {
    cfg.load::<Metadata>()
        .and_then(|metadata| Operation::from_name(metadata.name()))
}

/// Refuses an answer without the list of files, or with a file that lacks its path or status. The SDK reads what is
/// missing or null as empty, and drops files that are null: the one would mean that AWS no longer knows the transfer,
/// the other that it has fewer files.
#[derive(Debug)]
struct RequireResults;

#[dyn_dispatch_hint]
impl Intercept for RequireResults {
    fn name(&self) -> &'static str {
        "RequireResults"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if context.output_or_error().is_ok()
            && operation(cfg) == Some(Operation::ListFileTransferResults)
        {
            required(context.response().body().bytes().unwrap_or_default())?;
        }
        Ok(())
    }
}

fn required(body: &[u8]) -> Result<(), NotTheShape> {
    // All of it: neither parser looks into the texts that it skips.
    serde_json::from_str::<Required>(std::str::from_utf8(body)?)?;
    Ok(())
}

/// The members that the API's model requires.
#[derive(Deserialize)]
struct Required {
    #[serde(rename = "FileTransferResults")]
    _files: Vec<RequiredOfFile>,
}

#[derive(Deserialize)]
struct RequiredOfFile {
    #[serde(rename = "FilePath")]
    _path: NonEmpty,
    #[serde(rename = "StatusCode")]
    _status: NonEmpty,
}

#[derive(Deserialize)]
#[serde(try_from = "Cow<'_, str>")]
struct NonEmpty;

impl TryFrom<Cow<'_, str>> for NonEmpty {
    type Error = &'static str;

    fn try_from(text: Cow<'_, str>) -> Result<Self, Self::Error> {
        if text.is_empty() {
            Err("an empty text")
        } else {
            Ok(Self)
        }
    }
}
