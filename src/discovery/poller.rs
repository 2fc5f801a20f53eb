//! The loop of a source that polls AWS.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tracing::{debug, info, warn};

use super::SourceMetrics;
use super::backoff::Backoff;
use crate::transfer::TransferError;

/// A source that polls AWS.
pub(super) trait Poller: Send {
    fn metrics(&self) -> &SourceMetrics;

    /// Polls once and records the result in the metrics.
    fn poll(&mut self) -> impl Future<Output = Result<(), TransferError>> + Send;

    /// Drops the state of an unfinished poll, after a panic.
    fn reset(&mut self) {}
}

/// Polls at `interval`, after a failure with backoff. Never returns.
///
/// A failure is logged at `warn` once for each kind in a row. A panic counts as a failed poll: it
/// must not end the source.
pub(super) async fn run(mut poller: impl Poller, interval: Duration) {
    let mut backoff = Backoff::default();
    let mut last_failure = None;
    loop {
        let result = AssertUnwindSafe(poller.poll()).catch_unwind().await;
        let metrics = poller.metrics().clone();
        let (source, target) = (metrics.source(), metrics.target());
        let (kind, error) = match result {
            Ok(Ok(())) => {
                backoff.reset();
                if last_failure.take().is_some() {
                    info!(
                        event = "source_poll_recovered",
                        source, target, "source recovered"
                    );
                }
                if !interval.is_zero() {
                    tokio::time::sleep(interval).await;
                }
                continue;
            }
            Ok(Err(error)) => (error.kind.as_label(), error.to_string()),
            Err(_) => {
                poller.metrics().panicked();
                poller.reset();
                ("panicked", "panic in the exporter".to_owned())
            }
        };
        let event = "source_poll_failed";
        if last_failure.replace(kind) == Some(kind) {
            debug!(event, source, target, kind, error, "source still failing");
        } else {
            warn!(event, source, target, kind, error, "failed to poll source");
        }
        tokio::time::sleep(backoff.next_pause()).await;
    }
}
