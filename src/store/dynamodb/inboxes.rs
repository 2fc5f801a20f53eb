//! The inboxes of the shards: for each delivery an item, in a partition for each shard.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use tracing::error;

use super::letters::{decode, values_of};
use super::sdk::{Attributes, Partition, RECORD, SHARD, VALUE, failed, text};
use super::table::TableError;
use super::{hint, lock};
use crate::store::{
    InboxContents, InboxDelivery, Inboxes, Letter, StoreError, StoreFuture, StoreOperation,
};
use model::Shard;

/// Deliveries of a page.
const MOST: i32 = 100;
/// Pages that are read at a time, if nothing on those before can be read.
const MOST_PAGES: usize = 20;

/// The inboxes of a table.
pub struct SdkInboxes {
    /// By the index of the shard.
    partitions: Vec<Partition>,
    process: String,
    next: AtomicU64,
    /// Damaged deliveries that were logged.
    logged: Mutex<BTreeSet<String>>,
}

/// Returns the name of a delivery. Names are ordered by time, and those of a process by number.
fn name_of(at: SystemTime, process: &str, number: u64) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:013x}-{process}-{number:08x}", since.as_millis())
}

/// Returns the time in the name of a delivery.
fn time_of(name: &str) -> Option<SystemTime> {
    let (millis, _) = name.split_once('-')?;
    let millis = u64::from_str_radix(millis, 16).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_millis(millis))
}

impl SdkInboxes {
    pub(super) fn new(partitions: Vec<Partition>, process: String) -> Arc<Self> {
        Arc::new(Self {
            partitions,
            process,
            next: AtomicU64::new(0),
            logged: Mutex::default(),
        })
    }

    fn partition(&self, shard: Shard) -> Result<&Partition, StoreError> {
        let index = usize::try_from(shard.index()).unwrap_or(usize::MAX);
        self.partitions.get(index).ok_or_else(|| StoreError::Table {
            action: "use",
            table: String::new(),
            hint: "this is a bug",
            detail: format!("there is no inbox of shard {shard}"),
        })
    }

    async fn put_letters(
        &self,
        shard: Shard,
        letters: &[Letter],
        hops: u8,
    ) -> Result<(), StoreError> {
        let partition = self.partition(shard)?;
        let values = values_of(letters, hops).map_err(|error| {
            let error = TableError::Other(error.to_string());
            failure(partition, "write to", &error)
        })?;
        for value in values {
            self.put_item(partition, value).await?;
        }
        Ok(())
    }

    async fn put_item(&self, partition: &Partition, value: Vec<u8>) -> Result<(), StoreError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let name = name_of(SystemTime::now(), &self.process, number);
        let mut item = partition.key(&name);
        item.insert(VALUE.to_owned(), AttributeValue::B(Blob::new(value)));
        let put = partition.client.put_item();
        let put = put
            .table_name(&partition.table)
            .set_item(Some(item))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send();
        let written = put
            .await
            .map_err(|error| failure(partition, "write to", &failed(&error)))?;
        partition.count(StoreOperation::Write, written.consumed_capacity());
        Ok(())
    }

    async fn read_first(&self, shard: Shard) -> Result<InboxContents, StoreError> {
        let mut contents = InboxContents::default();
        let mut start = None;
        // Behind what cannot be read there may be more.
        for _ in 0..MOST_PAGES {
            start = self.read_page(shard, start, &mut contents).await?;
            if start.is_none() || !contents.deliveries.is_empty() {
                break;
            }
        }
        Ok(contents)
    }

    /// Adds a page. Returns where the next one starts.
    async fn read_page(
        &self,
        shard: Shard,
        start: Option<Attributes>,
        contents: &mut InboxContents,
    ) -> Result<Option<Attributes>, StoreError> {
        let partition = self.partition(shard)?;
        let query = partition.client.query();
        let query = query
            .table_name(&partition.table)
            .limit(MOST)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .key_condition_expression("#shard = :shard")
            .expression_attribute_names("#shard", SHARD)
            .expression_attribute_values(":shard", text(&partition.name))
            .set_exclusive_start_key(start)
            .send();
        let output = query
            .await
            .map_err(|error| failure(partition, "read", &failed(&error)))?;
        partition.count(StoreOperation::Read, output.consumed_capacity());
        for mut item in output.items.unwrap_or_default() {
            let Some(AttributeValue::S(name)) = item.remove(RECORD) else {
                continue;
            };
            let at = time_of(&name).unwrap_or(UNIX_EPOCH);
            let decoded = match item.get(VALUE) {
                Some(AttributeValue::B(value)) => decode(value.as_ref()),
                _ => decode(&[]),
            };
            match decoded {
                Ok((letters, hops)) => contents.deliveries.push(InboxDelivery {
                    name,
                    at,
                    hops,
                    letters,
                }),
                // It stays: a newer release may read it.
                Err(error) => {
                    contents.oldest_unreadable = Some(
                        contents
                            .oldest_unreadable
                            .map_or(at, |oldest: SystemTime| oldest.min(at)),
                    );
                    if lock(&self.logged).insert(name.clone()) {
                        error!(
                            event = "delivery_unreadable",
                            shard = shard.index(),
                            item = name,
                            %error,
                            "failed to read an item of the inbox, leaving it there"
                        );
                    }
                }
            }
        }
        Ok(output.last_evaluated_key)
    }

    async fn remove_item(&self, shard: Shard, name: &str) -> Result<(), StoreError> {
        let partition = self.partition(shard)?;
        let delete = partition.client.delete_item();
        let delete = delete
            .table_name(&partition.table)
            .set_key(Some(partition.key(name)))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send();
        let deleted = delete
            .await
            .map_err(|error| failure(partition, "write to", &failed(&error)))?;
        partition.count(StoreOperation::Write, deleted.consumed_capacity());
        Ok(())
    }
}

fn failure(partition: &Partition, action: &'static str, error: &TableError) -> StoreError {
    StoreError::Table {
        action,
        table: partition.table.clone(),
        hint: hint(error),
        detail: error.to_string(),
    }
}

impl Inboxes for SdkInboxes {
    fn put<'a>(&'a self, shard: Shard, letters: &'a [Letter], hops: u8) -> StoreFuture<'a, ()> {
        Box::pin(self.put_letters(shard, letters, hops))
    }

    fn first(&self, shard: Shard) -> StoreFuture<'_, InboxContents> {
        Box::pin(self.read_first(shard))
    }

    fn remove<'a>(&'a self, shard: Shard, name: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(self.remove_item(shard, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ordered_by_time_and_number() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let names = [
            name_of(at(9), "z", 500),
            name_of(at(1_800_000_000), "b", 1),
            name_of(at(1_800_000_000), "b", 16),
            name_of(at(1_800_000_001), "a", 0),
            // The year 2200.
            name_of(at(7_258_118_400), "a", 0),
        ];
        assert!(names.is_sorted(), "{names:?}");
        assert_eq!(time_of(&names[1]), Some(at(1_800_000_000)));
        assert_eq!(time_of("x"), None);
    }
}
