//! The operations of the simulated APIs: members of a request in, members of an answer out.

pub(crate) mod cloudtrail;
mod connectors;
pub(crate) mod error;
pub(crate) mod input;
mod remote;
pub(crate) mod sqs;
mod transfer;

use std::time::SystemTime;

use serde_json::{Value, json};

use crate::Simulator;
use crate::domain::{ApiOperation, Expiry, Faults, Service, SplitMix64};
use error::ApiError;
use input::Input;
use model::{ConnectorId, TransferId};

/// One call.
pub(crate) struct Call<'a> {
    pub(crate) operation: ApiOperation,
    pub(crate) body: &'a [u8],
    /// The Region of the credential scope.
    pub(crate) region: &'a str,
    /// The value of the `Host` header.
    pub(crate) host: &'a str,
    pub(crate) faults: &'a Faults,
    pub(crate) expiry: Expiry,
    pub(crate) now: SystemTime,
}

impl Simulator {
    /// Performs one call.
    pub(crate) fn perform(&self, call: &Call<'_>) -> Result<Value, ApiError> {
        let input = Input::parse(call.body)?;
        match call.operation {
            ApiOperation::CreateConnector => self.create_connector(input),
            ApiOperation::UpdateConnector => self.update_connector(input),
            ApiOperation::DeleteConnector => self.delete_connector(input),
            ApiOperation::DeleteMessage => self.delete_message(input),
            ApiOperation::DeleteMessageBatch => self.delete_message_batch(input),
            ApiOperation::GetQueueAttributes => self.get_queue_attributes(call, input),
            ApiOperation::GetQueueUrl => self.get_queue_url(call, input),
            ApiOperation::LookupEvents => self.lookup_events(call, input),
            ApiOperation::ReceiveMessage => self.receive_message(call, input),
            ApiOperation::SendMessage => self.send_message(call, input),
            ApiOperation::StartDirectoryListing => self.start_directory_listing(call, input),
            ApiOperation::StartRemoteDelete => self.start_remote_delete(call, input),
            ApiOperation::StartRemoteMove => self.start_remote_move(call, input),
            ApiOperation::DescribeConnector => self.describe_connector(call, input),
            ApiOperation::ListConnectors => self.list_connectors(call, input),
            ApiOperation::ListFileTransferResults => self.list_file_transfer_results(call, input),
            ApiOperation::StartFileTransfer => self.start_file_transfer(call, input),
            ApiOperation::TestConnection => self.test_connection(input),
        }
    }

    /// Returns the error for a call that the policy of the account denies.
    pub(crate) fn denied(&self, call: &Call<'_>) -> ApiError {
        let body: Value = serde_json::from_slice(call.body).unwrap_or_default();
        let resource = match (call.operation.service(), body["ConnectorId"].as_str()) {
            (Service::Transfer, Some(id)) => self.arn(call.region, id),
            (Service::Sqs, _) => self.queue_arn(call.region),
            (Service::Transfer | Service::CloudTrail, _) => "*".to_owned(),
        };
        ApiError::access_denied(call.operation, &resource, &self.0.settings.account_id)
    }

    fn arn(&self, region: &str, id: &str) -> String {
        format!(
            "arn:aws:transfer:{region}:{}:connector/{id}",
            self.0.settings.account_id
        )
    }

    /// Returns a token for the page that begins at `offset`, valid only for `bound_to`.
    fn token(&self, offset: usize, bound_to: &str) -> String {
        format!("{offset:08x}{}", self.seal(&format!("{offset} {bound_to}")))
    }

    /// Returns where the page of a token begins, 0 without a token; `None` if the token is not one
    /// of `bound_to`.
    fn offset_of(&self, token: Option<&str>, bound_to: &str) -> Option<usize> {
        let Some(token) = token else {
            return Some(0);
        };
        let offset = usize::from_str_radix(token.get(..8)?, 16).ok()?;
        (self.token(offset, bound_to) == token).then_some(offset)
    }

    /// Returns the answer with the page `items`, which ends at `end` of `total` items, and a token
    /// for the next page if there is one.
    fn page(
        &self,
        key: &str,
        items: &[Value],
        (end, total): (usize, usize),
        bound_to: &str,
    ) -> Value {
        let mut answer = json!({ key: items });
        if end < total {
            answer["NextToken"] = self.token(end, bound_to).into();
        }
        answer
    }

    /// Returns a checksum of `text`, so that tokens of other requests are refused.
    fn seal(&self, text: &str) -> String {
        format!(
            "{:016x}",
            SplitMix64::keyed(self.0.settings.seed, text, 0).bits()
        )
    }
}

pub(crate) fn connector_id(text: &str) -> Result<ConnectorId, ApiError> {
    text.parse().map_err(|_| ApiError::internal())
}

pub(crate) fn transfer_id(text: &str) -> Result<TransferId, ApiError> {
    text.parse().map_err(|_| ApiError::internal())
}

pub(crate) fn unknown_connector(id: &ConnectorId) -> ApiError {
    ApiError::not_found("Connector", id.as_str())
}
