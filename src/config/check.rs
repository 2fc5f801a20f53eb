//! The shapes of single values. Each function answers whether the value has it.

use std::ops::RangeInclusive;

fn lower(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase())
}

fn digits(text: &str, count: RangeInclusive<usize>) -> bool {
    count.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

/// A Region's code: `eu-central-1`, `us-gov-west-1`.
pub(super) fn region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    match parts.as_slice() {
        [area, middle @ .., number] => {
            (2..=4).contains(&area.len())
                && lower(area)
                && !middle.is_empty()
                && middle.iter().all(|part| lower(part))
                && digits(number, 1..=2)
        }
        _ => false,
    }
}

/// `arn:<partition>:iam::<12 digits>:role/<path and name>`.
pub(super) fn role_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, resource] = parts.as_slice() else {
        return false;
    };
    let partition_ok = partition.split('-').all(lower);
    let name = resource.strip_prefix("role/").unwrap_or_default();
    partition_ok
        && digits(account, 12..=12)
        && !name.is_empty()
        && name.len() <= 576
        && !name.ends_with('/')
        && name.bytes().all(|b| b.is_ascii_graphic())
}

/// 2 to 1224 of `[\w+=,.@:/-]`, as `sts:AssumeRole` documents it.
pub(super) fn external_id(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&b);
    (2..=1224).contains(&text.len()) && text.bytes().all(allowed)
}

/// 2 to 64 of `[\w+=,.@-]`.
pub(super) fn session_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
    (2..=64).contains(&text.len()) && text.bytes().all(allowed)
}

/// Why a text is not an endpoint.
pub(super) fn endpoint_url(text: &str) -> Result<(), &'static str> {
    let rest = match text.split_once("://") {
        Some((scheme, rest))
            if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") =>
        {
            rest
        }
        _ => return Err("not an `http://` or `https://` URL"),
    };
    if !rest.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("a URL without spaces, control characters and letters past ASCII is wanted");
    }
    if rest.contains(['?', '#']) {
        return Err("a URL with a query or fragment");
    }
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.contains('@') {
        return Err("a URL with a user or password");
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(v6) => match v6.split_once(']') {
            Some((address, "")) => (address, None),
            Some((address, port)) => (address, Some(port.strip_prefix(':').unwrap_or("none"))),
            None => return Err("a URL without a sound host"),
        },
        None => authority
            .split_once(':')
            .map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let host_ok = if authority.starts_with('[') {
        host.parse::<std::net::Ipv6Addr>().is_ok()
    } else {
        !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    };
    if !host_ok {
        return Err("a URL without a sound host");
    }
    match port {
        Some(port) if !digits(port, 1..=5) || !matches!(port.parse::<u16>(), Ok(1..)) => {
            Err("a URL with a port that is not 1 to 65535")
        }
        _ => Ok(()),
    }
}

/// The URL of an SQS queue: scheme, host, and a path of the account and the queue's name.
pub(super) fn queue_url(text: &str) -> bool {
    let path = text
        .split_once("://")
        .and_then(|(_, rest)| rest.split_once('/'));
    endpoint_url(text).is_ok()
        && path.is_some_and(|(_, path)| path.split('/').all(|part| !part.is_empty()))
}

/// 1 to `longest` characters, none of them a control character, and one at least that can be seen.
pub(super) fn printable(text: &str, longest: usize) -> bool {
    !text.trim().is_empty()
        && text.chars().count() <= longest
        && !text.chars().any(char::is_control)
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`.
pub(super) fn label_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_have_letters_and_a_number() {
        for good in [
            "eu-central-1",
            "us-gov-west-1",
            "ap-southeast-10",
            "us-iso-east-1",
            "eusc-de-east-1",
        ] {
            assert!(region(good), "{good}");
        }
        for bad in [
            "",
            "eu",
            "eu-1",
            "eu-central",
            "EU-central-1",
            "eu central 1",
            "https://eu-central-1",
            "eu-central-1a",
            "eu--1",
        ] {
            assert!(!region(bad), "{bad}");
        }
    }

    #[test]
    fn role_arns_name_a_role() {
        for good in [
            "arn:aws:iam::123456789012:role/transfer-read",
            "arn:aws-us-gov:iam::123456789012:role/a/b/c",
            "arn:aws-cn:iam::123456789012:role/x",
        ] {
            assert!(role_arn(good), "{good}");
        }
        for bad in [
            "",
            "transfer-read",
            "arn:aws:iam::12345678901:role/x",
            "arn:aws:iam::123456789012:user/x",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam:eu-central-1:123456789012:role/x",
            "arn:aws:sts::123456789012:assumed-role/x/y",
            "arn::iam::123456789012:role/x",
            "arn:aws:iam::123456789012:role/x y",
        ] {
            assert!(!role_arn(bad), "{bad}");
        }
    }

    #[test]
    fn endpoints_are_plain_urls() {
        for good in [
            "http://127.0.0.1:4777",
            "https://vpce-1.transfer.eu-central-1.vpce.amazonaws.com",
            "HTTPS://host/",
            "http://[::1]:80",
            "http://[::1]",
            "http://a_b/path",
        ] {
            assert_eq!(endpoint_url(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "host:80",
            "ftp://host",
            "http://",
            "http:///path",
            "http://:80",
            "http://user@host",
            "http://user:pw@host",
            "http://host?x=1",
            "http://host#x",
            "http://host:0",
            "http://host:65536",
            "http://host:",
            "http://host:+80",
            "http://ho st",
            "http://[::1",
            "http://[::1]80",
            "http://[zz]:80",
            "http://hö",
        ] {
            assert!(endpoint_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_and_ids_keep_their_alphabets() {
        assert!(session_name("aws-transfer-exporter") && session_name("a+=,.@-_"));
        assert!(!session_name("a") && !session_name("a b") && !session_name(&"a".repeat(65)));
        assert!(external_id("ab") && external_id(&"a".repeat(1224)) && external_id("a:b/c"));
        assert!(!external_id("a") && !external_id(&"a".repeat(1225)) && !external_id("a b"));
        assert!(label_name("_a1") && !label_name("1a") && !label_name("") && !label_name("a-b"));
        assert!(
            printable("Größe 1", 256)
                && !printable("", 9)
                && !printable("  ", 9)
                && !printable("a\tb", 9)
        );
    }
}
