//! The process: arguments, runtime, exit code.

use std::io::Write;
use std::process::ExitCode;

use aws_transfer_exporter::cli::{self, Cli, Exit};
use clap::Parser;

/// The memory of transfers that have left goes back to the system; with glibc's allocator it would stay.
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
            // Bad usage that only shows once flags are taken together.
            Ok(usage) => usage.exit(),
            Err(error) => error,
        };
        // Where standard error is closed there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "aws-transfer-exporter: {error:#}");
        Exit::Failed
    });
    ExitCode::from(exit.code())
}
