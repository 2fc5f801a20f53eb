//! An HTTP client whose answers have a largest size: an endpoint, or whatever stands in its place, cannot fill the
//! memory.

use std::fmt;

use aws_sdk_transfer::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use http_body_util::Limited;

/// Bytes of an answer of CloudTrail: at most 50 events, each a record of at most 256 KiB in a text.
const LARGEST_OF_CLOUDTRAIL: usize = 32 << 20;
/// Bytes of any other answer. Results of 1,000 files with the longest paths, and messages of 1 KiB, take half of it; so
/// does a full receive of SQS, which is at most 1 MiB before it becomes a text in JSON.
const LARGEST: usize = 4 << 20;

/// `client`, with each answer's body ended by an error once it is larger than any answer of that API can be.
pub(super) fn bounded(client: SharedHttpClient) -> SharedHttpClient {
    SharedHttpClient::new(Bounded(client))
}

#[derive(Debug)]
struct Bounded(SharedHttpClient);

impl HttpClient for Bounded {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(BoundedConnector(
            self.0.http_connector(settings, components),
        ))
    }
}

struct BoundedConnector(SharedHttpConnector);

impl fmt::Debug for BoundedConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoundedConnector")
    }
}

impl HttpConnector for BoundedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let is_cloudtrail = request
            .headers()
            .get("x-amz-target")
            .is_some_and(|target| target.contains("CloudTrail"));
        let largest = if is_cloudtrail {
            LARGEST_OF_CLOUDTRAIL
        } else {
            LARGEST
        };
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let answer: HttpResponse = answer.await?;
            Ok(answer.map(|body| SdkBody::from_body_1_x(Limited::new(body, largest))))
        })
    }
}
