//! What the client takes: `Accept-Encoding` (RFC 9110, section 12.5.3).

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// gzip.
    Gzip,
}

/// The encoding to answer with: gzip where the client takes it at least as gladly as the plain body. Without a header,
/// with an empty one or with one that refuses both, the plain body: a scrape is never refused for its encoding.
pub fn encoding(accept_encoding: Option<&str>) -> Encoding {
    let Some(header) = accept_encoding else { return Encoding::Identity };
    let mut gzip = None;
    let mut identity = None;
    let mut any = None;
    for element in header.split(',') {
        let mut parts = element.split(';');
        let coding = parts.next().unwrap_or_default().trim();
        let Some(weight) = weight(parts) else { continue };
        let slot = if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") {
            &mut gzip
        } else if coding.eq_ignore_ascii_case("identity") {
            &mut identity
        } else if coding == "*" {
            &mut any
        } else {
            continue;
        };
        *slot = Some(weight);
    }
    let gzip = gzip.or(any).unwrap_or(0);
    // An identity that the header does not name is acceptable, and less wanted than what it does name.
    let identity = identity.or(any).unwrap_or(1);
    if gzip > 0 && gzip >= identity { Encoding::Gzip } else { Encoding::Identity }
}

/// The weight in thousandths; `None` where the parameters are not a valid weight.
fn weight<'a>(parameters: impl Iterator<Item = &'a str>) -> Option<u32> {
    let mut weight = 1_000;
    for parameter in parameters {
        let (name, value) = parameter.split_once('=')?;
        if !name.trim().eq_ignore_ascii_case("q") {
            return None;
        }
        let (whole, digits) = value.trim().split_once('.').unwrap_or((value.trim(), ""));
        if digits.len() > 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let thousandths = format!("{digits:0<3}").parse::<u32>().ok()?;
        weight = match whole {
            "0" => thousandths,
            "1" if thousandths == 0 => 1_000,
            _ => return None,
        };
    }
    Some(weight)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn gzip_is_chosen_where_the_client_prefers_it() {
        for header in [
            "gzip",
            "GZIP",
            "x-gzip",
            "gzip, deflate, br",
            "deflate, gzip;q=1.0, *;q=0.5",
            "gzip;q=0.001",
            "identity;q=0.5, gzip;q=0.5",
            "*",
            "br;q=1.0, gzip ; q = 0.8, *;q=0.1",
            "identity;q=0, gzip;q=0.1",
        ] {
            assert_eq!(encoding(Some(header)), Encoding::Gzip, "{header}");
        }
    }

    #[test]
    fn the_plain_body_is_chosen_everywhere_else() {
        for header in [
            "",
            "identity",
            "deflate, br",
            "gzip;q=0",
            "gzip;q=0.000",
            "gzip;q=0, *",
            "*;q=0",
            "identity, gzip;q=0.9",
            "gzip;q=2",
            "gzip;q=0.1234",
            "gzip;q=x",
            "gzip;level=9",
            "notgzip",
            "gzipped",
        ] {
            assert_eq!(encoding(Some(header)), Encoding::Identity, "{header}");
        }
        assert_eq!(encoding(None), Encoding::Identity);
    }

    proptest! {
        #[test]
        fn no_header_breaks_it(header in "\\PC*") {
            encoding(Some(&header));
        }
    }
}
