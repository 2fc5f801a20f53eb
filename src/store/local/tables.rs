//! The tables of the file, and how records are written to and read from them.

use redb::{
    Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition, TableError,
    WriteTransaction,
};

use super::codec::{FORMAT, connector_key, decode, encode, transfer_key};
use super::error::FileError;
use crate::tracker::persist::{Meta, PendingWrites, SavedState, TransferRecord};
use model::Origin;

const FORMATS: TableDefinition<'_, &str, u32> = TableDefinition::new("format");
const METAS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const CONNECTORS: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("connectors");
/// The key of a transfer.
type TransferRow = (&'static str, &'static str, &'static str);
const TRANSFERS: TableDefinition<'_, TransferRow, &[u8]> = TableDefinition::new("transfers");
const FAILURES: TableDefinition<'_, (&str, &str, &str), &[u8]> = TableDefinition::new("failures");
const FATES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("fates");
const FLOWS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("flows");
const UNCOUNTED: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("uncounted");
const CONNECTION_TESTS: TableDefinition<'_, (&str, &str), &[u8]> =
    TableDefinition::new("connection_tests");
const OPERATIONS: TableDefinition<'_, u64, u64> = TableDefinition::new("operations");
/// The only key of [`FORMATS`] and [`METAS`].
const ONLY: &str = "tracker";

/// Writes the format number to an empty file.
pub(super) fn write_format(database: &Database) -> Result<(), FileError> {
    let transaction = begin(database)?;
    transaction.open_table(FORMATS)?.insert(ONLY, FORMAT)?;
    Ok(transaction.commit()?)
}

/// Reads the format number.
pub(super) fn read_format(database: &Database) -> Result<u32, FileError> {
    let formats = match database.begin_read()?.open_table(FORMATS) {
        Err(TableError::TableDoesNotExist(_)) => return Err(FileError::MissingFormat),
        table => table?,
    };
    let format = formats.get(ONLY)?.map(|format| format.value());
    format.ok_or(FileError::MissingFormat)
}

/// Begins a write transaction with two-phase commit; see the module's documentation.
pub(super) fn begin(database: &Database) -> Result<WriteTransaction, FileError> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    Ok(transaction)
}

/// Writes all changes in one transaction.
pub(super) fn write(database: &Database, changes: &PendingWrites) -> Result<(), FileError> {
    let transaction = begin(database)?;
    {
        let mut transfers = transaction.open_table(TRANSFERS)?;
        for (key, record) in &changes.transfers {
            let key = (
                key.account.as_str(),
                key.connector.as_str(),
                key.transfer.as_str(),
            );
            match record {
                Some(record) => transfers.insert(key, encode(record)?.as_slice())?,
                None => transfers.remove(key)?,
            };
        }
        let mut failures = transaction.open_table(FAILURES)?;
        for (key, records) in &changes.failures {
            let key = (
                key.account.as_str(),
                key.connector.as_str(),
                key.transfer.as_str(),
            );
            match records.as_slice() {
                [] => failures.remove(key)?,
                records => failures.insert(key, encode(&records)?.as_slice())?,
            };
        }
        let mut connectors = transaction.open_table(CONNECTORS)?;
        for (key, record) in &changes.connectors {
            let key = (key.account.as_str(), key.id.as_str());
            match record {
                Some(record) => connectors.insert(key, encode(record)?.as_slice())?,
                None => connectors.remove(key)?,
            };
        }
        let mut fates = transaction.open_table(FATES)?;
        for (hash, fate) in &changes.fates {
            match fate {
                Some(fate) => fates.insert(hash, fate.as_slice())?,
                None => fates.remove(hash)?,
            };
        }
        let mut operations = transaction.open_table(OPERATIONS)?;
        for (hash, until) in &changes.operations {
            match until {
                Some(until) => operations.insert(hash, until)?,
                None => operations.remove(hash)?,
            };
        }
        let mut flows = transaction.open_table(FLOWS)?;
        for (name, record) in &changes.flows {
            match record {
                Some(record) => flows.insert(name.as_str(), encode(record)?.as_slice())?,
                None => flows.remove(name.as_str())?,
            };
        }
        let mut uncounted = transaction.open_table(UNCOUNTED)?;
        for (transfer, record) in &changes.uncounted {
            match record {
                Some(record) => uncounted.insert(transfer, encode(record)?.as_slice())?,
                None => uncounted.remove(transfer)?,
            };
        }
        let mut tests = transaction.open_table(CONNECTION_TESTS)?;
        for (key, record) in &changes.connection_tests {
            let key = (key.account.as_str(), key.id.as_str());
            match record {
                Some(record) => tests.insert(key, encode(record)?.as_slice())?,
                None => tests.remove(key)?,
            };
        }
        if changes.meta != Meta::default() {
            transaction
                .open_table(METAS)?
                .insert(ONLY, encode(&changes.meta)?.as_slice())?;
        }
    }
    Ok(transaction.commit()?)
}

/// Returns whether the administrator has named a transfer, for whom no limit holds.
fn is_named(record: &TransferRecord) -> bool {
    [Origin::Config, Origin::Files]
        .into_iter()
        .any(|origin| record.origins & 1 << origin as u8 != 0)
}

/// How many transfers are still read.
struct Room {
    /// Of those whose files are known.
    known: usize,
    /// Of the others, which a source may have invented.
    others: usize,
}

impl Room {
    /// Returns the room for `most` transfers of the table, those whose files are known first.
    fn of(
        table: &impl ReadableTable<TransferRow, &'static [u8]>,
        most: usize,
    ) -> Result<Self, FileError> {
        let number = usize::try_from(table.len()?).unwrap_or(usize::MAX);
        if number <= most {
            return Ok(Self {
                known: most,
                others: most,
            });
        }
        let mut known = 0;
        for row in table.iter()? {
            let record: TransferRecord = decode("a transfer", row?.1.value())?;
            known += usize::from(record.files.is_some() && !is_named(&record));
        }
        let known = known.min(most);
        Ok(Self {
            known,
            others: most - known,
        })
    }

    /// Takes room for a transfer, if there is any.
    fn take(&mut self, record: &TransferRecord) -> bool {
        if is_named(record) {
            return true;
        }
        let room = match record.files {
            Some(_) => &mut self.known,
            None => &mut self.others,
        };
        let is_left = *room > 0;
        *room = room.saturating_sub(1);
        is_left
    }
}

/// Reads all tables, and at most so many transfers that the administrator has not named. The others stay in the file until there is room at a
/// later start, so that the memory of a start is bounded.
pub(super) fn read(database: &Database, most_transfers: usize) -> Result<SavedState, FileError> {
    let transaction = database.begin_read()?;
    let mut saved = SavedState::default();
    if let Some(table) = present(transaction.open_table(METAS))?
        && let Some(meta) = table.get(ONLY)?
    {
        saved.meta = decode("the metadata", meta.value())?;
    }
    if let Some(table) = present(transaction.open_table(CONNECTORS))? {
        for row in table.iter()? {
            let (key, record) = row?;
            saved.connectors.push((
                connector_key(key.value())?,
                decode("a connector", record.value())?,
            ));
        }
    }
    if let Some(table) = present(transaction.open_table(TRANSFERS))? {
        let mut room = Room::of(&table, most_transfers)?;
        let number = usize::try_from(table.len()?).unwrap_or_default();
        saved.transfers.reserve(number.min(most_transfers));
        for row in table.iter()? {
            let (key, record) = row?;
            let record: TransferRecord = decode("a transfer", record.value())?;
            if !room.take(&record) {
                continue;
            }
            let key = transfer_key(
                key.value(),
                saved.transfers.last().map(|(previous, _)| previous),
            )?;
            saved.transfers.push((key, record));
        }
    }
    if let Some(table) = present(transaction.open_table(FAILURES))? {
        for row in table.iter()? {
            let (key, records) = row?;
            let key = transfer_key(
                key.value(),
                saved.failures.last().map(|(previous, _)| previous),
            )?;
            saved
                .failures
                .push((key, decode("failed files", records.value())?));
        }
    }
    if let Some(table) = present(transaction.open_table(FATES))? {
        for row in table.iter()? {
            let (hash, fate) = row?;
            saved.fates.push(hash.value(), fate.value());
        }
    }
    if let Some(table) = present(transaction.open_table(OPERATIONS))? {
        for row in table.iter()? {
            let (hash, until) = row?;
            saved.operations.push((hash.value(), until.value()));
        }
    }
    if let Some(table) = present(transaction.open_table(FLOWS))? {
        for row in table.iter()? {
            let (name, record) = row?;
            let record = decode("a flow", record.value())?;
            saved.flows.push((name.value().to_owned(), record));
        }
    }
    if let Some(table) = present(transaction.open_table(UNCOUNTED))? {
        for row in table.iter()? {
            let (transfer, record) = row?;
            let record = decode("uncounted files of flows", record.value())?;
            saved.uncounted.push((transfer.value(), record));
        }
    }
    if let Some(table) = present(transaction.open_table(CONNECTION_TESTS))? {
        for row in table.iter()? {
            let (key, record) = row?;
            saved.connection_tests.push((
                connector_key(key.value())?,
                decode("a test of a connection", record.value())?,
            ));
        }
    }
    Ok(saved)
}

/// Returns `None` for a table that nothing has been written to.
fn present<T>(table: Result<T, TableError>) -> Result<Option<T>, TableError> {
    match table {
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        table => table.map(Some),
    }
}
