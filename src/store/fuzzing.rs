//! Records without a store, for tests that feed them bytes.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::records::{Loader, Table, decode, encode};
use crate::tracker::persist::{PendingWrites, SavedState};

/// Decodes records of all tables. Each is a byte for the table, a byte for the length, and so many
/// bytes. What cannot be decoded is left out.
pub fn decode_records(bytes: &[u8]) -> SavedState {
    let mut loader = Loader::new(usize::MAX);
    let (mut rest, mut number) = (bytes, 0_u64);
    while let [table, length, after @ ..] = rest {
        let (record, after) = after.split_at(usize::from(*length).min(after.len()));
        rest = after;
        let table = Table::ALL[usize::from(*table) % Table::ALL.len()];
        // The failed files are those of the transfer before.
        number += u64::from(table != Table::Failures);
        let key = match table {
            Table::Transfers | Table::Failures => {
                format!("prod\0c-0123456789abcdef0\0t-{number}").into_bytes()
            }
            Table::Connectors | Table::ConnectionTests => b"prod\0c-0123456789abcdef0".to_vec(),
            Table::Flows => b"prices".to_vec(),
            Table::Meta | Table::Fates | Table::Operations | Table::Uncounted => {
                number.to_be_bytes().to_vec()
            }
        };
        let until = (u64::from(*length) << 32).to_be_bytes();
        let value = if table == Table::Operations {
            &until[..]
        } else {
            record
        };
        let _ = loader.add(table, &key, value);
    }
    loader.finish()
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
