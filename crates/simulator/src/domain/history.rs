//! CloudTrail's event history: the transfers that were started.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::started_transfer::StartedTransfer;

/// The position of an event: its time and serial number.
pub(crate) type Position = (SystemTime, u64);

/// Started transfers by their start.
pub(crate) struct History {
    started: BTreeMap<Position, Arc<StartedTransfer>>,
    max: usize,
}

impl History {
    /// Keeps the newest `max` transfers.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            started: BTreeMap::new(),
            max,
        }
    }

    pub(crate) fn add(&mut self, started: Arc<StartedTransfer>) {
        self.started
            .insert((started.started_at, started.serial), started);
        while self.started.len() > self.max {
            self.started.pop_first();
        }
    }

    /// Returns the transfers that started up to `until`, newest first, after a position.
    pub(crate) fn newest_first(
        &self,
        until: SystemTime,
        behind: Option<Position>,
    ) -> impl Iterator<Item = &Arc<StartedTransfer>> {
        let end = behind.map_or((until, u64::MAX), |(at, serial)| {
            // Serials start at 1, so the subtraction cannot wrap.
            (at, serial.saturating_sub(1)).min((until, u64::MAX))
        });
        self.started
            .range(..=end)
            .rev()
            .map(|(_, started)| started)
            .filter(|started| !started.is_replaced())
    }
}
