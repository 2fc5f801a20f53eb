//! boto3, which none of us wrote, judges the simulator's wire.

use crate::program::{pytest, simulate};

#[test]
#[ignore = "needs boto3; tests/run brings it"]
fn boto3_takes_the_simulator_for_the_endpoint() {
    let simulator = simulate();
    let endpoint = format!("http://{}", simulator.address);
    pytest(
        "boto3",
        &["test_simulator.py", "test_discovery.py"],
        ("SIMULATOR_ENDPOINT", &endpoint),
    );
}
