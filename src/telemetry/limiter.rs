//! A limit on log records whose number someone outside decides: HTTP clients, and senders to the
//! queue. The first few of a minute are logged, then they are counted.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tracing::Level;

/// Time for which records are counted together.
const WINDOW: Duration = Duration::from_mins(1);

/// The limited events, with how many records of each kind are logged in a minute.
const LIMITED: [(&str, u64); 9] = [
    ("accept_failed", 10),
    ("file_failed", 1_000),
    ("log_records_dropped", 10),
    ("message_field_ignored", 10),
    ("message_unparsable", 10),
    ("message_unrouted", 10),
    ("record_unparsable", 10),
    ("request_served", 10),
    ("transfer_gone", 1_000),
];

/// Records that are counted together. There are few kinds, whatever someone outside sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    pub(super) event: &'static str,
    pub(super) level: Level,
    /// The status of a response.
    pub(super) status: Option<u64>,
    limit: u64,
}

impl Kind {
    /// Returns the kind of a record; `None` if its number is not limited. Debug records are not:
    /// their level is a request for all of them.
    pub(super) fn new(event: &str, level: Level, status: Option<u64>) -> Option<Self> {
        if level > Level::INFO {
            return None;
        }
        let (event, limit) = LIMITED.iter().find(|(name, _)| *name == event)?;
        Some(Self {
            event,
            level,
            status,
            limit: *limit,
        })
    }
}

/// Records that were not logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suppressed {
    pub(super) kind: Kind,
    pub(super) records: u64,
}

/// Counts the records of each kind.
#[derive(Debug, Default)]
pub(super) struct RecordLimiter {
    windows: BTreeMap<Kind, Window>,
    /// Of windows that have ended.
    suppressed: Vec<Suppressed>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    began: Instant,
    records: u64,
}

impl RecordLimiter {
    /// Counts a record, and returns whether it is logged.
    pub(super) fn admit(&mut self, kind: Kind, now: Instant) -> bool {
        self.end_windows(now, |known| known == kind);
        let window = self.windows.entry(kind).or_insert(Window {
            began: now,
            records: 0,
        });
        window.records += 1;
        window.records <= kind.limit
    }

    /// Returns what was suppressed in windows that have ended.
    pub(super) fn take_suppressed(&mut self, now: Instant) -> Vec<Suppressed> {
        self.end_windows(now, |_| true);
        std::mem::take(&mut self.suppressed)
    }

    /// Returns what was suppressed and not reported yet.
    pub(super) fn take_all(&mut self) -> Vec<Suppressed> {
        self.close(|_, _| true);
        std::mem::take(&mut self.suppressed)
    }

    fn end_windows(&mut self, now: Instant, of: impl Fn(Kind) -> bool) {
        self.close(|kind, window| {
            of(kind) && now.saturating_duration_since(window.began) >= WINDOW
        });
    }

    fn close(&mut self, has_ended: impl Fn(Kind, &Window) -> bool) {
        let suppressed = &mut self.suppressed;
        self.windows.retain(|kind, window| {
            let has_ended = has_ended(*kind, window);
            let records = window.records.saturating_sub(kind.limit);
            if has_ended && records > 0 {
                suppressed.push(Suppressed {
                    kind: *kind,
                    records,
                });
            }
            !has_ended
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(event: &str, status: u64) -> Kind {
        Kind::new(event, Level::INFO, Some(status)).unwrap()
    }

    #[test]
    fn the_first_records_of_a_minute_are_logged_and_the_rest_is_counted_once() {
        let mut limiter = RecordLimiter::default();
        let start = Instant::now();
        let logged = |limiter: &mut RecordLimiter, at: Duration| {
            let admitted =
                (0..1_000).filter(|_| limiter.admit(kind("request_served", 404), start + at));
            admitted.count()
        };
        assert_eq!(logged(&mut limiter, Duration::ZERO), 10);
        assert_eq!(logged(&mut limiter, Duration::from_secs(59)), 0);
        assert!(
            limiter
                .take_suppressed(start + Duration::from_secs(59))
                .is_empty()
        );
        let suppressed = Suppressed {
            kind: kind("request_served", 404),
            records: 1_990,
        };
        // Whether time or the next record ends the minute.
        assert_eq!(logged(&mut limiter, WINDOW), 10);
        assert_eq!(limiter.take_suppressed(start + WINDOW), [suppressed]);
        assert!(limiter.take_suppressed(start + WINDOW).is_empty());
        let suppressed = Suppressed {
            records: 990,
            ..suppressed
        };
        assert_eq!(limiter.take_suppressed(start + 2 * WINDOW), [suppressed]);
        assert!(limiter.windows.is_empty());
    }

    #[test]
    fn kinds_are_limited_apart_so_none_hides_another() {
        let mut limiter = RecordLimiter::default();
        let now = Instant::now();
        for status in [401, 404, 429, 500] {
            for event in ["request_served", "message_unparsable"] {
                let admitted = (0..50).filter(|_| limiter.admit(kind(event, status), now));
                assert_eq!(admitted.count(), 10, "{event} {status}");
            }
        }
        assert_eq!(limiter.take_all().len(), 8);
    }

    #[test]
    fn records_of_the_exporter_itself_and_debug_records_are_not_limited() {
        for (event, level) in [
            ("polls_failed", Level::WARN),
            ("config_reload_failed", Level::ERROR),
            ("request_served", Level::DEBUG),
            ("", Level::INFO),
        ] {
            assert_eq!(Kind::new(event, level, None), None, "{event}");
        }
    }
}
