"""Tests of the form of the dashboards: they are complete, importable, and link to each other."""

import itertools
import json
import re
import shutil
import subprocess

import pytest

from . import sources

FORMAT = sources.FOLDER / "format"
# Stable, since bookmarks, links and alerts refer to them.
UIDS = {
    "fleet-overview": ("aws-transfer-fleet", "AWS Transfer / Fleet overview"),
    "connector": ("aws-transfer-connector", "AWS Transfer / Connector"),
    "exporter": ("aws-transfer-exporter", "AWS Transfer / Exporter"),
    "flows": ("aws-transfer-flows", "AWS Transfer / Flows"),
}
TYPES = {"timeseries", "state-timeline", "stat", "bargauge", "table", "row", "text"}
TRANSFORMATIONS = {"organize", "merge", "joinByField", "sortBy", "filterFieldsByName", "labelsToFields", "reduce"}
VARIABLES = ["datasource", "cluster", "job", "instance", "aws_account", "aws_region", "connector_id"]
# A flow may span accounts and connectors.
VARIABLES_OF_FLOWS = ["datasource", "cluster", "job", "instance", "flow"]

dashboards = pytest.mark.parametrize("file", sources.FILES, ids=lambda file: file.stem)


def run_format(*arguments):
    return subprocess.run([FORMAT, *arguments], capture_output=True, text=True, timeout=20, check=False)


def everything(value):
    """Yields every mapping in a document."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from everything(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from everything(inner)


def links(dashboard):
    return [node["url"] for node in everything(dashboard) if str(node.get("url", "")).startswith("/d/")]


def test_uids_and_titles_are_stable():
    found = {file.stem: (d["uid"], d["title"]) for file in sources.FILES for d in [sources.load(file)]}
    assert found == UIDS


def test_files_are_formatted():
    result = run_format("--check")
    assert (result.returncode, result.stderr) == (0, "")


@dashboards
def test_formatting_a_grafana_export_restores_the_file(file, tmp_path):
    copy = tmp_path / file.name
    exported = sources.load(file)
    exported.update(id=17, version=4, iteration=1700000000000, editable=True)
    exported["annotations"]["list"].insert(0, {"builtIn": 1, "datasource": {"type": "grafana", "uid": "-- Grafana --"}})
    for variable in exported["templating"]["list"]:
        variable["current"] = {"text": "Prometheus", "value": "P1809F7CD0C75ACF3"}
        variable["options"] = [variable["current"]]
        if variable["type"] == "query":
            variable["query"] = {"qryType": 1, "query": variable["query"], "refId": "StandardVariableQuery"}
    copy.write_text(json.dumps(exported, indent=4), encoding="utf-8")
    assert run_format("--check", copy).returncode == 1
    assert run_format(copy).returncode == 0
    assert copy.read_text(encoding="utf-8") == file.read_text(encoding="utf-8")


def test_export_without_data_source_variable_is_rejected(tmp_path):
    copy = tmp_path / "shared.json"
    exported = sources.load(sources.FILES[0])
    exported["__inputs"] = [{"name": "DS_PROMETHEUS", "type": "datasource"}]
    copy.write_text(json.dumps(exported), encoding="utf-8")
    result = run_format(copy)
    assert result.returncode == 1
    assert "hint: export again with that option off" in result.stderr


def test_format_works_in_any_directory(tmp_path):
    shutil.copy(FORMAT, tmp_path / "format")
    shutil.copy(sources.FILES[0], tmp_path)
    result = subprocess.run([tmp_path / "format", "--check"], cwd="/",
                            capture_output=True, text=True, timeout=20, check=False)
    assert (result.returncode, result.stderr) == (0, "")


@dashboards
def test_schema_is_classic(file):
    dashboard = sources.load(file)
    assert dashboard["schemaVersion"] == 39
    assert dashboard["editable"] is False
    assert "aws-transfer-exporter" in dashboard["tags"]
    assert dashboard["description"]
    assert not {"__inputs", "__requires", "__elements", "id", "version", "iteration", "spec"} & set(dashboard)


@dashboards
def test_every_variable_exists_and_is_used(file):
    dashboard = sources.load(file)
    constants = ["exporter_url"] if "exporter_url" in str(dashboard["panels"]) else []
    expected = VARIABLES_OF_FLOWS if file.stem == "flows" else VARIABLES
    assert list(sources.variables(dashboard)) == expected + constants
    exprs = "\n".join(target["expr"] for _, target in sources.targets(dashboard))
    for name in expected[1:]:
        assert f'{name}=~"${name}"' in exprs, name


@dashboards
def test_data_source_is_a_variable(file):
    dashboard = sources.load(file)
    found = [node["datasource"] for node in everything(dashboard) if "datasource" in node]
    assert found
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in found)
    assert sources.variables(dashboard)["datasource"]["current"] == {}


@dashboards
def test_panel_types_and_transformations_are_supported(file):
    for panel in sources.panels(sources.load(file)):
        assert panel["type"] in TYPES, panel["title"]
        for transformation in panel.get("transformations", []):
            assert transformation["id"] in TRANSFORMATIONS, panel["title"]


@dashboards
def test_panel_ids_are_unique_and_panels_do_not_overlap(file):
    panels = list(sources.panels(sources.load(file)))
    ids = [panel["id"] for panel in panels]
    assert len(set(ids)) == len(ids)
    for panel in panels:
        at = panel["gridPos"]
        assert at["x"] >= 0 and at["w"] > 0 and at["h"] > 0 and at["x"] + at["w"] <= 24, panel["title"]
    for one, other in itertools.combinations(panels, 2):
        a, b = one["gridPos"], other["gridPos"]
        apart = (a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
                 or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"])
        assert apart, (one["title"], other["title"])


def test_exporter_fits_two_screens_with_its_rows_closed():
    """A screen of 1080 lines shows 25 units of the grid below the bars of Grafana and the browser."""
    panels = sources.load(sources.FOLDER / "exporter.json")["panels"]
    rows = [panel for panel in panels if panel.get("collapsed")]
    height = sum({panel["gridPos"]["y"]: panel["gridPos"]["h"] for panel in panels}.values())
    assert len(rows) == 5
    assert height <= 2 * 25


@dashboards
def test_query_ids_are_unique_per_panel(file):
    for panel in sources.panels(sources.load(file)):
        ids = [target["refId"] for target in panel.get("targets", [])]
        assert len(set(ids)) == len(ids), panel["title"]


@dashboards
def test_dashboard_links_keep_variables_and_time(file):
    (link,) = sources.load(file)["links"]
    assert link["type"] == "dashboards"
    assert link["tags"] == ["aws-transfer-exporter"]
    assert link["includeVars"] is True
    assert link["keepTime"] is True


@dashboards
def test_data_links_set_the_variables_of_the_target(file):
    # The URL of the exporter is a constant of each dashboard.
    ours = {d["uid"]: set(sources.variables(d)) - {"exporter_url"} for d in map(sources.load, sources.FILES)}
    for url in links(sources.load(file)):
        uid, query = re.fullmatch(r"/d/([\w-]+)\?(.+)", url).groups()
        given = set(re.findall(r"var-(\w+)=", query)) | set(re.findall(r"\$\{(\w+):queryparam\}", query))
        assert given == ours[uid]
        assert "${__url_time_range}" in query


# Heights in units of the grid; a screen has about 27.
def test_exporter_dashboard_has_at_most_two_screens():
    visible = sources.load(sources.FOLDER / "exporter.json")["panels"]
    shown = {(panel["gridPos"]["y"], panel["gridPos"]["h"]) for panel in visible}
    assert sum(height for _, height in shown) <= 2 * 27


def test_charts_have_legends_with_the_last_and_the_largest_value():
    """Sorted, since a chart has room for three rows."""
    for file in sources.FILES:
        for panel in sources.panels(sources.load(file)):
            if panel["type"] == "timeseries":
                legend = panel["options"]["legend"]
                assert (legend["displayMode"], legend["calcs"]) == ("table", ["lastNotNull", "max"]), panel["title"]
                assert legend["sortBy"] == "Last *", panel["title"]
                assert panel["gridPos"]["h"] >= 9 or panel["title"].startswith("Cost"), panel["title"]


@pytest.mark.parametrize(("board", "title"), [
    ("fleet-overview", "Failed within an hour by code"),
    ("connector", "Files failed by code"),
    ("connector", "Failed remote operations by code"),
    ("flows", "Failed files by flow and code"),
])
def test_failure_codes_have_a_color_of_their_own_that_is_not_green(board, title):
    source = (sources.ROOT / "crates/model/src/statuses.rs").read_text(encoding="utf-8")
    codes = re.findall(r'"([A-Z_]+)"', re.search(r"DOCUMENTED_FAILURE_CODES: [^=]*= \[(.*?)\];", source, re.S)[1])
    (panel,) = [panel for panel in sources.panels(sources.load(sources.FOLDER / f"{board}.json")) if panel["title"] == title]
    colors = {o["matcher"]["options"]: o["properties"][0]["value"]["fixedColor"] for o in panel["fieldConfig"]["overrides"]}
    assert list(colors) == [*(f"/(^| ){code}$/" for code in codes), "/(^| )no code$/"]
    assert len(set(colors.values())) == len(colors)
    assert not [color for color in colors.values() if "green" in color]


@dashboards
def test_panels_for_each_bar_draw_bars(file):
    for panel in sources.panels(sources.load(file)):
        if "for each bar" in panel.get("description", ""):
            custom = panel["fieldConfig"]["defaults"]["custom"]
            assert (custom["drawStyle"], custom["stacking"]["mode"]) == ("bars", "normal"), panel["title"]


@pytest.mark.parametrize("board", ["fleet-overview", "connector", "flows"])
def test_panels_in_dollars_name_their_settings_and_assumptions(board):
    panels = [panel for panel in sources.panels(sources.load(sources.FOLDER / f"{board}.json"))
              if panel.get("fieldConfig", {}).get("defaults", {}).get("unit") == "currencyUSD"]
    assert len(panels) == 4
    for panel in panels:
        wanted = ("priceDate",) if panel["title"] == "Prices" else ("pricedStatuses", "discovery.events")
        for name in ("pricePerCall", "pricePerGB", *wanted):
            assert f"`{name}`" in panel["description"], panel["title"]


def test_firing_alerts_link_to_their_runbooks_and_connectors():
    fleet = sources.load(sources.FOLDER / "fleet-overview.json")
    (table,) = [panel for panel in sources.panels(fleet) if panel["title"] == "Firing alerts"]
    urls = [node["url"] for node in everything(table) if "url" in node]
    assert any(url.endswith("#${__data.fields.alertname}") for url in urls)
    assert any(url.startswith("/d/aws-transfer-connector?") for url in urls)


def test_connector_rows_link_to_the_connector_dashboard():
    fleet = sources.load(sources.FOLDER / "fleet-overview.json")
    (table,) = [panel for panel in sources.panels(fleet) if panel["title"] == "Connectors"]
    assert any("aws-transfer-connector" in url and "${__data.fields.connector_id}" in url for url in links(table))


def test_cluster_variable_also_matches_series_without_the_label():
    for file in sources.FILES:
        assert sources.variables(sources.load(file))["cluster"]["allValue"] == ".*"


def test_failed_transfers_link_to_the_transfer():
    connector = sources.load(sources.FOLDER / "connector.json")
    (table,) = [panel for panel in sources.panels(connector) if panel["title"] == "Failed transfers"]
    urls = [node["url"] for node in everything(table) if "url" in node]
    assert urls == ["${exporter_url:raw}/transfers?connector_id=${connector_id:percentencode}&search=${__data.fields.transfer_id:percentencode}"]
    variable = sources.variables(connector)["exporter_url"]
    assert (variable["type"], variable["query"]) == ("constant", "http://localhost:10922")
    # The link has a single connector.
    assert sources.variables(connector)["connector_id"]["multi"] is False


@dashboards
def test_column_overrides_match_existing_columns(file):
    for panel in sources.panels(sources.load(file)):
        if panel["type"] != "table":
            continue
        renamed = {}
        for transformation in panel["transformations"]:
            if transformation["id"] == "organize":
                options = transformation["options"]
                renamed = {old: options["renameByName"].get(old, old) for old in options["indexByName"]}
        wanted = [o["matcher"]["options"] for o in panel["fieldConfig"]["overrides"]]
        wanted += [by["displayName"] for by in panel["options"]["sortBy"]]
        assert set(wanted) <= set(renamed.values()), panel["title"]
