//! Bounds of the counters of finished files, from the evidence that the exporter has.

use std::collections::{BTreeMap, BTreeSet};

use model::{Finished, Origin};

use super::{Answer, CounterKey, Moment, Oracle, Record};
use crate::plan::{DAY, Ms, SECOND, TransferScript};
use crate::world::{connector_id, end_of, transfer_id};

/// How long what is counted of a transfer or a connector that has left is kept.
pub(super) const FATE_KEPT: Ms = 15 * DAY;

/// Least and greatest number of counted files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) least: u64,
    pub(crate) most: u64,
}

/// When a transfer's files count from: the earliest and the latest moment that the rules allow. The
/// wall clock's errors make the earliest one earlier.
#[derive(Clone, Copy)]
struct Watched {
    earliest: i64,
    latest: Moment,
}

/// Whether a source has surely, or perhaps, made a file count.
#[derive(Clone, Copy, Default)]
struct Evidence {
    by_poll: (bool, bool),
    by_event: (bool, bool),
    /// How often it may have been counted again, after its transfer was forgotten.
    again: u64,
}

impl Oracle {
    /// Returns the bounds of every series, from what was observed before `until`.
    pub(crate) fn bounds(&self, until: Ms, at_rest: bool) -> BTreeMap<CounterKey, Bounds> {
        let mut all = BTreeMap::<CounterKey, Bounds>::new();
        for ((name, transfer), record) in &self.records {
            let Some(script) = self.scenario.transfer(*transfer) else {
                continue;
            };
            let connector = connector_id(script.account, script.connector);
            for (end, bounds) in self.of_transfer(name, script, record, until, at_rest) {
                let key = (name.clone(), connector.to_string(), end);
                let sum = all.entry(key).or_default();
                sum.least += bounds.least;
                sum.most += bounds.most;
            }
        }
        all
    }

    /// Returns the number of windows of flows whose outcome was certain at the end.
    pub(crate) fn certain_windows(&self) -> u64 {
        self.certain_windows
    }

    /// Returns the least and the greatest number of all counted files.
    pub(crate) fn files(&self) -> (u64, u64) {
        let bounds = self.bounds(Ms::MAX, true).into_values();
        bounds.fold((0, 0), |(least, most), of| {
            (least + of.least, most + of.most)
        })
    }

    /// Returns the bounds of one transfer.
    pub(super) fn of_transfer(
        &self,
        name: &str,
        script: &TransferScript,
        record: &Record,
        until: Ms,
        at_rest: bool,
    ) -> BTreeMap<Finished, Bounds> {
        let watched = self.watched(name, script, record);
        let forgotten = self.may_be_forgotten(record);
        let mut ends: BTreeMap<Finished, Vec<Evidence>> = BTreeMap::new();
        for file in &script.files {
            let mut evidence = watched.map_or_else(Evidence::default, |watched| {
                evidence(watched, file.id, file.ends, record, until)
            });
            evidence.again = record.reported_again(file.id, &forgotten);
            ends.entry(end_of(file.failure)).or_default().push(evidence);
        }
        // An event of a file without a row may be taken for another file until the row appears.
        let has_all_rows = at_rest && record.has_rows_of(script);
        let is_plain = script.has_clear_rows() || script.has_plain_paths() && has_all_rows;
        ends.into_iter()
            .map(|(end, files)| {
                (
                    end,
                    if is_plain {
                        each(&files)
                    } else {
                        group(&files)
                    },
                )
            })
            .collect()
    }

    /// Returns whether what left at `left` may have been forgotten at `now`, by a wall clock that may
    /// be wrong.
    pub(super) fn is_forgotten(&self, left: Ms, now: Ms) -> bool {
        now + self.wall_errors.unsigned_abs() >= left + FATE_KEPT
    }

    /// Returns the moments at which something was observed of a transfer that may have been forgotten
    /// before, because it may have left 15 days ago.
    pub(super) fn may_be_forgotten(&self, record: &Record) -> Vec<Ms> {
        let polls = record.polls.iter().map(|poll| (poll.start, true));
        let events = record.events.iter().map(|event| (event.at, false));
        let starts = record.starts.iter().map(|start| (start.at, false));
        let mut observed: Vec<_> = polls.chain(events).chain(starts).collect();
        observed.sort_unstable();
        let mut forgotten = Vec::new();
        // When it was surely not gone: what is observed of a transfer that has left changes nothing.
        let mut present = None;
        for (at, is_poll) in observed {
            if present.is_some_and(|left| self.is_forgotten(left, at)) {
                forgotten.push(at);
                present = None;
            }
            if is_poll || present.is_none() {
                present = Some(at);
            }
        }
        forgotten
    }

    /// Returns the latest moment from which the files of a transfer count.
    pub(super) fn watched_latest(
        &self,
        name: &str,
        script: &TransferScript,
        record: &Record,
    ) -> Option<Moment> {
        self.watched(name, script, record)
            .map(|watched| watched.latest)
    }

    fn watched(&self, name: &str, script: &TransferScript, record: &Record) -> Option<Watched> {
        let account = *self.accounts.get(name)?;
        let source = |origin: Origin| match origin {
            Origin::Events | Origin::Cloudtrail => {
                let since = self.sources.get(&(name.to_owned(), origin));
                Some(since.copied().unwrap_or(account))
            }
            Origin::Config | Origin::Files | Origin::Api => Some(account),
        };
        let mut origins: Vec<_> = record
            .starts
            .iter()
            .filter(|start| start.sure)
            .map(|start| start.origin)
            .collect();
        origins.extend(
            record
                .events
                .iter()
                .filter(|event| event.sure)
                .map(|_| Origin::Events),
        );
        let plan = self.plan.as_ref()?;
        if plan.configured.contains(&script.id) || self.targets.lists(name, script.id) {
            origins.push(Origin::Config);
        }
        let reported = origins
            .into_iter()
            .filter_map(source)
            .map(|since| since.sure)
            .reduce(Moment::earliest);
        let any = self.sources.iter().filter(|((of, _), _)| of == name);
        let any = any.map(|(_, since)| since.sure).reduce(Moment::latest);
        let latest_origin = reported.or(any).unwrap_or(account.sure);
        let (connector, transfer) = (
            connector_id(script.account, script.connector),
            transfer_id(script.id),
        );
        let owns = |owned: &model::Ownership| owned.owns(&connector, &transfer);
        let first = self.owned.iter().find(|(owned, _)| owns(owned))?.1;
        let since = self
            .owned
            .iter()
            .rev()
            .take_while(|(owned, _)| owns(owned))
            .last()
            .map(|(_, since)| since.sure);
        Some(Watched {
            earliest: {
                let first = account.first.latest(first.first);
                first.wall.min(first.at.cast_signed()) - self.wall_errors
            },
            // While another shard owns it, nothing more counts.
            latest: account
                .sure
                .latest(latest_origin)
                .latest(since.unwrap_or(Moment {
                    at: i64::MAX.cast_unsigned(),
                    wall: i64::MAX,
                })),
        })
    }
}

impl Record {
    /// Returns how often a file was reported again after its transfer may have been forgotten.
    fn reported_again(&self, file: usize, forgotten: &[Ms]) -> u64 {
        let answers = self.polls.iter().filter_map(|poll| poll.answer.as_ref());
        let polls = answers.filter(|(_, answer)| answer.has_ended(file));
        let polls = polls.map(|(at, _)| *at);
        let events = self.events.iter().filter(|event| event.file == file);
        let reports = polls.chain(events.map(|event| event.at));
        let eras = reports.map(|at| forgotten.partition_point(|moment| *moment <= at));
        let eras: BTreeSet<_> = eras.collect();
        eras.len().saturating_sub(1) as u64
    }

    /// Returns whether the last poll surely had a row of every file.
    fn has_rows_of(&self, script: &TransferScript) -> bool {
        let mut answers = self.polls.iter().rev().filter(|poll| poll.sure);
        let answer = answers.find_map(|poll| poll.answer.as_ref());
        answer.is_some_and(|(_, answer)| answer.all_ended() == Some(script.files.len()))
    }
}

/// Returns the evidence for one file that ended at `ended`.
fn evidence(watched: Watched, file: usize, ended: Ms, record: &Record, until: Ms) -> Evidence {
    let mut of = Evidence::default();
    for event in record.events.iter().filter(|event| event.file == file) {
        of.by_event.0 |= event.sure && event.at < until;
        of.by_event.1 = true;
    }
    let (mut lacked, mut surely_lacked) = (false, false);
    let (mut seen, mut surely_seen) = (false, false);
    let (mut counted, mut surely_counted) = (false, false);
    for poll in &record.polls {
        let Some((at, answer)) = &poll.answer else {
            continue;
        };
        if *answer == Answer::Failed {
            continue;
        }
        let sure = poll.sure && *at < until;
        if answer.has_ended(file) {
            seen = true;
            surely_seen |= sure;
            counted |= lacked;
            surely_counted |= sure && surely_lacked;
        } else {
            lacked = true;
            surely_lacked |= sure && poll.start >= watched.latest.at;
        }
    }
    let (mut started, mut surely_started) = (false, false);
    let mut contradicted = false;
    let early = |at: Ms, moment: Moment| {
        let at = at.cast_signed();
        at < moment.at.cast_signed() || at < moment.wall
    };
    for start in &record.starts {
        let latest = Moment {
            at: watched.latest.at,
            wall: watched.latest.wall.saturating_add(start.moved),
        };
        started |= start.time + SECOND.cast_signed() >= watched.earliest;
        let is_late = start.time >= latest.wall && start.time >= latest.at.cast_signed();
        // It started before it was first reported.
        contradicted |= !is_late;
        surely_started |= start.sure
            && start.at < until
            && is_late
            && (start.exact || start.first && start.at >= latest.at && !early(ended, latest));
    }
    of.by_poll.0 = surely_counted || surely_seen && surely_started && !contradicted;
    // What ended while it was watched may count without evidence: in doubt it need not.
    let ended_watched = ended.cast_signed() >= watched.earliest;
    of.by_poll.1 = counted || seen && (started || ended_watched);
    of
}

/// Returns the bounds of files that both sources distinguish.
fn each(files: &[Evidence]) -> Bounds {
    let count = |of: fn(&Evidence) -> bool| files.iter().filter(|file| of(file)).count() as u64;
    Bounds {
        least: count(|file| file.by_poll.0 || file.by_event.0),
        most: count(|file| file.by_poll.1 || file.by_event.1) + again(files),
    }
}

/// Returns the bounds of files with the same end that no path distinguishes: a file that one source
/// reports may be any of those that the other one reports.
fn group(files: &[Evidence]) -> Bounds {
    let count = |of: fn(&Evidence) -> bool| files.iter().filter(|file| of(file)).count() as u64;
    let polled = count(|file| file.by_poll.0);
    let events = count(|file| file.by_event.0);
    let most = count(|file| file.by_poll.1) + count(|file| file.by_event.1);
    Bounds {
        least: polled.max(events),
        most: most.min(files.len() as u64) + again(files),
    }
}

fn again(files: &[Evidence]) -> u64 {
    files.iter().map(|file| file.again).sum()
}
