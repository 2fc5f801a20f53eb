//! Records of some tens of bytes, many in one allocation.

use slab::Slab;

/// Size of an allocation. A longer record has one of its own.
const CHUNK: usize = 64 * 1024;
/// Bytes of a record's length.
const LENGTH: usize = 2;
/// The length of a record that fills its chunk.
const WHOLE_CHUNK: u16 = u16::MAX;
/// Bytes below which copying is not worth while.
const SPARSE_SIZE: usize = 4 * CHUNK;

/// Records of any length. The memory of a removed record is released with its chunk.
#[derive(Debug, Default)]
pub(super) struct Arena {
    chunks: Slab<Chunk>,
    /// The chunk that grows.
    last: Option<usize>,
    /// Bytes of all chunks, and of the records in them.
    held: usize,
    used: usize,
}

/// Where a record is: the number of its chunk, and its position there.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecordId {
    chunk: u16,
    position: u16,
}

#[derive(Debug)]
struct Chunk {
    bytes: Vec<u8>,
    records: u32,
}

impl Arena {
    /// Adds a record that is the concatenation of `parts`.
    ///
    /// # Panics
    /// With more than 65,536 chunks.
    pub(super) fn insert(&mut self, parts: &[&[u8]]) -> RecordId {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let size = LENGTH + length;
        let room = |chunk: &Chunk| chunk.bytes.len() + size <= CHUNK;
        let number = match self.last.filter(|last| room(&self.chunks[*last])) {
            Some(last) => last,
            None => self.add_chunk(size),
        };
        let chunk = &mut self.chunks[number];
        let (position, before) = (chunk.bytes.len(), chunk.bytes.capacity());
        let prefix = if size > CHUNK {
            WHOLE_CHUNK
        } else {
            to_u16(length)
        };
        chunk.bytes.extend(prefix.to_le_bytes());
        for part in parts {
            chunk.bytes.extend(*part);
        }
        chunk.records += 1;
        self.used += size;
        self.held += chunk.bytes.capacity() - before;
        RecordId {
            chunk: to_u16(number),
            position: to_u16(position),
        }
    }

    pub(super) fn get(&self, id: RecordId) -> &[u8] {
        let (length, rest) =
            self.chunks[id.chunk.into()].bytes[id.position.into()..].split_at(LENGTH);
        match u16::from_le_bytes([length[0], length[1]]) {
            WHOLE_CHUNK => rest,
            length => &rest[..length.into()],
        }
    }

    pub(super) fn remove(&mut self, id: RecordId) {
        self.used -= LENGTH + self.get(id).len();
        let number = id.chunk.into();
        let chunk = &mut self.chunks[number];
        chunk.records -= 1;
        if chunk.records == 0 {
            self.held -= chunk.bytes.capacity();
            self.chunks.remove(number);
            if self.last == Some(number) {
                self.last = None;
            }
        }
    }

    /// Returns the bytes of its chunks.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Returns whether most of its memory holds removed records.
    pub(super) fn is_sparse(&self) -> bool {
        self.held > SPARSE_SIZE && self.used < self.held / 2
    }

    /// Adds a chunk that has room for a record, and returns its number.
    fn add_chunk(&mut self, size: usize) -> usize {
        let is_own = size > CHUNK;
        // The first chunk grows as needed, so that a few records take little memory.
        let capacity = if is_own || !self.chunks.is_empty() {
            size.max(CHUNK)
        } else {
            size
        };
        let bytes = Vec::with_capacity(capacity);
        self.held += bytes.capacity();
        let number = self.chunks.insert(Chunk { bytes, records: 0 });
        if !is_own {
            self.last = Some(number);
        }
        number
    }
}

fn to_u16(number: usize) -> u16 {
    u16::try_from(number).expect("chunks and positions have 16 bits")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn records_are_what_was_inserted_and_not_removed(
            steps in proptest::collection::vec((0_usize..5_000, any::<bool>(), 0_usize..64), 1..300),
            long in 60_000_usize..70_000,
        ) {
            let mut arena = Arena::default();
            let mut records: Vec<(RecordId, Vec<u8>)> = Vec::new();
            for (number, (length, is_insert, which)) in steps.into_iter().enumerate() {
                if is_insert || records.is_empty() {
                    let length = if length == 0 { long } else { length };
                    let record = vec![number.to_le_bytes()[0]; length];
                    let (a, b) = record.split_at(length / 3);
                    records.push((arena.insert(&[a, b]), record));
                } else {
                    let (id, _) = records.swap_remove(which % records.len());
                    arena.remove(id);
                }
                for (id, record) in &records {
                    prop_assert_eq!(arena.get(*id), record.as_slice());
                }
                let used: usize = records.iter().map(|(_, record)| LENGTH + record.len()).sum();
                prop_assert_eq!(arena.used, used);
                let capacities = arena.chunks.iter().map(|(_, chunk)| chunk.bytes.capacity());
                prop_assert_eq!(arena.held, capacities.sum::<usize>());
            }
            for (id, _) in records {
                arena.remove(id);
            }
            prop_assert_eq!((arena.held, arena.chunks.len()), (0, 0));
        }
    }
}
