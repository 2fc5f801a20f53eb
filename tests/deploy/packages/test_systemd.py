"""The unit: systemd's own judgement of it, and the installation by hand that its README tells."""

import os
import re

from conftest import REPOSITORY, eventually, run, tool
from machine import booted

UNIT = REPOSITORY / "deploy/systemd/aws-transfer-exporter.service"
SOCKET = UNIT.with_suffix(".socket")
README = UNIT.with_name("README.md")
# A new directive of systemd may move the figure a little; anything more is a loss.
CEILING = 1.2


def test_the_unit_is_valid(tmp_path, exporter):
    # systemd wants the program to be there.
    text = UNIT.read_text().replace("/usr/bin/aws-transfer-exporter", str(exporter))
    copy = tmp_path / UNIT.name
    copy.write_text(text)
    done = run(tool("systemd-analyze"), "verify", "--man=no", copy)
    about_it = [line for line in (done.stdout + done.stderr).splitlines() if "aws-transfer-exporter" in line]
    assert about_it == []


def test_the_socket_is_valid(tmp_path, exporter):
    (tmp_path / UNIT.name).write_text(UNIT.read_text().replace("/usr/bin/aws-transfer-exporter", str(exporter)))
    copy = tmp_path / SOCKET.name
    copy.write_text(SOCKET.read_text())
    done = run(tool("systemd-analyze"), "verify", "--man=no", copy)
    assert [line for line in (done.stdout + done.stderr).splitlines() if "aws-transfer-exporter" in line] == []


def test_its_exposure_is_low_and_told(tmp_path):
    report = run(tool("systemd-analyze"), "security", "--offline=true", "--no-pager", UNIT, env={**os.environ, "LC_ALL": "C.UTF-8"})
    figure = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", report.stdout)[1])
    assert figure <= CEILING, report.stdout
    told = float(re.search(r"an exposure of \*\*([0-9.]+)\*\*", README.read_text())[1])
    assert told <= CEILING
    if run(tool("systemd-analyze"), "--version").stdout.startswith("systemd 252 "):
        assert figure == told


def test_the_folder_that_the_defaults_name_is_the_units():
    unit = dict(re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE))
    assert (unit["StateDirectory"], unit["StateDirectoryMode"]) == ("aws-transfer-exporter", "0700")
    path = f"--storage.path=/var/lib/{unit['StateDirectory']}"
    defaults = REPOSITORY / "deploy/debian/aws-transfer-exporter.default"
    assert f"#ARGS={path}\n" in defaults.read_text() and path in README.read_text()


def test_it_can_tell_systemd_what_it_waits_for():
    unit = dict(re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE))
    # systemd 252 knows no notify-reload.
    assert (unit["Type"], unit["NotifyAccess"]) == ("notify", "main")
    assert "AF_UNIX" in unit["RestrictAddressFamilies"].split(), "the notification goes through a socket of this family"
    assert unit["WatchdogSec"] == "60s" and "60 seconds (`WatchdogSec`)" in README.read_text()


def test_the_installation_by_hand_works(static_exporter, tmp_path, processes):
    commands = re.search(r"```sh\n(.*?)```", README.read_text(), re.DOTALL)[1]
    assert len(commands.splitlines()) <= 5
    with booted(tmp_path, (static_exporter, "/exporter")) as machine:
        # A checkout, built, with a configuration.
        machine.run("mkdir", "-p", "/checkout/target/release", "/checkout/deploy")
        machine.run("cp", "/exporter", "/checkout/target/release/aws-transfer-exporter")
        machine.run("cp", "-r", "/repository/deploy/systemd", "/checkout/deploy/")
        machine.run("cp", "/repository/tests/config/good/minimal.yml", "/checkout/aws-transfer-exporter.yml")
        machine.write("/etc/default/aws-transfer-exporter", "AWS_REGION=eu-central-1\n", "600")
        machine.run("sh", "-ec", "cd /checkout\n" + commands)
        eventually("it is healthy", lambda: machine.get("http://127.0.0.1:10922/-/healthy"))
        assert machine.show(UNIT.name, "ActiveState", "UnitFileState") == {"ActiveState": "active", "UnitFileState": "enabled"}


def test_the_socket_starts_the_service_at_the_first_scrape(static_exporter, tmp_path, processes):
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
        # The connection waits in the socket while the service starts.
        assert machine.get("http://127.0.0.1:10922/-/healthy")
        assert machine.show(UNIT.name, "ActiveState") == {"ActiveState": "active"}
        machine.run("systemctl", "restart", UNIT.name)
        assert machine.get("http://127.0.0.1:10922/-/healthy")


def test_without_a_socket_it_says_so(exporter):
    done = run(exporter, "demo", "--web.systemd-socket", check=False)
    assert done.returncode == 1
    assert "systemd handed over no socket" in done.stderr and "hint:" in done.stderr
