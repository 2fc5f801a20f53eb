"""The mixin and the plain YAML are equivalent."""

import json
import re

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


def test_files_of_the_chart_equal_the_rendered_mixin():
    for name, text in evaluate("import 'chart.jsonnet'").items():
        file = ROOT / "deploy/helm/aws-transfer-exporter/files" / name
        assert file.read_text() == text + "\n", "render it as described in deploy/mixin/README.md"


def test_runbook_base_is_a_single_setting():
    changed = evaluate("((import 'mixin.libsonnet') {_config+:: {runbookURLBase: 'https://wiki.example/r'}}).prometheusAlerts")
    urls = [rule["annotations"]["runbook_url"] for group in changed["groups"] for rule in group["rules"]]
    assert urls and all(url.startswith("https://wiki.example/r#awstransfer") for url in urls)


# Another value for each setting.
CHANGED = {
    "exporterSelector": 'job="transfer"',
    "clusterLabel": "k8s_cluster",
    "shardSet": "job, namespace, service",
    "runbookURLBase": "https://wiki.example/r",
    "alertLabels": {"team": "integration"},
    "scrapeIntervalSeconds": 300,
    "evaluationInterval": "30s",
    "lookback": "10m",
    "downFor": "7m",
    "newFailureWindow": "30m",
    "failureMemory": "2d",
    "expectedFailureCodes": "RETRIEVE_FILE_NOT_FOUND|FILE_NOT_FOUND",
    "accessCodes": "ASSUME_ROLE_ERROR",
    "deliveryObjectivePercent": 99.9,
    "burnRateWindow": "10m",
    "connectorMemory": "14d",
    "exporterMemory": "3d",
    "pricePerCall": 0.0012,
    "pricePerGB": 0.44,
    "priceDate": "2027-01-31",
    "pricedStatuses": "COMPLETED",
}
# Settings of the dashboards only; `scrapeInterval` is another form of `scrapeIntervalSeconds`.
OF_DASHBOARDS = {"exporterURL", "showMultiCluster", "scrapeInterval"}
OF_EVERY_ALERT = {"enabled": False, "severity": "page", "for": "77m", "keepFiringFor": "78m", "labels": {"team": "sftp"}}


def config():
    return evaluate("(import 'config.libsonnet')._config")


def changed(value):
    """Returns another value of the same form for a threshold."""
    if isinstance(value, (int, float)):
        return value + 3
    return "77m" if re.fullmatch(r"\d+[smhd]", value) else 'connector_id!="c-0123456789abcdef0"'


def settings_of_alerts():
    for alert, settings in config()["alerts"].items():
        for key, value in settings.items():
            yield pytest.param(alert, key, OF_EVERY_ALERT.get(key, changed(value) if key not in OF_EVERY_ALERT else None), id=f"{alert}.{key}")


def rendered(settings):
    of = "local m = (import 'mixin.libsonnet') + {_config+:: %s}; m.prometheusRules.groups + m.prometheusAlerts.groups"
    return evaluate(of % settings)


SHIPPED_GROUPS = groups("recording.rules.yml") + groups("alerting.rules.yml")


def check(changed_groups, tmp_path):
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": changed_groups}))
    code, output = run("promtool", "check", "rules", "--lint=all", "--lint-fatal", file)
    assert code == 0, output


def test_every_setting_is_tested():
    assert set(config()) - {"alerts"} - OF_DASHBOARDS == set(CHANGED)


@pytest.mark.parametrize("key", CHANGED)
def test_changed_setting_renders_valid_rules(key, tmp_path):
    found = rendered(json.dumps({key: CHANGED[key]}))
    assert found != SHIPPED_GROUPS
    check(found, tmp_path)


@pytest.mark.parametrize(("alert", "key", "value"), list(settings_of_alerts()))
def test_setting_of_an_alert_changes_this_alert_only(alert, key, value, tmp_path):
    found = rendered("{alerts+: {%s+: {%s: %s}}}" % (alert, json.dumps(key), json.dumps(value)))
    shipped = {rule["alert"]: rule for group in SHIPPED_GROUPS for rule in group["rules"] if "alert" in rule}
    now = {rule["alert"]: rule for group in found for rule in group["rules"] if "alert" in rule}
    assert {name for name in shipped if now.get(name) != shipped[name]} == {alert}
    if key == "for":
        assert now[alert]["for"] == "77m"
    if key not in OF_EVERY_ALERT:
        check(found, tmp_path)


def test_every_alert_has_settings():
    shipped = {rule["alert"] for group in groups("alerting.rules.yml") for rule in group["rules"]}
    assert set(config()["alerts"]) == shipped


def test_labels_of_alerts_have_precedence():
    found = rendered("{alertLabels: {team: 'a', tier: '1'}, alerts+: {AwsTransferFilesFailed+: {labels: {team: 'b'}}}}")
    of = {rule["alert"]: rule["labels"] for group in found for rule in group["rules"] if "alert" in rule}
    assert of["AwsTransferFilesFailed"] == {"severity": "warning", "team": "b", "tier": "1"}
    assert of["AwsTransferExporterDown"] == {"severity": "warning", "team": "a", "tier": "1"}


UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(duration):
    return int(duration[:-1]) * UNITS[duration[-1]]


@pytest.mark.parametrize("interval", [15, 60, 300])
def test_look_backs_bridge_missing_scrapes_at_any_scrape_interval(interval):
    """No range over scraped series has fewer than three scrapes, and no target is down after a single failed one."""
    found = rendered(json.dumps({"scrapeIntervalSeconds": interval}))
    for group in found:
        for rule in group["rules"]:
            for name, length in re.findall(r"\b([a-z_:]\w*)(?:\{[^}]*\})?\[(\w+)(?::\w+)?\]", rule["expr"]):
                if ":" not in name:
                    assert seconds(length) >= 3 * interval, (rule, name)
            if re.search(r"\bup\{", rule["expr"]):
                assert seconds(rule["for"]) >= 3 * interval


def test_changed_cluster_label_replaces_it_everywhere():
    def cluster_labels(settings):
        text = json.dumps(rendered(settings)) + json.dumps(evaluate("((import 'mixin.libsonnet') + {_config+:: %s}).grafanaDashboards" % settings))
        # The variable of the dashboards keeps its name.
        return re.findall(r"\bcluster(?:=~|, |\))", text)
    assert cluster_labels("{}")
    assert not cluster_labels("{clusterLabel: 'k8s_cluster'}")
    assert not cluster_labels("{clusterLabel: ''}")


def test_every_setting_is_in_the_table_of_settings():
    readme = (SHIPPED / "README.md").read_text()
    own = {f"{alert}.{key}" for alert, settings in config()["alerts"].items() for key in settings if key not in OF_EVERY_ALERT}
    documented = set(re.findall(r"^\| `([\w.]+)` \| .* \| .*\|", readme[readme.index("## Settings"):], re.M))
    assert documented == set(CHANGED) | OF_DASHBOARDS - {"scrapeInterval"} | own


def dashboards(settings):
    return evaluate("((import 'mixin.libsonnet') + {_config+:: %s}).grafanaDashboards" % json.dumps(settings))


def test_settings_of_dashboards_are_applied():
    changed = {"exporterURL": "https://transfer.example", "runbookURLBase": "https://wiki.example/r", "scrapeIntervalSeconds": 300, "showMultiCluster": False}
    found = json.dumps(dashboards(changed))
    assert "https://wiki.example/r#" in found and "runbooks.md" not in found
    assert "https://transfer.example" in found and "localhost:10922" not in found
    assert '"interval": "5m"' in found and '"interval": "1m"' not in found
    hidden = [one["hide"] for board in json.loads(found).values() for one in board["templating"]["list"] if one["name"] == "cluster"]
    assert set(hidden) == {2}


def test_mixin_includes_every_dashboard():
    shipped = {file.name: json.loads(file.read_text()) for file in (ROOT / "dashboards").glob("*.json")}
    assert shipped, "dashboards/*.json is missing"
    assert evaluate("(import 'mixin.libsonnet').grafanaDashboards") == shipped


def test_hastening_changes_only_durations():
    rule = {"expr": "max_over_time(a_5m[5m] offset 2h) > 60 + max_over_time(timestamp(b)[1h:1m])", "for": "5m", "keep_firing_for": "1h", "alert": "A5m"}
    assert hastened.rules([{"rules": [rule]}], 60)["groups"][0]["rules"] == [
        {"expr": "max_over_time(a_5m[5000ms] offset 120000ms) > 60 + max_over_time(timestamp(b)[60000ms:1000ms])", "for": "5000ms", "keep_firing_for": "60000ms", "alert": "A5m"}
    ]
