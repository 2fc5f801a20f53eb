"""Properties of every set of manifests, rendered by helm or kustomize."""

import re
import subprocess

import jsonschema
import kubernetes_validate
import pytest

import manifests as m

SETS = {f"helm {path.stem}": (m.rendered, path) for path in m.VALUE_SETS}
SETS |= {f"kustomize {folder}": (m.built, folder) for folder in ("base", "overlays/demo", "overlays/irsa")}


@pytest.fixture(params=SETS, ids=[name.replace(" ", ":") for name in SETS])
def objects(request):
    make, argument = SETS[request.param]
    return make(argument)


@pytest.mark.parametrize("kubernetes", m.KUBERNETES_VERSIONS)
def test_every_object_is_valid(objects, kubernetes):
    assert objects
    for item in objects:
        m.validate(item, kubernetes)


def test_objects_are_unique(objects):
    names = [(item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]) for item in objects]
    assert len(set(names)) == len(names)


def test_pod_is_hardened(objects):
    spec = m.pod(objects)["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] != 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert m.container(objects)["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert not any(spec.get(field) for field in ("hostNetwork", "hostPID", "hostIPC"))


def test_container_has_resource_requests(objects):
    resources = m.container(objects)["resources"]
    assert {"cpu", "memory"} <= resources["requests"].keys() and "memory" in resources["limits"]


def test_selectors_match_the_pod_and_the_service(objects):
    labels = m.pod(objects)["metadata"]["labels"]
    workload, service = m.workload(objects), m.the("Service", objects)
    selectors = [workload["spec"]["selector"]["matchLabels"], service["spec"]["selector"]]
    selectors += [item["spec"]["podSelector"]["matchLabels"] for item in m.of_kind("NetworkPolicy", objects)]
    selectors += [item["spec"]["selector"]["matchLabels"] for item in m.of_kind("PodDisruptionBudget", objects)]
    for selector in selectors:
        assert selector and selector.items() <= labels.items()
    for monitor in m.of_kind("PodMonitor", objects):
        selector = monitor["spec"]["selector"]["matchLabels"]
        assert selector and selector.items() <= labels.items()
        assert labels[monitor["spec"]["jobLabel"]] == "aws-transfer-exporter"
        assert monitor["spec"]["namespaceSelector"]["matchNames"] == [workload["metadata"]["namespace"]]
    for monitor in m.of_kind("ServiceMonitor", objects):
        selector = monitor["spec"]["selector"]["matchLabels"]
        assert selector and selector.items() <= service["metadata"]["labels"].items()
        assert monitor["spec"]["jobLabel"] in service["metadata"]["labels"]
        namespaces = monitor["spec"].get("namespaceSelector", {}).get("matchNames", [monitor["metadata"].get("namespace")])
        assert namespaces == [service["metadata"].get("namespace")]


def test_ports_lead_to_the_exporter(objects):
    args, ports = m.container(objects)["args"], m.container(objects)["ports"]
    named = {item["name"]: item["containerPort"] for item in ports}
    assert f"--web.listen-address=:{named['http']}" in args
    service = {item["name"]: item["targetPort"] for item in m.the("Service", objects)["spec"]["ports"]}
    assert service == {"http": "http"}
    for monitor in m.of_kind("ServiceMonitor", objects) + m.of_kind("PodMonitor", objects):
        endpoints = monitor["spec"].get("endpoints") or monitor["spec"]["podMetricsEndpoints"]
        assert [(item["port"], item["path"]) for item in endpoints] == [("http", m.metrics_path(objects))]
    for policy in m.of_kind("NetworkPolicy", objects):
        assert policy["spec"]["ingress"][0]["ports"] == [{"port": "http", "protocol": "TCP"}]
    service = m.the("Service", objects)
    for ingress in m.of_kind("Ingress", objects):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                assert path["backend"]["service"] == {"name": service["metadata"]["name"], "port": {"name": "http"}}
    for route in m.of_kind("HTTPRoute", objects):
        last = route["spec"]["rules"][-1]
        backend = [{"name": service["metadata"]["name"], "port": service["spec"]["ports"][0]["port"]}]
        assert last.get("backendRefs", backend) == backend


def test_service_account_of_the_pod_exists(objects):
    accounts = [item["metadata"]["name"] for item in m.of_kind("ServiceAccount", objects)]
    assert accounts in ([m.pod(objects)["spec"]["serviceAccountName"]], [])


def test_exporter_accepts_the_configuration(objects, tmp_path):
    if m.configuration(objects) is None:
        assert not m.pod(objects)["spec"].get("volumes")
        return
    done = m.check(objects, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_container_starts_and_its_probes_pass(objects, tmp_path):
    container = m.container(objects)
    with m.running(objects, tmp_path) as (urls, process, log):
        for request in (probe["httpGet"] for name, probe in container.items() if name.endswith("Probe")):
            # Its connections are apart from those of clients, who may use up all others.
            assert request["port"] == "health"
            assert m.get(urls["health"] + request["path"])[0] == 200, log.read_text()
        url = urls["http"]
        path = m.metrics_path(objects)
        # This family needs no AWS request.
        status, text = m.get(f"{url}{path}?name[]=aws_transfer_exporter_build_info")
        assert status == 200 and "aws_transfer_exporter_build_info{" in text
        if container["args"][0] == "demo":
            m.wait_for(lambda: "aws_transfer_connector_files{" in m.get(url + path)[1], log)
        process.terminate()
        assert process.wait(timeout=10) == 0, log.read_text()


def test_probes_use_the_health_endpoints(objects):
    paths = [m.container(objects)[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")]
    prefix = m.route_prefix(objects)
    # With a shared state, standbys are ready too.
    ready = "healthy" if "--storage.url" in m.flags(objects) else "ready"
    assert paths == [f"{prefix}/-/healthy", f"{prefix}/-/{ready}"]


def test_flags_exist(objects):
    text = subprocess.run([m.exporter(), "--help"], capture_output=True, text=True, timeout=10).stdout
    known = set(re.findall(r"--[a-z][a-z.-]+", text))
    flags = [argument.split("=", 1)[0] for argument in m.container(objects)["args"]]
    assert set(flags) - {"demo"} <= known
    assert "demo" not in flags or re.search(r"^  demo ", text, re.MULTILINE)


def test_pod_of_helm_test_checks_the_exporter_through_the_service(objects, tmp_path):
    tests = m.of_kind("Pod", objects)
    if not tests:
        return
    (container,) = tests[0]["spec"]["containers"]
    assert tests[0]["metadata"]["annotations"]["helm.sh/hook"] == "test" and container["image"] == m.container(objects)["image"]
    service = m.the("Service", objects)
    command, *more, address = container["args"]
    host, port = address.removeprefix("--web.listen-address=").rsplit(":", 1)
    assert command == "healthcheck" and host == f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc"
    # A headless Service leads to the port of the container.
    ports = m.container(objects)["ports"] if service["spec"].get("clusterIP") == "None" else service["spec"]["ports"]
    assert int(port) == next(item.get("containerPort", item.get("port")) for item in ports if item["name"] == "http")
    with m.running(objects, tmp_path) as (urls, _, log):
        assert m.get(urls["http"] + m.route_prefix(objects) + "/-/healthy")[0] == 200, log.read_text()
        here = f"--web.listen-address={urls['http'].removeprefix('http://')}"
        assert subprocess.run([m.exporter(), command, *more, here], timeout=10).returncode == 0
    assert subprocess.run([m.exporter(), command, *more, here], capture_output=True, timeout=10).returncode == 1


def test_no_selector_matches_the_pod_of_helm_test(objects):
    for test in m.of_kind("Pod", objects):
        labels = test["metadata"]["labels"].items()
        for item in objects:
            spec = item.get("spec", {})
            selector = spec.get("podSelector", spec.get("selector"))
            if selector:
                assert not selector.get("matchLabels", selector).items() <= labels, item["kind"]
        for policy in m.of_kind("NetworkPolicy", objects):
            sources = [source for rule in policy["spec"]["ingress"] for source in rule["from"] if "namespaceSelector" not in source]
            assert any(source["podSelector"]["matchLabels"].items() <= labels for source in sources)


# The validators

def test_validation_finds_a_field_unknown_to_kubernetes():
    item = m.the("Deployment", m.render({"demo": True}))
    item["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        m.validate(item, "1.37")


def test_validation_finds_a_field_unknown_to_the_gateway_api():
    item = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "a"},
            "spec": {"rules": [{"matches": [{"path": {"type": "Exact", "value": "/"}}]}]}}
    m.validate(item, "1.37")
    item["spec"]["rules"][0]["matches"][0]["paths"] = []
    with pytest.raises(jsonschema.ValidationError, match="paths"):
        m.validate(item, "1.37")


@pytest.mark.parametrize("kind", ["ServiceMonitor", "PodMonitor", "PrometheusRule"])
def test_validation_finds_a_field_unknown_to_the_operator(kind):
    spec = {"ServiceMonitor": {"selector": {}, "endpoints": [{"port": "http"}]},
            "PodMonitor": {"selector": {}, "podMetricsEndpoints": [{"port": "http"}]},
            "PrometheusRule": {"groups": [{"name": "g", "rules": [{"alert": "A", "expr": "1", "for": "5m"}]}]}}[kind]
    item = {"apiVersion": "monitoring.coreos.com/v1", "kind": kind, "metadata": {"name": "a"}, "spec": spec}
    m.validate(item, "1.37")
    inner = spec["groups"][0]["rules"][0] if kind == "PrometheusRule" else next(
        value[0] for key, value in spec.items() if key.lower().endswith("endpoints"))
    inner["scrape_timeout"] = "20s"
    with pytest.raises(jsonschema.ValidationError, match="scrape_timeout"):
        m.validate(item, "1.37")
