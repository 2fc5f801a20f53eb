//! The pause before a retry: at least what AWS asks for when it throttles, and until the limiter of
//! the account lets the attempt leave.

use std::time::Duration;

use aws_sdk_transfer::config::http::HttpResponse;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{
    ClassifyRetry, RetryAction, RetryClassifierPriority, RetryReason,
};
use aws_smithy_types::retry::ErrorKind;
use serde::Deserialize;

use crate::transfer::limiter::{RetryTime, reserve_retry};
use crate::transfer::session::{INITIAL_BACKOFF, MAX_ATTEMPTS, MAX_BACKOFF};

/// Returns the pause that a response asks for: the string member `RetryAfterSeconds` of
/// `ThrottlingException`
/// (<https://docs.aws.amazon.com/transfer/latest/APIReference/API_ThrottlingException.html>), or
/// the header `Retry-After` in seconds (RFC 9110, section 10.2.3). The longer one if the response
/// has both.
pub(super) fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let header = response.headers().get("retry-after").and_then(seconds);
    let member = response
        .body()
        .bytes()
        .and_then(|body| serde_json::from_slice::<Throttled>(body).ok());
    header.max(member.and_then(|body| seconds(&body.retry_after_seconds?)))
}

#[derive(Deserialize)]
struct Throttled {
    #[serde(rename = "RetryAfterSeconds")]
    retry_after_seconds: Option<String>,
}

fn seconds(text: &str) -> Option<Duration> {
    let seconds = text
        .trim()
        .parse::<f64>()
        .ok()
        .filter(|seconds| *seconds >= 0.0)?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// Makes the SDK wait before a retry until the limiter lets it leave, or not retry if that takes
/// longer than its maximum backoff. Whether an attempt may be retried is left to the SDK's
/// classifiers.
///
/// The backoff has no jitter, since the limiter spaces the attempts. The wait is part of the
/// operation's time-out but not of the attempt's.
#[derive(Debug)]
pub(super) struct RetryPause;

impl ClassifyRetry for RetryPause {
    fn classify_retry(&self, _: &InterceptorContext) -> RetryAction {
        RetryAction::NoActionIndicated
    }

    fn classify_retry_v2(
        &self,
        context: &InterceptorContext,
        previous: &RetryAction,
    ) -> RetryAction {
        let RetryAction::RetryIndicated(RetryReason::RetryableError { kind, .. }) = previous else {
            return RetryAction::NoActionIndicated;
        };
        let throttled = *kind == ErrorKind::ThrottlingError;
        let asked = context
            .response()
            .filter(|_| throttled)
            .and_then(retry_after);
        if asked.is_some_and(|asked| asked > MAX_BACKOFF) {
            return RetryAction::RetryForbidden;
        }
        let backoff = |attempt: u32| {
            let doubled = INITIAL_BACKOFF * 2_u32.saturating_pow(attempt - 1);
            asked.unwrap_or(doubled).min(MAX_BACKOFF)
        };
        match (reserve_retry(MAX_ATTEMPTS, backoff, MAX_BACKOFF), asked) {
            (RetryTime::TooLate, _) => RetryAction::RetryForbidden,
            (RetryTime::After(wait), _) | (RetryTime::NotReserved, Some(wait)) => {
                RetryAction::retryable_error_with_explicit_delay(*kind, wait)
            }
            (RetryTime::NotReserved, None) => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "RetryPause"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;

    use super::*;

    fn pause(header: Option<&'static str>, body: &'static str) -> Option<f64> {
        let mut response =
            HttpResponse::new(StatusCode::try_from(400).unwrap(), SdkBody::from(body));
        if let Some(value) = header {
            response.headers_mut().insert("retry-after", value);
        }
        retry_after(&response).map(|wait| wait.as_secs_f64())
    }

    #[test]
    fn longer_of_member_and_header_is_returned() {
        let body = r#"{"__type": "ThrottlingException", "RetryAfterSeconds": "3"}"#;
        assert_eq!(pause(None, body), Some(3.0));
        assert_eq!(pause(Some("5"), body), Some(5.0));
        assert_eq!(pause(Some("1"), body), Some(3.0));
        assert_eq!(pause(Some("0.5"), "<html>"), Some(0.5));
    }

    #[test]
    fn invalid_pauses_are_ignored() {
        for body in [
            "",
            "{}",
            r#"{"RetryAfterSeconds": null}"#,
            r#"{"RetryAfterSeconds": 3}"#,
        ] {
            assert_eq!(pause(None, body), None, "{body}");
        }
        for text in [
            "-1",
            "NaN",
            "inf",
            "1e300",
            "soon",
            "Wed, 21 Oct 2026 07:28:00 GMT",
        ] {
            assert_eq!(pause(Some(text), "{}"), None, "{text}");
        }
    }
}
