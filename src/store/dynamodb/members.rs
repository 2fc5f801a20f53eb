//! The processes that share the shards of a table. Each has an item, whose number it increments.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};

use super::lease::{BootClock, MARGIN};
use super::sdk::{BEAT, LIFETIME, Partition, RECORD, SHARD, failed, number, read_number, text};
use super::table::TableError;
use super::{hint, lock};
use crate::store::{Members, StoreError, StoreFuture, StoreOperation};

/// An item of a process that has been silent for so many lifetimes is removed.
const FORGOTTEN_AFTER: u32 = 20;

/// What was last seen of each process.
#[derive(Default)]
struct MemberWatch(BTreeMap<String, Seen>);

#[derive(Clone, Copy)]
struct Seen {
    beat: u64,
    /// When the number was first seen.
    since: Duration,
    lifetime: Duration,
}

impl MemberWatch {
    /// Notes the items as an answer had them that was received at `now`. Returns the names of those that may
    /// be working, and of those that are forgotten.
    fn note(
        &mut self,
        items: &BTreeMap<String, (u64, Duration)>,
        now: Duration,
    ) -> (Vec<String>, Vec<String>) {
        self.0.retain(|name, _| items.contains_key(name));
        let (mut present, mut forgotten) = (Vec::new(), Vec::new());
        for (name, (beat, lifetime)) in items {
            let seen = self.0.entry(name.clone()).or_insert(Seen {
                beat: *beat,
                since: now,
                lifetime: *lifetime,
            });
            if seen.beat != *beat {
                *seen = Seen {
                    beat: *beat,
                    since: now,
                    lifetime: *lifetime,
                };
            }
            let silent = now.saturating_sub(seen.since);
            if silent < seen.lifetime + seen.lifetime / MARGIN {
                present.push(name.clone());
            } else if silent >= seen.lifetime * FORGOTTEN_AFTER {
                forgotten.push(name.clone());
            }
        }
        (present, forgotten)
    }
}

/// The processes of a table.
pub struct SdkMembers {
    pub(super) partition: Partition,
    pub(super) process: String,
    pub(super) lifetime: Duration,
    pub(super) clock: BootClock,
    beat: AtomicU64,
    watch: Mutex<MemberWatch>,
}

impl SdkMembers {
    pub(super) fn new(
        partition: Partition,
        process: String,
        lifetime: Duration,
        clock: BootClock,
    ) -> Arc<Self> {
        Arc::new(Self {
            partition,
            process,
            lifetime,
            clock,
            beat: AtomicU64::new(0),
            watch: Mutex::default(),
        })
    }

    fn failed(&self, action: &'static str, error: &TableError) -> StoreError {
        StoreError::Table {
            action,
            table: self.partition.table.clone(),
            hint: hint(error),
            detail: error.to_string(),
        }
    }

    async fn write_beat(&self) -> Result<(), StoreError> {
        let beat = self.beat.fetch_add(1, Ordering::Relaxed) + 1;
        let mut item = self.partition.key(&self.process);
        item.insert(BEAT.to_owned(), number(beat));
        item.insert(LIFETIME.to_owned(), number(self.lifetime.as_millis()));
        let put = self.partition.client.put_item();
        let put = put
            .table_name(&self.partition.table)
            .set_item(Some(item))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send();
        let written = put
            .await
            .map_err(|error| self.failed("write to", &failed(&error)))?;
        self.partition
            .count(StoreOperation::Write, written.consumed_capacity());
        Ok(())
    }

    async fn read_items(&self) -> Result<BTreeMap<String, (u64, Duration)>, StoreError> {
        let mut items = BTreeMap::new();
        let mut start = None;
        loop {
            let query = self.partition.client.query();
            let query = query
                .table_name(&self.partition.table)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .key_condition_expression("#shard = :shard")
                .expression_attribute_names("#shard", SHARD)
                .expression_attribute_values(":shard", text(&self.partition.name))
                .set_exclusive_start_key(start)
                .send();
            let output = query
                .await
                .map_err(|error| self.failed("read", &failed(&error)))?;
            self.partition
                .count(StoreOperation::Read, output.consumed_capacity());
            for item in output.items.unwrap_or_default() {
                // Of an item that is damaged, nothing shows that a process works.
                let Some(AttributeValue::S(name)) = item.get(RECORD) else {
                    continue;
                };
                let beat = read_number(&item, BEAT);
                let lifetime = read_number(&item, LIFETIME).map(Duration::from_millis);
                if let Some(member) = beat.zip(lifetime).filter(|_| *name != self.process) {
                    items.insert(name.clone(), member);
                }
            }
            start = output.last_evaluated_key;
            if start.is_none() {
                return Ok(items);
            }
        }
    }

    /// Removes an item. What goes wrong is of no interest: it takes little room.
    async fn remove(&self, name: &str) {
        let delete = self.partition.client.delete_item();
        let delete = delete
            .table_name(&self.partition.table)
            .set_key(Some(self.partition.key(name)))
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        if let Ok(deleted) = delete.send().await {
            self.partition
                .count(StoreOperation::Write, deleted.consumed_capacity());
        }
    }
}

impl Members for SdkMembers {
    fn beat(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.write_beat())
    }

    fn others(&self) -> StoreFuture<'_, Vec<String>> {
        Box::pin(async {
            let items = self.read_items().await?;
            let now = (self.clock)();
            let (present, forgotten) = lock(&self.watch).note(&items, now);
            for name in forgotten {
                self.remove(&name).await;
            }
            Ok(present)
        })
    }

    fn leave(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.remove(&self.process))
    }

    fn name(&self) -> &str {
        &self.process
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn items(beats: &[(&str, u64)]) -> BTreeMap<String, (u64, Duration)> {
        let item = |(name, beat): &(&str, u64)| ((*name).to_owned(), (*beat, 10 * SECOND));
        beats.iter().map(item).collect()
    }

    #[test]
    fn a_process_is_there_until_it_was_silent_for_its_lifetime() {
        let mut watch = MemberWatch::default();
        let mut present = |beats: &[(&str, u64)], at: u32| watch.note(&items(beats), at * SECOND).0;
        let both = [("a", 1), ("b", 7)];
        assert_eq!(present(&both, 100), ["a", "b"], "however old they are");
        assert_eq!(present(&[("a", 2), ("b", 7)], 109), ["a", "b"]);
        assert_eq!(present(&[("a", 2), ("b", 7)], 111), ["a"]);
        assert_eq!(present(&[("a", 3)], 112), ["a"]);
        assert_eq!(present(&both, 113), ["a", "b"], "it is back");
        let none: [&str; 0] = [];
        assert_eq!(present(&[], 114), none);
    }

    #[test]
    fn a_process_that_was_silent_for_long_is_forgotten() {
        let mut watch = MemberWatch::default();
        let mut forgotten = |at: u32| watch.note(&items(&[("a", 1)]), at * SECOND).1;
        assert!(forgotten(0).is_empty());
        assert!(forgotten(199).is_empty());
        assert_eq!(forgotten(200), ["a"]);
    }
}
