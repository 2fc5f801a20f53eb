//! A [`FileLedger`] in as few bytes as possible: hundreds of thousands are kept in memory and in the
//! store, most of them with one file.
//!
//! One entry after the other, open rows last: 2 bytes of flags and kind, 2 bytes of the file name's
//! hash, 4 bytes of the path's hash, 4 bytes of the event's if it has one, 6 bytes of the event's path
//! if it is another one, and an undocumented failure code with its length. An open row has its status in place of flags, and 4 bytes of time.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroU32;

use model::{DOCUMENTED_FAILURE_CODES, FailureCode, Finished};

use super::file_ledger::{FileLedger, FilePath, LedgerEntry, OpenRow, OpenStatus, event_id};

const COUNTED: u8 = 1;
const POLLED: u8 = 1 << 1;
const EVENT: u8 = 1 << 2;
const PROVISIONAL: u8 = 1 << 3;
const UNLOGGED: u8 = 1 << 4;
const LENT: u8 = 1 << 5;
const ROW_UNLOGGED: u8 = 1 << 6;
const BASELINE: u8 = 1 << 7;
const OPEN_ROW: u8 = 0;
const COMPLETED: u8 = 1;
const WITHOUT_CODE: u8 = 2;
const OTHER_CODE: u8 = 3;
/// Kind of the first documented code; the others follow in their order.
const FIRST_CODE: u8 = 4;

/// A packed [`FileLedger`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PackedLedger(Box<[u8]>);

impl PackedLedger {
    pub(super) fn pack(ledger: &FileLedger) -> Self {
        let mut bytes = Vec::new();
        for entry in &ledger.entries {
            put_entry(&mut bytes, entry);
        }
        for row in &ledger.open_rows {
            bytes.extend([row.status as u8, OPEN_ROW]);
            put_path(&mut bytes, row.path);
            bytes.extend(row.since.to_le_bytes());
        }
        Self(bytes.into())
    }

    /// Returns the ledger. What is damaged is left out.
    pub(super) fn unpack(&self) -> FileLedger {
        let mut ledger = FileLedger::default();
        let mut rest = &*self.0;
        while let Some(read) = read_entry(&mut rest) {
            match read {
                Read::OpenRow(row) => ledger.open_rows.push(row),
                Read::Entry(entry) => ledger.entries.push(entry),
            }
        }
        ledger
    }

    /// Returns whether an event has been recorded.
    pub(super) fn has_event(&self, file_transfer_id: &str) -> bool {
        let id = Some(event_id(file_transfer_id));
        let mut rest = &*self.0;
        std::iter::from_fn(|| read_entry(&mut rest))
            .any(|read| matches!(read, Read::Entry(entry) if entry.event == id))
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns a hash, by which changes are found without a copy.
    pub(super) fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.finish()
    }
}

enum Read {
    OpenRow(OpenRow),
    Entry(LedgerEntry),
}

fn put_path(bytes: &mut Vec<u8>, path: FilePath) {
    bytes.extend(path.name.to_le_bytes());
    bytes.extend(path.hash.to_le_bytes());
}

fn put_entry(bytes: &mut Vec<u8>, entry: &LedgerEntry) {
    let (kind, code) = match &entry.end {
        Finished::Completed => (COMPLETED, None),
        Finished::Failed(None) => (WITHOUT_CODE, None),
        Finished::Failed(Some(code)) => {
            let documented = (FIRST_CODE..)
                .zip(DOCUMENTED_FAILURE_CODES)
                .find(|(_, known)| *known == code.as_str());
            match documented {
                Some((kind, _)) => (kind, None),
                None => (OTHER_CODE, Some(code.as_str())),
            }
        }
    };
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    bytes.push(
        flag(entry.counted, COUNTED)
            | flag(entry.polled, POLLED)
            | flag(entry.event.is_some(), EVENT)
            | flag(entry.event_path.is_some(), PROVISIONAL)
            | flag(entry.unlogged, UNLOGGED)
            | flag(entry.lent, LENT)
            | flag(entry.row_unlogged, ROW_UNLOGGED)
            | flag(entry.baseline, BASELINE),
    );
    bytes.push(kind);
    put_path(bytes, entry.path);
    if let Some(event) = entry.event {
        bytes.extend(event.get().to_le_bytes());
    }
    if let Some(path) = entry.event_path {
        put_path(bytes, path);
    }
    if let Some(code) = code {
        // The ledger cuts codes far below 256 bytes.
        bytes.push(u8::try_from(code.len()).unwrap_or(u8::MAX));
        bytes.extend(code.as_bytes().iter().take(u8::MAX.into()));
    }
}

fn read_entry(rest: &mut &[u8]) -> Option<Read> {
    let [flags, kind] = take(rest)?;
    let path = take_path(rest)?;
    if kind == OPEN_ROW {
        let status = OpenStatus::ALL
            .into_iter()
            .find(|status| *status as u8 == flags)?;
        let since = u32::from_le_bytes(take(rest)?);
        return Some(Read::OpenRow(OpenRow {
            path,
            status,
            since,
        }));
    }
    let event = match flags & EVENT {
        0 => None,
        _ => NonZeroU32::new(u32::from_le_bytes(take(rest)?)),
    };
    let event_path = match flags & PROVISIONAL {
        0 => None,
        _ => Some(take_path(rest)?),
    };
    let end = match kind {
        COMPLETED => Finished::Completed,
        WITHOUT_CODE => Finished::Failed(None),
        OTHER_CODE => {
            let [length] = take(rest)?;
            let (code, after) = rest.split_at_checked(usize::from(length))?;
            *rest = after;
            let code = std::str::from_utf8(code).ok()?;
            Finished::Failed(FailureCode::new(code))
        }
        documented => {
            let code = DOCUMENTED_FAILURE_CODES.get(usize::from(documented - FIRST_CODE))?;
            Finished::Failed(FailureCode::new(code))
        }
    };
    Some(Read::Entry(LedgerEntry {
        path,
        end,
        polled: flags & POLLED != 0,
        event,
        event_path,
        baseline: flags & BASELINE != 0,
        unlogged: flags & UNLOGGED != 0,
        lent: flags & LENT != 0,
        row_unlogged: flags & ROW_UNLOGGED != 0,
        counted: flags & COUNTED != 0,
    }))
}

fn take_path(rest: &mut &[u8]) -> Option<FilePath> {
    Some(FilePath {
        name: u16::from_le_bytes(take(rest)?),
        hash: u32::from_le_bytes(take(rest)?),
    })
}

fn take<const BYTES: usize>(rest: &mut &[u8]) -> Option<[u8; BYTES]> {
    let (taken, remaining) = rest.split_first_chunk()?;
    *rest = remaining;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn path() -> impl Strategy<Value = FilePath> {
        (any::<u32>(), any::<u16>()).prop_map(|(hash, name)| FilePath { hash, name })
    }

    fn open_row() -> impl Strategy<Value = OpenRow> {
        let status = proptest::sample::select(OpenStatus::ALL.as_slice());
        (path(), status, any::<u32>()).prop_map(|(path, status, since)| OpenRow {
            path,
            status,
            since,
        })
    }

    fn end() -> impl Strategy<Value = Finished> {
        let code = prop_oneof![
            proptest::sample::select(DOCUMENTED_FAILURE_CODES.as_slice()).prop_map(str::to_owned),
            "[A-Z_é]{0,40}",
        ];
        prop_oneof![
            Just(Finished::Completed),
            code.prop_map(|code| Finished::Failed(FailureCode::new(&code))),
        ]
    }

    fn entry() -> impl Strategy<Value = LedgerEntry> {
        let event_path = proptest::option::of(path());
        let entry = (path(), end(), any::<u32>(), event_path, any::<[bool; 6]>());
        entry.prop_map(
            |(
                path,
                end,
                event,
                event_path,
                [polled, baseline, lent, unlogged, row_unlogged, counted],
            )| {
                LedgerEntry {
                    path,
                    end,
                    polled,
                    event: NonZeroU32::new(event),
                    event_path,
                    baseline,
                    lent,
                    unlogged,
                    row_unlogged,
                    counted,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn a_packed_ledger_unpacks_to_itself(
            entries in vec(entry(), 0..12),
            open_rows in vec(open_row(), 0..12),
        ) {
            let ledger = FileLedger { entries, open_rows };
            prop_assert_eq!(PackedLedger::pack(&ledger).unpack(), ledger);
        }

        #[test]
        fn damaged_bytes_do_not_panic(bytes in vec(any::<u8>(), 0..200)) {
            PackedLedger::from_bytes(&bytes).unpack();
        }
    }

    #[test]
    fn a_completed_file_takes_at_most_twelve_bytes_and_six_for_a_second_path() {
        let mut ledger = FileLedger::default();
        ledger.record_event("t/1", "/a", &Finished::Completed);
        assert_eq!(PackedLedger::pack(&ledger).bytes().len(), 12);
        ledger.entries[0].event_path = Some(ledger.entries[0].path);
        assert_eq!(PackedLedger::pack(&ledger).bytes().len(), 18);
    }
}
