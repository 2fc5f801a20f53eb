//! The port by which processes that share the shards find each other.

use std::pin::Pin;

use super::StoreFuture;

/// The processes that share the shards.
pub trait Members: Send + Sync + 'static {
    /// Shows the others that this process works.
    ///
    /// # Errors
    /// The store cannot be written to.
    fn beat(&self) -> StoreFuture<'_, ()>;

    /// Returns the names of the others that may be working: each that has shown it within the lifetime of a
    /// lease, by the clock of this process.
    ///
    /// # Errors
    /// The store cannot be read.
    fn others(&self) -> StoreFuture<'_, Vec<String>>;

    /// Shows the others that this process works no more. What goes wrong is of no interest: they find out.
    fn leave(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// Returns the name of this process.
    fn name(&self) -> &str;
}
