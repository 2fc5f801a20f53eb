//! A window: the files of one period, and how it stands.
//!
//! How windows stand is a function of the files that ended in them, whatever the order in which these
//! were reported: [`Window::stand`] computes it from one window, the next one, and the moment up to
//! which the window before has taken files.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;

use super::schedule::Period;
use model::{FlowState, Millis, millis, time};

/// Deliveries that a window keeps at least; of others only their number.
const MAX_DELIVERIES: usize = 200;

/// When something changes without a report: once the clock, or the moment up to which the evidence is
/// complete, is after these.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Due {
    now: Millis,
    judged: Millis,
}

impl Due {
    /// At once.
    pub(super) const NOW: Self = Self { now: 0, judged: 0 };
    pub(super) const NEVER: Self = Self {
        now: Millis::MAX,
        judged: Millis::MAX,
    };

    pub(super) fn is_reached(self, now: Millis, judged: Millis) -> bool {
        now > self.now || judged > self.judged || self == Self::NOW
    }

    pub(super) fn earlier(self, other: Self) -> Self {
        Self {
            now: self.now.min(other.now),
            judged: self.judged.min(other.judged),
        }
    }
}

/// A completed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Delivery {
    pub(super) end: Millis,
    /// When it ended at the earliest: earlier than `end` if a poll has reported it so long after the poll
    /// before that its end is not known.
    pub(super) earliest: Millis,
    /// Hash of its path.
    pub(super) path: u64,
    /// Hash of its transfer.
    pub(super) transfer: u64,
    /// Whether an event has reported the end; else it is the time of a poll.
    pub(super) is_exact: bool,
    /// Whether it is large enough.
    pub(super) is_valid: bool,
}

impl Delivery {
    /// Returns whether it may have ended in a window without being one of its files.
    pub(super) fn casts_doubt(&self, window: &Window) -> bool {
        let may_be_earlier = self.earliest <= window.closes && window.deadline < self.end;
        may_be_earlier || window.is_home(self.end) && self.earliest < window.opens
    }
}

/// What a window needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Need {
    pub(super) files: u64,
    /// Since when the flow has been watched.
    pub(super) watched_from: Millis,
}

/// How a window stands.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Standing {
    /// Valid files by the deadline, each with its own path, and of all.
    in_time: u64,
    all: u64,
    /// Deliveries whose path had been delivered before.
    pub(super) duplicates: u64,
    has_failed: bool,
    has_deliveries: bool,
    is_doubtful: bool,
    /// Files that ended up to this moment are not those of the next window.
    pub(super) until: Millis,
}

/// One window of a flow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Window {
    pub(super) opens: Millis,
    pub(super) deadline: Millis,
    pub(super) grace_ends: Millis,
    pub(super) closes: Millis,
    /// Files that ended between opening and deadline, or in a pause before the next window opens, by end.
    deliveries: Vec<Delivery>,
    /// Further valid files.
    more: u64,
    /// The first and the last failed file of the same time.
    failed: Option<(Millis, Millis)>,
    /// Whether it is not known which files it has.
    pub(super) is_doubtful: bool,
    /// How it was closed.
    outcome: Option<u8>,
    #[serde(skip)]
    pub(super) standing: Standing,
}

impl Window {
    pub(super) fn new(period: &Period) -> Self {
        Self {
            opens: millis(period.opens),
            deadline: millis(period.deadline),
            grace_ends: millis(period.grace_ends),
            closes: millis(period.closes),
            ..Self::default()
        }
    }

    pub(super) fn period(&self) -> Period {
        Period {
            opens: time(self.opens),
            deadline: time(self.deadline),
            grace_ends: time(self.grace_ends),
            closes: time(self.closes),
        }
    }

    /// Returns whether both are windows of one period.
    pub(super) fn same_period(&self, other: &Self) -> bool {
        let times = |it: &Self| (it.opens, it.deadline, it.grace_ends, it.closes);
        times(self) == times(other)
    }

    pub(super) fn outcome(&self) -> Option<FlowState> {
        let number = self.outcome?;
        FlowState::ALL
            .into_iter()
            .find(|state| *state as u8 == number)
    }

    pub(super) fn close(&mut self, outcome: FlowState) {
        self.outcome = Some(outcome as u8);
    }

    pub(super) fn deliveries(&self) -> &[Delivery] {
        &self.deliveries
    }

    pub(super) fn failed(&self) -> Option<(Millis, Millis)> {
        self.failed
    }

    /// Returns whether it has more files than it keeps.
    pub(super) fn has_more(&self) -> bool {
        self.more > 0
    }

    /// Returns whether a file that ended at `end` ended in it.
    pub(super) fn is_home(&self, end: Millis) -> bool {
        (self.opens..=self.deadline).contains(&end)
    }

    /// Adds a file that ended in it, or in the pause after it.
    pub(super) fn add(&mut self, delivery: Delivery, need: Need) {
        let most = usize::try_from(need.files.saturating_mul(2)).unwrap_or(usize::MAX);
        if self.deliveries.len() < most.max(MAX_DELIVERIES) {
            let at = self.deliveries.partition_point(|known| *known < delivery);
            self.deliveries.insert(at, delivery);
        } else if delivery.is_valid && delivery.end <= self.deadline {
            self.more += 1;
        }
    }

    pub(super) fn add_failed(&mut self, end: Millis) {
        let (first, last) = self.failed.unwrap_or((end, end));
        self.failed = Some((first.min(end), last.max(end)));
    }

    /// Removes a delivery. Returns false if it does not have it.
    pub(super) fn remove(&mut self, delivery: &Delivery) -> bool {
        let found = self.deliveries.iter().position(|known| known == delivery);
        found.map(|at| self.deliveries.remove(at)).is_some()
    }

    /// Computes how it stands. Files that ended up to `before` are those of earlier windows.
    pub(super) fn stand(
        &self,
        next: Option<&Self>,
        before: Millis,
        need: Need,
        vague: &[Delivery],
    ) -> Standing {
        let mut standing = Standing {
            is_doubtful: self.is_doubtful || vague.iter().any(|vague| vague.casts_doubt(self)),
            until: self.deadline,
            ..Standing::default()
        };
        let mut paths: HashMap<u64, bool> = HashMap::new();
        let mut more = self.more;
        let others = next.map_or(&[][..], |next| &next.deliveries);
        for delivery in self.deliveries.iter().chain(others) {
            let may_be_earlier = delivery.earliest < delivery.end && delivery.earliest < self.opens;
            if delivery.end <= before || may_be_earlier {
                continue;
            }
            let is_late = delivery.end > self.deadline;
            if is_late {
                standing.all += std::mem::take(&mut more);
                let is_over = standing.all >= need.files && delivery.end > standing.until;
                if is_over || delivery.end > self.closes {
                    break;
                }
                standing.until = delivery.end;
            }
            standing.has_deliveries = true;
            let was_valid = paths.insert(delivery.path, delivery.is_valid);
            standing.duplicates += u64::from(was_valid.is_some());
            if was_valid == Some(true) {
                paths.insert(delivery.path, true);
            } else if delivery.is_valid {
                standing.all += 1;
                standing.in_time += u64::from(!is_late);
            }
        }
        standing.all += more;
        standing.in_time += self.more;
        standing.has_deliveries |= standing.all > 0;
        if standing.all < need.files {
            standing.until = self.closes;
        }
        let until = standing.until;
        let is_of = |(first, last): (Millis, Millis)| first <= until && last > before;
        let others = next.and_then(|next| next.failed);
        standing.has_failed = self.failed.is_some_and(is_of) || others.is_some_and(is_of);
        standing
    }

    /// Returns the number of files that count.
    pub(super) fn files(&self) -> u64 {
        self.standing.all
    }

    /// Returns whether it has enough files.
    pub(super) fn is_satisfied(&self, need: Need) -> bool {
        self.files() >= need.files
    }

    /// Returns how it stands. `judged` is the moment up to which the evidence is complete.
    pub(super) fn state(&self, need: Need, judged: Millis) -> FlowState {
        let standing = self.standing;
        if standing.in_time >= need.files {
            return FlowState::OnTime;
        }
        if standing.all >= need.files {
            return self.doubted(need, FlowState::Late);
        }
        if judged <= self.deadline {
            return FlowState::Waiting;
        }
        let state = if judged <= self.grace_ends {
            FlowState::Late
        } else if standing.has_deliveries || standing.has_failed {
            FlowState::Invalid
        } else {
            FlowState::Missing
        };
        self.doubted(need, state)
    }

    /// Returns when it may stand otherwise, or be over, if no file is reported: each of its moments that
    /// has not passed.
    pub(super) fn due(&self, now: Millis, judged: Millis) -> Due {
        let moments = [self.deadline, self.grace_ends, self.closes];
        let after = |passed: Millis| {
            let ahead = moments.into_iter().filter(|moment| *moment >= passed);
            ahead.min().unwrap_or(Millis::MAX)
        };
        Due {
            now: after(now),
            judged: after(judged),
        }
    }

    /// Returns `state`, unless files may have ended in time that are not known.
    fn doubted(&self, need: Need, state: FlowState) -> FlowState {
        if self.standing.is_doubtful || self.opens < need.watched_from {
            FlowState::Unknown
        } else {
            state
        }
    }
}
