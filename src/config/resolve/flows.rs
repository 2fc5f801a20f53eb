//! `flows`.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use super::{REQUIRED, Resolver, check};
use crate::config::file::{ExpectEntry, FlowEntry, ListOf, OneOrMore};
use crate::config::yaml::Field;
use crate::flows::matcher::parse_glob;
use crate::flows::schedule::{DayOfWeek, Schedule};
use crate::flows::{Expect, FlowConfig};
use model::{Direction, FlowTitle};

/// Maximum number of flows.
const MAX_FLOWS: usize = 10_000;

const DAY: Duration = Duration::from_hours(24);
const TIME_HINT: &str = "a time is `HH:MM` in the local time of `time_zone`, in quotes";
const DAYS_HINT: &str =
    "use `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun` or a range as `mon-fri`";
const ZONE_HINT: &str = "use a name of the IANA time zone database, for example `Europe/Berlin`";

impl Resolver {
    pub(super) fn flows(&mut self, field: &Field<ListOf<FlowEntry>>) -> Vec<FlowConfig> {
        let mut first: HashMap<String, usize> = HashMap::new();
        let mut flows = Vec::new();
        for (index, entry) in field.items() {
            if index >= MAX_FLOWS {
                self.report(entry.line, "flows", "too many flows")
                    .with_hint(format!("allowed: {MAX_FLOWS}"));
                break;
            }
            let path = format!("flows[{index}]");
            let Some((name, line)) = self.flow_name(&entry.value.name, entry.line, &path) else {
                continue;
            };
            if let Some(earlier) = first.get(&name) {
                let message = format!("duplicate flow, first listed in line {earlier}");
                self.report(line, format!("{path}.name"), message)
                    .with_hint("give each flow its own name");
                continue;
            }
            first.insert(name.clone(), line);
            flows.extend(self.flow(name, &entry.value, entry.line, &path));
        }
        flows
    }

    fn flow_name(
        &mut self,
        field: &Field<String>,
        entry_line: usize,
        path: &str,
    ) -> Option<(String, usize)> {
        let key = format!("{path}.name");
        if field.is_absent() {
            self.report(entry_line, &key, REQUIRED)
                .with_hint("the name is the label `flow`");
        }
        let line = field.value()?.line;
        let is_valid = |text: &str| check::is_printable(text, 128);
        let hint = "use 1 to 128 printable characters";
        let name = self.checked(field, || key, is_valid, "invalid flow name", hint)?;
        Some((name, line))
    }

    fn flow(
        &mut self,
        name: String,
        entry: &FlowEntry,
        line: usize,
        path: &str,
    ) -> Option<FlowConfig> {
        let connectors = self.flow_globs(&entry.connectors, &format!("{path}.connectors"));
        if connectors.is_empty() && !matches!(entry.connectors, Field::Invalid) {
            self.report(line, format!("{path}.connectors"), REQUIRED)
                .with_hint("list the connectors by ID, by name, or by a glob on names");
        }
        let operation = self.checked(
            &entry.operation,
            || format!("{path}.operation"),
            |text| direction(text).is_some(),
            "unknown operation",
            "use `SEND` or `RETRIEVE`, or leave it out for both",
        );
        let paths = self.flow_globs(&entry.paths, &format!("{path}.paths"));
        let codes = entry.ignore_codes.items();
        let ignore_codes = codes.map(|(_, code)| code.value.clone()).collect();
        let expect = match entry.expect.value() {
            None => None,
            Some(expect) => {
                let path = format!("{path}.expect");
                Some(self.expect(&expect.value, expect.line, &path)?)
            }
        };
        let text = expect.as_ref().map(|(_, text)| text.clone());
        let expect = expect.map(|(expect, _)| expect);
        let title = FlowTitle {
            name: name.into(),
            connectors,
            operation: operation.as_deref().and_then(direction),
            paths,
            expect: text.unwrap_or_default(),
            required_files: expect.as_ref().map_or(1, |expect| expect.files),
        };
        Some(FlowConfig {
            title: Arc::new(title),
            ignore_codes,
            expect,
        })
    }

    fn flow_globs(&mut self, field: &Field<ListOf<String>>, key: &str) -> Vec<String> {
        let mut globs = Vec::new();
        for (index, glob) in field.items() {
            let key = || format!("{key}[{index}]");
            if glob.value.is_empty() || glob.value.len() > 1_024 {
                self.report(glob.line, key(), "invalid glob")
                    .with_hint("use 1 to 1024 bytes");
            } else if let Err(error) = parse_glob(&glob.value) {
                self.report(glob.line, key(), format!("invalid glob: {error}"))
                    .with_hint("`*` matches within a directory, `**` across directories");
            } else {
                globs.push(glob.value.clone());
            }
        }
        globs
    }

    /// Returns what is expected, and the same as text. Problems have been reported if it is `None`.
    fn expect(&mut self, entry: &ExpectEntry, line: usize, path: &str) -> Option<(Expect, String)> {
        let by = self.deadlines(&entry.by, line, &format!("{path}.by"));
        let zone = self.time_zone(&entry.time_zone, line, &format!("{path}.time_zone"));
        let days = self.days(&entry.days, &format!("{path}.days"));
        let except = self.dates(&entry.except, &format!("{path}.except"));
        let from = match entry.from.value() {
            None => None,
            Some(text) => {
                let time = parse_time(&text.value);
                if time.is_none() {
                    let message = text.describe("invalid time");
                    self.report(text.line, format!("{path}.from"), message)
                        .with_hint(TIME_HINT);
                }
                time
            }
        };
        let grace = self.duration(
            &entry.grace,
            &format!("{path}.grace"),
            Duration::ZERO..=7 * DAY,
            Duration::ZERO,
        );
        let files = self.count(&entry.files, &format!("{path}.files"), 1..=1_000_000, 1);
        let bytes = self.count(
            &entry.min_bytes,
            &format!("{path}.min_bytes"),
            0..=usize::MAX >> 1,
            0,
        );
        let (by, (zone, zone_name), days, except) = (by?, zone?, days?, except?);
        let times: Vec<_> = by
            .iter()
            .map(|time| time.strftime("%H:%M").to_string())
            .collect();
        let mut text = format!("by {} {zone_name}", times.join(", "));
        if days.len() < DayOfWeek::ALL.len() {
            let names: Vec<_> = days.iter().map(|day| day.as_str()).collect();
            let _ = write!(text, " {}", names.join(","));
        }
        if files > 1 {
            let _ = write!(text, ", {files} files");
        }
        let schedule = Schedule {
            by,
            zone,
            days,
            except,
            from,
            grace,
        };
        let expect = Expect {
            schedule,
            files: files as u64,
            min_bytes: bytes as u64,
        };
        Some((expect, text))
    }

    fn deadlines(&mut self, field: &Field<OneOrMore>, line: usize, key: &str) -> Option<Vec<Time>> {
        if field.is_absent() {
            self.report(line, key, REQUIRED).with_hint(TIME_HINT);
        }
        let written = field.value()?;
        let mut times = BTreeSet::new();
        let mut is_valid = true;
        for text in &written.value.0 {
            let Some(text) = text.value() else {
                is_valid = false;
                continue;
            };
            if let Some(time) = parse_time(&text.value) {
                times.insert(time);
            } else {
                is_valid = false;
                self.report(text.line, key, text.describe("invalid time"))
                    .with_hint(TIME_HINT);
            }
        }
        if times.is_empty() && is_valid {
            self.report(written.line, key, "the list is empty")
                .with_hint(TIME_HINT);
        }
        (is_valid && !times.is_empty()).then(|| times.into_iter().collect())
    }

    fn time_zone(
        &mut self,
        field: &Field<String>,
        line: usize,
        key: &str,
    ) -> Option<(TimeZone, String)> {
        if field.is_absent() {
            self.report(line, key, REQUIRED).with_hint(ZONE_HINT);
        }
        let text = field.value()?;
        let Ok(zone) = TimeZone::get(&text.value) else {
            self.report(text.line, key, text.describe("unknown time zone"))
                .with_hint(ZONE_HINT);
            return None;
        };
        let name = zone.iana_name().unwrap_or(&text.value).to_owned();
        Some((zone, name))
    }

    fn days(&mut self, field: &Field<OneOrMore>, key: &str) -> Option<BTreeSet<DayOfWeek>> {
        let Some(written) = field.value() else {
            return field.is_absent().then(|| DayOfWeek::ALL.into());
        };
        let mut days = BTreeSet::new();
        for text in &written.value.0 {
            let text = text.value()?;
            let Some(range) = parse_days(&text.value) else {
                self.report(text.line, key, text.describe("unknown weekday"))
                    .with_hint(DAYS_HINT);
                return None;
            };
            days.extend(range);
        }
        if days.is_empty() {
            self.report(written.line, key, "the list is empty")
                .with_hint(DAYS_HINT);
            return None;
        }
        Some(days)
    }

    fn dates(&mut self, field: &Field<ListOf<String>>, key: &str) -> Option<BTreeSet<Date>> {
        let mut dates = BTreeSet::new();
        let mut is_valid = !matches!(field, Field::Invalid);
        for (index, text) in field.items() {
            if let Ok(date) = text.value.parse::<Date>() {
                dates.insert(date);
            } else {
                is_valid = false;
                let message = text.describe("date does not exist");
                self.report(text.line, format!("{key}[{index}]"), message)
                    .with_hint("a date is `YYYY-MM-DD`");
            }
        }
        is_valid.then_some(dates)
    }
}

fn direction(text: &str) -> Option<Direction> {
    Direction::ALL.into_iter().find(|it| it.as_str() == text)
}

/// Parses `HH:MM`.
fn parse_time(text: &str) -> Option<Time> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str| {
        let is_number = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| text.parse::<i8>().ok()).flatten()
    };
    Time::new(number(hours)?, number(minutes)?, 0, 0).ok()
}

/// Parses a weekday, or a range of weekdays that may go over the end of the week.
fn parse_days(text: &str) -> Option<Vec<DayOfWeek>> {
    let Some((first, last)) = text.split_once('-') else {
        return Some(vec![DayOfWeek::parse(text)?]);
    };
    let (first, last) = (DayOfWeek::parse(first)?, DayOfWeek::parse(last)?);
    let week = DayOfWeek::ALL.into_iter().cycle();
    let mut days = Vec::new();
    for day in week.skip_while(|day| *day != first) {
        days.push(day);
        if day == last {
            break;
        }
    }
    Some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weekdays_are_names_and_ranges() {
        let days = |text| {
            let days = parse_days(text)?;
            Some(days.iter().map(|day| day.as_str()).collect::<Vec<_>>())
        };
        assert_eq!(days("wed"), Some(vec!["wed"]));
        assert_eq!(days("mon-wed"), Some(vec!["mon", "tue", "wed"]));
        assert_eq!(days("sat-mon"), Some(vec!["sat", "sun", "mon"]));
        assert_eq!(days("fri-fri"), Some(vec!["fri"]));
        for text in ["", "Mon", "mon-", "monday", "mon-fri-sun", "-"] {
            assert_eq!(days(text), None, "{text}");
        }
    }

    #[test]
    fn times_have_two_digits_each() {
        assert_eq!(parse_time("06:05"), Time::new(6, 5, 0, 0).ok());
        for text in [
            "6:00", "24:00", "06:60", "06", "06:00:00", "+6:00", " 6:00", "",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }
}
