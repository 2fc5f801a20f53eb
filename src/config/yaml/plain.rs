//! The types of plain scalars, as in the core schema of YAML 1.2.

use std::borrow::Cow;

use super::node::NodeValue;

/// Returns the value of a scalar without quotes and without a tag.
pub(super) fn value(text: Cow<'_, str>) -> NodeValue {
    match &*text {
        "" | "~" | "null" | "Null" | "NULL" => NodeValue::Null,
        "true" | "True" | "TRUE" => NodeValue::Bool(true),
        "false" | "False" | "FALSE" => NodeValue::Bool(false),
        other => integer(other)
            .map(NodeValue::Int)
            .or_else(|| float(other).map(NodeValue::Float))
            .unwrap_or_else(|| NodeValue::Text(text.into())),
    }
}

/// Returns the value of a scalar with the tag `!!` and `suffix`; `None` if it is not of that type.
pub(super) fn tagged(text: Cow<'_, str>, suffix: &str) -> Option<NodeValue> {
    if suffix == "str" {
        return Some(NodeValue::Text(text.into()));
    }
    let value = value(text);
    let is_of_type = match suffix {
        "null" => matches!(value, NodeValue::Null),
        "bool" => matches!(value, NodeValue::Bool(_)),
        "int" => matches!(value, NodeValue::Int(_)),
        "float" => matches!(value, NodeValue::Int(_) | NodeValue::Float(_)),
        _ => false,
    };
    is_of_type.then_some(value)
}

/// Parses a whole number. Saturates beyond 63 bits; beyond 127 bits it is a float.
fn integer(text: &str) -> Option<i64> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, radix) = match digits.get(..2) {
        Some("0x") => (&digits[2..], 16),
        Some("0o") => (&digits[2..], 8),
        Some("0b") => (&digits[2..], 2),
        // With a leading zero it is text.
        _ if digits.len() > 1 && digits.starts_with('0') => return None,
        _ => (digits, 10),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let number = i128::from_str_radix(digits, radix).ok()?;
    let number = if is_negative { -number } else { number };
    let saturated = if is_negative { i64::MIN } else { i64::MAX };
    Some(i64::try_from(number).unwrap_or(saturated))
}

fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    match unsigned {
        ".inf" | ".Inf" | ".INF" if text.starts_with('-') => return Some(f64::NEG_INFINITY),
        ".inf" | ".Inf" | ".INF" => return Some(f64::INFINITY),
        _ => {}
    }
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(f64::NAN);
    }
    let is_octal_like = unsigned.len() > 1
        && unsigned.starts_with('0')
        && unsigned.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if is_octal_like || !is_number {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_have_the_types_of_the_core_schema() {
        for (text, expected) in [
            ("", "Null"),
            ("~", "Null"),
            ("null", "Null"),
            ("nULL", "Text(\"nULL\")"),
            ("True", "Bool(true)"),
            ("yes", "Text(\"yes\")"),
            ("12", "Int(12)"),
            ("+12", "Int(12)"),
            ("-12", "Int(-12)"),
            ("--1", "Text(\"--1\")"),
            ("+-1", "Text(\"+-1\")"),
            ("0", "Int(0)"),
            ("012", "Text(\"012\")"),
            ("-012", "Text(\"-012\")"),
            ("0x1f", "Int(31)"),
            ("0x-1", "Text(\"0x-1\")"),
            ("0x", "Text(\"0x\")"),
            ("-0o17", "Int(-15)"),
            ("0b11", "Int(3)"),
            ("9223372036854775808", "Int(9223372036854775807)"),
            ("-9223372036854775809", "Int(-9223372036854775808)"),
            ("1.5", "Float(1.5)"),
            (".5", "Float(0.5)"),
            ("1e3", "Float(1000.0)"),
            ("-1.", "Float(-1.0)"),
            ("1e999", "Text(\"1e999\")"),
            (".inf", "Float(inf)"),
            ("-.INF", "Float(-inf)"),
            (".nan", "Float(NaN)"),
            ("nan", "Text(\"nan\")"),
            ("inf", "Text(\"inf\")"),
            ("infinity", "Text(\"infinity\")"),
            ("10s", "Text(\"10s\")"),
            ("1_000", "Text(\"1_000\")"),
        ] {
            let actual = format!("{:?}", value(text.into()));
            assert_eq!(actual, expected, "{text:?}");
        }
    }
}
