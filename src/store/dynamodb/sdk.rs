//! The table by the AWS SDK.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::create_table::CreateTableError as CreateError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, ConsumedCapacity, KeySchemaElement, KeyType,
    ReturnConsumedCapacity, ScalarAttributeType, TableStatus,
};

use super::inboxes::SdkInboxes;
use super::lease::{Area, BootClock, Lease, StateSnapshot, boot_clock};
use super::members::SdkMembers;
use super::table::{Expected, Item, TableError, TableFuture, TablePartition, Version};
use super::{SharedStore, SharedStoreSettings, TableUrl};
use crate::config::AccountPlan;
use crate::store::{LeaseObserver, StoreOperation};
use crate::transfer::session::{SessionError, Sessions, TimeOuts};
use crate::transfer::{AttemptOutcome, classify_call};
use model::{AccountName, Shard};

/// The attributes of an item. `SHARD` and `RECORD` are the table's keys.
pub(super) const SHARD: &str = "shard";
pub(super) const RECORD: &str = "record";
const VERSION: &str = "version";
pub(super) const VALUE: &str = "value";
/// Those of the lease.
const OWNER: &str = "owner";
const EPOCH: &str = "epoch";
pub(super) const BEAT: &str = "beat";
pub(super) const LIFETIME: &str = "lifetime_ms";
const FORMAT: &str = "format";
const HEAD: &str = "log_head";
const SNAPSHOT_AREA: &str = "snapshot_area";
const SNAPSHOT_VERSION: &str = "snapshot_version";
const SNAPSHOT_ITEMS: &str = "snapshot_items";
const SNAPSHOT_BYTES: &str = "snapshot_bytes";
/// The sort key of the lease.
const LEASE: &str = "lease";

/// How long a new table takes at most.
const CREATION_TIMEOUT: Duration = Duration::from_mins(2);

pub(super) type Attributes = HashMap<String, AttributeValue>;

/// A partition of a table.
#[derive(Clone)]
pub(super) struct Partition {
    pub(super) client: Client,
    pub(super) table: String,
    /// Its key.
    pub(super) name: String,
    observer: Arc<dyn LeaseObserver>,
}

impl Partition {
    /// Counts what DynamoDB has charged.
    pub(super) fn count(&self, operation: StoreOperation, capacity: Option<&ConsumedCapacity>) {
        if let Some(units) = capacity.and_then(ConsumedCapacity::capacity_units) {
            self.observer.consumed(operation, units);
        }
    }

    /// Returns the key of an item.
    pub(super) fn key(&self, record: &str) -> Attributes {
        [
            (SHARD.to_owned(), text(&self.name)),
            (RECORD.to_owned(), text(record)),
        ]
        .into()
    }
}

/// A table, and the process that uses it.
pub struct SharedTable {
    client: Client,
    url: TableUrl,
    process: String,
    lifetime: Duration,
    clock: BootClock,
}

impl SharedTable {
    /// Creates the client of a table. Makes no call to DynamoDB. `process` is the name of this process, which
    /// no other has; a renewal of a lease holds for `lifetime`.
    ///
    /// # Errors
    /// The settings of the environment or the profile cannot be used.
    pub async fn connect(
        url: &TableUrl,
        process: String,
        lifetime: Duration,
    ) -> Result<Self, SessionError> {
        Ok(Self {
            // A renewal has to end before the next one.
            client: client(url, lifetime / 3).await?,
            url: url.clone(),
            process,
            lifetime,
            clock: boot_clock(),
        })
    }

    fn partition(&self, name: &str, observer: Arc<dyn LeaseObserver>) -> Partition {
        Partition {
            client: self.client.clone(),
            table: self.url.table.clone(),
            name: format!("{}{name}", self.url.prefix),
            observer,
        }
    }

    /// Returns the stored state of a shard. Of the transfers that the administrator has not named, at most
    /// `most_transfers` are loaded.
    pub fn state(
        &self,
        shard: Shard,
        most_transfers: usize,
        observer: Arc<dyn LeaseObserver>,
    ) -> SharedStore {
        let name = format!("shard-{}", shard.index());
        let table = SdkTable(self.partition(&name, Arc::clone(&observer)));
        let settings = SharedStoreSettings {
            lifetime: self.lifetime,
            clock: Arc::clone(&self.clock),
            most_transfers,
            observer,
        };
        let (url, process) = (self.url.clone(), self.process.clone());
        SharedStore::new(Box::new(table), url, process, settings)
    }

    /// Returns the inboxes of shards with these observers, by index.
    pub fn inboxes(&self, observers: Vec<Arc<dyn LeaseObserver>>) -> Arc<SdkInboxes> {
        let partitions = (0..)
            .zip(observers)
            .map(|(index, observer): (u32, _)| self.partition(&format!("inbox-{index}"), observer));
        SdkInboxes::new(partitions.collect(), self.process.clone())
    }

    /// Returns the processes that share the shards.
    pub fn members(&self, observer: Arc<dyn LeaseObserver>) -> Arc<SdkMembers> {
        let partition = self.partition("members", observer);
        let (process, clock) = (self.process.clone(), Arc::clone(&self.clock));
        SdkMembers::new(partition, process, self.lifetime, clock)
    }
}

/// The partition of a shard.
struct SdkTable(Partition);

async fn client(url: &TableUrl, budget: Duration) -> Result<Client, SessionError> {
    let account = AccountPlan {
        name: AccountName::new("--storage.url"),
        region: url.region.clone(),
        ..AccountPlan::default()
    };
    let session = Sessions::new(TimeOuts::within(budget), None)
        .open(&account)
        .await?;
    let mut config = Builder::from(session.base.sdk_config());
    if let Some(endpoint) = &url.endpoint {
        config = config
            .endpoint_url(endpoint)
            .use_fips(false)
            .use_dual_stack(false);
    }
    Ok(Client::from_conf(config.build()))
}

pub(super) fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(super) fn number(number: impl Into<u128>) -> AttributeValue {
    AttributeValue::N(number.into().to_string())
}

pub(super) fn read_number<T: std::str::FromStr>(item: &Attributes, name: &str) -> Option<T> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// Returns a version as text that is ordered as versions are.
fn version_text(version: Version) -> String {
    format!("{:016x}-{:016x}", version.epoch, version.number)
}

fn read_version(item: &Attributes, name: &str) -> Option<Version> {
    let text = item.get(name)?.as_s().ok()?;
    let (epoch, number) = text.split_once('-')?;
    Some(Version {
        epoch: u64::from_str_radix(epoch, 16).ok()?,
        number: u64::from_str_radix(number, 16).ok()?,
    })
}

fn lease_attributes(lease: &Lease) -> Attributes {
    let mut attributes = vec![
        (OWNER, text(&lease.owner)),
        (EPOCH, number(lease.epoch)),
        (BEAT, number(lease.beat)),
        (LIFETIME, number(lease.lifetime.as_millis())),
        (FORMAT, number(lease.format)),
        (HEAD, number(lease.head)),
    ];
    if let Some(base) = lease.base {
        attributes.extend([
            (SNAPSHOT_AREA, text(base.area.as_str())),
            (SNAPSHOT_VERSION, text(version_text(base.version))),
            (SNAPSHOT_ITEMS, number(base.items)),
            (SNAPSHOT_BYTES, number(base.bytes)),
        ]);
    }
    let named = attributes.into_iter();
    named
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn read_lease(item: &Attributes) -> Option<Lease> {
    let base = match item.get(SNAPSHOT_AREA) {
        None => None,
        Some(area) => Some(StateSnapshot {
            area: [Area::A, Area::B]
                .into_iter()
                .find(|known| area.as_s().is_ok_and(|area| area == known.as_str()))?,
            version: read_version(item, SNAPSHOT_VERSION)?,
            items: read_number(item, SNAPSHOT_ITEMS)?,
            bytes: read_number(item, SNAPSHOT_BYTES)?,
        }),
    };
    Some(Lease {
        owner: item.get(OWNER)?.as_s().ok()?.clone(),
        epoch: read_number(item, EPOCH)?,
        beat: read_number(item, BEAT)?,
        lifetime: Duration::from_millis(read_number(item, LIFETIME)?),
        format: read_number(item, FORMAT)?,
        head: read_number(item, HEAD)?,
        base,
    })
}

fn read_item(mut item: Attributes) -> Option<Item> {
    let version = read_version(&item, VERSION)?;
    let AttributeValue::B(value) = item.remove(VALUE)? else {
        return None;
    };
    let AttributeValue::S(name) = item.remove(RECORD)? else {
        return None;
    };
    Some(Item {
        name,
        version,
        value: value.into_inner(),
    })
}

/// Converts the error of a call.
pub(super) fn failed<E: ProvideErrorMetadata + StdError + 'static>(
    error: &SdkError<E>,
) -> TableError {
    let code = error.as_service_error().and_then(|error| error.code());
    match code {
        Some("ConditionalCheckFailedException") => return TableError::Conflict,
        Some("ResourceNotFoundException") => return TableError::Missing,
        _ => {}
    }
    let error = classify_call(error);
    match error.kind.outcome() {
        AttemptOutcome::Throttled | AttemptOutcome::ServerError | AttemptOutcome::Timeout => {
            TableError::Busy(error.to_string())
        }
        AttemptOutcome::Network => TableError::Busy(error.to_string()),
        _ => TableError::Other(error.to_string()),
    }
}

impl TablePartition for SdkTable {
    fn lease(&self) -> TableFuture<'_, Option<Lease>> {
        Box::pin(async {
            let call = self
                .0
                .client
                .get_item()
                .table_name(&self.0.table)
                .set_key(Some(self.0.key(LEASE)))
                .consistent_read(true)
                .return_consumed_capacity(ReturnConsumedCapacity::Total);
            let output = call.send().await.map_err(|error| failed(&error))?;
            self.0
                .count(StoreOperation::Read, output.consumed_capacity());
            let Some(item) = output.item else {
                return Ok(None);
            };
            let damaged = || TableError::Other("the item `lease` is damaged".to_owned());
            read_lease(&item).ok_or_else(damaged).map(Some)
        })
    }

    fn write_lease(&self, lease: Lease, expected: Expected) -> TableFuture<'_, ()> {
        Box::pin(async move {
            let beat_of_write = lease.beat;
            let mut item = lease_attributes(&lease);
            item.extend(self.0.key(LEASE));
            let put = self
                .0
                .client
                .put_item()
                .table_name(&self.0.table)
                .set_item(Some(item))
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .expression_attribute_names("#epoch", EPOCH);
            let put = match expected {
                Expected::Absent => put.condition_expression("attribute_not_exists(#epoch)"),
                Expected::Epoch(epoch) => put
                    // A retry has the same beat. One that was given up, and arrives late, has less.
                    .condition_expression("#epoch = :epoch AND #beat <= :beat")
                    .expression_attribute_names("#beat", BEAT)
                    .expression_attribute_values(":epoch", number(epoch))
                    .expression_attribute_values(":beat", number(beat_of_write)),
                Expected::Unchanged { epoch, beat } => put
                    .condition_expression("#epoch = :epoch AND #beat = :beat")
                    .expression_attribute_names("#beat", BEAT)
                    .expression_attribute_values(":epoch", number(epoch))
                    .expression_attribute_values(":beat", number(beat)),
            };
            let written = put.send().await.map_err(|error| failed(&error))?;
            self.0
                .count(StoreOperation::Write, written.consumed_capacity());
            Ok(())
        })
    }

    fn put(&self, item: Item) -> TableFuture<'_, ()> {
        Box::pin(async move {
            let version = text(version_text(item.version));
            let mut attributes = self.0.key(&item.name);
            attributes.insert(VERSION.to_owned(), version.clone());
            let value = AttributeValue::B(Blob::new(item.value));
            attributes.insert(VALUE.to_owned(), value);
            let put = self
                .0
                .client
                .put_item()
                .table_name(&self.0.table)
                .set_item(Some(attributes))
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .condition_expression("attribute_not_exists(#version) OR #version <= :version")
                .expression_attribute_names("#version", VERSION)
                .expression_attribute_values(":version", version);
            let written = put.send().await.map_err(|error| failed(&error))?;
            self.0
                .count(StoreOperation::Write, written.consumed_capacity());
            Ok(())
        })
    }

    fn items(&self, first: String, last: String) -> TableFuture<'_, Vec<Item>> {
        Box::pin(async move {
            let query = self
                .0
                .client
                .query()
                .table_name(&self.0.table)
                .consistent_read(true)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .key_condition_expression("#shard = :shard AND #record BETWEEN :first AND :last")
                .expression_attribute_names("#shard", SHARD)
                .expression_attribute_names("#record", RECORD)
                .expression_attribute_values(":shard", text(&self.0.name))
                .expression_attribute_values(":first", text(first))
                .expression_attribute_values(":last", text(last));
            let output = query.send().await.map_err(|error| failed(&error))?;
            self.0
                .count(StoreOperation::Read, output.consumed_capacity());
            let items = output.items.unwrap_or_default().into_iter();
            let damaged = || TableError::Other("an item is damaged".to_owned());
            items
                .map(|item| read_item(item).ok_or_else(damaged))
                .collect()
        })
    }
}

/// Why a table could not be created.
#[derive(Debug, thiserror::Error)]
pub enum CreateTableError {
    /// The settings of the environment or the profile cannot be used.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The call failed.
    #[error("failed to create the table `{table}`: {detail}")]
    Failed {
        /// The table.
        table: String,
        /// The reason.
        detail: String,
    },
}

/// Creates a table that is paid by request, and waits until it can be used. Returns false if it exists.
///
/// # Errors
/// See [`CreateTableError`].
pub async fn create_table(url: &TableUrl) -> Result<bool, CreateTableError> {
    let failed = |detail: String| CreateTableError::Failed {
        table: url.table.clone(),
        detail,
    };
    let client = client(url, Duration::from_secs(30)).await?;
    let attribute = |name| {
        AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S)
            .build()
    };
    let key = |name, kind| {
        KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(kind)
            .build()
    };
    let built = |error: BuildError| failed(error.to_string());
    let call = client
        .create_table()
        .table_name(&url.table)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute(SHARD).map_err(built)?)
        .attribute_definitions(attribute(RECORD).map_err(built)?)
        .key_schema(key(SHARD, KeyType::Hash).map_err(built)?)
        .key_schema(key(RECORD, KeyType::Range).map_err(built)?);
    let is_new = match call.send().await {
        Ok(_) => true,
        Err(error) if is_in_use(&error) => false,
        Err(error) => return Err(failed(classify_call(&error).to_string())),
    };
    let start = tokio::time::Instant::now();
    loop {
        let described = client.describe_table().table_name(&url.table).send().await;
        let described = described.map_err(|error| failed(classify_call(&error).to_string()))?;
        let table = described
            .table
            .unwrap_or_else(|| aws_sdk_dynamodb::types::TableDescription::builder().build());
        if table.table_status == Some(TableStatus::Active) {
            let keys: Vec<_> = table
                .key_schema()
                .iter()
                .map(|key| &*key.attribute_name)
                .collect();
            return if keys == [SHARD, RECORD] {
                Ok(is_new)
            } else {
                let keys = keys.join("`, `");
                Err(failed(format!(
                    "it exists with the keys `{keys}` in place of `{SHARD}`, `{RECORD}`"
                )))
            };
        }
        if start.elapsed() > CREATION_TIMEOUT {
            return Err(failed("it is not active yet".to_owned()));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn is_in_use(error: &SdkError<CreateError>) -> bool {
    let error = error.as_service_error();
    error.is_some_and(CreateError::is_resource_in_use_exception)
}
