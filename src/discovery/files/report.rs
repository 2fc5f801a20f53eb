//! What the files list, for those who did not follow.

use std::collections::BTreeSet;

use super::{Files, State};
use model::TransferKey;

impl Files {
    /// Passes the transfers to `report` as well, and whether they are complete, if they have been read:
    /// the process owns others than before.
    pub fn report_to(&self, report: impl FnOnce(BTreeSet<TransferKey>, bool)) {
        let state = self.state();
        if let Some(complete) = state.published {
            report(state.transfers(), complete);
        }
    }
}

impl State {
    /// Returns the transfers of all sources.
    pub(super) fn transfers(&self) -> BTreeSet<TransferKey> {
        self.sources
            .iter()
            .flat_map(|source| source.files.values())
            .flat_map(|file| file.transfers.iter().cloned())
            .collect()
    }
}
