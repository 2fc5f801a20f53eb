//! The Nix flake, which builds from the source of the repository.

use std::path::Path;

use anyhow::ensure;

use super::Release;
use super::report::Made;
use super::tools::{command, need};
use crate::{output, root};

/// Evaluates the flake with a stand-in for nixpkgs, which returns what the package is made of.
const EVALUATION: &str = r#"
let
  flake = import ROOT/flake.nix;
  lib = {
    genAttrs = names: f: builtins.listToAttrs (map (name: { inherit name; value = f name; }) names);
    importTOML = path: builtins.fromTOML (builtins.readFile path);
    licenses.asl20 = "Apache-2.0";
  };
  nixpkgs = {
    inherit lib;
    legacyPackages = lib.genAttrs [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ]
      (system: {
        inherit lib;
        installShellFiles = "installShellFiles";
        rustPlatform.buildRustPackage = package: package;
      });
  };
  outputs = flake.outputs { self = outputs; inherit nixpkgs; };
  package = outputs.packages.x86_64-linux.default;
in
  assert builtins.pathExists package.cargoLock.lockFile;
  "${package.pname} ${package.version} ${toString (builtins.length (builtins.attrNames outputs.packages))}"
"#;

/// Parses and evaluates the flake.
///
/// # Errors
/// It is of another version, or refers to what is not there.
pub(super) fn flake(release: &Release) -> anyhow::Result<Made> {
    let path = Path::new(root()).join("flake.nix");
    let mut made = Made::new(path, "in the repository").and(evaluate(release))?;
    made.unchecked
        .push("nix build needs nixpkgs, and so does flake.lock".to_owned());
    Ok(made)
}

fn evaluate(release: &Release) -> anyhow::Result<String> {
    need("nix-instantiate", "Debian: nix-bin")?;
    let repository = Path::new(root()).canonicalize()?;
    let store = release.work.join("nix");
    let printed = output(
        command("nix-instantiate")
            .args(["--eval", "--expr"])
            .arg(EVALUATION.replace("ROOT", &repository.to_string_lossy()))
            .env("NIX_STORE_DIR", store.join("store"))
            .env("NIX_STATE_DIR", store.join("state"))
            .env("NIX_LOG_DIR", store.join("log"))
            .env("NIX_CONF_DIR", store.join("conf")),
    )?;
    let wanted = format!("\"aws-transfer-exporter {} 4\"", release.version);
    ensure!(
        printed.trim() == wanted,
        "the flake builds {}",
        printed.trim()
    );
    Ok("evaluates with a stand-in for nixpkgs".to_owned())
}
