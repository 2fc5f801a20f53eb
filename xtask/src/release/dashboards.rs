//! The dashboards as grafana.com and an import by hand want them.

use std::path::Path;

use anyhow::{Context, ensure};

use super::Release;
use super::report::Made;
use super::tools::command;
use crate::publisher::PROJECT;
use crate::{output, root, run};

/// Packs the dashboards with `__inputs`.
///
/// # Errors
/// A dashboard does not ask for its data source.
pub(super) fn dashboards(release: &Release) -> anyhow::Result<Made> {
    let name = format!("{PROJECT}-dashboards-{}", release.version);
    let folder = release.work.join(&name);
    let written = output(command(Path::new(root()).join("dashboards/share")).arg(&folder))?;
    for file in written.lines() {
        let text = std::fs::read_to_string(file)?;
        let dashboard: serde_json::Value = serde_json::from_str(&text)?;
        let inputs = dashboard["__inputs"]
            .as_array()
            .with_context(|| format!("{file} has no `__inputs`"))?;
        ensure!(
            inputs.iter().any(|input| input["pluginId"] == "prometheus"),
            "{file} does not ask for Prometheus"
        );
        for input in inputs {
            let name = input["name"].as_str().unwrap_or_default();
            ensure!(
                text.contains(&format!("${{{name}}}")),
                "{file} does not use {name}"
            );
        }
        ensure!(dashboard["id"].is_null(), "{file} has an id");
    }
    let count = written.lines().count();
    ensure!(count > 0, "there are no dashboards");
    let path = release.folder.join(format!("{name}.tar.gz"));
    run(command("tar")
        .arg("-czf")
        .arg(&path)
        .arg("-C")
        .arg(&release.work)
        .arg(&name))?;
    Ok(Made::new(
        path,
        format!("{count} dashboards, each asks for its data source"),
    ))
}
