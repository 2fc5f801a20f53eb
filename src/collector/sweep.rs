//! One look at everything that is due.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::vec;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::{AccountApi, Inner, lock};
use crate::model::{AccountName, TransferKey};
use crate::tracker::{Answer, Applied};
use crate::transfer::{ErrorKind, TransferError, all_file_results};

/// How a sweep ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SweepEnd {
    failed: usize,
}

impl SweepEnd {
    /// True if everything that was due has been fetched.
    pub(super) fn is_complete(self) -> bool {
        self.failed == 0
    }
}

/// `None` while the sweep runs. The sender is dropped with its task.
pub(super) type Sweep = watch::Receiver<Option<SweepEnd>>;

/// At most one sweep at a time.
#[derive(Default)]
pub(super) struct Sweeps(Mutex<Option<Sweep>>);

impl Sweeps {
    /// The running sweep, or a new one.
    pub(super) fn start_or_join(&self, inner: &Arc<Inner>) -> Sweep {
        let mut current = lock(&self.0);
        if let Some(running) = current.as_ref().filter(|sweep| sweep.borrow().is_none() && sweep.has_changed().is_ok())
        {
            return running.clone();
        }
        let (sender, receiver) = watch::channel(None);
        let now = inner.clock.now();
        let due = {
            let mut tracker = inner.tracker();
            tracker.expire(now);
            tracker.due(now)
        };
        if due.is_empty() {
            sender.send_replace(Some(SweepEnd::default()));
            return receiver;
        }
        *current = Some(receiver.clone());
        let inner = Arc::clone(inner);
        tokio::spawn(async move {
            let end = run(&inner, due).await;
            sender.send_replace(Some(end));
        });
        receiver
    }
}

/// Fetches everything in `due`, in its order within each account, the accounts side by side.
async fn run(inner: &Arc<Inner>, due: Vec<TransferKey>) -> SweepEnd {
    let start = inner.clock.now();
    let accounts = inner.accounts();
    let mut by_account: BTreeMap<AccountName, Vec<TransferKey>> = BTreeMap::new();
    for key in due {
        by_account.entry(key.account.clone()).or_default().push(key);
    }
    let mut looks = JoinSet::new();
    for (name, keys) in by_account {
        let Some(api) = accounts.get(&name) else { continue };
        let workers = api.concurrency.clamp(1, keys.len());
        let queue = Arc::new(Mutex::new(keys.into_iter()));
        for _ in 0..workers {
            looks.spawn(work(Arc::clone(inner), api.clone(), Arc::clone(&queue)));
        }
    }
    let mut failures: Failures = BTreeMap::new();
    let mut end = SweepEnd::default();
    while let Some(worker) = looks.join_next().await {
        match worker {
            Ok(of_worker) => {
                for ((account, kind), (count, example)) in of_worker {
                    end.failed += count;
                    failures.entry((account, kind)).or_insert((0, example)).0 += count;
                }
            }
            Err(panic) => {
                end.failed += 1;
                warn!(error = %panic, "a look at a transfer ended early");
            }
        }
    }
    for ((account, kind), (count, example)) in failures {
        warn!(aws_account = %account, kind, transfers = count, example = %example, "results could not be read");
    }
    let duration = inner.clock.now().since(start.instant);
    inner.own.set_sweep_duration(duration);
    debug!(seconds = duration.as_secs_f64(), failed = end.failed, "sweep ended");
    end
}

/// Failed looks by account and kind, with the first error of each: one record a sweep, not one a transfer.
type Failures = BTreeMap<(AccountName, &'static str), (usize, TransferError)>;

async fn work(inner: Arc<Inner>, api: AccountApi, queue: Arc<Mutex<vec::IntoIter<TransferKey>>>) -> Failures {
    let mut failures = Failures::new();
    loop {
        let Some(key) = lock(&queue).next() else { return failures };
        let answer = match all_file_results(api.api.as_ref(), &key.connector, &key.transfer).await {
            Ok(files) => Answer::Files(files),
            Err(error) if error.kind == ErrorKind::NotFound => Answer::Unknown,
            Err(error) => {
                debug!(connector_id = %key.connector, transfer_id = %key.transfer, %error, "results could not be read");
                let kind = error.kind.as_label();
                failures.entry((key.account.clone(), kind)).or_insert((0, error)).0 += 1;
                Answer::Failed
            }
        };
        let now = inner.clock.now();
        let applied = inner.tracker().apply(&key, &answer, now);
        report(&key, &applied);
    }
}

/// One record for each file that fails, once.
fn report(key: &TransferKey, applied: &Applied) {
    for file in &applied.failed {
        warn!(
            aws_account = %key.account,
            connector_id = %key.connector,
            transfer_id = %key.transfer,
            file_path = file.path,
            failure_code = file.code.as_ref().map_or("", |code| code.as_str()),
            failure_message = file.message.as_deref().unwrap_or_default(),
            "file failed"
        );
    }
    if applied.gone {
        warn!(
            aws_account = %key.account,
            connector_id = %key.connector,
            transfer_id = %key.transfer,
            "AWS no longer knows the transfer: it is not asked for again"
        );
    }
}
