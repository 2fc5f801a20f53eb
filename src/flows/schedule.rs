//! Deadlines: `(schedule, now) -> window`, in local time of an IANA zone.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// How many days are searched for a deadline. A schedule whose days are all excepted for longer has
/// none.
const SEARCHED_DAYS: i32 = 800;

/// When deliveries are due.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// The local times of the deadlines, ascending and without duplicates.
    pub by: Vec<Time>,
    /// The zone of all local times.
    pub zone: TimeZone,
    /// The weekdays with deadlines.
    pub days: BTreeSet<DayOfWeek>,
    /// Dates without deadlines.
    pub except: BTreeSet<Date>,
    /// When a window opens, on the day of its deadline or on the day before; `None` for the previous
    /// deadline.
    pub from: Option<Time>,
    /// How long after the deadline a missing delivery is late only.
    pub grace: Duration,
}

/// A weekday, Monday first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DayOfWeek(u8);

impl DayOfWeek {
    /// All days, Monday first.
    pub const ALL: [Self; 7] = [
        Self(0),
        Self(1),
        Self(2),
        Self(3),
        Self(4),
        Self(5),
        Self(6),
    ];
    const NAMES: [&'static str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

    /// Parses `mon` to `sun`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|day| day.as_str() == text)
    }

    /// Returns `mon` to `sun`.
    pub fn as_str(self) -> &'static str {
        Self::NAMES[usize::from(self.0)]
    }

    fn of(day: Weekday) -> Self {
        Self(day.to_monday_zero_offset().unsigned_abs())
    }
}

/// The period of one deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Files that end after the previous deadline and not before this moment belong to it.
    pub opens: SystemTime,
    /// When its files must have ended.
    pub deadline: SystemTime,
    /// Until when a missing delivery is late only.
    pub grace_ends: SystemTime,
    /// Until when a late file belongs to it.
    pub closes: SystemTime,
}

impl Schedule {
    /// Returns the period whose deadline is the first at or after `now`, `None` if there is none within
    /// two years.
    pub fn period_at(&self, now: SystemTime) -> Option<Period> {
        self.period_of(self.deadline_from(now)?)
    }

    /// Returns the period after one.
    pub fn period_after(&self, period: &Period) -> Option<Period> {
        self.period_of(self.deadline_after(period.deadline)?)
    }

    /// Returns the period whose files are awaited at `now`: one with a deadline that has passed, until
    /// it closes, else the next one.
    pub fn period_awaited(&self, now: SystemTime) -> Option<Period> {
        let next = self.period_at(now)?;
        let last = self
            .deadline_before(next.deadline)
            .and_then(|deadline| self.period_of(deadline));
        Some(last.filter(|last| now <= last.closes).unwrap_or(next))
    }

    fn period_of(&self, deadline: SystemTime) -> Option<Period> {
        let opens = self.opens(deadline)?;
        let grace_ends = deadline + self.grace;
        let closes = match self.deadline_after(deadline) {
            None => grace_ends.max(deadline + Duration::from_hours(24)),
            Some(next) => {
                let next_opens = self.opens(next)?;
                let cut = if next_opens > deadline {
                    next_opens
                } else {
                    let between = next.duration_since(deadline).unwrap_or_default();
                    deadline + between / 2
                };
                cut.max(grace_ends).min(next)
            }
        };
        Some(Period {
            opens,
            deadline,
            grace_ends,
            closes,
        })
    }

    fn opens(&self, deadline: SystemTime) -> Option<SystemTime> {
        let previous = self.deadline_before(deadline);
        let Some(from) = self.from else {
            return Some(previous.unwrap_or(deadline - Duration::from_hours(24)));
        };
        let date = self.local_date(deadline)?;
        let on = |date: Date| self.instant(date, from).filter(|at| *at < deadline);
        let opens = on(date).or_else(|| on(date.yesterday().ok()?))?;
        Some(previous.map_or(opens, |previous| opens.max(previous)))
    }

    /// Returns the first deadline at or after a moment.
    fn deadline_from(&self, now: SystemTime) -> Option<SystemTime> {
        let date = self.local_date(now)?.yesterday().ok()?;
        let mut deadlines = (0..SEARCHED_DAYS).filter_map(|days| self.on(date, days));
        deadlines.find_map(|all| all.into_iter().find(|at| *at >= now))
    }

    fn deadline_after(&self, at: SystemTime) -> Option<SystemTime> {
        self.deadline_from(at + Duration::from_millis(1))
    }

    fn deadline_before(&self, before: SystemTime) -> Option<SystemTime> {
        let date = self.local_date(before)?.tomorrow().ok()?;
        let mut deadlines = (0..SEARCHED_DAYS).filter_map(|days| self.on(date, -days));
        deadlines.find_map(|all| all.into_iter().rev().find(|at| *at < before))
    }

    /// Returns the deadlines of a date, ascending, if it has any.
    fn on(&self, date: Date, days: i32) -> Option<Vec<SystemTime>> {
        let date = date.checked_add(days.days()).ok()?;
        if !self.days.contains(&DayOfWeek::of(date.weekday())) || self.except.contains(&date) {
            return None;
        }
        let instants = self.by.iter().filter_map(|time| self.instant(date, *time));
        let mut instants: Vec<_> = instants.collect();
        // Times in a skipped hour move behind later ones.
        instants.sort_unstable();
        instants.dedup();
        Some(instants)
    }

    /// Returns the moment of a local time. One in a skipped hour is moved by the length of the gap, one
    /// in a repeated hour is the first of the two.
    fn instant(&self, date: Date, time: Time) -> Option<SystemTime> {
        let zoned = self
            .zone
            .to_ambiguous_zoned(date.to_datetime(time))
            .compatible();
        Some(zoned.ok()?.timestamp().into())
    }

    fn local_date(&self, at: SystemTime) -> Option<Date> {
        let at = Timestamp::try_from(at).ok()?;
        Some(self.zone.to_datetime(at).date())
    }
}

#[cfg(test)]
mod tests;
