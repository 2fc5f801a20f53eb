//! Errors of calls, by kind.

use std::fmt;

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferError {
    /// The kind.
    pub kind: ErrorKind,
    /// Details for the log: bounded, without credentials or a body.
    pub detail: String,
}

/// Longest detail, in characters.
const MAX_DETAIL: usize = 300;

impl TransferError {
    /// Creates an error. The detail is put on one line and truncated.
    pub fn new(kind: ErrorKind, detail: impl fmt::Display) -> Self {
        let detail = detail
            .to_string()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let detail = match detail.char_indices().nth(MAX_DETAIL) {
            Some((end, _)) => format!("{}...", whole_words(&detail, end)),
            None => detail,
        };
        Self { kind, detail }
    }
}

/// Returns the start of `text` up to `end`, without the part of a word at its end unless that word is
/// long.
fn whole_words(text: &str, end: usize) -> &str {
    let start = &text[..end];
    if text[end..].starts_with(' ') {
        return start;
    }
    let words = start.rsplit_once(' ').map(|(words, _)| words);
    words
        .filter(|words| words.len() > start.len() / 2)
        .unwrap_or(start)
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.describe())?;
        if self.detail.is_empty() {
            Ok(())
        } else {
            write!(f, ": {}", self.detail)
        }
    }
}

impl std::error::Error for TransferError {}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident, $label:literal, $outcome:ident, $text:literal;)*) => {
        /// The kind of an error.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorKind {
            $($(#[$doc])* $kind,)*
        }

        impl ErrorKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Returns a name with bounded cardinality, for logs and JSON.
            pub fn as_label(self) -> &'static str {
                match self {
                    $(Self::$kind => $label,)*
                }
            }

            /// Returns the outcome that the error counts as in
            /// `aws_transfer_exporter_api_requests_total`.
            pub fn outcome(self) -> AttemptOutcome {
                match self {
                    $(Self::$kind => AttemptOutcome::$outcome,)*
                }
            }

            /// Returns a description for people.
            pub fn describe(self) -> &'static str {
                match self {
                    $(Self::$kind => $text,)*
                }
            }
        }
    };
}

kinds! {
    /// `ResourceNotFoundException`: unknown connector or transfer, or its results have expired.
    NotFound, "not_found", NotFound, "unknown connector or transfer";
    /// `InvalidRequestException`, or another client error.
    InvalidRequest, "invalid_request", Invalid, "AWS rejected the request as invalid";
    /// `InternalServiceError`, or another HTTP 500.
    InternalServiceError, "internal_service_error", ServerError, "AWS reported an internal error";
    /// `ServiceUnavailableException`, or another HTTP 502, 503 or 504.
    ServiceUnavailable, "service_unavailable", ServerError, "the service is unavailable";
    /// Throttled, by any of AWS's error codes.
    Throttled, "throttled", Throttled, "AWS throttled the request";
    /// The credentials are valid and lack a permission.
    AccessDenied, "access_denied", Denied, "access denied";
    /// The credentials have expired.
    CredentialsExpired, "credentials_expired", Denied, "the credentials have expired";
    /// AWS rejected the credentials or their signature.
    CredentialsRejected, "credentials_rejected", Denied, "AWS rejected the credentials";
    /// No credentials were found.
    CredentialsMissing, "credentials_missing", NotSent, "no credentials found";
    /// Credentials are configured and could not be obtained, for example from an assumed role.
    CredentialsUnavailable, "credentials_unavailable", NotSent, "failed to obtain credentials";
    /// Credentials were obtained that cannot sign a request, for example with a line break.
    CredentialsUnusable, "credentials_unusable", NotSent, "the credentials are unusable";
    /// The request could not be built, for example because no endpoint matches the settings.
    NotBuilt, "not_built", NotSent, "failed to build the request";
    /// The SDK panicked.
    Panicked, "panicked", NotSent, "the AWS SDK panicked, which is a bug";
    /// No connection within the connect time-out.
    ConnectTimeout, "connect_timeout", Timeout, "timed out connecting";
    /// No complete response within the time-outs.
    Timeout, "timeout", Timeout, "timed out waiting for a response";
    /// The connection was refused or reset, or the host was not found.
    Network, "network", Network, "connection failed";
    /// The connection ended within a response.
    Truncated, "truncated", Malformed, "the response was truncated";
    /// The response is larger than any of the operation.
    Oversized, "oversized", Malformed, "the response is too large";
    /// The response does not match the API model.
    Mistyped, "mistyped", Malformed, "the response does not match the API model";
    /// An HTML page, from a proxy or a load balancer.
    HtmlPage, "html_page", Malformed, "received an HTML page instead of an API response";
    /// A page token was returned twice.
    RepeatedToken, "repeated_token", Malformed, "a page token was returned twice";
    /// More pages than any transfer has.
    TooManyPages, "too_many_pages", Malformed, "too many pages";
}

impl ErrorKind {
    /// Returns the remedy, if the credentials are the cause.
    pub fn hint(self) -> Option<&'static str> {
        match self {
            Self::CredentialsMissing => Some(
                "set `profile` of the account, AWS_PROFILE, or AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY; on EC2, ECS or EKS, give the workload a role",
            ),
            Self::CredentialsUnavailable => Some(
                "check the role, the profile or the process that provides the credentials; \
                 `aws sts get-caller-identity` uses the same sources",
            ),
            Self::CredentialsUnusable => Some(
                "correct the credentials at their source; a Secret that was made with `echo` ends with a \
                 line break: use `echo -n`",
            ),
            Self::CredentialsExpired => {
                Some("renew the credentials, for example with `aws sso login`")
            }
            Self::CredentialsRejected => {
                Some("check the access key, the Region, and the clock of this machine")
            }
            _ => None,
        }
    }

    /// Returns whether AWS answered and accepted the credentials. Access denied leaves the account
    /// up: it concerns one resource.
    pub fn leaves_account_up(self) -> bool {
        match self.outcome() {
            _ if self.is_credential_error() => false,
            AttemptOutcome::Timeout
            | AttemptOutcome::Network
            | AttemptOutcome::Malformed
            | AttemptOutcome::NotSent => false,
            AttemptOutcome::Ok
            | AttemptOutcome::Throttled
            | AttemptOutcome::Denied
            | AttemptOutcome::NotFound
            | AttemptOutcome::Invalid
            | AttemptOutcome::ServerError => true,
        }
    }

    /// Returns whether the credentials could not be obtained or were rejected.
    pub fn is_credential_error(self) -> bool {
        matches!(
            self,
            Self::CredentialsExpired
                | Self::CredentialsRejected
                | Self::CredentialsMissing
                | Self::CredentialsUnavailable
                | Self::CredentialsUnusable
        )
    }
}

/// Outcome of an attempt; the label `outcome` of `aws_transfer_exporter_api_requests_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptOutcome {
    /// Succeeded.
    Ok,
    /// Throttled.
    Throttled,
    /// Access denied, or the credentials rejected.
    Denied,
    /// Unknown to AWS.
    NotFound,
    /// Rejected as invalid.
    Invalid,
    /// An error on AWS's side.
    ServerError,
    /// Timed out, or cancelled.
    Timeout,
    /// No connection.
    Network,
    /// The response could not be parsed.
    Malformed,
    /// Failed before a request was sent: no usable credentials, or the request could not be built.
    NotSent,
}

impl AttemptOutcome {
    /// Every outcome.
    pub const ALL: [Self; 10] = [
        Self::Ok,
        Self::Throttled,
        Self::Denied,
        Self::NotFound,
        Self::Invalid,
        Self::ServerError,
        Self::Timeout,
        Self::Network,
        Self::Malformed,
        Self::NotSent,
    ];

    /// Returns the label value.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::NotFound => "not_found",
            Self::Invalid => "invalid",
            Self::ServerError => "server_error",
            Self::Timeout => "timeout",
            Self::Network => "network",
            Self::Malformed => "malformed",
            Self::NotSent => "not_sent",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_detail_is_cut_between_words_unless_a_word_is_long() {
        let cut = |detail: &str| TransferError::new(ErrorKind::Network, detail).detail;
        let words = "word ".repeat(60);
        assert_eq!(cut(&words), words.trim_end());
        assert_eq!(
            cut(&format!("{words}and more")),
            format!("{}...", words.trim_end())
        );
        let split = format!("ab {words}");
        assert_eq!(
            cut(&split),
            format!("ab {}...", "word ".repeat(59).trim_end())
        );
        assert_eq!(cut(&"x".repeat(400)), format!("{}...", "x".repeat(300)));
        let long = format!("ab {}", "é".repeat(400));
        assert_eq!(cut(&long), format!("ab {}...", "é".repeat(297)));
    }

    #[test]
    fn failures_of_credentials_have_a_remedy() {
        for kind in ErrorKind::ALL {
            assert_eq!(
                kind.hint().is_some(),
                kind.is_credential_error(),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn errors_of_one_resource_leave_the_account_up() {
        use ErrorKind as Kind;
        let down: Vec<_> = Kind::ALL
            .iter()
            .copied()
            .filter(|kind| !kind.leaves_account_up())
            .collect();
        let credentials = [
            Kind::CredentialsExpired,
            Kind::CredentialsRejected,
            Kind::CredentialsMissing,
            Kind::CredentialsUnavailable,
            Kind::CredentialsUnusable,
        ];
        let no_response = [
            Kind::NotBuilt,
            Kind::Panicked,
            Kind::ConnectTimeout,
            Kind::Timeout,
            Kind::Network,
            Kind::Truncated,
            Kind::Oversized,
            Kind::Mistyped,
            Kind::HtmlPage,
            Kind::RepeatedToken,
            Kind::TooManyPages,
        ];
        assert_eq!(down, [&credentials[..], &no_response[..]].concat());
    }
}
