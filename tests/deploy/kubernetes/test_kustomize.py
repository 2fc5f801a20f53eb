"""Tests of the kustomize manifests, which match the chart."""

import tomllib

import pytest
import yaml

import manifests as m

MINIMAL = {"config": {"transfers": [{"connector_id": "c-0123456789abcdef0", "transfer_id": "a"}]}}


def without_names(spec):
    """Returns a pod spec without names of ConfigMaps, which kustomize suffixes with a hash."""
    spec = yaml.safe_load(yaml.safe_dump(spec))
    for volume in spec.get("volumes", []):
        volume.get("configMap", {}).pop("name", None)
    return spec


def test_base_equals_the_default_of_the_chart():
    chart, base = m.render(MINIMAL), m.built("base")
    assert without_names(m.pod(base)["spec"]) == without_names(m.pod(chart)["spec"])
    for field in ("replicas", "strategy", "revisionHistoryLimit"):
        assert m.the("Deployment", base)["spec"][field] == m.the("Deployment", chart)["spec"][field], field
    assert m.the("Service", base)["spec"]["ports"] == m.the("Service", chart)["spec"]["ports"]


def test_demo_overlay_runs_the_demo():
    chart, demo = m.render({"demo": True}), m.built("overlays/demo")
    ours, theirs = m.pod(demo)["spec"], m.pod(chart)["spec"]
    assert m.container(demo)["args"] == ["demo", "--web.listen-address=:10922",
                                           "--web.health-listen-address=:10924"]
    assert set(m.container(demo)["args"]) <= set(m.container(chart)["args"])
    for spec in (ours, theirs):
        spec["containers"][0] = {key: value for key, value in spec["containers"][0].items() if key != "args"}
    assert ours == theirs
    assert m.of_kind("ConfigMap", demo) == []


def test_irsa_overlay_has_a_role_and_a_configuration():
    objects = m.built("overlays/irsa")
    account = m.the("ServiceAccount", objects)
    assert account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"].startswith("arn:aws:iam::")
    assert m.configuration(objects)[1] == (m.KUSTOMIZE / "overlays/irsa/aws-transfer-exporter.yml").read_text()
    assert {item["metadata"]["namespace"] for item in objects} == {"monitoring"}


@pytest.mark.parametrize("kind, values", [("ServiceMonitor", {"serviceMonitor": {"enabled": True}}),
                                          ("NetworkPolicy", {"networkPolicy": {"enabled": True}})])
def test_components_equal_those_of_the_chart(kind, values):
    ours = m.the(kind, m.built("overlays/irsa"))["spec"]
    theirs = m.the(kind, m.render(MINIMAL | values | {"testConnection": False}))["spec"]
    for spec in (ours, theirs):
        for selector in ("selector", "podSelector", "namespaceSelector"):
            spec.pop(selector, None)
        for endpoint in spec.get("endpoints", []):
            endpoint.setdefault("honorLabels", False)
    assert ours == theirs


def test_a_changed_configuration_does_not_roll_the_pod():
    for folder in ("base", "overlays/irsa"):
        objects = m.built(folder)
        assert m.the("ConfigMap", objects)["metadata"]["name"] == "aws-transfer-exporter"
        assert m.pod(objects)["spec"]["volumes"][0] == {"name": "config", "configMap": {"name": "aws-transfer-exporter"}}


def test_image_tag_is_the_version():
    version = tomllib.loads((m.ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    for folder in ("base", "overlays/demo", "overlays/irsa"):
        assert m.container(m.built(folder))["image"].rsplit(":", 1)[1] == version
