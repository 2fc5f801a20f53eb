//! The finished files of the last hour as a small picture, with the same in words.

use std::fmt::Write;

use super::html::Number;
use crate::tracker::query::{RECENT_MINUTES, RecentFiles};

const HEIGHT: u32 = 24;
/// Width of a minute.
const STEP: usize = 2;

/// An inline SVG: completed files above failed ones, a column per minute.
pub(super) struct Sparkline {
    /// Unique on the page.
    pub(super) id: usize,
    pub(super) summary: String,
    /// The most files in a minute.
    pub(super) peak: Number,
    /// Path data of completed files; empty without any.
    pub(super) completed: String,
    /// Path data of failed files; empty without any.
    pub(super) failed: String,
}

impl Sparkline {
    pub(super) fn new(recent: &RecentFiles, id: usize) -> Self {
        let peak = (0..RECENT_MINUTES)
            .map(|at| recent.completed[at] + recent.failed[at])
            .max()
            .unwrap_or(0);
        let (mut completed, mut failed) = (String::new(), String::new());
        for at in 0..RECENT_MINUTES {
            let bad = column(recent.failed[at], peak);
            let top = HEIGHT - bad;
            let good = column(recent.completed[at], peak).min(top);
            let x = at * STEP;
            if good > 0 {
                let _ = write!(completed, "M{x} {top}v-{good}h{STEP}v{good}z");
            }
            if bad > 0 {
                let _ = write!(failed, "M{x} {HEIGHT}v-{bad}h{STEP}v{bad}z");
            }
        }
        Self {
            id,
            summary: format!(
                "{} completed, {} failed",
                Number(recent.total_completed().into()),
                Number(recent.total_failed().into())
            ),
            peak: Number(peak.into()),
            completed,
            failed,
        }
    }

    #[expect(clippy::unused_self, reason = "templates reach it through the picture")]
    pub(super) fn width(&self) -> usize {
        RECENT_MINUTES * STEP
    }

    #[expect(clippy::unused_self, reason = "templates reach it through the picture")]
    pub(super) fn height(&self) -> u32 {
        HEIGHT
    }
}

/// Returns the height of a column. A single file is visible: at least 2 high.
fn column(files: u32, peak: u32) -> u32 {
    match files {
        0 => 0,
        files => (files * (HEIGHT - 2) / peak.max(1)).max(2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_files_are_below_completed_ones_and_always_visible() {
        let mut recent = RecentFiles::default();
        recent.completed[59] = 1_000;
        recent.failed[59] = 1;
        recent.failed[0] = 500;
        let spark = Sparkline::new(&recent, 7);
        assert_eq!(spark.failed, "M0 24v-10h2v10zM118 24v-2h2v2z");
        assert_eq!(spark.completed, "M118 22v-21h2v21z");
        assert_eq!(
            (spark.summary.as_str(), spark.peak.to_string().as_str()),
            ("1,000 completed, 501 failed", "1,001")
        );
        assert_eq!(Sparkline::new(&RecentFiles::default(), 0).completed, "");
    }
}
