//! Which shards a process takes and gives back, so that the processes own equally many.

use std::collections::{BTreeMap, BTreeSet};

/// What a process has found out about the shards and the others.
#[derive(Debug)]
pub(super) struct Observed<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// The number of shards.
    pub(super) total: usize,
    /// How many it owns, or is about to.
    pub(super) owned: usize,
    /// The others that may be working.
    pub(super) others: &'a BTreeSet<String>,
    /// The owners of the other shards.
    pub(super) owners: &'a BTreeMap<String, usize>,
    /// How many no process owns.
    pub(super) vacant: usize,
    /// How many of these were not given back, or have been vacant for so long that those whose turn it is do
    /// not take them.
    pub(super) urgent: usize,
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It takes so many of the vacant shards.
    Take(usize),
    /// It gives back so many.
    GiveBack(usize),
    /// Nothing.
    Stay,
}

impl Observed<'_> {
    /// Decides by four rules. A vacant shard is for those that own least, but if it is urgent, for anyone. Else
    /// no process owns more than an equal part, rounded up. And if two differ by more than one, the first of those
    /// that own most gives one back.
    pub(super) fn decide(&self) -> Decision {
        let of = |name: &String| self.owners.get(name).copied().unwrap_or_default();
        let others: BTreeMap<&str, usize> = self
            .others
            .iter()
            .chain(self.owners.keys())
            .map(|name| (name.as_str(), of(name)))
            .collect();
        let part = self.total.div_ceil(others.len() + 1);
        let least = others.values().copied().min().unwrap_or(self.owned);
        if self.vacant > 0 {
            let is_next = self.owned <= least;
            let wanted = if is_next {
                part.saturating_sub(self.owned)
            } else {
                0
            };
            let urgent = self.urgent.div_ceil(others.len() + 1);
            return match wanted.max(urgent).min(self.vacant) {
                0 => Decision::Stay,
                number => Decision::Take(number),
            };
        }
        if self.owned > part {
            return Decision::GiveBack(self.owned - part);
        }
        let most = others.values().copied().max().unwrap_or_default();
        let is_first = others
            .iter()
            .all(|(name, owned)| *owned < self.owned || self.name < *name);
        if self.owned >= least + 2 && self.owned >= most && is_first {
            Decision::GiveBack(1)
        } else {
            Decision::Stay
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Processes by name, with the number of shards that each owns, and the vacant ones.
    #[derive(Clone, Debug)]
    struct Fleet {
        total: usize,
        owned: BTreeMap<String, usize>,
    }

    impl Fleet {
        fn new(total: usize, owned: &[usize]) -> Self {
            let names = ('a'..).map(String::from);
            Self {
                total,
                owned: names.zip(owned.iter().copied()).collect(),
            }
        }

        fn vacant(&self) -> usize {
            self.total - self.owned.values().sum::<usize>()
        }

        fn decision_of(&self, name: &str, urgent: usize) -> Decision {
            let others = self.owned.keys().filter(|other| *other != name);
            let owners = self.owned.iter();
            let owners = owners.filter(|(other, owned)| *other != name && **owned > 0);
            Observed {
                name,
                total: self.total,
                owned: self.owned[name],
                others: &others.cloned().collect(),
                owners: &owners.map(|(name, owned)| (name.clone(), *owned)).collect(),
                vacant: self.vacant(),
                urgent,
            }
            .decide()
        }

        /// Each acts once, in this order, on what it sees then. Returns how many shards moved.
        fn round(&mut self, order: &[usize]) -> usize {
            let names: Vec<_> = self.owned.keys().cloned().collect();
            let mut moved = 0;
            for index in order {
                let name = &names[index % names.len()];
                let decision = self.decision_of(name, 0);
                let owned = self.owned.get_mut(name).unwrap();
                match decision {
                    Decision::Take(number) => *owned += number,
                    Decision::GiveBack(number) => {
                        *owned -= number;
                        moved += number;
                    }
                    Decision::Stay => {}
                }
                assert!(self.owned.values().sum::<usize>() <= self.total);
            }
            moved
        }

        fn is_even(&self) -> bool {
            let (least, most) = (self.owned.values().min(), self.owned.values().max());
            self.vacant() == 0 && most.unwrap() - least.unwrap() <= 1
        }
    }

    proptest! {
        /// However the shards are spread at first, and in whatever order the processes act, each owns as many
        /// as any other, give or take one; no more shards have moved than had to.
        #[test]
        fn shards_are_spread_evenly(
            first in prop::collection::vec(0..7_usize, 1..7),
            vacant in 0..5_usize,
            order in prop::collection::vec(0..7_usize, 300..301),
        ) {
            let total = first.iter().sum::<usize>() + vacant;
            let mut fleet = Fleet::new(total, &first);
            let fair = total.div_ceil(first.len());
            let surplus: usize = first.iter().map(|owned| owned.saturating_sub(fair)).sum();
            let mut moved = 0;
            // Everyone is asked again and again, in one order and then in another.
            for part in order.chunks(30) {
                let everyone: Vec<_> = (0..first.len()).chain(part.iter().copied()).collect();
                moved += fleet.round(&everyone);
            }
            prop_assert!(fleet.is_even(), "{fleet:?}");
            // Beyond the surplus, at most one each, to those that own least.
            prop_assert!(moved <= surplus + first.len(), "{moved} moved, {surplus} had to");
            let before = fleet.clone();
            prop_assert_eq!(fleet.round(&[0, 1, 2, 3, 4, 5, 6]), 0);
            prop_assert_eq!(fleet.owned, before.owned);
        }
    }

    #[test]
    fn a_newcomer_gets_its_part() {
        let fleet = Fleet::new(5, &[3, 2, 0]);
        assert_eq!(fleet.decision_of("a", 0), Decision::GiveBack(1));
        assert_eq!(fleet.decision_of("b", 0), Decision::Stay);
        let fleet = Fleet::new(5, &[2, 2, 0]);
        assert_eq!(fleet.decision_of("c", 0), Decision::Take(1));
        assert_eq!(fleet.decision_of("a", 0), Decision::Stay, "it is for c");
        let fleet = Fleet::new(5, &[2, 2, 1]);
        for name in ["a", "b", "c"] {
            assert_eq!(fleet.decision_of(name, 0), Decision::Stay);
        }
    }

    #[test]
    fn one_of_several_with_most_gives_back() {
        let fleet = Fleet::new(4, &[2, 2, 0]);
        assert_eq!(fleet.decision_of("a", 0), Decision::GiveBack(1));
        assert_eq!(fleet.decision_of("b", 0), Decision::Stay);
    }

    #[test]
    fn standbys_of_few_shards_wait() {
        let fleet = Fleet::new(1, &[1, 0, 0]);
        for name in ["a", "b", "c"] {
            assert_eq!(fleet.decision_of(name, 0), Decision::Stay);
        }
        let fleet = Fleet::new(1, &[0, 0, 0]);
        assert_eq!(fleet.decision_of("c", 0), Decision::Take(1));
    }

    #[test]
    fn a_shard_that_is_left_is_taken_by_anyone() {
        // The third shows that it works, and takes nothing.
        let fleet = Fleet::new(5, &[2, 2, 0]);
        assert_eq!(fleet.decision_of("a", 1), Decision::Take(1));
    }

    #[test]
    fn what_a_killed_process_owned_is_taken_by_all_others_together() {
        let fleet = Fleet::new(30, &[10, 10, 0]);
        assert_eq!(fleet.decision_of("a", 10), Decision::Take(4));
    }

    #[test]
    fn the_owner_of_a_lease_is_there_even_if_it_was_not_seen() {
        let owners = BTreeMap::from([("b".to_owned(), 1)]);
        let observed = Observed {
            name: "a",
            total: 4,
            owned: 0,
            others: &BTreeSet::new(),
            owners: &owners,
            vacant: 3,
            urgent: 0,
        };
        assert_eq!(observed.decide(), Decision::Take(2));
    }
}
