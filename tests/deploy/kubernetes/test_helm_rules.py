"""Rules and dashboards of the chart: with the same settings they equal those of the mixin."""

import json
import re
import subprocess

import _gojsonnet
import pytest
import yaml

import manifests as m

VALUES = yaml.safe_load((m.CHART / "values.yaml").read_text())
SETTINGS = VALUES["prometheusRule"]["settings"]
# Keys of the mixin that have their value elsewhere, or derive from another key.
ELSEWHERE = {"exporterURL", "showMultiCluster", "scrapeInterval"}
# Another value for each setting that is no alert.
CHANGED = {
    "exporterSelector": 'job="a\\\\b", namespace=~"<x>|&y"',
    "clusterLabel": "k8s_cluster",
    "shardSet": "job, namespace, service",
    "runbookURLBase": "https://wiki.example/r?a=1&b=2",
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


def jsonnet(snippet):
    return json.loads(_gojsonnet.evaluate_snippet("test", snippet, jpathdir=[str(m.ROOT / "deploy/mixin")]))


def mixin(of, config):
    """Returns a field of the mixin with these settings, as JSON or as jsonnet."""
    return jsonnet(f"((import 'mixin.libsonnet') + {{_config+:: {config if isinstance(config, str) else json.dumps(config)}}}).{of}")


CONFIG = jsonnet("(import 'config.libsonnet')._config")


def groups_of_mixin(config):
    groups = mixin("prometheusAlerts", config)["groups"] + mixin("prometheusRules", config)["groups"]
    return [group for group in groups if group["rules"]]


def groups_of_chart(settings, **values):
    values = {"demo": True, "prometheusRule": {"enabled": True, "settings": settings}} | values
    return m.the("PrometheusRule", m.render(values))["spec"]["groups"]


def merged(changes):
    """Returns jsonnet that changes settings of alerts."""
    return "{alerts+: {%s}}" % ", ".join(f"{name}+: {json.dumps(own)}" for name, own in changes.items())


# Values

def test_every_setting_of_the_mixin_has_a_value():
    assert set(SETTINGS) == set(CONFIG) - ELSEWHERE == set(CHANGED) | {"alerts"}
    assert ELSEWHERE - {"scrapeInterval"} <= set(VALUES["dashboards"])
    assert {name: set(own) for name, own in SETTINGS["alerts"].items()} == {name: set(own) for name, own in CONFIG["alerts"].items()}


def test_values_have_the_defaults_of_the_mixin():
    """Empty values, and those that are another setting, derive: the rules below show to what."""
    def compare(values, config):
        for key, value in values.items():
            if isinstance(value, dict) and value:
                compare(value, config[key])
            else:
                assert value in (config[key], "") or key == "scrapeIntervalSeconds" or re.fullmatch(r"\$\{\w+\}", value), key
    compare(SETTINGS, CONFIG)


def test_copies_in_the_chart_are_current():
    done = subprocess.run([m.ROOT / "deploy/helm/sync", "--check"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"run deploy/helm/sync and commit:\n{done.stdout}{done.stderr}"
    copies = {path.name: path.read_bytes() for path in (m.CHART / "files/dashboards").glob("*")}
    assert copies and copies == {path.name: path.read_bytes() for path in (m.ROOT / "dashboards").glob("*.json")}


# Rules

def test_rules_are_those_of_deploy_prometheus_by_default():
    shipped = [group for name in ("alerting", "recording")
               for group in yaml.safe_load((m.ROOT / f"deploy/prometheus/{name}.rules.yml").read_text())["groups"]]
    objects = m.render({"demo": True, "prometheusRule": {"enabled": True}})
    assert m.the("PrometheusRule", objects)["spec"]["groups"] == shipped
    m.validate(m.the("PrometheusRule", objects), m.KUBERNETES_VERSIONS[-1])


@pytest.mark.parametrize("key", CHANGED)
def test_changed_setting_gives_the_rules_of_the_mixin(key):
    found = groups_of_chart({key: CHANGED[key]})
    assert found == groups_of_mixin({key: CHANGED[key]})
    assert found != groups_of_mixin({})


def test_all_settings_together_give_the_rules_of_the_mixin():
    assert groups_of_chart(CHANGED) == groups_of_mixin(CHANGED)


def test_without_a_cluster_label_no_rule_has_one():
    found = groups_of_chart({"clusterLabel": ""})
    assert found == groups_of_mixin({"clusterLabel": ""})
    assert "cluster" not in re.sub(r"in cluster|per cluster", "", json.dumps(found))


@pytest.mark.parametrize("seconds", [15, 90, 3600])
def test_empty_settings_derive_from_the_scrape_interval(seconds):
    assert groups_of_chart({"scrapeIntervalSeconds": seconds}) == groups_of_mixin({"scrapeIntervalSeconds": seconds})


@pytest.mark.parametrize("monitor", ["serviceMonitor", "podMonitor"])
@pytest.mark.parametrize("interval, seconds", [("5m", 300), ("1m30s", 90), ("1h", 3600)])
def test_the_scrape_interval_is_that_of_the_monitor(monitor, interval, seconds):
    values = {monitor: {"enabled": True, "interval": interval}}
    assert groups_of_chart({}, **values) == groups_of_mixin({"scrapeIntervalSeconds": seconds})
    assert groups_of_chart({"scrapeIntervalSeconds": 60}, **values) == groups_of_mixin({})


def changed(key, value):
    if key in {"enabled", "labels"}:
        return value
    if key == "severity":
        return "page"
    if key in {"for", "keepFiringFor", "window"}:
        return "77m"
    return 'connector_id!="c-0123456789abcdef0"' if key == "selector" else value + 3 if isinstance(value, int) else value * 2 + 0.5


def test_changed_settings_of_all_alerts_give_the_rules_of_the_mixin():
    changes = {name: {key: changed(key, value) for key, value in own.items()} | {"labels": {"team": name, "severity_class": "<a>"}}
               for name, own in CONFIG["alerts"].items()}
    found = groups_of_chart({"alerts": changes})
    assert found == groups_of_mixin(merged(changes))
    rules = [rule for group in found for rule in group["rules"] if "alert" in rule]
    assert {(rule["labels"]["severity"], rule["for"], rule["keep_firing_for"]) for rule in rules} == {("page", "77m", "77m")}
    assert len(rules) == len(changes)


def test_durations_of_alerts_can_be_empty_or_other_settings():
    own = {"AwsTransferExporterDown": {"for": ""}, "AwsTransferThrottled": {"for": "${downFor}", "keepFiringFor": ""}}
    rules = {rule["alert"]: rule for group in groups_of_chart({"downFor": "9m", "alerts": own}) for rule in group["rules"] if "alert" in rule}
    assert "for" not in rules["AwsTransferExporterDown"] and "keep_firing_for" not in rules["AwsTransferThrottled"]
    assert rules["AwsTransferThrottled"]["for"] == rules["AwsTransferExporterAbsent"]["for"] == "9m"


def test_disabled_alerts_and_their_empty_groups_are_omitted():
    disabled = {name: {"enabled": index % 2 == 0} for index, name in enumerate(sorted(CONFIG["alerts"]))}
    assert groups_of_chart({"alerts": disabled}) == groups_of_mixin(merged(disabled))
    names = [group["name"] for group in groups_of_chart({"alerts": {name: {"enabled": False} for name in CONFIG["alerts"]}})]
    assert names == ["aws-transfer-exporter.recording"]


@pytest.mark.parametrize("settings", [
    {"alerts": {"AwsTransferThrottled": None}}, {"alerts": {"AwsTransferThrottled": {"percent": None}}}, {"failureMemory": None},
    {"alerts": None}, {"clusterLabel": None, "alertLabels": None},
])
def test_settings_without_a_value_have_their_defaults(settings):
    assert groups_of_chart(settings) == groups_of_mixin({})
    assert dashboards_of_chart(settings) == dashboards_of_chart({})


def test_a_threshold_may_be_zero():
    found = json.dumps(groups_of_chart({"alerts": {"AwsTransferQueueNotDraining": {"messages": 0}}}))
    assert "queue_messages:max[15m]) > 0" in found


@pytest.mark.parametrize("settings, message", [
    ({"alerts": {"AwsTransferThrotled": {"percent": 5}}}, "`prometheusRule.settings.alerts.AwsTransferThrotled`: there is no such alert"),
    ({"alerts": {"AwsTransferThrottled": {"hours": 5}}}, "`prometheusRule.settings.alerts.AwsTransferThrottled.hours`: there is no such setting"),
    ({"lookBack": "5m"}, "lookBack"),
    ({"lookback": "5 minutes"}, "/prometheusRule/settings/lookback"),
    ({"alerts": {"AwsTransferThrottled": {"enabled": "no"}}}, "/prometheusRule/settings/alerts/AwsTransferThrottled/enabled"),
    ({"alerts": {"AwsTransferThrottled": {"for": "${down For}"}}}, "/prometheusRule/settings/alerts/AwsTransferThrottled/for"),
    ({"clusterLabel": "k8s-cluster"}, "/prometheusRule/settings/clusterLabel"),
])
def test_rejects_unknown_and_invalid_settings(settings, message):
    done = m.template({"demo": True, "prometheusRule": {"enabled": True, "settings": settings}})
    assert done.returncode != 0 and message in done.stderr


def test_job_is_the_one_that_the_rules_expect():
    asked = set(re.findall(r'\bjob="([^"]+)"', json.dumps(groups_of_mixin({})).replace("\\", "")))
    values = {"demo": True, "nameOverride": "other", "fullnameOverride": "another"}
    for kind in ("ServiceMonitor", "PodMonitor"):
        objects = m.render(values | {kind[0].lower() + kind[1:]: {"enabled": True}})
        labels = m.the("Service", objects)["metadata"]["labels"] if kind == "ServiceMonitor" else m.pod(objects)["metadata"]["labels"]
        assert {labels[m.the(kind, objects)["spec"]["jobLabel"]]} == asked == {"aws-transfer-exporter"}


# Dashboards

def dashboards_of_chart(settings, **values):
    values = {"demo": True, "prometheusRule": {"settings": settings}} | values
    values["dashboards"] = {"enabled": True} | values.get("dashboards", {})
    return {key: text for item in m.of_kind("ConfigMap", m.render(values)) for key, text in item["data"].items()}


def test_dashboards_are_unchanged_by_default():
    assert dashboards_of_chart({}) == {path.name: path.read_text() for path in (m.ROOT / "dashboards").glob("*.json")}


@pytest.mark.parametrize("settings, dashboards", [
    ({"clusterLabel": "k8s_cluster"}, {}),
    ({"clusterLabel": ""}, {}),
    ({"scrapeIntervalSeconds": 300}, {}),
    ({}, {"showMultiCluster": False}),
    ({}, {"exporterURL": "https://transfers.example.com/a?b=1&c=2"}),
    ({"clusterLabel": "k8s_cluster", "scrapeIntervalSeconds": 90}, {"showMultiCluster": False, "exporterURL": "https://a.example"}),
])
def test_dashboards_have_the_settings_of_the_mixin(settings, dashboards):
    found = {name: json.loads(text) for name, text in dashboards_of_chart(settings, dashboards=dashboards).items()}
    assert found == mixin("grafanaDashboards", settings | dashboards)
    assert found != mixin("grafanaDashboards", {})


HOSTS = [{"host": "{{ .Release.Name }}.example.com"}, {"host": "other.example.com"}]


@pytest.mark.parametrize("values, url", [
    ({}, "http://localhost:10922"),
    ({"dashboards": {"exporterURL": "https://{{ .Release.Name }}.example/"}}, "https://aws-transfer-exporter.example"),
    ({"ingress": {"enabled": True, "hosts": HOSTS}}, "http://aws-transfer-exporter.example.com"),
    ({"ingress": {"enabled": True, "hosts": HOSTS, "tls": [{"secretName": "tls"}]}}, "https://aws-transfer-exporter.example.com"),
    ({"ingress": {"enabled": False, "hosts": HOSTS}}, "http://localhost:10922"),
    ({"ingress": {"enabled": True, "hosts": [{}]}}, "http://localhost:10922"),
    ({"web": {"routePrefix": "/a"}}, "http://localhost:10922/a"),
    ({"web": {"routePrefix": "/a"}, "ingress": {"enabled": True, "hosts": HOSTS}}, "http://aws-transfer-exporter.example.com/a"),
    ({"web": {"externalURL": "https://d.example/a/"}, "ingress": {"enabled": True, "hosts": HOSTS}}, "https://d.example/a"),
    ({"web": {"externalURL": "https://d.example/a/", "routePrefix": "/"}}, "https://d.example/a"),
    ({"web": {"externalURL": "/a/"}}, "http://localhost:10922/a"),
    ({"route": {"main": {"enabled": True, "hostnames": ["a.example.com", "b.example.com"]}}}, "https://a.example.com"),
    ({"ingress": {"enabled": True, "hosts": HOSTS}, "dashboards": {"exporterURL": "https://c.example"}}, "https://c.example"),
])
def test_url_of_the_exporter_is_that_of_its_pages(values, url):
    board = json.loads(dashboards_of_chart({}, **values)["connector.json"])
    (variable,) = [one for one in board["templating"]["list"] if one["name"] == "exporter_url"]
    assert variable["query"] == variable["current"]["value"] == url
