"""Tests of the shipped rules on a Prometheus that scrapes the demo."""

import json

import hastened
import yaml
from conftest import SHIPPED, exporter, fetch, free_port, groups, query, records, wait_for

# Not exported by the demo, whose queue has no dead-letter queue.
NOT_OF_THE_DEMO = {"target:aws_transfer_exporter_discovery_queue_dead_letter_messages:max"}
# Need minutes or hours of history: checked only with faster rules.
NEED_HISTORY = {
    "connector:aws_transfer_files_completed:rise10m",
    "connector:aws_transfer_connector_files_failed:increase6h", "connector:aws_transfer_connector_files_failed:ratio6h",
    "connector:aws_transfer_connector_files_failed:increase3d", "connector:aws_transfer_connector_files_failed:ratio3d",
}
# Need windows of flows to close, which takes the demo minutes: the tests of the dashboard of flows have them.
NEED_WINDOWS = {
    "flow:aws_transfer_flow_windows:worst1d", "flow_outcome:aws_transfer_flow_windows:increase1h", "flow_outcome:aws_transfer_flow_windows:increase1d",
    "flow:aws_transfer_flow_windows_on_time:ratio30d", "flow:aws_transfer_flow_last_completed_timestamp_seconds:max",
}


def config(port, files, interval):
    return {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "rule_files": [str(file) for file in files],
        "scrape_configs": [
            {"job_name": "aws-transfer-exporter", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]},
            # Probes of connections, as docs/operate/connections.md has them. Tests of one account are a second apart.
            {
                "job_name": "aws-transfer-connections",
                "scrape_interval": "10s",
                "scrape_timeout": "10s",
                "http_sd_configs": [{"url": f"http://127.0.0.1:{port}/api/v1/targets?module=connection"}],
                "relabel_configs": [
                    {"source_labels": ["__address__"], "target_label": "instance"},
                    {"target_label": "__address__", "replacement": f"127.0.0.1:{port}"},
                ],
            },
        ],
    }


def rules(prometheus):
    return [rule for group in json.loads(fetch(f"{prometheus}/api/v1/rules"))["data"]["groups"] for rule in group["rules"]]


def test_every_rule_evaluates_and_recording_rules_have_data(processes):
    port = free_port()
    processes.start("demo", exporter(), "demo", f"--web.listen-address=127.0.0.1:{port}")
    wait_for("the demo answers", lambda: fetch(f"http://127.0.0.1:{port}/-/ready"))
    faster = processes.folder / "faster.rules.yml"
    faster.write_text(yaml.safe_dump(hastened.rules(groups("recording.rules.yml") + groups("alerting.rules.yml"), 60)))
    shipped = []
    for name in ("recording.rules.yml", "alerting.rules.yml"):
        # As shipped, but evaluated each second.
        shipped.append(processes.folder / name)
        shipped[-1].write_text((SHIPPED / name).read_text().replace("    interval: 1m\n", "    interval: 1s\n"))
    servers = {
        "shipped": processes.prometheus("shipped", config(port, shipped, "1s")),
        "faster": processes.prometheus("faster", config(port, [faster], "1s")),
    }
    expected = len(records()) + sum(len(group["rules"]) for group in groups("alerting.rules.yml"))
    for name, server in servers.items():

        def evaluated():
            known = rules(server)
            return known if len(known) == expected and all(rule["health"] != "unknown" for rule in known) else None

        wait_for(f"{name}: every rule was evaluated", evaluated)
        for rule in records():
            if rule["record"] in NOT_OF_THE_DEMO | NEED_WINDOWS:
                continue
            if name == "shipped" and rule["record"] in NEED_HISTORY:
                continue
            # A subquery with a step of an hour, 60 times faster, has its first value within a minute.
            wait_for(f"{name}: {rule['record']} has data", lambda: query(server, rule["record"]), 75)
        faults = {rule["name"]: rule["lastError"] for rule in rules(server) if rule["health"] != "ok"}
        assert not faults
        # Each connector has exactly one name.
        assert query(server, "max(count by (connector_id) (connector_name:aws_transfer_connector_info:max))")[0]["value"][1] == "1"
