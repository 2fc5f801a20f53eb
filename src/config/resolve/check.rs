//! Formats of single values.

use std::ops::RangeInclusive;

fn is_lower(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase())
}

fn digits(text: &str, count: RangeInclusive<usize>) -> bool {
    count.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

/// Returns true for the code of a Region: `eu-central-1`, `us-gov-west-1`.
pub(crate) fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    match parts.as_slice() {
        [area, middle @ .., number] => {
            (2..=4).contains(&area.len())
                && is_lower(area)
                && !middle.is_empty()
                && middle.iter().all(|part| is_lower(part))
                && digits(number, 1..=2)
        }
        _ => false,
    }
}

/// Returns true for the 12 digits of an AWS account ID.
pub(super) fn is_account_id(text: &str) -> bool {
    digits(text, 12..=12)
}

/// Returns true for `arn:<partition>:iam::<12 digits>:role/<path and name>`.
pub(super) fn is_role_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, resource] = parts.as_slice() else {
        return false;
    };
    let partition_ok = partition.split('-').all(is_lower);
    let name = resource.strip_prefix("role/").unwrap_or_default();
    partition_ok
        && is_account_id(account)
        && !name.is_empty()
        && name.len() <= 576
        && !name.ends_with('/')
        && name.bytes().all(|b| b.is_ascii_graphic())
}

/// Returns true for 2 to 1224 of `[\w+=,.@:/-]`, as documented for `sts:AssumeRole`.
pub(super) fn is_external_id(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&b);
    (2..=1224).contains(&text.len()) && text.bytes().all(allowed)
}

/// Returns true for 2 to 64 of `[\w+=,.@-]`, as documented for `sts:AssumeRole`.
pub(super) fn is_session_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
    (2..=64).contains(&text.len()) && text.bytes().all(allowed)
}

/// Checks the URL of an endpoint. The error is a message without the URL, which may be secret.
pub(super) fn endpoint_url(text: &str) -> Result<(), &'static str> {
    let rest = match text.split_once("://") {
        Some((scheme, rest))
            if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") =>
        {
            rest
        }
        _ => return Err("expected an `http://` or `https://` URL"),
    };
    if !rest.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("the URL must not contain spaces, control characters or non-ASCII characters");
    }
    if rest.contains(['?', '#']) {
        return Err("the URL must not have a query or fragment");
    }
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.contains('@') {
        return Err("the URL must not have a user or password");
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(v6) => match v6.split_once(']') {
            Some((address, "")) => (address, None),
            Some((address, port)) => (address, Some(port.strip_prefix(':').unwrap_or("none"))),
            None => return Err("the URL has no valid host"),
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
        return Err("the URL has no valid host");
    }
    match port {
        Some(port) if !digits(port, 1..=5) || !matches!(port.parse::<u16>(), Ok(1..)) => {
            Err("the port of the URL must be 1 to 65535")
        }
        _ => Ok(()),
    }
}

/// Checks the URL of a proxy, which may have a user and a password. The error is a message without
/// the URL.
pub(crate) fn proxy_url(text: &str) -> Result<(), &'static str> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (user, host) = rest.rsplit_once('@').unwrap_or(("", rest));
    if user.contains(['/', '?', '#', '@']) || !user.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("the user or password of the URL is not percent-encoded");
    }
    if host.contains('/') {
        return Err("the URL must not have a path");
    }
    endpoint_url(&format!("{scheme}://{host}"))
}

/// Returns true for the URL of an SQS queue: an endpoint and a path.
pub(super) fn is_queue_url(text: &str) -> bool {
    let path = text
        .split_once("://")
        .and_then(|(_, rest)| rest.split_once('/'));
    endpoint_url(text).is_ok()
        && path.is_some_and(|(_, path)| path.split('/').all(|part| !part.is_empty()))
}

/// Returns true for the URL of a FIFO queue, whose name ends with `.fifo`
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues.html>).
pub(super) fn is_fifo_queue(url: &str) -> bool {
    url.rsplit_once('.')
        .is_some_and(|(_, suffix)| suffix == "fifo")
}

/// Returns true for 1 to `max` characters that are not all spaces, without control characters.
pub(super) fn is_printable(text: &str, max: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= max && !text.chars().any(char::is_control)
}

/// Returns true for `[a-zA-Z_][a-zA-Z0-9_]*`.
pub(super) fn is_label_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxy_urls_have_a_host_and_may_have_a_user() {
        for good in [
            "http://proxy:3128",
            "https://proxy.example.com:8443/",
            "http://user:p%40ss@10.0.0.1:3128",
            "http://user@[::1]:3128",
        ] {
            assert_eq!(proxy_url(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "proxy:3128",
            "socks5://proxy:1080",
            "http://proxy/path",
            "http://user:pa/ss@proxy",
            "http://user:pa@ss@proxy",
            "http://us er@proxy",
            "http://proxy:0",
            "http://",
        ] {
            assert!(proxy_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn region_codes_have_an_area_a_name_and_a_number() {
        for good in [
            "eu-central-1",
            "us-gov-west-1",
            "ap-southeast-10",
            "us-iso-east-1",
            "eusc-de-east-1",
        ] {
            assert!(is_region(good), "{good}");
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
            assert!(!is_region(bad), "{bad}");
        }
    }

    #[test]
    fn only_arns_of_roles_are_role_arns() {
        for good in [
            "arn:aws:iam::123456789012:role/transfer-read",
            "arn:aws-us-gov:iam::123456789012:role/a/b/c",
            "arn:aws-cn:iam::123456789012:role/x",
        ] {
            assert!(is_role_arn(good), "{good}");
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
            assert!(!is_role_arn(bad), "{bad}");
        }
    }

    #[test]
    fn endpoints_are_urls_without_user_query_and_fragment() {
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
    fn names_and_ids_are_limited_in_length_and_characters() {
        assert!(is_session_name("aws-transfer-exporter") && is_session_name("a+=,.@-_"));
        assert!(
            !is_session_name("a") && !is_session_name("a b") && !is_session_name(&"a".repeat(65))
        );
        assert!(
            is_external_id("ab") && is_external_id(&"a".repeat(1224)) && is_external_id("a:b/c")
        );
        assert!(
            !is_external_id("a") && !is_external_id(&"a".repeat(1225)) && !is_external_id("a b")
        );
        assert!(
            is_label_name("_a1")
                && !is_label_name("1a")
                && !is_label_name("")
                && !is_label_name("a-b")
        );
        assert!(
            is_printable("Größe 1", 256)
                && !is_printable("", 9)
                && !is_printable("  ", 9)
                && !is_printable("a\tb", 9)
        );
    }
}
