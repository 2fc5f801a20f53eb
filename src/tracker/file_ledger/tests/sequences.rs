//! Sequences of answers and events in which files are easily taken for each other: rows that appear
//! late, several files of one path, and events with other paths than the rows.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn counted(ledger: &FileLedger) -> usize {
    ledger.entries.iter().filter(|entry| entry.counted).count()
}

/// The event of the first file was matched with a row of another name, before its own row appeared:
/// then the other row is news.
#[test]
fn an_event_with_the_name_of_a_row_takes_the_place_of_another() {
    let mut ledger = FileLedger::default();
    ledger.record_event("t/0", "/bucket/0", &DONE);
    let rows = [("/out/2", Some(DONE)), ("/out/2", None)];
    assert_eq!(poll(&mut ledger, &rows, true), NONE);
    let rows = [
        ("/out/2", Some(DONE)),
        ("/out/2", None),
        ("/out/0", Some(DONE)),
    ];
    assert_eq!(poll(&mut ledger, &rows, true), [0]);
    assert_eq!(
        ledger.record_event("t/2", "/bucket/2", &DONE),
        EventMatch::AlreadyCounted
    );
    assert_eq!((ledger.files(), counted(&ledger)), (2, 2));
}

#[test]
fn an_event_before_the_first_answer_moves_to_its_row_that_appears_late() {
    for end in [DONE, failed("X")] {
        let mut ledger = FileLedger::default();
        ledger.record_event("t/1", "/1", &end);
        let baseline = [("/0", Some(end.clone())), ("/2", Some(end.clone()))];
        poll(&mut ledger, &baseline, false);
        assert_eq!((ledger.files(), counted(&ledger)), (2, 1));
        let rows = ["/0", "/1", "/2"].map(|path| (path, Some(end.clone())));
        let new = poll(&mut ledger, &rows, true);
        assert_eq!((ledger.files(), counted(&ledger)), (3, 1));
        // One row of the baseline was taken for the event, and is news now.
        assert!(matches!(new[..], [0 | 2]), "{new:?}");
    }
}

#[test]
fn an_event_with_the_name_of_its_row_does_not_move_to_a_row_of_another_name() {
    let mut ledger = FileLedger::default();
    let rows = [("/out/0", Some(DONE)), ("/out/0", None)];
    poll(&mut ledger, &rows, false);
    assert_eq!(
        ledger.record_event("t/0", "/bucket/0", &DONE),
        EventMatch::CountedLate
    );
    let rows = [
        ("/out/0", Some(DONE)),
        ("/out/0", None),
        ("/out/2", Some(DONE)),
    ];
    assert_eq!(poll(&mut ledger, &rows, true), [2]);
    assert_eq!(
        ledger.record_event("t/2", "/bucket/2", &DONE),
        EventMatch::AlreadyCounted
    );
    assert_eq!(ledger.count_baseline(), NO_ENDS);
    assert_eq!((ledger.files(), counted(&ledger)), (2, 2));
}

/// What happens to the files of a transfer, by their index.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Its row appears.
    Show(usize),
    /// It ends.
    End(usize),
    /// Its event arrives, if it has ended.
    Event(usize),
    Poll,
    /// A start is reported: all files count.
    Start,
}

/// A file: number of its path, and its failure code.
type File = (usize, Option<&'static str>);

fn steps(files: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..files).prop_map(Step::End),
        3 => (0..files).prop_map(Step::Event),
        2 => (0..files).prop_map(Step::Show),
        3 => Just(Step::Poll),
        1 => Just(Step::Start),
    ];
    vec(step, 1..24)
}

fn transfer() -> impl Strategy<Value = (Vec<File>, Vec<Step>)> {
    let code = proptest::sample::select(&[None, None, Some("X")][..]);
    vec((0..3_usize, code), 1..5).prop_flat_map(|files| {
        let steps = steps(files.len());
        (Just(files), steps)
    })
}

/// What is known of a file.
#[derive(Clone, Copy, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are independent of each other"
)]
struct Known {
    shown: bool,
    ended: bool,
    event: bool,
    /// A poll has reported its end.
    polled: bool,
    /// It has ended while its transfer was watched.
    watched: bool,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    /// No more files count than were reported, and no fewer than each source has reported for sure. Each
    /// failure is logged once, by the path that both sources report or, if they differ, by their number.
    #[test]
    fn files_are_counted_and_failures_logged_as_they_were_reported(
        (files, steps) in transfer(),
        shown_first in any::<bool>(),
        event_folder in proptest::sample::select(&["/out", "/bucket/odd"][..]),
    ) {
        let mut ledger = FileLedger::default();
        let mut known = vec![Known { shown: shown_first, ..Known::default() }; files.len()];
        let (mut started, mut polled) = (false, false);
        let end = |file: usize| files[file].1.map_or(DONE, failed);
        let mut counters = BTreeMap::from([(DONE, 0), (failed("X"), 0)]);
        let mut count = |end: &Finished| *counters.get_mut(end).unwrap() += 1;
        let mut logged = BTreeMap::new();
        let mut log = |file: usize| {
            if files[file].1.is_some() {
                *logged.entry(files[file].0).or_insert(0) += 1;
            }
        };
        // At the end everything is reported.
        let all = 0..files.len();
        let rest = all.flat_map(|file| [Step::Show(file), Step::End(file), Step::Event(file)]);
        let at_rest = [Step::Poll].into_iter().chain(rest).chain([Step::Poll]);
        for step in steps.into_iter().chain(at_rest) {
            match step {
                Step::Show(file) => known[file].shown = true,
                Step::End(file) => known[file].ended = true,
                Step::Event(file) if known[file].ended => {
                    let path = format!("{event_folder}/{}", files[file].0);
                    let event = ledger.record_event(&format!("t/{file}"), &path, &end(file));
                    if event.counts() {
                        count(&end(file));
                    }
                    if event.is_logged() {
                        log(file);
                    }
                    known[file].event = true;
                }
                Step::Event(_) => {}
                Step::Start => {
                    started = true;
                    ledger.count_baseline().iter().for_each(&mut count);
                    for file in &mut known {
                        file.watched |= file.polled;
                    }
                }
                Step::Poll => {
                    let rows: Vec<_> = (0..files.len()).filter(|file| known[*file].shown).collect();
                    let results: Vec<_> = rows.iter().map(|file| FileResult {
                        path: format!("/out/{}", files[*file].0),
                        status: FileStatus::Queued,
                        failure_code: None,
                        failure_message: None,
                    }).collect();
                    let ends: Vec<_> = rows.iter().map(|file| known[*file].ended.then(|| end(*file))).collect();
                    let watched = match (started, polled) {
                        (true, _) => Watched::Whole,
                        (false, true) => Watched::SincePoll,
                        (false, false) => Watched::No,
                    };
                    for row in ledger.record_rows(&results, &ends, watched, TIME) {
                        if row.counted {
                            count(ends[row.at].as_ref().unwrap());
                        }
                        if row.logged {
                            log(rows[row.at]);
                        }
                    }
                    for file in rows {
                        let known = &mut known[file];
                        known.watched |= known.ended && (started || (polled && !known.polled));
                        known.polled |= known.ended;
                    }
                    polled = true;
                }
            }
        }
        for (end_of, counted) in counters {
            let number = |accept: fn(&Known) -> bool| {
                (0..files.len()).filter(|file| end(*file) == end_of && accept(&known[*file])).count()
            };
            let most = number(|file| file.event || file.polled);
            let least = number(|file| file.event).max(number(|file| file.watched));
            prop_assert!((least..=most).contains(&counted), "{end_of:?}: {counted}, {least} to {most}");
        }
        let mut failed = BTreeMap::new();
        for (path, _) in files.iter().filter(|(_, code)| code.is_some()) {
            *failed.entry(*path).or_insert(0) += 1;
        }
        if event_folder == "/out" {
            prop_assert_eq!(logged, failed);
        } else {
            let number = |of: BTreeMap<usize, usize>| of.values().sum::<usize>();
            prop_assert_eq!(number(logged), number(failed));
        }
    }
}
