//! The windows of a flow, one after the other, and the outcomes of those that have closed.

use std::collections::{BTreeMap, VecDeque};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::schedule::Schedule;
use super::window::{Delivery, Due, Need, Window};
use model::{FlowState, Millis, millis, time};

/// Closed windows whose outcome may still be corrected.
const MAX_CLOSED: usize = 8;

/// Windows that are not closed, because there was no evidence for long. The oldest are closed as
/// unknown.
const MAX_OPEN: usize = 64;

/// Files without a known end that are kept, until events report their ends.
const MAX_VAGUE: usize = 1_000;

/// How far in the future the end of a file may be, by the exporter's clock.
const MAX_AHEAD: Millis = 60 * 60 * 1_000;

/// The windows of a flow. Files may be reported in any order: the outcomes depend on when they ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Timeline {
    #[serde(skip)]
    schedule: Option<Schedule>,
    need: Need,
    /// In order: the closed windows, whose number is `closed`, the current one, and later ones.
    windows: VecDeque<Window>,
    closed: usize,
    /// Files whose end is not known.
    vague: Vec<Delivery>,
    /// Files that ended up to this moment are those of windows that are no longer kept.
    floor: Millis,
    /// The first window whose standing has to be computed.
    #[serde(skip)]
    stale_from: usize,
    /// Closed windows, and those of them whose outcome was corrected, by number of the state.
    outcomes: BTreeMap<u8, u64>,
    corrected: BTreeMap<u8, u64>,
    /// Paths that were completed again in their window, and those of windows that are no longer kept.
    duplicates: u64,
    earlier_duplicates: u64,
}

impl Timeline {
    /// Fits the windows to a schedule, which may have changed. `is_same` is false if the flow matches
    /// other files than before: its windows end. `judged` is the moment up to which the evidence is
    /// complete.
    pub(super) fn fit(
        &mut self,
        schedule: Option<&Schedule>,
        need: Need,
        is_same: bool,
        judged: Millis,
        now: SystemTime,
    ) {
        if schedule.is_none() || !is_same {
            self.end(millis(now), judged);
        }
        self.schedule = schedule.cloned();
        self.need = need;
        self.stale_from = 0;
        let Some(schedule) = schedule.filter(|_| is_same) else {
            let period = schedule.and_then(|schedule| schedule.period_at(now));
            self.windows
                .extend(period.map(|period| Window::new(&period)));
            return;
        };
        let is_of_schedule = |window: &Window| {
            let period = schedule.period_at(time(window.deadline));
            period.is_some_and(|period| Window::new(&period).same_period(window))
        };
        let mut open = self.windows.iter().skip(self.closed).peekable();
        let is_first = open.peek().is_none();
        if !is_first && open.all(is_of_schedule) {
            return;
        }
        let last_closed = self.closed.checked_sub(1).map(|at| &self.windows[at]);
        let awaited = schedule.period_awaited(now).filter(|period| {
            // A window with a later deadline has been counted.
            let is_after = |last: &Window| millis(period.deadline) > last.deadline;
            !is_first && last_closed.is_none_or(is_after)
        });
        let period = awaited.or_else(|| schedule.period_at(now));
        let (before, closed) = (std::mem::take(&mut self.windows), self.closed);
        self.clear();
        let Some(period) = period else { return };
        let mut window = Window::new(&period);
        for (at, known) in before.iter().enumerate() {
            window.is_doubtful |= at >= closed && known.has_more();
            for delivery in known.deliveries() {
                if window.is_home(delivery.end) {
                    window.add(*delivery, need);
                }
            }
            for end in known.failed().into_iter().flat_map(|(a, b)| [a, b]) {
                if window.is_home(end) {
                    window.add_failed(end);
                }
            }
        }
        self.windows.push_back(window);
    }

    /// Ends the watch: closes the windows whose deadline is before `until`, as they stand if that is
    /// decided, else as unknown, and forgets the others.
    pub(super) fn end(&mut self, until: Millis, judged: Millis) {
        self.advance(until, judged.min(until));
        while self.current().is_some_and(|it| it.deadline < until) {
            self.close_current(FlowState::Unknown);
        }
        self.clear();
        self.vague.clear();
    }

    /// Closes the current window, whose outcome counts.
    fn close_current(&mut self, outcome: FlowState) {
        self.windows[self.closed].close(outcome);
        *self.outcomes.entry(outcome as u8).or_default() += 1;
        self.closed += 1;
    }

    fn clear(&mut self) {
        self.windows.clear();
        (self.closed, self.floor) = (0, 0);
        self.earlier_duplicates = self.duplicates;
    }

    /// Closes windows and opens the next ones. Returns whether anything has changed.
    pub(super) fn advance(&mut self, now: Millis, judged: Millis) -> bool {
        let mut is_changed = self.open_until(now);
        is_changed |= self.refresh();
        while let Some(window) = self.windows.get(self.closed) {
            let state = window.state(self.need, judged);
            let is_over = match state {
                FlowState::OnTime => now > window.deadline,
                FlowState::Waiting => false,
                _ => window.is_satisfied(self.need) || judged > window.closes,
            };
            if !is_over && self.windows.len() - self.closed <= MAX_OPEN {
                break;
            }
            self.windows[self.closed].is_doubtful |= !is_over;
            self.close_current(if is_over { state } else { FlowState::Unknown });
            self.forget_closed();
            is_changed = true;
            if self.closed == self.windows.len() {
                self.open_until(now);
                self.refresh();
            }
        }
        is_changed
    }

    /// Returns when [`Timeline::advance`] may have something to do, or the current window may stand
    /// otherwise, if no file is reported.
    pub(super) fn due(&self, now: Millis, judged: Millis) -> Due {
        let open = self.windows.iter().skip(self.closed);
        // Without windows, one may open at any time.
        let none = if self.schedule.is_some() && self.windows.is_empty() {
            Due::NOW
        } else {
            Due::NEVER
        };
        open.fold(none, |due, window| due.earlier(window.due(now, judged)))
    }

    /// Forgets the oldest closed window, if there are too many.
    fn forget_closed(&mut self) {
        if self.closed <= MAX_CLOSED {
            return;
        }
        let Some(window) = self.windows.pop_front() else {
            return;
        };
        self.closed -= 1;
        self.stale_from = self.stale_from.saturating_sub(1);
        self.floor = self.floor.max(window.standing.until);
        self.earlier_duplicates += window.standing.duplicates;
        if let Some(first) = self.windows.front() {
            self.vague.retain(|vague| vague.end >= first.opens);
        }
    }

    /// Opens the windows until one has a deadline at or after `now`. Returns whether there are new ones.
    fn open_until(&mut self, now: Millis) -> bool {
        let Some(schedule) = &self.schedule else {
            return false;
        };
        let mut is_changed = false;
        while self.windows.back().is_none_or(|last| last.deadline < now) {
            let period = match self.windows.back() {
                Some(window) => schedule.period_after(&window.period()),
                None => schedule.period_at(time(now)),
            };
            let Some(period) = period else { break };
            // The last one may take late files of the new one.
            let last = self.windows.len().saturating_sub(1);
            self.stale_from = self.stale_from.min(last);
            self.windows.push_back(Window::new(&period));
            is_changed = true;
            if self.windows.len() - self.closed > 2 * MAX_OPEN {
                break;
            }
        }
        is_changed
    }

    /// Computes how the windows stand, and corrects the outcomes of closed ones. Returns whether one was
    /// corrected.
    pub(super) fn refresh(&mut self) -> bool {
        let from = self.stale_from;
        for at in from..self.windows.len() {
            let before = match at.checked_sub(1) {
                Some(before) => self.windows[before].standing.until,
                None => self.floor,
            };
            let next = self.windows.get(at + 1);
            let standing = self.windows[at].stand(next, before, self.need, &self.vague);
            self.windows[at].standing = standing;
        }
        self.stale_from = self.windows.len();
        let mut is_corrected = false;
        for window in self.windows.iter_mut().take(self.closed).skip(from) {
            let after = window.state(self.need, Millis::MAX);
            if let Some(before) = window.outcome().filter(|before| *before != after) {
                window.close(after);
                *self.corrected.entry(before as u8).or_default() += 1;
                *self.outcomes.entry(after as u8).or_default() += 1;
                is_corrected = true;
            }
        }
        let windows = self.windows.iter();
        let known: u64 = windows.map(|window| window.standing.duplicates).sum();
        self.duplicates = self.duplicates.max(self.earlier_duplicates + known);
        is_corrected
    }

    /// Adds a completed file to the window in which it ended.
    pub(super) fn deliver(&mut self, delivery: Delivery, now: Millis) {
        if let Some(home) = self.home(delivery.end, now) {
            self.windows[home].add(delivery, self.need);
        }
        let first = self.windows.front().map_or(0, |window| window.opens);
        if delivery.earliest == delivery.end || delivery.end < first {
            return;
        }
        self.stale_from = 0;
        if self.vague.len() < MAX_VAGUE {
            self.vague.push(delivery);
            return;
        }
        for window in &mut self.windows {
            window.is_doubtful |= delivery.casts_doubt(window);
        }
    }

    /// Adds a failed file to the window in which it ended.
    pub(super) fn fail(&mut self, end: Millis, now: Millis) {
        if let Some(home) = self.home(end, now) {
            self.windows[home].add_failed(end);
        }
    }

    /// Returns the window in which a file ended, or after which in a pause, and has its standing computed
    /// again.
    fn home(&mut self, end: Millis, now: Millis) -> Option<usize> {
        if end <= self.floor {
            return None;
        }
        self.open_until(end.min(now.saturating_add(MAX_AHEAD)));
        let windows = self.windows.iter().enumerate().rev();
        let mut windows = windows.skip_while(|(_, window)| window.opens > end);
        let (mut home, window) = windows.next()?;
        // A deadline is also when the next window opens.
        let is_of_other = windows.next().is_some_and(|(_, other)| other.is_home(end));
        if is_of_other {
            home -= 1;
        } else if end > window.deadline.max(window.closes) {
            return None;
        }
        self.stale_from = self.stale_from.min(home.saturating_sub(1));
        Some(home)
    }

    /// Removes the delivery of a poll that an event is about: of the same transfer, and by path if that
    /// is the same in both.
    pub(super) fn take_inexact(&mut self, transfer: u64, path: u64) {
        let windows = self.windows.iter().rev();
        let deliveries = windows.flat_map(|window| window.deliveries().iter());
        let mut others = Vec::new();
        let mut found = None;
        for known in self.vague.iter().chain(deliveries) {
            if known.transfer != transfer || known.is_exact {
                continue;
            }
            if known.path == path {
                found = Some(*known);
                break;
            }
            if !others.contains(known) {
                others.push(*known);
            }
        }
        let found = found.or(match others[..] {
            [only] => Some(only),
            _ => None,
        });
        let Some(known) = found else { return };
        self.vague.retain(|vague| *vague != known);
        let mut windows = self.windows.iter_mut();
        windows.any(|window| window.remove(&known));
        self.stale_from = 0;
    }

    /// Returns the window that is not closed and has the first deadline.
    pub(super) fn current(&self) -> Option<&Window> {
        self.windows.get(self.closed)
    }

    /// Returns whether a window that is not closed has its deadline at or after `from` and before `to`.
    pub(super) fn is_deadline_within(&self, from: Millis, to: Millis) -> bool {
        let open = self.windows.iter().skip(self.closed).rev();
        let mut open = open.skip_while(|window| window.deadline >= to);
        open.next().is_some_and(|last| last.deadline >= from)
    }

    /// Returns the number of windows that are not closed and whose deadline is before `now`.
    #[cfg(test)]
    pub(super) fn overdue(&self, now: Millis) -> u64 {
        let open = self.windows.iter().skip(self.closed);
        open.filter(|window| window.deadline < now).count() as u64
    }

    pub(super) fn need(&self) -> Need {
        self.need
    }

    /// Returns the number of paths that were completed again in their window.
    pub(super) fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Returns the number of closed windows by outcome.
    pub(super) fn outcomes(&self) -> BTreeMap<FlowState, u64> {
        by_state(&self.outcomes)
    }

    /// Returns the number of outcomes that were corrected.
    pub(super) fn corrected(&self) -> BTreeMap<FlowState, u64> {
        by_state(&self.corrected)
    }
}

fn by_state(numbers: &BTreeMap<u8, u64>) -> BTreeMap<FlowState, u64> {
    let states = FlowState::OUTCOMES.into_iter();
    let count = |state| numbers.get(&(state as u8)).copied().unwrap_or(0);
    states.map(|state| (state, count(state))).collect()
}

#[cfg(test)]
mod tests;
