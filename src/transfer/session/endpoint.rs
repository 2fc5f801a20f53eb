//! Endpoints of the configuration together with FIPS and dual-stack endpoints. The SDK has no rule
//! for a combination of the two.

use aws_config::SdkConfig;

use super::SessionError;
use crate::config::{AccountPlan, DiscoveryPlan};

/// A setting that selects other hosts of AWS.
struct Variant {
    name: &'static str,
    /// The key of the account.
    key: &'static str,
    /// The variable and the key of the profile.
    setting: &'static str,
}

const FIPS: Variant = Variant {
    name: "FIPS",
    key: "fips",
    setting: "AWS_USE_FIPS_ENDPOINT or `use_fips_endpoint`",
};
const DUAL_STACK: Variant = Variant {
    name: "dual-stack",
    key: "dual_stack",
    setting: "AWS_USE_DUALSTACK_ENDPOINT or `use_dualstack_endpoint`",
};

/// Returns the variants that the account, the environment or the profile asks for.
fn variants(sdk: &SdkConfig) -> impl Iterator<Item = Variant> {
    let fips = (sdk.use_fips() == Some(true)).then_some(FIPS);
    let dual_stack = (sdk.use_dual_stack() == Some(true)).then_some(DUAL_STACK);
    fips.into_iter().chain(dual_stack)
}

/// Refuses an endpoint of the account together with FIPS or dual-stack endpoints, of which the SDK
/// would report each call as an error.
pub(super) fn check(account: &AccountPlan, sdk: &SdkConfig) -> Result<(), SessionError> {
    match variants(sdk).next() {
        Some(variant) if account.endpoint_url.is_some() => Err(SessionError::Endpoint {
            account: account.name.to_string(),
            setting: variant.setting,
            key: variant.key,
        }),
        _ => Ok(()),
    }
}

/// Returns the variants that have no effect on a source of the account, because the source has an
/// endpoint in the configuration.
pub(super) fn without_effect(
    account: &AccountPlan,
    sdk: &SdkConfig,
    discovery: &DiscoveryPlan,
) -> Vec<String> {
    let queues = discovery.events.iter().enumerate().map(|(index, plan)| {
        let key = format!("discovery.events[{index}].endpoint_url");
        (&plan.account, &plan.endpoint_url, key)
    });
    let histories = discovery
        .cloudtrail
        .iter()
        .enumerate()
        .map(|(index, plan)| {
            let key = format!("discovery.cloudtrail[{index}].endpoint_url");
            (&plan.account, &plan.endpoint_url, key)
        });
    let replaced = queues.chain(histories);
    let replaced = replaced.filter(|(of, url, _)| **of == account.name && url.is_some());
    replaced
        .flat_map(|(.., key)| {
            variants(sdk).map(move |variant| format!("{} endpoint with {key}", variant.name))
        })
        .collect()
}
