//! An independent implementation of SQS and EventBridge (moto) feeds an exporter that is killed
//! repeatedly.

use crate::program::pytest;

#[test]
#[ignore = "needs moto, which tests/run installs"]
fn events_of_moto_are_counted_exactly_once_across_kills() {
    pytest(
        "discovery",
        &["."],
        ("EXPORTER", env!("CARGO_BIN_EXE_aws-transfer-exporter")),
    );
}
