//! Removes what a failing scenario does not need.

use crate::plan::{Scenario, Step};
use crate::run::run;
use crate::world::Violation;

/// Most runs that shrinking takes.
const MAX_RUNS: usize = 1_500;

/// Returns the smallest scenario found that breaks the same promise, and how.
pub(crate) fn shrink(scenario: &Scenario, violation: Violation) -> (Scenario, Violation) {
    let mut shrinking = Shrinking {
        smallest: scenario.clone(),
        violation,
        runs: 0,
    };
    while shrinking.pass() && shrinking.runs < MAX_RUNS {}
    (shrinking.smallest, shrinking.violation)
}

struct Shrinking {
    smallest: Scenario,
    violation: Violation,
    runs: usize,
}

impl Shrinking {
    /// Tries to remove each part once. Returns whether one was removed.
    fn pass(&mut self) -> bool {
        let mut smaller = false;
        smaller |= self.remove(|scenario| &mut scenario.steps);
        smaller |= self.remove(|scenario| &mut scenario.messages);
        smaller |= self.remove(|scenario| &mut scenario.transfers);
        for transfer in 0..self.smallest.transfers.len() {
            smaller |= self.remove(|scenario| &mut scenario.transfers[transfer].files);
            smaller |= self.remove(|scenario| &mut scenario.transfers[transfer].trail);
        }
        smaller |= self.remove(|scenario| &mut scenario.flows);
        smaller |= self.remove(|scenario| &mut scenario.setup.queues);
        smaller |= self.remove(|scenario| &mut scenario.setup.configured);
        smaller |= self.remove(|scenario| &mut scenario.setup.listed);
        smaller | self.simplify()
    }

    /// Removes ranges of a list, long ones first.
    fn remove<T>(&mut self, list: impl Fn(&mut Scenario) -> &mut Vec<T>) -> bool {
        let mut smaller = false;
        let mut length = list(&mut self.smallest).len();
        while length > 0 {
            let mut from = 0;
            while from < list(&mut self.smallest).len() {
                let removed = self.attempt(|scenario| {
                    let list = list(scenario);
                    let to = (from + length).min(list.len());
                    list.drain(from..to);
                });
                smaller |= removed;
                if !removed {
                    from += length;
                }
            }
            length /= 2;
        }
        smaller
    }

    /// Replaces details by plain ones.
    fn simplify(&mut self) -> bool {
        let mut simpler = false;
        if self.smallest.setup.accounts > 1
            && self.smallest.transfers.iter().all(|t| t.account == 0)
        {
            simpler |= self.attempt(|scenario| scenario.setup.accounts = 1);
        }
        if self.smallest.setup.trail {
            simpler |= self.attempt(|scenario| scenario.setup.trail = false);
        }
        if self.smallest.setup.drift != 0 {
            simpler |= self.attempt(|scenario| scenario.setup.drift = 0);
        }
        if self.smallest.setup.rate.is_some() {
            simpler |= self.attempt(|scenario| scenario.setup.rate = None);
        }
        if self.smallest.setup.wall_offset != 0 {
            simpler |= self.attempt(|scenario| scenario.setup.wall_offset = 0);
        }
        if self.smallest.setup.store {
            simpler |= self.attempt(|scenario| scenario.setup.store = false);
        }
        for at in 0..self.smallest.transfers.len() {
            let transfer = &self.smallest.transfers[at];
            if transfer.odd_paths {
                simpler |= self.attempt(|scenario| scenario.transfers[at].odd_paths = false);
            }
            let transfer = &self.smallest.transfers[at];
            if transfer.reversed {
                simpler |= self.attempt(|scenario| scenario.transfers[at].reversed = false);
            }
            let transfer = &self.smallest.transfers[at];
            if transfer.known != transfer.start {
                simpler |= self.attempt(|scenario| {
                    let transfer = &mut scenario.transfers[at];
                    transfer.known = transfer.start;
                });
            }
            for file in 0..self.smallest.transfers[at].files.len() {
                if self.smallest.transfers[at].files[file].failure.is_some() {
                    simpler |=
                        self.attempt(|scenario| scenario.transfers[at].files[file].failure = None);
                }
                let transfer = &self.smallest.transfers[at];
                if transfer.files[file].visible > transfer.known {
                    simpler |= self.attempt(|scenario| {
                        let transfer = &mut scenario.transfers[at];
                        transfer.files[file].visible = transfer.known;
                    });
                }
            }
        }
        for at in 0..self.smallest.steps.len() {
            if matches!(self.smallest.steps[at].1, Step::List { gap: Some(_), .. }) {
                simpler |= self.attempt(|scenario| {
                    if let Step::List { gap, .. } = &mut scenario.steps[at].1 {
                        *gap = None;
                    }
                });
            }
            if matches!(self.smallest.steps[at].1, Step::Restart(restart) if restart.down > 0) {
                simpler |= self.attempt(|scenario| {
                    if let Step::Restart(restart) = &mut scenario.steps[at].1 {
                        restart.down = 0;
                    }
                });
            }
        }
        simpler
    }

    /// Keeps a change if the scenario still breaks the same promise.
    fn attempt(&mut self, change: impl FnOnce(&mut Scenario)) -> bool {
        if self.runs >= MAX_RUNS {
            return false;
        }
        self.runs += 1;
        let mut smaller = self.smallest.clone();
        change(&mut smaller);
        match run(&smaller, false).violation {
            Some(violation) if violation.kind == self.violation.kind => {
                self.smallest = smaller;
                self.violation = violation;
                true
            }
            _ => false,
        }
    }
}
