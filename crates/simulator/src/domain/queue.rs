//! A standard queue of SQS: messages that come back unless they are deleted.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, SystemTime};

use super::event::Event;

/// The name of the queue.
pub(crate) const QUEUE: &str = "transfer-events";
/// Retention of messages: the default of SQS.
pub(crate) const QUEUE_RETENTION: Duration = Duration::from_hours(4 * 24);
/// Messages kept; past this many, those that are there the longest are dropped.
const MAX_MESSAGES: usize = 1_000_000;

/// What a message says.
pub(crate) enum Body {
    Text(String),
    Event(Event),
}

/// One message.
pub(crate) struct Message {
    pub(crate) body: Body,
    pub(crate) sent_at: SystemTime,
    pub(crate) first_received_at: Option<SystemTime>,
    pub(crate) receives: u32,
    available_at: SystemTime,
}

/// One receive of one message, which a receipt handle stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) message: u64,
    pub(crate) receive: u32,
}

/// How many messages there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Depth {
    pub(crate) available: usize,
    /// Received and neither deleted nor back.
    pub(crate) in_flight: usize,
    /// Not available yet.
    pub(crate) delayed: usize,
}

#[derive(Default)]
pub(crate) struct Queue {
    serial: u64,
    messages: HashMap<u64, Message>,
    /// By the moment from which a message can be received.
    order: BTreeSet<(SystemTime, u64)>,
}

impl Queue {
    /// Takes a message that can be received from `at` on. The answer is its number.
    pub(crate) fn put(&mut self, body: Body, at: SystemTime) -> u64 {
        self.serial += 1;
        let message = Message {
            body,
            sent_at: at,
            first_received_at: None,
            receives: 0,
            available_at: at,
        };
        self.messages.insert(self.serial, message);
        self.order.insert((at, self.serial));
        if self.order.len() > MAX_MESSAGES
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.messages.remove(&oldest);
        }
        self.serial
    }

    /// Receives up to `max` messages, which come back after `visibility` unless they are deleted.
    pub(crate) fn receive(
        &mut self,
        max: usize,
        visibility: Duration,
        now: SystemTime,
    ) -> Vec<Receipt> {
        let mut receipts = Vec::new();
        while receipts.len() < max
            && let Some((at, serial)) = self.order.first().copied().filter(|(at, _)| *at <= now)
        {
            self.order.remove(&(at, serial));
            let Some(message) = self.messages.get_mut(&serial) else {
                continue;
            };
            if now
                .duration_since(message.sent_at)
                .is_ok_and(|age| age >= QUEUE_RETENTION)
            {
                self.messages.remove(&serial);
                continue;
            }
            message.receives = message.receives.saturating_add(1);
            message.first_received_at.get_or_insert(now);
            message.available_at = now.checked_add(visibility).unwrap_or(now);
            receipts.push((
                message.available_at,
                Receipt {
                    message: serial,
                    receive: message.receives,
                },
            ));
        }
        // Made available only now: without a visibility timeout, one call would receive a message
        // repeatedly.
        self.order
            .extend(receipts.iter().map(|(at, receipt)| (*at, receipt.message)));
        receipts.into_iter().map(|(_, receipt)| receipt).collect()
    }

    pub(crate) fn message(&self, receipt: Receipt) -> Option<&Message> {
        self.messages.get(&receipt.message)
    }

    /// Deletes a message by its newest receipt. An older receipt does nothing, as in a standard
    /// queue.
    pub(crate) fn delete(&mut self, receipt: Receipt) {
        let is_newest = |message: &Message| message.receives == receipt.receive;
        if self.messages.get(&receipt.message).is_some_and(is_newest)
            && let Some(message) = self.messages.remove(&receipt.message)
        {
            self.order.remove(&(message.available_at, receipt.message));
        }
    }

    /// Deletes all messages. Numbers are never reused.
    pub(crate) fn purge(&mut self) {
        self.messages.clear();
        self.order.clear();
    }

    pub(crate) fn depth(&self, now: SystemTime) -> Depth {
        let mut depth = Depth::default();
        for message in self.messages.values() {
            let count = match (message.available_at <= now, message.receives) {
                (true, _) => &mut depth.available,
                (false, 0) => &mut depth.delayed,
                (false, _) => &mut depth.in_flight,
            };
            *count += 1;
        }
        depth
    }

    /// Returns when the next message becomes available.
    pub(crate) fn next(&self) -> Option<SystemTime> {
        self.order.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::now;

    fn queue(messages: usize) -> Queue {
        let mut queue = Queue::default();
        for n in 0..messages {
            queue.put(Body::Text(n.to_string()), now().wall);
        }
        queue
    }

    const VISIBILITY: Duration = Duration::from_secs(30);

    #[test]
    fn a_message_comes_back_after_its_visibility_timeout_and_counts_its_receives() {
        let mut queue = queue(1);
        let start = now().wall;
        let first = queue.receive(10, VISIBILITY, start);
        assert_eq!(queue.receive(10, VISIBILITY, start + VISIBILITY / 2), []);
        assert_eq!(
            queue.depth(start),
            Depth {
                in_flight: 1,
                ..Depth::default()
            }
        );
        assert_eq!(queue.next(), Some(start + VISIBILITY));
        let second = queue.receive(10, VISIBILITY, start + VISIBILITY);
        assert_eq!((first[0].receive, second[0].receive), (1, 2));
        let message = queue.message(second[0]).unwrap();
        assert_eq!(
            (message.receives, message.first_received_at),
            (2, Some(start))
        );
    }

    #[test]
    fn only_the_newest_receipt_deletes() {
        let mut queue = queue(1);
        let start = now().wall;
        let old = queue.receive(1, Duration::ZERO, start)[0];
        let new = queue.receive(1, VISIBILITY, start)[0];
        queue.delete(old);
        assert_eq!(queue.depth(start).in_flight, 1);
        queue.delete(new);
        queue.delete(new);
        assert_eq!((queue.depth(start), queue.next()), (Depth::default(), None));
    }

    #[test]
    fn one_call_receives_a_message_once_and_as_many_as_it_asks_for() {
        let mut queue = queue(12);
        let mut receive = |max| queue.receive(max, Duration::ZERO, now().wall).len();
        assert_eq!([receive(10), receive(1), receive(100)], [10, 1, 12]);
    }

    #[test]
    fn a_message_can_be_delayed_and_expires() {
        let mut queue = Queue::default();
        let start = now().wall;
        queue.put(Body::Text(String::new()), start + VISIBILITY);
        assert_eq!(
            queue.depth(start),
            Depth {
                delayed: 1,
                ..Depth::default()
            }
        );
        assert_eq!(queue.receive(1, VISIBILITY, start), []);
        assert_eq!(
            queue.receive(1, VISIBILITY, start + VISIBILITY + QUEUE_RETENTION),
            []
        );
        assert_eq!(queue.depth(start), Depth::default());
    }
}
