//! Sharding: which of several exporters tracks a transfer.

use std::cmp::Reverse;
use std::fmt;
use std::sync::Arc;

use crate::hash::{fnv1a, mix};
use crate::{ConnectorId, TransferId};

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

/// Why a shard is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// The total is 0 or above [`Shard::MAX`].
    #[error("the number of shards must be 1 to {}", Shard::MAX)]
    Total,
    /// The index is not below the total.
    #[error("the index of a shard must be 0 to {}", .0 - 1)]
    Index(u32),
}

impl Shard {
    /// The only shard: owns every transfer.
    pub const ONLY: Self = Self { index: 0, total: 1 };
    /// Largest number of shards.
    pub const MAX: u32 = 1_000;

    /// Creates shard `index` of `total`, counted from 0.
    ///
    /// # Errors
    /// [`ShardError`].
    pub fn new(index: u32, total: u32) -> Result<Self, ShardError> {
        if !(1..=Self::MAX).contains(&total) {
            Err(ShardError::Total)
        } else if index >= total {
            Err(ShardError::Index(total))
        } else {
            Ok(Self { index, total })
        }
    }

    /// Returns the index, from 0.
    pub fn index(self) -> u32 {
        self.index
    }

    /// Returns the number of shards.
    pub fn total(self) -> u32 {
        self.total
    }

    /// Returns the label of the shard's series: its index, if there are several.
    pub fn label(self) -> Option<Arc<str>> {
        (self.total > 1).then(|| self.index.to_string().into())
    }

    /// Returns whether the shard owns the transfer. Rendezvous hashing: the shard with the highest
    /// score owns it, so that an added shard takes its share and nothing else moves. Every version
    /// of the exporter must compute the same scores.
    pub fn owns(self, connector: &ConnectorId, transfer: &TransferId) -> bool {
        self.owns_text(connector, transfer.as_str())
    }

    /// Returns whether the shard owns another operation of the connector, by its id.
    pub fn owns_text(self, connector: &ConnectorId, id: &str) -> bool {
        let score = scores(connector, id);
        let own = score(self.index);
        // A tie, one in 2^64, goes to the lower index.
        (0..self.total)
            .all(|other| other == self.index || (own, other) > (score(other), self.index))
    }

    /// Returns the shard of the same total that owns an operation of the connector, by its id.
    #[must_use]
    pub fn owner_of(self, connector: &ConnectorId, id: &str) -> Self {
        let score = scores(connector, id);
        let owner = (0..self.total).max_by_key(|shard| (score(*shard), Reverse(*shard)));
        Self {
            index: owner.unwrap_or_default(),
            total: self.total,
        }
    }
}

/// Returns the score of each shard for an operation of a connector.
fn scores(connector: &ConnectorId, id: &str) -> impl Fn(u32) -> u64 + use<> {
    let pair = fnv1a([connector.as_str().as_bytes(), b"/", id.as_bytes()]);
    move |shard| mix(pair ^ mix(u64::from(shard) + 1))
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
        let any = Shard::new(total - 1, total).unwrap();
        assert_eq!(
            any.owner_of(connector, transfer.as_str()).index(),
            owners[0]
        );
        owners[0]
    }

    fn connector(n: u64) -> ConnectorId {
        format!("c-{n:017x}").parse().unwrap()
    }

    proptest! {
        #[test]
        fn every_transfer_has_one_owner(
            total in 1..40_u32,
            c in 0..16_u64.pow(12),
            transfer in "[0-9a-zA-Z./-]{1,40}",
        ) {
            owner(total, &connector(c), &transfer.parse().unwrap());
        }
    }

    #[test]
    fn shares_are_even_and_an_added_shard_moves_only_its_share() {
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
                    "shard {shard} of {total} has {share}, expected {fair}"
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
    fn owners_are_the_same_in_every_version() {
        let owners: Vec<_> = (0..12_u64)
            .map(|n| owner(5, &connector(n), &format!("t-{n}").parse().unwrap()))
            .collect();
        assert_eq!(
            owners, GOLDEN,
            "shards of two versions would track a transfer twice, or not at all"
        );
    }

    /// Must never change.
    const GOLDEN: [u32; 12] = [2, 4, 0, 3, 2, 2, 2, 4, 3, 4, 3, 2];

    #[test]
    fn index_must_be_below_the_total() {
        assert_eq!(Shard::new(0, 1), Ok(Shard::ONLY));
        assert_eq!(Shard::new(3, 3), Err(ShardError::Index(3)));
        assert_eq!(Shard::new(0, 0), Err(ShardError::Total));
        assert_eq!(Shard::new(0, Shard::MAX + 1), Err(ShardError::Total));
    }
}
