"""Every query of the dashboards returns data on a Prometheus that scrapes the demo."""

import re
import time

import pytest

from . import live, sources

WITHIN = 75
CONNECTORS = 6
# Windows of the demo take minutes to close: test_flows.py asks the queries of the dashboard of flows. The demo has no shared
# storage: test_shared_storage.py asks the queries about it.
OF_THE_DEMO = [file for file in sources.FILES if file.stem != "flows"]
CASES = [pytest.param(file, panel["id"], target["refId"], id=f"{file.stem}: {panel['title']}, {target['refId']}")
         for file in OF_THE_DEMO for panel, target in sources.targets(sources.load(file))
         if panel["title"] not in sources.OF_SHARED_STORAGE]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    with live.demo(tmp_path_factory.mktemp("live")) as found:
        found.until = time.monotonic() + WITHIN
        yield found


def eventually(prometheus, attempt):
    """Returns the first result that is not empty, or the last one at the deadline."""
    while True:
        answer = attempt()
        if answer or time.monotonic() > prometheus.until:
            return answer
        time.sleep(1)


@pytest.mark.parametrize("file", OF_THE_DEMO, ids=lambda file: file.stem)
def test_variables_have_options(prometheus, file):
    dashboard = sources.load(file)
    offered = eventually(prometheus, lambda: (lambda o: all(found for name, found in o.items() if name != "cluster") and o)(live.resolved(dashboard, prometheus)))
    assert offered, live.resolved(dashboard, prometheus)
    assert [value for _, value in offered["job"]] == [live.JOB]
    assert len(offered["instance"]) == len(live.HOSTS)
    assert ("acme-inbound", "c-0a1c3e5f7092b4d61") in offered["connector_id"]


@pytest.mark.parametrize(("file", "panel_id", "ref"), CASES)
def test_query_returns_data(prometheus, file, panel_id, ref):
    dashboard = sources.load(file)
    panel, target = next((p, t) for p, t in sources.targets(dashboard) if (p["id"], t["refId"]) == (panel_id, ref))

    def attempt():
        chosen = live.choices(dashboard, prometheus)
        # If a single connector is selected, query each: some have no series of some kinds.
        answers = [live.ask(prometheus, target, choice) for choice in chosen]
        return [series for answer in answers for series in answer if live.numbers(series)]

    found = eventually(prometheus, attempt)
    assert found, live.interpolate(target["expr"], live.choices(dashboard, prometheus)[0])
    labels = set().union(*(series["metric"] for series in found))
    assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels
    if panel["title"] == "Firing alerts":
        assert {"alertname", "severity"} <= labels, "the other labels depend on the alert"
    elif panel["type"] == "table" and target["refId"] == "A":
        assert {label for label in columns(panel) if not label.startswith("Value")} - sources.KNOWN_BY_LISTING <= labels
    for url in re.findall(r"/d/[^\"]+", str(panel)):
        if panel["title"] == "Firing alerts":
            continue
        linked = set(re.findall(r"__data\.fields\.(\w+)|__field\.labels\.(\w+)", url))
        assert {name for pair in linked for name in pair if name} <= labels


def columns(panel):
    (organize,) = [t for t in panel["transformations"] if t["id"] == "organize"]
    return set(organize["options"]["indexByName"])


def targets_of(file, title):
    for panel, target in sources.targets(sources.load(sources.FOLDER / f"{file}.json")):
        if panel["title"] == title:
            yield target


def test_table_lists_every_connector(prometheus):
    choice = live.choices(sources.load(sources.FOLDER / "fleet-overview.json"), prometheus)[0]
    named, *others = targets_of("fleet-overview", "Connectors")
    rows = eventually(prometheus, lambda: live.ask(prometheus, named, choice))
    ids = [row["metric"]["connector_id"] for row in rows]
    assert len(set(ids)) == len(ids) == CONNECTORS
    assert all(row["metric"]["name"] != row["metric"]["connector_id"] for row in rows)
    for target in others:
        answer = live.ask(prometheus, target, choice)
        assert {series["metric"]["connector_id"] for series in answer} <= set(ids)
        assert all(set(series["metric"]) == {"aws_account", "aws_region", "connector_id"} for series in answer)


def test_connections_have_the_reason_of_their_last_test(prometheus):
    choice = live.choices(sources.load(sources.FOLDER / "fleet-overview.json"), prometheus)[0]
    state, last_success = targets_of("fleet-overview", "Connection tests")
    rows = eventually(prometheus, lambda: (lambda found: len(found) == CONNECTORS and found)(live.ask(prometheus, state, choice)))
    reasons = {row["metric"]["connector_id"]: row["metric"]["reason"] for row in rows}
    broken = {connector for connector, reason in reasons.items() if reason != "works"}
    assert len(reasons) == CONNECTORS and len(broken) == 1, reasons
    worked = {series["metric"]["connector_id"] for series in live.ask(prometheus, last_success, choice)}
    assert worked == set(reasons) - broken
    (timeline,) = targets_of("connector", "Connection test")
    numbers = ("works", "secret", "host", "login", "host_key", "timeout", "other")
    for connector, reason in reasons.items():
        (series,) = live.ask(prometheus, timeline, {**choice, "connector_id": connector})
        assert live.numbers(series)[-1] == numbers.index(reason)


def test_exporters_down_counts_only_exporters(prometheus):
    """Prometheus and the connections are scraped too; none is down."""
    (target,) = targets_of("fleet-overview", "Exporters down")
    choice = live.choices(sources.load(sources.FOLDER / "fleet-overview.json"), prometheus)[0]
    others = 1 + CONNECTORS
    assert eventually(prometheus, lambda: len(prometheus.instant("up == 1")) == len(live.HOSTS) + others)
    assert live.numbers(live.ask(prometheus, target, choice)[0]) == [0]
    (threads,) = targets_of("exporter", "Threads")
    assert len(live.ask(prometheus, threads, choice)) == len(live.HOSTS)


@pytest.mark.parametrize(("title", "at_least"), [("Failed files", 15), ("Failed in 1h", 15)])
def test_replicas_are_not_summed(prometheus, title, at_least):
    """The values of both replicas together equal those of one."""
    (target,) = targets_of("fleet-overview", title)
    choice = live.choices(sources.load(sources.FOLDER / "fleet-overview.json"), prometheus)[0]

    def at(instant, instances):
        expr = live.interpolate(target["expr"], {**choice, "instance": instances})
        return max((n for series in prometheus.instant(expr, instant) for n in live.numbers(series)), default=0)

    def enough():
        now = time.time() - 1
        one = [at(now, f"{host}:.+") for host in live.HOSTS]
        return min(one) >= at_least and (now, one)

    found = eventually(prometheus, enough)
    assert found, "too few files have failed"
    now, one = found
    assert max(one) <= at(now, ".+") < 1.5 * max(one)


def test_no_panel_shows_zero_without_an_exporter(tmp_path):
    """Exporters count as down, and other panels show no current value. Rules keep the last one for a while, and what has
    happened within a day stays.
    """
    with live.demo(tmp_path) as prometheus:
        now = [(panel["title"], target) for file in sources.FILES
               for panel, target in sources.targets(sources.load(file))
               if target["instant"] and panel["title"] != "Exporters down"
               and not any(window in target["expr"] for window in ("$__range", "[24h]"))
               and not any(sources.is_recorded(s.name) for s, _ in sources.selectors(sources.parse(target["expr"])))]
        choice = dict.fromkeys(("job", "instance", "aws_account", "aws_region", "connector_id", "flow"), ".+") | {"cluster": ".*"}

        def answered():
            return {title for title, target in now if live.ask(prometheus, target, choice)}

        wanted = {"Failed files", "Oldest unfinished", "Failed files by code"}
        live.wait_until(lambda: wanted <= answered(), 60, "the demo exports nothing")
        (down,) = targets_of("fleet-overview", "Exporters down")
        assert live.numbers(live.ask(prometheus, down, choice)[0]) == [0]

        prometheus.exporter.terminate()
        failed = f'count(up{{job="{live.JOB}"}} == 0) == {len(live.HOSTS)}'
        live.wait_until(lambda: prometheus.instant(failed), 60, "no scrape failed")
        assert live.numbers(live.ask(prometheus, down, choice)[0]) == [len(live.HOSTS)]
        # Series of rules end with the next evaluation.
        live.wait_until(lambda: answered() == set(), 60, "a panel shows something without an exporter")
