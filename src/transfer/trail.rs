//! CloudTrail's event history behind a trait.

use std::sync::Arc;
use std::time::SystemTime;

use aws_sdk_cloudtrail::Client;
use aws_sdk_cloudtrail::config::Builder;
use aws_sdk_cloudtrail::config::retry::RetryConfig;
use aws_sdk_cloudtrail::types::{LookupAttribute, LookupAttributeKey};

use super::counted::Counted;
use super::session::ClientBase;
use super::{ApiFuture, ErrorKind, TransferError, classify};
use crate::metrics::self_metrics::ApiMetrics;
use model::Clock;

/// Events of one page: the most that CloudTrail gives
/// (<https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html>).
const PAGE: i32 = 50;

/// The operation whose events are looked up.
pub(crate) const START: &str = "StartFileTransfer";

/// One event of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailEvent {
    /// The same each time that it is told; empty where it is not told.
    pub id: String,
    /// When the call was made.
    pub at: Option<SystemTime>,
    /// The record, as JSON.
    pub record: String,
}

/// One page of events, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrailPage {
    /// The events, in the order of the answer.
    pub events: Vec<TrailEvent>,
    /// Where the next page starts; `None` on the last one. Never empty.
    pub next_token: Option<String>,
}

/// The operations of CloudTrail that the exporter calls.
pub trait TrailApi: Send + Sync + 'static {
    /// One page of `LookupEvents` of the `StartFileTransfer` events since `from`; the first where `token` is `None`.
    fn page<'a>(&'a self, from: SystemTime, token: Option<&'a str>) -> ApiFuture<'a, TrailPage>;
}

/// The SDK's client of one account's history.
pub struct CloudTrail {
    client: Client,
}

impl CloudTrail {
    /// The history of the account and Region of `base`. Makes no call.
    pub fn new(
        base: &ClientBase,
        endpoint_url: Option<&str>,
        metrics: Arc<ApiMetrics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        // The SDK does not retry: of 2 requests a second for all who look there, each one is paced by the caller.
        let mut config = Builder::from(&base.sdk)
            .retry_config(RetryConfig::disabled())
            .interceptor(Counted::new(
                base.account.clone(),
                metrics,
                clock,
                &["LookupEvents"],
            ));
        if let Some(endpoint_url) = endpoint_url {
            config = config
                .endpoint_url(endpoint_url)
                .use_fips(false)
                .use_dual_stack(false);
        }
        Self {
            client: Client::from_conf(config.build()),
        }
    }
}

impl TrailApi for CloudTrail {
    fn page<'a>(&'a self, from: SystemTime, token: Option<&'a str>) -> ApiFuture<'a, TrailPage> {
        Box::pin(async move {
            let name = LookupAttribute::builder()
                .attribute_key(LookupAttributeKey::EventName)
                .attribute_value(START);
            let name = name
                .build()
                .map_err(|error| TransferError::new(ErrorKind::InvalidRequest, error))?;
            let call = self
                .client
                .lookup_events()
                .lookup_attributes(name)
                .max_results(PAGE);
            let call = call
                .start_time(from.into())
                .set_next_token(token.map(Into::into));
            let answer = call.send().await.map_err(|error| classify::call(&error))?;
            let events = answer.events.unwrap_or_default().into_iter();
            let event = |event: aws_sdk_cloudtrail::types::Event| TrailEvent {
                id: event.event_id.unwrap_or_default(),
                at: event
                    .event_time
                    .and_then(|at| SystemTime::try_from(at).ok()),
                record: event.cloud_trail_event.unwrap_or_default(),
            };
            let next_token = answer.next_token.filter(|token| !token.is_empty());
            Ok(TrailPage {
                events: events.map(event).collect(),
                next_token,
            })
        })
    }
}
