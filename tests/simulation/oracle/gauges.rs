//! Checks of what connectors export beside the counters of finished files: starts and unresolved
//! failures.

use std::collections::BTreeMap;

use aws_transfer_exporter::collector::Collected;
use model::ConnectorView;

use super::{Answer, Moment, Oracle, Record};
use crate::plan::{DAY, FileScript, HOUR, Ms, RESULTS_KEPT, TransferScript};
use crate::world::{Violation, connector_id};

use super::checks::broken;

/// How long a failure is unresolved at least, less the time in which a world comes to rest.
const KEEP_UNRESOLVED: Ms = 7 * DAY - 6 * HOUR;

/// An account's configured name and a connector.
pub(super) type ConnectorName = (String, String);

pub(super) fn name_of(view: &ConnectorView) -> ConnectorName {
    let labels = &view.labels;
    (labels.account.name.to_string(), labels.id.to_string())
}

fn connector_of(script: &TransferScript) -> String {
    connector_id(script.account, script.connector).to_string()
}

impl Record {
    /// Returns whether a source has reported that a file has ended.
    fn may_have_seen(&self, file: usize) -> bool {
        let mut answers = self.polls.iter().filter_map(|poll| poll.answer.as_ref());
        answers.any(|(_, answer)| answer.has_ended(file))
            || self.events.iter().any(|event| event.file == file)
    }

    /// Returns whether its results may have expired before `now`, by the earliest start that was
    /// reported.
    fn may_have_expired(&self, now: Ms) -> bool {
        let start = self.starts.iter().map(|start| start.time).min();
        let kept = (RESULTS_KEPT - 6 * HOUR).cast_signed();
        start.is_some_and(|start| now.cast_signed() >= start + kept)
    }

    /// Returns whether it was surely reported.
    pub(super) fn has_seen(&self, file: usize) -> bool {
        let polls = self.polls.iter().filter(|poll| poll.sure);
        let mut answers = polls.filter_map(|poll| poll.answer.as_ref());
        answers.any(|(_, answer)| answer.has_ended(file))
            || self
                .events
                .iter()
                .any(|event| event.sure && event.file == file)
    }
}

impl Oracle {
    /// Started transfers never become fewer, and are no more than those that a source has reported;
    /// unresolved failures are no more than the failed files that one has reported.
    pub(super) fn check_connectors(
        &mut self,
        collected: &Collected,
        durable: bool,
    ) -> Result<(), Violation> {
        let mut reported = BTreeMap::<ConnectorName, (u64, u64)>::new();
        for (name, script, record) in self.known() {
            let key = (name.to_owned(), connector_of(script));
            let (starts, failures) = reported.entry(key).or_default();
            if !record.starts.is_empty() || !record.events.is_empty() {
                *starts += 1 + self.may_be_forgotten(record).len() as u64;
            }
            let failed = script.files.iter().filter(|file| file.failure.is_some());
            *failures += failed.filter(|file| record.may_have_seen(file.id)).count() as u64;
        }
        for view in collected.snapshot.connectors() {
            let key = name_of(view);
            let (starts, failures) = reported.get(&key).copied().unwrap_or_default();
            let before = self.exported_starts.get(&key).copied().unwrap_or(0);
            if view.started < before || view.started > starts {
                return broken(
                    "a wrong number of starts",
                    format!(
                        "{key:?} has {}, at least {before}, at most {starts}",
                        view.started
                    ),
                );
            }
            let unresolved: u64 = view.unresolved_failures.values().sum();
            if unresolved > failures {
                return broken(
                    "a failure that nothing has reported",
                    format!("{key:?} has {unresolved}, at most {failures}"),
                );
            }
            // Starts of a connector that AWS has not confirmed are forgotten with it.
            if view.confirmed {
                if durable {
                    self.durable_starts.insert(key.clone(), view.started);
                }
                self.exported_starts.insert(key, view.started);
            }
        }
        Ok(())
    }

    /// At rest every start while it was watched is counted, unless its connector may have been forgotten
    /// before AWS confirmed it, and every failed file whose path no other
    /// transfer has completed is unresolved.
    pub(super) fn check_connectors_at_rest(
        &self,
        collected: &Collected,
        now: Ms,
    ) -> Result<(), Violation> {
        for view in collected.snapshot.connectors() {
            let key = name_of(view);
            let of_connector = || {
                self.known()
                    .filter(|(name, script, _)| **name == key.0 && connector_of(script) == key.1)
            };
            let may_be_forgotten = of_connector().any(|(name, script, record)| {
                let answers = record.polls.iter().filter_map(|poll| poll.answer.as_ref());
                let mut unknown = answers.clone().filter(|(_, it)| *it == Answer::Unknown);
                let mut with_files = answers.clone().filter(|(_, it)| it.counts().is_some());
                // A caller may report a start that lies ahead, which is cut to the present: then the
                // results expire before AWS has them, by what was reported.
                let is_unread = match with_files.next() {
                    None => self.may_be_expired(name, script, now),
                    Some((at, _)) => record.may_have_expired(*at),
                };
                record.left_at > 0 || unknown.next().is_some() || is_unread
            });
            let started = of_connector()
                .filter(|(name, script, record)| self.has_started_watched(name, script, record))
                .count() as u64;
            let may_be_forgotten = may_be_forgotten || self.forgotten.contains(&key);
            if view.started < started && !may_be_forgotten {
                return broken(
                    "a start was not counted",
                    format!("{key:?} has {}, at least {started}", view.started),
                );
            }
            let is_completed_elsewhere = |transfer: usize, failed: &FileScript| {
                of_connector().any(|(_, script, record)| {
                    let mut files = script.files.iter();
                    script.id != transfer
                        && files.any(|file| {
                            file.path == failed.path
                                && file.failure.is_none()
                                && record.may_have_seen(file.id)
                        })
                })
            };
            let mut unresolved = 0;
            for (_, script, record) in of_connector() {
                // What leaves with its account or shard takes its failures along, and files that no path
                // distinguishes may be taken for each other.
                if record.left_at > 0 || self.lost_some || !script.has_clear_rows() {
                    continue;
                }
                let recent = |file: &&FileScript| now < file.ends + KEEP_UNRESOLVED;
                let failed = script.files.iter().filter(|file| file.failure.is_some());
                unresolved += failed
                    .filter(recent)
                    .filter(|file| record.has_seen(file.id))
                    .filter(|file| !is_completed_elsewhere(script.id, file))
                    .count() as u64;
            }
            let exported: u64 = view.unresolved_failures.values().sum();
            if exported < unresolved {
                return broken(
                    "an unresolved failure is missing",
                    format!("{key:?} has {exported}, at least {unresolved}"),
                );
            }
        }
        Ok(())
    }

    /// Returns the transfers that something was observed of, with the account's name.
    fn known(&self) -> impl Iterator<Item = (&String, &TransferScript, &Record)> {
        self.records
            .iter()
            .filter_map(|((name, transfer), record)| {
                let script = self.scenario.transfer(*transfer)?;
                Some((name, script, record))
            })
    }

    /// Returns whether a source has surely reported the time of a start, and none a start before the
    /// transfer was watched.
    fn has_started_watched(&self, name: &str, script: &TransferScript, record: &Record) -> bool {
        let Some(latest) = self.watched_latest(name, script, record) else {
            return false;
        };
        let is_late = |time: i64, moved: i64| {
            let Moment { at, wall } = latest;
            time >= wall.saturating_add(moved) && time >= at.cast_signed()
        };
        let mut starts = record.starts.iter();
        starts.all(|start| is_late(start.time, start.moved))
            && record.starts.iter().any(|start| start.sure && start.exact)
    }
}
