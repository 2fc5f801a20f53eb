//! The lease of a shard: who owns it, for how long, and how others find that it has ended.
//!
//! No clock of another machine is compared. An owner may use its lease for its lifetime, counted from
//! before it sent the request that renewed it. Others count the same time from after they received an
//! answer with a renewal that they had not seen before. So they always wait longer than the owner.

use std::sync::Arc;
use std::time::Duration;

use super::table::Version;

/// Others wait longer than the lifetime by one part in so many: clocks may run at rates that differ by as
/// much.
pub(super) const MARGIN: u32 = 10;

/// Time since the machine started, which goes on while it is suspended and is never set.
pub(crate) type BootClock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Returns the clock of the machine.
pub fn boot_clock() -> Arc<dyn Fn() -> Duration + Send + Sync> {
    #[cfg(target_os = "linux")]
    let now = || {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
        Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or_default())
    };
    #[cfg(not(target_os = "linux"))]
    let now = {
        let start = std::time::Instant::now();
        move || start.elapsed()
    };
    Arc::new(now)
}

/// The lease of a shard, as the table has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lease {
    /// The process that has it; empty if it was given back.
    pub(super) owner: String,
    /// Number of the ownership. Only writes with the current one are accepted.
    pub(super) epoch: u64,
    /// Number of the renewal.
    pub(super) beat: u64,
    /// For how long a renewal holds.
    pub(super) lifetime: Duration,
    /// The format of the shard's records.
    pub(super) format: u32,
    /// Number of the last piece of the log that is valid.
    pub(super) head: u64,
    /// The snapshot that the log goes on from.
    pub(super) base: Option<StateSnapshot>,
}

/// Items that hold the state as it was at some piece of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StateSnapshot {
    /// Which of the two places has it.
    pub(super) area: Area,
    /// The version of its items, whose number is that of the last piece of the log that it includes.
    pub(super) version: Version,
    /// The number of its items.
    pub(super) items: u32,
    /// Their size.
    pub(super) bytes: u64,
}

/// Where a snapshot is. A new one is written beside the one that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Area {
    A,
    B,
}

impl Area {
    pub(super) fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

/// Finds whether the lease of another process has ended.
#[derive(Debug, Default)]
pub(super) struct LeaseWatch {
    /// The newest renewal, and when it was first seen.
    seen: Option<(u64, u64, Duration)>,
}

impl LeaseWatch {
    /// Notes the lease as an answer had it that was received at `now`. Returns how long it may still be
    /// held.
    pub(super) fn time_left(&mut self, lease: &Lease, now: Duration) -> Duration {
        let since = match self.seen {
            Some((epoch, beat, since)) if (epoch, beat) == (lease.epoch, lease.beat) => since,
            _ => {
                self.seen = Some((lease.epoch, lease.beat, now));
                now
            }
        };
        if lease.owner.is_empty() {
            return Duration::ZERO;
        }
        (since + lease.lifetime + lease.lifetime / MARGIN).saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn lease(epoch: u64, beat: u64) -> Lease {
        Lease {
            owner: "a".into(),
            epoch,
            beat,
            lifetime: 20 * SECOND,
            format: 1,
            ..Lease::default()
        }
    }

    #[test]
    fn a_lease_ends_once_no_renewal_was_seen_for_its_lifetime() {
        let mut watch = LeaseWatch::default();
        let whole = 22 * SECOND;
        let mut left = |beat, at: u32| watch.time_left(&lease(3, beat), at * SECOND);
        assert_eq!(left(1, 100), whole, "however old it is");
        assert_eq!(left(1, 110), 12 * SECOND);
        assert_eq!(left(2, 112), whole, "renewed");
        assert_eq!(left(2, 133), SECOND);
        assert_eq!(left(2, 134), Duration::ZERO);
        assert_eq!(left(3, 135), whole, "late, but renewed");
        let mut watch = LeaseWatch::default();
        let mut left = |epoch, at: u32| watch.time_left(&lease(epoch, 7), at * SECOND);
        assert_eq!(left(1, 0), whole);
        assert_eq!(left(2, 14), whole, "another owner");
    }

    #[test]
    fn a_lease_that_was_given_back_has_ended() {
        let free = Lease {
            owner: String::new(),
            ..lease(1, 5)
        };
        assert_eq!(
            LeaseWatch::default().time_left(&free, SECOND),
            Duration::ZERO
        );
    }

    #[test]
    fn the_clock_of_the_machine_goes_on() {
        let clock = boot_clock();
        let first = clock();
        std::thread::sleep(Duration::from_millis(5));
        assert!(clock() >= first + Duration::from_millis(5));
    }
}
