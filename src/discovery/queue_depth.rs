//! The depth of a queue and of its dead-letter queue. Nothing else depends on them, so a failure is
//! no failed poll: it is logged at `info`, once until it changes.

use std::sync::Arc;

use tracing::info;

use super::SourceMetrics;
use crate::transfer::{ErrorKind, QueueApi, TransferError};
use model::QUEUE_DEPTH_INTERVAL;

/// Reads that are left out after the dead-letter queue could not be read: the permission is optional,
/// and denied requests are counted.
const SKIPPED_READS: u32 = 59;

/// Exports the depths. Never returns.
pub(super) async fn run(queue: Arc<dyn QueueApi>, metrics: SourceMetrics) {
    let mut last_failure: Option<ErrorKind> = None;
    let mut dead_letters = DeadLetters::default();
    loop {
        match queue.depth().await {
            Ok(depth) => {
                last_failure = None;
                metrics.set_queue_depth(Some(depth.messages));
                let arn = depth.dead_letter_queue.as_deref();
                dead_letters.poll(&*queue, arn, &metrics).await;
            }
            Err(error) => {
                metrics.set_queue_depth(None);
                metrics.set_dead_letters(None);
                if last_failure.replace(error.kind) != Some(error.kind) {
                    info!(
                        event = "queue_depth_failed",
                        queue = metrics.target(),
                        %error,
                        "failed to read the number of messages"
                    );
                }
            }
        }
        tokio::time::sleep(QUEUE_DEPTH_INTERVAL).await;
    }
}

/// What is known of the dead-letter queue.
#[derive(Default)]
struct DeadLetters {
    /// Its ARN in the last poll.
    arn: Option<String>,
    skipped: u32,
    last_failure: Option<ErrorKind>,
}

impl DeadLetters {
    async fn poll(&mut self, queue: &dyn QueueApi, arn: Option<&str>, metrics: &SourceMetrics) {
        if self.arn.as_deref() != arn {
            *self = Self {
                arn: arn.map(Into::into),
                ..Self::default()
            };
        }
        let Some(arn) = arn else {
            return metrics.set_dead_letters(None);
        };
        if self.skipped > 0 {
            self.skipped -= 1;
            return;
        }
        match queue.dead_letters(arn).await {
            Ok(messages) => {
                self.last_failure = None;
                metrics.set_dead_letters(Some(messages));
            }
            Err(error) => self.fail(arn, &error, metrics),
        }
    }

    fn fail(&mut self, arn: &str, error: &TransferError, metrics: &SourceMetrics) {
        metrics.set_dead_letters(None);
        if matches!(
            error.kind,
            ErrorKind::AccessDenied | ErrorKind::InvalidRequest
        ) {
            self.skipped = SKIPPED_READS;
        }
        if self.last_failure.replace(error.kind) != Some(error.kind) {
            info!(
                event = "dead_letter_queue_failed",
                queue = metrics.target(),
                dead_letter_queue = arn,
                %error,
                "failed to read the number of messages in the dead-letter queue"
            );
        }
    }
}
