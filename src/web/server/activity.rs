//! When something last happened on a connection.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The requests and responses of one connection.
pub(crate) struct Activity(Mutex<ActivityState>);

struct ActivityState {
    /// Requests whose response is being prepared.
    responding: usize,
    /// Responses that have not been handed over in full.
    sending: usize,
    /// When a request arrived or part of a response was handed over.
    last: Instant,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self(Mutex::new(ActivityState {
            responding: 0,
            sending: 0,
            last: Instant::now(),
        }))
    }

    /// Records that something happened.
    pub(crate) fn touch(&self) {
        self.update(|_| {});
    }

    pub(super) fn begin_response(&self) {
        self.update(|state| state.responding += 1);
    }

    pub(super) fn end_response(&self) {
        self.update(|state| state.responding -= 1);
    }

    pub(super) fn begin_send(&self) {
        self.update(|state| state.sending += 1);
    }

    pub(super) fn end_send(&self) {
        self.update(|state| state.sending -= 1);
    }

    /// Completes when no part of a response in flight has moved for `stall`, or no request has
    /// arrived for `idle`; at most `stall` later than that. Never completes while a response is
    /// being prepared.
    pub(super) async fn stopped(&self, stall: Duration, idle: Duration) {
        loop {
            let deadline = {
                let state = self.state();
                match (state.responding, state.sending) {
                    (0, 0) => state.last + idle,
                    (0, _) => state.last + stall,
                    _ => Instant::now() + stall,
                }
            };
            let now = Instant::now();
            if deadline <= now {
                return;
            }
            // A response may begin meanwhile, with an earlier deadline.
            tokio::time::sleep_until(deadline.min(now + stall)).await;
        }
    }

    fn update(&self, change: impl FnOnce(&mut ActivityState)) {
        let mut state = self.state();
        change(&mut state);
        state.last = Instant::now();
    }

    fn state(&self) -> MutexGuard<'_, ActivityState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn stopped_completes_for_idle_and_stalled_connections_but_not_during_a_response() {
        let (stall, idle) = (Duration::from_secs(10), Duration::from_secs(30));
        let activity = Activity::new();
        let start = Instant::now();
        activity.stopped(stall, idle).await;
        assert_eq!(start.elapsed().as_secs(), 30);

        activity.begin_response();
        let stopped = tokio::time::timeout(Duration::from_hours(1), activity.stopped(stall, idle));
        assert!(stopped.await.is_err());
        activity.end_response();

        activity.begin_send();
        for _ in 0..2 {
            activity.touch();
            let start = Instant::now();
            activity.stopped(stall, idle).await;
            assert_eq!(start.elapsed().as_secs(), 10);
        }
    }
}
