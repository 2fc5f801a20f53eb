"""A Prometheus that scrapes the demo, and queries of dashboards as Grafana sends them.

    with live.demo(folder) as prometheus:
        choice = live.choices(dashboard, prometheus)
        live.ask(prometheus, target, choice[0])

EXPORTER is the path of the exporter; Prometheus is found in TOOLS_BIN or PATH. The exporter listens on two addresses, and both
are scraped, as two instances that track the same transfers.
"""

import contextlib
import json
import math
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from . import sources

JOB = "aws-transfer-exporter"
# The job that probes connections: one target for each connector of the demo.
CONNECTIONS = "aws-transfer-connections"
HOSTS = ("127.0.0.1", "127.0.0.2")
RANGE = 300
RATE_INTERVAL = "1m"
STEP = 5


def tool(name):
    path = os.pathsep.join(filter(None, (os.environ.get("TOOLS_BIN"), os.environ.get("PATH"))))
    found = shutil.which(name, path=path)
    if found is None:
        raise AssertionError(f"`{name}` is neither in TOOLS_BIN nor on PATH\n"
                             "  hint: run `install DIR` beside this file, and set TOOLS_BIN to DIR/bin")
    return found


def exporter():
    found = os.environ.get("EXPORTER")
    if not found or not os.access(found, os.X_OK):
        raise AssertionError(f"the environment variable EXPORTER names no program: {found}\n"
                             "  hint: cargo build, and set it to target/debug/aws-transfer-exporter")
    return found


def free_port():
    """Returns a port that is free on every address of HOSTS."""
    while True:
        with contextlib.ExitStack() as stack:
            first, *others = [stack.enter_context(socket.socket()) for _ in HOSTS]
            first.bind((HOSTS[0], 0))
            port = first.getsockname()[1]
            with contextlib.suppress(OSError):
                for host, sock in zip(HOSTS[1:], others, strict=True):
                    sock.bind((host, port))
                return port


@contextlib.contextmanager
def running(command, log):
    """Runs a process until the end of the block."""
    with open(log, "wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Prometheus:
    """Client of the HTTP API, with the process of the scraped exporter."""

    def __init__(self, url, exporter):
        self.url = url
        self.exporter = exporter

    def get(self, route, **parameters):
        query = urllib.parse.urlencode(parameters, doseq=True)
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{route}?{query}", timeout=20) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"Prometheus answers {error.code}: {error.read().decode()}") from None

    def instant(self, expr, at=None):
        return self.get("query", query=expr, time=at or time.time())["result"]

    def range(self, expr):
        end = time.time()
        return self.get("query_range", query=expr, start=end - RANGE, end=end, step=STEP)["result"]

    def label_values(self, selector, label):
        now = time.time()
        series = self.get("series", **{"match[]": selector, "start": now - RANGE, "end": now})
        return sorted({one[label] for one in series if one.get(label)})


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds} s: {what}")
        time.sleep(0.2)


def answers(url):
    def ask():
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
        return False
    return ask


@contextlib.contextmanager
def demo(folder):
    """Runs the demo and a Prometheus that scrapes it every second as two instances, and waits for the first scrapes. It also
    probes the connections.

    The demo has storage and TLS, so that every family is exported."""
    folder = Path(folder)
    names = ",".join(f"IP:{host}" for host in HOSTS)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "30", "-subj", "/CN=demo", "-addext", f"subjectAltName={names}",
                    "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], check=True, capture_output=True)
    (folder / "web.yml").write_text("tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n", encoding="utf-8")
    program, prometheus = exporter(), tool("prometheus")
    port, api, health = free_port(), free_port(), free_port()
    ca = {"ca_file": str(folder / "cert.pem")}
    listen = [f"--web.listen-address={host}:{port}" for host in HOSTS]
    for name in ("recording", "alerting"):
        # Each second instead of each minute.
        rules = (sources.RULES.parent / f"{name}.rules.yml").read_text(encoding="utf-8")
        (folder / f"{name}.yml").write_text(rules.replace("    interval: 1m\n", "    interval: 1s\n"), encoding="utf-8")
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "rule_files": [str(folder / "recording.yml"), str(folder / "alerting.yml")],
        "scrape_configs": [
            {"job_name": JOB, "scheme": "https", "tls_config": ca,
             "static_configs": [{"targets": [f"{host}:{port}" for host in HOSTS]}]},
            {"job_name": CONNECTIONS, "scheme": "https", "tls_config": ca,
             "http_sd_configs": [{"url": f"https://{HOSTS[0]}:{port}/api/v1/targets?module=connection", "tls_config": ca,
                                  "refresh_interval": "1s"}],
             "relabel_configs": [{"source_labels": ["__address__"], "target_label": "instance"},
                                 {"target_label": "__address__", "replacement": f"{HOSTS[0]}:{port}"}]},
            {"job_name": "prometheus", "static_configs": [{"targets": [f"127.0.0.1:{api}"]}]},
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")
    with (
        running([program, "demo", f"--storage.path={folder}/storage", f"--web.config.file={folder}/web.yml",
                 f"--web.health-listen-address=127.0.0.1:{health}", *listen], folder / "exporter.log") as process,
        running([prometheus, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                 f"--web.listen-address=127.0.0.1:{api}"], folder / "prometheus.log"),
    ):
        wait_until(answers(f"http://127.0.0.1:{health}/-/healthy"), 60, "the demo does not answer")
        wait_until(answers(f"http://127.0.0.1:{api}/-/ready"), 60, "Prometheus is not ready")
        found = Prometheus(f"http://127.0.0.1:{api}", process)
        scraped = f'count(up{{job="{JOB}"}} == 1) == {len(HOSTS)}'
        wait_until(lambda: found.instant(scraped), 60, "not every address of the demo was scraped")
        yield found


def interpolate(expr, choice):
    """Replaces the variables of Grafana and of the dashboard in an expression."""
    expr = sources.with_durations(expr, rate_interval=RATE_INTERVAL, range_=f"{RANGE}s")
    return re.sub(r"\$\{?(\w+)\}?", lambda m: choice.get(m[1], m[0]), expr)


def options(variable, prometheus, choice):
    """Returns the options of a query variable as pairs of text and value."""
    query = interpolate(sources.query_of(variable), choice)
    if call := re.fullmatch(r"label_values\((.+),\s*(\w+)\)", query):
        found = prometheus.label_values(call[1], call[2])
    else:
        expr = re.fullmatch(r"query_result\((.+)\)", query)[1]
        found = []
        for series in prometheus.instant(expr):
            metric = dict(series["metric"])
            labels = ",".join(f'{k}="{v}"' for k, v in metric.items() if k != "__name__")
            found.append(f"{metric.get('__name__', '')}{{{labels}}} {series['value'][1]} {series['value'][0]}")
    if not variable.get("regex"):
        return [(value, value) for value in found]
    # Named groups have another syntax in Python.
    pattern = re.compile(variable["regex"].strip("/").replace("(?<", "(?P<"))
    matches = [m for m in map(pattern.search, found) if m]
    return sorted({(m["text"], m["value"]) for m in matches})


def resolved(dashboard, prometheus):
    """Returns the options of each query variable, with `All` selected in those before it."""
    choice, offered = {}, {}
    for name, variable in sources.variables(dashboard).items():
        if variable["type"] == "query":
            offered[name] = options(variable, prometheus, choice)
            choice[name] = variable.get("allValue", ".+")
    return offered


def choices(dashboard, prometheus):
    """Returns selections with `All` where possible, and one per value otherwise."""
    base = {name: v["allValue"] for name, v in sources.variables(dashboard).items() if v.get("includeAll")}
    offered = resolved(dashboard, prometheus)
    single = [name for name in offered if name not in base]
    found = [base]
    for name in single:
        found = [{**choice, name: value} for choice in found for _, value in offered[name]]
    return found


def ask(prometheus, target, choice):
    """Returns the series of a panel query."""
    expr = interpolate(target["expr"], choice)
    return prometheus.instant(expr) if target.get("instant") else prometheus.range(expr)


def numbers(series):
    """Returns the samples that are numbers: division by zero is not drawn."""
    samples = series.get("values") or [series["value"]]
    return [float(value) for _, value in samples if not math.isnan(float(value))]
