//! boto3, which none of us wrote, judges the simulator's wire.

use std::process::Command;

use crate::program::{peer, simulate};

#[test]
#[ignore = "needs boto3; tests/run brings it"]
fn boto3_takes_the_simulator_for_the_endpoint() {
    let python = peer("TEST_PYTHON", "python3");
    let simulator = simulate();
    let judged = Command::new(python)
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "test_simulator.py", "test_discovery.py"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/boto3"))
        .env("SIMULATOR_ENDPOINT", format!("http://{}", simulator.address))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&judged.stdout);
    assert!(judged.status.success(), "{said}\n{}", String::from_utf8_lossy(&judged.stderr));
    let last = said.lines().last().unwrap_or_default();
    assert!(last.contains(" passed") && !last.contains("skipped"), "{last}");
}
