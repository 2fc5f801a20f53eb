//! Progress of work that takes long, on a terminal.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Work that ends sooner shows no progress.
const AFTER: Duration = Duration::from_secs(2);
const INTERVAL: Duration = Duration::from_millis(500);
/// Width of a bar, in characters.
const WIDTH: u64 = 20;

/// Shows a line on standard error while it exists, and removes it then. Shows nothing if standard
/// error is no terminal.
pub(super) struct Progress(Option<(Sender<()>, JoinHandle<()>)>);

impl Progress {
    /// Starts to show `line`, which is called for each update, unless `quiet` is set.
    pub(super) fn start(quiet: bool, line: impl FnMut() -> String + Send + 'static) -> Self {
        let is_dumb = std::env::var("TERM").is_ok_and(|terminal| terminal == "dumb");
        if quiet || is_dumb || !io::stderr().is_terminal() {
            return Self(None);
        }
        let (sender, ended) = mpsc::channel();
        let thread = thread::spawn(move || show(&ended, AFTER, INTERVAL, line, &mut io::stderr()));
        Self(Some((sender, thread)))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.0.take() {
            drop(sender);
            // A panic of the thread has no effect but a missing line.
            let _ = thread.join();
        }
    }
}

/// Writes the line until `ended` is closed, the first time after `after`. The cursor stays at the
/// start of the line, so that a log record replaces it.
fn show(
    ended: &Receiver<()>,
    after: Duration,
    interval: Duration,
    mut line: impl FnMut() -> String,
    out: &mut impl Write,
) {
    let mut pause = after;
    let mut is_shown = false;
    while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        is_shown = true;
        pause = interval;
        // A terminal that is gone is no reason to stop the work.
        let _ = write!(out, "\x1b[K{}\r", line()).and_then(|()| out.flush());
    }
    if is_shown {
        let _ = write!(out, "\x1b[K").and_then(|()| out.flush());
    }
}

/// Returns a bar with the share that is done, and the numbers.
pub(super) fn bar(done: u64, total: u64, noun: &str) -> String {
    let done = done.min(total);
    let filled = (done * WIDTH).checked_div(total).unwrap_or(0);
    let bar: String = (0..WIDTH)
        .map(|at| if at < filled { '#' } else { '.' })
        .collect();
    format!("[{bar}] {done} of {}", model::counted(total, noun))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_shows_the_share_that_is_done() {
        assert_eq!(
            bar(0, 0, "transfer"),
            "[....................] 0 of 0 transfers"
        );
        assert_eq!(
            bar(1, 4, "transfer"),
            "[#####...............] 1 of 4 transfers"
        );
        assert_eq!(
            bar(9, 1, "transfer"),
            "[####################] 1 of 1 transfer"
        );
    }

    #[test]
    fn the_line_is_updated_until_the_end_and_removed() {
        let (sender, ended) = mpsc::channel();
        let mut sender = Some(sender);
        let mut calls = 0;
        let line = || {
            calls += 1;
            if calls == 3 {
                sender = None;
            }
            format!("{calls} of 3")
        };
        let mut out = Vec::new();
        show(&ended, Duration::ZERO, Duration::ZERO, line, &mut out);
        let expected = "\x1b[K1 of 3\r\x1b[K2 of 3\r\x1b[K3 of 3\r\x1b[K";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn work_that_ends_soon_shows_nothing() {
        let (sender, ended) = mpsc::channel();
        drop(sender);
        let mut out = Vec::new();
        let hour = Duration::from_hours(1);
        show(&ended, hour, hour, || unreachable!(), &mut out);
        assert_eq!(out, b"");
    }
}
