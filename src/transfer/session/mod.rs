//! Credentials, Region, endpoint, proxy, time-outs and retries of each account. Accounts with the same
//! proxy and certificate authorities share an HTTP client.
//!
//! Retries are the SDK's, with a retry quota of 500 tokens for each account. A retry takes 10
//! tokens, or 5 after throttling; a call that succeeds by a retry returns the tokens of its last
//! retry, one that succeeds at once adds 1. So an account on which every call fails with 5xx gets
//! 50 retries, however many calls it makes, and one on which most calls succeed retries at most a
//! tenth of them (a fifth of throttled ones). `tests/it/throttled.rs` counts the attempts. No retry
//! loop is needed around it.

use std::fmt;
use std::time::Duration;

use aws_config::profile::ProfileSet;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_transfer::config::retry::{RetryConfig, RetryPartition};
use aws_sdk_transfer::config::{Credentials, SharedHttpClient, StalledStreamProtectionConfig};

mod credentials;
mod endpoint;
mod http_client;
mod region;
mod settings;
mod shared_config;

pub(super) use self::credentials::{CredentialSource, UnusableCredentials};
use self::http_client::{HttpClients, Transport};
pub use self::http_client::{TransportError, check_ca_file};
pub use self::region::InvalidRegion;
pub use self::shared_config::SharedConfigError;
use super::sdk::limit_body;
use crate::config::{AccountPlan, DiscoveryPlan};
use model::Account;

/// Attempts at one call, the first included: all have to fit into a scrape. The SDK's own default,
/// stated because the tests and the documentation rely on it.
pub(super) const MAX_ATTEMPTS: u32 = 3;
/// Pause before the first retry. Of the SDK's default of 1 s, two retries would take most of a scrape.
pub(super) const INITIAL_BACKOFF: Duration = Duration::from_millis(200);
/// Longest pause before a retry. The SDK's default of 20 s exceeds a scrape.
pub(super) const MAX_BACKOFF: Duration = Duration::from_secs(2);

/// Time-outs of a call. They follow from the budget of a scrape: a call that takes longer than the
/// budget is of no use to the scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOuts {
    /// Of connecting.
    pub connect: Duration,
    /// Of one attempt, including the response body.
    pub attempt: Duration,
    /// Of all attempts and the pauses between them.
    pub operation: Duration,
}

impl TimeOuts {
    /// Returns the time-outs for a budget: all of it for the operation, at most a third and 5 s for
    /// an attempt, at most 2 s for connecting.
    pub fn within(budget: Duration) -> Self {
        let attempt = (budget / 3).min(Duration::from_secs(5));
        Self {
            connect: attempt.min(Duration::from_secs(2)),
            attempt,
            operation: budget,
        }
    }
}

/// Static credentials, for the built-in simulator.
#[derive(Clone, Copy)]
pub struct StaticCredentials {
    /// Access key id.
    pub access_key_id: &'static str,
    /// Secret access key.
    pub secret_access_key: &'static str,
}

impl StaticCredentials {
    fn provider(self) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(Credentials::new(
            self.access_key_id,
            self.secret_access_key,
            None,
            None,
            "static",
        ))
    }
}

/// Why a session could not be created.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Neither the configuration nor the SDK's provider chain has a Region.
    #[error(
        "account `{account}`: no Region configured\n  hint: set `region` of the account, or AWS_REGION, or `region` in the profile"
    )]
    NoRegion {
        /// The account.
        account: String,
    },
    /// The Region of the environment, of the profile or of the instance cannot be used.
    #[error(
        "account `{account}`: {error}\n  hint: use a code such as `eu-central-1`, or set `region` of the account"
    )]
    InvalidRegion {
        /// The account.
        account: String,
        /// The place and the reason.
        error: InvalidRegion,
    },
    /// A shared configuration file cannot be parsed, or has no such profile.
    #[error("account `{account}`: {error}\n  hint: {hint}")]
    SharedConfig {
        /// The account.
        account: String,
        /// The file and the reason.
        error: SharedConfigError,
        /// The remedy.
        hint: &'static str,
    },
    /// The proxy or the certificate authorities cannot be used.
    #[error("account `{account}`: {error}\n  hint: {hint}")]
    Transport {
        /// The account.
        account: String,
        /// The place and the reason.
        error: TransportError,
        /// The remedy.
        hint: &'static str,
    },
    /// The environment or the profile asks for another endpoint than the one that is configured.
    #[error(
        "account `{account}`: `endpoint_url` cannot be combined with {setting} of the environment or the profile\n  \
         hint: remove `endpoint_url`, or set `{key}: false` for the account"
    )]
    Endpoint {
        /// The account.
        account: String,
        /// The variable and the key of the profile.
        setting: &'static str,
        /// The key of the account that overrides it.
        key: &'static str,
    },
}

impl SessionError {
    /// Returns what is wrong, for the column of a check.
    pub fn subject(&self) -> &'static str {
        match self {
            Self::NoRegion { .. } | Self::InvalidRegion { .. } => "region",
            Self::SharedConfig { .. } => "profile",
            Self::Transport { .. } => "connection",
            Self::Endpoint { .. } => "endpoint",
        }
    }
}

/// Credentials and Region of an account. All sessions that are created from it share the
/// credentials and their cache.
#[derive(Clone)]
pub struct ResolvedAccount {
    account: AccountPlan,
    region: String,
    sdk: SdkConfig,
    source: CredentialSource,
    /// Settings of the environment and of the profile.
    without_effect: Vec<String>,
}

impl ResolvedAccount {
    /// Returns the account's entry in the plan.
    pub fn account(&self) -> &AccountPlan {
        &self.account
    }

    /// Returns the settings that are present and have no effect: those of the environment and of the
    /// profile, and FIPS and dual-stack endpoints for sources that have an endpoint in the
    /// configuration.
    pub fn settings_without_effect(&self, discovery: &DiscoveryPlan) -> Vec<String> {
        let mut settings = self.without_effect.clone();
        settings.extend(endpoint::without_effect(
            &self.account,
            &self.sdk,
            discovery,
        ));
        settings
    }
}

/// The Region and the client configuration of an account.
pub struct Session {
    /// The Region's code.
    pub region: String,
    /// Configuration for [`super::sdk::SdkTransfer::new`].
    pub config: aws_sdk_transfer::config::Builder,
    /// Base for clients of other services.
    pub base: ClientBase,
}

/// Credentials, Region, time-outs and retries of one account, for clients of any service. Does not
/// include the endpoint of the Transfer API.
#[derive(Clone)]
pub struct ClientBase {
    /// The account and its Region.
    pub account: Account,
    pub(super) sdk: SdkConfig,
    pub(super) source: CredentialSource,
    pub(super) attempt: Duration,
}

impl fmt::Debug for ClientBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBase")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "dynamodb")]
impl ClientBase {
    /// Returns the configuration for clients of a service that has no adapter here.
    pub(crate) fn sdk_config(&self) -> &SdkConfig {
        &self.sdk
    }
}

/// Creates the sessions of all accounts.
pub struct Sessions {
    http_clients: HttpClients,
    /// Replaces `http_clients`.
    fixed_http_client: Option<SharedHttpClient>,
    time_outs: TimeOuts,
    credentials: Option<StaticCredentials>,
}

impl Sessions {
    /// Creates the sessions. With `credentials`, nothing of the environment applies: no other
    /// credentials, proxy or certificate authorities.
    pub fn new(time_outs: TimeOuts, credentials: Option<StaticCredentials>) -> Self {
        Self {
            http_clients: HttpClients::default(),
            fixed_http_client: None,
            time_outs,
            credentials,
        }
    }

    /// Uses another HTTP client. The size of its responses is limited.
    pub fn with_http_client(
        http_client: SharedHttpClient,
        time_outs: TimeOuts,
        credentials: Option<StaticCredentials>,
    ) -> Self {
        Self {
            fixed_http_client: Some(limit_body(http_client)),
            ..Self::new(time_outs, credentials)
        }
    }

    /// Creates the session of an account. Calls no AWS service except instance metadata, if no
    /// Region is set.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub async fn open(&self, account: &AccountPlan) -> Result<Session, SessionError> {
        Ok(self.session(&self.resolve(account).await?))
    }

    /// Finds the credentials and the Region of an account. Makes the calls of [`Sessions::open`].
    ///
    /// # Errors
    /// See [`SessionError`].
    pub async fn resolve(&self, account: &AccountPlan) -> Result<ResolvedAccount, SessionError> {
        let profiles = self.profiles(account).await?;
        // Boxed, as its future is large.
        let http_client = self.http_client(account, &profiles)?;
        let sdk = Box::pin(self.loader(account).http_client(http_client).load()).await;
        let Some(region) = sdk.region().map(ToString::to_string) else {
            return Err(SessionError::NoRegion {
                account: account.name.to_string(),
            });
        };
        if account.region.is_none() {
            region::check_found(&region).map_err(|error| invalid_region(account, error))?;
        }
        endpoint::check(account, &sdk)?;
        let fixed = self.credentials.map(StaticCredentials::provider);
        let selected = profiles.selected_profile();
        let (sdk, source) = Box::pin(credentials::provide(sdk, account, selected, fixed)).await;
        Ok(ResolvedAccount {
            account: account.clone(),
            region,
            sdk,
            source,
            without_effect: if self.credentials.is_some() {
                Vec::new()
            } else {
                settings::without_effect(&variable, &profiles)
            },
        })
    }

    /// Loads the shared configuration of an account and checks the Region that the environment or
    /// the profile names. With static credentials, neither matters.
    async fn profiles(&self, account: &AccountPlan) -> Result<ProfileSet, SessionError> {
        if self.credentials.is_some() {
            return Ok(ProfileSet::default());
        }
        let profiles = Box::pin(shared_config::load(account.profile.as_deref()))
            .await
            .map_err(|error| SessionError::SharedConfig {
                account: account.name.to_string(),
                hint: error.hint(),
                error,
            })?;
        if account.region.is_none() {
            region::check(&variable, &profiles).map_err(|error| invalid_region(account, error))?;
        }
        Ok(profiles)
    }

    /// Returns the HTTP client of an account.
    fn http_client(
        &self,
        account: &AccountPlan,
        profiles: &ProfileSet,
    ) -> Result<SharedHttpClient, SessionError> {
        if let Some(client) = &self.fixed_http_client {
            return Ok(client.clone());
        }
        let transport = if self.credentials.is_some() {
            Ok(Transport::configured(account))
        } else {
            let key = |name: &str| profiles.get(name).map(ToOwned::to_owned);
            Transport::new(account, &variable, &key)
        };
        let client = transport.and_then(|transport| self.http_clients.get(&transport));
        client.map_err(|error| SessionError::Transport {
            account: account.name.to_string(),
            hint: error.hint(),
            error,
        })
    }

    /// Creates a session from resolved credentials. Makes no call.
    pub fn session(&self, identity: &ResolvedAccount) -> Session {
        let ResolvedAccount {
            account,
            region,
            sdk,
            source,
            without_effect: _,
        } = identity;
        let sdk = sdk
            .clone()
            .into_builder()
            .timeout_config(self.timeouts())
            .build();
        // Its own retry quota: a failing account must not use up the retries of others.
        let retry_quota = RetryPartition::custom(account.name.to_string()).build();
        let mut config = aws_sdk_transfer::config::Builder::from(&sdk).retry_partition(retry_quota);
        // Not set on the loader: roles are assumed at STS, not at this endpoint.
        if let Some(url) = &account.endpoint_url {
            config = config.endpoint_url(url);
        }
        let labels = Account {
            name: account.name.clone(),
            region: region.as_str().into(),
        };
        let base = ClientBase {
            account: labels,
            sdk,
            source: source.clone(),
            attempt: self.time_outs.attempt,
        };
        Session {
            region: region.clone(),
            config,
            base,
        }
    }

    fn timeouts(&self) -> TimeoutConfig {
        // No read time-out: the attempt's covers it, and each time-out costs a timer for each call.
        TimeoutConfig::builder()
            .connect_timeout(self.time_outs.connect)
            .operation_attempt_timeout(self.time_outs.attempt)
            .operation_timeout(self.time_outs.operation)
            .build()
    }

    fn loader(&self, account: &AccountPlan) -> ConfigLoader {
        let retries = RetryConfig::standard()
            .with_max_attempts(MAX_ATTEMPTS)
            .with_initial_backoff(INITIAL_BACKOFF)
            .with_max_backoff(MAX_BACKOFF);
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .timeout_config(self.timeouts())
            .retry_config(retries)
            // The time-out of the attempt covers the body, which is small.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            // Added later, from the sources that the configuration names.
            .no_credentials();
        // With static credentials, the environment does not apply.
        let default = self.credentials.map(|_| false);
        if let Some(fips) = account.fips.or(default) {
            loader = loader.use_fips(fips);
        }
        if let Some(dual_stack) = account.dual_stack.or(default) {
            loader = loader.use_dual_stack(dual_stack);
        }
        if let Some(region) = &account.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = &account.profile {
            loader = loader.profile_name(profile);
        }
        loader
    }
}

/// Looks up an environment variable.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn invalid_region(account: &AccountPlan, error: InvalidRegion) -> SessionError {
    SessionError::InvalidRegion {
        account: account.name.to_string(),
        error,
    }
}
