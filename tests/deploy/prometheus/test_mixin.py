"""The mixin and the plain YAML are equivalent."""

import json

import _gojsonnet
import pytest

import hastened
from conftest import MIXIN, ROOT, SHIPPED, groups, run


def evaluate(snippet):
    return json.loads(_gojsonnet.evaluate_snippet("test", snippet, jpathdir=[str(MIXIN)]))


def test_groups_are_equal():
    mixin = evaluate("local m = import 'mixin.libsonnet'; {alerts: m.prometheusAlerts, rules: m.prometheusRules}")
    assert mixin == {"alerts": {"groups": groups("alerting.rules.yml")}, "rules": {"groups": groups("recording.rules.yml")}}


@pytest.mark.parametrize("name", ["recording.rules.yml", "alerting.rules.yml"])
def test_shipped_file_equals_the_rendered_mixin(name):
    # `jsonnet -S` appends a line feed.
    assert evaluate("import 'rules.jsonnet'")[name] + "\n" == (SHIPPED / name).read_text(), "render it as described in deploy/mixin/README.md"


def test_runbook_base_is_a_single_setting():
    changed = evaluate("((import 'mixin.libsonnet') {_config+:: {runbookURLBase: 'https://wiki.example/r'}}).prometheusAlerts")
    urls = [rule["annotations"]["runbook_url"] for group in changed["groups"] for rule in group["rules"]]
    assert urls and all(url.startswith("https://wiki.example/r#awstransfer") for url in urls)


CHANGED = {
    "exporterSelector": 'job="transfer"',
    "shardSet": "job, namespace, service",
    "runbookURLBase": "https://wiki.example/r",
    "lookback": "10m",
    "newFailureWindow": "30m",
    "failureMemory": "2d",
    "failedTransfersTrackedFor": "3h",
    "failurePercent": 40,
    "failureShareMinFiles": 7,
    "stuckQueuedHours": 3,
    "stuckInProgressHours": 4,
    "unfinishedHours": 6,
    "noFileCompletedHours": 50,
    "noFileCompletedSelector": 'connector_id!="c-0123456789abcdef0"',
    "staleMinutes": 31,
    "unreadableFor": "40m",
    "certificateDays": 30,
    "refusedRequests": 50,
    "discoveryFailingFor": "20m",
    "discoveryStaleMinutes": 90,
    "queueMessages": 5000,
    "completePercent": 80,
    "throttledPercent": 11,
}


def test_every_setting_is_tested():
    assert set(evaluate("(import 'config.libsonnet')._config")) == set(CHANGED)


@pytest.mark.parametrize("key", CHANGED)
def test_changed_setting_renders_valid_rules(key, tmp_path):
    config = json.dumps({key: CHANGED[key]})
    of = "local m = import 'mixin.libsonnet' {_config+:: %s}; m.prometheusRules.groups + m.prometheusAlerts.groups"
    changed = evaluate(of.replace("import 'mixin.libsonnet'", "(import 'mixin.libsonnet')") % config)
    assert changed != groups("recording.rules.yml") + groups("alerting.rules.yml")
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": changed}))
    code, output = run("promtool", "check", "rules", "--lint=all", "--lint-fatal", file)
    assert code == 0, output


def test_every_setting_is_in_the_table_of_thresholds():
    readme = (SHIPPED / "README.md").read_text()
    assert not [key for key in CHANGED if f"| `{key}` |" not in readme]


def test_mixin_includes_every_dashboard():
    shipped = {file.name: json.loads(file.read_text()) for file in (ROOT / "dashboards").glob("*.json")}
    assert shipped, "dashboards/*.json is missing"
    assert evaluate("(import 'mixin.libsonnet').grafanaDashboards") == shipped


def test_hastening_changes_only_durations():
    rule = {"expr": "max_over_time(a_5m[5m] offset 2h) > 60 + max_over_time(timestamp(b)[1h:1m])", "for": "5m", "keep_firing_for": "1h", "alert": "A5m"}
    assert hastened.rules([{"rules": [rule]}], 60)["groups"][0]["rules"] == [
        {"expr": "max_over_time(a_5m[5000ms] offset 120000ms) > 60 + max_over_time(timestamp(b)[60000ms:1000ms])", "for": "5000ms", "keep_firing_for": "60000ms", "alert": "A5m"}
    ]
