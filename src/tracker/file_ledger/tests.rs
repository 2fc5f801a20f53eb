mod logging;
mod sequences;

use std::collections::BTreeMap;

use super::end_index::OPERATIONS;
use super::*;
use model::FileResult;

const DONE: Finished = Finished::Completed;
const NONE: [usize; 0] = [];
const TIME: PollTime = PollTime { now: 2, start: 1 };
const NO_ENDS: [Finished; 0] = [];

fn failed(code: &str) -> Finished {
    Finished::Failed(FailureCode::new(code))
}

/// Records a poll of rows given by path and end; a row without an end is running.
fn poll(ledger: &mut FileLedger, rows: &[(&str, Option<Finished>)], counted: bool) -> Vec<usize> {
    let results: Vec<_> = rows
        .iter()
        .map(|(path, _)| FileResult {
            path: (*path).to_owned(),
            status: FileStatus::Queued,
            failure_code: None,
            failure_message: None,
        })
        .collect();
    let ends: Vec<_> = rows.iter().map(|(_, end)| end.clone()).collect();
    let watched = if counted {
        Watched::SincePoll
    } else {
        Watched::No
    };
    let new = ledger.record_rows(&results, &ends, watched, TIME);
    new.into_iter().map(|row| row.at).collect()
}

/// The rules of a match: what polls have reported, in the baseline or counted, then an event, and
/// how it matches.
#[test]
fn an_event_matches_the_first_rule_that_applies() {
    use EventMatch::{AlreadyCounted, Counted, CountedLate};
    let timeout = || failed("TIMEOUT_ERROR");
    for (rule, rows, counted, path, end, expected) in [
        (
            "the same path and end",
            vec![("/a", Some(DONE))],
            true,
            "/a",
            DONE,
            AlreadyCounted,
        ),
        (
            "the same path and end, of the baseline",
            vec![("/a", Some(DONE))],
            false,
            "/a",
            DONE,
            CountedLate,
        ),
        (
            "the same path, another kind of end",
            vec![("/a", Some(DONE))],
            true,
            "/a",
            timeout(),
            Counted,
        ),
        (
            "the same path, another code",
            vec![("/a", Some(failed("X")))],
            true,
            "/a",
            timeout(),
            Counted,
        ),
        (
            "the same path, the row has no code",
            vec![("/a", Some(failed("")))],
            true,
            "/a",
            timeout(),
            AlreadyCounted,
        ),
        (
            "the same path, the event has no code",
            vec![("/a", Some(timeout()))],
            true,
            "/a",
            failed(""),
            AlreadyCounted,
        ),
        (
            "the row has not ended",
            vec![("/a", None)],
            true,
            "/a",
            DONE,
            Counted,
        ),
        (
            "another path, the same end",
            vec![("in/a", Some(DONE))],
            true,
            "/bucket/in/a",
            DONE,
            AlreadyCounted,
        ),
        (
            "another path and name, the same end",
            vec![("in/a", Some(DONE))],
            true,
            "/other/b",
            DONE,
            AlreadyCounted,
        ),
        (
            "another path, another end",
            vec![("in/a", Some(DONE))],
            true,
            "/bucket/in/a",
            timeout(),
            Counted,
        ),
        (
            "another path, an open row has the name",
            vec![("in/a", Some(DONE)), ("in/b", None)],
            true,
            "/bucket/in/b",
            DONE,
            Counted,
        ),
        (
            "another path, the baseline and an open row",
            vec![("in/a", Some(DONE)), ("in/b", None)],
            false,
            "/bucket/in/c",
            DONE,
            Counted,
        ),
        (
            "another path, the baseline has the name",
            vec![("in/a", Some(DONE)), ("in/b", None)],
            false,
            "/bucket/in/a",
            DONE,
            CountedLate,
        ),
        ("nothing polled", vec![], true, "/a", DONE, Counted),
    ] {
        let mut ledger = FileLedger::default();
        poll(&mut ledger, &rows, counted);
        assert_eq!(ledger.record_event("t/1", path, &end), expected, "{rule}");
        assert_eq!(
            ledger.record_event("t/1", path, &end),
            EventMatch::Duplicate,
            "{rule}"
        );
    }
}

#[test]
fn a_file_reported_by_both_sources_is_counted_once() {
    let mut ledger = FileLedger::default();
    assert_eq!(ledger.record_event("t/1", "/a", &DONE), EventMatch::Counted);
    let rows = [("/a", Some(DONE)), ("/b", Some(DONE)), ("/c", None)];
    assert_eq!(poll(&mut ledger, &rows, true), [1]);
    assert_eq!(
        ledger.record_event("t/2", "/b", &DONE),
        EventMatch::AlreadyCounted
    );
    assert_eq!(
        ledger.record_event("t/3", "/c", &failed("X")),
        EventMatch::Counted
    );
    let rows = [
        ("/a", Some(DONE)),
        ("/b", Some(DONE)),
        ("/c", Some(failed("X"))),
    ];
    assert_eq!(poll(&mut ledger, &rows, true), NONE);
    assert_eq!(ledger.files(), 3);
}

#[test]
fn an_event_of_an_unseen_file_counts_after_all_rows_have_ended() {
    let mut ledger = FileLedger::default();
    poll(&mut ledger, &[("/a", Some(DONE))], true);
    assert_eq!(
        ledger.record_event("t/1", "/elsewhere", &failed("X")),
        EventMatch::Counted
    );
    assert_eq!(
        ledger.record_event("t/2", "/a", &DONE),
        EventMatch::AlreadyCounted
    );
    assert_eq!(ledger.record_event("t/3", "/a", &DONE), EventMatch::Counted);
}

#[test]
fn an_event_that_precedes_its_row_is_matched_when_the_row_ends() {
    let mut ledger = FileLedger::default();
    let first = [("out/a", Some(DONE)), ("out/b", None)];
    assert_eq!(poll(&mut ledger, &first, false), [0]);
    assert_eq!(
        ledger.record_event("t/2", "/bucket/b", &DONE),
        EventMatch::Counted
    );
    let second = [("out/a", Some(DONE)), ("out/b", Some(DONE))];
    assert_eq!(poll(&mut ledger, &second, true), NONE);
    let counted = ledger.entries.iter().filter(|entry| entry.counted).count();
    assert_eq!((ledger.entries.len(), counted), (2, 1), "one is baseline");
}

#[test]
fn codes_are_not_swapped_between_files_with_differently_formatted_paths() {
    let mut ledger = FileLedger::default();
    let rows = |c: Option<Finished>| {
        [
            ("a", Some(DONE)),
            ("b", Some(failed("CONNECTION_ERROR"))),
            ("c", c),
        ]
    };
    assert_eq!(poll(&mut ledger, &rows(None), true), [0, 1]);
    assert_eq!(
        ledger.record_event("t/3", "/bkt/c", &failed("TIMEOUT_ERROR")),
        EventMatch::Counted
    );
    assert_eq!(
        ledger.record_event("t/2", "/bkt/b", &failed("CONNECTION_ERROR")),
        EventMatch::AlreadyCounted
    );
    let ended = rows(Some(failed("TIMEOUT_ERROR")));
    assert_eq!(poll(&mut ledger, &ended, true), NONE);
}

#[test]
fn files_with_equal_paths_are_counted_separately() {
    let mut ledger = FileLedger::default();
    let rows = [("/a", Some(DONE)), ("/a", Some(DONE)), ("/a", None)];
    assert_eq!(poll(&mut ledger, &rows, true), [0, 1]);
    for (id, expected) in [
        ("t/1", EventMatch::AlreadyCounted),
        ("t/2", EventMatch::AlreadyCounted),
        ("t/3", EventMatch::Counted),
    ] {
        assert_eq!(ledger.record_event(id, "/a", &DONE), expected, "{id}");
    }
    let rows = [("/a", Some(DONE)), ("/a", Some(DONE)), ("/a", Some(DONE))];
    assert_eq!(poll(&mut ledger, &rows, true), NONE);
}

#[test]
fn the_second_file_of_a_path_may_end_otherwise() {
    let mut ledger = FileLedger::default();
    poll(&mut ledger, &[("/p", Some(DONE)), ("/p", None)], true);
    assert_eq!(
        ledger.record_event("t/2", "/p", &failed("TIMEOUT_ERROR")),
        EventMatch::Counted
    );
    assert_eq!(
        ledger.record_event("t/1", "/p", &DONE),
        EventMatch::AlreadyCounted
    );
    let rows = [("/p", Some(DONE)), ("/p", Some(failed("TIMEOUT_ERROR")))];
    assert_eq!(poll(&mut ledger, &rows, true), NONE);
}

#[test]
fn a_code_that_a_source_adds_is_kept() {
    let mut ledger = FileLedger::default();
    poll(&mut ledger, &[("/a", Some(failed("")))], true);
    assert_eq!(poll(&mut ledger, &[("/a", Some(failed("X")))], true), NONE);
    assert_eq!(ledger.entries[0].end, failed("X"));
}

#[test]
fn the_baseline_is_counted_once() {
    let mut ledger = FileLedger::default();
    poll(
        &mut ledger,
        &[("/a", Some(DONE)), ("/b", Some(failed("X")))],
        false,
    );
    let mut counted = ledger.count_baseline();
    counted.sort();
    assert_eq!(counted, [DONE, failed("X")]);
    assert!(ledger.count_baseline().is_empty());
}

/// Rows may appear late: an event that was matched with another row gives way to that row's event.
#[test]
fn an_event_with_the_path_of_a_row_takes_the_place_of_another() {
    for end in [DONE, failed("X")] {
        let mut ledger = FileLedger::default();
        poll(&mut ledger, &[("/out/6", Some(end.clone()))], true);
        assert_eq!(
            ledger.record_event("t/3", "/out/3", &end),
            EventMatch::AlreadyCounted
        );
        assert_eq!(
            ledger.record_event("t/6", "/out/6", &end),
            EventMatch::CountedOther
        );
        let rows = [("/out/3", Some(end.clone())), ("/out/6", Some(end.clone()))];
        let to_log: &[usize] = if end == DONE { &[] } else { &[0] };
        assert_eq!(poll(&mut ledger, &rows, true), to_log, "it is not counted");
        assert_eq!(ledger.entries.len(), 2);
    }
}

#[test]
fn an_event_that_gives_way_is_matched_with_its_row_that_appeared_since() {
    let mut ledger = FileLedger::default();
    poll(&mut ledger, &[("/out/6", Some(DONE))], true);
    ledger.record_event("t/3", "/out/3", &DONE);
    let rows = [("/out/3", Some(DONE)), ("/out/6", Some(DONE))];
    assert_eq!(poll(&mut ledger, &rows, true), [0]);
    assert_eq!(
        ledger.record_event("t/6", "/out/6", &DONE),
        EventMatch::AlreadyCounted
    );
    assert_eq!(ledger.files(), 2);
}

#[test]
fn an_event_is_matched_with_its_counted_row_while_another_row_of_its_name_is_open() {
    let mut ledger = FileLedger::default();
    poll(
        &mut ledger,
        &[("/out/0", Some(failed("X"))), ("/out/0", None)],
        true,
    );
    assert_eq!(
        ledger.record_event("t/0", "/bucket/odd/0", &failed("X")),
        EventMatch::AlreadyCounted
    );
    assert_eq!(
        ledger.record_event("t/1", "/bucket/odd/0", &DONE),
        EventMatch::Counted
    );
    let rows = [("/out/0", Some(failed("X"))), ("/out/0", Some(DONE))];
    assert_eq!(poll(&mut ledger, &rows, true), NONE);
}

#[test]
fn an_event_takes_a_row_of_the_baseline_while_another_row_of_its_name_is_open() {
    let mut ledger = FileLedger::default();
    poll(
        &mut ledger,
        &[("/out/0", Some(DONE)), ("/out/0", None)],
        false,
    );
    assert_eq!(
        ledger.record_event("t/0", "/bucket/0", &DONE),
        EventMatch::CountedLate
    );
    let rows = [("/out/0", Some(DONE)), ("/out/0", Some(failed("X")))];
    assert_eq!(poll(&mut ledger, &rows, true), [1]);
    assert_eq!(ledger.files(), 2);
    assert!(ledger.count_baseline().is_empty());
}

/// A row that was the only candidate for an event gives it back to the row that appears later.
#[test]
fn an_event_moves_from_the_baseline_to_its_row_that_appears_late() {
    let x = || failed("X");
    let mut ledger = FileLedger::default();
    assert_eq!(
        poll(&mut ledger, &[("/11", Some(x())), ("/7", None)], false),
        [0]
    );
    assert_eq!(ledger.record_event("t/9", "/9", &x()), EventMatch::Counted);
    poll(&mut ledger, &[("/11", Some(x())), ("/7", Some(DONE))], true);
    let rows = [("/11", Some(x())), ("/7", Some(DONE)), ("/9", Some(x()))];
    assert_eq!(poll(&mut ledger, &rows, true), NONE, "its event was logged");
    let counted = |ledger: &FileLedger| {
        let counted = |entry: &&LedgerEntry| entry.counted && entry.end == x();
        ledger.entries.iter().filter(counted).count()
    };
    assert_eq!((ledger.files(), counted(&ledger)), (3, 1));

    let mut ledger = FileLedger::default();
    poll(&mut ledger, &[("/11", Some(x()))], false);
    assert_eq!(
        ledger.record_event("t/9", "/9", &x()),
        EventMatch::CountedLate
    );
    let rows = [("/11", Some(x())), ("/9", Some(x()))];
    assert_eq!(
        poll(&mut ledger, &rows, true),
        [1],
        "its event was not logged"
    );
    assert_eq!((ledger.files(), counted(&ledger)), (2, 1));
}

#[test]
fn rows_are_matched_by_name_before_any_is_matched_by_its_end_alone() {
    let mut ledger = FileLedger::default();
    ledger.record_event("t/4", "/bucket/odd/4", &DONE);
    let rows = [
        ("/out/0", Some(DONE)),
        ("/out/0", None),
        ("/out/4", Some(DONE)),
    ];
    assert_eq!(poll(&mut ledger, &rows, true), [0]);
    for n in 0..2 {
        ledger.record_event(&format!("t/{n}"), "/bucket/odd/0", &DONE);
    }
    let rows = [
        ("/out/0", Some(DONE)),
        ("/out/0", Some(DONE)),
        ("/out/4", Some(DONE)),
    ];
    assert_eq!(poll(&mut ledger, &rows, true), NONE);
    assert_eq!(ledger.files(), 3);
}

#[test]
fn an_open_row_keeps_the_time_since_when_it_has_its_status() {
    let row = |path: &str, status| FileResult {
        path: path.to_owned(),
        status,
        failure_code: None,
        failure_message: None,
    };
    let mut ledger = FileLedger::default();
    let mut oldest = |rows: &[FileResult], now| {
        let ends = vec![None; rows.len()];
        let time = PollTime { now, start: 10 };
        ledger.record_rows(rows, &ends, Watched::No, time);
        let packed = crate::tracker::packed_ledger::PackedLedger::pack(&ledger);
        assert_eq!(packed.unpack(), ledger);
        [OpenStatus::Queued, OpenStatus::InProgress].map(|status| ledger.oldest_open(status))
    };
    let (queued, running) = (FileStatus::Queued, FileStatus::InProgress);
    let rows = [row("/a", queued.clone()), row("/b", queued.clone())];
    assert_eq!(oldest(&rows, 20), [Some(10), None], "since the start");
    let rows = [row("/a", running.clone()), row("/b", queued.clone())];
    assert_eq!(oldest(&rows, 30), [Some(10), Some(30)]);
    let rows = [row("/a", running.clone()), row("/b", running.clone())];
    assert_eq!(oldest(&rows, 40), [None, Some(30)]);
    assert_eq!(oldest(&[row("/b", running.clone())], 50), [None, Some(40)]);
    let rows = [row("/b", running), row("/c", queued)];
    assert_eq!(oldest(&rows, 60), [Some(10), Some(40)]);
}

/// An answer with many rows of one path and many of others, after events with as many paths: the work
/// grows with the rows, not with their product with the entries.
#[test]
fn work_of_an_answer_grows_with_its_rows() {
    let operations = |rows: usize| {
        let mut ledger = FileLedger::default();
        for n in 0..100 {
            ledger.record_event(&format!("t/{n}"), &format!("/elsewhere/{n}"), &DONE);
        }
        let path = |n: usize| match n % 3 {
            0 => "/same".to_owned(),
            _ => format!("/{n}"),
        };
        let names: Vec<_> = (0..rows).map(path).collect();
        let end = |n: usize| match n % 4 {
            0 => None,
            1 => Some(DONE),
            2 => Some(Finished::Failed(None)),
            _ => Some(failed(&format!("CODE_{n}"))),
        };
        let answer = || {
            names
                .iter()
                .enumerate()
                .map(|(n, path)| (path.as_str(), end(n)))
        };
        let first: Vec<_> = answer().collect();
        let second: Vec<_> = answer()
            .map(|(path, end)| (path, end.or(Some(DONE))))
            .collect();
        let before = OPERATIONS.get();
        poll(&mut ledger, &first, false);
        poll(&mut ledger, &second, true);
        poll(&mut ledger, &second, true);
        OPERATIONS.get() - before
    };
    let (few, many) = (operations(1_000), operations(8_000));
    assert!(few > 1_000, "{few} operations are counted");
    assert!(many <= 9 * few, "{few} and {many} operations");
}
