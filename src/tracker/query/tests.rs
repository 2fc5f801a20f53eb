use std::collections::BTreeSet;
use std::time::Duration;

use super::{Query, STUCK_AFTER, Selection, SelectionBuilder, StateFilter};
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

/// More than are looked through at a time; many of them of one moment.
#[test]
fn pages_tell_every_transfer_once_in_order_whatever_comes_and_goes_between_them() {
    let now = start();
    let mut tracker = tracker(now);
    for n in 0..9_000_u64 {
        let since = (n % 3 > 0).then(|| now.wall - Duration::from_secs(n % 700));
        tracker.track(key(&format!("t-{n}")), Origin::Demo, since, now);
    }
    let mut query = Query {
        limit: 997,
        ..Query::default()
    };
    let mut told = Vec::new();
    for page in 0.. {
        let selection = select(&tracker, &query, now);
        told.extend(
            selection
                .transfers
                .iter()
                .map(|t| (std::cmp::Reverse(t.view.since), t.view.id.clone())),
        );
        // News come before what was told, and what was told leaves.
        tracker.track(
            key(&format!("new-{page}")),
            Origin::Demo,
            Some(now.wall + Duration::from_secs(1)),
            now,
        );
        tracker.untrack(&key(&format!("t-{}", page * 3)), Origin::Demo, now);
        let Some(next) = selection.next else { break };
        // As text, and back: it is sent so.
        query.after = Some(next.to_string().parse().unwrap());
    }
    assert!(told.is_sorted(), "the newest first, then by id");
    assert_eq!(
        told.len(),
        told.iter().collect::<BTreeSet<_>>().len(),
        "none twice"
    );
    let missing = (0..9_000)
        .filter(|n| !told.iter().any(|(_, id)| id.as_str() == format!("t-{n}")))
        .count();
    assert!(
        missing <= 10,
        "{missing}: only what left before its page came"
    );
}

#[test]
fn a_query_filters_by_state_and_searches_ids_paths_codes_and_messages() {
    let now = start();
    let mut tracker = tracker(now);
    for id in ["run", "done", "BAD", "new"] {
        tracker.track(key(id), Origin::Demo, Some(now.wall), now);
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
