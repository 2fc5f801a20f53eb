use hyper::header::{HeaderName, HeaderValue};

use super::*;

const EXAMPLE_SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
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

/// A request that passes, and what each test does to it.
fn verdict(spoil: impl FnOnce(&mut HeaderMap)) -> Result<String, ApiError> {
    let mut headers = headers(&[
        ("content-type", "application/x-amz-json-1.1"),
        ("host", "127.0.0.1:4777"),
        ("x-amz-date", STAMP),
        ("x-amz-target", "TransferService.ListConnectors"),
    ]);
    let scope = ("eu-central-1", SERVICE);
    let value = authorize(
        DEMO_ACCESS_KEY_ID,
        DEMO_SECRET_ACCESS_KEY,
        scope,
        &headers,
        b"{}",
    );
    headers.insert("authorization", value.try_into().unwrap());
    spoil(&mut headers);
    check(&headers, &AccessKeys::default())
}

fn check(headers: &HeaderMap, keys: &AccessKeys) -> Result<String, ApiError> {
    let request = Signed {
        method: "POST",
        path: "/",
        query: "",
        headers,
        body: b"{}",
    };
    verify(
        &request,
        Service::Transfer,
        keys,
        parse_stamp(STAMP).unwrap(),
    )
    .map(str::to_owned)
}

fn edit(headers: &mut HeaderMap, from: &str, to: &str) {
    let value = headers["authorization"].to_str().unwrap().replace(from, to);
    headers.insert("authorization", value.try_into().unwrap());
}

fn kind(verdict: Result<String, ApiError>) -> &'static str {
    verdict.unwrap_err().kind
}

#[test]
fn the_signing_keys_are_those_that_aws_publishes() {
    let key = |date| {
        encode_hex(&signing_key(
            EXAMPLE_SECRET,
            &Scope {
                date,
                region: "us-east-1",
                service: "iam",
            },
        ))
    };
    assert_eq!(
        key("20120215"),
        "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d"
    );
    assert_eq!(
        key("20150830"),
        "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
    );
}

#[test]
fn the_published_list_users_example_gives_its_signature() {
    let headers = headers(&[
        (
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8",
        ),
        ("host", "iam.amazonaws.com"),
        ("x-amz-date", STAMP),
    ]);
    let query = "Version=2010-05-08&Action=ListUsers";
    let request = Signed {
        method: "GET",
        path: "/",
        query,
        headers: &headers,
        body: b"",
    };
    let canonical = canonical_request(&request, &["content-type", "host", "x-amz-date"]);
    assert_eq!(
        encode_hex(&Sha256::digest(&canonical)),
        "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59"
    );
    let scope = Scope {
        date: "20150830",
        region: "us-east-1",
        service: "iam",
    };
    assert_eq!(
        hex_of(signature(EXAMPLE_SECRET, &scope, STAMP, &canonical)),
        "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    );
}

#[test]
fn the_published_get_vanilla_vector_gives_its_signature() {
    let headers = headers(&[("host", "example.amazonaws.com"), ("x-amz-date", STAMP)]);
    let request = Signed {
        method: "GET",
        path: "/",
        query: "",
        headers: &headers,
        body: b"",
    };
    let canonical = canonical_request(&request, &["host", "x-amz-date"]);
    let scope = Scope {
        date: "20150830",
        region: "us-east-1",
        service: "service",
    };
    assert_eq!(
        hex_of(signature(EXAMPLE_SECRET, &scope, STAMP, &canonical)),
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    );
}

#[test]
fn a_good_signature_tells_its_region() {
    assert_eq!(verdict(|_| ()).unwrap(), "eu-central-1");
}

#[test]
fn what_is_signed_cannot_be_changed() {
    assert_eq!(
        kind(verdict(|headers| {
            headers.insert(
                "x-amz-target",
                HeaderValue::from_static("TransferService.StartFileTransfer"),
            );
        })),
        "InvalidSignatureException"
    );
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
fn the_scope_must_fit() {
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
fn host_date_target_and_every_amz_header_must_be_signed() {
    for name in ["host;", ";x-amz-target"] {
        let unsigned = verdict(|headers| edit(headers, name, ""));
        assert_eq!(kind(unsigned), "InvalidSignatureException", "{name}");
    }
    let token = verdict(|headers| {
        headers.insert("x-amz-security-token", HeaderValue::from_static("t"));
    });
    assert_eq!(kind(token), "InvalidSignatureException");
}

#[test]
fn five_minutes_of_skew_pass_and_more_do_not() {
    let at = |stamp: &'static str| {
        let headers = headers(&[("host", "h"), ("x-amz-date", stamp), ("x-amz-target", "t")]);
        let value = authorize(
            DEMO_ACCESS_KEY_ID,
            DEMO_SECRET_ACCESS_KEY,
            ("r", SERVICE),
            &headers,
            b"{}",
        );
        let mut signed = headers.clone();
        signed.insert("authorization", value.try_into().unwrap());
        check(&signed, &AccessKeys::default())
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
fn an_unknown_key_passes_only_where_any_is_accepted() {
    let unknown =
        |headers: &mut HeaderMap| edit(headers, DEMO_ACCESS_KEY_ID, "AKIASOMEBODYELSE0000");
    assert_eq!(kind(verdict(unknown)), "UnrecognizedClientException");
    let mut headers = headers(&[("host", "h"), ("x-amz-date", STAMP), ("x-amz-target", "t")]);
    let value = authorize(
        "AKIASOMEBODYELSE0000",
        "whatever",
        ("r", SERVICE),
        &headers,
        b"{}",
    );
    headers.insert("authorization", value.try_into().unwrap());
    let any = AccessKeys {
        accept_any: true,
        ..AccessKeys::default()
    };
    assert!(check(&headers, &any).is_ok());
    let known = AccessKeys {
        secrets: BTreeMap::from([("AKIASOMEBODYELSE0000".to_owned(), "another".to_owned())]),
        accept_any: true,
    };
    assert_eq!(kind(check(&headers, &known)), "InvalidSignatureException");
}
