//! All transfers by slot, and by connector and id.

use std::hash::BuildHasher;
use std::ops::{Index, IndexMut};

use hashbrown::{DefaultHashBuilder, HashTable};
use slab::Slab;

use super::chunk_index::number;
use super::transfer::Transfer;
use model::TransferId;

/// The ids stand in the transfers alone: the index holds slots.
#[derive(Debug, Default)]
pub(super) struct Transfers {
    /// Boxed, so that memory falls back when transfers leave.
    known: Slab<Box<Transfer>>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Transfers {
    pub(super) fn find(&self, connector: u32, id: &TransferId) -> Option<u32> {
        let hash = self.hasher.hash_one((connector, id));
        let equal = |slot: &u32| self[*slot].connector() == connector && self[*slot].id() == id;
        self.index.find(hash, equal).copied()
    }

    pub(super) fn get(&self, slot: u32) -> Option<&Transfer> {
        self.known.get(slot as usize).map(AsRef::as_ref)
    }

    pub(super) fn insert(&mut self, transfer: Transfer) -> u32 {
        let hash = self.hasher.hash_one((transfer.connector(), transfer.id()));
        let slot = number(self.known.insert(Box::new(transfer)));
        let (known, hasher) = (&self.known, &self.hasher);
        let rehash = |slot: &u32| {
            let transfer = &known[*slot as usize];
            hasher.hash_one((transfer.connector(), transfer.id()))
        };
        self.index.insert_unique(hash, slot, rehash);
        slot
    }

    pub(super) fn remove(&mut self, slot: u32) -> Transfer {
        let transfer = *self.known.remove(slot as usize);
        let hash = self.hasher.hash_one((transfer.connector(), transfer.id()));
        if let Ok(entry) = self.index.find_entry(hash, |known| *known == slot) {
            entry.remove();
        }
        transfer
    }

    /// Slots are below this.
    pub(super) fn bound(&self) -> usize {
        self.known
            .iter()
            .next_back()
            .map_or(0, |(slot, _)| slot + 1)
    }

    pub(super) fn slots(&self) -> Vec<u32> {
        self.known.iter().map(|(slot, _)| number(slot)).collect()
    }
}

impl Index<u32> for Transfers {
    type Output = Transfer;

    fn index(&self, slot: u32) -> &Transfer {
        &self.known[slot as usize]
    }
}

impl IndexMut<u32> for Transfers {
    fn index_mut(&mut self, slot: u32) -> &mut Transfer {
        &mut self.known[slot as usize]
    }
}
