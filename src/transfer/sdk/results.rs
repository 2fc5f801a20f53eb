//! Results of file transfers: [`TransferApi`] over the SDK.

use std::borrow::Cow;
use std::sync::Arc;

use aws_sdk_transfer::Client;
use aws_sdk_transfer::config::{Builder, ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_transfer::error::BoxError;
use aws_sdk_transfer::types::ConnectorFileTransferResult;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{SharedInterceptor, dyn_dispatch_hint};
use serde::Deserialize;

use super::interceptor::{MetricsInterceptor, operation};
use super::retry_pause::RetryPause;
use super::send;
use crate::transfer::{ApiFuture, AttemptObserver, Operation, ResultsPage, TransferApi};
use model::{Clock, ConnectorId, FailureCode, FileResult, FileStatus, TransferId};

/// Client for the results of one account.
pub struct SdkTransfer {
    client: Client,
}

impl SdkTransfer {
    /// Creates a client from a configuration made by [`crate::transfer::session::Sessions`].
    /// `observer` sees every attempt.
    pub fn new(config: Builder, observer: Arc<dyn AttemptObserver>, clock: Arc<dyn Clock>) -> Self {
        let metrics = MetricsInterceptor::new(observer, clock);
        let mut config = config.retry_classifier(RetryPause);
        // A permanent interceptor runs only at the hooks that it implements; for others, each of
        // the 19 hooks of a call looks up whether the interceptor is disabled.
        config.push_interceptor(SharedInterceptor::permanent(metrics));
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
            let call = self
                .client
                .list_file_transfer_results()
                .connector_id(connector.as_str())
                .transfer_id(transfer.as_str())
                .set_next_token(next_token.map(Into::into));
            let output = send(call.send()).await?;
            let files = output.file_transfer_results.into_iter().map(file_result);
            Ok(ResultsPage {
                files: files.collect(),
                next_token: output.next_token.filter(|token| !token.is_empty()),
            })
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

/// Rejects a response without the list of files, or with a file that lacks its path or status.
///
/// The SDK reads a missing or null list as empty and drops null files. The first would mean that
/// AWS no longer knows the transfer, the second that the transfer has fewer files.
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
            validate(context.response().body().bytes().unwrap_or_default())?;
        }
        Ok(())
    }
}

/// The response lacks what the operation always returns. The text repeats nothing of the response.
#[derive(Debug, thiserror::Error)]
pub(in crate::transfer) enum InvalidResponse {
    #[error("not UTF-8")]
    NotText(#[from] std::str::Utf8Error),
    #[error("no list of files with path and status, line {} column {}", .0.line(), .0.column())]
    NoResults(#[from] serde_json::Error),
}

fn validate(body: &[u8]) -> Result<(), InvalidResponse> {
    // The whole body is checked: neither parser validates strings that it skips.
    serde_json::from_str::<RequiredResults>(std::str::from_utf8(body)?)?;
    Ok(())
}

/// The members that the API model requires.
#[derive(Deserialize)]
struct RequiredResults {
    #[serde(rename = "FileTransferResults")]
    _files: Vec<RequiredFile>,
}

#[derive(Deserialize)]
struct RequiredFile {
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
            Err("an empty string")
        } else {
            Ok(Self)
        }
    }
}
