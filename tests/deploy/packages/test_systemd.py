"""Tests of the units: systemd-analyze, and the manual installation of the README."""

import os
import re

from conftest import REPOSITORY, eventually, run, tool
from machine import booted

UNIT = REPOSITORY / "deploy/systemd/aws-transfer-exporter.service"
SOCKET = UNIT.with_suffix(".socket")
README = UNIT.with_name("README.md")
# New versions of systemd may change the value slightly.
CEILING = 1.2


def test_unit_is_valid(tmp_path, exporter):
    # systemd-analyze requires the program to exist.
    text = UNIT.read_text().replace("/usr/bin/aws-transfer-exporter", str(exporter))
    copy = tmp_path / UNIT.name
    copy.write_text(text)
    done = run(tool("systemd-analyze"), "verify", "--man=no", copy)
    about_it = [line for line in (done.stdout + done.stderr).splitlines() if "aws-transfer-exporter" in line]
    assert about_it == []


def test_socket_is_valid(tmp_path, exporter):
    (tmp_path / UNIT.name).write_text(UNIT.read_text().replace("/usr/bin/aws-transfer-exporter", str(exporter)))
    copy = tmp_path / SOCKET.name
    copy.write_text(SOCKET.read_text())
    done = run(tool("systemd-analyze"), "verify", "--man=no", copy)
    assert [line for line in (done.stdout + done.stderr).splitlines() if "aws-transfer-exporter" in line] == []


def test_exposure_is_low_and_documented(tmp_path):
    report = run(tool("systemd-analyze"), "security", "--offline=true", "--no-pager", UNIT, env={**os.environ, "LC_ALL": "C.UTF-8"})
    figure = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", report.stdout)[1])
    assert figure <= CEILING, report.stdout
    documented = float(re.search(r"an exposure of \*\*([0-9.]+)\*\*", README.read_text())[1])
    assert documented <= CEILING
    if run(tool("systemd-analyze"), "--version").stdout.startswith("systemd 252 "):
        assert figure == documented


def test_defaults_use_the_state_directory():
    unit = dict(re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE))
    assert (unit["StateDirectory"], unit["StateDirectoryMode"]) == ("aws-transfer-exporter", "0700")
    path = f"--storage.path=/var/lib/{unit['StateDirectory']}"
    defaults = REPOSITORY / "deploy/debian/aws-transfer-exporter.default"
    assert f"#ARGS={path}\n" in defaults.read_text() and path in README.read_text()


def test_unit_supports_notifications():
    unit = dict(re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE))
    # systemd 252 does not support notify-reload.
    assert (unit["Type"], unit["NotifyAccess"]) == ("notify", "main")
    assert "AF_UNIX" in unit["RestrictAddressFamilies"].split(), "required by the notification socket"
    assert unit["WatchdogSec"] == "60s" and "60 seconds (`WatchdogSec`)" in README.read_text()


def test_manual_installation_works(static_exporter, tmp_path, processes):
    commands = re.search(r"```sh\n(.*?)```", README.read_text(), re.DOTALL)[1]
    assert len(commands.splitlines()) <= 5
    with booted(tmp_path, (static_exporter, "/exporter")) as machine:
        # A built checkout with a configuration.
        machine.run("mkdir", "-p", "/checkout/target/release", "/checkout/deploy")
        machine.run("cp", "/exporter", "/checkout/target/release/aws-transfer-exporter")
        machine.run("cp", "-r", "/repository/deploy/systemd", "/checkout/deploy/")
        machine.run("cp", "/repository/tests/config/good/minimal.yml", "/checkout/aws-transfer-exporter.yml")
        machine.write("/etc/default/aws-transfer-exporter", "AWS_REGION=eu-central-1\n", "600")
        machine.run("sh", "-ec", "cd /checkout\n" + commands)
        eventually("it is healthy", lambda: machine.get("http://127.0.0.1:10922/-/healthy"))
        assert machine.show(UNIT.name, "ActiveState", "UnitFileState") == {"ActiveState": "active", "UnitFileState": "enabled"}


def test_socket_starts_the_service_on_the_first_scrape(static_exporter, tmp_path, processes):
    with booted(tmp_path, (static_exporter, "/exporter")) as machine:
        machine.run("cp", "/exporter", "/usr/bin/aws-transfer-exporter")
        machine.run("useradd", "--system", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", "aws-transfer-exporter")
        machine.run("mkdir", "-p", "/etc/aws-transfer-exporter")
        machine.run("cp", "/repository/tests/config/good/minimal.yml", "/etc/aws-transfer-exporter/aws-transfer-exporter.yml")
        machine.run("cp", "/repository/deploy/systemd/" + UNIT.name, "/repository/deploy/systemd/" + SOCKET.name, "/etc/systemd/system/")
        machine.write("/etc/default/aws-transfer-exporter", "AWS_REGION=eu-central-1\nARGS=--web.systemd-socket\n", "600")
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "enable", "--now", SOCKET.name)
        assert machine.show(UNIT.name, "ActiveState") == {"ActiveState": "inactive"}
        # The connection waits while the service starts.
        assert machine.get("http://127.0.0.1:10922/-/healthy")
        assert machine.show(UNIT.name, "ActiveState") == {"ActiveState": "active"}
        machine.run("systemctl", "restart", UNIT.name)
        assert machine.get("http://127.0.0.1:10922/-/healthy")


def test_missing_socket_is_reported(exporter):
    done = run(exporter, "demo", "--web.systemd-socket", check=False)
    assert done.returncode == 1
    assert "systemd passed no socket" in done.stderr and "hint:" in done.stderr
