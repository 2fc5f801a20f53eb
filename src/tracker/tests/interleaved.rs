//! Events, polls, restarts and expiry give the same counters in any order.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::leaving::put_fates;
use super::{account, file, key, start, tracker};
use crate::tracker::persist::{PendingWrites, SavedState};
use crate::tracker::*;
use model::{
    Direction, Fact, FailureCode, FileEnd, Finished, OperationEnd, RemoteOperation, TransferStart,
    TransferState,
};

/// A store in memory.
#[derive(Default)]
struct MemoryStore(SavedState);

fn put<K: PartialEq, V>(known: &mut Vec<(K, V)>, changes: Vec<(K, Option<V>)>) {
    for (key, value) in changes {
        known.retain(|(other, _)| *other != key);
        known.extend(value.map(|value| (key, value)));
    }
}

impl MemoryStore {
    fn write(&mut self, changes: PendingWrites) {
        put(&mut self.0.transfers, changes.transfers);
        put(&mut self.0.connectors, changes.connectors);
        put_fates(&mut self.0.fates, changes.fates);
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

fn restarted(store: &MemoryStore, now: Now) -> Tracker {
    let mut tracker = Tracker::new(settings(), now.wall);
    tracker.configure(settings(), [account()], now);
    tracker.restore(store.0.clone(), now);
    tracker
}

/// The files of one transfer.
#[derive(Clone, Debug)]
struct TransferScript {
    /// The failure code of each file; `None` if it completes.
    ends: Vec<Option<&'static str>>,
    /// Whether a source reports its start.
    started: bool,
}

impl TransferScript {
    fn end(&self, n: usize) -> Finished {
        match self.ends[n] {
            None => Finished::Completed,
            Some(code) => Finished::Failed(FailureCode::new(code)),
        }
    }

    /// The result of a poll when `done` files have ended.
    fn poll(&self, done: usize) -> PollResult {
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

fn script() -> impl Strategy<Value = TransferScript> {
    let end = prop_oneof![3 => Just(None), 1 => Just(Some("")), 1 => Just(Some("TIMEOUT_ERROR"))];
    (vec(end, 1..5), any::<bool>()).prop_map(|(ends, started)| TransferScript { ends, started })
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// One more file of a transfer ends.
    End(usize),
    /// A transfer is polled.
    Poll(usize),
    /// The event of a file arrives if the file has ended, possibly once more.
    Event(usize, usize),
    /// The process is killed and restarted.
    Restart,
    /// Ended transfers expire.
    Retire,
    /// A source reports the start again.
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

/// Files by end, bytes, number of observed durations, number of operations.
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
        scripts in vec(script(), 3..4),
        steps in vec(step(), 0..60),
    ) {
        let ids = ["a", "b", "c"];
        let mut now = start();
        let mut store = MemoryStore::default();
        let mut tracker = restarted(&store, now);
        let mut done = [0_usize; 3];
        let started = now.wall + Duration::from_secs(1);
        let report_start = |tracker: &mut Tracker, t: usize, now: Now| {
            let started_at = scripts[t].started.then_some(started);
            let start = TransferStart { key: key(ids[t]), started_at, reported_at: None, files: None };
            tracker.ingest(&Fact::Started(start), Origin::Cloudtrail, now);
        };
        for t in 0..3 {
            report_start(&mut tracker, t, now);
        }
        let listing = |id: &str| Fact::OperationEnded(OperationEnd {
            listing: None,
            connector: key("a").connector_key(),
            operation: RemoteOperation::List,
            id: id.to_owned(),
            end: Finished::Completed,
            message: None,
        });
        let mut step_no = 0_u32;
        let mut last = Counters::default();
        // In the end every file ends, every transfer is polled and every event arrives.
        let rest = (0..3).flat_map(|t| [Step::End(t); 5]).chain((0..3).map(Step::Poll))
            .chain((0..3).flat_map(|t| (0..5).map(move |n| Step::Event(t, n))));
        for step in steps.into_iter().chain(rest) {
            step_no += 1;
            now = now.after(Duration::from_mins(1));
            match step {
                Step::End(t) => done[t] = (done[t] + 1).min(scripts[t].ends.len()),
                Step::Poll(t) => {
                    tracker.record_poll(&key(ids[t]), &scripts[t].poll(done[t]), now);
                }
                Step::Event(t, n) if n < done[t] => {
                    let fact = scripts[t].event(ids[t], n, now);
                    tracker.ingest(&fact, Origin::Events, now);
                    prop_assert_eq!(tracker.ingest(&fact, Origin::Events, now), Ingested::Duplicate);
                }
                Step::Event(..) => {}
                Step::Restart => {
                    store.write(tracker.take_changes(now));
                    tracker = restarted(&store, now);
                }
                Step::Retire => {
                    let later = now.after(tracker.settings.keep_settled);
                    tracker.expire(later);
                    now = later;
                }
                Step::Start(t) => report_start(&mut tracker, t, now),
            }
            tracker.ingest(&listing(if step_no.is_multiple_of(2) { "l1" } else { "l2" }), Origin::Events, now);
            let counted = counters(&mut tracker, now);
            prop_assert!(counted.0.values().sum::<u64>() >= last.0.values().sum::<u64>(), "counters never decrease");
            last = counted;
        }
        let mut expected: Counters = (BTreeMap::new(), 0, 0, 2);
        for script in &scripts {
            for n in 0..script.ends.len() {
                *expected.0.entry(script.end(n)).or_default() += 1;
                expected.1 += 10 + n as u64;
                expected.2 += 1;
            }
        }
        prop_assert_eq!(&last, &expected);
        // A restarted process has the same state.
        store.write(tracker.take_changes(now));
        let mut again = restarted(&store, now);
        prop_assert_eq!(counters(&mut again, now), expected);
        let (current, restored) = (tracker.snapshot(now), again.snapshot(now));
        prop_assert_eq!(&current.origins, &restored.origins);
        let states = |snapshot: &Snapshot| {
            let mut states: Vec<_> =
                snapshot.transfers().map(|t| (t.id.clone(), t.state, t.files.clone(), t.since, t.up)).collect();
            states.sort_by(|a, b| a.0.cmp(&b.0));
            states
        };
        let (current, restored): (Vec<_>, Vec<_>) = (states(&current), states(&restored));
        prop_assert_eq!(current.iter().filter(|t| t.1 == TransferState::Running).count(), 0);
        prop_assert_eq!(current, restored);
    }
}
