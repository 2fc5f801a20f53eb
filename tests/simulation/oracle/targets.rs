//! Checks of target files: a list is only in force if two reads have found it, a fault keeps what is
//! known, and a list that stays is in force soon.

use std::collections::{BTreeMap, BTreeSet};

use super::checks::broken;
use super::{Identity, Oracle};
use crate::plan::{Ms, SECOND, TargetFault};
use crate::targets::{Content, Period, TargetFile};
use crate::world::Violation;

/// Least time between the two reads of a changed file.
const SETTLE_TIME: Ms = SECOND;
/// The same at the start and at a reload.
const FIRST_PAUSE: Ms = 100;
/// Time that a cycle takes at most, with its second read or those of a reload.
const CYCLE: Ms = 5 * SECOND;

/// What the process has read.
#[derive(Debug, Default)]
pub(super) struct Targets {
    /// When it has read all files for its start or a reload, from and to.
    first_reads: Vec<(Ms, Ms)>,
    /// Since when the present readers read the files.
    since: Ms,
    /// The lists in force, by account and its name.
    listed: BTreeMap<(usize, String), BTreeSet<usize>>,
    /// Whether they are all that is listed.
    complete: bool,
    /// Accounts whose file the present readers have read.
    read: BTreeSet<usize>,
    /// Transfers that are in force besides, because a file was never read.
    kept: BTreeSet<Identity>,
}

/// Lists that readers have put in force.
pub(crate) struct TargetsApplied<'a> {
    pub(crate) files: &'a [TargetFile],
    /// Since when the readers read the files.
    pub(crate) since: Ms,
    /// By account and its name.
    pub(crate) listed: BTreeMap<(usize, String), BTreeSet<usize>>,
    pub(crate) complete: bool,
}

impl Targets {
    /// Returns whether a transfer is surely listed.
    pub(super) fn lists(&self, name: &str, transfer: usize) -> bool {
        let mut listed = self.listed.iter();
        self.kept.contains(&(name.to_owned(), transfer))
            || listed.any(|((_, of), list)| of == name && list.contains(&transfer))
    }

    /// Returns whether the first of two reads may have found one period, and the second the other one.
    fn may_be_alike(&self, first: &Period, second: &Period, since: Ms, now: Ms) -> bool {
        let may_be_apart = |pause: Ms, from: Ms, until: Ms| {
            let within =
                |period: &Period| (period.from.max(from), period.until.min(until).min(now));
            let (first, second) = (within(first), within(second));
            first.0 < first.1 && second.0 < first.1 + pause && second.1 >= first.0 + pause
        };
        let mut first_reads = self.first_reads.iter();
        first.content == second.content
            && (may_be_apart(SETTLE_TIME, since, Ms::MAX)
                || first_reads
                    .any(|(start, end)| may_be_apart(FIRST_PAUSE, since.max(*start), *end)))
    }
}

impl Period {
    /// Returns the transfers of a valid list; a file that is gone has none.
    fn list(&self) -> Option<BTreeSet<usize>> {
        match &self.content {
            Content::List { transfers, .. } => Some(transfers.iter().copied().collect()),
            Content::Fault(TargetFault::Removed) => Some(BTreeSet::new()),
            Content::Fault(_) => None,
        }
    }
}

impl Oracle {
    /// All files are read, for the start or a reload.
    pub(crate) fn read_of_targets_started(&mut self, now: Ms) {
        self.targets.first_reads.push((now, Ms::MAX));
    }

    /// All files were read.
    pub(crate) fn read_of_targets_ended(&mut self, now: Ms) {
        if let Some((_, end)) = self.targets.first_reads.last_mut() {
            *end = now;
        }
    }

    /// Readers put lists in force.
    pub(crate) fn targets_applied(
        &mut self,
        applied: TargetsApplied<'_>,
        now: Ms,
    ) -> Result<(), Violation> {
        let TargetsApplied {
            files,
            since,
            listed,
            complete,
        } = applied;
        let targets = &mut self.targets;
        let is_same = targets.since == since;
        if !is_same {
            targets.read.clear();
        }
        let recent = now.saturating_sub(2 * self.scenario.setup.files_interval + 2 * CYCLE);
        for (key, list) in &listed {
            let (account, _) = key;
            let before = is_same.then(|| targets.listed.get(key)).flatten();
            let is_kept = before == Some(list) && (targets.read.contains(account) || !complete);
            let is_unread = !complete && list.is_empty();
            let periods = files[*account].periods(recent.max(since), now + 1);
            let is_alike = |(at, period): &(usize, &Period)| {
                let mut later = periods[*at..].iter();
                later.any(|other| targets.may_be_alike(period, other, since, now))
            };
            let periods_alike = periods.iter().enumerate().filter(is_alike);
            let mut lists = periods_alike.filter_map(|(_, period)| period.list());
            if lists.any(|other| other == *list) {
                targets.read.insert(*account);
            } else if !is_kept && !is_unread {
                return broken(
                    "a list that no two reads have found",
                    format!("account {account}: {list:?}, complete: {complete}, of {periods:?}"),
                );
            }
        }
        let kept = if complete {
            BTreeSet::new()
        } else {
            // A renamed account is another one.
            let is_configured = |name: &String| listed.keys().any(|(_, other)| other == name);
            let before = targets.listed.iter().flat_map(|((_, name), list)| {
                list.iter().map(|transfer| (name.clone(), *transfer))
            });
            let before = before.chain(targets.kept.iter().cloned());
            before.filter(|(name, _)| is_configured(name)).collect()
        };
        self.named.extend(listed.values().flatten());
        targets.kept = kept;
        targets.since = since;
        targets.listed = listed;
        targets.complete = complete;
        self.configured_at = now;
        self.changes.push(now);
        self.generation += 1;
        for record in self.records.values_mut() {
            record.evidence.push(now);
        }
        Ok(())
    }

    /// Checks that each list that has been there for long enough is in force.
    pub(crate) fn check_targets(&self, files: &[TargetFile], now: Ms) -> Result<(), Violation> {
        let Some(plan) = &self.plan else {
            return Ok(());
        };
        let targets = &self.targets;
        let within = self.scenario.setup.files_interval + CYCLE;
        let Some(from) = now.checked_sub(within) else {
            return Ok(());
        };
        // Readers whose process is about to stop, or was configured a moment ago.
        if from <= targets.since.max(self.life_started) {
            return Ok(());
        }
        for (account, file) in files.iter().enumerate() {
            let Some(name) = plan.names.get(account).cloned().flatten() else {
                continue;
            };
            let periods = file.periods(from, now + 1);
            let [period] = periods.as_slice() else {
                continue;
            };
            let Some(list) = period.list() else {
                continue;
            };
            if targets.listed.get(&(account, name)) != Some(&list) {
                return broken(
                    "a list is not in force",
                    format!("account {account}: {list:?}, not {:?}", targets.listed),
                );
            }
        }
        Ok(())
    }

    /// Returns whether no source has reported a transfer.
    pub(super) fn is_unreported(&self, (name, transfer): &Identity) -> bool {
        let plan = self.plan.as_ref();
        let record = self.records.get(&(name.clone(), *transfer));
        self.targets.complete
            && !self.targets.lists(name, *transfer)
            && plan.is_some_and(|plan| !plan.configured.contains(transfer))
            && record.is_none_or(|record| record.starts.is_empty() && record.events.is_empty())
    }
}
