//! All transfers, by slot and by connector and id.

use std::hash::BuildHasher;
use std::ops::{Index, IndexMut};

use hashbrown::{DefaultHashBuilder, HashTable};
use slab::Slab;

use super::chunk_index::number;
use super::transfer::Transfer;
use model::TransferId;

/// The index stores slots only, so that each id is stored once, in its transfer.
#[derive(Debug, Default)]
pub(super) struct Transfers {
    /// Boxed, so that memory is released when transfers are removed.
    by_slot: Slab<Box<Transfer>>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// Memory is released when fewer transfers are left.
    shrink_below: usize,
}

impl Transfers {
    pub(super) fn find(&self, connector: u32, id: &TransferId) -> Option<u32> {
        let hash = self.hasher.hash_one((connector, id));
        let equal = |slot: &u32| self[*slot].connector() == connector && self[*slot].id() == id;
        self.index.find(hash, equal).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.by_slot.len()
    }

    pub(super) fn get(&self, slot: u32) -> Option<&Transfer> {
        self.by_slot.get(slot as usize).map(AsRef::as_ref)
    }

    pub(super) fn insert(&mut self, transfer: Transfer) -> u32 {
        let hash = self.hasher.hash_one((transfer.connector(), transfer.id()));
        let slot = number(self.by_slot.insert(Box::new(transfer)));
        let (transfers, hasher) = (&self.by_slot, &self.hasher);
        let rehash = |slot: &u32| {
            let transfer = &transfers[*slot as usize];
            hasher.hash_one((transfer.connector(), transfer.id()))
        };
        self.index.insert_unique(hash, slot, rehash);
        self.shrink_below = self.shrink_below.max(self.by_slot.len() / 4);
        slot
    }

    pub(super) fn remove(&mut self, slot: u32) -> Transfer {
        let transfer = *self.by_slot.remove(slot as usize);
        let hash = self.hasher.hash_one((transfer.connector(), transfer.id()));
        if let Ok(entry) = self.index.find_entry(hash, |known| *known == slot) {
            entry.remove();
        }
        if self.by_slot.len() < self.shrink_below {
            self.shrink();
        }
        transfer
    }

    fn shrink(&mut self) {
        self.by_slot.shrink_to_fit();
        let (transfers, hasher) = (&self.by_slot, &self.hasher);
        self.index.shrink_to_fit(|slot| {
            let transfer = &transfers[*slot as usize];
            hasher.hash_one((transfer.connector(), transfer.id()))
        });
        self.shrink_below = self.by_slot.len() / 2;
    }

    /// Returns an upper bound (exclusive) of the slots in use.
    pub(super) fn slot_bound(&self) -> usize {
        self.by_slot
            .iter()
            .next_back()
            .map_or(0, |(slot, _)| slot + 1)
    }

    pub(super) fn slots(&self) -> Vec<u32> {
        self.by_slot.iter().map(|(slot, _)| number(slot)).collect()
    }
}

impl Index<u32> for Transfers {
    type Output = Transfer;

    fn index(&self, slot: u32) -> &Transfer {
        &self.by_slot[slot as usize]
    }
}

impl IndexMut<u32> for Transfers {
    fn index_mut(&mut self, slot: u32) -> &mut Transfer {
        &mut self.by_slot[slot as usize]
    }
}
