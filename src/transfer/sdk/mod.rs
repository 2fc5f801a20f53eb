//! The adapters: the ports of [`super`] over the AWS SDK, and STS.

mod cloudtrail;
mod connection;
mod connectors;
mod identity;
mod interceptor;
mod limit_body;
mod queue;
mod results;
mod retry_pause;

use std::error::Error as StdError;
use std::panic::AssertUnwindSafe;

use aws_sdk_transfer::error::{ProvideErrorMetadata, SdkError};
use futures_util::FutureExt;

use super::{ErrorKind, TransferError, classify};

pub use cloudtrail::SdkCloudTrail;
pub use connection::SdkConnection;
pub use connectors::SdkConnectors;
pub use identity::{Caller, ClockSkew, SdkIdentity};
pub use queue::{SdkQueue, queue_region};
pub use results::SdkTransfer;

pub(super) use limit_body::limit_body;
pub(super) use results::InvalidResponse;

/// Waits for a call of the SDK. A panic in the SDK is a failure of the call.
async fn send<T, E>(call: impl Future<Output = Result<T, SdkError<E>>>) -> Result<T, TransferError>
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    match AssertUnwindSafe(call).catch_unwind().await {
        Ok(result) => result.map_err(|error| classify::call(&error)),
        // The panic hook has reported it.
        Err(_) => Err(TransferError::new(ErrorKind::Panicked, "")),
    }
}

/// Sets the endpoint of a client, if one is configured, and with it turns off FIPS and dual-stack,
/// which would change the endpoint's host.
macro_rules! with_endpoint {
    ($config:expr, $url:expr) => {
        match $url {
            Some(url) => $config
                .endpoint_url(url)
                .use_fips(false)
                .use_dual_stack(false),
            None => $config,
        }
    };
}
use with_endpoint;
