//! moto's queue and rules, which none of us wrote, feed a process that is killed again and again.

use std::process::Command;

use crate::program::peer;

#[test]
#[ignore = "needs moto; tests/run brings it"]
fn events_of_moto_are_counted_exactly_however_often_the_exporter_is_killed() {
    let python = peer("TEST_PYTHON", "python3");
    let judged = Command::new(python)
        .args(["-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "."])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/discovery"))
        .env("EXPORTER", env!("CARGO_BIN_EXE_aws-transfer-exporter"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&judged.stdout);
    assert!(judged.status.success(), "{said}\n{}", String::from_utf8_lossy(&judged.stderr));
    let last = said.lines().last().unwrap_or_default();
    assert!(last.contains(" passed") && !last.contains("skipped"), "{last}");
}
