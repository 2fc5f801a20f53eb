"""Every query of the flows dashboard returns data on a Prometheus that scrapes two replicas with flows."""

import http.server
import json
import re
import threading
import time

import pytest

from . import live, sources

BOARD = sources.FOLDER / "flows.json"
WITHIN = 45
STATES = ("waiting", "on_time", "late", "missing", "invalid", "unknown")
OUTCOMES = STATES[1:]
# The state of each flow; one more has no deadline.
FLOWS = dict(zip(("acme-orders", "acme-prices", "acme-returns", "acme-stock", "acme-taxes", "acme-trades"), STATES, strict=True))


def exposition(started):
    """Returns what an exporter with these flows exports; counters grow every second."""
    now = time.time()
    grown = int(now - started)
    lines = ['aws_transfer_exporter_build_info{version="0"} 1', 'aws_transfer_exporter_shard_info{shard="",shards="1"} 1']

    def add(name, flow, value, **labels):
        text = "".join(f",{key}={json.dumps(label)}" for key, label in labels.items())
        lines.append(f'aws_transfer_flow_{name}{{flow="{flow}"{text}}} {value}')

    for size, flow in enumerate([*FLOWS, "archive"], 1):
        has_deadline = flow in FLOWS
        add("info", flow, 1, connectors="acme-inbound, acme-outbound", expect="by 06:00 Europe/Berlin" if has_deadline else "")
        add("files_finished_total", flow, 2 * size * grown, status="COMPLETED", failure_code="")
        add("files_finished_total", flow, size * grown, status="FAILED", failure_code="TIMEOUT_ERROR")
        add("bytes_total", flow, 1000 * size * grown, operation="RETRIEVE")
        add("bytes_total", flow, 500 * size * grown, operation="SEND")
        add("last_completed_timestamp_seconds", flow, now - 60)
        add("unresolved_failures", flow, 1)
        add("duplicate_files_total", flow, size * grown)
        add("listing_items", flow, 7 * size)
        add("listing_truncated", flow, 0)
        if not has_deadline:
            continue
        passed = FLOWS[flow] not in ("waiting", "on_time")
        add("deadline_timestamp_seconds", flow, now - 600 if passed else now + 600)
        add("window_files", flow, 1)
        for state in STATES:
            add("window_state", flow, int(state == FLOWS[flow]), state=state)
        for outcome in OUTCOMES:
            add("windows_total", flow, grown if outcome in ("on_time", FLOWS[flow]) else 0, outcome=outcome)
            add("windows_corrected_total", flow, 0, outcome=outcome)
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    folder, started = tmp_path_factory.mktemp("flows"), time.time()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = exposition(started).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    port, api = live.free_port(), live.free_port()
    servers = [http.server.ThreadingHTTPServer((host, port), Handler) for host in live.HOSTS]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    rules = sources.RULES.read_text(encoding="utf-8").replace("    interval: 1m\n", "    interval: 1s\n")
    # Days pass within seconds.
    for was, hastened in (("[1d:5m]", "[1m:1s]"), ("offset 1h", "offset 5s"), ("[1h:1m]", "[5s:1s]"), ("[30d:1h]", "[60s:5s]"),
                          ("[1d:1h]", "[24s:1s]"), ("[30d:1d]", "[60s:24s]")):
        assert was in rules
        rules = rules.replace(was, hastened)
    (folder / "recording.yml").write_text(rules, encoding="utf-8")
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "rule_files": [str(folder / "recording.yml")],
        "scrape_configs": [{"job_name": live.JOB, "static_configs": [{"targets": [f"{host}:{port}" for host in live.HOSTS]}]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")
    command = [live.tool("prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
               f"--web.listen-address=127.0.0.1:{api}"]
    with live.running(command, folder / "prometheus.log") as process:
        found = live.Prometheus(f"http://127.0.0.1:{api}", process)
        live.wait_until(live.answers(f"{found.url}/-/ready"), 30, "Prometheus is not ready")
        found.until = time.monotonic() + WITHIN
        yield found
    for server in servers:
        server.shutdown()
        server.server_close()


def ask(prometheus, title, ref="A"):
    """Returns the value of each flow, as soon as there is one."""
    dashboard = sources.load(BOARD)
    target = next(t for p, t in sources.targets(dashboard) if (p["title"], t["refId"]) == (title, ref))
    while True:
        found = live.ask(prometheus, target, live.choices(dashboard, prometheus)[0])
        if found or time.monotonic() > prometheus.until:
            return {series["metric"].get("flow"): live.numbers(series)[-1] for series in found}
        time.sleep(1)


def test_variable_lists_the_flows(prometheus):
    live.wait_until(lambda: live.resolved(sources.load(BOARD), prometheus)["flow"], 20, "no flow")
    offered = live.resolved(sources.load(BOARD), prometheus)["flow"]
    assert [value for _, value in offered] == sorted([*FLOWS, "archive"])


QUERIES = [pytest.param(panel["title"], target["refId"], id=f"{panel['title']}, {target['refId']}")
           for panel, target in sources.targets(sources.load(BOARD))]


@pytest.mark.parametrize(("title", "ref"), QUERIES)
def test_query_returns_data_with_the_labels_that_it_shows(prometheus, title, ref):
    dashboard = sources.load(BOARD)
    panel, target = next((p, t) for p, t in sources.targets(dashboard) if (p["title"], t["refId"]) == (title, ref))

    def answered():
        return [series for series in live.ask(prometheus, target, live.choices(dashboard, prometheus)[0]) if live.numbers(series)]

    live.wait_until(answered, max(1, prometheus.until - time.monotonic()), f"no data: {target['expr']}")
    labels = set().union(*(series["metric"] for series in answered()))
    assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels
    if panel["type"] == "table":
        assert labels - {"cluster"} == ({"flow", "connectors", "expect"} if ref == "A" else {"flow"})


def test_replicas_count_once(prometheus):
    for title in ("Missing", "Invalid", "Late", "Unknown"):
        assert ask(prometheus, title) == {None: 1}
    assert ask(prometheus, "Failed files") == {None: len(FLOWS) + 1}


# The charts with the largest flows, and what they show of all flows.
LARGEST = {
    "Completed files by flow": 'max by (flow) (rate(aws_transfer_flow_files_finished_total{status="COMPLETED"}[1m])) * 60',
    "Failed files by flow and code": 'max by (flow) (rate(aws_transfer_flow_files_finished_total{status="FAILED"}[1m])) * 60',
    "Bytes by flow": "sum by (flow) (max by (flow, operation) (rate(aws_transfer_flow_bytes_total[1m])))",
    "Files at the partner": "max by (flow) (aws_transfer_flow_listing_items)",
    "Duplicate files by flow": "max by (flow) (rate(aws_transfer_flow_duplicate_files_total[1m])) * 60",
}


@pytest.mark.parametrize("shown", [10, 3])
@pytest.mark.parametrize("title", LARGEST)
def test_charts_show_the_largest_flows_and_count_replicas_once(prometheus, title, shown):
    dashboard = sources.load(BOARD)
    target = next(t for p, t in sources.targets(dashboard) if p["title"] == title)
    expr = live.interpolate(target["expr"], live.choices(dashboard, prometheus)[0]).replace("(10, ", f"({shown}, ")

    def values(query, at):
        return {series["metric"]["flow"]: float(series["value"][1]) for series in prometheus.instant(query, at)}

    # Scrapes of a second ago are complete.
    live.wait_until(lambda: values(expr, time.time() - 2), 20, f"no data: {expr}")
    at = time.time() - 2
    assert values(expr, at) == pytest.approx(values(f"topk({shown}, {LARGEST[title]})", at))
    assert len(values(expr, at)) == min(shown, len(FLOWS) + 1)


def test_each_flow_has_the_code_of_its_state(prometheus):
    for title, ref in (("Flows", "B"), ("State of the current window", "A")):
        panel = next(p for p, t in sources.targets(sources.load(BOARD)) if p["title"] == title)
        fields = [panel["fieldConfig"]["defaults"], *({p["id"]: p["value"] for p in o["properties"]} for o in panel["fieldConfig"]["overrides"])]
        (names,) = [field["mappings"][0]["options"] for field in fields if field.get("mappings")]
        shown = {flow: names[str(int(code))]["text"] for flow, code in ask(prometheus, title, ref).items()}
        assert shown == {flow: state.replace("_", " ") for flow, state in FLOWS.items()}


def test_worst_outcome_of_a_day_wins(prometheus):
    panel = next(p for p, t in sources.targets(sources.load(BOARD)) if p["title"] == "Outcomes by day")
    names = panel["fieldConfig"]["defaults"]["mappings"][0]["options"]
    shown = {flow: names[str(int(code))]["text"] for flow, code in ask(prometheus, "Outcomes by day").items()}
    assert shown == {flow: "on time" if state == "waiting" else state.replace("_", " ") for flow, state in FLOWS.items()}


def test_unknown_windows_are_no_part_of_the_share_on_time(prometheus):
    shares = ask(prometheus, "On time in 30d by flow")
    assert shares["acme-orders"] == shares["acme-trades"] == shares["acme-prices"] == 1
    assert shares["acme-returns"] == shares["acme-stock"] == shares["acme-taxes"] == pytest.approx(0.5)
