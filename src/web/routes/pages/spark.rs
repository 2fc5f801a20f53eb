//! The last hour of files as a small picture, with its words beside it.

use std::fmt::Write;

use crate::tracker::query::{RECENT_MINUTES, RecentFiles};

const HEIGHT: u32 = 24;
/// Of a minute's two columns, the one that is drawn.
const STEP: usize = 2;

/// An inline SVG; `id` is one of its own on the page.
pub(super) fn sparkline(recent: &RecentFiles, id: usize) -> String {
    let most = (0..RECENT_MINUTES)
        .map(|at| recent.completed[at] + recent.failed[at])
        .max()
        .unwrap_or(0);
    let words = words(recent);
    let mut out = format!(
        "<svg class=\"spark\" role=\"img\" aria-labelledby=\"s{id}t s{id}d\" viewBox=\"0 0 {} {HEIGHT}\" \
         preserveAspectRatio=\"none\"><title id=\"s{id}t\">Files that ended in the last hour</title>\
         <desc id=\"s{id}d\">{words}, by the minute; at most {most} in one.</desc>\
         <path class=\"base\" d=\"M0 23.5h{}\"/>",
        RECENT_MINUTES * STEP,
        RECENT_MINUTES * STEP,
    );
    let (mut completed, mut failed) = (String::new(), String::new());
    for at in 0..RECENT_MINUTES {
        // Whatever there was is seen: a column is at least 2 high.
        let height = |files: u32| {
            if files == 0 {
                0
            } else {
                (files * (HEIGHT - 2) / most.max(1)).max(2)
            }
        };
        let (bad, good) = (height(recent.failed[at]), height(recent.completed[at]));
        let bad_top = HEIGHT - bad;
        let good = good.min(bad_top);
        let x = at * STEP;
        if good > 0 {
            let _ = write!(completed, "M{x} {bad_top}v-{good}h{STEP}v{good}z");
        }
        if bad > 0 {
            let _ = write!(failed, "M{x} {HEIGHT}v-{bad}h{STEP}v{bad}z");
        }
    }
    for (class, path) in [("good", completed), ("bad", failed)] {
        if !path.is_empty() {
            let _ = write!(out, "<path class=\"{class}\" d=\"{path}\"/>");
        }
    }
    out + "</svg>"
}

/// The hour in words.
pub(super) fn words(recent: &RecentFiles) -> String {
    format!(
        "{} completed, {} failed",
        recent.all_completed(),
        recent.all_failed()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_files_stand_below_completed_ones_and_are_always_seen() {
        let mut recent = RecentFiles::default();
        recent.completed[59] = 1_000;
        recent.failed[59] = 1;
        recent.failed[0] = 500;
        let svg = sparkline(&recent, 7);
        assert!(
            svg.contains("<path class=\"bad\" d=\"M0 24v-10h2v10zM118 24v-2h2v2z\"/>"),
            "{svg}"
        );
        assert!(
            svg.contains("<path class=\"good\" d=\"M118 22v-21h2v21z\"/>"),
            "{svg}"
        );
        assert!(
            svg.contains("1000 completed, 501 failed, by the minute; at most 1001 in one."),
            "{svg}"
        );
        assert!(!sparkline(&RecentFiles::default(), 0).contains("good"));
    }
}
