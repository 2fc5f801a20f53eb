//! Files that are generated from the code.

use std::process::Command;

use crate::run;

/// Writes METRICS.md, the manual page, the completions and the snapshots of tests. Each is compared
/// by a test, and the same test writes it.
pub(crate) fn run_tests_that_write() -> anyhow::Result<()> {
    run(Command::new("cargo")
        .args(["test", "--quiet", "--workspace"])
        .env("UPDATE_GOLDEN", "1")
        .env("INSTA_UPDATE", "always")
        .env("INSTA_FORCE_PASS", "1"))
}
