//! Records what sources, callers, polls and the log report.

use std::sync::Arc;

use model::Origin;

use super::record::{Event, Poll, Start};
use super::{Answer, Oracle};
use crate::plan::{Body, MessageScript, Ms};
use crate::world::Violation;

impl Oracle {
    /// CloudTrail returns a start.
    pub(crate) fn listed(
        &mut self,
        name: &str,
        transfer: usize,
        started: Ms,
        files: usize,
        now: Ms,
        wall: i64,
    ) {
        self.started(
            name,
            transfer,
            Origin::Cloudtrail,
            started.cast_signed(),
            true,
            Some(files),
            now,
            wall,
        );
    }

    /// A queue returns a message.
    pub(crate) fn received(&mut self, message: &MessageScript, now: Ms, wall: i64) {
        let scenario = Arc::clone(&self.scenario);
        let Some(script) = scenario.transfer(message.transfer) else {
            return;
        };
        let names = self
            .plan
            .as_ref()
            .map(|plan| plan.names.as_slice())
            .unwrap_or_default();
        let Some(name) = names.get(script.account).cloned().flatten() else {
            return;
        };
        let start = script.start.cast_signed();
        match message.body {
            Body::Recorded => {
                let time = crate::aws::second(script.start).cast_signed();
                let files = Some(script.files.len());
                self.started(
                    &name,
                    message.transfer,
                    Origin::Events,
                    time,
                    true,
                    files,
                    now,
                    wall,
                );
            }
            Body::Started { started_at, files } => {
                let files = files.then_some(script.files.len());
                let time = if started_at {
                    start
                } else {
                    message.sent.cast_signed()
                };
                self.started(
                    &name,
                    message.transfer,
                    Origin::Events,
                    time,
                    started_at,
                    files,
                    now,
                    wall,
                );
            }
            Body::FileEnded(file) => {
                if self.is_ours(&name, message.transfer) {
                    let record = self.record(&name, message.transfer);
                    record.events.push(Event {
                        at: now,
                        file,
                        sure: true,
                    });
                    record.evidence.push(now);
                }
            }
        }
    }

    /// The write API was asked to track a transfer.
    pub(crate) fn put(
        &mut self,
        name: &str,
        transfer: usize,
        started: Option<Ms>,
        files: Option<usize>,
        now: Ms,
        wall: i64,
    ) {
        let time = started.map_or(wall, Ms::cast_signed);
        self.started(
            name,
            transfer,
            Origin::Api,
            time,
            started.is_some(),
            files,
            now,
            wall,
        );
        if self.is_ours(name, transfer) {
            self.record(name, transfer).api = true;
        }
    }

    /// The write API was asked to forget a transfer.
    pub(crate) fn deleted(&mut self, name: &str, transfer: usize, now: Ms) {
        let record = self.record(name, transfer);
        record.api = false;
        record.left_at = now;
        record.evidence.push(now);
    }

    #[expect(clippy::too_many_arguments, reason = "all of one report")]
    fn started(
        &mut self,
        name: &str,
        transfer: usize,
        origin: Origin,
        time: i64,
        exact: bool,
        files: Option<usize>,
        now: Ms,
        wall: i64,
    ) {
        if !self.is_ours(name, transfer) {
            return;
        }
        let is_known = self.is_tracked(name, transfer, now + 1);
        let moved = self.moved;
        let plan = self.plan.as_ref();
        let configured = plan.is_some_and(|plan| plan.configured.contains(&transfer));
        let record = self.record(name, transfer);
        let first = !is_known && record.polls.is_empty() && record.events.is_empty();
        record.starts.push(Start {
            first: first && record.starts.is_empty(),
            configured,
            moved,
            at: now,
            time: time.min(wall),
            exact,
            files,
            origin,
            sure: true,
        });
        record.evidence.push(now);
    }

    pub(crate) fn poll_started(
        &mut self,
        name: &str,
        transfer: usize,
        now: Ms,
    ) -> Result<(), Violation> {
        let result = self.check_poll(name, transfer, now);
        let life = self.life;
        self.record(name, transfer).polls.push(Poll {
            life,
            start: now,
            answer: None,
            sure: false,
        });
        result
    }

    /// Returns the number of the newest poll of a transfer.
    pub(crate) fn last_poll(&self, name: &str, transfer: usize) -> usize {
        let record = self.records.get(&(name.to_owned(), transfer));
        record.map_or(0, |record| record.polls.len().saturating_sub(1))
    }

    pub(crate) fn poll_ended(
        &mut self,
        name: &str,
        transfer: usize,
        poll: usize,
        answer: Answer,
        now: Ms,
    ) {
        let configured_at = self.configured_at;
        let tracked = self.is_ours(name, transfer) && self.is_tracked(name, transfer, now + 1);
        let record = self.record(name, transfer);
        let left_at = record.left_at;
        if let Some(poll) = record.polls.get_mut(poll) {
            poll.sure = tracked && poll.start > configured_at && poll.start > left_at;
            poll.answer = Some((now, answer));
        }
    }

    /// A log record reports a failed file.
    pub(crate) fn logged(&mut self, name: &str, transfer: usize, path: String) {
        let record = self.record(name, transfer);
        *record.logged.entry(path.clone()).or_default() += 1;
        *record.logged_in_life.entry(path).or_default() += 1;
    }
}
