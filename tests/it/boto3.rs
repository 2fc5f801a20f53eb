//! The simulator against boto3, an independent client.

use crate::program::{pytest, simulate};

#[test]
#[ignore = "needs boto3, which tests/run installs"]
fn boto3_works_with_the_simulator() {
    let simulator = simulate();
    let endpoint = format!("http://{}", simulator.address);
    pytest(
        "boto3",
        &["test_simulator.py", "test_discovery.py"],
        ("SIMULATOR_ENDPOINT", &endpoint),
    );
}
