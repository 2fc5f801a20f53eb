//! The check of an `Authorization` header: its form, the scope of its credential and its age. The
//! signature itself is not computed: whether an SDK signs correctly is tested by the SDK.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use hyper::HeaderMap;

use crate::api::error::ApiError;
use crate::domain::Service;

/// An access key id that every simulator accepts unless its settings say otherwise. Public: it
/// opens nothing.
pub const DEMO_ACCESS_KEY_ID: &str = "AKIASIMULATOR0000000";
/// The secret to sign with. Any other works as well.
pub const DEMO_SECRET_ACCESS_KEY: &str = "simulator-secret-for-the-loopback-only";

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The clock skew that AWS tolerates.
const MAX_SKEW: Duration = Duration::from_mins(5);
/// Length of a signature in hexadecimal digits.
const SIGNATURE_LENGTH: usize = 64;

/// The access keys that the simulator accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKeys {
    /// Accepted access key ids.
    pub ids: BTreeSet<String>,
    /// Accept every other access key id too.
    pub accept_any: bool,
}

impl Default for AccessKeys {
    fn default() -> Self {
        Self {
            ids: BTreeSet::from([DEMO_ACCESS_KEY_ID.to_owned()]),
            accept_any: false,
        }
    }
}

/// The credential of an `Authorization` header.
struct Credential<'a> {
    access_key_id: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
}

/// Checks the `Authorization` header of a call to `service`. Returns the Region of the credential
/// scope.
pub(crate) fn check<'a>(
    headers: &'a HeaderMap,
    service: Service,
    keys: &AccessKeys,
    now: SystemTime,
) -> Result<&'a str, ApiError> {
    let authorization = header(headers, "authorization").ok_or_else(|| {
        ApiError::front(
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        )
    })?;
    let credential = parse(authorization)?;
    let stamp = header(headers, "x-amz-date").ok_or_else(|| {
        incomplete(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
        )
    })?;
    let signed_at =
        parse_stamp(stamp).ok_or_else(|| incomplete("Date must be in ISO-8601 'basic format'."))?;
    check_scope(&credential, service.signing_name(), stamp)?;
    check_age(signed_at, stamp, now)?;
    if !keys.accept_any && !keys.ids.contains(credential.access_key_id) {
        let message = "The security token included in the request is invalid.";
        return Err(ApiError::front("UnrecognizedClientException", message));
    }
    Ok(credential.region)
}

fn parse(header: &str) -> Result<Credential<'_>, ApiError> {
    let fields = header
        .strip_prefix(ALGORITHM)
        .filter(|rest| rest.starts_with(' '))
        .ok_or_else(|| {
            incomplete("Authorization header does not begin with 'AWS4-HMAC-SHA256'.")
        })?;
    let field = |name: &str| {
        fields
            .split(',')
            .find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))
            .filter(|value| !value.is_empty())
            .ok_or_else(|| {
                incomplete(&format!(
                    "Authorization header requires '{name}' parameter."
                ))
            })
    };
    let parts: Vec<&str> = field("Credential")?.split('/').collect();
    field("SignedHeaders")?;
    let signature = field("Signature")?;
    let [access_key_id, date, region, service, "aws4_request"] = parts[..] else {
        return Err(incomplete(
            "Credential must be of the form <access key id>/<date>/<region>/<service>/aws4_request.",
        ));
    };
    let is_hex = signature.bytes().all(|b| b.is_ascii_hexdigit());
    if access_key_id.is_empty() || signature.len() != SIGNATURE_LENGTH || !is_hex {
        return Err(incomplete(
            "Authorization header has an empty access key id or a signature of the wrong form.",
        ));
    }
    Ok(Credential {
        access_key_id,
        date,
        region,
        service,
    })
}

fn check_scope(credential: &Credential<'_>, service: &str, stamp: &str) -> Result<(), ApiError> {
    if credential.service != service {
        return Err(invalid(&format!(
            "Credential should be scoped to correct service: '{service}'."
        )));
    }
    let plausible = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if credential.region.is_empty() || !credential.region.bytes().all(plausible) {
        return Err(invalid("Credential should be scoped to a valid region."));
    }
    if !stamp.starts_with(credential.date) || credential.date.len() != 8 {
        return Err(invalid(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP",
        ));
    }
    Ok(())
}

fn check_age(signed_at: SystemTime, stamp: &str, now: SystemTime) -> Result<(), ApiError> {
    let exceeds = |skew: Result<Duration, _>| skew.is_ok_and(|skew| skew > MAX_SKEW);
    if exceeds(now.duration_since(signed_at)) {
        return Err(invalid(&format!(
            "Signature expired: {stamp} is more than 5 min. in the past"
        )));
    }
    if exceeds(signed_at.duration_since(now)) {
        return Err(invalid(&format!(
            "Signature not yet current: {stamp} is more than 5 min. in the future"
        )));
    }
    Ok(())
}

/// Parses a time such as `20150830T123600Z`.
fn parse_stamp(stamp: &str) -> Option<SystemTime> {
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let (date, time) = stamp.strip_suffix('Z')?.split_once('T')?;
    if date.len() != 8 || time.len() != 6 || !digits(date) || !digits(time) {
        return None;
    }
    let (year, month, day) = (&date[..4], &date[4..6], &date[6..]);
    let (hour, minute, second) = (&time[..2], &time[2..4], &time[4..]);
    humantime::parse_rfc3339(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z")).ok()
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn incomplete(message: &str) -> ApiError {
    ApiError::front("IncompleteSignatureException", message)
}

fn invalid(message: &str) -> ApiError {
    ApiError::front("InvalidSignatureException", message)
}

/// An `Authorization` header for a scope of Region and service, dated by the `x-amz-date` of
/// `headers`.
#[cfg(test)]
pub(crate) fn authorize(
    access_key_id: &str,
    (region, service): (&str, &str),
    headers: &HeaderMap,
) -> String {
    let date = &header(headers, "x-amz-date").unwrap()[..8];
    let signature = "0".repeat(SIGNATURE_LENGTH);
    format!(
        "{ALGORITHM} Credential={access_key_id}/{date}/{region}/{service}/aws4_request, \
         SignedHeaders=host, Signature={signature}"
    )
}

#[cfg(test)]
mod tests;
