//! Checks credentials where they are obtained.
//!
//! The SDK puts the key ID and the token into headers, and panics if a header cannot hold them. A
//! Secret that was made with `echo` ends with such a character.

use std::error::Error as StdError;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use aws_credential_types::Credentials;
use aws_credential_types::credential_feature::AwsCredentialFeature;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use futures_util::FutureExt;

use crate::transfer::classify;

/// The source of the last credentials of an account, for people. Empty before the first ones.
#[derive(Clone, Debug, Default)]
pub(in crate::transfer) struct CredentialSource(Arc<Mutex<String>>);

impl CredentialSource {
    /// Returns the name of the source.
    pub(in crate::transfer) fn name(&self) -> String {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, name: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = name;
    }
}

/// Credentials that cannot sign a request. The text names their source and repeats nothing of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {part} from {source_name} {defect}")]
pub(in crate::transfer) struct UnusableCredentials {
    part: &'static str,
    source_name: String,
    defect: &'static str,
}

/// Where credentials come from, as far as it is known before they are obtained.
enum Origin {
    /// The profile that the configuration names.
    Profile(String),
    /// The default chain, which uses this profile.
    Chain(String),
    /// A role that is assumed with credentials of this source.
    Role(CredentialSource),
}

impl Origin {
    /// Returns the name of the source of `credentials`.
    fn describe(&self, credentials: &Credentials) -> String {
        let features = credentials.get_property::<Vec<AwsCredentialFeature>>();
        let features = features.map_or(&[][..], Vec::as_slice);
        let mechanism = mechanism(features);
        let of_profile = |profile: &str| match mechanism {
            Some(mechanism) => format!("profile `{profile}` ({mechanism})"),
            None => format!("profile `{profile}`"),
        };
        match self {
            Self::Profile(profile) => of_profile(profile),
            Self::Chain(profile)
                if features.contains(&AwsCredentialFeature::CredentialsProfile) =>
            {
                of_profile(profile)
            }
            Self::Chain(_) => mechanism.unwrap_or("the SDK").to_owned(),
            Self::Role(base) => format!("the role, assumed with {}", base.name()),
        }
    }

    /// Returns the error with the name of the profile that the configuration names: nothing else was
    /// tried.
    fn explain(&self, error: CredentialsError) -> CredentialsError {
        let Self::Profile(profile) = self else {
            return error;
        };
        let reason = match &error {
            CredentialsError::CredentialsNotLoaded(_) if error.source().is_none() => {
                "it has no credentials".to_owned()
            }
            _ => classify::innermost(&error),
        };
        CredentialsError::provider_error(format!("profile `{profile}`: {reason}"))
    }
}

/// Returns how credentials were obtained; `None` for keys and for a role of a profile.
fn mechanism(features: &[AwsCredentialFeature]) -> Option<&'static str> {
    use AwsCredentialFeature as Feature;
    features.iter().find_map(|feature| {
        Some(match feature {
            Feature::CredentialsEnvVars => "environment variables",
            Feature::CredentialsProfileStsWebIdToken | Feature::CredentialsStsAssumeRoleWebId => {
                "a web identity token"
            }
            Feature::CredentialsHttp => "the container endpoint",
            Feature::CredentialsImds => "instance metadata",
            Feature::CredentialsProcess => "a process",
            Feature::CredentialsSso => "SSO",
            Feature::CredentialsProfileLogin => "a login session",
            _ => return None,
        })
    })
}

/// Provides the credentials of `inner` if they can sign a request.
pub(super) struct CheckedCredentials {
    inner: SharedCredentialsProvider,
    origin: Origin,
    source: CredentialSource,
}

impl CheckedCredentials {
    /// Checks credentials of `profile`, or of the default chain, which uses `selected_profile`.
    pub(super) fn base(
        inner: SharedCredentialsProvider,
        profile: Option<&str>,
        selected_profile: &str,
    ) -> Self {
        let origin = match profile {
            Some(profile) => Origin::Profile(profile.to_owned()),
            None => Origin::Chain(selected_profile.to_owned()),
        };
        Self::new(inner, origin)
    }

    /// Checks credentials of a role that is assumed with credentials of `base`.
    pub(super) fn role(inner: SharedCredentialsProvider, base: &CredentialSource) -> Self {
        Self::new(inner, Origin::Role(base.clone()))
    }

    fn new(inner: SharedCredentialsProvider, origin: Origin) -> Self {
        Self {
            inner,
            origin,
            source: CredentialSource::default(),
        }
    }

    /// Returns the source, which is known once there are credentials.
    pub(super) fn source(&self) -> CredentialSource {
        self.source.clone()
    }

    async fn load(&self) -> provider::Result {
        // A provider signs requests too, with credentials that were not checked.
        let provided = AssertUnwindSafe(self.inner.provide_credentials()).catch_unwind();
        let credentials = match provided.await {
            Ok(Ok(credentials)) => credentials,
            Ok(Err(error)) => return Err(self.origin.explain(error)),
            Err(_) => {
                let error = "the AWS SDK panicked: a key or token may have a line break";
                return Err(self.origin.explain(CredentialsError::unhandled(error)));
            }
        };
        let source_name = self.origin.describe(&credentials);
        if let Some((part, defect)) = defect(&credentials) {
            return Err(CredentialsError::invalid_configuration(
                UnusableCredentials {
                    part,
                    source_name,
                    defect,
                },
            ));
        }
        self.source.set(source_name);
        Ok(credentials)
    }
}

/// Returns the part of the credentials that cannot be used, and why.
fn defect(credentials: &Credentials) -> Option<(&'static str, &'static str)> {
    let parts = [
        ("access key ID", Some(credentials.access_key_id())),
        ("secret access key", Some(credentials.secret_access_key())),
        ("session token", credentials.session_token()),
    ];
    parts
        .into_iter()
        .find_map(|(part, text)| Some((part, defect_of(text?)?)))
}

fn defect_of(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        Some("is empty")
    } else if text.contains(['\n', '\r']) {
        Some("contains a line break")
    } else if text.chars().any(char::is_whitespace) {
        Some("contains a blank")
    } else if text.chars().any(char::is_control) {
        Some("contains a control character")
    } else if text.is_ascii() {
        None
    } else {
        Some("contains a character that is not ASCII")
    }
}

impl fmt::Debug for CheckedCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CheckedCredentials")
    }
}

impl ProvideCredentials for CheckedCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.load())
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        let last = self.inner.fallback_on_interrupt()?;
        defect(&last).is_none().then_some(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn unusable_credentials_are_refused_without_repeating_them() {
        for (key, secret, token, refused) in [
            ("AKID", "secret/+=", None, None),
            ("AKID", "secret", Some("token"), None),
            (
                "AKID\n",
                "secret",
                None,
                Some("the access key ID from profile `ops` contains a line break"),
            ),
            (
                "",
                "secret",
                None,
                Some("the access key ID from profile `ops` is empty"),
            ),
            (
                "AK ID",
                "secret",
                None,
                Some("the access key ID from profile `ops` contains a blank"),
            ),
            (
                "AK\u{1}",
                "secret",
                None,
                Some("the access key ID from profile `ops` contains a control character"),
            ),
            (
                "AKIÐ",
                "secret",
                None,
                Some("the access key ID from profile `ops` contains a character that is not ASCII"),
            ),
            (
                "AKID",
                "",
                None,
                Some("the secret access key from profile `ops` is empty"),
            ),
            (
                "AKID",
                "sec\r\nret",
                None,
                Some("the secret access key from profile `ops` contains a line break"),
            ),
            (
                "AKID",
                "secret",
                Some("to\tken"),
                Some("the session token from profile `ops` contains a blank"),
            ),
        ] {
            let credentials = Credentials::new(key, secret, token.map(Into::into), None, "test");
            let provider = SharedCredentialsProvider::new(credentials);
            let checked = CheckedCredentials::base(provider, Some("ops"), "ops");
            let error = checked.provide_credentials().await.err();
            let error = error.map(|error| error.source().unwrap().to_string());
            assert_eq!(error.as_deref(), refused);
        }
    }

    #[derive(Debug)]
    struct Panicking;

    impl ProvideCredentials for Panicking {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::new(async { panic!("a header with a line break") })
        }
    }

    #[tokio::test]
    async fn panic_of_a_provider_is_an_error_of_the_profile() {
        let provider = SharedCredentialsProvider::new(Panicking);
        let checked = CheckedCredentials::base(provider, Some("ops"), "ops");
        let error = checked.provide_credentials().await.unwrap_err();
        let text = error.source().unwrap().to_string();
        assert!(
            text.starts_with("profile `ops`: the AWS SDK panicked"),
            "{text}"
        );
    }
}
