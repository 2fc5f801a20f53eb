//! Recently completed paths, for failures that are observed after what resolves them.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant, SystemTime};

/// How long a completed path is remembered: results that a scrape finds at once, for example after a
/// pause, are read in any order.
const KEPT: Duration = Duration::from_hours(1);

/// Maximum number of remembered paths. The oldest are forgotten first.
const MAX_PATHS: usize = 50_000;

#[derive(Debug, Default)]
pub(super) struct Completions {
    paths: HashMap<u64, Completion>,
    /// The paths, in the order in which they were queued.
    order: VecDeque<u64>,
    /// Number of the current period, and when it began.
    period: u32,
    began: Option<Instant>,
}

/// What completed a path last.
#[derive(Debug)]
struct Completion {
    /// Start of the transfer.
    since: SystemTime,
    /// Hash of the transfer.
    transfer: u64,
    /// The period in which it was observed.
    period: u32,
    /// Whether the path has been completed again since it was queued.
    is_renewed: bool,
}

impl Completions {
    pub(super) fn insert(&mut self, path: u64, since: SystemTime, transfer: u64) {
        let completion = Completion {
            since,
            transfer,
            period: self.period,
            is_renewed: false,
        };
        match self.paths.entry(path) {
            Entry::Vacant(entry) => {
                entry.insert(completion);
                self.order.push_back(path);
            }
            Entry::Occupied(known) if known.get().since > since => {}
            Entry::Occupied(mut known) => {
                known.insert(Completion {
                    is_renewed: true,
                    ..completion
                });
            }
        }
        while self.paths.len() > MAX_PATHS {
            self.forget_oldest();
        }
    }

    /// Returns whether another transfer has completed the path that started at or after `since`.
    pub(super) fn is_later(&self, path: u64, since: SystemTime, transfer: u64) -> bool {
        let known = self.paths.get(&path);
        known.is_some_and(|known| known.since >= since && known.transfer != transfer)
    }

    /// Forgets what was completed one to two periods ago.
    pub(super) fn expire(&mut self, now: Instant) {
        let began = *self.began.get_or_insert(now);
        if now.saturating_duration_since(began) < KEPT {
            return;
        }
        self.began = Some(now);
        self.period = self.period.wrapping_add(1);
        let period = self.period;
        self.paths
            .retain(|_, known| period.wrapping_sub(known.period) <= 1);
        self.order.retain(|path| self.paths.contains_key(path));
    }

    /// Forgets the path that was queued longest ago, unless it was completed again since: such a path is
    /// queued again.
    fn forget_oldest(&mut self) {
        let Some(path) = self.order.pop_front() else {
            return;
        };
        match self.paths.get_mut(&path) {
            Some(known) if known.is_renewed => {
                known.is_renewed = false;
                self.order.push_back(path);
            }
            _ => {
                self.paths.remove(&path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completed_paths_are_remembered_for_a_while_and_up_to_a_number() {
        let since = SystemTime::UNIX_EPOCH;
        let mut completions = Completions::default();
        let now = Instant::now();
        completions.expire(now);
        completions.insert(1, since, 7);
        assert!(completions.is_later(1, since, 8));
        assert!(!completions.is_later(1, since, 7), "the same transfer");
        assert!(!completions.is_later(1, since + KEPT, 8), "an earlier one");
        completions.expire(now + KEPT);
        assert!(completions.is_later(1, since, 8));
        completions.expire(now + 2 * KEPT);
        assert!(!completions.is_later(1, since, 8));
        for path in 0..2 * MAX_PATHS as u64 {
            completions.insert(path, since, 7);
            completions.insert(1, since, 7);
        }
        assert!(completions.is_later(1, since, 8), "completed again");
        assert_eq!(completions.paths.len(), MAX_PATHS);
        assert_eq!(completions.order.len(), MAX_PATHS);
    }
}
