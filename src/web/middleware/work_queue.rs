//! A concurrency limit with a bounded queue; excess requests get a 429.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::MethodRouter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::too_many_requests;

/// Limits how much work runs at once, and how much waits. Acquire a slot, then a permit.
#[derive(Clone, Debug)]
pub struct WorkQueue {
    permits: Arc<Semaphore>,
    slots: Arc<Semaphore>,
}

/// A place in the queue, released when dropped.
#[derive(Debug)]
pub struct QueueSlot(#[expect(dead_code, reason = "held until dropped")] OwnedSemaphorePermit);

/// The permission to work, released when dropped.
#[derive(Debug)]
pub struct Permit(#[expect(dead_code, reason = "held until dropped")] OwnedSemaphorePermit);

impl WorkQueue {
    /// Creates a queue with `concurrency` permits, and room for `waiting` more.
    pub fn new(concurrency: usize, waiting: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(concurrency)),
            slots: Arc::new(Semaphore::new(concurrency + waiting)),
        }
    }

    /// Returns a slot; `None` if the queue is full.
    pub fn try_enter(&self) -> Option<QueueSlot> {
        let slot = Arc::clone(&self.slots).try_acquire_owned();
        slot.ok().map(QueueSlot)
    }

    /// Waits for a permit, in the order of the calls.
    pub async fn permit(&self) -> Option<Permit> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        permit.ok().map(Permit)
    }
}

/// What a request holds while it is worked on. A request extension, to be moved to where the work
/// is done: work on a blocking thread goes on when the client disconnects.
#[derive(Clone)]
pub(crate) struct Admission {
    _guards: Arc<(QueueSlot, Option<Permit>)>,
}

/// Wraps handlers whose requests pass `queue`.
pub(crate) fn admit<S>(handlers: MethodRouter<S>, queue: &WorkQueue) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    handlers.route_layer(from_fn_with_state(queue.clone(), wait_for_admission))
}

async fn wait_for_admission(
    State(queue): State<WorkQueue>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(slot) = queue.try_enter() else {
        return too_many_requests("too many requests are waiting for pages");
    };
    let permit = queue.permit().await;
    request.extensions_mut().insert(Admission {
        _guards: Arc::new((slot, permit)),
    });
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_rejects_and_permits_go_in_order() {
        let queue = WorkQueue::new(1, 2);
        let slots: Vec<_> = (0..4).map(|_| queue.try_enter()).collect();
        assert_eq!(slots.iter().flatten().count(), 3);
        let permit = queue.permit().await;
        let mut next = Box::pin(queue.permit());
        assert!(futures_util::poll!(&mut next).is_pending());
        drop(permit);
        assert!(next.await.is_some());
        drop(slots);
        assert!(queue.try_enter().is_some());
    }
}
