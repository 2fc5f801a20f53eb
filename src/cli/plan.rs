//! `plan`: estimates what a configuration costs, without any call.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::output::OutputFormat;
use super::progress::Progress;
use super::{Exit, output};
#[cfg(feature = "dynamodb")]
use crate::app::Sharding;
use crate::config;
use crate::config::forecast::{AccountForecast, Assumptions, Forecast, SQS_PRICE, forecast};
use crate::config::policy::policies;
#[cfg(feature = "dynamodb")]
use crate::config::storage_forecast::{
    READ_PRICE, SharedExporters, StorageForecast, WRITE_PRICE, storage_forecast,
};
use model::counted;

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// Print the minimal IAM policy as JSON. Several policies are keyed by the principal that needs
    /// them.
    #[arg(long)]
    iam_policy: bool,
    /// Time between scrapes.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "1m",
        value_parser = positive_duration
    )]
    scrape_interval: Duration,
    /// Duration of an AWS call.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "100ms",
        value_parser = positive_duration
    )]
    latency: Duration,
    /// Files in each transfer.
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    files: u64,
    /// Exporters that share the table of --storage.url.
    #[cfg(feature = "dynamodb")]
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 2,
        value_parser = clap::value_parser!(u32).range(1..=1_000)
    )]
    exporters: u32,
    /// Output format.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    output: OutputFormat,
    /// Show no progress on a terminal.
    #[arg(long)]
    quiet: bool,
}

fn positive_duration(text: &str) -> Result<Duration, String> {
    config::parse_duration(text)
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "expected a duration such as `100ms` or `1m`".to_owned())
}

#[cfg(feature = "dynamodb")]
impl PlanArgs {
    /// Returns what the table costs that the exporters share. Of fixed shards, each has so many.
    pub(super) fn storage_forecast(
        &self,
        sharding: Sharding,
        lease_duration: Duration,
    ) -> StorageForecast {
        storage_forecast(SharedExporters {
            exporters: self.exporters,
            shards: sharding.total(),
            is_automatic: matches!(sharding, Sharding::Automatic { .. }),
            lease_duration,
        })
    }
}

/// What is known of a shared table without the feature.
#[cfg(not(feature = "dynamodb"))]
type StorageForecast = ();

pub(super) fn run(
    file: &Path,
    args: &PlanArgs,
    storage: Option<&StorageForecast>,
) -> anyhow::Result<Exit> {
    let progress = Progress::start(args.quiet, || "estimating".to_owned());
    let plan = super::load(file)?;
    let policies = policies(&plan);
    if args.iam_policy {
        drop(progress);
        // A single policy can be passed to `aws iam create-policy` as it is.
        let text = match policies.values().collect::<Vec<_>>().as_slice() {
            [only] => format!("{only:#}\n"),
            _ => format!("{:#}\n", json!(policies)),
        };
        output::print(text.as_bytes())?;
        return Ok(Exit::Done);
    }
    let assumptions = Assumptions {
        scrape_interval: args.scrape_interval,
        latency: args.latency,
        files: args.files,
    };
    let forecast = forecast(&plan, assumptions);
    drop(progress);
    let text = match args.output {
        OutputFormat::Table => {
            let out = table(&forecast, args);
            #[cfg(feature = "dynamodb")]
            let out = out + &storage.map_or_else(String::new, table_of_storage);
            out
        }
        OutputFormat::Json => {
            let document = json!({
                "forecast": forecast,
                "storage": storage,
                "iam_policies": policies,
            });
            format!("{document:#}\n")
        }
    };
    output::print(text.as_bytes())?;
    Ok(Exit::Done)
}

fn table(forecast: &Forecast, args: &PlanArgs) -> String {
    let mut out = format!(
        "Assumptions: one scrape per {:?}, {:?} per AWS call, {} per transfer, no retries.\n\
         Not included: transfers found by discovery, and series that events add.\n\n\
         series of AWS state: {}, at most {} plus one per failure code that occurs\n",
        args.scrape_interval,
        args.latency,
        counted(args.files, "file"),
        forecast.series,
        forecast.series_at_most
    );
    for account in &forecast.accounts {
        push_account(&mut out, account);
    }
    out.push_str(
        "\nMinimal IAM policy: plan --iam-policy. A queue encrypted with your own KMS key also \
         needs kms:Decrypt.\n",
    );
    out
}

#[cfg(feature = "dynamodb")]
fn table_of_storage(storage: &StorageForecast) -> String {
    let mut out = format!(
        "\ntable of --storage.url, per day, on demand at ${WRITE_PRICE} and ${READ_PRICE} a million (us-east-1, \
         November 2026)\n"
    );
    for (name, units) in [
        ("write request units", storage.write_units_day),
        ("read request units", storage.read_units_day),
    ] {
        let _ = writeln!(out, "  {name:50}  {units:>10}");
    }
    let _ = writeln!(
        out,
        "  {:50}  {:>10}",
        "write request units for each transfer of 5 files", storage.write_units_transfer
    );
    let _ = writeln!(
        out,
        "  {:50}  {:>10.3}",
        "dollars without transfers", storage.dollars_day
    );
    out
}

fn push_account(out: &mut String, account: &AccountForecast) {
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "\naccount {}: {} on {}",
        account.account,
        counted(account.transfers, "transfer"),
        counted(account.connectors, "connector")
    );
    for (name, calls) in [
        ("API calls of the first scrape", account.calls_first_scrape),
        (
            "API calls per later scrape, at most",
            account.calls_scrape_at_most,
        ),
        (
            "API calls per day, every transfer changing",
            account.calls_day_at_most,
        ),
        (
            "API calls per day, unfinished and unchanged",
            account.calls_day_quiet,
        ),
        (
            "API calls per day, everything finished",
            account.calls_finished,
        ),
        ("SQS requests per day, no events", account.sqs_calls_day),
        ("CloudTrail lookups per day", account.cloudtrail_calls_day),
        ("connector API calls per day", account.connector_calls_day),
    ] {
        let _ = writeln!(out, "  {name:50}  {calls:>10}");
    }
    let _ = writeln!(
        out,
        "  {:50}  {:>10.1}",
        "seconds for a sweep of everything", account.sweep_seconds
    );
    let _ = writeln!(
        out,
        "  {:50}  {:>10.4}",
        format!("dollars for SQS per day, at ${SQS_PRICE} a million"),
        account.sqs_dollars_day
    );
}
