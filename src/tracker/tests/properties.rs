//! Properties that hold for any sequence of polls.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{account, file, key, start, tracker};
use crate::tracker::*;
use model::{FileCounts, Finished, TransferState};

const STATUSES: [&str; 5] = ["QUEUED", "IN_PROGRESS", "COMPLETED", "FAILED", "PAUSED"];
const CODES: [&str; 3] = ["", "CONNECTION_ERROR", "UNLISTED"];

fn file_strategy() -> impl Strategy<Value = FileResult> {
    (0..6_usize, 0..STATUSES.len(), 0..CODES.len())
        .prop_map(|(path, status, code)| file(&format!("/p{path}"), STATUSES[status], CODES[code]))
}

fn result_strategy() -> impl Strategy<Value = PollResult> {
    prop_oneof![
        6 => vec(file_strategy(), 0..12).prop_map(PollResult::Files),
        1 => Just(PollResult::Unknown),
        1 => Just(PollResult::Failed),
    ]
}

/// The progress of a file: the number of polls until it starts, the number from there until it
/// ends, and its failure code.
#[derive(Clone, Debug)]
struct FileScript {
    starts: usize,
    ends: usize,
    failure: Option<usize>,
}

impl FileScript {
    fn at(&self, path: usize, step: usize) -> FileResult {
        let path = format!("/file{path}");
        match (
            step >= self.starts,
            step >= self.starts + self.ends,
            self.failure,
        ) {
            (false, _, _) => file(&path, "QUEUED", ""),
            (true, false, _) => file(&path, "IN_PROGRESS", ""),
            (true, true, None) => file(&path, "COMPLETED", ""),
            (true, true, Some(code)) => file(&path, "FAILED", CODES[code]),
        }
    }
}

fn script_strategy() -> impl Strategy<Value = FileScript> {
    (0..5_usize, 0..5_usize, proptest::option::of(0..CODES.len())).prop_map(
        |(starts, ends, failure)| FileScript {
            starts,
            ends,
            failure,
        },
    )
}

fn counted(tracker: &mut Tracker, now: Now) -> BTreeMap<Finished, u64> {
    let snapshot = tracker.snapshot(now);
    let of_first = snapshot
        .connectors()
        .next()
        .map(|c| c.finished.clone())
        .unwrap_or_default();
    of_first
        .into_iter()
        .map(|(end, seen)| (end, seen.files))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// The counts of a transfer are those of its last successful poll.
    #[test]
    fn counts_are_those_of_the_last_successful_poll(results in vec(result_strategy(), 1..12)) {
        let now = start();
        let mut tracker = tracker(now);
        tracker.track(key("a"), Origin::Config, None, now);
        let mut newest: Option<&Vec<FileResult>> = None;
        for (step, result) in results.iter().enumerate() {
            let now = now.after(Duration::from_secs(step as u64));
            let due = tracker.due(now.after(Duration::from_secs(100_000))).contains(&key("a"));
            tracker.record_poll(&key("a"), result, now);
            if let PollResult::Files(files) = result && due && !files.is_empty() {
                newest = Some(files);
            }
            let snapshot = tracker.snapshot(now);
            let view = snapshot.connectors().next().unwrap();
            let transfers: Vec<_> = snapshot.transfers().collect();
            let of_transfer = transfers[0].files.clone();
            let mut expected = FileCounts::default();
            for file in newest.into_iter().flatten() {
                let code = file.failure_code.as_ref();
                expected.add_file(&file.status, code);
            }
            prop_assert_eq!(of_transfer.clone().map_or(0, |c| c.total() as usize), newest.map_or(0, Vec::len));
            prop_assert_eq!(of_transfer, newest.map(|_| expected));
            prop_assert_eq!(&view.files, &transfers[0].files);
            let states: u64 = TransferState::ALL.iter().map(|state| view.states.of(*state)).sum();
            prop_assert_eq!(states, 1);
        }
    }

    /// A settled transfer is not due, does not change and is not counted again, whatever is answered
    /// to a poll that was under way.
    #[test]
    fn a_settled_transfer_is_not_due(results in vec(result_strategy(), 1..20)) {
        let now = start();
        let mut tracker = tracker(now);
        tracker.track(key("a"), Origin::Api, Some(now.wall), now);
        let mut ended: Option<(TransferState, Option<FileCounts>, BTreeMap<Finished, u64>)> = None;
        for (step, result) in results.iter().enumerate() {
            let now = now.after(Duration::from_secs(500 * step as u64));
            let mut effects = tracker.record_poll(&key("a"), result, now);
            let again = tracker.record_poll(&key("a"), result, now.after(Duration::from_secs(30)));
            effects.settled |= again.settled;
            let view = tracker.snapshot(now).transfers().next().unwrap().clone();
            let due = tracker.due(now.after(Duration::from_secs(100_000)));
            if let Some(ended) = &ended {
                prop_assert_eq!(&effects, &PollEffects::default());
                prop_assert!(due.is_empty());
                prop_assert_eq!(ended, &(view.state, view.files.clone(), counted(&mut tracker, now)));
            } else if effects.settled {
                prop_assert!(due.is_empty() && !view.state.is_unfinished());
                ended = Some((view.state, view.files.clone(), counted(&mut tracker, now)));
            } else {
                prop_assert_eq!(due, [key("a")]);
            }
        }
    }

    /// Each finished file is counted once, whatever the order of the files in a result and however
    /// often a result repeats.
    #[test]
    fn each_finished_file_counts_once(
        scripts in vec(script_strategy(), 1..15),
        steps in vec((0..10_usize, any::<u64>()), 1..25),
    ) {
        let now = start();
        let mut tracker = tracker(now);
        tracker.track(key("a"), Origin::Api, Some(now.wall), now);
        let mut seen = BTreeSet::new();
        let mut expected: BTreeMap<Finished, u64> = BTreeMap::new();
        let mut settled = false;
        for (step, shuffle) in steps {
            let mut files: Vec<_> = scripts.iter().enumerate().map(|(at, script)| script.at(at, step)).collect();
            let rotation = usize::try_from(shuffle % files.len() as u64).unwrap();
            files.rotate_left(rotation);
            if shuffle % 2 == 0 {
                files.reverse();
            }
            if !settled {
                for file in &files {
                    if file.status.is_finished() && seen.insert(file.path.clone()) {
                        let end = match file.status {
                            model::FileStatus::Completed => Finished::Completed,
                            _ => Finished::Failed(file.failure_code.clone()),
                        };
                        *expected.entry(end).or_default() += 1;
                    }
                }
                settled = files.iter().all(|file| file.status.is_finished());
            }
            tracker.record_poll(&key("a"), &PollResult::Files(files), now);
            prop_assert_eq!(&counted(&mut tracker, now), &expected);
        }
        let total: u64 = expected.values().sum();
        prop_assert!(total <= scripts.len() as u64);
    }

    /// With repeated paths, no more files are counted per path than any single poll reported as
    /// finished.
    #[test]
    fn files_with_equal_paths_are_not_counted_twice(polls in vec(vec(file_strategy(), 1..12), 1..15)) {
        let now = start();
        let mut tracker = tracker(now);
        tracker.track(key("a"), Origin::Api, Some(now.wall), now);
        let mut most: BTreeMap<String, u64> = BTreeMap::new();
        for files in polls {
            // A file that never finishes keeps the transfer unfinished.
            let result = files.iter().cloned().chain([file("/open", "QUEUED", "")]).collect();
            tracker.record_poll(&key("a"), &PollResult::Files(result), now);
            let mut reported: BTreeMap<String, u64> = BTreeMap::new();
            for file in files.iter().filter(|file| file.status.is_finished()) {
                *reported.entry(file.path.clone()).or_default() += 1;
            }
            for (path, files) in reported {
                let most = most.entry(path).or_default();
                *most = files.max(*most);
            }
            prop_assert_eq!(counted(&mut tracker, now).values().sum::<u64>(), most.values().sum::<u64>());
        }
    }

    /// The sums of a connector are those of its transfers, and a snapshot lists every tracked
    /// transfer once.
    #[test]
    fn a_connector_is_the_sum_of_its_transfers(results in vec((0..5_usize, result_strategy()), 0..30)) {
        let now = start();
        let mut tracker = tracker(now);
        let ids = ["a", "b", "c", "d", "e"];
        for id in ids {
            tracker.track(key(id), Origin::Config, None, now);
        }
        for (step, (transfer, result)) in results.iter().enumerate() {
            tracker.record_poll(&key(ids[*transfer]), result, now.after(Duration::from_secs(100 * step as u64)));
        }
        let snapshot = tracker.snapshot(now);
        let view = snapshot.connectors().next().unwrap();
        let mut transfers: Vec<_> = snapshot.transfers().collect();
        transfers.sort_by_key(|t| &t.id);
        prop_assert_eq!(view.labels.account.as_ref(), &account());
        prop_assert_eq!(transfers.iter().map(|t| t.id.as_str()).collect::<Vec<_>>(), ids);
        let mut sum = FileCounts::default();
        for files in transfers.iter().filter_map(|transfer| transfer.files.as_ref()) {
            sum.add(files);
        }
        prop_assert_eq!(view.files.clone().unwrap_or_default(), sum);
        for state in TransferState::ALL {
            let of_state = transfers.iter().filter(|transfer| transfer.state == state).count() as u64;
            prop_assert_eq!(view.states.of(state), of_state);
        }
    }

    /// Whichever polls fail and however few fit into a sweep, no transfer waits longer than four
    /// turns of each transfer: half of the turns are for those whose files are known, a quarter for
    /// those never polled, and a quarter for the others.
    #[test]
    fn no_transfer_starves(
        transfers in 1..30_usize,
        budget in 1..10_usize,
        outcomes in vec(0..3_u8, 1..40),
    ) {
        let now = start();
        let mut tracker = tracker(now);
        // Sweeps are 11 s apart, so that every transfer is due in each sweep.
        let settings = TrackerSettings { max_refresh_interval: Duration::from_secs(10), ..tracker.settings };
        tracker.configure(settings, [account()], now);
        let ids: Vec<_> = (0..transfers).map(|n| format!("t{n}")).collect();
        for id in &ids {
            tracker.track(key(id), Origin::Config, None, now);
        }
        let mut turn = 0;
        let mut last_turns = vec![0_usize; transfers];
        for sweep in 0..(6 * transfers / budget + 3) {
            let at = now.after(Duration::from_secs(11 * sweep as u64));
            for poll in 0..budget.min(transfers) {
                let ticket = tracker.take_due(&account().name, at.instant);
                prop_assert!(ticket.is_some(), "all transfers are due in each sweep");
                let ticket = ticket.unwrap();
                let at = at.after(Duration::from_millis(poll as u64));
                let transfer: usize = ticket.key.transfer.as_str()[1..].parse().unwrap();
                turn += 1;
                last_turns[transfer] = turn;
                let outcome = outcomes[transfer % outcomes.len()];
                let result = match outcome {
                    0 => PollResult::Failed,
                    1 => PollResult::Files(vec![file("/f", "QUEUED", "")]),
                    _ => PollResult::Files(vec![file("/f", if sweep % 2 == 0 { "QUEUED" } else { "IN_PROGRESS" }, "")]),
                };
                tracker.finish_poll(&ticket, &result, at);
                let longest = last_turns.iter().map(|last| turn - last).max().unwrap();
                prop_assert!(longest <= 4 * transfers, "turn {}: {:?}", turn, last_turns);
            }
        }
    }
}
