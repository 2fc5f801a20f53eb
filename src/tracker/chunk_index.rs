//! Groups rows into chunks, which are rendered and cached as a unit. A chunk is rebuilt when one of
//! its rows changes. Rows that change often are therefore separated from rows that do not:
//! unfinished transfers are in small chunks, ended ones in large chunks.

use std::collections::BTreeSet;
use std::sync::Arc;

use slab::Slab;

use model::Chunk;

/// Rows per chunk of unfinished transfers: the number of rows that one change rebuilds.
const UNFINISHED_ROWS: usize = 64;
/// Rows per chunk of ended transfers. Larger chunks compress slightly better, but cost more when a
/// row is removed.
const ENDED_ROWS: usize = 512;

/// The group of chunks that a row belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowGroup {
    /// Rows that may change at any time.
    Unfinished,
    /// Rows that stay unchanged until they are removed.
    Ended,
}

#[derive(Clone, Copy, Debug)]
struct RowPosition {
    group: RowGroup,
    row: u16,
    chunk: u32,
}

/// The chunks of all rows. Rows are identified by their slots.
#[derive(Debug)]
pub(super) struct ChunkIndex<T> {
    groups: [ChunkGroup<T>; 2],
    /// Position of each row, by slot.
    positions: Vec<Option<RowPosition>>,
}

#[derive(Debug)]
struct ChunkGroup<T> {
    /// Maximum number of rows per chunk.
    capacity: usize,
    chunks: Slab<ChunkRows<T>>,
    /// Chunks that are not full. The next row is added to the first of them.
    with_room: BTreeSet<u32>,
    /// The only chunk that is at most a quarter full; a second one is merged into it.
    sparse: Option<u32>,
}

#[derive(Debug)]
struct ChunkRows<T> {
    slots: Vec<u32>,
    /// `None` if a row has changed since the chunk was built.
    built: Option<Chunk<T>>,
}

impl<T> ChunkGroup<T> {
    fn new(capacity: usize) -> Self {
        Self {
            capacity,
            chunks: Slab::new(),
            with_room: BTreeSet::new(),
            sparse: None,
        }
    }

    fn is_sparse(&self, chunk: u32) -> bool {
        self.chunks[chunk as usize].slots.len() * 4 <= self.capacity
    }

    /// Adds a row and returns its chunk and its index there.
    fn push(&mut self, slot: u32) -> (u32, u16) {
        let chunk = self.with_room.first().copied().unwrap_or_else(|| {
            let rows = ChunkRows {
                slots: Vec::with_capacity(self.capacity),
                built: None,
            };
            number(self.chunks.insert(rows))
        });
        self.push_to(chunk, slot)
    }

    fn push_to(&mut self, chunk: u32, slot: u32) -> (u32, u16) {
        let rows = &mut self.chunks[chunk as usize];
        rows.slots.push(slot);
        rows.built = None;
        let row = rows.slots.len() - 1;
        if rows.slots.len() < self.capacity {
            self.with_room.insert(chunk);
        } else {
            self.with_room.remove(&chunk);
        }
        if self.sparse == Some(chunk) && !self.is_sparse(chunk) {
            self.sparse = None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a chunk has at most 512 rows"
        )]
        (chunk, row as u16)
    }

    /// Removes a chunk and returns the slots of its rows.
    fn remove_chunk(&mut self, chunk: u32) -> Vec<u32> {
        self.with_room.remove(&chunk);
        if self.sparse == Some(chunk) {
            self.sparse = None;
        }
        self.chunks.remove(chunk as usize).slots
    }
}

impl<T> Default for ChunkIndex<T> {
    fn default() -> Self {
        Self {
            groups: [
                ChunkGroup::new(UNFINISHED_ROWS),
                ChunkGroup::new(ENDED_ROWS),
            ],
            positions: Vec::new(),
        }
    }
}

impl<T> ChunkIndex<T> {
    /// Moves the row for `slot` to `group`, or removes it. If it is already there, `changed` marks
    /// its chunk as changed.
    pub(super) fn put(&mut self, slot: u32, group: Option<RowGroup>, changed: bool) {
        match (self.position(slot), group) {
            (Some(position), Some(group)) if position.group == group => {
                if changed {
                    self.groups[group as usize].chunks[position.chunk as usize].built = None;
                }
            }
            (position, group) => {
                if let Some(position) = position {
                    self.remove(slot, position);
                }
                if let Some(group) = group {
                    let (chunk, row) = self.groups[group as usize].push(slot);
                    self.set_position(slot, Some(RowPosition { group, row, chunk }));
                }
            }
        }
    }

    /// Returns all chunks, those of ended rows first. Only changed chunks are built again: with
    /// `view`, sorted by `order`.
    pub(super) fn build(
        &mut self,
        view: impl Fn(u32) -> T,
        order: impl Fn(&T, &T) -> std::cmp::Ordering,
    ) -> Vec<Chunk<T>> {
        let chunks = self.groups.iter().map(|group| group.chunks.len()).sum();
        let mut all = Vec::with_capacity(chunks);
        for group in [RowGroup::Ended, RowGroup::Unfinished] {
            for (_, rows) in &mut self.groups[group as usize].chunks {
                let chunk = rows.built.get_or_insert_with(|| {
                    let mut chunk: Vec<T> = rows.slots.iter().map(|slot| view(*slot)).collect();
                    chunk.sort_unstable_by(&order);
                    chunk.into()
                });
                all.push(Arc::clone(chunk));
            }
        }
        all
    }

    fn position(&self, slot: u32) -> Option<RowPosition> {
        self.positions.get(slot as usize).copied().flatten()
    }

    fn set_position(&mut self, slot: u32, position: Option<RowPosition>) {
        let slot = slot as usize;
        if self.positions.len() <= slot {
            self.positions.resize(slot + 1, None);
        }
        self.positions[slot] = position;
        while self.positions.last().is_some_and(Option::is_none) {
            self.positions.pop();
        }
        if self.positions.len() * 4 < self.positions.capacity() {
            self.positions.shrink_to(2 * self.positions.len());
        }
    }

    fn remove(&mut self, slot: u32, position: RowPosition) {
        self.set_position(slot, None);
        let group = &mut self.groups[position.group as usize];
        let rows = &mut group.chunks[position.chunk as usize];
        rows.built = None;
        rows.slots.swap_remove(usize::from(position.row));
        let moved = rows.slots.get(usize::from(position.row)).copied();
        let empty = rows.slots.is_empty();
        group.with_room.insert(position.chunk);
        if let Some(moved) = moved {
            self.set_position(moved, Some(position));
        }
        if empty {
            self.groups[position.group as usize].remove_chunk(position.chunk);
        } else {
            self.merge_if_sparse(position.group, position.chunk);
        }
    }

    /// Merges two chunks that are at most a quarter full, so that memory use follows the number of
    /// rows.
    fn merge_if_sparse(&mut self, group: RowGroup, chunk: u32) {
        let chunk_group = &mut self.groups[group as usize];
        if !chunk_group.is_sparse(chunk) || chunk_group.sparse == Some(chunk) {
            return;
        }
        let Some(into) = chunk_group.sparse else {
            chunk_group.sparse = Some(chunk);
            return;
        };
        for slot in chunk_group.remove_chunk(chunk) {
            let (chunk, row) = self.groups[group as usize].push_to(into, slot);
            self.set_position(slot, Some(RowPosition { group, row, chunk }));
        }
    }
}

/// Converts a slab key to the 32 bits in which slots, connectors and chunks are numbered. Four
/// billion transfers do not fit into memory.
pub(super) fn number(key: usize) -> u32 {
    u32::try_from(key).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn build(
        chunks: &mut ChunkIndex<(u32, u32)>,
        rows: &BTreeMap<u32, (RowGroup, u32)>,
    ) -> Vec<Chunk<(u32, u32)>> {
        chunks.build(|slot| (slot, rows[&slot].1), Ord::cmp)
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put(u32, RowGroup),
        Remove(u32),
        Build,
    }

    fn step() -> impl Strategy<Value = Step> {
        let group = prop_oneof![Just(RowGroup::Unfinished), Just(RowGroup::Ended)];
        prop_oneof![
            6 => (0..1_500_u32, group).prop_map(|(slot, group)| Step::Put(slot, group)),
            4 => (0..1_500_u32).prop_map(Step::Remove),
            1 => Just(Step::Build),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// Every row is listed once in its current version, unchanged chunks are shared, and the
        /// number of chunks follows the number of rows.
        #[test]
        fn chunks_list_every_row_once(steps in vec(step(), 1..3_000)) {
            let mut chunks = ChunkIndex::default();
            let mut rows: BTreeMap<u32, (RowGroup, u32)> = BTreeMap::new();
            for (version, step) in (0..).zip(steps) {
                match step {
                    Step::Put(slot, group) => {
                        rows.insert(slot, (group, version));
                        chunks.put(slot, Some(group), true);
                    }
                    Step::Remove(slot) => {
                        rows.remove(&slot);
                        chunks.put(slot, None, true);
                    }
                    Step::Build => {
                        let built = build(&mut chunks, &rows);
                        let again = build(&mut chunks, &rows);
                        prop_assert!(built.iter().zip(&again).all(|(a, b)| Arc::ptr_eq(a, b)));
                    }
                }
            }
            let built = build(&mut chunks, &rows);
            let mut listed: Vec<_> = built.iter().flat_map(|chunk| chunk.iter().copied()).collect();
            listed.sort_unstable();
            prop_assert_eq!(listed, rows.iter().map(|(slot, (_, version))| (*slot, *version)).collect::<Vec<_>>());
            for (group, capacity) in [(RowGroup::Unfinished, UNFINISHED_ROWS), (RowGroup::Ended, ENDED_ROWS)] {
                let of_group = rows.values().filter(|(on, _)| *on == group).count();
                prop_assert!(chunks.groups[group as usize].chunks.len() <= of_group * 4 / capacity + 2);
            }
        }
    }

    #[test]
    fn a_changed_row_rebuilds_one_chunk() {
        let mut chunks = ChunkIndex::default();
        let mut rows = BTreeMap::new();
        for slot in 0..1_000 {
            let group = if slot < 200 {
                RowGroup::Unfinished
            } else {
                RowGroup::Ended
            };
            rows.insert(slot, (group, 0));
            chunks.put(slot, Some(group), true);
        }
        let before = build(&mut chunks, &rows);
        assert_eq!(
            before.iter().map(|chunk| chunk.len()).collect::<Vec<_>>(),
            [512, 288, 64, 64, 64, 8]
        );
        let changed = |chunks: &mut ChunkIndex<_>, rows: &_| {
            let after = build(chunks, rows);
            after
                .iter()
                .filter(|chunk| !before.iter().any(|old| Arc::ptr_eq(old, chunk)))
                .count()
        };
        chunks.put(70, Some(RowGroup::Unfinished), false);
        assert_eq!(changed(&mut chunks, &rows), 0, "nothing has changed");
        rows.insert(70, (RowGroup::Unfinished, 1));
        chunks.put(70, Some(RowGroup::Unfinished), true);
        assert_eq!(changed(&mut chunks, &rows), 1);
        rows.insert(70, (RowGroup::Ended, 2));
        chunks.put(70, Some(RowGroup::Ended), true);
        assert_eq!(
            changed(&mut chunks, &rows),
            2,
            "its old chunk and its new one"
        );
    }
}
