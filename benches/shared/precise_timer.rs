//! A timer with a resolution below a millisecond. The one of tokio rounds up to whole milliseconds,
//! which would add one or two to the latency of every simulated call, and so to everything that is
//! measured against the simulator.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::pin::Pin;
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use simulator::Timer;
use tokio::sync::oneshot;

/// A timer with a thread of its own, which all instances share.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PreciseTimer;

impl Timer for PreciseTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let deadline = Instant::now() + duration;
        let (sender, elapsed) = oneshot::channel();
        QUEUE.waiters().push(Reverse(Waiter { deadline, sender }));
        QUEUE.changed.notify_one();
        Box::pin(async move {
            // The thread drops no sender before it has sent.
            let _ = elapsed.await;
        })
    }
}

static QUEUE: LazyLock<TimerQueue> = LazyLock::new(|| {
    std::thread::spawn(|| QUEUE.run());
    TimerQueue {
        waiters: Mutex::default(),
        changed: Condvar::new(),
    }
});

struct TimerQueue {
    waiters: Mutex<BinaryHeap<Reverse<Waiter>>>,
    changed: Condvar,
}

struct Waiter {
    deadline: Instant,
    sender: oneshot::Sender<()>,
}

impl TimerQueue {
    fn waiters(&self) -> MutexGuard<'_, BinaryHeap<Reverse<Waiter>>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut waiters = self.waiters();
        loop {
            let now = Instant::now();
            while waiters
                .peek()
                .is_some_and(|Reverse(first)| first.deadline <= now)
            {
                if let Some(Reverse(waiter)) = waiters.pop() {
                    // The call may have been cancelled.
                    let _ = waiter.sender.send(());
                }
            }
            let next = waiters
                .peek()
                .map_or(Duration::from_hours(1), |Reverse(first)| {
                    first.deadline - now
                });
            waiters = self
                .changed
                .wait_timeout(waiters, next)
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
