//! Checks of polls and of scrapes.

use std::collections::{BTreeMap, BTreeSet};

use aws_transfer_exporter::collector::Collected;
use model::TransferView;

use super::bounds::Bounds;
use super::gauges::name_of;
use super::settling::is_settled;
use super::{Answer, CounterKey, Identity, Oracle, Poll, Record, Start};
use crate::plan::{Ms, SECOND, clock, span};
use crate::world::{Violation, connector_id, transfer_number};

/// A scrape with this budget has ample time for calls with this latency.
const AMPLE_BUDGET: Ms = 10 * SECOND;
const AMPLE_LATENCY: Ms = 200;
/// Tolerance of deadlines.
const TOLERANCE: Ms = 50;

/// A scrape that waits for its answer.
pub(crate) struct Arrival {
    pub(crate) at: Ms,
    life: u64,
    generation: u64,
    deadline: Ms,
    bounds: BTreeMap<CounterKey, Bounds>,
    tracked: Vec<Identity>,
}

pub(super) fn broken<T>(kind: &'static str, detail: String) -> Result<T, Violation> {
    Err(Violation { kind, detail })
}

impl Oracle {
    /// A scrape arrives.
    pub(crate) fn scrape_arrived(&mut self, budget: Ms, at_rest: bool, now: Ms) -> Arrival {
        self.arrivals.push(now);
        Arrival {
            at: now,
            life: self.life,
            generation: self.generation,
            deadline: now + budget + TOLERANCE,
            bounds: self.bounds(now, at_rest),
            tracked: self.tracked(now),
        }
    }

    /// Returns the transfers that the process has surely known since before `until`.
    pub(super) fn tracked(&self, until: Ms) -> Vec<Identity> {
        let Some(plan) = &self.plan else {
            return Vec::new();
        };
        let transfers = self.scenario.transfers.iter().filter_map(|script| {
            let name = plan.names.get(script.account)?.clone()?;
            self.is_tracked(&name, script.id, until)
                .then_some((name, script.id))
        });
        transfers.collect()
    }

    /// A scrape is answered. `durable` means that a crash must not undo what it exports.
    pub(crate) fn scrape_ended(
        &mut self,
        arrival: &Arrival,
        collected: &Collected,
        durable: bool,
        faulty: &BTreeSet<usize>,
        now: Ms,
    ) -> Result<(), Violation> {
        if arrival.life != self.life {
            return Ok(());
        }
        if now > arrival.deadline {
            return broken(
                "a scrape was answered after its deadline",
                format!("{} late", span(now - arrival.deadline)),
            );
        }
        self.check_counters(arrival, collected, durable, now)?;
        self.check_gauges(arrival, collected)?;
        self.check_connectors(collected, durable)?;
        self.check_flows(collected, durable)?;
        if arrival.generation != self.generation {
            return Ok(());
        }
        if collected.complete {
            self.check_complete(arrival, &BTreeSet::new(), now)
        } else if self.has_ample_time(arrival) {
            if faulty.is_empty() {
                return broken("a scrape without faults is incomplete", String::new());
            }
            // A scrape that others delay is as good for accounts without faults.
            if now >= arrival.at + AMPLE_BUDGET * 8 / 10 {
                return self.check_complete(arrival, faulty, now);
            }
            Ok(())
        } else {
            Ok(())
        }
    }

    /// Returns whether a connector stays: it is named in the configuration, or a poll returned files of a
    /// transfer that was not deleted, and that a source other than the configuration and the target files
    /// reported while it was tracked. Another one leaves some time after its transfers have left.
    fn has_results(&self, (name, connector, _): &CounterKey) -> bool {
        let is_of = |transfer: usize| {
            let script = self.scenario.transfer(transfer);
            let id = script.map(|script| connector_id(script.account, script.connector));
            id.is_some_and(|id| id.as_str() == connector)
        };
        let is_named = self.plan.as_ref().is_some_and(|plan| {
            let mut named = plan.configured.iter();
            named.any(|transfer| is_of(*transfer))
        });
        is_named
            || self.records.iter().any(|((account, transfer), record)| {
                let answers = record.polls.iter().filter_map(|poll| poll.answer.as_ref());
                let with_files = || {
                    answers
                        .clone()
                        .filter(|(_, answer)| answer.counts().is_some())
                };
                let tracks = |start: &Start| {
                    // What is reported of a transfer that has settled and left does not track it.
                    let read = with_files().find(|(at, _)| *at >= start.at);
                    let stays_until = |at: Ms| {
                        let left = self.may_have_left_at(record, at);
                        left.is_none_or(|left| left < start.at)
                    };
                    start.sure
                        && (start.configured || read.is_some_and(|(at, _)| stays_until(*at)))
                        && with_files().next().is_some()
                };
                account == name
                    && is_of(*transfer)
                    && record.left_at == 0
                    && record.starts.iter().any(tracks)
            })
    }

    fn check_counters(
        &mut self,
        arrival: &Arrival,
        collected: &Collected,
        durable: bool,
        now: Ms,
    ) -> Result<(), Violation> {
        self.forget_connectors(collected, now);
        let values = counters(collected);
        let bounds = self.bounds(now + 1, false);
        for (key, value) in &values {
            let before = self.exported.get(key).copied().unwrap_or(0);
            let most = bounds.get(key).map_or(0, |bounds| bounds.most);
            if *value < before {
                return broken(
                    "a counter fell",
                    format!("{key:?} from {before} to {value}"),
                );
            }
            if *value > most {
                return broken(
                    "a file was counted that must not be",
                    format!("{key:?} is {value}, at most {most} have evidence"),
                );
            }
            self.exported.insert(key.clone(), *value);
            if durable {
                self.durable.insert(key.clone(), *value);
            }
        }
        if arrival.generation != self.generation {
            return Ok(());
        }
        let plan = self.plan.as_ref();
        let is_configured = |name: &str| {
            plan.is_some_and(|plan| plan.names.iter().flatten().any(|known| known == name))
        };
        for (key, bounds) in &arrival.bounds {
            let value = values.get(key).copied().unwrap_or(0);
            // A connector without transfers leaves, and its counters continue if it comes back.
            let is_used = arrival.tracked.iter().any(|(name, transfer)| {
                let script = self.scenario.transfer(*transfer);
                let id = script.map(|script| connector_id(script.account, script.connector));
                *name == key.0 && id.is_some_and(|id| id.as_str() == key.1)
            });
            let name = (key.0.clone(), key.1.clone());
            let is_forgotten = self.forgotten.contains(&name)
                || (!is_exported(collected, key) && !self.has_results(key));
            if value < bounds.least && is_configured(&key.0) && is_used && !is_forgotten {
                return broken(
                    "a file was not counted",
                    format!(
                        "{key:?} is {value}, at least {} have evidence",
                        bounds.least
                    ),
                );
            }
        }
        Ok(())
    }

    /// Accepts that the counters of a connector start again if it may have left 15 days ago.
    fn forget_connectors(&mut self, collected: &Collected, now: Ms) {
        for view in collected.snapshot.connectors() {
            let name = name_of(view);
            let before = self.seen.insert(name.clone(), now);
            if before.is_none_or(|left| !self.is_forgotten(left, now)) {
                continue;
            }
            let is_other = |key: &CounterKey| (&key.0, &key.1) != (&name.0, &name.1);
            self.exported.retain(|key, _| is_other(key));
            self.durable.retain(|key, _| is_other(key));
            self.exported_starts.remove(&name);
            self.durable_starts.remove(&name);
            self.forgotten.insert(name);
        }
    }

    /// Files of a transfer are those of its last poll.
    fn check_gauges(&self, arrival: &Arrival, collected: &Collected) -> Result<(), Violation> {
        for view in collected.snapshot.transfers() {
            let Some((identity, record)) = self.viewed(view) else {
                continue;
            };
            let Some(files) = &view.files else { continue };
            let is_old = |poll: &Poll| {
                poll.sure && poll.answer.as_ref().is_some_and(|(at, _)| *at < arrival.at)
            };
            let answers = |poll: &&Poll| {
                poll.answer
                    .as_ref()
                    .is_some_and(|(_, answer)| answer.counts().is_some())
            };
            let polls: Vec<_> = record.polls.iter().filter(answers).collect();
            let from = polls.iter().rposition(|poll| is_old(poll)).unwrap_or(0);
            let matches = polls[from..].iter().any(|poll| {
                poll.answer.as_ref().and_then(|(_, answer)| answer.counts()) == Some(files)
            });
            if !matches {
                return broken(
                    "a gauge differs from the last poll",
                    format!("{identity:?} has {files:?}"),
                );
            }
        }
        Ok(())
    }

    pub(super) fn viewed(&self, view: &TransferView) -> Option<(Identity, &Record)> {
        let number = transfer_number(view.id.as_str())?;
        let identity = (view.connector.account.name.to_string(), number);
        let record = self.records.get(&identity)?;
        Some((identity, record))
    }

    /// Returns whether the budget suffices for several times the polls of all transfers.
    fn has_ample_time(&self, arrival: &Arrival) -> bool {
        self.scenario.setup.latency <= AMPLE_LATENCY
            && arrival.deadline >= arrival.at + AMPLE_BUDGET
    }

    /// A complete scrape has polled everything that was due when it arrived, in accounts other than
    /// the `faulty` ones.
    fn check_complete(
        &self,
        arrival: &Arrival,
        faulty: &BTreeSet<usize>,
        now: Ms,
    ) -> Result<(), Violation> {
        for identity in &arrival.tracked {
            let record = self.records.get(identity);
            let Some(script) = self.scenario.transfer(identity.1) else {
                continue;
            };
            let has_left = record.is_some_and(|record| record.left_at >= arrival.at);
            if has_left
                || faulty.contains(&script.account)
                || self.may_be_expired(&identity.0, script, now)
            {
                continue;
            }
            let plan = self.plan.as_ref();
            let is_configured = plan.is_some_and(|plan| plan.configured.contains(&identity.1));
            let polls = record.map_or(&[][..], |record| record.polls.as_slice());
            let failed = |poll: &Poll| {
                poll.start >= arrival.at && matches!(poll.answer, Some((_, Answer::Failed)))
            };
            if polls.first().is_some_and(failed) && polls.len() == 1 {
                return broken(
                    "a scrape with a failed poll is complete",
                    format!("{identity:?}"),
                );
            }
            let due = match polls.iter().rev().find_map(|poll| poll.answer.as_ref()) {
                None => Some(0),
                Some(_) => {
                    record.and_then(|record| self.due_at(record, is_configured, arrival.at, now))
                }
            };
            if due.is_some_and(|due| due <= arrival.at) {
                return broken(
                    "a complete scrape has not polled what was due",
                    format!("{identity:?} was due at {}", clock(due.unwrap_or(0))),
                );
            }
        }
        Ok(())
    }

    /// A poll starts: it was asked for by a scrape, and the transfer was due.
    pub(super) fn check_poll(&self, name: &str, transfer: usize, now: Ms) -> Result<(), Violation> {
        let identity = (name.to_owned(), transfer);
        let what = || format!("{identity:?}");
        let Some(arrival) = self.arrivals.last().copied() else {
            return broken("a poll without a scrape", what());
        };
        // A poll may start just before a reload.
        if !self.is_ours(name, transfer) && now > self.configured_at + SECOND {
            return broken("a poll of a transfer of another exporter", what());
        }
        if self.is_unreported(&identity) && now > self.configured_at + SECOND {
            return broken("a poll of a transfer that nothing reports", what());
        }
        let Some(record) = self.records.get(&identity) else {
            return Ok(());
        };
        let of_life = |poll: &&Poll| poll.life == self.life;
        let Some(last) = record.polls.iter().rev().find(of_life) else {
            return Ok(());
        };
        let evidence = record
            .evidence
            .iter()
            .copied()
            .filter(|at| (last.start..=now).contains(at))
            .min();
        let ended = last.answer.as_ref().map_or(last.start, |(at, _)| *at);
        let due = evidence
            .unwrap_or(Ms::MAX)
            .min(ended + self.backoff(record));
        if arrival < due {
            return broken(
                "a transfer was polled before it was due",
                format!(
                    "{identity:?}: last poll {}, due {}, last scrape {}",
                    clock(last.start),
                    clock(due),
                    clock(arrival)
                ),
            );
        }
        // A transfer that was only listed leaves when its results expire, 7 days later, and nothing is
        // kept of it: the number of files that was reported by then has to be confirmed if it comes back.
        let script = self.scenario.transfer(transfer);
        let is_kept = |start: &Start| {
            let is_expired = |script| self.may_be_expired(name, script, start.at);
            !self.named.contains(&transfer) || !script.is_some_and(is_expired)
        };
        if evidence.is_none() && is_settled(record, is_kept) && last.sure {
            return broken("a settled transfer was polled", what());
        }
        Ok(())
    }
}

fn is_exported(collected: &Collected, (name, connector, _): &CounterKey) -> bool {
    let mut connectors = collected.snapshot.connectors();
    connectors.any(|view| {
        view.labels.account.name.as_str() == name && view.labels.id.as_str() == connector
    })
}

/// Returns the counters of finished files.
fn counters(collected: &Collected) -> BTreeMap<CounterKey, u64> {
    let views = collected.snapshot.connectors();
    views
        .flat_map(|view| {
            let (account, id) = (
                view.labels.account.name.to_string(),
                view.labels.id.to_string(),
            );
            view.finished
                .iter()
                .map(move |(end, files)| ((account.clone(), id.clone(), end.clone()), files.files))
        })
        .collect()
}
