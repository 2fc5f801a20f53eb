//! The saved fates: millions of short records.

use super::FateRecord;

/// Size of an allocation, unless a record is longer.
const CHUNK: usize = 256 * 1024;
/// Bytes of a record's hash and length.
const HEADER: usize = 12;

/// Fates by hash, one after the other in few allocations. A list of lists would take three times as
/// much memory at a start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FateRecords {
    chunks: Vec<Vec<u8>>,
    len: usize,
}

impl FateRecords {
    /// Adds a fate.
    pub fn push(&mut self, hash: u64, fate: &[u8]) {
        let Ok(length) = u32::try_from(fate.len()) else {
            return;
        };
        let size = HEADER + fate.len();
        let is_full = |chunk: &Vec<u8>| chunk.len() + size > chunk.capacity();
        if self.chunks.last().is_none_or(is_full) {
            // The first one grows as needed.
            let capacity = if self.chunks.is_empty() { 0 } else { CHUNK };
            self.chunks.push(Vec::with_capacity(capacity.max(size)));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.extend(hash.to_le_bytes());
            chunk.extend(length.to_le_bytes());
            chunk.extend(fate);
            self.len += 1;
        }
    }

    /// Returns the number of fates.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Calls `use_record` with each fate, and releases memory meanwhile.
    pub(in crate::tracker) fn drain(self, mut use_record: impl FnMut(u64, &[u8])) {
        for chunk in self.chunks {
            let mut rest = chunk.as_slice();
            while let Some((hash, fate)) = read(&mut rest) {
                use_record(hash, fate);
            }
        }
    }
}

impl FromIterator<(u64, FateRecord)> for FateRecords {
    fn from_iter<T: IntoIterator<Item = (u64, FateRecord)>>(fates: T) -> Self {
        let mut records = Self::default();
        for (hash, fate) in fates {
            records.push(hash, &fate);
        }
        records
    }
}

fn read<'a>(rest: &mut &'a [u8]) -> Option<(u64, &'a [u8])> {
    let (hash, after) = rest.split_first_chunk()?;
    let (length, after) = after.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (fate, after) = after.split_at_checked(length)?;
    *rest = after;
    Some((u64::from_le_bytes(*hash), fate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_any_length_are_returned_in_their_order() {
        let fate = |n: u64| vec![n.to_le_bytes()[0]; usize::try_from(n * n % 90_000).unwrap()];
        let expected: Vec<_> = (0..500).map(|n| (n << 40, fate(n))).collect();
        let records: FateRecords = expected.iter().cloned().collect();
        assert_eq!((records.len(), records.is_empty()), (500, false));
        let mut read = Vec::new();
        records.drain(|hash, fate| read.push((hash, fate.to_vec())));
        assert_eq!(read, expected);
    }
}
