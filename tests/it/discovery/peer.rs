//! moto's queue and rules, which none of us wrote, feed a process that is killed again and again.

use crate::program::pytest;

#[test]
#[ignore = "needs moto; tests/run brings it"]
fn events_of_moto_are_counted_exactly_however_often_the_exporter_is_killed() {
    pytest(
        "discovery",
        &["."],
        ("EXPORTER", env!("CARGO_BIN_EXE_aws-transfer-exporter")),
    );
}
