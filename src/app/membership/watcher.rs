//! Looks at leases and other processes, and takes or gives back shards.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{error, info};

use super::term::run_term;
use super::{Membership, RENEWALS, Term};
use crate::app::App;
use crate::app::balance::{Decision, Observed};
use crate::app::shards::{ShardState, Task};
use crate::store::{Acquisition, LeaseState};

/// A standby looks at the leases so many times in their lifetime.
const LOOKS: u32 = 5;
/// Shortest pause between two looks.
const LEAST_PAUSE: Duration = Duration::from_millis(50);

/// Logs what repeats once.
#[derive(Default)]
struct LogOnce(BTreeMap<u32, String>);

impl LogOnce {
    fn is_new(&mut self, shard: u32, text: &str) -> bool {
        let before = self.0.insert(shard, text.to_owned());
        before.is_none_or(|before| before != text)
    }
}

/// What a process knows between two looks.
struct Watcher {
    app: Arc<App>,
    membership: Arc<Membership>,
    log: LogOnce,
    /// When it last showed that it works.
    last_beat: Option<Instant>,
    /// Since when each shard has been vacant, if it was given back.
    vacant_since: BTreeMap<u32, Instant>,
    /// Until when it takes no shard.
    idle_until: watch::Sender<Option<Instant>>,
    others: BTreeSet<String>,
}

/// Waits for leases and works as the owner, again and again. Never returns.
pub(in crate::app) async fn run(app: Arc<App>, membership: Arc<Membership>) {
    let mut watcher = Watcher {
        app,
        membership,
        log: LogOnce::default(),
        last_beat: None,
        vacant_since: BTreeMap::new(),
        idle_until: watch::Sender::new(None),
        others: BTreeSet::new(),
    };
    loop {
        let pause = watcher.look().await;
        tokio::time::sleep(pause).await;
    }
}

impl Watcher {
    /// Looks at all leases and others once, and takes or gives back. Returns the pause until the next look.
    async fn look(&mut self) -> Duration {
        let pause = self.membership.lifetime / LOOKS;
        let is_idle = self
            .idle_until
            .borrow()
            .is_some_and(|at| at > Instant::now());
        if is_idle {
            return pause;
        }
        self.show().await;
        let shards = self.app.shards.all().to_vec();
        let held: BTreeSet<u32> = self.membership.terms().keys().copied().collect();
        let free = shards
            .iter()
            .filter(|state| !held.contains(&state.shard.index()));
        let free: Vec<_> = free.collect();
        let looks = free.iter().map(|state| async move {
            let lease = state.lease.as_ref()?;
            Some((*state, lease.look().await))
        });
        let (mut vacant, mut lost) = (Vec::new(), 0);
        let mut owners = BTreeMap::<String, usize>::new();
        let mut next = pause;
        for (state, found) in join_all(looks).await.into_iter().flatten() {
            let shard = state.shard.index();
            match found {
                Ok(LeaseState::Vacant { lost_by }) => {
                    if let Some(owner) = lost_by {
                        self.others.remove(&owner);
                        lost += 1;
                        // First, since they are urgent.
                        vacant.insert(0, state);
                    } else {
                        vacant.push(state);
                    }
                }
                Ok(LeaseState::HeldBy { owner, time_left }) => {
                    next = next.min(time_left);
                    self.vacant_since.remove(&shard);
                    if self.log.is_new(shard, &owner) && !self.membership.is_automatic() {
                        info!(
                            event = "standby",
                            owner, "another process owns the shard, waiting"
                        );
                    }
                    *owners.entry(owner).or_default() += 1;
                }
                Err(error) => {
                    if self.log.is_new(shard, &error.to_string()) {
                        error!(event = "lease_failed", shard, %error, "failed to look at the lease");
                    }
                }
            }
        }
        match self.decide(held.len(), shards.len(), (&vacant, lost), &owners) {
            Decision::Stay => {}
            Decision::Take(number) => {
                for state in vacant.into_iter().take(number) {
                    self.take(state).await;
                }
            }
            Decision::GiveBack(number) => self.give_back(number),
        }
        next.clamp(LEAST_PAUSE, pause)
    }

    /// Shows the others that this process works, and finds out about them.
    async fn show(&mut self) {
        let Some(members) = &self.membership.members else {
            return;
        };
        let due = self.membership.lifetime / RENEWALS;
        let shown = match self.last_beat {
            Some(last) if last.elapsed() < due => Ok(()),
            _ => members
                .beat()
                .await
                .inspect(|()| self.last_beat = Some(Instant::now())),
        };
        match shown.and(members.others().await) {
            Ok(others) => self.others = others.into_iter().collect(),
            Err(error) => {
                if self.log.is_new(u32::MAX, &error.to_string()) {
                    error!(event = "members_failed", %error, "failed to find the other processes");
                }
            }
        }
    }

    fn decide(
        &mut self,
        owned: usize,
        total: usize,
        (vacant, lost): (&[&Arc<ShardState>], usize),
        owners: &BTreeMap<String, usize>,
    ) -> Decision {
        let Some(members) = &self.membership.members else {
            return Decision::Take(vacant.len());
        };
        let now = Instant::now();
        let lifetime = self.membership.lifetime;
        let overdue = vacant[lost..].iter().filter(|state| {
            let since = self.vacant_since.entry(state.shard.index());
            now.duration_since(*since.or_insert(now)) > lifetime
        });
        Observed {
            name: members.name(),
            total,
            owned,
            others: &self.others,
            owners,
            vacant: vacant.len(),
            urgent: lost + overdue.count(),
        }
        .decide()
    }

    /// Takes a shard, unless another process was faster.
    async fn take(&mut self, state: &Arc<ShardState>) {
        let (shard, Some(lease)) = (state.shard.index(), &state.lease) else {
            return;
        };
        match lease.acquire().await {
            Ok(Acquisition::Acquired { epoch }) => {
                self.vacant_since.remove(&shard);
                self.log.0.remove(&shard);
                let (give_back, asked) = watch::channel(false);
                let term = run_term(
                    Arc::clone(&self.app),
                    Arc::clone(&self.membership),
                    Arc::clone(state),
                    (epoch, asked),
                    self.idle_until.clone(),
                );
                let mut terms = self.membership.terms();
                let task = Task(tokio::spawn(term).abort_handle());
                terms.insert(
                    shard,
                    Term {
                        give_back,
                        _task: task,
                    },
                );
            }
            Ok(Acquisition::HeldBy { .. }) => {}
            Err(error) => {
                if self.log.is_new(shard, &error.to_string()) {
                    error!(event = "lease_failed", shard, %error, "failed to take the lease");
                }
            }
        }
    }

    fn give_back(&self, number: usize) {
        let terms = self.membership.terms();
        for term in terms.values().rev().take(number) {
            term.give_back.send_replace(true);
        }
    }
}
