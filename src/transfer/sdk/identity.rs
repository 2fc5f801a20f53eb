//! Identity of an account's credentials, and the skew of the local clock, from STS.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_sdk_sts::Client;
use aws_sdk_sts::config::Builder;
use aws_sdk_transfer::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_transfer::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_transfer::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use super::send;
use crate::transfer::session::ClientBase;
use crate::transfer::{ApiFuture, ErrorKind, IdentityApi, TransferError};
use model::Clock;

/// The principal that signs an account's requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// ARN of a user or of a role session.
    pub arn: String,
    /// The AWS account id.
    pub account_id: String,
}

/// Difference between the local clock and the header `Date` of the last response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockSkew {
    /// Absolute difference, with the header's resolution of one second.
    pub by: Duration,
    /// Whether the local clock is ahead.
    pub ahead: bool,
}

/// Client of STS for one account.
pub struct SdkIdentity {
    client: Client,
    clock: AwsClock,
}

impl SdkIdentity {
    /// Creates a client; makes no call.
    pub fn new(base: &ClientBase, clock: Arc<dyn Clock>) -> Self {
        let clock = AwsClock {
            clock,
            skew: Arc::default(),
        };
        let config = Builder::from(&base.sdk).interceptor(clock.clone());
        Self {
            client: Client::from_conf(config.build()),
            clock,
        }
    }

    /// Calls `GetCallerIdentity`, which needs no permission
    /// (<https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>).
    ///
    /// # Errors
    /// The error of the call.
    pub async fn caller(&self) -> Result<Caller, TransferError> {
        let output = send(self.client.get_caller_identity().send()).await?;
        Ok(Caller {
            arn: output.arn.unwrap_or_default(),
            account_id: output.account.unwrap_or_default(),
        })
    }

    /// Returns the skew, once there was a response; an error response will do.
    pub fn skew(&self) -> Option<ClockSkew> {
        *self
            .clock
            .skew
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl IdentityApi for SdkIdentity {
    fn account_id(&self) -> ApiFuture<'_, String> {
        Box::pin(async {
            let account_id = self.caller().await?.account_id;
            if account_id.is_empty() {
                return Err(TransferError::new(ErrorKind::Mistyped, "no account ID"));
            }
            Ok(account_id)
        })
    }
}

/// Interceptor that reads the `Date` of each response.
#[derive(Clone)]
struct AwsClock {
    clock: Arc<dyn Clock>,
    skew: Arc<Mutex<Option<ClockSkew>>>,
}

impl fmt::Debug for AwsClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AwsClock")
    }
}

#[dyn_dispatch_hint]
impl Intercept for AwsClock {
    fn name(&self) -> &'static str {
        "AwsClock"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let skew = context
            .response()
            .headers()
            .get("date")
            .and_then(|date| skew(date, self.clock.now().wall));
        if skew.is_some() {
            *self.skew.lock().unwrap_or_else(PoisonError::into_inner) = skew;
        }
        Ok(())
    }
}

/// Returns the skew of the local clock at `local`, when a response with this `Date` arrived.
fn skew(date: &str, local: SystemTime) -> Option<ClockSkew> {
    let aws = SystemTime::try_from(DateTime::from_str(date, Format::HttpDate).ok()?).ok()?;
    Some(match local.duration_since(aws) {
        // The header has no fraction of a second.
        Ok(by) => ClockSkew {
            by: by.saturating_sub(Duration::from_secs(1)),
            ahead: true,
        },
        Err(earlier) => ClockSkew {
            by: earlier.duration(),
            ahead: false,
        },
    })
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn skew_is_the_difference_to_the_date_header() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let date = "Sat, 31 Jan 2026 12:00:00 GMT";
        for (local, by, ahead) in [
            (at(1_769_860_800), 0, true),
            (at(1_769_860_861), 60, true),
            (at(1_769_860_500), 300, false),
        ] {
            assert_eq!(
                skew(date, local),
                Some(ClockSkew {
                    by: Duration::from_secs(by),
                    ahead
                })
            );
        }
        for bad in ["", "yesterday", "2026-01-31T12:00:00Z"] {
            assert_eq!(skew(bad, at(0)), None, "{bad}");
        }
    }
}
