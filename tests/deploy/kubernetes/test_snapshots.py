"""Renderings of the chart, compared byte for byte with committed snapshots.

`UPDATE_SNAPSHOTS=1` rewrites them; review the diff. The value sets are those of the chart (ci/) and those beside this file
(values/). Rules and dashboards are replaced by small files: test_helm_chart.py checks that the real ones arrive unchanged.
"""

import os
import pathlib

import pytest

import manifests as m

HERE = pathlib.Path(__file__).resolve().parent
SNAPSHOTS = HERE / "snapshots"
VALUES = {path.stem.removesuffix("-values"): path for path in [*m.VALUE_SETS, *sorted((HERE / "values").glob("*.yaml"))]}


@pytest.fixture(scope="module")
def chart(tmp_path_factory):
    return m.chart_with_small_files(tmp_path_factory.mktemp("chart"))


@pytest.mark.parametrize("name", VALUES)
def test_rendering_equals_the_snapshot(name, chart):
    done = m.template(VALUES[name], chart=chart)
    assert done.returncode == 0, done.stderr
    snapshot = SNAPSHOTS / f"{name}.yaml"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        snapshot.write_text(done.stdout)
    assert snapshot.exists(), f"{snapshot} is missing: run with UPDATE_SNAPSHOTS=1"
    assert done.stdout == snapshot.read_text(), f"{snapshot} differs: run with UPDATE_SNAPSHOTS=1 and review the diff"


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("kubernetes", m.KUBERNETES_VERSIONS)
def test_every_object_of_a_snapshot_is_valid(name, kubernetes):
    for item in m.documents((SNAPSHOTS / f"{name}.yaml").read_text()):
        m.validate(item, kubernetes)


def test_every_snapshot_has_a_value_set():
    assert {path.stem for path in SNAPSHOTS.glob("*.yaml")} == set(VALUES)
