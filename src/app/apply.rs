//! A plan takes effect: all that can fail is done first, on the side, and then everything is switched.

use std::sync::{Arc, PoisonError};

use super::changes::Changes;
use super::sources::files_key;
use super::{App, Discovery, Opened, known_connectors, settings};
use crate::collector::{AccountApi, Targets};
use crate::config::Plan;
use crate::transfer::limiter::{AccountLimiter, RateLimited};
use crate::transfer::observer::AccountObserver;
use crate::transfer::sdk::SdkTransfer;
use crate::transfer::session::{ResolvedAccount, Sessions, TimeOuts};
use model::Account;

/// A plan whose clients are made. Dropped, it leaves no trace.
pub struct Prepared {
    plan: Plan,
    sessions: Sessions,
    accounts: Vec<Ready>,
}

/// How an account will be called.
enum Ready {
    /// As it is; its limits may change in place.
    Kept(Box<Opened>),
    /// By another client, over these credentials. With the limits there were where the account is the same.
    Anew(Box<ResolvedAccount>, Option<Arc<AccountLimiter>>),
}

impl App {
    /// Replaces the plan, whole or not at all.
    ///
    /// # Errors
    /// As of [`App::prepare`]; the plan before stays in force.
    pub async fn apply(&self, plan: Plan) -> anyhow::Result<Changes> {
        let prepared = Box::pin(self.prepare(plan)).await?;
        Ok(self.commit(prepared).await)
    }

    /// Does all of a reload that can fail, and changes nothing. Of an account whose entry stays as it was, the
    /// credentials are kept, and what is cached of them; its client too, unless `collector.timeout` differs.
    ///
    /// # Errors
    /// An account without a Region.
    pub async fn prepare(&self, plan: Plan) -> anyhow::Result<Prepared> {
        let before = self.plan.load_full();
        let sessions = Sessions::new(
            TimeOuts::within(plan.collector.timeout),
            self.options.credentials,
        );
        let mut accounts = Vec::with_capacity(plan.accounts.len());
        for wanted in &plan.accounts {
            let known = self
                .opened(&wanted.name)
                .filter(|opened| opened.identity.account() == wanted);
            accounts.push(match known {
                Some(known) if before.collector.timeout == plan.collector.timeout => {
                    Ready::Kept(Box::new(known))
                }
                Some(known) => Ready::Anew(Box::new(known.identity), Some(known.api.limits)),
                None => Ready::Anew(Box::new(Box::pin(sessions.resolve(wanted)).await?), None),
            });
        }
        Ok(Prepared {
            plan,
            sessions,
            accounts,
        })
    }

    /// Puts a prepared plan into force. A sweep that runs goes on with what it began with.
    pub async fn commit(&self, prepared: Prepared) -> Changes {
        let Prepared {
            plan,
            sessions,
            accounts,
        } = prepared;
        let changes = Changes::between(&self.plan.load(), &plan);
        let accounts: Vec<_> = accounts
            .into_iter()
            .map(|ready| self.take_up(ready, &sessions, &plan))
            .collect();
        let targets = Targets {
            transfers: plan.transfers.clone(),
            connectors: known_connectors(&plan),
            settings: settings(&plan, self.options.shard),
            accounts: accounts.iter().map(|opened| opened.api.clone()).collect(),
        };
        *self.accounts.lock().unwrap_or_else(PoisonError::into_inner) = accounts;
        self.collector.configure(targets);
        self.discover(&plan).await;
        self.plan.store(Arc::new(plan));
        self.metrics.config.record_reload(true, self.clock.now());
        changes
    }

    fn take_up(&self, ready: Ready, sessions: &Sessions, plan: &Plan) -> Opened {
        let (concurrency, rate) = (
            plan.collector.concurrency,
            plan.collector.requests_per_second,
        );
        match ready {
            Ready::Kept(mut opened) => {
                opened.api.limits.change(concurrency, rate);
                opened.api.concurrency = concurrency;
                *opened
            }
            Ready::Anew(identity, limits) => {
                let session = sessions.session(&identity);
                let account = Account {
                    name: identity.account().name.clone(),
                    region: session.region.as_str().into(),
                };
                let limits = limits.inspect(|limits| limits.change(concurrency, rate));
                let limits = limits.unwrap_or_else(|| {
                    AccountLimiter::new(concurrency, rate, Arc::clone(&self.clock))
                });
                let observer = AccountObserver::new(
                    account.clone(),
                    Arc::clone(&self.metrics.api),
                    Arc::clone(&limits),
                );
                let sdk =
                    SdkTransfer::new(session.config, Arc::new(observer), Arc::clone(&self.clock));
                let api = Arc::new(RateLimited::new(sdk, Arc::clone(&limits)));
                Opened {
                    api: AccountApi {
                        account,
                        api,
                        limits,
                        concurrency,
                    },
                    base: session.base,
                    identity: *identity,
                }
            }
        }
    }

    /// Takes up the plan's discovery. Sources that are the same, with the same clients, go on where they are.
    async fn discover(&self, plan: &Plan) {
        let (serving, known) = {
            let sources = self.sources();
            (sources.serving, sources.files.clone())
        };
        let surroundings = self.surroundings();
        let same_files = files_key(&self.plan.load()) == files_key(plan);
        let files = match known.filter(|_| same_files) {
            Some(known) => {
                surroundings.look(&known).await;
                Some(known)
            }
            None => surroundings.files(plan).await,
        };
        let mut sources = self.sources();
        if serving {
            surroundings.start(&mut sources.running, files.as_ref(), plan, &|name| {
                self.opened(name)
            });
        }
        *sources = Discovery {
            files,
            serving,
            running: std::mem::take(&mut sources.running),
        };
    }

    /// Starts the sources of the plan in force.
    pub(super) fn start_sources(&self) {
        let mut sources = self.sources();
        let Discovery {
            files,
            serving,
            running,
        } = &mut *sources;
        *serving = true;
        self.surroundings()
            .start(running, files.as_ref(), &self.plan.load(), &|name| {
                self.opened(name)
            });
    }
}
