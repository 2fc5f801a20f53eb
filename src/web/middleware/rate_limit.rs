//! The rate limit: one token bucket for all requests.

use std::sync::{Mutex, PoisonError};

use axum::Extension;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;

use super::{Middleware, too_many_requests};
use crate::config::RateLimitConfig;
use crate::metrics::self_metrics::RejectReason;
use crate::web::server::service::RequestContext;

/// Rejects requests over the rate limit.
pub(super) async fn limit(
    State(middleware): State<Middleware>,
    Extension(context): Extension<RequestContext>,
    request: Request,
    next: Next,
) -> Response {
    let bucket = context.web_config.rate_limit();
    if bucket.is_none_or(TokenBucket::try_take) {
        next.run(request).await
    } else {
        middleware.count_rejected(RejectReason::RateLimit);
        too_many_requests("too many requests")
    }
}

/// A token bucket, initially full.
pub(crate) struct TokenBucket {
    config: RateLimitConfig,
    state: Mutex<Tokens>,
}

struct Tokens {
    available: f64,
    refilled: Instant,
}

impl TokenBucket {
    pub(crate) fn new(config: RateLimitConfig) -> Self {
        Self {
            config,
            state: Mutex::new(Tokens {
                available: f64::from(config.burst),
                refilled: Instant::now(),
            }),
        }
    }

    pub(crate) fn config(&self) -> RateLimitConfig {
        self.config
    }

    /// Takes a token, and returns whether there was one.
    pub(crate) fn try_take(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let elapsed = now.duration_since(state.refilled);
        let gained = elapsed.as_secs_f64() / self.config.interval.as_secs_f64();
        state.available = (state.available + gained).min(f64::from(self.config.burst));
        state.refilled = now;
        let taken = state.available >= 1.0;
        if taken {
            state.available -= 1.0;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bucket_allows_a_burst_and_then_one_request_each_interval() {
        let bucket = TokenBucket::new(RateLimitConfig {
            interval: Duration::from_millis(100),
            burst: 3,
        });
        let taken = |times: usize| (0..times).filter(|_| bucket.try_take()).count();
        assert_eq!(taken(10), 3);
        tokio::time::advance(Duration::from_millis(99)).await;
        assert_eq!(taken(10), 0);
        tokio::time::advance(Duration::from_millis(2)).await;
        assert_eq!(taken(10), 1);
        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!(taken(10), 3);
    }
}
