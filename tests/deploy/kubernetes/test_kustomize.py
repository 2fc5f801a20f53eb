"""The manifests for kustomize: as the chart's, without Helm."""

import tomllib

import pytest
import yaml

import manifests as m

MINIMAL = {"config": {"transfers": [{"connector_id": "c-0123456789abcdef0", "transfer_id": "a"}]}}


def without_names(spec):
    """A pod's spec without what differs by intent: kustomize names the ConfigMap after its content."""
    spec = yaml.safe_load(yaml.safe_dump(spec))
    for volume in spec.get("volumes", []):
        volume.get("configMap", {}).pop("name", None)
    return spec


def test_the_base_is_the_charts_default():
    chart, base = m.render(MINIMAL), m.built("base")
    assert without_names(m.pod(base)["spec"]) == without_names(m.pod(chart)["spec"])
    for field in ("replicas", "strategy", "revisionHistoryLimit"):
        assert m.the("Deployment", base)["spec"][field] == m.the("Deployment", chart)["spec"][field], field
    assert m.the("Service", base)["spec"]["ports"] == m.the("Service", chart)["spec"]["ports"]


def test_the_demo_starts_the_demo():
    chart, demo = m.render({"demo": True}), m.built("overlays/demo")
    ours, theirs = m.pod(demo)["spec"], m.pod(chart)["spec"]
    assert m.container(demo)["args"] == ["demo", "--web.listen-address=:10922"]
    assert set(m.container(demo)["args"]) <= set(m.container(chart)["args"])
    for spec in (ours, theirs):
        spec["containers"][0] = {key: value for key, value in spec["containers"][0].items() if key != "args"}
    assert ours == theirs
    assert m.of_kind("ConfigMap", demo) == []


def test_irsa_has_the_role_and_its_own_configuration():
    objects = m.built("overlays/irsa")
    account = m.the("ServiceAccount", objects)
    assert account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"].startswith("arn:aws:iam::")
    assert m.configuration(objects)[1] == (m.KUSTOMIZE / "overlays/irsa/aws-transfer-exporter.yml").read_text()
    assert {item["metadata"]["namespace"] for item in objects} == {"monitoring"}


@pytest.mark.parametrize("kind, values", [("ServiceMonitor", {"serviceMonitor": {"enabled": True}}),
                                          ("NetworkPolicy", {"networkPolicy": {"enabled": True}})])
def test_the_components_are_the_charts(kind, values):
    ours = m.the(kind, m.built("overlays/irsa"))["spec"]
    theirs = m.the(kind, m.render(MINIMAL | values))["spec"]
    for spec in (ours, theirs):
        for selector in ("selector", "podSelector", "namespaceSelector"):
            spec.pop(selector, None)
        for endpoint in spec.get("endpoints", []):
            endpoint.setdefault("honorLabels", False)
    assert ours == theirs


def test_a_change_of_the_configuration_changes_the_name_of_its_config_map():
    names = {m.the("ConfigMap", m.built(folder))["metadata"]["name"] for folder in ("base", "overlays/irsa")}
    assert len(names) == 2 and all(name.startswith("aws-transfer-exporter-") for name in names)


def test_the_image_is_of_the_programs_version():
    version = tomllib.loads((m.ROOT / "Cargo.toml").read_text())["package"]["version"]
    for folder in ("base", "overlays/demo", "overlays/irsa"):
        assert m.container(m.built(folder))["image"].rsplit(":", 1)[1] == version
