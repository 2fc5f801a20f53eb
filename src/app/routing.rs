//! Where facts go: each to the shard that it belongs to. If another process owns that, it is put into the
//! shard's inbox.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use tracing::{debug, warn};

use super::shards::{ShardState, Shards};
use crate::collector::Collector;
use crate::discovery::{Sink, SinkError, log_failures};
use crate::store::{Inboxes, Letter};
use crate::tracker::Ingested;
use crate::tracker::query::FailureFilter;
use model::{AccountName, ConnectorId, Fact, ListedConnectors, Origin, Shard, TransferKey};

/// Letters are passed on so many times at most: processes with different configurations may each take
/// another for the owner.
pub(super) const MAX_HOPS: u8 = 8;

/// The destination of what one source reports.
pub(super) struct ShardSink {
    shards: Arc<Shards>,
    /// How often what it gets was passed on before.
    hops: u8,
    pending: Mutex<Pending>,
    /// Held while what is pending is written.
    writing: tokio::sync::Mutex<()>,
    /// The lists of connectors that were last passed on, by account.
    listed: Mutex<BTreeMap<AccountName, (ListedConnectors, BTreeSet<ConnectorId>)>>,
}

/// What may not be durable yet.
#[derive(Default)]
struct Pending {
    /// What the collectors of this process have got. If an ownership ends before it is durable, it is passed
    /// on.
    ingested: Vec<(Shard, Collector, Letter)>,
    /// What belongs to others.
    outgoing: BTreeMap<u32, Vec<Letter>>,
}

impl Pending {
    fn send(&mut self, shard: Shard, letter: Letter) {
        let letters = self.outgoing.entry(shard.index()).or_default();
        // Facts of one origin travel together.
        if let (Some(Letter::Facts(last, facts)), Letter::Facts(origin, more)) =
            (letters.last_mut(), &letter)
            && last == origin
        {
            facts.extend_from_slice(more);
            return;
        }
        letters.push(letter);
    }
}

impl ShardSink {
    pub(super) fn new(shards: &Arc<Shards>) -> Self {
        Self::after(shards, 0)
    }

    /// Creates a destination of what was passed on so many times.
    pub(super) fn after(shards: &Arc<Shards>, hops: u8) -> Self {
        Self {
            shards: Arc::clone(shards),
            hops,
            pending: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
            listed: Mutex::default(),
        }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inboxes(&self) -> Option<&Arc<dyn Inboxes>> {
        self.shards.inboxes.as_ref()
    }

    /// Ingests a fact here, or keeps it for its shard.
    fn route(&self, fact: &Fact, origin: Origin) -> Ingested {
        let Some(state) = self.shards.shard_of(fact) else {
            return Ingested::Foreign;
        };
        if let Some(collector) = state.owned() {
            let results = self.ingest_into(state, collector, std::slice::from_ref(fact), origin);
            return results.into_iter().next().unwrap_or(Ingested::Foreign);
        }
        if self.inboxes().is_none() {
            return Ingested::Foreign;
        }
        // The list of excluded connectors is with the process that reads CloudTrail.
        let mut collectors = self.shards.collectors().into_iter();
        if collectors.any(|collector| collector.excludes(fact, origin)) {
            return Ingested::Foreign;
        }
        let letter = Letter::Facts(origin, vec![fact.clone()]);
        self.pending().send(state.shard, letter);
        Ingested::Forwarded
    }

    /// Ingests facts into a collector of this process.
    fn ingest_into(
        &self,
        state: &ShardState,
        collector: Collector,
        facts: &[Fact],
        origin: Origin,
    ) -> Vec<Ingested> {
        let results = collector.ingest(facts, origin);
        self.note(state, collector, || Letter::Facts(origin, facts.to_vec()));
        results
    }

    /// Remembers what a collector has got, if its ownership may end before that is durable.
    fn note(&self, state: &ShardState, collector: Collector, letter: impl FnOnce() -> Letter) {
        if state.lease.is_some() {
            let ingested = (state.shard, collector, letter());
            self.pending().ingested.push(ingested);
        }
    }

    /// Removes a transfer from an origin. Returns whether that changed anything, or `None` if it was passed
    /// on.
    pub(super) fn untrack(&self, key: &TransferKey, origin: Origin) -> Option<bool> {
        let state = self.shards.state_of(&key.connector, key.transfer.as_str());
        let Some(state) = state else {
            return Some(false);
        };
        let letter = || Letter::Untracked(key.clone(), origin);
        if let Some(collector) = state.owned() {
            let changed = collector.untrack(key, origin);
            self.note(state, collector, letter);
            return Some(changed);
        }
        if self.inboxes().is_none() {
            return Some(false);
        }
        self.pending().send(state.shard, letter());
        None
    }

    /// Acknowledges failures in all shards. Returns the number of those that are owned here.
    pub(super) fn acknowledge(&self, filter: &FailureFilter) -> usize {
        let mut acknowledged = 0;
        for state in self.shards.all() {
            let letter = || Letter::Acknowledged(filter.clone());
            if let Some(collector) = state.owned() {
                acknowledged += collector.acknowledge(filter);
                self.note(state, collector, letter);
            } else if self.inboxes().is_some() {
                self.pending().send(state.shard, letter());
            }
        }
        acknowledged
    }

    /// Sends a letter to the shards that are not owned here.
    fn send_to_others(&self, letter: &Letter) {
        if self.inboxes().is_none() {
            return;
        }
        let others = self.shards.all().iter().filter(|state| !state.is_owned());
        let others: Vec<_> = others.map(|state| state.shard).collect();
        let mut pending = self.pending();
        for shard in others {
            pending.send(shard, letter.clone());
        }
    }

    /// Applies what was found in the inbox of `shard` to its collector, which is to be persisted then. Of what
    /// belongs to another shard, [`Sink::persist`] is to be awaited.
    pub(super) fn apply(&self, shard: Shard, collector: &Collector, letter: &Letter) {
        let is_of_shard =
            |state: Option<&Arc<ShardState>>| state.is_some_and(|state| state.shard == shard);
        match letter {
            Letter::Facts(origin, facts) => {
                for fact in facts {
                    let fact = std::slice::from_ref(fact);
                    let results = if is_of_shard(self.shards.shard_of(&fact[0])) {
                        collector.ingest(fact, *origin)
                    } else {
                        self.ingest(fact, *origin)
                    };
                    log_failures(fact, &results);
                }
            }
            Letter::Untracked(key, origin) => {
                let state = self.shards.state_of(&key.connector, key.transfer.as_str());
                if is_of_shard(state) {
                    collector.untrack(key, *origin);
                } else {
                    self.untrack(key, *origin);
                }
            }
            Letter::Acknowledged(filter) => drop(collector.acknowledge(filter)),
            Letter::Listed(account, listed, complete) => {
                collector.set_listed_connectors(account, listed, *complete);
            }
            Letter::Excluded(account, ids) => collector.exclude_connectors(account, ids),
        }
    }

    /// Makes durable what the collectors of this process have got. What the collector of an ownership that
    /// has ended could not write is routed again.
    async fn persist_ingested(&self) -> Result<(), SinkError> {
        loop {
            let mut collectors: Vec<(Shard, Collector)> = Vec::new();
            for (shard, collector, _) in &self.pending().ingested {
                if !collectors.iter().any(|(_, known)| known.is_same(collector)) {
                    collectors.push((*shard, collector.clone()));
                }
            }
            if collectors.is_empty() {
                return Ok(());
            }
            let writes = collectors.iter().map(|(_, collector)| collector.persist());
            let written = join_all(writes).await;
            let mut is_failed = false;
            for ((shard, collector), written) in collectors.iter().zip(written) {
                is_failed |= !self.settle(*shard, collector, written.is_ok());
            }
            if is_failed {
                return Err(SinkError);
            }
        }
    }

    /// Forgets what a collector has written. If it could not, and its ownership has ended, that is routed
    /// again. Returns false if it is to be tried again.
    fn settle(&self, shard: Shard, collector: &Collector, is_written: bool) -> bool {
        let mut states = self.shards.all().iter();
        let state = states.find(|state| state.shard == shard);
        let is_current =
            state.is_some_and(|state| state.collector().is_same(collector) && state.is_owned());
        if !is_written && is_current {
            return false;
        }
        let is_of = |(_, other, _): &(Shard, Collector, Letter)| other.is_same(collector);
        let of_collector: Vec<_> = self
            .pending()
            .ingested
            .extract_if(.., |it| is_of(it))
            .collect();
        if !is_written {
            for (_, _, letter) in of_collector {
                self.route_again(state, shard, letter);
            }
        }
        true
    }

    fn route_again(&self, state: Option<&Arc<ShardState>>, shard: Shard, letter: Letter) {
        match &letter {
            Letter::Facts(origin, facts) => drop(self.ingest(facts, *origin)),
            Letter::Untracked(key, origin) => drop(self.untrack(key, *origin)),
            Letter::Acknowledged(_) | Letter::Listed(..) | Letter::Excluded(..) => {
                match state.and_then(|state| Some((state, state.owned()?))) {
                    Some((state, collector)) => {
                        self.apply(shard, &collector, &letter);
                        self.note(state, collector, || letter);
                    }
                    None => self.pending().send(shard, letter),
                }
            }
        }
    }

    /// Puts what belongs to others into their inboxes.
    async fn deliver(&self) -> Result<(), SinkError> {
        let Some(inboxes) = self.inboxes() else {
            let is_done = self.pending().outgoing.is_empty();
            return if is_done { Ok(()) } else { Err(SinkError) };
        };
        let _writing = self.writing.lock().await;
        let outgoing = std::mem::take(&mut self.pending().outgoing);
        let puts = outgoing.into_iter().map(|(index, letters)| async move {
            let mut states = self.shards.all().iter();
            let state = states.find(|state| state.shard.index() == index);
            let Some(state) = state.filter(|_| self.hops < MAX_HOPS) else {
                warn!(
                    event = "delivery_dropped",
                    shard = index,
                    "no process takes a report for its own: their configurations differ"
                );
                return Ok(());
            };
            let put = inboxes.put(state.shard, &letters, self.hops).await;
            put.map_err(|error| {
                debug!(event = "delivery_failed", shard = index, %error, "failed to write to an inbox");
                let mut pending = self.pending();
                // Before what was added meanwhile.
                let kept = pending.outgoing.entry(index).or_default();
                kept.splice(..0, letters);
                SinkError
            })
        });
        join_all(puts).await.into_iter().collect()
    }
}

impl Sink for ShardSink {
    fn ingest(&self, facts: &[Fact], origin: Origin) -> Vec<Ingested> {
        if let ([state], None) = (self.shards.all(), self.inboxes()) {
            if let Some(collector) = state.owned() {
                // What belongs to another shard is foreign to the collector.
                return self.ingest_into(state, collector, facts, origin);
            }
            // It goes nowhere, and `persist` fails: it is reported again.
            let letter = Letter::Facts(origin, facts.to_vec());
            self.pending().send(state.shard, letter);
            return vec![Ingested::Forwarded; facts.len()];
        }
        facts.iter().map(|fact| self.route(fact, origin)).collect()
    }

    fn replace_transfers(&self, origin: Origin, transfers: BTreeSet<TransferKey>, complete: bool) {
        // Each shard takes its part.
        for collector in self.shards.collectors() {
            collector.replace_transfers(origin, &transfers, complete);
        }
    }

    fn set_connectors(&self, account: &AccountName, listed: &ListedConnectors, complete: bool) {
        for collector in self.shards.collectors() {
            collector.set_listed_connectors(account, listed, complete);
        }
        if !complete {
            return;
        }
        let is_new = {
            let mut last = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
            let last = &mut last.entry(account.clone()).or_default().0;
            let is_new = last != listed;
            last.clone_from(listed);
            is_new
        };
        if is_new {
            self.send_to_others(&Letter::Listed(account.clone(), listed.clone(), true));
        }
    }

    fn exclude_connectors(&self, account: &AccountName, ids: &BTreeSet<ConnectorId>) {
        for collector in self.shards.collectors() {
            collector.exclude_connectors(account, ids);
        }
        let is_new = {
            let mut last = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
            let last = &mut last.entry(account.clone()).or_default().1;
            let is_new = last != ids;
            last.clone_from(ids);
            is_new
        };
        // Not stored: a process that has just got a shard learns it from the next list.
        if is_new || !ids.is_empty() {
            self.send_to_others(&Letter::Excluded(account.clone(), ids.clone()));
        }
    }

    fn persist(&self) -> Pin<Box<dyn Future<Output = Result<(), SinkError>> + Send + '_>> {
        Box::pin(async {
            let kept = self.shards.all().iter();
            for state in kept.filter(|state| state.lease.is_none()) {
                let persisted = state.collector().persist().await;
                persisted.map_err(|_| SinkError)?;
            }
            self.forward().await
        })
    }

    fn forward(&self) -> Pin<Box<dyn Future<Output = Result<(), SinkError>> + Send + '_>> {
        Box::pin(async {
            let (ingested, delivered) = tokio::join!(self.persist_ingested(), self.deliver());
            ingested.and(delivered)?;
            // What could not be written belongs to others now.
            self.deliver().await
        })
    }
}

#[cfg(feature = "dynamodb")]
#[cfg(test)]
mod tests;
