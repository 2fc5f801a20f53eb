"""End-to-end tests from a failed file in a simulated AWS to a webhook: exporter, Prometheus, Alertmanager, receiver.

Time runs 120 times faster (hastened.py), so the scrape interval of 60 s is half a second.
"""

import http.server
import json
import re
import signal
import threading
import time

import pytest
import yaml

import hastened
from conftest import RUNBOOKS, SHIPPED, SIMULATOR_KEY, exporter, fetch, free_port, groups, query, wait_for

FACTOR = 120
CONNECTOR = "c-0123456789abcdef0"
FAILING = "4b1a8c1e-0000-4000-8000-000000000001"
HEALTHY = "4b1a8c1e-0000-4000-8000-000000000002"
LABELS = {"aws_account": "prod", "aws_region": "eu-central-1", "connector_id": CONNECTOR, "name": "acme-inbound"}


@pytest.fixture
def receiver():
    """Runs a webhook receiver; yields its URL and the received (path, body) pairs."""
    received = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.append((self.path, body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    thread.join()
    server.server_close()


def shipped_stand(processes, address, exporter_port):
    """Starts an Alertmanager with the shipped routes and a Prometheus with the shipped rules; returns the URL of the latter."""
    routes = yaml.safe_load((SHIPPED / "alertmanager.yml").read_text())
    for one in routes["receivers"]:
        one["webhook_configs"] = [{"url": f"{address}/{one['name']}"}]
    alertmanager = processes.alertmanager(hastened.routes(routes, FACTOR))
    rules = processes.folder / "hastened.rules.yml"
    rules.write_text(yaml.safe_dump(hastened.rules(groups("recording.rules.yml") + groups("alerting.rules.yml"), FACTOR)))
    return processes.prometheus("prometheus", {
        "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
        "rule_files": [str(rules)],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager.removeprefix("http://")]}]}]},
        "scrape_configs": [{"job_name": "aws-transfer-exporter", "static_configs": [{"targets": [f"127.0.0.1:{exporter_port}"]}]}],
    })


def test_demo_failures_alert_and_resolve(processes, receiver):
    address, received = receiver
    port = free_port()
    processes.start("demo", exporter(), "demo", f"--web.listen-address=127.0.0.1:{port}")
    wait_for("the demo answers", lambda: fetch(f"http://127.0.0.1:{port}/-/ready"))
    prometheus = shipped_stand(processes, address, port)

    def first(status, of=None):
        alerts = [alert for to, body in list(received) for alert in body["alerts"] if to == "/chat"]
        for alert in alerts:
            labels = alert["labels"]
            if labels["alertname"] == "AwsTransferFilesFailed" and alert["status"] == status and of in (None, labels):
                return alert
        return None

    alert = wait_for("an alert for a failed file", lambda: first("firing"), 60)
    names = {sample["metric"]["connector_id"]: sample["metric"]["name"] for sample in query(prometheus, "aws_transfer_connector_info")}
    labels = alert["labels"]
    assert labels["name"] == names[labels["connector_id"]]
    assert (labels["aws_account"], labels["aws_region"], labels["severity"]) == ("demo", "eu-central-1", "warning")
    assert query(prometheus, f'aws_transfer_connector_files{{connector_id="{labels["connector_id"]}",failure_code="{labels["failure_code"]}"}}')
    anchor = alert["annotations"]["runbook_url"].partition("docs/operate/runbooks.md#")[2]
    assert anchor in [heading.lower() for heading in re.findall(r"^## (\w+)$", RUNBOOKS.read_text(), re.M)]
    # Demo connectors fail occasionally with each code, so alerts resolve in between.
    resolved = wait_for("one of them resolves", lambda: first("resolved"), 120)
    assert first("firing", resolved["labels"])


def test_failed_file_alerts_and_resolves(processes, receiver):
    address, received = receiver
    folder = processes.folder

    # One transfer whose file fails after the first poll, and one that stays in progress.
    simulator_port, exporter_port = free_port(), free_port()
    simulator = f"http://127.0.0.1:{simulator_port}"
    processes.start("simulator", exporter(), "simulate", f"--simulator.listen-address=127.0.0.1:{simulator_port}")
    wait_for("the simulator answers", lambda: fetch(f"{simulator}/_simulator/"))
    fetch(f"{simulator}/_simulator/connectors/{CONNECTOR}", "PUT", {"host": "sftp.acme.example", "protocol": "sftp"})
    failed = {"failed": {"code": "CONNECTION_ERROR", "message": "Unknown Host"}}
    fetch(f"{simulator}/_simulator/transfers/{CONNECTOR}/{FAILING}", "PUT", [{"path": "/orders.csv", "queued_for": 0, "in_progress_for": "5s", "end": failed}])
    fetch(f"{simulator}/_simulator/transfers/{CONNECTOR}/{HEALTHY}", "PUT", [{"path": "/stock.csv", "queued_for": 0, "in_progress_for": "forever", "end": "never"}])

    def configure(transfers):
        written = {
            "accounts": [{"name": "prod", "region": "eu-central-1", "endpoint_url": simulator}],
            "transfers": [{"connector_id": CONNECTOR, "transfer_ids": transfers}],
            "connectors": [{"id": CONNECTOR, "name": "acme-inbound", "labels": {"partner": "acme"}}],
            "collector": {"min_refresh_interval": "1ms", "requests_per_second": 100},
        }
        (folder / "exporter.yml").write_text(yaml.safe_dump(written))

    def start_exporter():
        return processes.start("exporter", exporter(), "--config.file=exporter.yml", f"--web.listen-address=127.0.0.1:{exporter_port}", env=SIMULATOR_KEY)

    configure([FAILING, HEALTHY])
    running = start_exporter()

    prometheus = shipped_stand(processes, address, exporter_port)

    def alert_for(alertname, status, path, since=0):
        """Returns the first such alert that the receiver got."""
        for to, body in received[since:]:
            for alert in body["alerts"]:
                if (alert["labels"]["alertname"], alert["status"], to) == (alertname, status, path):
                    return alert, body
        return None

    # The file fails, and the alert fires.
    alert, body = wait_for("an alert for the failed file", lambda: alert_for("AwsTransferFilesFailed", "firing", "/chat"))
    assert alert["labels"] == LABELS | {"alertname": "AwsTransferFilesFailed", "severity": "warning", "failure_code": "CONNECTION_ERROR"}
    assert body["groupLabels"] == {label: LABELS[label] for label in ("aws_account", "aws_region", "connector_id")}
    annotations = alert["annotations"]
    assert annotations["summary"] == "Files failed on acme-inbound with CONNECTION_ERROR."
    assert annotations["description"].startswith(f"1 file(s) on connector acme-inbound ({CONNECTOR}) in account prod (eu-central-1) failed")
    anchor = annotations["runbook_url"].partition("docs/operate/runbooks.md#")[2]
    assert anchor in [heading.lower() for heading in re.findall(r"^## (\w+)$", RUNBOOKS.read_text(), re.M)]

    # The event resolves, and the alert for the tracked transfer fires.
    wait_for("the event ends", lambda: alert_for("AwsTransferFilesFailed", "resolved", "/chat"))
    alert, _ = wait_for("an alert for the tracked transfer", lambda: alert_for("AwsTransferFailedTransfersTracked", "firing", "/tickets"), 60)
    assert alert["labels"]["name"] == "acme-inbound"
    assert not alert_for("AwsTransferFailedTransfersTracked", "resolved", "/tickets")

    # A restart does not report the failure again.
    before = len(received)
    processes.stop(running)
    running = start_exporter()
    failures = 'max(aws_transfer_connector_files{status="FAILED",failure_code="CONNECTION_ERROR"})'
    wait_for("the restarted exporter has read the failed transfer", lambda: query(prometheus, failures))
    time.sleep(3)
    assert not alert_for("AwsTransferFilesFailed", "firing", "/chat", before)
    listed = 'ALERTS{alertname="AwsTransferFailedTransfersTracked",alertstate="firing"}'
    wait_for("the alert for the tracked transfer still fires", lambda: query(prometheus, listed), 60)

    # Removing the transfer from the configuration resolves the alert.
    at_removal = len(received)
    configure([HEALTHY])
    running.send_signal(signal.SIGHUP)
    wait_for("it resolves", lambda: alert_for("AwsTransferFailedTransfersTracked", "resolved", "/tickets", at_removal))
    assert not alert_for("AwsTransferFilesFailed", "firing", "/chat", before)


def test_failing_discovery_source_alerts_and_resolves(processes, receiver):
    address, received = receiver
    folder, port = processes.folder, free_port()
    good = f"- connector_id: {CONNECTOR}\n  transfer_id: {HEALTHY}\n"
    (folder / "targets.yml").write_text(good)
    (folder / "exporter.yml").write_text(yaml.safe_dump({
        # Nothing listens there: reading the source is independent of polling.
        "accounts": [{"name": "prod", "region": "eu-central-1", "endpoint_url": f"http://127.0.0.1:{free_port()}"}],
        "discovery": {"files": [{"paths": ["targets.yml"], "refresh_interval": "1s"}]},
    }))
    processes.start("exporter", exporter(), "--config.file=exporter.yml", f"--web.listen-address=127.0.0.1:{port}", env=SIMULATOR_KEY)
    prometheus = shipped_stand(processes, address, port)

    def alert_for(status):
        """Returns the first such alert that the receiver got."""
        alerts = [alert for to, body in list(received) if to == "/chat" for alert in body["alerts"]]
        return next((alert for alert in alerts if (alert["labels"]["alertname"], alert["status"]) == ("AwsTransferDiscoveryFailing", status)), None)

    up = "aws_transfer_exporter_discovery_up"
    wait_for("the file is read", lambda: query(prometheus, f"{up} == 1"))
    assert query(prometheus, 'aws_transfer_exporter_transfers{origin="files"} == 1')
    (folder / "targets.yml").write_text(good + "- connector_id: c-0123\n")
    alert = wait_for("an alert for the invalid file", lambda: alert_for("firing"), 60)
    labels = alert["labels"]
    assert (labels["source"], labels["target"], labels["severity"]) == ("files", "targets.yml", "warning")
    assert "targets.yml" in alert["annotations"]["summary"]
    assert not alert_for("resolved")
    (folder / "targets.yml").write_text(good)
    wait_for("it resolves", lambda: alert_for("resolved"), 60)
