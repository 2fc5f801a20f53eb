//! What outlives a transfer that has left: which of its files are counted. A transfer that comes
//! back resumes from its fate, and its late events are matched with it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

use super::arena::{Arena, RecordId};
use super::file_ledger::EventMatch;
use super::packed_ledger::PackedLedger;
use super::persist::seconds;
use super::transfer::StartKind;
use model::{FileEnd, Now, Origin, TransferKey, stable_hash_of};

/// How long a fate is kept. SQS keeps a message for at most 14 days, `EventBridge` retries for one
/// day, and CloudTrail is read for at most seven.
pub(super) const FATE_KEPT: Duration = Duration::from_hours(15 * 24);

/// How often the fates are searched for expired ones.
const EXPIRY_INTERVAL: u32 = 3_600;

/// What is kept of a transfer that has left.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are independent of each other"
)]
pub(super) struct Fate {
    /// Its start if a source reported it, else the time at which it was first seen; in whole seconds
    /// once it has been packed.
    pub(super) since: SystemTime,
    pub(super) start: StartKind,
    /// When it left, by a clock that is never set; in whole seconds once it has been packed.
    pub(super) left: SystemTime,
    /// One bit per origin that has ever reported it.
    pub(super) seen: u8,
    /// Number of files that its start requested; 0 if that is not known. At most 255 once packed.
    pub(super) expected: u16,
    /// Whether it started while it was watched.
    pub(super) watched: bool,
    /// Whether its start has been counted.
    pub(super) started: bool,
    /// Whether a poll was answered while it was watched.
    pub(super) polled: bool,
    /// Whether it had settled.
    pub(super) ended: bool,
    pub(super) ledger: PackedLedger,
}

const WATCHED: u8 = 1 << 2;
const POLLED: u8 = 1 << 3;
const ENDED: u8 = 1 << 4;
const STARTED: u8 = 1 << 5;
const START_MASK: u8 = 3;
/// Bytes of a packed fate before its ledger.
const HEADER: usize = 11;

impl Fate {
    /// Returns the fate of a transfer that is not tracked, but whose files are counted, as if it left
    /// now.
    pub(super) fn untracked(file: &FileEnd, origin: Origin, left: SystemTime, now: Now) -> Self {
        let since = file
            .duration
            .and_then(|duration| file.ended_at.checked_sub(duration))
            .unwrap_or(file.ended_at);
        Self {
            since: since.min(now.wall),
            start: StartKind::FirstSeen,
            left,
            seen: 1 << origin as u8,
            expected: 0,
            watched: false,
            started: false,
            polled: false,
            ended: false,
            ledger: PackedLedger::default(),
        }
    }

    /// Records an event about one of its files.
    pub(super) fn record_event(&mut self, file: &FileEnd) -> EventMatch {
        let mut ledger = self.ledger.unpack();
        let event_match = ledger.record_event(&file.file_transfer_id, &file.path, &file.end);
        self.ledger = PackedLedger::pack(&ledger);
        event_match
    }

    pub(super) fn pack(&self) -> Vec<u8> {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let mut bytes = Vec::with_capacity(HEADER + self.ledger.bytes().len());
        bytes.extend(seconds(self.left).to_le_bytes());
        bytes.extend(seconds(self.since).to_le_bytes());
        bytes.push(self.seen);
        bytes.push(
            self.start as u8
                | flag(self.watched, WATCHED)
                | flag(self.polled, POLLED)
                | flag(self.ended, ENDED)
                | flag(self.started, STARTED),
        );
        bytes.push(u8::try_from(self.expected).unwrap_or(u8::MAX));
        bytes.extend(self.ledger.bytes());
        bytes
    }

    /// Returns `None` for bytes that no fate packs to.
    pub(super) fn unpack(bytes: &[u8]) -> Option<Self> {
        let (header, ledger) = bytes.split_at_checked(HEADER)?;
        let [l0, l1, l2, l3, s0, s1, s2, s3, seen, flags, expected] = *header else {
            return None;
        };
        let time = |bytes| UNIX_EPOCH + Duration::from_secs(u32::from_le_bytes(bytes).into());
        let start = StartKind::ALL
            .into_iter()
            .find(|kind| *kind as u8 == flags & START_MASK)?;
        Some(Self {
            since: time([s0, s1, s2, s3]),
            start,
            left: time([l0, l1, l2, l3]),
            seen,
            expected: expected.into(),
            watched: flags & WATCHED != 0,
            started: flags & STARTED != 0,
            polled: flags & POLLED != 0,
            ended: flags & ENDED != 0,
            ledger: PackedLedger::from_bytes(ledger),
        })
    }
}

/// Returns the hash under which the fate of a transfer is kept.
pub(super) fn fate_hash(key: &TransferKey) -> u64 {
    stable_hash_of([
        key.account.as_str(),
        "/",
        key.connector.as_str(),
        "/",
        key.transfer.as_str(),
    ])
}

/// The fates of all transfers that have left, by hash.
#[derive(Debug, Default)]
pub(super) struct Fates {
    arena: Arena,
    /// The record of each fate: its hash, then the packed fate.
    entries: HashTable<RecordId>,
    /// How many of them have no ended file.
    without_files: usize,
    hasher: DefaultHashBuilder,
    /// When the fates were last searched for expired ones, in seconds since the epoch.
    searched: u32,
}

/// Bytes of the hash.
const KEY: usize = 8;

fn key_of(record: &[u8]) -> u64 {
    record
        .first_chunk::<KEY>()
        .map_or(0, |key| u64::from_le_bytes(*key))
}

/// Returns when the transfer of a record left, in seconds since the epoch.
fn left_at(record: &[u8]) -> u32 {
    record
        .get(KEY..KEY + 4)
        .and_then(|left| left.first_chunk())
        .map_or(0, |left| u32::from_le_bytes(*left))
}

/// Returns whether a record has no ended file.
fn has_no_files(record: &[u8]) -> bool {
    record.len() <= KEY + HEADER
}

impl Fates {
    pub(super) fn get(&self, hash: u64) -> Option<Fate> {
        Fate::unpack(self.packed(hash)?)
    }

    /// Returns the fate if its ledger has more than `bytes` bytes.
    pub(super) fn get_larger(&self, hash: u64, bytes: usize) -> Option<Fate> {
        let packed = self.packed(hash)?;
        (packed.len() > HEADER + bytes).then(|| Fate::unpack(packed))?
    }

    /// Returns the packed fate.
    pub(super) fn packed(&self, hash: u64) -> Option<&[u8]> {
        let is_equal = |id: &RecordId| key_of(self.arena.get(*id)) == hash;
        let id = self.entries.find(self.hasher.hash_one(hash), is_equal)?;
        Some(&self.arena.get(*id)[KEY..])
    }

    pub(super) fn insert(&mut self, hash: u64, fate: &Fate) {
        self.insert_packed(hash, &fate.pack());
    }

    /// Adds a fate from the store.
    pub(super) fn insert_packed(&mut self, hash: u64, fate: &[u8]) {
        self.remove(hash);
        let id = self.arena.insert(&[&hash.to_le_bytes(), fate]);
        self.without_files += usize::from(has_no_files(self.arena.get(id)));
        let (arena, hasher) = (&self.arena, &self.hasher);
        let rehash = |id: &RecordId| hasher.hash_one(key_of(arena.get(*id)));
        self.entries
            .insert_unique(hasher.hash_one(hash), id, rehash);
    }

    /// Removes a fate and returns it.
    pub(super) fn remove(&mut self, hash: u64) -> Option<Fate> {
        let is_equal = |id: &RecordId| key_of(self.arena.get(*id)) == hash;
        let found = self
            .entries
            .find_entry(self.hasher.hash_one(hash), is_equal);
        let (id, _) = found.ok()?.remove();
        let record = self.arena.get(id);
        self.without_files -= usize::from(has_no_files(record));
        let fate = Fate::unpack(&record[KEY..]);
        self.arena.remove(id);
        self.compact();
        fate
    }

    /// Removes the expired fates and returns their hashes. Searches at most once an hour.
    pub(super) fn expire(&mut self, now: SystemTime) -> Vec<u64> {
        let now = seconds(now);
        if now.abs_diff(self.searched) < EXPIRY_INTERVAL {
            return Vec::new();
        }
        self.searched = now;
        let kept = u32::try_from(FATE_KEPT.as_secs()).unwrap_or(u32::MAX);
        self.remove_each(|record| left_at(record).saturating_add(kept) <= now)
    }

    /// Removes the oldest fates if there are more than `most`, or more than `most_without_files`
    /// without an ended file, and returns their hashes. An eighth more is allowed, so that the fates
    /// are searched rarely.
    pub(super) fn shed(&mut self, most: usize, most_without_files: usize) -> Vec<u64> {
        let is_over = |number: usize, most: usize| number > most.saturating_add(most / 8);
        let mut shed = Vec::new();
        if is_over(self.without_files, most_without_files) {
            let excess = self.without_files - most_without_files;
            shed.extend(self.remove_oldest(excess, has_no_files));
        }
        if is_over(self.entries.len(), most) {
            let excess = self.entries.len() - most;
            shed.extend(self.remove_oldest(excess, |_| true));
        }
        shed
    }

    /// Removes the oldest fates whose records are accepted, at most `number`.
    fn remove_oldest(&mut self, number: usize, accept: impl Fn(&[u8]) -> bool) -> Vec<u64> {
        let records = self.entries.iter().map(|id| self.arena.get(*id));
        let mut times: Vec<_> = records.filter(|it| accept(it)).map(left_at).collect();
        let Some(last) = number.checked_sub(1).filter(|last| *last < times.len()) else {
            return Vec::new();
        };
        let newest = *times.select_nth_unstable(last).1;
        let mut left = number;
        self.remove_each(|record| {
            let is_removed = left > 0 && accept(record) && left_at(record) <= newest;
            left -= usize::from(is_removed);
            is_removed
        })
    }

    /// Removes the fates whose records are accepted, and returns their hashes.
    fn remove_each(&mut self, mut accept: impl FnMut(&[u8]) -> bool) -> Vec<u64> {
        let mut removed = Vec::new();
        let arena = &mut self.arena;
        self.entries.retain(|id| {
            let record = arena.get(*id);
            let is_removed = accept(record);
            if is_removed {
                removed.push(key_of(record));
                self.without_files -= usize::from(has_no_files(record));
                arena.remove(*id);
            }
            !is_removed
        });
        self.compact();
        if self.entries.len() * 4 < self.entries.capacity() {
            let (arena, hasher) = (&self.arena, &self.hasher);
            self.entries
                .shrink_to_fit(|id| hasher.hash_one(key_of(arena.get(*id))));
        }
        removed
    }

    pub(super) fn hashes(&self) -> impl Iterator<Item = u64> {
        self.entries.iter().map(|id| key_of(self.arena.get(*id)))
    }

    /// Copies the fates if most of the arena is unused.
    fn compact(&mut self) {
        if !self.arena.is_sparse() {
            return;
        }
        let before = std::mem::take(&mut self.arena);
        for id in &mut self.entries {
            *id = self.arena.insert(&[before.get(*id)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracker::file_ledger::FileLedger;
    use model::Finished;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn fate(left: SystemTime) -> Fate {
        let mut ledger = FileLedger::default();
        ledger.record_event("t/1", "/a", &Finished::Completed);
        Fate {
            since: at(1_800_000_000),
            start: StartKind::Reported,
            left,
            seen: 0b10100,
            expected: 3,
            watched: true,
            started: true,
            polled: false,
            ended: true,
            ledger: PackedLedger::pack(&ledger),
        }
    }

    #[test]
    fn a_packed_fate_unpacks_to_itself() {
        let fate = fate(at(1_800_000_100));
        assert_eq!(Fate::unpack(&fate.pack()), Some(fate));
        assert_eq!(Fate::unpack(&[0; HEADER - 1]), None);
    }

    #[test]
    fn a_fate_of_one_completed_file_fits_into_32_bytes() {
        let bytes = KEY + fate(at(1_800_000_100)).pack().len();
        assert!(bytes <= 32, "{bytes}");
    }

    #[test]
    fn memory_of_fates_follows_their_number() {
        let mut fates = Fates::default();
        let number = 50_000;
        for hash in 0..number {
            fates.insert(hash, &fate(at(1_800_000_000)));
        }
        let all = fates.arena.held();
        for hash in (0..number).filter(|hash| hash % 10 > 0) {
            assert!(fates.remove(hash).is_some());
        }
        assert!(fates.arena.held() < all / 3, "a tenth is left");
        let left: Vec<_> = (0..number)
            .filter(|hash| fates.get(*hash).is_some())
            .collect();
        assert_eq!(left.len(), 5_000);
        assert!(left.iter().all(|hash| hash % 10 == 0));
    }

    #[test]
    fn beyond_a_limit_the_oldest_fates_are_shed_and_those_without_files_first() {
        let mut fates = Fates::default();
        let empty = |left| Fate {
            ledger: PackedLedger::default(),
            ..fate(at(left))
        };
        for hash in 0..100 {
            fates.insert(hash, &fate(at(1_800_000_000 + hash)));
        }
        for hash in 100..300 {
            fates.insert(hash, &empty(1_800_000_000 + hash));
        }
        assert!(fates.shed(300, 200).is_empty());
        let mut shed = fates.shed(300, 80);
        shed.sort_unstable();
        assert_eq!(shed, (100..220).collect::<Vec<_>>());
        let mut shed = fates.shed(120, 80);
        shed.sort_unstable();
        assert_eq!(shed, (0..60).collect::<Vec<_>>());
        fates.remove(220);
        assert_eq!((fates.hashes().count(), fates.without_files), (119, 79));
    }

    #[test]
    fn fates_are_kept_for_15_days() {
        let mut fates = Fates::default();
        let left = 1_800_000_000;
        fates.insert(1, &fate(at(left)));
        fates.insert(2, &fate(at(left + 3_600)));
        let kept = FATE_KEPT.as_secs();
        assert!(fates.expire(at(left + kept - 1)).is_empty());
        assert_eq!(fates.expire(at(left + kept + 3_599)), [1]);
        assert_eq!((fates.get(1), fates.get(2).is_some()), (None, true));
        assert_eq!(fates.remove(2).map(|fate| fate.seen), Some(0b10100));
        assert_eq!(fates.hashes().count(), 0);
    }
}
