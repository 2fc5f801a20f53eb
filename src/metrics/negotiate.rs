//! What the client takes: `Accept` and `Accept-Encoding` (RFC 9110, sections 12.5.1 and 12.5.3). A scrape is never refused
//! for either: what cannot be met is answered with the text format, or plain.

use super::format::{Encoding, Escaping, Format, FormatKind};

/// The format to answer in: the one of the greatest weight that is known here, the first of equals.
pub fn format(accept: Option<&str>) -> Format {
    let mut best = (Format::TEXT, 0);
    for element in elements(accept.unwrap_or_default(), ',') {
        let Some((format, weight)) = media_range(element) else {
            continue;
        };
        if weight > best.1 {
            best = (format, weight);
        }
    }
    best.0
}

/// One element of `Accept`; `None` if it names nothing that is known here.
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
                    .find(|known| known.as_str() == value)
            }
            _ => {}
        }
    }
    let kind = match (media.as_str(), version) {
        ("text/plain", "" | "0.0.4") | ("text/*" | "*/*", _) => FormatKind::Text0_0_4,
        ("text/plain", "1.0.0") => FormatKind::Text1_0_0,
        // Those who name no version are older than 1.0.0; client_golang reads them alike.
        ("application/openmetrics-text", "" | "0.0.1") => FormatKind::OpenMetrics0_0_1,
        ("application/openmetrics-text", "1.0.0") => FormatKind::OpenMetrics1_0_0,
        ("application/vnd.google.protobuf", _)
            if proto == "io.prometheus.client.MetricFamily" && encoding == "delimited" =>
        {
            FormatKind::Protobuf
        }
        _ => return None,
    };
    // The older versions know nothing of it.
    let escaping =
        escaping.filter(|_| !matches!(kind, FormatKind::Text0_0_4 | FormatKind::OpenMetrics0_0_1));
    Some((Format { kind, escaping }, weight))
}

/// The encoding to answer with: the one of the greatest weight. Of equals a compressed one goes before the plain body,
/// and of gzip and zstd the one that is named first. Prometheus names zstd first where it takes it; browsers and others
/// name it last, and among those are readers that stop after the first frame of several (dotnet/runtime#129038,
/// seanmonstar/reqwest#2574), where a gzip body is one member and read whole by all.
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
    // An identity that the header does not name is acceptable, and less wanted than what it does name.
    let identity = identity.or(any).unwrap_or(1);
    if best.0 > 0 && best.0 >= identity {
        best.1
    } else {
        Encoding::Identity
    }
}

const WHOLE: u32 = 1_000;

/// The weight in thousandths; `None` where the parameters are not a valid weight.
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

/// A `qvalue`: at most 1, with at most three decimals.
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

/// Splits a list, but not within quotes.
fn elements(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        c == separator && !quoted
    })
}

#[cfg(test)]
#[path = "negotiate_tests.rs"]
mod tests;
