//! `results`: one look at one transfer.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::json;

use super::args::{DEFAULT_CONFIG, OutputForm, ResultsArgs};
use super::{Exit, output};
use crate::app::{self, App, Options};
use crate::config::Plan;
use model::{AccountName, ConnectorId, FailureCode, FileResult};

pub(super) async fn run(file: &Path, args: ResultsArgs) -> anyhow::Result<Exit> {
    // Without the default file, the default account does; a file that was asked for has to be there.
    let plan = if file == Path::new(DEFAULT_CONFIG) && !file.exists() {
        Plan::default()
    } else {
        super::load(file)?
    };
    let account = choose_account(&plan, args.account.as_deref(), &args.connector_id)?;
    let app = App::new(plan, Options::default(), app::system_clock()).await?;
    let files = app
        .look(&account, &args.connector_id, &args.transfer_id)
        .await?;
    if files.is_empty() {
        bail!(
            "AWS knows no files of transfer `{}` on connector `{}`\n  hint: results are kept for 7 days; \
             both ids must be of the same StartFileTransfer",
            args.transfer_id,
            args.connector_id
        );
    }
    let text = match args.output {
        OutputForm::Table => table(&files),
        OutputForm::Json => {
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

/// The account that is named, or the only one, or the only one that the configuration has this connector in.
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
                "`--account`: no account `{named}`\n  hint: the configuration has {}",
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
            "which account?\n  hint: name one of {} by `--account`",
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

/// Paths and messages come from elsewhere: no control character of theirs reaches the terminal.
fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            if c.is_control() {
                c.escape_default().collect()
            } else {
                vec![c]
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::FileStatus;

    #[test]
    fn columns_stand_below_each_other_and_control_characters_are_shown() {
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
