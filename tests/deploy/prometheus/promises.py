#!/usr/bin/env python3
"""Runs the demo and injected faults against the shipped rules in real time, and compares alerts with the truth.

    EXPORTER=target/debug/aws-transfer-exporter TOOLS_BIN=target/test-tools/bin tests/deploy/prometheus/promises.py [--minutes 55] [--only CLUSTER]...

Prometheus scrapes every 15 s and evaluates the rules as shipped, with Alertmanager and a receiver behind it. Six clusters
keep the faults apart:

- demo: nothing is injected. Each alert has to be true according to the exporter's log and its metrics.
- files: failed files on new connectors, an unlisted failure code, stuck files, connectors on which nothing starts.
- credentials: AWS rejects the credentials.
- queue: messages that no consumer understands stay in the queue.
- killed: the only exporter is killed.
- flows: a flow for each state of a delivery. The last alert takes 25 minutes, so `--only flows --minutes 26` is enough.

Prints when each alert fired after its injection, and how long it is allowed to take: the `for` of its rule, the time that
the fault itself needs, and GRACE for polls, scrapes and evaluations. Every alert that is neither true nor a consequence of
an injection is listed. The exit code is 1 if an alert is late, missing or untrue. Notifications are printed and not judged:
the shipped routes delay some, and inhibit those that another alert explains.
"""

import argparse
import calendar
import contextlib
import datetime
import http.server
import json
import pathlib
import re
import signal
import sys
import tempfile
import threading
import time
import urllib.request

import conftest
import yaml
from conftest import SHIPPED, SIMULATOR_KEY, fetch, free_port, wait_for

SCRAPE = 15
# A poll, a scrape, the recording rules and the alerting rules, each after its own interval.
GRACE = 15 + SCRAPE + 60 + 60
WARM_UP = 6 * 60
# Alerts that a fault causes beside the promised one.
CONSEQUENCES = {
    "files": {
        "AwsTransferFilesFailed", "AwsTransferExpectedFailures", "AwsTransferConnectorAccessFailed", "AwsTransferFailuresUnresolved",
        "AwsTransferStuckQueued", "AwsTransferStuckInProgress", "AwsTransferUnfinishedPastAwsLimit", "AwsTransferNothingStarted",
        "AwsTransferConsecutiveFailures", "AwsTransferFailureShareHigh", "AwsTransferDeliveryBurnRateHigh", "AwsTransferDeliveryBurnRateSlow",
    },
    "credentials": {"AwsTransferAccountDown", "AwsTransferCredentialsFailing", "AwsTransferResultsUnreadable", "AwsTransferResultsStale",
                    "AwsTransferSweepIncomplete", "AwsTransferNothingStarted"},
    "queue": {"AwsTransferQueueNotDraining", "AwsTransferMessagesNotUnderstood"},
    "killed": {"AwsTransferExporterDown", "AwsTransferExporterAbsent"},
    "flows": {"AwsTransferFilesFailed"},
}
CLUSTERS = ("demo", *CONSEQUENCES)
# The alerts of each flow of the cluster `flows`. A delivery that is due within 15 minutes is due soon, whatever follows.
FLOWS = {
    "on_time": {"AwsTransferFlowDueSoon"},
    "due_soon": {"AwsTransferFlowDueSoon", "AwsTransferFlowMissing"},
    "late": {"AwsTransferFlowDueSoon", "AwsTransferFlowLate"},
    "missing": {"AwsTransferFlowDueSoon", "AwsTransferFlowMissing"},
    "invalid": {"AwsTransferFlowDueSoon", "AwsTransferFlowInvalid"},
    "unknown": {"AwsTransferFlowDueSoon", "AwsTransferFlowUnknown"},
    "failing": {"AwsTransferFlowFailing"},
}
# The same of the demo, from what its feeds deliver.
FLOWS_OF_THE_DEMO = {
    "prices": {"AwsTransferFlowDueSoon"},
    "orders": {"AwsTransferFlowDueSoon", "AwsTransferFlowLate"},
    "stock": {"AwsTransferFlowDueSoon", "AwsTransferFlowLate", "AwsTransferFlowMissing"},
    "invoices": {"AwsTransferFlowDueSoon", "AwsTransferFlowLate", "AwsTransferFlowInvalid"},
    "reports": {"AwsTransferFlowDueSoon", "AwsTransferFlowFailing"},
}
STATES_OF_ALERTS = {
    "AwsTransferFlowDueSoon": "waiting", "AwsTransferFlowLate": "late", "AwsTransferFlowMissing": "missing",
    "AwsTransferFlowInvalid": "invalid", "AwsTransferFlowUnknown": "unknown",
}


def seconds(duration):
    units = {"s": 1, "m": 60, "h": 3600}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([smh])", duration or ""))


FOR = {rule["alert"]: seconds(rule.get("for", "")) for rule in conftest.alerts()}


class Receiver(http.server.BaseHTTPRequestHandler):
    """Keeps when Alertmanager first notified of each alert."""

    notified = {}

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for alert in body["alerts"]:
            if alert["status"] == "firing":
                self.notified.setdefault(frozenset(alert["labels"].items()), time.time())
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


class Cluster:
    """An exporter with its simulator."""

    def __init__(self, processes, name, flows=None, **discovery):
        self.name = name
        self.simulator = f"http://127.0.0.1:{(port := free_port())}"
        self.address = f"127.0.0.1:{free_port()}"
        processes.start(f"{name}-simulator", conftest.exporter(), "simulate", f"--simulator.listen-address=127.0.0.1:{port}")
        wait_for(f"{name}: the simulator answers", lambda: fetch(f"{self.simulator}/_simulator/"))
        if "events" in discovery:
            self.queue = fetch(f"{self.simulator}/_simulator/queue").strip()
            discovery["events"][0] |= {"queue_url": self.queue, "endpoint_url": self.simulator}
        # Without a source there would be nothing to export.
        (processes.folder / f"{name}-transfers.yml").write_text("[]\n")
        discovery["files"] = [{"paths": [f"{name}-transfers.yml"]}]
        config = {"accounts": [{"name": name, "region": "eu-central-1", "endpoint_url": self.simulator}], "discovery": discovery}
        if flows:
            config["flows"] = flows
        (processes.folder / f"{name}.yml").write_text(yaml.safe_dump(config))
        self.process = processes.start(
            name, conftest.exporter(), f"--config.file={name}.yml", "--web.enable-write-api", f"--web.listen-address={self.address}",
            env=SIMULATOR_KEY,
        )
        wait_for(f"{name}: the exporter answers", lambda: fetch(f"http://{self.address}/-/healthy"))

    def transfer(self, number, files, age=0):
        """Starts a transfer on connector `number`, `age` seconds ago, and reports it to the exporter."""
        connector, transfer = f"c-{number:017x}", f"{number:08x}-0000-4000-8000-{len(files):012x}"
        fetch(f"{self.simulator}/_simulator/connectors/{connector}", "PUT", {"host": "sftp.acme.example", "protocol": "sftp"})
        fetch(f"{self.simulator}/_simulator/transfers/{connector}/{transfer}?age={age}s", "PUT", files)
        began = int(time.time()) - age
        fetch(f"http://{self.address}/api/v1/transfers/{connector}/{transfer}?started_at={began}&files={len(files)}", "PUT")
        return connector

    def send(self, body):
        # The simulator checks the form of a signature only.
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        scope = f"{SIMULATOR_KEY['AWS_ACCESS_KEY_ID']}/{stamp[:8]}/eu-central-1/sqs/aws4_request"
        request = urllib.request.Request(
            self.simulator, json.dumps({"QueueUrl": self.queue, "MessageBody": body}).encode(),
            {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.SendMessage", "X-Amz-Date": stamp,
             "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}"},
        )
        urllib.request.urlopen(request, timeout=10).close()


def failing(code, path="/orders.csv"):
    return {"path": path, "queued_for": 0, "in_progress_for": "5s", "end": {"failed": {"code": code, "message": "Injected"}}}


COMPLETED = {"path": "/stock.csv", "queued_for": 0, "in_progress_for": "5s", "end": "completed"}
QUEUED = {"path": "/late.csv", "queued_for": "forever", "in_progress_for": 0, "end": "never"}
RUNNING = {"path": "/slow.csv", "queued_for": 0, "in_progress_for": "forever", "end": "never"}


class Deadlines:
    """When the windows of the cluster `flows` open and end: the first minutes after the injection."""

    def __init__(self):
        self.opens = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=WARM_UP + 120)).replace(second=0, microsecond=0)
        self.due = self.opens + datetime.timedelta(minutes=2)
        # Its warning is at the time of the others.
        self.due_soon = self.due + datetime.timedelta(minutes=15)

    def flows(self):
        for name in FLOWS:
            expect = {"by": f"{self.due_soon if name == 'due_soon' else self.due:%H:%M}", "from": f"{self.opens:%H:%M}", "time_zone": "Etc/UTC"}
            if name == "late":
                expect["grace"] = "6h"
            if name == "invalid":
                expect["files"] = 2
            if name == "unknown":
                # The window has been open since yesterday, when the exporter did not run.
                del expect["from"]
            flow = {"name": name, "connectors": [f"c-{number:017x}" for number in (1, 2)], "paths": [f"/{name}/*.csv"]}
            yield flow if name == "failing" else flow | {"expect": expect}


class Injection:
    def __init__(self, cluster, what, alert, labels=None, takes=0, at=None):
        self.cluster, self.what, self.alert, self.labels, self.takes = cluster, what, alert, labels or {}, takes
        self.at = time.time() if at is None else at.timestamp()

    @property
    def promised(self):
        return self.takes + FOR[self.alert] + GRACE

    def meets(self, labels):
        wanted = {"alertname": self.alert, "cluster": self.cluster} | self.labels
        return all(labels.get(key, "") == value for key, value in wanted.items())


def inject(clusters, deadlines):
    """Injects every fault of the clusters once; yields what has to fire."""
    for name, cluster in clusters.items():
        yield from inject_flows(cluster, deadlines) if name == "flows" else INJECT[name](cluster)


def inject_files(files):
    def on(number, content, what, alert, labels=None, takes=0, age=0):
        connector = files.transfer(number, content, age)
        return Injection("files", what, alert, {"connector_id": connector} | (labels or {}), takes)

    yield on(1, [failing("CONNECTION_ERROR")], "a failed file on a new connector", "AwsTransferFilesFailed", {"failure_code": "CONNECTION_ERROR"}, 5)
    yield on(2, [failing("WEATHER_ERROR")], "a failure code that AWS does not document", "AwsTransferFilesFailed", {"failure_code": "WEATHER_ERROR"}, 5)
    yield on(3, [failing("ASSUME_ROLE_ERROR")], "an access role that cannot be assumed", "AwsTransferConnectorAccessFailed", {"failure_code": "ASSUME_ROLE_ERROR"}, 5)
    yield on(4, [failing("RETRIEVE_FILE_NOT_FOUND")], "a file that is not there yet", "AwsTransferExpectedFailures", {}, 5)
    yield on(5, [failing("TIMEOUT_ERROR", f"/{number}.csv") for number in range(6)], "six files that fail in a row", "AwsTransferConsecutiveFailures", {}, 5)
    yield on(6, [failing("TIMEOUT_ERROR", f"/{number}.csv") for number in range(6)], "a share of failed files", "AwsTransferFailureShareHigh", {}, 5)
    yield on(7, [failing("TIMEOUT_ERROR", f"/{number}.csv") for number in range(6)], "a burn rate", "AwsTransferDeliveryBurnRateHigh", {}, 5)
    # The fault is a minute away.
    yield on(8, [QUEUED], "a file in QUEUED for 2 h", "AwsTransferStuckQueued", {}, 60, 2 * 3600 - 60)
    yield on(9, [RUNNING], "a transfer older than 25 h", "AwsTransferUnfinishedPastAwsLimit", {}, 60, 25 * 3600 - 60)
    # The rule looks at every tenth minute, so that it sees a connector that is new up to ten minutes late.
    yield on(10, [COMPLETED], "nothing started for 26 h", "AwsTransferNothingStarted", {}, 60 + 600, 26 * 3600 - 60)


def inject_credentials(credentials):
    fetch(f"{credentials.simulator}/_simulator/faults", "PUT", {"expired_token": True})
    # A transfer that does not change is polled every `max_refresh_interval`.
    yield Injection("credentials", "rejected credentials", "AwsTransferAccountDown", {}, 5 * 60)


def inject_queue(queue):
    for number in range(150):
        queue.send(f"not an event, number {number}")
    yield Injection("queue", "messages that are not understood", "AwsTransferMessagesNotUnderstood")
    # The backlog is compared with the one of 20 to 30 minutes ago.
    yield Injection("queue", "150 messages that stay in the queue", "AwsTransferQueueNotDraining", {}, 20 * 60 + 10 * 60)


def inject_killed(killed):
    killed.process.send_signal(signal.SIGKILL)
    yield Injection("killed", "an exporter that is killed, as one of its cluster", "AwsTransferExporterDown")
    yield Injection("killed", "the only exporter of a cluster that is killed", "AwsTransferExporterAbsent")


def inject_flows(flows, deadlines):
    def flow(name, what, alert, at=deadlines.due, takes=0):
        return Injection("flows", what, alert, {"flow": name}, takes, at)

    until = (deadlines.opens - datetime.datetime.now(datetime.UTC)).total_seconds() + 30
    arrives = {"queued_for": 0, "in_progress_for": f"{until:.0f}s", "end": "completed"}
    flows.transfer(1, [arrives | {"path": "/on_time/1.csv"}, arrives | {"path": "/invalid/1.csv"}])
    flows.transfer(2, [failing("TIMEOUT_ERROR", "/failing/1.csv")])
    yield flow("failing", "a failed file of a flow", "AwsTransferFlowFailing", None, 5)
    yield flow("missing", "no file by the deadline", "AwsTransferFlowMissing")
    yield flow("invalid", "one of two files by the deadline", "AwsTransferFlowInvalid")
    yield flow("late", "no file by the deadline, and a grace period", "AwsTransferFlowLate")
    yield flow("due_soon", "no file 15 minutes before the deadline", "AwsTransferFlowDueSoon")
    yield flow("unknown", "no file by the deadline, and an exporter that started after the window had opened", "AwsTransferFlowUnknown")


INJECT = {"files": inject_files, "credentials": inject_credentials, "queue": inject_queue, "killed": inject_killed}


class Truth:
    """What the log and the metrics of the demo say."""

    def __init__(self, address, log):
        self.address, self.log, self.prometheus = address, log, None
        self.samples = []

    def read(self):
        """Reads the counters and the unresolved failures, as JSON and in the text format."""
        finished, consecutive, operations = {}, {}, {}
        families = "&".join(f"name[]=aws_transfer_connector_{name}" for name in ("files_finished_total", "consecutive_failures", "operations_total"))
        for name, labels, value in re.findall(r"^(\w+)\{(.*)\} (\S+)$", fetch(f"http://{self.address}/metrics?{families}"), re.M):
            label = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            connector = label["connector_id"]
            if name.endswith("consecutive_failures"):
                consecutive[connector] = float(value)
            elif name.endswith("operations_total"):
                if label["status"] == "FAILED":
                    operations[connector, label["operation"], label["failure_code"]] = float(value)
            else:
                expected = label["failure_code"] == "RETRIEVE_FILE_NOT_FOUND"
                failed, ended = finished.get(connector, (0, 0))
                finished[connector] = (failed + float(value) * (label["status"] == "FAILED" and not expected), ended + float(value) * (not expected))
        open_failures = json.loads(fetch(f"http://{self.address}/api/v1/failures?limit=10000"))["failures"]
        flows = {flow["name"]: flow for flow in json.loads(fetch(f"http://{self.address}/api/v1/flows"))["flows"]}
        self.samples.append((time.time(), finished, consecutive, {one["connector_id"] for one in open_failures}, operations, flows))

    def records(self, event, connector, since):
        """Yields the log records of an event of a connector since a time."""
        for line in self.log.read_text(errors="replace").splitlines():
            if f"event={event} " in line and f"connector_id={connector} " in line:
                stamp = time.strptime(line[3:22], "%Y-%m-%dT%H:%M:%S")
                if calendar.timegm(stamp) >= since:
                    yield line

    def failed(self, connector, code, since):
        """Returns whether a file has failed with this code since a time."""
        codes = (re.search(r" failure_code=(\S+)", line) for line in self.records("file_failed", connector, since))
        return any((said[1].strip('"') if said else "") == code for said in codes)

    def share(self, connector, since):
        """Returns the share of files that failed since a time, from the counters."""
        inside = [sample for sample in self.samples if sample[0] >= since]
        (_, first, *_), (_, last, *_) = inside[0], inside[-1]
        failed, ended = (now - then for now, then in zip(last.get(connector, (0, 0)), first.get(connector, (0, 0))))
        return failed / ended if ended else 0

    def holds(self, labels):
        """Returns whether an alert is true now, or was within the time that it is kept."""
        alert, connector, now = labels["alertname"], labels.get("connector_id", ""), time.time()
        recent = [sample for sample in self.samples if sample[0] > now - 180]
        if alert in ("AwsTransferFilesFailed", "AwsTransferConnectorAccessFailed", "AwsTransferExpectedFailures"):
            return self.failed(connector, labels.get("failure_code", ""), now - 900 - 2 * GRACE)
        if alert == "AwsTransferUnknownToAws":
            return any(self.records("transfer_gone", connector, 0))
        if alert == "AwsTransferRemoteOperationsFailed":
            key = (connector, labels["operation"], labels.get("failure_code", ""))
            window = [0] * (now - 900 - 2 * GRACE < self.samples[0][0]) + [s[4].get(key, 0) for s in self.samples if s[0] > now - 900 - 2 * GRACE]
            return window[-1] > window[0]
        if alert == "AwsTransferConsecutiveFailures":
            # A peak can be shorter than the time between two reads: what Prometheus has scraped counts as well.
            scraped = f'max_over_time(aws_transfer_connector_consecutive_failures{{cluster="demo",connector_id="{connector}"}}[3m]) >= 5'
            return any(sample[2].get(connector, 0) >= 5 for sample in recent) or bool(conftest.query(self.prometheus, scraped))
        if alert in STATES_OF_ALERTS:
            flow, state = labels["flow"], STATES_OF_ALERTS[alert]
            # The demo has not watched the first window of each flow whole: without a file it is late, then unknown.
            is_first = now - self.samples[0][0] < 300 + 2 * GRACE
            delivered = alert in FLOWS_OF_THE_DEMO[flow] or state == "unknown" and is_first
            return delivered and any(sample[5][flow]["window"]["state"] == state for sample in recent)
        if alert == "AwsTransferFlowFailing":
            flow = labels["flow"]
            return alert in FLOWS_OF_THE_DEMO[flow] and any(sample[5][flow]["unresolved_failures"] for sample in recent)
        if alert == "AwsTransferFailuresUnresolved":
            return any(connector in sample[3] for sample in recent)
        # Shares are kept for 15 minutes; what the counters had before the first scrape of a series counts too.
        held = [self.share(connector, since) for since in (0, now - 3600, now - 3600 - 900)]
        if alert == "AwsTransferFailureShareHigh":
            return max(held) > 0.25 * 0.9
        if alert == "AwsTransferDeliveryBurnRateHigh":
            return max(held) > 0.06 * 0.9
        if alert == "AwsTransferDeliveryBurnRateSlow":
            return max(held) > 0.01
        return False


def follows(labels, has_injected):
    """Returns whether an alert is a consequence of an injection."""
    cluster, alert = labels.get("cluster", ""), labels["alertname"]
    if cluster == "flows" and "flow" in labels:
        return alert in FLOWS[labels["flow"]]
    return has_injected and alert in CONSEQUENCES.get(cluster, ())


def report(injections, fired, untrue):
    print("| injected | cluster | alert | fired after | notified after | promised |\n| --- | --- | --- | --- | --- | --- |")
    good = True
    for one in injections:
        labels, at = min(((labels, at) for labels, at in fired.items() if one.meets(dict(labels)) and at >= one.at), key=lambda pair: pair[1], default=(None, None))
        after = None if at is None else at - one.at
        notified = Receiver.notified.get(labels)
        good &= after is not None and after <= one.promised
        shown = lambda value: "never" if value is None else f"{value:.0f} s"
        print(f"| {one.what} | {one.cluster} | {one.alert} | {shown(after)} | {shown(notified and notified - one.at)} | {one.promised} s |")
    print(f"\n{len(fired)} alerts fired in all; untrue: {len(untrue)}")
    for labels in untrue:
        print("  " + json.dumps(dict(labels), sort_keys=True))
    by_name = {}
    for labels in fired:
        label = dict(labels)
        key = (label["cluster"], label["alertname"])
        by_name[key] = by_name.get(key, 0) + 1
    for (cluster, name), count in sorted(by_name.items()):
        print(f"  {cluster}: {name} {count}")
    return good and not untrue


def run(folder, minutes, chosen):
    processes = conftest.Processes(folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        targets, truth, deadlines = {}, None, Deadlines()
        if "demo" in chosen:
            targets["demo"] = f"127.0.0.1:{free_port()}"
            processes.start("demo", conftest.exporter(), "demo", f"--web.listen-address={targets['demo']}")
            wait_for("the demo answers", lambda: fetch(f"http://{targets['demo']}/-/ready"))
            truth = Truth(targets["demo"], folder / "demo.log")
        special = {"queue": {"events": [{}]}, "flows": {"flows": list(deadlines.flows())}}
        clusters = {name: Cluster(processes, name, **special.get(name, {})) for name in chosen if name != "demo"}
        for name in clusters.keys() & {"credentials", "killed"}:
            clusters[name].transfer(1, [RUNNING])
        targets |= {name: cluster.address for name, cluster in clusters.items()}

        routes = yaml.safe_load((SHIPPED / "alertmanager.yml").read_text())
        for one in routes["receivers"]:
            one["webhook_configs"] = [{"url": f"http://127.0.0.1:{server.server_port}/{one['name']}"}]
        alertmanager = processes.alertmanager(routes)
        prometheus = processes.prometheus("prometheus", {
            "global": {"scrape_interval": f"{SCRAPE}s"},
            "rule_files": [str(SHIPPED / "*.rules.yml")],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager.removeprefix("http://")]}]}]},
            "scrape_configs": [{"job_name": "aws-transfer-exporter", "static_configs": [
                {"targets": [address], "labels": {"cluster": name}} for name, address in targets.items()]}],
        })
        if truth:
            truth.prometheus = prometheus
        fired, untrue, injections = {}, set(), []
        began = time.time()
        while time.time() < began + minutes * 60:
            if not injections and time.time() > began + WARM_UP:
                injections = list(inject(clusters, deadlines))
            if truth:
                with contextlib.suppress(OSError):
                    truth.read()
            # Not `ALERTS`, which lacks the first evaluation after a start.
            for alert in json.loads(fetch(f"{prometheus}/api/v1/alerts"))["data"]["alerts"]:
                if alert["state"] != "firing":
                    continue
                labels = alert["labels"]
                key = frozenset(labels.items())
                new = key not in fired
                fired.setdefault(key, time.time())
                cluster = labels.get("cluster", "")
                true = truth.holds(labels) if cluster == "demo" else follows(labels, bool(injections))
                if not true:
                    untrue.add(key)
                if new:
                    print(f"{time.time() - began:6.0f} s {cluster} {labels['alertname']} {labels.get('flow', labels.get('name', labels.get('connector_id', '')))} {labels.get('failure_code', '')}{'' if true else ' UNTRUE'}", file=sys.stderr, flush=True)
            time.sleep(5)
        return report(injections, fired, untrue)
    finally:
        processes.stop_all()
        server.shutdown()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--minutes", type=int, default=55)
    parser.add_argument("--only", action="append", choices=CLUSTERS, help="runs this cluster; repeatable")
    parser.add_argument("--folder", type=pathlib.Path, help="keeps logs and samples in this directory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = (options.folder or pathlib.Path(name)).absolute()
        folder.mkdir(exist_ok=True)
        return 0 if run(folder, options.minutes, options.only or CLUSTERS) else 1


if __name__ == "__main__":
    sys.exit(main())
