//! The words of AWS JSON 1.1: operations, errors, rows.

use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::model::FileResult;

/// The media type of requests and answers.
pub(super) const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// What the simulator can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Operation {
    /// `DescribeConnector`.
    DescribeConnector,
    /// `ListConnectors`.
    ListConnectors,
    /// `ListFileTransferResults`.
    ListFileTransferResults,
    /// `StartFileTransfer`.
    StartFileTransfer,
    /// `TestConnection`.
    TestConnection,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 5] = [
        Self::DescribeConnector,
        Self::ListConnectors,
        Self::ListFileTransferResults,
        Self::StartFileTransfer,
        Self::TestConnection,
    ];

    /// Its name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DescribeConnector => "DescribeConnector",
            Self::ListConnectors => "ListConnectors",
            Self::ListFileTransferResults => "ListFileTransferResults",
            Self::StartFileTransfer => "StartFileTransfer",
            Self::TestConnection => "TestConnection",
        }
    }

    /// Reads the value of `X-Amz-Target`.
    pub(super) fn from_target(target: &str) -> Option<Self> {
        let name = target.strip_prefix("TransferService.")?;
        Self::ALL.into_iter().find(|operation| operation.as_str() == name)
    }
}

/// An answer that is an error: its HTTP status, its name and its members.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    pub(super) kind: &'static str,
    members: Map<String, Value>,
}

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, members: &Value) -> Self {
        Self { status, kind, members: members.as_object().cloned().unwrap_or_default() }
    }

    /// An error of the service's model: `Message` with a capital letter.
    fn modelled(kind: &'static str, message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, kind, &json!({ "Message": message }))
    }

    /// An error of the front end that all of AWS's JSON services share: `message` in lower case.
    pub(super) fn front(kind: &'static str, message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, kind, &json!({ "message": message }))
    }

    pub(super) fn invalid_request(message: &str) -> Self {
        Self::modelled("InvalidRequestException", message)
    }

    pub(super) fn invalid_next_token() -> Self {
        Self::modelled("InvalidNextTokenException", "The NextToken is not one that ListConnectors answered.")
    }

    pub(super) fn not_found(resource_type: &str, resource: &str) -> Self {
        let members = json!({ "Message": format!("Unknown {resource_type}"), "Resource": resource, "ResourceType": resource_type });
        Self::new(StatusCode::BAD_REQUEST, "ResourceNotFoundException", &members)
    }

    pub(super) fn access_denied(operation: Operation, resource: &str, account_id: &str) -> Self {
        let name = operation.as_str();
        let message = format!(
            "User: arn:aws:iam::{account_id}:user/simulator is not authorized to perform: transfer:{name} on resource: \
             {resource} because no identity-based policy allows the transfer:{name} action"
        );
        Self::modelled("AccessDeniedException", &message)
    }

    pub(super) fn throttled(kind: &'static str) -> Self {
        let members = json!({ "message": "Rate exceeded", "RetryAfterSeconds": "1" });
        Self::new(StatusCode::BAD_REQUEST, kind, &members)
    }

    pub(super) fn internal() -> Self {
        let members = json!({ "Message": "An error occurred inside the service." });
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServiceError", &members)
    }

    pub(super) fn unavailable() -> Self {
        let members = json!({ "Message": "The service is not available." });
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailableException", &members)
    }

    pub(super) fn serialization(message: &str) -> Self {
        Self::front("SerializationException", message)
    }

    /// The body.
    pub(super) fn body(&self) -> Value {
        let mut body = self.members.clone();
        body.insert("__type".to_owned(), self.kind.into());
        body.into()
    }
}

/// One row of `FileTransferResults`.
pub(super) fn row(file: &FileResult) -> Value {
    let mut row = json!({ "FilePath": file.path, "StatusCode": file.status.as_str() });
    if let Some(code) = &file.failure_code {
        row["FailureCode"] = code.as_str().into();
    }
    if let Some(message) = &file.failure_message {
        row["FailureMessage"] = message.as_str().into();
    }
    row
}

/// A well-formed answer whose members have the wrong types.
pub(super) fn mistyped(operation: Operation) -> Value {
    match operation {
        Operation::DescribeConnector => json!({ "Connector": "none" }),
        Operation::ListConnectors => json!({ "Connectors": 7 }),
        Operation::ListFileTransferResults => json!({ "FileTransferResults": 7 }),
        Operation::StartFileTransfer => json!({ "TransferId": ["a"] }),
        Operation::TestConnection => json!({ "Status": { "Code": 7 } }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_names_the_service_and_one_of_its_operations() {
        for operation in Operation::ALL {
            let target = format!("TransferService.{}", operation.as_str());
            assert_eq!(Operation::from_target(&target), Some(operation));
        }
        for bad in ["", "ListConnectors", "TransferService.", "TransferService.CreateServer", "Other.ListConnectors"] {
            assert_eq!(Operation::from_target(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_error_names_its_type_beside_its_members() {
        let body = ApiError::not_found("Connector", "c-1").body();
        let expected = json!({
            "__type": "ResourceNotFoundException",
            "Message": "Unknown Connector",
            "Resource": "c-1",
            "ResourceType": "Connector"
        });
        assert_eq!(body, expected);
        assert_eq!(ApiError::front("X", "y").body(), json!({ "__type": "X", "message": "y" }));
    }
}
