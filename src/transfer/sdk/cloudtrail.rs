//! CloudTrail's event history: [`CloudTrailApi`] over the SDK.

use std::sync::Arc;
use std::time::SystemTime;

use aws_sdk_cloudtrail::Client;
use aws_sdk_cloudtrail::config::Builder;
use aws_sdk_cloudtrail::config::retry::RetryConfig;
use aws_sdk_cloudtrail::types::{Event, LookupAttribute, LookupAttributeKey};

use super::interceptor::MetricsInterceptor;
use super::{send, with_endpoint};
use crate::metrics::self_metrics::ApiMetrics;
use crate::transfer::observer::AttemptMetrics;
use crate::transfer::session::ClientBase;
use crate::transfer::{
    ApiFuture, CloudTrailApi, CloudTrailEvent, CloudTrailPage, ErrorKind, Operation, TransferError,
};
use model::Clock;

/// Events of one page: the maximum of CloudTrail
/// (<https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html>).
const PAGE_SIZE: i32 = 50;

/// The recorded operation.
const EVENT_NAME: &str = "StartFileTransfer";

/// Client for the event history of one account and Region.
pub struct SdkCloudTrail {
    client: Client,
}

impl SdkCloudTrail {
    /// Creates a client; makes no call.
    pub fn new(
        base: &ClientBase,
        endpoint_url: Option<&str>,
        metrics: Arc<ApiMetrics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let observer =
            AttemptMetrics::new(base.account.clone(), metrics, &[Operation::LookupEvents]);
        // No retries by the SDK: the account has two requests a second for all callers, so the
        // poller paces each one.
        let config = Builder::from(&base.sdk)
            .retry_config(RetryConfig::disabled())
            .interceptor(MetricsInterceptor::new(Arc::new(observer), clock));
        Self {
            client: Client::from_conf(with_endpoint!(config, endpoint_url).build()),
        }
    }
}

impl CloudTrailApi for SdkCloudTrail {
    fn page<'a>(
        &'a self,
        from: SystemTime,
        token: Option<&'a str>,
    ) -> ApiFuture<'a, CloudTrailPage> {
        Box::pin(async move {
            let attribute = LookupAttribute::builder()
                .attribute_key(LookupAttributeKey::EventName)
                .attribute_value(EVENT_NAME)
                .build()
                .map_err(|error| TransferError::new(ErrorKind::InvalidRequest, error))?;
            let call = self
                .client
                .lookup_events()
                .lookup_attributes(attribute)
                .max_results(PAGE_SIZE)
                .start_time(from.into())
                .set_next_token(token.map(Into::into));
            let output = send(call.send()).await?;
            let events = output.events.unwrap_or_default().into_iter().map(event);
            Ok(CloudTrailPage {
                events: events.collect(),
                next_token: output.next_token.filter(|token| !token.is_empty()),
            })
        })
    }
}

fn event(event: Event) -> CloudTrailEvent {
    CloudTrailEvent {
        id: event.event_id.unwrap_or_default(),
        at: event
            .event_time
            .and_then(|at| SystemTime::try_from(at).ok()),
        record: event.cloud_trail_event.unwrap_or_default(),
    }
}
