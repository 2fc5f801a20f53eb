"""A Prometheus that scrapes the exporter's demo, and the preview's screenshot command."""

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PREVIEW = ROOT / "dashboards" / "preview"


def tool(name):
    """The path of a tool, from TOOLS_BIN first. A missing one fails the test."""
    path = shutil.which(name, path=os.environ.get("TOOLS_BIN", "") + os.pathsep + os.environ["PATH"])
    if path is None:
        pytest.fail(f"{name} is missing: run tests/deploy/preview/install DIR and set TOOLS_BIN=DIR/bin")
    return path


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answer(url):
    with urllib.request.urlopen(url, timeout=5) as response:
        return json.load(response)


def wait_for(what, condition, seconds):
    """Asks again until the condition holds. What it raises on the way counts as not yet."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if condition():
                return
        except (OSError, urllib.error.URLError):
            pass
        time.sleep(0.2)
    pytest.fail(f"{what} did not come about in {seconds} s")


class Prometheus:
    def __init__(self, url):
        self.url = url

    def value(self, query):
        found = answer(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': query})}")["data"]["result"]
        return float(found[0]["value"][1]) if found else None


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory):
    """A Prometheus with a few scrapes of the demo."""
    exporter = os.environ.get("EXPORTER")
    if not exporter:
        pytest.fail("EXPORTER is not set: it names the exporter's binary")
    folder = tmp_path_factory.mktemp("prometheus")
    demo, port = free_port(), free_port()
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
        "scrape_configs:\n"
        "  - job_name: aws-transfer-exporter\n"
        f"    static_configs: [{{targets: ['127.0.0.1:{demo}']}}]\n"
    )
    commands = [
        [exporter, "demo", f"--web.listen-address=127.0.0.1:{demo}"],
        [
            tool("prometheus"),
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
    ]
    processes = []
    try:
        for number, command in enumerate(commands):
            with open(folder / f"{number}.log", "w") as log:
                processes.append(subprocess.Popen(command, stdout=log, stderr=log))
        server = Prometheus(f"http://127.0.0.1:{port}")
        wait_for("a third scrape", lambda: (server.value("min(count_over_time(up[1m]) * up)") or 0) >= 3, 30)
        yield server
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture(scope="session")
def preview():
    if not (PREVIEW / "node_modules" / "vite").is_dir():
        pytest.fail("the preview's packages are missing: run tests/deploy/preview/install DIR")
    return PREVIEW


@pytest.fixture
def screenshot(preview, tmp_path):
    """Runs the command; returns its result and the folder of the pictures."""

    def run(url, *arguments):
        command = [tool("node"), str(preview / "screenshot"), url, str(tmp_path), *arguments]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=110,
            env={**os.environ, "CHROMIUM": tool("chromium")},
        ), tmp_path

    return run
