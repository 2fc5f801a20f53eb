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


def test_notifications_are_grouped_by_connector_and_flow():
    (tree,) = yaml.safe_load(CONFIG.read_text())["route"]["routes"]
    assert tree["group_by"] == ["cluster", "aws_account", "aws_region", "connector_id", "flow"]
    assert not [child for child in tree["routes"] if "group_by" in child]


def inhibitions():
    return yaml.safe_load(CONFIG.read_text())["inhibit_rules"]


def matched(matchers):
    """Returns the names of the shipped alerts that the matchers select."""
    names = {rule["alert"] for rule in alerts()}
    for matcher in matchers:
        label, operator, pattern = re.fullmatch(r'(\w+)(=~|!=|=)"(.*)"', matcher).groups()
        if label != "alertname":
            continue
        found = {name for name in names if re.fullmatch(pattern, name)}
        assert found or operator == "!=", matcher
        names = names - found if operator == "!=" else found
    return names


@pytest.mark.parametrize("rule", inhibitions(), ids=lambda rule: rule["source_matchers"][0])
def test_inhibition_stays_within_a_cluster(rule):
    assert rule["equal"][0] == "cluster"


@pytest.mark.parametrize("rule", inhibitions(), ids=lambda rule: rule["source_matchers"][0])
def test_inhibition_refers_to_existing_alerts(rule):
    assert matched(rule["source_matchers"]) and matched(rule["target_matchers"])
    for matcher in rule["source_matchers"] + rule["target_matchers"]:
        for part in re.findall(r"\w+", matcher.partition("(")[2]):
            assert matched([f'alertname=~"AwsTransfer{part}"']), part


def test_no_two_alerts_inhibit_each_other():
    pairs = {(source, target) for rule in inhibitions() for source in matched(rule["source_matchers"])
             for target in matched(rule["target_matchers"])}
    assert not [(source, target) for source, target in pairs if (target, source) in pairs]


def test_no_alert_is_inhibited_by_a_less_severe_one():
    rank = {"info": 0, "warning": 1, "critical": 2}
    severity = {rule["alert"]: rank[rule["labels"]["severity"]] for rule in alerts()}
    for rule in inhibitions():
        for source in matched(rule["source_matchers"]):
            for target in matched(rule["target_matchers"]):
                assert severity[source] >= severity[target], (source, target)


def alert(name, **labels):
    return {"labels": {"alertname": name, "severity": "warning", **labels}}


ACCOUNT = {"aws_account": "prod", "aws_region": "eu-central-1"}
REPLICA = {"job": "j", "instance": "a"}
SOURCE = REPLICA | ACCOUNT | {"source": "events", "target": "q"}

INHIBITED = [
    ("no exporter up in the cluster", alert("AwsTransferExporterAbsent", cluster="a"), alert("AwsTransferFilesFailed", cluster="a", **CONNECTOR), True),
    ("no exporter up in another cluster", alert("AwsTransferExporterAbsent", cluster="a"), alert("AwsTransferFilesFailed", cluster="b", **CONNECTOR), False),
    ("the same address in another cluster", alert("AwsTransferExporterDown", cluster="a", **REPLICA), alert("AwsTransferStorageFailing", cluster="b", **REPLICA), False),
    ("an account of that name in another cluster", alert("AwsTransferCredentialsFailing", cluster="a", **ACCOUNT), alert("AwsTransferResultsStale", cluster="b", **CONNECTOR), False),
    ("rejected credentials", alert("AwsTransferAccountDown", cluster="a", **REPLICA, **ACCOUNT), alert("AwsTransferCredentialsFailing", cluster="a", **ACCOUNT), True),
    ("rejected credentials of another account", alert("AwsTransferAccountDown", **REPLICA, **ACCOUNT), alert("AwsTransferCredentialsFailing", **ACCOUNT | {"aws_account": "lab"}), False),
    ("the other way round", alert("AwsTransferCredentialsFailing", **ACCOUNT), alert("AwsTransferAccountDown", **REPLICA, **ACCOUNT), False),
    ("an account that does not respond", alert("AwsTransferAccountDown", **REPLICA, **ACCOUNT), alert("AwsTransferResultsUnreadable", **CONNECTOR), True),
    ("an account that does not respond, and failed files", alert("AwsTransferAccountDown", **REPLICA, **ACCOUNT), alert("AwsTransferFilesFailed", **CONNECTOR), False),
    ("a queue of an account that does not respond", alert("AwsTransferAccountDown", **REPLICA, **ACCOUNT), alert("AwsTransferDiscoveryFailing", **SOURCE), True),
    ("a queue of another exporter", alert("AwsTransferAccountDown", **REPLICA, **ACCOUNT), alert("AwsTransferDiscoveryFailing", **SOURCE | {"instance": "b"}), False),
    ("a file of an account that does not respond", alert("AwsTransferAccountDown", **REPLICA, **ACCOUNT), alert("AwsTransferDiscoveryFailing", **SOURCE | {"source": "files"}), False),
    ("a connector without access", alert("AwsTransferConnectorAccessFailed", failure_code="HOST_KEY_ERROR", **CONNECTOR), alert("AwsTransferConsecutiveFailures", **CONNECTOR), True),
    ("the files of a connector without access", alert("AwsTransferConnectorAccessFailed", failure_code="HOST_KEY_ERROR", **CONNECTOR), alert("AwsTransferFilesFailed", failure_code="HOST_KEY_ERROR", **CONNECTOR), True),
    ("files that fail for another reason", alert("AwsTransferConnectorAccessFailed", failure_code="HOST_KEY_ERROR", **CONNECTOR), alert("AwsTransferFilesFailed", failure_code="DISK_FULL", **CONNECTOR), False),
    ("another connector than that without access", alert("AwsTransferConnectorAccessFailed", **CONNECTOR), alert("AwsTransferConsecutiveFailures", **CONNECTOR | {"connector_id": "c-1"}), False),
    ("nothing started", alert("AwsTransferNothingStarted", **CONNECTOR), alert("AwsTransferNoFileCompleted", **CONNECTOR), True),
    ("starts that cannot be read", alert("AwsTransferDiscoveryFailing", **SOURCE), alert("AwsTransferNothingStarted", **CONNECTOR), True),
    ("files do not report starts", alert("AwsTransferDiscoveryFailing", **SOURCE | {"source": "files"}), alert("AwsTransferNothingStarted", **CONNECTOR), False),
    ("one burn rate", alert("AwsTransferDeliveryBurnRateHigh", **CONNECTOR), alert("AwsTransferDeliveryBurnRateSlow", **CONNECTOR), True),
    ("a missing delivery", alert("AwsTransferFlowMissing", cluster="a", flow="acme-prices"), alert("AwsTransferFlowLate", cluster="a", flow="acme-prices"), True),
    ("an invalid delivery", alert("AwsTransferFlowInvalid", flow="acme-prices"), alert("AwsTransferFlowDueSoon", flow="acme-prices"), True),
    ("a late delivery", alert("AwsTransferFlowLate", flow="acme-prices"), alert("AwsTransferFlowDueSoon", flow="acme-prices"), True),
    ("a missing delivery of another flow", alert("AwsTransferFlowMissing", flow="acme-prices"), alert("AwsTransferFlowLate", flow="acme-stock"), False),
    ("a missing delivery in another cluster", alert("AwsTransferFlowMissing", cluster="a", flow="acme-prices"), alert("AwsTransferFlowLate", cluster="b", flow="acme-prices"), False),
    ("a missing delivery, and failed files", alert("AwsTransferFlowMissing", flow="acme-prices"), alert("AwsTransferFlowFailing", flow="acme-prices"), False),
    ("a queue without credentials", alert("AwsTransferCredentialsFailing", **ACCOUNT), alert("AwsTransferDiscoveryStale", **SOURCE), True),
    ("no exporter up", alert("AwsTransferExporterAbsent"), alert("AwsTransferResultsStale", **CONNECTOR), True),
    ("a shard without an owner", alert("AwsTransferNoLeader", job="j", shard="2"), alert("AwsTransferExporterShardMissing", job="j", shards="5"), True),
    ("a shard without an owner in another job", alert("AwsTransferNoLeader", job="j", shard="2"), alert("AwsTransferExporterShardMissing", job="k", shards="5"), False),
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
