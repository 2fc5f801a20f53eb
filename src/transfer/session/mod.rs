//! Credentials, Region, endpoint, time-outs and retries of each account. All share one HTTP client.
//!
//! Retries are the SDK's, with a retry quota of 500 tokens for each account. A retry takes 10
//! tokens, or 5 after throttling; a call that succeeds by a retry returns the tokens of its last
//! retry, one that succeeds at once adds 1. So an account on which every call fails with 5xx gets
//! 50 retries, however many calls it makes, and one on which most calls succeed retries at most a
//! tenth of them (a fifth of throttled ones). `tests/it/throttled.rs` counts the attempts. No retry
//! loop is needed around it.

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
}

/// Credentials and Region of an account. All sessions that are created from it share the
/// credentials and their cache.
#[derive(Clone)]
pub struct ResolvedAccount {
    account: AccountPlan,
    region: String,
    sdk: SdkConfig,
}

impl ResolvedAccount {
    /// Returns the account's entry in the plan.
    pub fn account(&self) -> &AccountPlan {
        &self.account
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
    pub(super) attempt: Duration,
}

impl fmt::Debug for ClientBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBase")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// Creates the sessions of all accounts.
pub struct Sessions {
    http_client: SharedHttpClient,
    time_outs: TimeOuts,
    credentials: Option<StaticCredentials>,
}

impl Sessions {
    /// Creates the shared HTTP client. With `credentials`, the default credential chain is not
    /// used.
    pub fn new(time_outs: TimeOuts, credentials: Option<StaticCredentials>) -> Self {
        let tls = tls::Provider::Rustls(CryptoMode::AwsLc);
        let http_client = aws_smithy_http_client::Builder::new()
            .tls_provider(tls)
            .build_https();
        Self::with_http_client(http_client, time_outs, credentials)
    }

    /// Uses another HTTP client. The size of its responses is limited.
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

    /// Creates the session of an account. Calls no AWS service except instance metadata, if no
    /// Region is set.
    ///
    /// # Errors
    /// [`SessionError::NoRegion`].
    pub async fn open(&self, account: &AccountPlan) -> Result<Session, SessionError> {
        Ok(self.session(&self.resolve(account).await?))
    }

    /// Finds the credentials and the Region of an account. Makes the calls of [`Sessions::open`].
    ///
    /// # Errors
    /// [`SessionError::NoRegion`].
    pub async fn resolve(&self, account: &AccountPlan) -> Result<ResolvedAccount, SessionError> {
        let mut sdk = self.loader(account).load().await;
        let Some(region) = sdk.region().map(ToString::to_string) else {
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
            let provider = SharedCredentialsProvider::new(provider.configure(&sdk).build().await);
            sdk = sdk.into_builder().credentials_provider(provider).build();
        }
        if let Some((provider, clock)) = sdk.credentials_provider().zip(sdk.time_source()) {
            let fallback = SharedCredentialsProvider::new(FallbackCredentials::new(
                provider,
                Arc::new(move || clock.now()),
            ));
            sdk = sdk.into_builder().credentials_provider(fallback).build();
        }
        Ok(ResolvedAccount {
            account: account.clone(),
            region,
            sdk,
        })
    }

    /// Creates a session from resolved credentials. Makes no call.
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
            .http_client(self.http_client.clone())
            .timeout_config(self.timeouts())
            .retry_config(retries)
            // The time-out of the attempt covers the body, which is small.
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
