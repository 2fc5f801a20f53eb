//! The tables of the file, and how records are written to and read from them.

use redb::{
    Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition, TableError,
    WriteTransaction,
};

use super::codec::{FORMAT, connector_key, decode, encode, transfer_key};
use super::error::FileError;
use crate::tracker::persist::{Meta, PendingWrites, SavedState};

const FORMATS: TableDefinition<'_, &str, u32> = TableDefinition::new("format");
const METAS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const CONNECTORS: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("connectors");
const TRANSFERS: TableDefinition<'_, (&str, &str, &str), &[u8]> = TableDefinition::new("transfers");
const FAILURES: TableDefinition<'_, (&str, &str, &str), &[u8]> = TableDefinition::new("failures");
const FATES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("fates");
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
        if changes.meta != Meta::default() {
            transaction
                .open_table(METAS)?
                .insert(ONLY, encode(&changes.meta)?.as_slice())?;
        }
    }
    Ok(transaction.commit()?)
}

/// Reads all tables.
pub(super) fn read(database: &Database) -> Result<SavedState, FileError> {
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
        saved
            .transfers
            .reserve(usize::try_from(table.len()?).unwrap_or_default());
        for row in table.iter()? {
            let (key, record) = row?;
            let key = transfer_key(
                key.value(),
                saved.transfers.last().map(|(previous, _)| previous),
            )?;
            saved
                .transfers
                .push((key, decode("a transfer", record.value())?));
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
            saved.fates.push((hash.value(), fate.value().into()));
        }
    }
    if let Some(table) = present(transaction.open_table(OPERATIONS))? {
        for row in table.iter()? {
            let (hash, until) = row?;
            saved.operations.push((hash.value(), until.value()));
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
