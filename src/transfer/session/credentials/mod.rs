//! Credentials of an account: where they come from, and whether they can sign a request.
//!
//! | module | holds |
//! | --- | --- |
//! | `base` | the profile that the configuration names, or the SDK's default chain |
//! | `checked` | refuses unusable credentials, names their source, catches panics |
//! | `fallback` | uses the last credentials until they expire if a refresh fails |

mod base;
mod checked;
mod fallback;

use std::sync::Arc;

use aws_config::SdkConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::provider::SharedCredentialsProvider;

use self::base::BaseCredentials;
use self::checked::CheckedCredentials;
pub(in crate::transfer) use self::checked::CredentialSource;
pub(in crate::transfer) use self::checked::UnusableCredentials;
use self::fallback::FallbackCredentials;
use crate::config::{AccountPlan, AssumeRole};

/// Adds the credentials of an account to `sdk`, which has everything else, and returns it with the
/// source of the credentials. `fixed` replaces every other source. `selected_profile` is the profile
/// that the default chain uses.
pub(super) async fn provide(
    sdk: SdkConfig,
    account: &AccountPlan,
    selected_profile: &str,
    fixed: Option<SharedCredentialsProvider>,
) -> (SdkConfig, CredentialSource) {
    let base = fixed.unwrap_or_else(|| {
        let base = BaseCredentials::new(account.profile.clone(), sdk.clone());
        SharedCredentialsProvider::new(base)
    });
    let base = CheckedCredentials::base(base, account.profile.as_deref(), selected_profile);
    let mut source = base.source();
    let mut provider = SharedCredentialsProvider::new(base);
    if let Some(role) = &account.assume_role {
        let sdk = sdk
            .clone()
            .into_builder()
            .credentials_provider(provider)
            .build();
        let role = CheckedCredentials::role(assume(role, &sdk).await, &source);
        source = role.source();
        provider = SharedCredentialsProvider::new(role);
    }
    if let Some(clock) = sdk.time_source() {
        let fallback = FallbackCredentials::new(provider, Arc::new(move || clock.now()));
        provider = SharedCredentialsProvider::new(fallback);
    }
    let sdk = sdk.into_builder().credentials_provider(provider).build();
    (sdk, source)
}

async fn assume(role: &AssumeRole, sdk: &SdkConfig) -> SharedCredentialsProvider {
    let mut provider = AssumeRoleProvider::builder(&role.role_arn).session_name(&role.session_name);
    if let Some(external_id) = &role.external_id {
        provider = provider.external_id(external_id.expose());
    }
    SharedCredentialsProvider::new(provider.configure(sdk).build().await)
}
