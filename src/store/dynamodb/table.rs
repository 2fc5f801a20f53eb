//! The port to the table: what the store needs of DynamoDB. Each write is of one item, on a condition.

use std::pin::Pin;

use super::lease::Lease;

/// The result of an operation on the table.
pub(super) type TableFuture<'a, T> =
    Pin<Box<dyn Future<Output = Result<T, TableError>> + Send + 'a>>;

/// Most bytes of a value. The limit of an item is 400 KB, with its keys. Small in tests, so that little is
/// divided into pieces.
pub(super) const MAX_VALUE: usize = if cfg!(test) { 1 << 10 } else { 350 << 10 };

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TableError {
    /// Another process has written since. Nothing was written.
    #[error("another process owns the shard")]
    Conflict,
    /// DynamoDB is busy, or did not answer: the operation may have been done.
    #[error("{0}")]
    Busy(String),
    /// The table does not exist.
    #[error("the table does not exist")]
    Missing,
    /// Any other reason.
    #[error("{0}")]
    Other(String),
}

/// Who wrote an item, and which of its writes that was: the epoch, and a number that grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    pub(super) epoch: u64,
    pub(super) number: u64,
}

/// An item of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// Its sort key.
    pub(super) name: String,
    pub(super) version: Version,
    pub(super) value: Vec<u8>,
}

/// What the lease has to be for a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// There is none.
    Absent,
    /// It has not been renewed.
    Unchanged { epoch: u64, beat: u64 },
    /// It has this number, and no later request has renewed it.
    Epoch(u64),
}

/// A partition of a table, with a lease and items.
pub(super) trait TablePartition: Send + Sync {
    /// Reads the lease, as it is after all writes that were answered before.
    fn lease(&self) -> TableFuture<'_, Option<Lease>>;

    /// Writes the lease, unless it is not what was expected.
    fn write_lease(&self, lease: Lease, expected: Expected) -> TableFuture<'_, ()>;

    /// Writes an item, unless there is one with a later version.
    fn put(&self, item: Item) -> TableFuture<'_, ()>;

    /// Reads the first of the items from one name to another, in order: at least one, if there is one.
    fn items(&self, first: String, last: String) -> TableFuture<'_, Vec<Item>>;
}
