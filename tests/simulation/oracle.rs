//! The oracle: records what the exporter was given to observe, and checks what it exports.
//!
//! An observation is *sure* if the process has certainly applied it and, with a store, made it
//! durable before it was killed. Lower bounds come from sure observations, upper bounds from all.

mod bounds;
mod checks;
mod flows;
mod gauges;
mod record;
mod reports;
mod rest;
mod settling;
mod targets;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flows::Handover;
use gauges::ConnectorName;
use model::{ConnectorGroups, Finished, Origin, Ownership};
pub(crate) use record::Answer;
use record::{Event, Poll, Record, Start};
use targets::Targets;
pub(crate) use targets::TargetsApplied;

use crate::plan::{FlowScript, Ms, SECOND, Scenario, Step};
use crate::world::{PlanState, connector_id, transfer_id};

/// An account's configured name and the number of a transfer.
pub(crate) type Identity = (String, usize);

/// A series of the counter of finished files: account, connector and end.
pub(crate) type CounterKey = (String, String, Finished);

/// A moment on the clock of the world, and on the wall clock of the process.
#[derive(Clone, Copy, Debug)]
struct Moment {
    at: Ms,
    wall: i64,
}

impl Moment {
    fn latest(self, other: Self) -> Self {
        Self {
            at: self.at.max(other.at),
            wall: self.wall.max(other.wall),
        }
    }

    fn earliest(self, other: Self) -> Self {
        Self {
            at: self.at.min(other.at),
            wall: self.wall.min(other.wall),
        }
    }
}

/// When something was configured for the first time.
#[derive(Clone, Copy, Debug)]
struct Since {
    first: Moment,
    /// The same, of what a crash has not undone.
    sure: Moment,
    is_sure: bool,
}

impl Since {
    fn new(moment: Moment) -> Self {
        Self {
            first: moment,
            sure: moment,
            is_sure: true,
        }
    }

    /// A process starts, with what was durable at `until`.
    fn restarted(&mut self, until: Ms) {
        self.is_sure &= self.sure.at < until;
    }

    /// It is configured again.
    fn configured(&mut self, moment: Moment) {
        if !self.is_sure {
            self.sure = moment;
            self.is_sure = true;
        }
    }
}

pub(crate) struct Oracle {
    scenario: Arc<Scenario>,
    /// First configuration of each account and source since the store is empty.
    accounts: BTreeMap<String, Since>,
    sources: BTreeMap<(String, Origin), Since>,
    owned: Vec<(Ownership, Since)>,
    /// The connectors that shards do not divide.
    groups: Arc<ConnectorGroups>,
    records: BTreeMap<Identity, Record>,
    /// Largest exported values: of this process, and those that a crash must not undo.
    exported: BTreeMap<CounterKey, u64>,
    durable: BTreeMap<CounterKey, u64>,
    /// When each connector was last exported.
    seen: BTreeMap<ConnectorName, Ms>,
    /// Connectors that may have been forgotten.
    forgotten: BTreeSet<ConnectorName>,
    /// The same of started transfers.
    exported_starts: BTreeMap<ConnectorName, u64>,
    durable_starts: BTreeMap<ConnectorName, u64>,
    /// First configuration of the flows, and their counters.
    flows_since: Option<Since>,
    exported_flows: BTreeMap<(usize, String), u64>,
    durable_flows: BTreeMap<(usize, String), u64>,
    /// Windows of flows whose outcome was certain, at rest.
    certain_windows: u64,
    /// The restarts, and when the process surely noticed deadlines for the last time.
    handovers: Vec<Handover>,
    noticed: Ms,
    is_restarted: bool,
    /// What was observed before is durable.
    durable_until: Ms,
    life: u64,
    life_started: Ms,
    /// Arrivals of scrapes at this process.
    arrivals: Vec<Ms>,
    /// The present configuration, and since when it is in force.
    plan: Option<PlanState>,
    configured_at: Ms,
    /// When the configuration and the lists of target files changed.
    changes: Vec<Ms>,
    targets: Targets,
    /// Transfers that the configuration or a target file has named.
    named: BTreeSet<usize>,
    /// Number of the configuration; a stop is a change too.
    generation: u64,
    /// A crash has undone observations since the store is empty.
    lost_some: bool,
    /// Most that the wall clock may have been wrong by, in milliseconds.
    wall_errors: i64,
    /// By how much this process has moved its moments when its wall clock was set back, and how much
    /// of that a step forward undoes.
    moved: i64,
    moved_back: i64,
}

impl Oracle {
    pub(crate) fn new(scenario: Arc<Scenario>) -> Self {
        let setup = &scenario.setup;
        let groups = scenario.flows.iter().map(FlowScript::connector_ids);
        let groups = Arc::new(ConnectorGroups::new(groups));
        let steps = scenario.steps.iter().map(|(_, step)| match step {
            Step::Wall(by) => by.abs(),
            _ => 0,
        });
        let drift = setup.drift.abs() * (scenario.quiet_at() / SECOND / SECOND).cast_signed();
        Self {
            wall_errors: setup.wall_offset.abs() + steps.sum::<i64>() + drift,
            scenario,
            accounts: BTreeMap::new(),
            sources: BTreeMap::new(),
            owned: Vec::new(),
            groups,
            records: BTreeMap::new(),
            exported: BTreeMap::new(),
            durable: BTreeMap::new(),
            seen: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            exported_starts: BTreeMap::new(),
            durable_starts: BTreeMap::new(),
            flows_since: None,
            exported_flows: BTreeMap::new(),
            durable_flows: BTreeMap::new(),
            certain_windows: 0,
            handovers: Vec::new(),
            noticed: 0,
            is_restarted: false,
            durable_until: 0,
            life: 0,
            life_started: 0,
            arrivals: Vec::new(),
            plan: None,
            configured_at: 0,
            changes: Vec::new(),
            targets: Targets::default(),
            named: BTreeSet::new(),
            generation: 0,
            lost_some: false,
            moved: 0,
            moved_back: 0,
        }
    }

    /// A process starts, with what the last one made durable unless `forgotten`.
    pub(crate) fn life_started(&mut self, life: u64, now: Ms, forgotten: bool) {
        if forgotten {
            *self = Self::new(Arc::clone(&self.scenario));
        }
        let until = self.durable_until;
        for record in self.records.values_mut() {
            for poll in &mut record.polls {
                let after = poll.answer.as_ref().is_none_or(|(at, _)| *at >= until);
                // Its failed files may have been logged before it was durable.
                self.lost_some |= after && poll.answer.is_some();
                poll.sure &= !after;
            }
            for event in &mut record.events {
                self.lost_some |= event.sure && event.at >= until;
                event.sure &= event.at < until;
            }
            for start in &mut record.starts {
                start.sure &= start.at < until;
            }
            record.logged_in_life.clear();
        }
        let owned = self.owned.iter_mut().map(|(_, since)| since);
        let moments = self.accounts.values_mut().chain(self.sources.values_mut());
        for since in moments.chain(owned).chain(&mut self.flows_since) {
            since.restarted(until);
        }
        // Where the moments are that it has saved is not known: at the latest where they began.
        (self.moved, self.moved_back) = (0, 0);
        self.exported = self.durable.clone();
        self.exported_starts = self.durable_starts.clone();
        self.exported_flows = self.durable_flows.clone();
        let noticed = self.arrivals.iter().filter(|at| **at < until).max();
        self.noticed = noticed.map_or(self.noticed, |at| self.noticed.max(*at));
        self.life = life;
        self.life_started = now;
        self.is_restarted = true;
        self.arrivals.clear();
        self.targets = Targets::default();
    }

    /// Everything that was observed before `at` is durable.
    pub(crate) fn persisted(&mut self, at: Ms) {
        self.durable_until = self.durable_until.max(at);
    }

    /// The process has a new configuration.
    pub(crate) fn configured(&mut self, plan: &PlanState, now: Ms, wall: i64) {
        let wall = wall - self.moved;
        let moment = Moment { at: now, wall };
        for (account, name) in plan.names.iter().enumerate() {
            let Some(name) = name else { continue };
            let since = Since::new(moment);
            self.accounts
                .entry(name.clone())
                .or_insert(since)
                .configured(moment);
            let mut source = |origin, is_configured: bool| {
                if is_configured {
                    self.sources
                        .entry((name.clone(), origin))
                        .or_insert(since)
                        .configured(moment);
                }
            };
            source(Origin::Cloudtrail, plan.trail);
            let mut queues = crate::operator::queues_of(plan, account);
            source(Origin::Events, queues.next().is_some());
        }
        let since = self.flows_since.get_or_insert(Since::new(moment));
        since.configured(moment);
        let ownership = Ownership::new(plan.shard, &self.groups);
        if let Some((last, since)) = self.owned.last()
            && std::mem::take(&mut self.is_restarted)
        {
            self.handovers.push(Handover {
                from: self.noticed,
                to: now,
                before: since.is_sure.then(|| last.clone()),
                after: ownership.clone(),
            });
        }
        match self.owned.last_mut() {
            Some((last, since)) if *last == ownership => since.configured(moment),
            _ => self.owned.push((ownership.clone(), Since::new(moment))),
        }
        let scenario = Arc::clone(&self.scenario);
        self.named.extend(&plan.configured);
        self.plan = Some(plan.clone());
        for ((name, transfer), record) in &mut self.records {
            let configured = plan.names.iter().flatten().any(|known| known == name);
            let script = scenario.transfer(*transfer);
            let owned = script.is_some_and(|script| {
                let connector = connector_id(script.account, script.connector);
                ownership.owns(&connector, &transfer_id(*transfer))
            });
            if !configured || !owned {
                record.api = false;
                record.left_at = now;
            }
            record.evidence.push(now);
        }
        self.configured_at = now;
        self.changes.push(now);
        self.generation += 1;
    }

    /// The wall clock of the running process is set.
    pub(crate) fn wall_stepped(&mut self, by: i64) {
        // A process whose clock drifts cannot distinguish which part of a step is drift.
        if self.scenario.setup.drift != 0 || by.abs() <= SECOND.cast_signed() {
            return;
        }
        let by = by.min(self.moved_back);
        self.moved += by;
        self.moved_back -= by;
    }

    /// The process stops: it answers scrapes without polls.
    pub(crate) fn stopping(&mut self, now: Ms) {
        self.configured_at = now;
        self.generation += 1;
    }

    /// Returns whether the process takes facts about a transfer under a name.
    fn is_ours(&self, name: &str, transfer: usize) -> bool {
        let Some((plan, script)) = self.plan.as_ref().zip(self.scenario.transfer(transfer)) else {
            return false;
        };
        let connector = connector_id(script.account, script.connector);
        plan.names
            .get(script.account)
            .is_some_and(|known| known.as_deref() == Some(name))
            && Ownership::new(plan.shard, &self.groups).owns(&connector, &transfer_id(transfer))
    }

    fn record(&mut self, name: &str, transfer: usize) -> &mut Record {
        self.records.entry((name.to_owned(), transfer)).or_default()
    }

    /// Returns whether the process has surely tracked the transfer since before `until`, unless it
    /// has settled.
    fn is_tracked(&self, name: &str, transfer: usize, until: Ms) -> bool {
        let Some(plan) = &self.plan else { return false };
        if !self.is_ours(name, transfer) {
            return false;
        }
        let record = self.records.get(&(name.to_owned(), transfer));
        let is_listed = self.targets.lists(name, transfer)
            && record.is_none_or(|record| !self.may_be_deleted(record));
        if self.configured_at < until && (plan.configured.contains(&transfer) || is_listed) {
            return true;
        }
        let Some(record) = record else {
            return false;
        };
        // It may have left, and come back with a file or the configuration alone.
        let is_named = self.named.contains(&transfer);
        let left = is_named.then(|| self.may_have_left_at(record, until));
        let left = left.flatten().unwrap_or(0).max(record.left_at);
        let is_recent = |at: Ms, sure: bool| sure && at < until && at > left;
        let mut starts = record.starts.iter();
        starts.any(|start| {
            is_recent(start.at, start.sure) && (start.origin != Origin::Api || record.api)
        }) || record
            .events
            .iter()
            .any(|event| is_recent(event.at, event.sure))
    }
}
