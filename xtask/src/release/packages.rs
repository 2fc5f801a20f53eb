//! What a release has for one target: archive, bill of materials, and the Debian or RPM package.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use super::Release;
use super::program::Program;
use super::report::Made;
use super::target::Target;
use super::tools::{
    CARGO_CYCLONEDX, CARGO_DEB, CARGO_GENERATE_RPM, cargo_tool, command, need, unavailable,
};
use crate::publisher::PROJECT;
use crate::{output, root, run};

/// Packs the archive of a program for a target.
///
/// # Errors
/// The archive lacks a file, or `cargo binstall` would look for another name.
pub(super) fn archive(
    release: &Release,
    program: &Program,
    target: Target,
    binary: &Path,
) -> anyhow::Result<Made> {
    if !binary.exists() {
        return Err(unavailable("no binary was given for it"));
    }
    let started = target.check(binary, program.name, &release.version)?;
    run(command(Path::new(root()).join(".github/pack"))
        .arg(binary)
        .args([&release.version, target.0])
        .arg(&release.folder))?;
    let path = release.archive(program, target);
    let name = format!("{}-{}-{}", program.name, release.version, target.0);
    let listed = output(command("tar").arg("-tzf").arg(&path))?;
    for file in program.documents.iter().chain([&program.name]) {
        ensure!(
            listed.lines().any(|line| line == format!("{name}/{file}")),
            "the archive lacks {file}"
        );
    }
    let checks = format!("{started}; {} files", program.documents.len() + 1);
    if !program.has_binstall {
        return Ok(Made::new(path, checks));
    }
    let (address, installed) = binstall(release, target)?;
    ensure!(
        path.file_name()
            .is_some_and(|name| address.ends_with(&format!("/{}", name.to_string_lossy())))
            && listed.lines().any(|line| line == installed),
        "`cargo binstall` looks for {installed} in {address}"
    );
    Ok(Made::new(
        path,
        format!("{checks}; names as cargo binstall looks for them"),
    ))
}

/// Returns the address and the path of the program that `cargo binstall` derives from Cargo.toml.
fn binstall(release: &Release, target: Target) -> anyhow::Result<(String, String)> {
    let manifest = std::fs::read_to_string(Path::new(root()).join("Cargo.toml"))?;
    let (_, section) = manifest
        .split_once("[package.metadata.binstall]\n")
        .context("Cargo.toml has no metadata for binstall")?;
    let value = |key: &str| {
        let template = section
            .lines()
            .find_map(|line| {
                line.strip_prefix(key)?
                    .strip_prefix(" = \"")?
                    .strip_suffix('"')
            })
            .with_context(|| format!("Cargo.toml has no `{key}` for binstall"))?;
        Ok::<_, anyhow::Error>(
            template
                .replace("{ repo }", &release.publisher.repository())
                .replace("{ name }", PROJECT)
                .replace("{ bin }", PROJECT)
                .replace("{ version }", &release.version)
                .replace("{ target }", target.0)
                .replace("{ binary-ext }", ""),
        )
    };
    Ok((value("pkg-url")?, value("bin-dir")?))
}

/// Writes the bill of materials of a target.
///
/// # Errors
/// It does not describe this version.
pub(super) fn sbom(release: &Release, target: Target) -> anyhow::Result<Made> {
    cargo_tool(CARGO_CYCLONEDX, release.offline)?;
    run(command(Path::new(root()).join("deploy/sbom")).arg(target.0))?;
    let written = Path::new(root()).join("sbom.json");
    let path = release.folder.join(format!(
        "{PROJECT}-{}-{}.cdx.json",
        release.version, target.0
    ));
    std::fs::copy(&written, &path).context("failed to copy sbom.json")?;
    std::fs::remove_file(&written).context("failed to remove sbom.json")?;
    let text = std::fs::read_to_string(&path)?;
    let bill: serde_json::Value = serde_json::from_str(&text)?;
    let component = &bill["metadata"]["component"];
    ensure!(
        bill["specVersion"] == "1.5"
            && component["name"] == PROJECT
            && component["version"] == release.version.as_str(),
        "the bill of materials is of {component}"
    );
    let components = bill["components"].as_array().map_or(0, Vec::len);
    ensure!(components > 100, "only {components} components");
    Ok(Made::new(
        path,
        format!("CycloneDX 1.5, {components} components"),
    ))
}

/// Lays a binary out as the tools that pack it expect it, and returns the target directory.
fn target_directory(release: &Release, target: Target, binary: &Path) -> anyhow::Result<PathBuf> {
    let folder = release.work.join("target");
    let place = folder.join(target.0).join("release");
    std::fs::create_dir_all(&place)?;
    std::fs::copy(binary, place.join(PROJECT))
        .with_context(|| format!("failed to copy {}", binary.display()))?;
    Ok(folder)
}

/// Packs the Debian package of a target with glibc.
///
/// # Errors
/// The package is of another version, or lacks the program.
pub(super) fn deb(release: &Release, target: Target, binary: &Path) -> anyhow::Result<Made> {
    cargo_tool(CARGO_DEB, release.offline)?;
    need("dpkg-deb", "Debian: dpkg")?;
    let folder = target_directory(release, target, binary)?;
    let version = release.version.replacen('-', "~", 1);
    let path = release.folder.join(format!(
        "{PROJECT}_{version}-1_{}.deb",
        target.architecture()
    ));
    let mut packing = command("cargo");
    packing
        .args([
            "deb",
            "--no-build",
            "--no-strip",
            "--locked",
            "--target",
            target.0,
        ])
        .arg("--output")
        .arg(&path)
        .env("CARGO_TARGET_DIR", folder);
    if release.offline {
        packing.arg("--offline");
    }
    if release.fast {
        packing.arg("--fast");
    }
    output(&mut packing)?;
    let field = |name: &str| {
        output(command("dpkg-deb").arg("--field").arg(&path).arg(name))
            .map(|value| value.trim().to_owned())
    };
    let (found, architecture) = (field("Version")?, field("Architecture")?);
    ensure!(
        found == format!("{version}-1") && architecture == target.architecture(),
        "the package is of version {found} for {architecture}"
    );
    let files = output(command("dpkg-deb").arg("--contents").arg(&path))?;
    ensure!(
        files.contains("./usr/bin/aws-transfer-exporter"),
        "the package has no program"
    );
    Made::new(path.clone(), format!("{} files", count_files(&files))).and(lint(&path))
}

/// Returns the number of files in a listing of `tar`.
fn count_files(listing: &str) -> usize {
    listing.lines().filter(|line| line.starts_with('-')).count()
}

/// Runs lintian; tests/deploy/packages has the reasons for the errors that are known.
fn lint(package: &Path) -> anyhow::Result<String> {
    const KNOWN: [&str; 2] = ["embedded-library", "no-changelog"];
    need("lintian", "Debian: lintian")?;
    let found = output(
        command("lintian")
            .args(["--fail-on", "none", "--allow-root"])
            .arg(package),
    )?;
    let errors: Vec<&str> = found
        .lines()
        .filter(|line| line.starts_with("E:"))
        .filter(|line| !KNOWN.iter().any(|known| line.contains(known)))
        .collect();
    ensure!(errors.is_empty(), "lintian: {}", errors.join(", "));
    Ok("lintian".to_owned())
}

/// Packs the RPM package of a static target.
///
/// # Errors
/// The package is of another version, or lacks the program.
pub(super) fn rpm(release: &Release, target: Target, binary: &Path) -> anyhow::Result<Made> {
    cargo_tool(CARGO_GENERATE_RPM, release.offline)?;
    let folder = target_directory(release, target, binary)?;
    let version = release.version.replacen('-', "~", 1);
    let path = release
        .folder
        .join(format!("{PROJECT}-{version}-1.{}.rpm", target.machine()));
    run(command("cargo")
        .args(["generate-rpm", "--target", target.0, "--target-dir"])
        .arg(&folder)
        .arg("--output")
        .arg(&path)
        .args(["--set-metadata", &format!("version = \"{version}\"")]))?;
    need("rpm", "Debian: rpm")?;
    let query = |format: &str| output(command("rpm").args(["-qp", format]).arg(&path));
    let found = query("--queryformat=%{VERSION}-%{RELEASE}.%{ARCH}")?;
    let wanted = format!("{version}-1.{}", target.machine());
    ensure!(found == wanted, "the package is {found}, not {wanted}");
    let files = query("--list")?;
    ensure!(
        files.contains("/usr/bin/aws-transfer-exporter\n"),
        "the package has no program"
    );
    Ok(Made::new(path, format!("{} files", files.lines().count())))
}
