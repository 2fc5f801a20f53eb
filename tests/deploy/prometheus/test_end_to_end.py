"""End-to-end tests from a failed or missing file in a simulated AWS to a webhook: exporter, Prometheus, Alertmanager, receiver.

Time runs 120 times faster (hastened.py), so the scrape interval of 60 s is half a second.
"""

import datetime
import http.server
import json
import re
import threading
import time
from zoneinfo import ZoneInfo

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


def shipped_stand(processes, address, exporter_port, factor=FACTOR):
    """Starts an Alertmanager with the shipped routes and a Prometheus with the shipped rules; returns the URL of the latter."""
    routes = yaml.safe_load((SHIPPED / "alertmanager.yml").read_text())
    for one in routes["receivers"]:
        one["webhook_configs"] = [{"url": f"{address}/{one['name']}"}]
    alertmanager = processes.alertmanager(hastened.routes(routes, factor))
    rules = processes.folder / "hastened.rules.yml"
    rules.write_text(yaml.safe_dump(hastened.rules(groups("recording.rules.yml") + groups("alerting.rules.yml"), factor)))
    interval = hastened.duration("60s", factor)
    return processes.prometheus("prometheus", {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
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
    assert query(prometheus, f'aws_transfer_connector_files{{connector_id="{labels["connector_id"]}",failure_code="{labels.get("failure_code", "")}"}}')
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
    fetch(f"{simulator}/_simulator/transfers/{CONNECTOR}/{FAILING}", "PUT", [{"path": "/orders.csv", "queued_for": 0, "in_progress_for": "20s", "end": failed}])
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
        return processes.start(
            "exporter", exporter(), "--config.file=exporter.yml", "--web.enable-write-api", f"--web.listen-address=127.0.0.1:{exporter_port}",
            env=SIMULATOR_KEY,
        )

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
    alert, body = wait_for("an alert for the failed file", lambda: alert_for("AwsTransferFilesFailed", "firing", "/chat"), 90)
    assert alert["labels"] == LABELS | {"alertname": "AwsTransferFilesFailed", "severity": "warning", "failure_code": "CONNECTION_ERROR"}
    assert body["groupLabels"] == {label: LABELS[label] for label in ("aws_account", "aws_region", "connector_id")}
    annotations = alert["annotations"]
    assert annotations["summary"] == "Files failed on acme-inbound with CONNECTION_ERROR."
    assert annotations["description"].startswith(f"1 file on connector acme-inbound ({CONNECTOR}) in account prod (eu-central-1) failed")
    anchor = annotations["runbook_url"].partition("docs/operate/runbooks.md#")[2]
    assert anchor in [heading.lower() for heading in re.findall(r"^## (\w+)$", RUNBOOKS.read_text(), re.M)]

    # The event resolves, and the alert for the unresolved failure fires.
    wait_for("the event ends", lambda: alert_for("AwsTransferFilesFailed", "resolved", "/chat"))
    alert, _ = wait_for("an alert for the unresolved failure", lambda: alert_for("AwsTransferFailuresUnresolved", "firing", "/tickets"), 120)
    assert alert["labels"]["name"] == "acme-inbound"
    assert not alert_for("AwsTransferFailuresUnresolved", "resolved", "/tickets")

    # A restart does not report the failure again.
    before = len(received)
    processes.stop(running)
    running = start_exporter()
    failures = 'max(aws_transfer_connector_files{status="FAILED",failure_code="CONNECTION_ERROR"})'
    wait_for("the restarted exporter has read the failed transfer", lambda: query(prometheus, failures))
    time.sleep(3)
    assert not alert_for("AwsTransferFilesFailed", "firing", "/chat", before)
    listed = 'ALERTS{alertname="AwsTransferFailuresUnresolved",alertstate="firing"}'
    wait_for("the alert for the unresolved failure still fires", lambda: query(prometheus, listed), 60)

    # An acknowledgement resolves the alert.
    at_acknowledgement = len(received)
    fetch(f"http://127.0.0.1:{exporter_port}/api/v1/failures/acknowledge?connector_id={CONNECTOR}", "POST")
    wait_for("it resolves", lambda: alert_for("AwsTransferFailuresUnresolved", "resolved", "/tickets", at_acknowledgement))
    assert not alert_for("AwsTransferFilesFailed", "firing", "/chat", before)


def test_rejected_credentials_page_once(processes, receiver):
    address, received = receiver
    simulator_port, exporter_port = free_port(), free_port()
    simulator = f"http://127.0.0.1:{simulator_port}"
    processes.start("simulator", exporter(), "simulate", f"--simulator.listen-address=127.0.0.1:{simulator_port}")
    wait_for("the simulator answers", lambda: fetch(f"{simulator}/_simulator/"))
    fetch(f"{simulator}/_simulator/connectors/{CONNECTOR}", "PUT", {"host": "sftp.acme.example", "protocol": "sftp"})
    fetch(f"{simulator}/_simulator/transfers/{CONNECTOR}/{HEALTHY}", "PUT", [{"path": "/stock.csv", "queued_for": 0, "in_progress_for": "forever", "end": "never"}])
    (processes.folder / "exporter.yml").write_text(yaml.safe_dump({
        "accounts": [{"name": "prod", "region": "eu-central-1", "endpoint_url": simulator}],
        "transfers": [{"connector_id": CONNECTOR, "transfer_id": HEALTHY}],
        "collector": {"min_refresh_interval": "1ms", "max_refresh_interval": "500ms", "requests_per_second": 100},
    }))
    processes.start("exporter", exporter(), "--config.file=exporter.yml", f"--web.listen-address=127.0.0.1:{exporter_port}", env=SIMULATOR_KEY)
    prometheus = shipped_stand(processes, address, exporter_port)
    wait_for("the transfer is read", lambda: query(prometheus, "aws_transfer_exporter_account_up == 1"))

    fetch(f"{simulator}/_simulator/faults", "PUT", {"expired_token": True})

    def pages(status):
        return [alert["labels"]["alertname"] for to, body in list(received) if to == "/pager" for alert in body["alerts"] if alert["status"] == status]

    wait_for("a page", lambda: "AwsTransferAccountDown" in pages("firing"), 60)
    # For twice as long as AwsTransferCredentialsFailing waits.
    requests = "sum(increase(aws_transfer_exporter_api_requests_total{outcome%s}[2500ms]))"
    denied, others = requests % '="denied"', requests % '!="denied"'
    wait_for("all requests are denied", lambda: query(prometheus, f"min_over_time({denied}[5s:500ms]) > 0 and max_over_time({others}[5s:500ms]) == 0"), 60)
    fetch(f"{simulator}/_simulator/faults", "PUT", {})
    wait_for("the account is up", lambda: "AwsTransferAccountDown" in pages("resolved"), 60)
    assert pages("firing").count("AwsTransferAccountDown") == 1
    assert "AwsTransferCredentialsFailing" not in pages("firing")


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


def test_missing_delivery_pages_and_a_late_file_resolves_it(processes, receiver):
    """The exporter is killed while the delivery is missing, and after it has arrived. Deadlines are in real time."""
    address, received = receiver
    folder, zone = processes.folder, ZoneInfo("Asia/Kolkata")  # without daylight saving
    simulator_port, exporter_port = free_port(), free_port()
    simulator = f"http://127.0.0.1:{simulator_port}"
    processes.start("simulator", exporter(), "simulate", f"--simulator.listen-address=127.0.0.1:{simulator_port}")
    wait_for("the simulator answers", lambda: fetch(f"{simulator}/_simulator/"))
    fetch(f"{simulator}/_simulator/connectors/{CONNECTOR}", "PUT", {"host": "sftp.acme.example", "protocol": "sftp"})

    # The window is the first whole minute that the exporter can watch.
    opens = (datetime.datetime.now(zone) + datetime.timedelta(seconds=75)).replace(second=0, microsecond=0)
    deadline = opens + datetime.timedelta(minutes=1)
    (folder / "exporter.yml").write_text(yaml.safe_dump({
        "accounts": [{"name": "prod", "region": "eu-central-1", "endpoint_url": simulator}],
        "discovery": {"files": [{"paths": ["transfers.yml"]}]},
        "connectors": [{"id": CONNECTOR, "name": "acme-inbound"}],
        "flows": [{"name": "acme-prices", "connectors": ["acme-inbound"], "paths": ["/prices/*.csv"], "expect": {
            "by": f"{deadline:%H:%M}", "from": f"{opens:%H:%M}", "time_zone": zone.key, "grace": "1s"}}],
        "collector": {"min_refresh_interval": "1ms", "requests_per_second": 100},
    }))
    (folder / "transfers.yml").write_text("[]\n")

    def start_exporter():
        return processes.start(
            "exporter", exporter(), "--config.file=exporter.yml", "--storage.path=state", "--web.enable-write-api",
            f"--web.listen-address=127.0.0.1:{exporter_port}", env=SIMULATOR_KEY,
        )

    running = start_exporter()
    # Slower than the other tests: an outage of the exporter must be shorter than the `lookback` of the rules, here 10 s.
    prometheus = shipped_stand(processes, address, exporter_port, 30)
    wait_for("the exporter is scraped", lambda: query(prometheus, 'aws_transfer_flow_window_state{state="waiting"} == 1'))

    def kill_and_restart():
        """Kills the exporter, and returns the new process once Prometheus has scraped it and evaluated the rules."""
        running.kill()
        running.wait()
        at, started = time.time(), start_exporter()
        # Whole seconds, counted from a boot time of whole seconds: up to 2 s too early. The killed process is much older.
        scraped = f"count_over_time((process_start_time_seconds > {at - 5})[1m:]) >= 4"
        wait_for("the restarted exporter is scraped", lambda: query(prometheus, scraped))
        return started

    def notified(status):
        """Returns what the pager got about the missing delivery."""
        alerts = [alert for to, body in list(received) if to == "/pager" for alert in body["alerts"]]
        return [alert for alert in alerts if (alert["labels"]["alertname"], alert["status"]) == ("AwsTransferFlowMissing", status)]

    def windows(name):
        found = query(prometheus, f'{name}{{flow="acme-prices"}}')
        return {sample["metric"]["outcome"]: float(sample["value"][1]) for sample in found}

    (alert,) = wait_for("a page for the missing delivery", lambda: notified("firing"), 180)[:1]
    assert datetime.datetime.now(zone) > deadline
    labels = alert["labels"]
    assert (labels["flow"], labels["connectors"], labels["severity"]) == ("acme-prices", "acme-inbound", "critical")
    assert f"by {deadline:%H:%M}" in labels["expect"] and zone.key in labels["expect"]
    annotations = alert["annotations"]
    assert annotations["summary"] == "The delivery of flow acme-prices is missing."
    assert f"was due at {deadline.astimezone(datetime.UTC):%Y-%m-%d %H:%M:%S} +0000 UTC" in annotations["description"]
    assert annotations["description"].endswith("Connectors: acme-inbound.")

    running = kill_and_restart()
    still = 'ALERTS{alertname="AwsTransferFlowMissing",alertstate="firing",flow="acme-prices"}'
    assert query(prometheus, 'aws_transfer_flow_window_state{state="missing"} == 1')
    assert query(prometheus, still) and not notified("resolved")
    none = dict.fromkeys(("on_time", "late", "missing", "invalid", "unknown"), 0)
    assert windows("aws_transfer_flow_windows_total") == none

    # The file arrives.
    fetch(f"{simulator}/_simulator/transfers/{CONNECTOR}/{HEALTHY}", "PUT", [{"path": "/prices/today.csv", "queued_for": 0, "in_progress_for": "1s", "end": "completed"}])
    fetch(f"http://127.0.0.1:{exporter_port}/api/v1/transfers/{CONNECTOR}/{HEALTHY}?started_at={int(time.time())}&files=1", "PUT")
    resolved = wait_for("it resolves", lambda: notified("resolved"), 60)
    assert [one["labels"] for one in resolved] == [labels]
    late = none | {"late": 1}
    wait_for("the delivery is counted", lambda: windows("aws_transfer_flow_windows_total") == late)

    running = kill_and_restart()
    assert windows("aws_transfer_flow_windows_total") == late
    assert windows("aws_transfer_flow_windows_corrected_total") == none
    # What Prometheus has seen: one increase, and no counter that falls.
    total = 'aws_transfer_flow_windows_total{flow="acme-prices"}'
    (increase,) = query(prometheus, f"increase({total}[10m]) > 0")
    assert (increase["metric"]["outcome"], round(float(increase["value"][1]))) == ("late", 1)
    assert not query(prometheus, f"resets({total}[10m]) > 0")
    assert windows("flow_outcome:aws_transfer_flow_windows:increase1d") == {"late": 1}
    assert len({alert["startsAt"] for alert in notified("firing")}) == 1
