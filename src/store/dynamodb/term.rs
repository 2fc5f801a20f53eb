//! The store as one ownership has it.

use std::sync::Arc;

use super::Shared;
use crate::store::{Store, StoreFuture};
use crate::tracker::persist::{PendingWrites, SavedState};

/// Writes nothing once its ownership has ended.
pub(super) struct TermStore {
    pub(super) shared: Arc<Shared>,
    pub(super) epoch: u64,
}

impl Store for TermStore {
    fn load(&self) -> StoreFuture<'_, SavedState> {
        Box::pin(self.shared.load())
    }

    fn save(&self, changes: Arc<PendingWrites>) -> StoreFuture<'_, ()> {
        Box::pin(async move { self.shared.save(&changes, Some(self.epoch)).await })
    }

    fn size(&self) -> Option<u64> {
        None
    }

    fn is_shared(&self) -> bool {
        true
    }
}
