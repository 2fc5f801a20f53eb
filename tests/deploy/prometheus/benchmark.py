#!/usr/bin/env python3
"""Measures every rule and every panel on a Prometheus with a large fleet, and prints the slowest ten.

    TOOLS_BIN=target/test-tools/bin tests/deploy/prometheus/benchmark.py [--connectors 1000] [--transfers 10000] [--flows 1000] [--hours 24]

An exporter that only pretends exports each series that a rule or a panel reads, of so many connectors and flows, and of the
transfers that `max_transfers` allows, with timestamps of the past: the last six hours by the minute, as much as a dashboard
shows, and the time before every ten minutes. It also exports the recorded series. It is one shard of two, so that series of AWS
state have the label `shard`. Prometheus scrapes it as fast as it can; then each query runs three times at the end of that time.
The exit code is 1 if a query takes longer than the budget.

The time is the smaller of the elapsed time and the CPU time of Prometheus, so that a busy machine does not count.
"""

import argparse
import http.server
import json
import os
import pathlib
import re
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import conftest

FINE, COARSE = 60, 600
FINE_HOURS = 6
PIXELS = 800  # of a panel, hence steps of a range query
CODES = re.findall(
    r'"([A-Z_]+)"',
    re.search(
        r"DOCUMENTED_FAILURE_CODES: [^=]*= \[(.*?)\];", (conftest.ROOT / "crates/model/src/statuses.rs").read_text(), re.S
    )[1],
)
BUCKETS = ["0.5", "1", "2", "5", "10", "30", "60", "120", "300", "600", "1800", "3600", "7200", "21600", "43200", "+Inf"]
STATUSES = ["QUEUED", "IN_PROGRESS", "COMPLETED", "FAILED"]
STATES = ["pending", "running", "completed", "failed", "gone"]
OUTCOMES = ["on_time", "late", "missing", "invalid", "unknown"]
WAITS = ["0.5", "1", "2.5", "5", "10", "30", "60", "300", "900", "3600", "14400", "43200", "+Inf"]
SIZES = ["1024", "10240", "102400", "1e+06", "1e+07", "1e+08", "1e+09", "1e+10", "1.5e+11", "+Inf"]
# Series of AWS state: those of a sharded exporter have the label of their shard.
OF_A_SHARD = re.compile(r"aws_transfer_(?!exporter_|connection_)|aws_transfer_exporter_(transfers|failure_codes_folded_total)$")
REASONS = ["secret", "host", "login", "host_key", "timeout", "other"]


class Series:
    """The series as text, each with a function from the step to its value."""

    def __init__(self, connectors, transfers, flows):
        self.lines = []
        self.per_connector = [rule["record"] for rule in conftest.records() if rule["record"].startswith("connector:")]
        target = 'shard="0",shards="2"'
        self.add("aws_transfer_exporter_shard_info", target, 1)
        self.add("instance_shard:aws_transfer_exporter_shard_info:newest1h", target, 1)
        self.exporter()
        for number in range(connectors):
            self.connector(number)
        for account in range(5):
            self.account(f'aws_account="a{account}",aws_region="eu-central-1"')
        for number in range(transfers):
            self.transfer(number, number % connectors)
        for number in range(flows):
            self.flow(number)

    def add(self, name, labels, start, growth=0):
        if OF_A_SHARD.match(name):
            labels = f'{labels}{"," * bool(labels)}shard="0"'
        self.lines.append((f"{name}{{{labels}}} ", start, growth))

    def exporter(self):
        for unit in ("call", "gigabyte"):
            self.add(f"price:aws_transfer_connector_{unit}:usd", 'date="2026-09-20"', 1)
        self.add("aws_transfer_exporter_build_info", 'version="0",rust_version="0"', 1)
        self.add("process_start_time_seconds", "", 1_600_000_000)
        for name in ("scrape_complete", "config_last_reload_successful", "web_config_last_reload_successful", "storage_up"):
            self.add(f"aws_transfer_exporter_{name}", "", 1)
        for name in ("web_config_unconfirmed", "tokio_global_queue_depth"):
            self.add(f"aws_transfer_exporter_{name}", "", 0)
        now = int(time.time())
        for name, value in (("config_hash", 281_474_976_710_655), ("config_last_reload_success_timestamp_seconds", now), ("sweep_duration_seconds", 9),
                            ("certificate_not_after_timestamp_seconds", now + 60 * 86_400), ("storage_size_bytes", 100_000_000),
                            ("tokio_workers", 2), ("tokio_alive_tasks", 50)):
            self.add(f"aws_transfer_exporter_{name}", "", value)
        for name in ("storage_write_errors_total", "failure_codes_folded_total", "tokio_worker_busy_seconds_total"):
            self.add(f"aws_transfer_exporter_{name}", "", 0, 1)
        for name, value in (("max_fds", 65_536), ("open_fds", 50), ("resident_memory_bytes", 500_000_000), ("threads", 5)):
            self.add(f"process_{name}", "", value)
        self.add("process_cpu_seconds_total", "", 0, 3)
        for limit in ("transfers", "connectors"):
            self.add("aws_transfer_exporter_limit_exceeded_total", f'limit="{limit}"', 0)
        for reason in ("unauthorized", "host", "timeout"):
            self.add("aws_transfer_exporter_http_refused_total", f'reason="{reason}"', 0)
        for handler in ("/metrics", "/transfers", "/probe"):
            self.add("aws_transfer_exporter_http_requests_total", f'handler="{handler}",code="200"', 0, 1)
        for origin in ("configuration", "file", "http", "events", "cloudtrail", "api"):
            self.add("aws_transfer_exporter_transfers", f'origin="{origin}"', 1000)
        for operation in ("ListFileTransferResults", "DescribeConnector", "ListConnectors", "ReceiveMessage"):
            self.histogram("aws_transfer_exporter_api_request_duration_seconds", f'operation="{operation}"', BUCKETS)
        self.histogram("aws_transfer_exporter_storage_write_duration_seconds", "", BUCKETS)
        self.add("aws_transfer_exporter_leader", 'shard="0"', 1)
        for name in ("lease_lost_total", "storage_conflicts_total"):
            self.add(f"aws_transfer_exporter_{name}", 'shard="0"', 0)
        self.add("aws_transfer_exporter_inbox_oldest_timestamp_seconds", 'shard="0"', now)
        for operation in ("GetItem", "PutItem", "Query"):
            self.add("aws_transfer_exporter_storage_capacity_units_total", f'shard="0",operation="{operation}"', 0, 1)

    def histogram(self, name, labels, buckets):
        comma = "," * bool(labels)
        for place, le in enumerate(buckets):
            self.add(f"{name}_bucket", f'{labels}{comma}le="{le}"', 0, place)
        self.add(f"{name}_sum", labels, 0, 100)
        self.add(f"{name}_count", labels, 0, len(buckets) - 1)

    def connector(self, number):
        own = f'aws_account="a{number % 5}",aws_region="eu-central-1",connector_id="c-{number:017x}"'
        failing = number % 10 == 0
        self.add("aws_transfer_connector_info", f'{own},name="partner-{number}",url="sftp://p{number}",egress_type="SERVICE_MANAGED",status="ACTIVE"', 1)
        for code in ["", *CODES]:
            self.add("aws_transfer_connector_files_finished_total", f'{own},status="FAILED",failure_code="{code}"', 0, 1 if failing and code in CODES[:3] else 0)
        self.add("aws_transfer_connector_files_finished_total", f'{own},status="COMPLETED",failure_code=""', 0, 10)
        for status in STATUSES:
            self.add("aws_transfer_connector_files", f'{own},status="{status}",failure_code=""', 5)
        for state in STATES:
            self.add("aws_transfer_connector_transfers", f'{own},state="{state}"', 20)
        for operation in ("SEND", "RETRIEVE"):
            self.add("aws_transfer_connector_bytes_total", f'{own},operation="{operation}"', 0, 100_000)
            for name, buckets in (("file_duration_seconds", BUCKETS), ("queue_wait_seconds", WAITS), ("file_size_bytes", SIZES)):
                self.histogram(f"aws_transfer_connector_{name}", f'{own},operation="{operation}"', buckets)
        for operation in ("LIST", "MOVE", "DELETE"):
            self.add("aws_transfer_connector_operations_total", f'{own},operation="{operation}",status="COMPLETED",failure_code=""', 0, 2)
            for code in CODES[:3] if failing else ():
                self.add("aws_transfer_connector_operations_total", f'{own},operation="{operation}",status="FAILED",failure_code="{code}"', 0, 1)
        for code in CODES[:3] if failing else ():
            self.add("aws_transfer_connector_unresolved_failures", f'{own},failure_code="{code}"', 3)
        self.add("aws_transfer_connection_up", own, int(not failing))
        for reason in REASONS:
            self.add("aws_transfer_connection_failure_reason", f'{own},reason="{reason}"', int(failing and reason == "login"))
        self.add("aws_transfer_connection_last_success_timestamp_seconds", own, 1_700_000_000, 0 if failing else 60)
        for name in ("oldest_unfinished", "oldest_queued", "oldest_in_progress", "oldest_result", "last_started", "last_completed", "last_failed"):
            self.add(f"aws_transfer_connector_{name}_timestamp_seconds", own, 1_700_000_000, 60)
        for name in ("transfers_unreadable", "consecutive_failures"):
            self.add(f"aws_transfer_connector_{name}", own, 0)
        self.add("aws_transfer_connector_transfers_started_total", own, 0, 3)
        self.recorded(own, f'name="partner-{number}"', failing)

    def recorded(self, own, name, failing):
        finished = "connector_status_code:aws_transfer_connector_files_finished"
        self.add("connector_name:aws_transfer_connector_info:max", f"{own},{name}", 1)
        for window in ("increase", "increase1h", "increase5m"):
            for code in ["", *CODES]:
                self.add(f"{finished}:{window}", f'{own},status="FAILED",failure_code="{code}"', 3 if failing and code in CODES[:3] else 0)
            self.add(f"{finished}:{window}", f'{own},status="COMPLETED",failure_code=""', 100)
        for status in STATUSES:
            labels = f'{own},status="{status}",failure_code=""'
            self.add("connector_status_code:aws_transfer_connector_files:max", labels, 5)
            self.add("connector_shard_status_code:aws_transfer_connector_files:max", f'{labels},shard="0",shards="2"', 5)
        for state in STATES:
            self.add("connector_state:aws_transfer_connector_transfers:max", f'{own},state="{state}"', 20)
        if failing:
            for code in CODES[:3]:
                self.add(f"{finished}:failed", f'{own},status="FAILED",failure_code="{code}"', 10, 1)
                self.add("connector_status_code:aws_transfer_connector_files:failed", f'{own},status="FAILED",failure_code="{code}"', 10)
                self.add("connector_code:aws_transfer_connector_files_failed:increase1h", f'{own},failure_code="{code}"', 3)
                self.add("connector_code:aws_transfer_files_failed:new", f'{own},failure_code="{code}"', 1)
                self.add("connector_code:aws_transfer_connector_unresolved_failures:max", f'{own},failure_code="{code}"', 3)
                for operation in ("LIST", "MOVE", "DELETE"):
                    labels = f'{own},operation="{operation}",failure_code="{code}"'
                    self.add("connector_operation_status_code:aws_transfer_connector_operations:failed", f'{labels},status="FAILED"', 10, 1)
                    self.add("connector_operation_status_code:aws_transfer_connector_operations:increase", f'{labels},status="FAILED"', 3)
                    self.add("connector_operation_code:aws_transfer_operations_failed:new", labels, 1)
            self.add("connector_reason:aws_transfer_connection_failure_reason:failed", f'{own},reason="login"', 1)
        for operation in ("SEND", "RETRIEVE"):
            self.add("connector_operation:aws_transfer_connector_bytes:rate", f'{own},operation="{operation}"', 2000)
            self.add("connector_operation:aws_transfer_connector_bytes:increase1h", f'{own},operation="{operation}"', 7_200_000)
        for operation in ("LIST", "MOVE", "DELETE"):
            labels = f'{own},operation="{operation}",status="COMPLETED",failure_code=""'
            self.add("connector_operation_status_code:aws_transfer_connector_operations:increase1h", labels, 120)
        for record in self.per_connector:
            self.add(record, own, 1_700_000_000 if "timestamp" in record else int(not failing) if record.endswith("_up:max") else 0.01)

    def account(self, own):
        self.add("aws_transfer_exporter_account_up", own, 1)
        self.add("aws_transfer_exporter_api_rate_limit", own, 5)
        for outcome in ("ok", "throttled", "denied", "error"):
            self.add("aws_transfer_exporter_api_requests_total", f'{own},operation="ListFileTransferResults",outcome="{outcome}"', 0, 60)
            self.add("account_outcome:aws_transfer_exporter_api_requests:increase", f'{own},outcome="{outcome}"', 300)
        for name, value in (("up", 1), ("last_success_timestamp_seconds", int(time.time())), ("duration_seconds", 1), ("transfers_total", 100)):
            for source, target in (("connectors", ""), ("events", "transfer-events")):
                self.add(f"aws_transfer_exporter_discovery_{name}", f'{own},source="{source}",target="{target}"', value)
        for outcome in ("understood", "duplicate", "unparsable"):
            self.add("aws_transfer_exporter_discovery_messages_total", f'{own},target="transfer-events",outcome="{outcome}"', 0, 60)
        for queue in ("queue_messages", "queue_dead_letter_messages"):
            self.add(f"aws_transfer_exporter_discovery_{queue}", f'{own},target="transfer-events"', 0)
            self.add(f"target:aws_transfer_exporter_discovery_{queue}:max", f'{own},target="transfer-events"', 0)
        for operation in ("SEND", "RETRIEVE"):
            for place, le in enumerate(BUCKETS):
                self.add("account_operation_le:aws_transfer_connector_file_duration_seconds_bucket:rate", f'{own},operation="{operation}",le="{le}"', place)

    def transfer(self, number, connector):
        own = f'aws_account="a{connector % 5}",aws_region="eu-central-1",connector_id="c-{connector:017x}",transfer_id="{number:036x}"'
        self.add("aws_transfer_results_up", own, 1)
        for status in STATUSES:
            self.add("aws_transfer_files", f'{own},status="{status}",failure_code=""', int(status in ("FAILED", "QUEUED")))

    def flow(self, number):
        own = f'flow="flow-{number}"'
        info = f'{own},connectors="partner-{number}",expect="by 06:00 Europe/Berlin mon,tue,wed,thu,fri"'
        # Every tenth has unresolved failures and misses its deadlines, each in one of four ways.
        failing = number % 10 == 0
        outcome = OUTCOMES[1 + number // 10 % 4] if failing else "on_time"
        self.add("aws_transfer_flow_info", info, 1)
        self.add("flow_connectors:aws_transfer_flow_info:max", info, 1)
        self.add("aws_transfer_flow_files_finished_total", f'{own},status="COMPLETED",failure_code=""', 0, 10)
        for code in ["", *(CODES[:3] if failing else [])]:
            self.add("aws_transfer_flow_files_finished_total", f'{own},status="FAILED",failure_code="{code}"', 0, int(bool(code)))
        for operation in ("SEND", "RETRIEVE"):
            self.add("aws_transfer_flow_bytes_total", f'{own},operation="{operation}"', 0, 100_000)
        for state in ["waiting", *OUTCOMES]:
            for name in ("aws_transfer_flow_window_state", "flow_state:aws_transfer_flow_window_state:max"):
                self.add(name, f'{own},state="{state}"', int(state == (outcome if failing else "waiting")))
        for one in OUTCOMES:
            labels, growth = f'{own},outcome="{one}"', int(one == outcome)
            self.add("aws_transfer_flow_windows_total", labels, 0, growth)
            self.add("aws_transfer_flow_windows_corrected_total", labels, 0)
            counted = "flow_shard_outcome:aws_transfer_flow_windows"
            self.add(f"{counted}:max", f'{labels},shard="0"', 0, growth)
            self.add(f"{counted}_corrected:max", f'{labels},shard="0"', 0)
            if growth:
                for window in ("increase1h", "increase1d", "increase30d"):
                    self.add(f"flow_outcome:aws_transfer_flow_windows:{window}", labels, 1)
        # The deadlines are soon or have passed.
        deadline = int(time.time()) + (-600 if failing else 600)
        for name, value in (("deadline_timestamp_seconds", deadline), ("last_completed_timestamp_seconds", deadline), ("window_files", 1),
                            ("unresolved_failures", int(failing)), ("listing_items", 7), ("listing_truncated", 0)):
            self.add(f"aws_transfer_flow_{name}", own, value)
        self.add("aws_transfer_flow_duplicate_files_total", own, 0, int(failing))
        for record, value in (("deadline_timestamp_seconds:min", deadline), ("last_completed_timestamp_seconds:max", deadline),
                              ("window_files:max", 1), ("unresolved_failures:max", int(failing)), ("windows_on_time:ratio30d", 1 - failing), ("windows:worst1d", 1 + 3 * failing),
                              ("window_state:number", 1 + 4 * failing), ("cost_usd:increase1h", 1), ("cost_usd:increase1d", 24),
                              ("cost_usd:increase30d", 720)):
            self.add(f"flow:aws_transfer_flow_{record}", own, value)

    def exposition(self, step, at):
        end = f" {at}000\n"
        return "".join([f"{text}{start + growth * step}{end}" for text, start, growth in self.lines]).encode()


def times(hours, end):
    """Returns the times of the scrapes."""
    fine = min(hours, FINE_HOURS) * 3600
    past = list(range(end - hours * 3600, end - fine, COARSE))
    return past + list(range(end - fine, end + 1, FINE))


class Exporter(http.server.BaseHTTPRequestHandler):
    """Answers each scrape with the next step."""

    series, at, step = None, None, 0

    def do_GET(self):
        here = type(self)
        body = here.series.exposition(here.step, here.at[here.step]) if here.step < len(here.at) else b""
        try:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:  # the scrape took longer than `--pace`: the next one is of the same step
            return
        here.step += 1

    def log_message(self, *_):
        pass


def rules():
    for rule in conftest.records() + conftest.alerts():
        yield f"rule {rule.get('record') or rule['alert']}", rule["expr"], None


def panels():
    """Yields the queries of the dashboards with all options selected, or with one connector where only one can be."""
    for file in sorted((conftest.ROOT / "dashboards").glob("*.json")):
        board = json.loads(file.read_text())
        choice = {one["name"]: one["allValue"] if one.get("includeAll") else f"c-{10:017x}" for one in board["templating"]["list"]}

        def interpolated(expr, step):
            values = choice | {
                "__range": f"{FINE_HOURS}h", "__range_s": str(FINE_HOURS * 3600), "__interval": f"{step}s",
                "__interval_ms": str(step * 1000), "__rate_interval": f"{max(step + FINE, 4 * FINE)}s",
            }
            return re.sub(r"\$\{?(\w+)(?::\w+)?\}?", lambda match: values.get(match[1], match[0]), expr)

        def walk(panels):
            for panel in panels:
                yield panel
                yield from walk(panel.get("panels", []))

        for panel in walk(board["panels"]):
            for target in panel.get("targets", []):
                if "expr" in target:
                    step = None if target.get("instant") else max(FINE, FINE_HOURS * 3600 // PIXELS)
                    yield f"{file.stem}: {panel['title']}, {target['refId']}", interpolated(target["expr"], step or FINE), step


def names(expr):
    """Returns the names of the series that a query reads."""
    bare = re.sub(r'"[^"]*"|\[[^]]*\]', "", expr)
    return set(re.findall(r"\b(?:aws_transfer_\w+|process_\w+|[a-z_]+:[\w:]+)", bare))


def cpu(process):
    """Returns the CPU seconds of a process."""
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ask(url, expr, end, step):
    """Runs a query; returns the number of series."""
    if step:
        route, parameters = "query_range", {"start": end - FINE_HOURS * 3600, "end": end, "step": step}
    else:
        route, parameters = "query", {"time": end}
    data = urllib.parse.urlencode({"query": expr, **parameters}).encode()
    try:
        with urllib.request.urlopen(f"{url}/api/v1/{route}", data, timeout=300) as answer:
            return len(json.load(answer)["data"]["result"])
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{expr}\nPrometheus answers {error.code}: {error.read().decode()[:500]}") from None


def measured(process, url, expr, end, step):
    """Returns the seconds of the fastest of three runs."""
    found = []
    for _ in range(3):
        began, used = time.monotonic(), cpu(process)
        series = ask(url, expr, end, step)
        found.append(min(time.monotonic() - began, cpu(process) - used))
    return min(found), series


def start(folder, scrape, hours):
    """Starts Prometheus; returns the processes, its process and its URL."""
    processes = conftest.Processes(folder)
    port = conftest.free_port()
    (folder / "prometheus.yml").write_text(json.dumps({"scrape_configs": scrape}))
    # Beside samples of the past, each scrape has `up` of now. A head that spans both accepts the former and is not compacted.
    span = f"{2 * hours + 24}h"
    process = processes.start(
        "prometheus", conftest.tool("prometheus"), "--config.file=prometheus.yml", "--storage.tsdb.path=data",
        "--storage.tsdb.retention.time=10y", f"--storage.tsdb.min-block-duration={span}", f"--storage.tsdb.max-block-duration={span}",
        f"--web.listen-address=127.0.0.1:{port}", "--query.timeout=5m",
    )
    url = f"http://127.0.0.1:{port}"
    conftest.wait_for("Prometheus is ready", lambda: conftest.fetch(f"{url}/-/ready"), 300)
    return processes, process, url


def load(folder, options):
    """Has Prometheus scrape everything; returns the time of the last sample."""
    end = int(time.time()) // 60 * 60
    Exporter.series, Exporter.at = Series(options.connectors, options.transfers, options.flows), times(options.hours, end)
    server = http.server.HTTPServer(("127.0.0.1", 0), Exporter)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    processes, *_ = start(folder, [{
        "job_name": "aws-transfer-exporter", "scrape_interval": f"{options.pace}s", "scrape_timeout": f"{options.pace}s",
        "static_configs": [{"targets": [f"127.0.0.1:{server.server_port}"]}],
    }], options.hours)
    while Exporter.step <= len(Exporter.at):
        if sys.stderr.isatty():
            print(f"\r{Exporter.step} of {len(Exporter.at)} scrapes of {len(Exporter.series.lines)} series", end="", file=sys.stderr)
        time.sleep(1)
    processes.stop_all()
    server.shutdown()
    (folder / "end").write_text(str(end))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--connectors", type=int, default=1000)
    parser.add_argument("--transfers", type=int, default=10_000, help="transfers with series: max_transfers")
    parser.add_argument("--flows", type=int, default=1000)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--budget", type=float, default=1.0, help="seconds of a query")
    parser.add_argument("--pace", type=int, default=3, help="seconds between scrapes: more than one takes")
    parser.add_argument("--data", type=pathlib.Path, help="keeps the samples in this directory, or uses those that are there")
    options = parser.parse_args()
    exported = {text.split("{")[0] for text, *_ in Series(1, 1, 1).lines}
    for title, expr, _ in [*rules(), *panels()]:
        assert names(expr) <= exported, f"{title} reads what the exporter here does not export: {names(expr) - exported}"
    with tempfile.TemporaryDirectory() as name:
        folder = options.data or pathlib.Path(name)
        folder.mkdir(exist_ok=True)
        if not (folder / "end").exists():
            load(folder, options)
        end = int((folder / "end").read_text())
        processes, process, url = start(folder, [], options.hours)
        try:
            (kept,) = conftest.query(url, f"count_over_time(aws_transfer_exporter_build_info[{options.hours}h] @ {end})")
            wanted = len(times(options.hours, end))
            assert float(kept["value"][1]) >= wanted - 1, f"Prometheus has {kept['value'][1]} of {wanted} samples of each series"
            results = [(*measured(process, url, expr, end, step), title) for title, expr, step in [*rules(), *panels()]]
        finally:
            processes.stop_all()
    results.sort(reverse=True)
    print(f"{len(results)} queries, {options.connectors} connectors, {options.transfers} transfers with series, {options.flows} flows; the slowest ten:")
    print("| seconds | series | query |\n| --- | --- | --- |")
    for seconds, series, title in results[:10]:
        print(f"| {seconds:.2f} | {series} | {title} |")
    rules_seconds = sum(seconds for seconds, _, title in results if title.startswith("rule "))
    print(f"all rules together: {rules_seconds:.1f} s; all panels: {sum(seconds for seconds, *_ in results) - rules_seconds:.1f} s")
    return int(results[0][0] > options.budget)


if __name__ == "__main__":
    sys.exit(main())
