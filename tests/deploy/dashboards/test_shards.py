"""The dashboards show of shards what they show of one exporter that has everything."""

import json
import subprocess
import time

import pytest

from . import live, sources

ACCOUNT = {"aws_account": "prod", "aws_region": "eu-central-1", "connector_id": "c-0123456789abcdef0"}
STEP, MINUTES = 30, 50
# What three shards have of the connector, for each shard one number.
FILES = {("FAILED", "CONNECTION_ERROR"): (2, 3, 4), ("FAILED", ""): (0, 1, 0), ("QUEUED", ""): (1, 1, 2),
         ("IN_PROGRESS", ""): (0, 0, 1), ("COMPLETED", ""): (30, 40, 50)}
TRANSFERS = {"running": (1, 2, 3), "failed": (2, 0, 1), "completed": (7, 8, 9), "pending": (0, 0, 0), "gone": (0, 0, 1)}
# Files finished in each step.
PACE = {("COMPLETED", ""): (3, 6, 9), ("FAILED", "CONNECTION_ERROR"): (1, 2, 3), ("FAILED", ""): (0, 0, 0)}
AGES = {"aws_transfer_connector_oldest_unfinished_timestamp_seconds": (5000, 9000, 7000),
        "aws_transfer_connector_last_completed_timestamp_seconds": (300, 100, 200),
        "aws_transfer_connector_last_failed_timestamp_seconds": (900, 800, 700)}
RESULTS_AGE = (10, 40, 20)
# Transfers, of which each is in one shard.
READ = {"t-0": (0, 1), "t-1": (1, 0), "t-2": (2, 1)}
FAILED = {"t-0": (0, 2), "t-1": (1, 3), "t-2": (2, 4)}
CONNECTOR_FAMILIES = {name for name, family in sources.families().items() if "connector_id" in family.labels}


def series(shards, end, lag=0):
    """(name, labels, value at a step) of an exporter that is these shards, or a replica that is behind."""
    total = lambda parts: sum(parts[shard] for shard in shards)
    for (status, code), parts in FILES.items():
        yield "aws_transfer_connector_files", {"status": status, "failure_code": code}, lambda _, v=total(parts): max(0, v - lag)
    for state, parts in TRANSFERS.items():
        yield "aws_transfer_connector_transfers", {"state": state}, lambda _, v=total(parts): v
    for (status, code), parts in PACE.items():
        labels = {"status": status, "failure_code": code}
        yield "aws_transfer_connector_files_finished_total", labels, lambda n, v=total(parts): v * n // (lag + 1)
    for name, ago in AGES.items():
        pick = max if "oldest" in name else min
        yield name, {}, lambda _, v=end - pick(ago[shard] for shard in shards): v
    yield "aws_transfer_connector_results_age_seconds", {}, lambda _: max(RESULTS_AGE[shard] for shard in shards)
    yield "aws_transfer_connector_info", {"name": "acme-inbound"}, lambda _: 1
    for transfer, (shard, up) in READ.items():
        if shard in shards:
            yield "aws_transfer_results_up", {"transfer_id": transfer}, lambda _, v=up: v
    for transfer, (shard, count) in FAILED.items():
        if shard in shards:
            labels = {"transfer_id": transfer, "status": "FAILED", "failure_code": "CONNECTION_ERROR"}
            yield "aws_transfer_files", labels, lambda _, v=count: v


def exporters():
    """(job, instance, index and total or None where it tells none, shards that it is, how far behind)"""
    for index in range(3):
        yield "shards", f"{index}", (index, 3), [index], 0
        yield "shards", f"{index}-replica", (index, 3), [index], 1
    yield "whole", "whole", (0, 1), [0, 1, 2], 0
    yield "whole", "replica", (0, 1), [0, 1, 2], 1
    yield "older", "older", None, [0, 1, 2], 0


def exposition(end):
    """All of them over time, as OpenMetrics with times."""
    found = {}
    for job, instance, shard, shards, lag in exporters():
        target = {"job": job, "instance": instance}
        own = [("aws_transfer_exporter_build_info", {}, lambda _: 1), ("aws_transfer_exporter_transfers", {"origin": "config"}, lambda _: 5)]
        if shard:
            own.append(("aws_transfer_exporter_shard_info", {"shard": str(shard[0]), "shards": str(shard[1])}, lambda _: 1))
        state = [(name, ACCOUNT | labels, value) for name, labels, value in series(shards, end, lag)]
        for name, labels, value in own + state:
            text = ",".join(f"{key}={json.dumps(label)}" for key, label in (target | labels).items() if label)
            steps = MINUTES * 60 // STEP
            found.setdefault(name, []).extend(f"{name}{{{text}}} {value(n)} {end - (steps - n) * STEP}" for n in range(steps + 1))
    return "\n".join(line for lines in found.values() for line in lines) + "\n# EOF\n"


@pytest.fixture(scope="module")
def past(tmp_path_factory):
    """A Prometheus that has it all behind it, and the moment at which to ask."""
    folder, end = tmp_path_factory.mktemp("shards"), int(time.time()) - 60
    (folder / "metrics").write_text(exposition(end), encoding="utf-8")
    (folder / "prometheus.yml").write_text("{}", encoding="utf-8")
    command = [live.tool("promtool"), "tsdb", "create-blocks-from", "openmetrics", folder / "metrics", folder / "data"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    url = f"http://127.0.0.1:{live.free_port()}"
    arguments = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data", f"--web.listen-address={url[7:]}"]
    with live.running([live.tool("prometheus"), *arguments], folder / "prometheus.log") as process:
        live.wait_until(live.answers(f"{url}/-/ready"), 30, "Prometheus is not ready")
        yield live.Prometheus(url, process), end


def ask(past, expr, job):
    """Labels, without the target's, and value of each series that the query brings of these jobs."""
    prometheus, end = past
    choice = dict.fromkeys(("instance", "aws_account", "aws_region"), ".+") | {"connector_id": ACCOUNT["connector_id"], "job": job}
    found = {}
    for one in prometheus.instant(live.interpolate(sources.with_durations(expr, range_="30m"), choice), end):
        labels = frozenset((k, v) for k, v in one["metric"].items() if k not in ("job", "instance"))
        assert labels not in found
        found[labels] = pytest.approx(float(one["value"][1]), rel=1e-9)
    return found


def of_connectors():
    for file in sources.FILES:
        for panel, target in sources.targets(sources.load(file)):
            names = {selector.name for selector, _ in sources.selectors(sources.parse(target["expr"]))}
            if names & CONNECTOR_FAMILIES:
                yield pytest.param(target["expr"], id=f"{file.stem}: {panel['title']}, {target['refId']}")


def test_most_queries_are_of_connectors():
    assert len(list(of_connectors())) > 40


@pytest.mark.parametrize("job", ["shards", "older", "shards|whole|older"])
@pytest.mark.parametrize("expr", of_connectors())
def test_shards_show_what_one_exporter_shows(past, expr, job):
    """Three shards with a replica each, an exporter of a version without shards, and all of them at once."""
    whole = ask(past, expr, "whole")
    assert whole
    assert ask(past, expr, job) == whole


def the(file, title, ref="A"):
    for panel, target in sources.targets(sources.load(sources.FOLDER / f"{file}.json")):
        if (panel["title"], target["refId"]) == (title, ref):
            return target["expr"]
    raise AssertionError(f"no such panel: {title}")


@pytest.mark.parametrize(("title", "number"), [
    ("Failed files", 10), ("Unfinished files", 5), ("Failed in range", 6 * 60), ("Completion rate", 0.75), ("Unreadable", 1),
    ("Oldest unfinished", 9000), ("Since completed", 100),
])
def test_the_numbers_are_those_of_all_shards(past, title, number):
    assert ask(past, the("fleet-overview", title), "shards") == {frozenset(): number}


def test_the_exporter_dashboard_counts_shards(past):
    seen = the("exporter", "Shards")
    assert ask(past, seen, "shards") == {frozenset({("shards", "3")}): 3}
    assert ask(past, seen, "whole") == {frozenset({("shards", "1")}): 1}
    tracked = ask(past, the("exporter", "Tracked transfers by shard"), "shards")
    assert tracked == {frozenset({("shard", str(index)), ("shards", "3")}): 5 for index in range(3)}
