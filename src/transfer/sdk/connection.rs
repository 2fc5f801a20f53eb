//! Tests of connections: [`ConnectionApi`] over the SDK.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_transfer::Client;
use aws_sdk_transfer::config::Builder;
use aws_sdk_transfer::config::retry::RetryConfig;
use aws_sdk_transfer::config::timeout::TimeoutConfig;

use super::interceptor::MetricsInterceptor;
use super::{send, with_endpoint};
use crate::metrics::self_metrics::ApiMetrics;
use crate::transfer::observer::AttemptMetrics;
use crate::transfer::session::ClientBase;
use crate::transfer::{ApiFuture, ConnectionApi, ConnectionTest, Operation};
use model::{Clock, ConnectorId};

/// How long a test may take.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Client for the connections of one account and Region.
pub struct SdkConnection {
    client: Client,
}

impl SdkConnection {
    /// Creates a client; makes no call.
    pub fn new(
        base: &ClientBase,
        endpoint_url: Option<&str>,
        metrics: Arc<ApiMetrics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let operations = [Operation::TestConnection, Operation::DescribeConnector];
        let observer = AttemptMetrics::new(base.account.clone(), metrics, &operations);
        // A test waits for the partner's server, and each one opens a session there: no retries.
        let time_outs = TimeoutConfig::builder()
            .operation_timeout(TIMEOUT)
            .operation_attempt_timeout(TIMEOUT);
        let config = Builder::from(&base.sdk)
            .timeout_config(time_outs.build())
            .retry_config(RetryConfig::disabled())
            .interceptor(MetricsInterceptor::new(Arc::new(observer), clock));
        Self {
            client: Client::from_conf(with_endpoint!(config, endpoint_url).build()),
        }
    }

    /// Returns whether a host key is a trusted one; `None` if these cannot be read.
    async fn is_trusted(&self, connector: &ConnectorId, host_key: &str) -> Option<bool> {
        let call = self.client.describe_connector();
        let call = call.connector_id(connector.as_str());
        let described = send(call.send()).await.ok()?;
        let sftp = described.connector?.sftp_config?;
        let mut trusted = sftp.trusted_host_keys.unwrap_or_default().into_iter();
        Some(trusted.any(|key| key_of(&key) == key_of(host_key)))
    }
}

/// Returns the type and the key of a public key, without its comment.
fn key_of(text: &str) -> Vec<&str> {
    text.split_ascii_whitespace().take(2).collect()
}

impl ConnectionApi for SdkConnection {
    fn test<'a>(&'a self, connector: &'a ConnectorId) -> ApiFuture<'a, ConnectionTest> {
        Box::pin(async move {
            let call = self.client.test_connection();
            let call = call.connector_id(connector.as_str());
            let output = send(call.send()).await?;
            let details = output.sftp_connection_details;
            let host_key = details.and_then(|details| details.host_key);
            let is_host_key_trusted = match host_key.filter(|key| !key.is_empty()) {
                Some(key) => self.is_trusted(connector, &key).await,
                None => None,
            };
            Ok(ConnectionTest {
                is_ok: output.status.as_deref() == Some("OK"),
                message: output.status_message.unwrap_or_default(),
                is_host_key_trusted,
            })
        })
    }
}
