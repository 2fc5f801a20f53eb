//! Credentials that are used until they expire if a refresh fails.
//!
//! The SDK refreshes credentials some seconds before they expire and fails the call if the refresh
//! fails. A source that fails at that moment, for example STS, would fail calls for which the old
//! credentials are still valid.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use tracing::debug;

/// Provides the credentials of `inner`; if that fails, its last ones while they are valid.
pub(super) struct FallbackCredentials {
    inner: SharedCredentialsProvider,
    last: Mutex<Option<Credentials>>,
    clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

impl FallbackCredentials {
    pub(super) fn new(
        inner: SharedCredentialsProvider,
        clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    ) -> Self {
        Self {
            inner,
            last: Mutex::default(),
            clock,
        }
    }

    fn still_valid(&self) -> Option<Credentials> {
        let last = self
            .last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()?;
        // Credentials without an expiration are not reused: they may have been replaced.
        last.expiry()
            .is_some_and(|expiry| expiry > (self.clock)())
            .then_some(last)
    }
}

impl fmt::Debug for FallbackCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FallbackCredentials")
    }
}

impl ProvideCredentials for FallbackCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            match self.inner.provide_credentials().await {
                Ok(credentials) => {
                    *self.last.lock().unwrap_or_else(PoisonError::into_inner) =
                        Some(credentials.clone());
                    Ok(credentials)
                }
                Err(error) => match self.still_valid() {
                    Some(last) => {
                        debug!(
                            event = "credentials_refresh_failed",
                            %error,
                            "failed to refresh credentials, using the last ones until they expire"
                        );
                        Ok(last)
                    }
                    None => Err(error),
                },
            }
        })
    }

    /// Returns the credentials to use if `inner` takes too long.
    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.still_valid()
            .or_else(|| self.inner.fallback_on_interrupt())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_credential_types::provider::error::CredentialsError;

    use super::*;

    /// Provides what it holds.
    #[derive(Debug)]
    struct FakeProvider(Arc<Mutex<Option<Credentials>>>);

    impl ProvideCredentials for FakeProvider {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let credentials = self.0.lock().unwrap().clone();
            future::ProvideCredentials::ready(
                credentials.ok_or_else(|| CredentialsError::not_loaded("none")),
            )
        }
    }

    #[tokio::test]
    async fn last_credentials_are_used_until_they_expire() {
        let start = SystemTime::UNIX_EPOCH;
        let now = Arc::new(Mutex::new(start));
        let held = Arc::new(Mutex::new(None));
        let clock = Arc::clone(&now);
        let source = SharedCredentialsProvider::new(FakeProvider(Arc::clone(&held)));
        let fallback = FallbackCredentials::new(source, Arc::new(move || *clock.lock().unwrap()));
        let id = async || {
            fallback
                .provide_credentials()
                .await
                .map(|credentials| credentials.access_key_id().to_owned())
                .ok()
        };
        let seconds = Duration::from_secs;
        let credentials =
            |id: &str, expiry| Some(Credentials::new(id, "secret", None, expiry, "test"));
        for (at, provided, expected, why) in [
            (0, None, None, "no credentials yet"),
            (
                1,
                credentials("first", Some(start + seconds(10))),
                Some("first"),
                "the first credentials",
            ),
            (
                5,
                None,
                Some("first"),
                "the refresh fails and the last are valid",
            ),
            (
                9,
                credentials("second", Some(start + seconds(20))),
                Some("second"),
                "newer credentials take precedence",
            ),
            (20, None, None, "the last have expired"),
            (
                21,
                credentials("third", None),
                Some("third"),
                "the source has recovered",
            ),
            (
                22,
                None,
                None,
                "credentials without an expiration are not reused",
            ),
        ] {
            *now.lock().unwrap() = start + seconds(at);
            *held.lock().unwrap() = provided;
            assert_eq!(id().await.as_deref(), expected, "{why}");
        }
    }
}
