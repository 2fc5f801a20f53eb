//! A simulated AWS Transfer Family for tests of programs that start and watch file transfers.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use clap::{Parser, Subcommand, ValueEnum};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use model::Now;
use simulator::{AccessKeys, Expiry, Scenario, Settings, Simulator, shipped_scenarios};

/// Simulates AWS Transfer Family SFTP connectors, with CloudTrail and an SQS queue of events.
///
/// Set `AWS_ENDPOINT_URL` of the program under test to the address.
#[derive(Debug, Parser)]
#[command(name = "transfer-simulator", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Address of the simulator. Port 0 selects a free one.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:4777",
        env = "TRANSFER_SIMULATOR_LISTEN_ADDRESS",
        global = true
    )]
    listen_address: SocketAddr,
    /// Name of a scenario that the program contains, or path of a file.
    #[arg(long, value_name = "NAME|FILE", env = "TRANSFER_SIMULATOR_SCENARIO")]
    scenario: Option<String>,
    /// Seed of all random choices.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 1,
        env = "TRANSFER_SIMULATOR_SEED"
    )]
    seed: u64,
    /// Seconds of the simulated account in one second; 0 stops its time.
    #[arg(long, value_name = "NUMBER", default_value_t = 1.0, env = "TRANSFER_SIMULATOR_SPEED", value_parser = speed)]
    speed: f64,
    /// Answer for unknown and expired transfers.
    #[arg(
        long,
        value_name = "VARIANT",
        default_value = "not-found",
        env = "TRANSFER_SIMULATOR_EXPIRY"
    )]
    expiry: ExpiryFlag,
    /// Accepted access key ID. Repeatable. By default every access key is accepted.
    #[arg(long, value_name = "ID")]
    access_key_id: Vec<String>,
    /// Account ID in ARNs and in the URL of the queue.
    #[arg(long, value_name = "ID", default_value = "123456789012")]
    account_id: String,
    /// Least severe level of log records.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: tracing::Level,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the scenarios that the program contains, or print one.
    Scenarios {
        /// Name of the scenario to print.
        name: Option<String>,
    },
    /// Check files of scenarios.
    Check {
        /// Paths of the files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Exit with 0 if a simulator answers at the address.
    Healthcheck,
}

/// Value of `--expiry`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ExpiryFlag {
    /// `ResourceNotFoundException`.
    NotFound,
    /// An empty list.
    EmptyList,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    (0.0..=simulator::MAX_SPEED)
        .contains(&speed)
        .then_some(speed)
        .ok_or_else(|| format!("not between 0 and {}", simulator::MAX_SPEED))
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .with_max_level(arguments.log_level)
        .init();
    let done = match &arguments.command {
        None => serve(&arguments).await,
        Some(Command::Scenarios { name: None }) => {
            shipped_scenarios().for_each(print);
            Ok(())
        }
        Some(Command::Scenarios { name: Some(name) }) => match Scenario::shipped_yaml(name) {
            Some(yaml) => {
                print(yaml.trim_end());
                Ok(())
            }
            None => Err(format!(
                "no scenario is named {name}\n  hint: `transfer-simulator scenarios` lists the names"
            )),
        },
        Some(Command::Check { files }) => check(files),
        Some(Command::Healthcheck) => healthcheck(arguments.listen_address).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// Serves until SIGTERM or SIGINT.
async fn serve(arguments: &Arguments) -> Result<(), String> {
    let stop = |kind| signal(kind).map_err(|error| format!("failed to watch signals: {error}"));
    let (mut terminate, mut interrupt) = (
        stop(SignalKind::terminate())?,
        stop(SignalKind::interrupt())?,
    );
    let settings = Settings {
        keys: AccessKeys {
            ids: arguments.access_key_id.iter().cloned().collect(),
            accept_any: arguments.access_key_id.is_empty(),
        },
        seed: arguments.seed,
        speed: arguments.speed,
        account_id: arguments.account_id.clone(),
        expiry: match arguments.expiry {
            ExpiryFlag::NotFound => Expiry::NotFound,
            ExpiryFlag::EmptyList => Expiry::EmptyList,
        },
        ..Settings::default()
    };
    let clock = || Now {
        instant: Instant::now(),
        wall: SystemTime::now(),
    };
    let simulator = Simulator::new(settings, Arc::new(clock));
    if let Some(name) = &arguments.scenario {
        let scenario = scenario(name)?;
        info!(event = "scenario_loaded", scenario = %name, "{}", scenario.description);
        simulator.load(name, scenario);
    }
    let listener = TcpListener::bind(arguments.listen_address)
        .await
        .map_err(|error| {
            let address = arguments.listen_address;
            format!(
                "failed to listen on {address}: {error}\n  hint: choose another --listen-address"
            )
        })?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let url = format!("http://{address}");
    // On standard output, so that a script can read the address of a free port.
    print(&url);
    info!(
        event = "listening",
        %address,
        queue_url = %simulator.queue_url(&url),
        "listening; {url}/ shows the state"
    );
    let stopped = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        info!(event = "stopping", "stopping");
    };
    simulator.serve(listener, stopped).await;
    Ok(())
}

/// Returns the scenario of a name or of a file.
fn scenario(name: &str) -> Result<Scenario, String> {
    let scenario = if Scenario::shipped_yaml(name).is_some() {
        Scenario::shipped(name)
    } else {
        Scenario::from_file(Path::new(name))
    };
    scenario.map_err(|error| error.to_string())
}

/// Checks files and reports every bad one.
fn check(files: &[PathBuf]) -> Result<(), String> {
    let errors: Vec<String> = files
        .iter()
        .filter_map(|file| Scenario::from_file(file).err())
        .map(|error| error.to_string())
        .collect();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors.join("\n"))
    }
}

async fn healthcheck(address: SocketAddr) -> Result<(), String> {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!(
            "GET /_simulator/time HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = ask
        .await
        .map_err(|error| format!("failed to reach {address}: {error}"))?;
    if answer.starts_with("HTTP/1.1 200 ") {
        Ok(())
    } else {
        Err(format!("{address} is not a simulator"))
    }
}

#[expect(clippy::print_stdout, reason = "the result of the command")]
fn print(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "the reason for the exit code")]
fn report(error: &str) {
    eprintln!("transfer-simulator: {error}");
}
