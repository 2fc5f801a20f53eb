//! Entry point: arguments, runtime, exit code.

use std::process::ExitCode;
use std::time::Duration;

use aws_transfer_exporter::cli::{self, Exit};
use aws_transfer_exporter::telemetry;

/// Returns the memory of expired transfers to the system, which glibc's allocator does not.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long the end waits for tasks that still run. What has to be finished was awaited.
const LAST_TASKS: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let cli = cli::parse(std::env::args_os()).unwrap_or_else(|error| error.exit());
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            let ended = runtime.block_on(cli::run(cli));
            // Closes the storage, and does not wait for ever: a read of a file may never return.
            runtime.shutdown_timeout(LAST_TASKS);
            ended
        });
    let exit = ended.unwrap_or_else(|error| {
        let error = match error.downcast::<clap::Error>() {
            // A usage error in a combination of flags.
            Ok(usage) => usage.exit(),
            Err(error) => error,
        };
        let error = format!("{error:#}");
        let error = model::visible_lines(&error);
        telemetry::print(&format!("aws-transfer-exporter: {error}\n"));
        Exit::Failed
    });
    telemetry::flush();
    ExitCode::from(exit.code())
}
