"""The dashboards show the same for shards as for a single exporter."""

import json
import subprocess
import time

import pytest

from . import live, sources

ACCOUNT = {"aws_account": "prod", "aws_region": "eu-central-1", "connector_id": "c-0123456789abcdef0"}
STEP, MINUTES = 30, 50
# Values of three shards.
FILES = {("FAILED", "CONNECTION_ERROR"): (2, 3, 4), ("FAILED", ""): (0, 1, 0), ("QUEUED", ""): (1, 1, 2),
         ("IN_PROGRESS", ""): (0, 0, 1), ("COMPLETED", ""): (30, 40, 50)}
TRANSFERS = {"running": (1, 2, 3), "failed": (2, 0, 1), "completed": (7, 8, 9), "pending": (0, 0, 0), "gone": (0, 0, 1)}
# Files finished per step.
PACE = {("COMPLETED", ""): (3, 6, 9), ("FAILED", "CONNECTION_ERROR"): (1, 2, 3), ("FAILED", ""): (0, 0, 0)}
AGES = {"aws_transfer_connector_oldest_unfinished_timestamp_seconds": (5000, 9000, 7000),
        "aws_transfer_connector_oldest_queued_timestamp_seconds": (4000, 8000, 6000),
        "aws_transfer_connector_oldest_in_progress_timestamp_seconds": (3000, 100, 2000),
        "aws_transfer_connector_last_completed_timestamp_seconds": (300, 100, 200),
        "aws_transfer_connector_last_failed_timestamp_seconds": (900, 800, 700),
        "aws_transfer_connector_oldest_result_timestamp_seconds": (10, 40, 20)}
# Each transfer belongs to one shard.
READ = {"t-0": (0, 1), "t-1": (1, 0), "t-2": (2, 1)}
FAILED = {"t-0": (0, 2), "t-1": (1, 3), "t-2": (2, 4)}
CONNECTOR_FAMILIES = {name for family in sources.families().values() if "connector_id" in family.labels for name in family.series}
# Per step: bytes, and files by the upper bound of their duration.
BYTES = {"SEND": (1000, 2000, 3000), "RETRIEVE": (0, 500, 0)}
DURATIONS = {"SEND": {"0.5": (1, 1, 0), "30": (1, 2, 3), "+Inf": (1, 2, 4)}, "RETRIEVE": {"0.5": (0, 1, 0), "30": (0, 1, 0), "+Inf": (0, 1, 0)}}
OPERATIONS = {("LIST", "COMPLETED", ""): (1, 2, 3), ("MOVE", "FAILED", "RENAME_ERROR"): (0, 1, 1), ("DELETE", "FAILED", ""): (1, 0, 0)}


def series(shards, end, lag=0):
    """Yields (name, labels, value at a step) of an exporter with these shards; `lag` makes it a replica that is behind."""
    total = lambda parts: sum(parts[shard] for shard in shards)
    for (status, code), parts in FILES.items():
        yield "aws_transfer_connector_files", {"status": status, "failure_code": code}, lambda _, v=total(parts): max(0, v - lag)
    for state, parts in TRANSFERS.items():
        yield "aws_transfer_connector_transfers", {"state": state}, lambda _, v=total(parts): v
    for (status, code), parts in PACE.items():
        labels = {"status": status, "failure_code": code}
        yield "aws_transfer_connector_files_finished_total", labels, lambda n, v=total(parts): v * n // (lag + 1)
    for operation, parts in BYTES.items():
        yield "aws_transfer_connector_bytes_total", {"operation": operation}, lambda n, v=total(parts): v * n // (lag + 1)
    for operation, buckets in DURATIONS.items():
        for le, parts in buckets.items():
            labels = {"operation": operation, "le": le}
            for name in ("file_duration_seconds", "queue_wait_seconds", "file_size_bytes"):
                yield f"aws_transfer_connector_{name}_bucket", labels, lambda n, v=total(parts): v * n // (lag + 1)
    for (operation, status, code), parts in OPERATIONS.items():
        labels = {"operation": operation, "status": status, "failure_code": code}
        yield "aws_transfer_connector_operations_total", labels, lambda n, v=total(parts): v * n // (lag + 1)
    for name, ago in AGES.items():
        pick = max if "oldest" in name else min
        yield name, {}, lambda _, v=end - pick(ago[shard] for shard in shards): v
    # Only an exporter that lists connectors exports more than the name.
    known = {"url": "sftp://sftp.acme.example", "egress_type": "SERVICE_MANAGED", "status": "ACTIVE"} if not lag else {}
    yield "aws_transfer_connector_info", {"name": "acme-inbound"} | known, lambda _: 1
    for transfer, (shard, up) in READ.items():
        if shard in shards:
            yield "aws_transfer_results_up", {"transfer_id": transfer}, lambda _, v=up: v
    for transfer, (shard, count) in FAILED.items():
        if shard in shards:
            labels = {"transfer_id": transfer, "status": "FAILED", "failure_code": "CONNECTION_ERROR"}
            yield "aws_transfer_files", labels, lambda _, v=count: v


def of_the_exporter(end, lag):
    """Yields series of sources and storage; an exporter that is behind cannot write."""
    queue = {"aws_account": "prod", "aws_region": "eu-central-1", "target": "transfer-events"}
    source = queue | {"source": "events"}
    yield "aws_transfer_exporter_discovery_up", source, lambda _: 1 - lag
    yield "aws_transfer_exporter_discovery_last_success_timestamp_seconds", source, lambda _: end - 20 - 100 * lag
    yield "aws_transfer_exporter_discovery_duration_seconds", source, lambda _: 0.25
    yield "aws_transfer_exporter_discovery_transfers_total", source, lambda n: 2 * n
    for outcome, pace in (("understood", 6), ("forwarded", 4), ("duplicate", 3), ("foreign", 0), ("unparsable", 1), ("failed", lag)):
        yield "aws_transfer_exporter_discovery_messages_total", queue | {"outcome": outcome}, lambda n, v=pace: v * n
    yield "aws_transfer_exporter_discovery_queue_messages", queue, lambda _: 40
    yield "aws_transfer_exporter_storage_up", {}, lambda _: 1 - lag
    yield "aws_transfer_exporter_storage_size_bytes", {}, lambda _: 1_000_000
    yield "aws_transfer_exporter_storage_write_errors_total", {}, lambda n: lag * n
    for le, pace in (("0.01", 3), ("0.1", 4), ("+Inf", 4)):
        yield "aws_transfer_exporter_storage_write_duration_seconds_bucket", {"le": le}, lambda n, v=pace: v * n


def exporters():
    """Yields (job, instance, number of shards or None, shards, lag)."""
    for index in range(3):
        yield "shards", f"{index}", 3, [index], 0
        yield "shards", f"{index}-replica", 3, [index], 1
    yield "several", "two", 3, [0, 2], 0
    yield "several", "one", 3, [1], 0
    yield "whole", "whole", 1, [0, 1, 2], 0
    yield "whole", "replica", 1, [0, 1, 2], 1
    yield "older", "older", None, [0, 1, 2], 0


def state(total, shards, end, lag):
    """Yields the series of the AWS state of an exporter: those of each shard have its label, those of an unsharded exporter have none."""
    for labels, part in [({"shard": str(shard)}, [shard]) for shard in shards] if total == 3 else [({}, shards)]:
        yield "aws_transfer_exporter_transfers", labels | {"origin": "config"}, lambda _: 5
        if total:
            yield "aws_transfer_exporter_shard_info", labels | {"shards": str(total)}, lambda _: 1
        for name, others, value in series(part, end, lag):
            yield name, ACCOUNT | labels | others, value


def leases(shards, end, lag):
    """Yields the series of three leases; an exporter that is behind is a standby. A report waits in the inbox of one shard."""
    owned = [] if lag else shards
    for shard in range(3):
        yield "aws_transfer_exporter_leader", {"shard": str(shard)}, lambda _, v=int(shard in owned): v
    if 1 in owned:
        yield "aws_transfer_exporter_inbox_oldest_timestamp_seconds", {"shard": "1"}, lambda _: end - 90


def exposition(end):
    """Returns all series over time as OpenMetrics with timestamps."""
    found = {}
    for job, instance, total, shards, lag in exporters():
        target = {"job": job, "instance": instance}
        own = [("aws_transfer_exporter_build_info", {}, lambda _: 1), *of_the_exporter(end, lag)]
        shared = leases(shards, end, lag) if total == 3 else ()
        for name, labels, value in [*own, *state(total, shards, end, lag), *shared]:
            text = ",".join(f"{key}={json.dumps(label)}" for key, label in (target | labels).items() if label)
            steps = MINUTES * 60 // STEP
            found.setdefault(name, []).extend(f"{name}{{{text}}} {value(n)} {end - (steps - n) * STEP}" for n in range(steps + 1))
    return "\n".join(line for lines in found.values() for line in lines) + "\n# EOF\n"


@pytest.fixture(scope="module")
def past(tmp_path_factory):
    """Runs a Prometheus with these series, and yields it with the time to query."""
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
    """Returns the value of each series of a query by labels, without target labels."""
    prometheus, end = past
    choice = dict.fromkeys(("instance", "aws_account", "aws_region"), ".+") | {"connector_id": ACCOUNT["connector_id"], "job": job, "cluster": ".*"}
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


def test_most_queries_read_connector_series():
    assert len(list(of_connectors())) > 15


@pytest.mark.parametrize("job", ["shards", "several", "older", "shards|several|whole|older"])
@pytest.mark.parametrize("expr", of_connectors())
def test_shards_show_the_same_as_a_single_exporter(past, expr, job):
    """Three shards with a replica each, two exporters with three shards, one without shard information, and all of them together."""
    whole = ask(past, expr, "whole")
    assert whole
    assert ask(past, expr, job) == whole


def the(file, title, ref="A"):
    for panel, target in sources.targets(sources.load(sources.FOLDER / f"{file}.json")):
        if (panel["title"], target["refId"]) == (title, ref):
            return target["expr"]
    raise AssertionError(f"no such panel: {title}")


@pytest.mark.parametrize(("title", "number"), [
    ("Failed files", 10), ("Unfinished files", 5), ("Completion rate", 0.75), ("Oldest unfinished", 9000), ("Last completion", 100),
])
def test_values_include_all_shards(past, title, number):
    assert ask(past, the("connector", title), "shards") == {frozenset(): number}


def test_exporter_dashboard_counts_shards(past):
    seen = the("exporter", "Shards")
    tracked = the("exporter", "Tracked transfers by shard")
    for job in ("shards", "several"):
        assert ask(past, seen, job) == {frozenset({("shards", "3")}): 3}
        assert ask(past, tracked, job) == {frozenset({("shard", str(index)), ("shards", "3")}): 5 for index in range(3)}
    assert ask(past, seen, "whole") == {frozenset({("shards", "1")}): 1}
    assert ask(past, tracked, "whole") == {frozenset({("shard", "0"), ("shards", "1")}): 5}
    owned = {metric["instance"]: value for metric, value in values(past, "Shards by exporter", instance=".+", job="several")}
    assert owned == {"two": 2, "one": 1}


@pytest.mark.parametrize("job", ["shards", "several"])
def test_exporter_dashboard_shows_the_age_of_the_oldest_report_in_each_inbox(past, job):
    """Standbys export no report, and an owner none if its inbox is empty."""
    ages = ask(past, the("exporter", "Oldest report in each inbox"), job)
    assert ages == {frozenset({("shard", str(shard))}): age for shard, age in enumerate((0, 90, 0))}


def labelled(**labels):
    return frozenset(labels.items())


def test_bytes_durations_and_operations_include_all_shards(past):
    assert ask(past, the("connector", "Bytes per second"), "shards") == {
        labelled(operation="SEND"): 6000 / STEP, labelled(operation="RETRIEVE"): 500 / STEP}
    # Of 7 files per step, 2 took up to 0.5 s and 6 up to 30 s: the median is 1.5/4 between the two.
    median = ask(past, the("connector", "File duration"), "shards")
    assert median[labelled(operation="SEND")] == 0.5 + 29.5 * 1.5 / 4
    assert ask(past, the("connector", "File duration", "B"), "shards")[labelled(operation="SEND")] == 30
    ended = ask(past, the("connector", "Remote operations"), "shards")
    # A bar is a minute.
    steps = 60 // STEP
    # The group sorts the bars by their status first.
    assert ended == {labelled(group="COMPLETED", operation="LIST", status="COMPLETED"): 6 * steps,
                     labelled(group="FAILED", operation="MOVE", status="FAILED"): 2 * steps,
                     labelled(group="FAILED", operation="DELETE", status="FAILED"): steps}
    failed = ask(past, the("connector", "Failed remote operations by code"), "shards")
    assert set(failed) == {labelled(operation="MOVE", failure_code="RENAME_ERROR"), labelled(operation="DELETE", failure_code="no code")}


def test_connector_details_prefer_the_exporter_that_lists_it(past):
    known = {"name": "acme-inbound", "url": "sftp://sftp.acme.example", "egress_type": "SERVICE_MANAGED", "status": "ACTIVE"}
    assert set(ask(past, the("connector", "Connector details"), "shards|whole")) == {labelled(**ACCOUNT, **known)}


def values(past, title, ref="A", instance="whole", job="whole"):
    prometheus, end = past
    expr = sources.with_durations(the("exporter", title, ref))
    found = prometheus.instant(live.interpolate(expr, {"cluster": ".*", "job": job, "instance": instance}), end)
    return [(series["metric"], float(series["value"][1])) for series in found]


def test_exporter_dashboard_shows_sources_and_storage(past):
    account = {"aws_account": "prod", "aws_region": "eu-central-1"}
    source = account | {"job": "whole", "source": "events", "target": "transfer-events"}
    read, behind = source | {"instance": "whole"}, source | {"instance": "replica"}
    both = lambda title, ref="A": sorted(values(past, title, ref, "whole|replica"), key=lambda one: one[0].get("instance"), reverse=True)
    assert both("Sources") == [(read, 1), (behind, 0)]
    assert both("Sources", "B") == [(read, 20), (behind, 120)] == both("Time since last successful read")
    assert both("Sources", "C") == [(read, 0.25), (behind, 0.25)]
    steps = 60 / STEP
    assert values(past, "Discovered transfers") == [(account | {"source": "events", "target": "transfer-events"}, pytest.approx(2 * steps))]
    rates = {metric["outcome"]: value * STEP for metric, value in values(past, "Messages by outcome", instance="whole|replica")}
    assert rates == pytest.approx({"understood": 12, "forwarded": 8, "duplicate": 6, "foreign": 0, "unparsable": 2, "failed": 1})
    assert values(past, "Queued messages", instance="whole|replica") == [(account | {"job": "whole", "target": "transfer-events"}, 40)]
    assert [value for _, value in both("Storage up")] == [1, 0]
    assert [value for _, value in both("Storage size")] == [1_000_000, 1_000_000]
    assert [value for _, value in both("Failed writes")] == pytest.approx([0, steps])
    # Of 4 writes per step, 3 took up to 10 ms.
    assert values(past, "Write duration")[0][1] == pytest.approx(0.01 * 2 / 3)
    assert values(past, "Write duration", "B")[0][1] == pytest.approx(0.01 + 0.09 * 0.8)
