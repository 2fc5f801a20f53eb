//! Records without a file, for tests that feed them bytes.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::codec::{connector_key, decode, encode, transfer_key};
use crate::tracker::persist::{PendingWrites, SavedState};

/// Decodes records of all tables. Each is a byte for the table, a byte for the length, and so many
/// bytes. What cannot be decoded is left out.
pub fn decode_records(bytes: &[u8]) -> SavedState {
    let mut saved = SavedState::default();
    let (mut rest, mut number) = (bytes, 0_u64);
    while let [table, length, after @ ..] = rest {
        let (record, after) = after.split_at(usize::from(*length).min(after.len()));
        rest = after;
        number += 1;
        let id = format!("t-{number}");
        let connector = ("prod", "c-0123456789abcdef0");
        let key = transfer_key((connector.0, connector.1, &id), None);
        match (table % 6, key) {
            (0, _) => saved.meta = decode("", record).unwrap_or_default(),
            (1, _) => {
                let row = connector_key(connector).and_then(|key| Ok((key, decode("", record)?)));
                saved.connectors.extend(row);
            }
            (2, Ok(key)) => saved
                .transfers
                .extend(decode("", record).map(|row| (key, row))),
            (3, Ok(mut key)) => {
                // Of a transfer, if there is one.
                if let Some((last, _)) = saved.transfers.last() {
                    key = last.clone();
                }
                saved
                    .failures
                    .extend(decode("", record).map(|rows| (key, rows)));
            }
            (4, _) => saved.fates.push(number, record),
            _ => saved.operations.push((number, u64::from(*length) << 32)),
        }
    }
    saved
}

/// Returns whether records can be read as they were written.
pub fn is_readable(written: &PendingWrites) -> bool {
    written.transfers.iter().all(|(_, row)| round_trip(row))
        && written.failures.iter().all(|(_, rows)| round_trip(rows))
        && written.connectors.iter().all(|(_, row)| round_trip(row))
        && written
            .connection_tests
            .iter()
            .all(|(_, row)| round_trip(row))
        && round_trip(&written.meta)
}

fn round_trip<T: Serialize + DeserializeOwned + PartialEq>(record: &T) -> bool {
    let bytes = encode(record).unwrap_or_default();
    decode::<T>("", &bytes).is_ok_and(|read| read == *record)
}
