//! The port for state that several processes share: of each shard, one process at a time is the owner.

use std::sync::Arc;
use std::time::Duration;

use super::{Store, StoreFuture};

/// A store that one of several processes may write to.
pub trait LeasedStore: Store {
    /// Takes the lease if no other process has it.
    ///
    /// # Errors
    /// The store cannot be read or written to, or has records of a newer release. It may be that the lease
    /// was taken nevertheless: the next call finds that.
    fn acquire(&self) -> StoreFuture<'_, Acquisition>;

    /// Finds who has the lease, without taking it.
    ///
    /// # Errors
    /// The store cannot be read.
    fn look(&self) -> StoreFuture<'_, LeaseState>;

    /// Returns the store as the ownership with this number has it: it writes nothing once that has ended, even
    /// if this process is the owner again.
    fn term(&self, epoch: u64) -> Arc<dyn Store>;

    /// Sets how many transfers that the administrator has not named the next ownership loads.
    fn load_at_most(&self, transfers: usize);

    /// Renews the lease, unless a write just did.
    ///
    /// # Errors
    /// Another process is the owner, or the store cannot be written to.
    fn renew(&self) -> StoreFuture<'_, ()>;

    /// Gives the lease back, so that another process can take it at once.
    fn release(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// Returns for how long this process is still the owner, if the lease is not renewed. A process that
    /// was suspended for longer is none any more.
    fn time_held(&self) -> Duration;

    /// Returns for how long a renewal holds.
    fn lifetime(&self) -> Duration;

    /// Returns whether this process is the owner.
    fn is_held(&self) -> bool {
        !self.time_held().is_zero()
    }
}

/// Who has a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseState {
    /// No process.
    Vacant {
        /// The name of the last owner, if it did not give it back.
        lost_by: Option<String>,
    },
    /// A process.
    HeldBy {
        /// Its name.
        owner: String,
        /// For how long at least, unless it renews its lease or gives it back.
        time_left: Duration,
    },
}

/// What an attempt to take over a shard has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acquisition {
    /// The process is the owner now.
    Acquired {
        /// The number of the ownership.
        epoch: u64,
    },
    /// Another process is.
    HeldBy {
        /// Its name.
        owner: String,
        /// For how long at least, unless it renews its lease or gives it back.
        time_left: Duration,
    },
}

/// Observes a lease.
pub trait LeaseObserver: Send + Sync + 'static {
    /// The process became the owner.
    fn acquired(&self, epoch: u64);
    /// The lease was renewed, by a write or on its own.
    fn renewed(&self);
    /// A write was refused, because another process is the owner.
    fn refused(&self);
    /// The store has charged units for an operation.
    fn consumed(&self, operation: StoreOperation, units: f64);
}

/// Observes nothing.
pub struct Unobserved;

impl LeaseObserver for Unobserved {
    fn acquired(&self, _: u64) {}
    fn renewed(&self) {}
    fn refused(&self) {}
    fn consumed(&self, _: StoreOperation, _: f64) {}
}

/// What a store charges for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreOperation {
    /// Reading.
    Read,
    /// Writing.
    Write,
}

impl StoreOperation {
    /// Every operation.
    pub const ALL: [Self; 2] = [Self::Read, Self::Write];

    /// Returns the value of the label `operation`.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}
