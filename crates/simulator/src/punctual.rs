//! A timer with sub-millisecond precision. The timer of tokio rounds up to whole milliseconds, which would add one or two
//! to every injected latency and distort measurements.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Condvar, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// Completes after `duration`.
pub(crate) async fn sleep(duration: Duration) {
    let Some(deadline) = Instant::now()
        .checked_add(duration)
        .filter(|_| !duration.is_zero())
    else {
        return;
    };
    let (sender, woken) = oneshot::channel();
    TIMER.waiting().push(Reverse(Waiter { deadline, sender }));
    TIMER.changed.notify_one();
    // The timer never drops a sender without sending.
    let _ = woken.await;
}

static TIMER: LazyLock<Timer> = LazyLock::new(|| {
    std::thread::spawn(|| TIMER.run());
    Timer {
        waiting: Mutex::default(),
        changed: Condvar::new(),
    }
});

struct Timer {
    waiting: Mutex<BinaryHeap<Reverse<Waiter>>>,
    changed: Condvar,
}

struct Waiter {
    deadline: Instant,
    sender: oneshot::Sender<()>,
}

impl Timer {
    fn waiting(&self) -> std::sync::MutexGuard<'_, BinaryHeap<Reverse<Waiter>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut waiting = self.waiting();
        loop {
            let now = Instant::now();
            while waiting
                .peek()
                .is_some_and(|Reverse(first)| first.deadline <= now)
            {
                if let Some(Reverse(waiter)) = waiting.pop() {
                    // The receiver may have been dropped.
                    let _ = waiter.sender.send(());
                }
            }
            let next = waiting
                .peek()
                .map_or(Duration::from_hours(1), |Reverse(first)| {
                    first.deadline - now
                });
            waiting = self
                .changed
                .wait_timeout(waiting, next)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl PartialEq for Waiter {
    fn eq(&self, other: &Self) -> bool {
        self.deadline == other.deadline
    }
}

impl Eq for Waiter {}

impl PartialOrd for Waiter {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiter {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.deadline.cmp(&other.deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_end_in_the_order_of_their_deadlines_and_never_early() {
        let start = Instant::now();
        let wait = |millis| async move {
            sleep(Duration::from_millis(millis)).await;
            (millis, start.elapsed())
        };
        let ends = futures_util::future::join_all([wait(30), wait(10), wait(0), wait(20)]).await;
        for (millis, elapsed) in ends {
            assert!(
                elapsed >= Duration::from_millis(millis),
                "{millis} ms: {elapsed:?}"
            );
        }
    }
}
