//! Turns finished files into queue messages. There is no timer: reading the queue first adds the
//! events that are due.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::event::Event;
use super::faults::Faults;
use super::queue::{Body, QUEUE_RETENTION, Queue};
use super::random::SplitMix64;
use super::remote::RemoteRun;
use super::started_transfer::StartedTransfer;

/// The source of an event.
enum Source {
    Transfer(Arc<StartedTransfer>),
    Remote(Arc<RemoteRun>),
}

/// Unfinished transfers and operations, by their next end.
pub(crate) struct UpcomingEnds {
    due: BTreeMap<(SystemTime, u64), Source>,
    max: usize,
}

impl UpcomingEnds {
    /// Takes at most `max` entries; beyond that, the entries that end first are
    /// dropped.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            due: BTreeMap::new(),
            max,
        }
    }

    pub(crate) fn add_transfer(&mut self, started: &Arc<StartedTransfer>) {
        if let Some(end) = started.next_end(None) {
            self.insert((end, started.serial), Source::Transfer(Arc::clone(started)));
        }
    }

    pub(crate) fn add_remote(&mut self, run: RemoteRun) {
        self.insert((run.ended_at, run.serial), Source::Remote(Arc::new(run)));
    }

    pub(crate) fn purge(&mut self) {
        self.due.clear();
    }

    /// Returns the time of the next end.
    pub(crate) fn next(&self) -> Option<SystemTime> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// Adds the events up to `now` to the queue, except for those that a fault loses.
    pub(crate) fn advance(&mut self, now: SystemTime, faults: &Faults, queue: &mut Queue) {
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((at, serial), source) = entry.remove_entry();
            let expired = now
                .duration_since(at)
                .is_ok_and(|age| age >= QUEUE_RETENTION);
            match source {
                Source::Transfer(started) if started.is_replaced() => {}
                Source::Transfer(started) => {
                    for (index, file) in started.files.iter().enumerate().filter(|_| !expired) {
                        if started.ended_at(file) == Some(at) {
                            deliver(Event::File(Arc::clone(&started), index), at, faults, queue);
                        }
                    }
                    if let Some(next) = started.next_end(Some(at)) {
                        self.due.insert((next, serial), Source::Transfer(started));
                    }
                }
                Source::Remote(run) if !expired => deliver(Event::Remote(run), at, faults, queue),
                Source::Remote(_) => {}
            }
        }
    }

    fn insert(&mut self, key: (SystemTime, u64), source: Source) {
        self.due.insert(key, source);
        while self.due.len() > self.max {
            self.due.pop_first();
        }
    }
}

/// Delivers an event. Each event has its own random stream, so its fate does not depend on the
/// order of reads.
fn deliver(event: Event, at: SystemTime, faults: &Faults, queue: &mut Queue) {
    let (subject, number) = event.subject();
    let mut random = SplitMix64::keyed(faults.seed, subject, number);
    let (is_lost, is_doubled) = (
        random.chance(faults.event_loss_rate),
        random.chance(faults.event_duplicate_rate),
    );
    let mut late = || {
        at.checked_add(faults.event_delay.mul_f64(random.unit()))
            .unwrap_or(at)
    };
    let (first, second) = (late(), late());
    if is_lost {
        return;
    }
    if is_doubled {
        queue.put(Body::Event(event.clone()), second);
    }
    queue.put(Body::Event(event), first);
}

#[cfg(test)]
mod tests;
