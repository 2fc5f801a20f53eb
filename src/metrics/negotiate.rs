//! Negotiation of format and encoding by `Accept` and `Accept-Encoding` (RFC 9110, sections 12.5.1
//! and 12.5.3). No header is rejected: the fallback is the uncompressed text format.

use super::format::{Encoding, Escaping, Format, FormatKind};

/// Which formats are offered beyond the stable ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// `OpenMetrics` 2.0, whose specification is a release candidate.
    pub openmetrics2: bool,
}

impl Offer {
    fn includes(self, format: Format) -> bool {
        self.openmetrics2 || format.kind != FormatKind::OpenMetrics2_0_0
    }
}

/// Returns the offered format of the greatest weight, the first among equals.
pub fn format(accept: Option<&str>, offer: Offer) -> Format {
    let mut best = (Format::TEXT, 0);
    for element in elements(accept.unwrap_or_default(), ',') {
        let Some((format, weight)) = media_range(element) else {
            continue;
        };
        if offer.includes(format) && weight > best.1 {
            best = (format, weight);
        }
    }
    best.0
}

/// Parses an element of `Accept`. Returns `None` if the format is not supported.
fn media_range(element: &str) -> Option<(Format, u32)> {
    let mut parts = elements(element, ';');
    let media = parts.next()?.trim().to_ascii_lowercase();
    let (mut version, mut proto, mut encoding, mut escaping) = ("", "", "", None);
    let mut weight = WHOLE;
    for parameter in parts {
        let Some((name, value)) = parameter.split_once('=') else {
            continue;
        };
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "q" => weight = thousandths(value)?,
            "version" => version = value,
            "proto" => proto = value,
            "encoding" => encoding = value,
            "escaping" => {
                escaping = Escaping::ALL
                    .into_iter()
                    .find(|known| known.as_str() == value);
            }
            _ => {}
        }
    }
    let kind = match (media.as_str(), version) {
        ("text/plain", "" | "0.0.4") | ("text/*" | "*/*", _) => FormatKind::Text0_0_4,
        ("text/plain", "1.0.0") => FormatKind::Text1_0_0,
        // Clients that name no version predate 1.0.0; client_golang treats them alike.
        ("application/openmetrics-text", "" | "0.0.1") => FormatKind::OpenMetrics0_0_1,
        ("application/openmetrics-text", "1.0.0") => FormatKind::OpenMetrics1_0_0,
        ("application/openmetrics-text", "2.0.0") => FormatKind::OpenMetrics2_0_0,
        ("application/vnd.google.protobuf", _)
            if proto == "io.prometheus.client.MetricFamily" && encoding == "delimited" =>
        {
            FormatKind::Protobuf
        }
        _ => return None,
    };
    // The older versions do not define escaping.
    let escaping =
        escaping.filter(|_| !matches!(kind, FormatKind::Text0_0_4 | FormatKind::OpenMetrics0_0_1));
    Some((Format { kind, escaping }, weight))
}

/// Returns the encoding of the greatest weight. Among equals, compression wins over identity, and
/// the first named of gzip and zstd wins.
///
/// Prometheus names zstd first if it supports it. Other clients name it last, and some of them stop
/// after the first zstd frame (dotnet/runtime#129038, seanmonstar/reqwest#2574), while a gzip body
/// is a single member that every client reads whole.
pub fn encoding(accept_encoding: Option<&str>) -> Encoding {
    let Some(header) = accept_encoding else {
        return Encoding::Identity;
    };
    let (mut gzip, mut identity, mut any) = (None, None, None);
    let mut best = (0, Encoding::Identity);
    for element in header.split(',') {
        let mut parts = element.split(';');
        let coding = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let Some(weight) = weight(parts) else {
            continue;
        };
        let compressed = match coding.as_str() {
            "gzip" | "x-gzip" => {
                gzip = Some(weight);
                Encoding::Gzip
            }
            "zstd" => Encoding::Zstd,
            "identity" => {
                identity = Some(weight);
                continue;
            }
            "*" => {
                any = Some(weight);
                continue;
            }
            _ => continue,
        };
        if weight > best.0 {
            best = (weight, compressed);
        }
    }
    if let (None, Some(any)) = (gzip, any)
        && any > best.0
    {
        best = (any, Encoding::Gzip);
    }
    // Identity is acceptable if unnamed, with less weight than anything named.
    let identity = identity.or(any).unwrap_or(1);
    if best.0 > 0 && best.0 >= identity {
        best.1
    } else {
        Encoding::Identity
    }
}

const WHOLE: u32 = 1_000;

/// Parses a weight to thousandths. Returns `None` if the parameters are no valid weight.
fn weight<'a>(parameters: impl Iterator<Item = &'a str>) -> Option<u32> {
    let mut weight = WHOLE;
    for parameter in parameters {
        let (name, value) = parameter.split_once('=')?;
        if !name.trim().eq_ignore_ascii_case("q") {
            return None;
        }
        weight = thousandths(value.trim())?;
    }
    Some(weight)
}

/// Parses a `qvalue` (at most 1, at most three decimals) to thousandths.
fn thousandths(value: &str) -> Option<u32> {
    let (whole, digits) = value.split_once('.').unwrap_or((value, ""));
    if digits.len() > 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let thousandths = format!("{digits:0<3}").parse::<u32>().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(WHOLE),
        _ => None,
    }
}

/// Splits a list at separators outside quotes.
fn elements(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        c == separator && !quoted
    })
}

#[cfg(test)]
mod tests;
