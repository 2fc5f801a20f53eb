//! Each failure is logged once, under its own path, also if its event was taken for another file before.

use super::*;

#[test]
fn a_failure_whose_event_moved_and_gave_way_is_logged_with_its_row() {
    let x = || failed("X");
    let mut ledger = FileLedger::default();
    assert_eq!(poll(&mut ledger, &[("/2", Some(x()))], false), [0]);
    ledger.record_event("t/1", "/1", &x());
    let rows = [("/0", Some(x())), ("/2", Some(x()))];
    assert_eq!(poll(&mut ledger, &rows, true), [0]);
    ledger.record_event("t/2", "/2", &x());
    assert_eq!(
        ledger.record_event("t/0", "/0", &x()),
        EventMatch::CountedOther
    );
    let rows = ["/0", "/1", "/2"].map(|path| (path, Some(x())));
    assert_eq!(poll(&mut ledger, &rows, true), [1]);
}

/// A start that is reported later makes the baseline count: then both rows are counted, and each of
/// the two failures is logged once. The first row is news: the event has reported the second.
#[test]
fn an_event_moves_to_its_late_row_after_the_baseline_was_counted() {
    let x = || failed("X");
    let result = |path: &str| FileResult {
        path: path.to_owned(),
        status: FileStatus::Failed,
        failure_code: FailureCode::new("X"),
        failure_message: None,
    };
    let mut ledger = FileLedger::default();
    poll(&mut ledger, &[("/2", Some(x())), ("/0", None)], false);
    assert_eq!(ledger.record_event("t/3", "/3", &x()), EventMatch::Counted);
    poll(&mut ledger, &[("/2", Some(x())), ("/0", Some(DONE))], true);
    assert_eq!(ledger.count_baseline(), NO_ENDS);
    let rows = [result("/2"), result("/3")];
    let ends = [Some(x()), Some(x())];
    let new = ledger.record_rows(&rows, &ends, Watched::Whole, TIME);
    let row = NewRow {
        at: 0,
        counted: true,
        logged: false,
    };
    assert_eq!(new, [row]);
    assert!(ledger.entries.iter().all(|entry| entry.counted));
}

/// The event of the first file was taken for the row of the second, which was not logged then.
#[test]
fn a_failure_whose_row_was_taken_for_another_is_logged_when_the_other_row_appears() {
    let x = || failed("X");
    let mut ledger = FileLedger::default();
    assert_eq!(ledger.record_event("t/1", "/1", &x()), EventMatch::Counted);
    assert_eq!(poll(&mut ledger, &[("/0", Some(x()))], true), NONE);
    let rows = [("/0", Some(x())), ("/1", Some(x()))];
    assert_eq!(
        poll(&mut ledger, &rows, true),
        [0],
        "it counts and is logged"
    );
    assert_eq!(
        ledger.record_event("t/0", "/0", &x()),
        EventMatch::AlreadyCounted
    );
    assert_eq!(poll(&mut ledger, &rows, true), NONE);
    assert_eq!(ledger.files(), 2);
}

/// The same if both sources agree on the file name alone.
#[test]
fn an_event_moves_to_the_row_of_its_file_name() {
    let x = || failed("X");
    let mut ledger = FileLedger::default();
    ledger.record_event("t/1", "/bucket/1", &x());
    assert_eq!(poll(&mut ledger, &[("/out/0", Some(x()))], true), NONE);
    let rows = [("/out/0", Some(x())), ("/out/1", Some(x()))];
    assert_eq!(poll(&mut ledger, &rows, true), [0]);
    assert_eq!(
        ledger.record_event("t/0", "/bucket/0", &x()),
        EventMatch::AlreadyCounted
    );
}

/// The event of the row arrives first.
#[test]
fn a_failure_whose_row_was_taken_for_another_is_logged_with_its_event() {
    let x = || failed("X");
    let mut ledger = FileLedger::default();
    ledger.record_event("t/1", "/1", &x());
    assert_eq!(poll(&mut ledger, &[("/0", Some(x()))], true), NONE);
    let rows = [("/0", Some(x())), ("/2", Some(x()))];
    assert_eq!(poll(&mut ledger, &rows, true), [1]);
    let event = ledger.record_event("t/0", "/0", &x());
    assert_eq!((event.counts(), event.is_logged()), (false, true));
    let rows = ["/0", "/1", "/2"].map(|path| (path, Some(x())));
    let result = |path: &str| FileResult {
        path: path.to_owned(),
        status: FileStatus::Failed,
        failure_code: FailureCode::new("X"),
        failure_message: None,
    };
    let results = rows.clone().map(|(path, _)| result(path));
    let ends = rows.map(|(_, end)| end);
    let new = ledger.record_rows(&results, &ends, Watched::SincePoll, TIME);
    let [row] = new[..] else { panic!("{new:?}") };
    assert_eq!((row.counted, row.logged), (true, false), "its event was");
}

/// An event that gave way and was not logged is taken for a row of the baseline, before its own row
/// appears.
#[test]
fn a_failure_whose_event_was_taken_for_the_baseline_is_logged_with_its_row() {
    let x = || failed("X");
    let mut ledger = FileLedger::default();
    poll(&mut ledger, &[("/1", Some(x())), ("/2", None)], false);
    let rows = [("/1", Some(x())), ("/2", Some(x())), ("/3", None)];
    assert_eq!(poll(&mut ledger, &rows, true), [1]);
    assert_eq!(
        ledger.record_event("t/0", "/0", &x()),
        EventMatch::AlreadyCounted
    );
    assert_eq!(
        ledger.record_event("t/2", "/2", &x()),
        EventMatch::CountedOther
    );
    let rows = [("/1", Some(x())), ("/2", Some(x())), ("/3", Some(DONE))];
    assert_eq!(poll(&mut ledger, &rows, true), [2]);
    let rows = ["/0", "/1", "/2"].map(|path| (path, Some(x())));
    assert_eq!(poll(&mut ledger, &rows, true), [0]);
}

/// Two files of one path: the second event waits for its own row.
#[test]
fn the_event_of_a_second_file_of_a_path_is_not_taken_for_the_baseline() {
    let x = || failed("X");
    let mut ledger = FileLedger::default();
    for id in ["t/1", "t/2"] {
        assert_eq!(ledger.record_event(id, "/3", &x()), EventMatch::Counted);
    }
    let rows = [("/1", Some(x())), ("/3", Some(x()))];
    assert_eq!(poll(&mut ledger, &rows, false), [0]);
    assert_eq!(ledger.files(), 3);
    let rows = [("/1", Some(x())), ("/3", Some(x())), ("/3", Some(x()))];
    assert_eq!(poll(&mut ledger, &rows, true), NONE);
    assert_eq!(ledger.files(), 3);
}
