//! Maps SDK errors to [`ErrorKind`]: of one attempt, as an interceptor sees it, and of a whole
//! call.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_cloudtrail::operation::lookup_events::LookupEventsError;
use aws_sdk_sqs::operation::delete_message_batch::DeleteMessageBatchError;
use aws_sdk_sqs::operation::get_queue_attributes::GetQueueAttributesError;
use aws_sdk_sqs::operation::receive_message::ReceiveMessageError;
use aws_sdk_transfer::config::http::HttpResponse;
use aws_sdk_transfer::error::{ConnectorError, ProvideErrorMetadata, SdkError};
use aws_sdk_transfer::operation::describe_connector::DescribeConnectorError;
use aws_sdk_transfer::operation::list_connectors::ListConnectorsError;
use aws_sdk_transfer::operation::list_file_transfer_results::ListFileTransferResultsError;
use aws_sdk_transfer::operation::test_connection::TestConnectionError;
use aws_smithy_runtime_api::client::interceptors::context::Error as AnyError;
use aws_smithy_runtime_api::client::orchestrator::OrchestratorError;
use aws_smithy_types::error::ErrorMetadata;
use http_body_util::LengthLimitError;

use super::sdk::InvalidResponse;
use super::session::UnusableCredentials;
use super::{ErrorKind, TransferError};

/// Classifies the error of one attempt.
pub(super) fn attempt(
    error: &OrchestratorError<AnyError>,
    response: Option<&HttpResponse>,
) -> ErrorKind {
    if error.is_timeout_error() {
        return ErrorKind::Timeout;
    }
    if let Some(connector) = error.as_connector_error() {
        return by_connector(connector);
    }
    let code = error
        .as_operation_error()
        .and_then(metadata)
        .and_then(ErrorMetadata::code);
    if let Some(kind) = code.and_then(by_code) {
        return kind;
    }
    // Without a response and without a failed connection, the request could not be built.
    by_source(error).unwrap_or_else(|| response.map_or(ErrorKind::NotBuilt, by_response))
}

/// Returns the metadata of an operation's error. An interceptor sees the error without its type, so
/// each operation is tried.
fn metadata(error: &AnyError) -> Option<&ErrorMetadata> {
    fn of<E: ProvideErrorMetadata + StdError + Send + Sync + 'static>(
        error: &AnyError,
    ) -> Option<&ErrorMetadata> {
        error.downcast_ref::<E>().map(ProvideErrorMetadata::meta)
    }
    of::<ListFileTransferResultsError>(error)
        .or_else(|| of::<ReceiveMessageError>(error))
        .or_else(|| of::<DeleteMessageBatchError>(error))
        .or_else(|| of::<GetQueueAttributesError>(error))
        .or_else(|| of::<LookupEventsError>(error))
        .or_else(|| of::<ListConnectorsError>(error))
        .or_else(|| of::<DescribeConnectorError>(error))
        .or_else(|| of::<TestConnectionError>(error))
}

/// Classifies the error of a whole call, retries included.
pub(crate) fn call<E: ProvideErrorMetadata + StdError + 'static>(
    error: &SdkError<E>,
) -> TransferError {
    match error {
        SdkError::TimeoutError(_) => TransferError::new(ErrorKind::Timeout, ""),
        SdkError::DispatchFailure(failure) => {
            let kind = failure
                .as_connector_error()
                .map_or(ErrorKind::Network, by_connector);
            TransferError::new(kind, innermost(error))
        }
        SdkError::ServiceError(failure) => {
            let meta = failure.err().meta();
            let kind = meta
                .code()
                .and_then(by_code)
                .unwrap_or_else(|| by_response(failure.raw()));
            // The message about a rejected signature repeats the signed request.
            let message = meta.message().filter(|message| {
                kind != ErrorKind::CredentialsRejected
                    && !message.is_empty()
                    && !repeats_a_secret(message)
            });
            match (meta.code(), message) {
                (None, _) => TransferError::new(kind, status(failure.raw())),
                (Some(code), None) => TransferError::new(kind, code),
                (Some(code), Some(message)) => {
                    TransferError::new(kind, format_args!("{code}: {message}"))
                }
            }
        }
        SdkError::ResponseError(failure) => {
            match chain(error).find_map(|source| source.downcast_ref::<InvalidResponse>()) {
                Some(invalid) => TransferError::new(by_response(failure.raw()), invalid),
                None => TransferError::new(
                    by_source(error).unwrap_or_else(|| by_response(failure.raw())),
                    status(failure.raw()),
                ),
            }
        }
        other => TransferError::new(
            by_source(other).unwrap_or(ErrorKind::NotBuilt),
            innermost(other),
        ),
    }
}

fn by_connector(error: &ConnectorError) -> ErrorKind {
    if let Some(kind) = by_source(error) {
        return kind;
    }
    if error.is_timeout() {
        // The SDK has one kind for both; only the text distinguishes them.
        let connecting = chain(error).any(|source| source.to_string().starts_with("HTTP connect"));
        return if connecting {
            ErrorKind::ConnectTimeout
        } else {
            ErrorKind::Timeout
        };
    }
    ErrorKind::Network
}

/// Classifies an error by its sources, at any depth.
fn by_source(error: &(dyn StdError + 'static)) -> Option<ErrorKind> {
    // Credentials for a role may be unusable, which is inside of the error of the role.
    if chain(error).any(<dyn StdError>::is::<UnusableCredentials>) {
        return Some(ErrorKind::CredentialsUnusable);
    }
    chain(error).find_map(|source| match source.downcast_ref::<CredentialsError>() {
        Some(CredentialsError::CredentialsNotLoaded(_)) => Some(ErrorKind::CredentialsMissing),
        Some(_) => Some(ErrorKind::CredentialsUnavailable),
        None => source
            .is::<LengthLimitError>()
            .then_some(ErrorKind::Oversized),
    })
}

fn status(response: &HttpResponse) -> String {
    format!("HTTP status {}", response.status().as_u16())
}

/// Returns whether the message contains a secret header, or the external id of a request to STS: a
/// proxy may repeat them with any error code.
fn repeats_a_secret(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    [
        "aws4-hmac-sha256",
        "signature=",
        "x-amz-security-token",
        "externalid=",
    ]
    .iter()
    .any(|part| message.contains(part))
}

fn by_response(response: &HttpResponse) -> ErrorKind {
    let Some(body) = response.body().bytes() else {
        return ErrorKind::Truncated;
    };
    let is_html = response
        .headers()
        .get("content-type")
        .is_some_and(|kind| kind.contains("text/html"))
        || body.trim_ascii_start().starts_with(b"<");
    match response.status().as_u16() {
        _ if is_html => ErrorKind::HtmlPage,
        403 => ErrorKind::AccessDenied,
        429 => ErrorKind::Throttled,
        500 => ErrorKind::InternalServiceError,
        501.. => ErrorKind::ServiceUnavailable,
        400.. => ErrorKind::InvalidRequest,
        _ => ErrorKind::Mistyped,
    }
}

/// Classifies the code in `__type` or `x-amzn-errortype`. The operation's model has four errors;
/// the others are common to all AWS services
/// (<https://docs.aws.amazon.com/transfer/latest/APIReference/CommonErrors.html>).
fn by_code(code: &str) -> Option<ErrorKind> {
    Some(match code {
        "ResourceNotFoundException" => ErrorKind::NotFound,
        "InvalidRequestException"
        | "InvalidNextTokenException"
        | "ValidationException"
        | "ValidationError"
        | "SerializationException"
        | "UnknownOperationException" => ErrorKind::InvalidRequest,
        "InternalServiceError" | "InternalFailure" | "InternalServerError" | "InternalError" => {
            ErrorKind::InternalServiceError
        }
        "ServiceUnavailableException" | "ServiceUnavailable" => ErrorKind::ServiceUnavailable,
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "BandwidthLimitExceeded"
        | "LimitExceededException"
        | "ProvisionedThroughputExceededException"
        | "PriorRequestNotComplete"
        | "OverLimit"
        | "KmsThrottled"
        | "KMS.ThrottlingException"
        | "SlowDown" => ErrorKind::Throttled,
        "AccessDeniedException"
        | "AccessDenied"
        | "NotAuthorized"
        | "UnauthorizedOperation"
        | "OptInRequired"
        | "KmsAccessDenied"
        | "KmsOptInRequired"
        // SQS has these beside those above, in a header for clients of its older protocol.
        | "KMS.AccessDeniedException"
        | "KMS.OptInRequired" => ErrorKind::AccessDenied,
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "RequestExpired" => {
            ErrorKind::CredentialsExpired
        }
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "AuthFailure" => ErrorKind::CredentialsRejected,
        _ => return None,
    })
}

fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// Returns the text of the innermost source, the most specific one.
pub(super) fn innermost(error: &(dyn StdError + 'static)) -> String {
    let text = match chain(error).last() {
        None => String::new(),
        Some(source) => match source.downcast_ref::<ErrorMetadata>() {
            // From STS, when it denies assuming a role.
            Some(meta) => {
                format!(
                    "{}: {}",
                    meta.code().unwrap_or_default(),
                    meta.message().unwrap_or_default()
                )
            }
            None => source.to_string(),
        },
    };
    if repeats_a_secret(&text) {
        String::new()
    } else {
        text
    }
}
