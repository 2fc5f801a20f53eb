//! The order in which transfers are polled.
//!
//! Each account has its own order, so that none waits for another. Within an account the connectors
//! take turns: those that exist alternate with those that AWS has not confirmed, which a source may
//! have invented. Within a connector, transfers whose files are known alternate with the others, and
//! among the others those that have never been polled, in the order of their due times, alternate with
//! those that AWS does not know or that could not be read. What has been polled longest ago comes
//! first. Neither a flood of new or invented transfers, whatever their connectors, nor a connector with
//! many transfers therefore delays the others by more than twice the number of existing connectors.
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
    pub(super) number: u64,
}

/// When a transfer is due and when it was last polled, which give its place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) due: Instant,
    /// Includes failed polls.
    pub(super) last_poll: Option<Instant>,
    /// Whether its files are known.
    pub(super) is_read: bool,
    /// Whether its connector exists.
    pub(super) is_confirmed: bool,
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

/// A running poll.
#[derive(Clone, Debug)]
pub(super) struct InFlight {
    pub(super) number: u64,
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
    /// The turns of connectors that exist.
    confirmed: VecDeque<QueuedTurn>,
    /// The turns of the other connectors.
    unconfirmed: VecDeque<QueuedTurn>,
    /// Whether the next turn belongs to `unconfirmed`.
    unconfirmed_next: bool,
    /// Number of turns that were queued.
    queued: u64,
    /// Number of ready transfers.
    ready: usize,
}

/// The turn of a connector with ready transfers. It stays until it comes, even if the transfers have
/// gone. It is void if its number is not that of the connector's queue.
#[derive(Clone, Copy, Debug)]
struct QueuedTurn {
    connector: u32,
    number: u64,
}

/// The ready transfers of one connector.
#[derive(Clone, Debug, Default)]
struct ReadyQueue {
    /// Those whose files are known, by the time of the last poll.
    read: BTreeSet<(Instant, u32)>,
    /// By due time.
    never_polled: BTreeSet<(Instant, u32)>,
    /// Those that polls have not read, by the time of the last poll.
    unread: BTreeSet<(Instant, u32)>,
    /// Whether the next turn belongs to `read`.
    read_next: bool,
    /// Whether the next turn of the others belongs to `unread`.
    unread_next: bool,
    is_confirmed: bool,
    /// The number of its turn.
    turn: u64,
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

    /// Removes a transfer, queued or in flight. Returns its running poll.
    pub(super) fn remove(&mut self, slot: u32) -> Option<Box<InFlight>> {
        let entry = self.entries.remove(&slot)?;
        let account = &mut self.accounts[entry.account as usize];
        account.by_due.remove(&(entry.turn.due, slot));
        if entry.in_flight.is_none() {
            account.remove_ready(slot, entry.connector, entry.turn);
        }
        if self.entries.len() < self.entries.capacity() / SHRINK_BELOW {
            self.entries.shrink_to(2 * self.entries.len());
        }
        entry.in_flight
    }

    /// Continues the running poll of a queued transfer that has left since it began. Returns the poll if
    /// the transfer is not queued.
    pub(super) fn resume(
        &mut self,
        slot: u32,
        mut in_flight: Box<InFlight>,
    ) -> Option<Box<InFlight>> {
        let Some(entry) = self.entries.get_mut(&slot) else {
            return Some(in_flight);
        };
        in_flight.next = entry.turn;
        let account = &mut self.accounts[entry.account as usize];
        account.remove_ready(slot, entry.connector, entry.turn);
        entry.in_flight = Some(in_flight);
        None
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

    /// Moves a connector to the turns of those that exist.
    pub(super) fn confirm(&mut self, account: &AccountName, connector: u32) {
        let Some(number) = self.numbers.get(account) else {
            return;
        };
        let account = &mut self.accounts[*number as usize];
        let queue = account.connectors.get(&connector);
        if queue.is_some_and(|queue| !queue.is_confirmed) {
            account.queue_turn(connector, true);
        }
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
        let range = (after, Bound::Included((horizon, u32::MAX)));
        let ready: Vec<_> = account.by_due.range(range).copied().collect();
        for (_, slot) in ready {
            // A poll that continues for a transfer that has come back may be due later.
            if let Some(entry) = self.entries.get(&slot)
                && entry.in_flight.is_none()
            {
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
        let queue = self.connectors.entry(connector).or_default();
        if queue.turn == 0 || (turn.is_confirmed && !queue.is_confirmed) {
            self.queue_turn(connector, turn.is_confirmed);
        }
        let queue = self.connectors.entry(connector).or_default();
        let (class, order) = queue.class(turn);
        self.ready += usize::from(class.insert((order, slot)));
    }

    /// Queues a turn of a connector, which voids the one that is queued.
    fn queue_turn(&mut self, connector: u32, is_confirmed: bool) {
        let Some(queue) = self.connectors.get_mut(&connector) else {
            return;
        };
        self.queued += 1;
        queue.is_confirmed = is_confirmed;
        queue.turn = self.queued;
        let turns = if is_confirmed {
            &mut self.confirmed
        } else {
            &mut self.unconfirmed
        };
        turns.push_back(QueuedTurn {
            connector,
            number: self.queued,
        });
    }

    fn remove_ready(&mut self, slot: u32, connector: u32, turn: Turn) {
        if let Some(queue) = self.connectors.get_mut(&connector) {
            let (class, order) = queue.class(turn);
            self.ready -= usize::from(class.remove(&(order, slot)));
        }
    }

    fn next_ready(&mut self) -> Option<u32> {
        let first = self.unconfirmed_next;
        for is_unconfirmed in [first, !first] {
            let turns = if is_unconfirmed {
                &mut self.unconfirmed
            } else {
                &mut self.confirmed
            };
            while let Some(turn) = turns.pop_front() {
                let queue = self.connectors.get_mut(&turn.connector);
                let Some(queue) = queue.filter(|queue| queue.turn == turn.number) else {
                    continue;
                };
                let Some(slot) = queue.next() else {
                    self.connectors.remove(&turn.connector);
                    continue;
                };
                turns.push_back(turn);
                self.unconfirmed_next = !is_unconfirmed;
                self.ready -= 1;
                return Some(slot);
            }
        }
        None
    }
}

impl ReadyQueue {
    /// Returns the queue of a turn, and the place in it.
    fn class(&mut self, turn: Turn) -> (&mut BTreeSet<(Instant, u32)>, Instant) {
        match turn.last_poll {
            last_poll if turn.is_read => (&mut self.read, last_poll.unwrap_or(turn.due)),
            None => (&mut self.never_polled, turn.due),
            Some(last_poll) => (&mut self.unread, last_poll),
        }
    }

    fn next(&mut self) -> Option<u32> {
        let is_read = if self.read_next {
            !self.read.is_empty()
        } else {
            self.never_polled.is_empty() && self.unread.is_empty()
        };
        let (_, slot) = if is_read {
            self.read.pop_first()?
        } else {
            let is_unread = if self.unread_next {
                !self.unread.is_empty()
            } else {
                self.never_polled.is_empty()
            };
            self.unread_next = !is_unread;
            if is_unread {
                self.unread.pop_first()?
            } else {
                self.never_polled.pop_first()?
            }
        };
        self.read_next = !is_read;
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
    /// `None` if the transfer has left since the poll began and has not come back: the result is then
    /// ignored.
    pub fn finish_poll(
        &mut self,
        ticket: &PollTicket,
        result: &PollResult,
        now: Now,
    ) -> Option<PollEffects> {
        let slot = self.slot(&ticket.key);
        let flight = slot.map(|slot| Flight {
            slot,
            ..ticket.flight
        });
        let Some(flight) = flight.filter(|flight| self.due.is_in_flight(*flight)) else {
            self.departed_polls.finish(&ticket.key, ticket.flight);
            return None;
        };
        let effects = self.record_poll(&ticket.key, result, now);
        self.due.finish(flight);
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
