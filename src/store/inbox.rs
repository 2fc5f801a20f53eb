//! The port for what processes pass on to each other. Of several that share the shards, the one that learns
//! of something puts it into the inbox of its shard, whose owner applies it.

use std::collections::BTreeSet;
use std::time::SystemTime;

use super::StoreFuture;
use crate::tracker::query::FailureFilter;
use model::{AccountName, ConnectorId, Fact, ListedConnectors, Origin, Shard, TransferKey};

/// Something that belongs to a shard.
#[derive(Clone, Debug, PartialEq)]
pub enum Letter {
    /// Facts that a source reported.
    Facts(Origin, Vec<Fact>),
    /// A transfer that a source does not report any more.
    Untracked(TransferKey, Origin),
    /// Failures that somebody acknowledged.
    Acknowledged(FailureFilter),
    /// Connectors of an account, with their details, and whether these are all.
    Listed(AccountName, ListedConnectors, bool),
    /// The connectors of an account that have no results to poll.
    Excluded(AccountName, BTreeSet<ConnectorId>),
}

impl Letter {
    /// Divides a letter that is too large, if that can be done. If a list of connectors is divided, the
    /// reader does not learn which ones are no longer listed.
    pub fn halves(self) -> Option<[Self; 2]> {
        match self {
            Self::Facts(origin, mut facts) if facts.len() > 1 => {
                let second = facts.split_off(facts.len() / 2);
                Some([Self::Facts(origin, facts), Self::Facts(origin, second)])
            }
            Self::Listed(account, mut listed, _) if listed.len() > 1 => {
                let middle = listed.keys().nth(listed.len() / 2).cloned();
                let second = middle.map_or_else(ListedConnectors::new, |id| listed.split_off(&id));
                Some([
                    Self::Listed(account.clone(), listed, false),
                    Self::Listed(account, second, false),
                ])
            }
            _ => None,
        }
    }
}

/// Letters that were put into an inbox together.
#[derive(Clone, Debug, PartialEq)]
pub struct InboxDelivery {
    /// Identifies it within the inbox. Names are ordered by the time at which they were given.
    pub name: String,
    /// When it was put there, by the clock of the sender.
    pub at: SystemTime,
    /// How often its letters were passed on before.
    pub hops: u8,
    /// What it contains.
    pub letters: Vec<Letter>,
}

/// What is in an inbox.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InboxContents {
    /// The first deliveries, in order.
    pub deliveries: Vec<InboxDelivery>,
    /// When the oldest delivery was put there that cannot be read: it is damaged, or of a newer release.
    pub oldest_unreadable: Option<SystemTime>,
}

/// The inboxes of all shards.
pub trait Inboxes: Send + Sync + 'static {
    /// Puts letters into the inbox of a shard. When it returns, they survive a crash of the process.
    ///
    /// # Errors
    /// The store cannot be written to. Some of the letters may be in the inbox nevertheless.
    fn put<'a>(&'a self, shard: Shard, letters: &'a [Letter], hops: u8) -> StoreFuture<'a, ()>;

    /// Returns what is first in the inbox of a shard. What was removed a moment ago may be among it.
    ///
    /// # Errors
    /// The store cannot be read.
    fn first(&self, shard: Shard) -> StoreFuture<'_, InboxContents>;

    /// Removes a delivery.
    ///
    /// # Errors
    /// The store cannot be written to.
    fn remove<'a>(&'a self, shard: Shard, name: &'a str) -> StoreFuture<'a, ()>;
}
