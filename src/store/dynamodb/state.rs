//! The log and the snapshots of a shard: how they are laid out, read, and replaced.

use std::collections::{HashMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tracing::warn;

use super::frame::{FRAME_BYTES, FrameReader, Row, pieces};
use super::lease::{Area, Lease, StateSnapshot};
use super::table::{Item, Version};
use super::{Shared, StoreError};
use crate::store::records::{Loader, Table};
use crate::tracker::persist::SavedState;

/// Places of the log's pieces. They are used again and again.
const SLOTS: u64 = 16_384;
/// Pause after each KiB of a snapshot: a partition takes 1,000 units a second, of which the log needs some
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html>).
const PAUSE_PER_KIB: Duration = Duration::from_millis(2);
/// Pause after a failed snapshot, doubled with each in a row ...
const FIRST_SNAPSHOT_PAUSE: Duration = Duration::from_secs(10);
/// ... up to this.
const LONGEST_SNAPSHOT_PAUSE: Duration = Duration::from_mins(10);

fn log_name(piece: u64) -> String {
    format!("log#{:05}", piece % SLOTS)
}

fn snapshot_name(area: Area, item: u32) -> String {
    format!("snapshot#{}#{item:06}", area.as_str())
}

/// Returns the item of a piece of the log.
pub(super) fn log_item(epoch: u64, piece: u64, value: Vec<u8>) -> Item {
    Item {
        name: log_name(piece),
        version: Version {
            epoch,
            number: piece,
        },
        value,
    }
}

impl Lease {
    /// Returns the number of the last piece of the log that the snapshot includes.
    fn included(&self) -> u64 {
        self.base.map_or(0, |base| base.version.number)
    }

    /// Returns whether so many pieces can be added to the log.
    pub(super) fn has_room(&self, pieces: u64) -> bool {
        pieces <= SLOTS && self.head - self.included() <= SLOTS - pieces
    }

    pub(super) fn is_log_half_full(&self) -> bool {
        !self.has_room(SLOTS / 2)
    }

    /// Returns the pieces that have not been included, in at most two ranges of places.
    fn log_ranges(&self) -> Vec<RangeInclusive<u64>> {
        let first = self.included() + 1;
        if first > self.head {
            return Vec::new();
        }
        let round = first - first % SLOTS + SLOTS;
        if round > self.head {
            vec![first..=self.head]
        } else {
            vec![first..=round - 1, round..=self.head]
        }
    }
}

/// Reads a state: first what the log has changed, then the records of the snapshot that it has not.
struct StateReader<'a> {
    shared: &'a Shared,
    lease: &'a Lease,
    /// What the log has changed since the snapshot.
    log: HashMap<(u8, Vec<u8>), Option<Vec<u8>>>,
    log_bytes: u64,
    frames: FrameReader,
    items: VecDeque<Item>,
    /// The next item of the snapshot.
    next: u32,
    is_log_read: bool,
}

impl<'a> StateReader<'a> {
    fn new(shared: &'a Shared, lease: &'a Lease) -> Self {
        Self {
            shared,
            lease,
            log: HashMap::new(),
            log_bytes: 0,
            frames: FrameReader::default(),
            items: VecDeque::new(),
            next: 0,
            is_log_read: false,
        }
    }

    async fn read_log(&mut self) -> Result<(), StoreError> {
        for range in self.lease.log_ranges() {
            let (mut expected, last) = (*range.start(), *range.end());
            while expected <= last {
                let items = self.items(log_name(expected), log_name(last)).await?;
                if items.is_empty() {
                    return Err(self.missing(expected));
                }
                for item in items {
                    if item.name != log_name(expected) || item.version.number != expected {
                        return Err(self.missing(expected));
                    }
                    self.log_bytes += u64::try_from(item.value.len()).unwrap_or(u64::MAX);
                    for row in self.rows(&item)? {
                        self.log.insert((row.table as u8, row.key), row.value);
                    }
                    expected += 1;
                }
            }
        }
        if self.frames.is_complete() {
            return Ok(());
        }
        let last = log_name(self.lease.head);
        Err(self.shared.damaged(&last, "the piece after it is missing"))
    }

    fn missing(&self, piece: u64) -> StoreError {
        let detail = format_args!("piece {piece} of the log is missing");
        self.shared.damaged(&log_name(piece), detail)
    }

    async fn items(&self, first: String, last: String) -> Result<Vec<Item>, StoreError> {
        let items = self.shared.table.items(first, last).await;
        items.map_err(|error| self.shared.failed("read", &error))
    }

    fn rows(&mut self, item: &Item) -> Result<Vec<Row>, StoreError> {
        let rows = self.frames.add(&item.value);
        let rows = rows.map_err(|error| self.shared.damaged(&item.name, error))?;
        Ok(rows.unwrap_or_default())
    }

    /// Returns the next records, or `None` after the last.
    async fn next(&mut self) -> Result<Option<Vec<Row>>, StoreError> {
        if !self.is_log_read {
            self.read_log().await?;
            self.is_log_read = true;
        }
        if let Some(base) = self.lease.base.filter(|base| self.next < base.items) {
            let rows = self.next_of_snapshot(base).await?;
            let log = &self.log;
            let is_current = |row: &Row| !log.contains_key(&(row.table as u8, row.key.clone()));
            return Ok(Some(rows.into_iter().filter(is_current).collect()));
        }
        if self.log.is_empty() {
            return Ok(None);
        }
        let changed = self.log.drain();
        let rows = changed.filter_map(|((table, key), value)| {
            let table = Table::ALL.into_iter().find(|known| *known as u8 == table)?;
            value.map(|value| Row {
                table,
                key,
                value: Some(value),
            })
        });
        Ok(Some(rows.collect()))
    }

    async fn next_of_snapshot(&mut self, base: StateSnapshot) -> Result<Vec<Row>, StoreError> {
        let name = snapshot_name(base.area, self.next);
        if self.items.is_empty() {
            let last = snapshot_name(base.area, base.items - 1);
            self.items = self.items(name.clone(), last).await?.into();
        }
        let item = self.items.pop_front();
        let Some(item) = item.filter(|item| item.name == name && item.version == base.version)
        else {
            return Err(self.shared.damaged(&name, "it is missing in the snapshot"));
        };
        self.next += 1;
        let rows = self.rows(&item)?;
        if self.next == base.items && !self.frames.is_complete() {
            return Err(self.shared.damaged(&name, "the item after it is missing"));
        }
        Ok(rows)
    }
}

impl Shared {
    /// Reads the state. Returns it with the number of bytes of the log.
    pub(super) async fn read_state(&self, lease: &Lease) -> Result<(SavedState, u64), StoreError> {
        let mut loader = Loader::new(self.most_transfers.load(Ordering::Relaxed));
        let mut reader = StateReader::new(self, lease);
        while let Some(rows) = reader.next().await? {
            for row in rows {
                let added = loader.add(row.table, &row.key, &row.value.unwrap_or_default());
                added.map_err(|error| self.damaged("records", error))?;
            }
        }
        Ok((loader.finish(), reader.log_bytes))
    }

    /// Writes a snapshot. After a failure, which may be for want of capacity, the next one waits.
    pub(super) async fn write_snapshot(&self) {
        let result = self.compact().await;
        let mut writer = self.writer.lock().await;
        let Err(error) = result else {
            writer.failed_snapshots = 0;
            return;
        };
        let doubled = FIRST_SNAPSHOT_PAUSE.saturating_mul(1 << writer.failed_snapshots.min(8));
        let pause = doubled.min(LONGEST_SNAPSHOT_PAUSE);
        writer.failed_snapshots += 1;
        writer.no_snapshot_before = (self.clock)() + pause;
        warn!(
            event = "snapshot_failed",
            %error,
            pause_seconds = pause.as_secs(),
            "failed to write a snapshot, trying again later"
        );
    }

    /// Writes a snapshot of the state as it is now, so that the log begins after it. Changes may be saved
    /// meanwhile.
    pub(super) async fn compact(&self) -> Result<(), StoreError> {
        let _compacting = self.compacting.lock().await;
        let (lease, log_bytes) = {
            let mut writer = self.writer.lock().await;
            let lease = self.current(&mut writer)?;
            if !writer.is_compaction_due() {
                return Ok(());
            }
            (lease, writer.log_bytes)
        };
        let mut snapshot = StateSnapshot {
            area: lease.base.map_or(Area::A, |base| base.area.other()),
            version: Version {
                epoch: lease.epoch,
                number: lease.head,
            },
            items: 0,
            bytes: 0,
        };
        let mut reader = StateReader::new(self, &lease);
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while let Some(more) = reader.next().await? {
            for row in more {
                bytes += row.bytes();
                rows.push(row);
                if bytes >= FRAME_BYTES {
                    self.write_frame(&mut snapshot, std::mem::take(&mut rows))
                        .await?;
                    bytes = 0;
                }
            }
        }
        if !rows.is_empty() {
            self.write_frame(&mut snapshot, rows).await?;
        }
        let mut writer = self.writer.lock().await;
        self.write_lease(&mut writer, |lease| lease.base = Some(snapshot))
            .await?;
        writer.log_bytes = writer.log_bytes.saturating_sub(log_bytes);
        Ok(())
    }

    async fn write_frame(
        &self,
        snapshot: &mut StateSnapshot,
        rows: Vec<Row>,
    ) -> Result<(), StoreError> {
        for value in pieces(rows).map_err(|error| self.encoded(&error))? {
            let kib = u32::try_from(value.len() >> 10).unwrap_or(u32::MAX);
            snapshot.bytes += u64::try_from(value.len()).unwrap_or(u64::MAX);
            let item = Item {
                name: snapshot_name(snapshot.area, snapshot.items),
                version: snapshot.version,
                value,
            };
            self.put_aside(item).await?;
            snapshot.items += 1;
            tokio::time::sleep(PAUSE_PER_KIB * kib).await;
        }
        Ok(())
    }

    /// Writes an item of a snapshot, which nothing refers to yet.
    async fn put_aside(&self, item: Item) -> Result<(), StoreError> {
        let mut writer = self.writer.lock().await;
        self.put(&mut writer, item).await
    }
}
