//! The shared AWS configuration: `~/.aws/config` and `~/.aws/credentials`.
//!
//! The SDK ignores a file that it cannot parse, and a profile that does not exist: it goes on without
//! them, possibly with the credentials of the instance. Here both are errors.

use std::fs::File;
use std::io::ErrorKind;

use aws_config::profile::{self, ProfileSet};
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_types::os_shim_internal::{Env, Fs};

/// Why the shared configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SharedConfigError {
    /// A file cannot be parsed.
    #[error("failed to read the AWS configuration: {0}")]
    Invalid(String),
    /// A profile that is named does not exist.
    #[error("profile `{profile}` ({named_by}) is not in {files}")]
    MissingProfile {
        /// The profile.
        profile: String,
        /// The key or the variable that names it.
        named_by: &'static str,
        /// The files.
        files: String,
    },
}

impl SharedConfigError {
    /// Returns the remedy.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Invalid(_) => {
                "correct the line: `[profile NAME]`, `key = value`, or a comment that starts with `#`"
            }
            Self::MissingProfile { .. } => {
                "name a profile that exists; its section is `[profile NAME]` in the config file and `[NAME]` in the credentials file"
            }
        }
    }
}

/// Loads the profiles. If `profile` is given, or `AWS_PROFILE` is set, that profile must exist.
pub(super) async fn load(profile: Option<&str>) -> Result<ProfileSet, SharedConfigError> {
    load_from(&Fs::real(), &Env::real(), profile).await
}

pub(super) async fn load_from(
    fs: &Fs,
    env: &Env,
    profile: Option<&str>,
) -> Result<ProfileSet, SharedConfigError> {
    let selected = profile.map(|profile| profile.to_owned().into());
    let profiles = profile::load(fs, env, &EnvConfigFiles::default(), selected)
        .await
        .map_err(|error| SharedConfigError::Invalid(reason(&error)))?;
    let of_variable = || env.get("AWS_PROFILE").ok().filter(|name| !name.is_empty());
    let named = match profile {
        Some(profile) => Some((profile.to_owned(), "`profile` of the account")),
        None => of_variable().map(|profile| (profile, "AWS_PROFILE")),
    };
    match named {
        Some((profile, named_by)) if profiles.get_profile(&profile).is_none() => {
            Err(SharedConfigError::MissingProfile {
                profile,
                named_by,
                files: files(env),
            })
        }
        _ => Ok(profiles),
    }
}

/// Returns the innermost error on one line: file, line and reason.
fn reason(error: &dyn std::error::Error) -> String {
    let innermost = std::iter::successors(Some(error), |error| error.source()).last();
    let text = innermost.map(ToString::to_string).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns the two files, with the reason of each that cannot be read.
fn files(env: &Env) -> String {
    let home = env.get("HOME").unwrap_or_else(|_| "~".to_owned());
    let file = |variable: &str, name: &str| {
        let path = env
            .get(variable)
            .unwrap_or_else(|_| format!("{home}/.aws/{name}"));
        match File::open(&path).map_err(|error| error.kind()) {
            Ok(_) => path,
            Err(ErrorKind::NotFound) => format!("{path} (no such file)"),
            Err(ErrorKind::PermissionDenied) => format!("{path} (permission denied)"),
            Err(_) => format!("{path} (unreadable)"),
        }
    };
    let config = file("AWS_CONFIG_FILE", "config");
    let credentials = file("AWS_SHARED_CREDENTIALS_FILE", "credentials");
    format!("{config} or {credentials}")
}
