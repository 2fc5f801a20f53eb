//! The timer that delays answers.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

/// Waits for the latency of answers. Benchmarks replace it by a more precise one.
pub trait Timer: fmt::Debug + Send + Sync + 'static {
    /// Completes after `duration`.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The timer of tokio. It rounds up to whole milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioTimer;

impl Timer for TokioTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(duration))
    }
}
