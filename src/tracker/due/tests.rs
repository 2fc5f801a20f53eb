//! The queue by example, and against a naive list.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A queue with times in seconds.
struct Rig {
    queue: DueQueue,
    start: Instant,
}

impl Rig {
    fn new() -> Self {
        Self {
            queue: DueQueue::default(),
            start: Instant::now(),
        }
    }

    fn at(&self, seconds: u32) -> Instant {
        self.start + seconds * SECOND
    }

    /// Returns the turn of a transfer that the last poll has read, or that has not been polled.
    fn turn(&self, due: u32, last_poll: Option<u32>) -> Turn {
        Turn {
            due: self.at(due),
            last_poll: last_poll.map(|seconds| self.at(seconds)),
            is_read: last_poll.is_some(),
            is_confirmed: true,
        }
    }

    fn set(&mut self, slot: u32, account: &str, connector: u32, due: u32, last_poll: Option<u32>) {
        let turn = self.turn(due, last_poll);
        self.put(slot, account, connector, turn);
    }

    fn put(&mut self, slot: u32, account: &str, connector: u32, turn: Turn) {
        self.queue
            .set(slot, &AccountName::new(account), connector, turn);
    }

    fn take(&mut self, account: &str, horizon: u32) -> Option<Flight> {
        let horizon = self.at(horizon);
        self.queue.take(&AccountName::new(account), horizon)
    }

    /// Takes everything that is due, and returns the slots.
    fn take_all(&mut self, account: &str, horizon: u32) -> Vec<u32> {
        std::iter::from_fn(|| self.take(account, horizon).map(|flight| flight.slot)).collect()
    }

    fn oldest_due(&self, account: &str) -> Option<Instant> {
        self.queue.oldest_due(&AccountName::new(account))
    }
}

#[test]
fn never_polled_transfers_alternate_with_those_polled_longest_ago() {
    let mut rig = Rig::new();
    for slot in 0..4 {
        rig.set(slot, "a", 0, 10 - slot, None);
    }
    rig.set(10, "a", 0, 9, Some(3));
    rig.set(11, "a", 0, 8, Some(4));
    assert_eq!(rig.take_all("a", 10), [3, 10, 2, 11, 1, 0]);
}

#[test]
fn connectors_take_turns() {
    let mut rig = Rig::new();
    for slot in 0..5 {
        rig.set(slot, "a", 0, 1, Some(0));
    }
    rig.set(5, "a", 1, 2, None);
    rig.set(6, "a", 1, 2, None);
    rig.set(7, "a", 2, 2, Some(0));
    assert_eq!(rig.take_all("a", 1), [0, 1, 2, 3, 4]);
    for slot in 0..5 {
        rig.queue.remove(slot);
        rig.set(slot, "a", 0, 1, Some(0));
    }
    assert_eq!(rig.take_all("a", 2), [0, 5, 7, 1, 6, 2, 3, 4]);
}

/// Polls are unread if AWS did not know the transfer, and a source may invent any number of them.
#[test]
fn known_transfers_alternate_with_new_and_with_unknown_ones() {
    let mut rig = Rig::new();
    for slot in 0..3 {
        rig.set(slot, "a", 0, 5, None);
        let unread = Turn {
            is_read: false,
            ..rig.turn(5, Some(slot))
        };
        rig.put(10 + slot, "a", 0, unread);
        rig.set(20 + slot, "a", 0, 5, Some(4 + slot));
    }
    assert_eq!(rig.take_all("a", 10), [0, 20, 10, 21, 1, 22, 11, 2, 12]);
}

#[test]
fn connectors_that_exist_alternate_with_those_that_may_be_invented() {
    let mut rig = Rig::new();
    let invented = |rig: &Rig| Turn {
        is_confirmed: false,
        ..rig.turn(1, None)
    };
    for slot in 0..5 {
        rig.put(slot, "a", slot, invented(&rig));
    }
    for slot in 10..13 {
        rig.set(slot, "a", 5, 1, Some(0));
    }
    assert_eq!(rig.take_all("a", 1), [10, 0, 11, 1, 12, 2, 3, 4]);
}

/// A connector that AWS confirms by its first answer does not wait for the turns of all others.
#[test]
fn a_connector_changes_sides_once_it_exists() {
    let mut rig = Rig::new();
    let invented = |rig: &Rig| Turn {
        is_confirmed: false,
        ..rig.turn(1, None)
    };
    for slot in 0..5 {
        rig.put(slot, "a", slot, invented(&rig));
    }
    rig.put(10, "a", 0, invented(&rig));
    let first = rig.take("a", 1).unwrap();
    rig.put(0, "a", 0, rig.turn(2, Some(1)));
    rig.queue.confirm(&AccountName::new("a"), 0);
    rig.queue.finish(first);
    assert_eq!(rig.take("a", 1).map(|flight| flight.slot), Some(10));
    assert_eq!(rig.take("a", 1).map(|flight| flight.slot), Some(1));
    assert_eq!(rig.take_all("a", 2), [0, 2, 3, 4]);
}

#[test]
fn accounts_are_independent() {
    let mut rig = Rig::new();
    rig.set(0, "a", 0, 5, None);
    rig.set(1, "b", 1, 3, None);
    assert_eq!(rig.take("a", 4), None);
    assert_eq!(rig.take_all("b", 4), [1]);
    assert_eq!(rig.oldest_due("a"), Some(rig.at(5)));
    assert_eq!(rig.oldest_due("b"), Some(rig.at(3)), "in flight");
    assert_eq!(rig.oldest_due("c"), None);
}

#[test]
fn a_transfer_is_polled_at_most_once_for_a_horizon() {
    let mut rig = Rig::new();
    rig.set(0, "a", 0, 1, None);
    let flight = rig.take("a", 5).unwrap();
    assert_eq!(rig.take("a", 6), None, "in flight");
    rig.queue.finish(flight);
    assert_eq!(rig.oldest_due("a"), Some(rig.at(5) + NEXT));
    let again = rig.take("a", 6).unwrap();
    rig.queue.finish(again);
    assert_eq!(rig.take("a", 6), None);
}

#[test]
fn a_change_during_a_poll_applies_after_it() {
    let mut rig = Rig::new();
    rig.set(0, "a", 0, 1, None);
    let flight = rig.take("a", 5).unwrap();
    rig.set(0, "a", 0, 20, Some(6));
    rig.set(0, "a", 0, 7, Some(6));
    assert_eq!(rig.oldest_due("a"), Some(rig.at(1)), "as it was taken");
    assert_eq!(rig.take("a", 7), None, "still in flight");
    rig.queue.finish(flight);
    assert_eq!(rig.take_all("a", 7), [0]);
}

#[test]
fn a_poll_of_a_transfer_that_has_left_ends_without_effect() {
    let mut rig = Rig::new();
    rig.set(0, "a", 0, 1, None);
    let old = rig.take("a", 5).unwrap();
    rig.queue.remove(0);
    assert_eq!(rig.oldest_due("a"), None);
    rig.set(0, "a", 0, 5, None);
    let new = rig.take("a", 5).unwrap();
    assert!(!rig.queue.is_in_flight(old));
    rig.queue.finish(old);
    assert!(rig.queue.is_in_flight(new));
    assert_eq!(rig.oldest_due("a"), Some(rig.at(5)));
}

/// What happens to the queue.
#[derive(Clone, Debug)]
enum Step {
    /// Adds or changes a transfer: slot, due time, time of the last poll.
    Set(u32, u32, Option<u32>),
    Remove(u32),
    /// Takes a transfer of an account: account, horizon.
    Take(u32, u32),
    /// Ends one of the running polls.
    Finish(usize),
}

fn step_strategy() -> impl Strategy<Value = Step> {
    let slot = 0..12_u32;
    prop_oneof![
        3 => (slot.clone(), 0..40_u32, proptest::option::of(0..40_u32))
            .prop_map(|(slot, due, last_poll)| Step::Set(slot, due, last_poll)),
        1 => slot.prop_map(Step::Remove),
        4 => (0..2_u32, 0..40_u32).prop_map(|(account, horizon)| Step::Take(account, horizon)),
        2 => any::<usize>().prop_map(Step::Finish),
    ]
}

/// A transfer in the naive list. The account and the connector follow from the slot.
#[derive(Clone, Copy, Debug)]
struct Listed {
    slot: u32,
    turn: Turn,
    flight: Option<(Flight, Instant, Turn)>,
}

fn account_of(slot: u32) -> u32 {
    slot % 2
}

fn connector_of(slot: u32) -> u32 {
    slot % 6
}

proptest! {
    /// A connector may change sides at any time: everything that is ready is taken.
    #[test]
    fn every_ready_transfer_is_taken(
        steps in vec((0..12_u32, 0..3_u32, any::<[bool; 5]>()), 1..80),
    ) {
        let mut rig = Rig::new();
        let mut ready = std::collections::BTreeSet::new();
        rig.set(12, "a", 0, 1, None);
        rig.take("a", 1);
        for (slot, connector, [is_polled, is_read, is_confirmed, is_removed, is_taken]) in steps {
            rig.queue.remove(slot);
            ready.remove(&slot);
            if !is_removed {
                let turn = rig.turn(1, is_polled.then_some(0));
                rig.put(slot, "a", connector, Turn { is_read, is_confirmed, ..turn });
                ready.insert(slot);
            }
            if is_taken {
                let taken = rig.take("a", 1).map(|flight| flight.slot);
                prop_assert_eq!(taken.is_some(), !ready.is_empty());
                prop_assert!(taken.is_none_or(|slot| ready.remove(&slot)));
            }
            prop_assert_eq!(rig.queue.ready(&AccountName::new("a")), ready.len());
        }
        let mut rest = rig.take_all("a", 1);
        rest.sort_unstable();
        prop_assert_eq!(rest, Vec::from_iter(ready));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn the_queue_equals_a_naive_list(steps in vec(step_strategy(), 1..120)) {
        let mut rig = Rig::new();
        let names = ["a", "b"];
        let mut list: Vec<Listed> = Vec::new();
        let mut flights: Vec<Flight> = Vec::new();
        let mut horizons = [None::<Instant>; 2];
        let mut known = [false; 2];
        // By connector: whether its last turn went to a transfer that had been polled, and how many
        // turns others have had while it had ready transfers.
        let mut last_class = [None::<bool>; 6];
        let mut waited = [0_usize; 6];
        for step in steps {
            match step {
                Step::Set(slot, due, last_poll) => {
                    known[account_of(slot) as usize] = true;
                    rig.set(slot, names[account_of(slot) as usize], connector_of(slot), due, last_poll);
                    let turn = rig.turn(due, last_poll);
                    match list.iter_mut().find(|listed| listed.slot == slot) {
                        Some(Listed { flight: Some((_, _, next)), .. }) => *next = turn,
                        Some(listed) => listed.turn = turn,
                        None => list.push(Listed { slot, turn, flight: None }),
                    }
                }
                Step::Remove(slot) => {
                    rig.queue.remove(slot);
                    list.retain(|listed| listed.slot != slot);
                }
                Step::Take(account, horizon) => {
                    let taken = rig.take(names[account as usize], horizon);
                    let horizon = horizons[account as usize].max(Some(rig.at(horizon))).unwrap();
                    // An account that has never had a transfer has no horizon.
                    if known[account as usize] {
                        horizons[account as usize] = Some(horizon);
                    }
                    let ready: Vec<_> = list
                        .iter()
                        .filter(|listed| {
                            account_of(listed.slot) == account
                                && listed.flight.is_none()
                                && listed.turn.due <= horizon
                        })
                        .copied()
                        .collect();
                    prop_assert_eq!(taken.is_some(), !ready.is_empty());
                    let Some(flight) = taken else {
                        for connector in (0..6).filter(|connector| connector % 2 == account) {
                            last_class[connector as usize] = None;
                            waited[connector as usize] = 0;
                        }
                        continue;
                    };
                    let found = ready.iter().find(|listed| listed.slot == flight.slot);
                    prop_assert!(found.is_some(), "{} is not ready", flight.slot);
                    let turn = found.unwrap().turn;
                    let connector = connector_of(flight.slot);
                    let polled = turn.last_poll.is_some();
                    let of_connector = || ready.iter().filter(|r| connector_of(r.slot) == connector);
                    let place = |turn: Turn| turn.last_poll.unwrap_or(turn.due);
                    let first = of_connector()
                        .filter(|r| r.turn.last_poll.is_some() == polled)
                        .map(|r| (place(r.turn), r.slot))
                        .min();
                    prop_assert_eq!(first, Some((place(turn), flight.slot)), "not the first of its class");
                    let has_other = of_connector().any(|r| r.turn.last_poll.is_some() != polled);
                    if last_class[connector as usize] == Some(polled) {
                        prop_assert!(!has_other, "the other class was next");
                    }
                    last_class[connector as usize] = Some(polled);
                    for other in (0..6).filter(|other| other % 2 == account) {
                        let is_ready = ready.iter().any(|r| connector_of(r.slot) == other);
                        let waited = &mut waited[other as usize];
                        *waited = if other == connector || !is_ready { 0 } else { *waited + 1 };
                        if !is_ready {
                            // Its alternation starts again.
                            last_class[other as usize] = None;
                        }
                        prop_assert!(*waited <= 2, "connector {} is passed over", other);
                    }
                    let listed = list.iter_mut().find(|listed| listed.slot == flight.slot).unwrap();
                    listed.flight = Some((flight, horizon, turn));
                    flights.push(flight);
                }
                Step::Finish(nth) => {
                    if flights.is_empty() {
                        continue;
                    }
                    let flight = flights.swap_remove(nth % flights.len());
                    rig.queue.finish(flight);
                    for listed in &mut list {
                        if let Some((of, horizon, next)) = listed.flight
                            && of == flight
                        {
                            listed.turn = Turn { due: next.due.max(horizon + NEXT), ..next };
                            listed.flight = None;
                        }
                    }
                }
            }
            for (account, name) in (0..).zip(names) {
                let of_account = || list.iter().filter(|listed| account_of(listed.slot) == account);
                prop_assert_eq!(rig.oldest_due(name), of_account().map(|listed| listed.turn.due).min());
                let horizon = horizons[account as usize];
                let ready = of_account()
                    .filter(|listed| listed.flight.is_none() && Some(listed.turn.due) <= horizon)
                    .count();
                prop_assert_eq!(rig.queue.ready(&AccountName::new(name)), ready);
            }
            for flight in &flights {
                let current = list
                    .iter()
                    .any(|listed| listed.flight.is_some_and(|(of, ..)| of == *flight));
                prop_assert_eq!(rig.queue.is_in_flight(*flight), current);
            }
        }
    }
}
