"""Tests of the copies for grafana.com that dashboards/share writes."""

import json
import re
import subprocess

import pytest

from . import sources


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    subprocess.run([sources.FOLDER / "share", folder], check=True, capture_output=True, timeout=20)
    return folder


def imported(copy, values):
    """Returns the dashboard as Grafana imports it: inputs replace `${NAME}` in every text, and other names stay."""
    names = {one["name"] for one in copy["__inputs"]}
    assert values.keys() == names
    text = json.dumps({key: value for key, value in copy.items() if not key.startswith("__")})
    return json.loads(re.sub(r"\$\{(\w+)\}", lambda found: values.get(found[1], found[0]), text))


@pytest.mark.parametrize("file", sources.FILES, ids=lambda file: file.stem)
def test_imported_copy_is_the_dashboard_with_the_chosen_inputs(copies, file):
    original, copy = sources.load(file), sources.load(copies / file.name)
    values = {"DS_PROMETHEUS": "P1809F7CD0C75ACF3"}
    if "exporter_url" in sources.variables(original):
        values["VAR_EXPORTER_URL"] = "https://transfer.example.com"
    found = imported(copy, values)
    variables = sources.variables(found)
    assert variables["datasource"]["current"]["value"] == values["DS_PROMETHEUS"]
    if "VAR_EXPORTER_URL" in values:
        url = variables["exporter_url"]
        assert url["query"] == url["current"]["value"] == values["VAR_EXPORTER_URL"]
        assert [one["value"] for one in url["options"]] == [values["VAR_EXPORTER_URL"]]
    for key in ("uid", "title", "panels", "annotations", "links", "tags", "schemaVersion"):
        assert found[key] == original[key], key
    changed = {name for name, variable in variables.items() if variable != sources.variables(original)[name]}
    assert changed == {"datasource", "exporter_url"} & set(variables)


@pytest.mark.parametrize("file", sources.FILES, ids=lambda file: file.stem)
def test_inputs_have_defaults_and_plugins(copies, file):
    copy = sources.load(copies / file.name)
    for one in copy["__inputs"]:
        if one["type"] == "datasource":
            assert (one["pluginId"], one["pluginName"]) == ("prometheus", "Prometheus")
        else:
            assert (one["type"], one["value"]) == ("constant", "http://localhost:10922")
            assert one["label"] and one["description"]


@pytest.mark.parametrize("file", sources.FILES, ids=lambda file: file.stem)
def test_every_plugin_is_required(copies, file):
    copy = sources.load(copies / file.name)
    required = {(one["type"], one["id"]) for one in copy["__requires"]}
    used = {("panel", panel["type"]) for panel in sources.panels(copy) if panel["type"] != "row"}
    assert required == used | {("grafana", "grafana"), ("datasource", "prometheus")}
    assert all(one["name"] for one in copy["__requires"])


def test_no_copy_is_committed():
    for file in sources.FOLDER.rglob("*.json"):
        if "preview" not in file.parts:
            assert "__inputs" not in sources.load(file)


def test_usage_error_exits_with_2(tmp_path):
    for arguments in ([], ["--check"], ["a", "b"]):
        done = subprocess.run([sources.FOLDER / "share", *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert "dashboards/share DIRECTORY" in done.stderr
    assert not list(tmp_path.iterdir())
