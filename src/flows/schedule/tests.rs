use super::*;

fn schedule(zone: &str, by: &[&str]) -> Schedule {
    Schedule {
        by: by.iter().map(|time| time.parse().unwrap()).collect(),
        zone: TimeZone::get(zone).unwrap(),
        days: DayOfWeek::ALL.into(),
        except: BTreeSet::new(),
        from: None,
        grace: Duration::from_mins(30),
    }
}

fn at(text: &str) -> SystemTime {
    text.parse::<Timestamp>().unwrap().into()
}

fn text(at: SystemTime) -> String {
    Timestamp::try_from(at).unwrap().to_string()
}

/// Opening, deadline and closing of the period of `now`.
fn period(schedule: &Schedule, now: &str) -> [String; 3] {
    let period = schedule.period_at(at(now)).unwrap();
    [period.opens, period.deadline, period.closes].map(text)
}

#[test]
fn a_window_lasts_from_the_previous_deadline_to_its_own() {
    let daily = schedule("Europe/Berlin", &["06:00"]);
    let expected = [
        "2026-11-29T05:00:00Z",
        "2026-11-30T05:00:00Z",
        "2026-11-30T17:00:00Z",
    ];
    assert_eq!(period(&daily, "2026-11-29T12:00:00Z"), expected);
    assert_eq!(
        period(&daily, "2026-11-30T05:00:00Z"),
        expected,
        "inclusive"
    );
    let next = period(&daily, "2026-11-30T05:00:00.001Z");
    assert_eq!(next[..2], ["2026-11-30T05:00:00Z", "2026-12-01T05:00:00Z"]);
}

#[test]
fn days_and_excepted_dates_have_no_deadline() {
    let working = Schedule {
        days: DayOfWeek::ALL[..5].iter().copied().collect(),
        except: [Date::constant(2026, 12, 25)].into(),
        ..schedule("UTC", &["06:00"])
    };
    // 2026-12-24 is a Thursday.
    let expected = [
        "2026-12-24T06:00:00Z",
        "2026-12-28T06:00:00Z",
        "2026-12-28T18:00:00Z",
    ];
    assert_eq!(period(&working, "2026-12-24T07:00:00Z"), expected);
    let friday = period(&working, "2026-12-18T05:00:00Z");
    assert_eq!(friday[2], "2026-12-19T18:00:00Z", "half-way to Monday");
    let never = Schedule {
        days: BTreeSet::new(),
        ..working
    };
    assert_eq!(never.period_at(at("2026-12-24T07:00:00Z")), None);
}

#[test]
fn a_window_opens_at_its_own_time_also_across_midnight() {
    let day = Schedule {
        from: Some("00:30".parse().unwrap()),
        ..schedule("UTC", &["06:00", "18:00"])
    };
    assert_eq!(
        period(&day, "2026-11-29T01:00:00Z"),
        [
            "2026-11-29T00:30:00Z",
            "2026-11-29T06:00:00Z",
            "2026-11-29T12:00:00Z"
        ]
    );
    assert_eq!(
        period(&day, "2026-11-29T07:00:00Z"),
        [
            "2026-11-29T06:00:00Z",
            "2026-11-29T18:00:00Z",
            "2026-11-30T00:30:00Z"
        ]
    );
    let night = Schedule {
        from: Some("22:00".parse().unwrap()),
        ..schedule("UTC", &["06:00"])
    };
    assert_eq!(
        period(&night, "2026-11-29T07:00:00Z"),
        [
            "2026-11-29T22:00:00Z",
            "2026-11-30T06:00:00Z",
            "2026-11-30T22:00:00Z"
        ]
    );
}

#[test]
fn a_deadline_in_a_skipped_hour_moves_and_one_in_a_repeated_hour_is_the_first() {
    let berlin = schedule("Europe/Berlin", &["02:30"]);
    let deadline = |now| period(&berlin, now)[1].clone();
    assert_eq!(
        deadline("2026-03-28T12:00:00Z"),
        "2026-03-29T01:30:00Z",
        "03:30"
    );
    assert_eq!(deadline("2026-03-29T02:00:00Z"), "2026-03-30T00:30:00Z");
    assert_eq!(deadline("2026-10-24T12:00:00Z"), "2026-10-25T00:30:00Z");
    assert_eq!(deadline("2026-10-25T00:30:01Z"), "2026-10-26T01:30:00Z");
    let both = schedule("Europe/Berlin", &["02:30", "03:15", "03:30"]);
    let mut found = Vec::new();
    let mut next = both.period_at(at("2026-03-29T00:00:00Z")).unwrap();
    for _ in 0..3 {
        found.push(text(next.deadline));
        next = both.period_after(&next).unwrap();
    }
    // Two deadlines of the skipped hour and after it are one moment.
    assert_eq!(
        found,
        [
            "2026-03-29T01:15:00Z",
            "2026-03-29T01:30:00Z",
            "2026-03-30T00:30:00Z"
        ]
    );
}

#[test]
fn leap_days_and_date_lines_are_days() {
    let leap = schedule("Pacific/Kiritimati", &["12:00"]);
    assert_eq!(
        period(&leap, "2028-02-28T00:00:00Z")[1],
        "2028-02-28T22:00:00Z",
        "the 29th in local time"
    );
    // Samoa had no 2011-12-30.
    let apia = schedule("Pacific/Apia", &["12:00"]);
    let first = apia.period_at(at("2011-12-29T00:00:00Z")).unwrap();
    let second = apia.period_after(&first).unwrap();
    assert_eq!(text(first.deadline), "2011-12-29T22:00:00Z");
    assert_eq!(text(second.deadline), "2011-12-30T22:00:00Z");
}

#[test]
fn a_window_closes_after_its_grace_and_before_the_next_deadline() {
    let hourly = Schedule {
        grace: Duration::from_mins(50),
        ..schedule("UTC", &["06:00", "07:00", "07:20"])
    };
    let closes = |now| period(&hourly, now)[2].clone();
    assert_eq!(closes("2026-11-29T06:00:00Z"), "2026-11-29T06:50:00Z");
    assert_eq!(closes("2026-11-29T07:00:00Z"), "2026-11-29T07:20:00Z");
}

#[test]
fn a_missed_deadline_is_awaited_until_its_window_closes() {
    let daily = schedule("UTC", &["06:00"]);
    let awaited = |now: &str| text(daily.period_awaited(at(now)).unwrap().deadline);
    assert_eq!(awaited("2026-11-29T18:00:00Z"), "2026-11-29T06:00:00Z");
    assert_eq!(awaited("2026-11-29T18:00:01Z"), "2026-11-30T06:00:00Z");
    assert_eq!(awaited("2026-11-30T05:59:00Z"), "2026-11-30T06:00:00Z");
}
