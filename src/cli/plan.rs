//! `plan`: what a configuration will come to, before anything is paid for.

use std::fmt::Write;
use std::path::Path;

use serde_json::json;

use super::args::{OutputForm, PlanArgs};
use super::{Exit, output};
use crate::config::forecast::{AccountForecast, Assumptions, Forecast, forecast};
use crate::config::policy::policies;

pub(super) fn run(file: &Path, args: &PlanArgs) -> anyhow::Result<Exit> {
    let plan = super::load(file)?;
    let policies = policies(&plan);
    if args.iam_policy {
        // One goes into `aws iam create-policy` as it is.
        let text = match policies.values().collect::<Vec<_>>().as_slice() {
            [only] => format!("{only:#}\n"),
            _ => format!("{:#}\n", json!(policies)),
        };
        output::print(text.as_bytes())?;
        return Ok(Exit::Done);
    }
    let assumed = Assumptions {
        scrape_interval: args.scrape_interval,
        latency: args.latency,
        files: args.files,
    };
    let told = forecast(&plan, assumed);
    let text = match args.output {
        OutputForm::Table => table(&told, args),
        OutputForm::Json => format!(
            "{:#}\n",
            json!({ "forecast": told, "iam_policies": policies })
        ),
    };
    output::print(text.as_bytes())?;
    Ok(Exit::Done)
}

fn table(told: &Forecast, args: &PlanArgs) -> String {
    let mut out = format!(
        "With a scrape every {:?}, answers after {:?} and {} files a transfer; without retries, and without what \
         discovery will find and events add:\n\nseries of AWS state: {}, at most {} and one for each failure code that is met\n",
        args.scrape_interval, args.latency, args.files, told.series, told.series_at_most
    );
    for of in &told.accounts {
        account(&mut out, of);
    }
    out.push_str(
        "\nThe least IAM policy: plan --iam-policy. A queue that a KMS key of yours encrypts needs kms:Decrypt too.\n",
    );
    out
}

fn account(out: &mut String, of: &AccountForecast) {
    // A text takes whatever is written to it.
    let _ = writeln!(
        out,
        "\naccount {}: {} transfers on {} connectors",
        of.account, of.transfers, of.connectors
    );
    for (what, calls) in [
        ("calls of the first scrape", of.calls_first_scrape),
        ("calls of a later scrape, at most", of.calls_scrape_at_most),
        ("calls a day, everything changing", of.calls_day_at_most),
        (
            "calls a day, nothing finished and nothing changing",
            of.calls_day_quiet,
        ),
        ("calls a day, everything finished", of.calls_finished),
        ("SQS requests a day, no event coming", of.sqs_calls_day),
        ("CloudTrail lookups a day", of.cloudtrail_calls_day),
        ("calls a day for connectors", of.connector_calls_day),
    ] {
        let _ = writeln!(out, "  {what:50}  {calls:>10}");
    }
    let _ = writeln!(
        out,
        "  {:50}  {:>10.1}",
        "seconds of a sweep of everything", of.sweep_seconds
    );
}
