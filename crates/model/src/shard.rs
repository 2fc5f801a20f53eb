//! Which of several exporters tracks a transfer.

use std::fmt;

use super::hash::{fnv1a, mix};
use super::{ConnectorId, TransferId};

/// One of several exporters that share the transfers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    total: u32,
}

impl Default for Shard {
    fn default() -> Self {
        Self::ONLY
    }
}

/// Why there is no such shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// The total is 0 or above [`Shard::MOST`].
    #[error("the number of shards is 1 to {}", Shard::MOST)]
    Total,
    /// The index is not below the total.
    #[error("the index of a shard is below the number of shards: 0 to {}", .0 - 1)]
    Index(u32),
}

impl Shard {
    /// The only one: it has every transfer.
    pub const ONLY: Self = Self { index: 0, total: 1 };
    /// Shards at most.
    pub const MOST: u32 = 1_000;

    /// Number `index` of `total`, counted from 0.
    ///
    /// # Errors
    /// [`ShardError`].
    pub fn new(index: u32, total: u32) -> Result<Self, ShardError> {
        if !(1..=Self::MOST).contains(&total) {
            Err(ShardError::Total)
        } else if index >= total {
            Err(ShardError::Index(total))
        } else {
            Ok(Self { index, total })
        }
    }

    /// Which one it is, from 0.
    pub fn index(self) -> u32 {
        self.index
    }

    /// How many there are.
    pub fn total(self) -> u32 {
        self.total
    }

    /// True if the transfer is this shard's. Rendezvous hashing: the transfer belongs to the shard that scores highest
    /// for it, so with one shard more, the new one takes its share and nothing else moves. Every version of every shard
    /// has to agree on the hash.
    pub fn owns(self, connector: &ConnectorId, transfer: &TransferId) -> bool {
        self.owns_text(connector, transfer.as_str())
    }

    /// The same for anything else that a connector does, by its id.
    pub fn owns_text(self, connector: &ConnectorId, id: &str) -> bool {
        let pair = fnv1a([connector.as_str().as_bytes(), b"/", id.as_bytes()]);
        let score = |shard: u32| mix(pair ^ mix(u64::from(shard) + 1));
        let own = score(self.index);
        // A tie, one in 2^64, goes to the lower index.
        (0..self.total)
            .all(|other| other == self.index || (own, other) > (score(other), self.index))
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.index, self.total)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn owner(total: u32, connector: &ConnectorId, transfer: &TransferId) -> u32 {
        let owners: Vec<_> = (0..total)
            .filter(|index| Shard::new(*index, total).unwrap().owns(connector, transfer))
            .collect();
        assert_eq!(owners.len(), 1, "disjoint and complete: {owners:?}");
        owners[0]
    }

    fn connector(n: u64) -> ConnectorId {
        format!("c-{n:017x}").parse().unwrap()
    }

    proptest! {
        #[test]
        fn every_pair_has_one_owner(
            total in 1..40_u32,
            c in 0..16_u64.pow(12),
            transfer in "[0-9a-zA-Z./-]{1,40}",
        ) {
            owner(total, &connector(c), &transfer.parse().unwrap());
        }
    }

    #[test]
    fn the_shares_are_even_and_one_shard_more_moves_its_share_alone() {
        let pairs: Vec<(ConnectorId, TransferId)> = (0..20_000_u64)
            .map(|n| {
                (
                    connector(n % 50),
                    format!("4b1a8c1e-0000-4000-8000-{n:012x}").parse().unwrap(),
                )
            })
            .collect();
        for total in [1, 2, 3, 4, 7, 16] {
            let before: Vec<_> = pairs.iter().map(|(c, t)| owner(total, c, t)).collect();
            let fair = pairs.len() / total as usize;
            for shard in 0..total {
                let share = before.iter().filter(|owner| **owner == shard).count();
                assert!(
                    share.abs_diff(fair) * 10 < fair,
                    "shard {shard} of {total} has {share}, fair were {fair}"
                );
            }
            let after: Vec<_> = pairs.iter().map(|(c, t)| owner(total + 1, c, t)).collect();
            let moved: Vec<_> = before.iter().zip(&after).filter(|(a, b)| a != b).collect();
            assert!(
                moved.iter().all(|(_, to)| **to == total),
                "only to the new shard"
            );
            let share = pairs.len() / (total as usize + 1);
            assert!(
                moved.len().abs_diff(share) * 10 < share,
                "{} moved, its share is {share}",
                moved.len()
            );
        }
    }

    #[test]
    fn the_owners_are_the_same_in_every_version() {
        let owners: Vec<_> = (0..12_u64)
            .map(|n| owner(5, &connector(n), &format!("t-{n}").parse().unwrap()))
            .collect();
        assert_eq!(
            owners, GOLDEN,
            "shards of two versions would track a transfer twice, or not at all"
        );
    }

    /// Written down once; never to change.
    const GOLDEN: [u32; 12] = [2, 4, 0, 3, 2, 2, 2, 4, 3, 4, 3, 2];

    #[test]
    fn an_index_is_below_its_total() {
        assert_eq!(Shard::new(0, 1), Ok(Shard::ONLY));
        assert_eq!(Shard::new(3, 3), Err(ShardError::Index(3)));
        assert_eq!(Shard::new(0, 0), Err(ShardError::Total));
        assert_eq!(Shard::new(0, Shard::MOST + 1), Err(ShardError::Total));
    }
}
