//! The store in a DynamoDB table that several processes share. Of each shard, one process at a time is the
//! owner and may write.
//!
//! | module | contents |
//! | --- | --- |
//! | `url` | how `--storage.url` names a table |
//! | `lease` | who owns a shard, and until when |
//! | `frame` | records as compressed pieces |
//! | `inboxes` | what processes pass on to the owners of shards |
//! | `letters` | what they pass on, as bytes |
//! | `members` | the processes that share the shards |
//! | `state` | the log, and the snapshot that it goes on from |
//! | `table` | what is needed of DynamoDB |
//! | `term` | the store as one ownership has it |
//! | `sdk` | the same by the AWS SDK |
//!
//! **Log.** Changes are appended to a log in pieces of at most 350 KiB, and become valid together when a
//! write of the lease names the last of them. So changes of any size are atomic. When the log is longer
//! than the state, the owner writes a snapshot beside the previous one; another write of the lease then
//! names it. Items are reused and never deleted: a deletion would cost as much as a write.
//!
//! **Fencing.** A process that takes the lease over increments the epoch. The lease is written on the
//! condition that it has the epoch of the writer, and every other item on the condition that it has no
//! later version, which begins with the epoch. A former owner can therefore make nothing valid and
//! overwrite nothing, whatever it believes and however late its requests arrive.

#[cfg(test)]
pub(crate) mod fake;
mod frame;
mod inboxes;
mod lease;
mod letters;
mod members;
mod sdk;
mod state;
mod table;
mod term;
#[cfg(test)]
mod tests;
mod url;

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::records::FORMAT;
use super::{Acquisition, LeaseObserver, LeaseState, LeasedStore, Store, StoreError, StoreFuture};
use crate::tracker::persist::{PendingWrites, SavedState};
use frame::{FrameError, pieces, rows_of};
pub use inboxes::SdkInboxes;
pub use lease::boot_clock;
use lease::{BootClock, Lease, LeaseWatch};
pub use members::SdkMembers;
pub use sdk::{CreateTableError, SharedTable, create_table};
use state::log_item;
use table::{Expected, Item, TableError, TablePartition};
use term::TermStore;
pub use url::{TableUrl, TableUrlError};

/// Pauses before a write is repeated that DynamoDB was too busy for. The SDK has repeated it before.
const RETRY_PAUSES: [Duration; 3] = [
    Duration::from_millis(50),
    Duration::from_millis(150),
    Duration::from_millis(400),
];

/// A snapshot is written once the log has so many bytes, and more than the snapshot before.
const LEAST_LOG_BYTES: u64 = 1 << 20;

/// The stored state of one shard.
#[derive(Clone)]
pub struct SharedStore(Arc<Shared>);

struct Shared {
    table: Box<dyn TablePartition>,
    /// For errors.
    url: TableUrl,
    /// The name of this process, which no other has.
    process: String,
    lifetime: Duration,
    clock: BootClock,
    most_transfers: AtomicUsize,
    observer: Arc<dyn LeaseObserver>,
    watch: Mutex<LeaseWatch>,
    /// Until when the process is the owner, in milliseconds of `clock`; 0 if it is not.
    held_until: AtomicU64,
    /// Locked during a write.
    writer: tokio::sync::Mutex<Writer>,
    /// Locked while a snapshot is written.
    compacting: tokio::sync::Mutex<()>,
}

/// What the owner knows of the table.
#[derive(Default)]
struct Writer {
    /// The lease as it was last written, or may have been.
    lease: Option<Lease>,
    /// Bytes of the log since the snapshot.
    log_bytes: u64,
    /// Snapshots in a row that have failed.
    failed_snapshots: u32,
    /// Until when none is tried after those, by the clock of the machine.
    no_snapshot_before: Duration,
}

impl Writer {
    fn is_compaction_due(&self) -> bool {
        let Some(lease) = &self.lease else {
            return false;
        };
        let base = lease.base.map_or(0, |base| base.bytes);
        self.log_bytes > base.max(LEAST_LOG_BYTES) || lease.is_log_half_full()
    }
}

impl SharedStore {
    fn new(
        table: Box<dyn TablePartition>,
        url: TableUrl,
        process: String,
        settings: SharedStoreSettings,
    ) -> Self {
        Self(Arc::new(Shared {
            table,
            url,
            process,
            lifetime: settings.lifetime,
            clock: settings.clock,
            most_transfers: AtomicUsize::new(settings.most_transfers),
            observer: settings.observer,
            watch: Mutex::default(),
            held_until: AtomicU64::new(0),
            writer: tokio::sync::Mutex::default(),
            compacting: tokio::sync::Mutex::default(),
        }))
    }
}

impl Shared {
    fn time_held(&self) -> Duration {
        let until = Duration::from_millis(self.held_until.load(Ordering::Acquire));
        until.saturating_sub((self.clock)())
    }

    fn is_held(&self) -> bool {
        !self.time_held().is_zero()
    }

    async fn look(&self) -> Result<LeaseState, StoreError> {
        let found = self.table.lease().await;
        let Some(lease) = found.map_err(|error| self.failed("read", &error))? else {
            return Ok(LeaseState::Vacant { lost_by: None });
        };
        let time_left = lock(&self.watch).time_left(&lease, (self.clock)());
        let owner = lease.owner;
        // Its own name is that of an attempt whose answer was lost.
        Ok(if time_left.is_zero() || owner == self.process {
            let is_lost = !owner.is_empty() && owner != self.process;
            let lost_by = is_lost.then_some(owner);
            LeaseState::Vacant { lost_by }
        } else {
            LeaseState::HeldBy { owner, time_left }
        })
    }

    async fn take(&self) -> Result<Acquisition, StoreError> {
        let mut writer = self.writer.lock().await;
        let found = self.table.lease().await;
        let found = found.map_err(|error| self.failed("read", &error))?;
        let now = (self.clock)();
        let (lease, expected) = match found {
            None => (Lease::default(), Expected::Absent),
            Some(lease) => {
                let time_left = lock(&self.watch).time_left(&lease, now);
                // Its own name is that of an attempt whose answer was lost.
                if !time_left.is_zero() && lease.owner != self.process {
                    return Ok(Acquisition::HeldBy {
                        owner: lease.owner,
                        time_left,
                    });
                }
                let (epoch, beat) = (lease.epoch, lease.beat);
                (lease, Expected::Unchanged { epoch, beat })
            }
        };
        if lease.format > FORMAT {
            return Err(StoreError::NewerTable {
                table: self.url.table.clone(),
                found: lease.format,
                supported: FORMAT,
            });
        }
        let owner = lease.owner.clone();
        let taken = Lease {
            owner: self.process.clone(),
            epoch: lease.epoch + 1,
            beat: lease.beat + 1,
            lifetime: self.lifetime,
            format: FORMAT,
            ..lease
        };
        let before = (self.clock)();
        match self.table.write_lease(taken.clone(), expected).await {
            Ok(()) => {
                let epoch = taken.epoch;
                *writer = Writer {
                    lease: Some(taken),
                    log_bytes: 0,
                    ..Writer::default()
                };
                self.hold(before);
                self.observer.acquired(epoch);
                Ok(Acquisition::Acquired { epoch })
            }
            Err(TableError::Conflict) => Ok(Acquisition::HeldBy {
                owner,
                time_left: Duration::ZERO,
            }),
            Err(error) => Err(self.failed("write to", &error)),
        }
    }

    async fn keep(&self) -> Result<(), StoreError> {
        let mut writer = self.writer.lock().await;
        if self.time_held() > self.lifetime * 5 / 6 {
            return Ok(());
        }
        self.write_lease(&mut writer, |_| {}).await
    }

    /// Gives the lease back. What goes wrong is of no interest: the lease ends by itself.
    async fn give_back(&self) {
        let mut writer = self.writer.lock().await;
        let Some(lease) = writer.lease.take().filter(|_| self.is_held()) else {
            return;
        };
        self.held_until.store(0, Ordering::Release);
        let expected = Expected::Epoch(lease.epoch);
        let free = Lease {
            owner: String::new(),
            beat: lease.beat + 1,
            ..lease
        };
        let _ = self.table.write_lease(free, expected).await;
    }

    fn hold(&self, since: Duration) {
        let until = (since + self.lifetime).as_millis();
        let until = u64::try_from(until).unwrap_or(u64::MAX);
        self.held_until.store(until, Ordering::Release);
        self.observer.renewed();
    }

    /// Returns the error of a process that is no owner any more.
    fn lost(&self, writer: &mut Writer) -> StoreError {
        writer.lease = None;
        self.held_until.store(0, Ordering::Release);
        StoreError::LeaseLost {
            table: self.url.table.clone(),
        }
    }

    /// Returns the lease, unless it has ended: it may then belong to another process.
    fn current(&self, writer: &mut Writer) -> Result<Lease, StoreError> {
        let lease = writer.lease.clone().filter(|_| self.is_held());
        lease.ok_or_else(|| self.lost(writer))
    }

    /// Writes the lease with a change, which renews it. If the answer is lost, the change is part of the
    /// next write.
    async fn write_lease(
        &self,
        writer: &mut Writer,
        change: impl FnOnce(&mut Lease),
    ) -> Result<(), StoreError> {
        let mut lease = self.current(writer)?;
        change(&mut lease);
        let mut pauses = RETRY_PAUSES.into_iter();
        loop {
            lease.beat += 1;
            writer.lease = Some(lease.clone());
            let expected = Expected::Epoch(lease.epoch);
            let before = (self.clock)();
            match self.table.write_lease(lease.clone(), expected).await {
                Ok(()) => {
                    self.hold(before);
                    return Ok(());
                }
                Err(TableError::Conflict) => {
                    self.observer.refused();
                    return Err(self.lost(writer));
                }
                Err(error) => self.pause(&error, &mut pauses).await?,
            }
            self.current(writer)?;
        }
    }

    /// Writes an item, and renews the lease if that takes long.
    async fn put(&self, writer: &mut Writer, item: Item) -> Result<(), StoreError> {
        let mut pauses = RETRY_PAUSES.into_iter();
        loop {
            self.current(writer)?;
            match self.table.put(item.clone()).await {
                Ok(()) => break,
                Err(TableError::Conflict) => {
                    self.observer.refused();
                    return Err(self.lost(writer));
                }
                Err(error) => self.pause(&error, &mut pauses).await?,
            }
        }
        if self.time_held() < self.lifetime / 2 {
            self.write_lease(writer, |_| {}).await?;
        }
        Ok(())
    }

    /// Waits before an operation is repeated, if that is of use.
    async fn pause(
        &self,
        error: &TableError,
        pauses: &mut impl Iterator<Item = Duration>,
    ) -> Result<(), StoreError> {
        let is_busy = matches!(error, TableError::Busy(_));
        match pauses.next().filter(|_| is_busy) {
            Some(pause) => {
                tokio::time::sleep(pause).await;
                Ok(())
            }
            None => Err(self.failed("write to", error)),
        }
    }

    /// Returns the lease, unless it has ended or is of another ownership than `term`.
    fn current_of(&self, writer: &mut Writer, term: Option<u64>) -> Result<Lease, StoreError> {
        let lease = self.current(writer)?;
        if term.is_some_and(|term| term != lease.epoch) {
            return Err(StoreError::LeaseLost {
                table: self.url.table.clone(),
            });
        }
        Ok(lease)
    }

    /// Writes changes, of the ownership `term` if that is given.
    async fn save(
        self: &Arc<Self>,
        changes: &PendingWrites,
        term: Option<u64>,
    ) -> Result<(), StoreError> {
        let rows = rows_of(changes).map_err(|error| self.encoded(&error))?;
        let pieces = pieces(rows).map_err(|error| self.encoded(&error))?;
        let mut writer = self.writer.lock().await;
        let mut lease = self.current_of(&mut writer, term)?;
        let number = u64::try_from(pieces.len()).unwrap_or(u64::MAX);
        if !lease.has_room(number) {
            drop(writer);
            self.compact().await?;
            writer = self.writer.lock().await;
            lease = self.current_of(&mut writer, term)?;
            if !lease.has_room(number) {
                let reason = "the log has no room for so many changes".to_owned();
                return Err(self.failed("write to", &TableError::Other(reason)));
            }
        }
        let bytes: usize = pieces.iter().map(Vec::len).sum();
        for (piece, value) in (lease.head + 1..).zip(pieces) {
            let item = log_item(lease.epoch, piece, value);
            self.put(&mut writer, item).await?;
        }
        // They are valid from here on, or, if this answer is lost, from the next write.
        let head = lease.head + number;
        writer.log_bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
        self.write_lease(&mut writer, |lease| lease.head = head)
            .await?;
        let is_due = writer.is_compaction_due() && (self.clock)() >= writer.no_snapshot_before;
        if is_due && self.compacting.try_lock().is_ok() {
            let shared = Arc::clone(self);
            tokio::spawn(async move { shared.write_snapshot().await });
        }
        Ok(())
    }

    async fn load(&self) -> Result<SavedState, StoreError> {
        let lease = self.current(&mut *self.writer.lock().await)?;
        let (saved, log_bytes) = self.read_state(&lease).await?;
        self.writer.lock().await.log_bytes += log_bytes;
        Ok(saved)
    }

    fn failed(&self, action: &'static str, error: &TableError) -> StoreError {
        StoreError::Table {
            action,
            table: self.url.table.clone(),
            hint: hint(error),
            detail: error.to_string(),
        }
    }

    fn encoded(&self, error: &FrameError) -> StoreError {
        self.failed("write to", &TableError::Other(error.to_string()))
    }

    fn damaged(&self, item: &str, detail: impl std::fmt::Display) -> StoreError {
        StoreError::DamagedItem {
            table: self.url.table.clone(),
            item: item.to_owned(),
            detail: detail.to_string(),
        }
    }
}

/// Returns what to do about an error.
fn hint(error: &TableError) -> &'static str {
    match error {
        TableError::Missing => {
            "create it with `aws-transfer-exporter storage init`, or with the Terraform module"
        }
        TableError::Busy(_) => "it is tried again",
        TableError::Conflict | TableError::Other(_) => {
            "the role needs the actions that docs/operate/high-availability.md lists"
        }
    }
}

impl Store for SharedStore {
    fn load(&self) -> StoreFuture<'_, SavedState> {
        Box::pin(self.0.load())
    }

    fn save(&self, changes: Arc<PendingWrites>) -> StoreFuture<'_, ()> {
        Box::pin(async move { self.0.save(&changes, None).await })
    }

    fn size(&self) -> Option<u64> {
        None
    }

    fn is_shared(&self) -> bool {
        true
    }
}

impl LeasedStore for SharedStore {
    fn term(&self, epoch: u64) -> Arc<dyn Store> {
        Arc::new(TermStore {
            shared: Arc::clone(&self.0),
            epoch,
        })
    }

    fn load_at_most(&self, transfers: usize) {
        let most = &self.0.most_transfers;
        most.store(transfers, Ordering::Relaxed);
    }

    fn acquire(&self) -> StoreFuture<'_, Acquisition> {
        Box::pin(self.0.take())
    }

    fn look(&self) -> StoreFuture<'_, LeaseState> {
        Box::pin(self.0.look())
    }

    fn renew(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.0.keep())
    }

    fn release(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.0.give_back())
    }

    fn time_held(&self) -> Duration {
        self.0.time_held()
    }

    fn lifetime(&self) -> Duration {
        self.0.lifetime
    }
}

/// Settings of a [`SharedStore`].
struct SharedStoreSettings {
    /// For how long a renewal of the lease holds.
    lifetime: Duration,
    /// The clock of the machine.
    clock: BootClock,
    /// How many transfers are loaded that the administrator has not named.
    most_transfers: usize,
    /// Counts what happens to the lease.
    observer: Arc<dyn LeaseObserver>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
