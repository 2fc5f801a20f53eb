//! AWS account IDs of the configured accounts, by which events of a queue are routed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::OnceCell;
use tracing::{info, warn};

use super::backoff::Backoff;
use super::message::AccountRoute;
use crate::transfer::IdentityApi;
use model::{Account, AccountName};

/// How long a queue waits for account IDs before its first receive.
const FIRST_ATTEMPT: Duration = Duration::from_secs(5);

/// The AWS account ID of a configured account.
pub struct AccountId {
    id: OnceCell<Arc<str>>,
    /// Resolves the ID; `None` if it is configured.
    api: Option<Arc<dyn IdentityApi>>,
    /// Whether a failure was logged.
    failed: AtomicBool,
}

impl AccountId {
    /// Creates an ID that is known from the configuration.
    pub fn known(id: &str) -> Self {
        Self {
            id: OnceCell::new_with(Some(id.into())),
            api: None,
            failed: AtomicBool::new(false),
        }
    }

    /// Creates an ID that `api` resolves, once.
    pub fn unresolved(api: Arc<dyn IdentityApi>) -> Self {
        Self {
            id: OnceCell::new(),
            api: Some(api),
            failed: AtomicBool::new(false),
        }
    }

    /// Tries to resolve the ID and returns whether it is known. Concurrent callers share one call.
    async fn resolve(&self, account: &AccountName) -> bool {
        let Some(api) = &self.api else {
            return true;
        };
        let result = self
            .id
            .get_or_try_init(|| async { api.account_id().await.map(Arc::from) })
            .await;
        match result {
            Ok(id) => {
                if self.failed.swap(false, Ordering::Relaxed) {
                    info!(
                        event = "account_id_resolved",
                        aws_account = %account,
                        account_id = %id,
                        "resolved AWS account ID"
                    );
                }
                true
            }
            Err(error) => {
                if !self.failed.swap(true, Ordering::Relaxed) {
                    warn!(
                        event = "account_id_unresolved",
                        aws_account = %account,
                        %error,
                        "failed to resolve AWS account ID, routing events of its queues by Region until it succeeds"
                    );
                }
                false
            }
        }
    }
}

/// The accounts to which messages of one queue may belong.
#[derive(Clone)]
pub struct Routes {
    queue: (Account, Arc<AccountId>),
    others: Vec<(Account, Arc<AccountId>)>,
}

impl PartialEq for Routes {
    fn eq(&self, other: &Self) -> bool {
        let same = |a: &(Account, Arc<AccountId>), b: &(Account, Arc<AccountId>)| {
            a.0 == b.0 && Arc::ptr_eq(&a.1, &b.1)
        };
        same(&self.queue, &other.queue)
            && self.others.len() == other.others.len()
            && self
                .others
                .iter()
                .zip(&other.others)
                .all(|(a, b)| same(a, b))
    }
}

impl Routes {
    /// Creates routes to the account of the queue, and to `others` in configured order.
    pub fn new(queue: (Account, Arc<AccountId>), others: Vec<(Account, Arc<AccountId>)>) -> Self {
        Self { queue, others }
    }

    /// Returns the account of the queue.
    pub fn queue_account(&self) -> &Account {
        &self.queue.0
    }

    /// Returns the route to the account of the queue, and those to the others, with the IDs that
    /// are known now.
    pub(super) fn current(&self) -> (AccountRoute, Vec<AccountRoute>) {
        let route = |(account, id): &(Account, Arc<AccountId>)| AccountRoute {
            account: account.clone(),
            id: id.id.get().cloned(),
        };
        (route(&self.queue), self.others.iter().map(route).collect())
    }

    /// Tries once to resolve all IDs. Returns early if that takes long.
    pub(super) async fn resolve_first(&self) {
        let attempts = join_all(self.all().map(|(account, id)| id.resolve(&account.name)));
        // What was not resolved in time is resolved later.
        let _: Result<Vec<bool>, _> = tokio::time::timeout(FIRST_ATTEMPT, attempts).await;
    }

    /// Resolves all IDs, with backoff after failures.
    pub(super) async fn resolve(&self) {
        let each = self.all().map(|(account, id)| async {
            let mut backoff = Backoff::default();
            while !id.resolve(&account.name).await {
                tokio::time::sleep(backoff.next_pause()).await;
            }
        });
        join_all(each).await;
    }

    fn all(&self) -> impl Iterator<Item = &(Account, Arc<AccountId>)> {
        std::iter::once(&self.queue).chain(&self.others)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::transfer::{ApiFuture, ErrorKind, TransferError};

    /// Fails as often as it says, then returns an ID. Counts the calls.
    struct FakeIdentityApi {
        failures: usize,
        latency: Duration,
        calls: Mutex<usize>,
    }

    impl IdentityApi for FakeIdentityApi {
        fn account_id(&self) -> ApiFuture<'_, String> {
            Box::pin(async {
                tokio::time::sleep(self.latency).await;
                let mut calls = self.calls.lock().unwrap();
                *calls += 1;
                if *calls <= self.failures {
                    return Err(TransferError::new(ErrorKind::Timeout, "scripted"));
                }
                Ok("111111111111".to_owned())
            })
        }
    }

    fn account(name: &str) -> Account {
        Account {
            name: AccountName::new(name),
            region: "eu-central-1".into(),
        }
    }

    fn routes(failures: usize, latency: Duration) -> (Arc<FakeIdentityApi>, Routes) {
        let api = Arc::new(FakeIdentityApi {
            failures,
            latency,
            calls: Mutex::default(),
        });
        let id = Arc::new(AccountId::unresolved(
            Arc::clone(&api) as Arc<dyn IdentityApi>
        ));
        let known = Arc::new(AccountId::known("222222222222"));
        let routes = Routes::new((account("one"), id), vec![(account("two"), known)]);
        (api, routes)
    }

    fn ids(routes: &Routes) -> [Option<Arc<str>>; 2] {
        let (queue, others) = routes.current();
        [queue.id, others[0].id.clone()]
    }

    #[tokio::test(start_paused = true)]
    async fn account_ids_are_resolved_once() {
        let (api, routes) = routes(0, Duration::ZERO);
        assert_eq!(ids(&routes), [None, Some("222222222222".into())]);
        tokio::join!(routes.resolve_first(), routes.resolve());
        routes.resolve().await;
        let expected = ["111111111111", "222222222222"].map(|id| Some(id.into()));
        assert_eq!((ids(&routes), *api.calls.lock().unwrap()), (expected, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn failed_resolution_is_retried_until_it_succeeds() {
        let (api, routes) = routes(3, Duration::ZERO);
        routes.resolve_first().await;
        assert_eq!(
            (ids(&routes)[0].clone(), *api.calls.lock().unwrap()),
            (None, 1)
        );
        let start = tokio::time::Instant::now();
        routes.resolve().await;
        assert_eq!(ids(&routes)[0], Some("111111111111".into()));
        assert_eq!(*api.calls.lock().unwrap(), 4);
        assert!(start.elapsed() >= Duration::from_secs(2), "with backoff");
    }

    #[tokio::test(start_paused = true)]
    async fn slow_resolution_delays_a_queue_by_a_few_seconds_only() {
        let (_, routes) = routes(0, Duration::from_mins(1));
        let start = tokio::time::Instant::now();
        routes.resolve_first().await;
        assert_eq!(
            (start.elapsed(), ids(&routes)[0].clone()),
            (FIRST_ATTEMPT, None)
        );
    }
}
