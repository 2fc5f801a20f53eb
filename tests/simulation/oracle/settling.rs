//! Whether a transfer may have settled or left, and when it is due.

use std::collections::BTreeSet;

use model::Origin;

use super::{Answer, Event, Oracle, Poll, Record, Start};
use crate::plan::{HOUR, Ms, RESULTS_KEPT, SECOND, TransferScript};

/// A second equal answer settles a transfer after this time.
const CONFIRMATION: Ms = 30 * SECOND;
/// First back-off of a transfer whose poll returns no files; it doubles with each such poll.
const FIRST_RETRY: Ms = SECOND;
/// Longest back-off of a transfer that AWS does not know.
const GONE_BACKOFF: Ms = HOUR;

impl Oracle {
    /// Returns the latest moment at which a polled transfer was due for a scrape that arrived at
    /// `arrival`; `None` if it may have settled, by what was reported before.
    pub(super) fn due_at(
        &self,
        record: &Record,
        is_configured: bool,
        arrival: Ms,
        until: Ms,
    ) -> Option<Ms> {
        // A crash may have undone the last answers.
        let due = |is_known: fn(&Poll) -> bool| {
            let polls = record.polls.iter().filter(|poll| is_known(poll));
            let answers: Vec<_> = polls.filter_map(|poll| poll.answer.as_ref()).collect();
            self.due_after(&answers, record, is_configured, arrival, until)
        };
        Some(due(|_| true)?.max(due(|poll| poll.sure)?))
    }

    pub(super) fn due_after(
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
    pub(super) fn may_have_left(
        &self,
        all: &[&(Ms, Answer)],
        is_configured: bool,
        until: Ms,
    ) -> bool {
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

    /// Returns the least time from the last answer to the next poll, which grows while polls fail.
    pub(super) fn backoff(&self, record: &Record) -> Ms {
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
}

/// Returns whether the transfer may have settled, by any of its answers and what was reported before
/// `until`.
pub(super) fn may_be_settled(record: &Record, until: Ms) -> bool {
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
pub(super) fn is_settled(record: &Record, is_kept: impl Fn(&Start) -> bool) -> bool {
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
pub(super) fn events(record: &Record, filter: impl Fn(&Event) -> bool) -> usize {
    let events = record.events.iter().filter(|event| filter(event));
    events
        .map(|event| event.file)
        .collect::<BTreeSet<_>>()
        .len()
}
