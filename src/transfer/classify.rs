//! From what the SDK says to an [`ErrorKind`]: for one attempt (as an interceptor sees it) and for a whole call.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_transfer::config::http::HttpResponse;
use aws_sdk_transfer::error::{ConnectorError, SdkError};
use aws_sdk_transfer::operation::list_file_transfer_results::ListFileTransferResultsError;
use aws_smithy_runtime_api::client::interceptors::context::Error as AnyError;
use aws_smithy_runtime_api::client::orchestrator::OrchestratorError;

use super::{ErrorKind, TransferError};

/// The answer lacks the one member that the operation always answers.
#[derive(Debug, thiserror::Error)]
#[error("`FileTransferResults` is missing")]
pub(super) struct MissingResults;

/// What one attempt failed with.
pub(super) fn attempt(error: &OrchestratorError<AnyError>, response: Option<&HttpResponse>) -> ErrorKind {
    if error.is_timeout_error() {
        return ErrorKind::Timeout;
    }
    if let Some(connector) = error.as_connector_error() {
        return by_connector(connector);
    }
    let code = error
        .as_operation_error()
        .and_then(|error| error.downcast_ref::<ListFileTransferResultsError>())
        .and_then(|error| error.meta().code());
    if let Some(kind) = code.and_then(by_code) {
        return kind;
    }
    by_source(error).unwrap_or_else(|| response.map_or(ErrorKind::Network, by_response))
}

/// What a call failed with, retries included.
pub(super) fn call(error: &SdkError<ListFileTransferResultsError>) -> TransferError {
    match error {
        SdkError::TimeoutError(_) => TransferError::new(ErrorKind::Timeout, ""),
        SdkError::DispatchFailure(failure) => {
            let kind = failure.as_connector_error().map_or(ErrorKind::Network, by_connector);
            TransferError::new(kind, innermost(error))
        }
        SdkError::ServiceError(failure) => {
            let meta = failure.err().meta();
            let code = meta.code().unwrap_or_default();
            let kind = by_code(code).unwrap_or_else(|| by_response(failure.raw()));
            match (kind, meta.message()) {
                // The message of a refused signature repeats what was signed.
                (ErrorKind::CredentialsRejected, _) | (_, None | Some("")) => TransferError::new(kind, code),
                (_, Some(message)) => TransferError::new(kind, format_args!("{code}: {message}")),
            }
        }
        SdkError::ResponseError(failure) => {
            let kind = by_source(error).unwrap_or_else(|| by_response(failure.raw()));
            TransferError::new(kind, format_args!("HTTP status {}", failure.raw().status().as_u16()))
        }
        other => TransferError::new(by_source(other).unwrap_or(ErrorKind::InvalidRequest), innermost(other)),
    }
}

fn by_connector(error: &ConnectorError) -> ErrorKind {
    if let Some(kind) = by_source(error) {
        return kind;
    }
    if error.is_timeout() {
        // The SDK has one kind for both, and tells them apart in the text alone.
        let connecting = chain(error).any(|source| source.to_string().starts_with("HTTP connect"));
        return if connecting { ErrorKind::ConnectTimeout } else { ErrorKind::Timeout };
    }
    ErrorKind::Network
}

/// Kinds that a source tells wherever it stands in the chain.
fn by_source(error: &(dyn StdError + 'static)) -> Option<ErrorKind> {
    chain(error).find_map(|source| {
        if source.is::<MissingResults>() {
            return Some(ErrorKind::Mistyped);
        }
        source.downcast_ref::<CredentialsError>().map(|error| match error {
            CredentialsError::CredentialsNotLoaded(_) => ErrorKind::CredentialsMissing,
            _ => ErrorKind::CredentialsUnavailable,
        })
    })
}

fn by_response(response: &HttpResponse) -> ErrorKind {
    let Some(body) = response.body().bytes() else { return ErrorKind::Truncated };
    let is_html = response.headers().get("content-type").is_some_and(|kind| kind.contains("text/html"))
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

/// By the code in `__type` or `x-amzn-errortype`. The operation models four errors; the others are those that every AWS
/// service may answer (<https://docs.aws.amazon.com/transfer/latest/APIReference/CommonErrors.html>).
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
        | "SlowDown" => ErrorKind::Throttled,
        "AccessDeniedException" | "AccessDenied" | "NotAuthorized" | "UnauthorizedOperation" | "OptInRequired" => {
            ErrorKind::AccessDenied
        }
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

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

fn innermost(error: &(dyn StdError + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}
