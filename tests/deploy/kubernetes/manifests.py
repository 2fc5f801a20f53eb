"""Shared code of the manifest tests: rendering, the schemas of Kubernetes, of the Prometheus operator and of the Gateway API,
and running the exporter."""

import atexit
import base64
import contextlib
import functools
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import jsonschema
import kubernetes_validate
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
CHART = ROOT / "deploy/helm/aws-transfer-exporter"
KUSTOMIZE = ROOT / "deploy/kustomize"
VALUE_SETS = sorted((CHART / "ci").glob("*-values.yaml"))
RELEASE = "aws-transfer-exporter"
NAMESPACE = "monitoring"
# The oldest supported version, and the newest whose schemas kubernetes-validate has.
KUBERNETES_VERSIONS = ["1.25", "1.37"]


# Tools

def tools():
    folder = os.environ.get("TOOLS_BIN")
    assert folder, "TOOLS_BIN is not set: run `tests/deploy/kubernetes/install DIR` and set it to DIR/bin"
    return pathlib.Path(folder)


def tool(name):
    path = tools() / name
    assert os.access(path, os.X_OK), f"{path} is missing: run `tests/deploy/kubernetes/install {path.parent.parent}`"
    return path


def exporter():
    path = os.environ.get("EXPORTER")
    assert path and os.access(path, os.X_OK), "EXPORTER is not set to an executable: build the exporter and set its path"
    return path


@functools.cache
def scratch():
    """Returns a temporary home directory for the programs."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="manifests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def helm(*arguments):
    """Runs helm and returns the completed process."""
    home = scratch()
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    command = [tool("helm"), *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


# Rendering

class NoDuplicates(yaml.SafeLoader):
    """Rejects duplicate keys, of which other loaders keep the last."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        assert not twice, f"{node.start_mark}: duplicate keys: {twice}"
        return super().construct_mapping(node, deep)


def documents(text):
    return [document for document in yaml.load_all(text, NoDuplicates) if document is not None]


def template(values=None, *arguments, chart=CHART, release=RELEASE, kubernetes="1.32"):
    """Runs `helm template` with a file of values or a mapping, and returns the completed process."""
    if isinstance(values, dict):
        file = scratch() / "values.json"
        file.write_text(json.dumps(values))
        values = file
    files = ["--values", values] if values else []
    return helm("template", release, chart, "--namespace", NAMESPACE, "--kube-version", kubernetes, *files, *arguments)


def render(values=None, *arguments, **options):
    done = template(values, *arguments, **options)
    assert done.returncode == 0, done.stderr
    return documents(done.stdout)


@functools.cache
def rendered_text(values_file):
    done = template(values_file)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rendered(values_file):
    return documents(rendered_text(values_file))


@functools.cache
def built_text(folder):
    done = subprocess.run([tool("kustomize"), "build", KUSTOMIZE / folder], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return done.stdout


def built(folder):
    return documents(built_text(folder))


def of_kind(kind, objects):
    return [item for item in objects if item["kind"] == kind]


def the(kind, objects):
    found = of_kind(kind, objects)
    assert len(found) == 1, f"{len(found)} of {kind} in {[item['kind'] for item in objects]}"
    return found[0]


def flags(objects):
    """Returns the values of the exporter's flags by name."""
    return dict(argument.split("=", 1) for argument in container(objects)["args"] if "=" in argument)


def route_prefix(objects):
    """Returns the prefix of the exporter's routes, without a slash at its end."""
    external = urllib.parse.urlsplit(flags(objects).get("--web.external-url", "")).path
    prefix = flags(objects).get("--web.route-prefix", external).strip("/")
    return f"/{prefix}" if prefix else ""


def metrics_path(objects):
    return route_prefix(objects) + flags(objects).get("--web.telemetry-path", "/metrics")


def workload(objects):
    """Returns the only Deployment or StatefulSet."""
    found = of_kind("Deployment", objects) + of_kind("StatefulSet", objects)
    assert len(found) == 1, [item["kind"] for item in found]
    return found[0]


def pod(objects):
    return workload(objects)["spec"]["template"]


def container(objects):
    return next(item for item in pod(objects)["spec"]["containers"] if item["name"] == "aws-transfer-exporter")


# Templates of rules, as of files/rules, with what they become by default.
SMALL_RULES = {"groups": [
    {"name": "one", "interval": "${evaluationInterval}", "rules": [
        {"alert": "AwsTransferExporterDown", "expr": "last_over_time(up{${exporterSelector}}[${lookback}]) == 0", "for": "${for}",
         "keep_firing_for": "${keepFiringFor}", "labels": {"severity": "${severity}"},
         "annotations": {"summary": "{{ $labels.job }} at {{ $value }}"}},
        {"alert": "AwsTransferThrottled", "expr": "up > ${percent} / 100", "labels": {"severity": "${severity}"}},
        {"record": "a:b:c", "expr": "sum by (${clusterLabel}, a) (up)"}]},
    {"name": "two", "rules": [
        {"alert": "AwsTransferThrottled", "expr": "up == 2", "labels": {"severity": "${severity}"}}]}]}
SMALL_DASHBOARD = """{
  "title": "Größe",
  "legendFormat": "{{connector_id}}",
  "url": "http://localhost:10922/transfers",
  "templating": {"list": [{"name": "cluster", "hide": 0}]}
}
"""


def chart_with_small_files(folder):
    """Returns a copy of the chart with a small file of rules and a small dashboard."""
    chart = folder / "aws-transfer-exporter"
    shutil.copytree(CHART, chart)
    for name in ("rules", "dashboards"):
        shutil.rmtree(chart / "files" / name)
        (chart / "files" / name).mkdir()
    (chart / "files/rules/some.rules.yml").write_text(yaml.safe_dump(SMALL_RULES))
    (chart / "files/dashboards/Fleet_overview.json").write_text(SMALL_DASHBOARD)
    return chart


# Schemas

def validate(item, kubernetes):
    """Raises if a field is unknown to Kubernetes, the operator or the Gateway API, or has the wrong type."""
    if item["apiVersion"].startswith(("monitoring.coreos.com/", "gateway.networking.k8s.io/")):
        custom_schema(item["kind"], item["apiVersion"]).validate(item)
    else:
        kubernetes_validate.validate(item, kubernetes, strict=True)


@functools.cache
def custom_schema(kind, api_version):
    folder = tools().parent / "share/crd"
    assert folder.is_dir(), f"{folder} is missing: run `tests/deploy/kubernetes/install {folder.parent.parent}`"
    definition = yaml.load((folder / f"{kind.lower()}s.yaml").read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    assert definition["spec"]["names"]["kind"] == kind
    version = next(item for item in definition["spec"]["versions"] if item["name"] == api_version.split("/")[1])
    schema = version["schema"]["openAPIV3Schema"]
    schema["properties"]["metadata"] = {"type": "object"}
    schema = closed(schema)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def closed(schema):
    """Returns the schema with unknown fields as errors: an API server would silently drop them."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: closed(value) for key, value in schema.items()}
    if isinstance(result.get("pattern"), str) and "(?i)" in result["pattern"]:
        # Go accepts this flag anywhere, Python only at the start.
        result["pattern"] = "(?i)" + result["pattern"].replace("(?i)", "")
    names_fields = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    if names_fields and "additionalProperties" not in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        result["additionalProperties"] = False
    return result


# The configuration in the container

def configuration(objects):
    """Returns (file name, text) of --config.file, resolved by mount, volume and object, or None for the demo."""
    flags = [argument for argument in container(objects)["args"] if argument.startswith("--config.file=")]
    if not flags:
        assert container(objects)["args"][0] == "demo"
        return None
    path = pathlib.PurePosixPath(flags[0].split("=", 1)[1])
    mount = next(item for item in container(objects)["volumeMounts"] if item["mountPath"] == str(path.parent))
    assert "subPath" not in mount, "a file mounted by subPath is never updated"
    volume = next(item for item in pod(objects)["spec"]["volumes"] if item["name"] == mount["name"])
    kind, name = (("Secret", volume["secret"]["secretName"]) if "secret" in volume
                  else ("ConfigMap", volume["configMap"]["name"]))
    source = next(item for item in of_kind(kind, objects) if item["metadata"]["name"] == name)
    if kind == "Secret" and "data" in source:
        return path.name, base64.b64decode(source["data"][path.name], validate=True).decode()
    return path.name, source["stringData" if kind == "Secret" else "data"][path.name]


def environment(objects, text=""):
    """Returns the environment of the container, with placeholders for values from other objects."""
    variables = {item["name"]: item.get("value", "placeholder") for item in container(objects).get("env", [])}
    if container(objects).get("envFrom"):
        for name in re.findall(r"\$\{(\w+)\}", text):
            variables.setdefault(name, "placeholder")
    return {"PATH": os.environ["PATH"], "HOME": str(scratch()), "AWS_EC2_METADATA_DISABLED": "true"} | variables


def check(objects, folder):
    """Runs `check` on the configuration of the container and returns the completed process."""
    name, text = configuration(objects)
    file = folder / name
    file.write_text(text)
    return subprocess.run([exporter(), "check", f"--config.file={file}"], env=environment(objects, text),
                          capture_output=True, text=True, timeout=30)


# The exporter as run by the container

def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def running(objects, folder):
    """Runs the exporter with the arguments of the container, with files in `folder` and free ports of the loopback interface.

    Yields the URLs of the ports by their names."""
    ports = {}
    arguments = []
    for argument in container(objects)["args"]:
        if argument.startswith("--config.file="):
            name, text = configuration(objects)
            (folder / name).write_text(text)
            argument = f"--config.file={folder / name}"
        elif argument.startswith(("--web.listen-address=", "--web.health-listen-address=")):
            port = int(argument.rsplit(":", 1)[1])
            ports[port] = free_port()
            argument = f"{argument.split('=', 1)[0]}=127.0.0.1:{ports[port]}"
        elif argument == "--shard.index=from-hostname":
            # The host name has no index.
            argument = "--shard.index=0"
        elif argument.startswith("--storage.path="):
            (folder / "storage").mkdir()
            argument = f"--storage.path={folder / 'storage'}"
        elif argument.startswith("--storage.url="):
            # A table that cannot be reached: the exporter stays a standby.
            argument += f"&endpoint=http://127.0.0.1:{free_port()}"
        arguments.append(argument)
    text = (configuration(objects) or ("", ""))[1]
    variables = environment(objects, text)
    if "AWS_CONFIG_FILE" in variables:
        # The file of a volume that the chart does not create.
        profiles = folder / "aws-profiles"
        profiles.write_text("".join(f"[profile {name}]\n" for name in re.findall(r"^ *profile: (\S+)$", text, re.MULTILINE)))
        variables["AWS_CONFIG_FILE"] = str(profiles)
    log = folder / "exporter.log"
    with log.open("w") as output:
        process = subprocess.Popen([exporter(), *arguments], env=variables, cwd=folder,
                                   stdout=output, stderr=subprocess.STDOUT)
    try:
        urls = {item["name"]: f"http://127.0.0.1:{ports[item['containerPort']]}" for item in container(objects)["ports"]}
        yield urls, process, log
    finally:
        process.kill()
        process.wait()


def wait_for(probe, log, seconds=30):
    """Polls `probe` until it is true."""
    deadline = time.monotonic() + seconds
    while not probe():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def get(url, patience=10):
    """Returns status and body, retrying until the port is open."""
    deadline = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(url, timeout=patience) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
