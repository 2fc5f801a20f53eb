//! The adapter: [`TransferApi`] over the AWS SDK.

use std::sync::Arc;
use std::time::Instant;

use aws_sdk_transfer::Client;
use aws_sdk_transfer::config::interceptors::{BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef};
use aws_sdk_transfer::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_transfer::error::BoxError;
use aws_sdk_transfer::types::ConnectorFileTransferResult;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_types::config_bag::{Storable, StoreReplace};

use super::classify::{self, MissingResults};
use super::{ApiFuture, AttemptObserver, ErrorKind, Operation, Outcome, ResultsPage, TransferApi, TransferError};
use crate::model::{Clock, ConnectorId, FailureCode, FileResult, FileStatus, TransferId};

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
        let config = config.interceptor(Attempts { observer, clock }).interceptor(RequireResults);
        Self { client: Client::from_conf(config.build()) }
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
            let answer = request.send().await.map_err(|error| classify::call(&error))?;
            let next_token = answer.next_token.filter(|token| !token.is_empty());
            let files = answer.file_transfer_results.into_iter().map(file_result).collect::<Result<_, _>>()?;
            Ok(ResultsPage { files, next_token })
        })
    }
}

fn file_result(file: ConnectorFileTransferResult) -> Result<FileResult, TransferError> {
    // The SDK puts an empty text in place of a required member that is missing.
    if file.file_path.is_empty() || file.status_code.as_str().is_empty() {
        return Err(TransferError::new(ErrorKind::Mistyped, "a file without a path or a status"));
    }
    Ok(FileResult {
        status: FileStatus::from_wire(file.status_code.as_str()),
        path: file.file_path,
        failure_code: file.failure_code.as_deref().and_then(FailureCode::new),
        failure_message: file.failure_message.filter(|message| !message.is_empty()),
    })
}

/// Tells the observer of each attempt. The SDK runs `read_after_attempt` after a timed-out attempt too.
#[derive(Clone)]
struct Attempts {
    observer: Arc<dyn AttemptObserver>,
    clock: Arc<dyn Clock>,
}

#[derive(Clone, Copy, Debug)]
struct AttemptStart(Instant);

impl Storable for AttemptStart {
    type Storer = StoreReplace<Self>;
}

impl std::fmt::Debug for Attempts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Attempts")
    }
}

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
        let retry = cfg.load::<RequestAttempts>().is_some_and(|attempt| attempt.attempts() > 1);
        self.observer.attempt_started(Operation::ListFileTransferResults, retry);
        cfg.interceptor_state().store_put(AttemptStart(self.clock.now().instant));
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(AttemptStart(start)) = cfg.load::<AttemptStart>().copied() else { return Ok(()) };
        let outcome = match context.output_or_error() {
            Some(Ok(_)) => Outcome::Ok,
            Some(Err(error)) => classify::attempt(error, context.response()).outcome(),
            None => Outcome::Network,
        };
        let duration = self.clock.now().instant.saturating_duration_since(start);
        self.observer.attempt_ended(Operation::ListFileTransferResults, outcome, duration);
        Ok(())
    }
}

/// Refuses an answer without `FileTransferResults`. The SDK reads a missing list as an empty one, and an empty one means
/// that AWS no longer knows the transfer.
#[derive(Debug)]
struct RequireResults;

impl Intercept for RequireResults {
    fn name(&self) -> &'static str {
        "RequireResults"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        const MEMBER: &[u8] = b"\"FileTransferResults\"";
        let body = context.response().body().bytes().unwrap_or_default();
        if context.output_or_error().is_ok() && !body.windows(MEMBER.len()).any(|window| window == MEMBER) {
            return Err(MissingResults.into());
        }
        Ok(())
    }
}
