//! The types of plain scalars, as in the core schema of YAML 1.2.

use std::borrow::Cow;

use serde_yaml::{Number, Value};

use super::node::NodeValue;

/// Longest text that may be anything but text: the longest number has 40 characters.
const LONGEST: usize = 64;

/// Returns the value of a scalar without quotes and without a tag.
pub(super) fn value(text: Cow<'_, str>) -> NodeValue {
    let parsed = (text.len() <= LONGEST).then(|| serde_yaml::from_str(&text));
    match parsed.and_then(Result::ok) {
        Some(Value::Null) => NodeValue::Null,
        Some(Value::Bool(value)) => NodeValue::Bool(value),
        Some(Value::Number(number)) => number_value(&number),
        _ => beyond_64_bits(&text).map_or_else(|| NodeValue::Text(text.into()), NodeValue::Int),
    }
}

/// Returns a saturated number for a whole number that the crate does not represent.
fn beyond_64_bits(text: &str) -> Option<i64> {
    let number = text.parse::<i128>().ok()?;
    if number < i64::MIN.into() {
        Some(i64::MIN)
    } else {
        (number > i64::MAX.into()).then_some(i64::MAX)
    }
}

/// Saturates beyond 63 bits.
fn number_value(number: &Number) -> NodeValue {
    if let Some(value) = number.as_i64() {
        return NodeValue::Int(value);
    }
    match number.as_f64() {
        Some(_) if number.is_u64() => NodeValue::Int(i64::MAX),
        value => NodeValue::Float(value.unwrap_or(f64::NAN)),
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
