//! Numbers and times that no transfer can have.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{event, facts, file, now};
use crate::discovery::message::ParseError;

const DAY: u64 = 86_400;

fn completed(mut fields: Value) -> Value {
    fields["transfer-id"] = "t-1".into();
    event("SFTP Connector File Send Completed", fields)
}

fn refused(body: &Value) -> ParseError {
    super::parse_with(&body.to_string(), &[]).unwrap_err()
}

#[test]
fn a_size_that_no_file_can_have_is_not_understood() {
    let terabytes = |n: u64| n << 40;
    for bytes in [0, 1, terabytes(1), terabytes(4)] {
        assert_eq!(
            file(facts(&completed(json!({"bytes": bytes})))).bytes,
            bytes
        );
    }
    for bytes in [
        json!(terabytes(4) + 1),
        json!(u64::MAX),
        json!(1e300),
        json!(u64::MAX.to_string()),
    ] {
        let error = refused(&completed(json!({ "bytes": bytes })));
        assert_eq!(error, ParseError::InvalidField("detail.bytes"), "{bytes}");
    }
}

#[test]
fn a_duration_that_no_file_can_have_is_not_understood() {
    for (start, end, is_sound) in [
        ("2025-12-16T00:00:00Z", "2025-12-31T00:00:00Z", true),
        ("2025-12-15T23:59:59Z", "2025-12-31T00:00:00Z", false),
        ("1970-01-01T00:00:00Z", "2025-12-31T00:00:00Z", false),
    ] {
        let body = completed(json!({"start-timestamp": start, "end-timestamp": end}));
        if is_sound {
            assert!(file(facts(&body)).duration.is_some(), "{start}");
        } else {
            let field = ParseError::InvalidField("detail.start-timestamp");
            assert_eq!(refused(&body), field, "{start}");
        }
    }
}

proptest! {
    #[test]
    fn what_is_understood_is_within_bounds(
        bytes in prop_oneof![any::<u64>().prop_map(Value::from), any::<f64>().prop_map(Value::from)],
        start in 0_u64..4 * 400 * DAY,
        end in 0_u64..4 * 400 * DAY,
    ) {
        let time = |seconds: u64| {
            let at = now() - std::time::Duration::from_secs(800 * DAY) + std::time::Duration::from_secs(seconds);
            humantime::format_rfc3339(at).to_string()
        };
        let body = completed(json!({
            "bytes": bytes, "start-timestamp": time(start), "end-timestamp": time(end),
        }));
        if super::parse_with(&body.to_string(), &[]).is_ok() {
            let file = file(facts(&body));
            prop_assert!(file.bytes <= 4 << 40);
            prop_assert!(file.duration.is_none_or(|duration| duration.as_secs() <= 15 * DAY));
            prop_assert!(file.ended_at <= now());
        }
    }
}
