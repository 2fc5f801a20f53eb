//! What can go wrong with a call, by kind.

use std::fmt;

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferError {
    /// What callers branch on.
    pub kind: ErrorKind,
    /// What was said about it, for the log; bounded, without credentials or a body.
    pub detail: String,
}

/// Longest detail that is kept, in characters.
const MAX_DETAIL: usize = 300;

impl TransferError {
    /// An error of this kind; the detail is put on one line, and cut where it is long.
    pub fn new(kind: ErrorKind, detail: impl fmt::Display) -> Self {
        let detail = detail
            .to_string()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let detail = match detail.char_indices().nth(MAX_DETAIL) {
            Some((end, _)) => format!("{}...", &detail[..end]),
            None => detail,
        };
        Self { kind, detail }
    }
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
        /// Why a call failed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorKind {
            $($(#[$doc])* $kind,)*
        }

        impl ErrorKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// A bounded name, for logs and JSON.
            pub fn as_label(self) -> &'static str {
                match self {
                    $(Self::$kind => $label,)*
                }
            }

            /// What it counts as in `aws_transfer_exporter_api_requests_total`.
            pub fn outcome(self) -> AttemptOutcome {
                match self {
                    $(Self::$kind => AttemptOutcome::$outcome,)*
                }
            }

            /// One sentence for people.
            pub fn describe(self) -> &'static str {
                match self {
                    $(Self::$kind => $text,)*
                }
            }
        }
    };
}

kinds! {
    /// `ResourceNotFoundException`: the connector or the transfer is not known, or its results have expired.
    NotFound, "not_found", NotFound, "AWS does not know the connector or the transfer";
    /// `InvalidRequestException`, or another client error.
    InvalidRequest, "invalid_request", Invalid, "AWS refused the request as invalid";
    /// `InternalServiceError`, or another HTTP 500.
    InternalServiceError, "internal_service_error", ServerError, "AWS reported an internal error";
    /// `ServiceUnavailableException`, or another HTTP 502, 503 or 504.
    ServiceUnavailable, "service_unavailable", ServerError, "the service is unavailable";
    /// Throttled, in any of AWS's spellings.
    Throttled, "throttled", Throttled, "AWS throttled the request";
    /// The credentials are good, and may not do this.
    AccessDenied, "access_denied", Denied, "the credentials may not do this";
    /// The credentials have expired.
    CredentialsExpired, "credentials_expired", Denied, "the credentials have expired";
    /// AWS does not accept the credentials or their signature.
    CredentialsRejected, "credentials_rejected", Denied, "AWS does not accept the credentials";
    /// No credentials were found.
    CredentialsMissing, "credentials_missing", Denied, "no credentials were found";
    /// Credentials are configured and could not be had, for example because the role may not be assumed.
    CredentialsUnavailable, "credentials_unavailable", Denied, "the credentials could not be had";
    /// No connection within the connect time-out.
    ConnectTimeout, "connect_timeout", Timeout, "no connection within the time-out";
    /// No whole answer within the time-outs.
    Timeout, "timeout", Timeout, "no answer within the time-out";
    /// The connection was refused, reset or could not be had.
    Network, "network", Network, "the connection failed";
    /// The connection ended within an answer.
    Truncated, "truncated", Malformed, "the answer was cut short";
    /// The answer is larger than any that the operation has.
    Oversized, "oversized", Malformed, "the answer is too large";
    /// The answer is not what the operation answers.
    Mistyped, "mistyped", Malformed, "the answer is not of the documented shape";
    /// A page for people, as proxies and load balancers answer it.
    HtmlPage, "html_page", Malformed, "a web page came back in place of an answer";
    /// A page named a page that had been read as its next.
    RepeatedToken, "repeated_token", Malformed, "the pages repeat";
    /// More pages than any transfer can have.
    TooManyPages, "too_many_pages", Malformed, "there are too many pages";
}

impl ErrorKind {
    /// False if the account's credentials could not be had or were refused, or if no answer came that could be read. What
    /// AWS denies to good credentials is of one resource: others may be allowed.
    pub fn leaves_account_up(self) -> bool {
        match self.outcome() {
            _ if self.is_credential_error() => false,
            AttemptOutcome::Timeout | AttemptOutcome::Network | AttemptOutcome::Malformed => false,
            AttemptOutcome::Ok
            | AttemptOutcome::Throttled
            | AttemptOutcome::Denied
            | AttemptOutcome::NotFound
            | AttemptOutcome::Invalid
            | AttemptOutcome::ServerError => true,
        }
    }

    /// True if the credentials could not be had, or were refused.
    pub fn is_credential_error(self) -> bool {
        matches!(
            self,
            Self::CredentialsExpired
                | Self::CredentialsRejected
                | Self::CredentialsMissing
                | Self::CredentialsUnavailable
        )
    }
}

/// How an attempt ended; the label `outcome` of `aws_transfer_exporter_api_requests_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptOutcome {
    /// Answered.
    Ok,
    /// Throttled.
    Throttled,
    /// Not allowed, or no valid credentials.
    Denied,
    /// Not known to AWS.
    NotFound,
    /// Refused as invalid.
    Invalid,
    /// An error on AWS's side.
    ServerError,
    /// Not answered in time.
    Timeout,
    /// No connection.
    Network,
    /// Answered, and not understood.
    Malformed,
}

impl AttemptOutcome {
    /// Every outcome.
    pub const ALL: [Self; 9] = [
        Self::Ok,
        Self::Throttled,
        Self::Denied,
        Self::NotFound,
        Self::Invalid,
        Self::ServerError,
        Self::Timeout,
        Self::Network,
        Self::Malformed,
    ];

    /// The label value.
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_one_resource_leaves_the_account_up() {
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
        ];
        let no_answer = [
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
        assert_eq!(down, [&credentials[..], &no_answer[..]].concat());
    }
}
