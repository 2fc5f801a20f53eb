use std::collections::BTreeSet;
use std::time::Duration;

use super::{Query, STUCK_AFTER, Selection, SelectionBuilder, StateFilter};
use crate::tracker::tests::life::{event, failed, watching};
use crate::tracker::tests::{file, key, start, tracker};
use crate::tracker::*;
use model::Now;

fn select(tracker: &Tracker, query: &Query, now: Now) -> Selection {
    let mut selecting = SelectionBuilder::new(query);
    while tracker.select(&mut selecting, now) {}
    selecting.finish()
}

fn ids(selection: &Selection) -> Vec<String> {
    selection
        .transfers
        .iter()
        .map(|listed| listed.view.id.to_string())
        .collect()
}

/// More transfers than one batch, many of them with the same start.
#[test]
fn pages_list_every_transfer_once_while_others_are_added_and_removed() {
    let now = start();
    let mut tracker = tracker(now);
    for n in 0..9_000_u64 {
        let since = (n % 3 > 0).then(|| now.wall - Duration::from_secs(n % 700));
        tracker.track(key(&format!("t-{n}")), Origin::Api, since, now);
    }
    let mut query = Query {
        limit: 997,
        ..Query::default()
    };
    let mut listed = Vec::new();
    for page in 0.. {
        let selection = select(&tracker, &query, now);
        listed.extend(
            selection
                .transfers
                .iter()
                .map(|t| (std::cmp::Reverse(t.view.since), t.view.id.clone())),
        );
        // Added transfers come before the listed ones; removed ones have already been listed.
        tracker.track(
            key(&format!("new-{page}")),
            Origin::Api,
            Some(now.wall + Duration::from_secs(1)),
            now,
        );
        tracker.untrack(&key(&format!("t-{}", page * 3)), Origin::Api, now);
        let Some(next) = selection.next else { break };
        // Clients send the cursor as text.
        query.after = Some(next.to_string().parse().unwrap());
    }
    assert!(listed.is_sorted(), "newest first, then by id");
    assert_eq!(
        listed.len(),
        listed.iter().collect::<BTreeSet<_>>().len(),
        "no transfer is listed twice"
    );
    let missing = (0..9_000)
        .filter(|n| !listed.iter().any(|(_, id)| id.as_str() == format!("t-{n}")))
        .count();
    assert!(
        missing <= 10,
        "{missing} transfers are missing; only those removed before their page may be"
    );
}

#[test]
fn queries_filter_by_state_and_search_ids_paths_codes_and_messages() {
    let now = start();
    let mut tracker = tracker(now);
    for id in ["run", "done", "BAD", "new"] {
        tracker.track(key(id), Origin::Api, Some(now.wall), now);
    }
    tracker.record_poll(
        &key("run"),
        &PollResult::Files(vec![file("/r", "IN_PROGRESS", "")]),
        now,
    );
    tracker.record_poll(
        &key("done"),
        &PollResult::Files(vec![file("/d", "COMPLETED", "")]),
        now,
    );
    tracker.record_poll(
        &key("BAD"),
        &PollResult::Files(vec![file("/Invoices/Übel", "FAILED", "RENAME_ERROR")]),
        now,
    );
    let later = now.after(STUCK_AFTER);
    let stuck = later.after(Duration::from_secs(1));
    for (at, state, search, expected) in [
        (now, None, "", &["BAD", "done", "new", "run"][..]),
        (now, Some(StateFilter::Unfinished), "", &["new", "run"]),
        (
            now,
            Some(StateFilter::Is(model::TransferState::Failed)),
            "",
            &["BAD"],
        ),
        (later, Some(StateFilter::Stuck), "", &[]),
        (stuck, Some(StateFilter::Stuck), "", &["new", "run"]),
        (now, None, "bad", &["BAD"]),
        (now, None, "INVOICES/", &["BAD"]),
        (now, None, "\u{dc}BEL", &["BAD"]),
        (now, None, "rename_", &["BAD"]),
        (now, None, "broke", &["BAD"]),
        (
            now,
            None,
            "0123456789abcdef0",
            &["BAD", "done", "new", "run"],
        ),
        (now, Some(StateFilter::Unfinished), "broke", &[]),
        (now, None, "/d", &[]),
    ] {
        let search = (!search.is_empty()).then(|| search.to_owned());
        let found = select(
            &tracker,
            &Query {
                state,
                search: search.clone(),
                limit: 10,
                ..Query::default()
            },
            at,
        );
        assert_eq!(ids(&found), expected, "{state:?} {search:?}");
        assert_eq!(found.matching, expected.len() as u64);
    }
    let other = Query {
        account: Some("other".into()),
        limit: 10,
        ..Query::default()
    };
    assert_eq!(select(&tracker, &other, now).matching, 0);
    let count_alone = select(&tracker, &Query::default(), now);
    assert_eq!((count_alone.matching, count_alone.transfers.len()), (4, 0));
}

#[test]
fn failed_files_are_counted_before_and_after_the_results_have_them() {
    let (mut tracker, now) = watching();
    tracker.track(key("a"), Origin::Api, Some(now.wall), now);
    let query = Query {
        limit: 10,
        ..Query::default()
    };
    let counted = |tracker: &Tracker| select(tracker, &query, now).transfers[0].failed_files();
    assert_eq!(counted(&tracker), 0);
    event(&mut tracker, "a", 1, "/a", failed("TIMEOUT_ERROR"), now);
    assert_eq!(counted(&tracker), 1, "it has not been polled");
    let mut files = vec![file("/a", "IN_PROGRESS", ""), file("/b", "QUEUED", "")];
    tracker.record_poll(&key("a"), &PollResult::Files(files.clone()), now);
    assert_eq!(counted(&tracker), 1, "the results lag behind the event");
    files[0] = file("/a", "FAILED", "TIMEOUT_ERROR");
    files[1] = file("/b", "FAILED", "TIMEOUT_ERROR");
    tracker.record_poll(&key("a"), &PollResult::Files(files), now);
    assert_eq!(counted(&tracker), 2);
}
