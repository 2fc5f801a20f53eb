//! Flows that leave a process, come back, or move to another one.

use proptest::prelude::*;

use super::*;

#[test]
fn what_is_due_while_a_flow_is_not_configured_is_not_judged() {
    let config = expecting(1, None);
    for restarts in [false, true] {
        let mut watch = Watch::new(&config);
        watch.file(1, day(1) + 5 * HOUR);
        watch.state(day(1) + 7 * HOUR);
        assert_eq!(
            watch.outcomes(),
            [(FlowState::OnTime, 1), (FlowState::Unknown, 1)],
            "the window before the first one was not watched whole"
        );
        watch.0.configure(&[], day(2) + HOUR);
        watch.0.scraped(true, day(2) + HOUR);
        if restarts {
            // Without the flow, and again with it.
            let names = watch.0.names();
            let saved = names
                .iter()
                .map(|name| (name.to_string(), watch.0.record_of(name).unwrap()));
            let saved = saved.collect();
            watch.0 = Flows::default();
            watch.0.restore(saved, day(3));
            watch.0.configure(&[], day(3));
            watch
                .0
                .configure(std::slice::from_ref(&config), day(5) + HOUR);
        } else {
            watch
                .0
                .configure(std::slice::from_ref(&config), day(5) + HOUR);
        }
        assert_eq!(
            watch.state(day(5) + 7 * HOUR),
            (FlowState::Unknown, day(5) + 6 * HOUR)
        );
        watch.state(day(6) + 5 * HOUR);
        assert_eq!(
            watch.outcomes(),
            [(FlowState::OnTime, 1), (FlowState::Unknown, 2)],
            "the deadlines of two days were not watched, and the third not whole"
        );
        watch.state(day(7) + 5 * HOUR);
        assert_eq!(
            watch.outcomes()[1],
            (FlowState::Missing, 1),
            "it is watched again"
        );
    }
}

#[test]
fn a_flow_that_leaves_while_the_process_is_down_is_away() {
    let config = expecting(1, None);
    let mut watch = Watch::new(&config);
    watch.state(day(1) + HOUR);
    let record = watch.0.record_of("prices").unwrap();
    let mut flows = Flows::default();
    flows.restore(vec![("prices".into(), record)], day(2));
    flows.configure(std::slice::from_ref(&config), day(2));
    assert!(
        flows.record_of("prices").unwrap().left.is_none(),
        "it has not left"
    );
    let record = flows.record_of("prices").unwrap();
    let mut flows = Flows::default();
    flows.restore(vec![("prices".into(), record)], day(2));
    flows.configure(&[], day(2));
    assert_eq!(
        flows.record_of("prices").unwrap().left,
        Some(millis(day(2)))
    );
    assert!(flows.take_changed().contains("prices"), "which is stored");
}

#[test]
fn a_flow_keeps_its_connectors_on_one_shard() {
    let ids = [
        "c-0123456789abcdef0",
        "c-0123456789abcdef1",
        "c-0123456789abcdef2",
    ];
    let flows = [config("a", &ids[..2], &[]), config("b", &ids[1..], &[])];
    let groups = Arc::new(connector_groups(&flows));
    let members: Vec<_> = groups
        .members()
        .map(|(id, first)| (id.as_str(), first.as_str()))
        .collect();
    assert_eq!(members, ids.map(|id| (id, ids[0])));
    let owners = |flow: &FlowConfig| {
        let shards = (0..5).map(|index| Shard::new(index, 5).unwrap());
        shards
            .filter(|shard| flow.is_owned(&Ownership::new(*shard, &groups)))
            .count()
    };
    assert_eq!(flows.each_ref().map(owners), [1, 1]);
    assert!(
        flows
            .iter()
            .all(|flow| flow.is_owned(&Ownership::default()))
    );
}

#[test]
fn a_window_that_is_due_when_its_flow_leaves_counts_there_and_the_next_one_with_the_new_owner() {
    type Deliver = fn(&mut Watch, SystemTime);
    let config = expecting(1, None);
    let deadline = day(1) + 6 * HOUR;
    let in_time: Deliver = |watch, at| watch.file(2, at - MINUTE);
    let late: Deliver = |watch, at| watch.file(2, at + MINUTE);
    let none: Deliver = |_, _| {};
    let unknown = [(FlowState::OnTime, 1), (FlowState::Unknown, 1)];
    let cases = [
        ("in time", in_time, 2 * MINUTE, vec![(FlowState::OnTime, 2)]),
        (
            "late",
            late,
            2 * MINUTE,
            vec![(FlowState::OnTime, 1), (FlowState::Late, 1)],
        ),
        ("late so far", none, 2 * MINUTE, unknown.to_vec()),
        ("missing so far", none, 2 * HOUR, unknown.to_vec()),
        (
            "missing",
            none,
            12 * HOUR + MINUTE,
            vec![(FlowState::OnTime, 1), (FlowState::Missing, 1)],
        ),
        (
            "not due",
            none,
            Duration::ZERO,
            vec![(FlowState::OnTime, 1)],
        ),
    ];
    for restarts in [false, true] {
        for (name, deliver, after, expected) in &cases {
            let mut old = Watch::new(&config);
            old.file(1, day(0) + HOUR);
            deliver(&mut old, deadline);
            let moved = deadline + *after;
            old.0.scraped(true, moved);
            let mut old = if restarts {
                restarted(&old.0, moved + HOUR)
            } else {
                old.0
            };
            old.configure(&[], moved);
            assert_eq!(outcomes_of(&old), *expected, "{name}, restarts: {restarts}");
            let mut new = Watch(Flows::default());
            new.0.configure(std::slice::from_ref(&config), moved);
            let next = if after.is_zero() {
                deadline
            } else {
                deadline + DAY
            };
            assert_eq!(new.view().window.unwrap().deadline, next, "{name}");
            // It comes back: what was due in between counts where it was then.
            old.configure(std::slice::from_ref(&config), moved + 3 * DAY + HOUR);
            old.configure(&[], moved + 3 * DAY + HOUR + MINUTE);
            assert_eq!(outcomes_of(&old), *expected, "{name} and back");
        }
    }
}

/// An event may be the first to open the window after a deadline.
#[test]
fn a_deadline_that_has_passed_is_stored_whatever_opened_the_next_window() {
    let config = expecting(1, None);
    let deadline = day(1) + 6 * HOUR;
    let mut old = Watch::new(&config);
    old.file(1, day(0) + HOUR);
    old.state(deadline - MINUTE);
    old.file(2, deadline + Duration::from_millis(1));
    old.0.take_changed();
    old.0.advance(deadline + Duration::from_secs(1));
    assert!(old.0.take_changed().contains("prices"));
    old.0.advance(deadline + Duration::from_secs(2));
    assert!(old.0.take_changed().is_empty(), "once");
    let mut old = restarted(&old.0, deadline + HOUR);
    old.configure(&[], deadline + HOUR);
    let outcomes = [(FlowState::OnTime, 1), (FlowState::Late, 1)];
    assert_eq!(outcomes_of(&old), outcomes);
}

#[test]
fn a_process_that_returns_without_a_flow_counts_what_was_due_before_it_stopped() {
    let config = expecting(1, None);
    let mut old = Watch::new(&config);
    old.file(1, day(0) + HOUR);
    old.state(day(1) + 5 * HOUR);
    let mut old = restarted(&old.0, day(9));
    old.configure(&[], day(9));
    assert_eq!(
        outcomes_of(&old),
        [(FlowState::OnTime, 1)],
        "the deadline was after its end"
    );
}

#[test]
fn a_flow_that_matches_other_files_ends_its_due_window() {
    let config = expecting(1, None);
    let mut other = config.clone();
    Arc::make_mut(&mut other.title).paths = vec!["/other/*".to_owned()];
    let mut without = config.clone();
    without.expect = None;
    for changed in [other, without] {
        let mut watch = Watch::new(&config);
        watch.file(1, day(0) + HOUR);
        let deadline = day(1) + 6 * HOUR;
        watch.state(deadline + MINUTE);
        watch
            .0
            .configure(std::slice::from_ref(&changed), deadline + 2 * MINUTE);
        let outcomes = [(FlowState::OnTime, 1), (FlowState::Unknown, 1)];
        assert_eq!(watch.outcomes(), outcomes, "{changed:?}");
    }
}

/// What happens to processes of which one has the flow, some minutes after what happened before.
#[derive(Clone, Debug)]
enum Event {
    File(u64),
    Scrape,
    /// Another process gets the flow, and all are reloaded or restarted.
    Move(usize, bool),
    /// A process is restarted.
    Restart(usize),
}

fn events() -> impl Strategy<Value = Vec<(u32, Event)>> {
    let event = prop_oneof![
        (0..3_u64).prop_map(Event::File),
        Just(Event::Scrape),
        (0..3_usize, any::<bool>()).prop_map(|(to, restarts)| Event::Move(to, restarts)),
        (0..3_usize).prop_map(Event::Restart),
    ];
    prop::collection::vec((0..500_u32, event), 0..40)
}

proptest! {
    #[test]
    fn each_window_counts_once_over_all_processes(
        events in events(),
        files in 1..3_u64,
        has_pause in any::<bool>(),
    ) {
        let mut config = expecting(files, has_pause.then_some("03:00"));
        config.expect.as_mut().unwrap().schedule.by =
            ["06:00", "09:30", "15:00"].map(|by| by.parse().unwrap()).into();
        let schedule = &config.expect.as_ref().unwrap().schedule;
        let configs = std::slice::from_ref(&config);
        let mut processes: Vec<_> = (0..3).map(|_| Flows::default()).collect();
        let (mut owner, mut now) = (0, day(0));
        let owned = |owner: usize, process: usize| &configs[usize::from(owner != process)..];
        for (process, flows) in processes.iter_mut().enumerate() {
            flows.configure(owned(owner, process), now);
        }
        for (minutes, event) in events {
            now += minutes * MINUTE;
            match event {
                Event::File(path) => processes[owner].record(0, &completed(path, now), now),
                Event::Scrape => processes.iter_mut().for_each(|it| it.scraped(true, now)),
                Event::Move(to, restarts) => {
                    owner = to;
                    for (process, flows) in processes.iter_mut().enumerate() {
                        if restarts {
                            flows.advance(now);
                            *flows = restarted(flows, now);
                        }
                        flows.configure(owned(owner, process), now);
                    }
                }
                Event::Restart(process) => {
                    processes[process] = restarted(&processes[process], now);
                    processes[process].configure(owned(owner, process), now);
                }
            }
            processes[owner].advance(now);
            let records = processes.iter().filter_map(|it| it.record_of("prices"));
            let all: u64 = records.map(|record| record.closed_windows()).sum();
            let due = std::iter::successors(schedule.period_at(day(0)), |it| schedule.period_after(it));
            let due = due.take_while(|period| period.deadline < now).count() as u64;
            // The owner waits for late files of its first windows.
            let open = processes[owner].states[0].record_form(0).timeline.overdue(millis(now));
            prop_assert_eq!(all + open, due, "at {:?}", now);
        }
    }
}
