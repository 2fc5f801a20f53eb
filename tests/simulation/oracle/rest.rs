//! Checks of the world at rest.

use std::collections::BTreeMap;

use aws_transfer_exporter::collector::Collected;
use aws_transfer_exporter::metrics::self_metrics::SourceLabels;
use model::{Finished, Origin};

use super::bounds::FATE_KEPT;
use super::checks::broken;
use super::settling::may_be_settled;
use super::{Answer, Identity, Oracle};
use crate::aws::LONG_POLL;
use crate::operator::{queue_name, queues_of};
use crate::plan::{FileScript, HOUR, MINUTE, Ms};
use crate::world::{REGION, Violation, end_of, path_of, rows, transfer_number};

/// CloudTrail is at most this late, for starts that are read for sure.
const TRAIL_DELAY: Ms = 3 * HOUR + HOUR / 2;
/// Longest time from the expiry of what is kept of a transfer to its removal, with a scrape in between.
const FATE_SEARCH: Ms = 2 * HOUR;
/// Pauses of failed polls of CloudTrail, and between its pages.
const TRAIL_PAUSES: Ms = MINUTE;

impl Oracle {
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

    /// Each queue has series of its own once a receive has ended, also if a queue of another account has
    /// its name. `polls` has the sources that have series.
    pub(crate) fn check_queues(
        &self,
        polls: &BTreeMap<SourceLabels, bool>,
        now: Ms,
    ) -> Result<(), Violation> {
        let received_since = now.saturating_sub(LONG_POLL + MINUTE);
        let Some(plan) = self.plan.as_ref() else {
            return Ok(());
        };
        if self.configured_at.max(self.life_started) > received_since {
            return Ok(());
        }
        for (account, name) in plan.names.iter().enumerate() {
            let Some(name) = name else { continue };
            for queue in queues_of(plan, account) {
                let labels = SourceLabels {
                    source: "events",
                    account: name.clone(),
                    region: REGION.into(),
                    target: queue_name(queue),
                };
                if !polls.contains_key(&labels) {
                    return broken(
                        "a queue has no series of its own",
                        format!("{labels:?} of {polls:?}"),
                    );
                }
            }
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
                    // The event of a file whose row has not appeared may be taken for that of another.
                    let is_clear = record.events.is_empty() && record.has_seen(file.id);
                    if is_clear && !record.logged.contains_key(&path) {
                        return broken(
                            "a failed file was not logged",
                            format!("{path} of {identity:?}"),
                        );
                    }
                }
            }
            // An event that was taken for another file's is logged with its own row, which AWS may have
            // deleted by then.
            let has_row = |file: &FileScript| {
                let mut answers = record.polls.iter().filter_map(|poll| poll.answer.as_ref());
                answers.any(|(_, answer)| answer.has_ended(file.id))
            };
            let with_row: Vec<_> = failed.clone().filter(|file| has_row(file)).collect();
            let is_taken = |file: &&FileScript| {
                !has_row(file) && with_row.iter().any(|row| row.failure == file.failure)
            };
            let taken = failed.clone().filter(is_taken).count() as u64;
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
            if logged + taken < counted {
                return broken(
                    "a failed file was not logged",
                    format!("{identity:?} has {counted}, logged {logged}"),
                );
            }
        }
        Ok(())
    }
}
