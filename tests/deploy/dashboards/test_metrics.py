"""The queries use the metrics of METRICS.md, all of them, and count nothing twice."""

import itertools
import re

import pytest

from . import sources

dashboards = pytest.mark.parametrize("file", sources.FILES, ids=lambda file: file.stem)
PER_TRANSFER = {"aws_transfer_files", "aws_transfer_results_up"}


def queries(dashboard):
    """Yields every syntax tree with its location, including those of variables."""
    for panel, target in sources.targets(dashboard):
        yield f"{panel['title']}, {target['refId']}", sources.parse(target["expr"])
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            inner = re.fullmatch(r"\w+\((.+)\)", sources.query_of(variable))[1]
            if "label_values" in sources.query_of(variable):
                inner = re.sub(r",\s*\w+$", "", inner)
            yield f"variable {variable['name']}", sources.parse(inner)


def test_every_row_of_metrics_md_is_parsed():
    rows = re.findall(r"^\| `", (sources.ROOT / "METRICS.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(sources.families()) == len(rows) > 20


@dashboards
def test_metrics_and_matched_labels_exist(file):
    known = sources.known_series()
    for place, tree in queries(sources.load(file)):
        for selector, _ in sources.selectors(tree):
            assert selector.name in known, place
            for matcher in selector.matchers.matchers:
                assert matcher.name in known[selector.name], (place, selector.name, matcher.name)


@dashboards
def test_grouping_and_legend_labels_exist(file):
    dashboard = sources.load(file)
    labels = set().union(*sources.known_series().values())
    for place, tree in queries(dashboard):
        for node, _ in sources.walk(tree):
            kind = type(node).__name__
            if kind == "AggregateExpr" and node.modifier:
                assert set(node.modifier.labels) <= labels, place
            if kind == "BinaryExpr" and node.modifier and node.modifier.matching:
                assert set(node.modifier.matching.labels) <= labels, place
    for panel, target in sources.targets(dashboard):
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels, panel["title"]


@dashboards
def test_labels_of_variables_exist(file):
    known = sources.known_series()
    for variable in sources.load(file)["templating"]["list"]:
        if call := re.fullmatch(r"label_values\((.+),\s*(\w+)\)", str(sources.query_of(variable))):
            assert call[2] in known[sources.parse(call[1]).name]


def test_every_family_has_a_panel_or_a_reason():
    used = sources.exported(s.name for file in sources.FILES for _, target in sources.targets(sources.load(file))
                            for s, _ in sources.selectors(sources.parse(target["expr"])))
    families = sources.families()
    shown = {family.name for family in families.values() if used & set(family.series)}
    excused = sources.excused()
    assert set(families) - shown - set(excused) == set(), "no panel and no reason"
    assert set(excused) <= set(families), "not in METRICS.md"
    assert set(excused) & shown == set(), "has a panel"
    assert all(excused.values())


@dashboards
def test_replicas_count_once(file):
    """Series of AWS state are reduced by max over `job` and `instance` before they are summed.

    Before that, an exporter may add up its own series and keep its largest: what is among the largest of all is among those."""
    state = {name for family in sources.families().values() if family.labels & {"connector_id", "flow"} for name in family.series}
    for place, tree in queries(sources.load(file)):
        for selector, parents in sources.selectors(tree):
            if selector.name not in state or place.startswith("variable") and not parents:
                continue
            aggregations = [p for p in reversed(parents) if type(p).__name__ == "AggregateExpr"]
            within = itertools.takewhile(lambda one: one.modifier and {"job", "instance"} <= set(one.modifier.labels), aggregations)
            own = list(within)
            assert {sources.op_of(one) for one in own} <= {"sum", "topk"}, place
            first = next(iter(aggregations[len(own):]), None)
            assert first is not None, place
            assert sources.op_of(first) == "max", place
            by = set(first.modifier.labels) if first.modifier else set()
            assert not by & {"job", "instance"}, place


def values(label, family):
    """Returns the values of a label of a family in METRICS.md."""
    text = (sources.ROOT / "METRICS.md").read_text(encoding="utf-8")
    section = re.search(rf"^### {family}\n(.*?)^### ", text, re.MULTILINE | re.DOTALL)[1]
    return set(re.findall(r"`([a-z_]+)`", re.search(rf"^- `{label}`: (.*)$", section, re.MULTILINE)[1]))


def colors(title):
    """Returns the colors of the series of a panel of the exporter dashboard."""
    (panel,) = [p for p in sources.panels(sources.load(sources.FOLDER / "exporter.json")) if p["title"] == title]
    overrides = panel["fieldConfig"]["overrides"]
    return {o["matcher"]["options"]: o["properties"][0]["value"]["fixedColor"] for o in overrides}


def test_every_outcome_of_a_message_has_a_color():
    outcomes = values("outcome", "aws_transfer_exporter_discovery_messages_total") - {"limits", "events"}
    shown = colors("Messages by outcome")
    assert {"understood", "forwarded"} < outcomes
    assert set(shown) == outcomes
    assert len(set(shown.values())) == len(shown)


def test_every_outcome_of_a_request_has_one_color_and_no_failure_is_green():
    outcomes = values("outcome", "aws_transfer_exporter_api_requests_total")
    all_requests = colors("Requests by outcome")
    assert {"ok", "server_error"} < outcomes == set(all_requests)
    assert len(set(all_requests.values())) == len(all_requests)
    assert [outcome for outcome, color in all_requests.items() if "green" in color] == ["ok"]
    failed = {f"/: {outcome}$/": color for outcome, color in all_requests.items() if outcome != "ok"}
    assert colors("Throttled and failed requests") == failed


@dashboards
def test_no_age_is_negative(file):
    """The clock of an exporter may be ahead of that of Prometheus."""
    for panel, target in sources.targets(sources.load(file)):
        ages = target["expr"].count("time() - ")
        assert target["expr"].count("clamp_min(time() - ") == ages, panel["title"]


@dashboards
def test_series_per_transfer_are_read_for_one_connector_at_one_time(file):
    dashboard = sources.load(file)
    for panel, target in sources.targets(dashboard):
        for selector, parents in sources.selectors(sources.parse(target["expr"])):
            if selector.name in PER_TRANSFER:
                assert (file.stem, panel["title"], target["instant"]) == ("connector", "Failed transfers", True)
                assert sources.op_of(parents[0]) == "topk"


@dashboards
def test_bars_add_up_to_the_number_of_events(file):
    """A rate times the step: an increase over the rate interval, which is longer than the step, counts each event again."""
    bars = 0
    for panel, target in sources.targets(sources.load(file)):
        if panel["type"] == "timeseries":
            assert not re.search(r"increase\([^)]*\$__rate_interval", target["expr"]), panel["title"]
            bars += "* $__interval_ms / 1000" in target["expr"]
    assert bars or file.stem == "fleet-overview"


@dashboards
def test_charts_of_many_connectors_show_some_of_them(file):
    for panel, target in sources.targets(sources.load(file)):
        if panel["type"] == "timeseries" and "{{name}}" in target["legendFormat"] and file.stem == "fleet-overview":
            assert re.search(r"\b(?:top|bottom)k\(10, ", target["expr"]), panel["title"]


@dashboards
def test_joins_with_names_have_one_series_per_connector(file):
    """The right side of each join has one series per connector, even if exporters use different names."""
    joins = 0
    for panel, target in sources.targets(sources.load(file)):
        for node, _ in sources.walk(sources.parse(target["expr"])):
            if type(node).__name__ == "BinaryExpr" and node.modifier and node.modifier.group_labels:
                joins += 1
                if type(node.rhs).__name__ == "VectorSelector":
                    # The rule has one series per connector.
                    assert node.rhs.name == "connector_name:aws_transfer_connector_info:max", panel["title"]
                    continue
                assert sources.op_of(node.rhs) == "topk", panel["title"]
                assert set(node.rhs.modifier.labels) == set(node.modifier.matching.labels), panel["title"]
    assert joins or file.stem in ("connector", "flows")


@dashboards
def test_generic_metrics_are_limited_to_exporters(file):
    """`All` jobs includes other jobs, which also have `up` and `process_*`."""
    common = set(sources.OF_PROMETHEUS) | {name for name in sources.families() if name.startswith("process_")}
    for panel, target in sources.targets(sources.load(file)):
        for selector, parents in sources.selectors(sources.parse(target["expr"])):
            if selector.name in common:
                ands = [p for p in parents if type(p).__name__ == "BinaryExpr" and str(p.op).lower().endswith("and")]
                beside = {s.name for p in ands for s, _ in sources.selectors(p.rhs)}
                assert "aws_transfer_exporter_build_info" in beside, panel["title"]
