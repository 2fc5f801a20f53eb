"""Rehearses a release with the binaries of the tests: `cargo xtask release --dry-run`."""

import pathlib
import subprocess

import pytest
from conftest import REPOSITORY, run, tool


@pytest.fixture(scope="module")
def rehearsal(exporter, static_exporter, tmp_path_factory):
    """Returns the rows of the table by artefact, and the folder of the artefacts."""
    folder = tmp_path_factory.mktemp("rehearsal")
    simulator = pathlib.Path(tool("simulator-static")).resolve()
    for libc in ("gnu", "musl"):
        (folder / libc).mkdir()
        (folder / libc / "transfer-simulator").symlink_to(simulator)
    run(tool("strip"), "-o", folder / "gnu/aws-transfer-exporter", exporter)
    (folder / "musl/aws-transfer-exporter").symlink_to(static_exporter)
    machine = run("uname", "-m").stdout.strip()
    debian = pathlib.Path(tool("exporter-static")).parent.parent / "bookworm"
    command = ["cargo", "xtask", "release", "--dry-run", "--offline", "--fast", f"--debian={debian}", f"--output={folder / 'out'}"]
    command += [f"--binaries={machine}-unknown-linux-{libc}={folder / libc}" for libc in ("gnu", "musl")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=600)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines()[2:] if line.startswith("|")]
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: {"checks": checks, "missing": missing} for name, _, _, checks, missing in rows}, folder / "out", machine


def version():
    return run("cargo", "pkgid", cwd=REPOSITORY).stdout.strip().rpartition("#")[2].rpartition("@")[2]


def test_packages_are_installed_in_a_clean_root(rehearsal):
    rows, _, machine = rehearsal
    for target in ("gnu", "musl"):
        archive = rows[f"aws-transfer-exporter-{version()}-{machine}-unknown-linux-{target}.tar.gz"]
        assert "names as cargo binstall looks for them; runs in a clean Debian 12" in archive["checks"], archive
        archive = rows[f"transfer-simulator-{version()}-{machine}-unknown-linux-{target}.tar.gz"]
        assert "5 files; runs in a clean Debian 12: scenario" in archive["checks"], archive
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}[machine]
    package = rows[f"aws-transfer-exporter_{version()}-1_{architecture}.deb"]
    assert "installed, reinstalled and purged in a clean Debian 12" in package["checks"], package


def test_what_is_made_once_is_complete(rehearsal):
    rows, _, machine = rehearsal
    for program in ("aws-transfer-exporter", "transfer-simulator"):
        assert "user, program, health check, labels" in rows[f"{program}-{version()}-image.tar"]["checks"]
    assert "each asks for its data source" in rows[f"aws-transfer-exporter-dashboards-{version()}.tar.gz"]["checks"]
    assert "registry's layout" in rows[f"terraform-aws-transfer-exporter-{version()}.tar.gz"]["checks"]
    assert "1 of 4 archives" in rows["aws-transfer-exporter.rb"]["checks"]


def test_what_cannot_run_here_has_a_reason(rehearsal):
    rows, _, machine = rehearsal
    other = {"x86_64": "aarch64", "aarch64": "x86_64"}[machine]
    assert rows[f"packages for {other}-unknown-linux-musl"]["missing"] == "no binaries were given for it"
    for artefact in ("signatures", "provenance", "archives for macOS"):
        assert rows[artefact]["missing"] and not rows[artefact]["checks"]


def test_checksums_are_those_of_the_files(rehearsal):
    _, folder, _ = rehearsal
    run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=folder)
    listed = {line.split("  ")[1] for line in (folder / "SHA256SUMS").read_text().splitlines()}
    assert listed == {path.name for path in folder.iterdir()} - {"SHA256SUMS"}


def test_a_release_without_an_option_is_a_mistake():
    done = run("cargo", "xtask", "release", cwd=REPOSITORY, check=False)
    assert done.returncode == 1 and "needs --dry-run" in done.stderr
