//! The Developer Certificate of Origin: each commit has a sign-off of its author.

use std::process::Command;

use anyhow::ensure;

use crate::{output, print};

/// Checks the commits of a range.
///
/// # Errors
/// A commit lacks the sign-off, or the range cannot be read.
pub(crate) fn check(range: &str) -> anyhow::Result<()> {
    let format = "--format=%h%x09%ae%x09%(trailers:key=Signed-off-by,valueonly,separator=%x2C)";
    let commits = output(Command::new("git").args(["log", "--no-merges", format, range]))?;
    let missing: Vec<&str> = commits.lines().filter_map(without_sign_off).collect();
    for commit in &missing {
        print(&format!(
            "commit {commit}: no `Signed-off-by` of its author"
        ));
    }
    ensure!(
        missing.is_empty(),
        "{} commits without a sign-off; `git rebase --signoff BASE` adds it",
        missing.len()
    );
    Ok(())
}

/// Returns the commit of a line if its author has not signed it off.
fn without_sign_off(line: &str) -> Option<&str> {
    let mut fields = line.split('\t');
    let (commit, author) = (fields.next()?, fields.next()?);
    let signed = fields
        .next()?
        .split(',')
        .filter_map(|name| name.rsplit_once('<')?.1.strip_suffix('>'))
        .any(|address| address.eq_ignore_ascii_case(author));
    (!signed).then_some(commit)
}

#[cfg(test)]
mod tests {
    use super::without_sign_off;

    #[test]
    fn the_author_has_to_sign_off() {
        let signed = "1a2b3c4\tada@acme.example\tAda <Ada@acme.example>";
        assert_eq!(without_sign_off(signed), None);
        let by_both = "1a2b3c4\tada@acme.example\tBo <bo@acme.example>,Ada <ada@acme.example>";
        assert_eq!(without_sign_off(by_both), None);
        for missing in [
            "1a2b3c4\tada@acme.example\t",
            "1a2b3c4\tada@acme.example\tBo <bo@acme.example>",
            "1a2b3c4\tada@acme.example\tada@acme.example",
        ] {
            assert_eq!(without_sign_off(missing), Some("1a2b3c4"), "{missing}");
        }
    }
}
