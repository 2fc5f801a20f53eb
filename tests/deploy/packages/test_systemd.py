"""The unit: systemd's own judgement of it, and the installation by hand that its README tells."""

import os
import re

from conftest import REPOSITORY, eventually, run, tool
from machine import booted

UNIT = REPOSITORY / "deploy/systemd/aws-transfer-exporter.service"
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


def test_its_exposure_is_low_and_told(tmp_path):
    report = run(tool("systemd-analyze"), "security", "--offline=true", "--no-pager", UNIT, env={**os.environ, "LC_ALL": "C.UTF-8"})
    figure = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", report.stdout)[1])
    assert figure <= CEILING, report.stdout
    told = float(re.search(r"an exposure of \*\*([0-9.]+)\*\*", README.read_text())[1])
    assert told <= CEILING
    if run(tool("systemd-analyze"), "--version").stdout.startswith("systemd 252 "):
        assert figure == told


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
