//! `check`: every problem of the configuration; with `--live`, of what it names in AWS too.

use std::path::Path;

use super::args::{CheckArgs, WebFlags};
use super::{Exit, output};
use crate::app;
use crate::config::Plan;
use crate::metrics::self_metrics::SelfMetrics;
use crate::transfer::preflight::{Finding, Preflight, Verdict};
use crate::transfer::session::{Sessions, TimeOuts};

pub(super) async fn run(file: &Path, web: &WebFlags, args: &CheckArgs) -> anyhow::Result<Exit> {
    let secured = self::web(web)?;
    let plan = match super::load(file) {
        Ok(plan) => plan,
        Err(problems) => {
            output::print(format!("{problems}\n").as_bytes())?;
            return Ok(Exit::Failed);
        }
    };
    let text = format!(
        "{}: good; accounts: {}, transfers: {}, named connectors: {}\n",
        file.display(),
        plan.accounts.len(),
        plan.transfers.len(),
        plan.connectors.len()
    );
    output::print(text.as_bytes())?;
    let lives = if args.live {
        live(&plan).await?
    } else {
        Exit::Done
    };
    Ok(if secured { lives } else { Exit::Failed })
}

/// Every account, whatever came of those before.
async fn live(plan: &Plan) -> anyhow::Result<Exit> {
    let sessions = Sessions::new(TimeOuts::within(plan.collector.timeout), None);
    let checks = Preflight::new(
        plan,
        &sessions,
        SelfMetrics::new()?.api,
        app::system_clock(),
    );
    let mut bad = 0;
    for account in &plan.accounts {
        let findings = checks.account(account).await;
        bad += findings
            .iter()
            .filter(|finding| finding.verdict.is_bad())
            .count();
        output::print(format!("account {}\n{}", account.name, lines(&findings)).as_bytes())?;
    }
    let said = if bad == 0 {
        "AWS: good\n".to_owned()
    } else {
        format!("AWS: {bad} missing or wrong\n")
    };
    output::print(said.as_bytes())?;
    Ok(if bad == 0 { Exit::Done } else { Exit::Failed })
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
        // What AWS says comes from elsewhere: no control character of it reaches the terminal.
        let detail: String = detail.chars().filter(|c| !c.is_control()).collect();
        format!("  {verdict:7}  {what:widest$}  {detail}\n")
    };
    findings.iter().map(line).collect()
}

/// Prints what is wrong with the web configuration file and the certificates that it names; false if anything is.
fn web(flags: &WebFlags) -> anyhow::Result<bool> {
    let Some(file) = &flags.config_file else {
        return Ok(true);
    };
    let (text, good) = match flags.web_config() {
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
                format!("{}: good; {tls}, users: {users}\n", file.display()),
                true,
            )
        }
        Err(problems) => (format!("{problems}\n"), false),
    };
    output::print(text.as_bytes())?;
    Ok(good)
}
