//! Entry point: arguments, runtime, exit code.

use std::process::ExitCode;

use aws_transfer_exporter::cli::{self, Cli, Exit};
use aws_transfer_exporter::telemetry;
use clap::Parser;

/// Returns the memory of expired transfers to the system, which glibc's allocator does not.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(cli::run(cli)));
    let exit = ended.unwrap_or_else(|error| {
        let error = match error.downcast::<clap::Error>() {
            // A usage error in a combination of flags.
            Ok(usage) => usage.exit(),
            Err(error) => error,
        };
        telemetry::print(&format!("aws-transfer-exporter: {error:#}\n"));
        Exit::Failed
    });
    telemetry::flush();
    ExitCode::from(exit.code())
}
