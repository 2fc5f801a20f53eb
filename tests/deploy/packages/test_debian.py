"""Tests of the Debian package: its content, and its lifecycle in a Debian with systemd."""

import json
import os
import re
import time

import pytest
from conftest import REPOSITORY, eventually, run, tool
from machine import booted

UNIT = "aws-transfer-exporter.service"
CONFIG = "/etc/aws-transfer-exporter/aws-transfer-exporter.yml"
ENVIRONMENT = "/etc/default/aws-transfer-exporter"
KEYS = {"AccessKeyId": "AKIASIMULATOR0000000", "SecretAccessKey": "simulator-secret-for-the-loopback-only"}
CONNECTOR, TRANSFER = "c-0123456789abcdef0", "4b1a8c1e-0000-4000-8000-000000000001"
# A host name, so that the test includes name resolution.
CONFIGURATION = f"""
accounts: [{{name: prod, region: eu-central-1, endpoint_url: "http://transfer.example.test:4777"}}]
transfers: [{{connector_id: {CONNECTOR}, transfer_id: {TRANSFER}}}]
"""
UP = f'aws_transfer_results_up{{aws_account="prod",aws_region="eu-central-1",connector_id="{CONNECTOR}",transfer_id="{TRANSFER}"}} 1'


@pytest.fixture(scope="module")
def package(exporter, tmp_path_factory):
    """Builds the package from an existing binary."""
    target = tmp_path_factory.mktemp("target")
    (target / "release").mkdir()
    # As in a release build; the binary may be a debug build.
    run(tool("strip"), "-o", target / "release" / "aws-transfer-exporter", exporter)
    deb = target / "aws-transfer-exporter.deb"
    run(tool("cargo-deb"), "--no-build", "--fast", "--offline", "--locked", "--output", deb,
        cwd=REPOSITORY, env={**os.environ, "CARGO_TARGET_DIR": str(target)})
    return deb


@pytest.fixture(scope="module")
def machine(package, tmp_path_factory):
    with booted(tmp_path_factory.mktemp("machine"), (package, "/package.deb")) as machine:
        yield machine


@pytest.fixture
def simulator(machine, static_exporter, processes):
    """Runs the simulator in the machine with a completed transfer."""
    machine.name_server(processes)
    processes(*machine.beside(static_exporter, "simulate", "--simulator.listen-address=127.0.0.1:4777"))
    eventually("the simulator answers", lambda: machine.get("http://127.0.0.1:4777/_simulator/"))
    script = f"http://127.0.0.1:4777/_simulator/transfers/{CONNECTOR}/{TRANSFER}"
    run(*machine.beside("curl", "-sSf", "-X", "PUT", "--data", json.dumps([{"path": "/orders.csv"}]), script))


def metrics(machine):
    return machine.get("http://127.0.0.1:10922/metrics") or ""


def main_process(machine):
    return machine.show(UNIT, "MainPID")["MainPID"]


def test_package_has_program_unit_configuration_and_documents(package):
    listing = run(tool("dpkg-deb"), "--contents", package).stdout.splitlines()
    modes = {line.split()[-1].removeprefix("."): line.split()[0] for line in listing}
    files = {path: mode for path, mode in modes.items() if not path.endswith("/")}
    documents = ["CONFIGURATION.md", "METRICS.md", "README.md", "CHANGELOG.md", "copyright", "example.yml",
                 "THIRD-PARTY.txt"]
    assert files == {
        "/usr/bin/aws-transfer-exporter": "-rwxr-xr-x",
        "/usr/lib/systemd/system/aws-transfer-exporter.service": "-rw-r--r--",
        "/usr/lib/systemd/system/aws-transfer-exporter.socket": "-rw-r--r--",
        CONFIG: "-rw-r--r--",
        ENVIRONMENT: "-rw-------",
        "/usr/share/man/man1/aws-transfer-exporter.1.gz": "-rw-r--r--",
        "/usr/share/bash-completion/completions/aws-transfer-exporter": "-rw-r--r--",
        "/usr/share/fish/vendor_completions.d/aws-transfer-exporter.fish": "-rw-r--r--",
        "/usr/share/zsh/vendor-completions/_aws-transfer-exporter": "-rw-r--r--",
        **{f"/usr/share/doc/aws-transfer-exporter/{name}": "-rw-r--r--" for name in documents},
    }
    assert run(tool("dpkg-deb"), "--info", package, "conffiles").stdout.split() == [CONFIG, ENVIRONMENT]


def test_package_dependencies(package, exporter):
    depends = run(tool("dpkg-deb"), "--field", package, "Depends").stdout.strip().split(", ")
    # The C library too, unless the binary is static.
    linked = "statically linked" not in run("ldd", exporter, check=False).stdout
    assert {word.split()[0] for word in depends} - ({"libc6", "libgcc-s1"} if linked else set()) == {"adduser", "ca-certificates", "procps"}
    assert ("libc6" in " ".join(depends)) == linked


def test_lintian_reports_only_known_errors(package):
    known = {
        "embedded-library": "libyaml's messages stand in a Rust port of it; no C library is in it",
        "no-changelog": "CHANGELOG.md is not in Debian's form",
    }
    lines = run(tool("lintian"), "--fail-on", "none", "--allow-root", package).stdout.splitlines()
    errors = [line for line in lines if line.startswith("E:") and line.split()[2] not in known]
    assert errors == []


def test_package_lifecycle(machine, simulator):
    # Install: the service does not run, and a message explains the next steps.
    installed = machine.run("dpkg", "--install", "/package.deb")
    assert "list the transfers to monitor in" in installed.stdout
    assert machine.run("systemctl", "is-enabled", UNIT, check=False).stdout.strip() == "disabled"
    assert machine.show(UNIT, "ActiveState")["ActiveState"] == "inactive"
    assert machine.run("getent", "passwd", "aws-transfer-exporter").stdout.endswith(":/nonexistent:/usr/sbin/nologin\n")

    # Start without transfers: the start fails with a reason, and systemd stops retrying.
    assert machine.run("systemctl", "start", UNIT, check=False).returncode == 1
    eventually("it has failed", lambda: machine.show(UNIT, "NRestarts")["NRestarts"] != "0")
    assert "`transfers`" in machine.journal(UNIT)
    machine.run("systemctl", "stop", UNIT)

    # Configure, with keys in the environment.
    machine.write(CONFIG, CONFIGURATION)
    keys = f"AWS_ACCESS_KEY_ID={KEYS['AccessKeyId']}\nAWS_SECRET_ACCESS_KEY={KEYS['SecretAccessKey']}\n"
    machine.write(ENVIRONMENT, "ARGS=--log.format=json --log.level=debug\n" + keys, "600")
    machine.run("aws-transfer-exporter", "check", f"--config.file={CONFIG}")
    machine.run("systemctl", "enable", "--now", UNIT)
    # `systemctl start` waits until the exporter responds.
    text = metrics(machine)
    assert UP in text
    assert machine.show(UNIT, "Type", "NotifyAccess") == {"Type": "notify", "NotifyAccess": "main"}
    assert '"event":"starting"' in machine.journal(UNIT)
    machine.run("aws-transfer-exporter", "healthcheck")
    # The sandbox does not affect process metrics.
    own = ["cpu_seconds_total", "open_fds", "max_fds", "virtual_memory_bytes", "resident_memory_bytes",
           "start_time_seconds", "threads"]
    assert [name for name in own if f"\nprocess_{name} " not in text] == []
    started = float(re.search(r"^process_start_time_seconds (.+)$", text, re.MULTILINE)[1])
    assert abs(time.time() - started) < 600

    # Sandboxed, according to the kernel.
    pid = main_process(machine)
    status = dict(line.split(":\t", 1) for line in machine.run("cat", f"/proc/{pid}/status").stdout.splitlines())
    user = machine.run("id", "-u", "aws-transfer-exporter").stdout.strip()
    assert status["Uid"].split() == [user] * 4 and user != "0"
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert {int(status[name], 16) for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]} == {0}
    mounts = [line.split() for line in machine.run("cat", f"/proc/{pid}/mountinfo").stdout.splitlines()]
    assert "ro" in [mount for mount in mounts if mount[4] == "/"][-1][5].split(",")

    # Reload.
    machine.write(CONFIG, CONFIGURATION + f"connectors: [{{id: {CONNECTOR}, name: acme-inbound}}]\n")
    machine.run("systemctl", "reload", UNIT)
    eventually("the name is there", lambda: 'name="acme-inbound"' in metrics(machine))
    assert main_process(machine) == pid

    # Upgrade: the running service is restarted, and the configuration is kept.
    machine.run("dpkg", "--install", "--force-confold", "/package.deb")
    eventually("it answers again", lambda: UP in metrics(machine))
    assert main_process(machine) != pid
    assert "acme-inbound" in machine.run("cat", CONFIG).stdout

    # With a profile that uses credential_process.
    program = json.dumps({"Version": 1, **KEYS})
    machine.write("/usr/local/bin/credentials", f"#!/bin/sh\necho '{program}'\n", "755")
    machine.write("/etc/aws-transfer-exporter/aws-config", "[default]\ncredential_process = /usr/local/bin/credentials\n")
    machine.write(ENVIRONMENT, "ARGS=\nAWS_CONFIG_FILE=/etc/aws-transfer-exporter/aws-config\n", "600")
    machine.run("systemctl", "restart", UNIT)
    eventually("it answers with those", lambda: UP in metrics(machine))

    # With storage in the StateDirectory, accessible only to the user of the exporter.
    machine.write(ENVIRONMENT, "ARGS=--storage.path=/var/lib/aws-transfer-exporter\nAWS_CONFIG_FILE=/etc/aws-transfer-exporter/aws-config\n", "600")
    machine.run("systemctl", "restart", UNIT)
    eventually("it answers with a storage", lambda: "\naws_transfer_exporter_storage_up 1\n" in metrics(machine))
    kept = machine.run("stat", "--format=%U %a", "/var/lib/aws-transfer-exporter", "/var/lib/aws-transfer-exporter/state.redb").stdout
    assert kept.splitlines() == ["aws-transfer-exporter 700", "aws-transfer-exporter 600"]

    # Stop.
    machine.run("systemctl", "stop", UNIT)
    assert machine.show(UNIT, "Result", "ExecMainStatus") == {"Result": "success", "ExecMainStatus": "0"}
    machine.run("systemctl", "start", UNIT)

    # Remove: the service stops, and the configuration is kept.
    machine.run("dpkg", "--remove", "aws-transfer-exporter")
    assert machine.get("http://127.0.0.1:10922/-/healthy") is None
    assert "acme-inbound" in machine.run("cat", CONFIG).stdout
    assert machine.run("ls", "/var/lib/aws-transfer-exporter/state.redb")

    # Purge: only files of the user remain.
    machine.run("rm", "/etc/aws-transfer-exporter/aws-config")
    machine.run("dpkg", "--purge", "aws-transfer-exporter")
    left = machine.run("find", "/", "-xdev", "-name", "*aws-transfer-exporter*", "-not", "-path", "/repository/*").stdout
    assert left == ""
    assert machine.run("getent", "passwd", "aws-transfer-exporter", check=False).returncode == 2
