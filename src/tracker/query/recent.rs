//! Files that ended within the last hour, by minute. Not persisted, so the hour is empty after a
//! start.

use std::time::{SystemTime, UNIX_EPOCH};

use model::Finished;

/// Number of minutes.
pub const RECENT_MINUTES: usize = 60;

/// Files that ended within the last hour, by minute, oldest first. The last element is the current
/// minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentFiles {
    /// Files that ended as COMPLETED.
    pub completed: [u32; RECENT_MINUTES],
    /// Files that ended as FAILED.
    pub failed: [u32; RECENT_MINUTES],
}

impl Default for RecentFiles {
    fn default() -> Self {
        Self {
            completed: [0; RECENT_MINUTES],
            failed: [0; RECENT_MINUTES],
        }
    }
}

impl RecentFiles {
    /// Returns the number of files that completed within the hour.
    pub fn total_completed(&self) -> u32 {
        self.completed.iter().sum()
    }

    /// Returns the number of files that failed within the hour.
    pub fn total_failed(&self) -> u32 {
        self.failed.iter().sum()
    }

    /// Adds the files of another connector.
    pub fn add(&mut self, more: &Self) {
        for minute in 0..RECENT_MINUTES {
            self.completed[minute] += more.completed[minute];
            self.failed[minute] += more.failed[minute];
        }
    }
}

/// Counts the files of one connector within the last hour.
#[derive(Debug, Default)]
pub(in crate::tracker) struct RecentCounts {
    /// The last minute, in minutes since the epoch.
    minute: u64,
    files: RecentFiles,
}

impl RecentCounts {
    /// Counts a file that ended at `at`. Files that ended more than an hour ago are ignored; an end
    /// in the future (clocks differ) is counted in the current minute.
    pub(in crate::tracker) fn count(&mut self, end: &Finished, at: SystemTime, now: SystemTime) {
        self.advance(now);
        let ago = self.minute.saturating_sub(minute(at));
        let Some(at) = usize::try_from(ago)
            .ok()
            .and_then(|ago| (RECENT_MINUTES - 1).checked_sub(ago))
        else {
            return;
        };
        match end {
            Finished::Completed => self.files.completed[at] += 1,
            Finished::Failed(_) => self.files.failed[at] += 1,
        }
    }

    /// Returns the counts of the hour up to `now`.
    pub(in crate::tracker) fn view(&self, now: SystemTime) -> RecentFiles {
        let mut current = Self {
            minute: self.minute,
            files: self.files,
        };
        current.advance(now);
        current.files
    }

    fn advance(&mut self, now: SystemTime) {
        let now = minute(now);
        let passed = usize::try_from(now.saturating_sub(self.minute))
            .unwrap_or(RECENT_MINUTES)
            .min(RECENT_MINUTES);
        for files in [&mut self.files.completed, &mut self.files.failed] {
            files.copy_within(passed.., 0);
            files[RECENT_MINUTES - passed..].fill(0);
        }
        // After the clock has been set back, counting continues at the new time without moving the
        // counts. A difference of one minute is not a changed clock: a caller may have waited for
        // the tracker's lock after reading the time.
        if now > self.minute || now + 1 < self.minute {
            self.minute = now;
        }
    }
}

fn minute(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs() / 60)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn files_are_counted_in_the_minute_in_which_they_ended() {
        let start = UNIX_EPOCH + Duration::from_hours(500_000);
        let at = |minutes: u64| start + Duration::from_mins(minutes);
        let mut recent = RecentCounts::default();
        recent.count(&Finished::Completed, at(0), at(0));
        recent.count(&Finished::Completed, at(0) + Duration::from_secs(59), at(1));
        recent.count(&Finished::Failed(None), at(5), at(2));
        let view = recent.view(at(2));
        assert_eq!(
            (view.completed[57], view.failed[59]),
            (2, 1),
            "an end in the future counts in the current minute"
        );
        assert_eq!((view.total_completed(), view.total_failed()), (2, 1));
        let later = recent.view(at(59));
        assert_eq!((later.completed[0], later.failed[2]), (2, 1));
        assert_eq!(recent.view(at(61)).total_completed(), 0);
        assert_eq!(recent.view(at(62)), RecentFiles::default());
        recent.count(&Finished::Completed, at(0), at(60));
        assert_eq!(
            recent.view(at(60)).total_completed(),
            0,
            "more than an hour ago"
        );
        recent.count(&Finished::Completed, at(2), at(60));
        assert_eq!(recent.view(at(60)).completed[1], 1);
        assert_eq!(recent.view(at(100_000)), RecentFiles::default());
    }

    #[test]
    fn counting_continues_after_the_clock_is_set_back() {
        let start = UNIX_EPOCH + Duration::from_hours(500_000);
        let at = |minutes: u64| start + Duration::from_mins(minutes);
        let mut recent = RecentCounts::default();
        recent.count(&Finished::Completed, at(100_000), at(100_000));
        recent.count(&Finished::Completed, at(10), at(10));
        assert_eq!(
            recent.view(at(10)).completed[59],
            2,
            "files counted before the clock was set back stay in the last minute"
        );
        assert_eq!(recent.view(at(11)).completed[58], 2);
        recent.count(&Finished::Completed, at(12), at(12));
        recent.count(&Finished::Completed, at(11), at(11));
        let view = recent.view(at(12));
        assert_eq!(
            (view.completed[57], view.completed[58], view.completed[59]),
            (2, 1, 1),
            "a time of the previous minute"
        );
    }
}
