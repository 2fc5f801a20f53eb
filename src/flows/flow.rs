//! One flow: its counters and its windows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::record::{FlowRecord, end, end_record};
use super::timeline::Timeline;
use super::window::{Delivery, Due, Need};
use super::{FlowConfig, FlowFile};
use model::{
    Direction, Finished, FlowState, FlowTitle, FlowView, FlowWindow, Millis, millis, stable_hash,
    time,
};

/// The end of a file that a poll reports is known well enough if the poll before was at most so long
/// ago.
const VAGUE: Millis = 10 * 60 * 1_000;

#[derive(Debug)]
pub(super) struct Flow {
    config: FlowConfig,
    matching: u64,
    known_since: SystemTime,
    watched_from: Millis,
    watched_until: Millis,
    finished: BTreeMap<Finished, u64>,
    bytes: BTreeMap<Direction, u64>,
    last_completed: Option<SystemTime>,
    pub(super) unresolved: u64,
    listing: Option<(SystemTime, u64, bool)>,
    timeline: Timeline,
    /// The state that the last view had.
    shown: Option<FlowState>,
    /// Whether it is among the flows that have changed.
    pub(super) is_marked: bool,
}

/// Hash of what decides which files a flow has.
fn matching(title: &FlowTitle) -> u64 {
    let operation = title.operation.map_or("", Direction::as_str);
    stable_hash(&format!(
        "{:?} {operation} {:?}",
        title.connectors, title.paths
    ))
}

impl Flow {
    /// Creates a flow, with what is known of it. `judged` is the moment up to which the evidence is
    /// complete.
    pub(super) fn new(
        config: &FlowConfig,
        known: Option<FlowRecord>,
        judged: Millis,
        now: SystemTime,
    ) -> Self {
        let is_known = known.is_some();
        let record = known.unwrap_or_default();
        let matching = matching(&config.title);
        let is_same = is_known && record.matching == matching && record.left.is_none();
        let since = millis(now);
        let mut finished = BTreeMap::from([(Finished::Completed, 0), (Finished::Failed(None), 0)]);
        let known = record.finished.iter();
        finished.extend(known.map(|(code, count)| (end(code), *count)));
        let mut bytes: BTreeMap<_, _> = Direction::ALL.into_iter().map(|it| (it, 0)).collect();
        for (direction, count) in &mut bytes {
            let mut records = record.bytes.iter();
            let found = records.find(|(number, _)| *number == *direction as u8);
            *count = found.map_or(0, |(_, bytes)| *bytes);
        }
        let watched_from = if is_same { record.watched_from } else { since };
        let need = Need {
            files: config.title.required_files,
            watched_from,
        };
        let schedule = config.expect.as_ref().map(|expect| &expect.schedule);
        let mut timeline = record.timeline;
        timeline.fit(schedule, need, is_same, judged, now);
        Self {
            config: config.clone(),
            matching,
            known_since: if is_known {
                time(record.known_since)
            } else {
                now
            },
            watched_from,
            watched_until: since,
            finished,
            bytes,
            last_completed: record.last_completed.map(time),
            unresolved: 0,
            listing: record
                .listing
                .map(|(at, items, truncated)| (time(at), items, truncated)),
            timeline,
            shown: None,
            is_marked: false,
        }
    }

    pub(super) fn title(&self) -> &Arc<FlowTitle> {
        &self.config.title
    }

    pub(super) fn record(&mut self, file: &FlowFile<'_>, now: Millis) {
        if file.is_counted {
            self.count(&file.end);
        }
        self.add_size(file);
        match file.end {
            Finished::Completed => self.deliver(file, now),
            Finished::Failed(_) => self.fail(file, now),
        }
    }

    pub(super) fn count(&mut self, end: &Finished) {
        *self.finished.entry(end.clone()).or_default() += 1;
    }

    pub(super) fn refine(&mut self, file: &FlowFile<'_>, now: Millis) {
        if file.is_counted {
            self.count(&file.end);
        }
        self.add_size(file);
        if file.end == Finished::Completed {
            self.forget_polled(file);
            self.deliver(file, now);
        }
    }

    /// Forgets the delivery of a poll that an event is about.
    pub(super) fn forget_polled(&mut self, file: &FlowFile<'_>) {
        self.timeline.take_inexact(file.transfer, file.path);
    }

    fn add_size(&mut self, file: &FlowFile<'_>) {
        if let Some((bytes, direction)) = file.size {
            let sum = self.bytes.entry(direction).or_default();
            *sum = sum.saturating_add(bytes);
        }
    }

    /// Adds a completed file to the window in which it ended.
    fn deliver(&mut self, file: &FlowFile<'_>, now: Millis) {
        let earliest = millis(file.earliest);
        let is_vague = !file.is_exact && millis(file.at).saturating_sub(earliest) > VAGUE;
        if !is_vague {
            self.last_completed = self.last_completed.max(Some(file.at));
        }
        let Some(expect) = &self.config.expect else {
            return;
        };
        let is_large = |(bytes, _)| bytes >= expect.min_bytes;
        let delivery = Delivery {
            path: file.path,
            transfer: file.transfer,
            end: millis(file.at),
            earliest: if is_vague { earliest } else { millis(file.at) },
            is_exact: file.is_exact,
            is_valid: expect.min_bytes == 0 || file.size.is_some_and(is_large),
        };
        self.timeline.deliver(delivery, now);
    }

    fn fail(&mut self, file: &FlowFile<'_>, now: Millis) {
        let is_ignored = |code| self.config.ignore_codes.contains(code);
        if !file.code.is_some_and(is_ignored) {
            self.timeline.fail(millis(file.at), now);
        }
    }

    /// Closes windows and opens the next ones. Returns whether anything has changed.
    pub(super) fn advance(&mut self, now: Millis, judged: Millis) -> bool {
        // The store has to know of each deadline that it was watched.
        let mut is_changed = self.timeline.is_deadline_within(self.watched_until, now);
        self.watched_until = now;
        is_changed |= self.timeline.advance(now, judged);
        let current = self.timeline.current();
        let state = current.map(|window| window.state(self.timeline.need(), judged));
        is_changed | (std::mem::replace(&mut self.shown, state) != state)
    }

    /// Returns when it changes by itself, if nothing is reported of it.
    pub(super) fn due(&self, now: Millis, judged: Millis) -> Due {
        self.timeline.due(now, judged)
    }

    /// Records a listing. Returns false if a newer one is known.
    pub(super) fn record_listing(
        &mut self,
        items: u64,
        is_truncated: bool,
        at: SystemTime,
    ) -> bool {
        if self.listing.is_some_and(|(newest, ..)| newest > at) {
            return false;
        }
        self.listing = Some((at, items, is_truncated));
        true
    }

    pub(super) fn view(&mut self, judged: Millis) -> FlowView {
        let timeline = &mut self.timeline;
        timeline.refresh();
        let window = timeline.current().map(|window| FlowWindow {
            opens: time(window.opens),
            deadline: time(window.deadline),
            closes: time(window.closes),
            state: window.state(timeline.need(), judged),
            files: window.files(),
        });
        FlowView {
            title: Arc::clone(&self.config.title),
            known_since: self.known_since,
            finished: self.finished.clone(),
            bytes: self.bytes.clone(),
            last_completed: self.last_completed,
            unresolved_failures: self.unresolved,
            duplicates: timeline.duplicates(),
            window,
            outcomes: timeline.outcomes(),
            corrected: timeline.corrected(),
            listing: self
                .listing
                .map(|(_, items, is_truncated)| (items, is_truncated)),
        }
    }

    /// Returns the persistent form, with the moment up to which the evidence is complete.
    pub(super) fn record_form(&self, judged: Millis) -> FlowRecord {
        let finished = self.finished.iter();
        let bytes = self.bytes.iter();
        FlowRecord {
            judged,
            matching: self.matching,
            known_since: millis(self.known_since),
            watched_from: self.watched_from,
            finished: finished
                .map(|(it, count)| (end_record(it), *count))
                .collect(),
            bytes: bytes.map(|(it, count)| (*it as u8, *count)).collect(),
            last_completed: self.last_completed.map(millis),
            listing: self
                .listing
                .map(|(at, items, is_truncated)| (millis(at), items, is_truncated)),
            timeline: self.timeline.clone(),
            watched_until: self.watched_until,
            left: None,
        }
    }
}
