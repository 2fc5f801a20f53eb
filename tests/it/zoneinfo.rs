//! Deadlines, compared with Python's `zoneinfo`, which reads the same database by itself.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_transfer_exporter::flows::schedule::{DayOfWeek, Schedule};
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use simulator::SplitMix64;

use crate::program::peer;

/// Zones with all kinds of rules: half an hour of daylight saving, switches at midnight, a standard
/// time in summer, days that were skipped, large offsets.
const ZONES: [&str; 16] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Asia/Beirut",
    "Europe/Dublin",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Pacific/Chatham",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Asia/Kathmandu",
    "Antarctica/Troll",
    "America/St_Johns",
    "Asia/Gaza",
    "UTC",
];

/// Deadlines that follow a moment, by walking over local dates with `fold=0`.
const PYTHON: &str = r#"
import json, sys
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo
for line in sys.stdin:
    case = json.loads(line)
    zone = ZoneInfo(case["zone"])
    day = datetime.fromtimestamp(case["now"], zone).date() - timedelta(days=2)
    found = set()
    for _ in range(200):
        if day.weekday() in case["days"] and day.isoformat() not in case["except"]:
            for hour, minute in case["by"]:
                at = datetime.combine(day, time(hour, minute), tzinfo=zone)
                found.add(int(at.timestamp()))
        day += timedelta(days=1)
    print(json.dumps(sorted(at for at in found if at >= case["now"])[:20]))
"#;

struct Case {
    zone: &'static str,
    now: u64,
    by: BTreeSet<(i8, i8)>,
    days: BTreeSet<usize>,
    except: BTreeSet<Date>,
}

impl Case {
    fn draw(random: &mut SplitMix64) -> Self {
        // 2000 to 2025, in which the rules are settled.
        let now = 946_684_800 + random.below(25 * 365 * 24 * 3_600) as u64;
        let mut below = |n: usize| random.below(n);
        let number = 1 + below(3);
        let by = (0..number)
            .map(|_| {
                // Most switches are in the night.
                let hour = if below(2) == 0 { below(4) } else { below(24) };
                (
                    i8::try_from(hour).unwrap(),
                    i8::try_from(below(60)).unwrap(),
                )
            })
            .collect();
        let always = below(7);
        let days = (0..7)
            .filter(|day| *day == always || below(4) > 0)
            .collect();
        let today = jiff::Timestamp::from_second(now.cast_signed()).unwrap();
        let today = today.to_zoned(TimeZone::UTC).date();
        let number = below(3);
        let except = (0..number)
            .map(|_| today + jiff::Span::new().days(i64::try_from(below(20)).unwrap()))
            .collect();
        Self {
            zone: ZONES[below(ZONES.len())],
            now,
            by,
            days,
            except,
        }
    }

    fn json(&self) -> Value {
        let except: Vec<_> = self.except.iter().map(ToString::to_string).collect();
        json!({"zone": self.zone, "now": self.now, "by": self.by, "days": self.days, "except": except})
    }

    fn deadlines(&self) -> Vec<u64> {
        let mut by: Vec<_> = self
            .by
            .iter()
            .map(|(hour, minute)| Time::constant(*hour, *minute, 0, 0))
            .collect();
        by.sort_unstable();
        let schedule = Schedule {
            by,
            zone: TimeZone::get(self.zone).unwrap(),
            days: self.days.iter().map(|day| DayOfWeek::ALL[*day]).collect(),
            except: self.except.clone(),
            from: None,
            grace: Duration::ZERO,
        };
        let seconds = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap().as_secs();
        let first = schedule.period_at(UNIX_EPOCH + Duration::from_secs(self.now));
        let mut before = None;
        std::iter::successors(first, |period| schedule.period_after(period))
            .take(20)
            .map(|period| {
                assert!(
                    before.is_none_or(|before| before == period.opens),
                    "no gap, no overlap"
                );
                before = Some(period.deadline);
                seconds(period.deadline)
            })
            .collect()
    }
}

#[test]
#[ignore = "needs Python; tests/run provides it"]
fn deadlines_equal_those_of_pythons_zoneinfo() {
    let mut random = SplitMix64::new(1);
    let cases: Vec<_> = (0..3_000).map(|_| Case::draw(&mut random)).collect();
    let python = peer("TEST_PYTHON", "python3");
    let mut child = Command::new(python)
        .args(["-c", PYTHON])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines: Vec<_> = cases.iter().map(|case| case.json().to_string()).collect();
    let input = lines.join("\n") + "\n";
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let lines: Vec<_> = std::str::from_utf8(&output.stdout)
        .unwrap()
        .lines()
        .collect();
    assert_eq!(lines.len(), cases.len());
    for (case, line) in cases.iter().zip(lines) {
        let expected: Vec<u64> = serde_json::from_str(line).unwrap();
        assert_eq!(expected.len(), 20, "{}", case.json());
        assert_eq!(case.deadlines(), expected, "{}", case.json());
    }
}
