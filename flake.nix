# Builds the exporter from source: `nix run .# -- demo`.
{
  description = "Prometheus exporter for AWS Transfer Family SFTP connectors";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ];
      manifest = (nixpkgs.lib.importTOML ./Cargo.toml).workspace.package;
      package =
        pkgs:
        pkgs.rustPlatform.buildRustPackage {
          pname = "aws-transfer-exporter";
          inherit (manifest) version;
          src = ./.;
          cargoLock.lockFile = ./Cargo.lock;
          cargoBuildFlags = [ "--package" "aws-transfer-exporter" ];
          # The tests open sockets, and compare the repository's files with each other.
          doCheck = false;
          nativeBuildInputs = [ pkgs.installShellFiles ];
          postInstall = ''
            installManPage deploy/man/aws-transfer-exporter.1
            installShellCompletion --bash deploy/completions/aws-transfer-exporter.bash
            installShellCompletion --fish deploy/completions/aws-transfer-exporter.fish
            installShellCompletion --zsh deploy/completions/_aws-transfer-exporter
          '';
          meta = {
            description = "Prometheus exporter for AWS Transfer Family SFTP connectors";
            homepage = manifest.homepage;
            license = pkgs.lib.licenses.asl20;
            mainProgram = "aws-transfer-exporter";
          };
        };
    in
    {
      packages = nixpkgs.lib.genAttrs systems (system: {
        default = package nixpkgs.legacyPackages.${system};
      });
    };
}
