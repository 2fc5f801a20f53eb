"""Shared code of the Prometheus tests: tools, shipped files, and processes."""

import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
SHIPPED = ROOT / "deploy" / "prometheus"
MIXIN = ROOT / "deploy" / "mixin"
RUNBOOKS = ROOT / "docs" / "operate" / "runbooks.md"

# The public access key of the built-in simulator.
SIMULATOR_KEY = {
    "AWS_ACCESS_KEY_ID": "AKIASIMULATOR0000000",
    "AWS_SECRET_ACCESS_KEY": "simulator-secret-for-the-loopback-only",
}


def tool(name):
    """Returns the path of a tool; a missing tool fails the test."""
    found = shutil.which(name, path=os.environ.get("TOOLS_BIN", ""))
    assert found, f"{name} is missing in TOOLS_BIN={os.environ.get('TOOLS_BIN')}: run tests/deploy/prometheus/install DIR and set TOOLS_BIN=DIR/bin"
    return found


def exporter():
    """Returns the path of the exporter."""
    path = os.environ.get("EXPORTER", "")
    assert os.access(path, os.X_OK) and os.path.isfile(path), f"EXPORTER={path} is not an executable"
    return os.path.abspath(path)


def run(program, *arguments, cwd=None, before=(), timeout=300):
    """Runs a tool, by a command `before` it, and returns its exit code and output."""
    done = subprocess.run(
        [*before, tool(program), *map(str, arguments)], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout
    )
    return done.returncode, done.stdout


# The future result of promtool of each selected file of unit tests.
UNIT_TESTS = pytest.StashKey()


def pytest_collection_finish(session):
    """Starts promtool on the unit tests, on all cores: they take minutes, while the tests before them mostly wait."""
    if session.config.option.collectonly:
        return
    selected = [item.callspec.params["file"] for item in session.items if item.name.startswith("test_promtool_passes[")]
    pool = concurrent.futures.ThreadPoolExecutor(os.cpu_count())
    # The tests that wait have deadlines, hence the priority.
    session.config.stash[UNIT_TESTS] = {
        file: pool.submit(run, "promtool", "test", "rules", file.name, cwd=file.parent, before=("nice", "-n", "19"), timeout=1200)
        for file in selected
    }
    session.config.add_cleanup(lambda: pool.shutdown(cancel_futures=True))


def groups(name):
    return yaml.safe_load((SHIPPED / name).read_text())["groups"]


def rules_of(name):
    return [rule for group in groups(name) for rule in group["rules"]]


def alerts():
    return rules_of("alerting.rules.yml")


def records():
    return rules_of("recording.rules.yml")


def metrics():
    """Returns the labels of each metric of METRICS.md."""
    row = re.compile(r"^\| `(\w+)` \| (?:gauge|counter|histogram) \| ([^|]*) \|", re.M)
    found = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in row.findall((ROOT / "METRICS.md").read_text())}
    # With `discovery.connectors`; METRICS.md mentions them in the description.
    found["aws_transfer_connector_info"] |= {"url", "egress_type", "status"}
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(url, method="GET", body=None):
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode()


def wait_for(what, probe, seconds=30):
    """Polls `probe` and returns its first true result."""
    deadline = time.monotonic() + seconds
    fault = None
    while time.monotonic() < deadline:
        try:
            if value := probe():
                return value
        except OSError as error:  # urllib's errors are among them
            fault = error
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {seconds} s ({fault})")


class Processes:
    """Starts and stops programs."""

    def __init__(self, folder):
        self.folder = folder
        self.running = []

    def start(self, name, *command, env=None):
        log = open(self.folder / f"{name}.log", "ab")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        process = subprocess.Popen(
            list(map(str, command)), stdout=log, stderr=subprocess.STDOUT, cwd=self.folder, env=environment | (env or {})
        )
        self.running.append(process)
        return process

    def stop(self, process):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def stop_all(self):
        for process in reversed(self.running):
            self.stop(process)

    def prometheus(self, name, config):
        """Starts a Prometheus with this configuration and returns its URL."""
        port = free_port()
        (self.folder / f"{name}.yml").write_text(yaml.safe_dump(config))
        self.start(
            name, tool("prometheus"), f"--config.file={name}.yml", f"--storage.tsdb.path={name}-data",
            f"--web.listen-address=127.0.0.1:{port}",
        )
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{name} is ready", lambda: fetch(f"{url}/-/ready"))
        return url

    def alertmanager(self, config):
        """Starts an Alertmanager with this configuration and returns its URL."""
        port = free_port()
        (self.folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
        self.start(
            "alertmanager", tool("alertmanager"), "--config.file=alertmanager.yml", "--storage.path=alertmanager-data",
            f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
        )
        url = f"http://127.0.0.1:{port}"
        wait_for("alertmanager is ready", lambda: fetch(f"{url}/-/ready"))
        return url


@pytest.fixture
def processes(tmp_path):
    started = Processes(tmp_path)
    yield started
    started.stop_all()


def query(prometheus, expression):
    answer = json.loads(fetch(f"{prometheus}/api/v1/query?" + urllib.parse.urlencode({"query": expression})))
    return answer["data"]["result"]
