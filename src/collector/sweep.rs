//! A sweep: the polls of everything that was due when a scrape arrived.
//!
//! Sweeps overlap and share polls: a poll belongs to every sweep that waits for its transfer. Each
//! account takes part by itself and leaves the sweep when it has polled what was due, or when it is
//! unreachable. A sweep continues after its scrape has been answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::watch;
use tracing::debug;

use super::{Inner, lock};
use model::{LastSweep, Now};

/// What one scrape waits for.
pub(super) struct Sweep {
    arrived: Now,
    /// Number of accounts that have not ended, plus one until all accounts have joined.
    pending: AtomicUsize,
    complete: AtomicBool,
    /// Whether the sweep's duration is exported. At most one running sweep is measured.
    measured: AtomicBool,
    /// Whether its scrape has been answered or cancelled.
    abandoned: AtomicBool,
    ended: watch::Sender<bool>,
}

impl Sweep {
    /// Starts the polls of everything that is due, or joins those that are running.
    pub(super) fn start(inner: &Arc<Inner>) -> Arc<Self> {
        let pollers = inner.pollers();
        let arrived = inner.clock.now();
        inner.tracker().expire(arrived);
        let sweep = Arc::new(Self {
            arrived,
            pending: AtomicUsize::new(1),
            complete: AtomicBool::new(true),
            measured: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            ended: watch::Sender::new(false),
        });
        let mut joined = false;
        for poller in pollers.values() {
            joined |= poller.join(inner, &sweep);
        }
        if joined && !inner.sweep_measured.swap(true, Ordering::AcqRel) {
            sweep.measured.store(true, Ordering::Release);
        }
        sweep.leave(inner, true);
        sweep
    }

    /// Returns when the scrape arrived.
    pub(super) fn arrived(&self) -> Now {
        self.arrived
    }

    /// Adds an account.
    pub(super) fn enter(&self) {
        self.pending.fetch_add(1, Ordering::AcqRel);
    }

    /// Records that a poll of the sweep failed.
    pub(super) fn fail(&self) {
        self.complete.store(false, Ordering::Release);
    }

    /// Ends the part of an account. `complete` states whether everything that was due has been
    /// polled.
    pub(super) fn leave(&self, inner: &Inner, complete: bool) {
        if !complete {
            self.fail();
        }
        if self.pending.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        if self.measured.load(Ordering::Acquire) {
            self.measure(inner);
        }
        self.ended.send_replace(true);
    }

    fn measure(&self, inner: &Inner) {
        let now = inner.clock.now();
        let duration = now.since(self.arrived.instant);
        let complete = self.is_complete();
        *lock(&inner.last_sweep) = Some(LastSweep {
            ended: now.wall,
            duration,
            complete,
        });
        inner.metrics.set_sweep_duration(duration);
        inner.sweep_measured.store(false, Ordering::Release);
        debug!(
            event = "sweep_ended",
            seconds = duration.as_secs_f64(),
            complete,
            "sweep ended"
        );
    }

    /// Marks the sweep as abandoned when dropped.
    pub(super) fn waiting(&self) -> Waiting<'_> {
        Waiting(self)
    }

    /// Returns whether the sweep's end matters to nothing: no scrape waits for it, and its duration
    /// is not exported.
    pub(super) fn is_superfluous(&self) -> bool {
        self.abandoned.load(Ordering::Acquire) && !self.measured.load(Ordering::Acquire)
    }

    /// Waits until all accounts have ended.
    pub(super) async fn ended(&self) {
        // The sender lives as long as `self`.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// Returns whether everything that was due has been answered. Valid once the sweep has ended.
    pub(super) fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }
}

/// A scrape that waits for a sweep.
pub(super) struct Waiting<'a>(&'a Sweep);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.abandoned.store(true, Ordering::Release);
    }
}
