//! Installs artefacts in a clean Debian, and removes them.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use super::Release;
use super::tools::{command, need, unavailable};
use crate::publisher::PROJECT;
use crate::{output, root, run};

/// Packages of the Debian, beside the essential ones: dependencies of the package, and rpm.
const PACKAGES: &str = "adduser,ca-certificates,procps,rpm";

/// Unpacks the archive, validates its example and runs the demo.
const EXPORTER: &str = r#"
tar -xzf /artefacts/NAME -C /opt
cd /opt/*/
./aws-transfer-exporter --version
cp example.yml /tmp/aws-transfer-exporter.yml
TRANSFER_EXTERNAL_ID=x ./aws-transfer-exporter check --config.file=/tmp/aws-transfer-exporter.yml
./aws-transfer-exporter demo --web.listen-address=127.0.0.1:10922 > /tmp/log 2>&1 &
for attempt in $(seq 100); do
    ./aws-transfer-exporter healthcheck && break
    [ "$attempt" != 100 ] || { cat /tmp/log; exit 1; }
    sleep 0.1
done
source completions/aws-transfer-exporter.bash
complete -p aws-transfer-exporter
"#;

/// Unpacks the archive and runs a scenario.
const SIMULATOR: &str = r#"
tar -xzf /artefacts/NAME -C /opt
cd /opt/*/
./transfer-simulator --version
./transfer-simulator --scenario nightly-batch > /tmp/log 2>&1 &
for attempt in $(seq 100); do
    ./transfer-simulator healthcheck && break
    [ "$attempt" != 100 ] || { cat /tmp/log; exit 1; }
    sleep 0.1
done
"#;

/// Installs, reinstalls and purges the Debian package: nothing is left.
const DEB: &str = r#"
dpkg --install /artefacts/NAME
aws-transfer-exporter --version
getent passwd aws-transfer-exporter
test "$(stat -c %a /etc/default/aws-transfer-exporter)" = 600
dpkg --install /artefacts/NAME
dpkg --verify aws-transfer-exporter
dpkg --purge aws-transfer-exporter
left=$(find / -xdev -name '*aws-transfer-exporter*')
test -z "$left" || { echo "left: $left"; exit 1; }
"#;

/// Installs, upgrades and erases the RPM package. Its dependencies are packages of Fedora, which this
/// root lacks. The user stays.
const RPM: &str = r#"
rpm --initdb
rpm --install --nodeps /artefacts/NAME
aws-transfer-exporter --version
getent passwd aws-transfer-exporter
test "$(stat -c %a /etc/default/aws-transfer-exporter)" = 600
rpm --verify --nodeps aws-transfer-exporter
rpm --upgrade --nodeps --replacepkgs /artefacts/NAME
rpm --erase --nodeps aws-transfer-exporter
left=$(find / -xdev -name '*aws-transfer-exporter*' -not -type d)
test -z "$left" || { echo "left: $left"; exit 1; }
"#;

/// What an artefact of this machine's architecture is, which decides how it is tried.
#[derive(Debug)]
pub(super) enum Kind {
    Exporter,
    Simulator,
    Deb,
    Rpm,
}

/// Installs an artefact in a clean Debian of this machine's architecture.
///
/// # Errors
/// A command of the installation failed.
pub(super) fn install(release: &Release, kind: &Kind, artefact: &Path) -> anyhow::Result<String> {
    let debian = debian(release)?;
    let (script, done) = match kind {
        Kind::Exporter => (
            EXPORTER,
            "runs in a clean Debian 12: check, demo, completions",
        ),
        Kind::Simulator => (SIMULATOR, "runs in a clean Debian 12: scenario"),
        Kind::Deb => (
            DEB,
            "installed, reinstalled and purged in a clean Debian 12",
        ),
        Kind::Rpm => (
            RPM,
            "installed, upgraded and erased by rpm in a clean Debian 12",
        ),
    };
    let name = artefact.file_name().context("an artefact has a name")?;
    output(
        command(Path::new(root()).join("deploy/release/in-clean-root"))
            .arg(debian)
            .arg(&release.folder)
            .arg(script.replace("NAME", &name.to_string_lossy())),
    )
    .map(|_| done.to_owned())
}

/// Returns the Debian, which is made once.
fn debian(release: &Release) -> anyhow::Result<PathBuf> {
    let user = output(command("id").arg("-u"))?;
    if user.trim() != "0" {
        return Err(unavailable("a clean Debian needs root"));
    }
    need("ip", "Debian: iproute2")?;
    if let Some(given) = &release.debian {
        ensure!(
            given.join("etc/debian_version").exists(),
            "{} is no Debian",
            given.display()
        );
        return Ok(given.clone());
    }
    let folder = Path::new(root()).join("target/release-debian");
    if folder.join("complete").exists() {
        return Ok(folder);
    }
    if release.offline {
        return Err(unavailable(
            "a clean Debian is missing (--debian DIRECTORY)",
        ));
    }
    need("debootstrap", "Debian: debootstrap")?;
    run(command("rm").arg("-rf").arg(&folder))?;
    output(
        command("debootstrap")
            .args([
                "--variant=minbase",
                &format!("--include={PACKAGES}"),
                "bookworm",
            ])
            .arg(&folder),
    )
    .with_context(|| format!("failed to make a Debian for {PROJECT}"))?;
    std::fs::write(folder.join("complete"), PACKAGES)?;
    Ok(folder)
}
