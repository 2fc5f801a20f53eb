//! The pause that AWS asks for when it throttles.

use std::time::Duration;

use aws_sdk_transfer::config::http::HttpResponse;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{
    ClassifyRetry, RetryAction, RetryClassifierPriority, RetryReason,
};
use aws_smithy_types::retry::ErrorKind;
use serde::Deserialize;

use crate::transfer::session::MAX_BACKOFF;

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

/// Makes the SDK wait that long before it retries a throttled attempt, and not retry if the pause
/// is longer than its maximum backoff. Other attempts are left to the SDK's classifiers.
#[derive(Debug)]
pub(super) struct RetryAfter;

impl ClassifyRetry for RetryAfter {
    fn classify_retry(&self, _: &InterceptorContext) -> RetryAction {
        RetryAction::NoActionIndicated
    }

    fn classify_retry_v2(
        &self,
        context: &InterceptorContext,
        previous: &RetryAction,
    ) -> RetryAction {
        let kind = ErrorKind::ThrottlingError;
        match (previous, context.response().and_then(retry_after)) {
            (
                RetryAction::RetryIndicated(RetryReason::RetryableError { kind: found, .. }),
                Some(wait),
            ) if *found == kind => {
                if wait > MAX_BACKOFF {
                    RetryAction::RetryForbidden
                } else {
                    RetryAction::retryable_error_with_explicit_delay(kind, wait)
                }
            }
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "RetryAfter"
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
