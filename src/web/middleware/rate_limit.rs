//! The rate limit: a token bucket for all requests.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::config::RateLimitConfig;

/// A bucket, full at first.
pub(crate) struct TokenBucket {
    limit: RateLimitConfig,
    state: Mutex<State>,
}

struct State {
    tokens: f64,
    since: Instant,
}

impl TokenBucket {
    pub(crate) fn new(limit: RateLimitConfig) -> Self {
        Self {
            limit,
            state: Mutex::new(State {
                tokens: f64::from(limit.burst),
                since: Instant::now(),
            }),
        }
    }

    /// Whether a request is let through now.
    pub(crate) fn allows(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let gained =
            now.duration_since(state.since).as_secs_f64() / self.limit.interval.as_secs_f64();
        state.tokens = (state.tokens + gained).min(f64::from(self.limit.burst));
        state.since = now;
        let allowed = state.tokens >= 1.0;
        if allowed {
            state.tokens -= 1.0;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_and_then_one_for_each_interval() {
        let limiter = TokenBucket::new(RateLimitConfig {
            interval: Duration::from_millis(100),
            burst: 3,
        });
        let allowed = |times: usize| (0..times).filter(|_| limiter.allows()).count();
        assert_eq!(allowed(10), 3);
        tokio::time::advance(Duration::from_millis(99)).await;
        assert_eq!(allowed(10), 0);
        tokio::time::advance(Duration::from_millis(2)).await;
        assert_eq!(allowed(10), 1);
        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!(allowed(10), 3);
    }
}
