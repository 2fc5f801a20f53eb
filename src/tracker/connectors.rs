//! All connectors, and the chunks in which snapshots list them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Index, IndexMut};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use slab::Slab;

use super::chunk_index::number;
use super::connector::{Connector, WaitingRank};
use super::failures::Failures;
use model::{Account, Chunk, ConnectorKey, ConnectorLabels, ConnectorView, Now};

/// Connectors per chunk.
const CONNECTORS_PER_CHUNK: usize = 32;

/// Connectors by number, and by key in the order of the exposition.
#[derive(Debug, Default)]
pub(super) struct Connectors {
    by_number: Slab<Connector>,
    by_key: BTreeMap<ConnectorKey, u32>,
    /// How many of them are not [`model::ConnectorId::OTHER`].
    reported: usize,
    /// Those with transfers that wait for their first poll.
    waiting: BTreeSet<WaitingRank>,
    /// Cleared when a connector is added or removed, and laid out again for the next snapshot.
    chunks: Vec<ConnectorChunk>,
    /// Index of the chunk of each connector, by the connector's number.
    chunk_of: Vec<u32>,
}

#[derive(Debug)]
struct ConnectorChunk {
    numbers: Vec<u32>,
    /// `None` if a connector has changed since the last snapshot.
    built: Option<Chunk<ConnectorView>>,
}

impl Connectors {
    pub(super) fn find(&self, key: &ConnectorKey) -> Option<u32> {
        self.by_key.get(key).copied()
    }

    /// Returns the number of connectors that sources have reported.
    pub(super) fn reported(&self) -> usize {
        self.reported
    }

    /// Returns the number of a connector, which is added if it is missing.
    pub(super) fn find_or_insert(
        &mut self,
        key: ConnectorKey,
        account: &Arc<Account>,
        now: Now,
    ) -> u32 {
        if let Some(number) = self.find(&key) {
            return number;
        }
        let connector = Connector::new(key.clone(), account, now);
        self.reported += usize::from(!key.id.is_other());
        let number = number(self.by_number.insert(connector));
        self.by_key.insert(key, number);
        self.chunks.clear();
        number
    }

    pub(super) fn numbers(&self) -> Vec<u32> {
        self.by_key.values().copied().collect()
    }

    pub(super) fn remove(&mut self, number: u32) -> ConnectorKey {
        let connector = self.by_number.remove(number as usize);
        self.by_key.remove(&connector.key);
        if let Some(rank) = connector.waiting_rank {
            self.waiting.remove(&rank);
        }
        self.reported -= usize::from(!connector.key.id.is_other());
        self.chunks.clear();
        connector.key
    }

    /// Updates the place of a connector among those with transfers that wait for their first poll.
    pub(super) fn rank_waiting(&mut self, number: u32) {
        let connector = &mut self.by_number[number as usize];
        let rank = (connector.waiting() > 0).then(|| WaitingRank {
            is_unconfirmed: !connector.is_confirmed(),
            waiting: connector.waiting(),
            number,
        });
        if connector.waiting_rank == rank {
            return;
        }
        if let Some(before) = std::mem::replace(&mut connector.waiting_rank, rank) {
            self.waiting.remove(&before);
        }
        self.waiting.extend(rank);
    }

    /// Returns the connector that gives up a transfer that waits for its first poll: that with the most
    /// of them, and before all others one that may not exist.
    pub(super) fn most_waiting(&self) -> Option<WaitingRank> {
        self.waiting.last().copied()
    }

    /// Marks the connector's chunk as changed.
    pub(super) fn mark_changed(&mut self, number: u32) {
        let chunk = self
            .chunk_of
            .get(number as usize)
            .and_then(|chunk| self.chunks.get_mut(*chunk as usize));
        if let Some(chunk) = chunk {
            chunk.built = None;
        }
    }

    /// Counts the transfers that wait for their first poll since `before`.
    pub(super) fn count_overdue(&mut self, before: Instant) {
        for number in self.numbers() {
            if self[number].count_overdue(before) {
                self.mark_changed(number);
            }
        }
    }

    /// Returns all chunks. Only changed chunks are built again.
    pub(super) fn chunks(&mut self, failures: &Failures) -> Vec<Chunk<ConnectorView>> {
        if self.chunks.is_empty() {
            self.lay_out_chunks();
        }
        let by_number = &self.by_number;
        let view = |number: &u32| by_number[*number as usize].view(failures);
        let build = |chunk: &mut ConnectorChunk| {
            let built = chunk
                .built
                .get_or_insert_with(|| chunk.numbers.iter().map(view).collect());
            Arc::clone(built)
        };
        self.chunks.iter_mut().map(build).collect()
    }

    /// Returns the time of the oldest poll result among the unfinished transfers of each connector
    /// that has one.
    pub(super) fn oldest_results(&self, now: Now) -> Vec<(Arc<ConnectorLabels>, SystemTime)> {
        let connectors = self.by_key.values().map(|number| &self[*number]);
        connectors
            .filter_map(|c| c.oldest_result(now).map(|at| (Arc::clone(&c.labels), at)))
            .collect()
    }

    fn lay_out_chunks(&mut self) {
        let numbers: Vec<u32> = self.by_key.values().copied().collect();
        self.chunk_of = vec![0; self.by_number.capacity()];
        for (chunk, numbers) in numbers.chunks(CONNECTORS_PER_CHUNK).enumerate() {
            for connector in numbers {
                self.chunk_of[*connector as usize] = number(chunk);
            }
            self.chunks.push(ConnectorChunk {
                numbers: numbers.to_vec(),
                built: None,
            });
        }
    }
}

impl Index<u32> for Connectors {
    type Output = Connector;

    fn index(&self, number: u32) -> &Connector {
        &self.by_number[number as usize]
    }
}

impl IndexMut<u32> for Connectors {
    fn index_mut(&mut self, number: u32) -> &mut Connector {
        &mut self.by_number[number as usize]
    }
}
