"""Three exporters share the transfers of a simulated AWS, and the rules give the same results as with a single exporter.

Time runs 120 times faster (hastened.py), so the scrape interval of 60 s is half a second.
"""

import yaml

import hastened
from conftest import SHIPPED, SIMULATOR_KEY, exporter, fetch, free_port, groups, query, wait_for

FACTOR = 120
SHARDS = 3
CONNECTORS = ["c-0123456789abcdef0", "c-0123456789abcdef1"]
TRANSFERS = [f"4b1a8c1e-0000-4000-8000-{number:012}" for number in range(24)]
FATES = [
    {"queued_for": 0, "in_progress_for": "20s", "end": {"failed": {"code": "CONNECTION_ERROR", "message": "Unknown Host"}}},
    {"queued_for": 0, "in_progress_for": "20s", "end": "completed"},
    {"queued_for": 0, "in_progress_for": "forever", "end": "never"},
    {"queued_for": "forever", "in_progress_for": 0, "end": "never"},
]
RECORDS = [
    "connector_status_code:aws_transfer_connector_files:max",
    "connector_state:aws_transfer_connector_transfers:max",
    "round(connector_status_code:aws_transfer_connector_files_finished:increase1h)",
    "transfer_code:aws_transfer_files_failed:max",
]


def stand(processes, name, ports):
    """Starts a Prometheus with the shipped rules that scrapes these exporters."""
    rules = processes.folder / "hastened.rules.yml"
    rules.write_text(yaml.safe_dump(hastened.rules(groups("recording.rules.yml") + groups("alerting.rules.yml"), FACTOR)))
    return processes.prometheus(name, {
        "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
        "rule_files": [str(rules)],
        "scrape_configs": [{"job_name": "aws-transfer-exporter", "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports]}]}],
    })


def values(prometheus, expression):
    """Returns nonzero values by labels: a shard with few transfers does not have every code."""
    found = query(prometheus, expression)
    return {frozenset(one["metric"].items()): float(one["value"][1]) for one in found if float(one["value"][1])}


def missing(prometheus):
    return query(prometheus, 'ALERTS{alertname="AwsTransferExporterShardMissing",alertstate="firing"}')


def test_shards_equal_a_single_exporter_and_a_lost_shard_alerts(processes):
    simulator_port = free_port()
    simulator = f"http://127.0.0.1:{simulator_port}"
    processes.start("simulator", exporter(), "simulate", f"--simulator.listen-address=127.0.0.1:{simulator_port}")
    wait_for("the simulator responds", lambda: fetch(f"{simulator}/_simulator/"))
    for connector in CONNECTORS:
        fetch(f"{simulator}/_simulator/connectors/{connector}", "PUT", {"host": "sftp.acme.example", "protocol": "sftp"})
        for number, transfer in enumerate(TRANSFERS):
            file = {"path": f"/{number}.csv"} | FATES[number % len(FATES)]
            fetch(f"{simulator}/_simulator/transfers/{connector}/{transfer}", "PUT", [file])
    (processes.folder / "exporter.yml").write_text(yaml.safe_dump({
        "accounts": [{"name": "prod", "region": "eu-central-1", "endpoint_url": simulator}],
        "transfers": [{"connector_id": connector, "transfer_ids": TRANSFERS} for connector in CONNECTORS],
        "collector": {"min_refresh_interval": "1ms", "requests_per_second": 1000},
    }))

    def start(name, *flags):
        port = free_port()
        process = processes.start(name, exporter(), "--config.file=exporter.yml", f"--web.listen-address=127.0.0.1:{port}", *flags, env=SIMULATOR_KEY)
        wait_for(f"{name} responds", lambda: fetch(f"http://127.0.0.1:{port}/-/ready"))
        return port, process

    whole_port, _ = start("whole")
    shards = [start(f"shard-{index}", f"--shard.index={index}", f"--shard.total={SHARDS}") for index in range(SHARDS)]
    whole = stand(processes, "whole-prometheus", [whole_port])
    shared = stand(processes, "shared-prometheus", [port for port, _ in shards])

    # Otherwise the sum would prove nothing.
    parts = 'count by (instance) (sum by (instance) (aws_transfer_connector_transfers) > 0)'
    wait_for("every shard has transfers", lambda: len(query(shared, parts)) == SHARDS)

    def equal():
        one, other = ([values(prometheus, name) for name in RECORDS] for prometheus in (whole, shared))
        finished = sum(one[2].values()) == len(CONNECTORS) * len(TRANSFERS) / 2
        return finished and one == other

    wait_for("shards equal the single exporter", equal, 45)
    files = values(shared, f"sum({RECORDS[0]})")
    assert files == {frozenset(): len(CONNECTORS) * len(TRANSFERS)}
    assert not missing(shared)

    processes.stop(shards[1][1])
    (alert,) = wait_for("an alert for the lost shard", lambda: missing(shared), 45)
    assert alert["metric"]["shards"] == str(SHARDS)
    assert values(shared, f"sum({RECORDS[1]})")[frozenset()] < len(CONNECTORS) * len(TRANSFERS)
    assert not missing(whole)
