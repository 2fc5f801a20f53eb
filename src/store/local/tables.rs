//! The tables of the file, and how records are written to and read from them.

use redb::{
    Database, ReadableDatabase, ReadableTable, TableDefinition, TableError, WriteTransaction,
};

use super::error::FileError;
use crate::store::records::{FORMAT, Loader, Table, for_each_change};
use crate::tracker::persist::{PendingWrites, SavedState};

const FORMATS: TableDefinition<'_, &str, u32> = TableDefinition::new("format");
/// The only key of [`FORMATS`].
const ONLY: &str = "tracker";

type Rows<'a> = redb::Table<'a, &'static [u8], &'static [u8]>;

fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(table.name())
}

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
        let mut open: Option<(Table, Rows<'_>)> = None;
        for_each_change(changes, |table, key, value| {
            // The records of a table follow each other.
            let rows = match &mut open {
                Some((current, rows)) if *current == table => rows,
                _ => {
                    open = None;
                    let rows = transaction.open_table(definition(table))?;
                    &mut open.insert((table, rows)).1
                }
            };
            match value {
                Some(value) => rows.insert(key, value)?,
                None => rows.remove(key)?,
            };
            Ok::<_, FileError>(())
        })?;
    }
    Ok(transaction.commit()?)
}

/// Reads all tables, with at most so many transfers that the administrator has not named.
pub(super) fn read(database: &Database, most_transfers: usize) -> Result<SavedState, FileError> {
    let transaction = database.begin_read()?;
    let mut loader = Loader::new(most_transfers);
    for table in Table::ALL {
        let rows = match transaction.open_table(definition(table)) {
            // Nothing has been written to it.
            Err(TableError::TableDoesNotExist(_)) => continue,
            rows => rows?,
        };
        for row in rows.iter()? {
            let (key, value) = row?;
            loader.add(table, key.value(), value.value())?;
        }
    }
    Ok(loader.finish())
}
