//! `results`: prints the file results of one transfer.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use serde_json::json;

use super::flags::DEFAULT_CONFIG;
use super::output::OutputFormat;
use super::{Exit, output};
use crate::app::{self, App, Options};
use crate::config::Plan;
use model::{AccountName, ConnectorId, FailureCode, FileResult, TransferId};

#[derive(Debug, Args)]
pub(super) struct ResultsArgs {
    /// Connector ID.
    connector_id: ConnectorId,
    /// Transfer ID, as returned by StartFileTransfer.
    transfer_id: TransferId,
    /// Configured account of the connector. Required if it cannot be derived from the
    /// configuration.
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Output format.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    output: OutputFormat,
}

pub(super) async fn run(file: &Path, args: ResultsArgs) -> anyhow::Result<Exit> {
    // Without any file, the default account is used. A file that was named must exist.
    let plan = if file == Path::new(DEFAULT_CONFIG) && !file.exists() {
        Plan::default()
    } else {
        super::load(file)?
    };
    let account = choose_account(&plan, args.account.as_deref(), &args.connector_id)?;
    let app = App::new(plan, Options::default(), app::system_clock()).await?;
    let fetched = app
        .fetch_results(&account, &args.connector_id, &args.transfer_id)
        .await;
    let files = fetched.map_err(|error| match error.kind.hint() {
        Some(hint) => anyhow!("failed to read results: {error}\n  hint: {hint}"),
        None => anyhow!("failed to read results: {error}"),
    })?;
    if files.is_empty() {
        bail!(
            "failed to read results: AWS has no files of transfer `{}` on connector `{}`\n  \
             hint: results expire after 7 days, and both IDs must belong to the same \
             StartFileTransfer call",
            args.transfer_id,
            args.connector_id
        );
    }
    let text = match args.output {
        OutputFormat::Table => table(&files),
        OutputFormat::Json => {
            let files: Vec<_> = files
                .iter()
                .map(|file| {
                    json!({
                        "path": file.path,
                        "status": file.status.as_str(),
                        "failure_code": file.failure_code.as_ref().map(FailureCode::as_str),
                        "failure_message": file.failure_message,
                    })
                })
                .collect();
            let document = json!({
                "account": account.as_str(),
                "connector_id": args.connector_id.as_str(),
                "transfer_id": args.transfer_id.as_str(),
                "files": files,
            });
            format!("{document:#}\n")
        }
    };
    output::print(text.as_bytes())?;
    Ok(Exit::Done)
}

/// Returns the named account, else the only account, else the only account whose configured
/// transfers use the connector.
fn choose_account(
    plan: &Plan,
    named: Option<&str>,
    connector: &ConnectorId,
) -> anyhow::Result<AccountName> {
    let known = || {
        plan.accounts
            .iter()
            .map(|account| format!("`{}`", account.name))
            .collect::<Vec<_>>()
            .join(", ")
    };
    if let Some(named) = named {
        let found = plan
            .accounts
            .iter()
            .find(|account| account.name.as_str() == named);
        return found.map(|account| account.name.clone()).with_context(|| {
            format!(
                "`--account`: unknown account `{named}`\n  hint: configured accounts: {}",
                known()
            )
        });
    }
    if let [only] = plan.accounts.as_slice() {
        return Ok(only.name.clone());
    }
    let mut holders = plan
        .transfers
        .iter()
        .filter(|key| key.connector == *connector)
        .map(|key| &key.account);
    match holders.next() {
        Some(first) if holders.all(|other| other == first) => Ok(first.clone()),
        _ => bail!(
            "failed to choose an account for connector `{connector}`\n  \
             hint: set `--account` to one of {}",
            known()
        ),
    }
}

fn table(files: &[FileResult]) -> String {
    let header = ["STATUS", "FAILURE CODE", "PATH", "FAILURE MESSAGE"].map(String::from);
    let rows = files.iter().map(|file| {
        [
            printable(file.status.as_str()),
            printable(file.failure_code.as_ref().map_or("", |code| code.as_str())),
            printable(&file.path),
            printable(file.failure_message.as_deref().unwrap_or_default()),
        ]
    });
    let rows: Vec<_> = std::iter::once(header).chain(rows).collect();
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths = [width(0), width(1), width(2)];
    let mut out = String::new();
    for [status, code, path, message] in &rows {
        let [a, b, c] = widths;
        let line = format!("{status:a$}  {code:b$}  {path:c$}  {message}");
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

/// Escapes invisible characters of paths and messages, which come from partners' servers.
fn printable(text: &str) -> String {
    model::visible(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::FileStatus;

    #[test]
    fn columns_are_aligned_and_control_characters_are_escaped() {
        let file = |path: &str, status, code: Option<&str>, message: Option<&str>| FileResult {
            path: path.into(),
            status,
            failure_code: code.and_then(FailureCode::new),
            failure_message: message.map(Into::into),
        };
        let text = table(&[
            file("/b/long name.csv", FileStatus::Completed, None, None),
            file(
                "/b/\u{1b}[31mé",
                FileStatus::Failed,
                Some("CONNECTION_ERROR"),
                Some("no\nroute"),
            ),
        ]);
        assert_eq!(
            text,
            "STATUS     FAILURE CODE      PATH              FAILURE MESSAGE\n\
             COMPLETED                    /b/long name.csv\n\
             FAILED     CONNECTION_ERROR  /b/\\u{1b}[31mé    no\\nroute\n"
        );
    }
}
