//! The Region of an account that the configuration does not name.

use aws_config::profile::ProfileSet;

use crate::config::is_region;

/// Variables that hold a Region, in the SDK's order.
const VARIABLES: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

/// A Region that cannot be used. The value is not repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Region of {place} {defect}")]
pub struct InvalidRegion {
    place: String,
    defect: &'static str,
}

/// Checks the Region that the environment or the profile names; the SDK reads them in this order.
/// `env` looks up an environment variable.
pub(super) fn check(
    env: &dyn Fn(&str) -> Option<String>,
    profiles: &ProfileSet,
) -> Result<(), InvalidRegion> {
    let variable = VARIABLES
        .iter()
        .find_map(|name| Some(((*name).to_owned(), env(name)?)));
    match variable.or_else(|| of_profile(profiles)) {
        Some((place, region)) => check_value(place, &region),
        None => Ok(()),
    }
}

/// Checks the Region that the instance metadata has reported.
pub(super) fn check_found(region: &str) -> Result<(), InvalidRegion> {
    check_value("the instance metadata".to_owned(), region)
}

/// Returns the Region of the selected profile, or of its source profiles.
fn of_profile(profiles: &ProfileSet) -> Option<(String, String)> {
    let selected = profiles.get_profile(profiles.selected_profile());
    let sources = std::iter::successors(selected, |profile| {
        profiles.get_profile(profile.get("source_profile")?)
    });
    // A profile may be its own source.
    sources
        .take(profiles.profiles().count())
        .find_map(|profile| {
            let region = profile.get("region")?;
            Some((format!("profile `{}`", profile.name()), region.to_owned()))
        })
}

fn check_value(place: String, region: &str) -> Result<(), InvalidRegion> {
    let defect = if region.is_empty() {
        "is empty"
    } else if region.contains(['\n', '\r']) {
        "contains a line break"
    } else if region.contains(['"', '\'']) {
        "contains quotes"
    } else if region.chars().any(char::is_whitespace) {
        "contains a blank"
    } else if is_region(region) {
        return Ok(());
    } else {
        "is not the code of a Region"
    };
    Err(InvalidRegion { place, defect })
}
