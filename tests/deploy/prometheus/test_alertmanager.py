"""Tests of the routing example with amtool and a real Alertmanager."""

import json
import re
import shutil
import time

import pytest
import yaml

from conftest import SHIPPED, alerts, fetch, run, wait_for

CONFIG = SHIPPED / "alertmanager.yml"
CONNECTOR = {"aws_account": "prod", "aws_region": "eu-central-1", "connector_id": "c-0123456789abcdef0"}
RECEIVER = {"critical": "pager", "warning": "chat", "info": "tickets"}


def test_amtool_reports_no_error():
    code, output = run("amtool", "check-config", CONFIG)
    assert code == 0 and "SUCCESS" in output, output


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_alerts_are_routed_by_severity(rule):
    severity = rule["labels"]["severity"]
    labels = [f"alertname={rule['alert']}", f"severity={severity}"]
    code, output = run("amtool", "config", "routes", "test", f"--config.file={CONFIG}", f"--verify.receivers={RECEIVER[severity]}", *labels)
    assert code == 0, output


def test_route_test_detects_a_wrong_receiver():
    code, output = run("amtool", "config", "routes", "test", f"--config.file={CONFIG}", "--verify.receivers=tickets", "alertname=AwsTransferExporterAbsent", "severity=critical")
    assert code != 0, output


def test_notifications_are_grouped_by_connector():
    (tree,) = yaml.safe_load(CONFIG.read_text())["route"]["routes"]
    assert tree["group_by"] == ["aws_account", "aws_region", "connector_id"]
    assert not [child for child in tree["routes"] if "group_by" in child]


def test_inhibition_refers_to_existing_alerts():
    names = {rule["alert"] for rule in alerts()}
    for rule in yaml.safe_load(CONFIG.read_text())["inhibit_rules"]:
        for matcher in rule["source_matchers"] + rule["target_matchers"]:
            operator, pattern = re.fullmatch(r'alertname(=~|!=|=)"(.*)"', matcher).groups()
            assert [name for name in names if re.fullmatch(pattern, name)], matcher


def alert(name, **labels):
    return {"labels": {"alertname": name, "severity": "warning", **labels}}


INHIBITED = [
    ("no exporter up", alert("AwsTransferExporterAbsent"), alert("AwsTransferResultsStale", **CONNECTOR), True),
    ("no exporter up, replica alert", alert("AwsTransferExporterAbsent"), alert("AwsTransferExporterDown", instance="a"), True),
    ("no exporter up, unrelated alert", alert("AwsTransferExporterAbsent"), alert("NodeDown", instance="a"), False),
    ("the same replica", alert("AwsTransferExporterDown", job="j", instance="a"), alert("AwsTransferSweepIncomplete", job="j", instance="a"), True),
    ("another replica", alert("AwsTransferExporterDown", job="j", instance="a"), alert("AwsTransferSweepIncomplete", job="j", instance="b"), False),
    ("one replica of two", alert("AwsTransferExporterDown", job="j", instance="a"), alert("AwsTransferResultsStale", **CONNECTOR), False),
    ("credentials of the account", alert("AwsTransferCredentialsFailing", aws_account="prod", aws_region="eu-central-1"), alert("AwsTransferResultsUnreadable", **CONNECTOR), True),
    ("credentials of another account", alert("AwsTransferCredentialsFailing", aws_account="lab", aws_region="eu-central-1"), alert("AwsTransferResultsUnreadable", **CONNECTOR), False),
    ("credentials, and failed files", alert("AwsTransferCredentialsFailing", aws_account="prod", aws_region="eu-central-1"), alert("AwsTransferFilesFailed", **CONNECTOR), False),
    ("unreadable", alert("AwsTransferResultsUnreadable", **CONNECTOR), alert("AwsTransferResultsStale", **CONNECTOR), True),
    ("past the limit", alert("AwsTransferUnfinishedPastAwsLimit", **CONNECTOR), alert("AwsTransferStuckQueued", **CONNECTOR), True),
    ("storage of a replica that is down", alert("AwsTransferExporterDown", job="j", instance="a"), alert("AwsTransferStorageFailing", job="j", instance="a"), True),
    ("a source that cannot be read", alert("AwsTransferDiscoveryFailing", job="j", instance="a", source="events", target="q"), alert("AwsTransferDiscoveryStale", job="j", instance="a", source="events", target="q"), True),
    ("a queue of that name in another account", alert("AwsTransferDiscoveryFailing", job="j", instance="a", aws_account="prod", source="events", target="q"), alert("AwsTransferDiscoveryStale", job="j", instance="a", aws_account="lab", source="events", target="q"), False),
    ("another source", alert("AwsTransferDiscoveryFailing", job="j", instance="a", source="events", target="q"), alert("AwsTransferDiscoveryStale", job="j", instance="a", source="cloudtrail", target="prod"), False),
    ("past the limit, another connector", alert("AwsTransferUnfinishedPastAwsLimit", **CONNECTOR), alert("AwsTransferStuckQueued", **CONNECTOR | {"connector_id": "c-1"}), False),
]


def test_alertmanager_inhibits(processes):
    config = yaml.safe_load(CONFIG.read_text())
    for receiver in config["receivers"]:
        del receiver["webhook_configs"]
    for title, source, target, inhibited in INHIBITED:
        url = processes.alertmanager(config)
        fetch(f"{url}/api/v2/alerts", "POST", [source])
        wait_for("the source is there", lambda: json.loads(fetch(f"{url}/api/v2/alerts")))
        fetch(f"{url}/api/v2/alerts", "POST", [target])

        def seen():
            known = json.loads(fetch(f"{url}/api/v2/alerts"))
            return [a for a in known if a["labels"]["alertname"] == target["labels"]["alertname"]]

        if inhibited:
            wait_for(title, lambda: [a for a in seen() if a["status"]["inhibitedBy"]])
        else:
            wait_for(title, seen)
            time.sleep(0.5)
            (one,) = seen()
            assert not one["status"]["inhibitedBy"], title
        processes.stop_all()
        shutil.rmtree(processes.folder / "alertmanager-data", ignore_errors=True)
