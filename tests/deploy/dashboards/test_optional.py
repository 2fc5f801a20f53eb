"""Tests of the optional dashboard, whose data sources are not Prometheus: Infinity reads the exporter, Loki its log."""

import json
import re
import subprocess
import urllib.request

import pytest

from . import live, sources

FILE = sources.FOLDER / "optional" / "failed-files.json"
INFINITY = {"type": "yesoreyeram-infinity-datasource", "uid": "${infinity}"}
LOKI = {"type": "loki", "uid": "${loki}"}


@pytest.fixture(scope="module")
def failures(tmp_path_factory):
    """The response of the demo's exporter to the query of the table, once files have failed."""
    port = live.free_port()
    url = f"http://127.0.0.1:{port}"
    with live.running([live.exporter(), "demo", f"--web.listen-address=127.0.0.1:{port}"], tmp_path_factory.mktemp("demo") / "log"):
        live.wait_until(live.answers(f"{url}/-/ready"), 20, "the demo does not answer")

        def get(path):
            with urllib.request.urlopen(url + path, timeout=10) as response:
                return json.load(response)

        def failed():
            # A scrape polls.
            urllib.request.urlopen(f"{url}/metrics", timeout=10).close()
            return get("/api/v1/failures?limit=1")["failures"]

        live.wait_until(failed, 60, "no file failed")
        connector = failed()[0]["connector_id"]
        yield connector, get(the("table")["targets"][0]["url"].replace("${exporter_url:raw}", "").replace("${connector_id:percentencode}", connector))


def the(kind):
    (panel,) = [panel for panel in sources.load(FILE)["panels"] if panel["type"] == kind]
    return panel


def test_optional_dashboard_is_linked_and_not_shipped_with_the_others():
    dashboard = sources.load(FILE)
    assert (dashboard["uid"], dashboard["tags"]) == ("aws-transfer-failed-files", ["aws-transfer-exporter"])
    assert dashboard["editable"] is False
    assert FILE not in sources.FILES, "Grafana without the plugins has no use for it"
    assert subprocess.run([sources.FOLDER / "format", "--check", FILE], timeout=20, check=False).returncode == 0


def test_data_sources_are_variables():
    variables = sources.variables(sources.load(FILE))
    assert [variables[name]["query"] for name in ("datasource", "infinity", "loki")] == ["prometheus", INFINITY["type"], LOKI["type"]]
    for kind, source in (("table", INFINITY), ("logs", LOKI)):
        assert the(kind)["datasource"] == source
        assert [target["datasource"] for target in the(kind)["targets"]] == [source]
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(sources.load(FILE)["panels"])))
    assert {"infinity", "loki", "exporter_url", "connector_id", "log_stream"} <= used
    assert used - set(variables) == {"__value"}


def test_table_selects_fields_of_the_response(failures):
    connector, response = failures
    (target,) = the("table")["targets"]
    rows = response[target["root_selector"]]
    assert rows
    for row in rows:
        assert row["connector_id"] == connector
        # `failure_code` and `failure_message` are absent if AWS gives none.
        assert {column["selector"] for column in target["columns"]} <= set(row) | {"failure_code", "failure_message"}
    assert any({"failure_code", "failure_message"} <= set(row) for row in rows)


def test_columns_have_an_order():
    """Infinity sorts its fields by name."""
    table = the("table")
    texts = [column["text"] for column in table["targets"][0]["columns"]]
    (organize,) = table["transformations"]
    assert organize["id"] == "organize"
    assert sorted(texts, key=organize["options"]["indexByName"].get) == texts
    assert set(organize["options"]["indexByName"]) == set(texts)


def test_log_query_reads_documented_fields():
    text = (sources.ROOT / "docs/reference/log-events.md").read_text(encoding="utf-8")
    (record,) = re.findall(r"^ts=\S+ .*event=file_failed .*$", text, re.MULTILINE)
    (target,) = the("logs")["targets"]
    fields = set(re.findall(r"\{\{\.(\w+)\}\}", target["expr"])) | {"connector_id"}
    assert fields <= set(re.findall(r"(\w+)=", record)), record
    assert '|= "event=file_failed"' in target["expr"]


def test_copy_for_grafana_com_asks_for_each_data_source(tmp_path):
    subprocess.run([sources.FOLDER / "share", tmp_path], check=True, capture_output=True, timeout=20)
    copy = sources.load(tmp_path / FILE.name)
    assert [one["name"] for one in copy["__inputs"]] == ["DS_PROMETHEUS", "DS_INFINITY", "DS_LOKI", "VAR_EXPORTER_URL"]
    required = {(one["type"], one["id"]) for one in copy["__requires"]}
    assert {("datasource", "loki"), ("datasource", INFINITY["type"]), ("panel", "logs"), ("panel", "table")} <= required
