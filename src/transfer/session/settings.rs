//! The settings of the AWS SDKs and tools, and which of them have an effect.
//!
//! Source: <https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html>, and the settings
//! of the AWS CLI that users may expect to work. `docs/operate/aws-settings.md` shows this table.

use aws_config::profile::ProfileSet;

/// What a setting does in the exporter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// As everywhere.
    Honoured,
    /// None, because of this. Reported at the start.
    None(&'static str),
    /// None: it concerns services or tools that the exporter does not use. Not reported.
    Unrelated(&'static str),
}

use Effect::{Honoured, None as NoEffect, Unrelated};

/// A setting as an environment variable, as a key of a profile, or both.
struct Setting {
    variable: &'static str,
    key: &'static str,
    effect: Effect,
}

const fn setting(variable: &'static str, key: &'static str, effect: Effect) -> Setting {
    Setting {
        variable,
        key,
        effect,
    }
}

const RETRIES: Effect = NoEffect("a call has 3 attempts, which have to fit into a scrape");
const NOT_IN_RUST: Effect = NoEffect("the Rust SDK does not have it");
const ENDPOINTS: Effect = Unrelated("no operation that the exporter calls uses it");
const S3: Effect = Unrelated("Amazon S3 is not called");
const CLI: Effect = Unrelated("a setting of the AWS CLI or of boto3");

/// The settings, in the order of the page.
const SETTINGS: &[Setting] = &[
    // Credentials.
    setting("AWS_ACCESS_KEY_ID", "aws_access_key_id", Honoured),
    setting("AWS_SECRET_ACCESS_KEY", "aws_secret_access_key", Honoured),
    setting("AWS_SESSION_TOKEN", "aws_session_token", Honoured),
    setting("AWS_PROFILE", "", Honoured),
    setting("AWS_DEFAULT_PROFILE", "", NoEffect("use `AWS_PROFILE`")),
    setting("AWS_CONFIG_FILE", "", Honoured),
    setting("AWS_SHARED_CREDENTIALS_FILE", "", Honoured),
    setting("AWS_ROLE_ARN", "role_arn", Honoured),
    setting("AWS_ROLE_SESSION_NAME", "role_session_name", Honoured),
    setting(
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "web_identity_token_file",
        Honoured,
    ),
    setting("", "source_profile", Honoured),
    setting("", "credential_source", Honoured),
    setting("", "external_id", Honoured),
    setting(
        "",
        "duration_seconds",
        NoEffect("the Rust SDK does not have it; a session lasts an hour"),
    ),
    setting(
        "",
        "mfa_serial",
        NoEffect("no code can be entered; use a role without this condition"),
    ),
    setting("", "credential_process", Honoured),
    setting("", "login_session", Honoured),
    setting("AWS_LOGIN_CACHE_DIRECTORY", "", Honoured),
    setting("", "sso_session", Honoured),
    setting("", "sso_start_url", Honoured),
    setting("", "sso_region", Honoured),
    setting("", "sso_account_id", Honoured),
    setting("", "sso_role_name", Honoured),
    setting("", "sso_registration_scopes", CLI),
    setting("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "", Honoured),
    setting("AWS_CONTAINER_CREDENTIALS_FULL_URI", "", Honoured),
    setting("AWS_CONTAINER_AUTHORIZATION_TOKEN", "", Honoured),
    setting("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "", Honoured),
    setting("AWS_EC2_METADATA_DISABLED", "", Honoured),
    setting(
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        "ec2_metadata_service_endpoint",
        Honoured,
    ),
    setting(
        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
        "ec2_metadata_service_endpoint_mode",
        Honoured,
    ),
    setting(
        "AWS_EC2_METADATA_V1_DISABLED",
        "ec2_metadata_v1_disabled",
        Honoured,
    ),
    setting(
        "AWS_EC2_INSTANCE_PROFILE_NAME",
        "ec2_instance_profile_name",
        NOT_IN_RUST,
    ),
    setting(
        "AWS_METADATA_SERVICE_TIMEOUT",
        "metadata_service_timeout",
        NOT_IN_RUST,
    ),
    setting(
        "AWS_METADATA_SERVICE_NUM_ATTEMPTS",
        "metadata_service_num_attempts",
        NOT_IN_RUST,
    ),
    setting(
        "AWS_IMDS_USE_IPV6",
        "imds_use_ipv6",
        NoEffect("use `AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE`"),
    ),
    // Region, endpoints and connections.
    setting("AWS_REGION", "region", Honoured),
    setting("AWS_DEFAULT_REGION", "", Honoured),
    setting("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint", Honoured),
    setting(
        "AWS_USE_DUALSTACK_ENDPOINT",
        "use_dualstack_endpoint",
        Honoured,
    ),
    setting("AWS_ENDPOINT_URL", "endpoint_url", Honoured),
    setting("AWS_ENDPOINT_URL_<SERVICE>", "services", Honoured),
    setting(
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "ignore_configured_endpoint_urls",
        Honoured,
    ),
    setting("AWS_CA_BUNDLE", "ca_bundle", Honoured),
    setting("HTTPS_PROXY", "", Honoured),
    setting("HTTP_PROXY", "", Honoured),
    setting("ALL_PROXY", "", Honoured),
    setting("NO_PROXY", "", Honoured),
    setting(
        "AWS_STS_REGIONAL_ENDPOINTS",
        "sts_regional_endpoints",
        NoEffect("the endpoint of the Region is always used"),
    ),
    setting(
        "AWS_ENABLE_ENDPOINT_DISCOVERY",
        "endpoint_discovery_enabled",
        ENDPOINTS,
    ),
    setting("AWS_ACCOUNT_ID", "aws_account_id", ENDPOINTS),
    setting(
        "AWS_ACCOUNT_ID_ENDPOINT_MODE",
        "account_id_endpoint_mode",
        ENDPOINTS,
    ),
    setting(
        "AWS_DISABLE_HOST_PREFIX_INJECTION",
        "disable_host_prefix_injection",
        ENDPOINTS,
    ),
    // Requests.
    setting("AWS_MAX_ATTEMPTS", "max_attempts", RETRIES),
    setting("AWS_RETRY_MODE", "retry_mode", RETRIES),
    setting(
        "AWS_DEFAULTS_MODE",
        "defaults_mode",
        NoEffect("time-outs follow from `collector.timeout`"),
    ),
    setting(
        "AWS_DISABLE_CLOCK_SKEW_CORRECTION",
        "disable_clock_skew_correction",
        Honoured,
    ),
    setting("AWS_SDK_UA_APP_ID", "sdk_ua_app_id", Honoured),
    setting(
        "AWS_AUTH_SCHEME_PREFERENCE",
        "auth_scheme_preference",
        ENDPOINTS,
    ),
    setting(
        "AWS_SIGV4A_SIGNING_REGION_SET",
        "sigv4a_signing_region_set",
        ENDPOINTS,
    ),
    setting(
        "AWS_DISABLE_REQUEST_COMPRESSION",
        "disable_request_compression",
        ENDPOINTS,
    ),
    setting(
        "AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES",
        "request_min_compression_size_bytes",
        ENDPOINTS,
    ),
    setting(
        "AWS_REQUEST_CHECKSUM_CALCULATION",
        "request_checksum_calculation",
        ENDPOINTS,
    ),
    setting(
        "AWS_RESPONSE_CHECKSUM_VALIDATION",
        "response_checksum_validation",
        ENDPOINTS,
    ),
    // Other services and tools.
    setting(
        "AWS_S3_DISABLE_EXPRESS_SESSION_AUTH",
        "s3_disable_express_session_auth",
        S3,
    ),
    setting(
        "AWS_S3_DISABLE_MULTIREGION_ACCESS_POINTS",
        "s3_disable_multiregion_access_points",
        S3,
    ),
    setting("AWS_S3_USE_ARN_REGION", "s3_use_arn_region", S3),
    setting("", "s3", S3),
    setting("AWS_DEFAULT_OUTPUT", "output", CLI),
    setting("", "api_versions", CLI),
    setting("", "parameter_validation", CLI),
    setting("", "tcp_keepalive", CLI),
];

/// Returns the settings that are present and have no effect. `env` looks up an environment variable.
pub(super) fn without_effect(
    env: &dyn Fn(&str) -> Option<String>,
    profiles: &ProfileSet,
) -> Vec<String> {
    let profile = profiles.get_profile(profiles.selected_profile());
    let has_key = |key: &str| profile.is_some_and(|profile| profile.get(key).is_some());
    let mut found = Vec::new();
    let settings = SETTINGS.iter();
    for setting in settings.filter(|setting| matches!(setting.effect, Effect::None(_))) {
        if !setting.variable.is_empty() && env(setting.variable).is_some() {
            found.push(setting.variable.to_owned());
        }
        if !setting.key.is_empty() && has_key(setting.key) {
            let profile = profiles.selected_profile();
            found.push(format!("{} of profile {profile}", setting.key));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use aws_types::os_shim_internal::{Env, Fs};

    use super::super::shared_config;
    use super::*;

    #[test]
    fn documentation_has_the_table() {
        let mut table =
            String::from("| variable | key of a profile | effect |\n| --- | --- | --- |\n");
        let code = |text: &str| {
            if text.is_empty() {
                String::new()
            } else {
                format!("`{text}`")
            }
        };
        for setting in SETTINGS {
            let effect = match setting.effect {
                Honoured => "yes".to_owned(),
                NoEffect(why) => format!("none, a warning at the start: {why}"),
                Unrelated(why) => format!("none: {why}"),
            };
            let (variable, key) = (code(setting.variable), code(setting.key));
            let _ = writeln!(table, "| {variable} | {key} | {effect} |");
        }
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operate/aws-settings.md");
        let text = std::fs::read_to_string(page).unwrap();
        let (before, rest) = text.split_once("<!-- settings -->\n").unwrap();
        let (_, after) = rest.split_once("<!-- end of settings -->").unwrap();
        let wanted = format!("{before}<!-- settings -->\n{table}<!-- end of settings -->{after}");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(page, &wanted).unwrap();
        }
        assert_eq!(std::fs::read_to_string(page).unwrap(), wanted);
    }

    #[tokio::test]
    async fn settings_without_effect_are_found_in_the_environment_and_the_selected_profile() {
        let file = "[profile ops]\nmax_attempts = 1\noutput = json\n[profile other]\nretry_mode = standard\n";
        let fs = Fs::from_slice(&[("config", file)]);
        let files = Env::from_slice(&[("AWS_CONFIG_FILE", "config")]);
        let profiles = shared_config::load_from(&fs, &files, Some("ops"))
            .await
            .unwrap();
        let env = |name: &str| {
            let is_set = ["AWS_RETRY_MODE", "AWS_REGION", "AWS_S3_USE_ARN_REGION"].contains(&name);
            is_set.then(|| "1".to_owned())
        };
        assert_eq!(
            without_effect(&env, &profiles),
            ["max_attempts of profile ops", "AWS_RETRY_MODE"]
        );
    }
}
