//! The adapters: the ports of [`super`] over the AWS SDK, and STS.

mod cloudtrail;
mod connectors;
mod identity;
mod interceptor;
mod limit_body;
mod queue;
mod results;
mod retry_pause;

pub use cloudtrail::SdkCloudTrail;
pub use connectors::SdkConnectors;
pub use identity::{Caller, ClockSkew, SdkIdentity};
pub use queue::{SdkQueue, queue_region};
pub use results::SdkTransfer;

pub(super) use limit_body::limit_body;
pub(super) use results::InvalidResponse;

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
