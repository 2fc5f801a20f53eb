//! DynamoDB in memory, with conditions and faults. Several stores may use one table.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::lease::{BootClock, Lease};
use super::table::{Expected, Item, TableError, TableFuture, TablePartition};
use super::{SharedStore, SharedStoreSettings};
use crate::store::Unobserved;

/// What happens to a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestFate {
    /// Until it is done, and from then until the answer.
    pub(crate) delay: (Duration, Duration),
    pub(crate) fault: Option<Fault>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is not done, and refused.
    Busy,
    /// It is done, and the answer is lost.
    LostAnswer,
    /// It does not arrive.
    Unreachable,
}

#[derive(Default)]
struct Contents {
    lease: Option<Lease>,
    items: BTreeMap<String, Item>,
    writes: u64,
    exists: bool,
}

/// What a request does, with the name of the item that it writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    ReadLease,
    WriteLease,
    Put(String),
    ReadItems,
}

type DrawFate = Box<dyn Fn(&Request) -> RequestFate + Send + Sync>;

/// A table as one process sees it.
#[derive(Clone)]
pub(crate) struct FakeTable {
    contents: Arc<Mutex<Contents>>,
    fate: Arc<DrawFate>,
    page: usize,
}

impl FakeTable {
    pub(crate) fn new() -> Self {
        let contents = Contents {
            exists: true,
            ..Contents::default()
        };
        Self {
            contents: Arc::new(Mutex::new(contents)),
            fate: Arc::new(Box::new(|_| RequestFate::default())),
            page: 7,
        }
    }

    /// Returns the same table, with other faults on the way.
    pub(crate) fn with_fates(
        &self,
        fate: impl Fn(&Request) -> RequestFate + Send + Sync + 'static,
    ) -> Self {
        Self {
            fate: Arc::new(Box::new(fate)),
            ..self.clone()
        }
    }

    /// Returns the same table, whose pages have more items.
    pub(super) fn with_pages_of(self, page: usize) -> Self {
        Self { page, ..self }
    }

    pub(super) fn lease_now(&self) -> Option<Lease> {
        self.contents.lock().unwrap().lease.clone()
    }

    pub(super) fn set_lease(&self, change: impl FnOnce(&mut Lease)) {
        change(self.contents.lock().unwrap().lease.as_mut().unwrap());
    }

    pub(super) fn items_now(&self) -> BTreeMap<String, Item> {
        self.contents.lock().unwrap().items.clone()
    }

    pub(super) fn set_item(&self, name: &str, change: impl FnOnce(&mut Item)) {
        change(self.contents.lock().unwrap().items.get_mut(name).unwrap());
    }

    pub(super) fn drop_item(&self, name: &str) {
        self.contents.lock().unwrap().items.remove(name).unwrap();
    }

    /// Returns the number of writes that were done.
    pub(super) fn writes(&self) -> u64 {
        self.contents.lock().unwrap().writes
    }

    pub(super) fn delete(&self) {
        *self.contents.lock().unwrap() = Contents::default();
    }

    /// Does a request in a task of its own: a process that is paused or gone does not stop it.
    fn request<T: Send + 'static>(
        &self,
        kind: &Request,
        request: impl FnOnce(&mut Contents) -> Result<T, TableError> + Send + 'static,
    ) -> TableFuture<'_, T> {
        let fate = (self.fate)(kind);
        let contents = Arc::clone(&self.contents);
        let task = async move {
            tokio::time::sleep(fate.delay.0).await;
            let busy = || TableError::Busy("busy".to_owned());
            match fate.fault {
                Some(Fault::Busy) => return Err(busy()),
                Some(Fault::Unreachable) => {
                    tokio::time::sleep(Duration::from_secs(4)).await;
                    return Err(busy());
                }
                Some(Fault::LostAnswer) | None => {}
            }
            let done = {
                let mut contents = contents.lock().unwrap();
                if contents.exists {
                    request(&mut contents)
                } else {
                    Err(TableError::Missing)
                }
            };
            tokio::time::sleep(fate.delay.1).await;
            if fate.fault == Some(Fault::LostAnswer) {
                tokio::time::sleep(Duration::from_secs(2)).await;
                return Err(busy());
            }
            done
        };
        Box::pin(async move { tokio::spawn(task).await.unwrap() })
    }
}

impl Contents {
    fn admits(&self, write: &Lease, expected: Expected) -> bool {
        match (&self.lease, expected) {
            (None, Expected::Absent) => true,
            (Some(lease), Expected::Epoch(epoch)) => {
                lease.epoch == epoch && lease.beat <= write.beat
            }
            (Some(lease), Expected::Unchanged { epoch, beat }) => {
                (lease.epoch, lease.beat) == (epoch, beat)
            }
            _ => false,
        }
    }
}

impl TablePartition for FakeTable {
    fn lease(&self) -> TableFuture<'_, Option<Lease>> {
        self.request(&Request::ReadLease, |contents| Ok(contents.lease.clone()))
    }

    fn write_lease(&self, lease: Lease, expected: Expected) -> TableFuture<'_, ()> {
        self.request(&Request::WriteLease, move |contents| {
            if !contents.admits(&lease, expected) {
                return Err(TableError::Conflict);
            }
            contents.lease = Some(lease);
            contents.writes += 1;
            Ok(())
        })
    }

    fn put(&self, item: Item) -> TableFuture<'_, ()> {
        let kind = Request::Put(item.name.clone());
        self.request(&kind, move |contents| {
            assert!(item.value.len() < 390 << 10 && item.name.len() <= 1_024);
            let known = contents.items.get(&item.name);
            if known.is_some_and(|known| known.version > item.version) {
                return Err(TableError::Conflict);
            }
            contents.items.insert(item.name.clone(), item);
            contents.writes += 1;
            Ok(())
        })
    }

    fn items(&self, first: String, last: String) -> TableFuture<'_, Vec<Item>> {
        let most = self.page;
        self.request(&Request::ReadItems, move |contents| {
            let items = contents.items.range(first..=last).take(most);
            Ok(items.map(|(_, item)| item.clone()).collect())
        })
    }
}

/// Returns the store of a process in a table.
pub(crate) fn store(
    table: &FakeTable,
    process: &str,
    clock: BootClock,
    lifetime: Duration,
) -> SharedStore {
    let settings = SharedStoreSettings {
        lifetime,
        clock,
        most_transfers: usize::MAX,
        observer: Arc::new(Unobserved),
    };
    let url = "dynamodb://state".parse().unwrap();
    SharedStore::new(Box::new(table.clone()), url, process.to_owned(), settings)
}
