//! Files that ended within the last hour, by the minute. In memory alone: after a start the hour fills anew.

use std::time::{SystemTime, UNIX_EPOCH};

use model::Finished;

/// Minutes that are told.
pub const RECENT_MINUTES: usize = 60;

/// Files that ended within the last hour; the oldest minute first, the one that runs last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentFiles {
    /// COMPLETED.
    pub completed: [u32; RECENT_MINUTES],
    /// FAILED.
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
    /// Files that completed within the hour.
    pub fn all_completed(&self) -> u32 {
        self.completed.iter().sum()
    }

    /// Files that failed within the hour.
    pub fn all_failed(&self) -> u32 {
        self.failed.iter().sum()
    }

    /// Adds another connector's files.
    pub fn add(&mut self, more: &Self) {
        for minute in 0..RECENT_MINUTES {
            self.completed[minute] += more.completed[minute];
            self.failed[minute] += more.failed[minute];
        }
    }
}

/// One connector's last hour.
#[derive(Debug, Default)]
pub(in crate::tracker) struct Recent {
    /// The minute since the epoch that stands last.
    minute: u64,
    files: RecentFiles,
}

impl Recent {
    /// Counts a file that ended at `at`. One of more than an hour ago is left out; one of the future, by a clock that
    /// goes otherwise, is of now.
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

    /// The hour up to now.
    pub(in crate::tracker) fn view(&self, now: SystemTime) -> RecentFiles {
        let mut shown = Self {
            minute: self.minute,
            files: self.files,
        };
        shown.advance(now);
        shown.files
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
        // A clock that was set back changes nothing about how long ago files ended. A minute is no sign of one: who waited
        // for the tracker brings the time from before.
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
    fn files_stand_in_the_minute_in_which_they_ended_for_an_hour() {
        let start = UNIX_EPOCH + Duration::from_hours(500_000);
        let at = |minutes: u64| start + Duration::from_mins(minutes);
        let mut recent = Recent::default();
        recent.count(&Finished::Completed, at(0), at(0));
        recent.count(&Finished::Completed, at(0) + Duration::from_secs(59), at(1));
        recent.count(&Finished::Failed(None), at(5), at(2));
        let told = recent.view(at(2));
        assert_eq!(
            (told.completed[57], told.failed[59]),
            (2, 1),
            "what the future tells is of now"
        );
        assert_eq!((told.all_completed(), told.all_failed()), (2, 1));
        let later = recent.view(at(59));
        assert_eq!((later.completed[0], later.failed[2]), (2, 1));
        assert_eq!(recent.view(at(61)).all_completed(), 0);
        assert_eq!(recent.view(at(62)), RecentFiles::default());
        recent.count(&Finished::Completed, at(0), at(60));
        assert_eq!(
            recent.view(at(60)).all_completed(),
            0,
            "more than an hour ago"
        );
        recent.count(&Finished::Completed, at(2), at(60));
        assert_eq!(recent.view(at(60)).completed[1], 1);
        assert_eq!(recent.view(at(100_000)), RecentFiles::default());
    }

    #[test]
    fn an_hour_goes_on_after_a_clock_was_far_ahead() {
        let start = UNIX_EPOCH + Duration::from_hours(500_000);
        let at = |minutes: u64| start + Duration::from_mins(minutes);
        let mut recent = Recent::default();
        recent.count(&Finished::Completed, at(100_000), at(100_000));
        recent.count(&Finished::Completed, at(10), at(10));
        assert_eq!(
            recent.view(at(10)).completed[59],
            2,
            "what ended just before the clock was set back is of now"
        );
        assert_eq!(recent.view(at(11)).completed[58], 2);
        recent.count(&Finished::Completed, at(12), at(12));
        recent.count(&Finished::Completed, at(11), at(11));
        let told = recent.view(at(12));
        assert_eq!(
            (told.completed[57], told.completed[58], told.completed[59]),
            (2, 1, 1),
            "late by a moment"
        );
    }
}
