//! A bound on work: so much of it at once, so much more that waits, and the rest is told to come again.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Whoever wants work done takes a place first, and a turn when the work begins.
#[derive(Clone, Debug)]
pub struct WorkQueue {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl WorkQueue {
    /// `at_once` that work, and `waiting` that wait beside them.
    pub fn new(at_once: usize, waiting: usize) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(at_once)),
            places: Arc::new(Semaphore::new(at_once + waiting)),
        }
    }

    /// A place until it is dropped; `None` where all are taken.
    pub fn try_enter(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// A turn until it is dropped, first come, first served.
    pub async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turns).acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn beyond_the_places_nobody_waits() {
        let turns = WorkQueue::new(1, 2);
        let places: Vec<_> = (0..4).map(|_| turns.try_enter()).collect();
        assert_eq!(places.iter().filter(|place| place.is_some()).count(), 3);
        let turn = turns.permit().await;
        let mut next = Box::pin(turns.permit());
        assert!(futures_util::poll!(&mut next).is_pending());
        drop(turn);
        assert!(next.await.is_some());
        drop(places);
        assert!(turns.try_enter().is_some());
    }
}
