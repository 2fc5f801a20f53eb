"""Tests of the runbooks and the README: expressions, commands and links are valid."""

import json
import re
import subprocess

import pytest

from conftest import MIXIN, ROOT, RUNBOOKS, SHIPPED, alerts, exporter, records, run

SOURCE = "".join(path.read_text() for path in sorted((ROOT / "crates" / "model" / "src").rglob("*.rs")))
CODES = re.findall(r'"([A-Z_]+)"', re.search(r"DOCUMENTED_FAILURE_CODES: [^=]*= \[(.*?)\];", SOURCE, re.S)[1])


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", RUNBOOKS.read_text(), re.M | re.S)


def test_runbooks_explain_every_failure_code():
    table = re.findall(r"^\| `([A-Z_]+)` \| \S[^|]* \| \S[^|]* \|$", RUNBOOKS.read_text(), re.M)
    assert len(CODES) == 16
    assert [code for code in table if code != "OTHER"] == CODES


def test_expressions_of_the_runbooks_are_valid(tmp_path):
    file = tmp_path / "rules.yml"
    assert blocks("promql")
    file.write_text(json.dumps({"groups": [{"name": "r", "rules": [{"record": f"r:{n}", "expr": expr} for n, expr in enumerate(blocks("promql"))]}]}))
    code, output = run("promtool", "check", "rules", file)
    assert code == 0, output
    recorded = {rule["record"] for rule in records()}
    assert set(re.findall(r"\w+:\w+:\w+", " ".join(blocks("promql")))) <= recorded


def test_commands_and_flags_of_the_runbooks_exist():
    used = re.findall(r"aws-transfer-exporter (results|check|once|healthcheck|\w+) ?(--[\w.]+)?", " ".join(blocks("sh")))
    commands = [(command, flag) for command, flag in used if flag]
    assert commands
    for command, flag in commands:
        done = subprocess.run([exporter(), command, "--help"], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0 and flag in done.stdout, f"{command} {flag}"


def test_event_ids_of_the_runbooks_exist():
    sources = "".join(path.read_text() for path in (ROOT / "src").rglob("*.rs"))
    known = set(re.findall(r'event = "(\w+)"', sources))
    patterns = re.findall(r"event=([\w|()]+)", RUNBOOKS.read_text())
    assert patterns
    assert not [pattern for pattern in patterns if not any(re.match(pattern, event) for event in known)]


@pytest.mark.parametrize("file", [RUNBOOKS, SHIPPED / "README.md", MIXIN / "README.md"], ids=str)
def test_relative_links_resolve(file):
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", file.read_text()):
        path, _, anchor = target.partition("#")
        other = (file.parent / path).resolve() if path else file
        assert other.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", other.read_text(), re.M)
            assert anchor in [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings], target


def test_readme_lists_every_alert_with_its_severity():
    table = dict(re.findall(r"^\| `(AwsTransfer\w+)` \| (\w+) \|", (SHIPPED / "README.md").read_text(), re.M))
    assert table == {rule["alert"]: rule["labels"]["severity"] for rule in alerts()}
    assert f"{len(alerts())} alerts" in (SHIPPED / "README.md").read_text()
    assert f"{len(records())} recording rules" in (SHIPPED / "README.md").read_text()
