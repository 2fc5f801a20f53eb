"""Runs the unit tests of promtool, and checks that they cover every alert."""

import pytest
import yaml

from conftest import SHIPPED, UNIT_TESTS, alerts, records

FILES = sorted((SHIPPED / "tests").glob("*.yml"))
WITHOUT_ALERT = ("recording", "connections", "cost", "shards", "thresholds", "days", "midnight")
BEHAVIOUR = ["fires", "stays silent", "resolves", "restart", "survives a missing scrape"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_promtool_passes(file, pytestconfig):
    code, output = pytestconfig.stash[UNIT_TESTS][file].result()
    assert code == 0 and "SUCCESS" in output, output


@pytest.mark.parametrize("alert", [rule["alert"] for rule in alerts()])
def test_every_alert_has_unit_tests(alert):
    file = SHIPPED / "tests" / f"{alert}.yml"
    assert file.exists(), f"{alert} has no unit test"
    cases = yaml.safe_load(file.read_text())["tests"]
    for behaviour in BEHAVIOUR:
        ours = [case for case in cases if case["name"].startswith(f"{alert} ") and behaviour in case["name"]]
        assert ours, f"no test case of {alert} for: {behaviour}"
        for case in ours:
            checks = case["alert_rule_test"]
            assert checks and all(check["alertname"] == alert for check in checks)
            some = any(check["exp_alerts"] for check in checks)
            none = any(not check["exp_alerts"] for check in checks)
            if behaviour == "fires":
                assert some
            if behaviour == "stays silent":
                assert not some
            if behaviour == "resolves":
                assert some and none and not checks[-1]["exp_alerts"]


def test_every_unit_test_belongs_to_an_alert():
    assert {file.stem for file in FILES} - set(WITHOUT_ALERT) == {rule["alert"] for rule in alerts()}


def test_every_recording_rule_has_a_unit_test():
    files = [SHIPPED / "tests" / f"{name}.yml" for name in WITHOUT_ALERT]
    cases = [case for file in files for case in yaml.safe_load(file.read_text())["tests"]]
    covered = {check["expr"] for case in cases for check in case["promql_expr_test"] if check["exp_samples"]}
    assert {rule["record"] for rule in records()} - covered == set()
