//! Checks of polls, of scrapes, and of the world at rest.

use std::collections::{BTreeMap, BTreeSet};

use aws_transfer_exporter::collector::Collected;
use model::{Finished, Origin, TransferView};

use super::bounds::{Bounds, FATE_KEPT};
use super::gauges::name_of;
use super::{Answer, CounterKey, Event, Identity, Oracle, Poll, Record, Start};
use crate::plan::{HOUR, MINUTE, Ms, RESULTS_KEPT, SECOND, TransferScript, clock, span};
use crate::world::{Violation, connector_id, end_of, path_of, rows, transfer_number};

/// A second equal answer settles a transfer after this time.
const CONFIRMATION: Ms = 30 * SECOND;
/// First back-off of a transfer whose poll returns no files; it doubles with each such poll.
const FIRST_RETRY: Ms = SECOND;
/// Longest back-off of a transfer that AWS does not know.
const GONE_BACKOFF: Ms = HOUR;
/// CloudTrail is at most this late, for starts that are read for sure.
const TRAIL_DELAY: Ms = 3 * HOUR + HOUR / 2;
/// Longest time from the expiry of what is kept of a transfer to its removal, with a scrape in between.
const FATE_SEARCH: Ms = 2 * HOUR;
/// Pauses of failed polls of CloudTrail, and between its pages.
const TRAIL_PAUSES: Ms = MINUTE;
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
    fn tracked(&self, until: Ms) -> Vec<Identity> {
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
                    start.sure
                        && (start.configured || with_files().any(|(at, _)| *at >= start.at))
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

    fn viewed(&self, view: &TransferView) -> Option<(Identity, &Record)> {
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

    /// Returns the latest moment at which a polled transfer was due for a scrape that arrived at
    /// `arrival`; `None` if it may have settled, by what was reported before.
    fn due_at(&self, record: &Record, is_configured: bool, arrival: Ms, until: Ms) -> Option<Ms> {
        // A crash may have undone the last answers.
        let due = |is_known: fn(&Poll) -> bool| {
            let polls = record.polls.iter().filter(|poll| is_known(poll));
            let answers: Vec<_> = polls.filter_map(|poll| poll.answer.as_ref()).collect();
            self.due_after(&answers, record, is_configured, arrival, until)
        };
        Some(due(|_| true)?.max(due(|poll| poll.sure)?))
    }

    fn due_after(
        &self,
        answers: &[&(Ms, Answer)],
        record: &Record,
        is_configured: bool,
        arrival: Ms,
        until: Ms,
    ) -> Option<Ms> {
        let setup = &self.scenario.setup;
        let (at, last) = answers.last()?;
        let without_rows = answers
            .iter()
            .rev()
            .take_while(|(_, answer)| answer.counts().is_none());
        let is_unknown = without_rows
            .clone()
            .any(|(_, answer)| *answer == Answer::Unknown);
        let max_refresh = setup.max_refresh.max(setup.min_refresh);
        let Answer::Rows { open, counts, .. } = last else {
            let has_left = self.may_have_left(answers, is_configured, until);
            let backoff = if is_unknown {
                GONE_BACKOFF.max(max_refresh)
            } else {
                max_refresh
            };
            return (!has_left).then_some(at + backoff);
        };
        let same = answers
            .iter()
            .rev()
            .take_while(|(_, answer)| answer.counts().is_none_or(|others| others == counts));
        let changed = same.last().map_or(*at, |(at, _)| *at);
        // An earlier process saved it by the wall clock, which may have been set back since.
        let is_restored = changed < self.life_started;
        let error = if is_restored {
            self.wall_errors.unsigned_abs()
        } else {
            0
        };
        let interval = (at - changed + error)
            .div_ceil(20)
            .clamp(setup.min_refresh, max_refresh);
        if *open > 0 {
            Some(at + interval)
        } else {
            (!may_be_settled(record, arrival)).then(|| at + interval.max(CONFIRMATION) + error)
        }
    }

    /// Returns whether a transfer of a target file may have left after `keep_settled`, before the write
    /// API tracked it again and deleted it.
    pub(super) fn may_be_deleted(&self, record: &Record) -> bool {
        let puts = record.starts.iter();
        let mut puts = puts.filter(|start| start.origin == Origin::Api);
        puts.any(|put| {
            let answers = record.polls.iter().filter_map(|poll| poll.answer.as_ref());
            let before: Vec<_> = answers.filter(|(at, _)| *at < put.at).collect();
            !record.api && put.at < record.left_at && self.may_have_left(&before, false, put.at)
        })
    }

    /// Returns when a transfer may have left last before `until`, after `keep_settled`.
    pub(super) fn may_have_left_at(&self, record: &Record, until: Ms) -> Option<Ms> {
        let answers = record.polls.iter().filter_map(|poll| poll.answer.as_ref());
        let answers: Vec<_> = answers.filter(|(at, _)| *at < until).collect();
        let next = |known: usize| answers.get(known).map_or(until, |(at, _)| *at);
        (1..=answers.len())
            .rev()
            .find(|known| self.may_have_left(&answers[..*known], false, next(*known)))
            .map(next)
    }

    /// Returns whether a transfer that AWS does not know has been gone, or had settled before, for
    /// `keep_settled`, after which it leaves unless it is configured.
    fn may_have_left(&self, all: &[&(Ms, Answer)], is_configured: bool, until: Ms) -> bool {
        let setup = &self.scenario.setup;
        let answers = all
            .iter()
            .rev()
            .take_while(|(_, answer)| answer.counts().is_none());
        let unknown = answers
            .clone()
            .filter(|(_, answer)| *answer == Answer::Unknown);
        let times: Vec<_> = unknown.map(|(at, _)| *at).collect();
        let since = times.last().copied().unwrap_or(until);
        // An earlier process saved it by the wall clock, which may have been set forward since.
        let error = if since < self.life_started {
            self.wall_errors.unsigned_abs()
        } else {
            0
        };
        let gone = times
            .iter()
            .rev()
            .find(|at| **at + error >= since + setup.gone_after);
        let kept = setup
            .keep_settled
            .saturating_sub(self.wall_errors.unsigned_abs() + SECOND);
        // It may have settled, left, and come back.
        let settled = all
            .iter()
            .rev()
            .find(|(_, answer)| answer.counts().is_some())
            .filter(|(_, answer)| answer.all_ended().is_some());
        let settled = settled.map(|(at, _)| *at);
        let ends = gone.copied().into_iter().chain(settled);
        !is_configured && ends.min().is_some_and(|ended| ended + kept <= until)
    }

    /// Returns whether the results may have expired: 7 days after the start, or the first sight, also
    /// by a wall clock that is wrong.
    pub(super) fn may_be_expired(&self, name: &str, script: &TransferScript, now: Ms) -> bool {
        let first_sight = self.accounts.get(name).map_or(0, |since| since.first.at);
        now + 6 * HOUR >= script.start.min(first_sight) + RESULTS_KEPT
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

    /// Returns the least time from the last answer to the next poll, which grows while polls fail.
    fn backoff(&self, record: &Record) -> Ms {
        let (min, max) = (
            self.scenario.setup.min_refresh,
            self.scenario.setup.max_refresh,
        );
        let since = record
            .evidence
            .iter()
            .copied()
            .max()
            .unwrap_or(0)
            .max(self.life_started);
        let polls = record
            .polls
            .iter()
            .rev()
            .take_while(|poll| poll.start > since);
        let without_rows = polls
            .filter_map(|poll| poll.answer.as_ref())
            .take_while(|(_, answer)| answer.counts().is_none());
        let failures = without_rows.count().saturating_sub(1).min(16);
        let last = record
            .polls
            .iter()
            .rev()
            .find_map(|poll| poll.answer.as_ref());
        if last.is_some_and(|(_, answer)| answer.counts().is_none()) {
            (FIRST_RETRY.min(min) << failures).min(max.max(min))
        } else {
            min
        }
    }

    /// Nothing has happened for long, and several scrapes were complete: everything is exact.
    pub(crate) fn check_rest(
        &mut self,
        collected: &Collected,
        records: usize,
        oldest_fate: Option<i64>,
        now: Ms,
    ) -> Result<(), Violation> {
        let kept = (FATE_KEPT + FATE_SEARCH).cast_signed() + self.wall_errors;
        if oldest_fate.is_some_and(|age| age > kept) {
            return broken(
                "what is kept of a transfer does not expire",
                format!("{} ms after it left", oldest_fate.unwrap_or_default()),
            );
        }
        if !collected.complete {
            return broken("a scrape at rest is incomplete", String::new());
        }
        for view in collected.snapshot.transfers() {
            let Some((identity, record)) = self.viewed(view) else {
                continue;
            };
            let Some(script) = self.scenario.transfer(identity.1) else {
                continue;
            };
            let owner = self
                .plan
                .as_ref()
                .and_then(|plan| plan.names.get(script.account).cloned().flatten());
            if owner.as_ref() != Some(&identity.0) || !script.is_known(now) {
                continue;
            }
            if self.may_be_expired(&identity.0, script, now) {
                continue;
            }
            let truth = Answer::of(&rows(script, now));
            if view.files.as_ref() != truth.counts() && !may_be_settled(record, Ms::MAX) {
                return broken(
                    "a gauge differs from AWS at rest",
                    format!("{identity:?} has {:?}, AWS has {truth}", view.files),
                );
            }
        }
        let is_exported = |identity: &Identity| {
            collected.snapshot.transfers().any(|view| {
                let number = transfer_number(view.id.as_str());
                view.connector.account.name.as_str() == identity.0 && number == Some(identity.1)
            })
        };
        let plan = self.plan.as_ref();
        for identity in self.tracked(now) {
            let stays = plan.is_some_and(|plan| plan.configured.contains(&identity.1));
            if stays && !is_exported(&identity) {
                return broken(
                    "a configured transfer is not exported",
                    format!("{identity:?}"),
                );
            }
        }
        self.check_connectors_at_rest(collected, now)?;
        self.certain_windows = self.check_flows_at_rest(collected, now)?;
        self.check_logs()?;
        self.check_trail(now)?;
        let files: usize = self
            .scenario
            .transfers
            .iter()
            .map(|transfer| transfer.files.len())
            .sum();
        let most = 16
            + self.scenario.flows.len()
            + 4 * self.records.len()
            + files
            + 8 * self.accounts.len();
        if records > most {
            return broken(
                "the store grows",
                format!("{records} records, at most {most} expected"),
            );
        }
        Ok(())
    }

    /// Each start that CloudTrail lists within hours is read.
    fn check_trail(&self, now: Ms) -> Result<(), Violation> {
        let Some(plan) = self.plan.as_ref().filter(|plan| plan.trail) else {
            return Ok(());
        };
        let polled_since =
            now.saturating_sub(2 * self.scenario.setup.trail_interval + TRAIL_PAUSES);
        if self.configured_at.max(self.life_started) > polled_since {
            return Ok(());
        }
        for script in &self.scenario.transfers {
            let Some(name) = plan.names.get(script.account).cloned().flatten() else {
                continue;
            };
            let in_time = |listed: &&Ms| **listed <= (script.start + TRAIL_DELAY).min(polled_since);
            let is_listed = script.trail.iter().any(|listed| in_time(&listed));
            if !is_listed
                || self.may_be_expired(&name, script, now)
                || !self.is_ours(&name, script.id)
            {
                continue;
            }
            let identity = (name, script.id);
            let starts = self
                .records
                .get(&identity)
                .map_or(&[][..], |record| &record.starts);
            if !starts
                .iter()
                .any(|start| start.origin == Origin::Cloudtrail)
            {
                return broken(
                    "a start in CloudTrail was not read",
                    format!("{identity:?}"),
                );
            }
        }
        Ok(())
    }

    /// Each failed file is logged once. Files whose paths do not distinguish them are only counted.
    fn check_logs(&self) -> Result<(), Violation> {
        for (identity, record) in &self.records {
            let Some(script) = self.scenario.transfer(identity.1) else {
                continue;
            };
            let logged = if self.lost_some {
                &record.logged_in_life
            } else {
                &record.logged
            };
            let times = 1 + self.may_be_forgotten(record).len() as u64;
            let failed = script.files.iter().filter(|file| file.failure.is_some());
            if script.has_plain_paths() {
                for file in failed.clone() {
                    let path = path_of(file);
                    let number = logged.get(&path).copied().unwrap_or(0);
                    if number > times {
                        return broken(
                            "a failed file was logged twice",
                            format!("{path} of {identity:?}, logged {number}"),
                        );
                    }
                    if record.has_seen(file.id) && !record.logged.contains_key(&path) {
                        return broken(
                            "a failed file was not logged",
                            format!("{path} of {identity:?}"),
                        );
                    }
                }
            }
            let failed = failed.count() as u64;
            let logged: u64 = logged.values().sum();
            if logged > failed * times {
                return broken(
                    "a failed file was logged twice",
                    format!("{identity:?} has {failed}, logged {logged}"),
                );
            }
            let logged: u64 = record.logged.values().sum();
            let bounds = self.of_transfer(&identity.0, script, record, Ms::MAX, true);
            let is_failure = |end: &Finished| *end != end_of(None);
            let counted: u64 = bounds
                .iter()
                .filter(|(end, _)| is_failure(end))
                .map(|(_, bounds)| bounds.least)
                .sum();
            if logged < counted {
                return broken(
                    "a failed file was not logged",
                    format!("{identity:?} has {counted}, logged {logged}"),
                );
            }
        }
        Ok(())
    }
}

/// Returns whether the transfer may have settled, by any of its answers and what was reported before
/// `until`.
fn may_be_settled(record: &Record, until: Ms) -> bool {
    let answers = record.polls.iter().filter_map(|poll| poll.answer.as_ref());
    let mut answers = answers.rev();
    let Some((at, last)) = answers.next() else {
        return false;
    };
    let Some(files) = last.all_ended() else {
        return false;
    };
    if events(record, |event| event.sure && event.at < until) > files {
        return false;
    }
    let mut expected = record.starts.iter().filter_map(|start| start.files);
    if expected.any(|expected| expected <= files) {
        return true;
    }
    let more = |start: &Start| {
        start.sure && start.at < until && start.files.is_some_and(|expected| expected > files)
    };
    // Polls that fail change nothing.
    let mut rows = answers.filter(|(_, answer)| answer.counts().is_some());
    let equal = rows.by_ref().take_while(|(_, answer)| answer == last);
    let confirmed = equal
        .last()
        .is_some_and(|(first, _)| at - first >= CONFIRMATION);
    confirmed && !record.starts.iter().any(more)
}

/// Returns whether the transfer has settled by every rule, with answers since the last evidence.
/// `is_kept` returns whether the number of files of a report is surely still known.
fn is_settled(record: &Record, is_kept: impl Fn(&Start) -> bool) -> bool {
    let since = record.evidence.iter().copied().max().unwrap_or(0);
    let polls = record.polls.iter().rev();
    let polls = polls.take_while(|poll| poll.sure && poll.start > since);
    let mut answers = polls.filter_map(|poll| poll.answer.as_ref());
    let Some((at, last)) = answers.next() else {
        return false;
    };
    let Some(files) = last.all_ended() else {
        return false;
    };
    let mut expected = record
        .starts
        .iter()
        .filter(|start| start.at > record.left_at && is_kept(start));
    if !record.events.iter().all(|event| last.has_ended(event.file))
        || record
            .starts
            .iter()
            .any(|start| start.files.is_some_and(|expected| expected > files))
    {
        return false;
    }
    let equal = answers.take_while(|(_, answer)| answer == last);
    equal
        .last()
        .is_some_and(|(first, _)| at - first >= CONFIRMATION)
        || expected.any(|start| start.sure && start.files == Some(files))
}

/// Returns the number of distinct files of events.
fn events(record: &Record, filter: impl Fn(&Event) -> bool) -> usize {
    let events = record.events.iter().filter(|event| filter(event));
    events
        .map(|event| event.file)
        .collect::<BTreeSet<_>>()
        .len()
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
