//! The Helm chart, packaged for an OCI registry.

use std::path::Path;

use anyhow::{Context, ensure};

use super::Release;
use super::report::Made;
use super::tools::{command, need};
use crate::publisher::PROJECT;
use crate::{output, root};

const SOURCE: &str = "deploy/helm/aws-transfer-exporter";
/// The oldest Kubernetes of the chart, since a helm that Go built assumes an older one.
const KUBERNETES: &str = "1.25";

/// Packages the chart with the address of the released image, and renders it from the package.
///
/// # Errors
/// The chart is of another version, or does not render.
pub(super) fn chart(release: &Release) -> anyhow::Result<Made> {
    need("helm", "helm.sh/helm/v3")?;
    let folder = release.work.join("chart").join(PROJECT);
    for path in output(command("git").args(["ls-files", SOURCE]))?.lines() {
        let place = folder.join(path.trim_start_matches(SOURCE).trim_start_matches('/'));
        let mut content = std::fs::read_to_string(Path::new(root()).join(path))?;
        if path == "deploy/helm/aws-transfer-exporter/values.yaml" {
            content = with_image(&content, &release.publisher.image())?;
        }
        if path == "deploy/helm/aws-transfer-exporter/Chart.yaml" {
            content = with_release(&content, release)?;
        }
        std::fs::create_dir_all(place.parent().context("a file has a folder")?)?;
        std::fs::write(&place, content)?;
    }
    let minimal = Path::new(root())
        .join(SOURCE)
        .join("ci/minimal-values.yaml");
    let minimal = minimal.to_string_lossy();
    helm(
        release,
        &[
            "lint",
            "--strict",
            "--kube-version",
            KUBERNETES,
            &folder.to_string_lossy(),
            "--values",
            &minimal,
        ],
    )?;
    helm(
        release,
        &[
            "package",
            &folder.to_string_lossy(),
            "--destination",
            &release.folder.to_string_lossy(),
        ],
    )?;
    let path = release
        .folder
        .join(format!("{PROJECT}-{}.tgz", release.version));
    let rendered = render(release, &path)?;
    Ok(Made::new(path, format!("helm lint; {rendered}")))
}

/// Returns values.yaml with the published image as the default.
fn with_image(values: &str, image: &str) -> anyhow::Result<String> {
    let written = "  repository: aws-transfer-exporter\n";
    ensure!(
        values.contains(written),
        "values.yaml has no `image.repository`"
    );
    Ok(values
        .replace(written, &format!("  repository: {image}\n"))
        .replace(
            "# -- Image repository. No image is published: build it and push it to your registry.",
            "# -- Image repository.",
        ))
}

/// Returns Chart.yaml with what Artifact Hub reads of a release.
fn with_release(chart: &str, release: &Release) -> anyhow::Result<String> {
    for key in ["version", "appVersion"] {
        ensure!(
            chart.contains(&format!("\n{key}: {}\n", release.version)),
            "`{key}` of Chart.yaml is not {}",
            release.version
        );
    }
    let prerelease = release.version.contains('-');
    Ok(format!(
        "{}\n  artifacthub.io/prerelease: \"{prerelease}\"\n  artifacthub.io/images: |\n    \
         - name: {PROJECT}\n      image: {}:{}\n      platforms:\n        - linux/amd64\n        \
         - linux/arm64\n",
        chart.trim_end(),
        release.publisher.image(),
        release.version
    ))
}

/// Runs helm with a home of its own, as on a new machine.
fn helm(release: &Release, arguments: &[&str]) -> anyhow::Result<String> {
    output(
        command("helm")
            .args(arguments)
            .env("HOME", release.work.join("home"))
            .env_remove("KUBECONFIG")
            .env_remove("HELM_REGISTRY_CONFIG"),
    )
}

/// Renders a package with every example of values in it.
fn render(release: &Release, package: &Path) -> anyhow::Result<String> {
    let folder = Path::new(root()).join(SOURCE).join("ci");
    let mut values: Vec<_> = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    values.sort();
    let package = package.to_string_lossy();
    let image = format!("{}:{}", release.publisher.image(), release.version);
    let mut with_default_image = 0;
    for file in &values {
        let rendered = helm(
            release,
            &[
                "template",
                "rehearsal",
                &package,
                "--kube-version",
                KUBERNETES,
                "--values",
                &file.to_string_lossy(),
            ],
        )?;
        with_default_image += usize::from(rendered.contains(&image));
    }
    ensure!(
        with_default_image > 0,
        "no rendered pod has the image {image}"
    );
    Ok(format!("renders with {} sets of values", values.len()))
}

/// Pushes the chart to a registry on the loopback, pulls it into an empty folder and renders it.
///
/// # Errors
/// What was pulled differs, or does not render.
pub(super) fn push(release: &Release, package: &Path, registry: &str) -> anyhow::Result<String> {
    let charts = format!("oci://{registry}/charts");
    helm(
        release,
        &["push", &package.to_string_lossy(), &charts, "--plain-http"],
    )?;
    let pulled = release.work.join("pulled");
    std::fs::create_dir_all(&pulled)?;
    helm(
        release,
        &[
            "pull",
            &format!("{charts}/{PROJECT}"),
            "--version",
            &release.version,
            "--plain-http",
            "--destination",
            &pulled.to_string_lossy(),
        ],
    )?;
    let pulled = pulled.join(package.file_name().context("the package has a name")?);
    ensure!(
        super::report::checksum(&pulled)? == super::report::checksum(package)?,
        "the registry has another chart"
    );
    render(release, &pulled)?;
    Ok("pushed to a registry of the loopback, pulled and rendered".to_owned())
}
