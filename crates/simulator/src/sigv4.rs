//! The check of a Signature Version 4 `Authorization` header, after AWS's page "Create a signed AWS API request".

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit, Mac};
use hyper::HeaderMap;
use sha2::{Digest, Sha256};

use super::service::Service;
use super::wire::ApiError;

/// An access key id that every simulator knows unless its settings say otherwise. Public: it opens nothing.
pub const DEMO_ACCESS_KEY_ID: &str = "AKIASIMULATOR0000000";
/// The secret that belongs to [`DEMO_ACCESS_KEY_ID`].
pub const DEMO_SECRET_ACCESS_KEY: &str = "simulator-secret-for-the-loopback-only";

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const MAX_SKEW: Duration = Duration::from_mins(5);

/// Who may sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKeys {
    /// Secrets by access key id; a signature by one of these is verified in full.
    pub secrets: BTreeMap<String, String>,
    /// Takes any other access key id on the shape of its signature alone.
    pub accept_any: bool,
}

impl Default for AccessKeys {
    fn default() -> Self {
        let demo = (
            DEMO_ACCESS_KEY_ID.to_owned(),
            DEMO_SECRET_ACCESS_KEY.to_owned(),
        );
        Self {
            secrets: BTreeMap::from([demo]),
            accept_any: false,
        }
    }
}

/// What of a request is signed.
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

/// The parts of a credential scope.
struct Scope<'a> {
    date: &'a str,
    region: &'a str,
    service: &'a str,
}

/// The `Authorization` header, taken apart.
struct Authorization<'a> {
    access_key_id: &'a str,
    scope: Scope<'a>,
    signed_headers: Vec<&'a str>,
    signature: &'a str,
}

/// Checks the signature for a service; the answer is the Region of the credential scope.
pub(super) fn verify<'a>(
    request: &Signed<'a>,
    service: Service,
    keys: &AccessKeys,
    now: SystemTime,
) -> Result<&'a str, ApiError> {
    let header = header(request.headers, "authorization").ok_or_else(|| {
        ApiError::front(
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        )
    })?;
    let authorization = parse(header)?;
    let stamp = self::header(request.headers, "x-amz-date").ok_or_else(|| {
        incomplete(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
        )
    })?;
    let signed_at =
        parse_stamp(stamp).ok_or_else(|| incomplete("Date must be in ISO-8601 'basic format'."))?;
    check_scope(&authorization.scope, service.signing_name(), stamp)?;
    check_age(signed_at, stamp, now)?;
    check_signed_headers(&authorization.signed_headers, request.headers)?;

    let Some(secret) = keys.secrets.get(authorization.access_key_id) else {
        return if keys.accept_any {
            Ok(authorization.scope.region)
        } else {
            let message = "The security token included in the request is invalid.";
            Err(ApiError::front("UnrecognizedClientException", message))
        };
    };
    let canonical = canonical_request(request, &authorization.signed_headers);
    let claimed = decode_hex(authorization.signature).unwrap_or_default();
    // `verify_slice` compares in constant time.
    if signature(secret, &authorization.scope, stamp, &canonical)
        .verify_slice(&claimed)
        .is_err()
    {
        return Err(invalid(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
             Access Key and signing method. Consult the service documentation for details.",
        ));
    }
    Ok(authorization.scope.region)
}

fn parse(header: &str) -> Result<Authorization<'_>, ApiError> {
    let fields = header
        .strip_prefix(ALGORITHM)
        .filter(|rest| rest.starts_with(' '))
        .ok_or_else(|| {
            incomplete("Authorization header does not begin with 'AWS4-HMAC-SHA256'.")
        })?;
    let field = |name: &str| {
        let found = fields
            .split(',')
            .find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
        found.filter(|value| !value.is_empty()).ok_or_else(|| {
            incomplete(&format!(
                "Authorization header requires '{name}' parameter."
            ))
        })
    };
    let (credential, signed, signature) = (
        field("Credential")?,
        field("SignedHeaders")?,
        field("Signature")?,
    );
    let parts: Vec<&str> = credential.split('/').collect();
    let [access_key_id, date, region, service, "aws4_request"] = parts[..] else {
        return Err(incomplete(
            "Credential must be of the form <access key id>/<date>/<region>/<service>/aws4_request.",
        ));
    };
    if access_key_id.is_empty() || decode_hex(signature).is_none_or(|bytes| bytes.len() != 32) {
        return Err(incomplete(
            "Authorization header has an empty access key id or a signature of the wrong form.",
        ));
    }
    let scope = Scope {
        date,
        region,
        service,
    };
    Ok(Authorization {
        access_key_id,
        scope,
        signed_headers: signed.split(';').collect(),
        signature,
    })
}

fn check_scope(scope: &Scope<'_>, service: &str, stamp: &str) -> Result<(), ApiError> {
    if scope.service != service {
        return Err(invalid(&format!(
            "Credential should be scoped to correct service: '{service}'."
        )));
    }
    let plausible = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if scope.region.is_empty() || !scope.region.bytes().all(plausible) {
        return Err(invalid("Credential should be scoped to a valid region."));
    }
    if !stamp.starts_with(scope.date) || scope.date.len() != 8 {
        let text = "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP";
        return Err(invalid(text));
    }
    Ok(())
}

fn check_age(signed_at: SystemTime, stamp: &str, now: SystemTime) -> Result<(), ApiError> {
    if now
        .duration_since(signed_at)
        .is_ok_and(|age| age > MAX_SKEW)
    {
        return Err(invalid(&format!(
            "Signature expired: {stamp} is more than 5 min. in the past"
        )));
    }
    if signed_at
        .duration_since(now)
        .is_ok_and(|lead| lead > MAX_SKEW)
    {
        return Err(invalid(&format!(
            "Signature not yet current: {stamp} is more than 5 min. in the future"
        )));
    }
    Ok(())
}

fn check_signed_headers(signed: &[&str], headers: &HeaderMap) -> Result<(), ApiError> {
    if !signed.is_sorted()
        || signed
            .iter()
            .any(|name| name.is_empty() || *name != name.to_ascii_lowercase())
    {
        return Err(incomplete(
            "SignedHeaders must be in lower case and sorted.",
        ));
    }
    if let Some(absent) = signed.iter().find(|name| !headers.contains_key(**name)) {
        return Err(invalid(&format!(
            "'{absent}' is a 'SignedHeader' that the request does not have."
        )));
    }
    let must = |name: &str| name == "host" || name.starts_with("x-amz-");
    let present = headers
        .keys()
        .map(hyper::header::HeaderName::as_str)
        .filter(|name| must(name));
    match ["host", "x-amz-target"]
        .into_iter()
        .chain(present)
        .find(|name| !signed.contains(name))
    {
        Some(missing) => Err(invalid(&format!(
            "'{missing}' must be a 'SignedHeader' in the AWS Authorization."
        ))),
        None => Ok(()),
    }
}

fn canonical_request(request: &Signed<'_>, signed: &[&str]) -> String {
    let mut query: Vec<&str> = request
        .query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .collect();
    query.sort_unstable();
    let mut text = format!(
        "{}\n{}\n{}\n",
        request.method,
        request.path,
        query.join("&")
    );
    for name in signed {
        let values: Vec<String> = request
            .headers
            .get_all(*name)
            .iter()
            .map(|v| collapse(v.as_bytes()))
            .collect();
        let _ = writeln!(text, "{name}:{}", values.join(","));
    }
    let _ = write!(
        text,
        "\n{}\n{}",
        signed.join(";"),
        encode_hex(&Sha256::digest(request.body))
    );
    text
}

/// A header's value without blanks around it and with single blanks inside.
fn collapse(value: &[u8]) -> String {
    String::from_utf8_lossy(value)
        .split_ascii_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// The last step of the chain, not yet finished, so that a claimed signature can be compared in constant time.
fn signature(secret: &str, scope: &Scope<'_>, stamp: &str, canonical: &str) -> Hmac<Sha256> {
    let Scope {
        date,
        region,
        service,
    } = scope;
    let hash = encode_hex(&Sha256::digest(canonical));
    let to_sign = format!("{ALGORITHM}\n{stamp}\n{date}/{region}/{service}/aws4_request\n{hash}");
    mac(&signing_key(secret, scope), &to_sign)
}

fn signing_key(secret: &str, scope: &Scope<'_>) -> Vec<u8> {
    [scope.date, scope.region, scope.service, "aws4_request"]
        .into_iter()
        .fold(format!("AWS4{secret}").into_bytes(), |key, part| {
            mac(&key, part).finalize().into_bytes().to_vec()
        })
}

pub(super) fn mac(key: &[u8], text: &str) -> Hmac<Sha256> {
    let mac =
        <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.chain_update(text)
}

/// `20150830T123600Z`.
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

pub(super) fn hex_of(mac: Hmac<Sha256>) -> String {
    encode_hex(&mac.finalize().into_bytes())
}

pub(super) fn encode_hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2)
        || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}

/// An `Authorization` header for a `POST /` with these headers and this body.
#[cfg(test)]
pub(super) fn authorize(
    access_key_id: &str,
    secret: &str,
    scope: (&str, &str),
    headers: &HeaderMap,
    body: &[u8],
) -> String {
    let stamp = header(headers, "x-amz-date").unwrap();
    let mut signed: Vec<&str> = headers
        .keys()
        .map(hyper::header::HeaderName::as_str)
        .collect();
    signed.sort_unstable();
    let request = Signed {
        method: "POST",
        path: "/",
        query: "",
        headers,
        body,
    };
    let scope = Scope {
        date: &stamp[..8],
        region: scope.0,
        service: scope.1,
    };
    let mac = signature(secret, &scope, stamp, &canonical_request(&request, &signed));
    format!(
        "{ALGORITHM} Credential={access_key_id}/{}/{}/{}/aws4_request, SignedHeaders={}, Signature={}",
        scope.date,
        scope.region,
        scope.service,
        signed.join(";"),
        hex_of(mac)
    )
}

#[cfg(test)]
#[path = "sigv4_tests.rs"]
mod tests;
