//! The web configuration in effect, which connections and requests read. A new one is staged and
//! then applied as a whole; if it is invalid, the previous configuration stays in effect.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use axum::http::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;
use tracing::warn;

use super::middleware::rate_limit::TokenBucket;
use super::server::tls::{PemFiles, TlsServer};
use crate::config::{Problems, User, WebPlan, load_web};
use crate::metrics::self_metrics::HttpMetrics;

/// A certificate that expires within this time is logged.
const EXPIRES_SOON: Duration = Duration::from_hours(7 * 24);

/// TLS, users, headers and the rate limit of a server.
pub struct WebConfigState {
    path: Option<PathBuf>,
    effective: ArcSwap<EffectiveWebConfig>,
    /// That of `effective`.
    client_policy: watch::Sender<ClientPolicy>,
    /// The errors of the last staging, logged once.
    last_error: Mutex<Option<String>>,
}

/// A fingerprint of which client certificates are accepted; `None` for plain HTTP.
pub(crate) type ClientPolicy = Option<[u8; 32]>;

/// One version of the web configuration, with the certificates that it names.
pub struct EffectiveWebConfig {
    plan: WebPlan,
    tls: Option<TlsServer>,
    /// A digest of the PEM files.
    pem_digest: Option<[u8; 32]>,
    client_policy: ClientPolicy,
    headers: HeaderMap,
    rate_limit: Option<Arc<TokenBucket>>,
}

impl WebConfigState {
    /// Returns a state without a file: plain HTTP without authentication.
    pub fn plain_http() -> Arc<Self> {
        let config = EffectiveWebConfig {
            plan: WebPlan::default(),
            tls: None,
            pem_digest: None,
            client_policy: None,
            headers: HeaderMap::new(),
            rate_limit: None,
        };
        Self::new(None, config)
    }

    /// Loads the file at `path` and the certificates that it names. Blocks on files.
    ///
    /// # Errors
    /// All problems of the file, or the first problem of what it names.
    pub fn load(path: &Path) -> Result<Arc<Self>, Problems> {
        let config = EffectiveWebConfig::load(path, None)?;
        config.warn_if_expiring();
        Ok(Self::new(Some(path.to_owned()), config))
    }

    fn new(path: Option<PathBuf>, config: EffectiveWebConfig) -> Arc<Self> {
        Arc::new(Self {
            path,
            client_policy: watch::Sender::new(config.client_policy),
            effective: ArcSwap::from_pointee(config),
            last_error: Mutex::default(),
        })
    }

    /// Returns whether connections use TLS.
    pub fn has_tls(&self) -> bool {
        self.effective.load().tls.is_some()
    }

    /// Returns the number of users; without users, there is no authentication.
    pub fn users(&self) -> usize {
        self.effective.load().users().len()
    }

    /// Loads all files again, for [`Self::apply`]; `None` without a web configuration file. Blocks
    /// on files.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn stage(&self) -> Result<Option<EffectiveWebConfig>, Problems> {
        let Some(path) = &self.path else {
            return Ok(None);
        };
        EffectiveWebConfig::load(path, Some(&self.effective.load())).map(Some)
    }

    /// Puts a staged configuration into effect: its TLS for new connections, the rest for new
    /// requests. Connections that were accepted under another client policy are closed once their
    /// responses are sent.
    pub fn apply(&self, staged: Option<EffectiveWebConfig>, metrics: Option<&HttpMetrics>) {
        if let Some(staged) = staged {
            // First, so that a client accepted under the new policy is not taken for one of the
            // old.
            self.client_policy.send_replace(staged.client_policy);
            self.effective.store(Arc::new(staged));
            self.last_error().take();
        }
        if let Some(metrics) = metrics {
            self.record_metrics(metrics);
        }
    }

    /// Records that staging failed, and returns whether the error is a new one.
    pub fn record_failure(&self, error: &str, metrics: Option<&HttpMetrics>) -> bool {
        if let Some(metrics) = metrics {
            metrics.set_web_config_ok(false);
        }
        self.last_error().replace(error.to_owned()).as_deref() != Some(error)
    }

    /// Stages all files for [`Self::apply`].
    ///
    /// # Errors
    /// As [`Self::load`]; the metrics show the failure.
    pub fn stage_reload(
        &self,
        metrics: &HttpMetrics,
    ) -> Result<Option<EffectiveWebConfig>, Problems> {
        self.stage().inspect_err(|problems| {
            self.record_failure(&problems.to_string(), Some(metrics));
        })
    }

    /// Sets the metrics of the configuration in effect.
    pub(crate) fn record_metrics(&self, metrics: &HttpMetrics) {
        if self.path.is_some() {
            metrics.set_web_config_ok(true);
            metrics.set_web_config_unconfirmed(false);
        }
        let effective = self.effective.load();
        metrics.set_certificate_not_after(effective.tls.as_ref().map(|tls| tls.not_after));
    }

    /// Returns whether `staged` equals the configuration in effect.
    pub(crate) fn is_in_effect(&self, staged: &EffectiveWebConfig) -> bool {
        staged.is_same(&self.effective.load())
    }

    /// Returns what `staged` protects less than the configuration in effect.
    pub(crate) fn protection_lowered_by(&self, staged: &EffectiveWebConfig) -> Vec<&'static str> {
        staged
            .plan
            .protection_lowered_from(&self.effective.load().plan)
    }

    /// Returns whether the last staging failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.last_error().is_some()
    }

    /// Completes when `policy` is no longer the client policy in effect.
    pub(crate) async fn client_policy_changed(&self, policy: ClientPolicy) {
        // The sender lives as long as `self`.
        let _ = self
            .client_policy
            .subscribe()
            .wait_for(|current| *current != policy)
            .await;
    }

    pub(crate) fn effective(&self) -> Arc<EffectiveWebConfig> {
        self.effective.load_full()
    }

    fn last_error(&self) -> MutexGuard<'_, Option<String>> {
        self.last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl EffectiveWebConfig {
    /// Loads all files. An unchanged rate limit keeps its tokens.
    fn load(path: &Path, previous: Option<&Self>) -> Result<Self, Problems> {
        let plan = load_web(path)?;
        let (mut tls, mut pem_digest, mut client_policy) = (None, None, None);
        if let Some(tls_plan) = &plan.tls {
            let files = PemFiles::read(&plan, tls_plan)?;
            tls = Some(files.build(&plan, tls_plan)?);
            pem_digest = Some(files.digest());
            client_policy = Some(files.client_policy(tls_plan));
        }
        let rate_limit = plan.rate_limit.map(|limit| {
            previous
                .and_then(|previous| previous.rate_limit.as_ref())
                .filter(|bucket| bucket.config() == limit)
                .map_or_else(|| Arc::new(TokenBucket::new(limit)), Arc::clone)
        });
        let header = |(name, value): &(&'static str, String)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::try_from(value).ok()?))
        };
        let headers = plan.headers.iter().filter_map(header).collect();
        Ok(Self {
            plan,
            tls,
            pem_digest,
            client_policy,
            headers,
            rate_limit,
        })
    }

    /// Returns whether both were read from equal files.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.plan == other.plan && self.pem_digest == other.pem_digest
    }

    /// Returns the TLS configuration of new connections; `None` for plain HTTP.
    pub(crate) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.tls.as_ref().map(|tls| Arc::clone(&tls.config))
    }

    #[cfg(test)]
    pub(crate) fn tls_plan(&self) -> Option<&crate::config::TlsPlan> {
        self.plan.tls.as_ref()
    }

    pub(crate) fn client_policy(&self) -> ClientPolicy {
        self.client_policy
    }

    pub(crate) fn users(&self) -> &[User] {
        &self.plan.users
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(crate) fn rate_limit(&self) -> Option<&TokenBucket> {
        self.rate_limit.as_deref()
    }

    /// Logs a certificate that has expired or expires soon.
    pub(crate) fn warn_if_expiring(&self) {
        let Some(tls) = &self.tls else { return };
        let left = tls
            .not_after
            .duration_since(SystemTime::now())
            .unwrap_or_default();
        if left < EXPIRES_SOON {
            warn!(
                event = "certificate_expires_soon",
                seconds_left = left.as_secs(),
                "the server certificate has expired or expires soon"
            );
        }
    }
}
