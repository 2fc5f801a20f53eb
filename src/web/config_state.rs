//! What the web configuration file asks for, as it is now. The file and the certificates that it names are looked at
//! again while the server runs, and what has changed is taken up whole; what cannot be is told, and the one before stays.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;
use tracing::{error, info, warn};

use super::middleware::auth::PasswordVerifier;
use super::middleware::rate_limit::TokenBucket;
use super::server::tls::{PemFiles, TlsServer};
use crate::config::{Problems, RateLimitConfig, WebPlan, load_web};
use crate::metrics::self_metrics::HttpMetrics;

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// A certificate that ends so soon is warned of when it is taken up.
const SOON: Duration = Duration::from_hours(7 * 24);

/// TLS, users, headers and the rate limit of a server.
pub struct WebConfigState {
    path: Option<PathBuf>,
    active: ArcSwap<EffectiveWebConfig>,
    /// Of what is in force.
    client_policy: watch::Sender<ClientPolicy>,
    verifier: Arc<PasswordVerifier>,
    /// What the last look failed with; told once.
    fault: Mutex<Option<String>>,
}

/// Tells apart which clients' certificates are let in; `None` for plain HTTP.
pub(crate) type ClientPolicy = Option<[u8; 32]>;

/// What has been read and is in force, or will be.
pub struct EffectiveWebConfig {
    plan: WebPlan,
    digest: Option<[u8; 32]>,
    tls: Option<TlsServer>,
    client_policy: ClientPolicy,
    headers: HeaderMap,
    limiter: Option<(RateLimitConfig, Arc<TokenBucket>)>,
}

impl WebConfigState {
    /// Plain HTTP for everybody.
    pub fn plain_http() -> Arc<Self> {
        let none = EffectiveWebConfig {
            plan: WebPlan::default(),
            digest: None,
            tls: None,
            client_policy: None,
            headers: HeaderMap::new(),
            limiter: None,
        };
        Self::of(None, none)
    }

    /// As the file at `path` says. Reads files, and may wait for them.
    ///
    /// # Errors
    /// All that is wrong with the file, or the first that is wrong with what it names.
    pub fn load(path: &Path) -> Result<Arc<Self>, Problems> {
        Ok(Self::of(Some(path.to_owned()), read(path, None)?))
    }

    fn of(path: Option<PathBuf>, active: EffectiveWebConfig) -> Arc<Self> {
        let client_policy = watch::Sender::new(active.client_policy);
        let active = ArcSwap::from_pointee(active);
        Arc::new(Self {
            path,
            active,
            client_policy,
            verifier: PasswordVerifier::new(),
            fault: Mutex::default(),
        })
    }

    /// Whether connections are TLS.
    pub fn has_tls(&self) -> bool {
        self.active.load().tls.is_some()
    }

    /// How many users there are; without any, everybody may ask.
    pub fn users(&self) -> usize {
        self.active.load().plan.users.len()
    }

    /// Reads all files anew, for [`Self::apply`]; `None` where there is no web configuration file. May wait for them.
    ///
    /// # Errors
    /// As of [`Self::load`]; what is in force stays.
    pub fn stage(&self) -> Result<Option<EffectiveWebConfig>, Problems> {
        let Some(path) = &self.path else {
            return Ok(None);
        };
        read(path, Some(&self.active.load())).map(Some)
    }

    /// Puts what has been read in force: for new connections its TLS, for each request all else. Connections of clients
    /// that were let in by other rules come to their end.
    pub fn apply(&self, staged: Option<EffectiveWebConfig>, own: Option<&HttpMetrics>) {
        if let Some(staged) = staged {
            // First, so that who is let in by the new rules is never taken for one of the old.
            self.client_policy.send_replace(staged.client_policy);
            self.active.store(Arc::new(staged));
            self.fault
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
        }
        if let Some(own) = own {
            self.record_metrics(own);
        }
    }

    /// Reads all files anew; what comes back puts them in force, and cannot fail. May wait for the files.
    ///
    /// # Errors
    /// As of [`Self::load`]; what is in force stays, and the metrics show it.
    pub fn reload(
        self: &Arc<Self>,
        own: &Arc<HttpMetrics>,
    ) -> Result<impl FnOnce() + Send + use<>, Problems> {
        let staged = self.stage().inspect_err(|problems| {
            self.failed(problems.to_string(), Some(own));
        })?;
        let (web_config, own) = (Arc::clone(self), Arc::clone(own));
        Ok(move || web_config.apply(staged, Some(&own)))
    }

    /// Tells what is in force.
    pub(crate) fn record_metrics(&self, own: &HttpMetrics) {
        if self.path.is_some() {
            own.set_web_config_ok(true);
        }
        own.set_certificate_not_after(self.active.load().tls.as_ref().map(|tls| tls.not_after));
    }

    /// Looks again and again, for ever.
    pub(crate) async fn watch(self: Arc<Self>, own: Option<Arc<HttpMetrics>>) {
        if self.path.is_none() {
            return;
        }
        loop {
            tokio::time::sleep(LOOK).await;
            let (web_config, own) = (Arc::clone(&self), own.clone());
            // One that panics is as good as none.
            let _ = tokio::task::spawn_blocking(move || web_config.poll(own.as_deref())).await;
        }
    }

    fn poll(&self, own: Option<&HttpMetrics>) {
        match self.stage() {
            Ok(Some(staged)) => {
                let before = self.active.load();
                let failed = self
                    .fault
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .is_some();
                if staged.plan == before.plan && staged.digest == before.digest {
                    if failed {
                        info!("the web configuration is again the one in force");
                        self.apply(Some(staged), own);
                    }
                } else {
                    staged.warn_of_the_end();
                    self.apply(Some(staged), own);
                    info!("web configuration and certificates taken up");
                }
            }
            Ok(None) => {}
            Err(problems) => {
                let reasons = problems.to_string();
                if self.failed(reasons.clone(), own) {
                    error!(%reasons, "the web configuration was not taken up, the one before stays");
                }
            }
        }
    }

    /// Keeps why files could not be taken up; whether that is news.
    fn failed(&self, reasons: String, own: Option<&HttpMetrics>) -> bool {
        if let Some(own) = own {
            own.set_web_config_ok(false);
        }
        let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        fault.replace(reasons.clone()) != Some(reasons)
    }

    /// Ends when a connection that was let in by `client_policy` would have to be let in anew.
    pub(crate) async fn client_policy_changed(&self, client_policy: ClientPolicy) {
        // It ends with the sender, which is this one's.
        let _ = self
            .client_policy
            .subscribe()
            .wait_for(|now| *now != client_policy)
            .await;
    }

    pub(crate) fn active(&self) -> Arc<EffectiveWebConfig> {
        self.active.load_full()
    }

    pub(crate) fn verifier(&self) -> &Arc<PasswordVerifier> {
        &self.verifier
    }
}

impl EffectiveWebConfig {
    /// What new connections are served with; `None` for plain HTTP.
    pub(crate) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.tls.as_ref().map(|tls| Arc::clone(&tls.config))
    }

    pub(crate) fn client_policy(&self) -> ClientPolicy {
        self.client_policy
    }

    pub(crate) fn plan(&self) -> &WebPlan {
        &self.plan
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Whether the rate limit lets a request through now.
    pub(crate) fn allows(&self) -> bool {
        self.limiter
            .as_ref()
            .is_none_or(|(_, limiter)| limiter.allows())
    }

    fn warn_of_the_end(&self) {
        let Some(tls) = &self.tls else { return };
        let left = tls
            .not_after
            .duration_since(SystemTime::now())
            .unwrap_or_default();
        if left < SOON {
            warn!(
                seconds_left = left.as_secs(),
                "the server's certificate ends soon, or has ended"
            );
        }
    }
}

/// Reads everything; a rate limit that stays the same goes on from where it is.
fn read(path: &Path, before: Option<&EffectiveWebConfig>) -> Result<EffectiveWebConfig, Problems> {
    let plan = load_web(path)?;
    let (tls, digest, client_policy) = match &plan.tls {
        None => (None, None, None),
        Some(tls) => {
            let material = PemFiles::read(&plan, tls)?;
            (
                Some(material.build(&plan, tls)?),
                Some(material.digest()),
                Some(material.client_policy(tls)),
            )
        }
    };
    let limiter =
        plan.rate_limit.map(
            |limit| match before.and_then(|before| before.limiter.as_ref()) {
                Some((same, limiter)) if *same == limit => (limit, Arc::clone(limiter)),
                _ => (limit, Arc::new(TokenBucket::new(limit))),
            },
        );
    let header = |(name, value): &(&'static str, String)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, HeaderValue::try_from(value).ok()?))
    };
    let headers = plan.headers.iter().filter_map(header).collect();
    let active = EffectiveWebConfig {
        plan,
        digest,
        tls,
        client_policy,
        headers,
        limiter,
    };
    if before.is_none() {
        active.warn_of_the_end();
    }
    Ok(active)
}
