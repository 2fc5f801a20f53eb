//! Credentials, Region, endpoint, time-outs and retries of each account; the HTTP client is one for all.
//!
//! Each account has a quota of retries of its own: the SDK's, 500 tokens. A retry takes 10, or 5 after throttling; a
//! call that succeeds by a retry gives back what its last one took, one that succeeds at once gives 1, and nothing else
//! gives any. So an account on which every call fails by 5xx gets 50 retries, however many calls it makes, and one on
//! which most succeed retries at most a tenth of them (a fifth where they are throttled). That is the bound that is
//! wanted, it stands where the attempts are made, and a test counts them: so there is no loop of our own around the
//! SDK's.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_transfer::config::retry::{RetryConfig, RetryPartition};
use aws_sdk_transfer::config::{Credentials, SharedHttpClient, StalledStreamProtectionConfig};

use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};

mod credentials;

use self::credentials::FallbackCredentials;
use super::sdk::limit_body;
use crate::config::AccountPlan;
use model::Account;

/// Attempts at one call, the first included.
const MAX_ATTEMPTS: u32 = 3;
/// The longest pause before a retry.
pub(super) const MAX_BACKOFF: Duration = Duration::from_secs(2);

/// How long a call may take. All of it follows from the budget of a scrape: a call that outlives a scrape's budget
/// could not have helped that scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOuts {
    /// To connect.
    pub connect: Duration,
    /// One attempt, the answer's body included.
    pub attempt: Duration,
    /// All attempts, and the pauses between them.
    pub operation: Duration,
}

impl TimeOuts {
    /// The operation gets the scrape's budget, an attempt at most a third of it and 5 s, the connection at most 2 s.
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
    /// The access key's id.
    pub access_key_id: &'static str,
    /// The access key's secret.
    pub secret_access_key: &'static str,
}

/// Why an account has no session.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Neither the configuration nor the SDK's chain names a Region.
    #[error(
        "account `{account}`: no Region is known\n  hint: set `region` of the account, or AWS_REGION, or `region` in the profile"
    )]
    NoRegion {
        /// The account.
        account: String,
    },
}

/// Credentials and Region of one account, as they were found. Clients that are made from it anew share its credentials,
/// and what is cached of them.
#[derive(Clone)]
pub struct ResolvedAccount {
    account: AccountPlan,
    region: String,
    sdk: SdkConfig,
}

impl ResolvedAccount {
    /// The entry that it was made for.
    pub fn account(&self) -> &AccountPlan {
        &self.account
    }
}

/// A session: the account's Region and the SDK's configuration.
pub struct Session {
    /// The Region's code.
    pub region: String,
    /// What [`super::sdk::SdkTransfer::new`] takes.
    pub config: aws_sdk_transfer::config::Builder,
    /// What the account's clients of other services are made from.
    pub base: ClientBase,
}

/// Credentials, Region, time-outs and retries of one account, for clients of any service. The endpoint of the Transfer
/// API is no part of it.
#[derive(Clone)]
pub struct ClientBase {
    /// The account and its Region.
    pub account: Account,
    pub(super) sdk: SdkConfig,
    pub(super) attempt: Duration,
}

impl fmt::Debug for ClientBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBase")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// Makes the sessions of all accounts.
pub struct Sessions {
    http_client: SharedHttpClient,
    time_outs: TimeOuts,
    credentials: Option<StaticCredentials>,
}

impl Sessions {
    /// With `credentials`, nothing of the environment is asked for any.
    pub fn new(time_outs: TimeOuts, credentials: Option<StaticCredentials>) -> Self {
        let tls = tls::Provider::Rustls(CryptoMode::AwsLc);
        let http_client = aws_smithy_http_client::Builder::new()
            .tls_provider(tls)
            .build_https();
        Self::with_http_client(http_client, time_outs, credentials)
    }

    /// The same over another HTTP client. No answer of it is read past the largest that the API has.
    pub fn with_http_client(
        http_client: SharedHttpClient,
        time_outs: TimeOuts,
        credentials: Option<StaticCredentials>,
    ) -> Self {
        Self {
            http_client: limit_body(http_client),
            time_outs,
            credentials,
        }
    }

    /// The session of one account. Calls no AWS service but, where no Region is set, the instance's metadata.
    ///
    /// # Errors
    /// [`SessionError::NoRegion`].
    pub async fn open(&self, account: &AccountPlan) -> Result<Session, SessionError> {
        Ok(self.session(&self.resolve(account).await?))
    }

    /// Credentials and Region of one account. Calls what [`Sessions::open`] calls.
    ///
    /// # Errors
    /// [`SessionError::NoRegion`].
    pub async fn resolve(&self, account: &AccountPlan) -> Result<ResolvedAccount, SessionError> {
        let mut base = self.loader(account).load().await;
        let Some(region) = base.region().map(ToString::to_string) else {
            return Err(SessionError::NoRegion {
                account: account.name.to_string(),
            });
        };
        if let Some(role) = &account.assume_role {
            let mut provider =
                AssumeRoleProvider::builder(&role.role_arn).session_name(&role.session_name);
            if let Some(external_id) = &role.external_id {
                provider = provider.external_id(external_id.expose());
            }
            let provider = SharedCredentialsProvider::new(provider.configure(&base).build().await);
            base = base.into_builder().credentials_provider(provider).build();
        }
        if let Some((provider, clock)) = base.credentials_provider().zip(base.time_source()) {
            let fallback = SharedCredentialsProvider::new(FallbackCredentials::new(
                provider,
                Arc::new(move || clock.now()),
            ));
            base = base.into_builder().credentials_provider(fallback).build();
        }
        Ok(ResolvedAccount {
            account: account.clone(),
            region,
            sdk: base,
        })
    }

    /// A session with credentials that are there already. Calls nothing.
    pub fn session(&self, identity: &ResolvedAccount) -> Session {
        let ResolvedAccount {
            account,
            region,
            sdk,
        } = identity;
        let sdk = sdk
            .clone()
            .into_builder()
            .timeout_config(self.timeouts())
            .build();
        // A quota of retries of its own: one account that fails leaves the retries of the others alone.
        let retries = RetryPartition::custom(account.name.to_string()).build();
        let mut config = aws_sdk_transfer::config::Builder::from(&sdk).retry_partition(retries);
        // Set here, not on the loader: a role is assumed at STS, not at this endpoint.
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
            attempt: self.time_outs.attempt,
        };
        Session {
            region: region.clone(),
            config,
            base,
        }
    }

    fn timeouts(&self) -> TimeoutConfig {
        // No time-out of its own for reading: the attempt's covers it, and each one is a timer a call.
        TimeoutConfig::builder()
            .connect_timeout(self.time_outs.connect)
            .operation_attempt_timeout(self.time_outs.attempt)
            .operation_timeout(self.time_outs.operation)
            .build()
    }

    fn loader(&self, account: &AccountPlan) -> ConfigLoader {
        let retries = RetryConfig::standard()
            .with_max_attempts(MAX_ATTEMPTS)
            .with_initial_backoff(Duration::from_millis(200))
            .with_max_backoff(MAX_BACKOFF);
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(self.http_client.clone())
            .timeout_config(self.timeouts())
            .retry_config(retries)
            // The attempt's time-out covers the body: results are small and read whole.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .use_fips(account.fips)
            .use_dual_stack(account.dual_stack);
        if let Some(region) = &account.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = &account.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(StaticCredentials {
            access_key_id,
            secret_access_key,
        }) = self.credentials
        {
            loader = loader.credentials_provider(Credentials::new(
                access_key_id,
                secret_access_key,
                None,
                None,
                "static",
            ));
        }
        loader
    }
}
