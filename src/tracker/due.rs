//! The order in which transfers are polled.
//!
//! Each account has its own order, so that none waits for another. Within an account the connectors
//! take turns, and within a connector transfers that have never been polled, in the order of their
//! due times, alternate with the others, the one polled longest ago first. Neither a flood of new transfers nor a connector
//! with many transfers therefore delays the others by more than the number of connectors.
//!
//! A transfer that is being polled keeps its due time until the poll ends. [`Tracker::oldest_due`]
//! passes a moment only when everything that was due at it has been polled.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::time::{Duration, Instant};

use super::{PollEffects, PollResult, Tracker};
use model::{AccountName, Now, TransferKey};

/// Smallest step of a due time.
const NEXT: Duration = Duration::from_nanos(1);

/// Memory is released when less than this fraction of it is in use.
const SHRINK_BELOW: usize = 4;

/// A transfer that is being polled.
#[derive(Debug, PartialEq, Eq)]
pub struct PollTicket {
    /// The transfer.
    pub key: TransferKey,
    /// The time from which the poll was due.
    pub due: Instant,
    flight: Flight,
}

/// Identifies one poll. A slot may be used again while a poll of its previous transfer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flight {
    pub(super) slot: u32,
    number: u64,
}

/// When a transfer is due and when it was last polled, which give its place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) due: Instant,
    /// Includes failed polls.
    pub(super) last_poll: Option<Instant>,
}

/// The unfinished transfers of all accounts, by slot and in the order of their polls.
#[derive(Clone, Debug, Default)]
pub(super) struct DueQueue {
    entries: HashMap<u32, Entry>,
    accounts: Vec<AccountQueue>,
    numbers: BTreeMap<AccountName, u32>,
    flights: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    account: u32,
    connector: u32,
    turn: Turn,
    /// Set while the transfer is being polled.
    in_flight: Option<Box<InFlight>>,
}

#[derive(Clone, Debug)]
struct InFlight {
    number: u64,
    /// The horizon of the poll. A transfer is polled at most once for each horizon.
    horizon: Instant,
    /// The turn after the poll.
    next: Turn,
}

#[derive(Clone, Debug, Default)]
struct AccountQueue {
    /// The latest horizon. Queued transfers that are due by then are ready.
    horizon: Option<Instant>,
    /// All transfers, including those in flight.
    by_due: BTreeSet<(Instant, u32)>,
    connectors: HashMap<u32, ReadyQueue>,
    /// Connectors with ready transfers, in the order of their turns. A connector stays until its
    /// turn comes, even if its transfers have gone.
    turns: VecDeque<u32>,
    /// Number of ready transfers.
    ready: usize,
}

/// The ready transfers of one connector.
#[derive(Clone, Debug, Default)]
struct ReadyQueue {
    /// By due time.
    never_polled: BTreeSet<(Instant, u32)>,
    /// By the time of the last poll.
    polled: BTreeSet<(Instant, u32)>,
    /// Whether the next turn belongs to `polled`.
    polled_next: bool,
}

impl DueQueue {
    /// Adds a transfer or changes its turn. The new turn of a transfer in flight applies after the
    /// poll.
    pub(super) fn set(&mut self, slot: u32, account: &AccountName, connector: u32, turn: Turn) {
        if let Some(entry) = self.entries.get_mut(&slot) {
            if let Some(in_flight) = &mut entry.in_flight {
                in_flight.next = turn;
                return;
            }
            if entry.turn == turn {
                return;
            }
            self.remove(slot);
        }
        let account = self.account_number(account);
        let entry = Entry {
            account,
            connector,
            turn,
            in_flight: None,
        };
        self.accounts[account as usize].add(slot, connector, turn);
        self.entries.insert(slot, entry);
    }

    /// Removes a transfer, queued or in flight.
    pub(super) fn remove(&mut self, slot: u32) {
        let Some(entry) = self.entries.remove(&slot) else {
            return;
        };
        let account = &mut self.accounts[entry.account as usize];
        account.by_due.remove(&(entry.turn.due, slot));
        if entry.in_flight.is_none() {
            account.remove_ready(slot, entry.connector, entry.turn);
        }
        if self.entries.len() < self.entries.capacity() / SHRINK_BELOW {
            self.entries.shrink_to(2 * self.entries.len());
        }
    }

    /// Takes the next transfer of an account that is due by `horizon`. A horizon never falls: one
    /// that is earlier than a previous one has no effect.
    pub(super) fn take(&mut self, account: &AccountName, horizon: Instant) -> Option<Flight> {
        let number = *self.numbers.get(account)?;
        self.raise_horizon(number, horizon);
        let account = &mut self.accounts[number as usize];
        let horizon = account.horizon?;
        let slot = account.next_ready()?;
        let entry = self.entries.get_mut(&slot)?;
        self.flights += 1;
        entry.in_flight = Some(Box::new(InFlight {
            number: self.flights,
            horizon,
            next: entry.turn,
        }));
        Some(Flight {
            slot,
            number: self.flights,
        })
    }

    /// Returns whether the poll is the current one of its transfer: the transfer has not left.
    pub(super) fn is_in_flight(&self, flight: Flight) -> bool {
        let entry = self.entries.get(&flight.slot);
        entry
            .and_then(|entry| entry.in_flight.as_ref())
            .is_some_and(|in_flight| in_flight.number == flight.number)
    }

    /// Queues a transfer again after its poll. It is not due before the next horizon.
    pub(super) fn finish(&mut self, flight: Flight) {
        if !self.is_in_flight(flight) {
            return;
        }
        let Some(entry) = self.entries.get_mut(&flight.slot) else {
            return;
        };
        let Some(in_flight) = entry.in_flight.take() else {
            return;
        };
        let account = &mut self.accounts[entry.account as usize];
        account.by_due.remove(&(entry.turn.due, flight.slot));
        entry.turn = in_flight.next;
        entry.turn.due = entry.turn.due.max(in_flight.horizon + NEXT);
        account.add(flight.slot, entry.connector, entry.turn);
    }

    /// Returns the earliest due time among the transfers of an account, queued and in flight.
    pub(super) fn oldest_due(&self, account: &AccountName) -> Option<Instant> {
        let number = *self.numbers.get(account)?;
        let (due, _) = self.accounts[number as usize].by_due.first()?;
        Some(*due)
    }

    /// Returns the number of queued transfers of an account that are due by its horizon.
    pub(super) fn ready(&self, account: &AccountName) -> usize {
        let number = self.numbers.get(account);
        number.map_or(0, |number| self.accounts[*number as usize].ready)
    }

    /// Returns when a transfer is due, or was at the start of its running poll.
    pub(super) fn due(&self, slot: u32) -> Option<Instant> {
        self.entries.get(&slot).map(|entry| entry.turn.due)
    }

    /// Returns the slots of all transfers.
    pub(super) fn slots(&self) -> Vec<u32> {
        self.entries.keys().copied().collect()
    }

    fn account_number(&mut self, account: &AccountName) -> u32 {
        if let Some(number) = self.numbers.get(account) {
            return *number;
        }
        let number = super::chunk_index::number(self.accounts.len());
        self.accounts.push(AccountQueue::default());
        self.numbers.insert(account.clone(), number);
        number
    }

    fn raise_horizon(&mut self, account: u32, horizon: Instant) {
        let account = &mut self.accounts[account as usize];
        if account.horizon.is_some_and(|before| before >= horizon) {
            return;
        }
        let after = match account.horizon.replace(horizon) {
            Some(before) => Bound::Excluded((before, u32::MAX)),
            None => Bound::Unbounded,
        };
        // Transfers in flight were due by an earlier horizon.
        let range = (after, Bound::Included((horizon, u32::MAX)));
        let ready: Vec<_> = account.by_due.range(range).copied().collect();
        for (_, slot) in ready {
            if let Some(entry) = self.entries.get(&slot) {
                account.add_ready(slot, entry.connector, entry.turn);
            }
        }
    }
}

impl AccountQueue {
    fn add(&mut self, slot: u32, connector: u32, turn: Turn) {
        self.by_due.insert((turn.due, slot));
        if self.horizon.is_some_and(|horizon| turn.due <= horizon) {
            self.add_ready(slot, connector, turn);
        }
    }

    fn add_ready(&mut self, slot: u32, connector: u32, turn: Turn) {
        let queue = self.connectors.entry(connector).or_insert_with(|| {
            self.turns.push_back(connector);
            ReadyQueue::default()
        });
        let (class, order) = queue.class(turn);
        self.ready += usize::from(class.insert((order, slot)));
    }

    fn remove_ready(&mut self, slot: u32, connector: u32, turn: Turn) {
        if let Some(queue) = self.connectors.get_mut(&connector) {
            let (class, order) = queue.class(turn);
            self.ready -= usize::from(class.remove(&(order, slot)));
        }
    }

    fn next_ready(&mut self) -> Option<u32> {
        while let Some(connector) = self.turns.pop_front() {
            let next = self
                .connectors
                .get_mut(&connector)
                .and_then(ReadyQueue::next);
            let Some(slot) = next else {
                self.connectors.remove(&connector);
                continue;
            };
            self.turns.push_back(connector);
            self.ready -= 1;
            return Some(slot);
        }
        None
    }
}

impl ReadyQueue {
    /// Returns the queue of a turn, and the place in it.
    fn class(&mut self, turn: Turn) -> (&mut BTreeSet<(Instant, u32)>, Instant) {
        match turn.last_poll {
            None => (&mut self.never_polled, turn.due),
            Some(last_poll) => (&mut self.polled, last_poll),
        }
    }

    fn next(&mut self) -> Option<u32> {
        let is_polled = if self.polled_next {
            !self.polled.is_empty()
        } else {
            self.never_polled.is_empty()
        };
        let queue = if is_polled {
            &mut self.polled
        } else {
            &mut self.never_polled
        };
        let (_, slot) = queue.pop_first()?;
        self.polled_next = !is_polled;
        Some(slot)
    }
}

impl Tracker {
    /// Takes the next transfer of an account that is due by `horizon`. It counts as in flight until
    /// [`Tracker::finish_poll`].
    pub fn take_due(&mut self, account: &AccountName, horizon: Instant) -> Option<PollTicket> {
        let flight = self.due.take(account, horizon)?;
        Some(PollTicket {
            key: self.key(flight.slot),
            due: self.due.due(flight.slot)?,
            flight,
        })
    }

    /// Records the result of a poll, and queues its transfer again if it is unfinished. Returns
    /// `None` if the transfer has left since the poll began: the result is then ignored.
    pub fn finish_poll(
        &mut self,
        ticket: &PollTicket,
        result: &PollResult,
        now: Now,
    ) -> Option<PollEffects> {
        if !self.due.is_in_flight(ticket.flight) {
            return None;
        }
        let effects = self.record_poll(&ticket.key, result, now);
        self.due.finish(ticket.flight);
        Some(effects)
    }

    /// Returns the earliest due time among the transfers of an account, including those that are
    /// being polled. The cost does not depend on the number of transfers.
    pub fn oldest_due(&self, account: &AccountName) -> Option<Instant> {
        self.due.oldest_due(account)
    }

    /// Returns the number of transfers of an account that are due by the latest horizon and are not
    /// being polled.
    pub fn ready(&self, account: &AccountName) -> usize {
        self.due.ready(account)
    }

    /// Returns whether a transfer is due at `now`, or is being polled and was. The cost depends on
    /// the number of accounts.
    pub fn is_any_due(&self, now: Now) -> bool {
        let mut accounts = self.accounts.keys();
        accounts.any(|account| {
            self.oldest_due(account)
                .is_some_and(|due| due <= now.instant)
        })
    }

    /// Returns the transfers that are due, in the order of their polls.
    #[cfg(test)]
    pub(crate) fn due(&self, now: Now) -> Vec<TransferKey> {
        let mut queue = self.due.clone();
        let mut due = Vec::new();
        for account in self.accounts.keys() {
            while let Some(flight) = queue.take(account, now.instant) {
                due.push(self.key(flight.slot));
            }
        }
        due
    }
}
