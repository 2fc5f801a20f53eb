//! An HTTP client that limits the size of responses, so that no endpoint or proxy can exhaust the
//! memory.

use std::fmt;

use aws_sdk_transfer::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use http_body_util::Limited;

/// Largest response of CloudTrail, in bytes: at most 50 events, each with a record of at most
/// 256 KiB as a string.
const MAX_CLOUDTRAIL_BODY: usize = 32 << 20;
/// Largest response of Transfer Family, in bytes. A page has at most 10 files, and those with the
/// longest paths and messages of 1 KiB take a fiftieth of it. As many are read at once as
/// `collector.concurrency` allows.
const MAX_TRANSFER_BODY: usize = 1 << 20;
/// Largest response of any other service, in bytes. A full receive from SQS takes half of it: it is
/// at most 1 MiB before it becomes a JSON string.
const MAX_BODY: usize = 4 << 20;

/// Wraps `client` so that reading a response fails once it exceeds the largest response of its API.
pub(in crate::transfer) fn limit_body(client: SharedHttpClient) -> SharedHttpClient {
    SharedHttpClient::new(LimitedClient(client))
}

#[derive(Debug)]
struct LimitedClient(SharedHttpClient);

impl HttpClient for LimitedClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(LimitedConnector(
            self.0.http_connector(settings, components),
        ))
    }
}

struct LimitedConnector(SharedHttpConnector);

impl fmt::Debug for LimitedConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LimitedConnector")
    }
}

impl HttpConnector for LimitedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let limit = if target.contains("CloudTrail") {
            MAX_CLOUDTRAIL_BODY
        } else if target.starts_with("TransferService.") {
            MAX_TRANSFER_BODY
        } else {
            MAX_BODY
        };
        let response = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let response: HttpResponse = response.await?;
            Ok(response.map(|body| SdkBody::from_body_1_x(Limited::new(body, limit))))
        })
    }
}
