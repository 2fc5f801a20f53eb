"""Tests of the Helm chart: values, refusals, and consistency with the program and the documentation.

test_snapshots.py covers the rendered objects.
"""

import base64
import json
import re
import shutil
import subprocess
import tarfile
import tomllib

import jsonschema
import pytest
import yaml

import manifests as m

VALUES = yaml.safe_load((m.CHART / "values.yaml").read_text())
SCHEMA = json.loads((m.CHART / "values.schema.json").read_text())
CONFIGURATION = SCHEMA["definitions"]["configuration"]
FULL = m.CHART / "ci/full-values.yaml"
PAIR = {"connector_id": "c-0123456789abcdef0", "transfer_id": "4b1a8c1e-0000-4000-8000-000000000001"}
MINIMAL = {"config": {"transfers": [PAIR]}}
README = (m.CHART / "README.md").read_text()


def blocks(language, text=README):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def leaves(value, path=()):
    """Returns the paths of values that are not a mapping, or an empty one."""
    if isinstance(value, dict) and value:
        return {found for key, inner in value.items() for found in leaves(inner, (*path, key))}
    return {".".join(path)}


@pytest.fixture
def small_chart(tmp_path):
    return m.chart_with_small_files(tmp_path)


# Lint and rejected values

@pytest.mark.parametrize("values", [None, *m.VALUE_SETS], ids=lambda path: path.stem if path else "defaults")
def test_lint_reports_nothing(values):
    done = m.helm("lint", "--strict", m.CHART, "--kube-version", "1.32", *(["--values", values] if values else []))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize("values, message", [
    ({}, "set `config.transfers`, `config.discovery`, `existingConfigMap`, `existingSecret` or `demo: true`"),
    ({"config": {"discovery": {}}}, "/config/discovery"),
    ({"config": {"collector": {"concurrency": 4}}}, "set `config.transfers`"),
    ({"existingConfigMap": "a", "existingSecret": "b"}, "`existingConfigMap` and `existingSecret` are both set"),
    (MINIMAL | {"existingSecret": "b"}, "`config` is set together with"),
])
def test_rejects_values_without_exactly_one_configuration(values, message):
    done = m.template(values)
    assert done.returncode != 0 and message in done.stderr


@pytest.mark.parametrize("values, message", [
    ({"replica": 2}, "replica"),
    ({"serviceMonitor": {"enable": True}}, "enable"),
    ({"image": {"repo": "a"}}, "repo"),
    ({"replicas": "1"}, "/replicas"),
    ({"logLevel": "trace"}, "/logLevel"),
    ({"telemetryPath": "/-/metrics"}, "/telemetryPath"),
    ({"web": {"externalURL": "proxy.example.com/exporter"}}, "/web/externalURL"),
    ({"web": {"externalURL": "https://proxy.example.com/a?b"}}, "/web/externalURL"),
    ({"web": {"routePrefix": "/a//b"}}, "/web/routePrefix"),
    ({"image": {"digest": "0123"}}, "/image/digest"),
    ({"service": {"port": 0}}, "/service/port"),
    ({"podAnnotations": {"a": 1}}, "/podAnnotations/a"),
    ({"serviceMonitor": {"interval": "1 minute"}}, "/serviceMonitor/interval"),
    ({"config": {"discovry": []}}, "discovry"),
    ({"config": {"collector": {"concurency": 4}}}, "concurency"),
    ({"config": {"collector": {"timeout": 10}}}, "/config/collector/timeout"),
    ({"config": {"collector": {"max_refresh_interval": "5 minutes"}}}, "/config/collector/max_refresh_interval"),
    ({"config": {"transfers": [{"connector_id": "c-0123", "transfer_id": "a"}]}}, "/config/transfers/0/connector_id"),
    ({"config": {"transfers": [PAIR | {"transfer_ids": ["a"]}]}}, "/config/transfers/0"),
    ({"config": {"transfers": [PAIR], "accounts": []}}, "/config/accounts"),
    ({"config": {"discovery": {"sqs": []}}}, "sqs"),
    ({"config": {"discovery": {"connectors": []}}}, "/config/discovery/connectors"),
    ({"config": {"discovery": {"files": [{"refresh_interval": "1m"}]}}}, "paths"),
    ({"config": {"discovery": {"files": [{"paths": []}]}}}, "/config/discovery/files/0/paths"),
    ({"config": {"discovery": {"events": [{"account": "prod"}]}}}, "queue_url"),
    ({"config": {"discovery": {"events": [{"queue_url": "transfer-events"}]}}}, "/config/discovery/events/0/queue_url"),
    ({"config": {"discovery": {"cloudtrail": [{"lookback": 7}]}}}, "/config/discovery/cloudtrail/0/lookback"),
    ({"config": {"discovery": {"cloudtrail": [{"refresh_intervall": "1m"}]}}}, "refresh_intervall"),
])
def test_schema_rejects_invalid_values(values, message):
    done = m.template(MINIMAL | values)
    assert done.returncode != 0
    assert "don't meet the specifications of the schema" in done.stderr and message in done.stderr


def test_renders_as_a_subchart(tmp_path):
    parent = tmp_path / "parent"
    (parent / "charts").mkdir(parents=True)
    (parent / "Chart.yaml").write_text("apiVersion: v2\nname: parent\nversion: 1.0.0\n")
    shutil.copytree(m.CHART, parent / "charts/aws-transfer-exporter")
    values = {"global": {"region": "eu", "imageRegistry": "mirror.example"}, "aws-transfer-exporter": {"demo": True}}
    container = m.container(m.render(values, chart=parent))
    assert container["args"][0] == "demo" and container["image"].startswith("mirror.example/aws-transfer-exporter:")


# Values, schema, README

def test_values_and_schema_have_the_same_keys():
    def compare(values, schema, path):
        named = set(schema["properties"])
        assert set(values) <= named, path
        if path not in {"resources", "strategy", "dnsConfig", "persistentVolumeClaimRetentionPolicy"}:
            assert named == set(values), path
        for key, value in values.items():
            inner = schema["properties"][key]
            if isinstance(value, dict) and "properties" in inner:
                compare(value, inner, key)
    compare(VALUES, SCHEMA, "")


def test_full_value_set_changes_every_value():
    full = yaml.safe_load(FULL.read_text())
    given = leaves(full)
    covers = {path for path in leaves(VALUES)
              if any(one == path or one.startswith(path + ".") or path.startswith(one + ".") for one in given)}
    elsewhere = {
        "demo", "configInSecret", "existingConfigMap", "existingSecret", "configKey",  # separate value sets
        "sharding.enabled", "sharding.shards", "autoReloadInterval",  # separate value sets
        *(path for path in leaves(VALUES) if path.startswith(("web.", "storage.", "highAvailability."))),  # separate value sets
        "serviceMonitor.scheme", "serviceMonitor.tlsConfig", "serviceMonitor.basicAuth",
        *(path for path in leaves(VALUES) if path.startswith(("podMonitor.", "prometheusRule.settings."))),
        "podDisruptionBudget.maxUnavailable",  # ignored if minAvailable is set
    }
    same_in_all = {path for path in leaves(VALUES) if path.split(".")[0] in {
        "livenessProbe", "readinessProbe", "securityContext", "podSecurityContext", "strategy", "resources"}}
    assert leaves(VALUES) - covers - elsewhere - same_in_all == set()


def test_readme_lists_every_value_with_its_default():
    rows = re.findall(r"^\| `([\w.]+)` \| (.*?) \| (.*) \|$", README, re.MULTILINE)
    assert len(rows) > 70
    documented = {}
    for path, default, meaning in rows:
        value = VALUES
        for key in path.split("."):
            value = value[key]
        if default != "see `values.yaml`":
            assert yaml.safe_load(default.strip("`").replace("\\|", "|")) == value, path
        assert meaning
        documented[path] = value
    for leaf in leaves(VALUES):
        assert any(leaf == path or leaf.startswith(path + ".") for path in documented), f"{leaf} is not in README.md"


def test_readme_examples_render_a_valid_configuration(tmp_path):
    examples = blocks("yaml")
    assert len(examples) >= 5
    for number, text in enumerate(examples):
        objects = m.render(yaml.safe_load(text))
        for item in objects:
            m.validate(item, m.KUBERNETES_VERSIONS[-1])
        if m.configuration(objects):
            folder = tmp_path / str(number)
            folder.mkdir()
            done = m.check(objects, folder)
            assert done.returncode == 0, text + done.stdout + done.stderr


def test_readme_policies_match_the_documentation():
    permission, trust = map(json.loads, blocks("json"))
    assert permission in map(json.loads, blocks("json", (m.ROOT / "docs/operate/accounts.md").read_text()))
    account = m.the("ServiceAccount", m.render(MINIMAL))["metadata"]
    subject = f"system:serviceaccount:{account['namespace']}:{account['name']}"
    conditions = trust["Statement"][0]["Condition"]["StringEquals"]
    assert [value for key, value in conditions.items() if key.endswith(":sub")] == [subject]


def test_readme_installs_in_five_lines():
    commands = blocks("sh")[0]
    assert len(commands.splitlines()) <= 5
    assert f"helm install {m.RELEASE} deploy/helm/aws-transfer-exporter --namespace {m.NAMESPACE}" in commands


def test_versions_match_the_program():
    chart = yaml.safe_load((m.CHART / "Chart.yaml").read_text())
    version = tomllib.loads((m.ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    assert chart["appVersion"] == version
    program = subprocess.run([m.exporter(), "--version"], capture_output=True, text=True, timeout=10).stdout
    assert program.split()[1] == version


def test_artifact_hub_reads_the_annotations():
    chart = yaml.safe_load((m.CHART / "Chart.yaml").read_text())
    found = {key.removeprefix("artifacthub.io/"): text for key, text in chart["annotations"].items()}
    # Words that Artifact Hub accepts.
    assert found.pop("category") == "monitoring-logging"
    workspace = tomllib.loads((m.ROOT / "Cargo.toml").read_text())["workspace"]["package"]
    assert found.pop("license") == workspace["license"] and chart["home"] == workspace["homepage"]
    links, recommendations, changes = (yaml.safe_load(found.pop(key)) for key in ("links", "recommendations", "changes"))
    assert not found
    assert all(set(link) == {"name", "url"} for link in links) and all(set(item) == {"url"} for item in recommendations)
    assert all(change["kind"] in {"added", "changed", "deprecated", "removed", "fixed", "security"} for change in changes)
    pages = [link["url"] for link in [*links, *(link for change in changes for link in change["links"])]]
    for url in pages:
        assert (m.ROOT / url.removeprefix(f"{chart['home']}/blob/main/")).is_file(), url


# The configuration

# Without the web configuration, which is another file.
DOCUMENT = (m.ROOT / "CONFIGURATION.md").read_text().split("\n## Web configuration")[0]


def test_schema_has_the_documented_keys():
    blocks = [block for block in re.findall(r"^```yaml\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL) if "<" in block]
    # The first is the file itself, whose keys are the headings.
    documented = [set(re.findall(r"^ +(?:- )?(?:\[ )?(\w+): <", block, re.MULTILINE)) for block in blocks[1:]]
    keys = CONFIGURATION["properties"]
    account = keys["accounts"]["items"]["properties"]
    named = [account, account["assume_role"]["properties"], keys["transfers"]["items"]["properties"],
             keys["connectors"]["items"]["properties"],
             set(keys["discovery"]["properties"]),
             *(source["items"]["properties"] for source in keys["discovery"]["properties"].values()),
             keys["flows"]["items"]["properties"], keys["flows"]["items"]["properties"]["expect"]["properties"],
             keys["collector"]["properties"], keys["metrics"]["properties"], keys["limits"]["properties"],
             keys["probe"]["properties"], keys["probe"]["properties"]["connection"]["properties"]]
    assert documented == [set(properties) for properties in named]
    headings = re.findall(r"^## `(\w+)`$", DOCUMENT, re.MULTILINE)
    assert headings == list(keys)
    sources = re.findall(r"^### `discovery\.(\w+)`$", DOCUMENT, re.MULTILINE)
    assert sources == list(keys["discovery"]["properties"])


def test_schema_has_the_documented_bounds():
    found = re.findall(r"^ +# .* ([\d.]+) to ([\d.]+)\.\n +\[ (\w+): <(?:int|float)>", DOCUMENT, re.MULTILINE)
    rows = [(key, low, high) for low, high, key in found]
    assert rows
    sections = (CONFIGURATION["properties"][name]["properties"] for name in ("collector", "metrics", "limits"))
    keys = {key: schema for section in sections for key, schema in section.items()}
    for key, low, high in rows:
        number = keys[key]["anyOf"][0]
        assert (number["minimum"], number["maximum"]) == (float(low), float(high)), key


GOOD = sorted((m.ROOT / "tests/config/good").glob("*.yml")) + [m.ROOT / "example.yml"]


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_schema_accepts_valid_configurations(path):
    schema = CONFIGURATION | {"definitions": SCHEMA["definitions"]}
    jsonschema.Draft7Validator(schema).validate(yaml.safe_load(path.read_text()))


def test_configuration_is_rendered_unchanged():
    full = yaml.safe_load(FULL.read_text())
    name, text = m.configuration(m.rendered(FULL))
    assert name == "aws-transfer-exporter.yml"
    assert yaml.safe_load(text) == full["config"]
    # Numbers are floats in Helm; the exporter would reject 1e+07.
    assert "max_transfers: 10000000\n" in text


def test_configuration_in_a_secret_is_the_same():
    plain, secret = m.render(MINIMAL), m.render(MINIMAL | {"configInSecret": True})
    assert m.configuration(plain) == m.configuration(secret)
    assert m.of_kind("ConfigMap", secret) == []


def checksum(values):
    return m.pod(m.render(values))["metadata"].get("annotations", {}).get("checksum/config")


ROLL = {"rollOnConfigChange": True}
CHANGED = {"config": MINIMAL["config"] | {"collector": {"concurrency": 4}}}


def test_configuration_changes_do_not_roll_the_pod():
    assert m.pod(m.render(MINIMAL)) == m.pod(m.render(CHANGED))
    assert m.pod(m.render(sharded())) == m.pod(m.render(sharded() | CHANGED))
    assert m.pod(m.render(secured())) == m.pod(m.render(secured(config={"basic_auth_users": {"other": "$2y$10$x"}})))


def test_only_configuration_changes_roll_the_pod_with_a_checksum():
    plain, changed = MINIMAL | ROLL, CHANGED | ROLL
    assert checksum(plain) and checksum(changed) and checksum(plain) != checksum(changed)
    assert checksum(plain | {"service": {"port": 80}, "commonLabels": {"a": "b"}}) == checksum(plain)
    secret = [checksum(values | {"configInSecret": True}) for values in (plain, changed)]
    assert secret[0] and secret[1] and secret[0] != secret[1]
    assert checksum(sharded() | ROLL) == checksum(plain) != checksum(sharded() | changed)


@pytest.mark.parametrize("values", [{"existingConfigMap": "a"}, {"existingSecret": "a"}, {"demo": True}])
def test_there_is_no_checksum_of_external_configuration(values):
    assert checksum(values | ROLL) is None


# Templates

def test_configuration_expands_templates():
    values = {"config": MINIMAL["config"] | {"accounts": [{"name": "{{ .Release.Name }}", "region": "eu-central-1"}]}}
    for values in (values, values | {"configInSecret": True}):
        assert yaml.safe_load(m.configuration(m.render(values))[1])["accounts"][0]["name"] == m.RELEASE


@pytest.mark.parametrize("values, of", [
    ({"existingConfigMap": "{{ .Release.Name }}-mine"}, lambda spec: spec["volumes"][0]["configMap"]["name"]),
    ({"existingSecret": "{{ .Release.Name }}-mine"}, lambda spec: spec["volumes"][0]["secret"]["secretName"]),
    (MINIMAL | {"serviceAccount": {"name": "{{ .Release.Name }}-mine"}}, lambda spec: spec["serviceAccountName"]),
    (MINIMAL | {"imagePullSecrets": [{"name": "{{ .Release.Name }}-mine"}]}, lambda spec: spec["imagePullSecrets"][0]["name"]),
    (MINIMAL | {"web": {"existingSecret": "{{ .Release.Name }}-mine"}}, lambda spec: spec["volumes"][2]["secret"]["secretName"]),
    (MINIMAL | {"web": {"existingSecret": "web", "tlsSecret": "{{ .Release.Name }}-mine"}},
     lambda spec: spec["volumes"][3]["secret"]["secretName"]),
    (MINIMAL | {"storage": {"enabled": True, "existingClaim": "{{ .Release.Name }}-mine"}},
     lambda spec: spec["volumes"][1]["persistentVolumeClaim"]["claimName"]),
], ids=lambda value: next((key for key in ("existingConfigMap", "existingSecret", "serviceAccount", "imagePullSecrets", "web", "storage")
                           if key in value), None) if isinstance(value, dict) else "")
def test_names_of_other_objects_expand_templates(values, of):
    assert of(m.pod(m.render(values))["spec"]) == "aws-transfer-exporter-mine"


def test_invalid_names_are_rejected_although_templates_are_not():
    done = m.template({"existingConfigMap": "A_B"})
    assert done.returncode != 0 and "/existingConfigMap" in done.stderr


def test_rules_and_passwords_do_not_expand_templates():
    group = {"name": "ours", "rules": [{"alert": "A", "expr": "1", "annotations": {"summary": "{{ $labels.job }}"}}]}
    values = secured(config={"basic_auth_users": {"a": "{{ b }}"}}) | {"prometheusRule": {"enabled": True, "extraGroups": [group]}}
    objects = m.render(values)
    assert m.the("PrometheusRule", objects)["spec"]["groups"][-1] == group
    (secret,) = m.of_kind("Secret", objects)
    assert "{{ b }}" in base64.b64decode(secret["data"]["web.yml"]).decode()


def test_labels_of_an_object_replace_common_labels():
    values = MINIMAL | {"commonLabels": {"team": "a", "app.kubernetes.io/name": "b"}, "podLabels": {"team": "pod"}}
    values |= {"service": {"labels": {"team": "service", "app.kubernetes.io/instance": "c"}}, "serviceAccount": {"labels": {"team": "account"}}}
    objects = m.render(values)
    labels = {item["kind"]: item["metadata"]["labels"] for item in objects} | {"Pod": m.pod(objects)["metadata"]["labels"]}
    teams = {kind: found["team"] for kind, found in labels.items()}
    assert teams == {"Service": "service", "ServiceAccount": "account", "Deployment": "a", "ConfigMap": "a", "Pod": "pod"}
    for found in labels.values():
        assert (found["app.kubernetes.io/name"], found["app.kubernetes.io/instance"]) == (m.RELEASE, m.RELEASE)


# The program

def test_defaults_match_the_program():
    text = subprocess.run([m.exporter(), "--help"], capture_output=True, text=True, timeout=10).stdout
    default = dict(re.findall(r"(--[a-z.-]+) <(?:(?!\n +--).)*?\[default: (\S+)\]", text, re.DOTALL))
    assert default["--web.listen-address"] == f":{VALUES['containerPort']}"
    assert VALUES["service"]["port"] == VALUES["containerPort"]
    assert default["--web.telemetry-path"] == VALUES["telemetryPath"]
    assert default["--config.file"] == VALUES["configKey"]
    assert default["--log.level"] == VALUES["logLevel"]
    assert default["--log.format"] == VALUES["logFormat"]
    assert default["--storage.lease-duration"] == VALUES["highAvailability"]["leaseDuration"]
    for flag, value in (("--log.level", "logLevel"), ("--log.format", "logFormat")):
        listed = text.split(flag)[1].split("[default")[0]
        assert re.findall(r"^ +- (\w+):", listed, re.MULTILINE) == SCHEMA["properties"][value]["enum"]


# The objects

def test_names_are_valid_with_a_long_release_name():
    release = "r" * 53
    for item in m.render(MINIMAL, release=release):
        assert len(item["metadata"]["name"]) <= 63 and not item["metadata"]["name"].endswith("-")
    names = {item["metadata"]["name"] for item in m.render(MINIMAL, release="a")}
    assert names == {"a-aws-transfer-exporter", "a-aws-transfer-exporter-test-connection"}


def test_image_tag_defaults_to_the_version():
    version = yaml.safe_load((m.CHART / "Chart.yaml").read_text())["appVersion"]
    image = lambda values: m.container(m.render(MINIMAL | {"image": values}))["image"]
    assert image({}) == f"aws-transfer-exporter:{version}"
    assert image({"repository": "r.example/x", "tag": "7"}) == "r.example/x:7"


@pytest.mark.parametrize("own, shared, image", [
    ({}, {}, "aws-transfer-exporter:7"),
    ({"registry": "own.example"}, {}, "own.example/aws-transfer-exporter:7"),
    ({}, {"imageRegistry": "mirror.example:5000/proxy/"}, "mirror.example:5000/proxy/aws-transfer-exporter:7"),
    ({"registry": "own.example"}, {"imageRegistry": "mirror.example"}, "mirror.example/aws-transfer-exporter:7"),
    ({"registry": "own.example"}, {"imageRegistry": None}, "own.example/aws-transfer-exporter:7"),
])
def test_registry_of_a_parent_chart_replaces_that_of_the_image(own, shared, image):
    assert m.container(m.render(MINIMAL | {"image": {"tag": "7"} | own, "global": shared}))["image"] == image


def test_image_pull_secrets_of_a_parent_chart_are_added():
    values = MINIMAL | {"imagePullSecrets": [{"name": "own"}], "global": {"imagePullSecrets": ["shared", {"name": "own"}]}}
    assert m.pod(m.render(values))["spec"]["imagePullSecrets"] == [{"name": "own"}, {"name": "shared"}]
    assert "imagePullSecrets" not in m.pod(m.render(MINIMAL))["spec"]


@pytest.mark.parametrize("values, spec", [
    ({}, {"maxUnavailable": 1}), ({"minAvailable": 1}, {"minAvailable": 1}), ({"minAvailable": 0}, {"minAvailable": 0}),
    ({"maxUnavailable": "25%"}, {"maxUnavailable": "25%"}),
])
def test_disruption_budget_has_one_bound(values, spec):
    budget = m.the("PodDisruptionBudget", m.render(MINIMAL | {"podDisruptionBudget": {"enabled": True} | values}))
    budget["spec"].pop("selector")
    assert budget["spec"] == spec


def test_probes_can_be_changed_and_removed():
    objects = m.render(MINIMAL | {"livenessProbe": None, "readinessProbe": {"periodSeconds": 30}})
    assert "livenessProbe" not in m.container(objects)
    assert m.container(objects)["readinessProbe"]["periodSeconds"] == 30
    assert m.container(objects)["readinessProbe"]["httpGet"]["path"] == "/-/ready"


@pytest.mark.parametrize("web, prefix", [
    ({}, ""),
    ({"externalURL": "https://proxy.example.com"}, ""),
    ({"externalURL": "https://proxy.example.com:8443/a/b/"}, "/a/b"),
    ({"externalURL": "/exporter"}, "/exporter"),
    ({"routePrefix": "a/b/"}, "/a/b"),
    ({"externalURL": "https://proxy.example.com/exporter/", "routePrefix": "/"}, ""),
    ({"externalURL": "https://proxy.example.com/exporter/", "routePrefix": "/other"}, "/other"),
])
def test_probes_and_monitors_follow_the_route_prefix(web, prefix, notes):
    values = MINIMAL | {"web": web, "telemetryPath": "/m", "startupProbe": {"httpGet": {"path": "/-/ready", "port": "health"}}}
    objects = m.render(values | {"serviceMonitor": {"enabled": True}})
    assert m.route_prefix(objects) == prefix
    container = m.container(objects)
    found = {name: probe["httpGet"]["path"] for name, probe in container.items() if name.endswith("Probe")}
    assert found == {"startupProbe": f"{prefix}/-/ready", "livenessProbe": f"{prefix}/-/healthy", "readinessProbe": f"{prefix}/-/ready"}
    assert m.the("ServiceMonitor", objects)["spec"]["endpoints"][0]["path"] == f"{prefix}/m"
    objects = m.render(values | {"podMonitor": {"enabled": True}})
    assert m.the("PodMonitor", objects)["spec"]["podMetricsEndpoints"][0]["path"] == f"{prefix}/m"
    assert f"://127.0.0.1:10922{prefix}/m" in notes(values)


@pytest.mark.parametrize("probe", [{"tcpSocket": {"port": "health"}}, {"exec": {"command": ["true"]}}])
def test_probes_without_a_path_stay_as_they_are(probe):
    objects = m.render(MINIMAL | {"web": {"routePrefix": "/a"}, "startupProbe": probe})
    assert m.container(objects)["startupProbe"] == probe


# Shards

SHARDED = m.CHART / "ci/sharded-values.yaml"


def sharded(shards=3, **values):
    return MINIMAL | {"sharding": {"enabled": True, "shards": shards}} | values


def test_there_are_no_shard_flags_without_sharding():
    for values in (MINIMAL, MINIMAL | {"sharding": {"enabled": False, "shards": 5}}):
        objects = m.render(values)
        assert m.of_kind("StatefulSet", objects) == []
        assert not [argument for argument in m.container(objects)["args"] if "shard" in argument]


@pytest.mark.parametrize("shards", [1, 4])
def test_shard_total_equals_the_number_of_pods(shards):
    objects = m.render(sharded(shards))
    assert m.workload(objects)["spec"]["replicas"] == shards
    assert f"--shard.total={shards}" in m.container(objects)["args"]


def test_extra_arguments_come_last():
    args = m.container(m.render(sharded(extraArgs=["--log.level=debug"])))["args"]
    assert args[-1] == "--log.level=debug" and args.count("--shard.total=3") == 1


def test_service_of_shards_is_headless_with_another_name():
    plain, objects = m.the("Service", m.render(MINIMAL)), m.rendered(SHARDED)
    service = m.the("Service", objects)
    assert service["spec"]["clusterIP"] == "None"
    assert m.the("StatefulSet", objects)["spec"]["serviceName"] == service["metadata"]["name"]
    # clusterIP is immutable: an upgrade has to create another Service.
    assert "clusterIP" not in plain["spec"] and plain["metadata"]["name"] != service["metadata"]["name"]


def test_each_shard_is_scraped_once():
    """With two Services that the ServiceMonitor selects, each pod would be scraped twice."""
    objects = m.rendered(SHARDED)
    selector = m.the("ServiceMonitor", objects)["spec"]["selector"]["matchLabels"]
    found = [item for item in m.of_kind("Service", objects) if selector.items() <= item["metadata"]["labels"].items()]
    assert len(found) == 1
    plain = m.render(MINIMAL | {"serviceMonitor": {"enabled": True}})
    assert m.the("ServiceMonitor", objects)["spec"] == m.the("ServiceMonitor", plain)["spec"]


@pytest.mark.parametrize("values, spec", [
    ({}, {"maxUnavailable": 1}), ({"enabled": False}, {"maxUnavailable": 1}), ({"minAvailable": "50%"}, {"minAvailable": "50%"}),
])
def test_one_shard_at_a_time_can_be_evicted(values, spec):
    budget = m.the("PodDisruptionBudget", m.render(sharded(podDisruptionBudget=values)))
    assert budget["spec"].pop("selector")["matchLabels"].items() <= m.pod(m.render(sharded()))["metadata"]["labels"].items()
    assert budget["spec"] == spec


def test_pods_of_shards_differ_only_in_flags():
    plain, shard = m.pod(m.render(MINIMAL)), m.pod(m.render(sharded()))
    container = m.container(m.render(sharded()))
    shard["spec"]["containers"][0]["args"] = [flag for flag in container["args"] if not flag.startswith("--shard.")]
    assert shard == plain and len(container["args"]) == len(plain["spec"]["containers"][0]["args"]) + 2


@pytest.mark.parametrize("values, message", [
    ({"sharding": {"enabled": True}, "demo": True}, "`sharding` is set together with `demo`"),
    (sharded(replicas=2), "`replicas` is set together with `sharding`"),
    (sharded(service={"type": "NodePort"}), "`service.type` is NodePort together with `sharding`"),
    (sharded(ingress={"enabled": True, "hosts": [{"host": "a.example"}]}), "`ingress` or `route` is enabled together with `sharding`"),
    (sharded(route={"other": {"enabled": True}}), "`ingress` or `route` is enabled together with `sharding`"),
])
def test_rejects_unsupported_values_with_sharding(values, message):
    done = m.template(values)
    assert done.returncode != 0 and message in done.stderr


@pytest.mark.parametrize("sharding, message", [
    ({"enabled": True, "shards": 0}, "/sharding/shards"), ({"shards": "3"}, "/sharding/shards"),
    ({"enable": True}, "enable"), ({"enabled": "yes"}, "/sharding/enabled"),
])
def test_schema_rejects_an_invalid_number_of_shards(sharding, message):
    done = m.template(MINIMAL | {"sharding": sharding})
    assert done.returncode != 0 and "don't meet the specifications of the schema" in done.stderr and message in done.stderr


def test_stateful_set_name_leaves_room_for_suffixes():
    for item in m.render(sharded(1000), release="r" * 53):
        assert len(item["metadata"]["name"]) <= 63 and not item["metadata"]["name"].endswith("-")
        if item["kind"] == "StatefulSet":
            # Labels controller-revision-hash, with a hash of ten, and statefulset.kubernetes.io/pod-name.
            assert len(item["metadata"]["name"] + "-0123456789") <= 63


def test_notes_of_shards_have_one_port_forward_and_all_logs(notes):
    text = notes(SHARDED)
    assert "Show the metrics of one of 3 shards:" in text
    assert "port-forward statefulset/aws-transfer-exporter 10922:10922\n" in text
    assert "logs --prefix --selector app.kubernetes.io/instance=aws-transfer-exporter\n" in text
    assert "WARNING" not in text
    assert "rollout restart statefulset/aws-transfer-exporter\n" in notes(
        {"existingConfigMap": "mine", "autoReloadInterval": "0s", "sharding": {"enabled": True}})


# Storage

PATH = "/var/lib/aws-transfer-exporter"


def stored(**storage):
    return MINIMAL | {"storage": {"enabled": True} | storage}


def mounted(objects):
    """Returns the mount path of the persistent volume, and whether it is writable."""
    (mount,) = [item for item in m.container(objects)["volumeMounts"] if item["name"] == "storage"]
    return mount["mountPath"], not mount.get("readOnly", False)


def claims(objects):
    return m.the("StatefulSet", objects)["spec"].get("volumeClaimTemplates", [])


@pytest.mark.parametrize("name, pods", [("storage", 1), ("existing-claim", 1), ("sharded-storage", 2), ("discovery", 1), ("sharded-discovery", 2)])
def test_storage_path_is_a_persistent_volume(name, pods):
    objects = m.rendered(m.CHART / f"ci/{name}-values.yaml")
    assert m.of_kind("Deployment", objects) == []
    assert m.workload(objects)["spec"]["replicas"] == pods
    assert mounted(objects) == (PATH, True)
    assert f"--storage.path={PATH}/state" in m.container(objects)["args"]
    # Otherwise only root could write to the volume.
    assert m.pod(objects)["spec"]["securityContext"]["fsGroup"] == 65532
    volumes = {item["name"]: item for item in m.pod(objects)["spec"]["volumes"]}
    made = [claim["metadata"]["name"] for claim in claims(objects)]
    assert ("storage" in volumes) != (made == ["storage"])


def volume(objects):
    """Returns the source of the volume with the state, or None."""
    volumes = [item for item in m.pod(objects)["spec"]["volumes"] if item["name"] == "storage"]
    mounts = [item for item in m.container(objects)["volumeMounts"] if item["name"] == "storage"]
    path = [argument for argument in m.container(objects)["args"] if argument.startswith("--storage.path=")]
    assert len(mounts) == len(path)
    return {key: value for key, value in volumes[0].items() if key != "name"} if volumes else None


def test_state_without_a_persistent_volume_survives_restarts_of_the_container():
    for objects in (m.render(MINIMAL), m.rendered(SHARDED), m.render(stored(enabled=False, storageClass="gp3"))):
        assert volume(objects) == {"emptyDir": {}} and mounted(objects) == (PATH, True)
        assert "volumeClaimTemplates" not in m.workload(objects)["spec"]
    limited = m.render(MINIMAL | {"storage": {"emptyDir": {"sizeLimit": "100Mi"}}})
    assert volume(limited) == {"emptyDir": {"sizeLimit": "100Mi"}}


def test_there_is_no_volume_without_storage():
    objects = m.render(MINIMAL | {"storage": {"emptyDir": {"enabled": False}}})
    assert volume(objects) is None and "--storage.path" not in " ".join(m.container(objects)["args"])


@pytest.mark.parametrize("storage, persistent", [
    ({}, False), ({"storageClass": "gp3"}, True), ({"existingClaim": "a"}, True), ({"size": "5Gi"}, False),
    ({"enabled": True}, True), ({"enabled": False, "storageClass": "gp3"}, False), ({"enabled": False, "existingClaim": "a"}, False),
])
def test_a_named_volume_enables_storage(storage, persistent):
    objects = m.render(MINIMAL | {"storage": storage})
    assert m.workload(objects)["kind"] == ("StatefulSet" if persistent else "Deployment")
    assert (volume(objects) != {"emptyDir": {}}) == persistent


def test_the_demo_has_no_volume():
    objects = m.render({"demo": True, "storage": {"storageClass": "gp3"}})
    assert m.workload(objects)["kind"] == "Deployment"
    assert "volumes" not in m.pod(objects)["spec"] and "--storage.path" not in " ".join(m.container(objects)["args"])


@pytest.mark.parametrize("given, name", [("", None), ("gp3", "gp3"), ("-", "")])
def test_storage_class_can_be_the_default_or_none(given, name):
    (claim,) = claims(m.render(stored(storageClass=given)))
    assert claim["spec"].get("storageClassName") == name


def test_labels_of_a_claim_cannot_replace_those_of_the_selector():
    (claim,) = claims(m.render(stored(labels={"app.kubernetes.io/name": "a", "backup": "daily"})))
    assert claim["metadata"]["labels"] == {
        "app.kubernetes.io/name": m.RELEASE, "app.kubernetes.io/instance": m.RELEASE, "backup": "daily"}


def test_storage_does_not_change_the_service():
    plain, objects = m.render(MINIMAL), m.render(stored())
    assert m.the("Service", objects) == m.the("Service", plain)
    assert m.the("StatefulSet", objects)["spec"]["serviceName"] == m.the("Service", plain)["metadata"]["name"]
    assert not [argument for argument in m.container(objects)["args"] if "shard" in argument]
    assert m.of_kind("PodDisruptionBudget", objects) == []


def test_replicas_with_storage_have_separate_volumes():
    objects = m.render(stored() | {"replicas": 2})
    assert m.workload(objects)["spec"]["replicas"] == 2 and len(claims(objects)) == 1


@pytest.mark.parametrize("values, message", [
    ({"demo": True, "storage": {"enabled": True}}, "`storage` is set together with `demo`"),
    (stored(existingClaim="a") | {"replicas": 2}, "`storage.existingClaim` is set together with several pods"),
    (stored(existingClaim="a") | {"sharding": {"enabled": True}}, "`storage.existingClaim` is set together with several pods"),
    (stored(size="much"), "/storage/size"),
    (stored(size=""), "/storage/size"),
    (stored(existingClaim="A_B"), "/storage/existingClaim"),
    (stored(path="/data"), "path"),
    (stored(enabled="yes"), "/storage/enabled"),
    (stored(accessModes=[]), "/storage/accessModes"),
    (stored(accessModes=["ReadOnlyMany"]), "/storage/accessModes/0"),
    (stored(persistentVolumeClaimRetentionPolicy={"whenDeleted": "Keep"}), "whenDeleted"),
    (stored(emptyDir={"sizeLimit": "much"}), "/storage/emptyDir/sizeLimit"),
])
def test_rejects_unsupported_values_with_storage(values, message):
    done = m.template(values)
    assert done.returncode != 0 and message in done.stderr


# High availability

TABLE = "dynamodb://aws-transfer-exporter?region=eu-central-1"


def available(**values):
    return MINIMAL | {"highAvailability": {"enabled": True, "url": TABLE} | values}


def automatic(shards=5, **values):
    """Returns values with automatic shards."""
    return available(**values) | {"sharding": {"enabled": True, "shards": shards}}


def test_pods_with_high_availability_share_a_table_and_have_no_volume():
    objects = m.render(available(replicas=3, leaseDuration="30s"))
    assert m.the("Deployment", objects)["spec"]["replicas"] == 3 and m.of_kind("StatefulSet", objects) == []
    assert m.flags(objects)["--storage.url"] == TABLE
    assert m.flags(objects)["--storage.lease-duration"] == "30s"
    assert "--storage.path" not in m.flags(objects)
    assert [item["name"] for item in m.pod(objects)["spec"]["volumes"]] == ["config"]
    assert [item["name"] for item in m.container(objects)["volumeMounts"]] == ["config"]


def test_there_are_no_flags_of_a_table_without_high_availability():
    for values in (MINIMAL, available(enabled=False)):
        assert m.render(values) == m.render(MINIMAL)
        assert "--storage.url" not in m.flags(m.render(values))


def test_high_availability_does_not_change_the_service():
    plain = m.the("Service", m.render(MINIMAL))
    for pods in ("all", "owner"):
        assert m.the("Service", m.render(available(readyPods=pods))) == plain


def test_pods_with_high_availability_are_spread_unless_scheduling_is_set():
    def spread(values):
        return m.pod(m.render(values))["spec"].get("topologySpreadConstraints", [])

    labels = {"app.kubernetes.io/name": m.RELEASE, "app.kubernetes.io/instance": m.RELEASE}
    found = spread(available())
    assert [item["topologyKey"] for item in found] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    for item in found:
        # A cluster with one node runs all pods.
        assert (item["maxSkew"], item["whenUnsatisfiable"]) == (1, "ScheduleAnyway")
        assert item["labelSelector"] == {"matchLabels": labels}
    own = [{"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}]
    assert spread(available() | {"topologySpreadConstraints": own}) == own
    assert spread(available() | {"affinity": {"nodeAffinity": {}}}) == spread(MINIMAL) == []


def deployment_controller(spec, ready):
    """Simulates a rollout as kube-controller-manager does (pkg/controller/deployment/rolling.go), and returns the numbers of old
    and new pods at its end, and the smallest number of ready pods. `ready(old, new)` returns how many of both are ready."""
    def rounded(value, up):
        share = int(value.removesuffix("%")) * spec["replicas"] / 100 if isinstance(value, str) else value
        return int(-(-share // 1)) if up else int(share)

    rolling = spec["strategy"]["rollingUpdate"]
    replicas, surge, away = spec["replicas"], rounded(rolling["maxSurge"], True), rounded(rolling["maxUnavailable"], False)
    old, new, fewest = replicas, 0, replicas
    for _ in range(10 * replicas):
        old_ready, new_ready = ready(old, new)
        fewest = min(fewest, old_ready + new_ready)
        if new < replicas and old + new < replicas + surge:
            new = min(replicas, replicas + surge - old)
            continue
        excess = old + new - (replicas - away) - (new - new_ready)
        if excess <= 0:
            continue
        unhealthy = min(old - old_ready, excess)
        old -= unhealthy
        old -= max(0, min(old, old_ready + new_ready - (replicas - away)))
    return old, new, fewest


def owner_only(old, new):
    """The owner is an old pod for as long as there is one."""
    return (1, 0) if old else (0, min(new, 1))


@pytest.mark.parametrize("replicas", [1, 2, 3])
def test_rollouts_complete(replicas):
    everyone = m.the("Deployment", m.render(available(replicas=replicas)))["spec"]
    assert deployment_controller(everyone, lambda old, new: (old, new)) == (0, replicas, replicas)
    owner = m.the("Deployment", m.render(available(replicas=replicas, readyPods="owner")))["spec"]
    old, new, _ = deployment_controller(owner, owner_only)
    assert (old, new) == (0, replicas)


def test_a_rollout_that_waits_for_ready_standbys_would_not_complete():
    """The reason for the strategy with `readyPods: owner`."""
    for surge, away in ((1, 0), (1, 1), (0, 1)):
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": away}}
        old, _, _ = deployment_controller({"replicas": 2, "strategy": strategy}, owner_only)
        assert old >= 1


def test_strategy_is_a_value_if_all_pods_are_ready():
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    assert m.the("Deployment", m.render(available() | {"strategy": strategy}))["spec"]["strategy"] == strategy
    for pods in ("all", "owner"):
        spec = m.the("Deployment", m.render(available(readyPods=pods) | {"strategy": {"type": "Recreate"}}))["spec"]
        assert spec["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize("replicas", [1, 2, 3])
def test_evictions_leave_a_pod_and_do_not_block_a_drain(replicas):
    budget = m.the("PodDisruptionBudget", m.render(available(replicas=replicas)))["spec"]
    assert budget.pop("selector")["matchLabels"].items() <= m.pod(m.render(available()))["metadata"]["labels"].items()
    assert budget == {"maxUnavailable": 1}
    # One ready pod of several would leave no disruption to allow.
    assert m.of_kind("PodDisruptionBudget", m.render(available(replicas=replicas, readyPods="owner"))) == []


@pytest.mark.parametrize("pods, ready", [("all", "/-/healthy"), ("owner", "/-/ready")])
def test_readiness_is_that_of_the_pod_or_of_the_owner(pods, ready):
    for prefix in ("", "/a"):
        container = m.container(m.render(available(readyPods=pods) | {"web": {"routePrefix": prefix}}))
        assert container["readinessProbe"]["httpGet"]["path"] == prefix + ready
        assert container["livenessProbe"]["httpGet"]["path"] == f"{prefix}/-/healthy"
    probe = {"httpGet": {"path": "/metrics", "port": "http"}}
    container = m.container(m.render(available(readyPods=pods) | {"readinessProbe": probe}))
    assert container["readinessProbe"]["httpGet"]["path"] == "/metrics"


def test_several_pods_with_high_availability_may_share_a_queue():
    """Only the owner receives its messages."""
    assert m.render(available() | discovering(events=[QUEUE]))


@pytest.mark.parametrize("values, message", [
    (available(url=""), "`highAvailability` is enabled without `highAvailability.url`: set it to a table"),
    (available() | {"storage": {"enabled": True}}, "set `storage.enabled` to false"),
    (available() | {"storage": {"storageClass": "gp3"}}, "set `storage.enabled` to false"),
    (available() | {"storage": {"existingClaim": "a"}}, "set `storage.enabled` to false"),
    (automatic() | {"storage": {"enabled": True}}, "set `storage.enabled` to false"),
    (automatic() | {"storage": {"existingClaim": "a"}}, "set `storage.enabled` to false"),
    (automatic() | {"replicas": 2}, "set `highAvailability.replicas` instead"),
    (automatic(readyPods="owner"), "`highAvailability.readyPods` is owner together with `sharding`"),
    (automatic(url=""), "`highAvailability` is enabled without `highAvailability.url`"),
    (automatic() | {"service": {"type": "LoadBalancer"}}, "`service.type` is LoadBalancer together with `sharding`"),
    (automatic() | {"route": {"main": {"enabled": True}}}, "`ingress` or `route` is enabled together with `sharding`"),
    (automatic(shards=2, replicas=3) | {"web": {"enableWriteApi": True}}, "set `highAvailability.replicas` to `sharding.shards` or less"),
    (automatic(shards=0), "/sharding/shards"),
    (available() | {"replicas": 2}, "set `highAvailability.replicas` instead"),
    ({"demo": True, "highAvailability": {"enabled": True, "url": TABLE}}, "`highAvailability` is enabled together with `demo`"),
    (available() | {"ingress": {"enabled": True, "hosts": [{"host": "a.example"}]}}, "set `highAvailability.readyPods` to owner"),
    (available() | {"route": {"main": {"enabled": True}}}, "set `highAvailability.readyPods` to owner"),
    (available() | {"service": {"type": "LoadBalancer"}}, "set `highAvailability.readyPods` to owner"),
    (available() | {"web": {"enableWriteApi": True}}, "set `highAvailability.readyPods` to owner"),
    (available(readyPods="owner") | {"podDisruptionBudget": {"enabled": True}}, "set `highAvailability.readyPods` to all"),
    (available(url="aws-transfer-exporter"), "/highAvailability/url"),
    (available(url="dynamodb://ab"), "/highAvailability/url"),
    (available(url=f'{TABLE}&prefix="a"'), "/highAvailability/url"),
    (available(replicas=0), "/highAvailability/replicas"),
    (available(leaseDuration="15"), "/highAvailability/leaseDuration"),
    (available(readyPods="standby"), "/highAvailability/readyPods"),
    (available(enable=True), "enable"),
])
def test_rejects_unsupported_values_with_high_availability(values, message):
    done = m.template(values)
    assert done.returncode != 0 and message in done.stderr, done.stderr


def test_high_availability_accepts_storage_that_is_disabled():
    assert m.render(available() | {"storage": {"enabled": False, "storageClass": "gp3"}})
    assert m.render(available(readyPods="owner") | {"web": {"enableWriteApi": True}, "service": {"type": "LoadBalancer"}})


@pytest.mark.parametrize("lease, starts", [("3s", True), ("10m", True), ("1s", False), ("1h", False)])
def test_exporter_checks_the_lease_duration(lease, starts, tmp_path):
    values = available(leaseDuration=lease) | {"config": MINIMAL["config"] | {"accounts": [{"name": "a", "region": "eu-central-1"}]}}
    with m.running(m.render(values), tmp_path) as (urls, process, log):
        if starts:
            assert m.get(urls["health"] + "/-/healthy")[0] == 200, log.read_text()
        else:
            assert process.wait(timeout=10) == 2 and "expected a duration of 3s to 10m" in log.read_text()


def test_a_standby_is_healthy_and_not_ready(tmp_path):
    objects = m.rendered(m.CHART / "ci/high-availability-values.yaml")
    with m.running(objects, tmp_path) as (urls, _, log):
        assert m.get(urls["health"] + "/-/healthy")[0] == 200, log.read_text()
        assert m.get(urls["health"] + "/-/ready")[0] == 503
        assert 'aws_transfer_exporter_leader{shard="0"} 0\n' in m.get(urls["http"] + "/metrics")[1]


def test_notes_of_high_availability_name_the_table_and_the_owner(notes):
    text = notes(available())
    assert f"aws-transfer-exporter storage init --storage.url='{TABLE}'\n" in text
    assert "Show the metrics of one of 2 pods, where `aws_transfer_exporter_leader` is 1 on the owner:" in text
    assert "port-forward service/aws-transfer-exporter 10922:10922\n" in text
    assert "logs --prefix --selector app.kubernetes.io/instance=aws-transfer-exporter\n" in text
    assert "WARNING" not in text
    assert "Show the metrics:" in notes(available(readyPods="owner")) and "storage init" not in notes(MINIMAL)
    assert "Transfers reported by the queue are lost" not in notes(available() | discovering(events=[QUEUE]))


# Automatic shards

AUTOMATIC = m.CHART / "ci/automatic-shards-values.yaml"


@pytest.mark.parametrize("shards, replicas", [(5, 3), (5, 5), (2, 7), (1, 1)])
def test_the_number_of_pods_with_automatic_shards_is_free(shards, replicas):
    objects = m.render(automatic(shards, replicas=replicas))
    assert m.of_kind("StatefulSet", objects) == []
    assert m.the("Deployment", objects)["spec"]["replicas"] == replicas
    flags = [argument for argument in m.container(objects)["args"] if "shard" in argument]
    assert flags == ["--shard.index=auto", f"--shard.total={shards}"]


def test_pods_with_automatic_shards_differ_from_standbys_only_in_flags():
    plain, objects = m.render(available()), m.render(automatic())
    args = m.container(objects)["args"]
    assert [item["name"] for item in m.pod(objects)["spec"]["volumes"]] == ["config"]
    m.container(objects)["args"] = [flag for flag in args if not flag.startswith("--shard.")]
    assert m.the("Deployment", objects) == m.the("Deployment", plain)


def test_another_number_of_pods_does_not_roll_those_with_automatic_shards():
    assert m.pod(m.render(automatic(replicas=3))) == m.pod(m.render(automatic(replicas=4)))
    assert m.pod(m.render(automatic(shards=5))) != m.pod(m.render(automatic(shards=6)))


@pytest.mark.parametrize("monitor, kind", [("serviceMonitor", "ServiceMonitor"), ("podMonitor", "PodMonitor")])
def test_every_pod_with_automatic_shards_is_scraped_once(monitor, kind):
    objects = m.render(automatic() | {monitor: {"enabled": True}})
    selector = m.the(kind, objects)["spec"]["selector"]["matchLabels"]
    service = m.the("Service", objects)
    assert selector.items() <= service["metadata"]["labels"].items()
    labels = m.pod(objects)["metadata"]["labels"]
    assert selector.items() <= labels.items() and service["spec"]["selector"].items() <= labels.items()
    # Its endpoints are the pods, and no cluster IP leads to one of them.
    assert service == m.the("Service", m.render(sharded())) and service["spec"]["clusterIP"] == "None"


@pytest.mark.parametrize("values, spec", [({}, {"maxUnavailable": 1}), ({"minAvailable": 2}, {"minAvailable": 2})])
def test_one_pod_with_automatic_shards_at_a_time_can_be_evicted(values, spec):
    objects = m.render(automatic() | {"podDisruptionBudget": values})
    budget = m.the("PodDisruptionBudget", objects)["spec"]
    assert budget.pop("selector")["matchLabels"].items() <= m.pod(objects)["metadata"]["labels"].items()
    assert budget == spec


@pytest.mark.parametrize("replicas", [1, 3, 7])
def test_rollouts_of_pods_with_automatic_shards_complete(replicas):
    """Also with more pods than shards, of which some own none."""
    objects = m.render(automatic(shards=2, replicas=replicas))
    assert m.container(objects)["readinessProbe"]["httpGet"]["path"] == "/-/healthy"
    assert deployment_controller(m.the("Deployment", objects)["spec"], lambda old, new: (old, new)) == (0, replicas, replicas)


def test_pods_with_automatic_shards_share_a_queue_and_accept_writes():
    """A pod passes on what belongs to the shard of another."""
    assert m.render(automatic() | discovering(events=[QUEUE]))
    flags = m.container(m.render(automatic(shards=3, replicas=3) | {"web": {"enableWriteApi": True}}))["args"]
    assert "--web.enable-write-api" in flags


def test_exporter_accepts_the_flags_of_automatic_shards(tmp_path):
    objects = m.rendered(AUTOMATIC)
    with m.running(objects, tmp_path) as (urls, _, log):
        assert m.get(urls["health"] + "/-/healthy")[0] == 200, log.read_text()
        assert m.get(urls["health"] + "/-/ready")[0] == 503
        text = m.get(urls["http"] + "/metrics")[1]
        leaders = re.findall(r'^aws_transfer_exporter_leader\{shard="(\d+)"\} 0$', text, re.MULTILINE)
        assert leaders == list("01234")


def test_notes_of_automatic_shards_name_the_pods_and_the_shards(notes):
    text = notes(AUTOMATIC)
    assert "Show the metrics of one of 3 pods, where `aws_transfer_exporter_leader` is 1 for those of 5 shards that it owns:\n" in text
    assert "port-forward deployment/aws-transfer-exporter 10922:10922\n" in text
    assert f"aws-transfer-exporter storage init --storage.url='{TABLE}'\n" in text
    assert "WARNING" not in text and "Transfers reported by the queue are lost" not in text


# Discovery

QUEUE = {"queue_url": "https://sqs.eu-central-1.amazonaws.com/123456789012/transfer-events"}


def discovering(**sources):
    return {"config": {"accounts": [{"name": "prod", "region": "eu-central-1"}], "discovery": sources}}


@pytest.mark.parametrize("sources", [
    {"files": [{"paths": ["/etc/transfers/*.yml"]}]}, {"events": [QUEUE]}, {"cloudtrail": [{"account": "prod"}]},
    {"connectors": [{"include": ["c-0*"]}]},
], ids=lambda sources: next(iter(sources)))
def test_a_single_discovery_source_is_sufficient(sources, tmp_path):
    objects = m.render(discovering(**sources))
    assert yaml.safe_load(m.configuration(objects)[1])["discovery"] == sources
    done = m.check(objects, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("values", [
    {"replicas": 2}, {"sharding": {"enabled": True, "shards": 2}}, {"replicas": 2, "storage": {"enabled": True}},
])
def test_rejects_one_queue_for_several_pods(values):
    done = m.template(discovering(connectors=[{}], events=[QUEUE]) | values)
    assert done.returncode != 0 and "`config.discovery.events[0].queue_url` is one queue for several pods" in done.stderr
    for url in (QUEUE["queue_url"] + "-${SHARD}", "${QUEUE_URL}"):
        assert m.render(discovering(events=[{"queue_url": url}]) | values)


def test_accepts_one_queue_for_one_pod():
    for values in ({}, {"sharding": {"enabled": True, "shards": 1}}, {"storage": {"enabled": True}}):
        assert m.render(discovering(events=[QUEUE]) | values)


@pytest.mark.parametrize("enabled", [True, False])
def test_network_policy_reaches_the_pod_identity_agent(enabled):
    policy = m.the("NetworkPolicy", m.render(MINIMAL | {"networkPolicy": {"enabled": True, "podIdentityAgent": enabled}}))
    addresses = {to["ipBlock"]["cidr"] for rule in policy["spec"]["egress"] for to in rule.get("to", [])}
    assert addresses == ({"169.254.170.23/32", "fd00:ec2::23/128"} if enabled else set())


def test_notes_warn_about_a_queue_without_storage(notes):
    lost = "Transfers reported by the queue are lost when the pod is deleted"
    assert lost in notes(discovering(events=[QUEUE]))
    assert lost not in notes(discovering(events=[QUEUE]) | {"storage": {"enabled": True}})
    assert lost not in notes(discovering(events=[QUEUE]) | {"storage": {"storageClass": "gp3"}})
    assert lost not in notes(discovering(events=[QUEUE], cloudtrail=[{}]))
    assert lost not in notes(MINIMAL)
    assert "discovery_up" in notes(discovering(connectors=[{}])) and "discovery_up" not in notes(MINIMAL)


# Pages

def exposed(**values):
    return MINIMAL | {"ingress": {"enabled": True, "hosts": [{"host": "{{ .Release.Name }}.example"}]}} | values


def test_an_ingress_has_all_paths_of_a_host_by_default():
    ingress = m.the("Ingress", m.render(exposed()))["spec"]
    (rule,) = ingress["rules"]
    (path,) = rule["http"]["paths"]
    assert rule["host"] == "aws-transfer-exporter.example" and (path["path"], path["pathType"]) == ("/", "Prefix")
    assert "ingressClassName" not in ingress and "tls" not in ingress


def test_an_ingress_needs_a_host():
    done = m.template(MINIMAL | {"ingress": {"enabled": True}})
    assert done.returncode != 0 and "`ingress` is enabled without `ingress.hosts`" in done.stderr


def test_routes_beside_main_have_their_own_names():
    routes = {"main": {"enabled": True}, "publicRedirect": {"enabled": True, "httpsRedirect": True}, "unused": {"enabled": False}}
    found = {item["metadata"]["name"]: item["spec"]["rules"] for item in m.of_kind("HTTPRoute", m.render(MINIMAL | {"route": routes}))}
    assert set(found) == {"aws-transfer-exporter", "aws-transfer-exporter-public-redirect"}
    assert found["aws-transfer-exporter-public-redirect"][0]["filters"][0]["requestRedirect"]["scheme"] == "https"
    assert m.of_kind("HTTPRoute", m.render(MINIMAL)) == []


@pytest.mark.parametrize("values, message", [
    (exposed(ingress={"host": "a"}), "host"),
    (exposed(ingress={"enabled": True, "hosts": [{"host": "a", "paths": [{"path": "transfers"}]}]}), "/ingress/hosts/0/paths/0/path"),
    (exposed(route={"main": {"enable": True}}), "enable"),
    (exposed(route={"other": {"parentRefs": [{"namespace": "a"}]}}), "/route/other/parentRefs/0"),
])
def test_schema_rejects_an_invalid_ingress_or_route(values, message):
    done = m.template(values)
    assert done.returncode != 0 and "don't meet the specifications of the schema" in done.stderr and message in done.stderr


def test_notes_warn_about_pages_without_a_password(notes):
    warning = "can be reached from outside the cluster without a password"
    route = MINIMAL | {"route": {"main": {"enabled": True}}}
    for values in (exposed(), route, MINIMAL | {"service": {"type": "LoadBalancer"}}):
        assert warning in notes(values)
        assert warning not in notes(values | {"web": {"existingSecret": "web"}})
    assert warning not in notes(MINIMAL)


def test_notes_ask_for_the_url_of_the_exporter_on_dashboards(notes):
    text = "Links of the dashboards lead to http://localhost:10922."
    board = {"dashboards": {"enabled": True}}
    assert text in notes(MINIMAL | board) and text not in notes(MINIMAL) and text not in notes(exposed() | board)
    assert text not in notes(MINIMAL | {"dashboards": {"enabled": True, "exporterURL": "https://a.example"}})


def test_notes_warn_about_a_policy_that_rejects_the_ingress(notes):
    warning = "`networkPolicy` rejects requests from outside"
    policy = {"enabled": True}
    assert warning in notes(exposed(networkPolicy=policy))
    assert warning not in notes(exposed(networkPolicy=policy | {"extraIngress": [{"from": [{"podSelector": {}}]}]}))
    assert warning not in notes(exposed()) and warning not in notes(MINIMAL | {"networkPolicy": policy})


def test_helm_test_has_a_pod_unless_it_would_need_a_password(notes):
    command = "helm test aws-transfer-exporter --namespace monitoring\n"
    for values, count in ((MINIMAL, 1), (MINIMAL | {"testConnection": False}, 0), (secured(), 0)):
        assert len(m.of_kind("Pod", m.render(values))) == count
        assert (command in notes(values)) == bool(count)


# Monitors

@pytest.mark.parametrize("kind, endpoints", [("serviceMonitor", "endpoints"), ("podMonitor", "podMetricsEndpoints")])
def test_limits_are_absent_by_default_and_whole_numbers(kind, endpoints):
    limits = {key for key in VALUES[kind] if key.endswith("Limit")} | {"keepDroppedTargets"}
    spec = m.the(kind[0].upper() + kind[1:], m.render(MINIMAL | {kind: {"enabled": True}}))["spec"]
    assert len(limits) == 8 and not limits & spec.keys() and len(spec[endpoints]) == 1
    numbers = {key: 10_000_000 for key in limits - {"bodySizeLimit"}}
    spec = m.the(kind[0].upper() + kind[1:], m.render(MINIMAL | {kind: {"enabled": True, "bodySizeLimit": "1GB"} | numbers}))["spec"]
    assert {key: spec[key] for key in limits} == numbers | {"bodySizeLimit": "1GB"}


def test_a_pod_monitor_scrapes_as_a_service_monitor():
    assert set(VALUES["serviceMonitor"]) - {"targetLabels"} == set(VALUES["podMonitor"])
    assert {key: VALUES["podMonitor"][key] for key in VALUES["podMonitor"]} == {
        key: VALUES["serviceMonitor"][key] for key in VALUES["podMonitor"]}
    service = m.the("ServiceMonitor", m.render(secured()))["spec"]
    values = secured() | {"podMonitor": {"enabled": True}}
    values.pop("serviceMonitor")
    pod = m.the("PodMonitor", m.render(values))["spec"]
    assert pod.pop("podMetricsEndpoints") == service.pop("endpoints")
    assert pod == service


def test_rejects_two_monitors():
    done = m.template(MINIMAL | {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}})
    assert done.returncode != 0 and "`serviceMonitor` and `podMonitor` are both enabled" in done.stderr


def test_notes_name_the_monitors_if_none_is_enabled(notes):
    missing = "No ServiceMonitor was created"
    assert missing in notes(MINIMAL)
    for kind in ("serviceMonitor", "podMonitor"):
        assert missing not in notes(MINIMAL | {kind: {"enabled": True}})


# Dashboards

def test_dashboards_are_config_maps_for_the_sidecar(small_chart):
    chart, text = small_chart, m.SMALL_DASHBOARD
    board = m.the("ConfigMap", m.render({"demo": True, "dashboards": {"enabled": True}}, chart=chart))
    assert board["metadata"]["name"] == "aws-transfer-exporter-dashboard-fleet-overview"
    assert board["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert board["data"] == {"Fleet_overview.json": text}
    board = next(item for item in m.render(FULL, chart=chart) if "-dashboard-" in item["metadata"]["name"])
    assert board["metadata"]["namespace"] == "grafana" and board["metadata"]["labels"]["dashboard"] == "yes"
    assert board["metadata"]["annotations"] == {"grafana_folder": "AWS"}
    m.validate(board, m.KUBERNETES_VERSIONS[-1])


def test_sync_adds_new_files_and_removes_orphans(tmp_path):
    shutil.copytree(m.ROOT / "deploy/helm", tmp_path / "deploy/helm")
    chart = tmp_path / "deploy/helm/aws-transfer-exporter"
    run = lambda *arguments: subprocess.run([tmp_path / "deploy/helm/sync", *arguments], capture_output=True, text=True, timeout=30)
    shutil.rmtree(chart / "files/dashboards")
    assert run("--check").returncode == 0
    (tmp_path / "dashboards").mkdir()
    (tmp_path / "dashboards/b.json").write_text("{}\n")
    done = run("--check")
    assert done.returncode == 1 and "files/dashboards/b.json: differs" in done.stdout
    assert not (chart / "files/dashboards").exists()
    assert run().returncode == 0 and run("--check").returncode == 0
    assert (chart / "files/dashboards/b.json").read_text() == "{}\n"
    (tmp_path / "dashboards/b.json").unlink()
    assert run("--check").returncode == 1
    assert run().returncode == 0 and not (chart / "files/dashboards/b.json").exists()
    values = chart / "values.yaml"
    values.write_text(values.read_text() + "# -- Something new.\nsomethingNew: 1\n")
    assert run("--check").returncode == 1 and run().returncode == 0
    assert "| `somethingNew` | `1` | Something new. |" in (chart / "README.md").read_text()
    settings = chart / "files/settings.json"
    text = settings.read_text()
    settings.write_text(text.replace('"AwsTransferThrottled"', '"AwsTransferRenamed"'))
    assert run("--check").returncode == 1 and run().returncode == 0
    alerts = yaml.safe_load(values.read_text())["prometheusRule"]["settings"]["alerts"]
    assert "AwsTransferRenamed" in alerts and "AwsTransferThrottled" not in alerts


# The package and the notes

def test_package_has_the_required_files(small_chart, tmp_path):
    done = m.helm("package", small_chart, "--destination", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    (package,) = (tmp_path / "out").glob("*.tgz")
    with tarfile.open(package) as archive:
        names = {name.removeprefix("aws-transfer-exporter/") for name in archive.getnames()}
    files = {"files/rules/some.rules.yml", "files/settings.json", "files/dashboards/Fleet_overview.json"}
    assert {"values.schema.json", "README.md"} | files <= names
    assert not any(name.startswith("ci/") for name in names)


@pytest.fixture
def notes(tmp_path):
    """Renders NOTES.txt, which `helm template` omits, as an object of a copy of the chart."""
    chart = tmp_path / "aws-transfer-exporter"
    shutil.copytree(m.CHART, chart)
    (chart / "templates/NOTES.txt").rename(chart / "NOTES.tpl")
    (chart / "templates/notes.yaml").write_text(
        "kind: Notes\nmetadata: {name: notes}\ntext: |\n  {{- tpl (.Files.Get \"NOTES.tpl\") . | nindent 2 }}\n")
    return lambda values: m.the("Notes", m.render(values, chart=chart))["text"]


def test_notes_have_the_commands_for_the_service(notes):
    text = notes(FULL)
    assert "kubectl --namespace partners port-forward service/sftp-watch 10922:80\n" in text
    assert "curl http://127.0.0.1:10922/transfer/metrics\n" in text
    assert "WARNING: 2 replicas" in text
    assert "WARNING" not in notes(MINIMAL) and "no role annotation" in notes(MINIMAL)


@pytest.mark.parametrize("values, message", [
    ({"demo": True}, "a simulated fleet"),
    ({"existingConfigMap": "mine"}, "of ConfigMap mine."),
    ({"existingSecret": "mine"}, "of Secret mine."),
    (MINIMAL, "The exporter monitors the transfers from `config.transfers`."),
])
def test_notes_name_the_configuration(notes, values, message):
    assert message in notes(values)


RELOADED = "reloads a change by itself"
ROLLED = "rolls the pods"
RESTART = "rollout restart deployment/aws-transfer-exporter\n"


@pytest.mark.parametrize("values, message", [
    (MINIMAL, RELOADED),
    (MINIMAL | {"autoReloadInterval": "10s"}, RELOADED),
    ({"existingConfigMap": "mine"}, RELOADED),
    ({"existingSecret": "mine"} | ROLL, RELOADED),
    (MINIMAL | ROLL, ROLLED),
    (MINIMAL | {"autoReloadInterval": "0s"}, RESTART),
    (MINIMAL | {"autoReloadInterval": "0m0s"}, RESTART),
    ({"existingSecret": "mine", "autoReloadInterval": "0s"} | ROLL, RESTART),
])
def test_notes_ask_for_a_restart_only_where_nothing_reloads(notes, values, message):
    text = notes(values)
    assert [part for part in (RELOADED, ROLLED, RESTART) if part in text] == [message]


def test_notes_have_the_scheme_and_the_user_of_the_metrics(notes):
    assert "  curl http://127.0.0.1:10922/metrics\n" in notes(MINIMAL)
    assert "  curl --user prometheus --insecure https://127.0.0.1:10922/metrics\n" in notes(secured())


# TLS, users, reload

WEB = {"tls_server_config": {"cert_file": "/etc/aws-transfer-exporter-tls/tls.crt",
                             "key_file": "/etc/aws-transfer-exporter-tls/tls.key"},
       "basic_auth_users": {"prometheus": "$2y$10$abcdefghijklmnopqrstuuJ0q1kC7Zl3Z9mCqkB1qZ5bV8yT0e1yK"}}


def secured(**web):
    return MINIMAL | {"web": {"config": WEB, "tlsSecret": "certificate"} | web, "serviceMonitor": {"enabled": True}}


def test_web_configuration_changes_roll_the_pod():
    def of(values):
        return m.pod(m.render(values | ROLL))["metadata"].get("annotations", {}).get("checksum/web-config")
    other = secured(config={"basic_auth_users": {"other": "$2y$10$x"}})
    assert of(MINIMAL) is None and of(secured()) and of(secured()) != of(other)


@pytest.mark.parametrize("values, message", [
    ({"web": {"config": WEB, "existingSecret": "a"}}, "`web.config` and `web.existingSecret` are both set"),
    ({"web": {"healthPort": 10922}}, "`web.healthPort` is `containerPort`"),
    ({"web": {"tlsSecret": "a"}}, "`web.tlsSecret` without"),
    ({"web": {"config": {"basic_auth_user": {}}}}, "basic_auth_user"),
    ({"web": {"healthPort": 0}}, "/web/healthPort"),
    ({"autoReloadInterval": "30"}, "/autoReloadInterval"),
])
def test_rejects_an_unusable_web_configuration(values, message):
    done = m.template(MINIMAL | values)
    assert done.returncode != 0 and message in done.stderr


def test_flags_of_the_chart_exist():
    text = subprocess.run([m.exporter(), "--help"], capture_output=True, text=True, timeout=10).stdout
    known = set(re.findall(r"(--[a-z]+\.[a-z-]+(?:\.[a-z]+)?)", text))
    values = secured(enableLifecycle=True, enableWriteApi=True) | {"autoReloadInterval": "1m"}
    given = {flag.split("=")[0] for flag in m.container(m.render(values))["args"]}
    given |= {flag.split("=")[0] for flag in m.container(m.render(available()))["args"]}
    assert len(given) > 8
    assert given <= known, given - known
