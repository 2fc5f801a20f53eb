//! `check`: validates the configuration, and with `--live` checks it against AWS.

use std::path::Path;

use clap::Args;

use super::flags::WebFlags;
use super::{Exit, output};
use crate::app;
use crate::config::Plan;
use crate::metrics::self_metrics::SelfMetrics;
use crate::transfer::preflight::{Finding, Preflight, Verdict};
use crate::transfer::session::{Sessions, TimeOuts};

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Check against AWS too: caller identity, connectors, missing permissions and clock of each
    /// account.
    #[arg(long)]
    live: bool,
}

pub(super) async fn run(file: &Path, web: &WebFlags, args: &CheckArgs) -> anyhow::Result<Exit> {
    let web_is_valid = check_web_config(web)?;
    let plan = match super::load(file) {
        Ok(plan) => plan,
        Err(problems) => {
            output::print(format!("{problems}\n").as_bytes())?;
            return Ok(Exit::Failed);
        }
    };
    let text = format!(
        "{}: valid; accounts: {}, transfers: {}, named connectors: {}\n",
        file.display(),
        plan.accounts.len(),
        plan.transfers.len(),
        plan.connectors.len()
    );
    output::print(text.as_bytes())?;
    let live_exit = if args.live {
        check_live(&plan).await?
    } else {
        Exit::Done
    };
    Ok(if web_is_valid {
        live_exit
    } else {
        Exit::Failed
    })
}

/// Checks every account, even if an earlier one has problems.
async fn check_live(plan: &Plan) -> anyhow::Result<Exit> {
    let sessions = Sessions::new(TimeOuts::within(plan.collector.timeout), None);
    let checks = Preflight::new(
        plan,
        &sessions,
        SelfMetrics::new()?.api,
        app::system_clock(),
    );
    let mut problems = 0;
    for account in &plan.accounts {
        let findings = checks.account(account).await;
        problems += findings
            .iter()
            .filter(|finding| finding.verdict.is_bad())
            .count();
        output::print(format!("account {}\n{}", account.name, lines(&findings)).as_bytes())?;
    }
    output::print(format!("AWS: {problems} problems\n").as_bytes())?;
    Ok(if problems == 0 {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn lines(findings: &[Finding]) -> String {
    let widest = findings
        .iter()
        .map(|finding| finding.what.len())
        .max()
        .unwrap_or_default();
    let line = |finding: &Finding| {
        let Finding {
            verdict,
            what,
            detail,
        } = finding;
        let verdict = Verdict::as_str(*verdict);
        // The detail contains text from AWS. Control characters must not reach the terminal.
        let detail: String = detail.chars().filter(|c| !c.is_control()).collect();
        format!("  {verdict:7}  {what:widest$}  {detail}\n")
    };
    findings.iter().map(line).collect()
}

/// Prints the problems of the web configuration and its certificates. Returns false if there are
/// any.
fn check_web_config(flags: &WebFlags) -> anyhow::Result<bool> {
    let Some(file) = &flags.config_file else {
        return Ok(true);
    };
    let (text, valid) = match flags.web_config() {
        Ok(web_config) => {
            let tls = if web_config
                .as_ref()
                .is_some_and(|web_config| web_config.has_tls())
            {
                "HTTPS"
            } else {
                "HTTP"
            };
            let users = web_config.map_or(0, |web_config| web_config.users());
            (
                format!("{}: valid; {tls}, users: {users}\n", file.display()),
                true,
            )
        }
        Err(problems) => (format!("{problems}\n"), false),
    };
    output::print(text.as_bytes())?;
    Ok(valid)
}
