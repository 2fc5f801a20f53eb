//! Credentials without a gap: those at hand serve until they expire, should new ones be late.
//!
//! The SDK asks for new ones some seconds before the old ones expire, and takes a failure for the call's. A source that
//! fails just then, STS for example, would fail calls that the old credentials are still good for.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use tracing::debug;

/// Asks `inner`, and answers with what it last gave while that is valid and nothing newer is to be had.
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
        // Those that never expire are asked for anew: their source may have been told others.
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
                Ok(new) => {
                    *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(new.clone());
                    Ok(new)
                }
                Err(error) => match self.still_valid() {
                    Some(last) => {
                        debug!(
                            "new credentials are not to be had, those at hand are valid for some more time"
                        );
                        Ok(last)
                    }
                    None => Err(error),
                },
            }
        })
    }

    /// What serves where `inner` takes too long.
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

    /// Gives what it holds.
    #[derive(Debug)]
    struct Source(Arc<Mutex<Option<Credentials>>>);

    impl ProvideCredentials for Source {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let given = self.0.lock().unwrap().clone();
            future::ProvideCredentials::ready(
                given.ok_or_else(|| CredentialsError::not_loaded("none")),
            )
        }
    }

    #[tokio::test]
    async fn the_last_ones_serve_until_they_expire_and_no_longer() {
        let start = SystemTime::UNIX_EPOCH;
        let now = Arc::new(Mutex::new(start));
        let given = Arc::new(Mutex::new(None));
        let clock = Arc::clone(&now);
        let source = SharedCredentialsProvider::new(Source(Arc::clone(&given)));
        let fallback = FallbackCredentials::new(source, Arc::new(move || *clock.lock().unwrap()));
        let id = async || {
            fallback
                .provide_credentials()
                .await
                .map(|given| given.access_key_id().to_owned())
                .ok()
        };
        let seconds = Duration::from_secs;
        let credentials =
            |id: &str, expiry| Some(Credentials::new(id, "secret", None, expiry, "test"));
        for (at, given_now, expected, why) in [
            (0, None, None, "there were none yet"),
            (
                1,
                credentials("first", Some(start + seconds(10))),
                Some("first"),
                "the source gives them",
            ),
            (
                5,
                None,
                Some("first"),
                "the source fails, the last are valid",
            ),
            (
                9,
                credentials("second", Some(start + seconds(20))),
                Some("second"),
                "newer ones go first",
            ),
            (20, None, None, "the last have expired"),
            (21, credentials("third", None), Some("third"), "healed"),
            (
                22,
                None,
                None,
                "those that never expire are not taken from memory",
            ),
        ] {
            *now.lock().unwrap() = start + seconds(at);
            *given.lock().unwrap() = given_now;
            assert_eq!(id().await.as_deref(), expected, "{why}");
        }
    }
}
