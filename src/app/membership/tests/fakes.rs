//! A network with faults, and what is behind it: inboxes, members and a queue.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use simulator::SplitMix64;
use tokio::time::{Instant, sleep};

use super::{LIFETIME, SECOND};
use crate::store::dynamodb::fake::{Fault, RequestFate};
use crate::store::{
    InboxContents, InboxDelivery, Inboxes, Letter, Members, StoreError, StoreFuture,
};
use model::{Fact, Shard};

/// How long a message is hidden once it was received.
const HIDDEN: Duration = Duration::from_secs(30);

/// Numbers from a seed.
#[derive(Clone)]
pub(super) struct Draw(Arc<Mutex<SplitMix64>>);

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(SplitMix64::new(seed))))
    }

    pub(super) fn below(&self, end: usize) -> usize {
        self.0.lock().unwrap().below(end)
    }

    pub(super) fn is(&self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn millis(&self, most: usize) -> Duration {
        Duration::from_millis(1 + self.below(most) as u64)
    }
}

/// What happens to the requests of a process.
#[derive(Clone)]
pub(super) struct Network {
    draw: Draw,
    has_faults: Arc<AtomicBool>,
    pub(super) is_cut_off: Arc<AtomicBool>,
}

impl Network {
    pub(super) fn new(draw: &Draw, has_faults: &Arc<AtomicBool>) -> Self {
        Self {
            draw: draw.clone(),
            has_faults: Arc::clone(has_faults),
            is_cut_off: Arc::default(),
        }
    }

    pub(super) fn fate(&self) -> RequestFate {
        let has_faults = self.has_faults.load(Ordering::Relaxed);
        let fault = match self.draw.below(60) {
            _ if self.is_cut_off.load(Ordering::Relaxed) => Some(Fault::Unreachable),
            0 if has_faults => Some(Fault::Busy),
            1 if has_faults => Some(Fault::LostAnswer),
            _ => None,
        };
        RequestFate {
            delay: (self.draw.millis(30), self.draw.millis(30)),
            fault,
        }
    }

    /// Does a request, even if the process ends.
    async fn request<T: Send + 'static>(
        &self,
        request: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let fate = self.fate();
        let task = async move {
            sleep(fate.delay.0).await;
            let lost = || StoreError::Table {
                action: "use",
                table: "state".into(),
                detail: "scripted".into(),
                hint: "none",
            };
            if matches!(fate.fault, Some(Fault::Busy | Fault::Unreachable)) {
                sleep(SECOND).await;
                return Err(lost());
            }
            let done = request();
            sleep(fate.delay.1).await;
            if fate.fault.is_some() {
                return Err(lost());
            }
            Ok(done)
        };
        tokio::spawn(task).await.unwrap()
    }
}

/// What is in the table beside the states of the shards.
#[derive(Default)]
pub(super) struct Rest {
    /// The inboxes, by shard and name.
    letters: BTreeMap<(u32, String), (Vec<Letter>, u8)>,
    /// The processes, and when each last showed that it works.
    members: BTreeMap<String, Instant>,
    pub(super) forwarded: usize,
}

#[derive(Clone)]
pub(super) struct FakeRest {
    rest: Arc<Mutex<Rest>>,
    network: Network,
    name: String,
    next: Arc<AtomicU64>,
}

impl FakeRest {
    pub(super) fn new(rest: &Arc<Mutex<Rest>>, network: &Network, name: String) -> Self {
        Self {
            rest: Arc::clone(rest),
            network: network.clone(),
            name,
            next: Arc::default(),
        }
    }
}

impl Inboxes for FakeRest {
    fn put<'a>(&'a self, shard: Shard, letters: &'a [Letter], hops: u8) -> StoreFuture<'a, ()> {
        let (rest, letters) = (Arc::clone(&self.rest), letters.to_vec());
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let name = format!("{:?}-{}-{number:06}", Instant::now(), self.name);
        Box::pin(self.network.request(move || {
            let mut rest = rest.lock().unwrap();
            rest.forwarded += letters.len();
            rest.letters.insert((shard.index(), name), (letters, hops));
        }))
    }

    fn first(&self, shard: Shard) -> StoreFuture<'_, InboxContents> {
        let rest = Arc::clone(&self.rest);
        Box::pin(self.network.request(move || {
            let rest = rest.lock().unwrap();
            let of_shard = rest
                .letters
                .iter()
                .filter(|((of, _), _)| *of == shard.index());
            let delivery = |((_, name), (letters, hops)): (&(u32, String), &(Vec<Letter>, u8))| {
                InboxDelivery {
                    name: name.clone(),
                    at: SystemTime::UNIX_EPOCH,
                    hops: *hops,
                    letters: letters.clone(),
                }
            };
            InboxContents {
                deliveries: of_shard.take(3).map(delivery).collect(),
                oldest_unreadable: None,
            }
        }))
    }

    fn remove<'a>(&'a self, shard: Shard, name: &'a str) -> StoreFuture<'a, ()> {
        let (rest, key) = (Arc::clone(&self.rest), (shard.index(), name.to_owned()));
        Box::pin(self.network.request(move || {
            rest.lock().unwrap().letters.remove(&key);
        }))
    }
}

impl Members for FakeRest {
    fn beat(&self) -> StoreFuture<'_, ()> {
        let (rest, name) = (Arc::clone(&self.rest), self.name.clone());
        Box::pin(self.network.request(move || {
            rest.lock().unwrap().members.insert(name, Instant::now());
        }))
    }

    fn others(&self) -> StoreFuture<'_, Vec<String>> {
        let (rest, own) = (Arc::clone(&self.rest), self.name.clone());
        Box::pin(self.network.request(move || {
            let rest = rest.lock().unwrap();
            let present =
                |(name, at): &(&String, &Instant)| at.elapsed() < LIFETIME && **name != own;
            let names = rest.members.iter().filter(present);
            names.map(|(name, _)| name.clone()).collect()
        }))
    }

    fn leave(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let (rest, name) = (Arc::clone(&self.rest), self.name.clone());
        let left = self.network.request(move || {
            rest.lock().unwrap().members.remove(&name);
        });
        Box::pin(async { drop(left.await) })
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// A queue that delivers at least once.
#[derive(Default)]
pub(super) struct Queue {
    pub(super) messages: VecDeque<(u64, Fact, Instant)>,
    next: u64,
}

impl Queue {
    pub(super) fn send(&mut self, fact: Fact) {
        self.messages.push_back((self.next, fact, Instant::now()));
        self.next += 1;
    }

    pub(super) fn receive(&mut self) -> Vec<(u64, Fact)> {
        let now = Instant::now();
        let visible = self.messages.iter_mut().filter(|(.., at)| *at <= now);
        let received = visible.take(4).map(|(id, fact, at)| {
            *at = now + HIDDEN;
            (*id, fact.clone())
        });
        received.collect()
    }
}
