use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, UNIX_EPOCH};

use jiff::civil::Time;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::flows::schedule::DayOfWeek;

const MINUTE: Millis = 60_000;
const HOUR: Millis = 60 * MINUTE;

/// Midnight of the day on which all files end.
fn midnight() -> Millis {
    millis(UNIX_EPOCH + 20_000 * Duration::from_hours(24))
}

/// Deadlines at 00:00, 06:00, 12:00 and 18:00 UTC.
fn timeline(files: u64, from: Option<Time>) -> Timeline {
    let schedule = Schedule {
        by: [0, 6, 12, 18]
            .map(|hour| Time::constant(hour, 0, 0, 0))
            .into(),
        zone: TimeZone::UTC,
        days: DayOfWeek::ALL.into(),
        except: BTreeSet::new(),
        from,
        grace: Duration::from_mins(30),
    };
    let mut timeline = Timeline::default();
    let watched_from = midnight() - HOUR;
    let need = Need {
        files,
        watched_from,
    };
    timeline.fit(Some(&schedule), need, true, 0, time(midnight() + MINUTE));
    timeline
}

/// A file that ends some minutes after midnight, and how long after that a poll reports it.
#[derive(Clone, Debug)]
struct File {
    path: u64,
    end: Millis,
    is_failed: bool,
    polled: Option<Millis>,
}

fn files() -> impl Strategy<Value = Vec<File>> {
    let file = (
        0..4_u64,
        1..40 * 4_u64,
        prop::bool::weighted(0.2),
        prop::option::of(prop_oneof![0..10_u64, 10..400_u64]),
    );
    let file = file.prop_map(|(path, quarters, is_failed, polled)| File {
        path,
        end: midnight() + quarters * 15 * MINUTE,
        is_failed,
        polled: polled
            .map(|minutes| minutes * MINUTE)
            .filter(|_| !is_failed),
    });
    prop::collection::vec(file, 0..12)
}

fn delivery(transfer: usize, file: &File, polled: Option<Millis>) -> Delivery {
    let end = file.end + polled.unwrap_or(0);
    let is_vague = polled.is_some_and(|after| after > 10 * MINUTE);
    Delivery {
        end,
        earliest: if is_vague { file.end } else { end },
        path: file.path,
        transfer: transfer as u64,
        is_exact: polled.is_none(),
        is_valid: true,
    }
}

/// Reports the files in an order, all at 46:00 if they are not reported when they end, and returns the
/// outcomes that hold at last.
fn outcomes(
    timeline: &mut Timeline,
    files: &[File],
    order: &[usize],
    as_they_end: bool,
) -> BTreeMap<FlowState, u64> {
    let late = midnight() + 46 * HOUR;
    for at in order {
        let file = &files[*at];
        let now = if as_they_end { file.end } else { late };
        if as_they_end {
            timeline.advance(now - 1, now - 1);
        }
        if file.is_failed {
            timeline.fail(file.end, now);
        } else if let Some(after) = file.polled.filter(|_| !as_they_end) {
            timeline.deliver(delivery(*at, file, Some(after)), now);
        } else {
            timeline.deliver(delivery(*at, file, None), now);
        }
        if !as_they_end {
            timeline.advance(now, now);
        }
    }
    for at in order {
        let file = &files[*at];
        if !as_they_end && file.polled.is_some() {
            timeline.take_inexact(*at as u64, file.path);
            timeline.deliver(delivery(*at, file, None), late);
            timeline.advance(late, late);
        }
    }
    let end = midnight() + 60 * HOUR;
    timeline.advance(end, end);
    let mut outcomes = timeline.outcomes();
    for (state, corrected) in timeline.corrected() {
        *outcomes.entry(state).or_default() -= corrected;
    }
    outcomes
}

proptest! {
    #[test]
    fn outcomes_do_not_depend_on_the_order_in_which_files_are_reported(
        files in files(),
        shuffled in Just((0..12).collect::<Vec<usize>>()).prop_shuffle(),
        needed in 1..4_u64,
        has_pause in any::<bool>(),
    ) {
        let from = has_pause.then(|| Time::constant(3, 0, 0, 0));
        let mut by_end: Vec<_> = (0..files.len()).collect();
        by_end.sort_by_key(|at| files[*at].end);
        let shuffled: Vec<_> = shuffled.into_iter().filter(|at| *at < files.len()).collect();
        let mut first = timeline(needed, from);
        let mut second = timeline(needed, from);
        let expected = outcomes(&mut first, &files, &by_end, true);
        let found = outcomes(&mut second, &files, &shuffled, false);
        prop_assert_eq!(&found, &expected);
        prop_assert_eq!(expected.values().sum::<u64>(), 9);
        prop_assert!(second.duplicates() >= first.duplicates());
    }
}
