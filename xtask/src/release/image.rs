//! The images of both architectures, built by buildah from the static archives.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use super::Release;
use super::program::Program;
use super::report::Made;
use super::target::{TARGETS, Target};
use super::tools::{command, need, unavailable};
use crate::{output, root, run};

/// The certificates that the exporter's image gets.
const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";

/// Builds the image of a program for the architectures whose archives are there, as a tar file of a `dir:`
/// layout, which `skopeo copy --all` pushes unchanged. An OCI layout would lose the health check.
///
/// # Errors
/// The image lacks an architecture, or its configuration differs from that of the Dockerfile.
pub(super) fn image(release: &Release, program: &Program) -> anyhow::Result<Made> {
    let (targets, missing): (Vec<Target>, Vec<Target>) = TARGETS
        .into_iter()
        .filter(|target| target.is_musl())
        .partition(|target| release.archive(program, *target).exists());
    if targets.is_empty() {
        return Err(unavailable("no archive of a static binary is here"));
    }
    need("buildah", "Debian: buildah")?;
    let folder = build(release, program, &targets)?;
    let checks = check(release, program, &folder, &targets)?;
    let path = release
        .folder
        .join(format!("{}-{}-image.tar", program.name, release.version));
    run(command("tar")
        .arg("-cf")
        .arg(&path)
        .arg("-C")
        .arg(&folder)
        .arg("."))?;
    let mut made = Made::new(path, checks);
    for target in missing {
        made.unchecked.push(format!("no archive for {}", target.0));
    }
    Ok(made)
}

/// Lays the context out as the Dockerfile wants it, builds, and returns the layout's folder.
fn build(release: &Release, program: &Program, targets: &[Target]) -> anyhow::Result<PathBuf> {
    let context = release.work.join(format!("context-{}", program.name));
    for file in [
        "LICENSE",
        "deploy/licenses/THIRD-PARTY.txt",
        program.dockerfile,
        ".dockerignore",
    ] {
        copy(&Path::new(root()).join(file), &context.join(file))?;
    }
    for target in targets {
        let unpacked = release.unpack(program, *target)?;
        let place = context.join("dist").join(target.architecture());
        copy(
            &unpacked.join(program.name),
            &place.join("usr/bin").join(program.name),
        )?;
        copy(
            &Path::new("/").join(CERTIFICATES),
            &place.join(CERTIFICATES),
        )?;
    }
    let store = release.work.join("image-store");
    let buildah = || {
        let mut buildah = command("buildah");
        buildah
            .arg(format!("--root={}", store.join("root").display()))
            .arg(format!("--runroot={}", store.join("run").display()))
            .arg("--storage-driver=vfs");
        buildah
    };
    let platforms: Vec<String> = targets
        .iter()
        .map(|target| format!("linux/{}", target.architecture()))
        .collect();
    // Docker's format has a health check.
    output(
        buildah()
            .args(["build", "--quiet", "--format=docker", "--isolation=chroot"])
            .arg(format!("--manifest={}", program.name))
            .arg(format!("--platform={}", platforms.join(",")))
            .args([
                "--build-arg=PROGRAM=prebuilt",
                &format!("--build-arg=VERSION={}", release.version),
            ])
            .arg(format!("--build-arg=REVISION={}", release.revision()?))
            .arg(format!(
                "--build-arg=SOURCE={}",
                release.publisher.repository()
            ))
            .arg(format!(
                "--file={}",
                context.join(program.dockerfile).display()
            ))
            .arg(&context),
    )?;
    let folder = folder(release, program);
    run(buildah()
        .args([
            "manifest",
            "push",
            "--quiet",
            "--all",
            "--format=v2s2",
            program.name,
        ])
        .arg(format!("dir:{}", folder.display())))?;
    Ok(folder)
}

/// Where the layout of an image is.
fn folder(release: &Release, program: &Program) -> PathBuf {
    release.work.join(format!("image-{}", program.name))
}

/// Reads the index and the configuration of each architecture.
fn check(
    release: &Release,
    program: &Program,
    folder: &Path,
    targets: &[Target],
) -> anyhow::Result<String> {
    let read = |name: &str| -> anyhow::Result<serde_json::Value> {
        let text = std::fs::read_to_string(folder.join(name))
            .with_context(|| format!("failed to read {name} of the image"))?;
        Ok(serde_json::from_str(&text)?)
    };
    let digest = |value: &serde_json::Value| -> anyhow::Result<String> {
        let digest = value["digest"].as_str().context("a digest is missing")?;
        Ok(digest.trim_start_matches("sha256:").to_owned())
    };
    let index = read("manifest.json")?;
    let manifests = index["manifests"]
        .as_array()
        .context("the image has no index")?;
    ensure!(
        manifests.len() == targets.len(),
        "the index has {} images",
        manifests.len()
    );
    let mut platforms = Vec::new();
    for entry in manifests {
        let manifest = read(&format!("{}.manifest.json", digest(entry)?))?;
        let image = read(&digest(&manifest["config"])?)?;
        let config = &image["config"];
        ensure!(
            config["User"] == "65532:65532",
            "the user is {}",
            config["User"]
        );
        let path = format!("/usr/bin/{}", program.name);
        ensure!(
            config["Healthcheck"]["Test"][0] == "CMD"
                && config["Healthcheck"]["Test"][1] == path.as_str(),
            "the health check is {}",
            config["Healthcheck"]
        );
        ensure!(
            config["Entrypoint"][0] == path.as_str(),
            "the image runs {}",
            config["Entrypoint"]
        );
        let labels = &config["Labels"];
        ensure!(
            labels["org.opencontainers.image.version"] == release.version.as_str()
                && labels["org.opencontainers.image.source"]
                    == release.publisher.repository().as_str(),
            "the labels are {labels}"
        );
        ensure!(
            image["architecture"] == entry["platform"]["architecture"],
            "the index has another architecture than the image"
        );
        platforms.push(
            entry["platform"]["architecture"]
                .as_str()
                .unwrap_or_default(),
        );
    }
    let wanted: Vec<_> = targets.iter().map(|target| target.architecture()).collect();
    ensure!(
        wanted.iter().all(|platform| platforms.contains(platform)),
        "the index has {}",
        platforms.join(", ")
    );
    Ok(format!(
        "{}; user, program, health check, labels",
        platforms.join(" and ")
    ))
}

/// Pushes the image of a program to a registry on the loopback and reads it back.
///
/// # Errors
/// The registry has another image than the file.
pub(super) fn push(release: &Release, program: &Program, registry: &str) -> anyhow::Result<String> {
    need("skopeo", "Debian: skopeo")?;
    let folder = folder(release, program);
    let address = format!("docker://{registry}/{}:{}", program.name, release.version);
    run(command("skopeo")
        .args([
            "copy",
            "--quiet",
            "--all",
            "--preserve-digests",
            "--dest-tls-verify=false",
        ])
        .arg(format!("dir:{}", folder.display()))
        .arg(&address))?;
    let pushed =
        output(command("skopeo").args(["inspect", "--raw", "--tls-verify=false", &address]))?;
    let kept = std::fs::read_to_string(folder.join("manifest.json"))?;
    ensure!(
        pushed.trim_end() == kept.trim_end(),
        "the registry has another index"
    );
    Ok("pushed to a registry of the loopback, and read back".to_owned())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("failed to copy {}", from.display()))
}
