//! Errors and rows in AWS JSON.

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use crate::domain::ApiOperation;
use model::FileResult;

/// An error response.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) kind: &'static str,
    /// The error code of the SQS query protocol, which SDKs still expect.
    pub(crate) query_error: Option<&'static str>,
    members: Map<String, Value>,
}

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, members: &Value) -> Self {
        Self {
            status,
            kind,
            query_error: None,
            members: members.as_object().cloned().unwrap_or_default(),
        }
    }

    /// Creates an error of the service model, whose text is in `Message`.
    fn modelled(kind: &'static str, message: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            kind,
            &json!({ "Message": message }),
        )
    }

    /// Creates an error of the front end of AWS JSON services, whose text is in `message`.
    pub(crate) fn front(kind: &'static str, message: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            kind,
            &json!({ "message": message }),
        )
    }

    /// Creates an SQS error with its query-protocol code.
    pub(crate) fn of_sqs(kind: &'static str, query_error: &'static str, message: &str) -> Self {
        Self {
            query_error: Some(query_error),
            ..Self::front(kind, message)
        }
    }

    pub(crate) fn invalid_request(message: &str) -> Self {
        Self::modelled("InvalidRequestException", message)
    }

    pub(crate) fn invalid_next_token() -> Self {
        Self::modelled(
            "InvalidNextTokenException",
            "The NextToken is not one that ListConnectors answered.",
        )
    }

    pub(crate) fn not_found(resource_type: &str, resource: &str) -> Self {
        let members = json!({ "Message": format!("Unknown {resource_type}"), "Resource": resource, "ResourceType": resource_type });
        Self::new(
            StatusCode::BAD_REQUEST,
            "ResourceNotFoundException",
            &members,
        )
    }

    pub(crate) fn access_denied(operation: ApiOperation, resource: &str, account_id: &str) -> Self {
        let action = format!(
            "{}:{}",
            operation.service().signing_name(),
            operation.as_str()
        );
        let message = format!(
            "User: arn:aws:iam::{account_id}:user/simulator is not authorized to perform: {action} on resource: \
             {resource} because no identity-based policy allows the {action} action"
        );
        Self::modelled("AccessDeniedException", &message)
    }

    pub(crate) fn throttled(kind: &'static str) -> Self {
        let members = json!({ "message": "Rate exceeded", "RetryAfterSeconds": "1" });
        Self::new(StatusCode::BAD_REQUEST, kind, &members)
    }

    pub(crate) fn internal() -> Self {
        let members = json!({ "Message": "An error occurred inside the service." });
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalServiceError",
            &members,
        )
    }

    pub(crate) fn unavailable() -> Self {
        let members = json!({ "Message": "The service is not available." });
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailableException",
            &members,
        )
    }

    pub(crate) fn serialization(message: &str) -> Self {
        Self::front("SerializationException", message)
    }

    /// Returns the body.
    pub(crate) fn body(&self) -> Value {
        let mut body = self.members.clone();
        let kind = match self.query_error {
            Some(_) => format!("com.amazonaws.sqs#{}", self.kind),
            None => self.kind.to_owned(),
        };
        body.insert("__type".to_owned(), kind.into());
        body.into()
    }
}

/// Returns one row of `FileTransferResults`.
pub(crate) fn row(file: &FileResult) -> Value {
    let mut row = json!({ "FilePath": file.path, "StatusCode": file.status.as_str() });
    if let Some(code) = &file.failure_code {
        row["FailureCode"] = code.as_str().into();
    }
    if let Some(message) = &file.failure_message {
        row["FailureMessage"] = message.as_str().into();
    }
    row
}

/// Returns a well-formed answer whose members have the wrong types.
pub(crate) fn mistyped(operation: ApiOperation) -> Value {
    match operation {
        ApiOperation::CreateConnector | ApiOperation::UpdateConnector => {
            json!({ "ConnectorId": ["a"] })
        }
        ApiOperation::DescribeConnector => json!({ "Connector": "none" }),
        ApiOperation::ListConnectors => json!({ "Connectors": 7 }),
        ApiOperation::ListFileTransferResults => json!({ "FileTransferResults": 7 }),
        ApiOperation::StartFileTransfer => json!({ "TransferId": ["a"] }),
        ApiOperation::StartDirectoryListing => json!({ "ListingId": ["a"] }),
        ApiOperation::StartRemoteDelete => json!({ "DeleteId": ["a"] }),
        ApiOperation::StartRemoteMove => json!({ "MoveId": ["a"] }),
        ApiOperation::LookupEvents => json!({ "Events": 7 }),
        ApiOperation::ReceiveMessage => json!({ "Messages": 7 }),
        ApiOperation::DeleteConnector | ApiOperation::DeleteMessage => json!(7),
        ApiOperation::DeleteMessageBatch => json!({ "Successful": 7 }),
        ApiOperation::SendMessage => json!({ "MessageId": ["a"] }),
        ApiOperation::GetQueueAttributes => json!({ "Attributes": 7 }),
        ApiOperation::GetQueueUrl => json!({ "QueueUrl": ["a"] }),
        ApiOperation::TestConnection => json!({ "Status": { "Code": 7 } }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_body_has_the_type_and_its_members() {
        let body = ApiError::not_found("Connector", "c-1").body();
        let expected = json!({
            "__type": "ResourceNotFoundException",
            "Message": "Unknown Connector",
            "Resource": "c-1",
            "ResourceType": "Connector"
        });
        assert_eq!(body, expected);
        assert_eq!(
            ApiError::front("X", "y").body(),
            json!({ "__type": "X", "message": "y" })
        );
        let of_sqs = ApiError::of_sqs("X", "Y", "z");
        assert_eq!(
            of_sqs.body(),
            json!({ "__type": "com.amazonaws.sqs#X", "message": "z" })
        );
    }
}
