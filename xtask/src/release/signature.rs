//! Signatures as the workflow makes them, but with a key that is thrown away in place of its identity,
//! and without the public log.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;

use super::Release;
use super::report::checksum;
use super::tools::{command, need};
use crate::output;

const DONE: &str = "signed with a throwaway key and verified; another key is refused";

/// Signs an image or a chart that a registry on the loopback has.
///
/// # Errors
/// cosign does not verify the signature, or verifies it with another key.
pub(super) fn image(release: &Release, registry: &str, repository: &str) -> anyhow::Result<String> {
    let keys = Keys::of(release)?;
    need("skopeo", "Debian: skopeo")?;
    let address = format!("{registry}/{repository}");
    let manifest = output(
        command("skopeo")
            .args(["inspect", "--raw", "--tls-verify=false"])
            .arg(format!("docker://{address}:{}", release.version)),
    )?;
    let copy = release.work.join("signed-manifest");
    std::fs::write(&copy, manifest)?;
    let subject = format!("{address}@sha256:{}", checksum(&copy)?);
    output(
        keys.sign("sign")
            .args(["--recursive", "--allow-http-registry", &subject]),
    )?;
    let verified = |key: &str| {
        output(
            keys.verify("verify", key)
                .args(["--allow-http-registry", &subject]),
        )
    };
    verified("release")?;
    ensure!(verified("other").is_err(), "another key verifies {subject}");
    Ok(DONE.to_owned())
}

/// Signs a file.
///
/// # Errors
/// As for [`image`].
pub(super) fn file(release: &Release, path: &Path) -> anyhow::Result<String> {
    let keys = Keys::of(release)?;
    let bundle = release.work.join("bundle.sigstore.json");
    output(
        keys.sign("sign-blob")
            .arg("--bundle")
            .arg(&bundle)
            .arg(path),
    )?;
    let verified = |key: &str| {
        output(
            keys.verify("verify-blob", key)
                .arg("--bundle")
                .arg(&bundle)
                .arg(path),
        )
    };
    verified("release")?;
    ensure!(verified("other").is_err(), "another key verifies the file");
    Ok(DONE.to_owned())
}

/// Two pairs of keys, and the empty list of authorities.
struct Keys {
    folder: PathBuf,
}

impl Keys {
    fn of(release: &Release) -> anyhow::Result<Self> {
        need("cosign", "github.com/sigstore/cosign/v3")?;
        let keys = Self {
            folder: release.work.join("keys"),
        };
        if !keys.folder.exists() {
            std::fs::create_dir_all(&keys.folder)?;
            for name in ["release", "other"] {
                output(
                    keys.cosign("generate-key-pair")
                        .arg("--output-key-prefix")
                        .arg(keys.folder.join(name)),
                )?;
            }
            output(
                keys.cosign("trusted-root")
                    .args(["create", "--out"])
                    .arg(keys.folder.join("authorities.json")),
            )?;
        }
        Ok(keys)
    }

    fn cosign(&self, task: &str) -> Command {
        let mut cosign = command("cosign");
        cosign
            .arg(task)
            .env("COSIGN_PASSWORD", "")
            .env("HOME", &self.folder);
        cosign
    }

    fn sign(&self, task: &str) -> Command {
        let mut cosign = self.cosign(task);
        cosign
            .args(["--yes", "--use-signing-config=false", "--tlog-upload=false"])
            .arg("--key")
            .arg(self.folder.join("release.key"));
        cosign
    }

    fn verify(&self, task: &str, key: &str) -> Command {
        let mut cosign = self.cosign(task);
        cosign
            .arg("--insecure-ignore-tlog")
            .arg("--key")
            .arg(self.folder.join(format!("{key}.pub")))
            .arg("--trusted-root")
            .arg(self.folder.join("authorities.json"));
        cosign
    }
}
