//! Constants of polling that the runtime and the forecast of `plan` share.

use std::time::Duration;

/// Maximum number of results on a page of `ListFileTransferResults`.
pub const RESULTS_PAGE_SIZE: usize = 10;

/// How long a receive waits for a message: the longest that SQS allows.
pub const QUEUE_LONG_POLL: Duration = Duration::from_secs(20);

/// How often the depth of a queue is read.
pub const QUEUE_DEPTH_INTERVAL: Duration = Duration::from_mins(1);
