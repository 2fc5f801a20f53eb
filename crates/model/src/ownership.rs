//! Which transfers a process owns: those of its shard, with connectors that are not divided.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::{ConnectorId, Shard, TransferId};

/// Groups of connectors whose transfers all belong to one shard, because what is watched depends on
/// all of them: the deadlines of flows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectorGroups {
    /// The least connector of the group of each connector.
    first: BTreeMap<ConnectorId, ConnectorId>,
}

impl ConnectorGroups {
    /// Merges sets that share a connector. The order of the sets does not matter.
    pub fn new(sets: impl IntoIterator<Item = BTreeSet<ConnectorId>>) -> Self {
        let mut groups: Vec<BTreeSet<ConnectorId>> = Vec::new();
        let mut group_of: BTreeMap<ConnectorId, usize> = BTreeMap::new();
        for mut set in sets {
            let known: BTreeSet<_> = set
                .iter()
                .filter_map(|id| group_of.get(id))
                .copied()
                .collect();
            for group in known {
                set.append(&mut groups[group]);
            }
            group_of.extend(set.iter().map(|id| (id.clone(), groups.len())));
            groups.push(set);
        }
        let members = groups.iter().flat_map(|group| {
            let first = group.first();
            group.iter().filter_map(move |id| Some((id, first?)))
        });
        Self {
            first: members
                .map(|(id, first)| (id.clone(), first.clone()))
                .collect(),
        }
    }

    /// Returns each connector of a group with the least one of its group.
    pub fn members(&self) -> impl Iterator<Item = (&ConnectorId, &ConnectorId)> {
        self.first.iter()
    }
}

/// What a process owns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ownership {
    shard: Shard,
    groups: Arc<ConnectorGroups>,
}

impl Ownership {
    /// Creates the ownership of a shard. The only shard owns everything, whatever the groups.
    pub fn new(shard: Shard, groups: &Arc<ConnectorGroups>) -> Self {
        let groups = if shard == Shard::ONLY {
            Arc::default()
        } else {
            Arc::clone(groups)
        };
        Self { shard, groups }
    }

    /// Returns the shard.
    pub fn shard(&self) -> Shard {
        self.shard
    }

    /// Returns the groups; those of the only shard are empty.
    pub fn groups(&self) -> &ConnectorGroups {
        &self.groups
    }

    /// Returns whether the process owns the transfer.
    pub fn owns(&self, connector: &ConnectorId, transfer: &TransferId) -> bool {
        self.owns_text(connector, transfer.as_str())
    }

    /// Returns whether the process owns another operation of the connector, by its id.
    pub fn owns_text(&self, connector: &ConnectorId, id: &str) -> bool {
        match self.groups.first.get(connector) {
            Some(first) => self.owns_group(first),
            None => self.shard.owns_text(connector, id),
        }
    }

    /// Returns the shard that owns an operation of the connector, by its id.
    pub fn owner_of(&self, connector: &ConnectorId, id: &str) -> Shard {
        match self.groups.first.get(connector) {
            Some(first) => self.shard.owner_of(first, ""),
            None => self.shard.owner_of(connector, id),
        }
    }

    /// Returns whether the process owns all transfers of a connector that is in a group.
    pub fn owns_all(&self, connector: &ConnectorId) -> bool {
        let first = self.groups.first.get(connector);
        self.shard == Shard::ONLY || first.is_some_and(|first| self.owns_group(first))
    }

    /// A group is owned as a transfer without an id would be, which does not exist.
    fn owns_group(&self, first: &ConnectorId) -> bool {
        self.shard.owns_text(first, "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connector(n: usize) -> ConnectorId {
        format!("c-{n:017x}").parse().unwrap()
    }

    fn set(of: &[usize]) -> BTreeSet<ConnectorId> {
        of.iter().map(|n| connector(*n)).collect()
    }

    fn groups(sets: &[&[usize]]) -> Arc<ConnectorGroups> {
        Arc::new(ConnectorGroups::new(sets.iter().map(|of| set(of))))
    }

    #[test]
    fn sets_that_share_a_connector_are_one_group_in_any_order() {
        let joined = groups(&[&[1, 2], &[3, 4], &[5], &[4, 2]]);
        assert_eq!(joined, groups(&[&[4, 2], &[5], &[1, 2], &[3, 4]]));
        assert_eq!(joined, groups(&[&[1, 2, 3, 4], &[5]]));
        assert_ne!(joined, groups(&[&[1, 2], &[3, 4], &[5]]));
    }

    #[test]
    fn a_group_belongs_to_one_shard_and_all_else_is_divided() {
        let groups = groups(&[&[1, 2], &[3]]);
        let transfers: Vec<TransferId> =
            (0..50).map(|n| format!("t-{n}").parse().unwrap()).collect();
        for total in [2, 3, 7] {
            let owner = |n: usize, transfer: &TransferId| {
                let owners: Vec<_> = (0..total)
                    .map(|index| Ownership::new(Shard::new(index, total).unwrap(), &groups))
                    .filter(|of| of.owns(&connector(n), transfer))
                    .collect();
                assert_eq!(owners.len(), 1, "disjoint and complete");
                owners[0].clone()
            };
            let owners_of = |n| -> BTreeSet<u32> {
                let owners = transfers.iter().map(|transfer| owner(n, transfer));
                owners.map(|owner| owner.shard().index()).collect()
            };
            for n in [1, 2, 3] {
                assert!(owner(n, &transfers[0]).owns_all(&connector(n)));
                assert_eq!(owners_of(n).len(), 1, "connector {n} of {total}");
            }
            assert_eq!(owners_of(1), owners_of(2));
            assert!(owners_of(4).len() > 1);
        }
    }

    #[test]
    fn groups_are_spread_and_the_only_shard_has_none() {
        let sets: Vec<_> = (0..300).map(|n| set(&[n])).collect();
        let groups = Arc::new(ConnectorGroups::new(sets));
        let first = Ownership::new(Shard::new(0, 3).unwrap(), &groups);
        let owned = (0..300).filter(|n| first.owns_all(&connector(*n))).count();
        assert!((70..130).contains(&owned), "{owned} of 300");
        assert!(!first.owns_all(&connector(999)), "it is in no group");
        let only = Ownership::new(Shard::ONLY, &groups);
        assert!(only.owns_all(&connector(999)) && only == Ownership::default());
    }
}
