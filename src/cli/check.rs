//! `check`: validates the configuration, and with `--live` checks it against AWS.

use std::path::Path;
use std::sync::atomic::Ordering;

use clap::Args;
use serde_json::{Map, Value, json};

use super::flags::WebFlags;
use super::output::OutputFormat;
use super::progress::Progress;
use super::{Exit, output};
use crate::app;
use crate::config::{DiscoveryPlan, Plan, Problem, Problems};
use crate::flows::matcher::{self, ConnectorRef, Matcher};
use crate::metrics::self_metrics::SelfMetrics;
use crate::transfer::preflight::{Finding, Preflight, Verdict};
use crate::transfer::session::{self, Sessions, TimeOuts};
use crate::web::WebConfigState;
use model::{ConnectorId, counted, visible_lines};

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Check against AWS too: caller identity, connectors, missing permissions and clock of each
    /// account.
    #[arg(long)]
    live: bool,
    /// Output format.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    output: OutputFormat,
    /// Show no progress on a terminal.
    #[arg(long)]
    quiet: bool,
}

/// What is printed: text as it is found, or one JSON document at the end.
struct Report {
    format: OutputFormat,
    document: Map<String, Value>,
}

impl Report {
    /// Prints text, unless the output is JSON.
    fn print(&self, text: &str) -> anyhow::Result<()> {
        match self.format {
            OutputFormat::Table => {
                let text = visible_lines(text).to_string();
                output::print(text.as_bytes())
            }
            OutputFormat::Json => Ok(()),
        }
    }

    /// Adds a part of the document.
    fn add(&mut self, key: &str, value: Value) {
        self.document.insert(key.to_owned(), value);
    }

    /// Prints the document, if the output is JSON.
    fn finish(mut self, valid: bool) -> anyhow::Result<Exit> {
        if self.format == OutputFormat::Json {
            self.add("valid", valid.into());
            let document = Value::Object(self.document);
            output::print(format!("{document:#}\n").as_bytes())?;
        }
        Ok(if valid { Exit::Done } else { Exit::Failed })
    }
}

/// Returns the JSON of the problems of a file.
fn problems_of(problems: &Problems) -> Value {
    let problem = |problem: &Problem| {
        json!({
            "file": &*problem.file,
            "line": problem.line,
            "key": problem.key,
            "message": problem.message,
            "hint": problem.hint,
        })
    };
    problems.iter().map(problem).collect()
}

pub(super) async fn run(file: &Path, web: &WebFlags, args: &CheckArgs) -> anyhow::Result<Exit> {
    let mut report = Report {
        format: args.output,
        document: Map::new(),
    };
    let web_is_valid = check_web_config(web, &mut report)?;
    let name = file.display().to_string();
    let plan = super::load(file).and_then(|plan| {
        let problems = ca_file_problems(&name, &plan);
        problems.map_or(Ok(plan), Err)
    });
    let plan = match plan {
        Ok(plan) => plan,
        Err(problems) => {
            report.print(&format!("{problems}\n"))?;
            let problems = problems_of(&problems);
            let configuration = json!({ "file": name, "valid": false, "problems": problems });
            report.add("configuration", configuration);
            return report.finish(false);
        }
    };
    report.print(&format!(
        "{name}: valid; accounts: {}, transfers: {}, named connectors: {}\n",
        plan.accounts.len(),
        plan.transfers.len(),
        plan.connectors.len()
    ))?;
    let warnings = flow_warnings(&plan);
    for warning in &warnings {
        report.print(&format!("warning: {warning}\n"))?;
    }
    let configuration = json!({
        "file": name,
        "valid": true,
        "accounts": plan.accounts.len(),
        "transfers": plan.transfers.len(),
        "named_connectors": plan.connectors.len(),
        "warnings": warnings,
    });
    report.add("configuration", configuration);
    let aws_is_valid = !args.live || check_live(&plan, args.quiet, &mut report).await?;
    report.finish(web_is_valid && aws_is_valid)
}

/// Returns the problems of the certificate authorities that the accounts name.
fn ca_file_problems(file: &str, plan: &Plan) -> Option<Problems> {
    let accounts = plan.accounts.iter().enumerate();
    let problems: Vec<_> = accounts
        .filter_map(|(index, account)| {
            let error = session::check_ca_file(account.ca_file.as_ref()?).err()?;
            Some(Problem {
                file: file.into(),
                line: None,
                key: format!("accounts[{index}].ca_file"),
                message: error.to_string(),
                hint: Some(error.hint().to_owned()),
            })
        })
        .collect();
    Problems::of(problems)
}

/// Returns what is doubtful about flows: one that an earlier one leaves no file, and one that no known
/// connector matches.
fn flow_warnings(plan: &Plan) -> Vec<String> {
    let name = |flow: usize| &plan.flows[flow].title.name;
    let overlaps = matcher::overlaps(&plan.flows).into_iter();
    let mut warnings: Vec<_> = overlaps
        .map(|(first, second)| {
            format!(
                "flows: `{}` gets no file that `{}` matches, since that comes first",
                name(second),
                name(first)
            )
        })
        .collect();
    // Discovery may find more connectors.
    if plan.discovery == DiscoveryPlan::default() {
        let title = |id: &ConnectorId| plan.connectors.get(id).map(|title| &*title.name);
        let ids = plan.transfers.iter().map(|key| &key.connector);
        let known: Vec<_> = ids
            .chain(plan.connectors.keys())
            .map(|id| ConnectorRef {
                id: id.as_str(),
                name: title(id),
            })
            .collect();
        let without = Matcher::new(&plan.flows).without_connectors(&known);
        warnings.extend(without.into_iter().map(|flow| {
            format!(
                "flows: `{}` matches no connector of the configuration",
                name(flow)
            )
        }));
    }
    warnings
}

/// Checks every account, even if an earlier one has problems. Returns false if there are any.
async fn check_live(plan: &Plan, quiet: bool, report: &mut Report) -> anyhow::Result<bool> {
    let sessions = Sessions::new(TimeOuts::within(plan.collector.timeout), None);
    let checks = Preflight::new(
        plan,
        &sessions,
        SelfMetrics::new()?.api,
        app::system_clock(),
    );
    let mut problems = 0_usize;
    let mut accounts = Vec::new();
    for account in &plan.accounts {
        let (name, calls) = (account.name.clone(), checks.calls());
        let progress = Progress::start(quiet, move || {
            let calls = counted(calls.load(Ordering::Relaxed), "call");
            format!("checking account {name}: {calls}")
        });
        let findings = checks.account(account).await;
        drop(progress);
        problems += findings
            .iter()
            .filter(|finding| finding.verdict.is_bad())
            .count();
        report.print(&format!("account {}\n{}", account.name, lines(&findings)))?;
        let finding = |finding: &Finding| {
            json!({
                "verdict": finding.verdict.as_str(),
                "check": finding.what,
                "detail": finding.detail,
            })
        };
        let findings: Vec<_> = findings.iter().map(finding).collect();
        accounts.push(json!({ "account": account.name.as_str(), "findings": findings }));
    }
    report.print(&format!("AWS: {}\n", counted(problems, "problem")))?;
    report.add("aws", accounts.into());
    Ok(problems == 0)
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
fn check_web_config(flags: &WebFlags, report: &mut Report) -> anyhow::Result<bool> {
    let Some(file) = flags.config_file() else {
        return Ok(true);
    };
    let file = file.display().to_string();
    match flags.web_config() {
        Ok(web_config) => {
            let web_config = web_config.as_deref();
            let tls = web_config.is_some_and(WebConfigState::has_tls);
            let users = web_config.map_or(0, WebConfigState::users);
            let scheme = if tls { "HTTPS" } else { "HTTP" };
            report.print(&format!("{file}: valid; {scheme}, users: {users}\n"))?;
            let found = json!({ "file": file, "valid": true, "tls": tls, "users": users });
            report.add("web_configuration", found);
            Ok(true)
        }
        Err(problems) => {
            report.print(&format!("{problems}\n"))?;
            let problems = problems_of(&problems);
            let found = json!({ "file": file, "valid": false, "problems": problems });
            report.add("web_configuration", found);
            Ok(false)
        }
    }
}
