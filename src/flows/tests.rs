use std::time::UNIX_EPOCH;

use jiff::tz::TimeZone;

use super::schedule::DayOfWeek;
use super::*;
use model::{FailureCode, FlowState};

mod moves;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

pub(super) fn config(name: &str, connectors: &[&str], paths: &[&str]) -> FlowConfig {
    let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
    FlowConfig {
        title: Arc::new(FlowTitle {
            name: name.into(),
            connectors: texts(connectors),
            paths: texts(paths),
            required_files: 1,
            ..FlowTitle::default()
        }),
        ignore_codes: BTreeSet::new(),
        expect: None,
    }
}

/// Files by 06:00 UTC, late until 06:30.
fn expecting(files: u64, from: Option<&str>) -> FlowConfig {
    let mut config = config("prices", &["c-1"], &[]);
    Arc::make_mut(&mut config.title).required_files = files;
    config.expect = Some(Expect {
        schedule: Schedule {
            by: vec!["06:00".parse().unwrap()],
            zone: TimeZone::UTC,
            days: DayOfWeek::ALL.into(),
            except: BTreeSet::new(),
            from: from.map(|from| from.parse().unwrap()),
            grace: 30 * MINUTE,
        },
        files,
        min_bytes: 0,
    });
    config
}

/// Midnight of a day, counted from an arbitrary one.
fn day(day: u32) -> SystemTime {
    UNIX_EPOCH + 20_000 * DAY + day * DAY
}

fn completed(path: u64, at: SystemTime) -> FlowFile<'static> {
    FlowFile {
        transfer: path,
        path,
        end: Finished::Completed,
        code: None,
        earliest: at,
        at,
        is_exact: true,
        size: Some((100, Direction::Retrieve)),
        is_counted: true,
    }
}

/// A flow that has been watched since day 0, and the scrape of a moment.
struct Watch(Flows);

impl Watch {
    fn new(config: &FlowConfig) -> Self {
        let mut flows = Flows::default();
        flows.configure(std::slice::from_ref(config), day(0));
        Self(flows)
    }

    fn file(&mut self, path: u64, at: SystemTime) {
        self.0.record(0, &completed(path, at), at);
    }

    fn view(&mut self) -> FlowView {
        self.0.views()[0][0].clone()
    }

    /// The state and the deadline after a complete scrape.
    fn state(&mut self, now: SystemTime) -> (FlowState, SystemTime) {
        self.0.scraped(true, now);
        let window = self.view().window.unwrap();
        (window.state, window.deadline)
    }

    /// The outcomes of closed windows that are not 0.
    fn outcomes(&mut self) -> Vec<(FlowState, u64)> {
        let outcomes = self.view().outcomes.into_iter();
        outcomes.filter(|(_, count)| *count > 0).collect()
    }

    fn corrected(&mut self) -> Vec<(FlowState, u64)> {
        let corrected = self.view().corrected.into_iter();
        corrected.filter(|(_, count)| *count > 0).collect()
    }

    /// The same flow in a new process.
    fn restarted(mut self, config: &FlowConfig, now: SystemTime) -> Self {
        self.0 = restarted(&self.0, now);
        self.0.configure(std::slice::from_ref(config), now);
        self
    }
}

/// What a process has saved, in a new one that has no configuration yet.
fn restarted(flows: &Flows, now: SystemTime) -> Flows {
    let names = flows.names();
    let saved = names
        .iter()
        .map(|name| (name.to_string(), flows.record_of(name).unwrap()));
    let mut restarted = Flows::default();
    restarted.restore(saved.collect(), now);
    restarted
}

/// The outcomes of the flow in a process that may not have it any more.
fn outcomes_of(flows: &Flows) -> Vec<(FlowState, u64)> {
    let record = flows.record_of("prices").unwrap_or_default();
    let outcomes = record.timeline.outcomes().into_iter();
    outcomes.filter(|(_, count)| *count > 0).collect()
}

#[test]
fn a_delivery_in_time_is_on_time_and_closes_at_its_deadline() {
    let mut watch = Watch::new(&expecting(1, None));
    let deadline = day(1) + 6 * HOUR;
    watch.file(1, day(0) + 5 * HOUR);
    assert_eq!(
        watch.state(day(0) + 7 * HOUR),
        (FlowState::Waiting, deadline)
    );
    watch.file(2, day(1) + 5 * HOUR);
    assert_eq!(
        watch.state(day(1) + 5 * HOUR),
        (FlowState::OnTime, deadline)
    );
    assert_eq!(watch.state(deadline).0, FlowState::OnTime);
    assert_eq!(
        watch.state(deadline + MINUTE),
        (FlowState::Waiting, deadline + DAY)
    );
    assert_eq!(watch.outcomes(), [(FlowState::OnTime, 2)]);
    assert_eq!(watch.corrected(), []);
}

#[test]
fn a_delivery_after_the_deadline_is_late_once_and_then_the_next_is_awaited() {
    for arrives in [10 * MINUTE, 2 * HOUR, 11 * HOUR] {
        let mut watch = Watch::new(&expecting(1, None));
        watch.file(1, day(0) + 5 * HOUR);
        let deadline = day(1) + 6 * HOUR;
        assert_eq!(
            watch.state(deadline + 5 * MINUTE),
            (FlowState::Late, deadline)
        );
        if arrives > 30 * MINUTE {
            let now = deadline + 31 * MINUTE;
            assert_eq!(watch.state(now), (FlowState::Missing, deadline));
        }
        watch.file(2, deadline + arrives);
        let now = deadline + arrives + MINUTE;
        assert_eq!(watch.state(now), (FlowState::Waiting, deadline + DAY));
        let outcomes = [(FlowState::OnTime, 1), (FlowState::Late, 1)];
        assert_eq!(watch.outcomes(), outcomes);
        watch.file(3, deadline + 12 * HOUR);
        assert_eq!(
            watch.state(deadline + 13 * HOUR).0,
            FlowState::OnTime,
            "the next file belongs to the next window"
        );
    }
}

#[test]
fn a_delivery_that_never_comes_is_missing_when_its_window_closes() {
    let mut watch = Watch::new(&expecting(1, None));
    watch.file(1, day(0) + 5 * HOUR);
    let deadline = day(1) + 6 * HOUR;
    assert_eq!(
        watch.state(deadline + 12 * HOUR),
        (FlowState::Missing, deadline)
    );
    assert_eq!(watch.outcomes(), [(FlowState::OnTime, 1)]);
    let now = deadline + 12 * HOUR + MINUTE;
    assert_eq!(watch.state(now), (FlowState::Waiting, deadline + DAY));
    let outcomes = [(FlowState::OnTime, 1), (FlowState::Missing, 1)];
    assert_eq!(watch.outcomes(), outcomes);
    watch.file(2, deadline + DAY - MINUTE);
    assert_eq!(watch.state(deadline + DAY).0, FlowState::OnTime);
}

#[test]
fn too_few_too_small_or_failed_files_are_invalid() {
    let few: fn(&mut Watch, SystemTime) = |watch, at| {
        watch.file(2, at);
        watch.file(2, at + MINUTE);
    };
    let small: fn(&mut Watch, SystemTime) = |watch, at| {
        for (path, bytes) in [(2, 9), (3, 10)] {
            let file = FlowFile {
                size: Some((bytes, Direction::Retrieve)),
                ..completed(path, at)
            };
            watch.0.record(0, &file, at);
        }
    };
    let failed: fn(&mut Watch, SystemTime) = |watch, at| {
        let file = FlowFile {
            end: Finished::Failed(FailureCode::new("TIMEOUT_ERROR")),
            code: Some("TIMEOUT_ERROR"),
            ..completed(2, at)
        };
        watch.0.record(0, &file, at);
    };
    for (name, deliver) in [("few", few), ("small", small), ("failed", failed)] {
        let mut config = expecting(2, None);
        config.expect.as_mut().unwrap().min_bytes = 10;
        let mut watch = Watch::new(&config);
        let deadline = day(1) + 6 * HOUR;
        for path in [7, 8] {
            watch.file(path, day(0) + HOUR);
        }
        deliver(&mut watch, deadline - HOUR);
        assert_eq!(watch.state(deadline).0, FlowState::Waiting, "{name}");
        assert_eq!(watch.state(deadline + MINUTE).0, FlowState::Late, "{name}");
        let now = deadline + 31 * MINUTE;
        assert_eq!(watch.state(now), (FlowState::Invalid, deadline), "{name}");
    }
}

#[test]
fn ignored_codes_are_no_failure_of_the_flow() {
    let mut config = expecting(1, None);
    config.ignore_codes = ["RETRIEVE_FILE_NOT_FOUND".to_owned()].into();
    let mut watch = Watch::new(&config);
    watch.file(1, day(0) + HOUR);
    let at = day(1) + HOUR;
    let polled = FlowFile {
        end: Finished::Failed(FailureCode::new("RETRIEVE_FILE_NOT_FOUND")),
        code: Some("RETRIEVE_FILE_NOT_FOUND"),
        ..completed(2, at)
    };
    watch.0.record(0, &polled, at);
    assert_eq!(watch.state(day(1) + 7 * HOUR).0, FlowState::Missing);
    assert!(watch.0.ignores(0, Some("RETRIEVE_FILE_NOT_FOUND")));
    assert!(!watch.0.ignores(0, Some("TIMEOUT_ERROR")));
    let finished = watch.view().finished;
    assert_eq!(finished[&polled.end], 1, "it is counted");
}

#[test]
fn a_path_that_completes_again_is_a_duplicate_and_one_file() {
    let mut watch = Watch::new(&expecting(2, None));
    watch.file(1, day(0) + HOUR);
    watch.file(1, day(0) + 2 * HOUR);
    let view = watch.view();
    assert_eq!((view.duplicates, view.window.unwrap().files), (1, 1));
    watch.file(1, day(0) + 7 * HOUR);
    let view = watch.view();
    assert_eq!(view.duplicates, 2, "late, for the same window");
    assert_eq!(view.finished[&Finished::Completed], 3);
}

#[test]
fn a_window_that_was_not_watched_whole_is_unknown_unless_it_is_satisfied() {
    let mut flows = Flows::default();
    flows.configure(&[expecting(1, None)], day(0) + 7 * HOUR);
    let mut watch = Watch(flows);
    let deadline = day(1) + 6 * HOUR;
    watch.0.scraped(true, deadline + MINUTE);
    for after in [MINUTE, HOUR] {
        let state = watch.state(deadline + after);
        assert_eq!(state, (FlowState::Unknown, deadline));
    }
    assert_eq!(
        watch.state(deadline + DAY + HOUR),
        (FlowState::Missing, deadline + DAY)
    );
    assert_eq!(watch.outcomes(), [(FlowState::Unknown, 1)]);
}

#[test]
fn a_file_whose_end_is_not_known_for_hours_makes_a_window_unknown() {
    let mut watch = Watch::new(&expecting(1, None));
    watch.file(1, day(0) + HOUR);
    let deadline = day(1) + 6 * HOUR;
    let seen = FlowFile {
        earliest: deadline - HOUR,
        is_exact: false,
        ..completed(2, deadline + 2 * HOUR)
    };
    watch.0.record(0, &seen, seen.at);
    assert_eq!(
        watch.state(seen.at),
        (FlowState::Waiting, deadline + DAY),
        "it is there"
    );
    let outcomes = [(FlowState::OnTime, 1), (FlowState::Unknown, 1)];
    assert_eq!(watch.outcomes(), outcomes);
}

#[test]
fn a_late_event_that_proves_a_timely_end_corrects_the_outcome() {
    let mut watch = Watch::new(&expecting(1, None));
    watch.file(1, day(0) + HOUR);
    let deadline = day(1) + 6 * HOUR;
    let polled = FlowFile {
        is_exact: false,
        size: None,
        ..completed(2, deadline + MINUTE)
    };
    watch.0.record(0, &polled, polled.at);
    assert_eq!(watch.state(polled.at).0, FlowState::Waiting);
    let outcomes = [(FlowState::OnTime, 1), (FlowState::Late, 1)];
    assert_eq!(watch.outcomes(), outcomes);
    let event = completed(2, deadline - MINUTE);
    watch.0.refine(0, &event, deadline + HOUR);
    let outcomes = [(FlowState::OnTime, 2), (FlowState::Late, 1)];
    assert_eq!(watch.outcomes(), outcomes);
    assert_eq!(watch.corrected(), [(FlowState::Late, 1)]);
    let view = watch.view();
    assert_eq!(view.bytes[&Direction::Retrieve], 200);
    assert_eq!(view.duplicates, 0);
}

#[test]
fn an_event_after_closing_corrects_a_missing_delivery() {
    let mut watch = Watch::new(&expecting(1, None));
    watch.file(1, day(0) + HOUR);
    let deadline = day(1) + 6 * HOUR;
    watch.state(deadline + 13 * HOUR);
    watch
        .0
        .record(0, &completed(2, deadline - MINUTE), deadline + 14 * HOUR);
    assert_eq!(
        watch.outcomes(),
        [(FlowState::OnTime, 2), (FlowState::Missing, 1)]
    );
    assert_eq!(watch.corrected(), [(FlowState::Missing, 1)]);
}

#[test]
fn negative_decisions_wait_for_evidence() {
    let mut watch = Watch::new(&expecting(1, None));
    watch.file(1, day(0) + HOUR);
    let deadline = day(1) + 6 * HOUR;
    assert_eq!(watch.state(deadline).0, FlowState::Waiting);
    let now = deadline + 2 * HOUR;
    watch.0.scraped(false, now);
    let state = |watch: &mut Watch| watch.view().window.unwrap().state;
    assert_eq!(
        state(&mut watch),
        FlowState::Waiting,
        "polls are outstanding"
    );
    watch.0.scraped(false, now + 4 * MINUTE);
    assert_eq!(state(&mut watch), FlowState::Waiting);
    watch.0.scraped(false, now + 5 * MINUTE);
    assert_eq!(state(&mut watch), FlowState::Missing, "one account is down");
}

#[test]
fn a_restart_keeps_the_state_and_counts_each_window_once() {
    let config = expecting(1, None);
    let mut watch = Watch::new(&config);
    watch.file(1, day(0) + HOUR);
    let deadline = day(1) + 6 * HOUR;
    assert_eq!(watch.state(deadline + HOUR).0, FlowState::Missing);
    let later = deadline + 2 * HOUR;
    let mut watch = watch.restarted(&config, later);
    assert_eq!(
        watch.view().window.unwrap().state,
        FlowState::Missing,
        "before the first scrape"
    );
    watch.file(2, later + MINUTE);
    assert_eq!(watch.state(later + MINUTE).0, FlowState::Waiting);
    let mut watch = watch.restarted(&config, later + 2 * MINUTE);
    let outcomes = [(FlowState::OnTime, 1), (FlowState::Late, 1)];
    assert_eq!(watch.outcomes(), outcomes);
    watch.state(deadline + DAY + 13 * HOUR);
    assert_eq!(watch.outcomes().last(), Some(&(FlowState::Missing, 1)));
}

#[test]
fn a_reload_keeps_counters_and_fits_the_window_to_the_new_schedule() {
    let mut watch = Watch::new(&expecting(1, Some("00:00")));
    watch.file(1, day(0) + HOUR);
    watch.state(day(1) + HOUR);
    watch.file(2, day(1) + 2 * HOUR);
    // The zone changes in the middle of the window: 00:00 and 06:00 are an hour earlier.
    let mut moved = expecting(1, Some("00:00"));
    moved.expect.as_mut().unwrap().schedule.zone = TimeZone::fixed(jiff::tz::offset(1));
    watch.0.configure(&[moved.clone()], day(1) + 3 * HOUR);
    assert_eq!(
        watch.state(day(1) + 3 * HOUR),
        (FlowState::OnTime, day(1) + 5 * HOUR)
    );
    // Other files are another matter.
    let mut other = moved;
    Arc::make_mut(&mut other.title).paths = vec!["/other/*".to_owned()];
    watch.0.configure(&[other], day(1) + 4 * HOUR);
    assert_eq!(
        watch.state(day(1) + 6 * HOUR),
        (FlowState::Unknown, day(1) + 5 * HOUR)
    );
    assert_eq!(watch.view().finished[&Finished::Completed], 2);
    watch.0.configure(&[], day(1) + 6 * HOUR);
    assert!(watch.0.is_empty());
    watch.0.configure(&[expecting(1, None)], day(2));
    assert_eq!(
        watch.view().finished[&Finished::Completed],
        2,
        "it came back"
    );
}

#[test]
fn a_pause_of_days_closes_each_window() {
    let mut watch = Watch::new(&expecting(1, None));
    watch.file(1, day(0) + HOUR);
    watch.0.scraped(true, day(40));
    let total: u64 = watch.outcomes().iter().map(|(_, count)| count).sum();
    assert_eq!(total, 40);
    watch.0.scraped(true, day(400));
    let total: u64 = watch.outcomes().iter().map(|(_, count)| count).sum();
    assert_eq!(total, 400);
}

#[test]
fn only_chunks_with_a_changed_flow_are_built_again() {
    let configs: Vec<_> = (0..2_000)
        .map(|n| config(&format!("flow-{n}"), &["c-1"], &[]))
        .collect();
    let mut flows = Flows::default();
    flows.configure(&configs, day(0));
    assert_eq!(flows.take_changed().len(), 2_000);
    let before = flows.views();
    flows.scraped(true, day(1));
    flows.record(600, &completed(1, day(1)), day(1));
    let after = flows.views();
    let changed = before.iter().zip(&after);
    let changed: Vec<_> = changed.map(|(a, b)| !Arc::ptr_eq(a, b)).collect();
    assert_eq!(changed, [false, true, false, false]);
    assert_eq!(flows.take_changed(), BTreeSet::from(["flow-600".into()]));
}

#[test]
fn the_newest_listing_of_a_folder_counts() {
    let mut flows = Flows::default();
    flows.configure(&[config("in", &["acme"], &["/in/*.csv"])], day(0));
    let acme = ConnectorRef {
        id: "c-1",
        name: Some("acme"),
    };
    flows.record_listing(acme, "/in", 7, false, day(1));
    flows.record_listing(acme, "/out", 1, false, day(1));
    flows.record_listing(acme, "/in/", 3, true, day(0));
    assert_eq!(flows.views()[0][0].listing, Some((7, false)));
}

#[test]
fn a_reload_does_not_open_a_window_again_that_has_closed() {
    let mut watch = Watch::new(&expecting(1, None));
    let deadline = day(0) + 6 * HOUR;
    watch.file(1, day(0) + 5 * HOUR);
    watch.state(deadline + MINUTE);
    let mut config = expecting(1, None);
    config.expect.as_mut().unwrap().schedule.grace = 40 * MINUTE;
    watch
        .0
        .configure(std::slice::from_ref(&config), deadline + 2 * MINUTE);
    assert_eq!(
        watch.state(deadline + 2 * MINUTE),
        (FlowState::Waiting, deadline + DAY)
    );
    assert_eq!(watch.outcomes(), [(FlowState::OnTime, 1)]);
    // One that is late is still awaited.
    let late = deadline + DAY + MINUTE;
    assert_eq!(watch.state(late).0, FlowState::Late);
    watch.0.configure(&[expecting(1, None)], late);
    assert_eq!(watch.state(late), (FlowState::Late, deadline + DAY));
}
