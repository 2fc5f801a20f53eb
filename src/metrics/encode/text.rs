//! Parts of the text formats: labels, numbers, heads, histograms. OpenMetrics differs only where noted.

use std::io::Write;

use super::exponential;
use crate::metrics::families::Family;
use model::{HISTOGRAM_SCHEMA, Histogram};

/// Appends `name="value"`.
pub(super) fn label(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"=\"");
    escape(out, value, true);
    out.push(b'"');
}

/// Appends an integer in decimal, and a line feed.
pub(super) fn integer_line_end(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [b'\n'; 21];
    let mut at = digits.len() - 1;
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(value % 10).unwrap_or_default();
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends the shortest decimal that reads back as the same `f64`.
pub(super) fn float(out: &mut Vec<u8>, value: f64) {
    if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    } else {
        // Writing to a Vec cannot fail.
        let _ = write!(out, "{value}");
    }
}

/// Appends HELP and TYPE.
pub(super) fn head(out: &mut Vec<u8>, family: &Family) {
    comments(out, family.name, family, false);
}

/// Appends HELP, TYPE and, if the name has one, UNIT, as OpenMetrics requires.
pub(super) fn open_metrics_head(out: &mut Vec<u8>, family: &Family, name: &str) {
    comments(out, name, family, true);
    if let Some(unit) = family.unit() {
        let _ = writeln!(out, "# UNIT {name} {unit}");
    }
}

/// Appends the composite value of a histogram in OpenMetrics 2.0, with native buckets if there are any.
/// `classic` holds cumulative counts and upper bounds, without `+Inf`.
pub(super) fn composite(
    out: &mut Vec<u8>,
    (count, sum): (u64, f64),
    native: Option<&Histogram>,
    classic: &[(u64, f64)],
) {
    let _ = write!(out, "{{count:{count},sum:");
    float(out, sum);
    if let Some(histogram) = native {
        // The zero bucket holds exact zeros only.
        let zeros = histogram.zeros;
        let _ = write!(
            out,
            ",schema:{HISTOGRAM_SCHEMA},zero_threshold:0,zero_count:{zeros}"
        );
        let spans = exponential::spans(histogram);
        if !spans.is_empty() {
            out.extend_from_slice(b",positive_spans:");
            list(out, &spans, |out, (offset, length)| {
                let _ = write!(out, "{offset}:{length}");
            });
            out.extend_from_slice(b",positive_buckets:");
            let counts: Vec<_> = histogram.exponential.values().collect();
            list(out, &counts, |out, count| {
                let _ = write!(out, "{count}");
            });
        }
    }
    out.extend_from_slice(b",bucket:");
    let all = classic.iter().copied().chain([(count, f64::INFINITY)]);
    list(out, &all.collect::<Vec<_>>(), |out, (count, bound)| {
        float(out, *bound);
        let _ = write!(out, ":{count}");
    });
    out.push(b'}');
}

/// Appends a list in brackets.
fn list<T>(out: &mut Vec<u8>, items: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    let mut separator = b'[';
    for item in items {
        out.push(separator);
        write(out, item);
        separator = b',';
    }
    out.push(b']');
}

fn comments(out: &mut Vec<u8>, name: &str, family: &Family, quote: bool) {
    let _ = write!(out, "# HELP {name} ");
    escape(out, family.help, quote);
    let _ = writeln!(out, "\n# TYPE {name} {}", family.kind.as_str());
}

/// Appends `text`, escaped: backslash and line feed everywhere, quotes in label values and in the
/// HELP of OpenMetrics.
fn escape(out: &mut Vec<u8>, text: &str, quote: bool) {
    // Most texts have nothing to escape. A loop without an early exit is vectorized.
    let is = |byte: &u8, special| u8::from(*byte == special);
    let special = |found, byte: &u8| found | is(byte, b'\\') | is(byte, b'\n') | is(byte, b'"');
    if text.as_bytes().iter().fold(0, special) == 0 {
        return out.extend_from_slice(text.as_bytes());
    }
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' if quote => out.extend_from_slice(b"\\\""),
            byte => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::families::{FILES_FINISHED, PROCESS_CPU, SWEEP_DURATION};

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_quotes_backslashes_and_line_feeds_are_escaped_in_label_values() {
        let text = written(|out| label(out, "name", "a\"b\\c\nd\t{é}=,漢🚀\r"));
        assert_eq!(text, "name=\"a\\\"b\\\\c\\nd\t{é}=,漢🚀\r\"");
    }

    #[test]
    fn quotes_in_help_are_escaped_in_open_metrics_only() {
        let family = Family {
            help: "a \"b\" \\ c\nd",
            ..FILES_FINISHED
        };
        assert!(written(|out| head(out, &family)).starts_with(
            "# HELP aws_transfer_connector_files_finished_total a \"b\" \\\\ c\\nd\n\
             # TYPE aws_transfer_connector_files_finished_total counter\n"
        ));
        assert!(
            written(|out| open_metrics_head(out, &family, family.base_name())).starts_with(
                "# HELP aws_transfer_connector_files_finished a \\\"b\\\" \\\\ c\\nd\n\
             # TYPE aws_transfer_connector_files_finished counter\n"
            )
        );
    }

    #[test]
    fn open_metrics_has_the_unit_of_the_name() {
        let unit = |family: &Family| {
            written(|out| open_metrics_head(out, family, family.base_name()))
                .lines()
                .nth(2)
                .map(str::to_owned)
        };
        assert_eq!(
            unit(&PROCESS_CPU).as_deref(),
            Some("# UNIT process_cpu_seconds seconds")
        );
        let name = "aws_transfer_exporter_sweep_duration_seconds";
        assert_eq!(
            unit(&SWEEP_DURATION),
            Some(format!("# UNIT {name} seconds"))
        );
        assert_eq!(unit(&FILES_FINISHED), None);
    }

    #[test]
    fn infinities_and_nan_have_the_spelling_of_prometheus() {
        assert_eq!(written(|out| float(out, f64::INFINITY)), "+Inf");
        assert_eq!(written(|out| float(out, f64::NEG_INFINITY)), "-Inf");
        assert_eq!(written(|out| float(out, f64::NAN)), "NaN");
    }

    proptest! {
        #[test]
        fn integers_are_formatted_like_the_standard_library_does(value: u64) {
            prop_assert_eq!(written(|out| integer_line_end(out, value)), format!("{value}\n"));
        }

        #[test]
        fn floats_read_back_unchanged(value: f64) {
            let text = written(|out| float(out, value));
            let read: f64 = text.parse().unwrap();
            prop_assert!(read.to_bits() == value.to_bits() || read.is_nan() && value.is_nan(), "{}", text);
        }
    }
}
