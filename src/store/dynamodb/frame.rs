//! Frames: records as compressed bytes, divided into pieces that fit into an item each.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde::{Deserialize, Serialize};

use super::table::MAX_VALUE;
use crate::store::records::{Table, for_each_change};
use crate::tracker::persist::PendingWrites;

/// Bytes of the records of a frame, from which on it is written.
pub(super) const FRAME_BYTES: usize = 512 << 10;
/// Most bytes of the records of a frame: several times the state of a process that has no memory left.
const MAX_FRAME: usize = 1 << 30;
/// Bytes before each piece: the number of pieces, its index, and the checksum of the rest.
const HEADER: usize = 12;

/// A record, or its removal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) table: Table,
    pub(super) key: Vec<u8>,
    pub(super) value: Option<Vec<u8>>,
}

impl Row {
    pub(super) fn bytes(&self) -> usize {
        16 + self.key.len() + self.value.as_ref().map_or(0, Vec::len)
    }
}

/// How a row is encoded: the number of its table, key, value.
#[derive(Serialize, Deserialize)]
struct EncodedRow(u8, Vec<u8>, Option<Vec<u8>>);

/// Why bytes are no frame.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct FrameError(String);

impl FrameError {
    fn new(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// Returns what has changed.
pub(super) fn rows_of(writes: &PendingWrites) -> Result<Vec<Row>, FrameError> {
    let mut rows = Vec::new();
    for_each_change(writes, |table, key, value| {
        rows.push(Row {
            table,
            key: key.to_vec(),
            value: value.map(<[u8]>::to_vec),
        });
        Ok::<_, postcard::Error>(())
    })
    .map_err(FrameError::new)?;
    Ok(rows)
}

/// Returns the pieces of a frame.
pub(super) fn pieces(rows: Vec<Row>) -> Result<Vec<Vec<u8>>, FrameError> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    for row in rows {
        let row = EncodedRow(row.table as u8, row.key, row.value);
        let bytes = postcard::to_allocvec(&row).map_err(FrameError::new)?;
        encoder.write_all(&bytes).map_err(FrameError::new)?;
    }
    let bytes = encoder.finish().map_err(FrameError::new)?;
    let count = u32::try_from(bytes.chunks(MAX_VALUE - HEADER).len()).map_err(FrameError::new)?;
    let piece = |(index, bytes): (u32, &[u8])| {
        let mut piece = Vec::with_capacity(HEADER + bytes.len());
        piece.extend(count.to_le_bytes());
        piece.extend(index.to_le_bytes());
        piece.extend(crc32fast::hash(bytes).to_le_bytes());
        piece.extend(bytes);
        piece
    };
    Ok((0..)
        .zip(bytes.chunks(MAX_VALUE - HEADER))
        .map(piece)
        .collect())
}

/// Puts the pieces of frames together again.
#[derive(Default)]
pub(super) struct FrameReader {
    bytes: Vec<u8>,
    next: u32,
}

impl FrameReader {
    /// Adds the next piece. Returns the rows of the frame, if it is the last of it.
    pub(super) fn add(&mut self, piece: &[u8]) -> Result<Option<Vec<Row>>, FrameError> {
        let damaged = || FrameError("it is damaged, or no item of this exporter".to_owned());
        let number = |at: usize| -> Option<u32> {
            let bytes = piece.get(at..at + 4)?;
            Some(u32::from_le_bytes(bytes.try_into().ok()?))
        };
        let header = number(0).zip(number(4)).zip(number(8));
        let ((count, index), checksum) = header.ok_or_else(damaged)?;
        let bytes = &piece[HEADER..];
        if index != self.next || index >= count || crc32fast::hash(bytes) != checksum {
            return Err(damaged());
        }
        self.bytes.extend_from_slice(bytes);
        self.next += 1;
        if self.next < count {
            return Ok(None);
        }
        self.next = 0;
        rows(&std::mem::take(&mut self.bytes)).map(Some)
    }

    /// Returns whether no piece is missing.
    pub(super) fn is_complete(&self) -> bool {
        self.next == 0
    }
}

fn rows(compressed: &[u8]) -> Result<Vec<Row>, FrameError> {
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_FRAME).unwrap_or(u64::MAX);
    ZlibDecoder::new(compressed)
        .take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(FrameError::new)?;
    if bytes.len() > MAX_FRAME {
        return Err(FrameError("it expands to more than any state".to_owned()));
    }
    let (mut rows, mut rest) = (Vec::new(), bytes.as_slice());
    while !rest.is_empty() {
        let (row, after) =
            postcard::take_from_bytes::<EncodedRow>(rest).map_err(FrameError::new)?;
        let EncodedRow(table, key, value) = row;
        let mut tables = Table::ALL.into_iter();
        let table = tables.find(|known| *known as u8 == table);
        let table = table.ok_or_else(|| FrameError("a record of an unknown kind".to_owned()))?;
        rows.push(Row { table, key, value });
        rest = after;
    }
    Ok(rows)
}
