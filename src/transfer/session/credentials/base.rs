//! The profile that the configuration names, or the SDK's default chain.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use aws_config::SdkConfig;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};

/// Provides the credentials of a profile and of nothing else, or of the default chain.
///
/// The SDK's provider of a profile keeps what it has read from the shared files, and an error as
/// well. After a failure this one creates the provider again, so that a corrected file takes effect.
pub(super) struct BaseCredentials {
    profile: Option<String>,
    sdk: SdkConfig,
    current: Mutex<Option<SharedCredentialsProvider>>,
}

impl BaseCredentials {
    /// Creates a provider for `profile`, or for the default chain, with the settings of `sdk`.
    pub(super) fn new(profile: Option<String>, sdk: SdkConfig) -> Self {
        Self {
            profile,
            sdk,
            current: Mutex::default(),
        }
    }

    async fn load(&self) -> provider::Result {
        let provider = self.provider().await;
        let result = provider.provide_credentials().await;
        if result.is_err() {
            self.set(None);
        }
        result
    }

    async fn provider(&self) -> SharedCredentialsProvider {
        if let Some(provider) = self.current() {
            return provider;
        }
        let config = provider_config(&self.sdk);
        let provider = if let Some(profile) = &self.profile {
            SharedCredentialsProvider::new(
                ProfileFileCredentialsProvider::builder()
                    .configure(&config)
                    .profile_name(profile)
                    .build(),
            )
        } else {
            let mut chain = DefaultCredentialsChain::builder().configure(config);
            // The chain would look for a Region otherwise.
            chain.set_region(self.sdk.region().cloned());
            SharedCredentialsProvider::new(chain.build().await)
        };
        self.set(Some(provider.clone()));
        provider
    }

    fn current(&self) -> Option<SharedCredentialsProvider> {
        self.current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, provider: Option<SharedCredentialsProvider>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = provider;
    }
}

impl fmt::Debug for BaseCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BaseCredentials")
    }
}

impl ProvideCredentials for BaseCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.load())
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.current()?.fallback_on_interrupt()
    }
}

/// Returns the settings of `sdk` for a provider of credentials. Each call returns one that reads the
/// shared files again.
fn provider_config(sdk: &SdkConfig) -> ProviderConfig {
    let mut config = ProviderConfig::without_region()
        .with_region(sdk.region().cloned())
        .with_behavior_version(sdk.behavior_version())
        .with_use_fips(sdk.use_fips())
        .with_use_dual_stack(sdk.use_dual_stack());
    if let Some(http_client) = sdk.http_client() {
        config = config.with_http_client(http_client);
    }
    if let Some(time_source) = sdk.time_source() {
        config = config.with_time_source(time_source);
    }
    if let Some(retries) = sdk.retry_config() {
        config = config.with_retry_config(retries.clone());
    }
    if let Some(time_outs) = sdk.timeout_config() {
        config = config.with_timeout_config(time_outs.clone());
    }
    config
}
