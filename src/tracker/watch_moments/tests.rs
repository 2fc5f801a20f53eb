use std::time::{Instant, UNIX_EPOCH};

use super::*;

fn at(hour: u64) -> SystemTime {
    UNIX_EPOCH + EARLIEST + Duration::from_hours(hour)
}

fn prod() -> AccountName {
    AccountName::new("prod")
}

fn watched_from(moments: &WatchMoments, origins: &[Origin]) -> SystemTime {
    let seen = origins
        .iter()
        .fold(0, |seen, origin| seen | 1 << *origin as u8);
    let connector = "c-0123456789abcdef0".parse().unwrap();
    moments.watched_from(&prod(), &connector, &"t-1".parse().unwrap(), seen)
}

fn moments(start: u64) -> WatchMoments {
    let mut moments = WatchMoments::new(at(start));
    moments.watch([prod()].iter(), [], &Ownership::default(), at(start));
    moments
}

#[test]
fn an_account_is_watched_since_its_first_configuration() {
    let mut moments = WatchMoments::new(at(1));
    moments.watch(
        [AccountName::new("other")].iter(),
        [],
        &Ownership::default(),
        at(1),
    );
    moments.watch([prod()].iter(), [], &Ownership::default(), at(5));
    moments.watch([prod()].iter(), [], &Ownership::default(), at(9));
    assert_eq!(watched_from(&moments, &[Origin::Config]), at(5));
}

#[test]
fn a_transfer_is_watched_since_its_first_source_was_configured() {
    let mut moments = moments(1);
    moments.watch(
        [prod()].iter(),
        [(prod(), Origin::Cloudtrail)],
        &Ownership::default(),
        at(7),
    );
    assert_eq!(watched_from(&moments, &[Origin::Cloudtrail]), at(7));
    let both = [Origin::Cloudtrail, Origin::Api];
    assert_eq!(watched_from(&moments, &both), at(1));
}

#[test]
fn a_shard_watches_its_transfers_since_it_owns_them_without_a_break() {
    let (connector, transfer) = (
        "c-0123456789abcdef0".parse().unwrap(),
        "t-1".parse().unwrap(),
    );
    let owner = (0..2)
        .map(|index| Shard::new(index, 2).unwrap())
        .find(|shard| shard.owns(&connector, &transfer))
        .unwrap();
    let other = Shard::new(1 - owner.index(), 2).unwrap();
    for (history, expected, why) in [
        (vec![owner], 1, "it has always owned the transfer"),
        (vec![owner, Shard::ONLY], 1, "fewer shards change nothing"),
        (
            vec![other, Shard::ONLY],
            2,
            "it owns the transfer since then",
        ),
        (vec![Shard::ONLY, other, Shard::ONLY], 3, "a break"),
    ] {
        let mut moments = WatchMoments::new(at(1));
        for (hour, shard) in (1..).zip(history) {
            let ownership = Ownership::new(shard, &Arc::default());
            moments.watch([prod()].iter(), [], &ownership, at(hour));
        }
        // The account is configured in the first hour in every case.
        assert_eq!(
            watched_from(&moments, &[Origin::Config]),
            at(expected),
            "{why}"
        );
    }
}

#[test]
fn moments_outlive_the_process() {
    let mut before = moments(1);
    before.watch(
        [prod()].iter(),
        [(prod(), Origin::Files)],
        &Ownership::default(),
        at(3),
    );
    let mut meta = Meta::default();
    before.write_to(&mut meta);
    let mut after = moments(8);
    after.restore(&meta, at(8));
    assert_eq!(watched_from(&after, &[Origin::Config]), at(1));
    assert_eq!(watched_from(&after, &[Origin::Files]), at(3));
    let mut early = moments(0);
    early.restore(&meta, at(2));
    assert_eq!(
        watched_from(&early, &[Origin::Files]),
        at(2),
        "no moment is in the future"
    );
}

#[test]
fn moments_follow_a_clock_that_is_set_back_and_corrected() {
    let start = Instant::now();
    let hour = Duration::from_hours(1);
    let now = |hours: u32, wall: u64| Now {
        instant: start + hour * hours,
        wall: at(wall),
    };
    let mut moments = moments(10);
    assert!(!moments.follow_clock(now(0, 10)));
    assert!(!moments.follow_clock(now(1, 11)), "no step");
    assert!(moments.follow_clock(now(2, 8)), "4 hours back");
    assert_eq!(watched_from(&moments, &[]), at(6));
    assert!(!moments.follow_clock(now(3, 13)), "4 hours forward again");
    assert_eq!(watched_from(&moments, &[]), at(10));
    assert!(!moments.follow_clock(now(4, 20)), "suspended for 6 hours");
    assert_eq!(watched_from(&moments, &[]), at(10));
}

#[test]
fn moments_follow_a_clock_that_is_set_for_the_first_time() {
    let start = Instant::now();
    let unset = UNIX_EPOCH + Duration::from_secs(5);
    let mut moments = WatchMoments::new(unset);
    moments.watch([prod()].iter(), [], &Ownership::default(), unset);
    moments.follow_clock(Now {
        instant: start,
        wall: unset,
    });
    moments.follow_clock(Now {
        instant: start,
        wall: at(4),
    });
    assert_eq!(watched_from(&moments, &[]), at(4));
}

#[test]
fn a_steady_time_can_be_compared_however_the_clock_was_set_since() {
    let start = Instant::now();
    let now = |seconds: u64, hour: u64| Now {
        instant: start + Duration::from_secs(seconds),
        wall: at(hour) + Duration::from_secs(seconds),
    };
    let mut moments = moments(10);
    moments.watch([prod()].iter(), [], &Ownership::default(), at(10));
    moments.follow_clock(now(0, 10));
    let left = moments.steady(now(600, 10).wall);
    for hour in [8, 9, 10, 7] {
        moments.follow_clock(now(1_200, hour));
        let from = watched_from(&moments, &[]);
        assert!(moments.is_same_watch(left, from), "set to {hour}");
        let after = now(700, hour).wall;
        assert!(
            !moments.is_same_watch(left, after) || hour == 11,
            "set to {hour}"
        );
    }
    let mut meta = Meta::default();
    moments.write_to(&mut meta);
    let mut restored = WatchMoments::new(at(20));
    restored.restore(&meta, at(20));
    assert_eq!(restored.steady(at(20)), moments.steady(at(20)));
}
