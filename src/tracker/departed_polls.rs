//! Running polls whose transfers have left. A transfer that comes back, for example when a shard is moved
//! there and back, is not polled a second time while the first poll waits for its turn or its answer.

use std::collections::HashMap;

use super::due::{DueQueue, Flight, InFlight};
use model::TransferKey;

/// The running polls whose transfers have left.
#[derive(Debug, Default)]
pub(super) struct DepartedPolls(HashMap<TransferKey, Box<InFlight>>);

impl DepartedPolls {
    /// Records that a transfer has left during its poll.
    pub(super) fn add(&mut self, key: TransferKey, poll: Box<InFlight>) {
        self.0.insert(key, poll);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Continues the poll of a transfer that has come back and is due.
    pub(super) fn resume(&mut self, key: &TransferKey, slot: u32, due: &mut DueQueue) {
        if let Some(poll) = self.0.remove(key)
            && let Some(poll) = due.resume(slot, poll)
        {
            self.0.insert(key.clone(), poll);
        }
    }

    /// Forgets a poll that has ended.
    pub(super) fn finish(&mut self, key: &TransferKey, flight: Flight) {
        if self
            .0
            .get(key)
            .is_some_and(|poll| poll.number == flight.number)
        {
            self.0.remove(key);
        }
    }

    /// Forgets the polls of transfers that are not kept, whose answers may be of another account.
    pub(super) fn retain(&mut self, is_kept: impl Fn(&TransferKey) -> bool) {
        self.0.retain(|key, _| is_kept(key));
    }
}
