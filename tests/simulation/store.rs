//! A store in memory, of which a crash leaves what was durable.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_transfer_exporter::flows::record::FlowRecord;
use aws_transfer_exporter::store::{BlockingStore, StoreError};
use aws_transfer_exporter::tracker::persist::{
    ConnectionTestRecord, ConnectorRecord, FailureRecord, FateRecord, Meta, PendingWrites,
    SavedState, TransferRecord, UncountedRecord,
};
use model::{ConnectorKey, Millis, TransferKey};

use crate::plan::{SECOND, Stop, StoreFault};
use crate::world::{EPOCH, World};

/// What is durable.
#[derive(Clone, Default)]
pub(crate) struct Stored {
    transfers: BTreeMap<TransferKey, TransferRecord>,
    failures: BTreeMap<TransferKey, Vec<FailureRecord>>,
    connectors: BTreeMap<ConnectorKey, ConnectorRecord>,
    fates: BTreeMap<u64, FateRecord>,
    operations: BTreeMap<u64, Millis>,
    flows: BTreeMap<String, FlowRecord>,
    uncounted: BTreeMap<u64, UncountedRecord>,
    connection_tests: BTreeMap<ConnectorKey, ConnectionTestRecord>,
    meta: Meta,
}

impl Stored {
    pub(crate) fn is_empty(&self) -> bool {
        self.meta == Meta::default() && self.records() == 0
    }

    /// Returns the number of records.
    pub(crate) fn records(&self) -> usize {
        self.transfers.len()
            + self.failures.len()
            + self.connectors.len()
            + self.fates.len()
            + self.operations.len()
            + self.flows.len()
            + self.uncounted.len()
            + self.connection_tests.len()
    }

    /// Returns when the transfer left that left first of those whose fates are kept.
    pub(crate) fn oldest_fate(&self) -> Option<i64> {
        let times = self.fates.values().filter_map(|fate| fate.first_chunk());
        let left = times.map(|left| u32::from_le_bytes(*left)).min()?;
        Some((i64::from(left) - EPOCH.cast_signed()) * SECOND.cast_signed())
    }

    /// Returns the number of windows of a flow that have been counted.
    pub(crate) fn closed_windows(&self, flow: &str) -> u64 {
        self.flows.get(flow).map_or(0, FlowRecord::closed_windows)
    }

    pub(crate) fn saved(&self) -> SavedState {
        SavedState {
            transfers: pairs(&self.transfers),
            failures: pairs(&self.failures),
            connectors: pairs(&self.connectors),
            fates: pairs(&self.fates).into_iter().collect(),
            operations: pairs(&self.operations),
            flows: pairs(&self.flows),
            uncounted: pairs(&self.uncounted),
            connection_tests: pairs(&self.connection_tests),
            meta: self.meta.clone(),
        }
    }

    pub(crate) fn apply(&mut self, changes: &PendingWrites) {
        write(&mut self.transfers, &changes.transfers);
        write(&mut self.connectors, &changes.connectors);
        write(&mut self.fates, &changes.fates);
        write(&mut self.operations, &changes.operations);
        write(&mut self.flows, &changes.flows);
        write(&mut self.uncounted, &changes.uncounted);
        write(&mut self.connection_tests, &changes.connection_tests);
        for (key, failures) in &changes.failures {
            if failures.is_empty() {
                self.failures.remove(key);
            } else {
                self.failures.insert(key.clone(), failures.clone());
            }
        }
        if changes.meta != Meta::default() {
            self.meta = changes.meta.clone();
        }
    }
}

fn pairs<K: Clone, V: Clone>(map: &BTreeMap<K, V>) -> Vec<(K, V)> {
    map.iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn write<K: Clone + Ord, V: Clone>(map: &mut BTreeMap<K, V>, changes: &[(K, Option<V>)]) {
    for (key, value) in changes {
        match value {
            Some(value) => map.insert(key.clone(), value.clone()),
            None => map.remove(key),
        };
    }
}

/// The store as one process uses it.
pub(crate) struct SimulatedStore {
    pub(crate) world: Arc<World>,
    pub(crate) life: u64,
}

fn failed(detail: &str) -> StoreError {
    StoreError::Write {
        path: "/store".into(),
        detail: detail.into(),
    }
}

impl BlockingStore for SimulatedStore {
    fn load(&self) -> Result<SavedState, StoreError> {
        Ok(self.world.state().stored.saved())
    }

    fn save(&self, changes: &PendingWrites) -> Result<(), StoreError> {
        let mut state = self.world.state();
        if state.life != self.life {
            return Err(failed("the process has ended"));
        }
        if let Some(restart) = state
            .armed
            .take_if(|armed| matches!(armed.stop, Stop::KillAtSave { .. }))
        {
            if restart.stop == (Stop::KillAtSave { durable: true }) {
                state.stored.apply(changes);
            }
            state.note(|| format!("killed during a write: {:?}", restart.stop));
            self.world.kill(&mut state, restart);
            return Err(failed("the process has ended"));
        }
        let now = state.now();
        let fault = state.store_fault.filter(|(_, until)| now < *until);
        match fault.map(|(fault, _)| fault) {
            None => {
                state.stored.apply(changes);
                Ok(())
            }
            Some(StoreFault::Full) => {
                state.note(|| "write failed: disk full".into());
                Err(failed("no space left on device"))
            }
            Some(StoreFault::Torn) => {
                state.stored.apply(changes);
                state.note(|| "write reported as failed, but durable".into());
                Err(failed("input/output error"))
            }
            Some(StoreFault::Removed) => {
                state.stored = Stored::default();
                state.store_fault = None;
                state.note(|| "store file removed".into());
                Err(StoreError::Recreated {
                    path: "/store".into(),
                })
            }
        }
    }

    fn size(&self) -> u64 {
        0
    }
}
