use hyper::header::{HeaderName, HeaderValue};

use super::*;

const SERVICE: &str = "transfer";
const STAMP: &str = "20150830T123600Z";

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (
            HeaderName::try_from(*name).unwrap(),
            HeaderValue::try_from(*value).unwrap(),
        )
    };
    pairs.iter().map(pair).collect()
}

/// Returns the verdict on a good request after `spoil`.
fn verdict(spoil: impl FnOnce(&mut HeaderMap)) -> Result<String, ApiError> {
    let mut headers = headers(&[
        ("content-type", "application/x-amz-json-1.1"),
        ("host", "127.0.0.1:4777"),
        ("x-amz-date", STAMP),
        ("x-amz-target", "TransferService.ListConnectors"),
    ]);
    let scope = ("eu-central-1", SERVICE);
    let value = authorize(DEMO_ACCESS_KEY_ID, scope, &headers);
    headers.insert("authorization", value.try_into().unwrap());
    spoil(&mut headers);
    checked(&headers, &AccessKeys::default())
}

fn checked(headers: &HeaderMap, keys: &AccessKeys) -> Result<String, ApiError> {
    let now = parse_stamp(STAMP).unwrap();
    check(headers, Service::Transfer, keys, now).map(str::to_owned)
}

fn edit(headers: &mut HeaderMap, from: &str, to: &str) {
    let value = headers["authorization"].to_str().unwrap().replace(from, to);
    headers.insert("authorization", value.try_into().unwrap());
}

fn kind(verdict: Result<String, ApiError>) -> &'static str {
    verdict.unwrap_err().kind
}

#[test]
fn a_good_header_gives_the_region_of_its_scope() {
    assert_eq!(verdict(|_| ()).unwrap(), "eu-central-1");
}

#[test]
fn a_missing_header_and_a_malformed_one_differ() {
    let missing = verdict(|headers| {
        headers.remove("authorization");
    });
    assert_eq!(kind(missing), "MissingAuthenticationTokenException");
    for (from, to) in [
        ("AWS4-HMAC-SHA256 ", "Basic "),
        ("SignedHeaders=", "Headers="),
        (", Signature=", ", Signature=zz"),
        ("/aws4_request", ""),
        ("AKIASIMULATOR0000000/", "/"),
    ] {
        assert_eq!(
            kind(verdict(|headers| edit(headers, from, to))),
            "IncompleteSignatureException",
            "{from}"
        );
    }
    let undated = verdict(|headers| {
        headers.remove("x-amz-date");
    });
    assert_eq!(kind(undated), "IncompleteSignatureException");
}

#[test]
fn the_scope_must_match_the_service_the_region_and_the_date() {
    for (from, to) in [
        ("/transfer/", "/iam/"),
        ("/eu-central-1/", "/EU/"),
        ("/20150830/", "/20150829/"),
        ("/20150830/", "/2015/"),
    ] {
        assert_eq!(
            kind(verdict(|headers| edit(headers, from, to))),
            "InvalidSignatureException",
            "{to}"
        );
    }
}

#[test]
fn a_clock_skew_of_up_to_five_minutes_passes() {
    let at = |stamp: &'static str| {
        let headers = headers(&[("host", "h"), ("x-amz-date", stamp), ("x-amz-target", "t")]);
        let value = authorize(DEMO_ACCESS_KEY_ID, ("r", SERVICE), &headers);
        let mut signed = headers.clone();
        signed.insert("authorization", value.try_into().unwrap());
        checked(&signed, &AccessKeys::default())
    };
    assert!(at("20150830T123100Z").is_ok() && at("20150830T124100Z").is_ok());
    for (stamp, word) in [
        ("20150830T123059Z", "Signature expired"),
        ("20150830T124101Z", "not yet current"),
    ] {
        let error = at(stamp).unwrap_err();
        assert_eq!(error.kind, "InvalidSignatureException");
        assert!(error.body()["message"].as_str().unwrap().contains(word));
    }
}

#[test]
fn an_unknown_key_passes_only_if_any_key_is_accepted() {
    let unknown =
        |headers: &mut HeaderMap| edit(headers, DEMO_ACCESS_KEY_ID, "AKIASOMEBODYELSE0000");
    assert_eq!(kind(verdict(unknown)), "UnrecognizedClientException");
    let mut headers = headers(&[("host", "h"), ("x-amz-date", STAMP), ("x-amz-target", "t")]);
    let value = authorize("AKIASOMEBODYELSE0000", ("r", SERVICE), &headers);
    headers.insert("authorization", value.try_into().unwrap());
    let any = AccessKeys {
        accept_any: true,
        ..AccessKeys::default()
    };
    assert!(checked(&headers, &any).is_ok());
}
