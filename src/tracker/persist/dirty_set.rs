//! Marks for everything that has changed since the last write.

use std::collections::BTreeSet;

use super::Meta;
use model::{ConnectorKey, TransferKey};

/// What has changed since the last write. Only keys are stored; values are read when the write is
/// prepared.
#[derive(Debug, Default)]
pub(in crate::tracker) struct DirtySet {
    pub(in crate::tracker) transfers: BTreeSet<u32>,
    pub(in crate::tracker) dropped: BTreeSet<TransferKey>,
    /// Transfers whose failed files have changed.
    pub(in crate::tracker) failures: BTreeSet<TransferKey>,
    pub(in crate::tracker) connectors: BTreeSet<u32>,
    /// Connectors that are not tracked: dropped, or dormant.
    pub(in crate::tracker) removed_connectors: BTreeSet<ConnectorKey>,
    pub(in crate::tracker) fates: BTreeSet<u64>,
    pub(in crate::tracker) operations: BTreeSet<u64>,
    /// The last written value.
    pub(super) meta: Meta,
}
