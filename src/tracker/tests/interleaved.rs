//! Events, answers, restarts and retirements in any order give the same counters.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{account, file, key, start, tracker};
use crate::tracker::persist::{PendingWrites, SavedState};
use crate::tracker::*;
use model::{
    Direction, Fact, FailureCode, FileEnd, Finished, OperationEnd, RemoteOperation, TransferStart,
    TransferState,
};

/// A store as a map: what it holds is what was written.
#[derive(Default)]
struct Written(SavedState);

fn put<K: PartialEq, V>(known: &mut Vec<(K, V)>, changes: Vec<(K, Option<V>)>) {
    for (key, value) in changes {
        known.retain(|(other, _)| *other != key);
        known.extend(value.map(|value| (key, value)));
    }
}

impl Written {
    fn write(&mut self, changes: PendingWrites) {
        put(&mut self.0.transfers, changes.transfers);
        put(&mut self.0.connectors, changes.connectors);
        put(&mut self.0.retired, changes.retired);
        put(&mut self.0.operations, changes.operations);
        if changes.meta.watching_since.is_some() {
            self.0.meta = changes.meta;
        }
    }
}

fn settings() -> TrackerSettings {
    let settings = tracker(start()).settings;
    TrackerSettings {
        events: true,
        max_refresh_interval: settings.min_refresh_interval,
        ..settings
    }
}

fn restarted(written: &Written, now: Now) -> Tracker {
    let mut tracker = Tracker::new(settings(), now.wall);
    tracker.configure(settings(), [account()]);
    tracker.restore(written.0.clone(), now);
    tracker
}

/// One transfer's files: how each ends.
#[derive(Clone, Debug)]
struct Course {
    ends: Vec<Option<&'static str>>,
    /// A source tells its start.
    started: bool,
}

impl Course {
    fn end(&self, n: usize) -> Finished {
        match self.ends[n] {
            None => Finished::Completed,
            Some(code) => Finished::Failed(FailureCode::new(code)),
        }
    }

    /// What the API answers when `done` files have ended.
    fn answer(&self, done: usize) -> PollResult {
        let file = |n: usize| {
            let path = format!("/f{n}");
            match (n < done, self.ends[n]) {
                (false, _) => file(&path, "IN_PROGRESS", ""),
                (true, None) => file(&path, "COMPLETED", ""),
                (true, Some(code)) => file(&path, "FAILED", code),
            }
        };
        PollResult::Files((0..self.ends.len()).map(file).collect())
    }

    fn event(&self, id: &str, n: usize, now: Now) -> Fact {
        Fact::FileEnded(FileEnd {
            key: key(id),
            file_transfer_id: format!("{id}/{n}"),
            direction: Direction::Send,
            path: format!("/f{n}"),
            end: self.end(n),
            message: None,
            bytes: 10 + n as u64,
            duration: Some(Duration::from_secs(n as u64)),
            ended_at: now.wall,
        })
    }
}

fn course() -> impl Strategy<Value = Course> {
    let end = prop_oneof![3 => Just(None), 1 => Just(Some("")), 1 => Just(Some("TIMEOUT_ERROR"))];
    (vec(end, 1..5), any::<bool>()).prop_map(|(ends, started)| Course { ends, started })
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// So many more files of a transfer end, and time passes.
    End(usize),
    /// An answer is read.
    Poll(usize),
    /// The event of a file comes, if it has ended; perhaps again.
    Event(usize, usize),
    /// The process is killed, and started again.
    Restart,
    /// What has ended is dropped.
    Retire,
    /// A source tells the start again.
    Start(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_usize).prop_map(Step::End),
        4 => (0..3_usize).prop_map(Step::Poll),
        8 => (0..3_usize, 0..5_usize).prop_map(|(t, n)| Step::Event(t, n)),
        1 => Just(Step::Restart),
        1 => Just(Step::Retire),
        1 => (0..3_usize).prop_map(Step::Start),
    ]
}

type Counters = (BTreeMap<Finished, u64>, u64, u64, u64);

/// Files by end, bytes, observed durations, listings.
fn counters(tracker: &mut Tracker, now: Now) -> Counters {
    let snapshot = tracker.snapshot(now);
    let Some(connector) = snapshot.connectors().next() else {
        return Counters::default();
    };
    let moved = connector
        .moved
        .get(&Direction::Send)
        .cloned()
        .unwrap_or_default();
    let finished = connector
        .finished
        .iter()
        .map(|(end, seen)| (end.clone(), seen.files))
        .collect();
    (
        finished,
        moved.bytes,
        moved.durations.count(),
        connector.operations.values().sum(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_024, ..ProptestConfig::default() })]

    #[test]
    fn every_order_gives_the_same_counters(
        courses in vec(course(), 3..4),
        steps in vec(step(), 0..60),
    ) {
        let ids = ["a", "b", "c"];
        let mut now = start();
        let mut written = Written::default();
        let mut tracker = restarted(&written, now);
        let mut done = [0_usize; 3];
        let begun = now.wall + Duration::from_secs(1);
        let tell_start = |tracker: &mut Tracker, t: usize, now: Now| {
            let started_at = courses[t].started.then_some(begun);
            let start = TransferStart { key: key(ids[t]), started_at };
            tracker.ingest(&Fact::Started(start), Origin::Cloudtrail, now);
        };
        for t in 0..3 {
            tell_start(&mut tracker, t, now);
        }
        let listing = |id: &str| Fact::OperationEnded(OperationEnd {
            connector: key("a").connector_key(),
            operation: RemoteOperation::List,
            id: id.to_owned(),
            end: Finished::Completed,
            message: None,
        });
        let mut step_no = 0_u32;
        let mut last = Counters::default();
        // At the end all comes: every file ends, every event comes, every answer is read.
        let rest = (0..3).flat_map(|t| [Step::End(t); 5]).chain((0..3).map(Step::Poll))
            .chain((0..3).flat_map(|t| (0..5).map(move |n| Step::Event(t, n))));
        for step in steps.into_iter().chain(rest) {
            step_no += 1;
            now = now.after(Duration::from_mins(1));
            match step {
                Step::End(t) => done[t] = (done[t] + 1).min(courses[t].ends.len()),
                Step::Poll(t) => {
                    tracker.record_poll(&key(ids[t]), &courses[t].answer(done[t]), now);
                }
                Step::Event(t, n) if n < done[t] => {
                    let fact = courses[t].event(ids[t], n, now);
                    tracker.ingest(&fact, Origin::Events, now);
                    prop_assert_eq!(tracker.ingest(&fact, Origin::Events, now), Ingested::Duplicate);
                }
                Step::Event(..) => {}
                Step::Restart => {
                    written.write(tracker.take_changes(now));
                    tracker = restarted(&written, now);
                }
                Step::Retire => {
                    let later = now.after(tracker.settings.keep_settled);
                    tracker.expire(later);
                    now = later;
                }
                Step::Start(t) => tell_start(&mut tracker, t, now),
            }
            tracker.ingest(&listing(if step_no.is_multiple_of(2) { "l1" } else { "l2" }), Origin::Events, now);
            let counted = counters(&mut tracker, now);
            prop_assert!(counted.0.values().sum::<u64>() >= last.0.values().sum::<u64>(), "a counter never falls");
            last = counted;
        }
        let mut expected: Counters = (BTreeMap::new(), 0, 0, 2);
        for course in &courses {
            for n in 0..course.ends.len() {
                *expected.0.entry(course.end(n)).or_default() += 1;
                expected.1 += 10 + n as u64;
                expected.2 += 1;
            }
        }
        prop_assert_eq!(&last, &expected);
        // And what was written is what is known.
        written.write(tracker.take_changes(now));
        let mut again = restarted(&written, now);
        prop_assert_eq!(counters(&mut again, now), expected);
        let (told, restored) = (tracker.snapshot(now), again.snapshot(now));
        prop_assert_eq!(&told.origins, &restored.origins);
        let states = |snapshot: &Snapshot| {
            let mut states: Vec<_> =
                snapshot.transfers().map(|t| (t.id.clone(), t.state, t.files.clone(), t.since, t.up)).collect();
            states.sort_by(|a, b| a.0.cmp(&b.0));
            states
        };
        let (told, restored): (Vec<_>, Vec<_>) = (states(&told), states(&restored));
        prop_assert_eq!(told.iter().filter(|t| t.1 == TransferState::Running).count(), 0);
        prop_assert_eq!(told, restored);
    }
}
